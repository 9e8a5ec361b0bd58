"""The site: built once, offline, with every warning an error; then read as a visitor, a screen reader and a browser without network read it."""
import ast
import html
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.explorers import PLACES
from tests.browser import chromium, complaints
from tests.build import ROOT

pytestmark = pytest.mark.xdist_group("site")             # built once
LOADS = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href", "audio": "src", "video": "src", "object": "data", "embed": "src"}


class Page(HTMLParser):
    "What the tests ask of a page: targets, links, what is loaded, pictures, headings, and the text outside and inside of folds."

    def __init__(self, path: Path):
        super().__init__()
        self.path, self.ids, self.links, self.loads, self.pictures, self.headings, self.words, self.bare, self.depth, self.main = path, set(), [], [], [], [], [], [], 0, False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if a.get("id"): self.ids.add(a["id"])
        if tag == "article": self.main = True
        if tag == "details" and self.main: self.depth += 1
        if tag == "a" and a.get("href"): self.links.append(a["href"])
        if tag in LOADS and a.get(LOADS[tag]) and not (tag == "link" and a.get("rel") in ("search", "index", "next", "prev", "canonical")): self.loads.append(a[LOADS[tag]])
        if tag == "img": self.pictures.append(a.get("alt"))
        if self.main and re.fullmatch("h[1-6]", tag): self.headings.append(int(tag[1]))

    def handle_startendtag(self, tag, attrs): self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if tag == "article": self.main = False
        if tag == "details" and self.main: self.depth -= 1

    def handle_data(self, data):
        if not self.main: return
        self.words.append(data)
        if not self.depth: self.bare.append(data)

    @property
    def text(self): return re.sub(r"\s+", " ", "".join(self.words))
    @property
    def unfolded(self): return re.sub(r"\s+", " ", "".join(self.bare))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "a folder with blanks"
    env = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    done = subprocess.run([sys.executable, "-m", "docs.build", str(out)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "WARNING" not in done.stderr, done.stderr[-6000:]
    return out


@pytest.fixture(scope="module")
def pages(site): return {p: Page(p) for p in sorted(site.rglob("*.html")) if "_static" not in p.relative_to(site).parts}


def test_every_link_leads_somewhere(site, pages):
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            at = urlsplit(link)
            if at.scheme or link.startswith("//"): continue
            target = (path.parent / unquote(at.path)).resolve() if at.path else path
            name = path.relative_to(site).as_posix()
            if not target.is_file(): broken.append(f"{name}: {link}")
            elif at.fragment and target in pages and at.fragment not in pages[target].ids: broken.append(f"{name}: {link} (no such place on that page)")
    assert not broken, "\n".join(broken[:40])


def test_links_to_notebooks_and_modules_of_the_repository_exist(pages):
    mine, broken = "github.com/brnpa-nb/brnpa_nb/blob/main/", []
    for path, page in pages.items():
        for link in page.links:
            if mine in link and not (ROOT / urlsplit(link).path.partition("blob/main/")[2]).is_file(): broken.append(f"{path.name}: {link}")
            if "colab.research.google.com/github" in link and not (ROOT / urlsplit(link).path.partition("blob/main/")[2]).is_file(): broken.append(f"{path.name}: {link}")
    assert not broken, "\n".join(broken)


def test_no_page_loads_from_another_machine(site, pages):
    for path, page in pages.items():
        outside = [x for x in page.loads if urlsplit(x).scheme in ("http", "https") or x.startswith("//")]
        assert not outside, f"{path.name} loads {outside}"
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)'\"]*", sheet.read_text(encoding="utf-8")), sheet.name


def test_headings_are_in_order_and_pictures_have_words(site, pages):
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        if page.headings:
            assert page.headings[0] == 1 and page.headings.count(1) == 1, f"{name}: {page.headings}"
            assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:])), f"{name} skips a level of headings: {page.headings}"
        assert all(alt and len(alt) > 3 for alt in page.pictures), f"{name} has a picture without words"


