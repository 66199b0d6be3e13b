# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""shark_turbine.runtime: what scripts written for IREE's Python runtime rely on."""

import copy
import gc
import mmap
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import (
    _runtime,
    aot,
)

WEIGHT = torch.arange(12, dtype=torch.float32).reshape(4, 3)


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(WEIGHT.clone())
        self.bias = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0]))

    def forward(self, x):
        return x @ self.weight + self.bias


class Double(torch.nn.Module):
    def forward(self, x):
        return x + x


class Two(torch.nn.Module):
    def forward(self, x, n):
        return x * n, n + 1


class Look(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(10, 4)

    def forward(self, i):
        return self.table(i)


def compile_(module, *args, **kwargs):
    return aot.export(module.eval(), args=args, **kwargs).compile(save_to=None)


@pytest.fixture(scope="module")
def linear():
    return compile_(Linear(), torch.randn(4))


@pytest.fixture(scope="module")
def dynamic():
    n = torch.export.Dim("n", min=1, max=100)
    return compile_(Double(), torch.randn(3, 2), dynamic_shapes={"x": {0: n}})


@pytest.fixture(params=["local-sync", "local-task"])
def config(request):
    return rt.Config(request.param)


def load(binary, config):
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


X = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
Y = X @ WEIGHT.numpy() + np.array([0.5, -1.0, 2.0], np.float32)


# ---- calls ----


def test_seed_sample(linear, config):
    module = load(linear, config)
    assert np.array_equal(module.main(X).to_host(), Y)
    assert np.array_equal(module["main"](X).to_host(), Y)


@pytest.mark.parametrize(
    "make",
    [
        lambda: X,
        lambda: np.stack([X, X], 1)[:, 0],  # strided
        lambda: torch.from_numpy(X),
        lambda: torch.nn.Parameter(torch.from_numpy(X)),
        lambda: torch.from_numpy(np.stack([X, X], 1))[:, 1],
        lambda: rt.asdevicearray(rt.get_device("local-sync"), X),
        lambda: memoryview(X),
    ],
    ids=["numpy", "strided", "torch", "parameter", "torch-strided", "device", "memory"],
)
def test_kinds_of_inputs(linear, config, make):
    assert np.array_equal(load(linear, config).main(make()).to_host(), Y)


def test_results_stay_after_their_module(linear, config):
    result = load(linear, config).main(X).to_host()
    gc.collect()
    assert np.array_equal(result, Y)


def test_dynamic_sizes(dynamic, config):
    main = load(dynamic, config).main
    for n in (1, 2, 7, 100, 3):
        x = np.random.rand(n, 2).astype(np.float32)
        assert np.array_equal(main(x).to_host(), x + x)


def test_several_results_and_numbers(config):
    binary = compile_(Two(), torch.randn(3), torch.tensor(2))
    main = load(binary, config).main
    a, b = main(np.ones(3, np.float32), 5)
    assert a.to_host().tolist() == [5, 5, 5]
    assert b.shape == [] and b.dtype == np.int64 and int(b) == 6


DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "float16": torch.float16,
    "int64": torch.int64,
    "int32": torch.int32,
    "int16": torch.int16,
    "int8": torch.int8,
    "uint8": torch.uint8,
}


@pytest.mark.parametrize("name", DTYPES)
def test_element_types(name, config):
    x = torch.arange(5).to(DTYPES[name])
    main = load(compile_(Double(), x), config).main
    result = main(x.numpy())
    assert result.dtype == np.dtype(name)
    assert np.array_equal(result.to_host(), (x + x).numpy())


def test_bfloat16_comes_as_its_bits_without_ml_dtypes(config):
    x = torch.arange(5).to(torch.bfloat16)
    main = load(compile_(Double(), x), config).main
    want = (x + x).view(torch.int16).numpy().view(np.uint16)
    bits = x.view(torch.int16).numpy().view(np.uint16)
    for given in (x, bits):
        assert np.array_equal(main(given).to_host().view(np.uint16), want)
    assert torch.equal(torch.from_dlpack(main(x)), x + x)


def test_keyword_arguments_by_name(linear, config):
    main = load(linear, config).main
    assert np.array_equal(main(x=X).to_host(), Y)
    with pytest.raises(ValueError, match="unexpected argument 'y'"):
        main(y=X)


