"""A slice of the campaign in `tests.hardening.kills`: runs that are killed, interrupted, out of space, or one too many. Moments are random, what must hold is not."""
import multiprocessing
import os
import signal
import warnings

import pytest
import torch

from brnpa_nb.cli import main
from brnpa_nb.data.drawing import paint_blocks
from brnpa_nb.shards import open_maps
from brnpa_nb.training import Recipe, fit
from tests.hardening import kills
from tests.leftovers import state
from tests.warm import Begun

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="processes are watched through /proc, which this system has not")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "Photographs, a model, and what undisturbed runs make of them, made when asked for."
    return kills.furnish(tmp_path_factory.mktemp("home"))


def undisturbed(home, name):
    if name not in home.whole: home.undisturbed(name)


@pytest.mark.parametrize("name, row", [("train", ["SIGKILL", "SIGTERM"]), ("distil", ["SIGINT twice"]), ("compare", ["SIGTERM"]), ("explain", ["SIGINT to the group", "SIGKILL", "SIGHUP"])])
def test_killed_and_resumed_is_bitwise_the_same(home, tmp_path, name, row):
    undisturbed(home, name)
    moments = [.25 + .5 * torch.rand(1).item() for _ in row]
    kills.in_a_row(home, name, tmp_path / "out", row, moments)


def test_every_step_of_writing(home, tmp_path):
    "Each seventh step of a training, an explained folder and a comparison, killed, out of space or interrupted: there are five kinds of step, so that every kind is among them."
    found = list(kills.steps(tmp_path, home.folder / "data" / "a", ["fit", "explain", "compare"], every=7))
    assert len(found) >= 12 and not [finding for _, held, finding in found if not held]


@pytest.mark.parametrize("name", ["train", "explain"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(home, tmp_path, name):
    undisturbed(home, name)
    kills.fill_the_disk(home, name, tmp_path / "out", 1.)


def test_a_worker_that_is_killed_is_one_sentence(home, tmp_path):
    undisturbed(home, "train")
    assert kills.lose_a_worker(home, "train", tmp_path / "out", 0.)


def _slow(n):
    import time
    time.sleep(n)


def _paint_for_ever(): list(paint_blocks(_slow, [600, 600], 2))


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGTERM"])
def test_processes_that_draw_do_not_outlive_the_one_that_started_them(kind):
    "A worker of a killed process would wait for work for ever."
    begun = Begun(_paint_for_ever)
    assert begun.wait_for(lambda: len(begun.children()) == 2)
    kills.strike(begun, kind)
    begun.end(30)
    assert not begun.orphans()


def test_two_terminals(home, tmp_path):
    "The same command twice at the same time: the second is refused, the first does not notice."
    undisturbed(home, "train")
    first = kills.begin(home.line("train", tmp_path / "out"))
    claimed = tmp_path / "out/.running"
    assert first.wait_for(lambda: claimed.exists() and claimed.read_text())      # written once the lock is held
    first.send(signal.SIGSTOP)
    second = kills.begin(home.line("train", tmp_path / "out")).end(60)
    assert second.returncode == 2 and "is being written by another run" in second.stderr.splitlines()[-1] and "Traceback" not in second.stderr
    first.send(signal.SIGCONT)
    assert first.end(120).returncode == 0
    assert kills.result(tmp_path / "out") == home.whole["train"]


def _interrupted(*_, **__): raise KeyboardInterrupt


def spots(n, label=lambda i: i % 2): return [(torch.full((3, 32, 32), i / n), label(i)) for i in range(n)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_interrupted_fit_leaves_the_model_as_found(tmp_path, workers, precision):
    "The exception is kept, as a notebook keeps the last one: workers must end nevertheless. With half precision Accelerate has put its own forward into the model."
    model = kills._tiny().eval()
    model.pooling.train()                                                # a mode of its own
    seen, forward, others = [], model.forward, multiprocessing.active_children()
    def stop(model, images, targets):
        seen.append(len(multiprocessing.active_children()))
        model(images).sum().backward()
        raise KeyboardInterrupt
    before = [(n, m.training, sum(len(getattr(m, k)) for k in vars(torch.nn.Module()) if "hooks" in k)) for n, m in model.named_modules()]
    with pytest.raises(KeyboardInterrupt) as kept: fit(model, spots(16), None, Recipe(epochs=1, batch_size=8, precision=precision), stop, out=tmp_path / "out", workers=workers, progress=False)
    assert kept.value and seen == [workers + len(others)] and multiprocessing.active_children() == others
    assert before == [(n, m.training, sum(len(getattr(m, k)) for k in vars(torch.nn.Module()) if "hooks" in k)) for n, m in model.named_modules()]
    assert all(p.grad is None for p in model.parameters()) and model.forward == forward and not (tmp_path / "out").exists()


def test_a_gradient_that_was_there_is_no_part_of_the_training():
    "It used to be added to the first step's, silently."
    trained = []
    for left in (None, 100.):
        model = kills._tiny()
        if left:
            for p in model.parameters(): p.grad = torch.full_like(p, left)
        fit(model, spots(16), recipe=Recipe(epochs=1, batch_size=8, lr=1e-2), progress=False)
        trained.append(model.state_dict())
    assert all(torch.equal(trained[0][k], trained[1][k]) for k in trained[0])


def test_interrupted_explaining_and_comparing_leave_the_model_as_found(home, tmp_path, monkeypatch):
    from brnpa_nb.evidence import benchmark
    from brnpa_nb.explaining import explain_photos
    images = torch.rand(2, 3, 32, 32)
    model = kills._tiny().train()
    before = state(model, images)
    def stop(n):
        if n == 6: raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): explain_photos(model, home.folder / "data" / "a", tmp_path / "out", size=32, batch_size=2, shard_size=2, progress=stop)
    store = open_maps(tmp_path / "out")
    assert len(list(store.finished())) == 2 and not store.check() and state(model, images) == before and not kills.aside(tmp_path / "out")
    made, real = [], benchmark.keep
    def keep(path, piece):
        made.append(path)
        if len(made) == 2: raise KeyboardInterrupt
        return real(path, piece)
    monkeypatch.setattr(benchmark, "keep", keep)
    cases = kills_cases()
    with pytest.raises(KeyboardInterrupt): benchmark.compare(model, ["brnpa", "random"], ["DAUC"], cases, benchmark.Settings(steps=4), cache=tmp_path / "pieces", portion=2, progress=False, say=None)
    assert state(model, images) == before and [p for p in (tmp_path / "pieces").rglob("*.*") if p.is_file()] == made[:1]


def kills_cases():
    from brnpa_nb.evidence.cases import Case, Cases
    return Cases("noise", ["a", "b"], lambda i: Case(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i))))


