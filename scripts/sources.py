# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints the C files of folders, one a line, sorted: what meson.build compiles."""

import pathlib
import sys


def sources(root, folder):
    return sorted(p.relative_to(root).as_posix() for p in (root / folder).rglob("*.c"))


if __name__ == "__main__":
    top = pathlib.Path(__file__).resolve().parent.parent
    for name in sys.argv[1:]:
        for path in sources(top, name):
            print(path)
