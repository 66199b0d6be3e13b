# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles a graph as far as it goes; the rest runs in eager mode, or is refused.

What cannot be compiled shows in two ways: an operator without a row is seen at once; one
whose body does not know an argument is found when its part of the graph fails to compile:
then every node is lowered on its own, and those that fail join the others.
"""

import logging
import operator
import warnings

import torch

from . import shim
from .graph import compile_program, lower
from .partition import Partitioned, Segment, segments_of, submodule
from .rng import give_seeds
from .support import computed, describe, line_of, name_of, refusal, unsupported_nodes
from .views import WithViews, split_views

log = logging.getLogger(__name__)


def compile_module(module, options, constants=None, backward=False):
    """What runs a functional graph: `call(*args)` gives a tuple of its outputs, `boxed`
    takes a list of arguments, empties it, and gives a list. `constants` (position -> tensor)
    become part of the program where the graph is compiled as a whole."""
    try:
        give_seeds(module)
        with shim.real_tensors():
            inner, tail = split_views(module, backward)
            run = _compile_as_far_as_possible(inner, options, constants)
        return run if tail is None else WithViews(run, tail)
    except Exception as e:
        if options.fullgraph:
            raise
        warn_of_failure(module, e)
        return Partitioned(module, [Segment(False, computed(module))], None)


def _compile_as_far_as_possible(module, options, constants):
    lacking, reasons = set(unsupported_nodes(module)), {}
    if options.fullgraph and lacking:
        raise refusal(_all_lacking(module, lacking, reasons, options), reasons)
    while True:
        try:
            run = _compile(module, lacking, options, constants)
        except _Failed as e:
            found = _culprits(e.module, options, reasons)
            names = {n.name for n in found} or {n.name for n in computed(e.module)}
            if not found:
                log.warning("turbine_cpu: %s", e.why, exc_info=log.isEnabledFor(10))
            new = {n for n in computed(module) if n.name in names} - lacking
            if not new:  # what the graph takes or gives is to blame, no operator in it
                raise e.why from None
            lacking |= new
            reasons.update(
                {n: reasons.get(n.name) for n in lacking if n.name in reasons}
            )
            if options.fullgraph:
                if not found:
                    raise e.why from None
                raise refusal(_in_order(module, lacking), reasons) from None
            continue
        if lacking:
            run.left_to_eager = _rows(_in_order(module, lacking))
            warn_of(run.left_to_eager)
        return run


class _Failed(Exception):
    """A part of a graph that the compiler did not take."""

    def __init__(self, module, why):
        self.module, self.why = module, why


def _compile(module, lacking, options, constants):
    def compile_part(part, constants=None):
        try:
            return compile_program(part, options, constants)
        except Exception as e:
            raise _Failed(part, e) from e

    if not lacking:
        return compile_part(module, constants)
    return Partitioned(module, segments_of(module, lacking), compile_part)


# ---- who is to blame ----


def _why(node, error):
    """The first line of a message, without the place and name that are said elsewhere."""
    text = str(error).partition("\n")[0]
    return text.rpartition(f"{name_of(node)}: ")[2]


def _culprits(module, options, reasons):
    """The nodes that cannot be lowered on their own; why, by name, into `reasons`."""
    found = []
    for node in computed(module):
        if node.target is operator.getitem or node.op == "get_attr":
            continue
        if isinstance(node.meta.get("val"), (torch.SymBool, torch.SymFloat)):
            continue  # no value of a program
        parts = [u for u in node.users if u.target is operator.getitem]
        alone, _, given = submodule(module, [node, *parts])
        if not given:
            continue
        try:
            lower(alone, options)
        except Exception as e:
            reasons[node.name] = _why(node, e)
            found.append(node)
    return found


def _all_lacking(module, lacking, reasons, options):
    """What is seen at once and what only lowering shows, in the order of the graph."""
    lacking = set(lacking)
    for segment in segments_of(module, lacking):
        if not segment.compiled:
            continue
        part, _, _ = submodule(module, segment.nodes)
        try:
            lower(part, options)
        except Exception:
            names = {n.name for n in _culprits(part, options, reasons)}
            lacking |= {n for n in segment.nodes if n.name in names}
    reasons.update({n: reasons[n.name] for n in lacking if n.name in reasons})
    return _in_order(module, lacking)


def _in_order(module, lacking):
    return [n for n in module.graph.nodes if n in lacking]


# ---- warnings ----

_warned = set()


def warn_of_failure(module, error):
    """That a graph as a whole runs in eager mode."""
    log.debug("a graph cannot be compiled", exc_info=error)
    lines = [line_of(n) for n in module.graph.nodes if n.meta.get("stack_trace")]
    where = f" that begins at {lines[0]}" if lines else ""
    text = str(error).strip().partition("\n")[0]
    warnings.warn(
        f"turbine_cpu: a graph{where} runs in eager mode: {type(error).__name__}: {text}",
        stacklevel=2,
    )


def _rows(nodes):
    return [(name, line) for name, line, _, _ in describe(nodes)]


def warn_of(rows):
    """Once for each operator (name, line), with the line of its first use."""
    new = {name: line for name, line in reversed(rows) if name not in _warned}
    if not new:
        return
    _warned.update(new)
    listed = ", ".join(f"{name} ({line})" for name, line in reversed(new.items()))
    warnings.warn(
        f"turbine_cpu: not compiled, runs in eager mode: {listed}", stacklevel=2
    )
