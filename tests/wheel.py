"""Look inside a wheel, and use it without the checkout: `python -m tests.wheel dist/brnpa_nb-….whl`."""
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def wanted() -> list[str]:
    "Every module, data file and tutorial of the checkout, by its name in the wheel."
    inside = [p for p in (ROOT / "brnpa_nb").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return [p.relative_to(ROOT).as_posix() for p in inside] + [f"brnpa_nb/tutorials/{p.name}" for p in (ROOT / "tutorials").glob("*.ipynb")]


def main(wheel: str) -> int:
    with zipfile.ZipFile(wheel) as z: names = set(z.namelist())
    missing = [n for n in wanted() if n not in names]
    foreign = [n for n in names if n.split("/")[0] not in ("brnpa_nb",) and ".dist-info/" not in n]
    if missing or foreign:
        print(f"the wheel lacks {missing} and has foreign {foreign}")
        return 1
    with tempfile.TemporaryDirectory() as tmp:  # the environment's torch and timm, but this package from the wheel alone
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", f"{tmp}/site", wheel], check=True, stderr=subprocess.DEVNULL)
        env = os.environ | {"PYTHONPATH": f"{tmp}/site"}
        code = "import brnpa_nb, sys; from brnpa_nb.cli import main; assert brnpa_nb.__file__.startswith(sys.argv[1]), brnpa_nb.__file__; sys.exit(main(['tutorials', sys.argv[1] + '/copied']) or main(['demo', '--out', sys.argv[1] + '/demo', '--json']))"
        done = subprocess.run([sys.executable, "-c", code, tmp], cwd=tmp, env=env, capture_output=True, text=True)
        if done.returncode or not (Path(tmp) / "demo/index.html").exists():
            print(done.stdout, done.stderr)
            return 1
    print(f"{len(wanted())} files found in the wheel; demo and tutorials run from it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
