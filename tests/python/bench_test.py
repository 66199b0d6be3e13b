# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark's command line: going on with earlier results."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench import __main__ as bench
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
