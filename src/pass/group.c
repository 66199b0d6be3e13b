/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * group.c -- which nodes are computed together, and which values get memory.
 *
 * Requires: a graph of primitives without dead nodes.   Gives: tb_groups.
 *
 * Nodes are visited from the last to the first, users before operands. A node whose users
 * all belong to one group joins it if that group can compute it in place; else it becomes
 * the root of a group of its own and is stored. What can be computed in place:
 *
 *   - movement, always: it is index arithmetic;
 *   - maps, unless that would repeat expensive work (an index that is visited several
 *     times, or a use in several groups);
 *   - a reduction, if its result depends on the group's outer loop variables alone, so that
 *     it is one number per row: then softmax or layer norm is one kernel;
 *   - one contraction, if what follows it is maps and one-to-one movement: the epilogue.
 *
 * To decide, each member remembers the indices at which the group wants it (lower.h,
 * index.c) in terms of the loop variables of the root.
 */
#include "kernel/lower.h"
#include "pass/pass.h"

#define MANY UINT32_MAX

/* Each reduction after the first is one more pass over the row that computes what it needs
 * anew; and compilers take more than linear time for very large functions. */
enum { MAX_REDUCTIONS = 8, MAX_MAPS = 256 };
enum { NEAR_STEP = 16, LONG_RUN = 16 }; /* elements: of a line, of a vector */

typedef struct member {
    tb_ix *at;    /* [rank] or NULL: wanted at several different indices */
    uint32_t in;  /* group + 1 that computes it; MANY: several; 0: not used */
} member;

/* Facts about a group while it grows. */
typedef struct shape {
    tb_ixspace ix;
    uint32_t n_root;      /* variables 0..n_root-1 are the root's axes */
    bool has_reductions, has_anchor;
    uint32_t outer;       /* with reductions: mask of root variables that are outer */
    uint32_t row_vars[TB_MAX_RANK]; /* row variable by ordinal of the reduced axis */
    uint32_t n_rows;
    uint32_t n_maps; /* members that are maps */
} shape;

typedef struct state {
    tb_ctx *cx;
    tb_unit *u;
    const tb_graph *g;
    tb_groups *gs;
    member *m;       /* by node */
    bool *forced;    /* by node: needs memory */
    TB_VEC(shape *) shapes; /* by group */
    bool *live;
    uint32_t *uses;  /* by node: operands of live nodes and outputs that it is */
    uint8_t *epilogue; /* by node: is it the end of one, if that has been asked */
    uint32_t *tried; /* by node: anchor that find_path last looked for here */
} state;

tb_val
tb_storage(const tb_groups *gs, tb_val v)
{
    while (!gs->stored[v.id]) {
        if (tb_node_of(gs->g, v)->prim != TB_P_reshape)
            return TB_NO_VAL;
        v = tb_in(gs->g, v, 0);
    }
    return v;
}

static int64_t
elements(state *s, tb_val v)
{
    double n = tb_elements_hint(s->g, v);

    return n < 9e18 ? (int64_t)n : INT64_MAX;
}

static void
force(state *s, tb_val v)
{
    while (tb_node_of(s->g, v)->prim == TB_P_reshape)
        v = tb_in(s->g, v, 0);
    s->forced[v.id] = true;
}

static uint32_t
new_group(state *s, tb_val root, tb_group_kind kind)
{
    tb_arena *a = &s->cx->keep;
    shape *sh = TB_NEW(a, shape);
    tb_group gr = {.kind = kind, .root = root, .loc = s->g->locs[root.id]};
    int rank = tb_rank(s->g, root);
    tb_ix *at = TB_NEWN(a, tb_ix, rank + 1);

    sh->ix.u = s->u;
    for (int i = 0; i < rank; i++) {
        tb_dim d = tb_dims(s->g, root)[i];
        uint32_t var = tb_ix_loop(&sh->ix, d);
        at[i] = d == 1 ? tb_ix_const(0) : tb_ix_var(var);
    }
    sh->n_root = (uint32_t)rank;
    TB_PUSH(a, &s->shapes, sh);
    TB_PUSH(a, &s->gs->at, gr);
    s->gs->group_of[root.id] = s->gs->at.n;
    s->gs->stored[root.id] = true;
    s->m[root.id] = (member){.at = at, .in = s->gs->at.n};
    return s->gs->at.n;
}

