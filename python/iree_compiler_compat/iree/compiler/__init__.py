# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`iree.compiler` for scripts written for IREE, on Turbine's compiler."""

from . import api, ir, tools
from .tools import CompilerToolError, InputType, compile_file, compile_str

__all__ = [
    "CompilerToolError",
    "InputType",
    "api",
    "compile_file",
    "compile_str",
    "ir",
    "tools",
]