def test_threads_share_a_module(linear, config):
    main = load(linear, config).main
    wrong = []

    def work(k):
        x = X * k
        want = x @ WEIGHT.numpy() + np.array([0.5, -1.0, 2.0], np.float32)
        for _ in range(300):
            if not np.allclose(main(x).to_host(), want):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# ---- errors ----


def test_wrong_dtype(linear, config):
    with pytest.raises(ValueError, match=r"expected.*f32.*f64"):
        load(linear, config).main(X.astype(np.float64))


def test_wrong_rank(linear, config):
    with pytest.raises(ValueError, match=r"rank|4xf32|expected"):
        load(linear, config).main(X.reshape(2, 2))


def test_wrong_size(linear, config):
    with pytest.raises(ValueError, match=r"expected.*4.*5"):
        load(linear, config).main(np.zeros(5, np.float32))


def test_size_outside_its_range(dynamic, config):
    main = load(dynamic, config).main
    with pytest.raises(ValueError, match="100"):
        main(np.zeros((101, 2), np.float32))


@pytest.mark.parametrize("args", [(), (X, X)], ids=["few", "many"])
def test_number_of_arguments(linear, config, args):
    with pytest.raises(ValueError, match=rf"expected 1 .*{len(args)}"):
        load(linear, config).main(*args)


@pytest.mark.parametrize(
    "value", [[1.0, 2.0, 3.0, 4.0], None, "text", b"bytes", object()]
)
def test_no_tensor(linear, config, value):
    with pytest.raises(ValueError, match="expected an array, a tensor or a number"):
        load(linear, config).main(value)


def test_tensor_elsewhere(linear, config):
    with pytest.raises(ValueError, match="meta"):
        load(linear, config).main(torch.empty(4, device="meta"))


def test_call_works_after_a_failed_one(linear, config):
    module = load(linear, config)
    with pytest.raises(ValueError):
        module.main(np.zeros(5, np.float32))
    assert np.array_equal(module.main(X).to_host(), Y)


def test_missing_function(linear, config):
    module = load(linear, config)
    with pytest.raises(AttributeError, match="nope"):
        module.nope(X)
    with pytest.raises(KeyError, match="Function 'nope' not found"):
        module["nope"]
    assert module.vm_module.lookup_function("nope") is None


def test_index_out_of_range(config):
    main = load(compile_(Look(), torch.tensor([1, 2])), config).main
    with pytest.raises(IndexError, match="out of range"):
        main(np.array([1, 10]))
    assert main(np.array([0, 9])).shape == [2, 4]


def test_truncated_and_altered_files(linear, tmp_path):
    data = bytes(memoryview(linear.map_memory()))
    instance = rt.VmInstance()
    for n in (0, 1, 3, 22, 100, len(data) // 2, len(data) - 1):
        path = tmp_path / f"{n}.vmfb"
        path.write_bytes(data[:n])
        with pytest.raises(ValueError):
            rt.VmModule.mmap(instance, str(path))
        with pytest.raises(ValueError):
            rt.VmModule.copy_buffer(instance, data[:n])
    with pytest.raises(ValueError):
        rt.VmModule.copy_buffer(instance, b"\0" * len(data))
    with pytest.raises(FileNotFoundError):
        rt.VmModule.mmap(instance, str(tmp_path / "missing.vmfb"))
    with pytest.raises(FileNotFoundError):
        _runtime.Module.from_file(str(tmp_path / "missing.vmfb"))


def test_unaligned_buffer(linear):
    data = bytes(memoryview(linear.map_memory()))
    room = mmap.mmap(-1, len(data) + 64)
    room[4 : 4 + len(data)] = data
    view = memoryview(room)[4 : 4 + len(data)]
    with pytest.raises(ValueError, match="unaligned buffer"):
        rt.VmModule.wrap_buffer(rt.VmInstance(), view)
    with pytest.warns(UserWarning, match="copied"):
        rt.VmModule.from_buffer(rt.VmInstance(), view)


# ---- modules, contexts, devices ----


def test_ways_to_load(linear, tmp_path):
    data = bytes(memoryview(linear.map_memory()))
    path = tmp_path / "linear.vmfb"
    path.write_bytes(data)
    config = rt.Config("local-sync")
    modules = [
        rt.load_vm_flatbuffer(data, driver="local-task"),
        rt.load_vm_flatbuffer(data, backend="llvm-cpu"),
        rt.load_vm_flatbuffer_file(str(path), driver="local-sync"),
        rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, str(path)), config),
        rt.load_vm_module(rt.VmModule.copy_buffer(config.vm_instance, data), config),
        *rt.load_vm_modules(
            rt.VmModule.from_buffer(config.vm_instance, data, warn_if_copy=False),
            config=config,
        ),
    ]
    for module in modules:
        assert np.array_equal(module.main(X).to_host(), Y)
    with pytest.raises(ValueError, match="'driver' or 'backend'"):
        rt.load_vm_flatbuffer(data)
    with pytest.raises(ValueError, match="both"):
        rt.load_vm_flatbuffer(data, driver="local-task", backend="llvm-cpu")


