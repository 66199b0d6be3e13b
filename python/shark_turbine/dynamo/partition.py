# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs of which a part cannot be compiled: runs of nodes that can, eager mode between."""

import operator

import torch

from .. import _compiler
from ..importer import DTYPES, op_name
from ..locations import location_of

_SEEDED = torch.Tag.nondeterministic_seeded
# No rows of their own: the importer knows what they are.
_KNOWN = {
    "aten::sym_size",
    "aten::sym_numel",
    "aten::sym_stride",
    "aten::sym_constrain_range",
    "aten::sym_constrain_range_for_size",
    "aten::_assert_scalar",
    "aten::_assert_tensor_metadata",
    "aten::_assert_async",
}


def _compilable_tensor(value):
    return (
        value.device.type == "cpu"
        and value.layout is torch.strided
        and value.dtype in DTYPES
        and not value.is_quantized
    )


def _without_dropout(node):
    """Attention may draw random numbers, but does not where the probability is 0."""
    for i, a in enumerate(node.target._schema.arguments):
        if a.name == "dropout_p":
            given = node.args[i] if i < len(node.args) else node.kwargs.get(a.name, 0.0)
            return given == 0.0
    return False


def supported(node):
    """Whether a node may be part of a compiled graph."""
    target, value = node.target, node.meta.get("val")
    values = value if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(v, torch.Tensor) and not _compilable_tensor(v) for v in values):
        return False
    if isinstance(value, (torch.SymFloat, torch.SymBool)):
        return False
    if node.op == "get_attr":
        return isinstance(value, torch.Tensor)
    if target is operator.getitem or isinstance(value, (torch.SymInt, int)):
        return True
    if not isinstance(target, torch._ops.OpOverload):
        return False
    if _SEEDED in target.tags and not _without_dropout(node):
        return False  # torch's generator gives the numbers
    if target._schema.name in _KNOWN:
        return True
    return _compiler.lookup(op_name(target)) is not None


def describe(node):
    """('aten.foo', 'file.py:12')"""
    target = node.target
    name = op_name(target) if isinstance(target, torch._ops.OpOverload) else str(target)
    where = location_of(node)
    if where and where[0]:
        return name, f"{where[0]}:{where[1]}"
    return name, f"in module {where[3]}" if where else "line unknown"


class Segment:
    """Nodes that follow each other and go the same way."""

    def __init__(self, compiled):
        self.compiled = compiled
        self.nodes = []


def _segments(module):
    segments = []
    for node in module.graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        if node.target is operator.getitem:  # stands behind what makes the tuple
            segments[-1].nodes.append(node)
            continue
        ok = supported(node)
        if not segments or segments[-1].compiled != ok:
            segments.append(Segment(ok))
        segments[-1].nodes.append(node)
    return segments


def unsupported_nodes(module):
    return [
        n
        for n in module.graph.nodes
        if n.op not in ("placeholder", "output") and not supported(n)
    ]


def _submodule(module, nodes):
    """A graph of these nodes; with the outer nodes it takes and gives."""
    inside = set(nodes)
    taken, graph, copy = [], torch.fx.Graph(), {}
    for node in nodes:
        for a in node.all_input_nodes:
            if a not in inside and a not in copy:
                copy[a] = graph.placeholder(a.name)
                copy[a].meta = dict(a.meta)
                taken.append(a)
    for node in nodes:
        copy[node] = graph.node_copy(node, lambda a: copy[a])
    given = [n for n in nodes if any(u not in inside for u in n.users)]
    given = [n for n in given if not isinstance(n.meta.get("val"), (tuple, list))]
    graph.output([copy[n] for n in given])
    return torch.fx.GraphModule(module, graph), taken, given


def _move_getitems(nodes):
    """Parts of a tuple are taken where the tuple is made, so that no tuple is passed on."""
    for node in nodes:
        if isinstance(node.meta.get("val"), (tuple, list)):
            for user in sorted(node.users):
                if user.target is operator.getitem:
                    node.append(user)


class Partitioned:
    """Runs the segments of a graph one after the other."""

    def __init__(self, module, compile_segment):
        graph = module.graph
        _move_getitems(list(graph.nodes))
        self.module = module
        self.places = [n for n in graph.nodes if n.op == "placeholder"]
        self.output = next(n for n in graph.nodes if n.op == "output").args[0]
        order = {n: i for i, n in enumerate(graph.nodes)}
        last_use = {n: max((order[u] for u in n.users), default=-1) for n in graph.nodes}
        self.steps = []
        for segment in _segments(module):
            sub, taken, given = _submodule(module, segment.nodes)
            fn = compile_segment(sub) if segment.compiled else sub.forward
            end = order[segment.nodes[-1]]
            dead = [n for n in [*taken, *given] if last_use[n] <= end]
            self.steps.append((fn, taken, given, dead))

    def __call__(self, *args):
        values = dict(zip(self.places, args, strict=True))
        for fn, taken, given, dead in self.steps:
            results = fn(*[values[n] for n in taken])
            values.update(zip(given, results, strict=True))
            for n in dead:
                values.pop(n, None)
        return torch.fx.node.map_arg(self.output, lambda n: values[n])
