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
pack_panel(uint8_t *to, const uint8_t *from, int64_t R, int64_t cols, int64_t step_r,
           int64_t step_n, size_t elem)
{
    enum { BLOCK = 16 };
    if (step_r != 1 || elem != 4) {
        for (int64_t r = 0; r < R; r++)
            copy_row(to + (size_t)(r * TB_PANEL) * elem, from + (size_t)(r * step_r) * elem,
                     cols, step_n, elem);
        return;
    }
    const uint32_t *src = (const uint32_t *)(const void *)from;
    uint32_t *dst = (uint32_t *)(void *)to;
    for (int64_t r0 = 0; r0 < R; r0 += BLOCK) {
        int64_t r1 = r0 + BLOCK < R ? r0 + BLOCK : R;
        for (int64_t j = 0; j < cols; j++)
            for (int64_t r = r0; r < r1; r++)
                dst[r * TB_PANEL + j] = src[j * step_n + r];
    }
}

uint32_t
tb_pack_const(tb_lower *l, uint32_t unit_const, int64_t offset, int64_t R, int64_t N,
              int64_t step_r, int64_t step_n, int64_t groups, int64_t step_group)
{
    tb_arena *a = &l->u->cx->keep;
    tb_packs *packs = l->out->packs;
    tb_pack want = {unit_const, {offset, R, N, step_r, step_n, groups, step_group}, 0};

    for (uint32_t i = 0; i < packs->n; i++)
        if (packs->at[i].source == unit_const &&
            memcmp(packs->at[i].key, want.key, sizeof want.key) == 0)
            return packs->at[i].packed;
    tb_const src = l->u->consts.at[unit_const];
    size_t elem = tb_dtype_bytes(src.dtype);
    int64_t panels = (N + TB_PANEL - 1) / TB_PANEL;
    tb_const c = {.name = tb_sprintf(a, "%.*s.packed", TB_FMT(src.name)),
                  .dtype = src.dtype,
                  .rank = 1,
                  .dims = {groups * panels * R * TB_PANEL},
                  .n_bytes = (size_t)(groups * panels * R * TB_PANEL) * elem};
    uint8_t *to = tb_alloc(a, c.n_bytes);
    for (int64_t g = 0; g < groups; g++)
        for (int64_t p = 0; p < panels; p++) {
            int64_t n0 = p * TB_PANEL, cols = N - n0 < TB_PANEL ? N - n0 : TB_PANEL;
            const uint8_t *from =
                (const uint8_t *)src.bytes +
                (size_t)(offset + g * step_group + n0 * step_n) * elem;
            pack_panel(to + (size_t)((g * panels + p) * R * TB_PANEL) * elem, from, R, cols,
                       step_r, step_n, elem);
        }
    c.bytes = to;
    want.packed = tb_unit_const(l->u, c);
    TB_PUSH(a, packs, want);
    return want.packed;
}
