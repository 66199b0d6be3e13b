# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Archives of parameters: IREE's .irpa both ways, GGUF in."""

import base64
import os
import struct
import zlib

import numpy as np
import pytest
import shark_turbine.runtime as rt
from shark_turbine.runtime import archives

# Written by iree-base-runtime 3.13: f32 0 to 5 as "w.first" with the metadata "META1", ten
# times an i16 7 as "s", the bytes 1 2 3 as "long.name.b".
THEIRS = zlib.decompress(
    base64.b85decode(
        "c-r#}3UFiqf(QoefEh|BK<PhFI))KKOF;PzP`)#oejg~!gvD%jG@2DkJD{nPKw^hNX+|V59xP(mfC"
        "!p>3|QQT&Aq%(nj43?4rnwi%*yrBGK-2!d|g8v4U2Q~^V0S55_41ak}yqZu!m@O0OAH9Uf{q$Bw%"
        "D>W*7ydU=)mkQ7{Td!6+C7qhJ(_f>AIE2mt^{j}i+"
    )
)


def view(data):
    return np.frombuffer(data, np.uint8)


@pytest.fixture
def theirs(tmp_path):
    path = tmp_path / "theirs.irpa"
    path.write_bytes(THEIRS)
    index = rt.ParameterIndex()
    index.load(str(path))
    return index


def test_a_file_of_iree(theirs, tmp_path):
    assert len(theirs) == 3
    rows = dict(theirs.items())
    first, splat, last = rows["w.first"], rows["s"], rows["long.name.b"]
    assert first.metadata == b"META1" and first.is_file and first.length == 24
    assert np.frombuffer(first.file_view, np.float32).tolist() == [0, 1, 2, 3, 4, 5]
    assert splat.is_splat and splat.splat_pattern == b"\7\0" and splat.length == 20
    assert np.frombuffer(splat.bytes_(), np.int16).tolist() == [7] * 10
    assert bytes(last.file_view) == b"\1\2\3" and last.metadata == b""
    handle, offset = last.file_storage
    assert bytes(handle.host_allocation()[offset : offset + 3]) == b"\1\2\3"
    theirs.create_archive_file(tmp_path / "again.irpa")
    assert (tmp_path / "again.irpa").read_bytes() == THEIRS


def test_arrays_there_and_back(tmp_path):
    arrays = {
        "a": np.arange(12, dtype=np.float32).reshape(3, 4),
        "b": np.array(5, np.int64),
        "c": np.zeros((0, 2), np.float16),
        "d": np.array([True, False]),
        "e": np.arange(3, dtype=np.complex64),
    }
    for suffix in ("irpa", "safetensors"):
        index = rt.ParameterIndex()
        for name, array in arrays.items():
            rt.parameter_index_add_numpy_ndarray(index, name, array)
        path = tmp_path / f"arrays.{suffix}"
        written = index.create_archive_file(str(path))
        again = rt.ParameterIndex()
        again.load(path, mmap=False)
        for rows in (written, again):
            for name, entry in rows.items():
                got = rt.parameter_index_entry_as_numpy_ndarray(entry)
                assert (
                    got.dtype == arrays[name].dtype and got.shape == arrays[name].shape
                )
                assert np.array_equal(got, arrays[name])


def test_what_metadata_tells():
    """As iree-turbine writes it."""
    index = rt.ParameterIndex()
    data = np.arange(4, dtype=np.uint16)
    text = 'PYTORCH:{"type": "Tensor", "dtype": "bfloat16", "shape": [2, 2]}'
    index.add_buffer("t", data.view(np.uint8), metadata=text)
    assert (index[0].dtype, index[0].shape) == ("bf16", [2, 2])
    for bad in (
        "",
        "PYTORCH:{",
        "PYTORCH:[]",
        'PYTORCH:{"dtype": "f99", "shape": [1]}',
    ):
        index.add_buffer("bad", data.tobytes(), metadata=bad)
        with pytest.raises(ValueError, match="only its bytes are known"):
            rt.parameter_index_entry_as_numpy_ndarray(index[len(index) - 1])
    index.add_buffer("short", b"1", metadata=text)
    with pytest.raises(ValueError, match="1 bytes are no bf16"):
        rt.parameter_index_entry_as_numpy_ndarray(index[len(index) - 1])


def test_splats(tmp_path):
    value = rt.SplatValue(np.array(2.5, np.float32), (3, 4))
    assert value.total_length == 48
    with pytest.raises(ValueError, match="a single element"):
        rt.SplatValue(np.zeros(2), 3)
    index = rt.save_archive_file({"x": value, "y": b"abc"}, tmp_path / "s.irpa")
    rows = dict(index.items())
    assert np.frombuffer(rows["x"].bytes_(), np.float32).tolist() == [2.5] * 12
    assert (
        tmp_path / "s.irpa"
    ).stat().st_size == 4096  # the splat is a line of a table
    with pytest.raises(ValueError, match="no multiple"):
        index.add_splat("bad", b"ab", 3)


def test_file_handles(tmp_path):
    path = tmp_path / "h.irpa"
    path.write_bytes(THEIRS)
    with open(path, "rb") as f:
        handle = rt.FileHandle.wrap_fd(f.fileno())
    assert handle.is_host_allocation and not handle.is_async
    index = rt.ParameterIndex()
    index.load_from_file_handle(handle, "irpa")
    index.add_from_file_handle("raw", handle, 4)
    assert bytes(index[3].file_view) == b"IRPA"
    with pytest.raises(ValueError, match="the file ends before"):
        index.add_from_file_handle("raw", handle, 4, offset=5000)


