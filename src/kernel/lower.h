/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * lower.h -- from a grouped graph to kernels: private index of the schedules.
 *
 *   index.c      index expressions: sums of coefficient x variable, with div and mod
 *   group.c      which nodes are computed together (lives in src/pass, uses index.c)
 *   pull.c       the value of a node at an index: walks movement as index arithmetic (with
 *                lanes.c, access.c; pull.h)
 *   nest*.c      kernels for maps and reductions (nest.h)
 *   contract.c   matrix products and convolutions (with geometry.c, product.c, epilogue.c,
 *                winograd.c, micro.c, micro_amx.c, inner.c, stream.c, pack.c, repack.c)
 *   attention.c  streaming attention; attention_grad.c  its gradients; attention_panel.c  both
 *   depthwise.c  convolutions of each channel by itself
 *   scan.c, sort.c, scatter.c   one each; rows.c  the loops they share
 *   trisolve.c, factor.c, reflect.c, jacobi.c, schur.c   linear algebra, in the words of linalg.h
 *   lower.c      chooses the schedule of a group
 *
 * A node is *materialised* when it has memory of its own: inputs, constants, globals and
 * the roots of groups. Everything else is computed where it is used.
 */
#pragma once
#include "graph/graph.h"
#include "kernel/kernel.h"

/* ---- index expressions (index.c) ---- */
typedef enum tb_ixkind {
    TB_IX_LOOP, /* a loop variable, 0 <= v < extent */
    TB_IX_QUOT, /* floor(e / n) */
    TB_IX_REM,  /* e mod n */
    TB_IX_DATA  /* the integer in node `data` at indices `at` (gather); checked elsewhere */
} tb_ixkind;
#define TB_IX_TERMS 12
typedef struct tb_ix { /* sum of t[i].coef * var + c */
    uint32_t n;
    struct {
        uint32_t var;
        tb_dim coef;
    } t[TB_IX_TERMS];
    tb_dim c;
} tb_ix;
typedef struct tb_ixvar {
    tb_ixkind kind;
    tb_dim extent;
    tb_ix e;  /* QUOT, REM */
    tb_dim n;
    tb_val data; /* DATA */
    const tb_ix *at;
    int at_rank;
} tb_ixvar;
typedef struct tb_ixspace { /* variables of one group */
    tb_unit *u;
    TB_VEC(tb_ixvar) vars;
} tb_ixspace;

uint32_t tb_ix_loop(tb_ixspace *s, tb_dim extent); /* a new loop variable */
uint32_t tb_ix_data(tb_ixspace *s, tb_val data, const tb_ix *at, int rank, tb_dim extent);
tb_ix tb_ix_const(tb_dim c);
tb_ix tb_ix_var(uint32_t var);
tb_ix tb_ix_add(tb_ixspace *s, tb_ix a, tb_ix b);
tb_ix tb_ix_scale(tb_ixspace *s, tb_ix a, tb_dim k);
tb_ix tb_ix_offset(tb_ixspace *s, tb_ix a, tb_dim c);
tb_ix tb_ix_quot(tb_ixspace *s, tb_ix a, tb_dim n);
tb_ix tb_ix_rem(tb_ixspace *s, tb_ix a, tb_dim n);
bool tb_ix_same(const tb_ix *a, const tb_ix *b);
bool tb_ix_is_var(const tb_ix *a, uint32_t *var); /* exactly one variable, once */
bool tb_ix_is_zero(const tb_ix *a);
/* Upper bound (inclusive) of a; false if it may be negative or is not known. */
bool tb_ix_bound(tb_ixspace *s, const tb_ix *a, tb_dim *max);
/* Coefficient of `var` (0 if absent); false if var also hides in a QUOT, REM or DATA. */
bool tb_ix_linear(tb_ixspace *s, const tb_ix *a, uint32_t var, tb_dim *coef);
bool tb_ix_uses(tb_ixspace *s, const tb_ix *a, uint32_t var);
/* The row-major position of idx in a tensor of dims; q * n + r pairs are put together. */
tb_ix tb_ix_flat(tb_ixspace *s, const tb_ix *idx, int rank, const tb_dim *dims);
/* Indices into the operand of movement node v, given indices into its result. For pad and
 * concat, out-of-range positions are the caller's business. operand: which (concat). */
