"""Retrieval against brute force, its memory, and the triplet loss on two processes."""
import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_market_sized_retrieval_takes_less_than_one_gigabyte(tmp_path):
    if not os.path.exists("/proc/self/status"): import pytest; pytest.skip("memory is read from /proc, which this system lacks")
    (tmp_path / "memory.py").write_text(MEMORY)
    done = subprocess.run([sys.executable, tmp_path / "memory.py", "64"], env=_env(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["more"] < 300                     # MB; the gallery in double precision takes 8 of them at 64 numbers a photograph, 261 at 2,048
