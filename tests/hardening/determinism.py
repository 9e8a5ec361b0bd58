"""The same seed, the same bytes: twice, and with another number of processes that read."""
import csv
import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from brnpa_nb.cli import main
from brnpa_nb.data.lookalikes import class_folder_lookalike
from tests.hardening import Count

SMALL = ["--model", "resnet10t", "--size", "64", "--epochs", "2", "--batch-size", "8", "--quiet", "--json"]
TRAIN = ["train", "{data}", *SMALL]
PAIRS = {
    "training, twice": (TRAIN, TRAIN),
    "training, 0 and 2 workers": (TRAIN, [*TRAIN, "--workers", "2"]),
    "training in bf16, twice": ([*TRAIN, "--precision", "bf16"],) * 2,
    "training with checkpointing and without": (TRAIN, [*TRAIN, "--checkpointing"]),
    "few-shot training, twice": (["train", "birds", "--task", "fewshot", "--pictures", "128", "--epochs", "1", "--quiet", "--json"],) * 2,
    "explaining, 1 and 2 workers": (["explain", "{data}", "--weights", "{student}", "--size", "96", "--quiet", "--workers", "1"], ["explain", "{data}", "--weights", "{student}", "--size", "96", "--quiet", "--workers", "2"]),
    "comparing, twice": (["compare", "birds", "--pictures", "8", "--explainers", "brnpa", "gradcam", "--metrics", "DAUC", "energy", "--steps", "6", "--quiet"],) * 2,
}


def _content(out: Path) -> str:
    "A checksum of all numbers in an output folder: weights, optimiser, maps, tables; not of times of day and seconds."
    from safetensors.torch import load_file

    from brnpa_nb.shards import open_maps

    made = hashlib.sha256()
    if (out / "shards").is_dir():
        for maps in open_maps(out): made.update(maps.weights.numpy().tobytes() + maps.vectors.numpy().tobytes() + maps.seeds.numpy().tobytes())
        return made.hexdigest()
    for path in sorted(out.rglob("*.safetensors")):
        for name, tensor in sorted(load_file(path).items()): made.update(name.encode() + tensor.float().numpy().tobytes())
    for path in sorted(out.rglob("*.csv")):
        for row in csv.DictReader(path.open(encoding="utf-8")): made.update(repr({k: v for k, v in row.items() if k != "seconds"}).encode())
    return made.hexdigest()


def result(arguments: list[str], folder: Path) -> str:
    "Run the command in a new folder, and give the checksum of what it made."
    import brnpa_nb

    student = Path(brnpa_nb.__file__).parent / "weights/birds_high.safetensors"
    out = Path(tempfile.mkdtemp(dir=folder))
    shutil.rmtree(out)
    if status := main([*(a.format(data=folder / "data", student=student) for a in arguments), "--out", str(out)]): raise RuntimeError(f"{json.dumps(arguments)} ended with {status}")
    return _content(out)


def run() -> dict[str, Count]:
    "Every pair."
    import contextlib
    import sys

    count = Count()
    with tempfile.TemporaryDirectory() as tmp, contextlib.redirect_stdout(sys.stderr):
        class_folder_lookalike(Path(tmp) / "data")
        for name, (one, other) in PAIRS.items():
            try: count.add(result(one, Path(tmp)) == result(other, Path(tmp)), f"{name}: not the same")
            except Exception as error: count.add(False, f"{name}: {error!r:.500}")
    return {"determinism": count}
