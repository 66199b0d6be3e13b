# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Everything we use of torch that is not public; nothing else imports such a module.

Each function says what happens where a version of torch has no such thing: less is kept
whole, less is cached, but programs stay right.
"""

import contextlib

import torch


def aot_autograd(**kwargs):
    """The public face of AOTAutograd; in a private module, and as old as torch.compile."""
    from torch._dynamo.backends.common import aot_autograd as make

    return make(**kwargs)


def min_cut(*args, **kwargs):
    from functorch.compile import min_cut_rematerialization_partition

    return min_cut_rematerialization_partition(*args, **kwargs)


# ---- what is being compiled ----


def _tracing_metadata():
    context = torch._guards.TracingContext.try_get()
    return getattr(context, "fw_metadata", None)


def static_inputs():
    """Positions of parameters and buffers among a graph's inputs; () if not known."""
    return tuple(getattr(_tracing_metadata(), "static_input_indices", None) or ())


def real_tensors():
    """A context in which tensors are made as usual: compilers run in one of fake ones."""
    try:
        from torch.utils._python_dispatch import _disable_current_modes
    except ImportError:
        return contextlib.nullcontext()
    return _disable_current_modes()


# ---- operators that AOTAutograd would take apart ----


def preserved(has_row):
    """Keeps composite operators whole for which has_row(op); else they are spelled out."""
    try:
        from torch._export.utils import (
            _collect_all_valid_cia_ops,
            _special_op_to_preserve_cia,
        )
        from torch.export.exported_program import _override_composite_implicit_decomp
    except ImportError:
        return contextlib.nullcontext()
    kept = {op: _special_op_to_preserve_cia for op in _collect_all_valid_cia_ops()}
    return _override_composite_implicit_decomp(
        {o: f for o, f in kept.items() if has_row(o)}
    )


# ---- the partitioner ----


def keep_for_backward(node, like, value):
    """Marks a new node of a joint graph as one of the forward pass that is not recomputed.

    Without these marks the partitioner would decide, as it may: the operator is not on
    its list of those that may be computed again.
    """
    node.meta["val"] = value
    for key in ("stack_trace", "nn_module_stack"):
        if key in like.meta:
            node.meta[key] = like.meta[key]
    node.meta["partitioner_tag"] = "is_forward"
    try:
        from torch.utils.checkpoint import CheckpointPolicy

        node.meta["recompute"] = CheckpointPolicy.MUST_SAVE
    except ImportError:
        pass
