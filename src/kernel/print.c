/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print.c -- a kernel as C-like text: one instruction a line, `v12 = f32x16 ...`.
 * Constants, lane numbers and splats are printed where they are used.
 */
#include <inttypes.h>

#include "kernel/build.h"

typedef struct printer {
    const tb_kernel *k;
    const tb_kfn *f;
    tb_buf *out;
} printer;

static const char *
type_name(int dtype)
{
    return dtype == TB_K_PTR ? "ptr" : tb_dtype_name((tb_dtype)dtype);
}

static void
put_type(printer *p, int dtype, int lanes)
{
    tb_buf_puts(p->out, type_name(dtype));
    if (lanes > 1)
        tb_buf_printf(p->out, "x%d", lanes);
}

static void
put_const(printer *p, const tb_kinst *i)
{
    uint64_t x = (uint64_t)i->imm;

    if (i->dtype == TB_F32)
        tb_buf_printf(p->out, "%.9g", (double)tb_lane_f32(x));
    else if (i->dtype == TB_F64)
        tb_buf_printf(p->out, "%.17g", tb_lane_f64(x));
    else if (i->dtype == TB_BOOL)
        tb_buf_puts(p->out, x ? "true" : "false");
    else if (tb_dtype_kind((tb_dtype)i->dtype) == TB_KIND_UINT)
        tb_buf_printf(p->out, "%" PRIu64, x);
    else
        tb_buf_printf(p->out, "%" PRId64, i->imm);
    if (i->dtype != TB_I64 && i->dtype != TB_BOOL)
        tb_buf_printf(p->out, ":%s", type_name(i->dtype));
}

static tb_kv
arg(const printer *p, const tb_kinst *i, uint32_t n)
{
    return p->f->operands.at[i->in + n];
}

static bool
is_inline(const tb_kinst *i)
{
    return i->op == TB_K_CONST || i->op == TB_K_SPLAT || i->op == TB_K_LANE_IDS;
}

static void
put(printer *p, tb_kv v)
{
    const tb_kinst *i = &p->f->insts.at[v.id];

    switch (i->op) {
    case TB_K_CONST:
        put_const(p, i);
        return;
    case TB_K_SPLAT:
        put(p, arg(p, i, 0));
        tb_buf_puts(p->out, "...");
        return;
    case TB_K_LANE_IDS:
        tb_buf_printf(p->out, "lanes:%s", type_name(i->dtype));
        return;
    default:
        tb_buf_printf(p->out, "v%" PRIu32, v.id);
    }
}

static void
put_args(printer *p, const tb_kinst *i, uint32_t from)
{
    for (uint32_t n = from; n < i->n_in; n++) {
        tb_buf_puts(p->out, n == from ? "" : ", ");
        put(p, arg(p, i, n));
    }
}

/* ptr[index + imm] of the memory type */
static void
put_address(printer *p, const tb_kinst *i)
{
    tb_kv index = arg(p, i, 1);
    const tb_kinst *x = &p->f->insts.at[index.id];
    bool zero = x->op == TB_K_CONST && x->imm == 0;

    put(p, arg(p, i, 0));
    tb_buf_puts(p->out, "[");
    if (!zero)
        put(p, index);
    if (i->imm != 0 || zero)
        tb_buf_printf(p->out, zero ? "%" PRId64 : " + %" PRId64, i->imm);
    tb_buf_printf(p->out, "]:%s", type_name(i->mem));
}

static void
put_mask(printer *p, const tb_kinst *i, uint32_t n)
{
    if (i->n_in > n) {
        tb_buf_puts(p->out, " where ");
        put(p, arg(p, i, n));
    }
}

static void
put_region(printer *p, uint32_t region, int indent);

