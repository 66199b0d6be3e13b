# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Text of real importers: read, printed, read again; read by iree-compile; computed.

Needs turbine-opt and turbine-compile (build/tools, or the folder TURBINE_TOOLS). What
asks iree-compile is skipped without one: beside this Python, on the PATH, or in the
virtual environment TURBINE_REFENV.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

np = pytest.importorskip("numpy")

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = pathlib.Path(
    os.environ.get("TURBINE_TOOLS", HERE.parent.parent / "build/tools")
)
CORPUS = sorted(p.stem for p in (HERE / "corpus").glob("*.mlir"))
# Comparisons of sizes come back as operators; shared constants get other numbers; bodies
# become graphs in the order of the text.
NOT_EQUAL = {"data", "resnet", "control", "loop"}
# Symbols come in the order of their uses: equal from the second time on.
UNORDERED = {"control"}
# Models whose results are compared with IREE's on the original text.
COMPUTED = [
    "control",
    "loop",
    "linear",
    "mlp",
    "mlp_decomposed",
    "mlp_dynamic",
    "mlp_symbols",
    "conv",
    "vit",
]


def tool(name):
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


def iree(name):
    places = [pathlib.Path(sys.executable).parent]
    if "TURBINE_REFENV" in os.environ:
        places.insert(0, pathlib.Path(os.environ["TURBINE_REFENV"]) / "bin")
    for place in places:
        if (place / name).exists():
            return place / name
    found = shutil.which(name)
    if not found:
        pytest.skip(f"there is no {name}; TURBINE_REFENV may name its environment")
    return found


def run(*command, **more):
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        **more,
    )


