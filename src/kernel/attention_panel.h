/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * attention_panel.h -- positions of one axis along the lanes of vectors: queries in attention,
 * keys in its gradients. Matrices of them in scratch are [row][size].
 */
#pragma once
#include "kernel/contract.h"

typedef struct tb_panel {
    tb_lower *l;
    tb_kernel *k;
    tb_dtype acc; /* of scratch */
    int size, w;  /* positions, a multiple of w; lanes */
    uint32_t var; /* the axis: its variable and size */
    tb_dim n;
} tb_panel;

/* Vectors of a panel are worked on in groups of equal size, those of one side by side, as each may
 * wait for its last: so many at most. */
enum { TB_PANEL_GROUP = 4 };
int tb_panel_group(const tb_panel *p); /* positions of one */
/* A loop of the kernel over the groups, if there are several: the first position of one. */
tb_kv tb_panel_for(const tb_panel *p);
void tb_panel_end_for(const tb_panel *p);
/* Lane vectors of a group: calls for each with the offset of its first lane. */
#define TB_FOR_GROUP(p, j) for (int j = 0; j < tb_panel_group(p); j += (p)->w)

/* How many positions pay for an axis of n. Not by the hint: an example's few say little. */
int tb_panel_size(tb_unit *u, tb_dim n);

static inline tb_kv
tb_panel_row(const tb_panel *p, tb_kv row)
{
    return tb_k_mul(p->k, row, tb_k_int(p->k, p->size));
}

static inline tb_kv
tb_panel_load(const tb_panel *p, tb_kv ptr, tb_kv at, int64_t j)
{
    return tb_k_load(p->k, p->acc, p->w, ptr, at, j, TB_NO_KV);
}

static inline void
tb_panel_store(const tb_panel *p, tb_kv ptr, tb_kv at, int64_t j, tb_kv v)
{
    tb_k_store(p->k, p->acc, ptr, at, j, tb_k_splat(p->k, v, p->w), TB_NO_KV);
}

/* Positions from x0 + j on run along the lanes, under a mask where there may be fewer. */
void tb_panel_bind(const tb_panel *p, tb_kv x0, int j);
void tb_panel_unbind(const tb_panel *p);

/* Rows in memory, one for each position: `depth` elements along the variable `inner`. */
typedef struct tb_panel_rows {
    tb_val store;
    const tb_ix *at;
    uint32_t inner;
    int64_t depth;
} tb_panel_rows;
/* The rows from x0 on times `scale` (of all lanes), to `to`: [element][size]. */
void tb_panel_turn(const tb_panel *p, const tb_panel_rows *rows, tb_kv x0, tb_kv scale,
                   tb_kv to);

/* n rows from y0 on, counted by `var`, to `to`, `pitch` elements from one to the next: where they
 * lie they may be far apart, and in the same places of the cache. */
void tb_panel_pack(const tb_panel *p, const tb_panel_rows *rows, uint32_t var, tb_kv y0, tb_kv n,
                   tb_kv to, int64_t pitch);

/* Rows of a panel on their way to where they are stored. */
typedef struct tb_panel_out {
    tb_kv from, square;  /* pointers to scratch: [element][size]; room for w x w elements */
    int64_t depth;       /* elements of a row, along the variable `inner` */
    uint32_t inner;
    tb_kv scale, scales; /* what they are multiplied by: a number, or a pointer to one for each
                            position (else NO_KV) */
    void (*put)(void *user, tb_kv v); /* stores lanes along `inner`; it and a position are bound */
    void *user;
} tb_panel_out;
/* The reverse of tb_panel_turn, for the positions from x0 on that there are. */
void tb_panel_turn_back(const tb_panel *p, const tb_panel_out *out, tb_kv x0);

/* Which keys a query sees; `query` or `key` is the panel's own variable. */
typedef struct tb_panel_mask {
    bool causal;
    uint32_t query, key;
    tb_val mask; /* NO_VAL: none; of BOOL, or added */
    const tb_ix *at;
} tb_panel_mask;
/* Sets mask->at: aligned at the last axis of the scores [batch.., query, key], of `rank`; sizes
 * of 1 repeat. */
void tb_panel_mask_at(const tb_panel *p, tb_panel_mask *mask, const tb_ix *batch, int rank);
/* The scores s where query and key are bound: -inf for those not seen. */
tb_kv tb_panel_masked(const tb_panel *p, tb_kv s, const tb_panel_mask *mask);
