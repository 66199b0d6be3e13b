# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Loss curves of small models: compiled training follows eager mode's."""

import copy

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh  # noqa: F401

F = torch.nn.functional
nn = torch.nn


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(8, 32), nn.LayerNorm(32), nn.Linear(32, 3)

    def forward(self, x):
        return self.b(F.gelu(self.norm(self.a(x))))

    @staticmethod
    def batch():
        x = torch.randn(16, 8)
        return x, x[:, :3].argmax(-1)


class Block(nn.Module):
    """Attention and a feed-forward part, normalised before each."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.n1, self.n2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, n, w = x.shape
        parts = (
            self.qkv(self.n1(x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        y = F.scaled_dot_product_attention(*parts, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(b, n, w))
        return x + self.down(F.gelu(self.up(self.n2(x)), approximate="tanh"))


class Gpt(nn.Module):
    """GPT-2's layout with tied embeddings."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(31, 32), nn.Embedding(16, 32)
        self.blocks = nn.Sequential(*[Block(32, 4, True) for _ in range(2)])
        self.norm = nn.LayerNorm(32)

    def forward(self, ids):
        x = self.tokens(ids) + self.places(torch.arange(ids.shape[1]))
        return (self.norm(self.blocks(x)) @ self.tokens.weight.t()).transpose(1, 2)

    @staticmethod
    def batch():
        ids = torch.randint(0, 31, (4, 1)) + torch.arange(13)
        return ids[:, :-1] % 31, ids[:, 1:] % 31


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, stride=4)
        self.first = nn.Parameter(torch.zeros(1, 1, 32))
        self.places = nn.Parameter(torch.randn(1, 17, 32) * 0.02)
        self.blocks = nn.Sequential(*[Block(32, 4, False) for _ in range(2)])
        self.head = nn.Linear(32, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])

    @staticmethod
    def batch():
        x = torch.randn(6, 3, 16, 16)
        return x, x[:, :, 0, 0].argmax(-1)


class Residual(nn.Module):
    def __init__(self, n, m, stride):
        super().__init__()
        self.c1 = nn.Conv2d(n, m, 3, stride, 1, bias=False)
        self.c2 = nn.Conv2d(m, m, 3, 1, 1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(m), nn.BatchNorm2d(m)
        self.short = nn.Conv2d(n, m, 1, stride, bias=False)

    def forward(self, x):
        y = self.b2(self.c2(F.relu(self.b1(self.c1(x)))))
        return F.relu(y + self.short(x))


class ResNet(nn.Module):
    """Batch norm in training mode: its statistics are buffers that change. (A bias before it
    has no gradient but rounding errors, which Adam would blow up to whole steps.)"""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(Residual(8, 8, 1), Residual(8, 16, 2))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.blocks(self.pool(F.relu(self.norm(self.stem(x)))))
        return self.head(x.mean((2, 3)))

    @staticmethod
    def batch():
        return Vit.batch()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, weight_decay=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3),
    "adamw foreach": lambda p: torch.optim.AdamW(p, lr=1e-3, foreach=True),
}


def curve(model, call, optimizer, batches, compile_step):
    """Losses; the optimizer's step is compiled as well, if asked for."""
    step = optimizer.step
    if compile_step:
        step = compiled(optimizer.step, fallback=True)
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(call(x), y)
        loss.backward()
        step()
        losses.append(loss.item())
    return torch.tensor(losses)


def follows(kind, optimizer, steps, compile_step):
    torch.manual_seed(0)
    model = kind()
    other = copy.deepcopy(model)
    batches = [kind.batch() for _ in range(steps)]
    make = OPTIMIZERS[optimizer]
    want = curve(other, other, make(other.parameters()), batches, False)
    got = curve(model, compiled(model), make(model.parameters()), batches, compile_step)
    torch.testing.assert_close(got[:5], want[:5], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got, want, rtol=2e-2, atol=2e-3)
    for (name, a), b in zip(model.named_buffers(), other.buffers()):
        torch.testing.assert_close(a, b, rtol=5e-2, atol=5e-3, msg=name)
    return got


@pytest.mark.filterwarnings("error:turbine_cpu")
@pytest.mark.parametrize("kind", [Mlp, ResNet], ids=lambda k: k.__name__)
def test_first_steps(kind):
    follows(kind, "sgd", 4, True)


@pytest.mark.filterwarnings("error:turbine_cpu")
@pytest.mark.parametrize("optimizer", ["adamw", "adamw foreach"])
def test_first_steps_of_adam(optimizer):
    follows(Mlp, optimizer, 4, True)


@pytest.mark.slow
@pytest.mark.filterwarnings("error:turbine_cpu")
@pytest.mark.parametrize("compile_step", [False, True], ids=["", "step"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("kind", [Mlp, Gpt, Vit, ResNet], ids=lambda k: k.__name__)
def test_fifty_steps(kind, optimizer, compile_step):
    losses = follows(kind, optimizer, 50, compile_step)
    assert losses[-10:].mean() < losses[:10].mean()
