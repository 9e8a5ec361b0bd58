"""Networks of ours wherever a timm name goes, and photographs that are not square, from network to student, maps and command."""
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from brnpa_nb.backbones import create_backbone, suggest_names
from brnpa_nb.cli import main
from brnpa_nb.distillation import Distillation, create_student
from brnpa_nb.models import create_model, load_model, save_model
from brnpa_nb.ranking import composite, contributions
from brnpa_nb.views.figures import ranked_sheet

NARROW = {"channels": (8, 16, 24, 32)}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def lively(model):
    "Statistics and scales of batch normalisation as after some training, so that nothing is zero or one by accident."
    for name, t in model.state_dict().items():
        if name.endswith("running_mean"): t.uniform_(-.2, .2)
        if name.endswith("running_var"): t.uniform_(.7, 1.3)
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d): torch.nn.init.uniform_(m.weight, .5, 1.5)      # timm starts the last one of each block at zero
    return model.eval()


def photos(height=84, width=84, n=2): return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stride, how, grid", [(None, "atrous", (5, 5)), (16, "stride", (5, 5)), (8, "atrous", (10, 10)), (4, "atrous", (21, 21)), (4, "stride", (21, 21))])
def test_grids_at_84_pixels(stride, how, grid):
    "10 cells at stride 8: the last of 21 is dropped on the way; at stride 4 all 21 are there."
    net = create_backbone("resnet12", stride, how, **NARROW).eval()
    assert net(photos()).shape == (2, 32, *grid)
    assert (net.image_size, net.native_stride) == (84, 16)


def test_the_customary_size_by_name_alone():
    model = create_model("resnet12", n_classes=64, image_size=84)
    assert sum(p.numel() for p in model.backbone.parameters()) == 12_424_320
    assert tuple(model.explain(photos(n=1)).features.shape) == (1, 640, 5, 5) and model.head.weight.shape == (64, 3 * 640)
    assert "resnet12" in suggest_names("resnet-12")
    with pytest.raises(ValueError, match="resnet12"): create_model("rasnet12", 5)
    with pytest.raises(ValueError, match="no published weights"): create_model("resnet12", 5, weights="pretrained")


@pytest.mark.parametrize("how", ["atrous", "stride"])
def test_saved_and_loaded(tmp_path, how):
    model = lively(create_model("resnet12", 5, output_stride=4, resolution=how, network_args=NARROW | {"drop": .1}, image_size=84))
    again = load_model(save_model(model, tmp_path / "few.safetensors"))
    with torch.no_grad(): assert torch.equal(again(photos()), model(photos()))
    assert again.backbone.name == "resnet12" and again.backbone.margin == model.backbone.margin and again.backbone.network.layer4.drop.block_size == 5


@pytest.mark.parametrize("stride", [None, 4])
def test_explained_with_exact_contributions(stride):
    "The maps of the logit add up to it, small negative features and all."
    model = lively(create_model("resnet12", 5, output_stride=stride or 32, network_args=NARROW, image_size=84, bias=True))
    maps = model.explain(photos())
    assert maps.features.min() < 0 and (maps.weights >= 0).all()
    with torch.no_grad(): logits = model(photos())
    for k in range(5): assert_close(contributions(maps, model.head, k).sum((1, 2, 3)), logits[:, k] - model.head.bias[k], atol=1e-5, rtol=1e-4)


def test_student_equals_teacher_where_cells_coincide():
    "Without margin at 96 pixels everywhere; at 84 pixels the dropped row and column tell at the far edges, and only there."
    teacher = lively(create_model("resnet12", 5, network_args=NARROW, align=False))
    student = create_student(teacher, 4).eval()
    with torch.no_grad():
        assert_close(student.backbone(photos(96, 96))[..., ::4, ::4], teacher.backbone(photos(96, 96)), atol=1e-5, rtol=1e-4)
        fine, coarse = student.backbone(photos())[..., ::4, ::4][..., :5, :5], teacher.backbone(photos())
    assert_close(fine[..., :3, :3], coarse[..., :3, :3], atol=1e-5, rtol=1e-4)
    assert (fine - coarse)[..., 4].abs().max() > .01 * coarse.abs().max()


