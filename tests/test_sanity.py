"""Sanity and stability: measures against independent implementations, networks randomised and left as found, maps that may not pass."""
import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr
from torch import nn
from torch.testing import assert_close

from brnpa_nb.evidence.sanity import (MODES, Layer, Similarity, data_randomisation_test, finding, layers_of, other_photograph, randomisation_test,
                                      randomised, rank_correlation, shuffled_labels, similarity_table, ssim, ssim_window, unrelated_noise)
from brnpa_nb.evidence.stability import max_sensitivity, noise_stability, shift_stability, shifted
from brnpa_nb.models import create_model
from brnpa_nb.ranking import from_maps

levels = hnp.arrays("float32", hnp.array_shapes(min_dims=3, max_dims=3, min_side=3, max_side=9), elements=st.integers(0, 6).map(float))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def rand(*shape, seed=1): return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def cnn():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d): m.running_mean.uniform_(-.2, .2); m.running_var.uniform_(.5, 1.5); m.weight.uniform_(.5, 1.5); m.bias.uniform_(-.5, .5)
    return net.eval()


def vit(): return create_model("vit_tiny_patch16_224", 10, weights=None, image_size=64, network_args={"depth": 3, "init_values": 1e-3}).eval()


def own(model, images, targets): return model.explain(images)


def activation(model, images, targets):
    with torch.no_grad(): return from_maps(copy.deepcopy(model).eval()[:6](images).norm(dim=1), images.shape[-2:])


def gradient(model, images, targets):
    x = images.clone().requires_grad_()
    return from_maps(torch.autograd.grad(copy.deepcopy(model).eval()(x).gather(1, targets[:, None]).sum(), x)[0].abs().amax(1), images.shape[-2:])


def centre(model, images, targets):
    r = torch.linspace(-1, 1, 9)
    return from_maps(torch.exp(-r**2 - r[:, None]**2).expand(len(images), -1, -1), images.shape[-2:])


def constant(model, images, targets): return from_maps(torch.ones(len(images), 4, 4), images.shape[-2:])


def brightness(model, images, targets): return from_maps(images.mean(1), images.shape[-2:])


def everything(model):
    "All that must be as it was."
    return ({k: v.clone() for k, v in model.state_dict().items()}, [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()],
            [p.grad for p in model.parameters()], [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()], torch.random.get_rng_state())


def assert_as_found(model, before):
    after = everything(model)
    assert before[0].keys() == after[0].keys() and all(torch.equal(before[0][k], after[0][k]) for k in before[0])
    assert before[1:5] == after[1:5] and torch.equal(before[5], after[5])


# --- the measures ---------------------------------------------------------------------------------------------------

@settings(max_examples=60, deadline=None)
@given(levels, st.integers(0, 99))
def test_spearman_is_scipys_with_ties(values, seed):
    a = torch.from_numpy(values)
    b = (4 * rand(*a.shape, seed=seed)).round()
    found = rank_correlation(a, b)
    for x, y, r in zip(a.flatten(1), b.flatten(1), found):
        if len(x.unique()) == 1 or len(y.unique()) == 1: assert r.isnan()
        else: assert r.item() == pytest.approx(spearmanr(x.numpy(), y.numpy())[0], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(levels, st.integers(0, 99))
def test_what_leaves_the_measures_alone(values, seed):
    a = torch.from_numpy(values)
    b = rand(*a.shape, seed=seed)
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))
    for f in (rank_correlation, ssim):
        assert_close(f(a[order], b[order]), f(a, b)[order], equal_nan=True)                 # photographs change places: so do the values
        assert_close(f(a, b), f(b, a), equal_nan=True)
        assert (f(a, b).nan_to_num(0).abs() <= 1).all()
        assert_close(f(a, a), torch.ones(len(a)).masked_fill(f(a, a).isnan(), torch.nan), equal_nan=True)
    assert torch.equal(rank_correlation(a.double().exp(), b**3).nan_to_num(7), rank_correlation(a, b).nan_to_num(7))   # monotone changes of scale
    assert_close(ssim(2 * a + 1, 5 * b), ssim(a, b), equal_nan=True, atol=1e-5, rtol=0)     # offset and scale


def test_spearman_by_hand():
    line = torch.tensor([[[1., 2, 3, 4]]])
    for other, r in (([1., 2, 4, 3], .8), ([4., 3, 2, 1], -1.), ([1., 1, 2, 2], 2 / 5**.5), ([2., 1, 4, 3], .6)):
        assert rank_correlation(line, torch.tensor([[other]])).item() == pytest.approx(r, abs=1e-6)


