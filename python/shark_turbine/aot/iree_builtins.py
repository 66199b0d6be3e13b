# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`IREE.tensor_*`: operations on tensors inside a CompiledModule's functions.

Starts of slices may be numbers that are known at run time only (AbstractIndex); lengths
are known, or sizes of other tensors.
"""

from __future__ import annotations

from typing import Any

import torch


def _ranges(x, indices):
    """[(start, length)] per axis, from (start, length) pairs or single starts."""
    ranges = []
    for index in indices:
        start, length = index if isinstance(index, (tuple, list)) else (index, 1)
        ranges.append((start, length))
    for axis in range(len(indices), x.dim()):
        ranges.append((0, x.shape[axis]))
    return ranges


class IREE:
    @staticmethod
    def tensor_dim(x: torch.Tensor, index: int, *, dtype: Any = None) -> Any:
        """A size of a tensor."""
        del dtype
        return x.shape[index]

    @staticmethod
    def tensor_empty(*dims: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """A tensor of zeros: nothing here is left to chance."""
        return torch.zeros(dims, dtype=dtype)

    @staticmethod
    def tensor_splat(
        *dims: int, value: Any, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """A tensor of one value."""
        if isinstance(value, torch.Tensor):
            return value.to(dtype).expand(dims).clone()
        return torch.full(dims, value, dtype=dtype)

    @staticmethod
    def tensor_reshape(x: torch.Tensor, *dims: int) -> torch.Tensor:
        return x.reshape(dims)

    @staticmethod
    def tensor_slice(x: torch.Tensor, *indices: Any) -> torch.Tensor:
        """One (start, length) or start per axis; axes that are not named stay whole."""
        for axis, (start, length) in enumerate(_ranges(x, indices)):
            if isinstance(start, torch.Tensor):
                at = torch.arange(length) + start
                x = x.index_select(axis, at)
            else:
                x = x.narrow(axis, start, length)
        return x

    @staticmethod
    def tensor_update(
        x: torch.Tensor, update: torch.Tensor, *starts: Any
    ) -> torch.Tensor:
        """`x` with the block at `starts` replaced by `update`, of the same rank."""
        starts = (*starts, *[0] * (x.dim() - len(starts)))
        where = []
        for axis, start in enumerate(starts):
            at = torch.arange(update.shape[axis]) + start
            where.append(at.reshape([-1 if i == axis else 1 for i in range(x.dim())]))
        return x.index_put(tuple(where), update)

    @staticmethod
    def tensor_trace(key: str, *tensors: torch.Tensor) -> None:
        """Traces nothing: there is no sink for it in the artifact."""
        del key, tensors
