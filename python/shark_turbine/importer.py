# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""FX graphs of ATen operators become functions of a compiler Unit.

The graphs come from torch.export or from AOTAutograd; both are functional and say the type
of every value in `meta["val"]`. Sizes keep their expressions: a SymInt becomes a Dim.
"""

import fractions
import operator
import re

import sympy
import torch
from torch.utils._sympy import functions as sf
from torch.utils._sympy.symbol import SymT, symbol_is_type

from . import _compiler, scalars
from .locations import location_of

DTYPES = {
    torch.bool: "i1",
    torch.uint8: "ui8",
    torch.uint16: "ui16",
    torch.uint32: "ui32",
    torch.uint64: "ui64",
    torch.int8: "i8",
    torch.int16: "i16",
    torch.int32: "i32",
    torch.int64: "i64",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float32: "f32",
    torch.float64: "f64",
    torch.complex64: "complex<f32>",
    torch.complex128: "complex<f64>",
}
TORCH_DTYPES = {name: dtype for dtype, name in DTYPES.items()}
# torch's own numbers (c10/core/ScalarType.h, MemoryFormat.h), as arguments spell them.
SCALAR_TYPES = {
    torch.uint8: 0,
    torch.int8: 1,
    torch.int16: 2,
    torch.int32: 3,
    torch.int64: 4,
    torch.float16: 5,
    torch.float32: 6,
    torch.float64: 7,
    torch.complex64: 9,
    torch.complex128: 10,
    torch.bool: 11,
    torch.bfloat16: 15,
    torch.uint16: 27,
    torch.uint32: 28,
    torch.uint64: 29,
}
MEMORY_FORMATS = {
    torch.contiguous_format: 0,
    torch.preserve_format: 1,
    torch.channels_last: 2,
    torch.channels_last_3d: 3,
}
# Ranges, which symbols have, and hints to eager mode.
_SKIPPED = {
    "aten::sym_constrain_range",
    "aten::sym_constrain_range_for_size",
    "aten::_assert_tensor_metadata",
}


class Unsupported(NotImplementedError):
    """The program uses something that there is no way to express; says where."""

    def __init__(self, message, node=None):
        where = location_of(node) if node is not None else None
        if where and where[0]:
            message = f"{where[0]}:{where[1]}: {message}"
        super().__init__(message)
        self.location = where


def dtype_name(dtype):
    try:
        return DTYPES[dtype]
    except KeyError:
        raise Unsupported(f"tensors of {dtype} are not supported") from None


def op_name(target):
    """'aten.softmax.int', 'aten.relu': as schemas and torch-dialect MLIR spell it."""
    schema = target._schema
    name = schema.name.replace("::", ".")
    return f"{name}.{schema.overload_name}" if schema.overload_name else name


def pack(tensor):
    """A dense CPU tensor with the same values; itself where possible."""
    t = tensor.detach()
    if t.device.type != "cpu":
        t = t.cpu()
    return t.resolve_conj().resolve_neg().contiguous()


class Symbols:
    """Dims for sympy expressions of one captured program."""

    def __init__(self, unit, ranges=None, hints=None):
        self.unit = unit
        self.ranges = ranges or (lambda symbol: (0, None))
        self.hints = hints or (lambda symbol: 0)
        self.dims = {}
        self.importer = None  # of the function whose nodes are added now

    def define(self, symbol, argument=None, prefix=""):
        """A symbol that is read from the shapes of inputs, an integer argument, or a size
        that an operator of the program finds out."""
        dim = self.dims.get(symbol)
        if dim is None:
            low, high = self.ranges(symbol)
            dim = self.unit.symbol(
                prefix + str(symbol),
                min=low,
                max=high,
                hint=self.hints(symbol),
                argument=argument,
                result=argument is None and self.is_result(symbol),
            )
            self.dims[symbol] = dim
        return dim

    def is_result(self, symbol):
        """Whether its value depends on data that the program computes."""
        return symbol_is_type(symbol, SymT.UNBACKED_INT)

    def is_known(self, symbol):
        """Whether there is, by now, a value for it."""
        return symbol in self.dims

    def __call__(self, value):
        """An int, SymInt or sympy expression as an int or Dim."""
        if isinstance(value, int):
            return value
        if isinstance(value, torch.SymInt):
            return self.expression(value.node.expr)
        return self.expression(value)

    def expression(self, e):
        if e.is_Integer:
            return int(e)
        if e.is_Symbol:
            return self.define(e)
        name = type(e).__name__
        if e.is_Add:
            return self._fold(e.args, operator.add)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow and e.exp.is_Integer and e.exp > 0:
            base = self.expression(e.base)
            return self._fold_dims([base] * int(e.exp), operator.mul)
        if isinstance(e, (sf.FloorDiv, sf.CleanDiv)):
            return self.expression(e.args[0]) // self.expression(e.args[1])
        if isinstance(e, (sf.Mod, sf.PythonMod)):
            return self.expression(e.args[0]) % self.expression(e.args[1])
        if name == "ModularIndexing":
            x, by, size = (self.expression(a) for a in e.args)
            return (x // by) % size
        if name == "CeilDiv":
            return -(-self.expression(e.args[0]) // self.expression(e.args[1]))
        if isinstance(e, sympy.Piecewise):
            return self._choice(e)
        if name in scalars.ROUNDINGS:
            exact = _exact_part(e)
            if exact is not None:
                by, rest = exact
                return self.expression(rest) * by.numerator // by.denominator
            return self._computed(e, lambda f: scalars.rounded(f, e), 0, None)
        if isinstance(e, (sf.Max, sympy.Max)):
            return self._fold(e.args, _larger)
        if isinstance(e, (sf.Min, sympy.Min)):
            return self._fold(e.args, _smaller)
        if (
            name in ("Identity", "ToFloat", "TruncToInt", "FloorToInt")
            and e.args[0].is_integer
        ):
            return self.expression(e.args[0])
        raise Unsupported(f"sizes that depend on {e} are not supported")

    def _choice(self, e):
        """One of two numbers, by a condition. One that is a symbol, Eq(u0, 1) with u0 from
        0 to 1, is as good as a number."""
        (yes, when), (no, otherwise), *more = e.args
        if more or otherwise != sympy.true:
            raise Unsupported(f"sizes that depend on {e} are not supported")
        symbol = when.args[0] if when.func is sympy.Eq and when.args[1] == 1 else None
        if getattr(symbol, "is_Symbol", False) and self.ranges(symbol) == (0, 1):
            which = self.expression(symbol)
        else:
            which = self._computed(when, lambda f: scalars.condition(f, when), 0, 1)
        yes, no = self.expression(yes), self.expression(no)
        return no + (yes - no) * which

    def _computed(self, e, value, low, high):
        """A number that the program computes as a tensor, and reads. `value`(importer)
        gives the tensor."""
        if self.importer is None:
            raise Unsupported(f"sizes that depend on {e} are not supported")
        known = self.importer.numbers
        if e not in known:
            tensor = value(self.importer)
            name = f"m{len(known)}"
            known[e] = self.importer.function.item(tensor, name, low, high, None)
        return known[e]

    def _product(self, e):
        number, rest = e.as_coeff_Mul()
        product = self._fold(rest.args if rest.is_Mul else [rest], operator.mul)
        if number.is_Integer:
            return int(number) * product
        if number.is_Rational:
            return int(number.p) * product // int(number.q)
        raise Unsupported(f"sizes that depend on {e} are not supported")

    def _fold(self, args, fn):
        return self._fold_dims([self.expression(a) for a in args], fn)

    @staticmethod
    def _fold_dims(dims, fn):
        result = dims[0]
        for d in dims[1:]:
            result = fn(result, d)
        return result


def _exact_part(e):
    """(p, n) where e is n * p rounded down or to 0, n a size, and doubles have no rounding in
    it: p is a number of few bits. Else None."""
    (e,), up = e.args, type(e).__name__ not in ("TruncToInt", "FloorToInt")
    factor, rest = e.as_coeff_Mul()
    if up or type(rest).__name__ != "ToFloat" or not factor.is_number or factor <= 0:
        return None
    factor = fractions.Fraction(float(factor))
    small = factor.denominator <= 64 and factor.numerator < 1 << 20
    return (factor, rest.args[0]) if small and rest.args[0].is_nonnegative else None


def _larger(a, b):
    if isinstance(a, int):
        a, b = b, a
    return max(a, b) if isinstance(a, int) else a.max(b)


def _smaller(a, b):
    if isinstance(a, int):
        a, b = b, a
    return min(a, b) if isinstance(a, int) else a.min(b)


def bounds(value_range):
    """(min, max) of a ValueRanges; None where there is no upper bound."""
    low, high = value_range.lower, value_range.upper
    low = int(low) if getattr(low, "is_Integer", False) else -(2**60)
    high = int(high) if getattr(high, "is_Integer", False) else None
    if high is not None and high >= 2**60:
        high = None
    return low, high


class FunctionImporter:
    """Adds the nodes of FX graphs to one function."""

    def __init__(self, function, symbols):
        self.function = function
        self.unit = function.unit
        self.symbols = symbols
        self.values = {}  # fx.Node -> Value, list of Values, or a number
        self.numbers = {}  # expression -> Dim of what is computed on the way
        self._constants = {}

    # ---- inputs and constants ----

    def type_of(self, tensor):
        return dtype_name(tensor.dtype), [self.symbols(s) for s in tensor.shape]

    def input(self, node, name):
        """A tensor argument of the program."""
        dtype, dims = self.type_of(node.meta["val"])
        self.values[node] = self.function.input(name, dtype, dims)
        return self.values[node]

    def constant(self, tensor, name="", parameter=False):
        """A tensor whose values are known now; its memory is borrowed. A `parameter` has
        its name in the model's state."""
        key = id(tensor)
        if key not in self._constants:
            value = self._constant(self.function.constant, tensor, name, parameter)
            self._constants[key] = value, tensor
        return self._constants[key][0]

    def constant_index(self, tensor, name="", parameter=False):
        return self._constant(self.function.constant_index, tensor, name, parameter)

    def external(self, tensor, scope, name):
        """A tensor of this type that the program is given when it is loaded."""
        return self._external(self.function.constant, tensor, scope, name)

    def external_index(self, tensor, scope, name):
        return self._external(self.function.constant_index, tensor, scope, name)

    def _external(self, add, tensor, scope, name):
        dims = list(tensor.shape)
        dtype = dtype_name(tensor.dtype)
        return add(None, dtype, dims, name=name, external=True, scope=scope)

    def _constant(self, add, tensor, name, parameter):
        t = pack(tensor)
        dims, kind = list(t.shape), dtype_name(t.dtype)
        return add(
            t, kind, dims, pointer=t.data_ptr(), name=name, parameter=bool(parameter)
        )

    def number(self, value):
        """A Python number as a tensor of rank 0."""
        if isinstance(value, (torch.SymInt, int)) and not isinstance(value, bool):
            return self.function.dim_value(self.symbols(value))
        if isinstance(value, (bool, float)):
            return self.constant(torch.tensor(value))
        raise Unsupported(f"a result of type {type(value).__name__} is not supported")

    # ---- nodes ----

    def run(self, module, nodes=None):
        """Imports all nodes but placeholders and output; returns the output's argument."""
        outer, self.symbols.importer = self.symbols.importer, self
        try:
            return self._run(module, module.graph.nodes if nodes is None else nodes)
        finally:
            self.symbols.importer = outer

    def _run(self, module, nodes):
        for node in nodes:
            if node.op == "placeholder":
                continue
            if node.op == "output":
                return node.args[0]
            if node.op == "get_attr":
                self.values[node] = _attribute(module, node.target)
                if isinstance(self.values[node], torch.Tensor):
                    self.values[node] = self.constant(self.values[node], node.target)
            elif node.op == "call_function":
                self.call(node)
            else:
                raise Unsupported(f"FX node {node.op} {node.target}", node)

    def call(self, node):
        target = node.target
        if target is operator.getitem:
            self.values[node] = self.values[node.args[0]][node.args[1]]
            return
        value = node.meta.get("val")
        if isinstance(target, torch._ops.OpOverload):
            name = target._schema.name
            if name in _SKIPPED:
                return
            if scalars.is_read(node):
                self.values[node] = scalars.read(self, node, value)
                return
            if name == "aten::_assert_async":
                return self.assert_async(node)
            if name == "aten::_assert_scalar":
                return self.assert_sizes(node)
            if not isinstance(
                value, (torch.SymInt, int, torch.SymBool, torch.SymFloat)
            ):
                return self.operator(node)
        elif isinstance(target, torch._ops.HigherOrderOperator):
            return self.higher_order(node)
        if isinstance(value, torch.SymFloat) and scalars.supported(node):
            value = scalars.real(self, node) or value
        if isinstance(
            value,
            (torch.SymInt, int, float, torch.SymBool, torch.SymFloat, _compiler.Value),
        ):
            self.values[node] = value  # arithmetic of sizes: its expression says it all
            return
        raise Unsupported(f"{_text(target)} is not supported", node)

    def operator(self, node):
        """An ATen operator, its arguments in the order of the schema, defaults filled in."""
        target, value = node.target, node.meta.get("val")
        args, kwargs = [], dict(node.kwargs)
        for i, a in enumerate(target._schema.arguments):
            if i < len(node.args):
                given = node.args[i]
            elif a.name in kwargs:
                given = kwargs[a.name]
            else:
                given = a.default_value
            args.append(self.argument(node, given))
        is_list, results = self.results(node, value)
        if target._schema.name == "aten::_native_batch_norm_legit_functional":
            _keep_statistics(args, results)
        try:
            out = self.function.call(
                op_name(target),
                args,
                results,
                is_list=is_list,
                location=location_of(node),
                name=node.name,
            )
        except NotImplementedError as e:
            raise Unsupported(str(e)) from None
        many = is_list or isinstance(value, (tuple, list))
        self.values[node] = out if many else out[0] if out else None

    def results(self, node, value):
        """(is a list, [(dtype, dims) or None])"""
        if value is None:
            return False, []
        if isinstance(value, torch.Tensor):
            return False, [self.type_of(value)]
        if isinstance(value, (tuple, list)):
            used = _parts_used(node, len(value))
            types = [
                self.type_of(v) if isinstance(v, torch.Tensor) and i in used else None
                for i, v in enumerate(value)
            ]
            returns = node.target._schema.returns
            is_list = len(returns) == 1 and isinstance(returns[0].type, torch.ListType)
            return is_list, types
        raise Unsupported(f"{_text(node.target)} gives a {type(value).__name__}", node)

    def argument(self, node, a):
        if isinstance(a, torch.fx.Node):
            value = self.values[a]
            if isinstance(value, list):
                return value
            return self.argument(node, value)
        if a is None or isinstance(
            a, (_compiler.Value, _compiler.Dim, bool, int, float, complex, str)
        ):
            return a
        if isinstance(a, (list, tuple)):
            return [self.argument(node, x) for x in a]
        if isinstance(a, torch.SymInt):
            return self.symbols(a)
        if isinstance(a, torch.dtype):
            return SCALAR_TYPES[a]
        if isinstance(a, torch.memory_format):
            return MEMORY_FORMATS[a]
        if isinstance(a, torch.layout):
            if a is not torch.strided:
                raise Unsupported(f"tensors of layout {a} are not supported", node)
            return 0
        if isinstance(a, torch.device):
            return str(a)
        if isinstance(a, (torch.SymFloat, torch.SymBool)):
            number = a.node.maybe_as_float() if isinstance(a, torch.SymFloat) else None
            if number is not None:
                return number
            raise Unsupported(
                f"{_text(node.target)}: the number {a} is computed from sizes, "
                "which is not supported",
                node,
            )
        kind = type(a).__name__
        raise Unsupported(f"{_text(node.target)}: an argument of type {kind}", node)

    # ---- special nodes ----

    def assert_async(self, node):
        message = node.args[1] if len(node.args) > 1 else "assertion failed"
        condition = self.values[node.args[0]]
        self.function.assert_(condition, message, location_of(node))

    def assert_sizes(self, node):
        """A relation between sizes, one of which is read from a tensor: the capture has
        relied on it. What concerns one symbol alone is checked as its range."""
        from .control_flow import comparison

        value = self.lookup(node.args[0])
        relation = value.node.expr if isinstance(value, torch.SymBool) else None
        symbols = relation.free_symbols if relation is not None else ()
        if len(symbols) < 2 or not all(self.symbols.is_known(s) for s in symbols):
            return
        message = node.args[1] if len(node.args) > 1 else str(relation)
        condition = comparison(self, relation, node)
        self.function.assert_(condition, message, location_of(node))

    def check_errors(self, info, name, is_matrix, node):
        """What a factorisation says of itself must be 0: `info`, an i32 for each matrix."""
        del is_matrix  # of torch's message only
        args = [info, name, False]
        self.function.call(
            "aten._linalg_check_errors", args, [], location=location_of(node)
        )

    def higher_order(self, node):
        """Operators that run a graph."""
        from .control_flow import import_node

        self.values[node] = import_node(self, node)

    # ---- outputs ----

    def lookup(self, a):
        """What an argument stands for: a Value, a number, a size ..."""
        return self.values[a] if isinstance(a, torch.fx.Node) else a

    def value_of(self, a):
        """An output's Value; numbers become tensors of rank 0. None stays None."""
        a = self.lookup(a)
        if a is None or isinstance(a, _compiler.Value):
            return a
        if isinstance(a, _compiler.Dim):
            return self.function.dim_value(a)
        return self.number(a)


def _parts_used(node, n):
    """Which of a node's n results are taken: of others nothing has to be known."""
    users = list(node.users)
    if all(u.target is operator.getitem for u in users):
        return {u.args[1] for u in users}
    return range(n)


def _keep_statistics(args, results):
    """torch's tracing says f32 of all running statistics; eager mode keeps their dtype."""
    for i in (3, 4):
        if results[i] is not None and isinstance(args[i], _compiler.Value):
            results[i] = (args[i].dtype, results[i][1])


def _attribute(module, target):
    for part in target.split("."):
        module = getattr(module, part)
    return module


def _text(target):
    if isinstance(target, torch._ops.OpOverload):
        return op_name(target)
    return getattr(target, "__name__", None) or re.sub(
        " at 0x[0-9a-f]+", "", str(target)
    )
