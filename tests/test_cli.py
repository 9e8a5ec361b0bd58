"""The command, as a user runs it: a process, its exit status, its two outputs."""
import json
import os
import subprocess
import sys

import pytest

from brnpa_nb.shards import open_maps
from tests.build import ROOT
from tests.real import DATA, needs
from tests.warm import command, in_a_process


def quick(*args, cwd=ROOT):
    "The same as `brnpa` in a process that had torch and timm before it began."
    return in_a_process(command, *map(str, args), folder=cwd, timeout=600)


def brnpa(*args, **kwargs):
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-m", "brnpa_nb.cli", *map(str, args)], capture_output=True, text=True, env=env, timeout=600, **kwargs)


def test_demo_json_has_the_promised_keys(tmp_path):
    done = brnpa("demo", "--json", "--out", tmp_path / "a folder with blanks")
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert set(table) == {"accuracy_low", "accuracy_high", "energy", "area"} and set(table["energy"]) == {"low", "high"}
    assert set(table["energy"]["high"]["1"]) == set(table["area"])
    assert (tmp_path / "a folder with blanks/index.html").stat().st_size > 10_000


MISTAKES = {
    "no such photographs": ["explain", "nowhere", "--model", "resnet18", "--weights", "random"],
    "no weights named": ["explain", ".", "--model", "resnet18"],
    "weights of no network": ["explain", "{photo}", "--weights", "{broken}"],
    "unknown network": ["explain", "{photo}", "--model", "resnet-18x", "--weights", "random"],
    "impossible stride": ["explain", "{photo}", "--model", "resnet18", "--weights", "random", "--output-stride", "5"],
    "no ranks": ["explain", "{photo}", "--model", "resnet10t", "--weights", "random", "--ranks", "-1"],
    "not a photograph": ["explain", "{broken}", "--model", "resnet10t", "--weights", "random"],
    "no data": ["train", "nowhere", "--out", "{out}"],
    "no epochs": ["train", "birds", "--pictures", "16", "--epochs", "-1", "--out", "{out}"],
    "bad teacher": ["distil", "{broken}", "birds", "--out", "{out}"],
    "offline": ["explain", "{photo}", "--model", "resnet18", "--weights", "pretrained"],
    "unwritable": ["tutorials", "/proc/nowhere"],
    "examples missing": ["explain", "{photo}", "--task", "fewshot", "--weights", "{broken}"],
    "nowhere to search": ["explain", "{photo}", "--task", "reid", "--model", "resnet10t", "--weights", "random"],
    "no such data": ["evaluate", "--task", "reid", "--data", "nowhere", "--model", "{broken}"],
    "by request only": ["fetch", "msmt17", "{out}"],
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_status_2(name, tmp_path):
    from PIL import Image
    places = {"photo": tmp_path / "photo.png", "broken": tmp_path / "broken.safetensors", "out": tmp_path / "out"}
    Image.new("RGB", (64, 64), "teal").save(places["photo"])
    places["broken"].write_bytes(b"\x08\0\0\0\0\0\0\0{}......")
    how = brnpa if name in ("offline", "no such photographs", "no epochs") else quick      # a few of them as cold as a user's
    done = how(*(a.format(**places) for a in MISTAKES[name]), *(["--quiet"] if MISTAKES[name][0] == "explain" else []), cwd=tmp_path)
    assert done.returncode == 2, (done.stdout, done.stderr)
    sentences = [line for line in done.stderr.splitlines() if line.startswith("brnpa: ")]
    assert len(sentences) == 1 and "Traceback" not in done.stderr and done.stdout == ""


def test_evaluate_json_has_scores_with_intervals_at_both_resolutions():
    done = quick("evaluate", "--task", "reid", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [m["output_stride"] for m in found["models"]] == [32, 4]
    for model in found["models"]:
        for score in model["scores"].values(): assert score["low"] <= score["mean"] <= score["high"] and score["n"] > 0


def test_unknown_arguments_are_status_2():
    assert quick("explain", "x", "--wat").returncode == 2 and quick("fly").returncode == 2 and brnpa().returncode == 2


def test_tutorials_are_copied_and_not_overwritten(tmp_path):
    assert brnpa("tutorials", tmp_path / "t").returncode == 0
    assert (tmp_path / "t/01_first_ranked_maps.ipynb").exists()
    assert quick("tutorials", tmp_path / "t").returncode == 2
    assert quick("tutorials", tmp_path / "t", "--force").returncode == 0


@needs("weights", "resnet18_in1k.safetensors")
@pytest.mark.parametrize("resolution", ["atrous", "stride"])
def test_explain_real_photographs(resolution, tmp_path):
    photos = sorted((DATA / "flowers_ccby/daisy").glob("*.jpg"))[:3]
    done = quick("explain", *photos, "--model", "resnet18", "--weights", DATA / "weights/resnet18_in1k.safetensors", "--output-stride", 8, "--resolution", resolution, "--out", tmp_path, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["photographs"] == 3 and len(open_maps(tmp_path)[:]) == 3
    if resolution == "atrous": assert [r["prediction"] for r in found["rows"]].count("daisy") >= 2
