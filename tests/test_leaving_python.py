"""What leaves Python says the same: every output, on photographs of numbers and sizes that were not recorded, with and without ties; and in a browser."""
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from brnpa_nb.backbones import create_backbone
from brnpa_nb.checkpoints import weights_checksum
from brnpa_nb.data.birds import Birds
from brnpa_nb.demo import shipped
from brnpa_nb.leaving_python import CUSTOMARY, OUTPUTS, OnnxFile, close_calls, differences, export_model, export_program, read_facts, size_taken
from brnpa_nb.models import create_model
from tests.build import ROOT
from tests.real import DATA, needs

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install 'brnpa_nb[onnx]')")
logging.disable(logging.DEBUG)     # torch explains its graphs at length to whoever listens, and pytest does
SMALL = {"network_args": {"channels": (8, 16, 24, 32)}}


def birds(n: int, h: int, w: int) -> torch.Tensor:
    "Drawn birds, resized."
    found = torch.stack([Birds(n, "valid", seed=2)[i][0] for i in range(n)])
    return nn.functional.interpolate(found, (h, w), mode="bilinear", antialias=True).clamp(0, 1)


def noise(*shape: int) -> torch.Tensor: return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def ties(h: int, w: int) -> torch.Tensor:
    "One colour, black, white, half of a bird, stripes: equal positions everywhere."
    flat, half = torch.full((1, 3, h, w), .5), birds(1, h, w)
    half[..., w // 2:] = .5
    stripes = torch.arange(w).fmod(32).div(32).expand(1, 3, h, w)
    return torch.cat([flat, 0 * flat, 2 * flat, half, stripes])


def expected(model, images: torch.Tensor) -> dict[str, torch.Tensor]:
    "What the model says through its own doors, under the names of the file."
    maps = model.explain(images)
    with torch.no_grad():
        was = {m: m.training for m in model.modules()}
        model.eval()
        found = {"logits": model(images), "embedding": model.embed(images), "maps": maps.display_maps(), **maps.groups._asdict(), "features": maps.features}
        for m, mode in was.items(): m.training = mode
    return found


def agree(model, run, batches, close: int = 0) -> None:
    "Everything equal to 1e-4 and seeds equal, on all but `close` photographs with a close call."
    left = 0
    for images in batches:
        here, there = expected(model, images), run(images)
        clear = ~close_calls(here, model.config.signed)
        left += int((~clear).sum())
        if not clear.any(): continue
        apart = differences({k: here[k][clear] for k in there}, {k: t[clear] for k, t in there.items()})
        assert apart["seeds"] == 0 and max(apart.values()) <= 1e-4, (tuple(images.shape), apart)
    assert left <= close, f"{left} photographs with a close call"


def test_a_shipped_model(tmp_path):
    "The finer one; the table of the notebook has all six."
    model = shipped("birds_high")
    path = export_model(model, tmp_path / "a.onnx")
    file = OnnxFile(path)
    assert file.facts["image_size"] == "any" and file.facts["classes"] == model.classes and file.facts["output_stride"] == model.output_stride
    agree(model, file, [birds(1, 96, 96), birds(7, 96, 96), birds(2, 64, 160), birds(3, 131, 70), noise(4, 3, 96, 128), ties(96, 96), ties(64, 96)], close=2)


NETWORKS = {
    "vit": lambda: create_model("vit_tiny_patch16_224", 5, image_size=64, network_args={"depth": 2, "embed_dim": 48, "num_heads": 3}),
    "bilinear attention": lambda: create_model("resnet10t", 5, pooling="bcnn", output_stride=8, **SMALL),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_other_networks_in_onnxruntime(name, tmp_path):
    torch.manual_seed(0)
    model = NETWORKS[name]()
    file = OnnxFile(export_model(model, tmp_path / "a.onnx", outputs=tuple(OUTPUTS)))
    sizes = [(64, 64)] if name == "vit" else [(64, 64), (96, 160), (70, 131)]
    assert (file.facts["image_size"] == [64, 64]) == (name == "vit")
    agree(model, file, [x for size in sizes for x in (birds(1, *size), birds(5, *size))], close=6)
    if name == "vit":
        with pytest.raises(ValueError, match="64 × 64"): file(noise(1, 3, 96, 96))


class Mine(nn.Module):
    def __init__(self): super().__init__(); self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 9, 3, 2, 1), nn.ReLU())
    def forward(self, x): return self.body(x)


class Peeks(Mine):
    def forward(self, x): return self.body(x) * (2 if float(x.sum()) > 0 else 1)


