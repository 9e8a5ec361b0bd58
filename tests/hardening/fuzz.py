"""Fuzzing: every public function that takes tensors, with values that nobody would send and layouts that somebody will.

    python -m tests.hardening --only fuzz

What must hold of any call: it is refused by a `raise` of ours in one sentence, or it gives a result that is the same when asked again, leaves
its arguments and the process as they were, and satisfies what the function promises (`PROMISES`); functions of single photographs give each
photograph the same alone, in company and in another order (`EACH`). `tests/test_fuzz.py` runs a slice of it, and fails for a new public
function that is neither here nor in `LEFT_OUT` with a reason.
"""
import importlib
import inspect
import math
import pkgutil
import random
import tempfile
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import brnpa_nb
from brnpa_nb.evidence.explainers import EXPLAINERS
from brnpa_nb.evidence.faithfulness import Curve, MaskedScores
from brnpa_nb.grouping import EPS, Groups, group
from brnpa_nb.ranking import RankedMaps, from_maps
from brnpa_nb.tasks.decisions import class_decision
from brnpa_nb.views.buffers import pack, unpack
from brnpa_nb.views.frames import Setting
from tests.bad_input import SENTENCE
from tests.bad_input import networks as made
from tests.hardening import Count

KINDS = ("plain", "plain", "plain", "unit", "unit", "zeros", "ones", "ties", "negative", "huge", "largest", "tiny", "denormal", "NaN", "Inf", "-Inf", "one row of zeros")
USUAL = ("plain", "plain", "plain", "unit", "unit", "unit", "zeros", "ones", "ties", "negative", "tiny", "denormal", "one row of zeros", "huge")
FLOATS = (torch.float32, torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16)
LAYOUTS = ("as it is", "as it is", "across", "every second", "expanded", "channels last", "requires a gradient")


def values(kind: str, shape: tuple[int, ...], number: int, dtype: torch.dtype) -> Tensor:
    "A tensor of one kind, from a number."
    dice = torch.Generator().manual_seed(number)
    x = torch.randn(shape, generator=dice, dtype=torch.float64)
    if kind == "unit": x = torch.rand(shape, generator=dice, dtype=torch.float64)
    elif kind == "zeros": x = x * 0
    elif kind == "ones": x = torch.ones_like(x)
    elif kind == "ties": x = x.mul(2).round().clamp(0, 2)
    elif kind == "negative": x = -x.abs()
    elif kind in ("huge", "tiny", "denormal", "largest"): x = x * {"huge": 1e30, "tiny": 1e-30, "denormal": 1e-42, "largest": torch.finfo(dtype).max}[kind]
    elif kind == "one row of zeros" and x.numel(): x = x.relu(); x[..., 0] = 0
    x = x.to(dtype)
    if kind in ("NaN", "Inf", "-Inf") and x.numel(): x.view(-1)[number % x.numel()] = float(kind)
    return x


def laid(x: Tensor, layout: str) -> Tensor:
    "The same numbers, otherwise in memory."
    if layout == "across" and x.ndim > 1: return x.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "every second" and x.ndim: return torch.stack([x, x + 1], -1).flatten(-2)[..., ::2]
    if layout == "expanded" and x.ndim and x.numel(): return x[:1].expand_as(x)
    if layout == "channels last" and x.ndim == 4: return x.to(memory_format=torch.channels_last)
    return x.clone().requires_grad_() if layout == "requires a gradient" and x.is_floating_point() else x


