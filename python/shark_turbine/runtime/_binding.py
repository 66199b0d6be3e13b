# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Names that programs take from `iree.runtime._binding`."""

from .dtypes import *  # noqa: F403
from .hal import *  # noqa: F403
from .queue import *  # noqa: F403
from .refs import *  # noqa: F403
from .system_setup import get_driver
from .timeline import *  # noqa: F403
from .vm import *  # noqa: F403


def disable_leak_checker() -> None:
    """IREE's bindings check for leaked objects at exit; ours have nothing to turn off."""


def create_hal_driver(device_uri: str) -> HalDriver:
    return get_driver(device_uri)
