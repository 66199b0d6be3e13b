# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Training through torch.compile: what autograd lets a program do, and loss curves."""

import copy
import gc
import weakref

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh, same  # noqa: F401

F = torch.nn.functional


def gradients(fn, inputs, loss=None, **compile_options):
    """Results and gradients of eager mode and of the compiled function."""
    found = []
    for call in (fn, compiled(fn, **compile_options)):
        xs = [
            x.detach().clone().requires_grad_(x.requires_grad)
            if isinstance(x, torch.Tensor)
            else x
            for x in inputs
        ]
        out = call(*xs)
        (loss(out) if loss else out.sum()).backward()
        found.append((out, [x.grad if isinstance(x, torch.Tensor) else x for x in xs]))
    return found


def agree(fn, *inputs, loss=None, **compile_options):
    (want, want_grads), (got, got_grads) = gradients(
        fn, inputs, loss, **compile_options
    )
    same(got, want)
    same(got_grads, want_grads)


def leaf(*shape, **kind):
    return torch.randn(*shape, **kind).requires_grad_()


# ---- what autograd is told ----


def test_arguments_without_gradient():
    agree(lambda x, y: x * y, leaf(3), torch.randn(3))
    agree(lambda x, y: x * y, torch.randn(3), leaf(3))


def test_unused_argument_has_no_gradient():
    agree(lambda x, y: x * 2, leaf(3), leaf(3))


def test_outputs_without_gradient():
    def f(x):
        return x * 2, x.detach() + 1, (x > 0), x.argmax(), None, 7

    agree(f, leaf(5), loss=lambda out: out[0].sum())
    out = compiled(f)(leaf(5))
    assert [o.requires_grad for o in out[:4]] == [True, False, False, False]


def test_only_some_outputs_are_used():
    agree(lambda x, y: (x * y, x + y), leaf(3), leaf(3), loss=lambda out: out[1].sum())


def test_input_returned():
    agree(lambda x: (x, x * 2), leaf(3), loss=lambda out: (out[0] * out[1]).sum())


def test_output_is_saved_too():
    agree(torch.sigmoid, leaf(4))
    agree(lambda x: x.exp() * 2, leaf(4))


def test_views_among_outputs():
    def f(x):
        y = x * 2
        return y, y.t(), x.view(-1), y[1:]

    agree(f, leaf(3, 4), loss=lambda out: sum(o.square().sum() for o in out))


def test_gradients_that_are_not_dense():
    agree(lambda x: x * 2, leaf(3, 4), loss=lambda y: y.sum())  # an expanded one
    agree(lambda x: x * 2, leaf(3, 4), loss=lambda y: (y.t() * torch.ones(4, 3)).sum())


def test_gradient_given():
    x = leaf(3)
    y = compiled(lambda x: x * x)(x)
    y.backward(torch.tensor([1.0, 2.0, 3.0]))
    same(x.grad, 2 * x.detach() * torch.tensor([1.0, 2.0, 3.0]))


def test_graph_may_be_retained():
    x = leaf(3)
    c = compiled(lambda x: x.sin() * x)
    first = c(x).sum()
    first.backward()  # compiles the backward graph, which is used otherwise below
    x.grad = None
    y = c(x).sum()
    y.backward(retain_graph=True)
    once = x.grad.clone()
    y.backward()
    same(x.grad, 2 * once)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_autograd_grad_of_part():
    x, y = leaf(3), leaf(3)
    out = compiled(lambda x, y: x * y.exp())(x, y)
    (g,) = torch.autograd.grad(out.sum(), [y])
    same(g, (x * y.exp()).detach())


