# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models as WebAssembly objects, linked by clang and wasm-ld and run by Node."""

import base64
import json
import platform
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import shark_turbine.runtime as rt
import torch
from machines import ROOT
from native_training_test import losses_of, sample
from object_test import COMPILE, cases, compare, emit
from shark_turbine import _runtime, aot
from torch import nn
from torch.nn import functional as F

X86 = platform.machine() == "x86_64"
LEVELS = ["wasm32", "wasm32-simd128"]
# As docs/runtime.md and samples/wasm tell users.
LINK = ["--target=wasm32", "-mbulk-memory", "-O2", "-nostdlib", "-fvisibility=default"]
LINK += ["-Wl,--no-entry,--export-dynamic,--export=__heap_base"]

pytestmark = [
    pytest.mark.skipif(not shutil.which(tool), reason=f"no {tool} (make setup-cross)")
    for tool in ("clang", "wasm-ld", "node")
]


class Transformer(nn.Module):
    """A sentence encoder in small: embeddings, masked attention, gelu, norms, mean."""

    def __init__(self, layers=2, width=48, heads=4, words=97):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(64, width)
        self.norm = nn.LayerNorm(width)
        self.heads = heads
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm": nn.LayerNorm(width),
                    "up": nn.Linear(width, 4 * width),
                    "down": nn.Linear(4 * width, width),
                    "last": nn.LayerNorm(width),
                }
            )
            for _ in range(layers)
        )

    def forward(self, ids, mask):
        n = ids.shape[1]
        x = self.norm(self.words(ids) + self.places(torch.arange(n)))
        bias = mask[:, None, None, :] > 0
        for layer in self.layers:
            q, k, v = (
                t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for t in layer["qkv"](x).chunk(3, -1)
            )
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            x = layer["norm"](x + layer["out"](a.transpose(1, 2).flatten(2)))
            x = layer["last"](x + layer["down"](F.gelu(layer["up"](x))))
        m = mask[..., None].to(x.dtype)
        return F.normalize((x * m).sum(1) / m.sum(1), dim=-1)


