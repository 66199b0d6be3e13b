# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cases for iree_turbine_test.py: iree-turbine's own modules on our `iree.runtime`.

Run by an interpreter that has iree-turbine and IREE's compiler:

    python iree_turbine_cases.py FOLDER OUTPUT

FOLDER has artifacts that we compiled; OUTPUT gets a JSON object, case -> "ok" or why not.
"""

import json
import pathlib
import sys
import traceback

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "python"

# `iree.runtime` is ours, all else of `iree` is the interpreter's.
sys.path[:0] = [str(PYTHON), str(PYTHON / "iree_compat")]
import iree.runtime as rt

assert rt.__file__.startswith(str(PYTHON))
sys.path.remove(str(PYTHON / "iree_compat"))

import iree.turbine.runtime as turbine_runtime
import numpy as np
import torch
from iree.turbine.dynamo import executor
from iree.turbine.runtime import Device, DeviceState, Launchable
from iree.turbine.runtime.device import get_device_from_torch

assert not turbine_runtime.__file__.startswith(str(PYTHON))

FOLDER = pathlib.Path(sys.argv[1])


def module(name):
    return lambda device: rt.VmModule.mmap(device.vm_instance, str(FOLDER / name))


def case_device():
    with_uri = Device("local-task")
    assert with_uri is Device("local-task") and "local-task" in repr(with_uri)
    with_uri.set()
    assert Device.current() is with_uri
    with_uri.clear()
    device = get_device_from_torch(torch.device("cpu"))
    assert device.driver_id == "local-task"
    assert "workers" in device.dump_device_info()
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    view = device.import_torch_tensor(x)
    assert torch.equal(device.export_torch_tensor(view, x.to("meta")), x)


def case_launchable():
    launch = Launchable.from_vm_module(module("model.vmfb"))
    launch.preload(torch.device("cpu"))
    for n in (4, 7):
        a, b = torch.randn(n), torch.randn(n)
        total, product = launch(a, b)
        torch.testing.assert_close(total, a + b)
        torch.testing.assert_close(product, a * b)


def case_launchable_synchronous():
    launch = Launchable.from_vm_module(module("model.vmfb"), entry_point="main")
    total, _ = launch(torch.ones(2), torch.ones(2))
    assert total.tolist() == [2, 2]


def case_launchable_after_an_error():
    launch = Launchable.from_vm_module(module("model.vmfb"))
    for _ in range(2):
        try:
            launch(torch.ones(2), torch.ones(3))
        except ValueError:
            pass
        else:
            raise AssertionError("sizes that do not fit")
        assert launch(torch.ones(2), torch.ones(2))[0].tolist() == [2, 2]


def case_state():
    """Buffers that a function changes live with the launchable's context."""
    launch = Launchable.from_vm_module(module("counter.vmfb"))
    assert [int(launch(torch.ones(1, dtype=torch.int64))) for _ in range(3)] == [
        1,
        2,
        3,
    ]


def case_specialized_executable():
    state = DeviceState(driver="local-sync")
    loaded = rt.VmModule.mmap(state.instance, str(FOLDER / "model.vmfb"))
    run = executor.SpecializedExecutable(loaded, state)
    total, product = run(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    assert total.tolist() == [4, 6] and product.tolist() == [3, 8]


def case_eager_executable():
    """main$async with DeviceTensors, as eager mode calls it."""
    from iree.turbine.dynamo import DeviceTensor

    device = Device("local-task")
    loaded = rt.VmModule.mmap(device.vm_instance, str(FOLDER / "model.vmfb"))
    run = executor.EagerSpecializedExecutable(loaded, device._s)
    a, b = (DeviceTensor.from_torch(torch.tensor(x)) for x in ([1.0, 2.0], [3.0, 4.0]))
    for _ in range(2):
        results = run(a, b)
        for r, want in zip(results, ([4, 6], [3, 8])):
            r.signal.wait()
            memory = r.buffer.map().asarray(list(r.size), np.float32)
            assert memory.tolist() == want and r.dtype == torch.float32


def case_device_tensor():
    """Allocation, fills and copies in queues; what computes is compiled by IREE's compiler."""
    from iree.turbine import dynamo

    Device("local-task").set()
    with dynamo.TurbineMode():
        zeros = torch.zeros(3, dtype=torch.int32, device="turbine")
        ones = torch.ones(2, 3, device="turbine-local-task")
        host = torch.arange(4, dtype=torch.float32)
        copied = dynamo.DeviceTensor.from_torch(host)
        for t, want in (
            (zeros, [0, 0, 0]),
            (ones, [[1.0] * 3] * 2),
            (copied, host.tolist()),
        ):
            assert t.to("cpu").tolist() == want, t
    Device.current().clear()


def case_parameter_archives():
    from iree.turbine.aot import ParameterArchive, ParameterArchiveBuilder

    path = FOLDER / "theirs.irpa"
    builder = ParameterArchiveBuilder()
    tensors = {
        "w": torch.randn(3, 4),
        "h": torch.randn(2).bfloat16(),
        "n": torch.tensor(7),
    }
    for name, t in tensors.items():
        builder.add_tensor(name, t)
    builder.save(path)
    for name, entry in ParameterArchive(path).items():
        assert torch.equal(entry.as_tensor(), tensors[name])


def case_launchable_with_parameters():
    index = rt.ParameterIndex()
    index.load(str(FOLDER / "linear.safetensors"))
    launch = Launchable.from_vm_module(
        module("linear.vmfb"),
        parameter_providers=[index.create_provider(scope="model")],
    )
    want = np.load(FOLDER / "linear.npy")
    np.testing.assert_allclose(launch(torch.ones(2, 4)).numpy(), want, rtol=1e-5)


def case_their_mlir():
    """What iree-turbine exports, our compiler compiles."""
    from iree.turbine import aot
    from shark_turbine import _compiler

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, x):
            return torch.relu(self.layer(x)).sum(-1)

    net = Net()
    text = str(aot.export(net, args=(torch.ones(2, 4),)).mlir_module)
    artifact = _compiler.parse_mlir(text).compile(targets=["host"])
    launch = Launchable.from_vm_module(
        lambda device: rt.VmModule.wrap_buffer(
            device.vm_instance, artifact.map_memory()
        )
    )
    x = torch.randn(2, 4)
    torch.testing.assert_close(launch(x), net(x).detach(), rtol=1e-5, atol=1e-5)


def main():
    results = {}
    for name, case in list(globals().items()):
        if name.startswith("case_"):
            try:
                case()
                results[name] = "ok"
            except Exception:
                results[name] = traceback.format_exc()
    pathlib.Path(sys.argv[2]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
