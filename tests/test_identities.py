"""Re-identification sets from outside a notebook: every layout, every damage, any name, other processes."""
import hashlib
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from brnpa_nb.data.identities import KINDS, WHERE, Identities, cross_camera, open_identities, parse_name, recognise, split_identities
from brnpa_nb.data.identity_lookalikes import LOOKALIKES, msmt17_lookalike
from brnpa_nb.data.people import DEFINING, IDENTITIES, PARTS, People, draw_person
from tests.real import DATA, needs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    "Each look-alike once; tests that change one copy it first."
    top = tmp_path_factory.mktemp("sets")
    drawn = {kind: draw(top / kind, 4, 3) for kind, draw in LOOKALIKES.items()}
    return {**drawn, "msmt17_v2": msmt17_lookalike(top / "v2", 4, 3, version=2)}


# --- layouts

EXPECTED = {"market1501": (48, 18, 21, 3), "dukemtmc": (64, 24, 26, 2), "msmt17": (44, 18, 18, 0), "msmt17_v2": (44, 18, 18, 0), "cuhk03np": (16, 6, 6, 0)}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_layout_is_recognised_and_read(sets, name):
    kind = name.removesuffix("_v2")
    assert recognise(sets[name]) == kind
    data = open_identities(sets[name])
    assert (len(data.train), len(data.query), len(data.gallery), data.distractors) == EXPECTED[name]
    assert data.name == WHERE[kind].title and cross_camera(data.query, data.gallery)[1].all()
    for part in data[:3]:
        image, label = part[-1]
        assert image.shape == (3, 256, 128) and image.dtype == torch.float32 and 0 <= image.min() and image.max() <= 1
        assert type(label) is int and part.classes[label] == f"{int(part.pids[-1]):04d}"
        assert part.pids.dtype == part.camids.dtype == part.labels.dtype == torch.int64 and part.camids.min() == 0
        assert part.labels.unique().tolist() == list(range(len(part.classes)))
        assert all(parse_name(p.name, kind) == (pid, camid) for p, pid, camid in zip(part.paths, part.pids.tolist(), part.camids.tolist()))
    assert [p.transform for p in open_identities(sets[name], transform=torch.flip)[:3]] == [torch.flip, None, None]


@pytest.mark.parametrize("name", ["market1501", "dukemtmc", "cuhk03np"])
def test_a_set_named_the_market_way_reads_the_same(sets, name):
    root = sets[name] / "detected" if name == "cuhk03np" else sets[name]
    official, general = open_identities(root, name), open_identities(root, "market")
    assert [p.paths for p in official[:3]] == [p.paths for p in general[:3]] and all(torch.equal(a.camids, b.camids) for a, b in zip(official[:3], general[:3]))


def test_both_boxes_and_both_rules_of_msmt(sets):
    detected, labeled = (open_identities(sets["cuhk03np"], boxes=boxes) for boxes in ("detected", "labeled"))
    assert {p.parts[-3] for p in detected.train.paths} == {"detected"} and {p.parts[-3] for p in labeled.gallery.paths} == {"labeled"}
    plain, more = open_identities(sets["msmt17"]), open_identities(sets["msmt17"], with_val=True)
    assert plain.left_out == {"pictures of list_val.txt": 4} and more.left_out == {} and len(more.train) == len(plain.train) + 4


def test_loader_workers_and_pickles(sets):
    query = open_identities(sets["market1501"], size=(64, 32)).query
    loaded = torch.cat([images for images, _ in DataLoader(query, batch_size=6, num_workers=2)])
    assert torch.equal(loaded, torch.stack([query[i][0] for i in range(len(query))]))
    assert pickle.loads(pickle.dumps(query)).paths == query.paths


# --- damage

def remove(pattern): return lambda root: [shutil.rmtree(p) if p.is_dir() else p.unlink() for p in list(root.glob(pattern))]


