# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What TorchDynamo has compiled as a `_runtime.Specialization` (python/_runtime/specialize.c).

TorchDynamo's guards and code are always good enough, and take two microseconds. Where a
program depends on its arguments and on parameters of one module only, the same guards are
checked in C, and where its results are what the function returns, its arguments are
collected in C: then the code is not needed.
"""

import dis
import itertools
import math
import threading
import types
import weakref

import torch

from .. import _runtime
from . import shim
from .backend import compile_captured
from .options import parse

_BUILT_IN = types.BuiltinFunctionType
_numbers = itertools.count()


class Captured:
    """What a compiled graph is made of: where its inputs come from, what it returns, and
    the guards of the code that calls it, as (Source, kind)."""

    def __init__(self, gm, example_inputs, options):
        output = next(n for n in gm.graph.nodes if n.op == "output").args[0]
        self.options = options
        self.sources = shim.sources_of(gm)
        self.n_outputs = len(output) if isinstance(output, (tuple, list)) else 1
        self.open = any(map(_is_open, example_inputs))
        self.training = torch.is_grad_enabled() and any(
            isinstance(x, torch.Tensor) and x.requires_grad for x in example_inputs
        )
        self.guards = None


def _is_open(x):
    if isinstance(x, torch.Tensor):
        return any(isinstance(n, torch.SymInt) for n in (*x.shape, *x.stride()))
    return True  # numbers are inputs only where they are open


_captured = weakref.WeakKeyDictionary()  # compiled function -> Captured
_latest = threading.local()


def capture(gm, example_inputs, *, mode=None, options=None):
    """The backend turbine_cpu, remembering what it was given."""
    found = Captured(gm, example_inputs, dict(options or {}))
    run = compile_captured(gm, example_inputs, parse(mode, options), marks=False)
    try:
        _captured[shim.innermost(run)] = _latest.captured = found
    except TypeError:  # no weak references to it
        pass
    return run


def remember_guards(entries):
    """A `guard_filter_fn`, called after the backend; it keeps all of them."""
    found = getattr(_latest, "captured", None)
    if found is not None and found.guards is None:
        found.guards = [shim.guarded(e) for e in entries]
    _latest.captured = None
    return [True] * len(entries)


def specialize(guards, code, target, names, found, options):
    """A Specialization for what TorchDynamo has for `target`, a function with locals of
    these names, whose guards hold for the locals `found`. None if there is none: another
    backend's, or code that goes on in code that is yet to be compiled."""
    named = [n for n in code.co_names if n.startswith("__compiled_fn")]
    if len(named) != 1 or any(n.startswith("__resume_at") for n in code.co_names):
        return None
    run = shim.innermost(target.__globals__.get(named[0]))
    captured = _captured.get(run) if run is not None else None
    if captured is None or captured.options != options:
        return None
    call = _function(code, target, named[0], run)
    fast = _native_guards(captured, guards, names, found)
    if fast is None:
        return _runtime.Specialization(
            vars(guards), len(names), call, check=guards.root.check
        )
    walk, rows = fast
    if isinstance(run, _BUILT_IN):
        kind = _kind_of_result(code, captured, named[0], walk, target, names, found)
        if kind is not None:
            rows["arguments"] = tuple(walk.at(s) for s in captured.sources)
            rows["single"], call = kind == "single", run
    return _runtime.Specialization(
        vars(guards),
        len(names),
        call,
        steps=tuple(walk.steps),
        **rows,
    )


# ---- the code ----


def _function(code, target, name, run):
    """TorchDynamo's code as a function. A program is called without the wrapper that
    keeps TorchDynamo away: it is no Python."""
    place, utils = shim.unrecorded_utils()
    own = f"__turbine_{next(_numbers)}_"
    new = {place: (own + "utils", utils)}
    if isinstance(run, _BUILT_IN):
        new[name] = (own + "program", run)
    names = tuple(new[n][0] if n in new else n for n in code.co_names)
    code = code.replace(co_names=names)
    shim.leave_alone(code)
    cells = dict(zip(target.__code__.co_freevars, target.__closure__ or ()))
    function = types.FunctionType(
        code,
        target.__globals__,  # itself: the code reads the user's variables there
        target.__name__,
        target.__defaults__,
        tuple(cells[n] for n in code.co_freevars),
    )
    function.__kwdefaults__ = target.__kwdefaults__
    for key, value in new.values():
        target.__globals__[key] = value
        weakref.finalize(function, target.__globals__.pop, key, None)
    return function


# Code of these only passes the function's arguments on, and packs results.
_PLAIN = frozenset(
    (
        "RESUME CACHE NOP PUSH_NULL PRECALL CALL CALL_FUNCTION COPY COPY_FREE_VARS SWAP "
        "POP_TOP RETURN_VALUE LOAD_GLOBAL LOAD_CONST LOAD_SMALL_INT LOAD_FAST "
        "LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST LOAD_FAST_AND_CLEAR "
        "STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST DELETE_FAST LOAD_DEREF "
        "LOAD_ATTR LOAD_METHOD BINARY_SUBSCR BINARY_OP UNPACK_SEQUENCE BUILD_TUPLE "
        "BUILD_LIST LIST_EXTEND LIST_TO_TUPLE"
    ).split()
)


