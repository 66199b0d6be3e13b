# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A compiled graph: the bytes of the artifact, and how its caller's arguments are its own."""

import dataclasses
import functools
import mmap

import torch

from .. import _runtime
from ..profile import recorder
from .rng import draw_seed
from .shim import real_tensors

# What torch has MKL's vector library compute (aten/src/ATen/cpu/vml.h), or may have.
_OF_MKL = """abs acos asin atan ceil cos cosh erf erfc erfinv exp expm1 floor lgamma log log10 log1p
log2 round rsqrt sigmoid sin sinh sqrt tan tanh trunc""".split()


def _settle_mkl():
    """Until MKL 2025 the first calls of such a function by several threads at once may be answered
    with four digits (https://github.com/pytorch/pytorch/issues/188792). Threads that wait for work
    side by side make that likelier; after a call by one thread it is over."""
    with real_tensors(), torch.no_grad():
        for dtype in (torch.float32, torch.float64):
            one = torch.full((1,), 0.5, dtype=dtype)
            for name in _OF_MKL:
                getattr(torch, name)(one)


@functools.cache
def device(name):
    """One of a name for the process: all programs share its threads, which are torch's own
    where those are OpenMP's: two pools would contend for the CPUs."""
    openmp = name == "local-task" and torch.backends.openmp.is_available()
    if openmp and torch.backends.mkl.is_available():
        _settle_mkl()
    return _runtime.Device(name, openmp=openmp)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `_runtime.Session.bind` takes (python/_runtime/bound.c), and what the last
    results are for: `checks`."""

    arguments: int
    inputs: tuple  # (position or None for a seed, order of axes or None)
    outputs: tuple
    checks: tuple = ()  # of torch._linalg_check_errors: (name, is_matrix)
    decomposes: bool = False  # may say that an algorithm has not converged

    def raises(self):
        """Whether a call is more than what `bind` gives."""
        return bool(self.checks) or self.decomposes

    def bound(self):
        return dict(arguments=self.arguments, inputs=self.inputs, outputs=self.outputs)


class Program:
    """Loaded for this process; `call(*args)` gives a tuple, `boxed([args])` a list."""

    def __reduce__(self):
        artifact = None if self.artifact is None else bytes(self.artifact)
        return _restored, (self.plan, artifact, self.device_name, self.profile)

    def __init__(self, plan, artifact, device_name, profile=None):
        self.profile = profile
        self.plan, self.artifact, self.device_name = plan, artifact, device_name
        if artifact is None:
            self.call, self.boxed = _without_program(plan)
            return
        self.module = _runtime.Module.from_buffer(artifact)
        self.session = _runtime.Session(
            self.module,
            device(device_name),
            profile=recorder(profile, device(device_name)),
        )
        draws = any(position is None for position, _ in plan.inputs)
        self.bind = functools.partial(
            self.session.bind,
            "main",
            torch=True,
            draw=draw_seed if draws else None,
            **plan.bound(),
        )
        self.call, self.boxed = self.bind(), self.bind(boxed=True)
        if plan.decomposes:
            self.call, self.boxed = _converging(self.call), _converging(self.boxed)
        if plan.checks:
            self.call = _checked(self.call, plan.checks)
            self.boxed = _checked(self.boxed, plan.checks)


def _checked(call, checks):
    """`call` without its last results, which must be 0 or torch raises its error."""
    check = torch.ops.aten._linalg_check_errors.default
    n = len(checks)

    def run(*args):
        results = call(*args)
        for info, (name, is_matrix) in zip(results[-n:], checks, strict=True):
            check(info, name, is_matrix=is_matrix)
        return results[:-n]

    return run


def _converging(call):
    """`call` with torch's class of the error that an algorithm has not converged."""

    def run(*args):
        try:
            return call(*args)
        except RuntimeError as e:
            if "failed to converge" not in str(e):
                raise
            text = str(e)[str(e).find("linalg.") :]
            raise torch.linalg.LinAlgError(text) from None

    return run


def _restored(plan, artifact, device_name, profile):
    """A Program from a pickle; the bytes go to where they are aligned."""
    if artifact is not None:
        pages = mmap.mmap(-1, len(artifact))
        pages.write(artifact)
        artifact = memoryview(pages)
    return Program(plan, artifact, device_name, profile)


def _without_program(plan):
    """For graphs that compute nothing: what goes out has come in, or is known."""

    def pick(args):
        kinds = {"input": lambda i: args[i], "value": lambda x: x, "seed": draw_seed}
        return [kinds[kind](*what) for kind, *what in plan.outputs]

    def boxed(args):
        taken = tuple(args)
        args.clear()
        return pick(taken)

    return lambda *args: tuple(pick(args)), boxed
