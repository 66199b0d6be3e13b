# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies and fills that wait for semaphores, and semaphores in an asyncio loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import timeline
from .refs import Referenced

if TYPE_CHECKING:
    import asyncio

    from .hal import HalBuffer, HalDevice


def enqueue(
    wait: timeline.HalSemaphoreList | None,
    signal: timeline.HalSemaphoreList | None,
    work: Callable[[], None],
) -> None:
    """Does `work` after `wait` and signals `signal`. If that is now, errors are raised
    here; if it is later, they fail what would have been signaled."""
    if timeline.are_reached(wait):
        work()
        timeline.signal(signal)
        return

    def later(failure: str | None) -> None:
        if failure is None:
            try:
                work()
            except Exception as e:
                failure = str(e)
        timeline.signal(signal, failure)

    timeline.after(wait, later)


def _bytes_of(buffer: HalBuffer) -> np.ndarray:
    return np.asarray(buffer._tensor)


def _range(buffer: HalBuffer, offset: int, length: int) -> slice:
    end = offset + length
    if offset < 0 or length < 0 or end > buffer.byte_length():
        raise ValueError(
            f"range [{offset}, {end}) outside a buffer of {buffer.byte_length()} bytes"
        )
    return slice(offset, end)


class HalCommandBuffer(Referenced):
    """Fills and copies, recorded to be executed by HalDevice.queue_execute, any number of
    times."""

    def __init__(
        self, device: HalDevice, binding_capacity: int = 0, begin: bool = True
    ) -> None:
        del device, binding_capacity
        self._commands: list[Callable[[], None]] = []
        self._is_recording = False
        if begin:
            self.begin()

    def begin(self) -> None:
        """Starts recording anew; RuntimeError while it does already."""
        if self._is_recording:
            raise RuntimeError("FAILED_PRECONDITION: the command buffer is recording")
        self._commands = []
        self._is_recording = True

    def end(self) -> None:
        self._check_recording()
        self._is_recording = False

    def _check_recording(self) -> None:
        if not self._is_recording:
            raise RuntimeError(
                "FAILED_PRECONDITION: the command buffer is not recording: begin() it"
            )

    def _record(self, command: Callable[[], None], end: bool) -> None:
        self._check_recording()
        self._commands.append(command)
        if end:
            self.end()

    def copy(
        self,
        source_buffer: HalBuffer,
        target_buffer: HalBuffer,
        source_offset: int = 0,
        target_offset: int = 0,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Copies bytes; without `length`, the rest of the source."""
        if length is None:
            length = source_buffer.byte_length() - source_offset
        taken = _range(source_buffer, source_offset, length)
        place = _range(target_buffer, target_offset, length)

        def command() -> None:
            _bytes_of(target_buffer)[place] = _bytes_of(source_buffer)[taken]

        self._record(command, end)

    def fill(
        self,
        target_buffer: HalBuffer,
        pattern: Any,
        target_offset: int = 0,
        length: int | None = None,
        end: bool = False,
    ) -> None:
        """Repeats a pattern of 1, 2, 4 or 8 bytes; without `length`, over the rest."""
        value = np.frombuffer(bytes(memoryview(pattern).cast("B")), np.uint8)
        if len(value) not in (1, 2, 4, 8):
            raise ValueError(
                f"fill: expected a pattern of 1, 2, 4 or 8 bytes, found {len(value)}"
            )
        if length is None:
            length = target_buffer.byte_length() - target_offset
        if length % len(value):
            raise ValueError(
                f"fill: {length} bytes are no multiple of a pattern of {len(value)}"
            )
        place = _range(target_buffer, target_offset, length)

        def command() -> None:
            _bytes_of(target_buffer)[place] = np.tile(value, length // len(value))

        self._record(command, end)

    def _execute(self) -> None:
        for command in self._commands:
            command()


class HalDeviceLoopBridge:
    """Semaphores as futures of an asyncio loop."""

    def __init__(self, device: HalDevice, loop: asyncio.AbstractEventLoop) -> None:
        del device
        self._loop = loop
        self._is_stopped = False

    def stop(self) -> None:
        """Futures that are not done yet stay so."""
        self._is_stopped = True

    def on_semaphore(
        self, semaphore: timeline.HalSemaphore, payload: int, value: Any
    ) -> asyncio.Future[Any]:
        """A future that has `value` for result once the semaphore is at `payload`."""
        if self._is_stopped:
            raise RuntimeError("the bridge was stopped")
        future = self._loop.create_future()

        def settle(failure: str | None) -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(value)
            else:
                future.set_exception(RuntimeError(failure))

        def reached(failure: str | None) -> None:
            if not self._is_stopped:
                self._loop.call_soon_threadsafe(settle, failure)

        semaphore._when(payload, reached)
        return future
