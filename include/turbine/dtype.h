/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* turbine/dtype.h -- element types. The numbers are part of the artifact format. */
#pragma once
#include <stdint.h>

/*   name  value  bytes  kind    printed (as IREE's tools and MLIR spell it) */
#define TB_DTYPES(X)                                                                     \
    X(BOOL, 1, 1, BOOL, "i1")                                                            \
    X(U8, 2, 1, UINT, "ui8")                                                             \
    X(I8, 3, 1, INT, "i8")                                                               \
    X(I16, 4, 2, INT, "i16")                                                             \
    X(I32, 5, 4, INT, "i32")                                                             \
    X(I64, 6, 8, INT, "i64")                                                             \
    X(F16, 7, 2, FLOAT, "f16")                                                           \
    X(BF16, 8, 2, FLOAT, "bf16")                                                         \
    X(F32, 9, 4, FLOAT, "f32")                                                           \
    X(F64, 10, 8, FLOAT, "f64")                                                          \
    X(C64, 11, 8, COMPLEX, "complex<f32>")                                               \
    X(C128, 12, 16, COMPLEX, "complex<f64>")                                             \
    X(U16, 13, 2, UINT, "ui16")                                                          \
    X(U32, 14, 4, UINT, "ui32")                                                          \
    X(U64, 15, 8, UINT, "ui64")

typedef enum tb_dtype {
    TB_NONE = 0, /* no tensor: a group of results, a missing optional */
#define X(name, value, bytes, kind, text) TB_##name = value,
    TB_DTYPES(X)
#undef X
    TB_DTYPE_END
} tb_dtype;

typedef enum tb_kind {
    TB_KIND_BOOL,
    TB_KIND_UINT,
    TB_KIND_INT,
    TB_KIND_FLOAT,
    TB_KIND_COMPLEX
} tb_kind;
