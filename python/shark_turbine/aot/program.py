# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""torch.export's programs as functions of a Unit, with the state they share."""

import warnings

import torch
from torch.export.graph_signature import (
    ConstantArgument,
    InputKind,
    OutputKind,
    SymBoolArgument,
    SymFloatArgument,
    SymIntArgument,
    TensorArgument,
)

from ..importer import FunctionImporter, Symbols, Unsupported, bounds, dtype_name, pack
from . import abi
from .tensor_traits import ExternalTensorTrait

_MUTATIONS = {OutputKind.BUFFER_MUTATION}
if hasattr(OutputKind, "PARAMETER_MUTATION"):
    _MUTATIONS.add(OutputKind.PARAMETER_MUTATION)
_STATE = {InputKind.PARAMETER, InputKind.BUFFER}


def mutated(ep):
    """{qualified name: tensor} of the parameters and buffers a program changes."""
    specs = ep.graph_signature.output_specs
    return {
        s.target: _state_tensor(ep, s.target) for s in specs if s.kind in _MUTATIONS
    }


class State:
    """The globals of a unit, by qualified name: what any of its programs changes.

    `tensors` by name are to be globals. Whatever name a program has for one of them, or if
    it captured it as a constant, it sees the global.
    """

    def __init__(self, unit, tensors, names):
        self.unit = unit
        self.names = names
        self.globals = {}
        self._known = set(tensors)
        self._places = {}
        for name, t in tensors.items():
            if t.numel():
                self._places.setdefault(_place(t), name)

    def name_of(self, target, tensor):
        """Name of the global that a program's tensor is; None if it is a constant."""
        by_place = self._places.get(_place(tensor)) if tensor.numel() else None
        return by_place or (target if target in self._known else None)

    def index(self, name, tensor, importer, stored=False):
        """Number of the global, which starts with the tensor's values. `stored`: the model's
        state_dict has it."""
        if name not in self.globals:
            shown = self.names.shown(name)
            dtype, dims = dtype_name(tensor.dtype), list(tensor.shape)
            init = self._initial(name, tensor, importer, shown, stored)
            self.globals[name] = self.unit.global_(shown, dtype, dims, init)
        return self.globals[name]

    def _initial(self, name, tensor, importer, shown, stored):
        if name in self.names.zeros:
            return None
        external = self.names.external_of(name, tensor)
        if external is not None:
            return importer.external_index(tensor, *external)
        # A copy: later training must not change the program.
        return importer.constant_index(pack(tensor).clone(), shown, stored)


class Names:
    """What tensors are called in the artifact.

    `rename` gives the name that a global shows; `external` says of qualified names under
    which (scope, name) the program's parameters have them, beside what traits on tensors
    say; `zeros` are globals whose start values are not stored.
    """

    def __init__(self, rename=None, external=None, zeros=()):
        self.shown = rename or (lambda name: name)
        self.external = external or {}
        self.zeros = set(zeros)

    def external_of(self, name, tensor):
        if name in self.external:
            return self.external[name]
        trait = ExternalTensorTrait.get(tensor)
        return trait and (trait.external_scope, trait.external_name)


def _is_stored(spec):
    """Whether the model's state_dict has it."""
    if spec.kind is InputKind.BUFFER:
        return spec.persistent is not False
    return spec.kind is InputKind.PARAMETER


def _place(tensor):
    return tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype


def _state_tensor(ep, target):
    if target in ep.state_dict:
        return ep.state_dict[target]
    return ep.constants[target]


def _arguments(ep, specs):
    """The abi.Signature of a program's own inputs (not what capture added)."""
    graph = getattr(ep, "module_call_graph", None)
    signature = graph[0].signature if graph else None
    names = getattr(signature, "forward_arg_names", None) if signature else None
    return abi.Signature(
        ep.call_spec.in_spec,
        [getattr(s.arg, "value", None) for s in specs],
        [isinstance(s.arg, (TensorArgument, SymIntArgument)) for s in specs],
        names,
    )


