# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Types of the arguments of a CompiledModule's functions."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import Dim
from torch.utils import _pytree as pytree

# What stands for a size that is not known while a function is captured.
_ANY = 5


class AbstractTensor:
    """A tensor of these sizes (None: any) and element type."""

    def __init__(self, *size: Any, dtype: torch.dtype = torch.float32) -> None:
        if len(size) == 1 and isinstance(size[0], (tuple, list, torch.Size)):
            size = tuple(size[0])
        self.size = tuple(None if d is None else int(d) for d in size)
        self.dtype = dtype

    def example(self) -> torch.Tensor:
        sizes = [_ANY if d is None else d for d in self.size]
        return torch.zeros(sizes, dtype=self.dtype)

    def dynamic_shape(self) -> dict[int, Any]:
        return {i: Dim.DYNAMIC for i, d in enumerate(self.size) if d is None}

    def __repr__(self):
        return f"AbstractTensor({', '.join(map(str, self.size))}, dtype={self.dtype})"


class AbstractScalar:
    """A number: a tensor of rank 0."""

    def __init__(self, name: str, dtype: torch.dtype) -> None:
        self.name, self.dtype = name, dtype

    def example(self) -> torch.Tensor:
        return torch.zeros((), dtype=self.dtype)

    def dynamic_shape(self) -> dict[int, Any]:
        return {}

    def __repr__(self):
        return self.name


AbstractIndex = AbstractScalar("AbstractIndex", torch.int64)
AbstractI32 = AbstractScalar("AbstractI32", torch.int32)
AbstractI64 = AbstractScalar("AbstractI64", torch.int64)
AbstractF32 = AbstractScalar("AbstractF32", torch.float32)
AbstractF64 = AbstractScalar("AbstractF64", torch.float64)
AbstractBool = AbstractScalar("AbstractBool", torch.bool)

ABSTRACT = (AbstractTensor, AbstractScalar)


def abstractify(tree: Any) -> Any:
    """The tree with abstract types for tensors; for globals, the types of what they hold."""
    from .globals import GlobalsDef

    if isinstance(tree, GlobalsDef):
        return tree.schema

    def leaf(value):
        if isinstance(value, torch.Tensor):
            return AbstractTensor(*value.shape, dtype=value.dtype)
        if isinstance(value, GlobalsDef):
            return value.schema
        return value

    return pytree.tree_map(leaf, tree, is_leaf=lambda x: isinstance(x, GlobalsDef))


def is_abstract(tree):
    """Whether all leaves are abstract types."""
    leaves = pytree.tree_leaves(tree)
    return bool(leaves) and all(isinstance(x, ABSTRACT) for x in leaves)


def examples(tree):
    return pytree.tree_map(lambda t: t.example(), tree)


def dynamic_shapes(tree):
    """What torch.export wants to know about the sizes; None if all are constant."""
    return pytree.tree_map(lambda t: t.dynamic_shape() or None, tree)


class DynamicDim:
    """A size of a function's argument, to say constraints of: `x.dynamic_dim(0) < 16`."""

    def __init__(self, tensor, axis):
        self.tensor, self.axis = tensor, axis

    def _relation(self, op, other):
        if not isinstance(other, (int, DynamicDim)):
            return NotImplemented
        return Constraint(op, self, other)

    def __lt__(self, other):
        return self._relation(operator.lt, other)

    def __le__(self, other):
        return self._relation(operator.le, other)

    def __gt__(self, other):
        return self._relation(operator.gt, other)

    def __ge__(self, other):
        return self._relation(operator.ge, other)

    def __eq__(self, other):
        return self._relation(operator.eq, other)

    __hash__ = None  # type: ignore[assignment]


class Constraint:
    """What must hold of sizes; a call for which it does not is refused."""

    def __init__(self, op, left, right):
        self.op, self.left, self.right = op, left, right

    def require(self):
        torch._check(self.op(_size(self.left), _size(self.right)))


def _size(x):
    return x.tensor.shape[x.axis] if isinstance(x, DynamicDim) else x
