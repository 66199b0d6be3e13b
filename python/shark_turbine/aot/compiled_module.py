# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""CompiledModule: a class whose methods become functions of one artifact.

Every public method is captured as a program over the module's globals: the globals are
the buffers of one nn.Module, a method is its forward, and torch.export finds out which
ones it changes.
"""

import inspect
import re
import types

import torch
from torch.utils import _pytree as pytree

from .. import _compiler
from ..decompositions import extend_aot_decompositions
from .abstract import dynamic_shapes as sizes_of
from .abstract import examples, is_abstract
from .exporter import MlirModule, capture
from .globals import GlobalsDef
from .program import import_programs


class Jittable:
    """A torch function that a CompiledModule's methods may call."""

    def __init__(self, fn, table):
        self.fn, self.table = fn, table

    def __call__(self, *args, constraints=None, **kwargs):
        del constraints  # sizes say for themselves what must hold
        return self.fn(*args, **kwargs)


def jittable(
    f=None,
    *,
    decompose_ops=None,
    decomposition_table=None,
    dynamic_shapes=None,
    function_name=None,
    passes=None,
):
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


_IGNORED = {
    "__module__",
    "__qualname__",
    "__doc__",
    "__firstlineno__",
    "__annotations__",
}
_IGNORED |= {"__static_attributes__", "__classcell__"}


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
        kept = {}
        for key, value in dct.items():
            if key in _IGNORED:
                kept[key] = value
            else:
                info.add(key, value)
        cls = super().__new__(mcls, name, bases, kept)
        cls._info = info
        return cls

    def __init__(cls, name, bases, dct, **_):
        super().__init__(name, bases, dct)

    # An instance is a captured module: its functions are in the unit, not attributes.
    def __call__(
        cls, *, context=None, module_op=None, import_to="import", module_name=None
    ):
        del context, module_op
        if import_to not in (None, "import", "full"):
            raise ValueError(f"import_to: 'import' or 'full', not {import_to!r}")
        if "_info" not in cls.__dict__:
            raise TypeError(
                "CompiledModule is a base class; make a class of your own of it"
            )
        self = object.__new__(cls)
        self._unit = _capture(cls._info, module_name)
        return self


class CompiledModule(metaclass=CompiledModuleMeta, _root=True):
    """Base class of modules that are defined in Python and compiled as a whole."""

    @staticmethod
    def create_from_dict(name, dct, *, export_name=None, options=None, bases=None):
        """The same without class syntax."""
        return CompiledModuleMeta(
            name,
            bases or (CompiledModule,),
            dct,
            export_name=export_name,
            options=options,
        )

    @staticmethod
    def get_class_info(cls):
        return cls._info

    @staticmethod
    def get_mlir_module(inst):
        return MlirModule(inst._unit)

    @staticmethod
    def run_import(inst, import_to="import"):
        """Captured already."""
        del inst, import_to

    @staticmethod
    def save_mlir(inst, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(inst._unit.mlir())

    @staticmethod
    def signature_info(*, arg_device=None):
        """A decorator that is accepted: there is one device."""
        del arg_device
        return lambda fn: fn


# ---- capture ----


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
                where = modules.setdefault(id(g.module), attribute)
                self.add_module(where, g.module)
                for path in g.leaves:
                    owner, _, name = path.rpartition(".")
                    place = g.module.get_submodule(owner), name
                    self.places[attribute, path] = place
                    self.names[attribute, path] = f"{where}.{path}"
            else:
                holder = torch.nn.Module()
                self.add_module(attribute, holder)
                for i, (path, tensor) in enumerate(g.leaves.items()):
                    holder.register_buffer(f"leaf{i}", tensor.detach())
                    self.places[attribute, path] = holder, f"leaf{i}"
                    self.names[attribute, path] = f"{attribute}.leaf{i}"

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


def _arguments(name, fn):
    """Abstract types of a method's arguments, from defaults or annotations."""
    abstract, parameters = [], list(inspect.signature(fn).parameters.values())[1:]
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
        return fn(_Self(info, store), *args)

    forward.__signature__ = inspect.Signature(
        [p.replace(default=p.empty, annotation=p.empty) for p in parameters]
    )
    store.forward = forward
    taken = [op for j in info.others.values() for op in j.table or ()]
    args = tuple(examples(a) for a in abstract)
    shapes = tuple(sizes_of(a) for a in abstract) or None
    with extend_aot_decompositions(add_ops=taken), torch.no_grad():
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
    store = _Store(info)
    declared = {
        store.names[attribute, path]: g.leaves[path]
        for attribute, g in info.globals.items()
        if g.mutable
        for path in g.leaves
    }
    import_programs(unit, programs, declared)
    return unit
