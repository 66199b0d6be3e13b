# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How each engine compiles a program and calls it, in the fastest way it offers.

Two sorts. Those that compile ahead have `prepare`, which leaves files in a folder, and
`load`, which needs those files and saved inputs only (no torch in the process that is
measured). The others have `load` alone: they compile in the process that runs.

`load` gives a `call` without arguments, to be timed, and `arrays(result)`, numpy arrays of
what it returned. Inputs are handed over once where the engine can hold them, results stay
in the engine's memory where it offers that: what is timed is the program.

Runs inside workers (worker.py); each method imports what it needs.
"""

import os
import time
from pathlib import Path


class Clock:
    """Names the parts of getting ready: clock("compile_s") ends one."""

    def __init__(self):
        self.parts = {}
        self._begin = time.perf_counter()

    def __call__(self, name):
        now = time.perf_counter()
        self.parts[name] = self.parts.get(name, 0) + now - self._begin
        self._begin = now


class Engine:
    ours = False
    ahead = False  # has prepare()
    trains = False
    environment = ".venv-bench"

    def prepare(self, program, folder, clock):
        """Captures and compiles; returns the files that make up the artifact."""
        raise NotImplementedError

    def load(self, case, folder, threads, clock):
        """Returns (call, arrays)."""
        raise NotImplementedError


def _inputs(folder):
    """The saved inputs, in memory of our own with the alignment engines like."""
    import numpy as np

    arrays = []
    with np.load(folder / "inputs.npz") as saved:
        for i in range(len(saved.files)):
            source = saved[f"arr_{i}"]
            raw = np.empty(source.nbytes + 64, np.uint8)
            skip = -raw.ctypes.data % 64
            kept = (
                raw[skip : skip + source.nbytes]
                .view(source.dtype)
                .reshape(source.shape)
            )
            kept[...] = source
            arrays.append(kept)
    return arrays


def _tensors(result):
    several = result if isinstance(result, (tuple, list)) else [result]
    return [t.detach().numpy() for t in several]


# ---- in PyTorch's process ----


class Eager(Engine):
    trains = True
    environment = ".venv"

    def compiled(self, module):
        return module

    def load(self, case, folder, threads, clock):
        import torch

        from . import programs

        torch.set_num_threads(threads)
        program = programs.build(case)
        clock("build_s")
        module = self.compiled(program.module)
        if program.loss:
            return self.training(program, module, clock)
        torch.set_grad_enabled(False)
        inputs = program.inputs
        module(*inputs)
        clock("compile_s")
        return lambda: module(*inputs), _tensors

    def training(self, program, module, clock):
        """One step: forward, backward, SGD."""
        import torch

        parameters = list(program.module.parameters())
        optimizer = torch.optim.SGD(parameters, lr=1e-4)

        def step():
            optimizer.zero_grad()
            loss = program.loss(module(*program.inputs))
            loss.backward()
            optimizer.step()
            return loss

        step()
        clock("compile_s")
        return step, lambda loss: _tensors([loss, *parameters])


class Inductor(Eager):
    def compiled(self, module):
        import torch

        return torch.compile(module)


class Jit(Eager):
    ours = True

    def compiled(self, module):
        import torch

        return torch.compile(module, backend="turbine_cpu")


# ---- ahead of time ----


class Aot(Engine):
    ours = True
    ahead = True
    environment = ".venv"

    def prepare(self, program, folder, clock):
        from shark_turbine import aot

        output = aot.export(program.module, args=program.inputs)
        clock("capture_s")
        path = folder / "model.vmfb"
        output.compile(save_to=str(path))
        clock("compile_s")
        return [path]

    def load(self, case, folder, threads, clock):
        import shark_turbine.runtime as rt

        uri = "local-sync" if threads == 1 else f"local-task://?workers={threads}"
        config = rt.Config(device=rt.get_device(uri, cache=False))
        module = rt.VmModule.mmap(config.vm_instance, str(folder / "model.vmfb"))
        main = rt.load_vm_module(module, config).main
        inputs = _inputs(folder)
        clock("load_s")
        return lambda: main(*inputs), _on_host


def _on_host(result):
    several = result if isinstance(result, (tuple, list)) else [result]
    return [r.to_host() for r in several]


class OnnxRuntime(Engine):
    ahead = True

    def prepare(self, program, folder, clock):
        import torch

        exported = torch.onnx.export(
            program.module, program.inputs, dynamo=True, verbose=False
        )
        # protobuf ends at 2 GB
        exported.save(
            str(folder / "model.onnx"), external_data=_weights(program) > 1 << 30
        )
        clock("capture_s")
        return sorted(folder.glob("model.onnx*"))

    def load(self, case, folder, threads, clock):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = ort.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        clock("compile_s")
        binding = session.io_binding()
        for node, array in zip(session.get_inputs(), _inputs(folder), strict=True):
            binding.bind_ortvalue_input(
                node.name, ort.OrtValue.ortvalue_from_numpy(array)
            )
        for node in session.get_outputs():
            binding.bind_output(node.name, "cpu")

        def call():
            session.run_with_iobinding(binding)
            return binding

        return call, lambda b: b.copy_outputs_to_cpu()


class OpenVino(Engine):
    ahead = True

    def prepare(self, program, folder, clock):
        import openvino
        import torch

        exported = torch.export.export(program.module, program.inputs)
        model = openvino.convert_model(exported)
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
        clock("capture_s")
        return [folder / "model.xml", folder / "model.bin"]

    def load(self, case, folder, threads, clock):
        import openvino

        hints = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", hints)
        clock("compile_s")
        request = compiled.create_infer_request()
        inputs = _inputs(folder)
        for i, array in enumerate(inputs):
            request.set_input_tensor(i, openvino.Tensor(array, shared_memory=True))
        n = len(compiled.outputs)

        def call():
            request.infer(share_inputs=True, share_outputs=True)
            return inputs  # which must live as long as the request

        return call, lambda _: [request.get_output_tensor(i).data for i in range(n)]


class Iree(Engine):
    ahead = True

    def prepare(self, program, folder, clock):
        from iree.turbine import aot

        output = aot.export(program.module, args=program.inputs)
        clock("capture_s")
        output.session.set_flags(
            "--iree-llvmcpu-target-cpu=host",
            "--iree-opt-level=O3",
            "--iree-opt-data-tiling",
        )
        path = folder / "iree.vmfb"
        output.compile(save_to=str(path), target_backends="llvm-cpu")
        clock("compile_s")
        return [path]

    def load(self, case, folder, threads, clock):
        import iree.runtime as rt

        rt.flags.parse_flags(f"--task_topology_group_count={threads}")
        config = rt.Config("local-sync" if threads == 1 else "local-task")
        module = rt.VmModule.mmap(config.vm_instance, str(folder / "iree.vmfb"))
        main = rt.load_vm_module(module, config).main
        inputs = [rt.asdevicearray(config.device, a) for a in _inputs(folder)]
        clock("load_s")
        return lambda: main(*inputs), _on_host


def _weights(program):
    return sum(
        t.numel() * t.element_size() for t in program.module.state_dict().values()
    )


ENGINES = {
    "eager": Eager(),
    "inductor": Inductor(),
    "onnxruntime": OnnxRuntime(),
    "openvino": OpenVino(),
    "iree": Iree(),
    "aot": Aot(),
    "jit": Jit(),
}


def artifact_bytes(paths):
    return sum(os.stat(Path(p)).st_size for p in paths)
