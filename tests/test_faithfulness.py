"""Deletion, insertion, masks: invariants over drawn maps, the mistakes of others, exact numbers of forwards, and torch-cam beside it."""
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from torch import nn

from brnpa_nb.evidence.adaptive import adaptive_area, refine_curves
from brnpa_nb.evidence.faithfulness import BETTER, area, correlation, deletion_curve, faithfulness, insertion_curve, masked_scores, masks_of, prepare
from brnpa_nb.evidence.perturbation import all_logits, box_blur, cell_order, cell_of_pixel, fill_for, perturbed, score_copies, step_counts, stream_scores
from brnpa_nb.ranking import from_maps


class Weighted(nn.Module):
    "Logit 0 is a weighted sum of the picture's brightness, cell by cell; logit 1 is 0. Counts what it is sent."
    def __init__(self, cells):
        super().__init__()
        self.cells, self.seen, self.bn = nn.Parameter(cells), [], nn.BatchNorm2d(1)
    def forward(self, x):
        assert not self.training and not torch.is_grad_enabled(), "not undisturbed"
        self.seen.append(len(x))
        cells = F.interpolate(self.cells[None, None], size=x.shape[-2:]) / (x.shape[-2] * x.shape[-1] / self.cells.numel())
        return torch.stack([(x.mean(1) * cells[0]).sum((1, 2)), torch.zeros(len(x))], 1)


def case(seed, b=3, h=3, w=4, cell=2):
    "Photographs, a network, and a map that knows the network's cells."
    g = torch.Generator().manual_seed(seed)
    cells = torch.rand(h, w, generator=g) + .05
    return torch.ones(b, 3, h * cell, w * cell), Weighted(4 * cells / cells.sum()), cells, g


seeds = st.integers(0, 10_000)
quick = settings(max_examples=25, deadline=None, derandomize=True)


@quick
@given(seeds, st.sampled_from([None, 4, .3]), st.sampled_from(["softmax", "logit"]))
def test_a_perfect_map_beats_every_other_order(seed, steps, score):
    images, model, cells, g = case(seed)
    size = tuple(images.shape[-2:])
    perfect, other = from_maps(cells.expand(3, 3, 4).contiguous(), size), from_maps(torch.rand(3, 3, 4, generator=g), size)
    how = {"targets": 0, "steps": steps, "score": score}
    assert (area(deletion_curve(model, images, perfect, **how)) <= area(deletion_curve(model, images, other, **how)) + 1e-6).all()
    assert (area(insertion_curve(model, images, perfect, start="black", **how)) >= area(insertion_curve(model, images, other, start="black", **how)) - 1e-6).all()
    if steps is None and score == "logit": assert (correlation(deletion_curve(model, images, perfect, **how)) > .999).all()


