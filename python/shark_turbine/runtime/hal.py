# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Drivers, devices and buffers under the names IREE's HAL gives them.

Both devices compute in host memory, so a buffer is a `_runtime.Tensor` and "mapping" it is
a view. Buffer and memory flags are accepted and remembered; they change nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import _runtime
from . import flags
from .dtypes import (
    BufferCompatibility,
    BufferUsage,
    HalElementType,
    MemoryType,
    dtype_of_name,
    element_type_of_name,
    name_of_element_type,
)
from .queue import HalCommandBuffer, enqueue
from .refs import Referenced
from .timeline import HalSemaphore, HalSemaphoreList

DRIVERS = ("local-sync", "local-task")


class Shape(list[int]):
    """Sizes of a buffer view."""


class HalDevice:
    """Who executes: "local-sync" (the calling thread) or "local-task" (a pool).

    The `queue_` methods do their work once the semaphores to wait for are there, in the
    thread that signals the last of them: at once, if there is nothing to wait for.
    """

    def __init__(self, uri: str, workers: int = 0) -> None:
        self._device = _runtime.Device(uri, workers)

    @property
    def allocator(self) -> HalAllocator:
        return HalAllocator(self)

    @property
    def workers(self) -> int:
        """Threads that take part in a call, the calling one included; may be set."""
        return self._device.workers

    @workers.setter
    def workers(self, n: int) -> None:
        self._device.workers = n

    def create_semaphore(self, initial_value: int = 0) -> HalSemaphore:
        return HalSemaphore(initial_value)

    def queue_alloca(
        self,
        allocation_size: int,
        wait_semaphores: HalSemaphoreList,
        signal_semaphores: HalSemaphoreList,
    ) -> HalBuffer:
        """A buffer of so many bytes, to be used after the signal."""
        buffer = self.allocator.allocate_buffer(
            MemoryType.DEVICE_LOCAL, BufferUsage.DEFAULT, allocation_size
        )
        enqueue(wait_semaphores, signal_semaphores, lambda: None)
        return buffer

    def queue_dealloca(
        self,
        buffer: HalBuffer,
        wait_semaphores: HalSemaphoreList,
        signal_semaphores: HalSemaphoreList,
    ) -> None:
        """Signals in its turn; the memory goes when nobody holds the buffer."""
        enqueue(wait_semaphores, signal_semaphores, lambda: None)

    def queue_copy(
        self,
        source_buffer: HalBuffer,
        target_buffer: HalBuffer,
        wait_semaphores: HalSemaphoreList,
        signal_semaphores: HalSemaphoreList,
    ) -> None:
        """Copies all of the source to the start of the target."""
        commands = HalCommandBuffer(self)
        commands.copy(source_buffer, target_buffer, end=True)
        self.queue_execute(commands, wait_semaphores, signal_semaphores)

    def queue_execute(
        self,
        command_buffer: HalCommandBuffer | Sequence[HalCommandBuffer],
        wait_semaphores: HalSemaphoreList,
        signal_semaphores: HalSemaphoreList,
    ) -> None:
        """Executes one command buffer, or several, one after the other."""
        if isinstance(command_buffer, HalCommandBuffer):
            command_buffer = [command_buffer]
        buffers = list(command_buffer)

        def execute() -> None:
            for b in buffers:
                b._execute()

        enqueue(wait_semaphores, signal_semaphores, execute)

    def create_dlpack_capsule(
        self, buffer_view: HalBufferView, device_type_code: int, device_id: int
    ) -> Any:
        """A capsule that shares the buffer's memory; the device is always the CPU."""
        return buffer_view._tensor.__dlpack__()

    def from_dlpack_capsule(self, capsule: Any) -> HalBufferView:
        """A copy of what a capsule holds."""
        return HalBufferView._wrap(_runtime.Tensor.copy_of(_Capsule(capsule)))

    # Profiling is a tool of its own here (turbine-benchmark-module, _runtime.profile).

    def begin_profiling(
        self, mode: str | None = None, file_path: str | None = None
    ) -> None:
        """Accepted, without effect."""

    def flush_profiling(self) -> None:
        """Accepted, without effect."""

    def end_profiling(self) -> None:
        """Accepted, without effect."""

    def __repr__(self) -> str:
        return self._device.name


