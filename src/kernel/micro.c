/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * micro.c -- the micro-kernel of products: a register tile of MR rows x NV vectors, an
 * internal function of the kernel that uses it.
 *
 * fn(a0 .. a[mr-1], b, pitch, c, len, step): c[i][0 .. nv*lanes) gets (or is added) the sum
 * over r < len of a_i[r * step] * b[r * pitch ..]. Accumulators are carried by the loop, so
 * they stay in registers. For the shape of the tile see docs/codegen.md; after Goto and van
 * de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
 */
#include "kernel/contract.h"

uint32_t
tb_micro_kernel(tb_kernel *k, const tb_micro *m)
{
    int mr = m->mr, nv = m->nv, w = m->lanes;
    uint16_t params[TB_MICRO_ARGS];
    tb_kv acc[64], a[TB_MICRO_ARGS], vb[8];
    int64_t b_bytes = (int64_t)tb_dtype_bytes(m->b_mem);
    uint32_t n = 0, n_acc = (uint32_t)(mr * nv);

    TB_CHECK(n_acc < TB_COUNT(acc) && nv <= 8 && mr + 5 <= TB_MICRO_ARGS);
    for (int i = 0; i < mr + 1; i++)
        params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* pitch of b in elements */
    params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* len */
    params[n++] = TB_I64 | 1 << 8; /* step of a in elements */
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
    tb_kv r = tb_k_for(k, tb_k_int(k, 0), len, 1, acc, n_acc + 1);
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
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            tb_k_store(k, m->acc, out, TB_NO_KV, (int64_t)i * m->panel + (int64_t)j * w,
                       acc[i * nv + j], TB_NO_KV);
    tb_k_fn_end(k);
    return fn;
}

void
tb_micro_call(tb_kernel *k, const tb_micro *m, uint32_t fn, const tb_kv *rows, tb_kv b,
              tb_kv pitch, tb_kv c, tb_kv len, tb_kv step)
{
    tb_kv args[TB_MICRO_ARGS];
    int mr = m->mr;

    for (int i = 0; i < mr; i++)
        args[i] = rows[i];
    for (int j = 0; j < m->panel; j += m->nv * m->lanes) {
        tb_kv jj = tb_k_int(k, j);
        args[mr] = tb_k_ptr_add(k, b, jj, (int64_t)tb_dtype_bytes(m->b_mem));
        args[mr + 1] = pitch;
        args[mr + 2] = tb_k_ptr_add(k, c, jj, (int64_t)tb_dtype_bytes(m->acc));
        args[mr + 3] = len;
        args[mr + 4] = step;
        tb_k_call(k, fn, args, (uint32_t)mr + 5);
    }
}

void
tb_micro_shape(tb_micro *m, const tb_target *t, tb_dim rows)
{
    m->lanes = t->lanes;
    if (m->acc == TB_F64 && m->lanes > 1)
        m->lanes /= 2;
    if (t->lanes == 1) {
        m->nv = 4;
        m->mr = 2;
    } else {
        m->nv = t->vregs >= 32 ? 4 : 2;
        m->mr = 6;
    }
    while (m->nv > 1 && m->nv * m->lanes > m->panel)
        m->nv /= 2;
    if (!tb_dim_is_const(rows))
        return;
    double best = 1e30; /* no more idle rows than needed */
    for (int mr = m->mr, top = mr; mr >= 1; mr--) {
        double cost = __builtin_ceil((double)rows / mr) * (mr + 0.8);
        if (mr == top || cost < best - 1e-9) {
            best = cost;
            m->mr = mr;
        }
    }
}
