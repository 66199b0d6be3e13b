/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * micro_amx.c -- the micro-kernel of products of bf16 in tile registers: 2 x 2 registers of sums,
 * 32 rows of a by 32 columns of b, 32 elements of r at a time.
 *
 * fn(a, pitch, b, c, len): c[i][0 .. 16 nv) gets (or is added) the sum over r < len, a multiple of
 * 32, of a[i][r] * b[r]; a's rows are `pitch` bytes apart and b's are in pairs. With `ahead` there
 * is one more, as in micro.c. How many rows i there are says the configuration: up to 16 in the
 * upper registers, and in functions of more than 16 rows those above in the lower ones. Memory
 * outside of these rows is not touched.
 */
#include "kernel/contract.h"

enum { SUMS = 0, A = 4, B = 6 }; /* numbers of registers: sums[i][j], a[i], b[j] */
enum { PAIRS = TB_TREG_ROWS };   /* of r, of a register of b */

/* For n rows; where they are at most 16 nobody uses the lower registers. */
static void
configure(tb_kernel *k, tb_kv n)
{
    tb_kv all = tb_k_int(k, TB_TREG_ROWS), upper = tb_k_min(k, n, all);
    tb_kv lower = tb_k_max(k, tb_k_sub(k, n, all), tb_k_int(k, 1));
    tb_kv rows[TB_TREGS] = {upper, upper, lower, lower, upper, lower, all, all};

    tb_k_treg_config(k, rows);
}

void
tb_amx_begin(tb_kernel *k, const tb_micro *m)
{
    configure(k, tb_k_int(k, m->mr));
}

void
tb_amx_end(tb_kernel *k)
{
    tb_k_treg_release(k);
}

/* All sums, of `halves` registers of rows, from or to c. */
static void
each_sum(tb_kernel *k, const tb_micro *m, int halves, tb_kv c, bool store)
{
    int64_t row = m->panel * 4;
    tb_kv pitch = tb_k_int(k, row);

    for (int i = 0; i < halves; i++)
        for (int j = 0; j < m->nv; j++) {
            int t = SUMS + 2 * i + j;
            tb_kv at = tb_k_int(k, i * TB_TREG_ROWS * row + j * TB_TREG_BYTES);
            if (store)
                tb_k_treg_store(k, t, tb_k_ptr_add(k, c, at, 1), pitch);
            else if (m->fresh)
                tb_k_treg_zero(k, t);
            else
                tb_k_treg_load(k, t, tb_k_ptr_add(k, c, at, 1), pitch);
        }
}

static uint32_t
write_function(tb_kernel *k, const tb_micro *m, int halves)
{
    uint16_t params[6] = {TB_K_PTR | 1 << 8, TB_I64 | 1 << 8, TB_K_PTR | 1 << 8,
                          TB_K_PTR | 1 << 8, TB_I64 | 1 << 8, TB_K_PTR | 1 << 8};
    uint32_t fn = tb_k_fn_begin(k, TB_STR("micro_amx"), params, m->ahead ? 6 : 5), n = 2;
    tb_kv pitch = tb_k_param(k, 1), c = tb_k_param(k, 3);
    tb_kv at[3] = {tb_k_param(k, 0), tb_k_param(k, 2)};
    tb_kv b_pitch = tb_k_int(k, m->b_panel * 4);
    tb_kv below = tb_k_mul(k, pitch, tb_k_int(k, TB_TREG_ROWS));

    if (m->ahead)
        at[n++] = tb_k_param(k, 5);
    each_sum(k, m, halves, c, false);
    tb_kv steps = tb_k_div(k, tb_k_param(k, 4), tb_k_int(k, 2 * PAIRS));
    tb_k_for(k, tb_k_int(k, 0), steps, 1, at, n);
    for (uint32_t i = 0; i < n; i++)
        at[i] = tb_k_carried(k, i);
    if (m->ahead) {
        tb_k_prefetch_lines(k, at[2], (int64_t)m->ahead * PAIRS, TB_SECOND_CACHE);
        at[2] = tb_k_ptr_add(k, at[2], tb_k_int(k, m->ahead * PAIRS), 1);
    }
    for (int j = 0; j < m->nv; j++)
        tb_k_treg_load(k, B + j, tb_k_ptr_add(k, at[1], tb_k_int(k, j * TB_TREG_BYTES), 1),
                       b_pitch);
    for (int i = 0; i < halves; i++) {
        tb_k_treg_load(k, A + i, i ? tb_k_ptr_add(k, at[0], below, 1) : at[0], pitch);
        for (int j = 0; j < m->nv; j++)
            tb_k_treg_dot(k, SUMS + 2 * i + j, A + i, B + j);
    }
    at[0] = tb_k_ptr_add(k, at[0], tb_k_int(k, TB_TREG_BYTES), 1);
    at[1] = tb_k_ptr_add(k, at[1], tb_k_int(k, PAIRS * m->b_panel), 4);
    tb_k_end_for(k, at, at);
    each_sum(k, m, halves, c, true);
    tb_k_fn_end(k);
    return fn;
}

