# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backend for torch.compile.

AOTAutograd makes functional graphs of ATen operators, for inference or for a forward and a
backward pass; each is compiled for this machine. What cannot be compiled runs in eager
mode, with one warning that names the operator and the line it comes from.
"""

import contextlib
import functools

import torch

from ..decompositions import default_table, has_row
from . import shim
from .fallback import compile_module, warn_of_failure
from .fast import shorten
from .frozen import Frozen
from .options import Options, parse
from .rng import give_seeds
from .support import refusal, unsupported_nodes
from .views import save_bases


def turbine_cpu(gm, example_inputs, *, mode=None, options=None):
    """Compiles what TorchDynamo captured. `mode` and `options`: see options.py."""
    options = parse(mode, options)
    training = torch.is_grad_enabled() and any(
        isinstance(x, torch.Tensor) and x.requires_grad for x in example_inputs
    )
    backend = shim.aot_autograd(
        fw_compiler=functools.partial(_compile, options=options),
        bw_compiler=functools.partial(_compile, options=options, backward=True),
        inference_compiler=functools.partial(_compile_inference, options=options),
        decompositions=_table(),
        partition_fn=functools.partial(_partition, options=options),
    )
    whole = contextlib.nullcontext() if training else shim.preserved(has_row)
    try:
        with whole, shim.observed() as wrapped:
            slow = backend(gm, example_inputs)
    except Exception as e:
        if options.fullgraph or shim.is_signal(e):
            raise
        warn_of_failure(gm, e)
        return gm
    if shim.is_debugging():
        return shim.inspectable(slow, gm)
    return shorten(slow, wrapped, len(example_inputs))


@functools.cache
def _table():
    return default_table()


def _partition(joint, *args, options, **kwargs):
    """Forward and backward graph of a joint one; both are looked at for `fullgraph`."""
    shim.give_lines_to_backward(joint)
    give_seeds(joint)
    if options.fullgraph and (lacking := unsupported_nodes(joint)):
        raise refusal(lacking)
    forward, backward = shim.min_cut(joint, *args, **kwargs)
    save_bases(forward, backward, kwargs["num_fwd_outputs"])
    return forward, backward


class Compiled:
    """What AOTAutograd calls: with one list of the arguments."""

    def __init__(self, run):
        self._boxed_call = True  # wrappers copy what the object has, not its class
        self.run = run
        self.boxed = run.boxed

    def __call__(self, args):
        return self.boxed(args)


def _compile(gm, example_inputs, *, options, backward=False):
    del example_inputs  # their types are in the graph
    shim.keep_saved_values()
    return Compiled(compile_module(gm, options, backward=backward))


def _compile_inference(gm, example_inputs, *, options):
    static = shim.static_inputs() if options.freeze else ()
    if not static:
        return _compile(gm, example_inputs, options=options)
    return Compiled(Frozen(gm, static, options))


__all__ = ["Options", "turbine_cpu"]
