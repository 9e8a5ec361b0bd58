"""Bad input: checkpoints."""
import json
import os
import shutil
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from brnpa_nb.checkpoints import SEAL
from brnpa_nb.explaining import load_maps, save_maps
from brnpa_nb.models import AttentionModel, create_model, load_model, save_model
from brnpa_nb.training import Recipe, fit
from tests.bad_input import First, Row
from tests.bad_input import networks as made
from tests.bad_input.tensors import Pictures

TINY = {"channels": (8, 8, 8, 8)}
photographs = made.photographs(2, 64, 64)


def whole(folder: Path) -> Path:
    "A checkpoint as it should be."
    return save_model(made.named(), folder / "good.safetensors")


def put(folder: Path, data: bytes) -> Path:
    (folder / "bad.safetensors").write_bytes(data)
    return folder / "bad.safetensors"


def rewritten(folder: Path, config: dict[str, Any], tensors: Callable[[dict[str, Tensor]], Any] | None = None) -> Path:
    "The checkpoint with other settings or tensors and no seal, as a stranger may write one; `...` takes a setting out."
    good = whole(folder)
    with safe_open(str(good), "pt") as f: kept = json.loads(f.metadata()["brnpa_nb"])
    held = load_file(str(good))
    if tensors: tensors(held)
    return put(folder, save(held, {"format": "pt", "brnpa_nb": json.dumps({k: v for k, v in (kept | config).items() if v is not ...})}))


def as_saved(found: AttentionModel) -> None: torch.testing.assert_close(found(photographs), made.named()(photographs))


def settings(says: str, first: First = "right", **wrong: Any) -> Row: return Row("checkpoints", f"settings with {', '.join(f'{k}={v!r}' for k, v in wrong.items())}".replace("Ellipsis", "nothing"), lambda folder: load_model(rewritten(folder, wrong)), says, first=first)


def tensors(name: str, change: Callable[[dict[str, Tensor]], Any], says: str, first: First = "right") -> Row: return Row("checkpoints", name, lambda folder: load_model(rewritten(folder, {}, change)), says, first=first)


def file(name: str, lay: Callable[[Path], Path], says: str, first: First = "right") -> Row: return Row("checkpoints", name, lambda folder: load_model(lay(folder)), says, first=first)


def each(name: str, spoil: Callable[[bytes], list[bytes]], says: str, first: First = "right") -> Row:
    "Every one of several spoilt copies is refused, and says so; the first sentence is judged as ever."
    def do(folder: Path) -> None:
        data, refusals = whole(folder).read_bytes(), []
        for bad in spoil(data):
            try: load_model(put(folder, bad))
            except ValueError as error: refusals.append(str(error))
            else: raise AssertionError(f"nobody noticed: byte {next(i for i, (a, b) in enumerate(zip(bad, data)) if a != b)}")
        assert all(says in r and "\n" not in r for r in refusals), refusals
        raise ValueError(refusals[0])
    return Row("checkpoints", name, do, says, first=first)


def flipped(data: bytes, at: int, bit: int = 6) -> bytes: return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1:]


def start(data: bytes) -> int:
    "Where the tensors begin."
    return 8 + struct.unpack("<Q", data[:8])[0]


def header(folder: Path, **tensor: Any) -> Path:
    text = json.dumps({"a": tensor}).encode()
    return put(folder, struct.pack("<Q", len(text)) + text)


def pickled(folder: Path) -> Path:
    torch.save(made.named().state_dict(), folder / "bad.safetensors")
    return folder / "bad.safetensors"


def linked(folder: Path, to: str) -> Path:
    whole(folder)
    os.symlink(folder / to, folder / "link.safetensors")
    return folder / "link.safetensors"


def empty_folder(folder: Path) -> Path:
    (folder / "bad.safetensors").mkdir()
    return folder / "bad.safetensors"


