# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs PyTorch's op_db through torch.compile(backend="turbine_cpu") in strict mode and
writes docs/op-coverage.md.

    coverage.py                         everything, some samples of each operator
    coverage.py --quick                 one sample per check, an eighth of the operators
    coverage.py --op add --op fft.fft   these only; every check is printed
    coverage.py --op add --dtype float32 --mode forward --sample 3 --verbose
    coverage.py --json all.json --rest --dtype int64     goes on where a run has ended
    coverage.py --json all.json --keep --failed wrong    again, what was wrong

Each operator runs in a process of its own choice of `--jobs` workers, with a limit of time
and memory; a worker that dies or hangs is replaced, and the sample that did it is told.
Exit status 1 if anything is wrong, crashes, hangs or raises.
"""

import argparse
import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
MEMORY = 8 << 30  # address space of a worker
SECONDS = 240  # for one operator
QUICK = 8  # --quick takes one operator of so many


# ---- worker ----


def work(channel):
    """Reads tasks (JSON lines) from stdin, writes events to `channel`."""
    import coverage_checks as checks
    import opinfo
    import torch

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    checks.quiet()
    out = os.fdopen(channel, "w", buffering=1)

    def say(**event):
        out.write(json.dumps(event) + "\n")

    say(ready=True)
    for line in sys.stdin:
        task = json.loads(line)
        op = opinfo.op_db[task["op"]]
        for dtype, mode, count in task["checks"]:
            check = checks.Check(dtype, mode, count)

            def tell(sample, check=check):
                say(dtype=check.dtype, mode=check.mode, starts=sample)

            with checks.watch() as seen:
                for sample, status, reason, what in checks.run_check(
                    op, check, task.get("sample"), tell
                ):
                    say(
                        dtype=dtype,
                        mode=mode,
                        sample=sample,
                        status=status,
                        reason=reason,
                        what=what,
                        ops=sorted(seen) if status == checks.PASSED else [],
                    )
                    seen.clear()
        say(done=True)


class Worker:
    """A process that takes one task at a time."""

    def __init__(self):
        self.process = None
        self.task = None
        self.buffer = b""

    def start(self):
        read, write = os.pipe()
        self.log = tempfile.TemporaryFile()
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(TOP / "scripts"), str(TOP / "tests/ops")]
            ),
        }
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(TOP / "scripts" / "coverage.py"),
                "--worker",
                str(write),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            pass_fds=[write],
            env=env,
        )
        os.close(write)
        self.channel, self.buffer = read, b""

    def give(self, task):
        if self.process is None:
            self.start()
        self.task, self.begun, self.at = task, time.monotonic(), None
        message = {k: v for k, v in task.items() if k != "results"}
        self.process.stdin.write((json.dumps(message) + "\n").encode())
        self.process.stdin.flush()

    def events(self):
        """Those that have come; None at the end: the process has died."""
        data = os.read(self.channel, 1 << 16)
        if not data:
            return None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            os.close(self.channel)
            self.log.close()
            self.process = None

    def last_words(self):
        """Why the process has ended, and the last line it wrote."""
        self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()][-1:]
        return ": ".join([crash_text(self.process.returncode), *said])[:200]


def crash_text(code):
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def run(tasks, jobs, seconds, minutes, progress):
    """Runs all tasks; each gets task["results"], a list of events with a status. None is
    begun once so many `minutes` have passed: their lists stay empty."""
    end = time.monotonic() + 60 * minutes
    waiting, workers = list(tasks), [Worker() for _ in range(jobs)]
    selector = selectors.DefaultSelector()

    def next_task(w):
        while waiting and time.monotonic() < end:
            task = waiting.pop(0)
            fresh = w.process is None
            w.give(task)
            if fresh:
                selector.register(w.channel, selectors.EVENT_READ, w)
            return
        w.task = None
        if w.process is not None:
            selector.unregister(w.channel)
            w.stop()

    def lost(w, status, reason):
        """Its process is gone: notes the sample that ran, goes on with the other checks."""
        selector.unregister(w.channel)
        w.stop()
        task, at = w.task, w.at or {}
        task["results"].append(
            dict(
                dtype=at.get("dtype", "float32"),
                mode=at.get("mode", "forward"),
                sample=at.get("starts", -1),
                status=status,
                reason=reason,
                what="",
                ops=[],
            )
        )
        names = [(d, m) for d, m, _ in task["checks"]]
        done = names.index((at["dtype"], at["mode"])) + 1 if at else len(names)
        rest = task["checks"][done:]
        if rest and status != "timeout":
            task["checks"] = rest
            waiting.insert(0, task)
        else:
            progress(task)
        next_task(w)

    for w in workers:
        next_task(w)
    while any(w.process is not None for w in workers):
        for key, _ in selector.select(timeout=1):
            w = key.data
            events = w.events()
            if events is None:
                lost(w, "crash", w.last_words())
                continue
            for event in events:
                if "starts" in event:
                    w.at = event
                elif "status" in event:
                    w.task["results"].append(event)
                elif "done" in event:
                    progress(w.task)
                    next_task(w)
        for w in workers:
            if w.process is not None and time.monotonic() - w.begun > seconds:
                lost(w, "timeout", f"more than {seconds} s")


# ---- front ----


def earlier(path):
    """{operator: results} of a file that --json wrote."""
    if not path or not Path(path).exists():
        return {}
    return {t["name"]: t["results"] for t in json.loads(Path(path).read_text())}


def merged(tasks, known):
    """Tasks with the earlier results of checks and operators that were not run again."""
    out, ran = [], {}
    for t in tasks:
        ran[t["name"]] = {(r["dtype"], r["mode"]) for r in t["results"]}
        old = [
            r
            for r in known.get(t["name"], ())
            if (r["dtype"], r["mode"]) not in ran[t["name"]]
        ]
        out.append({**t, "results": [*old, *t["results"]]})
    rest = [name for name in known if name not in ran]
    return out + [{"name": name, "results": known[name]} for name in rest]


def tasks_of(args):
    import coverage_checks as checks
    import opinfo

    tasks, known = [], args.known if args.rest else {}
    for i, op in enumerate(opinfo.op_db):
        name = opinfo.op_id(op)
        if args.op and name not in args.op and op.name not in args.op:
            continue
        if args.quick and not args.op and i % QUICK != args.part % QUICK:
            continue
        plan = checks.first_check(op, checks.plan(1 if args.quick else args.samples))
        done = {(r["dtype"], r["mode"]) for r in known.get(name, ())}
        bad = {
            (r["dtype"], r["mode"])
            for r in args.known.get(name, ())
            if r["status"] in (args.failed or ())
        }
        plan = [
            [c.dtype, c.mode, None if args.sample is not None else c.count]
            for c in plan
            if checks.wanted(op, c)
            and (not args.dtype or c.dtype in args.dtype)
            and (not args.mode or c.mode in args.mode)
            and (c.dtype, c.mode) not in done
            and (not args.failed or (c.dtype, c.mode) in bad)
        ]
        tasks.append(
            {
                "op": i,
                "name": name,
                "checks": plan,
                "sample": args.sample,
                "results": [],
            }
        )
    return tasks


def show(task, verbose):
    for r in task["results"]:
        if verbose or r["status"] not in ("passed", None):
            place = f"{r['dtype']} {r['mode']} {r['sample']}"
            print(f"{task['name']} {place}: {r['status']} {r['reason']}  [{r['what']}]")


def parse():
    p = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    p.add_argument("--op", action="append", help="as 'add' or 'softmax.with_dtype'")
    p.add_argument("--dtype", action="append")
    p.add_argument("--mode", action="append", help="forward backward scattered dynamic")
    p.add_argument("--sample", type=int, help="the number that a report names")
    p.add_argument("--samples", type=int, default=6, help="of each operator; 0: all")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--part", type=int, default=0, help="which eighth --quick takes")
    p.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8))
    p.add_argument(
        "--seconds", type=int, default=SECONDS, help="limit for one operator"
    )
    p.add_argument(
        "--minutes", type=float, default=120, help="begins nothing after them"
    )
    p.add_argument("--verbose", action="store_true", help="also what passes")
    p.add_argument("--json", help="writes all results there")
    p.add_argument(
        "--keep", action="store_true", help="keeps its results of other checks"
    )
    p.add_argument(
        "--rest", action="store_true", help="runs only checks it does not have"
    )
    p.add_argument("--failed", action="append", help="checks it has so: 'falls back'")
    p.add_argument("--report", help="writes the report there")
    p.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    args.samples = args.samples or None
    return args


def main():
    args = parse()
    if args.worker is not None:
        work(args.worker)
        return 0
    import coverage_report as report

    args.known = earlier(args.json) if args.keep or args.rest or args.failed else {}
    tasks, begun = [t for t in tasks_of(args) if t["checks"]], time.monotonic()
    finished = []

    def progress(task):
        finished.append(task)
        if args.op or args.verbose:
            show(task, args.verbose)
        elif sys.stderr.isatty():
            print(
                f"\r{len(finished)}/{len(tasks)} {task['name']:50}",
                end="",
                file=sys.stderr,
            )
        if args.json and len(finished) % 20 == 0:
            Path(args.json).write_text(json.dumps(merged(finished, args.known)))

    run(tasks, args.jobs, args.seconds, args.minutes, progress)
    seconds = time.monotonic() - begun
    tasks = merged(tasks, args.known)
    if args.json:
        Path(args.json).write_text(json.dumps(tasks))
    summary = report.Summary(tasks)
    print(summary.text(seconds))
    if args.report:
        Path(args.report).write_text(summary.markdown())
    return 1 if summary.bad() else 0


if __name__ == "__main__":
    sys.exit(main())
