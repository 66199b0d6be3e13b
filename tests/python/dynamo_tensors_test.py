# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tensors of every kind through torch.compile: views and mutation, layouts, empty ones,
complex ones, sizes that data tells, open sizes."""

import copy
import gc
import resource
import threading

import pytest

torch = pytest.importorskip("torch")

from compiling import check, compiled, fresh, same  # noqa: F401
from torch._dynamo.testing import CompileCounterWithBackend

F = torch.nn.functional
randn = torch.randn


# ---- mutation and aliases ----


def in_place_on_a_view(x):
    x.view(-1)[2:5].mul_(3)
    return x.sum()


def in_place_on_a_transpose(x):
    x.t().add_(1)
    return x * 2


def in_place_on_a_returned_view(x):
    y = x.view(2, -1)
    y.add_(1)
    return y


def transpose_in_place(x):
    x.t_()
    return x + 1


def copy_into(x):
    x.copy_(torch.arange(x.shape[-1]))
    return x


def masked_assignment(x):
    y = x.clone()
    y[y > 0] = 0
    x[0] = 7
    return y


MUTATIONS = [
    in_place_on_a_view,
    in_place_on_a_transpose,
    in_place_on_a_returned_view,
    transpose_in_place,
    copy_into,
    masked_assignment,
]


@pytest.mark.parametrize("fn", MUTATIONS, ids=lambda f: f.__name__)
def test_mutation(fn):
    check(fn, (randn(4, 4),), (randn(4, 8)[:, ::2].t().contiguous(),))
    if "view" not in fn.__name__:
        check(fn, (randn(4, 4).t(),), (randn(4, 8)[:, ::2],))


def test_one_tensor_twice():
    def f(x, y):
        x.add_(1)
        return x + y

    a = randn(4)
    b = a.clone()
    same(compiled(f)(a, a), f(b, b))
    same(a, b)


def test_arguments_that_overlap():
    def f(x, y):
        x.add_(1)
        return x + y

    a = randn(6)
    b = a.clone()
    same(compiled(f, fallback=True)(a[:4], a[2:]), f(b[:4], b[2:]))
    same(a, b)


def test_mutation_of_a_parameter_and_a_list():
    m = torch.nn.Linear(3, 2)
    other = copy.deepcopy(m)

    def step(m, x, seen):
        with torch.no_grad():
            m.weight.mul_(0.5)
        seen.append(m(x))
        return seen[-1] + 1

    c, mine, theirs, x = compiled(step), [], [], randn(4, 3)
    same(c(m, x, mine), step(other, x, theirs))
    same((mine, m.weight), (theirs, other.weight))


@pytest.mark.parametrize("dynamic", [False, True])
def test_results_that_are_views(dynamic):
    """Of the argument, with its strides and at their offsets, also out of lists of views."""

    def f(x):
        n = x.shape[1] // 2
        lists = (
            x.chunk(2, -1)[-1],
            x.split(n, 1)[1],
            x.unbind(0)[-1],
            *x.tensor_split(2, 1),
        )
        return *lists, x.narrow(1, n, n), x[1:, ::2], x.t()[n:], x.chunk(2, -1)[0].t()

    for x in (randn(5, 8), randn(8, 6).t(), randn(3, 9)):
        got, want = compiled(f, dynamic=dynamic)(x), f(x)
        same(got, want, strides=True)
        assert [y.data_ptr() for y in got] == [y.data_ptr() for y in want]


def test_data_is_assigned():
    def f(x):
        x.data = x.data * 2
        return x + 1

    a = randn(3)
    b = a.clone()
    with pytest.warns(UserWarning, match="runs in eager mode"):
        same(compiled(f, fallback=True)(a), f(b))
    same(a, b)


def test_empty_results_can_be_resized():
    def f(x):
        y = torch.empty(0)
        y.resize_(3).copy_(x)
        return y

    check(f, (randn(3),), fallback=True)
    y = compiled(lambda x: x[:0] + 1)(randn(3))
    assert y.resize_(5).shape == (5,)


# ---- layouts ----

LAYOUTS = {
    "channels last": randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "channels last 3d": randn(2, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d),
    "strided": randn(6, 8)[::2, ::3],
    "offset": randn(20)[3:7],
    "expanded": randn(1, 4).expand(3, 4),
    "overlapping": randn(6).as_strided((3, 3), (1, 1)),
    "conjugated": randn(4, dtype=torch.complex64).conj(),
    "negated": randn(4, dtype=torch.complex64).conj().imag,
}


def test_memory_of_results():
    """That of a result which is gone serves the next call, from whatever thread it went; that of
    one which is held does not."""

    def f(x):
        return x * 2, x + 1

    fast = torch.compile(f, backend="turbine_cpu")
    x = randn(300, 1000)
    fast(x)
    held = [fast(x * i) for i in range(4)]
    for i, (a, b) in enumerate(held):
        same(a, x * i * 2)
        same(b, x * i + 1)
    places = {t.data_ptr() for pair in held for t in pair}
    assert len(places) == 8

    def let_go():
        del held[:]

    del a, b
    thread = threading.Thread(target=let_go)
    thread.start()
    thread.join()
    again = fast(x)
    assert all(t.data_ptr() in places for t in again)
    same(again[0], x * 2)
    kept = again[1]
    del fast, again
    torch._dynamo.reset()
    gc.collect()
    same(kept, x + 1)


def test_steps_use_memory_again():
    """No page of a step's results is cleared by the system in the next step."""
    model = torch.nn.Sequential(*[torch.nn.Linear(1000, 1000) for _ in range(4)])
    fast = torch.compile(model, backend="turbine_cpu")
    x = randn(300, 1000)

    def step():
        model.zero_grad(set_to_none=True)
        fast(x).square().mean().backward()

    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 5 * 1000  # 16 MB of gradients alone are 4000 pages


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(name):
    x = LAYOUTS[name]
    assert name != "negated" or x.is_neg()
    c = compiled(lambda x: x * 2 + 1)
    same(c(x), x * 2 + 1, strides=True)


