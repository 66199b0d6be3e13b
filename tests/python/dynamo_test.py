# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.compile(backend="turbine_cpu") against eager PyTorch."""

import copy
import threading
import warnings

import pytest

torch = pytest.importorskip("torch")

from compiling import check, compiled, fresh, same  # noqa: F401
from shark_turbine.dynamo import fallback as implementation
from shark_turbine.dynamo import turbine_cpu

F = torch.nn.functional


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 8)
        self.norm = torch.nn.LayerNorm(8)
        self.b = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.b(self.norm(F.gelu(self.a(x))))


# ---- finding the backend ----


def test_entry_points():
    names = torch._dynamo.list_backends(exclude_tags=())
    for name in ("turbine_cpu", "iree_turbine"):
        assert name in names
        m = torch.nn.Linear(4, 3)
        x = torch.randn(4)
        same(torch.compile(m, backend=name)(x), m(x))


def test_unknown_options():
    with pytest.raises(Exception, match="unknown option 'nonsense'"):
        torch.compile(lambda x: x + 1, backend=turbine_cpu, options={"nonsense": 1})(
            torch.ones(1)
        )
    with pytest.raises(ValueError, match="unknown mode 'fastest'"):
        turbine_cpu(None, [], mode="fastest")
    with pytest.raises(ValueError, match="did you mean 'fullgraph'"):
        turbine_cpu(None, [], options={"full_graph": True})
    with pytest.raises(TypeError, match="option 'freeze': expected True or False"):
        turbine_cpu(None, [], options={"freeze": "yes"})
    with pytest.raises(ValueError, match="local-sync"):
        turbine_cpu(None, [], options={"device": "cuda"})


def test_modes():
    m, x = Mlp(), torch.randn(2, 4)
    for mode in ("default", "reduce-overhead", "max-autotune"):
        torch._dynamo.reset()
        with torch.no_grad():
            same(torch.compile(m, backend=turbine_cpu, mode=mode)(x), m(x))


def test_dump(capfd):
    """Stages are printed, of the backward graph too, and the module still runs."""
    torch._dynamo.reset()
    m, x = Mlp(), torch.randn(2, 4)
    compiled = torch.compile(m, backend=turbine_cpu, options={"dump": "group,kernels"})
    result = compiled(x)
    same(result, m(x))
    forward = capfd.readouterr().err
    assert "// target" in forward and "kernel " in forward
    result.sum().backward()
    assert "// target" in capfd.readouterr().err
    with pytest.raises(
        ValueError, match="no stage is named 'kernles'; did you mean 'kernels'"
    ):
        turbine_cpu(None, [], options={"dump": "group,kernles"})


# ---- inference ----


def test_module():
    check(Mlp(), (torch.randn(5, 4),))


def test_nothing_is_printed(capfd):
    m, x = Mlp(), torch.randn(5, 4)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        compiled(m)(x)
    assert capfd.readouterr() == ("", "")


def test_changing_sizes():
    calls = [(torch.randn(n, 4),) for n in (5, 7, 1, 64, 5)]
    check(Mlp(), *calls)


def test_few_compilations(monkeypatch):
    count = []
    original = implementation.compile_program
    monkeypatch.setattr(
        implementation,
        "compile_program",
        lambda *a, **k: count.append(1) or original(*a, **k),
    )
    c = compiled(lambda x: x * 2 + 1)
    for n in range(3, 20):
        same(c(torch.ones(n)), torch.full((n,), 3.0))
    assert len(count) == 2  # one size, then any size


def test_dynamic_true():
    c = torch.compile(Mlp(), backend=turbine_cpu, dynamic=True)
    with torch.no_grad():
        for n in (3, 6):
            x = torch.randn(n, 4)
            same(c(x), c._orig_mod(x))


def test_outputs():
    def f(x):
        return x, x + 1, None, 3, x.shape[0] * 2, {"a": [x * 2]}, "text"

    check(f, (torch.randn(3),), (torch.randn(4),), (torch.randn(6),))


def test_input_as_output_is_the_same_object():
    def f(x, y):
        return y, x * 2

    x, y = torch.randn(2), torch.randn(3)
    assert compiled(f)(x, y)[0] is y


def test_views():
    def f(x):
        return x.view(-1), x.t(), x[1:], (x + 1).t()

    x = torch.randn(3, 4)
    flat, t, part, other = compiled(f)(x)
    x.fill_(7)
    assert (flat == 7).all() and (t == 7).all() and (part == 7).all()
    assert other.shape == (4, 3)
    assert other.stride() == f(torch.randn(3, 4))[3].stride()


def test_strides_are_eagers():
    def f(x):
        return x.permute(2, 0, 1) + 1, x.to(memory_format=torch.contiguous_format) * 2

    x = torch.randn(2, 3, 4)
    for got, want in zip(compiled(f)(x), f(x)):
        assert got.stride() == want.stride()
        same(got, want)


