# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fourier transforms, special functions and polynomials through torch.compile against
eager mode: ranges, limits, and sizes that OpInfo's samples do not reach."""

import pytest

torch = pytest.importorskip("torch")

S = torch.special
F = torch.nn.functional
INF, NAN = float("inf"), float("nan")
EDGES = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e-6, -1e-6, 100.0]


def compiled(fn, *args):
    torch._dynamo.reset()
    run = torch.compile(
        lambda *a: fn(*a),
        backend="turbine_cpu",
        fullgraph=True,
        options={"fullgraph": True},
    )
    return run(*args)


def agree(fn, *args, rtol, atol):
    got, want = compiled(fn, *args), fn(*args)
    torch.testing.assert_close(got, want, rtol=rtol, atol=atol, equal_nan=True)


@pytest.mark.parametrize("n", [1, 2, 7, 48, 100, 521, 1021])
def test_transform_of_any_length(n):
    """One product, two factors, three, a prime by convolution."""
    x = torch.randn(3, n, dtype=torch.complex128)
    agree(torch.fft.fft, x, rtol=1e-9, atol=1e-9)
    agree(torch.fft.ifft, x.to(torch.complex64), rtol=1e-4, atol=1e-4)
    agree(torch.fft.rfft, x.real.contiguous(), rtol=1e-9, atol=1e-9)
    agree(lambda x: torch.fft.irfft(x, n), x, rtol=1e-9, atol=1e-9)


def test_transform_over_axes():
    x = torch.randn(4, 6, 10)
    agree(lambda x: torch.fft.fftn(x, norm="ortho"), x, rtol=1e-4, atol=1e-4)
    agree(lambda x: torch.fft.rfft2(x, dim=(0, 2)), x, rtol=1e-4, atol=1e-4)
    z = torch.randn(4, 6, 10, dtype=torch.complex64)
    agree(lambda x: torch.fft.irfftn(x, norm="forward"), z, rtol=1e-4, atol=1e-3)
    window = torch.hann_window(16)
    agree(
        lambda x: torch.stft(x, 16, 4, window=window, return_complex=True),
        torch.randn(2, 200),
        rtol=1e-4,
        atol=1e-4,
    )


FUNCTIONS = [
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "spherical_bessel_j0",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "airy_ai",
    "erfcx",
    "log_ndtr",
]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    x = torch.cat(
        [torch.linspace(-12, 12, 501, dtype=torch.float64), torch.tensor(EDGES)]
    )
    agree(getattr(S, name), x, rtol=1e-11, atol=1e-13)


def test_quantiles():
    p = torch.linspace(0, 1, 401, dtype=torch.float64)
    p = torch.cat([p, p**12, torch.tensor([-1.0, 2.0, NAN], dtype=torch.float64)])
    agree(S.ndtri, p, rtol=1e-12, atol=1e-13)
    y = torch.cat([2 * p - 1, 1 - p[:401] ** 6])
    agree(torch.erfinv, y, rtol=1e-12, atol=1e-14)
    wide = torch.erfinv(y.float().double()).float()
    got = compiled(torch.erfinv, y.float())
    torch.testing.assert_close(got, wide, rtol=1e-6, atol=1e-7, equal_nan=True)


def odd_rows(rows, n):
    """Two rows with a NaN, one with each infinity, one of -inf alone, and others."""
    x = 3 * torch.randn(rows, n)
    for row, value in enumerate([NAN, INF, -INF, NAN]):
        x[2 * row, row % n] = value
    x[8] = -INF
    return x


@pytest.mark.parametrize("n", [3, 16, 128, 1003])
def test_softmax_of_odd_rows(n):
    x, by_column = odd_rows(10, n), odd_rows(10, n).t().contiguous()
    for f in (torch.softmax, torch.log_softmax, torch.logsumexp):
        agree(lambda x, f=f: f(x, -1), x, rtol=2e-6, atol=1e-6)
        agree(lambda x, f=f: f(x, 0), by_column, rtol=2e-6, atol=1e-6)

    def spelled(x):  # what is left of the maximum shows
        top = x.amax(-1, keepdim=True)
        e = (x - top).exp()
        return (
            e / e.sum(-1, keepdim=True),
            top,
            torch.where(top > 0, e.sum(-1, keepdim=True), x),
        )

    agree(spelled, x, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("where", ["query", "key", "value", "mask"])
def test_attention_with_nan(where):
    q, k, v = torch.randn(3, 2, 70, 64).unbind()
    mask = torch.zeros(70, 70)
    tensor = {"query": q, "key": k, "value": v, "mask": mask}[where]
    tensor[..., 3, 5] = NAN
    mask[11] = -INF
    agree(F.scaled_dot_product_attention, q, k, v, mask, rtol=1e-5, atol=1e-5)


def test_zeta_and_polygamma():
    edges = torch.tensor(EDGES, dtype=torch.float64)
    x = torch.cat([torch.linspace(-6, 20, 333, dtype=torch.float64), edges])
    for n in (0, 1, 2, 5):
        agree(lambda x, n=n: torch.polygamma(n, x), x, rtol=1e-9, atol=1e-12)
    agree(
        S.zeta, torch.linspace(0, 30, 343, dtype=torch.float64), x, rtol=1e-11, atol=0
    )


def test_incomplete_gamma():
    edges = torch.tensor(EDGES, dtype=torch.float64)
    a = torch.cat([torch.rand(300, dtype=torch.float64) * 40, edges])
    x = torch.cat([torch.rand(300, dtype=torch.float64) * 40, edges.flip(0)])
    agree(torch.igamma, a, x, rtol=1e-7, atol=1e-12)
    agree(torch.igammac, a, x, rtol=1e-7, atol=1e-12)


POLYNOMIALS = [
    "chebyshev_polynomial_t",
    "chebyshev_polynomial_u",
    "chebyshev_polynomial_v",
    "chebyshev_polynomial_w",
    "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_w",
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
]


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomial(name):
    x = torch.linspace(-2, 2, 201, dtype=torch.float64)[:, None]
    degrees = torch.tensor([-1.0, 0, 1, 2, 3, 8, 13])
    agree(getattr(S, name), x, degrees, rtol=1e-9, atol=1e-9)


def test_sigmoid_over_all_floats():
    """The bound of docs/math.md: every 4093rd of all F32 bit patterns."""
    x = torch.arange(0, 1 << 32, 4093).to(torch.uint32).view(torch.float32)
    got, wide = compiled(torch.sigmoid, x).double(), x.double()
    want = torch.sigmoid(wide)
    place = torch.exp2(torch.floor(torch.log2(want)).clamp(min=-126) - 23)
    error = (got - want).abs() / place
    gone = (want < 2**-125.5) & (got == 0)  # as exp's results are
    assert torch.equal(got.isnan(), x.isnan())
    assert error[~(gone | x.isnan())].max() <= 2.5
