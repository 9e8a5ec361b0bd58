"""Bad input: arguments."""
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from brnpa_nb.backbones import create_backbone
from brnpa_nb.distillation import Distillation, create_student, distillation_loss
from brnpa_nb.evidence.complexity import effective_area, gini
from brnpa_nb.evidence.explainers import explain_with
from brnpa_nb.evidence.faithfulness import faithfulness
from brnpa_nb.evidence.localisation import inside_boxes, iou, peaks
from brnpa_nb.grouping import group
from brnpa_nb.models import create_model, load_model
from brnpa_nb.ranking import as_targets
from brnpa_nb.tasks.fewshot import class_scores, cosine_linear, episode_accuracy
from brnpa_nb.training import Recipe
from tests.bad_input import First, Row, brnpa
from tests.bad_input import networks as made

x = made.photographs()
logits, embeddings, labels = torch.randn(2, 4), torch.randn(4, 3), torch.tensor([0, 0, 1, 1])
NAN = float("nan")


def refused(name: str, do: Callable[[], Any], says: str, first: First = "right") -> Row: return Row("arguments", name, lambda folder: do(), says, first=first)


def right(name: str, do: Callable[[], Any], check: Callable[[Any], object], first: First = "right") -> Row: return Row("arguments", name, lambda folder: do(), check=check, first=first)


def model(says: str, first: First = "right", **wrong: Any) -> Row:
    return refused(f"a model with {', '.join(f'{k}={v!r}' for k, v in wrong.items())}", lambda: create_model("resnet10t", **({"n_classes": 4, "network_args": {"channels": (8, 8, 8, 8)}} | wrong)), says, first)


def recipe(says: str, first: First = "right", **wrong: Any) -> Row: return refused(f"a recipe with {', '.join(f'{k}={v!r}' for k, v in wrong.items())}", lambda: Recipe(**wrong), says, first)


def explainer(name: str, says: str, first: First = "right", **wrong: Any) -> Row:
    return refused(f"{name} with {', '.join(f'{k}={v!r}' for k, v in wrong.items()) or 'that name'}", lambda: explain_with(name, made.classifier(), x, **({"targets": 0, "layer": "0"} | wrong)), says, first)


def deletion(says: str, first: First = "right", **wrong: Any) -> Row: return refused(f"faithfulness with {', '.join(f'{k}={v!r}' for k, v in wrong.items())}", lambda: faithfulness(made.classifier(), x, made.maps(), **({"steps": 3} | wrong)), says, first)


def classes(given: Any, says: str, first: First = "right") -> Row: return refused(f"targets {given!r}", lambda: as_targets(given, logits), says, first)


def command(name: str, says: str, *options: object, first: First = "right", keeps: tuple[str, ...] = ()) -> Row:
    "`brnpa explain` of one photograph; nothing may be written."
    def do(folder: Path) -> str:
        Image.new("RGB", (64, 64), (200, 30, 40)).save(folder / "a.png")
        return brnpa("explain", folder / "a.png", "--out", folder / "out", *(("--model", "resnet10t", "--weights", "random") if "--weights" not in options else ()), *options)
    return Row("arguments", name, do, says, keeps=keeps, first=first)


def all_ranks() -> torch.Tensor: return group(made.grid(), 100).weights.sum((2, 3))


