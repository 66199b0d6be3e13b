# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""aot.CompiledModule: sizes that stay open, names and declarations of globals, helpers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from shark_turbine.aot import (
    IREE,
    AbstractF64,
    AbstractI64,
    AbstractIndex,
    AbstractTensor,
    CompiledModule,
    export_global,
    export_global_tree,
    export_parameters,
    jittable,
)


def load(cls):
    binary = aot.export(cls).compile(save_to=None, targets=["host"])
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


def value(result):
    return result.to_host().tolist()


def ones(*size):
    return np.ones(size, np.float32)


# ---- sizes ----


def test_constraints():
    """The spelling of 2023: what must hold of sizes is said where they are used."""

    class DynamicSum(CompiledModule):
        def total(self, a=AbstractTensor(None), b=AbstractTensor(None)):
            return self.sum(a, b, constraints=[a.dynamic_dim(0) == b.dynamic_dim(0)])

        @jittable
        def sum(a, b):
            return a + b

        def small(self, a=AbstractTensor(None, None)):
            limits = [a.dynamic_dim(0) < 16, a.dynamic_dim(1) >= 3]
            return self.double(a, constraints=limits)

        @jittable
        def double(a):
            return a * 2

    m = load(DynamicSum)
    for n in (0, 1, 5):
        assert value(m.total(ones(n), ones(n))) == [2] * n
    for a, b in ((2, 3), (1, 3), (3, 1)):
        with pytest.raises(ValueError, match="'total', input 1 'b'"):
            m.total(ones(a), ones(b))
    assert m.small(ones(15, 3)).shape == [15, 3]
    for bad in ((16, 3), (2, 2)):
        with pytest.raises(ValueError, match="'small', input 0 'a'"):
            m.small(ones(*bad))


