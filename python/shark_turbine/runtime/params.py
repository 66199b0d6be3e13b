# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parameters of compiled modules that are not in the artifact.

    index = ParameterIndex()
    index.load("weights.safetensors")
    params = create_io_parameters_module(instance, index.create_provider(scope="model"))
    params, module = load_vm_modules(params, VmModule.mmap(instance, "model.vmfb"))

Files are mapped: contexts and processes share one copy of the weights, and a module runs
with any weights of the types it was compiled for. An index reads safetensors, IREE's .irpa
and GGUF, and writes the first two.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .. import _runtime
from . import archives, safetensors
from .dtypes import dtype_of_name
from .vm import VmInstance, VmModule

_Path = str | os.PathLike[str]


class SplatValue:
    """`count` times one element (or sizes that make up so many): elements all alike."""

    def __init__(self, pattern: Any, count: Any) -> None:
        self.item = pattern if isinstance(pattern, np.ndarray) else np.array(pattern)
        if self.item.size != 1:
            raise ValueError("SplatValue requires an array of a single element")
        self.count = int(np.prod(count))

    @property
    def pattern(self) -> np.ndarray:
        return self.item

    @property
    def total_length(self) -> int:
        """Bytes."""
        return self.item.nbytes * self.count


class FileHandle:
    """Memory that holds a file."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    @classmethod
    def wrap_memory(
        cls, host_buffer: Any, readable: bool = True, writable: bool = False
    ) -> FileHandle:
        return cls(host_buffer)

    @classmethod
    def wrap_fd(
        cls, fd: int, readable: bool = True, writable: bool = False
    ) -> FileHandle:
        """The file that is open under a descriptor, mapped."""
        with os.fdopen(os.dup(fd), "rb") as f:
            return cls(np.memmap(f, np.uint8, mode="r"))

    @property
    def is_host_allocation(self) -> bool:
        return True

    @property
    def is_async(self) -> bool:
        return False

    def host_allocation(self) -> memoryview:
        """The bytes."""
        return memoryview(self._buffer).cast("B")

    def __repr__(self) -> str:
        return f"<FileHandle {memoryview(self._buffer).nbytes} bytes>"


class ParameterIndexEntry:
    """One tensor of an index. `dtype` (as "f32") and `shape` are None if only its bytes are
    known; `metadata` is what came with it, bytes. Archives of IREE's tell types there."""

    def __init__(
        self,
        key: str,
        data: Any,
        dtype: str | None = None,
        shape: Sequence[int] | None = None,
        metadata: bytes | str | None = None,
        splat: SplatValue | None = None,
    ) -> None:
        given = metadata or b""
        self.key = key
        self.metadata = given.encode() if isinstance(given, str) else given
        if dtype is None:
            dtype, shape = _described(self.metadata) or (None, None)
        self.dtype = dtype
        self.shape = None if shape is None else list(shape)
        self._data, self._splat = data, splat

    @property
    def length(self) -> int:
        if self._splat is not None:
            return self._splat.item.nbytes * self._splat.count
        return memoryview(self._data).nbytes

    @property
    def is_file(self) -> bool:
        return self._splat is None

    @property
    def is_splat(self) -> bool:
        return self._splat is not None

    @property
    def file_view(self) -> np.ndarray:
        """The tensor's bytes, read-only."""
        if self.is_splat:
            raise ValueError(f"'{self.key}' is a splat: it has no file")
        return np.frombuffer(self._data, np.uint8)

    @property
    def file_storage(self) -> tuple[FileHandle, int]:
        return FileHandle(self._data), 0

    @property
    def splat_pattern(self) -> bytes:
        if self._splat is None:
            raise ValueError(f"'{self.key}' is no splat")
        return self._splat.item.tobytes()

    def bytes_(self) -> Any:
        if self._splat is not None:
            return np.tile(self._splat.item.reshape(-1), self._splat.count)
        return self._data

    def as_array(self) -> np.ndarray:
        """A numpy array over the bytes; without a known type, of bytes."""
        flat = np.frombuffer(self.bytes_(), np.uint8)
        if self.dtype is None:
            return flat
        dtype, shape = dtype_of_name(self.dtype), self.shape or []
        if math.prod(shape) * dtype.itemsize != flat.size:
            raise ValueError(
                f"'{self.key}': {flat.size} bytes are no {self.dtype} of sizes {shape}"
            )
        return flat.view(dtype).reshape(shape)

    def __repr__(self) -> str:
        sizes = map(str, self.shape or [])
        kind = "x".join([*sizes, self.dtype]) if self.dtype else "bytes"
        return f"<ParameterIndexEntry '{self.key}': {kind}, {self.length} bytes>"


