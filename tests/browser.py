"""A real Chromium for the tests, found in this order: Playwright's own, `chromium`, `google-chrome`."""
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"]


def missing(what: str) -> NoReturn:
    "Skip, saying so; fail where the environment insists on a browser (BRNPA_REQUIRE_BROWSER=1)."
    if os.environ.get("BRNPA_REQUIRE_BROWSER") == "1": pytest.fail(f"{what}, and BRNPA_REQUIRE_BROWSER=1 asks for it", pytrace=False)
    pytest.skip(what, allow_module_level=True)


@contextmanager
def chromium() -> Iterator:
    "A running browser."
    try: from playwright.sync_api import sync_playwright
    except ImportError: missing("playwright is not installed (pip install playwright)")
    with sync_playwright() as p:
        own = Path(p.chromium.executable_path)
        path = str(own) if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if path is None: missing("no browser found: neither Playwright's own, nor chromium, nor google-chrome (apt-get install chromium)")
        browser = p.chromium.launch(executable_path=path, args=FLAGS)
        try: yield browser
        finally: browser.close()


def complaints(page) -> list[str]:
    "Errors and warnings of a page, gathered as they come."
    found: list[str] = []
    page.on("console", lambda m: found.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: found.append(str(e)))
    return found


@contextmanager
def server(command: list[str], folder: Path, ready: str, home: Path) -> Iterator[str]:
    "A Jupyter server on a free port of this machine; gives its address, ends with the block."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = dict(os.environ, HOME=str(home), JUPYTER_CONFIG_DIR=str(home / "config"), JUPYTER_DATA_DIR=str(home / "data"), JUPYTER_RUNTIME_DIR=str(home / "runtime"),
               JUPYTER_PREFER_ENV_PATH="1", PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]), OMP_NUM_THREADS="1")
    log = (home / "server.log").open("wb")
    process = subprocess.Popen([sys.executable, "-m", *command, f"--port={port}"], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(480):
            if process.poll() is not None: raise RuntimeError(f"the server ended: {(home / 'server.log').read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(address + ready, timeout=5): break
            except urllib.error.HTTPError: break                        # it answers
            except OSError: time.sleep(.25)
        else: raise RuntimeError(f"the server did not answer within two minutes: {(home / 'server.log').read_text()[-2000:]}")
        yield address
    finally:
        process.terminate()
        try: process.wait(10)
        except subprocess.TimeoutExpired: process.kill()
        log.close()


def lab(folder: Path, home: Path):
    "JupyterLab without token, news and autosave, for notebooks in `folder`."
    settings = home / "data/lab/settings"
    settings.mkdir(parents=True, exist_ok=True)
    overrides = '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}, "@jupyterlab/docmanager-extension:plugin": {"autosave": false}}'
    (home / "config/lab/user-settings/@jupyterlab/apputils-extension").mkdir(parents=True, exist_ok=True)
    (home / "config/lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (home / "config/lab/user-settings/@jupyterlab/docmanager-extension").mkdir(parents=True, exist_ok=True)
    (home / "config/lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings").write_text('{"autosave": false}')
    (settings / "overrides.json").write_text(overrides)
    return server(["jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=", "--ServerApp.password=",
                   "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"], folder, "/api", home)


def run_notebook(page, address: str, name: str, widgets: int = 1) -> None:
    "Open a notebook in Lab, run all its cells and wait until `widgets` explorers have drawn."
    page.goto(f"{address}/doc/tree/{name}?reset", timeout=120_000)
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'", timeout=120_000)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"() => document.querySelectorAll('.brnpa-stage[data-drawn]').length >= {widgets}", timeout=120_000)


def run_code(page, code: str) -> None:
    "Run code in the open notebook's kernel and wait for its end; an error there is an error here."
    found = page.evaluate("""async (code) => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        const reply = await kernel.requestExecute({ code }).done;
        return reply.content.status === 'ok' ? null : reply.content.evalue;
    }""", code)
    if found is not None: raise RuntimeError(found)
