# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE's own runtime, from the wheel in .venv-iree (`scripts/setup.sh iree`)."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import shark_turbine.runtime as rt

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-iree" / "bin" / "python"
MAIN = Path(__file__).with_name("stock_main.py")

needs_stock = pytest.mark.skipif(
    not PYTHON.exists(), reason="no .venv-iree: scripts/setup.sh iree"
)


def tool(name, *arguments):
    """Output of one of IREE's tools."""
    command = [PYTHON.with_name(name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def arrays(results):
    if results is None:
        return []
    results = results if isinstance(results, tuple) else (results,)
    return [np.array(r.to_host()) for r in results]


def run_ours(path, calls, device="local-sync"):
    """calls: (function, arguments); a list of results, or the error's text, for each."""
    config = rt.Config(device)
    module = rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, str(path)), config)
    out = []
    for function, args in calls:
        try:
            out.append(arrays(module[function.removesuffix("$async")](*args)))
        except (RuntimeError, ValueError, IndexError) as e:
            out.append(str(e))
    return out


def without_plan(path):
    """A copy of an artifact in which nobody finds the plan: IREE's program runs, on src/vm
    and src/hal."""
    data = path.read_bytes()
    assert data.count(b"turbine.plan") == 2  # the member, the directory of the archive
    copy = path.with_suffix(".module.vmfb")
    copy.write_bytes(data.replace(b"turbine.plan", b"turbine.none"))
    return copy


def has_plan(path):
    return b"turbine.plan" in path.read_bytes()


def run_stock(path, calls, device="local-sync", how="mmap"):
    """The same by IREE's runtime."""
    given, answers = path.with_suffix(".in.npz"), path.with_suffix(".out.npz")
    inputs = {}
    for i, (function, args) in enumerate(calls):
        for k, a in enumerate([np.zeros(0), *args]):
            inputs[f"{i}.{function}.{k}"] = a
    np.savez(given, **inputs)
    done = subprocess.run(
        [str(PYTHON), str(MAIN), str(path), device, how, str(given), str(answers)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    out = [[] for _ in calls]
    with np.load(answers) as file:
        for key in file.files:
            number, which = key.split(".")
            if which == "error":
                out[int(number)] = str(file[key])
            else:
                out[int(number)].append(file[key])
    return out


def same_bits(got, want, where=""):
    assert not isinstance(got, str), f"{where}: {got}"
    assert not isinstance(want, str), f"{where}: {want}"
    assert len(got) == len(want), where
    for i, (a, b) in enumerate(zip(got, want)):
        assert a.shape == b.shape and a.dtype == b.dtype, f"{where} result {i}"
        assert a.tobytes() == b.tobytes(), (
            f"{where} result {i}: {np.sum(a != b)} of {a.size} elements differ"
        )


def check(path, calls, ways=(("local-sync", "mmap"), ("local-task", "copy"))):
    """Same bits from our program, from IREE's program on our machine, and on IREE's runtime
    where that is installed; returns the results."""
    want = run_ours(path, calls)
    if has_plan(path):
        for device in ("local-sync", "local-task"):
            got = run_ours(without_plan(path), calls, device)
            for i, (a, b) in enumerate(zip(got, want)):
                same_bits(a, b, f"IREE's program on {device}, call {i}")
    for device, how in ways if PYTHON.exists() else ():
        got = run_stock(path, calls, device, how)
        for i, (a, b) in enumerate(zip(got, want)):
            same_bits(a, b, f"{device} {how}, call {i}")
    return want
