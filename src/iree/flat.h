/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * flat.h -- writes a size-prefixed flatbuffer, parents before children.
 *
 * A parent leaves room for its children's offsets; tb_flat_point fills one in once the
 * child is written. Positions are those in `b`, which begins with the size prefix; fields
 * are aligned by position, as verifiers that look at addresses want it.
 */
#pragma once
#include "base/base.h"

typedef struct tb_flat {
    tb_arena *a;
    TB_VEC(uint8_t) b;
    TB_VEC(uint32_t) vtables; /* where they are; equal ones are shared */
} tb_flat;

typedef enum tb_flat_type { TB_FLAT_REF, TB_FLAT_U32, TB_FLAT_U64 } tb_flat_type;
typedef struct tb_flat_field {
    uint32_t slot; /* number in the schema */
    tb_flat_type type;
    uint64_t value;
    uint32_t at; /* set by tb_flat_table: where the field is */
} tb_flat_field;

/* The prefix, room for the root's offset, the identifier (4 characters). */
void tb_flat_begin(tb_flat *f, tb_arena *a, const char *identifier);
/* At most 16 slots. Returns the table's position. */
uint32_t tb_flat_table(tb_flat *f, tb_flat_field *fields, uint32_t n);
/* Strings and vectors: positions of the length; elements follow. */
uint32_t tb_flat_string(tb_flat *f, const char *s, size_t n);
uint32_t tb_flat_vector(tb_flat *f, const void *bytes, size_t n_bytes, uint32_t count,
                        uint32_t align);
uint32_t tb_flat_refs(tb_flat *f, uint32_t n);
void tb_flat_point(tb_flat *f, uint32_t at, uint32_t target);
/* Points the root and fills the prefix in. */
void tb_flat_end(tb_flat *f, uint32_t root);
