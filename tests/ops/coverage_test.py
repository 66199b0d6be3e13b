# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The checks of `make coverage` on operators that it once found wrong or not compiled."""

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

import coverage_checks as checks
import opinfo

FORWARD = [
    "cauchy",
    "geometric",
    "log_normal",
    "gcd",
    "lcm",
    "sum_to_size",
    "frexp",
    "mode",
    "addr",
    "igamma",
    "igammac",
    "nn.functional.pairwise_distance",
    "nn.functional.rrelu",
    "special.ndtri",
    "special.log_ndtr",
    "special.zeta",
    "special.chebyshev_polynomial_t",
    "special.hermite_polynomial_h",
    "polygamma.polygamma_n_2",
    "erfinv",
    "nn.functional.instance_norm",
]
BACKWARD = [
    "as_strided_scatter",
    "masked_scatter",
    "nn.functional.adaptive_max_pool2d",
    "nn.functional.adaptive_max_pool3d",
    "nn.functional.pad.replicate_negative",
    "nn.functional.bilinear",
    "_upsample_bilinear2d_aa",
    "cdist",
    "nn.functional.pdist",
    "nn.functional.embedding_bag",
    "nn.functional.grid_sample",
    "grid_sampler_3d",
    "sgn",
    "fft.rfft",
    "fft.irfft2",
]
HALF = ["nn.functional.batch_norm"]


@pytest.fixture(autouse=True)
def settings():
    config = torch._dynamo.config
    with config.patch(
        recompile_limit=10000, capture_scalar_outputs=True, specialize_int=False
    ):
        yield


def run(name, dtype, mode, count=2):
    """Every sample is compiled as a whole, and right."""
    ran = 0
    for op in opinfo.op_db:
        check = checks.Check(dtype, mode, count)
        if opinfo.op_id(op) != name or not checks.wanted(op, check):
            continue
        for number, status, reason, what in checks.run_check(op, check):
            assert status in (checks.PASSED, None), (
                f"{number} {status} {reason} [{what}]"
            )
            ran += status is not None
    return ran


@pytest.mark.parametrize("name", FORWARD)
def test_forward(name):
    ran = run(name, "float32", "forward") + run(name, "int64", "forward")
    assert ran + run(name, "bool", "forward")


@pytest.mark.parametrize("name", BACKWARD)
def test_backward(name):
    assert run(name, "float32", "backward")


@pytest.mark.parametrize("name", HALF)
def test_half(name):
    assert run(name, "bfloat16", "forward")


def test_a_wrong_result_is_seen():
    """The checks themselves: another function in the operator's place."""
    op = next(o for o in opinfo.op_db if o.name == "nn.functional.relu")
    case = opinfo.cases(op, torch.float32, 1)[0]
    want = opinfo.call(case)
    got = opinfo.call(case, lambda x: [x + 1])
    assert checks.judge(case, got, want, False, False)
    assert not checks.judge(case, opinfo.call(case), want, False, False)
