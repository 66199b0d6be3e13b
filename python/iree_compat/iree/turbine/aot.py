# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`iree.turbine.aot` is `shark_turbine.aot`."""

import sys

import shark_turbine.aot

sys.modules[__name__] = shark_turbine.aot