@pytest.mark.parametrize("f", [rank_correlation, ssim])
def test_a_map_that_says_nothing_is_undefined(f):
    "Zeros, a constant, a constant but for rounding, NaN; a faint map with structure does count."
    silent = torch.stack([torch.zeros(6, 6), torch.full((6, 6), 3.), 1e6 + .01 * rand(6, 6), torch.full((6, 6), torch.nan)])
    assert f(silent, rand(4, 6, 6)).isnan().all() and f(rand(4, 6, 6), silent).isnan().all()
    assert_close(f(1e-12 * rand(1, 6, 6), rand(1, 6, 6)), torch.ones(1))


@pytest.mark.parametrize("f", [rank_correlation, ssim])
def test_other_grids_are_refused(f):
    for a, b in ((rand(2, 3, 3), rand(2, 6, 6)), (rand(2, 9), rand(2, 9)), (rand(1, 3, 3), rand(2, 3, 3))):
        with pytest.raises(ValueError, match="one grid"): f(a, b)


@pytest.mark.parametrize("grid", [(3, 3), (7, 7), (12, 12), (14, 14), (28, 28), (16, 8), (64, 32)])
def test_ssim_is_torchmetrics_with_the_same_window(grid):
    "Theirs mirrors the border and counts those windows too, which on a small grid are most of them: compared where the window lies on the grid."
    tm = pytest.importorskip("torchmetrics.functional.image")
    a, b = (rand(4, *grid, seed=s) for s in (1, 2))
    b = .6 * a + .4 * b
    unit = [((m - m.amin((1, 2), True)) / (m.amax((1, 2), True) - m.amin((1, 2), True)))[:, None] for m in (a, b)]
    _, windows = tm.structural_similarity_index_measure(*unit, sigma=1.5 * ssim_window(grid) / 11, data_range=1., reduction="none", return_full_image=True)
    edge = ssim_window(grid) // 2
    assert_close(ssim(a, b), windows[..., edge:-edge, edge:-edge].mean((1, 2, 3)), atol=1e-5, rtol=0)


def test_small_grids_and_windows():
    assert ssim(rand(2, 2, 9), rand(2, 2, 9)).isnan().all()
    assert not ssim(rand(2, 3, 3), rand(2, 3, 3, seed=5)).isnan().any()
    for bad in (2, 1, 5):
        with pytest.raises(ValueError, match="odd"): ssim(rand(1, 3, 4), rand(1, 3, 4), window=bad)


def test_baselines():
    noise = unrelated_noise((7, 7), n=2000)
    assert abs(noise.spearman.mean()) < .02 and noise.spearman.std().item() == pytest.approx(48**-.5, abs=.01)
    same = from_maps(rand(1, 5, 5).expand(3, -1, -1), (10, 10))
    assert_close(other_photograph(same).spearman, torch.ones(3))
    assert_close(other_photograph(from_maps(rand(3, 5, 5), (10, 10))).spearman, rank_correlation(rand(3, 5, 5), rand(3, 5, 5)[[1, 2, 0]]))


# --- layers ---------------------------------------------------------------------------------------------------------

class Backwards(nn.Module):
    "Defined from the end to the beginning; attention holds a layer that never runs by itself."
    def __init__(self):
        super().__init__()
        self.head, self.attention, self.stem, self.scale = nn.Linear(8, 3), nn.MultiheadAttention(8, 2, batch_first=True), nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.arange(1., 9))

    def forward(self, images):
        x = self.stem(images).flatten(2).transpose(1, 2)
        return self.head(self.attention(x, x, x)[0].mean(1) * self.scale)


def test_order_of_running_and_nothing_forgotten():
    net = Backwards()
    found = layers_of(net, rand(2, 3, 8, 8))
    assert [x.name for x in found] == ["head", "attention.out_proj", "attention", "stem", "Backwards"] or [x.name for x in found] == ["head", "attention", "attention.out_proj", "stem", "Backwards"]
    assert [x.name for x in layers_of(net)][-1] != "stem"                                   # by definition only: another order


@pytest.mark.parametrize("make, size", [(lambda: create_model("resnet18", 5), 64), (vit, 64), (cnn, 16), (Backwards, 8)])
def test_layers_hold_every_parameter_once(make, size):
    net, images = make(), rand(2, 3, size, size)
    before = everything(net)
    found = layers_of(net, images)
    for layers in (found, *(layers_of(net, images, n) for n in (1, 2, 3, 99))):
        names = [f"{m}.{k}" if m else k for layer in layers for m in layer.modules for k, _ in net.get_submodule(m).named_parameters(recurse=False)]
        assert sorted(names) == sorted(k for k, _ in net.named_parameters())
    assert [len(layers_of(net, images, n)) for n in (1, 2, 3)] == [1, 2, 3] and layers_of(net, images, 2)[0] == found[0]
    assert_as_found(net, before)
    with pytest.raises(ValueError, match="at least 1"): layers_of(net, images, 0)


