# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Everything we use of torch that is not public; nothing else imports such a module.

Each function says what happens where a version of torch has no such thing: less is kept
whole, less is cached, but programs stay right.
"""

import contextlib
import functools
import threading

import torch


def aot_autograd(**kwargs):
    """The public face of AOTAutograd; in a private module, and as old as torch.compile."""
    from torch._dynamo.backends.common import aot_autograd as make

    return make(**kwargs)


def min_cut(*args, **kwargs):
    from functorch.compile import min_cut_rematerialization_partition

    return min_cut_rematerialization_partition(*args, **kwargs)


# ---- what is being compiled ----


def _tracing_metadata():
    context = torch._guards.TracingContext.try_get()
    return getattr(context, "fw_metadata", None)


def static_inputs():
    """Positions of parameters and buffers among a graph's inputs; () if not known."""
    return tuple(getattr(_tracing_metadata(), "static_input_indices", None) or ())


def keep_saved_values():
    """Says of the forward graph being compiled that its backward graph frees nothing that
    was saved: so the graph may be retained, which torch refuses otherwise."""
    metadata = _tracing_metadata()
    if hasattr(metadata, "bw_donated_idxs"):
        metadata.bw_donated_idxs = []


def real_tensors():
    """A context in which tensors are made as usual: compilers run in one of fake ones."""
    try:
        from torch.utils._python_dispatch import _disable_current_modes
    except ImportError:
        return contextlib.nullcontext()
    return _disable_current_modes()


def is_signal(error):
    """Whether an exception tells TorchDynamo to do something, rather than of a failure."""
    try:
        from torch._dynamo.exc import TorchDynamoException
    except ImportError:
        return False
    return isinstance(error, TorchDynamoException)


def is_debugging():
    """Whether TORCHDYNAMO_REPRO_AFTER is set: it looks into what the backend returns."""
    return getattr(torch._dynamo.config, "repro_after", None) is not None


def inspectable(fn, gm):
    """The function as torch's minifier calls it: with arguments, and with the module's
    parameters to look at."""

    def run(*args):
        return fn(*args)

    for name in ("zero_grad", "named_parameters", "named_buffers"):
        setattr(run, name, getattr(gm, name))
    return run


# ---- operators that AOTAutograd would take apart ----


@functools.cache
def composite(names):
    """Those of `names` of ATen operators ('softmax.int') that are functional and composite,
    as operators. Only what is composite is looked up: that takes ten times as long."""
    try:
        from torch._export.utils import _is_preservable_cia_op

        key = torch._C.DispatchKey.CompositeImplicitAutograd
        in_cpp = set(torch._C._dispatch_get_registrations_for_dispatch_key(key.name))
    except (ImportError, AttributeError):
        return ()
    found = []
    for name in sorted(names):
        base, _, overload = name.partition(".")
        overload = overload or "default"
        known = getattr(vars(torch.ops.aten).get(base), "__dict__", {}).get(overload)
        in_python = known is not None and key in known.py_kernels
        if in_python or f"aten::{name}" in in_cpp:
            op = getattr(getattr(torch.ops.aten, base, None), overload, None)
            if op is not None and _is_preservable_cia_op(op):
                found.append(op)
    return tuple(found)


def _kernels_of_whole(op):
    """({dispatch key: kernel}, rule for fake tensors) under which an operator stays whole
    where graphs are traced, and is what it was elsewhere: what torch.export does, whose own
    context takes a tenth of a second for all of ours.

    https://github.com/pytorch/pytorch/blob/v2.13.0/torch/export/exported_program.py
    """
    from torch._export.utils import _get_decomp_for_cia, _special_op_to_preserve_cia
    from torch._higher_order_ops.utils import autograd_not_implemented
    from torch.export import exported_program as keys

    spelled = _get_decomp_for_cia(op)
    refuses = autograd_not_implemented(op, deferred_error=True)
    kernels = dict.fromkeys(keys._BACKEND_KEYS_TO_OVERRIDE, spelled)
    kernels.update(
        dict.fromkeys(keys._AUTOGRAD_ALIAS_BACKEND_KEYS_TO_OVERRIDE, refuses)
    )
    kernels.update(op.py_kernels)
    kernels[torch._C.DispatchKey.CompositeImplicitAutograd] = (
        _special_op_to_preserve_cia
    )

    def fake(mode, op, *args, **kwargs):
        with mode:
            return spelled(*args, **kwargs)

    return kernels, fake


