"""Localisation and complexity from outside: cases worked by hand, what must hold for any map, an independent IoU, and the mistakes of others."""
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from brnpa_nb.evidence.complexity import effective_area, entropy, gini, resampled, sparsity_at
from brnpa_nb.evidence.localisation import (
    THRESHOLDS, attention, best_iou, best_threshold, box_masks, cell_shares, constant, disc_masks, ehr, energy_inside, heat_ratios,
    inside_boxes, inside_masks, iou, iou_curve, nearest_parts, peaks, rank_by_nearest_part,
)
from brnpa_nb.evidence.statistics import summarise
from brnpa_nb.ranking import RankedMaps, from_maps

Measure = Callable[[RankedMaps, Tensor], Tensor]
AGAINST: dict[str, Measure] = {                                    # of maps and masks
    "pointing": lambda m, k: inside_masks(peaks(m), k), "pointing, 3 px": lambda m, k: inside_masks(peaks(m), k, 3),
    "energy": energy_inside, "ehr": ehr, "iou": iou, "iou at 0.2": lambda m, k: iou(m, k, .2), "best iou": lambda m, k: best_iou(iou_curve(m, k)),
}
ALONE: dict[str, Callable[[RankedMaps], Tensor]] = {               # of maps
    "sparsity": lambda m: sparsity_at(m, (5, 6)), "gini": lambda m: gini(m, (5, 6)), "entropy": lambda m: entropy(m, (5, 6)), "area": lambda m: effective_area(m, grid=(5, 6)),
}
against = pytest.mark.parametrize("f", AGAINST.values(), ids=AGAINST)
alone = pytest.mark.parametrize("f", ALONE.values(), ids=ALONE)
seeds = st.integers(0, 10**6)
few = settings(max_examples=25, deadline=None, derandomize=True)


def world(seed: int, b: int = 4, masks: int = 3) -> tuple[Tensor, Tensor]:
    "Maps (b, 5, 7) of distinct values, and masks (b, masks, 23, 31) of which none is empty; cells do not divide pixels."
    g = torch.Generator().manual_seed(seed)
    maps = (torch.stack([torch.randperm(35, generator=g) for _ in range(b)]).float() + 1).view(b, 5, 7)
    shown = torch.rand(b, masks, 23, 31, generator=g) < torch.rand(b, masks, 1, 1, generator=g)
    shown[..., 3, 4] = True
    return maps, shown


def same(found: Tensor, expected: Tensor) -> None: assert_close(found, expected, rtol=1e-4, atol=1e-5, equal_nan=True)


# By hand: 2 × 2 cells of 2 × 2 pixels with the energies 1/2, 1/4, 1/4, 0; masks: left column, half of the first cell, last cell, none.
HAND = from_maps(torch.tensor([[[2., 1.], [1., 0.]]]), (4, 4))
MASKS = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
MASKS[0, 0, :, :2] = MASKS[0, 1, :2, :1] = MASKS[0, 2, 2:, 2:] = True
N = torch.nan


@pytest.mark.parametrize("f, values", [
    (AGAINST["pointing"], [1, 1, 0, N]), (AGAINST["pointing, 3 px"], [1, 1, 1, N]), (energy_inside, [3 / 4, 1 / 4, 0, N]), (ehr, [13 / 16, 5 / 16, 0, N]),
    (iou, [2 / 3, 1 / 6, 0, N]), (lambda m, k: iou(m, k, 1), [1 / 2, 1 / 2, 0, N]), (AGAINST["best iou"], [2 / 3, 1 / 2, 0, N]),
], ids=["pointing", "pointing, 3 px", "energy", "ehr", "iou", "iou at 1", "best iou"])
def test_by_hand(f, values):
    found = f(HAND, MASKS)
    assert found.shape == (1, 1, 4)
    same(found[0, 0], torch.tensor(values))
    same(torch.stack([f(HAND, MASKS[:, k]) for k in range(4)], -1), found)        # one mask a photograph


@pytest.mark.parametrize("f, value", [(sparsity_at, 1 / 2), (gini, 3 / 8), (entropy, 3 / 4), (lambda m, grid: effective_area(m, grid=grid), 2.6 / 4)], ids=ALONE)
def test_complexity_by_hand(f, value): same(f(HAND, grid=(2, 2)), torch.tensor([[value]]))


@given(seeds)
@few
def test_perfect_beats_random(seed):
    g = torch.Generator().manual_seed(seed)
    cells = torch.rand(6, 7, 7, generator=g) < .3
    cells[:, 2, 2], cells[:, 5, 5] = True, False
    masks = F.interpolate(cells[:, None].float(), scale_factor=4)[:, 0] > 0
    perfect, random = from_maps(cells.float() * 3, (28, 28)), from_maps(torch.rand(6, 7, 7, generator=g) + .01, (28, 28))
    for name, f in AGAINST.items():
        good, bad = f(perfect, masks), f(random, masks)
        same(good, torch.ones(6, 1))
        assert (good >= bad).all() if name.startswith("pointing") else (good > bad).all(), name
    same(heat_ratios(perfect, masks), torch.ones(6, 1, 49))