/* User u (in group gr) wants operand v at idx (NULL: at unknown indices). */
static void
want(state *s, uint32_t gr, tb_val v, const tb_ix *idx)
{
    member *m = &s->m[v.id];
    int rank = tb_rank(s->g, v);
    if (m->in == 0) {
        m->in = gr;
        m->at = idx ? tb_dup(&s->cx->keep, idx, sizeof *idx * (size_t)(rank + 1)) : NULL;
        return;
    }
    if (m->in != gr) {
        m->in = MANY;
        m->at = NULL;
        return;
    }
    for (int i = 0; i < rank && m->at; i++)
        if (!idx || !tb_ix_same(&m->at[i], &idx[i]))
            m->at = NULL;
}

/* Tells the operands of v at which indices they are wanted. */
static void
want_operands(state *s, uint32_t gr, tb_val v)
{
    const tb_node *n = tb_node_of(s->g, v);
    tb_ix in[TB_MAX_RANK + 1] = {{0}};
    const tb_ix *at = gr == MANY ? NULL : s->m[v.id].at;
    shape *sh = gr == MANY ? NULL : s->shapes.at[gr - 1];

    if (tb_prim_is_map(n->prim)) {
        for (uint32_t i = 0; i < n->n_in; i++)
            want(s, gr, tb_in(s->g, v, i), at);
        return;
    }
    switch ((tb_prim)n->prim) {
    case TB_P_permute:
    case TB_P_reshape:
    case TB_P_expand:
    case TB_P_slice:
    case TB_P_flip:
    case TB_P_window:
    case TB_P_pad:
        if (at)
            tb_ix_through(&sh->ix, s->g, v, at, in);
        want(s, gr, tb_in(s->g, v, 0), at ? in : NULL);
        if (n->prim == TB_P_pad)
            want(s, gr, tb_in(s->g, v, 1), in);
        return;
    default: /* concat, gather, rand ...: not followed */
        for (uint32_t i = 0; i < n->n_in; i++)
            want(s, gr, tb_in(s->g, v, i), NULL);
    }
}

/* Many instructions per element? */
static bool
expensive(tb_prim p)
{
    switch (p) {
    case TB_P_exp:
    case TB_P_expm1:
    case TB_P_log:
    case TB_P_log1p:
    case TB_P_log2:
    case TB_P_sin:
    case TB_P_cos:
    case TB_P_tan:
    case TB_P_tanh:
    case TB_P_asin:
    case TB_P_atan:
    case TB_P_atan2:
    case TB_P_erf:
    case TB_P_lgamma:
    case TB_P_pow:
    case TB_P_div:
    case TB_P_rem:
    case TB_P_sqrt:
    case TB_P_gather:
    case TB_P_rand:
    case TB_P_nextafter:
        return true;
    default:
        return false;
    }
}

/* How often each element of v would be computed inside group gr: visits / elements. */
static double
repeats(state *s, uint32_t gr, tb_val v)
{
    shape *sh = s->shapes.at[gr - 1];
    const tb_ix *at = s->m[v.id].at;
    int rank = tb_rank(s->g, v);
    double visits = 1, n = (double)elements(s, v);
    int last = -1;
    if (!at)
        return 2;
    for (uint32_t var = 0; var < sh->ix.vars.n; var++) {
        bool used = false;
        for (int i = 0; i < rank; i++)
            used = used || tb_ix_uses(&sh->ix, &at[i], var);
        if (used && sh->ix.vars.at[var].kind == TB_IX_LOOP)
            last = (int)var;
    }
    for (int var = 0; var <= last; var++)
        if (sh->ix.vars.at[var].kind == TB_IX_LOOP)
            visits *= (double)tb_dim_hint(s->u, sh->ix.vars.at[var].extent);
    return n > 0 ? visits / n : 1;
}

