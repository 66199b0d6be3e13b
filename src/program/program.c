/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * program.c -- the plan of a unit: strings, types, constants, kernels, functions.
 *
 * A function is a prologue (symbols from the inputs' shapes, checks, every size and offset
 * that follows from them) and a body (write.c).
 */
#include "program/internal.h"

tb_sref
tb_program_string(tb_program *p, tb_str s)
{
    tb_arena *a = &p->cx->keep;
    uint64_t h = tb_hash(s.ptr, s.len, 7);
    uint32_t cursor = 0, at;
    while ((at = tb_map_next(&p->seen_strings, h, &cursor)) != 0) {
        const char *c = p->strings.at + at - 1;
        if (strlen(c) == s.len && (s.len == 0 || memcmp(c, s.ptr, s.len) == 0))
            return (tb_sref){at - 1, (uint32_t)s.len};
    }
    at = p->strings.n;
    for (size_t i = 0; i < s.len; i++)
        TB_PUSH(a, &p->strings, s.ptr[i]);
    TB_PUSH(a, &p->strings, '\0');
    tb_map_put(&p->seen_strings, h, at + 1);
    return (tb_sref){at, (uint32_t)s.len};
}

/* Where the file lay is no part of the program: the same source gives the same artifact. */
static tb_str
last_component(tb_str path)
{
    size_t i = path.len;

    while (i > 0 && path.ptr[i - 1] != '/' && path.ptr[i - 1] != '\\')
        i--;
    return (tb_str){path.ptr + i, path.len - i};
}

static tb_plan_loc
plan_loc(tb_program *p, tb_loc loc)
{
    const tb_location *l = tb_loc_get(p->u, loc);
    if (loc.id == 0)
        return (tb_plan_loc){.line = 0};
    return (tb_plan_loc){.file = tb_program_string(p, last_component(l->file)),
                         .path = tb_program_string(p, l->path),
                         .op = tb_program_string(p, l->op),
                         .line = l->line,
                         .col = l->col};
}

static uint32_t
add_loc(tb_program *p, tb_loc loc)
{
    tb_plan_loc r = plan_loc(p, loc);
    if (loc.id == 0)
        return 0;
    for (uint32_t i = p->locs.n; i-- > 1 && i + 64 > p->locs.n;)
        if (memcmp(&p->locs.at[i], &r, sizeof r) == 0)
            return i;
    TB_PUSH(&p->cx->keep, &p->locs, r);
    return p->locs.n - 1;
}

void
tb_program_begin(tb_program *p, tb_unit *u, const tb_target *targets, uint32_t n)
{
    tb_arena *a = &u->cx->keep;
    *p = (tb_program){.cx = u->cx, .u = u, .targets = targets, .n_targets = n};
    p->seen_strings.arena = a;
    p->seen_kernels.arena = a;
    p->unique = TB_NEWN(a, tb_kernel_list, n);
    tb_program_string(p, TB_STR(""));
    TB_PUSH(a, &p->locs, ((tb_plan_loc){.line = 0}));
    p->plan.module_name = tb_program_string(p, u->name);
}

/* ---- types ---- */
static tb_plan_value
plan_value(tb_program *p, tb_str name, tb_dtype dtype, int rank, const tb_dim *dims)
{
    tb_plan_value v = {.name = tb_program_string(p, name),
                       .dtype = dtype,
                       .rank = (uint32_t)rank,
                       .dims = p->dims.n};
    for (int i = 0; i < rank; i++) {
        tb_plan_dim d = {.value = dims[i], .reg = -1};
        if (tb_dim_is_const(dims[i])) {
            d.min = d.max = dims[i];
        } else {
            d.value = -1;
            tb_dim_range(p->u, dims[i], &d.min, &d.max);
            if (d.min < 0) /* of numbers that may be negative: a size is not */
                d.min = 0;
        }
        TB_PUSH(&p->cx->keep, &p->dims, d);
    }
    return v;
}

/* Registers of a type's dimensions, as far as they are known. */
void
tb_p_set_dims(tb_writer *w, const tb_plan_value *v, const tb_dim *dims)
{
    for (uint32_t i = 0; i < v->rank; i++)
        if (!tb_dim_is_const(dims[i]) && tb_w_known(w, dims[i])) {
            int32_t r = tb_w_dim(w, dims[i]);
            w->p->dims.at[v->dims + i].reg = r;
        }
}