class ParameterIndex:
    """Named tensors, from files and from memory."""

    def __init__(self) -> None:
        self._entries: list[ParameterIndexEntry] = []

    def load(
        self,
        file_path: _Path,
        format: str | None = None,
        readable: bool = True,
        writable: bool = False,
        mmap: bool = True,
    ) -> None:
        """Adds the tensors of a file, which is mapped. `format` is "safetensors", "irpa" or
        "gguf"; by default the file's suffix says."""
        path = os.fspath(file_path)
        format = format or os.path.splitext(path)[1].lstrip(".")
        _check_format(format, path)
        data = safetensors.map_file(path)
        self._add_file(data if mmap else np.array(data), path, format)

    def load_from_file_handle(self, file_handle: FileHandle, format: str) -> None:
        _check_format(format, "memory")
        data = np.frombuffer(file_handle.host_allocation(), np.uint8)
        self._add_file(data, "memory", format)

    def reserve(self, new_capacity: int) -> None:
        """Accepted, without effect."""

    def _add_file(self, data: np.ndarray, where: str, format: str) -> None:
        if format in archives.READERS:
            self._entries += map(_entry_of, archives.READERS[format](data, where))
            return
        entries, _ = safetensors.parse_header(data, where)
        for key in sorted(entries):
            kind, shape, begin, end = entries[key]
            self._entries.append(ParameterIndexEntry(key, data[begin:end], kind, shape))

    def _add(
        self,
        key: str,
        data: Any,
        dtype: str,
        shape: Sequence[int],
        metadata: bytes | str | None = None,
    ) -> None:
        self._entries.append(ParameterIndexEntry(key, data, dtype, shape, metadata))

    def add_buffer(
        self,
        key: str,
        buffer: Any,
        readable: bool = True,
        writable: bool = False,
        metadata: bytes | str | None = None,
    ) -> None:
        """Adds bytes, which are borrowed. An array brings its type, other bytes none: then
        only their number is checked."""
        dtype: str | None = None
        shape: Sequence[int] | None = None
        if isinstance(buffer, np.ndarray):
            if metadata is None:  # which tells the type, if it is there
                dtype, shape = _name_of(buffer.dtype), buffer.shape
            buffer = np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)
        self._entries.append(ParameterIndexEntry(key, buffer, dtype, shape, metadata))

    def add_splat(
        self,
        key: str,
        pattern: Any,
        total_length: int,
        metadata: bytes | str | None = None,
    ) -> None:
        """Adds bytes that repeat a pattern, which is bytes or one element."""
        item = np.frombuffer(memoryview(pattern).tobytes(), np.uint8)
        if not 0 < item.size <= 16:
            raise ValueError(
                f"'{key}': a pattern has 1 to 16 bytes, this one {item.size}"
            )
        if total_length % item.size:
            raise ValueError(
                f"'{key}': {total_length} bytes are no multiple of the pattern's {item.size}"
            )
        splat = _pattern(item.tobytes(), total_length)
        self._entries.append(
            ParameterIndexEntry(key, None, metadata=metadata, splat=splat)
        )

    def add_from_file_handle(
        self,
        key: str,
        file_handle: FileHandle,
        length: int,
        offset: int = 0,
        metadata: bytes | str | None = None,
        readable: bool = True,
        writable: bool = False,
    ) -> None:
        data = file_handle.host_allocation()[offset : offset + length]
        if len(data) != length:
            raise ValueError(f"'{key}': the file ends before offset + length")
        self._entries.append(ParameterIndexEntry(key, data, metadata=metadata))

    def items(self) -> list[tuple[str, ParameterIndexEntry]]:
        """(key, entry) of each tensor."""
        return [(e.key, e) for e in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, i: int) -> ParameterIndexEntry:
        return self._entries[i]

    def create_provider(
        self, scope: str = "", max_concurrent_operations: int | None = None
    ) -> ParameterProvider:
        return ParameterProvider(scope, self._entries)

    def create_archive_file(
        self,
        file_path: _Path,
        file_offset: int = 0,
        target_index: ParameterIndex | None = None,
    ) -> ParameterIndex:
        """Writes all tensors to a file and adds them, from there, to `target_index` (or a
        new one), which is returned. The suffix says the format: .irpa, else safetensors,
        where tensors of which only the bytes are known are written as bytes."""
        if file_offset:
            raise NotImplementedError("archives inside of other files are not written")
        path = os.fspath(file_path)
        index = ParameterIndex() if target_index is None else target_index
        if path.endswith(".irpa"):
            archives.write_irpa(path, list(map(_row_of, self._entries)))
            index.load(path)
            return index
        rows = [(e.key, e.dtype or "ui8", e.as_array()) for e in self._entries]
        safetensors.save(path, rows)
        index.load(path, "safetensors")
        return index

    def __repr__(self) -> str:
        return f"<ParameterIndex of {len(self)} tensors>"


def _check_format(format: str, where: str) -> None:
    if format not in archives.formats():
        known = ", ".join(archives.formats())
        raise ValueError(f"{where}: expected a file of {known}, not '{format}'")


