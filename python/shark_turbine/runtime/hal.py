# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Drivers, devices and buffers under the names IREE's HAL gives them.

Both devices compute in host memory, so a buffer is a `_runtime.Tensor` and "mapping" it is
a view. Buffer and memory flags are accepted and remembered; they change nothing here.
"""

import numpy as np

from .. import _runtime
from . import flags
from .dtypes import (
    BufferCompatibility,
    BufferUsage,
    MemoryType,
    dtype_of_name,
    element_type_of_name,
    name_of_element_type,
)

DRIVERS = ("local-sync", "local-task")


class Shape(list):
    """Sizes of a buffer view."""


class HalDevice:
    """Who executes: "local-sync" (the calling thread) or "local-task" (a pool)."""

    def __init__(self, uri, workers=0):
        self._device = _runtime.Device(uri, workers)

    @property
    def allocator(self):
        return HalAllocator(self)

    @property
    def workers(self):
        """Threads that take part in a call, the calling one included; may be set."""
        return self._device.workers

    @workers.setter
    def workers(self, n):
        self._device.workers = n

    def create_dlpack_capsule(self, buffer_view, device_type_code, device_id):
        return buffer_view._tensor.__dlpack__()

    def from_dlpack_capsule(self, capsule):
        return HalBufferView._wrap(_runtime.Tensor.copy_of(_Capsule(capsule)))

    def __repr__(self):
        return self._device.name


class _Capsule:
    """A DLPack capsule dressed as an object that exports it once."""

    def __init__(self, capsule):
        self._capsule = capsule

    def __dlpack__(self, **kwargs):
        return self._capsule

    def __dlpack_device__(self):
        return (1, 0)


class HalDriver:
    def __init__(self, name):
        self._name = name

    @staticmethod
    def query():
        return list(DRIVERS)

    def query_available_devices(self):
        return [{"device_id": 0, "path": "", "name": "default"}]

    def create_default_device(self, allocators=None):
        return HalDevice(self._name, flags.default_workers())

    def create_device(self, device_id, params=None, allocators=None):
        if isinstance(device_id, dict):
            device_id = device_id["device_id"]
        if device_id != 0:
            raise ValueError(
                f"driver '{self._name}' has one device, 0; got {device_id}"
            )
        return self.create_default_device()

    def create_device_by_uri(self, device_uri, allocators=None):
        return HalDevice(device_uri, flags.default_workers())

    def dump_device_info(self, device_id):
        device = self.create_device(device_id)
        return f"{device}: {device.workers} workers"

    def __repr__(self):
        return f"<HalDriver {self._name}>"


class MappedMemory:
    """Host memory of a buffer."""

    def __init__(self, tensor):
        self._tensor = tensor

    def asarray(self, shape, numpy_dtype_descr):
        flat = np.asarray(self._tensor.view("ui8", [self._tensor.nbytes]))
        return flat.view(np.dtype(numpy_dtype_descr)).reshape(tuple(shape))

    def __buffer__(self, flags_):
        return memoryview(self._tensor)


class HalBuffer:
    """Untyped memory."""

    def __init__(self, tensor, memory_type, allowed_usage):
        self._tensor = tensor
        self._memory_type = int(memory_type)
        self._allowed_usage = int(allowed_usage)

    def byte_length(self):
        return self._tensor.nbytes

    def memory_type(self):
        return self._memory_type

    def allowed_usage(self):
        return self._allowed_usage

    def fill_zero(self, byte_offset, byte_length):
        end = byte_offset + byte_length
        if byte_offset < 0 or byte_length < 0 or end > self.byte_length():
            raise ValueError(
                f"range [{byte_offset}, {end}) outside buffer of {self.byte_length()}"
            )
        np.asarray(self._tensor)[byte_offset:end] = 0

    def create_view(self, shape, element_size):
        opaque = {1: 0x8, 2: 0x10, 4: 0x20, 8: 0x40}[element_size]
        return HalBufferView(self, shape, opaque)

    def map(self):
        return MappedMemory(self._tensor)

    def __repr__(self):
        return f"<HalBuffer {self.byte_length()} bytes>"


_OPAQUE = {0x8: "ui8", 0x10: "ui16", 0x20: "ui32", 0x40: "ui64"}


class HalBufferView:
    """A typed, dense tensor in a buffer."""

    def __init__(self, buffer, shape, element_type):
        name = name_of_element_type(element_type) or _OPAQUE.get(int(element_type))
        if name is None:
            raise ValueError(f"element type {element_type!r} is not supported")
        self._tensor = buffer._tensor.view(name, list(shape))
        self._buffer = buffer
        self._element_type = int(element_type)

    @classmethod
    def _wrap(cls, tensor):
        self = cls.__new__(cls)
        self._tensor = tensor
        self._buffer = None
        self._element_type = int(element_type_of_name(tensor.dtype))
        return self

    @property
    def shape(self):
        return self._tensor.shape

    @property
    def element_type(self):
        return self._element_type

    @property
    def byte_length(self):
        return self._tensor.nbytes

    def get_buffer(self):
        if self._buffer is None:
            flat = self._tensor.view("ui8", [self._tensor.nbytes])
            self._buffer = HalBuffer(
                flat,
                MemoryType.DEVICE_LOCAL | MemoryType.HOST_VISIBLE,
                BufferUsage.DEFAULT,
            )
        return self._buffer

    def map(self):
        return MappedMemory(self._tensor)

    def __repr__(self):
        dims = ", ".join(map(str, self.shape))
        return (
            f"<HalBufferView ({dims}), element_type=0x{self._element_type:08x}, "
            f"{self.byte_length} bytes>"
        )


class HalAllocator:
    def __init__(self, device):
        self._device = device

    def allocate_buffer(self, memory_type, allowed_usage, allocation_size):
        tensor = _runtime.Tensor("ui8", [allocation_size])
        return HalBuffer(tensor, memory_type, allowed_usage)

    def allocate_buffer_copy(
        self, memory_type, allowed_usage, device, buffer, element_type=None
    ):
        """A copy of a host array: a HalBuffer, or a HalBufferView if typed."""
        tensor = copy_of(buffer, element_type)
        raw = HalBuffer(tensor.view("ui8", [tensor.nbytes]), memory_type, allowed_usage)
        if element_type is None:
            return raw
        return HalBufferView(raw, tensor.shape, element_type)

    def allocate_host_staging_buffer_copy(self, device, initial_contents):
        return self.allocate_buffer_copy(
            MemoryType.HOST_LOCAL, BufferUsage.TRANSFER, device, initial_contents
        )

    def query_buffer_compatibility(
        self, memory_type, allowed_usage, intended_usage, allocation_size
    ):
        return int(
            BufferCompatibility.ALLOCATABLE
            | BufferCompatibility.QUEUE_TRANSFER
            | BufferCompatibility.QUEUE_DISPATCH
        )

    def trim(self):
        """Nothing is pooled here, so there is nothing to give back."""

    @property
    def has_statistics(self):
        return False


def copy_of(array, element_type=None):
    """A dense `_runtime.Tensor` with the content of an array; `element_type` may see the
    bits as another type of the same size (uint16 as BFLOAT_16)."""
    name = None if element_type is None else name_of_element_type(element_type)
    if element_type is not None and name is None:
        name = _OPAQUE.get(int(element_type))
        if name is None:
            raise ValueError(f"element type {element_type!r} is not supported")
    if isinstance(array, (bytes, bytearray, memoryview)):
        array = np.frombuffer(array, np.uint8)
    return _runtime.Tensor.copy_of(array, name)


def host_view(tensor):
    """numpy's view of a `_runtime.Tensor`."""
    array = np.asarray(tensor)
    if tensor.dtype == "bf16":
        array = array.view(dtype_of_name("bf16"))
    return array
