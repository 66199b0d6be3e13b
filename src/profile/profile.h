/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * profile.h -- where the time of calls goes. Not part of the runtime's core: tools and the
 * Python extension link it.
 *
 *   roof.c   what this machine can do at best
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* ---- roof.c ---- */
/* The machine's roof with `threads` threads working at once, measured for about `seconds`.
 * Any thread may call; it starts threads - 1 others, which end before it returns. */
typedef enum tb_roof_kind {
    TB_ROOF_F32, /* additions and multiplications a second in fused f32 instructions of the
                    widest vectors, data in registers */
    TB_ROOF_COPY /* bytes read plus bytes written a second, copying from memory to memory */
} tb_roof_kind;
/* The best of several short runs; 0 if memory or threads cannot be had. */
double tb_roof_measure(tb_roof_kind kind, int threads, double seconds);
/* Bytes that the copy uses, both sides together: several times the last cache. */
int64_t tb_roof_copy_bytes(void);
