# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run by .venv-iree's Python: calls of an artifact by IREE's own runtime.

stock_main.py FILE.vmfb DEVICE mmap|copy CALLS.npz OUT.npz

CALLS: "0.main.1" is argument 1 of call 0, of main; of main$async, which is called before what
it waits for has happened. OUT: "0.1" is result 1 of call 0, or
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
    return config, rt.load_vm_module(module, config)


def call_async(module, device, uri, function, args):
    """A function with coarse fences, and one result."""
    semaphore = device.create_semaphore(0)
    given, got = rt.VmVariantList(len(args) + 2), rt.VmVariantList(1)
    for a in args:
        given.push_ref(rt.asdevicearray(device, a)._buffer_view)
    signal = rt.HalFence.create_at(semaphore, 2)
    given.push_ref(rt.HalFence.create_at(semaphore, 1))
    given.push_ref(signal)
    inline = uri == "local-sync"
    if inline:  # it runs in the call
        semaphore.signal(1)
    invoker = module[function]
    invoker._vm_context.invoke(invoker.vm_function, given, got)
    assert semaphore.query() == (2 if inline else 0)
    if not inline:
        semaphore.signal(1)
    signal.wait()
    return rt.DeviceArray(device, got.get_as_object(0, rt.HalBufferView))


def main(path, device, how, calls, out):
    config, module = load(path, device, how)
    given, results = {}, {}
    with np.load(calls) as file:
        for key in file.files:
            number, function, _ = key.split(".")
            given.setdefault((int(number), function), []).append(file[key])
    for (number, function), args in sorted(given.items()):
        try:
            if function.endswith("$async"):
                got = call_async(module, config.device, device, function, args[1:])
            else:
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
