/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* value_text.c -- tensors to and from text. */
#include "value_text.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

#include "npy.h"

/* ---- memory ---- */
static void
release(tb_tensor *t)
{
    free(t->data);
}

int64_t
value_elems(const tb_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

tb_status
value_allocate(tb_tensor *t)
{
    int64_t n = (int64_t)tb_dtype_bytes(t->dtype);
    void *p = NULL;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0 || !tb_mul_ok(n, t->dims[i], &n))
            return tb_status_make(TB_INVALID_ARGUMENT, "a tensor of that size is too large");
    if (posix_memalign(&p, TB_DATA_ALIGN, n ? (size_t)n : 1) != 0)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %lld bytes", (long long)n);
    memset(p, 0, (size_t)n);
    t->data = p;
    t->bytes = (size_t)n;
    t->release = release;
    return NULL;
}

/* ---- one element ---- */
/* Shortest text that reads back as the same number. */
static void
print_float(tb_buf *out, double v, tb_dtype dtype)
{
    char text[40];
    for (int digits = 6; digits < 18; digits++) {
        snprintf(text, sizeof text, "%.*G", digits, v);
        float f = strtof(text, NULL);
        double d = strtod(text, NULL);
        if (dtype == TB_F64 ? d == v
            : dtype == TB_F32 ? f == (float)v
            : dtype == TB_F16 ? tb_f16_to_f32(tb_f32_to_f16(f)) == (float)v
                              : tb_bf16_to_f32(tb_f32_to_bf16(f)) == (float)v)
            break;
    }
    if (v != v) /* a NaN's sign is printed on some systems */
        snprintf(text, sizeof text, "NAN");
    tb_buf_puts(out, text);
}

static double
get_float(tb_dtype dtype, const void *p)
{
    uint16_t h;
    float f;
    double d;
    if (dtype == TB_F64) {
        memcpy(&d, p, 8);
        return d;
    }
    if (dtype == TB_F32) {
        memcpy(&f, p, 4);
        return (double)f;
    }
    memcpy(&h, p, 2);
    return (double)(dtype == TB_F16 ? tb_f16_to_f32(h) : tb_bf16_to_f32(h));
}

static int64_t
get_int(tb_dtype dtype, const void *p)
{
    size_t n = tb_dtype_bytes(dtype);
    uint64_t u = 0;
    memcpy(&u, p, n);
    if (tb_dtype_kind(dtype) != TB_KIND_INT)
        return (int64_t)u;
    unsigned unused = (unsigned)(64 - 8 * n);
    return (int64_t)(u << unused) >> unused; /* gcc and clang shift the sign in */
}

static void
print_element(tb_buf *out, tb_dtype dtype, const void *p)
{
    if (tb_dtype_is_float(dtype)) {
        print_float(out, get_float(dtype, p), dtype);
    } else if (tb_dtype_is_complex(dtype)) {
        tb_dtype part = dtype == TB_C64 ? TB_F32 : TB_F64;
        const char *imag = (const char *)p + tb_dtype_bytes(part);
        print_float(out, get_float(part, p), part);
        tb_buf_puts(out, get_float(part, imag) < 0 ? "" : "+");
        print_float(out, get_float(part, imag), part);
        tb_buf_puts(out, "j");
    } else if (tb_dtype_kind(dtype) == TB_KIND_INT) {
        tb_buf_printf(out, "%lld", (long long)get_int(dtype, p));
    } else {
        tb_buf_printf(out, "%llu", (unsigned long long)get_int(dtype, p));
    }
}

/* Reads a float; false if there is none at *at. */
static bool
parse_float(const char **at, tb_dtype dtype, void *p)
{
    char *end;
    double d = strtod(*at, &end);
    float f = strtof(*at, NULL);
    uint16_t h = dtype == TB_F16 ? tb_f32_to_f16(f) : tb_f32_to_bf16(f);
    if (end == *at)
        return false;
    *at = end;
    if (dtype == TB_F64)
        memcpy(p, &d, 8);
    else if (dtype == TB_F32)
        memcpy(p, &f, 4);
    else
        memcpy(p, &h, 2);
    return true;
}

static bool
parse_complex(const char **at, tb_dtype dtype, void *p)
{
    tb_dtype part = dtype == TB_C64 ? TB_F32 : TB_F64;
    char *imag = (char *)p + tb_dtype_bytes(part);
    if (!parse_float(at, part, p))
        return false;
    if (**at != '+' && **at != '-')
        return true; /* the memory is zeroed */
    return parse_float(at, part, imag) && (**at == 'j' || **at == 'i') && (*at)++;
}

