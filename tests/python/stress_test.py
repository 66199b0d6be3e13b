# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compile time grows as the model does: no stage is slower than linear."""

import sys
from pathlib import Path

import numpy as np
import pytest
from shark_turbine import _compiler
from shark_turbine import runtime as rt

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import stress

SMALL, FACTOR = 30, 8


def times(folder, kind, layers):
    path = folder / f"{kind}-{layers}.mlir"
    path.write_text(stress.model(kind, layers))
    found = stress.stages(path, "host", 1)
    return {k: v for k, v in found.items() if k not in ("artifact", "peak memory")}


@pytest.mark.parametrize("kind", ["transformer", "dynamic", "maps", "images", "long"])
def test_linear(kind, tmp_path):
    small = times(tmp_path, kind, SMALL)
    large = times(tmp_path, kind, FACTOR * SMALL)
    # Twice as much as linear is allowed for, a quadratic stage takes 64 times as long;
    # what takes a few milliseconds is not measured well enough to say anything. CPU time.
    slow = {
        stage: (small[stage], t)
        for stage, t in large.items()
        if t > 20 and t > 2 * FACTOR * max(small[stage], 1)
    }
    assert not slow, f"{kind}: not linear: {slow}"


@pytest.mark.parametrize("kind", sorted(stress.KINDS))
def test_right(kind, tmp_path):
    """The models are real ones: compiled code computes what the evaluator does."""
    unit = _compiler.parse_mlir(stress.model(kind, 3))
    rows = stress.KINDS[kind][1]
    rows = 32 if rows == "?" else rows
    x = np.linspace(-1, 1, rows * stress.WIDE, dtype=np.float32).reshape(rows, -1)
    path = tmp_path / "m.vmfb"
    path.write_bytes(unit.compile(targets=["host"]))
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(path))
    got = rt.load_vm_module(module, config).main(x).to_host()
    ((data, _, dims),) = unit.evaluate("main", [(x, "f32", list(x.shape))])
    want = np.frombuffer(data, np.float32).reshape(dims)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