def bare(folder: Path) -> Path:
    "Tensors of a whole model, without settings."
    save_file(load_file(str(whole(folder))), folder / "bad.safetensors")
    return folder / "bad.safetensors"


def without_seal(folder: Path) -> AttentionModel:
    "As versions before the checksum wrote them."
    path = rewritten(folder, {})
    with safe_open(str(path), "pt") as f: assert SEAL not in f.metadata()
    return load_model(path)


def tied(folder: Path) -> None:
    model = made.named()
    model.extra = model.head                                              # type: ignore[assignment]
    held = load_file(str(save_model(model, folder / "out/tied.safetensors")))
    assert torch.equal(held["extra.weight"], held["head.weight"])


def spoilt_maps(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[Path], Any]:
    def do(folder: Path) -> Any:
        good = save_maps(made.maps(), folder / "good.safetensors")
        held = load_file(str(good))
        change(held)
        with safe_open(str(good), "pt") as f: config = f.metadata()["brnpa_nb"]
        return load_maps(put(folder, save(held, {"brnpa_nb": config})))
    return do


@cache
def run(where: Path, lr: float = 1e-3, n_classes: int = 4) -> None:
    "One epoch of training, in `where`."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fit(create_model("resnet10t", n_classes, network_args=TINY), Pictures(photographs), recipe=Recipe(epochs=1, batch_size=2, lr=lr), out=where, progress=False)


def resumed(change: Callable[[Path, Path], Any], **other: Any) -> Callable[[Path], Any]:
    "Train, spoil what was kept, go on: nothing of it may change."
    def do(folder: Path) -> None:
        run(folder / "run"); change(folder / "run", folder)
        before = {p.name: p.read_bytes() for p in (folder / "run").iterdir()}
        model = create_model("resnet10t", other.pop("n_classes", 4), network_args=TINY)
        weights = [p.clone() for p in model.parameters()]
        try: fit(model, Pictures(photographs), recipe=Recipe(**({"epochs": 1, "batch_size": 2} | other)), out=folder / "run", progress=False)
        finally:
            assert {p.name: p.read_bytes() for p in (folder / "run").iterdir()} == before
            assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters())), "half-loaded"
    return do


def state_with(change: Callable[[dict[str, Tensor], dict[str, Any]], Any]) -> Callable[[Path, Path], None]:
    def spoil(where: Path, folder: Path) -> None:
        path = where / "state.safetensors"
        held = load_file(str(path))
        with safe_open(str(path), "pt") as f: config = json.loads(f.metadata()["brnpa_nb"])
        change(held, config)
        path.write_bytes(save(held, {"brnpa_nb": json.dumps(config)}))
    return spoil


def shortened(held: dict[str, Tensor], config: dict[str, Any]) -> None:
    for k in [k for k in held if k.startswith("optimizer.0.")]: del held[k]


def reshaped(held: dict[str, Tensor], config: dict[str, Any]) -> None: held["optimizer.0.exp_avg"] = torch.zeros(3)


def cut_state(where: Path, folder: Path) -> None: (where / "state.safetensors").write_bytes((where / "state.safetensors").read_bytes()[:-9])


def poison(name: str) -> Callable[[dict[str, Tensor]], Any]: return lambda held: held[name].fill_(torch.nan)


CONV, VARIANCE = "backbone.network.conv1.0.weight", "backbone.network.bn1.running_var"

def _keeps_complex() -> bool:
    try: save({"x": torch.zeros(1, dtype=torch.complex64)})
    except KeyError: return False
    return True


