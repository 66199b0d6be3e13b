# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files that `iree-compile` makes, on our runtime: the same bits as on IREE's own."""

import json
import math
import random
import re
import struct
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from stock import PYTHON, ROOT, check, needs_stock, run_ours, tool
from torch.export import Dim

COMPILER = PYTHON.with_name("iree-compile")
TOOLS = ROOT / "build" / "tools"
pytestmark = [
    needs_stock,
    pytest.mark.skipif(
        not COMPILER.exists(), reason="no iree-compile: scripts/setup.sh iree"
    ),
]
FLAGS = [
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
]


def iree_compile(tmp_path, text, *flags, name="stock"):
    source, path = tmp_path / f"{name}.mlir", tmp_path / f"{name}.vmfb"
    source.write_text(text)
    tool("iree-compile", *FLAGS, *flags, source, "-o", path)
    return path


def compiled(tmp_path, module, args, *flags, **options):
    """From the MLIR that we print of a model."""
    text = str(aot.export(module.eval(), args=args, **options).mlir_module)
    return iree_compile(tmp_path, text, "--iree-input-type=torch", *flags)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def run_module(path, *flags, fails=False):
    command = [TOOLS / "turbine-run-module", f"--module={path}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


# ---- the machine: every instruction on numbers ----

KINDS = {"i": "i32", "I": "i64", "f": "i32", "F": "i64"}  # floats as their bits
VALUES = {
    "i": [
        0,
        1,
        -1,
        2,
        3,
        7,
        -7,
        31,
        33,
        64,
        255,
        256,
        -128,
        65535,
        2**31 - 1,
        -(2**31),
    ],
    "f": [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, -2.5, -3.7, 0.1, 100.0, 1e10]
    + [-1e10, math.inf, -math.inf, math.nan, 1e-30, 3e38],
}
VALUES["I"] = [*VALUES["i"], 2**32, 2**40, -(2**40), 2**63 - 1, -(2**63)]
VALUES["F"] = VALUES["f"]


def bits(kind, value):
    if kind in "fF":
        layout = "<fi" if kind == "f" else "<dq"
        return struct.unpack(layout[0] + layout[2], struct.pack(layout[:2], value))[0]
    return value


def instructions():
    rows = (ROOT / "src" / "vm" / "isa.def").read_text()
    for name, mnemonic, operands in re.findall(
        r'X\((\w+), 0x\w+, "([^"]+)", "([iIfF]+>[iIfF])"\)', rows
    ):
        if "global" not in mnemonic:
            yield name.lower(), mnemonic, *operands.split(">")


def assembly():
    """One function for each; wide arguments first, as registers are aligned."""
    lines = ["vm.module @m version 0", *(f"vm.type {t}" for t in ("i32", "i64")), ""]
    functions = {}
    for name, mnemonic, operands, result in instructions():
        order = sorted(range(len(operands)), key=lambda k: operands[k] not in "IF")
        at, args, regs = 0, [], [""] * len(operands)
        for k in order:
            wide = operands[k] in "IF"
            regs[k] = f"%i{at}:{at + 1}" if wide else f"%i{at}"
            args.append(f"{regs[k]}: {KINDS[operands[k]]}")
            at += 1 + wide
        at += at % 2
        to = f"%i{at}:{at + 1}" if result in "IF" else f"%i{at}"
        cast = {"f": ("i32.f32", "f32.i32"), "F": ("i64.f64", "f64.i64")}
        body = [
            f"{r} = vm.bitcast.{cast[k][0]} {r}"
            for k, r in zip(operands, regs, strict=True)
            if k in cast
        ]
        select = mnemonic.startswith("select")
        given = "{} ? {} : {}".format(*regs) if select else ", ".join(regs)
        body.append(f"{to} = vm.{mnemonic} {given}")
        if result in cast:
            body.append(f"{to} = vm.bitcast.{cast[result][1]} {to}")
        lines += [
            f"vm.export @{name}",
            f"vm.func @{name}({', '.join(args)}) -> ({KINDS[result]}) {{",
            "^bb0:",
            *("  " + line for line in body),
            f"  vm.return {to}",
            "}",
            "",
        ]
        functions[name] = ("".join(operands[k] for k in order), result)
    return "\n".join(lines), functions


def same_number(kind, a, b):
    if kind in "fF":  # which NaN is the C library's business
        layout = ("<i", "<f") if kind == "f" else ("<q", "<d")
        x, y = (struct.unpack(layout[1], struct.pack(layout[0], v))[0] for v in (a, b))
        return a == b or (math.isnan(x) and math.isnan(y))
    return a == b


def test_numbers(tmp_path):
    text, functions = assembly()
    assert len(functions) > 160
    source, path = tmp_path / "ops.vmasm", tmp_path / "ops.vmfb"
    source.write_text(text)
    tool("iree-as-module", source, f"--output={path}")
    pick = random.Random(1)
    cases = []
    for name, (kinds, _) in functions.items():
        for _ in range(25):
            values = [bits(k, pick.choice(VALUES[k])) for k in kinds]
            if re.match("(div|rem)_i", name) and values[1] in (0, -1):
                continue  # IREE's machine divides as the processor does, and dies
            cases.append((name, values))
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    main = ROOT / "tests" / "iree" / "guest_main.py"
    files = [path, tmp_path / "cases.json", tmp_path / "out.json"]
    subprocess.run([PYTHON, main, *files], check=True, timeout=100)
    want = json.loads((tmp_path / "out.json").read_text())

    def scalars(name, values):
        types = {"i": np.int32, "f": np.int32, "I": np.int64, "F": np.int64}
        kinds = functions[name][0]
        return [types[k](v) for k, v in zip(kinds, values, strict=True)]

    got = run_ours(path, [(n, [np.array(x) for x in scalars(n, v)]) for n, v in cases])
    for (name, values), a, b in zip(cases, got, want, strict=True):
        assert not isinstance(a, str), (name, values, a)
        assert same_number(functions[name][1], int(a[0]), b), (name, values, a, b)


def test_calls_and_lists(tmp_path):
    """Arguments that are aligned, references that move, loops that carry both halves."""
    path = iree_compile(
        tmp_path,
        """
vm.module @m {
  vm.rodata private @table dense<[5, -7, 300, 70000]> : tensor<4xi32>
  vm.global.i64 private mutable @total : i64
  vm.func private @g(%a: i32, %b: i64, %l: !vm.list<i32>, %c: i64) -> (i64, i32)
      attributes {inlining_policy = #util.inline.never} {
    %0 = vm.add.i64 %b, %c : i64
    %i = vm.const.i32 1
    %1 = vm.list.get.i32 %l, %i : (!vm.list<i32>, i32) -> i32
    %2 = vm.add.i32 %a, %1 : i32
    vm.return %0, %2 : i64, i32
  }
  vm.export @f
  vm.func @f(%n: i32, %b: i64) -> (i64, i32, i64) {
    %c0 = vm.const.i32 0
    %c1 = vm.const.i32 1
    %c2 = vm.const.i32 2
    %l = vm.list.alloc %c2 : (i32) -> !vm.list<i32>
    vm.list.resize %l, %c2 : (!vm.list<i32>, i32)
    %t = vm.const.ref.rodata @table : !vm.buffer
    %z = vm.const.i64.zero
    vm.br ^loop(%c0, %z : i32, i64)
  ^loop(%i: i32, %sum: i64):
    %more = vm.cmp.lt.i32.s %i, %n : i32
    vm.cond_br %more, ^body, ^end
  ^body:
    %three = vm.const.i32 3
    %k = vm.and.i32 %i, %three : i32
    %k64 = vm.ext.i32.i64.u %k : i32 -> i64
    %x = vm.buffer.load.i32 %t[%k64] : !vm.buffer -> i32
    vm.list.set.i32 %l, %c1, %x : (!vm.list<i32>, i32, i32)
    %r:2 = vm.call @g(%i, %sum, %l, %b) : (i32, i64, !vm.list<i32>, i64) -> (i64, i32)
    %y = vm.ext.i32.i64.s %r#1 : i32 -> i64
    %next = vm.add.i64 %r#0, %y : i64
    %j = vm.add.i32 %i, %c1 : i32
    vm.br ^loop(%j, %next : i32, i64)
  ^end:
    %old = vm.global.load.i64 @total : i64
    %new = vm.add.i64 %old, %sum : i64
    vm.global.store.i64 %new, @total : i64
    %s = vm.list.size %l : (!vm.list<i32>) -> i32
    vm.return %sum, %s, %new : i64, i32, i64
  }
}
""",
        "--compile-mode=vm",
    )
    flags = ["--function=f", "--input=9", "--input=1099511627776"]
    want = re.findall(r"=(-?\d+)", tool("iree-run-module", f"--module={path}", *flags))
    got = re.findall(r"=(-?\d+)", run_module(path, *flags))
    assert got == want and len(got) == 3
    calls = [("f", [np.array(3, np.int32), np.array(2)])] * 2
    first, second = run_ours(path, calls)  # the global stays
    assert int(second[2]) == 2 * int(first[2])


NUMBERS = """
vm.module @m {
  vm.export @f
  vm.func @f(%a: i32, %b: i64, %c: f32, %d: f64) -> (i32, i64, f32, f64) {
    vm.return %a, %b, %c, %d : i32, i64, f32, f64
  }
  vm.export @nothing
  vm.func @nothing() { vm.return }
}
"""


def test_numbers_print_as_iree_prints_them(tmp_path):
    path = iree_compile(tmp_path, NUMBERS, "--compile-mode=vm")
    inputs = [
        ("-5", str(2**40), "1.5", "0.1"),
        (str(2**31 - 1), str(-(2**63)), "1e30", "1e300"),
        (str(-(2**31)), str(2**63 - 1), "-0.0", "1e-300"),
        ("0", "0", "inf", "nan"),
        ("1", "-1", "-nan", "-inf"),
        ("1", "1", "16777216", "123456789.123456789"),
        ("1", "1", "1e-40", "100000"),
        ("1", "1", "999999.5", "1000000"),
    ]
    for values in inputs:
        flags = ["--function=f", *(f"--input={v}" for v in values)]
        want = tool("iree-run-module", f"--module={path}", *flags)
        assert run_module(path, *flags) == want and "result[3]: f64=" in want
    flags += ["--output=-", "--output=", f"--output=@{tmp_path}/f.bin", "--output=-"]
    want = tool("iree-run-module", f"--module={path}", *flags)
    assert run_module(path, *flags) == want.removeprefix("EXEC @f\n")
    flags = ["--function=nothing"]
    want = tool("iree-run-module", f"--module={path}", *flags)
    assert run_module(path, *flags) == want


def test_numbers_beside_tensors(tmp_path):
    path = iree_compile(
        tmp_path,
        """
func.func @main(%x: tensor<4xi32>, %n: i32) -> (tensor<4xi32>, i32, tensor<i32>, f32) {
  %r = arith.addi %x, %x : tensor<4xi32>
  %m = arith.muli %n, %n : i32
  %f = arith.sitofp %m : i32 to f32
  %t = tensor.from_elements %m : tensor<i32>
  return %r, %m, %t, %f : tensor<4xi32>, i32, tensor<i32>, f32
}
""",
    )
    for more in ([], ["--output=-"] * 4):
        flags = ["--function=main", "--input=4xi32=1 2 3 -4", "--input=-1234567", *more]
        want = tool("iree-run-module", f"--module={path}", *flags)
        got = run_module(path, *flags)
        assert got == (want.removeprefix("EXEC @main\n") if more else want)


# ---- models ----


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.inner(x)


def test_linear(tmp_path):
    path = compiled(tmp_path, Linear(), (torch.randn(2, 4),))
    calls = [("main", [normal(2, 4, seed=i)]) for i in range(3)]
    ways = [(d, h) for d in ("local-sync", "local-task") for h in ("mmap", "copy")]
    check(path, calls, ways)
    got = run_ours(path, calls)[0][0]
    want = Linear().inner(torch.from_numpy(calls[0][1][0])).detach().numpy()
    assert np.abs(got - want).max() < 1e-5


def test_tools(tmp_path):
    path = compiled(tmp_path, Linear(), (torch.randn(2, 4),))
    x, want = normal(2, 4), tmp_path / "want.npy"
    np.save(tmp_path / "x.npy", x)
    flags = ["--function=main", f"--input=@{tmp_path}/x.npy"]
    tool("iree-run-module", f"--module={path}", *flags, f"--output=@{want}")
    out = run_module(path, *flags, f"--expected_output=@{want}", "--device=local-task")
    assert "[SUCCESS]" in out
    said = run_module(path, "--function=main", "--input=2x3xf32=0", fails=True)
    assert "hal.buffer_view.assert" in said and "shape" in said
    done = subprocess.run(
        [TOOLS / "turbine-benchmark-module", f"--module={path}", *flags]
        + ["--benchmark_min_time=0.01s"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0 and "BM_main" in done.stdout, done.stderr


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = torch.nn.Linear(512, 512), torch.nn.Linear(512, 10)
        self.norm = torch.nn.LayerNorm(512)

    def forward(self, x):
        y = self.norm(torch.nn.functional.gelu(self.a(x)))
        return self.b(y), y.argmax(-1), (y > 0).any(-1)


@pytest.mark.parametrize(
    "flags", [[], ["--iree-opt-level=O3", "--iree-opt-data-tiling"]]
)
def test_mlp_with_dynamic_batch(tmp_path, flags):
    path = compiled(
        tmp_path,
        Mlp(),
        (torch.randn(4, 512),),
        *flags,
        dynamic_shapes={"x": {0: Dim("n")}},
    )
    calls = [("main", [normal(n, 512, seed=n)]) for n in (4, 1, 7, 64, 4)]
    check(path, calls, [("local-task", "mmap"), ("local-sync", "copy")])


class Kinds(torch.nn.Module):
    def forward(self, a, b, c):
        values, at = a.topk(3, -1)
        return values, at, b.cumsum(0) * 2, c.to(torch.int32) * 2, ~c


def test_types(tmp_path):
    args = (torch.randn(5, 8), torch.arange(6), torch.tensor([True, False, True]))
    path = compiled(tmp_path, Kinds(), args)
    check(path, [("main", [x.numpy() for x in args])])


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, x):
        return self.layer(x)


def test_transformer_with_dynamic_length(tmp_path):
    path = compiled(
        tmp_path,
        Attention(),
        (torch.randn(2, 7, 32),),
        dynamic_shapes={"x": {1: Dim("length", min=2, max=128)}},
    )
    check(path, [("main", [normal(2, n, 32, seed=n)]) for n in (7, 2, 33)])


def test_state_and_control_flow(tmp_path):
    path = iree_compile(
        tmp_path,
        """
util.global private mutable @count = dense<0> : tensor<i32>
func.func @step(%x: tensor<4xf32>, %n: i32) -> (tensor<4xf32>, tensor<i32>) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%y = %x) -> (tensor<4xf32>) : i32 {
    %e = tensor.empty() : tensor<4xf32>
    %z = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>,
        affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%y : tensor<4xf32>) outs(%e : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.mulf %a, %a : f32
      %t = arith.subf %s, %a : f32
      linalg.yield %t : f32
    } -> tensor<4xf32>
    scf.yield %z : tensor<4xf32>
  }
  %old = util.global.load @count : tensor<i32>
  %v = tensor.extract %old[] : tensor<i32>
  %w = arith.addi %v, %n : i32
  %new = tensor.from_elements %w : tensor<i32>
  util.global.store %new, @count : tensor<i32>
  return %r, %new : tensor<4xf32>, tensor<i32>
}
func.func @get() -> tensor<i32> {
  %0 = util.global.load @count : tensor<i32>
  return %0 : tensor<i32>
}
""",
    )
    x = normal(4)
    config = rt.Config("local-task")
    ours = rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, str(path)), config)
    total = 0
    for n in (3, 0, 5):
        y, count = ours.step(x, n)
        want = x.astype(np.float64)
        for _ in range(n):
            want = want * want - want
        total += n
        assert (
            np.allclose(y.to_host(), want, rtol=1e-3) and int(count.to_host()) == total
        )
    assert int(ours.get().to_host()) == total
    module = rt.VmModule.mmap(config.vm_instance, str(path))._module
    assert [v[1:3] for v in module.inputs("step")] == [("f32", [4]), ("i32", [])]
    assert [v[1:3] for v in module.results("step")] == [("f32", [4]), ("i32", [])]


