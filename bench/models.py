# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models side by side: PyTorch eager, our artifact, torch.compile with our backend.

    python bench/models.py [--models minilm,vit] [--threads 1,2] [--json out.json]

Each engine runs in a process of its own, with the weights and inputs of the same seed; all
engines of a case are alive at once and take turns, so that a slow moment of the machine
hits all of them. Printed: the median over all calls, the ratio to eager (above 1 is faster
than eager), the largest difference to eager's result, setup time, size of the artifact and
peak memory of the process.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("eager", "aot", "jit")

# name -> (model of the zoo, which of its inputs)
CASES = {
    "linear": ("linear", 0),
    "mlp 8x1024": ("mlp", 0),
    "minilm 1x128": ("minilm", 1),
    "minilm 8x128": ("minilm", 2),
    "gpt2 1x64": ("gpt2", 1),
    "gpt2 1x128": ("gpt2", 2),
    "llama 1x64": ("llama", 1),
    "llama 1x128": ("llama", 2),
    "vit-b/16": ("vit", 0),
    "resnet50": ("resnet50", 0),
    "mobilenetv2": ("mobilenetv2", 0),
}


# ---- in the worker ----


def peak_bytes():
    """Peak resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def load_zoo(name, size):
    sys.path.insert(0, str(ROOT / "tests" / "models"))
    import zoo

    return zoo.build(name, size)


def prepare(name, size, folder):
    """Saves inputs and the artifact; prints what making it cost."""
    import numpy as np
    import torch

    import shark_turbine.aot as aot

    model = load_zoo(name, size)
    for i, inputs in enumerate(model.inputs):
        np.savez(folder / f"inputs{i}.npz", *[t.numpy() for t in inputs])
    start = time.perf_counter()
    with torch.no_grad():
        output = aot.export(
            model.module, args=model.inputs[0], dynamic_shapes=model.dynamic_shapes
        )
    exported = time.perf_counter()
    path = folder / "model.vmfb"
    output.compile(save_to=str(path))
    reply(
        export_s=exported - start,
        compile_s=time.perf_counter() - exported,
        artifact_bytes=path.stat().st_size,
    )


def make_eager(name, size, index, folder, threads):
    import torch

    torch.set_num_threads(threads)
    model = load_zoo(name, size)
    inputs, module = model.inputs[index], model.module

    def call():
        with torch.no_grad():
            return module(*inputs)

    return call, lambda r: r.numpy()


def make_jit(name, size, index, folder, threads):
    import torch

    torch.set_num_threads(threads)
    model = load_zoo(name, size)
    inputs = model.inputs[index]
    compiled = torch.compile(model.module, backend="turbine_cpu")

    def call():
        with torch.no_grad():
            return compiled(*inputs)

    return call, lambda r: r.numpy()


def make_aot(name, size, index, folder, threads):
    import numpy as np

    import shark_turbine.runtime as rt

    if threads == 1:
        device = rt.get_device("local-sync", cache=False)
    else:
        device = rt.get_device(f"local-task://?workers={threads}", cache=False)
    config = rt.Config(device=device)
    module = rt.VmModule.mmap(config.vm_instance, str(folder / "model.vmfb"))
    main = rt.load_vm_module(module, config).main
    with np.load(folder / f"inputs{index}.npz") as saved:
        arrays = [saved[k] for k in saved.files]
    return lambda: main(*arrays), lambda r: r.to_host()


def reply(**fields):
    print("\n@" + json.dumps(fields), flush=True)


def worker(engine, name, size, index, folder, threads):
    """Serves "count" lines with the times of that many calls, in seconds."""
    import numpy as np

    make = {"eager": make_eager, "aot": make_aot, "jit": make_jit}[engine]
    start = time.perf_counter()
    call, to_numpy = make(name, size, index, folder, threads)
    first = to_numpy(call())
    setup = time.perf_counter() - start
    np.save(folder / f"{engine}.npy", first)
    call()
    reply(setup_s=setup)
    clock = time.perf_counter
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = clock()
            call()
            times.append(clock() - begin)
        reply(times=times, peak_bytes=peak_bytes())


# ---- in the parent ----


class Worker:
    def __init__(self, mode, args, threads):
        env = dict(os.environ, OMP_NUM_THREADS=str(threads), PYTHONWARNINGS="ignore")
        self.process = subprocess.Popen(
            [sys.executable, __file__, f"--{mode}", *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def answer(self):
        """The next reply; an exception with the exit code if the worker died."""
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        raise RuntimeError(f"worker ended with code {self.process.wait()}")

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def run_case(case, size, engines, threads, rounds, seconds, folder):
    import numpy as np

    name, index = CASES[case]
    workers, row = {}, {}
    for engine in engines:
        w = Worker("worker", [engine, name, size, index, folder, threads], threads)
        try:
            row[engine] = w.answer()
            workers[engine] = w
        except RuntimeError as e:
            row[engine] = {"error": str(e)}
    counts, times = {}, {e: [] for e in workers}
    for engine, w in workers.items():  # warm up, and find how many calls fill a round
        w.ask("3")
        one = statistics.median(w.ask("5")["times"])
        counts[engine] = max(1, min(10000, int(seconds / max(one, 1e-9))))
    for r in range(rounds):
        order = list(workers)
        for engine in order[r % len(order) :] + order[: r % len(order)]:
            got = workers[engine].ask(str(counts[engine]))
            times[engine] += got["times"]
            row[engine]["peak_bytes"] = got["peak_bytes"]
    for engine, w in workers.items():
        w.close()
        row[engine]["median_s"] = statistics.median(times[engine])
        row[engine]["p10_s"] = sorted(times[engine])[len(times[engine]) // 10]
        row[engine]["calls"] = len(times[engine])
    if "eager" in workers:
        want = np.load(folder / "eager.npy")
        for engine in workers:
            got = np.load(folder / f"{engine}.npy")
            row[engine]["ratio"] = row["eager"]["median_s"] / row[engine]["median_s"]
            row[engine]["max_error"] = (
                float(np.abs(got - want).max()) if got.shape == want.shape else None
            )
    return row


def table_row(case, threads, engine, r, made):
    if "error" in r:
        return [case, threads, engine, r["error"], "", "", "", "", "", ""]
    is_aot = engine == "aot"
    return [
        case,
        threads,
        engine,
        f"{1e3 * r['median_s']:.4g} ms",
        f"{r['ratio']:.2f}" if "ratio" in r else "",
        f"{r['max_error']:.0e}" if r.get("max_error") is not None else "shape!",
        f"{r['setup_s']:.2f} s",
        f"{made['compile_s']:.2f} s" if is_aot else "",
        f"{made['artifact_bytes'] / 1e6:.1f} MB" if is_aot else "",
        f"{r['peak_bytes'] / 1e6:.0f} MB",
    ]


HEAD = ["model", "threads", "engine", "median", "ratio", "error", "setup", "compile",
        "artifact", "peak"]  # fmt: skip


def print_rows(rows):
    widths = [max(len(str(r[i])) for r in [HEAD, *rows]) for i in range(len(HEAD))]
    for r in [HEAD, *rows]:
        print("  ".join(str(c).rjust(w) if i > 2 else str(c).ljust(w)
                        for i, (c, w) in enumerate(zip(r, widths))))  # fmt: skip


def machine():
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", help="comma list of cases or their first words")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--size", default="full", choices=["tiny", "full"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="per engine and round")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=6)
    parser.add_argument("--prepare", nargs=3)
    args = parser.parse_args()
    if args.worker:
        engine, name, size, index, folder, threads = args.worker
        return worker(engine, name, size, int(index), Path(folder), int(threads))
    if args.prepare:
        name, size, folder = args.prepare
        return prepare(name, size, Path(folder))

    wanted = args.models.split(",") if args.models else list(CASES)
    cases = [c for c in CASES if c in wanted or c.split()[0] in wanted]
    engines = args.engines.split(",")
    results, rows, made = [], [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases:
            name = CASES[case][0]
            folder = Path(scratch) / name
            if name not in made:
                folder.mkdir()
                made[name] = {"compile_s": 0, "artifact_bytes": 0}
                if "aot" in engines:
                    w = Worker("prepare", [name, args.size, folder], os.cpu_count())
                    try:
                        made[name] = w.answer()
                    except RuntimeError as e:
                        made[name]["error"] = str(e)
                    w.close()
            for threads in map(int, args.threads.split(",")):
                if sys.stderr.isatty():
                    print(f"{case}, {threads} threads ...", file=sys.stderr)
                row = run_case(
                    case, args.size, engines, threads, args.rounds, args.seconds, folder
                )
                results.append(
                    {"case": case, "threads": threads, "made": made[name], "engines": row}
                )
                rows += [table_row(case, threads, e, row[e], made[name]) for e in row]
    print_rows(rows)
    if args.json:
        report = {"machine": machine(), "size": args.size, "results": results}
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