/* A value that is as easily computed again as loaded. */
static bool
trivial(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->g, v);
    uint32_t data = 0;
    if (expensive(n->prim))
        return false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        tb_val x = tb_in(s->g, v, i);
        while (tb_prim_is_move(tb_node_of(s->g, x)->prim) &&
               tb_node_of(s->g, x)->prim != TB_P_concat)
            x = tb_in(s->g, x, 0);
        switch ((tb_prim)tb_node_of(s->g, x)->prim) {
        case TB_P_full:
        case TB_P_iota:
        case TB_P_dim:
            break;
        case TB_P_input:
        case TB_P_const:
        case TB_P_read:
            data++;
            break;
        default:
            return false;
        }
    }
    return data <= 1;
}

static bool is_anchor(tb_prim p);

enum { UNKNOWN, NO_EPILOGUE, EPILOGUE };

/* The operand of v, a map of n elements, through which its product comes, or none. */
static tb_val
epilogue_of(state *s, tb_val v, int64_t n)
{
    const tb_node *node = tb_node_of(s->g, v);
    tb_val next = TB_NO_VAL;
    if (node->prim != TB_P_reshape && !tb_prim_is_map(node->prim))
        return TB_NO_VAL;
    for (uint32_t i = 0; i < node->n_in; i++) {
        tb_val x = tb_in(s->g, v, i);
        tb_prim p = tb_node_of(s->g, x)->prim;
        bool product = is_anchor(p) || p == TB_P_reshape || tb_prim_is_map(p);
        if (product && s->uses[x.id] == 1 && elements(s, x) == n)
            next = x;
    }
    return next;
}

/* The end of a product's epilogue: v is maps of one product that nothing else uses, with
 * as many elements. The product is stored anyway; storing v in its place costs nothing. */
static bool
ends_epilogue(state *s, tb_val v)
{
    int64_t n = elements(s, v);
    tb_val x = v;
    bool ends = false;
    while (x.id && !ends && !s->epilogue[x.id]) {
        ends = is_anchor(tb_node_of(s->g, x)->prim);
        x = ends ? x : epilogue_of(s, x, n);
    }
    ends = ends || s->epilogue[x.id] == EPILOGUE;
    for (; !s->epilogue[v.id] && v.id != x.id; v = epilogue_of(s, v, n))
        s->epilogue[v.id] = ends ? EPILOGUE : NO_EPILOGUE;
    return ends;
}

/* Can the reduction be one value per outer index of the group? Gives the group its row
 * variables and the operand its indices. */
static bool
join_reduction(state *s, uint32_t gr, tb_val v)
{
    tb_group *group = &s->gs->at.at[gr - 1];
    shape *sh = s->shapes.at[gr - 1];
    const tb_node *n = tb_node_of(s->g, v);
    const tb_ix *at = s->m[v.id].at;
    tb_val x = tb_in(s->g, v, 0);
    uint32_t axes = (uint32_t)tb_attrs(s->g, v)[0], outer = 0, ordinal = 0;
    tb_ix in[TB_MAX_RANK + 1] = {{0}};

    if (group->kind != TB_GROUP_NEST || sh->has_anchor || !at ||
        group->reductions.n == MAX_REDUCTIONS)
        return false;
    for (int i = 0; i < n->rank; i++) {
        uint32_t var;
        if ((axes >> i) & 1 || tb_ix_is_zero(&at[i]))
            continue;
        if (!tb_ix_is_var(&at[i], &var) || var >= sh->n_root || (outer >> var) & 1)
            return false;
        outer |= 1u << var;
    }
    /* axes of size 1 belong to both sides */
    for (uint32_t var = 0; var < sh->n_root; var++)
        if (sh->ix.vars.at[var].extent == 1)
            outer |= 1u << var;
    if (sh->has_reductions && sh->outer != outer)
        return false;
    /* Row variables that are root axes must come last, so that rows are inner loops; and
     * a row that the root does not have at all needs every root axis outside. */
    bool inner = false;
    for (uint32_t var = 0; var < sh->n_root; var++) {
        bool is_outer = (outer >> var) & 1;
        if (is_outer && inner && sh->ix.vars.at[var].extent != 1)
            return false;
        inner = inner || !is_outer;
    }
    if (!sh->has_reductions) {
        sh->n_rows = 0;
        for (uint32_t var = 0; var < sh->n_root; var++)
            if (!((outer >> var) & 1))
                sh->row_vars[sh->n_rows++] = var;
    }
    for (int i = 0; i < n->rank; i++) {
        tb_dim d = tb_dims(s->g, x)[i];
        if (!((axes >> i) & 1)) {
            in[i] = at[i];
            continue;
        }
        if (d == 1) {
            in[i] = tb_ix_const(0);
            continue;
        }
        uint32_t var = ordinal < sh->n_rows ? sh->row_vars[ordinal] : MANY;
        if (var == MANY || !tb_dim_eq(s->u, sh->ix.vars.at[var].extent, d)) {
            var = tb_ix_loop(&sh->ix, d);
            if (ordinal >= sh->n_rows && sh->n_rows < TB_MAX_RANK)
                sh->row_vars[sh->n_rows++] = var;
        }
        in[i] = tb_ix_var(var);
        ordinal++;
    }
    sh->has_reductions = true;
    sh->outer = outer;
    TB_PUSH(&s->cx->keep, &group->reductions,
            ((tb_reduction){v, at, tb_dup(&s->cx->keep, in, sizeof in)}));
    want(s, gr, x, in);
    return true;
}

