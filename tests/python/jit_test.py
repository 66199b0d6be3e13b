# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""shark_turbine.jit: the numbers are eager mode's, whatever changes between calls."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
import weakref

import pytest

torch = pytest.importorskip("torch")

import shark_turbine
from compiling import fresh, same  # noqa: F401
from shark_turbine import _runtime
from shark_turbine.dynamo import options

pytestmark = pytest.mark.usefixtures("fresh")


class Linear(torch.nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(n_in, n_out))
        self.bias = torch.nn.Parameter(torch.randn(n_out))
        self.scale = 1.0

    def forward(self, input):
        return ((input @ self.weight) + self.bias) * self.scale


@pytest.fixture
def no_grad():
    with torch.no_grad():
        yield


@pytest.fixture
def misses(monkeypatch):
    """A list that grows with each call that goes through torch.compile."""
    from shark_turbine.dynamo.direct import Jitted

    found, slow = [], Jitted._miss

    def miss(self, *args, **kwargs):
        found.append(args)
        return slow(self, *args, **kwargs)

    monkeypatch.setattr(Jitted, "_miss", miss)
    return found


def natives(jitted):
    return [s.is_native for s in jitted._specializations]


# ---- the fast way ----


def test_the_second_call_is_direct(no_grad, misses):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    for _ in range(5):
        same(fast(x), m(x))
    assert len(misses) == 1 and natives(fast) == [True]
    y = torch.randn(4)
    same(fast(input=y), m(y))
    assert len(misses) == 1


def test_several_kinds_of_arguments(no_grad, misses):
    m = Linear(4, 3)
    fast = shark_turbine.jit(m)
    kinds = [torch.randn(4), torch.randn(2, 4), torch.randn(2, 5, 4)]
    for _ in range(3):
        for x in kinds:
            same(fast(x), m(x))
    assert len(misses) == 3


@pytest.mark.parametrize("dynamic", [None, True])
def test_one_program_for_all_sizes(no_grad, misses, dynamic):
    fast = shark_turbine.jit(lambda x: torch.softmax(x.sin(), -1), dynamic=dynamic)
    for n in range(2, 12):
        x = torch.randn(n, 3)
        same(fast(x), torch.softmax(x.sin(), -1))
    assert len(misses) <= 2
    x = torch.randn(5, 3)
    torch._dynamo.mark_dynamic(x, 0)
    same(fast(x), torch.softmax(x.sin(), -1))


def test_memory_layouts(no_grad):
    def f(x):
        return x * 2 + 1

    fast = shark_turbine.jit(f)
    x = torch.randn(4, 6)
    for t in (x, x.t(), x[:, ::2], x[1:], torch.randn(1, 3, 2, 2), x[:0]):
        for _ in range(2):
            same(fast(t), f(t))
    image = torch.randn(1, 3, 4, 4).to(memory_format=torch.channels_last)
    for _ in range(3):
        out = fast(image)
        same(out, f(image))
        assert out.stride() == f(image).stride()


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.bfloat16, torch.int32, torch.bool, torch.complex64]
)
def test_element_types(no_grad, dtype):
    fast = shark_turbine.jit(lambda x: x + x)
    for t in (torch.ones(3), torch.ones(3).to(dtype), torch.zeros(3).to(dtype)):
        for _ in range(2):
            same(fast(t), t + t)


def test_conjugates_and_negatives(no_grad):
    fast = shark_turbine.jit(lambda x: x * 2)
    c = torch.randn(3, dtype=torch.complex64)
    for t in (c, c.conj(), c.imag, c.conj().imag, c[:1].conj().imag):
        for _ in range(2):
            same(fast(t), t * 2)


# ---- what may change between calls ----


