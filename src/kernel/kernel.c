/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * kernel.c -- the builder of the loop IR: storage, placement, pure instructions.
 *
 * Placement does what a loop-invariant pass would do later: a pure instruction is appended
 * to the innermost region that one of its operands lives in. A loop enters its parent's
 * list when it is ended, so what is hoisted while its body is written lies before it.
 * Sharing follows from placement: an equal instruction would be placed in the same region,
 * and is therefore visible wherever its operands are. Only what can trap may stand deeper
 * (it stays inside an IF), and is shared only below the place where it stands.
 */
#include "kernel/build.h"

/* ---- storage ---- */

tb_kernel *
tb_kernel_new(tb_ctx *cx, const tb_target *target, tb_str name)
{
    tb_kernel *k = TB_NEW(&cx->keep, tb_kernel);

    *k = (tb_kernel){.cx = cx, .target = target, .name = name};
    tb_k_fn_begin(k, name, NULL, 0);
    return k;
}

uint32_t
tb_kb_inst(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in)
{
    tb_kfn *f = k->f;

    inst.in = f->operands.n;
    inst.n_in = n_in;
    for (uint32_t i = 0; i < n_in; i++)
        TB_PUSH(&k->cx->keep, &f->operands, in[i]);
    TB_PUSH(&k->cx->keep, &f->insts, inst);
    return f->insts.n - 1;
}

uint32_t
tb_kb_region(tb_kernel *k, uint32_t owner, bool is_if)
{
    tb_kregion r = {.parent = k->region, .is_if = is_if, .owner = owner};

    r.depth = k->f->regions.at[k->region].depth + 1;
    TB_PUSH(&k->cx->keep, &k->f->regions, r);
    return k->f->regions.n - 1;
}

/* The region whose list instructions written in `r` go to. */
uint32_t
tb_kb_real_region(const tb_kfn *f, uint32_t r)
{
    while (f->regions.at[r].once)
        r = f->regions.at[r].parent;
    return r;
}

static bool
encloses(const tb_kfn *f, uint32_t outer, uint32_t r)
{
    while (f->regions.at[r].depth > f->regions.at[outer].depth)
        r = f->regions.at[r].parent;
    return r == outer;
}

void
tb_kb_check(const tb_kernel *k, tb_kv v)
{
    TB_CHECK(v.id != 0 && v.id < k->f->insts.n);
    TB_CHECK(k->f->insts.at[v.id].dtype != TB_NONE);
    TB_CHECK(encloses(k->f, k->f->insts.at[v.id].region, k->region));
}

/* Appends where it is written. */
uint32_t
tb_kb_here(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in)
{
    uint32_t r = tb_kb_real_region(k->f, k->region), id;

    for (uint32_t i = 0; i < n_in; i++)
        tb_kb_check(k, in[i]);
    inst.region = r;
    id = tb_kb_inst(k, inst, in, n_in);
    TB_PUSH(&k->cx->keep, &k->f->regions.at[r].insts, id);
    return id;
}

/* ---- pure instructions ---- */

static bool
same(const tb_kfn *f, uint32_t id, const tb_kinst *w, const tb_kv *in, uint32_t n_in)
{
    const tb_kinst *i = &f->insts.at[id];

    if (i->op != w->op || i->dtype != w->dtype || i->lanes != w->lanes ||
        i->mem != w->mem || i->imm != w->imm || i->n_in != n_in)
        return false;
    for (uint32_t j = 0; j < n_in; j++)
        if (f->operands.at[i->in + j].id != in[j].id)
            return false;
    return i->op != TB_K_SHUFFLE ||
           memcmp(f->lane_lists.at + i->body, f->lane_lists.at + w->body,
                  sizeof(int32_t) * w->lanes) == 0;
}

static uint64_t
hash_inst(const tb_kfn *f, const tb_kinst *w, const tb_kv *in, uint32_t n_in)
{
    uint64_t h = tb_hash_u64((uint64_t)w->imm, w->op | (uint64_t)w->dtype << 8 |
                                                   (uint64_t)w->lanes << 16 |
                                                   (uint64_t)w->mem << 24);

    for (uint32_t i = 0; i < n_in; i++)
        h = tb_hash_u64(in[i].id, h);
    if (w->op == TB_K_SHUFFLE)
        h = tb_hash(f->lane_lists.at + w->body, sizeof(int32_t) * w->lanes, h);
    return h;
}