def _kind_of_result(code, captured, name, walk, target, names, found):
    """ "single" if the function returns the graph's one output, "tuple" if it returns a
    tuple of all; None if it does anything else. Found by running the code with a graph
    that returns tokens."""
    place, utils = shim.unrecorded_utils()
    for i in dis.get_instructions(code):
        if i.opname not in _PLAIN:
            return None
        if i.opname == "LOAD_GLOBAL" and i.argval not in (name, place):
            return None
        if i.opname in ("LOAD_ATTR", "LOAD_METHOD") and i.argval not in (
            *("_parameters", "_buffers", "_modules"),
            *("record_pregraph_bytecode_enter", "record_pregraph_bytecode_exit"),
        ):
            return None  # may be a property
    tokens, given = [object() for _ in range(captured.n_outputs)], []

    def graph(*args):
        given.append(args)
        return tuple(tokens)

    cells = [types.CellType(found[n]) for n in code.co_freevars]
    fake = types.FunctionType(
        code, {name: graph, place: utils}, "fake", None, tuple(cells)
    )
    shim.leave_alone(code)
    n_named = code.co_argcount + code.co_kwonlyargcount
    positional = [found[n] for n in names[: code.co_argcount]]
    rest = dict(
        zip(names[code.co_argcount : n_named], names[code.co_argcount : n_named])
    )
    keywords = {n: found[n] for n in rest}
    at = n_named
    if code.co_flags & 4:  # *args
        positional += found[names[at]]
        at += 1
    if code.co_flags & 8:  # **kwargs
        keywords |= found[names[at]]
    out = fake(*positional, **keywords)
    wanted = [walk.value(s) for s in captured.sources]
    if len(given) != 1 or len(given[0]) != len(wanted):
        return None
    if any(a is not b for a, b in zip(given[0], wanted)):
        return None
    if len(tokens) == 1 and out is tokens[0]:
        return "single"
    same = type(out) is tuple and len(out) == len(tokens)
    return "tuple" if same and all(a is b for a, b in zip(out, tokens)) else None


# ---- the guards ----


class Unknown(Exception):
    """A guard or a source that is left to TorchDynamo."""


class Walk:
    """Steps from the locals of a function to values that sources name."""

    def __init__(self, names, found):
        self.names, self.found = names, found
        self.steps, self.values, self.known = [], [], {}

    def at(self, source):
        """The number of the step that gives a source's value."""
        key = str(source.name)
        if key not in self.known:
            step, value = self._step(source)
            self.steps.append(step)
            self.values.append(value)
            self.known[key] = len(self.steps) - 1
        return self.known[key]

    def value(self, source):
        return self.values[self.at(source)]

    def _step(self, source):
        kind = type(source).__name__
        if kind == "LocalSource" and source.local_name in self.names:
            i = self.names.index(source.local_name)
            return ("local", i, None), self.found[source.local_name]
        if kind.endswith("NNModuleSource") and not kind.startswith("FSDP"):
            i = self.at(source.base)  # the same value under another name
            return self.steps[i], self.values[i]
        if kind in (
            "AttrSource",
            "ParamBufferSource",
            "UnspecializedParamBufferSource",
        ):
            i, name = self.at(source.base), source.member
            return self._attribute(i, name)
        if kind in ("GetItemSource", "DictGetItemSource", "ListGetItemSource"):
            i, index = self.at(source.base), source.index
            if type(index) in (str, int) and type(self.values[i]) in (
                dict,
                list,
                tuple,
            ):
                return ("item", i, index), self.values[i][index]
        raise Unknown(kind)

    def _attribute(self, i, name):
        parent = self.values[i]
        if (
            type(name) is not str
            or "." in name
            or not isinstance(parent, torch.nn.Module)
        ):
            raise Unknown(name)
        if name in vars(parent) and not hasattr(type(parent), name):
            return ("field", i, name), vars(parent)[name]
        raise Unknown(name)


# Torch's switches: the guard of global state, the number of modes, and, where there are no
# gradients, nothing.
_AMBIENT = frozenset(
    (
        "AUTOGRAD_SAVED_TENSORS_HOOKS GRAD_MODE DETERMINISTIC_ALGORITHMS GLOBAL_STATE "
        "TORCH_FUNCTION_STATE DEFAULT_DEVICE SHAPE_ENV"
    ).split()
)


def _native_guards(captured, guards, names, found):
    """(Walk, arguments of a Specialization) that say what TorchDynamo's guards say for the
    kinds of values in `found`; None if some are not understood."""
    state, modes = shim.global_state_guard(guards), shim.count_function_modes()
    if captured.open or captured.training or captured.guards is None or state is None:
        return None
    if modes() or not state() or any(s is None for s in captured.sources):
        return None
    walk, tests, tensors = Walk(names, found), [], []
    try:
        for source, kind in captured.guards:
            if kind in _AMBIENT:
                continue
            test = _test(walk.value(source), kind)
            if test == "tensor":
                tensors.append(walk.at(source))
            else:
                tests.append((test[0], walk.at(source), test[1]))
        for source in captured.sources:
            if walk.at(source) not in tensors:
                raise Unknown("an input without a guard")
    except (Unknown, KeyError, IndexError, AttributeError):
        return None
    if not tensors or len({id(walk.values[i]) for i in tensors}) < len(tensors):
        return None  # the guard of tensors is what sees modes; it wants different ones
    rows = {
        "state": state,
        "modes": modes,
        "tests": tuple(tests),
        "tensors": shim.tensor_guards([walk.values[i] for i in tensors]),
        "tensors_at": tuple(tensors),
        "workers": torch.get_num_threads(),  # part of the state
    }
    return walk, rows


def _test(value, kind):
    if kind == "TENSOR_MATCH":
        if type(value) in (torch.Tensor, torch.nn.Parameter) and not value.is_complex():
            return "tensor"
    elif kind == "TYPE_MATCH":
        return "type", type(value)
    elif kind == "CONSTANT_MATCH":
        if value is None or type(value) is bool:
            return "is", value
        if type(value) in (int, str) or (
            type(value) is float and not math.isnan(value)
        ):
            return "equals", value
    raise Unknown(kind)
