# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Operators that PyTorch has no decomposition for, or one that ends in its prims, spelled
in ATen operators. `NotImplemented` leaves the operator as it is.

Most are derivatives, many of something linear: then its transpose.
"""

import sys

import torch

aten = torch.ops.aten
_table = {}


def spells(*ops):
    def add(fn):
        for op in ops:
            _table[op] = fn
        return fn

    return add


def table():
    """{operator: decomposition}; a copy."""
    return dict(_table)


def late():
    """The same for operators that parts of torch define when they are imported."""
    found = {}
    if "torch.nn.modules.linear_cross_entropy" in sys.modules:
        ops, name = torch.ops.torch_nn, "_linear_cross_entropy_batch_chunked"
        found[getattr(ops, name).default] = linear_cross_entropy
        found[getattr(ops, f"{name}_no_reduction").default] = linear_cross_entropy_rows
    if hasattr(torch.ops.prims, "fma"):  # torch/_inductor/inductor_prims.py
        found[torch.ops.prims.fma.default] = lambda a, b, c: a * b + c
    return found


@spells(aten._efficientzerotensor.default)
def zero_tensor(size, *, dtype=None, layout=None, device=None, pin_memory=None):
    return aten.zeros.default(size, dtype=dtype)


# ---- determinants ----


def _factors_of_det(a):
    """LU, pivots, and the sign of the order they make. Where torch's own backward formulas
    expect the factors of the transpose, that is what these are."""
    other = a.is_contiguous() and not a.is_complex()
    lu, pivots, _ = aten.linalg_lu_factor_ex.default(a.mT if other else a)
    places = torch.arange(1, pivots.shape[-1] + 1, dtype=torch.int32)
    odd = (pivots != places).sum(-1) % 2 == 1
    return lu, pivots, torch.where(odd, -1.0, 1.0).to(a.dtype)


@spells(aten._linalg_det.default)
def linalg_det(a):
    lu, pivots, sign = _factors_of_det(a)
    return lu.diagonal(0, -2, -1).prod(-1) * sign, lu, pivots


@spells(aten._linalg_slogdet.default)
def linalg_slogdet(a):
    lu, pivots, sign = _factors_of_det(a)
    diagonal = lu.diagonal(0, -2, -1)
    return diagonal.sgn().prod(-1) * sign, diagonal.abs().log().sum(-1), lu, pivots


@spells(aten.atan2.out)
def atan2_out(self, other, *, out):
    return out.copy_(aten.atan2.default(self, other))


# ---- parts of tensors put back ----


def _places(size, stride, offset):
    """Where the elements of such a view are in memory."""
    at = torch.full(tuple(size), 0, dtype=torch.int64) + offset
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        along = [1] * len(size)
        along[axis] = n
        at = at + (torch.arange(n) * step).view(along)
    return at.reshape(-1)


@spells(aten.as_strided_scatter.default)
def as_strided_scatter(self, src, size, stride, storage_offset=None):
    """Strides are of the memory that self lies in, which may have gaps."""
    mine = self.storage_offset()
    offset = mine if storage_offset is None else storage_offset
    new = _places(size, stride, offset)
    src = src.expand(size).reshape(-1)
    if self.is_contiguous() and isinstance(mine, int) and mine == 0:
        return self.reshape(-1).scatter(0, new, src).view(self.shape)
    room = mine + 1
    for n, step in zip(self.shape, self.stride()):
        room = room + (n - 1) * step
    old = _places(self.shape, self.stride(), mine)
    memory = self.new_zeros([room]).scatter(0, old, self.reshape(-1))
    return memory.scatter(0, new, src)[old].view(self.shape)


@spells(aten.masked_scatter_backward.default)
def masked_scatter_backward(grad_output, mask, sizes):
    """The elements of grad_output where the mask is set, in order, then zeros."""
    grad, mask = torch.broadcast_tensors(grad_output, mask)
    grad, mask = grad.reshape(-1), mask.reshape(-1)
    n = 1
    for s in sizes:
        n = n * s
    at = torch.where(mask, mask.to(torch.int64).cumsum(0) - 1, n)
    out = grad.new_zeros([n + 1]).index_put([at], torch.where(mask, grad, 0), True)
    return out[:n].view(sizes)


def _pool_backward(axes):
    def backward(grad_output, self, indices):
        flat = grad_output.new_zeros([*self.shape[:-axes], _count(self, axes)])
        flat = flat.scatter_add(-1, indices.flatten(-axes), grad_output.flatten(-axes))
        return flat.view(self.shape)

    return backward


def _count(t, axes):
    n = 1
    for s in t.shape[-axes:]:
        n = n * s
    return n


_table[aten.adaptive_max_pool2d_backward.default] = _pool_backward(2)
_table[aten.adaptive_max_pool3d_backward.default] = _pool_backward(3)
_table[aten.fractional_max_pool2d_backward.default] = (
    lambda grad, self, kernel_size, output_size, indices: _pool_backward(2)(
        grad, self, indices
    )
)
_table[aten.fractional_max_pool3d_backward.default] = (
    lambda grad, self, kernel_size, output_size, indices: _pool_backward(3)(
        grad, self, indices
    )
)


@spells(
    aten.replication_pad1d_backward.default,
    aten.replication_pad2d_backward.default,
    aten.replication_pad3d_backward.default,
)
def replication_pad_backward(grad_output, self, padding):
    grad = grad_output
    for i in range(len(padding) // 2):
        axis = self.dim() - 1 - i
        n, size = grad.shape[axis], self.shape[axis]
        at = (torch.arange(n) - padding[2 * i]).clamp(0, size - 1)
        shape = list(grad.shape)
        shape[axis] = size
        grad = grad.new_zeros(shape).index_add(axis, at, grad)
    return grad


# ---- sums of products ----


@spells(aten._trilinear.default)
def trilinear(i1, i2, i3, expand1, expand2, expand3, sumdim, unroll_dim=1):
    for axis in range(i1.dim() + len(expand1)):
        i1 = i1.unsqueeze(axis) if axis in expand1 else i1
        i2 = i2.unsqueeze(axis) if axis in expand2 else i2
        i3 = i3.unsqueeze(axis) if axis in expand3 else i3
    product = i1 * i2 * i3
    return product.sum(list(sumdim)) if sumdim else product


@spells(aten._upsample_bilinear2d_aa_backward.default)
def upsample_bilinear2d_aa_backward(
    grad_output, output_size, input_size, align_corners, scales_h=None, scales_w=None
):
    """Interpolation is a product with a matrix on each axis: those of an identity's rows."""

    def matrix(n_in, n_out, scale):
        image = torch.eye(n_in, dtype=grad_output.dtype)[None, None]
        up = aten._upsample_bilinear2d_aa.default
        return up(image, [n_out, n_in], align_corners, scale, None)[0, 0]

    rows = matrix(input_size[2], output_size[0], scales_h)
    columns = matrix(input_size[3], output_size[1], scales_w)
    return rows.t() @ grad_output @ columns


