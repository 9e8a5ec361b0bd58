"""Bad input: models."""
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brnpa_nb.backbones import create_backbone
from brnpa_nb.evidence.complexity import gini
from brnpa_nb.evidence.explainers import explain_with
from brnpa_nb.evidence.faithfulness import faithfulness
from brnpa_nb.evidence.localisation import ehr, energy_inside, peaks
from brnpa_nb.evidence.sanity import randomisation_test
from brnpa_nb.models import AttentionModel, create_model, explain, load_model, save_model
from brnpa_nb.ranking import contributions
from brnpa_nb.tasks.classification import explain_class, score_classification
from brnpa_nb.tasks.reid import explain_match
from brnpa_nb.views.figures import ranked_sheet
from tests.bad_input import First, Row
from tests.bad_input import networks as made
from tests.bad_input.tensors import Pictures
from tests.leftovers import state

x = made.photographs()


def refused(name: str, do: Callable[[], Any], says: str, first: First = "right") -> Row: return Row("models", name, lambda folder: do(), says, first=first)


def right(name: str, do: Callable[[], Any], first: First = "right") -> Row:
    "`do` asserts by itself."
    return Row("models", name, lambda folder: do(), check=lambda _: None, first=first)


class Around(nn.Module):
    "A network, and something done with what it gives."
    def __init__(self, net: nn.Module, f: Callable[[Tensor], Any]):
        super().__init__()
        self.net, self.f = net, f
    def forward(self, x: Tensor) -> Any: return self.f(self.net(x))


class TwoArguments(nn.Module):
    def __init__(self) -> None: super().__init__(); self.net = made.Convolutions()
    def forward(self, x: Tensor, y: Tensor) -> Tensor: return self.net(x + y)


class Resizing(nn.Module):
    "Brings every photograph to one size first, so that the grid is square whatever comes in."
    def __init__(self) -> None: super().__init__(); self.net = made.Convolutions()
    def forward(self, x: Tensor) -> Tensor: return self.net(F.interpolate(x, (64, 64)))


class Bending(nn.Linear):
    "A linear layer that is none."
    def forward(self, x: Tensor) -> Tensor: return super().forward(F.normalize(x, dim=1))


@dataclass
class Output:
    logits: Tensor


def backbone(net: Any, **how: Any) -> AttentionModel: return create_model(create_backbone(net, image_size=64, **how), made.CLASSES, output_stride=None).eval()


def grids(name: str, f: Callable[[Tensor], Any], says: str, first: First = "right") -> Row: return refused(f"a backbone whose output is {name}", lambda: explain(backbone(Around(made.Convolutions(), f)), x), says, first)


def answers(name: str, f: Callable[[Tensor], Any], says: str, first: First = "right", explainer: str = "rise") -> Row:
    how: dict[str, Any] = {"masks": 30} if explainer == "rise" else {"layer": "net.0"}
    return refused(f"a network whose answer is {name}, to {explainer}", lambda: explain_with(explainer, Around(made.classifier(), f), x, **how), says, first)


