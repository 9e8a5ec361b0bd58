"""Retrieval against brute force, its memory, and the triplet loss on two processes."""
import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from brnpa_nb.models import create_model
from brnpa_nb.tasks.reid import PKSampler, explain_match, split_queries, triplet_loss
from brnpa_nb.tasks.retrieval import JUNK, RIGHT, SAME_CAMERA, WRONG, _draws, evaluate_ranking, retrieve
from tests.build import ROOT


def _env(): return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@st.composite
def cases(draw, most=7):
    "A few queries and gallery entries: distances from a handful of values, so that there are ties; junk; few cameras; identities that are missing."
    Q, G = draw(st.integers(1, 4)), draw(st.integers(1, most))
    numbers = lambda n, low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    table = np.array(numbers(Q * G, 0, draw(st.sampled_from((0, 2, 50)))), np.float32).reshape(Q, G) / 4
    return dict(distances=torch.from_numpy(table), q_pids=numbers(Q, 0, 3), g_pids=numbers(G, -1, 3), q_camids=numbers(Q, 0, 2), g_camids=numbers(G, 0, 2), max_rank=draw(st.integers(1, 10)))


def _one_order(matches, max_rank):
    "Average precision, CMC and first place of one ranked list of right (True) and wrong entries, by the book."
    found, precisions = 0, []
    for place, right in enumerate(matches, 1):
        if right:
            found += 1
            precisions.append(found / place)
    return sum(precisions) / found, [float(any(matches[:k])) for k in range(1, max_rank + 1)], matches.index(True) + 1


def _worst(entries, max_rank):
    "The worst of all orders of (distance, right) in which distances do not fall: every permutation is tried."
    orders = {tuple(bool(r) for _, r in p) for p in itertools.permutations(entries) if all(a[0] <= b[0] for a, b in itertools.pairwise(p))}
    return min((_one_order(list(o), max_rank) for o in orders), key=lambda r: (r[0], -r[2]))


def _kept(case, i):
    "What the Market rule leaves of the gallery, as (index, distance, right)."
    pid, cam = case["q_pids"][i], case["q_camids"][i]
    entries = zip(range(10**6), case["distances"][i].tolist(), case["g_pids"], case["g_camids"])
    return [(k, d, p == pid) for k, d, p, c in entries if p != -1 and not (p == pid and c == cam)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(cases())
def test_market_rule_is_brute_force_with_the_worst_order_of_ties(case):
    found = evaluate_ranking(**case)
    lost = []
    for i in range(len(case["q_pids"])):
        kept = [(d, right) for _, d, right in _kept(case, i)]
        if not any(right for _, right in kept):
            lost.append(i)
            assert found.ap[i].isnan() and found.hits[i].isnan().all() and found.first_match[i].isnan()
            continue
        ap, cmc, first = _worst(kept, case["max_rank"])
        assert abs(found.ap[i] - ap) < 1e-12 and found.hits[i].tolist() == cmc and found.first_match[i] == first
    assert found.without_match == lost and found.n_without_match == len(lost)
    if len(lost) < found.n_queries: assert abs(found.mAP - np.nanmean(found.ap)) < 1e-12 and found.cmc.shape == (case["max_rank"],)
    else: assert math.isnan(found.mAP) and found.cmc.isnan().all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(most=9), st.integers(0, 5))
def test_cuhk03_rule_is_brute_force_on_the_same_draws(case, seed):
    found = evaluate_ranking(**case, rule="cuhk03", repeats=7, seed=seed)
    keys = _draws(np.array(case["g_pids"]), 7, seed).keys
    assert found.ap.isnan().tolist() == evaluate_ranking(**case).ap.isnan().tolist()
    for i in set(range(found.n_queries)) - set(found.without_match):
        kept, total = _kept(case, i), np.zeros(case["max_rank"])
        for key in keys:
            shown = {}
            for k, d, right in sorted(kept, key=lambda e: -key[e[0]]): shown[case["g_pids"][k]] = (d, right)   # the lowest number is written last
            total += _one_order([right for _, right in sorted(shown.values())], case["max_rank"])[1]
        np.testing.assert_allclose(found.hits[i], total / 7, atol=1e-12)