# ---- distances ----


def _distance_slope(diff, dist, p):
    """d dist / d diff of dist = (sum |diff|^p)^(1/p), 0 where dist is 0."""
    if p == 0:
        return torch.zeros_like(diff)
    if p == 1:
        return diff.sign()
    if p == float("inf"):
        return diff.sign() * (diff.abs() == dist)
    r = diff.sign() * (diff.abs() / dist).pow(p - 1)
    return torch.where((dist == 0) | (diff == 0), 0, r)


@spells(aten._cdist_backward.default)
def cdist_backward(grad, x1, x2, p, cdist):
    diff = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    r = _distance_slope(diff, cdist.unsqueeze(-1), p) * grad.unsqueeze(-1)
    return r.sum(-2)


def _pairs(n):
    return torch.triu_indices(n, n, 1).unbind(0)


@spells(aten._pdist_forward.default)
def pdist_forward(self, p=2.0):
    if not isinstance(self.shape[0], int):
        return NotImplemented
    i, j = _pairs(self.shape[0])
    return torch.linalg.vector_norm(self[i] - self[j], p, dim=-1)


@spells(aten._pdist_backward.default)
def pdist_backward(grad, self, p, pdist):
    if not isinstance(self.shape[0], int):
        return NotImplemented
    i, j = _pairs(self.shape[0])
    r = _distance_slope(self[i] - self[j], pdist.unsqueeze(-1), p) * grad.unsqueeze(-1)
    return torch.zeros_like(self).index_add(0, i, r).index_add(0, j, -r)


# ---- embedding bags ----


