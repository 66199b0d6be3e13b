/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * program.c -- writes the instructions of a function.
 *
 *   prologue   symbols from the inputs' shapes, checks, every derived size and offset
 *   body       results' memory, then one DISPATCH per step in order
 *   end        results that are copies, writes to globals, RETURN
 */
#include "program/program.h"

/* A function being written. */
typedef struct writer {
    tb_program *p;
    tb_unit *u;
    const tb_func *f;
    const tb_graph *g;
    const tb_groups *gs;
    const tb_lowered *low;
    tb_plan_function out;
    uint32_t first_code;
    uint32_t *buf_of;     /* by node: buffer register + 1 */
    uint32_t *packed_buf; /* by unit constant: buffer register + 1 */
    uint32_t *temp_buf;   /* by temp */
    uint32_t *saved_buf;  /* by effect: buffer register + 1 of a copy made first */
    TB_VEC(int32_t) sym_reg;  /* by symbol, -1 = not yet */
    TB_VEC(tb_dim) reg_dims;  /* memo of computed dims */
    TB_VEC(int32_t) reg_regs;
    tb_map seen_dims;
    int32_t n_regs;
} writer;

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

static uint32_t
add_loc(tb_program *p, tb_loc loc)
{
    const tb_location *l = tb_loc_get(p->u, loc);
    if (loc.id == 0)
        return 0;
    tb_plan_loc r = {.file = tb_program_string(p, l->file),
                     .path = tb_program_string(p, l->path),
                     .op = tb_program_string(p, l->op),
                     .line = l->line,
                     .col = l->col};
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

/* ---- instructions ---- */
static void
word(writer *w, int64_t v)
{
    TB_PUSH(&w->p->cx->keep, &w->p->code, (int32_t)v);
}

static void
op(writer *w, tb_opcode code, uint32_t n_words)
{
    word(w, (int64_t)((uint32_t)code | (n_words + 1) << 16));
}

static int32_t
new_reg(writer *w)
{
    return w->n_regs++;
}

static int32_t
const_reg(writer *w, int64_t v)
{
    int32_t r = new_reg(w);
    op(w, TB_I_CONST, 3);
    word(w, r);
    word(w, (int32_t)(uint32_t)(uint64_t)v);
    word(w, (int32_t)(uint32_t)((uint64_t)v >> 32));
    return r;
}

static tb_opcode
dim_opcode(tb_dim_op o)
{
    switch (o) {
    case TB_DIM_ADD:
        return TB_I_ADD;
    case TB_DIM_MUL:
        return TB_I_MUL;
    case TB_DIM_FLOORDIV:
        return TB_I_DIV;
    case TB_DIM_MOD:
        return TB_I_MOD;
    case TB_DIM_MIN:
        return TB_I_MIN;
    case TB_DIM_MAX:
        return TB_I_MAX;
    case TB_DIM_SYM:
        break;
    }
    TB_UNREACHABLE();
}

/* The register that holds d; instructions are written on first use. */
static int32_t
dim_reg(writer *w, tb_dim d)
{
    uint64_t h = tb_hash_u64((uint64_t)d, 3);
    uint32_t cursor = 0, m;
    while ((m = tb_map_next(&w->seen_dims, h, &cursor)) != 0)
        if (w->reg_dims.at[m - 1] == d)
            return w->reg_regs.at[m - 1];
    int32_t r;
    if (tb_dim_is_const(d)) {
        r = const_reg(w, d);
    } else {
        tb_dim_expr e = w->u->exprs.at[d - TB_DIM_EXPR];
        if (e.op == TB_DIM_SYM) {
            r = e.a < (int64_t)w->sym_reg.n ? w->sym_reg.at[e.a] : -1;
            if (r < 0) {
                const tb_sym *s = &w->u->syms.at[e.a];
                if (s->same_as)
                    return dim_reg(w, s->same_as);
                tb_raise(w->u->cx, (tb_loc){0}, TB_UNSUPPORTED,
                         "function '%.*s': size %.*s does not follow from an input's shape",
                         TB_FMT(w->f->name), TB_FMT(s->name));
            }
        } else {
            int32_t a = dim_reg(w, e.a), b = dim_reg(w, e.b);
            r = new_reg(w);
            op(w, dim_opcode(e.op), 3);
            word(w, r);
            word(w, a);
            word(w, b);
        }
    }
    TB_PUSH(&w->u->cx->keep, &w->reg_dims, d);
    TB_PUSH(&w->u->cx->keep, &w->reg_regs, r);
    tb_map_put(&w->seen_dims, h, w->reg_dims.n);
    return r;
}

/* ---- types ---- */
static tb_plan_value
plan_value(writer *w, tb_str name, tb_dtype dtype, int rank, const tb_dim *dims)
{
    tb_program *p = w->p;
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
            tb_dim_range(w->u, dims[i], &d.min, &d.max);
        }
        TB_PUSH(&p->cx->keep, &p->dims, d);
    }
    return v;
}

