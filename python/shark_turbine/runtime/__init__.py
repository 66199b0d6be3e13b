# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Load and call compiled modules: IREE's Python runtime API on Turbine's runtime.

Imports neither torch nor the compiler; numpy is the only requirement.
"""

from . import flags
from .array_interop import DeviceArray, asdevicearray
from .benchmark import (
    BenchmarkResult,
    BenchmarkTimeoutError,
    BenchmarkToolError,
    benchmark_exe,
    benchmark_module,
)
from .dtypes import (
    BufferCompatibility,
    BufferUsage,
    HalElementType,
    MemoryAccess,
    MemoryType,
)
from .function import FunctionInvoker
from .hal import (
    HalAllocator,
    HalBuffer,
    HalBufferView,
    HalDevice,
    HalDriver,
    MappedMemory,
    Shape,
)
from .params import (
    FileHandle,
    ParameterIndex,
    ParameterIndexEntry,
    ParameterProvider,
    SplatValue,
    create_io_parameters_module,
    load_parameters,
    parameter_index_add_numpy_ndarray,
    parameter_index_entry_as_numpy_flat_ndarray,
    parameter_index_entry_as_numpy_ndarray,
    save_archive_file,
)
from .py_module import PyModuleInterface
from .queue import HalCommandBuffer, HalDeviceLoopBridge
from .refs import VmBuffer, VmRef
from .state import State
from .system_api import (
    TARGET_BACKEND_TO_DRIVER,
    BoundModule,
    BoundModules,
    Config,
    SystemContext,
    load_vm_flatbuffer,
    load_vm_flatbuffer_file,
    load_vm_module,
    load_vm_modules,
    normalize_value,
)
from .system_setup import (
    get_device,
    get_driver,
    get_first_device,
    query_available_drivers,
)
from .timeline import (
    ExternalTimepointFlags,
    ExternalTimepointType,
    HalExternalTimepoint,
    HalFence,
    HalSemaphore,
    SemaphoreCompatibility,
)
from .typing import HalModuleBufferViewTraceCallback
from .vm import (
    HalModuleDebugSink,
    Linkage,
    VmContext,
    VmFunction,
    VmInstance,
    VmModule,
    VmVariantList,
    create_hal_module,
)

__all__ = [
    "TARGET_BACKEND_TO_DRIVER",
    "BenchmarkResult",
    "BenchmarkTimeoutError",
    "BenchmarkToolError",
    "BoundModule",
    "BoundModules",
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
    "State",
    "SystemContext",
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
    "flags",
    "get_device",
    "get_driver",
    "get_first_device",
    "load_parameters",
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
