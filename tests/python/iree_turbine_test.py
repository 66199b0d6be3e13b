# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""iree-turbine's runtime and dynamo modules run on our `iree.runtime`.

Needs an environment with iree-turbine, IREE's compiler and torch, named by TURBINE_REFENV;
without one, only names are looked at. iree-base-runtime may be in it: it is not used.
"""

import ast
import importlib
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import iree.runtime as ireert
from shark_turbine import aot

CASES = pathlib.Path(__file__).with_name("iree_turbine_cases.py")
NAMES = [
    node.name
    for node in ast.parse(CASES.read_text()).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]


class Model(torch.nn.Module):
    def forward(self, a, b):
        return a + b, a * b


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.n += x.sum()
        return self.n + 0


def interpreter():
    place = os.environ.get("TURBINE_REFENV")
    if place is None:
        pytest.skip("TURBINE_REFENV names no environment with iree-turbine")
    python = pathlib.Path(place) / "bin" / "python"
    code = "import torch, iree.turbine, iree.compiler.ir"
    found = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"{place}: {found.stderr.splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    python, folder = interpreter(), tmp_path_factory.mktemp("theirs")
    n = torch.export.Dim("n", max=100)
    pair = torch.ones(4), torch.ones(4)
    sizes = {"a": {0: n}, "b": {0: n}}
    aot.export(Model(), args=pair, dynamic_shapes=sizes).compile(folder / "model.vmfb")
    one = torch.ones(1, dtype=torch.int64)
    aot.export(Counter(), args=(one,)).compile(folder / "counter.vmfb")
    linear = torch.nn.Linear(4, 3)
    np.save(folder / "linear.npy", linear(torch.ones(2, 4)).detach().numpy())
    output = aot.export(linear, args=(torch.ones(2, 4),))
    output.compile(folder / "linear.vmfb", parameters="external")
    output.save_parameters(folder / "linear.safetensors")
    out = folder / "results.json"
    done = subprocess.run(
        [python, CASES, folder, out],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_case(name, results):
    assert results[name] == "ok", results[name]


# ---- names, without IREE ----

# What `dir(iree.runtime)` of iree-base-runtime 3.13 has in public, without tokenizers.
PUBLIC = [
    "BufferCompatibility",
    "BufferUsage",
    "Config",
    "DeviceArray",
    "ExternalTimepointFlags",
    "ExternalTimepointType",
    "FileHandle",
    "FunctionInvoker",
    "HalAllocator",
    "HalBuffer",
    "HalBufferView",
    "HalCommandBuffer",
    "HalDevice",
    "HalDeviceLoopBridge",
    "HalDriver",
    "HalElementType",
    "HalExternalTimepoint",
    "HalFence",
    "HalModuleBufferViewTraceCallback",
    "HalModuleDebugSink",
    "HalSemaphore",
    "Linkage",
    "MappedMemory",
    "MemoryAccess",
    "MemoryType",
    "ParameterIndex",
    "ParameterIndexEntry",
    "ParameterProvider",
    "PyModuleInterface",
    "SemaphoreCompatibility",
    "Shape",
    "SplatValue",
    "SystemContext",
    "TARGET_BACKEND_TO_DRIVER",
    "VmBuffer",
    "VmContext",
    "VmFunction",
    "VmInstance",
    "VmModule",
    "VmRef",
    "VmVariantList",
    "asdevicearray",
    "benchmark_exe",
    "benchmark_module",
    "create_hal_module",
    "create_io_parameters_module",
    "get_device",
    "get_driver",
    "get_first_device",
    "load_vm_flatbuffer",
    "load_vm_flatbuffer_file",
    "load_vm_module",
    "load_vm_modules",
    "normalize_value",
    "parameter_index_add_numpy_ndarray",
    "parameter_index_entry_as_numpy_flat_ndarray",
    "parameter_index_entry_as_numpy_ndarray",
    "query_available_drivers",
    "save_archive_file",
]
MODULES = (
    "array_interop benchmark dtypes flags function io system_api system_setup typing"
)


def test_public_names():
    assert not [n for n in PUBLIC if not hasattr(ireert, n)]
    assert not [n for n in PUBLIC if n not in ireert.__all__]


def test_submodules():
    import iree.runtime._binding as binding
    import iree.runtime.array_interop
    import iree.runtime.flags
    import iree.runtime.system_api

    for name in MODULES.split():
        found = importlib.import_module(f"iree.runtime.{name}")
        assert found is getattr(ireert, name)
    assert binding.create_hal_driver("local-sync").query() == [
        "local-sync",
        "local-task",
    ]
    assert iree.runtime.flags is ireert.flags
    assert iree.runtime.array_interop.DeviceArray is ireert.DeviceArray
    assert iree.runtime.system_api.Config is ireert.Config
    binding.disable_leak_checker()
