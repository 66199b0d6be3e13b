# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the tests of the torch.compile backend share."""

import copy
import functools

import pytest
import torch
from shark_turbine import config
from shark_turbine.dynamo import fallback, turbine_cpu


@pytest.fixture(autouse=True)
def fresh():
    """Dynamo forgets, nothing has been warned of, the seed is 0, nothing is cached."""
    torch._dynamo.reset()
    fallback._warned.clear()
    torch.manual_seed(0)
    with config.patch(cache=False):
        yield
    torch._dynamo.reset()


def compiled(fn, fallback=False, dynamic=None, **options):
    """Without `fallback` everything has to be compiled."""
    settings = {"fullgraph": not fallback, "device": "local-sync", **options}
    return torch.compile(fn, backend=turbine_cpu, options=settings, dynamic=dynamic)


def same(got, want, rtol=1e-5, atol=1e-5, strides=False):
    flat, structure = torch.utils._pytree.tree_flatten(got)
    wanted, structure_wanted = torch.utils._pytree.tree_flatten(want)
    assert structure == structure_wanted
    for g, w in zip(flat, wanted):
        if isinstance(w, torch.Tensor):
            torch.testing.assert_close(
                g, w, rtol=rtol, atol=atol, equal_nan=True, check_stride=strides
            )
        else:
            assert g == w and type(g) is type(w)


def check(fn, *calls, grad=False, **options):
    """Every tuple of arguments, eager and compiled; also what is done to the arguments."""
    c = compiled(fn, **options)
    with torch.set_grad_enabled(grad):
        for args in calls:
            mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
            want = fn(*theirs)
            got = c(*mine)
            same(got, want)
            same(mine, theirs)
    return c


@functools.cache
def lack(name):
    """An operator turbine_test::NAME that nobody compiles: its argument times two."""

    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    op = torch.library.custom_op(f"turbine_test::{name}", double, mutates_args=())
    op.register_fake(lambda x: torch.empty_like(x))
    op.register_autograd(lambda ctx, grad: op(grad))
    return op


lacking = lack("lacking")