def test_cuhk03_draws_are_fair():
    "Against the exact expectation over all galleries with one entry per identity."
    rng = np.random.default_rng(0)
    g_pids, table = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3]), rng.random((1, 10), np.float32)
    exact = np.zeros(5)
    for chosen in itertools.product(*(np.flatnonzero(g_pids == k) for k in range(4))):
        place = 1 + sum(table[0, k] <= table[0, chosen[0]] for k in chosen[1:])
        exact += (place <= np.arange(1, 6)) / (3 * 2 * 4)
    found = evaluate_ranking(torch.from_numpy(table), [0], g_pids, [0], [1] * 10, max_rank=5, rule="cuhk03", repeats=4000)
    np.testing.assert_allclose(found.cmc, exact, atol=.03)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cases(most=12))
def test_nearest_entries_agree_with_the_score(case):
    found = evaluate_ranking(**case, top=15)
    for i, (index, distance, state) in enumerate(zip(*found.top)):
        n = case["distances"].shape[1]
        assert sorted(index[:n].tolist()) == list(range(n)) and (index[n:] == -1).all()
        assert (distance[:n].diff() >= 0).all() and (case["distances"][i, index[:n]] == distance[:n]).all()
        for k, s in zip(index[:n].tolist(), state.tolist()):
            same = case["g_pids"][k] == case["q_pids"][i]
            assert s == (JUNK if case["g_pids"][k] == -1 else WRONG if not same else SAME_CAMERA if case["g_camids"][k] == case["q_camids"][i] else RIGHT)
        counted = [s for s in state[:n].tolist() if s in (RIGHT, WRONG)]
        if i not in found.without_match: assert counted.index(RIGHT) + 1 == found.first_match[i]


def test_order_of_the_files_does_not_matter():
    g = torch.Generator().manual_seed(0)
    x, pids, cams = torch.randint(0, 2, (40, 3), generator=g).float(), torch.randint(5, (40,), generator=g), torch.randint(3, (40,), generator=g)   # few values: many ties
    p = torch.randperm(30, generator=g)
    a = retrieve(x[:10], x[10:], pids[:10], pids[10:], cams[:10], cams[10:], metric="euclidean")
    b = retrieve(x[:10], x[10:][p], pids[:10], pids[10:][p], cams[:10], cams[10:][p], metric="euclidean", chunk=3)
    assert torch.equal(a.ap, b.ap) and torch.equal(a.first_match, b.first_match)