@contextlib.contextmanager
def preserved(operators):
    """A context in which composite operators stay whole; if torch cannot do that, they are
    spelled out."""
    try:
        from torch._subclasses.fake_impls import op_implementations_dict as fakes

        made = {op: _kernels_of_whole(op) for op in operators}
    except (ImportError, AttributeError):
        fakes, made = {}, {}
    before = {op: dict(op.py_kernels) for op in made}
    added = [op for op in made if op not in fakes]
    try:
        for op, (kernels, fake) in made.items():
            op.py_kernels.update(kernels)
            op._dispatch_cache.clear()
            fakes.setdefault(op, fake)
        yield
    finally:
        for op, kernels in before.items():
            op.py_kernels.clear()
            op.py_kernels.update(kernels)
            op._dispatch_cache.clear()
        for op in added:
            fakes.pop(op, None)


# ---- the partitioner ----


def give_lines_to_backward(joint):
    """Nodes of the backward pass get the Python line of the forward node they are of.

    AOTAutograd numbers both alike; without the numbers the line stays unknown.
    """
    lines = {}
    for node in joint.graph.nodes:
        number, line = node.meta.get("seq_nr"), node.meta.get("stack_trace")
        if number is not None and line:
            lines.setdefault(number, line)
    for node in joint.graph.nodes:
        if not node.meta.get("stack_trace") and node.meta.get("seq_nr") in lines:
            node.meta["stack_trace"] = lines[node.meta["seq_nr"]]


def keep_for_backward(node, like, value):
    """Marks a new node of a joint graph as one of the forward pass that is not recomputed.

    Without these marks the partitioner would decide, as it may: the operator is not on
    its list of those that may be computed again.
    """
    node.meta["val"] = value
    for key in ("stack_trace", "nn_module_stack"):
        if key in like.meta:
            node.meta[key] = like.meta[key]
    node.meta["partitioner_tag"] = "is_forward"
    try:
        from torch.utils.checkpoint import CheckpointPolicy

        node.meta["recompute"] = CheckpointPolicy.MUST_SAVE
    except ImportError:
        pass


# ---- what AOTAutograd makes of compiled graphs ----


class Wrapped:
    """One call of AOTAutograd's RuntimeWrapper: what it wraps, and what it knows."""

    def __init__(self, wrapper, inner, metadata):
        self.inner = getattr(
            inner, "compiled_fn", inner
        )  # of a SerializableCompiledFunction
        self.metadata = metadata
        self.joint = wrapper.trace_joint
        self.detached = list(wrapper.indices_of_inps_to_detach)

    @property
    def function(self):
        """The torch.autograd.Function of a graph with a backward pass."""
        return getattr(self.inner, "__self__", None)

    def is_plain(self, marks):
        """Whether nothing is left to do before and after: no argument is changed, no
        result is another tensor's view, all tensors are plain ones. With `marks` results
        of open sizes are to be marked as such, for graphs that come after."""
        m = self.metadata
        try:
            from torch._functorch._aot_autograd.schemas import PlainTensorMeta

            kinds = [*m.subclass_inp_meta, *m.subclass_fw_graph_out_meta]
            return not (
                m.num_mutated_inp_runtime_indices
                or m.num_outputs_aliased
                or m.num_intermediate_bases
                or (marks and m.dynamic_outputs)
                or m.grad_enabled_mutation is not None
                or m.tokens
                or m.is_rng_op_functionalized
                or m.num_graphsafe_rng_states
                or self.detached
                or not all(isinstance(k, PlainTensorMeta) for k in kinds)
            )
        except (ImportError, AttributeError):
            return False

    def returns(self):
        """(outputs that the user gets, numbers saved behind the tensors, which of the
        outputs have no gradient, which have one that the backward graph takes); None if
        something else is saved or torch does not say."""
        m = self.metadata
        try:
            if (
                m.num_tensors_saved_with_no_vc_check
                or m.num_opaque_objects_saved_for_bw
            ):
                return None
            others = [i for i, o in enumerate(m.output_info) if not o.requires_grad]
            wanted = [
                i
                for i, o in enumerate(m.output_info)
                if issubclass(o.raw_type, torch.Tensor) and o.requires_grad_for_backward
            ]
            return m.num_forward_returns, m.num_symints_saved_for_bw, others, wanted
        except AttributeError:
            return None