class World:
    "The arguments of one call, drawn as they are asked for: sizes fit each other, unless an odd one is drawn."
    def __init__(self, data: Any) -> None:
        self.data, self.folder = data, None
        self.B, self.N, self.C, self.h, self.w, self.K, self.M = (data.draw(st.integers(1, n)) for n in (3, 4, 5, 5, 5, 4, 3))
        self.H, self.W = self.h * data.draw(st.integers(1, 8)), self.w * data.draw(st.integers(1, 8))
        self.odd = data.draw(st.integers(0, 9)) == 0                       # something does not fit

    def pick(self, *among: Any) -> Any: return self.data.draw(st.sampled_from(among))
    def whole(self, low: int, high: int) -> int: return self.data.draw(st.integers(low, high))

    def t(self, *shape: int, kinds: tuple[str, ...] = KINDS, dtypes: tuple[torch.dtype, ...] = FLOATS, plain: bool = False) -> Tensor:
        if self.odd and self.whole(0, 3) == 0: shape = self.pick(shape[1:], (*shape, 1), (*shape[:-1], 0), tuple(reversed(shape)), (0, *shape[1:]))
        x = values(self.pick(*kinds), shape, self.whole(0, 999), self.pick(*dtypes))
        return x if plain else laid(x, self.pick(*LAYOUTS))

    def ints(self, *shape: int, low: int = 0, high: int = 2) -> Tensor:
        if self.odd: low, high = low - 1, high + 1
        return torch.randint(low, max(high, low + 1), shape, generator=torch.Generator().manual_seed(self.whole(0, 999)))

    def number(self, *usual: float) -> Any: return self.pick(*usual, *usual, *((0, -1, math.nan, math.inf, 1e300, -math.inf, True, None, "1") if self.odd else ()))
    @property
    def photos(self) -> Tensor: return self.photos_of(self.H, self.W)
    def photos_of(self, H: int, W: int, n: int | None = None) -> Tensor: return self.t(n or self.B, 3, H, W, kinds=("unit",) * 6 + ("zeros", "ones", "plain", "NaN", "huge", "ties"))
    @property
    def small(self) -> Tensor: return self.photos_of(self.pick(16, 24, 7) if self.odd else self.pick(16, 24), self.pick(16, 32))
    @property
    def features(self) -> Tensor: return self.t(self.B, self.C, self.h, self.w)
    @property
    def groups(self) -> Groups:
        b, n, h, w, one = self.B, self.N, self.h, self.w, self.pick(*FLOATS)
        weights, similarity, activity, vectors = (self.t(*s, dtypes=(one,)) for s in ((b, n, h, w), (b, n, h, w), (b, h, w), (b, n, self.C)))
        return Groups(vectors, weights, similarity, activity, self.ints(b, n, high=h * w))
    @property
    def maps(self) -> RankedMaps:
        how = self.pick("grouped", "grouped", "free", "one map")
        if how == "one map": return from_maps(self.t(self.B, self.h, self.w, kinds=("unit", "unit", "zeros", "ones", "ties", "huge", "tiny", "denormal", "NaN")), (self.H, self.W))
        x = self.t(self.B, self.C, self.h, self.w, kinds=USUAL)
        if how == "free": return RankedMaps(self.groups, (self.H, self.W), self.pick(None, x))
        return RankedMaps(group(x, self.N, self.pick(True, False)), (self.H, self.W), self.pick(x, x, None))
    @property
    def full_maps(self) -> RankedMaps:
        "Of grouping, with features, as a rule."
        x = self.t(self.B, self.C, self.h, self.w, kinds=USUAL[:-1])
        return self.maps if self.odd else RankedMaps(group(x, self.N, self.pick(True, False)), (self.H, self.W), x)
    @property
    def masks(self) -> Tensor:
        m = self.ints(self.B, *self.pick((), (self.M,)), self.H, self.W)
        return self.pick(m > 0, m > 0, m.float(), self.t(*m.shape, kinds=("unit",)), m)
    @property
    def points(self) -> Tensor: return self.t(self.B, self.N, 2) * self.pick(1, 8)
    @property
    def embeddings(self) -> Tensor: return self.t(2 * self.K, self.C)
    @property
    def labels(self) -> Tensor: return torch.arange(2 * self.K) % self.K if not self.odd else self.ints(2 * self.K, high=self.K)
    @property
    def targets(self) -> Any: return self.pick(0, self.K - 1, self.ints(self.B, high=self.K), [0] * self.B, lambda logits: logits.argmax(1), *((None, -1, 99, 1.5, "a", [0] * 9, torch.ones(self.B)) if self.odd else ()))
    @property
    def head(self) -> nn.Linear:
        head = nn.Linear(self.N * self.C, self.K, bias=self.pick(True, False))
        with torch.no_grad(): head.weight.copy_(values(self.pick("plain", "plain", "zeros", "huge", "NaN"), tuple(head.weight.shape), self.whole(0, 99), torch.float32))
        return head
    @property
    def model(self) -> Any: return made._model(self.pick("brnpa", "brnpa", "bcnn", "average"))
    @property
    def network(self) -> nn.Module: return self.pick(made._classifier(), made._model("average"))
    @property
    def layer(self) -> Any: return None
    @property
    def of_model(self) -> RankedMaps:
        "Maps of `brnpa()`, with features."
        return made._model("brnpa").explain(made.photographs(self.B, 16, 24))
    @property
    def unit_maps(self) -> Tensor: return self.t(self.B, self.N, self.h, self.w, kinds=("unit", "unit", "zeros", "ones", "plain", "NaN"))
    @property
    def place(self) -> Path:
        self.folder = self.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
        return self.folder
    @property
    def curve(self) -> Curve:
        s = self.whole(2, 6)
        return Curve(self.pick("deletion", "insertion"), torch.linspace(0, 1, s), self.t(self.B, s), self.t(self.B, s - 1), torch.zeros(self.B) > 0, 0)
    @property
    def scores(self) -> MaskedScores: return MaskedScores(*(self.t(self.B) for _ in range(3)), 0)
    @property
    def decided(self) -> Any: return class_decision(made._model("brnpa"), self.of_model)
    @property
    def colours(self) -> Any: return self.pick("inferno", "#D55E00", "viridis", *(("nope", "#12") if self.odd else ()))


def brnpa() -> Any: return made._model("brnpa")


def fixed_explainer(model: nn.Module, images: Tensor, targets: Tensor) -> RankedMaps: return from_maps(images.mean(1).abs(), (images.shape[-2], images.shape[-1]))


Call = tuple[Any, ...]                                                     # positional arguments, and a dict of named ones at the end
STEPS = (1, 3, .5, None)
EX = "evidence.basic_explainers.", "evidence.library_explainers."


def explaining(w: World, **own: Any) -> Call: return w.network if not own.pop("ours", False) else w.model, w.small, w.ints(w.B, high=made.CLASSES), {"layer": None, "batch_size": w.pick(1, 2, 16), "seed": w.whole(0, 9)} | own


def asked(w: World, pooling: str = "average") -> Call: return made._model(pooling), w.small, w.ints(w.B, high=made.CLASSES), {"batch_size": w.pick(1, 2, 16), "seed": w.whole(0, 9)}


def shown(w: World) -> tuple[RankedMaps, Tensor]:
    "Maps, and the photographs that they might be of."
    return w.pick(w.full_maps, w.maps), w.photos


def judged(w: World, **own: Any) -> Call:
    size = (w.pick(16, 24), w.pick(16, 32))
    maps = from_maps(w.t(w.B, w.h, w.w, kinds=("unit", "unit", "ties", "zeros", "ones", "huge", "tiny")), size)
    return w.network, w.photos_of(*size), maps, own | {"batch_size": w.pick(1, 3, 32)}


def packet(w: World) -> dict[str, Any]: return pack(*shown(w), w.pick(None, w.head))[0]


def two_lists(w: World) -> Call:
    q, g = w.whole(1, 4), w.whole(1, 6)
    return w.ints(q, high=3), w.ints(g, high=3), w.ints(q, high=2), w.ints(g, high=2), {"rule": w.pick("market", "cuhk03"), "max_rank": w.pick(1, 5, 50), "repeats": w.pick(1, 5), "top": w.pick(0, 1, 9)}


def retrieved(w: World) -> Call:
    rest = two_lists(w)
    return w.t(len(rest[0]), w.C), w.t(len(rest[1]), w.C), *rest[:4], rest[4] | {"metric": w.pick("cosine", "euclidean"), "chunk": w.pick(1, 2, 128)}


def ranked(w: World) -> Call:
    rest = two_lists(w)
    return w.t(len(rest[0]), len(rest[1])), *rest


def as_array(x: Tensor) -> np.ndarray: return x.detach().double().numpy()