static uint32_t
place(const tb_kernel *k, const tb_kv *in, uint32_t n_in, bool traps)
{
    const tb_kfn *f = k->f;
    uint32_t to = 0;

    for (uint32_t i = 0; i < n_in; i++) {
        uint32_t r = f->insts.at[in[i].id].region;
        tb_kb_check(k, in[i]);
        if (f->regions.at[r].depth > f->regions.at[to].depth)
            to = r;
    }
    if (traps)
        for (uint32_t r = k->region; r != to; r = f->regions.at[r].parent)
            if (f->regions.at[r].is_if)
                return r;
    return to;
}

tb_kv
tb_kb_pure(tb_kernel *k, tb_kinst w, const tb_kv *in, uint32_t n_in, bool traps)
{
    tb_kfn *f = k->f;
    uint64_t h = hash_inst(f, &w, in, n_in);
    uint32_t cursor = 0, id;

    while ((id = tb_map_next(&f->seen, h, &cursor)) != 0)
        if (same(f, id, &w, in, n_in) &&
            encloses(f, f->insts.at[id].region, k->region))
            return (tb_kv){id};
    w.region = place(k, in, n_in, traps);
    id = tb_kb_inst(k, w, in, n_in);
    TB_PUSH(&k->cx->keep, &f->regions.at[w.region].insts, id);
    tb_map_put(&f->seen, h, id);
    return (tb_kv){id};
}

tb_kv
tb_k_pure(tb_kernel *k, tb_kop op, int dtype, int lanes, int mem, int64_t imm,
          const tb_kv *in, uint32_t n_in, bool traps)
{
    TB_CHECK(lanes >= 1 && lanes <= 255);
    TB_CHECK(dtype != TB_F16 && dtype != TB_BF16);
    return tb_kb_pure(k,
                (tb_kinst){.op = (uint8_t)op,
                           .dtype = (uint8_t)dtype,
                           .lanes = (uint8_t)lanes,
                           .mem = (uint8_t)mem,
                           .imm = imm},
                in, n_in, traps);
}

static tb_kv
leaf(tb_kernel *k, tb_kop op, int dtype, int64_t imm)
{
    TB_CHECK(op == TB_K_PARAM || k->f == k->fns.at[0]);
    return tb_k_pure(k, op, dtype, 1, TB_NONE, imm, NULL, 0, false);
}

tb_kv
tb_k_binding(tb_kernel *k, uint32_t number)
{
    if (number >= k->n_bindings)
        k->n_bindings = number + 1;
    return leaf(k, TB_K_BINDING, TB_K_PTR, number);
}

tb_kv
tb_k_tile_begin(tb_kernel *k)
{
    return leaf(k, TB_K_TILE_BEGIN, TB_I64, 0);
}

tb_kv
tb_k_tile_end(tb_kernel *k)
{
    return leaf(k, TB_K_TILE_END, TB_I64, 0);
}

tb_kv
tb_k_scratch(tb_kernel *k, int64_t bytes)
{
    int64_t at = k->scratch_bytes;

    k->scratch_bytes = TB_ALIGN_UP(at + bytes, 64);
    return leaf(k, TB_K_SCRATCH, TB_K_PTR, at);
}

/* ---- dimensions ---- */

static tb_kv
symbol(tb_kernel *k, tb_dim d)
{
    for (uint32_t i = 0; i < k->sizes.n; i++)
        if (k->sizes.at[i] == d)
            return leaf(k, TB_K_SIZE, TB_I64, i);
    TB_PUSH(&k->cx->keep, &k->sizes, d);
    return leaf(k, TB_K_SIZE, TB_I64, k->sizes.n - 1);
}

/* Rounds to minus infinity; the remainder has the divisor's sign. */
static tb_kv
floor_div_mod(tb_kernel *k, tb_kv a, tb_kv b, bool mod)
{
    tb_kv zero = tb_k_int(k, 0), q = tb_k_map(k, TB_P_div, a, b, TB_NO_KV);
    tb_kv r = tb_k_sub(k, a, tb_k_mul(k, q, b));
    tb_kv off = tb_k_map(k, TB_P_and, tb_k_map(k, TB_P_ne, r, zero, TB_NO_KV),
                         tb_k_map(k, TB_P_xor, tb_k_lt(k, r, zero), tb_k_lt(k, b, zero),
                                  TB_NO_KV),
                         TB_NO_KV);

    if (mod)
        return tb_k_map(k, TB_P_where, off, tb_k_add(k, r, b), r);
    return tb_k_map(k, TB_P_where, off, tb_k_sub(k, q, tb_k_int(k, 1)), q);
}