_observed = threading.local()


@functools.cache
def _install_observer():
    try:
        from torch._functorch._aot_autograd.runtime_wrappers import RuntimeWrapper

        original = RuntimeWrapper.post_compile
    except (ImportError, AttributeError):
        return

    @functools.wraps(original)
    def post_compile(self, compiled_fn, *args, **kwargs):
        wrapped = original(self, compiled_fn, *args, **kwargs)
        found = getattr(_observed, "found", None)
        if found is not None and "runtime_metadata" in kwargs:
            found.append(Wrapped(self, compiled_fn, kwargs["runtime_metadata"]))
        return wrapped

    RuntimeWrapper.post_compile = post_compile


@contextlib.contextmanager
def observed():
    """A list that gets a Wrapped for every graph that AOTAutograd wraps in this thread
    meanwhile; stays empty if this version of torch works in another way."""
    _install_observer()
    before, _observed.found = getattr(_observed, "found", None), []
    try:
        yield _observed.found
    finally:
        _observed.found = before


# ---- AOTAutograd's cache ----


def output_code():
    """The class of what may be kept; without it nothing is."""
    try:
        from torch._inductor.output_code import OutputCode
    except ImportError:
        return object
    return OutputCode


def kept(compiler):
    """A compiler whose results AOTAutograd may keep."""
    try:
        from torch._functorch._aot_autograd.schemas import (
            SerializableAOTDispatchCompiler,
        )
    except ImportError:
        return compiler
    return SerializableAOTDispatchCompiler(output_code(), compiler)


def is_bundling():
    """Whether the caller wants to pickle what is compiled (aot_compile)."""
    return getattr(torch._functorch.config, "bundled_autograd_cache", False)


@contextlib.contextmanager
def keeping(gm, salt):
    """Looks graphs up with their programs (not in Inductor's cache of programs), under a
    name that `salt` is part of: the attributes of a graph's module are."""
    try:
        bundled = torch._functorch.config.patch(bundled_autograd_cache=True)
    except (ImportError, AttributeError):
        bundled = contextlib.nullcontext()
    gm._turbine = salt
    try:
        with bundled:
            yield
    finally:
        del gm._turbine


# ---- what TorchDynamo has compiled ----


def entries_of(code):
    """[(guards, code that TorchDynamo wrote)] for a code object; [] if torch does not say."""
    try:
        from torch._C._dynamo.eval_frame import _debug_get_cache_entry_list

        found = [(e.guard_manager, e.code) for e in _debug_get_cache_entry_list(code)]
        return [(g, c) for g, c in found if hasattr(g, "root") and c is not None]
    except (ImportError, AttributeError):
        return []


def sources_of(gm):
    """For each input of a graph where it comes from: a Source or None."""
    places = [n for n in gm.graph.nodes if n.op == "placeholder"]
    return [getattr(n.meta.get("grapharg"), "source", None) for n in places]