static void
set_dim_regs(writer *w, const tb_plan_value *v, const tb_dim *dims)
{
    for (uint32_t i = 0; i < v->rank; i++)
        if (!tb_dim_is_const(dims[i])) {
            int32_t r = dim_reg(w, dims[i]);
            w->p->dims.at[v->dims + i].reg = r;
        }
}

/* ---- symbols from shapes ---- */
typedef struct sym_set {
    uint32_t first;
    bool several, any;
} sym_set;

static void
note_sym(void *user, uint32_t sym)
{
    sym_set *s = user;
    s->several = s->several || (s->any && s->first != sym);
    s->first = sym;
    s->any = true;
}

/* Defines the symbol of a dimension a * sym + b from input i's axis; false if it has
 * another form or the symbol is known. */
static bool
define_sym(writer *w, tb_dim d, uint32_t input, uint32_t axis)
{
    tb_unit *u = w->u;
    sym_set s = {0};
    if (tb_dim_is_const(d))
        return false;
    tb_dim_syms(u, d, note_sym, &s);
    if (!s.any || s.several || w->sym_reg.at[s.first] >= 0)
        return false;
    int64_t *vals = TB_NEWN(&u->cx->keep, int64_t, u->syms.n);
    int64_t b = tb_dim_eval(u, d, vals);
    vals[s.first] = 1;
    int64_t a = tb_dim_eval(u, d, vals) - b;
    tb_dim sym = tb_sym_dim(u, s.first);
    if (a <= 0 || tb_dim_add(u, tb_dim_mul(u, sym, a), b) != d)
        return false;
    int32_t r = new_reg(w);
    op(w, TB_I_DIM, 3);
    word(w, r);
    word(w, input);
    word(w, axis);
    if (b != 0) {
        int32_t c = const_reg(w, b), t = new_reg(w);
        op(w, TB_I_SUB, 3);
        word(w, t);
        word(w, r);
        word(w, c);
        r = t;
    }
    if (a != 1) {
        int32_t c = const_reg(w, a), t = new_reg(w);
        op(w, TB_I_DIV, 3);
        word(w, t);
        word(w, r);
        word(w, c);
        r = t;
    }
    w->sym_reg.at[s.first] = r;
    return true;
}

static void
check(writer *w, int32_t reg, tb_str message)
{
    op(w, TB_I_CHECK, 2);
    word(w, reg);
    word(w, tb_program_string(w->p, message).off);
}

