# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""aot.CompiledModule: classes as modules with state."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot
from shark_turbine.aot import (
    IREE,
    AbstractBool,
    AbstractF32,
    AbstractI32,
    AbstractIndex,
    AbstractTensor,
    CompiledModule,
    abstractify,
    export_buffers,
    export_global,
    export_global_tree,
    export_parameters,
    jittable,
)


def load(cls):
    binary = aot.export(cls).compile(save_to=None)
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


def value(result):
    return result.to_host().tolist()


def ones(*size):
    return torch.ones(size)


def linear():
    torch.manual_seed(3)
    return torch.nn.Linear(4, 3)


def test_notebook():
    """The advanced sample of the guide: parameters that can be read and replaced."""
    m = linear()
    example_weight, example_bias = m.weight, m.bias

    class CompiledLinearModule(aot.CompiledModule):
        params = export_parameters(m, mutable=True)
        compute = jittable(m.forward)

        def main(self, x=AbstractTensor(4)):
            return self.compute(x)

        def get_weight(self):
            return self.params["weight"]

        def set_weight(self, weight=abstractify(example_weight)):
            self.params["weight"] = weight

        def get_bias(self):
            return self.params["bias"]

        def set_bias(self, bias=abstractify(example_bias)):
            self.params["bias"] = bias

    bound, x = load(CompiledLinearModule), torch.randn(4)
    assert bound.name == "compiled_linear"
    np.testing.assert_allclose(bound.main(x).to_host(), m(x).detach(), rtol=1e-5)
    np.testing.assert_allclose(bound.get_weight().to_host(), m.weight.detach())
    assert bound.set_bias(np.zeros(3, np.float32)) is None
    assert value(bound.get_bias()) == [0, 0, 0]
    np.testing.assert_allclose(
        bound.main(x).to_host(), (m.weight @ x).detach(), rtol=1e-5, atol=1e-6
    )
    bound.set_weight(torch.zeros(3, 4))
    assert value(bound.main(x)) == [0, 0, 0]
    assert float(m.weight.abs().sum()) > 0  # the module itself stays as it was


def test_whole_trees():
    m = linear()

    class Tree(CompiledModule):
        params = export_parameters(m, mutable=True)

        def get(self):
            return self.params

        def set(self, updates=abstractify(export_parameters(m))):
            self.params = updates

    bound = load(Tree)
    assert len(bound["get"]()) == 2
    bound["set"](torch.ones(3, 4), torch.zeros(3))
    w, b = bound["get"]()
    assert value(b) == [0, 0, 0] and value(w)[0] == [1, 1, 1, 1]


def test_training_inside():
    """A step of gradient descent as a function of the module."""
    m = linear()

    class Trainer(CompiledModule):
        params = export_parameters(m, mutable=True)

        @jittable
        def step(params, x, y):
            def loss(p):
                return torch.nn.functional.mse_loss(
                    torch.func.functional_call(m, p, x), y
                )

            grads, now = torch.func.grad_and_value(loss)(params)
            return {k: p - 0.1 * grads[k] for k, p in params.items()}, now

        def train(self, x=AbstractTensor(8, 4), y=AbstractTensor(8, 3)):
            params, loss = self.step(dict(self.params), x, y)
            self.params = params
            return loss

    bound = load(Trainer)
    x, y = torch.randn(8, 4), torch.randn(8, 3)
    other = linear()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(other(x), y)
        loss.backward()
        optimizer.step()
        np.testing.assert_allclose(
            float(bound["train"](x, y).to_host()), float(loss), rtol=1e-4
        )


def test_globals():
    class Counter(CompiledModule):
        n = export_global(torch.tensor([1.0, 2.0]), mutable=True)
        k = export_global(torch.tensor([10.0, 20.0]))

        def add(self, x=AbstractTensor(2)):
            self.n = self.n + x * self.k
            return self.n

        def get(self):
            return self.n

    bound = load(Counter)
    assert value(bound["get"]()) == [1, 2]
    assert value(bound.add(ones(2))) == [11, 22]
    assert value(bound.add(ones(2))) == [21, 42]
    assert value(bound["get"]()) == [21, 42]
    assert value(load(Counter)["get"]()) == [1, 2]


