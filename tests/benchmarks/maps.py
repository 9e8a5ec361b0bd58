"""What ranked maps cost: against the bare backbone, and against Grad-CAM of two libraries on the same network and grid.

    python -m tests.benchmarks.maps [--threads 2] [--repeats 7] [--json]

A ResNet-18 with random weights (its cost is that of trained ones), photographs of 224 pixels, three ranks. The bare backbone is the network's own
`forward_features` on photographs that are normalised, and padded by the margin of the fine grid, beforehand. The Grad-CAM of each library explains the class that the network
predicts, from the features of the same backbone, its maps at the photograph's size where the library gives them so.
"""
import sys

import torch
from torch import Tensor

from brnpa_nb.models import AttentionModel, create_model
from brnpa_nb.ranking import contributions
from tests.benchmarks.timing import main, ratio

STRIDES = (32, 8)


def network(stride: int, pooling: str = "brnpa") -> AttentionModel:
    "The network of both sides."
    return create_model("resnet18", 1000, output_stride=stride, pooling=pooling).eval().to(memory_format=torch.channels_last)


def bare(model: AttentionModel, images: Tensor) -> Tensor:
    "What the network takes: normalised, with the margin."
    b = model.backbone
    return torch.nn.functional.pad(b._normalised(images), (b.margin, 0, b.margin, 0)).contiguous(memory_format=torch.channels_last)


def against_backbone(stride: int, batch: int, repeats: int) -> dict[str, float]:
    "Ranked maps over one bare forward."
    model, images = network(stride), torch.rand(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    ready = bare(model, images)
    def forward() -> Tensor:
        with torch.no_grad(): return model.backbone.network.forward_features(ready)
    return {f"ranked maps, stride {stride}, batch {batch}: explain / bare backbone": ratio(lambda: model.explain(images), forward, repeats)}


def against_gradcam(stride: int, repeats: int) -> dict[str, float]:
    "Three ranks and class contributions of a batch of 8, over Grad-CAM of the same batch."
    from pytorch_grad_cam import GradCAM
    from torchcam.methods import GradCAM as TorchcamGradCAM

    model, images = network(stride), torch.rand(8, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    plain = network(stride, "average")
    def ours() -> Tensor: return contributions(maps := model.explain(images), model.head, maps_logits(model, maps.vectors).argmax(1))
    def theirs() -> object:
        with GradCAM(plain, [plain.backbone]) as cam: return cam(images, None)
    def torchcam() -> object:
        with TorchcamGradCAM(plain, "backbone") as cam:
            scores = plain(images)
            return cam(scores.argmax(1).tolist(), scores)
    return {f"ranked maps and contributions, stride {stride}, batch 8: ours / Grad-CAM of grad-cam": ratio(ours, theirs, repeats),
            f"ranked maps and contributions, stride {stride}, batch 8: ours / Grad-CAM of torch-cam": ratio(ours, torchcam, repeats)}


def maps_logits(model: AttentionModel, vectors: Tensor) -> Tensor: return model.head(vectors.flatten(1))


def run(repeats: int = 7) -> dict[str, float]:
    found: dict[str, float] = {}
    for stride in STRIDES: found |= against_backbone(stride, 8, repeats) | against_backbone(stride, 1, repeats) | against_gradcam(stride, repeats)
    return found


if __name__ == "__main__": sys.exit(main(__doc__, run, 7))
