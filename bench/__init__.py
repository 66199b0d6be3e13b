# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turbine beside every other way to run a PyTorch model on a CPU: `make bench`.

    cases.py     the rows: names, kinds, how each is built
    programs.py  the modules behind the operator and training rows (needs torch)
    engines.py   how each engine compiles and calls a program
    worker.py    the process an engine lives in, and what it can be asked
    driver.py    workers, rounds in turn, results
    report.py    tables, means, roofs, from results
    chart.py     the picture
    cache.py     results of other engines kept between runs, on request
    machine.py   what the numbers were measured on

Only worker processes import torch and engines; everything else needs Python alone.
"""
