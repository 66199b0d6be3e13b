# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Training without Python: steps of gradient descent inside artifacts, against PyTorch."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
import torch.nn.functional as F
from compiling import lacking
from shark_turbine import aot
from torch import nn, optim

BATCH = torch.export.Dim("batch", min=1)


def load(output):
    binary = output.compile(save_to=None, targets=["host"])
    config = rt.Config("local-sync")
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


def data(n=6, inputs=8, outputs=3):
    torch.manual_seed(1)
    return torch.randn(n, inputs), torch.randn(n, outputs)


def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))


def eager_losses(model, optimizer, loss_fn, x, y, steps, max_grad_norm=None):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        if max_grad_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm)
        optimizer.step()
        losses.append(loss.item())
    return losses


def check_training(
    model, make_optimizer, loss_fn, x, y, *, steps=6, rtol=1e-5, **options
):
    """Losses of the exported steps are those of eager; returns (artifact, eager model)."""
    other = copy.deepcopy(model)
    output = aot.export_training(
        model, loss_fn, make_optimizer(model), args=(x,), targets=(y,), **options
    )
    m = load(output)
    got = [float(m.train_step(x, y)) for _ in range(steps)]
    clip = options.get("max_grad_norm")
    want = eager_losses(other, make_optimizer(other), loss_fn, x, y, steps, clip)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-6)
    return m, other


def sgd(model):
    return optim.SGD(model.parameters(), lr=0.1)


# ---- spelled out ----


class Spelled(nn.Module):
    """A step in the three ways PyTorch has."""

    def __init__(self, way):
        super().__init__()
        self.model, self.way = mlp(), way

    def forward(self, x, y):
        loss, gradients = getattr(self, self.way)(x, y)
        with torch.no_grad():
            for p, g in zip(self.model.parameters(), gradients):
                p -= 0.1 * g
        return loss

    def func(self, x, y):
        def loss(params):
            return F.mse_loss(torch.func.functional_call(self.model, params, x), y)

        params = dict(self.model.named_parameters())
        gradients, now = torch.func.grad_and_value(loss)(params)
        return now, gradients.values()

    def grad(self, x, y):
        loss = F.mse_loss(self.model(x), y)
        return loss, torch.autograd.grad(loss, list(self.model.parameters()))

    def backward(self, x, y):
        loss = F.mse_loss(self.model(x), y)
        loss.backward()
        return loss, [p.grad for p in self.model.parameters()]


@pytest.mark.parametrize("way", ["func", "grad", "backward"])
def test_spelled_out(way):
    x, y = data()
    sizes = ({0: BATCH}, {0: BATCH})
    m = load(aot.export(Spelled(way), args=(x, y), dynamic_shapes=sizes))
    model = mlp()
    optimizer = sgd(model)
    for n in (6, 1, 6, 3):  # the batch is open
        got = float(m.main(x[:n], y[:n]))
        (want,) = eager_losses(model, optimizer, F.mse_loss, x[:n], y[:n], 1)
        assert got == pytest.approx(want, rel=1e-5)


def test_backward_in_a_compiled_module():
    """loss.backward() and a real optimizer's arithmetic in a procedure; all state is
    the module's."""
    model = mlp()

    class Trainer(aot.CompiledModule):
        params = aot.export_parameters(model, mutable=True)
        velocity = aot.export_global_tree(
            {n: torch.zeros_like(p) for n, p in model.named_parameters()}, mutable=True
        )

        def train_step(
            self, x=aot.AbstractTensor(None, 8), y=aot.AbstractTensor(None, 3)
        ):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            with torch.no_grad():
                velocity = {
                    n: 0.9 * v + self.params[n].grad for n, v in self.velocity.items()
                }
                self.params = {n: self.params[n] - 0.1 * v for n, v in velocity.items()}
                self.velocity = velocity
            return loss

        def predict(self, x=aot.AbstractTensor(None, 8)):
            return model(x)

        def loss(self, x=aot.AbstractTensor(None, 8), y=aot.AbstractTensor(None, 3)):
            return F.mse_loss(model(x), y)

    m = load(aot.export(Trainer))
    x, y = data()
    other = mlp()
    optimizer = optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    want = eager_losses(other, optimizer, F.mse_loss, x, y, 5)
    got = [float(m.train_step(x, y)) for _ in range(5)]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    np.testing.assert_allclose(
        m.predict(x[:2]), other(x[:2]).detach(), rtol=1e-4, atol=1e-6
    )
    assert float(m.loss(x, y)) == pytest.approx(
        F.mse_loss(other(x), y).item(), rel=1e-5
    )


