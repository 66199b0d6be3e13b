# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tables, means and roofs from results. `python -m bench.report results.json` prints them, with
--markdown the tables of docs/benchmark.md.

Results are one JSON object: {"machine", "versions", "options", "load", "rows": [...]}; a
row has case, kind, threads, flops, moved, roof {"f32" or "copy": rate per second} and
engines {name: {median_s, rounds_s, ... max_error} or {"error": why}}. Times are in seconds,
memory in bytes. A ratio is an engine's time over that of the fastest engine that is not
ours; below 1 is faster than all of them. Two engines are compared round by round, and the
median of these quotients counts: in a round they meet the same moment of the machine.
"""

import json
import math
import statistics
import sys
from pathlib import Path

OURS = ("aot", "jit")
TOLERANCE = 2e-5  # of results in f32, relative to the largest value

# What we want to reach: the largest ratio of a row and the geometric mean of all.
MEAN_GOAL = 0.85
ROW_GOALS = {"model": 1.0, "training": 1.0, "operator": 1.05}
ROOF_GOALS = {"f32": 0.85, "copy": 0.9}  # f32: square products from 512
TWO_THREADS_GOAL, TWO_THREADS_FROM = 1.85, 10e-3


# ---- numbers of a row ----


def median(row, engine):
    return row["engines"].get(engine, {}).get("median_s")


def quotients(row, engine, other):
    """Of two engines' times, round by round; of their medians where these were not rounds of
    one run."""
    a, b = row["engines"].get(engine, {}), row["engines"].get(other, {})
    same_run = not (a.get("cached") or b.get("cached"))
    if "rounds_s" in a and "rounds_s" in b and same_run:
        return [x / y for x, y in zip(a["rounds_s"], b["rounds_s"])]
    return (
        [a["median_s"] / b["median_s"]] if "median_s" in a and "median_s" in b else []
    )


def against(row, engine):
    """(ratio, name) of the engine not ours beside which this one is slowest, or None."""
    known = [(quotients(row, engine, n), n) for n in row["engines"] if n not in OURS]
    return max(((statistics.median(q), n) for q, n in known if q), default=None)


def best_other(row):
    """(name, seconds) of the fastest engine that is not ours; (None, None) without any."""
    found = against(row, ours(row))
    if found:
        return found[1], median(row, found[1])
    known = [
        (median(row, n), n) for n in row["engines"] if n not in OURS and median(row, n)
    ]
    return (min(known)[1], min(known)[0]) if known else (None, None)


def ratio(row, engine):
    found = against(row, engine)
    return found[0] if found else None


def uncertainty(row):
    """The standard error of our ratio, as a part of it, from how far the rounds differ: half
    of what lies between the ranks n / 2 -+ sqrt(n) / 2, which the median of n values is
    between two times in three, however they are distributed. 0 without a ratio."""
    found = against(row, ours(row))
    if not found:
        return 0.0
    each = sorted(quotients(row, ours(row), found[1]))
    n = len(each)
    ranks = min(round(math.sqrt(n) / 2), (n - 1) // 2)
    low, high = each[(n - 1) // 2 - ranks], each[n // 2 + ranks]
    return (high - low) / 2 / found[0]


def ours(row):
    """The engine of ours that a row is about: the artifact, or the JIT where there is none."""
    return "aot" if "aot" in row["engines"] else "jit"


def roof_share(row, engine):
    """(kind, part of the machine's roof), or None."""
    seconds = median(row, engine)
    for kind, rate in row["roof"].items():
        if seconds and rate:
            return kind, (
                row["flops"] if kind == "f32" else row["moved"]
            ) / seconds / rate
    return None


def geometric_mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def wrong(cell):
    error = cell.get("max_error", 0.0)
    return "median_s" in cell and (error is None or not error <= TOLERANCE)


# ---- text ----


def duration(s):
    if s is None:
        return ""
    units = (("s", 1), ("ms", 1e-3), ("us", 1e-6))
    unit, scale = next((u for u in units if s >= u[1]), units[-1])
    return f"{s / scale:.3g} {unit}" if s / scale < 999.5 else f"{s / scale:.0f} {unit}"


def size(n):
    return (
        "" if n is None else f"{n / 1e6:.3g} MB" if n < 999.5e6 else f"{n / 1e9:.3g} GB"
    )


def cell_text(cell):
    if cell is None:
        return "-"
    if "error" in cell:
        return "failed"
    marks = ("!" if wrong(cell) else "") + ("*" if cell.get("cached") else "")
    return duration(cell["median_s"]) + marks


class Columns:
    """Lines with columns of fixed width, so that they can be printed one by one."""

    def __init__(self, engines):
        self.engines = engines
        mine = [e for e in engines if e in OURS]
        self.heads = [
            "row",
            "thr",
            *engines,
            *(f"{e}/best" for e in mine),
            "best",
            "roof",
        ]
        self.widths = [
            24,
            3,
            *(max(9, len(e)) for e in engines),
            *(8 for _ in mine),
            11,
            9,
        ]

    def only(self, n):
        """Without what follows the first n engines."""
        self.heads, self.widths = self.heads[: 2 + n], self.widths[: 2 + n]
        return self

    def line(self, texts):
        first, *rest = zip(texts, self.widths)
        parts = [first[0].ljust(first[1])] + [t.rjust(w) for t, w in rest]
        return "  ".join(parts).rstrip()

    def head(self):
        return self.line(self.heads)

    def row(self, row):
        mine = [e for e in self.engines if e in OURS]
        ratios = [ratio(row, e) for e in mine]
        share = roof_share(row, ours(row))
        return self.line(
            [
                row["case"],
                str(row["threads"]),
                *(cell_text(row["engines"].get(e)) for e in self.engines),
                *("" if r is None else f"{r:.2f}" for r in ratios),
                best_other(row)[0] or "",
                f"{100 * share[1]:.0f}% {'fma' if share[0] == 'f32' else 'copy'}"
                if share
                else "",
            ]
        )


def engines_of(results):
    """In the order in which they were asked for."""
    wanted = results["options"]["engines"]
    return [e for e in wanted if any(e in r["engines"] for r in results["rows"])]


def table(results):
    columns = Columns(engines_of(results))
    return [columns.head(), *(columns.row(r) for r in results["rows"])]


def means(results):
    """Geometric means of the ratios, by kind of row and number of threads."""
    engines, rows = engines_of(results), results["rows"]
    lines = ["Geometric means of the ratio to the best other engine"]
    columns = Columns(engines).only(len(engines))
    threads = sorted({r["threads"] for r in rows})
    for kind in ("all", "model", "operator", "training"):
        for n in threads:
            chosen = [
                r for r in rows if r["threads"] == n and kind in ("all", r["kind"])
            ]
            if not chosen:
                continue
            values = [geometric_mean([ratio(r, e) for r in chosen]) for e in engines]
            texts = ["" if v is None else f"{v:.3f}" for v in values]
            lines.append(columns.line([f"{kind} rows ({len(chosen)})", str(n), *texts]))
    return lines


def goals(results):
    """Rows of ours that miss what we want to reach."""
    rows, lines = results["rows"], []
    everything = [ratio(r, ours(r)) for r in rows]
    mean = geometric_mean(everything)
    if mean:
        lines.append(f"all rows: geometric mean {mean:.3f} (goal {MEAN_GOAL})")
    for row in rows:
        name, engine = f"{row['case']}, {row['threads']} threads", ours(row)
        r, goal = ratio(row, engine), ROW_GOALS[row["kind"]]
        if r and r > goal:
            sure = f"± {r * uncertainty(row):.2f}"
            lines.append(
                f"{name}: {r:.2f} {sure} times {best_other(row)[0]} (goal {goal})"
            )
        share = roof_share(row, engine)
        square = row["kind"] == "operator" and row["flops"] >= 2 * 512**3
        if share and share[1] < ROOF_GOALS[share[0]] and (share[0] == "copy" or square):
            what = "FMA peak" if share[0] == "f32" else "copy bandwidth"
            lines.append(
                f"{name}: {100 * share[1]:.0f} % of the {what}"
                f" (goal {100 * ROOF_GOALS[share[0]]:.0f} %)"
            )
    return lines + _scaling(rows)


def _scaling(rows):
    lines = []
    single = {r["case"]: r for r in rows if r["threads"] == 1}
    for row in rows:
        one = single.get(row["case"])
        if row["threads"] != 2 or row["kind"] != "model" or one is None:
            continue
        a, b = median(one, ours(row)), median(row, ours(row))
        if a and b and a >= TWO_THREADS_FROM and a / b < TWO_THREADS_GOAL:
            lines.append(
                f"{row['case']}: 2 threads are {a / b:.2f} times as fast as 1"
                f" (goal {TWO_THREADS_GOAL})"
            )
    return lines


def costs(results):
    """Compile time, artifact and memory of every engine, for the first number of threads."""
    lines = []
    threads = results["rows"][0]["threads"] if results["rows"] else 0
    rows = [r for r in results["rows"] if r["threads"] == threads]
    engines = engines_of(results)
    for title, text in [
        ("Compiling, capture not included where it can be told apart", _compile_text),
        ("Artifact", lambda c: size(c.get("artifact_bytes"))),
        ("Peak memory of the process that compiles ahead", _compile_peak_text),
        ("Peak memory of the process that runs", lambda c: size(c.get("peak_bytes"))),
    ]:
        shown = [e for e in engines if any(text(r["engines"].get(e, {})) for r in rows)]
        if not shown:
            continue
        columns = Columns(shown).only(len(shown))
        lines += ["", title, columns.head()]
        for r in rows:
            cells = [text(r["engines"].get(e, {})) for e in shown]
            lines.append(columns.line([r["case"], str(threads), *cells]))
    return lines


def _compile_text(cell):
    return duration(cell.get("compile_s"))


def _compile_peak_text(cell):
    return size(cell.get("compile_peak_bytes"))


def failures(results):
    lines = []
    for row in results["rows"]:
        for engine, cell in row["engines"].items():
            where = f"{row['case']}, {row['threads']} threads, {engine}"
            if "error" in cell:
                lines.append(f"{where}: failed: {cell['error']}")
            elif wrong(cell) and cell["max_error"] is None:
                lines.append(f"{where}: results of other shapes or dtypes than eager's")
            elif wrong(cell):
                lines.append(
                    f"{where}: error {cell['max_error']:.1e}, more than {TOLERANCE:g}"
                )
            if cell.get("cpus", 0) > row["threads"] + 0.2:
                lines.append(f"{where}: kept {cell['cpus']:.1f} CPUs busy")
    return lines


def conditions(results):
    m, v = results["machine"], results["versions"]
    shown = ", ".join(f"{k} {x}" for k, x in v.items())
    o = results["options"]
    lines = [
        f"{m['cpu']}, {m['cpus']} CPUs, {size(m['memory_bytes'])}, {m['system']}",
        shown,
        f"{o['rounds']} rounds of {o['seconds']:g} s",
        f"load average {results['load'][0]} before, {results['load'][-1]} after",
    ]
    roofs = {}
    for row in results["rows"]:
        for kind, rate in row["roof"].items():
            roofs.setdefault((kind, row["threads"]), []).append(rate)
    for (kind, threads), rates in sorted(roofs.items()):
        what = "FMA peak" if kind == "f32" else "copy bandwidth"
        unit = "GFLOP/s" if kind == "f32" else "GB/s"
        low, high = min(rates) / 1e9, max(rates) / 1e9
        lines.append(f"{what}, {threads} threads: {low:.1f} to {high:.1f} {unit}")
    if any(c.get("cached") for r in results["rows"] for c in r["engines"].values()):
        lines.append("* from an earlier run: not a comparison to publish")
    return lines


def after_table(results):
    """Everything that follows the table of times."""
    sections = [means(results)]
    for title, lines in [
        ("Short of the goals", goals(results)),
        ("Faults", failures(results)),
    ]:
        if lines:
            sections.append([title, *("  " + x for x in lines)])
    sections.append(costs(results)[1:])
    sections.append(conditions(results))
    return "\n".join("\n".join(["", *s]) for s in sections)


def markdown(results):
    """Models with training, then operators, a table for each number of threads."""
    lines, number = [], {1: "one thread", 2: "two threads"}
    for kinds, title in ((("model", "training"), ""), (("operator",), "Operators, ")):
        for n in sorted({r["threads"] for r in results["rows"]}):
            rows = [
                r for r in results["rows"] if r["threads"] == n and r["kind"] in kinds
            ]
            asked = [
                e
                for e in results["options"]["engines"]
                if any(median(r, e) for r in rows)
            ]
            heading = title + number.get(n, f"{n} threads")
            lines += [heading[0].upper() + heading[1:] + ":", ""]
            lines.append(f"| row | {' | '.join(asked)} | ours/best |")
            lines.append("|---" * (len(asked) + 2) + "|")
            for r in rows:
                cells = [cell_text(r["engines"].get(e)) for e in asked]
                r_ours = ratio(r, ours(r))
                last = "" if r_ours is None else f"{r_ours:.2f}"
                lines.append(f"| {r['case']} | {' | '.join(cells)} | {last} |")
            lines.append("")
    return lines


if __name__ == "__main__":
    *options, file = sys.argv[1:]
    loaded = json.loads(Path(file).read_text())
    if options == ["--markdown"]:
        print("\n".join(markdown(loaded)))
    else:
        print("\n".join(table(loaded)) + "\n" + after_table(loaded))