def test_parameters_outside(tmp_path):
    """io_parameters, from a .safetensors and a .irpa file."""
    text = """
util.global private @w = #flow.parameter.named<"model"::"w"> : tensor<4x3xf32>
util.global private @b = #flow.parameter.named<"model"::"b"> : tensor<3xf32>
func.func @main(%x: tensor<2x4xf32>) -> tensor<2x3xf32> {
  %w = util.global.load @w : tensor<4x3xf32>
  %b = util.global.load @b : tensor<3xf32>
  %e = tensor.empty() : tensor<2x3xf32>
  %i = linalg.broadcast ins(%b : tensor<3xf32>) outs(%e : tensor<2x3xf32>) dimensions = [0]
  %r = linalg.matmul ins(%x, %w : tensor<2x4xf32>, tensor<4x3xf32>)
      outs(%i : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}
"""
    path = iree_compile(tmp_path, text)
    files = [tmp_path / "p.safetensors", tmp_path / "q.irpa"]
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"w": normal(4, 3), "b": normal(3, seed=1)}, files[0])
    tool("iree-convert-parameters", f"--parameters={files[0]}", f"--output={files[1]}")
    np.save(tmp_path / "x.npy", normal(2, 4, seed=2))
    flags = ["--function=main", f"--input=@{tmp_path}/x.npy"]
    got = []
    for name, run in (("iree", tool), ("turbine", None)):
        for file in files:
            out = tmp_path / f"{name}{file.suffix}.npy"
            all_flags = [*flags, f"--parameters=model={file}", f"--output=@{out}"]
            if run:
                run("iree-run-module", f"--module={path}", *all_flags)
            else:
                run_module(path, *all_flags)
            got.append(np.load(out))
    assert all(np.array_equal(g, got[0]) for g in got[1:])
    said = run_module(path, *flags, fails=True)
    assert "w" in said and "model" in said


