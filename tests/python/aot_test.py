# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""shark_turbine.aot: what is exported runs and gives PyTorch's numbers."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import shark_turbine.runtime as rt
from compiling import lacking
from shark_turbine import aot
from torch.export import Dim


class Linear(torch.nn.Module):
    def __init__(self, in_features=4, out_features=3):
        super().__init__()
        torch.manual_seed(1)
        self.weight = torch.nn.Parameter(torch.randn(in_features, out_features))
        self.bias = torch.nn.Parameter(torch.randn(out_features))

    def forward(self, input):
        return (input @ self.weight) + self.bias


def load(output, device="local-sync"):
    binary = output.compile(save_to=None)
    config = rt.Config(device)
    module = rt.VmModule.wrap_buffer(config.vm_instance, binary.map_memory())
    return rt.load_vm_module(module, config)


def to_torch(results):
    if results is None:
        return []
    results = results if isinstance(results, tuple) else (results,)
    return [torch.from_numpy(np.array(r.to_host())) for r in results]


def check(module, *args, kwargs=None, more=(), rtol=1e-5, atol=1e-6, **options):
    """Exported and run, for the example and for `more` tuples of inputs."""
    output = aot.export(module, args=args, kwargs=kwargs, **options)
    output.verify()
    main = load(output).main
    for a in (args, *more):
        with torch.no_grad():
            want = module(*a, **(kwargs or {}))
        want = [w for w in torch.utils._pytree.tree_leaves(want) if w is not None]
        named = {k: v for k, v in (kwargs or {}).items() if isinstance(v, torch.Tensor)}
        given = [x for x in a if isinstance(x, (torch.Tensor, int))]
        got = to_torch(main(*given, **named))
        assert len(got) == len(want)
        for g, w in zip(got, want):
            torch.testing.assert_close(g, torch.as_tensor(w), rtol=rtol, atol=atol)
    return output


def module(fn):
    """A function as a module."""

    class Function(torch.nn.Module):
        forward = staticmethod(fn)

    return Function()


# ---- the quick start, letter for letter ----


def test_quickstart():
    import iree.runtime as ireert

    linear_module = Linear(4, 3)
    example_arg = torch.randn(4)
    export_output = aot.export(linear_module, example_arg)
    binary = export_output.compile(save_to=None)
    config = ireert.Config("local-task")
    vm_module = ireert.load_vm_module(
        ireert.VmModule.wrap_buffer(config.vm_instance, binary.map_memory()),
        config,
    )
    input = np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32)
    result = vm_module.main(input)
    want = linear_module(torch.from_numpy(input)).detach().numpy()
    np.testing.assert_allclose(result.to_host(), want, rtol=1e-5)


# ---- what export takes ----


def test_args_and_kwargs():
    def f(x, *, scale, shift=None):
        return x * scale if shift is None else x * scale + shift

    x, s, t = torch.randn(3), torch.randn(3), torch.randn(1)
    check(module(f), x, kwargs={"scale": s})
    output = check(module(f), x, kwargs={"scale": s, "shift": t})
    main = load(output).main
    got = main(x, shift=t, scale=s).to_host()
    np.testing.assert_allclose(got, (x * s + t).numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match="unexpected argument 'nope'"):
        main(x, nope=s)


def test_one_tensor_as_two_examples():
    x, y = torch.randn(3), torch.randn(3)
    check(module(lambda a, b: a * 2 + b), x, x, more=[(x, y)])
    check(module(lambda a, *, b: a * 2 + b), x, kwargs={"b": x})


def test_positional_and_args_exclude_each_other():
    with pytest.raises(ValueError, match="both"):
        aot.export(Linear(), torch.randn(4), args=(torch.randn(4),))


@pytest.mark.parametrize("other", [3, "main", torch.randn(4), Linear, None])
def test_other_things_are_refused(other):
    with pytest.raises(TypeError, match="expected an nn.Module"):
        aot.export(other, torch.randn(4))


def test_exported_program():
    m, x = Linear(), torch.randn(4)
    ep = torch.export.export(m, (x,))
    output = aot.export(ep, function_name="forward", module_name="linear")
    bound = load(output)
    assert bound.name == "linear"
    np.testing.assert_allclose(bound.forward(x).to_host(), m(x).detach(), rtol=1e-5)
    decomposed = aot.export(ep.run_decompositions())
    np.testing.assert_allclose(
        load(decomposed).main(x).to_host(), m(x).detach(), rtol=1e-5
    )