def guarded(entry):
    """(Source, kind) of what a `guard_filter_fn` is shown."""
    return entry.orig_guard.originating_source, entry.guard_type


def tensor_guards(tensors):
    """A callable over as many tensors: whether they are of the same type, sizes, strides,
    requires_grad and dispatch keys, what modes and transforms add to those included."""
    from torch._C._dynamo.guards import TensorGuards

    return TensorGuards(
        *tensors, dynamic_dims_sizes=None, dynamic_dims_strides=None
    ).check


def global_state_guard(guards):
    """Whether grad mode, autocast and the like are as they were; None if not known."""
    return getattr(guards, "closure_vars", {}).get("___check_global_state")


def count_function_modes():
    return torch._C._len_torch_function_stack


@functools.cache
def unrecorded_utils():
    """torch._dynamo.utils as the code of TorchDynamo uses it, but for the profiler's record
    of each call; (its name there, module)."""
    import types

    from torch._dynamo import utils

    module = types.ModuleType(utils.__name__)
    module.__dict__.update(vars(utils))
    module.record_pregraph_bytecode_enter = tuple  # built-in functions: nothing is run
    module.record_pregraph_bytecode_exit = bool
    return "__import_" + utils.__name__.replace(".", "_dot_"), module


def leave_alone(code):
    """TorchDynamo shall not look at a code object."""
    from torch._dynamo.eval_frame import skip_code

    skip_code(code)


def is_traced(args):
    """Whether a call only looks at types: there are no numbers to compute with."""
    try:
        from torch._C import _get_dispatch_mode, _TorchDispatchModeKey
        from torch._subclasses.fake_tensor import FakeTensor
    except ImportError:
        return False
    kinds = (_TorchDispatchModeKey.FAKE, _TorchDispatchModeKey.PROXY)
    return any(_get_dispatch_mode(k) is not None for k in kinds) or any(
        isinstance(a, FakeTensor) for a in args
    )


def innermost(fn):
    """What TorchDynamo's wrappers are around."""
    while hasattr(fn, "_torchdynamo_orig_callable"):
        fn = fn._torchdynamo_orig_callable
    return fn


def function_behind(compiled):
    """The function or method whose frame TorchDynamo compiles."""
    if isinstance(compiled, torch.nn.Module):
        compiled = compiled.forward
    return getattr(compiled, "_torchdynamo_orig_callable", None)


# ---- torch.compiler.save_cache_artifacts ----


@functools.cache
def carry_artifacts(add):
    """`torch.compiler.load_cache_artifacts` will call `add(key, bytes)` for each of ours."""
    try:
        from torch.compiler._cache import CacheArtifact, CacheArtifactFactory
    except ImportError:
        return

    class TurbineCacheArtifact(CacheArtifact):
        def populate_cache(self):
            add(self.key, self.content)

        @staticmethod
        def type():
            return _ARTIFACTS

    if _ARTIFACTS not in getattr(CacheArtifactFactory, "_artifact_types", ()):
        CacheArtifactFactory.register(TurbineCacheArtifact)


_ARTIFACTS = "turbine"


def record_artifact(key, body):
    """`torch.compiler.save_cache_artifacts` will take it along."""
    try:
        from torch.compiler._cache import CacheArtifactManager
    except ImportError:
        return
    CacheArtifactManager.record_artifact(_ARTIFACTS, key, bytes(body))


# ---- logs ----


def timed(name):
    """A context whose time `torch._dynamo.utils.compile_times()` tells."""
    try:
        from torch._dynamo.utils import dynamo_timed
    except ImportError:
        return contextlib.nullcontext()
    return dynamo_timed(name)


def trace(name, text):
    """An artifact in the folder TORCH_TRACE, which tlparse shows; `text()` gives it."""
    try:
        from torch._logging import trace_structured
    except ImportError:
        return
    trace_structured(
        "artifact",
        metadata_fn=lambda: {"name": name, "encoding": "string"},
        payload_fn=text,
    )
