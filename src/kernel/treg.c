/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * treg.c -- tile registers: their instructions, and what they do in the interpreter.
 */
#include "kernel/build.h"

/* ---- building ---- */

static void
here(tb_kernel *k, tb_kop op, int64_t imm, const tb_kv *in, uint32_t n)
{
    TB_CHECK(k->target->amx);
    tb_kb_here(k, (tb_kinst){.op = (uint8_t)op, .imm = imm}, in, n);
}

static void
check_number(int t)
{
    TB_CHECK(t >= 0 && t < TB_TREGS);
}

void
tb_k_treg_config(tb_kernel *k, const tb_kv rows[TB_TREGS])
{
    TB_CHECK(k->f == k->fns.at[0]);
    for (int i = 0; i < TB_TREGS; i++)
        TB_CHECK(tb_k_type(k, rows[i]) == TB_I64 && tb_k_lanes(k, rows[i]) == 1);
    here(k, TB_K_TREG_CONFIG, 0, rows, TB_TREGS);
}

void
tb_k_treg_release(tb_kernel *k)
{
    TB_CHECK(k->f == k->fns.at[0]);
    here(k, TB_K_TREG_RELEASE, 0, NULL, 0);
}

void
tb_k_treg_zero(tb_kernel *k, int t)
{
    check_number(t);
    here(k, TB_K_TREG_ZERO, t, NULL, 0);
}

static void
access(tb_kernel *k, tb_kop op, int t, tb_kv ptr, tb_kv pitch)
{
    check_number(t);
    TB_CHECK(tb_k_inst(k, ptr)->dtype == TB_K_PTR && tb_k_type(k, pitch) == TB_I64);
    here(k, op, t, (tb_kv[]){ptr, pitch}, 2);
}

void
tb_k_treg_load(tb_kernel *k, int t, tb_kv ptr, tb_kv pitch)
{
    access(k, TB_K_TREG_LOAD, t, ptr, pitch);
}

void
tb_k_treg_store(tb_kernel *k, int t, tb_kv ptr, tb_kv pitch)
{
    access(k, TB_K_TREG_STORE, t, ptr, pitch);
}

void
tb_k_treg_dot(tb_kernel *k, int c, int a, int b)
{
    check_number(c);
    check_number(a);
    check_number(b);
    here(k, TB_K_TREG_DOT, c | a << 4 | b << 8, NULL, 0);
}

bool
tb_kernel_has_tregs(const tb_kernel *k)
{
    const tb_kfn *entry = k->fns.at[0];

    for (uint32_t i = 1; i < entry->insts.n; i++)
        if (entry->insts.at[i].op == TB_K_TREG_CONFIG)
            return true;
    return false;
}

/* ---- interpreting ---- */

bool
tb_tregs_config(tb_tregs *t, const int64_t rows[TB_TREGS])
{
    memset(t, 0, sizeof *t);
    for (int i = 0; i < TB_TREGS; i++) {
        if (rows[i] < 1 || rows[i] > TB_TREG_ROWS)
            return false;
        t->rows[i] = (uint8_t)rows[i];
    }
    return true;
}

/* Halves of words at `from`, all of the one or of the other. */
static void
halves(float *to, const uint8_t *from, int n, int which)
{
    for (int i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, from + 4 * i + 2 * which, sizeof x);
        to[i] = tb_bf16_to_f32(x);
    }
}

bool
tb_tregs_dot(tb_tregs *t, int c, int a, int b)
{
    enum { COLUMNS = TB_TREG_BYTES / 4, PAIRS = TB_TREG_BYTES / 4 };

    if (!t->rows[c] || t->rows[c] != t->rows[a] || t->rows[b] != PAIRS || c == a || c == b ||
        a == b)
        return false;
    for (int m = 0; m < t->rows[c]; m++) {
        float sums[2][COLUMNS] = {{0}}, of_a[PAIRS], of_b[COLUMNS], x;
        for (int which = 0; which < 2; which++) {
            halves(of_a, t->bytes[a][m], PAIRS, which);
            for (int k = 0; k < PAIRS; k++) {
                halves(of_b, t->bytes[b][k], COLUMNS, which);
                for (int n = 0; n < COLUMNS; n++)
                    sums[which][n] = tb_flushing_fma(of_a[k], of_b[n], sums[which][n]);
            }
        }
        for (int n = 0; n < COLUMNS; n++) {
            memcpy(&x, &t->bytes[c][m][4 * n], sizeof x);
            x = tb_flushing_fma(1, x, tb_flushing_fma(1, sums[0][n], sums[1][n]));
            memcpy(&t->bytes[c][m][4 * n], &x, sizeof x);
        }
    }
    return true;
}
