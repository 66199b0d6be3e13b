# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Gradients of attention, which never has a matrix of scores in memory: against f64 eager."""

import copy

import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from compiling import compiled, fresh  # noqa: F401
from shark_turbine import _runtime, aot
from torch import nn

F = torch.nn.functional
sdpa = F.scaled_dot_product_attention


def leaf(heads, length, size, dtype=torch.float32, batch=2):
    return torch.randn(batch, heads, length, size, dtype=dtype, requires_grad=True)


def agree(c, fn, *inputs, tolerance=2e-5):
    """Results and gradients of c are those of fn in f64."""
    y = c(*inputs)
    grad = torch.randn_like(y)
    got = [y, *torch.autograd.grad(y, inputs, grad)]
    wide = [x.detach().double().requires_grad_() for x in inputs]
    y = fn(*wide)
    want = [y, *torch.autograd.grad(y, wide, grad.double())]
    for g, w in zip(got, want):
        assert g.shape == w.shape
        assert g.isfinite().all()
        assert (g.double() - w).abs().max() <= tolerance * (1 + w.abs().max())


def causal(q, k, v):
    return sdpa(q, k, v, is_causal=True)


def grouped(q, k, v):
    return sdpa(q, k, v, is_causal=True, enable_gqa=True)


@pytest.mark.parametrize("size", [8, 17, 64, 80])
@pytest.mark.parametrize("queries, keys", [(5, 5), (50, 71), (130, 70), (64, 128)])
def test_sizes(queries, keys, size):
    x = leaf(3, queries, size), leaf(3, keys, size), leaf(3, keys, size)
    fn = sdpa if size % 16 else causal
    agree(compiled(fn), fn, *x)


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_shared_heads(heads):
    x = leaf(6, 33, 16), leaf(heads, 33, 16), leaf(heads, 33, 16)
    agree(compiled(grouped), grouped, *x)


@pytest.mark.parametrize("shape", [(40, 50), (2, 1, 40, 50), (2, 3, 40, 50)])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks(kind, shape):
    mask = torch.rand(shape) > 0.3
    mask[..., 0] = True
    mask[..., 2, :] = False  # a query that sees no key
    if kind == "float":
        mask = torch.randn(shape).masked_fill(~mask, -torch.inf)

    def fn(q, k, v):
        return sdpa(q, k, v, mask if kind == "bool" else mask.to(q.dtype))

    agree(compiled(fn), fn, leaf(3, 40, 16), leaf(3, 50, 16), leaf(3, 50, 16))


def test_gradient_of_a_mask():
    def fn(q, k, v, mask):
        return sdpa(q, k, v, mask)

    x = leaf(3, 20, 16), leaf(3, 30, 16), leaf(3, 30, 16), leaf(1, 20, 30)
    agree(compiled(fn), fn, *x)


def test_scale():
    def fn(q, k, v):
        return sdpa(q, k, v, scale=0.7)

    agree(compiled(fn), fn, leaf(3, 20, 16), leaf(3, 30, 16), leaf(3, 30, 16))


@pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float64, 1e-12), (torch.float16, 3e-3), (torch.bfloat16, 2e-2)],
)
def test_dtypes(dtype, tolerance):
    x = leaf(6, 70, 32, dtype), leaf(2, 70, 32, dtype), leaf(2, 70, 32, dtype)
    agree(compiled(grouped), grouped, *x, tolerance=tolerance)


def test_long():
    x = [leaf(1, 2100, 16, batch=1) for _ in range(3)]
    agree(compiled(causal), causal, *x)


@pytest.mark.parametrize("fn", [causal, grouped])
def test_open_lengths(fn):
    c = compiled(fn)
    for n in (65, 64, 1, 130, 3):
        x = leaf(4, n, 16), *(leaf(2 if fn is grouped else 4, n, 16) for _ in "kv")
        if n == 65:
            for y in x:
                torch._dynamo.mark_dynamic(y, 2)
        agree(c, fn, *x)


@pytest.mark.parametrize("fn", [sdpa, grouped])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_everything_open(fn, dtype):
    """The size of the heads too: the scale is not a number then."""
    x = [leaf(4 if i == 0 or fn is sdpa else 2, 33, 24, dtype) for i in range(3)]
    tolerance = 2e-5 if dtype == torch.float32 else 2e-2
    agree(compiled(fn, dynamic=True), fn, *x, tolerance=tolerance)


# ---- artifacts ----


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = (
            y.reshape(b, n, 2, 16).transpose(1, 2) for y in self.qkv(x).split(32, -1)
        )
        return self.out(causal(q, k, v).transpose(1, 2).reshape(b, n, 32))


def exported(model):
    n = torch.export.Dim("n", min=2, max=8192)
    x, y = torch.randn(1, 64, 32), torch.randn(1, 64, 32)
    output = aot.export_training(
        model,
        F.mse_loss,
        torch.optim.SGD(model.parameters(), lr=0.5),
        args=(x,),
        targets=(y,),
        dynamic_shapes=({1: n}, {1: n}),
    )
    return output.compile(save_to=None, targets=["host"])


def test_steps_of_an_artifact():
    model = Block()
    other = copy.deepcopy(model).double()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.5)
    config = rt.Config("local-sync")
    m = rt.load_vm_module(
        rt.VmModule.wrap_buffer(config.vm_instance, exported(model).map_memory()),
        config,
    )
    for n in (64, 200, 5, 131):
        x, y = torch.randn(1, n, 32), torch.randn(1, n, 32)
        optimizer.zero_grad()
        loss = F.mse_loss(other(x.double()), y.double())
        loss.backward()
        optimizer.step()
        assert float(m.train_step(x, y)) == pytest.approx(loss.item(), rel=1e-5)


def test_memory_grows_with_the_length():
    """And not with its square: 2 heads of 2048 x 2048 scores alone would take 32 MiB."""
    module = _runtime.Module.from_buffer(exported(Block()).map_memory())
    session = _runtime.Session(module, _runtime.Device("local-sync"))
    taken = {}
    for n in (1024, 2048):
        x = torch.randn(1, n, 32).numpy()
        session.call("train_step", x, x)
        taken[n] = session.transient_bytes("train_step")
    assert taken[2048] <= 2 * taken[1024] + 4096
    assert taken[2048] < 8 << 20
