/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* pass.c -- runs the passes of passes.def; the walk that most passes share. */
#include "pass/pass.h"

static const struct {
    const char *name, *summary;
    tb_graph *(*run)(const tb_graph *in);
} passes[] = {
#define PASS(name, summary) {#name, summary, tb_pass_##name},
#include "pass/passes.def"
#undef PASS
};

const char *
tb_pass_name(uint32_t i)
{
    return i < TB_COUNT(passes) ? passes[i].name : NULL;
}

const char *
tb_pass_summary(uint32_t i)
{
    return i < TB_COUNT(passes) ? passes[i].summary : NULL;
}

tb_graph *
tb_run_passes(tb_graph *g, const char *stop, void (*each)(void *user, const char *name),
              void *user)
{
    bool known = stop == NULL;
    for (size_t i = 0; i < TB_COUNT(passes); i++)
        known = known || strcmp(stop, passes[i].name) == 0;
    if (!known)
        tb_raise(g->unit->cx, (tb_loc){0}, TB_NOT_FOUND, "no pass is named '%s'", stop);
    for (size_t i = 0; i < TB_COUNT(passes); i++) {
        if (each)
            each(user, passes[i].name);
        g = passes[i].run(g);
#ifndef NDEBUG
        tb_graph_verify(g);
#endif
        if (stop && strcmp(stop, passes[i].name) == 0)
            break;
    }
    return g;
}

tb_val
tb_image(const tb_rewrite *rw, tb_val v, uint32_t i)
{
    return rw->map[tb_in(rw->from, v, i).id];
}

bool
tb_is_full(const tb_graph *g, tb_val v, double *value)
{
    const tb_node *n = tb_node_of(g, v);
    if (n->prim != TB_P_full || tb_dtype_is_complex(n->dtype))
        return false;
    if (tb_dtype_is_float(n->dtype))
        memcpy(value, tb_attrs(g, v), sizeof *value);
    else
        *value = (double)tb_attrs(g, v)[0];
    return true;
}

bool
tb_is_zero(const tb_graph *g, tb_val v)
{
    double value;

    return tb_is_full(g, tb_behind_expand(g, v), &value) && value == 0;
}

tb_graph *
tb_rewrite_graph(const tb_graph *from, tb_val (*rule)(tb_rewrite *rw, tb_val v), void *user)
{
    tb_arena *a = &from->unit->cx->keep;
    tb_rewrite rw = {.from = from, .to = tb_graph_new(from->unit), .user = user};
    bool *live = tb_live(from, a);

    rw.map = TB_NEWN(a, tb_val, from->n);
    rw.uses = TB_NEWN(a, uint32_t, from->n);
    for (uint32_t id = 1; id < from->n; id++)
        for (uint32_t i = 0; live[id] && i < from->nodes[id].n_in; i++)
            rw.uses[tb_in(from, (tb_val){id}, i).id]++;
    for (uint32_t i = 0; i < from->outputs.n; i++)
        rw.uses[from->outputs.at[i].id]++;
    for (uint32_t id = 1; id < from->n; id++) {
        tb_val v = {id};
        if (!live[id])
            continue;
        rw.to->loc = from->locs[id];
        rw.map[id] = rule ? rule(&rw, v) : TB_NO_VAL;
        if (!rw.map[id].id)
            rw.map[id] = tb_copy_node(rw.to, from, v, rw.map);
    }
    for (uint32_t i = 0; i < from->outputs.n; i++)
        TB_PUSH(a, &rw.to->outputs, rw.map[from->outputs.at[i].id]);
    return rw.to;
}
