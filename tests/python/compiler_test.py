# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""shark_turbine._compiler: the builder under the importer."""

import gc
import re
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from shark_turbine import _compiler


def linear(batch=2):
    """x @ w + b over the extension alone; batch may be None: any size up to 64."""
    unit = _compiler.Unit("linear")
    n = unit.symbol("n", min=1, max=64, hint=8) if batch is None else batch
    f = unit.function("main")
    x = f.input("x", "f32", [n, 4])
    w = f.constant(
        np.arange(12, dtype=np.float32).reshape(4, 3), "f32", [4, 3], name="w"
    )
    b = f.constant(np.array([0.5, -1, 2], np.float32), "f32", [3], name="b")
    (y,) = f.call(
        "aten.mm",
        [x, w],
        [("f32", [n, 3])],
        location=("model.py", 12, "forward", "layer.0"),
        name="mm",
    )
    (z,) = f.call("aten.add.Tensor", [y, b], [("f32", [n, 3])], {"alpha": 1})
    f.output(z, "out")
    return unit


def evaluate(unit, *arrays, function="main"):
    names = {"float32": "f32", "int64": "i64", "bool": "i1"}
    rows = [
        (np.ascontiguousarray(a), names[a.dtype.name], list(a.shape)) for a in arrays
    ]
    back = {v: k for k, v in names.items()}
    return [
        np.frombuffer(data, back[dtype]).reshape(dims)
        for data, dtype, dims in unit.evaluate(function, rows)
    ]


X = np.array([[1, 2, 3, 4], [-1, 0.5, 0, 2]], np.float32)
WANT = X @ np.arange(12, dtype=np.float32).reshape(4, 3) + np.array([0.5, -1, 2])


def test_build_and_evaluate():
    unit = linear()
    unit.verify()
    assert unit.name == "linear"
    assert unit.functions == ["main"]
    (got,) = evaluate(unit, X)
    np.testing.assert_allclose(got, WANT, rtol=1e-6)


def test_text_round_trip():
    unit = linear(None)
    text = unit.text(data=True)
    assert "sym n = shape 1..64" in text
    again = _compiler.parse_text(text)
    assert again.text(data=True) == text
    np.testing.assert_allclose(evaluate(again, X)[0], WANT, rtol=1e-6)
    assert "model.py:12" in unit.text(locations=True)
    assert "layer.0" in unit.text(locations=True)


def test_mlir_round_trip():
    unit = linear(None)
    text = unit.mlir()
    assert "torch.aten.mm" in text
    again = _compiler.parse_mlir(text)
    np.testing.assert_allclose(evaluate(again, X)[0], WANT, rtol=1e-6)
    assert len(unit.mlir(large_elements_limit=2)) < len(text)
    assert "model.py" in unit.mlir(locations=True)


def test_mlir_errors_have_lines():
    with pytest.raises(ValueError, match=r"^x\.mlir:2:"):
        _compiler.parse_mlir("module {\n  func.func @main( {\n", "x.mlir")


def test_stages():
    unit = linear()
    assert "aten.mm" in unit.print("aten")
    decomposed = unit.print("decompose")
    assert "aten." not in decomposed and "dot" in decomposed
    with pytest.raises(ValueError, match="no stage is named 'nonsense'"):
        unit.print("nonsense")


def test_dims():
    unit = _compiler.Unit()
    s, t = unit.symbol("s", min=2, max=10), unit.symbol("t", min=1)
    assert str(2 * s + 1) == "2*s + 1"
    assert s + s == 2 * s and hash(s + s) == hash(2 * s)
    assert s != t and (s == 2) is False
    assert s - s == 0 and isinstance(s - s, int)
    assert (s * t * 6) // t == 6 * s
    assert (6 * s) % 3 == 0
    assert s.range == (2, 10)
    assert (3 * s - 1).range == (5, 29)
    assert str(s.min(4)) and s.min(100) == s and s.max(1) == s
    assert (s * 4).ceildiv(4) == s
    negative = -s
    assert -negative == s
    assert unit.symbol("h", hint=32).hint == 32
    with pytest.raises(ZeroDivisionError):
        s // 0
    with pytest.raises(TypeError):
        s + "x"
    with pytest.raises(TypeError):
        s + None
    with pytest.raises(ValueError, match="another Unit"):
        s + _compiler.Unit().symbol("u")
    with pytest.raises(ValueError, match="empty range"):
        unit.symbol("e", min=3, max=2)


