# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One functional FX graph of ATen operators, compiled for this machine.

`compile_graph` gives a callable over the graph's inputs that returns a list of its
outputs, as the graph itself would, so that AOTAutograd can use it.
"""

import functools

import torch

from .. import _compiler
from ..importer import FunctionImporter, Symbols, Unsupported, bounds


@functools.cache
def _runtime():
    from .. import _runtime

    return _runtime


@functools.cache
def _device(name):
    return _runtime().Device(name)


class GraphImporter:
    """A GraphModule as the function `main` of a unit.

    After run(): `inputs` are the positions of the arguments that the compiled function
    takes, `outputs` says where each output comes from: ("result", k), ("input", position),
    ("number", value) or ("none", None).
    """

    def __init__(self, module, constants=None):
        self.module = module
        self.constants = (
            constants or {}
        )  # position -> tensor that is part of the program
        self.unit = _compiler.Unit("jit")
        self.function = self.unit.function("main")
        self.symbols = Symbols(self.unit, self._range, self._hint)
        self.importer = FunctionImporter(self.function, self.symbols)
        self.shape_env = None
        self.inputs, self.outputs = [], []
        self.n_results = 0

    def _range(self, symbol):
        found = self.shape_env.var_to_range.get(symbol) if self.shape_env else None
        low, high = bounds(found) if found is not None else (0, None)
        return low, high

    def _hint(self, symbol):
        values = getattr(self.shape_env, "backed_var_to_val", None)
        if values is None:
            values = getattr(self.shape_env, "var_to_val", {})
        value = values.get(symbol, 0)
        return int(value) if getattr(value, "is_Integer", False) else 0

    def run(self):
        places = [n for n in self.module.graph.nodes if n.op == "placeholder"]
        values = [n.meta.get("val") for n in places]
        shaped = self._learn_sizes(values)
        kept = []
        for i, value in enumerate(values):
            if isinstance(value, torch.Tensor):
                if i not in self.constants:
                    kept.append(i)
            elif isinstance(value, torch.SymInt):
                e = value.node.expr
                if not e.is_Integer and e not in shaped:
                    name = e if e.is_Symbol else f"n{i}"
                    self._define(e, str(name), len(kept))
                    shaped.add(e)
                    kept.append(i)
        self.inputs = kept
        for i, (node, value) in enumerate(zip(places, values)):
            self._placeholder(i, node, value)
        self._outputs(self.importer.run(self.module), places)
        return self

    def _learn_sizes(self, values):
        """Symbols that are plain sizes of some tensor: no argument has to tell them."""
        shaped = set()
        for i, value in enumerate(values):
            if isinstance(value, torch.SymInt):
                self.shape_env = value.node.shape_env
            elif isinstance(value, torch.Tensor) and i not in self.constants:
                for size in value.shape:
                    if isinstance(size, torch.SymInt):
                        self.shape_env = size.node.shape_env
                        shaped.add(size.node.expr)
        return {e for e in shaped if e.is_Symbol}

    def _define(self, expression, name, argument):
        """An integer that comes as an argument; it may be an expression, as 2*s0."""
        low, high = (
            self._range(expression) if expression.is_Symbol else (-(2**60), None)
        )
        self.symbols.dims[expression] = self.unit.symbol(
            name, min=low, max=high, hint=self._hint(expression), argument=argument
        )

    def _placeholder(self, i, node, value):
        if isinstance(value, torch.Tensor):
            if value.device.type != "cpu":
                raise Unsupported(
                    f"a tensor on {value.device}: only the CPU is compiled for"
                )
            if i in self.constants:
                constant = self.importer.constant(self.constants[i], node.name)
                self.importer.values[node] = constant
            else:
                self.importer.input(node, node.name)
        elif isinstance(value, torch.SymInt) and i in self.inputs:
            self.function.input(node.name, "i64", [])
            self.importer.values[node] = value
        else:
            self.importer.values[node] = value

    def _outputs(self, returned, places):
        position = {node: i for i, node in enumerate(places)}
        for out in returned if isinstance(returned, (tuple, list)) else [returned]:
            if out in position:
                self.outputs.append(("input", position[out]))
                continue
            if isinstance(out, torch.fx.Node) and not isinstance(
                out.meta.get("val"), torch.Tensor
            ):
                self._number(out.meta.get("val"))
                continue
            if not isinstance(out, torch.fx.Node):
                self._number(out)
                continue
            value = self.importer.values[out]
            if value is None:
                self.outputs.append(("none", None))
                continue
            self.function.output(value, out.name)
            self.outputs.append(("result", self.n_results))
            self.n_results += 1

    def _number(self, value):
        """Sizes are results of the program, as tensors; other numbers are known."""
        if isinstance(value, torch.SymInt) and not value.node.expr.is_Integer:
            self.function.output(self.function.dim_value(self.symbols(value)), "")
            self.outputs.append(("size", self.n_results))
            self.n_results += 1
        elif value is None:
            self.outputs.append(("none", None))
        elif isinstance(value, (torch.SymFloat, torch.SymBool)):
            raise Unsupported(f"an output that is a {type(value).__name__}")
        else:
            value = int(value) if isinstance(value, torch.SymInt) else value
            self.outputs.append(("number", value))


def lower(module, options):
    """Everything but machine code; raises what compiling would raise."""
    GraphImporter(module).run().unit.print("kernels", options.targets)


def compile_graph(module, options, constants=None):
    """A function over the graph's inputs (positional), giving a list of its outputs."""
    g = GraphImporter(module, constants).run()
    artifact = g.unit.compile(
        targets=options.targets,
        bf16_matmul=torch.get_float32_matmul_precision() == "medium",
        dump=options.dump,
    )
    runtime = _runtime()
    loaded = runtime.Module.from_buffer(artifact)
    session = runtime.Session(loaded, _device(options.device))
    return _python_function(g, session.bind("main", torch=True), _strides(module))


