"""Loading by a Hub name, against a small server of our own that answers as the Hub does."""
import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from brnpa_nb.models import create_model
from tests.build import ROOT


@pytest.fixture
def hub(tmp_path):
    "A server that holds one repository, `someone/birds`."
    folder = create_model("resnet10t", 3, network_args={"channels": (8, 8, 8, 8)}).save(tmp_path / "repo")
    data = (folder / "model.safetensors").read_bytes()
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self): self._answer(False)
        def do_GET(self): self._answer(True)
        def log_message(self, *args): pass
        def _answer(self, body):
            asked.append(self.path)
            if self.path != "/someone/birds/resolve/main/model.safetensors":
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            for k, v in (("Content-Length", str(len(data))), ("ETag", f'"{hashlib.sha256(data).hexdigest()}"'), ("X-Repo-Commit", "0" * 40)): self.send_header(k, v)
            self.end_headers()
            if body: self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def _load(name, endpoint, home):
    code = f"from brnpa_nb.models import load_model; m = load_model({name!r}); print(m.config.n_classes, m.weights_from)"
    env = {k: v for k, v in os.environ.items() if k.lower() not in ("http_proxy", "https_proxy", "all_proxy", "hf_hub_offline")} | {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)


def test_load_by_name(hub, tmp_path):
    done = _load("someone/birds", hub[0], tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 model.safetensors sha256 ")
    assert hub[1], "nothing was asked of the server"


def test_an_unknown_name_is_one_sentence(hub, tmp_path):
    done = _load("someone/else", hub[0], tmp_path / "home")
    assert done.returncode != 0 and "FileNotFoundError: no model 'someone/else'" in done.stderr.strip().splitlines()[-1]
