# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Branches and loops: PyTorch's higher-order operators as control nodes.

`cond` and `while_loop` are nodes of their own; `scan` and `map` are loops over the first
axis. Regions that only set a mode, and calls of sub-graphs, are put in line.

https://docs.pytorch.org/docs/stable/higher_order_ops/index.html
"""

import sympy
import torch

from . import _compiler
from .importer import SCALAR_TYPES, TORCH_DTYPES, FunctionImporter, Unsupported
from .locations import location_of

_IN_LINE = {  # name: number of the argument that is the graph; what follows are operands
    "wrap_with_set_grad_enabled": 1,
    "wrap_with_autocast": 4,
    "tag_activation_checkpoint": 0,
    "wrap": 0,
}
_RELATIONS = {
    sympy.Gt: "aten.gt.Tensor",
    sympy.Ge: "aten.ge.Tensor",
    sympy.Lt: "aten.lt.Tensor",
    sympy.Le: "aten.le.Tensor",
    sympy.Eq: "aten.eq.Tensor",
    sympy.Ne: "aten.ne.Tensor",
}
SUPPORTED = {
    *_IN_LINE,
    "invoke_subgraph",
    "cond",
    "while_loop",
    "scan",
    "map_impl",
    "with_effects",
}
# What `with_effects` orders: checks, which a program makes in order anyway.
EFFECTS = {"aten::_linalg_check_errors"}


def name_of(target):
    return target._name if hasattr(target, "_name") else str(target)


def import_node(importer, node):
    """Adds the FX node of a higher-order operator; returns its value or values."""
    name = name_of(node.target)
    if name in _IN_LINE:
        at = _IN_LINE[name]
        return _in_line(importer, node.args[at], node.args[at + 1 :])
    if name == "invoke_subgraph":  # subgraph, identifier, *operands
        return _in_line(importer, node.args[0], node.args[2:])
    if name not in SUPPORTED:
        raise Unsupported(f"torch.ops.higher_order.{name} is not supported", node)
    known = {
        "cond": _cond,
        "while_loop": _while_loop,
        "scan": _scan,
        "map_impl": _map,
        "with_effects": _with_effects,
    }
    return known[name](importer, node)


def has_known_effect(node):
    """Whether a `with_effects` node does nothing but what is in EFFECTS."""
    target = node.args[1]
    return getattr(target, "_schema", None) is not None and (
        target._schema.name in EFFECTS
    )


def is_token(node):
    """Whether an argument only says what comes before what. A caller may give None."""
    return bool(node.users) and all(
        isinstance(u.target, torch._ops.HigherOrderOperator)
        and name_of(u.target) == "with_effects"
        and u.args[0] is node
        for u in node.users
    )


def _with_effects(importer, node):
    """(token, operator, *arguments): gives the token, then the operator's results."""
    if not has_known_effect(node):
        raise Unsupported(f"with_effects({node.args[1]}) is not supported", node)
    token, _, info, name = node.args
    is_matrix = node.kwargs["is_matrix"]
    importer.check_errors(importer.lookup(info), name, is_matrix, node)
    return [importer.lookup(token), None]


def _in_line(importer, body, operands):
    out = _run(importer, importer.values[body], _operands(importer, operands))
    if isinstance(out, (tuple, list)):
        return _operands(importer, out)
    return importer.lookup(out)


def _run(importer, module, arguments):
    """Imports a graph in place; returns what its output node names."""
    places = [n for n in module.graph.nodes if n.op == "placeholder"]
    for place, argument in zip(places, arguments, strict=True):
        importer.values[place] = argument
    return importer.run(module)


def _operands(importer, arguments):
    return [importer.lookup(a) for a in arguments]


# ---- graphs inside ----


class _Inner:
    """A graph that a control node runs: its inputs are all the operands of the node."""

    def __init__(self, outer, operands):
        self.function = outer.function.graph()
        self.importer = FunctionImporter(self.function, outer.symbols)
        self.inputs = [self.function.input("", dtype, dims) for dtype, dims in operands]

    def run(self, module, arguments):
        """Results as Values; numbers become tensors of rank 0."""
        out = _run(self.importer, module, arguments)
        out = out if isinstance(out, (tuple, list)) else [out]
        return [self.importer.value_of(o) for o in out]

    def give(self, values):
        for v in values:
            self.function.output(v)


