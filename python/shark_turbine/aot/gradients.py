# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs that differentiate: torch.func.grad, autograd.grad, loss.backward() inside.

torch.export records composite operators whole, from above autograd; a backward pass then
asks for values that were never recorded. So a module whose forward differentiates is
traced once more, below autograd, into a flat graph of ATen operators, and it is that
graph which torch.export captures. Parameters and buffers are inputs of the graph, so what
the module writes to them is found as for any other module. Sizes that are open stay open:
both traces work on the same symbols.
"""

import concurrent.futures
import contextlib
import inspect
import sys
import threading

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._guards import detect_fake_mode
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.stateless import _reparametrize_module
from torch.utils import _pytree as pytree


class Differentiates(Exception):
    """Raised through torch.export where a module begins to differentiate."""


@contextlib.contextmanager
def watching():
    """Raises Differentiates where this thread asks autograd for gradients."""
    run, thread = torch.autograd._engine_run_backward, threading.get_ident()

    def stop(*args, **kwargs):
        if threading.get_ident() == thread and not _inside_torch():
            raise Differentiates
        return run(*args, **kwargs)

    torch.autograd._engine_run_backward = stop
    try:
        yield
    finally:
        torch.autograd._engine_run_backward = run


def _inside_torch():
    """Whether an operator of PyTorch differentiates for its own purposes: scan does, to
    know its backward graph."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("torch._higher_order_ops"):
            return True
        frame = frame.f_back
    return False


def traced(module):
    """A module with the same state, whose forward runs the trace of the given one's.

    A tensor that has several names in the given one has its first here: torch.export
    knows no others for tensors that change.
    """
    shadow = torch.nn.Module()
    for name, p in module.named_parameters():
        _owner(shadow, name).register_parameter(name.rpartition(".")[2], p)
    for name, b in module.named_buffers():
        _owner(shadow, name).register_buffer(name.rpartition(".")[2], b)
    shadow.forward = lambda *args, **kwargs: _run(module, shadow, args, kwargs)
    shadow.forward.__signature__ = inspect.signature(module.forward)
    return shadow


def _owner(module, name):
    """The submodule that a qualified name belongs to, made if it is not there."""
    for part in name.split(".")[:-1]:
        if part not in module._modules:
            module.add_module(part, torch.nn.Module())
        module = module._modules[part]
    return module


def _run(module, shadow, args, kwargs):
    state = {**dict(shadow.named_parameters()), **dict(shadow.named_buffers())}
    leaves, spec = pytree.tree_flatten((args, kwargs))
    places = [i for i, x in enumerate(leaves) if isinstance(x, torch.Tensor)]
    tensors = [*state.values(), *(leaves[i] for i in places)]
    mode = detect_fake_mode(tensors)
    results = None

    def run(*standins):
        nonlocal results
        values = list(leaves)
        for i, t in zip(places, standins[len(state) :]):
            values[i] = t
        args, kwargs = pytree.tree_unflatten(values, spec)
        with (
            _reparametrize_module(module, dict(zip(state, standins)), tie_weights=True),
            torch.enable_grad(),
        ):
            flat, results = pytree.tree_flatten(module(*args, **kwargs))
        return [x.detach() if isinstance(x, torch.Tensor) else x for x in flat]

    graph = _elsewhere(lambda: _trace(run, tensors, mode))
    with (
        fx_traceback.preserve_node_meta()
    ):  # where in the user's Python nodes come from
        flat = torch.fx.Interpreter(graph).run(*tensors)
    return pytree.tree_unflatten(flat, results)


def _trace(run, tensors, mode):
    with mode, enable_python_dispatcher():
        standins = [_standin(t) for t in tensors]
        return make_fx(run, tracing_mode="symbolic", record_stack_traces=True)(
            *standins
        )


def _standin(t):
    """A tensor of the same type that nothing has been recorded about."""
    new = torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device=t.device)
    return new.requires_grad_(t.requires_grad)


def _elsewhere(fn):
    """Runs fn in a thread of its own: what captures the module is bound to this one."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(fn).result()