def test_global_trees():
    tree = {"a": torch.zeros(2), "b": [torch.ones(1), torch.full((3,), 2.0)]}

    class Trees(CompiledModule):
        state = export_global_tree(tree, mutable=True)
        start = export_global(AbstractTensor(2, dtype=torch.int64), mutable=True)

        def get(self):
            return self.state

        def double(self):
            s = self.state
            self.state = {"a": s["a"] + 1, "b": [b * 2 for b in s["b"]]}
            self.start = self.start + 1
            return self.start

    bound = load(Trees)
    assert value(bound.double()) == [1, 1]
    a, b0, b1 = bound["get"]()
    assert (value(a), value(b0), value(b1)) == ([1, 1], [2], [4, 4, 4])


def test_scalars():
    class Scalars(CompiledModule):
        n = export_global(AbstractI32, mutable=True)

        def add(self, a=AbstractI32, b=AbstractI32):
            return a + b

        def scale(self, x=AbstractTensor(2), s=AbstractF32, on=AbstractBool):
            return torch.where(on, x * s, x)

        def next(self):
            self.n.set(self.n + 1)
            return self.n

        def set(self, n=AbstractI32):
            self.n = n

    bound = load(Scalars)
    assert value(bound.add(3, 4)) == 7
    assert value(bound.scale(ones(2), 2.5, True)) == [2.5, 2.5]
    assert value(bound.scale(ones(2), 2.5, False)) == [1, 1]
    assert [value(bound["next"]()) for _ in range(3)] == [1, 2, 3]
    bound["set"](40)
    assert value(bound["next"]()) == 41


def test_dynamic_sizes():
    class Dynamic(CompiledModule):
        def both(self, a=AbstractTensor(None), b=AbstractTensor(None)):
            return self.compute(a, b, constraints=[])

        def rows(self, x=AbstractTensor(None, 3)):
            return x.sum(1), IREE.tensor_dim(x, 0)

        @jittable
        def compute(a, b):
            return a * b

    bound = load(Dynamic)
    for n in (2, 7):
        assert value(bound.both(ones(n), 2 * ones(n))) == [2] * n
        total, size = bound.rows(ones(n, 3))
        assert value(total) == [3] * n and value(size) == n
    with pytest.raises(ValueError):
        bound.both(ones(2), ones(3))


