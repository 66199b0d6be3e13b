# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Graphs of which a part cannot be compiled: runs of nodes that can, eager mode between."""

import operator

import torch

from .support import computed, supported, unsupported_nodes


class Segment:
    """Nodes that go the same way, in an order in which they can be computed."""

    def __init__(self, compiled, nodes):
        self.compiled, self.nodes = compiled, nodes


def _changes_something(node):
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _in_place(nodes, lacking):
    """Runs of nodes in the order they stand in."""
    segments = []
    for node in nodes:
        compiled = node not in lacking
        if not segments or segments[-1].compiled != compiled:
            segments.append(Segment(compiled, []))
        segments[-1].nodes.append(node)
    return segments


def _getitems_first(nodes):
    """Parts of a tuple are taken where the tuple is made: no tuple is passed on."""
    ordered = []
    for n in nodes:
        if n.target is not operator.getitem:
            ordered.append(n)
            ordered += [u for u in n.users if u.target is operator.getitem]
        elif n.args[0].op == "placeholder":
            ordered.append(n)
    return ordered


def segments_of(module, lacking):
    """As few segments as there can be: each takes all that is ready.

    What runs in eager mode keeps its order, for it may have effects that do not show.
    """
    nodes = _getitems_first(computed(module))
    lacking = set(lacking)
    lacking |= {
        n for n in nodes if n.target is operator.getitem and n.args[0] in lacking
    }
    if any(_changes_something(n) for n in nodes):
        return _in_place(nodes, lacking)
    done = {n for n in module.graph.nodes if n.op == "placeholder"}
    waiting = {True: [], False: []}
    for n in nodes:
        waiting[n not in lacking].append(n)
    segments, compiled = [], True
    while waiting[True] or waiting[False]:
        taken, left = [], []
        for i, n in enumerate(waiting[compiled]):
            if all(a in done for a in n.all_input_nodes):
                taken.append(n)
                done.add(n)
            elif compiled:
                left.append(n)
            else:
                left = waiting[compiled][i:]
                break
        waiting[compiled] = left
        if taken:
            segments.append(Segment(compiled, taken))
        compiled = not compiled
    return segments


def _leaves(node, inside):
    """Whether a node's value is needed outside."""
    outside = [u for u in node.users if u not in inside]
    return any(u.op == "output" or node.op != "get_attr" for u in outside)


def submodule(module, nodes):
    """A graph of these nodes; with the outer nodes it takes and gives.

    What get_attr nodes name is copied to where it is used: it may be a graph, which no
    program can hand over."""
    inside = set(nodes)
    taken, graph, copy = [], torch.fx.Graph(), {}
    for node in nodes:
        for a in node.all_input_nodes:
            if a not in inside and a not in copy:
                if a.op == "get_attr":
                    copy[a] = graph.node_copy(a)
                    continue
                copy[a] = graph.placeholder(a.name)
                copy[a].meta = dict(a.meta)
                taken.append(a)
    for node in nodes:
        copy[node] = graph.node_copy(node, lambda a: copy[a])
    given = [n for n in nodes if _leaves(n, inside)]
    given = [n for n in given if not isinstance(n.meta.get("val"), (tuple, list))]
    graph.output([copy[n] for n in given])
    return torch.fx.GraphModule(module, graph), taken, given


class Eager:
    """A graph that torch's operators run. Pickles as its Python code."""

    def __init__(self, module):
        self.module = module
        self.call = module.forward

    def __getstate__(self):
        return {"module": self.module}

    def __setstate__(self, state):
        self.__init__(state["module"])


class Partitioned:
    """Runs the segments of a graph one after the other.

    Values live in numbered slots: arguments first. A step is (part, slots it takes, slots
    it gives, slots that are not needed after it); `outputs` are (slot, None) or
    (None, object).
    """

    left_to_eager = ()  # (operator, line), for a warning

    def __init__(self, module, segments, compile_segment):
        nodes = [n for n in module.graph.nodes if n.op == "placeholder"]
        slots = {n: i for i, n in enumerate(nodes)}
        self.arguments = len(nodes)
        self.steps = []
        for segment in segments:
            sub, taken, given = submodule(module, segment.nodes)
            if all(n.op == "get_attr" for n in segment.nodes) and not given:
                continue  # copied to where they are used
            part = compile_segment(sub) if segment.compiled else Eager(sub)
            slots.update({n: len(slots) + i for i, n in enumerate(given)})
            self.steps.append(
                (part, [slots[n] for n in taken], [slots[n] for n in given])
            )
        self.n_slots = len(slots)
        output = next(n for n in module.graph.nodes if n.op == "output").args[0]
        many = isinstance(output, (tuple, list))
        self.outputs = [
            (slots[o], None) if isinstance(o, torch.fx.Node) else (None, o)
            for o in (output if many else [output])
        ]
        self._free_early()

    def _free_early(self):
        """Adds to each step the slots that nothing after it needs."""
        seen = {slot for slot, _ in self.outputs}
        for i, (part, taken, given) in reversed(list(enumerate(self.steps))):
            dead = sorted({*taken, *given} - seen)
            self.steps[i] = (part, taken, given, dead)
            seen.update(taken)

    def call(self, *args):
        return tuple(self.boxed(list(args)))

    def boxed(self, args):
        values = [*args, *[None] * (self.n_slots - self.arguments)]
        args.clear()
        for part, taken, given, dead in self.steps:
            results = part.call(*[values[i] for i in taken])
            for i, value in zip(given, results, strict=True):
                values[i] = value
            del results
            for i in dead:
                values[i] = None
        return [known if slot is None else values[slot] for slot, known in self.outputs]


__all__ = ["Partitioned", "segments_of", "submodule", "supported", "unsupported_nodes"]
