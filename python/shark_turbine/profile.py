# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Profiles of compiled programs: torch.compile(..., options={"profile": "trace.json"}).

All programs that name one path are recorded together. The trace (for ui.perfetto.dev) and,
beside it, `trace.json.txt`, a table of what took longest, are written when the process
ends, or by `save`.
"""

import atexit
import os
import warnings

from . import _runtime

_recorders = {}  # absolute path -> (_runtime.Profile, _runtime.Device)


def recorder(path, device):
    """The _runtime.Profile that belongs to a path; None for None."""
    if path is None:
        return None
    path = os.path.abspath(path)
    if path not in _recorders:
        if not _recorders:
            atexit.register(_save_at_exit)
        _recorders[path] = _runtime.Profile(), device
    return _recorders[path][0]


def table(path, rows=0):
    """Text: the slowest places of the models first, at most `rows` of them (0: all)."""
    return _found(path)[0].table(rows)


def reset(path):
    """Forgets what was recorded so far, as after the first, slow calls."""
    _found(path)[0].reset()


def save(path=None):
    """Writes the files of a path, or of all. The machine's roof is measured first, for half
    a second, with as many threads as the calls had. OSError if a file cannot be written."""
    for name in [os.path.abspath(path)] if path else list(_recorders):
        profile, device = _found(name)
        threads = device.workers
        profile.set_roof(
            _runtime.roof("f32", threads, 0.1), _runtime.roof("copy", threads, 0.3)
        )
        for suffix, text in ("", profile.trace()), (".txt", profile.table()):
            with open(name + suffix + ".part", "w", encoding="utf-8") as f:
                f.write(text)
            os.replace(name + suffix + ".part", name + suffix)


def _found(path):
    path = os.path.abspath(path)
    if path not in _recorders:
        raise KeyError(f"nothing was compiled with options={{'profile': {path!r}}}")
    return _recorders[path]


def _save_at_exit():
    for path in _recorders:
        try:
            save(path)
        except OSError as e:
            warnings.warn(f"profile: {path}: {e}", stacklevel=1)
