# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Element types and the HAL's enumerations, with IREE's numeric values."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import numpy as np

from .. import _runtime

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class HalElementType(enum.IntEnum):
    """Element types; the low byte is the size in bits, the high byte the number's kind."""

    NONE = 0x0
    OPAQUE_8 = 0x8
    OPAQUE_16 = 0x10
    OPAQUE_32 = 0x20
    OPAQUE_64 = 0x40
    INT_4 = 0x10000004
    INT_8 = 0x10000008
    INT_16 = 0x10000010
    INT_32 = 0x10000020
    INT_64 = 0x10000040
    SINT_4 = 0x11000004
    SINT_8 = 0x11000008
    SINT_16 = 0x11000010
    SINT_32 = 0x11000020
    SINT_64 = 0x11000040
    UINT_4 = 0x12000004
    UINT_8 = 0x12000008
    UINT_16 = 0x12000010
    UINT_32 = 0x12000020
    UINT_64 = 0x12000040
    BOOL_8 = 0x13000008
    FLOAT_16 = 0x21000010
    FLOAT_32 = 0x21000020
    FLOAT_64 = 0x21000040
    BFLOAT_16 = 0x22000010
    COMPLEX_64 = 0x23000040
    COMPLEX_128 = 0x23000080
    FLOAT_8_E5M2 = 0x24000008
    FLOAT_8_E4M3_FN = 0x25000008
    FLOAT_8_E5M2_FNUZ = 0x26000008
    FLOAT_8_E4M3_FNUZ = 0x27000008
    FLOAT_8_E8M0_FNU = 0x28000008

    @staticmethod
    def map_to_dtype(element_type: int) -> np.dtype:
        """The numpy dtype of an element type."""
        name = name_of_element_type(element_type)
        if name is None:
            raise ValueError(f"element type {element_type!r} has no numpy dtype")
        return dtype_of_name(name)

    @staticmethod
    def is_byte_aligned(element_type: int) -> bool:
        return (int(element_type) & 0xFF) % 8 == 0

    @staticmethod
    def dense_byte_count(element_type: int) -> int:
        return ((int(element_type) & 0xFF) + 7) // 8


class MemoryType(enum.IntFlag):
    NONE = 0x0
    OPTIMAL = 0x1
    HOST_VISIBLE = 0x2
    HOST_COHERENT = 0x4
    HOST_CACHED = 0x8
    HOST_LOCAL = 0x46
    DEVICE_VISIBLE = 0x10
    DEVICE_LOCAL = 0x30


class BufferUsage(enum.IntFlag):
    NONE = 0x0
    TRANSFER_SOURCE = 0x1
    TRANSFER_TARGET = 0x2
    TRANSFER = 0x3
    DISPATCH_INDIRECT_PARAMETERS = 0x100
    DISPATCH_UNIFORM_READ = 0x200
    DISPATCH_STORAGE_READ = 0x400
    DISPATCH_STORAGE_WRITE = 0x800
    DISPATCH_STORAGE = 0xC00
    DISPATCH_IMAGE_READ = 0x1000
    DISPATCH_IMAGE_WRITE = 0x2000
    DISPATCH_IMAGE = 0x3000
    SHARING_EXPORT = 0x10000
    SHARING_REPLICATE = 0x20000
    SHARING_CONCURRENT = 0x40000
    SHARING_IMMUTABLE = 0x80000
    MAPPING_SCOPED = 0x1000000
    MAPPING_PERSISTENT = 0x2000000
    MAPPING_OPTIONAL = 0x4000000
    MAPPING_ACCESS_RANDOM = 0x8000000
    MAPPING_ACCESS_SEQUENTIAL_WRITE = 0x10000000
    MAPPING = 0x9000000
    DEFAULT = 0xC03


class MemoryAccess(enum.IntFlag):
    NONE = 0x0
    READ = 0x1
    WRITE = 0x2
    DISCARD = 0x4
    DISCARD_WRITE = 0x6
    ALL = 0x7


class BufferCompatibility(enum.IntFlag):
    NONE = 0x0
    ALLOCATABLE = 0x1
    IMPORTABLE = 0x2
    EXPORTABLE = 0x4
    QUEUE_TRANSFER = 0x400
    QUEUE_DISPATCH = 0x800


# name in our runtime -> (numpy dtype, IREE's element type, further element types taken)
_E = HalElementType
_TABLE: dict[str, tuple[str | None, _E, tuple[_E, ...]]] = {
    "i1": ("bool", _E.BOOL_8, ()),
    "ui8": ("uint8", _E.UINT_8, ()),
    "i8": ("int8", _E.SINT_8, (_E.INT_8,)),
    "i16": ("int16", _E.SINT_16, (_E.INT_16,)),
    "i32": ("int32", _E.SINT_32, (_E.INT_32,)),
    "i64": ("int64", _E.SINT_64, (_E.INT_64,)),
    "f16": ("float16", _E.FLOAT_16, ()),
    "bf16": (None, _E.BFLOAT_16, ()),
    "f32": ("float32", _E.FLOAT_32, ()),
    "f64": ("float64", _E.FLOAT_64, ()),
    "complex<f32>": ("complex64", _E.COMPLEX_64, ()),
    "complex<f64>": ("complex128", _E.COMPLEX_128, ()),
    "ui16": ("uint16", _E.UINT_16, ()),
    "ui32": ("uint32", _E.UINT_32, ()),
    "ui64": ("uint64", _E.UINT_64, ()),
}
assert set(_TABLE) == {name for name, _, _ in _runtime.DTYPES}

_NUMPY: dict[str, np.dtype] = {
    name: np.dtype(row[0]) for name, row in _TABLE.items() if row[0]
}
_NAME = {dtype: name for name, dtype in _NUMPY.items()}
_BY_ELEMENT = {
    int(e): name for name, (_, first, more) in _TABLE.items() for e in (first, *more)
}


def _bfloat16() -> np.dtype:
    """numpy has no bfloat16. ml_dtypes adds one; without it the bits show as uint16."""
    try:
        import ml_dtypes  # type: ignore[import-not-found]
    except ImportError:
        return np.dtype(np.uint16)
    return np.dtype(ml_dtypes.bfloat16)


def dtype_of_name(name: str) -> np.dtype:
    """numpy dtype of "f32"."""
    dtype = _NUMPY.get(name)
    if dtype is None:
        dtype = _NUMPY[name] = _bfloat16()
    return dtype


def name_of_dtype(dtype: DTypeLike) -> str | None:
    """ "f32" of a numpy dtype, or None."""
    dtype = np.dtype(dtype)
    return "bf16" if dtype.name == "bfloat16" else _NAME.get(dtype)


def name_of_element_type(element_type: int) -> str | None:
    """ "f32" of HalElementType.FLOAT_32 or its number, or None."""
    return _BY_ELEMENT.get(int(element_type))


def element_type_of_name(name: str) -> HalElementType:
    return _TABLE[name][1]


# Under this name IREE has it.
DTYPE_TO_ABI_TYPE = dict(_NAME)
