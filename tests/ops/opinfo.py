# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's own samples of its operators (OpInfo), and when two results are the same.

A `Case` is one call of an operator on given tensors. Right is what eager mode gives,
within the tolerance of the OpInfo (`toleranceOverride`) or torch.testing's own; where that
is missed, what is as close to the same call in twice the precision as eager mode is.
"""

import itertools
import sys
import types
import unittest
import warnings

import numpy as np
import torch

# torch's test helpers import it for a base class that is not used here.
if "expecttest" not in sys.modules:
    try:
        import expecttest  # noqa: F401
    except ImportError:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in

from torch.testing._internal import common_methods_invocations as samples_of
from torch.testing._internal.common_device_type import toleranceOverride
from torch.testing._internal.opinfo.core import DecorateInfo
from torch.utils import _pytree as pytree

op_db = samples_of.op_db
# Random operators are wrapped to set a seed, which Dynamo cannot follow; `call` sets it.
samples_of.wrapper_set_seed = lambda op, *args, **kwargs: op(*args, **kwargs)

# Memory as it was: only types can be compared.
UNDEFINED = {
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "resize_",
    "resize_as_",
}
# Of equal values any may be named: only the first result (the values) is compared.
TIES = {"kthvalue", "topk", "sort", "mode", "median", "nanmedian", "masked.median"}
NAMES_ONLY = {"argsort"}
# torch.testing's own tolerances: (relative, absolute).
DEFAULT = {
    torch.float64: (1e-7, 1e-7),
    torch.complex128: (1e-7, 1e-7),
    torch.float32: (1.3e-6, 1e-5),
    torch.complex64: (1.3e-6, 1e-5),
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.complex32: (1e-3, 1e-5),
}
# Where eager mode computes in less than the dtype: (relative, absolute).
INEXACT = {
    ("_upsample_bilinear2d_aa", torch.float64): (5e-5, 5e-6),  # weights in f32
}
_WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}


def op_id(op):
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def tolerance(op, dtype):
    rtol, atol = INEXACT.get((op.name, dtype)) or DEFAULT.get(dtype, (0.0, 0.0))
    for info in op.decorators:
        for d in (
            getattr(info, "decorators", ()) if isinstance(info, DecorateInfo) else ()
        ):
            if isinstance(d, toleranceOverride) and dtype in d.d:
                rtol, atol = max(rtol, d.d[dtype].rtol), max(atol, d.d[dtype].atol)
    return rtol, atol


def _usable(sample):
    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    return all(
        not isinstance(x, torch.Tensor)
        or (x.layout is torch.strided and not x.is_quantized)
        for x in leaves
    )


def cases(op, dtype, count=None, grad=False):
    """Up to `count` samples, spread over the head of the list, the same in every run."""
    torch.manual_seed(0)
    # op.sample_inputs() would look through the call stack for each.
    generated = op.sample_inputs_func(op, "cpu", dtype, grad)
    limit = None if count is None else 6 * count  # some lists have a thousand
    samples = [s for s in itertools.islice(generated, limit) if _usable(s)]
    if hasattr(generated, "close"):
        generated.close()
    step = 1 if count is None else max(1, -(-len(samples) // count))
    return [Case(op, s, dtype, i * step) for i, s in enumerate(samples[::step])]


def copy_of(t):
    """The same values in the same memory layout, apart from autograd's history."""
    if not isinstance(t, torch.Tensor):
        return t
    strided = t.detach()
    size = 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride())) if t.numel() else 0
    flat = strided.as_strided((size,), (1,)).clone()
    new = flat.as_strided(t.shape, t.stride())
    if t.is_conj():
        new = new.conj()
    if t.is_neg():
        new = torch._neg_view(new)
    return new.requires_grad_(t.requires_grad)


