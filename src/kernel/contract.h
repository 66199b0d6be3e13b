/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* contract.h -- panels of constant operands: what contract.c and pack.c share. */
#pragma once
#include "kernel/lower.h"

#define TB_PANEL 64 /* columns of a packed panel, for every target */

/* pack.c -- packs elements (r, n) at `offset + r*step_r + n*step_n + group*step_group` of a
 * constant into [group][ceil(N/64)][R][64], columns past N zero. Returns the new constant
 * of the unit; the same request gives the same constant. */
uint32_t tb_pack_const(tb_lower *l, uint32_t unit_const, int64_t offset, int64_t R, int64_t N,
                       int64_t step_r, int64_t step_n, int64_t groups, int64_t step_group);
