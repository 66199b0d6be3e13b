/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * nest_look.c -- looks at a group of maps and reductions before its kernel is written.
 *
 * Every way from the root to memory is walked once, with the indices it would have. An axis
 * scores for each access that moves by one element along it and loses for others.
 */
#include "kernel/nest.h"

/* ---- looking at a group before writing it ---- */

/* Points of an access. One that reads a small part of as many elements as the root has, a vector
 * spread over an image, is moved out of the loops that do not change it. */
enum { ALWAYS = 8, SELDOM = 1, READ_AGAIN = 16 };

static bool
is_read_again(const tb_nest_survey *s, const tb_ix *flat)
{
    double all = tb_elements_hint(s->l->g, s->l->group->root), distinct = 1;

    for (uint32_t var = 0; var < s->n_vars; var++)
        if (tb_ix_uses(&s->l->ix, flat, var))
            distinct *= (double)tb_dim_hint(s->l->u, s->l->ix.vars.at[var].extent);
    return distinct * READ_AGAIN <= all;
}

void
tb_nest_look_access(tb_nest_survey *s, const tb_ix *flat)
{
    int points = is_read_again(s, flat) ? SELDOM : ALWAYS;

    if (flat->n && !tb_ix_same(flat, s->flat))
        s->only_flat = false;
    TB_PUSH(&s->l->u->cx->keep, &s->accesses, *flat);
    for (uint32_t var = 0; var < s->n_vars; var++) {
        tb_dim coef;
        if (!tb_ix_linear(&s->l->ix, flat, var, &coef))
            s->score[var] -= points;
        else if (coef == 1)
            s->score[var] += points;
        else if (coef != 0 && !(tb_dim_is_const(coef) && coef > 0 && coef <= TB_PULL_MAX_STRIDE))
            s->score[var] -= points / 2;
    }
}

double
tb_nest_op_weight(tb_prim p)
{
    switch (p) {
    case TB_P_exp:
    case TB_P_log:
    case TB_P_tanh:
    case TB_P_erf:
    case TB_P_sin:
    case TB_P_cos:
    case TB_P_pow:
    case TB_P_expm1:
    case TB_P_log1p:
    case TB_P_lgamma:
        return 12;
    case TB_P_div:
    case TB_P_sqrt:
    case TB_P_gather:
        return 4;
    default:
        return 1;
    }
}

/* Was v met at these very indices? Few nodes are met twice. */
static bool
met_there(const tb_nest_survey *s, tb_val v, const tb_ix *idx, int rank)
{
    for (uint32_t m = 0; m < s->met.n; m++)
        if (s->met.at[m].node.id == v.id) {
            for (int i = 0; i < rank; i++)
                if (!tb_ix_same(&s->met.at[m].at[i], &idx[i]))
                    return false;
            return true;
        }
    return false;
}

