/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * plan.h -- the program inside a .vmfb, as plain records.
 *
 * The compiler fills a `tb_plan` whose arrays lie in its arena; write.c lays the same
 * records out in the archive member `turbine.plan` (little-endian, offset-based); read.c
 * points a `tb_plan` at the mapped bytes after verify.c has checked every field. So both
 * sides speak of one struct, and nothing is decoded at load.
 *
 * A function is a list of instructions over two register files:
 *   - integer registers (int64): dimensions, arena offsets, tile counts, conditions;
 *   - buffer registers: memory. Every buffer register is declared in the function's
 *     `bufs` range and says what it stands for (input, result, constant, global, arena,
 *     slot).
 *
 * Text is a `tb_sref`, an offset and length in the string section (NUL-terminated there).
 */
#pragma once
#include "base/base.h"
#include "turbine/runtime.h"

#define TB_PLAN_MAGIC 0x4e4c5042u /* "BPLN" */
#define TB_PLAN_VERSION 4

typedef struct tb_sref {
    uint32_t off, len;
} tb_sref;

/* Where code came from; index 0 is "unknown". */
typedef struct tb_plan_loc {
    tb_sref file;   /* model.py or model.mlir */
    tb_sref path;   /* module path, "encoder.layer.0.attention"; may be empty */
    tb_sref op;     /* operator as the user knows it, "aten.softmax.int" */
    uint32_t line, col;
} tb_plan_loc;

/* A constant. `offset` is from the start of the archive file, 64-byte aligned. */
typedef struct tb_plan_const {
    tb_sref name;
    uint64_t offset, bytes;
    uint64_t hash[2];  /* of the bytes; checked only on request */
    uint32_t dtype, packed; /* packed = 1: laid out for a kernel, dims say nothing */
} tb_plan_const;

/* A type: dims are `rank` entries of the dim section starting at `dims`. */
typedef struct tb_plan_dim {
    int64_t value;     /* the size; -1 if dynamic */
    int64_t min, max;  /* declared range if dynamic */
    int32_t reg;       /* integer register that holds it, -1 if constant */
    int32_t pad_;
} tb_plan_dim;
typedef struct tb_plan_value {
    tb_sref name;
    uint32_t dtype, rank, dims;
    uint32_t is_size; /* an input, i64 of rank 0, whose value the prologue may read; the
                         dimension at `dims` says its range */
} tb_plan_value;

/* Hidden globals are parameters of the program, no state: they come last. */
enum { TB_INIT_ZEROS = -1, TB_INIT_PARAM = -2 };
typedef struct tb_plan_global {
    tb_plan_value type; /* static dims */
    int32_t init;       /* constant with the initial bytes, or TB_INIT_* */
    uint16_t mutable_, hidden;
    tb_sref scope, key; /* TB_INIT_PARAM: where a session finds its bytes; else empty */
} tb_plan_global;

/* One compiled image: a little ELF shared object of its own member of the archive. */
typedef struct tb_plan_image {
    tb_sref target;   /* "x86_64-v4", "x86_64-v3", "aarch64" */
    uint64_t offset, bytes;  /* the member's data, page aligned in the file */
    uint64_t hash[2];
    uint64_t features; /* TB_CPU_* bits this code needs (artifact/cpu.h) */
    uint32_t arch, text_off; /* arch: ELF e_machine; text_off: kernels' offsets start here */
} tb_plan_image;

/* A kernel, in every image at its own offset: entry[image * n_kernels + kernel]. */
typedef struct tb_plan_kernel {
    tb_sref name;
    uint32_t n_bindings, n_sizes;
    uint64_t scratch_bytes; /* per worker */
    uint32_t loc, flags;
    uint64_t tile_cost_ns;  /* compiler's estimate for one tile, for thread decisions */
} tb_plan_kernel;

typedef enum tb_buf_kind {
    TB_BUF_INPUT,  /* index = argument */
    TB_BUF_RESULT, /* index = result; memory is there after TB_I_RESULT ran */
    TB_BUF_CONST,  /* index = constant */
    TB_BUF_GLOBAL, /* index = global */
    TB_BUF_ARENA,  /* offset_reg, bytes_reg: integer registers */
    TB_BUF_SLOT    /* index = slot of the session; memory is there after TB_I_ALLOC ran */
} tb_buf_kind;
typedef struct tb_plan_buf {
    uint32_t kind, index;
    int32_t offset_reg, bytes_reg; /* arena only, else -1 */
} tb_plan_buf;

typedef struct tb_plan_attr {
    tb_sref key, value;
} tb_plan_attr;

/* Ranges [first, first + n) in the sections. Inputs and results are tb_plan_value. */
typedef struct tb_plan_function {
    tb_sref name;
    uint32_t input, n_inputs, result, n_results;
    uint32_t buf, n_bufs, attr, n_attrs;
    uint32_t code, n_code; /* words in the code section */
    uint32_t n_regs, exported;
    uint32_t prologue_end; /* word offset from `code`: the instructions before it depend on
                              the inputs' shapes alone and may be skipped when a call has
                              the same shapes as the one before */
    int32_t arena_reg;     /* integer register with the arena's size in bytes, -1 = none */
    uint32_t n_slots;      /* growing memory for values whose size depends on data */
    uint32_t pad_;
} tb_plan_function;

