"""Few-shot accuracy on real birds: the novel classes of CUB-200-2011 by prototypes on average pooling and on ranked vectors.

    python -m tests.benchmarks.fewshot [--model FILE] [--part novel|val] [--size 224] [--output-stride 32] [--episodes 600] [--json]

Without --model: ImageNet ResNet-18, untrained on birds. The data is looked for in ../shared/data (or $BRNPA_DATA), with few_shot_split.json or
the customary split by class number. Choose settings on val; novel is for the result.
"""
import argparse
import json
import sys
from time import perf_counter

import torch

from brnpa_nb.data.episodes import few_shot_split
from brnpa_nb.models import AttentionModel, create_model, load_model
from brnpa_nb.tasks.fewshot import Features, cached_features, cosine_linear_mixture, episode_accuracy
from tests.real import DATA

LEARNERS = {"cosine prototypes": {}, "Euclidean prototypes": {"distance": "euclidean"}, "cosine-linear": {"learn": cosine_linear_mixture}}


def embeddings(model: AttentionModel, data: torch.utils.data.Dataset) -> tuple[dict[str, torch.Tensor], Features]:
    "The same photographs, one pass, embedded in several ways."
    averages: list[torch.Tensor] = []
    hook = model.backbone.register_forward_hook(lambda module, images, grid: averages.append(grid.mean((2, 3))))
    features = cached_features(model, data)
    hook.remove()
    ways = {"average pooling": torch.cat(averages), "ranks one after the other": features.vectors.flatten(1), "ranks added up": features.vectors.sum(1)}
    return ways, features


def percent(values: torch.Tensor) -> dict[str, float]: return {"mean": 100 * values.mean().item(), "half": 196 * values.std().item() / len(values)**.5}


def run(model: AttentionModel, part: str, size: int, episodes: int) -> dict:
    "Accuracies with intervals, and differences to average pooling on the same tasks."
    data = getattr(few_shot_split("cub", DATA / "cub", size, incomplete=True), part)
    start = perf_counter()
    ways, features = embeddings(model, data)
    found: dict = {"part": part, "photographs": len(data), "classes": len(data.classes), "size": size, "episodes": episodes, "seconds_features": perf_counter() - start, "table": {}}
    start = perf_counter()
    for learner, how in LEARNERS.items():
        for shot in (1, 5):
            exams = {name: episode_accuracy(e, features.labels, shot=shot, episodes=episodes, **how).per_episode for name, e in ways.items()}
            base = exams["average pooling"]
            found["table"][f"{learner}, {shot}-shot"] = {name: percent(e) | {"minus_average": percent(e - base)} for name, e in exams.items()}
    return found | {"seconds_exams": perf_counter() - start}


def show(found: dict) -> None:
    print(f"{found['photographs']} photographs of {found['classes']} {found['part']} classes, {found['size']} px, {found['episodes']} tasks, 5-way; features {found['seconds_features']:.0f} s, all exams {found['seconds_exams']:.1f} s")
    for row, cells in found["table"].items():
        print(row)
        for name, c in cells.items(): print(f"  {name:28} {c['mean']:5.1f} ± {c['half']:.1f} %    minus average pooling {c['minus_average']['mean']:+5.1f} ± {c['minus_average']['half']:.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="safetensors file of a trained model")
    parser.add_argument("--part", choices=("val", "novel"), default="novel")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--output-stride", type=int, default=32)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    weights = DATA / "weights/resnet18_in1k.safetensors"
    if not (DATA / "cub").is_dir() or not (args.model or weights.is_file()):
        print(f"no data: {DATA / 'cub'} or {weights} is not there; set BRNPA_DATA", file=sys.stderr)
        return 1
    model = load_model(args.model) if args.model else create_model("resnet18", 1, weights=weights, output_stride=args.output_stride)
    found = {"model": args.model or "ImageNet ResNet-18", "output_stride": model.output_stride} | run(model, args.part, args.size, args.episodes)
    print(json.dumps(found)) if args.json else show(found)
    return 0


if __name__ == "__main__": sys.exit(main())
