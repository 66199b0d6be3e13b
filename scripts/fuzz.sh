#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs each fuzz target for a minute (FUZZ_SECONDS) with libFuzzer; needs clang. Findings
# are left in tests/fuzz/regress/<target>/, where the tests replay them from then on.
. "$(dirname "$0")/common.sh"
[ -x "$venv/bin/meson" ] || scripts/setup.sh
for c in clang-22 clang-21 clang-20 clang-19 clang; do
    ! command -v "$c" >/dev/null || break
done
command -v "$c" >/dev/null || die "fuzz: clang is missing (Debian: apt-get install clang)"
CC=$c
export CC
configure build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
    -Dpython=disabled -Dtests=true
ninja -C build-fuzz -j"$jobs" --quiet
failed=0
for exe in build-fuzz/tests/fuzz_*; do
    [ -x "$exe" ] && [ ! -d "$exe" ] || continue
    name=${exe##*/fuzz_}
    case $name in *.p) continue ;; esac
    mkdir -p "build-fuzz/corpus/$name" "tests/fuzz/regress/$name"
    seeds=""
    [ ! -d "tests/fuzz/corpus/$name" ] || seeds=tests/fuzz/corpus/$name
    say "fuzzing $name for ${FUZZ_SECONDS:-60} s"
    # shellcheck disable=SC2086
    # The entropic schedule counts how rare features are, for longer than our targets run.
    "$exe" -entropic=0 -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 -timeout=10 \
        -rss_limit_mb=4096 -artifact_prefix="tests/fuzz/regress/$name/" \
        "build-fuzz/corpus/$name" $seeds "tests/fuzz/regress/$name" \
        >"build-fuzz/$name.log" 2>&1 || { tail -40 "build-fuzz/$name.log"; failed=1; }
    grep -E 'stat::(number_of_executed_units|new_units_added)' "build-fuzz/$name.log" || true
    rmdir "tests/fuzz/regress/$name" 2>/dev/null || true
done
exit $failed