void
tb_nest_look(tb_nest_survey *s, tb_val v, const tb_ix *idx)
{
    tb_lower *l = s->l;
    const tb_graph *g = l->g;
    const tb_node *n = tb_node_of(g, v);
    tb_ix in[TB_MAX_RANK + 1] = {{0}};
    int rank = n->rank;

    if (n->prim == TB_P_full || n->prim == TB_P_dim || tb_prim_is_fold(n->prim))
        return;
    tb_val stored = v.id == l->group->root.id ? TB_NO_VAL : tb_storage(l->gs, v);
    if (stored.id) {
        tb_ix flat = tb_ix_flat(&l->ix, idx, rank, tb_dims(g, v));
        tb_nest_look_access(s, &flat);
        s->ops += 1;
        return;
    }
    if (!tb_mark(s->seen, v.id)) {
        s->plain = s->plain && met_there(s, v, idx, rank);
        return;
    }
    TB_PUSH(&l->u->cx->keep, &s->met,
            ((tb_nest_met){v, tb_dup(&l->u->cx->keep, idx, sizeof *idx * (size_t)(rank + 1))}));
    if (tb_prim_is_map(n->prim)) {
        s->ops += tb_nest_op_weight(n->prim);
        for (uint32_t i = 0; i < n->n_in; i++)
            tb_nest_look(s, tb_in(g, v, i), idx);
        return;
    }
    switch ((tb_prim)n->prim) {
    case TB_P_pad:
        s->ops += 4;
        s->only_flat = s->plain = false;
        s->padded = true;
        tb_ix_through(&l->ix, g, v, idx, in);
        tb_nest_look(s, tb_in(g, v, 0), in);
        return;
    case TB_P_permute:
    case TB_P_reshape:
    case TB_P_expand:
    case TB_P_slice:
    case TB_P_flip:
    case TB_P_window:
        tb_ix_through(&l->ix, g, v, idx, in);
        tb_nest_look(s, tb_in(g, v, 0), in);
        return;
    case TB_P_concat: {
        int axis = (int)tb_attrs(g, v)[0];
        memcpy(in, idx, sizeof(tb_ix) * (size_t)rank);
        s->only_flat = s->plain = false;
        s->padded = true;
        for (uint32_t i = 0; i < n->n_in; i++) {
            s->ops += 2;
            tb_nest_look(s, tb_in(g, v, i), in);
            in[axis] = tb_ix_offset(
                &l->ix, in[axis], tb_dim_sub(l->u, 0, tb_dims(g, tb_in(g, v, i))[axis]));
        }
        return;
    }
    case TB_P_gather: {
        uint32_t mask = (uint32_t)tb_attrs(g, v)[0], k = 1;
        int rest = tb_rank(g, tb_in(g, v, 1)), i_rank = rest;
        s->ops += 4;
        s->only_flat = s->plain = false;
        for (int a = 0; a < tb_rank(g, tb_in(g, v, 0)); a++) {
            if ((mask >> a) & 1)
                in[a] = tb_ix_var(tb_ix_data(&l->ix, tb_in(g, v, k++), idx, i_rank,
                                             tb_dims(g, tb_in(g, v, 0))[a]));
            else
                in[a] = idx[rest++];
        }
        tb_nest_look(s, tb_in(g, v, 0), in);
        return;
    }
    default:
        s->only_flat = s->plain = false;
    }
}

tb_nest_survey
tb_nest_look_begin(tb_lower *l, const tb_ix *root_flat)
{
    tb_arena *a = &l->u->cx->keep;
    tb_nest_survey s = {.l = l, .flat = root_flat, .only_flat = true, .plain = true};
    s.seen = tb_marks_begin(l->marks);
    s.n_vars = l->ix.vars.n;
    s.score = TB_NEWN(a, int, s.n_vars + 1);
    return s;
}

double
tb_nest_hint(const tb_nest *n, uint32_t var)
{
    return (double)tb_dim_hint(n->l->u, n->l->ix.vars.at[var].extent);
}

/* Do axes a and b = a + 1 of the root move every access as one axis would? */
static bool
one_axis(tb_nest *n, tb_nest_survey *s, uint32_t a, uint32_t b)
{
    tb_unit *u = n->l->u;
    tb_dim extent = n->l->ix.vars.at[b].extent, ca, cb;

    for (uint32_t i = 0; i < s->accesses.n; i++) {
        const tb_ix *flat = &s->accesses.at[i];
        if (!tb_ix_linear(&n->l->ix, flat, a, &ca) || !tb_ix_linear(&n->l->ix, flat, b, &cb) ||
            !tb_dim_eq(u, ca, tb_dim_mul(u, cb, extent)))
            return false;
    }
    return true;
}

/* Makes neighbouring axes `vars` one new variable, which is returned; parts[i]: what vars[i] is
 * then. Scores and accesses of the survey follow. */