/* Is every index of the contraction's result one root variable (or, through reshapes, made
 * of them one to one)? Then each of its elements is wanted exactly once. */
static bool
one_to_one(state *s, uint32_t gr, tb_val v)
{
    return s->m[v.id].at && s->shapes.at[gr - 1]->n_root != 0 &&
           elements(s, v) == elements(s, s->gs->at.at[gr - 1].root) &&
           repeats(s, gr, v) <= 1.001;
}

/* Finds a way from v down to `to` through members of the group and notes the movement on
 * it. False if there is none or if it moves in a way that cannot be turned round. */
static bool
find_path(state *s, uint32_t gr, tb_val v, tb_val to, tb_group *group)
{
    const tb_node *n = tb_node_of(s->g, v);
    bool move = n->prim == TB_P_permute || n->prim == TB_P_reshape;

    if (v.id == to.id)
        return true;
    if (v.id < to.id || s->tried[v.id] == to.id ||
        (s->gs->stored[v.id] && v.id != group->root.id) || (s->m[v.id].in != gr))
        return false;
    s->tried[v.id] = to.id;
    if (!move && !tb_prim_is_map(n->prim))
        return false;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (find_path(s, gr, tb_in(s->g, v, i), to, group)) {
            if (move)
                TB_PUSH(&s->cx->keep, &group->path, v);
            return true;
        }
    return false;
}

/* Does the root move by one element where v's last axis does? Then vectors along that axis
 * are stored as they are. */
static bool
keeps_lanes(state *s, uint32_t gr, tb_val v)
{
    tb_val root = s->gs->at.at[gr - 1].root;
    shape *sh = s->shapes.at[gr - 1];
    int rank = tb_rank(s->g, v), root_rank = tb_rank(s->g, root);
    tb_dim last = tb_dims(s->g, root)[root_rank - 1], coef;
    const tb_ix *at = &s->m[v.id].at[rank - 1];

    return last == 1 || (tb_ix_linear(&sh->ix, at, (uint32_t)root_rank - 1, &coef) && coef == 1);
}

static bool
join_anchor(state *s, uint32_t gr, tb_val v)
{
    tb_group *group = &s->gs->at.at[gr - 1];
    shape *sh = s->shapes.at[gr - 1];
    if (group->kind != TB_GROUP_NEST || sh->has_anchor || sh->has_reductions ||
        !one_to_one(s, gr, v))
        return false;
    if (tb_is_depthwise(s->g, v) && !keeps_lanes(s, gr, v))
        return false;
    group->path.n = 0;
    return find_path(s, gr, group->root, v, group);
}

/* Where element (loops 0, 1 ...) of v lies in *base, what v is a view of that is stored, here
 * and there flipped. */
static tb_ix
address_in(state *s, tb_ixspace *ix, tb_val v, bool flipped, tb_val *base)
{
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    tb_val x = v;

    for (int i = 0; i < tb_rank(s->g, v); i++)
        at[i] = tb_ix_var(tb_ix_loop(ix, tb_dims(s->g, v)[i]));
    for (;;) {
        tb_prim p = tb_node_of(s->g, x)->prim;
        if (s->forced[x.id] || s->gs->stored[x.id] ||
            (p != TB_P_permute && p != TB_P_reshape && p != TB_P_expand && p != TB_P_slice &&
             (p != TB_P_flip || !flipped)))
            break;
        tb_ix_through(ix, s->g, x, at, next);
        memcpy(at, next, sizeof at);
        x = tb_in(s->g, x, 0);
    }
    *base = x;
    return tb_ix_flat(ix, at, tb_rank(s->g, x), tb_dims(s->g, x));
}

