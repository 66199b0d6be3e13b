/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bytecode.h -- what the files that read MLIR's bytecode share.
 *
 *   bytecode.c        numbers, sections, tables, resources
 *   bytecode_ops.c    operations and regions
 *   bytecode_attr.c   attributes and types
 *
 * The format: https://mlir.llvm.org/docs/BytecodeFormat/, versions 1 to 6. A file is turned
 * into the generic form of the text, which the parser of this folder reads as it reads any
 * other: the dialects we meet keep their types and attributes as text even in bytecode, and
 * there is one definition of what operations mean. Blobs of resources are not turned into
 * text.
 */
#pragma once
#include "mlir/text.h"

enum {
    VERSION_FIRST = 1, /* dialects have versions */
    VERSION_LAZY = 2,  /* regions that see nothing outside have a section of their own */
    VERSION_USE_ORDER = 3,
    VERSION_NO_UNKNOWN_LOC = 4,
    VERSION_PROPERTIES = 5,
    VERSION_LAST = 6
};
enum { /* sections */
    S_STRINGS,
    S_DIALECTS,
    S_ATTRS,
    S_ATTR_OFFSETS,
    S_IR,
    S_RESOURCES,
    S_RESOURCE_OFFSETS,
    S_DIALECT_VERSIONS,
    S_PROPERTIES,
    N_SECTIONS
};

/* Text being written, in the scratch arena. */
typedef TB_VEC(char) bc_text;

/* A position in the file, and where what is being read ends. */
typedef struct bc_reader {
    struct bc_file *f;
    const uint8_t *at, *end;
} bc_reader;

typedef struct bc_entry { /* an attribute or a type */
    const uint8_t *at, *end;
    tb_str text; /* once it was asked for */
    bool custom; /* in the encoding of its dialect, else text */
    bool asked;  /* while its text is being made */
    uint32_t dialect;
} bc_entry;

typedef struct bc_op_name {
    tb_str name; /* with its dialect */
    bool registered;
} bc_op_name;

typedef struct bc_bytes {
    const uint8_t *at, *end;
} bc_bytes;

typedef struct bc_file {
    ml_parser *p;
    const uint8_t *begin, *end;
    uint64_t version;
    size_t budget; /* bytes of text that may still be written: attributes can share parts */
    int depth;
    tb_str *strings;
    tb_str *dialects;
    bc_op_name *op_names;
    bc_entry *attrs, *types;
    bc_bytes *properties;
    tb_str *resources; /* names, by number */
    uint32_t n_strings, n_dialects, n_op_names, n_attrs, n_types, n_properties, n_resources;
} bc_file;

/* ---- bytecode.c ---- */
void tb_bc_fail(const bc_reader *r, const char *fmt, ...) TB_NORETURN TB_PRINTF(2, 3);
uint8_t tb_bc_byte(bc_reader *r);
uint64_t tb_bc_varint(bc_reader *r);
int64_t tb_bc_signed(bc_reader *r);
/* A number below `limit` that stands for a `what`. */
uint32_t tb_bc_index(bc_reader *r, uint32_t limit, const char *what);
/* How many of something follow, each of at least a byte. */
uint32_t tb_bc_count(bc_reader *r, const char *what);
bool tb_bc_flagged(bc_reader *r, uint64_t *v); /* a number and a bit beside it */
bc_reader tb_bc_section(bc_reader *r, uint32_t *id);
const uint8_t *tb_bc_bytes(bc_reader *r, uint64_t n);
void tb_bc_enter(bc_reader *r); /* nesting: raises beyond ML_MAX_DEPTH */
void tb_bc_leave(bc_reader *r);
/* Text for the parser; counts against the budget. */
void tb_bc_put(const bc_reader *r, bc_text *out, tb_str s);
void tb_bc_puts(const bc_reader *r, bc_text *out, const char *s);
void tb_bc_put_string(const bc_reader *r, bc_text *out, tb_str s); /* quoted */

/* ---- bytecode_ops.c ---- */
tb_str tb_bc_body(bc_reader *r); /* the block of the IR section, as text */

/* ---- bytecode_attr.c ---- */
tb_str tb_bc_attr(bc_reader *r, uint32_t index); /* the text, owned by the scratch arena */
tb_str tb_bc_type(bc_reader *r, uint32_t index);
/* The next number of `r` is the index of one. */
tb_str tb_bc_next_attr(bc_reader *r);
tb_str tb_bc_next_type(bc_reader *r);
