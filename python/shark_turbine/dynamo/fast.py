# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The short way from TorchDynamo to the program.

What AOTAutograd wraps around a compiled graph handles everything a graph may do to its
arguments and takes longer than a small model. Where a graph does nothing of that kind, and
all of it is one program, TorchDynamo calls the program's built-in function itself, or a
torch.autograd.Function whose forward it is. Everything unusual goes the long way.
"""

import torch

from .program import Program

_transforms_active = torch._C._are_functorch_transforms_active


def shorten(slow, wrapped, n_arguments, marks=True):
    """What TorchDynamo shall call: `slow`, AOTAutograd's function, or something faster;
    without `marks` on results of open sizes."""
    if len(wrapped) != 1 or not wrapped[0].is_plain(marks):
        return slow
    return (_training if wrapped[0].joint else _inference)(
        slow, wrapped[0], n_arguments
    )


def _program(compiled, n_arguments=None):
    """The program behind what AOTAutograd calls, if there is nothing but a program."""
    while hasattr(compiled, "__wrapped__"):
        compiled = compiled.__wrapped__
    run = getattr(compiled, "run", None)
    if not isinstance(run, Program) or n_arguments not in (None, run.plan.arguments):
        return None
    return run


def _inference(slow, wrapped, n_arguments):
    program = _program(wrapped.inner, n_arguments)
    return program.call if program is not None else slow


def _training(slow, wrapped, n_arguments):
    function, returns = wrapped.function, wrapped.returns()
    if function is None or returns is None or not torch.is_grad_enabled():
        return slow
    program = _program(getattr(function, "compiled_fw", None), n_arguments)
    if program is None or program.artifact is None or program.plan.raises():
        return slow
    returned, symints, others, wanted = returns
    outputs = program.plan.outputs
    saved = len(outputs) - returned - symints
    tensors = ("result", "same", "input")
    if saved < 0 or any(kind not in tensors for kind, *_ in outputs[:returned]):
        return slow
    forward = program.bind(saving=(returned, saved, tuple(others)))
    apply = _function(function, forward, tuple(wanted)).apply_directly

    def run(*args):
        return slow(*args) if _transforms_active() else apply(*args)

    return run


def _function(original, forward_, wanted):
    """AOTAutograd's function with a short way through both passes."""
    direct = None  # of the compiled backward graph, once there is one

    class TurbineFunction(original):
        forward = staticmethod(forward_)

        @staticmethod
        def backward(ctx, *grads):
            nonlocal direct
            if direct is None or torch.is_grad_enabled():
                result = original.backward(ctx, *grads)
                program = _program(original.compiled_bw)
                direct = program.boxed if program is not None else None
                return result
            given = grads[0] if grads and isinstance(grads[0], list) else grads
            args = [*ctx.symints, *ctx.saved_tensors, *[given[i] for i in wanted]]
            ctx.maybe_clear_saved_tensors()
            return tuple(direct(args))

    backward = TurbineFunction._backward_cls
    backward.symints = backward.opaque_objects = backward._tensors_no_vc_check = ()
    # Function.apply looks for transforms of functorch and at signatures before it does this
    TurbineFunction.apply_directly = super(
        torch.autograd.Function, TurbineFunction
    ).apply
    return TurbineFunction