MEMORY = '''
import json, sys, torch
torch.set_num_threads(1)
from brnpa_nb.tasks.retrieval import retrieve
def peak(): return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
g = torch.Generator().manual_seed(0)
E = int(sys.argv[1])
q, x = torch.randn(3368, E, generator=g), torch.randn(15913, E, generator=g)
ids = [torch.randint(n, (len(t),), generator=g) for n, t in ((751, q), (751, x), (6, q), (6, x))]
before = peak()
found = retrieve(q, x, *ids)
print(json.dumps({"more": peak() - before, "mAP": found.mAP}))
'''


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc, which this system lacks")
def test_market_sized_retrieval_takes_less_than_one_gigabyte(tmp_path):
    (tmp_path / "memory.py").write_text(MEMORY)
    done = subprocess.run([sys.executable, tmp_path / "memory.py", "64"], env=_env(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["more"] < 300                     # MB; the gallery in double precision takes 8 of them at 64 numbers a photograph, 261 at 2,048


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_pk_sampler(labels, p, k, seed, epoch):
    if len(set(labels)) < p:
        with pytest.raises(ValueError, match="lower p"): PKSampler(labels, p, k)
        return
    sampler = PKSampler(torch.tensor(labels), p, k, seed)
    sampler.epoch = epoch
    drawn = list(sampler)
    other = PKSampler(labels, p, k, seed)
    other.epoch = epoch
    assert drawn == list(other) == list(sampler)                     # decided by (seed, epoch), also on a second pass
    assert len(drawn) == len(sampler) > 0 and len(drawn) % (p * k) == 0
    count = {i: labels.count(i) for i in set(labels)}
    for batch in np.array(drawn).reshape(-1, p, k):
        names = [[labels[i] for i in group] for group in batch]
        assert all(len(set(g)) == 1 for g in names) and len({g[0] for g in names}) == p
        assert all(len(set(group.tolist())) == min(k, count[g[0]]) for group, g in zip(batch, names))      # repeats only where there are too few
    if min(count.values()) >= k: assert len(set(drawn)) == len(drawn)                                      # no photograph twice in an epoch
    room = {i: max(1, n // k) for i, n in count.items()}
    more = len(drawn) // (p * k) + 1
    assert sum(min(c, more) for c in room.values()) < more * p                                             # no further batch could be filled


def test_pk_sampler_sees_everything_in_time():
    labels = [0] * 9 + [1] * 4 + [2] * 30 + [3] * 7 + [4]
    sampler, seen = PKSampler(labels, 3, 4), set()
    for sampler.epoch in range(60): seen |= set(sampler)
    assert seen == set(range(len(labels)))


def _triplet_by_loops(x, labels, margin, soft):
    "Anchor by anchor, pair by pair."
    total = []
    for a in range(len(x)):
        same = [math.dist(x[a], x[b]) for b in range(len(x)) if b != a and labels[b] == labels[a]]
        other = [math.dist(x[a], x[b]) for b in range(len(x)) if labels[b] != labels[a]]
        if same and other: total.append(math.log1p(math.exp(max(same) - min(other))) if soft else max(0., margin + max(same) - min(other)))
    return sum(total) / len(total) if total else None


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=10), st.integers(0, 10**6), st.sampled_from((0., .3, 2.)), st.booleans())
def test_triplet_loss_is_the_loops(labels, seed, margin, soft):
    x = torch.randint(-2, 3, (len(labels), 2), generator=torch.Generator().manual_seed(seed)).float()      # few places: copies and ties
    expected = _triplet_by_loops(x.tolist(), labels, margin, soft)
    if expected is None:
        with pytest.raises(ValueError, match="PKSampler"): triplet_loss(x, torch.tensor(labels), margin, soft)
        return
    found = triplet_loss(x.requires_grad_(), torch.tensor(labels), margin, soft)
    assert abs(found.item() - expected) < 1e-5
    found.backward()
    assert x.grad.isfinite().all()


def test_triplet_gradient_is_that_of_the_formula():
    x, labels = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_(), torch.arange(9) % 3
    triplet_loss(x, labels, soft=True).backward()
    for i, e in ((0, 0), (4, 2), (8, 3)):
        step = torch.zeros_like(x).index_put((torch.tensor([i]), torch.tensor([e])), torch.tensor(1e-2))
        slope = (triplet_loss(x.detach() + step, labels, soft=True) - triplet_loss(x.detach() - step, labels, soft=True)) / 2e-2
        assert abs(slope - x.grad[i, e]) < 1e-3


@pytest.mark.parametrize("combine", ("concat", "sum"))
@pytest.mark.parametrize("neck", (False, True))
@pytest.mark.parametrize("pooling", ("brnpa", "bcnn", "average"))
def test_contributions_sum_to_the_cosine(combine, neck, pooling):
    torch.manual_seed(1)
    model = create_model("resnet10t", 5, pooling=pooling, combine=combine, neck=neck, output_stride=8, network_args={"channels": (8, 8, 16, 16)})
    a, b = torch.rand(3, 3, 64, 32), torch.rand(3, 3, 64, 32)
    for _ in range(3): model(torch.cat([a, b]))                      # running statistics that are not those of the start
    match = explain_match(model, a, b)
    assert model.training
    with torch.no_grad(): cosine = F.cosine_similarity(model.eval().embed(a), model.embed(b))
    for side in (match.query, match.gallery):
        assert side.contributions.dtype == torch.float32
        torch.testing.assert_close(side.contributions.sum((1, 2, 3)) + side.rest, cosine, atol=1e-4, rtol=0)
        torch.testing.assert_close(side.pairs.sum((1, 2)), cosine, atol=1e-4, rtol=0)
    torch.testing.assert_close(match.query.pairs, match.gallery.pairs.mT)
    torch.testing.assert_close(match.shares.sum((1, 2)), torch.ones(3))
    if combine == "concat": assert (match.pairs - match.pairs.diagonal(dim1=1, dim2=2).diag_embed()).abs().max() == 0


def test_queries_are_one_per_identity_and_camera():
    g = torch.Generator().manual_seed(0)
    pids, cams = torch.randint(8, (60,), generator=g), torch.randint(3, (60,), generator=g)
    queries, gallery = split_queries(pids, cams, seed=2)
    assert sorted(queries + gallery) == list(range(60)) and split_queries(pids, cams, 2) == (queries, gallery)
    asked = [(pids[i].item(), cams[i].item()) for i in queries]
    assert len(set(asked)) == len(asked) and set(pids[gallery].tolist()) == set(pids.tolist())


TRIPLET = '''
import json, os, sys, torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from brnpa_nb.models import create_model
from brnpa_nb.tasks.reid import IdentityTriplet

if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.manual_seed(0)
    model = create_model("resnet10t", 4, output_stride=8, combine="sum", network_args={"channels": (8, 8, 16, 16)})
    for m in model.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm): m.eval()
    images, labels = torch.rand(8, 3, 32, 32), torch.arange(4).repeat_interleave(2)
    if world > 1:
        torch.distributed.init_process_group("gloo")
        model, b = DistributedDataParallel(model), 8 // world
        images, labels = images[rank * b:(rank + 1) * b], labels[rank * b:(rank + 1) * b]
    value = IdentityTriplet(weight=3., margin=float(sys.argv[1]), soft=sys.argv[1] == "0", label_smoothing=.1)(model, images, labels)[0]
    value.backward()
    mean = value.detach() / world
    if world > 1: torch.distributed.all_reduce(mean)
    if rank == 0: print(json.dumps({"loss": mean.item(), "grad": {k.removeprefix("module."): p.grad.flatten().tolist() for k, p in model.named_parameters() if p.grad is not None}}))
    sys.stdout.flush()
    if world > 1: torch.distributed.barrier()
    os._exit(0)                                                      # no tear-down of the connection, which may abort when the other process is gone first
'''


@pytest.mark.parametrize("margin", ("0", "5"))
def test_two_processes_have_the_loss_and_gradient_of_one(tmp_path, margin):
    "Hard pairs are sought in the whole batch: here the nearest other identity is often in the other process."
    (tmp_path / "script.py").write_text(TRIPLET)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d", "--rdzv_endpoint=localhost:0"]
    runs = [subprocess.run([*start, tmp_path / "script.py", margin], env=_env(), capture_output=True, text=True, timeout=300) for start in ([sys.executable], launch)]
    assert all(r.returncode == 0 for r in runs), runs[-1].stderr
    one, two = (json.loads(r.stdout.strip().splitlines()[-1]) for r in runs)
    assert abs(one["loss"] - two["loss"]) < 1e-5 and one["grad"].keys() == two["grad"].keys()
    for k in one["grad"]: np.testing.assert_allclose(two["grad"][k], one["grad"][k], atol=1e-5, rtol=1e-3)
    assert sum(max(map(abs, g)) > 1e-4 for g in one["grad"].values()) > 10      # there is something to compare