def test_parameters_change(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    same(fast(x), m(x))
    m.weight.add_(1)
    same(fast(x), m(x))
    m.weight.data = torch.randn(4, 3)
    same(fast(x), m(x))
    m.weight.data = torch.randn(3, 4).t()
    same(fast(x), m(x))
    m.bias = torch.nn.Parameter(torch.randn(3))
    same(fast(x), m(x))
    m.load_state_dict({"weight": torch.ones(4, 3), "bias": torch.ones(3)})
    same(fast(x), m(x))
    m.bias.requires_grad_(False)
    same(fast(x), m(x))
    m.double()
    same(fast(x.double()), m(x.double()))
    m.weight = torch.nn.Parameter(torch.randn(4, 5))
    m.bias = torch.nn.Parameter(torch.randn(5))
    m.float()
    same(fast(x), m(x))


def test_attributes_change(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    for scale in (1.0, 2.0, 3, True, 2.0):
        m.scale = scale
        for _ in range(2):
            same(fast(x), m(x))
    fast.scale = 7.0  # what is set is set on the module
    assert m.scale == 7.0
    same(fast(x), m(x))


def test_training_mode():
    m = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)).eval()
    twin, x = copy.deepcopy(m), torch.randn(6, 4)
    fast = shark_turbine.jit(m)
    with torch.no_grad():
        for train in (False, True, True, False, False, True):
            assert fast.train(train) is fast
            same(fast(x), twin.train(train)(x))
            same(m[1].running_mean, twin[1].running_mean)
            assert m[1].num_batches_tracked == twin[1].num_batches_tracked


def test_grad_mode_and_gradients():
    m, x = Linear(4, 3), torch.randn(4)
    twin = copy.deepcopy(m)
    fast = shark_turbine.jit(m)
    for _ in range(3):
        with torch.no_grad():
            assert not fast(x).requires_grad
        with torch.inference_mode():
            same(fast(x), m(x))
        fast(x).sum().backward()
        twin(x).sum().backward()
        same(m.weight.grad, twin.weight.grad)
        y = x.clone().requires_grad_()
        (fast(y) ** 2).sum().backward()
        (twin(y) ** 2).sum().backward()
        same(m.weight.grad, twin.weight.grad)
        assert y.grad is not None


