/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * kernel_flow.c -- the builder of the loop IR: memory, loops and branches, functions.
 */
#include "kernel/build.h"

/* ---- memory ---- */

tb_kv
tb_k_ptr_add(tb_kernel *k, tb_kv ptr, tb_kv index, int64_t elem_bytes)
{
    tb_kv in[2] = {ptr, index};
    int64_t c;

    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR);
    if (!index.id || (tb_k_is_const(k, index, &c) && c == 0))
        return ptr;
    TB_CHECK(tb_k_type(k, index) == TB_I64 && tb_k_lanes(k, index) == 1);
    return tb_k_pure(k, TB_K_PTR_ADD, TB_K_PTR, 1, TB_NONE, elem_bytes, in, 2, false);
}

/* Moves the constant part of an index into the immediate offset: neighbours then share
 * one address. */
static void
split_index(const tb_kernel *k, tb_kv *index, int64_t *imm)
{
    const tb_kinst *i;
    int64_t c;

    if (!index->id)
        return;
    TB_CHECK(tb_k_type(k, *index) == TB_I64 && tb_k_lanes(k, *index) == 1);
    i = tb_k_inst(k, *index);
    if (tb_k_is_const(k, *index, &c)) {
        *imm += c;
        *index = TB_NO_KV;
    } else if (i->op == TB_K_MAP && i->imm == TB_P_add &&
               tb_k_is_const(k, k->f->operands.at[i->in + 1], &c)) {
        *imm += c;
        *index = k->f->operands.at[i->in];
    }
}

/* A mask that is all true is no mask; all false gives `*none`. */
static tb_kv
known_mask(const tb_kernel *k, tb_kv mask, bool *none)
{
    uint64_t bits;

    *none = false;
    if (!mask.id || !tb_k_const_bits(k, mask, &bits))
        return mask;
    *none = !bits;
    return TB_NO_KV;
}

static tb_kv
load(tb_kernel *k, tb_dtype mem, int lanes, tb_kv ptr, tb_kv index, int64_t imm, tb_kv mask,
     bool is_pure)
{
    tb_kinst w = {.op = TB_K_LOAD,
                  .dtype = (uint8_t)tb_dtype_wide(mem),
                  .lanes = (uint8_t)lanes,
                  .mem = (uint8_t)mem};
    tb_kv in[3];
    uint32_t n = 0;
    bool none;

    TB_CHECK(lanes >= 1 && lanes <= 255 && tb_k_inst(k, ptr)->dtype == TB_K_PTR);
    mask = known_mask(k, mask, &none);
    if (none)
        return tb_k_const_raw(k, (tb_dtype)w.dtype, 0, lanes);
    split_index(k, &index, &imm);
    in[n++] = ptr;
    in[n++] = index.id ? index : tb_k_int(k, 0);
    if (mask.id) {
        if (lanes > 1)
            mask = tb_k_splat(k, mask, lanes);
        TB_CHECK(tb_k_type(k, mask) == TB_BOOL && tb_k_lanes(k, mask) == lanes);
        in[n++] = mask;
    }
    w.imm = imm;
    w.other = is_pure;
    return is_pure ? tb_kb_pure(k, w, in, n, true) : (tb_kv){tb_kb_here(k, w, in, n)};
}

tb_kv
tb_k_load(tb_kernel *k, tb_dtype mem, int lanes, tb_kv ptr, tb_kv index, int64_t imm,
          tb_kv mask)
{
    return load(k, mem, lanes, ptr, index, imm, mask, false);
}

tb_kv
tb_k_load_pure(tb_kernel *k, tb_dtype mem, int lanes, tb_kv ptr, tb_kv index, int64_t imm,
               tb_kv mask)
{
    return load(k, mem, lanes, ptr, index, imm, mask, true);
}