def test_pictures_of_tutorials_say_what_to_see(site, pages):
    from docs.pages import source, what_to_see
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        told = [what_to_see(source(c)) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "markdown"]
        page = pages[site / "tutorials" / f"{path.stem}.html"]
        told = [t[:60] for t in told if t]
        shown = {alt[:60] for alt in page.pictures}
        assert shown and len(shown & set(told)) >= len(shown) / 2, f"{path.stem}: {len(shown & set(told))} of {len(shown)} pictures have the words of a *What to see: sentence"


def _words(text): return re.sub(r"\s+", " ", re.sub(r"[`*\\]", "", html.unescape(text))).strip()


def test_every_public_function_is_in_the_reference_with_each_parameter(site, pages):
    "Against the functions themselves, imported and read with fastcore's docments; the site is made from their source alone."
    from fastcore.docments import docments
    missing, seen = [], 0
    for source_path in sorted((ROOT / "brnpa_nb").rglob("*.py")):
        name = ".".join(source_path.relative_to(ROOT / "brnpa_nb").with_suffix("").parts)
        if name.endswith(("__init__", "_modidx")): continue
        module = importlib.import_module(f"brnpa_nb.{name}")
        page = pages[site / f"api/{name}.html"]
        text = _words(page.text)
        for thing in module.__all__:
            if f"brnpa_nb.{name}.{thing}" not in page.ids: missing.append(f"{name}.{thing} is not on its page")
            value = getattr(module, thing)
            if not inspect.isfunction(value): continue
            first = _words((inspect.getdoc(value) or "").split("\n\n")[0])
            if first and first not in text: missing.append(f"{name}.{thing}: its docstring is not on its page: {first!r}")
            source = inspect.getsource(value)
            one_line = ast.parse(source).body[0].args
            lines = [a.lineno for a in [*one_line.args, *one_line.kwonlyargs]]
            for parameter, comment in docments(value, returns=False).items():
                if parameter not in inspect.signature(value).parameters or not comment or len(set(lines)) < len(lines): continue
                seen += 1
                if _words(comment) not in text: missing.append(f"{name}.{thing}: the comment on {parameter} is missing: {comment!r}")
    assert not missing, "\n".join(missing[:40])
    assert seen > 1000, f"only {seen} comments were looked for"


def test_exercises_hide_their_solutions(site, pages):
    from brnpa_nb.editions import exercises_of
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        page = pages[site / "tutorials" / f"{path.stem}.html"]
        for exercise in exercises_of(json.loads(path.read_text(encoding="utf-8"))):
            inside = exercise.solved.partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
            line = max((re.sub(r"\s+", " ", x).strip() for x in inside.splitlines()), key=len)
            assert line in page.text, f"{path.stem}, exercise {exercise.number}: the folded solution is missing"
            assert line not in page.unfolded, f"{path.stem}, exercise {exercise.number}: the solution is in plain sight"
        assert page.unfolded.count("raise NotImplementedError") >= len(exercises_of(json.loads(path.read_text(encoding="utf-8"))))
        assert (site / "_static/notebooks" / path.name).is_file()


def test_rooms_stand_in_reading_order(site, pages):
    from docs.modules import modules
    shown = [a for a in pages[site / "rooms/index.html"].links if a.endswith(".html") and not a.startswith(("../", "#"))]
    expected = [f"{m.notebook.removeprefix('nbs/').removesuffix('.ipynb')}.html" for m in modules().values()]
    in_text = [a for a in dict.fromkeys(shown) if a in expected]
    assert in_text == expected


