# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators against eager PyTorch, on PyTorch's own sample inputs (OpInfo).

Every OpInfo of `op_db` that names an operator with a row in src/op is run: captured with
make_fx (whole operators where all of them have rows, else PyTorch's decompositions), then
through the reference evaluator; the first sample of each dtype also through compiled code.
Quick: a few samples from the head of each list. Slow (`-m slow`): all samples, also of f16,
i32 and complex numbers.

EXCLUDED says what is left out and why; SKIPPED samples want what no program can have
(results whose type depends on data, sparse tensors).
"""

import gc
import itertools
import sys
import types
import unittest

import pytest

torch = pytest.importorskip("torch")

# torch's test helpers import it for a base class that is not used here.
if "expecttest" not in sys.modules:
    try:
        import expecttest  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in

from shark_turbine.decompositions import default_table, rows
from shark_turbine.dynamo.backend import Options
from shark_turbine.dynamo.graph import GraphImporter, compile_graph
from shark_turbine.dynamo.partition import unsupported_nodes
from shark_turbine.evaluate import evaluate
from shark_turbine.importer import Unsupported
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

QUICK = {
    torch.float32: 4,
    torch.int64: 1,
    torch.bool: 1,
    torch.float64: 1,
    torch.bfloat16: 1,
    torch.uint8: 1,
}
ALL = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
    torch.complex64,
)

_MEMORY = "gives memory as it was"
_RANDOM = "random numbers"
EXCLUDED = {
    "empty": _MEMORY,
    "empty_like": _MEMORY,
    "empty_permuted": _MEMORY,
    "empty_strided": _MEMORY,
    "new_empty": _MEMORY,
    "new_empty_strided": _MEMORY,
    "rand_like": _RANDOM,
    "randint": _RANDOM,
    "randint_like": _RANDOM,
    "randn": _RANDOM,
    "randn_like": _RANDOM,
    "bernoulli": _RANDOM,
    "multinomial": _RANDOM,
    "normal": _RANDOM,
    "uniform": _RANDOM,
    "nn.functional.dropout": _RANDOM,
    "nn.functional.alpha_dropout": _RANDOM,
    "nn.functional.dropout2d": _RANDOM,
    "nn.functional.dropout3d": _RANDOM,
    "nn.functional.feature_alpha_dropout": _RANDOM,
    "nn.functional.rrelu": _RANDOM,
    "native_dropout_backward": _RANDOM,
    "equal": "gives a Python bool",
    "item": "gives a Python number",
    "allclose": "gives a Python bool",
    "sparse.mm": "sparse tensors",
}
# What a row says it does not do: (operator, part of the message).
LIMITS = {
    ("_upsample_bilinear2d_aa", "interpolation between numbers of type ui8"),
}
# Of equal values any may be named: only the values are compared.
TIES = {"kthvalue", "topk", "sort", "mode", "median", "msort", "nanmedian", "argsort"}
# (relative, absolute) by operator and dtype, where eager mode itself is that far off.
TOLERANCE = {
    ("_upsample_bilinear2d_aa", torch.float64): (5e-5, 5e-6),  # weights in f32
    ("addbmm", torch.bfloat16): (3e-2, 0.5),  # rounds after each of the products
    ("grid_sampler_2d", torch.bfloat16): (3e-2, 0.3),  # rounds the coordinates
    ("nn.functional.grid_sample", torch.bfloat16): (3e-2, 0.3),
}
DEFAULT_TOLERANCE = {
    torch.float64: (1e-10, 1e-10),
    torch.float32: (2e-5, 2e-5),
    torch.complex64: (2e-5, 2e-5),
    torch.complex128: (1e-10, 1e-10),
    torch.float16: (4e-3, 4e-3),
    torch.bfloat16: (3e-2, 3e-2),
}

_BASES = {name.split(".")[0] for name in rows()}


def _has_row(op):
    names = (op.name.replace(".", "_"), op.name.split(".")[-1], op.aten_name)
    return any(n in _BASES for n in names)


def _id(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


OPS = [op for op in op_db if _has_row(op) and op.name not in EXCLUDED]


class Case:
    """One call of an operator, as a function of its tensors."""

    def __init__(self, op, sample):
        self.op = op
        self.process = sample.output_process_fn_grad
        self.flat, self.spec = pytree.tree_flatten(
            (sample.input, sample.args, sample.kwargs)
        )
        places = [i for i, x in enumerate(self.flat) if isinstance(x, torch.Tensor)]
        self.places = places
        self.tensors = [self.flat[i] for i in places]

    def __call__(self, *tensors):
        flat = list(self.flat)
        for i, t in zip(self.places, tensors, strict=True):
            flat[i] = t
        value, args, kwargs = pytree.tree_unflatten(flat, self.spec)
        return pytree.tree_leaves(self.op.op(value, *args, **kwargs))

    def copies(self):
        return [t.clone() for t in self.tensors]

    def eager(self):
        return self(*self.copies())

    def capture(self):
        """A functional graph of operators that have rows, or None."""
        gm = make_fx(self, pre_dispatch=True)(*self.copies())
        if _whole(gm):
            return gm
        functional = torch.func.functionalize(self, remove="mutations_and_views")
        gm = make_fx(functional, decomposition_table=default_table())(*self.copies())
        return gm if _whole(gm) else None

    def describe(self):
        def show(x):
            if isinstance(x, torch.Tensor):
                return f"{x.dtype}{list(x.shape)}".removeprefix("torch.")
            return repr(x)

        return ", ".join(show(x) for x in self.flat)


def _changes(node):
    schema = getattr(node.target, "_schema", None)
    name = getattr(schema, "name", "")
    lies = name in (
        "aten::batch_norm",
        "aten::native_batch_norm",
        "aten::instance_norm",
    )
    return schema is not None and (schema.is_mutable or lies)


def _whole(gm):
    return not unsupported_nodes(gm) and not any(map(_changes, gm.graph.nodes))


def cases(op, dtype, count=None):
    if dtype not in op.dtypes:
        return
    torch.manual_seed(0)
    # op.sample_inputs() would look through the call stack: half of the time of this file.
    generated = op.sample_inputs_func(op, "cpu", dtype, False)
    limit = None if count is None else 6 * count  # some lists have a thousand
    samples = [s for s in itertools.islice(generated, limit) if _possible(s)]
    if hasattr(generated, "close"):
        generated.close()
    step = 1 if count is None else max(1, -(-len(samples) // count))
    for sample in samples[::step]:
        yield Case(op, sample)


def _possible(sample):
    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return all(
        not isinstance(x, torch.Tensor)
        or (x.layout is torch.strided and not x.is_quantized)
        for x in leaves
    )


def determined(case, results):
    """What of the results has one value: of singular vectors, say, not the sign."""
    whole = results[0] if len(results) == 1 else tuple(results)
    return pytree.tree_leaves(case.process(whole))


def compare(case, got, want, dtype):
    assert len(got) == len(want)
    got, want = determined(case, got), determined(case, want)
    for i, (g, w) in enumerate(zip(got, want)):
        if not isinstance(w, torch.Tensor):
            assert g == w
            continue
        if i == 1 and case.op.name in TIES or case.op.name == "argsort":
            assert g.shape == w.shape and g.dtype == w.dtype
            continue
        rtol, atol = DEFAULT_TOLERANCE.get(w.dtype, (0, 0))
        rtol, atol = TOLERANCE.get((case.op.name, w.dtype), (rtol, atol))
        if w.dtype.is_floating_point and dtype in (torch.float16, torch.bfloat16):
            low = DEFAULT_TOLERANCE[dtype]
            rtol, atol = max(rtol, low[0]), max(atol, low[1])
        torch.testing.assert_close(
            g, w, rtol=rtol, atol=atol, equal_nan=True, check_stride=False
        )


def run_evaluated(gm, tensors):
    g = GraphImporter(gm).run()
    results = evaluate(g.unit, [tensors[i] for i in g.inputs])
    return [
        tensors[what]
        if kind == "input"
        else results[what]
        if kind == "result"
        else what
        for kind, what in g.outputs
    ]


def run_compiled(gm, tensors):
    options = Options(device="local-sync")
    return list(compile_graph(gm, options)(*tensors))


_DATA_DEPENDENT = (
    "data-dependent",
    "tracing tensor",
    "not allocated yet",
    "values of the tensor",
)


def graph_of(case):
    """The captured graph; None if types of results depend on values, or a row is missing."""
    gc.disable()  # what it closes (sample generators, with a grad mode) would be captured
    try:
        return case.capture()
    except RuntimeError as e:
        if any(text in str(e) for text in _DATA_DEPENDENT):
            return None
        raise
    finally:
        gc.enable()


def failure(case, gm, want, dtype, run):
    """What is wrong, as text, or None."""
    try:
        compare(case, run(gm, case.copies()), want, dtype)
    except (
        AssertionError,
        IndexError,
        NotImplementedError,
        RuntimeError,
        Unsupported,
        ValueError,
    ) as e:
        limits = [text for name, text in LIMITS if name == case.op.name]
        if any(text in str(e) for text in (*_DATA_DEPENDENT, *limits)):
            return None
        text = " ".join(str(e).split())[:300]
        return f"{run.__name__}({case.describe()}): {type(e).__name__}: {text}"
    return None


def check(op, dtypes):
    """All cases; every failure is told."""
    done, failures = 0, []
    for dtype, count in dtypes.items():
        for i, case in enumerate(cases(op, dtype, count)):
            try:
                want = case.eager()
            except (RuntimeError, ValueError, IndexError, NotImplementedError):
                continue  # not for this dtype in eager mode either
            gm = graph_of(case)
            if gm is None:
                continue
            runs = [run_evaluated, run_compiled] if i == 0 else [run_evaluated]
            failures += [failure(case, gm, want, dtype, run) for run in runs]
            done += len(runs)
    failures = [f for f in failures if f]
    if failures:
        text = "\n".join(failures)
        pytest.fail(f"{len(failures)} of {done}\n{text}", pytrace=False)
    if not done:
        pytest.skip("no sample that can be captured with the operators there are")


@pytest.mark.parametrize("op", OPS, ids=_id)
def test_operator(op):
    check(op, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS, ids=_id)
def test_operator_in_full(op):
    check(op, dict.fromkeys(ALL))


def test_enough_is_covered():
    """A row that is not reached by any OpInfo needs a test of its own somewhere."""
    assert len(OPS) > 350
