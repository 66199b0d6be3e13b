# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes tests/mlir/corpus: text as iree-turbine and the FX importer print it.

    REFENV/bin/python scripts/make_mlir_corpus.py [NAME...]

REFENV is a virtual environment with torch, iree-turbine, iree-base-compiler and
transformers. Weights of more than KEEP elements become one repeated value, so that the
files stay small; paths of the machine are left out.
"""

import pathlib
import re
import sys
import warnings

import torch
from iree.compiler.extras.fx_importer import FxImporter
from iree.turbine import aot
from torch import nn
from torch.export import Dim, export

KEEP = 16
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "mlir" / "corpus"
MAKERS = {}
warnings.filterwarnings("ignore")


def maker(f):
    MAKERS[f.__name__] = f
    return f


# ---- shortening ----


def elements(shape):
    n = 1
    for d in re.findall(r"(\d+)x", shape):
        n *= int(d)
    return n


def splats(text):
    """Large blobs as one value; the blobs that nobody names any more go."""
    kept = set()

    def shorten(m):
        name, shape, dtype = m.groups()
        if elements(shape) <= KEEP:
            kept.add(name)
            return m.group(0)
        value = (
            "0.015625"
            if dtype.startswith(("f", "bf"))
            else "true"
            if dtype == "i1"
            else "1"
        )
        return f"dense<{value}> : tensor<{shape}{dtype}>"

    text = re.sub(
        r"dense_resource<([^>]+)> : tensor<((?:\d+x)*)(complex<\w+>|\w+)>",
        shorten,
        text,
    )
    text = re.sub(
        r"\n {6}([\w.$]+|\"[^\"]*\"): \"0x[0-9A-Fa-f]*\",?",
        lambda m: m.group(0) if m.group(1).strip('"') in kept else "",
        text,
    )
    text = re.sub(r",(\n    \})", r"\1", text)
    if not kept:
        text = re.sub(r"\n\{-#.*?#-\}\n", "", text, flags=re.DOTALL)
    return text


def clean(text):
    text = re.sub(r'"[^"]*/site-packages/', '"', text)
    text = re.sub(r'"[^"]*make_mlir_corpus\.py"', '"model.py"', text)
    return splats(text)


def write(name, op, locations=False, generic=False):
    text = op.get_asm(enable_debug_info=locations, print_generic_op_form=generic)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.mlir").write_text(clean(text).rstrip() + "\n")


def aot_op(module, args, dynamic=None, functional=False):
    with torch.no_grad():
        program = export(module.eval(), args, dynamic_shapes=dynamic)
    if functional:  # no operators that work in place
        program = program.run_decompositions({})
    return aot.export(program).mlir_module


def fx_op(module, args, dynamic=None, symbols=True, decompose=True):
    program = export(module.eval(), args, dynamic_shapes=dynamic)
    if decompose:
        program = program.run_decompositions()
    importer = FxImporter()
    importer.import_program(
        program, func_name="main", import_symbolic_shape_expressions=symbols
    )
    return importer.module_op


# ---- small modules ----


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(8, 16),
            nn.GELU(),
            nn.LayerNorm(16),
            nn.Linear(16, 4),
            nn.Softmax(-1),
        )

    def forward(self, x):
        return self.layers(x)


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, groups=8, padding=1, bias=False),
            nn.SiLU(),
            nn.ConvTranspose2d(8, 4, 2, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 5),
        )

    def forward(self, x):
        return self.body(x)


class Inverted(nn.Module):
    """MobileNetV3's block: expand, filter by channel, squeeze and excite, project."""

    def __init__(self, channels, wide):
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(True),
        )
        self.filter = nn.Sequential(
            nn.Conv2d(wide, wide, 5, padding=2, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(True),
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(True)
        )
        self.excite = nn.Sequential(nn.Conv2d(4, wide, 1), nn.Hardsigmoid())
        self.project = nn.Sequential(
            nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x):
        y = self.filter(self.expand(x))
        return x + self.project(y * self.excite(self.squeeze(y)))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(Inverted(8, 16), Inverted(8, 24))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Shapes(nn.Module):
    """Sizes, and what is computed from them."""

    def forward(self, x, y, n):
        both = torch.cat([x, y], 0)
        halves = torch.split(x, [2, 2], 1)
        flat = y.reshape(y.shape[0] * 2, 2)
        steps = torch.arange(n)
        return both[1:], halves[0] * x.shape[0], flat + 1, steps, both.shape[0] * 2 + 1


class Data(nn.Module):
    """A size that is read from a tensor."""

    def forward(self, x):
        n = x.sum().to(torch.int64).item()
        torch._check(n >= 0)
        torch._check(n < 8)
        return x.new_zeros(n), x * n


class State(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(2, 3))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))

    def forward(self, x):
        self.total.add_(x)
        self.calls.add_(1)
        return self.total * self.weight


class Types(nn.Module):
    """Constants and arguments of every element type."""

    def __init__(self):
        super().__init__()
        self.mask = torch.tensor([[True, False], [False, True]])
        self.bytes = torch.tensor([1, 255], dtype=torch.uint8)
        self.halves = torch.tensor([0.5, -1.5], dtype=torch.float16)
        self.brains = torch.tensor([3.0, float("inf")], dtype=torch.bfloat16)
        self.shorts = torch.tensor([-3, 4], dtype=torch.int16)
        self.small = torch.tensor([-3, 4], dtype=torch.int8)
        self.pairs = torch.tensor([1 + 2j, -1j])

    def forward(self, x, i, b):
        y = torch.where(self.mask & b, x, -float("inf"))
        y = y + self.halves.float() + self.brains.float() + torch.tensor(2.5)
        k = i + self.bytes.int() + self.shorts.int() + self.small.int()
        return y, k, self.pairs.abs() * x.double(), i.to(torch.bool)


