# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a wheel holds is enough to run: sources, stubs and extensions are installed."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TURBINE_BUILD", "build")

PROGRAM = """
import pathlib, sys
import torch
import shark_turbine.aot as aot
import shark_turbine.runtime as rt
assert pathlib.Path(aot.__file__).is_relative_to(sys.argv[1]), aot.__file__
output = aot.export(torch.nn.ReLU(), args=(torch.ones(3),))
module = rt.load_vm_flatbuffer(output.compile(targets=["host"]), driver="local-sync")
print(module.main(torch.tensor([-1.0, 0, 1])).to_host().tolist())
"""


def test_what_is_installed_runs(tmp_path):
    pytest.importorskip("torch")
    meson = shutil.which("meson", path=os.path.dirname(sys.executable))
    if meson is None or not (BUILD / "build.ninja").exists():
        pytest.skip("nothing is built here")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    options = settings["meson-python"]["args"]["install"]
    command = [meson, "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path]
    subprocess.run([*command, *options], check=True, capture_output=True)
    (package,) = tmp_path.rglob("shark_turbine")
    for name in ("py.typed", "_runtime.pyi", "_compiler.pyi", "dynamo/backend.py"):
        assert (package / name).exists(), name
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, package],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[0.0, 0.0, 1.0]\n"
