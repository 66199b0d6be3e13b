# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Where in the user's Python an FX node comes from."""

import contextlib
import inspect
import os
import re

import torch

_FRAME = re.compile(
    r'^\s*File "(?P<file>.+?)", line (?P<line>\d+), in (?P<name>.+)$', re.MULTILINE
)
_TORCH = os.path.dirname(torch.__file__) + os.sep


def frame_of(stack_trace):
    """(file, line, function) of the innermost line outside of torch, or None."""
    last = None
    for m in _FRAME.finditer(stack_trace or ""):
        if m["file"].startswith("<"):
            continue  # code that was generated for the capture
        frame = m["file"], int(m["line"]), m["name"]
        if last is None or not m["file"].startswith(_TORCH):
            last = frame
    return last


@contextlib.contextmanager
def recording(*functions):
    """Lines of these functions are recorded while modules are captured. By itself PyTorch
    records those of functions called `forward`."""
    anchors = getattr(torch.fx.proxy, "_STACK_TRACE_ANCHORS", set())
    codes = [getattr(inspect.unwrap(fn), "__code__", None) for fn in functions]
    new = {(c.co_filename, c.co_name) for c in codes if c is not None} - anchors
    anchors |= new
    try:
        yield
    finally:
        anchors -= new


def module_path(node):
    """'layer.0.attention', or '' for the root."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    path = next(reversed(stack.values()))[0]
    # Dynamo spells "L['self'].layer[0]"; torch.export "layer.0".
    path = re.sub(r"^[LG]\['(?:self|fn)'\]\.?|^L__self___?", "", path)
    path = re.sub(r"^[LG]\['([^']*)'\]", r"\1", path)
    path = re.sub(r"\[['\"]?([^'\"\]]*)['\"]?\]", r".\1", path)
    return re.sub(r"(^|\.)_modules\.", r"\1", path).strip(".")


def location_of(node):
    """(file, line, function, module path) for the compiler; None if nothing is known."""
    frame = frame_of(node.meta.get("stack_trace"))
    path = module_path(node)
    if frame is None:
        return ("", 0, "", path) if path else None
    return (*frame, path)
