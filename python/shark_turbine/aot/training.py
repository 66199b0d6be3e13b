# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""export_training: a model, its loss and its optimizer as functions of one artifact.

The optimizer is the user's torch.optim object: its own step() is what is traced, on
stand-ins for the parameters, with its state (moments, step counts, learning rates) as
further buffers of the module. So whatever optimizer can be traced can be exported.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .. import _compiler
from ..locations import recording
from .exporter import ExportOutput, capture
from .program import Names, import_programs


def export_training(
    model: torch.nn.Module,
    loss_fn: Callable[..., torch.Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    args: Sequence[Any],
    targets: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    dynamic_shapes: Any = None,
    max_grad_norm: float | None = None,
    module_name: str | None = None,
) -> ExportOutput:
    """Captures training and inference of a model; compile() makes the artifact.

    Three functions share the parameters, the buffers and the optimizer's state:

      train_step(*args, *targets) -> loss   one step of the optimizer, model in train mode
      predict(*args) -> model's results     in eval mode
      loss(*args, *targets) -> loss         in eval mode, nothing changes

    `loss_fn(result, *targets)` gives a number; `args`, `kwargs` and `targets` are examples
    of what the model and the loss take. `optimizer` is a torch.optim.Optimizer over
    parameters of the model; parameters that it does not hold, or that need no gradient,
    are constants. `dynamic_shapes` is as for torch.export: a dict by argument name, or a
    tuple for args and targets. `max_grad_norm` clips gradients as clip_grad_norm_ does.

    State has the names of model.state_dict(), so that files travel both ways; the
    optimizer's is called "optimizer.NAME.KEY", and "optimizer.lr" may be set between
    steps. Gradients start from zero in every step.
    """
    trainer = _Trainer(model, loss_fn, optimizer, max_grad_norm)
    call = _Call(model, loss_fn, args, kwargs or {}, targets, dynamic_shapes)
    training = model.training
    programs = {}
    try:
        for name in ("train_step", "predict", "loss"):
            trainer.train(name == "train_step")
            programs[name] = trainer.capture(name, call)
    finally:
        model.train(training)
    unit = _compiler.Unit(module_name or "trainer")
    rates = {f"update.{r}": trainer.update.get_buffer(r) for r in trainer.update.rates}
    import_programs(unit, programs, rates, Names(trainer.name_of))
    return ExportOutput(unit)


class _Call:
    """Arguments of the functions: names, examples, sizes."""

    def __init__(self, model, loss_fn, args, kwargs, targets, dynamic_shapes):
        forward = inspect.signature(model.forward).bind(*args, **kwargs)
        self.inputs = list(args), dict(kwargs)
        self.targets = list(targets)
        names = _positional_names(forward, len(args))
        self.target_names = _target_names(loss_fn, len(targets), [*names, *kwargs])
        self.input_names = names, list(kwargs)
        self.shapes = self._by_name(dynamic_shapes)

    def _by_name(self, shapes):
        if isinstance(shapes, (tuple, list)):
            names = [*self.input_names[0], *self.target_names]
            if len(shapes) != len(names):
                raise ValueError(
                    f"dynamic_shapes: expected {len(names)} entries ({', '.join(names)}), "
                    f"found {len(shapes)}"
                )
            return dict(zip(names, shapes))
        return shapes

    def signature(self, with_targets):
        kinds = inspect.Parameter
        names = [*self.input_names[0], *(self.target_names if with_targets else ())]
        parameters = [kinds(n, kinds.POSITIONAL_OR_KEYWORD) for n in names]
        parameters += [kinds(n, kinds.KEYWORD_ONLY) for n in self.input_names[1]]
        return inspect.Signature(parameters)

    def examples(self, with_targets):
        """(args, kwargs, dynamic_shapes) as torch.export takes them."""
        args, kwargs = self.inputs
        args = [*args, *self.targets] if with_targets else args
        shapes = self.shapes
        if shapes is not None:
            names = self.signature(with_targets).parameters
            shapes = {n: shapes.get(n) for n in names}
        return tuple(args), kwargs, shapes


def _positional_names(bound, count):
    """Names of the first arguments; those of *args get a number."""
    names = []
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{name}_{i}" for i in range(len(value))]
        elif kind is not inspect.Parameter.VAR_KEYWORD:
            names.append(name)
    return names[:count]


def _target_names(loss_fn, count, taken):
    try:
        names = list(inspect.signature(loss_fn).parameters)[1 : count + 1]
    except (TypeError, ValueError):
        names = []
    if len(names) < count or set(names) & set(taken):
        names = ["target"] if count == 1 else [f"target_{i}" for i in range(count)]
    return names


class _Trainer(torch.nn.Module):
    """Model, loss and optimizer as one module, whose buffers are the optimizer's state."""

    def __init__(self, model, loss_fn, optimizer, max_grad_norm):
        super().__init__()
        self.model = model
        self.loss_fn, self.max_grad_norm = loss_fn, max_grad_norm
        self.update = _Update(model, optimizer)

    def capture(self, name, call):
        entry = copy.copy(self)
        with_targets = name != "predict"
        entry.forward = lambda *args, **kwargs: self._run(name, call, args, kwargs)
        entry.forward.__signature__ = call.signature(with_targets)
        args, kwargs, shapes = call.examples(with_targets)
        with torch.no_grad(), recording(self.loss_fn):
            return capture(
                entry, args, kwargs, shapes, differentiates=name == "train_step"
            )

    def _run(self, name, call, args, kwargs):
        n = len(call.inputs[0])
        result = self.model(*args[:n], **kwargs)
        if name == "predict":
            return result
        loss = self.loss_fn(result, *args[n:])
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise ValueError(
                f"loss_fn: expected a tensor of one number, found {loss!r}"
            )
        if name == "train_step":
            loss.backward()
            if self.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(
                    self.update.parameters_now(), self.max_grad_norm, foreach=False
                )
            self.update()
        return loss

    def name_of(self, target):
        """Name of a global: the model's own names, "optimizer." before the rest."""
        if target.startswith("model."):
            return target.removeprefix("model.")
        # Numbers that code makes tensors of (Rprop's step sizes) are named by torch.export.
        return self.update.names.get(target.removeprefix("update."), target)


class _Update(torch.nn.Module):
    """An optimizer's step, on the parameters that the model has while it is traced."""

    def __init__(self, model, optimizer):
        super().__init__()
        _check(optimizer)
        self._model = [model]  # not a submodule
        self._optimizer = optimizer
        names = {id(p): n for n, p in model.named_parameters()}
        self.paths = []  # by group: names of the parameters
        for group in optimizer.param_groups:
            for p in group["params"]:
                if id(p) not in names:
                    raise ValueError(
                        "the optimizer holds a tensor that is no parameter of the model"
                    )
            self.paths.append(
                [names[id(p)] for p in group["params"] if p.requires_grad]
            )
        self.names = {}  # buffer -> name of the global
        self.entries = {}  # parameter -> {key: buffer, or a value that stays}
        self._add_rates()
        self._add_state(_initial_state(model, optimizer, self.paths))

    def _add(self, name, value):
        buffer = name.replace(".", "__")
        if value.dim() == 0 and value.is_floating_point():
            value = value.double()  # counts and rates, as exact as Python's numbers
        self.register_buffer(buffer, value.detach().clone())
        self.names[buffer] = f"optimizer.{name}"
        return buffer

    def _add_rates(self):
        self.rates = []
        for i, group in enumerate(self._optimizer.param_groups):
            name = "lr" if i == 0 else f"lr.{i}"
            lr = torch.as_tensor(group["lr"], dtype=torch.float64)
            self.rates.append(self._add(name, lr))

    def _add_state(self, state):
        for path, values in state.items():
            entry = self.entries[path] = {}
            for key, value in values.items():
                is_tensor = isinstance(value, torch.Tensor)
                entry[key] = self._add(f"{path}.{key}", value) if is_tensor else value

    def parameters_now(self):
        return [_parameter(self._model[0], n) for group in self.paths for n in group]

    def forward(self):
        optimizer = copy.copy(self._optimizer)
        optimizer.param_groups, optimizer.state = [], {}
        for group, rate, paths in zip(
            self._optimizer.param_groups, self.rates, self.paths, strict=True
        ):
            params = [_parameter(self._model[0], n) for n in paths]
            options = _plain_options(optimizer, group)
            optimizer.param_groups.append(
                {**options, "params": params, "lr": getattr(self, rate)}
            )
            for path, p in zip(paths, params):
                optimizer.state[p] = self._state_of(path)
        with _TensorNumbers():
            optimizer.step()
        for p, path in zip(self.parameters_now(), (n for g in self.paths for n in g)):
            self._keep(path, optimizer.state[p])

    def _state_of(self, path):
        entry = self.entries[path]
        return {
            k: getattr(self, v) if k and _is_name(self, v) else v
            for k, v in entry.items()
        }

    def _keep(self, path, state):
        """State that the step replaced, instead of changing it, goes into the buffers."""
        for key, buffer in self.entries[path].items():
            if _is_name(self, buffer):
                place = getattr(self, buffer)
                if state[key] is not place:
                    with torch.no_grad():
                        place.copy_(state[key])


def _parameter(model, name):
    """What stands for the parameter now; while a module is captured that is a tensor."""
    owner, _, last = name.rpartition(".")
    return getattr(model.get_submodule(owner), last)


def _is_name(module, value):
    return isinstance(value, str) and value in module._buffers


def _check(optimizer):
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer: expected a torch.optim.Optimizer, found {optimizer!r}"
        )
    if isinstance(optimizer, torch.optim.LBFGS):
        raise NotImplementedError("LBFGS evaluates the model as often as it sees fit")
    for group in optimizer.param_groups:
        if group.get("dampening") and group.get("momentum") and not optimizer.state:
            raise NotImplementedError(
                "SGD with dampening: its first step differs from the others; take one "
                "step with the optimizer before exporting"
            )