def test_assume_equal():
    unit = _compiler.Unit()
    a, b = unit.symbol("a", min=1), unit.symbol("b", min=1)
    f = unit.function("main")
    x, y = f.input("x", "f32", [a]), f.input("y", "f32", [b])
    unit.assume_equal(a, b)
    (z,) = f.call("aten.add.Tensor", [x, y, 1], [("f32", [a])])
    f.output(z)
    three, four = np.ones(3, np.float32), np.ones(4, np.float32)
    assert evaluate(unit, three, three)[0].tolist() == [2, 2, 2]
    with pytest.raises(ValueError):
        evaluate(unit, three, four)
    with pytest.raises(ValueError):
        unit.assume_equal(3, 4)


def test_integer_argument():
    unit = _compiler.Unit()
    f = unit.function("main")
    x = f.input("x", "f32", [3])
    n = unit.symbol("n", min=0, max=100, argument=1)
    f.input("n", "i64", [])
    f.output(f.dim_value(2 * n + 1))
    f.output(x)
    number, same = evaluate(unit, np.ones(3, np.float32), np.array(5))
    assert number == 11
    assert same.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="outside its range"):
        evaluate(unit, np.ones(3, np.float32), np.array(500))


def test_item():
    unit = _compiler.Unit()
    f = unit.function("main")
    x = f.input("x", "i64", [])
    n = f.item(x, "n", 1, 9, ("a.py", 1, "f", ""))
    f.output(f.dim_value(n * n))
    assert evaluate(unit, np.array(3))[0] == 9


def test_values_show_themselves():
    unit = linear(None)
    f = unit.function("other")
    v = f.input("v", "bf16", [unit.symbol("m"), 2])
    assert v.dtype == "bf16"
    assert [str(d) for d in v.dims] == ["m", "2"]
    assert repr(v) == f"<Value %{v.id}: bf16 [m, 2]>"
    assert unit.functions == ["main", "other"]


def test_constants_are_borrowed():
    data = np.ones(3, np.float32)
    alive = weakref.ref(data)
    unit = _compiler.Unit()
    f = unit.function("main")
    f.output(f.constant(data, "f32", [3]))
    data[1] = 7  # before it is used: no copy was made
    assert evaluate(unit)[0].tolist() == [1, 7, 1]
    del data
    gc.collect()
    assert alive() is not None
    del f, unit
    gc.collect()
    assert alive() is None


def test_constant_by_pointer():
    data = np.arange(4, dtype=np.int64)
    unit = _compiler.Unit()
    f = unit.function("main")
    pointer = data.ctypes.data
    f.output(f.constant(data, "i64", [2, 2], pointer=pointer, name="table"))
    assert evaluate(unit)[0].tolist() == [[0, 1], [2, 3]]
    assert '"table"' in unit.text()


def test_constants_are_checked():
    f = _compiler.Unit().function("main")
    four = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="expected 12 bytes, found 16"):
        f.constant(four, "f32", [3])
    with pytest.raises(ValueError, match="dtype"):
        f.constant(four, "float", [4])
    with pytest.raises(ValueError):
        f.constant(four, "f32", [-4])
    with pytest.raises(OverflowError):
        f.constant(four, "f32", [2**60, 2**60])
    with pytest.raises(BufferError):
        f.constant(np.ones((4, 2), np.float32)[:, 0], "f32", [4])
    with pytest.raises(ValueError, match="no data"):
        f.constant(None, "f32", [4])


def test_errors_name_line_and_module():
    unit = _compiler.Unit()
    f = unit.function("main")
    x, y = f.input("x", "f32", [2, 3]), f.input("y", "f32", [4, 5])
    where = ("model.py", 7, "forward", "block.2")
    (z,) = f.call("aten.mm", [x, y], [("f32", [2, 5])], location=where)
    f.output(z)
    with pytest.raises(ValueError) as e:
        unit.print("decompose")
    assert str(e.value).startswith("model.py:7: aten.mm")
    assert "block.2" in str(e.value)