void tb_ix_through(tb_ixspace *s, const tb_graph *g, tb_val v, const tb_ix *idx,
                   tb_ix *out);
/* The other way, for permute and reshape: indices into the result. */
void tb_ix_back(tb_ixspace *s, const tb_graph *g, tb_val v, const tb_ix *idx, tb_ix *out);

/* ---- groups (pass/group.c) ---- */
typedef enum tb_group_kind {
    TB_GROUP_NEST,      /* maps and reductions */
    TB_GROUP_CONTRACT,  /* dot or conv_nhwc, with what follows it */
    TB_GROUP_DEPTHWISE, /* conv_nhwc of each channel by itself, likewise */
    TB_GROUP_ATTENTION,
    TB_GROUP_ATTENTION_GRAD,
    TB_GROUP_SCAN,
    TB_GROUP_SORT,
    TB_GROUP_SCATTER,
    TB_GROUP_LINALG /* one primitive of linear algebra */
} tb_group_kind;
typedef struct tb_reduction {
    tb_val node;
    const tb_ix *at; /* where the group wants the result */
    const tb_ix *in; /* indices of the operand: row variables on the reduced axes */
} tb_reduction;
typedef struct tb_group {
    tb_group_kind kind;
    tb_val root;   /* what the group stores */
    tb_val anchor; /* the contraction, scan, sort ... inside; root itself or before it */
    tb_loc loc;
    tb_ixspace ix;          /* variables 0..rank-1 are the root's axes */
    const tb_ix *root_at;   /* [rank]: each axis' variable, 0 where the size is 1 */
    uint32_t outer;         /* with reductions: root variables (bit mask) that select a row */
    TB_VEC(tb_reduction) reductions; /* NEST: one value per row each; operands first */
    TB_VEC(tb_val) path; /* with an anchor: permutes and reshapes on the way from it to the
                            root, in that order */
} tb_group;
typedef struct tb_groups {
    const tb_graph *g;
    TB_VEC(tb_group) at;   /* in execution order */
    uint32_t *group_of;    /* [g->n] group + 1 of a root, 0 if not a root */
    bool *stored;          /* [g->n] has memory: roots, inputs, constants, reads */
} tb_groups;
tb_groups *tb_group_graph(const tb_graph *g);
void tb_groups_print(const tb_groups *gs, tb_buf *out);
/* The stored node whose memory holds v: v itself, or what v is a reshape of. NO_VAL if v
 * is not in memory. */
tb_val tb_storage(const tb_groups *gs, tb_val v);

/* ---- variants: other ways to compute a group than the one that costs least by our count,
 * for measuring (src/tune) ---- */
typedef enum tb_variant {
    TB_VARIANT_USUAL,
    TB_VARIANT_FINER,   /* more, shorter tiles */
    TB_VARIANT_COARSER, /* fewer, longer ones */
    TB_VARIANT_NARROW,  /* a product's panels have fewer columns, its registers more rows */
    TB_VARIANT_OTHER,   /* a product by another algorithm: a convolution directly, not by
                           Winograd's; operands packed, not read in place, or the reverse */
    TB_VARIANT_END
} tb_variant;
/* Which group takes which variant. Groups are numbered as they are lowered, over all
 * functions and what is inside them. */
typedef struct tb_choices {
    const uint8_t *variant; /* [n]; groups past that take the usual one */
    uint32_t n, next;       /* next: groups so far */
} tb_choices;

