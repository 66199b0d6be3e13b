# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parameters outside of artifacts: exported, found by name, swapped, shared, refused."""

import json
import os
import struct
import subprocess

import numpy as np
import pytest
import shark_turbine.runtime as rt
import torch
from shark_turbine import _runtime, aot
from shark_turbine.runtime import safetensors

TOOLS = os.path.join(os.path.dirname(__file__), "../../build/tools")


class Net(torch.nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.out = torch.nn.Linear(8, 5)
        self.scale = torch.nn.Parameter(torch.randn(()))
        self.register_buffer("shift", torch.randn(5), persistent=False)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.out(x) * self.scale + self.shift


X = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(1))


def run(path, parameters, *args, function="main"):
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(path))
    bound = rt.load_vm_modules(parameters, module, config=config)[1]
    return torch.as_tensor(bound[function](*args).to_host())


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parameters")
    output = aot.export(Net().eval(), args=(X,))
    output.compile(folder / "net.vmfb", parameters="external")
    output.save_parameters(folder / "net.safetensors")
    return folder / "net.vmfb"


def expected(model):
    with torch.no_grad():
        return model.eval()(X)


def test_swapped_weights(artifact, tmp_path):
    """One artifact, several sets of weights."""
    plain = rt.load_parameters(artifact.with_suffix(".safetensors"))
    torch.testing.assert_close(run(artifact, plain, X), expected(Net()))
    for seed in (3, 4):
        other = Net(seed)
        other.norm.running_var += 0.5
        other.shift = Net().shift
        aot.save_module_parameters(tmp_path / f"{seed}", other)
        given = rt.load_parameters({"model": tmp_path / f"{seed}.safetensors"})
        torch.testing.assert_close(run(artifact, given, X), expected(other))


def test_the_file_holds_no_weights(artifact):
    module = _runtime.Module.from_file(str(artifact))
    names = {name: dims for _, name, _, dims in module.parameters}
    assert names["conv.weight"] == [8, 3, 3, 3] and names["scale"] == []
    assert "shift" not in names and {s for s, *_ in module.parameters} == {"model"}
    assert module.globals == []
    weights = Net().conv.weight.detach().numpy().tobytes()
    assert weights not in artifact.read_bytes()
    embedded = aot.export(Net().eval(), args=(X,)).compile()
    assert _runtime.Module.from_buffer(embedded, True).parameters == []


def test_compiled_again_it_is_embedded():
    output = aot.export(Net().eval(), args=(X,))
    first = bytes(memoryview(output.compile()))
    outside = bytes(memoryview(output.compile(parameters="external")))
    assert outside != first
    assert bytes(memoryview(output.compile(parameters="external"))) == outside
    assert bytes(memoryview(output.compile())) == first


def test_externalize_module_parameters(tmp_path):
    """Marks on tensors, as IREE-Turbine's scripts set them; the index by hand."""
    model = Net().eval()
    aot.externalize_module_parameters(model, external_scope="a", prefix="net.")
    path = tmp_path / "m.vmfb"
    aot.export(model, args=(X,)).compile(path)
    aot.save_module_parameters(tmp_path / "m.safetensors", model, prefix="net.")
    index = rt.ParameterIndex()
    index.load(str(tmp_path / "m.safetensors"))
    assert dict(index.items())["net.out.bias"].shape == [5]
    instance = rt.VmInstance()
    params = rt.create_io_parameters_module(instance, index.create_provider(scope="a"))
    torch.testing.assert_close(run(path, params, X), expected(Net()))
    archive = dict(aot.ParameterArchive(tmp_path / "m.safetensors").items())
    torch.testing.assert_close(
        archive["net.conv.weight"].as_tensor(), model.conv.weight.detach()
    )


def test_an_index_from_memory(artifact):
    index = rt.ParameterIndex()
    for name, tensor in Net(7).state_dict().items():
        array = tensor.numpy()
        if name == "out.bias":
            index.add_splat(name, struct.pack("<f", 0.25), 20)
        elif name == "out.weight":  # bytes without a type
            index.add_buffer(name, array.tobytes())
        else:
            index.add_buffer(name, array)
    other = Net(7)
    other.shift = Net().shift
    torch.nn.init.constant_(other.out.bias, 0.25)
    params = rt.create_io_parameters_module(None, index.create_provider("model"))
    torch.testing.assert_close(run(artifact, params, X), expected(other))


def test_mutable_state_starts_with_parameters(tmp_path):
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(3))
            self.w = torch.nn.Parameter(torch.ones(3))

        def forward(self, x):
            self.total += x * self.w
            return self.total.clone()

    output = aot.export(Counter(), args=(torch.ones(3),))
    path = tmp_path / "c.vmfb"
    output.compile(path, parameters="external")
    index = rt.ParameterIndex()
    index.add_buffer("total", np.array([1, 2, 3], np.float32))
    index.add_buffer("w", np.full(3, 2, np.float32))
    params = rt.create_io_parameters_module(None, index.create_provider("model"))
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(path))
    for _ in range(2):  # each context begins with them
        bound = rt.load_vm_modules(params, module, config=config)[1]
        assert list(bound.state) == ["total"]
        bound.main(torch.ones(3))
        assert bound.main(torch.ones(3)).to_host().tolist() == [5, 6, 7]
        bound.state.reset()
        assert bound.state["total"].to_host().tolist() == [1, 2, 3]