static uint32_t
merged_axis(tb_nest *n, tb_nest_survey *s, const uint32_t *vars, uint32_t count, tb_ix *parts)
{
    tb_lower *l = n->l;
    tb_dim total = 1;

    for (uint32_t i = 0; i < count; i++)
        total = tb_dim_mul(l->u, total, l->ix.vars.at[vars[i]].extent);
    uint32_t var = tb_ix_loop(&l->ix, total), last = vars[count - 1];
    tb_ix flat = tb_ix_var(var);
    for (uint32_t i = count; i-- > 0;) {
        tb_dim extent = l->ix.vars.at[vars[i]].extent;
        parts[i] = i ? tb_ix_rem(&l->ix, flat, extent) : flat;
        if (i)
            flat = tb_ix_quot(&l->ix, flat, extent);
    }
    int *score = TB_NEWN(&l->u->cx->keep, int, l->ix.vars.n + 1);
    memcpy(score, s->score, sizeof *score * s->n_vars);
    score[var] = score[last]; /* it moves accesses as the last of them did */
    s->score = score;
    s->n_vars = l->ix.vars.n;
    for (uint32_t i = 0; i < s->accesses.n; i++) {
        tb_ix *flat_of = &s->accesses.at[i], rest = tb_ix_const(flat_of->c);
        tb_dim step = 0;
        for (uint32_t j = 0; j < flat_of->n; j++) {
            bool merged = false;
            for (uint32_t m = 0; m < count; m++)
                merged = merged || flat_of->t[j].var == vars[m];
            if (!merged)
                rest.t[rest.n++] = flat_of->t[j];
            else if (flat_of->t[j].var == last)
                step = flat_of->t[j].coef;
        }
        *flat_of = tb_ix_add(&l->ix, rest, tb_ix_scale(&l->ix, tb_ix_var(var), step));
    }
    return var;
}

/* How many of vars[0], vars[1] ... move every access as one axis would? */
static uint32_t
run_of_axes(tb_nest *n, tb_nest_survey *s, const uint32_t *vars, uint32_t most)
{
    uint32_t count = 1;

    while (count < most && one_axis(n, s, vars[count - 1], vars[count]))
        count++;
    return count;
}

void
tb_nest_merge_axes(tb_nest *n, tb_nest_survey *s)
{
    tb_lower *l = n->l;
    tb_ix *at, parts[TB_MAX_RANK];
    uint32_t runs = 0, count;

    if (!s->plain)
        return;
    at = tb_dup(&l->u->cx->keep, n->root_at, sizeof *at * (size_t)(tb_rank(l->g, n->gr->root) + 1));
    for (uint32_t i = 0; i < n->n_outer; i += count) {
        uint32_t var = n->outer[i];
        count = run_of_axes(n, s, &n->outer[i], n->n_outer - i);
        if (count > 1)
            var = merged_axis(n, s, &n->outer[i], count, parts);
        for (uint32_t j = 0; count > 1 && j < count; j++)
            at[n->outer[i + j]] = parts[j];
        n->outer[runs++] = var;
    }
    n->n_outer = runs;
    n->root_at = at;
}

/* Replaces variables that stand alone. False if one of them is part of an expression. */
static bool
replace_vars(tb_nest *n, tb_ix *at, int rank, const uint32_t *vars, uint32_t count,
             const tb_ix *parts)
{
    for (int a = 0; a < rank; a++)
        for (uint32_t i = 0; i < count; i++) {
            uint32_t var;
            if (tb_ix_is_var(&at[a], &var) && var == vars[i]) {
                at[a] = parts[i];
                break;
            }
            if (tb_ix_uses(&n->l->ix, &at[a], vars[i]))
                return false;
        }
    return true;
}

