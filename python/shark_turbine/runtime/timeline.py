# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Semaphores and fences: who waits for whom.

A semaphore is a number that only grows; a timepoint is a semaphore and a value it has to
reach; a fence is a set of timepoints. `after` runs an action once timepoints are reached.
A semaphore that failed stays so: who waits for it gets the message.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from .refs import Referenced

_Watcher = Callable[[str | None], None]


class SemaphoreCompatibility(enum.IntFlag):
    NONE = 0
    HOST_WAIT = 1
    DEVICE_WAIT = 2
    HOST_SIGNAL = 4
    DEVICE_SIGNAL = 8
    HOST_ONLY = 5
    DEVICE_ONLY = 10
    ALL = 15


class ExternalTimepointType(enum.IntEnum):
    NONE = 0
    ASYNC_PRIMITIVE = 1
    CUDA_EVENT = 2
    HIP_EVENT = 3


class ExternalTimepointFlags(enum.IntFlag):
    NONE = 0


class HalExternalTimepoint:
    """A timepoint of another system, such as an event of a GPU. CPU devices have none."""

    def __init__(self) -> None:
        self.type = ExternalTimepointType.NONE
        self.flags = ExternalTimepointFlags.NONE
        self.compatibility = SemaphoreCompatibility.NONE
        self.cuda_event = 0
        self.hip_event = 0


def _deadline(timeout: int | None, deadline: int | None) -> float | None:
    """time.monotonic() at which waiting ends. Both are in nanoseconds: `timeout` from now,
    `deadline` since the epoch."""
    if timeout is not None and deadline is not None:
        raise ValueError("timeout and deadline cannot both be set")
    if deadline is not None:
        timeout = deadline - time.time_ns()
    return None if timeout is None else time.monotonic() + timeout * 1e-9


class HalSemaphore(Referenced):
    """A number that grows. Thread-safe."""

    def __init__(self, initial_value: int = 0) -> None:
        self._value = initial_value
        self._failure: str | None = None
        self._changed = threading.Condition()
        self._watchers: list[tuple[int, _Watcher]] = []

    def query(self) -> int:
        """The present value; RuntimeError if the semaphore failed."""
        with self._changed:
            if self._failure is not None:
                raise RuntimeError(f"querying semaphore: {self._failure}")
            return self._value

    def signal(self, new_value: int) -> None:
        """Raises the value; ValueError if it is there already. A failed one stays so."""
        with self._changed:
            if self._failure is not None:
                return
            if new_value <= self._value:
                raise ValueError(
                    f"signaling semaphore: already signaled past {self._value}"
                )
            self._value = new_value
            called = [fn for v, fn in self._watchers if v <= new_value]
            self._watchers = [w for w in self._watchers if w[0] > new_value]
            self._changed.notify_all()
        for fn in called:
            fn(None)

    def fail(self, message: str) -> None:
        """Whoever waits, now or later, gets a RuntimeError with the message."""
        with self._changed:
            if self._failure is not None:
                return
            self._failure = message
            called, self._watchers = self._watchers, []
            self._changed.notify_all()
        for _, fn in called:
            fn(message)

    def wait(
        self, payload: int, timeout: int | None = None, deadline: int | None = None
    ) -> bool:
        """Waits until the value is `payload` or more; False if time is up before.

        Times are in nanoseconds; `deadline` counts from the epoch.
        """
        return self._wait_until(payload, _deadline(timeout, deadline), "semaphore")

    def _wait_until(self, payload: int, end: float | None, what: str) -> bool:
        with self._changed:
            while self._failure is None and self._value < payload:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            if self._failure is not None:
                raise RuntimeError(f"synchronous {what} failure: {self._failure}")
            return True

    def _when(self, payload: int, fn: _Watcher) -> None:
        """fn(failure or None) once the value is reached: now, or by whoever signals."""
        with self._changed:
            failure = self._failure
            if failure is None and self._value < payload:
                self._watchers.append((payload, fn))
                return
        fn(failure)

    def _is_reached(self, payload: int) -> bool:
        with self._changed:
            return self._failure is None and self._value >= payload

    def import_timepoint(self, value: int, timepoint: HalExternalTimepoint) -> None:
        raise NotImplementedError("CPU devices have no external timepoints to import")

    def export_timepoint(
        self,
        value: int,
        requested_type: int,
        requested_flags: int,
        out_external_timepoint: HalExternalTimepoint,
    ) -> None:
        raise NotImplementedError("CPU devices have no external timepoints to export")


class HalFence(Referenced):
    """Timepoints of at most `capacity` semaphores, of each the latest."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._points: dict[HalSemaphore, int] = {}

    @staticmethod
    def create_at(sem: HalSemaphore, value: int) -> HalFence:
        fence = HalFence(1)
        fence.insert(sem, value)
        return fence

    @staticmethod
    def join(fences: Sequence[HalFence]) -> HalFence:
        """A fence that is reached when all of these are."""
        fence = HalFence(sum(f.timepoint_count for f in fences))
        for f in fences:
            fence.extend(f)
        return fence

    @property
    def timepoint_count(self) -> int:
        return len(self._points)

    def insert(self, sem: HalSemaphore, value: int) -> None:
        """Adds a timepoint; RuntimeError if there is no room for another semaphore."""
        if sem not in self._points and len(self._points) >= self._capacity:
            raise RuntimeError(
                f"fence unique semaphore capacity {self._capacity} reached"
            )
        self._points[sem] = max(value, self._points.get(sem, value))

    def extend(self, from_fence: HalFence) -> None:
        for sem, value in from_fence._points.items():
            self.insert(sem, value)

    def signal(self) -> None:
        """Raises every semaphore to its value here."""
        for sem, value in self._points.items():
            sem.signal(value)

    def fail(self, message: str) -> None:
        for sem in self._points:
            sem.fail(message)

    def wait(self, timeout: int | None = None, deadline: int | None = None) -> bool:
        """Waits for all timepoints; False if time is up before. As HalSemaphore.wait."""
        end = _deadline(timeout, deadline)
        return all(s._wait_until(v, end, "fence") for s, v in self._points.items())


HalSemaphoreList = HalFence | Iterable[tuple[HalSemaphore, int]]


def timepoints(given: HalSemaphoreList | None) -> list[tuple[HalSemaphore, int]]:
    """A fence, or pairs of semaphore and value, as a list of such pairs."""
    if given is None:
        return []
    return list(given._points.items() if isinstance(given, HalFence) else given)


def are_reached(given: HalSemaphoreList | None) -> bool:
    return all(sem._is_reached(value) for sem, value in timepoints(given))


def after(given: HalSemaphoreList | None, action: _Watcher) -> None:
    """action(None) once all timepoints are reached, or action(message) once one failed.

    Called here if that is now, else by the thread that signals the last of them.
    """
    points = timepoints(given)
    lock, left = threading.Lock(), len(points)
    if not points:
        action(None)

    def reached(failure: str | None) -> None:
        nonlocal left
        with lock:
            if left <= 0:
                return
            left = 0 if failure is not None else left - 1
            last = left == 0
        if last:
            action(failure)

    for sem, value in points:
        sem._when(value, reached)


def signal(given: HalSemaphoreList | None, failure: str | None = None) -> None:
    """Signals timepoints, or fails them."""
    for sem, value in timepoints(given):
        if failure is None:
            sem.signal(value)
        else:
            sem.fail(failure)