static void
write_symbols(writer *w)
{
    tb_unit *u = w->u;
    const tb_func *f = w->f;
    TB_VEC(uint32_t) defined = {0};
    bool again = true;

    for (uint32_t i = 0; i < u->syms.n; i++)
        TB_PUSH(&u->cx->keep, &w->sym_reg, -1);
    while (again) { /* an expression may become solvable once others are known */
        again = false;
        for (uint32_t i = 0; i < f->inputs.n; i++)
            for (uint32_t a = 0; a < f->inputs.at[i].type.rank; a++) {
                tb_dim d = tb_dim_canon(u, f->inputs.at[i].type.dims[a]);
                if (define_sym(w, d, i, a)) {
                    TB_PUSH(&u->cx->keep, &defined, i * TB_MAX_RANK + a);
                    again = true;
                }
            }
    }
    for (uint32_t i = 0; i < f->inputs.n; i++)
        for (uint32_t a = 0; a < f->inputs.at[i].type.rank; a++) {
            tb_dim raw = f->inputs.at[i].type.dims[a], d = tb_dim_canon(u, raw);
            bool is_def = false, plain = false;
            for (uint32_t k = 0; k < defined.n; k++)
                is_def = is_def || defined.at[k] == i * TB_MAX_RANK + a;
            if (!tb_dim_is_const(d))
                plain = u->exprs.at[d - TB_DIM_EXPR].op == TB_DIM_SYM;
            if (tb_dim_is_const(raw) || (is_def && plain))
                continue;
            int32_t r = dim_reg(w, d);
            op(w, TB_I_CHECK_DIM, 3);
            word(w, i);
            word(w, a);
            word(w, r);
        }
    for (uint32_t i = 0; i < u->equalities.n; i++) {
        const tb_equality *e = &u->equalities.at[i];
        tb_dim ca = tb_dim_canon(u, e->a), cb = tb_dim_canon(u, e->b);
        if (ca == cb)
            continue; /* follows from the definitions; inputs are checked above */
        int32_t a = dim_reg(w, ca), b = dim_reg(w, cb), r = new_reg(w);
        op(w, TB_I_EQ, 3);
        word(w, r);
        word(w, a);
        word(w, b);
        tb_str ta = tb_dim_text(u, &u->cx->keep, e->a), tb = tb_dim_text(u, &u->cx->keep, e->b);
        check(w, r, tb_sprintf(&u->cx->keep, "sizes must be equal: %.*s and %.*s",
                               TB_FMT(ta), TB_FMT(tb)));
    }
}

/* ---- buffers ---- */
static uint32_t
add_buf(writer *w, tb_buf_kind kind, uint32_t index)
{
    TB_PUSH(&w->p->cx->keep, &w->p->bufs,
            ((tb_plan_buf){.kind = kind, .index = index, .offset_reg = -1, .bytes_reg = -1}));
    return w->p->bufs.n - w->out.buf - 1;
}

static uint32_t
plan_const(writer *w, uint32_t unit_const, bool packed)
{
    tb_program *p = w->p;
    tb_arena *a = &p->cx->keep;
    while (p->const_of_n < w->u->consts.n) {
        uint32_t n = w->u->consts.n;
        uint32_t *grown = TB_NEWN(a, uint32_t, n);
        if (p->const_of_n)
            memcpy(grown, p->const_of, sizeof *grown * p->const_of_n);
        p->const_of = grown;
        p->const_of_n = n;
    }
    if (p->const_of[unit_const])
        return p->const_of[unit_const] - 1;
    const tb_const *c = &w->u->consts.at[unit_const];
    TB_PUSH(a, &p->consts,
            ((tb_plan_const){.name = tb_program_string(p, c->name),
                             .bytes = c->n_bytes,
                             .dtype = c->dtype,
                             .packed = packed}));
    TB_PUSH(a, &p->blobs, ((tb_artifact_blob){c->bytes, c->n_bytes}));
    p->const_of[unit_const] = p->consts.n;
    return p->consts.n - 1;
}

static tb_dim
node_bytes(writer *w, tb_val v)
{
    tb_dim n = (tb_dim)tb_dtype_bytes(tb_dtype_of(w->g, v));
    for (int i = 0; i < tb_rank(w->g, v); i++)
        n = tb_dim_mul(w->u, n, tb_dims(w->g, v)[i]);
    return n;
}

