# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `torch.compile(mode=, options=)` may say to the backend."""

import dataclasses
import difflib

from .. import _compiler, config

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
DEVICES = ("local-task", "local-sync")


@dataclasses.dataclass(frozen=True)
class Options:
    """`torch.compile(..., options={...})`; defaults are those of shark_turbine.config."""

    device: str = "local-task"  # or "local-sync": kernels run in the calling thread
    targets: tuple = ("host",)  # CPU levels to compile for
    freeze: bool = False  # parameters become part of the program (inference only)
    tune: bool = False  # kernels are chosen by measuring on this machine
    fullgraph: bool = False  # what would run in eager mode is an error
    profile: str | None = None  # where a trace of all calls goes: profile.py
    dump: str | None = None  # stages to print to stderr, as turbine-opt names them

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check(field.name, field.type, getattr(self, field.name))
        object.__setattr__(self, "targets", tuple(self.targets))
        if self.device.partition("://")[0] not in DEVICES:
            raise ValueError(
                f"turbine_cpu: option 'device': expected {' or '.join(DEVICES)}, "
                f"found {self.device!r}"
            )
        for stage in self.dump.split(",") if self.dump else ():
            if stage not in (stages := _compiler.stages()):
                raise ValueError(
                    f"turbine_cpu: option 'dump': no stage is named {stage!r}"
                    f"{_nearest(stage, stages)} (there are {', '.join(stages)})"
                )


def _check(name, kind, value):
    if kind is tuple:
        ok = isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
        wanted = "a list of names"
    elif kind is bool:
        ok, wanted = isinstance(value, bool), "True or False"
    else:
        ok = isinstance(value, str) or (value is None and kind is not str)
        wanted = "text"
    if not ok:
        raise TypeError(
            f"turbine_cpu: option {name!r}: expected {wanted}, found {value!r}"
        )


def _nearest(name, known):
    found = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def of_mode(mode):
    """The options that a mode stands for."""
    tuned = mode is not None and mode.startswith("max-autotune")
    return {"freeze": True, "tune": True} if tuned else {}


def parse(mode=None, options=None):
    """An Options object; ValueError or TypeError if something is not understood."""
    if mode not in (None, *MODES):
        raise ValueError(
            f"turbine_cpu: unknown mode {mode!r}{_nearest(mode, MODES)} "
            f"(there are {', '.join(MODES)})"
        )
    known = [f.name for f in dataclasses.fields(Options)]
    for name in options or {}:
        if name not in known:
            raise ValueError(
                f"turbine_cpu: unknown option {name!r}{_nearest(name, known)} "
                f"(there are {', '.join(sorted(known))})"
            )
    given = {
        "device": config.device,
        "targets": tuple(filter(None, config.targets.split(","))),
        "freeze": config.freeze,
        "tune": config.tune,
        "fullgraph": config.fullgraph,
        "dump": config.dump or None,
    }
    return Options(**{**given, **of_mode(mode), **(options or {})})