# ---- GGUF ----


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def gguf(rows, values=(), data=b"", version=3, alignment=32):
    """rows: (name, sizes from the fastest, type, offset)"""
    out = struct.pack("<4sIQQ", b"GGUF", version, len(rows), len(values))
    out += b"".join(text(k) + v for k, v in values)
    for name, sizes, kind, offset in rows:
        out += text(name) + struct.pack("<I", len(sizes))
        out += struct.pack(f"<{len(sizes)}QIQ", *sizes, kind, offset)
    return out + b"\0" * (-len(out) % alignment) + data


def test_gguf(tmp_path):
    weights = np.arange(6, dtype=np.float32)
    half = np.arange(4, dtype=np.float16)
    blocks = bytes(range(36)) * 2  # two rows of a block of Q4_0 each
    data = (
        weights.tobytes().ljust(64, b"\0")
        + half.tobytes().ljust(64, b"\0")
        + blocks[:36]
    )
    values = [
        ("general.alignment", struct.pack("<II", 4, 64)),
        ("general.name", struct.pack("<I", 8) + text("tiny")),
        ("tokens", struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")),
        ("deep", struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ3d", 12, 3, 1, 2, 3)),
        ("flag", struct.pack("<I?", 7, True)),
    ]
    rows = [
        ("w", [3, 2], 0, 0),
        ("h", [4], 1, 64),
        ("q", [32, 2], 2, 128),
    ]
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf(rows, values, data, alignment=64))
    index = rt.ParameterIndex()
    index.load(str(path))
    w, h, q = (e for _, e in index.items())
    assert w.as_array().tolist() == weights.reshape(2, 3).tolist()
    assert h.as_array().tolist() == half.tolist()
    assert q.dtype is None and q.metadata == b"gguf:2:2x32"
    assert bytes(q.file_view) == blocks[:36]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends at 0"),
        (b"GGUF" + bytes(20), "version 2 or 3"),
        (gguf([("t", [4], 99, 0)]), "'t': type 99 is not known"),
        (gguf([("t", [4], 0, 0)]), "'t': 16 bytes at .* outside the file"),
        (gguf([("t", [31], 2, 0)], data=bytes(64)), "rows of 31 in blocks of 32"),
        (gguf([("t", [1] * 17, 0, 0)]), "rank 17"),
        (gguf([], [("k", struct.pack("<I", 77))]), "values of kind 77"),
        (gguf([], [("general.alignment", struct.pack("<II", 4, 0))]), "alignment of 0"),
        (gguf([], [("k", struct.pack("<IIQ", 9, 0, 1 << 60))]), "ends at"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0), "ends at"),
    ],
)
def test_bad_gguf(data, message):
    with pytest.raises(ValueError, match=message):
        archives.read_gguf(view(data))


def changed(at, layout, *values):
    data = bytearray(THEIRS)
    struct.pack_into("<" + layout, data, at, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends at 0"),
        (THEIRS[:87], "ends at 87"),
        (b"JRPA" + THEIRS[4:], "expected the magic"),
        (changed(4, "H", 1), "version 1"),
        (changed(16, "Q", 8), "the next header is said to be 8 ahead"),
        (changed(16, "Q", 4096), "ends at 4096"),
        (changed(32, "Q", 4), "expected 4 entries, found 3"),
        (changed(40, "Q", 1 << 63), "outside the file"),
        (changed(64, "Q", 5000), "names: 5000 bytes"),
        (changed(96, "Q", 3), "an entry of 3 bytes"),
        (changed(104, "I", 9), "entries of type 9"),
        (changed(116, "Q", 99), "a name: 7 bytes at 99"),
        (changed(348, "B", 0xFF), "a name is no text"),
        (changed(164, "Q", 1000), "'w.first': 1000 bytes at 0"),
        (changed(236, "Q", 21), "'s': 21 bytes of a pattern of 2"),
    ],
)
def test_bad_irpa(data, message):
    with pytest.raises(ValueError, match=message):
        archives.read_irpa(view(data))


def test_damaged_files_are_refused_or_read():
    """Nothing but ValueError comes of bytes that were changed or cut off."""
    random = np.random.default_rng(0)
    tiny = gguf(
        [("w", [3, 2], 0, 0)], [("k", struct.pack("<I", 8) + text("v"))], bytes(24)
    )
    for good, read in ((THEIRS[:460], archives.read_irpa), (tiny, archives.read_gguf)):
        for _ in range(2000):
            data = bytearray(good)
            for _ in range(random.integers(1, 4)):
                data[random.integers(0, len(data))] = random.integers(0, 256)
            try:
                read(view(data[: random.integers(0, len(data) + 1)]))
            except ValueError:
                pass


def test_other_formats(tmp_path):
    with pytest.raises(ValueError, match="safetensors, irpa, gguf, not 'bin'"):
        rt.ParameterIndex().load(tmp_path / "weights.bin")
    with pytest.raises(FileNotFoundError):
        rt.ParameterIndex().load(tmp_path / "missing.irpa")
    with pytest.raises(NotImplementedError):
        rt.ParameterIndex().create_archive_file(tmp_path / "x.irpa", 64)
    assert not os.listdir(tmp_path)
