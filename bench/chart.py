# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A picture of results: how fast every engine is beside the fastest that is not ours.

A column per number of threads. Models and training steps have a bar for each engine,
operators a bar for ours and a dot for every other engine. Longer is faster; the line at 1
is the best other engine. `python -m bench.chart results.json picture.svg` draws one.

Plain SVG 1.1; colours follow the reader's light or dark scheme where the viewer says which.
"""

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from . import report

NAMES = {
    "eager": "PyTorch eager",
    "inductor": "TorchInductor",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "iree": "IREE",
    "aot": "Turbine, ahead of time",
    "jit": "Turbine, just in time",
}
COLOURS = {  # as light, on dark
    "aot": ("#d9480f", "#ff7b3d"),
    "jit": ("#f59f6c", "#c2683a"),
    "eager": ("#a9b1ba", "#6b747e"),
    "inductor": ("#6f94c4", "#6f94c4"),
    "onnxruntime": ("#4a9a88", "#4fae9a"),
    "openvino": ("#8a78bd", "#9d8cd0"),
    "iree": ("#bd9a3c", "#cfae55"),
}
PAPER = {
    "ink": ("#1f2328", "#e6edf3"),
    "faint": ("#6e7781", "#8b949e"),
    "grid": ("#d8dee4", "#30363d"),
    "back": ("#ffffff", "#0d1117"),
}
STROKES = {"line": "grid", "one": "faint", "dot": "back", "halo": "back"}

WIDTH, MARGIN, LABELS, GAP = 1120, 24, 176, 40
BAR, BAR_GAP, GROUP_GAP, STRIP = 7, 1, 11, 17


class Svg:
    """Shapes as text; numbers are rounded to a tenth of a pixel."""

    def __init__(self):
        self.parts = []

    def add(self, tag, text=None, **attributes):
        given = "".join(
            f' {k.rstrip("_").replace("_", "-")}="{_number(v)}"'
            for k, v in attributes.items()
        )
        body = f">{escape(text)}</{tag}>" if text is not None else "/>"
        self.parts.append(f"<{tag}{given}{body}")

    def text(self, x, y, text, **attributes):
        self.add("text", text, x=x, y=y, **attributes)

    def bar(self, x, y, width, height, style, about):
        self.parts.append(
            f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(max(width, 1))}"'
            f' height="{height}" rx="1.5" class="{style}"><title>{escape(about)}</title></rect>'
        )

    def dot(self, x, y, style, about):
        self.parts.append(
            f'<circle cx="{_number(x)}" cy="{_number(y)}" r="3.4" class="{style} dot">'
            f"<title>{escape(about)}</title></circle>"
        )

    def render(self, width, height, style):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}"'
            f' viewBox="0 0 {width} {height:.0f}" role="img">\n<style>\n{style}\n</style>\n'
        )
        return head + "\n".join(self.parts) + "\n</svg>\n"


def _number(v):
    return f"{v:.1f}".rstrip("0").rstrip(".") if isinstance(v, float) else str(v)


def _style(dark):
    """Colours as classes: light ones, and dark ones where the reader prefers those. `dark`
    True or False makes a picture of one scheme, for viewers that do not ask."""

    def rules(i):
        lines = [f".{n} {{ fill: {c[i]} }}" for n, c in {**COLOURS, **PAPER}.items()]
        for name, colour in STROKES.items():
            lines.append(f".{name} {{ stroke: {PAPER[colour][i]} }}")
        return "\n".join(lines)

    fonts = (
        "text { font: 12px system-ui, 'Segoe UI', Helvetica, 'DejaVu Sans', sans-serif }\n"
        ".title { font-size: 19px; font-weight: 600 }\n"
        ".section { font-size: 14px; font-weight: 600 }\n"
        ".small { font-size: 10px }\n.tiny { font-size: 8px }\n.strong { font-weight: 600 }\n"
        ".halo { stroke-width: 3px; paint-order: stroke; stroke-linejoin: round }"
    )
    if dark is not None:
        return fonts + "\n" + rules(int(dark))
    return (
        f"{fonts}\n{rules(0)}\n@media (prefers-color-scheme: dark) {{\n{rules(1)}\n}}"
    )


class Chart:
    def __init__(self, results):
        self.svg = Svg()
        found = report.engines_of(results)
        self.engines = sorted(found, key=lambda e: e not in report.OURS)  # ours on top
        self.threads = sorted({r["threads"] for r in results["rows"]})
        self.rows = {(r["case"], r["threads"]): r for r in results["rows"]}
        self.results = results
        n = len(self.threads)
        self.column = (WIDTH - 2 * MARGIN - LABELS - GAP * (n - 1)) / n
        fastest = [1 / r for r in map(self._our_ratio, self.rows.values()) if r]
        self.top = min(
            4.0, max([1.25, *fastest])
        )  # the scale's end; longer bars are cut

    @staticmethod
    def _our_ratio(row):
        return report.ratio(row, report.ours(row))

    def cases(self, *kinds):
        """Names of the rows of these kinds that some number of threads has, in order."""
        rows = self.results["rows"]
        return list(dict.fromkeys(r["case"] for r in rows if r["kind"] in kinds))

    def left(self, i):
        return MARGIN + LABELS + i * (self.column + GAP)

    def length(self, speed):
        return min(speed, self.top) / self.top * self.column

    # ---- parts from top to bottom, each returns where the next one begins ----

    def head(self, y):
        m = self.results["machine"]
        self.svg.text(
            MARGIN, y, "Speed beside the fastest other engine", class_="ink title"
        )
        about = f"{m['cpu']}, {m['cpus']} CPUs, 32-bit floats; longer is faster"
        self.svg.text(MARGIN, y + 20, about, class_="faint")
        x, y = MARGIN, y + 44
        for name in self.engines:
            self.svg.bar(x, y - 9, 10, 10, name, NAMES[name])
            self.svg.text(x + 15, y, NAMES[name], class_="ink")
            x += 30 + 6.6 * len(NAMES[name])
        return y + 34

    def section(self, y, title, height):
        """Heads of the columns and their grids, `height` pixels high."""
        self.svg.text(MARGIN, y, title, class_="ink section")
        for i, threads in enumerate(self.threads):
            x = self.left(i)
            said = "1 thread" if threads == 1 else f"{threads} threads"
            self.svg.text(x, y, said, class_="ink section")
            step = 0.5 if self.top <= 2.5 else 1.0
            for k in range(int(self.top / step) + 1):
                at, value = x + self.length(k * step), k * step
                self._grid_line(at, y + 22, height + 4, value)
                self.svg.text(
                    at, y + 18, f"{value:g}", class_="faint small", text_anchor="middle"
                )
        return y + 30

    def _grid_line(self, x, y, height, value):
        style = "one" if value == 1 else "line"
        dashes = {} if value in (0, 1) else {"stroke_dasharray": "2 3"}
        self.svg.add("line", x1=x, y1=y, x2=x, y2=y + height, class_=style, **dashes)

    def bars(self, y, cases):
        n = len(self.engines)
        high = n * (BAR + BAR_GAP) + GROUP_GAP
        y = self.section(y, "Models", high * len(cases))
        for case in cases:
            middle = y + n * (BAR + BAR_GAP) / 2
            self.svg.text(MARGIN, middle + 4, case, class_="ink")
            for i, threads in enumerate(self.threads):
                if (case, threads) in self.rows:
                    self._group(self.left(i), y, self.rows[case, threads])
            y += high
        return y + 28

    def _group(self, x, y, row):
        seconds = report.best_other(row)[1]
        for name in self.engines:
            cell = row["engines"].get(name)
            if cell and "error" in cell:
                self.svg.text(
                    x + 4, y + BAR, f"{NAMES[name]}: failed", class_="faint tiny"
                )
            elif cell and seconds:
                speed = seconds / cell["median_s"]
                about = (
                    f"{row['case']}, {NAMES[name]}: {report.duration(cell['median_s'])}"
                )
                self.svg.bar(x, y, self.length(speed), BAR, name, about)
                if name == report.ours(row):
                    self._value(x, y + BAR, speed)
            y += BAR + BAR_GAP

    def _value(self, x, y, speed, dots=()):
        """The number behind a bar of ours, clear of dots; inside where the bar fills the
        column."""
        end = self.length(speed)
        for dot in sorted(dots):
            if end - 4 < dot < end + 34:
                end = dot + 3
        inside = end > self.column - 28
        style = "back small strong" if inside else "ink small strong halo"
        anchor = "end" if inside else "start"
        at = x + end + (-4 if inside else 4)
        self.svg.text(at, y + 0.5, f"{speed:.2f}", class_=style, text_anchor=anchor)

    def strips(self, y, cases):
        y = self.section(y, "Operators", STRIP * len(cases))
        for case in cases:
            self.svg.text(MARGIN, y + 10, case, class_="ink")
            for i, threads in enumerate(self.threads):
                if (case, threads) in self.rows:
                    self._strip(self.left(i), y, self.rows[case, threads])
            y += STRIP
        return y + 24

    def _strip(self, x, y, row):
        seconds = report.best_other(row)[1]
        if not seconds:
            return
        others = [report.median(row, e) for e in self.engines if e not in report.OURS]
        dots = [self.length(seconds / t) for t in others if t]
        for name in self.engines:
            time = report.median(row, name)
            if not time or (name in report.OURS and name != report.ours(row)):
                continue
            about = f"{row['case']}, {NAMES[name]}: {report.duration(time)}"
            if name in report.OURS:
                self.svg.bar(x, y + 2, self.length(seconds / time), 9, name, about)
                self._value(x, y + 10, seconds / time, dots)
            else:
                self.svg.dot(x + self.length(seconds / time), y + 6.5, name, about)

    def foot(self, y):
        versions = self.results["versions"]
        shown = ", ".join(f"{k} {v}" for k, v in versions.items())
        self.svg.text(MARGIN, y, shown, class_="faint small")
        o = self.results["options"]
        how = (
            f"Medians of {o['rounds']} rounds of {o['seconds']:g} s for each engine in turn. "
            "A number behind a bar: times as fast as the best other engine."
        )
        self.svg.text(MARGIN, y + 14, how, class_="faint small")
        return y + 34


def draw(results, dark=None):
    """The picture as text."""
    chart = Chart(results)
    y = chart.head(40)
    models, operators = chart.cases("model", "training"), chart.cases("operator")
    if models:
        y = chart.bars(y, models)
    if operators:
        y = chart.strips(y, operators)
    height = chart.foot(y)
    back = f'<rect width="{WIDTH}" height="{height:.0f}" class="back"/>'
    chart.svg.parts.insert(0, back)
    return chart.svg.render(WIDTH, height, _style(dark))


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    scheme = {"light": False, "dark": True}.get(
        sys.argv[3] if len(sys.argv) > 3 else ""
    )
    target.write_text(draw(json.loads(source.read_text()), scheme))
