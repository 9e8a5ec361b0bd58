"""Explainers judged where the truth is known: BR-NPA and others on drawn birds, and on CUB photographs with a network trained there.

    python -m tests.benchmarks.evidence birds --out DIR [--pictures 200] [--json]
    python -m tests.benchmarks.evidence cub MODEL --out DIR [--pictures 200] [--json]

Writes the page, the tables and the finished pieces of `brnpa compare` to DIR (run again, it goes on), and prints a table for RESULTS.md. On a CPU
the backbone computes in bfloat16, channels last, for every explainer alike: two to four times as fast; what that changes is printed first.
"""
import argparse
import json
import sys

import torch

from brnpa_nb.comparing import as_figures, beats_nothing, run_comparison
from brnpa_nb.demo import shipped
from brnpa_nb.evidence.cases import Cases, bird_cases, cub_cases
from brnpa_nb.evidence.metrics import METRICS, Settings
from brnpa_nb.evidence.sanity import rank_correlation
from brnpa_nb.evidence.statistics import summarise
from brnpa_nb.models import AttentionModel, load_model
from tests.real import DATA

MAPS = ["brnpa", "brnpa all", "brnpa class", "activation", "cam", "gradcam", "gradcam++", "layercam", "saliency", "guided backprop"]
MORE = {"birds": ["xgradcam", "finercam", "smoothgrad:samples=8", "integrated gradients:steps=12", "scorecam", "occlusion:patch=0.125,stride=0.125", "rise:masks=100"],
        "cub": ["integrated gradients:steps=8", "occlusion:patch=0.125,stride=0.125"]}   # a photograph of CUB costs ten times as much
SHOWN = ["DAUC", "IAUC", "DC", "IC", "AD", "ADD", "energy", "pointing", "EHR", "part hit", "gini", "randomisation"]


def in_bfloat16(model: AttentionModel) -> AttentionModel:
    "The same model with the backbone computing in bfloat16; its features come out as float32."
    kind = type(model.backbone)
    def forward(self: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16): return kind.forward(self, images).float()
    model.backbone.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return model.to(memory_format=torch.channels_last)


def what_it_changes(exact: AttentionModel, quick: AttentionModel, cases: Cases) -> dict[str, float]:
    "How far the quick network is from the exact one on the first photographs."
    images = cases.batch(range(min(24, len(cases)))).images
    with torch.no_grad(): a, b = exact(images), quick(images)
    maps = [(m := net.explain(images)).weights[:, 0] * m.activity for net in (exact, quick)]
    return {"same class": (a.argmax(1) == b.argmax(1)).float().mean().item(), "rank correlation of rank 1": rank_correlation(*maps).mean().item()}


def accuracy(model: AttentionModel, cases: Cases) -> dict:
    "Of the network on these photographs."
    right = []
    for start in range(0, len(cases), 16):
        batch = cases.batch(range(start, min(start + 16, len(cases))))
        with torch.no_grad(): right += (model(batch.images).argmax(1) == batch.labels).float().tolist()
    return summarise(torch.tensor(right))._asdict()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("birds", "cub"))
    parser.add_argument("model", nargs="?", help="for cub: a model trained on these classes")
    parser.add_argument("--out", required=True)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "cub" and not (args.model and (DATA / "cub").exists()): parser.error("give a model trained on CUB's classes, and the data beside the repository or in $BRNPA_DATA")
    load = (lambda: shipped("birds_high")) if args.what == "birds" else (lambda: load_model(args.model).eval())
    cases = bird_cases(args.pictures, seed=77) if args.what == "birds" else cub_cases(DATA / "cub", args.pictures, size=224, seed=77)
    exact, model = load(), in_bfloat16(load())
    changed, score = what_it_changes(exact, model, cases), accuracy(model, cases)
    metrics = [m for m in METRICS if METRICS[m].family != "stability" and (m != "part hit" or args.what == "cub")]
    found = run_comparison({args.what: model}, cases, args.out, [*MAPS, *MORE[args.what]], metrics, Settings(steps=args.steps, fill="black", seed=0), False, lambda text: print(text, file=sys.stderr, flush=True))
    figures = as_figures(found) | {"bfloat16 against float32": changed, "accuracy": score, "better than random and centre": {m: beats_nothing(found, m) for m in found.metrics}}
    if args.json: print(json.dumps(figures)); return 0
    print(changed, score)
    shown = [m for m in SHOWN if m in found.metrics]
    print("| explainer | " + " | ".join(f"{m} {'↑' if METRICS[m].better == 'higher' else '↓'}" for m in shown) + " | forwards | backwards |\n|" + "---|" * (len(shown) + 3))
    for e in found.explainers:
        cells = []
        for m in shown:
            s = summarise(found.of(m)[e])
            cells.append(f"{s.mean:.3f} ({s.low:.3f}–{s.high:.3f})" + (f" [{s.undefined}]" if s.undefined else "") if s.n else f"undefined [{s.undefined}]")
        cost, n = found.cost[args.what, e], len(found.names)
        print(f"| {e} | " + " | ".join(cells) + f" | {cost.forwards / n:.0f} | {cost.backwards / n:.0f} |")
    return 0


if __name__ == "__main__": sys.exit(main())