def test_leaving_out_is_counted(sets, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(sets["market1501"], root)
    remove("bounding_box_test/0003*")(root)
    remove("bounding_box_test/0005_c[2-6]*")(root)
    (root / "query/Thumbs.db").write_bytes(b"x")
    (root / "query/.DS_Store").write_bytes(b"x")
    data = open_identities(root, unmatched="leave out")
    assert len(data.query) == 18 - 6 - 1 and cross_camera(data.query, data.gallery)[1].all()
    assert data.left_out == {"junk (person -1)": 2, "files that are no pictures": 1, "queries whose person is not in the gallery": 6, "queries with matches under their own camera only": 1}
    remove("bounding_box_test/000[15]*")(root)
    with pytest.raises(ValueError, match="nothing can be evaluated"): open_identities(root, unmatched="leave out")


@pytest.mark.parametrize("kind", WHERE)
def test_what_is_not_there_says_where_to_ask(tmp_path, kind):
    with pytest.raises(FileNotFoundError) as caught: open_identities(tmp_path / "none", kind)
    assert WHERE[kind].where in str(caught.value) and "nothing is downloaded" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nothing is downloaded"): open_identities(tmp_path / "none")
    with pytest.raises(ValueError, match="choose one of"): open_identities(tmp_path, "viper")


def test_a_folder_around_the_set_is_pointed_into(sets):
    with pytest.raises(FileNotFoundError, match="which looks like one"): open_identities(sets["market1501"].parent)


def test_a_copy_that_broke_off_is_noticed(tmp_path):
    "Empty files are enough: names are read before pictures."
    for folder, n in (("bounding_box_train", 1300), ("query", 2), ("bounding_box_test", 2)):
        (tmp_path / folder).mkdir()
        for k in range(n): (tmp_path / folder / f"{2 * k % 1000 + (folder[0] == 'b' and n > 2):04d}_c{1 + k % 6}s1_{k:06d}_00.jpg").touch()
    with pytest.raises(ValueError, match="bounding_box_train holds 1,300 pictures of persons and Market-1501 has 12,936 there, 11,636 are missing"): open_identities(tmp_path, "market1501")


# --- names

pids, cameras = st.integers(0, 9999), st.integers(1, 15)
MAKE = {"market1501": lambda pid, c, k: f"{pid:04d}_c{(c - 1) % 6 + 1}s{k % 6 + 1}_{k:06d}_{k % 100:02d}.jpg", "dukemtmc": lambda pid, c, k: f"{pid:04d}_c{(c - 1) % 8 + 1}_f{k:07d}.jpg",
        "msmt17": lambda pid, c, k: f"{pid:04d}_{k % 1000:03d}_{c:02d}_0303{('morning', 'noon', 'afternoon')[k % 3]}_{k % 10000:04d}_{k % 7}.jpg",
        "cuhk03np": lambda pid, c, k: f"{pid:04d}_c{(c - 1) % 2 + 1}_{k}.png", "market": lambda pid, c, k: f"{pid}_c{c}{('', '_x', 's1_0')[k % 3]}.{('jpg', 'PNG', 'jpeg')[k % 3]}"}
RANGE = {"market1501": 6, "dukemtmc": 8, "msmt17": 15, "cuhk03np": 2, "market": 15}


@given(st.sampled_from(KINDS), pids, cameras, st.integers(0, 99999))
def test_valid_names_come_back(kind, pid, camera, k):
    assert parse_name(MAKE[kind](pid, camera, k), kind) == (pid, (camera - 1) % RANGE[kind])


@given(st.sampled_from(KINDS), st.one_of(st.text(), st.from_regex(r"-?[0-9]{1,5}_c[0-9]{1,3}[s_f0-9a-z.]*(\.jpg|\.png)?")))
def test_any_text_is_a_name_or_a_value_error(kind, text):
    try: name = parse_name(text, kind)
    except ValueError as e: assert "expected one like" in str(e)
    else: assert name.pid >= -1 and name.camid >= 0 and text.startswith(("-1_", *"0123456789"))


@given(st.sampled_from(KINDS), pids, cameras, st.integers(0, 99999), st.sampled_from("/\\\n\0 "), st.booleans())
def test_one_wrong_character_is_noticed(kind, pid, camera, k, wrong, front):
    name = MAKE[kind](pid, camera, k)
    with pytest.raises(ValueError): parse_name(wrong + name if front else name + wrong, kind)


# --- validation

@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=4, max_size=30), st.floats(.05, .95), st.integers(0, 99))
def test_a_validation_query_always_has_a_match(shots, fraction, seed):
    people = Identities.__new__(Identities)                              # labels only: no picture is read
    people.pids, people.camids = (torch.tensor(column) for column in zip(*shots))
    people.paths, people.size, people.transform = [Path(str(k)) for k in range(len(shots))], (8, 4), None
    persons, people.labels = people.pids.unique(return_inverse=True)
    people.classes = tuple(map(str, persons.tolist()))
    people.subset = lambda rows: rows_of(people, rows)
    try: rest, valid = split_identities(people, fraction, seed)
    except ValueError as e:
        assert re.search("seen by two cameras|at least two", str(e))
        return
    assert cross_camera(valid.query, valid.gallery)[1].all() and not set(rest.pids.tolist()) & set(valid.gallery.pids.tolist())
    assert sorted([*rest.paths, *valid.query.paths, *valid.gallery.paths]) == sorted(people.paths)
    seen = {p: {c for q, c in shots if q == p} for p in valid.gallery.pids.tolist()}
    assert all((p in valid.query.pids.tolist()) == (len(c) > 1) for p, c in seen.items())


