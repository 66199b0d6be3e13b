# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State: the mutable globals of a module in a context, by name."""

from __future__ import annotations

import collections.abc
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .. import _runtime
from . import safetensors
from .array_interop import DeviceArray

if TYPE_CHECKING:
    from .hal import HalDevice
    from .system_api import BoundModule

# Keys in a state file's metadata. Files without the second are PyTorch's.
_MODULE, _VERSION = "turbine.module", "turbine.state"
_THIS_VERSION = "1"


class State(collections.abc.MutableMapping[str, Any]):
    """Parameters, buffers, caches, optimizer state: what a module keeps between calls.

    `module.state["weight"]` is a copy; assigning an array of the same type stores it. Names
    come and go with the module's program, so deleting is refused. Every access is of one
    moment between two calls; `save` and `load` of several tensors are not one moment if
    other threads call meanwhile.
    """

    def __init__(self, session: _runtime.Session, device: HalDevice) -> None:
        self._session, self._device = session, device
        rows = session.module.globals
        self._index = {row[0]: i for i, row in enumerate(rows)}
        self._rows = rows

    @classmethod
    def of(cls, module: BoundModule) -> State:
        """The state of a BoundModule."""
        session = module._context.vm_context._session(module.vm_module)
        return cls(session, module._context.config.device)

    def __getitem__(self, name: str) -> DeviceArray:
        tensor = self._session.read_global(self._find(name))
        return DeviceArray._wrap(self._device, tensor)

    def __setitem__(self, name: str, value: Any) -> None:
        self._session.write_global(self._find(name), value)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"state '{name}': the program has it, it cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"<State {', '.join(self._index)}>"

    def _find(self, name: str) -> int:
        try:
            return self._index[name]
        except KeyError:
            known = ", ".join(self._index) or "none"
            raise KeyError(f"there is no state '{name}'; there is: {known}") from None

    def type_of(self, name: str) -> tuple[str, list[int]]:
        """(element type, sizes), as ("f32", [4, 3])."""
        _, kind, sizes, *_ = self._rows[self._find(name)]
        return kind, sizes

    def reset(self) -> None:
        """Everything as in a new context."""
        session = self._session
        fresh = _runtime.Session(session.module, session.device, session.params)
        for i in range(len(self._rows)):
            self._session.write_global(i, fresh.read_global(i))

    def save(
        self, path: str | os.PathLike[str], names: Iterable[str] | None = None
    ) -> None:
        """Writes a .safetensors file, whole or not at all; of all state or of `names`."""
        names = list(self._index) if names is None else list(names)
        rows = [
            (name, self.type_of(name)[0], self._session.read_global(self._find(name)))
            for name in names
        ]
        metadata = {_MODULE: self._session.module.name, _VERSION: _THIS_VERSION}
        safetensors.save(path, rows, metadata)

    def load(
        self, path: str | os.PathLike[str], strict: bool = True
    ) -> tuple[list[str], list[str]]:
        """Takes over a .safetensors file: one that was saved here, or PyTorch parameters.

        With `strict` the names must be those of this state, all of them. Otherwise what
        both have is taken, and (missing, unexpected) names are returned. Nothing is
        written unless all of it fits.
        """
        where = os.fspath(path)
        arrays, metadata = safetensors.load(where)
        version = metadata.get(_VERSION, _THIS_VERSION)
        if version != _THIS_VERSION:
            raise ValueError(
                f"{where}: state of version {version}; expected version {_THIS_VERSION}"
            )
        missing = [n for n in self._index if n not in arrays]
        unexpected = [n for n in arrays if n not in self._index]
        if strict and (missing or unexpected):
            raise ValueError(
                f"{where}: not the state of module '{self._session.module.name}'"
                + (f"; file of '{metadata[_MODULE]}'" if _MODULE in metadata else "")
                + (f"; missing: {', '.join(missing)}" if missing else "")
                + (f"; unexpected: {', '.join(unexpected)}" if unexpected else "")
            )
        taken = {n: a for n, a in arrays.items() if n in self._index}
        kinds = safetensors.parse_header(safetensors.map_file(where), where)[0]
        for name in taken:
            want, got = self.type_of(name), (kinds[name][0], kinds[name][1])
            if want != got:
                raise ValueError(
                    f"{where}: state '{name}': expected {_text(want)}, found {_text(got)}"
                )
        for name, array in taken.items():
            self._session.write_global(self._find(name), array)
        return missing, unexpected


def _text(kind: tuple[str, list[int]]) -> str:
    return "x".join([*map(str, kind[1]), kind[0]])