@against
@given(seeds)
@few
def test_permuting_photographs_permutes_values(f, seed):
    maps, masks = world(seed)
    order = torch.randperm(len(maps), generator=torch.Generator().manual_seed(seed))
    same(f(from_maps(maps[order], (23, 31)), masks[order]), f(from_maps(maps, (23, 31)), masks)[order])


@against
@given(seeds, st.floats(1e-6, 1e6))
@few
def test_scaling_a_map_changes_nothing(f, seed, factor):
    maps, masks = world(seed)
    factors = torch.tensor([factor, 1, 1 / factor, 1])[:, None, None]             # each photograph by its own: nothing is scaled over the batch
    same(f(from_maps(maps * factors, (23, 31)), masks), f(from_maps(maps, (23, 31)), masks))


@against
@given(seeds)
@few
def test_transposing_changes_nothing(f, seed):
    maps, masks = world(seed)
    same(f(from_maps(maps.mT, (31, 23)), masks.mT), f(from_maps(maps, (23, 31)), masks))


@against
@given(seeds)
@few
def test_values_lie_between_zero_and_one(f, seed):
    maps, masks = world(seed)
    found = f(from_maps(maps, (23, 31)), masks)
    assert found.shape == (4, 1, 3) and (found >= 0).all() and (found <= 1 + 1e-5).all()


@alone
@given(seeds, st.floats(1e-6, 1e6))
@few
def test_complexity_keeps_under_scaling_and_permuting(f, seed, factor):
    maps, _ = world(seed)
    found = f(from_maps(maps, (23, 31)))
    same(f(from_maps(maps.flip(0) * factor, (23, 31))), found.flip(0))
    same(f(from_maps(maps.flip(-1), (23, 31))), found)
    assert (found >= 0).all() and (found <= 1).all()


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), seeds)
@few
def test_resampling_keeps_the_sum_and_goes_by_area(h, w, new_h, new_w, seed):
    maps = from_maps(torch.rand(2, h, w, generator=torch.Generator().manual_seed(seed)) + .1, (60, 60))
    found = resampled(maps, (new_h, new_w))
    same(found.sum((-2, -1)), torch.ones(2, 1))
    fine = attention(maps).repeat_interleave(new_h, -2).repeat_interleave(new_w, -1) / (new_h * new_w)  # cells that divide both grids
    same(found, fine.unflatten(-2, (new_h, h)).sum(-2).unflatten(-1, (new_w, w)).sum(-1))
    same(cell_shares(h, new_h).sum(1), torch.ones(new_h))


@given(seeds)
@few
def test_metrics_agree_with_pixels(seed):
    "Cell coverage is what nearest-neighbour upsampling gives where cells divide pixels; IoU then agrees with torchmetrics."
    from torchmetrics.functional import jaccard_index

    g = torch.Generator().manual_seed(seed)
    maps, masks = from_maps(torch.rand(3, 4, 6, generator=g), (16, 24)), torch.rand(3, 16, 24, generator=g) < .4
    pixels = F.interpolate(attention(maps), size=(16, 24))[:, 0]
    same(energy_inside(maps, masks)[:, 0], (pixels * masks).sum((-2, -1)) / pixels.sum((-2, -1)))
    curve = iou_curve(maps, masks)
    for k, t in enumerate(THRESHOLDS):
        theirs = [jaccard_index((p >= t * p.max()).long(), m.long(), task="binary") for p, m in zip(pixels, masks)]
        same(curve[:, 0, k], torch.stack(theirs))
    for i in range(3):                                                                  # EHR, threshold by threshold, pixel by pixel
        ratios = [(pixels[i] * masks[i])[hot].sum() / pixels[i][hot].sum() for hot in (pixels[i] >= t for t in attention(maps)[i].flatten())]
        same(ehr(maps, masks)[i, 0], torch.stack(ratios).mean())


@given(seeds, st.integers(0, 12))
@few
def test_a_box_and_its_mask_are_hit_alike(seed, tolerance):
    g = torch.Generator().manual_seed(seed)
    boxes = torch.cat([torch.randint(0, 12, (20, 2), generator=g), torch.randint(1, 9, (20, 2), generator=g)], 1).float()
    points = torch.randint(0, 41, (20, 3, 2), generator=g) / 2.
    same(inside_masks(points, box_masks(boxes, (24, 24)), tolerance), inside_boxes(points, boxes, tolerance))