class ProgramImporter:
    """One ExportedProgram as one function."""

    def __init__(self, unit, ep, name, state):
        self.unit, self.ep, self.name, self.state = unit, ep, name, state
        self.function = unit.function(name)
        self.symbols = Symbols(unit, self._range, self._hint)
        self.hints = {}
        self.importer = FunctionImporter(self.function, self.symbols)
        self.written = {}  # placeholder name of a mutated tensor -> global

    def _range(self, symbol):
        found = self.ep.range_constraints.get(symbol)
        low, high = bounds(found) if found is not None else (0, None)
        if high is not None and high < low:
            raise Unsupported(f"size {symbol} has no possible value")
        if low == 2 and not getattr(self.ep, "minimum_of_two", False):
            low = 0
        return max(low, -(2**60)), high

    def _hint(self, symbol):
        return self.hints.get(symbol, 0)

    def _learn_hints(self, tensor):
        for size in tensor.shape:
            if isinstance(size, torch.SymInt) and size.node.expr.is_Symbol:
                if size.node.has_hint():
                    self.hints[size.node.expr] = int(size.node.hint)

    def run(self):
        places = {n.name: n for n in self.ep.graph.nodes if n.op == "placeholder"}
        specs = self.ep.graph_signature.input_specs
        user = [s for s in specs if s.kind is InputKind.USER_INPUT]
        signature = _arguments(self.ep, user)
        names = iter(signature.leaf_names)
        for s in user:
            value = places[s.arg.name].meta.get("val")
            if isinstance(value, torch.Tensor):
                self._learn_hints(value)
        self._define_integers(user, places)
        for s in specs:
            if s.kind is InputKind.USER_INPUT:
                self._user_input(s.arg, places.get(s.arg.name), next(names))
            else:
                self._lifted(s, places.get(getattr(s.arg, "name", None)))
        returned = self.importer.run(self.ep.graph_module)
        results = self._outputs(returned)
        self.function.attribute(abi.ATTRIBUTE, abi.text(signature.arguments, results))

    def _define_integers(self, user, places):
        """Symbols that are arguments, unless the shape of a tensor tells them too."""
        shaped = set()
        for s in user:
            value = places[s.arg.name].meta.get("val")
            if isinstance(value, torch.Tensor):
                for size in value.shape:
                    if isinstance(size, torch.SymInt):
                        shaped.add(size.node.expr)
        at = 0
        for s in user:
            value = places[s.arg.name].meta.get("val")
            if isinstance(value, torch.SymInt):
                symbol = value.node.expr
                if symbol.is_Symbol and symbol not in shaped:
                    self.symbols.define(symbol, argument=at)
            if isinstance(s.arg, (TensorArgument, SymIntArgument)):
                at += 1

    def _user_input(self, arg, node, name):
        if isinstance(arg, TensorArgument):
            self.importer.input(node, name or node.name)
        elif isinstance(arg, SymIntArgument):
            self.function.input(name or node.name, "i64", [])
            self.importer.values[node] = node.meta["val"]
        elif isinstance(arg, ConstantArgument):
            self.importer.values[node] = arg.value
        else:
            kind = type(arg).__name__.removesuffix("Argument")
            raise Unsupported(f"argument '{name}': a {kind} is not supported")

    def _lifted(self, spec, node):
        if spec.kind is InputKind.TOKEN:  # says what comes before what: no value
            self.importer.values[node] = None
            return
        if spec.kind not in _STATE and spec.kind is not InputKind.CONSTANT_TENSOR:
            raise Unsupported(f"{spec.kind.name} {spec.target} is not supported")
        tensor = _state_tensor(self.ep, spec.target)
        name = self.state.name_of(spec.target, tensor)
        if name is not None:
            index = self.state.index(name, tensor, self.importer, _is_stored(spec))
            if node.users:
                self.importer.values[node] = self.function.read(index)
        elif node.users:
            self.importer.values[node] = self._constant(spec, tensor)

    def _constant(self, spec, tensor):
        external = self.state.names.external_of(spec.target, tensor)
        if external is not None:
            return self.importer.external(tensor, *external)
        name = self.state.names.shown(spec.target)
        return self.importer.constant(tensor, name, _is_stored(spec))

    def _outputs(self, returned):
        """Adds results and writes to globals; gives the results' tree (see abi)."""
        is_none = []
        names = iter(abi.result_names(self.ep.call_spec.out_spec))
        for spec, out in zip(
            self.ep.graph_signature.output_specs, returned, strict=True
        ):
            if spec.kind in _MUTATIONS:
                tensor = _state_tensor(self.ep, spec.target)
                index = self.state.globals[self.state.name_of(spec.target, tensor)]
                self.function.write(index, self.importer.value_of(out))
            elif spec.kind is OutputKind.USER_INPUT_MUTATION:
                warnings.warn(
                    f"{self.name}: the change of input '{spec.target}' in place is not "
                    "seen by the caller of the compiled program; return it instead",
                    stacklevel=2,
                )
            elif spec.kind is OutputKind.USER_OUTPUT:
                is_none.append(self._user_output(spec.arg, out, next(names)) is None)
            elif spec.kind is not OutputKind.TOKEN:
                raise Unsupported(f"output of kind {spec.kind.name} is not supported")
        return abi.result_tree(self.ep.call_spec.out_spec, is_none)

    def _user_output(self, arg, out, name):
        if isinstance(arg, (SymFloatArgument, SymBoolArgument)):
            kind = type(arg).__name__.removesuffix("Argument")
            raise Unsupported(f"a result of type {kind} is not supported")
        value = self.importer.value_of(out)
        if value is not None:
            if name.isdigit() or not name:
                name = out.name if isinstance(out, torch.fx.Node) else ""
            self.function.output(value, name)
        return value


def import_programs(unit, programs, declared=None, names=None):
    """{name: ExportedProgram} as functions of the unit that share state.

    `declared` are tensors by name that are globals whether or not a program changes them.
    """
    tensors = dict(declared or {})
    for ep in programs.values():
        for name, tensor in mutated(ep).items():
            tensors.setdefault(name, tensor)
    state = State(unit, tensors, names or Names())
    for name, ep in programs.items():
        program = ProgramImporter(unit, ep, name, state)
        program.run()
    for name, tensor in (declared or {}).items() if programs else ():
        state.index(state.name_of(name, tensor), tensor, program.importer)
    return state
