"""A comparison from outside: killed and resumed, damaged, refused, and never somebody else's numbers."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings as examples
from hypothesis import strategies as st
from torch import nn

from brnpa_nb.comparing import as_figures, run_comparison
from brnpa_nb.demo import shipped
from brnpa_nb.evidence.basic_explainers import activation
from brnpa_nb.evidence.benchmark import compare, long_table, photo_table, rehearse, who_differs, wide_table
from brnpa_nb.evidence.cases import Case, Cases, bird_cases
from brnpa_nb.evidence.explainers import EXPLAINERS, Explainer, explain_with, missing
from brnpa_nb.evidence.fingerprints import checksum
from brnpa_nb.evidence.metrics import Settings
from brnpa_nb.evidence.pieces import as_asked
from brnpa_nb.models import create_model
from tests.build import ROOT
from tests.warm import command, in_a_process

SIDE, LAYER = 24, {"layer": "1"}


def network(seed: int = 0) -> nn.Module:
    "A small convolutional network; its grid is 6 × 6."
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).eval()


def photographs(n: int = 6, mask: bool = True) -> Cases:
    "Noise, each with its mask."
    def load(i):
        g = torch.Generator().manual_seed(i)
        return Case(torch.rand(3, SIDE, SIDE, generator=g), mask=torch.rand(SIDE, SIDE, generator=g) > .7 if mask else None)
    return Cases("noise", [f"photo {i}" for i in range(n)], load, "some of the pixels")


HOW = dict(metrics=["DAUC", "IC", "energy"], settings=Settings(steps=4, grid=(6, 6)), portion=2, progress=False, say=None)
THREE = {"activation": ("activation", LAYER), "noise": "random", "rise": ("rise", {"masks": 30, "cells": 3})}


def bits(found):
    "Every value and curve, to the last bit."
    return {str(k): [x.hex() for x in v.flatten().tolist()] for k, v in [*found.values.items(), *((k, y) for k, (_, y) in found.curves.items())]}


def pieces(folder): return sorted(Path(folder).rglob("*.json"))


@pytest.fixture(scope="module")
def plain(): return bits(compare(network(), THREE, cases=photographs(), **HOW))


# stopped and resumed

def _child(folder: str) -> None:
    "What the killed process does: the same comparison, with so many masks that there is time to kill it."
    torch.set_num_threads(1)
    said = []
    slow = {**THREE, "rise": ("rise", {"masks": 1500, "cells": 3})}
    found = compare(network(), slow, cases=photographs(), cache=None if folder == "none" else folder, **HOW | {"say": said.append})
    print(json.dumps({"said": said, "bits": bits(found), "name": checksum(shipped("birds_low"))}))


def _start(folder): return subprocess.Popen([sys.executable, "-m", "tests.test_benchmark", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random"})


def test_killed_and_resumed_is_bitwise_the_same_and_redoes_one_piece_at_most(tmp_path):
    killed, deadline = _start(tmp_path), time.monotonic() + 120
    while len(pieces(tmp_path)) < 4 and time.monotonic() < deadline: time.sleep(.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    there = {p: p.stat().st_mtime_ns for p in pieces(tmp_path)}
    assert killed.returncode == -signal.SIGKILL and 4 <= len(there) < 9
    resumed, whole = (json.loads(_start(folder).communicate(timeout=240)[0]) for folder in (tmp_path, "none"))
    assert f"{len(there)} pieces there already" in resumed["said"][-1]
    assert resumed["bits"] == whole["bits"] and len(pieces(tmp_path)) == 9
    assert {p: p.stat().st_mtime_ns for p in there} == there                     # none of them was made again
    assert resumed["name"] == whole["name"] == checksum(shipped("birds_low"))    # a name is the same in every process


@examples(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 5), time_=st.integers(1, 3))
def test_interrupted_anywhere(plain, tmp_path_factory, at, time_):
    folder, read, noise = tmp_path_factory.mktemp("cut"), [], photographs()
    def load(i):
        read.append(i)
        if i == at and read.count(at) == time_: raise KeyboardInterrupt
        return noise[i]
    cases = replace(noise, load=load)
    for _ in range(2):
        try: found = compare(network(), THREE, cases=cases, cache=folder, **HOW)
        except KeyboardInterrupt: continue
    assert bits(found) == plain


def test_what_is_there_is_extended_and_not_wiped_out(tmp_path, plain):
    for metrics in (["DAUC"], ["energy"], ["IC"]): compare(network(), THREE, cases=photographs(), cache=tmp_path, **HOW | {"metrics": metrics})
    before = {p: p.read_bytes() for p in pieces(tmp_path)}
    assert bits(compare(network(), THREE, cases=photographs(), cache=tmp_path, **HOW)) == plain
    assert {p: p.read_bytes() for p in pieces(tmp_path)} == before and len(before) == 9


def test_some_photographs_with_curves_and_some_without(tmp_path):
    "Two photographs were judged by deletion; then all six by energy, without; then all by both."
    compare(network(), THREE, cases=photographs(2), cache=tmp_path, **HOW | {"metrics": ["DAUC"]})
    found = compare(network(), THREE, cases=photographs(), cache=tmp_path, **HOW | {"metrics": ["energy"]})
    assert not found.curves and len(found.of("energy")["noise"]) == 6
    both = compare(network(), THREE, cases=photographs(), cache=tmp_path, **HOW | {"metrics": ["DAUC", "energy"]})
    assert both.curves["model", "noise", "deletion"][1].shape == (6, 5)


def test_neither_portion_nor_order_matters():
    "Explainers that draw gave another map to a photograph that stood elsewhere, or had other company."
    asked, six, how = {"noise": ("random", {"grid": 6}), "rise": ("rise", {"masks": 60, "cells": 3})}, photographs(), HOW | {"metrics": ["DAUC", "energy"]}
    want = compare(network(), asked, cases=six, **how)
    others = [compare(network(), asked, cases=six, **how | {"portion": n}) for n in (1, 5)]
    back = compare(network(), asked, cases=replace(six, names=six.names[::-1], load=lambda i: six[5 - i]), **how)
    for key, values in want.values.items():
        for found in (*(o.values[key] for o in others), back.values[key].flip(0)): torch.testing.assert_close(found, values, rtol=1e-3, atol=1e-4, equal_nan=True)
    assert want.values["model", "noise", "energy"].unique().numel() == 6                    # and yet every photograph has its own


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    compare(network(), THREE, cases=photographs(), cache=folder, **HOW)
    return folder


@examples(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_piece_is_never_believed(plain, full, data):
    piece = data.draw(st.sampled_from(pieces(full)))
    whole = piece.read_bytes()
    at, kind = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.sampled_from(["cut", "flip", "other"]))
    if kind == "cut": piece.write_bytes(whole[:at])
    elif kind == "flip": piece.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1:])
    else: piece.write_bytes(data.draw(st.sampled_from([b"", b"{}", b"[]", b"null", b'{"checksum": "", "piece": {}}', b"\xff\xfe"])))
    try: assert bits(compare(network(), THREE, cases=photographs(), cache=full, **HOW)) == plain
    finally: piece.write_bytes(whole)


def test_a_piece_copied_over_another_is_not_believed(tmp_path, full, plain):
    shutil.copytree(full, tmp_path / "copy")
    first, *others = pieces(tmp_path / "copy")
    for other in others: shutil.copy(first, other)
    said = []
    assert bits(compare(network(), THREE, cases=photographs(), cache=tmp_path / "copy", **HOW | {"say": said.append})) == plain
    assert "8 pieces" in said[0] and "renamed" in said[0]


# never another's numbers

VARIANTS = [dict(output_stride=32), dict(output_stride=8), dict(output_stride=8, resolution="stride"), dict(output_stride=8, align=False), dict(n_maps=2, combine="sum"), dict(n_maps=3, combine="sum"),
            dict(pooling="average"), dict(refine=False), dict(signed="plain"), dict(mean=[.1, .2, .3])]


def test_the_same_weights_in_another_network_are_another_network(tmp_path):
    "À trous, pooling, ranks: one checksum of weights. With a shared cache each gets what it gets without one."
    def build(**config):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return create_model("resnet10t", 4, **config).eval()
    models = {str(v): build(**v) for v in VARIANTS}
    assert len({checksum(m) for m in models.values()}) == len(models)
    birds, how = bird_cases(1, size=64), dict(metrics=["energy"], settings=Settings(steps=2), progress=False, say=None)
    own = {name: compare(m, "activation", cases=birds, **how).of("energy")["activation"].item() for name, m in models.items()}
    shared = {name: compare(m, "activation", cases=birds, cache=tmp_path, **how).of("energy")["activation"].item() for name, m in models.items()}
    assert shared == own and len(set(own.values())) > 4 and len(pieces(tmp_path)) == len(models)


class Louder(nn.Module):
    "Its scale is neither a parameter nor a buffer."
    def __init__(self, scale):
        super().__init__()
        self.scale, self.net = scale, network()

    def forward(self, x): return self.scale * self.net(x) + x.mean((1, 2, 3))[:, None] ** self.scale


def function(k): return lambda x: torch.stack([x[:, 0].mean((1, 2)) * k, x[:, 1].mean((1, 2))], 1)


@pytest.mark.parametrize("kinds", [(Louder(1.), Louder(3.)), (function(1.), function(9.)), (network(0), network(1)), (network(), network().double().float().requires_grad_(False)[:5])], ids=["attribute", "closure", "weights", "same"])
def test_other_models_have_other_pieces(tmp_path, kinds):
    for model in kinds: compare(model, "centre", cases=photographs(2), cache=tmp_path, **HOW)
    assert len(pieces(tmp_path)) == (1 if checksum(kinds[0]) == checksum(kinds[1]) else 2)
    if isinstance(kinds[0], nn.Sequential): assert len(pieces(tmp_path)) == (1 if torch.equal(kinds[0][0].weight, kinds[1][0].weight) else 2)
    else: assert len(pieces(tmp_path)) == 2


def test_everything_else_that_a_number_depends_on(tmp_path):
    "Each call differs from the first in one thing, and makes pieces of its own."
    cases = photographs(2)
    base = dict(HOW, cases=cases)
    other_mask = replace(cases, load=lambda i: cases[i]._replace(mask=~cases[i].mask))
    other_pixels = replace(cases, load=lambda i: cases[i]._replace(image=cases[i].image * .999))
    doubles = replace(cases, load=lambda i: cases[i]._replace(tolerance=3.))
    calls = [({"a": "random"}, base), ({"a": ("random", {"grid": 5})}, base), ({"a": ("random", {"seed": 3})}, base), ({"a": ("activation", LAYER)}, base), ({"a": ("activation", {"layer": "0"})}, base),
             *(({"a": "random"}, base | {"cases": c}) for c in (other_mask, other_pixels, doubles)), *(({"a": "random"}, base | {"settings": s}) for s in (Settings(steps=5, grid=(6, 6)), Settings(steps=4, grid=(6, 6), precision="bf16"), Settings(steps=4, grid=(6, 6), explain_batch=1), Settings(steps=4, grid=(6, 6), seed=1)))]
    for n, (asked, how) in enumerate(calls, 1):
        compare(network(), asked, cache=tmp_path, **how)
        assert len(pieces(tmp_path)) == n, (asked, n)
    compare({"another label": network()}, {"another": "random"}, cache=tmp_path, **base)     # labels change nothing
    assert len(pieces(tmp_path)) == len(calls)


def test_a_new_version_of_the_library_has_new_pieces(tmp_path, monkeypatch):
    from brnpa_nb.evidence import fingerprints
    compare(network(), "random", cases=photographs(2), cache=tmp_path, **HOW)
    monkeypatch.setattr(fingerprints, "own_code", lambda: "another code")
    fingerprints.installed.cache_clear()
    try: compare(network(), "random", cases=photographs(2), cache=tmp_path, **HOW)
    finally: monkeypatch.undo(); fingerprints.installed.cache_clear()
    assert len(pieces(tmp_path)) == 2


# refused, failed, undefined

def test_models_of_which_one_refuses_and_a_library_that_is_not_there():
    def absent(model, images, targets, **how): raise ImportError("this explainer needs nothing_at_all; pip install it")
    found = compare({"net": network(), "f": function(1.)}, {**THREE, "absent": Explainer("absent", absent)}, cases=photographs(), **HOW)
    assert {(r["model"], r["explainer"]) for r in found.refused} == {("f", "activation"), ("net", "absent"), ("f", "absent")} and all(r["reason"] for r in found.refused)
    assert found.explainers == list(THREE) and set(found.cost) == {("net", e) for e in THREE} | {("f", "noise"), ("f", "rise")}
    assert {len(v) for v in found.values.values()} == {6} and list(found.of("energy", "f")) == ["noise", "rise"]
    assert len(photo_table(found)) == 5 * 6 and len(long_table(found)) == 5 * 3 and len(wide_table(found, "f")) == 2


def test_an_explainer_that_refuses_later_is_not_half_there(tmp_path):
    "Its pieces are in the cache but for one; now it refuses every photograph. No column with a hole may come out."
    flag = tmp_path / "refuse"
    def moody(model, images, targets, **how):
        if flag.exists(): raise ValueError("not today")
        return activation(model, images, targets, **how)
    both = {"moody": (Explainer("moody", moody, "grid"), LAYER), "noise": "random"}
    compare(network(), both, cases=photographs(), cache=tmp_path / "kept", **HOW)
    first = compare(network(), {"moody": both["moody"]}, cases=photographs(2), cache=tmp_path / "one", **HOW)
    for piece in pieces(tmp_path / "one"): (tmp_path / "kept" / piece.parent.name / piece.name).unlink()
    flag.touch()
    found = compare(network(), both, cases=photographs(), cache=tmp_path / "kept", **HOW)
    assert found.explainers == ["noise"] and {len(v) for v in found.values.values()} == {6} and first.explainers == ["moody"]
    assert [r["explainer"] for r in found.refused] == ["moody"]


def test_a_photograph_on_which_an_explainer_fails_is_undefined_and_listed(tmp_path):
    def picky(model, images, targets, **how):
        if (images[:, 0, 0, 0] == photographs()[3].image[0, 0, 0]).any(): raise ValueError("not this one")
        return activation(model, images, targets, **how)
    asked = {"picky": (Explainer("picky", picky, "grid"), LAYER), "activation": ("activation", LAYER)}
    found = compare(network(), asked, cases=photographs(), cache=tmp_path, **HOW)
    assert found.failed == [{"model": "model", "explainer": "picky", "photograph": "photo 3", "reason": "not this one"}]
    for metric, values in ((m, found.of(m)) for m in found.metrics):
        assert values["picky"].isnan().nonzero().flatten().tolist() == [3] and torch.allclose(values["picky"][[0, 1, 2, 4, 5]], values["activation"][[0, 1, 2, 4, 5]], atol=1e-5), metric
    assert bits(compare(network(), asked, cases=photographs(), cache=tmp_path, **HOW)) == bits(found)
    rows = {r["explainer"]: r for r in as_figures(found)["rows"] if r["metric"] == "energy"}
    assert (rows["picky"]["n"], rows["picky"]["undefined"], rows["activation"]["undefined"]) == (5, 1, 0)


def test_other_mistakes_stop_the_run_and_lose_nothing(tmp_path):
    calls = []
    def full_disk(model, images, targets, **how):
        if images.shape[0] == 2 and not (tmp_path / "mended").exists() and (images[0] == photographs()[4].image).all(): raise OSError("no space left")
        return activation(model, images, targets, **how)
    asked = {"mine": (Explainer("mine", full_disk, "grid"), LAYER)}
    with pytest.raises(OSError, match="no space"): compare(network(), asked, cases=photographs(), cache=tmp_path / "kept", **HOW)
    assert len(pieces(tmp_path / "kept")) == 2
    (tmp_path / "mended").touch()
    found = compare(network(), asked, cases=photographs(), cache=tmp_path / "kept", **HOW | {"say": calls.append})
    assert "2 pieces there already" in calls[-1] and len(found.of("energy")["mine"]) == 6


@pytest.mark.parametrize("change, said", [(dict(image=torch.rand(3, SIDE, SIDE + 4)), "24 × 28"), (dict(image=torch.full((3, SIDE, SIDE), torch.nan)), "'photo 5' holds NaN"), (dict(mask=None), "no mask")], ids=["size", "nan", "mask"])
def test_photographs_that_do_not_belong_are_found_beforehand(change, said):
    cases, ran = photographs(), []
    odd = replace(cases, load=lambda i: cases[i]._replace(**change) if i == 5 else cases[i])
    def spy(model, images, targets, **how): ran.append(1); return activation(model, images, targets, **how)
    for portion in (1, 2, 6):
        with pytest.raises(ValueError) as error: compare(network(), {"spy": (Explainer("spy", spy, "grid"), LAYER)}, cases=odd, **HOW | {"portion": portion})
        assert (said in str(error.value) or "(3, 24, 28)" in str(error.value) or "no annotation" in str(error.value)) and not ran


def test_one_photograph_has_values_and_no_interval(tmp_path):
    found = run_comparison({"net": network()}, photographs(1), tmp_path, ["rise:masks=20"], ["DAUC", "energy"], HOW["settings"], progress=False, say=None)
    assert {len(v) for v in found.values.values()} == {1} and "(" not in wide_table(found)[0]["energy"]
    assert json.loads((tmp_path / "comparison.json").read_text())["photographs"] == 1


# statistics

@examples(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 30), undefined=st.integers(0, 2), shift=st.floats(0, 2))
def test_who_differs_agrees_with_scipy(seed, n, undefined, shift):
    from scipy.stats import wilcoxon

    from brnpa_nb.evidence.benchmark import Comparison
    g = torch.Generator().manual_seed(seed)
    values = {("m", e, "energy"): torch.randn(n, generator=g, dtype=torch.float64) + k * shift for k, e in enumerate("abcd")}
    for v in values.values(): v[torch.randperm(n, generator=g)[:undefined]] = torch.nan
    found = who_differs(Comparison("made up", [str(i) for i in range(n)], ["m"], list("abcd"), ["energy"], Settings(), values), "energy")
    raw = []
    for a, b in combinations("abcd", 2):
        d = values["m", a, "energy"] - values["m", b, "energy"]
        d = d[~d.isnan()].numpy()
        raw.append(wilcoxon(d).pvalue if len(d) and not (abs(d) == abs(d)[0]).all() else None)
    if None in raw: return
    order, running = sorted(range(6), key=raw.__getitem__), 0.
    for k, i in enumerate(order):
        running = max(running, min(1., (6 - k) * raw[i]))
        assert found[i].p == pytest.approx(running, rel=1e-9) and found[i].differs == (running < .05)
    assert [(p.first, p.second) for p in found] == list(combinations("abcd", 2))


# cost

CHEAP = {"rise": {"masks": 7, "cells": 2}, "occlusion": {"patch": .5, "stride": .5}, "kernelshap": {"cells": 2}, "smoothgrad": {"samples": 3}, "vargrad": {"samples": 3}, "integrated gradients": {"steps": 3}}
INSTALLED = [n for n in EXPLAINERS if not missing(n) and EXPLAINERS[n].needs != "ranks"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", INSTALLED)
def test_forwards_and_backwards_are_counted_exactly(name):
    "Against hooks on the first layer, which sees every photograph, and on its output's gradient."
    net, seen = network(), [0, 0]
    net[1].inplace = False
    def enter(module, args): seen[0] += len(args[0])
    def leave(module, args, out):
        if out.requires_grad: out.register_hook(lambda g: seen.__setitem__(1, seen[1] + len(g)))
    x, y = torch.stack([photographs()[i].image for i in range(3)]), torch.tensor([0, 1, 2])
    hooks = net[0].register_forward_pre_hook(enter), net[0].register_forward_hook(leave)
    spent = explain_with(name, net, x, y, **LAYER, **CHEAP.get(name, {})).provenance
    for h in hooks: h.remove()
    assert spent["forwards"] == seen[0] - 1                                     # one photograph tells how many classes there are, and is not part of explaining
    if EXPLAINERS[name].needs == "gradient" or name in ("random", "centre", "rise", "occlusion"): assert spent["backwards"] == seen[1]


def test_the_estimate_is_that_of_a_warm_run():
    "The first call sleeps long, as a library that is being imported would."
    calls = []
    def slow(model, images, targets, **how):
        time.sleep(.5 if not calls else .03 * len(images))
        calls.append(len(images))
        return activation(model, images, targets, **how)
    trial = rehearse({"m": network()}, [("m", a) for a in as_asked({"slow": (Explainer("slow", slow, "grid"), LAYER)})], ["energy"], photographs(), Settings())
    assert .03 <= trial.seconds["m", "slow"] < .2
    began = time.perf_counter()
    compare(network(), {"slow": (Explainer("slow", slow, "grid"), LAYER)}, cases=photographs(), **HOW | {"metrics": ["energy"]})
    assert time.perf_counter() - began >= 6 * .03 * .99                         # the estimate is not below what it really takes


# page, JSON, command

def test_page_and_json_are_complete(tmp_path):
    found = run_comparison({"birds_low": shipped("birds_low")}, bird_cases(3), tmp_path, ["brnpa", "gradcam", "bilinear"], ["DAUC", "IAUC", "energy"], Settings(steps=4), progress=False, say=None)
    page, figures = (tmp_path / "index.html").read_text(), json.loads((tmp_path / "comparison.json").read_text())
    for row in wide_table(found):
        for text in (row[m] for m in found.metrics): assert text in page, text
    for text in (*found.explainers, *found.metrics, "bilinear", "wing and beak", "Left out", "How it was made"): assert text in page, text
    assert {(r["explainer"], r["metric"]) for r in figures["rows"]} == {(e, m) for e in found.explainers for m in found.metrics} and len(figures["rows"]) == 12
    assert {(p["metric"], p["first"], p["second"]) for p in figures["pairs"]} == {(m, a, b) for m in ("DAUC", "IAUC", "energy") for a, b in combinations(found.explainers, 2)}
    assert {(c["explainer"], c["kind"]) for c in figures["curves"]} == {(e, k) for e in found.explainers for k in ("deletion", "insertion")}
    assert [r["explainer"] for r in figures["refused"]] == ["bilinear"] and figures["settings"]["steps"] == 4 and figures["made_with"]["networks"]["birds_low"].startswith(checksum(shipped("birds_low")))
    for c in figures["curves"]: assert len(c["score"]) == len(c["fraction"]) == 5
    assert page.count("data:image/") == 1 + 1 + 2 + 3                           # dots, maps, two curves, three matrices


def brnpa(*args, **kwargs): return subprocess.run([sys.executable, "-m", "brnpa_nb.cli", *map(str, args)], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300, **kwargs)


def test_the_command_resumes(tmp_path):
    wish = ["compare", "birds", "--weights", ROOT / "brnpa_nb/weights/birds_low.safetensors", "--pictures", 9, "--explainers", "brnpa", "--metrics", "DAUC", "energy", "--steps", 4, "--out", tmp_path / "out", "--json"]
    first = brnpa(*wish)
    assert first.returncode == 0, first.stderr
    there = pieces(tmp_path / "out/pieces")
    assert len(there) == 3 * 2 and "about" in first.stderr
    there[0].unlink()
    again = in_a_process(command, *map(str, wish))
    assert again.returncode == 0 and "5 pieces there already" in again.stderr
    one, other = (json.loads(done.stdout) for done in (first, again))
    for figures in (one, other):
        assert figures["photographs"] == 9 and Path(figures["out"], "index.html").exists()
        for row in figures["rows"]: del row["seconds"]
    assert one == other


MISTAKES = {
    "unknown explainer": ["--explainers", "gradcan"], "unreadable option": ["--explainers", "rise:masks"], "unknown option": ["--explainers", "rise:mask=3"], "unknown metric": ["--metrics", "beauty"],
    "metric without annotation": ["--metrics", "part hit"], "no photographs": ["--pictures", "0"], "steps between": ["--steps", "2.5"], "negative steps": ["--steps", "-3"], "no square": ["--size", "96x48"],
    "no batch": ["--batch-size", "0"], "no such weights": ["--weights", "nowhere.safetensors"], "cannot be written": ["--out", "/proc/nowhere", "--pictures", "1", "--metrics", "energy", "--explainers", "brnpa"]}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name, tmp_path, capsys, monkeypatch):
    from brnpa_nb.cli import main
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "birds", "--json", "--quiet", "--out", str(tmp_path / "out"), *MISTAKES[name]]) == 2
    out, said = capsys.readouterr()
    assert out == "" and said.startswith("brnpa: ") and said.count("\n") == 1 and "Traceback" not in said
    assert not pieces(tmp_path)


if __name__ == "__main__": _child(sys.argv[1])