tb_kv
tb_k_gather(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv mask)
{
    int lanes = tb_k_lanes(k, index);
    tb_kv in[3] = {ptr, index};
    tb_kinst w = {.op = TB_K_GATHER,
                  .dtype = (uint8_t)tb_dtype_wide(mem),
                  .lanes = (uint8_t)lanes,
                  .mem = (uint8_t)mem};
    uint32_t n = 2;
    bool none;

    if (lanes == 1)
        return load(k, mem, 1, ptr, index, 0, mask, false);
    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR && tb_k_type(k, index) == TB_I64);
    mask = known_mask(k, mask, &none);
    if (none)
        return tb_k_const_raw(k, (tb_dtype)w.dtype, 0, lanes);
    if (mask.id)
        in[n++] = tb_k_splat(k, mask, lanes);
    return (tb_kv){tb_kb_here(k, w, in, n)};
}

void
tb_k_store(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, int64_t imm, tb_kv value,
           tb_kv mask)
{
    int lanes = tb_k_lanes(k, value);
    tb_kinst w = {.op = TB_K_STORE, .lanes = (uint8_t)lanes, .mem = (uint8_t)mem};
    tb_kv in[4];
    uint32_t n = 0;
    bool none;

    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR);
    TB_CHECK(tb_k_type(k, value) == tb_dtype_wide(mem));
    mask = known_mask(k, mask, &none);
    if (none)
        return;
    if (mask.id && lanes == 1) { /* a scalar store under a condition is a branch */
        tb_k_if(k, mask);
        tb_k_store(k, mem, ptr, index, imm, value, TB_NO_KV);
        tb_k_end_if(k);
        return;
    }
    split_index(k, &index, &imm);
    in[n++] = ptr;
    in[n++] = index.id ? index : tb_k_int(k, 0);
    in[n++] = value;
    if (mask.id)
        in[n++] = tb_k_splat(k, mask, lanes);
    w.imm = imm;
    tb_kb_here(k, w, in, n);
}

void
tb_k_store_past(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv value)
{
    uint32_t before = k->f->insts.n;

    tb_k_store(k, mem, ptr, index, 0, value, TB_NO_KV);
    for (uint32_t i = before; i < k->f->insts.n; i++)
        if (k->f->insts.at[i].op == TB_K_STORE)
            k->f->insts.at[i].other = 1;
}

void
tb_k_scatter(tb_kernel *k, tb_dtype mem, tb_kv ptr, tb_kv index, tb_kv value, tb_kv mask)
{
    int lanes = tb_k_lanes(k, index);
    tb_kinst w = {.op = TB_K_SCATTER, .lanes = (uint8_t)lanes, .mem = (uint8_t)mem};
    tb_kv in[4] = {ptr, index};
    uint32_t n = 2;
    bool none;

    if (lanes == 1) {
        tb_k_store(k, mem, ptr, index, 0, value, mask);
        return;
    }
    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR && tb_k_type(k, index) == TB_I64);
    TB_CHECK(tb_k_type(k, value) == tb_dtype_wide(mem));
    mask = known_mask(k, mask, &none);
    if (none)
        return;
    in[n++] = tb_k_splat(k, value, lanes);
    if (mask.id)
        in[n++] = tb_k_splat(k, mask, lanes);
    tb_kb_here(k, w, in, n);
}

void
tb_k_prefetch(tb_kernel *k, tb_kv ptr, int cache)
{
    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR);
    tb_kb_here(k, (tb_kinst){.op = TB_K_PREFETCH, .imm = cache}, &ptr, 1);
}

void
tb_k_prefetch_lines(tb_kernel *k, tb_kv ptr, int64_t bytes, int cache)
{
    enum { LINE = 64 };

    for (int64_t at = 0; at < bytes; at += LINE)
        tb_k_prefetch(k, tb_k_ptr_add(k, ptr, tb_k_int(k, at), 1), cache);
}

tb_kv
tb_k_round(tb_kernel *k, tb_kv a, tb_dtype to)
{
    const tb_kinst *x = tb_k_inst(k, a);
    uint64_t bits;

    TB_CHECK(x->dtype == TB_F32 || x->dtype == TB_F64);
    TB_CHECK(to == TB_F16 || to == TB_BF16);
    if (tb_k_const_bits(k, a, &bits))
        return tb_k_const_raw(k, (tb_dtype)x->dtype,
                              tb_lane_round((tb_dtype)x->dtype, to, bits), x->lanes);
    if ((x->op == TB_K_ROUND || x->op == TB_K_LOAD || x->op == TB_K_GATHER) && x->mem == to)
        return a;
    return tb_k_pure(k, TB_K_ROUND, x->dtype, x->lanes, to, 0, &a, 1, false);
}