def test_builtins():
    class Builtins(CompiledModule):
        table = export_global(torch.zeros(3, 4), mutable=True)

        def part(self, x=AbstractTensor(3, 4)):
            return IREE.tensor_slice(x, (0, 3), (1, 2))

        def row(self, x=AbstractTensor(3, 4), i=AbstractIndex):
            return IREE.tensor_slice(x, i)

        def put(self, block=AbstractTensor(2, 2), i=AbstractIndex):
            self.table = IREE.tensor_update(self.table, block, i, 1)
            return self.table

        def made(self):
            a = IREE.tensor_splat(2, 2, value=3.0, dtype=torch.float32)
            return IREE.tensor_reshape(a, 4), IREE.tensor_empty(2, dtype=torch.int32)

    bound, x = load(Builtins), torch.arange(12.0).reshape(3, 4)
    assert value(bound.part(x)) == [[1, 2], [5, 6], [9, 10]]
    assert value(bound.row(x, 2)) == [[8, 9, 10, 11]]
    want = [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    assert value(bound.put(ones(2, 2), 1)) == want
    four, empty = bound.made()
    assert value(four) == [3, 3, 3, 3] and len(value(empty)) == 2


def test_buffers():
    m = torch.nn.BatchNorm1d(2)
    m.train()

    class Norm(CompiledModule):
        params = export_parameters(m)
        buffers = export_buffers(m, mutable=True)
        forward = jittable(m.forward)

        def run(self, x=AbstractTensor(4, 2)):
            return self.forward(x)

        def mean(self):
            return self.buffers["running_mean"]

    bound, x = load(Norm), torch.randn(4, 2)
    other = torch.nn.BatchNorm1d(2)
    np.testing.assert_allclose(bound.run(x).to_host(), other(x).detach(), atol=1e-5)
    np.testing.assert_allclose(bound.mean().to_host(), other.running_mean, atol=1e-6)


def test_inheritance():
    class Base(CompiledModule):
        n = export_global(torch.tensor(2.0), mutable=True)

        def get(self):
            return self.n

        def twice(self):
            return self._helper(2)

        def _helper(self, k):
            return self.n * k

    class Derived(Base):
        def twice(self):
            return self._helper(20)

        def more(self):
            return self.n + 1

    assert value(load(Base).twice()) == 4
    bound = load(Derived)
    assert (value(bound.twice()), value(bound["get"]()), value(bound.more())) == (
        40,
        2,
        3,
    )
    assert aot.export(Derived).unit.functions == ["get", "twice", "more"]


def test_programs():
    ep = torch.export.export(linear(), (torch.randn(4),))

    class Programs(CompiledModule):
        forward = ep
        _hidden = ep

        def twice(self, x=AbstractTensor(4)):
            return self._hidden(x) * 2

    bound, x = load(Programs), torch.randn(4)
    want = linear()(x).detach()
    np.testing.assert_allclose(bound.forward(x).to_host(), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bound.twice(x).to_host(), 2 * want, rtol=1e-5, atol=1e-6)


def test_captured_tensor_is_the_global():
    w = torch.ones(2)

    class Captured(CompiledModule):
        weight = export_global(w, mutable=True)

        @jittable
        def times(x):
            return x * w

        def run(self, x=AbstractTensor(2)):
            return self.times(x)

        def set(self, x=AbstractTensor(2)):
            self.weight = x

    bound = load(Captured)
    assert value(bound.run(ones(2))) == [1, 1]
    bound["set"](5 * ones(2))
    assert value(bound.run(ones(2))) == [5, 5]


def test_names_and_instances():
    class FooBarModule(CompiledModule):
        def f(self):
            return torch.ones(1)

    class Named(CompiledModule, export_name="box"):
        def f(self):
            return torch.ones(1)

    made = CompiledModule.create_from_dict("Made", {"g": lambda self: torch.ones(2)})
    assert aot.export(FooBarModule).unit.name == "foo_bar"
    assert aot.export(Named).unit.name == "box"
    assert aot.export(made).unit.functions == ["g"]
    inst = FooBarModule(context=None, import_to="import")
    assert aot.export(inst).compiled_module is inst
    assert "func.func @f" in str(CompiledModule.get_mlir_module(inst))
    with pytest.raises(TypeError, match="base class"):
        CompiledModule()


def test_save_mlir(tmp_path):
    class M(CompiledModule):
        def f(self, x=AbstractTensor(2)):
            return x + 1

    CompiledModule.save_mlir(M(), tmp_path / "m.mlir")
    assert "func.func @f" in (tmp_path / "m.mlir").read_text()


def test_decompose_ops():
    class M(CompiledModule):
        @jittable(decompose_ops=[torch.ops.aten.silu])
        def act(x):
            return torch.nn.functional.silu(x)

        def f(self, x=AbstractTensor(2)):
            return self.act(x)

    assert "aten.silu" not in aot.export(M).unit.text()


def test_mistakes():
    with pytest.raises(TypeError, match="functions, jittables"):

        class Number(CompiledModule):
            n = 3

    def export(name, fn, **more):
        return aot.export(CompiledModule.create_from_dict(name, {"f": fn, **more}))

    with pytest.raises(TypeError, match="argument 'x' needs an abstract type"):
        export("A", lambda self, x: x)
    with pytest.raises(TypeError, match="has to be positional"):
        export("B", lambda self, *, x=AbstractTensor(2): x)
    with pytest.raises(AttributeError, match="has no 'y'"):
        export("C", lambda self: self.y)
    g = export_global(torch.ones(2))

    def write(self):
        self.g = torch.zeros(2)

    with pytest.raises(AttributeError, match="not mutable"):
        export("D", write, g=g)

    def write_wrong(self):
        self.g = torch.zeros(3)

    with pytest.raises(ValueError, match="expected .* found"):
        export("E", write_wrong, g=export_global(torch.ones(2), mutable=True))
    with pytest.raises(ValueError, match="have to be mutable"):
        export_global(AbstractTensor(2), uninitialized=True)
    with pytest.raises(TypeError):
        export_global("text")
