#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Sets up, builds, and compares every way to run a PyTorch model on this CPU (bench/).
# Arguments: make bench ARGS="--quick --only minilm", or this script directly.
. "$(dirname "$0")/common.sh"
scripts/setup.sh
scripts/build.sh
scripts/setup_bench.sh ||
    say "no environment for the other engines: comparing with PyTorch alone"
exec python3 -m bench "$@"