# What these branch on is a number of the step, unless they are told to compute with it.
_BRANCHING = (torch.optim.RAdam, torch.optim.ASGD)


def _plain_options(optimizer, group):
    """One tensor after the other, in operators that can be traced."""
    options = {k: v for k, v in group.items() if k not in ("params", "lr")}
    for key in ("foreach", "fused", "capturable", "differentiable"):
        if key in options:
            options[key] = False
    if isinstance(optimizer, _BRANCHING):
        options["capturable"] = True
    return options


# ---- the state before the first step ----


class _WritesLittle(TorchDispatchMode):
    """Operators that change a tensor do not, or what it was is remembered: optimizers
    divide by functions of a step count that has been moved on."""

    def __init__(self):
        super().__init__()
        self.before = {}  # id -> (the tensor, its value at the start)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.is_mutable and args and isinstance(args[0], torch.Tensor):
            if args[0].dim() > 0:
                return args[0]
            self.before.setdefault(id(args[0]), (args[0], args[0].clone()))
        return func(*args, **(kwargs or {}))

    def value(self, x):
        return self.before[id(x)][1] if id(x) in self.before else x


def _initial_state(model, optimizer, paths):
    """{parameter: {key: value}}. What a new optimizer's first step would start from is
    what remains of a step that may not change anything."""
    fresh = copy.copy(optimizer)
    fresh.param_groups, fresh.state = [], type(optimizer.state)(dict)
    copies = {}
    for group, names in zip(optimizer.param_groups, paths):
        params = []
        for name in names:
            original = _parameter(model, name)
            p = torch.nn.Parameter(original.detach().clone())
            p.grad = torch.zeros_like(p)
            copies[name] = p
            params.append(p)
            if original in optimizer.state:
                fresh.state[p] = copy.deepcopy(optimizer.state[original])
        options = {**_plain_options(None, group), "lr": group["lr"]}
        if "weight_decay" in options:
            options["weight_decay"] = 0.0  # it would make the gradient more than zero
        fresh.param_groups.append({**options, "params": params})
    with _WritesLittle() as mode:
        fresh.step()
    return {
        name: {k: mode.value(v) for k, v in fresh.state[p].items()}
        for name, p in copies.items()
    }


# ---- numbers that are tensors ----


class _TensorNumbers(TorchFunctionMode):
    """Lets optimizers compute with step counts and rates that are tensors of rank 0.

    PyTorch takes a number for `alpha` and `value`; here they are known at run time only.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        factor = kwargs.get("alpha", kwargs.get("value"))
        if isinstance(factor, torch.Tensor) and name in _SPELLED:
            rest = {k: v for k, v in kwargs.items() if k not in ("alpha", "value")}
            return _SPELLED[name](factor, *args, **rest)
        return func(*args, **kwargs)


_SPELLED = {
    "add": lambda f, x, other: x.add(other * f),
    "add_": lambda f, x, other: x.add_(other * f),
    "sub_": lambda f, x, other: x.sub_(other * f),
    "addcmul_": lambda f, x, a, b: x.add_(a * b * f),
    "addcdiv_": lambda f, x, a, b: x.add_(a / b * f),
}
