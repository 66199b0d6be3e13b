# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fences and semaphores, calls that wait for them, queues of a device."""

import asyncio
import threading
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("sum", torch.zeros(3))

    def forward(self, x):
        self.sum.add_(x)
        return self.sum + 0, x * 2


@pytest.fixture(scope="module")
def binary():
    return aot.export(Counter(), args=(torch.ones(3),)).compile(targets=["host"])


@pytest.fixture
def device():
    return rt.get_device("local-task")


@pytest.fixture
def context(binary, device):
    module = rt.VmModule.wrap_buffer(rt.VmInstance(), binary.map_memory())
    return rt.VmContext(None, [rt.create_hal_module(None, device), module]), module


def call(context, x, *fences, name="main$async"):
    context, module = context
    inputs, outputs = rt.VmVariantList(1), rt.VmVariantList(2)
    inputs.push_ref(x)
    for f in fences:
        inputs.push_ref(f)
    context.invoke(module.lookup_function(name), inputs, outputs)
    return [outputs.get_as_object(i, rt.HalBufferView) for i in range(len(outputs))]


def host(view):
    return view.map().asarray(view.shape, np.float32)


def array(device, *values):
    return rt.asdevicearray(device, np.float32(values))._buffer_view


# ---- semaphores and fences ----


def test_semaphores(device):
    s = device.create_semaphore(5)
    s.signal(6)
    assert s.query() == 6 and s.wait(6) is True
    assert s.wait(7, timeout=1000) is False and s.wait(7, deadline=0) is False
    with pytest.raises(ValueError, match="cannot both be set"):
        s.wait(7, timeout=1, deadline=1)
    with pytest.raises(ValueError, match="signaled past 6"):
        s.signal(6)
    s.fail("out of luck")
    s.fail("again")  # the first reason stays
    s.signal(9)  # as in IREE, nobody is told
    for use in (s.query, lambda: s.wait(1)):
        with pytest.raises(RuntimeError, match="out of luck"):
            use()


def test_waiting_is_woken(device):
    s = device.create_semaphore(0)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(s.wait(2, timeout=20 * 10**9)))
    thread.start()
    s.signal(1)
    time.sleep(0.02)
    assert thread.is_alive()
    s.signal(2)
    thread.join(20)
    assert seen == [True]


def test_fences(device):
    a, b, c = (device.create_semaphore(0) for _ in range(3))
    fence = rt.HalFence(2)
    assert fence.wait() and fence.timepoint_count == 0
    for semaphore, value in ((a, 1), (b, 2), (a, 3), (a, 2)):
        fence.insert(semaphore, value)
    assert fence.timepoint_count == 2
    with pytest.raises(RuntimeError, match="capacity 2 reached"):
        fence.insert(c, 1)
    assert fence.wait(timeout=1000) is False
    both = rt.HalFence.join([fence, rt.HalFence.create_at(c, 4)])
    assert both.timepoint_count == 3
    with pytest.raises(RuntimeError, match="capacity"):
        rt.HalFence(1).extend(both)
    fence.signal()
    assert (a.query(), b.query()) == (3, 2) and fence.wait()
    assert both.wait(timeout=1000) is False
    both.fail("lost")
    with pytest.raises(RuntimeError, match="^synchronous fence failure: lost"):
        both.wait()


def test_external_timepoints_are_refused(device):
    s, point = device.create_semaphore(0), rt.HalExternalTimepoint()
    assert point.type == rt.ExternalTimepointType.NONE == 0
    assert point.compatibility == rt.SemaphoreCompatibility.NONE
    with pytest.raises(NotImplementedError):
        s.export_timepoint(1, rt.ExternalTimepointType.HIP_EVENT, 0, point)
    with pytest.raises(NotImplementedError):
        s.import_timepoint(1, point)


# ---- calls ----


def test_call_that_may_run_at_once(context, device):
    s = device.create_semaphore(0)
    x = array(device, 1, 2, 3)
    total, twice = call(context, x, None, rt.HalFence.create_at(s, 1))
    assert s.query() == 1
    assert host(total).tolist() == [1, 2, 3] and host(twice).tolist() == [2, 4, 6]
    call(context, x, rt.HalFence.create_at(s, 1), rt.HalFence(0))
    (total, _) = call(context, x, name="main")  # the same state, and no fences
    assert host(total).tolist() == [3, 6, 9]


