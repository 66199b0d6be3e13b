# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sentence embeddings from a compiled model: tokenizers, numpy and the runtime, no torch.

    python samples/python/embed.py minilm.vmfb tokenizer.json "one sentence" "another"

prints how similar the sentences are (1 = same meaning). `--check FILE.npz` also compares
with embeddings that PyTorch computed (see scripts/demo.py).
"""

import argparse
import sys
import time

import numpy as np
import shark_turbine.runtime as rt
from tokenizers import Tokenizer


def load_model(path, device):
    config = rt.Config(device)
    return rt.load_vm_module(rt.VmModule.mmap(config.vm_instance, path), config)


def tokenize(tokenizer, sentences):
    """Token ids and mask, [n, longest] each."""
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences)
    ids = np.array([e.ids for e in encoded], np.int64)
    mask = np.array([e.attention_mask for e in encoded], np.int64)
    return ids, mask


def print_plain(sentences, similarity):
    for i, sentence in enumerate(sentences):
        row = " ".join(f"{s:6.3f}" for s in similarity[i])
        print(f"{i + 1}: {row}  {sentence}")


def print_table(sentences, similarity):
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return print_plain(sentences, similarity)
    if not sys.stdout.isatty():
        return print_plain(sentences, similarity)
    table = Table(title="How similar the sentences are")
    table.add_column("")
    table.add_column("sentence")
    for i in range(len(sentences)):
        table.add_column(str(i + 1), justify="right")
    for i, sentence in enumerate(sentences):
        cells = []
        for j, s in enumerate(similarity[i]):
            style = "dim" if i == j else "bold green" if s > 0.5 else ""
            cells.append(f"[{style}]{s:.3f}[/]" if style else f"{s:.3f}")
        table.add_row(str(i + 1), sentence, *cells)
    Console().print(table)


def check(model, path, tolerance):
    """Largest differences to the embeddings in an .npz file; exits if too large."""
    worst = 0.0
    with np.load(path) as cases:
        for key in sorted(k[4:] for k in cases.files if k.startswith("ids_")):
            want = cases[f"out_{key}"]
            got = model.main(cases[f"ids_{key}"], cases[f"mask_{key}"]).to_host()
            if got.shape != want.shape or not np.isfinite(got).all():
                sys.exit(
                    f"{key}: expected {want.shape}, found {got.shape} or not finite"
                )
            error = float(np.abs(got - want).max())
            worst = max(worst, error)
            print(f"  batch x length {key:>8}: max abs error {error:.1e}")
    print(f"against PyTorch: max abs error {worst:.1e} (allowed {tolerance:.0e})")
    if worst > tolerance:
        sys.exit("the compiled model differs from PyTorch")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("sentences", nargs="*")
    parser.add_argument("--device", default="local-task")
    parser.add_argument("--check", metavar="FILE.npz")
    parser.add_argument("--tolerance", type=float, default=2e-5)
    args = parser.parse_args()

    start = time.perf_counter()
    model = load_model(args.model, args.device)
    print(f"loaded {args.model} in {1e3 * (time.perf_counter() - start):.1f} ms")
    if args.check:
        check(model, args.check, args.tolerance)
    if args.sentences:
        ids, mask = tokenize(Tokenizer.from_file(args.tokenizer), args.sentences)
        start = time.perf_counter()
        embeddings = model.main(ids, mask).to_host()
        took = time.perf_counter() - start
        print(
            f"embedded {len(args.sentences)} sentences of up to {ids.shape[1]} tokens "
            f"in {1e3 * took:.1f} ms"
        )
        print_table(args.sentences, embeddings @ embeddings.T)
    for name in ("torch", "shark_turbine._compiler"):
        assert name not in sys.modules, f"{name} was imported"


if __name__ == "__main__":
    main()
