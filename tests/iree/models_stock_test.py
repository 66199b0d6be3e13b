# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models on IREE's own runtime: state, several functions, control flow, open sizes.

Quick: tiny ones. Slow: in full.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from stock import (
    PYTHON,
    ROOT,
    check,
    needs_stock,
    run_ours,
    run_stock,
    tool,
    without_plan,
)
from torch._higher_order_ops.while_loop import while_loop
from torch.export import Dim


def save(tmp_path, output):
    path = tmp_path / "model.vmfb"
    output.compile(str(path), stock_iree=True)
    return path


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def check_zoo(tmp_path, name, size):
    zoo = pytest.importorskip("zoo")
    try:
        model = zoo.build(name, size)
    except zoo.ModelMissing as e:
        pytest.skip(str(e))
    with torch.no_grad():
        output = aot.export(
            model.module, args=model.inputs[0], dynamic_shapes=model.dynamic_shapes
        )
    path = save(tmp_path, output)
    check(path, [("main", [x.numpy() for x in inputs]) for inputs in model.inputs])


@pytest.mark.parametrize("name", ["minilm", "resnet18"])
def test_tiny(tmp_path, name):
    pytest.importorskip("transformers")
    check_zoo(tmp_path, name, "tiny")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "minilm", "gpt2", "mobilenetv2"])
def test_full(tmp_path, name):
    pytest.importorskip("transformers")
    check_zoo(tmp_path, name, "full")


def test_prefill_and_decode_over_one_cache(tmp_path):
    decoders = pytest.importorskip("decoder_test")
    torch.manual_seed(3)
    path = save(tmp_path, decoders.export(decoders.gpt2().eval()))
    calls = [("prefill", [np.array([[5, 9, 33, 2]])])]
    calls += [("decode", [np.array([[t]])]) for t in (7, 1, 60)]
    calls += [
        ("reset", []),
        ("prefill", [np.array([[7, 7]])]),
        ("decode", [np.array([[3]])]),
    ]
    check(path, calls)


def test_training_step(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)
    )
    output = aot.export_training(
        model,
        torch.nn.functional.mse_loss,
        torch.optim.Adam(model.parameters(), lr=0.01),
        args=(torch.randn(6, 8),),
        targets=(torch.randn(6, 3),),
    )
    path = save(tmp_path, output)
    x, y = normal(6, 8), normal(6, 3, seed=1)
    losses = check(path, [("train_step", [x, y])] * 5 + [("predict", [x])])[:5]
    assert losses[4][0] < losses[0][0]


class Control(torch.nn.Module):
    """A branch, a loop and a size that depends on data."""

    def forward(self, x, n):
        y = torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x.cos(), (x,))
        i, y = while_loop(
            lambda i, y: i < n, lambda i, y: (i + 1, y * 1.5 - 1), (torch.tensor(0), y)
        )
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= 9)
        return i, y, y.sum(-1, keepdim=True).expand(-1, k) + torch.zeros(k)


def test_control_flow(tmp_path):
    x = normal(4, 6)
    n = Dim("n", min=1, max=64)
    output = aot.export(
        Control(),
        args=(torch.from_numpy(x), torch.tensor(3)),
        dynamic_shapes={"x": {0: n}, "n": None},
        strict_export=False,
    )
    path = save(tmp_path, output)
    calls = [
        ("main", [np.abs(x) * sign, np.array(k)]) for sign in (1, -1) for k in (1, 3, 9)
    ]
    check(path, [*calls, ("main", [normal(33, 6), np.array(2)])])
    too_many = [("main", [x, np.array(10)])]
    assert "at most 9" in run_ours(without_plan(path), too_many)[0]
    if PYTHON.exists():
        assert "at most 9" in run_stock(path, too_many)[0]


def test_numbers_that_threads_would_flush(tmp_path):
    """Denormals: IREE's threads run in a mode that makes them zero."""

    class Half(torch.nn.Module):
        def forward(self, x):
            return x * 0.5, x + x

    x = np.array([1e-40, 3e-42, -1e-39, 1e-38, 1.0], np.float32)
    path = save(tmp_path, aot.export(Half(), args=(torch.from_numpy(x),)))
    got = check(path, [("main", [x])])[0]
    assert np.all(got[0] != 0)


