/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * write.c -- the instructions of a function's body, in the order that frame.c found.
 *
 *   results whose size is known   RESULT
 *   every event                   memory for what it is the first to use; then
 *     a kernel step               DISPATCH
 *     item                        LOAD, and its range is checked
 *     assert                      LOAD, CHECK
 *     cond                        LOAD, JUMP_ZERO, one branch, JUMP, the other
 *     while                       copies to the carried values; condition; body; copies; JUMP
 *   results that are copies, writes to globals, RETURN
 */
#include "program/internal.h"

static void
copy(tb_writer *w, uint32_t to, uint32_t from)
{
    if (to == from)
        return;
    tb_w_op(w, TB_I_COPY, 2);
    tb_w_word(w, to);
    tb_w_word(w, from);
}

static int32_t
load(tb_writer *w, tb_frame *f, tb_val v)
{
    int32_t r = tb_w_new_reg(w);
    tb_w_op(w, TB_I_LOAD, 3);
    tb_w_word(w, r);
    tb_w_word(w, tb_w_storage_buf(w, f, v));
    tb_w_word(w, tb_dtype_of(f->b->g, v));
    return r;
}

/* ---- jumps: targets are words from the function's first ---- */
static uint32_t
here(const tb_writer *w)
{
    return w->p->code.n - w->out.code;
}

/* Writes a jump; returns the word that holds its target. */
static uint32_t
jump(tb_writer *w)
{
    tb_w_op(w, TB_I_JUMP, 1);
    tb_w_word(w, 0);
    return w->p->code.n - 1;
}

static uint32_t
jump_zero(tb_writer *w, int32_t r)
{
    tb_w_op(w, TB_I_JUMP_ZERO, 2);
    tb_w_word(w, r);
    tb_w_word(w, 0);
    return w->p->code.n - 1;
}

static void
land(tb_writer *w, uint32_t jump_word)
{
    w->p->code.at[jump_word] = (int32_t)here(w);
}

/* ---- memory that is known late ---- */
static bool
dims_known(tb_writer *w, tb_val v)
{
    for (int i = 0; i < tb_rank(w->g, v); i++)
        if (!tb_w_known(w, tb_dims(w->g, v)[i]))
            return false;
    return true;
}

static void
make_result(tb_writer *w, uint32_t i)
{
    tb_p_set_dims(w, &w->p->values.at[w->out.result + i], tb_dims(w->g, w->g->outputs.at[i]));
    tb_w_op(w, TB_I_RESULT, 1);
    tb_w_word(w, i);
    w->result_made[i] = true;
}

static void
make_results(tb_writer *w, bool all)
{
    for (uint32_t i = 0; i < w->g->outputs.n; i++)
        if (!w->result_made[i] && (all || dims_known(w, w->g->outputs.at[i])))
            make_result(w, i);
}

