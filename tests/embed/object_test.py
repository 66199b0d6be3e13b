# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models as objects that are linked into C programs, against PyTorch."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from machines import MACHINES, ROOT
from shark_turbine import _runtime, aot
from torch._higher_order_ops.while_loop import while_loop

COMPILE = ROOT / "build/tools/turbine-compile"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C_TYPES = {"f32": "float", "f64": "double", "i64": "int64_t", "i32": "int32_t"}
C_TYPES |= {"i1": "uint8_t", "ui8": "uint8_t", "f16": "uint16_t", "bf16": "uint16_t"}


class Stateful(torch.nn.Module):
    """Open sizes, weights, a state."""

    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(6, 40), torch.nn.Linear(40, 3)
        self.register_buffer("total", torch.full((3,), 0.5))

    def forward(self, x):
        y = torch.softmax(self.b(torch.relu(self.a(x))), -1)
        self.total += y.sum(0)
        return y, self.total * 2, x.new_zeros(3, 2).double() + x.shape[0]


class Images(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.b = torch.nn.Conv2d(8, 6, 3, groups=2)

    def forward(self, x):
        return torch.tanh(self.b(torch.relu(self.a(x)))).mean((2, 3))


class Branches(torch.nn.Module):
    """Jumps, loads of scalars, copies."""

    def forward(self, x, flag):
        y = torch.cond(flag.sum() > 2, lambda x: x * 2, lambda x: x - 1, (x,))
        i, z = while_loop(
            lambda i, z: i.sum() < 5, lambda i, z: (i + 1, z * 1.5), (flag * 0, y)
        )
        return z, i, y > 0


class Indexed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.e = torch.nn.Embedding(11, 4)

    def forward(self, ids):
        top, at = torch.topk(self.e(ids).sum(-1), 2)
        return self.e(ids), top, at


def cases():
    torch.manual_seed(11)
    n = torch.export.Dim("n", min=1, max=64)
    yield "stateful", Stateful(), (torch.randn(5, 6),), ({0: n},)
    yield "images", Images(), (torch.randn(2, 3, 10, 13),), None
    yield "branches", Branches(), (torch.randn(4, 3), torch.tensor([1, 2])), None
    yield "indexed", Indexed(), (torch.tensor([[1, 10, 3], [0, 0, 7]]),), None


def program(name, artifact, args, calls):
    """A C program that calls main and writes all results to its standard output."""
    module = _runtime.Module.from_file(str(artifact))
    lines, call, out = [], [], []
    has_state = bool(module.globals)
    for i, ((_, kind, dims, *_), a) in enumerate(
        zip(module.inputs("main"), args, strict=True)
    ):
        values = ", ".join(repr(v) for v in a.reshape(-1).tolist())
        lines.append(f"    static const {C_TYPES[kind]} in{i}[] = {{{values}}};")
        call.append(f"in{i}")
        call += [str(s) for d, s in zip(dims, a.shape) if d < 0]
    for i, (_, kind, dims, *_) in enumerate(module.results("main")):
        lines.append(f"    static {C_TYPES[kind]} out{i}[4096];")
        lines.append(f"    int64_t dims{i}[] = {{{', '.join(map(str, [*dims, 0]))}}};")
        call += [
            f"out{i}",
            *([f"sizeof out{i}, dims{i}"] if min(dims, default=0) < 0 else []),
        ]
        out.append(f"    write_all(out{i}, sizeof out{i}[0], dims{i}, {len(dims)});")
    upper = name.upper()
    return "\n".join(
        [
            f"#define {upper}_IMPLEMENTATION",
            f'#include "{name}.h"',
            "#include <stdio.h>",
            "#include <stdlib.h>",
            "static void write_all(const void *p, size_t n, const int64_t *dims, int rank)",
            "{",
            "    for (int i = 0; i < rank; i++)",
            "        n *= (size_t)dims[i];",
            "    fwrite(p, 1, n, stdout);",
            "}",
            "int main(void)",
            "{",
            *lines,
            f"    size_t n = (size_t){name}_main_memory("
            + ", ".join(c for c in call if c.lstrip("-").isdigit())
            + ");",
            "    char *memory = (char *)malloc(n + 1);",
            *([f"    static char state[{upper}_STATE_BYTES];"] if has_state else []),
            *([f"    {name}_init(state);"] if has_state else []),
            "    int32_t st = 0;",
            f"    for (int i = 0; i < {calls} && !st; i++)",
            f"        st = {name}_main({'state, ' if has_state else ''}memory + 1, n, "
            f"{', '.join(call)});",
            f'    fprintf(stderr, "%s\\n", {name}_error(st));',
            *out,
            "    free(memory);",
            "    return st & 0xff;",
            "}",
            "",
        ]
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    found = {}
    for name, module, args, shapes in cases():
        output = aot.export(module.eval(), args=args, dynamic_shapes=shapes)
        output.save_mlir(folder / f"{name}.mlir")
        output.compile(folder / f"{name}.vmfb", targets=["host"])
        calls = 2 if name == "stateful" else 1
        with torch.no_grad():
            for _ in range(calls):
                want = module(*args)
        found[name] = (
            args,
            calls,
            [w.clone() for w in (want if isinstance(want, tuple) else (want,))],
        )
    return folder, found


def emit(folder, name, target, to):
    subprocess.run(
        [COMPILE, folder / f"{name}.mlir", f"--target={target}", "--emit=object"]
        + ["-o", to / f"{name}.o"],
        check=True,
    )


def compare(data, wants):
    at = 0
    for want in wants:
        got = torch.frombuffer(
            bytearray(data[at : at + want.nbytes]), dtype=want.dtype
        ).reshape(want.shape)
        at += want.nbytes
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    assert at == len(data)


@pytest.mark.parametrize(
    ("name", "compiler"),
    [(name, "gcc") for name in ("stateful", "images", "branches", "indexed")]
    + [("stateful", c) for c in ("clang", "musl-gcc", "g++")]
    + [("branches", "g++"), ("branches", "clang")],
)
def test_on_the_host(built, name, compiler, tmp_path):
    folder, found = built
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    args, calls, wants = found[name]
    emit(folder, name, "host", tmp_path)
    source = tmp_path / ("main.cpp" if compiler == "g++" else "main.c")
    source.write_text(program(name, folder / f"{name}.vmfb", args, calls))
    flags = (
        STRICT if compiler != "g++" else ["-std=c++17", "-Wall", "-Wextra", "-Werror"]
    )
    flags = flags + (["-static"] if compiler == "musl-gcc" else [])
    exe = tmp_path / "main"
    subprocess.run(
        [compiler, *flags, source, tmp_path / f"{name}.o", "-o", exe], check=True
    )
    done = subprocess.run([exe], capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"ok\n")
    compare(done.stdout, wants)


@pytest.mark.parametrize("name", ["stateful", "branches"])
@pytest.mark.parametrize("level", ["aarch64", "riscv64", "armv7"])
def test_elsewhere(built, name, level, tmp_path):
    folder, found = built
    machine = MACHINES[level]
    machine.need()
    args, calls, wants = found[name]
    emit(folder, name, f"{level}-linux", tmp_path)
    (tmp_path / "main.c").write_text(
        program(name, folder / f"{name}.vmfb", args, calls)
    )
    exe = machine.compile(
        tmp_path / "main",
        *STRICT,
        "-static",
        tmp_path / "main.c",
        tmp_path / f"{name}.o",
    )
    done = machine.run(exe, text=False)
    assert done.stderr == b"ok\n"
    compare(done.stdout, wants)


def test_several_targets_share_a_header(built, tmp_path):
    """The same from Python and from the tool."""
    folder, found = built
    targets = "x86_64-linux-v3+v4,wasm32"
    emit(folder, "images", targets, tmp_path)
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    levels = ("x86_64-v3", "x86_64-v4", "wasm32")
    assert set(files) == {"images.h", *(f"images.{level}.o" for level in levels)}
    to = tmp_path / "python"
    to.mkdir()
    text = (folder / "images.mlir").read_text()
    output = aot.ExportOutput.from_mlir(text, str(folder / "images.mlir"))
    output.save_object(to / "images.o", targets=targets.split(","))
    assert files == {p.name: p.read_bytes() for p in to.iterdir()}


def test_what_calls_refuse(built, tmp_path):
    folder, found = built
    for name in ("stateful", "indexed"):
        emit(folder, name, "host", tmp_path)
    (tmp_path / "main.c").write_text(
        """
#define STATEFUL_IMPLEMENTATION
#define INDEXED_IMPLEMENTATION
#include "stateful.h"
#include "indexed.h"
#include <stdio.h>
int main(void)
{
    static char memory[1 << 16], state[STATEFUL_STATE_BYTES];
    static float x[65 * 6], y[64 * 3], t[3], e[24], top[4];
    static double z[6];
    static int64_t d[2], ids[6] = {0, 1, 2, 3, 4, 5}, at[4];
    stateful_init(state);
    printf("%g\\n", (double)stateful_state_total(state)[2]);
    printf("%d\\n", (int)stateful_main_memory(65));
    printf("%d\\n", stateful_main(state, memory, sizeof memory, x, 65, y, sizeof y, d, t, z));
    printf("%d\\n", stateful_main(state, memory, sizeof memory, x, 9, y, 9 * 12 - 1, d, t, z));
    printf("%d\\n", stateful_main(state, memory, (size_t)stateful_main_memory(9) - 1, x, 9, y,
                                  sizeof y, d, t, z));
    printf("%d\\n", stateful_main(state, memory, (size_t)stateful_main_memory(9), x, 9, y,
                                  sizeof y, d, t, z));
    ids[4] = 11;
    int32_t st = indexed_main(memory, INDEXED_MAIN_MEMORY, ids, e, top, at);
    printf("%d %s\\n", st & 0xff, indexed_error(st));
    ids[4] = 10;
    printf("%d\\n", indexed_main(memory, INDEXED_MAIN_MEMORY, ids, e, top, at));
    return 0;
}
"""
    )
    exe = tmp_path / "main"
    objects = [tmp_path / "stateful.o", tmp_path / "indexed.o"]
    sanitize = ["-fsanitize=address,undefined"]
    subprocess.run(
        ["gcc", *STRICT, *sanitize, tmp_path / "main.c", *objects, "-o", exe],
        check=True,
    )
    done = subprocess.run([exe], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[:6] == ["0.5", "-3", "3", "5", "4", "0"]
    assert lines[6].startswith("1 ") and lines[6].endswith(": index out of range")
    assert "aten.embedding" in lines[6] and lines[7] == "0"


def test_calls_need_nothing_but_memory_functions(built, tmp_path):
    """No libc beyond what a compiler takes for granted, no allocation, no files."""
    folder, _ = built
    emit(folder, "stateful", "host", tmp_path)
    (tmp_path / "one.c").write_text(
        '#define STATEFUL_IMPLEMENTATION\n#include "stateful.h"\n'
    )
    subprocess.run(
        ["gcc", "-O2", "-c", tmp_path / "one.c", "-o", tmp_path / "one.o"], check=True
    )
    subprocess.run(
        [
            "ld",
            "-r",
            tmp_path / "one.o",
            tmp_path / "stateful.o",
            "-o",
            tmp_path / "all.o",
        ],
        check=True,
    )
    done = subprocess.run(
        ["nm", "-u", tmp_path / "all.o"], capture_output=True, text=True, check=True
    )
    allowed = {
        "memcpy",
        "memmove",
        "memset",
        "__stack_chk_fail",
        "_GLOBAL_OFFSET_TABLE_",
    }
    assert {line.split()[-1] for line in done.stdout.splitlines()} <= allowed


def test_what_an_object_cannot_hold(tmp_path):
    class Data(torch.nn.Module):
        def forward(self, x):
            n = x.sum().to(torch.int64).item()
            torch._check(n >= 0)
            y = torch.arange(n).float()
            return torch.argsort(torch.sin(y)).float() @ torch.outer(y, y)

    output = aot.export(Data(), args=(torch.ones(3),))
    output.save_mlir(tmp_path / "m.mlir")
    done = subprocess.run(
        [COMPILE, tmp_path / "m.mlir", "--emit=object", "-o", tmp_path / "m.o"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "size depends on data" in done.stderr
    with pytest.raises(NotImplementedError, match="size depends on data"):
        output.save_object(tmp_path / "m.o")
    assert {p.name for p in tmp_path.iterdir()} == {"m.mlir"}


def test_parameters_outside(tmp_path):
    """Calls read them where the caller has them; init copies those of a state."""

    class Outside(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)
            self.layer_ = torch.nn.ParameterDict({"weight": torch.ones(2)})
            self.register_buffer("total", torch.full((2,), 5.0))

        def forward(self, parameters):
            y = self.layer(parameters) * self.layer_["weight"]
            self.total += y.sum(0)
            return y

    output = aot.export(Outside(), args=(torch.ones(4, 3),))
    output.save_object(tmp_path / "net.o", parameters="external")
    header = (tmp_path / "net.h").read_text()
    assert "layer.weight: 2x3xf32" in header and "_state_total" in header
    (tmp_path / "main.c").write_text(
        """
#define NET_IMPLEMENTATION
#include "net.h"
#include <stdio.h>
int main(void)
{
    static char memory[NET_MAIN_MEMORY], state[NET_STATE_BYTES];
    static const float w[] = {1, 2, 3, 4, 5, 6}, b[] = {10, 20}, s[] = {1, -1}, t[] = {7, 8};
    struct net_parameters p = {.layer_weight = w, .layer_bias = b, .total = t};
    static const float x[12] = {1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    float y[8];
    p.OTHER = s;
    net_init(&p, state);
    int32_t st = net_main(&p, state, memory, sizeof memory, x, y);
    for (int i = 0; i < 8; i++)
        printf("%g ", (double)y[i]);
    printf("%g %g %d\\n", (double)net_state_total(state)[0], (double)net_state_total(state)[1], st);
    return 0;
}
""".replace("OTHER", re.search(r"\*(\w+); /\* layer_\.weight: 2xf32", header)[1])
    )
    exe = tmp_path / "main"
    subprocess.run(
        ["gcc", *STRICT, "-fsanitize=address,undefined"]
        + [tmp_path / "main.c", tmp_path / "net.o", "-o", exe],
        check=True,
    )
    done = subprocess.run([exe], capture_output=True, text=True, check=True)
    want = "16 -35 10 -20 11 -24 13 -26 57 -97 0\n"
    assert done.stdout == want


def test_equal_bytes_from_two_folders(built, tmp_path):
    """Where a model is compiled does not show in what comes out."""
    folder, _ = built
    made = []
    for place in ("a", "b/c"):
        to = tmp_path / place
        to.mkdir(parents=True)
        text = (folder / "images.mlir").read_bytes()
        (to / "images.mlir").write_bytes(text)
        for emitted, out in (("object", "images.o"), ("vmfb", "images.vmfb")):
            subprocess.run(
                [COMPILE.resolve(), "images.mlir", f"--emit={emitted}", "-o", out],
                check=True,
                cwd=to,
            )
        made.append({p.name: p.read_bytes() for p in to.iterdir()})
    assert made[0] == made[1]
    assert np.all([len(b) > 0 for b in made[0].values()])
