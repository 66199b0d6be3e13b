# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes src/mlir/torch_ops.def: operators that are operations of the torch dialect.

    REFENV/bin/python scripts/make_torch_ops.py

Others must be spelled `torch.operator "torch.aten.name"`. REFENV is a virtual
environment with torch and iree-base-compiler.
"""

import pathlib

import torch
from iree.compiler import ir
from iree.compiler.extras import fx_importer  # noqa: F401  (registers the dialect)

OUT = pathlib.Path(__file__).resolve().parent.parent / "src" / "mlir" / "torch_ops.def"
HEAD = """/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * torch_ops.def -- operators that are operations of the torch dialect, sorted as strcmp
 * does. Written by scripts/make_torch_ops.py.
 */
"""


def main():
    context = ir.Context()
    context.dialects["torch"]
    names = set()
    for schema in torch._C._jit_get_all_schemas():
        space, _, name = schema.name.partition("::")
        full = f"{space}.{name}" + (
            f".{schema.overload_name}" if schema.overload_name else ""
        )
        if context.is_registered_operation("torch." + full):
            names.add(full)
    OUT.write_text(HEAD + "".join(f'"{n}",\n' for n in sorted(names)))


main()
