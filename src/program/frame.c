/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * frame.c -- what runs when, and from when to when each buffer is needed.
 *
 * Events of a frame are its kernel steps and its live control nodes and checks, in the
 * order of the graph's nodes: the root of a group stands for its steps. Frames of a branch
 * or loop follow at the node's place. A buffer that a loop uses, but that was filled
 * before the loop, is needed until the loop ends.
 */
#include "program/internal.h"

uint32_t
tb_w_add_buf(tb_writer *w, tb_buf_kind kind, uint32_t index)
{
    TB_PUSH(&w->p->cx->keep, &w->p->bufs,
            ((tb_plan_buf){.kind = kind, .index = index, .offset_reg = -1, .bytes_reg = -1}));
    TB_PUSH(&w->p->cx->keep, &w->uses, ((tb_use){.used = false}));
    return w->p->bufs.n - w->out.buf - 1;
}

static tb_plan_buf *
buf_at(tb_writer *w, uint32_t buf)
{
    return &w->p->bufs.at[w->out.buf + buf];
}

static tb_dim
node_bytes(tb_writer *w, const tb_graph *g, tb_val v)
{
    tb_dim n = (tb_dim)tb_dtype_bytes(tb_dtype_of(g, v));
    for (int i = 0; i < tb_rank(g, v); i++)
        n = tb_dim_mul(w->u, n, tb_dims(g, v)[i]);
    return n;
}

uint32_t
tb_w_node_buf(tb_writer *w, tb_frame *f, tb_val v)
{
    const tb_graph *g = f->b->g;
    int64_t attr = tb_node_of(g, v)->n_attr ? tb_attrs(g, v)[0] : 0;
    uint32_t b;
    if (f->buf_of[v.id])
        return f->buf_of[v.id] - 1;
    switch ((tb_prim)tb_node_of(g, v)->prim) {
    case TB_P_input:
        b = f->args ? f->args[attr] : tb_w_add_buf(w, TB_BUF_INPUT, (uint32_t)attr);
        break;
    case TB_P_const:
        b = tb_w_add_buf(w, TB_BUF_CONST, tb_p_const(w->p, (uint32_t)attr, false));
        break;
    case TB_P_read:
        b = tb_w_add_buf(w, TB_BUF_GLOBAL, (uint32_t)attr);
        break;
    default:
        b = tb_w_add_buf(w, TB_BUF_ARENA, 0);
        break;
    }
    f->buf_of[v.id] = b + 1;
    return b;
}

uint32_t
tb_w_storage_buf(tb_writer *w, tb_frame *f, tb_val v)
{
    return tb_w_node_buf(w, f, tb_storage(f->b->gs, v));
}

uint32_t
tb_w_binding_buf(tb_writer *w, tb_frame *f, const tb_binding *b)
{
    switch (b->kind) {
    case TB_BIND_NODE:
        return tb_w_node_buf(w, f, b->node);
    case TB_BIND_TEMP:
        if (!f->temp_buf[b->temp])
            f->temp_buf[b->temp] = tb_w_add_buf(w, TB_BUF_ARENA, 0) + 1;
        return f->temp_buf[b->temp] - 1;
    case TB_BIND_PACKED:
        if (!w->packed_buf[b->packed])
            w->packed_buf[b->packed] =
                tb_w_add_buf(w, TB_BUF_CONST, tb_p_const(w->p, b->packed, true)) + 1;
        return w->packed_buf[b->packed] - 1;
    }
    TB_UNREACHABLE();
}

/* ---- lifetimes ---- */
static void
use(tb_writer *w, uint32_t buf, tb_dim bytes)
{
    tb_use *u = &w->uses.at[buf];
    if (!u->used)
        *u = (tb_use){.bytes = bytes, .first = w->position, .used = true};
    u->last = w->position;
}

static void
use_value(tb_writer *w, tb_frame *f, tb_val v)
{
    tb_val s = tb_storage(f->b->gs, v);
    use(w, tb_w_node_buf(w, f, s), node_bytes(w, f->b->g, s));
}

