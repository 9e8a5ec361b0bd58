"""Where ranked maps fall on real birds: CUB-200-2011 photographs with boxes and part points.

    python -m tests.benchmarks.cub box DIR [DIR …] [--json]       peaks in brnpa explain's table.csv against the birds' boxes
    python -m tests.benchmarks.cub parts MODEL [MODEL …] [--json] test accuracy, and peaks against part points, of models trained on these classes

The data is looked for in ../shared/data/cub (or $BRNPA_DATA/cub) in its official layout.
"""
import argparse
import csv
import json
import sys
from pathlib import Path

import torch

from brnpa_nb.data.photos import Photos, to_original
from brnpa_nb.evidence.localisation import PartHits, inside_boxes, nearest_parts, peaks, rank_by_nearest_part
from brnpa_nb.evidence.statistics import summarise
from brnpa_nb.models import load_model
from tests.real import DATA

CUB = DATA / "cub"


def rows(name: str) -> list[list[str]]: return [line.split() for line in (CUB / name).read_text().splitlines()]


def annotations() -> dict[str, dict]:
    "File name → class, test or not, box (x, y, w, h), part points and whether they are visible."
    box = {i: [float(v) for v in rest] for i, *rest in rows("bounding_boxes.txt")}
    test = {i: t == "0" for i, t in rows("train_test_split.txt")}
    parts: dict[str, list] = {}
    for i, _, x, y, seen in rows("parts/part_locs.txt"): parts.setdefault(i, []).append((float(x), float(y), float(seen)))
    return {Path(p).name: {"class": Path(p).parent.name, "path": CUB / "images" / p, "test": test[i], "box": box[i], "parts": parts[i]} for i, p in rows("images.txt")}


PART_NAMES = [" ".join(r[1:]) for r in rows("parts/parts.txt")] if CUB.exists() else []


def box(folder: Path, known: dict[str, dict]) -> dict[str, float]:
    "Share of photographs whose peaks, per rank, lie in the bird's box."
    with (folder / "table.csv").open(encoding="utf-8") as f: table = list(csv.DictReader(f))
    found = {}
    for rank in (1, 2, 3):
        points = torch.tensor([[[float(r[f"peak {rank} x"]), float(r[f"peak {rank} y"])]] for r in table])
        boxes = torch.tensor([known[Path(r["photograph"]).name]["box"] for r in table])
        found[f"rank {rank} in box"] = summarise(inside_boxes(points, boxes)[:, 0])._asdict()
    return found


def parts(path: str, known: dict[str, dict], size: int) -> dict:
    "Accuracy on the test photographs, and per rank the rate of peaks within a tenth of the box diagonal of a visible part, and which parts."
    model = load_model(path)
    test = [a for a in known.values() if a["test"] and a["class"] in model.classes]
    wide = round(size / .875)                                       # as `brnpa train` tests: resized to 256, centre of 224
    photos, edge = Photos([a["path"] for a in test], wide), (wide - size) // 2
    right, hits = [], []
    for i in range(0, len(test), 32):
        batch = [photos.read(k) for k in range(i, min(i + 32, len(test)))]
        images = torch.stack([p.image[:, edge:edge + size, edge:edge + size] for p in batch])
        maps = model.explain(images)
        with torch.no_grad(): right += (model.classifier(maps.vectors.flatten(1)).argmax(1) == torch.tensor([model.classes.index(a["class"]) for a in test[i:i + 32]])).float().tolist()
        for k, p in enumerate(batch):
            a = test[i + k]
            points = to_original(peaks(maps[k])[0] + edge, p.box, (wide, wide))[None]
            where = torch.tensor(a["parts"])
            near = nearest_parts(points, where[None, :, :2], where[None, :, 2] > 0, .1 * torch.tensor(a["box"][2:]).norm()[None])
            hits.append(near)
    found = {"accuracy": summarise(torch.tensor(right))._asdict()}
    near = PartHits(*map(torch.cat, zip(*hits)))
    for r, (rank, row) in enumerate(rank_by_nearest_part(near, PART_NAMES).items()):
        shares = {p: round(s, 3) for p, s in sorted(row.items(), key=lambda x: -x[1])[:6] if s}
        found[f"rank {rank}"] = {"near a part": summarise(near.hit[:, r])._asdict(), "parts": shares}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("box", "parts"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not CUB.exists(): parser.error(f"no CUB-200-2011 at {CUB}; set BRNPA_DATA")
    known = annotations()
    found = {str(p): box(Path(p), known) if args.what == "box" else parts(p, known, args.size) for p in args.paths}
    if args.json: print(json.dumps(found))
    else:
        for path, figures in found.items():
            print(path)
            for name, value in figures.items(): print(f"  {name}: " + json.dumps(value))
    return 0


if __name__ == "__main__": sys.exit(main())
