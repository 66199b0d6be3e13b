# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What bf16 gains on this machine: frozen programs in f32, in f32 with matmul precision "medium",
and in bf16, beside eager mode's, in one process on one thread.

    python -m bench.bf16 [word ...]        rows whose name has one of the words

All are called in turns and the least CPU time of a call counts.
"""

import copy
import os
import sys
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from . import cases, programs
from .layers import least

# Rows of the benchmark, and the products of BERT-base's layers.
ROWS = [
    *(
        cases.Case(f"matmul 128x{n}x{k}", "operator", ("product", 128, n, k, True))
        for n, k in [(768, 768), (3072, 768), (768, 3072)]
    ),
    *(
        cases.BY_NAME[name]
        for name in [
            "matmul 8x4096x4096",
            "matmul 1024",
            "matmul 1024 inputs",
            "conv 1x1 256-64 @56",
            "conv 3x3 256-256 @14",
            "MiniLM 1x128",
            "BERT-base 1x128",
            "ViT-B/16",
            "ResNet-50",
        ]
    ),
]


def ours(module, inputs, precision):
    """A call of it. Programs are compiled for a precision, and looked for by it."""
    import shark_turbine

    fast = shark_turbine.jit(module, options={"freeze": True})

    def call():
        torch.set_float32_matmul_precision(precision)
        try:
            return fast(*inputs)
        finally:
            torch.set_float32_matmul_precision("highest")

    return call


def tensor(result):
    return result if torch.is_tensor(result) else tensor(next(iter(result.values())))


def main(words):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    seconds = float(os.environ.get("SECONDS", "3"))
    names = ["f32", "medium", "bf16", "eager f32", "eager bf16"]
    print(
        f"{'least ms':28}"
        + "".join(f"{n:>12}" for n in names)
        + "   f32/medium f32/bf16"
    )
    for case in ROWS:
        if words and not any(w in case.name for w in words):
            continue
        torch._dynamo.reset()  # it gives up on a function after some programs
        program = programs.build(case)
        module, inputs = program.module, program.inputs
        half = copy.deepcopy(module).bfloat16()
        halves = tuple(x.bfloat16() if x.is_floating_point() else x for x in inputs)
        calls = [
            ours(module, inputs, "highest"),
            ours(copy.deepcopy(module), inputs, "medium"),
            ours(half, halves, "highest"),
            partial(module, *inputs),
            partial(half, *halves),
        ]
        want = tensor(module(*inputs))
        errors = [
            ((tensor(c()).float() - want).abs().max() / want.abs().max()).item()
            for c in calls
        ]
        best = least(calls, seconds)
        print(
            f"{case.name:28}"
            + "".join(f"{b * 1e3:12.3f}" for b in best)
            + f"{best[0] / best[1]:13.2f}{best[0] / best[2]:9.2f}"
            + "   errors "
            + " ".join(f"{e:.0e}" for e in errors),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
