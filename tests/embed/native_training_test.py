# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""samples/native: training in C without Python or the runtime's library."""

import importlib.util
import re
import shutil
import subprocess
import sys
import time

import pytest
import torch
from machines import MACHINES, ROOT
from shark_turbine.runtime import safetensors

SAMPLE = ROOT / "samples/native"
STEPS = 40
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Os"]
SMALL = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-s"]


def sample():
    spec = importlib.util.spec_from_file_location("models", SAMPLE / "models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(folder, target="host"):
    subprocess.run(
        [sys.executable, SAMPLE / "models.py", folder, f"--target={target}"], check=True
    )
    return [
        f"-I{folder}",
        SAMPLE / "train.c",
        folder / "regression.o",
        folder / "digits.o",
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    compiler = "musl-gcc" if shutil.which("musl-gcc") else "gcc"
    parts = compiled(folder)
    exe = folder / "train"
    subprocess.run(
        [compiler, *STRICT, *SMALL, "-static", *parts, "-o", exe], check=True
    )
    return folder, exe


def losses_of(text, name):
    return [float(x) for x in re.findall(rf"{name} step \d+ loss (\S+)", text)]


def test_learns_as_pytorch_does(built, tmp_path):
    """Losses of every step, and the parameters at the end, are PyTorch's."""
    folder, exe = built
    path = tmp_path / "model.safetensors"
    done = subprocess.run(
        [exe, str(STEPS), path], capture_output=True, text=True, check=True
    )
    arrays, _ = safetensors.load(path)
    models = sample()
    for name, (make, batch) in models.MODELS.items():
        model, loss_fn, optimizer = make()
        random, want, best = models.Random(), [], 1.0
        for _ in range(STEPS):
            x, y = batch(random)
            begin = time.perf_counter()
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            best = min(best, time.perf_counter() - begin)
            want.append(loss.item())
        got = losses_of(done.stdout, name)
        assert got == pytest.approx(want, rel=2e-4)
        assert want[-1] < 0.7 * want[0]
        for key, p in model.state_dict().items():
            torch.testing.assert_close(
                torch.tensor(arrays[f"{name}.{key}"]), p, rtol=1e-3, atol=1e-4
            )
        took = float(re.search(rf"{name} new data.*took (\S+) us", done.stdout)[1])
        assert took < best * 1e6, f"{name}: {took} us a step, PyTorch {best * 1e6:.2f}"
    assert int(re.search(r"digits new data: (\d+) of 32", done.stdout)[1]) >= 30


def test_parameters_travel(built, tmp_path):
    """A file is read back; one that is not ours changes nothing."""
    _, exe = built
    path = tmp_path / "model.safetensors"

    def run(*args, status=0):
        done = subprocess.run([exe, *map(str, args)], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done

    run(30, path)
    later = losses_of(run(1, path).stdout, "digits")
    fresh = losses_of(run(1).stdout, "digits")
    assert later[0] < 0.7 * fresh[0]
    data = path.read_bytes()
    for bad in (data[:-1], data + b"x", data[:8] + b"x" + data[9:], b""):
        path.write_bytes(bad)
        assert "not the parameters" in run(1, path, status=1).stderr
        assert path.read_bytes() == bad
    run("none", status=2)


def test_small(built):
    """Kernels, weights and program of the regression and of the driver: 100 KB at most,
    the C library's own start-up and formatting left out."""
    folder, exe = built
    source = folder / "size.c"
    source.write_text((SAMPLE / "train.c").read_text())
    subprocess.run(
        ["gcc", *STRICT, "-c", f"-I{folder}", source, "-o", folder / "size.o"],
        check=True,
    )
    objects = [folder / "size.o", folder / "regression.o", folder / "digits.o"]
    done = subprocess.run(
        ["size", *objects], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]
    text = [sum(map(int, line.split()[:2])) for line in done]
    print("code and data, bytes:", dict(zip(("train", "regression", "digits"), text)))
    print("static executable, stripped:", exe.stat().st_size)
    assert text[0] + text[1] <= 100_000 and sum(text) <= 120_000
    state = int(
        re.search(r"STATE_BYTES (\d+)", (folder / "regression.h").read_text())[1]
    )
    memory = re.findall(r"_MEMORY (\d+)", (folder / "regression.h").read_text())
    assert state + max(map(int, memory)) < 64 << 10


@pytest.mark.slow
@pytest.mark.parametrize("level", ["aarch64", "riscv64", "armv7"])
def test_other_processors(level, tmp_path):
    machine = MACHINES[level]
    machine.need()
    parts = compiled(tmp_path, f"{level}-linux")
    exe = machine.compile(tmp_path / "train", *STRICT, "-static", *parts)
    text = machine.run(exe, 8).stdout
    models = sample()
    for name, (make, batch) in models.MODELS.items():
        model, loss_fn, optimizer = make()
        random, want = models.Random(), []
        for _ in range(8):
            x, y = batch(random)
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            want.append(loss.item())
        assert losses_of(text, name) == pytest.approx(want, rel=2e-4)
