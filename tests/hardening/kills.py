"""Runs that are killed, and the same command again: what is there in between can be read, and in the end every bit is that of a run that nobody disturbed.

Two kinds of moments. At random ones, real signals reach real processes of `brnpa train`, `distil`, `compare` and `explain`: one to three times in a row in the same
folder, before the first save, while it goes on, in the middle of a save. And one by one, a run dies before each single step of writing each single file.
What may differ is the time of day's share alone: the column `seconds` of histories, tables and pages.
"""
import contextlib
import csv
import errno
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from tests.build import ROOT
from tests.hardening import Count
from tests.warm import Begun, in_a_process

SEED = int(os.environ.get("BRNPA_KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)      # printed: the same seed, the same moments as shares of a run
AGAIN = "run the same command again to go on"


# what a reader finds

def read_everything(out: Path) -> None:
    "Go over a folder as readers do; AssertionError for anything that lies there and cannot be read."
    from PIL import Image
    from pyarrow.parquet import read_table
    from safetensors import safe_open

    from brnpa_nb.checkpoints import read_checkpoint
    from brnpa_nb.models import load_model
    from brnpa_nb.shards import open_maps
    from brnpa_nb.training import History

    for path in sorted(p for p in out.rglob("*") if p.is_file() and not p.name.startswith((".aside-", ".running"))):
        try:
            match path.suffix:
                case ".safetensors" if path.parent.name == "shards": safe_open(str(path), framework="pt").keys()
                case ".safetensors":
                    kept = read_checkpoint(path)
                    if "history" in kept.config: assert len(History(kept.config["history"]).best())
                    else: load_model(path)
                case ".json": json.loads(path.read_text())
                case ".csv":
                    text = path.read_text()
                    rows = list(csv.reader(io.StringIO(text)))
                    assert text.endswith("\n") and len({len(r) for r in rows}) == 1
                case ".html": assert path.read_text().rstrip().endswith("</html>")
                case ".png" | ".jpg": Image.open(path).load()
                case ".parquet": read_table(path)
                case other: raise AssertionError(f"a file of an unknown kind, {other}")
        except Exception as error: raise AssertionError(f"{path.relative_to(out)} cannot be read: {type(error).__name__}: {error}") from error
    if (out / "plan.json").exists():
        store = open_maps(out)
        assert not (faults := store.check()), faults
        for k in store.finished(): store[list(store.numbers(k * store.plan["shard_size"], (k + 1) * store.plan["shard_size"]))]
    if (out / "state.safetensors").exists(): assert {"best.safetensors", "last.safetensors"} <= {p.name for p in out.iterdir()}


def result(out: Path) -> dict[str, str]:
    "Every file by its name and content, without wall-clock time."
    return {p.relative_to(out).as_posix(): sha256(_timeless(p)).hexdigest()[:16] for p in sorted(out.rglob("*")) if p.is_file()}


def _timeless(path: Path) -> bytes:
    if path.name == "state.safetensors":
        from safetensors import safe_open

        from brnpa_nb.checkpoints import read_checkpoint
        kept = read_checkpoint(path)
        for row in kept.config["history"]: del row["seconds"]
        with safe_open(str(path), framework="pt") as f: names = sorted(f.keys())
        return json.dumps(kept.config, sort_keys=True).encode() + b"".join(n.encode() + kept.tensors[n].numpy().tobytes() for n in names)
    if path.name == "comparison.json": return json.dumps(_without_seconds(json.loads(path.read_bytes())), sort_keys=True).encode()
    if path.parent.parent.name == "pieces":
        piece = json.loads(path.read_bytes())["piece"]
        return json.dumps({**piece, "cost": piece["cost"][:2], "took": 0}).encode()
    if path.name == "table.csv" and "seconds" in (text := path.read_text()).split("\n")[0]: return json.dumps(_without_seconds(list(csv.DictReader(io.StringIO(text))))).encode()
    if path.name == "index.html" and (path.parent / "pieces").exists(): return re.sub(rb"[\d.]+(?=</td></tr>)", b"", path.read_bytes())        # the last column of the table: seconds
    return path.read_bytes()


def _without_seconds(x):
    if isinstance(x, dict): return {k: _without_seconds(v) for k, v in x.items() if k != "seconds"}
    return [_without_seconds(v) for v in x] if isinstance(x, list) else x


def aside(out: Path) -> list[str]: return sorted(p.name for p in out.rglob(".*") if p.name.startswith((".aside-", ".running")))


# the four commands, small

@dataclass
class Home:
    "A folder with something to train on and something to explain, and what undisturbed runs make of it."
    folder: Path
    whole: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def line(self, name: str, out: Path, *more: str) -> list[str]:
        "A command that writes into `out`."
        data, model, small = self.folder / "data", self.folder / "model.safetensors", ["--epochs", "3", "--batch-size", "8", "--size", "32", "--valid-share", ".3"]
        lines = {"train": ["train", data, "--model", "test_resnet", *small, "--dropout", ".1"],
                 "distil": ["distil", model, data, "--output-stride", "16", "--start", "random", *small],
                 "compare": ["compare", data / "a", "--weights", model, "--size", "32", "--pictures", "12", "--explainers", "brnpa", "gradcam", "--metrics", "DAUC", "sparsity", "--steps", "4"],
                 "explain": ["explain", data, "--weights", model, "--size", "32", "--shard-size", "4", "--batch-size", "4", "--pictures", "4"],
                 "birds": ["train", "birds", "--pictures", "128", "--epochs", "1", "--batch-size", "64", "--model", "test_resnet"]}
        return [str(a) for a in [*lines[name], "--out", out, "--quiet", "--json", *more]]

    def undisturbed(self, name: str, *more: str) -> None:
        "What must come of it, and how long it takes."
        out = self.folder / f"whole_{name}"
        begun, start = begin(self.line(name, out, *more)), time.monotonic()
        done = begun.end(300)
        assert done.returncode == 0, done.stderr
        self.whole[name], self.seconds[name] = result(out), time.monotonic() - start
        read_everything(out)
        assert not aside(out), aside(out)


def furnish(folder: Path) -> Home:
    "Photographs of noise and a model with random weights."
    import torch
    from PIL import Image

    from brnpa_nb.models import create_model

    generator = torch.Generator().manual_seed(0)
    for name in "abc":
        (folder / "data" / name).mkdir(parents=True)
        for i in range(12): Image.fromarray(torch.randint(0, 256, (40, 40, 3), generator=generator, dtype=torch.uint8).numpy()).save(folder / "data" / name / f"{name}{i:02d}.png")
    with torch.random.fork_rng():
        torch.manual_seed(7)
        create_model("test_resnet", 3, n_maps=3, output_stride=32, image_size=32, classes=["a", "b", "c"]).save(folder / "model.safetensors")
    return Home(folder)


def _command(flag: str, threads: int, args: list[str], limit: int | None) -> None:
    "In a process: the command, and a flag when it begins."
    import torch

    from brnpa_nb.cli import main
    if limit is not None:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    torch.set_num_threads(threads)
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)): signal.signal(number, usual)     # as in a terminal, wherever this runs
    sys.argv = ["brnpa", *args]
    Path(flag).touch()
    sys.exit(main())


