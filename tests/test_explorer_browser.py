"""The explorer in a real browser: the exported page from disk, JupyterLab with a real kernel, Voilà."""
import base64
import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from brnpa_nb.grouping import group
from brnpa_nb.ranking import RankedMaps, from_maps
from brnpa_nb.views.explorer import explore
from brnpa_nb.views.export import to_html
from brnpa_nb.views.frames import Setting, frame
from tests.browser import ROOT, chromium, complaints, lab, run_code, run_notebook, server

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=1'>\"' onmouseover=window.hacked=1 \u2028"


def example(n=3, size=336, grid=28, n_maps=3):
    "Photographs of three coloured discs, and features that know the discs; nothing is fetched."
    g = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    at = torch.rand(n, 3, 2, generator=g) * .7 + .15
    discs = ((x - at[..., 0, None, None]) ** 2 + (y - at[..., 1, None, None]) ** 2 < .02).float()
    photos = (.25 + .5 * x * torch.tensor([.8, 1., .6])[:, None, None] + .3 * discs).clamp(0, 1)
    features = adaptive_avg_pool2d(discs, grid) * torch.tensor([3., 2., 1.])[:, None, None]
    features = torch.cat([features + .2 * torch.rand(features.shape, generator=g), .3 * torch.rand(n, 3, grid, grid, generator=g)], 1)
    torch.manual_seed(0)
    return RankedMaps(group(features, n_maps), (size, size), features), photos, nn.Linear(n_maps * 6, 5)


def canvas(page, i=0) -> np.ndarray:
    "What the i-th explorer's canvas holds, (H, W, 3) in 0 … 255."
    url = page.evaluate("i => document.querySelectorAll('.brnpa-stage canvas')[i].toDataURL('image/png')", i)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")).astype(float)


def check(page, view, i=0, tolerance=3, **setting):
    "The canvas shows what NumPy says: every pixel within `tolerance` grey levels, but for the few where JPEG decoders differ."
    expected = 255 * frame(view.packet, Setting(**setting))
    found = canvas(page, i)
    assert found.shape == expected.shape
    off = np.abs(found - expected).max(-1)
    assert off.mean() < 1.5 and (off > tolerance).mean() < .01, (setting, off.mean(), off.max(), (off > tolerance).mean())


def changed(page, act, i=0):
    "Do something and wait until the canvas has been drawn again."
    before = page.evaluate("i => document.querySelectorAll('.brnpa-stage')[i].dataset.drawn", i)
    act()
    page.wait_for_function("([i, n]) => document.querySelectorAll('.brnpa-stage')[i].dataset.drawn !== n", arg=[i, before], timeout=30_000)


pytestmark = pytest.mark.xdist_group("browser")           # one browser for all of them


@pytest.fixture(scope="module")
def browser():
    with chromium() as b: yield b


@pytest.fixture
def opened(browser, tmp_path):
    "Open a page from disk, offline; afterwards there must have been no error and no request but for the page."
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 900})
    page, requests = context.new_page(), []
    trouble = complaints(page)
    page.on("request", lambda r: requests.append(r.url))

    def open_(views, **how):
        path = to_html(views, tmp_path / "page.html", **how)
        page.goto(path.as_uri())
        page.wait_for_function("() => [...document.querySelectorAll('.brnpa-stage')].every(s => s.dataset.drawn)", timeout=60_000)
        return page

    yield open_
    assert trouble == [] and len(requests) == 1 and requests[0].startswith("file:"), (trouble, requests)
    context.close()


def press(page, name, key, times=1):
    page.locator(f"input[name={name}]").first.focus()
    for _ in range(times): page.keyboard.press(key)


