/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* dtype.c -- facts about element types. */
#include "base/base.h"

typedef struct row {
    uint8_t bytes;
    tb_kind kind;
    const char *name;
} row;

static const row rows[TB_DTYPE_END] = {
    [TB_NONE] = {0, TB_KIND_BOOL, "none"},
#define X(name, value, bytes, kind, text) [value] = {bytes, TB_KIND_##kind, text},
    TB_DTYPES(X)
#undef X
};

/* torch's ScalarType numbers (c10/core/ScalarType.h) */
static const int torch_numbers[TB_DTYPE_END] = {
    [TB_NONE] = -1, [TB_U8] = 0,    [TB_I8] = 1,    [TB_I16] = 2,  [TB_I32] = 3,
    [TB_I64] = 4,   [TB_F16] = 5,   [TB_F32] = 6,   [TB_F64] = 7,  [TB_C64] = 9,
    [TB_C128] = 10, [TB_BOOL] = 11, [TB_BF16] = 15, [TB_U16] = 27, [TB_U32] = 28,
    [TB_U64] = 29,
};

size_t
tb_dtype_bytes(tb_dtype t)
{
    return rows[t].bytes;
}

tb_kind
tb_dtype_kind(tb_dtype t)
{
    return rows[t].kind;
}

bool
tb_dtype_is_float(tb_dtype t)
{
    return rows[t].kind == TB_KIND_FLOAT;
}

bool
tb_dtype_is_int(tb_dtype t)
{
    return rows[t].kind == TB_KIND_INT || rows[t].kind == TB_KIND_UINT;
}

bool
tb_dtype_is_complex(tb_dtype t)
{
    return rows[t].kind == TB_KIND_COMPLEX;
}

bool
tb_dtype_is_inexact(tb_dtype t)
{
    return tb_dtype_is_float(t) || tb_dtype_is_complex(t);
}

tb_dtype
tb_dtype_wide(tb_dtype t)
{
    return t == TB_F16 || t == TB_BF16 ? TB_F32 : t;
}

tb_dtype
tb_dtype_part(tb_dtype t)
{
    return t == TB_C64 ? TB_F32 : t == TB_C128 ? TB_F64 : t;
}

const char *
tb_dtype_name(tb_dtype t)
{
    return t < TB_DTYPE_END ? rows[t].name : "?";
}

tb_dtype
tb_dtype_parse(tb_str name)
{
    static const struct {
        const char *name;
        tb_dtype t;
    } more[] = {{"si8", TB_I8},   {"si16", TB_I16}, {"si32", TB_I32}, {"si64", TB_I64},
                {"u8", TB_U8},    {"u16", TB_U16},  {"u32", TB_U32},  {"u64", TB_U64},
                {"bool", TB_BOOL}};
    for (int t = 1; t < TB_DTYPE_END; t++)
        if (tb_str_is(name, rows[t].name))
            return (tb_dtype)t;
    for (size_t i = 0; i < TB_COUNT(more); i++)
        if (tb_str_is(name, more[i].name))
            return more[i].t;
    return TB_NONE;
}

tb_dtype
tb_dtype_from_torch(int number)
{
    for (int t = 1; t < TB_DTYPE_END; t++)
        if (torch_numbers[t] == number)
            return (tb_dtype)t;
    return TB_NONE;
}

int
tb_dtype_to_torch(tb_dtype t)
{
    return torch_numbers[t];
}
