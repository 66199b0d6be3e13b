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

/*
 * Which values that have a place live at the same time as another one: those that live at
 * its first moment, and those that begin while it lives. The former lie in a tree over
 * time, each in the few nodes that make up its lifetime; the latter by their beginning.
 */
typedef TB_VEC(uint32_t) list;
typedef struct timeline {
    const tb_lifetime *lives;
    uint32_t leaves; /* a power of two */
    list *alive;     /* by node of the tree; leaf of moment t: leaves + t */
    list *begun;     /* by moment */
    list found;      /* of the last query */
    list placed;     /* all, by rising offset */
} timeline;

static timeline
new_timeline(tb_arena *a, const tb_lifetime *lives, uint32_t n)
{
    timeline t = {.lives = lives, .leaves = 1};
    uint32_t end = 0;
    for (uint32_t i = 0; i < n; i++)
        end = lives[i].last > end ? lives[i].last : end;
    while (t.leaves <= end)
        t.leaves *= 2;
    t.alive = TB_NEWN(a, list, 2 * (size_t)t.leaves);
    t.begun = TB_NEWN(a, list, t.leaves);
    return t;
}

static void
add_life(timeline *t, tb_arena *a, uint32_t i)
{
    uint32_t lo = t->leaves + t->lives[i].first, hi = t->leaves + t->lives[i].last + 1;
    uint32_t at = 0, n = t->placed.n;
    while (n > 0) /* behind those of the same offset */
        if (t->lives[t->placed.at[at + n / 2]].offset <= t->lives[i].offset) {
            at += n / 2 + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    TB_PUSH(a, &t->placed, i);
    memmove(t->placed.at + at + 1, t->placed.at + at, sizeof i * (t->placed.n - 1 - at));
    t->placed.at[at] = i;
    TB_PUSH(a, &t->begun[t->lives[i].first], i);
    for (; lo < hi; lo /= 2, hi /= 2) {
        if (lo % 2) {
            TB_PUSH(a, &t->alive[lo], i);
            lo++;
        }
        if (hi % 2) {
            hi--;
            TB_PUSH(a, &t->alive[hi], i);
        }
    }
}

static void
take_all(timeline *t, tb_arena *a, const list *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        TB_PUSH(a, &t->found, from->at[i]);
}

/* By rising offset; those of one offset in any order. */
static void
sort_found(timeline *t)
{
    const tb_lifetime *l = t->lives;
    uint32_t *x = t->found.at, n = t->found.n;
    for (uint32_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) /* Shell sort */
        for (uint32_t i = gap; i < n; i++) {
            uint32_t v = x[i], j = i;
            for (; j >= gap && l[x[j - gap]].offset > l[v].offset; j -= gap)
                x[j] = x[j - gap];
            x[j] = v;
        }
}

/* Where there are many, looking at all in order is faster than putting them in order. */
static void
find_in_order(timeline *t, tb_arena *a, const tb_lifetime *v)
{
    t->found.n = 0;
    for (uint32_t i = 0; i < t->placed.n; i++) {
        const tb_lifetime *o = &t->lives[t->placed.at[i]];
        if (v->first <= o->last && o->first <= v->last)
            TB_PUSH(a, &t->found, t->placed.at[i]);
    }
}

static void
find_neighbours(timeline *t, tb_arena *a, const tb_lifetime *v)
{
    t->found.n = 0;
    for (uint32_t node = t->leaves + v->first; node > 0; node /= 2)
        take_all(t, a, &t->alive[node]);
    for (uint32_t at = v->first + 1; at <= v->last; at++)
        take_all(t, a, &t->begun[at]);
    if (t->found.n > t->placed.n / 16)
        find_in_order(t, a, v);
    else
        sort_found(t);
}

static tb_dim
place_const(tb_unit *u, tb_lifetime *lives, const uint32_t *order, uint32_t n)
{
    tb_arena *a = &u->cx->keep;
    timeline t = new_timeline(a, lives, n);
    int64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        tb_lifetime *v = &lives[order[i]];
        int64_t at = 0, best = -1, best_gap = INT64_MAX;
        find_neighbours(&t, a, v);
        for (uint32_t j = 0; j < t.found.n; j++) {
            const tb_lifetime *o = &lives[t.found.at[j]];
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
        add_life(&t, a, order[i]);
    }
    return total;
}

typedef struct slot {
    tb_dim bytes;
    TB_VEC(uint32_t) members; /* one after the other in time */
} slot;

/* Where v would come among the members, or UINT32_MAX if one of them lives with it. */
static uint32_t
free_at(const slot *s, const tb_lifetime *lives, const tb_lifetime *v)
{
    uint32_t i = 0, n = s->members.n;
    while (n > 0) /* the first member that ends after v begins */
        if (lives[s->members.at[i + n / 2]].last < v->first) {
            i += n / 2 + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    if (i < s->members.n && lives[s->members.at[i]].first <= v->last)
        return UINT32_MAX;
    return i;
}

static void
insert(tb_arena *a, slot *s, uint32_t at, uint32_t life)
{
    TB_PUSH(a, &s->members, life);
    memmove(s->members.at + at + 1, s->members.at + at,
            sizeof life * (s->members.n - 1 - at));
    s->members.at[at] = life;
}

static tb_dim
place_slots(tb_unit *u, tb_lifetime *lives, const uint32_t *order, uint32_t n)
{
    tb_arena *a = &u->cx->keep;
    TB_VEC(slot) slots = {0};
    uint32_t *slot_of = TB_NEWN(a, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const tb_lifetime *v = &lives[order[i]];
        uint32_t best = UINT32_MAX, best_at = 0;
        bool best_fits = false;
        for (uint32_t s = 0; s < slots.n && !best_fits; s++) {
            uint32_t at = free_at(&slots.at[s], lives, v);
            if (at == UINT32_MAX)
                continue;
            bool fits = tb_dim_le(u, v->bytes, slots.at[s].bytes);
            if (best == UINT32_MAX || fits) {
                best = s;
                best_at = at;
                best_fits = fits;
            }
        }
        if (best == UINT32_MAX) {
            TB_PUSH(a, &slots, ((slot){.bytes = v->bytes}));
            best = slots.n - 1;
        } else if (!best_fits) {
            slots.at[best].bytes = tb_dim_max(u, slots.at[best].bytes, v->bytes);
        }
        insert(a, &slots.at[best], best_at, order[i]);
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