class _Capsule:
    """A DLPack capsule dressed as an object that exports it once."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class HalDriver:
    """Makes devices of one kind."""

    def __init__(self, name: str) -> None:
        self._name = name

    @staticmethod
    def query() -> list[str]:
        return list(DRIVERS)

    def query_available_devices(self) -> list[dict[str, Any]]:
        return [{"device_id": 0, "path": "", "name": "default"}]

    def create_default_device(
        self, allocators: Sequence[HalAllocator] | None = None
    ) -> HalDevice:
        return HalDevice(self._name, flags.default_workers())

    def create_device(
        self,
        device_id: int | dict[str, Any],
        params: dict[str, Any] | None = None,
        allocators: Sequence[HalAllocator] | None = None,
    ) -> HalDevice:
        """Of a number or a row of query_available_devices."""
        if isinstance(device_id, dict):
            device_id = device_id["device_id"]
        if device_id != 0:
            raise ValueError(
                f"driver '{self._name}' has one device, 0; got {device_id}"
            )
        return self.create_default_device()

    def create_device_by_uri(
        self, device_uri: str, allocators: Sequence[HalAllocator] | None = None
    ) -> HalDevice:
        return HalDevice(device_uri, flags.default_workers())

    def dump_device_info(self, device_id: int) -> str:
        device = self.create_device(device_id)
        return f"{device}: {device.workers} workers"

    def __repr__(self) -> str:
        return f"<HalDriver {self._name}>"


class MappedMemory:
    """Host memory of a buffer."""

    def __init__(self, tensor: _runtime.Tensor) -> None:
        self._tensor = tensor

    def asarray(self, shape: Iterable[int], numpy_dtype_descr: Any) -> np.ndarray:
        """A numpy view of the memory."""
        flat = np.asarray(self._tensor.view("ui8", [self._tensor.nbytes]))
        return flat.view(np.dtype(numpy_dtype_descr)).reshape(tuple(shape))

    def __buffer__(self, flags_: int) -> memoryview:
        return memoryview(self._tensor)


class HalBuffer(Referenced):
    """Untyped memory."""

    def __init__(
        self, tensor: _runtime.Tensor, memory_type: int, allowed_usage: int
    ) -> None:
        self._tensor = tensor
        self._memory_type = int(memory_type)
        self._allowed_usage = int(allowed_usage)

    def byte_length(self) -> int:
        return self._tensor.nbytes

    def memory_type(self) -> int:
        return self._memory_type

    def allowed_usage(self) -> int:
        return self._allowed_usage

    def fill_zero(self, byte_offset: int, byte_length: int) -> None:
        end = byte_offset + byte_length
        if byte_offset < 0 or byte_length < 0 or end > self.byte_length():
            raise ValueError(
                f"range [{byte_offset}, {end}) outside buffer of {self.byte_length()}"
            )
        np.asarray(self._tensor)[byte_offset:end] = 0

    def create_view(self, shape: Sequence[int], element_size: int) -> HalBufferView:
        opaque = {1: 0x8, 2: 0x10, 4: 0x20, 8: 0x40}[element_size]
        return HalBufferView(self, shape, opaque)

    def map(self) -> MappedMemory:
        return MappedMemory(self._tensor)

    def __repr__(self) -> str:
        return f"<HalBuffer {self.byte_length()} bytes>"


_OPAQUE = {0x8: "ui8", 0x10: "ui16", 0x20: "ui32", 0x40: "ui64"}


class HalBufferView(Referenced):
    """A typed, dense tensor in a buffer."""

    def __init__(
        self,
        buffer: HalBuffer,
        shape: Sequence[int],
        element_type: HalElementType | int,
    ) -> None:
        name = name_of_element_type(element_type) or _OPAQUE.get(int(element_type))
        if name is None:
            raise ValueError(f"element type {element_type!r} is not supported")
        self._data: _runtime.Tensor | None = buffer._tensor.view(name, list(shape))
        self._result: Callable[[], _runtime.Tensor] | None = None
        self._buffer: HalBuffer | None = buffer
        self._element_type: int | None = int(element_type)

    @classmethod
    def _wrap(cls, tensor: _runtime.Tensor) -> HalBufferView:
        self = cls.__new__(cls)
        self._data = tensor
        self._buffer = None
        self._element_type = None
        return self

    @classmethod
    def _later(cls, result: Callable[[], _runtime.Tensor]) -> HalBufferView:
        """Of a call that has yet to run; looking inside waits for it."""
        self = cls.__new__(cls)
        self._data = None
        self._result = result
        self._buffer = None
        self._element_type = None
        return self

    @property
    def _tensor(self) -> _runtime.Tensor:
        if self._data is None:
            assert self._result is not None
            self._data = self._result()
            self._result = None
        return self._data

    @property
    def shape(self) -> list[int]:
        return self._tensor.shape

    @property
    def element_type(self) -> int:
        if self._element_type is None:
            self._element_type = int(element_type_of_name(self._tensor.dtype))
        return self._element_type

    @property
    def byte_length(self) -> int:
        return self._tensor.nbytes

    def get_buffer(self) -> HalBuffer:
        if self._buffer is None:
            flat = self._tensor.view("ui8", [self._tensor.nbytes])
            self._buffer = HalBuffer(
                flat,
                MemoryType.DEVICE_LOCAL | MemoryType.HOST_VISIBLE,
                BufferUsage.DEFAULT,
            )
        return self._buffer

    def map(self) -> MappedMemory:
        return MappedMemory(self._tensor)

    def __repr__(self) -> str:
        dims = ", ".join(map(str, self.shape))
        return (
            f"<HalBufferView ({dims}), element_type=0x{self.element_type:08x}, "
            f"{self.byte_length} bytes>"
        )


class HalAllocator:
    """Makes buffers."""

    def __init__(self, device: HalDevice) -> None:
        self._device = device

    def allocate_buffer(
        self,
        memory_type: int,
        allowed_usage: int,
        allocation_size: int,
    ) -> HalBuffer:
        """A buffer of zeros."""
        tensor = _runtime.Tensor("ui8", [allocation_size])
        return HalBuffer(tensor, memory_type, allowed_usage)

    def allocate_buffer_copy(
        self,
        memory_type: int,
        allowed_usage: int,
        device: HalDevice | None = None,
        buffer: Any = None,
        element_type: HalElementType | int | None = None,
    ) -> HalBuffer | HalBufferView:
        """A copy of a host array: a HalBuffer, or a HalBufferView if typed."""
        tensor = copy_of(buffer, element_type)
        raw = HalBuffer(tensor.view("ui8", [tensor.nbytes]), memory_type, allowed_usage)
        if element_type is None:
            return raw
        return HalBufferView(raw, tensor.shape, element_type)

    def allocate_host_staging_buffer_copy(
        self, device: HalDevice, initial_contents: Any
    ) -> HalBuffer:
        tensor = copy_of(initial_contents)
        flat = tensor.view("ui8", [tensor.nbytes])
        return HalBuffer(flat, MemoryType.HOST_LOCAL, BufferUsage.TRANSFER)

    def import_host_allocation(
        self, buffer_obj: Any, memory_type: int, allowed_usage: int
    ) -> HalBuffer:
        """A buffer over the memory of a dense, writable array, which it keeps alive."""
        return HalBuffer(_runtime.Tensor.over(buffer_obj), memory_type, allowed_usage)

    def query_buffer_compatibility(
        self,
        memory_type: int,
        allowed_usage: int,
        intended_usage: int,
        allocation_size: int,
    ) -> int:
        return int(
            BufferCompatibility.ALLOCATABLE
            | BufferCompatibility.IMPORTABLE
            | BufferCompatibility.EXPORTABLE
            | BufferCompatibility.QUEUE_TRANSFER
            | BufferCompatibility.QUEUE_DISPATCH
        )

    def trim(self) -> None:
        """Nothing is pooled here, so there is nothing to give back."""

    @property
    def has_statistics(self) -> bool:
        return False

    @property
    def statistics(self) -> dict[str, int]:
        """Empty: memory comes from and goes to the system, uncounted."""
        return {}

    @property
    def formatted_statistics(self) -> str:
        return ""


def copy_of(
    array: Any, element_type: HalElementType | int | None = None
) -> _runtime.Tensor:
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


def host_view(tensor: _runtime.Tensor) -> np.ndarray:
    """numpy's view of a `_runtime.Tensor`."""
    array = np.asarray(tensor)
    if tensor.dtype == "bf16":
        array = array.view(dtype_of_name("bf16"))
    return array
