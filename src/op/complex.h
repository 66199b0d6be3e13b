/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * complex.h -- complex numbers in operator bodies (complex.c).
 */
#pragma once
#include "op/body.h"

typedef struct tb_cplx {
    tb_val re, im;
} tb_cplx;

bool tb_is_complex(const tb_graph *g, tb_val x);
/* A real tensor has an imaginary part of zeros. */
tb_cplx tb_cplx_parts(tb_graph *g, tb_val x);
tb_val tb_cplx_whole(tb_graph *g, tb_cplx a);
tb_val tb_cplx_conj(tb_graph *g, tb_val x); /* of real numbers: themselves */
tb_val tb_cplx_abs(tb_graph *g, tb_val x);
tb_val tb_cplx_angle(tb_graph *g, tb_val x);
tb_val tb_cplx_hypot(tb_graph *g, tb_val x, tb_val y); /* of real numbers */
/* A map of one operand; what has no complex meaning raises. */
tb_val tb_cplx_map(tb_graph *g, tb_prim p, tb_val x);
tb_val tb_cplx_pow(tb_graph *g, tb_val x, tb_val y);
tb_val tb_cplx_log_of_sum(tb_graph *g, tb_val x, tb_val y); /* log(e^x + e^y) */

/* tb_cplx_exp(g, x) and so on: complex functions of complex tensors. */
#define TB_CPLX_FUNCTIONS(X)                                                             \
    X(exp)                                                                               \
    X(exp2)                                                                              \
    X(expm1)                                                                             \
    X(log)                                                                               \
    X(log2)                                                                              \
    X(log10)                                                                             \
    X(log1p)                                                                             \
    X(sqrt)                                                                              \
    X(rsqrt)                                                                             \
    X(reciprocal)                                                                        \
    X(square)                                                                            \
    X(sgn)                                                                               \
    X(sin)                                                                               \
    X(cos)                                                                               \
    X(tan)                                                                               \
    X(sinh)                                                                              \
    X(cosh)                                                                              \
    X(tanh)                                                                              \
    X(asin)                                                                              \
    X(acos)                                                                              \
    X(atan)                                                                              \
    X(asinh)                                                                             \
    X(acosh)                                                                             \
    X(atanh)
#define DECLARE(name) tb_val tb_cplx_##name(tb_graph *g, tb_val x);
TB_CPLX_FUNCTIONS(DECLARE)
#undef DECLARE