ROWS: list[Row] = [
    # Ranks.
    *(refused(f"{n!r} ranks", lambda n=n: group(made.grid(), n), "n_maps must be a whole number of at least 1") for n in (0, -1, 1.5, True, None, "3")),
    right("more ranks than positions: defined, weights sum to 1", all_ranks, lambda s: torch.testing.assert_close(s, torch.ones(2, 100))),
    refused("unknown seeds", lambda: group(made.grid(), seeds="best"), "'activity' or 'random'"),
    # A model.
    *(model("output_stride must be one of", output_stride=s) for s in (5, 0, -8, 64, "8")),
    *(model("n_classes must be", output_stride=32, n_classes=n) for n in (0, -3)),
    *(model("n_classes must be", "cryptic", n_classes=n) for n in (2.0, True, "4")),
    *(model("n_maps must be", n_maps=n) for n in (0, 2.0, True)),
    model("n_maps must be", "silent", pooling="bcnn", n_maps=-1), model("n_maps must be", "silent", pooling="average", n_maps=0),
    model("pooling must be", pooling="brnp"), model("resolution must be", resolution="fine"), model("combine must be", combine="mean"), model("signed must be", signed="no"),
    model("dropout must be", "silent", dropout=NAN), model("dropout must be", dropout=2.), model("image_size must be", "silent", image_size=0), model("image_size must be", "silent", image_size=-5),
    model("mean must be three finite numbers", "cryptic", mean=[.5]), model("std must be three finite numbers, one a colour, above 0", "cryptic", std=[1, 1]), model("std must be three finite numbers", "silent", std=[-1, 1, 1]),
    model("classes must be 4 different names", "silent", classes=["a"]), model("classes must be 4 different names", "silent", classes=["a", "a", "b", "c"]), model("classes must be 4 different names", "silent", classes="abcd"), model("refine must be True or False", "silent", refine="no"),
    model("no weights at nowhere", weights="nowhere.safetensors"), model("no weights at pretraind", weights="pretraind"),
    refused("an unknown network", lambda: create_model("resnet18x", 4), "the nearest names are"),
    refused("an unknown layer", lambda: create_backbone(made.Convolutions(), layer="bdy"), "has no layer 'bdy'"),
    refused("an unknown option of a network", lambda: create_backbone("resnet10t", chanels=(1,)), "'chanels'"),
    refused("a repository that does not exist", lambda: load_model("nobody/nothing.safetensors"), "no weights at"),
    # Distilling and training.
    *(refused(f"the distillation loss at T = {t}", lambda t=t: distillation_loss(logits, logits, labels[:2], temperature=t), "temperature must be above 0", first) for t, first in ((0, "right"), (-1, "right"), (NAN, "right"), (float("inf"), "silent"))),  # type: ignore[misc]
    *(refused(f"the distillation loss at α = {a}", lambda a=a: distillation_loss(logits, logits, labels[:2], alpha=a), "alpha must be between 0 and 1") for a in (2, -.1, NAN)),
    refused("Distillation at α = 2, before it is asked", lambda: Distillation(made.model(), alpha=2), "alpha must be between 0 and 1", "wrong"),
    refused("Distillation at T = 0, before it is asked", lambda: Distillation(made.model(), temperature=0), "temperature must be above 0", "wrong"),
    refused("Distillation without a teacher", lambda: Distillation(None), "found a NoneType", "wrong"),  # type: ignore[arg-type]
    *(refused(f"a student at output_stride={s!r}", lambda s=s: create_student(made.named(), s), says, first) for s, says, first in ((5, "must be one of", "right"), (64, "must be one of", "right"), (32, "a student needs a finer grid", "right"), (None, "must be one of", "cryptic"))),  # type: ignore[misc]
    recipe("epochs must be at least 0", epochs=-1), recipe("epochs must be at least 0, a whole number", "wrong", epochs=1.5), recipe("batch_size must be at least 1", batch_size=0), recipe("lr must be at least 0", lr=-1), recipe("lr must be at least 0", "wrong", lr=NAN), recipe("head_lr must be", "silent", head_lr=-1),
    recipe("warmup must be", "silent", warmup=-1), recipe("label_smoothing must be", "wrong", label_smoothing=2), recipe("precision must be", precision="fp8"), recipe("seed must be", "silent", seed=-1), recipe("seed must be", "wrong", seed=2**64), recipe("epochs must be", "cryptic", epochs="3"),
    # Explainers.
    explainer("gradcm", "the nearest names are 'gradcam'"), explainer("gradcam", "has no option 'colour'", colour=1), explainer("gradcam", "has no layer '9'", layer="9"), explainer("gradcam", "batch_size must be at least 1", batch_size=0),
    explainer("rise", "masks", masks=0), explainer("rise", "p in (0, 1)", p=1), explainer("rise", "p in (0, 1)", p=NAN), explainer("vargrad", "at least 2", samples=1), explainer("smoothgrad", "noise must be", "cryptic", noise=-1), explainer("smoothgrad", "noise must be", "cryptic", noise=NAN),
    explainer("random", "by must be", by="luck"), explainer("random", "grid must be", grid=0), explainer("centre", "sigma must be positive", sigma=0), explainer("occlusion", "patch", patch=0), explainer("brnpa", "pooling='brnpa'"),
    explainer("gradcam", "classes 0 to 3, found 4", targets=4), explainer("gradcam", "classes 0 to 3, found -1", targets=-1), explainer("gradcam", "expected 1 or 2 targets", targets=[0, 1, 2]),
    classes(1., "whole numbers"), classes(True, "whole numbers"), classes("sparrow", "whole numbers", "cryptic"), classes(None, "whole numbers", "cryptic"), classes(2**63, "whole numbers", "cryptic"), classes([[0], [1]], "expected 1 or 2 targets"),
    # Metrics.
    deletion("steps must be", steps=0), deletion("steps must be", steps=-1), deletion("steps must be", steps=NAN), deletion("steps must be", "cryptic", steps="all"), deletion("fill must be one of", fill="pink"), deletion("score must be", score="logits"), deletion("precision must be", precision="fp64"),
    right("a thousand million steps on 24 cells: every cell", lambda: faithfulness(made.classifier(), x, made.maps(), steps=10**9).curves["deletion"].score, lambda s: torch.testing.assert_close(s, faithfulness(made.classifier(), x, made.maps()).curves["deletion"].score), "crash"),
    *(refused(f"a threshold of {t}", lambda t=t: iou(made.maps(), torch.ones(2, 32, 48) > 0, t), "thresholds must be shares of the maximum") for t in (2., 0, NAN)),
    *(refused(f"an area that holds {s} of the map", lambda s=s: effective_area(made.maps(), s), "share must be") for s in (0, 2, NAN)),
    refused("a common grid of one cell", lambda: gini(made.maps(), (1, 1)), "at least two cells"), refused("a common grid that is a number", lambda: gini(made.maps(), 14), "(h, w)", "cryptic"), refused("a common grid of half cells", lambda: gini(made.maps(), (2.5, 3)), "(h, w)", "silent"),  # type: ignore[arg-type]
    *(refused(f"a tolerance of {t}", lambda t=t: inside_boxes(peaks(made.maps()), torch.ones(2, 4), t), "the tolerance must be") for t in (-1, NAN)),
    # Tasks.
    refused("an unknown distance", lambda: class_scores(embeddings, embeddings, "manhattan"), "'cosine' or 'euclidean'"),
    *(refused(f"scores at temperature {t}", lambda t=t: class_scores(embeddings, embeddings, temperature=t), "temperature must be above 0", "silent") for t in (0, -1, NAN)),
    refused("fitting for −1 steps", lambda: cosine_linear(embeddings, labels, embeddings, steps=-1), "steps and lr of at least 0", "silent"), refused("fitting at a rate that is NaN", lambda: cosine_linear(embeddings, labels, embeddings, lr=NAN), "steps and lr of at least 0", "silent"),
    refused("tasks of more classes than there are", lambda: episode_accuracy(embeddings, labels, way=9, shot=1, query=1, episodes=5), "9"), refused("no tasks", lambda: episode_accuracy(embeddings, labels, 2, 1, 1, 0), "an interval needs 2 tasks"),
    # The command line.
    command("0 ranks, of a network by name", "n_maps must be", "--ranks", 0, first="silent"), command("stride 0, of a network by name", "output_stride must be", "--output-stride", 0, first="silent"),
    command("0 threads that read", "expected at least 1", "--workers", 0, first="cryptic"), command("-1 threads that read", "expected at least 1", "--workers", -1, first="cryptic"),
    command("--ranks two", "invalid int value: 'two'", "--ranks", "two"), command("--ranks -1", "n_maps must be", "--ranks", "-1"),
    command("--size 96x", "found '96x'", "--size", "96x"), command("--size -1", "found '-1'", "--size", "-1"), command("--size 0", "found '0'", "--size", "0"),
    command("--output-stride 5", "output_stride must be one of", "--output-stride", "5"), command("--batch-size 0", "batch_size is 0", "--batch-size", "0"), command("--seed x", "invalid int value", "--seed", "x"),
    command("--precision fp64", "invalid choice: 'fp64'", "--precision", "fp64"), command("--weights none.safetensors", "no weights at none.safetensors", "--weights", "none.safetensors"), command("--model resnet18x", "the nearest names are", "--model", "resnet18x"),
    command("an unknown option", "unrecognized arguments: --frobnicate", "--frobnicate"), command("--task birds", "invalid choice: 'birds'", "--task", "birds"),
]