static bool
parse_int(const char **at, tb_dtype dtype, void *p)
{
    bool negative = **at == '-';
    const char *digits = *at + (negative || **at == '+');
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    unsigned bits = 8 * (unsigned)tb_dtype_bytes(dtype);
    char *end;
    if (*digits < '0' || *digits > '9')
        return false;
    errno = 0;
    uint64_t u = strtoull(digits, &end, base), limit = UINT64_MAX >> (64 - bits);
    if (tb_dtype_kind(dtype) == TB_KIND_INT)
        limit = (limit >> 1) + negative;
    else if (negative)
        limit = 0;
    if (errno || u > limit)
        return false;
    if (negative)
        u = 0 - u;
    memcpy(p, &u, tb_dtype_bytes(dtype));
    *at = end;
    return true;
}

static bool
parse_bool(const char **at, void *p)
{
    static const struct {
        const char *text;
        uint8_t value;
    } rows[] = {{"true", 1}, {"false", 0}, {"1", 1}, {"0", 0}};
    for (size_t i = 0; i < TB_COUNT(rows); i++)
        if (strncmp(*at, rows[i].text, strlen(rows[i].text)) == 0) {
            memcpy(p, &rows[i].value, 1);
            *at += strlen(rows[i].text);
            return true;
        }
    return false;
}

static bool
is_separator(char c)
{
    return c == ' ' || c == ',' || c == '[' || c == ']' || c == '\t' || c == '\n';
}

static bool
parse_element(const char **at, tb_dtype dtype, void *p)
{
    bool ok = tb_dtype_is_float(dtype)     ? parse_float(at, dtype, p)
              : tb_dtype_is_complex(dtype) ? parse_complex(at, dtype, p)
              : dtype == TB_BOOL           ? parse_bool(at, p)
                                           : parse_int(at, dtype, p);
    return ok && (**at == '\0' || is_separator(**at));
}

/* ---- whole tensors ---- */
/* "4x2xf32" up to '=' or the end; *rest gets what follows. */
static tb_status
parse_type(const char *text, tb_tensor *t, const char **rest)
{
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        char *end;
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (errno || *end != 'x' || t->rank == TB_MAX_RANK)
            break;
        t->dims[t->rank++] = n;
        at = end + 1;
    }
    size_t n = strcspn(at, "=");
    t->dtype = tb_dtype_parse((tb_str){at, n});
    if (t->dtype == TB_NONE)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "'%s' is no tensor: expected for example 2x3xf32=1 2 3 4 5 6 or "
                              "@file.npy",
                              text);
    *rest = at + n;
    return NULL;
}

static tb_status
read_raw(const char *path, tb_tensor *t)
{
    tb_buf b = {0};
    tb_status st = tb_file_read(path, &b);
    if (!st && b.n != t->bytes)
        st = tb_status_make(TB_INVALID_ARGUMENT, "%s: %zu bytes, expected %zu", path, b.n,
                            t->bytes);
    if (!st && b.n)
        memcpy(t->data, b.at, b.n);
    tb_buf_free(&b);
    return st;
}

static tb_status
parse_elements(const char *text, tb_tensor *t)
{
    size_t size = tb_dtype_bytes(t->dtype);
    int64_t n = 0, want = value_elems(t);
    const char *at = text;
    unsigned char extra[16] = {0};
    for (;; n++) {
        while (is_separator(*at))
            at++;
        if (!*at)
            break;
        const char *begin = at;
        void *p = n < want ? (char *)t->data + (size_t)n * size : (void *)extra;
        if (!parse_element(&at, t->dtype, p))
            return tb_status_make(TB_INVALID_ARGUMENT, "'%.*s' is no %s",
                                  (int)strcspn(begin, " ,[]\t\n"), begin,
                                  tb_dtype_name(t->dtype));
    }
    if (n == 1) /* one value for all */
        for (int64_t i = 1; i < want; i++)
            memcpy((char *)t->data + (size_t)i * size, t->data, size);
    else if (n != want)
        return tb_status_make(TB_INVALID_ARGUMENT, "expected %lld values, found %lld",
                              (long long)want, (long long)n);
    return NULL;
}

static bool
is_number(const char *text)
{
    char *end;
    strtod(text, &end);
    return end != text && *end == '\0';
}