def test_cache_that_grows():
    """A cache as one global with a step count, as the Llama of SHARK had it."""
    layers, length, width = 2, 8, 6

    class Cache(CompiledModule):
        cache = export_global(AbstractTensor(layers, length, width), mutable=True)
        step = export_global(AbstractIndex, mutable=True)

        def start(self, x=AbstractTensor(layers, None, width)):
            self.step = IREE.tensor_dim(x, 1)
            self.cache = IREE.tensor_update(self.cache, x, 0, 0, 0)
            return self.step

        def append(self, x=AbstractTensor(layers, 1, width)):
            self.cache = IREE.tensor_update(self.cache, x, 0, self.step, 0)
            self.step = self.step + 1
            seen = IREE.tensor_slice(
                self.cache, (0, layers), (0, self.step), (0, width)
            )
            return IREE.tensor_reshape(seen, layers, self.step, 2, width // 2)

    m = load(Cache)
    assert value(m.start(ones(layers, 3, width))) == 3
    for i in range(2, 5):
        seen = m.append(i * ones(layers, 1, width)).to_host()
        assert seen.shape == (layers, i + 2, 2, width // 2)
        assert seen[1, :, 1, 2].tolist() == [1, 1, 1, *range(2, i + 1)]
    assert value(m.state["step"]) == 6


def test_blocks_that_are_not_contiguous():
    """A block of columns: written and read where others write and read rows."""

    class Columns(CompiledModule):
        def read(self, x=AbstractTensor(3, 4)):
            return IREE.tensor_slice(x, (0, 3), (1, 2))

        def write(self, x=AbstractTensor(3, 4), u=AbstractTensor(3, 2)):
            return IREE.tensor_update(x, u, 0, 1)

        def part(self, x=AbstractTensor(None, None), i=AbstractIndex):
            return IREE.tensor_slice(x, (0, IREE.tensor_dim(x, 0)), (i, 2))

    m, x = load(Columns), np.arange(12, dtype=np.float32).reshape(3, 4)
    assert value(m.read(x)) == [[1, 2], [5, 6], [9, 10]]
    want = x.copy()
    want[:, 1:3] = -1
    np.testing.assert_array_equal(m.write(x, -ones(3, 2)), want)
    for n, i in ((3, 2), (1, 0), (5, 1)):
        x = np.random.default_rng(0).random((n, 4), np.float32)
        np.testing.assert_array_equal(m.part(x, i), x[:, i : i + 2])


# ---- globals ----


def test_a_tree_of_parameters_goes_into_a_jittable():
    linear = torch.nn.Linear(4, 3)

    class Tree(CompiledModule):
        params = export_parameters(linear, mutable=True)

        @jittable
        def compute(params, x):
            return torch.nn.functional.linear(x, params["weight"], params["bias"])

        def main(self, x=AbstractTensor(None, 4)):
            return self.compute(self.params, x)

    m, x = load(Tree), torch.randn(2, 4)
    np.testing.assert_allclose(m.main(x), linear(x).detach(), rtol=1e-5, atol=1e-6)
    m.state["params.bias"] = ones(3)
    want = (linear(x) - linear.bias + 1).detach()
    np.testing.assert_allclose(m.main(x), want, rtol=1e-5, atol=1e-6)


def test_names_in_the_artifact():
    linear = torch.nn.Linear(2, 1)

    class Names(CompiledModule):
        params = export_parameters(linear, mutable=True)
        tree = export_global_tree(
            {"a": torch.ones(2), "b": [torch.zeros(1)]}, mutable=True
        )
        plain = export_global(torch.ones(3), mutable=True)
        named = export_global(torch.ones(4), name="inner", mutable=True)
        fixed = export_global(torch.ones(5))

        def main(self):
            return self.plain

    assert set(load(Names).state) == {
        "params.weight",
        "params.bias",
        "tree.a",
        "tree.b.0",
        "plain",
        "named.inner",
    }


def test_uninitialized():
    """The values are not stored: the file is small, and they start as zeros."""
    linear = torch.nn.Linear(300, 300)

    class Empty(CompiledModule):
        params = export_parameters(linear, mutable=True, uninitialized=True)
        more = export_global(
            AbstractTensor(100, 1000), mutable=True, uninitialized=True
        )

        def main(self, x=AbstractTensor(300)):
            return self.params["weight"] @ x + self.params["bias"]

        def row(self, i=AbstractIndex):
            return IREE.tensor_slice(self.more, i)

    assert len(aot.export(Empty).compile(targets=["host"])) < 50_000
    m, x = load(Empty), torch.randn(300)
    assert float(m.main(x).to_host().sum()) == 0
    m.state.update({f"params.{n}": p.detach() for n, p in linear.named_parameters()})
    np.testing.assert_allclose(m.main(x), linear(x).detach(), rtol=1e-4, atol=1e-5)
    assert m.row(7).shape == [1, 1000]


@pytest.mark.parametrize(
    "options",
    [
        {"uninitialized": True},
        {"uninitialized": True, "mutable": False},
        {"uninitialized": True, "mutable": True, "external": True},
    ],
)
def test_declarations_that_exclude_each_other(options):
    for declare in (export_global, export_global_tree):
        with pytest.raises(ValueError):
            declare(torch.ones(2), **options)
    with pytest.raises(ValueError):
        export_parameters(torch.nn.Linear(2, 2), **options)


def test_numbers():
    class Numbers(CompiledModule):
        count = export_global(AbstractI64, mutable=True)
        scale = export_global(AbstractF64, mutable=True)
        start = export_global(5, mutable=True)

        def add(self, n=AbstractI64):
            self.count.set(self.count + n + 1)
            self.scale = self.scale + 0.5
            return self.count, self.scale, self.start

    m = load(Numbers)
    assert [value(v) for v in m.add(10)] == [11, 0.5, 5]
    assert [value(v) for v in m.add(n=-1)] == [11, 1.0, 5]


def test_updates_in_place_are_stores():
    """What a jittable does to a buffer in place is state of the module."""

    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(3))
            self.register_buffer("n", torch.zeros((), dtype=torch.int64))

        def forward(self, x):
            self.total += x
            self.n += 1
            return self.total / self.n

    mean = Mean()

    class Running(CompiledModule):
        buffers = aot.export_buffers(mean, mutable=True)
        update = jittable(mean.forward)

        def main(self, x=AbstractTensor(3)):
            return self.update(x)

        def reset(self):
            self.buffers = {"total": torch.zeros(3), "n": torch.tensor(0)}

    m = load(Running)
    assert value(m.main(ones(3))) == [1, 1, 1]
    assert value(m.main(3 * ones(3))) == [2, 2, 2]
    assert m.reset() is None
    assert value(m.main(7 * ones(3))) == [7, 7, 7]


def test_results_of_all_kinds():
    class Kinds(CompiledModule):
        def main(self, x=AbstractTensor(2)):
            return {
                "x": x,
                "none": None,
                "int": 3,
                "more": (2.5, True),
                "c": torch.ones(1),
            }

        def nothing(self):
            return None

    m = load(Kinds)
    result = m.main(ones(2))
    assert [value(v) for v in result] == [[1, 1], 3, 2.5, True, [1]]
    assert result.tree["none"] is None and value(result["int"]) == 3
    assert m.nothing() is None


# ---- the class itself ----


def test_helpers():
    class Helped(CompiledModule):
        weight = export_global(torch.ones(2))

        def get_info(self):  # a name of a helper is a name like others
            return self.weight

    inst = Helped()
    assert "func.func @get_info" in str(CompiledModule.get_mlir_module(inst))
    builder = CompiledModule.get_module_builder(inst)
    assert "func.func @get_info" in str(builder.module_op)
    assert CompiledModule.get_info(inst).class_info is CompiledModule.get_class_info(
        Helped
    )
    assert dict(Helped.weight.items())[""].tolist() == [1, 1]
    assert value(load(Helped).get_info()) == [1, 1]
    CompiledModule.run_import(inst, "full")
    CompiledModule.expand_custom_ops(inst)
    with pytest.raises(ValueError, match="'elsewhere'"):
        CompiledModule.run_import(inst, "elsewhere")
    with pytest.raises(NotImplementedError, match="some-pass"):
        CompiledModule.run_pass_pipeline(inst, "builtin.module(some-pass)")
    with pytest.raises(ValueError, match="expected a CompiledModule"):
        CompiledModule.get_module_builder(3)
    with pytest.raises(AttributeError, match="helper of CompiledModule"):
        inst.save_mlir  # noqa: B018
    with pytest.raises(AttributeError, match="has no 'nope'"):
        Helped.nope  # noqa: B018


def test_signature_info_and_options():
    class Accepted(CompiledModule, export_name="accepted", options=object()):
        @CompiledModule.signature_info(arg_device={0: aot.DeviceAffinity(1, ["q"])})
        def main(self, x=AbstractTensor(2)):
            return x + 1

        def annotated(self, x: AbstractTensor(2)):
            return self.main(x) + 1

    m = load(Accepted)
    assert m.name == "accepted"
    assert value(m.main(ones(2))) == [2, 2] and value(m.annotated(ones(2))) == [3, 3]


def test_traits():
    t = torch.ones(2)
    for trait in (aot.DeviceTensorTrait(1, ["a"]), aot.ExternalTensorTrait("s", "n")):
        assert type(trait).get(t) is None
        trait.set(t)
        assert type(trait).get(t) is trait
    assert aot.DeviceAffinity(1) == aot.DeviceAffinity(1) != aot.DeviceAffinity(1, [])
    assert repr(aot.DeviceAffinity(2, ["x"])) == "DeviceAffinity(2, [x])"
