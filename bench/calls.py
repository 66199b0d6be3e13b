# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What torch.compile costs besides kernels: python -m bench.calls [overhead|first]

overhead  nanoseconds of one call of the README's Linear, in this thread: eager mode,
          torch.compile with the backends eager, inductor and turbine_cpu, and
          shark_turbine.jit. Rounds of each in turn; the least counts.
first     seconds of CPU of the first call, each in a process of its own, in turn with
          backend="aot_eager"; cold is with an empty cache, warm with a full one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import types

# ---- the models, made in the processes that measure ----


def linear():
    import torch

    class LinearModule(torch.nn.Module):
        def __init__(self, in_features, out_features):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(in_features, out_features))
            self.bias = torch.nn.Parameter(torch.randn(out_features))

        def forward(self, input):
            return (input @ self.weight) + self.bias

    return LinearModule(4, 3), torch.randn(4)


def mlp():
    from torch import nn, randn

    layers = [
        nn.Linear(16, 64),
        nn.ReLU(),
        nn.Linear(64, 64),
        nn.GELU(),
        nn.Linear(64, 10),
    ]
    return nn.Sequential(*layers), randn(8, 16)


def encoder():
    from torch import nn, randn

    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True, dropout=0.0)
    return nn.TransformerEncoder(layer, 12, enable_nested_tensor=False), randn(
        1, 32, 768
    )


MODELS = {"linear": linear, "mlp": mlp, "encoder": encoder}


# ---- calls ----


def _overhead(args):
    import shark_turbine
    import torch

    torch.set_num_threads(1)
    model, x = linear()

    def own():
        """A model with code of its own: TorchDynamo keeps what it compiled by code."""
        other, forward = linear()[0], type(model).forward
        code = forward.__code__.replace()
        type(other).forward = types.FunctionType(code, forward.__globals__)
        return other

    def compiled(backend):
        return torch.compile(own(), backend=backend, dynamic=False)

    with torch.set_grad_enabled(args.grad):
        rows = {
            "eager": model,
            "compile, eager": compiled("eager"),
            "compile, inductor": compiled("inductor"),
            "compile, turbine_cpu": compiled("turbine_cpu"),
            "shark_turbine.jit": shark_turbine.jit(own()),
        }
        if args.no_inductor:
            del rows["compile, inductor"]
        best = dict.fromkeys(rows, float("inf"))
        for run in rows.values():
            for _ in range(20):
                run(x)
        for _ in range(args.rounds):
            for name, run in rows.items():
                begin = time.thread_time_ns()
                for _ in range(args.calls):
                    run(x)
                spent = (time.thread_time_ns() - begin) / args.calls
                best[name] = min(best[name], spent)
    for name, ns in best.items():
        print(f"{name:24}{ns:8.0f} ns   {ns / best['eager']:5.2f} of eager")


# ---- first calls ----


def _first_call(name, backend, mode):
    import torch
    import torch._dynamo  # which anything that compiles imports

    torch.set_num_threads(1)
    model, x = MODELS[name]()
    begin = time.process_time()
    with torch.set_grad_enabled(mode == "train"):
        out = torch.compile(model, backend=backend)(x)
    if mode == "train":
        out.sum().backward()
    print(json.dumps(time.process_time() - begin))


def _measure(name, backend, mode, folder):
    command = [sys.executable, "-m", "bench.calls", "one", name, backend, mode]
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "TURBINE_CACHE_DIR": folder,
            "TORCHINDUCTOR_CACHE_DIR": folder,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _first(args):
    print(f"{'seconds of CPU':24}aot_eager     cold     warm    (more than aot_eager)")
    for name in args.models.split(","):
        for mode in args.modes.split(","):
            found = {"aot_eager": [], "cold": [], "warm": []}
            for _ in range(args.rounds):
                with tempfile.TemporaryDirectory() as folder:
                    for row, times in found.items():
                        backend = "aot_eager" if row == "aot_eager" else "turbine_cpu"
                        times.append(_measure(name, backend, mode, folder))
            base, cold, warm = (statistics.median(t) for t in found.values())
            print(
                f"{name + ', ' + mode:24}{base:9.2f}{cold:9.2f}{warm:9.2f}"
                f"    {cold - base:+.2f} {warm - base:+.2f}",
                flush=True,
            )


def main():
    p = argparse.ArgumentParser(prog="python -m bench.calls")
    commands = p.add_subparsers(dest="what", required=True)
    overhead = commands.add_parser("overhead")
    overhead.add_argument("--rounds", type=int, default=100)
    overhead.add_argument("--calls", type=int, default=200, help="in each round")
    overhead.add_argument("--grad", action="store_true", help="with gradients")
    overhead.add_argument("--no-inductor", action="store_true")
    first = commands.add_parser("first")
    first.add_argument("--rounds", type=int, default=3)
    first.add_argument("--models", default="linear,mlp", help=",".join(MODELS))
    first.add_argument("--modes", default="eval,train")
    one = commands.add_parser("one")
    for name in ("model", "backend", "mode"):
        one.add_argument(name)
    args = p.parse_args()
    if args.what == "one":
        _first_call(args.model, args.backend, args.mode)
    else:
        {"overhead": _overhead, "first": _first}[args.what](args)


if __name__ == "__main__":
    main()