# name → (arguments, odd ones too, at a time): those of doors (True) are also handed what does not fit; slow ones are called less often (3: the slowest).
TARGETS: dict[str, tuple[Callable[[World], Call], bool, int]] = {
    "grouping.group": (lambda w: (w.features, {"n_maps": w.number(1, 3, 9), "refine": w.pick(True, False), "signed": w.pick("auto", "auto", "plain"), "seeds": w.pick("activity", "activity", "random"), "generator": torch.Generator().manual_seed(3)}), True, 1),
    "ranking.weighted_activity": (lambda w: (w.maps, {}), False, 1), "ranking.display_maps": (lambda w: (w.maps, {}), False, 1),
    "ranking.composite": (lambda w: (*shown(w), {"colours": w.pick("safe", "paper"), "strength": w.pick(0., .8, 1.), "mode": w.pick("nearest", "bilinear")}), True, 1),
    "ranking.activity_shares": (lambda w: (w.maps, {}), False, 1), "ranking.as_targets": (lambda w: (w.targets, w.t(w.B, w.K), {}), True, 1), "ranking.rank_logits": (lambda w: (w.full_maps, w.head, {}), True, 1),
    "ranking.contributions": (lambda w: (w.full_maps, w.head, w.targets, {}), True, 1), "ranking.seed_maps": (lambda w: (w.maps, {}), False, 1), "ranking.match": (lambda w: (w.maps, w.maps, {}), True, 1), "ranking.sparsity": (lambda w: (w.maps, {}), False, 1),
    "ranking.from_maps": (lambda w: (w.t(w.B, w.h, w.w), (w.H, w.W), {}), True, 1), "ranking.head_weight": (lambda w: (w.head, w.number(w.N, 2), w.C, {}), False, 1),
    "backbones.check_photographs": (lambda w: (w.photos, {"unit": w.pick(True, False)}), True, 1), "models.explain": (lambda w: (w.model, w.small, {}), True, 2),
    "checkpoints.save_checkpoint": (lambda w: (w.place / "a.safetensors", {"a": w.t(w.B, w.h), "b": w.t(w.w)}, {"n": 1}, {}), False, 1), "checkpoints.check_fit": (lambda w: ({"a": w.t(w.B, w.h)}, {"a": w.t(w.B, w.h)}, "a file", {}), True, 1),
    "distillation.distillation_loss": (lambda w: (w.t(w.B, w.K), w.t(w.B, w.K), w.ints(w.B, high=w.K), {"temperature": w.number(1., 6.), "alpha": w.number(0., .9, 1.)}), True, 1), "distillation.embedding_loss": (lambda w: (w.t(w.B, w.C), w.t(w.B, w.C), {}), True, 1),
    "data.episodes.split_episode": (lambda w: (w.t(4 * w.K, w.C), {"way": w.K, "shot": w.pick(1, 2)}), True, 1), "data.photos.to_original": (lambda w: (w.points, (0., 0., 9., 9.), (w.H, w.W), {}), False, 1), "data.photos.from_original": (lambda w: (w.points, (0., 0., 9., 9.), (w.H, w.W), {}), False, 1),
    "evidence.adaptive.gap_errors": (lambda w: (torch.linspace(0, 1, 5), w.t(5), {}), False, 1), "evidence.adaptive.adaptive_area": (lambda w: (w.pick("deletion", "insertion"), *judged(w)), False, 3),
    **{EX[0] + name: (lambda w, p=p: asked(w, p), False, 2) for name, p in (("brnpa", "brnpa"), ("brnpa_all", "brnpa"), ("brnpa_class", "brnpa"), ("activation", "average"), ("bilinear", "bcnn"), ("cam", "average"), ("gradcam", "brnpa"), ("random_map", "average"), ("centre", "average"))},  # type: ignore[misc, dict-item]
    EX[0] + "rise_masks": (lambda w: (w.ints(5, 3, 3).bool(), torch.rand(5, 2, generator=torch.Generator().manual_seed(w.whole(0, 9))), (w.H + 1, w.W + 1), {}), False, 1), EX[0] + "rise": (lambda w: explaining(w, masks=30), False, 3),
    **{EX[1] + name: (lambda w, how=how: (*asked(w)[:3], asked(w)[3] | how), False, 3) for name, how in (("saliency", {}), ("integrated_gradients", {"steps": 2}), ("smoothgrad", {"samples": 2}), ("vargrad", {"samples": 2}), ("guided_backprop", {}), ("occlusion", {"patch": .5, "stride": .5}), ("kernelshap", {"cells": 2, "samples": 8}), ("xgradcam", {}), ("layercam", {}), ("gradcam_plus_plus", {}), ("scorecam", {}), ("finercam", {}), ("ablationcam", {}))},  # type: ignore[misc, dict-item]
    "evidence.explainers.explain_with": (lambda w: (w.pick(*[n for n in EXPLAINERS if n not in ("kernelshap", "ablationcam")]), w.model, w.small, {"targets": w.pick(None, 0, 3, *((-1, 9, "a", [1] * 9) if w.odd else ()))}), True, 3),
    "evidence.complexity.resampled": (lambda w: (w.maps, (w.number(1, 2, 7), w.number(1, 4)), {}), True, 1), **{f"evidence.complexity.{name}": (lambda w: (w.maps, {"grid": (w.pick(1, 2, 14), w.pick(3, 14))}), True, 1) for name in ("sparsity_at", "gini", "entropy", "effective_area")},
    "evidence.faithfulness.prepare": (lambda w: (*judged(w)[:2], {"fill": w.pick("black", "mean", "blur", None), "score": w.pick("softmax", "logit")}), True, 2), "evidence.faithfulness.check_maps": (lambda w: (*shown(w), {}), False, 1),
    "evidence.faithfulness.deletion_curve": (lambda w: judged(w, steps=w.pick(*STEPS)), True, 3), "evidence.faithfulness.insertion_curve": (lambda w: judged(w, steps=w.pick(*STEPS)), True, 3), "evidence.faithfulness.masked_scores": (lambda w: judged(w), True, 3), "evidence.faithfulness.faithfulness": (lambda w: judged(w, steps=w.pick(*STEPS)), True, 3),
    "evidence.faithfulness.area": (lambda w: (w.curve, {}), False, 1), "evidence.faithfulness.correlation": (lambda w: (w.curve, {}), False, 1), "evidence.faithfulness.masks_of": (lambda w: (w.maps, {}), False, 1), **{f"evidence.faithfulness.{name}": (lambda w: (w.scores, {}), False, 1) for name in ("average_drop", "increase", "average_drop_in_deletion")},
    "evidence.fingerprints.tensor_checksum": (lambda w: (w.t(w.B, w.h), {}), False, 1), "evidence.harness.check_images": (lambda w: (w.photos, w.pick(None, brnpa()), {}), True, 1), "evidence.harness.chosen": (lambda w: (w.network, w.small, w.pick(None, 0, 3), {}), False, 2), "evidence.harness.target_score": (lambda w: (w.t(w.B, w.K), w.ints(w.B, high=w.K), {}), False, 1),
    **{f"evidence.localisation.{name}": (lambda w: (w.maps, {}), False, 1) for name in ("attention", "constant", "peaks")}, **{f"evidence.localisation.{name}": (lambda w: (w.maps, w.masks, {}), True, 1) for name in ("energy_inside", "heat_ratios", "ehr", "iou_curve", "iou")},
    "evidence.localisation.box_masks": (lambda w: (w.t(w.B, 4), (w.H, w.W), {}), True, 1), "evidence.localisation.disc_masks": (lambda w: (w.t(w.B, w.M, 2), w.ints(w.B, w.M), w.pick(1, 2.5), (w.H, w.W), {}), False, 1),
    "evidence.localisation.inside_boxes": (lambda w: (w.points, w.t(w.B, 4), {"tolerance": w.number(0, 2)}), True, 1), "evidence.localisation.inside_masks": (lambda w: (w.points, w.masks, {"tolerance": w.pick(0, 2)}), False, 1), "evidence.localisation.nearest_parts": (lambda w: (w.points, w.t(w.B, w.M, 2), w.ints(w.B, w.M) > 0, w.pick(0, 5), {}), False, 1),
    "evidence.localisation.best_threshold": (lambda w: (w.t(w.B, 19, kinds=("unit", "NaN", "zeros")), {}), False, 1), "evidence.localisation.best_iou": (lambda w: (w.t(w.B, 19), {}), False, 1), "evidence.localisation.rank_by_part": (lambda w: (w.t(w.B, w.N, 2), ("a", "b"), {}), False, 1),
    "evidence.metrics.on_grid": (lambda w: (w.maps, (w.pick(1, 3), w.pick(2, 7)), {}), False, 1), "evidence.perturbation.rank_one": (lambda w: (w.maps, {}), False, 1), "evidence.perturbation.is_constant": (lambda w: (w.t(w.B, w.h, w.w), {}), False, 1), "evidence.perturbation.cell_order": (lambda w: (w.maps, {}), False, 1),
    "evidence.perturbation.box_blur": (lambda w: (w.photos, w.pick(None, 1, 3), {}), False, 1), "evidence.perturbation.fill_for": (lambda w: (w.photos, w.pick("black", "mean", "blur", w.t(3), w.t(3, 1, 1)), {}), True, 1), "evidence.perturbation.all_logits": (lambda w: (w.network, w.small, {}), False, 2),
    "evidence.perturbation.perturbed": (lambda w: (w.photos, torch.zeros(()), w.ints(w.B, w.h, w.w, high=9), w.ints(w.B, high=9), {}), False, 1), "evidence.perturbation.scores_of": (lambda w: (w.t(w.B, w.K), w.ints(w.B, high=w.K), w.pick("softmax", "logit"), {}), False, 1),
    "evidence.sanity.rank_correlation": (lambda w: (w.t(w.B, w.h, w.w), w.t(w.B, w.h, w.w), {}), True, 1), "evidence.sanity.ssim": (lambda w: (w.t(w.B, w.h, w.w), w.t(w.B, w.h, w.w), {"window": w.number(1, 3) if w.odd else None}), True, 1), "evidence.sanity.other_photograph": (lambda w: (w.maps, {}), False, 1),
    "evidence.sanity.randomisation_test": (lambda w: (w.network, w.small, None, fixed_explainer, {"layers": 2}), False, 3), "evidence.stability.shifted": (lambda w: (w.photos, w.whole(-3, 3), w.whole(-3, 3), {}), False, 1), "evidence.stability.noise_stability": (lambda w: (w.network, w.small, fixed_explainer, {"repeats": 2}), False, 3),
    "evidence.stability.shift_stability": (lambda w: (w.network, w.small, fixed_explainer, {"pixels": 2}), False, 3), "evidence.stability.max_sensitivity": (lambda w: (w.network, w.small, fixed_explainer, {"repeats": 2}), False, 3),
    "evidence.statistics.summarise": (lambda w: (w.t(w.whole(0, 6)), {"resamples": w.pick(1, 20)}), False, 1), "evidence.statistics.paired_p": (lambda w: (w.t(w.whole(1, 6)), {}), False, 1), "evidence.statistics.paired_tests": (lambda w: ({"a": w.t(4), "b": w.t(4)}, {}), False, 2),
    "explaining.save_maps": (lambda w: (w.maps, w.place / "m.safetensors", {}), False, 1), "explaining.strip": (lambda w: (w.maps[:1], w.photos[0], "bird", {"side": w.pick(8, 40)}), False, 2),
    "leaving_python.differences": (lambda w: ({"a": w.t(w.B, w.h)}, {"a": w.t(w.B, w.h)}, {}), False, 1), "leaving_python.close_calls": (lambda w: ({"activity": w.t(w.B, w.h, w.w), "similarity": w.t(w.B, w.N, w.h, w.w)}, {}), False, 1),
    "shards.to_half": (lambda w: (w.t(w.B, w.h, w.w), w.pick(1, 2), {}), False, 1), "shards.from_half": (lambda w: (w.t(w.B, w.h, w.w, dtypes=(torch.float16,)), w.t(w.B, w.h), {}), False, 1), "shards.pack_groups": (lambda w: (w.groups, {}), False, 1),
    "tasks.classification.explain_class": (lambda w: (w.model, w.small, w.pick(None, 0, 3, *((9, -1, "a") if w.odd else ())), {}), True, 2), "tasks.decisions.rank_vectors": (lambda w: (brnpa(), w.pick(w.of_model, w.maps), {}), False, 2), "tasks.decisions.embedding_of": (lambda w: (brnpa(), w.t(w.B, 3, 6), {}), False, 1),
    "tasks.decisions.linear_decision": (lambda w: (brnpa(), w.of_model, w.pick(w.t(w.B, 18), w.t(18)), {}), False, 2), "tasks.decisions.class_decision": (lambda w: (brnpa(), w.of_model, w.whole(0, 3), {}), False, 2), "tasks.decisions.logits_of": (lambda w: (brnpa(), w.of_model, {}), False, 2), "tasks.decisions.similarity_decision": (lambda w: (brnpa(), w.of_model, w.t(w.B, 3, 6), {"cosine": w.pick(True, False)}), True, 2),
    **{f"tasks.fewshot.{name}": (lambda w: (w.embeddings, w.labels, w.K, {}), True, 1) for name in ("prototype_mixture", "prototypes")}, "tasks.fewshot.cosine_linear_mixture": (lambda w: (w.embeddings, w.labels, w.K, {"steps": w.pick(0, 3), "lr": w.number(.1, .5)}), True, 1), "tasks.fewshot.class_scores": (lambda w: (w.t(w.B, w.C), w.t(w.K, w.C), {"distance": w.pick("cosine", "euclidean"), "temperature": w.number(.1, 1.)}), True, 1),
    "tasks.fewshot.nearest_prototype": (lambda w: (w.embeddings, w.labels, w.t(w.B, w.C), {"distance": w.pick("cosine", "euclidean")}), True, 1), "tasks.fewshot.cosine_linear": (lambda w: (w.embeddings, w.labels, w.t(w.B, w.C), {"steps": 2}), True, 1), "tasks.fewshot.episode_accuracy": (lambda w: (w.embeddings, w.labels, {"way": w.pick(1, 2), "shot": 1, "query": 1, "episodes": w.pick(2, 5)}), True, 2),
    "tasks.fewshot.explain_episode": (lambda w: (brnpa(), w.photos_of(16, 16, 2), torch.tensor([0, 1]), w.photos_of(16, 16), {"distance": w.pick("cosine", "euclidean")}), False, 2), "tasks.reid.triplet_loss": (lambda w: (w.embeddings, w.labels, {"margin": w.number(0., .3), "soft": w.pick(True, False)}), True, 1), "tasks.reid.split_queries": (lambda w: (w.ints(6), w.ints(6), {}), False, 1),
    "tasks.reid.explain_match": (lambda w: (brnpa(), w.photos_of(16, 16, w.pick(1, w.B)), w.photos_of(16, 16), {}), True, 2), "tasks.retrieval.evaluate_ranking": (ranked, True, 1), "tasks.retrieval.retrieve": (retrieved, True, 1), "tasks.retrieval.entry_states": (lambda w: (w.whole(0, 2), w.whole(0, 1), w.ints(5).numpy(), w.ints(5).numpy(), {}), False, 1),
    "three_tasks.on_parts": (lambda w: (w.t(w.B, w.N, 9, kinds=("unit", "NaN", "zeros")).abs() / 99, ("wing", "beak"), {"rank": w.pick(1, None)}), False, 1), "views.atlas.find_kinds": (lambda w: (w.maps, {"rounds": 3}), False, 1), "views.atlas.crops": (lambda w: (*shown(w), {"size": 8}), True, 1),
    "views.buffers.scale": (lambda w: (w.t(w.N, w.h, w.w), {}), False, 1), "views.buffers.scale_signed": (lambda w: (w.t(w.N, w.h, w.w), {}), False, 1), "views.buffers.reduce_features": (lambda w: (w.features, w.pick(1, 2, 8), {}), False, 1), "views.buffers.can_step": (lambda w: (w.maps, {}), False, 1), "views.buffers.decision": (lambda w: (w.full_maps[:1], w.head, {}), True, 1),
    "views.buffers.picture_bytes": (lambda w: (w.photos[0], {}), False, 1), "views.buffers.check_input": (lambda w: (*shown(w), {}), True, 1), "views.buffers.pack": (lambda w: (*shown(w), w.pick(None, w.head), {}), True, 2), "views.compare.pixel_shares": (lambda w: (w.maps, {}), False, 1), "views.compare.top_area": (lambda w: (w.t(w.B, w.h, w.w, kinds=("unit", "zeros", "ties", "NaN", "tiny")), w.pick(.1, .5, 1.), {}), False, 1),
    "views.compare.centre_of_mass": (lambda w: (w.t(w.B, w.h, w.w, kinds=("unit", "zeros", "NaN")), {}), False, 1), "views.compare.differences": (lambda w: (w.t(w.B, w.h, w.w, kinds=("unit", "zeros", "ones", "NaN")), w.t(w.B, w.h, w.w, kinds=("unit", "zeros", "ties")), {}), False, 1), "views.explorer.explore": (lambda w: (*shown(w), {}), True, 2),
    "views.figures.upsample": (lambda w: (w.t(w.B, w.h, w.w), (w.H, w.W), w.pick("bilinear", "nearest"), {}), False, 1), "views.figures.colourise": (lambda w: (w.unit_maps, w.colours, {}), True, 1), "views.figures.overlay": (lambda w: (w.photos, w.t(w.B, w.h, w.w, kinds=("unit", "unit", "plain", "NaN")), {"by": w.pick("strength", "constant"), "opacity": w.number(.5, 1.), "grey": w.pick(True, False)}), False, 1),
    "views.figures.to_pil": (lambda w: (w.photos[0], {}), False, 1), "views.figures.png_bytes": (lambda w: (w.photos[0], {}), False, 1), "views.figures.save_png": (lambda w: (w.photos[0], w.place / "a.png", {}), False, 1), "views.figures.signed_overlay": (lambda w: (w.photos, w.t(w.B, w.h, w.w), {"limit": w.pick(None, 1.)}), False, 1), "views.figures.ranked_sheet": (lambda w: (w.photos, w.unit_maps, {}), False, 3),
    "views.frames.heat": (lambda w: (as_array(w.t(w.h, w.w, kinds=("unit", "ones", "zeros"))), {}), False, 1), "views.frames.mix": (lambda w: (as_array(w.t(w.N, w.h, w.w, kinds=("unit", "ones", "zeros"))), as_array(w.t(w.N, 3, kinds=("unit",))), w.pick(True, False), {}), False, 1), "views.frames.cells": (lambda w: ((p := packet(w)), unpack(p), Setting(rank=w.pick(0, 1), opacity=.6, show="weights × activity", target=-1, threshold=0., position=w.pick(-1, 0), step=0, smooth=False), {}), False, 2),
    "views.map_sheets.map_sheet": (lambda w: ((p := shown(w))[1], {"ours": p[0]}, {}), False, 3), "views.report.picture": (lambda w: (w.photos[0], "a bird", {}), False, 1),
}

