# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""options={"profile": path}, and the profile of a module."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from compiling import fresh  # noqa: F401
from shark_turbine import _compiler, _runtime, profile
from shark_turbine.dynamo import turbine_cpu
from shark_turbine.dynamo.options import parse

ROOT = Path(__file__).resolve().parents[2]


def fused(x, w):
    y = torch.nn.functional.gelu(x @ w)
    return torch.softmax(y, -1)


FIRST = inspect.getsourcelines(fused)[1]


def kernels(path):
    trace = json.loads(Path(path).read_text())
    assert {e["ph"] for e in trace["traceEvents"]} == {"M", "X"}
    return [e for e in trace["traceEvents"] if e.get("cat") == "kernel"], trace


def test_option(tmp_path):
    path = str(tmp_path / "trace.json")
    options = {"profile": path, "fullgraph": True}
    compiled = torch.compile(fused, backend=turbine_cpu, options=options)
    x, w = torch.randn(48, 32), torch.randn(32, 64)
    compiled(x, w)
    profile.reset(path)
    for _ in range(5):
        torch.testing.assert_close(compiled(x, w), fused(x, w))
    assert "5 calls of" in profile.table(path)
    profile.save(path)
    found, trace = kernels(path)
    assert trace["otherData"]["calls"] == 5 and trace["otherData"]["left_out"] == 0
    product = [e for e in found if "dot" in e["name"]]
    args = product[-1]["args"]
    assert args["flops"] >= 2 * 48 * 32 * 64  # and gelu's
    assert args["bytes"] >= 4 * (48 * 32 + 32 * 64 + 48 * 64)
    assert 0 < args["roof"]
    lines = " ".join(line for e in found for line in e["args"]["lines"])
    for line in (FIRST + 1, FIRST + 2):
        assert f"{Path(__file__).name}:{line} " in lines
    calls = [e for e in trace["traceEvents"] if e.get("cat") == "call"]
    assert len(calls) == 5
    for e in found:  # kernels lie inside of calls
        assert any(
            c["ts"] <= e["ts"] and e["ts"] + e["dur"] <= c["ts"] + c["dur"] + 0.01
            for c in calls
        )
    table = Path(path + ".txt").read_text()
    assert "roof: " in table and f"{Path(__file__).name}:{FIRST + 1}" in table


def test_written_at_exit(tmp_path):
    path = tmp_path / "at_exit.json"
    code = f"""
import torch
f = torch.compile(lambda x: torch.tanh(x) + 1, backend="turbine_cpu",
                  options={{"profile": {str(path)!r}}})
f(torch.ones(10)); f(torch.ones(10))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert kernels(path)[1]["otherData"]["calls"] == 2
    assert not path.with_suffix(".json.part").exists()


def test_errors(tmp_path):
    with pytest.raises(KeyError, match="nothing was compiled"):
        profile.table(str(tmp_path / "no"))
    with pytest.raises(TypeError, match="option 'profile'"):
        parse(options={"profile": 3})
    unit = _compiler.Unit("m")
    f = unit.function("main")
    f.output(f.input("x", "f32", [2]), "y")
    module = _runtime.Module.from_buffer(
        bytes(unit.compile(targets=["host"])), copy=True
    )
    with pytest.raises(TypeError, match="expected a Profile"):
        _runtime.Session(module, _runtime.Device("local-sync"), profile=3)


def test_work_follows_shapes(tmp_path):
    """Operations and bytes of a program with an open size are those of each call."""
    unit = _compiler.Unit("gather")
    n = unit.symbol("n", min=1, max=64, hint=8)
    f = unit.function("main")
    i = f.input("i", "i64", [n])
    table = f.constant(np.ones((1000, 16), np.float32), "f32", [1000, 16], name="t")
    (rows,) = f.call("aten.embedding", [table, i], [("f32", [n, 16])])
    (y,) = f.call("aten.tanh", [rows], [("f32", [n, 16])])
    f.output(y, "y")
    module = _runtime.Module.from_buffer(
        bytes(unit.compile(targets=["host"])), copy=True
    )
    recorded = _runtime.Profile()
    session = _runtime.Session(module, _runtime.Device("local-sync"), profile=recorded)
    for size in (3, 50):
        session.call("main", np.arange(size))
    events = json.loads(recorded.trace())["traceEvents"]
    got = [e["args"]["bytes"] for e in events if e.get("cat") == "kernel"]
    assert got == [size * (8 + 64 + 64) for size in (3, 50)]  # indices, rows, results


def test_tool(tmp_path):
    unit = _compiler.Unit("m")
    f = unit.function("main")
    x = f.input("x", "f32", [300, 200])
    (y,) = f.call(
        "aten.mm",
        [x, f.constant(np.ones((200, 100), np.float32), "f32", [200, 100], name="w")],
        [("f32", [300, 100])],
        location=("model.py", 7, "forward", "net"),
    )
    f.output(y, "y")
    path, trace = tmp_path / "m.vmfb", tmp_path / "t.json"
    path.write_bytes(unit.compile(targets=["host"]))
    tool = ROOT / "build" / "tools" / "turbine-benchmark-module"
    command = [
        tool,
        f"--module={path}",
        "--benchmark_min_time=3x",
        f"--profile={trace}",
    ]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "roof: " in out and "net  model.py:7" in out
    (first, *_), _ = kernels(trace)
    assert first["args"]["flops"] == 2 * 300 * 200 * 100
    bad = [
        tool,
        f"--module={path}",
        "--benchmark_min_time=1x",
        "--profile=/no/such/file",
    ]
    failed = subprocess.run(bad, capture_output=True, text=True)
    assert failed.returncode == 1 and "/no/such/file" in failed.stderr