def test_destroy_callback(linear, tmp_path):
    path = tmp_path / "linear.vmfb"
    path.write_bytes(bytes(memoryview(linear.map_memory())))
    called = []
    config = rt.Config("local-sync")
    vm_module = rt.VmModule.mmap(
        config.vm_instance, str(path), destroy_callback=lambda: called.append(1)
    )
    module = rt.load_vm_module(vm_module, config)
    assert np.array_equal(module.main(X).to_host(), Y)
    assert not called
    del vm_module, module
    gc.collect()
    assert called == [1]


def test_module_describes_itself(linear, dynamic):
    module = rt.VmModule.wrap_buffer(rt.VmInstance(), linear.map_memory())
    assert module.name == "module"
    assert module.version == 0
    assert "main" in module.function_names
    function = module.lookup_function("main")
    assert (function.name, function.module_name) == ("main", "module")
    assert isinstance(function.reflection, dict)
    inner = _runtime.Module.from_buffer(dynamic.map_memory())
    ((name, dtype, dims, low, high),) = inner.inputs("main")
    assert (name, dtype, dims, low, high) == ("x", "f32", [-1, 2], [1, 2], [100, 2])
    assert inner.target


def test_system_context(linear):
    config = rt.Config("local-sync")
    vm_module = rt.VmModule.wrap_buffer(config.vm_instance, linear.map_memory())
    context = rt.SystemContext(vm_modules=[vm_module], config=config)
    assert not context.is_dynamic
    assert np.array_equal(context.modules.module.main(X).to_host(), Y)
    assert context.modules["module"].vm_module is vm_module
    dynamic = rt.SystemContext(config=config)
    assert dynamic.is_dynamic
    dynamic.add_vm_module(vm_module)
    assert np.array_equal(dynamic.modules.module["main"](X).to_host(), Y)
    with pytest.raises(ValueError, match="duplicate"):
        dynamic.add_vm_module(vm_module)


def test_vm_context_invoke(linear):
    config = rt.Config("local-sync")
    vm_module = rt.VmModule.wrap_buffer(config.vm_instance, linear.map_memory())
    context = rt.VmContext(config.vm_instance, [*config.default_vm_modules, vm_module])
    inputs, outputs = rt.VmVariantList(1), rt.VmVariantList(1)
    inputs.push_ref(rt.asdevicearray(config.device, X)._buffer_view)
    context.invoke(vm_module.lookup_function("main"), inputs, outputs)
    view = outputs.get_as_object(0, rt.HalBufferView)
    assert rt.DeviceArray(config.device, view).to_host().tolist() == Y.tolist()


def test_config(monkeypatch):
    device = rt.get_device("local-sync")
    assert rt.Config(device=device).device is device
    assert repr(rt.Config("nope,local-sync").device) == "local-sync"
    with pytest.raises(ValueError, match="not both"):
        rt.Config("local-sync", device=device)
    with pytest.raises(ValueError, match="No device found"):
        rt.Config("nope")
    monkeypatch.setenv("IREE_DEFAULT_DEVICE", "local-sync")
    assert repr(rt.Config().device) == "local-sync"


