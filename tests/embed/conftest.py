# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What tests of embedding share: the runtime as one file, and the tool made of it."""

import subprocess

import pytest
from machines import ROOT, TOOL


@pytest.fixture(scope="session")
def single_file(tmp_path_factory):
    """The folder with turbine_runtime.c and turbine_runtime.h."""
    folder = tmp_path_factory.mktemp("single")
    subprocess.run(["python3", ROOT / "scripts/amalgamate.py", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def run_module(single_file, tmp_path_factory):
    """run_module(machine): turbine-run-module for that machine, linked statically."""
    folder = tmp_path_factory.mktemp("tools")
    built = {}

    def build(machine):
        key = machine.compiler
        if key not in built:
            built[key] = machine.compile(
                folder / f"run-{key}",
                "-std=c11",
                "-O1",
                "-static",
                "-D_GNU_SOURCE",
                *("-Iinclude", "-Isrc", "-Itools"),
                single_file / "turbine_runtime.c",
                *TOOL,
                *("-lm", "-lpthread"),
            )
        return built[key]

    return build