/* Memory for the buffers that position `at` is the first to use. */
static void
make_late(tb_writer *w, uint32_t at)
{
    uint32_t i = 0, n = w->late.n;
    while (n > 0) /* the first one that is not needed before */
        if (w->uses.at[w->late.at[i + n / 2]].first < at) {
            i += n / 2 + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    for (; i < w->late.n && w->uses.at[w->late.at[i]].first == at; i++) {
        uint32_t b = w->late.at[i];
        const tb_plan_buf *buf = &w->p->bufs.at[w->out.buf + b];
        if (buf->kind == TB_BUF_RESULT) {
            if (!w->result_made[buf->index])
                make_result(w, buf->index);
            continue;
        }
        int32_t bytes = tb_w_dim(w, w->uses.at[b].bytes);
        tb_w_op(w, TB_I_ALLOC, 2);
        tb_w_word(w, b);
        tb_w_word(w, bytes);
    }
}

/* ---- events ---- */
static void write_frame(tb_writer *w, tb_frame *f);

static void
write_dispatch(tb_writer *w, tb_frame *f, uint32_t step)
{
    const tb_step *st = f->b->low->steps.at[step];
    tb_arena *a = &w->u->cx->scratch;
    uint32_t kernel = tb_p_kernel(w->p, f->b->low, step);
    int32_t tiles = tb_w_dim(w, st->tiles);
    int32_t *sizes = TB_NEWN(a, int32_t, st->sizes.n + 1);

    for (uint32_t s = 0; s < st->sizes.n; s++)
        sizes[s] = tb_w_dim(w, st->sizes.at[s]);
    tb_p_work(w, st);
    tb_w_op(w, TB_I_DISPATCH, 5 + st->bindings.n + st->sizes.n);
    tb_w_word(w, kernel);
    tb_w_word(w, tiles);
    tb_w_word(w, 0);
    tb_w_word(w, st->bindings.n);
    for (uint32_t b = 0; b < st->bindings.n; b++)
        tb_w_word(w, tb_w_binding_buf(w, f, &st->bindings.at[b]));
    tb_w_word(w, st->sizes.n);
    for (uint32_t s = 0; s < st->sizes.n; s++)
        tb_w_word(w, sizes[s]);
}

/* "model.py:12: " */
static tb_str
where(tb_writer *w, const tb_frame *f, tb_val v)
{
    const tb_location *l = tb_loc_get(w->u, f->b->g->locs[v.id]);
    if (f->b->g->locs[v.id].id == 0 || !l->file.len)
        return TB_STR("");
    return tb_sprintf(&w->u->cx->keep, "%.*s:%u: ", TB_FMT(l->file), l->line);
}

static void
write_item(tb_writer *w, tb_frame *f, tb_val v)
{
    tb_dim d = tb_attrs(f->b->g, v)[0]; /* an index, or the symbol as a dimension */
    uint32_t sym = (uint32_t)(tb_dim_is_const(d) ? d : w->u->exprs.at[d - TB_DIM_EXPR].a);
    tb_w_define(w, sym, load(w, f, tb_in(f->b->g, v, 0)), where(w, f, v));
}

static void
write_assert(tb_writer *w, tb_frame *f, tb_val v)
{
    tb_str text = w->u->messages.at[tb_attrs(f->b->g, v)[0]];
    tb_w_check(w, load(w, f, tb_in(f->b->g, v, 0)),
               tb_sprintf(&w->u->cx->keep, "%.*s%.*s", TB_FMT(where(w, f, v)),
                          TB_FMT(text)));
}

static void
write_branches(tb_writer *w, tb_frame *f, const tb_event *e)
{
    for (int i = 0; i < 2 && e->sub[i]; i++)
        tb_w_sizes(w, e->sub[i]);
    if (!e->sub[1]) { /* call */
        write_frame(w, e->sub[0]);
        return;
    }
    uint32_t otherwise = jump_zero(w, load(w, f, tb_in(f->b->g, e->node, 0)));
    write_frame(w, e->sub[0]);
    uint32_t end = jump(w);
    land(w, otherwise);
    write_frame(w, e->sub[1]);
    land(w, end);
}

static void
write_loop(tb_writer *w, tb_frame *f, const tb_event *e)
{
    const tb_graph *g = f->b->g, *body = e->sub[1]->b->g;
    uint32_t n = tb_node_of(g, e->node)->n_in;

    for (uint32_t i = 0; i < n; i++)
        copy(w, e->carried[i], tb_w_storage_buf(w, f, tb_in(g, e->node, i)));
    for (int i = 0; i < 2; i++)
        tb_w_sizes(w, e->sub[i]);
    uint32_t again = here(w);
    write_frame(w, e->sub[0]);
    uint32_t end = jump_zero(w, load(w, e->sub[0], e->sub[0]->b->g->outputs.at[0]));
    write_frame(w, e->sub[1]);
    for (uint32_t i = 0; i < n; i++)
        if (e->saved[i])
            copy(w, e->saved[i] - 1, tb_w_storage_buf(w, e->sub[1], body->outputs.at[i]));
    for (uint32_t i = 0; i < n; i++)
        if (!e->kept[i])
            copy(w, e->carried[i],
                 e->saved[i] ? e->saved[i] - 1
                             : tb_w_storage_buf(w, e->sub[1], body->outputs.at[i]));
    uint32_t back = jump(w); /* first: it moves the code */
    w->p->code.at[back] = (int32_t)again;
    land(w, end);
}

static void
write_event(tb_writer *w, tb_frame *f, const tb_event *e)
{
    make_late(w, e->at);
    if (!e->node.id) {
        write_dispatch(w, f, e->step);
        return;
    }
    switch ((tb_prim)tb_node_of(f->b->g, e->node)->prim) {
    case TB_P_item:
        write_item(w, f, e->node);
        return;
    case TB_P_assert:
        write_assert(w, f, e->node);
        return;
    case TB_P_while:
        write_loop(w, f, e);
        return;
    default:
        write_branches(w, f, e);
    }
}

/* The code of a frame, up to its outputs being where they are wanted. */
static void
write_frame(tb_writer *w, tb_frame *f)
{
    const tb_graph *g = f->b->g;
    for (uint32_t i = 0; i < f->events.n; i++)
        write_event(w, f, &f->events.at[i]);
    if (f == w->top)
        make_results(w, true);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        if (g->outputs.at[i].id && f->dest[i] && !f->direct[i])
            copy(w, f->dest[i] - 1, tb_w_storage_buf(w, f, g->outputs.at[i]));
}

/* ---- globals ---- */
static void
write_globals(tb_writer *w)
{
    const tb_graph *g = w->g;
    for (uint32_t i = 0; i < g->effects.n; i++)
        if (w->saved_buf[i])
            copy(w, w->saved_buf[i] - 1, tb_w_storage_buf(w, w->top, tb_in(g, g->effects.at[i], 0)));
    for (uint32_t i = 0; i < g->effects.n; i++) {
        tb_val e = g->effects.at[i];
        if (tb_node_of(g, e)->prim != TB_P_write)
            continue;
        uint32_t from = w->saved_buf[i] ? w->saved_buf[i] - 1
                                        : tb_w_storage_buf(w, w->top, tb_in(g, e, 0));
        uint32_t global = (uint32_t)tb_attrs(g, e)[0];
        const tb_plan_buf *b = &w->p->bufs.at[w->out.buf + from];
        if (b->kind != TB_BUF_GLOBAL || b->index != global) /* written in place */
            copy(w, tb_w_add_buf(w, TB_BUF_GLOBAL, global), from);
    }
}

static void
size_now(tb_writer *w, tb_dim d)
{
    if (d != TB_DIM_UNKNOWN && tb_w_known(w, d))
        (void)tb_w_dim(w, d);
}

void
tb_w_sizes(tb_writer *w, const tb_frame *f)
{
    for (uint32_t i = 0; i < f->events.n; i++) {
        const tb_event *e = &f->events.at[i];
        if (e->node.id) {
            for (int k = 0; k < 2 && e->sub[k]; k++)
                tb_w_sizes(w, e->sub[k]);
            continue;
        }
        const tb_step *st = f->b->low->steps.at[e->step];
        size_now(w, st->tiles);
        for (uint32_t k = 0; k < st->sizes.n; k++)
            size_now(w, st->sizes.at[k]);
        size_now(w, st->flops);
        size_now(w, st->bytes);
    }
}

void
tb_w_body(tb_writer *w)
{
    make_results(w, false);
    write_frame(w, w->top);
    write_globals(w);
    tb_w_op(w, TB_I_RETURN, 0);
}
