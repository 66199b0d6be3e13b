# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Names that programs take from `iree.runtime._binding`."""

from .dtypes import *
from .hal import *
from .queue import *
from .refs import *
from .system_setup import get_driver
from .timeline import *
from .vm import *


def disable_leak_checker() -> None:
    """IREE's bindings check for leaked objects at exit; ours have nothing to turn off."""


def create_hal_driver(device_uri: str) -> HalDriver:
    return get_driver(device_uri)
