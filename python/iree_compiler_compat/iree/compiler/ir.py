# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`Context`, for scripts that make one and pass it along. There is no MLIR behind it."""


class Context:
    """Holds nothing; may be used in a `with` statement."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None
