/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention_grad.h -- what the two files of attention's gradients share.
 *
 *   attention_grad.c   the kernels
 *   attention_rows.c   from operands in memory to scratch, and from scratch to the result
 */
#pragma once
#include "kernel/attention_panel.h"

typedef struct tb_side {
    uint32_t var; /* counts queries or keys */
    tb_dim n;
    tb_ix at[2];  /* of the rows of d and e elements */
    tb_val store[2];
    tb_dim result[2]; /* where their gradients begin in the root; queries have only the first */
} tb_side;

typedef struct tb_grad {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_unit *u;
    tb_val root;
    tb_panel p; /* keys */
    tb_panel_mask mask;
    double scale;
    uint32_t batch[TB_MAX_RANK], n_batch, inner[2]; /* inner: along d and e */
    tb_dim batches;
    int64_t depth[2]; /* d, e */
    int64_t dq_row;   /* elements from row to row of dQ in the temporary */
    int64_t parts;    /* tiles of a batch */
    tb_side query, key;
    tb_ix at[TB_MAX_RANK + 1];        /* batch axes; room for one more */
    tb_ix sums_at[TB_MAX_RANK + 1];   /* of lse and row */
    tb_micro scores, sum[2], dq; /* products to S and dS; sums to dK' and dV'; sums to dQ */
    tb_kv turned[2], keys, rows[2], dx[2], s, ds, square; /* pointers to scratch */
    tb_kv parts_dq;   /* pointer to dQ of all tiles */
} tb_grad;

static inline tb_kv
tb_g_dimv(tb_grad *a, tb_dim d)
{
    return tb_k_dim(a->k, a->u, d);
}

static inline tb_kv
tb_g_number(tb_grad *a, double v)
{
    return tb_k_const(a->k, a->p.acc, v);
}

static inline tb_kv
tb_g_op(tb_grad *a, tb_prim p, tb_kv x, tb_kv y)
{
    return tb_k_map(a->k, p, x, y, TB_NO_KV);
}

/* ---- attention_rows.c ---- */
/* The side whose rows of d and of e elements are `one` and `two`. */
tb_side tb_grad_side(tb_grad *a, tb_val one, tb_val two);
/* a->turned[i]: a panel of keys (i = 0, scaled) or values from x0 on, [element][panel]. */
void tb_grad_turn(tb_grad *a, int i, tb_kv x0);
/* n rows of a side from y0 on to `to`, `pitch` elements from one to the next: where they lie
 * they may be far apart, and in the same places of the cache. */
void tb_grad_pack(tb_grad *a, const tb_side *y, int i, tb_kv y0, tb_kv n, tb_kv to, int64_t pitch);
/* Stores lanes of a gradient where its row and `inner` are bound. */
void tb_grad_put(tb_grad *a, const tb_side *x, int i, tb_kv v);
/* Stores the gradient of keys (i = 0, scaled) or values from x0 on: a->dx[i], turned back. */
void tb_grad_finish(tb_grad *a, int i, tb_kv x0);
