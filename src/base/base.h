/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * base.h -- what every other folder stands on. Depends on libc alone.
 *
 * Arenas own all memory of a compilation; vectors and maps here live in an arena and are
 * never freed one by one. Nothing in this folder keeps global mutable state.
 */
#pragma once
#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "turbine/dtype.h"
#include "turbine/status.h"

#define TB_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TB_ALIGN_UP(x, a) (((x) + (a) - 1) / (a) * (a))
#define TB_NORETURN __attribute__((noreturn))
/* The only macro that hides control flow: passes a failure on to the caller. */
#define TRY(expr)                                                                        \
    do {                                                                                 \
        tb_status try_status_ = (expr);                                                  \
        if (try_status_)                                                                 \
            return try_status_;                                                          \
    } while (0)
/* heap.c -- zeroed memory of the C library; NULL if there is none, always with
 * TB_NO_MALLOC. tb_heap_free takes NULL. */
void *tb_heap(size_t n, size_t elem_bytes);
void tb_heap_free(void *p);
/* check.c -- a check of our own invariants that stays in release builds. What happens is the business
 * of this thread's handler (a compilation raises TB_INTERNAL); without one: prints, aborts. */
#define TB_CHECK(cond) ((cond) ? (void)0 : tb_check_failed(#cond, __FILE__, __LINE__))
#define TB_UNREACHABLE() tb_check_failed("unreachable", __FILE__, __LINE__)
void tb_check_failed(const char *what, const char *file, int line) TB_NORETURN;
typedef struct tb_check_handler {
    void (*failed)(void *user, const char *what, const char *file, int line); /* no return */
    void *user;
} tb_check_handler;
/* Sets this thread's handler; returns the one before. */
tb_check_handler tb_check_handle(tb_check_handler h);

/* str.c -- a view; the arena (or a literal) owns the bytes. */
typedef struct tb_str {
    const char *ptr;
    size_t len;
} tb_str;
#define TB_STR(lit) ((tb_str){"" lit, sizeof(lit) - 1})
#define TB_FMT(s) (int)(s).len, (s).ptr /* for "%.*s" */
tb_str tb_str_c(const char *c_string);
bool tb_str_eq(tb_str a, tb_str b);
bool tb_str_is(tb_str a, const char *c_string);
bool tb_str_prefix(tb_str s, const char *prefix);

/* arena.c -- bump allocation. Growing raises through `oom` if set, else aborts. */
typedef struct tb_arena {
    struct tb_block *head;
    size_t used_bytes; /* of the newest block */
    size_t total_bytes;
    void (*oom)(void *user); /* called when malloc fails; must not return */
    void *oom_user;
} tb_arena;
void *tb_alloc(tb_arena *a, size_t bytes);                /* zeroed, 16-byte aligned */
void *tb_dup(tb_arena *a, const void *src, size_t bytes); /* src may be NULL if bytes==0 */
tb_str tb_strdup(tb_arena *a, tb_str s);                  /* NUL-terminated copy */
tb_str tb_sprintf(tb_arena *a, const char *fmt, ...) TB_PRINTF(2, 3);
tb_str tb_vsprintf(tb_arena *a, const char *fmt, va_list ap) TB_PRINTF(2, 0);
/* Releases what tb_alloc gave for a tensor or the like before its time; small ones stay. */
void tb_arena_drop(tb_arena *a, const void *p, size_t bytes);
void tb_arena_reset(tb_arena *a); /* releases everything; the arena may be used again */
#define TB_NEW(arena, type) ((type *)tb_alloc((arena), sizeof(type)))
#define TB_NEWN(arena, type, n) ((type *)tb_alloc((arena), sizeof(type) * (size_t)(n)))

/* vec.c -- a growing array in an arena: struct { T *at; uint32_t n, cap; }.
 * TB_PUSH moves the array on growth: never keep a pointer into it across a push. */
#define TB_VEC(T)                                                                        \
    struct {                                                                             \
        T *at;                                                                           \
        uint32_t n, cap;                                                                 \
    }
#define TB_PUSH(arena, v, item)                                                          \
    (tb_vec_grow((arena), (void **)&(v)->at, &(v)->cap, (v)->n + 1, sizeof *(v)->at),    \
     (v)->at[(v)->n++] = (item))
void tb_vec_grow(tb_arena *a, void **at, uint32_t *cap, uint32_t need, size_t elem_bytes);