def rows_of(people, rows):
    "What `Identities.subset` gives, without files."
    part = Identities.__new__(Identities)
    part.paths, part.pids, part.camids = [people.paths[i] for i in rows], people.pids[list(rows)], people.camids[list(rows)]
    return part


# --- the people themselves

def test_a_plain_script_draws_the_same_people():
    script = "import hashlib; from brnpa_nb.data.people import People; print(hashlib.sha256(People(70, seed=5).draw(workers=2).images.numpy().tobytes()).hexdigest())"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == hashlib.sha256(People(70, seed=5).draw(workers=1).images.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("height", [64, 96, 130, 256])
def test_every_height_shows_the_same_scene(height):
    big, person = draw_person(3, height=384), draw_person(3, height=height)
    assert person.image.shape == (3, height, height // 2) and person[2:] == big[2:]
    shares = [torch.bincount(p.parts.flatten(), minlength=len(PARTS) + 1) / p.parts.numel() for p in (person, big)]
    assert (shares[0] - shares[1]).abs().max() < .02
    small = [torch.nn.functional.adaptive_avg_pool2d(p.image.float(), (16, 8)) for p in (person, big)]
    assert (small[0] - small[1]).abs().mean() < 6


def test_every_person_shows_the_deciding_parts():
    for seed in range(2 * len(IDENTITIES)):
        parts = draw_person(seed, seed % len(IDENTITIES)).parts
        for part in DEFINING["identity"]: assert (parts == 1 + PARTS.index(part)).sum() >= 50, (seed, part)


def test_any_two_identities_look_different():
    "Same seed, same camera, from the front: the least difference among many pairs is no small one."
    front = next(seed for seed in range(99) if (draw_person(seed, 0, 0).parts == 1 + PARTS.index("head")).sum() > 60)
    pictures = torch.stack([torch.nn.functional.avg_pool2d(draw_person(front, who, 0).image.float(), 2) for who in range(len(IDENTITIES))])
    changed = ((pictures[:, None] - pictures[None]).abs().amax(2) > 40).float().mean((-2, -1)) + torch.eye(len(IDENTITIES))
    assert changed.min() > .01, changed.min()


# --- the real sets, where somebody has them

@needs("market1501")
def test_real_market():
    data = open_identities(DATA / "market1501")
    assert [len(p) for p in data[:3]] == [12936, 3368, 15913] and data.left_out["junk (person -1)"] == 3819