LEFT_OUT = {
    "ranking.check_groups": "of maps from files: the rows on checkpoints, and the parsers",
    "data.birds.colour_parts": "drawing: indices of its own parts", **{f"data.drawing.{n}": "drawing: takes the program's own numbers, never the user's" for n in ("smooth", "place", "ellipse", "relief", "expose", "leaf")},
    "data.episodes.some_classes": "takes a data set", "data.identities.open_identities": "takes a folder (the rows on folders)", "evidence.adaptive.refine_curves": "takes a function; through adaptive_area", "evidence.faithfulness.curve_ends": "takes what prepare gives; through the curves",
    "evidence.fingerprints.pixels_checksum": "takes a CaseBatch; through the benchmark's tests", "evidence.harness.in_batches": "takes a function; through every explainer", "evidence.harness.grid_and_logits": "for use inside `undisturbed`; through gradcam", "evidence.harness.grid_and_slope": "for use inside `undisturbed`; through gradcam",
    "evidence.metrics.common_grid": "takes the benchmark's settings", "evidence.metrics.ask": "takes the benchmark's cases", "evidence.metrics.measure": "takes the benchmark's questions", "evidence.pieces.make_piece": "takes the benchmark's questions", "evidence.pieces.make_piece_of_each": "takes the benchmark's questions",
    "evidence.perturbation.device_of": "gives a device", "evidence.perturbation.stream_scores": "takes a function; through the curves", "evidence.perturbation.score_copies": "through the curves", "evidence.sanity.layers_of": "takes networks: the rows on models", "evidence.sanity.randomised": "takes networks: the rows on models", "evidence.sanity.data_randomisation_test": "takes two networks; as randomisation_test",
    "explaining.describe_photos": "takes names and boxes; through the command line's tests", "explaining_tasks.save_contributions": "takes decisions; through the command line's tests", "explaining_tasks.found_list": "takes names and pictures; through the command line's tests",
    "resolution.steps": "takes networks: the rows on models", "resolution.raise_resolution": "takes networks: the rows on models", "shards.unpack_groups": "takes what pack_groups gives: tested here with it (PROMISES)", "shards.write_shard": "takes a plan: the kills", "tasks.fewshot.validate_by_episodes": "takes a data set", "three_tasks.task_table": "takes whole experiments", "three_tasks.paired_parts": "takes whole experiments; through on_parts and paired_tests",
    "training.fit": "takes data sets: the rows on tensors and checkpoints, the kills", "views.atlas.atlas": "find_kinds and crops, drawn", "views.buffers.cosines": "takes what reduce_features gives: tested here with it (PROMISES)", "views.compare.numbers": "takes explorers' columns; through differences", "views.compare.compare": "explore, several times", "views.episodes.in_words": "takes a decision on episodes", "views.episodes.episode_sheet": "takes a decision on episodes",
    "views.evidence.curve_figure": "takes tables of curves", "views.evidence.layer_figure": "takes tables of rows", "views.frames.scores": "takes what pack gives; through cells", "views.retrieval.match_sheet": "takes a decision on matches",
}


