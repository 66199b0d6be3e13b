# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""More of what `iree-compile` makes, on our runtime: decoders, choices, flags, traces."""

import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guest_test import (
    TOOLS,
    Kinds,
    Linear,
    Mlp,
    compiled,
    normal,
    pytestmark,
    run_module,
)
from stock import PYTHON, check
from torch.export import Dim
from torch.fx.experimental.proxy_tensor import make_fx

__all__ = ["pytestmark"]


class Decoder(torch.nn.Module):
    """One layer: `Prefill` makes the cache, `Step` reads it and adds to it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.places = (
            torch.nn.Embedding(50, 32),
            torch.nn.Embedding(64, 32),
        )
        self.qkv, self.out = torch.nn.Linear(32, 96), torch.nn.Linear(32, 32)
        self.norm = torch.nn.LayerNorm(32)

    def layer(self, x, cache, mask):
        q, k, v = (
            t.view(1, -1, 4, 8).transpose(1, 2)
            for t in self.qkv(self.norm(x)).split(32, -1)
        )
        if cache:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        p = torch.softmax(q @ k.transpose(2, 3) / 8**0.5 + mask, -1)
        x = x + self.out((p @ v).transpose(1, 2).reshape(x.shape))
        return x @ self.tokens.weight.t(), k, v


class Prefill(Decoder):
    def forward(self, ids):
        i = torch.arange(ids.shape[1])
        mask = torch.where(i[None, :] > i[:, None], -1e9, 0.0)
        return self.layer(self.tokens(ids) + self.places(i), None, mask)


class Step(Decoder):
    def forward(self, ids, k, v):
        x = self.tokens(ids) + self.places(torch.full((1,), k.shape[2]))
        return self.layer(x, (k, v), torch.zeros(1, 1))


def test_prefill_and_decode(tmp_path):
    ids = torch.arange(7)[None] * 5 % 50
    length, past = Dim("length", min=2, max=60), Dim("past", min=2, max=60)
    prefill = compiled(tmp_path, Prefill(), (ids,), dynamic_shapes={"ids": {1: length}})
    logits, k, v = check(prefill, [("main", [ids.numpy()])])[0]
    (tmp_path / "step").mkdir()
    args = (ids[:, :1], torch.from_numpy(k), torch.from_numpy(v))
    step = compiled(
        tmp_path / "step",
        Step(),
        args,
        dynamic_shapes={"ids": None, "k": {2: past}, "v": {2: past}},
    )
    for _ in range(3):
        token = logits[:, -1:].argmax(-1)
        logits, k, v = check(step, [("main", [token, k, v])])[0]
    assert k.shape == (1, 4, 10, 8)


def train(w, b, v, x, y):
    def loss(w, b, v):
        return ((torch.tanh(x @ w + b) @ v - y) ** 2).mean()

    of, value = torch.func.grad_and_value(loss, argnums=(0, 1, 2))(w, b, v)
    return w - 0.1 * of[0], b - 0.1 * of[1], v - 0.1 * of[2], value


def test_training_step(tmp_path):
    state = [normal(8, 16), normal(16, seed=1), normal(16, 3, seed=2)]
    data = [normal(6, 8, seed=3), normal(6, 3, seed=4)]
    args = tuple(torch.from_numpy(a) for a in (*state, *data))
    path = compiled(tmp_path, make_fx(train)(*args), args)
    losses = []
    for _ in range(4):
        *state, loss = check(path, [("main", [*state, *data])])[0]
        losses.append(loss)
    assert losses[3] < losses[0]


class Choice(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x * 2 + 1, lambda x: x.sin(), (x,))


def test_choice_by_a_number_of_a_tensor(tmp_path):
    path = compiled(tmp_path, Choice(), (torch.randn(3, 4),))
    x = np.abs(normal(3, 4))
    check(path, [("main", [x]), ("main", [-x])])


@pytest.mark.parametrize(
    "flags",
    [
        ["--iree-llvmcpu-enable-ukernels=all", "--iree-opt-data-tiling"],
        ["--iree-llvmcpu-target-cpu=generic"],
        ["--iree-llvmcpu-debug-symbols=false"],
    ],
)
def test_other_ways_to_compile(tmp_path, flags):
    path = compiled(tmp_path, Mlp(), (torch.randn(4, 512),), *flags)
    check(path, [("main", [normal(4, 512)])])


def test_traced_tensors(tmp_path):
    """What a module prints of its tensors, letter for letter."""
    args = (torch.randn(5, 8), torch.arange(6), torch.tensor([True, False, True]))
    path = compiled(tmp_path, Kinds(), args, "--iree-flow-trace-dispatch-tensors")
    flags = [f"--module={path}", "--function=main", "--device=local-sync"]
    for i, a in enumerate(args):
        np.save(tmp_path / f"{i}.npy", a.numpy())
        flags.append(f"--input=@{tmp_path}/{i}.npy")
    said = [
        subprocess.run([t, *flags], capture_output=True, text=True, check=True).stderr
        for t in (PYTHON.with_name("iree-run-module"), TOOLS / "turbine-run-module")
    ]
    assert "inputs ===" in said[0] and said[1] == said[0]


def test_executables_of_other_kinds_are_refused(tmp_path):
    path = compiled(
        tmp_path, Linear(), (torch.randn(2, 4),), "--iree-llvmcpu-link-embedded=false"
    )
    said = run_module(path, "--function=main", "--input=2x4xf32=0", fails=True)
    assert "system-elf-x86_64" in said
