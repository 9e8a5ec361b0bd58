"""What the notebooks cannot show of explained folders: several processes, memory over many shards. Runs that are killed are in test_kills.py."""
import os
import socket
import subprocess
import sys
import warnings

import pytest
import torch

from brnpa_nb.explaining import explain_photos
from brnpa_nb.models import create_model
from brnpa_nb.shards import make_plan, open_maps, pack_groups, write_shard
from tests.build import ROOT

ENV = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true", "TQDM_DISABLE": "1"}


def shards(folder): return {p.name: p.read_bytes() for p in sorted((folder / "shards").iterdir()) if not p.name.startswith(".aside-")}


def draw(folder, n, side=64):
    "Photographs of noise, each another one, and two files that are none."
    from PIL import Image
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for i in range(n): Image.fromarray(torch.randint(0, 256, (side, side, 3), generator=generator, dtype=torch.uint8).numpy()).save(folder / f"{i:04d}.png")
    (folder / "0003.png").write_bytes(b"no picture")
    (folder / f"{n - 1:04d}.png").write_bytes(b"")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "Sixty photographs, a model, and what one process makes of them in one go."
    home = tmp_path_factory.mktemp("whole")
    draw(home / "photos", 60)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        create_model("resnet10t", 4, output_stride=8, network_args={"channels": (8, 8, 16, 16)}).save(home / "model.safetensors")
    done = subprocess.run(command(home, home / "out"), env=ENV, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return home


def arguments(home, out): return ["brnpa_nb.cli", "explain", home / "photos", "--weights", home / "model.safetensors", "--size", "64", "--shard-size", "8", "--batch-size", "4", "--pictures", "5", "--out", out, "--quiet"]
def command(home, out): return [sys.executable, "-m", *map(str, arguments(home, out))]


LAUNCHERS = {"accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "{port}"],
             "torchrun": ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "{port}"]}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_give_what_one_gives(whole, tmp_path, launcher):
    with socket.socket() as s: s.bind(("localhost", 0)); port = s.getsockname()[1]
    line = [a.format(port=port) for a in LAUNCHERS[launcher]] + ["-m", *list(map(str, arguments(whole, tmp_path / "out")))[:-1]]
    two = subprocess.run([sys.executable, "-m", *line], env=ENV | {"TQDM_DISABLE": "0"}, capture_output=True, text=True, timeout=300)
    assert two.returncode == 0, two.stderr
    assert "the first of 2 processes: 32 photographs" in two.stderr.replace("[", " [") # four shards of eight: the other 28 photographs were the other's
    assert two.stdout.count("58 photographs explained, 2 left out") == 1               # one process speaks
    assert shards(tmp_path / "out") == shards(whole / "out")
    for name in ("table.csv", "skipped.csv", "pictures/00000_0000.jpg"): assert (tmp_path / "out" / name).read_bytes() == (whole / "out" / name).read_bytes()


def test_bad_files_are_listed_and_counted(whole):
    store = open_maps(whole / "out")
    bad = [i for i in range(60) if store.row(i)["row"] is None]
    assert bad == [3, 59] and list(store.numbers()) == [i for i in range(60) if i not in bad]
    assert "is empty" in store.row(59)["reason"] and (whole / "out/skipped.csv").read_text().count("\n") == 3
    with pytest.raises(ValueError, match="left out"): store[0:8]
    assert [p for p in store.table(["checksum"])["checksum"].to_pylist() if p is None] == [None, None]


def test_maps_are_those_of_explain(whole):
    from brnpa_nb.data.photos import load_photos
    from brnpa_nb.models import load_model
    model, store = load_model(whole / "model.safetensors"), open_maps(whole / "out")
    numbers = [0, 7, 8, 31]
    want, found = model.explain(load_photos([store.path(i) for i in numbers], 64).images), store[numbers]
    assert torch.equal(want.seeds, found.seeds)
    for a, b in zip(want.groups, found.groups): torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * a.abs().max().item() if a.is_floating_point() else 0)
    torch.testing.assert_close(found.activity_shares(), want.activity_shares(), rtol=2e-3, atol=2e-3)


def test_names_that_are_no_text(tmp_path):
    "A file name in another encoding is explained, found again, and told with escapes."
    from PIL import Image
    (tmp_path / "photos").mkdir()
    odd = os.fsencode(tmp_path / "photos") + b"/vogel_\xe4.png"
    try: Image.new("RGB", (64, 64), "teal").save(tmp_path / "plain.png"); os.rename(os.fsencode(tmp_path / "plain.png"), odd)
    except OSError: pytest.skip("this file system takes text only")
    done = explain_photos(create_model("resnet10t", 4, network_args={"channels": (8, 8, 8, 8)}), tmp_path / "photos", tmp_path / "out", size=64, pictures=0)
    assert done.rows[0]["photograph"] == "vogel_\\xe4.png" and os.fsencode(done.maps.path(0)) == odd and done.maps.photograph(0)[1] == ""


MEMORY = '''
import resource, sys, torch
from pathlib import Path
from brnpa_nb.shards import open_maps
def rss(): return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
store = open_maps(sys.argv[1])
for first in range(0, 480, 12): store[first:first + 12]
before = rss()
held = []
for first in range(480, len(store), 12):
    maps = store[first:min(first + 12, len(store))]
    if sys.argv[2] == "hold": held.append(maps)
print((rss() - before) / sum(p.stat().st_size for p in Path(sys.argv[1], "shards").iterdir()))
'''


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_paging_through_a_store_does_not_load_it(tmp_path):
    "Pages of 12 through 24 MB of maps: memory grows by a tenth of that at most. A reader that kept what it read is caught."
    with torch.random.fork_rng(): torch.manual_seed(0); maps = create_model("resnet10t", 4, output_stride=4, network_args={"channels": (8, 8, 8, 8)}).explain(torch.rand(16, 3, 112, 112))
    facts = {"n_maps": 3, "image_size": [112, 112], "refine": True, "transform": {"size": 112, "crop": "center"}}
    plan = make_plan(tmp_path, [tmp_path / f"{i}.png" for i in range(2048)], facts, shard_size=16)
    for k in range(128): write_shard(tmp_path, plan, k, pack_groups(maps.groups), [{"photograph": f"{i}.png", "checksum": "", "reason": None} for i in range(16 * k, 16 * k + 16)])
    grown = {how: float(subprocess.run([sys.executable, "-c", MEMORY, tmp_path, how], env=ENV, capture_output=True, text=True, check=True, timeout=120).stdout) for how in ("page", "hold")}
    assert grown["page"] < .1 < .5 < grown["hold"], grown


def test_explaining_keeps_memory_flat(whole, tmp_path):
    "What Python and torch hold after shards 2 and 8 of a run, in photographs' maps: a run that kept its maps or pictures would hold forty more."
    import gc
    seen = []
    def count(n):
        if n in (16, 58): gc.collect(); seen.append(sum(o.numel() * o.element_size() for o in gc.get_objects() if type(o) is torch.Tensor))
    from brnpa_nb.models import load_model
    with warnings.catch_warnings(): warnings.simplefilter("ignore"); explain_photos(load_model(whole / "model.safetensors"), whole / "photos", tmp_path / "out", size=64, shard_size=8, batch_size=4, pictures=0, progress=count)
    one = 3 * 64 * 64 * 4 + 7 * 64 * 2
    assert len(seen) == 2 and seen[1] - seen[0] < 20 * one, [s / one for s in seen]
