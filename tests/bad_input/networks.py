"""Tiny networks, photographs and maps for the rows on tensors, models, arguments and checkpoints: made once a process, copied where a row changes them."""
import copy
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brnpa_nb.backbones import create_backbone
from brnpa_nb.grouping import group
from brnpa_nb.models import AttentionModel, create_model
from brnpa_nb.ranking import RankedMaps

CLASSES = 4


def photographs(n: int = 2, height: int = 32, width: int = 48) -> Tensor:
    "(n, 3, height, width) in [0, 1], the same in every process."
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(n), dtype=torch.float32, device="cpu")


class Convolutions(nn.Module):
    "Photograph → grid, one cell for 8 pixels; ReLU in place, batch normalisation and dropout, so that modes show."
    def __init__(self, channels: int = 6):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, channels, 4, 4), nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Dropout(.5), nn.Conv2d(channels, channels, 2, 2), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor: return self.body(x)


@cache
def _model(pooling: str, **config: object) -> AttentionModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return create_model(create_backbone(Convolutions().eval(), image_size=64), CLASSES, output_stride=None, pooling=pooling, **config).eval()


def model(pooling: str = "brnpa", **config: object) -> AttentionModel:
    "An `AttentionModel` on `Convolutions`, in eval mode; a copy, to be spoilt."
    return copy.deepcopy(_model(pooling, **config))


@cache
def _named(**config: object) -> AttentionModel:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return create_model("resnet10t", CLASSES, network_args={"channels": (8, 8, 8, 8)}, **config).eval()


def named(**config: object) -> AttentionModel:
    "A model by timm's name, which a file can rebuild; a copy."
    return copy.deepcopy(_named(**config))


@cache
def _classifier() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return nn.Sequential(Convolutions(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, CLASSES)).eval()


def classifier() -> nn.Module:
    "A network that is not ours: photographs → logits; a copy. Its grid comes out of layer \"0\"."
    return copy.deepcopy(_classifier())


class Tokens(nn.Module):
    "Photograph → tokens (B, T, C), `prefix` of them before those of the patches."
    def __init__(self, prefix: int = 0, patch: int = 8, stated: bool = False):
        super().__init__()
        self.patches, self.prefix = nn.Conv2d(3, 6, patch, patch), nn.Parameter(torch.ones(1, prefix, 6))
        if stated: self.num_prefix_tokens = prefix

    def forward(self, x: Tensor) -> Tensor: return torch.cat([self.prefix.expand(len(x), -1, -1), F.relu(self.patches(x)).flatten(2).transpose(1, 2)], 1)


def grid(n: int = 2, channels: int = 5, height: int = 4, width: int = 6) -> Tensor:
    "Features (n, C, h, w), half of them zero."
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(n), dtype=torch.float32, device="cpu").relu()


def maps(n: int = 2, size: tuple[int, int] = (32, 48), **how: object) -> RankedMaps:
    "Maps of `grid`, with features, for photographs of `size`."
    features = grid(n)
    return RankedMaps(group(features, **how), size, features)
