/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * memory.c -- offsets in the arena.
 *
 * All sizes constant: largest first, each at the lowest offset that is free during its
 * lifetime (greedy by size; Pisarchyk and Lee, "Efficient Memory Management for Deep Neural
 * Net Inference", 2020). With symbolic sizes offsets cannot be compared, so values share
 * slots: a value goes to a slot that is free during its lifetime, preferably one that is
 * known to be large enough, and slots lie one after the other.
 */
#include "program/program.h"

static bool
overlap(const tb_lifetime *a, const tb_lifetime *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Indices by falling size (typical size for symbolic ones), then by number. */
static uint32_t *
by_size(tb_unit *u, const tb_lifetime *lives, uint32_t n)
{
    tb_arena *a = &u->cx->keep;
    uint32_t *order = TB_NEWN(a, uint32_t, n + 1), *tmp = TB_NEWN(a, uint32_t, n + 1);
    int64_t *size = TB_NEWN(a, int64_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        size[i] = tb_dim_hint(u, lives[i].bytes);
    }
    for (uint32_t width = 1; width < n; width *= 2) { /* merge sort: stable */
        for (uint32_t lo = 0; lo < n; lo += 2 * width) {
            uint32_t mid = lo + width < n ? lo + width : n;
            uint32_t hi = lo + 2 * width < n ? lo + 2 * width : n, i = lo, j = mid;
            for (uint32_t k = lo; k < hi; k++)
                tmp[k] = j >= hi || (i < mid && size[order[i]] >= size[order[j]])
                             ? order[i++]
                             : order[j++];
        }
        memcpy(order, tmp, sizeof *order * n);
    }
    return order;
}

static tb_dim
place_const(tb_unit *u, tb_lifetime *lives, const uint32_t *order, uint32_t n)
{
    int64_t total = 0;
    /* placed values by rising offset */
    uint32_t *placed = TB_NEWN(&u->cx->keep, uint32_t, n + 1), n_placed = 0;
    for (uint32_t i = 0; i < n; i++) {
        tb_lifetime *v = &lives[order[i]];
        int64_t at = 0, best = -1, best_gap = INT64_MAX;
        for (uint32_t j = 0; j < n_placed; j++) {
            const tb_lifetime *o = &lives[placed[j]];
            if (!overlap(v, o))
                continue;
            int64_t gap = o->offset - at;
            if (gap >= v->bytes && gap < best_gap) {
                best = at;
                best_gap = gap;
            }
            if (o->offset + o->bytes > at)
                at = o->offset + o->bytes;
        }
        v->offset = best >= 0 ? best : at;
        if (v->offset + v->bytes > total)
            total = v->offset + v->bytes;
        uint32_t j = n_placed++;
        for (; j > 0 && lives[placed[j - 1]].offset > v->offset; j--)
            placed[j] = placed[j - 1];
        placed[j] = order[i];
    }
    return total;
}

typedef struct slot {
    tb_dim bytes;
    TB_VEC(uint32_t) members;
} slot;

static tb_dim
place_slots(tb_unit *u, tb_lifetime *lives, const uint32_t *order, uint32_t n)
{
    tb_arena *a = &u->cx->keep;
    TB_VEC(slot) slots = {0};
    uint32_t *slot_of = TB_NEWN(a, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const tb_lifetime *v = &lives[order[i]];
        uint32_t best = UINT32_MAX;
        bool best_fits = false;
        for (uint32_t s = 0; s < slots.n && !best_fits; s++) {
            bool free = true;
            for (uint32_t m = 0; m < slots.at[s].members.n && free; m++)
                free = !overlap(v, &lives[slots.at[s].members.at[m]]);
            if (!free)
                continue;
            bool fits = tb_dim_le(u, v->bytes, slots.at[s].bytes);
            if (best == UINT32_MAX || fits) {
                best = s;
                best_fits = fits;
            }
        }
        if (best == UINT32_MAX) {
            TB_PUSH(a, &slots, ((slot){.bytes = v->bytes}));
            best = slots.n - 1;
        } else if (!best_fits) {
            slots.at[best].bytes = tb_dim_max(u, slots.at[best].bytes, v->bytes);
        }
        TB_PUSH(a, &slots.at[best].members, order[i]);
        slot_of[order[i]] = best;
    }
    tb_dim total = 0;
    tb_dim *offset = TB_NEWN(a, tb_dim, slots.n + 1);
    for (uint32_t s = 0; s < slots.n; s++) {
        offset[s] = total;
        total = tb_dim_add(u, total, slots.at[s].bytes);
    }
    for (uint32_t i = 0; i < n; i++)
        lives[i].offset = offset[slot_of[i]];
    return total;
}

tb_dim
tb_plan_memory(tb_unit *u, tb_lifetime *lives, uint32_t n)
{
    bool all_const = true;
    uint32_t *order = by_size(u, lives, n);
    for (uint32_t i = 0; i < n; i++)
        all_const = all_const && tb_dim_is_const(lives[i].bytes);
    return all_const ? place_const(u, lives, order, n) : place_slots(u, lives, order, n);
}