def test_every_control_shows_what_numpy_says(opened):
    maps, photos, head = example()
    view = explore(maps, photos, head, ["a", "b", "c", "d", "e"])
    page = opened(view)
    check(page, view)
    for rank in (1, 2, 3):
        changed(page, lambda: press(page, "rank", "ArrowRight"))
        check(page, view, rank=rank)
    for name in ("weights", "similarity", "contribution"):
        changed(page, lambda name=name: page.locator("select[name=show]").select_option(name))
        check(page, view, rank=3, show=name)
    changed(page, lambda: press(page, "rank", "Home"))
    check(page, view, show="contribution")
    second = view.packet["classes"][1]["index"]
    changed(page, lambda: page.locator("select[name=target]").select_option(str(second)))
    check(page, view, show="contribution", target=second)
    changed(page, lambda: press(page, "threshold", "ArrowRight", 4))
    check(page, view, show="contribution", target=second, threshold=.2)
    changed(page, lambda: page.locator("select[name=show]").select_option("weights × activity"))
    check(page, view, threshold=.2)
    press(page, "threshold", "Home")
    for step in range(1, 10):
        changed(page, lambda: press(page, "step", "ArrowRight"))
        check(page, view, step=step)
    press(page, "step", "Home")
    changed(page, lambda: page.locator("input[name=smooth]").check())
    check(page, view, smooth=True, tolerance=12)
    changed(page, lambda: page.locator("input[name=smooth]").uncheck())
    changed(page, lambda: press(page, "opacity", "Home"))
    check(page, view, opacity=0)


def test_mouse_hover_focus_and_photographs(opened):
    maps, photos, head = example()
    view = explore(maps, photos, head, captions=["one", HOSTILE, "three"])
    page = opened(view)
    box = page.locator("input[name=rank]").bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2); page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2, steps=8); page.mouse.up()      # dragged to the right end
    check(page, view, rank=3)
    stage = page.locator(".brnpa-stage").bounding_box()
    def point(row, column): page.mouse.move(stage["x"] + (column + .5) * stage["width"] / 28, stage["y"] + (row + .5) * stage["height"] / 28)
    changed(page, lambda: point(5, 20))
    check(page, view, position=5 * 28 + 20)
    changed(page, lambda: point(6, 20))
    check(page, view, position=6 * 28 + 20)
    changed(page, lambda: page.mouse.move(2, 2))                                                              # away: the maps are back
    check(page, view, rank=3)
    page.locator(".brnpa-stage").focus()
    changed(page, lambda: page.keyboard.press("ArrowDown"))                                                   # begins at rank 1's seed
    seed = view.packet["seeds"][0]
    check(page, view, position=seed)
    changed(page, lambda: page.keyboard.press("ArrowRight"))
    check(page, view, position=seed + 1 if (seed + 1) % 28 else seed)
    changed(page, lambda: page.keyboard.press("Escape"))
    check(page, view, rank=3)
    changed(page, lambda: page.locator(".brnpa-thumbs button").nth(1).click())
    view.photo = 1
    check(page, view, rank=3)
    assert page.locator(".brnpa-caption").inner_text().startswith("</script><script>")
    page.wait_for_function("() => document.querySelector('.brnpa-summary').textContent.includes('Photograph 2 of 3')")
    assert page.evaluate("window.hacked") is None and page.locator("img").count() == 0
    page.keyboard.press("ArrowRight")                                                                         # within the row of photographs
    page.wait_for_function("() => document.querySelector('.brnpa-caption').textContent === 'three'")


def test_hostile_words_everywhere(opened):
    maps, photos, head = example(1)
    view = explore(maps, photos, head, [HOSTILE] * 5, [HOSTILE], show="contribution", rank=1)
    page = opened(view, title=HOSTILE, headings=[HOSTILE])
    page.mouse.move(200, 300)
    page.wait_for_timeout(600)
    assert page.evaluate("window.hacked") is None and page.locator("img").count() == 0
    assert page.locator("script").count() == 2 and "<script>" in page.locator("tbody").inner_text()


def test_policy_stops_what_gets_in(browser, tmp_path):
    "Even a script that some mistake let into the page cannot run, and nothing can be fetched."
    maps, photos, _ = example(1)
    path = to_html(explore(maps, photos), tmp_path / "page.html")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(path.as_uri())
        stopped = page.evaluate("""async () => { const found = []; document.addEventListener('securitypolicyviolation', e => found.push(e.effectiveDirective));
            const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);
            const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; await fetch('http://127.0.0.1:9/').catch(() => 0);
            await new Promise(done => setTimeout(done, 300)); return found; }""")
        assert {"script-src-elem", "img-src", "connect-src"} <= set(stopped) and page.evaluate("window.hacked") is None