def test_chain_of_calls_that_wait(context, device):
    """Nothing runs before the start is given; what one call gives, the next may take."""
    start, done = device.create_semaphore(0), device.create_semaphore(0)
    at = rt.HalFence.create_at
    _, a = call(context, array(device, 1, 2, 3), at(start, 1), at(done, 1))
    _, b = call(context, a, at(done, 1), at(done, 2))
    total, c = call(context, b, at(done, 2), at(done, 3))
    assert not done.wait(1, timeout=5_000_000)
    start.signal(1)
    assert at(done, 3).wait(timeout=20 * 10**9)
    assert host(c).tolist() == [8, 16, 24]
    assert host(total).tolist() == [7, 14, 21] and total.shape == [3]


def test_errors(context, device):
    s = device.create_semaphore(0)
    at = rt.HalFence.create_at
    x, wrong = array(device, 1, 2, 3), array(device, 1, 2)
    with pytest.raises(ValueError, match=r"expected 3xf32, got 2xf32"):
        call(context, wrong, None, at(s, 1))  # at once: raised, nothing signaled
    assert s.query() == 0
    with pytest.raises(ValueError, match="expected two fences"):
        call(context, x)
    with pytest.raises(ValueError, match="expected two fences"):
        call(context, x, x, at(s, 1))
    start = device.create_semaphore(0)
    result, _ = call(context, wrong, at(start, 1), at(s, 1))
    start.signal(1)  # later: the fence fails
    with pytest.raises(RuntimeError, match="2xf32"):
        s.wait(1)
    with pytest.raises(ValueError, match="2xf32"):
        host(result)
    late = device.create_semaphore(0)
    result, _ = call(context, x, at(s, 2), at(late, 1))  # waits for what failed
    with pytest.raises(RuntimeError, match="2xf32"):
        late.wait(1)
    assert host(call(context, x, None, None)[0]).tolist() == [1, 2, 3]  # still usable


def test_async_functions_by_name(binary):
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    assert module.lookup_function("main$async").name == "main$async"
    assert module.lookup_function("other$async") is None
    m = rt.load_vm_module(module, config)
    s = config.device.create_semaphore(0)
    _, twice = m["main$async"](np.float32([1, 2, 3]), None, rt.HalFence.create_at(s, 1))
    assert twice.to_host().tolist() == [2, 4, 6] and s.query() == 1


def test_submit(binary):
    """Calls in a thread of the context, in order, also from an event loop."""
    config = rt.Config("local-task")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    m = rt.load_vm_module(module, config)
    x = np.float32([1, 2, 3])
    futures = [m.main.submit(x) for _ in range(20)]
    assert [float(f.result()[0][0]) for f in futures] == list(range(1, 21))
    with pytest.raises(ValueError, match="got 2xf32"):
        m.main.submit(x[:2]).result()

    async def main():
        first, second = m.main.submit(x=x), m.main.submit(x)
        return await asyncio.gather(
            asyncio.wrap_future(first), asyncio.wrap_future(second)
        )

    got = asyncio.run(main())
    assert [float(total[0]) for total, _ in got] == [21, 22]


# ---- queues ----


def buffer(device, n=16):
    usage = rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING
    return device.allocator.allocate_buffer(rt.MemoryType.DEVICE_LOCAL, usage, n)


def content(b):
    return b.map().asarray([b.byte_length()], np.uint8).tolist()


def test_command_buffers(device):
    a, b, s = buffer(device, 8), buffer(device, 8), device.create_semaphore(0)
    commands = rt.HalCommandBuffer(device)
    commands.fill(a, np.uint16(513), 2, 4)
    commands.copy(a, b, 1, 3, 4, end=True)
    for wrong in (commands.end, lambda: commands.fill(a, b"\1")):
        with pytest.raises(RuntimeError, match="FAILED_PRECONDITION.*not recording"):
            wrong()
    with pytest.raises(RuntimeError, match="FAILED_PRECONDITION.* is recording"):
        rt.HalCommandBuffer(device).begin()
    rt.HalCommandBuffer(device, begin=False).begin()
    device.queue_execute([commands], [(s, 1)], [(s, 2)])
    assert content(b) == [0] * 8
    s.signal(1)
    assert s.wait(2) and content(a) == [0, 0, 1, 2, 1, 2, 0, 0]
    assert content(b) == [0, 0, 0, 0, 1, 2, 1, 0]
    for args in ((a, b"abc"), (a, b"ab", 0, 3), (a, b"a", 7, 2)):
        with pytest.raises(ValueError, match="fill|range"):
            rt.HalCommandBuffer(device).fill(*args)
    with pytest.raises(ValueError, match=r"range \[0, 16\) outside"):
        rt.HalCommandBuffer(device).copy(buffer(device), b)