def test_double_backward_says_so():
    x = leaf(3)
    y = compiled(lambda x: x**3)(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    same(g.detach(), 3 * x.detach() ** 2)
    with pytest.raises(RuntimeError, match="double backward"):
        g.sum().backward()


def test_changed_saved_tensor_is_noticed():
    x, w = leaf(3), torch.randn(3)
    y = compiled(lambda x, w: x * w)(x, w)
    w.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        y.sum().backward()


def test_saved_tensor_hooks():
    packed = []

    def pack(t):
        packed.append(t)
        return t

    x = leaf(3)
    c = compiled(lambda x: x.sin())
    c(x)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = torch.sin(c(x))
    y.sum().backward()
    assert packed


def test_hooks_of_results_and_parameters():
    m, seen = torch.nn.Linear(3, 2), []
    m.weight.register_hook(lambda g: seen.append("weight") or g * 0)
    y = compiled(m)(torch.randn(4, 3))
    y.register_hook(lambda g: seen.append("result"))
    y.sum().backward()
    assert seen == ["result", "weight"] and not m.weight.grad.any()
    assert m.bias.grad.eq(4).all()


def test_no_grad_and_grad_are_different_programs():
    m = torch.nn.Linear(3, 2)
    c, x = compiled(m), torch.randn(3)
    for enabled in (True, False, True):
        with torch.set_grad_enabled(enabled):
            assert c(x).requires_grad == enabled
    with torch.inference_mode():
        assert not c(x).requires_grad


def test_grad_mode_changes_inside():
    def f(x):
        y = x * 2
        with torch.no_grad():
            z = y * 3
        return y + z

    agree(f, leaf(3))


def test_retained_memory_goes():
    m = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh())
    c, x = compiled(m), torch.randn(3, 4)
    c(x).sum().backward()
    y = c(x)
    node, result = weakref.ref(y.grad_fn), weakref.ref(y)
    del y
    gc.collect()
    assert node() is None and result() is None


def test_custom_autograd_function():
    class Clip(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp(-1, 1)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return torch.where(x.abs() < 0.5, g, 0)

    agree(Clip.apply, leaf(20))


def test_custom_operator_in_a_backward_pass():
    from torch.library import custom_op

    @custom_op("turbine_test::cube", mutates_args=())
    def cube(x: torch.Tensor) -> torch.Tensor:
        return x**3

    cube.register_fake(torch.empty_like)
    cube.register_autograd(
        lambda ctx, g: g * 3 * ctx.saved_tensors[0] ** 2,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0]),
    )
    agree(lambda x: cube(x * 2).sin() + x, leaf(5), fallback=True)


def test_tensor_subclass_parameters():
    class Marked(torch.nn.Parameter):
        pass

    m = torch.nn.Linear(3, 2)
    m.weight = Marked(m.weight.detach())
    other = copy.deepcopy(m)
    x = torch.randn(4, 3)
    compiled(m, fallback=True)(x).sum().backward()
    other(x).sum().backward()
    same(m.weight.grad, other.weight.grad)


def test_under_functorch():
    """torch.func transforms around a compiled function do what they do in eager mode."""

    def f(x):
        return (x.sin() * x).sum()

    c = compiled(f, fallback=True)
    x = torch.randn(4)
    same(torch.func.grad(c)(x), torch.func.grad(f)(x))
    rows = torch.randn(3, 4)
    same(torch.func.vmap(c)(rows), torch.func.vmap(f)(rows))
    y = leaf(4)
    c(y).backward()  # and afterwards the short way again
    same(y.grad, torch.func.grad(f)(y.detach()))


# ---- accumulation, several calls ----


def test_gradients_accumulate():
    m = torch.nn.Linear(3, 2)
    other, c = copy.deepcopy(m), compiled(m)
    for _ in range(3):
        x = torch.randn(5, 3)
        c(x).square().sum().backward()
        other(x).square().sum().backward()
    same(m.weight.grad, other.weight.grad)


def test_module_used_twice():
    m = torch.nn.Linear(3, 3)
    c = compiled(m)
    x = torch.randn(2, 3)
    c(torch.relu(c(x))).sum().backward()
    got = m.weight.grad.clone()
    m.weight.grad = None
    m(torch.relu(m(x))).sum().backward()
    same(got, m.weight.grad)
