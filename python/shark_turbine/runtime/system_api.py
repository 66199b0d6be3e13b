# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The few calls most scripts need: Config, load_vm_module and what they return."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .array_interop import DeviceArray
from .function import AsyncFunctionInvoker, FunctionInvoker
from .hal import HalDevice
from .state import State
from .system_setup import get_device, get_first_device
from .vm import VmContext, VmInstance, VmModule, create_hal_module

TARGET_BACKEND_TO_DRIVER = {
    "llvm-cpu": "local-task",
    "vmvx": "local-task",
    "vulkan-spirv": "vulkan",
}


class Config:
    """A device, and what every context on it starts with.

    `driver_name` may be a comma list; the first that works is taken. None stands for
    $IREE_DEFAULT_DEVICE, else "local-task".
    """

    def __init__(
        self, driver_name: str | None = None, *, device: HalDevice | None = None
    ) -> None:
        if device is not None and driver_name is not None:
            raise ValueError(
                "Either 'device' or 'driver_name' can be specified (not both)"
            )
        self.vm_instance = VmInstance()
        if device is None:
            device = get_first_device(driver_name.split(",") if driver_name else None)
        self.device = device
        hal = create_hal_module(self.vm_instance, device)
        self.default_vm_modules: tuple[VmModule, ...] = (hal,)


_global_config: Config | None = None


def _get_global_config() -> Config:
    global _global_config
    if _global_config is None:
        _global_config = Config()
    return _global_config


class BoundModule:
    """A module in a context: its functions as attributes and items."""

    def __init__(self, context: SystemContext, vm_module: VmModule) -> None:
        self._context = context
        self._vm_module = vm_module
        self._lazy: dict[str, FunctionInvoker] = {}

    @property
    def name(self) -> str:
        return self._vm_module.name

    @property
    def vm_module(self) -> VmModule:
        return self._vm_module

    @property
    def state(self) -> Any:
        """What the module keeps between calls in this context; see State.

        In a module with a function of that name, it is the function, as in IREE.
        """
        if "state" in self._vm_module.function_names:
            return self["state"]
        return State.of(self)

    def __getattr__(self, name: str) -> FunctionInvoker:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> FunctionInvoker:
        function = self._lazy.get(name)
        if function is None:
            vm_function = self._vm_module.lookup_function(name)
            if vm_function is None:
                raise KeyError(f"Function '{name}' not found in module '{self}'")
            kind = AsyncFunctionInvoker if vm_function._is_async else FunctionInvoker
            function = kind(
                self._context.vm_context, self._context.config.device, vm_function
            )
            self._lazy[name] = function
        return function

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._vm_module.function_names]

    def __repr__(self) -> str:
        return f"<BoundModule {self._vm_module!r}>"


class BoundModules(dict[str, BoundModule]):
    """The modules of a context by name, as items and attributes."""

    def __getattr__(self, name: str) -> BoundModule:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class SystemContext:
    """Modules with their state on one device."""

    def __init__(
        self,
        vm_modules: Iterable[VmModule] | None = None,
        config: Config | None = None,
    ) -> None:
        self._config = config if config is not None else _get_global_config()
        self._is_dynamic = vm_modules is None
        modules = list(vm_modules or [])
        names = {m.name for m in modules}
        defaults = [m for m in self._config.default_vm_modules if m.name not in names]
        self._vm_context = VmContext(self._config.vm_instance, defaults + modules)
        self._bound_modules = BoundModules(
            (m.name, BoundModule(self, m)) for m in defaults + modules
        )

    @property
    def vm_context(self) -> VmContext:
        return self._vm_context

    @property
    def is_dynamic(self) -> bool:
        return self._is_dynamic

    @property
    def config(self) -> Config:
        return self._config

    @property
    def instance(self) -> VmInstance:
        return self._config.vm_instance

    @property
    def modules(self) -> BoundModules:
        return self._bound_modules

    def add_module_dependency(self, name: str, minimum_version: int = 0) -> None:
        """See VmModule.resolve_module_dependency."""
        module = VmModule.resolve_module_dependency(
            self.instance, name, minimum_version
        )
        self._vm_context.register_modules([module])

    def add_vm_modules(self, vm_modules: Sequence[VmModule]) -> None:
        """Adds modules to a context that was made without; ValueError otherwise."""
        if not self._is_dynamic:
            raise ValueError("cannot add modules to a context made with modules")
        for m in vm_modules:
            if m.name in self._bound_modules:
                raise ValueError(f"Attempt to register duplicate VmModule: '{m.name}'")
            self._vm_context.register_modules([m])
            self._bound_modules[m.name] = BoundModule(self, m)

    def add_vm_module(self, vm_module: VmModule) -> None:
        self.add_vm_modules((vm_module,))


def load_vm_modules(
    *vm_modules: VmModule, config: Config | None = None
) -> list[BoundModule]:
    """Loads modules into a new context; returns their BoundModules in order."""
    context = SystemContext(vm_modules=vm_modules, config=config)
    return [context.modules[m.name] for m in vm_modules]


def load_vm_module(vm_module: VmModule, config: Config | None = None) -> BoundModule:
    """Loads a module into a new context."""
    return load_vm_modules(vm_module, config=config)[0]


def _config_for(driver: str | None, backend: str | None) -> Config:
    if driver is None and backend is None:
        raise ValueError(
            "Either 'driver' or 'backend' must be specified, but got 'None' for both."
        )
    if driver is not None and backend is not None:
        raise ValueError(
            "Cannot specify both 'driver' and a 'backend' to infer the driver from."
        )
    if backend is not None:
        driver = TARGET_BACKEND_TO_DRIVER.get(backend)
        if driver is None:
            raise ValueError(
                f"unknown backend '{backend}'; known: "
                + ", ".join(TARGET_BACKEND_TO_DRIVER)
            )
    assert driver is not None
    return Config(device=get_device(driver))


def load_vm_flatbuffer(
    vm_flatbuffer: Any, *, driver: str | None = None, backend: str | None = None
) -> BoundModule:
    """Loads a module from bytes, which are copied."""
    config = _config_for(driver, backend)
    module = VmModule.copy_buffer(config.vm_instance, vm_flatbuffer)
    return load_vm_module(module, config)


def load_vm_flatbuffer_file(
    path: str | os.PathLike[str],
    *,
    driver: str | None = None,
    backend: str | None = None,
    destroy_callback: Callable[[], Any] | None = None,
) -> BoundModule:
    """Loads a module from a file, which is mapped."""
    config = _config_for(driver, backend)
    module = VmModule.mmap(config.vm_instance, path, destroy_callback=destroy_callback)
    return load_vm_module(module, config)


def normalize_value(value: Any) -> Any:
    """Numbers and arrays as numpy arrays; lists, tuples, dicts and None as they are."""
    if value is None or isinstance(value, (list, tuple, dict, np.ndarray)):
        return value
    if isinstance(value, DeviceArray):
        return value.to_host()
    if isinstance(value, bool):
        return np.array(value, dtype=np.bool_)
    if isinstance(value, int):
        return np.array(value, dtype=np.int32)
    if isinstance(value, float):
        return np.array(value, dtype=np.float32)
    return np.asarray(value)