def test_queues(device):
    s = device.create_semaphore(0)
    a = buffer(device)
    a.map().asarray([4], np.int32)[:] = [1, 2, 3, 4]
    b = device.queue_alloca(16, [], [(s, 1)])
    fence = rt.HalFence.create_at(s, 1)
    device.queue_copy(a, b, fence, [(s, 2)])
    device.queue_dealloca(a, rt.HalFence.create_at(s, 2), [(s, 3)])
    assert s.query() == 3 and b.map().asarray([4], np.int32).tolist() == [1, 2, 3, 4]
    bad = device.create_semaphore(0)
    bad.fail("nothing to copy")
    device.queue_copy(b, b, [(bad, 1)], [(s, 4)])
    with pytest.raises(RuntimeError, match="nothing to copy"):
        s.wait(4)


def test_semaphores_in_an_event_loop(device):
    async def main():
        bridge = rt.HalDeviceLoopBridge(device, asyncio.get_running_loop())
        s = device.create_semaphore(0)
        future = bridge.on_semaphore(s, 2, "value")
        threading.Timer(0.01, lambda: s.signal(2)).start()
        assert await asyncio.wait_for(future, 20) == "value"
        failing = bridge.on_semaphore(s, 3, None)
        s.fail("gone")
        with pytest.raises(RuntimeError, match="gone"):
            await asyncio.wait_for(failing, 20)
        bridge.stop()
        with pytest.raises(RuntimeError, match="stopped"):
            bridge.on_semaphore(s, 4, None)

    asyncio.run(main())


# ---- memory and references ----


def test_imported_memory(device):
    """A buffer over an array of the caller, in place."""
    memory = np.zeros(4, np.float32)
    usage = rt.BufferUsage.DEFAULT
    b = device.allocator.import_host_allocation(memory, rt.MemoryType.HOST_LOCAL, usage)
    view = rt.HalBufferView(b, [4], rt.HalElementType.FLOAT_32)
    memory[2] = 7
    assert host(view).tolist() == [0, 0, 7, 0]
    del memory
    assert host(view)[2] == 7
    for other in (b"read only", np.zeros((4, 4))[:, 0], 3):
        with pytest.raises((BufferError, TypeError, ValueError)):
            device.allocator.import_host_allocation(other, 0, 0)
    assert device.allocator.statistics == {}


def test_references(device):
    view, fence = array(device, 1, 2, 3), rt.HalFence(0)
    values = rt.VmVariantList(4)
    values.push_ref(view)
    values.push_ref(fence.ref)
    values.push_int(3)
    values.push_list(rt.VmVariantList(0))
    assert rt.HalBufferView.__iree_vm_cast__(values.get_as_ref(0)) is view
    assert rt.HalBufferView.__iree_vm_cast__(values.get_as_ref(1)) is None
    assert values.get_variant(1).isinstance(rt.HalFence)
    assert values.get_variant(0).deref(rt.HalFence, True) is None
    assert values.get_variant(2) == 3 and len(values.get_as_list(3)) == 0
    with pytest.raises(ValueError, match="expected a HalFence, found a HalBufferView"):
        values.get_as_object(0, rt.HalFence)
    assert values.ref == values.__iree_vm_ref__
    assert values.ref
    b = rt.VmBuffer(4)
    memoryview(b)[1] = 5
    assert bytes(b) == b"\0\5\0\0" and b.ref.deref(rt.VmBuffer) is b
    fixed = rt.VmBuffer(2, mutable=False)
    assert isinstance(fixed, rt.VmBuffer) and bytes(fixed) == b"\0\0"
    with pytest.raises(TypeError):
        memoryview(fixed)[0] = 1


def test_lists_are_shown_as_by_iree(device):
    inner, outer = rt.VmVariantList(2), rt.VmVariantList(3)
    inner.push_int(42)
    inner.push_float(2)
    outer.push_list(inner)
    outer.push_list(rt.VmVariantList(0))
    outer.push_ref(rt.asdevicearray(device, np.int32([[1, 0]]))._buffer_view)
    assert repr(inner) == "<VmVariantList(2): [42, 2.000000]>"
    shown = "<VmVariantList(3): [List[42, 2.000000], List[], HalBufferView(1x2:0x11000020)]>"
    assert repr(outer) == shown