static void
use_step(tb_writer *w, tb_frame *f, uint32_t step)
{
    const tb_step *st = f->b->low->steps.at[step];
    for (uint32_t i = 0; i < st->bindings.n; i++) {
        const tb_binding *b = &st->bindings.at[i];
        tb_dim bytes = b->kind == TB_BIND_NODE   ? node_bytes(w, f->b->g, b->node)
                       : b->kind == TB_BIND_TEMP ? f->b->low->temps.at[b->temp].bytes
                                                 : 0;
        use(w, tb_w_binding_buf(w, f, b), bytes);
    }
}

/* What was there before the loop began stays until it ends. */
static void
extend_uses(tb_writer *w, uint32_t begin)
{
    for (uint32_t b = 0; b < w->uses.n; b++) {
        tb_use *u = &w->uses.at[b];
        if (u->used && u->first < begin && u->last >= begin)
            u->last = w->position;
    }
}

/* ---- frames ---- */
static tb_frame *
new_frame(tb_writer *w, const tb_body *b, const uint32_t *args)
{
    tb_arena *a = &w->u->cx->keep;
    tb_frame *f = TB_NEW(a, tb_frame);
    f->b = b;
    f->args = args;
    f->buf_of = TB_NEWN(a, uint32_t, b->g->n);
    f->temp_buf = TB_NEWN(a, uint32_t, b->low->temps.n + 1);
    f->dest = TB_NEWN(a, uint32_t, b->g->outputs.n + 1);
    f->direct = TB_NEWN(a, bool, b->g->outputs.n + 1);
    f->in_place = TB_NEWN(a, bool, b->g->n);
    return f;
}

/* Outputs are computed where they are wanted if their value is made in this frame. */
static void
direct_outputs(tb_frame *f)
{
    const tb_graph *g = f->b->g;
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        if (!g->outputs.at[i].id || !f->dest[i])
            continue;
        tb_val s = tb_storage(f->b->gs, g->outputs.at[i]);
        bool made = f->b->gs->group_of[s.id] || tb_node_of(g, s)->prim == TB_P_result;
        if (made && !f->buf_of[s.id]) {
            f->buf_of[s.id] = f->dest[i];
            f->direct[i] = true;
        }
    }
}

static void fill_frame(tb_writer *w, tb_frame *f, bool loop);

/* Buffers of the operands from number `skip` on. */
static uint32_t *
operand_bufs(tb_writer *w, tb_frame *f, tb_val v, uint32_t skip)
{
    uint32_t n = tb_node_of(f->b->g, v)->n_in;
    uint32_t *bufs = TB_NEWN(&w->u->cx->keep, uint32_t, n + 1);
    for (uint32_t i = skip; i < n; i++) {
        bufs[i - skip] = tb_w_storage_buf(w, f, tb_in(f->b->g, v, i));
        use_value(w, f, tb_in(f->b->g, v, i));
    }
    return bufs;
}

/* By result of control node v: buffer + 1, 0 where nobody asks for the result. */
static uint32_t *
result_bufs(tb_writer *w, tb_frame *f, tb_val v, uint32_t n)
{
    const tb_graph *g = f->b->g;
    uint32_t *bufs = TB_NEWN(&w->u->cx->keep, uint32_t, n + 1);
    for (uint32_t id = f->first_result[v.id]; id; id = f->next_result[id]) {
        tb_val r = {id};
        bufs[tb_attrs(g, r)[0]] = tb_w_node_buf(w, f, r) + 1;
        use_value(w, f, r);
    }
    return bufs;
}

/* Live results by the control node that they belong to, as lists. */
static void
list_results(tb_frame *f, const bool *live, tb_arena *a)
{
    const tb_graph *g = f->b->g;
    f->first_result = TB_NEWN(a, uint32_t, g->n);
    f->next_result = TB_NEWN(a, uint32_t, g->n);
    for (uint32_t id = g->n - 1; id > 0; id--)
        if (live[id] && g->nodes[id].prim == TB_P_result) {
            uint32_t *first = &f->first_result[tb_in(g, (tb_val){id}, 0).id];
            f->next_result[id] = *first;
            *first = id;
        }
}