def test_gradients_of_inputs():
    """Forces are the gradient of an energy: no training, but autograd in forward."""

    class Forces(nn.Module):
        def __init__(self):
            super().__init__()
            self.energy = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))

        def forward(self, positions):
            positions = positions.detach().requires_grad_()
            energy = self.energy(positions).sum()
            (gradient,) = torch.autograd.grad(energy, positions)
            return {"energy": energy.detach(), "forces": -gradient}

    torch.manual_seed(0)
    m, x = Forces(), torch.randn(5, 3)
    got = load(aot.export(m, args=(x,), dynamic_shapes=({0: BATCH},))).main(x[:4])
    want = m(x[:4])
    assert float(got["energy"]) == pytest.approx(want["energy"].item(), rel=1e-5)
    np.testing.assert_allclose(got["forces"], want["forces"], rtol=1e-5, atol=1e-6)


def test_error_names_the_users_line():
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(3, 3))

        def forward(self, x):
            loss = lacking(x @ self.w).sum()
            return torch.autograd.grad(loss, self.w)

    line = Bad.forward.__code__.co_firstlineno + 1
    with pytest.raises(
        NotImplementedError, match=f"training_test.py:{line}: .*lacking"
    ):
        aot.export(Bad(), args=(torch.randn(3, 3),)).compile()


# ---- export_training ----


@pytest.mark.parametrize(
    "make",
    [
        sgd,
        lambda m: optim.SGD(m.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda m: optim.AdamW(m.parameters(), lr=0.01, weight_decay=0.1),
    ],
    ids=["sgd", "momentum", "adamw"],
)
def test_optimizers(make):
    x, y = data()
    sizes = {"input": {0: BATCH}, "target": {0: BATCH}}
    m, other = check_training(
        mlp(), make, F.mse_loss, x, y, dynamic_shapes=sizes, steps=25
    )
    for n in (1, 6):  # after that many steps, on other sizes
        want = other(x[:n]).detach()
        np.testing.assert_allclose(m.predict(x[:n]), want, rtol=1e-4, atol=1e-5)
        want = F.mse_loss(want, y[:n]).item()
        assert float(m.loss(x[:n], y[:n])) == pytest.approx(want, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: optim.SGD(p, lr=0.1, maximize=True),
        lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
        lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
        lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
        lambda p: optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.1),
        lambda p: optim.Adadelta(p),
        lambda p: optim.Adamax(p),
        lambda p: optim.NAdam(p),
        lambda p: optim.RAdam(p, lr=0.01),
        lambda p: optim.ASGD(p),
        lambda p: optim.Rprop(p),
    ],
)
def test_more_optimizers(make):
    check_training(mlp(), lambda m: make(m.parameters()), F.mse_loss, *data(), steps=10)


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 5),
    )