def test_convolution_keeps_channels_last():
    m = torch.nn.Conv2d(3, 4, 3)
    x = randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    with torch.no_grad():
        same(compiled(m)(x), m(x), strides=True)
        same(compiled(m)(x.contiguous()), m(x.contiguous()), strides=True)


# ---- empty, scalar, none ----


def test_empty():
    def f(x):
        return x @ x.t(), x.sum(0), x.mean(), x.softmax(-1), torch.cat([x, x])

    check(f, (torch.ones(0, 4),), (torch.ones(3, 0),), (torch.ones(0, 4),))


def test_open_sizes_may_be_0_and_1():
    def f(x):
        return x * 2, torch.cat([x, x])

    calls = [(randn(n, 4),) for n in (5, 7, 0, 1, 5)]
    check(f, *calls, dynamic=True)


def test_scalars():
    def f(x, y, flag, n):
        return (x * y + n, x) if flag else y

    x, y = torch.tensor(2.0), torch.tensor(3)
    check(f, (x, y, True, 2), (x, y, False, 2), (x, y, True, 3), (x, y, True, 4))


def test_float_arguments():
    calls = [(randn(3), a) for a in (2.5, 3.5, 4.5)]
    check(lambda x, a: x * a, *calls)


def test_graphs_that_compute_nothing():
    x = randn(2)
    check(lambda x: x, (x,))
    check(lambda x: None, (x,))
    check(lambda x: torch.ones(3) * 2, (x,))
    check(lambda n: n + 1, (3,), (4,))


def test_structures():
    def f(xs, *, d):
        return [x * 2 for x in xs], {"b": (d["a"] + 1, None)}

    xs, d = [randn(2), randn(3)], {"a": randn(2)}
    same(compiled(f)(xs, d=d), f(xs, d=d))


# ---- complex ----


def test_complex_arguments():
    def f(x, y):
        return x * y, x.conj(), x.abs(), x.real, y.imag, torch.view_as_real(x)

    x, y = (randn(4, dtype=torch.complex64) for _ in range(2))
    check(f, (x, y))
    check(lambda x, y: x @ y, (x[None], y[:, None]))


def test_complex_gradients():
    x = randn(4, dtype=torch.complex64).requires_grad_()
    y = x.detach().clone().requires_grad_()

    def f(x):
        return (x * x).abs().sum()

    compiled(f, fallback=True)(x).backward()
    f(y).backward()
    same(x.grad, y.grad)


# ---- sizes that data tells ----


