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
from torch import nn

from . import cases, programs
from .layers import least

LINEAR = [
    (8, 4096, 4096),
    (128, 768, 768),
    (128, 768, 3072),
    (128, 3072, 768),
    (1024, 1024, 1024),
]
MODELS = ("MiniLM 1x128", "BERT-base 1x128", "ViT-B/16", "ResNet-50")


def rows(words):
    """(name, program)"""
    wanted = [
        *(("linear {}x{}x{}", shape, nn.Linear) for shape in LINEAR),
        ("product {}x{}x{}", (1024, 1024, 1024), None),
        ("conv 1x1 {}-{} @{}", (256, 64, 56), 1),
        ("conv 3x3 {}-{} @{}", (128, 128, 28), 3),
    ]
    for form, shape, kind in wanted:
        name = form.format(*shape)
        if words and not any(w in name for w in words):
            continue
        torch.manual_seed(0)
        if kind is nn.Linear:
            m, k, n = shape
            yield name, nn.Linear(k, n), (torch.randn(m, k),)
        elif kind is None:
            program = programs.product(*shape, constant=False)
            yield name, program.module, program.inputs
        else:
            c_in, c_out, pixels = shape
            module = nn.Conv2d(c_in, c_out, kind, 1, kind // 2)
            yield name, module, (torch.randn(1, c_in, pixels, pixels),)
    for case in cases.CASES:
        if case.name in MODELS and (not words or any(w in case.name for w in words)):
            program = programs.build(case)
            yield case.name, program.module, program.inputs


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
    for name, module, inputs in rows(words):
        torch._dynamo.reset()  # it gives up on a function after some programs
        module = module.eval().requires_grad_(False)
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
            f"{name:28}"
            + "".join(f"{b * 1e3:12.3f}" for b in best)
            + f"{best[0] / best[1]:13.2f}{best[0] / best[2]:9.2f}"
            + "   errors "
            + " ".join(f"{e:.0e}" for e in errors),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
