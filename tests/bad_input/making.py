"""What the rows share: pictures with something to find in them, folders of these, a network made once, and right of way taken from root."""
import atexit
import contextlib
import csv
import ctypes
import json
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from brnpa_nb.data.photos import Photos, read_photo
from brnpa_nb.explaining import Explained, explain_photos
from brnpa_nb.models import AttentionModel, create_model, save_model
from brnpa_nb.data.files import name_text
from brnpa_nb.shards import MapStore, open_maps
from tests.bad_input import SENTENCE, Said, brnpa

SIDE = 32


@cache
def network(classes: tuple[str, ...] = ("ash", "beech", "cedar"), side: int = SIDE, **config: Any) -> AttentionModel:
    "A network of 4 × 4 cells with random weights; the same object each time, so leave it as it is."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create_model("resnet10t", len(classes), output_stride=8, network_args={"channels": (8, 8, 16, 16)}, image_size=side, classes=list(classes), **config).eval()


@cache
def _model_bytes(classes: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory() as folder: return save_model(network(*((classes,) if classes else ())), Path(folder) / "model.safetensors").read_bytes()


def model_file(folder: Path, *classes: str) -> Path:
    "The same network as a file, to the byte the same each time."
    path = folder / "model.safetensors"
    path.write_bytes(_model_bytes(classes))
    return path


def scene(width: int = 48, height: int = 36, seed: int = 0) -> Image.Image:
    "A picture that no turn and no mirror maps to itself: a gradient with a bright spot, whose place and colour the seed decides (0: near the upper left corner)."
    y, x = np.mgrid[:height, :width]
    picture = np.stack([160 * x / width, 120 * y / height, 90 - 40 * x / width], -1)
    rng = np.random.default_rng(seed)
    place, colour = ((.12, .15), (250, 230, 40)) if seed == 0 else (rng.uniform(.1, .6, 2), rng.uniform(0, 255, 3))
    top, left = round(place[0] * height), round(place[1] * width)
    picture[top:top + max(1, height // 3), left:left + max(1, width // 4)] = colour
    return Image.fromarray((picture + rng.uniform(0, 12, picture.shape)).clip(0, 255).astype(np.uint8))


def pictures(folder: Path, names: Sequence[str | bytes] = ("a.png", "b.png", "c.png", "d.png")) -> Path:
    "A folder of different scenes."
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f: scene(seed=i).save(f, "JPEG" if path.endswith((b".jpg", b".JPG")) else "PNG", **({"quality": 95} if path.endswith((b".jpg", b".JPG")) else {}))
    return folder


def class_folders(root: Path, classes: Sequence[str] = ("ash", "beech", "cedar"), each: int = 3, seed: int = 0) -> Path:
    "One folder of scenes per class, no two of which are the same."
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each): scene(seed=seed + 1 + k * each + i).save(root / name / f"{name[:20]}_{i}.png")
    return root


@cache
def _original(make: Callable[[Path], Any], name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="bad_input_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make(folder / "set")


def copied(make: Callable[[Path], Any], name: str, to: Path) -> Path:
    "A copy of a data set that is drawn once per process, to damage."
    return Path(shutil.copytree(_original(make, name), to))


def explained(folder: Path, photos: Any, model: AttentionModel | None = None, **how: Any) -> Explained:
    "What `explain_photos` writes to the folder `out`, with few pictures at a time and two photographs a shard."
    return explain_photos(model or network(), photos, folder / "out", **{"size": SIDE, "batch_size": 3, "shard_size": 2, "pictures": 2} | how)


def explain_command(folder: Path, *photos: object, **how: object) -> dict[str, Any]:
    "The same by the command: what `--json` prints."
    options = [word for k, v in how.items() for word in ([f"--{k.replace('_', '-')}", v] if v is not True else [f"--{k.replace('_', '-')}"])]
    return json.loads(brnpa("explain", *options, "--weights", model_file(folder), "--out", folder / "out", "--quiet", "--json", "--", *photos))


def store(folder: Path) -> MapStore: return open_maps(folder / "out")


def as_seen(path: Path, **how: Any) -> torch.Tensor:
    "A photograph as the network gets it: (3, SIDE, SIDE)."
    return Photos([path], SIDE, **how)[0]


def each_is_its_own(maps: MapStore, **how: Any) -> int:
    "Every row of the table has the name, the prediction and the maps of its own photograph, and of no other; how many there are."
    with (maps.folder / "table.csv").open(newline="", encoding="utf-8") as file: table = list(csv.DictReader(file))
    numbers = list(maps.numbers())
    assert [int(r["number"]) for r in table] == numbers, "table.csv and the maps count differently"
    images = torch.stack([as_seen(maps.path(i), **how) for i in numbers])
    wanted, logits = network().explain(images), network()(images)
    kept = maps[numbers]
    apart = torch.cdist(*(torch.cat([m.similarity.flatten(1), (m.activity / m.activity.flatten(1).amax(1)[:, None, None]).flatten(1)], 1) for m in (kept, wanted)))
    for k, (i, row) in enumerate(zip(numbers, table)):
        assert row["photograph"].removeprefix("'") == name_text(os.fsencode(os.path.relpath(maps.path(i), maps.plan["root"]))), (row["photograph"], maps.path(i))
        assert apart[k, k] < .02 and apart[k, k] <= apart[k].min() + 1e-6, f"row {i} has the maps of another photograph than {maps.path(i)}: {apart[k].tolist()}"
        assert row["prediction"] == network().classes[int(logits[k].argmax())]
    return len(numbers)


def refusal(do: Callable[[], Any]) -> str:
    "The sentence with which something is refused; an AssertionError where it is not."
    try: found = do()
    except (*SENTENCE, Said) as error:
        assert "\n" not in str(error) and 10 <= len(str(error)) <= 500, f"not one sentence: {error!r}"
        return str(error)
    raise AssertionError(f"nothing was refused: {found!r:.200}")


def same_picture(path: Path, wanted: Image.Image, tolerance: float = 1.5) -> None:
    "A file shows a picture, to so many steps of 255 in the mean."
    got, want = read_photo(path) * 255, torch.from_numpy(np.array(wanted.convert("RGB"))).permute(2, 0, 1).float()
    assert got.shape == want.shape, (got.shape, want.shape)
    assert (got - want).abs().mean() <= tolerance, f"{path.name} is off by {(got - want).abs().mean():.1f} of 255"


def png_that_declares(path: Path, width: int, height: int, extra: bytes = b"") -> Path:
    "A small PNG whose header names so many pixels."
    def chunk(kind: bytes, data: bytes) -> bytes: return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + extra + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))
    return path


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Root is held to the permissions of files, as anybody else (Linux: the right to pass them by is laid down in this thread, and in those it starts).

    Elsewhere nothing happens, and a row that needs it says so.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0: yield; return
    assert sys.platform == "linux", "root on this system cannot be held to permissions; run as another user"
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0, os.strerror(ctypes.get_errno())
    was = data[0]
    data[0] = was & ~0b110                                      # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, data) == 0, os.strerror(ctypes.get_errno())
    try: yield
    finally:
        data[0] = was
        assert libc.capset(header, data) == 0, os.strerror(ctypes.get_errno())
