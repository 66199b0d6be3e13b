# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Artifacts made here for other processors, run there (emulated), against the host's results."""

import subprocess

import numpy as np
import pytest
import shark_turbine.runtime as rt
import torch
import torch.nn.functional as F
from machines import MACHINES
from shark_turbine import aot
from torch.export import Dim

TARGETS = ["x86_64-linux-v3+v4", "aarch64-linux", "riscv64-linux", "armv7-linux-neon"]


class Perceptron(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(37, 100), torch.nn.Linear(100, 10)

    def forward(self, x):
        return F.log_softmax(self.b(F.gelu(self.a(x))), -1)


class Image(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.n = torch.nn.BatchNorm2d(8)
        self.b = torch.nn.Conv2d(8, 16, 3, groups=4)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.n(self.a(x))), 2)
        return F.adaptive_avg_pool2d(self.b(x), 1).flatten(1), F.interpolate(
            x, scale_factor=2
        )


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.e = torch.nn.Embedding(50, 32)
        self.q, self.o = torch.nn.Linear(32, 96), torch.nn.Linear(32, 32)
        self.n = torch.nn.LayerNorm(32)

    def forward(self, ids, mask):
        x = self.n(self.e(ids))
        q, k, v = (
            t.unflatten(-1, (4, 8)).transpose(1, 2) for t in self.q(x).chunk(3, -1)
        )
        m = mask[:, None, None, :].to(x.dtype) * 9 - 9
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=m)
        x = x + self.o(a.transpose(1, 2).flatten(2))
        return F.normalize((x * mask[..., None]).sum(1))


class Mathematics(torch.nn.Module):
    def forward(self, x, y):
        a = torch.sin(x) + torch.exp(-x.abs()) * torch.erf(y) + torch.log1p(x * x)
        b = torch.atan2(x, y) + torch.pow(x.abs() + 0.1, y) + torch.tanh(y).cumsum(-1)
        d = torch.expm1(x.double()) / (y.double() ** 2 + 1)
        return a, b, d, torch.floor(y * 10), (x * 10).round(), torch.fmod(x * 5, 1.5)


class Halves(torch.nn.Module):
    def forward(self, x, y):
        return (x * 2 + 1).softmax(-1), (y @ y.mT), (x.to(torch.bfloat16) * 3).float()


class Integers(torch.nn.Module):
    def forward(self, a, b):
        c = torch.where(b == 0, 7, b)
        small = (a % 251).to(torch.uint8)
        return (
            torch.div(a, c, rounding_mode="floor"),
            torch.div(a, c, rounding_mode="trunc"),
            a % c,
            (a.to(torch.int32) // 13) * (c.to(torch.int32) >> 3),
            small // 7 + (small << 1),
            a.double() / 3,
            a.float(),
            (a.float() * 1e4).to(torch.int64),
        )


class Places(torch.nn.Module):
    def forward(self, x, ids):
        top, at = torch.topk(x, 3)
        order = torch.argsort(x, dim=0, stable=True)
        summed = torch.zeros_like(x).index_add(0, ids, x)
        return top, at, order, x.gather(0, order), summed, x[ids].flip(1)


class Recurrent(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = torch.nn.LSTMCell(6, 20)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], 20)
        for t in range(4):
            h, c = self.cell(x[:, t], (h, c))
        return h, c


