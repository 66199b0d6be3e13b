/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * artifact_t.h -- a small plan made by hand, with one of everything:
 *
 *   main(x: ?xi32) -> (y: ?xi32, m: 1x4xf32)    y = x + 2, by one kernel run twice
 */
#pragma once
#include "artifact/artifact.h"
#include "artifact/cpu.h"

/* for (i = tile_begin; i < tile_end; i++) ((int32_t *)bindings[1])[i] =
 *     ((int32_t *)bindings[0])[i] + 1; return 0;      (x86-64, any level) */
static const uint8_t t_add_one[] = {
    0x48, 0x8b, 0x07, 0x4c, 0x8b, 0x47, 0x08, 0x48, 0x39, 0xca, 0x7d, 0x10, 0x44, 0x8b, 0x0c, 0x90,
    0x41, 0xff, 0xc1, 0x45, 0x89, 0x0c, 0x90, 0x48, 0xff, 0xc2, 0xeb, 0xeb, 0x31, 0xc0, 0xc3, 0xcc,
    'r',  'e',  'a',  'd',  '-',  'o',  'n',  'l',  'y',
};
enum { T_TEXT_BYTES = 32 };

#define T_OP(name, n_operands) (int32_t)((uint32_t)TB_I_##name | ((n_operands) + 1u) << 16)

/* Offsets in here are taken by T_REF; the empty string is at 0. */
static const char t_strings[] = "\0tiny\0main\0x\0y\0m\0add_one\0bias\0twin\0table\0state\0"
                                "model.py\0net.act\0aten.add.Tensor\0x86_64-v4\0x86_64\0"
                                "x must not be empty\0iree.abi\0{\"v\": 1}\0test 1.0\0";

static inline tb_sref
t_ref(const char *s)
{
    size_t n = strlen(s);
    for (uint32_t at = 0; at < sizeof t_strings - 1; at += (uint32_t)strlen(t_strings + at) + 1)
        if (strcmp(t_strings + at, s) == 0)
            return (tb_sref){at, (uint32_t)n};
    TB_UNREACHABLE();
}

static const float t_bias[4] = {1, 2, 3.5f, -4}, t_twin[4] = {1, 2, 3.5f, -4};
static const int64_t t_table[2] = {7, -1};

/* A plan and all it points to; t_sample fills it in. */
typedef struct t_artifact {
    tb_plan plan;
    tb_artifact a;
    tb_plan_loc locs[2];
    tb_plan_const consts[3];
    tb_plan_dim dims[5];
    tb_plan_value values[3];
    tb_plan_global globals[1];
    tb_plan_image images[2];
    tb_plan_kernel kernels[1];
    uint32_t entries[2];
    tb_plan_buf bufs[6];
    tb_plan_attr attrs[1];
    tb_plan_function functions[1];
    int32_t code[83];
    tb_plan_work works[2];
    tb_artifact_blob blobs[3];
    tb_flat_image flat[2];
    const char *names[1];
    uint32_t flat_entries[1];
} t_artifact;

enum { T_PROLOGUE = 39 };
static const int32_t t_code[83] = {
    T_OP(DIM, 3), 0, 0, 0,              /*  0: r0 = x.0 */
    T_OP(CONST, 3), 1, 4, 0,            /*  4: r1 = 4 */
    T_OP(MUL, 3), 2, 0, 1,              /*  8: r2 = r0 * 4 */
    T_OP(CONST, 3), 3, 64, 0,           /* 12: r3 = 64 */
    T_OP(ADD, 3), 4, 2, 3,              /* 16: r4 = r2 + 64 */
    T_OP(CONST, 3), 5, -1, -1,          /* 20: r5 = -1 */
    T_OP(SUB, 3), 6, 4, 3,              /* 24: r6 = r4 - 64 */
    T_OP(CONST, 3), 7, 0, 0,            /* 28: r7 = 0 */
    T_OP(LT, 3), 8, 7, 0,               /* 32: r8 = 0 < x.0 */
    T_OP(CHECK, 2), 8, 0,               /* 36: text filled in below */
    T_OP(RESULT, 1), 0,                 /* 39: the body */
    T_OP(RESULT, 1), 1,                 /* 41 */
    T_OP(DISPATCH, 8), 0, 0, 0, 2, 0, 1, 1, 0, /* 43: x -> arena */
    T_OP(DISPATCH, 8), 0, 0, 0, 2, 1, 2, 1, 0, /* 52: arena -> y */
    T_OP(LOAD, 3), 9, 3, TB_I64,        /* 61: r9 = table[0] */
    T_OP(JUMP_ZERO, 2), 9, 71,          /* 65 */
    T_OP(COPY, 2), 5, 4,                /* 68: state = bias */
    T_OP(COPY, 2), 5, 4,                /* 71 */
    T_OP(COPY, 2), 5, 4,                /* 74 */
    T_OP(MOVE, 2), 9, 0,                /* 77 */
    T_OP(JUMP, 1), 82,                  /* 80 */
    T_OP(RETURN, 0),                    /* 82 */
};