def _strides(module):
    """Strides of the outputs that are not row-major in eager mode, else None each."""
    output = next(n for n in module.graph.nodes if n.op == "output").args[0]
    wanted = []
    for out in output if isinstance(output, (tuple, list)) else [output]:
        value = out.meta.get("val") if isinstance(out, torch.fx.Node) else None
        dense = not isinstance(value, torch.Tensor) or _row_major(value)
        wanted.append(None if dense else _order(value))
    return wanted


def _row_major(value):
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    expected = 1
    for size, stride in zip(reversed(value.shape), reversed(value.stride())):
        if statically_known_true(size == 1):
            continue
        if not statically_known_true(stride == expected):
            return False
        expected = expected * size
    return True


def _order(value):
    """The axes of a dense tensor from the slowest to the fastest."""

    def hint(x):
        return x.node.hint if isinstance(x, torch.SymInt) else x

    strides = [hint(s) for s in value.stride()]
    if any(s is None or s == 0 for s in strides):
        return None  # expanded: the values are what counts
    return tuple(sorted(range(value.dim()), key=lambda i: -strides[i]))


def _relaid(tensor, order):
    """The same values, with axes laid out in this order in memory."""
    back = [0] * len(order)
    for i, axis in enumerate(order):
        back[axis] = i
    return tensor.permute(order).contiguous().permute(back)


def _python_function(g, call, orders):
    """Written as source: no loop remains between the caller and the runtime."""
    n = sum(1 for node in g.module.graph.nodes if node.op == "placeholder")
    names = {"call": call, "relaid": _relaid}
    args = [f"a{i}" for i in range(n)]
    lines = [f"def compiled({', '.join(args)}):"]
    given = ", ".join(args[i] for i in g.inputs)
    lines.append(f"    r = call({given})" if g.n_results else "    pass")
    parts = []
    for i, ((kind, what), order) in enumerate(zip(g.outputs, orders, strict=True)):
        if kind == "input":
            parts.append(args[what])
        elif kind == "result" and order:
            names[f"order{i}"] = order
            parts.append(f"relaid(r[{what}], order{i})")
        elif kind == "result":
            parts.append(f"r[{what}]")
        elif kind == "size":
            parts.append(f"int(r[{what}])")
        else:
            names[f"constant{i}"] = what
            parts.append(f"constant{i}")
    plain = all(kind == "result" for kind, _ in g.outputs) and not any(orders)
    lines.append(
        "    return r"
        if plain and parts
        else f"    return ({''.join(p + ', ' for p in parts)})"
    )
    exec("\n".join(lines), names)  # noqa: S102
    return names["compiled"]
