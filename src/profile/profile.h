/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * profile.h -- where the time of calls goes. Not part of the runtime's core: tools and the
 * Python extension link it.
 *
 *   roof.c      what this machine can do at best
 *   profile.c   what kernels of calls took, beside that
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/base.h"
#include "turbine/runtime.h"

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

/* ---- profile.c ---- */
/* Records the calls of the sessions that it watches, from any threads. */
typedef struct tb_profile tb_profile;
tb_profile *tb_profile_create(void); /* NULL when out of memory */
/* Its sessions must be gone, or watched by nobody (tb_session_watch(s, NULL)). */
void tb_profile_free(tb_profile *p);
/* From now on calls of s, a session of m, are recorded. False when out of memory. */
bool tb_profile_watch(tb_profile *p, tb_module *m, tb_session *s);
void tb_profile_reset(tb_profile *p); /* forgets what was recorded; no call is under way */
/* What the machine can do (tb_roof_measure); without it no fractions are shown. */
void tb_profile_roof(tb_profile *p, double f32, double copy);
/* Text: a line for each place of the model, slowest first, at most `rows` (0: all). `roof` is
 * the time that its operations or its bytes take the machine at best, whichever is more,
 * over the time it took; above 100 % where data come from a cache. */
void tb_profile_table(tb_profile *p, int rows, tb_buf *out);
/* JSON for chrome://tracing and ui.perfetto.dev: calls and kernels on a track for each
 * session, the first 2^18 of them. */
void tb_profile_trace(tb_profile *p, tb_buf *out);
