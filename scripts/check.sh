#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# What every change must pass: a build without warnings, the layers, format, quick tests.
. "$(dirname "$0")/common.sh"
[ -x "$venv/bin/meson" ] || scripts/setup.sh
python3 scripts/layers.py
configure build-werror -Dwerror=true
ninja -C build-werror -j"$jobs" --quiet
if command -v ruff >/dev/null; then
    ruff check bench python scripts tests
    ruff format --check bench python scripts tests
fi
scripts/test.sh quick
