# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""References as IREE's VM hands them around: `x.ref`, VmRef.deref, casts of a VmRef."""

from __future__ import annotations

from typing import Any, TypeVar

_T = TypeVar("_T")


class VmRef:
    """A reference to an object in a VmVariantList."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def isinstance(self, ref_type: type) -> bool:
        return isinstance(self._value, ref_type)

    def deref(self, value: type[_T], optional: bool = False) -> _T | None:
        """The object; ValueError (or None, if `optional`) if it is of another type."""
        if isinstance(self._value, value):
            return self._value
        if optional:
            return None
        raise ValueError(
            f"expected a {value.__name__}, found a {type(self._value).__name__}"
        )

    @property
    def __iree_vm_ref__(self) -> VmRef:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VmRef) and self._value is other._value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<VmRef {self._value!r}>"


class Referenced:
    """Base of what a VmVariantList can hold a reference to."""

    @property
    def ref(self) -> VmRef:
        return VmRef(self)

    @property
    def __iree_vm_ref__(self) -> VmRef:
        return VmRef(self)

    @classmethod
    def __iree_vm_cast__(cls, ref: Any) -> Any:
        """The object behind a reference, or None if it is of another type."""
        return ref.__iree_vm_ref__.deref(cls, True)


class VmBuffer(Referenced):
    """Bytes of the VM: zeros at first; memoryview(buffer) reads and, if the buffer is
    mutable, writes them."""

    def __new__(cls, length: int, alignment: int = 0, mutable: bool = True) -> Any:
        del alignment  # Python's bytes are aligned
        kind: Any = _Mutable if mutable else _Immutable
        return kind.__new__(kind, length)

    def __init__(self, length: int, alignment: int = 0, mutable: bool = True) -> None:
        pass

    def __repr__(self) -> str:
        return f"<VmBuffer size {len(self)}>"  # type: ignore[arg-type]


class _Mutable(VmBuffer, bytearray):
    def __new__(cls, length: int, *_: Any, **__: Any) -> Any:
        self = bytearray.__new__(cls)
        bytearray.__init__(self, length)
        return self


class _Immutable(VmBuffer, bytes):
    def __new__(cls, length: int, *_: Any, **__: Any) -> Any:
        return bytes.__new__(cls, length)