def test_a_run_of_something_else_is_not_gone_on_from(home, tmp_path, capsys):
    "Another teacher, mixing weight or beginning in the same folder: it used to hand back the earlier student, silently."
    from brnpa_nb.models import load_model
    other = load_model(home.folder / "model.safetensors")
    with torch.no_grad(): other.head.weight.add_(1.) if hasattr(other.head, "weight") else next(other.head.parameters()).add_(1.)
    other.save(tmp_path / "other.safetensors")
    line = [*home.line("distil", tmp_path / "out"), "--epochs", "1"]
    assert main(line) == 0
    again = {"teacher": [line[0], str(tmp_path / "other.safetensors"), *line[2:]], "alpha": [*line, "--alpha", ".5"], "first weights": [*line, "--start", "teacher"]}
    for name, changed in again.items():
        assert main(changed) == 2 and name in (said := capsys.readouterr().err.splitlines()[-1]) and "other settings" in said, said
    assert main(line) == 0


def test_a_restart_that_is_cut_does_not_leave_the_old_run_beside_the_new(home, tmp_path):
    from brnpa_nb.explaining import explain_photos
    fit(kills._tiny(), spots(16), None, Recipe(epochs=1, batch_size=8), out=tmp_path / "fit", progress=False)
    with pytest.raises(KeyboardInterrupt): fit(kills._tiny(), spots(16), None, Recipe(epochs=1, batch_size=8), _interrupted, out=tmp_path / "fit", resume=False, progress=False)
    assert not (tmp_path / "fit/state.safetensors").exists()
    how = {"size": 32, "shard_size": 4, "pictures": 2}
    explain_photos(kills._tiny(), home.folder / "data" / "a", tmp_path / "out", **how)
    with pytest.raises(KeyboardInterrupt): explain_photos(kills._tiny(1), home.folder / "data" / "a", tmp_path / "out", **how, restart=True, progress=_interrupted)
    assert {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()} == {"plan.json", "photographs.parquet"}


def test_a_process_that_lost_its_peer_says_so(monkeypatch, capsys, tmp_path):
    "What gloo raises where another process died; alone, the same error is a fault of ours and shown in full."
    from brnpa_nb import cli
    def lost(args): raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:31337")
    monkeypatch.setitem(cli.COMMANDS, "demo", lost)
    with pytest.raises(RuntimeError): main(["demo"])
    monkeypatch.setenv("WORLD_SIZE", "2"); monkeypatch.setenv("RANK", "1")
    assert main(["demo"]) == 2 and kills.AGAIN in capsys.readouterr().err


def test_what_is_written_is_flushed_before_it_is_named(tmp_path, monkeypatch):
    "File, then name, then folder: in this order, or a power cut leaves an empty file under the right name."
    from brnpa_nb.writing import write_atomically
    strikes = kills.Strikes(None, "")
    for module, name in ((os, "fdopen"), (os, "fsync"), (os, "replace"), (kills.tempfile, "mkstemp")): monkeypatch.setattr(module, name, getattr(module, name))
    strikes.install()
    write_atomically(tmp_path / "a", b"ab")
    assert strikes.log == [kills.STEPS[i] for i in (0, 1, 2, 3, 4)] and (tmp_path / "a").read_bytes() == b"ab"


def test_same_second_and_clock_jumps_do_no_harm(home, tmp_path):
    "Every file dated in the future, or all alike: what is finished is told by its content."
    undisturbed(home, "explain")
    assert main(home.line("explain", tmp_path / "out")) == 0
    (tmp_path / "out/shards/00001.parquet").unlink()
    for p in [p for p in (tmp_path / "out").rglob("*") if p.is_file()]: os.utime(p, (2**32, 2**32))
    with warnings.catch_warnings(): warnings.simplefilter("error"); assert main(home.line("explain", tmp_path / "out")) == 0
    assert kills.result(tmp_path / "out") == home.whole["explain"]