/* map.c -- open addressing from a 64-bit hash to a u32 (never 0). The caller compares
 * candidates: for (i = start; (v = tb_map_next(m, hash, &i)) != 0;) if (same(v)) ... */
typedef struct tb_map {
    tb_arena *arena;
    uint64_t *hashes;
    uint32_t *values;
    uint32_t n, cap;
} tb_map;
uint32_t tb_map_next(const tb_map *m, uint64_t hash, uint32_t *cursor); /* cursor from 0 */
void tb_map_put(tb_map *m, uint64_t hash, uint32_t value);
uint64_t tb_hash(const void *bytes, size_t n, uint64_t seed);
uint64_t tb_hash_u64(uint64_t x, uint64_t seed);

/* buf.c -- a growing byte buffer on the heap, for text and artifacts. On failure to grow
 * it sets `failed` and ignores further writes; check once at the end. */
typedef struct tb_buf {
    uint8_t *at;
    size_t n, cap;
    bool failed;
} tb_buf;
void tb_buf_put(tb_buf *b, const void *bytes, size_t n);
void tb_buf_printf(tb_buf *b, const char *fmt, ...) TB_PRINTF(2, 3);
void tb_buf_puts(tb_buf *b, const char *text);
void tb_buf_pad(tb_buf *b, size_t align); /* zero bytes up to a multiple of align */
void tb_buf_free(tb_buf *b);

/* dtype.c */
size_t tb_dtype_bytes(tb_dtype t);
tb_kind tb_dtype_kind(tb_dtype t);
bool tb_dtype_is_float(tb_dtype t); /* f16 bf16 f32 f64 */
bool tb_dtype_is_int(tb_dtype t);   /* signed or unsigned, not bool */
bool tb_dtype_is_complex(tb_dtype t);
bool tb_dtype_is_inexact(tb_dtype t); /* float or complex */
tb_dtype tb_dtype_wide(tb_dtype t); /* of registers and sums: f32 for half types, else t */
tb_dtype tb_dtype_part(tb_dtype t); /* of a complex dtype's real and imaginary part; else t */
const char *tb_dtype_name(tb_dtype t);      /* "f32", "i1", "ui8" ... */
tb_dtype tb_dtype_parse(tb_str name);       /* also "si64", "u8", "bool"; TB_NONE if unknown */
tb_dtype tb_dtype_from_torch(int number);   /* torch's ScalarType numbers (c10/core/ScalarType.h) */
int tb_dtype_to_torch(tb_dtype t);

/* half.c -- round to nearest even; NaN stays NaN. */
float tb_f16_to_f32(uint16_t h);
uint16_t tb_f32_to_f16(float f);
float tb_bf16_to_f32(uint16_t h);
uint16_t tb_f32_to_bf16(float f);

/* num.c -- checked arithmetic and exact text. */
bool tb_add_ok(int64_t a, int64_t b, int64_t *out);
bool tb_mul_ok(int64_t a, int64_t b, int64_t *out);
int64_t tb_floordiv(int64_t a, int64_t b); /* b != 0; rounds to -inf */
int64_t tb_mod(int64_t a, int64_t b);      /* sign of b, as Python */

/* Bytes that are computed where they are needed. The first member of a record that knows
 * how. */
typedef struct tb_recipe {
    /* Writes all of them; `to` is 16-byte aligned. False: there was no memory for it. */
    bool (*make)(const struct tb_recipe *r, void *to);
} tb_recipe;

/* cpus.c -- how many threads this process may use: affinity, cgroup, OMP_NUM_THREADS. */
int tb_cpus_allowed(void); /* at least 1 */
/* clock.c -- nanoseconds since some moment, never less than before. */
int64_t tb_now_ns(void);

/* file.c */
tb_status tb_file_read(const char *path, tb_buf *out) TB_MUST_CHECK;
/* Writes beside the target and renames: readers see the old file or the whole new one. */
tb_status tb_file_write(const char *path, const void *bytes, size_t n) TB_MUST_CHECK;
/* The same in parts, at any offset; what lies between is zeros. After a begin that did not
 * fail the end is called in any case, and says with `keep` whether there is to be a file. */
typedef struct tb_file {
    int fd;
    char *path, *tmp;
} tb_file;
tb_status tb_file_begin(tb_file *f, const char *path) TB_MUST_CHECK;
tb_status tb_file_put(tb_file *f, uint64_t at, const void *bytes, size_t n) TB_MUST_CHECK;
tb_status tb_file_end(tb_file *f, bool keep) TB_MUST_CHECK;
