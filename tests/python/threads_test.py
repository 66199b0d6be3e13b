# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Threads of compiled programs beside those of torch."""

import os

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
    torch._dynamo.reset()


def test_as_many_as_torch(threads):
    threads(1)
    run("local-task")
    assert device("local-task").workers == 1
    threads(64)
    run("local-task")
    most = device("local-task").workers  # not more than CPUs
    assert 1 <= most <= len(os.sched_getaffinity(0))
