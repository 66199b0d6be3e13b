# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One operator of PyTorch's op_db through torch.compile(backend="turbine_cpu"), in strict
mode, against eager mode. Used by coverage.py; nothing here starts processes."""

import contextlib
import dataclasses
import itertools
import logging
import re
import sys
import warnings
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "ops"))

import opinfo
from shark_turbine.dynamo import fallback as compiling
from shark_turbine.importer import op_name

# From good to bad. An operator is as good as its worst check.
PASSED, UNCAPTURED, FALLBACK, ERROR, WRONG, TIMEOUT, CRASH = (
    "passed",  # compiled as a whole, right
    "not captured",  # Dynamo or AOTAutograd cannot make a graph of it
    "falls back",  # not compiled as a whole; right with fallback
    "error",  # raises where eager mode does not, also with fallback allowed
    "wrong",
    "timeout",
    "crash",
)
STATUSES = (PASSED, UNCAPTURED, FALLBACK, ERROR, WRONG, TIMEOUT, CRASH)
DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int64": torch.int64,
    "bool": torch.bool,
    "complex64": torch.complex64,
}


@dataclasses.dataclass(frozen=True)
class Check:
    """A kind of check of one operator: which samples, and how they are run."""

    dtype: str
    mode: str  # forward, backward, scattered (not contiguous), dynamic (open sizes)
    count: int | None  # samples; None: all


def plan(samples):
    """The checks of an operator, with that many samples in float32; None: all samples."""
    few = None if samples is None else max(1, samples // 3)
    checks = [
        Check("float32", "forward", samples),
        Check("float32", "backward", samples),
        Check("float32", "scattered", few),
        Check("float32", "dynamic", few),
    ]
    for dtype in DTYPES:
        if dtype != "float32":
            checks.append(Check(dtype, "forward", few))
            checks.append(Check(dtype, "backward", few))
    return checks


def first_check(op, checks):
    """Operators that do not take float32 get their samples in another dtype."""
    if torch.float32 in op.dtypes:
        return checks
    for name in ("int64", "bool", "complex64"):
        if DTYPES[name] in op.dtypes:
            kept = [c for c in checks if c.dtype not in ("float32", name)]
            moved = [
                dataclasses.replace(c, dtype=name)
                for c in checks
                if c.dtype == "float32"
            ]
            return moved + kept
    return checks


def wanted(op, check):
    dtype = DTYPES[check.dtype]
    if check.mode == "backward":
        return op.supports_autograd and dtype in op.backward_dtypes
    return dtype in op.dtypes


# ---- one case ----


class _Seen:
    """Operators in the graphs that were compiled as a whole."""

    def __init__(self):
        self.names = set()
        self._compile = compiling.compile_program

    def __call__(self, module, *args, **kwargs):
        result = self._compile(module, *args, **kwargs)
        for node in module.graph.nodes:
            if isinstance(node.target, torch._ops.OpOverload):
                self.names.add(op_name(node.target))
        return result


@contextlib.contextmanager
def watch():
    seen = _Seen()
    compiling.compile_program = seen
    try:
        yield seen.names
    finally:
        compiling.compile_program = seen._compile


def compiled(case, check, backend="turbine_cpu", strict=True):
    torch._dynamo.reset()
    options = {"fullgraph": strict} if backend == "turbine_cpu" else None

    def fn(*tensors):
        return case(*tensors)

    dynamic = check.mode == "dynamic"
    # the sizes of tensors are open, not strides of convolutions and the like
    torch._dynamo.config.specialize_int = dynamic
    return torch.compile(
        fn, backend=backend, fullgraph=True, dynamic=dynamic, options=options
    )


def reason_of(e):
    """An error in one line without what differs between samples: places, names of values."""
    inner = getattr(e, "inner_exception", None) or e
    text = str(inner).strip() or type(inner).__name__
    first, *rest = text.split("\n")
    if "cannot be compiled:" in first:  # a line for each operator
        rows = (re.sub(r"^\s*(\S+:\d+|line unknown): ", "", r) for r in rows_of(rest))
        return "; ".join(sorted({re.sub(r" \(\d+ uses\)", "", r) for r in rows}))[:300]
    first = re.sub(r"^\S*\.py:\d+(:\d+)?: ", "", first)
    first = re.sub(r" ?\((?:in module )?[^()]*(?:\.py:\d+|<[^()]*)\)", "", first)
    first = re.sub(r"%\d+", "%N", re.sub(r"^aten\.", "", first))
    return f"{type(inner).__name__}: {first}"[:200]


def rows_of(lines):
    """The indented lines that follow the head of an error."""
    return itertools.takewhile(lambda line: line.startswith("  "), lines)


def is_random(case, want, grad):
    """Whether results differ by the seed. A few draws may be equal by chance: several seeds
    are tried."""
    opinfo.call(case, seed=1)
    after = torch.get_rng_state()
    torch.manual_seed(1)
    if torch.equal(after, torch.get_rng_state()):
        return False  # it draws no random numbers
    for seed in range(1, 9):
        other = opinfo.call(case, grad=grad, seed=seed)
        for a, b in zip(want.outputs, other.outputs):
            if isinstance(a, torch.Tensor) and not opinfo.equal(a, b):
                return True
    return False


def judge(case, got, want, types_only, grad):
    """What is wrong, or None."""

    def wide():
        wider = case.widened()
        if wider is None:
            return None
        try:
            return opinfo.call(wider, grad=grad)
        except Exception:  # there is no exact result then
            return None

    def outputs():
        w = wide()
        return opinfo.compared(case, w.outputs) if w else None

    def gradients():
        w = wide()
        return opinfo.settled(case, w.gradients) if w else None

    text = opinfo.difference(
        case,
        opinfo.compared(case, got.outputs),
        opinfo.compared(case, want.outputs),
        outputs,
        types_only,
    )
    if text:
        return text
    text = opinfo.difference(
        case,
        opinfo.settled(case, got.gradients),
        opinfo.settled(case, want.gradients),
        gradients,
        types_only,
    )
    if text:
        return f"gradient {text}"
    if not types_only:
        text = opinfo.difference(case, got.changed, want.changed)
    return f"changed input {text}" if text else None


def run_case(case, check):
    """(status, reason)"""
    grad = check.mode == "backward"
    if check.mode == "scattered":
        case = case.scattered()
    try:
        want = opinfo.call(case, grad=grad)
    except Exception:  # whatever eager mode refuses is no case
        return None, ""
    if grad and not any(g is not None for g in want.gradients):
        return None, ""
    undefined = case.op.name in opinfo.UNDEFINED
    types_only = undefined or is_random(case, want, grad)
    try:
        got = opinfo.call(case, compiled(case, check), grad=grad)
    except Exception as e:  # any error is a result
        return fallback(case, check, want, types_only, e)
    text = judge(case, got, want, types_only, grad)
    return (WRONG, text) if text else (PASSED, "")


def fallback(case, check, want, types_only, error):
    """Strict mode has failed: can it be captured, and is it right with fallback? Where
    PyTorch's own `aot_eager` differs from eager mode, that is what fallback gives."""
    grad = check.mode == "backward"
    try:
        captured = opinfo.call(case, compiled(case, check, "aot_eager"), grad=grad)
    except Exception as e:
        return UNCAPTURED, reason_of(e)
    try:
        got = opinfo.call(case, compiled(case, check, strict=False), grad=grad)
    except Exception as e:
        return ERROR, reason_of(e)
    text = judge(case, got, want, types_only, grad)
    text = text and judge(case, got, captured, types_only, grad)
    return (WRONG, f"with fallback: {text}") if text else (FALLBACK, reason_of(error))


def run_check(op, check, only=None, tell=None):
    """Yields (sample number, status, reason, description). `tell(number)` hears of each
    sample before it runs."""
    dtype = DTYPES[check.dtype]
    try:
        samples = opinfo.cases(op, dtype, check.count, grad=check.mode == "backward")
    except Exception as e:  # samples that need what is not there (CUDA)
        yield -1, None, f"no samples: {type(e).__name__}: {e}", ""
        return
    for case in samples:
        if only is not None and case.number != only:
            continue
        if tell:
            tell(case.number)
        try:
            status, reason = run_case(case, check)
        except Exception as e:  # a fault of this script is not one of an operator
            status, reason = None, f"cannot be checked: {type(e).__name__}: {e}"
        yield case.number, status, reason, case.describe()


def quiet():
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch._dynamo.config.recompile_limit = 10000
    torch._dynamo.config.capture_scalar_outputs = True
    torch._dynamo.config.capture_dynamic_output_shape_ops = True
