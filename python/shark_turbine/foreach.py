# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators on lists of tensors, spelled out as operators on each of them.

Optimizers use them (`torch._foreach_add`, ...): an optimizer step is compiled as one graph
of plain operators, which the compiler groups itself.
"""

import functools

import torch

_NAMES = {"maximum": "clamp_min", "minimum": "clamp_max"}  # with a number


def _each(schema):
    """Which arguments there is one of for each tensor, by name."""
    lists = {}
    for a in schema.arguments:
        kind = a.type
        if isinstance(kind, torch.OptionalType):
            kind = kind.getElementType()
        lists[a.name] = isinstance(kind, torch.ListType)
    return lists


def _power_sum(x, ord=2, dtype=None):
    return torch.sum(torch.abs(x) ** ord, dtype=dtype)


def _norm(x, ord=2, dtype=None):
    return torch.linalg.vector_norm(x, ord, dtype=dtype)


def _with_value(fn, x, a, b, value=1, scalars=None):
    """addcmul and addcdiv; the factor may be a tensor of rank 0."""
    value = value if scalars is None else scalars
    if isinstance(value, torch.Tensor):
        return x + value * (a * b if fn is torch.addcmul else a / b)
    return fn(x, a, b, value=value)


_SPECIAL = {
    "norm": _norm,
    "powsum": _power_sum,
    "copy": lambda x, src, non_blocking=False: torch.empty_like(x).copy_(src),
    "zero": torch.zeros_like,
    "max": torch.amax,
    "addcmul": functools.partial(_with_value, torch.addcmul),
    "addcdiv": functools.partial(_with_value, torch.addcdiv),
}


def _single(name, overload):
    """What is done with one tensor."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    if overload.startswith("Scalar"):
        name = _NAMES.get(name, name)
    return getattr(torch, name, None)


def _decomposition(op, one):
    schema = op._schema
    lists, names = _each(schema), [a.name for a in schema.arguments]

    def run(*args, **kwargs):
        given = {**dict(zip(names, args)), **kwargs}
        n = max(len(v) for k, v in given.items() if lists[k])
        ordered = names[: len(args)]
        return [
            one(
                *[given[k][i] if lists[k] else given[k] for k in ordered],
                **{k: v[i] if lists[k] else v for k, v in kwargs.items()},
            )
            for i in range(n)
        ]

    return run


def decompositions():
    """{operator: decomposition} of every functional `aten._foreach_*`."""
    table = {}
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::_foreach_")
        if namespace != "aten" or not name or name.endswith("_"):
            continue
        if "out" in schema.overload_name.lower():
            continue
        one = _single(name, schema.overload_name)
        if one is None:
            continue
        packet = getattr(torch.ops.aten, f"_foreach_{name}")
        op = getattr(packet, schema.overload_name or "default")
        table[op] = _decomposition(op, one)
    return table
