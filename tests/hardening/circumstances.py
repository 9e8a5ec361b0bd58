"""The settings under which people run this: threads, processors, `python -O`, no home, no screen, no network, odd paths, odd locales. Each runs `tests.hardening.probe`."""
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from brnpa_nb.shards import open_maps
from tests.build import ROOT
from tests.hardening import Count

NO_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"}
STRICT_C = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}      # Python's own rescue switched off: ASCII everywhere


@dataclass(frozen=True)
class Circumstance:
    "How the probe is run, and how near its result must be to the plain one."
    env: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()                     # environment variables that are taken away
    python: tuple[str, ...] = ()                   # options of the interpreter
    before: tuple[str, ...] = ()                   # words in front of the command
    probe: tuple[str, ...] = ()                    # arguments of the probe
    folder: str = "plain"                          # name of the folder it works in
    bitwise: bool = True                           # else seeds equal and weights within 1e-4


CIRCUMSTANCES = {
    "two threads": Circumstance({"OMP_NUM_THREADS": "2"}, bitwise=False),
    "python -O": Circumstance(python=("-O",)),
    "python -OO": Circumstance(python=("-OO",)),
    "no AVX-512": Circumstance(NO_AVX512, bitwise=False),
    "no AVX at all": Circumstance({"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}, bitwise=False),
    "locale C": Circumstance({"LC_ALL": "C", "LANG": "C"}),
    "locale C, strict": Circumstance(STRICT_C),
    "no display": Circumstance(drop=("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")),
    "no home": Circumstance(drop=("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME")),
    "read-only home": Circumstance({"HOME": "{readonly}", "XDG_CACHE_HOME": "{readonly}/cache", "MPLCONFIGDIR": ""}, before=("{lock}",)),
    "no network": Circumstance(probe=("--offline",)),
    "no network device": Circumstance(before=("unshare", "--net")),
    "blanks and umlauts in the path": Circumstance(folder="my pictures – Zaunkönige"),
}
LOCK = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'      # root does not mind permissions: a read-only mount, in a namespace of its own


@functools.cache
def can_unshare(*flags: str) -> bool:
    "Whether namespaces can be had here (Linux, as root)."
    return bool(shutil.which("unshare")) and subprocess.run(["unshare", *flags, "true"], capture_output=True).returncode == 0


ALL_AT_ONCE = Circumstance(STRICT_C, drop=("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"), python=() if torch.__version__.startswith("2.6.") else ("-O",), probe=("--offline",), folder="my pictures")      # torch 2.6 itself does not import under -O


def why_not(name: str) -> str:
    "Why a circumstance cannot be had here; empty if it can."
    if name == "no network device" and not can_unshare("--net"): return "a network namespace needs Linux and root"
    if name == "read-only home" and os.name == "posix" and os.geteuid() == 0 and not can_unshare("--mount"): return "as root, a read-only home needs a mount namespace"
    if name.startswith("no AVX") and torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"): return "this processor has neither"
    return ""


def probe(name: str, folder: Path) -> subprocess.CompletedProcess:
    "Run the probe under a circumstance, in a folder of its own."
    how = {"plain": Circumstance(), "all at once": ALL_AT_ONCE, **CIRCUMSTANCES}[name]
    home = folder / "home"
    home.mkdir(parents=True)
    before = []
    if "{lock}" in how.before:
        home.chmod(0o555)
        if os.geteuid() == 0: before = ["unshare", "--mount", "sh", "-c", LOCK, str(home)]
    elif how.before: before = list(how.before)
    env = {k: v for k, v in os.environ.items() if k not in how.drop} | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"}
    env = {"OMP_NUM_THREADS": "1"} | {k: v for k, v in env.items() if k != "OMP_NUM_THREADS"} | {k: v.format(readonly=home) for k, v in how.env.items()}
    if env.get("MPLCONFIGDIR") == "": env.pop("MPLCONFIGDIR")
    command = [*before, sys.executable, *how.python, "-m", "tests.hardening.probe", str(folder / how.folder), *how.probe]
    return subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=600, cwd=ROOT)


def differs(name: str, folder: Path, plain: Path, found: dict, expected: dict) -> str:
    "In what a run is not as it must be; empty if in nothing."
    how = CIRCUMSTANCES[name]
    if how.bitwise: return ", ".join(k for k in expected if found[k] != expected[k])
    a, b = (list(open_maps(p / "explained")) for p in (folder / how.folder, plain))
    seeds = all(torch.equal(x.seeds, y.seeds) for x, y in zip(a, b))
    apart = max((x.weights.float() - y.weights.float()).abs().max().item() for x, y in zip(a, b))
    return "" if seeds and apart < 1e-3 and found["labels"] == expected["labels"] else f"seeds equal: {seeds}, weights {apart:.1e} apart"


def run() -> dict[str, Count]:
    "Every circumstance that can be had here; those that cannot are named, and not counted."
    count = Count()
    with tempfile.TemporaryDirectory() as tmp:
        plain = probe("plain", Path(tmp) / "0")
        if plain.returncode: return {"circumstances": Count(1, 0, [plain.stderr[-2000:]])}
        expected = json.loads(plain.stdout.splitlines()[-1])
        for i, name in enumerate(CIRCUMSTANCES, 1):
            if reason := why_not(name): print(f"not run: {name}: {reason}", file=sys.stderr); continue
            done = probe(name, Path(tmp) / str(i))
            wrong = done.stderr[-1500:] if done.returncode else differs(name, Path(tmp) / str(i), Path(tmp) / "0/plain", json.loads(done.stdout.splitlines()[-1]), expected)
            count.add(not wrong, f"{name}: {wrong}")
    return {"circumstances": count}
