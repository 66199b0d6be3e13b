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
    torch._dynamo.reset()
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
    "lu_solve": (
        lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b),
        A,
        B,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_against_eager(name):
    check(*CASES[name])


def test_lu_unpack():
    lu, pivots = torch.linalg.lu_factor(TALL)
    check(lambda lu, p: torch.lu_unpack(lu, p), lu, pivots, grad=False)


def test_open_sizes():
    c = compiled(
        lambda a, b: torch.linalg.solve(a, torch.linalg.cholesky(b)), dynamic=True
    )
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


DEFICIENT = torch.zeros(5, 5).double()
DEFICIENT[0, 0] = DEFICIENT[1, 1] = 3  # a value twice, and zeros
DEFICIENT[2, 1] = 1
HUGE, TINY = torch.randn(6, 6) * 1e30, torch.randn(6, 6) * 1e-30
ZT = torch.randn(2, 5, 3, dtype=torch.complex128)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("a", [TALL, WIDE, DEFICIENT, HUGE, TINY, ZT, ZT.mT, A[:0]])
def test_svd(a, full):
    u, s, vh = compiled(lambda a: torch.linalg.svd(a, full_matrices=full))(a)
    k = s.shape[-1]
    size = float(a.abs().max()) if a.numel() else 1
    eps = 1e-10 if s.dtype is torch.float64 else 1e-5
    assert [x.shape for x in (u, s, vh)] == [
        x.shape for x in torch.linalg.svd(a, full_matrices=full)
    ]
    close(s / size, torch.linalg.svdvals(a) / size, eps)
    again = (u[..., :k] * s[..., None, :].to(a.dtype)) @ vh[..., :k, :]
    close(again / size, a / size, eps)
    for q in (u, vh.mH):
        gram = q.mH @ q
        close(gram, torch.eye(q.shape[-1], dtype=q.dtype).expand_as(gram), eps)


@pytest.mark.parametrize("a", [A, DEFICIENT, HUGE, Z, torch.zeros(4, 4)])
@pytest.mark.parametrize("lower", "LU")
def test_eigh(a, lower):
    a = a + a.mH
    c = compiled(lambda a: torch.linalg.eigh(a, lower))
    torn = a.tril() if lower == "L" else a.triu()  # only one triangle is read
    w, v = c(torn)
    size = float(a.abs().max()) or 1
    eps = 1e-10 if w.dtype is torch.float64 else 1e-5
    close(w / size, torch.linalg.eigvalsh(a) / size, eps)
    close(a @ v / size, v * w[..., None, :].to(a.dtype) / size, eps)
    gram = v.mH @ v
    close(gram, torch.eye(a.shape[-1], dtype=a.dtype).expand_as(gram), eps)


def test_lengths_do_not_drift():
    """Thousands of rotations of each row, in f32."""
    a = torch.randn(160, 120)
    u, s, vh = compiled(lambda a: torch.linalg.svd(a, full_matrices=False))(a)
    close(
        (s - torch.linalg.svdvals(a.double())) / s[0], torch.zeros(120).double(), 1e-6
    )
    close(vh @ vh.mT, torch.eye(120), 2e-6)
    close(u.mT @ u, torch.eye(120), 2e-6)


def test_exported():
    """A program outside torch has its own words for what it raises."""
    from shark_turbine import _runtime, aot

    class Solve(torch.nn.Module):
        def forward(self, a, b):
            return torch.linalg.solve(a, b), torch.linalg.cholesky(a @ a.mT)

    a, b = torch.randn(4, 4), torch.randn(4, 2)
    binary = aot.export(Solve(), args=(a, b)).compile(save_to=None)
    module = _runtime.Module.from_buffer(binary.map_memory())
    session = _runtime.Session(module, _runtime.Device("local-sync"))
    x, _ = session.call("main", a.numpy(), b.numpy())
    close(torch.from_dlpack(x), torch.linalg.solve(a, b), 1e-4)
    with pytest.raises(ValueError, match="torch.linalg.solve: .* singular"):
        session.call("main", torch.zeros(4, 4).numpy(), b.numpy())


