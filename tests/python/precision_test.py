# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.set_float32_matmul_precision: weights in bf16 or not; models that are bf16."""

import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot
from shark_turbine import runtime as rt


@pytest.fixture(params=["highest", "high", "medium"])
def precision(request):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


def error(got, want):
    return ((got - want).abs().max() / want.abs().max()).item()


@pytest.mark.parametrize("rows", [1, 8, 200])
def test_compiled(precision, rows):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(300, 500), torch.nn.GELU(), torch.nn.Linear(500, 90)
    ).eval()
    x = torch.randn(rows, 300)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="turbine_cpu", options={"freeze": True})
    with torch.inference_mode():
        e = error(compiled(x), model(x))
    if precision == "medium":
        assert 1e-5 < e < 1e-2
    else:
        assert e < 2e-6


def test_bytes(precision):
    model = torch.nn.Linear(512, 512)
    binary = aot.export(model, args=(torch.zeros(4, 512),)).compile(targets=["host"])
    size = len(bytes(binary.map_memory()))
    floats = 512 * 512 * 4
    if precision == "medium":
        assert floats // 2 < size < floats
    else:
        assert size > floats


LEVELS = ["x86_64-v4-amx", "x86_64-v4-bf16", "x86_64-v4", "x86_64-v3", "x86_64"]


def runs(level):
    with open("/proc/cpuinfo") as f:
        flags = f.read().split("flags", 1)[-1].split("\n", 1)[0].split()
    wanted = {
        "x86_64-v4-amx": "amx_bf16",
        "x86_64-v4-bf16": "avx512_bf16",
        "x86_64-v4": "avx512vl",
        "x86_64-v3": "avx2",
        "x86_64": "sse2",
    }
    return wanted[level] in flags


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("depth", [320, 333])
def test_medium_on_levels(depth, level):
    """Rounded weights, and where there are dot products rounded inputs, cost no more than
    PyTorch's own bf16."""
    if not runs(level):
        pytest.skip(f"no {level} here")
    torch.manual_seed(1)
    model = torch.nn.Linear(depth, 130).eval()
    x = torch.randn(50, depth)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        binary = aot.export(model, args=(x,)).compile(targets=[level])
    finally:
        torch.set_float32_matmul_precision(before)
    config = rt.Config("local-sync")
    wrapped = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    result = rt.load_vm_module(wrapped, config).main(x).to_host()
    want = model.double()(x.double())
    rounded = model.bfloat16()(x.bfloat16())
    e = error(torch.from_numpy(result), want)
    assert 1e-5 < e < error(rounded.double(), want)


class Net(torch.nn.Module):
    """Products with constant, computed and transposed operands, odd depths, a convolution."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(6, 40, 3, padding=1)
        self.inner = torch.nn.Linear(40, 77)
        self.outer = torch.nn.Linear(77, 90, bias=False)

    def forward(self, x):
        y = self.conv(x).flatten(2).transpose(1, 2)
        y = self.outer(torch.nn.functional.gelu(self.inner(y)))
        scores = torch.softmax(y @ y.transpose(1, 2) / 9, -1)
        return scores @ y, y.transpose(1, 2) @ y / 90


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("pixels", [5, 13])
def test_bf16_model(freeze, pixels):
    """No further from the result in f64 than eager bf16 is, but for half an ulp."""
    torch.manual_seed(2)
    model, x = Net().bfloat16().eval(), torch.randn(2, 6, pixels, pixels).bfloat16()
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="turbine_cpu", options={"freeze": freeze})
    with torch.no_grad():
        got, eager = compiled(x), model(x)
        exact = model.double()(x.double())
    for ours, theirs, want in zip(got, eager, exact):
        assert ours.dtype == torch.bfloat16
        assert error(ours.double(), want) <= 1.5 * error(theirs.double(), want) + 2**-9