def cases():
    torch.manual_seed(4)
    n = Dim("n", min=1, max=100)
    big = torch.tensor([[2**40 + 5, -(2**52) - 3, 17], [-(10**15), 2**31, -7]])
    odd = torch.tensor([[12345678901, -97, 0], [3, -(2**33), 5]])
    half = torch.randn(6, 9).half()
    yield "perceptron", Perceptron(), (torch.randn(5, 37),), ({0: n},)
    yield "image", Image(), (torch.randn(2, 3, 18, 22),), None
    ids, mask = torch.randint(0, 50, (3, 11)), torch.ones(3, 11, dtype=torch.int64)
    mask[1, 4:] = 0
    yield "encoder", Encoder(), (ids, mask), ({0: n}, {0: n})
    yield "mathematics", Mathematics(), (torch.randn(3, 21), torch.randn(3, 21)), None
    yield "halves", Halves(), (half, torch.randn(7, 5).bfloat16()), None
    yield "integers", Integers(), (big, odd), None
    yield (
        "places",
        Places(),
        (torch.randn(6, 9), torch.tensor([1, 0, 5, 5, 2, 0])),
        None,
    )
    yield "recurrent", Recurrent(), (torch.randn(3, 4, 6),), None


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """By case: the artifact with all targets, inputs as files, the host's results."""
    folder = tmp_path_factory.mktemp("cross")
    found = {}
    for name, module, args, shapes in cases():
        output = aot.export(module.eval(), args=args, dynamic_shapes=shapes)
        path, plain = folder / f"{name}.vmfb", folder / f"{name}_armv7.vmfb"
        output.compile(save_to=path, targets=TARGETS)
        output.compile(save_to=plain, targets=["armv7-linux"])
        inputs = []
        for i, a in enumerate(args):
            raw = a.view(torch.int16) if a.dtype == torch.bfloat16 else a
            np.save(folder / f"{name}{i}.npy", raw.numpy())
            inputs.append(folder / f"{name}{i}.npy")
        results = rt.load_vm_flatbuffer_file(str(path), driver="local-sync").main(*args)
        results = results if isinstance(results, tuple) else (results,)
        found[name] = (
            path,
            plain,
            inputs,
            [torch.as_tensor(r.to_host()) for r in results],
        )
    return found


def flags_of(args, inputs):
    for a, path in zip(args, inputs):
        if a.dtype == torch.bfloat16:  # numpy has no such type: the bytes as they are
            raw = path.with_suffix(".bin")
            raw.write_bytes(np.load(path).tobytes())
            yield f"--input={'x'.join(map(str, a.shape))}xbf16=@{raw}"
        else:
            yield f"--input=@{path}"


NAMES = [name for name, *_ in cases()]
LEVELS = ["aarch64", "riscv64", "armv7-neon", "armv7"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_results_equal_the_hosts(name, level, artifacts, run_module, tmp_path):
    machine = MACHINES[level.removesuffix("-neon")]
    machine.need()
    everywhere, plain, inputs, expected = artifacts[name]
    artifact = plain if level == "armv7" else everywhere
    args = next(args for n, _, args, _ in cases() if n == name)
    places = [tmp_path / f"{i}.bin" for i in range(len(expected))]
    done = machine.run(
        run_module(machine),
        f"--module={artifact}",
        "--device=local-task://?workers=2",
        "--print_statistics",
        *flags_of(args, inputs),
        *(f"--output={p}" for p in places),
    )
    assert f"target            {level}\n" in done.stderr
    for path, want in zip(places, expected):
        dtype = want.dtype
        got = torch.frombuffer(bytearray(path.read_bytes()), dtype=dtype).reshape(
            want.shape
        )
        loose = dtype in (torch.float16, torch.bfloat16)
        rtol, atol = (2e-2, 1e-2) if loose else (1e-4, 2e-5)
        torch.testing.assert_close(got, want, rtol=rtol, atol=atol, equal_nan=True)


def test_no_code_for_this_machine(artifacts, run_module):
    machine = MACHINES["aarch64"]
    machine.need()
    done = machine.run(
        run_module(machine), f"--module={artifacts['image'][1]}", check=False
    )
    assert done.returncode == 1
    assert "has no code for this machine (aarch64)" in done.stderr
    assert "armv7, another architecture" in done.stderr


def test_tool_lists_what_is_inside(artifacts):
    text = subprocess.run(
        ["build/tools/turbine-dump-module", artifacts["image"][0]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for level in ("x86_64-v4", "x86_64-v3", "aarch64", "riscv64", "armv7-neon"):
        assert f"  {level}  ELF machine" in text