def exact(model: Any, images: Tensor = x, tolerance: float = 1e-5) -> None:
    "Contributions sum to the logits."
    decided, bare = explain_class(model, images), explain(model, images)
    torch.testing.assert_close(decided.for_winner.score.float(), decided.scores.amax(1).float(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(bare.weights.sum((2, 3)).float(), torch.ones(bare.weights.shape[:2]), rtol=1e-3, atol=1e-3)


def same_maps(model: Any, tolerance: float = 1e-6) -> None: torch.testing.assert_close(explain(model, x).weights.float(), explain(made.model(), x).weights, rtol=0, atol=tolerance)


def same_slopes(model: Any, names: tuple[str, ...] = ("saliency", "gradcam"), around: Callable[[], AbstractContextManager] = nullcontext, reference: Any = None) -> None:
    for name in names:
        with around(): found = explain_with(name, model, x, 1)
        torch.testing.assert_close(found.weights, explain_with(name, reference or made.model(), x, 1).weights)


def in_train_mode() -> None:
    "Neither dropout nor batch statistics show in the answer, and nothing is left changed."
    model = made.model().train()
    model.backbone.network.body[1].eval()                                # a mixture of modes
    before = state(model, x)
    same_maps(model); exact(model); same_slopes(model); faithfulness(model, x, made.model().explain(x), steps=2)
    assert state(model, x) == before


def shared() -> None:
    "One network in two backbones, one of them in train mode: each answers as if alone."
    net = made.Convolutions().eval()
    one, two = (create_model(create_backbone(net, image_size=64), 4, n_maps=n, output_stride=None) for n in (2, 3))
    alone = explain(one.eval(), x).weights
    two.train(); explain(two, x)
    torch.testing.assert_close(explain(one, x).weights, alone)
    assert one.backbone.network is net and two.backbone.network is net


def hooked() -> None:
    "Hooks of the user's run, and are still there afterwards."
    model, ran = made.model(), []
    handle = model.backbone.register_forward_hook(lambda *_: ran.append(1))
    same_maps(model); same_slopes(model)
    assert len(ran) >= 3 and len(model.backbone._forward_hooks) == 1
    handle.remove()


def under_inference_mode() -> None:
    "Maps made there take part in gradients later."
    model = made.model()
    with torch.inference_mode(): maps = explain(model, x)
    contributions(maps, model.head, 0).sum().backward()
    assert model.head.weight.grad is not None


def autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16): maps = explain(made.model(), x); exact(made.model(), tolerance=1e-3); found = contributions(made.maps(), nn.Linear(15, 4), 0).dtype
    assert maps.weights.dtype == torch.float32 and found == torch.float32
    head, plain = nn.Linear(15, 4), made.maps()
    with torch.autocast("cpu", torch.bfloat16): rounded = contributions(plain, head, 0)
    torch.testing.assert_close(rounded, contributions(plain, head, 0), rtol=0, atol=0)


@contextmanager
def default(dtype: torch.dtype | None = None, device: str | None = None) -> Any:
    before = torch.get_default_dtype()
    try:
        if dtype: torch.set_default_dtype(dtype)
        if device: torch.set_default_device(device)
        yield
    finally: torch.set_default_dtype(before); torch.set_default_device(None)


def in_other_defaults(**how: Any) -> None:
    "Numbers and pictures of maps that are there do not ask for the process's default type or device."
    def numbers() -> list[Tensor]:
        maps, model = made.maps(), made.model()
        masks = torch.ones(2, 32, 48, dtype=torch.bool, device="cpu")
        ranked_sheet(x, maps.display_maps())
        return [maps.composite(x), maps.match(maps).similarity, energy_inside(maps, masks), ehr(maps, masks), gini(maps), peaks(maps), explain(model, x).weights, explain_class(model, x).for_winner.score,
                faithfulness(model, x, model.explain(x), steps=3).values["DAUC"], explain_with("random", model, x).weights, explain_with("rise", model, x, masks=30).weights]
    made.maps(), made.model(), made.classifier()
    plain = numbers()
    with default(**how): odd = numbers()
    for one, two in zip(odd, plain): torch.testing.assert_close(one, two)


def compiled_part() -> AttentionModel:
    model = made.named()
    model.backbone.network.layer2 = torch.compile(model.backbone.network.layer2, backend="eager")
    return model


def saved_and_loaded(model: nn.Module, folder: Any) -> None:
    photographs = made.photographs(2, 64, 64)
    found = load_model(save_model(model, folder / "out/model.safetensors"))  # type: ignore[arg-type]
    torch.testing.assert_close(found(photographs), made.named()(photographs))


def nan_head() -> AttentionModel:
    model = made.model()
    with torch.no_grad(): model.head.weight.fill_(torch.nan)
    return model


def quantised(model: nn.Module) -> nn.Module: return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def bent(head: nn.Module) -> Callable[[], Tensor]: return lambda: contributions(made.maps(), head, 0)


def tokens(prefix: int, stated: bool) -> None:
    net = made.Tokens(prefix, stated=stated).eval()
    want = F.relu(net.patches(x))
    torch.testing.assert_close(backbone(net).backbone(x), want)


def registers() -> None:
    "A ViT of timm with a class token and four registers: the grid is the patches, and contributions are exact."
    model = create_model("vit_small_patch14_reg4_dinov2", 4, output_stride=None, image_size=56, network_args={"depth": 1, "embed_dim": 48, "num_heads": 3})
    assert model.backbone.network.num_prefix_tokens == 5
    exact(model.eval(), made.photographs(2, 56, 56), 1e-4)
    assert explain(model, made.photographs(2, 56, 56)).grid == (4, 4)


ROWS: list[Row] = [
    # What a backbone gives.
    grids("a tuple", lambda o: (o, o), "but a tuple; name a layer that does with layer=, for instance 'net'"),
    grids("a dict", lambda o: {"features": o}, "but a dict"),
    grids("a list", lambda o: [o], "but a list"),
    grids("a dataclass", lambda o: Output(o), "but a Output"),
    grids("averaged: no spatial layer", lambda o: o.mean((2, 3)), "gives no feature grid"),
    grids("of rank 5", lambda o: o[..., None], "gives no feature grid"),
    grids("the grid of the first photograph only", lambda o: o[:1], "gave the grids of 1 photographs for 2", "silent"),
    grids("whole numbers", lambda o: (o * 10).long(), "floating-point"),
    grids("NaN", lambda o: o * torch.nan, "NaN or infinite features in layer 'net'"),
    right("a backbone with channels last", lambda: exact(backbone(Around(made.Convolutions(), lambda o: o.permute(0, 2, 3, 1))))),
    right("a backbone whose output is zero", lambda: exact(backbone(Around(made.Convolutions(), lambda o: o * 0)))),
    right("a backbone whose output is negative", lambda: exact(backbone(Around(made.Convolutions(), lambda o: -o)))),
    right("a backbone that cuts its gradient off", lambda: exact(backbone(Around(made.Convolutions(), Tensor.detach)))),
    refused("a backbone with two arguments", lambda: backbone(TwoArguments()), "missing 1 required positional argument"),
    right("a backbone that resizes", lambda: exact(backbone(Resizing().eval()))),
    right("a backbone that is an nn.Sequential", lambda: exact(backbone(nn.Sequential(made.Convolutions())))),
    right("a backbone that is frozen", lambda: exact(backbone(made.Convolutions().requires_grad_(False)))),
    right("a backbone that is compiled", lambda: exact(backbone(torch.compile(made.Convolutions().eval(), backend="eager")))),
    right("a backbone in DataParallel", lambda: exact(backbone(nn.DataParallel(made.Convolutions())))),
    right("a backbone that is traced", lambda: exact(backbone(torch.jit.trace(made.Convolutions().eval(), x)))),
    right("a backbone in half precision", lambda: exact(backbone(made.Convolutions().eval().half()), tolerance=2e-3), "cryptic"),
    right("a backbone in double precision", lambda: exact(backbone(made.Convolutions().eval().double()), tolerance=1e-6), "cryptic"),
    refused("a backbone on the device meta", lambda: backbone(made.Convolutions().to("meta")), "device meta, where tensors have no values", "cryptic"),
    refused("a function as a backbone", lambda: backbone(lambda x: x), "found a function; pass the network itself", "cryptic"),
    refused("a class as a backbone", lambda: backbone(made.Convolutions), "found a type", "cryptic"),
    refused("nothing as a backbone", lambda: backbone(None), "found a NoneType", "cryptic"),
    refused("a network as the backbone of create_model", lambda: create_model(made.Convolutions(), 4), "create_backbone(module)", "cryptic"),  # type: ignore[arg-type]
    right("tokens alone", lambda: tokens(0, False)),
    right("tokens behind a class token that nobody states", lambda: tokens(1, False)),
    right("tokens behind five prefix tokens, stated", lambda: tokens(5, True)),
    refused("tokens that fill no grid", lambda: backbone(Around(made.Tokens(), lambda o: o[:, :61])), "gives no feature grid"),
    right("a ViT with a class token and registers", registers),
    # What a network answers.
    *(answers(name, f, "must give float logits (", first) for name, f, first in (
        ("a tuple", lambda o: (o, o), "right"), ("a dict", lambda o: {"logits": o}, "right"), ("a list", lambda o: [o], "right"), ("a dataclass", Output, "right"), ("whole numbers", lambda o: o.long(), "silent"),
        ("bool", lambda o: o > 0, "cryptic"), ("complex", lambda o: o.to(torch.complex64), "cryptic"), ("without classes", lambda o: o[:, :0], "cryptic"), ("of the first photograph only", lambda o: o[:1], "right"))),  # type: ignore[misc]
    answers("NaN", lambda o: o * torch.nan, "gives NaN or infinite logits"),
    answers("cut off from its gradient", Tensor.detach, "take an explainer that needs answers only", "cryptic", "gradcam"),
    refused("complex answers to faithfulness", lambda: faithfulness(Around(made.classifier(), lambda o: o.to(torch.complex64)), x, made.maps(), steps=3), "must give", "silent"),
    refused("a network that cannot take this size, to an explainer", lambda: explain_with("rise", made.classifier(), x[..., :3, :3], masks=30), "cannot take photographs of shape", "cryptic"),
    # States of a model of ours.
    right("a model in train mode, part of it", in_train_mode),
    right("a frozen model", lambda: (same_maps(made.model().requires_grad_(False)), same_slopes(made.model().requires_grad_(False)))),
    right("a compiled model", lambda: (same_maps(torch.compile(made.model(), backend="eager")), same_slopes(torch.compile(made.model(), backend="eager")))),
    right("a model in half precision", lambda: (same_maps(made.model().half(), 2e-3), exact(made.model().half(), tolerance=2e-3))),
    right("a model in bfloat16", lambda: (same_maps(made.model().bfloat16(), .05), exact(made.model().bfloat16(), tolerance=2e-2))),
    right("a model in DataParallel", lambda: (same_maps(nn.DataParallel(made.model())), exact(nn.DataParallel(made.model())), same_slopes(nn.DataParallel(made.model()))), "cryptic"),
    right("a quantised head: the maps as they were", lambda: same_maps(quantised(made.model()))),
    refused("a quantised head, for contributions", lambda: explain_class(quantised(made.model()), x), "exact for one linear layer only"),  # type: ignore[arg-type]
    refused("a quantised network to the randomisation test", lambda: randomisation_test(quantised(made.classifier()), x, None, lambda m, i, t: explain_with("rise", m, i, t, masks=30)), "quantised", "silent"),
    refused("a foreign network to explain", lambda: explain(made.classifier(), x), "found a Sequential", "cryptic"),  # type: ignore[arg-type]
    refused("a foreign network to explain_class", lambda: explain_class(made.classifier(), x), "found a Sequential", "cryptic"),  # type: ignore[arg-type]
    refused("a foreign network to explain_match", lambda: explain_match(made.classifier(), x, x), "found a Sequential", "cryptic"),  # type: ignore[arg-type]
    refused("no model at all", lambda: explain(None, x), "found a NoneType", "cryptic"),  # type: ignore[arg-type]
    Row("models", "a foreign network to save", lambda folder: save_model(made.classifier(), folder / "out/m.safetensors"), "found a Sequential", first="cryptic"),  # type: ignore[arg-type]
    Row("models", "a compiled model, saved and loaded", lambda folder: saved_and_loaded(torch.compile(made.named(), backend="eager"), folder), check=lambda _: None, first="wrong"),  # type: ignore[arg-type]
    Row("models", "a model with a compiled part, saved and loaded", lambda folder: saved_and_loaded(compiled_part(), folder), check=lambda _: None, first="wrong"),
    Row("models", "a model in DataParallel, saved and loaded", lambda folder: saved_and_loaded(nn.DataParallel(made.named()), folder), check=lambda _: None, first="cryptic"),
    refused("a model of one class has no runner-up", lambda: explain_class(create_model(create_backbone(made.Convolutions(), image_size=64), 1, output_stride=None), x), "no runner-up"),
    refused("a head of NaN to explain_class", lambda: explain_class(nan_head(), x), "NaN logits", "silent"),
    refused("a head of NaN to contributions of the predicted class", lambda: explain(nan_head(), x).contributions(nan_head().head, lambda logits: logits.argmax(1)), "the logits hold NaN", "silent"),
    refused("a head of NaN to an accuracy", lambda: score_classification(nan_head(), Pictures(x)), "gives NaN for 2 of 2 pictures", "silent"),
    refused("a head of NaN to faithfulness", lambda: faithfulness(nan_head(), x, made.model().explain(x)), "NaN logits"),
    right("a network in two wrappers", shared),
    right("hooks of the user's", hooked),
    right("gradients asked for under no_grad", lambda: same_slopes(made.model(), around=torch.no_grad)),
    right("gradients asked for under inference_mode", lambda: same_slopes(made.model(), around=torch.inference_mode)),
    right("maps made under inference_mode, a gradient later", under_inference_mode, "cryptic"),
    right("autocast around everything", autocast, "wrong"),
    right("double precision as the default type", lambda: in_other_defaults(dtype=torch.float64), "cryptic"),
    right("the device meta as the default device", lambda: in_other_defaults(device="meta"), "cryptic"),
    # Heads.
    refused("a head with a ReLU before it", bent(nn.Sequential(nn.ReLU(), nn.Linear(15, 4))), "does something else besides", "silent"),
    refused("a head with a softmax behind it", bent(nn.Sequential(nn.Linear(15, 4), nn.Softmax(1))), "does something else besides", "silent"),
    refused("a head that normalises", bent(Bending(15, 4)), "does something else besides", "silent"),
    refused("a head of two layers", bent(nn.Sequential(nn.Linear(15, 4), nn.Linear(4, 2))), "found 2"),
    refused("a head that is a tensor", bent(torch.rand(4, 15)), "found a Tensor", "cryptic"),  # type: ignore[arg-type]
    refused("a head on the device meta", bent(nn.Linear(15, 4, device="meta")), "on the device meta", "cryptic"),
    right("a head behind dropout, in train mode", lambda: torch.testing.assert_close(bent(nn.Sequential(nn.Dropout(.5), (head := nn.Linear(15, 4))).train())(), bent(head)())),
    right("a head with weight normalisation", lambda: bent(torch.nn.utils.parametrizations.weight_norm(nn.Linear(15, 4)))()),
]
