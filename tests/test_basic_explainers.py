"""The explainers that need no library, from outside: exact by hand, seeded, alone or in company, nothing left behind, compiled networks too."""
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from brnpa_nb.evidence import basic_explainers as room
from brnpa_nb.evidence.explainers import EXPLAINERS, explain_with
from brnpa_nb.evidence.harness import _as_written, as_module, undisturbed
from brnpa_nb.evidence.sanity import layers_of, randomisation_test
from brnpa_nb.models import create_model
from brnpa_nb.ranking import contributions
from brnpa_nb.resolution import evaluating
from tests.leftovers import Accident, state

ALL = ["brnpa", "brnpa_all", "brnpa_class", "activation", "bilinear", "cam", "gradcam", "random_map", "centre", "rise"]
RUN = [n for n in ALL if n not in ("random_map", "centre")]
classes = torch.tensor([0, 3, 1])


def made(pooling="brnpa"):
    "A small network with in-place ReLUs, random weights, in a mixture of modes, one part frozen, one with a gradient."
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = create_model("resnet10t", 5, pooling=pooling, network_args={"channels": [8, 16, 16, 24]}).train()
    model.backbone.network.layer1.eval()
    model.head.weight.requires_grad_(False)
    model.backbone.network.conv1[0].weight.grad = torch.ones_like(model.backbone.network.conv1[0].weight)
    return model


models = {p: made(p) for p in ("brnpa", "bcnn", "average")}
photos = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))          # not square


def model_for(name): return models["bcnn" if name == "bilinear" else "brnpa"]


def explain(name, images=photos, targets=classes, model=None, **options):
    return getattr(room, name)(model or model_for(name), images, targets, **({"masks": 60} if name == "rise" else {}) | options)


@pytest.mark.parametrize("name", ALL)
def test_finite_maps_and_everything_as_found(name):
    model = model_for(name)
    before = state(model, photos)
    with torch.no_grad(): maps = explain(name, batch_size=2)
    assert maps.shape == ((3, 64, 96) if name == "rise" else (3, 2, 3)) and maps.isfinite().all() and (maps >= 0).all() and not maps.requires_grad
    assert state(model, photos) == before


@pytest.mark.parametrize("when", [1, 2])
@pytest.mark.parametrize("name", [n for n in RUN if n not in ("brnpa", "brnpa_all", "brnpa_class", "bilinear")])
def test_everything_as_found_after_an_accident(name, when):
    passes = []
    def fail(module, args):
        passes.append(1)
        if len(passes) == when: raise Accident
    model = model_for(name)
    handle = model.head.register_forward_pre_hook(fail)
    try:
        before = state(model, photos)
        with pytest.raises(Accident): explain(name, batch_size=1)
        assert state(model, photos) == before
    finally: handle.remove()


@pytest.mark.parametrize("name", ALL)
def test_alone_or_in_company(name):
    together = explain(name, seed=3)
    close = {"rtol": 1e-3, "atol": 1e-5 * float(together.max()) + 1e-7}
    for size in (1, 4): torch.testing.assert_close(explain(name, seed=3, batch_size=size), together, **close)
    how = {"by": "pixels"} if name == "random_map" else {}
    if name == "random_map": assert torch.equal(explain(name, photos[:2], classes[:2], seed=3), together[:2])      # by place, unless pixels are asked for
    torch.testing.assert_close(explain(name, photos.flip(0), classes.flip(0), seed=3, **how).flip(0), explain(name, seed=3, **how), **close)


@pytest.mark.parametrize("name", RUN)
def test_no_more_than_batch_size_in_the_network(name):
    most, model = [], model_for(name)
    handle = model.backbone.register_forward_pre_hook(lambda m, args: most.append(len(args[0])))
    try: explain(name, batch_size=2)
    finally: handle.remove()
    assert max(most) == 2