class Language(nn.Module):
    """Embedding and output share their weights."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(17, 16)
        self.layer = nn.TransformerEncoderLayer(
            16, 2, 32, batch_first=True, dropout=0.0
        )
        self.head = nn.Linear(16, 17, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.layer(self.embed(ids))).transpose(1, 2)


@pytest.mark.parametrize("make", [cnn, Language])
def test_networks(make):
    torch.manual_seed(0)
    model = make()
    if make is cnn:
        x, y = torch.randn(6, 1, 8, 8), torch.randint(0, 5, (6,))
    else:
        x, y = torch.randint(0, 17, (3, 7)), torch.randint(0, 17, (3, 7))
    m, other = check_training(model, sgd, F.cross_entropy, x, y)
    other.eval()  # statistics of the batches were kept
    np.testing.assert_allclose(m.predict(x), other(x).detach(), rtol=1e-4, atol=1e-5)


def test_clipping_and_groups():
    def make(model):
        first, *_, last = model
        groups = [
            {"params": list(first.parameters()), "lr": 0.5, "weight_decay": 0.1},
            {"params": list(last.parameters())},
        ]
        return optim.SGD(groups, lr=0.1)

    m, _ = check_training(mlp(), make, F.mse_loss, *data(), max_grad_norm=0.1)
    assert float(m.state["optimizer.lr"]) == 0.5
    assert float(m.state["optimizer.lr.1"]) == 0.1


def test_learning_rate_is_state():
    x, y = data()
    model, other = mlp(), mlp()
    optimizer = optim.AdamW(other.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 0.01, 1.0, total_iters=4)
    m = load(
        aot.export_training(
            model, F.mse_loss, optim.AdamW(model.parameters()), args=(x,), targets=(y,)
        )
    )
    for _ in range(6):
        m.state["optimizer.lr"] = schedule.get_last_lr()[0]
        (want,) = eager_losses(other, optimizer, F.mse_loss, x, y, 1)
        schedule.step()
        assert float(m.train_step(x, y)) == pytest.approx(want, rel=1e-5)
    m.state["optimizer.lr"] = 0.0
    before = float(m.train_step(x, y))
    assert float(m.train_step(x, y)) == before  # nothing moves, and nothing is NaN


def test_state_travels(tmp_path):
    """A checkpoint continues in another session; parameters go to PyTorch and back."""
    x, y = data()
    model = mlp()
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    output = aot.export_training(model, F.mse_loss, optimizer, args=(x,), targets=(y,))
    binary = output.compile(targets=["host"])

    def session():
        return rt.load_vm_flatbuffer(binary, driver="local-sync")

    a, b, path = session(), session(), tmp_path / "checkpoint.safetensors"
    for _ in range(3):
        a.train_step(x, y)
    a.state.save(path)
    b.state.load(path)
    assert [float(a.train_step(x, y)) for _ in range(3)] == [
        float(b.train_step(x, y)) for _ in range(3)
    ]
    names = {n for n, _ in model.named_parameters()}
    moments = {
        f"optimizer.{n}.{k}" for n in names for k in ("step", "exp_avg", "exp_avg_sq")
    }
    assert set(a.state) == names | moments | {"optimizer.lr"}

    library = pytest.importorskip("safetensors.torch")
    other = mlp()
    other.load_state_dict(
        {k: v for k, v in library.load_file(path).items() if k in names}
    )
    c = session()
    c.state.update({n: p.detach() for n, p in other.named_parameters()})
    np.testing.assert_allclose(c.predict(x), other(x).detach(), rtol=1e-5, atol=1e-6)
    library.save_file(mlp().state_dict(), path)
    missing, unexpected = c.state.load(path, strict=False)
    assert set(missing) == moments | {"optimizer.lr"} and unexpected == []
    np.testing.assert_allclose(c.predict(x), mlp()(x).detach(), rtol=1e-5, atol=1e-6)


def test_optimizer_in_the_middle_of_training():
    """An optimizer with state is exported with it."""
    x, y = data()
    model = mlp()
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    eager_losses(model, optimizer, F.mse_loss, x, y, 4)
    m = load(aot.export_training(model, F.mse_loss, optimizer, args=(x,), targets=(y,)))
    got = [float(m.train_step(x, y)) for _ in range(4)]
    want = eager_losses(model, optimizer, F.mse_loss, x, y, 4)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_frozen_layers():
    """What is not trained is no state."""
    model = mlp()
    model[0].requires_grad_(False)

    def make(m):
        return optim.SGD([p for p in m.parameters() if p.requires_grad], lr=0.1)

    m, _ = check_training(model, make, F.mse_loss, *data())
    assert set(m.state) == {"2.weight", "2.bias", "optimizer.lr"}


def test_dropout():
    """Masks differ between steps, come back with the generator's state, and are as dense
    as they should be; in eval mode there are none."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.25), nn.Linear(1000, 1, bias=False))
    nn.init.ones_(model[1].weight)
    x, y = torch.ones(1, 1000), torch.zeros(1, 1)
    output = aot.export_training(
        model,
        lambda out, target: (out - target).sum(),  # the kept inputs, times 4 / 3
        optim.SGD(model.parameters(), lr=0.0),
        args=(x,),
        targets=(y,),
    )
    m = load(output)
    start = m.state["turbine.rng.offset"]
    kept = [float(m.train_step(x, y)) * 0.75 for _ in range(20)]
    assert len({round(k) for k in kept}) > 5
    assert abs(np.mean(kept) - 750) < 25  # the standard deviation is 3
    assert float(m.predict(x)[0, 0]) == 1000
    m.state["turbine.rng.offset"] = start
    assert [float(m.train_step(x, y)) * 0.75 for _ in range(20)] == kept
    m.state["turbine.rng.offset"] = start
    m.state["turbine.rng.seed"] = 12345
    assert [float(m.train_step(x, y)) * 0.75 for _ in range(20)] != kept