PROGRAMS = {
    "average": lambda: create_model("resnet10t", 5, pooling="average", **SMALL),
    "as in the paper": lambda: create_model("resnet10t", 5, signed="plain", refine=False, output_stride=8, resolution="stride", **SMALL),
    "sum and neck": lambda: create_model("resnet10t", 5, combine="sum", neck=True, output_stride=8, **SMALL),
    "a middle layer": lambda: create_model(create_backbone("resnet10t", layer="layer3", image_size=64, channels=(8, 16, 24, 32)), 5),
    "a module of one's own": lambda: create_model(create_backbone(Mine()), 5),
    "a fixed size": lambda: create_model("resnet10t", 5, output_stride=8, **SMALL),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_saved_programs(name, tmp_path):
    torch.manual_seed(0)
    model = PROGRAMS[name]()
    size = (96, 64) if name == "a fixed size" else None
    saved = torch.export.load(export_model(model, tmp_path / "a.pt2", size))
    assert size_taken(saved) == size
    sizes = [size] if size else [(64, 64), (96, 160), (70, 131)]
    batches = [x for s in sizes for x in (birds(1, *s), birds(4, *s), ties(*s))]
    agree(model, saved.module(), batches, close=10)
    assert read_facts(tmp_path / "a.pt2")["image_size"] == (list(size) if size else "any")


def test_a_program_that_was_not_saved():
    model = shipped("birds_low")
    run = export_program(model, outputs=("seeds", "logits")).module()
    assert list(run(noise(1, 3, 96, 96))) == ["seeds", "logits"]
    agree(model, run, [birds(1, 96, 96), birds(3, 64, 160), ties(96, 64)], close=2)


def test_the_model_is_left_as_found(tmp_path):
    model = create_model("resnet10t", 5, dropout=.5, neck=True, **SMALL).double()
    model.backbone.network.layer1.eval()
    model.head.weight.requires_grad_(False)
    def state(): return [m.training for m in model.modules()], [(p.requires_grad, p.grad) for p in model.parameters()], weights_checksum(model), torch.get_rng_state().tolist(), [len(m._forward_hooks) for m in model.modules()]
    before = state()
    export_model(model, tmp_path / "a.pt2")
    assert state() == before


def test_mistakes_are_one_sentence(tmp_path):
    model = create_model(create_backbone(Mine()), 3)
    with pytest.raises(ValueError, match="Peeks cannot be exported .* must not depend on the photograph's values"): export_program(create_model(create_backbone(Peeks()), 3))
    with pytest.raises(ValueError, match="it takes"): export_program(NETWORKS["vit"](), image_size=70)
    with pytest.raises(ValueError, match=r"\.onnx or \.pt2"): export_model(model, tmp_path / "a.pth")
    code = f"import sys; sys.modules['onnxscript'] = None; from brnpa_nb.cli import main; sys.exit(main(['export', 'birds_low', '--out', {str(tmp_path / 'a.onnx')!r}]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'brnpa_nb[onnx]'" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_too_large_for_onnx(tmp_path, monkeypatch):
    monkeypatch.setattr("brnpa_nb.leaving_python.LARGEST", 100)
    with pytest.raises(ValueError, match="less than 2 GiB; write a .pt2 file"): export_model(create_model(create_backbone(Mine()), 3), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@needs("weights", "resnet18_in1k.safetensors")
def test_trained_resnet18(tmp_path):
    model = create_model("resnet18", None, output_stride=8, weights=DATA / "weights/resnet18_in1k.safetensors")
    agree(model, OnnxFile(export_model(model, tmp_path / "a.onnx")), [birds(2, 224, 224), birds(1, 160, 256), ties(128, 160)], close=2)


ORT = Path(os.environ.get("BRNPA_ORT_WEB", "nowhere"))


@pytest.mark.skipif(not (ORT / "dist/ort.wasm.min.js").exists(), reason="no onnxruntime-web (npm pack onnxruntime-web, unpack, set BRNPA_ORT_WEB to its folder `package`)")
@pytest.mark.parametrize("name", ("birds_low", "birds_high"))
def test_browser_draws_the_same_maps(name, tmp_path):
    from brnpa_nb.views.figures import save_png
    from tests.browser import chromium

    model, photo = shipped(name), (birds(1, 96, 96)[0] * 255).round() / 255
    for file in ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"): shutil.copy(ORT / "dist" / file, tmp_path)
    shutil.copy(ROOT / "tests/leaving_python.html", tmp_path / "index.html")
    save_png(photo, tmp_path / "photo.png")
    export_model(model, tmp_path / "model.onnx")
    (tmp_path / "classes.json").write_text(json.dumps(model.classes))
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with chromium() as browser:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.wait_for_function("() => window.found", timeout=60_000)
            found, said = page.evaluate("window.found"), page.inner_text("#said")
            drawn = page.evaluate("() => { const c = document.getElementById('rank1'); return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }")
            if folder := os.environ.get("BRNPA_KEEP_PICTURES"): page.screenshot(path=Path(folder) / f"leaving_{name}.png")
    finally: server.shutdown()
    assert "error" not in found, found
    here = {k: t for k, t in expected(model, photo[None]).items() if k in CUSTOMARY}
    there = {k: torch.tensor(v["data"], dtype=here[k].dtype).view(v["dims"]) for k, v in found.items()}
    apart = differences(here, there)
    assert apart["seeds"] == 0 and max(apart.values()) <= 1e-4, apart
    assert said == model.classes[int(here["logits"].argmax())]
    assert (torch.tensor(drawn).view(-1, 4)[:, 0] / 255 - here["maps"][0, 0].flatten()).abs().max() <= 1 / 255