/* The type of result i. Complex numbers are pairs of reals by now, with an axis of 2. */
static tb_plan_value
result_value(const tb_writer *w, uint32_t i, tb_str name)
{
    const tb_graph *body = w->f->body;
    tb_val v = w->g->outputs.at[i];
    tb_dtype t = tb_dtype_of(w->g, v), declared = tb_dtype_of(body, body->outputs.at[i]);
    bool paired = tb_dtype_is_complex(declared) && !tb_dtype_is_complex(t);

    return plan_value(w->p, name, paired ? declared : t, tb_rank(w->g, v) - paired,
                      tb_dims(w->g, v));
}

/* ---- constants ---- */
uint32_t
tb_p_const(tb_program *p, uint32_t unit_const, bool packed)
{
    tb_arena *a = &p->cx->keep;
    while (p->const_of_n < p->u->consts.n) {
        uint32_t n = p->u->consts.n;
        uint32_t *grown = TB_NEWN(a, uint32_t, n);
        if (p->const_of_n)
            memcpy(grown, p->const_of, sizeof *grown * p->const_of_n);
        p->const_of = grown;
        p->const_of_n = n;
    }
    if (p->const_of[unit_const])
        return p->const_of[unit_const] - 1;
    const tb_const *c = &p->u->consts.at[unit_const];
    TB_PUSH(a, &p->consts,
            ((tb_plan_const){.name = tb_program_string(p, c->name),
                             .bytes = c->n_bytes,
                             .dtype = c->dtype,
                             .packed = packed}));
    TB_PUSH(a, &p->blobs, ((tb_artifact_blob){c->bytes, c->n_bytes, c->recipe}));
    p->const_of[unit_const] = p->consts.n;
    return p->consts.n - 1;
}

/* ---- kernels ---- */
uint32_t
tb_p_kernel(tb_program *p, const tb_lowered *low, uint32_t step_no)
{
    tb_arena *a = &p->cx->keep;
    const tb_step *st = low->steps.at[step_no];
    uint64_t h = 17, (*hashes)[2] = tb_alloc(a, sizeof *hashes * p->n_targets);
    uint32_t cursor = 0, m, k;

    for (uint32_t t = 0; t < p->n_targets; t++) {
        tb_kernel_hash(low->kernels[t].at[step_no], hashes[t]);
        h = tb_hash_u64(hashes[t][0], tb_hash_u64(hashes[t][1], h));
    }
    while ((m = tb_map_next(&p->seen_kernels, h, &cursor)) != 0) {
        const tb_plan_kernel *pk = &p->kernels.at[m - 1];
        if (pk->n_bindings == st->bindings.n && pk->n_sizes == st->sizes.n)
            return m - 1;
    }
    TB_PUSH(a, &p->kernels,
            ((tb_plan_kernel){.name = tb_program_string(p, st->name),
                              .n_bindings = st->bindings.n,
                              .n_sizes = st->sizes.n,
                              .scratch_bytes = (uint64_t)st->scratch_bytes,
                              .loc = add_loc(p, st->loc),
                              .tile_cost_ns = st->tile_cost_ns}));
    k = p->kernels.n - 1;
    for (uint32_t t = 0; t < p->n_targets; t++)
        TB_PUSH(a, &p->unique[t], low->kernels[t].at[step_no]);
    tb_map_put(&p->seen_kernels, h, k + 1);
    return k;
}

static int32_t
reg_of(tb_writer *w, tb_dim d)
{
    return d == TB_DIM_UNKNOWN ? -1 : tb_w_dim(w, d);
}

void
tb_p_work(tb_writer *w, const tb_step *st)
{
    tb_program *p = w->p;
    int32_t flops = reg_of(w, st->flops), bytes = reg_of(w, st->bytes);
    tb_plan_work r = {.loc = p->locs.n, .n_locs = st->locs.n, .flops = flops, .bytes = bytes};
    tb_plan_loc found[TB_STEP_LOCS];
    uint32_t same = 0;

    for (uint32_t i = 0; i < st->locs.n; i++)
        found[i] = plan_loc(p, st->locs.at[i]);
    for (uint32_t i = p->works.n; i-- > 0 && i + 64 > p->works.n && !same;) {
        const tb_plan_work *o = &p->works.at[i];
        if (o->n_locs == r.n_locs &&
            memcmp(&p->locs.at[o->loc], found, sizeof *found * r.n_locs) == 0)
            same = o->loc;
    }
    for (uint32_t i = 0; i < r.n_locs && !same; i++)
        TB_PUSH(&p->cx->keep, &p->locs, found[i]);
    r.loc = same ? same : r.loc;
    r.at = p->code.n;
    TB_PUSH(&p->cx->keep, &p->works, r);
    TB_PUSH(&p->cx->keep, &p->groups, st->group);
}

