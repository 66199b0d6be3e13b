# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What AOTAutograd calls, and may keep: in its own cache of traced graphs, and in files
that `torch.compile(...).aot_compile()` makes."""

import functools
import hashlib
import pathlib

import torch

from .. import _compiler, config
from . import shim
from .cache import build_id
from .fallback import warn_of


class Compiled(shim.output_code()):
    """Called with one list of the arguments. Pickles with the bytes of its programs."""

    def __init__(self, run):
        super().__init__()
        self._boxed_call = True  # wrappers copy what the object has, not its class
        self.run = run
        self.boxed = run.boxed

    def __call__(self, args):
        return self.boxed(args)

    __hash__ = object.__hash__

    def __reduce__(self):
        return Compiled, (self.run,)

    def prepare_for_serialization(self):
        pass  # see __reduce__

    def post_compile(self, example_inputs, constants, graph_kwargs):
        """After it came from a cache."""
        warn_of(getattr(self.run, "left_to_eager", ()))

    def set_triton_bundle(self, triton_bundle):
        pass


@functools.cache
def _sources():
    """A hash of what makes programs of graphs, besides the compiler."""
    here = pathlib.Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *here.parent.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def may_be_kept(options, training):
    """Whether AOTAutograd shall look for a graph in its cache, and keep it there. Graphs
    with a backward pass are not: it would have to be compiled before it is known to be
    wanted."""
    if shim.is_bundling():
        return True  # aot_compile
    wanted = config.cache and config.autograd_cache
    return wanted and not (training or options.freeze or options.dump)


def salt(options):
    """What AOTAutograd's own name of a graph says nothing of."""
    parts = (
        build_id().hex(),
        _sources(),
        _compiler.host_level(),
        options,
        torch.get_float32_matmul_precision(),
    )
    return repr(parts)