def test_gradients_of_decompositions():
    check(torch.linalg.svdvals, TALL)
    check(torch.linalg.eigvalsh, S)
    check(lambda a: torch.linalg.eigh(a + a.mT)[1].abs(), S)
    check(lambda a: torch.linalg.svd(a, full_matrices=False)[0].abs(), TALL)
    check(torch.linalg.qr, TALL)
    check(torch.linalg.pinv, WIDE)
    check(torch.matrix_exp, A)


@pytest.mark.parametrize("a", [TALL, WIDE, A, ZT, ZT.mT], ids=str)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_qr(a, mode):
    check(lambda a: torch.linalg.qr(a, mode), a, grad=False)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("adjoint", [True, False])
def test_ormqr(left, adjoint):
    a, tau = torch.geqrf(ZT[0])
    c = torch.randn(5, 4, dtype=a.dtype)
    c = c if left else c.mT.contiguous()
    check(lambda *x: torch.ormqr(*x, left, adjoint), a, tau, c, grad=False)
    check(torch.linalg.householder_product, a, tau, grad=False)


def test_of_singular_values():
    check(lambda a: torch.linalg.pinv(a, atol=1.0), WIDE, grad=False)
    check(lambda a: torch.linalg.pinv(a, hermitian=True), S, grad=False)
    check(torch.linalg.pinv, DEFICIENT, grad=False)
    check(torch.linalg.matrix_rank, DEFICIENT, grad=False)
    check(torch.linalg.cond, A, grad=False)
    check(lambda a: torch.linalg.matrix_norm(a, "nuc", (2, 0)), A, grad=False)
    check(lambda a: torch.linalg.matrix_norm(a, -2, (0, 1), True), A, grad=False)


def test_matrix_exp():
    for a in (A * 0.01, A, A * 30, Z, A.float(), A.to(torch.bfloat16)):
        # of 16 bits eager mode makes NaNs
        want = torch.matrix_exp(a.double() if a.dtype is torch.bfloat16 else a).to(
            a.dtype
        )
        size = want.abs().max()
        eps = {torch.bfloat16: 2e-2, torch.float32: 1e-5}.get(a.dtype, 1e-10)
        close(compiled(torch.matrix_exp)(a) / size, want / size, eps)


def test_decompositions_of_open_sizes():
    svd = compiled(lambda a: torch.linalg.svd(a, full_matrices=False), dynamic=True)
    eigh = compiled(torch.linalg.eigh, dynamic=True)
    for m, n in ((3, 7), (7, 3), (20, 20)):
        a = torch.randn(2, m, n).double()
        u, s, vh = svd(a)
        close(s, torch.linalg.svdvals(a))
        close(u * s[..., None, :] @ vh, a)
        a = a @ a.mT
        w, v = eigh(a)
        close(v * w[..., None, :] @ v.mT, a)


def test_not_finite():
    for fn in (torch.linalg.svdvals, torch.linalg.eigvalsh):
        with pytest.raises(
            torch.linalg.LinAlgError, match="^linalg.*failed to converge"
        ):
            compiled(fn)(torch.full((3, 3), float("nan")))


# ---- eigenvalues of general matrices ----

R, C = torch.randn(3, 6, 6).double(), torch.randn(3, 6, 6, dtype=torch.complex128)
UP, TURN = torch.randn(6, 6).triu().double(), torch.eye(6).roll(1, 0).double()
GENERAL = {
    "real": R,
    "complex": C,
    "up": UP,
    "down": UP.mT,
    "turn": TURN,
    "zeros": torch.zeros(4, 4).double(),
    "blocks": torch.tensor([[1.0, 2], [-2, 1]]).double().kron(torch.eye(3)),
    "rank_one": R[0, :1].mT @ R[1, :1],
    "not_diagonal": 2 * torch.eye(8).double() + torch.diag(torch.ones(7), 1),
    "large": R * 1e120,
    "small": R * 1e-120,
    "scales": R * torch.logspace(-3, 3, 6),
}