static void
plan_branches(tb_writer *w, tb_frame *f, tb_event *e)
{
    const tb_node *n = tb_node_of(f->b->g, e->node);
    uint32_t skip = n->prim == TB_P_cond, branches = skip ? 2 : 1;
    uint32_t *args = operand_bufs(w, f, e->node, skip);
    const tb_body *const *sub = f->b->sub[e->node.id];
    uint32_t *dest = result_bufs(w, f, e->node, sub[0]->g->outputs.n);
    if (skip)
        use_value(w, f, tb_in(f->b->g, e->node, 0));
    for (uint32_t i = 0; i < branches; i++) {
        e->sub[i] = new_frame(w, sub[i], args);
        e->sub[i]->dest = dest;
        fill_frame(w, e->sub[i], false);
    }
}

/* Is output i of the body the loop's carried value k itself? */
static bool
is_carried(const tb_body *b, uint32_t i, uint32_t k)
{
    tb_val s = tb_storage(b->gs, b->g->outputs.at[i]);
    return tb_node_of(b->g, s)->prim == TB_P_input && tb_attrs(b->g, s)[0] == (int64_t)k;
}

/* Carried values that others turn into the next round's must be saved before they change:
 * output i is what value k was, and k is written before i. */
static void
plan_saved(tb_writer *w, tb_event *e, const tb_body *body, uint32_t n)
{
    e->saved = TB_NEWN(&w->u->cx->keep, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < n; k++)
            if (i != k && is_carried(body, i, k) && !e->kept[k]) {
                e->saved[i] = tb_w_add_buf(w, TB_BUF_ARENA, 0) + 1;
                use(w, e->saved[i] - 1, node_bytes(w, body->g, body->g->outputs.at[i]));
            }
}

static void
plan_loop(tb_writer *w, tb_frame *f, tb_event *e)
{
    tb_arena *a = &w->u->cx->keep;
    const tb_graph *g = f->b->g;
    uint32_t n = tb_node_of(g, e->node)->n_in;
    const tb_body *const *sub = f->b->sub[e->node.id];
    const tb_body *body = sub[1];
    uint32_t *args = operand_bufs(w, f, e->node, 0);
    uint32_t *result = result_bufs(w, f, e->node, n);

    e->carried = TB_NEWN(a, uint32_t, n + 1);
    e->kept = TB_NEWN(a, bool, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        e->kept[i] = is_carried(body, i, i);
        e->carried[i] = result[i]    ? result[i] - 1
                        : e->kept[i] ? args[i] /* never written: no copy of its own */
                                     : tb_w_add_buf(w, TB_BUF_ARENA, 0);
        use(w, e->carried[i], node_bytes(w, g, tb_storage(f->b->gs, tb_in(g, e->node, i))));
    }
    uint32_t begin = ++w->position;
    for (uint32_t i = 0; i < 2; i++) {
        e->sub[i] = new_frame(w, sub[i], e->carried);
        fill_frame(w, e->sub[i], i == 1);
    }
    plan_saved(w, e, body, n);
    for (uint32_t i = 0; i < n; i++)
        use(w, e->carried[i], 0);
    extend_uses(w, begin);
}

static void
plan_event(tb_writer *w, tb_frame *f, tb_event *e)
{
    e->at = ++w->position;
    if (!e->node.id) {
        use_step(w, f, e->step);
        return;
    }
    switch ((tb_prim)tb_node_of(f->b->g, e->node)->prim) {
    case TB_P_cond:
    case TB_P_call:
        plan_branches(w, f, e);
        return;
    case TB_P_while:
        plan_loop(w, f, e);
        return;
    default:
        use_value(w, f, tb_in(f->b->g, e->node, 0));
    }
}

