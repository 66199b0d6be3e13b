# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Open sizes of one graph: which symbols its arguments tell, and what is unknown.

Sizes are expressions of torch's symbols, but a graph need not have them among its
arguments: a backward graph may have a tensor of (s0-1)//2 + 1 rows and nothing that says
what s0 is. Such an expression becomes a symbol of its own.
"""

import sympy
import torch

from .. import scalars
from ..importer import FunctionImporter, Symbols, Unsupported, bounds, dtype_name
from ..locations import location_of

_DECOMPOSITIONS = {
    torch.ops.aten._linalg_eigh.default,
    torch.ops.aten._linalg_eigvals.default,
    torch.ops.aten._linalg_svd.default,
    torch.ops.aten.linalg_eig.default,
    torch.ops.aten.linalg_pinv.atol_rtol_tensor,
}


class Unknown(Unsupported):
    """A size that does not follow from the arguments of the graph."""


def _linear(e):
    """Whether the value of the one symbol follows from e: a positive multiple, shifted."""
    (symbol,) = e.free_symbols
    slope = e.coeff(symbol)
    shift = e - slope * symbol
    return slope.is_Integer and slope > 0 and shift.is_Integer


def _is_computed(e):
    """Whether a size is made with floats or conditions: as an argument's it is a symbol."""
    return any(
        type(a).__name__ in scalars.ROUNDINGS or isinstance(a, sympy.Piecewise)
        for a in sympy.preorder_traversal(e)
    )


def _hint(value):
    hint = getattr(value.node, "hint", None)
    return int(hint) if isinstance(hint, int) else 0


def _shape_env(values):
    """Where torch keeps what it knows of sizes; None if all of them are constant."""
    for v in values:
        for size in v.shape if isinstance(v, torch.Tensor) else (v,):
            if isinstance(size, (torch.SymInt, torch.SymBool, torch.SymFloat)):
                return size.node.shape_env
    return None


def _is_ragged(value):
    """A nested tensor's name for sizes that differ by row: no number, only handed on."""
    hint = getattr(value.node, "hint", None)
    return value.node.is_nested_int() or isinstance(hint, torch.SymInt)


class GraphSymbols(Symbols):
    """Dims for the sizes of a graph whose arguments have these (fake) values; `computed`
    are those of its other nodes."""

    def __init__(self, unit, values, computed=()):
        super().__init__(unit, self._range, self._typical)
        self.shape_env = _shape_env(computed)
        self.known = set()
        self.arguments = {}  # position among `values` -> expression it tells
        self.sizes = self._sizes(values)
        self._learn()
        for i, v in enumerate(values):
            if isinstance(v, torch.SymInt) and not _is_ragged(v):
                self._integer(i, v.node.expr)

    def _sizes(self, values):
        """{expression: SymInt} of what is open in the shapes."""
        sizes = {}
        for v in values:
            if isinstance(v, torch.SymInt):
                self.shape_env = v.node.shape_env
            elif isinstance(v, torch.Tensor):
                for size in v.shape:
                    if isinstance(size, torch.SymInt) and not size.node.expr.is_Integer:
                        self.shape_env = size.node.shape_env
                        sizes[size.node.expr] = size
        return sizes

    def _learn(self):
        for e in self.sizes:
            if len(e.free_symbols) == 1 and _linear(e):
                self.known |= e.free_symbols

    def _integer(self, i, e):
        """An argument that is a number: needed if nothing else tells it."""
        if e.free_symbols <= self.known or e in self.arguments.values():
            return
        self.arguments[i] = e
        if e.is_Symbol:
            self.known.add(e)

    def define_all(self, positions):
        """`positions`: of each input of the program among the graph's arguments."""
        for k, i in enumerate(positions):
            e = self.arguments.get(i)
            if e is not None:
                name = str(e) if e.is_Symbol else f"n{i}"
                low, high = self._range(e)
                self.dims[e] = self.unit.symbol(
                    name, min=low, max=high, hint=self._typical(e), argument=k
                )
        for e, size in self.sizes.items():
            known = e.free_symbols <= self.known and not _is_computed(e)
            if not known and e not in self.dims:
                self._name(e, size)

    def _name(self, e, size):
        low, high = self._range(e)
        self.dims[e] = self.unit.symbol(
            f"d{len(self.dims)}", min=max(low, 0), max=high, hint=_hint(size)
        )

    def _range(self, e):
        if self.shape_env is None:
            return 0, None
        found = self.shape_env.var_to_range.get(e) if e.is_Symbol else None
        if found is None and not e.is_Symbol:
            found = self.shape_env.bound_sympy(e)
        return bounds(found) if found is not None else (0, None)

    def _typical(self, e):
        values = getattr(self.shape_env, "backed_var_to_val", None)
        if values is None:
            values = getattr(self.shape_env, "var_to_val", {})
        value = e.xreplace(values) if values else e
        return int(value) if getattr(value, "is_Integer", False) else 0

    def is_known(self, symbol):
        return symbol in self.known or super().is_known(symbol)

    def is_result(self, symbol):
        return symbol not in self.known and self._is_unbacked(symbol)

    def _is_unbacked(self, symbol):
        return self.shape_env is not None and self.shape_env.is_unbacked_symint(symbol)

    def expression(self, e):
        dim = self.dims.get(e)
        if dim is not None:
            return dim
        if e.is_Symbol and e not in self.known and not self._is_unbacked(e):
            raise Unknown(f"size {e} does not follow from the graph's arguments")
        return super().expression(e)


class GraphFunction(FunctionImporter):
    """Results whose sizes are unknown here get those that the compiler infers. What
    factorisations say of themselves are results: torch's own check raises its error."""

    def __init__(self, function, symbols):
        super().__init__(function, symbols)
        self.checks = []  # (Value, name of the function, is it one matrix)
        self.decomposes = False  # whether an operator may not converge

    def check_errors(self, info, name, is_matrix, node):
        self.checks.append((info, name, bool(is_matrix)))

    def operator(self, node):
        if node.target in _DECOMPOSITIONS:
            self.decomposes = True
        if node.target is not torch.ops.aten.cholesky.default:
            return super().operator(node)
        # raises by itself: the same with a result that says whether it should
        x, upper = node.args[0], len(node.args) > 1 and node.args[1]
        dtype, dims = self.type_of(node.meta["val"])
        factor, info = self.function.call(
            "aten.linalg_cholesky_ex",
            [self.values[x], bool(node.kwargs.get("upper", upper)), False],
            [(dtype, dims), ("i32", dims[:-2])],
            location=location_of(node),
            name=node.name,
        )
        self.values[node] = factor
        self.check_errors(info, "cholesky", len(dims) == 2, node)

    def type_of(self, tensor):
        return dtype_name(tensor.dtype), [self._dim(s) for s in tensor.shape]

    def _dim(self, size):
        try:
            return self.symbols(size)
        except Unknown:
            return None
