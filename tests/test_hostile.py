"""Hostile files and words: a slice of what `tests.hardening.hostile` and `tests.hardening.parsers` try at length, and the rules that a program can check."""
import ast
import json
import re

import pytest

from tests import licences
from tests.browser import chromium
from tests.build import ROOT, notebooks
from tests.hardening import hostile, parsers
from tests.hardening.parsed import all_parsers

SOURCES = [*sorted(p for p in (ROOT / "brnpa_nb").rglob("*.py") if p.name != "_modidx.py"), *sorted((ROOT / "tests").rglob("*.py")), *notebooks(), ROOT / "setup.py"]

UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle", "jsonpickle", "copyreg", "pandas"}
FORBIDDEN = {"eval", "exec", "compile", "__import__", "torch.save", "torch.jit.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.export.load", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen", "shutil.unpack_archive", "runpy.run_path"}
METHODS = {"extractall", "load_state", "save_state", "load_checkpoint", "register_extension_type", "unpack_archive", "read_pickle", "from_pretrained"}

# Named one by one: (file, what) → why it may stay.
EXCEPTIONS = {
    ("nbs/03b_leaving_python.ipynb", "torch.export.load"): "reads the program that the cell above wrote; the prose warns",
    ("tests/test_leaving_python.py", "torch.export.load"): "reads what the test wrote",
    ("nbs/10_promises.ipynb", "pickle"): "writes a hostile file, to show that it is refused",
    ("tests/bad_input/checkpoints.py", "torch.save"): "writes a pickle in disguise, to show that it is refused",
    ("tests/test_hostile.py", "torch.load"): "what must be refused, of a harmless kind",
    ("tests/test_course.py", "exec"): "the cells of our own tutorials",
    ("tests/test_birds.py", "pickle"): "pickles a data set of its own and reads it back, as a loader's worker does",
    ("tests/test_identities.py", "pickle"): "the same",
}


def calls(tree):
    "What a program does that could run a stranger's words: names of it."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (a.name for a in node.names if a.name.split(".")[0] in UNPICKLERS)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS: yield node.module
        if not isinstance(node, ast.Call): continue
        name, words = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name in FORBIDDEN or isinstance(node.func, ast.Attribute) and node.func.attr in METHODS: yield name
        if name == "torch.load" and words.get("weights_only") != "True": yield name
        if re.search(r"(^|\.)(np|numpy)\.load$", name) and words.get("allow_pickle", "False") != "False": yield name
        if words.get("shell", "False") != "False": yield f"{name}(shell=)"
        if words.get("trust_remote_code", "False") != "False": yield f"{name}(trust_remote_code=)"


def program(path):
    "Its syntax; of a notebook, of all cells one after the other."
    if path.suffix == ".py": return ast.parse(path.read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    return ast.parse("\n".join(re.sub(r"^(\s*)[%!].*$", r"\1pass", c, flags=re.M) for c in cells))


def test_nothing_is_unpickled_or_evaluated():
    found = {(str(p.relative_to(ROOT)), name) for p in SOURCES for name in calls(program(p))}
    assert not found - set(EXCEPTIONS), found - set(EXCEPTIONS)
    assert not {e for e in EXCEPTIONS if e not in found}, "an exception that nobody needs any more"


@pytest.mark.parametrize("code", ["import pickle", "from joblib import load", "torch.load('x')", "torch.load('x', weights_only=False)", "np.load(p, allow_pickle=True)", "eval('1')", "exec(s)", "__import__('os')", "subprocess.run(c, shell=True)", "tar.extractall(p)", "accelerator.load_state(p)", "timm.models.load_checkpoint(m, p)", "f(trust_remote_code=True)"])
def test_the_search_finds(code): assert list(calls(ast.parse(code)))


def held(counts):
    for name, count in counts.items(): assert count.tried and count.held == count.tried, f"{name}: {count.held} of {count.tried} held\n" + "\n".join(count.findings[:20])


def test_pickles_run_nowhere():
    assert hostile.live(), "these pickles are harmless, so they show nothing"
    held({"pickles": hostile.pickles()})


def test_archives_unpack_nowhere_else(): held({"archives": hostile.try_archives(), "rights and case": hostile.try_modes()})
def test_downloads(): held({"downloads": hostile.try_downloads()})
def test_no_module_asks_for_an_address_when_imported(): held({"imports": hostile.try_imports()})
def test_tables_begin_no_formula(): held({"tables": hostile.try_tables()})


@pytest.mark.xdist_group("browser")
def test_words_stay_words_in_pages(tmp_path):
    with chromium() as browser: held(hostile.try_pages(browser, tmp_path, all_pages=False))


def test_parsers():
    with parsers.scratch() as folder: counts = parsers.campaign(all_parsers(folder), 4000, seed=1)
    assert sum(c.tried for c in counts.values()) >= 3500
    held(counts)


SAYS = {     # what a configuration may not say → a part of the sentence
    "a file to unpickle": ({"network_args": {"checkpoint_path": "evil.pth"}}, "network_args"), "another address": ({"network_args": {"pretrained_cfg": {"url": "https://example.org/x.pth"}}}, "network_args"),
    "a network on the Hub": ({"backbone": "hf-hub:someone/something"}, "fetches nothing"), "a folder": ({"backbone": "local-dir:/tmp"}, "backbone"), "2⁶⁰ ranks": ({"n_maps": 2**60}, "n_maps"), "2⁴⁰ classes": ({"n_classes": 2**40}, "classes"),
    "a photograph of a million pixels a side": ({"image_size": 10**6}, "image_size"), "a network of a terabyte": ({"network_args": {"channels": [10**5] * 4}}, "network_args"), "classes that are no words": ({"classes": [1, 2]}, "classes"), "fewer names": ({"classes": ["a"]}, "classes"),
    "normalisation by nothing": ({"std": [0, 0, 0]}, "std"), "ranks as words": ({"n_maps": "3"}, "n_maps"), "a number as yes": ({"refine": 1}, "refine"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    from brnpa_nb.checkpoints import read_checkpoint
    from brnpa_nb.models import create_model
    path = tmp_path_factory.mktemp("good") / "x.safetensors"
    create_model("resnet12", 2, 2, 16, network_args={"channels": (2, 2, 2, 4)}, image_size=32, classes=["a", "b"]).save(path)
    return read_checkpoint(path)


@pytest.mark.parametrize("what", SAYS)
def test_a_configuration_is_not_believed(what, good, tmp_path):
    from brnpa_nb.checkpoints import save_checkpoint
    from brnpa_nb.models import create_model, load_model
    changed, says = SAYS[what]
    save_checkpoint(tmp_path / "y.safetensors", good.tensors, good.config | changed)
    for load in (load_model, lambda path: create_model("resnet12", None, weights=path)):
        with pytest.raises(ValueError, match=says): load(tmp_path / "y.safetensors")
    with pytest.raises(ValueError, match="past the checks"): create_model("resnet10t", 2, network_args={"checkpoint_path": "evil.pth"})


def test_whoever_loads_a_network_gets_tensors_only(tmp_path):
    "As older releases of timm do it: weights_only=False."
    import torch

    from brnpa_nb.backbones import _weights_only
    (tmp_path / "x.pt").write_bytes(hostile.pickled(tmp_path / "PWNED")["PyTorch's archive"])
    with _weights_only(), pytest.raises(Exception, match="[Ww]eights"): torch.load(tmp_path / "x.pt", weights_only=False)
    assert not (tmp_path / "PWNED").exists()


def test_a_matlab_table_that_unpacks_to_a_gigabyte(tmp_path):
    import struct
    import zlib

    from brnpa_nb.data.finegrained import _mat
    packed = zlib.compressobj(9)
    data = packed.compress(struct.pack("<II", 14, 2**29)) + b"".join(packed.compress(bytes(2**22)) for _ in range(128)) + packed.flush()
    (tmp_path / "bomb.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + struct.pack("<II", 15, len(data)) + data)
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"): _mat(tmp_path / "bomb.mat", "annotations")


def test_parsers_harness_finds():
    "A parser with one fault of each kind."
    def read(data):
        if b"\0" in data: raise KeyError("x")
        if len(data) > 40: raise ValueError("two\nlines")
        assert not data.endswith(b"9"), "a wrong answer"
    found = parsers.campaign([parsers.Parser("faulty", [b"1 2 3 4 5"], read)], 2000)["faulty"]
    assert {f.split(": ")[1].split(" at ")[0] for f in found.findings} >= {"KeyError", "ValueError", "wrong"}


def test_licences_are_known_and_fit():
    rows = licences.rows()
    assert len(rows) > 30 and not [r for r in rows if not r.kind], [r for r in rows if not r.kind]
    listed = (ROOT / "LICENCES.md").read_text(encoding="utf-8")
    direct = {re.split(r"[<>=]", w)[0].lower().replace("_", "-") for extra in ("requirements", "evidence_requirements", "ablation_requirements", "onnx_requirements") for w in _settings()[extra].split()}
    assert not [name for name in direct if f"| {name} |" not in listed], "python -m tests.licences writes LICENCES.md"
    assert not licences.kind_of("x", "GPL-3.0-only") and not licences.kind_of("x", "") and not licences.kind_of("x", "AGPL-3.0") and licences.kind_of("x", "MIT AND Apache-2.0")


def _settings():
    import configparser
    config = configparser.ConfigParser()
    config.read(ROOT / "settings.ini")
    return config["DEFAULT"]
