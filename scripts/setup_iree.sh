#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Makes .venv-iree, where IREE's own runtime lives that tests/iree runs artifacts with.
# Fast when there is nothing to do.
. "$(dirname "$0")/common.sh"
other=$top/.venv-iree
if ! "$other/bin/python" -c '' 2>/dev/null; then
    say "python3 -m venv .venv-iree"
    rm -rf "$other"
    python3 -m venv "$other"
fi
exec "$other/bin/python" scripts/setup_python.py --iree
