#!/bin/sh
# Sets up, builds, and runs the demo (scripts/demo.py).
. "$(dirname "$0")/common.sh"
scripts/setup.sh
scripts/build.sh
exec python3 scripts/demo.py "$@"
