#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the tests. `quick`: the C tests, seconds. `ops`: sample inputs of every operator,
# minutes. Without a word: everything else
# but what is marked slow (models in full, all sample inputs: pytest -m slow).
. "$(dirname "$0")/common.sh"
case "${1:-all}" in
quick)
    scripts/build.sh
    meson test -C build --no-rebuild --quiet -j"$jobs" --print-errorlogs
    ;;
ops)
    scripts/build.sh
    python3 -m pytest -m "not slow" tests/ops
    ;;
all)
    scripts/setup.sh
    scripts/setup.sh cross || say "tests of other processors will be skipped"
    python3 scripts/layers.py
    scripts/build.sh
    meson test -C build --no-rebuild --quiet -j"$jobs" --print-errorlogs
    say "the C tests under address and undefined behaviour sanitizers"
    scripts/sanitize.sh address,undefined
    [ $# -eq 0 ] || shift
    # Sample inputs of every operator take minutes: make ops.
    python3 -m pytest -m "not slow" --ignore=tests/ops "$@"
    ;;
*) die "test.sh: quick, ops or nothing; not '$1'" ;;
esac
