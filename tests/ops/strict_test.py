# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# ruff: noqa: B023 (functions are called where they are made)
"""Operators through torch.compile in strict mode against eager mode, where PyTorch's own
samples leave something out: random numbers that are given, values at the edges, errors."""

import itertools
import math

import pytest
import torch

inf, nan = math.inf, math.nan


def compiled(fn, **kwargs):
    torch._dynamo.reset()
    return torch.compile(
        fn, backend="turbine_cpu", fullgraph=True, options={"fullgraph": True}, **kwargs
    )


def check(fn, *inputs, grad=False, tolerance=1e-6, **kwargs):
    """fn, and its gradients of random sums of its results."""
    # sizes of tensors are open, not numbers of bins and the like
    torch._dynamo.config.specialize_int = True
    c = compiled(fn, **kwargs)
    runs = []
    for f in (c, fn):
        leaves = [
            x.detach().clone().requires_grad_(grad and x.is_floating_point())
            for x in inputs
        ]
        outs = f(*leaves)
        outs = list(outs) if isinstance(outs, (tuple, list)) else [outs]
        grads = []
        if grad:
            torch.manual_seed(1)
            ends = [o for o in outs if o.requires_grad]
            seeds = [torch.randn_like(o) for o in ends]
            starts = [x for x in leaves if x.requires_grad]
            grads = torch.autograd.grad(ends, starts, seeds)
        runs.append(([o.detach() for o in outs], grads))
    torch.testing.assert_close(
        *runs, rtol=tolerance, atol=tolerance, equal_nan=True, check_stride=False
    )


# ---- segments ----

# zeros and a NaN, ties, empty segments
SEGMENTS = torch.tensor(
    [[2.0, 0, 3, 3, -1, nan, 0, 5, 0, 4], [1, 1, 1, 0, 2, 2, 7, 7, 8, 9]]
)
LENGTHS = torch.tensor([[3, 0, 4, 3], [0, 4, 5, 1]])
OFFSETS = torch.tensor([[0, 3, 3, 7, 10], [0, 0, 4, 9, 10]])


@pytest.mark.parametrize("reduce", ["sum", "mean", "min", "max", "prod"])
@pytest.mark.parametrize("initial", [None, 2.0])
def test_segment_reduce(reduce, initial):
    def lengths(x, n):
        return torch.segment_reduce(x, reduce, lengths=n, axis=1, initial=initial)

    def offsets(x, at):
        return torch.segment_reduce(x, reduce, offsets=at, axis=1, initial=initial)

    behind = torch.stack([SEGMENTS, SEGMENTS.flip(1)], 2)
    for x in (SEGMENTS, SEGMENTS.double(), behind):
        check(lengths, x, LENGTHS, grad=True)
        check(offsets, x, OFFSETS, grad=True)
    check(lengths, SEGMENTS, LENGTHS, grad=True, dynamic=True)


def test_segments_that_leave_some_out():
    x, at = torch.arange(8.0), torch.tensor([2, 3, 3, 6])
    for reduce in ("sum", "mean", "max"):
        check(
            lambda x, at: torch.segment_reduce(x, reduce, offsets=at, unsafe=True),
            x,
            at,
            grad=True,
        )


def test_segment_errors():
    c = compiled(lambda x, n: torch.segment_reduce(x, "sum", lengths=n))
    for n, text in (([1, 1], "Expected all rows"), ([5, -2], "negative value")):
        with pytest.raises(RuntimeError, match=text):
            c(torch.ones(3), torch.tensor(n))
    assert c(torch.ones(3), torch.tensor([1, 2])).tolist() == [1, 2]


# ---- histograms ----

