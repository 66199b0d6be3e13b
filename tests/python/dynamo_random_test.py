# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Random numbers through torch.compile: reproducible, of the right distribution, and the
same ones wherever a call is computed again."""

import math
import warnings

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh  # noqa: F401
from torch.utils.checkpoint import checkpoint

F = torch.nn.functional
N = 20000

# name -> (function of a tensor of N ones, mean, standard deviation)
DRAWS = {
    "rand": (lambda x: torch.rand(x.shape), 0.5, 12**-0.5),
    "rand_like": (lambda x: torch.rand_like(x), 0.5, 12**-0.5),
    "randn": (lambda x: torch.randn(x.shape[0]), 0, 1),
    "randn_like": (lambda x: torch.randn_like(x) * 3 + 2, 2, 3),
    "randint": (lambda x: torch.randint(2, 8, x.shape).float(), 4.5, (35 / 12) ** 0.5),
    "normal": (lambda x: torch.normal(x, 2 * x), 1, 2),
    "uniform_": (lambda x: x.clone().uniform_(-1, 3), 1, 4 * 12**-0.5),
    "normal_": (lambda x: x.clone().normal_(1, 0.5), 1, 0.5),
    "exponential_": (lambda x: x.clone().exponential_(2.0), 0.5, 0.5),
    "bernoulli": (lambda x: torch.bernoulli(x * 0.3), 0.3, 0.21**0.5),
    "bernoulli_": (lambda x: x.clone().bernoulli_(0.3), 0.3, 0.21**0.5),
    "dropout": (lambda x: F.dropout(x, 0.25), 1, (1 / 3) ** 0.5),
    "randperm": (lambda x: torch.randperm(N) / N, 0.5, 12**-0.5),
    "multinomial": (
        lambda x: torch.multinomial(torch.tensor([1.0, 2.0, 1.0]), N, True).float(),
        1,
        0.5**0.5,
    ),
}


@pytest.mark.parametrize("name", DRAWS)
def test_distribution(name):
    fn, mean, deviation = DRAWS[name]
    c = compiled(fn)
    x = torch.ones(N)
    with torch.no_grad():
        torch.manual_seed(7)
        first, second = c(x), c(x)
        torch.manual_seed(7)
        assert torch.equal(c(x), first)
    assert not torch.equal(first, second)
    for y in (first, second):
        assert y.shape == (N,) and y.dtype is torch.float32
        assert abs(float(y.mean()) - mean) < 5 * deviation / math.sqrt(N)
        assert abs(float(y.std()) - deviation) < 0.03 * deviation
    if name != "randperm":
        joint = float(torch.corrcoef(torch.stack([first, second]))[0, 1])
        assert abs(joint) < 5 / math.sqrt(N)
        neighbours = float(torch.corrcoef(torch.stack([first[1:], first[:-1]]))[0, 1])
        assert abs(neighbours) < 5 / math.sqrt(N)


def test_operators_of_one_call_differ():
    c = compiled(lambda x: (torch.rand_like(x), torch.rand_like(x), torch.rand(N)))
    with torch.no_grad():
        a, b, d = c(torch.ones(N))
    assert not torch.equal(a, b) and not torch.equal(a, d) and not torch.equal(b, d)


def test_sequences_depend_on_the_seed_alone():
    c = compiled(lambda x: F.dropout(x, 0.5))
    x = torch.ones(100)
    runs = {}
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        runs.setdefault(seed, []).append(torch.stack([c(x) for _ in range(3)]))
    assert torch.equal(*runs[1])
    assert not torch.equal(runs[1][0], runs[2][0])


def test_a_changing_size_draws_all_of_it():
    c = compiled(lambda x: torch.rand_like(x), dynamic=True)
    for n in (3, 100, 17):
        y = c(torch.ones(n))
        assert len(set(y.tolist())) == n


def test_generators_are_torchs():
    """A generator of the user's is his: eager mode, eager numbers."""
    g = torch.Generator().manual_seed(3)

    def f(x):
        return x + torch.rand(4, generator=g)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = compiled(f, fallback=True)(torch.zeros(4))
    assert torch.equal(got, torch.rand(4, generator=torch.Generator().manual_seed(3)))


