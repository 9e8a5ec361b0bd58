"""The embedded world under three tasks: scores at both resolutions, and rank x part x task with intervals over networks.

    python -m tests.benchmarks.three_tasks [--runs FOLDER] [--pictures 400] [--json]

Without --runs: the shipped networks (one a task, so no intervals over networks). FOLDER holds {species,fewshot,reid}_{low,high}_{seed}.safetensors,
made by the commands in CONTRIBUTING.md; the shipped networks are seed 0. Exams are drawn with a seed that no training used.
"""
import argparse
import json
import sys
from pathlib import Path

import torch

from brnpa_nb.data.birds import Birds
from brnpa_nb.demo import part_shares, shipped, visible_areas
from brnpa_nb.evidence.statistics import holm, over_networks
from brnpa_nb.jobs import Options, open_exam
from brnpa_nb.models import load_model
from brnpa_nb.three_tasks import DECIDES, NETWORKS, on_parts, paired_parts, task_table


def networks(runs: str | None) -> dict:
    "(task, resolution) → models."
    out = {}
    for task, names in NETWORKS.items():
        for resolution, name in zip(("low", "high"), names):
            more = sorted(Path(runs).glob(f"{task}_{resolution}_*.safetensors")) if runs else []
            out[task, resolution] = [shipped(name), *(load_model(f) for f in more)]
    return out


def run(runs: str | None, pictures: int) -> dict:
    made, found = networks(runs), {"scores": {}, "joint": {}, "table": [], "tests": {}}
    for task in NETWORKS:
        exam = open_exam(task, "birds", Options(seed=77))
        for resolution in ("low", "high"): found["scores"][f"{task} {resolution}"] = [{k: v._asdict() for k, v in exam(m).items()} for m in made[task, resolution]]
    birds = Birds(pictures, "test", "all", "individual", seed=77).draw()
    areas = visible_areas(birds)
    for resolution in ("low", "high"):
        shares = {task: [part_shares(m, birds) for m in made[task, resolution]] for task in NETWORKS}
        for task, each in shares.items():
            area = sum(areas[p] for p in DECIDES[task])
            for rank in (1, 2, 3): found["joint"][f"{task} {resolution} rank {rank}"] = over_networks([on_parts(s, DECIDES[task], rank).nanmean().item() / area for s in each])._asdict()
        found["table"] += [r | {"resolution": resolution, "share": r["share"]._asdict()} for r in task_table(shares, areas)]
        if resolution == "high":
            pairs = list(zip(shares["reid"], shares["species"]))
            rows = [paired_parts(a, b) for a, b in pairs]
            found["tests"] = {rows[0][k].part: {"differences": [r[k].difference.mean for r in rows], "worst p": max(holm([r[k].p for r in rows]))} for k in range(len(rows[0]))}
    return found | {"pictures": pictures, "areas": areas, "networks": len(made["species", "high"])}


def show(found: dict) -> None:
    print(f"{found['networks']} networks a task and resolution, {found['pictures']} pictures")
    for name, each in found["scores"].items():
        for figure in each[0]: print(f"{name:14} {figure:12}", "  ".join(f"{100 * s[figure]['mean']:.1f} ({100 * s[figure]['low']:.1f} to {100 * s[figure]['high']:.1f})" for s in each), "%")
    print("share of attention on the defining parts together, times their area (Student's 95 % interval over networks)")
    for name, s in found["joint"].items(): print(f"{name:22} {s['mean']:.2f} ({s['low']:.2f} to {s['high']:.2f})")
    print("rank × part × task, high resolution: share of attention in % (interval), times the area")
    for r in found["table"]:
        if r["resolution"] == "high": print(f"{r['task']:8} rank {r['rank']} {r['part']:7} {100 * r['share']['mean']:5.1f} ({100 * r['share']['low']:.1f} to {100 * r['share']['high']:.1f})  {r['times']:.1f} ×")
    print("reid minus species at rank 1, points, network by network; largest corrected p")
    for part, t in found["tests"].items(): print(f"{part:7} {'  '.join(f'{100 * d:+.1f}' for d in t['differences'])}   p ≤ {t['worst p']:.1g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", help="folder with further networks")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = run(args.runs, args.pictures)
    print(json.dumps(found)) if args.json else show(found)
    return 0


if __name__ == "__main__": sys.exit(main())
