# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What coverage.py found, as totals and as docs/op-coverage.md."""

import collections

# From good to bad; coverage_checks.py says what they mean.
ORDER = ("passed", "not captured", "falls back", "error", "wrong", "timeout", "crash")
BAD = ("error", "wrong", "timeout", "crash")
DTYPES = ("float32", "float64", "bfloat16", "float16", "int64", "bool", "complex64")
MODES = ("forward", "backward", "scattered", "dynamic")
SIGNS = {
    "passed": "ok",
    "not captured": "–",
    "falls back": "fallback",
    "error": "**error**",
    "wrong": "**wrong**",
    "timeout": "**timeout**",
    "crash": "**crash**",
    None: "",
}


def worst(statuses):
    """Of several samples; what Dynamo does not capture does not count beside others."""
    known = [s for s in statuses if s]
    if not known:
        return None
    captured = [s for s in known if s != "not captured"]
    return max(captured or known, key=ORDER.index)


class Summary:
    def __init__(self, tasks):
        self.tasks = sorted(tasks, key=lambda t: t["name"])
        self.status = {
            t["name"]: worst(r["status"] for r in t["results"]) for t in tasks
        }
        self.core = self._core()

    def cell(self, task, dtype, mode):
        return worst(
            r["status"]
            for r in task["results"]
            if r["dtype"] == dtype and r["mode"] == mode
        )

    def counts(self):
        return collections.Counter(s for s in self.status.values() if s)

    def bad(self):
        return sum(n for status, n in self.counts().items() if status in BAD)

    def reasons(self, statuses):
        """{reason: names of operators}, the most frequent first."""
        found = collections.defaultdict(set)
        for t in self.tasks:
            for r in t["results"]:
                if r["status"] in statuses:
                    found[r["reason"]].add(t["name"])
        return sorted(found.items(), key=lambda kv: (-len(kv[1]), kv[0]))

    def _core(self):
        """{Core ATen overload: how it is compiled}."""
        import torch
        from shark_turbine.decompositions import default_table, has_row
        from shark_turbine.dynamo.support import _KNOWN
        from shark_turbine.importer import op_name

        seen = set()
        for t in self.tasks:
            for r in t["results"]:
                seen.update(r["ops"])
        table, core = default_table(), {}
        for packet in dir(torch.ops.aten):
            packet = getattr(torch.ops.aten, packet)
            if not isinstance(packet, torch._ops.OpOverloadPacket):
                continue
            for name in packet.overloads():
                op = getattr(packet, name)
                if torch.Tag.core not in op.tags:
                    continue
                if op_name(op) in seen:
                    how = "compiled in a sample"
                elif has_row(op) or op._schema.name in _KNOWN:
                    how = "has a row"
                else:
                    how = "decomposed" if op in table else "missing"
                core[str(op)] = how
        return core

    def text(self, seconds):
        n = self.counts()
        samples = collections.Counter(
            r["status"] for t in self.tasks for r in t["results"] if r["status"]
        )
        captured = sum(n.values()) - n["not captured"]
        lines = [f"{sum(n.values())} operators in {seconds:.0f} s"]
        for status in ORDER:
            lines.append(
                f"  {status:13} {n[status]:4} operators {samples[status]:6} samples"
            )
        share = 100 * n["passed"] / captured if captured else 0
        lines.append(
            f"  {share:.1f} % of the {captured} that can be captured are compiled"
        )
        how = collections.Counter(self.core.values())
        lines.append(f"  Core ATen: {dict(how)}")
        return "\n".join(lines)

    def markdown(self):
        n = self.counts()
        captured = sum(n.values()) - n["not captured"]
        share = 100 * n["passed"] / captured if captured else 0
        how = collections.Counter(self.core.values())
        out = [
            "# Operator coverage",
            "",
            "Written by `make coverage`: PyTorch's own samples (`op_db`) through",
            '`torch.compile(backend="turbine_cpu", fullgraph=True)` in strict mode, against',
            "eager mode. An operator is as good as its worst sample in any dtype and mode:",
            "forward, backward, on tensors that are not contiguous (*scattered*), with open",
            "sizes (*dynamic*).",
            "",
            "| | operators | meaning |",
            "|---|---|---|",
            f"| passed | {n['passed']} | compiled as a whole, results as eager mode's |",
            f"| falls back | {n['falls back']} | not compiled as a whole in every check; "
            "right with fallback |",
            f"| wrong, error, timeout, crash | {self.bad()} | |",
            f"| not captured | {n['not captured']} | Dynamo or AOTAutograd make no graph |",
            "",
            f"{share:.1f} % of the {captured} operators that can be captured are compiled.",
            "",
            f"Core ATen ({len(self.core)} overloads): "
            + ", ".join(f"{v} {k}" for k, v in how.most_common())
            + ".",
            "",
        ]
        lacking = sorted(k for k, v in self.core.items() if v == "missing")
        if lacking:
            out += ["Missing: " + ", ".join(f"`{k}`" for k in lacking) + ".", ""]
        out += self._reasons("Wrong, error, timeout, crash", BAD)
        out += self._reasons("Falls back", ("falls back",))
        out += self._reasons("Not captured", ("not captured",))
        return "\n".join([*out, *self._checks(), *self._table(), ""])

    def _checks(self):
        """What was run: a run may be of a part."""
        out = ["## Checks", "", "Operators, by the worst sample of each check.", ""]
        out += [
            "| dtype | mode | operators | passed | falls back | bad | not captured |"
        ]
        out += ["|---" * 7 + "|"]
        for dtype in DTYPES:
            for mode in MODES:
                n = collections.Counter(self.cell(t, dtype, mode) for t in self.tasks)
                del n[None]
                if not n:
                    continue
                bad = sum(n[s] for s in BAD)
                out.append(
                    f"| {dtype} | {mode} | {sum(n.values())} | {n['passed']} | "
                    f"{n['falls back']} | {bad} | {n['not captured']} |"
                )
        return [*out, ""]

    def _reasons(self, title, statuses):
        found = self.reasons(statuses)
        if not found:
            return []
        out = [f"## {title}", "", "| reason | operators |", "|---|---|"]
        for reason, names in found:
            text = reason.replace("|", "\\|").replace("<", "&lt;")
            out.append(f"| {text} | {', '.join(sorted(names))} |")
        return [*out, ""]

    def _table(self):
        """A row per operator; a dtype's cell is forward / backward."""
        out = [
            "## Operators",
            "",
            "Empty: not run, or the operator does not take it.",
            "",
        ]
        out += ["| operator | " + " | ".join(DTYPES) + " | scattered | dynamic |"]
        out += ["|---" * (len(DTYPES) + 3) + "|"]
        for t in self.tasks:
            cells = []
            for dtype in DTYPES:
                both = [SIGNS[self.cell(t, dtype, m)] for m in ("forward", "backward")]
                cells.append(" / ".join(c for c in both if c))
            for mode in ("scattered", "dynamic"):
                cells.append(
                    SIGNS[worst(r["status"] for r in t["results"] if r["mode"] == mode)]
                )
            out.append(f"| {t['name']} | " + " | ".join(cells) + " |")
        return out