class Numbers(nn.Module):
    """What a processor's instruction set shows in: all kinds of numbers and functions."""

    def forward(self, x, n, h, d):
        b = h.bfloat16()
        return (
            torch.exp(x) + torch.log1p(x.abs()) + torch.erf(x) + torch.sin(x * 9),
            torch.round(x * 4)
            + torch.floor(x)
            - torch.ceil(x * 3)
            + torch.trunc(x * 7),
            torch.pow(x.abs(), 1.7) + torch.atan2(x, x.flip(0)) + torch.tanh(x),
            torch.minimum(x, x.flip(0)) + torch.clamp(x, -0.5, 0.5),
            n // 7 + n % 5 + (n * 3 >> 2) + torch.div(n, 3, rounding_mode="trunc"),
            (n.int() // 3) ** 2 + n.to(torch.uint8).int() + (n > 0).int(),
            h * 2 + h.flip(0),
            b * 3,
            (d.sin() / (d * d + 1)).cumsum(0) + n.double()[: d.shape[0]],
            (x * 1e3).long() + (d[:1] * 1e12).long(),
            torch.sort(x, stable=True)[0] + x.argsort(stable=True).float(),
            torch.zeros(13).index_add(0, n % 13, x) + x[(n % 13).abs()][:13],
            torch.where(x > 0, x, torch.full_like(x, float("nan"))).isnan(),
        )


class Pictures(nn.Module):
    """Convolutions of all schedules, pooling, a batch norm."""

    def __init__(self):
        super().__init__()
        self.a, self.n = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.b = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.c, self.d = nn.Conv2d(16, 24, 1), nn.Conv2d(24, 24, 3, padding=1)
        self.e = nn.ConvTranspose2d(24, 5, 2, stride=2)

    def forward(self, x):
        y = F.relu(self.n(self.a(x)))
        y = F.hardswish(self.c(F.silu(self.b(y))))
        y = F.max_pool2d(self.d(y), 2)
        return self.e(y), F.adaptive_avg_pool2d(y, 3)


class Same(nn.Module):
    """No kernel at all."""

    def forward(self, x):
        return x


class Constant(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("w", torch.arange(6.0))

    def forward(self, x):
        return self.w


def all_cases():
    yield from cases()
    n = torch.export.Dim("n", min=1, max=64)
    ids, mask = torch.randint(0, 97, (3, 19)), torch.ones(3, 19, dtype=torch.int64)
    mask[1, 7:] = 0
    yield "transformer", Transformer(), (ids, mask), ({1: n}, {1: n})
    x = torch.randn(40)
    x[:4] = torch.tensor([0.0, -0.0, 0.5, -1.5])
    n = torch.arange(-20, 20) * 131071
    yield (
        "numbers",
        Numbers(),
        (x, n, torch.randn(33).half(), torch.randn(21).double()),
        None,
    )
    yield "pictures", Pictures(), (torch.randn(1, 3, 22, 18),), None
    yield "same", Same(), (torch.randn(3),), None
    yield "constant", Constant(), (torch.randn(3),), None


NAMES = [
    "stateful",
    "images",
    "branches",
    "indexed",
    "transformer",
    "numbers",
    "pictures",
]
NAMES += ["same", "constant"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """MLIR files, the arguments, what PyTorch says, the artifact without fma."""
    folder = tmp_path_factory.mktemp("wasm")
    found = {}
    for name, module, args, shapes in all_cases():
        output = aot.export(module.eval(), args=args, dynamic_shapes=shapes)
        output.save_mlir(folder / f"{name}.mlir")
        level = "x86_64-v2" if X86 else "host"
        output.compile(folder / f"{name}.vmfb", targets=[level])
        calls = 2 if name == "stateful" else 1
        with torch.no_grad():
            for _ in range(calls):
                want = module(*args)
        want = want if isinstance(want, tuple) else (want,)
        found[name] = args, calls, [w.clone() for w in want]
    return folder, found


def link(folder, name):
    done = subprocess.run(
        ["clang", *LINK, f"-D{name.upper()}_IMPLEMENTATION", "-x", "c"]
        + [folder / f"{name}.h", "-x", "none", folder / f"{name}.o"]
        + ["-o", folder / f"{name}.wasm"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / f"{name}.wasm"


def run(wasm, name, artifact, args, wants, calls, status=0):
    """Runs main; gives what it wrote, or its message if it fails."""
    module = _runtime.Module.from_file(str(artifact))
    header = wasm.with_suffix(".h").read_text()
    state = re.search(rf"{name.upper()}_STATE_BYTES (\d+)", header)
    inputs, results = [], []
    for (_, _, dims, *_), a in zip(module.inputs("main"), args, strict=True):
        data = a.numpy().tobytes()
        sizes = [s for d, s in zip(dims, a.shape) if d < 0]
        inputs.append({"data": base64.b64encode(data).decode(), "sizes": sizes})
    for (_, _, dims, *_), w in zip(module.results("main"), wants, strict=True):
        results.append({"bytes": w.nbytes, "open": min(dims, default=0) < 0})
    case = wasm.with_suffix(".json")
    case.write_text(
        json.dumps(
            {"name": name, "state": int(state[1]) if state else 0, "calls": calls}
            | {"inputs": inputs, "results": results}
        )
    )
    done = subprocess.run(
        ["node", ROOT / "tests/embed/run_wasm.mjs", wasm, case], capture_output=True
    )
    assert done.returncode == status, done.stderr.decode()
    return done.stderr.decode() if status else done.stdout


def on_the_host(artifact, args, calls):
    config = rt.Config("local-sync")
    module = rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, artifact), config)
    for _ in range(calls):
        out = module.main(*args)
    out = out if isinstance(out, (tuple, list)) else (out,)
    return b"".join(np.ascontiguousarray(o.to_host()).tobytes() for o in out)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_as_pytorch(built, name, level, tmp_path):
    folder, found = built
    args, calls, wants = found[name]
    emit(folder, name, level, tmp_path)
    wasm = link(tmp_path, name)
    got = run(wasm, name, folder / f"{name}.vmfb", args, wants, calls)
    compare(got, wants)


def test_bits_of_the_host(built, tmp_path):
    """128-bit vectors without fma on both sides: the same operations, the same bits."""
    folder, found = built
    if not X86:
        pytest.skip("x86-64-v2 is what has them here")
    for name in ("transformer", "pictures", "numbers"):
        args, calls, wants = found[name]
        emit(folder, name, "wasm32-simd128", tmp_path)
        wasm, artifact = link(tmp_path, name), folder / f"{name}.vmfb"
        got = run(wasm, name, artifact, args, wants, calls)
        assert got == on_the_host(artifact, args, calls), name


def test_what_calls_refuse(built, tmp_path):
    folder, found = built
    _, _, wants = found["indexed"]
    emit(folder, "indexed", "wasm32", tmp_path)
    wasm, artifact = link(tmp_path, "indexed"), folder / "indexed.vmfb"
    bad = (torch.tensor([[1, 11, 3], [0, 0, 7]]),)
    text = run(wasm, "indexed", artifact, bad, wants, 1, status=1)
    assert "aten.embedding" in text and text.endswith(": index out of range\n")


def test_training_sample(tmp_path):
    """samples/wasm, with the losses of PyTorch."""
    subprocess.run(
        [sys.executable, ROOT / "samples/native/models.py", tmp_path]
        + ["--target=wasm32-simd128"],
        check=True,
    )
    for name in ("regression", "digits"):
        link(tmp_path, name)
    text = subprocess.run(
        ["node", ROOT / "samples/wasm/train.mjs", tmp_path, "40"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    models = sample()
    make, batch = models.MODELS["regression"]
    model, loss_fn, optimizer = make()
    random, want = models.Random(), []
    for _ in range(40):
        x, y = batch(random)
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        want.append(loss.item())
    assert losses_of(text, "regression") == pytest.approx(want, rel=2e-4)
    assert want[-1] < 0.1 * want[0]
    assert float(re.search(r"mean squared error (\S+)", text)[1]) < 0.05


def test_archives_are_for_processors(built, tmp_path):
    folder, _ = built
    for target in ("wasm32", "wasm32-simd128"):
        done = subprocess.run(
            [
                COMPILE,
                folder / "images.mlir",
                f"--target={target}",
                "-o",
                tmp_path / "m",
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert f"target {target}: " in done.stderr and "--emit=object" in done.stderr
    assert not list(tmp_path.iterdir())
