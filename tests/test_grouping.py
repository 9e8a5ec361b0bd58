"""`group` against a plain float64 reference, over drawn shapes, dtypes and memory formats; and what it allocates."""
import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brnpa_nb.grouping import TIE, group


def reference(features, n_maps, signed="auto"):
    "The method of the paper, position by position, in float64 NumPy, with the tie rule stated in the notebook."
    b, c, h, w = features.shape
    grids = features.double().numpy().transpose(0, 2, 3, 1).reshape(b, h * w, c)
    found = {"vectors": [], "weights": [], "similarity": [], "seeds": [], "gaps": []}
    for x in grids:
        n = np.array([np.sqrt((v * v).sum()) for v in x]) + 1e-5
        a, slack = n.copy(), TIE * n.max()
        rows = {k: [] for k in found}
        for _ in range(n_maps):
            best = a.max()
            seed = int(np.flatnonzero(a >= best - slack)[0])
            rows["gaps"].append(np.abs(best - slack - a).min() / n.max())
            s = np.array([np.dot(v, x[seed]) for v in x]) / (n * n[seed])
            kept = s if signed == "plain" else s.clip(min=0)
            weights = kept / kept.sum() if kept.sum() != 0 else np.full(h * w, 1 / (h * w))
            rows["seeds"].append(seed); rows["similarity"].append(s); rows["weights"].append(weights); rows["vectors"].append(weights @ x)
            a = (1 - kept) * a
        for k in found: found[k].append(rows[k])
    return {k: np.array(v) for k, v in found.items()}


@st.composite
def grids(draw):
    "Feature grids as networks make them: sparse, signed, repeated, tiny, large, in any layout and dtype."
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 7), st.integers(1, 7)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["relu", "signed", "whole numbers", "few vectors", "sparse", "zeros here and there", "constant"]))
    x = rng.standard_normal(shape)
    if kind in ("relu", "sparse", "zeros here and there", "constant", "few vectors"): x = np.maximum(x, 0)
    if kind == "whole numbers": x = rng.integers(0, 3, shape).astype(float)
    if kind == "few vectors": x = x[..., :1, :1] * rng.integers(0, 3, shape[-2:])
    if kind == "sparse": x = x * (rng.random(shape) < .2)
    if kind == "zeros here and there": x = x * (rng.random((shape[0], 1, *shape[2:])) < .5)
    if kind == "constant": x = np.broadcast_to(x[..., :1, :1], shape)
    dtype = draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]))
    x = torch.tensor(x * 10.0 ** draw(st.integers(-2, 2)), dtype=dtype)
    layout = draw(st.sampled_from(["contiguous", "channels last", "cut out"]))
    if layout == "channels last": x = x.to(memory_format=torch.channels_last)
    if layout == "cut out":
        wide = torch.full((*shape[:2], shape[2] + 2, 2 * shape[3]), float("nan"), dtype=dtype)
        wide[:, :, 1:-1, ::2] = x
        x = wide[:, :, 1:-1, ::2]
    return x