bool
tb_w_is_event(const tb_graph *g, uint32_t id)
{
    switch ((tb_prim)g->nodes[id].prim) {
    case TB_P_item:
    case TB_P_assert:
    case TB_P_cond:
    case TB_P_while:
    case TB_P_call:
        return true;
    default:
        return false;
    }
}

/* Steps of group `group` (from 0). */
static void
steps_of(const tb_body *b, uint32_t group, uint32_t *first, uint32_t *end)
{
    *first = b->low->first_step.at[group];
    *end = group + 1 < b->low->first_step.n ? b->low->first_step.at[group + 1]
                                            : b->low->steps.n;
}

/* Globals change at the end of the function, not in the middle of a branch or loop. */
static void
refuse_writes(tb_writer *w, const tb_frame *f)
{
    const tb_graph *g = f->b->g;
    for (uint32_t i = 0; f != w->top && i < g->effects.n; i++) {
        tb_val e = g->effects.at[i];
        if (tb_node_of(g, e)->prim == TB_P_write)
            tb_raise(w->u->cx, g->locs[e.id], TB_UNSUPPORTED,
                     "global '%.*s' is written in a branch or loop: return the new value "
                     "and write it after",
                     TB_FMT(w->u->globals.at[tb_attrs(g, e)[0]].name));
    }
}

/* loop: the body of a loop, whose arguments are its carried values. */
static void
fill_frame(tb_writer *w, tb_frame *f, bool loop)
{
    tb_arena *a = &w->u->cx->keep;
    const tb_body *b = f->b;
    bool *live = tb_live(b->g, a);

    refuse_writes(w, f);
    list_results(f, live, a);
    tb_w_in_place(w, f, loop);
    direct_outputs(f);
    for (uint32_t id = 1; id < b->g->n; id++) {
        uint32_t group = b->gs->group_of[id], step = 0, end = 0;
        if (group)
            steps_of(b, group - 1, &step, &end);
        if (f->in_place[id])
            step++; /* the copy of the base */
        for (; step < end; step++)
            TB_PUSH(a, &f->events, ((tb_event){.step = step}));
        if (live[id] && tb_w_is_event(b->g, id))
            TB_PUSH(a, &f->events, ((tb_event){.node = {id}}));
    }
    for (uint32_t i = 0; i < f->events.n; i++)
        plan_event(w, f, &f->events.at[i]);
    w->position++;
    for (uint32_t i = 0; i < b->g->outputs.n; i++)
        if (b->g->outputs.at[i].id)
            use_value(w, f, b->g->outputs.at[i]);
}

/* ---- globals ---- */
/* Does effect i write what another global held before the call, and does an effect before
 * it write that global (two globals change places)? */
static bool
overwritten_before(const tb_writer *w, uint32_t i)
{
    const tb_graph *g = w->g;
    tb_val e = g->effects.at[i];
    if (tb_node_of(g, e)->prim != TB_P_write)
        return false;
    tb_val from = tb_storage(w->top->b->gs, tb_in(g, e, 0));
    for (uint32_t k = 0; k < i && tb_node_of(g, from)->prim == TB_P_read; k++) {
        tb_val o = g->effects.at[k];
        if (tb_node_of(g, o)->prim == TB_P_write && tb_attrs(g, o)[0] == tb_attrs(g, from)[0])
            return true;
    }
    return false;
}

static void
plan_writes(tb_writer *w)
{
    const tb_graph *g = w->g;
    for (uint32_t i = 0; i < g->effects.n; i++) {
        tb_val e = g->effects.at[i];
        if (tb_node_of(g, e)->prim != TB_P_write)
            continue;
        tb_val v = tb_in(g, e, 0);
        use_value(w, w->top, v);
        if (overwritten_before(w, i)) {
            w->saved_buf[i] = tb_w_add_buf(w, TB_BUF_ARENA, 0) + 1;
            use(w, w->saved_buf[i] - 1, node_bytes(w, g, tb_storage(w->top->b->gs, v)));
        }
    }
}

