# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Threads of compiled programs beside those of torch."""

import concurrent.futures
import os
import subprocess
import sys

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


@pytest.mark.skipif(
    not torch.backends.openmp.is_available(), reason="torch without OpenMP"
)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_on_torch_s_threads():
    """No second pool beside torch's, in a process of its own as others may have one. One is there
    where torch's threads sleep, as they may on a machine that is busy: not each time."""
    code = """
import os, torch
f = torch.compile(lambda x: torch.softmax(x @ x, -1), backend="turbine_cpu")
x = torch.randn(512, 512) / 22
y = f(x)
torch.testing.assert_close(y, torch.softmax(x @ x, -1))
names = [open(f"/proc/self/task/{t}/comm").read() for t in os.listdir("/proc/self/task")]
print(any(n.startswith("turbine-") for n in names))
"""

    def has_pool() -> bool:
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE)
        return {b"True": True, b"False": False}[run.stdout.strip()]

    assert not all(has_pool() for _ in range(3))


@pytest.mark.skipif(
    not torch.backends.openmp.is_available(), reason="torch without OpenMP"
)
def test_torch_s_team_stays_whole():
    """OpenMP ends the threads that a smaller team does not need, and starts new ones for the next
    large one: here torch has more threads than there are CPUs for ours."""
    code = """
import os, torch
torch.set_num_threads(8)
f = torch.compile(lambda x: torch.softmax(x @ x, -1), backend="turbine_cpu")
x = torch.randn(512, 512)
f(x), x + 1
def others():
    tasks = [(t, f"/proc/self/task/{t}/comm") for t in os.listdir("/proc/self/task")]
    return {t for t, name in tasks if not open(name).read().startswith("turbine-")}
before, seen = others(), set()
for i in range(20):
    f(x), x + 1
    seen |= others()
assert seen <= before, seen - before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_from_several_threads():
    """Each thread that calls has an OpenMP team of its own; the device serves one at a time."""
    f = compiled(lambda x: torch.softmax(x @ x, -1), device="local-task")
    x = torch.randn(256, 256) / 16
    want = torch.softmax(x @ x, -1)
    f(x)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for y in pool.map(f, [x] * 32):
            torch.testing.assert_close(y, want)
    torch._dynamo.reset()


@pytest.mark.parametrize("shape", [(8500, 1024), (8399, 1003), (2, 4194304 + 5)])
def test_results_past_the_caches(shape):
    """Results of 32 MiB and more, by several threads: rows that begin where vectors do, and
    rows that do not."""
    x = torch.randn(shape)
    for f in (
        lambda x: torch.tanh(x) + 1,
        lambda x: x - x.amax(-1, keepdim=True),
        lambda x: (x * 2).to(torch.float64),
    ):
        torch.testing.assert_close(compiled(f, device="local-task")(x), f(x))
        torch._dynamo.reset()
