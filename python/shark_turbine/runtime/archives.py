# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Archives of parameters in IREE's format (.irpa, both ways) and in GGUF (reading).

IRPA, all numbers little-endian: a header of 88 bytes (magic "IRPA", u16 major and minor
version 0, u64 header size, u64 offset of a next header or 0, u64 flags, u64 number of
entries, and offset and length, u64 each, of three segments: entries, names and metadata,
storage); offsets count from the header. An entry, aligned to 16: u64 size, u32 type, u64
flags, (offset, length) of its name and of its metadata in their segment, u64 alignment; then
of a splat (type 1) u64 length, 16 bytes of pattern, u8 pattern length; of data (type 2)
(offset, length) in the storage. Type 0 is skipped.

GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.

A file that is not well formed is a ValueError that says what is wrong.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import safetensors
from .dtypes import dtype_of_name


class Entry(NamedTuple):
    """A tensor of a file: its bytes, or a pattern that repeats to `length` bytes. `dtype`
    (as "f32") and `shape` are None where the file does not say."""

    key: str
    data: np.ndarray | None
    pattern: bytes
    length: int
    metadata: bytes = b""
    dtype: str | None = None
    shape: list[int] | None = None


class _Reader:
    """Numbers and texts from bytes, one after the other."""

    def __init__(self, data: np.ndarray, where: str, at: int = 0) -> None:
        self.data, self.where, self.at = data, where, at

    def fail(self, what: str) -> ValueError:
        return ValueError(f"{self.where}: {what}")

    def take(self, n: int) -> bytes:
        if n < 0 or n > len(self.data) - self.at:
            raise self.fail(f"ends at {len(self.data)}, within {n} bytes at {self.at}")
        self.at += n
        return self.data[self.at - n : self.at].tobytes()

    def unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def number(self, layout: str) -> Any:
        return self.unpack(layout)[0]

    def slice(self, begin: int, length: int, what: str) -> np.ndarray:
        if begin > len(self.data) or length > len(self.data) - begin:
            raise self.fail(f"{what}: {length} bytes at {begin} lie outside the file")
        return self.data[begin : begin + length]

    def text(self, raw: np.ndarray | bytes, what: str) -> str:
        try:
            return bytes(raw).decode()
        except UnicodeDecodeError:
            raise self.fail(f"{what} is no text") from None


# ---- IRPA ----

_HEADER, _ENTRY = "4sHHQQQQ6Q", "QIQ4QQ"
_SPLAT, _DATA = 1, 2


def read_irpa(data: np.ndarray, where: str = "irpa") -> list[Entry]:
    """The entries of a whole file's bytes, views of it."""
    entries: list[Entry] = []
    at = 0
    while True:
        following = _read_header(_Reader(data, where, at), at, entries)
        if following == 0:
            return entries
        if following < struct.calcsize("<" + _HEADER):
            raise ValueError(
                f"{where}: the next header is said to be {following} ahead"
            )
        at += following


def _read_header(r: _Reader, base: int, entries: list[Entry]) -> int:
    magic, major, _, _, following, _, count, *segments = r.unpack(_HEADER)
    if magic != b"IRPA":
        raise r.fail(f"expected the magic 'IRPA' at {base}, found {magic!r}")
    if major != 0:
        raise r.fail(f"version {major} is not known")
    begin, size, names, names_size, storage, storage_size = segments
    r.slice(base + begin, size, "entries")
    end = base + begin + size
    texts = _Reader(r.slice(base + names, names_size, "names"), r.where)
    bytes_ = _Reader(r.slice(base + storage, storage_size, "storage"), r.where)
    r.at = base + begin
    for _ in range(count):
        start = r.at
        if start >= end:
            raise r.fail(f"expected {count} entries, found {len(entries)}")
        size, entry = _read_entry(r, texts, bytes_)
        if entry is not None:
            entries.append(entry)
        r.at = start + (size + 15) // 16 * 16
    return following


def _read_entry(
    r: _Reader, texts: _Reader, storage: _Reader
) -> tuple[int, Entry | None]:
    size, kind, _, name, name_size, meta, meta_size, _ = r.unpack(_ENTRY)
    if size < struct.calcsize("<" + _ENTRY):
        raise r.fail(f"an entry of {size} bytes")
    key = r.text(texts.slice(name, name_size, "a name"), "a name")
    metadata = texts.slice(meta, meta_size, f"'{key}'").tobytes()
    if kind == _SPLAT:
        length, pattern, n = r.unpack("Q16sB")
        if not 0 < n <= 16 or length % n:
            raise r.fail(f"'{key}': {length} bytes of a pattern of {n}")
        return size, Entry(key, None, pattern[:n], length, metadata)
    if kind == _DATA:
        begin, length = r.unpack("QQ")
        data = storage.slice(begin, length, f"'{key}'")
        return size, Entry(key, data, b"", length, metadata)
    if kind != 0:
        raise r.fail(f"'{key}': entries of type {kind} are not known")
    return size, None


