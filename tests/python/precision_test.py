# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.set_float32_matmul_precision: weights in bf16 or not."""

import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot


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
