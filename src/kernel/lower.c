/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* lower.c -- groups to kernels: begins and ends kernels, chooses the schedule. */
#include "kernel/lower.h"

static tb_str
step_name(tb_lower *l, const char *what)
{
    const tb_location *loc = tb_loc_get(l->u, l->group->loc);
    tb_str op = loc->op;
    if (tb_str_prefix(op, "aten."))
        op = (tb_str){op.ptr + 5, op.len - 5};
    for (size_t i = 0; i < op.len; i++)
        if (op.ptr[i] == '.')
            op.len = i;
    tb_str s = tb_sprintf(&l->u->cx->keep, "k%u_%s%s%.*s", l->next_step - 1, what,
                          op.len ? "_" : "", TB_FMT(op));
    for (size_t i = 0; i < s.len; i++) { /* a symbol name */
        char *c = (char *)(uintptr_t)&s.ptr[i];
        bool ok = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                  (*c >= '0' && *c <= '9');
        if (!ok)
            *c = '_';
    }
    return s;
}

void
tb_lower_begin(tb_lower *l, const char *what)
{
    tb_arena *a = &l->u->cx->keep;
    uint32_t no = l->next_step++;
    if (no == l->out->steps.n) {
        tb_step *st = TB_NEW(a, tb_step);
        st->loc = l->group->loc;
        st->name = step_name(l, what);
        st->tiles = 1;
        st->group = l->group_no;
        TB_PUSH(a, &l->out->steps, st);
    }
    l->step = l->out->steps.at[no];
    l->k = tb_kernel_new(l->u->cx, l->target, l->step->name);
    l->k->loc = l->group->loc;
    for (uint32_t i = 0; i < l->step->sizes.n; i++)
        TB_PUSH(a, &l->k->sizes, l->step->sizes.at[i]);
    l->ix = l->group->ix; /* its variables; what the schedule adds stays its own */
    l->ix.vars.at = tb_dup(a, l->ix.vars.at, sizeof(tb_ixvar) * l->ix.vars.n);
    l->ix.vars.cap = l->ix.vars.n;
    l->env.n = 0;
    l->lanes = 1;
    l->mask = TB_NO_KV;
    l->lane_align = 1;
    l->past_caches = false;
    l->ahead.var = UINT32_MAX;
    l->known.n = 0;
    tb_pull_reset(l);
}

void
tb_lower_end(tb_lower *l)
{
    tb_arena *a = &l->u->cx->keep;
    tb_step *st = l->step;
    tb_kernel *k = l->k;
    for (uint32_t i = st->sizes.n; i < k->sizes.n; i++)
        TB_PUSH(a, &st->sizes, k->sizes.at[i]);
    if (k->scratch_bytes > st->scratch_bytes)
        st->scratch_bytes = k->scratch_bytes;
    if (l->target_no == 0)
        st->all_tiles = st->tiles;
    else /* one program for all levels: each must take the same tiles */
        TB_CHECK(tb_dim_eq(l->u, st->all_tiles, st->tiles));
    k->n_bindings = st->bindings.n;
    k->tile_cost_ns = st->tile_cost_ns;
    tb_kernel_verify(k);
    TB_PUSH(a, &l->out->kernels[l->target_no], k);
}

static tb_kv
bind(tb_lower *l, tb_binding b)
{
    tb_step *st = l->step;
    for (uint32_t i = 0; i < st->bindings.n; i++) {
        tb_binding *o = &st->bindings.at[i];
        if (o->kind == b.kind && o->packed == b.packed && o->temp == b.temp &&
            o->node.id == b.node.id) {
            o->written |= b.written;
            return tb_k_binding(l->k, i);
        }
    }
    TB_PUSH(&l->u->cx->keep, &st->bindings, b);
    return tb_k_binding(l->k, st->bindings.n - 1);
}

tb_kv
tb_bind_node(tb_lower *l, tb_val stored, bool written)
{
    return bind(l, (tb_binding){.kind = TB_BIND_NODE, .node = stored, .written = written});
}

tb_kv
tb_bind_packed(tb_lower *l, uint32_t unit_const)
{
    return bind(l, (tb_binding){.kind = TB_BIND_PACKED, .packed = unit_const});
}

