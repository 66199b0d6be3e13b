# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Flags of IREE's compiler: those that say what is made are understood."""

from __future__ import annotations

import warnings

# flag -> values that ask for what is done here anyway; None: any value
_FIXED: dict[str, tuple[str, ...] | None] = {
    "iree-input-type": ("torch", "auto", "none"),
    "iree-hal-target-backends": ("llvm-cpu",),
    "iree-hal-target-device": ("local",),
    "iree-hal-local-target-device-backends": ("llvm-cpu",),
    "iree-execution-model": ("async-external", "async-internal", "host-only"),
    "iree-llvmcpu-target-triple": None,
    "iree-llvmcpu-target-cpu-features": None,
    "iree-llvmcpu-enable-ukernels": None,
    "iree-llvmcpu-link-embedded": None,
    "iree-opt-level": None,
    "iree-opt-data-tiling": None,
    "iree-opt-const-eval": None,
    "iree-input-demote-f64-to-f32": ("false", "0"),
}
_CPU = "iree-llvmcpu-target-cpu"
_WHAT = ("iree-input-type", "iree-hal-target-backends", "iree-hal-target-device")


class Session:
    """Flags that were set; `targets` are the CPU levels they choose, empty for several."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._flags: list[str] = []

    def set_flags(self, *flags: str) -> None:
        """ValueError for what is no flag, and for flags that ask for another kind of input
        or processor. Others of IREE's and MLIR's are accepted, with a warning."""
        for flag in flags:
            if not flag.startswith("--"):
                raise ValueError(f"not a flag: {flag!r}")
            name, _, value = flag[2:].partition("=")
            if name == _CPU:
                self.targets = _levels(value)
            elif name in _FIXED:
                self._check(name, value)
            elif not name.startswith(("iree-", "mlir-")):
                raise ValueError(f"unknown flag: {flag!r}")
            else:
                warnings.warn(f"{flag}: has no effect here", stacklevel=2)
            self._flags.append(flag)

    def get_flags(self, non_default_only: bool = False) -> list[str]:
        """The flags as they were set."""
        del non_default_only
        return list(self._flags)

    @staticmethod
    def _check(name: str, value: str) -> None:
        allowed = _FIXED[name]
        if name in _WHAT and allowed is not None and value not in allowed:
            raise ValueError(
                f"--{name}={value}: only {', '.join(allowed)} is supported"
            )
        if allowed is not None and value not in allowed:
            warnings.warn(f"--{name}={value}: has no effect here", stacklevel=3)


def _levels(cpu: str) -> list[str]:
    """CPU levels of IREE's, that is LLVM's, name of a processor."""
    if cpu in ("", "generic"):
        return []
    if cpu.startswith("x86-64-v"):
        return [cpu.replace("x86-64", "x86_64", 1)]
    return [cpu]