/* ---- one step of the program: a kernel with its operands ---- */
typedef struct tb_binding {
    enum { TB_BIND_NODE, TB_BIND_PACKED, TB_BIND_TEMP } kind;
    tb_val node;      /* NODE: a stored node */
    uint32_t packed;  /* PACKED: constant of the unit made by packing */
    uint32_t temp;    /* TEMP: number in tb_lowered.temps */
    bool written;
} tb_binding;
enum { TB_STEP_LOCS = 8 };
typedef struct tb_step {
    TB_VEC(tb_binding) bindings;
    TB_VEC(tb_dim) sizes;
    tb_dim tiles;
    tb_dim all_tiles; /* what the first target took: the others must agree */
    int64_t scratch_bytes;
    uint64_t tile_cost_ns;
    uint32_t group; /* its number among the choices */
    tb_str name;
    tb_loc loc;
    tb_dim flops, bytes; /* of all tiles (work.c), TB_DIM_UNKNOWN if too large to say */
    TB_VEC(tb_loc) locs; /* of what it computes, loc first; at most TB_STEP_LOCS */
} tb_step;
typedef TB_VEC(tb_kernel *) tb_kernel_list;
typedef struct tb_temp { /* memory that only one group's steps share (packed operands) */
    tb_dim bytes;
} tb_temp;

typedef struct tb_env {
    tb_kv value; /* scalar I64: of lane 0; NO_KV = not bound */
    int lane;    /* 1: lanes are consecutive values; 0: the same for all lanes */
    bool ranged; /* value is in [least, most] */
    int64_t least, most;
} tb_env;
typedef struct tb_known {
    tb_val node;
    tb_kv value;
    const tb_ix *at; /* NULL: wherever asked */
} tb_known;

typedef struct tb_memo { /* a value already written, good where its region is open */
    tb_val node;
    tb_kv value;
    uint64_t hash;
    uint32_t region;
} tb_memo;

typedef struct tb_strided { /* every step-th element, shuffled together: 0 outside of mask */
    tb_kv value, mask;
} tb_strided;

/* Constants laid out for kernels so far (pack.c), shared by all functions of a unit. */
typedef struct tb_pack {
    uint32_t source; /* constant of the unit */
    int64_t key[11];
    uint32_t packed;
} tb_pack;
typedef TB_VEC(tb_pack) tb_packs;

typedef struct tb_lower_options {
    bool bf16_weights; /* constant f32 operands of matrix products may be rounded to bf16 */
    int workers;       /* that will share a kernel's tiles; 0: any number */
} tb_lower_options;

typedef struct tb_lowered { /* a whole function */
    tb_packs *packs;
    tb_lower_options options;
    TB_VEC(tb_step *) steps;      /* in execution order; [i] runs kernels[target].at[i] */
    TB_VEC(tb_temp) temps;
    TB_VEC(uint32_t) first_step;  /* by group */
    uint32_t n_targets;
    const tb_target *targets;
    tb_kernel_list *kernels;      /* by target: one kernel per step */
} tb_lowered;

/* A group being lowered for one target. */
/* Which nodes a walk has been at; beginning another walk costs nothing. */
typedef struct tb_marks {
    uint32_t *at; /* by node: the walk that was here last */
    uint32_t walk;
} tb_marks;
static inline tb_marks *
tb_marks_begin(tb_marks *m)
{
    m->walk++;
    return m;
}
/* False if this walk has been at the node before. */
static inline bool
tb_mark(tb_marks *m, uint32_t node)
{
    bool first = m->at[node] != m->walk;
    m->at[node] = m->walk;
    return first;
}

/* A load of a large tensor also asks memory for what will be read when `var` has moved on by so
 * many steps, or, if steps is 0 and var runs along the lanes, by a fixed stretch of memory. */
typedef struct tb_ahead {
    uint32_t var; /* UINT32_MAX: nothing is asked for */
    int64_t steps;
} tb_ahead;

