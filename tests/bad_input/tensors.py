"""Bad input: tensors."""
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from brnpa_nb.distillation import distillation_loss, embedding_loss
from brnpa_nb.evidence.complexity import gini
from brnpa_nb.evidence.explainers import explain_with
from brnpa_nb.evidence.faithfulness import faithfulness
from brnpa_nb.evidence.localisation import box_masks, energy_inside, iou
from brnpa_nb.grouping import group
from brnpa_nb.models import explain
from brnpa_nb.ranking import RankedMaps
from brnpa_nb.tasks.fewshot import episode_accuracy, explain_episode, nearest_prototype, prototypes
from brnpa_nb.tasks.reid import embed_all, explain_match, triplet_loss
from brnpa_nb.tasks.retrieval import retrieve
from brnpa_nb.training import Recipe, evaluate, fit
from brnpa_nb.views.explorer import explore
from brnpa_nb.views.export import to_html
from brnpa_nb.views.figures import save_png
from tests.bad_input import First, Row
from tests.bad_input import networks as made

x = made.photographs()


def refused(name: str, do: Callable[[], Any], says: str, first: First = "right") -> Row: return Row("tensors", name, lambda folder: do(), says, first=first)


def right(name: str, do: Callable[[], Any], check: Callable[[Any], object], first: First = "right") -> Row: return Row("tensors", name, lambda folder: do(), check=check, first=first)


def to_explain(name: str, given: Any, says: str, first: First = "right") -> Row: return refused(f"{name} to explain", lambda: explain(made.model(), given), says, first)


def as_ever(name: str, given: Callable[[], Tensor], first: First = "right", tolerance: float = 1e-5) -> Row:
    "The same photographs, laid out or typed otherwise: the same maps, and nothing changed in what was given."
    def do() -> None:
        odd = given()
        before = odd.detach().clone()
        found, want = explain(made.model(), odd), explain(made.model(), x)
        torch.testing.assert_close(found.weights.float(), want.weights, rtol=0, atol=tolerance)
        assert torch.equal(odd.detach(), before) and odd.grad is None and not found.weights.requires_grad
    return right(f"{name}: the same maps", do, lambda _: None, first)


class Mine(Tensor):
    "A tensor of the user's own class."


class Pictures(torch.utils.data.Dataset):
    "Photographs with labels 0, 1, 0, 1 …"
    def __init__(self, images: Tensor): self.images = images
    def __len__(self) -> int: return len(self.images)
    def __getitem__(self, i: int) -> tuple[Tensor, int]: return self.images[i], i % 2


def spoilt(at: int, value: float) -> Tensor:
    bad = x.clone()
    bad[at, 1, 3, 4] = value
    return bad


def changed(**fields: Tensor) -> RankedMaps: return RankedMaps(made.maps().groups._replace(**fields), (32, 48), made.grid())


def undefined(maps: RankedMaps) -> None:
    for values in (gini(maps), iou(maps, torch.ones(2, 32, 48) > 0), maps.sparsity()): assert values[0].isnan().all() and values[1].isfinite().all()


bytes_as_floats, normalised, hits = x * 255, (x - .45) / .225, torch.tensor([0, 0, 1, 1])
embeddings = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
logits = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
nan_map = made.maps().weights.index_fill(0, torch.tensor([0]), torch.nan)