/*
 * Instructions: one word opcode | n_words << 16, then operands, all int32. `r` integer
 * register, `b` buffer register, `w` plain word, `l` word offset of a jump target from the
 * function's first word. Arithmetic that overflows int64 fails the call.
 *
 *   name        operands                      meaning
 */
#define TB_INSTRUCTIONS(X)                                                               \
    X(CONST, "rww", "r = low word, high word")                                           \
    X(MOVE, "rr", "r = r")                                                               \
    X(ADD, "rrr", "r = r + r")                                                           \
    X(SUB, "rrr", "r = r - r")                                                           \
    X(MUL, "rrr", "r = r * r")                                                           \
    X(DIV, "rrr", "r = floor(r / r); divisor 0 fails the call")                          \
    X(MOD, "rrr", "r = r - floor(r / r) * r; divisor 0 fails the call")                  \
    X(MIN, "rrr", "r = min(r, r)")                                                       \
    X(MAX, "rrr", "r = max(r, r)")                                                       \
    X(EQ, "rrr", "r = r == r")                                                           \
    X(LT, "rrr", "r = r < r")                                                            \
    X(DIM, "rww", "r = dimension w2 of input w1")                                        \
    X(VALUE, "rw", "r = the number in input w, which is marked as a size")               \
    X(CHECK_DIM, "wwr", "input w1's dimension w2 must be r, else the call fails")        \
    X(CHECK, "rw", "r must not be 0, else the call fails with string-section text w")    \
    X(RESULT, "w", "result w gets its dims from its type's registers, and memory")       \
    X(ALLOC, "br", "b, of a slot, gets r bytes; what was in the slot is lost")           \
    X(LOAD, "rbw", "r = the scalar of dtype w in b (after a barrier)")                   \
    X(DISPATCH, "*", "w kernel, r tiles, w flags, n bindings.., m sizes..")              \
    X(COPY, "bb", "copy second buffer to first; same size, but arena ones may be longer") \
    X(JUMP, "l", "continue at l")                                                        \
    X(JUMP_ZERO, "rl", "continue at l if r is 0")                                        \
    X(RETURN, "", "the function is done")
/* DISPATCH words: kernel, tiles register, flags, n bindings, b..., m sizes, r... where n
 * and m equal the kernel's n_bindings and n_sizes. */
typedef enum tb_opcode {
#define X(name, operands, meaning) TB_I_##name,
    TB_INSTRUCTIONS(X)
#undef X
    TB_I_END
} tb_opcode;
enum { TB_DISPATCH_NO_BARRIER = 1 /* does not depend on the dispatch just before */ };

/* What a DISPATCH has to do and where it comes from, for profiles and messages; a kernel
 * that serves several places has one for each. In the order of `at`. */
typedef struct tb_plan_work {
    uint32_t at;          /* word of the DISPATCH in the code section */
    uint32_t loc, n_locs; /* the place that a message names, then others that it computes */
    int32_t flops, bytes; /* integer registers of the function, -1 = not known: operations of
                             the model's nodes; bytes read and written, each once */
    uint32_t pad_;
} tb_plan_work;

typedef struct tb_plan {
    const char *strings;
    size_t strings_bytes;
#define TB_PLAN_SECTIONS(X)                                                              \
    X(tb_plan_loc, locs)                                                                 \
    X(tb_plan_const, consts)                                                             \
    X(tb_plan_dim, dims)                                                                 \
    X(tb_plan_value, values)                                                             \
    X(tb_plan_global, globals)                                                           \
    X(tb_plan_image, images)                                                             \
    X(tb_plan_kernel, kernels)                                                           \
    X(uint32_t, entries)                                                                 \
    X(tb_plan_buf, bufs)                                                                 \
    X(tb_plan_attr, attrs)                                                               \
    X(tb_plan_function, functions)                                                       \
    X(int32_t, code)                                                                     \
    X(tb_plan_work, works)
#define X(type, name)                                                                    \
    const type *name;                                                                    \
    uint32_t n_##name;
    TB_PLAN_SECTIONS(X)
#undef X
    tb_sref module_name;
    tb_sref producer; /* compiler version and options, for dumps */
} tb_plan;

/*
 * Kernel ABI. A kernel computes tiles [tile_begin, tile_end); it is called by several
 * workers at once with disjoint ranges and its own `scratch` (64-byte aligned).
 * `bindings` are the DISPATCH's buffers in order, `sizes` its integer registers.
 * Returns 0, or a tb_kernel_error that fails the call (1 + index reported with the
 * kernel's source line).
 */
typedef int32_t tb_kernel_fn(void *const *bindings, const int64_t *sizes,
                             int64_t tile_begin, int64_t tile_end, void *scratch);
enum tb_kernel_error {
    TB_KERNEL_OK = 0,
    TB_KERNEL_INDEX_OUT_OF_RANGE = 1, /* gather, scatter, embedding */
    TB_KERNEL_ASSERT = 2              /* an assertion in the model */
};

/* What is known of the DISPATCH at word `at` of the code section; NULL if nothing is. */
static inline const tb_plan_work *
tb_plan_work_at(const tb_plan *p, uint32_t at)
{
    uint32_t lo = 0, n = p->n_works;
    while (n > 0)
        if (p->works[lo + n / 2].at < at) {
            lo += n / 2 + 1;
            n -= n / 2 + 1;
        } else {
            n /= 2;
        }
    return lo < p->n_works && p->works[lo].at == at ? &p->works[lo] : NULL;
}