ROWS: list[Row] = [
    # Bytes.
    *(file(f"cut at {i} eighths", lambda folder, i=i: put(folder, (d := whole(folder).read_bytes())[:len(d) * i // 8]), "not a whole safetensors file") for i in range(8)),  # type: ignore[misc]
    each("a bit flipped in the length of the header", lambda d: [flipped(d, at) for at in (0, 1, 3, 7)], "not a whole safetensors file"),
    each("a bit flipped anywhere in the tensors, 24 places", lambda d: [flipped(d, start(d) + (len(d) - start(d) - 1) * k // 23, k % 8) for k in range(24)], "has changed since it was written", "silent"),
    each("a digit changed in the settings", lambda d: [d.replace(b'\\"output_stride\\": 32', b'\\"output_stride\\": 16')], "has changed since it was written", "silent"),
    file("bytes behind the end", lambda folder: put(folder, whole(folder).read_bytes() + b"more"), "not a whole safetensors file"),
    file("an empty file", lambda folder: put(folder, b""), "not a whole safetensors file"),
    file("a header that declares 2**60 bytes", lambda folder: put(folder, struct.pack("<Q", 2**60) + b"{}"), "not a whole safetensors file"),
    file("a tensor that declares 2**42 bytes", lambda folder: header(folder, dtype="F32", shape=[2**40], data_offsets=[0, 2**42]), "not a whole safetensors file"),
    file("a pickle called .safetensors", pickled, "not a whole safetensors file"),
    file("text called .safetensors", lambda folder: put(folder, b"hello"), "not a whole safetensors file"),
    file("an empty folder called .safetensors", empty_folder, "no weights at"),
    file("a dangling link", lambda folder: linked(folder, "nowhere"), "no weights at"),
    file("a link to itself", lambda folder: linked(folder, "link.safetensors"), "no weights at"),
    Row("checkpoints", "a link to a checkpoint", lambda folder: load_model(linked(folder, "good.safetensors")), check=as_saved),
    Row("checkpoints", "a checkpoint called .pt: what is in it counts", lambda folder: load_model(shutil.copy(whole(folder), folder / "model.pt")), check=as_saved),
    Row("checkpoints", "a checkpoint without a checksum, as older versions wrote", without_seal, check=as_saved),
    file("a file that is not there", lambda folder: folder / "none.safetensors", "no weights at"),
    # Settings.
    file("no settings", bare, "holds no model of brnpa_nb"),
    file("ranked maps in place of a model", lambda folder: save_maps(made.maps(), folder / "maps.safetensors"), "holds no model of brnpa_nb"),
    settings("is of format 2", format=2), settings("is of format '1'", format="1"), settings("is of format -1", "silent", format=-1), settings("is of format True", "silent", format=True),
    settings("holds no model", n_classes=...), settings("holds no model", backbone=...), settings("'head.weight' of shape (4, 24) where (5, 24)", n_classes=5), settings("n_classes must be", n_classes="4"), settings("cannot be right: n_classes is '1000000000000'", "cryptic", n_classes=10**12),
    settings("n_maps must be", n_maps="3"), settings("cannot be right: backbone is '5'", "cryptic", backbone=5), settings("timm knows no network", backbone="nope"), settings("lacks 'backbone.network.conv1.weight'", backbone="resnet18"),
    settings("output_stride must be one of", output_stride=5), settings("pooling must be", pooling="x"), settings("cannot be right: mean is", "cryptic", mean=[1]), settings("cannot be right: mean is", "silent", mean=[9e9, 9e9, 9e9]), settings("cannot be right: std is", "silent", std=[-1, 1, 1]),
    settings("classes must be 4 different names", "silent", classes=["a", "b"]), settings("classes must be 4 different names", "silent", classes=["a", "a", "b", "c"]), settings("refine must be True or False", "silent", refine="no"), settings("dropout must be", dropout=9),
    settings("asks for 'checkpoint_path' in network_args", "crash", network_args=TINY | {"checkpoint_path": "/etc/hostname"}), settings("asks for 'pretrained' in network_args", network_args=TINY | {"pretrained": True}), settings("cannot be built", network_args=TINY | {"nope": 1}), settings("network_args must be a table of names and values", network_args="x"),
    Row("checkpoints", "settings that nobody knows are passed over", lambda folder: load_model(rewritten(folder, {"colour": "red"})), check=as_saved),
    # Tensors.
    tensors("NaN in the head", poison("head.weight"), "NaN or infinite values in 'head.weight'", "silent"),
    tensors("NaN in the backbone", poison(CONV), f"NaN or infinite values in '{CONV}'", "silent"),
    tensors("an infinite variance", lambda held: held[VARIANCE].fill_(torch.inf), "NaN or infinite values", "silent"),
    tensors("whole numbers for floats", lambda held: held.update({"head.weight": held["head.weight"].long()}), "int64 where torch.float32", "silent"),
    tensors("bool for floats", lambda held: held.update({"head.weight": held["head.weight"] > 0}), "bool where torch.float32", "silent"),
    *([tensors("complex numbers for floats", lambda held: held.update({"head.weight": held["head.weight"].to(torch.complex64)}), "complex64 where torch.float32", "silent")] if _keeps_complex() else []),      # older safetensors has no such file
    tensors("a tensor of another shape", lambda held: held.update({"head.weight": held["head.weight"].T.contiguous()}), "of shape (24, 4) where (4, 24)"),
    tensors("a tensor that is missing", lambda held: held.pop("head.weight"), "lacks 'head.weight'"),
    tensors("a foreign tensor", lambda held: held.update(x=torch.zeros(1)), "foreign 'x'"),
    Row("checkpoints", "weights in half precision", lambda folder: load_model(rewritten(folder, {}, lambda held: held.update({k: v.half() for k, v in held.items() if v.is_floating_point()}))), check=lambda m: torch.testing.assert_close(m(photographs), made.named()(photographs), rtol=.01, atol=.01)),
    Row("checkpoints", "weights of another network to start from", lambda folder: create_model("resnet18", 4, weights=whole(folder)), "does not fit the model"),
    Row("checkpoints", "weights with NaN to start from", lambda folder: create_model("resnet10t", 7, weights=rewritten(folder, {}, poison(CONV)), network_args=TINY), "NaN or infinite values", first="silent"),
    Row("checkpoints", "tied weights, saved", tied, check=lambda _: None, first="cryptic"),
    Row("checkpoints", "a model on the device meta, saved", lambda folder: save_model(made.named().to("meta"), folder / "out/m.safetensors"), "is on the device meta", first="cryptic"),
    # Maps.
    Row("checkpoints", "maps without their seeds", spoilt_maps(lambda held: held.pop("seeds")), "holds no ranked maps"),
    Row("checkpoints", "maps with the weights of one photograph less", spoilt_maps(lambda held: held.update(weights=held["weights"][:1].clone())), "the maps do not fit together", first="silent"),
    Row("checkpoints", "maps with seeds outside the grid", spoilt_maps(lambda held: held["seeds"].fill_(99)), "seeds", first="silent"),
    # Going on with training.
    Row("checkpoints", "a state that is cut", resumed(cut_state), "not a whole safetensors file"),
    Row("checkpoints", "a state to go on from with another rate", resumed(lambda where, folder: None, lr=.5), "other settings (lr 0.001 → 0.5)"),
    Row("checkpoints", "a state to go on from with more classes", resumed(lambda where, folder: None, n_classes=5), "does not fit the model"),
    Row("checkpoints", "a model's file in place of the state", resumed(lambda where, folder: shutil.copy(where / "last.safetensors", where / "state.safetensors")), "is no state of a training run", first="cryptic"),
    Row("checkpoints", "a state whose optimiser knows one parameter less", resumed(state_with(shortened)), "optimiser", first="silent"),
    Row("checkpoints", "a state whose optimiser is of another shape", resumed(state_with(reshaped)), "optimiser", first="silent"),
    Row("checkpoints", "a state without its history", resumed(state_with(lambda held, config: config.pop("history"))), "its history", first="cryptic"),
    Row("checkpoints", "a state with NaN weights", resumed(state_with(lambda held, config: held[f"model.{CONV}"].fill_(torch.nan))), "NaN or infinite values", first="silent"),
]