def test_embedding_control_flow_and_complex(tmp_path):
    """Parameters where constants would be looked at: indexed, in branches, complex."""

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(5)
            self.e = torch.nn.Embedding(7, 4)
            self.a = torch.nn.Linear(4, 4)
            self.z = torch.nn.Parameter(torch.randn(4, dtype=torch.complex64))

        def forward(self, ids, flag):
            x = self.e(ids)
            y = torch.cond(
                flag.sum() > 0, lambda x: self.a(x), lambda x: x @ self.a.weight, (x,)
            )
            return y, torch.view_as_real(y * self.z), self.a.weight

    model = Model()
    args = (torch.tensor([1, 6, 0]), torch.tensor([1]))
    output = aot.export(model, args=args)
    path = tmp_path / "m.vmfb"
    output.compile(path, parameters="external")
    output.save_parameters(tmp_path / "m.safetensors")
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(path))
    given = rt.load_parameters(tmp_path / "m.safetensors")
    bound = rt.load_vm_modules(given, module, config=config)[1]
    for flag in (1, 0):
        args = (args[0], torch.tensor([flag]))
        with torch.no_grad():
            want = model(*args)
        for got, w in zip(bound.main(*args), want):
            torch.testing.assert_close(torch.as_tensor(got.to_host()), w)


# ---- what is refused ----


def without(path, to, **changes):
    """A copy of a file with tensors replaced or (None) left out."""
    arrays = safetensors.load(path)[0]
    rows = {n: np.array(a) for n, a in arrays.items()} | changes
    kinds = safetensors.parse_header(safetensors.map_file(path))[0]
    named = {np.dtype(np.float64): "f64", np.dtype(np.float32): "f32"}
    safetensors.save(
        to,
        [
            (n, named.get(a.dtype, kinds[n][0]), a)
            for n, a in rows.items()
            if a is not None
        ],
    )
    return to


def test_what_does_not_fit(artifact, tmp_path):
    good = artifact.with_suffix(".safetensors")
    to = tmp_path / "x.safetensors"

    def refused(text, given, kind=ValueError):
        with pytest.raises(kind, match=text):
            run(artifact, given, X)

    nothing = rt.create_io_parameters_module(None)
    refused("needs parameter 'scale' .f32. of scope 'model'", nothing)
    refused(
        "parameters of that scope were not given", rt.load_parameters({"other": good})
    )
    lacks = rt.load_parameters(without(good, to, scale=None))
    refused("'scale' .f32. of scope 'model', which is not among", lacks)
    wrong = rt.load_parameters(without(good, to, scale=np.zeros((1, 2), np.float32)))
    refused("x.safetensors: parameter 'scale' .* expects f32, got 1x2xf32", wrong)
    other = rt.load_parameters(without(good, to, scale=np.zeros((), np.float64)))
    refused("expects f32, got f64", other)
    index = rt.ParameterIndex()
    index.load(good)
    index = {n: e.as_array() for n, e in index.items()} | {"scale": b"12345678"}
    built = rt.ParameterIndex()
    for n, a in index.items():
        built.add_buffer(n, a)
    raw = rt.create_io_parameters_module(None, built.create_provider("model"))
    refused("expects f32, got 8 bytes", raw)
    config = rt.Config("local-sync")
    module = rt.VmModule.mmap(config.vm_instance, str(artifact))
    with pytest.raises(ValueError, match="and no parameters were given"):
        rt.load_vm_module(module, config).main(X)


@pytest.mark.parametrize("cut", [0, 7, 50, -100, -1])
def test_short_files(artifact, tmp_path, cut):
    data = artifact.with_suffix(".safetensors").read_bytes()
    path = tmp_path / "short.safetensors"
    path.write_bytes(data[:cut])
    with pytest.raises(ValueError, match="short|empty"):
        rt.load_parameters(path)


def test_files_that_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.safetensors"):
        rt.load_parameters(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="'external'"):
        aot.export(Net().eval(), args=(X,)).compile(parameters="outside")


def test_offsets_beyond_4_gb(tmp_path):
    """A sparse file: a tensor of 5 GB that nobody reads before the one that is."""

    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x * self.w

    path, big = tmp_path / "s.vmfb", 5 << 30
    aot.export(Scale(), args=(torch.ones(4),)).compile(path, parameters="external")
    header = {
        "big": {"dtype": "U8", "shape": [big], "data_offsets": [0, big]},
        "w": {"dtype": "F32", "shape": [4], "data_offsets": [big, big + 16]},
    }
    text = json.dumps(header).encode()
    with open(tmp_path / "big.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.seek(big, os.SEEK_CUR)
        f.write(np.array([1, 2, 3, 4], np.float32).tobytes())
    given = rt.load_parameters(tmp_path / "big.safetensors")
    assert run(path, given, torch.full((4,), 2.0)).tolist() == [2, 4, 6, 8]


# ---- tools ----


def tool(name, *args):
    return subprocess.run(
        [os.path.join(TOOLS, name), *map(str, args)], capture_output=True, text=True
    )


def test_tools(artifact, tmp_path):
    np.save(tmp_path / "x.npy", X.numpy())
    np.save(tmp_path / "y.npy", expected(Net()).numpy())
    call = [f"--module={artifact}", f"--input=@{tmp_path}/x.npy"]
    call.append(f"--expected_output=@{tmp_path}/y.npy")
    good = artifact.with_suffix(".safetensors")
    for given in (f"--parameters=model={good}", f"--parameters={good}"):
        done = tool("turbine-run-module", *call, given)
        assert done.returncode == 0 and "[SUCCESS]" in done.stdout, done.stderr
    done = tool("turbine-run-module", *call)
    assert done.returncode == 1
    assert "needs parameter 'scale' (f32) of scope 'model'" in done.stderr
    done = tool("turbine-dump-module", "--parameters", artifact)
    assert "model  conv.weight  8x3x3x3xf32  864 bytes\n" in done.stdout
    assert "\n9 parameters, 1208 bytes\n" in done.stdout
    done = tool("turbine-dump-module", "--parameters", good)
    assert "conv.weight  8x3x3x3xf32  864 bytes at " in done.stdout