def test_student_with_a_margin_equals_the_teacher_in_the_middle():
    "Half a coarse cell further on, that is two fine cells; away from borders, where padding is seen from another place."
    teacher = lively(create_model("resnet12", 5, network_args=NARROW))
    student = create_student(teacher, 4).eval()
    assert student.backbone.margin == 8
    x = photos(272, 304, 1)
    with torch.no_grad(): fine, coarse = student.backbone(x)[..., 2::4, 2::4], teacher.backbone(x)
    assert fine.shape == coarse.shape == (1, 32, 17, 19)
    assert_close(fine[..., 7:-7, 7:-7], coarse[..., 7:-7, 7:-7], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("how", ["atrous", "stride"])
def test_gradients_reach_every_parameter(how):
    teacher = lively(create_model("resnet12", 5, network_args=NARROW | {"drop": .1}, image_size=84))
    student = create_student(teacher, 4, how)
    loss, logits = Distillation(teacher)(student, photos(), torch.tensor([0, 3]))
    loss.backward()
    assert logits.shape == (2, 5) and not [n for n, p in student.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not [n for n, p in teacher.named_parameters() if p.grad is not None]


def test_trained_by_the_command(tmp_path):
    main(["train", "birds", "--model", "resnet12", "--pictures", "16", "--epochs", "1", "--batch-size", "16", "--quiet", "--out", str(tmp_path)])
    assert load_model(tmp_path / "best.safetensors").backbone.name == "resnet12"


def test_cheap_to_import():
    code = "import brnpa_nb.networks, sys; print([m for m in ('timm', 'torchvision', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"


PERSON = {"channels": (8, 16, 24, 32)}   # a thin ResNet-50


def test_standing_photographs_from_teacher_to_student():
    "Re-identification: 256 × 128 pixels, 16 × 8 cells, and 64 × 32 of the student that gives the same vectors."
    teacher = lively(create_model("resnet50", 7, output_stride=16, network_args=PERSON, align=False))
    student = create_student(teacher, 4).eval()
    x = photos(256, 128)
    assert teacher.explain(x).grid == (16, 8) and student.explain(x).grid == (64, 32)
    with torch.no_grad(): assert_close(student.backbone(x)[..., ::4, ::4], teacher.backbone(x), atol=1e-5, rtol=1e-4)
    for how in ("atrous", "stride"): assert create_student(teacher, 4, how).explain(x).grid == (64, 32)


@pytest.mark.parametrize("size", [(256, 128), (128, 256)])
def test_a_dot_is_drawn_where_it_is(size):
    "With the margin, in photographs that are not square, on both axes."
    plain = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, 4), torch.nn.Conv2d(4, 4, 4, 4))           # 16 pixels a cell, nothing beyond it
    x = torch.zeros(1, 3, *size)
    x[..., 64:80, 96:112] = 1
    for stride in (None, 8, 4):
        net = create_backbone(plain, stride, image_size=64)
        with torch.no_grad(): change = (net(x) - net(0 * x)).abs().sum(1)[0]
        assert change.shape == (size[0] // net.stride, size[1] // net.stride)
        for axis, middle in ((0, 72), (1, 104)):
            at = (torch.arange(change.shape[axis]) + .5) * net.stride
            assert abs((change.sum(1 - axis) * at).sum() / change.sum() - middle) <= net.stride


def test_composite_keeps_the_shape_of_a_standing_photograph():
    model = lively(create_model("resnet50", 7, output_stride=4, network_args=PERSON))
    x = photos(256, 128)
    maps = model.explain(x)
    painted = composite(maps, x, strength=1.)
    assert painted.shape == x.shape
    cells = composite(maps, None, strength=1.)[..., ::4, ::4]
    assert torch.equal(painted[..., 1::4, 2::4], cells)                                          # each cell fills a square of 4 × 4 pixels


@pytest.mark.parametrize("name, own, size", [("resnet50", 32, (256, 128)), ("resnet10t", 32, (256, 128)), ("resnet12", 16, (96, 64))])
def test_student_of_a_teacher_whose_step_was_taken_away(tmp_path, name, own, size):
    "The encoder of re-identification: à trous starts from the network that was trained, not from the one with all its steps; also after saving."
    teacher = lively(create_model(name, 7, output_stride=own // 2, resolution="stride", network_args=PERSON, align=False))
    student = load_model(save_model(create_student(teacher, 4), tmp_path / "student.safetensors"))
    x, d = photos(*size), own // 8
    with torch.no_grad(): assert_close(student.backbone(x)[..., ::d, ::d], teacher.backbone(x), atol=1e-5, rtol=1e-4)
    if own == 16: return                                                                           # nothing follows the last pooling of a ResNet-12
    aside = create_backbone(name, 4, align=False, **PERSON).eval()                                 # as if nothing had been taken away
    aside.load_state_dict(teacher.backbone.state_dict())
    with torch.no_grad(): assert (aside(x)[..., ::d, ::d] - teacher.backbone(x)).norm() > .05 * teacher.backbone(x).norm()
    assert create_student(teacher, 4, weights=None).config.trained_stride is None                  # nothing was trained


def test_two_goes_are_one():
    teacher = lively(create_model("resnet50", 7, output_stride=16, resolution="stride", network_args=PERSON))
    once, twice = create_student(teacher, 4).eval(), create_student(create_student(teacher, 8).eval(), 4).eval()
    with torch.no_grad(): assert_close(once.backbone(photos(256, 128)), twice.backbone(photos(256, 128)), atol=1e-5, rtol=1e-4)
    assert (once.backbone.native_stride, once.backbone.margin) == (16, 8)
    assert create_backbone("resnet50", None, trained_stride=16, **PERSON)(photos(256, 128)).shape[-2:] == (16, 8)
    with pytest.raises(ValueError, match="trained_stride must be one of"): create_backbone("resnet50", 4, trained_stride=7, **PERSON)


def test_sheet_keeps_the_shape_of_standing_photographs():
    x = photos(256, 128)
    maps = lively(create_model("resnet50", 7, output_stride=16, network_args=PERSON)).explain(x)
    fig = ranked_sheet(x, maps.display_maps(), maps.composite(x))
    width, height = fig.get_size_inches()
    boxes = [ax.get_position() for ax in fig.axes if len(ax.images) and ax.images[0].get_array().shape[:2] == (256, 128)]
    assert len(boxes) == 10 and all(b.height * height / (b.width * width) == pytest.approx(2) for b in boxes)