static inline void
t_sample(t_artifact *s)
{
    *s = (t_artifact){
        .locs = {{.line = 0},
                 {t_ref("model.py"), t_ref("net.act"), t_ref("aten.add.Tensor"), 12, 5}},
        .consts = {{.name = t_ref("bias"), .dtype = TB_F32},
                   {.name = t_ref("twin"), .dtype = TB_F32},
                   {.name = t_ref("table"), .dtype = TB_I64}},
        .dims = {{-1, 1, 1024, 0, 0},
                 {-1, 1, 1024, 0, 0},
                 {1, 1, 1, -1, 0},
                 {4, 4, 4, -1, 0},
                 {4, 4, 4, -1, 0}},
        .values = {{t_ref("x"), TB_I32, 1, 0, 0},
                   {t_ref("y"), TB_I32, 1, 1, 0},
                   {t_ref("m"), TB_F32, 2, 2, 0}},
        .globals = {{{t_ref("state"), TB_F32, 1, 4, 0}, 0, 1, 0}},
        .images = {{.target = t_ref("x86_64-v4"), .features = TB_CPU_V4, .arch = TB_EM_X86_64},
                   {.target = t_ref("x86_64"), .arch = TB_EM_X86_64}},
        .kernels = {{t_ref("add_one"), 2, 1, 256, 1, 0, 40}},
        .bufs = {{TB_BUF_INPUT, 0, -1, -1},
                 {TB_BUF_ARENA, 0, 7, 2},
                 {TB_BUF_RESULT, 0, -1, -1},
                 {TB_BUF_CONST, 2, -1, -1},
                 {TB_BUF_CONST, 0, -1, -1},
                 {TB_BUF_GLOBAL, 0, -1, -1}},
        .attrs = {{t_ref("iree.abi"), t_ref("{\"v\": 1}")}},
        .functions = {{.name = t_ref("main"), .input = 0, .n_inputs = 1, .result = 1,
                       .n_results = 2, .buf = 0, .n_bufs = 6, .attr = 0, .n_attrs = 1,
                       .code = 0, .n_code = 83, .n_regs = 10, .exported = 1,
                       .prologue_end = T_PROLOGUE, .arena_reg = 4}},
        .works = {{43, 1, 1, -1, 2, 0}, {52, 0, 2, 0, -1, 0}},
        .blobs = {{.bytes = t_bias, .n = sizeof t_bias},
                  {.bytes = t_twin, .n = sizeof t_twin},
                  {.bytes = t_table, .n = sizeof t_table}},
        .names = {"add_one"},
    };
    memcpy(s->code, t_code, sizeof t_code);
    s->code[38] = (int32_t)t_ref("x must not be empty").off;
    for (int i = 0; i < 2; i++)
        s->flat[i] = (tb_flat_image){t_add_one, sizeof t_add_one, T_TEXT_BYTES,
                                     s->flat_entries, s->names, 1, TB_EM_X86_64, 0, NULL};
    s->plan = (tb_plan){.strings = t_strings,
                        .strings_bytes = sizeof t_strings - 1,
                        .module_name = t_ref("tiny"),
                        .producer = t_ref("test 1.0")};
#define X(type, name)                                                                    \
    s->plan.name = s->name;                                                              \
    s->plan.n_##name = TB_COUNT(s->name);
    TB_PLAN_SECTIONS(X)
#undef X
    s->a = (tb_artifact){&s->plan, s->blobs, s->flat, NULL};
}
