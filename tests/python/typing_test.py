# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types are declared: the extensions' stubs name what is there, nothing public lacks hints."""

import ast
import importlib
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = Path(__file__).resolve().parents[2] / "python"
PACKAGE = PYTHON / "shark_turbine"


def declared(stub):
    """{name: {members} or None for functions and values} of a .pyi file."""
    out = {}
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ClassDef):
            out[node.name] = {m.name for m in node.body if hasattr(m, "name")}
        elif isinstance(node, ast.FunctionDef):
            out[node.name] = None
        elif isinstance(node, ast.AnnAssign) and node.simple:
            out[node.target.id] = None
    return {n: m for n, m in out.items() if not n.startswith("_")}


@pytest.mark.parametrize("name", ["_runtime", "_compiler"])
def test_stubs_name_what_is_there(name):
    module = importlib.import_module(f"shark_turbine.{name}")
    stub = declared(PACKAGE / f"{name}.pyi")
    public = {n for n in dir(module) if not n.startswith("_")}
    assert set(stub) == public
    for kind, members in stub.items():
        if members is not None:
            real = {m for m in vars(getattr(module, kind)) if not m.startswith("__")}
            assert {m for m in members if not m.startswith("__")} == real, kind
            assert all(
                hasattr(getattr(module, kind), m) or m == "__buffer__" for m in members
            )


def unannotated(function):
    names = inspect.signature(function).parameters.values()
    missing = [
        p.name
        for p in names
        if p.annotation is p.empty and p.name not in ("self", "cls")
    ]
    if inspect.signature(function).return_annotation is inspect.Signature.empty:
        missing.append("return")
    return missing


def functions_of(module):
    for name in module.__all__:
        item = getattr(module, name)
        if inspect.isfunction(item):
            yield name, item
        elif inspect.isclass(item):
            for key, member in vars(item).items():
                member = getattr(member, "__func__", getattr(member, "fget", member))
                if inspect.isfunction(member) and not key.startswith("_"):
                    if member.__module__.startswith("shark_turbine"):
                        yield f"{name}.{key}", member


@pytest.mark.parametrize("name", ["runtime", "aot"])
def test_public_functions_have_hints(name):
    if name == "aot":
        pytest.importorskip("torch")
    module = importlib.import_module(f"shark_turbine.{name}")
    bad = {n: m for n, f in functions_of(module) if (m := unannotated(f))}
    assert not bad
    assert (PACKAGE / "py.typed").exists()


def test_mypy_agrees():
    mypy = shutil.which("mypy") or pytest.skip("mypy is not installed")
    options = ["--python-executable", sys.executable, "--disallow-untyped-defs"]
    done = subprocess.run(
        [mypy, *options, "--cache-dir", "/dev/null", "-p", "shark_turbine.runtime"],
        cwd=PYTHON,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