@pytest.mark.parametrize("name", RUN)
def test_a_bar_when_asked_for(name, capfd, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    explain(name)
    assert capfd.readouterr() == ("", "")
    explain(name, progress=True)
    assert "%" in capfd.readouterr().err


@pytest.mark.parametrize("targets", [1, [1, 1, 1], torch.tensor([1, 1, 1]), lambda logits: torch.ones(len(logits)).long(), None])
def test_classes_in_every_form_and_under_inference_mode(targets):
    "A class given as a number under `torch.inference_mode` made a tensor that no gradient could go through."
    want = explain_with("gradcam", models["average"], photos, targets)
    if targets is not None: assert torch.equal(want.weights[:, 0], explain_with("gradcam", models["average"], photos, 1).weights[:, 0])
    with torch.inference_mode(): found = explain_with("gradcam", models["average"], photos.clone(), targets)
    torch.testing.assert_close(found.weights, want.weights)


# By hand.

def conv_head(seed=0):
    "Convolution, average, one linear layer with a bias: CAM is exact."
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 6, 8, 8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))


def test_cam_is_the_logit_spread_out():
    model, y = conv_head(), torch.tensor([0, 3, 1])
    grid = model[:2](photos).detach()
    by_hand = torch.stack([sum(model[4].weight[c, k].detach() * grid[b, k] for k in range(6)) for b, c in enumerate(y)])
    torch.testing.assert_close(room.cam(model, photos, y, layer="1"), by_hand.clamp(min=0))
    torch.testing.assert_close(by_hand.mean((1, 2)) + model[4].bias.detach()[y], model(photos).detach()[range(3), y])


def test_gradcam_by_hand_with_a_head_that_bends():
    model = conv_head()
    model[4] = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 4))
    grid = model[:2](photos).detach().requires_grad_()
    logits = model[4](grid.mean((2, 3)))
    maps = []
    for b, c in enumerate(classes):                                        # one photograph, one gradient at a time
        slope, = torch.autograd.grad(logits[b, c], grid, retain_graph=True)
        maps.append(sum(slope[b, k].mean() * grid[b, k] for k in range(6)).relu().detach())
    torch.testing.assert_close(room.gradcam(model, photos, classes, layer="1"), torch.stack(maps))
    torch.testing.assert_close(room.gradcam(model, photos, classes, layer="0"), room.gradcam(model, photos, classes, layer=model[0]))


def test_gradcam_of_an_average_head_is_cam():
    "There the slope of channel c is W_c / P at each position."
    cells = 2 * 3
    torch.testing.assert_close(explain("gradcam", model=models["average"]) * cells, explain("cam", model=models["average"]), rtol=1e-3, atol=1e-5)


