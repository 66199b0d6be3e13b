# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How people use a compiled function: names, copies, pickles, threads, forks, precision,
many calls, and torch's own tools around it."""

import copy
import gc
import io
import os
import pickle
import signal
import threading
import time

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh, same  # noqa: F401

F = torch.nn.functional
randn = torch.randn


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 8), torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.b(F.gelu(self.a(x)))


# ---- names ----


def test_backend_is_listed():
    assert "turbine_cpu" in torch.compiler.list_backends()


@pytest.mark.skipif(
    not hasattr(torch.compiler, "set_default_backend"), reason="an older torch"
)
def test_default_backend():
    torch.compiler.set_default_backend("turbine_cpu")
    try:
        same(torch.compile(lambda x: x + 1)(torch.zeros(3)), torch.ones(3))
    finally:
        torch.compiler.set_default_backend("inductor")


def test_module_compile():
    m, x = Mlp(), randn(2, 4)
    want = m(x)
    m.compile(backend="turbine_cpu")
    same(m(x), want)


def test_reset():
    c, x = compiled(Mlp()), randn(2, 4)
    want = c(x)
    for _ in range(2):
        torch._dynamo.reset()
        same(c(x), want)
    torch.compiler.reset()
    same(c(x), want)


# ---- copies ----


def test_deep_copy():
    m, x = Mlp(), randn(2, 4)
    c = compiled(m)
    c(x)
    other = copy.deepcopy(c)
    with torch.no_grad():
        other._orig_mod.a.weight.mul_(2)
    same(c(x), m(x))
    same(other(x), other._orig_mod(x))
    assert not torch.allclose(c(x), other(x))


def test_pickle():
    m, x = Mlp(), randn(2, 4)
    c = compiled(m)
    want, file = c(x), io.BytesIO()
    torch.save(c, file)
    file.seek(0)
    same(torch.load(file, weights_only=False)(x), want)
    m.compile(backend="turbine_cpu")
    m(x)
    same(pickle.loads(pickle.dumps(m))(x), want)
    fresh_one = Mlp()
    torch.compile(fresh_one, backend="turbine_cpu").load_state_dict(c.state_dict())
    same(fresh_one(x), want)


def test_parameters_that_change():
    m, x = Mlp(), randn(2, 4)
    c = compiled(m)
    c(x)
    with torch.no_grad():
        m.a.weight.data = torch.ones(8, 4)
        same(c(x), m(x))
        m.load_state_dict(Mlp().state_dict())
        same(c(x), m(x))
    c(x).sum().backward()
    m.a.weight.requires_grad_(False)
    m.a.weight.grad = None
    c(x).sum().backward()
    assert m.a.weight.grad is None and m.b.weight.grad is not None


# ---- threads and processes ----


def test_first_calls_in_many_threads():
    m, c, wrong = Mlp(), compiled(Mlp()), []
    m = c._orig_mod

    def work(n):
        x = randn(n, 4)
        for _ in range(5):
            x.grad = None
            y = c(x)
            y.sum().backward() if n % 2 else None
            if not torch.allclose(y, m(x), atol=1e-5):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 5, 6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_use_after_fork():
    m = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU())
    x = randn(256, 256)
    c = compiled(m, device="local-task")
    with torch.no_grad():
        want = c(x)  # the device has threads now
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # torch's operators may wait for threads that are not here
            os._exit(0 if (c(x).numpy() == want.numpy()).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert torch.equal(c(x), want)


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grows(step, n):
    """Bytes and objects that n calls leave behind: the least of three times. A leak is there
    each time; the heap of a process that did much before may also grow once."""
    for _ in range(200):
        step()
    grown = []
    for _ in range(3):
        gc.collect()
        before, objects = resident(), len(gc.get_objects())
        for _ in range(n):
            step()
        gc.collect()
        grown.append((resident() - before, len(gc.get_objects()) - objects))
    return min(b for b, _ in grown), min(o for _, o in grown)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="Linux")
@pytest.mark.parametrize(
    "n", [1000, pytest.param(10000, marks=pytest.mark.slow, id="10000")]
)
def test_many_calls_leave_nothing(n):
    m, x = torch.nn.Linear(64, 64), randn(8, 64)
    c = compiled(m)

    def infer():
        with torch.no_grad():
            c(x)

    def train():
        c(x).sum().backward()
        m.weight.grad = m.bias.grad = None

    for step in (infer, train):
        leaked, objects = grows(step, n)
        # a leaked result alone would be 2 KB a call
        assert leaked < 300 * n + (4 << 20) and objects < 100


def best(calls, rounds=40, n=100):
    """Least CPU time of one call in ns, of several functions in turns."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            begin = time.thread_time_ns()
            for _ in range(n):
                call()
            least[i] = min(least[i], (time.thread_time_ns() - begin) / n)
    return least


def test_overhead_of_a_call():
    """What TorchDynamo takes for a call without a compiler is the floor; ours adds less
    than eager mode's own way through the operators."""
    x = randn(4)

    def linear(**how):
        class Linear(torch.nn.Module):  # a class for each: they share no guards
            def __init__(self):
                super().__init__()
                self.inner = torch.nn.Linear(4, 3)

            def forward(self, x):
                return self.inner(x)

        return torch.compile(Linear(), **how)

    ours, floor = linear(backend="turbine_cpu"), linear(backend="eager")
    with torch.no_grad():
        for c in (ours, floor):
            for _ in range(20):
                c(x)
        mine, theirs = best([lambda: ours(x), lambda: floor(x)])
    assert mine < theirs + 1000


