# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Several entry points over one module's parameters and state."""

from __future__ import annotations

import copy
import inspect
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..locations import recording
from .exporter import capture


class FxPrograms:
    """Captured programs by name; `aot.export(programs)` puts them into one artifact."""

    def __init__(self) -> None:
        self.programs: dict[str, torch.export.ExportedProgram] = {}

    def save(self, path: str | os.PathLike[str]) -> int:
        """Writes the programs beside a JSON index; returns how many tensors were shared.

        A tensor that several programs use is written once, with the first of them.
        """
        path = os.fspath(path)
        stem = path.removesuffix(".json")
        seen: dict[Any, list[str]] = {}
        shared, rows = 0, {}
        for name, ep in self.programs.items():
            borrowed = {}
            for key, tensor in ep.state_dict.items():
                layout = tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype
                storage = tensor.untyped_storage().data_ptr()
                place = storage, tensor.storage_offset(), *layout
                if tensor.numel() and place in seen:
                    borrowed[key] = seen[place]
                    shared += 1
                else:
                    seen[place] = [name, key]
            file = f"{os.path.basename(stem)}.{name}.pt2"
            complete = dict(ep.state_dict)
            for key in borrowed:
                ep.state_dict[key] = _nothing_like(complete[key])
            try:
                torch.export.save(ep, os.path.join(os.path.dirname(path), file))
            finally:
                ep.state_dict.update(complete)
            rows[name] = {"file": file, "shared": borrowed}
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"programs": rows}, f, indent=1)
        return shared

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FxPrograms:
        path = os.fspath(path)
        with open(path, encoding="utf-8") as f:
            rows = json.load(f)["programs"]
        self = cls()
        for name, row in rows.items():
            file = os.path.join(os.path.dirname(path), row["file"])
            ep = torch.export.load(file)
            for key, (other, other_key) in row["shared"].items():
                ep.state_dict[key] = self.programs[other].state_dict[other_key]
            self.programs[name] = ep
        return self


class FxProgramsBuilder(FxPrograms):
    """Captures functions of one root module:

    fxb = FxProgramsBuilder(module)

    @fxb.export_program(args=(x,))
    def forward(module, x): ...
    """

    def __init__(self, root_module: torch.nn.Module) -> None:
        super().__init__()
        self.root_module = root_module

    def export_program(
        self,
        f: Callable[..., Any] | None = None,
        *,
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        dynamic_shapes: Any = None,
        strict: bool = True,
        name: str | None = None,
        arg_device: Any = None,
    ) -> Any:
        """A decorator; the function's first argument is the root module.

        `strict` and `arg_device` are accepted for the sake of scripts that set them.
        """
        del strict, arg_device

        def capture_function(fn):
            entry = name or fn.__name__
            if entry in self.programs:
                raise ValueError(f"there is a program '{entry}' already")
            module = _entry(self.root_module, fn)
            with recording(fn):
                ep = capture(module, args or (), kwargs, dynamic_shapes)
            self.programs[entry] = ep
            return self.programs[entry]

        return capture_function if f is None else capture_function(f)


def _entry(root, fn):
    """The root module with another forward: one that shares its tables of tensors."""
    module = copy.copy(root)

    def forward(*args, **kwargs):
        return fn(root, *args, **kwargs)

    # torch.export names inputs and dynamic shapes after the parameters it sees.
    signature = inspect.signature(fn)
    parameters = list(signature.parameters.values())[1:]
    forward.__signature__ = signature.replace(parameters=parameters)
    module.forward = forward
    return module


def _nothing_like(tensor):
    nothing = torch.empty(0, dtype=tensor.dtype)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(nothing, requires_grad=tensor.requires_grad)
    return nothing
