#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Every operator of PyTorch's op_db through torch.compile, against eager mode. Alone it
# writes docs/op-coverage.md (an hour of CPU); arguments as coverage.py has them:
# make coverage ARGS="--quick", make coverage ARGS="--op add --dtype float32".
. "$(dirname "$0")/common.sh"
scripts/build.sh
[ $# -gt 0 ] || set -- --report docs/op-coverage.md
exec python3 scripts/coverage.py "$@"
