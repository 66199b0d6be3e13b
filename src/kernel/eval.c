/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * eval.c -- the loop IR interpreted: what machine code must do, to the bit.
 *
 * A value is one word per lane (scalar.c says how numbers lie in it). A pointer is an
 * address with the buffer it came from, so that an access outside that buffer is found
 * even where the memory beyond is mapped. Functions do not call themselves: each has one
 * frame.
 */
#include <inttypes.h>

#include "kernel/build.h"

enum { SCRATCH = UINT16_MAX, NO_BUFFER = UINT16_MAX - 1 };

typedef struct frame {
    uint64_t *words;  /* of all values */
    uint32_t *at;     /* by instruction: first word */
    uint16_t *buffer; /* by instruction: of pointers */
    uint64_t *outs;   /* carried values on their way to the next round */
    uint16_t *out_buffers;
    const tb_kv *args; /* of a call, in `caller` */
    struct eval *caller;
} frame;

typedef struct eval {
    const tb_kernel *k;
    const tb_kfn *f;
    frame *fr;
    /* the call */
    void *const *bindings;
    const size_t *bytes;
    const int64_t *sizes;
    int64_t begin, end;
    void *scratch;
    tb_tregs *tregs;
    frame *frames; /* by function */
    int32_t *code;
} eval;

static void
make_frame(eval *e, uint32_t fn)
{
    const tb_kfn *f = e->k->fns.at[fn];
    tb_arena *a = &e->k->cx->scratch;
    frame *fr = &e->frames[fn];
    uint32_t n = 0, most = 0;

    fr->at = TB_NEWN(a, uint32_t, f->insts.n);
    fr->buffer = TB_NEWN(a, uint16_t, f->insts.n);
    for (uint32_t i = 0; i < f->insts.n; i++) {
        fr->at[i] = n;
        n += f->insts.at[i].lanes;
    }
    for (uint32_t i = 0; i < f->regions.n; i++)
        if (f->regions.at[i].next.n > most)
            most = f->regions.at[i].next.n;
    fr->words = TB_NEWN(a, uint64_t, n + 1);
    fr->outs = TB_NEWN(a, uint64_t, most * 255 + 1);
    fr->out_buffers = TB_NEWN(a, uint16_t, most + 1);
}

static const tb_kinst *
inst(const eval *e, tb_kv v)
{
    return &e->f->insts.at[v.id];
}

static tb_kv
in(const eval *e, const tb_kinst *i, uint32_t n)
{
    return e->f->operands.at[i->in + n];
}

static uint64_t *
words(const eval *e, tb_kv v)
{
    return e->fr->words + e->fr->at[v.id];
}

static uint64_t *
arg(const eval *e, const tb_kinst *i, uint32_t n)
{
    return words(e, in(e, i, n));
}

static void
copy_value(eval *to, uint32_t id, const eval *from, tb_kv v)
{
    memcpy(words(to, (tb_kv){id}), words(from, v),
           sizeof(uint64_t) * inst(from, v)->lanes);
    to->fr->buffer[id] = from->fr->buffer[v.id];
}

/* ---- memory ---- */

/* `size` bytes at so many behind where the first operand points, checked. */
static char *
memory(const eval *e, const tb_kinst *i, uint64_t offset, uint64_t size)
{
    tb_kv p = in(e, i, 0);
    uint64_t at = *words(e, p) + offset;
    uint16_t b = e->fr->buffer[p.id];
    uint64_t first, n;

    if (b == SCRATCH) {
        first = (uint64_t)(uintptr_t)e->scratch;
        n = (uint64_t)e->k->scratch_bytes;
    } else if (e->bytes && b != NO_BUFFER) {
        first = (uint64_t)(uintptr_t)e->bindings[b];
        n = e->bytes[b];
    } else {
        return (char *)(uintptr_t)at;
    }
    if (at < first || at - first > n || n - (at - first) < size)
        tb_raise(e->k->cx, e->k->loc, TB_OUT_OF_RANGE,
                 "kernel %.*s, function %.*s, v%" PRIu32 ": access at byte %" PRId64
                 " of %s %u, which has %" PRIu64 " bytes",
                 TB_FMT(e->k->name), TB_FMT(e->f->name), (uint32_t)(i - e->f->insts.at),
                 (int64_t)(at - first), b == SCRATCH ? "scratch" : "binding",
                 b == SCRATCH ? 0u : b, n);
    return (char *)(uintptr_t)at;
}

