"""What the training notebook cannot show: several processes. Runs that are killed are in test_kills.py."""
import json
import os
import subprocess
import sys

import torch
from safetensors.torch import load_file

from tests.build import ROOT

SCRIPT = '''
import sys, json, torch
from torch.utils.data import Dataset
from brnpa_nb.models import create_model
from brnpa_nb.training import Recipe, evaluate, fit

class Spots(Dataset):
    def __init__(self, n, seed): self.x = .3 * torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed)); self.y = torch.arange(n) % 2
    def __len__(self): return len(self.y)
    def __getitem__(self, i):
        x = self.x[i].clone(); x[:, 8:24, 2 + 16 * self.y[i]:14 + 16 * self.y[i]] += .6
        return x, int(self.y[i])

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = create_model("resnet10t", 2, output_stride=16, network_args={"channels": (8, 8, 16, 16)})
    for m in model.modules():
        if isinstance(m, torch.nn.modules.batchnorm._BatchNorm): m.momentum = 0.0; m.eval(); m.train = lambda mode=True, m=m: m
    history = fit(model, Spots(48, 0), Spots(21, 1), Recipe(epochs=int(sys.argv[2]), batch_size=16, lr=1e-3), out=sys.argv[1], progress=False)
    found = evaluate(model, Spots(21, 1))
    if int(__import__("os").environ.get("RANK", 0)) == 0: print(json.dumps({"rows": history.rows, "n": found["n"], "loss": found["loss"], "processes": __import__("accelerate").PartialState().num_processes}))
'''


def _env(): return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def test_two_processes_give_what_one_gives(tmp_path):
    "Same global batch, same result to float tolerance; batch statistics are frozen here, since they are per process by nature."
    (tmp_path / "script.py").write_text(SCRIPT)
    one = subprocess.run([sys.executable, tmp_path / "script.py", tmp_path / "one", "2"], env=_env(), capture_output=True, text=True, timeout=300)
    assert one.returncode == 0, one.stderr
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0"]
    two = subprocess.run([*launch, tmp_path / "script.py", tmp_path / "two", "2"], env=_env(), capture_output=True, text=True, timeout=300)
    assert two.returncode == 0, two.stderr
    a, b = (json.loads(r.stdout.strip().splitlines()[-1]) for r in (one, two))
    assert (a["processes"], b["processes"]) == (1, 2)                # and not two that each train alone
    assert a["n"] == b["n"] == 21                                    # 21 pictures count 21 times over two processes
    for x, y in zip(a["rows"], b["rows"]):
        assert abs(x["train_loss"] - y["train_loss"]) < 1e-4 and abs(x["valid_loss"] - y["valid_loss"]) < 1e-4
    first, second = (load_file(tmp_path / k / "last.safetensors") for k in ("one", "two"))
    for k in first: torch.testing.assert_close(first[k], second[k], atol=2e-4, rtol=1e-3)


def test_one_whole_step_a_batch(tmp_path):
    "Gradients that are divided but never accumulated, or an optimiser stepped twice a batch, change the averages or the count of steps that AdamW keeps."
    import copy

    from brnpa_nb.models import create_model
    from brnpa_nb.training import CrossEntropy, Recipe, fit, lr_factor, parameter_groups

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = create_model("resnet10t", 2, output_stride=16, network_args={"channels": (8, 8, 16, 16)})
    x, by_hand, seen, plain = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(1)), copy.deepcopy(model), [], CrossEntropy(0.)
    def loss(net, images, targets):
        seen.append((images.clone(), targets.clone()))
        return plain(net, images, targets)
    recipe = Recipe(epochs=1, batch_size=4, lr=1e-3)
    fit(model, [(x[i], i % 2) for i in range(12)], None, recipe, loss, out=tmp_path, progress=False)
    optimizer = torch.optim.AdamW(parameter_groups(by_hand, recipe))
    for step, (images, targets) in enumerate(seen):
        for group in optimizer.param_groups: group["lr"] = lr_factor(step, 3, recipe.warmup) * group["base_lr"]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(by_hand.train()(images), targets).backward()
        optimizer.step()
    kept, state = load_file(tmp_path / "state.safetensors"), optimizer.state_dict()["state"]
    for i, entries in state.items():
        assert kept[f"optimizer.{i}.step"].item() == len(seen) == 3
        torch.testing.assert_close(kept[f"optimizer.{i}.exp_avg"], entries["exp_avg"], rtol=1e-3, atol=1e-6)
    for a, b in zip(model.parameters(), by_hand.parameters()): torch.testing.assert_close(a.detach(), b.detach(), rtol=1e-3, atol=1e-5)


COMMANDS = '''
import sys
from brnpa_nb.cli import main
if __name__ == "__main__":
    out = sys.argv[1]
    small = ["--pictures", "32", "--epochs", "1", "--batch-size", "16", "--quiet", "--json"]
    assert main(["train", "birds", "--model", "convnext_atto", "--out", f"{out}/teacher", *small]) == 0
    assert main(["distil", f"{out}/teacher/best.safetensors", "birds", "--output-stride", "16", "--out", f"{out}/student", *small]) == 0
    from accelerate import PartialState
    if PartialState().is_main_process: print(PartialState().num_processes)
'''


def test_commands_under_several_processes(tmp_path):
    "Train and distil as `accelerate launch` and torchrun start them: one voice, the same files, the same figures (a network without batch statistics)."
    (tmp_path / "script.py").write_text(COMMANDS)
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0"]
    found = {}
    for name, how in (("one", []), ("two", launch)):
        done = subprocess.run([sys.executable, *how, tmp_path / "script.py", tmp_path / name], env=_env(), capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        found[name] = [json.loads(line) for line in done.stdout.splitlines()]
        assert found[name].pop() == (2 if how else 1)                # and not two that each train alone
        assert len(found[name]) == 2 and done.stderr.count("drawing 40 birds") == 2   # by training and by distillation, each once
    for one, two in zip(found["one"], found["two"]):
        for a, b in zip(one["history"], two["history"]): assert abs(a["train_loss"] - b["train_loss"]) < 1e-3 and abs(a["valid_loss"] - b["valid_loss"]) < 1e-3
    for part in ("teacher", "student"):
        first, second = (load_file(tmp_path / k / part / "last.safetensors") for k in ("one", "two"))
        for k in first: torch.testing.assert_close(first[k], second[k], atol=2e-3, rtol=1e-2)
        assert [p.name for p in (tmp_path / "two" / part).iterdir() if p.name.startswith(".aside-")] == []
