# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The backend for torch.compile.

AOTAutograd makes functional graphs of ATen operators, for inference or for a forward and a
backward pass; each is compiled for this machine. What cannot be compiled runs in eager
mode, with one warning that names the operator and the line it comes from.
"""

import contextlib
import dataclasses
import functools
import warnings

import torch
from torch._dynamo.backends.common import aot_autograd

from .. import _compiler
from ..decompositions import default_table, has_row
from ..importer import Unsupported
from .graph import compile_graph
from .partition import Partitioned, describe, unsupported_nodes


@dataclasses.dataclass(frozen=True)
class Options:
    """`torch.compile(..., options={...})`"""

    device: str = "local-task"  # or "local-sync": kernels run in the calling thread
    targets: tuple = ("host",)  # CPU levels to compile for
    freeze: bool = False  # parameters become part of the program (inference only)
    fallback: bool = True  # False: what cannot be compiled is an error
    dump: str | None = None  # stages to print to stderr, as turbine-opt names them


_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


def _options(mode, options):
    if mode not in (None, *_MODES):
        raise ValueError(f"turbine_cpu: unknown mode {mode!r}; there are {', '.join(_MODES)}")
    known = {f.name for f in dataclasses.fields(Options)}
    for name in options or {}:
        if name not in known:
            raise ValueError(
                f"turbine_cpu: unknown option {name!r}; there are {', '.join(sorted(known))}"
            )
    return Options(**(options or {}))


def turbine_cpu(gm, example_inputs, *, mode=None, options=None):
    """Compiles what TorchDynamo captured. Modes are accepted; there is nothing to choose."""
    options = _options(mode, options)
    training = torch.is_grad_enabled() and any(
        isinstance(x, torch.Tensor) and x.requires_grad for x in example_inputs
    )
    backend = aot_autograd(
        fw_compiler=functools.partial(_compile, options=options),
        inference_compiler=functools.partial(_compile_inference, options=options),
        decompositions=_table(),
        partition_fn=_partition,
    )
    with contextlib.nullcontext() if training else _whole_operators():
        return backend(gm, example_inputs)


def _partition(*args, **kwargs):
    from functorch.compile import min_cut_rematerialization_partition

    return min_cut_rematerialization_partition(*args, **kwargs)


@functools.cache
def _table():
    return default_table()


# ---- operators that AOTAutograd would take apart ----


@functools.cache
def _composites():
    """Composite operators that the compiler has a row for and that may be kept whole."""
    from torch._export.utils import _collect_all_valid_cia_ops, _special_op_to_preserve_cia

    return {
        op: _special_op_to_preserve_cia for op in _collect_all_valid_cia_ops() if has_row(op)
    }


def _whole_operators():
    """Keeps them whole: there is nothing to differentiate. As torch.export does it."""
    try:
        from torch.export.exported_program import _override_composite_implicit_decomp

        return _override_composite_implicit_decomp(_composites())
    except ImportError:
        return contextlib.nullcontext()


# ---- compiling ----


def _boxed(fn):
    """AOTAutograd's calling convention: one list, emptied as soon as it is taken."""

    def run(args):
        taken = tuple(args)
        args.clear()
        return fn(*taken)

    run._boxed_call = True
    return run


def _compile(gm, example_inputs, *, options):
    del example_inputs  # their types are in the graph
    return _boxed(_compile_or_fall_back(gm, options))


def _compile_inference(gm, example_inputs, *, options):
    static = _static_inputs() if options.freeze else ()
    if not static:
        return _compile(gm, example_inputs, options=options)
    return _boxed(Frozen(gm, static, options))


def _static_inputs():
    """Positions of parameters and buffers among the graph's inputs."""
    context = torch._guards.TracingContext.try_get()
    metadata = getattr(context, "fw_metadata", None)
    return tuple(getattr(metadata, "static_input_indices", None) or ())


def _compile_or_fall_back(gm, options, constants=None):
    lacking = unsupported_nodes(gm)
    if not lacking:
        return _compile_segment(gm, options, constants)
    if not options.fallback:
        name, where = describe(lacking[0])
        raise Unsupported(f"{name} is not supported ({where})")
    _warn_lacking(lacking)
    return Partitioned(gm, functools.partial(_compile_segment, options=options))


def _compile_segment(gm, options, constants=None):
    try:
        return compile_graph(gm, options, constants)
    except (NotImplementedError, ValueError, RuntimeError) as e:
        if not options.fallback:
            raise
        _warn_once(str(e).partition("\n")[0], "turbine_cpu: {}; this part runs in eager mode")
        return gm.forward


_warned = set()


def _warn_once(what, text):
    if what not in _warned:
        _warned.add(what)
        warnings.warn(text.format(what), stacklevel=3)


def _warn_lacking(nodes):
    names = {}
    for node in nodes:
        name, where = describe(node)
        names.setdefault(name, where)
    new = {n: w for n, w in names.items() if n not in _warned}
    if new:
        _warned.update(new)
        listed = ", ".join(f"{name} ({where})" for name, where in new.items())
        warnings.warn(f"turbine_cpu: not compiled, runs in eager mode: {listed}", stacklevel=3)


class Frozen:
    """A graph whose parameters are part of the program, as long as they stay the same.

    They are looked at before each call: another tensor or an in-place change of one makes
    a program that takes them as inputs again. (Writes through `.data` are not noticed.)
    """

    def __init__(self, gm, static, options):
        self.gm, self.static, self.options = gm, static, options
        self.frozen = None  # [(position, tensor, version)]
        self.run = None

    def __call__(self, *args):
        if self.run is None:
            self.frozen = [(i, args[i], args[i]._version) for i in self.static]
            constants = {i: tensor for i, tensor, _ in self.frozen}
            self.run = _compile_or_fall_back(self.gm, self.options, constants)
        elif self.frozen and any(
            args[i] is not t or t._version != version for i, t, version in self.frozen
        ):
            self.frozen = None
            self.run = _compile_or_fall_back(self.gm, self.options)
        return self.run(*args)


__all__ = ["Options", "turbine_cpu"]
