# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Numbers that a program computes: read from tensors, and what Python makes of them.

Integers and booleans become symbols, as sizes are. Floats are what Python has: f64, here
tensors of rank 0, with the same operators in the same order.
"""

import operator

import torch

from .locations import location_of

_REAL = {
    operator.add: "aten.add.Tensor",
    operator.sub: "aten.sub.Tensor",
    operator.mul: "aten.mul.Tensor",
    operator.truediv: "aten.div.Tensor",
    operator.pow: "aten.pow.Tensor_Tensor",
    operator.neg: "aten.neg",
    operator.abs: "aten.abs",
    torch.sym_float: "aten.clone",
}
_READ = ("aten::_local_scalar_dense", "aten::item")


def is_read(node):
    """Whether the node reads a number from a tensor."""
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and target._schema.name in _READ


def supported(node):
    """Whether a node that gives a float or a bool can be compiled."""
    return is_read(node) or (
        isinstance(node.meta.get("val"), torch.SymFloat) and node.target in _REAL
    )


def read(importer, node, value):
    """A number out of a tensor."""
    x = importer.values[node.args[0]]
    if isinstance(value, torch.SymFloat):
        return _as_real(importer, x)
    expression = getattr(getattr(value, "node", None), "expr", None)
    if isinstance(value, torch.SymBool) and len(expression.free_symbols) == 1:
        (symbol,) = expression.free_symbols  # Eq(u0, 1)
        _define(importer, x, symbol, 0, 1, node)
        return value
    if expression is None or not expression.is_Symbol:
        return value  # known by now
    return _define(importer, x, expression, *importer.symbols.ranges(expression), node)


def _define(importer, x, symbol, low, high, node):
    x = _of_rank_0(importer, x)
    dim = importer.function.item(x, str(symbol), low, high, location_of(node))
    importer.symbols.dims[symbol] = dim
    return dim


def real(importer, node):
    """Arithmetic whose result is a float; None if a part of it is not known."""
    sides = [_operand(importer, a) for a in node.args]
    if node.kwargs or any(s is None for s in sides):
        return None
    return importer.function.call(_REAL[node.target], sides, [("f64", [])])[0]


# ---- sizes that were computed with floats, or chosen by a condition ----

ROUNDINGS = {
    "TruncToInt": "aten.trunc",
    "FloorToInt": "aten.floor",
    "CeilToInt": "aten.ceil",
}
_EXPRESSIONS = {
    "IntTrueDiv": "aten.div.Tensor",
    "FloatTrueDiv": "aten.div.Tensor",
    "Mul": "aten.mul.Tensor",
    "Add": "aten.add.Tensor",
}


def rounded(importer, e):
    """A float (sympy) rounded, as an i64 tensor of rank 0."""
    call = importer.function.call
    x = _real_of(importer, e.args[0])
    x = call(ROUNDINGS[type(e).__name__], [x], [("f64", [])])[0]
    return call("aten.to.dtype", [x, 4], [("i64", [])])[0]


def condition(importer, e):
    """A relation between sizes (sympy) as an i64 tensor of rank 0: 0 or 1."""
    from .control_flow import comparison

    x = comparison(importer, e, None)
    return importer.function.call("aten.to.dtype", [x, 4], [("i64", [])])[0]


def _real_of(importer, e):
    """The f64 that Python has for an expression, by the same operations."""
    if e.is_number:
        return _number(importer, e)
    name = type(e).__name__
    if name == "ToFloat" or e.is_integer:
        size = e.args[0] if name == "ToFloat" else e
        value = importer.function.dim_value(importer.symbols.expression(size))
        return _as_real(importer, value)
    if name not in _EXPRESSIONS or len(e.args) != 2:  # more: in which order?
        raise NotImplementedError(f"sizes that depend on {e} are not supported")
    sides = [_real_of(importer, a) for a in e.args]
    return importer.function.call(_EXPRESSIONS[name], sides, [("f64", [])])[0]


def _operand(importer, a):
    a = importer.lookup(a)
    if isinstance(a, torch.SymFloat):
        return None
    if isinstance(a, (int, float)):
        return _number(importer, a)
    return _as_real(importer, importer.value_of(a))


def _number(importer, a):
    return importer.constant(torch.tensor(float(a), dtype=torch.float64))


def _of_rank_0(importer, x):
    if not list(x.dims):
        return x
    return importer.function.call("aten.view", [x, []], [(x.dtype, [])])[0]


def _as_real(importer, x):
    x = _of_rank_0(importer, x)
    if x.dtype == "f64":
        return x
    return importer.function.call("aten.to.dtype", [x, 7], [("f64", [])])[0]
