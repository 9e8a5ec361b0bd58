"""Under which licences the packages stand that brnpa_nb asks for, directly or through others: `python -m tests.licences` writes LICENCES.md."""
import configparser
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import NamedTuple

from packaging.requirements import Requirement

from tests.build import ROOT

EXTRAS = ("requirements", "evidence_requirements", "ablation_requirements", "onnx_requirements", "docs_requirements", "dev_requirements")

# What may stand beside a program under Apache-2.0 that asks for it and does not copy it, by words of the licence's name. First the kind, then how it may be called.
KINDS = {"permissive": r"apache|\bmit\b|mit-cmu|\bbsd|\bisc\b|\bpsf\b|python software foundation|python-2\.0|hpnd|unlicense|zlib|\bcc0|0bsd|boost|\bmit license\b|zpl|historical permission|public domain|bsl-1\.0|cnri", "MPL, file by file": r"mozilla|\bmpl", "LGPL, used as a library": r"lgpl|lesser general public"}
# Packages whose metadata say nothing, or something that has to be looked at: (what it is, why it may be used).
LOOKED_AT = {
    "nvidia": ("NVIDIA's own terms", "comes with PyTorch's wheels for CUDA; those for the CPU need none"), "cuda-toolkit": ("NVIDIA's own terms", "as the above"), "cuda-bindings": ("NVIDIA's own terms", "as the above"), "cuda-pathfinder": ("Apache-2.0", "its metadata name it"),
    "codespell": ("GPL-2.0-only", "a program of its own that a test starts; nothing here imports it"),
}


class Row(NamedTuple):
    name: str
    licence: str
    kind: str       # one of KINDS, the reason from LOOKED_AT, or "" where it must be looked at
    wanted: str     # by which extra, "" for the package itself


def _said(d: Distribution) -> str:
    "The licence as the package tells it: the expression, else the classifiers, else the first line of the free text."
    meta = d.metadata
    if found := meta.get("License-Expression"): return found
    named = [c.rpartition(" :: ")[2] for c in meta.get_all("Classifier") or [] if c.startswith("License ::") and c.count("::") > 1]
    text = (meta.get("License") or "").strip()
    if not named and text and text != "UNKNOWN": return re.split(r"[\n.]", text)[0][:60]
    if not named and (files := [f for f in d.files or [] if re.match(r"licen[cs]e", f.name, re.I)]): return files[0].read_text()[:2000].strip().splitlines()[0].strip()[:60] if files[0].locate().is_file() else ""
    return " / ".join(named)


def kind_of(name: str, licence: str) -> str:
    "Why a licence will do; empty if nobody can tell."
    looked = next((why for start, why in LOOKED_AT.items() if name.startswith(start)), None)
    if looked: return looked[1]
    parts = [p for p in re.split(r"\s+and\s+|\s*&\s*|;|,", re.sub(r",?\s*version\s*[\d.]+", "", licence, flags=re.I), flags=re.I) if p.strip(" ()")]
    kinds = [next((k for k, words in KINDS.items() if re.search(words, part, re.I)), "") for part in parts]
    if not kinds or "" in kinds or re.search(r"\b(agpl|affero)\b", licence, re.I): return ""
    return max(kinds, key=list(KINDS).index)


def rows() -> list[Row]:
    "Everything that is asked for here and installed, in the order of its name."
    config = configparser.ConfigParser()
    config.read(ROOT / "settings.ini")
    found: dict[str, Row] = {}
    for extra in EXTRAS:
        todo = config["DEFAULT"][extra].split()
        while todo:
            want = Requirement(todo.pop())
            name = re.sub(r"[-_.]+", "-", want.name).lower()
            if name in found or (want.marker and not want.marker.evaluate({"extra": ""}) and not any(want.marker.evaluate({"extra": e}) for e in want.extras)): continue
            try: d = distribution(want.name)
            except PackageNotFoundError: continue
            looked = next((what for start, (what, _) in LOOKED_AT.items() if name.startswith(start)), None)
            said = looked or _said(d)
            found[name] = Row(name, said, kind_of(name, said), extra.removesuffix("requirements").rstrip("_"))
            todo += [r for r in d.requires or [] if "extra ==" not in r]
    return sorted(found.values())


def table() -> str:
    "LICENCES.md."
    made = [r for r in rows() if not r.name.startswith(("nvidia-", "cuda-", "triton"))]
    lines = [f"| {r.name} | {r.licence.replace('|', '/')} | {r.kind} | {r.wanted or 'always'} |" for r in made]
    return f"""# Licences of what brnpa_nb asks for

brnpa_nb itself is under Apache-2.0 (LICENSE) and copies none of these packages: pip installs them beside it. `python -m tests.licences` writes this
table from the packages' own metadata, with all that they ask for in turn; a test fails where a licence is unknown, or does not go together with Apache-2.0. PyTorch's wheels for CUDA bring packages under NVIDIA's
own terms along (nvidia-…, cuda-…); those for the CPU do not.

| package | licence | kind | wanted by |
|---|---|---|---|
{chr(10).join(lines)}
"""


if __name__ == "__main__":
    (ROOT / "LICENCES.md").write_text(table(), encoding="utf-8")
    odd = [r for r in rows() if not r.kind]
    print("\n".join(map(str, odd)) or f"{len(rows())} packages, all known")
    sys.exit(bool(odd))
