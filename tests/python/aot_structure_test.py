# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Keyword arguments, nested lists and dicts: in and out of exported programs, by name."""

import collections
import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from shark_turbine import aot


def load(output):
    binary = output.compile(save_to=None)
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


def export(fn, *args, **kwargs):
    class Function(torch.nn.Module):
        forward = staticmethod(fn)

    return load(aot.export(Function(), args=args, kwargs=kwargs or None)).main


def host(tree):
    return torch.utils._pytree.tree_map(
        lambda x: x.to_host().tolist() if isinstance(x, rt.DeviceArray) else x, tree
    )


ONE, TWO = torch.ones(2), torch.full((2,), 2.0)


def test_inputs_nested_or_flat():
    def f(x, opts, *rest, k, **more):
        return x + opts["b"][0] + 10 * opts["a"] + 100 * rest[0] + 1000 * k + more["z"]

    opts = {"b": [ONE, 3], "a": TWO}
    main = export(f, ONE, opts, TWO, k=TWO, z=torch.zeros(2))
    want = [2222.0] * 2
    zero = np.zeros(2, np.float32)
    assert host(main(ONE, opts, TWO, k=TWO, z=zero)) == want
    assert host(main(ONE, {"a": TWO, "b": (ONE, 3)}, TWO, TWO, zero)) == want
    assert host(main(ONE, ONE, TWO, TWO, TWO, zero)) == want  # as the function counts
    assert host(main(z=zero, k=TWO, rest_0=TWO, opts=opts, x=ONE)) == want


def test_wrong_structures_are_named():
    def f(x, opts, flag):
        return x + opts["b"][0] if flag else x

    main = export(f, ONE, {"b": [ONE]}, True)
    assert host(main(ONE, {"b": [ONE]})) == [2, 2]
    assert host(main(ONE, {"b": [ONE]}, True)) == [2, 2]
    for bad, message in [
        ((ONE, {"b": [ONE]}, False), "'flag' was True when the program was captured"),
        ((ONE, {"b": [ONE]}, 1), "'flag' was True when the program was captured"),
        ((ONE, {"c": [ONE]}), r"'opts': expected a dict with the keys \['b'\]"),
        ((ONE, {"b": ONE}), "'opts.b': expected a list of 1"),
        ((ONE, {"b": [ONE, ONE]}), "'opts.b': expected a list of 1"),
        ((ONE, {"b": [ONE]}, True, ONE), "expected 3 arguments"),
        (({"b": [ONE]}, ONE), "main"),
    ]:
        with pytest.raises(ValueError, match=message):
            main(*bad)
    with pytest.raises(ValueError, match="'opts' is missing"):
        main(ONE)
    with pytest.raises(ValueError, match="unexpected argument 'x'"):
        main(ONE, {"b": [ONE]}, x=ONE)
    with pytest.raises(ValueError, match="opts.b.0.*expected 2xf32"):
        main(ONE, {"b": [torch.ones(3)]})


def test_results_nested_and_flat():
    def f(x):
        return {"sum": x.sum(), "both": [x, (x + 1, None)], 3: None}

    result = export(f, ONE)(ONE)
    assert isinstance(result, tuple) and len(result) == 3
    total, same, more = result
    assert (host(total), host(same), host(more)) == (2, [1, 1], [2, 2])
    assert host(result["both"]) == [[1, 1], ([2, 2], None)]
    assert host(result.tree) == {"sum": 2, "both": [[1, 1], ([2, 2], None)], 3: None}
    assert list(result.keys()) == ["sum", "both", 3]
    with pytest.raises(KeyError, match="no result is called 'nope'"):
        result["nope"]


def test_one_result_in_a_dict():
    result = export(lambda x: {"logits": x * 2, "cache": None}, ONE)(ONE)
    assert result.to_host().tolist() == [2, 2]  # as IREE gives it
    assert result["logits"].to_host().tolist() == [2, 2]
    assert result.tree["cache"] is None and result[0] == 2


def test_plain_results():
    assert host(export(lambda x: (x, x + 1), ONE)(ONE)) == ([1, 1], [2, 2])
    assert host(export(lambda x: (x,), ONE)(ONE)) == [1, 1]
    assert export(lambda x: {"a": None}, ONE)(ONE) is None
    assert host(export(lambda x: [x.shape[0], True, x], ONE)(ONE)) == (2, True, [1, 1])


Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Point:
    x: torch.Tensor
    y: torch.Tensor


torch.export.register_dataclass(Point)


def test_named_tuples_and_dataclasses():
    def f(p, q):
        return Pair(p.left + q.x, {"p": Point(p.right, q.y)})

    main = export(f, Pair(ONE, TWO), Point(ONE, TWO))
    for p, q in [
        (Pair(ONE, TWO), Point(ONE, TWO)),
        ({"left": ONE, "right": TWO}, {"x": ONE, "y": TWO}),
    ]:
        result = main(p, q)
        assert host(result["left"]) == [2, 2]
        assert host(result["right"]) == {"p": {"x": [2, 2], "y": [2, 2]}}
    with pytest.raises(ValueError, match="'p': expected a dict with the keys"):
        main(Point(ONE, TWO), Point(ONE, TWO))


def test_dynamic_sizes_in_nested_inputs():
    class Total(torch.nn.Module):
        def forward(self, batch):
            return {
                "total": batch["x"].sum(0) + batch["y"][0],
                "n": batch["x"].shape[0],
            }

    shapes = {"batch": {"x": {0: torch.export.Dim("n", min=1)}, "y": [None]}}
    args = ({"x": torch.ones(3, 2), "y": [torch.zeros(2)]},)
    main = load(aot.export(Total(), args=args, dynamic_shapes=shapes)).main
    for n in (1, 5):
        result = main({"y": [np.ones(2, np.float32)], "x": np.ones((n, 2), np.float32)})
        assert host(result["total"]) == [n + 1] * 2 and int(result["n"]) == n


def test_compiled_module_takes_trees():
    linear = torch.nn.Linear(2, 2)

    class Tree(aot.CompiledModule):
        params = aot.export_parameters(linear, mutable=True)

        def get(self):
            return self.params

        def set(self, updates=aot.abstractify(aot.export_parameters(linear))):
            self.params = updates

    bound = load(aot.export(Tree))
    bound["set"](updates={"bias": ONE, "weight": torch.eye(2)})
    assert host(bound["get"]()["bias"]) == [1, 1]
    assert host(bound["get"]().tree) == {"weight": [[1, 0], [0, 1]], "bias": [1, 1]}


def test_iree_descriptions():
    """What IREE's own reflection says is understood as IREE's runtime understands it."""
    from shark_turbine.runtime.structure import Structure

    def structure(abi):
        return Structure.of("f", {"iree.abi": abi}, [])

    s = structure(
        '{"a": [["ndarray", "f32", 1, 2], "i32"], "r": [["ndarray", "f32", 0]]}'
    )
    assert s.has_flat_arguments and s.has_plain_results
    with pytest.raises(ValueError, match="kwargs not supported"):
        s.flatten((1,), {"x": 2})
    s = structure(
        '{"a": [["named", "x", ["slist", ["ndarray", "f32", 0], "i32"]],'
        ' ["sdict_kwargs", ["k", ["stuple", "i32"]]]],'
        ' "r": [["sdict", ["a", ["ndarray", "f32", 0]], ["b", ["slist", "i32"]]]]}'
    )
    assert s.flatten(([1, 2],), {"k": (3,)}) == [1, 2, 3]
    assert s.results([5, 6]) == {"a": 5, "b": [6]}
    with pytest.raises(RuntimeError, match="no JSON"):
        structure("{")
