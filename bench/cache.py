# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Results of other engines kept between runs, for the developer's loop (--cached).

A result is valid for one machine, one set of versions, one number of threads and one
definition of the case. The machine's state at that time is not this run's, so tables mark
such results and pictures are not made of them.
"""

import hashlib
import json
from pathlib import Path

from .engines import ENGINES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    "bench/cases.py",
    "bench/programs.py",
    "bench/engines.py",
    "tests/models/zoo.py",
]


class Cache:
    def __init__(self, path, machine, versions):
        self.path = path
        others = {k: v for k, v in versions.items() if k != "turbine"}
        sources = [(ROOT / s).read_text() for s in SOURCES]
        text = json.dumps([machine, others, sources], sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.known = {}
        if path.exists():
            stored = json.loads(path.read_text())
            if stored.get("key") == self.key:
                self.known = stored["results"]

    def _name(self, engine, case, threads):
        return f"{case.name} | {threads} | {engine}"

    def get(self, engine, case, threads):
        return (
            None
            if ENGINES[engine].ours
            else self.known.get(self._name(engine, case, threads))
        )

    def put(self, engine, case, threads, result):
        """Errors are not kept: they may be gone the next time."""
        if not ENGINES[engine].ours and "median_s" in result and "cached" not in result:
            self.known[self._name(engine, case, threads)] = result
            text = json.dumps({"key": self.key, "results": self.known})
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(text)