def begin(args: list[str], limit: int | None = None) -> Begun:
    "Start a command; it is on its way when this returns."
    flag = Path(tempfile.mkdtemp()) / "flag"
    begun = Begun(_command, str(flag), 1, args, limit)
    begun.wait_for(flag.exists)
    with contextlib.suppress(OSError): flag.unlink(); flag.parent.rmdir()
    return begun


# signals at any moment

STATUS = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 143, "SIGINT": 130, "SIGINT to the group": 130, "SIGINT twice": 130, "SIGHUP": 129}


def strike(begun: Begun, kind: str) -> None:
    "One kind of kill."
    number = getattr(signal, kind.split()[0])
    begun.send(number, group="group" in kind)
    if "twice" in kind: time.sleep(.01); begun.send(number)


def check_end(kind: str, done: subprocess.CompletedProcess, begun: Begun) -> bool:
    "Whether the run was killed; AssertionError where it did not end as it should."
    assert not begun.orphans(), f"processes stayed behind after {kind}"
    if done.returncode == 0 or done.stdout.strip().endswith("}"): return False          # it was over already
    assert done.returncode == STATUS[kind], f"status {done.returncode} after {kind}: {done.stderr[-800:]}"
    if kind != "SIGKILL":
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert lines and lines[-1].startswith("brnpa: ") and AGAIN in lines[-1] and "Traceback" not in done.stderr and "leaked" not in done.stderr, done.stderr[-800:]
    return True