/* Operand v of a contraction is read where it lies if its address is linear in its last
 * two axes; otherwise it is stored as it is. */
static void
force_linear(state *s, tb_val v, int linear_axes)
{
    tb_ixspace ix = {.u = s->u};
    int rank = tb_rank(s->g, v);
    tb_val x;
    tb_ix flat = address_in(s, &ix, v, false, &x);

    for (int i = rank - linear_axes; i < rank; i++) {
        tb_dim coef;
        if (i >= 0 && !tb_ix_linear(&ix, &flat, (uint32_t)i, &coef)) {
            force(s, v); /* copied into this order; a reshape's operand has it too */
            return;
        }
    }
    s->forced[x.id] = true;
}

/* Can the kernel that lays a convolution's weights w [O, spatial, C] out in panels read them at
 * `flat` well? Elements of neighbouring o near each other, or a vector's length along the other
 * axes that lies together. */
static bool
is_panel_source(state *s, tb_ixspace *ix, tb_val w, const tb_ix *flat)
{
    const tb_dim *d = tb_dims(s->g, w);
    int rank = tb_rank(s->g, w);
    tb_dim step[TB_MAX_RANK], run = 1;

    for (int i = 0; i < rank; i++)
        if (!tb_dim_is_const(d[i]) || !tb_ix_linear(ix, flat, (uint32_t)i, &step[i]) ||
            !tb_dim_is_const(step[i]))
            return false;
    for (int i = 1; i < rank; i++) /* grows by the axis that goes on where it ends */
        if (d[i] > 1 && step[i] == run) {
            run *= d[i];
            i = 0;
        }
    return (step[0] > 0 && step[0] <= NEAR_STEP) || run >= LONG_RUN;
}

/* A convolution's weights that are known only at run time are read where they lie, too: they are
 * laid out in panels anyway, unless it is depthwise. Constants are dense already. */
static void
force_weights(state *s, tb_val w, bool depthwise)
{
    tb_ixspace ix = {.u = s->u};
    tb_val x;
    tb_ix flat = address_in(s, &ix, w, true, &x), dense[TB_MAX_RANK + 1] = {{0}};

    for (int i = 0; i < tb_rank(s->g, w); i++)
        dense[i] = tb_ix_var((uint32_t)i);
    tb_ix same = tb_ix_flat(&ix, dense, tb_rank(s->g, w), tb_dims(s->g, w));
    bool in_place = tb_node_of(s->g, x)->prim != TB_P_const &&
                    (tb_ix_same(&flat, &same) ||
                     (!depthwise && tb_dtype_of(s->g, w) == TB_F32 &&
                      is_panel_source(s, &ix, w, &flat)));
    if (in_place)
        s->forced[x.id] = true;
    else
        force(s, w);
}

static void
anchor_operands(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->g, v);
    if (n->prim == TB_P_dot) {
        force_linear(s, tb_in(s->g, v, 0), 2);
        force_linear(s, tb_in(s->g, v, 1), 2);
    } else if (n->prim == TB_P_attention || n->prim == TB_P_attention_lse ||
               n->prim == TB_P_attention_grad) {
        for (uint32_t i = 0; i < n->n_in; i++)
            force_linear(s, tb_in(s->g, v, i), 2);
    } else {
        for (uint32_t i = 0; i < n->n_in; i++)
            if (i == 1)
                force_weights(s, tb_in(s->g, v, i), tb_is_depthwise(s->g, v));
            else
                force(s, tb_in(s->g, v, i));
    }
}

static bool
is_anchor(tb_prim p)
{
    return p == TB_P_dot || p == TB_P_conv_nhwc || p == TB_P_attention;
}

