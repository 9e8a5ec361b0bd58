"""Build the site, offline: pages from the notebooks with the outputs that were committed, the reference from the modules' source, live explorers from the shipped networks.

    python -m docs.build OUT                    every warning is an error
    python -m docs.build OUT --only 01 04       quicker: only these tutorials, and no explorers but theirs
"""
import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from docs.explorers import EXPLORERS, PLACES, frame, write
from docs.modules import ROOT, Module, api_page, modules
from docs.pages import room, source, tutorial
from tests.tutorials import FACTS, TRACKS

HERE = Path(__file__).resolve().parent
GROUPS = {"": "The method", "data": "Pictures", "evidence": "Evidence", "tasks": "Tasks", "views": "Views", "exercises": "Exercises"}


def toctree(title: str, pages: list[str], depth: int = 1, hidden: bool = True) -> str:
    lines = ["```{toctree}", f":maxdepth: {depth}", *([f":caption: {title}"] if title else []), *([":hidden:"] if hidden else []), "", *pages, "```"]
    return "\n".join(lines)


def title_of(path: Path) -> tuple[str, str]:
    "A notebook's title, and the sentence under it."
    text = source(json.loads(path.read_text(encoding="utf-8"))["cells"][0])
    return re.search(r"^# (.+)$", text, re.M)[1], (re.search(r"^> (.+)$", text, re.M) or ["", ""])[1]


def track_of(path: Path) -> str:
    "What the tutorial says it belongs to."
    return FACTS.search(source(json.loads(path.read_text(encoding="utf-8"))["cells"][0]))[1]


def tutorials(src: Path, known: dict[str, Module], only: list[str]) -> dict[str, list[Path]]:
    "Write the tutorials' pages and their list."
    by_track: dict[str, list[Path]] = {t: [] for t in TRACKS}
    (src / "tutorials").mkdir()
    (src / "static/notebooks").mkdir()
    for path in sorted((ROOT / "tutorials").glob("*.ipynb")):
        if only and path.stem[:2] not in only: continue
        by_track[track_of(path)].append(path)
        page, student = tutorial(path, known, frame(PLACES[path.stem[:2]]) if path.stem[:2] in PLACES else None)
        (src / "tutorials" / path.name).write_text(json.dumps(page), encoding="utf-8")
        (src / "static/notebooks" / path.name).write_text(json.dumps(student, indent=1, ensure_ascii=False), encoding="utf-8")
    body = ["# Tutorials", "", "> Three tracks, one idea each. Everything runs on a laptop: no GPU, no download.", ""]
    for track, paths in by_track.items():
        if not paths: continue
        body += [f"## {track}", "", *(f"- [{int(p.stem[:2])} · {title_of(p)[0]}](/tutorials/{p.name}): {title_of(p)[1]}" for p in paths), ""]
    (src / "tutorials/index.md").write_text("\n".join(body), encoding="utf-8")
    return by_track


def rooms(src: Path, known: dict[str, Module]) -> dict[str, str]:
    "Write the rooms' pages, grouped as they follow each other; module → title of its room."
    titles, groups = {}, []
    for name, module in known.items():
        path = ROOT / module.notebook
        titles[name] = title_of(path)[0]
        group = name.split(".")[0] if "." in name else ""
        if not groups or groups[-1][0] != group: groups.append((group, []))
        groups[-1][1].append(module)
        target = src / "rooms" / module.notebook.removeprefix("nbs/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(room(path, known)), encoding="utf-8")
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):                              # a notebook that exports nothing is a room too
        if path.name == "index.ipynb" or path.relative_to(ROOT).as_posix() in {m.notebook for m in known.values()} or any(p.startswith((".", "_")) for p in path.relative_to(ROOT).parts): continue
        target = src / "rooms" / path.relative_to(ROOT / "nbs")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(room(path, known)), encoding="utf-8")
        groups[-1][1].append(Module("", title_of(path)[1], path.relative_to(ROOT).as_posix(), [], []))
    body = ["# The library, room by room", "", "> Each module is a notebook that is read from top to bottom: why, the code, a picture, a test. This is the reading order; a module imports only from rooms above it.", ""]
    seen: set[str] = set()
    for group, some in groups:
        heading = GROUPS.get(group, group.capitalize()) if group not in seen else "At work"
        seen.add(group)
        body += [f"## {heading}", "", *(f"- [{title_of(ROOT / m.notebook)[0]}](/rooms/{m.notebook.removeprefix('nbs/')}): {m.doc}" for m in some), "",
                 toctree("", [m.notebook.removeprefix("nbs/").removesuffix(".ipynb") for m in some]), ""]
    (src / "rooms").mkdir(exist_ok=True)
    (src / "rooms/index.md").write_text("\n".join(body), encoding="utf-8")
    return titles


