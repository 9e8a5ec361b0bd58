"""Spelling of everything that people read: tutorials, rooms, pages, docstrings. British.

    python -m tests.spelling            words that neither the dictionary nor tests/words.txt knows, with where they stand
    python -m tests.spelling --write    put them all into tests/words.txt (then read what was added, and mend what is wrong)
"""
import argparse
import ast
import gzip
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.build import ROOT, notebooks

WORDS = ROOT / "tests/words.txt"
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md"))]


def _package(name: str) -> Path:
    "The folder of an installed package, without importing it."
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations: raise ModuleNotFoundError(f"{name} is not installed; pip install -e '.[dev]'")
    return Path(spec.submodule_search_locations[0])


# What codespell's list lacks, and what is English on both sides in another sense: a computer program, a metre and a meter, practice and to practise …
ALSO = {"neighborhood": "neighbourhood", "neighborhoods": "neighbourhoods", "gray": "grey", "grays": "greys"}
BOTH = {"program", "programs", "check", "checks", "checked", "checking", "meter", "meters", "practice", "practices", "license", "licenses", "licensed", "disk", "disks", "story", "stories", "draft", "drafts", "tire", "tires", "tired",
        "install", "installs", "dispatch", "dispatched", "learned", "prize", "prized", "prizes"}


@cache
def english() -> frozenset[str]:
    "pyspellchecker's list, of all English-speaking countries."
    with gzip.open(_package("spellchecker") / "resources/en.json.gz") as f: return frozenset(json.load(f))


@cache
def american() -> dict[str, str]:
    "American spelling → British: codespell's list of what differs, our additions, and -ize where -ise is a word."
    lines = (_package("codespell_lib") / "data/dictionary_en-GB_to_en-US.txt").read_text(encoding="utf-8").splitlines()
    pairs = {us.split(",")[0].strip().lower(): gb.lower() for gb, _, us in (line.partition("->") for line in lines) if us}
    ize = {w: british for w in english() if (british := re.sub(r"(?<=[a-z]{3})iz(?=(?:e[drs]?|ers|ing|ations?)$)", "is", w)) != w and british in english()}
    return {us: gb for us, gb in (ize | pairs | ALSO).items() if us not in BOTH}


@cache
def dictionary() -> frozenset[str]:
    "English words but for American spellings, British ones, and our own."
    own = {w for w in WORDS.read_text(encoding="utf-8").split("\n") if w} if WORDS.exists() else set()
    return frozenset((english() - american().keys()) | set(american().values()) | own)


def prose(markdown: str) -> str:
    "What is read in markdown: no code, no addresses, no formulae, no tags, no names of files."
    text = re.sub(r"^(```|~~~).*?^\1", " ", markdown, flags=re.M | re.S)
    text = re.sub(r"^(?: {4}|\t).*$", " ", text, flags=re.M) if "\n    " in text else text
    text = re.sub(r"`+[^`]*`+|\$\$.*?\$\$|\$[^$\n]+\$|<[^>]*>|\]\([^)]*\)|\{[^}]*\}|https?://\S+|\S+@\S+", " ", text, flags=re.S)
    return re.sub(r"\S*[/_\\=]\S*|\b\w+\.(?:\w+)\b", " ", text)


def words(text: str) -> Iterator[str]:
    "Words in small letters; names like ResNet or DAUC, and what holds a digit, are not spelling."
    for w in re.findall(r"(?<![\w’'-])[A-Za-zÀ-ÿ]+(?:[’'][A-Za-z]+)?(?![\w])", text):
        if re.search(r"[a-z][A-Z]|[A-Z]{2}", w): continue
        base = re.sub(r"(?:[’']s|s[’'])$", lambda m: "" if m[0][0] in "’'" else "s", w.lower()).replace("’", "'")
        if len(base) > 2: yield base


def texts() -> Iterator[tuple[str, str]]:
    "(where, what is read there) for everything."
    for name in PAGES: yield name, prose((ROOT / name).read_text(encoding="utf-8"))
    for path in notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for i, cell in enumerate(cells):
            if cell["cell_type"] == "markdown": yield f"{path.relative_to(ROOT)}, cell {i}", prose("".join(cell["source"]))
    for path in sorted((ROOT / "brnpa_nb").rglob("*.py")):
        if path.name == "_modidx.py": continue
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and (doc := ast.get_docstring(node)):
                yield f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'the module')}", prose(doc)


def unknown() -> dict[str, str]:
    "Word → first place where it stands."
    known, found = dictionary(), {}
    for where, text in texts():
        for w in words(text):
            if w not in known and w not in found: found[w] = where
    return found


def misspelt_for_sure(places: list[tuple[str, str]] | None = None) -> list[str]:
    "What codespell, which knows common mistakes, finds; run as a program on the same texts."
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp) / "all.txt"
        places = list(texts()) if places is None else places
        path.write_text("\n".join(re.sub(r"\s+", " ", text) for _, text in places), encoding="utf-8")
        ours = Path(tmp) / "ours.txt"
        ours.write_text(WORDS.read_text(encoding="utf-8") if WORDS.exists() else "", encoding="utf-8")
        done = subprocess.run([sys.executable, "-m", "codespell_lib", "--builtin", "clear,rare", "--ignore-words", str(ours), str(path)], capture_output=True, text=True)
        return [f"{places[int(n) - 1][0]}: {said}" for n, said in re.findall(r"all\.txt:(\d+): (.+)", done.stdout)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put unknown words into tests/words.txt")
    args = parser.parse_args()
    found = unknown()
    for word, where in sorted(found.items()):
        print(f"{word:24} {f'(British: {american()[word]}) ' if word in american() else ''}{where}")
    for line in (sure := misspelt_for_sure()): print(line)
    if args.write:
        have = WORDS.read_text(encoding="utf-8").split() if WORDS.exists() else []
        WORDS.write_text("\n".join(sorted({*have, *(w for w in found if w not in american())})) + "\n", encoding="utf-8")
    return int(bool(found or sure))


if __name__ == "__main__":
    sys.exit(main())
