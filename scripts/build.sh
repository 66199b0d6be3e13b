#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds everything into build/ and makes `import shark_turbine` work in .venv.
. "$(dirname "$0")/common.sh"
[ -x "$venv/bin/meson" ] || scripts/setup.sh

configure build
status=0
ninja -C build -j"$jobs" --quiet -k 0 || status=$?
python3 scripts/develop.py build
exit $status
