# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""CompiledModule: a class whose methods become functions of one artifact.

Every public method is captured as a program over the module's globals: the globals are
the buffers of one nn.Module, a method is its forward, and torch.export finds out which
ones it changes.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .. import _compiler
from ..decompositions import extend_aot_decompositions
from ..locations import recording
from .abstract import DynamicDim, examples, is_abstract
from .abstract import dynamic_shapes as sizes_of
from .exporter import MlirModule, capture
from .globals import GlobalsDef
from .program import Names, import_programs


class Jittable:
    """A torch function that a CompiledModule's methods may call."""

    def __init__(self, fn, table):
        self.fn, self.table = fn, table

    def __call__(self, *args, constraints=(), **kwargs):
        """`constraints` are what must hold of sizes, as in `x.dynamic_dim(0) < 16`."""
        for constraint in constraints or ():
            constraint.require()
        return self.fn(*args, **kwargs)


def jittable(
    f: Callable[..., Any] | None = None,
    *,
    decompose_ops: Sequence[Any] | None = None,
    decomposition_table: Any = None,
    dynamic_shapes: Any = None,
    function_name: str | None = None,
    passes: Any = None,
) -> Any:
    """Marks a torch function as one that methods call; usable as a decorator.

    `decompose_ops` names operators to take apart. The others are accepted for the sake of
    scripts that set them: the function is captured with the method that calls it.
    """
    del decomposition_table, dynamic_shapes, function_name, passes

    def wrap(fn):
        return Jittable(fn, decompose_ops)

    return wrap if f is None else wrap(f)


# ---- classes ----


def _export_name(name):
    name = name.removesuffix("Module") or name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class ClassInfo:
    """What the attributes of a CompiledModule class are."""

    def __init__(self, export_name):
        self.export_name = export_name
        self.procedures, self.programs, self.globals, self.others = {}, {}, {}, {}

    def inherit(self, info):
        for table in ("procedures", "programs", "globals", "others"):
            getattr(self, table).update(getattr(info, table))

    def get(self, name):
        for table in (self.procedures, self.programs, self.globals, self.others):
            if name in table:
                return table[name]
        return None

    def add(self, name, value):
        for table in (self.procedures, self.programs, self.globals, self.others):
            table.pop(name, None)
        if isinstance(value, GlobalsDef):
            self.globals[name] = value
        elif isinstance(value, torch.export.ExportedProgram):
            self.programs[name] = value
        elif isinstance(value, Jittable):
            self.others[name] = value
        elif isinstance(value, types.FunctionType):
            self.procedures[name] = value
        else:
            raise TypeError(
                f"{name}: a CompiledModule has functions, jittables, programs and globals, "
                f"not {value!r}"
            )


# Helpers of the base class; names that a module's own functions may have as well.
_HELPERS = (
    "create_from_dict",
    "expand_custom_ops",
    "get_class_info",
    "get_info",
    "get_mlir_module",
    "get_module_builder",
    "run_import",
    "run_pass_pipeline",
    "save_mlir",
    "signature_info",
)


def _hidden(self):
    raise AttributeError(
        "a helper of CompiledModule; call it as CompiledModule.name(...)"
    )


class CompiledModuleMeta(type):
    def __new__(mcls, name, bases, dct, *, export_name=None, options=None, _root=False):
        del options
        if _root:
            return super().__new__(mcls, name, bases, dct)
        info = ClassInfo(export_name or _export_name(name))
        for base in reversed(bases):
            inherited = base.__dict__.get("_info")
            if inherited is not None:
                info.inherit(inherited)
        kept = {key: property(_hidden) for key in _HELPERS}
        for key, value in dct.items():
            if key.startswith("__") and key.endswith("__"):
                kept[key] = value
            else:
                info.add(key, value)
        cls = super().__new__(mcls, name, bases, kept)
        cls._info = info
        return cls

    def __init__(cls, name, bases, dct, **_):
        super().__init__(name, bases, dct)

    def __getattr__(cls, name):
        """What the class was given under this name."""
        info = cls.__dict__.get("_info")
        found = info.get(name) if info is not None else None
        if found is None:
            raise AttributeError(f"{cls.__name__} has no '{name}'")
        return found

    # An instance is a captured module: its functions are in the unit, not attributes.
    def __call__(
        cls, *, context=None, module_op=None, import_to="import", module_name=None
    ):
        del context, module_op
        _check_phase(import_to)
        if "_info" not in cls.__dict__:
            raise TypeError(
                "CompiledModule is a base class; make a class of your own of it"
            )
        self = object.__new__(cls)
        self._unit = _capture(cls._info, module_name)
        return self