# What a result must be.

def close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> None: torch.testing.assert_close(a.detach().double(), b.detach().double(), rtol=tolerance, atol=tolerance * max(1e-6, min(1., float(b.detach().abs().nan_to_num(0, 0, 0).max()) if b.numel() else 0)), equal_nan=True)


def between(low: float, high: float) -> Callable[[Any, Any], None]:
    def check(found: Any, args: Any) -> None:
        for x in tensors(found):
            ok = (x >= low - 1e-5) & (x <= high + 1e-5) | x.isnan()
            assert ok.all(), f"{float(x[~ok].flatten()[0])} is outside [{low}, {high}]"
    return check


def grouped(found: Groups, args: Any) -> None:
    "As method.md says, followed in float64 from seed to seed."
    features, how = args[0].detach(), args[-1]
    x = features.double().flatten(2)
    b, c, p = x.shape
    assert found.vectors.dtype == features.dtype and found.weights.isfinite().all() and found.vectors.isfinite().all()
    assert ((found.seeds >= 0) & (found.seeds < p)).all() and (found.similarity.abs() <= 1 + 1e-5).all()
    if how["signed"] == "auto":
        close(found.weights.sum((2, 3)), torch.ones(b, found.weights.shape[1]), 1e-5)
        assert (found.weights >= 0).all()
    lengths = x.norm(dim=1)
    close(found.activity.flatten(1), lengths + EPS, 1e-3)
    n = lengths + EPS
    score = n.clone()
    for i in range(found.weights.shape[1]):
        at = found.seeds[:, i:i + 1]
        if how["seeds"] == "activity": assert (score.gather(1, at)[:, 0] >= score.amax(1) - 1e-3 * n.amax(1)).all(), "not the strongest position that is left"
        s = (x.gather(2, at[:, None].expand(-1, c, -1)) * x).sum(1) / n / n.gather(1, at)
        close(found.similarity[:, i].flatten(1), s, 1e-3)
        kept = s if how["signed"] == "plain" else s.clamp(min=0)
        well = (kept.sum(1).abs() > 1e-3 * kept.abs().sum(1)) & (kept.abs().amax(1) > 1e-3) if how["signed"] == "plain" else kept.sum(1) > 1e-3
        w = kept / kept.sum(1, keepdim=True)
        if how["signed"] == "auto": close(found.weights[well, i].flatten(1), w[well], 2e-3)
        if how["signed"] == "auto" and how["refine"] and features.dtype == torch.float32: close(found.vectors[well, i], (w[well, None] * x[well]).sum(2), 2e-3)
        score = (1 - (s if how["signed"] == "plain" else s.clamp(min=0))) * score