def test_names():
    output = aot.export(Linear(), torch.randn(4), function_name="go", module_name="box")
    assert output.unit.functions == ["go"]
    assert output.unit.name == "box"
    assert aot.export(Linear(), torch.randn(4)).unit.functions == ["main"]


def test_strict():
    check(Linear(), torch.randn(4), strict_export=True)


# ---- sizes ----


def test_dynamic_sizes():
    b, n = Dim("b", min=1, max=64), Dim("n", min=2)

    def f(x, y):
        return (x + y).softmax(-1), x.sum(0), x.reshape(-1), torch.cat([x, y], 0)

    sizes = [(1, 2), (5, 9), (64, 3)]
    more = [(torch.randn(s), torch.randn(s)) for s in sizes]
    shapes = ({0: b, 1: n}, {0: b, 1: n})
    x = torch.randn(3, 4)
    check(module(f), x, torch.randn(3, 4), more=more, dynamic_shapes=shapes)


def test_size_out_of_range():
    shapes = ({0: Dim("b", min=2, max=8)},)
    main = load(
        aot.export(module(lambda x: x + 1), torch.randn(4), dynamic_shapes=shapes)
    ).main
    assert main(torch.ones(8)).to_host().tolist() == [2] * 8
    for bad in (1, 9):
        with pytest.raises(ValueError):
            main(torch.ones(bad))


def test_sizes_that_belong_together():
    b = Dim("b", min=1)
    shapes = ({0: b}, {0: 2 * b})
    m = module(lambda x, y: torch.cat([x, x]) * y)
    output = aot.export(m, args=(torch.ones(3), torch.ones(6)), dynamic_shapes=shapes)
    main = load(output).main
    assert main(torch.ones(2), torch.full((4,), 5.0)).to_host().tolist() == [5] * 4
    with pytest.raises(ValueError):
        main(torch.ones(2), torch.ones(5))


def test_sizes_as_results_and_values():
    def f(x):
        return x.shape[0], x.shape[0] * x.shape[1] + 1, x * x.shape[1]

    shapes = ({0: Dim("a"), 1: Dim("b")},)
    check(
        module(f), torch.randn(2, 3), more=[(torch.randn(4, 5),)], dynamic_shapes=shapes
    )


def test_integer_argument():
    m = module(lambda x, n: x * n)
    output = aot.export(m, args=(torch.ones(3), 3), dynamic_shapes=(None, Dim.DYNAMIC))
    main = load(output).main
    assert main(torch.ones(3), 7).to_host().tolist() == [7, 7, 7]
    assert main(torch.ones(3), 4).to_host().tolist() == [4, 4, 4]


def test_constant_arguments_are_part_of_the_program():
    m = module(lambda x, flag, n, text: x * n if flag and text == "a" else x)
    main = load(aot.export(m, args=(torch.ones(2), True, 3, "a"))).main
    assert main(torch.ones(2)).to_host().tolist() == [3, 3]


# ---- results ----


def test_nested_results_are_flat():
    def f(x):
        return {"a": x + 1, "b": [x * 2, (x - 1, None)]}, None, x

    output = check(module(f), torch.randn(3))
    assert len(load(output).main(torch.randn(3))) == 4


def test_numbers_and_constants_as_results():
    table = torch.arange(3)
    check(module(lambda x: (x + 1, 3, True, 2.5, table)), torch.randn(3))


def test_no_result():
    assert (
        load(aot.export(module(lambda x: None), torch.randn(3))).main(torch.randn(3))
        is None
    )


