#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Makes .venv-bench, where the engines live that the benchmark compares with: several GB.
# Fast when there is nothing to do.
. "$(dirname "$0")/common.sh"
other=$top/.venv-bench
environment "$other"
command -v g++ >/dev/null 2>&1 || say "g++ is not there: torch.compile's own backend needs it"
# Another version of transformers could make other models of the same names.
same=$("$venv/bin/python" -c 'from importlib.metadata import version
print("transformers==" + version("transformers"))')
exec "$other/bin/python" scripts/setup_python.py --bench "$same"
