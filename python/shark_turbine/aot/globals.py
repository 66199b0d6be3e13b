# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State of a CompiledModule: tensors that its functions share and may change."""

import torch
from torch.utils import _pytree as pytree

from .abstract import AbstractScalar, AbstractTensor


class GlobalsDef:
    """A tree of tensors, exported under the name of the class attribute it is given to.

    `leaves` maps paths ("", "layer.weight") to tensors; `module` is the nn.Module they
    belong to, if any: its own code then sees the globals.
    """

    def __init__(
        self, leaves, spec=None, module=None, *, mutable=False, name_mapper=None
    ):
        self.leaves, self.spec, self.module = leaves, spec, module
        self.mutable = bool(mutable)
        self.name_mapper = name_mapper

    def items(self):
        """(name, tensor) of every leaf."""
        return self.leaves.items()

    @property
    def schema(self):
        """The same tree of abstract types."""
        return self.assemble({k: _abstract(v) for k, v in self.leaves.items()})

    def assemble(self, values):
        """Values by path, as the tree the class attribute shows."""
        if self.spec is None:
            return dict(values)
        return pytree.tree_unflatten([values[k] for k in self.leaves], self.spec)

    def flatten(self, tree):
        """A tree to store, as values by path; a part of a dict of parameters is allowed."""
        if self.spec is None:
            if not isinstance(tree, dict):
                raise TypeError(f"expected a dict of tensors by name, found {tree!r}")
            for name in tree:
                if name not in self.leaves:
                    raise KeyError(f"there is no '{name}' among the exported tensors")
            return dict(tree)
        values, spec = pytree.tree_flatten(tree)
        if spec != self.spec:
            raise ValueError(f"expected a tree of the form {self.spec}, found {spec}")
        return dict(zip(self.leaves, values))


def _abstract(tensor):
    return AbstractTensor(*tensor.shape, dtype=tensor.dtype)


def _initial(value, uninitialized):
    if isinstance(value, AbstractTensor):
        if any(d is None for d in value.size):
            raise ValueError("a global has sizes that are known")
        return torch.zeros(value.size, dtype=value.dtype)
    if isinstance(value, AbstractScalar):
        return torch.zeros((), dtype=value.dtype)
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        return torch.tensor(value)
    raise TypeError(f"expected a tensor or an abstract type, found {value!r}")


def _check(mutable, external, uninitialized):
    if external:
        raise NotImplementedError("external globals are not supported yet")
    if uninitialized and not mutable:
        raise ValueError("uninitialized globals have to be mutable")


def export_global(
    value,
    *,
    name=None,
    mutable=None,
    external=None,
    external_scope=None,
    name_mapper=None,
    uninitialized=None,
    attrs=None,
):
    """One tensor (or an abstract type: zeros) as a global."""
    del name, external_scope, attrs
    _check(mutable, external, uninitialized)
    tensor = _initial(value, uninitialized)
    spec = pytree.tree_flatten(tensor)[1]
    return GlobalsDef({"": tensor}, spec, mutable=mutable, name_mapper=name_mapper)


def export_global_tree(
    tree,
    *,
    mutable=None,
    external=None,
    external_scope=None,
    name_mapper=None,
    uninitialized=None,
    attrs=None,
):
    """A tree of tensors as globals."""
    del external_scope, attrs
    _check(mutable, external, uninitialized)
    pairs, spec = pytree.tree_flatten_with_path(tree)
    leaves = {
        ".".join(_key(k) for k in path): _initial(value, uninitialized)
        for path, value in pairs
    }
    return GlobalsDef(leaves, spec, mutable=mutable, name_mapper=name_mapper)


def _key(entry):
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def export_parameters(
    module,
    *,
    mutable=None,
    external=None,
    external_scope=None,
    name_mapper=None,
    uninitialized=None,
    attrs=None,
):
    """A module's parameters as globals, by their qualified names."""
    del external_scope, attrs
    _check(mutable, external, uninitialized)
    leaves = dict(module.named_parameters())
    return GlobalsDef(leaves, module=module, mutable=mutable, name_mapper=name_mapper)


def export_buffers(
    module,
    *,
    mutable=None,
    external=None,
    external_scope=None,
    name_mapper=None,
    uninitialized=None,
    attrs=None,
):
    """A module's buffers as globals, by their qualified names."""
    del external_scope, attrs
    _check(mutable, external, uninitialized)
    leaves = dict(module.named_buffers())
    return GlobalsDef(leaves, module=module, mutable=mutable, name_mapper=name_mapper)