def _is_tensor(v):
    return isinstance(v, _compiler.Value)


def _tensors(operands):
    """Operands that are tensors, in order; numbers and sizes are known inside as well."""
    return [v for v in operands if _is_tensor(v)]


def _type(v):
    return v.dtype, list(v.dims)


def _spread(operands, inputs):
    """The operands with tensors replaced by the graph's inputs."""
    at = iter(inputs)
    return [next(at) if _is_tensor(v) else v for v in operands]


def _result_types(importer, node):
    values = node.meta["val"]
    values = values if isinstance(values, (tuple, list)) else [values]
    types = []
    for v in values:
        if isinstance(v, torch.Tensor):
            types.append(importer.type_of(v))
        elif isinstance(v, (int, torch.SymInt)):
            types.append(("i64", []))
        else:
            raise Unsupported(f"a result of type {type(v).__name__}", node)
    return types


def _numbers(importer, node, results):
    """Integers among the results become symbols."""
    values = node.meta["val"]
    values = values if isinstance(values, (tuple, list)) else [values]
    return [
        _symbol(importer, importer.function, r, v, node)
        if isinstance(v, torch.SymInt)
        else r
        for r, v in zip(results, values, strict=True)
    ]


def _symbol(importer, function, tensor, value, node):
    """The integer in a tensor of rank 0, as what `value` (a SymInt) names."""
    expression = value.node.expr
    if not expression.is_Symbol:
        return value
    low, high = importer.symbols.ranges(expression)
    dim = function.item(tensor, str(expression), low, high, location_of(node))
    importer.symbols.dims[expression] = dim
    return dim


# ---- cond ----


def _condition(importer, pred, node):
    """A bool tensor of rank 0 from a tensor, a bool or a comparison of sizes."""
    value = importer.lookup(pred)
    f = importer.function
    if _is_tensor(value):
        if list(value.dims):
            value = f.call("aten.view", [value, []], [(value.dtype, [])])[0]
        return value if value.dtype == "i1" else _call(f, "aten.ne.Scalar", [value, 0])
    if isinstance(value, bool):
        return importer.number(value)
    expression = value.node.expr if isinstance(value, torch.SymBool) else value
    return comparison(importer, expression, node)


def _call(function, op, args):
    return function.call(op, args, [("i1", [])])[0]


def comparison(importer, e, node):
    """A relation between sizes (sympy) as a bool tensor of rank 0."""
    f = importer.function
    if e in (sympy.true, sympy.false):
        return importer.number(bool(e))
    if isinstance(e, sympy.Not):
        return _call(f, "aten.logical_not", [comparison(importer, e.args[0], node)])
    if isinstance(e, (sympy.And, sympy.Or)):
        op = "aten.logical_and" if isinstance(e, sympy.And) else "aten.logical_or"
        result = comparison(importer, e.args[0], node)
        for a in e.args[1:]:
            result = _call(f, op, [result, comparison(importer, a, node)])
        return result
    for kind, op in _RELATIONS.items():
        if isinstance(e, kind):
            sides = [f.dim_value(importer.symbols.expression(a)) for a in e.args]
            return _call(f, op, sides)
    raise Unsupported(f"a condition that is {e}", node)


def _cond(importer, node):
    pred, then, otherwise, arguments = node.args
    operands = _operands(importer, arguments)
    tensors = _tensors(operands)
    graphs = []
    for body in (then, otherwise):
        inner = _Inner(importer, [_type(v) for v in tensors])
        inner.give(inner.run(importer.values[body], _spread(operands, inner.inputs)))
        graphs.append(inner.function)
    return _numbers(
        importer,
        node,
        importer.function.control(
            "cond",
            [_condition(importer, pred, node), *tensors],
            graphs,
            _result_types(importer, node),
            location_of(node),
        ),
    )


# ---- loops ----


