/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval.h -- what the files of the reference evaluator share.
 *
 * A value is a dense row-major tensor. Each primitive reads whole operands and writes a
 * whole result; nothing is fused, viewed or updated in place, so that a reader can check
 * one primitive at a time against prims.def. Intermediate values live in the context's
 * scratch arena until the next reset by its owner.
 *
 * Numbers are widened to one of four kinds before anything is computed:
 *   float   f16, bf16, f32 (half types round when stored, that is after each primitive)
 *   double  f64
 *   int64_t / uint64_t  integers and bool; results wrap to the dtype when stored
 *   double pairs        complex
 */
#pragma once
#include "graph/graph.h"

typedef tb_eval_tensor tensor;

typedef struct ev {
    tb_unit *u;
    tb_ctx *cx;
    tb_eval_tensor *globals;
    int64_t *syms;  /* value of each symbol of the unit */
    bool *known;    /* it has one */
    uint32_t n_syms;
    /* the node being evaluated, for messages */
    const tb_graph *g;
    tb_val v;
} ev;

typedef struct cplx {
    double re, im;
} cplx;

/* eval.c */
void tb_ev_raise(ev *e, const char *fmt, ...) TB_NORETURN TB_PRINTF(2, 3);
int64_t tb_ev_count(const tensor *t);
tensor tb_ev_new(ev *e, tb_dtype dtype, int rank, const int64_t *dims);
/* The result of the current node: its dtype and its dims under the symbols' values. */
tensor tb_ev_result(ev *e);
int64_t tb_ev_dim(ev *e, tb_dim d);
/* Row-major strides in elements. */
void tb_ev_strides(const tensor *t, int64_t *strides);

/* eval_num.c: element access. The functions on n elements convert from and to the four
 * kinds; storing rounds halves, wraps integers and makes bools of non-zero. */
void tb_ev_load_f32(const tensor *t, int64_t at, int64_t n, float *out);
void tb_ev_load_f64(const tensor *t, int64_t at, int64_t n, double *out);
void tb_ev_load_int(const tensor *t, int64_t at, int64_t n, int64_t *out);
void tb_ev_load_cplx(const tensor *t, int64_t at, int64_t n, cplx *out);
void tb_ev_store_f32(tensor *t, int64_t at, int64_t n, const float *v);
void tb_ev_store_f64(tensor *t, int64_t at, int64_t n, const double *v);
void tb_ev_store_int(tensor *t, int64_t at, int64_t n, const int64_t *v);
void tb_ev_store_cplx(tensor *t, int64_t at, int64_t n, const cplx *v);
int64_t tb_ev_int(const tensor *t, int64_t at);
tensor tb_ev_cast(ev *e, const tensor *x, tb_dtype to);

/* eval_map.c */
tensor tb_ev_map(ev *e, tb_prim p, const tensor *const *in);
/* `complex` and `imag`. */
tensor tb_ev_complex(ev *e, tb_prim p, const tensor *const *in);
/* One map on single numbers: the step of reductions and scans. */
double tb_ev_f64_op(tb_prim p, double a, double b);
int64_t tb_ev_int_op(tb_prim p, tb_dtype t, int64_t a, int64_t b);

/* eval_reduce.c */
tensor tb_ev_fold(ev *e, tb_prim p, const tensor *x, uint32_t axes);
tensor tb_ev_scan(ev *e, tb_prim p, const tensor *x, int axis);
tensor tb_ev_dot(ev *e, const tensor *x, const tensor *y);
tensor tb_ev_argsort(ev *e, const tensor *x, int axis, bool descending);

/* eval_linalg.c */
tensor tb_ev_linalg(ev *e, tb_prim p, const tensor *const *in, const int64_t *attr);
/* eval_schur.c: x is [n + 1, m], the last row zeros. False if it does not converge. `ulp` and
 * `least`: the precision of the type and its smallest normal number. */
bool tb_ev_schur(ev *e, double _Complex *x, int64_t n, int64_t m, bool real, double ulp,
                 double least);
tensor tb_ev_exchange(ev *e, const tensor *swaps);

/* eval_move.c */
tensor tb_ev_move(ev *e, tb_prim p, const tensor *const *in, uint32_t n_in,
                  const int64_t *attr);
tensor tb_ev_gather(ev *e, const tensor *const *in, uint32_t n_in, uint32_t mask);
tensor tb_ev_scatter(ev *e, const tensor *const *in, uint32_t n_in, uint32_t mask,
                     int mode);
tensor tb_ev_iota(ev *e, int axis);
tensor tb_ev_full(ev *e, int64_t value);
tensor tb_ev_rand(ev *e, int64_t seed, int64_t offset);