def test_keyword_arguments_and_several_targets():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 3)

        def forward(self, x, *, scale):
            return self.linear(x) * scale

    def weighted(result, target, weight):
        return ((result - target) ** 2 * weight).mean()

    torch.manual_seed(0)
    model, (x, y) = Scaled(), data()
    scale, weight = torch.tensor(2.0), torch.rand(6, 1)
    other = copy.deepcopy(model)
    output = aot.export_training(
        model,
        weighted,
        sgd(model),
        args=(x,),
        kwargs={"scale": scale},
        targets=(y, weight),
    )
    m, optimizer = load(output), sgd(other)
    for _ in range(4):
        optimizer.zero_grad()
        loss = weighted(other(x, scale=scale), y, weight)
        loss.backward()
        optimizer.step()
        got = m.train_step(x, y, weight, scale=2.0)
        assert float(got) == pytest.approx(loss.item(), rel=1e-5)
    assert m.predict(x=x, scale=scale).shape == [6, 3]


def test_the_model_stays_as_it_was():
    model, (x, y) = mlp(), data()
    optimizer = sgd(model)
    before = copy.deepcopy(model.state_dict())
    aot.export_training(model, F.mse_loss, optimizer, args=(x,), targets=(y,))
    assert model.training and not optimizer.state
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(model.state_dict(), before)


def test_mistakes():
    x, y = data()

    def export(model=None, loss=F.mse_loss, optimizer=None, **more):
        model = model or mlp()
        optimizer = optimizer or sgd(model)
        more = {"args": (x,), "targets": (y,), **more}
        return aot.export_training(model, loss, optimizer, **more)

    with pytest.raises(TypeError, match="expected a torch.optim.Optimizer, found 3"):
        export(optimizer=3)
    with pytest.raises(ValueError, match="no parameter of the model"):
        export(optimizer=sgd(mlp()))
    model = mlp()
    with pytest.raises(NotImplementedError, match="LBFGS"):
        export(model, optimizer=optim.LBFGS(model.parameters()))
    with pytest.raises(NotImplementedError, match="dampening"):
        rates = {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}
        export(model, optimizer=optim.SGD(model.parameters(), **rates))
    with pytest.raises(ValueError, match="expected a tensor of one number"):
        export(loss=lambda result, target: result)
    with pytest.raises(ValueError, match="expected 2 entries"):
        export(dynamic_shapes=({0: BATCH},))
    with pytest.raises(TypeError):
        export(args=(x, x))
