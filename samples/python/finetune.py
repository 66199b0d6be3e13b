# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fine-tuning: the last layers of a transformer learn on the device, the rest stays.

    python samples/python/finetune.py

A small encoder reads sequences of tokens and says which of two tokens is the more frequent
one. All but its last layer and its head are frozen: in the compiled file they are constants,
and no gradient is computed for them. Steps are taken without PyTorch; the same steps in
PyTorch give the second column.
"""

import copy

import numpy as np
import shark_turbine.runtime as rt
import torch
from shark_turbine import aot
from torch import nn

VOCABULARY, LENGTH, WIDTH, LAYERS = 16, 24, 64, 2
STEPS, BATCH = 60, 32


class Classifier(nn.Module):
    """Tokens [batch, LENGTH] to scores [batch, 2]."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(LENGTH, WIDTH))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, tokens):
        x = self.embed(tokens) + self.position
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x.mean(1)))


def batches(steps=STEPS, batch=BATCH, seed=0):
    """(tokens, which of the tokens 1 and 2 there is more of)."""
    random = np.random.default_rng(seed)
    for _ in range(steps):
        likely = random.integers(0, 2, (batch, 1))
        favoured = random.random((batch, LENGTH)) < 0.25
        tokens = random.integers(0, VOCABULARY, (batch, LENGTH))
        tokens = np.where(favoured, 1 + likely, tokens)
        more = (tokens == 2).sum(1) > (tokens == 1).sum(1)
        yield tokens, more.astype(np.int64)


def make():
    torch.manual_seed(0)
    model = Classifier()
    for p in model.parameters():
        p.requires_grad_(False)
    for part in (model.layers[-1], model.norm, model.head):
        for p in part.parameters():
            p.requires_grad_(True)
    learning = [p for p in model.parameters() if p.requires_grad]
    return model, torch.optim.AdamW(learning, lr=3e-3)


def export(model, optimizer, **options):
    """An artifact with train_step, predict and loss; the batch is open."""
    batch = torch.export.Dim("batch", min=1)
    tokens, classes = next(batches(1, 4))
    return aot.export_training(
        model,
        nn.functional.cross_entropy,
        optimizer,
        args=(torch.from_numpy(tokens),),
        targets=(torch.from_numpy(classes),),
        dynamic_shapes={"tokens": {0: batch}, "target": {0: batch}},
    ).compile(save_to=None, **options)


def eager_step(model, optimizer, tokens, classes):
    optimizer.zero_grad()
    result = model(torch.from_numpy(tokens))
    loss = nn.functional.cross_entropy(result, torch.from_numpy(classes))
    loss.backward()
    optimizer.step()
    return loss.item()


def main():
    model, optimizer = make()
    eager = copy.deepcopy(model)
    binary = export(model, optimizer, targets=["host"])  # code for this machine alone
    config = rt.Config("local-task")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    classifier = rt.load_vm_module(module, config)

    learning = [p for p in eager.parameters() if p.requires_grad]
    theirs = torch.optim.AdamW(learning, lr=3e-3)
    print("step      loss   PyTorch")
    for step, (tokens, classes) in enumerate(batches()):
        ours = float(classifier.train_step(tokens, classes))
        want = eager_step(eager, theirs, tokens, classes)
        if step % 10 == 0 or step == STEPS - 1:
            print(f"{step:4} {ours:9.5f} {want:9.5f}")
        np.testing.assert_allclose(ours, want, rtol=2e-3, atol=2e-4)
    tokens, classes = next(batches(1, 200, seed=1))
    right = (classifier.predict(tokens).to_host().argmax(1) == classes).mean()
    print(f"{right:.0%} of new sequences right")
    learned = [n for n in classifier.state if not n.startswith("optimizer.")]
    print(f"{len(learned)} of {len(list(eager.parameters()))} parameters learn")


if __name__ == "__main__":
    main()
