# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`iree.compiler`'s names on our compiler: scripts that compile MLIR and never see torch."""

import ctypes
import subprocess
import sys
import warnings

import iree.compiler as ireec
import iree.runtime as ireert
import numpy as np
import pytest
from iree.compiler import api, tools
from iree.compiler.ir import Context

MLIR = """
module @module {
  func.func @main(%a: !torch.vtensor<[3],f32>, %b: !torch.vtensor<[3],f32>)
      -> !torch.vtensor<[3],f32> {
    %one = torch.constant.int 1
    %sum = torch.aten.add.Tensor %a, %b, %one
        : !torch.vtensor<[3],f32>, !torch.vtensor<[3],f32>, !torch.int
        -> !torch.vtensor<[3],f32>
    return %sum : !torch.vtensor<[3],f32>
  }
}
"""
BAD = MLIR.replace("aten.add.Tensor", "aten.no_such_thing")
HOST = "--iree-llvmcpu-target-cpu=host"


def run(binary):
    module = ireert.load_vm_flatbuffer(binary, driver="local-sync")
    x = np.float32([1, 2, 3])
    return module.main(x, x).to_host().tolist()


def test_compile_str_and_file(tmp_path):
    binary = ireec.compile_str(
        MLIR, input_type="torch", target_backends=["llvm-cpu"], extra_args=[HOST]
    )
    assert isinstance(binary, bytes) and run(binary) == [2, 4, 6]
    source, out = tmp_path / "add.mlir", tmp_path / "add.vmfb"
    source.write_text(MLIR)
    got = tools.compile_file(
        str(source),
        input_type=ireec.InputType.TORCH,
        output_file=str(out),
        extra_args=[HOST],
    )
    assert got is None and run(out.read_bytes()) == [2, 4, 6]


def test_embedding_api(tmp_path, capfd):
    session = api.Session()
    session.set_flags("--iree-input-type=torch", HOST)
    assert HOST in session.get_flags()
    invocation = session.invocation()
    with pytest.raises(ValueError, match="call parse_source first"):
        invocation.output_ir(api.Output.open_membuffer())
    assert not invocation.execute()
    assert invocation.parse_source(
        api.Source.wrap_buffer(session, MLIR.encode() + b"\0")
    )
    with pytest.raises(ValueError, match="call execute first"):
        invocation.output_vm_bytecode(api.Output.open_membuffer())
    assert invocation.execute()
    with api.Output.open_membuffer() as output:
        invocation.output_vm_bytecode(output)
        memory = output.map_memory()
    del output, invocation
    assert ctypes.addressof(memory) % 64 == 0  # as VmModule.wrap_buffer wants it
    assert run(memory) == [2, 4, 6] and run(memory.raw) == [2, 4, 6]
    assert capfd.readouterr().err == ""


def test_errors(tmp_path, capfd):
    session = api.Session()
    invocation = session.invocation()
    invocation.enable_console_diagnostics()
    ok = invocation.parse_source(
        api.Source.wrap_buffer(session, BAD, buffer_name="bad")
    )
    assert not (ok and invocation.execute())
    assert "no_such_thing" in invocation.error
    assert "no_such_thing" in capfd.readouterr().err
    for text in (BAD, "module {"):
        with pytest.raises(ireec.CompilerToolError, match="."):
            ireec.compile_str(text)
    assert not (tmp_path / "none.vmfb").exists()
    with pytest.raises(ireec.CompilerToolError):
        ireec.compile_str(BAD, output_file=str(tmp_path / "none.vmfb"))
    assert not (tmp_path / "none.vmfb").exists()
    with pytest.raises(FileNotFoundError):
        ireec.compile_file(str(tmp_path / "missing.mlir"))
    for wrong in ({"input_type": "onnx"}, {"target_backends": ["cuda"]}):
        with pytest.raises(ValueError, match="is supported"):
            ireec.compile_str(MLIR, **wrong)
    with pytest.raises(ValueError, match="unknown flag"):
        ireec.compile_str(MLIR, extra_args=["--fast"])


def test_flags():
    session = api.Session()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.set_flags(
            "--iree-hal-target-device=local",
            "--iree-hal-local-target-device-backends=llvm-cpu",
            "--iree-opt-data-tiling",
            "--iree-llvmcpu-target-cpu=x86-64-v3",
            "--iree-llvmcpu-enable-ukernels=all",
            "--iree-opt-level=O3",
        )
    assert session.targets == ["x86_64-v3"]
    with pytest.warns(UserWarning, match="has no effect"):
        session.set_flags("--iree-flow-trace-dispatch-tensors")
    with pytest.warns(UserWarning, match="has no effect"):
        session.set_flags("--iree-input-demote-f64-to-f32=true")


def test_context_is_there():
    with Context() as context:
        assert isinstance(context, Context)


def test_imports_neither_torch_nor_runtime():
    code = "import iree.compiler, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
