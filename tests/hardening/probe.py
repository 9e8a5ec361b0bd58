"""One small job that touches what a user needs: read, explain, store, train, export, draw. Under strange circumstances it must give what it gives under plain ones.

    python -m tests.hardening.probe FOLDER [--offline]     prints a JSON object, what was made → its checksum
"""
import hashlib
import json
import os
import sys
from pathlib import Path

NAMES = ("wren.png", "two words.png", "Zaunkönig.png", "鳥.png")      # of the photographs explained


def digest(data: bytes) -> str: return hashlib.sha256(data).hexdigest()[:16]


def command(argv: list[str]) -> None:
    "`brnpa`, which must end well. (No assert: one of the circumstances is `python -O`.)"
    from brnpa_nb.cli import main
    if status := main(argv): raise SystemExit(f"brnpa {argv} ended with {status}")


def explain(folder: Path) -> dict[str, object]:
    "The command, and what is read back from its store."
    from PIL import Image

    import brnpa_nb
    from brnpa_nb.data.birds import Birds
    from brnpa_nb.shards import open_maps

    os.mkdir(folder / "photos")
    for i, name in enumerate(NAMES):
        picture = Birds(len(NAMES), "valid", workers=1)[i][0]
        Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy()).save(folder / "photos" / os.fsdecode(name.encode()))     # whatever the locale makes of it
    student = Path(brnpa_nb.__file__).parent / "weights/birds_high.safetensors"
    command(["explain", str(folder / "photos"), "--out", str(folder / "explained"), "--weights", str(student), "--size", "96", "--quiet"])
    store = open_maps(folder / "explained")
    names = {os.fsencode(store.path(i)).rsplit(b"/", 1)[-1].decode() for i in range(len(store))}
    page, table = ((folder / "explained" / file).read_text(encoding="utf-8") for file in ("index.html", "table.csv"))
    if names != set(NAMES) or not all(n in table and n.split(".")[0] in page for n in NAMES): raise SystemExit(f"names were lost: {sorted(names)}")
    return {"maps": digest(b"".join(m.weights.numpy().tobytes() + m.seeds.numpy().tobytes() for m in store))}


def train(folder: Path) -> dict[str, object]:
    "Two short epochs from a few drawn birds, by the command."
    from safetensors.torch import load_file

    command(["train", "birds", "--pictures", "32", "--epochs", "2", "--batch-size", "16", "--out", str(folder / "run"), "--quiet", "--json"])
    return {"weights": digest(b"".join(t.numpy().tobytes() for _, t in sorted(load_file(folder / "run/last.safetensors").items())))}


def draw(folder: Path) -> dict[str, object]:
    "A page, a picture, a figure."
    import torch

    from brnpa_nb.data.birds import Birds
    from brnpa_nb.demo import shipped
    from brnpa_nb.views.explorer import explore
    from brnpa_nb.views.figures import png_bytes, ranked_sheet

    birds, model = Birds(2, "valid", workers=1), shipped("birds_high")
    photos = torch.stack([birds[i][0] for i in range(2)])
    maps = model.explain(photos)
    view = explore(maps, photos, head=model.classifier, classes=model.classes, captions=["Zaunkönig", "鳥"])
    view.to_html(folder / "page.html")
    figure = ranked_sheet(photos, maps.display_maps(), captions=["Zaunkönig", "wren"])
    return {"page": digest((folder / "page.html").read_bytes()), "figure": digest(png_bytes(figure))}


def read_windows_lines(folder: Path) -> dict[str, object]:
    "The official layout of CUB with the line ends that Windows writes."
    from brnpa_nb.data.finegrained import Cub
    from brnpa_nb.data.lookalikes import cub_lookalike

    cub_lookalike(folder / "cub")
    plain = Cub(folder / "cub")
    before = [plain[i][1] for i in range(len(plain))], plain.classes
    for path in (folder / "cub").rglob("*.txt"): path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = Cub(folder / "cub")
    if before != ([found[i][1] for i in range(len(found))], found.classes): raise SystemExit("Windows line ends changed what is read")
    return {"labels": before[0], "classes": plain.classes}


def main(argv: list[str]) -> None:
    "Everything above, in a new folder."
    if "--offline" in argv:
        from tests.offline import block
        block()
    folder = Path(argv[0])
    os.mkdir(folder)
    out, sys.stdout = sys.stdout, sys.stderr
    found = explain(folder) | train(folder) | draw(folder) | read_windows_lines(folder)
    print(json.dumps(found), file=out)


if __name__ == "__main__": main(sys.argv[1:])
