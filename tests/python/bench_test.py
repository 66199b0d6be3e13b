# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark's command line, going on with earlier results, and what it makes of times."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench import __main__ as bench
from bench import driver, report
from bench.cases import CASES


def results(rows, **options):
    own = {"engines": ("eager", "aot"), "rounds": 3, "seconds": 0.1, "cached": False}
    return {
        "machine": {"cpu": "one"},
        "versions": {"torch": "2"},
        "options": {**own, **options},
        "load": [0.0],
        "rows": [{"case": c, "threads": t} for c, t in rows],
    }


def test_whole_rows_are_kept(tmp_path):
    path = tmp_path / "results.json"
    first, second, third = CASES[:3]
    before = [(first.name, 1), (first.name, 2), (second.name, 1)]
    path.write_text(json.dumps(results(before, engines=["iree", "aot"])))
    now = results([])
    bench.go_on(path, now, [first, second, third], (1, 2))
    assert [(r["case"], r["threads"]) for r in now["rows"]] == before[:2]
    assert now["options"]["engines"] == ("eager", "iree", "aot")


@pytest.mark.parametrize(
    "other", [{"rounds": 4}, {"seconds": 1.0}, {"versions": {}}, {"machine": {}}]
)
def test_other_conditions_are_refused(tmp_path, other):
    path = tmp_path / "results.json"
    before = results([(CASES[0].name, 1)])
    (before if next(iter(other)) in before else before["options"]).update(other)
    path.write_text(json.dumps(before))
    with pytest.raises(SystemExit, match=f"another '{next(iter(other))}'"):
        bench.go_on(path, results([]), CASES, (1,))


def test_complete_means_every_row():
    args = Namespace(threads=(1, 2))
    rows = [(c.name, t) for c in CASES for t in (1, 2)]
    assert bench.is_complete(args, results(rows))
    assert not bench.is_complete(args, results(rows[1:]))


def a_row(**rounds):
    engines = {
        n: driver.summary([[t] for t in times], [1.0]) for n, times in rounds.items()
    }
    return {"case": "x", "kind": "operator", "threads": 1, "engines": engines}


def test_ratios_are_of_rounds():
    """A machine twice as slow for some rounds: medians meet different moments, rounds do not."""
    row = a_row(
        eager=[1, 1, 2, 2, 2],
        onnxruntime=[9, 9, 9, 9, 9],
        aot=[0.8, 0.8, 0.8, 1.6, 1.6],
    )
    assert report.ratio(row, "aot") == pytest.approx(0.8)
    assert report.best_other(row) == ("eager", 2)
    assert report.ratio(row, "onnxruntime") == pytest.approx(4.5)
    row["engines"]["eager"]["cached"] = True  # other rounds
    assert report.ratio(row, "aot") == pytest.approx(0.4)


def test_tables_of_the_documents():
    operator = a_row(eager=[2e-3], aot=[1e-3])
    model = {**a_row(eager=[4.0], jit=[3.0]), "case": "a model", "kind": "training"}
    model["engines"]["openvino"] = {"error": "why"}
    all_rows = results([], engines=["eager", "openvino", "aot", "jit"])
    all_rows["rows"] = [operator, model]
    assert report.markdown(all_rows) == [
        "One thread:",
        "",
        "| row | eager | jit | ours/best |",
        "|---|---|---|---|",
        "| a model | 4 s | 3 s | 0.75 |",
        "",
        "Operators, one thread:",
        "",
        "| row | eager | aot | ours/best |",
        "|---|---|---|---|",
        "| x | 2 ms | 1 ms | 0.50 |",
        "",
    ]


def test_the_ratio_is_to_the_fastest():
    row = a_row(
        eager=[4, 4, 4], onnxruntime=[2, 2, 2], openvino=[3, 3, 3], aot=[1, 1, 1]
    )
    row["engines"]["inductor"] = {"error": "x"}
    assert report.ratio(row, "aot") == pytest.approx(0.5)
    assert report.best_other(row) == ("onnxruntime", 2)
    assert report.ratio(row, "inductor") is None


class Clockwork:
    """Engines whose rounds take what a list says, the last one for ever."""

    def __init__(self, **times):
        self.times, self.asked = times, dict.fromkeys(times, 0)

    def ask(self, engine, what, seconds):
        times, i = self.times[engine], self.asked[engine]
        self.asked[engine] += 1
        return {"times": [times[min(i, len(times) - 1)]], "cpus": 1.0, "peak_bytes": 1}


@pytest.mark.parametrize(
    ("aot", "rounds"),
    [
        ([1.0], 4),  # all agree
        ([1.0, 1.5, 1.0, 1.0, 1.0], 5),  # one outlier
        ([1.0, 1.2, 1.4, 0.8, 1.0], 7),  # until enough agree
        ([1.0, 2.0] * 20, 12),  # never
    ],
)
def test_rounds_that_disagree_are_more(monkeypatch, aot, rounds):
    monkeypatch.setattr(driver, "PAUSE", 0)
    options = driver.Options(engines=("eager", "aot"), rounds=4, say=lambda text: None)
    row = driver.Row(CASES[0], 1, {"eager": {}, "aot": {}})
    pool = Clockwork(eager=[1.0], aot=aot)
    driver.Bench(options)._rounds(pool, row, ["eager", "aot"], None)
    assert pool.asked == {"eager": rounds, "aot": rounds}
    assert len(row.engines["aot"]["rounds_s"]) == rounds