static tb_kv
dim_expr(tb_kernel *k, tb_unit *u, tb_dim d)
{
    if (tb_dim_is_const(d))
        return tb_k_int(k, d);
    tb_dim_expr e = u->exprs.at[d - TB_DIM_EXPR];
    if (e.op == TB_DIM_SYM)
        return symbol(k, d);
    tb_kv a = dim_expr(k, u, e.a), b = dim_expr(k, u, e.b);
    int64_t a_min, b_min, max;
    switch (e.op) {
    case TB_DIM_ADD:
        return tb_k_add(k, a, b);
    case TB_DIM_MUL:
        return tb_k_mul(k, a, b);
    case TB_DIM_MIN:
        return tb_k_min(k, a, b);
    case TB_DIM_MAX:
        return tb_k_max(k, a, b);
    case TB_DIM_FLOORDIV:
    case TB_DIM_MOD:
        tb_dim_range(u, e.a, &a_min, &max);
        tb_dim_range(u, e.b, &b_min, &max);
        if (a_min < 0 || b_min <= 0)
            return floor_div_mod(k, a, b, e.op == TB_DIM_MOD);
        return e.op == TB_DIM_MOD ? tb_k_mod(k, a, b) : tb_k_div(k, a, b);
    case TB_DIM_SYM:
        break;
    }
    TB_UNREACHABLE();
}

tb_kv
tb_k_dim(tb_kernel *k, tb_unit *u, tb_dim d)
{
    return dim_expr(k, u, tb_dim_canon(u, d));
}

/* ---- lanes ---- */

tb_kv
tb_k_lane_ids(tb_kernel *k, tb_dtype t, int lanes)
{
    if (lanes == 1)
        return tb_k_const_int(k, t, 0);
    return tb_k_pure(k, TB_K_LANE_IDS, t, lanes, TB_NONE, 0, NULL, 0, false);
}

tb_kv
tb_k_splat(tb_kernel *k, tb_kv a, int lanes)
{
    if (tb_k_lanes(k, a) == lanes)
        return a;
    TB_CHECK(tb_k_lanes(k, a) == 1 && tb_k_inst(k, a)->dtype != TB_K_PTR);
    return tb_k_pure(k, TB_K_SPLAT, tb_k_inst(k, a)->dtype, lanes, TB_NONE, 0, &a, 1,
                     false);
}

tb_kv
tb_k_extract(tb_kernel *k, tb_kv a, int lane)
{
    const tb_kinst *i = tb_k_inst(k, a);

    TB_CHECK(lane >= 0 && lane < i->lanes);
    if (i->lanes == 1)
        return a;
    if (i->op == TB_K_SPLAT)
        return k->f->operands.at[i->in];
    return tb_k_pure(k, TB_K_EXTRACT, i->dtype, 1, TB_NONE, lane, &a, 1, false);
}

tb_kv
tb_k_shuffle(tb_kernel *k, tb_kv a, tb_kv b, const int32_t *lanes, int n)
{
    const tb_kinst *x = tb_k_inst(k, a);
    tb_kinst w = {.op = TB_K_SHUFFLE, .dtype = x->dtype, .lanes = (uint8_t)n};
    tb_kv in[2] = {a, b.id ? b : a};
    bool identity = n == x->lanes;

    TB_CHECK(n >= 1 && n <= 255);
    TB_CHECK(tb_k_type(k, in[1]) == x->dtype && tb_k_lanes(k, in[1]) == x->lanes);
    for (int i = 0; i < n; i++) {
        TB_CHECK(lanes[i] >= 0 && lanes[i] < 2 * x->lanes);
        identity = identity && lanes[i] == i;
    }
    if (identity)
        return a;
    if (n == 1)
        return tb_k_extract(k, in[lanes[0] >= x->lanes], lanes[0] % x->lanes);
    w.body = k->f->lane_lists.n;
    for (int i = 0; i < n; i++)
        TB_PUSH(&k->cx->keep, &k->f->lane_lists, lanes[i]);
    return tb_kb_pure(k, w, in, 2, false);
}

tb_kv
tb_k_hreduce(tb_kernel *k, tb_prim p, tb_kv a)
{
    const tb_kinst *x = tb_k_inst(k, a);

    TB_CHECK((x->lanes & (x->lanes - 1)) == 0);
    if (x->lanes == 1)
        return a;
    if (x->dtype == TB_BOOL) /* bools as numbers 0 and 1 */
        p = p == TB_P_mul || p == TB_P_min || p == TB_P_and ? TB_P_and : TB_P_or;
    TB_CHECK(p == TB_P_add || p == TB_P_mul || p == TB_P_max || p == TB_P_min ||
             p == TB_P_and || p == TB_P_or);
    return tb_k_pure(k, TB_K_HREDUCE, x->dtype, 1, TB_NONE, p, &a, 1, false);
}