@given(seeds, st.floats(0, 20))
@few
def test_tolerance_against_distances_pixel_by_pixel(seed, tolerance):
    g = torch.Generator().manual_seed(seed)
    points, masks = torch.rand(2, 3, 2, generator=g) * 16, torch.rand(2, 2, 16, 16, generator=g) < .03
    masks[:, 0, 5, 9] = True
    found = inside_masks(points, masks, tolerance)
    for b in range(2):
        for n, m in ((n, m) for n in range(3) for m in range(2)):
            x, y = points[b, n].tolist()
            away = [(max(c - x, 0, x - c - 1) ** 2 + max(r - y, 0, y - r - 1) ** 2) ** .5 for r, c in masks[b, m].nonzero().tolist()]
            if away and abs(min(away) - tolerance) < 1e-4: continue                     # too near to call
            same(found[b, n, m], torch.tensor(float(min(away) <= tolerance) if away else N))


def test_discs_are_round_and_hidden_parts_have_none():
    parts, visible = torch.tensor([[[20., 12.], [20., 12.], [90., 12.]]]), torch.tensor([[True, False, True]])
    discs = disc_masks(parts, visible, torch.tensor([8.]), (32, 48))
    assert abs(discs[0, 0].sum().item() / (torch.pi * 64) - 1) < .05 and not discs[0, 1:].any()  # the third lies outside the photograph
    spot = torch.zeros(1, 8, 12)
    spot[0, 3, 5] = 1
    same(AGAINST["pointing"](from_maps(spot, (32, 48)), discs)[0, 0], torch.tensor([1., N, N]))
    assert energy_inside(from_maps(spot, (32, 48)), discs)[0, 0, 1:].isnan().all()


def test_the_threshold_for_all_is_no_oracle():
    "One threshold cannot do better than a threshold of one's own, and the oracle lifts noise: here every mask is one cell, and no map knows which."
    maps, _ = world(3, b=60)
    masks = F.one_hot(torch.arange(60) % 35, 35).view(60, 5, 7).bool()
    curve = iou_curve(from_maps(maps, (5, 7)), masks)
    t = best_threshold(curve[:30])
    assert t in THRESHOLDS and (best_iou(curve) >= curve[..., THRESHOLDS.index(t)]).all()
    assert best_iou(curve).mean() > 1.5 * curve.mean((0, 1)).max()


def test_ranks_by_nearest_part():
    points = torch.tensor([[[1., 1.], [9., 9.]], [[1., 1.], [5., 5.]], [[1., 1.], [N, N]]])
    parts = torch.tensor([[0., 0.], [9., 9.]]).expand(3, 2, 2)
    found = nearest_parts(points, parts, torch.tensor([[True, True], [True, True], [False, True]]), torch.tensor([2., 2., 2.]))
    assert rank_by_nearest_part(found, ("beak", "tail")) == {"1": {"beak": 2 / 3, "tail": 0, "none": 1 / 3}, "2": {"beak": 0, "tail": .5, "none": .5}}
    with pytest.raises(ValueError, match="one name a part"): rank_by_nearest_part(found, ("beak",))


# The mistakes of others: an empty mask, a constant map, a map of zeros or a hidden part scored as a hit; scaling over the batch; bytes.
@against
@pytest.mark.parametrize("value", [0., 1e-8, .3, 1e6])
def test_a_constant_map_has_no_value(f, value):
    maps = torch.full((3, 4, 4), value)
    maps[1] = torch.rand(4, 4)
    masks = torch.ones(3, 2, 8, 8, dtype=torch.bool)
    masks[:, 1, :4] = False
    found = f(from_maps(maps, (8, 8)), masks)
    assert found[[0, 2]].isnan().all() and not found[1].isnan().any()
    assert summarise(found[:, 0, 0]).undefined == 2


@against
def test_an_empty_mask_is_never_hit(f):
    maps, masks = world(1)
    masks[2, 1] = False
    found = f(from_maps(maps, (23, 31)), masks)
    assert found.isnan().nonzero().tolist() == [[2, 0, 1]]


@alone
def test_a_constant_map_has_no_complexity(f):
    maps = torch.stack([torch.zeros(7, 7), torch.ones(7, 7), torch.full((7, 7), .1) * (1 + 1e-7 * torch.rand(7, 7)), torch.rand(7, 7)])
    ranked = from_maps(maps, (28, 28))
    assert constant(ranked)[:, 0].tolist() == f(ranked).isnan()[:, 0].tolist() == [True, True, True, False]