def test_an_optimizer_step_is_seen():
    m, x = Linear(4, 3), torch.randn(8, 4)
    twin = copy.deepcopy(m)
    fast = shark_turbine.jit(m)
    for model, run in ((m, fast), (twin, twin)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            run(x).square().mean().backward()
            optimizer.step()
    same(m.weight, twin.weight)


def test_switches_of_torch(no_grad):
    m, x = Linear(4, 3), torch.randn(2, 4)
    fast = shark_turbine.jit(m)
    made = shark_turbine.jit(lambda x: torch.zeros(3) + torch.ones(3) * x.sum())
    for _ in range(2):
        same(fast(x), m(x))
        with torch.autocast("cpu", torch.bfloat16):
            out = fast(x)
            assert out.dtype is m(x).dtype
            same(out, m(x), rtol=0.02, atol=0.02)
        assert made(x).dtype is torch.float32
        torch.set_default_dtype(torch.float64)
        try:
            assert made(x.double()).dtype is torch.float64
        finally:
            torch.set_default_dtype(torch.float32)


def test_threads_of_torch(no_grad):
    m, x = Linear(4, 3), torch.randn(2, 4)
    fast, before = shark_turbine.jit(m), torch.get_num_threads()
    try:
        for n in (1, 2, 1, 2):
            torch.set_num_threads(n)
            same(fast(x), m(x))
    finally:
        torch.set_num_threads(before)


factor = torch.tensor(2.0)


def test_globals_closures_and_defaults(no_grad):
    global factor
    free = torch.tensor(3.0)

    def f(x, y=1.5, *, z=0.5):
        return x * factor * free + y - z

    fast, x = shark_turbine.jit(f), torch.randn(3)
    for _ in range(2):
        same(fast(x), f(x))
        same(fast(x, 2.5), f(x, 2.5))
        same(fast(x, z=1.0), f(x, z=1.0))
        free = free + 1
        factor = factor + 1
    factor = 5
    same(fast(x), f(x))


def test_hooks(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    same(fast(x), m(x))
    seen = []
    handle = m.register_forward_hook(lambda *a: seen.append(1))
    fast(x)
    assert seen
    handle.remove()
    before = len(seen)
    same(fast(x), m(x))
    assert len(seen) == before


def test_forward_is_replaced(no_grad):
    class Own(Linear):
        def forward(self, input):
            return super().forward(input) + 1

    m, x = Own(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    same(fast(x), m(x))
    m.forward = lambda input: input * 3
    same(fast(x), x * 3)
    del m.forward
    same(fast(x), m(x))
    Own.forward = lambda self, input: input * 4
    same(fast(x), x * 4)


# ---- arguments and results ----


def test_structures(no_grad, misses):
    def f(pair, names, *rest, flag=True, **more):
        a, b = pair
        total = a + names["x"] + sum(rest) + more.get("extra", 0)
        return {"total": total, "rest": [b, (total * 2, None)], "flag": flag}

    fast = shark_turbine.jit(f)
    a, b, c = torch.randn(3), torch.randn(3), torch.randn(3)
    calls = [
        (((a, b), {"x": c}), {}),
        (((a, b), {"x": c}, a, c), {}),
        (((a, b), {"x": c}), {"flag": False}),
        (((a, b), {"x": c}), {"extra": b, "flag": False}),
    ]
    for round in range(2):
        for args, kwargs in calls:
            out, want = fast(*args, **kwargs), f(*args, **kwargs)
            assert out.keys() == want.keys() and out["flag"] is want["flag"]
            same(out["total"], want["total"])
            assert out["rest"][0] is b and out["rest"][1][1] is None
            same(out["rest"][1][0], want["rest"][1][0])
        if round == 0:
            first = len(misses)
    assert len(misses) == first


def test_several_results(no_grad, misses):
    fast = shark_turbine.jit(lambda x, y: (x + y, x - y, x * y))
    x, y = torch.randn(3), torch.randn(3)
    for _ in range(3):
        out = fast(x, y)
        assert type(out) is tuple
        for a, b in zip(out, (x + y, x - y, x * y), strict=True):
            same(a, b)
    assert len(misses) == 1 and natives(fast) == [True]
    same(fast(x, x)[2], x * x)  # one tensor twice
    same(fast(x, y)[2], x * y)


def test_results_that_are_arguments(no_grad):
    fast = shark_turbine.jit(lambda x, y: (y, x + 1, x, x[1:]))
    for _ in range(3):
        x, y = torch.randn(3), torch.randn(3)
        out = fast(x, y)
        assert out[0] is y and out[2] is x
        assert out[3].data_ptr() == x[1:].data_ptr()
        same(out[1], x + 1)


def test_arguments_are_changed(no_grad):
    def f(x, y):
        x.add_(y)
        return x * 2

    fast, x, y = shark_turbine.jit(f), torch.ones(3), torch.ones(3)
    for n in range(2, 6):
        same(fast(x, y), torch.full((3,), 2.0 * n))
    same(fast(x, x), torch.full((3,), 20.0))


def test_numbers(no_grad):
    fast = shark_turbine.jit(lambda x, n: x * n if n is not None else x)
    x = torch.randn(3)
    for n in (2, 3, 2, 7, 2.5, 3.5, True, None, 2):
        same(fast(x, n), x * n if n is not None else x)


def test_wrong_calls(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    for _ in range(2):
        same(fast(x), m(x))
        for call in (
            lambda: fast(),
            lambda: fast(x, x),
            lambda: fast(x, input=x),
            lambda: fast(other=x),
        ):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(Exception, match="shape|size|mat1|multiply"):
            fast(torch.randn(5))
    with pytest.raises(ValueError, match="did you mean 'freeze'"):
        shark_turbine.jit(m, options={"freez": True})
    with pytest.raises(TypeError, match="expected a module or a function"):
        shark_turbine.jit(3)


# ---- other worlds ----


def test_transforms(no_grad):
    def f(x):
        return (x.sin() * x).sum()

    fast, x = shark_turbine.jit(f), torch.randn(3, 4)
    same(fast(x), f(x))
    same(fast(x[0]), f(x[0]))
    same(torch.vmap(fast)(x), torch.vmap(f)(x))
    with torch.enable_grad():
        fast(x[0])
        same(torch.func.grad(fast)(x[0]), torch.func.grad(f)(x[0]))
    same(torch.func.jvp(fast, (x,), (x,))[1], torch.func.jvp(f, (x,), (x,))[1])
    same(fast(x), f(x))


def test_fake_tensors(no_grad):
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    fast, x = shark_turbine.jit(lambda x: x * 2), torch.randn(3)
    same(fast(x), x * 2)
    same(fast(x), x * 2)
    with FakeTensorMode() as mode:
        out = fast(mode.from_tensor(x))
    assert isinstance(out, FakeTensor)


def test_modes_and_subclasses(no_grad):
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counts(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen += 1
            return func(*args, **(kwargs or {}))

    class Doubles(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            return out * 2 if func is torch.sin else out

    class Own(torch.Tensor):
        pass

    fast, x = shark_turbine.jit(lambda x: torch.sin(x) + 1), torch.randn(3)
    for _ in range(2):
        same(fast(x), x.sin() + 1)
        with Counts() as counts:
            same(fast(x), x.sin() + 1)
        assert counts.seen  # operators run where they can be counted
        with Doubles():
            same(fast(x), x.sin() * 2 + 1)
        assert isinstance(fast(x.as_subclass(Own)), Own)
    made = shark_turbine.jit(lambda x: torch.zeros(2))
    for _ in range(2):
        assert made(x).device.type == "cpu"
        with torch.device("meta"):
            assert made(x).device.type == "meta"


def test_within_torch_compile(no_grad):
    fast = shark_turbine.jit(lambda x: x.sin() * 2)
    outer = torch.compile(lambda x: fast(x + 1) + 1, backend="turbine_cpu")
    for n in (3, 3, 4):
        x = torch.randn(n)
        same(outer(x), (x + 1).sin() * 2 + 1)


def test_graph_breaks(no_grad):
    def f(x):
        y = x.sin()
        torch._dynamo.graph_break()
        return y + 1

    fast, x = shark_turbine.jit(f), torch.randn(3)
    for _ in range(3):
        same(fast(x), f(x))


def test_random_numbers(no_grad):
    fast, x = shark_turbine.jit(lambda x: torch.dropout(x, 0.5, True)), torch.ones(64)
    fast(x)
    torch.manual_seed(3)
    one, other = fast(x), fast(x)
    assert (one != other).any()
    torch.manual_seed(3)
    same(fast(x), one)


# ---- the object ----


def test_it_is_like_the_module(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    assert fast.weight is m.weight and list(fast.parameters()) == list(m.parameters())
    assert fast.eval() is fast and not m.training
    assert fast.state_dict().keys() == m.state_dict().keys()
    assert "jit(Linear" in repr(fast)
    fast.bias = torch.nn.Parameter(torch.zeros(3))
    assert (m.bias == 0).all()
    same(fast(x), m(x))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        assert fast.nothing_like_it
    assert shark_turbine.jit(fast).__wrapped__ is m


@shark_turbine.jit
def decorated(x):
    return x * 2


@shark_turbine.jit(options={"device": "local-sync"})
def decorated_too(x):
    return x * 3


class Holder:
    scale = 2

    @shark_turbine.jit
    def method(self, x):
        return x * self.scale


def test_decorators_and_methods(no_grad):
    x = torch.randn(3)
    one, two = Holder(), Holder()
    two.scale = 5
    for _ in range(3):
        same(decorated(x), x * 2)
        same(decorated_too(x), x * 3)
        same(one.method(x), x * 2)
        same(two.method(x), x * 5)
    bound = shark_turbine.jit(Linear(4, 3).forward)
    for _ in range(2):
        assert bound(torch.randn(4)).shape == (3,)
    assert decorated.__name__ == "decorated"


def test_copies(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m, dynamic=True)
    same(fast(x), m(x))
    other = copy.deepcopy(fast)
    other.weight.zero_()
    same(other(x), other.bias)
    same(fast(x), m(x))
    again = pickle.loads(pickle.dumps(fast))
    assert again._settings == fast._settings
    same(again(x), m(x))
    assert pickle.loads(pickle.dumps(decorated)) is decorated


def test_other_modules_of_the_class(no_grad, misses):
    x = torch.randn(4)
    pairs = [(m, shark_turbine.jit(m)) for m in (Linear(4, 3), Linear(4, 3))]
    for _ in range(3):
        for m, fast in pairs:
            same(fast(x), m(x))
    assert len(misses) == 2


def test_reset_and_the_end_of_modules(no_grad, misses):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    for _ in range(2):
        same(fast(x), m(x))
        same(fast(x), m(x))
        torch._dynamo.reset()
    assert len(misses) == 2
    gone = weakref.ref(m)
    m.itself = fast  # a cycle
    del m, fast
    torch._dynamo.reset()
    gc.collect()
    assert gone() is None


def test_threads(no_grad):
    m = Linear(4, 3)
    fast, failures = shark_turbine.jit(m), []

    def work(seed):
        g = torch.Generator().manual_seed(seed)
        for i in range(200):
            x = torch.randn(1 + i % 3, 4, generator=g)
            if not torch.allclose(fast(x), m(x), atol=1e-5):
                failures.append(seed)

    def work_without_grad(seed):
        with torch.no_grad():
            work(seed)

    threads = [threading.Thread(target=work_without_grad, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_nothing_leaks(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    fast = shark_turbine.jit(m)
    for _ in range(20):
        fast(x)
    held = (m.weight, m.bias, x, None, True, fast)
    before = [sys.getrefcount(o) for o in held]
    blocks = sys.getallocatedblocks()
    for _ in range(10000):
        fast(x)
    assert sys.getallocatedblocks() - blocks < 200
    after = [sys.getrefcount(o) for o in held]
    assert all(b - a < 100 for a, b in zip(before, after))


def test_a_frozen_module(no_grad):
    m, x = Linear(4, 3), torch.randn(4)
    assert shark_turbine.jit(m, mode="max-autotune")._options == options.of_mode(
        "max-autotune"
    )
    fast = shark_turbine.jit(m, mode="max-autotune")
    for _ in range(3):
        same(fast(x), m(x))
        m.weight.add_(1)


# ---- the extension ----


def test_the_import_is_cheap():
    code = """
import sys, shark_turbine
assert "torch" not in sys.modules and "numpy" not in sys.modules
assert "jit" in dir(shark_turbine)
import shark_turbine.runtime
assert "torch" not in sys.modules
try:
    shark_turbine.nothing
except AttributeError as e:
    assert "nothing" in str(e)
else:
    raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_no_specialization():
    make = _runtime.Specialization
    for kwargs in (
        {},
        {"check": len, "arguments": (0,)},
        {"state": len, "modes": len, "steps": (("local", 1, None),)},
        {"state": len, "modes": len, "steps": (("item", 0, "x"),)},
        {"state": len, "modes": len, "steps": (("other", 0, "x"),)},
        {"check": len, "tests": (("is", 0, None),)},
        {"check": len, "tensors_at": (0,)},
        {"state": len, "modes": len, "arguments": (0,)},
    ):
        with pytest.raises(ValueError, match="Specialization"):
            make({}, 1, len, **kwargs)
    with pytest.raises(TypeError):
        make(None, 1, len)
    direct = _runtime.Direct()
    with pytest.raises(ValueError, match="signature"):
        direct._watch(("x",), 2, 0, 1, False, False, {}, (), None, (), None)
    with pytest.raises(AttributeError, match="_miss"):
        direct()