/* In a list of variables, the run becomes one. False if the list has only some of it. */
static bool
replace_run(uint32_t *list, uint32_t *n_list, const uint32_t *run, uint32_t count, uint32_t var)
{
    uint32_t at = 0, met = 0;

    for (uint32_t i = 0; i < *n_list; i++)
        for (uint32_t j = 0; j < count; j++)
            met += list[i] == run[j];
    if (met == 0)
        return true;
    while (list[at] != run[0] && at + 1 < *n_list)
        at++;
    if (met != count || at + count > *n_list ||
        memcmp(&list[at], run, sizeof *run * count) != 0)
        return false;
    list[at] = var;
    memmove(&list[at + 1], &list[at + count], sizeof *list * (*n_list - at - count));
    *n_list -= count - 1;
    return true;
}

/* One run of row variables; false, with nothing changed, if it cannot be one. */
static bool
merge_row_run(tb_nest *n, tb_nest_survey *s, const uint32_t *run, uint32_t count)
{
    tb_lower *l = n->l;
    tb_arena *a = &l->u->cx->keep;
    tb_nest to = *n;
    tb_nest_survey seen = *s;
    int rank = tb_rank(l->g, n->gr->root);
    tb_group *gr = tb_dup(a, n->gr, sizeof *gr);
    tb_ix parts[TB_MAX_RANK], *at = tb_dup(a, n->root_at, sizeof *at * (size_t)(rank + 1));
    bool ok;

    seen.accesses.at = tb_dup(a, s->accesses.at, sizeof *s->accesses.at * s->accesses.n);
    uint32_t var = merged_axis(n, &seen, run, count, parts);
    gr->reductions.at = tb_dup(a, gr->reductions.at, sizeof *gr->reductions.at * gr->reductions.n);
    to.stages.at = tb_dup(a, to.stages.at, sizeof *to.stages.at * to.stages.n);
    ok = replace_vars(n, at, rank, run, count, parts) &&
         replace_run(to.inner, &to.n_inner, run, count, var);
    for (uint32_t r = 0; ok && r < gr->reductions.n; r++) {
        tb_reduction *red = &gr->reductions.at[r];
        int in_rank = tb_rank(l->g, tb_in(l->g, red->node, 0));
        tb_ix *in = tb_dup(a, red->in, sizeof *in * (TB_MAX_RANK + 1));
        ok = replace_vars(n, in, in_rank, run, count, parts);
        red->in = in;
    }
    for (uint32_t i = 0; ok && i < to.stages.n; i++)
        ok = replace_run(to.stages.at[i].vars, &to.stages.at[i].n_vars, run, count, var);
    if (!ok)
        return false;
    to.gr = gr;
    to.root_at = at;
    *n = to;
    *s = seen;
    return true;
}

void
tb_nest_merge_rows(tb_nest *n, tb_nest_survey *s)
{
    for (uint32_t i = 0; s->plain && i + 1 < n->stages.at[0].n_vars; i++) {
        const tb_nest_stage *st = &n->stages.at[0];
        uint32_t run[TB_MAX_RANK], count = run_of_axes(n, s, &st->vars[i], st->n_vars - i);
        memcpy(run, &st->vars[i], sizeof *run * count);
        for (uint32_t r = 0; count > 1 && r < n->gr->reductions.n; r++) /* positions are asked for */
            if (tb_nest_is_arg(tb_node_of(n->l->g, n->gr->reductions.at[r].node)->prim))
                return;
        if (count > 1 && !merge_row_run(n, s, run, count))
            return;
    }
}

/* The best of the candidate variables; on a draw the later one. */
static uint32_t
best_lane(tb_nest *n, const tb_nest_survey *s, const uint32_t *vars, uint32_t count, int *score)
{
    uint32_t best = UINT32_MAX;
    *score = INT32_MIN;
    for (uint32_t i = 0; i < count; i++) {
        int sc = s->score[vars[i]];
        if (sc > 0 && tb_nest_hint(n, vars[i]) * 2 < n->wide) /* most lanes would be idle */
            sc = (int)(sc * tb_nest_hint(n, vars[i]) / n->wide);
        if (tb_nest_hint(n, vars[i]) < n->wide)
            sc -= 3 + (int)(n->wide / (tb_nest_hint(n, vars[i]) + 0.5));
        if (tb_nest_hint(n, vars[i]) <= 1)
            sc -= 1000;
        if (sc >= *score) {
            *score = sc;
            best = vars[i];
        }
    }
    return best;
}

