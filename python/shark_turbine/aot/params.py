# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A module's tensors outside of the artifact: marking them, writing and reading archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ..importer import DTYPES, TORCH_DTYPES, pack
from ..runtime.params import ParameterIndex, ParameterIndexEntry
from .tensor_traits import ExternalTensorTrait


def _tensors(
    module: torch.nn.Module, prefix: str = ""
) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) of the parameters and persistent buffers, each once."""
    state = module.state_dict(keep_vars=True)
    seen = set()
    for name, tensor in state.items():
        if isinstance(tensor, torch.Tensor) and id(tensor) not in seen:
            seen.add(id(tensor))
            yield f"{prefix}{name}", tensor


def externalize_module_parameters(
    module: torch.nn.Module, *, external_scope: str = "", prefix: str = ""
) -> None:
    """Marks a module's parameters and persistent buffers as external: programs exported
    from it look for them under `external_scope` and `prefix` + their qualified names."""
    for name, tensor in _tensors(module, prefix):
        ExternalTensorTrait(external_scope, name).set(tensor)


def save_module_parameters(
    file_path: str | os.PathLike[str], module: torch.nn.Module, *, prefix: str = ""
) -> None:
    """Writes a module's parameters and persistent buffers to a .safetensors file."""
    builder = ParameterArchiveBuilder()
    builder.add_module(module, prefix=prefix)
    builder.save(file_path)


def _with_suffix(file_path: str | os.PathLike[str]) -> str:
    path = os.fspath(file_path)
    return path if path.endswith(".safetensors") else path + ".safetensors"


class ParameterArchiveBuilder:
    """Collects tensors and writes them to a file."""

    def __init__(self) -> None:
        self._index = ParameterIndex()

    @property
    def index(self) -> ParameterIndex:
        return self._index

    def add_tensor(self, name: str, tensor: torch.Tensor) -> None:
        """A tensor; its memory is borrowed if it is dense and on the CPU."""
        dtype = DTYPES.get(tensor.dtype)
        if dtype is None:
            raise ValueError(
                f"'{name}': tensors of {tensor.dtype} have no place in a file"
            )
        t = pack(tensor)
        raw = (
            t.reshape(-1).view(torch.uint8).numpy()
            if t.numel()
            else np.empty(0, np.uint8)
        )
        self._index._add(name, raw, dtype, list(t.shape))

    def add_module(self, module: torch.nn.Module, *, prefix: str = "") -> None:
        """All parameters and persistent buffers."""
        for name, tensor in _tensors(module, prefix):
            self.add_tensor(name, tensor)

    def add_blob(self, key: str, blob: Any) -> None:
        """Bytes of any meaning."""
        self._index.add_buffer(key, blob)

    def save(self, file_path: str | os.PathLike[str]) -> ParameterIndex:
        """Writes the file; the suffix .safetensors is added if it is missing."""
        return self._index.create_archive_file(_with_suffix(file_path))


class ParameterArchiveEntry:
    """A tensor of an archive."""

    def __init__(self, raw: ParameterIndexEntry) -> None:
        self.raw = raw

    @property
    def key(self) -> str:
        return self.raw.key

    def as_flat_tensor(self) -> torch.Tensor:
        """Its bytes."""
        return torch.from_numpy(np.array(np.frombuffer(self.raw.bytes_(), np.uint8)))

    def as_tensor(self) -> torch.Tensor:
        """A copy."""
        if self.raw.dtype is None:
            raise ValueError(f"'{self.key}': only its bytes are known, not its type")
        dtype = TORCH_DTYPES[self.raw.dtype]
        if not self.raw.length:
            return torch.empty(self.raw.shape, dtype=dtype)
        return self.as_flat_tensor().view(dtype).reshape(self.raw.shape)

    def __repr__(self) -> str:
        return f"<ParameterArchiveEntry {self.raw!r}>"


class ParameterArchive:
    """Tensors of files."""

    def __init__(
        self,
        file_path: str | os.PathLike[str] | None = None,
        *,
        mmap: bool = True,
        readable: bool = True,
        writable: bool = False,
    ) -> None:
        self._index = ParameterIndex()
        if file_path is not None:
            self.load(file_path, mmap=mmap, readable=readable, writable=writable)

    @property
    def index(self) -> ParameterIndex:
        return self._index

    def load(
        self,
        file_path: str | os.PathLike[str],
        *,
        mmap: bool = True,
        readable: bool = True,
        writable: bool = False,
    ) -> None:
        self._index.load(file_path, mmap=mmap, readable=readable, writable=writable)

    def items(self) -> list[tuple[str, ParameterArchiveEntry]]:
        """(key, ParameterArchiveEntry) of each tensor."""
        return [(k, ParameterArchiveEntry(v)) for k, v in self._index.items()]

    def __repr__(self) -> str:
        return f"<ParameterArchive of {len(self._index)} tensors>"