static void
put_for(printer *p, const tb_kinst *i, int indent)
{
    const tb_kregion *r = &p->f->regions.at[i->body];

    tb_buf_puts(p->out, "for ");
    put(p, r->args.at[0]);
    tb_buf_puts(p->out, " in ");
    put(p, arg(p, i, 0));
    tb_buf_puts(p->out, "..");
    put(p, arg(p, i, 1));
    if (i->imm != 1)
        tb_buf_printf(p->out, " step %" PRId64, i->imm);
    for (uint32_t n = 1; n < r->args.n; n++) {
        tb_buf_puts(p->out, n == 1 ? " carry " : ", ");
        put(p, r->args.at[n]);
        tb_buf_puts(p->out, " = ");
        put(p, arg(p, i, n + 1));
    }
    tb_buf_puts(p->out, " {\n");
    put_region(p, i->body, indent + 1);
    if (r->next.n) {
        tb_buf_printf(p->out, "%*snext ", (indent + 1) * 4, "");
        for (uint32_t n = 0; n < r->next.n; n++) {
            tb_buf_puts(p->out, n ? ", " : "");
            put(p, r->next.at[n]);
        }
        tb_buf_puts(p->out, "\n");
    }
    tb_buf_printf(p->out, "%*s}", indent * 4, "");
}

static void
put_if(printer *p, const tb_kinst *i, int indent)
{
    tb_buf_puts(p->out, "if ");
    put(p, arg(p, i, 0));
    tb_buf_puts(p->out, " {\n");
    put_region(p, i->body, indent + 1);
    if (i->other) {
        tb_buf_printf(p->out, "%*s} else {\n", indent * 4, "");
        put_region(p, i->other, indent + 1);
    }
    tb_buf_printf(p->out, "%*s}", indent * 4, "");
}

static void
put_body(printer *p, const tb_kinst *i, int indent)
{
    tb_buf *o = p->out;

    switch ((tb_kop)i->op) {
    case TB_K_PARAM:
        tb_buf_printf(o, "param %" PRId64, i->imm);
        break;
    case TB_K_BINDING:
        tb_buf_printf(o, "binding %" PRId64, i->imm);
        break;
    case TB_K_SIZE:
        tb_buf_printf(o, "size %" PRId64, i->imm);
        break;
    case TB_K_TILE_BEGIN:
        tb_buf_puts(o, "tile_begin");
        break;
    case TB_K_TILE_END:
        tb_buf_puts(o, "tile_end");
        break;
    case TB_K_SCRATCH:
        tb_buf_printf(o, "scratch + %" PRId64, i->imm);
        break;
    case TB_K_MAP:
        tb_buf_printf(o, "%s ", tb_prim_name((tb_prim)i->imm));
        put_args(p, i, 0);
        break;
    case TB_K_FMA:
        tb_buf_puts(o, "fma ");
        put_args(p, i, 0);
        break;
    case TB_K_DOT_BF16:
        tb_buf_puts(o, "dot_bf16 ");
        put_args(p, i, 0);
        break;
    case TB_K_TO_BF16:
        tb_buf_puts(o, "to_bf16 ");
        put_args(p, i, 0);
        break;
    case TB_K_FRACTION:
    case TB_K_SCALE:
        tb_buf_puts(o, i->op == TB_K_SCALE ? "scale " : "fraction ");
        put_args(p, i, 0);
        break;
    case TB_K_PTR_ADD:
        put(p, arg(p, i, 0));
        tb_buf_puts(o, " + ");
        put(p, arg(p, i, 1));
        tb_buf_printf(o, " * %" PRId64, i->imm);
        break;
    case TB_K_LOAD:
        tb_buf_puts(o, i->other ? "pure load " : "load ");
        put_address(p, i);
        put_mask(p, i, 2);
        break;
    case TB_K_GATHER:
        tb_buf_puts(o, "gather ");
        put_address(p, i);
        put_mask(p, i, 2);
        break;
    case TB_K_STORE:
    case TB_K_SCATTER:
        tb_buf_puts(o, i->op == TB_K_SCATTER ? "scatter " : i->other ? "store past caches " : "store ");
        put_address(p, i);
        tb_buf_puts(o, " = ");
        put(p, arg(p, i, 2));
        put_mask(p, i, 3);
        break;
    case TB_K_PREFETCH:
        tb_buf_printf(o, "prefetch%d ", (int)i->imm);
        put(p, arg(p, i, 0));
        break;
    case TB_K_EXTRACT:
        put(p, arg(p, i, 0));
        tb_buf_printf(o, ".%" PRId64, i->imm);
        break;
    case TB_K_SHUFFLE:
        tb_buf_puts(o, "shuffle ");
        put_args(p, i, 0);
        for (int n = 0; n < i->lanes; n++)
            tb_buf_printf(o, "%s%" PRId32, n ? " " : " : ",
                          p->f->lane_lists.at[i->body + (uint32_t)n]);
        break;
    case TB_K_HREDUCE:
        tb_buf_printf(o, "reduce %s ", tb_prim_name((tb_prim)i->imm));
        put_args(p, i, 0);
        break;
    case TB_K_FOR:
        put_for(p, i, indent);
        break;
    case TB_K_FOR_OUT:
        tb_buf_printf(o, "after loop: carried %" PRId64, i->imm);
        break;
    case TB_K_IF:
        put_if(p, i, indent);
        break;
    case TB_K_CALL:
        tb_buf_printf(o, "call %.*s(", TB_FMT(p->k->fns.at[i->imm]->name));
        put_args(p, i, 0);
        tb_buf_puts(o, ")");
        break;
    case TB_K_ROUND:
        tb_buf_printf(o, "round_%s ", type_name(i->mem));
        put_args(p, i, 0);
        break;
    case TB_K_FAIL:
        tb_buf_puts(o, "fail if ");
        put_args(p, i, 0);
        tb_buf_printf(o, " code %" PRId64, i->imm);
        break;
    case TB_K_TREG_CONFIG:
        tb_buf_puts(o, "tile registers: rows ");
        put_args(p, i, 0);
        break;
    case TB_K_TREG_RELEASE:
        tb_buf_puts(o, "tile registers: done");
        break;
    case TB_K_TREG_ZERO:
        tb_buf_printf(o, "t%" PRId64 " = 0", i->imm);
        break;
    case TB_K_TREG_LOAD:
    case TB_K_TREG_STORE:
        tb_buf_printf(o, "t%" PRId64 " %s ", i->imm, i->op == TB_K_TREG_LOAD ? "=" : "to");
        put(p, arg(p, i, 0));
        tb_buf_puts(o, ", bytes from row to row ");
        put_args(p, i, 1);
        break;
    case TB_K_TREG_DOT:
        tb_buf_printf(o, "t%d += t%d . t%d", tb_k_treg(i, 0), tb_k_treg(i, 1), tb_k_treg(i, 2));
        break;
    case TB_K_NONE:
    case TB_K_ARG:
    case TB_K_CONST:
    case TB_K_LANE_IDS:
    case TB_K_SPLAT:
    case TB_K_END:
        TB_UNREACHABLE();
    }
}

