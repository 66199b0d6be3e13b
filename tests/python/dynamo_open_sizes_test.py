# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators through torch.compile with all sizes open, those of weights too: one program
for calls of several sizes, and its derivatives."""

import copy

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh, same  # noqa: F401
from torch.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions

F = torch.nn.functional
randn = torch.randn


def results_of(fn, args):
    """What fn gives, and the gradients of its arguments."""
    args = [a.requires_grad_(a.is_floating_point()) for a in copy.deepcopy(args)]
    out = fn(*args)
    if out.requires_grad:
        torch.manual_seed(1)
        out.backward(randn(out.shape).to(out.dtype))
    return [out.detach(), *[a.grad for a in args]]


def compare(fn, *calls, dynamic=True):
    c = compiled(fn, dynamic=dynamic)
    for args in calls:
        dtype = args[0].dtype
        tolerance = 3e-2 if dtype.itemsize == 2 else 1e-4
        got, want = results_of(c, args), results_of(fn, args)
        same(got, want, tolerance, tolerance)


@pytest.fixture(autouse=True)
def open_sizes_only():
    """Numbers that are no sizes (strides of convolutions) are constants."""
    with torch._dynamo.config.patch(specialize_int=True):
        yield


# ---- convolutions whose kernels are open ----

CONVOLUTIONS = {
    "conv1d, same": (
        lambda x, w: F.conv1d(x, w, padding="same", dilation=2),
        [[(2, 3, 9), (4, 3, 4)], [(2, 3, 8), (4, 3, 3)]],
    ),
    "conv2d, same": (
        lambda x, w, b: F.conv2d(x, w, b, padding="same"),
        [[(2, 3, 9, 8), (4, 3, 4, 3), (4,)], [(3, 3, 7, 8), (4, 3, 3, 2), (4,)]],
    ),
    "conv2d, valid": (
        lambda x, w: F.conv2d(x, w, padding="valid", stride=2, groups=2),
        [[(2, 4, 9, 8), (4, 2, 4, 3)], [(3, 4, 7, 8), (4, 2, 3, 2)]],
    ),
    "conv2d": (
        lambda x, w: F.conv2d(x, w, padding=1, stride=3, dilation=2),
        [[(2, 3, 11, 12), (4, 3, 3, 3)], [(2, 3, 13, 14), (4, 3, 2, 4)]],
    ),
    "conv3d": (
        lambda x, w: F.conv3d(x, w, padding="same"),
        [[(1, 2, 4, 4, 5), (3, 2, 2, 3, 2)]],
    ),
    "conv_transpose1d": (
        lambda x, w: F.conv_transpose1d(
            x, w, stride=2, padding=3, output_padding=1, dilation=2
        ),
        [[(2, 3, 7), (3, 4, 3)], [(2, 3, 6), (3, 4, 2)]],
    ),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=(3, 2), padding=(0, 2), groups=2),
        [[(2, 4, 5, 6), (4, 2, 3, 3)], [(3, 4, 4, 5), (4, 2, 2, 4)]],
    ),
    "conv_transpose3d": (
        lambda x, w: F.conv_transpose3d(x, w, stride=2),
        [[(1, 2, 3, 4, 3), (2, 3, 2, 3, 2)]],
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name):
    fn, calls = CONVOLUTIONS[name]
    compare(fn, *([randn(shape) for shape in shapes] for shapes in calls))


def test_strides_over_open_images():
    """The gradient of what a stride leaves over, for kernels that are constant."""
    v, w = randn(4, 3, 3, 3), randn(3, 4, 3, 3)
    compare(
        lambda x: F.conv2d(F.conv2d(x, v, None, 2, 1).relu(), w, None, 2),
        [randn(2, 3, 16, 17)],
        [randn(2, 3, 17, 18)],
        [randn(3, 3, 19, 20)],
    )


def test_convolutions_of_integers():
    def ints(*shape):
        return torch.randint(-5, 5, shape)

    compare(
        lambda x, w: F.conv2d(x, w, padding=1, stride=2),
        [ints(2, 3, 9, 8), ints(4, 3, 4, 3)],
        [ints(2, 3, 7, 8), ints(4, 3, 2, 3)],
    )


# ---- attention, activations ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_attention_with_open_heads(dtype):
    def calls():
        for n, m, d in ((5, 7, 8), (6, 9, 4)):
            yield [randn(2, 3, k, d).to(dtype) for k in (n, m, m)]

    compare(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        *calls(),
    )


def test_glu():
    compare(lambda x: F.glu(x, 1), [randn(3, 6, 4)], [randn(3, 2, 4)])
    torch._dynamo.reset()
    compare(lambda x: F.glu(x, 0), [randn(2, 4)])


# ---- sums of products ----


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("iij,jk->ik", [(3, 3, 4), (4, 2)]),
        ("ii->", [(3, 3)]),
        ("iii->i", [(3, 3, 3)]),
        ("...i,i", [(2, 3, 4), (4,)]),
        ("b...c,cd->b...", [(2, 3, 3, 4), (4, 5)]),
        ("a...a->...a", [(3, 2, 3)]),
        ("B a, a b", [(2, 3), (3, 4)]),
    ],
)
def test_einsum(equation, shapes):
    compare(lambda *x: torch.einsum(equation, *x), [randn(s) for s in shapes])


def test_einsum_with_wrong_letters():
    for equation in ("...i...->i", "ijkl->i", "i->i"):
        with pytest.raises(Exception, match="einsum"):
            compiled(lambda x, e=equation: torch.einsum(e, x))(randn(3, 3, 3))


# ---- cross entropy in chunks of rows ----


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    "dtype, dynamic", [(torch.float32, True), (torch.bfloat16, False)]
)
def test_linear_cross_entropy(reduction, dtype, dynamic):
    options = LinearCrossEntropyOptions(batch_chunk_size=2, allow_retain_graph=True)
    weight = torch.rand(6).to(dtype)

    def loss(x, w, b, target):
        return F.linear_cross_entropy(
            x,
            w,
            target,
            linear_bias=b,
            weight=weight,
            reduction=reduction,
            ignore_index=2,
            options=options,
        )

    def call(n):
        shapes = (n, 3), (6, 3), (6,)
        target = torch.arange(n) % 6
        return [*[randn(s).to(dtype) for s in shapes], target]

    compare(loss, call(5), call(9), dynamic=dynamic)


# ---- differences ----


def test_no_differences():
    """Of order 0 nothing is put to the ends either."""
    compare(lambda x, y: torch.diff(x, 0, 0, append=y), [randn(5, 5), randn(2, 5)])
    torch._dynamo.reset()
    compare(lambda x: torch.diff(x, 3, 0), [randn(5, 5)], [randn(6, 4)])


# ---- sizes that floats and conditions tell ----


@pytest.mark.parametrize(
    "factor, mode", [(1.15, "bilinear"), ((2.5, 1.3), "bilinear"), (0.6, "bicubic")]
)
def test_images_by_a_factor(factor, mode):
    """Sizes are as Python rounds products of floats: 100 * 1.15 is below 115."""
    compare(
        lambda x: F.interpolate(x, scale_factor=factor, mode=mode),
        [randn(1, 2, 8, 8)],
        [randn(1, 2, 10, 20)],
        [randn(1, 1, 8, 100)],
    )


@pytest.mark.parametrize("dynamic", [False, True])
def test_images_that_keep_their_size_are_copied(dynamic):
    x = randn(1, 2, 4, 4)
    f = compiled(
        lambda x: F.interpolate(x, scale_factor=1.15, mode="bilinear"), dynamic=dynamic
    )
    same(f(x), x)


def test_ranges_of_floats():
    def f(x):
        n = x.shape[0]
        d = torch.float64
        return (
            torch.arange(0.0, n, 0.5).sum()
            + torch.arange(0.3, n, 0.1, dtype=d).sum()
            + torch.arange(n * 0.3).sum()
            + torch.zeros(int(n * 0.7)).numel()
            + x
        )

    compare(f, [randn(5)], [randn(7)], [randn(10)])
    c = compiled(lambda: torch.arange(False, True, True))
    same(c(), torch.arange(False, True, True))


@pytest.mark.parametrize("dynamic", [False, True])
def test_places_that_data_tells(dynamic):
    """Those that count from the end too, and their gradients."""

    def f(x, at):
        i = at.item()
        return x.narrow(1, at, 2) * 2 + x[:, i:].sum() + x.select(1, i).sum()

    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        compare(
            f,
            *([randn(5, 5, 3), torch.tensor(i)] for i in (1, 3, -2, -5)),
            dynamic=dynamic,
        )


def test_numbers_are_f64():
    """0.1 of a Python number is not that of f32."""
    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        f = compiled(lambda x: x.new_zeros(2) + x.sum().item() * 0.1)
        x = randn(3, dtype=torch.float64)
        same(f(x), x.new_zeros(2) + x.sum().item() * 0.1, 1e-15, 1e-15)


# ---- others ----


def test_as_strided_scatter():
    def f(x, y):
        return torch.as_strided_scatter(x, y, (2, 2), (2, 1), 0)

    compare(f, [randn(3, 3), randn(2, 2)], [randn(3, 4), randn(2, 2)])

    def of_memory(x, y, offset):
        return torch.as_strided_scatter(x, y, (2, 2), (3, 2), offset)

    for x, offset in ((randn(4, 6).t(), 1), (randn(40)[2:38].view(6, 6), 3)):
        y = randn(2, 2)
        same(compiled(of_memory)(x, y, offset), of_memory(x, y, offset))


def test_tensorinv():
    x = torch.eye(12) * 3 + randn(12, 12) / 4
    compare(lambda x: torch.linalg.tensorinv(x, 2), [x.reshape(4, 3, 6, 1, 2)])


def test_complex_operands():
    a, b = randn(2, 5, 5, dtype=torch.complex64)
    for f in (
        lambda a, b: torch.lerp(a, b, 0.4),
        lambda a, b: torch.lerp(a, b, b),
        torch.float_power,
    ):
        same(compiled(f)(a, b), f(a, b))


def test_transposed_convolutions_with_much_padding_of_the_output():
    """More than the stride: the gradient sees nothing of what is beyond."""
    compare(
        lambda x, w: F.conv_transpose2d(x, w, None, (3, 2), (1, 2), (2, 3), 2, (4, 4)),
        [randn(2, 2, 4, 4), randn(2, 2, 4, 5)],
        dynamic=False,
    )


@pytest.mark.parametrize("dynamic", [False, True])
def test_dropout_of_attention(dynamic):
    q, k = randn(2, 3, 4, 8), randn(2, 3, 5, 8)
    v = torch.eye(5).expand(2, 3, 5, 5)

    def attention(p):
        return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=p)

    got = compiled(attention(0.5), dynamic=dynamic)(q, k, v)
    kept = got != 0
    assert 0.2 < kept.float().mean() < 0.8
    same(got[kept], 2 * attention(0.0)(q, k, v)[kept])


def test_sums_of_halves_are_rounded_once():
    x, at = torch.full((4096,), 1.0, dtype=torch.float16), torch.zeros(4096).long()
    f = compiled(lambda x, at: torch.zeros(1, dtype=x.dtype).scatter_add(0, at, x))
    assert f(x, at).item() == 4096
