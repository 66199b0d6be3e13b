# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""compile_str and compile_file: torch-dialect MLIR to .vmfb."""

import enum
import os
import sys

from .api import Invocation, Output, Session, Source

__all__ = ["CompilerToolError", "InputType", "compile_file", "compile_str"]


class InputType(enum.Enum):
    NONE = "none"
    AUTO = "auto"
    TORCH = "torch"


class CompilerToolError(Exception):
    """The program cannot be compiled; the text says where and why."""


def compile_str(input_str, *, output_file=None, **options):
    """The .vmfb's bytes of MLIR (text or bytecode); with `output_file`, None and a file.

    `input_type`, `target_backends` and `extra_args` are IREE's; its other options are about
    its own tools and not known here.
    """
    return _compile(Source.wrap_buffer, input_str, output_file, **options)


def compile_file(input_file, *, output_file=None, **options):
    """compile_str of a file's content; "-" is standard input."""
    if input_file == "-":
        return compile_str(sys.stdin.buffer.read(), output_file=output_file, **options)
    path = os.fspath(input_file)
    return _compile(Source.open_file, path, output_file, **options)


def _compile(
    open_source,
    given,
    output_file,
    *,
    input_type="auto",
    target_backends=(),
    extra_args=(),
):
    session = Session()
    kind = input_type.value if isinstance(input_type, InputType) else input_type
    session.set_flags(f"--iree-input-type={kind.lower()}")
    for backend in target_backends:
        session.set_flags(f"--iree-hal-target-backends={backend}")
    session.set_flags(*extra_args)
    invocation = Invocation(session)
    if (
        not invocation.parse_source(open_source(session, given))
        or not invocation.execute()
    ):
        raise CompilerToolError(invocation.error)
    output = (
        Output.open_membuffer()
        if output_file is None
        else Output.open_file(output_file)
    )
    invocation.output_vm_bytecode(output)
    return bytes(output.map_memory()) if output_file is None else output.keep() and None