/* Element number index + imm of the memory type. */
static char *
element(const eval *e, const tb_kinst *i, uint64_t index)
{
    uint64_t size = tb_dtype_bytes((tb_dtype)i->mem);
    return memory(e, i, (index + (uint64_t)i->imm) * size, size);
}

static uint64_t
read_element(tb_dtype mem, const char *p)
{
    uint64_t x = 0;

    memcpy(&x, p, tb_dtype_bytes(mem));
    switch (mem) {
    case TB_BOOL:
        return x != 0;
    case TB_F16:
        return tb_lane_of_f32(tb_f16_to_f32((uint16_t)x));
    case TB_BF16:
        return tb_lane_of_f32(tb_bf16_to_f32((uint16_t)x));
    default:
        return tb_lane_wrap(mem, x);
    }
}

static void
write_element(tb_dtype mem, char *p, uint64_t x)
{
    if (mem == TB_F16)
        x = tb_f32_to_f16(tb_lane_f32(x));
    if (mem == TB_BF16)
        x = tb_f32_to_bf16(tb_lane_f32(x));
    memcpy(p, &x, tb_dtype_bytes(mem));
}

static void
load(eval *e, const tb_kinst *i, uint64_t *r)
{
    const uint64_t *index = arg(e, i, 1), *mask = i->n_in > 2 ? arg(e, i, 2) : NULL;
    bool gather = i->op == TB_K_GATHER;

    for (uint64_t n = 0; n < i->lanes; n++)
        r[n] = mask && !mask[n]
                   ? 0
                   : read_element((tb_dtype)i->mem,
                                  element(e, i, gather ? index[n] : *index + n));
}

static void
store(eval *e, const tb_kinst *i)
{
    const uint64_t *index = arg(e, i, 1), *x = arg(e, i, 2);
    const uint64_t *mask = i->n_in > 3 ? arg(e, i, 3) : NULL;
    bool scatter = i->op == TB_K_SCATTER;

    for (uint64_t n = 0; n < i->lanes; n++)
        if (!mask || mask[n])
            write_element((tb_dtype)i->mem,
                          element(e, i, scatter ? index[n] : *index + n), x[n]);
}

/* ---- tile registers ---- */

static void
treg_rows(const eval *e, const tb_kinst *i)
{
    const uint64_t pitch = *arg(e, i, 1);
    tb_tregs *t = e->tregs;

    for (uint64_t n = 0; n < t->rows[i->imm]; n++) {
        char *at = memory(e, i, n * pitch, TB_TREG_BYTES);
        if (i->op == TB_K_TREG_LOAD)
            memcpy(t->bytes[i->imm][n], at, TB_TREG_BYTES);
        else
            memcpy(at, t->bytes[i->imm][n], TB_TREG_BYTES);
    }
}

static void
treg(const eval *e, const tb_kinst *i)
{
    tb_tregs *t = e->tregs;
    int64_t rows[TB_TREGS];
    bool ok = true;

    switch ((tb_kop)i->op) {
    case TB_K_TREG_CONFIG:
        for (uint32_t n = 0; n < TB_TREGS; n++)
            rows[n] = (int64_t)*arg(e, i, n);
        ok = tb_tregs_config(t, rows);
        break;
    case TB_K_TREG_RELEASE:
        memset(t, 0, sizeof *t);
        break;
    case TB_K_TREG_ZERO:
        ok = t->rows[i->imm] > 0;
        memset(t->bytes[i->imm], 0, sizeof t->bytes[0]);
        break;
    case TB_K_TREG_DOT:
        ok = tb_tregs_dot(t, tb_k_treg(i, 0), tb_k_treg(i, 1), tb_k_treg(i, 2));
        break;
    default:
        ok = t->rows[i->imm] > 0;
        treg_rows(e, i);
    }
    if (!ok)
        tb_raise(e->k->cx, e->k->loc, TB_INTERNAL,
                 "kernel %.*s, function %.*s, instruction %" PRIu32
                 ": the tile registers do not have the rows for it",
                 TB_FMT(e->k->name), TB_FMT(e->f->name), (uint32_t)(i - e->f->insts.at));
}

/* ---- arithmetic ---- */

