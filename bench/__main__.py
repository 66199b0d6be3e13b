# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command line: python3 -m bench, or make bench."""

import argparse
import difflib
import json
import re
import sys
from pathlib import Path

from . import chart, report
from .cache import Cache
from .cases import BY_NAME, CASES
from .driver import Bench, Options, missing_engines
from .engines import ENGINES
from .machine import load, machine, versions

ROOT = Path(__file__).resolve().parent.parent


def numbers(text):
    return tuple(int(t) for t in text.split(","))


def parse():
    p = argparse.ArgumentParser(
        prog="make bench",
        description="Compares every way to run a PyTorch model on a CPU.",
    )
    p.add_argument("--only", metavar="REGEX", help="rows whose name it is found in")
    p.add_argument(
        "--rows", metavar="NAME,...", help="exactly these rows, as --list prints them"
    )
    p.add_argument("--kind", help="operator, model, training; comma list")
    p.add_argument(
        "--engines", default=",".join(ENGINES), help=f"of {', '.join(ENGINES)}"
    )
    p.add_argument(
        "--threads", type=numbers, default="1,2", help="numbers of threads (1,2)"
    )
    p.add_argument("--rounds", type=int, help="rounds of calls (7)")
    p.add_argument("--seconds", type=float, help="of each round and engine (0.3)")
    p.add_argument("--quick", action="store_true", help="3 rounds of 0.1 seconds")
    p.add_argument(
        "--cached",
        action="store_true",
        help="other engines' times from earlier runs where there are any, marked *",
    )
    p.add_argument(
        "--resume",
        action="store_true",
        help="go on with the results file: rows that are there are not measured again",
    )
    p.add_argument(
        "--json", type=Path, help="where results go (build/bench/results.json)"
    )
    p.add_argument("--svg", type=Path, help="where the picture goes")
    p.add_argument(
        "--publish", action="store_true", help="write docs/benchmark.svg; all rows only"
    )
    p.add_argument("--list", action="store_true", help="print the rows and end")
    return p.parse_args()


def chosen_cases(args):
    kinds = args.kind.split(",") if args.kind else ("operator", "model", "training")
    pattern = re.compile(args.only or "", re.IGNORECASE)
    names = [n.strip() for n in args.rows.split(",")] if args.rows else []
    if unknown := [n for n in names if n not in BY_NAME]:
        near = difflib.get_close_matches(unknown[0], BY_NAME, n=1, cutoff=0.3)
        also = f"; did you mean '{near[0]}'?" if near else " (--list shows them)"
        sys.exit(f"bench: no row is named '{unknown[0]}'{also}")
    return [
        c
        for c in CASES
        if c.kind in kinds and pattern.search(c.name) and (not names or c.name in names)
    ]


def chosen_engines(args):
    wanted = args.engines.split(",")
    for name in wanted:
        if name not in ENGINES:
            sys.exit(
                f"bench: no engine is named {name}; there are {', '.join(ENGINES)}"
            )
    missing = missing_engines()
    for name in wanted:
        if name in missing:
            print(f"bench: without {name}: {missing[name]}", file=sys.stderr)
    return tuple(n for n in wanted if n not in missing)


def progress():
    """Says on a terminal what is being done; nothing in a pipe."""
    if not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(
        f"\r\033[K{text} ...", end="\r", file=sys.stderr, flush=True
    )


def as_json(row):
    c = row.case
    return {
        "case": c.name,
        "kind": c.kind,
        "threads": row.threads,
        "flops": c.flops,
        "moved": c.moved,
        "engines": row.engines,
        "roof": row.roof,
    }


def measure(args, cases, results):
    options = Options(
        threads=args.threads,
        engines=chosen_engines(args),
        rounds=args.rounds or (3 if args.quick else 7),
        seconds=args.seconds or (0.1 if args.quick else 0.3),
        say=progress(),
    )
    if args.cached:
        path = ROOT / "build" / "bench" / "cache.json"
        options.cache = Cache(path, results["machine"], results["versions"])
    results["options"] = {
        "engines": options.engines,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "cached": args.cached,
    }
    if args.resume:
        go_on(results_path(args), results, cases, options.threads)
    columns = report.Columns(tuple(results["options"]["engines"]))
    print(columns.head(), flush=True)
    for row in results["rows"]:
        print(columns.row(row))
    there = {r["case"] for r in results["rows"]}
    for row in Bench(options).rows([c for c in cases if c.name not in there]):
        results["rows"].append(as_json(row))
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(columns.row(results["rows"][-1]), flush=True)
        results["load"][1:] = [load()]
        write(args, results)  # what is known so far, should the rest fail


def results_path(args):
    return args.json or ROOT / "build" / "bench" / "results.json"


def go_on(path, results, cases, threads):
    """Takes the rows of an earlier run that was of the same machine, versions and rounds, as
    far as they are of these cases and there for all numbers of threads. Engines may differ."""
    if not path.exists():
        return
    before = json.loads(path.read_text())
    own, earlier = results["options"], before["options"]
    for what, a, b in [
        ("machine", results["machine"], before["machine"]),
        ("versions", results["versions"], before["versions"]),
        *((n, own[n], earlier[n]) for n in ("rounds", "seconds", "cached")),
    ]:
        if a != b:
            sys.exit(f"bench: {path} has another '{what}': {b}, now {a}")
    there = {(r["case"], r["threads"]) for r in before["rows"]}
    whole = {c.name for c in cases if all((c.name, t) in there for t in threads)}
    results["rows"] = [
        r for r in before["rows"] if r["case"] in whole and r["threads"] in threads
    ]
    results["load"] = before["load"]
    engines = {*own["engines"], *earlier["engines"]}
    own["engines"] = tuple(n for n in ENGINES if n in engines)


def is_complete(args, results):
    wanted = {(c.name, t) for c in CASES for t in args.threads}
    return wanted == {(r["case"], r["threads"]) for r in results["rows"]}


def write(args, results):
    path = results_path(args)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    return path


def pictures(args, results):
    paths = [args.svg] if args.svg else [ROOT / "build" / "bench" / "benchmark.svg"]
    if args.publish and is_complete(args, results) and not args.cached:
        paths.append(ROOT / "docs" / "benchmark.svg")
    elif args.publish:
        print("bench: not published: that takes all rows, without --cached")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(chart.draw(results))
        print(f"picture: {path}")


def main():
    args = parse()
    cases = chosen_cases(args)
    if args.list:
        print("\n".join(f"{c.kind:9} {c.name}" for c in cases))
        return
    if not cases:
        sys.exit("bench: no row has such a name (--list shows them)")
    results = {
        "machine": machine(),
        "versions": versions(),
        "load": [load()],
        "rows": [],
    }
    try:
        measure(args, cases, results)
    except KeyboardInterrupt:
        print("\nbench: stopped; what follows is what was measured so far")
    if results["rows"]:
        print(report.after_table(results))
        pictures(args, results)
        print(f"results: {write(args, results)}")


if __name__ == "__main__":
    main()
