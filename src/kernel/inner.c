/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * inner.c -- the micro-kernel of products whose operands are both contiguous along r, as
 * x @ W.t() is with a weight of torch.nn.Linear: inner products, without packing.
 *
 * fn(a0 .. a[mr-1], b0 .. b[cols-1], c, len): c[i][j] is the sum over r < len of
 * a_i[r] * b_j[r]. Lanes run along r; mr x cols vectors are carried by the loop. At the end
 * the vectors of a row change lanes for columns while they are added up, in as many steps
 * as it takes to add up one of them.
 *
 * With `dot` both are bf16 and lanes are words of two neighbours. (Widening words by a shift and
 * a mask instead takes more registers than there are: 1.4 times as long as element by element.)
 */
#include "kernel/contract.h"

enum { MAX_ACC = 32 };

/* x[0 .. n) of w lanes to one of n lanes: lane j is the sum of x[j]. n <= w, both powers
 * of two. */
static tb_kv
add_up(tb_kernel *k, tb_kv *x, int n, int w)
{
    int32_t first[64], second[64];

    for (int d = 1; d < n; d *= 2)
        for (int i = 0; i < n; i += 2 * d) {
            for (int l = 0; l < w; l++) {
                first[l] = l & d ? w + l - d : l;
                second[l] = l & d ? w + l : l + d;
            }
            x[i] = tb_k_map(k, TB_P_add, tb_k_shuffle(k, x[i], x[i + d], first, w),
                            tb_k_shuffle(k, x[i], x[i + d], second, w), TB_NO_KV);
        }
    for (; w > n; w /= 2) {
        for (int l = 0; l < w / 2; l++) {
            first[l] = l;
            second[l] = l + w / 2;
        }
        x[0] = w == 2 ? tb_k_map(k, TB_P_add, tb_k_extract(k, x[0], 0),
                                 tb_k_extract(k, x[0], 1), TB_NO_KV)
                      : tb_k_map(k, TB_P_add, tb_k_shuffle(k, x[0], x[0], first, w / 2),
                                 tb_k_shuffle(k, x[0], x[0], second, w / 2), TB_NO_KV);
    }
    return x[0];
}

typedef struct dots {
    tb_kernel *k;
    const tb_micro *m;
    int mr;
    tb_kv a[MAX_ACC], b[MAX_ACC];
} dots;

/* acc += a . b over the lanes from `at`; lanes that are not in `sees` count as 0. */
static void
step(const dots *d, tb_kv at, tb_kv sees, tb_kv *acc)
{
    tb_kernel *k = d->k;
    const tb_micro *m = d->m;
    tb_kv zero = tb_k_splat(k, tb_k_const(k, m->acc, 0), m->lanes), a[MAX_ACC];

    for (int i = 0; i < d->mr; i++) {
        a[i] = tb_k_load(k, m->a_mem, m->lanes, d->a[i], at, 0, TB_NO_KV);
        if (sees.id)
            a[i] = tb_k_map(k, TB_P_where, sees, a[i], zero);
    }
    for (int j = 0; j < m->cols; j++) {
        tb_kv b = tb_k_load(k, m->b_mem, m->lanes, d->b[j], at, 0, TB_NO_KV);
        if (sees.id)
            b = tb_k_map(k, TB_P_where, sees, b, zero);
        for (int i = 0; i < d->mr; i++)
            acc[i * m->cols + j] = tb_k_fma(k, a[i], b, acc[i * m->cols + j]);
    }
}

/* ---- dot products of pairs ---- */

/* Which of the elements in a vector of words count: none given, all. */
typedef struct halves {
    tb_kv low, high; /* BOOL lanes */
} halves;

static tb_kv
load_words(const dots *d, tb_kv row, tb_kv at)
{
    return tb_k_load(d->k, TB_U32, d->m->lanes, tb_k_ptr_add(d->k, row, at, 2), TB_NO_KV, 0,
                     TB_NO_KV);
}

/* Words with zeros for the elements that do not count. */
static tb_kv
kept(const dots *d, tb_kv words, halves sees)
{
    tb_kernel *k = d->k;
    tb_kv zero = tb_k_splat(k, tb_k_const_int(k, TB_U32, 0), d->m->lanes);
    tb_kv low = tb_k_const_int(k, TB_U32, 0xffff), high = tb_k_const_int(k, TB_U32, 0xffff0000);

    if (!sees.low.id)
        return words;
    low = tb_k_map(k, TB_P_where, sees.low, tb_k_splat(k, low, d->m->lanes), zero);
    high = tb_k_map(k, TB_P_where, sees.high, tb_k_splat(k, high, d->m->lanes), zero);
    return tb_k_map(k, TB_P_and, words, tb_k_map(k, TB_P_or, low, high, TB_NO_KV), TB_NO_KV);
}