@quick
@given(seeds, st.permutations(range(5)), st.floats(1e-3, 1e3))
def test_permuting_permutes_and_scaling_changes_nothing(seed, order, scale):
    images, model, _, g = case(seed, 5)
    images, raw = torch.rand(5, 3, 6, 8, generator=g), torch.rand(5, 3, 4, generator=g)
    raw[2] = 3.                                                            # a map that says nothing
    def values(x, m): return faithfulness(model, x, from_maps(m, (6, 8)), targets=0, start="black", batch_size=7).values
    one, moved, scaled = values(images, raw), values(images[list(order)], raw[list(order)]), values(images, raw * scale)
    for name in BETTER:
        assert one[name].isnan().tolist() == [i == 2 for i in range(5)], name
        torch.testing.assert_close(moved[name], one[name][list(order)], equal_nan=True, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(scaled[name], one[name], equal_nan=True, atol=1e-4, rtol=1e-3)


@quick
@given(seeds)
def test_a_curve_that_never_moves_has_no_correlation(seed):
    images, _, cells, _ = case(seed)
    maps = from_maps(cells.expand(3, 3, 4).contiguous(), tuple(images.shape[-2:]))
    found = faithfulness(lambda x: torch.tensor([[1., 0.]]).expand(len(x), 2), images, maps)
    assert found["DC"].isnan().all() and found["IC"].isnan().all()
    torch.testing.assert_close(found["DAUC"], torch.full((3,), torch.tensor(1.).sigmoid().item()))
    assert (found["AD"] == 0).all() and (found["IIC"] == 0).all() and (found["ADD"] == 0).all()


@quick
@given(seeds, st.integers(2, 40))
def test_correlation_is_scipys(seed, steps):
    images, model, _, g = case(seed, 2, 6, 7)
    images = torch.rand(images.shape, generator=g)
    curve = insertion_curve(model, images, from_maps(torch.rand(2, 6, 7, generator=g), tuple(images.shape[-2:])), targets=0, steps=steps)
    for b in range(2): assert correlation(curve)[b].item() == pytest.approx(pearsonr(curve.saliency[b].double(), curve.score[b].double().diff())[0], abs=1e-4)


@quick
@given(st.integers(1, 900), st.one_of(st.none(), st.integers(1, 1200), st.floats(1e-4, .9999)))
def test_every_cell_goes_exactly_once(cells, steps):
    counts = step_counts(cells, steps)
    assert counts[0] == 0 and counts[-1] == cells and (counts.diff() > 0).all()
    if isinstance(steps, int): assert len(counts) - 1 == min(steps, cells) and counts.diff().max() - counts.diff().min() <= 1


@quick
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.data())
def test_every_pixel_belongs_to_one_cell(height, width, h, w, data):
    place = torch.randperm(h * w, generator=torch.Generator().manual_seed(height)).view(1, h, w)
    gone = [perturbed(torch.ones(1, 1, height, width), torch.zeros(1, 1, 1, 1), place, torch.tensor([k])) for k in range(h * w + 1)]
    assert gone[0].all() and not gone[-1].any() and all((b <= a).all() for a, b in zip(gone, gone[1:]))
    k = data.draw(st.integers(0, h * w - 1))
    rows, columns = cell_of_pixel(height, h).bincount(minlength=h), cell_of_pixel(width, w).bincount(minlength=w)
    at = int((place.flatten() == k).nonzero())
    assert (gone[k] - gone[k + 1]).sum() == rows[at // w] * columns[at % w]


# The mistakes of others, each with a test that fails where it is made.

def test_maps_and_norms_stored_as_bytes_keep_their_ranking():
    "8-bit products wrap at 256: the ranking becomes chance."
    g = torch.Generator().manual_seed(0)
    weights, activity = ((255 * torch.rand(1, 1, 20, 20, generator=g)).byte() for _ in range(2))
    maps = from_maps(torch.ones(1, 20, 20), (20, 20))
    maps = maps._each(lambda t: t)
    object.__setattr__(maps, "groups", maps.groups._replace(weights=weights, activity=activity[:, 0]))
    true = weights[:, 0].double() * activity[:, 0].double()
    assert spearmanr(-cell_order(maps).place.flatten(), true.flatten())[0] > .999
    wrapped = (weights * activity)[:, 0].flatten()
    assert abs(spearmanr(wrapped, true.flatten())[0]) < .2                   # what would have happened


def test_masks_are_scaled_one_by_one_and_stay_in_range():
    "Min–max over the batch, or bicubic upsampling, would fail this."
    g = torch.Generator().manual_seed(0)
    raw = torch.rand(4, 5, 5, generator=g) ** 4 * torch.tensor([1., 10, 100, 1000])[:, None, None]
    masks = masks_of(from_maps(raw, (32, 32)))
    alone = torch.cat([masks_of(from_maps(raw[i:i + 1], (32, 32))) for i in range(4)])
    assert torch.equal(masks, alone) and masks.min() >= 0 and masks.max() <= 1
    assert (masks.flatten(1).amax(1) > .8).all()
    sharp = masks_of(from_maps(raw, (5, 5))).flatten(1)                      # at grid size the range is used exactly
    assert torch.equal(sharp.aminmax(dim=1).max, torch.ones(4)) and torch.equal(sharp.aminmax(dim=1).min, torch.zeros(4))
    assert F.interpolate(raw[:, None] / raw.amax((1, 2))[:, None, None, None], size=(32, 32), mode="bicubic").min() < 0


@pytest.mark.parametrize("value", [0., 1., 7.3])
def test_a_map_that_says_nothing_scores_nothing(value):
    images, model, _, _ = case(0)
    found = faithfulness(model, images, from_maps(torch.full((3, 3, 4), value), tuple(images.shape[-2:])), targets=0)
    assert all(v.isnan().all() for v in found.values.values()) and found.forwards == 3 * 3      # the intact and both blanks only
    assert adaptive_area("deletion", model, images, from_maps(torch.full((3, 3, 4), value), tuple(images.shape[-2:]))).area.isnan().all()


def test_one_target_serves_the_whole_batch_and_a_wrong_number_is_refused():
    images, model, cells, _ = case(0)
    maps = from_maps(cells.expand(3, 3, 4).contiguous(), tuple(images.shape[-2:]))
    assert torch.equal(deletion_curve(model, images, maps, 0).score, deletion_curve(model, images, maps, [0, 0, 0]).score)
    assert not deletion_curve(model, images, maps, 1).score.isnan().any()
    for wrong in ([0, 0], [0, 0, 5], torch.zeros(3)):
        with pytest.raises(ValueError, match="targets"): deletion_curve(model, images, maps, wrong)
    with pytest.raises(ValueError, match="expected one map"): deletion_curve(model, images, maps[:2])


# What it costs, and what it leaves behind.

@pytest.mark.parametrize("steps", [None, 1, 5])
def test_forwards_are_counted_exactly_and_batches_are_bounded(steps):
    images, model, cells, g = case(1)
    maps = from_maps(torch.rand(3, 3, 4, generator=g), tuple(images.shape[-2:]))
    s = len(step_counts(12, steps)) - 1
    found = faithfulness(model, images, maps, steps=steps, batch_size=4)
    assert found.forwards == sum(model.seen) == 3 * (3 + 2 * (s - 1) + 2) and max(model.seen) <= 4
    model.seen.clear()
    shared = prepare(model, images, batch_size=4)
    again = faithfulness(model, images, maps, steps=steps, intact=shared, batch_size=4)
    assert sum(model.seen) == shared.forwards + again.forwards == found.forwards
    for m in BETTER: torch.testing.assert_close(found[m], again[m], equal_nan=True)
    model.seen.clear()
    quick = adaptive_area("insertion", model, images, maps, intact=shared, batch_size=4)
    assert int(quick.forwards.sum()) == sum(model.seen)


def test_the_model_and_the_random_state_are_left_as_found():
    images, model, cells, g = case(1)
    maps = from_maps(torch.rand(3, 3, 4, generator=g), tuple(images.shape[-2:]))
    model.train(); model.bn.eval()
    before = torch.get_rng_state()
    faithfulness(model, images, maps)
    with pytest.raises(ValueError): faithfulness(model, images, maps, targets=[0])
    with pytest.raises(ZeroDivisionError): stream_scores(model, lambda i: 1 / 0, torch.zeros(2).long())
    assert model.training and not model.bn.training and model.cells.requires_grad and model.cells.grad is None
    assert torch.equal(before, torch.get_rng_state()) and torch.is_grad_enabled() and not model._forward_pre_hooks


def test_nan_scores_are_an_error_not_a_value():
    images, _, cells, _ = case(0)
    maps = from_maps(cells.expand(3, 3, 4).contiguous(), tuple(images.shape[-2:]))
    broken = lambda x: torch.stack([x.mean((1, 2, 3)).sub(.5).sqrt(), torch.zeros(len(x))], 1)      # NaN once it is dark
    with pytest.raises(ValueError, match="NaN"): deletion_curve(broken, images, maps)
    with pytest.raises(ValueError, match="NaN"): all_logits(broken, images * 0)


def test_blur_is_per_photograph_and_black_is_zero():
    images = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(box_blur(images)[1:], box_blur(images[1:]))
    slow = torch.stack([images[..., max(y - 4, 0):y + 5, max(x - 4, 0):x + 5].mean((2, 3)) for y in (0, 17) for x in (0, 29)], -1)
    torch.testing.assert_close(torch.stack([box_blur(images)[..., y, x] for y in (0, 17) for x in (0, 29)], -1), slow)
    assert not fill_for(images, "black").any()


def test_order_of_the_queue_does_not_matter():
    images, model, _, g = case(2, 4)
    maps = from_maps(torch.rand(4, 3, 4, generator=g), tuple(images.shape[-2:]))
    which, counts = torch.arange(4).repeat_interleave(13), torch.arange(13).repeat(4)
    def scores(i): return score_copies(model, images, fill_for(images), cell_order(maps).place, torch.zeros(4).long(), which[i], counts[i], score="logit", batch_size=5)
    mixed = torch.randperm(52, generator=g)
    torch.testing.assert_close(scores(mixed), scores(torch.arange(52))[mixed])


# Adaptive areas.

@quick
@given(seeds, st.floats(.001, .05))
def test_falling_curves_keep_the_bound(seed, tolerance):
    g = torch.Generator().manual_seed(seed)
    scores = torch.rand(4, 101, generator=g).pow(8).cumsum(1).flip(1)
    scores = scores / scores[:, :1]
    found = refine_curves(lambda which, counts: scores[which, counts], scores[:, [0, -1]], 100, tolerance)
    true = torch.trapezoid(scores, torch.arange(101) / 100)
    assert ((found.area - true).abs() <= found.bound + 1e-5).all() and (found.error <= tolerance + 1e-6).all() and (found.forwards <= 99).all()


def test_adaptive_areas_of_a_network_are_near_the_full_ones():
    g = torch.Generator().manual_seed(0)
    cells = torch.zeros(12, 12); cells[3:6, 3:6] = 1                         # a small thing decides
    model, images = Weighted(12 * cells / 9), torch.ones(6, 3, 24, 24)
    maps = from_maps(cells + .3 * torch.rand(6, 12, 12, generator=g), (24, 24))
    for kind, curve in (("deletion", deletion_curve), ("insertion", insertion_curve)):
        blank = {} if kind == "deletion" else {"start": "black"}
        full = area(curve(model, images, maps, 0, **blank))
        quick = adaptive_area(kind, model, images, maps, 0, blank="black")
        assert (quick.area - full).abs().max() <= .005 and quick.forwards.float().mean() <= 143 / 5


# torch-cam, where its definition is the same: a map as fine as the picture, black, equal steps.

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))
    def forward(self, x): return 4 * self.net(x)