def sums_to_the_logit(found: Tensor, args: Any) -> None:
    maps, head, targets = args[:3]
    pooled = torch.einsum("bnhw,bchw->bnc", maps.weights.double(), maps.features.double()).detach()
    if not maps.refine or not all(t.isfinite().all() for t in (pooled, head.weight, maps.vectors)) or not torch.allclose(pooled, maps.vectors.double(), rtol=1e-3) or head.weight.abs().max() > 1e10: return
    logits = torch.einsum("bnc,knc->bk", pooled, head.weight.detach().double().view(head.out_features, *pooled.shape[1:]))
    if callable(targets) or not isinstance(targets, int): return
    rough = 1e-4 if maps.features.dtype in (torch.float32, torch.float64) else 1e-2
    torch.testing.assert_close(found.sum((1, 2, 3)).detach().double(), logits[:, targets], rtol=rough, atol=rough * float((pooled.abs().amax() * head.weight.abs().max()).detach()) * pooled[0].numel())


def whole_maps(found: RankedMaps, args: Any) -> None:
    assert found.weights.isfinite().all() and (found.weights >= 0).all()
    if made._model("bcnn").pooling.n_maps != found.n_maps: close(found.weights.sum((2, 3)), torch.ones(found.weights.shape[:2]), 1e-3)


