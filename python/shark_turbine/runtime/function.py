# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FunctionInvoker: a function of a loaded module as a Python callable.

How tensors make up the values of Python is said by one of two attributes of a function:
"turbine.abi", which our compiler writes (shark_turbine/aot/abi.py), and "iree.abi", IREE's.
Both become the trees that structure.py works with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import timeline
from .array_interop import DeviceArray
from .structure import Structure

if TYPE_CHECKING:
    import concurrent.futures

    from .hal import HalDevice
    from .vm import VmContext, VmFunction


class FunctionInvoker:
    """Calls one function.

    Takes numpy arrays, torch tensors, DeviceArrays, anything with DLPack, and Python
    numbers; gives None, a DeviceArray or a tuple of them. Arguments may come flat, as the
    function counts them, or as the Python function it was made of takes them: by keyword,
    in lists, tuples and dicts. Results that were nested come as a `Results`.
    """

    __slots__ = (
        "_call",
        "_context",
        "_device",
        "_is_flat",
        "_plain",
        "_structure",
        "vm_function",
    )

    def __init__(
        self, vm_context: VmContext, device: HalDevice, vm_function: VmFunction
    ) -> None:
        session = vm_context._session(vm_function._module)
        self._call = session.bind(vm_function.ordinal)
        self._context = vm_context
        self._device = device
        self.vm_function = vm_function
        names = [row[0] for row in session.module.inputs(vm_function.ordinal)]
        self._structure = Structure.of(vm_function.name, vm_function.reflection, names)
        self._is_flat = self._structure.has_flat_arguments
        self._plain = self._structure.has_plain_results

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or not self._is_flat:
            args = tuple(self._structure.flatten(args, kwargs))
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

    def submit(self, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """The same call in the context's own thread, while the caller goes on.

        The future has the result, or the exception, that the call would have given;
        `await asyncio.wrap_future(f.submit(x))` waits in an event loop. Calls submitted in
        one context run one after the other, in order. Arguments must not change meanwhile.
        """
        return self._context._submit(lambda: self(*args, **kwargs))

    def __repr__(self) -> str:
        return repr(self.vm_function)


class AsyncFunctionInvoker(FunctionInvoker):
    """NAME$async: takes the fence to wait for and the one to signal behind the inputs.

    Gives what NAME gives, now or later: see VmContext.invoke, which has buffer views that
    wait. Here the call waits for the first fence.
    """

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        *inputs, wait, signal = args
        if wait is not None:
            wait.wait()
        result = super().__call__(*inputs, **kwargs)
        timeline.signal(signal)
        return result
