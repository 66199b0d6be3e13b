/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * kernel.c -- the builder of the loop IR: storage, placement, memory.
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

static uint32_t
new_inst(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in)
{
    tb_kfn *f = k->f;

    inst.in = f->operands.n;
    inst.n_in = n_in;
    for (uint32_t i = 0; i < n_in; i++)
        TB_PUSH(&k->cx->keep, &f->operands, in[i]);
    TB_PUSH(&k->cx->keep, &f->insts, inst);
    return f->insts.n - 1;
}

static uint32_t
new_region(tb_kernel *k, uint32_t owner, bool is_if)
{
    tb_kregion r = {.parent = k->region, .is_if = is_if, .owner = owner};

    r.depth = k->f->regions.at[k->region].depth + 1;
    TB_PUSH(&k->cx->keep, &k->f->regions, r);
    return k->f->regions.n - 1;
}

/* The region whose list instructions written in `r` go to. */
static uint32_t
real_region(const tb_kfn *f, uint32_t r)
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

static void
check_operand(const tb_kernel *k, tb_kv v)
{
    TB_CHECK(v.id != 0 && v.id < k->f->insts.n);
    TB_CHECK(k->f->insts.at[v.id].dtype != TB_NONE);
    TB_CHECK(encloses(k->f, k->f->insts.at[v.id].region, k->region));
}

/* Appends where it is written. */
static uint32_t
here(tb_kernel *k, tb_kinst inst, const tb_kv *in, uint32_t n_in)
{
    uint32_t r = real_region(k->f, k->region), id;

    for (uint32_t i = 0; i < n_in; i++)
        check_operand(k, in[i]);
    inst.region = r;
    id = new_inst(k, inst, in, n_in);
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
        check_operand(k, in[i]);
        if (f->regions.at[r].depth > f->regions.at[to].depth)
            to = r;
    }
    if (traps)
        for (uint32_t r = k->region; r != to; r = f->regions.at[r].parent)
            if (f->regions.at[r].is_if)
                return r;
    return to;
}

static tb_kv
pure(tb_kernel *k, tb_kinst w, const tb_kv *in, uint32_t n_in, bool traps)
{
    tb_kfn *f = k->f;
    uint64_t h = hash_inst(f, &w, in, n_in);
    uint32_t cursor = 0, id;

    while ((id = tb_map_next(&f->seen, h, &cursor)) != 0)
        if (same(f, id, &w, in, n_in) &&
            encloses(f, f->insts.at[id].region, k->region))
            return (tb_kv){id};
    w.region = place(k, in, n_in, traps);
    id = new_inst(k, w, in, n_in);
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
    return pure(k,
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
    return pure(k, w, in, 2, false);
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

/* The type a register has for elements of `mem`. */
static tb_dtype
register_type(tb_dtype mem)
{
    return mem == TB_F16 || mem == TB_BF16 ? TB_F32 : mem;
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
                  .dtype = (uint8_t)register_type(mem),
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
    return is_pure ? pure(k, w, in, n, true) : (tb_kv){here(k, w, in, n)};
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
                  .dtype = (uint8_t)register_type(mem),
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
    return (tb_kv){here(k, w, in, n)};
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
    TB_CHECK(tb_k_type(k, value) == register_type(mem));
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
    here(k, w, in, n);
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
    TB_CHECK(tb_k_type(k, value) == register_type(mem));
    mask = known_mask(k, mask, &none);
    if (none)
        return;
    in[n++] = tb_k_splat(k, value, lanes);
    if (mask.id)
        in[n++] = tb_k_splat(k, mask, lanes);
    here(k, w, in, n);
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

    return (tb_kv){new_inst(k, a, NULL, 0)};
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
        check_operand(k, in[i]);
    w.region = real_region(k->f, k->region);
    id = once ? 0 : new_inst(k, w, in, n + 2);
    r = new_region(k, id, false);
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
        check_operand(k, next[i]);
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
        out[i] = (tb_kv){new_inst(k, o, &in, 1)};
        TB_PUSH(keep, &k->f->regions.at[o.region].insts, out[i].id);
    }
}

void
tb_k_if(tb_kernel *k, tb_kv cond)
{
    tb_kinst w = {.op = TB_K_IF};
    uint32_t id;

    TB_CHECK(tb_k_type(k, cond) == TB_BOOL && tb_k_lanes(k, cond) == 1);
    check_operand(k, cond);
    w.region = real_region(k->f, k->region);
    id = new_inst(k, w, &cond, 1);
    w.body = new_region(k, id, true);
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
    other = new_region(k, id, true);
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
    here(k, (tb_kinst){.op = TB_K_CALL, .imm = fn}, args, n);
}