static void
put_region(printer *p, uint32_t region, int indent)
{
    const tb_kregion *r = &p->f->regions.at[region];

    for (uint32_t n = 0; n < r->insts.n; n++) {
        const tb_kinst *i = &p->f->insts.at[r->insts.at[n]];
        if (is_inline(i))
            continue;
        tb_buf_printf(p->out, "%*s", indent * 4, "");
        if (i->dtype != TB_NONE) {
            tb_buf_printf(p->out, "v%" PRIu32 ": ", r->insts.at[n]);
            put_type(p, i->dtype, i->lanes);
            tb_buf_puts(p->out, " = ");
        }
        put_body(p, i, indent);
        tb_buf_puts(p->out, "\n");
    }
}

void
tb_kernel_print(const tb_kernel *k, tb_buf *out)
{
    printer p = {.k = k, .out = out};

    tb_buf_printf(out, "kernel %.*s: %" PRIu32 " bindings, %" PRIu32 " sizes, scratch %" PRId64
                       ", %s\n", TB_FMT(k->name), k->n_bindings, k->sizes.n,
                  k->scratch_bytes, k->target->level ? k->target->level->name : "?");
    for (uint32_t n = 0; n < k->fns.n; n++) {
        p.f = k->fns.at[n];
        if (n) {
            tb_buf_printf(out, "function %.*s(", TB_FMT(p.f->name));
            for (uint32_t i = 0; i < p.f->params.n; i++) {
                tb_buf_puts(out, i ? ", " : "");
                put_type(&p, p.f->params.at[i] & 255, p.f->params.at[i] >> 8);
            }
            tb_buf_puts(out, ")\n");
        }
        put_region(&p, 0, 1);
    }
}
