# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The cache of compiled programs on disk, and the settings of the backend."""

import multiprocessing
import os
import pathlib
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from compiling import compiled, fresh, lacking, same  # noqa: F401
from shark_turbine import config
from shark_turbine.dynamo import cache, options


@pytest.fixture
def folder(fresh, tmp_path):  # noqa: F811
    with config.patch(cache=True, cache_dir=str(tmp_path / "cache")):
        yield tmp_path / "cache" / "programs"


def entries(folder):
    return sorted(p for p in folder.glob("??/*") if not p.name.startswith("."))


def f(x):
    return (x.sin() * 2).softmax(-1)


def run(fn=f, **kwargs):
    """One call of a newly compiled function; whether it is right is checked."""
    torch._dynamo.reset()
    x = torch.randn(3, 4)
    same(compiled(fn, **kwargs)(x), fn(x))


# ---- programs ----


def test_a_program_is_compiled_once(folder, monkeypatch):
    run()
    (entry,) = entries(folder)
    monkeypatch.setattr(cache.Store, "put", lambda *a: pytest.fail("compiled again"))
    run()
    assert entries(folder) == [entry]


def test_training_is_cached_too(folder, monkeypatch):
    m = torch.nn.Linear(4, 3)
    x = torch.randn(2, 4)
    compiled(m)(x).sum().backward()
    want, m.weight.grad = m.weight.grad, None
    assert len(entries(folder)) == 2
    monkeypatch.setattr(cache.Store, "put", lambda *a: pytest.fail("compiled again"))
    torch._dynamo.reset()
    compiled(m)(x).sum().backward()
    same(m.weight.grad, want)


def test_what_differs_has_another_name(folder):
    def g(x):
        return (x.sin() * 3).softmax(-1)

    scale = torch.arange(4.0)

    def with_constant(x):
        return x @ torch.tensor([[1.0, scale[1]]] * 4)

    n = 0
    for fn, kwargs in (
        (f, {}),
        (g, {}),
        (f, {"targets": ("x86_64-v3",)}),
        (f, {"dynamic": True}),
    ):
        run(fn, **kwargs)
        n += 1
        assert len(entries(folder)) == n
    m = torch.nn.Linear(4, 4)  # frozen: its numbers are part of the program
    for _ in range(2):
        with torch.no_grad():
            torch._dynamo.reset()
            x = torch.randn(2, 4)
            same(compiled(m, freeze=True)(x), m(x))
            n += 1
            assert len(entries(folder)) == n
            m.weight[0, 0] += 1


def test_precision_of_products_is_part_of_the_name(folder):
    m, x = torch.nn.Linear(4, 4), torch.randn(2, 4)
    before = torch.get_float32_matmul_precision()
    try:
        for precision in ("highest", "medium"):
            torch.set_float32_matmul_precision(precision)
            torch._dynamo.reset()
            same(compiled(m)(x), m(x), rtol=0.02, atol=0.02)
    finally:
        torch.set_float32_matmul_precision(before)
    assert len(entries(folder)) == 2


def test_off(folder):
    with config.patch(cache=False):
        run()
    with config.patch(cache_size_mb=0):
        run()
    assert not folder.exists()


def test_build_of_the_compiler():
    note = cache.build_id()
    assert len(note) >= 20
    assert note in pathlib.Path(cache._compiler.__file__).read_bytes()


def test_bytes_that_are_no_elf_file():
    head = pathlib.Path(cache._compiler.__file__).read_bytes()[: 1 << 16]
    assert cache._gnu_build_id(b"") is None
    assert cache._gnu_build_id(b"\xcf\xfa\xed\xfe" + bytes(100)) is None
    assert cache._gnu_build_id(head) == cache.build_id()


# ---- files ----


