# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run by .venv-iree's Python: calls functions of integers. MODULE.vmfb CASES.json OUT.json"""

import json
import sys

import iree.runtime as rt


def main(path, cases, out):
    instance = rt.VmInstance()
    module = rt.VmModule.mmap(instance, path)
    context = rt.VmContext(instance, [module])
    results = []
    with open(cases) as f:
        for name, values in json.load(f):
            given, got = rt.VmVariantList(len(values)), rt.VmVariantList(1)
            for v in values:
                given.push_int(v)
            context.invoke(module.lookup_function(name), given, got)
            results.append(got.get_variant(0))
    with open(out, "w") as f:
        json.dump(results, f)


if __name__ == "__main__":
    main(*sys.argv[1:])
