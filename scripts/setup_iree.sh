#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Makes .venv-iree, where IREE's own runtime lives that tests/iree runs artifacts with.
# Fast when there is nothing to do.
. "$(dirname "$0")/common.sh"
other=$top/.venv-iree
environment "$other"
exec "$other/bin/python" scripts/setup_python.py --iree