def test_devices():
    assert set(rt.query_available_drivers()) == {"local-sync", "local-task"}
    assert rt.get_device("local-task") is rt.get_device("local-task")
    assert repr(rt.get_device("local-task://")) == "local-task"
    assert rt.get_device("local-task://?workers=3", cache=False).workers == 3
    assert rt.get_driver("local-task").query_available_devices()[0]["device_id"] == 0
    with pytest.raises(ValueError, match="no driver 'nope'"):
        rt.get_device("nope")
    device = rt.get_device("local-task", cache=False)
    device.workers = 1
    assert device.workers == 1
    with pytest.raises(ValueError, match="expected a number from 1"):
        device.workers = 0


def test_flags():
    assert rt.flags.FUNCTION_INPUT_VALIDATION is True
    with pytest.raises(ValueError, match="'nope' not recognized"):
        rt.flags.parse_flags("--nope")


def test_enum_values_are_those_of_iree():
    assert rt.HalElementType.FLOAT_32 == 0x21000020
    assert rt.HalElementType.BFLOAT_16 == 0x22000010
    assert rt.HalElementType.BOOL_8 == 0x13000008
    assert rt.HalElementType.map_to_dtype(rt.HalElementType.SINT_64) == np.int64
    assert rt.MemoryType.DEVICE_LOCAL | rt.MemoryType.HOST_VISIBLE == 50
    assert rt.BufferUsage.DEFAULT == 0xC03


# ---- DeviceArray ----


@pytest.fixture
def array():
    data = np.arange(6, dtype=np.float32).reshape(2, 3)
    device = rt.get_device("local-sync")
    return rt.asdevicearray(device, data, implicit_host_transfer=True), data


def test_device_array_is_like_numpy(array):
    a, data = array
    assert a.shape == [2, 3] and a.dtype == np.float32 and a.ndim == 2 and len(a) == 2
    assert repr(a) == "<IREE DeviceArray: shape=[2, 3], dtype=float32>"
    for got, want in [
        (a + 1, data + 1),
        (2 * a, 2 * data),
        (a == a, data == data),
        (np.sum(a, axis=0), data.sum(0)),
        (np.concatenate([a, a]), np.concatenate([data, data])),
        (np.asarray(a), data),
        (np.array(a, dtype=np.int64), data.astype(np.int64)),
        (a.astype(np.int32), data.astype(np.int32)),
        (a.reshape(3, 2), data.reshape(3, 2)),
        (a.reshape((6,)), data.reshape(6)),
        (a[1], data[1]),
        (a[0, 1:], data[0, 1:]),
        (np.stack(list(a)), data),
        (pickle.loads(pickle.dumps(a)), data),
        (copy.deepcopy(a), data),
    ]:
        assert isinstance(got, np.ndarray)
        assert got.dtype == want.dtype and np.array_equal(got, want)
    assert a.to_host().flags.owndata is False
    assert a.is_host_accessible


def test_device_array_through_dlpack(array):
    a, data = array
    for t in (torch.from_dlpack(a), torch.as_tensor(a)):
        assert torch.equal(t, torch.from_numpy(data))
    shared = torch.from_dlpack(a)
    shared[0, 0] = 7
    assert a[0, 0] == 7
    del a, array
    gc.collect()
    assert shared[0, 0] == 7
    assert np.array_equal(np.from_dlpack(rt.asdevicearray(None, data)), data)


def test_no_implicit_transfer_unless_asked(array):
    _, data = array
    a = rt.asdevicearray(rt.get_device("local-sync"), data)
    with pytest.raises(ValueError, match="implicitly transferred"):
        a + 1
    with pytest.raises(ValueError, match="implicitly transferred"):
        np.asarray(a)
    assert np.array_equal(a.to_host(), data)


def test_asdevicearray(array):
    a, data = array
    device = rt.get_device("local-sync")
    assert rt.asdevicearray(device, a) is a
    assert rt.asdevicearray(device, 3.0).dtype == np.float64
    assert rt.asdevicearray(device, [1, 2]).dtype == np.int64
    assert rt.asdevicearray(device, [True]).dtype == np.bool_
    assert rt.asdevicearray(device, [1.5, 2], dtype=np.float32).dtype == np.float32
    bits = np.array([0x3F80], np.uint16)
    bf16 = rt.asdevicearray(device, bits, element_type=rt.HalElementType.BFLOAT_16)
    assert bf16._buffer_view.element_type == rt.HalElementType.BFLOAT_16
    assert torch.from_dlpack(bf16).item() == 1.0
    source = np.zeros(3, np.float32)
    copied = rt.asdevicearray(device, source)
    source[:] = 1
    assert copied.to_host().sum() == 0
    with pytest.raises(ValueError, match="not supported"):
        rt.asdevicearray(device, np.array(["text"]))


