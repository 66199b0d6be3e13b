/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * verify.c -- what every reader of a kernel may rely on.
 *
 * Operands are defined before use in an enclosing region, types fit, every region that was
 * begun was ended and hangs at exactly one instruction.
 */
#include <inttypes.h>

#include "kernel/build.h"

typedef struct checker {
    const tb_kernel *k;
    const tb_kfn *f;
    bool *defined; /* by instruction: visible at the point of the walk */
} checker;

#define MUST(c, id, cond)                                                                \
    do {                                                                                 \
        if (!(cond))                                                                     \
            fault(c, id, #cond);                                                         \
    } while (0)

static void
fault(checker *c, uint32_t id, const char *what)
{
    tb_raise(c->k->cx, c->k->loc, TB_INTERNAL,
             "kernel %.*s, function %.*s, v%" PRIu32 ": does not hold: %s",
             TB_FMT(c->k->name), TB_FMT(c->f->name), id, what);
}

static const tb_kinst *
operand(checker *c, uint32_t id, uint32_t n)
{
    const tb_kinst *i = &c->f->insts.at[id];
    uint32_t v;

    MUST(c, id, n < i->n_in);
    v = c->f->operands.at[i->in + n].id;
    MUST(c, id, v > 0 && v < c->f->insts.n);
    MUST(c, id, c->defined[v]);
    return &c->f->insts.at[v];
}

static bool
is(const tb_kinst *i, int dtype, int lanes)
{
    return i->dtype == dtype && i->lanes == lanes;
}

static void
check_map(checker *c, uint32_t id, const tb_kinst *i)
{
    const tb_kinst *a = operand(c, id, 0), *b;

    MUST(c, id, (int)i->n_in == tb_prim_arity((tb_prim)i->imm));
    switch ((tb_prim)i->imm) {
    case TB_P_cast:
        MUST(c, id, a->lanes == i->lanes);
        return;
    case TB_P_bitcast:
        MUST(c, id, a->lanes == i->lanes);
        MUST(c, id, tb_dtype_bytes((tb_dtype)a->dtype) ==
                        tb_dtype_bytes((tb_dtype)i->dtype));
        return;
    case TB_P_where:
        MUST(c, id, is(a, TB_BOOL, i->lanes));
        MUST(c, id, is(operand(c, id, 1), i->dtype, i->lanes));
        MUST(c, id, is(operand(c, id, 2), i->dtype, i->lanes));
        return;
    case TB_P_eq:
    case TB_P_ne:
    case TB_P_lt:
    case TB_P_le:
        MUST(c, id, is(i, TB_BOOL, a->lanes));
        break;
    default:
        MUST(c, id, is(i, a->dtype, a->lanes));
    }
    if (i->n_in > 1) {
        b = operand(c, id, 1);
        MUST(c, id, is(b, a->dtype, a->lanes));
    }
}

static void
check_memory(checker *c, uint32_t id, const tb_kinst *i)
{
    bool many = i->op == TB_K_GATHER || i->op == TB_K_SCATTER;
    bool store = i->op == TB_K_STORE || i->op == TB_K_SCATTER;
    uint32_t mask = store ? 3 : 2;

    MUST(c, id, operand(c, id, 0)->dtype == TB_K_PTR);
    MUST(c, id, is(operand(c, id, 1), TB_I64, many ? i->lanes : 1));
    if (store)
        MUST(c, id, is(operand(c, id, 2), tb_dtype_wide((tb_dtype)i->mem), i->lanes));
    else
        MUST(c, id, i->dtype == tb_dtype_wide((tb_dtype)i->mem));
    if (i->n_in > mask)
        MUST(c, id, is(operand(c, id, mask), TB_BOOL, i->lanes));
}

static void check_region(checker *c, uint32_t region, uint32_t owner);

static void
check_for(checker *c, uint32_t id, const tb_kinst *i)
{
    const tb_kregion *r = &c->f->regions.at[i->body];

    MUST(c, id, is(operand(c, id, 0), TB_I64, 1) && is(operand(c, id, 1), TB_I64, 1));
    MUST(c, id, i->imm > 0);
    MUST(c, id, r->args.n == i->n_in - 1 && r->next.n == i->n_in - 2);
    for (uint32_t n = 0; n < r->args.n; n++) {
        MUST(c, id, c->f->insts.at[r->args.at[n].id].op == TB_K_ARG);
        c->defined[r->args.at[n].id] = true;
    }
    check_region(c, i->body, id);
}

/* Called while the body's values are still visible. */
static void
check_next(checker *c, uint32_t id)
{
    const tb_kinst *i = &c->f->insts.at[id];
    const tb_kregion *r = &c->f->regions.at[i->body];

    for (uint32_t n = 0; n < r->next.n; n++) {
        const tb_kinst *init = operand(c, id, n + 2);
        MUST(c, id, c->defined[r->next.at[n].id]);
        MUST(c, id, is(&c->f->insts.at[r->next.at[n].id], init->dtype, init->lanes));
    }
}

static void
check_call(checker *c, uint32_t id, const tb_kinst *i)
{
    const tb_kfn *callee;

    MUST(c, id, i->imm > 0 && i->imm < c->k->fns.n);
    callee = c->k->fns.at[i->imm];
    MUST(c, id, callee != c->f && callee->params.n == i->n_in);
    for (uint32_t n = 0; n < i->n_in; n++)
        MUST(c, id, is(operand(c, id, n), callee->params.at[n] & 255,
                       callee->params.at[n] >> 8));
}

static void
check_inst(checker *c, uint32_t id, const tb_kinst *i)
{
    const tb_kinst *a, *b;
    bool entry = c->f == c->k->fns.at[0];

    MUST(c, id, i->lanes >= 1 || i->dtype == TB_NONE);
    MUST(c, id, i->dtype != TB_F16 && i->dtype != TB_BF16);
    switch ((tb_kop)i->op) {
    case TB_K_PARAM:
        MUST(c, id, i->imm < c->f->params.n);
        break;
    case TB_K_BINDING:
        MUST(c, id, entry && i->imm < c->k->n_bindings);
        break;
    case TB_K_SIZE:
        MUST(c, id, entry && i->imm < c->k->sizes.n);
        break;
    case TB_K_TILE_BEGIN:
    case TB_K_TILE_END:
    case TB_K_SCRATCH:
        MUST(c, id, entry);
        break;
    case TB_K_CONST:
        MUST(c, id, i->lanes == 1);
        break;
    case TB_K_LANE_IDS:
        MUST(c, id, !tb_dtype_is_float((tb_dtype)i->dtype));
        break;
    case TB_K_SPLAT:
        MUST(c, id, is(operand(c, id, 0), i->dtype, 1));
        break;
    case TB_K_MAP:
        check_map(c, id, i);
        break;
    case TB_K_FMA:
        for (uint32_t n = 0; n < 3; n++)
            MUST(c, id, is(operand(c, id, n), i->dtype, i->lanes));
        break;
    case TB_K_DOT_BF16:
        MUST(c, id, c->k->target->bf16_dot && i->dtype == TB_F32);
        MUST(c, id, i->lanes == 4 || i->lanes == 8 || i->lanes == 16);
        MUST(c, id, is(operand(c, id, 0), TB_U32, i->lanes));
        MUST(c, id, is(operand(c, id, 1), TB_U32, i->lanes));
        MUST(c, id, is(operand(c, id, 2), TB_F32, i->lanes));
        break;
    case TB_K_TO_BF16:
        MUST(c, id, c->k->target->bf16_round && i->dtype == TB_U16);
        MUST(c, id, i->lanes == 8 || i->lanes == 16);
        MUST(c, id, is(operand(c, id, 0), TB_F32, i->lanes));
        break;
    case TB_K_FRACTION:
    case TB_K_SCALE:
        MUST(c, id, c->k->target->exp2 && i->dtype == TB_F32);
        MUST(c, id, i->lanes == 4 || i->lanes == 8 || i->lanes == 16);
        for (uint32_t n = 0; n < i->n_in; n++)
            MUST(c, id, is(operand(c, id, n), TB_F32, i->lanes));
        break;
    case TB_K_PTR_ADD:
        MUST(c, id, operand(c, id, 0)->dtype == TB_K_PTR);
        MUST(c, id, is(operand(c, id, 1), TB_I64, 1));
        break;
    case TB_K_LOAD:
    case TB_K_GATHER:
    case TB_K_STORE:
    case TB_K_SCATTER:
        check_memory(c, id, i);
        break;
    case TB_K_PREFETCH:
        MUST(c, id, operand(c, id, 0)->dtype == TB_K_PTR &&
                        (i->imm == TB_FIRST_CACHE || i->imm == TB_SECOND_CACHE));
        break;
    case TB_K_EXTRACT:
        a = operand(c, id, 0);
        MUST(c, id, i->imm >= 0 && i->imm < a->lanes && is(i, a->dtype, 1));
        break;
    case TB_K_SHUFFLE:
        a = operand(c, id, 0);
        b = operand(c, id, 1);
        MUST(c, id, is(b, a->dtype, a->lanes) && i->dtype == a->dtype);
        break;
    case TB_K_HREDUCE:
        a = operand(c, id, 0);
        MUST(c, id, is(i, a->dtype, 1) && (a->lanes & (a->lanes - 1)) == 0);
        break;
    case TB_K_FOR:
        check_for(c, id, i);
        break;
    case TB_K_FOR_OUT:
        a = &c->f->insts.at[c->f->operands.at[i->in].id];
        MUST(c, id, a->op == TB_K_FOR && i->imm < c->f->regions.at[a->body].next.n);
        break;
    case TB_K_IF:
        MUST(c, id, is(operand(c, id, 0), TB_BOOL, 1));
        check_region(c, i->body, id);
        if (i->other)
            check_region(c, i->other, id);
        break;
    case TB_K_CALL:
        check_call(c, id, i);
        break;
    case TB_K_ROUND:
        MUST(c, id, is(operand(c, id, 0), i->dtype, i->lanes));
        break;
    case TB_K_FAIL:
        MUST(c, id, entry && i->imm != 0 && is(operand(c, id, 0), TB_BOOL, 1));
        break;
    case TB_K_TREG_CONFIG:
        MUST(c, id, entry && c->k->target->amx && i->n_in == TB_TREGS);
        for (uint32_t n = 0; n < i->n_in; n++)
            MUST(c, id, is(operand(c, id, n), TB_I64, 1));
        break;
    case TB_K_TREG_RELEASE:
        MUST(c, id, entry && c->k->target->amx);
        break;
    case TB_K_TREG_ZERO:
        MUST(c, id, c->k->target->amx && i->imm >= 0 && i->imm < TB_TREGS);
        break;
    case TB_K_TREG_LOAD:
    case TB_K_TREG_STORE:
        MUST(c, id, c->k->target->amx && i->imm >= 0 && i->imm < TB_TREGS);
        MUST(c, id, operand(c, id, 0)->dtype == TB_K_PTR);
        MUST(c, id, is(operand(c, id, 1), TB_I64, 1));
        break;
    case TB_K_TREG_DOT:
        MUST(c, id, c->k->target->amx && i->imm >> 12 == 0);
        for (int n = 0; n < 3; n++)
            MUST(c, id, tb_k_treg(i, n) < TB_TREGS);
        break;
    case TB_K_NONE:
    case TB_K_ARG:
    case TB_K_END:
        fault(c, id, "an instruction that may stand in a list");
    }
}

static void
check_region(checker *c, uint32_t region, uint32_t owner)
{
    const tb_kregion *r = &c->f->regions.at[region];

    MUST(c, owner, r->owner == owner && !r->once);
    for (uint32_t n = 0; n < r->insts.n; n++) {
        uint32_t id = r->insts.at[n];
        MUST(c, owner, id > 0 && id < c->f->insts.n);
        MUST(c, id, c->f->insts.at[id].region == region && !c->defined[id]);
        check_inst(c, id, &c->f->insts.at[id]);
        c->defined[id] = true;
    }
    if (owner && c->f->insts.at[owner].op == TB_K_FOR)
        check_next(c, owner);
    /* outside, what was defined here is not visible */
    for (uint32_t n = 0; n < r->insts.n; n++)
        c->defined[r->insts.at[n]] = false;
    for (uint32_t n = 0; n < r->args.n; n++)
        c->defined[r->args.at[n].id] = false;
}

void
tb_kernel_verify(const tb_kernel *k)
{
    checker c = {.k = k};

    TB_CHECK(k->f == k->fns.at[0] && k->region == 0);
    for (uint32_t n = 0; n < k->fns.n; n++) {
        c.f = k->fns.at[n];
        c.defined = TB_NEWN(&k->cx->scratch, bool, c.f->insts.n);
        check_region(&c, 0, 0);
    }
}
