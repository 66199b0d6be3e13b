# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs that nobody wrote: chains of operators, views and updates in place, drawn by
hypothesis, through torch.compile against eager mode.

Numbers are f64, so that a comparison or a sort decides alike on both sides; what grows is
squashed. Every program starts from two tensors and appends to a list of values, each from
values before it; all values are results, so a wrong one is seen where it arises, and a
failing program shrinks to the operators that matter.
"""

import inspect

import pytest
import torch
import torch.nn.functional as F
from compiling import fresh  # noqa: F401
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SIZES = st.sampled_from([1, 2, 3, 5, 8, 17])


def shapes(least=0, most=4):
    return st.lists(SIZES, min_size=least, max_size=most)


def axis(draw, x):
    return draw(st.integers(-x.dim(), x.dim() - 1))


# ---- one step: (draw, values) -> a function of the list of values, or None if none fits ----


def pick(draw, values, ok=lambda v: True):
    fit = [i for i, v in enumerate(values) if v.is_floating_point() and ok(v)]
    return draw(st.sampled_from(fit)) if fit else None


UNARY = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "abs": torch.abs,
    "neg": torch.neg,
    "exp": lambda x: torch.exp(-x.abs()),
    "log1p": lambda x: torch.log1p(x.abs()),
    "sqrt": lambda x: torch.sqrt(x.abs() + 1),
    "sin": torch.sin,
    "erf": torch.erf,
    "floor": torch.floor,
    "round": torch.round,
    "sign": torch.sign,
    "clamp": lambda x: x.clamp(-0.5, 0.75),
    "square": lambda x: torch.tanh(x * x),
    "reciprocal": lambda x: 1 / (x.abs() + 1),
    "hardtanh": F.hardtanh,
    "softplus": F.softplus,
    "rsqrt": lambda x: torch.rsqrt(x * x + 1),
}


def unary(draw, values):
    i, name = pick(draw, values), draw(st.sampled_from(sorted(UNARY)))
    return lambda v: UNARY[name](v[i])


BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": lambda a, b: torch.tanh(a * b),
    "div": lambda a, b: a / (b.abs() + 1),
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "where": lambda a, b: torch.where(a < b, a, b * 0.5),
    "fmod": lambda a, b: torch.fmod(a, b.abs() + 1),
    "remainder": lambda a, b: torch.remainder(a, b.abs() + 1),
    "atan2": lambda a, b: torch.atan2(a, b.abs() + 0.5),
    "lerp": lambda a, b: torch.lerp(a, b, 0.25),
    "addcmul": lambda a, b: torch.tanh(torch.addcmul(a, a, b, value=0.5)),
}


def fits(a, b):
    return all(x == y or 1 in (x, y) for x, y in zip(a[::-1], b[::-1], strict=False))


def binary(draw, values):
    i, name = pick(draw, values), draw(st.sampled_from(sorted(BINARY)))
    j = pick(draw, values, lambda b: fits(values[i].shape, b.shape))
    return lambda v: BINARY[name](v[i], v[j])


REDUCE = {
    "sum": lambda x, a, k: torch.tanh(x.sum(a, k)),
    "mean": lambda x, a, k: x.mean(a, k),
    "amax": lambda x, a, k: x.amax(a, k),
    "amin": lambda x, a, k: x.amin(a, k),
    "var": lambda x, a, k: torch.tanh(x.var(a, correction=0, keepdim=k)),
    "norm": lambda x, a, k: torch.tanh(torch.linalg.vector_norm(x, 2, a, k)),
    "logsumexp": lambda x, a, k: x.logsumexp(a, k),
    "prod": lambda x, a, k: torch.tanh(x).prod(a, k),
    "argmax": lambda x, a, k: x.argmax(a, k).to(x.dtype) * 0.1,
    "max": lambda x, a, k: x.max(a, k)[0],
    "any": lambda x, a, k: (x > 0.5).any(a, k).to(x.dtype),
    "count": lambda x, a, k: (x > 0).sum(a, k).to(x.dtype) * 0.1,
}


def reduce(draw, values):
    i = pick(draw, values, lambda x: x.dim() > 0)
    if i is None:
        return None
    name, a, keep = (
        draw(st.sampled_from(sorted(REDUCE))),
        axis(draw, values[i]),
        draw(st.booleans()),
    )
    return lambda v: REDUCE[name](v[i], a, keep)


ALONG = {
    "softmax": lambda x, a: x.softmax(a),
    "log_softmax": lambda x, a: x.log_softmax(a),
    "cumsum": lambda x, a: torch.tanh(x.cumsum(a)),
    "cumprod": lambda x, a: torch.tanh(x).cumprod(a),
    "flip": lambda x, a: x.flip(a),
    "roll": lambda x, a: x.roll(2, a),
    "sort": lambda x, a: x.sort(a)[0],
    "argsort": lambda x, a: x.argsort(dim=a, stable=True).to(x.dtype) * 0.1,
    "unbind": lambda x, a: x.unbind(a)[-1],
    "unsqueeze": lambda x, a: x.unsqueeze(a),
    "narrow": lambda x, a: x.narrow(a, 0, (x.shape[a] + 1) // 2),
    "chunk": lambda x, a: x.chunk(2, a)[-1],
    "diff": lambda x, a: torch.cat([x, x], a).diff(dim=a),
    "repeat": lambda x, a: x.repeat_interleave(2, a),
    "cummax": lambda x, a: x.cummax(a)[0],
    "topk": lambda x, a: x.topk((x.shape[a] + 1) // 2, a)[0],
    "cat": lambda x, a: torch.cat([x, x * 0.5], a),
    "stack": lambda x, a: torch.stack([x, x + 1], a),
    "index": lambda x, a: x.index_select(a, torch.tensor([x.shape[a] - 1, 0])),
    "layer_norm": lambda x, a: F.layer_norm(x, x.shape[a:] if a < 0 else x.shape[-1:]),
}


def along(draw, values):
    i = pick(draw, values, lambda x: 0 < x.dim() < 5 and x.numel() < 2000)
    if i is None:
        return None
    name, a = draw(st.sampled_from(sorted(ALONG))), axis(draw, values[i])
    return lambda v: ALONG[name](v[i], a)


def move(draw, values):
    i = pick(draw, values, lambda x: x.dim() > 0)
    if i is None:
        return None
    x = values[i]
    kind = draw(
        st.sampled_from(
            ["permute", "reshape", "slice", "expand", "pad", "as_strided", "tril"]
        )
    )
    if kind == "permute":
        order = draw(st.permutations(range(x.dim())))
        return lambda v: v[i].permute(order)
    if kind == "reshape":
        a = draw(st.integers(0, x.dim() - 1))
        return lambda v: v[i].transpose(0, a).reshape(-1, x.shape[0])
    if kind == "slice":
        a, step = draw(st.integers(0, x.dim() - 1)), draw(st.integers(1, 3))
        start = draw(st.integers(-x.shape[a], x.shape[a] - 1))
        where = (slice(None),) * a + (slice(start, None, step),)
        return lambda v: v[i][where]
    if kind == "expand":
        n = draw(SIZES)
        return lambda v: v[i].unsqueeze(0).expand(n, *x.shape)
    if kind == "pad":
        lo, hi = draw(st.integers(-1, 2)), draw(st.integers(0, 2))
        if x.shape[-1] + lo + hi < 1:
            return None
        return lambda v: F.pad(v[i], (lo, hi), value=0.5)
    if kind == "as_strided":
        return lambda v: v[i].contiguous().as_strided((x.numel(),), (1,))
    if x.dim() < 2:
        return None
    below = draw(st.integers(-2, 2))
    return lambda v: v[i].tril(below)


def product(draw, values):
    i = pick(draw, values, lambda x: x.dim() >= 2)
    if i is None:
        return None
    a = values[i]
    kind = draw(st.sampled_from(["self", "other", "linear", "attention"]))
    if kind == "self":
        return lambda v: torch.tanh(v[i] @ v[i].mT)
    if kind == "other":
        j = pick(
            draw,
            values,
            lambda b: (
                b.dim() >= 2
                and b.shape[-2] == a.shape[-1]
                and fits(a.shape[:-2], b.shape[:-2])
            ),
        )
        return None if j is None else lambda v: torch.tanh(v[i] @ v[j])
    if kind == "linear":
        n = draw(SIZES)
        return lambda v: torch.tanh(
            F.linear(
                v[i],
                torch.linspace(-1, 1, n * a.shape[-1], dtype=a.dtype).reshape(n, -1),
            )
        )
    q = lambda v: v[i].reshape(1, 1, -1, a.shape[-1])  # noqa: E731
    causal = draw(st.booleans())
    return lambda v: F.scaled_dot_product_attention(
        q(v), q(v), torch.tanh(q(v)), is_causal=causal
    )


def window(draw, values):
    i = pick(draw, values, lambda x: x.dim() == 3 or x.dim() == 4)
    if i is None:
        return None
    x = values[i]
    n = x.dim() - 2
    conv, pool = (F.conv1d, F.avg_pool1d) if n == 1 else (F.conv2d, F.max_pool2d)
    if draw(st.booleans()):
        return lambda v: pool(F.pad(v[i], (1, 1) * n), 2, 1)
    k, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    out = draw(SIZES)
    w = torch.linspace(-1, 1, out * x.shape[1] * k**n, dtype=x.dtype).reshape(
        out, x.shape[1], *[k] * n
    )
    return lambda v: torch.tanh(
        conv(v[i], w.to(v[i].device), stride=stride, padding=k - 1)
    )


def update(draw, values):
    """In place, on a copy or on a view of one."""
    i = pick(draw, values, lambda x: x.dim() > 0)
    if i is None:
        return None
    x = values[i]
    kind = draw(
        st.sampled_from(
            ["add_", "row", "mask", "index_put", "copy_", "scatter", "index_add"]
        )
    )

    def step(v):
        y = v[i].clone()
        if kind == "add_":
            y.mul_(0.5).add_(1)
        elif kind == "row":
            y[0].mul_(-1)
            y[..., ::2] += 0.25
        elif kind == "mask":
            y[y > 0.5] = 0
        elif kind == "index_put":
            y[torch.tensor([0, x.shape[0] - 1])] = 0.125
        elif kind == "copy_":
            y.transpose(0, -1)[...] = y.flip(0).transpose(0, -1).clone()
        elif kind == "scatter":
            at = torch.zeros_like(y[:1], dtype=torch.int64)
            y.scatter_(0, at, y[-1:] * 2)
        else:
            y.index_add_(0, torch.tensor([0, 0]), torch.stack([y[0], y[-1]]), alpha=0.5)
        return torch.tanh(y)

    return step


STEPS = [unary, binary, reduce, along, move, product, window, update]


@st.composite
def programs(draw):
    """(inputs, a function of them, whether to derive, whether sizes are open)."""
    shape = draw(shapes(1))
    g = torch.Generator().manual_seed(draw(st.integers(0, 3)))
    inputs = [
        torch.randn(s, generator=g, dtype=torch.float64)
        for s in (shape, draw(shapes()))
    ]
    if draw(st.booleans()) and len(shape) > 1:
        inputs[0] = inputs[0].transpose(0, -1)
    values, steps = list(inputs), []
    for _ in range(draw(st.integers(1, 7))):
        step = draw(st.sampled_from(STEPS))(draw, values)
        if step is None:
            continue
        y = step(values)
        if y.numel() > 20000 or y.dim() > 6:
            continue
        steps.append(step)
        values.append(y)

    return (
        inputs,
        Program(steps),
        draw(st.booleans()),
        draw(st.sampled_from([None, False, True])),
    )


class Program:
    """Calls the steps; prints as their names and what was drawn for them."""

    def __init__(self, steps):
        self.steps = steps

    def __call__(self, *given):
        v = list(given)
        for step in self.steps:
            v.append(step(v))
        return tuple(v[2:])

    def __repr__(self):
        lines = []
        for number, step in enumerate(self.steps, 2):
            name = step.__qualname__.partition(".")[0]
            drawn = inspect.getclosurevars(step).nonlocals.items()
            plain = [
                f"{k}={v!r}" for k, v in drawn if isinstance(v, (int, str, list, tuple))
            ]
            lines.append(f"v{number} = {name}({', '.join(plain)})")
        return "\n" + "\n".join(lines)


def check(program):
    inputs, run, derive, dynamic = program
    torch._dynamo.reset()
    compiled = torch.compile(run.__call__, backend="turbine_cpu", dynamic=dynamic)
    found = []
    for f in (run, compiled):
        given = [
            x.detach().clone(memory_format=torch.preserve_format).requires_grad_(derive)
            for x in inputs
        ]
        out = f(*given)
        floats = [y for y in out if y.requires_grad]
        grads = []
        if floats:
            loss = sum((y * (k + 1)).mean() for k, y in enumerate(floats))
            grads = torch.autograd.grad(loss, given, allow_unused=True)
        found.append((out, grads))
    (want, want_grads), (got, got_grads) = found
    assert len(want) == len(got)
    for k, (a, b) in enumerate(zip(want, got, strict=True)):
        assert a.requires_grad == b.requires_grad
        torch.testing.assert_close(
            b,
            a,
            rtol=1e-7,
            atol=1e-9,
            equal_nan=True,
            msg=lambda m, k=k: f"value {k}: {m}",
        )
    for k, (a, b) in enumerate(zip(want_grads, got_grads, strict=True)):
        assert (a is None) == (b is None), f"gradient {k}"
        if a is not None:
            torch.testing.assert_close(
                b,
                a,
                rtol=1e-6,
                atol=1e-8,
                equal_nan=True,
                msg=lambda m, k=k: f"gradient {k}: {m}",
            )


COMMON = dict(deadline=None, suppress_health_check=list(HealthCheck), database=None)


@settings(max_examples=20, derandomize=True, **COMMON)
@given(programs())
def test_some(program):
    check(program)


@pytest.mark.slow
@settings(max_examples=1000, **COMMON)
@given(programs())
def test_many(program):
    check(program)
