# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FunctionInvoker: a function of a loaded module as a Python callable."""

import json

from .array_interop import DeviceArray

_LISTS = {"slist": list, "stuple": tuple}


class FunctionInvoker:
    """Calls one function.

    Takes numpy arrays, torch tensors, DeviceArrays, anything with DLPack, and Python
    numbers; gives None, a DeviceArray or a tuple of them. If the module says how its
    tensors make up Python structures (reflection key "iree.abi"), keyword arguments are
    taken and nested lists and dicts go in and out.
    """

    __slots__ = ("_call", "_device", "_names", "_results", "_args", "vm_function")

    def __init__(self, vm_context, device, vm_function):
        session = vm_context._session(vm_function._module)
        self._call = session.bind(vm_function.ordinal)
        self._device = device
        self.vm_function = vm_function
        abi = json.loads(vm_function.reflection.get("iree.abi", "{}"))
        args = abi.get("a") or []
        self._args = None if all(map(_is_tensor, args)) else args
        self._results = _result_type(abi.get("r"))
        self._names = _names(args) or [
            row[0] for row in session.module.inputs(vm_function.ordinal)
        ]

    def __call__(self, *args, **kwargs):
        if kwargs or self._args:
            args = self._arrange(args, kwargs)
        result = self._call(*args)
        if self._results is not None:
            flat = result if isinstance(result, tuple) else (result,)
            return _assemble(self._results, iter(flat), self._device)
        if result is None:
            return None
        if isinstance(result, tuple):
            return tuple(DeviceArray._wrap(self._device, r) for r in result)
        return DeviceArray._wrap(self._device, result)

    def _arrange(self, args, kwargs):
        """Positional and keyword arguments as one flat list of tensors."""
        args = list(args)
        if kwargs:
            if not any(self._names):
                raise ValueError("kwargs not supported for dynamic dispatch functions")
            rest = self._names[len(args) :]
            for name in kwargs:
                if name not in rest:
                    raise ValueError(
                        f"{self._name()}: unexpected argument '{name}'; "
                        f"expected {', '.join(self._names)}"
                    )
            for name in rest:
                if name not in kwargs:
                    raise ValueError(f"{self._name()}: argument '{name}' is missing")
                args.append(kwargs[name])
        if not self._args:
            return args
        if len(args) != len(self._args):
            raise ValueError(
                f"{self._name()}: expected {len(self._args)} arguments, "
                f"found {len(args)}"
            )
        flat = []
        for value, desc in zip(args, self._args):
            _flatten(value, desc, flat)
        return flat

    def _name(self):
        return self.vm_function.name

    def __repr__(self):
        return repr(self.vm_function)


# IREE's ABI descriptions: ["ndarray", "f32", rank, dims...], ["named", name, desc],
# ["slist"|"stuple", desc...], ["sdict", [key, desc]...], or a scalar such as "i32".


def _is_tensor(desc):
    return not isinstance(desc, list) or desc[0] == "ndarray"


def _names(descs):
    if not descs or not all(isinstance(d, list) and d[0] == "named" for d in descs):
        return None
    return [d[1] for d in descs]


def _flatten(value, desc, out):
    kind = desc[0] if isinstance(desc, list) else desc
    if kind == "named":
        _flatten(value, desc[2], out)
    elif kind in _LISTS:
        if not isinstance(value, (list, tuple)) or len(value) != len(desc) - 1:
            raise ValueError(
                f"expected a {_LISTS[kind].__name__} of {len(desc) - 1}, found {value!r}"
            )
        for v, d in zip(value, desc[1:]):
            _flatten(v, d, out)
    elif kind == "sdict":
        keys = [k for k, _ in desc[1:]]
        if not isinstance(value, dict) or set(value) != set(keys):
            raise ValueError(f"expected a dict with the keys {keys}, found {value!r}")
        for k, d in desc[1:]:
            _flatten(value[k], d, out)
    else:
        out.append(value)


def _result_type(descs):
    """None for plain tensors; else the structure of the results."""
    if not descs or all(map(_is_tensor, descs)):
        return None
    return descs[0] if len(descs) == 1 else ["stuple", *descs]


def _assemble(desc, flat, device):
    kind = desc[0] if isinstance(desc, list) else desc
    if kind == "named":
        return _assemble(desc[2], flat, device)
    if kind in _LISTS:
        return _LISTS[kind](_assemble(d, flat, device) for d in desc[1:])
    if kind == "sdict":
        return {k: _assemble(d, flat, device) for k, d in desc[1:]}
    return DeviceArray._wrap(device, next(flat))