def scores_add_up(found: Any, args: Any) -> None:
    "The score of a decision is the logit."
    close(found.for_winner.score, found.scores.gather(1, found.winner[:, None])[:, 0], 1e-4)


def rows_sum_to_one(found: Tensor, args: Any) -> None: close(found.sum(-1), torch.ones(found.shape[:-1]), 1e-2)


def same_sum(found: Tensor, args: Any) -> None:
    want = (args[0].weights * args[0].activity[:, None]).float().double().sum((-2, -1)).detach()
    if want.isfinite().all() and want.abs().max() < 1e30 and (args[0].weights >= 0).all() and (args[0].activity >= 0).all(): close(found.double().sum((-2, -1)), want, 1e-3)


def read_again(found: Path, args: Any) -> None:
    from brnpa_nb.checkpoints import read_checkpoint
    kept = read_checkpoint(found).tensors
    given = args[1] if isinstance(args[1], dict) else args[0].groups._asdict()
    for k, v in given.items(): assert alike(kept[k], v.detach()), k


def halves(found: Any, args: Any) -> None:
    from brnpa_nb.shards import from_half
    values = args[0].detach().float()
    assert ((from_half(*found) - values).abs() <= found[1].view(*found[1].shape, *(1,) * args[1]) * 2**-10 + 1e-38).all()


def packed(found: Any, args: Any) -> None:
    from brnpa_nb.shards import unpack_groups
    for name in ("weights", "activity", "vectors"): assert getattr(unpack_groups(found), name).isfinite().all()


def reduced(found: Any, args: Any) -> None:
    from brnpa_nb.views.buffers import cosines
    assert np.isfinite(found.error).all() and np.isfinite(found.step).all()
    assert (np.abs(cosines(found.codes[0], found.step, 0)) <= 1).all()


def scaled(found: Any, args: Any) -> None:
    want = args[0].detach().double()
    back = found.low + torch.from_numpy(found.codes.astype(np.float64)) / 65535 * (found.high - found.low)
    assert ((back - want).abs() <= (found.high - found.low) / 65535 + 1e-6 * want.abs().max()).all()


def whole_scores(found: Any, args: Any) -> None:
    assert (found.ap.isnan() | (found.ap > 0) & (found.ap <= 1)).all() and (found.hits.isnan() | (found.hits >= 0) & (found.hits <= 1)).all()


def same_values(found: Tensor, args: Any) -> None: assert ((found >= 0) & (found < args[1].shape[1])).all()


UNIT, COSINE = between(0, 1), between(-1, 1)
PROMISES: dict[str, Callable[[Any, Any], None]] = {
    "grouping.group": grouped, "ranking.contributions": sums_to_the_logit, "ranking.from_maps": whole_maps, "models.explain": whole_maps, "tasks.classification.explain_class": scores_add_up, "tasks.fewshot.prototype_mixture": rows_sum_to_one, "evidence.complexity.resampled": same_sum, "ranking.as_targets": same_values,
    "checkpoints.save_checkpoint": read_again, "explaining.save_maps": read_again, "shards.to_half": halves, "shards.pack_groups": packed, "views.buffers.reduce_features": reduced, "views.buffers.scale": scaled, "tasks.retrieval.evaluate_ranking": whole_scores, "tasks.retrieval.retrieve": whole_scores,
    **{name: UNIT for name in ("ranking.display_maps", "ranking.composite", "evidence.complexity.gini", "evidence.complexity.entropy", "evidence.complexity.effective_area", "evidence.complexity.sparsity_at", "evidence.localisation.energy_inside", "evidence.localisation.heat_ratios", "evidence.localisation.ehr", "evidence.localisation.iou", "evidence.localisation.iou_curve",
                               "evidence.localisation.inside_boxes", "evidence.localisation.inside_masks", "evidence.faithfulness.masks_of", "views.figures.colourise", "views.figures.overlay", "views.figures.signed_overlay", "views.frames.heat", "views.frames.mix", "three_tasks.on_parts")},
    **{name: COSINE for name in ("evidence.sanity.rank_correlation", "evidence.sanity.ssim", "evidence.faithfulness.correlation")},
    "ranking.match": lambda found, args: COSINE(found.similarity, args), "tasks.decisions.similarity_decision": lambda found, args: COSINE(found.score, args) if args[-1]["cosine"] else None, "tasks.reid.explain_match": lambda found, args: COSINE(found.query.score, args),
}
EACH = ("grouping.group", "ranking.weighted_activity", "ranking.display_maps", "ranking.composite", "ranking.activity_shares", "ranking.rank_logits", "ranking.contributions", "ranking.seed_maps", "ranking.sparsity", "ranking.from_maps", "evidence.complexity.resampled", "evidence.complexity.gini", "evidence.complexity.entropy", "evidence.complexity.effective_area",
        "evidence.complexity.sparsity_at", "evidence.localisation.attention", "evidence.localisation.constant", "evidence.localisation.peaks", "evidence.localisation.energy_inside", "evidence.localisation.ehr", "evidence.localisation.iou_curve", "evidence.localisation.inside_boxes", "evidence.localisation.inside_masks", "evidence.faithfulness.masks_of", "evidence.perturbation.cell_order",
        "evidence.perturbation.box_blur", "evidence.sanity.rank_correlation", "evidence.sanity.ssim", "evidence.faithfulness.correlation", "models.explain", "views.compare.pixel_shares", "views.compare.top_area", "views.compare.centre_of_mass")


