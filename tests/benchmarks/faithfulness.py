"""What deletion and insertion cost: against the bare forwards, and adaptive points against every step.

    python -m tests.benchmarks.faithfulness [--model FILE] [--photographs 16] [--adaptive 48] [--steps 196] [--precision fp32|bf16] [--json]

Cost: DAUC and IAUC of 28 x 28 maps in --steps steps, photograph by photograph, each beside as many bare forward passes of the same network in
the same batches; the ratio of every pair, and its median. Without --model: an ImageNet ResNet-18 (random weights where there are none; the
cost is the same). Adaptive: the areas of ranked maps, Grad-CAM and random maps on drawn birds (24 x 24 cells, shipped network), and on CUB's
test photographs where --model knows its classes, against every step; tolerance as shipped, chosen on other photographs.
"""
import argparse
import json
import statistics
import sys
from time import perf_counter

import torch

from brnpa_nb.data.finegrained import Cub
from brnpa_nb.demo import shipped
from brnpa_nb.evidence.adaptive import adaptive_area
from brnpa_nb.evidence.cases import bird_cases, drawn
from brnpa_nb.evidence.explainers import explain_with
from brnpa_nb.evidence.faithfulness import area, deletion_curve, faithfulness, insertion_curve, prepare
from brnpa_nb.evidence.perturbation import all_logits
from brnpa_nb.models import create_model, load_model
from brnpa_nb.ranking import from_maps
from tests.real import DATA

BATCH = 32
ASKED = ("brnpa", "gradcam", "random")


def network(path: str | None) -> torch.nn.Module:
    "The model to pay for."
    weights = DATA / "weights/resnet18_in1k.safetensors"
    model = load_model(path) if path else create_model("resnet18", 1000, weights=weights if weights.exists() else None, image_size=224)
    return model.eval().to(memory_format=torch.channels_last)


def photographs(n: int, seed: int = 1) -> torch.Tensor:
    "CUB's test photographs where there are any, else drawn birds of the same size."
    if not (DATA / "cub").exists(): return bird_cases(n, size=224, seed=seed).batch(range(n)).images
    data = Cub(DATA / "cub", "test", 224)
    return torch.stack([data[i][0] for i in drawn(len(data), n, seed)])


def cost(model: torch.nn.Module, images: torch.Tensor, steps: int, precision: str) -> dict:
    "Ratios, one a photograph: both curves over the bare forwards."
    maps = from_maps(torch.rand(len(images), 28, 28, generator=torch.Generator().manual_seed(0)), tuple(images.shape[-2:]))
    how = {"precision": precision, "batch_size": BATCH}
    ratios, seconds, forwards = [], 0., 0
    for i in range(-1, len(images)):                                 # the first round is a warm-up
        one = images[max(i, 0)][None]
        start = perf_counter()
        found = faithfulness(model, one, maps[max(i, 0)], metrics=["DAUC", "IAUC"], steps=steps, **how)
        ours, start = perf_counter() - start, perf_counter()
        all_logits(model, one.repeat(found.forwards, 1, 1, 1), **how)
        bare = perf_counter() - start
        if i >= 0: ratios.append(ours / bare); seconds += ours; forwards += found.forwards
    return {"photographs": len(images), "steps": steps, "forwards": forwards, "seconds": seconds, "ratio": statistics.median(ratios), "ratios": sorted(ratios)}


def adaptive(model: torch.nn.Module, images: torch.Tensor, steps: int | None, precision: str) -> dict:
    "Forwards saved, and errors, explainer by explainer and curve by curve."
    ready = prepare(model, images, precision=precision, batch_size=BATCH)
    found = {}
    for name in ASKED:
        maps = explain_with(name, model, images, ready.targets, batch_size=8)
        for kind, curve in (("deletion", deletion_curve), ("insertion", insertion_curve)):
            full = curve(model, images, maps, steps=steps, intact=ready, batch_size=BATCH)
            quick = adaptive_area(kind, model, images, maps, intact=ready, batch_size=BATCH)
            off = (quick.area - area(full)).abs()
            known = off[~off.isnan()]
            per = quick.forwards.float().mean().item()
            found[f"{name}, {kind}"] = {"photographs": len(known), "forwards full": full.forwards / max(len(known), 1), "forwards adaptive": per, "times fewer": full.forwards / max(len(known), 1) / per,
                                        "within 0.005": (known <= .005).float().mean().item(), "95th percentile": known.quantile(.95).item(), "largest": known.max().item(),
                                        "error estimate held": (known <= quick.error[~off.isnan()] + 1e-6).float().mean().item()}
    return found


def show(found: dict) -> None:
    c = found["cost"]
    print(f"DAUC + IAUC of {c['photographs']} photographs, 28 x 28 cells, {c['steps']} steps: {c['forwards']} forwards, {c['seconds']:.0f} s, {c['ratio']:.3f} times as many bare forwards ({c['ratios'][0]:.3f} to {c['ratios'][-1]:.3f})")
    for name, rows in found["adaptive"].items():
        print(f"adaptive, {name}")
        for row, v in rows.items(): print(f"  {row:20} {v['forwards adaptive']:6.1f} instead of {v['forwards full']:.0f} forwards ({v['times fewer']:.1f} times fewer); within .005: {100 * v['within 0.005']:.0f} % of {v['photographs']}; 95 % {v['95th percentile']:.4f}, largest {v['largest']:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model trained on CUB's classes")
    parser.add_argument("--photographs", type=int, default=16)
    parser.add_argument("--adaptive", type=int, default=48, help="photographs; 0: leave it out")
    parser.add_argument("--steps", type=int, default=196)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)                                         # what else runs on the machine then disturbs both sides alike
    model = network(args.model)
    found: dict = {"cost": cost(model, photographs(args.photographs), args.steps, args.precision), "adaptive": {}}
    if args.adaptive:
        birds = bird_cases(args.adaptive, seed=77)
        found["adaptive"]["drawn birds, 24 x 24 cells, every cell"] = adaptive(shipped("birds_high"), birds.batch(range(len(birds))).images, None, args.precision)
        if args.model: found["adaptive"][f"CUB, {args.steps} steps"] = adaptive(model, photographs(args.adaptive, 2), args.steps, args.precision)
    print(json.dumps(found)) if args.json else show(found)
    return 0


if __name__ == "__main__": sys.exit(main())
