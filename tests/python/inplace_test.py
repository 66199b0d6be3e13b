# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parts of a module's buffers replaced: written where they lie."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot


def load(binary):
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


class Cache(torch.nn.Module):
    """The ways in which a module can say it."""

    def __init__(self):
        super().__init__()
        for name in "abcd":
            self.register_buffer(name, torch.zeros(2, 3, 16, 8))

    def forward(self, x, at):
        i = at[0].item()
        torch._check(i >= 0)
        torch._check(i < 16)
        self.a.index_copy_(2, at, x)
        self.b[:, :, i : i + 1] = x
        self.c[:, :, at] = 2 * x
        before = self.d[:, 1].sum()
        self.d[:, :, 3:9:2] = x
        self.d[..., 5] = x[:, :, 0, 0:1]
        return self.a.sum(2), self.b.amax(2), self.c[:, :, ::2], self.d, before


def test_parts_replaced():
    torch.manual_seed(0)
    model = Cache()
    example = (torch.zeros(2, 3, 1, 8), torch.zeros(1, dtype=torch.int64))
    module = load(aot.export(Cache(), args=example).compile())
    for i in (0, 15, 4, 4, 7):
        x, at = torch.randn(2, 3, 1, 8), torch.tensor([i])
        want = model(x, at)
        got = module.main(x.numpy(), at.numpy())
        for a, b in zip(want, got, strict=True):
            np.testing.assert_allclose(b.to_host(), a.numpy(), rtol=1e-5, atol=1e-6)