class CompiledModule(metaclass=CompiledModuleMeta, _root=True):
    """Base class of modules that are defined in Python and compiled as a whole."""

    _unit: _compiler.Unit

    @staticmethod
    def create_from_dict(
        name: str,
        dct: dict[str, Any],
        *,
        export_name: str | None = None,
        options: Any = None,
        bases: tuple[type, ...] | None = None,
    ) -> Any:
        """The same without class syntax."""
        return CompiledModuleMeta(
            name,
            bases or (CompiledModule,),
            dct,
            export_name=export_name,
            options=options,
        )

    @staticmethod
    def get_class_info(module_class: Any) -> ClassInfo:
        return module_class._info

    @staticmethod
    def get_info(inst: CompiledModule) -> _InstanceInfo:
        return _InstanceInfo(type(inst)._info, inst)

    @staticmethod
    def get_module_builder(inst: CompiledModule) -> _ModuleBuilder:
        if not isinstance(inst, CompiledModule):
            raise ValueError(f"expected a CompiledModule instance, found {inst!r}")
        return _ModuleBuilder(inst)

    @staticmethod
    def get_mlir_module(inst: CompiledModule) -> MlirModule:
        return MlirModule(inst._unit)

    @staticmethod
    def run_import(inst: CompiledModule, import_to: str | None = "import") -> None:
        """Captured already."""
        del inst
        _check_phase(import_to)

    @staticmethod
    def expand_custom_ops(inst: CompiledModule) -> None:
        """Custom operators are taken apart while the module is captured."""
        del inst

    @staticmethod
    def run_pass_pipeline(
        inst: CompiledModule, pipeline: str, enable_ir_printing: bool = False
    ) -> None:
        del inst, enable_ir_printing
        raise NotImplementedError(
            f"pass pipelines of MLIR, such as '{pipeline}', do not run here: "
            "compile() does all that is needed"
        )

    @staticmethod
    def save_mlir(inst: CompiledModule, path: str | os.PathLike[str]) -> None:
        with open(path, "w", encoding="utf-8") as f:
            f.write(inst._unit.mlir())

    @staticmethod
    def signature_info(
        *, arg_device: Any = None
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator that is accepted: there is one device."""
        del arg_device
        return lambda fn: fn


def _check_phase(import_to):
    if import_to not in (None, "import", "full"):
        raise ValueError(f"import_to: 'import' or 'full', not {import_to!r}")


class _InstanceInfo:
    def __init__(self, class_info, inst):
        self.class_info, self.module_builder = class_info, _ModuleBuilder(inst)


class _ModuleBuilder:
    def __init__(self, inst):
        self.module_op = MlirModule(inst._unit)


# ---- capture ----


_PREFIX = "global_"  # keeps attributes apart from those of nn.Module


class _Store(torch.nn.Module):
    """All globals of a class, as parameters and buffers under their names."""

    def __init__(self, info):
        super().__init__()
        self.definitions = info.globals
        self.places = {}  # (attribute, path) -> (module, name within it)
        self.names = {}  # (attribute, path) -> qualified name
        modules = {}  # id of an nn.Module -> attribute it is registered under
        for attribute, g in info.globals.items():
            if g.module is not None:
                where = modules.setdefault(id(g.module), _PREFIX + attribute)
                self.add_module(where, g.module)
                for path in g.leaves:
                    owner, _, name = path.rpartition(".")
                    place = g.module.get_submodule(owner), name
                    self.places[attribute, path] = place
                    self.names[attribute, path] = f"{where}.{path}"
            else:
                holder = torch.nn.Module()
                self.add_module(_PREFIX + attribute, holder)
                for i, (path, tensor) in enumerate(g.leaves.items()):
                    holder.register_buffer(f"leaf{i}", tensor.detach())
                    self.places[attribute, path] = holder, f"leaf{i}"
                    self.names[attribute, path] = f"{_PREFIX}{attribute}.leaf{i}"

    def read(self, attribute):
        g = self.definitions[attribute]
        values = {}
        for path in g.leaves:
            module, name = self.places[attribute, path]
            values[path] = getattr(module, name)
        if g.spec is None:
            return _Tree(self, attribute, values)
        tree = g.assemble(values)
        if isinstance(tree, torch.Tensor):
            tree.set = lambda value: self.write(attribute, value)
        return tree

    def write(self, attribute, value):
        g = self.definitions[attribute]
        if not g.mutable:
            raise AttributeError(f"global '{attribute}' is not mutable")
        with torch.no_grad():
            for path, leaf in g.flatten(value).items():
                self._store(attribute, path, leaf)

    def _store(self, attribute, path, value):
        module, name = self.places[attribute, path]
        place = getattr(module, name)
        if not isinstance(value, torch.Tensor):
            value = torch.full_like(place, value)
        if value.shape != place.shape or value.dtype != place.dtype:
            where = f"{attribute}.{path}" if path else attribute
            raise ValueError(
                f"global '{where}': expected {place.dtype} of shape {tuple(place.shape)}, "
                f"found {value.dtype} of shape {tuple(value.shape)}"
            )
        place.copy_(value)


class _Tree(dict):
    """A module's tensors by name; assigning one stores it."""

    def __init__(self, store, attribute, values):
        super().__init__(values)
        self._store, self._attribute = store, attribute

    def __setitem__(self, name, value):
        self._store.write(self._attribute, {name: value})
        super().__setitem__(name, value)


pytree.register_pytree_node(
    _Tree,
    lambda t: (list(t.values()), list(t.keys())),
    lambda values, keys: dict(zip(keys, values)),
    serialized_type_name="shark_turbine.aot.globals",
)


class _Self:
    """What a method sees as `self` while it is captured."""

    def __init__(self, info, store):
        object.__setattr__(self, "_state", (info, store))

    def __getattr__(self, name):
        info, store = object.__getattribute__(self, "_state")
        if name in info.globals:
            return store.read(name)
        if name in info.procedures:
            return types.MethodType(info.procedures[name], self)
        if name in info.programs:
            return info.programs[name].module()
        if name in info.others:
            return info.others[name]
        raise AttributeError(f"{info.export_name} has no '{name}'")

    def __setattr__(self, name, value):
        info, store = object.__getattribute__(self, "_state")
        if name not in info.globals:
            raise AttributeError(f"only globals can be assigned, not '{name}'")
        store.write(name, value)


def _signature(name, fn):
    """The method's signature; annotations that are text, as `from __future__ import
    annotations` makes them, are read where the method was defined."""
    signature = inspect.signature(fn)
    if not any(isinstance(p.annotation, str) for p in signature.parameters.values()):
        return signature
    try:
        return inspect.signature(fn, eval_str=True)
    except (NameError, SyntaxError) as e:
        raise TypeError(f"{name}: an annotation cannot be read: {e}") from None


def _arguments(name, fn):
    """Abstract types of a method's arguments, from defaults or annotations."""
    abstract: list[Any] = []
    parameters = list(_signature(name, fn).parameters.values())[1:]
    for p in parameters:
        if p.kind is not p.POSITIONAL_OR_KEYWORD:
            raise TypeError(f"{name}: argument '{p.name}' has to be positional")
        given = p.default if p.default is not p.empty else p.annotation
        if not is_abstract(given):
            raise TypeError(
                f"{name}: argument '{p.name}' needs an abstract type as its default, "
                f"as in '{p.name}=AbstractTensor(4)'"
            )
        abstract.append(given)
    return abstract, parameters


def _procedure(info, name, fn):
    """One method as an ExportedProgram."""
    abstract, parameters = _arguments(name, fn)
    store = _Store(info)

    def forward(*args):
        for x in pytree.tree_leaves(args):
            if isinstance(x, torch.Tensor):
                x.dynamic_dim = functools.partial(DynamicDim, x)
        return fn(_Self(info, store), *args)

    forward.__signature__ = inspect.Signature(
        [p.replace(default=p.empty, annotation=p.empty) for p in parameters]
    )
    store.forward = forward
    taken = [op for j in info.others.values() for op in j.table or ()]
    args = tuple(examples(a) for a in abstract)
    shapes = tuple(sizes_of(a) for a in abstract) or None
    lines = recording(*info.procedures.values(), *(j.fn for j in info.others.values()))
    with extend_aot_decompositions(add_ops=taken), torch.no_grad(), lines:
        return capture(store, args, None, shapes)


def _capture(info, module_name):
    programs = {}
    for name, fn in info.procedures.items():
        if not name.startswith("_"):
            programs[name] = _procedure(info, name, fn)
    for name, ep in info.programs.items():
        if not name.startswith("_"):
            programs[name] = ep
    unit = _compiler.Unit(module_name or info.export_name)
    declared, names = _declare(info)
    import_programs(unit, programs, declared, names)
    return unit


def _declare(info):
    """(tensors that are globals, Names) of a class, by the names programs know them by."""
    store = _Store(info)
    declared, shown, external, zeros = {}, {}, {}, []
    for attribute, g in info.globals.items():
        for path, tensor in g.leaves.items():
            name = store.names[attribute, path]
            shown.setdefault(name, g.shown(attribute, path))
            if g.mutable:
                declared.setdefault(name, tensor)
            if g.attributes.external:
                external[name] = g.external_name(attribute, path)
            if path in g.zeros and g.mutable:
                zeros.append(name)

    def show(name):
        return shown.get(name) or name.removeprefix(_PREFIX)

    return declared, Names(show, external, zeros)