def test_class_contributions_sum_to_the_logit():
    model = models["brnpa"]
    with undisturbed(model):
        signed = contributions(model.explain(photos), model.classifier, classes).sum(1)
        logits = model(photos)
    bias = 0 if model.classifier.bias is None else model.classifier.bias.detach()[classes]
    torch.testing.assert_close(signed.sum((1, 2)) + bias, logits[range(3), classes], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(explain("brnpa_class"), signed.clamp(min=0))


def test_activation_is_the_length_of_the_features():
    model = conv_head()
    torch.testing.assert_close(room.activation(model, photos, classes, layer="1"), model[:2](photos).detach().square().sum(1).sqrt())


def test_random_and_centre():
    one, two = explain("random_map", seed=5), explain("random_map", seed=5)
    assert torch.equal(one, two) and not torch.equal(one, explain("random_map", seed=6)) and not torch.equal(one[0], one[1])
    for many in (room.random_map(None, photos[:1].expand(400, -1, -1, -1), None, grid=(4, 4)), room.random_map(None, torch.rand(400, 3, 2, 2, generator=torch.Generator().manual_seed(0)), None, grid=(4, 4), by="pixels")):
        assert abs(many.mean() - .5) < .02 and (many.mean(0) - .5).abs().max() < .08
    bump = room.centre(None, photos, None, grid=(5, 7), sigma=.2)
    assert torch.equal(bump[0], bump[2]) and torch.allclose(bump[0], bump[0].flip(0, 1)) and int(bump[0].argmax()) == 2 * 7 + 3 and bump.max() == 1
    y, x = torch.meshgrid(*((torch.arange(n) + .5) / n - .5 for n in (5, 7)), indexing="ij")
    torch.testing.assert_close(bump[0], torch.exp(-(y**2 + x**2) / (2 * .2**2)))


# RISE.

def linear(images): return torch.stack([3 * images[:, :, :12, :16].mean((1, 2, 3)), images[:, :, 12:, 16:].mean((1, 2, 3))], 1)


white = torch.ones(1, 3, 24, 32)


def test_rise_by_hand():
    masks, cells, p = 40, 3, .4
    g = torch.Generator().manual_seed(9)
    coarse, shifts = torch.rand(masks, 4, 4, generator=g) < p, torch.rand(masks, 2, generator=g)
    m = room.rise_masks(coarse, shifts, (24, 32))
    scores = torch.stack([linear(white * one).softmax(1)[0, 0] for one in m])
    by_hand = sum(s * one[0] for s, one in zip(scores, m)) / m[:, 0].sum(0)
    torch.testing.assert_close(room.rise(as_module(linear), white, torch.tensor([0]), masks=masks, cells=cells, p=p, seed=9)[0], by_hand)


def test_rise_is_seeded_and_unbiased():
    def run(seed, masks): return room.rise(as_module(linear), white, torch.tensor([0]), masks=masks, cells=4, seed=seed)[0]
    assert torch.equal(run(1, 50), run(1, 50)) and not torch.equal(run(1, 50), run(2, 50))
    long = run(0, 8000)
    short = torch.stack([run(s, 200) for s in range(1, 41)])
    error = short.std(0) / 40 ** .5
    assert ((short.mean(0) - long).abs() <= 5 * error + .003).all()        # the mean over seeds is what many masks give
    assert (short.mean(0) - long).abs().mean() < (short - long).abs().mean() / 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_rise_in_half_precision_adds_up_in_full(dtype):
    "Sums over masks in bfloat16 stopped growing: the map correlated 0.7 with the right one."
    found, want = (room.rise(as_module(linear), white.to(d), torch.tensor([0]), masks=3000, cells=4)[0] for d in (dtype, torch.float32))
    assert torch.corrcoef(torch.stack([found.flatten().float(), want.flatten()]))[0, 1] > .995


# Networks that are not ours.

TOKEN_BLIND = ["gradcam", "gradcam++", "xgradcam", "layercam", "finercam", "ablationcam"]


@pytest.mark.parametrize("name", TOKEN_BLIND)
def test_no_silent_zero_map_after_the_last_block_of_a_vit(name):
    "Only the class token is read there: the map would be zero everywhere, and nobody would say why."
    if EXPLAINERS[name].extra: pytest.importorskip({"evidence": "torchcam", "ablation": "pytorch_grad_cam"}[EXPLAINERS[name].extra])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vit = timm.create_model("vit_tiny_patch16_224", img_size=(64, 96), num_classes=4, depth=2).eval()
    with pytest.raises(ValueError, match="only a class token decides"): explain_with(name, vit, photos, 1, layer="blocks.1")
    found = explain_with(name, vit, photos, 1, layer="blocks.0")
    assert found.grid == (4, 6) and (name == "ablationcam" or found.weights.flatten(1).std(1).gt(0).all())


def test_an_empty_map_of_a_cnn_is_no_error():
    "All slopes negative: the ReLU leaves nothing, which is an answer (counted as undefined), not a mistake of the caller."
    model = conv_head()
    with torch.no_grad(): model[4].weight.fill_(-1.)
    for name in ("gradcam", "gradcam++"): assert explain_with(name, model, photos, 0, layer="1").weights.flatten(1).std(1).eq(0).all()


# Compiled networks.

def compiled(how):
    model = made("average")
    if how == "whole": return torch.compile(model, backend="eager"), model
    if how == "in place": model.compile(backend="eager"); return model, model
    model.backbone.network.layer2 = torch.compile(model.backbone.network.layer2, backend="eager")
    return model, model


@pytest.mark.parametrize("how", ["whole", "in place", "a part"])
@pytest.mark.parametrize("name", ["cam", "gradcam", "guided backprop", "layercam", "activation"])
def test_compiled_networks_are_explained_as_they_were_written(how, name):
    "A compiled graph does not hear hooks that come after it: guided backprop was another map there, silently."
    if EXPLAINERS[name].extra: pytest.importorskip("captum"), pytest.importorskip("torchcam")
    model, inner = compiled(how)
    with evaluating(model): model(photos)                                  # the graph is there before the hooks are
    want = explain_with(name, made("average"), photos, 1)
    torch.testing.assert_close(explain_with(name, model, photos, 1).weights, want.weights, rtol=1e-3, atol=1e-6)


def test_compiled_networks_in_the_randomisation_test():
    def explainer(net, images, targets): return explain_with("gradcam", net, images, targets, layer="_orig_mod.backbone")
    model, inner = compiled("whole")
    rows = [randomisation_test(m, photos, None, explainer, layers=2) for m in (model, inner)]
    for one, two in zip(*rows):
        assert one.layer == two.layer
        torch.testing.assert_close(one.spearman, two.spearman, equal_nan=True)
    assert layers_of(model) == layers_of(inner)
    with _as_written(inner): assert F.softmax(inner.eval()(photos), 1).sum() > 0


@pytest.mark.parametrize("how", ["whole", "in place", "a part"])
def test_compiled_networks_are_refused_where_torch_is_too_old(how, monkeypatch):
    "torch.compiler.set_stance came with torch 2.6; without it a graph cannot be put aside."
    model, _ = compiled(how)
    assert hasattr(torch.compiler, "set_stance")
    monkeypatch.delattr(torch.compiler, "set_stance")
    if how == "whole":                                                     # its shell is taken off: no graph is in the way
        torch.testing.assert_close(explain_with("gradcam", model, photos, 1).weights, explain_with("gradcam", made("average"), photos, 1).weights, rtol=1e-3, atol=1e-6)
        return
    with pytest.raises(ValueError, match="torch 2.6 or newer"): explain_with("gradcam", model, photos, 1)


def test_the_randomisation_test_under_inference_mode():
    def explainer(net, images, targets): return explain_with("gradcam", net, images, targets)
    want = randomisation_test(models["average"], photos, None, explainer, layers=2)
    with torch.inference_mode(): found = randomisation_test(models["average"], photos.clone(), None, explainer, layers=2)
    for one, two in zip(found, want): torch.testing.assert_close(one.spearman, two.spearman, equal_nan=True)


FEW = {"integrated gradients": {"steps": 3}, "smoothgrad": {"samples": 2}, "vargrad": {"samples": 2}, "occlusion": {"patch": .5, "stride": .5}, "kernelshap": {"cells": 2, "samples": 9}, "rise": {"masks": 30}}


@pytest.mark.parametrize("name", EXPLAINERS)
def test_one_class_for_a_batch_gives_every_photograph_its_map(name):
    "Others gave the first photograph a map and the rest zeros, silently."
    for needed in {"evidence": ("captum", "torchcam", "sklearn"), "ablation": ("pytorch_grad_cam",)}.get(EXPLAINERS[name].extra, ()): pytest.importorskip(needed)
    model = models["bcnn"] if name == "bilinear" else models["brnpa"] if EXPLAINERS[name].needs == "ranks" else models["average"]
    one, each = (explain_with(name, model, photos, targets, **FEW.get(name, {})) for targets in (2, [2, 2, 2]))
    assert len(one) == 3 and one.provenance["targets"] == [2, 2, 2] and torch.equal(one.weights, each.weights)
    alone = torch.cat([explain_with(name, model, photos[i:i + 1], 2, **FEW.get(name, {})).weights for i in range(3)])
    if name != "random": torch.testing.assert_close(one.weights, alone, rtol=1e-2, atol=1e-3 * float(alone.max()))     # random: by place