void
tb_k_fail_if(tb_kernel *k, tb_kv cond, int code)
{
    uint64_t bits;

    TB_CHECK(tb_k_type(k, cond) == TB_BOOL && tb_k_lanes(k, cond) == 1);
    TB_CHECK(k->f == k->fns.at[0] && code != 0);
    if (tb_k_const_bits(k, cond, &bits) && !bits)
        return;
    tb_k_pure(k, TB_K_FAIL, TB_NONE, 1, TB_NONE, code, &cond, 1, true);
}

/* ---- control ---- */

static bool
same_type(const tb_kernel *k, tb_kv a, tb_kv b)
{
    return tb_k_inst(k, a)->dtype == tb_k_inst(k, b)->dtype &&
           tb_k_inst(k, a)->lanes == tb_k_inst(k, b)->lanes;
}

static tb_kv
new_arg(tb_kernel *k, uint32_t region, int64_t number, int dtype, int lanes)
{
    tb_kinst a = {.op = TB_K_ARG,
                  .dtype = (uint8_t)dtype,
                  .lanes = (uint8_t)lanes,
                  .region = region,
                  .imm = number};

    return (tb_kv){tb_kb_inst(k, a, NULL, 0)};
}

tb_kv
tb_k_for(tb_kernel *k, tb_kv lo, tb_kv hi, int64_t step, const tb_kv *init, uint32_t n)
{
    tb_arena *keep = &k->cx->keep;
    tb_kinst w = {.op = TB_K_FOR, .imm = step};
    tb_kv *in = TB_NEWN(keep, tb_kv, n + 2);
    int64_t a, b;
    uint32_t id, r;
    bool once = tb_k_is_const(k, lo, &a) && tb_k_is_const(k, hi, &b) && a < b &&
                b - a <= step;

    TB_CHECK(step > 0 && tb_k_type(k, lo) == TB_I64 && tb_k_type(k, hi) == TB_I64);
    in[0] = lo;
    in[1] = hi;
    for (uint32_t i = 0; i < n; i++)
        in[2 + i] = init[i];
    for (uint32_t i = 0; i < n + 2; i++)
        tb_kb_check(k, in[i]);
    w.region = tb_kb_real_region(k->f, k->region);
    id = once ? 0 : tb_kb_inst(k, w, in, n + 2);
    r = tb_kb_region(k, id, false);
    k->f->regions.at[r].once = once;
    if (!once)
        k->f->insts.at[id].body = r;
    for (uint32_t i = 0; i < n + 1; i++) {
        tb_kv v = i ? init[i - 1] : lo;
        if (!once)
            v = new_arg(k, r, i, i ? tb_k_inst(k, v)->dtype : TB_I64, tb_k_lanes(k, v));
        TB_PUSH(keep, &k->f->regions.at[r].args, v);
    }
    k->region = r;
    return k->f->regions.at[r].args.at[0];
}

tb_kv
tb_k_carried(tb_kernel *k, uint32_t number)
{
    uint32_t r = k->region;

    while (k->f->regions.at[r].is_if) /* inside an IF: the loop around it */
        r = k->f->regions.at[r].parent;
    TB_CHECK(number + 1 < k->f->regions.at[r].args.n);
    return k->f->regions.at[r].args.at[number + 1];
}