def test_buffers():
    device = rt.get_device("local-sync")
    allocator = device.allocator
    view = allocator.allocate_buffer_copy(
        memory_type=rt.MemoryType.DEVICE_LOCAL,
        allowed_usage=rt.BufferUsage.DEFAULT,
        device=device,
        buffer=X,
        element_type=rt.HalElementType.FLOAT_32,
    )
    assert view.shape == [4] and view.byte_length == 16
    other = rt.HalBufferView(view.get_buffer(), (2, 2), rt.HalElementType.FLOAT_32)
    assert np.array_equal(rt.DeviceArray(device, other).to_host(), X.reshape(2, 2))
    assert np.array_equal(view.map().asarray([4], np.float32), X)
    with pytest.raises(ValueError, match="does not fit"):
        rt.HalBufferView(view.get_buffer(), (5,), rt.HalElementType.FLOAT_32)
    buffer = allocator.allocate_buffer(
        rt.MemoryType.HOST_LOCAL, rt.BufferUsage.TRANSFER, 8
    )
    assert buffer.byte_length() == 8


# ---- torch in, torch out: what the JIT uses ----


def session_of(binary, device="local-sync"):
    module = _runtime.Module.from_buffer(binary.map_memory())
    return _runtime.Session(module, _runtime.Device(device))


def test_bind_torch(linear, dynamic):
    x = torch.from_numpy(X)
    (y,) = session_of(linear).bind("main", torch=True)(x)
    assert isinstance(y, torch.Tensor)
    assert torch.equal(y, torch.from_numpy(Y))
    double = session_of(dynamic).bind(0, torch=True)
    rows = torch.randn(5, 2)
    assert torch.equal(double(rows)[0], rows + rows)
    assert torch.equal(double(torch.ones(2, 5).t())[0], torch.full((5, 2), 2.0))
    with pytest.raises(TypeError, match="expected 1 arguments, found 2"):
        double(rows, rows)


def test_bind_plan(dynamic):
    session, marker = session_of(dynamic), object()
    plan = dict(
        torch=True,
        arguments=3,
        inputs=[(1, (1, 0))],
        outputs=[("value", marker), ("result", 0, (1, 0)), ("input", 2), ("same", 1)],
    )
    x = torch.randn(5, 2).t()  # [2, 5], the first axis is the fastest
    wide = torch.randn(2, 5)  # not so: copied
    got = session.bind("main", **plan)(None, wide, "third")
    assert got[0] is marker and got[2] == "third" and got[3] is got[1]
    assert torch.equal(got[1], wide + wide) and got[1].stride() == (1, 2)
    got = session.bind("main", **plan)(None, x, 3)
    assert torch.equal(got[1], x + x)
    args = [None, wide, 3]
    got = session.bind("main", boxed=True, **plan)(args)
    assert args == [] and isinstance(got, list) and torch.equal(got[1], wide + wide)
    with pytest.raises(TypeError, match="a list of arguments"):
        session.bind("main", boxed=True, **plan)(None)


def test_bind_seed(dynamic):
    drawn = []

    def draw():
        drawn.append(torch.full((3, 2), float(len(drawn))))
        return drawn[-1]

    call = session_of(dynamic).bind(
        "main",
        torch=True,
        arguments=0,
        inputs=[(None, None)],
        outputs=[("seed",), ("result", 0)],
        draw=draw,
    )
    for _ in range(3):
        seed, y = call()
        assert seed is drawn[-1] and torch.equal(y, seed * 2)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": [(3, None)]},
        {"inputs": [(None, None)]},
        {"inputs": [(0, (0, 0))]},
        {"inputs": [(0, (0, 2))]},
        {"inputs": [0]},
        {"outputs": [("result", 1)]},
        {"outputs": [("result", 0), ("result", 0)]},
        {"outputs": [("result", 0, (0, 2, 1))]},
        {"outputs": [("nothing", 0)]},
        {"outputs": [("seed",)]},
        {"outputs": [("result",)]},
        {"outputs": [("same", 0)]},
        {"outputs": [("same", 1), ("result", 0)]},
    ],
)
def test_bind_refuses_wrong_plans(dynamic, change):
    plan = dict(torch=True, arguments=1, inputs=[(0, None)], outputs=[("result", 0)])
    with pytest.raises((ValueError, TypeError, IndexError)):
        session_of(dynamic).bind("main", **{**plan, **change})


