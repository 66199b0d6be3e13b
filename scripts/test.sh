#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the tests. `quick`: C tests and what needs no torch, seconds. `bless`: writes the
# expected texts of the golden tests anew. Without a word: everything
# but what is marked slow (models in full, all sample inputs: pytest -m slow).
. "$(dirname "$0")/common.sh"
case "${1:-all}" in
quick)
    scripts/build.sh
    meson test -C build --no-rebuild --quiet -j"$jobs" --print-errorlogs
    folders=""
    for d in golden errors artifact lint; do
        [ ! -d "tests/$d" ] || folders="$folders tests/$d"
    done
    # shellcheck disable=SC2086
    [ -z "$folders" ] || python3 -m pytest -m "not slow" $folders || [ $? -eq 5 ]
    ;;
ops)
    scripts/build.sh
    python3 -m pytest -m "not slow" tests/ops
    ;;
bless)
    scripts/build.sh
    TURBINE_BLESS=1 python3 -m pytest tests/golden
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
*) die "test.sh: quick, bless or nothing; not '$1'" ;;
esac