/* ---- places ---- */
static tb_dim
padded(tb_writer *w, tb_dim bytes)
{
    return tb_dim_mul(w->u, tb_dim_ceildiv(w->u, bytes, TB_DATA_ALIGN), TB_DATA_ALIGN);
}

/* Buffers whose size is not known when the call begins share slots that grow: each takes
 * the first slot that is free while it is needed. */
static void
place_late(tb_writer *w)
{
    TB_VEC(uint32_t) slot_last = {0}; /* by slot: position of its last use */
    for (uint32_t i = 0; i < w->late.n; i++) {
        const tb_use *u = &w->uses.at[w->late.at[i]];
        uint32_t s = 0;
        if (buf_at(w, w->late.at[i])->kind != TB_BUF_ARENA)
            continue;
        while (s < slot_last.n && slot_last.at[s] >= u->first)
            s++;
        if (s == slot_last.n)
            TB_PUSH(&w->u->cx->keep, &slot_last, 0);
        slot_last.at[s] = u->last;
        buf_at(w, w->late.at[i])->kind = TB_BUF_SLOT;
        buf_at(w, w->late.at[i])->index = s;
    }
    w->out.n_slots = slot_last.n;
}

/* Buffers with memory of the call, by their first use. */
static int
by_first(const tb_use *uses, uint32_t a, uint32_t b)
{
    return uses[a].first < uses[b].first ? -1 : uses[a].first > uses[b].first;
}

static void
sort_late(tb_writer *w)
{
    for (uint32_t i = 1; i < w->late.n; i++) /* nearly in order already */
        for (uint32_t k = i;
             k > 0 && by_first(w->uses.at, w->late.at[k - 1], w->late.at[k]) > 0; k--) {
            uint32_t t = w->late.at[k];
            w->late.at[k] = w->late.at[k - 1];
            w->late.at[k - 1] = t;
        }
}

static void
place(tb_writer *w)
{
    tb_arena *a = &w->u->cx->keep;
    uint32_t n = 0;
    tb_lifetime *lives = TB_NEWN(a, tb_lifetime, w->uses.n + 1);
    uint32_t *bufs = TB_NEWN(a, uint32_t, w->uses.n + 1);

    for (uint32_t b = 0; b < w->uses.n; b++) {
        const tb_use *u = &w->uses.at[b];
        tb_buf_kind kind = (tb_buf_kind)buf_at(w, b)->kind;
        if (!u->used || (kind != TB_BUF_ARENA && kind != TB_BUF_RESULT))
            continue;
        if (!tb_w_known(w, u->bytes)) {
            TB_PUSH(a, &w->late, b);
            continue;
        }
        if (kind == TB_BUF_RESULT)
            continue;
        lives[n] = (tb_lifetime){padded(w, u->bytes), u->first, u->last, 0};
        bufs[n++] = b;
    }
    sort_late(w);
    place_late(w);
    tb_dim total = tb_plan_memory(w->u, lives, n);
    w->out.arena_reg = -1;
    for (uint32_t i = 0; i < n; i++) {
        int32_t off = tb_w_dim(w, lives[i].offset), bytes = tb_w_dim(w, lives[i].bytes);
        buf_at(w, bufs[i])->offset_reg = off;
        buf_at(w, bufs[i])->bytes_reg = bytes;
    }
    if (n)
        w->out.arena_reg = tb_w_dim(w, total);
}

void
tb_w_plan(tb_writer *w, const tb_body *body)
{
    w->top = new_frame(w, body, NULL);
    for (uint32_t i = 0; i < w->g->outputs.n; i++)
        if (w->g->outputs.at[i].id)
            w->top->dest[i] = tb_w_add_buf(w, TB_BUF_RESULT, i) + 1;
    fill_frame(w, w->top, false);
    plan_writes(w);
    place(w);
}
