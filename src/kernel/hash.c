/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hash.c -- what codegen depends on, in 128 bits: kernels with equal hashes are compiled
 * once. Names and source locations are left out.
 */
#include "kernel/kernel.h"

typedef struct hasher {
    uint64_t h[2];
} hasher;

static void
word(hasher *s, uint64_t x)
{
    s->h[0] = tb_hash_u64(x, s->h[0]);
    s->h[1] = tb_hash_u64(x ^ 0x5bd1e995u, s->h[1] + s->h[0]);
}

static void
hash_fn(hasher *s, const tb_kfn *f)
{
    word(s, f->insts.n);
    for (uint32_t i = 1; i < f->insts.n; i++) {
        const tb_kinst *x = &f->insts.at[i];
        word(s, x->op | (uint64_t)x->dtype << 8 | (uint64_t)x->lanes << 16 |
                    (uint64_t)x->mem << 24 | (uint64_t)x->n_in << 32);
        word(s, (uint64_t)x->imm);
        word(s, x->body | (uint64_t)x->other << 32);
        for (uint32_t j = 0; j < x->n_in; j++)
            word(s, f->operands.at[x->in + j].id);
    }
    for (uint32_t i = 0; i < f->lane_lists.n; i++)
        word(s, (uint64_t)f->lane_lists.at[i]);
    for (uint32_t i = 0; i < f->regions.n; i++) {
        const tb_kregion *r = &f->regions.at[i];
        word(s, r->insts.n | (uint64_t)r->args.n << 32);
        for (uint32_t j = 0; j < r->insts.n; j++)
            word(s, r->insts.at[j]);
        for (uint32_t j = 0; j < r->args.n; j++)
            word(s, r->args.at[j].id);
        for (uint32_t j = 0; j < r->next.n; j++)
            word(s, r->next.at[j].id);
    }
    for (uint32_t i = 0; i < f->params.n; i++)
        word(s, f->params.at[i]);
}

void
tb_kfn_hash(const tb_kfn *f, uint64_t hash[2])
{
    hasher s = {{3, 4}};

    hash_fn(&s, f);
    hash[0] = s.h[0];
    hash[1] = s.h[1];
}

void
tb_kernel_hash(const tb_kernel *k, uint64_t hash[2])
{
    hasher s = {{1, 2}};
    const char *level = k->target->level ? k->target->level->name : "";

    word(&s, tb_hash(level, strlen(level), 0));
    word(&s, k->target->fma | (uint64_t)k->target->masks << 1);
    word(&s, k->fns.n);
    for (uint32_t i = 0; i < k->fns.n; i++)
        hash_fn(&s, k->fns.at[i]);
    hash[0] = s.h[0];
    hash[1] = s.h[1];
}
