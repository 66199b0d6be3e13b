# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Asks workers in turn and gathers what they say.

Cases are done in batches: all operator rows together, each model alone. For a batch the
engines that compile ahead do so one after the other; then, for each number of threads, one
process per engine loads a case, and rounds of calls go round the engines, beginning with
another one each time, so that a slow moment of the machine hits all of them. Where rounds
disagree about a row there are more of them. Processes serve all rows of a batch; one that
dies costs its row and is started anew.
"""

import json
import os
import re
import select
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import report
from .engines import ENGINES

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.01  # seconds in which the threads of the engine before go to sleep
SURE = 0.02  # standard error of a row's ratio at which no more rounds are asked for
MOST = 3  # times as many rounds as were asked for, where that is not reached


class EngineError(Exception):
    """What a worker answered instead of a result, or how it ended."""


@dataclass
class Options:
    threads: tuple = (1, 2)
    engines: tuple = tuple(ENGINES)
    rounds: int = 7
    seconds: float = 0.3  # of each round
    patience: float = 1200  # seconds to wait for one answer
    cache: object = None  # cache.Cache, or None
    say: object = print  # progress


@dataclass
class Row:
    case: object
    threads: int
    engines: dict = field(
        default_factory=dict
    )  # name -> what was measured, or an error
    roof: dict = field(default_factory=dict)  # "f32" or "copy" -> rate per second


class Process:
    """A worker. Answers within `patience` seconds or is ended."""

    def __init__(self, engine, threads, scratch, patience):
        environment = ENGINES[engine].environment if engine in ENGINES else ".venv"
        self.engine, self.patience = engine, patience
        self.log = Path(
            tempfile.mkstemp(dir=scratch, prefix=f"{engine}-", suffix=".log")[1]
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [ROOT / environment / "bin" / "python", "-m", "bench.worker", engine],
                cwd=ROOT,
                env=self._variables(threads, scratch),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _variables(self, threads, scratch):
        """Compile times are those of a first time: every process has empty caches."""
        own = tempfile.mkdtemp(dir=scratch, prefix=f"{self.engine}-cache-")
        return dict(
            os.environ,
            OMP_NUM_THREADS=str(threads),
            PYTHONWARNINGS="ignore",
            TORCHINDUCTOR_CACHE_DIR=own,
            XDG_CACHE_HOME=own,
            HF_HUB_OFFLINE="1",
        )

    def ask(self, what, **question):
        line = json.dumps({"do": what, **question}) + "\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer = json.loads(self._line())
        if "error" in answer:
            raise EngineError(answer["error"] + self._diagnostic(answer["error"]))
        return answer

    def _diagnostic(self, error):
        """What a compiler has printed, where its exception only points there."""
        if "diagnostics" not in error:
            return ""
        said = re.findall(r"error: ([^\n]*)", self.log.read_text(errors="replace"))
        return f": {said[-1][:200]}" if said else ""

    def _line(self):
        end, text = time.monotonic() + self.patience, b""
        out = self.process.stdout
        while not text.endswith(b"\n"):
            ready = select.select([out], [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                self.process.kill()
                raise EngineError(f"no answer within {self.patience:.0f} s")
            piece = os.read(out.fileno(), 1 << 16)
            if not piece:
                raise self._ended()
            text += piece
        return text

    def _ended(self):
        code = self.process.wait()
        said = [
            s for s in self.log.read_text(errors="replace").splitlines() if s.strip()
        ]
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return EngineError(f"{how}: {said[-1].strip()}" if said else how)

    def alive(self):
        return self.process.poll() is None

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Pool:
    """The processes of a batch, started when they are first asked, and again if they died."""

    def __init__(self, threads, scratch, patience):
        self.arguments = threads, scratch, patience
        self.processes = {}

    def ask(self, engine, what, **question):
        process = self.processes.get(engine)
        if process is None or not process.alive():
            if process:
                process.close()
            process = self.processes[engine] = Process(engine, *self.arguments)
        return process.ask(what, **question)

    def close(self):
        for process in self.processes.values():
            process.close()
        self.processes = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def batches(cases):
    """Operator rows share processes; models get fresh ones, so that memory can be told."""
    shared = [c for c in cases if c.kind == "operator"]
    return ([shared] if shared else []) + [[c] for c in cases if c.kind != "operator"]


class Bench:
    """Measures batches; `rows` yields a Row as soon as it is complete."""

    def __init__(self, options):
        self.options = options
        self.prepared = {}  # (case, engine) -> answer, or {"error"}
        self.fingerprints = {}

    def rows(self, cases):
        for batch in batches(cases):
            with tempfile.TemporaryDirectory(prefix="turbine-bench-") as scratch:
                self.scratch = Path(scratch)
                self._references(batch)
                self._prepare(batch)
                for threads in self.options.threads:
                    with Pool(threads, scratch, self.options.patience) as pool:
                        for case in batch:
                            yield self._row(pool, case, threads)

    def folder(self, case, part=""):
        path = self.scratch / case.name.replace("/", "_").replace(" ", "_") / part
        path.mkdir(parents=True, exist_ok=True)
        return path

    def engines_of(self, case):
        """Engines that can take this case."""
        training = case.kind == "training"
        return [n for n in self.options.engines if ENGINES[n].trains or not training]

    def known(self, engine, case, threads):
        cache = self.options.cache
        return cache.get(engine, case, threads) if cache else None

    # ---- before calls are timed ----

    def _references(self, batch):
        """Inputs and eager's results, which every engine's are compared with."""
        with Pool(os.cpu_count(), self.scratch, self.options.patience) as pool:
            for case in batch:
                self.options.say(f"{case.name}: inputs and results")
                folder = str(self.folder(case))
                answer = pool.ask("eager", "reference", case=case.name, folder=folder)
                self.fingerprints[case.name] = answer["fingerprint"]

    def _prepare(self, batch):
        for name in self.options.engines:
            if not ENGINES[name].ahead:
                continue
            with Pool(os.cpu_count(), self.scratch, self.options.patience) as pool:
                for case in batch:
                    threads = self.options.threads
                    if name in self.engines_of(case) and not all(
                        self.known(name, case, t) for t in threads
                    ):
                        self.options.say(f"{case.name}: {name} compiles")
                        self.prepared[case.name, name] = self._prepared(
                            pool, case, name
                        )

    def _prepared(self, pool, case, name):
        folder = self.folder(case, name)
        try:
            answer = pool.ask(name, "prepare", case=case.name, folder=str(folder))
        except EngineError as e:
            return {"error": str(e)}
        if answer.pop("fingerprint") != self.fingerprints[case.name]:
            return {"error": "has other weights than eager: versions of torch differ?"}
        for part in ("inputs.npz", "wanted.npz"):
            os.link(self.folder(case) / part, folder / part)
        return answer

    # ---- calls ----

    def _row(self, pool, case, threads):
        row = Row(case, threads)
        running = []
        for name in self.engines_of(case):
            known = self.known(name, case, threads)
            if known:
                row.engines[name] = {**known, "cached": True}
                continue
            row.engines[name] = dict(self.prepared.get((case.name, name), {}))
            if "error" not in row.engines[name] and self._load(pool, row, name):
                running.append(name)
        roof = "f32" if case.flops else "copy" if case.moved else None
        if roof:
            pool.ask("roof", "load", kind=roof, threads=threads)
            running.append("roof")
        self._rounds(pool, row, running, roof)
        for name, process in pool.processes.items():
            if process.alive():
                process.ask("drop")
            if (
                "error" not in row.engines.get(name, {"error": 1})
                and self.options.cache
            ):
                self.options.cache.put(name, case, threads, row.engines[name])
        return row

    def _load(self, pool, row, name):
        ahead = ENGINES[name].ahead
        folder = self.folder(row.case, name if ahead else "")
        self.options.say(f"{row.case.name}, {row.threads} threads: {name} loads")
        place = {"folder": str(folder), "threads": row.threads}
        try:
            answer = pool.ask(name, "load", case=row.case.name, **place)
            row.engines[name].update(answer)
        except EngineError as e:
            row.engines[name] = {"error": str(e)}
        return "error" not in row.engines[name]

    def _rounds(self, pool, row, running, roof):
        o = self.options
        times, cpus, rates = {n: [] for n in running}, {n: [] for n in running}, []
        o.say(f"{row.case.name}, {row.threads} threads: calls")
        for r in range(MOST * o.rounds):
            if r >= o.rounds and self._sure(row, times):
                break
            for name in running[r % len(running) :] + running[: r % len(running)]:
                if "error" in row.engines.get(name, {}):
                    continue
                time.sleep(PAUSE)
                try:
                    got = pool.ask(name, "run", seconds=o.seconds)
                except EngineError as e:
                    row.engines[name] = {"error": str(e)}
                    continue
                if name == "roof":
                    rates.append(got["rate"])
                    continue
                times[name].append(got["times"])
                cpus[name].append(got["cpus"])
                row.engines[name]["peak_bytes"] = got["peak_bytes"]
        if roof:
            row.roof = {roof: statistics.median(rates)}
        for name, rounds in times.items():
            if name != "roof" and "error" not in row.engines[name]:
                row.engines[name].update(summary(rounds, cpus[name]))

    def _sure(self, row, times):
        """Whether more rounds would tell no more about how fast ours is beside the others."""
        engines = {
            n: {"rounds_s": [statistics.median(r) for r in rounds]}
            for n, rounds in times.items()
            if n != "roof" and "error" not in row.engines[n]
        }
        return report.uncertainty({"engines": engines}) <= SURE


def summary(rounds, cpus):
    """What is kept of the rounds' times, which are quantiles: every round counts alike."""
    medians = [statistics.median(r) for r in rounds]
    together = [t for r in rounds for t in r]
    return {
        "median_s": statistics.median(together),
        "rounds_s": medians,
        "least_s": min(together),
        "cpus": statistics.median(cpus),
    }


def missing_engines():
    """Engines whose environment is not there: name -> why."""
    return {
        name: f"{engine.environment} is not there (scripts/setup_bench.sh makes it)"
        for name, engine in ENGINES.items()
        if not (ROOT / engine.environment / "bin" / "python").exists()
    }