static uint32_t
node_buf(writer *w, tb_val v)
{
    const tb_node *n = tb_node_of(w->g, v);
    if (w->buf_of[v.id])
        return w->buf_of[v.id] - 1;
    uint32_t b;
    switch ((tb_prim)n->prim) {
    case TB_P_input:
        b = add_buf(w, TB_BUF_INPUT, (uint32_t)tb_attrs(w->g, v)[0]);
        break;
    case TB_P_const:
        b = add_buf(w, TB_BUF_CONST, plan_const(w, (uint32_t)tb_attrs(w->g, v)[0], false));
        break;
    case TB_P_read:
        b = add_buf(w, TB_BUF_GLOBAL, (uint32_t)tb_attrs(w->g, v)[0]);
        break;
    default:
        b = add_buf(w, TB_BUF_ARENA, 0);
        break;
    }
    w->buf_of[v.id] = b + 1;
    return b;
}

static uint32_t
binding_buf(writer *w, const tb_binding *b)
{
    switch (b->kind) {
    case TB_BIND_NODE:
        return node_buf(w, b->node);
    case TB_BIND_TEMP:
        if (!w->temp_buf[b->temp])
            w->temp_buf[b->temp] = add_buf(w, TB_BUF_ARENA, 0) + 1;
        return w->temp_buf[b->temp] - 1;
    case TB_BIND_PACKED:
        if (!w->packed_buf[b->packed])
            w->packed_buf[b->packed] =
                add_buf(w, TB_BUF_CONST, plan_const(w, b->packed, true)) + 1;
        return w->packed_buf[b->packed] - 1;
    }
    TB_UNREACHABLE();
}

/* Results get their memory directly where the value is computed for that place only. */
static void
result_bufs(writer *w, bool *direct)
{
    for (uint32_t i = 0; i < w->g->outputs.n; i++) {
        tb_val v = w->g->outputs.at[i];
        if (!v.id)
            continue;
        tb_val s = tb_storage(w->gs, v);
        if (w->gs->group_of[s.id] && !w->buf_of[s.id]) {
            w->buf_of[s.id] = add_buf(w, TB_BUF_RESULT, i) + 1;
            direct[i] = true;
        }
    }
}

typedef struct arena_use {
    uint32_t buf;
    tb_lifetime life;
} arena_use;

static void
use_at(writer *w, arena_use *uses, uint32_t *n, uint32_t buf, tb_dim bytes, uint32_t step)
{
    if (w->p->bufs.at[w->out.buf + buf].kind != TB_BUF_ARENA)
        return;
    for (uint32_t i = *n; i-- > 0;)
        if (uses[i].buf == buf) {
            uses[i].life.last = step;
            return;
        }
    tb_dim padded = tb_dim_mul(
        w->u, tb_dim_ceildiv(w->u, bytes, TB_DATA_ALIGN), TB_DATA_ALIGN);
    uses[(*n)++] = (arena_use){buf, {.bytes = padded, .first = step, .last = step}};
}

/* Does effect i write what another global held before the call, and does an effect before
 * it write that global (two globals change places)? */
static bool
overwritten_before(const writer *w, uint32_t i)
{
    const tb_graph *g = w->g;
    tb_val e = g->effects.at[i];
    if (tb_node_of(g, e)->prim != TB_P_write)
        return false;
    tb_val from = tb_storage(w->gs, tb_in(g, e, 0));
    for (uint32_t k = 0; k < i && tb_node_of(g, from)->prim == TB_P_read; k++) {
        tb_val o = g->effects.at[k];
        if (tb_node_of(g, o)->prim == TB_P_write && tb_attrs(g, o)[0] == tb_attrs(g, from)[0])
            return true;
    }
    return false;
}

