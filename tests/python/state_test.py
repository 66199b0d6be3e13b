# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""State of a session: read, set, saved, restored; safetensors files."""

import json
import os
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from shark_turbine.runtime import safetensors


class Counter(torch.nn.Module):
    """Adds to a buffer."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.register_buffer("total", torch.zeros(2, 3, dtype=dtype))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.total.add_(x)
        self.calls.add_(1)
        return self.total * 1


@pytest.fixture(scope="module")
def binary():
    return aot.export(Counter(), args=(torch.ones(2, 3),)).compile()


def load(binary, device="local-sync"):
    config = rt.Config(device)
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


ONES = np.ones((2, 3), np.float32)


def test_read_and_set(binary):
    m = load(binary)
    assert sorted(m.state) == ["calls", "total"] and len(m.state) == 2
    assert m.state.type_of("total") == ("f32", [2, 3])
    m.main(ONES)
    m.main(ONES)
    assert int(m.state["calls"]) == 2
    before = m.state["total"]
    np.testing.assert_array_equal(before, 2 * ONES)
    m.state["total"] = 10 * ONES
    np.testing.assert_array_equal(before, 2 * ONES)  # it was a copy
    np.testing.assert_array_equal(m.main(ONES), 11 * ONES)
    for same in (torch.full((2, 3), 5.0), m.state["total"] * 0 + 5, (5 * ONES.T).T):
        m.state["total"] = same
        assert float(m.state["total"][1, 2]) == 5
    m.state["calls"] = 40  # a number for rank 0
    m.main(ONES)
    assert int(m.state["calls"]) == 41
    m.state.reset()
    assert int(m.state["calls"]) == 0 and float(m.state["total"].to_host().sum()) == 0


def test_sessions_are_independent(binary):
    a, b = load(binary), load(binary)
    a.main(ONES)
    assert int(a.state["calls"]) == 1 and int(b.state["calls"]) == 0
    b.state.update(a.state)
    b.main(ONES)
    assert int(a.state["calls"]) == 1 and int(b.state["calls"]) == 2


def test_mistakes(binary):
    m = load(binary)
    with pytest.raises(KeyError, match="no state 'nope'; there is: "):
        m.state["nope"]
    with pytest.raises(TypeError, match="cannot be deleted"):
        del m.state["total"]
    for bad, message in [
        (np.ones((3, 2), np.float32), "state 'total': expected 2x3xf32, got 3x2xf32"),
        (np.ones((2, 3)), "state 'total': expected 2x3xf32, got 2x3xf64"),
        ("text", "expected an array"),
        (None, "expected an array"),
    ]:
        with pytest.raises(ValueError, match=message):
            m.state["total"] = bad
    with pytest.raises(ValueError):
        m.state["calls"] = 1.5
    np.testing.assert_array_equal(m.main(ONES), ONES)  # the session goes on


def test_save_and_load(binary, tmp_path):
    a, path = load(binary), tmp_path / "state.safetensors"
    a.main(ONES)
    a.state.save(path)
    b = load(binary, "local-task")
    assert b.state.load(path) == ([], [])
    np.testing.assert_array_equal(b.main(ONES), 2 * ONES)
    assert int(b.state["calls"]) == 2
    assert os.listdir(tmp_path) == ["state.safetensors"]  # no temporary file stays
    a.state.save(path, names=["total"])
    with pytest.raises(ValueError, match="missing: calls"):
        b.state.load(path)
    assert b.state.load(path, strict=False) == (["calls"], [])


def test_files_are_safetensors(binary, tmp_path):
    """The files go to and come from the safetensors library."""
    library = pytest.importorskip("safetensors.torch")
    m, path = load(binary), tmp_path / "a.safetensors"
    m.main(ONES)
    m.state.save(path)
    tensors = library.load_file(path)
    torch.testing.assert_close(tensors["total"], torch.ones(2, 3))
    assert int(tensors["calls"]) == 1
    counter = Counter()
    counter.load_state_dict(tensors)
    library.save_file(
        {"total": torch.full((2, 3), 7.0), "calls": torch.tensor(3)}, path
    )
    m.state.load(path)
    np.testing.assert_array_equal(m.main(ONES), 8 * ONES)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int8,
        torch.uint8,
        torch.int32,
    ],
)
def test_types(dtype, tmp_path):
    m = load(
        aot.export(Counter(dtype), args=(torch.ones(2, 3, dtype=dtype),)).compile()
    )
    m.main(torch.ones(2, 3, dtype=dtype))
    m.state.save(tmp_path / "s.safetensors")
    m.main(torch.ones(2, 3, dtype=dtype))
    m.state.load(tmp_path / "s.safetensors")
    got = torch.from_dlpack(m.state["total"])
    torch.testing.assert_close(got, torch.ones(2, 3, dtype=dtype))


def test_another_modules_state(binary, tmp_path):
    class Other(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(2))

        def forward(self, x):
            self.seen.add_(x)
            return self.seen

    output = aot.export(Other(), args=(torch.ones(2),), module_name="other")
    other = load(output.compile())
    other.state.save(tmp_path / "o.safetensors")
    m = load(binary)
    with pytest.raises(ValueError) as e:
        m.state.load(tmp_path / "o.safetensors")
    text = str(e.value)
    assert "not the state of module 'module'" in text and "file of 'other'" in text
    assert "missing:" in text and "unexpected: seen" in text


def test_all_or_nothing(binary, tmp_path):
    """A file whose second tensor does not fit changes nothing."""
    m = load(binary)
    m.main(ONES)
    rows = [("calls", "i64", np.array(9)), ("total", "f32", np.ones((6,), np.float32))]
    safetensors.save(tmp_path / "s.safetensors", rows)
    with pytest.raises(ValueError, match="'total': expected 2x3xf32, found 6xf32"):
        m.state.load(tmp_path / "s.safetensors")
    assert int(m.state["calls"]) == 1


def test_module_without_state():
    m = load(aot.export(torch.nn.ReLU(), args=(torch.ones(2),)).compile())
    assert dict(m.state) == {}
    with pytest.raises(KeyError, match="there is: none"):
        m.state["x"]


def test_a_function_called_state():
    class Named(aot.CompiledModule):
        n = aot.export_global(torch.zeros(1), mutable=True)

        def state(self):
            return self.n

    m = load(aot.export(Named).compile())
    assert m.state().to_host().tolist() == [0]
    assert len(rt.State.of(m)) == 1


def test_reading_while_others_call(binary):
    """What is read is from between two calls: all elements are alike."""
    m = load(binary)
    stop = threading.Event()

    def run():
        while not stop.is_set():
            m.main(ONES)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(200):
            total = m.state["total"].to_host()
            assert (total == total[0, 0]).all()
    finally:
        stop.set()
        thread.join()


# ---- files that are wrong ----


def file_of(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


ROW = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "0 bytes are too few"),
        (b"1234567", "7 bytes are too few"),
        (file_of({}, size=10**15), "a header of 10"),
        (file_of({}, size=3), "a header of 3"),
        (file_of(b"{nope"), "no JSON"),
        (file_of(b"\xff\xfe"), "no JSON"),
        (file_of(b"[]"), "no JSON object"),
        (file_of({"a": 3}), "'a' is not described"),
        (file_of({"a": {"dtype": "F32"}}), "'a' is not described"),
        (file_of({"a": {**ROW, "dtype": "F99"}}, b"12345678"), "unknown type 'F99'"),
        (file_of({"a": {**ROW, "shape": [-2]}}, b"12345678"), "sizes or offsets"),
        (file_of({"a": {**ROW, "shape": "2"}}, b"12345678"), "sizes or offsets"),
        (file_of({"a": {**ROW, "shape": [3]}}, b"12345678"), "needs 12 bytes"),
        (file_of({"a": {**ROW, "shape": [2**62, 2**62]}}, b"12345678"), "needs"),
        (file_of({"a": {**ROW, "data_offsets": [8, 16]}}, b"1" * 16), "begins at 8"),
        (file_of({"a": ROW}, b"1234"), "expected 8 bytes of data, found 4"),
        (file_of({"a": ROW}, b"1" * 12), "expected 8 bytes of data, found 12"),
        (file_of({"a": ROW, "b": ROW}, b"1" * 8), "begins at 0, not at 8"),
    ],
)
def test_bad_files(data, message, binary, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    m = load(binary)
    with pytest.raises(ValueError, match=message):
        m.state.load(path)
    m.main(ONES)


def test_missing_file(binary, tmp_path):
    with pytest.raises(FileNotFoundError):
        load(binary).state.load(tmp_path / "absent.safetensors")


def test_failed_save_leaves_the_old_file(binary, tmp_path):
    path = tmp_path / "s.safetensors"
    m = load(binary)
    m.state.save(path)
    before = path.read_bytes()
    with pytest.raises(KeyError):
        m.state.save(path, names=["total", "nope"])
    with pytest.raises(ValueError, match="no type complex<f64>"):
        safetensors.save(path, [("c", "complex<f64>", np.zeros(1, np.complex128))])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["s.safetensors"]


def test_state_of_another_version(binary, tmp_path):
    path = tmp_path / "s.safetensors"
    m = load(binary)
    m.main(ONES)
    m.state.save(path)
    arrays, metadata = safetensors.load(path)
    assert metadata["turbine.state"] == "1"
    rows = [("total", "f32", arrays["total"]), ("calls", "i64", arrays["calls"])]
    safetensors.save(path, rows, {**metadata, "turbine.state": "2"})
    other = load(binary)
    with pytest.raises(ValueError, match="state of version 2; expected version 1"):
        other.state.load(path)
    assert int(other.state["calls"]) == 0


class Rows(torch.nn.Module):
    """A cache that is written and read by two functions."""

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(8, 2))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))


def rows_artifact():
    fxb = aot.FxProgramsBuilder(Rows())
    n = torch.export.Dim("n", min=1, max=4)

    @fxb.export_program(args=(torch.zeros(3, 2),), dynamic_shapes={"x": {0: n}})
    def append(module, x):
        module.rows.index_copy_(0, module.count + torch.arange(x.shape[0]), x)
        module.count.add_(x.shape[0])

    @fxb.export_program(args=())
    def read(module):
        return module.rows * 1

    return aot.export(fxb).compile(targets=["host"])


def test_a_session_survives_all_mistakes(binary, tmp_path):
    m = load(rows_artifact())
    one, few, many = (np.ones((n, 2), np.float32) for n in (1, 2, 5))
    doubles = np.ones((8, 2))
    m.append(one)
    wrong, short = tmp_path / "wrong.safetensors", tmp_path / "short.safetensors"
    load(binary).state.save(wrong)
    m.state.save(short)
    short.write_bytes(short.read_bytes()[:-3])
    mistakes = [
        (ValueError, "not the state of module", lambda: m.state.load(wrong)),
        (ValueError, "bytes of data, found", lambda: m.state.load(short)),
        (FileNotFoundError, "absent", lambda: m.state.load(tmp_path / "absent")),
        (KeyError, "no state 'row'", lambda: m.state["row"]),
        (ValueError, "8x2xf32, got 2x2xf32", lambda: m.state.update(rows=few)),
        (ValueError, "8x2xf32, got 8x2xf64", lambda: m.state.update(rows=doubles)),
        (AttributeError, "decode", lambda: m.decode),
        (KeyError, "'decode' not found", lambda: m["decode"]),
        (ValueError, "from 1 to 4, got 5x2xf32", lambda: m.append(many)),
        (ValueError, "from 1 to 4, got 0x2xf32", lambda: m.append(one[:0])),
        (ValueError, "got 1x3xf32", lambda: m.append(np.ones((1, 3), np.float32))),
        (ValueError, "got 1x2xf64", lambda: m.append(np.ones((1, 2)))),
        (ValueError, "expected 1 input, got 0", lambda: m.append()),
        (ValueError, "expected 1 input, got 2", lambda: m.append(one, one)),
    ]
    for kind, message, mistake in mistakes:
        with pytest.raises(kind, match=message):
            mistake()
        assert int(m.state["count"]) == 1
    m.state["count"] = np.int64(7)
    with pytest.raises(IndexError, match="index out of range"):
        m.append(many[:3])  # rows 7, 8 and 9 of 8
    m.state["count"] = np.int64(1)
    m.append(2 * one)
    assert m.read().to_host()[:2].tolist() == [[1, 1], [2, 2]]
