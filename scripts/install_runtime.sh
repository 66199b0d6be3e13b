#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# install_runtime.sh [PREFIX]: the runtime for C and C++ programs (default /usr/local):
# libturbine_runtime.{a,so}, headers, pkg-config and CMake files. Needs no LLVM, no Python
# but the build's own; DESTDIR is honoured.
. "$(dirname "$0")/common.sh"
[ -x "$venv/bin/meson" ] || scripts/setup.sh
build=${BUILD:-build-runtime}
rm -rf "$build"
meson setup "$build" --prefix "${1:-/usr/local}" --libdir lib -Dcompiler=disabled \
    -Dpython=disabled -Dtests=false --buildtype=release >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
ninja -C "$build" -j"$jobs" --quiet
meson install -C "$build" --no-rebuild --quiet
rm -f "$build.log"