static void
visit_anchor(state *s, tb_val v)
{
    tb_prim p = tb_node_of(s->g, v)->prim;
    tb_group_kind kind = p == TB_P_attention          ? TB_GROUP_ATTENTION
                         : tb_is_depthwise(s->g, v) ? TB_GROUP_DEPTHWISE
                                                      : TB_GROUP_CONTRACT;
    uint32_t gr = s->m[v.id].in;
    if (s->forced[v.id] || gr == MANY || gr == 0 || !join_anchor(s, gr, v))
        gr = new_group(s, v, kind);
    s->gs->at.at[gr - 1].kind = kind;
    s->gs->at.at[gr - 1].anchor = v;
    s->shapes.at[gr - 1]->has_anchor = true;
    anchor_operands(s, v);
}

static void
visit_root_only(state *s, tb_val v, tb_group_kind kind)
{
    const tb_node *n = tb_node_of(s->g, v);
    uint32_t gr = new_group(s, v, kind);
    s->gs->at.at[gr - 1].anchor = v;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (kind == TB_GROUP_SORT || kind == TB_GROUP_LINALG)
            force(s, tb_in(s->g, v, i));
        else
            want(s, gr, tb_in(s->g, v, i), NULL);
    }
}

/* Attention whose result is in pieces. */
static void
visit_attention(state *s, tb_val v, tb_group_kind kind)
{
    uint32_t gr = new_group(s, v, kind);

    s->gs->at.at[gr - 1].anchor = v;
    anchor_operands(s, v);
}

static void
visit_reduction(state *s, tb_val v)
{
    uint32_t gr = s->m[v.id].in;
    if (!s->forced[v.id] && gr != MANY && gr != 0 && join_reduction(s, gr, v))
        return;
    gr = new_group(s, v, TB_GROUP_NEST);
    if (!join_reduction(s, gr, v))
        TB_UNREACHABLE();
}

static void
visit_inline(state *s, tb_val v)
{
    tb_prim p = tb_node_of(s->g, v)->prim;
    uint32_t gr = s->m[v.id].in;
    bool store = s->forced[v.id] || gr == 0;

    if (!s->forced[v.id] && gr == 0 && tb_prim_is_move(p))
        return; /* on the way to an operand that a contraction reads where it lies */
    if (!store && gr == MANY)
        store = !tb_prim_is_move(p) && !trivial(s, v);
    if (!store && gr != MANY && (expensive(p) || (tb_prim_is_map(p) && ends_epilogue(s, v))))
        store = repeats(s, gr, v) >= 1.5;
    if (!store && gr != MANY && tb_prim_is_map(p))
        store = s->shapes.at[gr - 1]->n_maps >= MAX_MAPS;
    if (store)
        gr = new_group(s, v, TB_GROUP_NEST);
    if (gr != MANY && tb_prim_is_map(p))
        s->shapes.at[gr - 1]->n_maps++;
    want_operands(s, gr, v);
}

static void
visit(state *s, tb_val v)
{
    const tb_node *n = tb_node_of(s->g, v);
    if (tb_prim_is_fold(n->prim)) {
        visit_reduction(s, v);
        return;
    }
    if (is_anchor(n->prim)) {
        visit_anchor(s, v);
        return;
    }
    switch ((tb_prim)n->prim) {
    case TB_P_input:
    case TB_P_const:
    case TB_P_read:
    case TB_P_result:
        s->gs->stored[v.id] = true;
        break;
    case TB_P_full:
    case TB_P_iota:
    case TB_P_dim:
        if (s->forced[v.id])
            new_group(s, v, TB_GROUP_NEST);
        break;
    case TB_P_cumsum:
    case TB_P_cumprod:
    case TB_P_cummax:
    case TB_P_cummin:
        visit_root_only(s, v, TB_GROUP_SCAN);
        break;
    case TB_P_argsort:
        visit_root_only(s, v, TB_GROUP_SORT);
        break;
    case TB_P_scatter:
        visit_root_only(s, v, TB_GROUP_SCATTER);
        break;
    case TB_P_attention_lse:
        visit_attention(s, v, TB_GROUP_ATTENTION);
        break;
    case TB_P_attention_grad:
        visit_attention(s, v, TB_GROUP_ATTENTION_GRAD);
        break;
    case TB_P_tri_solve:
    case TB_P_cholesky:
    case TB_P_lu:
    case TB_P_qr:
    case TB_P_jacobi:
    case TB_P_schur:
    case TB_P_exchange:
        visit_root_only(s, v, TB_GROUP_LINALG);
        break;
    case TB_P_write:
    case TB_P_item:
    case TB_P_assert:
    case TB_P_cond:
    case TB_P_while:
    case TB_P_call:
        for (uint32_t i = 0; i < n->n_in; i++)
            force(s, tb_in(s->g, v, i));
        break;
    case TB_P_conv:
    case TB_P_aten:
        tb_raise(s->cx, s->g->locs[v.id], TB_INTERNAL, "%s reached grouping",
                 tb_prim_name(n->prim));
    default:
        visit_inline(s, v);
    }
}

