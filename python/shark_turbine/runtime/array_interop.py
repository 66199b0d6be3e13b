# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""DeviceArray: what calls return. Behaves as a numpy array where a script looks."""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .dtypes import BufferUsage, MemoryType, dtype_of_name
from .hal import HalBufferView, copy_of, host_view


class DeviceArray(NDArrayOperatorsMixin):
    """An array on a device.

    `to_host()` is a view of its memory. Arithmetic, indexing and numpy functions give
    numpy arrays; arithmetic on an array made with implicit_host_transfer=False (the
    default of asdevicearray, not of results) is refused, as in IREE.
    """

    def __init__(
        self, device, buffer_view, implicit_host_transfer=False, override_dtype=None
    ):
        self._device = device
        self._view = buffer_view
        self._tensor = buffer_view._tensor
        self._implicit_host_transfer = implicit_host_transfer
        self._override_dtype = override_dtype and np.dtype(override_dtype)

    @classmethod
    def _wrap(cls, device, tensor, implicit_host_transfer=True):
        self = cls.__new__(cls)
        self._device = device
        self._view = None
        self._tensor = tensor
        self._implicit_host_transfer = implicit_host_transfer
        self._override_dtype = None
        return self

    @property
    def _buffer_view(self):
        if self._view is None:
            self._view = HalBufferView._wrap(self._tensor)
        return self._view

    @property
    def is_host_accessible(self):
        return True

    @property
    def shape(self):
        return self._tensor.shape

    @property
    def ndim(self):
        return len(self._tensor.shape)

    @property
    def size(self):
        return self.to_host().size

    @property
    def nbytes(self):
        return self._tensor.nbytes

    @property
    def dtype(self):
        return self._override_dtype or dtype_of_name(self._tensor.dtype)

    def to_host(self):
        """A numpy view of the array's memory, which it keeps alive."""
        array = host_view(self._tensor)
        if self._override_dtype is None or array.dtype == self._override_dtype:
            return array
        if array.dtype.itemsize == self._override_dtype.itemsize:
            return array.view(self._override_dtype)
        return array.astype(self._override_dtype)

    def _implicit(self):
        if not self._implicit_host_transfer:
            raise ValueError(
                "DeviceArray cannot be implicitly transferred to the host: "
                "if necessary, do an explicit transfer via .to_host()"
            )
        return self.to_host()

    # numpy's protocols.

    def __array__(self, dtype=None, copy=None):
        array = self._implicit()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"seeing {array.dtype} as {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if out is not None:
            kwargs["out"] = tuple(_to_host(o) for o in out)
        return getattr(ufunc, method)(*map(_to_host, inputs), **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return func(*_tree_to_host(args), **_tree_to_host(kwargs))

    # DLPack: torch.from_dlpack(array) shares the memory.

    def __dlpack__(self, **kwargs):
        return self._tensor.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self._tensor.__dlpack_device__()

    # What numpy arrays have and scripts use.

    def astype(self, dtype, casting="unsafe", copy=True):
        return self.to_host().astype(dtype, casting=casting, copy=copy)

    def reshape(self, *shape):
        return self.to_host().reshape(*shape)

    def item(self, *args):
        return self.to_host().item(*args)

    def tolist(self):
        return self.to_host().tolist()

    def __getitem__(self, index):
        return self.to_host()[index]

    def __iter__(self):
        return iter(self.to_host())

    def __len__(self):
        return len(self.to_host())

    def __bool__(self):
        return bool(self.to_host())

    def __float__(self):
        return float(self.to_host())

    def __int__(self):
        return int(self.to_host())

    def __reduce__(self):
        # Copies and pickles are numpy arrays: a device does not travel.
        return _as_is, (self.to_host().copy(),)

    def __repr__(self):
        return f"<IREE DeviceArray: shape={self.shape}, dtype={self.dtype}>"

    __hash__ = None


def _as_is(array):
    return array


def _to_host(x):
    return x._implicit() if isinstance(x, DeviceArray) else x


def _tree_to_host(x):
    if isinstance(x, (list, tuple)):
        return type(x)(_tree_to_host(i) for i in x)
    if isinstance(x, dict):
        return {k: _tree_to_host(v) for k, v in x.items()}
    return _to_host(x)


def asdevicearray(
    device,
    a,
    dtype=None,
    *,
    implicit_host_transfer=False,
    memory_type=MemoryType.DEVICE_LOCAL,
    allowed_usage=BufferUsage.DEFAULT,
    element_type=None,
):
    """A DeviceArray with a copy of `a`: an array, a tensor, a number or nested lists."""
    if isinstance(a, DeviceArray):
        if dtype is None or np.dtype(dtype) == a.dtype:
            return a
        a = a.to_host()
    if dtype is not None or isinstance(a, (list, tuple)):
        a = np.asarray(a, dtype=dtype)
    tensor = copy_of(a, element_type)
    return DeviceArray._wrap(device, tensor, implicit_host_transfer)
