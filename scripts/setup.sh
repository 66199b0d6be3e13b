#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs what building and testing need and is not there yet: system packages (Debian,
# Ubuntu) and .venv. Fast when there is nothing to do. `setup.sh runtime` leaves LLVM out,
# `setup.sh wheel` adds the static libraries that LLVM's need,
# `setup.sh cross` adds what tests of other processors and of WebAssembly need: compilers,
# emulators, musl, Node;
# `setup.sh iree` makes .venv-iree with IREE's own runtime for tests/iree.
. "$(dirname "$0")/common.sh"
[ "${1:-}" != iree ] || exec scripts/setup_iree.sh

want=""
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || want="$want $2"
}
header() { # header FILE PACKAGE
    echo "#include <$1>" | cc -E -xc - >/dev/null 2>&1 || want="$want $2"
}
llvm_version() {
    for v in 22 21 20 19; do
        if command -v "llvm-config-$v" >/dev/null 2>&1; then
            # The headers are a package of their own.
            [ ! -f "$("llvm-config-$v" --includedir)/llvm-c/Core.h" ] || { echo $v; return; }
        fi
    done
    if command -v llvm-config >/dev/null 2>&1; then
        v=$(llvm-config --version | cut -d. -f1)
        if [ "$v" -ge 19 ] && [ "$v" -le 22 ]; then echo "$v"; fi
    fi
}
pick_llvm() { # the newest LLVM that apt offers
    for v in 22 21 20 19; do
        if apt-cache show "llvm-$v-dev" >/dev/null 2>&1; then
            echo "llvm-$v-dev"
            return
        fi
    done
}

need cc gcc
need python3 python3
header stdlib.h libc6-dev
if command -v python3 >/dev/null 2>&1; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || want="$want python3-venv"
    python3 -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' ||
        want="$want python3-dev"
fi
if [ "${1:-}" = cross ]; then
    for p in aarch64:arm64 riscv64:riscv64 arm:armhf; do
        arch=${p%:*}
        [ "$arch" != arm ] || abi=eabihf
        need "$arch-linux-gnu${abi:-}-gcc" "gcc-$arch-linux-gnu${abi:-}"
        [ -f "/usr/$arch-linux-gnu${abi:-}/include/stdlib.h" ] ||
            want="$want libc6-dev-${p#*:}-cross"
    done
    command -v qemu-aarch64 >/dev/null 2>&1 || need qemu-aarch64-static qemu-user-static
    need musl-gcc musl-tools
    need clang clang
    need wasm-ld lld
    need node nodejs
    need g++ g++
fi
if [ "${1:-}" = wheel ]; then
    header zlib.h zlib1g-dev
    header zstd.h libzstd-dev
fi
llvm=""
if [ "${1:-}" != runtime ] && [ -z "$(llvm_version)" ]; then
    llvm=wanted
fi

if [ -n "$want$llvm" ]; then
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if sudo -n true 2>/dev/null; then sudo="sudo -n"; else sudo=none; fi
    fi
    if ! command -v apt-get >/dev/null 2>&1 || [ "$sudo" = none ]; then
        [ -z "$llvm" ] || want="$want llvm-22-dev (or 21, 20, 19)"
        die "setup: missing, and not allowed to install here:$want"
    fi
    say "apt-get update"
    $sudo apt-get update -qq || true
    if [ -n "$llvm" ]; then
        llvm=$(pick_llvm)
        [ -n "$llvm" ] || die "setup: apt offers no llvm-19-dev to llvm-22-dev; add the \
packages of https://apt.llvm.org for this release and run again"
        want="$want $llvm"
    fi
    say "apt-get install$want"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq \
        --no-install-recommends $want >/dev/null
fi

"$venv/bin/python" -c '' 2>/dev/null ||
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "setup: Python 3.11 or later is needed, python3 is $(python3 --version)"
environment "$venv"
if [ "${1:-}" = runtime ]; then
    python3 scripts/setup_python.py meson ninja numpy pytest
else
    python3 scripts/setup_python.py
fi
