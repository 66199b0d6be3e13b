# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random numbers: every operator that draws gets a seed, drawn once for each call.

The graph of a call draws one number from torch's default generator, `turbine::seed`; what
were random operators become functions of it: `turbine_seeded::native_dropout(seed, 3, ...)`
is the third draw. So numbers repeat after `torch.manual_seed`, a call that is computed
again (torch.utils.checkpoint, values the partitioner recomputes) draws the same ones, and
the seed is all that the backward pass needs to know. The numbers are not eager mode's.

The operators exist for eager mode too, where a part of a graph cannot be compiled.
"""

import functools

import torch

from .. import _compiler
from ..importer import op_name
from . import shim

_DRAWS = torch.Tag.nondeterministic_seeded
_definitions = torch.library.Library("turbine", "DEF")
_seeded = torch.library.Library("turbine_seeded", "DEF")
_definitions.define("seed() -> Tensor", tags=(_DRAWS,))


def draw_seed():
    """A number from torch's default generator, as an int64 tensor of rank 0."""
    return torch.empty((), dtype=torch.int64).random_()


_definitions.impl("seed", draw_seed, "CompositeExplicitAutograd")
SEED = torch.ops.turbine.seed.default


def is_seeded(target):
    return (
        isinstance(target, torch._ops.OpOverload)
        and target.namespace == "turbine_seeded"
    )


def _eager(original):
    """The same numbers for the same seed, in eager mode."""

    def run(seed, number, *args, **kwargs):
        state = torch.default_generator.get_state()
        try:
            mixed = (int(seed) * 0x9E3779B97F4A7C15 + number) % 2**63
            torch.default_generator.manual_seed(mixed)
            return original(*args, **kwargs)
        finally:
            torch.default_generator.set_state(state)

    return run


@functools.cache
def seeded(original):
    """The operator that draws from a seed as `original` does from torch's generator."""
    name, _, signature = str(original._schema).partition("(")
    name = name.partition("::")[2]
    _seeded.define(f"{name}(Tensor seed, int number, {signature}".replace(", )", ")"))
    _seeded.impl(name, _eager(original), "CompositeExplicitAutograd")
    packet = getattr(torch.ops.turbine_seeded, original._schema.name.partition("::")[2])
    return getattr(packet, original._schema.overload_name or "default")


def _generator(node):
    for i, a in enumerate(node.target._schema.arguments):
        if "Generator" in str(a.type):
            return node.args[i] if i < len(node.args) else node.kwargs.get(a.name)
    return None


def _draws(node):
    target = node.target
    return (
        isinstance(target, torch._ops.OpOverload)
        and _DRAWS in target.tags
        and target is not SEED
        and not target._schema.is_mutable
        and _generator(node) is None
        and _compiler.lookup(op_name(target)) is not None
    )


def give_seeds(module):
    """Replaces what draws from torch's generator and that we have a row for; in place."""
    graph = module.graph
    nodes = [n for n in graph.nodes if n.op == "call_function" and _draws(n)]
    if not nodes:
        return
    first = next(n for n in graph.nodes if n.op != "placeholder")
    with graph.inserting_before(first):
        seed = graph.call_function(SEED)
    shim.keep_for_backward(seed, nodes[0], fake_seed(nodes[0]))
    for number, node in enumerate(nodes):
        with graph.inserting_before(node):
            other = graph.call_function(
                seeded(node.target), (seed, number, *node.args), node.kwargs
            )
        other.meta = node.meta.copy()
        node.replace_all_uses_with(other)
        graph.erase_node(node)
    module.recompile()


def fake_seed(node):
    """The type of a seed in the world of fake tensors that `node` lives in."""
    value = node.meta["val"]
    value = value[0] if isinstance(value, (tuple, list)) else value
    with value.fake_mode:
        return torch.empty((), dtype=torch.int64)
