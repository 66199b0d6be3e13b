# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`shark_turbine.jit`: what torch.compile makes, called without TorchDynamo in between.

The first call with new kinds of arguments is one of torch.compile: it captures, compiles and
runs. What TorchDynamo then has for the function, guards and code, is taken over as a
Specialization (specialized.py), and the next call is C (python/_runtime/direct.c): it binds
the arguments, checks guards and runs the program. Whatever no specialization fits goes
through torch.compile again.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import logging
import operator
import threading
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import torch

from .. import _runtime
from . import shim
from .options import of_mode, parse
from .specialized import capture, remember_guards, specialize

log = logging.getLogger(__name__)
_T = TypeVar("_T", bound=Callable[..., Any])

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
_GLOBAL_HOOKS = tuple(f"_global{name}" for name in _HOOKS)
# What returns the module itself returns the compiled one.
_CHAINED = frozenset(
    ("apply bfloat16 cpu double eval float half requires_grad_ to train type").split()
)


@overload
def jit(
    fn: _T,
    /,
    *,
    dynamic: bool | None = ...,
    mode: str | None = ...,
    options: Mapping[str, Any] | None = ...,
) -> _T: ...


@overload
def jit(
    *,
    dynamic: bool | None = ...,
    mode: str | None = ...,
    options: Mapping[str, Any] | None = ...,
) -> Callable[[_T], _T]: ...