static void
map(eval *e, const tb_kinst *i, uint64_t *r)
{
    const tb_kinst *x = inst(e, in(e, i, 0));
    const uint64_t *a = arg(e, i, 0), *b = i->n_in > 1 ? arg(e, i, 1) : a;
    const uint64_t *c = i->n_in > 2 ? arg(e, i, 2) : a;

    for (int n = 0; n < i->lanes; n++)
        r[n] = tb_lane_map((tb_prim)i->imm, (tb_dtype)x->dtype, (tb_dtype)i->dtype, a[n],
                           b[n], c[n]);
}

static uint64_t
hreduce(eval *e, const tb_kinst *i)
{
    uint64_t v[256];
    int n = inst(e, in(e, i, 0))->lanes;

    memcpy(v, arg(e, i, 0), sizeof(uint64_t) * (size_t)n);
    while (n > 1) {
        n /= 2;
        for (int j = 0; j < n; j++)
            v[j] = tb_lane_map((tb_prim)i->imm, (tb_dtype)i->dtype, (tb_dtype)i->dtype,
                               v[j], v[j + n], 0);
    }
    return v[0];
}

static void
shuffle(eval *e, const tb_kinst *i, uint64_t *r)
{
    const uint64_t *a = arg(e, i, 0), *b = arg(e, i, 1);
    int m = inst(e, in(e, i, 0))->lanes;

    for (int n = 0; n < i->lanes; n++) {
        int l = e->f->lane_lists.at[i->body + (uint32_t)n];
        r[n] = l < m ? a[l] : b[l - m];
    }
}

/* ---- control ---- */

static void run_region(eval *e, uint32_t region);

static void
run_for(eval *e, const tb_kinst *i)
{
    const tb_kregion *r = &e->f->regions.at[i->body];
    int64_t hi = (int64_t)*arg(e, i, 1);
    frame *fr = e->fr;

    for (uint32_t j = 0; j < r->next.n; j++)
        copy_value(e, r->args.at[j + 1].id, e, in(e, i, j + 2));
    for (int64_t x = (int64_t)*arg(e, i, 0); x < hi; x += i->imm) {
        uint64_t *out = fr->outs;
        *words(e, r->args.at[0]) = (uint64_t)x;
        run_region(e, i->body);
        /* all are read before any is written */
        for (uint32_t j = 0; j < r->next.n; j++) {
            tb_kv v = r->next.at[j];
            memcpy(out, words(e, v), sizeof *out * inst(e, v)->lanes);
            fr->out_buffers[j] = fr->buffer[v.id];
            out += inst(e, v)->lanes;
        }
        out = fr->outs;
        for (uint32_t j = 0; j < r->next.n; j++) {
            tb_kv v = r->args.at[j + 1];
            memcpy(words(e, v), out, sizeof *out * inst(e, v)->lanes);
            fr->buffer[v.id] = fr->out_buffers[j];
            out += inst(e, v)->lanes;
        }
    }
}

static void
run_call(eval *e, const tb_kinst *i)
{
    eval callee = *e;

    callee.f = e->k->fns.at[i->imm];
    callee.fr = &e->frames[i->imm];
    callee.fr->args = e->f->operands.at + i->in;
    callee.fr->caller = e;
    run_region(&callee, 0);
}

static void
set_pointer(eval *e, uint32_t id, const void *p, uint16_t buffer)
{
    *words(e, (tb_kv){id}) = (uint64_t)(uintptr_t)p;
    e->fr->buffer[id] = buffer;
}

