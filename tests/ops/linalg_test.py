# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Linear algebra through torch.compile in strict mode, against eager mode: results,
gradients and torch's own errors."""

import pytest
import torch

torch.manual_seed(0)


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def compiled(fn, **kwargs):
    return torch.compile(
        fn, backend="turbine_cpu", fullgraph=True, options={"fullgraph": True}, **kwargs
    )


def positive(*dims, dtype=torch.float64):
    x = torch.randn(*dims, dtype=dtype)
    return x @ x.mH + dims[-1] * torch.eye(dims[-1], dtype=dtype)


def close(got, want, tolerance=1e-8):
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)


def check(fn, *inputs, grad=True, **kwargs):
    """fn and its gradients, of random sums of its results."""
    c = compiled(fn, **kwargs)
    want = fn(*inputs)
    close(c(*inputs), want)
    if not grad:
        return
    grads = []
    for f in (c, fn):
        leaves = [x.detach().clone().requires_grad_() for x in inputs]
        torch.manual_seed(1)
        outs = f(*leaves)
        outs = outs if isinstance(outs, (tuple, list)) else [outs]
        loss = sum((o * torch.randn_like(o)).sum().abs() for o in outs)
        grads.append(torch.autograd.grad(loss, leaves))
    close(*grads)


A, S = torch.randn(3, 7, 7, dtype=torch.float64), positive(3, 7, 7)
Z = positive(2, 4, 4, dtype=torch.complex128)
B, ROW = torch.randn(3, 7, 2, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
WIDE, TALL = torch.randn(2, 3, 5).double(), torch.randn(2, 6, 4).double()
TRI = A.tril() + 7 * torch.eye(7)

CASES = {
    "cholesky": (torch.linalg.cholesky, S),
    "cholesky_upper": (lambda a: torch.linalg.cholesky(a, upper=True), S),
    "cholesky_complex": (torch.linalg.cholesky, Z),
    "cholesky_inverse": (torch.cholesky_inverse, TRI),
    "cholesky_solve": (torch.cholesky_solve, B, TRI),
    "solve_triangular": (
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
        TRI,
        B,
    ),
    "solve_triangular_right": (
        lambda a, b: torch.linalg.solve_triangular(a, b.mT, upper=False, left=False),
        TRI,
        B,
    ),
    "det": (torch.linalg.det, A),
    "det_transposed": (lambda a: torch.linalg.det(a.mT), A),
    "det_complex": (lambda z: torch.linalg.det(z).abs(), Z),
    "slogdet": (lambda a: torch.linalg.slogdet(a)[1], A),
    "inv": (torch.linalg.inv, A),
    "inv_complex": (lambda z: torch.linalg.inv(z).abs(), Z),
    "lu": (torch.linalg.lu, A),
    "lu_wide": (torch.linalg.lu, WIDE),
    "lu_tall": (torch.linalg.lu, TALL),
    "solve": (torch.linalg.solve, A, B),
    "solve_vector": (torch.linalg.solve, A[0], ROW),
    "solve_right": (lambda a, b: torch.linalg.solve(a, b.mT, left=False), A, B),
    "lu_solve": (lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b), A, B),
}


@pytest.mark.parametrize("name", CASES)
def test_against_eager(name):
    check(*CASES[name])


def test_lu_unpack():
    lu, pivots = torch.linalg.lu_factor(TALL)
    check(lambda lu, p: torch.lu_unpack(lu, p), lu, pivots, grad=False)


def test_open_sizes():
    c = compiled(lambda a, b: torch.linalg.solve(a, torch.linalg.cholesky(b)), dynamic=True)
    for n in (2, 5, 40):
        a, b = torch.randn(3, n, n).double(), positive(3, n, n)
        close(c(a, b), torch.linalg.solve(a, torch.linalg.cholesky(b)))


def test_no_elements():
    check(torch.linalg.inv, torch.ones(0, 3, 3), grad=False)
    check(torch.linalg.det, torch.ones(2, 0, 0), grad=False)
    check(torch.linalg.solve, torch.ones(2, 0, 0), torch.ones(2, 0, 3), grad=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_blocks(dtype):
    """Sizes above those of blocks and vectors."""
    a, s = torch.randn(150, 150, dtype=dtype), positive(70, 70, dtype=dtype)
    a = a + 20 * torch.eye(150, dtype=dtype)
    got = compiled(torch.linalg.solve)(a, torch.eye(150, dtype=dtype))
    close(got @ a, torch.eye(150, dtype=dtype), 1e-4)
    close(compiled(torch.linalg.cholesky)(s), torch.linalg.cholesky(s), 1e-4)


BAD = torch.stack([torch.eye(3), torch.zeros(3, 3)])


@pytest.mark.parametrize(
    "fn, bad",
    [
        (torch.linalg.cholesky, -torch.eye(3)),
        (torch.linalg.cholesky, BAD),
        (torch.linalg.inv, BAD),
        (lambda a: torch.linalg.solve(a, torch.ones(3)), BAD),
        (torch.linalg.lu_factor, BAD),
    ],
)
def test_torchs_errors(fn, bad):
    with pytest.raises(RuntimeError) as want:
        fn(bad)
    c = compiled(fn)
    with pytest.raises(want.type) as got:
        c(bad)
    assert str(got.value) == str(want.value)
    good = torch.eye(3).expand_as(bad).contiguous()
    close(c(good), fn(good))  # and it goes on