def test_input_as_result():
    check(module(lambda x, y: (y, x, x)), torch.randn(3), torch.randn(2))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float32,
        torch.float64,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    ],
)
def test_dtypes(dtype):
    x = torch.tensor([0, 1, 2, 5]).to(dtype)
    check(
        module(
            lambda x: (
                x,
                x.to(torch.float32) + 1,
                x | x if not x.is_floating_point() else x,
            )
        ),
        x,
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_linear_in_other_floats(dtype):
    m = torch.nn.Linear(16, 8).to(dtype)
    x = torch.randn(4, 16).to(dtype)
    output = aot.export(m, args=(x,))
    (got,) = output.evaluate(x)
    tolerance = {torch.float64: 1e-12, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(got, m(x).detach(), rtol=tolerance, atol=tolerance)
    binary = output.compile(save_to=None)
    assert len(binary) > 0


# ---- state ----


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(2))

    def forward(self, x):
        self.n.add_(x)
        return self.n * 2


def test_mutated_buffer():
    m = Counter()
    output = aot.export(m, torch.ones(2))
    main = load(output).main
    assert main(torch.ones(2)).to_host().tolist() == [2, 2]
    assert main(torch.tensor([1.0, 5.0])).to_host().tolist() == [4, 12]
    assert m.n.tolist() == [0, 0]  # export does not run the module
    again = load(output).main  # sessions have state of their own
    assert again(torch.ones(2)).to_host().tolist() == [2, 2]


def test_state_is_as_it_was_at_export():
    m = Counter()
    output = aot.export(m, torch.ones(2))
    m.n.fill_(100)
    assert load(output).main(torch.ones(2)).to_host().tolist() == [2, 2]


def test_batch_norm_in_training_keeps_statistics():
    m = torch.nn.BatchNorm1d(3)
    m.train()
    x = torch.randn(8, 3)
    main = load(aot.export(m, x)).main
    for _ in range(2):
        want = m(x).detach()
        np.testing.assert_allclose(main(x).to_host(), want, atol=1e-5)


def test_changed_input_is_warned_about():
    m = module(lambda x: x.add_(1) * 2)
    with pytest.warns(UserWarning, match="'x'"):
        output = aot.export(m, torch.zeros(2))
    assert load(output).main(torch.zeros(2)).to_host().tolist() == [2, 2]


# ---- models in small ----


def test_transformer_encoder():
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    check(
        torch.nn.TransformerEncoder(layer, 2).eval(), torch.randn(2, 5, 16), atol=1e-5
    )


def test_convolutions():
    m = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1, stride=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 8, 3, groups=4),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 4),
    ).eval()
    b = Dim("b", min=1, max=16)
    more = [(torch.randn(1, 3, 20, 20),), (torch.randn(7, 3, 20, 20),)]
    x = torch.randn(2, 3, 20, 20)
    check(m, x, more=more, dynamic_shapes=({0: b},), atol=1e-5)


def test_embedding_and_index_errors():
    m = torch.nn.Embedding(10, 4)
    output = check(m, torch.tensor([1, 2, 9]))
    with pytest.raises(IndexError):
        load(output).main(torch.tensor([1, 2, 10]))