@pytest.mark.parametrize("damage", ["flip", "header", "cut", "empty", "longer"])
def test_damaged_files(folder, damage, caplog):
    run()
    (entry,) = entries(folder)
    good = entry.read_bytes()
    bad = {
        "flip": good[:-100] + bytes([good[-100] ^ 1]) + good[-99:],
        "header": b"?" + good[1:],
        "cut": good[: len(good) // 2],
        "empty": b"",
        "longer": good + b"\0",
    }[damage]
    entry.write_bytes(bad)
    run()
    assert entry.read_bytes() == good
    assert "removed a damaged file" in caplog.text


def test_a_folder_that_cannot_be_made(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with config.patch(cache_dir=str(tmp_path / "file" / "cache")):
        run()
        run()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    store = cache.Store(tmp_path, 1 << 20)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert not store.put("ab" * 32, b"x" * 100)
    assert not list(tmp_path.rglob("*.*")) and not entries(tmp_path)


def test_a_folder_of_others(folder, caplog):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    run()
    assert not entries(folder)
    assert "others can write" in caplog.text


def test_size_is_bounded(tmp_path):
    store = cache.Store(tmp_path, 100_000)
    for i in range(40):
        assert store.put(f"{i:064x}", bytes(4000))
        os.utime(store._path(f"{i:064x}"), (i, i))
        if i % 3 == 0:
            assert store.get("0" * 64) is not None  # in use: stays
    total = sum(p.stat().st_size for p in entries(tmp_path))
    assert 50_000 < total <= 110_000
    assert store.get("0" * 64) is not None and store.get(f"{39:064x}") is not None
    assert store.get(f"{1:064x}") is None
    assert not store.put("f" * 64, bytes(30_000))  # more than its share


def test_abandoned_files_go(tmp_path):
    store = cache.Store(tmp_path, 1 << 20)
    store.put("a" * 64, b"x")
    old, new = tmp_path / "aa" / ".1.abc", tmp_path / "aa" / ".2.abc"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (0, 0))
    store.shrink()
    assert not old.exists() and new.exists() and entries(tmp_path)


def _use(folder, seed):
    store = cache.Store(folder, 60_000)
    for i in range(150):
        n = (seed * 7 + i) % 20
        body = bytes([n]) * (1000 + n)
        found = store.get(f"{n:064x}")
        if found is None:
            assert store.put(f"{n:064x}", body)
        else:
            assert bytes(found) == body
    os._exit(0)


def test_many_processes(tmp_path):
    """They find whole entries or none, while others write and evict."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_use, args=(tmp_path, i)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join(60)
    assert [w.exitcode for w in workers] == [0] * 4
    assert not list(tmp_path.rglob(".*"))


# ---- torch.compiler ----


def test_cache_artifacts(folder, monkeypatch):
    torch.compiler._cache.CacheArtifactManager.clear()
    run()
    packed, info = torch.compiler.save_cache_artifacts()
    (entry,) = entries(folder)
    assert info.turbine_artifacts == [entry.name]
    good = entry.read_bytes()
    entry.unlink()
    torch.compiler.load_cache_artifacts(packed)
    assert entry.read_bytes() == good
    monkeypatch.setattr(cache.Store, "put", lambda *a: pytest.fail("compiled again"))
    run()


TRAINS = """
import sys, torch
torch.manual_seed(0)
m, x = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh()), torch.randn(3, 4)
if sys.argv[1] == "load":
    with open(sys.argv[2], "rb") as f:
        torch.compiler.load_cache_artifacts(f.read())
torch.compile(m, backend="turbine_cpu")(x).square().mean().backward()
print(m[0].weight.grad.sum().item())
if sys.argv[1] == "save":
    with open(sys.argv[2], "wb") as f:
        f.write(torch.compiler.save_cache_artifacts()[0])
"""


def test_artifacts_carry_training_to_another_machine(tmp_path):
    """Forward and backward: the other process, with a cache of its own, compiles nothing."""

    def process(what):
        done = subprocess.run(
            [sys.executable, "-c", TRAINS, what, tmp_path / "packed"],
            env={
                **os.environ,
                "TURBINE_CACHE_DIR": str(tmp_path / what),
                "TORCH_LOGS": "+shark_turbine",
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    numbers, log = process("save")
    assert log.count("compiling ") == 2
    again, log = process("load")
    assert again == numbers
    assert "compiling " not in log and log.count("found ") == 2


def test_names_from_outside(folder):
    for name in ("../../escape", "", "A" * 64, "a" * 63 + "/"):
        cache.add_entry(name, b"x")
    assert not list(folder.rglob("*"))


def test_what_was_measured_is_remembered(folder, monkeypatch):
    m = torch.nn.Sequential(
        torch.nn.Linear(64, 200), torch.nn.GELU(), torch.nn.Linear(200, 5)
    )
    x = torch.randn(3, 64)
    for _ in range(2):
        torch._dynamo.reset()
        with torch.no_grad():
            y = torch.compile(m, backend="turbine_cpu", mode="max-autotune")(x)
            same(y, m(x))
        assert len(entries(folder)) == 1
        monkeypatch.setattr(
            cache.Store, "put", lambda *a: pytest.fail("measured again")
        )


# ---- settings ----


def test_precedence(monkeypatch):
    assert options.parse().device == "local-task"
    with config.patch(device="local-sync", freeze=True, targets="x86_64-v3,x86_64-v4"):
        assert options.parse().device == "local-sync"
        assert options.parse().targets == ("x86_64-v3", "x86_64-v4")
        assert options.parse(None, {"device": "local-task"}).device == "local-task"
        assert options.parse().freeze
        assert not options.parse("max-autotune", {"freeze": False}).freeze
    assert not options.parse().freeze and options.parse("max-autotune").freeze
    assert not options.parse().tune and options.parse("max-autotune").tune


def test_wrong_settings():
    with pytest.raises(AttributeError):
        config.full_graph = True
    with config.patch(device="cuda"), pytest.raises(ValueError, match="local-sync"):
        options.parse()


def test_config_is_one_of_torchs_kind():
    assert config.save_config() and config.get_hash()
    with config.patch("fullgraph", True):
        assert config.fullgraph
    assert not config.fullgraph


CHILD = """
import torch
lacking = torch.library.custom_op("turbine_test::lacking", lambda x: x * 2, mutates_args=(), schema="(Tensor x) -> Tensor")
lacking.register_fake(torch.empty_like)
f = lambda x: lacking(x.sin()) + 1
print(torch.allclose(torch.compile(f, backend="turbine_cpu")(torch.eye(3)), f(torch.eye(3))))
"""


def child(tmp_path, **variables):
    return subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "TURBINE_CACHE_DIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_environment_and_logs(tmp_path):
    done = child(
        tmp_path,
        TORCH_LOGS="+shark_turbine",
        TURBINE_DEVICE="local-sync",
        TORCH_TRACE=str(tmp_path / "trace"),
    )
    assert done.returncode == 0 and done.stdout == "True\n"
    assert "shark_turbine" in done.stderr and "compiling" in done.stderr
    assert "turbine_test.lacking" in done.stderr
    assert len(entries(tmp_path / "programs")) == 2
    traces = [p.read_text() for p in (tmp_path / "trace").rglob("*.log")]
    assert any("turbine_graph" in t and "aten.sin" in t for t in traces)


@pytest.mark.slow
def test_second_process(tmp_path):
    child(tmp_path)
    before = entries(tmp_path / "programs")
    done = child(tmp_path, TORCH_LOGS="+shark_turbine")
    assert done.stdout == "True\n"
    assert "found" in done.stderr and "compiling" not in done.stderr
    assert entries(tmp_path / "programs") == before
    done = child(tmp_path, TURBINE_FULLGRAPH="1")
    assert done.returncode and "cannot be compiled" in done.stderr


# ---- AOTAutograd's cache ----


@pytest.fixture
def traced(folder, tmp_path, monkeypatch):
    """torch's folder of traced graphs."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    with config.patch(autograd_cache=True):
        yield tmp_path / "torch" / "aotautograd"