def test_inputs_of_any_layout():
    def f(x):
        return x * 2 + x.sum(0)

    x = torch.randn(6, 8)
    check(f, (x.t(),), (x[::2, 1::3],), (x[:, :1].expand(6, 5),))


def test_mutation():
    def f(x, y):
        x.add_(1)
        y[1:] = x[1:] * 2
        return x * y

    a, b = torch.randn(4), torch.randn(4)
    c, d = a.clone(), b.clone()
    same(compiled(f)(a, b), f(c, d))
    same(a, c)
    same(b, d)


def test_buffers():
    m = torch.nn.BatchNorm1d(3)
    other = copy.deepcopy(m)
    c = compiled(m)
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(8, 3)
            same(c(x), other(x))
    same(m.running_mean, other.running_mean)
    assert m.num_batches_tracked == 3


def test_numbers_as_arguments():
    def f(x, a, b):
        return x * a + b

    x = torch.randn(3)
    calls = [(x, 1.5, 2), (x, 2.5, 2), (x, 2.5, 7), (x, -1.0, 8), (x, 3.25, 9)]
    check(f, *calls, fallback=True)


def test_dtypes():
    def f(x, y):
        return x + y, x > y, (x * y).sum()

    for dtype in (torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8):
        x = torch.tensor([1, 2, 3]).to(dtype)
        torch._dynamo.reset()
        check(f, (x, x.flip(0)))
    torch._dynamo.reset()
    check(f, (torch.ones(3, dtype=torch.float64), torch.ones(3)))


def test_scalars_and_empty():
    check(lambda x: x.sum() + x.mean(), (torch.tensor(3.0),))
    check(lambda x: (x + 1, x.sum()), (torch.ones(0, 4),))


def test_inference_mode():
    m, x = Mlp(), torch.randn(2, 4)
    with torch.inference_mode():
        same(compiled(m)(x), m(x))


