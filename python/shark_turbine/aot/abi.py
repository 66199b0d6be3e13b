# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the arguments and results of a program are called, and how they nest.

A compiled function takes and gives a flat list of tensors. Its attribute "turbine.abi"
is JSON that says how these make up what the Python function takes and gives, so that the
runtime accepts keyword arguments and nested lists and dicts, and can give results back in
the form the module returned them:

    {"a": [["x", TREE], ...], "r": TREE}

    TREE = n                        the n-th tensor
         | null                     None
         | ["list", TREE ...]
         | ["tuple", TREE ...]
         | ["dict", [key, TREE] ...]
         | ["constant", value]      a number or text that capture made part of the program

IREE's own key for this, "iree.abi", is not used: IREE's runtime takes arguments that are
named there by keyword only.
"""

import json

ATTRIBUTE = "turbine.abi"


class Signature:
    """The arguments of one captured program: names of its leaves and how they nest.

    `spec` is the tree of ((positional ...), {keyword: ...}); `values` are its leaves: a
    ConstantArgument's value where `is_tensor` says False.
    """

    def __init__(self, spec, values, is_tensor, names=None):
        positional, keyword = _children(spec)
        keys = [*range(positional.num_children), *(keyword.context or ())]
        if not names or len(names) != len(keys):
            names = [f"arg{k}" if isinstance(k, int) else k for k in keys]
        self._leaves = iter(list(zip(values, is_tensor)))
        self._count = 0
        self.leaf_names = []  # dotted path of every leaf, constants included
        specs = [*_children(positional), *_children(keyword)]
        self.arguments = [[n, self._walk(s, n)] for n, s in zip(names, specs)]

    def _walk(self, spec, path):
        if spec.is_leaf():
            return self._leaf(path)
        kind, keys = _kind(spec)
        parts = [self._walk(c, f"{path}.{k}") for k, c in zip(keys, _children(spec))]
        return _assemble(kind, keys, parts)

    def _leaf(self, path):
        self.leaf_names.append(path)
        value, is_tensor = next(self._leaves)
        if is_tensor:
            self._count += 1
            return self._count - 1
        return None if value is None else ["constant", _plain(value)]


def result_tree(spec, is_none):
    """TREE of a program's results; `is_none` says of every leaf whether it is None."""
    leaves, count = iter(is_none), iter(range(len(is_none)))

    def walk(spec):
        if spec.is_leaf():
            return None if next(leaves) else next(count)
        kind, keys = _kind(spec)
        return _assemble(kind, keys, [walk(c) for c in _children(spec)])

    return walk(spec)


def result_names(spec):
    """Dotted path of every leaf of the results; "" for a single one."""
    names = []

    def walk(spec, path):
        if spec.is_leaf():
            names.append(".".join(path))
            return
        for key, child in zip(_kind(spec)[1], _children(spec)):
            walk(child, [*path, str(key)])

    walk(spec, [])
    return names


def text(arguments, results):
    """The attribute's value."""
    return json.dumps({"a": arguments, "r": results}, separators=(",", ":"))


def _assemble(kind, keys, parts):
    if kind == "dict":
        return ["dict", *([_plain(k), p] for k, p in zip(keys, parts))]
    return [kind, *parts]


def _children(spec):
    """Children of a TreeSpec; older PyTorch has them as a list."""
    children = getattr(spec, "children", None)
    return children() if callable(children) else spec.children_specs


def _kind(spec):
    """("list", "tuple" or "dict", keys of the children) of an inner node.

    Dataclasses, named tuples and the output classes of model libraries say the names of
    their fields in the context they register; they come back as dicts.
    """
    n = spec.num_children
    if spec.type in (list, tuple):
        return spec.type.__name__, range(n)
    if spec.type is dict:
        return "dict", spec.context
    context = getattr(spec.context, "_fields", spec.context)  # a named tuple's class
    context = context if isinstance(context, (list, tuple)) else ()
    for keys in (context, *context):
        if isinstance(keys, (list, tuple)) and len(keys) == n:
            if all(isinstance(k, str) for k in keys):
                return "dict", list(keys)
    return "tuple", range(n)


def _plain(value):
    """JSON has numbers, texts and truth values; the rest shows as its text."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)