def _pattern(pattern: bytes, length: int) -> SplatValue:
    item = np.frombuffer(pattern, f"V{len(pattern)}")
    return SplatValue(item, length // len(pattern))


def _entry_of(e: archives.Entry) -> ParameterIndexEntry:
    splat = _pattern(e.pattern, e.length) if e.data is None else None
    return ParameterIndexEntry(e.key, e.data, e.dtype, e.shape, e.metadata, splat)


def _row_of(e: ParameterIndexEntry) -> archives.Entry:
    """For an .irpa file, where metadata tells the type."""
    metadata = e.metadata
    if e.dtype is not None and not metadata:
        metadata = _description(e.dtype, e.shape or [])
    if e._splat is not None:
        return archives.Entry(e.key, None, e.splat_pattern, e.length, metadata)
    data = np.frombuffer(e.bytes_(), np.uint8)
    return archives.Entry(e.key, data, b"", e.length, metadata)


# ---- types in metadata: "TENSORv0:" or "PYTORCH:", and JSON ----

_PREFIXES = "TENSORv0:", "PYTORCH:"


def _described(metadata: bytes) -> tuple[str, list[int]] | None:
    """(type, sizes) that metadata tells, as IREE's packages write it."""
    text = metadata.decode(errors="replace")
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            try:
                row = json.loads(text.removeprefix(prefix))
                name, sizes = row["dtype"], [int(n) for n in row["shape"]]
            except (KeyError, TypeError, ValueError):
                return None
            for kind, _, _ in _runtime.DTYPES:
                if name == ("bfloat16" if kind == "bf16" else dtype_of_name(kind).name):
                    return kind, sizes
    return None


def _description(kind: str, shape: Sequence[int]) -> bytes:
    dtype = dtype_of_name(kind)
    row = {
        "type": "Tensor",
        "dtype": "bfloat16" if kind == "bf16" else dtype.name,
        "shape": list(shape),
        "dtype_desc": {
            "class_name": type(dtype).__name__,
            "is_complex": kind.startswith("complex"),
            "is_floating_point": kind[0] in "bf",
            "is_signed": kind[0] not in "u" and kind != "i1",
            "itemsize": dtype.itemsize,
        },
    }
    return (_PREFIXES[0] + json.dumps(row)).encode()


def _name_of(dtype: np.dtype) -> str:
    for name, _, _ in _runtime.DTYPES:
        if name != "none" and dtype_of_name(name) == dtype:
            return name
    raise ValueError(f"no element type for arrays of {dtype}")


class ParameterProvider:
    """An index under a scope."""

    def __init__(
        self, scope: str | None, entries: Sequence[ParameterIndexEntry]
    ) -> None:
        self.scope = scope
        self._entries = list(entries)

    def _add_to(self, params: _runtime.Params) -> None:
        for e in self._entries:
            params.add_tensor(self.scope, e.key, e.dtype, e.shape or [], e.bytes_())

    def __repr__(self) -> str:
        return f"<ParameterProvider '{self.scope}', {len(self._entries)} tensors>"


class _File:
    """A provider that leaves reading to the runtime."""

    def __init__(self, scope: str | None, path: _Path) -> None:
        self.scope, self.path = scope, os.fspath(path)

    def _add_to(self, params: _runtime.Params) -> None:
        params.add_file(self.scope, self.path)


class _Provider(Protocol):
    def _add_to(self, params: _runtime.Params) -> None: ...


def create_io_parameters_module(
    instance: VmInstance | None, *providers: _Provider
) -> VmModule:
    """The module that gives others their parameters: before them in a list of modules."""
    params = _runtime.Params()
    for p in providers:
        p._add_to(params)
    module = VmModule(None, name="io_parameters")
    module._params = params
    return module


def load_parameters(
    files: _Path | Sequence[_Path] | Mapping[str, Any],
    instance: VmInstance | None = None,
) -> VmModule:
    """create_io_parameters_module for .safetensors files: a path, which serves any scope, a
    list of them (the shards of one model), or {scope: path or list}."""
    rows: list[tuple[str | None, Any]] = [(None, files)]
    if isinstance(files, Mapping):
        rows = list(files.items())
    providers: list[_Provider] = []
    for scope, paths in rows:
        many = isinstance(paths, (list, tuple))
        providers += [_File(scope, p) for p in (paths if many else [paths])]
    return create_io_parameters_module(instance, *providers)


def save_archive_file(entries: Mapping[str, Any], file_path: _Path) -> ParameterIndex:
    """Writes {name: array, SplatValue or bytes} to a file; see create_archive_file."""
    index = ParameterIndex()
    for key, value in entries.items():
        if isinstance(value, SplatValue):
            index.add_splat(key, value.item.tobytes(), value.total_length)
        else:
            index.add_buffer(key, value)
    return index.create_archive_file(file_path)


def parameter_index_add_numpy_ndarray(
    index: ParameterIndex, key: str, array: np.ndarray
) -> None:
    index.add_buffer(key, array)


def parameter_index_entry_as_numpy_flat_ndarray(
    entry: ParameterIndexEntry,
) -> np.ndarray:
    return np.frombuffer(entry.bytes_(), np.uint8)


def parameter_index_entry_as_numpy_ndarray(entry: ParameterIndexEntry) -> np.ndarray:
    """An array of the type that the file, or metadata, tells; ValueError if none does."""
    if entry.dtype is None:
        raise ValueError(f"'{entry.key}': only its bytes are known, not its type")
    return entry.as_array()
