# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How compile time grows with a model: python -m bench.stress

Writes models of 10, 100, 1000 ... layers as MLIR, compiles each with turbine-compile and
prints the time of every stage, and by how much it grew from one size to the next. A stage
that is linear grows as the layers do.

Layers are all alike but for their weights, so that the time of code generation is that of
one layer and what remains is what graphs cost. `chain` is the worst case of code
generation: every layer's kernels differ.
"""

import argparse
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDE = 16


class Text:
    """Lines of a function of torch-dialect MLIR; `call` names its results."""

    def __init__(self, rows):
        self.rows, self.lines, self.n = rows, [], 0
        self.known = {}

    def name(self):
        self.n += 1
        return f"%v{self.n}"

    def tensor(self, *dims):
        return f"!torch.vtensor<[{','.join(map(str, dims))}],f32>"

    def constant(self, kind, value):
        """torch.constant.int and its like, each once."""
        key = kind, value
        if key not in self.known:
            name = self.known[key] = self.name()
            value = "" if value is None else f" {value}"
            self.lines.append(f"{name} = torch.constant.{kind}{value}")
        return self.known[key], f"!torch.{kind}"

    def int(self, value):
        return self.constant("int", value)

    def list(self, *values):
        values = [v if isinstance(v, tuple) else self.int(v) for v in values]
        name = self.name()
        names, types = (", ".join(x) for x in zip(*values))
        self.lines.append(
            f"{name} = torch.prim.ListConstruct {names} : ({types}) -> !torch.list<int>"
        )
        return name, "!torch.list<int>"

    def weight(self, number, *dims):
        """A constant like no other. (All elements alike would be part of the code.)"""
        name, shape, n = self.name(), "x".join(map(str, dims)), math.prod(dims)
        numbers = [1 / (number + 3), *([0.25, -0.125] * n)][:n]
        data = struct.pack(f"<{n}f", *numbers).hex()
        data = f'dense<"0x{data}"> : tensor<{shape}xf32>'
        self.lines.append(
            f"{name} = torch.vtensor.literal({data}) : {self.tensor(*dims)}"
        )
        return name, self.tensor(*dims)

    def call(self, op, result, *operands):
        name = self.name()
        names, types = (", ".join(x) for x in zip(*operands))
        self.lines.append(f"{name} = torch.aten.{op} {names} : {types} -> {result}")
        return name, result


def linear(t, x, n_in, n_out, number):
    w, b = t.weight(number, n_out, n_in), t.weight(number + 0.5, n_out)
    return t.call("linear", t.tensor(t.rows, n_out), x, w, b)


def transformer(t, x, i):
    """Layer norm, attention of two heads, residual; layer norm, MLP with gelu, residual."""
    heads, size = 2, WIDE // 2
    small = t.tensor(t.rows, WIDE)

    def norm(x):
        w, b = t.weight(i + 0.1, WIDE), t.weight(i + 0.2, WIDE)
        eps, cudnn = t.constant("float", "1.0e-05"), t.constant("bool", "false")
        return t.call("layer_norm", small, x, t.list(WIDE), w, b, eps, cudnn)

    def split(x):
        rows = (
            t.int(t.rows)
            if t.rows != "?"
            else t.call("size.int", "!torch.int", x, t.int(0))
        )
        x = t.call("view", t.tensor(t.rows, heads, size), x, t.list(rows, heads, size))
        moved = t.tensor(heads, t.rows, size)
        return t.call("transpose.int", moved, x, t.int(0), t.int(1)), rows

    h = norm(x)
    (q, rows), (k, _), (v, _) = (
        split(linear(t, h, WIDE, WIDE, i + j)) for j in (1, 2, 3)
    )
    none, no = t.constant("none", None), t.constant("bool", "false")
    y = t.call(
        "scaled_dot_product_attention",
        t.tensor(heads, t.rows, size),
        *(q, k, v, none, t.constant("float", 0.0), no, none, no),
    )
    back = t.tensor(t.rows, heads, size)
    y = t.call("transpose.int", back, y, t.int(0), t.int(1))
    y = t.call("reshape", small, y, t.list(rows, WIDE))
    x = t.call("add.Tensor", small, x, linear(t, y, WIDE, WIDE, i + 4), t.int(1))
    h = linear(t, norm(x), WIDE, 4 * WIDE, i + 5)
    h = t.call("gelu", t.tensor(t.rows, 4 * WIDE), h, t.constant("str", '"none"'))
    return t.call("add.Tensor", small, x, linear(t, h, 4 * WIDE, WIDE, i + 6), t.int(1))


def dense(t, x, i):
    """Every layer's result is used at the very end too: many long lives."""
    y = linear(t, x, WIDE, WIDE, i)
    y = t.call(
        "softmax.int", t.tensor(t.rows, WIDE), y, t.int(1), t.constant("none", None)
    )
    t.kept = [*getattr(t, "kept", []), y]
    return y


