#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds the wheels into dist/: shark-turbine (LLVM linked in), shark-turbine-runtime (the
# runtime alone) and the iree names.
. "$(dirname "$0")/common.sh"
scripts/setup.sh wheel
mkdir -p dist
python3 -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist .
python3 -m pip wheel -q --disable-pip-version-check --no-deps -w dist python/iree_compat
python3 -m pip wheel -q --disable-pip-version-check --no-deps -w dist python/iree_compiler_compat
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$tree"
cp python/runtime_wheel.toml "$tree/pyproject.toml"
python3 -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist \
    "$tree"
ls -l dist
