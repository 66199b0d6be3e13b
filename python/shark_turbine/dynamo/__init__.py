# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Just in time: `torch.compile(model, backend="turbine_cpu")`.

The backend is found by its entry point; nothing has to be imported.
"""

from .backend import turbine_cpu

__all__ = ["turbine_cpu"]