tb_groups *
tb_group_graph(const tb_graph *g)
{
    tb_ctx *cx = g->unit->cx;
    tb_groups *gs = TB_NEW(&cx->keep, tb_groups);
    state s = {.cx = cx, .u = g->unit, .g = g, .gs = gs};

    gs->g = g;
    gs->group_of = TB_NEWN(&cx->keep, uint32_t, g->n);
    gs->stored = TB_NEWN(&cx->keep, bool, g->n);
    s.m = TB_NEWN(&cx->keep, member, g->n);
    s.forced = TB_NEWN(&cx->keep, bool, g->n);
    s.live = tb_live(g, &cx->keep);
    s.uses = TB_NEWN(&cx->keep, uint32_t, g->n);
    for (uint32_t id = 1; id < g->n; id++)
        for (uint32_t i = 0; s.live[id] && i < g->nodes[id].n_in; i++)
            s.uses[tb_in(g, (tb_val){id}, i).id]++;
    for (uint32_t i = 0; i < g->outputs.n; i++)
        s.uses[g->outputs.at[i].id]++;
    s.epilogue = TB_NEWN(&cx->keep, uint8_t, g->n);
    s.tried = TB_NEWN(&cx->keep, uint32_t, g->n);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].id)
            force(&s, g->outputs.at[i]);
    for (uint32_t id = g->n - 1; id > 0; id--)
        if (s.live[id])
            visit(&s, (tb_val){id});

    /* found from the last to the first: put into execution order */
    for (uint32_t i = 0, j = gs->at.n; i + 1 < j; i++) {
        j--;
        tb_group t = gs->at.at[i];
        gs->at.at[i] = gs->at.at[j];
        gs->at.at[j] = t;
    }
    for (uint32_t i = 0; i < gs->at.n; i++) {
        tb_group *gr = &gs->at.at[i];
        const shape *sh = s.shapes.at[gs->at.n - 1 - i];
        gr->ix = sh->ix;
        gr->root_at = s.m[gr->root.id].at;
        gr->outer = sh->outer;
        gs->group_of[gr->root.id] = i + 1;
        for (uint32_t a = 0, b = gr->reductions.n; a + 1 < b; a++) { /* operands first */
            b--;
            tb_reduction t = gr->reductions.at[a];
            gr->reductions.at[a] = gr->reductions.at[b];
            gr->reductions.at[b] = t;
        }
    }
    return gs;
}

void
tb_groups_print(const tb_groups *gs, tb_buf *out)
{
    static const char *const kinds[] = {"nest", "contract", "depthwise", "attention",
                                        "attention_grad", "scan", "sort", "scatter",
                                        "linalg"};
    for (uint32_t i = 0; i < gs->at.n; i++) {
        const tb_group *gr = &gs->at.at[i];
        tb_buf_printf(out, "group %u %s root %%%u %s", i, kinds[gr->kind], gr->root.id,
                      tb_prim_name(tb_node_of(gs->g, gr->root)->prim));
        if (gr->anchor.id)
            tb_buf_printf(out, " anchor %%%u %s", gr->anchor.id,
                          tb_prim_name(tb_node_of(gs->g, gr->anchor)->prim));
        for (uint32_t r = 0; r < gr->reductions.n; r++)
            tb_buf_printf(out, " %%%u %s", gr->reductions.at[r].node.id,
                          tb_prim_name(tb_node_of(gs->g, gr->reductions.at[r].node)->prim));
        tb_buf_puts(out, "\n");
    }
}