def write_irpa(path: str | os.PathLike[str], entries: Sequence[Entry]) -> None:
    """Writes a file, whole or not at all."""
    table, names = bytearray(), bytearray()
    storage, blocks = 0, []
    for e in entries:
        key = e.key.encode()
        head = [0, len(names), len(key), len(names) + len(key), len(e.metadata)]
        names += key + e.metadata
        if e.data is None:
            kind, align = _SPLAT, 0
            tail = struct.pack("<Q16sB", e.length, e.pattern, len(e.pattern))
        else:
            kind, align = _DATA, 64
            storage = (storage + 63) // 64 * 64
            tail = struct.pack("<QQ", storage, e.length)
            blocks.append((storage, e.data))
            storage += e.length
        if not e.metadata:
            head[3] = 0
        size = struct.calcsize("<" + _ENTRY) + len(tail)
        table += b"\0" * (-len(table) % 16)
        table += struct.pack("<" + _ENTRY, size, kind, *head, align) + tail
    first = struct.calcsize("<" + _HEADER)
    begin = (first + 15) // 16 * 16
    text_at = begin + len(table)
    data_at = (text_at + len(names) + 63) // 64 * 64
    segments = begin, len(table), text_at, len(names), data_at, storage
    header = struct.pack(
        "<" + _HEADER, b"IRPA", 0, 0, first, 0, 0, len(entries), *segments
    )
    with safetensors.replacing(path) as f:
        f.write(header.ljust(begin, b"\0") + table + names)
        for offset, data in blocks:
            f.write(b"\0" * (data_at + offset - f.tell()))
            f.write(data.data)
        f.write(b"\0" * (-f.tell() % 4096))


# ---- GGUF ----

# type -> (ours, or None for blocks; elements and bytes of a block)
_TYPES: dict[int, tuple[str | None, int, int]] = {
    0: ("f32", 1, 4),
    1: ("f16", 1, 2),
    2: (None, 32, 18),
    3: (None, 32, 20),
    6: (None, 32, 22),
    7: (None, 32, 24),
    8: (None, 32, 34),
    9: (None, 32, 36),
    10: (None, 256, 84),
    11: (None, 256, 110),
    12: (None, 256, 144),
    13: (None, 256, 176),
    14: (None, 256, 210),
    15: (None, 256, 292),
    24: ("i8", 1, 1),
    25: ("i16", 1, 2),
    26: ("i32", 1, 4),
    27: ("i64", 1, 8),
    28: ("f64", 1, 8),
    30: ("bf16", 1, 2),
}
_SCALARS = "BbHhIif?", "QqdI"  # of kinds 0 to 7, and 10 to 12
_STRING, _ARRAY = 8, 9


def read_gguf(data: np.ndarray, where: str = "gguf") -> list[Entry]:
    """The tensors of a whole file's bytes, views of it. Quantized ones, which have no
    element type here, come as bytes; `metadata` says "gguf:TYPE" and their sizes."""
    r = _Reader(data, where)
    magic, version, n_tensors, n_values = r.unpack("4sIQQ")
    if magic != b"GGUF" or version not in (2, 3):
        raise r.fail("expected a GGUF file of version 2 or 3")
    alignment = 32
    for _ in range(n_values):
        key = _gguf_text(r)
        value = _gguf_value(r, r.number("I"))
        if key == "general.alignment":
            alignment = value
    if not isinstance(alignment, int) or alignment <= 0 or alignment % 8:
        raise r.fail(f"an alignment of {alignment}")
    rows = [_gguf_row(r) for _ in range(n_tensors)]
    base = (r.at + alignment - 1) // alignment * alignment
    return [_gguf_entry(r, base, *row) for row in rows]


def _gguf_text(r: _Reader) -> str:
    return r.text(r.take(r.number("Q")), "a name")


def _gguf_value(r: _Reader, kind: int, depth: int = 0) -> Any:
    if kind == _STRING:
        return r.take(r.number("Q"))
    if kind == _ARRAY and depth < 4:
        inner, n = r.unpack("IQ")
        for _ in range(n):
            _gguf_value(r, inner, depth + 1)
        return None
    if 0 <= kind < 8:
        return r.number(_SCALARS[0][kind])
    if 10 <= kind < 13:
        return r.number(_SCALARS[1][kind - 10])
    raise r.fail(f"values of kind {kind} are not known")


def _gguf_row(r: _Reader) -> tuple[str, list[int], int, int]:
    key, rank = _gguf_text(r), r.number("I")
    if rank > 16:
        raise r.fail(f"'{key}': rank {rank}")
    shape = [r.number("Q") for _ in range(rank)][::-1]
    kind, offset = r.unpack("IQ")
    return key, shape, kind, offset


def _gguf_entry(
    r: _Reader, base: int, key: str, shape: list[int], kind: int, offset: int
) -> Entry:
    if kind not in _TYPES:
        raise r.fail(f"'{key}': type {kind} is not known")
    dtype, elements, size = _TYPES[kind]
    if (shape[-1] if shape else 1) % elements:
        raise r.fail(f"'{key}': rows of {shape[-1]} in blocks of {elements}")
    length = math.prod(shape) // elements * size
    data = r.slice(base + offset, length, f"'{key}'")
    if dtype is None:
        text = f"gguf:{kind}:{'x'.join(map(str, shape))}"
        return Entry(key, data, b"", length, text.encode())
    assert dtype_of_name(dtype).itemsize == size
    return Entry(key, data, b"", length, b"", dtype, shape)


# ---- by suffix ----

READERS = {"irpa": read_irpa, "gguf": read_gguf}


def formats() -> Iterable[str]:
    return ["safetensors", *READERS]