/* acc += a . b over 2 * lanes elements from `at`. */
static void
dot_step(const dots *d, tb_kv at, halves sees, tb_kv *acc)
{
    int cols = d->m->cols;
    tb_kv a[MAX_ACC];

    for (int i = 0; i < d->mr; i++)
        a[i] = kept(d, load_words(d, d->a[i], at), sees);
    for (int j = 0; j < cols; j++) {
        tb_kv b = kept(d, load_words(d, d->b[j], at), sees);
        for (int i = 0; i < d->mr; i++)
            acc[i * cols + j] = tb_k_dot_bf16(d->k, a[i], b, acc[i * cols + j]);
    }
}

/* The last vector, `at`, of which the first `done` elements have been counted. */
static void
last_step(const dots *d, tb_kv at, tb_kv done, tb_kv *acc)
{
    tb_kernel *k = d->k;
    int w = d->m->lanes;
    tb_kv ids = tb_k_lane_ids(k, TB_I64, w);

    if (!d->m->dot) {
        step(d, at, tb_k_map(k, TB_P_le, tb_k_splat(k, done, w), ids, TB_NO_KV), acc);
        return;
    }
    tb_kv low = tb_k_mul(k, ids, tb_k_splat(k, tb_k_int(k, 2), w));
    tb_kv high = tb_k_add(k, low, tb_k_splat(k, tb_k_int(k, 1), w));
    halves sees = {tb_k_map(k, TB_P_le, tb_k_splat(k, done, w), low, TB_NO_KV),
                   tb_k_map(k, TB_P_le, tb_k_splat(k, done, w), high, TB_NO_KV)};
    dot_step(d, at, sees, acc);
}

uint32_t
tb_inner_function(tb_kernel *k, const tb_micro *m, int mr)
{
    int w = m->lanes, n_acc = mr * m->cols, group = m->cols < w ? m->cols : w;
    int each = m->dot ? 2 * w : w; /* elements of a vector */
    uint16_t params[TB_MICRO_ARGS];
    uint32_t n = 0;
    dots d = {.k = k, .m = m, .mr = mr};
    tb_kv acc[MAX_ACC];

    TB_CHECK(n_acc <= MAX_ACC && mr + m->cols + 2 <= TB_MICRO_ARGS);
    for (int i = 0; i < mr + m->cols + 1; i++)
        params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8;
    uint32_t fn = tb_k_fn_begin(k, TB_STR("inner"), params, n);
    for (int i = 0; i < mr; i++)
        d.a[i] = tb_k_param(k, (uint32_t)i);
    for (int j = 0; j < m->cols; j++)
        d.b[j] = tb_k_param(k, (uint32_t)(mr + j));
    tb_kv c = tb_k_param(k, n - 2), len = tb_k_param(k, n - 1);
    tb_kv whole = tb_k_mul(k, tb_k_div(k, len, tb_k_int(k, each)), tb_k_int(k, each));
    for (int i = 0; i < n_acc; i++)
        acc[i] = tb_k_splat(k, tb_k_const(k, m->acc, 0), w);
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), whole, each, acc, (uint32_t)n_acc);
    for (int i = 0; i < n_acc; i++)
        acc[i] = tb_k_carried(k, (uint32_t)i);
    if (m->dot)
        dot_step(&d, r, (halves){TB_NO_KV, TB_NO_KV}, acc);
    else
        step(&d, r, TB_NO_KV, acc);
    tb_k_end_for(k, acc, acc);
    if (m->ragged) { /* the last whole vector there is, without the lanes that are done */
        r = tb_k_for(k, whole, len, each, acc, (uint32_t)n_acc);
        for (int i = 0; i < n_acc; i++)
            acc[i] = tb_k_carried(k, (uint32_t)i);
        tb_kv at = tb_k_sub(k, len, tb_k_int(k, each));
        last_step(&d, at, tb_k_sub(k, r, at), acc);
        tb_k_end_for(k, acc, acc);
    }
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < m->cols; j += group)
            tb_k_store(k, m->acc, c, TB_NO_KV, i * m->panel + j,
                       add_up(k, acc + i * m->cols + j, group, w), TB_NO_KV);
    tb_k_fn_end(k);
    return fn;
}
