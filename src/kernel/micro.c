/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * micro.c -- the micro-kernel of products: a register tile of MR rows x NV vectors, an
 * internal function of the kernel that uses it. Rows that do not fill a tile are computed
 * in pieces of 8, 4, 2 and 1 by functions of their own. Codegen writes equal functions
 * of all kernels once.
 *
 * fn(a0 .. a[mr-1], b, pitch, c, len, step): c[i][0 .. nv*lanes) gets (or is added) the sum
 * over r < len of a_i[r * step] * b[r * pitch ..]. Accumulators are carried by the loop, so
 * they stay in registers. With `runs` there are two more arguments, runs and distance: a_i is
 * read in so many runs of len, `distance` apart, while b goes on. For the shape of the tile see docs/codegen.md; after Goto and van
 * de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
 */
#include "kernel/contract.h"

/* Rows of a register tile of four vectors, and of three. */
enum { WIDE_ROWS = 6, ONCE_ROWS = 8 };

static uint32_t
write_function(tb_kernel *k, const tb_micro *m, int mr)
{
    int nv = m->nv, w = m->lanes;
    uint16_t params[TB_MICRO_ARGS];
    tb_kv acc[64], a[TB_MICRO_ARGS], vb[8];
    int64_t b_bytes = (int64_t)tb_dtype_bytes(m->b_mem);
    uint32_t n = 0, n_acc = (uint32_t)(mr * nv);

    TB_CHECK(n_acc < TB_COUNT(acc) && nv <= 8 && mr + 7 <= TB_MICRO_ARGS);
    TB_CHECK(!m->runs || m->unit_step);
    for (int i = 0; i < mr + 1; i++)
        params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* pitch of b in elements */
    params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* len */
    params[n++] = TB_I64 | 1 << 8; /* step of a in elements */
    for (int i = 0; m->runs && i < 2; i++)
        params[n++] = TB_I64 | 1 << 8; /* runs of a, elements from one to the next */
    uint32_t fn = tb_k_fn_begin(k, TB_STR("micro"), params, n);
    tb_kv b = tb_k_param(k, (uint32_t)mr);
    tb_kv pitch = m->pitched ? tb_k_param(k, (uint32_t)mr + 1) : tb_k_int(k, m->panel);
    tb_kv out = tb_k_param(k, (uint32_t)mr + 2), len = tb_k_param(k, (uint32_t)mr + 3);
    tb_kv zero = tb_k_splat(k, tb_k_const(k, m->acc, 0), w);

    for (int i = 0; i < mr; i++)
        a[i] = tb_k_param(k, (uint32_t)i);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            acc[i * nv + j] = m->fresh ? zero
                                       : tb_k_load(k, m->acc, w, out, TB_NO_KV,
                                                   (int64_t)i * m->panel + (int64_t)j * w,
                                                   TB_NO_KV);
    acc[n_acc] = b;
    tb_kv first = tb_k_int(k, 0);
    if (m->runs) {
        tb_kv run = tb_k_for(k, first, tb_k_param(k, (uint32_t)mr + 5), 1, acc, n_acc + 1);
        for (uint32_t i = 0; i <= n_acc; i++)
            acc[i] = tb_k_carried(k, i);
        first = tb_k_mul(k, run, tb_k_param(k, (uint32_t)mr + 6));
        len = tb_k_add(k, first, len);
    }
    tb_kv r = tb_k_for(k, first, len, 1, acc, n_acc + 1);
    for (uint32_t i = 0; i <= n_acc; i++)
        acc[i] = tb_k_carried(k, i);
    for (int j = 0; j < nv; j++)
        vb[j] = tb_k_load(k, m->b_mem, w, acc[n_acc], TB_NO_KV, (int64_t)j * w, TB_NO_KV);
    tb_kv ra = m->unit_step ? r : tb_k_mul(k, r, tb_k_param(k, (uint32_t)mr + 4));
    for (int i = 0; i < mr; i++) {
        tb_kv s = tb_k_load(k, m->a_mem, 1, a[i], ra, 0, TB_NO_KV);
        s = tb_k_splat(k, s, w);
        for (int j = 0; j < nv; j++)
            acc[i * nv + j] = tb_k_fma(k, s, vb[j], acc[i * nv + j]);
    }
    acc[n_acc] = tb_k_ptr_add(k, acc[n_acc], pitch, b_bytes);
    tb_k_end_for(k, acc, acc);
    if (m->runs)
        tb_k_end_for(k, acc, acc);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            tb_k_store(k, m->acc, out, TB_NO_KV, (int64_t)i * m->panel + (int64_t)j * w,
                       acc[i * nv + j], TB_NO_KV);
    tb_k_fn_end(k);
    return fn;
}

static uint32_t
function(tb_kernel *k, const tb_micro *m, int mr)
{
    return m->cols ? tb_inner_function(k, m, mr) : write_function(k, m, mr);
}

void
tb_micro_write(tb_kernel *k, tb_micro *m)
{
    m->fn = function(k, m, m->mr);
    for (int i = 0; i < TB_MICRO_TAILS; i++)
        if (m->tails >> i & 1)
            m->tail_fn[i] = function(k, m, 1 << i);
}