tb_kv
tb_bind_temp(tb_lower *l, uint32_t temp, bool written)
{
    return bind(l, (tb_binding){.kind = TB_BIND_TEMP, .temp = temp, .written = written});
}

uint32_t
tb_lower_temp(tb_lower *l, uint32_t nth, tb_dim bytes)
{
    uint32_t no = l->first_temp + nth;
    if (no >= l->out->temps.n)
        TB_PUSH(&l->u->cx->keep, &l->out->temps, ((tb_temp){bytes}));
    return no;
}

/* A root without elements: a step of no tiles. */
static void
lower_nothing(tb_lower *l)
{
    tb_lower_begin(l, "empty");
    tb_bind_node(l, l->group->root, true);
    l->step->tiles = 0;
    tb_lower_end(l);
}

static void
lower_linalg(tb_lower *l)
{
    switch ((tb_prim)tb_node_of(l->g, l->group->root)->prim) {
    case TB_P_tri_solve:
        tb_lower_tri_solve(l);
        return;
    case TB_P_cholesky:
        tb_lower_cholesky(l);
        return;
    case TB_P_lu:
        tb_lower_lu(l);
        return;
    case TB_P_qr:
        tb_lower_qr(l);
        return;
    case TB_P_jacobi:
        tb_lower_jacobi(l);
        return;
    case TB_P_schur:
        tb_lower_schur(l);
        return;
    case TB_P_exchange:
        tb_lower_exchange(l);
        return;
    default:
        TB_UNREACHABLE();
    }
}

static void
lower_group(tb_lower *l)
{
    for (int i = 0; i < tb_rank(l->g, l->group->root); i++)
        if (tb_dims(l->g, l->group->root)[i] == 0) {
            lower_nothing(l);
            return;
        }
    switch (l->group->kind) {
    case TB_GROUP_NEST:
        tb_lower_begin(l, "nest");
        tb_lower_nest(l);
        tb_lower_end(l);
        return;
    case TB_GROUP_CONTRACT:
        tb_lower_contract(l);
        return;
    case TB_GROUP_DEPTHWISE:
        tb_lower_depthwise(l);
        return;
    case TB_GROUP_ATTENTION:
        tb_lower_attention(l);
        return;
    case TB_GROUP_ATTENTION_GRAD:
        tb_lower_attention_grad(l);
        return;
    case TB_GROUP_SCAN:
        tb_lower_scan(l);
        return;
    case TB_GROUP_SORT:
        tb_lower_sort(l);
        return;
    case TB_GROUP_SCATTER:
        tb_lower_scatter(l);
        return;
    case TB_GROUP_LINALG:
        lower_linalg(l);
        return;
    }
    TB_UNREACHABLE();
}

tb_lowered *
tb_lower_groups(const tb_groups *gs, const tb_target *targets, uint32_t n_targets,
                tb_packs *packs, tb_lower_options options, tb_choices *choices)
{
    tb_unit *u = gs->g->unit;
    tb_arena *a = &u->cx->keep;
    tb_lowered *out = TB_NEW(a, tb_lowered);
    tb_marks marks = {.at = TB_NEWN(a, uint32_t, gs->g->n)};

    out->packs = packs;
    out->options = options;
    out->targets = targets;
    out->n_targets = n_targets;
    out->kernels = TB_NEWN(a, tb_kernel_list, n_targets);
    for (uint32_t i = 0; i < gs->at.n; i++) {
        uint32_t first = out->steps.n, first_temp = out->temps.n, no = choices->next++;
        TB_PUSH(a, &out->first_step, first);
        for (uint32_t t = 0; t < n_targets; t++) {
            tb_lower l = {.out = out,
                          .u = u,
                          .g = gs->g,
                          .gs = gs,
                          .group = &gs->at.at[i],
                          .target = &targets[t],
                          .marks = &marks,
                          .target_no = t,
                          .next_step = first,
                          .first_temp = first_temp,
                          .group_no = no};
            if (no < choices->n)
                l.variant = (tb_variant)choices->variant[no];
            lower_group(&l);
            TB_CHECK(l.next_step == out->steps.n);
            if (t == 0)
                tb_lower_work(&l, first);
        }
    }
    return out;
}