class Case:
    """One call of an operator, as a function of its tensors."""

    def __init__(self, op, sample, dtype, number):
        self.op, self.dtype, self.number = op, dtype, number
        self.process = sample.output_process_fn_grad
        self.flat, self.spec = pytree.tree_flatten(
            (sample.input, sample.args, sample.kwargs)
        )
        self.places = [
            i for i, x in enumerate(self.flat) if isinstance(x, torch.Tensor)
        ]
        self.tensors = [self.flat[i] for i in self.places]

    def arguments(self, tensors):
        flat = list(self.flat)
        for i, t in zip(self.places, tensors, strict=True):
            flat[i] = t
        value, args, kwargs = pytree.tree_unflatten(flat, self.spec)
        return (value, *args), kwargs

    def __call__(self, *tensors):
        args, kwargs = self.arguments(tensors)
        return pytree.tree_leaves(self.op.op(*args, **kwargs))

    def copies(self):
        return [copy_of(t) for t in self.tensors]

    def scattered(self):
        """Itself on tensors that are not contiguous."""
        from torch.testing._internal.common_utils import noncontiguous_like

        new = object.__new__(Case)
        new.__dict__.update(self.__dict__)
        new.tensors = [
            noncontiguous_like(t) if t.layout is torch.strided else t
            for t in self.tensors
        ]
        return new

    def widened(self):
        """Itself in twice the precision, or None."""
        if not any(t.dtype in _WIDER for t in self.tensors):
            return None
        new = object.__new__(Case)
        new.__dict__.update(self.__dict__)
        new.tensors = [
            t.detach().to(_WIDER.get(t.dtype, t.dtype)).requires_grad_(t.requires_grad)
            for t in self.tensors
        ]
        new.flat = [
            _WIDER.get(x, x) if isinstance(x, torch.dtype) else x for x in self.flat
        ]
        return new

    def describe(self):
        def show(x):
            if not isinstance(x, torch.Tensor):
                return repr(x)
            strides = "" if x.is_contiguous() else f" strides {list(x.stride())}"
            return f"{x.dtype}{list(x.shape)}{strides}".removeprefix("torch.")

        return ", ".join(show(x) for x in self.flat)


class Results:
    """What a call gave: its outputs, the gradients of its inputs if it has any, and its
    arguments afterwards."""

    def __init__(self, outputs, gradients=(), changed=()):
        self.outputs, self.gradients, self.changed = outputs, gradients, changed


def _seeds(outputs):
    g = torch.Generator().manual_seed(1)
    seeds = []
    for o in outputs:
        wide = torch.complex128 if o.dtype.is_complex else torch.float64
        seeds.append(torch.randn(o.shape, generator=g, dtype=wide).to(o.dtype))
    return seeds


def _differentiable(outputs):
    return [
        o
        for o in outputs
        if isinstance(o, torch.Tensor)
        and o.requires_grad
        and (o.dtype.is_floating_point or o.dtype.is_complex)
    ]


def call(case, fn=None, grad=False, seed=0):
    """Runs `fn` (the case itself: eager mode) as a function of the case's tensors."""
    tensors = case.copies()
    torch.manual_seed(seed)
    with warnings.catch_warnings(), torch.set_grad_enabled(grad):
        warnings.simplefilter("ignore")
        if not grad:
            tensors = [t.detach() for t in tensors]
        inputs = [t for t in tensors if t.requires_grad]
        used = [
            t.clone() if t.requires_grad else t for t in tensors
        ]  # may be changed in place
        result = (fn or case)(*(used if grad else tensors))
        result = case.process(_rebuilt(result))
        outputs = pytree.tree_leaves(result)
        # every argument: eager batch_norm changes its statistics without a new version
        changed = [] if grad else [u.detach() for u in used]
        gradients = ()
        if grad:
            with_grad = _differentiable(outputs)
            if with_grad and inputs:
                gradients = torch.autograd.grad(
                    with_grad, inputs, _seeds(with_grad), allow_unused=True
                )
    outputs = [o.detach() if isinstance(o, torch.Tensor) else o for o in outputs]
    return Results(outputs, list(gradients), changed)


def _rebuilt(leaves):
    """As the operator gives it: processing functions expect one tensor, or a tuple."""
    return leaves[0] if len(leaves) == 1 else tuple(leaves)


