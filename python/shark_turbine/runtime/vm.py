# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Modules, functions and contexts under the names IREE's VM gives them."""

from __future__ import annotations

import enum
import itertools
import mmap as _mmap
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _runtime
from . import timeline
from .hal import HalBufferView, HalDevice
from .refs import Referenced, VmRef
from .typing import HalModuleBufferViewTraceCallback

if TYPE_CHECKING:
    import concurrent.futures

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


# Every function NAME is also there as NAME$async: it takes two fences behind its inputs,
# runs once the first is reached, and signals the second. IREE's compiler makes such pairs.
_ASYNC = "$async"


class VmFunction:
    """A function of a module."""

    def __init__(self, module: VmModule, ordinal: int, is_async: bool = False) -> None:
        self._module = module
        self._is_async = is_async
        self.ordinal = ordinal
        self.name = module.function_names[ordinal] + (_ASYNC if is_async else "")
        self.module_name = module.name
        self.linkage = Linkage.EXPORT
        self.reflection: dict[str, str] = module._reflection(ordinal)

    def __repr__(self) -> str:
        return f"<VmFunction {self.name}, reflection = {self.reflection}>"


class VmModule:
    """A loaded .vmfb. Immutable; may be used in any number of contexts."""

    def __init__(
        self,
        module: _runtime.Module | None,
        blob: Any = None,
        name: str | None = None,
        device: HalDevice | None = None,
    ) -> None:
        self._loaded = module  # None for the hal module, which has nothing to call
        self._blob = blob
        self._name = name
        self._device = device  # of the hal module
        self._params: _runtime.Params | None = None  # of a module of parameters

    # Whether a context makes its session when the module is added, not at the first call.
    _binds_at_once = False

    @property
    def _module(self) -> _runtime.Module:
        if self._loaded is None:
            raise ValueError(f"module '{self._name}' has no functions")
        return self._loaded

    # Ways in. `instance` is IREE's and means nothing here.

    @classmethod
    def copy_buffer(cls, instance: VmInstance | None, buffer: Any) -> VmModule:
        """A module from a copy of any bytes-like object."""
        return cls(_runtime.Module.from_buffer(buffer, True), buffer)

    @classmethod
    def wrap_buffer(
        cls,
        instance: VmInstance | None,
        buffer: Any,
        destroy_callback: Callable[[], Any] | None = None,
        close_buffer: bool = False,
    ) -> VmModule:
        """A module that uses the buffer in place; it must be aligned to 64 bytes."""

        def on_release() -> None:
            if close_buffer:
                buffer.close()
            if destroy_callback is not None:
                destroy_callback()

        hook = on_release if close_buffer or destroy_callback is not None else None
        blob = None if close_buffer else buffer
        return cls(_runtime.Module.from_buffer(buffer, False, hook), blob)

    @classmethod
    def from_buffer(
        cls, instance: VmInstance | None, buffer: Any, warn_if_copy: bool = True
    ) -> VmModule:
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
    def mmap(
        cls,
        instance: VmInstance | None,
        filepath: str | os.PathLike[str],
        destroy_callback: Callable[[], Any] | None = None,
    ) -> VmModule:
        """A module over a mapped file, which must not change meanwhile."""
        with open(filepath, "rb") as f:
            try:
                mapped = _mmap.mmap(f.fileno(), 0, access=_mmap.ACCESS_READ)
            except ValueError as e:
                raise ValueError(f"{os.fspath(filepath)}: {e}") from None
        self = cls.wrap_buffer(instance, mapped, destroy_callback)
        self._blob = mapped
        return self

    @staticmethod
    def resolve_module_dependency(
        instance: VmInstance | None, name: str, minimum_version: int = 0
    ) -> VmModule:
        """IREE loads shared libraries under such names; here there are none."""
        raise ValueError(
            f"module '{name}' (version {minimum_version}) is not registered: modules "
            "come from files and buffers here, not from shared libraries"
        )

    # What it says about itself.

    @property
    def name(self) -> str:
        return self._name or self._module.name

    @property
    def version(self) -> int:
        return 0

    @property
    def function_names(self) -> list[str]:
        """Names of the functions; each is there as NAME$async, too."""
        return self._loaded.functions if self._loaded is not None else []

    @property
    def stashed_flatbuffer_blob(self) -> Any:
        """What the module was made from, unless close_buffer was asked for."""
        return self._blob

    def lookup_function(
        self, name: str, linkage: Linkage = Linkage.EXPORT
    ) -> VmFunction | None:
        """The function, or None."""
        if linkage != Linkage.EXPORT:
            return None
        names = self.function_names
        if name in names:
            return VmFunction(self, names.index(name))
        plain = name.removesuffix(_ASYNC)
        return VmFunction(self, names.index(plain), True) if plain in names else None

    def _reflection(self, ordinal: int) -> dict[str, str]:
        pairs = ((k, self._module.function_attr(ordinal, k)) for k in _ATTRIBUTES)
        return {k: v for k, v in pairs if v is not None}

    def _bind(self, context: VmContext) -> Any:
        """What calls this module's functions in a context; see VmContext._session."""
        device = context._hal_device()._device
        return _runtime.Session(self._module, device, context._params)

    def __repr__(self) -> str:
        return f"<VmModule {self.name} : [{', '.join(self.function_names)}]>"