@pytest.fixture(scope="module")
def both():
    metrics = pytest.importorskip("torchcam.metrics", reason="no torch-cam beside the package (pip install 'brnpa_nb[evidence]')")
    g = torch.Generator().manual_seed(3)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = Net().eval()
    images, raw = torch.rand(5, 3, 12, 12, generator=g), torch.rand(5, 12, 12, generator=g)
    raw = (raw - raw.amin((1, 2), keepdim=True)) / (raw.amax((1, 2), keepdim=True) - raw.amin((1, 2), keepdim=True))
    class Cam(SimpleNamespace):
        def __call__(self, class_idx=None, scores=None, **_): return [raw]
        def fuse_cams(self, cams): return cams[0]
        @contextmanager
        def _hooks_off(self): yield
    return metrics, model, images, raw, Cam(model=model)


def test_areas_agree_with_torchcam(both):
    metrics, model, images, raw, cam = both
    theirs = metrics.DeletionInsertionMetric(cam, lambda x: x.softmax(-1), steps=24)
    theirs.update(images)
    mine = faithfulness(model, images, from_maps(raw, (12, 12)), steps=24, start="black")
    assert mine["DAUC"].mean().item() == pytest.approx(theirs.summary()["deletion_auc"], abs=1e-5)
    assert mine["IAUC"].mean().item() == pytest.approx(theirs.summary()["insertion_auc"], abs=1e-5)


