# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The rows of the benchmark.

A case says how its program is made (a function of programs.py and its arguments), and for
rows that are quoted against the machine's roof what one call has to do: `flops` of a matrix
product, `moved` bytes of a kernel that memory limits (each input read and each result
written once).
"""

from dataclasses import dataclass

F32 = 4  # bytes


@dataclass(frozen=True)
class Case:
    name: str
    kind: str  # "operator", "model" or "training"
    make: tuple  # (function of programs.py, *arguments)
    flops: float = 0
    moved: float = 0


def _operator(name, *make, **roof):
    return Case(name, "operator", make, **roof)


def _model(name, *make):
    return Case(name, "model", ("zoo_model", *make))


def _products():
    for n in (256, 512, 1024, 2048):
        yield _operator(f"matmul {n}", "product", n, n, n, True, flops=2 * n**3)
        yield _operator(f"matmul {n} inputs", "product", n, n, n, False, flops=2 * n**3)
    shapes = [
        (384, 384),
        (1536, 384),
        (384, 1536),
        (768, 768),
        (3072, 768),
        (768, 3072),
    ]
    for m in (1, 8):
        for n, k in [*shapes, (4096, 4096)]:
            name = f"matmul {m}x{n}x{k}"
            yield _operator(name, "product", m, n, k, True, flops=2 * m * n * k)


def _rows():
    """Softmax, layer norm, maps: in cache, then from memory to memory."""
    small, large = (1536, 128), (16384, 1024)
    for name, shapes in [
        ("softmax", [small, large]),
        ("layer_norm", [(128, 768), large]),
        ("gelu", [(128, 3072), large]),
        ("chain", [(128, 3072), large]),
    ]:
        for rows, length in shapes:
            moved = 2 * F32 * rows * length if (rows, length) == large else 0
            title = f"{name.replace('_', ' ')} {rows}x{length}"
            yield _operator(title, name, rows, length, moved=moved)


def _attention():
    for length in (128, 512, 2048):
        yield _operator(f"attention {length}", "attention", length, False)
    yield _operator("attention 512 causal", "attention", 512, True)


def _convolutions():
    # name, channels in and out, kernel, pixels of a side, stride, groups
    for name, n_in, n_out, kernel, pixels, stride, groups in [
        ("7x7 s2 3-64 @224", 3, 64, 7, 224, 2, 1),
        ("3x3 64-64 @56", 64, 64, 3, 56, 1, 1),
        ("3x3 256-256 @14", 256, 256, 3, 14, 1, 1),
        ("3x3 s2 128-128 @56", 128, 128, 3, 56, 2, 1),
        ("1x1 256-64 @56", 256, 64, 1, 56, 1, 1),
        ("1x1 1024-256 @14", 1024, 256, 1, 14, 1, 1),
        ("1x1 16-96 @112", 16, 96, 1, 112, 1, 1),
        ("dw 3x3 s2 96 @112", 96, 96, 3, 112, 2, 96),
        ("dw 3x3 384 @14", 384, 384, 3, 14, 1, 384),
    ]:
        yield _operator(
            f"conv {name}", "layer", n_in, n_out, kernel, pixels, stride, groups
        )


def _models():
    # name, model of tests/models/zoo.py, which of its inputs
    yield _model("MiniLM 1x128", "minilm", 1)
    yield _model("MiniLM 8x128", "minilm", 2)
    yield _model("BERT-base 1x128", "bert", 1)
    yield _model("GPT-2 prefill 128", "gpt2", 2)
    yield _model("GPT-2 decode", "gpt2_decode", 0)
    yield _model("Llama-8L prefill 128", "llama", 2)
    yield _model("Llama-8L decode", "llama_decode", 0)
    yield _model("ViT-B/16", "vit", 0)
    yield _model("ResNet-50", "resnet50", 0)
    yield _model("MobileNetV2", "mobilenetv2", 0)
    yield _model("ConvNeXt-tiny", "convnext", 0)


def _training():
    yield Case("GPT-2 small step", "training", ("train_gpt2",))
    yield Case("ResNet-18 step", "training", ("train_resnet18",))


CASES = [
    _operator("linear 4-3", "zoo_model", "linear", 0),
    _operator("MLP 1", "mlp", 1),
    _operator("MLP 64", "mlp", 64),
    *_products(),
    *_rows(),
    *_attention(),
    *_convolutions(),
    *_models(),
    *_training(),
]
BY_NAME = {case.name: case for case in CASES}
