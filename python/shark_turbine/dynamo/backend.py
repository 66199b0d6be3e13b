# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backend for torch.compile.

AOTAutograd makes functional graphs of ATen operators, for inference or for a forward and a
backward pass; each is compiled for this machine. What cannot be compiled runs in eager
mode, with one warning that names the operator and the line it comes from.
"""

import contextlib
import functools

import torch
from torch._dynamo.backends.common import aot_autograd

from ..decompositions import default_table, has_row
from .fallback import compile_or_fall_back
from .options import Options, parse
from .support import refusal, unsupported_nodes


def turbine_cpu(gm, example_inputs, *, mode=None, options=None):
    """Compiles what TorchDynamo captured. `mode` and `options`: see options.py."""
    options = parse(mode, options)
    training = torch.is_grad_enabled() and any(
        isinstance(x, torch.Tensor) and x.requires_grad for x in example_inputs
    )
    backend = aot_autograd(
        fw_compiler=functools.partial(_compile, options=options),
        inference_compiler=functools.partial(_compile_inference, options=options),
        decompositions=_table(),
        partition_fn=functools.partial(_partition, options=options),
    )
    with contextlib.nullcontext() if training else _whole_operators():
        return backend(gm, example_inputs)


def _partition(joint, *args, options, **kwargs):
    """Forward and backward graph of a joint one; both are looked at for `fullgraph`."""
    from functorch.compile import min_cut_rematerialization_partition

    if options.fullgraph and (lacking := unsupported_nodes(joint)):
        raise refusal(lacking)
    return min_cut_rematerialization_partition(joint, *args, **kwargs)


@functools.cache
def _table():
    return default_table()


# ---- operators that AOTAutograd would take apart ----


@functools.cache
def _composites():
    """Composite operators that the compiler has a row for and that may be kept whole."""
    from torch._export.utils import (
        _collect_all_valid_cia_ops,
        _special_op_to_preserve_cia,
    )

    return {
        op: _special_op_to_preserve_cia
        for op in _collect_all_valid_cia_ops()
        if has_row(op)
    }


def _whole_operators():
    """Keeps them whole: there is nothing to differentiate. As torch.export does it."""
    try:
        from torch.export.exported_program import _override_composite_implicit_decomp

        return _override_composite_implicit_decomp(_composites())
    except ImportError:
        return contextlib.nullcontext()


# ---- compiling ----


def _boxed(fn):
    """AOTAutograd's calling convention: one list, emptied as soon as it is taken."""

    def run(args):
        taken = tuple(args)
        args.clear()
        return fn(*taken)

    run._boxed_call = True
    return run


def _compile(gm, example_inputs, *, options):
    del example_inputs  # their types are in the graph
    return _boxed(compile_or_fall_back(gm, options))


def _compile_inference(gm, example_inputs, *, options):
    static = _static_inputs() if options.freeze else ()
    if not static:
        return _compile(gm, example_inputs, options=options)
    return _boxed(Frozen(gm, static, options))


def _static_inputs():
    """Positions of parameters and buffers among the graph's inputs."""
    context = torch._guards.TracingContext.try_get()
    metadata = getattr(context, "fw_metadata", None)
    return tuple(getattr(metadata, "static_input_indices", None) or ())


class Frozen:
    """A graph whose parameters are part of the program, as long as they stay the same.

    They are looked at before each call: another tensor or an in-place change of one makes
    a program that takes them as inputs again. (Writes through `.data` are not noticed.)
    """

    def __init__(self, gm, static, options):
        self.gm, self.static, self.options = gm, static, options
        self.frozen = None  # [(position, tensor, version)]
        self.run = None

    def __call__(self, *args):
        if self.run is None:
            self.frozen = [(i, args[i], args[i]._version) for i in self.static]
            constants = {i: tensor for i, tensor, _ in self.frozen}
            self.run = compile_or_fall_back(self.gm, self.options, constants)
        elif self.frozen and any(
            args[i] is not t or t._version != version for i, t, version in self.frozen
        ):
            self.frozen = None
            self.run = compile_or_fall_back(self.gm, self.options)
        return self.run(*args)


__all__ = ["Options", "turbine_cpu"]
