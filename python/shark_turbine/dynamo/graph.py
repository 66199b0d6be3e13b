# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One functional FX graph of ATen operators as a program for this machine."""

import torch

from .. import _compiler
from ..control_flow import comparison, is_token
from ..importer import Unsupported
from . import shim
from .cache import compile_unit
from .layout import input_order, inverse, output_order
from .program import Plan, Program, device
from .rng import SEED
from .sizes import GraphFunction, GraphSymbols


class GraphImporter:
    """A GraphModule as the function `main` of a unit.

    After run(): `inputs` are the positions of the arguments that the compiled function
    takes, None for a seed; `outputs` says where each output comes from: ("result", k),
    ("same", output), ("number", k), ("input", position), ("seed",) or ("value", object). With
    `layouts` tensors go in and out in the order of their axes in memory (`input_orders`,
    `output_orders`), else all are row-major.
    """

    def __init__(self, module, constants=None, layouts=False):
        self.module = module
        self.constants = (
            constants or {}
        )  # position -> tensor that is part of the program
        self.unit = _compiler.Unit("jit")
        self.function = self.unit.function("main")
        self.layouts = layouts
        self.inputs, self.input_orders = [], []
        self.outputs, self.output_orders = [], []
        self.checked = []  # results for `checks`, behind the outputs
        self.n_results = 0

    def run(self):
        nodes = list(self.module.graph.nodes)
        places = [n for n in nodes if n.op == "placeholder"]
        values = [n.meta.get("val") for n in places]
        frozen = self.constants
        self.symbols = GraphSymbols(
            self.unit,
            [None if i in frozen else v for i, v in enumerate(values)],
            (n.meta.get("val") for n in nodes),
        )
        self.importer = GraphFunction(self.function, self.symbols)
        self.symbols.importer = self.importer  # also where sizes are outputs
        self.inputs = kept = [
            i
            for i, (n, v) in enumerate(zip(places, values, strict=True))
            if self._is_input(i, v) and not is_token(n)
        ]
        self.symbols.define_all(kept)
        self.input_orders = [None] * len(kept)
        for i, (node, value) in enumerate(zip(places, values)):
            self._placeholder(i, node, value)
        for node in nodes:
            if node.target is SEED:
                self.importer.values[node] = self.function.input("seed", "i64", [])
                self.inputs.append(None)
                self.input_orders.append(None)
        rest = [n for n in nodes if n.target is not SEED]
        self._outputs(self.importer.run(self.module, rest), places)
        self._checks()
        return self

    def _checks(self):
        """What torch has to look at after a call: further results."""
        for info, _, _ in self.importer.checks:
            self.function.output(info, "")
            self.checked.append(("result", self.n_results, None))
            self.n_results += 1

    def _is_input(self, i, value):
        if isinstance(value, torch.Tensor):
            return i not in self.constants
        return i in self.symbols.arguments or isinstance(value, torch.SymFloat)

    def _placeholder(self, i, node, value):
        if isinstance(value, torch.Tensor):
            if value.device.type != "cpu":
                raise Unsupported(
                    f"a tensor on {value.device}: only the CPU is compiled for"
                )
            if i in self.constants:
                constant = self.importer.constant(self.constants[i], node.name)
                self.importer.values[node] = constant
            elif is_token(node):
                self.importer.values[node] = None
            else:
                self._tensor(self.inputs.index(i), node, value)
        elif isinstance(value, torch.SymInt) and i in self.inputs:
            self.function.input(node.name, "i64", [])
            self.importer.values[node] = value
        elif isinstance(value, torch.SymFloat):
            self.importer.values[node] = self.function.input(node.name, "f64", [])
        else:
            self.importer.values[node] = value

    def _tensor(self, k, node, value):
        order = input_order(value) if self.layouts else None
        if order is None:
            self.importer.input(node, node.name)
            return
        self.input_orders[k] = order
        dtype, dims = self.importer.type_of(value)
        stored = self.function.input(node.name, dtype, [dims[i] for i in order])
        self.importer.values[node] = self._permuted(stored, inverse(order), dtype, dims)

    def _permuted(self, value, order, dtype, dims):
        return self.function.call(
            "aten.permute", [value, list(order)], [(dtype, dims)]
        )[0]

    def _outputs(self, returned, places):
        position = {node: i for i, node in enumerate(places)}
        first = {}
        many = isinstance(returned, (tuple, list))
        for out in returned if many else [returned]:
            if not isinstance(out, torch.fx.Node):
                self._number(out)
            elif out in position:
                self._output("input", position[out])
            elif out.target is SEED:
                self.outputs.append(("seed",))
                self.output_orders.append(None)
            elif not isinstance(out.meta.get("val"), torch.Tensor):
                self._number(self.importer.values[out])
            elif out in first:
                self._output("same", first[out])
            else:
                first[out] = len(self.outputs)
                self._result(out)

    def _output(self, kind, what, order=None):
        self.outputs.append((kind, what))
        self.output_orders.append(order)

    def _result(self, node):
        value, fake = self.importer.values[node], node.meta["val"]
        if value is None:
            self._output("value", None)
            return
        order = output_order(fake) if self.layouts else None
        if order is not None:
            dtype, dims = self.importer.type_of(fake)
            value = self._permuted(value, order, dtype, [dims[i] for i in order])
        self.function.output(value, node.name)
        self._output("result", self.n_results, order)
        self.n_results += 1

    def _number(self, value):
        """What is not known now is a result of the program, as a tensor."""
        if isinstance(value, torch.SymInt) and not value.node.expr.is_Integer:
            value = self.function.dim_value(self.symbols(value))
        elif isinstance(value, torch.SymBool):
            value = comparison(self.importer, value.node.expr, None)
        elif isinstance(value, _compiler.Dim):
            value = self.function.dim_value(value)
        if isinstance(value, _compiler.Value):
            self.function.output(value, "")
            self._output("number", self.n_results)
            self.n_results += 1
        elif isinstance(value, torch.SymFloat):
            raise Unsupported(f"an output that is {value}")
        else:
            self._output(
                "value", int(value) if isinstance(value, torch.SymInt) else value
            )

    def plan(self):
        """What a caller has to know."""
        outputs = []
        for what, order in zip(self.outputs, self.output_orders, strict=True):
            outputs.append((*what, order) if what[0] == "result" else what)
        return Plan(
            arguments=sum(n.op == "placeholder" for n in self.module.graph.nodes),
            inputs=tuple(zip(self.inputs, self.input_orders, strict=True)),
            outputs=(*outputs, *self.checked),
            checks=tuple(c[1:] for c in self.importer.checks),
            decomposes=self.importer.decomposes,
        )


def lower(module, options):
    """Everything but machine code; raises what compiling would raise."""
    GraphImporter(module, layouts=True).run().unit.print("kernels", options.targets)


def compile_program(module, options, constants=None):
    """A Program; `constants` (position -> tensor) become part of it."""
    with shim.timed("turbine_import"):
        g = GraphImporter(module, constants, layouts=True).run()
    artifact = None
    if g.n_results:
        shim.trace("turbine_graph", lambda: g.unit.text(locations=True))
        with shim.timed("turbine_compile"):
            artifact = compile_unit(
                g.unit,
                targets=options.targets,
                bf16_matmul=torch.get_float32_matmul_precision() == "medium",
                tune=float(options.tune),
                workers=device(options.device).workers,
                dump=options.dump,
            )
    return Program(g.plan(), artifact, options.device, options.profile)


def compile_graph(module, options, constants=None):
    """A function over the graph's inputs (positional), giving a tuple of its outputs."""
    return compile_program(module, options, constants).call