def maps(t, x, i):
    """Ten operators that become one kernel, and a sum along the row that ends it."""
    small = t.tensor(t.rows, WIDE)
    for op in ("tanh", "sigmoid", "sin", "neg", "relu", "exp", "cos", "abs", "tanh"):
        x = t.call(op, small, x)
    return t.call("softmax.int", small, x, t.int(1), t.constant("none", None))


def long(t, x, i):
    """Maps only: what would be one kernel of any size."""
    small = t.tensor(t.rows, WIDE)
    for op in ("tanh", "sigmoid", "neg", "sin", "relu"):
        x = t.call(op, small, x)
    return t.call("add.Tensor", small, x, t.weight(i, WIDE), t.int(1))


def chain(t, x, i):
    """No two layers have a kernel in common."""
    wide = 8 + i % 997
    w, b = t.weight(i, wide, WIDE), t.weight(i + 0.5, wide)
    y = t.call("linear", t.tensor(t.rows, wide), x, w, b)
    y = t.call("tanh", t.tensor(t.rows, wide), y)
    return linear(t, y, wide, WIDE, i)


def images(t, x, i):
    """A residual block of convolutions with batch norm."""
    if not getattr(t, "image", None):
        t.image = t.tensor(1, 8, WIDE, WIDE)
        x = t.call("reshape", t.image, x, t.list(1, 8, WIDE, WIDE))
    no, yes = t.constant("bool", "false"), t.constant("bool", "true")
    y = x
    for j in range(2):
        pair, one = t.list(1, 1), t.int(1)
        w, none = t.weight(i + j / 3, 8, 8, 3, 3), t.constant("none", None)
        y = t.call(
            "convolution", t.image, y, w, none, pair, pair, pair, no, t.list(0, 0), one
        )
        s = [t.weight(i + j / 3 + k / 30, 8) for k in range(4)]
        e = t.constant("float", "1.0e-05"), t.constant("float", "0.1")
        y = t.call("batch_norm", t.image, y, *s, no, e[1], e[0], yes)
        y = t.call("relu", t.image, y)
    return t.call("add.Tensor", t.image, x, y, one)


KINDS = {
    "transformer": (transformer, 32),
    "dynamic": (transformer, "?"),
    "dense": (dense, 32),
    "dense-dynamic": (dense, "?"),
    "maps": (maps, 32),
    "images": (images, 128),
    "chain": (chain, 32),
    "long": (long, 32),
}


def model(kind, layers):
    """The text of a module."""
    layer, rows = KINDS[kind]
    t = Text(rows)
    shape = t.tensor(rows, WIDE)
    x = "%x", shape
    for i in range(layers):
        x = layer(t, x, 10 * i)
    for y in getattr(t, "kept", [])[:-1]:
        x = t.call("add.Tensor", shape, x, y, t.int(1))
    body = "\n    ".join(t.lines)
    return (
        f"module @stress {{\n  func.func @main(%x: {shape}) -> {x[1]} {{\n"
        f"    {body}\n    return {x[0]} : {x[1]}\n  }}\n}}\n"
    )


def stages(path, target, threads):
    """CPU milliseconds by stage, and megabytes, from turbine-compile -v."""
    command = [
        str(ROOT / "build" / "tools" / "turbine-compile"),
        "-v",
        f"--target={target}",
        f"--threads={threads}",
        str(path),
        f"-o={path}.vmfb",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"stress: {' '.join(command)}: {done.stderr.strip()}")
    pattern = re.compile(r"^(.+?)\s+(?:.*on CPUs +)?([\d.]+) (ms|MB)$", re.MULTILINE)
    return {name.strip(): float(n) for name, n, _ in pattern.findall(done.stderr)}


def report(kind, sizes, found):
    names = list(dict.fromkeys(n for f in found for n in f))
    print(f"{kind:14}" + "".join(f"{n:>9} layers" for n in sizes))
    for name in names:
        values = [f.get(name, 0.0) for f in found]
        grown = [
            f" x{b / a:<5.1f}" if a >= 0.5 else " " * 7
            for a, b in zip([0, *values], values)
        ]
        print(f"  {name:12}" + "".join(f"{v:9.1f}{g}" for v, g in zip(values, grown)))


def main():
    p = argparse.ArgumentParser(prog="python -m bench.stress", description=__doc__)
    p.add_argument("--kinds", default="transformer,dynamic,dense,maps,images")
    p.add_argument("--layers", default="10,100,1000")
    p.add_argument("--target", default="host")
    p.add_argument("--threads", default=1, type=int)
    p.add_argument("--write", metavar="FILE", help="only write the model, to FILE")
    args = p.parse_args()
    sizes = [int(n) for n in args.layers.split(",")]
    if args.write:
        Path(args.write).write_text(model(args.kinds, sizes[0]))
        return
    for kind in args.kinds.split(","):
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for n in sizes:
                path = Path(folder) / "stress.mlir"
                path.write_text(model(kind, n))
                found.append(stages(path, args.target, args.threads))
                os.remove(path)
        report(kind, sizes, found)


if __name__ == "__main__":
    main()
