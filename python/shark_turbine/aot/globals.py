# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State of a CompiledModule: tensors that its functions share and may change."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .abstract import AbstractScalar, AbstractTensor

DEFAULT_SCOPE = "model"  # of external tensors, as IREE's


@dataclasses.dataclass
class GlobalAttributes:
    """How globals are declared: `mutable`: functions may assign them; `external`: their
    (initial) values are parameters of the loaded program, found under `external_scope` and
    the name that `name_mapper` makes of "attribute.path"; `uninitialized`: they start as
    zeros, and the values they were given are not stored."""

    mutable: bool = False
    external: bool | None = None
    external_scope: str | None = None
    name_mapper: Callable[[str], str | None] | None = None
    uninitialized: bool | None = None
    noinline: bool = False  # accepted: nothing is inlined here

    def __post_init__(self):
        if self.uninitialized and not self.mutable:
            raise ValueError("uninitialized globals have to be mutable")
        if self.uninitialized and self.external:
            raise ValueError("a global is either external or uninitialized")

    def external_name(self, full_name: str) -> tuple[str, str]:
        """(scope, name) among the parameters."""
        mapped = self.name_mapper(full_name) if self.name_mapper else None
        scope = DEFAULT_SCOPE if self.external_scope is None else self.external_scope
        return scope, full_name if mapped is None else mapped


class GlobalsDef:
    """A tree of tensors, exported under the name of the class attribute it is given to.

    `leaves` maps paths ("", "layer.weight") to tensors; `module` is the nn.Module they
    belong to, if any: its own code then sees the globals. `zeros` are the paths whose
    values start as zeros and need not be stored.
    """

    def __init__(self, leaves, attributes, spec=None, module=None, zeros=(), name=None):
        self.leaves, self.spec, self.module = leaves, spec, module
        self.attributes = attributes
        self.zeros = set(leaves) if attributes.uninitialized else set(zeros)
        self.name = name

    @property
    def mutable(self):
        return self.attributes.mutable

    def items(self):
        """(name, tensor) of every leaf."""
        return self.leaves.items()

    @property
    def schema(self):
        """The same tree of abstract types."""
        return self.assemble({k: _abstract(v) for k, v in self.leaves.items()})

    def shown(self, attribute, path):
        """What a leaf is called in the artifact."""
        path = path or self.name
        return f"{attribute}.{path}" if path else attribute

    def external_name(self, attribute, path):
        """(scope, name) of a leaf among the parameters; None if it is not external."""
        if not self.attributes.external:
            return None
        return self.attributes.external_name(
            f"{attribute}.{path or self.name or 'global'}"
        )

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


def _initial(value):
    """(tensor, whether it stands for zeros)"""
    if isinstance(value, AbstractTensor):
        if any(d is None for d in value.size):
            raise ValueError("a global has sizes that are known")
        return torch.zeros(value.size, dtype=value.dtype), True
    if isinstance(value, AbstractScalar):
        return torch.zeros((), dtype=value.dtype), True
    if isinstance(value, torch.Tensor):
        return value, False
    if isinstance(value, (bool, int, float)):
        return torch.tensor(value), False
    raise TypeError(f"expected a tensor or an abstract type, found {value!r}")


def _attributes(attrs, mutable, external, external_scope, name_mapper, uninitialized):
    if attrs is not None:
        return attrs
    return GlobalAttributes(
        bool(mutable), external, external_scope, name_mapper, uninitialized
    )


def export_global(
    value: Any,
    *,
    name: str | None = None,
    mutable: bool | None = None,
    external: bool | None = None,
    external_scope: str | None = None,
    name_mapper: Callable[[str], str | None] | None = None,
    uninitialized: bool | None = None,
    attrs: GlobalAttributes | None = None,
) -> GlobalsDef:
    """One tensor (or an abstract type: zeros) as a global; see GlobalAttributes."""
    attributes = _attributes(
        attrs, mutable, external, external_scope, name_mapper, uninitialized
    )
    tensor, is_zero = _initial(value)
    spec = pytree.tree_flatten(tensor)[1]
    zeros = [""] if is_zero else ()
    return GlobalsDef({"": tensor}, attributes, spec, zeros=zeros, name=name)


def export_global_tree(
    tree: Any,
    *,
    mutable: bool | None = None,
    external: bool | None = None,
    external_scope: str | None = None,
    name_mapper: Callable[[str], str | None] | None = None,
    uninitialized: bool | None = None,
    attrs: GlobalAttributes | None = None,
) -> GlobalsDef:
    """A tree of tensors as globals; see GlobalAttributes."""
    attributes = _attributes(
        attrs, mutable, external, external_scope, name_mapper, uninitialized
    )
    pairs, spec = pytree.tree_flatten_with_path(tree)
    leaves, zeros = {}, []
    for keys, value in pairs:
        path = ".".join(_key(k) for k in keys)
        leaves[path], is_zero = _initial(value)
        if is_zero:
            zeros.append(path)
    return GlobalsDef(leaves, attributes, spec, zeros=zeros)


def _key(entry):
    for attribute in ("key", "idx", "name"):
        if hasattr(entry, attribute):
            return str(getattr(entry, attribute))
    return str(entry)


def export_parameters(
    module: torch.nn.Module,
    *,
    mutable: bool | None = None,
    external: bool | None = None,
    external_scope: str | None = None,
    name_mapper: Callable[[str], str | None] | None = None,
    uninitialized: bool | None = None,
    attrs: GlobalAttributes | None = None,
) -> GlobalsDef:
    """A module's parameters as globals, by their qualified names; see GlobalAttributes."""
    attributes = _attributes(
        attrs, mutable, external, external_scope, name_mapper, uninitialized
    )
    return GlobalsDef(dict(module.named_parameters()), attributes, module=module)


def export_buffers(
    module: torch.nn.Module,
    *,
    mutable: bool | None = None,
    external: bool | None = None,
    external_scope: str | None = None,
    name_mapper: Callable[[str], str | None] | None = None,
    uninitialized: bool | None = None,
    attrs: GlobalAttributes | None = None,
) -> GlobalsDef:
    """A module's buffers as globals, by their qualified names; see GlobalAttributes."""
    attributes = _attributes(
        attrs, mutable, external, external_scope, name_mapper, uninitialized
    )
    return GlobalsDef(dict(module.named_buffers()), attributes, module=module)