def test_torch_result_outlives_its_session(linear):
    session = session_of(linear)
    (y,) = session.bind("main", torch=True)(torch.from_numpy(X))
    del session
    gc.collect()
    y += 1
    assert torch.equal(y, torch.from_numpy(Y) + 1)


def test_lazily_negated_tensors():
    class Add(torch.nn.Module):
        def forward(self, x):
            return x + 1.0

    session = session_of(compile_(Add(), torch.randn(4)))
    z = torch.tensor([1 + 2j, 3 - 4j, 5j, 6]).conj()
    (y,) = session.bind("main", torch=True)(z.imag)
    assert torch.equal(y, z.imag + 1.0)


def test_transient_memory_is_reported(linear):
    session = session_of(linear)
    session.call("main", X)
    assert session.transient_bytes("main") >= 0


# ---- the package ----


def test_imports_neither_torch_nor_compiler():
    code = (
        "import sys, shark_turbine.runtime, iree.runtime as r; "
        "import iree.runtime.flags; r.Config('local-task'); "
        "bad = [m for m in ('torch', 'shark_turbine._compiler') if m in sys.modules]; "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))


def test_extension_uses_the_stable_abi():
    assert ".abi3." in _runtime.__file__
    assert os.path.getsize(_runtime.__file__) < 2 << 20


# ---- timing, modules in Python ----


def test_benchmark_module(linear, tmp_path):
    module = rt.VmModule.copy_buffer(None, linear)
    try:
        rt.benchmark_exe()
    except rt.BenchmarkToolError:
        pytest.skip("turbine-benchmark-module is not built")
    x = np.arange(4, dtype=np.float32)
    rows = rt.benchmark_module(
        module,
        inputs=[x],
        benchmark_min_time="20x",
        benchmark_repetitions=2,
        device="local-sync",
    )
    assert [r.benchmark_name for r in rows] == ["BM_main/process_time/real_time"] * 2
    for r in rows:
        value, unit = r.time.split()
        assert float(value) > 0 and unit == "ns" and int(r.iterations) >= 20
        assert r.report["min"] <= r.report["median"] and r.cpu_time.endswith(" ns")
    path = tmp_path / "linear.vmfb"
    path.write_bytes(linear)
    few = {"benchmark_min_time": "3x"}
    assert len(rt.benchmark_module(path, inputs=["4xf32=1"], **few)) == 1
    assert len(rt.benchmark_module(path, inputs=[np.ones(4, np.float32)], **few)) == 1
    with pytest.raises(rt.BenchmarkToolError, match="4xf32"):
        rt.benchmark_module(path, inputs=[np.ones(3, np.float32)])
    with pytest.raises(ValueError, match="unknown function other"):
        rt.benchmark_module(module, "other")
    with pytest.raises(ValueError, match="its own JSON"):
        rt.benchmark_module(module, benchmark_out="x")
    with pytest.raises(rt.BenchmarkToolError, match="no_such_flag"):
        rt.benchmark_module(module, no_such_flag=True)
    with pytest.raises(rt.BenchmarkTimeoutError, match="timed out"):
        rt.benchmark_module(module, timeout=0.2, benchmark_min_time="60s")
    with pytest.raises(rt.BenchmarkToolError, match="missing-tool"):
        rt.benchmark_module(module, executable="missing-tool")