tb_status
value_parse(const char *text, const tb_value_info *want, tb_tensor *out)
{
    tb_tensor t = {0};
    const char *rest = text;
    if (*text == '@')
        return npy_read(text + 1, out);
    if (want && want->rank == 0 && want->dtype != TB_NONE && is_number(text)) {
        t.dtype = want->dtype;
        TRY(value_allocate(&t));
    } else {
        TRY(parse_type(text, &t, &rest));
        TRY(value_allocate(&t));
        if (*rest == '=')
            rest++;
    }
    tb_status st = *rest == '@' ? read_raw(rest + 1, &t) : *rest ? parse_elements(rest, &t) : NULL;
    if (st) {
        tb_tensor_release(&t);
        tb_status named = tb_status_make(tb_status_code(st), "%.*s: %s",
                                         (int)strcspn(text, "="), text, tb_status_message(st));
        tb_status_free(st);
        return named;
    }
    *out = t;
    return NULL;
}

void
value_print_type(tb_dtype dtype, int rank, const int64_t *dims, tb_buf *out)
{
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            tb_buf_puts(out, "?x");
        else
            tb_buf_printf(out, "%lldx", (long long)dims[i]);
    }
    tb_buf_puts(out, tb_dtype_name(dtype));
}

/* Axis `axis` and those inside it; returns the number of the next element. */
static int64_t
print_axis(const tb_tensor *t, int axis, int64_t at, int64_t max_elems, tb_buf *out)
{
    size_t size = tb_dtype_bytes(t->dtype);
    int64_t n = axis < t->rank ? t->dims[axis] : 1;
    bool innermost = axis + 1 >= t->rank;
    for (int64_t i = 0; i < n; i++) {
        if (at >= max_elems) {
            tb_buf_puts(out, "...");
            return at;
        }
        if (innermost) {
            tb_buf_puts(out, i ? " " : "");
            print_element(out, t->dtype, (const char *)t->data + (size_t)at++ * size);
        } else {
            tb_buf_puts(out, "[");
            at = print_axis(t, axis + 1, at, max_elems, out);
            tb_buf_puts(out, "]");
        }
    }
    return at;
}

void
value_print(const tb_tensor *t, int64_t max_elems, tb_buf *out)
{
    value_print_type(t->dtype, t->rank, t->dims, out);
    tb_buf_puts(out, "=");
    if (value_elems(t) > 0)
        print_axis(t, 0, 0, max_elems, out);
}

void
value_print_number(const tb_tensor *t, tb_buf *out)
{
    tb_buf_printf(out, "%s=", tb_dtype_name(t->dtype));
    if (tb_dtype_is_float(t->dtype))
        tb_buf_printf(out, "%g", get_float(t->dtype, t->data));
    else
        print_element(out, t->dtype, t->data);
}

/* ---- comparison ---- */
static bool
same_type(const tb_tensor *a, const tb_tensor *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

static bool
near(double a, double b, double tolerance)
{
    double size = b < 0 ? -b : b, difference = a > b ? a - b : b - a;
    if (a == b || (a != a && b != b))
        return true;
    return difference <= tolerance * (size > 1 ? size : 1) && size <= DBL_MAX;
}

static bool
same_element(tb_dtype dtype, const char *a, const char *b, const value_tolerance *tol)
{
    if (tb_dtype_is_complex(dtype)) {
        tb_dtype part = dtype == TB_C64 ? TB_F32 : TB_F64;
        size_t n = tb_dtype_bytes(part);
        return same_element(part, a, b, tol) && same_element(part, a + n, b + n, tol);
    }
    if (!tb_dtype_is_float(dtype))
        return memcmp(a, b, tb_dtype_bytes(dtype)) == 0;
    return near(get_float(dtype, a), get_float(dtype, b),
                dtype == TB_F64   ? tol->f64
                : dtype == TB_F32 ? tol->f32
                : dtype == TB_F16 ? tol->f16
                                  : tol->f16 * 8);
}

bool
value_same(const tb_tensor *got, const tb_tensor *want, const value_tolerance *tol,
           tb_buf *why)
{
    size_t size = tb_dtype_bytes(got->dtype);
    int64_t n = value_elems(got), wrong = 0, first = 0;
    if (!same_type(got, want)) {
        tb_buf_puts(why, "the type is ");
        value_print_type(got->dtype, got->rank, got->dims, why);
        tb_buf_puts(why, ", expected ");
        value_print_type(want->dtype, want->rank, want->dims, why);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        size_t at = (size_t)i * size;
        if (!same_element(got->dtype, (char *)got->data + at, (char *)want->data + at, tol) &&
            wrong++ == 0)
            first = i;
    }
    if (wrong == 0)
        return true;
    tb_buf_printf(why, "element at index %lld (", (long long)first);
    print_element(why, got->dtype, (char *)got->data + (size_t)first * size);
    tb_buf_puts(why, ") does not match the expected (");
    print_element(why, got->dtype, (char *)want->data + (size_t)first * size);
    tb_buf_printf(why, "); %lld of %lld elements differ", (long long)wrong, (long long)n);
    return false;
}
