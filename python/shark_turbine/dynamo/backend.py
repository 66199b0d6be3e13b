# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backend for torch.compile.

AOTAutograd makes functional graphs of ATen operators, for inference or for a forward and a
backward pass; each is compiled for this machine. What cannot be compiled runs in eager
mode, with one warning that names the operator and the line it comes from.
"""

import contextlib
import functools
import gc

import torch

from ..decompositions import rows, traced_table
from . import shim
from .fallback import compile_module, warn_of_failure
from .fast import shorten
from .frozen import Frozen
from .options import Options, parse
from .output import Compiled, may_be_kept, salt
from .rng import give_seeds
from .support import refusal, unsupported_nodes
from .views import save_bases


def turbine_cpu(gm, example_inputs, *, mode=None, options=None):
    """Compiles what TorchDynamo captured. `mode` and `options`: see options.py."""
    return compile_captured(gm, example_inputs, parse(mode, options))


def compile_captured(gm, example_inputs, options, marks=True):
    """What TorchDynamo calls instead of `gm`. `marks`: see fast.py."""
    training = torch.is_grad_enabled() and any(
        isinstance(x, torch.Tensor) and x.requires_grad for x in example_inputs
    )
    keep = may_be_kept(options, training)
    kept = shim.kept if keep else lambda compiler: compiler
    backend = shim.aot_autograd(
        fw_compiler=kept(functools.partial(_compile, options=options)),
        bw_compiler=kept(functools.partial(_compile, options=options, backward=True)),
        inference_compiler=kept(functools.partial(_compile_inference, options=options)),
        decompositions=traced_table(_uses_lists(gm)),
        partition_fn=functools.partial(_partition, options=options),
    )
    whole = contextlib.nullcontext() if training else shim.preserved(_stay_whole())
    to_file = shim.is_bundling()
    try:
        keeping = shim.keeping(gm, salt(options)) if keep else contextlib.nullcontext()
        with keeping, whole, _uncollected(), shim.observed() as wrapped:
            slow = backend(gm, example_inputs)
    except Exception as e:
        if options.fullgraph or shim.is_signal(e):
            raise
        warn_of_failure(gm, e)
        return gm
    if shim.is_debugging():
        return shim.inspectable(slow, gm)
    if to_file:
        return slow  # it knows how to write what it is
    return shorten(slow, wrapped, len(example_inputs), marks)


@contextlib.contextmanager
def _uncollected():
    """No search for garbage meanwhile. Compiling makes many objects that live on, each
    time enough of them for a search through all that the process has: a large part of
    what the compilation of a small model takes."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _uses_lists(gm):
    """Whether there is an operator on lists of tensors: those of optimizers."""
    return any(
        "_foreach_" in getattr(n.target, "__name__", "") or "_foreach_" in str(n.target)
        for m in gm.modules()
        if isinstance(m, torch.fx.GraphModule)
        for n in m.graph.nodes
        if n.op in ("call_function", "call_method")
    )


@functools.cache
def _stay_whole():
    """Composite operators with a row; but instance_norm may change its running statistics,
    which its schema does not say: spelled out, they are results."""
    return tuple(
        op for op in shim.composite(rows()) if op._schema.name != "aten::instance_norm"
    )


def _partition(joint, *args, options, **kwargs):
    """Forward and backward graph of a joint one; both are looked at for `fullgraph`."""
    shim.give_lines_to_backward(joint)
    give_seeds(joint)
    if options.fullgraph and (lacking := unsupported_nodes(joint)):
        raise refusal(lacking)
    forward, backward = shim.min_cut(joint, *args, **kwargs)
    save_bases(forward, backward, kwargs["num_fwd_outputs"])
    return forward, backward


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
