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


@pytest.mark.parametrize("shape", [(8500, 1024), (8399, 1003), (2, 4194304 + 5)])
def test_results_past_the_caches(shape):
    """Results of 32 MiB and more, by several threads: rows that begin where vectors do, and
    rows that do not; also into memory that begins anywhere."""
    x = torch.randn(shape)
    for f in (
        lambda x: torch.tanh(x) + 1,
        lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:]),
        lambda x: (x * 2).to(torch.float64),
    ):
        torch.testing.assert_close(compiled(f, device="local-task")(x), f(x))
        torch._dynamo.reset()