void
tb_amx_write(tb_kernel *k, tb_micro *m)
{
    tb_micro tail = tb_micro_of_tails(m);

    TB_CHECK(m->pairs && m->acc == TB_F32 && m->a_mem == TB_BF16 && m->unit_step && !m->pitched);
    TB_CHECK(!m->runs && !m->ragged && m->nv <= 2 && m->width % tb_micro_columns(m) == 0);
    m->fn = write_function(k, m, m->mr > TB_TREG_ROWS ? 2 : 1);
    if (m->tails && m->mr > TB_TREG_ROWS)
        m->tail_fn[0] = write_function(k, &tail, 1);
}

/* All columns of the panel, with as many rows as are configured. */
static void
call(tb_kernel *k, const tb_micro *m, uint32_t fn, const tb_micro_operands *o)
{
    tb_kv args[6] = {o->row(o->user, tb_k_int(k, 0)), o->a_pitch};
    int width = tb_micro_columns(m);

    for (int j = 0; j < m->width; j += width) {
        args[2] = tb_k_ptr_add(k, o->b, tb_k_int(k, j), 4);
        args[3] = tb_k_ptr_add(k, o->c, tb_k_int(k, j), 4);
        args[4] = o->len;
        if (m->ahead)
            args[5] = tb_micro_ask_from(k, m, o, j / width);
        tb_k_call(k, fn, args, m->ahead ? 6 : 5);
    }
}

void
tb_amx_call(tb_kernel *k, const tb_micro *m, tb_kv n, const tb_micro_operands *o)
{
    tb_micro tail = tb_micro_of_tails(m);

    if (!m->tails) {
        call(k, m, m->fn, o);
        return;
    }
    tb_k_if(k, tb_k_map(k, TB_P_eq, n, tb_k_int(k, m->mr), TB_NO_KV));
    call(k, m, m->fn, o);
    tb_k_else(k);
    configure(k, n);
    if (m->mr > TB_TREG_ROWS) {
        tb_k_if(k, tb_k_lt(k, tb_k_int(k, TB_TREG_ROWS), n));
        call(k, m, m->fn, o);
        tb_k_else(k);
        call(k, &tail, m->tail_fn[0], o);
        tb_k_end_if(k);
    } else {
        call(k, m, m->fn, o);
    }
    tb_amx_begin(k, m);
    tb_k_end_if(k);
}

void
tb_amx_shape(tb_micro *m, const tb_target *t, tb_dim rows, int64_t block, int64_t most)
{
    bool open = !tb_dim_is_const(rows) || block == 0;

    m->b_panel = m->panel;
    m->lanes = t->lanes;
    m->width = m->used ? TB_ALIGN_UP(m->used, TB_AMX_COLUMNS) : m->panel;
    m->nv = m->width % (2 * TB_AMX_COLUMNS) == 0 ? 2 : 1;
    m->mr = open || rows > TB_AMX_ROWS ? TB_AMX_ROWS : (int)rows;
    if (!open && block < m->mr)
        m->mr = (int)(most < m->mr ? most : m->mr);
    m->tails = open ? 1 : tb_micro_rests(m->mr, rows, block, most);
}