/* Rows first .. first + mr. */
static void
call(tb_kernel *k, const tb_micro *m, uint32_t fn, int mr, tb_kv first, const tb_micro_operands *o)
{
    tb_kv args[TB_MICRO_ARGS];
    int64_t b_bytes = (int64_t)tb_dtype_bytes(m->b_mem);
    int64_t c_bytes = (int64_t)tb_dtype_bytes(m->acc);
    tb_kv c = tb_k_ptr_add(k, o->c, tb_k_mul(k, first, tb_k_int(k, m->panel)), c_bytes);

    for (int i = 0; i < mr; i++)
        args[i] = o->row(o->user, tb_k_add(k, first, tb_k_int(k, i)));
    if (m->cols) {
        memcpy(args + mr, o->cols, sizeof *args * (size_t)m->cols);
        args[mr + m->cols] = c;
        args[mr + m->cols + 1] = o->len;
        tb_k_call(k, fn, args, (uint32_t)(mr + m->cols) + 2);
        return;
    }
    for (int j = 0; j < m->panel; j += m->nv * m->lanes) {
        tb_kv jj = tb_k_int(k, j);
        args[mr] = tb_k_ptr_add(k, o->b, jj, b_bytes);
        args[mr + 1] = o->pitch;
        args[mr + 2] = tb_k_ptr_add(k, c, jj, c_bytes);
        args[mr + 3] = o->len;
        args[mr + 4] = o->step;
        args[mr + 5] = o->runs;
        args[mr + 6] = o->distance;
        tb_k_call(k, fn, args, (uint32_t)mr + (m->runs ? 7 : 5));
    }
}

void
tb_micro_call(tb_kernel *k, const tb_micro *m, tb_kv n, const tb_micro_operands *o)
{
    tb_kv zero = tb_k_int(k, 0);

    if (!m->tails) {
        call(k, m, m->fn, m->mr, zero, o);
        return;
    }
    tb_k_if(k, tb_k_map(k, TB_P_eq, n, tb_k_int(k, m->mr), TB_NO_KV));
    call(k, m, m->fn, m->mr, zero, o);
    tb_k_else(k);
    for (int i = TB_MICRO_TAILS - 1; i >= 0; i--) {
        if (!(m->tails >> i & 1))
            continue;
        tb_kv bit = tb_k_int(k, 1 << i), above = tb_k_int(k, -(2 << i));
        tb_k_if(k, tb_k_lt(k, zero, tb_k_map(k, TB_P_and, n, bit, TB_NO_KV)));
        call(k, m, m->tail_fn[i], 1 << i, tb_k_map(k, TB_P_and, n, above, TB_NO_KV), o);
        tb_k_end_if(k);
    }
    tb_k_end_if(k);
}

/* ---- the shape of the tile ---- */

int
tb_micro_panel(tb_dim cols, tb_dim rows)
{
    /* time of a panel in vectors of 16; narrow ones need more loads for each product */
    static const struct {
        int panel;
        double cost;
    } widths[] = {{64, 4.0}, {48, 3.03}, {32, 2.08}, {16, 1.2}};
    int best = TB_MAX_PANEL;
    double least = 1e300;

    if (!tb_dim_is_const(cols))
        return TB_MAX_PANEL;
    for (size_t i = 0; i < TB_COUNT(widths); i++) {
        /* a second time over the panel is time in which memory rests */
        if (rows > WIDE_ROWS && rows <= ONCE_ROWS && widths[i].panel > 48)
            continue;
        double cost = __builtin_ceil((double)cols / widths[i].panel) * widths[i].cost;
        if (cost < least) {
            least = cost;
            best = widths[i].panel;
        }
    }
    return best;
}

/* Rows of the register tile that leave it without spills: mr * nv accumulators, nv vectors
 * of b, one of a; and as many pointers as there are rows. */
static int
most_rows(const tb_target *t, int nv)
{
    static const int wide[] = {0, 12, 12, 8, 6}, narrow[] = {0, 8, 6, 4, 2};

    if (t->lanes == 1)
        return 2;
    return (t->vregs >= 32 ? wide : narrow)[nv];
}

/* Time of n rows in tiles of mr: a tile costs a little more than its rows. */
static double
rows_cost(int64_t n, int mr)
{
    double cost = (double)(n / mr) * (mr + 0.8);

    for (int64_t rest = n % mr; rest; rest &= rest - 1)
        cost += (double)(rest & -rest) + 0.8;
    return cost;
}

void
tb_micro_shape(tb_micro *m, const tb_target *t, tb_dim rows, int64_t block)
{
    int most;

    m->lanes = t->lanes;
    if (m->acc == TB_F64 && m->lanes > 1)
        m->lanes /= 2;
    m->nv = t->lanes == 1 ? 4 : t->vregs >= 32 ? 4 : 2;
    while (m->nv > 1 && m->panel % (m->nv * m->lanes) != 0)
        m->nv--;
    if (m->cols)
        most = t->lanes == 1 ? 2 : t->vregs >= 32 ? 6 : 3;
    else
        most = most_rows(t, m->nv);
    m->mr = most;
    m->tails = 0;
    if (!tb_dim_is_const(rows) || block == 0) {
        for (int i = 0; i < TB_MICRO_TAILS && 1 << i < m->mr; i++)
            m->tails |= 1u << i;
        return;
    }
    for (int mr = most - 1; mr >= 1; mr--)
        if (rows_cost(rows, mr) < rows_cost(rows, m->mr) - 1e-9)
            m->mr = mr;
    int64_t last = rows % block;
    m->tails = (uint32_t)(rows >= block ? block % m->mr : 0) | (uint32_t)(last % m->mr);
    if (m->cols && m->mr == 1 && t->vregs >= 16)
        m->cols = 2 * TB_INNER_COLS; /* few chains of sums would wait for each other */
}