def test_attention():
    def f(q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    q, k, v = (torch.randn(2, 3, 5, 8) for _ in range(3))
    mask = torch.rand(2, 1, 5, 5) > 0.3
    mask[..., 0] = True
    check(f, (q, k, v, mask))
    check(lambda *a: F.scaled_dot_product_attention(*a, is_causal=True), (q, k, v))


def test_graph_breaks():
    def f(x):
        y = x + 1
        print(end="")
        return y * 2 if y.sum() > 0 else y * 3

    check(f, (torch.ones(3),), (-5 * torch.ones(3),))


def test_threads():
    m, c = Mlp(), None
    x = [torch.randn(5, 4) for _ in range(4)]
    c = compiled(m)
    failures = []

    def work(i):
        with torch.no_grad():
            want = m(x[i])
            for _ in range(50):
                if not torch.allclose(c(x[i]), want, atol=1e-5):
                    failures.append(i)

    with torch.no_grad():
        c(x[0])
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_results_survive():
    c = compiled(lambda x: x + 1)
    kept = [c(torch.full((1000,), float(i))) for i in range(50)]
    assert [float(t[0]) for t in kept] == [i + 1 for i in range(50)]
    assert all((t == t[0]).all() for t in kept)


def test_local_task():
    check(Mlp(), (torch.randn(64, 4),), device="local-task")


# ---- frozen parameters ----


def test_freeze():
    m, x = Mlp(), torch.randn(2, 4)
    c = compiled(m, freeze=True)
    with torch.no_grad():
        same(c(x), m(x))
        same(c(x), m(x))
        m.a.weight.mul_(2)  # in place: noticed
        same(c(x), m(x))
        m.b.bias.add_(1)
        same(c(x), m(x))


def test_freeze_notices_another_tensor():
    m, x = Mlp(), torch.randn(2, 4)
    c = compiled(m, freeze=True)
    with torch.no_grad():
        same(c(x), m(x))
        m.a.weight = torch.nn.Parameter(torch.randn(8, 4))
        same(c(x), m(x))


# ---- training ----


def train(module, *inputs, steps=2, loss=None, fallback=True, rtol=1e-4):
    """Losses, results and gradients over a few steps of SGD."""
    other = copy.deepcopy(module)
    c = compiled(module, fallback=fallback)
    runs = []
    for call, parameters in ((other, other.parameters()), (c, module.parameters())):
        parameters = list(parameters)
        optimizer = torch.optim.SGD(parameters, lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            out = call(*inputs)
            (loss(out) if loss else out.square().mean()).backward()
            grads = [p.grad.clone() for p in parameters if p.grad is not None]
            optimizer.step()
        runs.append((out.detach(), grads))
    same(runs[1][0], runs[0][0], rtol=rtol, atol=1e-5)
    assert len(runs[1][1]) == len(runs[0][1]) > 0
    for g, w in zip(runs[1][1], runs[0][1]):
        same(g, w, rtol=rtol, atol=1e-5)


def test_train_linear():
    train(torch.nn.Linear(4, 3), torch.randn(6, 4), fallback=False)


def test_train_mlp():
    train(Mlp(), torch.randn(6, 4))


def test_train_convolutions():
    m = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(4, 4, 3),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.LazyLinear(2),
    )
    x = torch.randn(2, 3, 12, 12)
    m(x)
    train(m, x)


def test_train_embedding():
    m = torch.nn.Sequential(torch.nn.Embedding(10, 4), torch.nn.Linear(4, 2))
    train(m, torch.randint(0, 10, (3, 5)))


def test_train_transformer_layer():
    m = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    train(m, torch.randn(2, 5, 8))


def test_train_cross_entropy():
    target = torch.tensor([0, 2, 1])
    m = torch.nn.Linear(4, 3)
    train(m, torch.randn(3, 4), loss=lambda out: F.cross_entropy(out, target))


def test_gradient_of_input():
    def f(x):
        return (x.sin() * x).sum()

    x = torch.randn(5, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    compiled(f)(x).backward()
    f(y).backward()
    same(x.grad, y.grad)


# ---- what cannot be compiled ----


def test_fallback_warns_once_and_names_the_line():
    def f(x):
        y = x * 2
        z = twice(y)
        return z + 1

    line = f.__code__.co_firstlineno + 2
    x = torch.randn(3, 3)
    with pytest.warns(UserWarning) as seen:
        got = compiled(f, fallback=True)(x)
    same(got, f(x))
    texts = [str(w.message) for w in seen if "turbine_cpu" in str(w.message)]
    assert len(texts) == 1
    assert "twice" in texts[0] and f"dynamo_test.py:{line}" in texts[0]
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(f, fallback=True)(x)


@torch.library.custom_op("turbine_test::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@torch.library.custom_op("turbine_test::thrice", mutates_args=())
def thrice(x: torch.Tensor) -> torch.Tensor:
    return x * 3


twice.register_fake(torch.empty_like)
thrice.register_fake(torch.empty_like)
twice.register_autograd(lambda ctx, g: thrice(g))


def test_fullgraph_lists_everything():
    def f(x):
        y = twice(x)
        z = thrice(y) + 1
        return twice(z) + y

    line = f.__code__.co_firstlineno
    with pytest.raises(Exception, match="2 operators cannot be compiled") as e:
        compiled(f)(torch.randn(3, 3))
    text = str(e.value)
    assert f"dynamo_test.py:{line + 1}: turbine_test.twice (2 uses)" in text
    assert f"dynamo_test.py:{line + 2}: turbine_test.thrice" in text


def test_fullgraph_names_what_only_the_backward_pass_needs():
    with pytest.raises(Exception, match="turbine_test.thrice"):
        compiled(lambda x: twice(x).sum())(torch.randn(3, requires_grad=True))


@pytest.fixture
def no_sine(monkeypatch):
    """A compiler that has a row for the sine, but whose body does not know it."""

    def refuse(original):
        def run(module, *args):
            if any(n.target is torch.ops.aten.sin.default for n in module.graph.nodes):
                raise NotImplementedError("x.py:1: aten.sin: sines of tensors\nmore")
            return original(module, *args)

        return run

    for name in ("lower", "compile_program"):
        monkeypatch.setattr(implementation, name, refuse(getattr(implementation, name)))


def test_fullgraph_says_why(no_sine):
    def f(x):
        y = twice(x)
        return y.sin() + y.cos()

    line = f.__code__.co_firstlineno + 2
    with pytest.raises(Exception, match="aten.sin: sines of tensors") as e:
        compiled(f)(torch.randn(3))
    assert f"dynamo_test.py:{line}: aten.sin" in str(e.value)
    assert "turbine_test.twice" in str(e.value) and "cos" not in str(e.value)


def test_one_node_that_fails_is_cut_out(no_sine):
    def f(x):
        return (x + 1).sin() * 2

    with pytest.warns(UserWarning, match="aten.sin ") as seen:
        check(f, (torch.randn(3),), fallback=True)
    assert len([w for w in seen if "turbine_cpu" in str(w.message)]) == 1


def test_parts_around_are_compiled(monkeypatch):
    count = []
    original = implementation.compile_program
    monkeypatch.setattr(
        implementation,
        "compile_program",
        lambda *a, **k: count.append(1) or original(*a, **k),
    )

    def f(x, y):
        s = twice(x * 2)
        return s @ s + y, s.sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = torch.randn(4, 4), torch.randn(4)
        same(compiled(f, fallback=True)(x, y), f(x, y), atol=1e-4)
    assert len(count) == 2


def test_complex_numbers():
    def f(x):
        return torch.fft.fft(x).abs() + x

    x = torch.randn(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(compiled(f, fallback=True)(x), f(x))


def test_control_flow_operator():
    def f(x):
        return torch.cond(x.sum() > 0, lambda t: t + 1, lambda t: t - 1, (x,))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(f, (torch.ones(3),), (-torch.ones(3),), fallback=True)
