"""The teacher's page speaks of what exists: exercises, sections, slides, explorers, and a server configuration that loads."""
import json
import pwd
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from docs.explorers import EXPLORERS, PLACES
from docs.slides import FIGURES, SIZE, write
from tests.build import ROOT
from tests.tutorials import headings

PAGE = (ROOT / "docs/teaching.md").read_text(encoding="utf-8")


def cells(number):
    path = next((ROOT / "tutorials").glob(f"{number:02d}_*.ipynb"))
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_exercises_that_are_set_exist():
    named = set(re.findall(r"\b(\d{1,2}\.\d)\b(?! ?%)", re.sub(r"nbgrader 0\.9|0\.\d+", "", PAGE.partition("## A class on one server")[0])))
    assert len(named) >= 20, named
    for number in sorted(named):
        text = "".join("".join(c["source"]) for c in cells(int(number.split(".")[0])) if c["cell_type"] == "markdown")
        assert f"### Exercise {number} ·" in text, f"the page sets exercise {number}, which no tutorial has"


def test_sections_that_are_named_exist():
    rows = [line for line in PAGE.splitlines() if re.search(r"tutorial \d", line, re.I)]
    seen = 0
    for row in rows:
        for number, where in re.findall(r"tutorial (\d+)\]?(?:\([^)]*\))?,? ((?:[^|;.]|\.(?! |$))*)", row, re.I):
            titles = [title for _, title in headings(cells(int(number)))]
            for name in re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", where):
                seen += 1
                assert any(t.rstrip("?").startswith(name.rstrip("?")) for t in titles), f"tutorial {number} has no section {name!r}: {titles}"
    assert seen >= 8, seen


def test_slides_and_explorers_that_are_named_exist():
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE)) - {"explain_with"}
    assert named == set(FIGURES), named ^ set(FIGURES)
    for page in (PAGE, (ROOT / "docs/index.md").read_text(encoding="utf-8")):
        assert set(re.findall(r"<!-- explorer: (\w+) -->", page)) <= set(EXPLORERS)
    assert set(PLACES.values()) <= set(EXPLORERS)


def test_minutes_add_up():
    "The plan of ninety minutes has no gap, and the day runs from nine to five."
    minutes = [tuple(map(int, m)) for m in re.findall(r"^\| (\d+)–(\d+) \|", PAGE, re.M)]
    assert minutes[0][0] == 0 and minutes[-1][1] == 90 and all(a[1] == b[0] for a, b in zip(minutes, minutes[1:]))
    day = [tuple(int(h) * 60 + int(m) for h, m in (x.split(":") for x in pair)) for pair in re.findall(r"^\| (\d+:\d+)–(\d+:\d+) \|", PAGE, re.M)]
    assert day[0][0] == 9 * 60 and day[-1][1] == 17 * 60 and all(a[1] == b[0] for a, b in zip(day, day[1:]))


@pytest.mark.parametrize("name", ["grouping_by_hand", "ranked_maps", "strong_is_not_decisive"])
def test_slides_are_wide_and_large_type(name, tmp_path):
    png, pdf = write(tmp_path, [name], ["png", "pdf"])
    with Image.open(png) as picture: values = np.asarray(picture.convert("L"))
    assert values.shape == (1080, 1920) and len(np.unique(values[::20, ::20])) > 10 and pdf.read_bytes().startswith(b"%PDF")
    assert min(v for k, v in SIZE.items() if k.endswith("size")) >= 22


def test_every_slide_keeps_its_words_inside():
    "No text leaves the slide."
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(SIZE):
        for name, make in FIGURES.items():
            fig = make()
            canvas = FigureCanvasAgg(fig)
            canvas.draw()
            width, height = canvas.get_width_height()
            texts = [*fig.texts, *(t for ax in fig.axes for t in (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts))]
            for t in texts:
                box = t.get_window_extent(canvas.get_renderer())
                assert not t.get_text() or (box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height), f"{name}: {t.get_text()!r} leaves the slide"


def configuration():
    "The configuration as JupyterHub reads it."
    from traitlets.config.loader import PyFileConfigLoader
    return PyFileConfigLoader(str(ROOT / "docs/jupyterhub_config.py")).load_config()


def test_server_configuration_loads():
    config = configuration()
    assert config.Spawner.environment["OMP_NUM_THREADS"] == "1" and re.fullmatch(r"\d+M", config.Spawner.mem_limit)
    assert callable(config.Spawner.pre_spawn_hook) and config.JupyterHub.spawner_class == "systemd"
    limit = int(config.Spawner.mem_limit[:-1])
    own = [int(k) + int(s) for k, s in re.findall(r"^\| \d+ \| (\d+) \| (\d+) \| \d+ \| \d+ \|$", PAGE, re.M)]
    assert own and 1.1 * max(own) <= limit, f"a student needs {max(own)} MB, and gets {limit}"


def test_a_students_copy_is_never_overwritten(tmp_path, monkeypatch):
    give_copy = configuration().Spawner.pre_spawn_hook
    (tmp_path / "material").mkdir()
    (tmp_path / "material/01.ipynb").write_text("as handed out")
    monkeypatch.setitem(give_copy.__globals__, "material", tmp_path / "material")
    owned = []
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_dir=str(tmp_path / name), pw_uid=1000, pw_gid=1000))
    monkeypatch.setattr(shutil, "chown", lambda path, *who: owned.append(Path(path).name))
    ada = SimpleNamespace(user=SimpleNamespace(name="ada"))
    give_copy(ada)
    copy = tmp_path / "ada/course/01.ipynb"
    assert copy.read_text() == "as handed out" and owned == ["course", "01.ipynb"]
    copy.write_text("solved")
    give_copy(ada)
    assert copy.read_text() == "solved"
