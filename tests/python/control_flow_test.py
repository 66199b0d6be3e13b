# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.cond, while_loop, scan and map, and sizes that depend on data, in artifacts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim


def module(fn, **parts):
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, *args):
            return fn(self, *args)

    return Module().eval()


def same(got, want):
    got = got if isinstance(got, (tuple, list)) else (got,)
    want = want if isinstance(want, (tuple, list)) else (want,)
    assert len(got) == len(want)
    for g, w in zip(got, want):
        w = w.detach().numpy() if isinstance(w, torch.Tensor) else np.asarray(w)
        assert g.dtype == w.dtype and list(g.shape) == list(w.shape)
        np.testing.assert_allclose(g.to_host(), w, rtol=1e-5, atol=1e-5)


def check(m, *calls, dynamic_shapes=None, strict=False):
    """Exports with the first arguments, and compares with eager mode for all of them."""
    output = aot.export(
        m, args=calls[0], dynamic_shapes=dynamic_shapes, strict_export=strict
    )
    config = rt.Config("local-sync")
    binary = output.compile(save_to=None)
    compiled = rt.load_vm_module(
        rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory()), config
    )
    for args in calls:
        with torch.no_grad():
            same(compiled.main(*args), m(*args))
    return compiled


def test_cond():
    def f(m, x):
        def then(x):
            return m.linear(x).relu(), x.sum()

        def otherwise(x):
            return x.sin() + 1, x.max()

        return torch.cond(x.sum() > 0, then, otherwise, (x,))

    m = module(f, linear=torch.nn.Linear(4, 4))
    x = torch.randn(3, 4)
    batch = {"args": ({0: Dim("batch", max=64)},)}
    check(m, (x.abs(),), (-x.abs(),), (torch.randn(7, 4),), dynamic_shapes=batch)


def test_cond_on_a_size():
    def f(m, x):
        return torch.cond(
            x.shape[0] > 4, lambda x: x.cumsum(0), lambda x: x * x.shape[0], (x,)
        )

    dims = {"args": ({0: Dim("n", min=2, max=64)},)}
    check(
        module(f),
        (torch.randn(3),),
        (torch.randn(4),),
        (torch.randn(9),),
        dynamic_shapes=dims,
    )


def test_nested_cond():
    def f(m, x, flag):
        def inner(x):
            return torch.cond(x.max() > 1, lambda x: x - 1, lambda x: x.exp(), (x,))

        return torch.cond(flag, inner, lambda x: x.clone(), (x,))

    x = torch.rand(5)
    yes, no = torch.tensor(True), torch.tensor(False)
    check(module(f), (x, yes), (x + 3, yes), (x, no))


def test_while_loop():
    def f(m, n, x):
        return while_loop(
            lambda i, x: i < n, lambda i, x: (i + 1, m.linear(x).tanh()), (n * 0, x)
        )

    m = module(f, linear=torch.nn.Linear(8, 8))
    x = torch.randn(2, 8)
    check(m, (torch.tensor(3), x), (torch.tensor(0), x), (torch.tensor(11), x))


def test_scan():
    def f(m, c, x):
        def step(carry, row):
            h = torch.tanh(m.linear(carry) + row)
            return h, h * 2

        return scan(step, c, x, dim=0)

    m = module(f, linear=torch.nn.Linear(4, 4))
    check(m, (torch.randn(4), torch.randn(6, 4)))


def test_map():
    def f(m, x, y):
        return torch_map(lambda x, y: x.sum() * y, x, y)

    check(module(f), (torch.randn(3, 5), torch.randn(4)))


def test_item_as_size():
    def f(m, x, n):
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= x.shape[0])
        head = x[:k]
        return head * 2, head.softmax(0), torch.ones(k + 1, 2)

    x = torch.randn(9)
    compiled = check(
        module(f), (x, torch.tensor(4)), (x, torch.tensor(9)), (x, torch.tensor(1))
    )
    with pytest.raises(ValueError, match="must be at most 9"):
        compiled.main(x, torch.tensor(10))
    with pytest.raises(ValueError, match="must be at least 1"):
        compiled.main(x, torch.tensor(0))
    same(compiled.main(x, torch.tensor(2))[0], x[:2] * 2)  # still usable


def test_number_as_argument():
    m = module(lambda m, x, n: (x * n, x[:n]))
    x = torch.randn(5)
    check(m, (x, 3), (x, 5), (x, 2), dynamic_shapes={"args": (None, Dim.DYNAMIC)})
