# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is left to eager mode between compiled parts: never an error, one warning."""

import os
import subprocess
import sys
import warnings

import pytest

torch = pytest.importorskip("torch")

from compiling import check, compiled, fresh, lack, same  # noqa: F401
from shark_turbine import _compiler, control_flow
from shark_turbine.dynamo import backend, fallback
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop

randn = torch.randn
quiet = pytest.mark.filterwarnings("ignore:turbine_cpu")


def warned(seen):
    return [str(w.message) for w in seen if "turbine_cpu" in str(w.message)]


# ---- operators ----


@torch.library.custom_op("turbine_test::increment", mutates_args={"x"})
def increment(x: torch.Tensor) -> None:
    x.add_(1)


def test_custom_operator_that_changes_its_argument():
    def f(x):
        y = x * 2
        torch.ops.turbine_test.increment(y)
        torch.ops.turbine_test.increment(x)
        return y + x

    with pytest.warns(UserWarning, match="auto_functionalized|increment") as seen:
        check(f, (randn(3),), fallback=True)
    assert len(warned(seen)) == 1


def test_several_parts_and_one_warning():
    first, second, third = (lack(name) for name in ("first", "second", "third"))

    def f(x):
        a = first(x)
        b = second(x).abs()
        return (a + 1) * b.sum(), third(x + 1)

    line = f.__code__.co_firstlineno
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        check(f, (randn(4, 4),), fallback=True)
    (text,) = warned(seen)
    for name, offset in (("first", 1), ("second", 2), ("third", 3)):
        assert name in text and f"dynamo_fallback_test.py:{line + offset}" in text


TENSORS = {
    "sparse coo": lambda: torch.eye(3).to_sparse(),
    "sparse csr": lambda: torch.eye(3).to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(randn(3, 3), 0.1, 0, torch.qint8),
    "float8": lambda: randn(3, 3).to(torch.float8_e4m3fn),
}


@quiet
@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_other_kinds(kind):
    def f(x, y):
        dense = x.dequantize() if x.is_quantized else x.to(torch.float32)
        return dense @ (y * 2) + 1

    x, y = TENSORS[kind](), randn(3, 3)
    same(compiled(f, fallback=True)(x, y), f(x, y))


@quiet
def test_nested_tensors():
    x = torch.nested.nested_tensor([randn(2, 3), randn(4, 3)], layout=torch.jagged)
    got = compiled(lambda x: x * 2, fallback=True)(x)
    same(got.values(), x.values() * 2)


@quiet
def test_other_devices():
    def f(x, y):
        return x + 1, y * 2

    x, y = torch.empty(3, device="meta"), randn(3)
    got = compiled(f, fallback=True)(x, y)
    assert got[0].device.type == "meta" and got[0].shape == (3,)
    same(got[1], y * 2)


# ---- layers that torch runs as one operator in inference ----


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer(norm_first, activation):
    m = torch.nn.TransformerEncoderLayer(
        16, 2, 32, activation=activation, norm_first=norm_first, batch_first=True
    ).eval()
    check(m, (randn(3, 5, 16),), (randn(2, 7, 16),))


@quiet
def test_encoder_layer_with_a_mask():
    m = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True).eval()
    mask = torch.zeros(3, 5, dtype=torch.bool)
    mask[1, 3:] = True
    x, c = randn(3, 5, 16), compiled(m, fallback=True)
    with torch.no_grad():
        got, want = c(x, None, mask), m(x, None, mask)
        same(got[~mask], want[~mask])


@pytest.mark.parametrize("weights", [False, True])
def test_attention_of_one_tensor(weights):
    m = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    check(lambda x: m(x, x, x, need_weights=weights), (randn(2, 5, 16),))


# ---- control flow ----

# name -> function; what takes a tensor of 4 rows and a vector
BODIES = {
    "cond": lambda x, c: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)),
    "while_loop": lambda x, c: while_loop(
        lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), x)
    ),
    "scan": lambda x, c: scan(lambda c, r: (c + r, c * r), c, x),
    "map": lambda x, c: torch_map(lambda a, b: a * b, x, c),
    "associative_scan": lambda x, c: associative_scan(
        torch.add, x, 0, combine_mode="generic"
    ),
}


@quiet
@pytest.mark.parametrize("name", BODIES)
def test_control_flow(name):
    strict = name != "associative_scan"
    check(BODIES[name], (randn(5, 4), randn(4)), fallback=not strict)


@quiet
@pytest.mark.parametrize("name", ["cond", "while_loop", "scan", "map"])
def test_control_flow_in_eager_mode(name, monkeypatch):
    monkeypatch.setattr(control_flow, "SUPPORTED", set())
    x, c = randn(5, 4), randn(4)

    def f(x, c):
        return BODIES[name](x * 2, c), x + 1

    same(compiled(f, fallback=True)(x, c), f(x, c))


@quiet
def test_gradients_of_cond():
    def f(x):
        return torch.cond(x.sum() > 0, lambda t: t * 2, lambda t: t * 3, (x,)).sum()

    x = randn(4).requires_grad_()
    y = x.detach().clone().requires_grad_()
    compiled(f, fallback=True)(x).backward()
    f(y).backward()
    same(x.grad, y.grad)


