# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The process an engine lives in: python -m bench.worker ENGINE.

Takes one JSON object a line from standard input and answers each with one. Whatever
libraries print goes to standard error. What it can be asked ("do"):

    reference   {case, folder}           saves inputs and eager's results (engine eager)
    prepare     {case, folder}           compiles ahead of time into the folder
    load        {case, folder, threads}  gets ready to call, checks the results
    run         {seconds}                calls for so long; quantiles of the times
    drop        {}                       forgets what was loaded

The engine `roof` measures the machine instead: load {kind: "f32" or "copy", threads}.
A failure is answered with {"error": the first line of what went wrong}.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

from .cases import BY_NAME
from .engines import ENGINES, Clock, artifact_bytes

MAX_QUANTILES = 200
SHORTEST = 50e-6  # a sample lasts at least so long, in seconds


# ---- memory ----


def _status(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0


def resident_bytes():
    return _status("VmRSS:")


def peak_bytes():
    return _status("VmHWM:")


def reset_peak():
    """The peak counts from now on; false where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


# ---- checking ----


def relative_error(got, want):
    """The largest difference of any result, relative to the largest value of that result;
    None if shapes or dtypes differ."""
    import numpy as np

    if len(got) != len(want):
        return None
    worst = 0.0
    for a, b in zip(got, want):
        a = np.asarray(a)
        if a.shape != b.shape or a.dtype != b.dtype:
            return None
        if b.size:
            scale = max(float(np.abs(b).max()), 1e-30)
            error = float(np.abs(a.astype(np.float64) - b).max()) / scale
            worst = max(worst, error if np.isfinite(error) else float("inf"))
    return worst


def _save(path, arrays):
    import numpy as np

    np.savez(path, *arrays)


def _saved(path):
    import numpy as np

    with np.load(path) as saved:
        return [saved[f"arr_{i}"] for i in range(len(saved.files))]


# ---- timing ----


def sample(call, seconds):
    """Times of single calls (means of batches, where calls are too short for the clock),
    sorted and thinned out; and how many CPUs were busy meanwhile."""
    clock = time.perf_counter
    begin = clock()
    call()
    one = clock() - begin
    if one < seconds:  # that one woke threads and filled caches
        begin = clock()
        call()
        one = clock() - begin
    batch = max(1, int(SHORTEST / max(one, 1e-9)))
    times = []
    begin, busy = clock(), time.process_time()
    end = begin
    while end - begin < seconds or not times:
        start = end
        for _ in range(batch):
            call()
        end = clock()
        times.append((end - start) / batch)
    busy = time.process_time() - busy
    times.sort()
    if len(times) > MAX_QUANTILES:
        step = len(times) / MAX_QUANTILES
        times = [times[int((i + 0.5) * step)] for i in range(MAX_QUANTILES)]
    return times, busy / (end - begin)


# ---- answers ----


class Worker:
    def __init__(self, engine):
        self.name, self.engine = engine, ENGINES[engine]
        self.call = None

    def reference(self, case, folder):
        from . import programs

        case, folder = BY_NAME[case], Path(folder)
        program = programs.build(case)
        _save(folder / "inputs.npz", [t.numpy() for t in program.inputs])
        call, arrays = self.engine.load(case, folder, 1, Clock())
        _save(folder / "wanted.npz", arrays(call()))
        return {"fingerprint": program.fingerprint()}

    def prepare(self, case, folder):
        import torch

        from . import programs

        program = programs.build(BY_NAME[case])
        fingerprint = program.fingerprint()
        reset_peak()
        before, clock = resident_bytes(), Clock()
        with torch.no_grad():
            files = self.engine.prepare(program, Path(folder), clock)
        return {
            "fingerprint": fingerprint,
            "artifact_bytes": artifact_bytes(files),
            "compile_peak_bytes": peak_bytes(),
            "compile_extra_bytes": max(0, peak_bytes() - before),
            **clock.parts,
        }

    def load(self, case, folder, threads):
        folder, clock = Path(folder), Clock()
        self.drop()
        reset_peak()
        self.call, arrays = self.engine.load(BY_NAME[case], folder, threads, clock)
        result = self.call()
        clock("first_s")
        error = relative_error(arrays(result), _saved(folder / "wanted.npz"))
        gc.collect()
        gc.freeze()
        return {"max_error": error, **clock.parts}

    def run(self, seconds):
        times, cpus = sample(self.call, seconds)
        return {"times": times, "cpus": cpus, "peak_bytes": peak_bytes()}

    def drop(self):
        self.call = None
        gc.unfreeze()
        if "torch" in sys.modules:
            import torch

            torch.compiler.reset()
        gc.collect()
        return {}


class Roof:
    """What the machine can do at best, asked in turn as the engines are."""

    def load(self, kind, threads):
        self.kind, self.threads = kind, threads
        return {}

    def run(self, seconds):
        from shark_turbine import _runtime

        return {"rate": _runtime.roof(self.kind, threads=self.threads, seconds=seconds)}

    def drop(self):
        return {}


def first_line(error):
    text = str(error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[0]
    if said.endswith(":") and len(lines) > 1:  # "backend='x' raised:", and then by what
        said = f"{said} {lines[1]}"
    return f"{type(error).__name__}: {said}"


def main(engine):
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Roof() if engine == "roof" else Worker(engine)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = getattr(worker, question.pop("do"))(**question)
        except Exception as error:  # noqa: BLE001, whatever an engine raises is its answer
            answer = {"error": first_line(error)}
        replies.write(json.dumps(answer) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