def test_default_generator_moves_on():
    c = compiled(lambda x: F.dropout(x, 0.5) + 1)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    c(torch.ones(3))
    assert not torch.equal(torch.get_rng_state(), before)


# ---- backward passes ----


def test_backward_of_dropout_is_that_of_its_forward():
    c = compiled(lambda x: F.dropout(x * 2, 0.5))
    for _ in range(3):
        x = torch.ones(1000, requires_grad=True)
        y = c(x)
        y.sum().backward()
        assert torch.equal(x.grad, y.detach())  # 0 or 4, in the same places
        assert 0.4 < float((y == 0).float().mean()) < 0.6


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(8, 32), torch.nn.Linear(32, 8)

    def forward(self, x):
        return self.b(F.dropout(torch.tanh(self.a(x)), 0.5))


class Checkpointed(torch.nn.Module):
    def __init__(self, recompute):
        super().__init__()
        self.blocks = torch.nn.ModuleList(Block() for _ in range(2))
        self.recompute = recompute

    def forward(self, x):
        for block in self.blocks:
            x = x + (
                checkpoint(block, x, use_reentrant=False)
                if self.recompute
                else block(x)
            )
        return x


def test_checkpoint_draws_the_same_again():
    """Gradients by recomputation equal those of kept values, and finite differences."""
    grads = []
    for recompute in (False, True):
        torch.manual_seed(0)
        m = Checkpointed(recompute).double()
        c = compiled(m)
        x = torch.randn(5, 8, dtype=torch.float64)
        torch.manual_seed(1)
        loss = c(x).square().sum()
        loss.backward()
        grads.append([p.grad.clone() for p in m.parameters()])
        p = m.blocks[0].b.weight
        with torch.no_grad():
            p[0, 0] += 1e-5
        torch.manual_seed(1)
        more = c(x).square().sum()
        numeric = (more - loss).item() / 1e-5
        assert abs(numeric - p.grad[0, 0].item()) < 1e-3 * max(1, abs(numeric))
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b)


def test_checkpoint_of_attention():
    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = torch.nn.Linear(8, 24)

        def attend(self, x):
            q, k, v = self.qkv(x).unflatten(-1, (3, 2, 4)).unbind(-3)
            return F.scaled_dot_product_attention(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            )

        def forward(self, x):
            return checkpoint(self.attend, x, use_reentrant=False)

    m, x = Attention(), torch.randn(2, 5, 8)
    m(x).square().sum().backward()
    want = m.qkv.weight.grad.clone()
    m.qkv.weight.grad = None
    compiled(m)(x).square().sum().backward()
    torch.testing.assert_close(m.qkv.weight.grad, want, rtol=1e-4, atol=1e-5)


def test_two_calls_before_their_backward_passes():
    c = compiled(lambda x: F.dropout(x, 0.5))
    xs = [torch.ones(500, requires_grad=True) for _ in range(2)]
    ys = [c(x) for x in xs]
    assert not torch.equal(*ys)
    for x, y in reversed(list(zip(xs, ys))):
        y.sum().backward()
        assert torch.equal(x.grad, y.detach())


# ---- in eager mode ----


def test_parts_in_eager_mode_keep_the_seed(monkeypatch):
    """Where the graph cannot be compiled the operators run in eager mode: same rules."""
    from shark_turbine.dynamo import fallback, support

    monkeypatch.setattr(support, "is_seeded", lambda target: False)
    monkeypatch.setattr(fallback, "warn_of", lambda rows: None)

    def f(x):
        return F.dropout(x, 0.5) * torch.rand_like(x)

    c = compiled(f, fallback=True)
    x = torch.ones(1000, requires_grad=True)
    torch.manual_seed(5)
    y = c(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    torch.manual_seed(5)
    assert torch.equal(c(x), y)
    assert not torch.equal(c(x), y)
