#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds the wheels into dist/: shark-turbine (LLVM linked in) and the iree names.
. "$(dirname "$0")/common.sh"
[ -x "$venv/bin/meson" ] || scripts/setup.sh
mkdir -p dist
python3 -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist .
python3 -m pip wheel -q --disable-pip-version-check --no-deps -w dist python/iree_compat
python3 -m pip wheel -q --disable-pip-version-check --no-deps -w dist python/iree_compiler_compat
ls -l dist
