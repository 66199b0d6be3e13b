# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Forwards to scripts/. Everything lands in build/ and .venv/.
.PHONY: all setup setup-cross test quick check ops coverage asan tsan fuzz bench demo install-runtime wheel clean

all:      ; @scripts/build.sh
setup:    ; @scripts/setup.sh
setup-cross: ; @scripts/setup.sh cross
test:     ; @scripts/test.sh
quick:    ; @scripts/test.sh quick
check:    ; @scripts/check.sh
ops:      ; @scripts/test.sh ops
coverage: ; @scripts/coverage.sh $(ARGS)
asan:     ; @scripts/sanitize.sh address,undefined
tsan:     ; @scripts/sanitize.sh thread
fuzz:     ; @scripts/fuzz.sh
bench:    ; @scripts/bench.sh $(ARGS)
demo:     ; @scripts/demo.sh
install-runtime: ; @scripts/install_runtime.sh $(PREFIX)
wheel:    ; @scripts/wheel.sh
clean:    ; rm -rf build build-* dist