ROWS: list[Row] = [
    # Photographs that are none.
    to_explain("one photograph without its batch", x[0], "add the batch dimension"),
    to_explain("a batch of batches", x[None], "add the batch dimension"),
    to_explain("one channel", x[:, :1], "(B, 3, H, W)"),
    to_explain("four channels", torch.cat([x, x[:, :1]], 1), "(B, 3, H, W)"),
    to_explain("channels last", x.permute(0, 2, 3, 1), "(B, 3, H, W)"),
    to_explain("bytes", (x * 255).byte(), "divide bytes by 255"),
    to_explain("bool", x > .5, "float photographs"),
    to_explain("complex numbers", x.to(torch.complex64), "float photographs"),
    to_explain("bytes as floats", bytes_as_floats, "divide bytes by 255"),
    to_explain("photographs already normalised", normalised, "do not normalise"),
    to_explain("the device meta", x.to("meta"), "on the device meta", "cryptic"),
    to_explain("a sparse tensor", x.to_sparse(), "sparse", "cryptic"),
    to_explain("8-bit floats", x.to(torch.float8_e4m3fn), "float8", "cryptic"),
    to_explain("a NaN", spoilt(1, torch.nan), "photograph 1 of 2 holds NaN"),
    to_explain("an infinity", spoilt(1, torch.inf), "photograph 1 of 2 holds NaN or infinite"),
    to_explain("no photograph", x[:0], "B ≥ 1"),
    to_explain("a side of 0 pixels", x[:, :, :0], "(2, 3, 0, 48)", "cryptic"),
    to_explain("a photograph smaller than a cell", x[..., :7, :7], "it takes sides that are multiples of 8"),
    to_explain("a numpy array", x.numpy(), "found a ndarray"),
    to_explain("a list of photographs of different sizes", [x[0], x[1, :, :8]], "found a list"),
    to_explain("a Pillow picture", Image.new("RGB", (48, 32)), "found a Image"),
    to_explain("a path", "bird.jpg", "found a str"),
    # The same photographs in another dress.
    as_ever("a view across memory", lambda: x.transpose(2, 3).contiguous().transpose(2, 3)),
    as_ever("every second pixel of a larger tensor", lambda: x.repeat_interleave(2, 2).repeat_interleave(2, 3)[:, :, ::2, ::2]),
    as_ever("channels last in memory", lambda: x.to(memory_format=torch.channels_last)),
    as_ever("one that requires a gradient", lambda: x.clone().requires_grad_()),
    as_ever("a parameter", lambda: nn.Parameter(x.clone())),
    as_ever("a tensor of one's own class", lambda: x.clone().as_subclass(Mine)),
    as_ever("double precision", x.double),
    as_ever("half precision", x.half, tolerance=2e-3),
    right("an expanded photograph is the photograph, three times", lambda: explain(made.model(), x[:1].expand(3, -1, -1, -1)).weights, lambda w: torch.testing.assert_close(w, w[:1].expand_as(w))),
    # Numbers in the wrong range, silently.
    refused("bytes as floats to a gradient explainer", lambda: explain_with("saliency", made.model(), bytes_as_floats), "divide bytes by 255", "silent"),
    refused("normalised photographs to Grad-CAM of our model", lambda: explain_with("gradcam", made.model(), normalised), "do not normalise", "silent"),
    refused("bytes as floats to faithfulness", lambda: faithfulness(made.model(), bytes_as_floats, made.maps(), steps=3), "divide bytes by 255", "silent"),
    refused("bytes as floats to the model itself", lambda: made.model()(bytes_as_floats), "divide bytes by 255", "silent"),
    refused("bytes as floats to embeddings", lambda: embed_all(made.model(), Pictures(bytes_as_floats)), "divide bytes by 255", "silent"),
    refused("bytes as floats to training", lambda: fit(made.model(), Pictures(bytes_as_floats), recipe=Recipe(epochs=1, batch_size=2), progress=False), "picture", "silent"),
    refused("bytes as floats to evaluation", lambda: evaluate(made.model(), Pictures(bytes_as_floats)), "divide bytes by 255", "silent"),
    refused("bytes under a composite", lambda: made.maps().composite((x * 255).byte()), "divide bytes by 255", "cryptic"),
    refused("bytes as floats under a composite", lambda: made.maps().composite(bytes_as_floats), "divide bytes by 255", "silent"),
    refused("normalised photographs under a composite", lambda: made.maps().composite(normalised), "un-normalised", "silent"),
    refused("a NaN under a composite", lambda: made.maps().composite(spoilt(0, torch.nan)), "floats in [0, 1]", "silent"),
    refused("complex numbers under a composite", lambda: made.maps().composite(x.to(torch.complex64)), "floats in [0, 1]", "silent"),
    refused("bytes in the explorer", lambda: explore(made.maps(), (x * 255).byte()), "divide bytes by 255"),
    refused("photographs of the device meta in the explorer", lambda: explore(made.maps(), x.to("meta")), "on the device meta", "cryptic"),
    right("photographs in double precision for a network in single", lambda: explain_with("rise", made.classifier(), x.double(), 0, masks=40).weights, lambda w: torch.testing.assert_close(w, explain_with("rise", made.classifier(), x, 0, masks=40).weights), "cryptic"),
    # Features.
    refused("whole numbers to group", lambda: group(made.grid().long()), "convert it with .float()"),
    refused("the device meta to group", lambda: group(made.grid().to("meta")), "on a real device", "cryptic"),
    refused("a sparse grid to group", lambda: group(made.grid().to_sparse()), ".to_dense()", "cryptic"),
    refused("8-bit floats to group", lambda: group(made.grid().to(torch.float8_e4m3fn)), "convert it with .float()", "cryptic"),
    refused("a NaN to group", lambda: group(made.grid().index_fill(3, torch.tensor([2]), torch.nan), source="layer4"), "layer4, image 0 of 2"),
    refused("features too large to be squared to group", lambda: group(made.grid() * 1e30), "features beyond 1e18 count as infinite", "wrong"),
    right("a grid of zeros: uniform weights", lambda: group(torch.zeros(1, 5, 4, 6)).weights, lambda w: torch.testing.assert_close(w, torch.full_like(w, 1 / 24))),
    right("denormal features: finite weights that sum to 1", lambda: group(made.grid() * 1e-42).weights.sum((2, 3)), lambda s: torch.testing.assert_close(s, torch.ones_like(s))),
    # Maps.
    refused("maps with the activity of another photograph", lambda: changed(activity=made.maps().activity[:1]), "the activity of ranked maps", "silent"),
    refused("maps with features of another grid", lambda: RankedMaps(made.maps().groups, (32, 48), made.grid(2, 5, 3, 3)), "the features of these maps", "cryptic"),
    refused("maps for photographs of 0 pixels", lambda: RankedMaps(made.maps().groups, (0, 0)), "image_size must be", "cryptic"),
    refused("maps for photographs of half a pixel", lambda: RankedMaps(made.maps().groups, (32.5, 48)), "image_size must be", "cryptic"),  # type: ignore[arg-type]
    refused("maps from a plain tuple", lambda: RankedMaps(tuple(made.maps().groups), (32, 48)), "found a tuple", "cryptic"),  # type: ignore[arg-type]
    right("maps by numpy's whole number: one photograph, with its batch", lambda: made.maps()[np.int64(1)].display_maps(), lambda m: torch.testing.assert_close(m, made.maps().display_maps()[1:]), "wrong"),  # type: ignore[index]
    right("a NaN map: undefined, the others as they were", lambda: changed(weights=nan_map), undefined),
    refused("a NaN map to faithfulness", lambda: faithfulness(made.model(), x, changed(weights=nan_map), steps=4), "the map holds NaN"),
    Row("tensors", "a NaN map in an exported page", lambda folder: to_html(explore(changed(weights=nan_map), x), folder / "out/page.html"), "NaN or infinite"),
    Row("tensors", "a picture with four channels as PNG", lambda folder: save_png(torch.rand(4, 8, 8), folder / "out/a.png"), "expected (3, H, W)"),
    Row("tensors", "a normalised picture as PNG", lambda folder: save_png(normalised[0], folder / "out/a.png"), "expected values in [0, 1]"),
    refused("a numpy array as masks", lambda: energy_inside(made.maps(), np.ones((2, 32, 48), bool)), "torch.from_numpy", "cryptic"),  # type: ignore[arg-type]
    refused("masks of bytes from 0 to 255", lambda: energy_inside(made.maps(), torch.full((2, 32, 48), 255)), "masks > 0"),
    refused("masks of another size", lambda: energy_inside(made.maps(), torch.ones(2, 8, 8) > 0), "H × W = 32 × 48"),
    right("an empty mask: undefined, not a miss", lambda: energy_inside(made.maps(), torch.zeros(2, 32, 48) > 0), lambda e: None if e.isnan().all() else 1 / 0),
    refused("one box without its batch", lambda: box_masks(torch.tensor([1., 2, 3, 4]), (32, 48)), "add the batch dimension", "cryptic"),
    # Tasks and losses.
    refused("lists of photographs to a match", lambda: explain_match(made.model(), [x[0]], [x[1]]), "found a list", "cryptic"),  # type: ignore[arg-type]
    refused("float labels of a support", lambda: prototypes(embeddings, hits.float(), 2), "number the classes", "cryptic"),
    refused("a list as labels of an episode", lambda: explain_episode(made.model(), x, [0, 1], x), "must be a tensor of whole numbers", "cryptic"),  # type: ignore[arg-type]
    refused("queries of another size than the support", lambda: nearest_prototype(embeddings, hits, embeddings[:, :2]), "embed both with one model", "cryptic"),
    refused("NaN embeddings to few-shot accuracy", lambda: episode_accuracy(embeddings * torch.nan, hits, 2, 1, 1, 5), "would count as chance", "silent"),
    refused("NaN embeddings to retrieval", lambda: retrieve(embeddings * torch.nan, embeddings, hits, hits, hits * 0, hits * 0 + 1), "query embeddings hold NaN"),
    refused("a triplet loss with a margin that is NaN", lambda: triplet_loss(embeddings, hits, torch.nan), "margin must be", "silent"),
    refused("a class of −100 to the distillation loss", lambda: distillation_loss(logits, logits, torch.tensor([0, -100])), "classes 0 to 3", "silent"),
    refused("a class out of range to the distillation loss", lambda: distillation_loss(logits, logits, torch.tensor([0, 9])), "classes 0 to 3", "cryptic"),
    refused("logits without their batch to the distillation loss", lambda: distillation_loss(logits[0], logits[0], torch.tensor([0])), "expected logits (B, K)", "cryptic"),
    refused("no embedding to the embedding loss", lambda: embedding_loss(embeddings[:0], embeddings[:0]), "embeddings (B, E)", "silent"),
]