/* Elements that var moves an access by in all, or -1 where nobody knows. */
static int64_t
reach(tb_nest *n, const tb_ix *access, uint32_t var)
{
    tb_dim coef, extent = n->l->ix.vars.at[var].extent;

    if (!tb_dim_is_const(extent) || !tb_ix_linear(&n->l->ix, access, var, &coef) ||
        !tb_dim_is_const(coef))
        return -1;
    int64_t step = coef < 0 ? -coef : coef;
    return extent > 1 && step > INT64_MAX / extent ? -1 : step * (extent - 1);
}

/* Where each lane reads a line of its own, axes along which that line has the next elements go
 * inside the loop over the lanes: else the lines are read again for each of them, from farther
 * than the first cache. So it is with 3x3 weights whose two channel axes change places. */
static void
choose_near(tb_nest *n, const tb_nest_survey *s)
{
    enum { LINE = 16 }; /* elements of 32 bits */
    const tb_ix *far = NULL;
    uint32_t kept = 0;
    int64_t span = 0;

    for (uint32_t a = 0; a + 1 < s->accesses.n && !far; a++) {
        tb_dim coef;
        if (tb_ix_linear(&n->l->ix, &s->accesses.at[a], n->lane, &coef) && tb_dim_is_const(coef) &&
            (coef >= LINE || coef <= -LINE))
            far = &s->accesses.at[a];
    }
    for (uint32_t i = 0; i < n->n_outer; i++) {
        int64_t more = far ? reach(n, far, n->outer[i]) : -1;
        if (more > 0 && span + more < LINE && i > 0) {
            n->near[n->n_near++] = n->outer[i];
            span += more;
        } else {
            n->outer[kept++] = n->outer[i];
        }
    }
    n->n_outer = kept;
}

void
tb_nest_choose_lanes(tb_nest *n, tb_nest_survey *s)
{
    const tb_group *gr = n->gr;
    int row_score = INT32_MIN, outer_score = INT32_MIN;
    uint32_t outer = UINT32_MAX;

    if (n->stages.n == 0) {
        n->lane = best_lane(n, s, n->outer, n->n_outer, &outer_score);
        if (n->lane == UINT32_MAX)
            return;
        n->inner[n->n_inner++] = n->lane;
    } else {
        const tb_nest_stage *st = &n->stages.at[0];
        outer = best_lane(n, s, n->outer, n->n_outer, &outer_score);
        best_lane(n, s, st->vars, st->n_vars, &row_score);
        n->lane_outer = outer != UINT32_MAX && outer_score > row_score && n->n_inner == 0;
        if (n->lane_outer)
            n->lane = outer;
        else if (n->n_inner)
            n->lane = best_lane(n, s, n->inner, n->n_inner, &row_score);
    }
    if (n->lane_outer || n->stages.n == 0) { /* no plain loop over the lane variable */
        uint32_t j = 0;
        for (uint32_t i = 0; i < n->n_outer; i++)
            if (n->outer[i] != n->lane)
                n->outer[j++] = n->outer[i];
        n->n_outer = j;
    }
    if (n->stages.n == 0)
        choose_near(n, s);
    /* within a stage the best row variable goes last, along the lanes */
    for (uint32_t i = 0; i < n->stages.n && !n->lane_outer; i++) {
        tb_nest_stage *st = &n->stages.at[i];
        uint32_t v = best_lane(n, s, st->vars, st->n_vars, &row_score), j = 0;
        for (uint32_t a = 0; a < st->n_vars; a++)
            if (st->vars[a] != v)
                st->vars[j++] = st->vars[a];
        if (st->n_vars)
            st->vars[j] = v;
    }
    (void)gr;
}