def in_a_row(home: Home, name: str, out: Path, kinds: list[str], moments: list[float]) -> int:
    "Kill the same command again and again in the same folder, let it end, compare; how many kills there were."
    kills = 0
    for kind, moment in zip(kinds, moments):
        begun = begin(home.line(name, out))
        until = time.monotonic() + .03 + moment * home.seconds[name]
        if begun.wait_for(lambda until=until: time.monotonic() > until): strike(begun, kind)  # type: ignore[misc]
        kills += check_end(kind, begun.end(120), begun)
        read_everything(out)
        left = aside(out)
        done = finished(out)
        assert len(left) <= 3 if kind == "SIGKILL" else not left, f"{left} left after {kind}"     # one run's, not several runs'
    end_well(home, name, out)
    assert {p: p.stat().st_mtime_ns for p in done} == done, "what was finished was made again"
    return kills


def finished(out: Path) -> dict[Path, int]:
    "Shards and pieces, and when they were written."
    from brnpa_nb.shards import open_maps, shard_path
    made = [*out.glob("pieces/*/*.json")]
    if (out / "plan.json").exists(): made += [shard_path(out, k, suffix) for k in open_maps(out).finished() for suffix in (".parquet", ".safetensors")]
    return {p: p.stat().st_mtime_ns for p in made}


def end_well(home: Home, name: str, out: Path, *more: str) -> None:
    "The same command once more, undisturbed: it ends, and every bit is there."
    done = begin(home.line(name, out, *more)).end(300)
    assert done.returncode == 0, done.stderr[-800:]
    found = result(out)
    odd = sorted(k for k in {**found, **home.whole[name]} if found.get(k) != home.whole[name].get(k))
    assert not odd, f"not what an undisturbed run gives: {odd}"
    assert not aside(out), aside(out)


# workers, disks, several processes

def lose_a_worker(home: Home, name: str, out: Path, moment: float) -> bool:
    "SIGKILL to a process that reads or draws: one sentence, and on again. Whether there was one to kill."
    more = [] if name == "birds" else ["--workers", "2"]
    begun = begin(home.line(name, out, *more))
    if not begun.wait_for(begun.children): begun.end(); return False
    time.sleep(moment * .5)
    for pid in begun.children()[:1]:
        with contextlib.suppress(ProcessLookupError): os.kill(pid, signal.SIGKILL)
    done = begun.end(120)
    if done.returncode == 0: return False                                # it had done its work
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "Traceback" not in done.stderr and lines[-1].startswith("brnpa: a process that") and "died" in lines[-1], done.stderr[-800:]
    assert not begun.orphans() and not aside(out)
    read_everything(out)
    end_well(home, name, out, *more)
    return True


def fill_the_disk(home: Home, name: str, out: Path, share: float) -> None:
    "A limit to the size of a file: the way that needs no rights."
    sizes = sorted({p.stat().st_size for p in (home.folder / f"whole_{name}").rglob("*") if p.is_file()})
    limit = int(sizes[round(share * (len(sizes) - 1))] * .6)
    _full(begin(home.line(name, out), limit), out)
    end_well(home, name, out)


def fill_a_mount(home: Home, name: str, place: Path, share: float) -> None:
    "A disk that is really full, and then is given space."
    size = sum(p.stat().st_size for p in (home.folder / f"whole_{name}").rglob("*") if p.is_file())
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(8192, int(share * size))}", "tmpfs", place], check=True, capture_output=True)
    try:
        _full(begin(home.line(name, place / "out")), place / "out")
        subprocess.run(["mount", "-o", "remount,size=200m", place], check=True, capture_output=True)
        end_well(home, name, place / "out")
    finally: subprocess.run(["umount", place], check=False)


def _full(begun: Begun, out: Path) -> None:
    done = begun.end(120)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2 and "Traceback" not in done.stderr and lines[-1].startswith("brnpa: ") and "no space left" in lines[-1].lower(), (done.returncode, done.stderr[-800:])
    assert not aside(out), aside(out)
    if out.exists(): read_everything(out)