class Lists(nn.Module):
    def forward(self, x, i):
        a, b, c = torch.chunk(x, 3, -1)
        values, indices = torch.topk(x, 2)
        picked = x[i, i]
        put = torch.index_put(x, [i, i], picked + 1)
        parts = torch.unbind(x, 0)
        return a + b * c, values, indices, put, parts[1], torch.stack([a, c]).amax(0)


@maker
def linear():
    model, args = nn.Linear(4, 3), (torch.randn(2, 4),)
    write("linear", aot_op(model, args))
    write("linear_generic", aot_op(model, args), generic=True)
    write("linear_locations", fx_op(model, args), locations=True)


@maker
def mlp():
    write("mlp", aot_op(Mlp(), (torch.randn(2, 8),)))
    write("mlp_decomposed", fx_op(Mlp(), (torch.randn(2, 8),)))
    write("mlp_dynamic", aot_op(Mlp(), (torch.randn(2, 8),), ({0: Dim("batch")},)))
    shape = ({0: Dim("batch", min=2, max=64)},)
    write("mlp_symbols", fx_op(Mlp(), (torch.randn(2, 8),), shape), locations=True)


@maker
def conv():
    write("conv", aot_op(ConvNet(), (torch.randn(1, 3, 16, 16),)))
    shape = ({0: Dim("batch")},)
    write("conv_dynamic", fx_op(ConvNet(), (torch.randn(2, 3, 16, 16),), shape))


@maker
def shapes():
    args = (torch.randn(3, 4), torch.randn(5, 4), 7)
    dims = ({0: Dim("a", min=2, max=64)}, {0: Dim("b")}, Dim.DYNAMIC)
    write("shapes", fx_op(Shapes(), args, dims), locations=True)
    write("shapes_generic", fx_op(Shapes(), args, dims), generic=True)
    write("shapes_plain", fx_op(Shapes(), args, dims, symbols=False))
    write("data", fx_op(Data(), (torch.ones(3),)))


@maker
def state():
    program = export(State().eval(), (torch.randn(2, 3),)).run_decompositions({})
    write("state", aot.export(program).mlir_module, locations=True)
    model = State().eval()
    programs = aot.FxProgramsBuilder(model)

    @programs.export_program(name="step", args=(torch.randn(2, 3),))
    def _(module, x):
        return module(x)

    @programs.export_program(name="get", args=())
    def _(module):
        return module.total * 1

    write("functions", aot.export(programs).mlir_module)
    external = nn.Linear(4, 3)
    aot.externalize_module_parameters(external)
    write("external", aot_op(external, (torch.randn(2, 4),)))


@maker
def mutation():
    class Fill(nn.Module):
        def forward(self, x, y):
            x.add_(y)
            return x * 2

    args = (torch.randn(2, 3), torch.randn(2, 3))
    write("mutation", fx_op(Fill(), args))


@maker
def types():
    args = (
        torch.randn(2, 2),
        torch.tensor([1, 2], dtype=torch.int32),
        torch.tensor([True, False]),
    )
    write("types", aot_op(Types(), args))
    write("lists", fx_op(Lists(), (torch.randn(3, 6), torch.tensor([0, 2]))))


class Loop(nn.Module):
    """A loop that reads nothing from outside: the importer knows no other."""

    def forward(self, x):
        def below(i, a):
            return a.sum() < 100

        def body(i, a):
            return i + 1, a * 1.5 + i

        return torch._higher_order_ops.while_loop(below, body, (torch.tensor(0), x))[1]


@maker
def loop():
    write("loop", fx_op(Loop(), (torch.rand(3, 2),)))


# ---- models ----


@maker
def resnet():
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        num_labels=3,
    )
    model = ResNetForImageClassification(config)
    write("resnet", aot_op(model, (torch.randn(1, 3, 32, 32),), functional=True))


@maker
def mobilenet():
    write(
        "mobilenet", aot_op(MobileNet(), (torch.randn(1, 3, 32, 32),), functional=True)
    )


@maker
def vit():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=8,
        num_labels=3,
    )
    write(
        "vit", aot_op(ViTForImageClassification(config), (torch.randn(1, 3, 16, 16),))
    )


@maker
def bert():
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    model = BertModel(config)
    ids = torch.ones(2, 8, dtype=torch.int64)
    write("bert", aot_op(model, (ids, ids)))
    shape = ({0: Dim("batch"), 1: Dim("tokens", max=32)},) * 2
    model.config._attn_implementation = "eager"
    write("bert_dynamic", fx_op(model, (ids, ids), shape), locations=True)


@maker
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    config.use_cache = False
    model = GPT2LMHeadModel(config)
    write("gpt2", aot_op(model, (torch.ones(1, 8, dtype=torch.int64),)))


@maker
def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    config.use_cache = False
    model = LlamaForCausalLM(config)
    write("llama", aot_op(model, (torch.ones(1, 8, dtype=torch.int64),)))


if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        torch.manual_seed(0)
        MAKERS[name]()