def dump(path, *flags, fails=False):
    command = [TOOLS / "turbine-dump-module", *flags, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def same_instructions(said, text):
    """Of all functions, one after the other; text is as IREE spells it."""
    listed = re.findall(r"^  (?:%.* = )?vm\.([a-z0-9_.]+)", text, re.M)
    functions = said.split("\nfunction ", 1)[1]
    shown = re.findall(r"^ +[0-9a-f]+  (?:%.* = )?([a-z0-9_.]+)", functions, re.M)
    assert shown == listed


def same_listing(path):
    """Types, imports, exports and instructions are those that IREE's tool lists."""
    said, want = dump(path), tool("iree-dump-module", path)
    heads = {
        "types": "Required Types",
        "exports": "Exported F",
        "imports": "Imported F",
    }
    for ours, theirs in heads.items():
        rows = re.search(rf"\n{theirs}.*:\n((?:  .*\n)*)", want)
        names = re.findall(r"^  \[ *\d+\] !?([^ (<]+)", rows[1] if rows else "", re.M)
        mine = re.search(rf"\n{ours}\n((?:  .*\n)*)", said)[1]
        assert re.findall(r"^ {2,5}\d+  ([^ (]+)", mine, re.M) == names, ours
    same_instructions(said, want)
    return said


def test_dump(tmp_path):
    path = compiled(tmp_path, Linear(), (torch.randn(2, 4),))
    said = same_listing(path)
    assert "needs hal, version 7 or later\n" in said
    assert re.search(
        r"\n   +0  main\$async_dispatch_0_\w+  \d buffers, 0 constants\n", said
    )
    assert '  "embedded-elf-x86_64"\n' in said and "turbine.abi: {" in said
    assert dump(path, "--check") == ""
    assert "in its instructions only" in dump(path, "--parameters", fails=True)
    args = (torch.randn(5, 8), torch.arange(6), torch.tensor([True, False, True]))
    flags = ["--iree-flow-trace-dispatch-tensors"]
    same_listing(compiled(tmp_path, Kinds(), args, *flags))
    source, numbers = tmp_path / "ops.vmasm", tmp_path / "ops.vmfb"
    text = assembly()[0]
    source.write_text(text)
    tool("iree-as-module", source, f"--output={numbers}")
    same_instructions(dump(numbers), text)
    broken = tmp_path / "broken.vmfb"
    whole = path.read_bytes()
    elf = whole.index(b"\x7fELF")
    for data, why in (
        (whole[: len(whole) // 2], "cut short"),
        (whole.replace(b"\0\0\x11\0", b"\0\0\x12\0"), "bytecode is 18.0"),
        (whole[: elf + 32] + b"\xff" * 8 + whole[elf + 40 :], "program headers"),
        (whole[: elf + 16] + b"\x02" + whole[elf + 17 :], "not a shared object"),
    ):
        broken.write_bytes(data)
        for flags in ([], ["--check"]):
            assert why in dump(broken, *flags, fails=True)
    path = compiled(
        tmp_path, Linear(), (torch.randn(2, 4),), "--iree-llvmcpu-link-embedded=false"
    )
    said = dump(path)
    assert '"system-elf-x86_64"' in said and "\nexecutable in constant " in said


def test_dump_of_our_module_for_iree(tmp_path):
    path = tmp_path / "ours.vmfb"
    aot.export(Linear(), args=(torch.randn(2, 4),)).compile(str(path), stock_iree=True)
    assert "function main\n" in dump(path) and "\nimports\n" not in dump(path)
    want = tool("iree-dump-module", path)
    said = dump(path, "--iree")
    for name in re.findall(r"^  \[ *\d+\] (hal\.[^ (<]+)\(", want, re.M):
        assert f"  {name}(" in said
    assert (
        "\nexecutable in constant " in said and "hal.command_buffer.dispatch(" in said
    )


def test_what_is_refused(tmp_path):
    path = compiled(tmp_path, Linear(), (torch.randn(2, 4),))
    whole = path.read_bytes()
    config = rt.Config("local-sync")

    def load(data):
        module = rt.VmModule.copy_buffer(config.vm_instance, data)
        return rt.load_vm_module(module, config).main(normal(2, 4))

    load(whole)
    with pytest.raises(NotImplementedError, match="imports 'hal.buffer_view.assort'"):
        load(whole.replace(b"hal.buffer_view.assert", b"hal.buffer_view.assort"))
    with pytest.raises(NotImplementedError, match="needs 'hol'"):
        load(whole.replace(b"\3\0\0\0hal\0", b"\3\0\0\0hol\0"))
    with pytest.raises(ValueError, match="bytecode is 18.0"):
        load(whole.replace(b"\0\0\x11\0", b"\0\0\x12\0"))
    with pytest.raises(ValueError, match="cut short"):
        load(whole[: len(whole) // 2])


# ---- the zoo, in operators that IREE's compiler takes ----


def batch_norm(x, weight, bias, mean, var, momentum, eps):
    scale = weight * torch.rsqrt(var + eps)
    shift = bias - mean * scale
    return x * scale[:, None, None] + shift[:, None, None], mean, var


def diff(x, n=1, dim=-1, prepend=None, append=None):
    x = torch.cat([t for t in (prepend, x, append) if t is not None], dim)
    return x.narrow(dim, 1, x.shape[dim] - 1) - x.narrow(dim, 0, x.shape[dim] - 1)


def new_ones(x, size, dtype=None, layout=None, device=None, pin_memory=None):
    # torch-mlir makes a literal of a plain constant, and then does not take it.
    return (x.sum().abs() >= 0).to(dtype).expand(size)


def index_copy(x, dim, index, source):
    hit = index[:, None] == torch.arange(x.shape[dim])
    shape = [1] * x.dim()
    shape[dim] = -1
    moved = source.index_select(dim, hit.to(torch.int64).argmax(0))
    return torch.where(hit.any(0).view(shape), moved, x)


def split(x, size, dim=0):
    # Its dispatch for slices counts workgroups by the batch twice, not by rows: from 64 on
    # they are whatever was there, on IREE's runtime too.
    parts = range(0, x.shape[dim], size)
    return [x.index_select(dim, torch.arange(i, i + size)) for i in parts]


aten = torch.ops.aten
SPELLED = {
    aten._native_batch_norm_legit_no_training.default: batch_norm,
    aten.diff.default: diff,
    aten.index_copy.default: index_copy,
    aten.split.Tensor: split,
    aten.new_ones.default: new_ones,
    aten.__and__.Tensor: lambda a, b: torch.bitwise_and(a, b),
}


def zoo_check(tmp_path, name, size):
    zoo = pytest.importorskip("zoo")
    pytest.importorskip("transformers")
    try:
        model = zoo.build(name, size)
    except zoo.ModelMissing as e:
        pytest.skip(str(e))
    with torch.no_grad():
        program = torch.export.export(
            model.module, model.inputs[0], dynamic_shapes=model.dynamic_shapes
        )
        program = program.run_decompositions(SPELLED)
        want = [model.module(*inputs) for inputs in model.inputs]
    text = str(aot.export(program).mlir_module)
    path = iree_compile(tmp_path, text, "--iree-input-type=torch")
    calls = [("main", [x.numpy() for x in inputs]) for inputs in model.inputs]
    for got, w in zip(check(path, calls), want, strict=True):
        w = w[0] if isinstance(w, (tuple, list)) else w
        assert np.allclose(got[0], w.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["minilm", "gpt2"])
def test_tiny(tmp_path, name):
    zoo_check(tmp_path, name, "tiny")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "minilm", "gpt2"])
def test_full(tmp_path, name):
    zoo_check(tmp_path, name, "full")


def check_decoder(tmp_path, model, length):
    """Prefill and decode over one cache that the module keeps: two prompts, one after the other."""
    decoders = pytest.importorskip("decoder_test")
    fxb = decoders.programs(model, length)
    for name, program in fxb.programs.items():
        with torch.no_grad():
            fxb.programs[name] = program.run_decompositions(SPELLED)
    text = str(aot.export(fxb).mlir_module)
    path = iree_compile(tmp_path, text, "--iree-input-type=torch")
    prompts = [([5, 9, 33, 2], [7, 1, 60]), ([7, 7], [3])]
    calls, want = [], []
    for prompt, tokens in prompts:
        calls += [("reset", []), ("prefill", [np.array([prompt])])]
        calls += [("decode", [np.array([[t]])]) for t in tokens]
        with torch.no_grad():
            logits = model(torch.tensor([prompt + tokens]), use_cache=False).logits[0]
        want += [None, *logits[len(prompt) - 1 :].numpy()]
    for got, w in zip(check(path, calls), want, strict=True):
        assert w is None or np.allclose(got[0], w, rtol=1e-3, atol=1e-3)


def test_tiny_decoder(tmp_path):
    decoders = pytest.importorskip("decoder_test")
    torch.manual_seed(3)
    check_decoder(tmp_path, decoders.gpt2().eval(), decoders.LENGTH)


@pytest.mark.slow
def test_full_decoder(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
    check_decoder(tmp_path, model, 64)
