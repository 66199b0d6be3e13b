# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The runtime as one file: every way to build it, its size, and what a call costs."""

import shutil
import subprocess

import pytest
import torch
from machines import HOST, MACHINES, MUSL, WARNINGS
from shark_turbine import aot

BUILDS = {"all": [], "no_threads": ["-DTB_NO_THREADS"], "no_malloc": ["-DTB_NO_MALLOC"]}
COMPILERS = ["gcc", "clang", "musl-gcc"]
COMPILERS += [
    pytest.param(m.compiler, marks=pytest.mark.slow) for m in MACHINES.values()
]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_builds_without_warnings(single_file, compiler, build, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    source = single_file / "turbine_runtime.c"
    command = [compiler, *WARNINGS, *BUILDS[build], "-Os", "-ffunction-sections"]
    done = subprocess.run(
        [*command, "-c", source, "-o", tmp_path / "runtime.o"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    if compiler == "gcc":
        row = subprocess.run(
            ["size", tmp_path / "runtime.o"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[1]
        print(build, row)
        assert int(row.split()[0]) <= 64 << 10  # code


class Regression(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = torch.nn.Linear(8, 24), torch.nn.Linear(24, 1)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.b(torch.tanh(self.a(x)))


PLACED = r"""
#include <stdio.h>
#include "turbine_runtime.h"
#include "artifact.h"
static _Alignas(64) char module_memory[TB_MODULE_BYTES], session_memory[1 << 16];
int main(void)
{
    float x[32 * 8], y[32];
    tb_tensor in = {.data = x, .bytes = sizeof x, .dtype = TB_F32, .rank = 2, .dims = {32, 8}};
    tb_tensor out = {.data = y, .bytes = sizeof y};
    tb_module *m = NULL;
    tb_session *s = NULL;
    size_t transient = 0, need = 0;
    for (int i = 0; i < 32 * 8; i++)
        x[i] = (float)(i % 13) / 13 - 0.5f;
    tb_status st = tb_module_place(artifact, sizeof artifact, 0, module_memory,
                                   sizeof module_memory, &m);
    if (!st)
        st = tb_module_transient_bytes(m, 0, NULL, 0, &transient);
    if (!st) {
        need = tb_session_bytes(m, transient);
        st = tb_session_place(m, NULL, transient, session_memory, sizeof session_memory, &s);
    }
    if (!st)
        st = tb_session_call(s, 0, &in, 1, &out, 1);
    printf("%s\n", tb_status_message(st));
    for (int i = 0; i < 32 && !st; i++)
        printf("%.9g\n", (double)y[i]);
    fprintf(stderr, "%zu\n", need);
    tb_status_free(st);
    tb_session_destroy(s);
    tb_module_release(m);
    return 0;
}
"""

OVERHEAD = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "turbine_runtime.h"
#include "artifact.h"
static size_t bytes_live, bytes_most, allocations;
static void *take(void *user, size_t n, size_t align)
{
    void *p = NULL;
    (void)user;
    if (posix_memalign(&p, align < 8 ? 8 : align, n ? n : 1))
        return NULL;
    allocations++;
    bytes_live += n;
    bytes_most = bytes_live > bytes_most ? bytes_live : bytes_most;
    return p;
}
static void give(void *user, void *p, size_t n)
{
    (void)user;
    bytes_live -= n;
    free(p);
}
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
int main(void)
{
    static float x[32 * 8], y[32];
    tb_allocator counting = {take, give, NULL};
    tb_tensor in = {.data = x, .bytes = sizeof x, .dtype = TB_F32, .rank = 2, .dims = {32, 8}};
    tb_tensor out = {.data = y, .bytes = sizeof y};
    tb_module *m = NULL;
    tb_device *null = NULL;
    tb_status st = tb_module_load_memory(artifact, sizeof artifact, TB_LOAD_COPY, NULL, NULL, &m);
    if (!st)
        st = tb_device_create("null", 1, &null); /* runs programs without their kernels */
    for (int k = 0; k < 2 && !st; k++) {
        tb_session *s = NULL;
        tb_session_options o = {.device = k ? null : NULL, .allocator = &counting};
        double best = 1e9;
        st = tb_session_create(m, &o, &s);
        if (!st)
            st = tb_session_call(s, 0, &in, 1, &out, 1);
        size_t before = allocations;
        for (int round = 0; round < 200 && !st; round++) {
            double begin = now();
            for (int i = 0; i < 100 && !st; i++)
                st = tb_session_call(s, 0, &in, 1, &out, 1);
            double took = (now() - begin) / 100;
            best = took < best ? took : best;
        }
        printf("%s %.1f ns, %zu bytes, %zu allocations\n", k ? "null" : "sync", best, bytes_most,
               allocations - before);
        tb_session_destroy(s);
    }
    if (st)
        printf("%s\n", tb_status_message(st));
    tb_device_release(null);
    tb_module_release(m);
    return st != NULL || bytes_live != 0;
}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """A folder with artifact.h, the regression for every processor, and what it gives."""
    folder = tmp_path_factory.mktemp("artifact")
    model = Regression().eval()
    x = ((torch.arange(32 * 8) % 13).float() / 13 - 0.5).reshape(32, 8)
    targets = ["host", "aarch64-linux", "riscv64-linux", "armv7-linux"]
    binary = bytes(memoryview(aot.export(model, args=(x,)).compile(targets=targets)))
    numbers = ",".join(map(str, binary))
    (folder / "artifact.h").write_text(
        f"static const _Alignas(64) unsigned char artifact[] = {{{numbers}}};\n"
    )
    with torch.no_grad():
        return folder, model(x).flatten()


@pytest.mark.parametrize("machine", [HOST, MUSL, *MACHINES.values()], ids=str)
def test_without_heap_and_threads(machine, single_file, artifact, tmp_path):
    """Module and session in memory of the program, under 64 KB for the regression."""
    machine.need()
    folder, want = artifact
    (tmp_path / "main.c").write_text(PLACED)
    exe = machine.compile(
        tmp_path / "main",
        *WARNINGS,
        "-Wno-overlength-strings",
        "-DTB_NO_MALLOC",
        *("-static", "-Os", f"-I{single_file}", f"-I{folder}"),
        tmp_path / "main.c",
        single_file / "turbine_runtime.c",
    )
    done = machine.run(exe)
    lines = done.stdout.splitlines()
    assert lines[0] == "ok"
    torch.testing.assert_close(
        torch.tensor([float(v) for v in lines[1:]]), want, rtol=1e-4, atol=1e-5
    )
    assert int(done.stderr) < 64 << 10


def test_what_a_call_costs(single_file, artifact, tmp_path):
    """At most 200 ns beside the kernels, no allocation after the first, and a session of
    less than 64 KB."""
    folder, _ = artifact
    (tmp_path / "main.c").write_text(OVERHEAD)
    exe = HOST.compile(
        tmp_path / "main",
        *("-O2", f"-I{single_file}", f"-I{folder}"),
        tmp_path / "main.c",
        single_file / "turbine_runtime.c",
        "-lpthread",
    )
    lines = HOST.run(exe).stdout.splitlines()
    print("\n".join(lines))
    for line in lines:
        assert line.endswith(" 0 allocations")
        assert int(line.split()[3]) < 64 << 10
    assert float(lines[1].split()[1]) <= 200
