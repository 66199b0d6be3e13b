# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Parameters as part of the program: packed once, at the price of watching them."""

from .fallback import compile_module


class Frozen:
    """A graph whose parameters are part of the program, as long as they stay the same.

    They are looked at before each call: another tensor or an in-place change of one makes
    a program that takes them as inputs again. (Writes through `.data` are not noticed.)
    """

    def __init__(self, gm, static, options):
        self.gm, self.static, self.options = gm, static, options
        self.frozen = None  # [(position, tensor, version)]
        self.run = None

    def boxed(self, args):
        if self.run is None:
            self.frozen = [(i, args[i], args[i]._version) for i in self.static]
            constants = {i: tensor for i, tensor, _ in self.frozen}
            self.run = compile_module(self.gm, self.options, constants)
        elif self.frozen and any(
            args[i] is not t or t._version != version for i, t, version in self.frozen
        ):
            self.frozen = None
            self.run = compile_module(self.gm, self.options)
        return self.run.boxed(args)
