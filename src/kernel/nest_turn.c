/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_turn.c -- maps whose reads are contiguous along one axis (`read`) and whose writes
 * are along another (`write`): a transposition, with what is computed on the way.
 *
 * A square of lanes x lanes elements is computed with lanes along `read`, one vector for
 * each step along `write`, turned round in registers, and stored with lanes along `write`.
 * Gathering costs about 0.65 ns per element, this a few shuffles per vector.
 *
 * Both axes have at least as many elements as any target has lanes. The last square of an
 * axis starts early enough to end with it: it computes some elements again, and nothing
 * needs masks or scalar code.
 */
#include "kernel/contract.h"
#include "kernel/nest.h"
#include "kernel/rows.h"

enum {
    LEAST = 16, /* elements of either axis: no less than the lanes of a target */
    CHUNK = 64, /* of the axis `read` in a row of tiles */
    MAX_DIRECT = 6 /* more instructions per element than this: the square lies in scratch */
};

typedef struct turn {
    tb_nest *n;
    uint32_t read, write; /* variables */
    bool direct;
    int w;
} turn;

static bool
long_enough(const tb_nest *n, uint32_t var)
{
    return tb_dim_le(n->l->u, LEAST, n->l->ix.vars.at[var].extent);
}

/* How the access moves along var: 1, 0, or -1 for anything else. */
static int
movement(tb_nest *n, const tb_ix *access, uint32_t var)
{
    tb_dim coef;
    if (!tb_ix_linear(&n->l->ix, access, var, &coef))
        return -1;
    return coef == 0 ? 0 : coef == 1 ? 1 : -1;
}

/* Finds the axes. False if lanes along the written axis serve as well. */
static bool
find_axes(tb_nest *n, const tb_nest_survey *s, turn *t)
{
    const tb_ix *written = &s->accesses.at[s->accesses.n - 1];
    bool found = false;
    uint32_t best = 0;

    for (uint32_t i = 0; i < n->n_outer; i++)
        if (movement(n, written, n->outer[i]) == 1) {
            t->write = n->outer[i];
            found = true;
        }
    if (!found || !long_enough(n, t->write))
        return false;
    for (uint32_t i = 0; i < n->n_outer; i++) {
        uint32_t var = n->outer[i], better = 0, worse = 0;
        if (var == t->write || !long_enough(n, var))
            continue;
        for (uint32_t a = 0; a + 1 < s->accesses.n; a++) {
            int along = movement(n, &s->accesses.at[a], var);
            int across = movement(n, &s->accesses.at[a], t->write);
            better += across == -1 && along != -1;
            worse += across != -1 && along == -1;
        }
        if (better > worse && better - worse > best) {
            best = better - worse;
            t->read = var;
        }
    }
    return best > 0;
}

/* Row i of the square: the root with lanes along `read`. */
static tb_kv
row(const turn *t, tb_kv at)
{
    tb_lower *l = t->n->l;
    tb_bind_var(l, t->write, at, 0);
    return tb_k_splat(l->k, tb_pull(l, t->n->gr->root, t->n->root_at), t->w);
}

static void
square(const turn *t, tb_kv r0, tb_kv w0)
{
    tb_lower *l = t->n->l;
    tb_kernel *k = l->k;
    tb_val root = t->n->gr->root;
    tb_kv rows[64];
    int w = t->w;

    l->lanes = w;
    tb_bind_var(l, t->read, r0, w > 1);
    if (t->direct) {
        for (int i = 0; i < w; i++)
            rows[i] = row(t, tb_k_add(k, w0, tb_k_int(k, i)));
    } else {
        tb_dtype type = TB_NONE;
        tb_kv i = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, w), 1, NULL, 0);
        tb_kv v = row(t, tb_k_add(k, w0, i));
        type = (tb_dtype)tb_k_inst(k, v)->dtype;
        tb_kv scratch = tb_k_scratch(k, (int64_t)w * w * (int64_t)tb_dtype_bytes(type));
        tb_k_store(k, type, scratch, tb_k_mul(k, i, tb_k_int(k, w)), 0, v, TB_NO_KV);
        tb_k_end_for(k, NULL, NULL);
        for (int j = 0; j < w; j++)
            rows[j] = tb_k_load(k, type, w, scratch, TB_NO_KV, (int64_t)j * w, TB_NO_KV);
    }
    tb_transpose_square(k, rows, w);
    tb_bind_var(l, t->write, w0, w > 1);
    tb_ix flat = tb_ix_flat(&l->ix, t->n->root_at, tb_rank(l->g, root), tb_dims(l->g, root));
    for (int j = 0; j < w; j++) {
        tb_bind_var(l, t->read, tb_k_add(k, r0, tb_k_int(k, j)), 0);
        tb_put(l, root, &flat, rows[j]);
    }
}

/* for (i = lo; i < hi; i += w), but never past extent - w. */
static tb_kv
open_squares(const turn *t, tb_kv lo, tb_kv hi, uint32_t var)
{
    tb_kernel *k = t->n->k;
    tb_dim extent = t->n->l->ix.vars.at[var].extent;
    tb_kv i = tb_k_for(k, lo, hi, t->w, NULL, 0);

    if (tb_dim_is_multiple(extent, t->w))
        return i;
    return tb_k_min(k, i, tb_k_dim(k, t->n->l->u, tb_dim_sub(t->n->l->u, extent, t->w)));
}

bool
tb_nest_turned(tb_nest *n, const tb_nest_survey *s)
{
    tb_lower *l = n->l;
    tb_kernel *k = n->k;
    tb_dtype dtype = tb_dtype_of(l->g, n->gr->root);
    turn t = {.n = n, .w = tb_lanes_of(l, dtype), .direct = s->ops <= MAX_DIRECT};
    uint32_t vars[TB_MAX_RANK + 1], n_vars = 0;

    if (dtype == TB_BOOL || s->ops > 200 || !find_axes(n, s, &t))
        return false;
    for (uint32_t i = 0; i < n->n_outer; i++)
        if (n->outer[i] != t.read && n->outer[i] != t.write)
            vars[n_vars++] = n->outer[i];
    tb_dim extent = l->ix.vars.at[t.read].extent;
    uint32_t chunk = tb_ix_loop(&l->ix, tb_dim_ceildiv(l->u, extent, CHUNK));
    vars[n_vars++] = chunk;
    tb_rows_open(l, vars, n_vars, CHUNK * tb_nest_hint(n, t.write) * (0.15 + 0.02 * s->ops));
    tb_kv lo = tb_k_mul(k, l->env.at[chunk].value, tb_k_int(k, CHUNK));
    tb_kv hi = tb_k_min(k, tb_k_add(k, lo, tb_k_int(k, CHUNK)), tb_nest_extent(n, t.read));
    l->lane_align = 1;
    tb_kv w0 = open_squares(&t, tb_k_int(k, 0), tb_nest_extent(n, t.write), t.write);
    tb_kv r0 = open_squares(&t, lo, hi, t.read);
    square(&t, r0, w0);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_rows_close(l);
    return true;
}
