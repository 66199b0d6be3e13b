# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The extension in python/_compiler: a program under construction, and its compilation."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final, overload

_Size: TypeAlias = int | Dim
_Location: TypeAlias = tuple[str, int, str, str]  # file, line, function, module path
_Type: TypeAlias = tuple[str, Sequence[_Size]] | None

def ops() -> list[str]: ...
def stages() -> list[str]: ...
def host_level() -> str: ...
def lookup(name: str) -> str | None: ...
def parse_mlir(text: str | bytes, file_name: str = ...) -> Unit: ...
def parse_text(text: str | bytes, file_name: str = ...) -> Unit: ...

@final
class Artifact:
    def map_memory(self) -> memoryview: ...
    def save(self, path: str) -> None: ...
    def __buffer__(self, flags: int) -> memoryview: ...
    def __len__(self) -> int: ...

@final
class Dim:
    def min(self, other: _Size) -> Dim: ...
    def max(self, other: _Size) -> Dim: ...
    def ceildiv(self, other: _Size) -> Dim: ...
    @property
    def range(self) -> tuple[int, int]: ...
    @property
    def hint(self) -> int: ...
    def __add__(self, other: _Size) -> Dim: ...
    def __radd__(self, other: _Size) -> Dim: ...
    def __sub__(self, other: _Size) -> Dim: ...
    def __rsub__(self, other: _Size) -> Dim: ...
    def __mul__(self, other: _Size) -> Dim: ...
    def __rmul__(self, other: _Size) -> Dim: ...
    def __floordiv__(self, other: _Size) -> Dim: ...
    def __rfloordiv__(self, other: _Size) -> Dim: ...
    def __mod__(self, other: _Size) -> Dim: ...
    def __rmod__(self, other: _Size) -> Dim: ...
    def __neg__(self) -> Dim: ...

@final
class Value:
    @property
    def dtype(self) -> str: ...
    @property
    def dims(self) -> list[_Size | None]: ...
    @property
    def id(self) -> int: ...

@final
class Function:
    @property
    def unit(self) -> Unit: ...
    def input(self, name: str, dtype: str, dims: Sequence[_Size]) -> Value: ...
    def output(self, value: Value, name: str = "") -> None: ...
    def attribute(self, key: str, value: str) -> None: ...
    def constant(
        self,
        data: Any,
        dtype: str,
        dims: Sequence[int],
        pointer: int | None = None,
        name: str = "",
        external: bool = False,
        scope: str = "",
        parameter: bool = False,
    ) -> Value: ...
    def constant_index(
        self,
        data: Any,
        dtype: str,
        dims: Sequence[int],
        pointer: int | None = None,
        name: str = "",
        external: bool = False,
        scope: str = "",
        parameter: bool = False,
    ) -> int: ...
    def call(
        self,
        op: str,
        args: Sequence[Any],
        results: Sequence[_Type],
        kwargs: dict[str, Any] | None = None,
        is_list: bool = False,
        location: _Location | None = None,
        name: str = "",
    ) -> list[Value]: ...
    def read(self, index: int) -> Value: ...
    def write(self, index: int, value: Value) -> None: ...
    def dim_value(self, dim: _Size) -> Value: ...
    def item(
        self,
        value: Value,
        name: str,
        min: int = 0,
        max: int | None = None,
        location: _Location | None = None,
    ) -> Dim: ...
    def assert_(
        self, condition: Value, message: str, location: _Location | None = None
    ) -> None: ...
    def graph(self) -> Function: ...
    def control(
        self,
        kind: str,
        operands: Sequence[Any],
        graphs: Sequence[Function],
        results: Sequence[_Type],
        location: _Location | None = None,
    ) -> list[Value]: ...

@final
class Unit:
    def __init__(self, name: str = "module") -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def functions(self) -> list[str]: ...
    @property
    def constants(self) -> list[Any]: ...
    def symbol(
        self,
        name: str,
        min: int = 0,
        max: int | None = None,
        hint: int = 0,
        argument: int | None = None,
        result: bool = False,
    ) -> Dim: ...
    def assume_equal(self, a: _Size, b: _Size) -> None: ...
    def function(self, name: str, exported: bool = True) -> Function: ...
    def global_(
        self,
        name: str,
        dtype: str,
        dims: Sequence[int],
        init: int | None = None,
        mutable: bool = True,
    ) -> int: ...
    def text(self, data: bool = False, locations: bool = False) -> str: ...
    def verify(self) -> None: ...
    def parameters(
        self,
    ) -> list[tuple[str | None, str, str, list[int], int | None]]: ...
    def mlir(self, locations: bool = False, large_elements_limit: int = -1) -> str: ...
    def print(self, stage: str, targets: Sequence[str] = ()) -> str: ...
    @overload
    def compile(
        self,
        targets: Sequence[str] = (),
        threads: int = 0,
        bf16_matmul: bool = False,
        dump: str | None = None,
        progress: Callable[[str, int, int], Any] | None = None,
        stock_iree: bool = False,
        external_scope: str | None = None,
        tune: float = 0.0,
        *,
        object: str,
        workers: int = 0,
    ) -> tuple[str, list[tuple[str, Artifact]]]: ...
    @overload
    def compile(
        self,
        targets: Sequence[str] = (),
        threads: int = 0,
        bf16_matmul: bool = False,
        dump: str | None = None,
        progress: Callable[[str, int, int], Any] | None = None,
        stock_iree: bool = False,
        external_scope: str | None = None,
        tune: float = 0.0,
        object: None = None,
        path: None = None,
        workers: int = 0,
    ) -> Artifact: ...
    @overload
    def compile(
        self,
        targets: Sequence[str] = (),
        threads: int = 0,
        bf16_matmul: bool = False,
        dump: str | None = None,
        progress: Callable[[str, int, int], Any] | None = None,
        stock_iree: bool = False,
        external_scope: str | None = None,
        tune: float = 0.0,
        object: None = None,
        *,
        path: str | None,
        workers: int = 0,
    ) -> Artifact | None: ...
    def evaluate(
        self, function: str, inputs: Sequence[tuple[Any, str, Sequence[int]]]
    ) -> list[tuple[bytes, str, list[int]]]: ...
