# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Training on a device without Python: what is compiled for samples/native/train.c.

    python models.py FOLDER [--target=host]    objects and headers for train.c
    python models.py --losses=20               losses of PyTorch's own training, for comparison

Two models are exported with their loss and optimizer: a regression over 8 numbers, and a
classifier of 8x8 pictures of digits. Both sides make the same data.
"""

import argparse
import pathlib
import subprocess
import sys

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 32
SEGMENTS = [0x3F, 0x06, 0x5B, 0x4F, 0x66, 0x6D, 0x7D, 0x07, 0x7F, 0x6F]


class Random:
    """train.c has the same: numbers from -1 to 1 that float32 holds exactly."""

    def __init__(self):
        self.state = 1

    def bits(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state >> 8

    def __call__(self):
        return self.bits() * 2.0**-23 - 1


def regression_batch(random):
    """A smooth function of the inputs."""
    x = [[random() for _ in range(8)] for _ in range(BATCH)]
    y = [[0.7 * r[0] - 0.4 * r[1] + 0.5 * r[2] * r[2]] for r in x]
    return torch.tensor(x), torch.tensor(y)


def lit(digit, row, column):
    """Whether a seven-segment digit covers a pixel of an 8x8 picture."""
    s, middle = SEGMENTS[digit], 1 < column < 6
    return bool(
        (s & 1 and row == 0 and middle)
        or (s & 2 and column == 6 and 0 < row < 4)
        or (s & 4 and column == 6 and 3 < row < 7)
        or (s & 8 and row == 7 and middle)
        or (s & 16 and column == 1 and 3 < row < 7)
        or (s & 32 and column == 1 and 0 < row < 4)
        or (s & 64 and row == 3 and middle)
    )


def digits_batch(random):
    """Noisy pictures and what they show."""
    labels, pictures = [], []
    for _ in range(BATCH):
        digit = random.bits() % 10
        labels.append(digit)
        pictures.append(
            [
                0.5 * random() + (1 if lit(digit, r, c) else 0)
                for r in range(8)
                for c in range(8)
            ]
        )
    return torch.tensor(pictures), torch.tensor(labels)


def regression():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 1))
    return model, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def digits():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    return model, F.cross_entropy, torch.optim.AdamW(model.parameters(), lr=0.01)


MODELS = {
    "regression": (regression, regression_batch),
    "digits": (digits, digits_batch),
}


def compile_all(folder, target):
    from shark_turbine import aot

    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, batch) in MODELS.items():
        model, loss, optimizer = make()
        x, y = batch(Random())
        output = aot.export_training(model, loss, optimizer, args=(x,), targets=(y,))
        output.save_mlir(folder / f"{name}.mlir")
        tool = (
            pathlib.Path(__file__).resolve().parents[2] / "build/tools/turbine-compile"
        )
        subprocess.run(
            [tool if tool.exists() else "turbine-compile", folder / f"{name}.mlir"]
            + [f"--target={target}", "--emit=object", "-o", folder / f"{name}.o"],
            check=True,
        )


def losses(steps):
    for name, (make, batch) in MODELS.items():
        model, loss_fn, optimizer = make()
        random = Random()
        for step in range(steps):
            x, y = batch(random)
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            print(f"{name} step {step} loss {loss.item():.6f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--target", default="host")
    parser.add_argument("--losses", type=int, metavar="STEPS")
    options = parser.parse_args()
    if options.losses:
        losses(options.losses)
    elif options.folder:
        compile_all(options.folder, options.target)
    else:
        parser.print_usage(sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
