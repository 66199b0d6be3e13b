# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Convolutions of random shapes, exported and compiled, against PyTorch."""

import random

import pytest

torch = pytest.importorskip("torch")

from shark_turbine import aot
from shark_turbine import runtime as rt

TOLERANCE = 2e-5  # times the largest magnitude


def run(module, *inputs):
    """What the compiled module gives."""
    binary = aot.export(module, args=inputs).compile(save_to=None)
    config = rt.Config("local-sync")
    loaded = rt.VmModule.copy_buffer(config.vm_instance, binary.map_memory())
    result = rt.load_vm_module(loaded, config).main(*[x.numpy() for x in inputs])
    return torch.from_numpy(result.to_host())


def check(module, *inputs):
    module.eval()
    with torch.no_grad():
        want = module(*inputs)
    got = run(module, *inputs)
    assert got.shape == want.shape
    error = (got - want).abs().max().item()
    assert error <= TOLERANCE * max(want.abs().max().item(), 1e-3), module


def draw(r):
    """A convolution and its input: any rank, strides, padding, dilation, groups."""
    rank = r.choice([1, 2, 2, 2, 3])
    kind = r.choice(
        ["dense", "dense", "pointwise", "depthwise", "grouped", "transposed"]
    )
    groups = r.choice([2, 3, 4, 32]) if kind == "grouped" else 1
    n_in, n_out = (groups * r.choice([1, 3, 4, 8, 17]) for _ in range(2))
    if kind == "depthwise":
        groups = n_in = n_out = r.choice([3, 16, 24, 33, 64])
        n_out *= r.choice([1, 1, 2])
    kernel = [r.choice([1, 2, 3, 3, 5, 7]) if rank < 3 else r.choice([1, 2, 3])] * rank
    if r.random() < 0.2:
        kernel[-1] = r.choice([1, 2, 4])
    if kind == "pointwise":
        kernel = [1] * rank
    stride = r.choice([1, 1, 2, 3])
    dilation = r.choice([1, 1, 1, 2])
    padding = [r.randrange(dilation * (k - 1) // 2 + 1) for k in kernel]
    least = [dilation * (k - 1) + 1 for k in kernel]
    shape = [
        s + r.randrange(40 if rank == 1 else 15 if rank == 2 else 6) for s in least
    ]
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    options["bias"] = r.random() < 0.7
    make = getattr(
        torch.nn, f"Conv{'Transpose' if kind == 'transposed' else ''}{rank}d"
    )
    conv = make(n_in, n_out, kernel, **options)
    return conv, torch.randn(r.choice([1, 1, 2, 5]), n_in, *shape)


@pytest.mark.parametrize("seed", range(60))
def test_random(seed):
    torch.manual_seed(seed)
    conv, x = draw(random.Random(seed))
    check(conv, x)


@pytest.mark.parametrize("seed", range(92, 104))
def test_random_3x3(seed):
    """Wide enough for Winograd's algorithm."""
    r = random.Random(seed)
    torch.manual_seed(seed)
    n_in, n_out = (r.choice([32, 48, 64, 96]) for _ in range(2))
    conv = torch.nn.Conv2d(n_in, n_out, 3, padding=r.choice([0, 1, 2]))
    check(
        conv,
        torch.randn(r.choice([1, 2]), n_in, r.randrange(6, 40), r.randrange(6, 40)),
    )


class Block(torch.nn.Module):
    """What surrounds a convolution in networks."""

    def __init__(self, conv, channels, norm):
        super().__init__()
        self.conv, self.norm = conv, norm(channels)
        self.norm.running_mean.normal_(0, 0.1)
        self.norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        y = self.norm(self.conv(x * 1.5 - 0.25))
        return torch.nn.functional.silu(y) + y.mean()


@pytest.mark.parametrize("seed", range(60, 76))
def test_random_block(seed):
    torch.manual_seed(seed)
    conv, x = draw(random.Random(seed))
    rank = x.ndim - 2
    norm = getattr(torch.nn, f"BatchNorm{rank}d")
    check(Block(conv, conv.out_channels, norm), x)


@pytest.mark.parametrize("seed", range(80, 92))
def test_random_chain(seed):
    """Three convolutions, so that layouts meet, with a residual and a concatenation."""
    r = random.Random(seed)
    torch.manual_seed(seed)
    c = r.choice([4, 16, 20])

    class Chain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Conv2d(c, 2 * c, 1)
            k = r.choice([3, 5])
            self.b = torch.nn.Conv2d(
                2 * c, 2 * c, k, 1, k // 2, groups=r.choice([1, 2 * c])
            )
            self.c = torch.nn.Conv2d(4 * c, c, r.choice([1, 3]), padding="same")
            self.pool = r.choice([torch.nn.MaxPool2d(3, 2, 1), torch.nn.AvgPool2d(2)])

        def forward(self, x):
            y = torch.nn.functional.relu6(self.a(x))
            z = torch.cat([self.b(y), y], 1)
            return self.pool(self.c(z) + x)

    check(
        Chain(),
        torch.randn(r.choice([1, 2]), c, r.randrange(6, 30), r.randrange(6, 30)),
    )


def draw_planes(r):
    """A convolution of each channel by itself, alone, with rows that fill vectors: it stays
    channels-first. Strides and paddings up to more than the kernel, ends that fill no vector."""
    rank = r.choice([1, 2, 2, 2, 3])
    channels = r.choice([1, 3, 16, 20])
    kernel = [r.choice([1, 2, 3, 3, 5]) if rank < 3 else r.choice([1, 3])] * rank
    options = {
        "stride": [r.choice([1, 1, 2, 2, 3, 4, 5]) for _ in range(rank)],
        "padding": [r.randrange(k + 2) for k in kernel],
        "dilation": r.choice([1, 1, 2]),
        "groups": channels,
        "bias": r.random() < 0.5,
    }
    make = getattr(torch.nn, f"Conv{rank}d")
    conv = make(channels, channels, kernel, **options)
    width = r.choice([60, 112, 130, 300]) + r.randrange(20)
    shape = [9 + r.randrange(9)] * (rank - 1) + [width]
    return conv, torch.randn(r.choice([1, 2]), channels, *shape)


@pytest.mark.parametrize("seed", range(120, 150))
def test_random_planes(seed):
    torch.manual_seed(seed)
    r = random.Random(seed)
    conv, x = draw_planes(r)
    check(torch.nn.Sequential(conv, torch.nn.ReLU()) if r.random() < 0.5 else conv, x)


def test_planes_of_doubles():
    torch.manual_seed(1)
    conv = torch.nn.Conv2d(5, 5, 3, 2, 1, groups=5).double()
    check(conv, torch.randn(2, 5, 19, 77, dtype=torch.float64))


@pytest.mark.parametrize("pixels, channels", [(28, 256), (13, 200), (57, 70)])
def test_pointwise_in_tiles(pixels, channels):
    """1x1 on many pixels and channels, alone: each tile packs the pixels that it multiplies."""
    torch.manual_seed(2)
    conv = torch.nn.Conv2d(channels, 48, 1)
    check(conv, torch.randn(2, channels, 2 * pixels, 2 * pixels))
