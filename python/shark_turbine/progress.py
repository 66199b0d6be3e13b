# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Progress of a compilation on a terminal; nothing where there is none, or for short work."""

import contextlib
import sys
import time

_DELAY = 0.5  # seconds before anything is shown


class _Line:
    """One line on stderr, rewritten in place."""

    def __init__(self, title):
        self.title, self.start, self.shown = title, time.monotonic(), 0.0

    def __call__(self, stage, done, total):
        now = time.monotonic()
        if now - self.start < _DELAY or now - self.shown < 0.1:
            return
        self.shown = now
        part = f" {100 * done // total:3d} %" if total else ""
        sys.stderr.write(f"\r\x1b[K{self.title}: {stage}{part}")
        sys.stderr.flush()

    def close(self):
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


class _Rich:
    """A bar of `rich`, one task per stage."""

    def __init__(self, title):
        self.title, self.start = title, time.monotonic()
        self.bar, self.tasks = None, {}

    def __call__(self, stage, done, total):
        if self.bar is None:
            if time.monotonic() - self.start < _DELAY:
                return
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(f"{self.title}: {stage}", total=total)
        self.bar.update(self.tasks[stage], completed=done, total=total or None)

    def close(self):
        if self.bar is not None:
            self.bar.stop()


@contextlib.contextmanager
def progress(title):
    """Yields a callback for Unit.compile, or None if nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        import rich.progress  # noqa: F401

        shown = _Rich(title)
    except ImportError:
        shown = _Line(title)
    try:
        yield shown
    finally:
        shown.close()
