# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""aot.export: programs as torch-dialect MLIR and as compiled artifacts."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import pathlib
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from .. import _compiler
from ..compiler_flags import Session
from ..decompositions import current_aot_decompositions
from ..evaluate import evaluate
from ..progress import progress
from ..runtime import safetensors
from ..runtime.dtypes import dtype_of_name
from . import gradients
from .program import import_programs

# What IREE calls targets; all of them mean this machine's kind of CPU here.
BACKENDS = ("llvm-cpu", "vmvx", "host")


def export(
    mdl: Any,
    /,
    *example_args: Any,
    args: Sequence[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    dynamic_shapes: Any = None,
    module_name: str | None = None,
    function_name: str | None = None,
    strict_export: bool = False,
    import_symbolic_shape_expressions: bool = False,
    arg_device: Any = None,
) -> ExportOutput:
    """Captures a program.

    `mdl` is an nn.Module with example arguments (`export(m, x)` or `export(m, args=(x,),
    kwargs={...}, dynamic_shapes=...)`, as torch.export takes them), a
    torch.export.ExportedProgram, the path of a saved one (`.pt2`), a CompiledModule class
    or an FxPrograms. The function is called `main` unless `function_name` says otherwise.

    `import_symbolic_shape_expressions` and `arg_device` are accepted for the sake of
    scripts that set them: sizes keep their expressions anyway, and there is one device.
    """
    del import_symbolic_shape_expressions, arg_device
    from .compiled_module import CompiledModule
    from .fx_programs import FxPrograms

    if example_args and args is not None:
        raise ValueError("example arguments are given both positionally and as args=")
    if (
        example_args
    ):  # of this line, so that it is quiet by default: the first guide has it so
        warnings.warn(  # noqa: B028
            "pass args=(...) to export, not *args", DeprecationWarning
        )
    if isinstance(mdl, (str, os.PathLike)) and os.fspath(mdl).endswith(
        (".pt2", ".json")
    ):
        mdl = load(mdl)
    if isinstance(mdl, type) and issubclass(mdl, CompiledModule):
        mdl = mdl(module_name=module_name)  # type: ignore[call-arg] # the metaclass
    if isinstance(mdl, CompiledModule):
        return ExportOutput(mdl._unit, mdl)
    if isinstance(mdl, FxPrograms):
        programs = {name: _decompose(ep) for name, ep in mdl.programs.items()}
    elif isinstance(mdl, torch.export.ExportedProgram):
        programs = {function_name or "main": _decompose(mdl)}
    elif isinstance(mdl, torch.nn.Module):
        ep = capture(
            mdl,
            example_args or args or (),
            kwargs,
            dynamic_shapes,
            strict_export,
        )
        programs = {function_name or "main": ep}
    else:
        raise TypeError(
            "export: expected an nn.Module, a CompiledModule, an ExportedProgram, an "
            f"FxPrograms or the path of a .pt2 file, found {mdl!r}"
        )
    unit = _compiler.Unit(module_name or "module")
    import_programs(unit, programs)
    return ExportOutput(unit)


def load(path):
    """A saved ExportedProgram (.pt2) or FxPrograms (.json)."""
    from .fx_programs import FxPrograms

    path = os.fspath(path)
    if path.endswith(".json"):
        return FxPrograms.load(path)
    try:
        with _quiet():
            return torch.export.load(path)
    except FileNotFoundError:
        raise
    except Exception as e:  # torch has many: a zip error, a missing key, an assertion
        raise ValueError(f"'{path}' is no torch.export.ExportedProgram: {e}") from e


def capture(
    module, args, kwargs=None, dynamic_shapes=None, strict=False, differentiates=False
):
    """A module as an ExportedProgram of operators that the compiler has.

    `differentiates` says that its forward asks for gradients, which is found out otherwise.
    """
    args, kwargs = _apart(tuple(args), kwargs)

    def export_(module, strict):
        return torch.export.export(
            module,
            args,
            kwargs,
            dynamic_shapes=dynamic_shapes,
            strict=bool(strict),
        )

    with _quiet():
        try:
            if differentiates:
                raise gradients.Differentiates
            with gradients.watching():
                ep = export_(module, strict)
        except gradients.Differentiates:
            with torch.no_grad():
                ep = export_(gradients.traced(module), False)
    ep = _decompose(ep)
    ep.minimum_of_two = _says_two(dynamic_shapes)
    return ep


def _apart(args, kwargs):
    """The arguments, each tensor another object: torch.export takes two arguments that are
    one tensor for one argument in every call."""
    seen = set()

    def another(leaf):
        if not isinstance(leaf, torch.Tensor) or id(leaf) not in seen:
            seen.add(id(leaf))
            return leaf
        return leaf.detach().clone().requires_grad_(leaf.requires_grad)

    return pytree.tree_map(another, (args, kwargs))


def _says_two(dynamic_shapes):
    """Whether the user wants sizes from 2 on. Otherwise 2 is what capture assumes of every
    open size, and, as in PyTorch, no limit for calls."""
    leaves = pytree.tree_leaves(dynamic_shapes)
    return any(getattr(d, "min", None) == 2 for d in leaves)


def _decompose(ep):
    with _quiet():
        return ep.run_decompositions(current_aot_decompositions())


@contextlib.contextmanager
def _quiet():
    """torch.export warns about its own use of pytrees."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=".*LeafSpec.*", category=FutureWarning
        )
        yield


class MlirModule:
    """A program as text: str() gives torch-dialect MLIR."""

    def __init__(self, unit):
        self._unit = unit

    def __str__(self):
        return self._unit.mlir()

    def get_asm(self, *, large_elements_limit=None, enable_debug_info=False, **_):
        limit = -1 if large_elements_limit is None else large_elements_limit
        return self._unit.mlir(
            locations=bool(enable_debug_info), large_elements_limit=limit
        )

    def print(self, file=None, *, binary=False, **options):
        text = self.get_asm(**options)
        if binary and file is not None:
            file.write(text.encode())
        else:
            print(text, file=file)

    def write_bytecode(self, file, **_):
        """Writes the text: every reader takes it where it takes bytecode."""
        file.write(self.get_asm().encode())

    def verify(self):
        self._unit.verify()
        return True

    @property
    def operation(self):
        return self


class ExportOutput:
    """A captured program; `compile` makes the artifact."""

    def __init__(self, unit, compiled_module=None):
        self.unit = unit
        self.session = Session()
        self.compiled_module = compiled_module

    @classmethod
    def from_mlir(cls, text: str | bytes, file_name: str = "<text>") -> ExportOutput:
        """A program given as torch-dialect MLIR; ValueError says line and column."""
        return cls(_compiler.parse_mlir(text, file_name))

    @property
    def mlir_module(self) -> MlirModule:
        return MlirModule(self.unit)

    def evaluate(self, *inputs: Any, function: str = "main") -> Any:
        """Results of the reference evaluator: for tests, and to tell whose fault it is."""
        return evaluate(self.unit, inputs, function)

    def verify(self) -> None:
        """Raises if the program is malformed."""
        self.unit.verify()

    def print_readable(self, large_elements_limit: int = 50) -> None:
        """Prints the MLIR; constants with more elements are left out."""
        print(self.unit.mlir(large_elements_limit=large_elements_limit))

    def __str__(self):
        return self.unit.mlir(large_elements_limit=50)

    def save_mlir(self, file_path: str | os.PathLike[str]) -> None:
        """Writes the MLIR as text, whatever the suffix: every reader takes text."""
        with open(file_path, "w", encoding="utf-8") as f:
            f.write(self.unit.mlir())

    def import_to(self, import_to: str | None) -> None:
        if import_to not in (None, "import", "full"):
            raise ValueError(f"import_to: 'import' or 'full', not {import_to!r}")

    def compile(
        self,
        save_to: Any = None,
        *,
        target_backends: str | Sequence[str] | None = ("llvm-cpu",),
        targets: Sequence[str] | None = None,
        dump: str | None = None,
        stock_iree: bool | None = None,
        parameters: str = "embedded",
        external_scope: str = "model",
        tune: bool = False,
    ) -> _compiler.Artifact | None:
        """Compiles to a .vmfb.

        Without `save_to` an object is returned that has `map_memory()` and the buffer
        protocol; with a path or an open binary file that is written and None returned. A
        path takes the least memory: weights are laid out on their way into the file.
        `targets` names CPU levels ("host", "x86_64-v3", ...); by default the file runs on
        every machine of the last ten years and uses what newer ones add. IREE's own
        runtime (3.13) runs the file as well, with the same results: by default if that
        takes less than 16 KB or a hundredth of the weights; `stock_iree=True` in any
        case, or it raises; False never.

        With `parameters="external"` the model's parameters and persistent buffers stay
        outside: the runtime is given them by name, as `save_parameters` and safetensors
        files have them, under `external_scope`. Other weights of the same shapes then run
        without compiling again.

        `tune=True` runs the program in several ways on this machine and keeps what is
        fastest, for some seconds; sizes that are open are as in the example arguments.
        """
        _check_backends(target_backends)
        is_file = hasattr(save_to, "write")
        artifact = self._compile(
            targets=self.session.targets if targets is None else targets,
            dump=dump,
            external_scope=_scope(parameters, external_scope),
            stock_iree=stock_iree,
            tune=2.0 if tune else 0.0,
            path=None if save_to is None or is_file else os.fspath(save_to),
        )
        if is_file:
            save_to.write(artifact)
            return None
        return artifact

    def save_object(
        self,
        path: str | os.PathLike[str],
        *,
        targets: Sequence[str] = ("host",),
        parameters: str = "embedded",
        external_scope: str = "model",
    ) -> None:
        """Writes an object to link into a program, and its C header beside it.

        `net.o` comes with `net.h`, whose functions begin with `net_`; with several targets
        each has its `net.TARGET.o`. Targets are those of `compile`, and "wasm32" and
        "wasm32-simd128", for WebAssembly. docs/runtime.md shows how they are used. With
        `parameters="external"` calls take a struct with a pointer to each.
        """
        path = pathlib.Path(path)
        header, objects = self._compile(
            targets=targets,
            external_scope=_scope(parameters, external_scope),
            object=re.sub(r"^(?=\d)|\W", "_", path.stem, flags=re.ASCII),
        )
        path.with_suffix(".h").write_text(header, encoding="utf-8")
        for level, data in objects:
            one = path if len(objects) == 1 else path.with_suffix(f".{level}.o")
            data.save(os.fspath(one))

    def _compile(self, **options):
        with progress("compiling") as report:
            return self.unit.compile(
                bf16_matmul=torch.get_float32_matmul_precision() == "medium",
                progress=report,
                **options,
            )

    def save_parameters(self, path: str | os.PathLike[str]) -> None:
        """Writes what `compile(parameters="external")` leaves out to a .safetensors file,
        under the names that the artifact looks for. Tensors that are external anyway have
        no values here."""
        rows = []
        for _, name, kind, dims, address in self.unit.parameters():
            if address is not None:
                rows.append((name, kind, _view(address, kind, dims)))
        safetensors.save(path, rows)


def _view(address: int, kind: str, dims: list[int]) -> np.ndarray:
    """An array over memory that the unit keeps."""
    dtype = dtype_of_name(kind)
    size = math.prod(dims) * dtype.itemsize
    memory = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, dtype).reshape(dims)


def _scope(parameters, scope):
    if parameters not in ("embedded", "external"):
        raise ValueError(f"parameters: 'embedded' or 'external', not {parameters!r}")
    return scope if parameters == "external" else None


def _check_backends(backends):
    if backends is None:
        return
    if isinstance(backends, str):
        backends = (backends,)
    for name in backends:
        if name not in BACKENDS:
            raise ValueError(
                f"unknown target backend {name!r}; there are {', '.join(BACKENDS)}"
            )
