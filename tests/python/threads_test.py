# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Threads of compiled programs beside those of torch."""

import pytest
import torch

from compiling import compiled, fresh  # noqa: F401
from shark_turbine.dynamo.program import device


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def run(name):
    f = compiled(lambda x: torch.softmax(x @ x, -1), device=name)
    x = torch.randn(64, 64)
    torch.testing.assert_close(f(x), torch.softmax(x @ x, -1))


def test_as_many_as_torch(threads):
    threads(1)
    run("local-task")
    assert device("local-task").workers == 1
    torch._dynamo.reset()
    threads(2)
    run("local-task")
    assert device("local-task").workers in (1, 2)  # never more than CPUs
    run("local-task://?workers=2")
    torch._dynamo.reset()
    threads(1)
    run("local-task://?workers=2")
    assert device("local-task://?workers=2").workers == 2
