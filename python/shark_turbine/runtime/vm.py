# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules, functions and contexts under the names IREE's VM gives them."""

import enum
import itertools
import mmap as _mmap
import warnings

import numpy as np

from .. import _runtime
from .hal import HalBufferView

# What a function's `reflection` can hold.
_ATTRIBUTES = ("turbine.abi", "iree.abi", "iree.abi.declaration")


class Linkage(enum.IntEnum):
    INTERNAL = 0
    IMPORT = 1
    IMPORT_OPTIONAL = 2
    EXPORT = 3
    EXPORT_OPTIONAL = 4


class VmInstance:
    """Shared by modules and contexts; holds nothing, as the runtime has no global state."""


class VmFunction:
    def __init__(self, module, ordinal):
        self._module = module
        self.ordinal = ordinal
        self.name = module._module.functions[ordinal]
        self.module_name = module.name
        self.linkage = Linkage.EXPORT
        pairs = ((k, module._module.function_attr(ordinal, k)) for k in _ATTRIBUTES)
        self.reflection = {k: v for k, v in pairs if v is not None}

    def __repr__(self):
        return f"<VmFunction {self.name}, reflection = {self.reflection}>"


class VmModule:
    """A loaded .vmfb. Immutable; may be used in any number of contexts."""

    _device = _params = None  # what a module without functions stands for

    def __init__(self, module, blob=None, name=None):
        self._module = module  # None for the hal module, which has nothing to call
        self._blob = blob
        self._name = name

    # Ways in. `instance` is IREE's and means nothing here.

    @classmethod
    def copy_buffer(cls, instance, buffer):
        """A module from a copy of any bytes-like object."""
        return cls(_runtime.Module.from_buffer(buffer, True), buffer)

    @classmethod
    def wrap_buffer(cls, instance, buffer, destroy_callback=None, close_buffer=False):
        """A module that uses the buffer in place; it must be aligned to 64 bytes."""

        def on_release():
            if close_buffer:
                buffer.close()
            if destroy_callback is not None:
                destroy_callback()

        hook = on_release if close_buffer or destroy_callback is not None else None
        blob = None if close_buffer else buffer
        return cls(_runtime.Module.from_buffer(buffer, False, hook), blob)

    @classmethod
    def from_buffer(cls, instance, buffer, warn_if_copy=True):
        """wrap_buffer if the buffer is aligned, else copy_buffer."""
        if (
            len(memoryview(buffer))
            and not np.frombuffer(buffer, np.uint8).ctypes.data % 64
        ):
            return cls.wrap_buffer(instance, buffer)
        if warn_if_copy:
            warnings.warn(
                "VmModule.from_buffer: the buffer is not aligned to 64 bytes and is "
                "copied. Use VmModule.mmap for files, or copy_buffer to say so.",
                stacklevel=2,
            )
        return cls.copy_buffer(instance, buffer)

    from_flatbuffer = from_buffer

    @classmethod
    def mmap(cls, instance, filepath, destroy_callback=None):
        """A module over a mapped file, which must not change meanwhile."""
        with open(filepath, "rb") as f:
            try:
                mapped = _mmap.mmap(f.fileno(), 0, access=_mmap.ACCESS_READ)
            except ValueError as e:
                raise ValueError(f"{filepath}: {e}") from None
        self = cls.wrap_buffer(instance, mapped, destroy_callback)
        self._blob = mapped
        return self

    # What it says about itself.

    @property
    def name(self):
        return self._name or self._module.name

    @property
    def version(self):
        return 0

    @property
    def function_names(self):
        return self._module.functions if self._module else []

    @property
    def stashed_flatbuffer_blob(self):
        return self._blob

    def lookup_function(self, name, linkage=Linkage.EXPORT):
        """The function, or None."""
        if linkage != Linkage.EXPORT or name not in self.function_names:
            return None
        return VmFunction(self, self.function_names.index(name))

    def __repr__(self):
        return f"<VmModule {self.name} : [{', '.join(self.function_names)}]>"


def create_hal_module(instance, device=None, devices=None, debug_sink=None):
    """The module that stands for the device in a list of modules."""
    if device is None:
        if not devices:
            raise ValueError(
                "create_hal_module: expected a device or a list of devices"
            )
        device = devices[0]
    module = VmModule(None, name="hal")
    module._device = device
    return module


class VmRef:
    """A reference in a VmVariantList."""

    def __init__(self, value):
        self._value = value

    def isinstance(self, cls):
        return isinstance(self._value, cls)

    def deref(self, cls, optional=False):
        if isinstance(self._value, cls):
            return self._value
        if optional:
            return None
        raise ValueError(
            f"expected a {cls.__name__}, found a {type(self._value).__name__}"
        )

    def __eq__(self, other):
        return isinstance(other, VmRef) and self._value is other._value

    __hash__ = None


class VmVariantList:
    """Arguments and results of VmContext.invoke."""

    def __init__(self, capacity):
        self._items = []

    def push_int(self, value):
        self._items.append(int(value))

    def push_float(self, value):
        self._items.append(float(value))

    def push_list(self, value):
        self._items.append(value)

    def push_ref(self, value):
        self._items.append(value._value if isinstance(value, VmRef) else value)

    def get_variant(self, i):
        item = self._items[i]
        return item if isinstance(item, (int, float, VmVariantList)) else VmRef(item)

    def get_as_ref(self, i):
        return VmRef(self._items[i])

    def get_as_object(self, i, cls):
        return VmRef(self._items[i]).deref(cls)

    def get_as_list(self, i):
        return self.get_as_object(i, VmVariantList)

    @property
    def size(self):
        return len(self._items)

    def __len__(self):
        return len(self._items)

    def __repr__(self):
        return f"<VmVariantList({len(self._items)}): {self._items}>"


_context_ids = itertools.count(1)


class VmContext:
    """Modules with their state: one session for each on the context's device."""

    def __init__(self, instance, modules=None):
        self.instance = instance
        self.context_id = next(_context_ids)
        self._modules = []
        self._sessions = {}
        self._device = None
        self._params = None
        self.register_modules(modules or [])

    def register_modules(self, modules):
        for module in modules:
            if any(m.name == module.name for m in self._modules):
                raise ValueError(
                    f"a module named '{module.name}' is registered already"
                )
            if module._module is None:
                self._device = module._device or self._device
                self._params = module._params or self._params
            self._modules.append(module)

    def _session(self, module):
        session = self._sessions.get(id(module))
        if session is None:
            if not any(module is m for m in self._modules):
                raise ValueError(f"module '{module.name}' is not part of this context")
            if self._device is None:
                raise ValueError(
                    "the context has no hal module: pass create_hal_module(...) first"
                )
            session = _runtime.Session(
                module._module, self._device._device, self._params
            )
            self._sessions[id(module)] = session
        return session

    def invoke(self, function, inputs, outputs):
        """Calls `function`; results are appended to `outputs` as HalBufferView."""
        session = self._session(function._module)
        args = [a._tensor if hasattr(a, "_tensor") else a for a in inputs._items]
        results = session.call(function.ordinal, *args)
        if results is None:
            return
        for r in results if isinstance(results, tuple) else (results,):
            outputs.push_ref(HalBufferView._wrap(r))
