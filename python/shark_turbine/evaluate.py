# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The reference evaluator on torch tensors: slow, and what the operators mean."""

import torch

from .importer import TORCH_DTYPES, dtype_name, pack


def evaluate(unit, inputs, function="main"):
    """Runs a function of a Unit; gives a list of torch tensors."""
    tensors = [pack(torch.as_tensor(x)) for x in inputs]
    rows = [
        (t.data_ptr() if t.numel() else b"", dtype_name(t.dtype), list(t.shape))
        for t in tensors
    ]
    return [_tensor(*row) for row in unit.evaluate(function, rows)]


def _tensor(data, name, dims):
    dtype = TORCH_DTYPES[name]
    if not data:
        return torch.empty(dims, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).reshape(dims)
