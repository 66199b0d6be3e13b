# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files of named tensors in the safetensors format, with numpy alone.

Layout: 8 bytes, the length of a JSON header (little-endian); the header, {"name":
{"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__":
{text: text}}; the data. Offsets count from the end of the header and cover the data
without gaps. https://github.com/huggingface/safetensors has the definition.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from .dtypes import dtype_of_name

# The format's name of a type -> ours.
TYPES = {
    "BOOL": "i1",
    "U8": "ui8",
    "I8": "i8",
    "U16": "ui16",
    "I16": "i16",
    "F16": "f16",
    "BF16": "bf16",
    "U32": "ui32",
    "I32": "i32",
    "F32": "f32",
    "U64": "ui64",
    "I64": "i64",
    "F64": "f64",
    "C64": "complex<f32>",
}
_NAMES = {ours: name for name, ours in TYPES.items()}
Entry = tuple[str, list[int], int, int]  # type, shape, begin, end
_MOST_HEADER = 100_000_000  # bytes; the format's own limit


def parse_header(
    data: np.ndarray, where: str = "safetensors"
) -> tuple[dict[str, Entry], dict[str, str]]:
    """({name: (type, shape, begin, end)}, metadata) of a whole file's bytes.

    `type` is our name ("f32"), offsets are from the start of the file. ValueError says
    what is wrong with a file that is not well formed.
    """
    total = len(data)
    if total < 8:
        raise ValueError(f"{where}: {total} bytes are too few for a safetensors file")
    size = int.from_bytes(bytes(data[:8]), "little")
    if size > min(total - 8, _MOST_HEADER):
        raise ValueError(f"{where}: a header of {size} bytes in a file of {total}")
    try:
        header = json.loads(bytes(data[8 : 8 + size]).decode("utf-8"))
    except ValueError as e:
        raise ValueError(f"{where}: the header is no JSON: {e}") from None
    if not isinstance(header, dict):
        raise ValueError(f"{where}: the header is no JSON object")
    metadata = header.pop("__metadata__", None) or {}
    entries = {n: _entry(n, row, where) for n, row in header.items()}
    _check_cover(entries, total - 8 - size, where)
    return {
        name: (kind, shape, begin + 8 + size, end + 8 + size)
        for name, (kind, shape, begin, end) in entries.items()
    }, metadata


def _entry(name: str, row: Any, where: str) -> Entry:
    try:
        kind, shape, (begin, end) = row["dtype"], row["shape"], row["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{where}: tensor '{name}' is not described") from None
    if kind not in TYPES:
        raise ValueError(f"{where}: tensor '{name}' has the unknown type {kind!r}")
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"{where}: tensor '{name}' has sizes or offsets that are none")
    bytes_ = math.prod(shape) * dtype_of_name(TYPES[kind]).itemsize
    if end - begin != bytes_:
        raise ValueError(
            f"{where}: tensor '{name}' needs {bytes_} bytes, its offsets give {end - begin}"
        )
    return TYPES[kind], list(shape), begin, end


def _check_cover(entries: dict[str, Entry], total: int, where: str) -> None:
    at = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda e: e[1][2:]):
        if begin != at:
            raise ValueError(f"{where}: tensor '{name}' begins at {begin}, not at {at}")
        at = end
    if at != total:
        raise ValueError(f"{where}: expected {at} bytes of data, found {total}")


def load(
    path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """({name: array}, metadata). The arrays are views of the mapped file, read-only."""
    where = os.fspath(path)
    data = map_file(where)
    entries, metadata = parse_header(data, where)
    return {
        name: data[begin:end].view(dtype_of_name(kind)).reshape(shape)
        for name, (kind, shape, begin, end) in entries.items()
    }, metadata


def map_file(path: str | os.PathLike[str]) -> np.ndarray:
    """A file's bytes as a read-only array, mapped where the system can."""
    if os.path.getsize(path) == 0:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r")


def header_of(
    tensors: Iterable[tuple[str, str, Iterable[int], int]],
    metadata: dict[str, Any] | None = None,
) -> bytes:
    """The bytes before the data; `tensors` are (name, our type name, shape, bytes)."""
    header: dict[str, Any] = {}
    at = 0
    if metadata:
        header["__metadata__"] = {str(k): str(v) for k, v in metadata.items()}
    for name, kind, shape, size in tensors:
        if kind not in _NAMES:
            raise ValueError(f"'{name}': safetensors files have no type {kind}")
        header[name] = {
            "dtype": _NAMES[kind],
            "shape": list(shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def save(
    path: str | os.PathLike[str],
    tensors: Iterable[tuple[str, str, Any]],
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes (name, our type name, buffer) rows; whole or not at all.

    A buffer is what memoryview takes, dense; its shape is that of the tensor.
    """
    rows = []
    for name, kind, buffer in sorted(tensors, key=_by_alignment):
        view = memoryview(buffer)
        rows.append((name, kind, view.shape or (), view))
    header = header_of([(n, k, s, v.nbytes) for n, k, s, v in rows], metadata)
    with replacing(path) as f:
        f.write(header)
        for *_, view in rows:
            if view.nbytes:
                f.write(
                    view.cast("B") if view.format != "B" or view.ndim != 1 else view
                )


def _by_alignment(row: tuple[str, str, Any]) -> tuple[int, str]:
    """Wide types first, so that every tensor is aligned to its type in the file."""
    name, kind, _ = row
    return -dtype_of_name(kind).itemsize, name


class replacing:
    """A binary file that takes the name `path` when it is complete."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __enter__(self) -> IO[bytes]:
        import tempfile  # not before it is needed: it is slow to import

        folder = os.path.dirname(os.path.abspath(self.path))
        handle, self.temporary = tempfile.mkstemp(dir=folder, prefix=".turbine-")
        self.file = os.fdopen(handle, "wb")
        return self.file

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.file.close()
        if kind is not None:
            os.unlink(self.temporary)
            return
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(self.temporary, 0o666 & ~mask)
        os.replace(self.temporary, self.path)