def test_many_threads(tmp_path):
    """Dispatches of many workgroups, with scratch."""

    class Products(torch.nn.Module):
        def forward(self, x, w):
            return torch.softmax(x @ w, -1), x.sort(-1).values

    x, w = normal(300, 256), normal(256, 400, seed=1)
    output = aot.export(Products(), args=(torch.from_numpy(x), torch.from_numpy(w)))
    check(save(tmp_path, output), [("main", [x, w])] * 3)


def test_empty_tensors(tmp_path):
    class Sums(torch.nn.Module):
        def forward(self, x):
            return x * 2, x.sum(0), torch.cat([x, x], 0)

    n = Dim("n", min=0, max=100)
    output = aot.export(Sums(), args=(torch.randn(3, 4),), dynamic_shapes={"x": {0: n}})
    path = save(tmp_path, output)
    check(path, [("main", [normal(k, 4)]) for k in (0, 3, 1)])


def test_what_cannot_be_expressed_is_named(tmp_path):
    class Many(torch.nn.Module):
        def forward(self, *xs):
            return torch.cat(xs)

    output = aot.export(Many(), args=tuple(torch.randn(2, 3) for _ in range(70)))
    with pytest.raises(NotImplementedError, match="cat.*takes 71 buffers"):
        output.compile(stock_iree=True)
    assert b"module.fb" not in bytes(output.compile().map_memory())[:64]
    with pytest.raises(NotImplementedError, match="target armv7"):
        output.compile(stock_iree=True, targets=["armv7"])


@needs_stock
def test_seed_sample(tmp_path):
    """The sample for ahead of time, with IREE's own `iree.runtime`."""
    site = next(PYTHON.parents[1].glob("lib/python3*/site-packages"))
    for name in ("iree", "ml_dtypes"):
        (tmp_path / name).symlink_to(site / name)
    code = (
        "import runpy, iree.runtime\n"
        f"assert iree.runtime.__file__.startswith({str(tmp_path)!r}), iree.runtime\n"
        f"runpy.run_path({str(ROOT / 'samples/python/aot.py')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ours, torchs = [
        np.fromstring(s.strip("[]"), sep=" ") for s in done.stdout.splitlines()
    ]
    np.testing.assert_allclose(ours, torchs, rtol=1e-5, atol=1e-6)


class Counter(torch.nn.Module):
    """Parameters, and a buffer that begins as one and changes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(6, 5)
        self.scale = torch.nn.Parameter(torch.randn(()))
        self.register_buffer("total", torch.full((5,), 3.0))

    def forward(self, x):
        self.total += (self.inner(x) * self.scale).sum(0)
        return self.total * 1


def with_parameters(path, given, x):
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(path))
    index = rt.ParameterIndex()
    index.load(str(given))
    parameters = rt.create_io_parameters_module(None, index.create_provider("model"))
    return rt.load_vm_modules(parameters, module, config=config)[1].main(x).to_host()


@pytest.mark.parametrize("suffix", ["safetensors", "irpa"])
def test_parameters_outside(tmp_path, suffix):
    """Loaded through io_parameters, and used as our runtime uses them."""
    output = aot.export(Counter(), args=(torch.randn(2, 6),))
    path = tmp_path / "model.vmfb"
    output.compile(str(path), parameters="external", stock_iree=True)
    given = tmp_path / "p.safetensors"
    output.save_parameters(given)
    if suffix == "irpa":
        if not PYTHON.exists():
            pytest.skip("no .venv-iree: scripts/setup.sh iree")
        given = tmp_path / "p.irpa"
        tool(
            "iree-convert-parameters",
            f"--parameters=model={tmp_path}/p.safetensors",
            f"--output={given}",
        )
    x = normal(2, 6)
    want = with_parameters(path, given, x)
    assert with_parameters(without_plan(path), given, x).tobytes() == want.tobytes()
    if not PYTHON.exists():
        return
    np.save(tmp_path / "x.npy", x)
    for mode in ("file", "preload"):
        text = tool(
            "iree-run-module",
            f"--module={path}",
            f"--parameters=model={given}",
            f"--parameter_mode={mode}",
            "--device=local-sync",
            "--function=main",
            f"--input=@{tmp_path}/x.npy",
            f"--output=@{tmp_path}/y.npy",
        )
        assert "EXEC @main" in text
        assert np.load(tmp_path / "y.npy").tobytes() == want.tobytes()