def test_modules_in_python(linear):
    class Sums:
        def __init__(self, interface):
            self.total = 0

        def add(self, n, x):
            self.total += n * x
            return self.total

        def swap(self, view, number):
            return number, view.deref(rt.HalBufferView)

        def reset(self):
            self.total = 0

    interface = rt.PyModuleInterface("sums", Sums)
    interface.export("add", "0if_f", Sums.add)
    interface.export("swap", "0rI_Ir", Sums.swap)
    interface.export("reset", "0v_v", Sums.reset)
    with pytest.raises(ValueError, match="calling convention '0q_v'"):
        interface.export("bad", "0q_v", Sums.reset)
    module = interface.create()
    assert interface.initialized and module.function_names == ["add", "swap", "reset"]

    def call(context, name, *args):
        inputs, outputs = rt.VmVariantList(2), rt.VmVariantList(2)
        for a in args:
            if isinstance(a, int):
                inputs.push_int(a)
            elif isinstance(a, float):
                inputs.push_float(a)
            else:
                inputs.push_ref(a)
        context.invoke(module.lookup_function(name), inputs, outputs)
        return [outputs.get_variant(i) for i in range(len(outputs))]

    a, b = rt.VmContext(None, [module]), rt.VmContext(None, [module])
    assert call(a, "add", 2, 1.5) == [3.0] and call(a, "add", 1, 1.0) == [4.0]
    assert call(b, "add", 1, 1.0) == [1.0]  # an instance for each context
    assert call(a, "reset") == [] and call(a, "add", 1, 1.0) == [1.0]
    view = rt.asdevicearray(None, np.ones(3))._buffer_view
    number, ref = call(a, "swap", view, 5)
    assert number == 5 and ref.deref(rt.HalBufferView) is view
    with pytest.raises(ValueError, match="expected 2 arguments, found 1"):
        call(a, "add", 1)
    with pytest.raises(ValueError, match="created already"):
        interface.create()


def test_lives_of_modules_in_python():
    made = []

    class Methods:
        def __init__(self, interface):
            made.append(id(self))

        def fail(self):
            raise ValueError("This is from Python")

        def lists(self):
            r = rt.VmVariantList(1)
            r.push_int(42)
            return r.ref, r

    interface = rt.PyModuleInterface("test", Methods)
    interface.export("fail", "0v", Methods.fail)
    interface.export("lists", "0v_rr", Methods.lists)
    module = interface.create()
    contexts = [rt.VmContext(None, modules=(module,)) for _ in range(2)]
    assert len(made) == 2  # with the contexts, before any call
    none, out = rt.VmVariantList(0), rt.VmVariantList(2)
    with pytest.raises(RuntimeError, match="ValueError: This is from Python"):
        contexts[0].invoke(module.lookup_function("fail"), none, out)
    contexts[0].invoke(module.lookup_function("lists"), none, out)
    assert repr(out) == "<VmVariantList(2): [List[42], List[42]]>"
    del contexts, module, none, out
    gc.collect()
    assert interface.destroyed


def test_arrays_as_iree_has_them():
    """What is a copy, what the host has seen, and types that arrays are made to have."""
    device = rt.get_device("local-task")
    data = np.arange(12, dtype=np.int32).reshape(3, 4)
    a = rt.asdevicearray(device, data, implicit_host_transfer=True)
    assert not a.is_host_accessible
    assert a.astype(np.int32, copy=False) is a and a.astype(np.int32) is not a
    assert a.is_host_accessible and a.astype(np.float32).dtype == np.float32
    view = device.allocator.allocate_buffer_copy(
        memory_type=rt.MemoryType.DEVICE_LOCAL,
        allowed_usage=rt.BufferUsage.DEFAULT,
        buffer=data,
        element_type=rt.HalElementType.SINT_32,
    )
    floats = rt.DeviceArray(device, view, override_dtype=np.float32)
    assert floats.to_host().dtype == np.float32
    assert np.array_equal(floats.to_host(), data)  # values, not bits
    capsule = np.asarray(a).__dlpack__()
    imported = device.from_dlpack_capsule(capsule)

    class Producer:
        def __dlpack__(self, stream=None):
            return device.create_dlpack_capsule(imported, 1, 0)

        def __dlpack_device__(self):
            return (1, 0)

    assert np.array_equal(np.from_dlpack(Producer()), data)


def test_imports_little():
    """What is slow to import comes when it is needed."""
    code = (
        "import sys, shark_turbine.runtime; "
        "slow = {'asyncio', 'concurrent.futures', 'logging', 'subprocess'}; "
        "sys.exit(bool(slow & set(sys.modules)))"
    )
    numpy_alone = "import numpy, sys; print('logging' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", numpy_alone], stdout=subprocess.PIPE)
    if out.stdout.strip() == b"True":
        pytest.skip("numpy imports them itself")
    subprocess.run([sys.executable, "-c", code], check=True)
