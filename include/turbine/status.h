/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine/status.h -- how functions of the C API report failure.
 *
 * A `tb_status` is one word: NULL means success, anything else points to an immutable
 * record with a code and a message. The receiver owns it and releases it with
 * `tb_status_free` (which accepts NULL). A status may be handed to another thread.
 * When memory for the record itself cannot be had, a static record with code
 * TB_OUT_OF_MEMORY is returned; freeing that is a no-op. A runtime built with TB_NO_MALLOC
 * has room for four messages of 251 characters: free a status before the next four.
 */
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TB_API __attribute__((visibility("default")))
#define TB_MUST_CHECK __attribute__((warn_unused_result))
#define TB_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define TB_API
#define TB_MUST_CHECK
#define TB_PRINTF(f, a)
#endif

/* code, printed name, meaning */
#define TB_CODES(X)                                                                      \
    X(OK, "ok", "success")                                                               \
    X(INVALID_ARGUMENT, "invalid argument", "the caller passed something wrong")         \
    X(OUT_OF_RANGE, "out of range", "an index or size is outside its range")             \
    X(OUT_OF_MEMORY, "out of memory", "an allocation failed")                            \
    X(NOT_FOUND, "not found", "no function, file or parameter of that name")             \
    X(UNSUPPORTED, "unsupported", "an operator, type or feature that is not built in")   \
    X(CORRUPT, "corrupt", "bytes from outside do not verify")                            \
    X(INCOMPATIBLE, "incompatible", "made for another CPU or format version")            \
    X(IO, "i/o error", "the operating system refused")                                   \
    X(INTERNAL, "internal error", "a fault in Turbine; please report it")

typedef enum tb_code {
#define X(name, text, meaning) TB_##name,
    TB_CODES(X)
#undef X
} tb_code;

typedef const struct tb_status_record *tb_status;

TB_API tb_code tb_status_code(tb_status st);
/* Lives as long as the status. NULL gives "ok". Never NULL. */
TB_API const char *tb_status_message(tb_status st);
TB_API const char *tb_code_name(tb_code code);
TB_API void tb_status_free(tb_status st);
/* Makes a status; `fmt` as printf. Never returns NULL. */
TB_API tb_status tb_status_make(tb_code code, const char *fmt, ...)
    TB_MUST_CHECK TB_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
