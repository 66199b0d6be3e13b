# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command-line tools take what scripts give IREE's tools."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / os.environ.get("TURBINE_BUILD", "build") / "tools"


class Model(torch.nn.Module):
    def forward(self, x, k):
        return x * k, x.sum()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    args = torch.ones(2, 2), torch.tensor(2, dtype=torch.int32)
    output = aot.export(Model(), args=args)
    output.compile(folder / "m.vmfb", targets=["host"])
    output.save_mlir(folder / "m.mlir")
    return folder


def run(folder, tool, *arguments, status=0, given=None):
    path = TOOLS / f"turbine-{tool}"
    if not path.exists():
        pytest.skip(f"{path.name} is not built")
    done = subprocess.run(
        [path, *arguments], input=given, cwd=folder, capture_output=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout.decode(), done.stderr.decode()


CALL = ["--module=m.vmfb", "--function=main", "--input=2x2xf32=1 2 3 4", "--input=3"]
PRINTED = """EXEC @main
result[0]: hal.buffer_view
2x2xf32=[3 6][9 12]
result[1]: hal.buffer_view
f32=10
"""


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--device=local-sync", "--module_mode=preload"],
        ["--device=local-task", "--task_topology_group_count=2", "--module_mode=mmap"],
        ["--task_topology_max_group_count=1", "--parameter_mode=mmap"],
    ],
)
def test_a_call(folder, more):
    assert run(folder, "run-module", *CALL, *more)[0] == PRINTED


def test_a_module_from_standard_input(folder):
    flags = ["--module=-", *CALL[1:]]
    given = (folder / "m.vmfb").read_bytes()
    assert run(folder, "run-module", *flags, given=given)[0] == PRINTED


def test_outputs(folder):
    out = run(folder, "run-module", *CALL, "--output=@a.npy", "--output=@b.bin")[0]
    assert out == ""
    assert np.load(folder / "a.npy").tolist() == [[3, 6], [9, 12]]
    assert np.fromfile(folder / "b.bin", np.float32).tolist() == [10]
    for _ in range(2):
        run(folder, "run-module", *CALL, "--output=+all.npy", "--output=+all.npy")
    run(folder, "run-module", *CALL, "--output=", "--output=-")
    with open(folder / "all.npy", "rb") as f:
        arrays = [np.load(f) for _ in range(4)]
        assert not f.read()
    assert [a.tolist() for a in arrays] == [[[3, 6], [9, 12]], 10] * 2
    same = run(
        folder,
        "run-module",
        *CALL,
        "--expected_output=2x2xf32=3 6 9 12",
        "--expected_output=(ignored)",
    )[0]
    assert same.startswith("[SUCCESS]")
    wrong = ["--expected_output=2x2xf32=3 6 9 13", "--expected_output=f32=10"]
    assert "[FAILED] result[0]" in run(folder, "run-module", *CALL, *wrong, status=1)[0]


def test_files_of_flags(folder):
    lines = ["# a call", "", *CALL[:2], f"  {CALL[2]}  "]
    (folder / "flags.txt").write_text("\n".join(lines))
    assert run(folder, "run-module", "--flagfile=flags.txt", CALL[3])[0] == PRINTED
    said = run(folder, "run-module", "--flagfile=missing.txt", status=1)[1]
    assert "missing.txt" in said


def test_lists(folder):
    for tool in ("run-module", "benchmark-module"):
        assert "local-task" in run(folder, tool, "--list_drivers")[0]
        uris = run(folder, tool, "--list_devices")[0]
        assert uris.split() == ["local-sync", "local-task"]
        run(folder, tool, "--dump_devices")


@pytest.mark.parametrize(
    "flag",
    [
        "--module_mode=sideways",
        "--parameter_mode=no",
        "--task_topology_group_count=0",
        "--fast",
    ],
)
def test_flags_that_make_no_sense(folder, flag):
    assert "is not understood" in run(folder, "run-module", *CALL, flag, status=2)[1]


def test_benchmark(folder):
    few = "--benchmark_min_time=5x"
    text = run(folder, "benchmark-module", *CALL, few, "--benchmark_repetitions=2")[0]
    assert text.count("BM_main") == 2
    out, _ = run(
        folder,
        "benchmark-module",
        *CALL,
        few,
        "--benchmark_format=json",
        "--benchmark_out=r.json",
        "--benchmark_out_format=json",
    )
    assert json.loads(out) == json.loads((folder / "r.json").read_text())
    (row,) = json.loads(out)["benchmarks"]
    assert row["iterations"] == 5 and row["real_time"] > 0 and row["cpu_time"] > 0
    assert json.loads(out)["context"]["device"] == "local-task"
    bad = run(
        folder, "benchmark-module", *CALL, few, "--benchmark_out=no/r.json", status=1
    )
    assert "no/r.json" in bad[1]


def test_compile(folder):
    flags = [
        "--iree-input-type=torch",
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "--iree-opt-data-tiling",
        "--iree-llvmcpu-enable-ukernels=all",
        "--iree-opt-level=O3",
    ]
    _, said = run(folder, "compile", "m.mlir", "-o", "again.vmfb", *flags)
    assert said == ""
    again = ["--module=again.vmfb", *CALL[1:]]
    assert run(folder, "run-module", *again)[0] == PRINTED
    odd = "--iree-flow-trace-dispatch-tensors"
    _, said = run(folder, "compile", "m.mlir", "-o", "again.vmfb", odd)
    assert said == f"turbine-compile: warning: {odd} has no effect\n"
    for wrong in (
        "--iree-input-type=onnx",
        "--iree-hal-target-backends=cuda",
        "--fast",
    ):
        _, said = run(folder, "compile", "m.mlir", "-o", "no.vmfb", wrong, status=2)
        assert f"{wrong} is not understood" in said
    assert not (folder / "no.vmfb").exists()
