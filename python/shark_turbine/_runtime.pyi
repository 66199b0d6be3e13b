# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The extension in python/_runtime: a skin over include/turbine/runtime.h."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias, final

DTYPES: list[tuple[str, int, int]]  # (name, code, bytes)

# (name, element type, sizes with -1 for open ones, least sizes, greatest sizes)
_Value: TypeAlias = tuple[str, str, list[int], list[int], list[int]]

def roof(kind: str, threads: int = 1, seconds: float = 0.1) -> float: ...

@final
class Profile:
    def __init__(self) -> None: ...
    def table(self, rows: int = 0) -> str: ...
    def trace(self) -> str: ...
    def reset(self) -> None: ...
    def set_roof(self, f32: float, copy: float) -> None: ...

@final
class Device:
    def __init__(self, uri: str, workers: int = 0, openmp: bool = False) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def workers(self) -> int: ...
    @workers.setter
    def workers(self, n: int) -> None: ...

@final
class Tensor:
    def __init__(self, dtype: str, shape: Sequence[int]) -> None: ...
    @staticmethod
    def copy_of(object: Any, dtype: str | None = None) -> Tensor: ...
    @staticmethod
    def over(object: Any) -> Tensor: ...
    def view(self, dtype: str, shape: Sequence[int], offset: int = 0) -> Tensor: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def __buffer__(self, flags: int) -> memoryview: ...
    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...

_Results: TypeAlias = Tensor | tuple[Tensor, ...] | None

@final
class Module:
    @staticmethod
    def from_file(
        path: str | bytes | PathLike[str], verify_weights: bool = False
    ) -> Module: ...
    @staticmethod
    def from_buffer(
        buffer: Any,
        copy: bool = False,
        on_release: Callable[[], Any] | None = None,
        verify_weights: bool = False,
    ) -> Module: ...
    @property
    def name(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def functions(self) -> list[str]: ...
    @property
    def globals(self) -> list[_Value]: ...
    @property
    def parameters(self) -> list[tuple[str, str, str, list[int]]]: ...
    def inputs(self, function: int | str) -> list[_Value]: ...
    def results(self, function: int | str) -> list[_Value]: ...
    def function_attr(self, function: int | str, key: str) -> str | None: ...

@final
class Params:
    def __init__(self) -> None: ...
    def add_file(
        self, scope: str | None, path: str | bytes | PathLike[str]
    ) -> None: ...
    def add_buffer(self, scope: str | None, buffer: Any) -> None: ...
    def add_tensor(
        self,
        scope: str | None,
        name: str,
        dtype: str | None,
        dims: Sequence[int],
        buffer: Any,
    ) -> None: ...

@final
class Session:
    def __init__(
        self,
        module: Module,
        device: Device,
        params: Params | None = None,
        profile: Profile | None = None,
    ) -> None: ...
    @property
    def params(self) -> Params | None: ...
    @property
    def module(self) -> Module: ...
    @property
    def device(self) -> Device: ...
    def call(self, function: int | str, *inputs: Any) -> _Results: ...
    def bind(
        self,
        function: int | str,
        torch: bool = False,
        arguments: int = 0,
        inputs: Any = None,
        outputs: Any = None,
        draw: Callable[[], Any] | None = None,
        boxed: bool = False,
        saving: tuple[int, int, Sequence[int]] | None = None,
    ) -> Callable[..., Any]: ...
    def transient_bytes(self, function: int | str) -> int: ...
    def global_(self, index: int) -> Tensor: ...
    def read_global(self, index: int) -> Tensor: ...
    def write_global(self, index: int, array: Any) -> None: ...

@final
class Bound:
    def __call__(self, *inputs: Any) -> Any: ...

@final
class Specialization:
    """What a function is for one kind of arguments; specialize.c."""

    def __init__(
        self,
        alive: dict[str, Any],
        locals: int,
        call: Callable[..., Any],
        *,
        check: Callable[[dict[str, Any]], bool] | None = None,
        state: Callable[[], bool] | None = None,
        modes: Callable[[], int] | None = None,
        steps: tuple[tuple[str, int, Any], ...] = (),
        tests: tuple[tuple[str, int, Any], ...] = (),
        tensors: Callable[..., bool] | None = None,
        tensors_at: tuple[int, ...] = (),
        arguments: tuple[int, ...] | None = None,
        single: bool = False,
        workers: int = 0,
    ) -> None: ...
    @property
    def is_native(self) -> bool: ...

class Direct:
    """The base of what shark_turbine.jit returns; direct.c."""

    @property
    def _specializations(self) -> list[Specialization]: ...
    def _watch(
        self,
        names: tuple[str, ...],
        positional: int,
        positional_only: int,
        named: int,
        var_args: bool,
        var_kwargs: bool,
        defaults: dict[str, Any],
        cells: tuple[Any, ...],
        first: Any,
        empty: tuple[dict[Any, Any], ...],
        unchanged: tuple[Any, str, Any, dict[str, Any] | None] | None,
        /,
    ) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