def test_blocks_of_known_networks():
    short = [x.name.split("network.")[-1] for x in layers_of(create_model("resnet18", 5), rand(1, 3, 64, 64))]
    assert short == ["head", *(f"layer{s}.{b}" for s in (4, 3, 2, 1) for b in (1, 0)), "conv1"]
    short = [x.name.split("network.")[-1] for x in layers_of(vit(), rand(1, 3, 64, 64))]
    assert short == ["head", "blocks.2", "blocks.1", "blocks.0", "patch_embed.proj", "backbone.network"]   # class token and positions last


# --- random weights -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make, size", [(cnn, 16), (vit, 64), (Backwards, 8)])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statistics", ["reset", "estimate"])
def test_what_is_lost_and_what_stays(make, size, mode, statistics):
    net, images = make(), rand(6, 3, size, size)
    before, layers = everything(net), layers_of(net, images)
    lost = set()
    for layer, (name, changed) in zip(layers, randomised(net, mode, layers=layers, statistics=statistics, images=images)):
        assert name == layer.name
        lost = lost | set(layer.modules) if mode == "cascading" else set(layer.modules)
        for owner, m in net.named_modules():
            for k, p in [*m.named_parameters(recurse=False), *m.named_buffers(recurse=False)]:
                new = changed.get_submodule(owner).get_parameter(k) if k in m._parameters else changed.get_submodule(owner).get_buffer(k)
                if owner not in lost: assert torch.equal(p, new), f"{owner}.{k} should be trained"
                elif k in m._parameters and len(p.unique()) > 1: assert not torch.equal(p, new), f"{owner}.{k} is still the trained one"
        assert changed.training == net.training and changed(images).isfinite().all()
    assert_as_found(net, before)


