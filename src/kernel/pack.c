/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pack.c -- constant operands of contractions, laid out at compile time.
 *
 * A request is remembered in the list of packs of the lowering, so that several targets,
 * and several uses of one weight, share one packed copy.
 */
#include "kernel/contract.h"

static void
copy_row(uint8_t *to, const uint8_t *from, int64_t n, int64_t step, size_t elem)
{
    if (step == 1) {
        memcpy(to, from, (size_t)n * elem);
        return;
    }
    for (int64_t j = 0; j < n; j++)
        memcpy(to + (size_t)j * elem, from + (size_t)(j * step) * elem, elem);
}

/* A column-wise operand (step_r == 1) is read along its rows in small blocks, so that both
 * sides stay in cache. */
static void
pack_panel(uint8_t *to, const uint8_t *from, const tb_pack_request *q, int64_t cols, size_t elem)
{
    enum { BLOCK = 16 };
    if (q->step_r != 1 || elem != 4) {
        for (int64_t r = 0; r < q->R; r++)
            copy_row(to + (size_t)(r * q->panel) * elem, from + (size_t)(r * q->step_r) * elem,
                     cols, q->step_n, elem);
        return;
    }
    const uint32_t *src = (const uint32_t *)(const void *)from;
    uint32_t *dst = (uint32_t *)(void *)to;
    for (int64_t r0 = 0; r0 < q->R; r0 += BLOCK) {
        int64_t r1 = r0 + BLOCK < q->R ? r0 + BLOCK : q->R;
        for (int64_t j = 0; j < cols; j++)
            for (int64_t r = r0; r < r1; r++)
                dst[r * q->panel + j] = src[j * q->step_n + r];
    }
}

static void
pack_all(uint8_t *to, const uint8_t *from, const tb_pack_request *q, size_t elem)
{
    int64_t panels = (q->N + q->panel - 1) / q->panel;
    for (int64_t g = 0; g < q->groups; g++)
        for (int64_t p = 0; p < panels; p++) {
            int64_t n0 = p * q->panel, cols = q->N - n0 < q->panel ? q->N - n0 : q->panel;
            int64_t at = q->offset + g * q->step_group + n0 * q->step_n;
            pack_panel(to + (size_t)((g * panels + p) * q->R * q->panel) * elem,
                       from + (size_t)at * elem, q, cols, elem);
        }
}

/* In place: what is written is never ahead of what is read. */
static void
round_to_bf16(tb_const *c)
{
    uint8_t *data = (uint8_t *)(uintptr_t)c->bytes;

    TB_CHECK(c->dtype == TB_F32);
    c->dtype = TB_BF16;
    c->n_bytes /= 2;
    for (size_t i = 0; i < c->n_bytes / 2; i++) {
        float v;
        memcpy(&v, data + 4 * i, sizeof v);
        uint16_t rounded = tb_f32_to_bf16(v);
        memcpy(data + 2 * i, &rounded, sizeof rounded);
    }
}

uint32_t
tb_pack_const(tb_lower *l, uint32_t unit_const, const tb_pack_request *q)
{
    tb_arena *a = &l->u->cx->keep;
    tb_packs *packs = l->out->packs;
    tb_pack want = {unit_const, {0}, 0};

    _Static_assert(sizeof want.key == sizeof *q, "a key is a request");
    memcpy(want.key, q, sizeof want.key);
    for (uint32_t i = 0; i < packs->n; i++)
        if (packs->at[i].source == unit_const &&
            memcmp(packs->at[i].key, want.key, sizeof want.key) == 0)
            return packs->at[i].packed;
    tb_const src = l->u->consts.at[unit_const];
    size_t elem = tb_dtype_bytes(src.dtype);
    int64_t panels = (q->N + q->panel - 1) / q->panel;
    int64_t n = q->groups * panels * q->R * q->panel;
    tb_const c = {.name = tb_sprintf(a, "%.*s.packed", TB_FMT(src.name)),
                  .dtype = src.dtype,
                  .rank = 1,
                  .dims = {n},
                  .n_bytes = (size_t)n * elem};
    uint8_t *to = tb_alloc(a, c.n_bytes);
    pack_all(to, src.bytes, q, elem);
    c.bytes = to;
    if (q->rounded)
        round_to_bf16(&c);
    want.packed = tb_unit_const(l->u, c);
    TB_PUSH(a, packs, want);
    return want.packed;
}
