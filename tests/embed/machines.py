# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Building the runtime as one file, for this and other processors, and running it there."""

import functools
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = [
    f"tools/{f}.c" for f in ("turbine-run-module", "call", "flags", "npy", "value_text")
]
TOOL += [f"src/base/{f}.c" for f in ("buf", "file", "half")]
TOOL += [  # what runs IREE's modules
    p.relative_to(ROOT)
    for f in ("vm", "hal", "guest")
    for p in (ROOT / "src" / f).glob("*.c")
]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


class Machine:
    """A processor: how to compile for it, how to run what was compiled."""

    def __init__(self, name, compiler, emulator=None, options=()):
        self.name, self.compiler = name, compiler
        self.emulator, self.options = emulator, options

    def __repr__(self):
        return self.name

    @functools.cached_property
    def run_prefix(self):
        if not self.emulator:
            return []
        for name in (f"{self.emulator}-static", self.emulator):
            if shutil.which(name):
                return [name, *self.options]
        return None

    def need(self):
        """Skips the test where the machine cannot be emulated."""
        if not shutil.which(self.compiler):
            pytest.skip(f"{self.compiler} is not installed (make setup-cross)")
        if self.run_prefix is None:
            pytest.skip(f"{self.emulator} is not installed (make setup-cross)")

    def compile(self, out, *args):
        self.need()
        command = [self.compiler, *map(str, args), "-o", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, " ".join(command) + "\n" + done.stderr
        return out

    def run(self, program, *args, check=True, text=True, **options):
        done = subprocess.run(
            [*self.run_prefix, str(program), *map(str, args)],
            capture_output=True,
            text=text,
            timeout=300,
            **options,
        )
        if check:
            assert done.returncode == 0, f"{self}: {done.stdout}{done.stderr}"
        return done


MACHINES = {
    "aarch64": Machine("aarch64", "aarch64-linux-gnu-gcc", "qemu-aarch64"),
    "riscv64": Machine("riscv64", "riscv64-linux-gnu-gcc", "qemu-riscv64"),
    "armv7": Machine("armv7", "arm-linux-gnueabihf-gcc", "qemu-arm"),
}
HOST = Machine("host", "gcc")
MUSL = Machine("musl", "musl-gcc")
