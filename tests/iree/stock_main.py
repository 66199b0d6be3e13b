# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run by .venv-iree's Python: calls of an artifact by IREE's own runtime.

stock_main.py FILE.vmfb DEVICE mmap|copy CALLS.npz OUT.npz

CALLS: "0.main.1" is argument 1 of call 0, of main. OUT: "0.1" is result 1 of call 0, or
"0.error" what was raised.
"""

import sys

import iree.runtime as rt
import numpy as np


def load(path, device, how):
    config = rt.Config(device)
    if how == "mmap":
        module = rt.VmModule.mmap(config.vm_instance, path)
    else:
        with open(path, "rb") as f:
            module = rt.VmModule.copy_buffer(config.vm_instance, f.read())
    return rt.load_vm_module(module, config)


def main(path, device, how, calls, out):
    module = load(path, device, how)
    given, results = {}, {}
    with np.load(calls) as file:
        for key in file.files:
            number, function, _ = key.split(".")
            given.setdefault((int(number), function), []).append(file[key])
    for (number, function), args in sorted(given.items()):
        try:
            got = module[function](*args[1:])
        except Exception as e:
            results[f"{number}.error"] = np.array(str(e))
            continue
        got = got if isinstance(got, tuple) else () if got is None else (got,)
        for i, r in enumerate(got):
            results[f"{number}.{i}"] = r.to_host()
    np.savez(out, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
