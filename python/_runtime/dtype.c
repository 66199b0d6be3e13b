/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dtype.c -- element types as turbine, DLPack and the buffer protocol spell them.
 */
#include "binding.h"

#include <string.h>

/* The buffer protocol has no letter for bfloat16; its bits travel as uint16. */
static const dtype_row rows[] = {
    {TB_NONE, "none", "", 0, 0, 0},
    {TB_BOOL, "i1", "?", 1, kDLBool, 8},
    {TB_U8, "ui8", "B", 1, kDLUInt, 8},
    {TB_I8, "i8", "b", 1, kDLInt, 8},
    {TB_I16, "i16", "h", 2, kDLInt, 16},
    {TB_I32, "i32", "i", 4, kDLInt, 32},
    {TB_I64, "i64", "q", 8, kDLInt, 64},
    {TB_F16, "f16", "e", 2, kDLFloat, 16},
    {TB_BF16, "bf16", "H", 2, kDLBfloat, 16},
    {TB_F32, "f32", "f", 4, kDLFloat, 32},
    {TB_F64, "f64", "d", 8, kDLFloat, 64},
    {TB_C64, "complex<f32>", "Zf", 8, kDLComplex, 64},
    {TB_C128, "complex<f64>", "Zd", 16, kDLComplex, 128},
    {TB_U16, "ui16", "H", 2, kDLUInt, 16},
    {TB_U32, "ui32", "I", 4, kDLUInt, 32},
    {TB_U64, "ui64", "Q", 8, kDLUInt, 64},
};
#define N_ROWS (sizeof rows / sizeof rows[0])
_Static_assert(N_ROWS == TB_DTYPE_END, "one row per element type, in the order of dtype.h");

const dtype_row *
dtype_info(tb_dtype dtype)
{
    return (unsigned)dtype < N_ROWS ? &rows[dtype] : &rows[0];
}

tb_dtype
dtype_from_name(const char *name)
{
    for (size_t i = 1; i < N_ROWS; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].dtype;
    return TB_NONE;
}

tb_dtype
dtype_from_dl(DLDataType dl)
{
    if (dl.lanes != 1)
        return TB_NONE;
    for (size_t i = 1; i < N_ROWS; i++)
        if (rows[i].dl_code == dl.code && rows[i].dl_bits == dl.bits)
            return rows[i].dtype;
    return TB_NONE;
}

static tb_dtype
int_of_size(Py_ssize_t itemsize, int is_signed)
{
    switch (itemsize) {
    case 1: return is_signed ? TB_I8 : TB_U8;
    case 2: return is_signed ? TB_I16 : TB_U16;
    case 4: return is_signed ? TB_I32 : TB_U32;
    case 8: return is_signed ? TB_I64 : TB_U64;
    }
    return TB_NONE;
}

/* The size decides between "l" of 4 and of 8 bytes, so it is the item size that counts. */
tb_dtype
dtype_from_format(const char *format, Py_ssize_t itemsize)
{
    if (!format)
        return itemsize == 1 ? TB_U8 : TB_NONE;
    if (*format == '@' || *format == '=' || *format == '<')
        format++; /* every machine we run on is little-endian */
    if (format[0] == 'Z')
        return !strcmp(format, "Zf") ? TB_C64 : !strcmp(format, "Zd") ? TB_C128 : TB_NONE;
    if (!format[0] || format[1])
        return TB_NONE;
    if (strchr("bhilqn", *format))
        return int_of_size(itemsize, 1);
    if (strchr("BHILQN", *format))
        return int_of_size(itemsize, 0);
    switch (*format) {
    case '?': return TB_BOOL;
    case 'e': return TB_F16;
    case 'f': return TB_F32;
    case 'd': return TB_F64;
    }
    return TB_NONE;
}

PyObject *
dtype_table(void)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 1; list && i < N_ROWS; i++) {
        PyObject *row =
            Py_BuildValue("(sii)", rows[i].name, (int)rows[i].dtype, (int)rows[i].bytes);
        if (!row || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}
