# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Timing a module with the tool turbine-benchmark-module, from Python."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import _runtime
from .dtypes import name_of_dtype
from .vm import VmModule


class BenchmarkResult(NamedTuple):
    """One row: times are texts such as "12.5 ns", `report` is the row as the tool wrote it."""

    benchmark_name: str
    time: str
    cpu_time: str
    iterations: str
    report: dict[str, Any]


class BenchmarkToolError(Exception):
    """The tool failed; the text has what it said."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class BenchmarkTimeoutError(Exception):
    """The tool took longer than it was given."""


def benchmark_exe() -> str:
    """Path of the tool: on PATH, or in the build directory that this package runs from."""
    import pathlib
    import shutil

    found = shutil.which("turbine-benchmark-module")
    if found is None:
        build = pathlib.Path(_runtime.__file__).resolve().parents[1]
        beside = build / "tools" / "turbine-benchmark-module"
        found = str(beside) if beside.exists() else None
    if found is None:
        raise BenchmarkToolError("turbine-benchmark-module is not on PATH")
    return found


def _input_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    kind = name_of_dtype(array.dtype)
    if kind is None:
        raise ValueError(f"inputs: {array.dtype} is no element type of ours")
    flat = array.reshape(-1)
    same = flat.size and (flat == flat[0]).all()
    numbers = flat[:1] if same else flat
    if array.dtype == np.bool_:
        numbers = numbers.astype(np.int8)
    shape = "".join(f"{n}x" for n in array.shape)
    return f"{shape}{kind}=" + " ".join(str(n) for n in numbers.tolist())


def _flags(options: dict[str, Any]) -> Iterable[str]:
    for key, value in options.items():
        for v in value if isinstance(value, (list, tuple)) else [value]:
            yield f"--{key}={str(v).lower() if isinstance(v, bool) else v}"


def _entry(module: VmModule, entry_function: str | None) -> str:
    names = module.function_names
    if entry_function is None:
        if len(names) != 1:
            raise ValueError(f"No function specified with multiple options {names}")
        return names[0]
    if entry_function not in names:
        raise ValueError(
            f"Attempted to benchmark unknown function {entry_function} of options {names}"
        )
    return entry_function


def benchmark_module(
    module: VmModule | str | os.PathLike[str],
    entry_function: str | None = None,
    inputs: Iterable[Any] | None = None,
    timeout: float | None = None,
    executable: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> list[BenchmarkResult]:
    """Times calls of one function of a module, or of a module's file.

    `inputs` are arrays, or texts as the tool takes them; without any they are made up.
    Further arguments become flags of the tool: `benchmark_min_time="1s"`, `device=...`.
    BenchmarkToolError if the tool fails, BenchmarkTimeoutError after `timeout` seconds.
    """
    import tempfile

    if "benchmark_out" in kwargs or "benchmark_out_format" in kwargs:
        raise ValueError("benchmark_module reads results from its own JSON file")
    blob = None
    if isinstance(module, VmModule):
        blob = module.stashed_flatbuffer_blob
        if blob is None:
            raise ValueError("the module does not keep the bytes it was made from")
        source, entry_function = "-", _entry(module, entry_function)
    else:
        source = os.fspath(module)
    tool = benchmark_exe() if executable is None else os.fspath(executable)
    args = [tool, f"--module={source}"]
    if entry_function is not None:
        args.append(f"--function={entry_function}")
    args += _flags(kwargs)
    args += [f"--input={_input_text(v)}" for v in inputs or ()]
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "results.json")
        _run([*args, f"--benchmark_out={report}"], blob, timeout)
        with open(report) as f:
            rows = json.load(f)["benchmarks"]
    return [
        BenchmarkResult(
            row["name"],
            f"{row['real_time']} {row['time_unit']}",
            f"{row['cpu_time']} {row['time_unit']}",
            str(row["iterations"]),
            row,
        )
        for row in rows
    ]


def _run(args: list[str], blob: Any, timeout: float | None) -> None:
    import subprocess

    given = None if blob is None else bytes(blob)
    try:
        done = subprocess.run(
            args, input=given, timeout=timeout, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkTimeoutError(
            f"Benchmark timed out after {timeout} seconds"
        ) from None
    except OSError as e:
        raise BenchmarkToolError(f"{args[0]}: {e}") from None
    if done.returncode != 0:
        raise BenchmarkToolError(
            f"stderr:\n{done.stderr.decode()}\nstdout:\n{done.stdout.decode()}"
        )