static void
plan_arena(writer *w)
{
    tb_unit *u = w->u;
    tb_arena *a = &u->cx->keep;
    uint32_t n = 0, max = w->g->n + w->low->temps.n + w->g->effects.n + 1;
    arena_use *uses = TB_NEWN(a, arena_use, max);

    for (uint32_t s = 0; s < w->low->steps.n; s++) {
        const tb_step *st = w->low->steps.at[s];
        for (uint32_t b = 0; b < st->bindings.n; b++) {
            const tb_binding *bi = &st->bindings.at[b];
            tb_dim bytes = bi->kind == TB_BIND_NODE   ? node_bytes(w, bi->node)
                           : bi->kind == TB_BIND_TEMP ? w->low->temps.at[bi->temp].bytes
                                                      : 0;
            use_at(w, uses, &n, binding_buf(w, bi), bytes, s);
        }
    }
    for (uint32_t i = 0; i < w->g->outputs.n + w->g->effects.n; i++) {
        tb_val v = TB_NO_VAL;
        if (i < w->g->outputs.n) {
            v = w->g->outputs.at[i];
        } else {
            tb_val e = w->g->effects.at[i - w->g->outputs.n];
            if (tb_node_of(w->g, e)->prim == TB_P_write)
                v = tb_in(w->g, e, 0);
        }
        if (v.id) {
            tb_val s = tb_storage(w->gs, v);
            use_at(w, uses, &n, node_buf(w, s), node_bytes(w, s), w->low->steps.n);
        }
    }
    for (uint32_t i = 0; i < w->g->effects.n; i++)
        if (overwritten_before(w, i)) {
            tb_val s = tb_storage(w->gs, tb_in(w->g, w->g->effects.at[i], 0));
            w->saved_buf[i] = add_buf(w, TB_BUF_ARENA, 0) + 1;
            use_at(w, uses, &n, w->saved_buf[i] - 1, node_bytes(w, s), w->low->steps.n);
        }
    tb_lifetime *lives = TB_NEWN(a, tb_lifetime, n + 1);
    for (uint32_t i = 0; i < n; i++)
        lives[i] = uses[i].life;
    tb_dim total = tb_plan_memory(u, lives, n);
    w->out.arena_reg = -1;
    if (n == 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        int32_t off = dim_reg(w, lives[i].offset), bytes = dim_reg(w, lives[i].bytes);
        w->p->bufs.at[w->out.buf + uses[i].buf].offset_reg = off;
        w->p->bufs.at[w->out.buf + uses[i].buf].bytes_reg = bytes;
    }
    w->out.arena_reg = dim_reg(w, total);
}