# One call.

def tensors(x: Any) -> list[Tensor]:
    "Every tensor in it."
    if isinstance(x, Tensor): return [x]
    if isinstance(x, np.ndarray): return [torch.from_numpy(x)] if x.dtype.kind in "fiub" and x.dtype.itemsize < 16 and str(x.dtype) != "uint16" else []
    if isinstance(x, dict): return [t for v in x.values() for t in tensors(v)]
    if isinstance(x, tuple | list): return [t for v in x for t in tensors(v)]
    return [t for v in vars(x).values() for t in tensors(v)] if hasattr(x, "__dataclass_fields__") else []


def alike(a: Tensor, b: Tensor) -> bool: return a.shape == b.shape and a.dtype == b.dtype and bool(((a == b) | (a != a) & (b != b)).all())


def process() -> tuple[Any, ...]:
    "What a call could leave changed in the process."
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate(), torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), torch.is_inference_mode_enabled()  # noqa: NPY002


def foreseen(error: BaseException) -> None:
    "Assert that an error was raised by a sentence of ours."
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    assert isinstance(error, SENTENCE), f"{type(error).__name__} at {where}: {str(error)[:200]}"
    assert Path(last.filename).is_relative_to(Path(brnpa_nb.__file__).parent) and "raise" in (last.line or ""), f"not foreseen: {type(error).__name__} at {where}: {str(error)[:200]}"
    assert "\n" not in str(error).strip() and 10 <= len(str(error)) <= 600, f"not one sentence: {error}"


def turned(x: Any, n: int) -> Any:
    "The photographs in the opposite order."
    if isinstance(x, RankedMaps): return x[list(range(n))[::-1]] if len(x) == n else x            # type: ignore[index]
    if isinstance(x, Curve): return x._replace(score=x.score.flip(0), saliency=x.saliency.flip(0), undefined=x.undefined.flip(0))
    return x.flip(0) if isinstance(x, Tensor) and x.ndim > 1 and len(x) == n else x


def check(name: str, w: World) -> bool:
    "One call, judged; whether it was answered."
    f, (build, odd, _) = public()[name], TARGETS[name]
    w.odd = w.odd and odd
    try: *args, named = build(w)
    except Exception as error: foreseen(error); return False
    given_, before, left = tensors([args, named]), [t.detach().clone() for t in tensors([args, named])], process()
    dice = [g for g in named.values() if isinstance(g, torch.Generator)]
    try: found = f(*args, **named)
    except Exception as error: foreseen(error); found = None; answered = False
    else: answered = True
    assert process() == left, "the process is not as it was"
    assert all(alike(t.detach(), b) and t.grad is None for t, b in zip(given_, before)), "an argument was changed"
    if not answered: return False
    for g in dice: g.manual_seed(3)
    first = [t.detach().clone() for t in tensors(found)]
    assert all(alike(a, b) for a, b in zip(first, [t.detach() for t in tensors(f(*args, **named))])), "another result when asked again"
    if name in PROMISES: PROMISES[name](found, [*args, named])
    if name in EACH and w.B > 1 and not w.odd and named.get("seeds") != "random":
        other = f(*(turned(a, w.B) for a in args), **named) if not isinstance(args[-1], Tensor) or args[-1].ndim > 1 or name == "evidence.faithfulness.correlation" or len(args) == 1 else None
        for a, b in zip(tensors(found), tensors(other)):
            if a.ndim and len(a) == w.B: assert alike(a.detach(), b.detach().flip(0)) or close(b.flip(0), a, 1e-3) is None
    return True


# All of them.

WORDS, NAMES = ("Tensor", "RankedMaps", "ndarray", "Groups", "Curve", "Intact", "MaskedScores", "Decision", "Kinds", "CaseBatch", "Question", "Unpacked"), ("images", "maps", "features", "embeddings", "masks", "logits", "image")


@cache
def public() -> dict[str, Callable[..., Any]]:
    "Every public function of the package that takes tensors, told by its annotations and the names of its parameters: name → function."
    found = {}
    for module in pkgutil.walk_packages(brnpa_nb.__path__, "brnpa_nb."):
        if module.name.endswith("_modidx") or ".exercises." in module.name: continue           # checks of exercises take a student's function: tests/wrong_answers
        room = importlib.import_module(module.name)
        for name in getattr(room, "__all__", []):
            f = getattr(room, name)
            if inspect.isfunction(f) and f.__module__ == module.name:
                if name in ("head_weight",) or any(any(word in str(p.annotation) for word in WORDS) or p.name in NAMES for p in inspect.signature(f).parameters.values()): found[f"{module.name.removeprefix('brnpa_nb.')}.{name}"] = f
    return found


def fuzz(name: str, cases: int, number: int | None = None) -> tuple[Count, Count, str]:
    "Answered, refused, and the finding (shrunk), if there is one. Without a number the cases are always the same ones."
    import shutil
    answered, refused = Count(), Count()

    @settings(max_examples=cases, database=None, deadline=None, derandomize=number is None, suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink), verbosity=Verbosity.quiet, print_blob=False, report_multiple_bugs=False)
    @given(st.data())
    def one(data: Any) -> None:
        w = World(data)
        try: (answered if check(name, w) else refused).add(True)
        finally:
            if w.folder: shutil.rmtree(w.folder, ignore_errors=True)

    try: (one if number is None else seed(number)(one))()
    except Exception as error: return answered, refused, f"{name}, seed {number}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return answered, refused, ""


CASES = {1: 250, 2: 60, 3: 25}                                             # of a target, by how long a call takes


def run(number: int = 0, share: float = 1., names: tuple[str, ...] = ()) -> dict[str, Count]:
    "The campaign."
    found = {"cases answered as promised": Count(), "cases refused in one sentence": Count(), "functions without a finding": Count()}
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names or TARGETS:
            answered, refused, finding = fuzz(name, max(2, round(share * CASES[TARGETS[name][2]])), number)
            for title, count in zip(found, (answered, refused)): found[title].tried += count.tried; found[title].held += count.held
            found["functions without a finding"].add(not finding, finding)
    missing = sorted(public().keys() - TARGETS.keys() - LEFT_OUT.keys())
    for name in missing: found["functions without a finding"].add(False, f"{name} takes tensors and is not fuzzed")
    return found