def torchrun(home: Home, name: str, out: Path) -> subprocess.Popen:
    "Two processes; no GPU."
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0", "-m", "brnpa_nb.cli"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1", "MPLBACKEND": "agg"}
    return subprocess.Popen([*launch, *home.line(name, out)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)


def ranks(launcher: int) -> list[int]:
    "Its processes, by rank."
    found = {}
    for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        with contextlib.suppress(OSError):
            if got := re.search(rb"\0RANK=(\d+)\0", b"\0" + Path(f"/proc/{pid}/environ").read_bytes()): found[int(got[1])] = int(pid)
    return [found[k] for k in sorted(found)]


def lose_one_of_two(home: Home, name: str, out: Path, whom: str, there: str) -> None:
    "One of two processes dies, or their launcher is told to end, as soon as a file is there; then the same again."
    run = torchrun(home, name, out)
    deadline = time.monotonic() + 120
    while not list(out.glob(there)) and run.poll() is None and time.monotonic() < deadline: time.sleep(.005)
    assert run.poll() is None, run.communicate()[1][-800:]
    pids = ranks(run.pid)
    os.kill(run.pid if whom == "launcher" else pids[int(whom)], signal.SIGTERM if whom == "launcher" else signal.SIGKILL)
    said = run.communicate(timeout=90)[1]
    assert run.returncode != 0, "it had ended before"
    ours = [line for line in said.splitlines() if line.startswith("brnpa: ")]
    assert (ours or whom == "0") and all(AGAIN in line for line in ours), said[-3000:]       # without the first process nobody speaks but torchrun
    assert not any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3] for pid in pids), "a process stayed behind"
    read_everything(out)
    again = torchrun(home, name, out)
    said = again.communicate(timeout=120)[1]
    assert again.returncode == 0, said[-3000:]
    assert not aside(out)


# every single step of writing

STEPS = ("made aside", "half written", "written, not flushed", "flushed, not renamed", "renamed, folder not flushed")


class Strikes:
    "Counts the steps of writing; before step number `at` it does something terrible."
    def __init__(self, at: int | None, how: str): self.at, self.how, self.n, self.log = at, how, 0, []

    def step(self, what: str) -> None:
        self.n += 1
        self.log.append(what)
        if self.n != self.at: return
        if self.how == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "Ctrl-C": raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def before(self, module: object, name: str, what: Callable) -> None:
        "Put a step before a function of a module."
        real = getattr(module, name)
        def call(*args, **kwargs):
            if told := what(*args): self.step(told)
            return real(*args, **kwargs)
        setattr(module, name, call)

    def install(self) -> None:
        "In a process that will not be used for anything else."
        strikes = self
        class Halves(io.BufferedWriter):
            def write(self, data):
                middle = len(data) // 2
                super().write(memoryview(data)[:middle]); self.flush()
                strikes.step(STEPS[1])
                return middle + super().write(memoryview(data)[middle:])
        real = os.fdopen
        os.fdopen = lambda handle, mode="r", *args, **kwargs: Halves(io.FileIO(handle, "w")) if mode == "wb" else real(handle, mode, *args, **kwargs)  # type: ignore[assignment]
        self.before(tempfile, "mkstemp", lambda *_: STEPS[0])
        self.before(os, "fsync", lambda handle: STEPS[4] if os.path.isdir(f"/proc/self/fd/{handle}") else STEPS[2])
        self.before(os, "replace", lambda *_: STEPS[3])


def _spots(n: int, seed: int):
    import torch
    from torch.utils.data import TensorDataset
    g = torch.Generator().manual_seed(seed)
    return TensorDataset(torch.rand(n, 3, 32, 32, generator=g), torch.arange(n) % 2)


def _tiny(seed: int = 0):
    import torch

    from brnpa_nb.models import create_model
    torch.manual_seed(seed)
    return create_model("test_resnet", 2, image_size=32)


def small_fit(out: Path, distil: bool = False) -> None:
    "A training of two epochs, with augmentation."
    import torch

    from brnpa_nb.distillation import Distillation
    from brnpa_nb.training import Recipe, fit
    fit(_tiny(), _spots(24, 0), _spots(8, 1), Recipe(epochs=2, batch_size=8, lr=3e-3), Distillation(_tiny(1)) if distil else None, lambda x: (x + .1 * torch.rand_like(x)).clamp(0, 1), out, progress=False)


