/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * pack.c -- constant operands of contractions, laid out at compile time.
 *
 * A request is remembered in the list of packs of the lowering, so that several targets,
 * and several uses of one weight, share one packed copy.
 */
#include <stdlib.h>

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
pack_panel(uint8_t *to, int64_t pitch, const uint8_t *from, const tb_pack_request *q, int64_t cols,
           size_t elem)
{
    enum { BLOCK = 16 };
    if (q->step_r != 1 || elem != 4) {
        for (int64_t r = 0; r < q->R; r++)
            copy_row(to + (size_t)(r * pitch) * elem, from + (size_t)(r * q->step_r) * elem,
                     cols, q->step_n, elem);
        return;
    }
    const uint32_t *src = (const uint32_t *)(const void *)from;
    uint32_t *dst = (uint32_t *)(void *)to;
    for (int64_t r0 = 0; r0 < q->R; r0 += BLOCK) {
        int64_t r1 = r0 + BLOCK < q->R ? r0 + BLOCK : q->R;
        for (int64_t j = 0; j < cols; j++)
            for (int64_t r = r0; r < r1; r++)
                dst[r * pitch + j] = src[j * q->step_n + r];
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
                       p + 1 < panels ? q->panel : q->last, from + (size_t)at * elem, q, cols,
                       elem);
        }
}

/* ---- recipes: nothing is laid out before it is written ---- */
typedef struct packing {
    tb_recipe recipe;
    tb_const from;
    tb_pack_request q;
    size_t elem;   /* bytes of one, as packed first */
    int64_t n;     /* elements, as packed first */
    int64_t rows;  /* of a panel of the result: R, even where they are pairs */
    int64_t panels;
} packing;

static bool
pack_plain(const packing *p, void *to)
{
    uint8_t *made = NULL;
    const uint8_t *from = p->from.bytes;

    if (p->from.recipe) {
        from = made = malloc(p->from.n_bytes + 1);
        if (!made || !p->from.recipe->make(p->from.recipe, made)) {
            free(made);
            return false;
        }
    }
    if (p->q.N % p->q.panel) /* panels that are not full */
        memset(to, 0, (size_t)p->n * p->elem);
    pack_all(to, from, &p->q, p->elem);
    free(made);
    return true;
}

/* A row of a panel, every step-th element, in bf16. */
static void
narrow_row(uint16_t *to, int64_t step, const uint8_t *from, const packing *p)
{
    for (int64_t j = 0; j < p->q.panel; j++)
        to[j * step] = p->q.rounded ? tb_f32_to_bf16(((const float *)(const void *)from)[j])
                                    : ((const uint16_t *)(const void *)from)[j];
}

static bool
make_packed(const tb_recipe *r, void *to)
{
    const packing *p = (const packing *)(const void *)r;

    const tb_pack_request *q = &p->q;

    if (!q->rounded && !q->pairs)
        return pack_plain(p, to);
    uint8_t *plain = malloc((size_t)p->n * p->elem + 1);
    bool made = plain && pack_plain(p, plain);
    if (made && q->R % 2) /* what is beside the last row */
        memset(to, 0, (size_t)(p->panels * p->rows * q->panel) * sizeof(uint16_t));
    for (int64_t row = 0; made && row < p->panels * q->R; row++) {
        int64_t i = row % q->R, at = row / q->R * p->rows * q->panel, step = q->pairs ? 2 : 1;
        at += q->pairs ? i / 2 * 2 * q->panel + i % 2 : i * q->panel;
        narrow_row((uint16_t *)to + at, step, plain + (size_t)(row * q->panel) * p->elem, p);
    }
    free(plain);
    return made;
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
    packing *p = TB_NEW(a, packing);
    *p = (packing){.recipe = {make_packed}, .from = l->u->consts.at[unit_const], .q = *q};
    p->elem = tb_dtype_bytes(p->from.dtype);
    p->panels = q->groups * ((q->N + q->panel - 1) / q->panel);
    p->n = p->panels * q->R * q->panel - q->R * (q->panel - q->last);
    p->rows = q->pairs ? TB_ALIGN_UP(q->R, 2) : q->R;
    int64_t n = q->pairs ? p->panels * p->rows * q->panel : p->n;
    TB_CHECK(q->last == q->panel || (!q->pairs && !q->rounded && q->groups == 1));
    TB_CHECK(p->from.dtype == (q->rounded ? TB_F32 : q->pairs ? TB_BF16 : p->from.dtype));
    tb_dtype dtype = q->rounded ? TB_BF16 : p->from.dtype;
    tb_const c = {.name = tb_sprintf(a, "%.*s.packed", TB_FMT(p->from.name)),
                  .dtype = dtype,
                  .rank = 1,
                  .dims = {n},
                  .recipe = &p->recipe,
                  .n_bytes = (size_t)n * tb_dtype_bytes(dtype)};
    want.packed = tb_unit_const(l->u, c);
    TB_PUSH(a, packs, want);
    return want.packed;
}
