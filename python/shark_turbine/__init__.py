# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles PyTorch programs and runs them.

    shark_turbine.aot       ahead of time: programs as files
    shark_turbine.runtime   runs such files; needs neither PyTorch nor the compiler
    shark_turbine.jit       a compiled function or module in this process

`torch.compile(backend="turbine_cpu")` needs no import. Importing this package imports
nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dynamo.direct import jit

__all__ = ["jit"]


def __getattr__(name: str) -> Any:
    if name != "jit":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .dynamo.direct import jit

    globals()[name] = jit
    return jit


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
