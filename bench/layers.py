# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolution layers and networks, ours beside eager in one process on one thread.

    python -m bench.layers [word ...]      rows whose name has one of the words

Both are called in turns and the least CPU time of a call counts, so that a busy machine
changes little: a quick check while kernels are worked on. `make bench` is what is quoted.
"""

import os
import sys
import time
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

from . import cases, programs


def _layers():
    """(name, module, input)"""
    for c_in, c_out, kernel, pixels, stride in [
        (3, 32, 3, 224, 2),
        (3, 64, 7, 224, 2),
        (64, 64, 3, 56, 1),
        (128, 128, 3, 28, 1),
        (128, 128, 3, 56, 2),
        (256, 256, 3, 14, 1),
        (512, 512, 3, 7, 1),
        (64, 256, 1, 56, 1),
        (256, 64, 1, 56, 1),
        (16, 96, 1, 112, 1),
        (1024, 256, 1, 14, 1),
        (256, 512, 1, 56, 2),
    ]:
        yield (
            f"conv {kernel}x{kernel} s{stride} {c_in}-{c_out} @{pixels}",
            nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2),
            (1, c_in, pixels, pixels),
        )
    for c, kernel, pixels, stride in [
        (32, 3, 112, 1),
        (96, 3, 112, 2),
        (144, 3, 56, 1),
        (384, 3, 14, 1),
        (960, 3, 7, 1),
        (96, 7, 56, 1),
        (240, 5, 28, 1),
        (240, 5, 28, 2),
    ]:
        yield (
            f"depthwise {kernel}x{kernel} s{stride} {c} @{pixels}",
            nn.Conv2d(c, c, kernel, stride, kernel // 2, groups=c),
            (1, c, pixels, pixels),
        )
    yield (
        "grouped 3x3 g32 256 @14",
        nn.Conv2d(256, 256, 3, 1, 1, groups=32),
        (1, 256, 14, 14),
    )
    yield (
        "grouped 3x3 g4 128 @28",
        nn.Conv2d(128, 128, 3, 1, 1, groups=4),
        (1, 128, 28, 28),
    )
    yield (
        "dilated 3x3 d2 256 @28",
        nn.Conv2d(256, 256, 3, 1, 2, dilation=2),
        (1, 256, 28, 28),
    )
    yield (
        "transposed 4x4 s2 64-32 @28",
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        (1, 64, 28, 28),
    )
    yield "1d k3 256-256 @512", nn.Conv1d(256, 256, 3, 1, 1), (1, 256, 512)
    yield "1d k10 s5 1-512 @16000", nn.Conv1d(1, 512, 10, 5), (1, 1, 16000)
    yield (
        "1d depthwise k31 256 @512",
        nn.Conv1d(256, 256, 31, 1, 15, groups=256),
        (1, 256, 512),
    )
    yield "3d k3 32-32 @8x28", nn.Conv3d(32, 32, 3, 1, 1), (1, 32, 8, 28, 28)
    yield "patches 16x16 3-768 @224", nn.Conv2d(3, 768, 16, 16), (1, 3, 224, 224)
    yield "batch 8 3x3 64-64 @28", nn.Conv2d(64, 64, 3, 1, 1), (8, 64, 28, 28)
    yield "max pool 3 s2 64 @112", nn.MaxPool2d(3, 2, 1), (1, 64, 112, 112)
    yield "avg pool 2 128 @56", nn.AvgPool2d(2), (1, 128, 56, 56)
    yield "cat", Concat(), (1, 64, 56, 56)
    yield "permute to last", Permute(0, 2, 3, 1), (1, 256, 56, 56)
    yield "permute to first", Permute(0, 3, 1, 2), (1, 56, 56, 256)


class Concat(nn.Module):
    def forward(self, x):
        return torch.cat([x, x * 2], 1)


class Permute(nn.Module):
    def __init__(self, *order):
        super().__init__()
        self.order = order

    def forward(self, x):
        return x.permute(self.order).contiguous()


def _networks():
    for case in cases.CASES:
        if case.name in ("ResNet-50", "MobileNetV2", "ConvNeXt-tiny"):
            yield case.name, case


def rows(words):
    for name, module, shape in _layers():
        if not words or any(w in name for w in words):
            torch.manual_seed(0)
            yield name, module.eval().requires_grad_(False), (torch.randn(shape),)
    for name, case in _networks():
        if not words or any(w in name for w in words):
            program = programs.build(case)
            yield name, program.module, program.inputs


def ours(module, inputs):
    import shark_turbine.runtime as rt
    from shark_turbine import aot

    binary = aot.export(module, args=inputs).compile(save_to=None)
    config = rt.Config("local-sync")
    loaded = rt.VmModule.copy_buffer(config.vm_instance, binary.map_memory())
    main = rt.load_vm_module(loaded, config).main
    arrays = [x.numpy() for x in inputs]
    return lambda: main(*arrays)


def least(calls, seconds):
    """The least CPU time of a call of each, called in turns."""
    best = [float("inf")] * len(calls)
    rounds = [1] * len(calls)
    for call in calls:
        call()
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end or turn < 5:
        for i, call in enumerate(calls):
            begin = time.thread_time()
            for _ in range(rounds[i]):
                call()
            took = time.thread_time() - begin
            best[i] = min(best[i], took / rounds[i])
            if took < 2e-3:
                rounds[i] *= 2
        turn += 1
    return best


def main(words):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    seconds = float(os.environ.get("SECONDS", "1"))
    print(f"{'':34}{'ours ms':>10}{'eager ms':>10}{'speed':>7}{'error':>9}")
    for name, module, inputs in rows(words):
        call = ours(module, inputs)
        want = module(*inputs)
        got = torch.from_numpy(call().to_host())
        error = ((got - want).abs().max() / want.abs().max()).item()
        a, b = least([call, partial(module, *inputs)], seconds)
        print(
            f"{name:34}{a * 1e3:10.3f}{b * 1e3:10.3f}{b / a:7.2f}{error:9.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