LOOP = """module "jit"
func "main" graph=0 exported {{
    in "x" : 4xf32
{outs}
    %1 = input : 4xf32
    %2 = full value=0 : i64
{before}
    %{n} = while %2 %1 while=1 do=2
    %{a} = result %{n} number=0 : i64
    %{b} = result %{n} number=1 : 4xf32
    return %{b}{more}
}}
graph 1 {{
    %1 = input : i64
    %2 = input : 4xf32
    %3 = full value=3 : i64
    %4 = lt %1 %3 : i1
    return %4
}}
graph 2 {{
    %1 = input : i64
    %2 = input : 4xf32
    %3 = full value=1 : i64
    %4 = add %1 %3 : i64
    return %4, %2
}}
"""


def test_loops_behind_code_of_any_length():
    """The place a loop jumps back to, also when the buffer of the code grows just there."""
    for k in range(1, 24):
        names = [f"%{i}" for i in range(3, 3 + k)]
        text = LOOP.format(
            outs="\n".join(f'    out "y{i}" : 4xf32' for i in range(k + 1)),
            before="\n".join(
                f"    %{i} = sin %{i - 1 if i > 3 else 1} : 4xf32"
                for i in range(3, 3 + k)
            ),
            n=3 + k,
            a=4 + k,
            b=5 + k,
            more="".join(f", {v}" for v in names),
        )
        assert "jump" in _compiler.parse_text(text).print("program", ["host"])


# ---- failures of the whole ----


def test_a_graph_that_aotautograd_refuses(monkeypatch):
    def refuse(**_):
        raise AssertionError("something is not supported today\nmore")

    monkeypatch.setattr(backend.shim, "min_cut", refuse)
    monkeypatch.setattr(backend.shim, "aot_autograd", lambda **k: lambda *a: refuse())
    m, x = torch.nn.Linear(4, 3), randn(2, 4)
    with pytest.warns(UserWarning, match="AssertionError: something is not") as seen:
        same(compiled(m, fallback=True)(x), m(x))
    assert "more" not in warned(seen)[0]
    torch._dynamo.reset()
    with pytest.raises(Exception, match="not supported today"):
        compiled(m)(x)


def test_a_graph_that_cannot_be_taken_apart(monkeypatch):
    def fail(*_):
        raise RuntimeError("a fault")

    m, x = torch.nn.Linear(4, 3), randn(2, 4)
    m(x).sum().backward()
    want, m.weight.grad = m.weight.grad, None
    monkeypatch.setattr(fallback, "split_views", fail)
    with pytest.warns(UserWarning, match="runs in eager mode: RuntimeError: a fault"):
        got = compiled(m, fallback=True)(x)
        got.sum().backward()
    same(got, m(x))
    same(m.weight.grad, want)


# ---- two processes ----

DDP = """
import sys, torch
import torch.distributed as dist
import torch.distributed._functional_collectives as fc

def net():
    n = int(sys.argv[3])
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(8, n), torch.nn.Tanh(), torch.nn.Linear(n, n), torch.nn.GELU(),
        torch.nn.Linear(n, n), torch.nn.Tanh(), torch.nn.Linear(n, 4))

def train(model, parameters, part):
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    torch.manual_seed(1)
    for x in torch.randn(5, 8, 8):
        optimizer.zero_grad()
        model(x[part]).square().mean().backward()
        optimizer.step()

def run(rank, file):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
    m = torch.nn.parallel.DistributedDataParallel(net(), bucket_cap_mb=1)
    c = torch.compile(m, backend="turbine_cpu")
    train(c, m.parameters(), slice(rank * 4, rank * 4 + 4))
    alone = net()
    train(alone, alone.parameters(), slice(None))
    for a, b in zip(m.module.parameters(), alone.parameters()):
        torch.testing.assert_close(a, b)
    sizes = m._get_ddp_logging_data()["rebuilt_bucket_sizes"]
    assert len(sizes.split(",")) == int(sys.argv[4]), sizes

    @torch.compile(backend="turbine_cpu")
    def total(t):
        return fc.all_reduce(t * 2, "sum", dist.group.WORLD) + 1

    assert total(torch.full((3,), rank + 1.0)).tolist() == [7.0] * 3
    dist.destroy_process_group()

run(int(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="no torch.distributed")
@pytest.mark.parametrize("width, buckets", [(16, 1), (600, 3)])
def test_two_processes_train_like_one(tmp_path, width, buckets):
    (tmp_path / "ddp.py").write_text(DDP)
    command = [sys.executable, str(tmp_path / "ddp.py")]
    environment = {
        **os.environ,
        "TURBINE_CACHE": "0",
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "meeting"), str(width), str(buckets)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        texts = [w.communicate(timeout=300)[1] for w in workers]
    finally:
        for w in workers:
            w.kill()
    assert [w.returncode for w in workers] == [0, 0], texts
    assert all("_c10d_functional.all_reduce" in t for t in texts)


def test_inputs_of_a_type_that_no_program_has():
    """Complex numbers of two halves: no node of the backward graph is to blame."""
    torch._dynamo.reset()
    inputs = [torch.tensor([1.0, -2.0]).half().requires_grad_() for _ in range(2)]
    results = []
    for f in (torch.complex, torch.compile(torch.complex, backend="turbine_cpu")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            z = f(*inputs)
            results.append((z, *torch.autograd.grad(z, inputs, torch.ones_like(z))))
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype and got.tolist() == want.tolist()