def small_explain(out: Path, photos: Path = Path()) -> None:
    "Two shards, a picture, the tables and the page."
    from brnpa_nb.explaining import explain_photos
    explain_photos(_tiny(), photos, out, size=32, batch_size=4, shard_size=6, pictures=1)


def small_compare(out: Path) -> None:
    "Six pieces."
    import torch

    from brnpa_nb.evidence.benchmark import compare
    from brnpa_nb.evidence.cases import Case, Cases
    from brnpa_nb.evidence.metrics import Settings
    cases = Cases("noise", [f"photo {i}" for i in range(6)], lambda i: Case(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i)), mask=torch.ones(32, 32, dtype=torch.bool)))
    compare(_tiny().eval(), ["brnpa", "random"], ["DAUC"], cases, Settings(steps=4), cache=out / "pieces", portion=2, progress=False, say=None)


def fork(do: Callable[[], object], said: Path) -> int:
    "Call it in a fork of this process: 0, 130 after Ctrl-C, 2 after an error that is one sentence, 1 after any other, below 0 for a signal."
    pid = os.fork()
    if pid: return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        with said.open("w") as f, contextlib.redirect_stderr(f), contextlib.redirect_stdout(f):
            try: do(); status = 0
            except KeyboardInterrupt: status = 130
            except OSError as error: status = 2; print(error)
            except BaseException: traceback.print_exc()
    finally: os._exit(status)


def _struck(do: Callable[[Path], None], out: Path, at: int | None, how: str, log: Path | None = None) -> None:
    strikes = Strikes(at, how)
    strikes.install()
    do(out)
    if log: log.write_text(json.dumps(strikes.log))


