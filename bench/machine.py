# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What numbers were measured on and with."""

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [
    "torch",
    "transformers",
    "onnxruntime",
    "openvino",
    "iree-base-compiler",
    "iree-turbine",
]


def machine():
    """The CPU's name, how many of them this process may use, memory, kernel."""
    name = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    memory = next(
        (x for x in _lines("/proc/meminfo") if x.startswith("MemTotal:")), "x 0"
    )
    return {
        "cpu": name,
        "cpus": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "memory_bytes": int(memory.split()[1]) * 1024,
        "system": f"{platform.system()} {platform.release()}",
    }


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def versions():
    """Versions of what is compared, by environment; ours is the commit."""
    code = (
        "import importlib.metadata as m, sys\n"
        "for p in sys.argv[1:]:\n"
        "    try: print(p, m.version(p))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    found = {"turbine": _commit()}
    for environment in (".venv-bench", ".venv"):
        python = ROOT / environment / "bin" / "python"
        if python.exists():
            found.update(
                s.split() for s in _output(python, "-c", code, *PACKAGES).splitlines()
            )
    return found


def _output(*command):
    out = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return out.stdout.strip()


def _commit():
    changed = (
        "+" if _output("git", "status", "--porcelain", "--untracked-files=no") else ""
    )
    return (_output("git", "rev-parse", "--short", "HEAD") or "unknown") + changed


def load():
    """Runnable processes averaged over the last minute: how quiet the machine was."""
    return round(os.getloadavg()[0], 2)