@against
def test_a_photograph_is_judged_alone(f):
    "A bright neighbour in the batch changes nothing (masks and maps scaled over a whole batch did)."
    maps, masks = world(5)
    maps[0] *= 1e4
    together = f(from_maps(maps, (23, 31)), masks)
    same(together, torch.cat([f(from_maps(maps[i:i + 1], (23, 31)), masks[i:i + 1]) for i in range(4)]))


def test_weights_and_activity_are_multiplied_in_float():
    "As 8-bit integers they wrap modulo 256 and the peak goes astray."
    weights, activity = torch.tensor([[192, 16], [100, 1]], dtype=torch.uint8), torch.tensor([[252, 15], [2, 1]], dtype=torch.uint8)
    assert (weights * activity).argmax() == 1                                     # 192 · 252 = 189 · 256, and so 0
    ranked = RankedMaps(from_maps(weights[None].float(), (4, 4)).groups._replace(activity=activity[None].float()), (4, 4))
    left = box_masks(torch.tensor([[0., 0, 2, 4]]), (4, 4))
    assert peaks(ranked).tolist() == [[[1., 1.]]] and energy_inside(ranked, left) > .99 and ehr(ranked, left) > .99


def test_each_rank_is_judged_for_itself():
    "N ranks at once give what each gives alone."
    maps, masks = world(7)
    ranked = RankedMaps(from_maps(maps, (23, 31)).groups, (23, 31))
    three = [ranked, RankedMaps(ranked.groups._replace(weights=ranked.weights.flip(-1)), (23, 31)), RankedMaps(ranked.groups._replace(weights=ranked.weights.flip(-2)), (23, 31))]
    whole = RankedMaps(ranked.groups._replace(weights=torch.cat([t.weights for t in three], 1), similarity=ranked.similarity.repeat(1, 3, 1, 1), vectors=ranked.vectors.repeat(1, 3, 1), seeds=ranked.seeds.repeat(1, 3)), (23, 31))
    for f in AGAINST.values(): same(f(whole, masks), torch.cat([f(t, masks) for t in three], 1))
    for g in ALONE.values(): same(g(whole), torch.cat([g(t) for t in three], 1))


@pytest.mark.parametrize("call, words", [
    (lambda: ehr(HAND, MASKS[..., :3]), "4 × 4"), (lambda: iou(HAND, MASKS.repeat(2, 1, 1, 1)), "B = 1"), (lambda: energy_inside(HAND, MASKS[0, 0]), "H × W"),
    (lambda: iou(HAND, MASKS, 1.5), "up to 1"), (lambda: iou_curve(HAND, MASKS, ()), "found none"), (lambda: inside_masks(peaks(HAND), MASKS[0, 0]), "B = 1"),
    (lambda: inside_boxes(peaks(HAND), torch.ones(1, 4), torch.ones(3)), "one a photograph"), (lambda: best_threshold(iou_curve(HAND, MASKS), (.5, .6)), "19 thresholds"),
    (lambda: gini(HAND, (1, 1)), "two cells"), (lambda: resampled(HAND, (0, 3)), "1 × 1"), (lambda: effective_area(HAND, 0), "over 0"),
])
def test_errors_are_one_sentence(call, words):
    with pytest.raises(ValueError, match=words) as e: call()
    assert "\n" not in str(e.value)


@given(seeds)
@few
def test_iou_is_torchmetrics_where_cells_are_pixels(seed):
    jaccard = pytest.importorskip("torchmetrics.functional.classification").binary_jaccard_index
    _, masks = world(seed)
    maps = torch.rand(4, 23, 31, generator=torch.Generator().manual_seed(seed))
    for threshold in (.2, .5):
        found = iou(from_maps(maps, (23, 31)), masks[:, 0], threshold)[:, 0]
        same(found, torch.stack([jaccard((m >= threshold * m.max()).int(), k.int()) for m, k in zip(maps, masks[:, 0])]))


@against
def test_masks_of_bytes_are_refused(f):
    "A PNG's 0 and 255 gave an energy of 53 and an IoU of 2; the pointing game asks for 'more than 0' and takes them."
    maps, shown = world(0)
    wrapped, masks = from_maps(maps, (23, 31)), shown.to(torch.uint8) * 255
    if f in (AGAINST["pointing"], AGAINST["pointing, 3 px"]): same(f(wrapped, masks), f(wrapped, shown)); return
    with pytest.raises(ValueError, match="take masks > 0"): f(wrapped, masks)


@against
def test_a_map_with_a_nan_never_hits(f):
    from dataclasses import replace
    maps, shown = world(0)
    wrapped = from_maps(maps, (23, 31))
    weights = wrapped.weights.clone(); weights[1, 0, 2, 3] = torch.nan
    found = f(replace(wrapped, groups=wrapped.groups._replace(weights=weights)), shown)
    assert found[1].isnan().all() and not found[0].isnan().any()
