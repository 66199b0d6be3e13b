# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Real architectures against eager PyTorch: exported, evaluated, compiled, run.

Quick: tiny configurations of every model through the reference evaluator and through
compiled code on both devices. Slow (`-m slow`): the models in full.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import shark_turbine.runtime as rt
import zoo
from shark_turbine import aot

MODELS = list(zoo.BUILDERS)
DEVICES = ["local-sync", "local-task"]


def results(value):
    """A model's results as a list of arrays, whoever gave them."""
    several = value if isinstance(value, (tuple, list)) else [value]
    return [v.to_host() if hasattr(v, "to_host") else np.asarray(v) for v in several]


class Exported:
    """One model, exported once for all tests of this file."""

    def __init__(self, name, size):
        self.model = zoo.build(name, size)
        with torch.no_grad():
            self.wanted = [results(self.model.module(*i)) for i in self.model.inputs]
            self.output = aot.export(
                self.model.module,
                args=self.model.inputs[0],
                dynamic_shapes=self.model.dynamic_shapes,
            )
        self._binary = None

    def binary(self):
        if self._binary is None:
            self._binary = self.output.compile(save_to=None)
        return self._binary

    def check(self, run):
        """`run(arrays)` gives the results for every input of the model."""
        for inputs, wanted in zip(self.model.inputs, self.wanted):
            got = results(run([i.numpy() for i in inputs]))
            assert len(got) == len(wanted)
            for i, (a, b) in enumerate(zip(got, wanted)):
                where = f"inputs {[tuple(t.shape) for t in inputs]}, result {i}"
                self.compare(a, b, where)

    def compare(self, got, want, where):
        assert got.shape == want.shape, where
        assert got.dtype == want.dtype, where
        scale = max(1.0, float(np.abs(want).max()))
        error = float(np.abs(got - want).max()) / scale
        assert error <= self.model.tolerance, f"{where}: error {error:.1e}"


_cache = {}


def exported(name, size="tiny"):
    key = name, size
    if key not in _cache:
        if size != "tiny":
            _cache.clear()  # full models are large
        try:
            _cache[key] = Exported(name, size)
        except zoo.ModelMissing as e:
            _cache[key] = e
    if isinstance(_cache[key], zoo.ModelMissing):
        pytest.skip(str(_cache[key]))
    return _cache[key]


def load(binary, device):
    config = rt.Config(device)
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


@pytest.mark.parametrize("name", MODELS)
def test_evaluator(name):
    model = exported(name)
    model.check(lambda arrays: model.output.evaluate(*arrays))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MODELS)
def test_compiled(name, device):
    model = exported(name)
    main = load(model.binary(), device).main
    model.check(lambda arrays: main(*arrays))


@pytest.mark.parametrize("name", MODELS)
def test_text_round_trip(name):
    """The printed .mlir compiles to a program with the same results."""
    model = exported(name)
    text = str(model.output.mlir_module)
    again = aot.ExportOutput.from_mlir(text)
    assert str(again.mlir_module) == text
    main = load(again.compile(save_to=None), "local-sync").main
    model.check(lambda arrays: main(*arrays))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_full(name):
    model = exported(name, "full")
    main = load(model.binary(), "local-task").main
    model.check(lambda arrays: main(*arrays))
