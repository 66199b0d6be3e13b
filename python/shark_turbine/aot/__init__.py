# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Ahead of time: export PyTorch programs and compile them to .vmfb files."""

try:
    import torch  # noqa: F401
except ImportError as e:
    raise ImportError(
        "shark_turbine.aot needs PyTorch, which is not installed; running compiled "
        "programs does not (shark_turbine.runtime)"
    ) from e

from ..decompositions import current_aot_decompositions, extend_aot_decompositions
from .abstract import (
    AbstractBool,
    AbstractF32,
    AbstractF64,
    AbstractI32,
    AbstractI64,
    AbstractIndex,
    AbstractTensor,
    abstractify,
)
from .compiled_module import CompiledModule, jittable
from .exporter import ExportOutput, export
from .fx_programs import FxPrograms, FxProgramsBuilder
from .globals import (
    GlobalAttributes,
    export_buffers,
    export_global,
    export_global_tree,
    export_parameters,
)
from .iree_builtins import IREE
from .params import (
    ParameterArchive,
    ParameterArchiveBuilder,
    ParameterArchiveEntry,
    externalize_module_parameters,
    save_module_parameters,
)
from .tensor_traits import DeviceAffinity, DeviceTensorTrait, ExternalTensorTrait
from .training import export_training

__all__ = [
    "IREE",
    "AbstractBool",
    "AbstractF32",
    "AbstractF64",
    "AbstractI32",
    "AbstractI64",
    "AbstractIndex",
    "AbstractTensor",
    "CompiledModule",
    "DeviceAffinity",
    "DeviceTensorTrait",
    "ExportOutput",
    "ExternalTensorTrait",
    "FxPrograms",
    "FxProgramsBuilder",
    "GlobalAttributes",
    "ParameterArchive",
    "ParameterArchiveBuilder",
    "ParameterArchiveEntry",
    "abstractify",
    "current_aot_decompositions",
    "export",
    "export_buffers",
    "export_global",
    "export_global_tree",
    "export_parameters",
    "export_training",
    "extend_aot_decompositions",
    "externalize_module_parameters",
    "jittable",
    "save_module_parameters",
]
