# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that folders of src include only the folders below them.

base <- graph <- op, mlir <- pass <- kernel <- codegen <- program <- compiler
base <- artifact <- runtime, vm <- hal, iree; the artifact's structures are also what kernels are made for
"""

import pathlib
import re
import sys

BELOW = {
    "base": set(),
    "graph": {"base"},
    "op": {"base", "graph"},
    "mlir": {"base", "graph", "op"},
    "pass": {"base", "graph", "op"},
    "kernel": {"base", "graph", "op", "pass", "artifact"},
    "codegen": {"base", "graph", "kernel", "artifact"},
    "program": {"base", "graph", "pass", "kernel", "codegen", "artifact"},
    "artifact": {"base"},
    "iree": {"base", "artifact", "vm"},
    "runtime": {"base", "artifact"},
    "vm": {"base", "artifact", "runtime"},
    "hal": {"base", "artifact", "runtime", "vm"},
    "guest": {"base", "artifact", "runtime", "vm", "hal"},
    "profile": {"base", "artifact", "runtime"},
    "tune": {"base", "graph", "kernel", "artifact", "runtime"},  # and compiler.h
}
# Files that may look one folder up, and why.
EXCEPTIONS = {
    "pass/group.c": "kernel",  # groups are formed for, and tried on, the lowering
}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def faults(top):
    for path in sorted((top / "src").rglob("*.[ch]")):
        room = path.relative_to(top / "src").parts[0]
        for name in INCLUDE.findall(path.read_text()):
            head = name.split("/")[0]
            if name.startswith("llvm-c/") and room != "codegen":
                yield path, f"includes {name}: only codegen may see LLVM"
            if name == "Python.h":
                yield path, "includes Python.h"
            if room in BELOW and head in BELOW and head != room:
                short = path.relative_to(top / "src").as_posix()
                if head not in BELOW[room] and EXCEPTIONS.get(short) != head:
                    yield path, f"includes {name}: {room} stands below {head}"
            if room in BELOW and room != "tune" and name == "compiler.h":
                yield path, "includes compiler.h"


if __name__ == "__main__":
    found = list(faults(pathlib.Path(__file__).resolve().parent.parent))
    for path, what in found:
        print(f"{path}: {what}")
    sys.exit(bool(found))