def test_how_a_parameter_is_lost():
    net = Backwards()
    _, *_, (_, changed) = randomised(net)
    assert not torch.equal(changed.scale, net.scale) and torch.equal(changed.scale.sort().values, net.scale)   # shuffled: the same numbers
    bn = list(randomised(cnn()))[-1][1][1]
    assert torch.equal(bn.running_mean, torch.zeros(8)) and torch.equal(bn.running_var, torch.ones(8)) and torch.equal(bn.weight, torch.ones(8))
    images = rand(20, 3, 16, 16)
    net = list(randomised(cnn(), statistics="estimate", images=images, batch_size=20))[-1][1]
    out = net[:2](images)                                                                   # centred and scaled on these photographs
    assert_close(out.mean((0, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    assert_close(out.var((0, 2, 3)), torch.ones(8), atol=1e-2, rtol=0)
    assert net[1].momentum == .1 and not net[1].training


def test_draws_are_seeded_and_the_same_in_both_modes():
    net = cnn()
    def weights(*args, **more): return {n: copy_.state_dict() for n, copy_ in randomised(net, *args, **more)}
    first, again, other, alone = weights(), weights(), weights(seed=1), weights("independent")
    for n in first:
        assert all(torch.equal(first[n][k], again[n][k]) for k in first[n])
        assert any(not torch.equal(first[n][k], other[n][k]) for k in first[n])
    assert torch.equal(first["0"]["3.weight"], alone["3"]["3.weight"]) and not torch.equal(first["0"]["3.weight"], first["8"]["3.weight"])
    assert list(first) == ["8", "3", "0"]


def test_wrong_questions_are_refused_at_once():
    for wrong, error, match in ((dict(mode="both"), ValueError, "cascading"), (dict(statistics="keep"), ValueError, "estimate"), (dict(statistics="estimate"), ValueError, "images=")):
        with pytest.raises(error, match=match): randomised(cnn(), **wrong)
    with pytest.raises(TypeError, match="nn.Module"): randomised(lambda x: x)
    with pytest.raises(ValueError, match="no parameters"): layers_of(nn.Flatten())


# --- the tests ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_insensitive_maps_are_found_out(mode):
    net, images = cnn(), rand(10, 3, 16, 16)
    for explainer, verdict in ((centre, "insensitive"), (brightness, "insensitive"), (constant, "undefined"), (gradient, "sensitive")):
        before = everything(net)
        rows = randomisation_test(net, images, None, explainer, mode)
        assert_as_found(net, before)
        assert [r.layer for r in rows] == ["none", "8", "3", "0"] and finding(rows[-1], .8).verdict == verdict
        assert rows[0].kept.all() and all(len(r.spearman) == len(r.ssim) == len(r.kept) == 10 for r in rows)
    assert similarity_table(rows)[0]["spearman"] == 1 and similarity_table(rows)[0]["kept"] == 1
    assert similarity_table(randomisation_test(net, images, None, constant))[-1]["spearman_undefined"] == 10


def test_maps_from_the_features_do_not_notice_the_head():
    net, images = cnn(), rand(8, 3, 16, 16)
    rows = randomisation_test(net, images, 1, activation)
    assert torch.equal(rows[1].spearman, torch.ones(8)) and rows[-1].spearman.mean() < .95


def test_the_class_is_that_of_the_trained_network_throughout():
    net, images, asked = cnn(), rand(6, 3, 16, 16), []
    def note(model, x, targets): asked.append(targets); return gradient(model, x, targets)
    randomisation_test(net, images, None, note)
    with torch.no_grad(): predicted = net(images).argmax(1)
    assert len(asked) == 5 and all(torch.equal(t, predicted) for t in asked)
    asked.clear(); randomisation_test(net, images, 2, note, layers=1)
    assert all(t.tolist() == [2] * 6 for t in asked) and len(asked) == 3


def test_transformers_and_our_maps():
    net, images = vit(), rand(4, 3, 64, 64)
    before = everything(net)
    rows = randomisation_test(net, images, None, own, layers=3)
    assert_as_found(net, before)
    assert rows[0].spearman.eq(1).all() and rows[1].layer == "head" and rows[1].spearman.eq(1).all() and rows[-1].spearman.mean() < .95
    assert rows[-1].maps.features is None and rows[-1].maps.grid == (4, 4)


def test_an_explainer_that_fails_leaves_everything_as_found():
    net, images = cnn().train(), rand(2, 3, 16, 16)
    before = everything(net)
    calls = []
    def third(model, x, targets):
        calls.append(0)
        if len(calls) == 3: raise RuntimeError("no memory")
        return brightness(model, x, targets)
    with pytest.raises(RuntimeError, match="no memory"): randomisation_test(net, images, None, third)
    assert_as_found(net, before)
    with pytest.raises(TypeError, match="RankedMaps"): randomisation_test(net, images, None, lambda m, x, t: x.mean(1))
    with pytest.raises(ValueError, match="one each"): randomisation_test(net, images, None, lambda m, x, t: brightness(m, x[:1], t))
    with pytest.raises(ValueError): randomisation_test(net, images, 99, brightness)
    with pytest.raises(TypeError, match="nn.Module"): randomisation_test(lambda x: x.mean((2, 3)), images, None, brightness)
    assert_as_found(net, before)


def test_verdicts_at_the_limits():
    def row(values, **more): return Similarity("x", "cascading", torch.tensor(values), torch.zeros(len(values)))._replace(**more)
    assert finding(row([.5] * 9)).verdict == "undecided"                                    # the limit itself decides nothing
    assert finding(row([.51] * 9)).verdict == "insensitive" and finding(row([.51] * 7)).verdict == "undecided"
    assert finding(row([.51] * 8 + [torch.nan] * 4))[4:6] == (8, 4)
    assert finding(row([.9] * 9, ssim=torch.full((9,), .1)), measure="ssim").verdict == "sensitive"
    assert finding(row([.1] * 9, mode="labels", fitted=.89)).verdict == "undecided" and "89 %" in finding(row([.1] * 9, mode="labels", fitted=.89)).sentence
    with pytest.raises(ValueError, match="measure"): finding(row([.1]), measure="cosine")


class Pairs(torch.utils.data.Dataset):
    "Twenty numbers with labels, without an attribute that tells the labels."
    def __len__(self): return 20
    def __getitem__(self, i): return torch.full((3, 4, 4), float(i)), i % 4


def test_shuffled_labels():
    a, b, c = shuffled_labels(Pairs()), shuffled_labels(Pairs()), shuffled_labels(Pairs(), seed=1)
    assert torch.equal(a.labels, b.labels) and not torch.equal(a.labels, c.labels) and a.labels.bincount().tolist() == [5] * 4
    assert a.kept == sum(a[i][1] == i % 4 for i in range(20)) / 20 and a[7][0][0, 0, 0] == 7 and len(a) == 20


def test_data_randomisation():
    torch.manual_seed(0); net = cnn()
    torch.manual_seed(1); twin = cnn()
    images = rand(9, 3, 16, 16)
    assert finding(data_randomisation_test(net, twin, images, None, centre, 1.)).verdict == "insensitive"
    row = data_randomisation_test(net, twin, images, None, gradient, .95)
    assert row.mode == "labels" and row.fitted == .95 and row.spearman.mean() < .9 and row.spearman.shape == (9,)
    assert_close(data_randomisation_test(net, copy.deepcopy(net), images, None, gradient, 1.).spearman, torch.ones(9))
    with pytest.raises(ValueError, match="share"): data_randomisation_test(net, twin, images, None, gradient, 97)


# --- stability ------------------------------------------------------------------------------------------------------

@settings(max_examples=30, deadline=None)
@given(st.integers(-7, 7), st.integers(-7, 7))
def test_a_shift_moves_and_mirrors(down, right):
    import numpy as np
    image, moved = rand(1, 2, 8, 9), shifted(rand(1, 2, 8, 9), down, right)
    wide = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (7, 7), (7, 7)), mode="reflect"))
    assert torch.equal(moved, wide[..., 7 - down:15 - down, 7 - right:16 - right])


