# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The installed runtime as programs find it: pkg-config, CMake, the C++ header."""

import os
import shutil
import subprocess

import pytest
import torch
from machines import ROOT
from shark_turbine import aot

C_PROGRAM = r"""
#include <stdio.h>
#include <turbine/runtime.h>
int main(int argc, char **argv)
{
    float x[3] = {1, 2, 3};
    tb_tensor in = {.data = x, .bytes = sizeof x, .dtype = TB_F32, .rank = 1, .dims = {3}};
    tb_tensor out = {0};
    tb_module *m = NULL;
    tb_session *s = NULL;
    tb_status st = tb_module_load_file(argv[argc - 1], 0, &m);
    if (!st)
        st = tb_session_create(m, NULL, &s);
    if (!st)
        st = tb_session_call(s, 0, &in, 1, &out, 1);
    if (st)
        fprintf(stderr, "%s\n", tb_status_message(st));
    else
        printf("%g\n", (double)((float *)out.data)[2]);
    tb_status_free(st);
    tb_tensor_release(&out);
    tb_session_destroy(s);
    tb_module_release(m);
    return 0;
}
"""

CPP_PROGRAM = r"""
#include <cstdio>
#include <turbine/runtime.hpp>
int main(int argc, char **argv)
{
    using namespace turbine;
    float x[3] = {1, 2, 3};
    turbine::module m = turbine::module::load(argv[1]);
    session s(m, device("local-sync"));
    std::vector<tensor> y = s.call("main", {view(x, {3})});
    std::printf("%g %lld\n", double(y[0].data<float>()[2]), static_cast<long long>(y[0].size()));
    tensor kept = std::move(y[0]);
    y.clear();
    float room[3];
    tensor in = view(x, {3}), out = view(room, {3});
    s.call(0, &in, 1, &out, 1);
    std::printf("%g %g\n", double(room[0]), double(kept.data<float>()[0]));
    s.state("count").data<float>()[0] = 10;
    std::printf("%g\n", double(s.call("main", {view(x, {3})})[0].data<float>()[0]));
    for (int i = 0; i < 4; i++)
        try {
            if (i == 0)
                s.call("other", {});
            if (i == 1)
                s.call("main", {view(x, {2})});
            if (i == 2)
                turbine::module::load("/nowhere.vmfb");
            if (i == 3)
                kept.data<double>();
        } catch (const error &e) {
            std::printf("%d %s\n", int(e.code()), e.what());
        }
    tb_executor in_turn = [](void *, int n, void (*fn)(void *, int), void *arg) {
        for (int i = 0; i < n; i++)
            fn(arg, i);
        return true;
    };
    session lent(m, device(in_turn, nullptr, 2));
    std::printf("%g\n", double(lent.call("main", {view(x, {3})})[0].data<float>()[2]));
    params p;
    p.add("model", "w", view(x, {3}));
    if (argc > 2)
        std::printf("%g\n", double(session(turbine::module::load(argv[2]), p)
                                       .call("main", {view(x, {3})})[0]
                                       .data<float>()[2]));
    return 0;
}
"""

CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(program C)
find_package(turbine_runtime REQUIRED)
add_executable(shared main.c)
target_link_libraries(shared turbine::runtime)
add_executable(static main.c)
target_link_libraries(static turbine::runtime_static)
"""


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count += 1
        return x * 2 + self.count - 1


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.w


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(prefix, artifact with a state, artifact without its parameter)"""
    folder = tmp_path_factory.mktemp("installed")
    prefix = folder / "prefix"
    subprocess.run(
        [ROOT / "scripts/install_runtime.sh", prefix],
        check=True,
        env={**os.environ, "BUILD": str(folder / "build")},
    )
    aot.export(Model(), args=(torch.ones(3),)).compile(
        folder / "m.vmfb", targets=["host"]
    )
    aot.export(Scale(), args=(torch.ones(3),)).compile(
        folder / "s.vmfb", targets=["host"], parameters="external"
    )
    return prefix, folder / "m.vmfb", folder / "s.vmfb"


def pkg_config(prefix, *flags):
    env = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    done = subprocess.run(
        ["pkg-config", *flags, "turbine_runtime"],
        check=True,
        capture_output=True,
        text=True,
        env=env,
    )
    return done.stdout.split()


def output(prefix, *command):
    env = {**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pkg_config(installed, tmp_path):
    prefix, model, _ = installed
    (tmp_path / "main.c").write_text(C_PROGRAM)
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for flags in ([], ["--static"]):
        exe = tmp_path / f"main{len(flags)}"
        libs = pkg_config(prefix, "--cflags", "--libs", *flags)
        static = ["-static"] if flags else []
        subprocess.run(
            ["gcc", *strict, *static, tmp_path / "main.c", *libs, "-o", exe], check=True
        )
        assert output(prefix, exe, model) == "6\n"


def test_cmake(installed, tmp_path):
    prefix, model, _ = installed
    if not shutil.which("cmake") or subprocess.run(["cmake", "--version"]).returncode:
        pytest.skip("no cmake here")
    (tmp_path / "main.c").write_text(C_PROGRAM)
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    build = tmp_path / "build"
    for command in (
        ["cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert output(prefix, build / "shared", model) == "6\n"
    assert output(prefix, build / "static", model) == "6\n"


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_cpp(installed, compiler, tmp_path):
    prefix, model, scale = installed
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    (tmp_path / "main.cpp").write_text(CPP_PROGRAM)
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    libs = pkg_config(prefix, "--cflags", "--libs")
    exe = tmp_path / "main"
    subprocess.run(
        [compiler, *strict, tmp_path / "main.cpp", *libs, "-o", exe], check=True
    )
    assert output(prefix, exe, model, scale).splitlines() == [
        "6 3",
        "3 2",
        "12",
        "4 module 'module' has no function 'other'",
        "1 function 'main', input 0 'x': expected 3xf32, got 2xf32",
        "4 /nowhere.vmfb: No such file or directory",
        "1 the tensor's elements are of another type",
        "6",
        "9",
    ]