def each_step(folder: str, photos: str, names: list[str], every: int) -> None:
    "In a process of its own: every step of every scenario (or every n-th), by kill, full disk or Ctrl-C in turn; a JSON line for each."
    import torch
    torch.set_num_threads(1)
    scenarios: dict[str, Callable[[Path], None]] = {"fit": small_fit, "distil": partial(small_fit, distil=True), "explain": partial(small_explain, photos=Path(photos)), "compare": small_compare}
    for name in names:
        home, do = Path(folder) / name, scenarios[name]
        home.mkdir(parents=True)
        assert fork(partial(_struck, do, home / "whole", None, "", home / "log"), home / "said") == 0, (home / "said").read_text()
        whole, log = result(home / "whole"), json.loads((home / "log").read_text())
        for at in range(1, len(log) + 1, every):
            how = ("kill", "full", "kill", "Ctrl-C")[at // every % 4]
            print(json.dumps([f"{name}: {how}", *_one_step(do, home, whole, at, how, log[at - 1])]), flush=True)


def _one_step(do: Callable[[Path], None], home: Path, whole: dict[str, str], at: int, how: str, step: str) -> tuple[bool, str]:
    "Whether it held, and what did not."
    out, said, status = home / str(at), home / "said", {"kill": -signal.SIGKILL, "full": 2, "Ctrl-C": 130}[how]
    try:
        found = fork(lambda: _struck(do, out, at, how), said)
        assert found == status, f"status {found}: {said.read_text()[-500:]}"
        if how == "full": assert "make space" in (text := said.read_text()) and text.strip().count("\n") == 0, text
        if how != "kill": assert not aside(out), aside(out)
        if out.exists(): read_everything(out)
        found = fork(lambda: do(out), said)
        assert found == 0, f"going on: status {found}: {said.read_text()[-500:]}"
        assert result(out) == whole, f"not what an undisturbed run gives: {sorted(k for k in whole if result(out).get(k) != whole[k])}, too much: {sorted(set(result(out)) - set(whole))}"
        assert not aside(out), aside(out)
    except Exception as error: return False, f"{how} at step {at} ({step}): {type(error).__name__}: {error}"
    return True, ""


def steps(folder: Path, photos: Path, names: list[str], every: int = 1) -> Iterator[tuple[str, bool, str]]:
    "What `each_step` finds."
    done = in_a_process(each_step, str(folder), str(photos), names, every, timeout=3600)
    assert done.returncode == 0, done.stderr[-3000:]
    for line in done.stdout.splitlines(): yield tuple(json.loads(line))


# the campaign

ROWS = ([1, 2, 3, 2, 3, 1])   # kills one after the other in one folder


def run() -> dict[str, Count]:
    "Some seventy kills at random moments of the four commands, and one at each third step of writing: every kind of step, since there are five."
    counts: dict[str, Count] = {}
    rng = random.Random(SEED)
    print(f"seed {SEED} (BRNPA_KILLS_SEED)", file=sys.stderr)
    with tempfile.TemporaryDirectory() as tmp:
        home = furnish(Path(tmp))
        for name in ("train", "distil", "compare", "explain", "birds"): home.undisturbed(name)
        for name in ("train", "distil", "compare", "explain"): _signals(home, name, rng, counts)
        _others(home, rng, counts)
        for what, held, finding in steps(Path(tmp) / "steps", home.folder / "data" / "a", ["fit", "distil", "explain", "compare"], every=3): counts.setdefault(f"steps of writing, {what}", Count()).add(held, finding)
    return counts


def _tell(counts: dict[str, Count], what: str, do: Callable[[], object], about: str, n: int = 1) -> None:
    "Count a try; `do` gives how many kills there were, or nothing for one."
    try: kills = do()
    except Exception as error:
        for _ in range(n): counts.setdefault(what, Count()).add(False, f"seed {SEED}, {about}: {type(error).__name__}: {error}")
    else:
        print(f"{what} ({about}): held", file=sys.stderr, flush=True)
        for _ in range(1 if kills is None else int(kills)): counts.setdefault(what, Count()).add(True)      # type: ignore[call-overload]


def _signals(home: Home, name: str, rng: random.Random, counts: dict[str, Count]) -> None:
    kinds = list(STATUS)
    rng.shuffle(kinds)
    at = iter(kinds * 3)
    for i, row in enumerate(ROWS):
        mine, moments = [next(at) for _ in range(row)], [rng.random() for _ in range(row)]
        if i == 0: moments = [0.]                                        # before anything is saved
        _tell(counts, f"{name}: signals at random moments", lambda: in_a_row(home, name, home.folder / f"{name}_{i}", mine, moments), f"{mine} at {[round(m, 3) for m in moments]}", row)  # noqa: B023


def _others(home: Home, rng: random.Random, counts: dict[str, Count]) -> None:
    for i, name in enumerate(("train", "distil", "birds") * 2):
        _tell(counts, f"{name}: a worker is killed", lambda: lose_a_worker(home, name, home.folder / f"worker_{i}", rng.random()), str(i))  # noqa: B023
    try: subprocess.run(["mount", "-t", "tmpfs", "tmpfs", home.folder / "data" / "c"], check=True, capture_output=True); subprocess.run(["umount", home.folder / "data" / "c"], check=True); mounts = True
    except (OSError, subprocess.CalledProcessError): mounts = False
    for i, name in enumerate(("train", "distil", "compare", "explain") * 2):
        share = rng.uniform(.1, .9)
        fill = partial(fill_a_mount, home, name, home.folder / f"mount_{i}") if mounts and i < 4 else partial(fill_the_disk, home, name, home.folder / f"full_{i}")
        _tell(counts, f"{name}: disk full ({'a full tmpfs' if mounts and i < 4 else 'files limited in size'})", lambda: fill(share), f"share {share:.3f}")  # noqa: B023
    _together(home, counts)


def _together(home: Home, counts: dict[str, Count]) -> None:
    "Under torchrun: shards are those of one process; a training is that of two."
    whole = home.folder / "whole_two"
    done = torchrun(home, "train", whole)
    assert (done.communicate(timeout=120), done.returncode)[1] == 0
    for whom in ("1", "0", "launcher"):
        def train(whom=whom):
            lose_one_of_two(home, "train", out := home.folder / f"two_{whom}", whom, "state.safetensors")
            assert result(out) == result(whole)
        _tell(counts, "train: one of two processes dies, or torchrun is told to end", train, whom)
    def explain():
        lose_one_of_two(home, "explain", out := home.folder / "two_explain", "1", "shards/*.parquet")
        assert result(out) == home.whole["explain"]
    _tell(counts, "explain: one of two processes dies", explain, "rank 1")