void
tb_k_end_for(tb_kernel *k, const tb_kv *next, tb_kv *out)
{
    tb_arena *keep = &k->cx->keep;
    tb_kregion *r = &k->f->regions.at[k->region];
    uint32_t n = r->args.n - 1, owner = r->owner;

    TB_CHECK(!r->is_if && k->region != 0);
    for (uint32_t i = 0; i < n; i++) {
        tb_kb_check(k, next[i]);
        TB_CHECK(same_type(k, r->args.at[i + 1], next[i]));
        TB_PUSH(keep, &r->next, next[i]);
    }
    k->region = r->parent;
    if (r->once) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = next[i];
        return;
    }
    TB_PUSH(keep, &k->f->regions.at[k->f->insts.at[owner].region].insts, owner);
    for (uint32_t i = 0; i < n; i++) {
        const tb_kinst *a = tb_k_inst(k, next[i]);
        tb_kinst o = {.op = TB_K_FOR_OUT, .dtype = a->dtype, .lanes = a->lanes, .imm = i};
        tb_kv in = {owner};
        o.region = k->f->insts.at[owner].region;
        out[i] = (tb_kv){tb_kb_inst(k, o, &in, 1)};
        TB_PUSH(keep, &k->f->regions.at[o.region].insts, out[i].id);
    }
}

void
tb_k_if(tb_kernel *k, tb_kv cond)
{
    tb_kinst w = {.op = TB_K_IF};
    uint32_t id;

    TB_CHECK(tb_k_type(k, cond) == TB_BOOL && tb_k_lanes(k, cond) == 1);
    tb_kb_check(k, cond);
    w.region = tb_kb_real_region(k->f, k->region);
    id = tb_kb_inst(k, w, &cond, 1);
    w.body = tb_kb_region(k, id, true);
    k->f->insts.at[id].body = w.body;
    k->region = w.body;
}

void
tb_k_else(tb_kernel *k)
{
    const tb_kregion *r = &k->f->regions.at[k->region];
    uint32_t id = r->owner, other;

    TB_CHECK(r->is_if && k->f->insts.at[id].other == 0);
    k->region = r->parent;
    other = tb_kb_region(k, id, true);
    k->f->insts.at[id].other = other;
    k->region = other;
}

void
tb_k_end_if(tb_kernel *k)
{
    const tb_kregion *r = &k->f->regions.at[k->region];
    uint32_t id = r->owner;

    TB_CHECK(r->is_if);
    k->region = r->parent;
    TB_PUSH(&k->cx->keep, &k->f->regions.at[k->f->insts.at[id].region].insts, id);
}

/* ---- functions ---- */

uint32_t
tb_k_fn_begin(tb_kernel *k, tb_str name, const uint16_t *params, uint32_t n)
{
    tb_arena *keep = &k->cx->keep;
    tb_kfn *f = TB_NEW(keep, tb_kfn);

    TB_CHECK(k->fns.n == 0 || k->f == k->fns.at[0]); /* functions do not nest */
    f->name = name;
    f->seen.arena = keep;
    TB_PUSH(keep, &f->insts, (tb_kinst){0});
    TB_PUSH(keep, &f->regions, (tb_kregion){0});
    for (uint32_t i = 0; i < n; i++)
        TB_PUSH(keep, &f->params, params[i]);
    TB_PUSH(keep, &k->fns, f);
    k->outer = k->region;
    k->f = f;
    k->region = 0;
    return k->fns.n - 1;
}

tb_kv
tb_k_param(tb_kernel *k, uint32_t number)
{
    uint16_t type;

    TB_CHECK(number < k->f->params.n);
    type = k->f->params.at[number];
    return tb_k_pure(k, TB_K_PARAM, type & 255, type >> 8, TB_NONE, number, NULL, 0, false);
}

void
tb_k_fn_end(tb_kernel *k)
{
    TB_CHECK(k->f != k->fns.at[0] && k->region == 0);
    k->f = k->fns.at[0];
    k->region = k->outer;
}

void
tb_k_call(tb_kernel *k, uint32_t fn, const tb_kv *args, uint32_t n)
{
    const tb_kfn *callee;

    TB_CHECK(fn > 0 && fn < k->fns.n);
    callee = k->fns.at[fn];
    TB_CHECK(callee->params.n == n && callee != k->f);
    for (uint32_t i = 0; i < n; i++)
        TB_CHECK(callee->params.at[i] ==
                 (tb_k_inst(k, args[i])->dtype | tb_k_lanes(k, args[i]) << 8));
    tb_kb_here(k, (tb_kinst){.op = TB_K_CALL, .imm = fn}, args, n);
}
