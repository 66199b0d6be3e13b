# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What compiling takes beside the weights: they are laid out on their way into the file."""

import pathlib
import re
import subprocess

import pytest
import torch
from shark_turbine import aot

COMPILE = pathlib.Path(__file__).parents[2] / "build/tools/turbine-compile"
LAYERS, WIDTH = 4, 2048
WEIGHTS = LAYERS * WIDTH * WIDTH * 4 / 1e6


def exported(layers, width):
    model = torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(layers)))
    return aot.export(model.eval(), args=(torch.ones(8, width),))


def memory(key):
    """Of this process, in MB."""
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{key}:\s+(\d+) kB", text)[1]) / 1e3


def test_to_a_file(tmp_path):
    output = exported(LAYERS, WIDTH)
    exported(1, 8).compile(tmp_path / "first.vmfb")  # LLVM, and what it keeps
    before = memory("VmRSS")
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts anew
    except OSError:
        pytest.skip("the peak of memory cannot be measured here")
    output.compile(tmp_path / "m.vmfb")
    extra = memory("VmHWM") - before
    assert (tmp_path / "m.vmfb").stat().st_size > WEIGHTS * 1e6
    assert extra < 0.8 * WEIGHTS, f"{extra:.0f} MB for {WEIGHTS:.0f} MB of weights"


def test_from_text(tmp_path):
    """Nor is the text of the weights, twice as long as they, in memory as a whole."""
    exported(LAYERS, WIDTH).save_mlir(tmp_path / "m.mlir")
    exported(1, 8).save_mlir(tmp_path / "small.mlir")
    peaks = []
    for name in ("small", "m"):
        done = subprocess.run(
            [COMPILE, tmp_path / f"{name}.mlir", "-v", "--target=host"]
            + ["-o", tmp_path / f"{name}.vmfb"],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(float(re.search(r"peak memory +(\S+) MB", done.stderr)[1]))
    extra = peaks[1] - peaks[0] - WEIGHTS
    assert extra < 1.2 * WEIGHTS, f"{extra:.0f} MB for {WEIGHTS:.0f} MB of weights"
