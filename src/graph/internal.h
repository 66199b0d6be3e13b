/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * internal.h -- what the files of this folder share and nobody else needs.
 */
#pragma once
#include "graph/graph.h"

#define TB_RAISE(g, ...) \
    tb_raise((g)->unit->cx, (g)->loc, TB_INVALID_ARGUMENT, __VA_ARGS__)

/* dim.c: the interned expression (op, a, b), exactly as given; a new one if there is
 * none. */
tb_dim tb_dim_intern(tb_unit *u, tb_dim_op op, tb_dim a, tb_dim b);
static inline const tb_dim_expr *
tb_dim_get(const tb_unit *u, tb_dim d)
{
    return &u->exprs.at[d - TB_DIM_EXPR];
}
/* Whether some values of the symbols within their ranges may make a and b equal. */
bool tb_dim_may_eq(tb_unit *u, tb_dim a, tb_dim b);

/* poly.c: a dimension as a sum of terms, leading term first, the constant last. */
typedef struct tb_term {
    int64_t coef; /* not 0 */
    tb_dim mono;  /* product of atoms, 1 for the constant term */
} tb_term;
typedef struct tb_poly {
    tb_unit *u;
    tb_term *at; /* room, or the scratch arena when there are many terms */
    uint32_t n, cap;
    tb_term room[8];
} tb_poly;
enum { TB_MAX_DEGREE = 32 };
void tb_poly_init(tb_poly *p, tb_unit *u);
void tb_poly_load(tb_poly *p, tb_unit *u, tb_dim d);
tb_dim tb_poly_store(const tb_poly *p);
void tb_poly_insert(tb_poly *p, int64_t coef, tb_dim mono);
/* p += factor * mono * q */
void tb_poly_add(tb_poly *p, const tb_poly *q, int64_t factor, tb_dim mono);
/* q = a / b without remainder, or false. Uses up a. */
bool tb_poly_div(tb_poly *a, const tb_poly *b, tb_poly *q);
int64_t tb_poly_const(const tb_poly *p); /* the constant term */
uint32_t tb_mono_atoms(const tb_unit *u, tb_dim mono, tb_dim *atoms);
tb_dim tb_mono_make(tb_unit *u, const tb_dim *sorted_atoms, uint32_t n);
bool tb_mono_div(tb_unit *u, tb_dim a, tb_dim b, tb_dim *out);
int tb_dim_order(const tb_unit *u, tb_dim a, tb_dim b);     /* total, by structure */
int64_t tb_dim_checked(tb_unit *u, bool ok, int64_t value); /* raises on overflow */

/* infer.c: shared checks of the constructors. `what` names the primitive. */
void tb_check_axis(tb_graph *g, const char *what, int axis, int rank);
void tb_check_rank(tb_graph *g, const char *what, int rank);
void tb_expect_rank(tb_graph *g, const char *what, const char *which, tb_val v, int rank);
/* a and b must be equal: raises "<what>: <which>: expected a, found b" if they cannot
 * be, assumes it otherwise. Returns the better known of the two. */
tb_dim tb_same_size(tb_graph *g, const char *what, const char *which, tb_dim a,
                    tb_dim b);
void tb_same_dtype(tb_graph *g, const char *what, tb_val a, tb_val b);
/* "[2, s0, 3]" for messages. */
const char *tb_dims_text(tb_graph *g, int rank, const tb_dim *dims);

/* expand_rand.c: the primitive `rand` in other primitives. */
tb_val tb_expand_rand(tb_graph *g, tb_val seed, tb_val offset, int rank, const tb_dim *dims);
/* attention.c: attention and its relatives in other primitives. */
tb_val tb_expand_attention(tb_graph *g, tb_prim p, const int64_t *attr, const tb_val *in,
                           uint32_t n_in);