def jit(
    fn: Any = None,
    /,
    *,
    dynamic: bool | None = None,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """A compiled module or function, to be called as the original is.

    `dynamic`, `mode` and `options` are those of `torch.compile(backend="turbine_cpu")`.
    Without a function: a decorator."""
    parse(mode, options)
    if fn is None:
        return lambda fn: jit(fn, dynamic=dynamic, mode=mode, options=options)
    if isinstance(fn, Jitted):
        fn = fn.__wrapped__
    if not callable(fn):
        raise TypeError(f"jit: expected a module or a function, found {fn!r}")
    return Jitted(fn, dynamic, mode, dict(options or {}))


class Jitted(_runtime.Direct):
    """A compiled module or function; else as the original, which is `__wrapped__`."""

    __slots__ = (
        *("__wrapped__", "__weakref__", "_settings", "_slow", "_options"),
        *("_target", "_signature", "_names", "_first", "_seen", "_learning"),
    )

    def __init__(self, wrapped, dynamic, mode, options):
        given = {**of_mode(mode), **options}
        for name, value in {
            "__wrapped__": wrapped,
            "_settings": (dynamic, mode, options),
            "_options": given,
            "_slow": torch.compile(
                wrapped,
                backend=capture,
                dynamic=dynamic,
                options={**given, "guard_filter_fn": remember_guards},
            ),
            "_target": None,
            "_seen": weakref.WeakSet(),  # guards that there is a specialization for
            "_learning": threading.Lock(),
        }.items():
            object.__setattr__(self, name, value)
        self._look_at(wrapped)

    def _look_at(self, wrapped):
        """Finds out whose locals the guards are about, and when a call is unusual."""
        target = shim.function_behind(self._slow)
        first, empty, unchanged = None, (), None
        if isinstance(target, types.MethodType):
            first, target = target.__self__, target.__func__
            if isinstance(wrapped, torch.nn.Module):
                if target is not torch.nn.Module.__call__ or not _is_ordinary(wrapped):
                    return
                target = type(wrapped).forward
                empty = tuple(vars(wrapped)[name] for name in _HOOKS)
                empty += tuple(
                    getattr(torch.nn.modules.module, name) for name in _GLOBAL_HOOKS
                )
                unchanged = (type(wrapped), "forward", target, vars(wrapped))
        if not inspect.isfunction(target):
            return
        code = target.__code__
        if code.co_flags & (
            inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
        ):
            return
        named = code.co_argcount + code.co_kwonlyargcount
        rest = [
            bool(code.co_flags & f)
            for f in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS)
        ]
        names = code.co_varnames[: named + sum(rest)] + code.co_freevars
        defaults = target.__defaults__ or ()
        positional = code.co_varnames[: code.co_argcount]
        by_name = dict(zip(positional[len(positional) - len(defaults) :], defaults))
        by_name.update(target.__kwdefaults__ or {})
        self._watch(
            names,
            code.co_argcount,
            code.co_posonlyargcount,
            named,
            *rest,
            by_name,
            target.__closure__ or (),
            first,
            empty,
            unchanged,
        )
        for name, value in {
            "_signature": inspect.signature(target, follow_wrapped=False),
            "_names": names,
            "_first": first,
            "_target": target,
        }.items():
            object.__setattr__(self, name, value)

    def _miss(self, *args, **kwargs):
        """The slow way; what is compiled in it is kept for the next call."""
        if shim.is_traced((*args, *kwargs.values())):
            return self.__wrapped__(*args, **kwargs)
        out = self._slow(*args, **kwargs)
        if self._target is not None and not torch.compiler.is_compiling():
            try:
                with self._learning:
                    self._learn(args, kwargs)
            except Exception:
                log.debug("jit: no specialization", exc_info=True)
        return out

    def _learn(self, args, kwargs):
        new = [
            e for e in shim.entries_of(self._target.__code__) if e[0] not in self._seen
        ]
        if not new:
            return
        found = self._locals(args, kwargs)
        for guards, code in new:
            if not guards.root.check(found):
                continue  # of other arguments, or another module of this class
            self._seen.add(guards)
            made = specialize(
                guards, code, self._target, self._names, found, self._options
            )
            if made is not None:
                self._specializations.append(made)

    def _locals(self, args, kwargs):
        first = () if self._first is None else (self._first,)
        bound = self._signature.bind(*first, *args, **kwargs)
        bound.apply_defaults()
        cells = zip(self._target.__code__.co_freevars, self._target.__closure__ or ())
        return {**bound.arguments, **{name: c.cell_contents for name, c in cells}}

    # ---- else as the original ----

    def __getattr__(self, name):
        if name == "__wrapped__":  # not there yet
            raise AttributeError(name)
        found = getattr(self.__wrapped__, name)
        if name in _CHAINED and isinstance(self.__wrapped__, torch.nn.Module):
            return _chained(self, found)
        return found

    def __setattr__(self, name, value):
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name):
        delattr(self.__wrapped__, name)

    def __dir__(self):
        return dir(self.__wrapped__)

    def __repr__(self):
        return f"jit({self.__wrapped__!r})"

    def __len__(self):
        return len(self.__wrapped__)

    def __bool__(self):
        return True

    def __getitem__(self, index):
        return self.__wrapped__[index]

    def __iter__(self):
        return iter(self.__wrapped__)

    def __get__(self, instance, owner=None):
        """As a method, if it decorates one."""
        if instance is None or isinstance(self.__wrapped__, torch.nn.Module):
            return self
        return types.MethodType(self, instance)

    def __copy__(self):
        return Jitted(copy.copy(self.__wrapped__), *self._settings)

    def __deepcopy__(self, memo):
        return Jitted(copy.deepcopy(self.__wrapped__, memo), *self._settings)

    def __reduce__(self):
        name = getattr(self.__wrapped__, "__qualname__", None)
        place = getattr(self.__wrapped__, "__module__", None)
        if name is not None and _global(place, name) is self:
            return _global, (place, name)  # a decorated function: found by its name
        return Jitted, (self.__wrapped__, *self._settings)


def _is_ordinary(module):
    """Whether a call of a module is a call of its class's `forward`, hooks aside."""
    kind = type(module)
    return (
        inspect.isfunction(kind.forward)
        and "forward" not in vars(module)
        and kind._call_impl is torch.nn.Module._call_impl
        and kind.__getattribute__ is object.__getattribute__
        and getattr(module, "_compiled_call_impl", None) is None
        and not hasattr(module, "_initialize_hook")  # a lazy one
    )


def _global(place, name):
    try:
        return operator.attrgetter(name)(importlib.import_module(place))
    except (ImportError, AttributeError, TypeError):
        return None


def _chained(jitted, method):
    def call(*args, **kwargs):
        out = method(*args, **kwargs)
        return jitted if out is jitted.__wrapped__ else out

    return call


__all__ = ["Jitted", "jit"]