def test_drop_and_increase_agree_with_torchcam(both):
    metrics, model, images, raw, cam = both
    theirs = metrics.ClassificationMetric(cam, lambda x: x.softmax(-1))
    theirs.update(images)
    mine = faithfulness(model, images, from_maps(raw, (12, 12)), metrics=["AD", "IIC"])
    assert mine["AD"].mean().item() == pytest.approx(theirs.summary()["avg_drop"], abs=1e-5)
    assert mine["IIC"].mean().item() == pytest.approx(theirs.summary()["conf_increase"])
    assert masked_scores(model, images, from_maps(raw, (12, 12))).forwards == 10


# Honest use that once went wrong.

@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1, 1), (1, 3, 1, 1), (3, 6, 8), (2, 1, 1, 1), (2, 3, 6, 8)])
@pytest.mark.parametrize("kind", ["deletion", "insertion"])
def test_every_fill_serves_curves_and_adaptive_areas_alike(shape, kind):
    "`blank or 'black'` failed for tensors, and took a black tensor for no tensor at all."
    images, model, cells, g = case(4, 2)
    images = torch.rand(images.shape, generator=g)
    maps = from_maps(torch.rand(2, 3, 4, generator=g), (6, 8))
    for blank in (torch.zeros(shape), torch.rand(shape, generator=g)):
        curve = deletion_curve(model, images, maps, fill=blank) if kind == "deletion" else insertion_curve(model, images, maps, start=blank)
        torch.testing.assert_close(adaptive_area(kind, model, images, maps, blank=blank, tolerance=0).area, area(curve))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_half_and_double_networks_are_judged_like_any_other(dtype):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = Net().eval()
    g = torch.Generator().manual_seed(0)
    images, maps = torch.rand(3, 3, 17, 29, generator=g), from_maps(torch.rand(3, 3, 5, generator=g), (17, 29))
    want = faithfulness(model, images, maps)
    found = faithfulness(model.to(dtype), images.to(dtype), maps)
    for m in ("DAUC", "IAUC", "AD", "ADD"): torch.testing.assert_close(found[m], want[m].to(found[m]), atol=1e-5 if dtype == torch.float64 else .03, rtol=0)


def test_bytes_and_broken_photographs_are_refused_in_one_sentence():
    images, model, cells, g = case(0)
    maps = from_maps(cells.expand(3, 3, 4).contiguous(), (6, 8))
    for wrong, words in ((images.byte(), "divide bytes by 255"), (images[:0], "B ≥ 1"), (images * torch.nan, "NaN or infinite")):
        with pytest.raises(ValueError, match=words): faithfulness(model, wrong, maps)


def test_negative_logits_leave_shares_of_the_score_undefined():
    images, model, cells, _ = case(0)
    found = faithfulness(lambda x: model.eval()(x) - 10, images, from_maps(cells.expand(3, 3, 4).contiguous(), (6, 8)), 0, score="logit")
    assert found["AD"].isnan().all() and found["ADD"].isnan().all() and not found["IIC"].isnan().any()
