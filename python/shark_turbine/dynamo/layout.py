# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How tensors lie in memory. Programs know row-major only: a tensor that is dense in another
order of its axes goes in and out as its permutation, which costs nothing."""

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true


def _hint(x):
    return x.node.hint if isinstance(x, torch.SymInt) else x


def _axes(value):
    """Axes from the slowest to the fastest; None if strides do not tell."""
    strides = [_hint(s) for s in value.stride()]
    if any(s is None or s == 0 for s in strides):
        return None
    return tuple(sorted(range(value.dim()), key=lambda i: -strides[i]))


def is_dense(value, axes):
    """Whether the elements fill their memory in this order of the axes."""
    expected = 1
    for i in reversed(axes):
        size, stride = value.shape[i], value.stride()[i]
        if statically_known_true(size == 1):
            continue
        if not statically_known_true(stride == expected):
            return False
        expected = expected * size
    return True


def is_row_major(value):
    return is_dense(value, range(value.dim()))


def output_order(value):
    """The order of axes that a result shall have in memory; None for row-major."""
    if not isinstance(value, torch.Tensor) or is_row_major(value):
        return None
    axes = _axes(value)
    return None if axes == tuple(range(value.dim())) else axes


def input_order(value):
    """The order in which an argument is dense; None if that is row-major, or none is."""
    order = output_order(value)
    return order if order is not None and is_dense(value, order) else None


def inverse(order):
    back = [0] * len(order)
    for i, axis in enumerate(order):
        back[axis] = i
    return back
