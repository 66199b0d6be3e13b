# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FunctionInvoker: a function of a loaded module as a Python callable.

How tensors make up the values of Python is said by one of two attributes of a function:
"turbine.abi", which our compiler writes (shark_turbine/aot/abi.py), and "iree.abi", IREE's.
Both become the trees that structure.py works with.
"""

from .array_interop import DeviceArray
from .structure import Structure


class FunctionInvoker:
    """Calls one function.

    Takes numpy arrays, torch tensors, DeviceArrays, anything with DLPack, and Python
    numbers; gives None, a DeviceArray or a tuple of them. Arguments may come flat, as the
    function counts them, or as the Python function it was made of takes them: by keyword,
    in lists, tuples and dicts. Results that were nested come as a `Results`.
    """

    __slots__ = ("_call", "_device", "_structure", "_is_flat", "_plain", "vm_function")

    def __init__(self, vm_context, device, vm_function):
        session = vm_context._session(vm_function._module)
        self._call = session.bind(vm_function.ordinal)
        self._device = device
        self.vm_function = vm_function
        names = [row[0] for row in session.module.inputs(vm_function.ordinal)]
        self._structure = Structure.of(vm_function.name, vm_function.reflection, names)
        self._is_flat = self._structure.has_flat_arguments
        self._plain = self._structure.has_plain_results

    def __call__(self, *args, **kwargs):
        if kwargs or not self._is_flat:
            args = self._structure.flatten(args, kwargs)
        result = self._call(*args)
        if self._plain:
            if type(result) is tuple:
                return tuple(DeviceArray._wrap(self._device, r) for r in result)
            return None if result is None else DeviceArray._wrap(self._device, result)
        tensors = (
            () if result is None else result if type(result) is tuple else (result,)
        )
        arrays = [DeviceArray._wrap(self._device, r) for r in tensors]
        return self._structure.results(arrays)

    def __repr__(self):
        return repr(self.vm_function)