def _per_index(grad, offset2bag, indices, padding_idx):
    """Each index's part of the gradient of its bag; nothing for padding."""
    rows = grad[offset2bag]
    return rows if padding_idx < 0 else rows * (indices != padding_idx).unsqueeze(-1)


@spells(aten._embedding_bag_backward.default)
def embedding_bag_backward(
    grad,
    indices,
    offsets,
    offset2bag,
    bag_size,
    maximum_indices,
    num_weights,
    scale_grad_by_freq,
    mode,
    sparse,
    per_sample_weights,
    padding_idx=-1,
):
    if mode not in (0, 1) or scale_grad_by_freq or sparse:
        return NotImplemented
    of = _bags(indices, offsets, offset2bag, grad)
    rows = _per_index(grad, of, indices, padding_idx)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if mode == 1:
        rows = rows / bag_size[of].clamp(min=1).unsqueeze(-1).to(rows.dtype)
    return grad.new_zeros([num_weights, grad.shape[-1]]).index_add(0, indices, rows)


@spells(aten._embedding_bag_dense_backward.default)
def embedding_bag_dense_backward(
    grad,
    indices,
    offset2bag,
    bag_size,
    maximum_indices,
    num_weights,
    scale_grad_by_freq,
    mode,
    per_sample_weights,
    padding_idx=-1,
):
    if offset2bag.shape[0] != indices.shape[0]:
        return NotImplemented
    return embedding_bag_backward(
        grad,
        indices,
        None,
        offset2bag,
        bag_size,
        maximum_indices,
        num_weights,
        scale_grad_by_freq,
        mode,
        False,
        per_sample_weights,
        padding_idx,
    )


def _bags(indices, offsets, offset2bag, grad):
    """PyTorch leaves offset2bag empty where its own kernel does without."""
    if offset2bag.shape[0] == indices.shape[0]:
        return offset2bag
    offsets = offsets[: grad.shape[0]]
    before = offsets.unsqueeze(0) <= torch.arange(indices.shape[0]).unsqueeze(1)
    return before.sum(1) - 1


@spells(aten._embedding_bag_per_sample_weights_backward.default)
def embedding_bag_per_sample_weights_backward(
    grad, weight, indices, offsets, offset2bag, mode, padding_idx=-1
):
    of = _bags(indices, offsets, offset2bag, grad)
    return (weight[indices] * _per_index(grad, of, indices, padding_idx)).sum(-1)


# ---- sampling at given positions ----

BILINEAR, NEAREST = 0, 1
ZEROS, BORDER = 0, 1


class _Sampler:
    """Images x [N, C, size...] at grid [N, out..., axes], whose last axis has the position
    along the last axis of x first; corners of the elements around each position."""

    def __init__(self, x, grid, mode, padding, corners):
        self.axes, self.mode = grid.shape[-1], mode
        self.sizes = [x.shape[-1 - k] for k in range(self.axes)]
        self.last = x.movedim(1, -1)  # [N, size..., C]
        self.batch = torch.arange(x.shape[0]).view([-1] + [1] * self.axes)
        self.at, self.slope = [], []
        for k, n in enumerate(self.sizes):
            v, scale = grid[..., k], (n - 1) / 2 if corners else n / 2
            v = (v + 1) / 2 * (n - 1) if corners else ((v + 1) * n - 1) / 2
            slope = torch.full_like(v, scale)
            if padding == BORDER:  # no slope where it is clipped
                slope = torch.where((v > 0) & (v < n - 1), slope, 0)
                v = v.clamp(0, n - 1)
            self.at.append(v)
            self.slope.append(slope)

    def corners(self):
        """[(positions, weights along each axis, their signs)]"""
        if self.mode == NEAREST:
            return [([v.round() for v in self.at], [], [])]
        low, found = [v.floor() for v in self.at], []
        for number in range(1 << self.axes):
            ups = [number >> k & 1 for k in range(self.axes)]
            place = [v + up for v, up in zip(low, ups)]
            t = [v - w for v, w in zip(self.at, low)]
            weights = [a if up else 1 - a for a, up in zip(t, ups)]
            found.append((place, weights, [1 if up else -1 for up in ups]))
        return found

    def index(self, place):
        """(which are inside, indices of `last` kept inside)"""
        inside, index = True, [self.batch]
        for k in reversed(range(self.axes)):
            kept = place[k].clamp(0, self.sizes[k] - 1)
            inside = inside & (kept == place[k])
            index.append(kept.to(torch.int64))
        return inside.unsqueeze(-1), index

    def fetch(self, place):
        inside, index = self.index(place)
        return torch.where(inside, self.last[tuple(index)], 0)