def text_of(path, stage, *flags):
    done = run(tool("turbine-opt"), f"--stage={stage}", *flags, path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def corpus(name):
    return HERE / "corpus" / f"{name}.mlir"


@pytest.mark.parametrize("name", CORPUS)
def test_read_and_decomposed(name):
    assert "return" in text_of(corpus(name), "unit")
    if name != "types":  # absolute values of complex numbers
        assert "aten." not in text_of(corpus(name), "decompose")


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("flags", [[], ["--locations"]], ids=["plain", "locations"])
def test_the_way_back(name, flags, tmp_path):
    first, second = tmp_path / "first.mlir", tmp_path / "second.mlir"
    first.write_text(text_of(corpus(name), "mlir", *flags))
    second.write_text(text_of(first, "mlir", *flags))
    if name in UNORDERED:
        first.write_text(second.read_text())
        second.write_text(text_of(first, "mlir", *flags))
    assert first.read_text() == second.read_text()
    if name not in NOT_EQUAL:
        want = text_of(corpus(name), "unit", "--data")
        assert text_of(first, "unit", "--data") == want


def test_generic_form_is_the_same():
    for name in ["linear", "shapes"]:
        want = text_of(corpus(name), "unit", "--data")
        assert text_of(corpus(f"{name}_generic"), "unit", "--data") == want


# As iree-opt --emit-bytecode writes the text of the same name; .vN: an older version of
# the format (--emit-bytecode-version=N).
BYTECODE = sorted(p.name for p in (HERE / "bytecode").glob("*.mlirbc"))


@pytest.mark.parametrize("name", BYTECODE)
def test_bytecode_is_the_same_program(name):
    path = HERE / "bytecode" / name
    text = corpus(name.split(".")[0])
    assert text_of(path, "unit", "--data") == text_of(text, "unit", "--data")
    lines = [
        re.findall(r"# (?:arg\d+)?.*?(\S+\.py:\d+)", text_of(f, "unit", "--locations"))
        for f in (path, text)
    ]
    assert lines[0] == lines[1]


def test_broken_bytecode(tmp_path):
    whole = (HERE / "bytecode" / "shapes.mlirbc").read_bytes()
    path = tmp_path / "bad.mlirbc"
    cut = [whole[:n] for n in range(4, len(whole), 97)]
    turned = [whole[:n] + b"\xff" + whole[n + 1 :] for n in range(4, len(whole), 61)]
    for broken in [*cut, *turned]:
        path.write_bytes(broken)
        done = run(tool("turbine-opt"), path)
        assert done.returncode in (0, 1), done.stderr
        assert done.returncode == 0 or done.stderr.startswith("turbine-opt: ")
    path.write_bytes(whole[:200])
    done = run(tool("turbine-opt"), path)
    assert re.search(r"bad\.mlirbc, byte \d+: \d+ bytes are wanted where", done.stderr)
    path.write_bytes(b"ML\xefR\x41" + whole[5:])
    done = run(tool("turbine-opt"), path)
    assert "MLIR bytecode of version 32; 1 to 6 can be read" in done.stderr


def test_locations():
    text = text_of(corpus("linear_locations"), "unit", "--locations")
    assert re.search(r"aten\.\w+\(.*# \S+\.py:\d+ aten\.", text)


def test_message_says_where(tmp_path):
    path = tmp_path / "bad.mlir"
    path.write_text(corpus("linear").read_text().replace("%arg0,", "%nobody,"))
    done = run(tool("turbine-opt"), path)
    assert done.returncode == 1
    assert "bad.mlir:5:28: %nobody is not defined above" in done.stderr


def test_standard_input():
    done = run(tool("turbine-opt"), "-", input=corpus("linear").read_text())
    assert done.returncode == 0 and "aten.linear" in done.stdout
    again = run(tool("turbine-opt"), "-", input=done.stdout)
    assert again.stdout == done.stdout


BODIES = """
func.func @main(%x: !torch.vtensor<[2],f32>, %b: !torch.vtensor<[],i1>) -> !torch.vtensor<[2],f32> {
  %c = torch.aten.Bool.Tensor %b : !torch.vtensor<[],i1> -> !torch.bool
  %n = torch.constant.int 9223372036854775807
  BODY
  return %r : !torch.vtensor<[2],f32>
}
"""
YIELD = "torch.prim.If.yield %x : !torch.vtensor<[2],f32>"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "%r = torch.prim.If %c -> (!torch.vtensor<[2],f32>) { " + YIELD + " }",
            "torch.prim.If: expected two bodies, found 1",
        ),
        (
            "%r = torch.prim.If %c -> (!torch.vtensor<[2],f32>) { "
            + YIELD
            + " } else { torch.prim.If.yield %b : !torch.vtensor<[],i1> }",
            "expected f32 of rank 1, found i1 of rank 0",
        ),
        (
            "%r = torch.prim.If %c -> (!torch.vtensor<[2],f32>) { "
            + YIELD
            + " } else { torch.prim.If.yield }",
            "0 values leave the body, 1 are wanted",
        ),
        (
            "%r = torch.prim.Loop %n, %c, init(%x) { ^bb0(%i: !torch.int):\n"
            "torch.prim.Loop.condition %c, iter(%x : !torch.vtensor<[2],f32>) }"
            " : (!torch.int, !torch.bool, !torch.vtensor<[2],f32>)"
            " -> (!torch.vtensor<[2],f32>)",
            "1 values go in, the body has 1 arguments",
        ),
    ],
)
def test_broken_bodies(body, message):
    done = run(tool("turbine-opt"), "-", input=BODIES.replace("BODY", body))
    assert done.returncode == 1
    assert message in done.stderr


