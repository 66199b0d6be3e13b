# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Nested Python values as flat lists of tensors, and back.

A tree is a number (the n-th tensor), None, ["constant", value], ["list", tree ...],
["tuple", tree ...] or ["dict", [key, tree] ...].
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .array_interop import DeviceArray

Tree = Any  # a number, None or a list; see above
_CONTAINERS = (list, tuple, dict, type(None))


class Structure:
    """How one function's tensors make up its Python arguments and results."""

    def __init__(
        self,
        name: str,
        arguments: list[tuple[str, Tree]],
        results: Tree,
        *,
        keep_results: bool = False,
    ) -> None:
        self.name = name
        self.arguments = arguments  # [(name, tree)]
        self.result_tree = results
        self.keep_results = keep_results  # as IREE: nested results are what comes back
        self.n_inputs = sum(_count(tree) for _, tree in arguments)
        trees = [tree for _, tree in arguments]
        self.has_flat_arguments = trees == list(range(len(trees)))
        self.has_plain_results = _is_plain(results)

    @classmethod
    def of(
        cls, name: str, reflection: dict[str, str], input_names: Sequence[str]
    ) -> Structure:
        """From a function's attributes; without any, arguments are flat."""
        ours, iree = reflection.get("turbine.abi"), reflection.get("iree.abi")
        if ours is not None:
            abi = _parse(name, ours)
            return cls(name, [tuple(a) for a in abi["a"]], abi["r"])
        if iree is not None:
            abi = _parse(name, iree)
            return cls(name, *_from_iree(abi), keep_results=True)
        return cls(name, [(n, i) for i, n in enumerate(input_names)], None)

    # ---- arguments ----

    def flatten(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        """The tensors of a call, in the function's order."""
        flat = not kwargs and len(args) == self.n_inputs
        if flat and not any(isinstance(a, _CONTAINERS) for a in args):
            return args
        out: list[Any] = [None] * self.n_inputs
        for (name, tree), value in zip(self.arguments, self._bind(args, kwargs)):
            self._place(tree, value, name, out)
        return out

    def _bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """One value for every argument of the Python function."""
        if kwargs and not any(name for name, _ in self.arguments):
            raise ValueError("kwargs not supported for dynamic dispatch functions")
        if len(args) > len(self.arguments):
            raise ValueError(
                f"{self.name}: expected {len(self.arguments)} arguments "
                f"({self.n_inputs} tensors), found {len(args)}"
            )
        rest = self.arguments[len(args) :]
        unknown = [k for k in kwargs if k not in [name for name, _ in rest]]
        if unknown:
            names = ", ".join(name for name, _ in self.arguments)
            raise ValueError(
                f"{self.name}: unexpected argument '{unknown[0]}'; expected {names}"
            )
        return [*args, *(self._keyword(name, tree, kwargs) for name, tree in rest)]

    def _keyword(self, name: str, tree: Tree, kwargs: dict[str, Any]) -> Any:
        if name in kwargs:
            return kwargs[name]
        if _count(tree):
            raise ValueError(f"{self.name}: argument '{name}' is missing")
        return _constants(tree)

    def _place(self, tree: Tree, value: Any, path: str, out: list[Any]) -> None:
        if isinstance(tree, int):
            out[tree] = value
        elif tree is None or tree[0] == "constant":
            self._constant(tree and tree[1], value, path)
        elif tree[0] == "dict":
            keys = [k for k, _ in tree[1:]]
            value = _as_dict(value)
            if value is None or set(value) != set(keys):
                raise self._mismatch(path, f"a dict with the keys {keys}", value)
            for key, part in tree[1:]:
                self._place(part, value[key], f"{path}.{key}", out)
        else:
            if not isinstance(value, (list, tuple)) or len(value) != len(tree) - 1:
                raise self._mismatch(path, f"a {tree[0]} of {len(tree) - 1}", value)
            for i, (part, v) in enumerate(zip(tree[1:], value)):
                self._place(part, v, f"{path}.{i}", out)

    def _constant(self, known: Any, value: Any, path: str) -> None:
        if value is None and known is None:
            return
        if isinstance(value, (bool, int, float, str)):
            if type(value) is type(known) and value == known:
                return
        raise ValueError(
            f"{self.name}: argument '{path}' was {known!r} when the program was captured, "
            f"and is part of it; found {value!r}"
        )

    def _mismatch(self, path: str, expected: str, value: Any) -> ValueError:
        return ValueError(
            f"{self.name}: argument '{path}': expected {expected}, found {value!r}"
        )

    # ---- results ----

    def results(self, arrays: Sequence[DeviceArray]) -> Any:
        """What a call returns, for functions whose results are nested."""
        if self.keep_results:
            return _build(self.result_tree, arrays)
        if not arrays:
            return None
        if len(arrays) == 1:
            return _NamedArray._of(arrays[0], self.result_tree)
        return Results._of(arrays, self.result_tree)


class Results(tuple[Any, ...]):
    """Several results: a flat tuple, which also knows how they were nested.

    `results[0]` and iteration see the tensors in order, as IREE's runtime gives them;
    `results["logits"]` looks into the dict that the module returned, and `results.tree` is
    the whole of what it returned.
    """

    tree: Any

    @classmethod
    def _of(cls, arrays: Sequence[DeviceArray], tree: Tree) -> Results:
        self = cls(arrays)
        self.tree = _build(tree, arrays)
        return self

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return _look_up(self.tree, index)
        return super().__getitem__(index)

    def keys(self) -> Any:
        """Keys of the dict that was returned, if it was one."""
        return self.tree.keys() if isinstance(self.tree, dict) else ()


class _NamedArray(DeviceArray):
    """A single result inside a list or dict."""

    tree: Any

    @classmethod
    def _of(cls, array: DeviceArray, tree: Tree) -> _NamedArray:
        self = cls.__new__(cls)
        self.__dict__.update(array.__dict__)
        self.tree = _build(tree, [array])
        return self

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return _look_up(self.tree, index)
        return super().__getitem__(index)


def _look_up(tree: Any, key: str) -> Any:
    if isinstance(tree, dict) and key in tree:
        return tree[key]
    known = f"; there are {', '.join(map(str, tree))}" if isinstance(tree, dict) else ""
    raise KeyError(f"no result is called '{key}'{known}")


# ---- trees ----


def _count(tree: Tree) -> int:
    """Tensors in a tree."""
    if isinstance(tree, int):
        return 1
    if tree is None or tree[0] == "constant":
        return 0
    parts = [p for _, p in tree[1:]] if tree[0] == "dict" else tree[1:]
    return sum(map(_count, parts))


def _is_plain(tree: Tree) -> bool:
    """Whether results are what a flat call gives anyway."""
    if tree is None or isinstance(tree, int):
        return True
    return tree[0] in ("list", "tuple") and tree[1:] == list(range(len(tree) - 1))


def _build(tree: Tree, arrays: Sequence[DeviceArray]) -> Any:
    if isinstance(tree, int):
        return arrays[tree]
    if tree is None:
        return None
    kind, *parts = tree
    if kind == "constant":
        return parts[0]
    if kind == "dict":
        return {k: _build(p, arrays) for k, p in parts}
    return (list if kind == "list" else tuple)(_build(p, arrays) for p in parts)


def _constants(tree: Tree) -> Any:
    """The value of an argument that holds no tensor."""
    return _build(tree, ())


def _as_dict(value: Any) -> dict[str, Any] | None:
    """Dicts as they are; dataclasses and named tuples by their fields; else None."""
    if isinstance(value, dict):
        return value
    fields = getattr(value, "_fields", None) or getattr(
        value, "__dataclass_fields__", None
    )
    return {f: getattr(value, f) for f in fields} if fields else None


# ---- IREE's descriptions ----
# ["ndarray", "f32", rank, dims...], ["named", name, desc], ["slist"|"stuple", desc...],
# ["sdict"|"sdict_kwargs", [key, desc]...], a scalar such as "i32", or null.

_IREE = {"slist": "list", "stuple": "tuple", "sdict": "dict", "sdict_kwargs": "dict"}


def _from_iree(abi: dict[str, Any]) -> tuple[list[tuple[str, Tree]], Tree]:
    """(arguments, results' tree) of {"a": [desc ...], "r": [desc ...]}."""
    count = iter(range(1 << 30))
    arguments = []
    for desc in abi.get("a") or []:
        kind = desc[0] if isinstance(desc, list) else desc
        if kind == "named":
            arguments.append((desc[1], _iree_tree(desc[2], count)))
        elif kind == "sdict_kwargs":
            arguments += [(key, _iree_tree(d, count)) for key, d in desc[1:]]
        else:
            arguments.append(("", _iree_tree(desc, count)))
    count = iter(range(1 << 30))
    trees = [_iree_tree(d, count) for d in abi.get("r") or []]
    return arguments, trees[0] if len(trees) == 1 else ["tuple", *trees]


def _iree_tree(desc: Any, count: Iterator[int]) -> Tree:
    kind = desc[0] if isinstance(desc, list) else desc
    if kind not in _IREE:
        return next(count)
    if _IREE[kind] == "dict":
        return ["dict", *([k, _iree_tree(d, count)] for k, d in desc[1:])]
    return [_IREE[kind], *(_iree_tree(d, count) for d in desc[1:])]


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise RuntimeError(
            f"{name}: the reflection data is no JSON: {e}: {text}"
        ) from e