def create_hal_module(
    instance: VmInstance | None,
    device: HalDevice | None = None,
    devices: Sequence[HalDevice] | None = None,
    debug_sink: HalModuleDebugSink | None = None,
) -> VmModule:
    """The module that stands for the device in a list of modules."""
    if device is None:
        if not devices:
            raise ValueError(
                "create_hal_module: expected a device or a list of devices"
            )
        device = devices[0]
    return VmModule(None, name="hal", device=device)


class HalModuleDebugSink:
    """Where traced tensors of a program go. Programs compiled here trace none."""

    def __init__(
        self,
        buffer_view_trace_callback: HalModuleBufferViewTraceCallback | None = None,
    ) -> None:
        self.buffer_view_trace_callback = buffer_view_trace_callback


class VmVariantList(Referenced):
    """Arguments and results of VmContext.invoke."""

    def __init__(self, capacity: int) -> None:
        del capacity  # lists grow
        self._items: list[Any] = []

    def push_int(self, value: int) -> None:
        self._items.append(int(value))

    def push_float(self, value: float) -> None:
        self._items.append(float(value))

    def push_list(self, value: VmVariantList) -> None:
        self._items.append(value)

    def push_ref(self, ref: Any) -> None:
        """A VmRef or what has one: a buffer view, a fence, a list."""
        self._items.append(ref._value if isinstance(ref, VmRef) else ref)

    def _push(self, result: Any) -> None:
        """A result of a call."""
        is_tensor = isinstance(result, _runtime.Tensor)
        self._items.append(HalBufferView._wrap(result) if is_tensor else result)

    def get_variant(self, index: int) -> Any:
        item = self._items[index]
        if item is None or isinstance(item, (int, float, VmVariantList)):
            return item
        return VmRef(item)

    def get_as_ref(self, index: int) -> VmRef:
        return VmRef(self._items[index])

    def get_as_object(self, index: int, clazz: type | None = None) -> Any:
        item = self._items[index]
        return item if clazz is None else VmRef(item).deref(clazz)

    def get_as_list(self, index: int) -> VmVariantList:
        return self.get_as_object(index, VmVariantList)

    @property
    def size(self) -> int:
        return len(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<VmVariantList({len(self)}): [{_shown(self._items)}]>"


def _shown(items: list[Any]) -> str:
    """As IREE prints a list's elements."""
    return ", ".join(map(_shown_item, items))


def _shown_item(x: Any) -> str:
    if isinstance(x, float):
        return f"{x:.6f}"
    if isinstance(x, VmVariantList):
        return f"List[{_shown(x._items)}]"
    if isinstance(x, HalBufferView):
        return f"HalBufferView({'x'.join(map(str, x.shape))}:0x{x.element_type:08x})"
    return str(x)


_context_ids = itertools.count(1)


class VmContext:
    """Modules with their state: one session for each on the context's device."""

    def __init__(
        self,
        instance: VmInstance | None,
        modules: Sequence[VmModule] | None = None,
    ) -> None:
        self.instance = instance
        self.context_id = next(_context_ids)
        self._modules: list[VmModule] = []
        self._sessions: dict[int, Any] = {}
        self._device: HalDevice | None = None
        self._params: _runtime.Params | None = None
        self._thread: concurrent.futures.ThreadPoolExecutor | None = None
        self.register_modules(modules or [])

    def register_modules(self, modules: Sequence[VmModule]) -> None:
        for module in modules:
            if any(m.name == module.name for m in self._modules):
                raise ValueError(
                    f"a module named '{module.name}' is registered already"
                )
            if module._device is not None:
                self._device = module._device
            if module._params is not None:
                self._params = module._params
            self._modules.append(module)
            if module._binds_at_once:
                self._session(module)

    def _hal_device(self) -> HalDevice:
        if self._device is None:
            raise ValueError(
                "the context has no hal module: pass create_hal_module(...) first"
            )
        return self._device

    def _session(self, module: VmModule) -> Any:
        session = self._sessions.get(id(module))
        if session is None:
            if not any(module is m for m in self._modules):
                raise ValueError(f"module '{module.name}' is not part of this context")
            session = self._sessions[id(module)] = module._bind(self)
        return session

    def _submit(
        self, work: Callable[..., Any], *args: Any
    ) -> concurrent.futures.Future[Any]:
        """Runs in the context's own thread, after what was submitted before."""
        if self._thread is None:
            import concurrent.futures  # not before it is needed: it is slow to import

            name = f"turbine-context-{self.context_id}"
            self._thread = concurrent.futures.ThreadPoolExecutor(1, name)
        return self._thread.submit(work, *args)

    def invoke(
        self, function: VmFunction, inputs: VmVariantList, outputs: VmVariantList
    ) -> None:
        """Calls `function`; results are appended to `outputs` as HalBufferView.

        Of a NAME$async function the last two inputs are fences (or None). If the first
        has been reached, the call is made here and its errors are raised; otherwise a
        thread of the context makes it later, an error fails the second fence, and looking
        into a result waits.
        """
        session = self._session(function._module)
        args = list(inputs._items)
        wait, signal = _fences(function, args) if function._is_async else (None, None)
        if timeline.are_reached(wait):
            for r in _call(session, function, args):
                outputs._push(r)
            timeline.signal(signal)
        else:
            self._invoke_later(session, function, args, wait, signal, outputs)

    def _invoke_later(
        self,
        session: Any,
        function: VmFunction,
        args: list[Any],
        wait: timeline.HalFence | None,
        signal: timeline.HalFence | None,
        outputs: VmVariantList,
    ) -> None:
        import concurrent.futures

        done: concurrent.futures.Future[tuple[Any, ...]] = concurrent.futures.Future()

        def run(failure: str | None) -> None:
            try:
                if failure is not None:
                    raise RuntimeError(failure)
                done.set_result(_call(session, function, args))
            except Exception as e:
                done.set_exception(e)
                timeline.signal(signal, str(e))
            else:
                timeline.signal(signal)

        def begin(failure: str | None) -> None:
            self._submit(run, failure)

        def result(i: int) -> Callable[[], Any]:
            return lambda: done.result()[i]

        for i in range(len(session.module.results(function.ordinal))):
            outputs.push_ref(HalBufferView._later(result(i)))
        timeline.after(wait, begin)


def _fences(
    function: VmFunction, args: list[Any]
) -> tuple[timeline.HalFence | None, timeline.HalFence | None]:
    """Takes the fences off the end of a list of inputs."""
    taken = args[-2:]
    fits = len(taken) == 2
    if not fits or any(f and not isinstance(f, timeline.HalFence) for f in taken):
        raise ValueError(f"{function.name}: expected two fences behind the inputs")
    del args[-2:]
    return taken[0], taken[1]


def _call(session: Any, function: VmFunction, args: list[Any]) -> tuple[Any, ...]:
    """Results of a session's function."""
    if isinstance(session, _runtime.Session):
        args = [a._tensor if hasattr(a, "_tensor") else a for a in args]
    results = session.call(function.ordinal, *args)
    if results is None:
        return ()
    return results if isinstance(results, tuple) else (results,)
