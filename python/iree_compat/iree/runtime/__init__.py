# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`iree.runtime` for scripts written for IREE, on Turbine's runtime."""

import sys

from shark_turbine import runtime as _runtime
from shark_turbine.runtime import *
from shark_turbine.runtime import (
    _binding,
    array_interop,
    benchmark,
    dtypes,
    flags,
    function,
    hal,
    params,
    system_api,
    system_setup,
    typing,
    vm,
)

__all__ = [*_runtime.__all__]

# `import iree.runtime.flags` has to give the same module as `iree.runtime.flags`.
for _module in (
    _binding,
    array_interop,
    benchmark,
    dtypes,
    flags,
    function,
    hal,
    params,
    system_api,
    system_setup,
    typing,
    vm,
):
    sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module

# Under this name IREE has what is about files of parameters.
io = sys.modules[f"{__name__}.io"] = params