def test_compiling(tmp_path):
    out = tmp_path / "out.vmfb"
    compiler = tool("turbine-compile")
    done = run(compiler, corpus("linear"), "-o", out, "--target=host,x86_64-v3")
    assert done.returncode == 0 and done.stderr == ""
    first = out.read_bytes()
    assert run(compiler, corpus("linear"), "-o", out, "--target=host,x86_64-v3", "-v")
    assert out.read_bytes() == first  # the same input gives the same bytes
    iree_flags = [
        "--iree-hal-target-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "--iree-input-type=torch",
    ]
    done = run(compiler, *iree_flags, corpus("linear"), "-o", out)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--target=foo"], 1, "unknown target 'foo'; examples are host"),
        (["--dump=foo"], 1, "no stage is named 'foo'"),
        (["--foo"], 2, "--foo is not understood"),
        (["--iree-hal-target-backends=cuda"], 2, "backends=cuda is not understood"),
    ],
)
def test_wrong_flags(flags, status, message, tmp_path):
    out = tmp_path / "out.vmfb"
    done = run(tool("turbine-compile"), corpus("linear"), "-o", out, *flags)
    assert done.returncode == status
    assert message in done.stderr
    assert not out.exists()


def test_graph_text_is_read(tmp_path):
    graph, out = tmp_path / "linear.graph", tmp_path / "out.vmfb"
    graph.write_text(text_of(corpus("linear"), "unit", "--data"))
    done = run(tool("turbine-compile"), graph, "-o", out, "--target=host")
    assert done.returncode == 0, done.stderr
    listed = run(tool("turbine-opt"), "--list").stdout.split("\n")
    names = [line.split()[0] for line in listed if line]
    assert names[:4] == ["mlir", "unit", "aten", "decompose"]
    for name in names:
        assert text_of(graph, name, "--target=x86_64-v3")


def lower(path, tmp_path):
    return run(
        iree("iree-compile"),
        "--iree-input-type=torch",
        "--iree-hal-target-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=generic",
        "--compile-to=input",
        path,
        "-o",
        tmp_path / "out",
    )


@pytest.mark.parametrize("name", CORPUS)
def test_iree_reads_what_we_print(name, tmp_path):
    path = tmp_path / f"{name}.mlir"
    path.write_text(text_of(corpus(name), "mlir", "--locations"))
    done = lower(path, tmp_path)
    if done.returncode != 0:  # an operator that it lacks: then it lacks it for all
        assert "failed to legalize" in done.stderr or "op operand" in done.stderr
        assert lower(corpus(name), tmp_path).returncode != 0


# ---- results ----


@functools.cache
def random():
    return np.random.default_rng(0)


def inputs(name, tmp_path):
    """An array for each argument of @main, as .npy files."""
    head = re.search(r"@main\((.*?)\) ->", corpus(name).read_text()).group(1)
    files = []
    for shape in re.findall(r"vtensor<\[([^]]*)\],f32>", head):
        dims = [3 if d == "?" else int(d) for d in shape.split(",")]
        files.append(tmp_path / f"in{len(files)}.npy")
        np.save(files[-1], random().standard_normal(dims, dtype=np.float32))
    return files


@pytest.mark.parametrize("name", COMPUTED)
def test_results_are_those_of_iree(name, tmp_path):
    wanted = tmp_path / "iree.vmfb"
    args = [f"--input=@{f}" for f in inputs(name, tmp_path)]
    done = run(
        iree("iree-compile"),
        "--iree-input-type=torch",
        "--iree-hal-target-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        corpus(name),
        "-o",
        wanted,
    )
    assert done.returncode == 0, done.stderr
    done = run(
        iree("iree-run-module"),
        f"--module={wanted}",
        "--device=local-sync",
        "--function=main",
        f"--output=@{tmp_path / 'want.npy'}",
        *args,
    )
    assert done.returncode == 0, done.stderr
    ours = tmp_path / "ours.vmfb"
    done = run(tool("turbine-compile"), corpus(name), "-o", ours, "--target=host")
    assert done.returncode == 0, done.stderr
    done = run(
        tool("turbine-run-module"),
        f"--module={ours}",
        f"--output=@{tmp_path / 'got.npy'}",
        *args,
    )
    assert done.returncode == 0, done.stderr
    got, want = np.load(tmp_path / "got.npy"), np.load(tmp_path / "want.npy")
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1e-5 * max(1, np.abs(want).max())
