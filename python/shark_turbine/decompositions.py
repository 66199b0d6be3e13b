# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which operators PyTorch spells out before the compiler sees them.

The rule: an operator that the compiler has a row for stays whole; PyTorch's own
decompositions are used for the others, and those of spelled.py where it has none.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from . import _compiler, fast_path, foreach, spelled

_local = threading.local()


@functools.cache
def rows():
    """Names of the operators that the compiler has, as 'softmax.int'."""
    return frozenset(schema.partition("(")[0] for schema in _compiler.ops())


def has_row(op):
    schema = op._schema
    namespace, _, name = schema.name.partition("::")
    if namespace != "aten":
        name = f"{namespace}.{name}"
    return (
        f"{name}.{schema.overload_name}" if schema.overload_name else name
    ) in rows()


def _usable(op, fn):
    """torch._refs end in prims, which are no ATen operators."""
    is_ref = getattr(fn, "__module__", "").startswith("torch._refs")
    return isinstance(op, torch._ops.OpOverload) and not is_ref


def _of_torch(core):
    """torch's decompositions and its core ones, without operators that have rows."""
    from torch._decomp import decomposition_table

    table = {op: fn for op, fn in decomposition_table.items() if _usable(op, fn)}
    table.update(core.items())
    table.update(spelled.table())
    table.update(fast_path.decompositions())
    return _lacking(table)


def _lacking(table):
    """Without operators that have rows; but those that change an argument must go, row or
    not: programs are functional."""
    return {
        op: fn for op, fn in table.items() if op._schema.is_mutable or not has_row(op)
    }


@functools.cache
def _default():
    return {**_of_torch(torch.export.default_decompositions()), **_lists()}


@functools.cache
def _lists():
    return _lacking(foreach.decompositions())


@functools.cache
def _traced():
    try:
        from torch._decomp import _core_aten_decompositions_post_autograd as core
    except ImportError:
        return _default()
    return _of_torch(core())


def default_table():
    """{operator: decomposition} for what the compiler lacks; a copy."""
    return {**_default(), **spelled.late()}


def traced_table(lists=True):
    """The same for AOTAutograd, which itself takes composite operators apart: listing those
    takes longer than a small model's compilation, and so do operators on lists of tensors,
    which only optimizers use."""
    return {**_traced(), **(_lists() if lists else {}), **spelled.late()}


def current_aot_decompositions() -> dict[Any, Callable[..., Any]]:
    """The table that `aot.export` uses in this thread; a copy."""
    stack = getattr(_local, "stack", None)
    return dict(stack[-1]) if stack else default_table()


def _overloads(ops):
    for op in ops or ():
        if isinstance(op, torch._ops.OpOverloadPacket):
            for name in op.overloads():
                yield getattr(op, name)
        else:
            yield op


def _decomposition(op):
    from torch._decomp import decomposition_table

    if op in decomposition_table:
        return decomposition_table[op]
    table = torch.export.default_decompositions()
    return table[op] if op in table else None


@contextlib.contextmanager
def extend_aot_decompositions(
    *,
    from_current: bool = True,
    add_ops: Sequence[Any] | None = None,
    remove_ops: Sequence[Any] | None = None,
) -> Iterator[None]:
    """Adds operators to be decomposed, or removes some; a context manager or decorator."""
    table = current_aot_decompositions() if from_current else {}
    for op in _overloads(add_ops):
        fn = _decomposition(op)
        if fn is not None:
            table[op] = fn
    for op in _overloads(remove_ops):
        table.pop(op, None)
    stack = _local.__dict__.setdefault("stack", [])
    stack.append(table)
    try:
        yield table
    finally:
        stack.pop()
