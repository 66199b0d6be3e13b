# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""IREE's embedding API of its compiler: Session, Source, Invocation, Output."""

import ctypes
import os
import sys

import numpy as np
from shark_turbine import _compiler, compiler_flags

__all__ = ["Invocation", "Output", "Session", "Source"]


class _Closed:
    """Things of the API can be closed, and used in `with`; memory goes by itself."""

    def close(self):
        """Nothing to do."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Session(compiler_flags.Session, _Closed):
    """Flags."""

    def invocation(self):
        return Invocation(self)


class Source(_Closed):
    """A program as MLIR, text or bytecode."""

    def __init__(self, data, name):
        self.data, self.name = data, name

    @staticmethod
    def wrap_buffer(session, buffer, *, buffer_name="source"):
        data = buffer.encode() if isinstance(buffer, str) else bytes(buffer)
        return Source(data.rstrip(b"\0") if _is_text(data) else data, buffer_name)

    @staticmethod
    def open_file(session, file_path):
        path = os.fspath(file_path)
        with open(path, "rb") as f:
            return Source(f.read(), path)


def _is_text(data):
    return not data.startswith(b"ML\xefR")


class Output(_Closed):
    """Where a result goes: memory, or a file that is there after keep()."""

    def __init__(self, path=None):
        self._path, self._content = path, b""

    @staticmethod
    def open_file(file_path):
        return Output(os.fspath(file_path))

    @staticmethod
    def open_membuffer():
        return Output()

    def write(self, buffer):
        self._content = bytes(self._content) + bytes(buffer)

    def keep(self):
        if self._path is not None:
            if isinstance(self._content, _compiler.Artifact):
                self._content.save(self._path)
            else:
                with open(self._path, "wb") as f:
                    f.write(self._content)
        return self

    def map_memory(self):
        """The bytes, aligned to 64 if they are a program."""
        content = self._content
        view = np.frombuffer(content, np.uint8)
        memory = (ctypes.c_char * view.size).from_address(view.ctypes.data)
        memory._owner = content
        return memory


class Invocation(_Closed):
    """One compilation. `error` says why parse_source or execute gave False."""

    def __init__(self, session):
        self.session = session
        self.error = ""
        self._unit = self._artifact = None
        self._prints = False

    def enable_console_diagnostics(self):
        self._prints = True

    def _failed(self, error):
        self.error = str(error)
        if self._prints:
            print(self.error, file=sys.stderr)
        return False

    def parse_source(self, source):
        try:
            self._unit = _compiler.parse_mlir(source.data, source.name)
        except (NotImplementedError, RuntimeError, ValueError) as e:
            return self._failed(e)
        return True

    def execute(self, pipeline=0):
        """Compiles; `pipeline` is IREE's and means nothing here."""
        del pipeline
        if self._unit is None:
            return self._failed("there is no program: call parse_source first")
        try:
            self._artifact = self._unit.compile(targets=self.session.targets)
        except (NotImplementedError, RuntimeError, ValueError) as e:
            return self._failed(e)
        return True

    def output_ir(self, output):
        output._content = self._program().mlir().encode()

    output_ir_bytecode = output_ir  # every reader takes text

    def _program(self):
        if self._unit is None:
            raise ValueError("there is no program: call parse_source first")
        return self._unit

    def output_vm_bytecode(self, output):
        if self._artifact is None:
            raise ValueError("there is no compiled program: call execute first")
        output._content = self._artifact