def test_settings_are_right_for_quarto(tmp_path, monkeypatch):
    "nbdev writes Quarto's configuration from settings.ini; those who have Quarto need nothing else."
    import shutil

    import yaml
    code = "from nbdev.quarto import refresh_quarto_yml, nbdev_sidebar; refresh_quarto_yml(); nbdev_sidebar.__wrapped__()"
    shutil.copy(ROOT / "settings.ini", tmp_path)
    shutil.copytree(ROOT / "nbs", tmp_path / "nbs", ignore=shutil.ignore_patterns(".*"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    made = yaml.safe_load((tmp_path / "nbs/nbdev.yml").read_text())
    assert made["website"]["title"] == "brnpa_nb" and made["website"]["site-url"] == "https://brnpa-nb.github.io/brnpa_nb" and made["project"]["output-dir"] == "_docs"
    assert made["website"]["repo-url"] == "https://github.com/brnpa-nb/brnpa_nb" and made["website"]["repo-branch"] == "main"
    assert yaml.safe_load((tmp_path / "nbs/sidebar.yml").read_text())["website"]["sidebar"]["contents"]


@pytest.fixture(scope="module")
def browser():
    with chromium() as b: yield b


@pytest.fixture
def visit(browser, site):
    "Open pages without a network; afterwards there must have been no error and no request but for files."
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900}, color_scheme="null")      # playwright's own choice would overrule the page's
    page = context.new_page()
    trouble = complaints(page)
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else trouble.append(r.url))

    def open_(name):
        page.goto(f"{site.as_uri()}/{name}")
        return page
    yield open_
    context.close()
    assert not trouble, trouble


def _canvas(frame): return frame.evaluate("document.querySelector('.brnpa-stage canvas').toDataURL()")


def test_explorers_on_pages_are_alive(site, pages, visit):
    with_live = [p for p in pages if "brnpa-live" in p.read_text(encoding="utf-8")]
    names = {p.relative_to(site).as_posix() for p in with_live}
    assert "index.html" in names and names >= {p.relative_to(site).as_posix() for number in PLACES for p in pages if p.name.startswith(f"{number}_") and p.parent.name == "tutorials"}, names
    for name in sorted(names):
        page = visit(name)
        for i in range(page.locator(".brnpa-live iframe").count()):
            page.locator(".brnpa-live iframe").nth(i).scroll_into_view_if_needed()
            handle = page.locator(".brnpa-live iframe").nth(i).element_handle()
            frame = handle.content_frame()
            frame.wait_for_function("() => document.querySelector('.brnpa-stage')?.dataset.drawn", timeout=60_000)
            before = _canvas(frame)
            control = "rank" if frame.locator("input[name=step]").first.input_value() == "0" else "step"        # while the grouping is played back, the rank rests
            frame.locator(f"input[name={control}]").first.focus()
            frame.locator(f"input[name={control}]").first.press("End")
            frame.wait_for_function("b => document.querySelector('.brnpa-stage canvas').toDataURL() !== b", arg=before, timeout=30_000)
            room = frame.evaluate("[document.documentElement.scrollHeight - innerHeight, document.documentElement.scrollWidth - innerWidth]")
            assert max(room) <= 0, f"{name}, explorer {i + 1}: {room} pixels do not fit its place"


def test_dark_mode_reaches_the_explorers(visit):
    page = visit("index.html")
    frame = page.locator(".brnpa-live iframe").first.element_handle().content_frame()
    frame.wait_for_function("() => document.querySelector('.brnpa-stage')?.dataset.drawn", timeout=60_000)
    def light(of): return sum(map(int, re.findall(r"\d+", of.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]))
    for theme, bright in (("dark", False), ("light", True), ("dark", False)):
        page.evaluate("t => { document.body.dataset.theme = t }", theme)
        page.wait_for_timeout(100)
        assert (light(page) > 380) == (light(frame) > 380) == bright, (theme, light(page), light(frame))


def test_search_works_from_disk(visit):
    page = visit("search.html?q=raise_resolution")
    page.wait_for_selector("ul.search li", timeout=30_000)
    found = page.locator("ul.search li").all_inner_texts()
    assert any("resolution" in f for f in found), found


def test_a_telephone_needs_no_sideways_scrolling(browser, site):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    page = context.new_page()
    for name in ("index.html", "teaching.html", "tutorials/01_first_ranked_maps.html", "rooms/01_grouping.html", "api/grouping.html"):
        page.goto((site / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 391, name
    context.close()