@pytest.fixture(params=[False, True], ids=["graph breaks", "captured"])
def capture(request):
    with torch._dynamo.config.patch(
        capture_scalar_outputs=request.param,
        capture_dynamic_output_shape_ops=request.param,
    ):
        yield request.param


DEPENDENT = {
    "nonzero": lambda x: x.nonzero() + 1,
    "mask": lambda x: x[x > 0] * 2 + 1,
    "masked_select": lambda x: torch.masked_select(x, x > 0).sum(),
    "item": lambda x: x * x.sum().item(),
    "unique": lambda x: torch.unique(x).cumsum(0),
    "unique of rows": lambda x: torch.unique(
        x.round().expand(3, -1).T, dim=0, return_inverse=True, return_counts=True
    ),
    "neighbours": lambda x: torch.unique_consecutive(x > 0, return_counts=True),
    "bincount": lambda x: torch.bincount(x.abs().long(), x) * 2,
    "repeat": lambda x: torch.repeat_interleave(x, (x > 0).long()),
    "two sizes": lambda x: (
        x.nonzero(),
        x[x < 0],
        x[(x > 0)].sum() + x.nonzero().shape[0],
    ),
    "branch": lambda x: x * 2 if x.sum() > 0 else x - 1,
    # numbers that leave the program, and numbers that are operands
    "number": lambda x: (x.max().item(), x.long().sum().item(), (x > 0).all().item()),
    "integers": lambda x: x.long() * (x.sum().item() * 2 + 1) / 3,
    "slices": lambda x: x[x.long().sum().item() :] * 2,
}


@pytest.mark.filterwarnings("ignore:turbine_cpu")
@pytest.mark.parametrize("name", DEPENDENT)
def test_data_dependent(name, capture):
    """In one piece where torch captures what depends on data."""
    fn, fallback = DEPENDENT[name], not capture or name == "branch"
    check(fn, (randn(5),), (randn(7),), (-torch.ones(3),), fallback=fallback)


@pytest.mark.parametrize("dynamic", [False, True])
def test_selections_have_gradients(dynamic):
    def f(x, y):
        return (x[x > 0] * 2).sum() + torch.masked_select(y, x.T > 0).pow(2).sum()

    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        c = compiled(f, dynamic=dynamic)
        for n in (3, 4) if dynamic else (3, 3):
            x, y = (randn(n, n).requires_grad_() for _ in range(2))
            mine = [t.detach().clone().requires_grad_() for t in (x, y)]
            f(x, y).backward()
            c(*mine).backward()
            same([t.grad for t in mine], [x.grad, y.grad])


@pytest.mark.parametrize("dynamic", [False, True])
def test_views_at_places_that_data_tells(dynamic):
    """They are torch's: where they begin is part of what AOTAutograd hands out."""

    def f(x, at):
        return torch.tensor_split(x, at)

    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        c = compiled(f, dynamic=dynamic)
        for at in ([1, 2, 4], [0, 3, 3], [2, 1, -1]):
            x = randn(5, 5)
            got, want = c(x, torch.tensor(at)), f(x, torch.tensor(at))
            same(got, want)
            assert [t.data_ptr() for t in got] == [t.data_ptr() for t in want]


def test_integers_of_tensors_are_sizes():
    def f(x, n):
        k = n.item()
        torch._check(k >= 0)
        torch._check(k <= x.shape[0])
        return torch.arange(k) * 2, x[:k] + 1

    with torch._dynamo.config.patch(capture_scalar_outputs=True):
        calls = [(randn(m), torch.tensor(n)) for m, n in ((5, 3), (6, 6), (9, 0))]
        c = check(f, *calls, dynamic=True)
        with pytest.raises(Exception, match="u0 <= |most|less|fail"):
            c(randn(4), torch.tensor(1000))
        same(c(*calls[0]), f(*calls[0]))


@pytest.mark.parametrize("dynamic", [False, True])
def test_parts_are_views(dynamic):
    def f(x):
        return *x.chunk(2), *x.unbind(1), x.split(2)[1].t()

    c = compiled(f, dynamic=dynamic)
    for n in (5, 7) if dynamic else (5,):
        x = randn(n, 3)
        got, want = c(x), f(x)
        same(got, want, strides=True)
        assert [t.data_ptr() for t in got] == [t.data_ptr() for t in want]