@pytest.mark.parametrize("case", ["one position", "twelve ranks", "from another method", "no features", "not divisible", "tall"])
def test_odd_inputs(opened, case):
    maps, photos, head = example(2)
    if case == "one position": x = maps.features[..., :1, :1]; maps, head = RankedMaps(group(x, 1), maps.image_size, x), None
    if case == "twelve ranks": maps, head = replace(maps, groups=group(maps.features, 12)), None
    if case == "from another method": maps, head = from_maps(maps.activity, maps.image_size), None
    if case == "no features": maps = maps.without_features()
    if case == "not divisible": photos = photos[..., :331, :325]; maps = replace(maps, image_size=(331, 325))
    if case == "tall": photos = photos[..., :160]; maps = replace(maps, image_size=(336, 160))
    view = explore(maps, photos, head, rank=1)
    page = opened(view)
    check(page, view, rank=1)
    assert page.locator("input[name=step]").is_visible() == (case != "from another method")
    page.locator(".brnpa-stage").hover()
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("size", [(256, 128), (128, 256)])
def test_layout_follows_the_photographs_shape(opened, size):
    "Standing people: the controls come close to the narrow picture, and the small pictures show them from head to foot."
    _, photos, _ = example(3, size=256)
    photos = photos[..., :size[0], :size[1]]
    features = adaptive_avg_pool2d(photos, (size[0] // 4, size[1] // 4))
    view = explore(RankedMaps(group(features, 2), size, features), photos)
    page = opened(view)
    stage, left, right = (page.locator(s).bounding_box() for s in (".brnpa-stage", ".brnpa-left", ".brnpa-right"))
    assert stage["width"] / stage["height"] == pytest.approx(size[1] / size[0], rel=.02)
    assert left["width"] <= stage["width"] + 1 and right["x"] - stage["x"] - stage["width"] < 40 and right["y"] < stage["y"]
    small = page.locator(".brnpa-thumbs button").nth(1).bounding_box()
    assert small["width"] / small["height"] == pytest.approx(size[1] / size[0], rel=.02) and min(small["width"], small["height"]) >= 24
    page.wait_for_timeout(200)
    url = page.evaluate("document.querySelectorAll('.brnpa-thumbs canvas')[1].toDataURL('image/png')")
    drawn = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
    whole = Image.fromarray((photos[1] * 255).round().byte().permute(1, 2, 0).numpy()).resize(drawn.size, Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(drawn, float) - np.asarray(whole, float)).mean() < 6                             # the whole photograph, not its middle


def test_many_photographs_come_in_pages(opened):
    maps, photos, _ = example(2, size=64, grid=7)
    many = [i % 2 for i in range(500)]
    view = explore(maps._each(lambda t: t[many]), photos[many])
    page = opened(view)
    assert page.locator(".brnpa-thumbs button").count() == 12
    page.get_by_text("later ›").click()
    page.wait_for_function("() => document.querySelector('.brnpa-caption').textContent === 'photograph 13'")
    assert page.locator(".brnpa-pages").inner_text().replace("\n", " ") == "‹ earlier 13–24 of 500 later ›"


def test_linked_views_and_narrow_dark_screens(browser, tmp_path):
    maps, photos, head = example()
    a, b = explore(maps, photos, head), explore(maps, photos, head, colours="paper")
    path = to_html([a, b], tmp_path / "two.html", headings=["safe", "paper"])
    for width, scheme in ((320, "dark"), (800, "light")):
        with browser.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
            page = context.new_page()
            page.goto(path.as_uri())
            page.wait_for_function("() => [...document.querySelectorAll('.brnpa-stage')].every(s => s.dataset.drawn)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            dark = page.evaluate("getComputedStyle(document.querySelector('.brnpa')).backgroundColor")
            assert (dark == "rgb(23, 23, 26)") == (scheme == "dark")
            changed(page, lambda page=page: press(page, "rank", "ArrowRight"), 1)                             # the second follows the first
            check(page, b, 1, rank=1, colours="paper")


def notebook(path: Path, *cells: str) -> None:
    import nbformat
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nbformat.write(nb, path)


SETUP = "from tests.test_explorer_browser import example, explore, HOSTILE\nmaps, photos, head = example()"
VIEW = "w = explore(maps, photos, head, captions=['one', HOSTILE, 'three'])\nseen = []\nw.observe(lambda c: seen.append((c.name, c.new)), ['rank', 'photo'])\nw"


def test_jupyterlab_with_a_kernel(browser, tmp_path):
    maps, photos, head = example()
    view = explore(maps, photos, head, captions=["one", HOSTILE, "three"])
    folder, home = tmp_path / "books", tmp_path / "home"
    folder.mkdir(); home.mkdir()
    notebook(folder / "a.ipynb", SETUP, VIEW, "many = [i % 3 for i in range(50)]\ncrowd = explore(maps._each(lambda t: t[many]), photos[many])\ncrowd")
    with lab(folder, home) as address, browser.new_context(viewport={"width": 1200, "height": 1000}) as context:
        page, errors = context.new_page(), []
        page.on("pageerror", lambda e: errors.append(str(e)))
        run_notebook(page, address, "a.ipynb", 2)
        check(page, view)
        changed(page, lambda: press(page, "rank", "ArrowRight"))                                              # Lab must not swallow the key
        check(page, view, rank=1)
        changed(page, lambda: run_code(page, "assert w.rank == 1, w.rank\nw.rank = 2"))                       # Python reads it, and sets it
        check(page, view, rank=2)
        assert page.locator("input[name=rank]").first.input_value() == "2"
        changed(page, lambda: page.locator(".brnpa-stage").first.hover(position={"x": 60, "y": 60}))
        run_code(page, "assert w.position >= 0")
        changed(page, lambda: page.mouse.move(5, 5))
        changed(page, lambda: page.locator(".brnpa-thumbs button").nth(1).click())
        view.photo = 1
        check(page, view, rank=2)
        run_code(page, "assert ('rank', 1) in seen and ('photo', 1) in seen, seen")
        changed(page, lambda: page.get_by_text("later ›").last.click(), 1)                                    # the next page comes from Python
        page.wait_for_function("() => [...document.querySelectorAll('.brnpa-caption')].at(-1).textContent === 'photograph 13'")
        run_code(page, "assert crowd.photo == 12 and crowd._page['first'] == 12")
        check(page, explore(maps, photos, photo=12 % 3), 1)
        page.locator(".brnpa-thumbs button").nth(1).scroll_into_view_if_needed()
        page.evaluate("() => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; window.asleep = true; kernel.requestExecute({ code: 'import time; time.sleep(6)' }).done.then(() => { window.asleep = false; }); }")
        changed(page, lambda: press(page, "rank", "ArrowRight"))                                              # the kernel is busy, the picture is not
        assert page.evaluate("window.asleep")
        check(page, view, rank=3)
        assert page.evaluate("window.hacked") is None and errors == []


def test_voila(browser, tmp_path):
    pytest.importorskip("voila", reason="voila is not installed (pip install voila)")
    maps, photos, head = example()
    view = explore(maps, photos, head)
    folder, home = tmp_path / "books", tmp_path / "home"
    folder.mkdir(); home.mkdir()
    notebook(folder / "a.ipynb", SETUP, "explore(maps, photos, head)")
    with server(["voila", "a.ipynb", "--no-browser", "--Voila.ip=127.0.0.1"], folder, "/static/", home) as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(address, timeout=120_000)
        page.wait_for_selector(".brnpa-stage[data-drawn]", timeout=120_000)
        changed(page, lambda: press(page, "rank", "ArrowRight"))
        check(page, view, rank=1)


def test_module_is_plain_and_complete():
    "One module: nothing imported, fetched or evaluated, no markup made from text; syntax by Node where there is one."
    source = (ROOT / "brnpa_nb/static/explorer.js").read_text(encoding="utf-8")
    assert all(word not in source for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "fetch(", "import ", "document.write"))
    if shutil.which("node"): subprocess.run(["node", "--check", "--input-type=module"], input=source, text=True, check=True)