def check_eigen(a, eps=1e-9):
    """A V = V diag(w) with columns of length 1, in the order of eigvals."""
    w, v = compiled(torch.linalg.eig)(a)
    size = a.abs().amax().clamp(min=1e-300)
    z = a.to(w.dtype)
    close(z @ v / size, v * w[..., None, :] / size, eps)
    close(v.norm(dim=-2), torch.ones_like(w).real, eps)
    close(compiled(torch.linalg.eigvals)(a), w, 0)
    largest = v.gather(-2, v.abs().argmax(-2, keepdim=True))
    close(largest.imag, torch.zeros_like(largest.imag), 1e-6)
    if not a.is_complex():  # real ones, and pairs with the positive part first
        at = (w.imag > 0).nonzero(as_tuple=True)
        assert (w.imag < 0).sum() == len(at[0])
        close(w[(*at[:-1], at[-1] + 1)], w[at].conj(), 0)
        close(v.mT[(*at[:-1], at[-1] + 1)], v.mT[at].conj(), 0)
        assert not v.mT[w.imag == 0].imag.any()
    return w


@pytest.mark.parametrize("name", GENERAL)
def test_eig(name):
    a = GENERAL[name]
    w = check_eigen(a)
    want = torch.linalg.eigvals(a)
    if name != "not_diagonal":  # its values are as far apart as rounding puts them
        apart = (w[..., :, None] - want[..., None, :]).abs() / a.abs().amax().clamp(
            1e-300
        )
        assert apart.amin(-1).max() < 1e-9 and apart.amin(-2).max() < 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_eig_of_blocks(dtype):
    check_eigen(torch.randn(2, 70, 70, dtype=dtype), 1e-3)
    check_eigen(torch.randn(3, 2, 3, 3, dtype=dtype), 1e-4)


def test_eig_gradients():
    for a in (R, C):
        check(torch.linalg.eigvals, a)
        check(lambda a: (torch.linalg.eig(a)[0], torch.linalg.eig(a)[1].abs()), a)


def test_eig_of_open_sizes():
    eig = compiled(torch.linalg.eig, dynamic=True)
    for n in (2, 5, 30):
        a = torch.randn(2, n, n).double()
        w, v = eig(a)
        close(a.to(w.dtype) @ v, v * w[..., None, :])


def test_eig_at_the_edges():
    for shape in ((0, 3, 3), (2, 0, 0), (1, 1)):
        check(torch.linalg.eig, torch.ones(*shape).double(), grad=False)
        check(torch.linalg.eigvals, torch.ones(*shape).double(), grad=False)
    for fn in (torch.linalg.eig, torch.linalg.eigvals):
        for bad in (float("nan"), float("inf")):
            with pytest.raises(RuntimeError, match="should not contain infs or NaNs"):
                compiled(fn)(torch.full((3, 3), bad))


SYMMETRIC = torch.randn(4, 6, 6).double()
SYMMETRIC = SYMMETRIC + SYMMETRIC.mT
HOLLOW = torch.stack([torch.ones(6, 6) - torch.eye(6), torch.zeros(6, 6)]).double()


@pytest.mark.parametrize("a", [SYMMETRIC, HOLLOW], ids=["any", "hollow"])
def test_ldl(a):
    check(torch.linalg.ldl_factor_ex, a, grad=False)


def test_ldl_solve():
    ld, pivots = torch.linalg.ldl_factor(SYMMETRIC)
    assert (pivots < 0).any()
    b = torch.randn(4, 6, 3).double()
    check(torch.linalg.ldl_solve, ld, pivots, b, grad=False)


@pytest.mark.parametrize("hermitian", [False, True])
def test_ldl_of_complex(hermitian):
    a = torch.randn(4, 6, 6, dtype=torch.complex128)
    a = a + (a.mH if hermitian else a.mT)
    a[1].diagonal().zero_()
    a[2] = 0
    check(lambda a: torch.linalg.ldl_factor_ex(a, hermitian=hermitian), a, grad=False)
    a[2] = torch.eye(6)
    ld, pivots = torch.linalg.ldl_factor(a, hermitian=hermitian)
    assert (pivots < 0).any()
    b = torch.randn(4, 6, 3, dtype=torch.complex128)
    check(
        lambda ld, p, b: torch.linalg.ldl_solve(ld, p, b, hermitian=hermitian),
        ld,
        pivots,
        b,
        grad=False,
    )


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
