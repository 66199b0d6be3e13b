# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finding devices."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from .hal import DRIVERS, HalDevice, HalDriver

_lock = threading.Lock()
_devices: dict[str, HalDevice] = {}

DEFAULT_DEVICES = ("local-task", "cuda", "vulkan")


def query_available_drivers() -> list[str]:
    return list(DRIVERS)


def _driver_name(uri: str) -> str:
    return uri.partition(":")[0].partition("?")[0]


def get_driver(device_uri: str) -> HalDriver:
    """The driver of a URI such as "local-task" or "local-task://?workers=4"."""
    name = _driver_name(device_uri)
    if name not in DRIVERS:
        raise ValueError(
            f"no driver '{name}' registered; available: {', '.join(DRIVERS)}"
        )
    return HalDriver(name)


def get_device(device_uri: str, cache: bool = True) -> HalDevice:
    """The device of a URI; with `cache`, the same object for the same URI."""
    driver = get_driver(device_uri)
    if not cache:
        return driver.create_device_by_uri(device_uri)
    with _lock:
        device = _devices.get(device_uri)
        if device is None:
            device = _devices[device_uri] = driver.create_device_by_uri(device_uri)
        return device


def get_first_device(
    device_uris: Sequence[str] | None = None, cache: bool = True
) -> HalDevice:
    """The first of several URIs that works."""
    if device_uris is None:
        env = os.environ.get("IREE_DEFAULT_DEVICE")
        device_uris = env.split(",") if env else DEFAULT_DEVICES
    last = None
    for uri in device_uris:
        try:
            return get_device(uri, cache)
        except ValueError as e:
            last = e
    raise ValueError(f"No device found from list {list(device_uris)}") from last
