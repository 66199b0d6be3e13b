# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Process-wide settings under IREE's flag names. Applied to devices made afterwards."""

import os

# Checks of dtype, rank and sizes cannot be turned off here: they cost nanoseconds.
FUNCTION_INPUT_VALIDATION = True

_known = {
    "task_topology_group_count": 0,
    "task_topology_max_group_count": 0,
}


def parse_flags(*flags: str) -> None:
    """`--task_topology_group_count=N` (or `max_group_count`): workers of local-task."""
    for flag in flags:
        name, _, value = flag.lstrip("-").partition("=")
        if name not in _known:
            raise ValueError(
                f"flag '{name}' not recognized; known: "
                + ", ".join("--" + k for k in _known)
            )
        try:
            _known[name] = int(value)
        except ValueError:
            raise ValueError(f"--{name}: expected a number, got '{value}'") from None


def default_workers() -> int:
    """Workers of a new device; 0 = as many as the process may use."""
    limits = [n for n in _known.values() if n > 0]
    return min(limits) if limits else 0


if os.environ.get("IREE_PY_RUNTIME_FLAGS"):
    parse_flags(*os.environ["IREE_PY_RUNTIME_FLAGS"].split())
