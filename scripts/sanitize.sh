#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the C tests under sanitizers: sanitize.sh address,undefined | thread.
. "$(dirname "$0")/common.sh"
kind=$1
dir=build-$(printf %s "$kind" | tr ',' '-')
configure "$dir" -Db_sanitize="$kind" -Db_lundef=false -Dpython=disabled
ninja -C "$dir" -j"$jobs" --quiet
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1 \
    meson test -C "$dir" --no-rebuild --quiet -j"$jobs" --print-errorlogs -t 4