static void
declare(tb_writer *w)
{
    tb_program *p = w->p;
    tb_arena *a = &p->cx->keep;
    w->out.input = p->values.n;
    w->out.n_inputs = w->f->inputs.n;
    for (uint32_t i = 0; i < w->f->inputs.n; i++) {
        const tb_param *in = &w->f->inputs.at[i];
        tb_plan_value v = plan_value(p, in->name, in->type.dtype, in->type.rank, in->type.dims);
        TB_PUSH(a, &p->values, v);
    }
    w->out.result = p->values.n;
    for (uint32_t i = 0; i < w->g->outputs.n; i++) {
        tb_val v = w->g->outputs.at[i];
        tb_str name = i < w->f->outputs.n ? w->f->outputs.at[i].name : TB_STR("");
        tb_plan_value t;
        if (!v.id)
            tb_raise(w->u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                     "function '%.*s': result %u is None", TB_FMT(w->f->name), i);
        t = result_value(w, i, name);
        TB_PUSH(a, &p->values, t);
    }
    w->out.n_results = w->g->outputs.n;
}

void
tb_program_function(tb_program *p, const tb_func *f, const tb_body *body)
{
    tb_arena *a = &p->cx->keep;
    const tb_graph *g = body->g;
    tb_writer w = {.p = p, .u = p->u, .f = f, .g = g};

    w.out = (tb_plan_function){.name = tb_program_string(p, f->name),
                               .exported = f->exported,
                               .buf = p->bufs.n,
                               .attr = p->attrs.n,
                               .code = p->code.n};
    w.seen_dims.arena = a;
    w.packed_buf = TB_NEWN(a, uint32_t, p->u->consts.n + 1);
    w.saved_buf = TB_NEWN(a, uint32_t, g->effects.n + 1);
    w.result_made = TB_NEWN(a, bool, g->outputs.n + 1);
    declare(&w);
    tb_w_symbols(&w);
    for (uint32_t i = 0; i < f->inputs.n; i++)
        tb_p_set_dims(&w, &p->values.at[w.out.input + i], f->inputs.at[i].type.dims);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        tb_p_set_dims(&w, &p->values.at[w.out.result + i], tb_dims(g, g->outputs.at[i]));
    tb_w_plan(&w, body);
    tb_w_sizes(&w, w.top);
    w.out.prologue_end = p->code.n - w.out.code;
    tb_w_body(&w);
    for (uint32_t i = 0; i < f->attrs.n; i++)
        TB_PUSH(a, &p->attrs,
                ((tb_plan_attr){tb_program_string(p, f->attrs.at[i].key),
                                tb_program_string(p, f->attrs.at[i].value)}));
    w.out.n_attrs = f->attrs.n;
    w.out.n_code = p->code.n - w.out.code;
    w.out.n_bufs = p->bufs.n - w.out.buf;
    w.out.n_regs = (uint32_t)w.n_regs;
    TB_PUSH(a, &p->functions, w.out);
}

static void
write_globals(tb_program *p)
{
    tb_arena *a = &p->cx->keep;
    for (uint32_t i = 0; i < p->u->globals.n; i++) {
        const tb_global *g = &p->u->globals.at[i];
        tb_plan_global r = {.init = TB_INIT_ZEROS, .mutable_ = g->mutable_};
        r.type = plan_value(p, g->name, g->dtype, g->rank, g->dims);
        r.hidden = g->parameter;
        if (g->init && p->u->consts.at[g->init - 1].external) {
            const tb_const *c = &p->u->consts.at[g->init - 1];
            r.init = TB_INIT_PARAM;
            r.scope = tb_program_string(p, c->scope);
            r.key = tb_program_string(p, c->name);
        } else if (g->init) {
            r.init = (int32_t)tb_p_const(p, g->init - 1, false);
        }
        TB_PUSH(a, &p->globals, r);
    }
}

void
tb_program_end(tb_program *p)
{
    write_globals(p);
    p->plan.strings = p->strings.at;
    p->plan.strings_bytes = p->strings.n;
#define X(type, name)                                                                    \
    p->plan.name = p->name.at;                                                           \
    p->plan.n_##name = p->name.n;
    TB_PLAN_SECTIONS(X)
#undef X
}
