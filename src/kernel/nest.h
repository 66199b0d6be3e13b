/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest.h -- what the files of the schedule for maps and reductions share.
 *
 *   nest.c         loops around rows, tiles, the root
 *   nest_look.c    looks at a group before it is written: costs, which axis goes along the
 *                  lanes, which axes are one
 *   nest_reduce.c  the reductions of a row
 *   nest_nan.c     maxima that need not look for NaN
 *   nest_keep.c    what a reduction has computed and the root needs again
 *   nest_memory.c  stores past the caches, reads ahead
 *   nest_turn.c    copies whose reads and writes are contiguous along different axes
 */
#pragma once
#include "kernel/lower.h"

enum { TB_NEST_UNROLL = 4 };

/* Reductions that run in one pass over the row. */
typedef struct tb_nest_stage {
    uint32_t first, n;            /* reductions */
    uint32_t vars[TB_MAX_RANK];   /* row variables, outermost first */
    uint32_t n_vars;
} tb_nest_stage;

typedef struct tb_nest {
    tb_lower *l;
    tb_kernel *k;
    const tb_group *gr;
    const tb_ix *root_at;
    TB_VEC(tb_nest_stage) stages;
    uint32_t outer[TB_MAX_RANK], n_outer; /* loops around rows, without an outer lane var */
    uint32_t inner[TB_MAX_RANK], n_inner; /* root axes inside the row */
    uint32_t near[TB_MAX_RANK], n_near; /* loops inside that over the lanes, see choose_near */
    uint32_t lane;      /* the lane variable of the root's loops */
    bool lane_outer;    /* lane is an outer axis */
    bool padded;        /* what is read depends on how far the ends are, see tb_nest_survey */
    bool ranged;        /* the lane variable's first block is in [least, most] */
    int64_t least, most;
    int unroll;
    int lanes;
    int wide;           /* lanes of the first target, for choices that all targets share */
    tb_kv (*values)[TB_NEST_UNROLL]; /* by reduction: result, per lane block if lane_outer */
    bool *passes_nan;   /* by reduction: see tb_nest_passes_nan */
    tb_val kept;        /* computed in the stage `kept_stage`, needed again after it; or NO_VAL */
    tb_kv row;          /* where it waits: scratch of one row; NO_KV: where the root will be */
    const tb_ix *kept_at;
    uint32_t kept_stage;
    tb_ix root_flat;    /* of root_at */
    bool recalled;
    tb_known displaced; /* while recalled */
} tb_nest;

/* ---- nest_look.c ---- */
typedef struct tb_nest_met {
    tb_val node;
    const tb_ix *at;
} tb_nest_met;
typedef struct tb_nest_survey {
    tb_lower *l;
    tb_marks *seen;
    TB_VEC(tb_nest_met) met; /* nodes that have been walked through */
    double ops;          /* weighted instructions per element */
    uint32_t n_vars;
    int *score;          /* by variable: how well it would vectorise */
    const tb_ix *flat;   /* the root's position */
    bool only_flat;      /* every load is at that very position, or a single number */
    bool padded;         /* there is a pad or a concat */
    bool plain;          /* no index has a bound of its own: no pad, concat or gather */
    TB_VEC(tb_ix) accesses; /* positions read and, last, written */
} tb_nest_survey;
tb_nest_survey tb_nest_look_begin(tb_lower *l, const tb_ix *root_flat);
void tb_nest_look(tb_nest_survey *s, tb_val v, const tb_ix *idx);
double tb_nest_op_weight(tb_prim p); /* instructions of a map, for a vector */
void tb_nest_look_access(tb_nest_survey *s, const tb_ix *flat);
/* Without reductions: makes neighbouring outer axes one where every access allows it. */
void tb_nest_merge_axes(tb_nest *n, tb_nest_survey *s);
/* With reductions: the same for the axes of a row. n->gr becomes a group of its own. */
void tb_nest_merge_rows(tb_nest *n, tb_nest_survey *s);
/* Chooses the lane variable and puts the row variables in order. */
void tb_nest_choose_lanes(tb_nest *n, tb_nest_survey *s);
double tb_nest_hint(const tb_nest *n, uint32_t var); /* typical extent */

/* ---- nest_keep.c ---- */
/* Chooses what is kept from the first stage that computes it for those after it. */
void tb_nest_choose_kept(tb_nest *n);
/* In stage s, where an element has been pulled: stores what is kept. */
void tb_nest_keep(tb_nest *n, const tb_nest_stage *s);
/* Before an element is pulled in stage s (NULL: the root): what is kept is known, which
 * tb_nest_forget ends. */
void tb_nest_recall(tb_nest *n, const tb_nest_stage *s);
void tb_nest_forget(tb_nest *n);

/* ---- nest.c ---- */
/* A body that runs for one block of lanes (blocks = unroll) or once per scalar; gets and
 * changes carried values. */
typedef void tb_nest_body(tb_nest *n, void *arg, int blocks, tb_kv *carried);
/* for i in [lo, hi): lanes along var; const_len: its length if that is constant, or -1.
 * carried: n_carried values that the loops carry; what they mean is the body's business. */
void tb_nest_lane_loop(tb_nest *n, uint32_t var, tb_kv lo, tb_kv hi, int64_t const_len,
                       tb_nest_body *body, void *arg, tb_kv *carried, uint32_t n_carried);
/* Moves the lane variable to block b of the unrolled body. */
void tb_nest_to_block(tb_nest *n, uint32_t var, tb_kv base, int b);
bool tb_nest_const_extent(const tb_nest *n, uint32_t var, int64_t *extent);
tb_kv tb_nest_extent(const tb_nest *n, uint32_t var);

/* ---- nest_reduce.c ---- */
bool tb_nest_is_arg(tb_prim p); /* argmax, argmin */
void tb_nest_make_stages(tb_nest *n);
/* Runs one stage; results go to n->values and to `known`. */
void tb_nest_run_stage(tb_nest *n, const tb_nest_stage *s, int blocks);

/* ---- nest_nan.c ---- */
/* Is reduction r a maximum that may be of the other elements if some are NaN? */
bool tb_nest_passes_nan(const tb_nest *n, uint32_t r);

/* ---- nest_memory.c ---- */
/* Is the result so large that caches would not hold it, and read by nobody here? */
bool tb_nest_past_caches(const tb_nest *n);
/* Before the loads of stage s (NULL: the root) are written: what they ask for. */
void tb_nest_ahead(tb_nest *n, const tb_nest_stage *s);

/* ---- nest_turn.c ---- */
/* Writes the kernel if the group is one that is better turned round in registers. */
bool tb_nest_turned(tb_nest *n, const tb_nest_survey *s);
