# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Artifacts with stock_iree, run by IREE's own runtime: the same bits as by ours.

Without IREE's runtime its program in them is run all the same, by src/vm and src/hal.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot
from stock import PYTHON, check, needs_stock, run_ours, run_stock, tool, without_plan
from torch.export import Dim


def compiled(tmp_path, module, *args, **options):
    path = tmp_path / "model.vmfb"
    aot.export(module, args=args, **options).compile(str(path), stock_iree=True)
    return path


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.inner(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def test_linear(tmp_path):
    path = compiled(tmp_path, Linear(), torch.randn(2, 4))
    calls = [("main", [normal(2, 4, seed=i)]) for i in range(3)]
    check(
        path,
        calls,
        [(d, h) for d in ("local-sync", "local-task") for h in ("mmap", "copy")],
    )


@needs_stock
def test_tools(tmp_path):
    path = compiled(tmp_path, Linear(), torch.randn(1, 4))
    text = tool("iree-dump-module", "--output=metadata", path)
    assert "hal, version >= 7" in text
    assert "main(!vm.ref<?>) -> (!vm.ref<?>)" in text
    x = normal(1, 4)
    want = run_ours(path, [("main", [x])])[0][0]
    np.save(tmp_path / "x.npy", x)
    for mode in ("preload", "mmap"):
        tool(
            "iree-run-module",
            f"--module={path}",
            f"--module_mode={mode}",
            "--device=local-task",
            "--function=main",
            f"--input=@{tmp_path}/x.npy",
            f"--output=@{tmp_path}/y.npy",
        )
        assert np.load(tmp_path / "y.npy").tobytes() == want.tobytes()


@needs_stock
def test_benchmark_tool(tmp_path):
    path = compiled(tmp_path, Linear(), torch.randn(1, 4))
    text = tool(
        "iree-benchmark-module",
        f"--module={path}",
        "--device=local-sync",
        "--function=main",
        "--input=1x4xf32=1",
        "--benchmark_min_time=0.01s",
    )
    assert "BM_main" in text


def test_fences(tmp_path):
    path = compiled(tmp_path, Linear(), torch.randn(2, 4))
    check(path, [("main$async", [normal(2, 4, seed=i)]) for i in range(3)])


@needs_stock
def test_wrong_inputs_are_refused(tmp_path):
    path = compiled(tmp_path, Linear(), torch.randn(2, 4))
    got = run_stock(
        path, [("main", [normal(3, 4)]), ("main", [normal(2, 4).astype("f8")])]
    )
    assert all(isinstance(g, str) and "input 0" in g for g in got), got


def test_wrong_inputs_are_refused_on_our_machine(tmp_path):
    path = without_plan(compiled(tmp_path, Linear(), torch.randn(2, 4)))
    calls = [("main", [normal(3, 4)]), ("main", [normal(2, 4).astype("f8")])]
    shape, dtype = run_ours(path, calls)
    assert "shape dimension 0 mismatch; expected 2 but have 3" in shape
    assert "element type mismatch; expected f32 (21000020) but have f64" in dtype


def test_mlp_with_dynamic_batch(tmp_path):
    torch.manual_seed(0)
    mlp = torch.nn.Sequential(
        torch.nn.Linear(64, 256),
        torch.nn.GELU(),
        torch.nn.LayerNorm(256),
        torch.nn.Linear(256, 10),
    )
    batch = Dim("batch", min=1, max=512)
    path = compiled(tmp_path, mlp, torch.randn(3, 64), dynamic_shapes=[{0: batch}])
    calls = [("main", [normal(n, 64, seed=n)]) for n in (1, 2, 7, 33, 512, 7)]
    check(path, calls)
    too_long = [("main", [normal(513, 64)])]
    assert "expected dimension 0 from" in run_ours(without_plan(path), too_long)[0]
    if PYTHON.exists():
        assert "expected dimension 0 from" in run_stock(path, too_long)[0]
