# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`iree.turbine` for scripts written for iree-turbine, on Turbine."""