def reference(src: Path, known: dict[str, Module], titles: dict[str, str]) -> None:
    "Write a page for each module."
    (src / "api").mkdir()
    for name, module in known.items(): (src / f"api/{name}.md").write_text(api_page(module, titles[name]), encoding="utf-8")
    rows = [f"- [{name}]({name}.md): {module.doc}" for name, module in known.items()]
    (src / "api/index.md").write_text("\n".join(["# Reference", "", "> Every public function, with a word on each parameter.", "", *rows, "", toctree("", list(known))]), encoding="utf-8")


def papers(src: Path) -> None:
    "README, CONTRIBUTING and CHANGELOG; the README's links to notebooks lead to their pages."
    from docs.pages import link_names

    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](nbs/images/", "](images/")
    (src / "readme.md").write_text(link_names(re.sub(r"^# .*$", "# About the package", readme, count=1, flags=re.M), {}), encoding="utf-8")
    shutil.copytree(ROOT / "nbs/images", src / "images")
    for name in ("CONTRIBUTING", "CHANGELOG"): (src / f"{name.lower()}.md").write_text(link_names((ROOT / f"{name}.md").read_text(encoding="utf-8"), {}), encoding="utf-8")


def prepare(src: Path, only: list[str]) -> None:
    "All sources that Sphinx needs."
    known = modules()
    shutil.copy(HERE / "conf.py", src)
    shutil.copytree(HERE / "static", src / "static")
    by_track = tutorials(src, known, only)
    titles = rooms(src, known)
    reference(src, known, titles)
    papers(src)
    names = [n for n in EXPLORERS if not only or n in ("ranked_birds", "step_by_step") or n in [PLACES.get(o) for o in only]]
    write(src / "static/explorers", names)
    for page in sorted(HERE.glob("*.md")):
        text = re.sub(r"^<!-- explorer: (\w+) -->$", lambda m: frame(m[1])(0), page.read_text(encoding="utf-8"), flags=re.M)
        text = re.sub(r"^<!-- include: (\S+) -->$", lambda m: f"```python\n{(HERE / m[1]).read_text(encoding='utf-8').rstrip()}\n```", text, flags=re.M)
        if page.stem == "index":
            tree = [toctree("Tutorials", ["tutorials/index"])] + [toctree(track, [f"{int(p.stem[:2])} · {title_of(p)[0]} <tutorials/{p.stem}>" for p in paths]) for track, paths in by_track.items() if paths]
            tree += [toctree("Teach", ["teaching"]), toctree("The library", ["readme", "rooms/index", "api/index"]), toctree("Take part", ["contributing", "changelog"])]
            text += "\n" + "\n\n".join(tree) + "\n"
        (src / page.name).write_text(text, encoding="utf-8")


def build(out: Path, only: list[str] | None = None, scratch: Path | None = None) -> int:
    "Write the site to `out`; Sphinx's exit code."
    from sphinx.cmd.build import build_main

    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as tmp:
        src = scratch or Path(tmp) / "src"
        if src.exists(): shutil.rmtree(src)
        src.mkdir(parents=True)
        start = time.process_time()
        prepare(src, only or [])
        print(f"sources: {time.process_time() - start:.0f} s of processor time", flush=True)
        done = build_main(["-b", "html", "-W", "--keep-going", "-q", "-d", str(Path(tmp) / "doctrees"), str(src), str(out)])
        print(f"{'site' if done == 0 else 'NOT a site'}: {out}, {time.process_time() - start:.0f} s of processor time", flush=True)
        return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "_docs", help="folder for the site (default: _docs)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NN", help="only these tutorials, by number")
    parser.add_argument("--scratch", type=Path, help="keep the generated sources here")
    args = parser.parse_args()
    return build(args.out, args.only, args.scratch)


if __name__ == "__main__":
    sys.exit(main())
