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
from .exporter import ExportOutput, export
from .fx_programs import FxPrograms, FxProgramsBuilder

__all__ = [
    "ExportOutput",
    "FxPrograms",
    "FxProgramsBuilder",
    "current_aot_decompositions",
    "export",
    "extend_aot_decompositions",
]
