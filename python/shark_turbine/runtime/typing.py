# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types that appear in signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hal import HalBufferView

# What a HalModuleDebugSink calls: with a key and the tensors traced under it.
HalModuleBufferViewTraceCallback = Callable[[str, "list[HalBufferView]"], None]
