# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""DeviceArray: what calls return. Behaves as a numpy array where a script looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .. import _runtime
from .dtypes import BufferUsage, HalElementType, MemoryType, dtype_of_name
from .hal import HalBufferView, HalDevice, copy_of, host_view

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class DeviceArray(NDArrayOperatorsMixin):
    """An array on a device.

    `to_host()` is a view of its memory. Arithmetic, indexing and numpy functions give
    numpy arrays; arithmetic on an array made with implicit_host_transfer=False (the
    default of asdevicearray, not of results) is refused, as in IREE.
    """

    def __init__(
        self,
        device: HalDevice | None,
        buffer_view: HalBufferView,
        implicit_host_transfer: bool = False,
        override_dtype: DTypeLike | None = None,
    ) -> None:
        self._device = device
        self._view: HalBufferView | None = buffer_view
        self._tensor = buffer_view._tensor
        self._implicit_host_transfer = implicit_host_transfer
        self._was_mapped = False
        self._override_dtype: np.dtype | None = (
            None if override_dtype is None else np.dtype(override_dtype)
        )

    @classmethod
    def _wrap(
        cls,
        device: HalDevice | None,
        tensor: _runtime.Tensor,
        implicit_host_transfer: bool = True,
    ) -> DeviceArray:
        self = cls.__new__(cls)
        self._device = device
        self._view = None
        self._tensor = tensor
        self._implicit_host_transfer = implicit_host_transfer
        self._override_dtype = None
        self._was_mapped = False
        return self

    @property
    def _buffer_view(self) -> HalBufferView:
        if self._view is None:
            self._view = HalBufferView._wrap(self._tensor)
        return self._view

    @property
    def is_host_accessible(self) -> bool:
        """Whether the host has looked at it. Its memory is the host's in any case."""
        return self._was_mapped

    @property
    def shape(self) -> list[int]:
        return self._tensor.shape

    @property
    def ndim(self) -> int:
        return len(self._tensor.shape)

    @property
    def size(self) -> int:
        return self.to_host().size

    @property
    def nbytes(self) -> int:
        return self._tensor.nbytes

    @property
    def dtype(self) -> np.dtype:
        return self._override_dtype or dtype_of_name(self._tensor.dtype)

    def to_host(self) -> np.ndarray:
        """A numpy view of the array's memory, which it keeps alive."""
        self._was_mapped = True
        array = host_view(self._tensor)
        if self._override_dtype is None or array.dtype == self._override_dtype:
            return array
        return array.astype(self._override_dtype)

    def _implicit(self) -> np.ndarray:
        if not self._implicit_host_transfer:
            raise ValueError(
                "DeviceArray cannot be implicitly transferred to the host: "
                "if necessary, do an explicit transfer via .to_host()"
            )
        return self.to_host()

    # numpy's protocols.

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> np.ndarray:
        array = self._implicit()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"seeing {array.dtype} as {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        if out is not None:
            kwargs["out"] = tuple(_to_host(o) for o in out)
        return getattr(ufunc, method)(*map(_to_host, inputs), **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*_tree_to_host(args), **_tree_to_host(kwargs))

    # DLPack: torch.from_dlpack(array) shares the memory.

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._tensor.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._tensor.__dlpack_device__()

    # What numpy arrays have and scripts use.

    def astype(
        self, dtype: DTypeLike, casting: Any = "unsafe", copy: bool = True
    ) -> Any:
        """A numpy array of another type; the array itself if nothing is to be done."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        return self.to_host().astype(dtype, casting=casting, copy=copy)

    def reshape(self, *shape: Any) -> np.ndarray:
        return self.to_host().reshape(*shape)

    def item(self, *args: SupportsIndex) -> Any:
        return self.to_host().item(*args)

    def tolist(self) -> Any:
        return self.to_host().tolist()

    def __getitem__(self, index: Any) -> Any:
        return self.to_host()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_host())

    def __len__(self) -> int:
        return len(self.to_host())

    def __bool__(self) -> bool:
        return bool(self.to_host())

    def __float__(self) -> float:
        return float(self.to_host())

    def __int__(self) -> int:
        return int(self.to_host())

    def __reduce__(self) -> tuple[Any, ...]:
        # Copies and pickles are numpy arrays: a device does not travel.
        return _as_is, (self.to_host().copy(),)

    def __repr__(self) -> str:
        return f"<IREE DeviceArray: shape={self.shape}, dtype={self.dtype}>"

    __hash__ = None  # type: ignore[assignment]


def _as_is(array: np.ndarray) -> np.ndarray:
    return array


def _to_host(x: Any) -> Any:
    return x._implicit() if isinstance(x, DeviceArray) else x


def _tree_to_host(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(_tree_to_host(i) for i in x)
    if isinstance(x, dict):
        return {k: _tree_to_host(v) for k, v in x.items()}
    return _to_host(x)


def asdevicearray(
    device: HalDevice | None,
    a: Any,
    dtype: DTypeLike | None = None,
    *,
    implicit_host_transfer: bool = False,
    memory_type: int = MemoryType.DEVICE_LOCAL,
    allowed_usage: int = BufferUsage.DEFAULT,
    element_type: HalElementType | int | None = None,
) -> DeviceArray:
    """A DeviceArray with a copy of `a`: an array, a tensor, a number or nested lists."""
    if isinstance(a, DeviceArray):
        if dtype is None or np.dtype(dtype) == a.dtype:
            return a
        a = a.to_host()
    if dtype is not None or isinstance(a, (list, tuple)):
        a = np.asarray(a, dtype=dtype)
    tensor = copy_of(a, element_type)
    return DeviceArray._wrap(device, tensor, implicit_host_transfer)
