# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyModuleInterface: modules whose functions are Python methods, for VmContext.invoke."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .refs import VmRef
from .vm import VmContext, VmModule

_KINDS = {"i": int, "I": int, "f": float, "F": float, "r": object}


class PyModuleInterface:
    """Describes a module; `create` makes it. Every context calls `ctor(interface)` for an
    instance of its own, which the functions are methods of. What they raise comes as a
    RuntimeError."""

    def __init__(
        self, module_name: str, ctor: Callable[[PyModuleInterface], Any]
    ) -> None:
        self._name, self._ctor = module_name, ctor
        self._exports: dict[str, tuple[str, str, Callable[..., Any]]] = {}
        self.initialized = False
        self.destroyed = False

    def export(self, name: str, cconv: str, callable: Callable[..., Any]) -> None:
        """A function by IREE's calling convention: "0iI_r" takes an i32 and an i64 and
        gives a reference; v is nothing."""
        if self.initialized:
            raise ValueError(f"module '{self._name}' has been created already")
        version, (arguments, _, results) = cconv[:1], cconv[1:].partition("_")
        arguments, results = arguments.replace("v", ""), results.replace("v", "")
        unknown = [k for k in arguments + results if k not in _KINDS]
        if version != "0" or unknown:
            raise ValueError(f"calling convention '{cconv}' is not understood")
        self._exports[name] = arguments, results, callable

    def create(self) -> VmModule:
        if self.initialized:
            raise ValueError(f"module '{self._name}' has been created already")
        self.initialized = True
        return _PyModule(self)


class _PyModule(VmModule):
    def __init__(self, interface: PyModuleInterface) -> None:
        super().__init__(None, name=interface._name)
        self._interface = interface

    _binds_at_once = True

    @property
    def function_names(self) -> list[str]:
        return list(self._interface._exports)

    def _reflection(self, ordinal: int) -> dict[str, str]:
        return {}

    def _bind(self, context: VmContext) -> Any:
        return _PySession(self._interface)

    def __del__(self) -> None:
        self._interface.destroyed = True


class _PySession:
    """What a context keeps of such a module."""

    def __init__(self, interface: PyModuleInterface) -> None:
        self._exports = list(interface._exports.items())
        self._instance = interface._ctor(interface)

    def call(self, ordinal: int, *inputs: Any) -> tuple[Any, ...]:
        name, (arguments, results, fn) = self._exports[ordinal]
        if len(inputs) != len(arguments):
            raise ValueError(
                f"{name}: expected {len(arguments)} arguments, found {len(inputs)}"
            )
        given = [
            VmRef(x) if kind == "r" and x is not None else x
            for kind, x in zip(arguments, inputs)
        ]
        try:
            out = fn(self._instance, *given)
        except Exception as e:
            raise RuntimeError(f"{name}: {type(e).__name__}: {e}") from e
        values = () if not results else out if len(results) > 1 else (out,)
        if len(values) != len(results):
            raise ValueError(
                f"{name}: expected {len(results)} results, found {len(values)}"
            )
        return tuple(_result(k, v) for k, v in zip(results, values))


def _result(kind: str, value: Any) -> Any:
    if kind != "r":
        return _KINDS[kind](value)
    return value._value if isinstance(value, VmRef) else value