def test_shared_weights_are_stored_once():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.nn.Linear(64, 64, bias=False)
            self.b = torch.nn.Linear(64, 64, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    text = aot.export(Tied(), torch.randn(2, 64)).unit.text()
    assert len(re.findall(r"^const \d+ ", text, re.MULTILINE)) == 1
    check(Tied(), torch.randn(2, 64))


def test_no_grad_regions():
    class Regions(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = Linear()

        def forward(self, x):
            with torch.no_grad():
                y = x * 2
            return self.linear(y)

    check(Regions(), torch.randn(4))


# ---- what ExportOutput gives ----


def test_text(capsys, tmp_path):
    output = aot.export(Linear(), torch.randn(4))
    text = str(output.mlir_module)
    assert "func.func @main" in text and "!torch.vtensor<[4],f32>" in text
    output.print_readable()
    assert "func.func @main" in capsys.readouterr().out
    output.print_readable(large_elements_limit=2)
    assert len(capsys.readouterr().out) < len(text)
    output.save_mlir(tmp_path / "m.mlir")
    assert (tmp_path / "m.mlir").read_text() == text
    again = aot.ExportOutput.from_mlir(text)
    x = torch.randn(4)
    torch.testing.assert_close(again.evaluate(x), output.evaluate(x))
    assert output.mlir_module.verify()
    output.import_to("full")
    with pytest.raises(ValueError):
        output.import_to("elsewhere")


def test_compile_to_file(tmp_path):
    output = aot.export(Linear(), torch.randn(4))
    for path in (tmp_path / "a.vmfb", str(tmp_path / "b.vmfb")):
        assert output.compile(path) is None
        bound = rt.load_vm_flatbuffer_file(str(path), driver="local-sync")
        assert bound.main(torch.ones(4)).to_host().shape == (3,)


def test_backends():
    output = aot.export(Linear(), torch.randn(4))
    for backends in ("llvm-cpu", ["llvm-cpu"], ("llvm-cpu", "vmvx"), None):
        assert len(output.compile(target_backends=backends)) > 0
    with pytest.raises(ValueError, match="nonsense"):
        output.compile(target_backends=["nonsense"])


def test_session_flags():
    output = aot.export(Linear(), torch.randn(4))
    everywhere = len(output.compile())
    output.session.set_flags("--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O2")
    assert len(output.compile()) < everywhere
    with pytest.raises(ValueError, match="unknown flag"):
        output.session.set_flags("--nonsense")


def test_nothing_is_printed(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aot.export(Linear(), args=(torch.randn(4),)).compile()
    out, err = capfd.readouterr()
    assert out == "" and err == ""


def test_unsupported_operator_names_line():
    class Lacking(torch.nn.Module):
        def forward(self, x):
            return lacking(x)

    line = Lacking.forward.__code__.co_firstlineno + 1
    with pytest.raises(NotImplementedError) as e:
        aot.export(Lacking(), torch.randn(3, 3)).compile()
    assert f"aot_test.py:{line}" in str(e.value).splitlines()[0]
    assert "lacking" in str(e.value)


# ---- decompositions ----


def test_decompositions():
    silu = torch.ops.aten.silu.default
    m, x = torch.nn.SiLU(), torch.randn(4)
    assert silu not in aot.current_aot_decompositions()
    assert "aten.silu" in aot.export(m, x).unit.text()
    with aot.extend_aot_decompositions(add_ops=[torch.ops.aten.silu]):
        assert silu in aot.current_aot_decompositions()
        output = aot.export(m, x)
        assert "aten.silu" not in output.unit.text()
        with aot.extend_aot_decompositions(remove_ops=[silu]):
            assert silu not in aot.current_aot_decompositions()
        with aot.extend_aot_decompositions(from_current=False):
            assert aot.current_aot_decompositions() == {}
        assert silu in aot.current_aot_decompositions()
    assert silu not in aot.current_aot_decompositions()
    torch.testing.assert_close(output.evaluate(x)[0], m(x))

    @aot.extend_aot_decompositions(add_ops=[silu])
    def inside():
        return silu in aot.current_aot_decompositions()

    assert inside() and inside()


# ---- several programs ----


def programs():
    fxb = aot.FxProgramsBuilder(Linear())
    n = Dim("n")

    @fxb.export_program(args=(torch.randn(5),), dynamic_shapes={"v": {0: n}})
    def total(module, v):
        return v.sum()

    @fxb.export_program(args=(torch.randn(4),), name="apply")
    def run(module, v):
        return module(v)

    @fxb.export_program(args=(torch.randn(3),), kwargs={"k": torch.randn(3)})
    def bias(module, v, *, k):
        return module.bias + v * k

    return fxb


def check_programs(fxb):
    m, output = Linear(), aot.export(fxb)
    assert len(re.findall(r"^const \d+ ", output.unit.text(), re.MULTILINE)) == 2
    bound = load(output)
    assert sorted(output.unit.functions) == ["apply", "bias", "total"]
    assert float(bound.total(torch.ones(9)).to_host()) == 9
    x = torch.randn(4)
    np.testing.assert_allclose(bound.apply(x).to_host(), m(x).detach(), rtol=1e-5)
    got = bound["bias"](torch.zeros(3), torch.zeros(3)).to_host()
    np.testing.assert_allclose(got, m.bias.detach(), rtol=1e-6)


def test_fx_programs():
    check_programs(programs())


def test_fx_programs_save_and_load(tmp_path):
    fxb = programs()
    assert fxb.save(tmp_path / "p.json") == 4
    loaded = aot.FxPrograms.load(tmp_path / "p.json")
    assert list(loaded.programs) == ["total", "apply", "bias"]
    check_programs(loaded)
    check_programs(fxb)  # saving does not take anything away


def test_fx_programs_share_state():
    fxb = aot.FxProgramsBuilder(Counter())

    @fxb.export_program(args=(torch.ones(2),))
    def add(module, x):
        return module(x)

    @fxb.export_program(args=())
    def read(module):
        return module.n + 0

    bound = load(aot.export(fxb))
    bound["add"](torch.ones(2))
    bound["add"](torch.ones(2))
    assert bound["read"]().to_host().tolist() == [2, 2]


def test_fx_programs_refuse_a_name_twice():
    fxb = programs()
    with pytest.raises(ValueError, match="'total'"):
        fxb.export_program(lambda module: module.bias, args=(), name="total")


def test_torch_missing_is_said():
    code = "import sys; sys.modules['torch'] = None\nimport shark_turbine.aot"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "needs PyTorch" in done.stderr


# ---- saved programs ----


def test_pt2_file(tmp_path):
    m, x = Linear(), torch.randn(4)
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(m, (x,)), path)
    for given in (path, str(path)):
        got = load(aot.export(given)).main(x).to_host()
        np.testing.assert_allclose(got, m(x).detach(), rtol=1e-5)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="m.pt2' is no torch.export.ExportedProgram"):
        aot.export(path)
    with pytest.raises(FileNotFoundError):
        aot.export(tmp_path / "absent.pt2")


def test_compiling_from_the_command_line(tmp_path, capsys):
    from shark_turbine.aot.__main__ import main

    m, x = Linear(), torch.randn(4)
    torch.export.save(torch.export.export(m, (x,)), tmp_path / "m.pt2")
    assert main([str(tmp_path / "m.pt2"), "--function-name=go", "--targets=host"]) == 0
    bound = rt.load_vm_flatbuffer_file(str(tmp_path / "m.vmfb"), driver="local-sync")
    np.testing.assert_allclose(bound.go(x).to_host(), m(x).detach(), rtol=1e-5)
    assert (
        main([str(tmp_path / "m.pt2"), "--emit=mlir", "-o", str(tmp_path / "a.mlir")])
        == 0
    )
    assert "func.func @main" in (tmp_path / "a.mlir").read_text()
    programs().save(tmp_path / "p.json")
    assert main([str(tmp_path / "p.json")]) == 0
    for bad in ("absent.pt2", "m.vmfb"):
        assert main([str(tmp_path / bad)]) == 1
        assert bad in capsys.readouterr().err


def test_positional_arguments_are_the_old_spelling():
    with pytest.warns(DeprecationWarning, match="args="):
        aot.export(Linear(), torch.randn(4))


def test_compile_to_an_open_file(tmp_path):
    with open(tmp_path / "a.vmfb", "wb") as f:
        assert aot.export(Linear(), args=(torch.randn(4),)).compile(f) is None
    bound = rt.load_vm_flatbuffer_file(str(tmp_path / "a.vmfb"), driver="local-sync")
    assert bound.main(torch.ones(4)).to_host().shape == (3,)


def test_errors_name_lines_outside_of_forward():
    """Of functions given to FxProgramsBuilder, procedures, jittables, losses."""

    def double(x):
        return lacking(x)

    def line(fn):
        return rf"aot_test.py:{fn.__code__.co_firstlineno + 1}: .*lacking"

    fxb = aot.FxProgramsBuilder(torch.nn.Module())

    def entry(module, x):
        return lacking(x)

    fxb.export_program(args=(torch.ones(3, 3),))(entry)
    with pytest.raises(NotImplementedError, match=line(entry)):
        aot.export(fxb).compile()

    def run(self, x=aot.AbstractTensor(3, 3)):
        return lacking(x)

    direct = aot.CompiledModule.create_from_dict("Direct", {"run": run})
    with pytest.raises(NotImplementedError, match=line(run)):
        aot.export(direct).compile()

    class Inside(aot.CompiledModule):
        compute = aot.jittable(double)

        def run(self, x=aot.AbstractTensor(3, 3)):
            return self.compute(x)

    with pytest.raises(NotImplementedError, match=line(double)):
        aot.export(Inside).compile()

    def loss(result, target):
        return lacking(result - target).sum()

    model = torch.nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.ones(3, 3)
    with pytest.raises(NotImplementedError, match=line(loss)):
        aot.export_training(model, loss, optimizer, args=(x,), targets=(x,)).compile()


def test_same_source_elsewhere_gives_the_same_bytes(tmp_path):
    source = """
import sys, torch
import shark_turbine.aot as aot

class Pick(torch.nn.Module):
    def forward(self, x, i):
        return x[i] * 2

args = torch.ones(4), torch.tensor([1])
aot.export(Pick(), args=args).compile(sys.argv[1], targets=["host"])
"""
    artifacts = []
    for folder in ("a", "another"):
        script, out = tmp_path / folder / "pick.py", tmp_path / f"{folder}.vmfb"
        script.parent.mkdir()
        script.write_text(source)
        subprocess.run([sys.executable, script, out], check=True)
        artifacts.append(out.read_bytes())
    assert artifacts[0] == artifacts[1]
    assert b"pick.py" in artifacts[0] and str(tmp_path).encode() not in artifacts[0]


def test_index_that_is_a_number_of_a_tensor():
    """x[i] with i of rank 0, which may count from the end."""

    class Pick(torch.nn.Module):
        def forward(self, x, i):
            return x[i], x[:, i] * 2

    def same(got, want):
        for g, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(g, w)

    x = torch.arange(12.0).reshape(3, 4)
    args = x, torch.tensor(1)
    sizes = {"x": {1: Dim("n", min=3, max=9)}, "i": None}
    m = load(aot.export(Pick(), args=args, dynamic_shapes=sizes))
    for i in (0, 2, -1, -3):
        same(m.main(x, torch.tensor(i)), Pick()(x, torch.tensor(i)))
    for i in (3, -4):
        with pytest.raises(IndexError, match="index out of range"):
            m.main(x, torch.tensor(i))
    few, last = x[:, :3], torch.tensor(2)
    same(m.main(few, last), Pick()(few, last))