# ---- comparison ----


def _plain(t):
    return t.resolve_conj().resolve_neg()


def _distance(a, b):
    wide = torch.complex128 if b.dtype.is_complex else torch.float64
    a, b = a.to(wide), b.to(wide)
    same = (a == b) | (torch.isnan(a) & torch.isnan(b))
    return torch.where(same, 0.0, (a - b).abs()).nan_to_num(float("inf"), float("inf"))


def equal(a, b):
    """The same bits but for NaNs and zeros, in the same type."""
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and not bool(_distance(_plain(a), _plain(b)).any())
    )


def _as_close(got, want, wide, rtol, atol):
    """Is `got` about as near to the exact values as eager mode's `want` is?"""
    ours, theirs = _distance(got, wide), _distance(want, wide)
    finite = torch.isfinite(theirs)
    if not bool((ours[finite] < float("inf")).all()):
        return False
    # where eager mode overflows we may too
    allowed = 3 * theirs + atol + rtol * wide.abs().to(torch.float64).nan_to_num(0)
    worst = 3 * theirs[finite].max() if finite.any() else 0
    return bool(((ours <= allowed) | (ours <= worst) | ~finite).all())


def difference(case, got, want, wide=None, types_only=False):
    """Text that says how two lists of results differ, or None. `wide` gives the exact
    values (a list, or None) when they are needed."""
    if len(got) != len(want):
        return f"{len(got)} results, expected {len(want)}"
    exact = None
    for i, (g, w) in enumerate(zip(got, want)):
        if not isinstance(w, torch.Tensor):
            if g is not w and g != w and not (g != g and w != w) and not types_only:
                return f"result {i} is {g!r}, expected {w!r}"
            continue
        if not isinstance(g, torch.Tensor):
            return f"result {i} is {g!r}, expected a tensor"
        if g.dtype != w.dtype or g.shape != w.shape:
            return f"result {i} is {g.dtype}{list(g.shape)}, expected {w.dtype}{list(w.shape)}"
        if types_only:
            continue
        rtol, atol = tolerance(case.op, w.dtype)
        if case.dtype in (torch.float16, torch.bfloat16) and w.dtype == torch.float32:
            rtol, atol = tolerance(case.op, case.dtype)
        g, w = _plain(g), _plain(w)
        try:
            torch.testing.assert_close(
                g, w, rtol=rtol, atol=atol, equal_nan=True, check_stride=False
            )
        except AssertionError as e:
            text = " ".join(str(e).split())[:300]
        else:
            continue
        if exact is None and wide:
            exact = wide()
        x = exact[i] if exact and i < len(exact) else None
        if (
            isinstance(x, torch.Tensor)
            and x.shape == w.shape
            and (w.dtype.is_floating_point or w.dtype.is_complex)
            and _as_close(g, w, _plain(x), rtol, atol)
        ):
            continue
        return f"result {i}: {text}"
    return None


def compared(case, outputs):
    """The outputs whose values are determined."""
    if case.op.name in TIES:
        return outputs[:1]
    return [] if case.op.name in NAMES_ONLY else outputs


def settled(case, gradients):
    """The gradients; where any of equal values may have been named, that of the first input
    in the order of the input's values, and of its own among equal ones."""
    g, x = (gradients or [None])[0], case.tensors[0] if case.tensors else None
    named = case.op.name in TIES or case.op.name == "msort"
    if not named or g is None or x.shape != g.shape or x.is_complex():
        return gradients
    keys = (g.flatten().double().numpy(), x.detach().flatten().double().numpy())
    return [g.flatten()[torch.from_numpy(np.lexsort(keys))], *gradients[1:]]


__all__ = [
    "DEFAULT",
    "TIES",
    "UNDEFINED",
    "Case",
    "Results",
    "call",
    "cases",
    "compared",
    "difference",
    "equal",
    "op_db",
    "op_id",
    "settled",
    "pytree",
    "tolerance",
]
