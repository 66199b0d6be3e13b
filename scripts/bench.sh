#!/bin/sh
# Sets up, builds, and compares models side by side (bench/models.py).
. "$(dirname "$0")/common.sh"
scripts/setup.sh
scripts/build.sh
exec python3 bench/models.py "$@"