class _Loop:
    """A loop over `carried` values; `kept` ones are seen inside but do not change."""

    def __init__(self, importer, node, carried, kept):
        self.importer, self.node = importer, node
        self.carried, self.kept = carried, kept
        self.graphs = []

    def graph(self, write):
        """A graph of the loop: `write(inner, carried, kept)` gives its results."""
        operands = [_type(v) for v in [*self.carried, *self.kept]]
        inner = _Inner(self.importer, operands)
        n = len(self.carried)
        inner.give(write(inner, inner.inputs[:n], inner.inputs[n:]))
        self.graphs.append(inner)
        return inner

    def run(self):
        body = self.graphs[1]
        body.give(body.inputs[len(self.carried) :])
        operands = [*self.carried, *self.kept]
        return self.importer.function.control(
            "while",
            operands,
            [g.function for g in self.graphs],
            [_type(v) for v in operands],
            location_of(self.node),
        )[: len(self.carried)]


def _while_loop(importer, node):
    condition, body, carried, more = (*node.args, ())[:4]
    condition, body = importer.values[condition], importer.values[body]
    values = _operands(importer, carried)
    more = _operands(importer, more)
    # Numbers that change in the loop travel as tensors of rank 0.
    start = [v if _is_tensor(v) else importer.value_of(v) for v in values]
    loop = _Loop(importer, node, start, _tensors(more))

    def write(module):
        places = [n for n in module.graph.nodes if n.op == "placeholder"]

        def arguments(inner, now, kept):
            given = []
            for place, v, outside in zip(places, now, values):
                symbol = place.meta.get("val")
                if not _is_tensor(outside) and isinstance(symbol, torch.SymInt):
                    v = _symbol(inner.importer, inner.function, v, symbol, node)
                given.append(v)
            return inner.run(module, [*given, *_spread(more, kept)])

        return arguments

    def scalar(inner, now, kept):
        results = write(condition)(inner, now, kept)
        return [_condition(inner.importer, results[0], node)]

    loop.graph(scalar)
    loop.graph(write(body))
    return _numbers(importer, node, loop.run())


def _scan(importer, node):
    combine, init, xs, more = node.args
    return _over_first_axis(importer, node, combine, init, xs, more)


def _map(importer, node):
    body, xs, more = node.args
    return _over_first_axis(importer, node, body, [], xs, more)


def _over_first_axis(importer, node, body, init, xs, more):
    """carry, y = body(carry, x[i], more) for every i; gives the last carry and all y."""
    f, module = importer.function, importer.values[body]
    carry, xs, more = (_operands(importer, a) for a in (init, xs, more))
    n = xs[0].dims[0]
    stacked = _result_types(importer, node)[len(carry) :]
    start = [
        f.dim_value(0),
        *carry,
        *(_zeros(f, dtype, dims) for dtype, dims in stacked),
    ]
    loop = _Loop(importer, node, start, [*xs, *_tensors(more)])

    def condition(inner, now, kept):
        return [
            _call(
                inner.function, "aten.lt.Tensor", [now[0], inner.function.dim_value(n)]
            )
        ]

    def step(inner, now, kept):
        g = inner.function
        i, old, ys = now[0], now[1 : 1 + len(carry)], now[1 + len(carry) :]
        rows = [_row(g, x, i) for x in kept[: len(xs)]]
        results = inner.run(module, [*old, *rows, *_spread(more, kept[len(xs) :])])
        following = g.call("aten.add.Scalar", [i, 1], [("i64", [])])[0]
        out = results[len(carry) :]
        return [
            following,
            *results[: len(carry)],
            *(_put(g, y, i, v) for y, v in zip(ys, out, strict=True)),
        ]

    loop.graph(condition)
    loop.graph(step)
    return loop.run()[1:]


def _zeros(f, dtype, dims):
    number = SCALAR_TYPES[TORCH_DTYPES[dtype]]
    return f.call("aten.zeros", [dims, number], [(dtype, dims)])[0]


def _index(f, i):
    return f.call("aten.view", [i, [1]], [("i64", [1])])[0]


def _row(f, x, i):
    """x[i] with i a tensor of rank 0."""
    dims = list(x.dims)[1:]
    one = f.call("aten.index_select", [x, 0, _index(f, i)], [(x.dtype, [1, *dims])])[0]
    return f.call("aten.view", [one, dims], [(x.dtype, dims)])[0]


def _put(f, y, i, v):
    """y with row i replaced."""
    dims = list(y.dims)
    row = f.call("aten.unsqueeze", [v, 0], [(y.dtype, [1, *dims[1:]])])[0]
    return f.call("aten.index_copy", [y, 0, _index(f, i), row], [(y.dtype, dims)])[0]
