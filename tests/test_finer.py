"""Experiments that were dropped must at least have been done right: the region and the guided grid of tests/benchmarks/finer.py."""
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from brnpa_nb.models import AttentionModel, create_model
from tests.benchmarks.finer import Region, guided

PHOTO = torch.rand(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def low() -> AttentionModel:
    torch.manual_seed(0)
    model = create_model("resnet18", 3, network_args={"channels": (8, 12, 16, 24), "zero_init_last": False})
    model.train()(torch.rand(8, 3, 128, 160))                       # batch statistics that make sense
    return model.eval()


@torch.no_grad()
def test_a_region_with_all_around_it_is_the_full_grid(low):
    net, box = Region(low, halo=40), (3, 9, 8, 17)
    a, b, c, d = box
    full, found = net.full.backbone(PHOTO), net.grid(PHOTO, box)
    assert found.shape == full.shape
    assert_close(found[..., a:b, c:d], full[..., a:b, c:d], rtol=1e-3, atol=1e-4)
    assert_close(found[..., ::4, ::4], full[..., ::4, ::4], rtol=1e-3, atol=1e-4)         # outside, the coarse cells


@torch.no_grad()
def test_context_is_nearer_than_zeros(low):
    box = (4, 12, 4, 12)
    off = []
    for context in (True, False):
        net = Region(low, context=context)
        off.append((net.grid(PHOTO, box) - net.full.backbone(PHOTO))[..., 4:12, 4:12].norm())
    assert 0 < off[0] < off[1]


def test_guided_keeps_constants_and_follows_edges():
    image = torch.zeros(1, 3, 32, 48)
    image[..., 20:] = 1                                             # the edge lies inside the second of three coarse cells
    features = torch.tensor([0., .6, 1.]).expand(1, 1, 2, 3)
    assert_close(guided(torch.full((1, 2, 2, 3), 4.), image, 4, .5, .1), torch.full((1, 2, 8, 12), 4.))
    found, blind = guided(features, image, 4, .7, .1), guided(features, image, 4, .7, 1e6)
    step = [(g[..., 5] - g[..., 4]).min() for g in (found, blind)]
    assert step[0] > 2 * step[1]                                    # fine cell 4 is dark, 5 is bright
    assert found.min() >= 0 and found.max() <= 1
    near = guided(features, image, 4, .05, 1e6)
    assert_close(near, F.interpolate(features, scale_factor=4, mode="nearest"), atol=1e-3, rtol=0)