/* ---- kernels ---- */
static uint32_t
plan_kernel(writer *w, uint32_t step_no)
{
    tb_program *p = w->p;
    tb_arena *a = &p->cx->keep;
    const tb_step *st = w->low->steps.at[step_no];
    uint64_t h = 17, (*hashes)[2] = tb_alloc(a, sizeof *hashes * p->n_targets);
    uint32_t cursor = 0, m, k;

    for (uint32_t t = 0; t < p->n_targets; t++) {
        tb_kernel_hash(w->low->kernels[t].at[step_no], hashes[t]);
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
        TB_PUSH(a, &p->unique[t], w->low->kernels[t].at[step_no]);
    tb_map_put(&p->seen_kernels, h, k + 1);
    return k;
}

static void
write_dispatch(writer *w, uint32_t step_no)
{
    const tb_step *st = w->low->steps.at[step_no];
    uint32_t kernel = plan_kernel(w, step_no);
    op(w, TB_I_DISPATCH, 5 + st->bindings.n + st->sizes.n);
    word(w, kernel);
    word(w, dim_reg(w, st->tiles));
    word(w, 0);
    word(w, st->bindings.n);
    for (uint32_t b = 0; b < st->bindings.n; b++)
        word(w, binding_buf(w, &st->bindings.at[b]));
    word(w, st->sizes.n);
    for (uint32_t s = 0; s < st->sizes.n; s++)
        word(w, dim_reg(w, st->sizes.at[s]));
}

static void
write_end(writer *w, const bool *direct)
{
    for (uint32_t i = 0; i < w->g->outputs.n; i++) {
        tb_val v = w->g->outputs.at[i];
        if (!v.id || direct[i])
            continue;
        uint32_t to = add_buf(w, TB_BUF_RESULT, i);
        op(w, TB_I_COPY, 2);
        word(w, to);
        word(w, node_buf(w, tb_storage(w->gs, v)));
    }
    for (uint32_t i = 0; i < w->g->effects.n; i++)
        if (w->saved_buf[i]) {
            op(w, TB_I_COPY, 2);
            word(w, w->saved_buf[i] - 1);
            word(w, node_buf(w, tb_storage(w->gs, tb_in(w->g, w->g->effects.at[i], 0))));
        }
    for (uint32_t i = 0; i < w->g->effects.n; i++) {
        tb_val e = w->g->effects.at[i];
        if (tb_node_of(w->g, e)->prim != TB_P_write)
            tb_raise(w->u->cx, w->g->locs[e.id], TB_UNSUPPORTED,
                     "%s in a compiled function", tb_prim_name(tb_node_of(w->g, e)->prim));
        uint32_t to = add_buf(w, TB_BUF_GLOBAL, (uint32_t)tb_attrs(w->g, e)[0]);
        uint32_t from = w->saved_buf[i]
                            ? w->saved_buf[i] - 1
                            : node_buf(w, tb_storage(w->gs, tb_in(w->g, e, 0)));
        op(w, TB_I_COPY, 2);
        word(w, to);
        word(w, from);
    }
    op(w, TB_I_RETURN, 0);
}

static void
declare(writer *w)
{
    tb_program *p = w->p;
    tb_arena *a = &p->cx->keep;
    w->out.input = p->values.n;
    w->out.n_inputs = w->f->inputs.n;
    for (uint32_t i = 0; i < w->f->inputs.n; i++) {
        const tb_param *in = &w->f->inputs.at[i];
        tb_plan_value v = plan_value(w, in->name, in->type.dtype, in->type.rank, in->type.dims);
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
        t = plan_value(w, name, tb_dtype_of(w->g, v), tb_rank(w->g, v), tb_dims(w->g, v));
        TB_PUSH(a, &p->values, t);
    }
    w->out.n_results = w->g->outputs.n;
}

void
tb_program_function(tb_program *p, const tb_func *f, const tb_graph *g, const tb_groups *gs,
                    const tb_lowered *low)
{
    tb_arena *a = &p->cx->keep;
    writer w = {.p = p, .u = p->u, .f = f, .g = g, .gs = gs, .low = low};
    bool *direct = TB_NEWN(a, bool, g->outputs.n + 1);

    w.out = (tb_plan_function){.name = tb_program_string(p, f->name),
                               .exported = f->exported,
                               .buf = p->bufs.n,
                               .attr = p->attrs.n,
                               .code = p->code.n};
    w.seen_dims.arena = a;
    w.buf_of = TB_NEWN(a, uint32_t, g->n);
    w.packed_buf = TB_NEWN(a, uint32_t, p->u->consts.n + 1);
    w.temp_buf = TB_NEWN(a, uint32_t, low->temps.n + 1);
    w.saved_buf = TB_NEWN(a, uint32_t, g->effects.n + 1);
    declare(&w);
    write_symbols(&w);
    for (uint32_t i = 0; i < f->inputs.n; i++)
        set_dim_regs(&w, &p->values.at[w.out.input + i], f->inputs.at[i].type.dims);
    for (uint32_t i = 0; i < g->outputs.n; i++)
        set_dim_regs(&w, &p->values.at[w.out.result + i], tb_dims(g, g->outputs.at[i]));
    result_bufs(&w, direct);
    plan_arena(&w);
    for (uint32_t s = 0; s < low->steps.n; s++) { /* registers used by dispatches */
        dim_reg(&w, low->steps.at[s]->tiles);
        for (uint32_t k = 0; k < low->steps.at[s]->sizes.n; k++)
            dim_reg(&w, low->steps.at[s]->sizes.at[k]);
    }
    w.out.prologue_end = p->code.n - w.out.code;
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        op(&w, TB_I_RESULT, 1);
        word(&w, i);
    }
    for (uint32_t s = 0; s < low->steps.n; s++)
        write_dispatch(&w, s);
    write_end(&w, direct);
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
    writer w = {.p = p, .u = p->u};
    for (uint32_t i = 0; i < p->u->globals.n; i++) {
        const tb_global *g = &p->u->globals.at[i];
        tb_plan_global r = {.init = -1, .mutable_ = g->mutable_};
        r.type = plan_value(&w, g->name, g->dtype, g->rank, g->dims);
        if (g->init)
            r.init = (int32_t)plan_const(&w, g->init - 1, false);
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
