# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Views that leave a graph.

Outputs that are views of an argument or of another output are made by torch: they share
memory in eager mode, and AOTAutograd builds what the user gets from their strides and
offsets. A copy of the values would cost time and lose both.

What is saved for a backward pass is saved before it is viewed: there views are arithmetic
on indices.
"""

import operator

import torch

from .partition import Eager

aten = torch.ops.aten


def is_view(node):
    """A view; also a list of them (split), and one of such a list."""
    target = node.target
    if node.op != "call_function":
        return False
    if target is operator.getitem:
        return is_view(node.args[0])
    return (
        isinstance(target, torch._ops.OpOverload)
        and target.namespace == "aten"
        and target.is_view
        and all(isinstance(t, torch.Tensor) for t in _tensors(node))
    )


def _tensors(node):
    value = node.meta.get("val")
    return value if isinstance(value, (list, tuple)) else (value,)


def _fixed_view(node):
    """A view with no open sizes among its arguments."""
    return is_view(node) and len(node.all_input_nodes) == 1


def save_bases(forward, backward, n_returned):
    """Replaces saved views by what they are views of; in place."""
    output = next(n for n in forward.graph.nodes if n.op == "output")
    saved = output.args[0][n_returned:]
    places = {n.name: n for n in backward.graph.nodes if n.op == "placeholder"}
    changed = list(output.args[0])
    for i, node in enumerate(saved):
        place = places.get(getattr(node, "name", None))
        chain = []
        if place is None or node.meta.get("saved_tensor_with_no_vc_check"):
            continue  # AOTAutograd counts these
        while _fixed_view(node):
            chain.append(node)
            node = node.args[0]
        if chain and isinstance(node.meta.get("val"), torch.Tensor):
            changed[n_returned + i] = node
            _view_again(place, node, chain)
    output.args = (tuple(changed),)
    for module in (forward, backward):
        module.graph.eliminate_dead_code()
        module.recompile()


def _view_again(place, base, chain):
    """In the backward graph: `place` becomes the base, the views follow it."""
    graph, users = place.graph, list(place.users)
    place.meta = {**place.meta, "val": base.meta["val"]}
    place.meta.pop("tensor_meta", None)
    last = next(n for n in graph.nodes if n.op != "placeholder")
    now = place
    with graph.inserting_before(last):
        for view in reversed(chain):
            now = graph.node_copy(view, lambda n, now=now: now)
    for user in users:
        user.replace_input_with(place, now)


def _is_size(node):
    value = node.meta.get("val")
    return node.op == "call_function" and isinstance(value, (torch.SymInt, int))


class _Finder:
    """Which nodes of a graph torch computes after the program has run."""

    def __init__(self, outputs):
        self.outputs = outputs  # that may be viewed
        self.known = {}

    def base(self, node):
        """What a chain of views begins with."""
        while is_view(node):
            node = node.args[0]
        return node

    def available(self, node, depth=0):
        """Whether a node can be computed from arguments and outputs of the program."""
        if node.op == "placeholder" or depth > 50:
            return node.op == "placeholder"
        if node not in self.known:
            kept = node in self.outputs and not is_view(node)
            self.known[node] = (
                kept
                or (is_view(node) and self._all_available(node, depth))
                or _is_size(node)  # the program can tell it
            )
        return self.known[node]

    def _all_available(self, node, depth=0):
        return all(self.available(a, depth + 1) for a in node.all_input_nodes)

    def is_told(self, node):
        """A number that torch cannot compute from what it has: of a tensor that the
        program does not give, or read from one."""
        return (
            _is_size(node)
            and node not in self.outputs
            and not (
                node.target is not aten._local_scalar_dense.default
                and self._all_available(node)
            )
        )


def split_views(module, backward=False):
    """(module without such outputs, function or None).

    The function takes the arguments and the outputs of the reduced module, and gives all
    outputs. In a backward graph outputs are not viewed: gradients must not overlap.
    """
    output = next(n for n in module.graph.nodes if n.op == "output")
    outs = output.args[0]
    nodes = {n for n in outs if isinstance(n, torch.fx.Node)}
    if not any(is_view(n) for n in nodes):
        return module, None
    finder = _Finder(() if backward else nodes)
    viewed = {n for n in nodes if is_view(n) and finder.available(n)}
    if not viewed:
        return module, None
    kept = [o for o in outs if o not in viewed]
    checks = _checks(module, _needed(viewed, finder.is_told))
    wanted = [*viewed, *checks]
    kept += [n for n in _needed(wanted, finder.is_told) if finder.is_told(n)]
    return _without(module, kept, checks), Tail(module, outs, kept, viewed, wanted)


def _checks(module, made):
    """Assertions about the sizes of views that torch makes: the program has none of them."""

    def about(node):
        return any(
            is_view(a) and a in made or a.op == "call_function" and about(a)
            for a in node.all_input_nodes
            if is_view(a)
            or not isinstance(a.meta.get("val"), (torch.Tensor, list, tuple))
        )

    asserts = aten._assert_scalar.default
    return {n for n in module.graph.nodes if n.target is asserts and about(n)}


def _without(module, kept, checks):
    graph, copy = torch.fx.Graph(), {}
    for node in module.graph.nodes:
        if node in checks:
            continue
        if node.op == "output":
            graph.output([copy[o] if isinstance(o, torch.fx.Node) else o for o in kept])
        else:
            copy[node] = graph.node_copy(node, lambda n: copy[n])
    for node in reversed(list(graph.nodes)):
        if node.op != "placeholder" and not node.users and not node.is_impure():
            graph.erase_node(node)
    return torch.fx.GraphModule(module, graph)


class Tail:
    """Makes the views; called as tail(args, results)."""

    def __init__(self, module, outs, kept, viewed, wanted):
        places = [n for n in module.graph.nodes if n.op == "placeholder"]
        graph, copy = torch.fx.Graph(), {}
        nodes = {n for n in kept if isinstance(n, torch.fx.Node)}
        needed = _needed(wanted, nodes.__contains__)
        self.given = []  # (from the results, index)
        for n in needed:
            if n.op == "placeholder":
                self.given.append((False, places.index(n)))
            elif n in kept:
                self.given.append((True, kept.index(n)))
            else:
                copy[n] = graph.node_copy(n, lambda a: copy[a])
                continue
            copy[n] = graph.placeholder(n.name)
        order = [n for n in module.graph.nodes if n in viewed]
        graph.output([copy[n] for n in order])
        self.part = Eager(torch.fx.GraphModule(module, graph))
        at = {n: i for i, n in enumerate(order)}
        # which list each output is in, and where
        self.sources = [
            (True, at[o]) if o in viewed else (False, kept.index(o)) for o in outs
        ]

    def __call__(self, args, results):
        views = self.part.call(*[(results if r else args)[i] for r, i in self.given])
        return [(views if v else results)[i] for v, i in self.sources]


class WithViews:
    """What runs a graph without its views, then they."""

    def __init__(self, inner, tail):
        self.inner, self.tail = inner, tail
        self.left_to_eager = getattr(inner, "left_to_eager", ())

    def call(self, *args):
        return tuple(self.tail(args, self.inner.call(*args)))

    def boxed(self, args):
        taken = tuple(args)
        return self.tail(taken, self.inner.boxed(args))


def _needed(viewed, kept):
    """The nodes that the views are made of, in order; `kept(node)` where to stop."""
    seen, ordered = set(), []

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        if node.op != "placeholder" and not kept(node):
            for a in node.all_input_nodes:
                visit(a)
        ordered.append(node)

    for node in viewed:
        visit(node)
    given = [n for n in ordered if n.op == "placeholder" or kept(n)]
    return given + [n for n in ordered if n.op != "placeholder" and not kept(n)]