def _product(factors):
    r = 1
    for f in factors:
        r = r * (f if isinstance(f, int) else f.unsqueeze(-1))
    return r


def _sampler(x, grid, mode, padding, corners):
    if mode not in (BILINEAR, NEAREST) or padding not in (ZEROS, BORDER):
        return None
    return _Sampler(x, grid, mode, padding, corners)


@spells(aten.grid_sampler_3d.default)
def grid_sampler_3d(input, grid, interpolation_mode, padding_mode, align_corners):
    wide = torch.promote_types(input.dtype, torch.float32)
    s = _sampler(
        input.to(wide), grid.to(wide), interpolation_mode, padding_mode, align_corners
    )
    if s is None:
        return NotImplemented
    out = 0
    for place, weights, _ in s.corners():
        out = out + s.fetch(place) * _product(weights)
    return out.movedim(-1, 1).to(input.dtype)


@spells(aten.grid_sampler_2d_backward.default, aten.grid_sampler_3d_backward.default)
def grid_sampler_backward(
    grad_output,
    input,
    grid,
    interpolation_mode,
    padding_mode,
    align_corners,
    output_mask,
):
    dtype, wide = input.dtype, torch.promote_types(input.dtype, torch.float32)
    input, grid = input.to(wide), grid.to(wide)
    s = _sampler(input, grid, interpolation_mode, padding_mode, align_corners)
    if s is None:
        return NotImplemented
    grad = grad_output.to(wide).movedim(1, -1)  # [N, out..., C]
    to_input, to_grid = torch.zeros_like(s.last), [torch.zeros_like(v) for v in s.at]
    for place, weights, signs in s.corners():
        inside, index = s.index(place)
        part = torch.where(inside, grad * _product(weights), 0)
        to_input = to_input.index_put(index, part, True)
        for k, sign in enumerate(signs):
            others = _product(weights[:k] + weights[k + 1 :])
            rise = (s.fetch(place) * grad * others).sum(-1)
            to_grid[k] = to_grid[k] + sign * rise * s.slope[k]
    return (
        to_input.movedim(-1, 1).to(dtype) if output_mask[0] else None,
        torch.stack(to_grid, -1).to(dtype) if output_mask[1] else None,
    )


# ---- cross entropy of a linear layer, some rows at a time ----

MANY_CHUNKS = 64


def _row_weights(target, weight, ignore_index, dtype):
    """Each row's target, kept among the classes, and how much the row counts."""
    ignored = target == ignore_index
    target = torch.where(ignored, 0, target)
    counts = torch.ones_like(target, dtype=dtype) if weight is None else weight[target]
    return target, torch.where(ignored, 0, counts.to(dtype))


def _row_chunks(n, size):
    """(first, how many) of each chunk: all rows where nobody knows how many there are."""
    if not isinstance(n, int) or n > size * MANY_CHUNKS or n == 0:
        return [(0, n)]
    return [(i, min(size, n - i)) for i in range(0, n, size)]


def _log_softmax_at(x, linear_weight, bias, target):
    """(exponentials [rows, classes], their sums, logarithms of the targets' parts)"""
    logits = x @ linear_weight.T
    logits = logits if bias is None else logits + bias
    logits = logits - logits.amax(1, keepdim=True)
    e = logits.exp()
    total = e.sum(1)
    at = logits.gather(1, target.unsqueeze(1)).squeeze(1)
    return e, total, at - total.log()


