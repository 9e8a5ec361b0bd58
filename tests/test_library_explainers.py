"""captum, torch-cam and grad-cam through our door: agreement with loops written by hand, nothing left behind, no surprises."""
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brnpa_nb.demo import shipped
from brnpa_nb.evidence import library_explainers as room
from brnpa_nb.evidence.harness import as_grid, grid_and_logits, target_score, undisturbed
from brnpa_nb.models import create_model
from tests.build import ROOT
from tests.leftovers import Accident, state

pytest.importorskip("captum"), pytest.importorskip("torchcam"), pytest.importorskip("pytorch_grad_cam")

PIXELS = ["saliency", "integrated_gradients", "smoothgrad", "vargrad", "guided_backprop", "occlusion", "kernelshap"]
GRIDS = ["gradcam_plus_plus", "xgradcam", "layercam", "scorecam", "finercam", "ablationcam"]
FEW = {"integrated_gradients": {"steps": 5}, "smoothgrad": {"samples": 5}, "vargrad": {"samples": 5}, "occlusion": {"patch": .5, "stride": .25},
       "kernelshap": {"cells": 2, "samples": 9}}


def explain(name, model, images, targets, **options):
    return getattr(room, name)(model, images, targets, **FEW.get(name, {}) | options)


@pytest.fixture(scope="module")
def resnet():
    "A small BR-NPA network with in-place ReLUs, random weights, in a mixture of modes."
    torch.manual_seed(0)
    model = create_model("resnet10t", 5, network_args={"channels": [8, 16, 16, 24]}).train()
    model.backbone.network.layer1.eval()
    model.head.weight.requires_grad_(False)
    model.backbone.network.conv1[0].weight.grad = torch.ones_like(model.backbone.network.conv1[0].weight)
    return model


@pytest.fixture(scope="module")
def photos(): return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    return create_model("vit_tiny_patch16_224", 4, image_size=64, network_args={"depth": 3}).eval()


classes = torch.tensor([0, 3, 1])


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_finite_maps_and_everything_as_found(name, resnet, photos):
    before = state(resnet, photos)
    with torch.no_grad(): maps = explain(name, resnet, photos, classes, batch_size=2)
    assert maps.shape[0] == 3 and maps.ndim == 3 and maps.isfinite().all() and (maps >= 0).all() and maps.amax((1, 2)).gt(0).any() and not maps.requires_grad
    explain(name, resnet, photos[:1], classes[:1])
    assert state(resnet, photos) == before


@pytest.mark.parametrize("when", [1, 3])
@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_everything_as_found_after_an_accident(name, when, resnet, photos):
    "The head fails in its first pass, and in a later one, in the middle of the library's work."
    passes = []
    def fail(module, args):
        passes.append(1)
        if len(passes) == when: raise Accident
    handle = resnet.head.register_forward_pre_hook(fail)
    try:
        before = state(resnet, photos)
        with pytest.raises(Accident): explain(name, resnet, photos, classes, batch_size=1)
        assert state(resnet, photos) == before
    finally: handle.remove()


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_alone_or_in_company(name, resnet, photos):
    together = explain(name, resnet, photos, classes, seed=3)
    for size in (1, 4): torch.testing.assert_close(explain(name, resnet, photos, classes, seed=3, batch_size=size), together, rtol=1e-3, atol=1e-5 * float(together.max()) + 1e-7)
    turned = explain(name, resnet, photos.flip(0), classes.flip(0), seed=3).flip(0)
    torch.testing.assert_close(turned, together, rtol=1e-3, atol=1e-5 * float(together.max()) + 1e-7)


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_no_more_than_batch_size_in_the_network(name, resnet, photos):
    most = []
    handle = resnet.register_forward_pre_hook(lambda m, args: most.append(len(args[0])))
    try: explain(name, resnet, photos, classes, batch_size=2)
    finally: handle.remove()
    assert max(most) <= 2


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_a_bar_when_asked_for(name, resnet, photos, capfd):
    explain(name, resnet, photos[:1], classes[:1])
    assert capfd.readouterr() == ("", "")
    explain(name, resnet, photos[:1], classes[:1], progress=True)
    assert "1/1" in capfd.readouterr().err


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_inference_mode_of_the_caller(name, resnet, photos):
    with torch.inference_mode(): found = explain(name, resnet, photos.clone(), classes)
    torch.testing.assert_close(found, explain(name, resnet, photos, classes))


