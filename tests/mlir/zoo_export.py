# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The tests' models as other exporters print them, with inputs and eager's results.

    REFENV/bin/python zoo_export.py FOLDER MODEL WRITER

WRITER is turbine (iree-turbine's aot.export), bytecode (the same as .mlirbc) or fx
(torch-mlir's FX importer). Writes FOLDER/model.mlir, inI_K.npy for argument K of input I and
outI_K.npy. Exits with 3 and the exporter's last line if it cannot export the model.
"""

import pathlib
import sys
import warnings

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "models"))
import zoo

warnings.filterwarnings("ignore")


def write(folder, model, writer):
    with torch.no_grad():
        program = torch.export.export(
            model.module, model.inputs[0], dynamic_shapes=model.dynamic_shapes
        )
    if writer == "fx":
        from iree.compiler.extras.fx_importer import FxImporter

        importer = FxImporter()
        importer.import_program(
            program.run_decompositions(),
            func_name="main",
            import_symbolic_shape_expressions=True,
        )
        (folder / "model.mlir").write_text(str(importer.module_op))
        return
    from iree.turbine import aot

    op = aot.export(program).mlir_module
    if writer == "bytecode":
        with open(folder / "model.mlirbc", "wb") as f:
            op.write_bytecode(f)
    else:
        (folder / "model.mlir").write_text(str(op))


def main():
    folder, name, writer = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    try:
        model = zoo.build(name)
    except zoo.ModelMissing as e:
        sys.exit(f"{e}")
    try:
        write(folder, model, writer)
    except Exception as e:
        print(f"{type(e).__name__}: {str(e).splitlines()[0]}", file=sys.stderr)
        sys.exit(3)
    for i, args in enumerate(model.inputs):
        with torch.no_grad():
            got = model.module(*args)
        for kind, values in (
            ("in", args),
            ("out", got if isinstance(got, (tuple, list)) else [got]),
        ):
            for k, v in enumerate(values):
                np.save(folder / f"{kind}{i}_{k}.npy", v.numpy())


main()