def test_missing_operators_are_listed_together():
    unit = _compiler.Unit()
    f = unit.function("main")
    x = f.input("x", "f32", [2])
    for i, name in enumerate(["aten.no_such_thing", "prims.nor_this"]):
        (x,) = f.call(name, [x], [("f32", [2])], location=("m.py", i + 1, "f", ""))
    f.output(x)
    assert "aten.no_such_thing" in unit.print("aten")
    with pytest.raises(NotImplementedError) as e:
        unit.print("decompose")
    assert "aten.no_such_thing" in str(e.value) and "m.py:1" in str(e.value)
    assert "prims.nor_this" in str(e.value) and "m.py:2" in str(e.value)


def test_declared_types_are_checked():
    unit = _compiler.Unit()
    f = unit.function("main")
    x = f.input("x", "f32", [2])
    (y,) = f.call("aten.relu", [x], [("f32", [3])])
    f.output(y)
    with pytest.raises((ValueError, RuntimeError), match="relu"):
        unit.print("decompose")


def test_arguments_are_checked():
    unit, other = _compiler.Unit(), _compiler.Unit()
    f = unit.function("main")
    x = f.input("x", "f32", [2])
    foreign = other.function("main").input("x", "f32", [2])
    with pytest.raises(ValueError, match="another Function"):
        f.call("aten.relu", [foreign], [("f32", [2])])
    with pytest.raises(ValueError, match="another Unit"):
        f.call("aten.relu", [other.symbol("s")], [("f32", [2])])
    with pytest.raises(TypeError):
        f.call("aten.relu", [object()], [("f32", [2])])
    with pytest.raises(OverflowError):
        f.call("aten.add.Scalar", [x, 2**70], [("f32", [2])])
    with pytest.raises(TypeError):
        f.call("aten.relu", [x], [("f32",)])
    with pytest.raises(ValueError, match="rank"):
        f.input("big", "f32", [1] * 40)
    with pytest.raises(ValueError):
        f.input("unknown", "f32", [None])


def test_state():
    unit = _compiler.Unit()
    f = unit.function("count")
    start = f.constant_index(np.array([5], np.int64), "i64", [1], name="start")
    g = unit.global_("n", "i64", [1], start)
    one = f.constant(np.array([1], np.int64), "i64", [1])
    (more,) = f.call("aten.add.Tensor", [f.read(g), one, 1], [("i64", [1])])
    f.write(g, more)
    f.output(more)
    unit.verify()
    assert 'global 0 "n" : 1xi64 mutable' in unit.text()
    frozen = unit.global_("k", "i64", [1], start, mutable=False)
    with pytest.raises(ValueError, match="not mutable"):
        f.write(frozen, more)
    with pytest.raises(IndexError):
        unit.global_("m", "i64", [1], 99)
    with pytest.raises(ValueError):
        f.read(17)


def test_artifact():
    artifact = linear().compile(targets=["host"])
    view = artifact.map_memory()
    assert len(view) == len(artifact) == view.nbytes
    assert view.readonly
    assert np.frombuffer(view, np.uint8).ctypes.data % 64 == 0
    assert bytes(view[:2]) == b"PK"  # a ZIP archive
    view2 = memoryview(artifact)
    del artifact
    gc.collect()
    assert bytes(view2[:2]) == b"PK"


def test_artifact_save(tmp_path):
    artifact = linear().compile(targets=["host"])
    artifact.save(tmp_path / "a.vmfb")
    artifact.save(str(tmp_path / "b.vmfb"))
    assert (tmp_path / "a.vmfb").read_bytes() == bytes(artifact.map_memory())
    assert (tmp_path / "b.vmfb").read_bytes() == bytes(artifact.map_memory())
    with pytest.raises(OSError):
        artifact.save(tmp_path / "nowhere" / "a.vmfb")


def test_same_input_same_bytes():
    a = bytes(linear(None).compile(targets=["host"]).map_memory())
    b = bytes(linear(None).compile(targets=["host"]).map_memory())
    assert a == b


def test_compile_options():
    unit = linear()
    with pytest.raises(ValueError, match="no-such-cpu"):
        unit.compile(targets=["no-such-cpu"])
    with pytest.raises(TypeError):
        unit.compile(targets="host")
    assert len(unit.compile()) > len(unit.compile(targets=["host"]))


