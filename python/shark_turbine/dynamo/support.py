# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which nodes of a graph can be compiled, and what is said about those that cannot."""

import operator

import torch

from .. import _compiler, control_flow, scalars
from ..importer import DTYPES, Unsupported, op_name
from ..locations import location_of
from .rng import SEED, is_seeded

_SEEDED = torch.Tag.nondeterministic_seeded
# No rows of their own: the importer knows what they are.
_KNOWN = {
    "aten::sym_size",
    "aten::sym_numel",
    "aten::sym_stride",
    "aten::sym_storage_offset",
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
        and not value.is_nested
    )


def _without_dropout(node):
    """Attention may draw random numbers, but does not where the probability is 0."""
    for i, a in enumerate(node.target._schema.arguments):
        if a.name == "dropout_p":
            given = node.args[i] if i < len(node.args) else node.kwargs.get(a.name, 0.0)
            return given == 0.0
    return False


def _module_at(node):
    """The module that a get_attr node names; None if it names something else."""
    found = node.graph.owning_module
    for part in node.target.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, torch.fx.GraphModule) else None


def _bodies(node):
    """The graphs that a higher-order operator runs."""
    found = [_module_at(a) for a in node.all_input_nodes if a.op == "get_attr"]
    return [m for m in found if m is not None]


def _attribute_supported(node, value):
    """Tensors, and graphs that go with the operators that run them."""
    if isinstance(value, torch.Tensor):
        return True
    return _module_at(node) is not None and all(supported(u) for u in node.users)


def _only_of_sizes(node):
    """Whether a fact about sizes is computed only to be checked, or for other sizes: their
    expressions say it all."""
    for user in node.users:
        value = user.meta.get("val")
        if isinstance(user.target, torch._ops.OpOverload):
            if user.target._schema.name != "aten::_assert_scalar":
                return False
        elif isinstance(value, (torch.SymBool, torch.SymFloat)):
            if not _only_of_sizes(user):
                return False
        elif not isinstance(value, (torch.SymInt, int)):
            return False
    return True


def supported(node):
    """Whether a node may be part of a compiled graph, as far as that is seen at once."""
    target, value = node.target, node.meta.get("val")
    values = value if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(v, torch.Tensor) and not _compilable_tensor(v) for v in values):
        return False
    if isinstance(value, (torch.SymFloat, torch.SymBool)):
        return scalars.supported(node) or _only_of_sizes(node)
    if node.op == "get_attr":
        return _attribute_supported(node, value)
    if isinstance(target, torch._ops.HigherOrderOperator):
        if control_flow.name_of(target) == "with_effects":
            return control_flow.has_known_effect(node)
        return control_flow.name_of(target) in control_flow.SUPPORTED and all(
            supported(n) for body in _bodies(node) for n in computed(body)
        )
    if target is operator.getitem or isinstance(value, (torch.SymInt, int)):
        return True
    if target is SEED or is_seeded(target):
        return True
    if not isinstance(target, torch._ops.OpOverload):
        return False
    if _SEEDED in target.tags and not _without_dropout(node):
        return False  # torch's generator gives the numbers
    if target._schema.name in _KNOWN:
        return True
    return _compiler.lookup(op_name(target)) is not None


def computed(module):
    """The nodes of a graph that compute something."""
    return [n for n in module.graph.nodes if n.op not in ("placeholder", "output")]


def unsupported_nodes(module):
    return [n for n in computed(module) if not supported(n)]


# ---- saying so ----


def name_of(node):
    """'aten.foo'; submodules that an operator runs are named after it."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        return op_name(target)
    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"torch.ops.higher_order.{target._name}"
    return getattr(target, "__name__", None) or str(target)


def line_of(node):
    where = location_of(node)
    if where and where[0]:
        return f"{where[0]}:{where[1]}"
    return f"in module {where[3]}" if where else "line unknown"


def describe(nodes, reasons=None):
    """[(operator, first line, uses, why or None)], one row for each operator and reason."""
    rows = {}
    for node in nodes:
        if node.op == "get_attr":
            continue  # part of the operator that takes it
        why = (reasons or {}).get(node)
        row = rows.setdefault((name_of(node), why), [line_of(node), 0])
        row[1] += 1
    return [(name, line, uses, why) for (name, why), (line, uses) in rows.items()]


def refusal(nodes, reasons=None):
    """The error that names every operator of `nodes` with its Python line."""
    lines = []
    for name, line, uses, why in describe(nodes, reasons):
        many = f" ({uses} uses)" if uses > 1 else ""
        lines.append(f"{line}: {name}{many}{': ' + why if why else ''}")
    head = "an operator cannot" if len(lines) == 1 else f"{len(lines)} operators cannot"
    return Unsupported(f"turbine_cpu: {head} be compiled:\n  " + "\n  ".join(lines))
