# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The few calls most scripts need: Config, load_vm_module and what they return."""

import numpy as np

from .array_interop import DeviceArray
from .function import FunctionInvoker
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

    def __init__(self, driver_name=None, *, device=None):
        if device is not None and driver_name is not None:
            raise ValueError(
                "Either 'device' or 'driver_name' can be specified (not both)"
            )
        self.vm_instance = VmInstance()
        if device is None:
            device = get_first_device(driver_name.split(",") if driver_name else None)
        self.device = device
        self.default_vm_modules = (create_hal_module(self.vm_instance, device),)


_global_config = None


def _get_global_config():
    global _global_config
    if _global_config is None:
        _global_config = Config()
    return _global_config


class BoundModule:
    """A module in a context: its functions as attributes and items."""

    def __init__(self, context, vm_module):
        self._context = context
        self._vm_module = vm_module
        self._lazy = {}

    @property
    def name(self):
        return self._vm_module.name

    @property
    def vm_module(self):
        return self._vm_module

    @property
    def state(self):
        """What the module keeps between calls in this context; see State.

        In a module with a function of that name, it is the function, as in IREE.
        """
        if "state" in self._vm_module.function_names:
            return self["state"]
        return State.of(self)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name):
        function = self._lazy.get(name)
        if function is None:
            vm_function = self._vm_module.lookup_function(name)
            if vm_function is None:
                raise KeyError(f"Function '{name}' not found in module '{self}'")
            function = FunctionInvoker(
                self._context.vm_context, self._context.config.device, vm_function
            )
            self._lazy[name] = function
        return function

    def __dir__(self):
        return [*super().__dir__(), *self._vm_module.function_names]

    def __repr__(self):
        return f"<BoundModule {self._vm_module!r}>"


class BoundModules(dict):
    """The modules of a context by name, as items and attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class SystemContext:
    """Modules with their state on one device."""

    def __init__(self, vm_modules=None, config=None):
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
    def vm_context(self):
        return self._vm_context

    @property
    def is_dynamic(self):
        return self._is_dynamic

    @property
    def config(self):
        return self._config

    @property
    def instance(self):
        return self._config.vm_instance

    @property
    def modules(self):
        return self._bound_modules

    def add_vm_modules(self, vm_modules):
        if not self._is_dynamic:
            raise ValueError("cannot add modules to a context made with modules")
        for m in vm_modules:
            if m.name in self._bound_modules:
                raise ValueError(f"Attempt to register duplicate VmModule: '{m.name}'")
            self._vm_context.register_modules([m])
            self._bound_modules[m.name] = BoundModule(self, m)

    def add_vm_module(self, vm_module):
        self.add_vm_modules((vm_module,))


def load_vm_modules(*vm_modules, config=None):
    """Loads modules into a new context; returns their BoundModules in order."""
    context = SystemContext(vm_modules=vm_modules, config=config)
    return [context.modules[m.name] for m in vm_modules]


def load_vm_module(vm_module, config=None):
    """Loads a module into a new context."""
    return load_vm_modules(vm_module, config=config)[0]


def _config_for(driver, backend):
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
    return Config(device=get_device(driver))


def load_vm_flatbuffer(vm_flatbuffer, *, driver=None, backend=None):
    """Loads a module from bytes, which are copied."""
    config = _config_for(driver, backend)
    module = VmModule.copy_buffer(config.vm_instance, vm_flatbuffer)
    return load_vm_module(module, config)


def load_vm_flatbuffer_file(path, *, driver=None, backend=None, destroy_callback=None):
    """Loads a module from a file, which is mapped."""
    config = _config_for(driver, backend)
    module = VmModule.mmap(config.vm_instance, path, destroy_callback=destroy_callback)
    return load_vm_module(module, config)


def normalize_value(value):
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