static void
run_inst(eval *e, uint32_t id)
{
    const tb_kinst *i = &e->f->insts.at[id];
    uint64_t *r = words(e, (tb_kv){id});

    switch ((tb_kop)i->op) {
    case TB_K_PARAM:
        copy_value(e, id, e->fr->caller, e->fr->args[i->imm]);
        break;
    case TB_K_BINDING:
        set_pointer(e, id, e->bindings[i->imm], (uint16_t)i->imm);
        break;
    case TB_K_SIZE:
        *r = (uint64_t)e->sizes[i->imm];
        break;
    case TB_K_TILE_BEGIN:
        *r = (uint64_t)e->begin;
        break;
    case TB_K_TILE_END:
        *r = (uint64_t)e->end;
        break;
    case TB_K_SCRATCH:
        set_pointer(e, id, (char *)e->scratch + i->imm, SCRATCH);
        break;
    case TB_K_CONST:
        *r = (uint64_t)i->imm;
        break;
    case TB_K_LANE_IDS:
        for (uint64_t n = 0; n < i->lanes; n++)
            r[n] = tb_lane_wrap((tb_dtype)i->dtype, n);
        break;
    case TB_K_SPLAT:
        for (int n = 0; n < i->lanes; n++)
            r[n] = *arg(e, i, 0);
        break;
    case TB_K_MAP:
        map(e, i, r);
        break;
    case TB_K_FMA:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_fma((tb_dtype)i->dtype, e->k->target->fma, arg(e, i, 0)[n],
                               arg(e, i, 1)[n], arg(e, i, 2)[n]);
        break;
    case TB_K_DOT_BF16:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_dot_bf16(arg(e, i, 0)[n], arg(e, i, 1)[n], arg(e, i, 2)[n]);
        break;
    case TB_K_TO_BF16:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_to_bf16(arg(e, i, 0)[n]);
        break;
    case TB_K_FRACTION:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_fraction(arg(e, i, 0)[n]);
        break;
    case TB_K_SCALE:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_scale(arg(e, i, 0)[n], arg(e, i, 1)[n]);
        break;
    case TB_K_PTR_ADD:
        *r = *arg(e, i, 0) + *arg(e, i, 1) * (uint64_t)i->imm;
        e->fr->buffer[id] = e->fr->buffer[in(e, i, 0).id];
        break;
    case TB_K_LOAD:
    case TB_K_GATHER:
        load(e, i, r);
        break;
    case TB_K_STORE:
    case TB_K_SCATTER:
        store(e, i);
        break;
    case TB_K_PREFETCH:
        break;
    case TB_K_EXTRACT:
        *r = arg(e, i, 0)[i->imm];
        break;
    case TB_K_SHUFFLE:
        shuffle(e, i, r);
        break;
    case TB_K_HREDUCE:
        *r = hreduce(e, i);
        break;
    case TB_K_FOR:
        run_for(e, i);
        break;
    case TB_K_FOR_OUT: {
        uint32_t body = inst(e, in(e, i, 0))->body;
        copy_value(e, id, e, e->f->regions.at[body].args.at[i->imm + 1]);
        break;
    }
    case TB_K_IF:
        if (*arg(e, i, 0))
            run_region(e, i->body);
        else if (i->other)
            run_region(e, i->other);
        break;
    case TB_K_CALL:
        run_call(e, i);
        break;
    case TB_K_ROUND:
        for (int n = 0; n < i->lanes; n++)
            r[n] = tb_lane_round((tb_dtype)i->dtype, (tb_dtype)i->mem, arg(e, i, 0)[n]);
        break;
    case TB_K_FAIL:
        if (*arg(e, i, 0) && *e->code == 0)
            *e->code = (int32_t)i->imm;
        break;
    case TB_K_TREG_CONFIG:
    case TB_K_TREG_RELEASE:
    case TB_K_TREG_ZERO:
    case TB_K_TREG_LOAD:
    case TB_K_TREG_STORE:
    case TB_K_TREG_DOT:
        treg(e, i);
        break;
    case TB_K_NONE:
    case TB_K_ARG:
    case TB_K_END:
        TB_UNREACHABLE();
    }
}

static void
run_region(eval *e, uint32_t region)
{
    const tb_kregion *r = &e->f->regions.at[region];

    for (uint32_t n = 0; n < r->insts.n; n++)
        run_inst(e, r->insts.at[n]);
}

int32_t
tb_kernel_eval(const tb_kernel *k, void *const *bindings, const size_t *bytes,
               const int64_t *sizes, int64_t tile_begin, int64_t tile_end, void *scratch)
{
    int32_t code = 0;
    eval e = {.k = k,
              .f = k->fns.at[0],
              .bindings = bindings,
              .bytes = bytes,
              .sizes = sizes,
              .begin = tile_begin,
              .end = tile_end,
              .scratch = scratch,
              .tregs = TB_NEW(&k->cx->scratch, tb_tregs),
              .code = &code};

    e.frames = TB_NEWN(&k->cx->scratch, frame, k->fns.n);
    for (uint32_t i = 0; i < k->fns.n; i++)
        make_frame(&e, i);
    e.fr = &e.frames[0];
    run_region(&e, 0);
    return code;
}