@settings(max_examples=300, deadline=None, derandomize=True)
@given(grids(), st.integers(1, 6), st.sampled_from(["auto", "plain"]))
def test_equals_the_float64_reference(x, n_maps, signed):
    expected = reference(x, n_maps, signed)
    assume(expected["gaps"].min() > 1e-7)  # where rounding of the input decides which position wins, nothing can be asked
    if signed == "plain":                  # sums near zero make the plain formula arbitrary: that is why it is not the default
        assume((np.abs(expected["weights"]).max() < 3) and np.isfinite(expected["weights"]).all())
        assume(np.abs(np.clip(expected["similarity"], 0, None).sum(-1) - np.abs(expected["similarity"]).sum(-1)).max() < 1e-9 or x.dtype == torch.float64)
    got = group(x, n_maps, signed=signed)
    eps = {torch.float64: 1e-9, torch.float32: 1e-5}.get(x.dtype, 1e-2)
    assert got.seeds.tolist() == expected["seeds"].tolist()
    scale = max(float(x.float().abs().max()), 1e-6)
    np.testing.assert_allclose(got.vectors.double().numpy() / scale, expected["vectors"] / scale, atol=eps)
    for name in ("weights", "similarity"):
        np.testing.assert_allclose(getattr(got, name).flatten(2).double().numpy(), expected[name], atol=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(grids(), st.integers(1, 5))
def test_what_always_holds(x, n_maps):
    got = group(x, n_maps)
    torch.testing.assert_close(got.weights.sum((-2, -1)), torch.ones_like(got.weights[..., 0, 0]), atol=1e-5, rtol=0)
    assert got.weights.min() >= 0 and got.similarity.abs().max() <= 1 + 1e-5
    for rank in range(1, n_maps):           # more ranks never change the earlier ones
        assert torch.equal(group(x, rank).seeds, got.seeds[:, :rank])


def _peak(f, folder):
    "The most bytes that were held at once while `f` ran, what was there before not counted."
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile: f()
    profile.export_chrome_trace(str(folder / "trace.json"))
    events = sorted((e for e in json.loads((folder / "trace.json").read_text())["traceEvents"] if e["name"] == "[memory]"), key=lambda e: e["ts"])
    before = events[0]["args"]["Total Allocated"] - events[0]["args"]["Bytes"]
    return max(e["args"]["Total Allocated"] for e in events) - before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_allocates_a_tenth_of_the_features_at_most(dtype, layout, tmp_path):
    x = torch.rand(2, 2048, 28, 28).to(dtype).to(memory_format=layout)
    assert 0 < _peak(lambda: group(x), tmp_path) <= .1 * x.numel() * x.element_size()


def _through_autograd(x, n_maps, refine, signed):
    "The same, with the gradient left to autograd."
    from brnpa_nb.grouping import EPS, _greedy
    v, w, s, lengths, seeds = _greedy(x.flatten(2), n_maps, refine, "activity", signed, None, "x")
    return v, w, s, lengths + EPS, seeds


@settings(max_examples=150, deadline=None, derandomize=True)
@given(grids(), st.integers(1, 5), st.booleans(), st.sampled_from(["auto", "plain"]), st.integers(1, 15))
def test_the_written_gradient_is_autograds(x, n_maps, refine, signed, wanted):
    x = x.double()
    if signed == "plain": x = x.abs()                                  # sums near zero make the plain formula arbitrary
    grads = []
    for f in (lambda y: [t.flatten(2) if t.ndim == 4 else t.flatten(1) if i == 3 else t for i, t in enumerate(group(y, n_maps, refine, signed=signed))],
              lambda y: _through_autograd(y, n_maps, refine, signed)):
        y, g = x.clone(memory_format=torch.preserve_format).requires_grad_(), torch.Generator().manual_seed(3)
        outputs = f(y)
        loss = sum((t * torch.rand(t.shape, generator=g, dtype=torch.float64)).sum() for i, t in enumerate(outputs[:4]) if wanted >> i & 1)
        loss.backward()
        grads.append(y.grad)
    assert grads[0].isfinite().all()
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 14): grads = [g * (x != 0) for g in grads]      # at zero any slope is right, and older releases take another
    torch.testing.assert_close(*grads, rtol=1e-7, atol=1e-9 * max(1., grads[1].abs().max().item()))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_learning_allocates_the_gradient_and_little_else(layout, tmp_path):
    x = torch.rand(2, 2048, 28, 28).to(memory_format=layout).requires_grad_()
    assert 1 <= _peak(lambda: group(x).vectors.sum().backward(), tmp_path) / (x.numel() * x.element_size()) <= 1.5


def test_seeds_are_those_of_float32_in_half_precision():
    x = torch.rand(16, 384, 20, 20, generator=torch.Generator().manual_seed(5)).relu()
    for dtype in (torch.bfloat16, torch.float16):
        assert torch.equal(group(x.to(dtype), 8).seeds, group(x.to(dtype).float(), 8).seeds)


def test_exports_and_compiles_to_the_same():
    from brnpa_nb.grouping import Grouping

    x = torch.rand(2, 8, 5, 5)
    exported = torch.export.export(Grouping(), (x,)).module()
    for a, b in zip(exported(x), group(x)): torch.testing.assert_close(a, b)