@pytest.mark.parametrize("name", PIXELS + GRIDS)
def test_vits_work_or_refuse(name, vit, photos):
    if name == "guided_backprop":
        with pytest.raises(ValueError, match="none runs in AttentionModel .found gelu × 3"): explain(name, vit, photos, classes)
    else:
        maps = explain(name, vit, photos, classes)
        assert maps.isfinite().all() and (maps >= 0).all() and maps.shape[1:] == {"kernelshap": (2, 2)}.get(name, (4, 4) if name in GRIDS else (64, 64))


@pytest.mark.parametrize("name", GRIDS)
def test_foreign_networks_by_layer(name, photos):
    import timm
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=4, depth=2, img_size=64, global_pool="avg", class_token=True).eval()
    assert explain(name, vit, photos, classes, layer="blocks.1").shape == (3, 4, 4)
    plain = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    assert explain(name, plain, photos, classes, layer=plain[1]).shape == (3, 16, 16)
    with pytest.raises(ValueError, match="layer="): explain(name, plain, photos, classes)
    with pytest.raises(ValueError, match="before the pooling"): explain(name, plain, photos, classes, layer="3")


@pytest.mark.parametrize("name", GRIDS)
def test_what_follows_a_layer_may_work_in_place(name, photos):
    "The grid is what the layer gave, not what an in-place ReLU made of it."
    torch.manual_seed(0)
    def network(inplace): return nn.Sequential(nn.Conv2d(3, 6, 8, 8), nn.ReLU(inplace=inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    one, two = network(False), network(True)
    two.load_state_dict(one.state_dict())
    torch.testing.assert_close(explain(name, two, photos, classes, layer="0"), explain(name, one, photos, classes, layer="0"))


def grid_and_slope(model, images, targets, objective=target_score):
    with undisturbed(model, gradients=True):
        grid, logits = grid_and_logits(model, images, watch=True)
        return grid.detach(), torch.autograd.grad(objective(logits, targets), grid)[0], logits.detach()


def weighted(weights, grid): return (weights[..., None, None] * grid).sum(1).relu()


def test_gradcam_agrees_with_ours(resnet, photos):
    ours = pytest.importorskip("brnpa_nb.evidence.basic_explainers").gradcam(resnet, photos, classes)
    torch.testing.assert_close(room._cam("GradCAM", resnet, photos, classes, None, 2, False), ours)


def test_gradcam_plus_plus_agrees_with_grad_cam(resnet, photos):
    "grad-cam adds 10⁻⁶ to a denominator of squares, so it is asked with gradients that are large."
    from pytorch_grad_cam import GradCAMPlusPlus
    grid, slope, _ = grid_and_slope(resnet, photos, classes, lambda logits, targets: 1000 * target_score(logits, targets))
    with undisturbed(resnet): theirs = GradCAMPlusPlus(resnet, [resnet.backbone])
    found = weighted(torch.as_tensor(theirs.get_cam_weights(None, None, None, grid.numpy(), slope.numpy())), grid)
    with torch.no_grad(): resnet.head.weight.mul_(1000)
    try: ours = room.gradcam_plus_plus(resnet, photos, classes)
    finally:
        with torch.no_grad(): resnet.head.weight.div_(1000)
    assert slope.flatten(2).std(2).max() > 0                                 # gradients that differ between positions
    torch.testing.assert_close(ours, found, rtol=1e-3, atol=1e-3 * float(found.max()))


def test_layercam_xgradcam_finercam_by_hand(resnet, photos):
    grid, slope, _ = grid_and_slope(resnet, photos, classes)
    torch.testing.assert_close(room.layercam(resnet, photos, classes), (slope.relu() * grid).sum(1))
    torch.testing.assert_close(room.xgradcam(resnet, photos, classes), weighted((slope * grid).sum((2, 3)) / (grid.sum((2, 3)) + 1e-8), grid), rtol=1e-3, atol=1e-6)
    def contrast(logits, targets):
        total = 0
        for row, t in zip(logits, targets):
            near = sorted((c for c in range(5) if c != t), key=lambda c: abs(float((row[c] - row[t]).detach())))[:2]
            total = total + row[t] - .5 * row[near].mean()
        return total
    grid, slope, _ = grid_and_slope(resnet, photos, classes, contrast)
    torch.testing.assert_close(room.finercam(resnet, photos, classes, references=2, gamma=.5), weighted(slope.mean((2, 3)), grid))


def test_scorecam_and_ablationcam_by_hand(resnet, photos):
    x, y = photos[1:2], classes[1:2]
    with undisturbed(resnet):
        grid, logits = grid_and_logits(resnet, x)
        low, top = grid.amin((2, 3), keepdim=True), grid.amax((2, 3), keepdim=True)
        masks = F.interpolate((grid - low) / (top - low + 1e-8), (64, 64), mode="bilinear")
        scores = torch.stack([resnet(x * m)[0, y] for m in masks[0]]).T
        def without(k): return resnet.head(resnet.combine(resnet.pooling(grid * (torch.arange(grid.shape[1]) != k).view(1, -1, 1, 1)).vectors))[0, y]
        drops = torch.stack([logits[0, y] - without(k) for k in range(grid.shape[1])]).T
    torch.testing.assert_close(room.scorecam(resnet, x, y), weighted(scores.softmax(1), grid), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(room.ablationcam(resnet, x, y), weighted(drops, grid), rtol=1e-3, atol=1e-5)


def test_ablationcam_zeroes_signed_features(vit, photos):
    "grad-cam itself puts −10⁷ there, row upon row."
    x, y = photos[:1], classes[:1]
    with undisturbed(vit):
        grid, logits = grid_and_logits(vit, x)
        assert grid.min() < 0
        def without(k): return vit.head(vit.combine(vit.pooling(grid * (torch.arange(grid.shape[1]) != k).view(1, -1, 1, 1)).vectors))[0, y]
        drops = torch.stack([logits[0, y] - without(k) for k in range(grid.shape[1])]).T
    torch.testing.assert_close(room.ablationcam(vit, x, y, batch_size=7), weighted(drops, grid), rtol=1e-2, atol=1e-4)


def test_occlusion_by_hand(resnet, photos):
    "Patches of 20 pixels, steps of 13, which do not divide 64: the last patch is cut off by the edge."
    x, y = photos[:1], classes[:1]
    total, seen = torch.zeros(64, 64), torch.zeros(64, 64)
    with undisturbed(resnet):
        intact = resnet(x)[0, y]
        for top in range(0, 64 - 20 + 13, 13):
            for left in range(0, 64 - 20 + 13, 13):
                hidden, place = x.clone(), (slice(top, top + 20), slice(left, left + 20))
                hidden[(..., *place)] = x.mean((2, 3))[..., None, None]
                total[place] += intact - resnet(hidden)[0, y]
                seen[place] += 1
    torch.testing.assert_close(room.occlusion(resnet, x, y, patch=20 / 64, stride=13 / 64, sign="absolute")[0], (total / seen).abs(), rtol=1e-3, atol=1e-6)


def test_smoothgrad_and_guided_backprop_by_hand(photos):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3, 2), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    x, y = photos[:1], classes[:1]
    with undisturbed(net):
        room._start_draws(x, 5)
        copies = torch.cat([torch.normal(x, .1 * float(x.max() - x.min())) for _ in range(4)]).requires_grad_()
    slopes, = torch.autograd.grad(net(copies)[:, y].sum(), copies)
    torch.testing.assert_close(room.smoothgrad(net, x, y, samples=4, noise=.1, seed=5)[0], slopes.mean(0).abs().amax(0))
    torch.testing.assert_close(room.vargrad(net, x, y, samples=4, noise=.1, seed=5)[0], slopes.var(0, unbiased=False).amax(0), rtol=1e-3, atol=1e-10)

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(context, z): context.save_for_backward(z); return z.relu()
        @staticmethod
        def backward(context, g): return g.relu() * (context.saved_tensors[0] > 0)
    x = x.clone().requires_grad_()
    score = net[4:](Guided.apply(net[2](Guided.apply(net[0](x)))))[0, y]
    slope, = torch.autograd.grad(score, x)
    torch.testing.assert_close(room.guided_backprop(net, x.detach(), y), slope.abs().amax(1))


def test_shapley_values_of_a_network_with_an_interaction():
    "logit = red of cell 0 × red of cell 1 + 2 × red of cell 2: the product is shared by halves."
    class Pair(nn.Module):
        def forward(self, x): return (x[:, 0, 0, 0] * x[:, 0, 0, 1] + 2 * x[:, 0, 1, 0])[:, None]
    found = room.kernelshap(Pair(), torch.ones(1, 3, 2, 2), torch.tensor([0]), cells=2, samples=2000, fill=0., batch_size=500)
    torch.testing.assert_close(found, torch.tensor([[[.5, .5], [2, 0]]]), rtol=0, atol=.06)
    torch.testing.assert_close(found.sum(), torch.tensor(3.), rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", [n for n in PIXELS + GRIDS if n != "gradcam_plus_plus"])
def test_a_missing_library_is_named(name, resnet, photos, monkeypatch):
    for library in ("captum", "captum.attr", "torchcam", "torchcam.methods", "pytorch_grad_cam", "pytorch_grad_cam.ablation_cam"): monkeypatch.setitem(sys.modules, library, None)
    extra = "ablation" if name == "ablationcam" else "evidence"
    with pytest.raises(ImportError, match=rf"pip install 'brnpa_nb\[{extra}\]'"): explain(name, resnet, photos, classes)


def test_the_package_works_without_them():
    code = """if True:
        import sys
        for name in ("captum", "torchcam", "pytorch_grad_cam", "cv2", "sklearn", "torchmetrics"): sys.modules[name] = None
        import torch, brnpa_nb.cli, brnpa_nb.demo, brnpa_nb.evidence.library_explainers as room
        model, x = brnpa_nb.demo.shipped("birds_high"), torch.rand(1, 3, 96, 96)
        assert model.explain(x).n_maps == 3 and room.gradcam_plus_plus(model, x, torch.tensor([1])).shape == (1, 24, 24)"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_extras_are_declared():
    code = "from distutils.core import run_setup; d = run_setup('setup.py', stop_after='init'); print(sorted(d.extras_require), *d.extras_require['evidence'], *d.extras_require['ablation'], *d.extras_require['dev'])"
    found = subprocess.run([sys.executable, "-c", "import setuptools; " + code], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert found.startswith("['ablation', 'dev', 'docs', 'evidence', 'onnx'] captum>=0.9 torchcam>=0.5 scikit-learn>=") and found.count("grad-cam>=1.5") == 2 and found.count("captum>=0.9") == 2


def test_a_real_bird_keeps_its_kernelshap(photos):
    "Values sum to the difference between the intact photograph and the filled one, as Shapley values must."
    model = shipped("birds_high")
    x, y = F.interpolate(photos[:1], 96), classes[:1]
    positive, both = (room.kernelshap(model, x, y, cells=3, samples=60, sign=s).sum() for s in ("positive", "absolute"))
    with undisturbed(model): change = (model(x) - model(x.mean((2, 3), keepdim=True).expand_as(x)))[0, y]
    torch.testing.assert_close((2 * positive - both)[None], change, rtol=.01, atol=.01)


def test_token_layout_is_asked_for(vit, photos):
    "A layer inside our ViT gives tokens; they become the grid."
    maps = room.layercam(vit, photos, classes, layer="backbone.network.blocks.1")
    with undisturbed(vit): tokens, _ = grid_and_logits(vit, photos, "backbone.network.blocks.1")
    assert tokens.ndim == 3 and maps.shape[1:] == as_grid(tokens, vit, (64, 64)).shape[2:] == (4, 4)