def test_progress():
    seen = []
    linear().compile(
        targets=["host"],
        progress=lambda stage, done, total: seen.append((stage, done, total)),
    )
    assert seen
    assert all(isinstance(s, str) and 0 <= d <= t for s, d, t in seen)


def test_progress_may_raise():
    def report(stage, done, total):
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        linear().compile(targets=["host"], progress=report)


def test_busy_while_compiling():
    unit = linear()
    refused = []

    def report(stage, done, total):
        for use in (unit.text, unit.verify, lambda: unit.function("f")):
            try:
                use()
            except RuntimeError as e:
                refused.append(str(e))

    unit.compile(targets=["host"], progress=report)
    assert refused and all("compiled by another thread" in r for r in refused)
    unit.verify()


def test_threads_compile_units_of_their_own():
    made = [None] * 4

    def work(i):
        made[i] = bytes(linear(i + 1).compile(targets=["host"]).map_memory())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(made)) == 4 and None not in made


def test_compile_twice_and_after_failure():
    unit = linear()
    first = bytes(unit.compile(targets=["host"]).map_memory())
    with pytest.raises(ValueError):
        unit.compile(targets=["no-such-cpu"])
    assert bytes(unit.compile(targets=["host"]).map_memory()) == first


def test_later_stages_leave_the_unit_as_it_was():
    unit = linear(None)
    before = unit.text(data=True), unit.mlir()
    unit.compile(targets=["host"])
    evaluate(unit, X)
    unit.print("kernels", targets=["host"])
    with pytest.raises(ValueError):
        unit.print("nonsense")
    assert (unit.text(data=True), unit.mlir()) == before
    f = unit.function("other")  # constants are still shared, and more can be added
    data = np.ones(3, np.float32)
    f.output(f.constant(data, "f32", [3]))
    f.output(f.constant(data, "f32", [3]))
    assert len(re.findall("^const ", unit.text(), re.MULTILINE)) == 3
    assert [r.tolist() for r in evaluate(unit, function="other")] == [[1, 1, 1]] * 2


def test_ops():
    schemas = _compiler.ops()
    assert len(schemas) > 300
    names = [s.partition("(")[0] for s in schemas]
    assert len(set(names)) == len(names)
    assert _compiler.lookup("aten.softmax.int").startswith(
        "softmax.int(Tensor self, int dim"
    )
    assert _compiler.lookup("relu") == _compiler.lookup("aten.relu") is not None
    assert _compiler.lookup("aten.no_such_thing") is None


def test_schemas_are_torchs():
    torch = pytest.importorskip("torch")
    wrong = []
    for schema in _compiler.ops():
        full, namespace, text = schema.partition("(")[0], "aten", schema
        if full.split(".")[0] == "transformers":
            # A library of its own: its operators exist once this module is imported.
            pytest.importorskip("transformers.integrations.moe")
        if full.split(".")[0] in ("torchvision", "prims", "transformers"):
            namespace, _, full = full.partition(".")
            text = schema.partition(".")[2]
        name, _, overload = full.partition(".")
        try:
            op = getattr(
                getattr(getattr(torch.ops, namespace), name), overload or "default"
            )
        except AttributeError:
            wrong.append((schema, "no such operator"))
            continue
        if str(torch._C.parse_schema(f"{namespace}::{text}")) != str(op._schema):
            wrong.append((schema, str(op._schema)))
    assert not wrong


def test_evaluate_checks_inputs():
    unit = linear()
    with pytest.raises(KeyError, match="nope"):
        unit.evaluate("nope", [])
    with pytest.raises(ValueError, match="expected 1 inputs, found 0"):
        unit.evaluate("main", [])
    with pytest.raises(ValueError, match="expected 32 bytes"):
        unit.evaluate("main", [(b"123", "f32", [2, 4])])
    with pytest.raises(TypeError):
        unit.evaluate("main", [X])
    with pytest.raises(ValueError, match="expected size 2, found 3"):
        unit.evaluate("main", [(np.ones((3, 4), np.float32), "f32", [3, 4])])


def test_import_needs_no_torch():
    code = (
        "import sys; from shark_turbine import _compiler; "
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules; "
        "_compiler.Unit().function('main')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_runtime_needs_no_compiler():
    code = (
        "import sys, shark_turbine.runtime; "
        "assert 'torch' not in sys.modules; "
        "assert 'shark_turbine._compiler' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
