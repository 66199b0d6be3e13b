# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the cases run: modules with inputs, the same in every process.

Models come from tests/models/zoo.py. Weights and inputs are random numbers of a fixed seed;
`fingerprint` tells whether two processes really have the same ones.
"""

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))


@dataclass
class Program:
    module: torch.nn.Module
    inputs: tuple
    loss: object = None  # training: loss(module's result) -> scalar

    def fingerprint(self):
        """A number that is the same where weights and inputs are."""
        check = 0
        for t in [*self.module.state_dict().values(), *self.inputs]:
            check = zlib.crc32(_some(t), check)
        return check


def _some(t):
    """Bytes of about a thousand elements."""
    return t.detach().reshape(-1)[:: t.numel() // 997 + 1].numpy().tobytes()


def build(case):
    """The program of a case; it is for inference unless it has a loss."""
    torch.manual_seed(0)
    name, *arguments = case.make
    program = globals()[name](*arguments)
    if program.loss is None:
        program.module.eval().requires_grad_(False)
    return program


def zoo_model(name, index, size="full"):
    import zoo

    model = zoo.build(name, size)
    return Program(model.module, model.inputs[index])


def mlp(batch):
    import zoo

    model = zoo.build("mlp", "full")
    return Program(model.module, (torch.randn(batch, model.inputs[0][0].shape[1]),))


# ---- operators ----


class Product(torch.nn.Module):
    def forward(self, a, b):
        return a @ b


def product(m, n, k, constant):
    """[m, k] times [k, n], the second one a weight or an input."""
    a, b = torch.randn(m, k), torch.randn(k, n) / k**0.5
    if not constant:
        return Program(Product(), (a, b))
    module = torch.nn.Linear(k, n, bias=False)
    module.weight.data = b.T.contiguous()
    return Program(module, (a,))


class Softmax(torch.nn.Module):
    def forward(self, x):
        return torch.softmax(x, -1)


class Chain(torch.nn.Module):
    """Ten maps, one result."""

    def forward(self, x):
        y = F.gelu(x) + torch.tanh(x) * torch.sigmoid(x)
        return torch.log(torch.exp(-y * y) + 1.5)


def softmax(rows, length):
    return Program(Softmax(), (torch.randn(rows, length),))


def layer_norm(rows, length):
    module = torch.nn.LayerNorm(length)
    module.weight.data.normal_()
    module.bias.data.normal_()
    return Program(module, (torch.randn(rows, length),))


def gelu(rows, length):
    return Program(torch.nn.GELU(), (torch.randn(rows, length),))


def chain(rows, length):
    return Program(Chain(), (torch.randn(rows, length),))


class Attention(torch.nn.Module):
    def __init__(self, causal):
        super().__init__()
        self.causal = causal

    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


def attention(length, causal):
    """Twelve heads of 64, as in BERT-base."""
    return Program(
        Attention(causal), tuple(torch.randn(1, 12, length, 64) for _ in range(3))
    )


def layer(n_in, n_out, kernel, pixels, stride, groups):
    """A convolution with what follows it in ResNet and MobileNet."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(
            n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        torch.nn.BatchNorm2d(n_out),
        torch.nn.ReLU6() if groups > 1 else torch.nn.ReLU(),
    )
    module[1].running_mean.normal_(0, 0.1)
    module[1].running_var.uniform_(0.5, 1.5)
    return Program(module, (torch.randn(1, n_in, pixels, pixels),))


# ---- training ----


def _trained(name, size):
    import zoo

    model = zoo.build(name, size)
    # Dropout draws numbers, and those would differ from engine to engine.
    for m in model.module.modules():
        if isinstance(m, torch.nn.Dropout):
            m.p = 0.0
    model.module.train().requires_grad_(True)
    return model


def train_gpt2():
    """4 layers of 256, 5003 words; 4 texts of 64; the loss of the next token."""
    model = _trained("gpt2", "small")
    ids = torch.randint(0, 5003, (4, 64))

    def loss(logits):
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    return Program(model.module, (ids,), loss)


def train_resnet18():
    """4 images of 112x112, 100 classes."""
    model = _trained("resnet18", "full")
    classes = torch.randint(0, 100, (4,))
    return Program(model.module, model.inputs[0], lambda y: F.cross_entropy(y, classes))
