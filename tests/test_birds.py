"""The embedded world from outside a notebook: other processes, busy threads, plain scripts."""
import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from brnpa_nb.data.birds import BASE_SPECIES, PARTS, Birds, draw_bird

ROOT = Path(__file__).resolve().parents[1]

# No `if __name__ == "__main__"`, torch's own threads started, another thread multiplying while the workers are forked.
SCRIPT = """
import hashlib, threading, torch
from brnpa_nb.data.birds import Birds
done = threading.Event()
def multiply():
    a = torch.rand(200, 200)
    while not done.is_set(): a @ a
thread = threading.Thread(target=multiply); thread.start()
for _ in range(3): birds = Birds(70, seed=5).draw(workers=2)
done.set(); thread.join()
print(hashlib.sha256(birds.images.numpy().tobytes()).hexdigest())
"""


def digest(birds: Birds) -> str:
    return hashlib.sha256(birds.images.numpy().tobytes()).hexdigest()


def run(script: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_plain_script_with_busy_threads_draws_the_same_birds():
    assert run(SCRIPT) == digest(Birds(70, seed=5).draw(workers=1))


def test_only_numpy_and_pillow_are_needed_to_paint():
    assert run("import sys; import brnpa_nb.data.drawing; print('torch' in sys.modules)") == "False"


def test_loader_workers_and_pickles_give_the_same_birds():
    birds = Birds(24, seed=2)
    loaded = torch.cat([images for images, _ in DataLoader(birds, batch_size=8, num_workers=2)])
    assert torch.equal(loaded, birds.images.float() / 255)
    assert digest(pickle.loads(pickle.dumps(Birds(24, seed=2)))) == digest(birds)


def test_a_set_draws_inside_a_loader_worker():
    class Nested(torch.utils.data.Dataset):
        def __len__(self): return 1
        def __getitem__(self, i): return Birds(70, seed=5).draw(workers=2).images

    assert torch.equal(next(iter(DataLoader(Nested(), num_workers=1)))[0], Birds(70, seed=5).images)


@pytest.mark.parametrize("size", [32, 64, 97, 144, 300])
def test_every_size_shows_the_same_scene(size):
    big, bird = draw_bird(3, size=192), draw_bird(3, size=size)
    assert bird.image.shape == (3, size, size) and bird[2:] == big[2:]
    shares = [torch.bincount(b.parts.flatten(), minlength=len(PARTS) + 1) / b.parts.numel() for b in (bird, big)]
    assert (shares[0] - shares[1]).abs().max() < .02
    small = [torch.nn.functional.adaptive_avg_pool2d(b.image.float(), 16) for b in (bird, big)]
    assert (small[0] - small[1]).abs().mean() < 6


def test_every_bird_shows_its_deciding_parts():
    for seed in range(200):
        counts = torch.bincount(draw_bird(seed, species=BASE_SPECIES[seed % 16]).parts.flatten(), minlength=len(PARTS) + 1) / 96**2
        shares = dict(zip(PARTS, counts[1:].tolist()))
        assert shares["beak"] > .005 and shares["wing"] > .03 and shares["ring"] > .002 and shares["breast"] > .01, (seed, shares)