def linear_cross_entropy_rows(
    input,
    linear_weight,
    target,
    linear_bias,
    weight,
    ignore_index,
    batch_chunk_size,
    acc_policy,
    acc_dtype,
):
    target, counts = _row_weights(target, weight, ignore_index, acc_dtype)
    linear_weight = linear_weight.to(acc_dtype)
    bias = None if linear_bias is None else linear_bias.to(acc_dtype)
    losses = []
    for first, n in _row_chunks(input.shape[0], batch_chunk_size):
        x, at = input.narrow(0, first, n).to(acc_dtype), target.narrow(0, first, n)
        losses.append(_log_softmax_at(x, linear_weight, bias, at)[2])
    return (torch.cat(losses).neg() * counts).to(input.dtype)


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    linear_bias,
    weight,
    reduction,
    ignore_index,
    label_smoothing,
    batch_chunk_size,
    acc_policy,
    acc_dtype,
    allow_retain_graph,
    to_input,
    to_weight,
    to_bias,
):
    """The loss, and with it its derivatives, as each chunk has what they are made of."""
    if reduction not in ("mean", "sum") or label_smoothing != 0:
        return NotImplemented
    dtype, classes = input.dtype, linear_weight.shape[0]
    target, counts = _row_weights(target, weight, ignore_index, acc_dtype)
    total = counts.sum()
    if reduction == "mean":
        counts = counts / torch.where(total == 0, float("nan"), total)
    linear_weight = linear_weight.to(acc_dtype)
    bias = None if linear_bias is None else linear_bias.to(acc_dtype)
    loss, by_input = input.new_zeros([], dtype=acc_dtype), []
    by_weight, by_bias = torch.zeros_like(linear_weight), counts.new_zeros([classes])
    for first, n in _row_chunks(input.shape[0], batch_chunk_size):
        x, at = input.narrow(0, first, n).to(acc_dtype), target.narrow(0, first, n)
        w = counts.narrow(0, first, n)
        e, sums, log = _log_softmax_at(x, linear_weight, bias, at)
        loss = loss - (w * log).sum()
        p = e * (w / sums).unsqueeze(1)
        if to_input:
            own = linear_weight[at] * w.unsqueeze(1)
            by_input.append(p @ linear_weight - own)
        if to_weight:
            by_weight = by_weight + p.T @ x
            by_weight = by_weight.index_add(0, at, x * w.unsqueeze(1), alpha=-1)
        if to_bias:
            by_bias = (by_bias + p.sum(0)).index_add(0, at, w, alpha=-1)
    if reduction == "mean":  # also without rows
        loss = torch.where(total == 0, float("nan"), loss)
    return (
        loss.to(dtype),
        torch.cat(by_input).to(dtype) if to_input else input.new_zeros([0, 0]),
        by_weight.to(dtype) if to_weight else input.new_zeros([0, 0]),
        by_bias.to(dtype) if to_bias else input.new_zeros([0]),
    )


# ---- order and bits ----


@spells(aten.mode.default)
def mode(self, dim=-1, keepdim=False):
    """The smallest of the most frequent values, with the place of one of them."""
    x = self.reshape(1) if self.dim() == 0 else self
    n = x.shape[dim]
    if not isinstance(n, int) or n == 0:
        return NotImplemented
    values, places = torch.sort(x, dim=dim, stable=True)
    at = torch.arange(n).view([n if i == dim % x.dim() else 1 for i in range(x.dim())])
    same = values.narrow(dim, 1, n - 1) == values.narrow(dim, 0, n - 1)
    first = torch.cat(
        [torch.zeros_like(places.narrow(dim, 0, 1)), same.logical_not()], dim
    )
    begin = torch.where(first.to(torch.bool), at, 0).cummax(dim).values
    best = (at - begin).argmax(dim, keepdim=True)
    out = [values.gather(dim, best), places.gather(dim, best)]
    if self.dim() == 0:
        return tuple(t.reshape([]) for t in out)
    return tuple(out if keepdim else [t.squeeze(dim) for t in out])


@spells(aten.frexp.Tensor)
def frexp(self):
    """x = mantissa 2^exponent, 0.5 <= |mantissa| < 1, from the bits of x."""
    wide = self if self.dtype == torch.float64 else self.to(torch.float32)
    ints, bits, bias = (
        (torch.int64, 52, 1022)
        if wide.dtype == torch.float64
        else (torch.int32, 23, 126)
    )
    mask = (1 << (11 if bits == 52 else 8)) - 1
    tiny = wide.abs() < 2.0 ** (1 - bias)  # no leading 1 in the bits
    scaled = torch.where(tiny, wide * 2.0**54, wide)
    raw = scaled.view(ints)
    exponent = ((raw >> bits) & mask) - bias - torch.where(tiny, 54, 0)
    mantissa = ((raw & ~(mask << bits)) | (bias << bits)).view(wide.dtype)
    plain = wide.isfinite() & (wide != 0)
    return (
        torch.where(plain, mantissa, wide).to(self.dtype),
        torch.where(plain, exponent, 0).to(torch.int32),
    )