# ---- precision ----


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast(dtype):
    m = Mlp()
    c, x = compiled(m), randn(5, 4)
    with torch.autocast("cpu", dtype), torch.no_grad():
        got, want = c(x), m(x)
    assert got.dtype is want.dtype
    same(got, want, rtol=3e-2, atol=3e-2)
    same(c(x), m(x))  # without autocast: another program


def test_autocast_and_scaler_in_training():
    m = Mlp()
    other, x = copy.deepcopy(m), randn(6, 4)
    for model, call in ((m, compiled(m)), (other, other)):
        scaler = torch.amp.GradScaler("cpu", init_scale=128.0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16):
                loss = call(x).float().square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    same(list(m.parameters()), list(other.parameters()), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_models_of_16_bits(dtype):
    m = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 36, 4),
    ).to(dtype)
    x, other = randn(4, 3, 8, 8).to(dtype), copy.deepcopy(m)
    got, want = compiled(m)(x), other(x)
    got.float().square().mean().backward()
    want.float().square().mean().backward()
    assert got.dtype is dtype
    same(got, want, rtol=5e-2, atol=5e-2)
    same(m[4].weight.grad, other[4].weight.grad, rtol=5e-2, atol=5e-2)


# ---- torch's tools ----


def test_hooks_run():
    m, seen = Mlp(), []
    m.register_forward_hook(lambda *_: seen.append("module"))
    m.a.register_forward_pre_hook(lambda *_: seen.append("part"))
    compiled(m, fallback=True)(randn(2, 4))
    assert sorted(seen) == ["module", "part"]


def test_transforms_inside():
    def f(x):
        rows = torch.vmap(lambda r: r.sin().sum())(x)
        return rows, torch.func.grad(lambda t: (t.sin() * t).sum())(x)

    x = randn(3, 4)
    same(compiled(f)(x), f(x))


def test_compiled_autograd():
    m = Mlp()
    other, x = copy.deepcopy(m), randn(2, 4)

    def step(m, x):
        loss = m(x).sum()
        loss.backward()
        return loss

    with torch._dynamo.config.patch(compiled_autograd=True):
        same(compiled(step, fallback=True)(m, x), step(other, x))
    same(m.a.weight.grad, other.a.weight.grad)


def test_minifier(tmp_path, monkeypatch):
    """TORCHDYNAMO_REPRO_AFTER=dynamo, at the level that runs and the one that compares.
    (With gradients torch itself fails there, whatever the backend.)"""
    monkeypatch.chdir(tmp_path)
    for level in (2, 4):
        torch._dynamo.reset()
        patch = torch._dynamo.config.patch(repro_after="dynamo", repro_level=level)
        with patch, torch.no_grad():
            m, x = Mlp(), randn(2, 4)
            same(compiled(m)(x), m(x))


def test_profiler():
    c, x = compiled(lambda x: x.sin() + 1), randn(3)
    c(x)
    with torch.profiler.profile():
        same(c(x), x.sin() + 1)


def test_other_modes():
    from torch.testing._internal.two_tensor import TwoTensor

    c, x = compiled(lambda x: x * 2 + 1, fallback=True), randn(3)
    c(x)
    pair = c(TwoTensor(x, x + 1))
    same((pair.a, pair.b), (x * 2 + 1, (x + 1) * 2 + 1))
    same(c(x), x * 2 + 1)


def test_compile_times():
    compiled(lambda x: x.cos())(randn(2))
    assert "turbine_compile" in torch._dynamo.utils.compile_times()


def test_compiled_function_as_a_file(tmp_path):
    def f(x, y):
        return (x @ y).relu()

    args = randn(3, 4), randn(4, 5)
    with torch._dynamo.config.patch(enable_aot_compile=True):
        made = torch.compile(f, backend="turbine_cpu", fullgraph=True).aot_compile(
            (args, {})
        )
    same(made(*args), f(*args))
    made.save_compiled_function(str(tmp_path / "f.bin"))
    torch._dynamo.reset()
    with open(tmp_path / "f.bin", "rb") as file:
        same(torch.compiler.load_compiled_function(file)(*args), f(*args))


def test_the_process_is_left_as_it_was(monkeypatch):
    import gc

    from shark_turbine.dynamo import backend

    def fails(*args, **kwargs):
        raise RuntimeError("no compiler")

    ops = torch.ops.aten.linear.default, torch.ops.aten.silu.default
    before = [dict(op.py_kernels) for op in ops]
    m, x = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.SiLU()), randn(2, 3)
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            with torch.no_grad():
                torch._dynamo.reset()
                same(compiled(m)(x), m(x))
                with (
                    monkeypatch.context() as patch,
                    pytest.raises(Exception, match="no comp"),
                ):
                    patch.setattr(backend, "compile_module", fails)
                    compiled(lambda x: x.sin())(x)
            assert gc.isenabled() == on
        finally:
            gc.enable()
    assert [dict(op.py_kernels) for op in ops] == before
