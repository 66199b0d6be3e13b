# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Branches and loops of exported modules as MLIR: printed, read again, run, equal to eager."""

import pathlib
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot
from torch._higher_order_ops.map import map as torch_map
from torch._higher_order_ops.scan import scan

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "tools"


class Loop(torch.nn.Module):
    def forward(self, x, n):
        y = torch.cond(x.sum() > 0, lambda x: x.sin() + 1, lambda x: x.cos() - 1, (x,))
        return torch._higher_order_ops.while_loop(
            lambda i, a: i < n,
            lambda i, a: (i + 1, a * 1.5),
            (torch.tensor(0), y),
        )[1]


class Scan(torch.nn.Module):
    def forward(self, x):
        return scan(lambda c, x: (c + x, c * x), torch.zeros(4), x)


class Map(torch.nn.Module):
    def forward(self, x, y):
        return torch_map(lambda a, b: a.sin() + b, x, y)


class Nested(torch.nn.Module):
    """Sizes inside branches, and a branch inside a branch."""

    def forward(self, x):
        def double(x):
            return x * x.shape[0]

        def other(x):
            return torch.cond(x[0] > 3, lambda x: x + 1, lambda x: x - x.shape[0], (x,))

        first = torch.cond(x.shape[0] > 4, double, other, (x,))
        return first + torch.cond(x.sum() > 0, double, other, (x,))


OPEN = {"x": {0: torch.export.Dim("n", min=2, max=50)}}
CASES = {
    "loop": (Loop(), (torch.randn(3), torch.tensor(4)), None),
    "scan": (Scan(), (torch.randn(5, 4),), None),
    "map": (Map(), (torch.randn(5, 4), torch.randn(4)), None),
    "nested": (Nested(), (torch.rand(6),), OPEN),
    "nested_small": (Nested(), (-torch.rand(3),), OPEN),
}


def run(*command):
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name, tmp_path):
    module, args, dynamic = CASES[name]
    first, second = tmp_path / "first.mlir", tmp_path / "second.mlir"
    aot.export(module, args=args, dynamic_shapes=dynamic).save_mlir(first)
    assert "torch.prim." in first.read_text()
    second.write_text(run(TOOLS / "turbine-opt", "--stage=mlir", first))
    assert run(TOOLS / "turbine-opt", "--stage=mlir", second) == second.read_text()
    wanted = module(*args)
    wanted = [wanted] if isinstance(wanted, torch.Tensor) else wanted
    for i, value in enumerate(args):
        np.save(tmp_path / f"in{i}.npy", value.numpy())
    for text in (first, second):
        binary = tmp_path / "out.vmfb"
        run(TOOLS / "turbine-compile", text, "-o", binary, "--target=host")
        run(
            TOOLS / "turbine-run-module",
            f"--module={binary}",
            *[f"--input=@{tmp_path}/in{i}.npy" for i in range(len(args))],
            *[f"--output=@{tmp_path}/out{i}.npy" for i in range(len(wanted))],
        )
        for i, want in enumerate(wanted):
            got = np.load(tmp_path / f"out{i}.npy")
            np.testing.assert_allclose(got, want.numpy(), rtol=2e-6, atol=2e-6)