def hits(fn=f, counter="autograd_cache_hit", **kwargs):
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        run(fn, **kwargs)
    return torch._dynamo.utils.counters["aot_autograd"][counter]


def test_a_graph_is_traced_once(traced):
    assert hits() == 0
    assert len(list(traced.iterdir())) == 1
    assert hits() == 1
    assert hits(dynamic=True) == 0
    assert hits(dynamic=True) == 1
    torch._dynamo.reset()
    with torch.no_grad():  # the guards of the graph that was found are looked at
        c = compiled(f, dynamic=True)
        for n in (2, 5, 9):
            x = torch.randn(n, 4)
            same(c(x), f(x))


def test_other_options_are_other_graphs(traced):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")  # torch's name has the whole setting
    try:
        assert hits() == 0
        assert hits(targets=("x86_64-v3",)) == 0
        x = torch.randn(3, 4)
        torch._dynamo.reset()
        with torch.no_grad():
            same(torch.compile(f, backend="aot_eager")(x), f(x))
        torch.set_float32_matmul_precision("medium")
        assert hits() == 0
        torch.set_float32_matmul_precision("highest")
        assert hits() == 1
    finally:
        torch.set_float32_matmul_precision(before)


def test_views_and_eager_parts_from_the_cache(traced):
    from shark_turbine.dynamo import fallback

    def g(x):
        y = lacking(x * 2) + 1
        return y, y[1:], x.t(), None, x

    def call():
        x = torch.randn(3, 4)
        torch._dynamo.reset()
        fallback._warned.clear()
        with torch.no_grad(), pytest.warns(UserWarning, match="lacking"):
            got = compiled(g, fallback=True)(x)
        same(got, g(x))
        assert got[4] is x and got[2].data_ptr() == x.data_ptr()

    call()
    torch._dynamo.utils.counters.clear()
    call()
    assert torch._dynamo.utils.counters["aot_autograd"]["autograd_cache_hit"] == 1


def test_artifacts_carry_traced_graphs(traced):
    import shutil

    torch.compiler._cache.CacheArtifactManager.clear()
    assert hits() == 0
    packed, info = torch.compiler.save_cache_artifacts()
    assert info.aot_autograd_artifacts and info.turbine_artifacts
    shutil.rmtree(traced)
    torch.compiler.load_cache_artifacts(packed)
    assert hits() == 1


def test_random_and_control_flow_operators(traced):
    """Kept or not: what comes out is right."""

    def g(x):
        y = torch.nn.functional.dropout(x, 0.5)
        return torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), y

    for _ in range(2):
        torch._dynamo.reset()
        with torch.no_grad():
            x = torch.ones(1000)
            torch.manual_seed(3)
            c = compiled(g)
            a, b = c(x), c(x)
            same(a[0], x.sin())
            assert 300 < (a[1] == 0).sum() < 700 and not torch.equal(a[1], b[1])
