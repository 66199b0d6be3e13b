# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles programs that torch.export saved: python -m shark_turbine.aot model.pt2

Needs torch to read the file; the result needs it no more. `turbine-compile` does the same
for MLIR without Python.
"""

import argparse
import os
import sys

from .exporter import export


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m shark_turbine.aot", description=__doc__.splitlines()[0]
    )
    parser.add_argument("program", help="a .pt2 file, or the .json of an FxPrograms")
    parser.add_argument(
        "-o", "--output", help="default: beside the program, .vmfb or .mlir"
    )
    parser.add_argument("--emit", choices=("vmfb", "mlir"), default="vmfb")
    parser.add_argument("--function-name", default="main")
    parser.add_argument("--module-name", default="module")
    parser.add_argument(
        "--targets",
        help="CPU levels, as in host or x86_64-v3,x86_64-v4 (default: several)",
    )
    return parser.parse_args(argv)


def main(argv=None):
    args = _arguments(argv)
    try:
        output = export(
            args.program, function_name=args.function_name, module_name=args.module_name
        )
        stem, suffix = os.path.splitext(args.program)
        if suffix not in (".pt2", ".json"):
            raise ValueError(f"'{args.program}': expected a .pt2 or .json file")
        path = args.output or f"{stem}.{args.emit}"
        if args.emit == "mlir":
            output.save_mlir(path)
        else:
            output.compile(path, targets=args.targets and args.targets.split(","))
    except (OSError, TypeError, ValueError, NotImplementedError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
