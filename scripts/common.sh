# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sourced by the other scripts.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
say() { printf '== %s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }
jobs=$(nproc 2>/dev/null || echo 2)
venv=$top/.venv
PATH=$venv/bin:$PATH
export PATH

# environment DIR: makes a virtual environment there unless there is a working one.
environment() {
    ! "$1/bin/python" -c '' 2>/dev/null || return 0
    say "python3 -m venv ${1##*/}"
    rm -rf "$1"
    python3 -m venv "$1"
}

# configure DIR [meson options]: sets the build directory up, again when the list of
# sources changed (meson itself sees only changes to its own files). Links with lld where it
# is: fifty tests link anew after a change to the core, and that takes a quarter of the time.
configure() {
    dir=$1
    shift
    if [ -z "${CC_LD:-}" ] && command -v ld.lld >/dev/null 2>&1 &&
        echo 'int main(void) { return 0; }' | cc -fuse-ld=lld -xc - -o /dev/null 2>/dev/null; then
        CC_LD=lld
        export CC_LD
    fi
    python3 scripts/sources.py src python tools tests >"$dir.sources.new"
    if [ ! -f "$dir/build.ninja" ]; then
        say "configuring $dir"
        rm -rf "$dir"
        meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
    elif ! cmp -s "$dir.sources.new" "$dir/sources.txt"; then
        say "configuring $dir again: files came or went"
        meson setup --reconfigure "$dir" "$@" >"$dir.log" 2>&1 ||
            { cat "$dir.log" >&2; exit 1; }
    fi
    mv "$dir.sources.new" "$dir/sources.txt"
    [ ! -f "$dir.log" ] || mv "$dir.log" "$dir/configure.log"
}