def test_integers_are_not_divided_by_zero():
    def f(a, b):
        return a // b, a % b, torch.fmod(a, b), torch.div(a, b, rounding_mode="trunc")

    c = check(f, (torch.tensor([7, -7]), torch.tensor([2, -3])))
    for zeros in ([0, 1], [1, 0]):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            c(torch.tensor([7, -7]), torch.tensor(zeros))
    check(f, (randn(3), torch.zeros(3)))  # floats are


def test_no_singular_values_of_nan():
    """PyTorch's own class of error and text, not only a failed check."""
    nan, errors = torch.full((3, 3), float("nan")), []
    for f in (torch.linalg.svdvals, compiled(lambda x: torch.linalg.svdvals(x))):
        with pytest.raises(torch.linalg.LinAlgError, match="non-finite") as e:
            f(nan)
        errors.append(str(e.value))
    assert errors[0] == errors[1]


# ---- open sizes ----


def frames(model, calls, dynamic=None, prepare=lambda x: x, grad=False):
    """How many programs there are after each of a few calls; results are compared."""
    counter = CompileCounterWithBackend("turbine_cpu")
    c, counts = torch.compile(model, backend=counter, dynamic=dynamic), []
    with torch.set_grad_enabled(grad):
        for x in calls:
            same(c(prepare(x)), model(x), rtol=1e-4)
            counts.append(counter.frame_count)
    return counts


CONV = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
    torch.nn.BatchNorm2d(8),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(8, 3),
).eval()


def test_one_program_for_all_sizes():
    images = [randn(2, 3, 16, 18), randn(4, 3, 24, 20), randn(5, 3, 32, 17)]
    assert len(set(frames(CONV, images, dynamic=True))) == 1
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    texts = [randn(2, 5, 16), randn(3, 7, 16), randn(4, 9, 16)]
    assert len(set(frames(layer, texts, dynamic=True, grad=True))) == 1


def test_automatic_sizes():
    m = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU())
    counts = frames(m, [randn(n, 4) for n in (3, 5, 8, 13, 40)])
    assert len(set(counts)) == 2 and counts[1] == counts[-1]


def test_mark_dynamic():
    def mark(x):
        torch._dynamo.mark_dynamic(x, 0)
        return x

    calls = [randn(n, 4) for n in (5, 7, 2, 30)]
    assert frames(torch.nn.Linear(4, 3), calls, prepare=mark) == [1] * 4


def test_sizes_in_computation():
    def f(x):
        a, b = x.chunk(2, -1)
        return (
            torch.cat([a, b, x[:, : x.shape[1] // 2]], 1),
            x.unfold(0, 2, 1).sum(),
            F.interpolate(x[None, None], scale_factor=2.0),
            x.repeat(2, 1),
            F.pad(x, (1, 2)),
            x.reshape(-1).view(x.shape[1], x.shape[0]),
            x * (1.0 / x.shape[0]) + x.shape[0] ** 0.5,
        )

    check(f, (randn(4, 6),), (randn(5, 8),), (randn(9, 10),), dynamic=True)


def test_backward_of_open_sizes():
    m = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.LayerNorm(8))
    other = copy.deepcopy(m)
    c = compiled(m, dynamic=True)
    for n in (5, 3, 9):
        x = randn(n, 6)
        c(x).square().mean().backward()
        other(x).square().mean().backward()
    same([p.grad for p in m.parameters()], [p.grad for p in other.parameters()])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "how", [{"scale_factor": 1.7}, {"size": (4, 9)}, {"size": (4, 3)}]
)
@pytest.mark.parametrize("corners", [False, True])
def test_resampling_of_f64(mode, how, corners):
    """Positions are f64 as well; in f32 the error would be 1e-6."""
    x = randn(1, 2, 6, 7, dtype=torch.float64)

    def f(x):
        return F.interpolate(x, mode=mode, align_corners=corners, **how)

    torch.testing.assert_close(compiled(f)(x), f(x), rtol=1e-12, atol=1e-12)


def test_gradient_of_hardswish_where_it_bends():
    def gradient(f, dtype):
        x = torch.tensor(
            [-3.0, 3.0, -2.5, 2.5, 4.0, -4.0] * 6, dtype=dtype, requires_grad=True
        )
        return torch.autograd.grad(f(x).sum(), x)[0]

    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        same(gradient(compiled(F.hardswish), dtype), gradient(F.hardswish, dtype))