typedef struct tb_lower {
    tb_lowered *out;
    uint32_t target_no, next_step, first_temp;
    uint32_t group_no; /* among the choices */
    tb_variant variant;
    tb_unit *u;
    const tb_graph *g;
    const tb_groups *gs;
    const tb_group *group;
    const tb_target *target;
    tb_marks *marks;
    tb_kernel *k;
    tb_step *step; /* shared between levels: bindings are found or added */
    tb_ixspace ix;
    /* where loop variables stand in the code being written */
    TB_VEC(tb_env) env; /* by variable */
    int lanes;         /* of values being computed; 1 = scalar code */
    tb_kv mask;        /* BOOL lanes of the tail, or NO_KV */
    int64_t lane_align;/* the lane variable's value is a multiple of this */
    /* values known at certain indices (reductions of this row, a product's tile) */
    TB_VEC(tb_known) known;
    bool past_caches; /* what tb_put stores is large and nobody's here */
    tb_ahead ahead;   /* what loads ask for */
    TB_VEC(tb_memo) memos;
    TB_VEC(tb_strided) strided;
    tb_map memo; /* hash of (node, indices, variables, mask) to memos + 1 */
} tb_lower;

/* pull.c */
enum { TB_PULL_MAX_STRIDE = 4, /* elements from lane to lane; a gather where there are more */
       TB_AHEAD_BYTES = 4096 };
void tb_bind_var(tb_lower *l, uint32_t var, tb_kv value, int lane);
tb_kv tb_ix_value(tb_lower *l, const tb_ix *a);          /* scalar (no lane variable in it) */
tb_kv tb_ix_vector(tb_lower *l, const tb_ix *a);         /* I64 in l->lanes lanes */
/* Value of node v at indices idx: scalar if uniform over lanes, else l->lanes lanes. */
tb_kv tb_pull(tb_lower *l, tb_val v, const tb_ix *idx);
/* Loads/stores element `flat` of a stored node. */
tb_kv tb_pull_load(tb_lower *l, tb_val stored, const tb_ix *flat);
void tb_put(tb_lower *l, tb_val stored, const tb_ix *flat, tb_kv value);
/* Loads element `flat` of the root, which this kernel has stored before; neighbouring lanes
 * are neighbours in memory. */
tb_kv tb_read_back(tb_lower *l, tb_val stored, const tb_ix *flat);
tb_kv tb_bind_node(tb_lower *l, tb_val stored, bool written); /* pointer */
void tb_pull_reset(tb_lower *l); /* a new straight-line block begins: forget memo */

/* work.c -- flops, bytes and locs of the group's steps, of which the last one does the
 * group's work and those before it prepare operands. */
void tb_lower_work(tb_lower *l, uint32_t first_step);

/* lower.c -- groups to kernels for each target. */
tb_lowered *tb_lower_groups(const tb_groups *gs, const tb_target *targets,
                            uint32_t n_targets, tb_packs *packs, tb_lower_options options,
                            tb_choices *choices);
/* Begins the next kernel of the group; `what` names it. Steps and their bindings are shared
 * between targets: they are made for the first and found again for the others, so what a
 * schedule binds must not depend on the target. */
void tb_lower_begin(tb_lower *l, const char *what);
void tb_lower_end(tb_lower *l);
/* Bindings of the current step besides nodes. */
tb_kv tb_bind_packed(tb_lower *l, uint32_t unit_const); /* pointer */
tb_kv tb_bind_temp(tb_lower *l, uint32_t temp, bool written);
/* Memory shared by the steps of this group: number `nth` of the group (0, 1, ..). */
uint32_t tb_lower_temp(tb_lower *l, uint32_t nth, tb_dim bytes);

/* schedules: write the kernel(s) of a group. Each is called once per target, between
 * tb_lower_begin and tb_lower_end for its first kernel. */
void tb_lower_nest(tb_lower *l);
void tb_lower_contract(tb_lower *l);
void tb_lower_depthwise(tb_lower *l);
void tb_lower_attention(tb_lower *l);
void tb_lower_attention_grad(tb_lower *l);
void tb_lower_scan(tb_lower *l);
void tb_lower_sort(tb_lower *l);
void tb_lower_scatter(tb_lower *l);
void tb_lower_tri_solve(tb_lower *l);
void tb_lower_cholesky(tb_lower *l);
void tb_lower_lu(tb_lower *l);
void tb_lower_qr(tb_lower *l);
void tb_lower_jacobi(tb_lower *l);
void tb_lower_schur(tb_lower *l);
void tb_lower_exchange(tb_lower *l);