torch.manual_seed(0)
VALUES = torch.cat([torch.randn(200), torch.tensor([-1.0, 0, 0.25, 1, 1, nan, inf, 2])])
WEIGHTS = torch.rand(208)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_histogram(dtype):
    x, w = VALUES.to(dtype), WEIGHTS.to(dtype)
    edges = torch.tensor([-1, -0.5, 0.25, 1, 1.5], dtype=dtype)
    for density in (False, True):
        kw = {"density": density}
        check(lambda x: torch.histogram(x, 8, range=(-1.0, 1.0), **kw), x)
        check(
            lambda x, w: torch.histogram(x, 8, range=(-1.0, 1.0), weight=w, **kw), x, w
        )
        check(lambda x, e: torch.histogram(x, e, **kw), x, edges)
        check(lambda x, e, w: torch.histogram(x, e, weight=w, **kw), x, edges, w)
    check(lambda x: torch.histogram(x, 5), x[:200])
    check(lambda x: torch.histogram(x, 4), torch.full((3,), 2.0, dtype=dtype))
    check(lambda x: torch.histogram(x, 4), torch.empty(0, dtype=dtype))
    check(lambda x: torch.histogram(x, 3, range=(1.0, 1.0)), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_histc(dtype):
    x = VALUES.to(dtype)
    check(lambda x: torch.histc(x, 7, -1, 1), x)
    check(lambda x: torch.histc(x, 6), x[:200])
    check(lambda x: torch.histc(x, 4), torch.full((3,), 2.0, dtype=dtype))
    check(lambda x: torch.histc(x, 4), torch.empty(0, dtype=dtype))


def test_values_on_edges():
    """A value that is an edge is in the bin that begins there."""
    for n in (3, 7, 10):
        x = torch.linspace(0, 1, n + 1).repeat(2)
        check(lambda x: torch.histogram(x, n, range=(0.0, 1.0)), x)


def test_histogramdd():
    x, w = torch.randn(5, 40, 2), torch.rand(5, 40)
    edges = [torch.tensor([-1.0, 0, 1]), torch.tensor([-2.0, -0.5, 0.5, 2])]

    def flat(r):
        return [r[0], *r[1]]

    for density in (False, True):
        check(lambda x: flat(torch.histogramdd(x, [3, 4], density=density)), x)
        check(
            lambda x, w, a, b: flat(
                torch.histogramdd(x, (a, b), weight=w, density=density)
            ),
            x,
            w,
            *edges,
        )
    check(
        lambda x, w: flat(torch.histogramdd(x, [2, 5], range=[-1, 1, 0, 2], weight=w)),
        x,
        w,
    )


def test_histogram_errors():
    for fn in (lambda x: torch.histc(x, 3), lambda x: torch.histogram(x, 3)):
        with pytest.raises(RuntimeError, match="not finite"):
            compiled(fn)(torch.tensor([1, nan]))


# ---- fractional pooling with given places ----


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_fractional_max_pool(n, dtype):
    pool = (torch.ops.aten.fractional_max_pool2d, torch.ops.aten.fractional_max_pool3d)[
        n - 2
    ]
    sizes = [9, 12, 10][:n]
    for batch, out, kernel in itertools.product(((2, 3), (3,)), (1, 4), (1, 2)):
        x = torch.randn(*batch, *sizes).to(dtype)
        u = torch.rand(batch[0] if len(batch) == 2 else 1, 3, n).to(dtype)
        out_sizes = [out, out + 1, out + 2][:n]
        check(lambda x, u: pool(x, [kernel] * n, out_sizes, u), x, u)
    x, u = torch.randn(2, 3, *sizes), torch.rand(2, 3, n)
    functional = getattr(torch.nn.functional, f"fractional_max_pool{n}d")
    check(lambda x: functional(x, 2, output_size=4, _random_samples=u), x, grad=True)
    c = compiled(lambda x, u: pool(x, [2] * n, [3] * n, u), dynamic=True)
    for size in (7, 8):
        x = torch.randn(2, 3, *[size] * n)
        torch.testing.assert_close(c(x, u), pool(x, [2] * n, [3] * n, u))


# ---- complex numbers ----

Z = torch.tensor([1 + 2j, -3 + 0.5j, 0j, -0.25j])


def test_logaddexp_of_complex():
    parts = [-inf, -2.0, 0.0, 1.5, 20.0, inf, nan]
    x = torch.tensor(
        [complex(a, b) for a, b in itertools.product(parts, [0.0, 1.0, -3.0])]
    )
    x, y = x[:, None].expand(21, 21).reshape(-1), x.repeat(21)
    keep = ~(torch.isinf(x.real) & torch.isinf(y.real) & (x.real > 0) & (y.real > 0))
    check(torch.logaddexp, x[keep], y[keep], tolerance=2e-5)
    check(torch.logaddexp, x[keep].to(torch.complex128), y[keep].to(torch.complex128))


def test_lerp_and_float_power_of_complex():
    check(lambda a, b: torch.lerp(a, b, 0.3 + 0.3j), Z, Z.flip(0))
    check(lambda a, b: torch.lerp(a, b, 0.7j), Z, Z.flip(0))
    check(torch.lerp, Z, Z.flip(0), Z.roll(1))
    check(torch.float_power, Z[:2], Z[1:3])
    check(lambda z: torch.float_power(z, 2), Z)
    check(lambda x: torch.float_power(x, 1j), torch.tensor([1.0, 2.0]))


def test_pad_of_complex():
    pad = torch.constant_pad_nd
    check(lambda z: pad(z, (1, 2), 2 - 1j), Z)
    check(lambda z: pad(z, (-1, 2), 1j), Z)
    check(lambda z: pad(z, (3, -3), 1j), Z)
    check(lambda x: pad(x, (3, -3), 7), torch.arange(4))


def test_distances_of_complex():
    for p in (0, 1, 2, 3, inf):
        check(lambda a, b: torch.pairwise_distance(a, b, p), Z, Z.roll(1) * 2)


def test_istft_of_complex():
    x, w = (
        torch.randn(3, 8, 10, dtype=torch.complex64),
        torch.rand(6).to(torch.complex64),
    )
    check(
        lambda x, w: torch.istft(
            x, 8, window=w, win_length=6, onesided=False, return_complex=True
        ),
        x,
        w,
        tolerance=1e-4,
    )
    x = torch.randn(1, 3, 4)
    check(lambda x: torch.ops.aten.unfold_backward(x, [2, 8], 1, 4, 2), x)


# ---- indices ----


@pytest.mark.parametrize("dynamic", [None, True])
def test_take_along_dim_goes_round(dynamic):
    x = torch.arange(6.0).reshape(2, 3)
    i = torch.tensor([[-1, 0, 4], [-4, 7, 2]])
    check(lambda x, i: torch.take_along_dim(x, i, 1), x, i, grad=True, dynamic=dynamic)


# ---- losses ----


def test_l1_loss_of_complex_numbers_is_real():
    x, y = torch.randn(2, 3, 4, dtype=torch.complex64)
    check(torch.nn.functional.l1_loss, x, y)
