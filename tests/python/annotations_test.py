# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A CompiledModule in a file whose annotations are texts."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot

Row = aot.AbstractTensor(None, 3)


def test_annotations_that_are_texts():
    class Module(aot.CompiledModule):
        def add(self, x: Row, y: aot.AbstractTensor(3), n: aot.AbstractI32 = None):
            return x + y * n

    with pytest.raises(TypeError, match="'n' needs an abstract type as its default"):
        aot.export(Module)

    class Fixed(aot.CompiledModule):
        def add(self, x: Row, y: aot.AbstractTensor(3), n: aot.AbstractI32):
            return x + y * n

    binary = aot.export(Fixed).compile(targets=["host"])
    module = rt.load_vm_flatbuffer(binary, driver="local-sync")
    x, y = np.ones((2, 3), np.float32), np.float32([1, 2, 3])
    assert module.add(x, y, 2).to_host().tolist() == [[3, 5, 7]] * 2

    class Bad(aot.CompiledModule):
        def add(self, x: NoSuchThing):  # noqa: F821
            return x

    with pytest.raises(
        TypeError, match="add: an annotation cannot be read.*NoSuchThing"
    ):
        aot.export(Bad)