@pytest.mark.parametrize("f", [shift_stability, noise_stability, max_sensitivity])
def test_stability_leaves_everything_as_found(f):
    for net, explainer, images in ((cnn().train(), gradient, rand(3, 3, 16, 16)), (vit(), own, rand(2, 3, 64, 64))):
        before = everything(net)
        one, two = f(net, images, explainer), f(net, images, explainer)
        assert_as_found(net, before)
        assert_close(one.each, two.each, equal_nan=True, atol=0, rtol=0)
        assert one.value.shape == (len(images),) and one.each.shape == one.changed.shape and one.each.shape[1] == len(images)
        assert torch.equal(f(net, images, explainer, even_if_changed=False).each.isnan(), one.changed)


def test_stability_by_hand():
    net, images = cnn(), rand(4, 3, 16, 16)
    for measure in ("spearman", "cosine"):
        assert_close(shift_stability(net, images, brightness, 3, measure=measure, even_if_changed=True).value, torch.ones(4))
        assert_close(noise_stability(net, images, centre, measure=measure, even_if_changed=True).value, torch.ones(4))
        assert (shift_stability(net, images, centre, 5, measure=measure, even_if_changed=True).value < .95).all()
    assert max_sensitivity(net, images, centre).value.eq(0).all()
    calm, rough = (noise_stability(net, images, brightness, s, even_if_changed=True).value for s in (.01, .2))
    assert (calm > rough).all()


def test_photographs_change_places_and_so_do_the_values():
    net, images = cnn(), rand(5, 3, 16, 16)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert_close(shift_stability(net, images[order], gradient).each, shift_stability(net, images, gradient).each[:, order], equal_nan=True, atol=1e-4, rtol=0)


def test_noise_keeps_photographs_photographs():
    seen = []
    def note(model, x, t): seen.append(x); return brightness(model, x, t)
    noise_stability(cnn(), rand(2, 3, 16, 16), note, sigma=.5, repeats=3)
    assert len(seen) == 4 and all(0 <= x.min() and x.max() <= 1 for x in seen) and not torch.equal(seen[1], seen[2])
    with pytest.raises(ValueError, match="0 or more"): noise_stability(cnn(), rand(2, 3, 16, 16), note, sigma=-1)
    with pytest.raises(ValueError, match="at least 1"): max_sensitivity(cnn(), rand(2, 3, 16, 16), note, repeats=0)
    with pytest.raises(ValueError, match="at least 1"): shift_stability(cnn(), rand(2, 3, 16, 16), note, pixels=0)


def test_max_sensitivity_is_captums():
    captum = pytest.importorskip("captum.metrics")
    net, images = cnn(), rand(3, 3, 16, 16)
    ours = max_sensitivity(net, images, gradient, radius=.05, repeats=1)
    seen = []
    def note(model, x, t): seen.append(x); return gradient(model, x, t)
    max_sensitivity(net, images, note, radius=.05, repeats=1)
    with torch.no_grad(): targets = net(images).argmax(1)
    def shares(inputs):
        x = inputs[0] if isinstance(inputs, tuple) else inputs
        with torch.enable_grad(): return (gradient(net, x, targets).weights[:, 0],)         # sums to 1; captum takes a lone tensor for a tuple of photographs
    theirs = captum.sensitivity_max(shares, images, perturb_func=lambda *_: seen[1], n_perturb_samples=1)
    assert_close(ours.value, theirs, atol=1e-5, rtol=1e-4)


def test_layers_by_hand_can_be_given():
    rows = randomisation_test(cnn(), rand(2, 3, 16, 16), None, gradient, layers=[Layer("last two", ("8", "3"))])
    assert [r.layer for r in rows] == ["none", "last two"]
