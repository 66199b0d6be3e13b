# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Regression: training and inference as functions of one file, used without PyTorch.

    python samples/python/regression.py [FOLDER]

`export` needs PyTorch and the compiler, once. `train` needs numpy and the runtime: it
loads the file, takes steps, saves the weights and predicts. The same steps in PyTorch give
the last line.
"""

import pathlib
import sys
import tempfile

import numpy as np

STEPS, SAMPLES = 60, 900


def data(seed=0):
    """Samples of y = x . [1, 2, 3] + 4, with noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(SAMPLES, 3)).astype(np.float32)
    noise = 0.01 * random.normal(size=(SAMPLES, 1)).astype(np.float32)
    return x, x @ np.float32([[1], [2], [3]]) + 4 + noise


def make():
    import torch

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    return model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)


def export(path):
    """Writes train_step(input, target) -> loss, predict(input) and loss(input, target)."""
    import torch
    from shark_turbine import aot

    batch = torch.export.Dim("batch", min=1)
    model, optimizer = make()
    aot.export_training(
        model,
        torch.nn.functional.mse_loss,
        optimizer,
        args=(torch.zeros(8, 3),),
        targets=(torch.zeros(8, 1),),
        dynamic_shapes={"input": {0: batch}, "target": {0: batch}},
    ).compile(path)


def train(path, weights):
    """Losses, and what the trained model says of [1, 1, 1]."""
    import shark_turbine.runtime as rt

    regression = rt.load_vm_flatbuffer_file(path, driver="local-sync")
    x, y = data()
    losses = [float(regression.train_step(x, y)) for _ in range(STEPS)]
    regression.state.save(weights, ["weight", "bias"])  # a .safetensors file
    return losses, float(regression.predict(np.ones((1, 3), np.float32))[0, 0])


def train_in_pytorch():
    import torch

    model, optimizer = make()
    x, y = map(torch.from_numpy, data())
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    temporary = tempfile.TemporaryDirectory()
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else temporary.name)
    path, weights = folder / "regression.vmfb", folder / "regression.safetensors"
    export(path)
    losses, prediction = train(path, weights)
    print(f"loss {losses[0]:.4f} -> {losses[-1]:.6f} in {STEPS} steps")
    print(f"y(1, 1, 1) = {prediction:.3f}")
    print(
        f"{path.stat().st_size} bytes of program, {weights.stat().st_size} of weights"
    )
    theirs = train_in_pytorch()
    print(f"PyTorch: loss {theirs[0]:.4f} -> {theirs[-1]:.6f}")
    np.testing.assert_allclose(losses, theirs, rtol=1e-4, atol=1e-7)


if __name__ == "__main__":
    main()
