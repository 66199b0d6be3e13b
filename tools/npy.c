/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * npy.c -- reads and writes .npy files:
 *
 *   "\x93NUMPY" major minor, length of the header (2 or 4 bytes), then a Python literal:
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 */
#include "npy.h"

#include <stdlib.h>

#include "value_text.h"

static const struct {
    tb_dtype dtype;
    const char *descr;
} descrs[] = {
    {TB_BOOL, "|b1"}, {TB_U8, "|u1"},  {TB_I8, "|i1"},   {TB_I16, "<i2"},  {TB_I32, "<i4"},
    {TB_I64, "<i8"},  {TB_F16, "<f2"}, {TB_BF16, "<V2"}, {TB_F32, "<f4"},  {TB_F64, "<f8"},
    {TB_C64, "<c8"},  {TB_C128, "<c16"}, {TB_U16, "<u2"}, {TB_U32, "<u4"}, {TB_U64, "<u8"},
};

/* The value of a key in the header, or NULL. */
static const char *
find_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    at = at ? strchr(at + strlen(key), ':') : NULL;
    if (!at)
        return NULL;
    at++;
    return at + strspn(at, " ");
}

static tb_dtype
parse_descr(const char *at)
{
    if (!at || (*at != '\'' && *at != '"'))
        return TB_NONE;
    size_t n = strcspn(++at, "'\"");
    for (size_t i = 0; i < TB_COUNT(descrs); i++) {
        const char *d = descrs[i].descr;
        /* '|' and '<' mean the same where there is no order of bytes to speak of */
        if (n == strlen(d) && strncmp(at + 1, d + 1, n - 1) == 0 && *at != '>')
            return descrs[i].dtype;
    }
    return TB_NONE;
}

static bool
parse_shape(const char *at, tb_tensor *t)
{
    if (!at || *at++ != '(')
        return false;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return true;
        char *end;
        long long n = strtoll(at, &end, 10);
        if (end == at || n < 0 || t->rank == TB_MAX_RANK)
            return false;
        t->dims[t->rank++] = n;
        at = end + (*end == 'L');
    }
}

/* Column-major to row-major. */
static void
reorder(const tb_tensor *t, const char *from)
{
    size_t size = tb_dtype_bytes(t->dtype);
    int64_t n = value_elems(t), index[TB_MAX_RANK] = {0};
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int ax = t->rank; ax-- > 0;)
            at = at * t->dims[ax] + index[ax];
        memcpy((char *)t->data + (size_t)i * size, from + (size_t)at * size, size);
        for (int ax = t->rank; ax-- > 0 && ++index[ax] == t->dims[ax];)
            index[ax] = 0;
    }
}

static tb_status
parse(const tb_buf *b, tb_tensor *out)
{
    tb_tensor t = {0};
    if (b->n < 12 || memcmp(b->at, "\x93NUMPY", 6) != 0 || b->at[6] < 1 || b->at[6] > 3)
        return tb_status_make(TB_INVALID_ARGUMENT, "no .npy file");
    size_t begin = b->at[6] == 1 ? 10 : 12;
    size_t n = b->at[6] == 1 ? (size_t)b->at[8] | (size_t)b->at[9] << 8
                             : (size_t)b->at[8] | (size_t)b->at[9] << 8 |
                                   (size_t)b->at[10] << 16 | (size_t)b->at[11] << 24;
    if (n > b->n - begin)
        return tb_status_make(TB_INVALID_ARGUMENT, "the file ends in its header");
    char *header = malloc(n + 1);
    if (!header)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the header");
    memcpy(header, b->at + begin, n);
    header[n] = '\0';
    const char *order = find_key(header, "'fortran_order'");
    bool fortran = order && strncmp(order, "True", 4) == 0;
    tb_status st = NULL;
    t.dtype = parse_descr(find_key(header, "'descr'"));
    if (t.dtype == TB_NONE)
        st = tb_status_make(TB_UNSUPPORTED, "element type not supported: %s", header);
    else if (!order || !parse_shape(find_key(header, "'shape'"), &t))
        st = tb_status_make(TB_INVALID_ARGUMENT, "header not understood: %s", header);
    free(header);
    if (!st)
        st = value_allocate(&t);
    if (!st && b->n - begin - n < t.bytes)
        st = tb_status_make(TB_INVALID_ARGUMENT, "the file ends after %zu of %zu bytes of data",
                            b->n - begin - n, t.bytes);
    if (st) {
        tb_tensor_release(&t);
        return st;
    }
    const char *data = (const char *)b->at + begin + n;
    if (fortran && t.rank > 1)
        reorder(&t, data);
    else if (t.bytes)
        memcpy(t.data, data, t.bytes);
    *out = t;
    return NULL;
}

tb_status
npy_read(const char *path, tb_tensor *out)
{
    tb_buf b = {0};
    tb_status st = tb_file_read(path, &b);
    if (!st) {
        st = parse(&b, out);
        if (st) {
            tb_status named =
                tb_status_make(tb_status_code(st), "%s: %s", path, tb_status_message(st));
            tb_status_free(st);
            st = named;
        }
    }
    tb_buf_free(&b);
    return st;
}

/* Puts an array behind what is in the buffer. */
static void
put_array(tb_buf *all, const tb_tensor *t)
{
    tb_buf b = {0};
    const char *descr = "";
    for (size_t i = 0; i < TB_COUNT(descrs); i++)
        if (descrs[i].dtype == t->dtype)
            descr = descrs[i].descr;
    tb_buf_put(&b, "\x93NUMPY\x01\x00\x00\x00", 10);
    tb_buf_printf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < t->rank; i++)
        tb_buf_printf(&b, "%lld%s", (long long)t->dims[i],
                      t->rank == 1 ? "," : i + 1 < t->rank ? ", " : "");
    tb_buf_puts(&b, "), }");
    while (b.n % 64 != 63 && !b.failed) /* data begins at a multiple of 64 */
        tb_buf_puts(&b, " ");
    tb_buf_puts(&b, "\n");
    if (!b.failed) {
        b.at[8] = (uint8_t)(b.n - 10);
        b.at[9] = (uint8_t)((b.n - 10) >> 8);
    }
    tb_buf_put(&b, t->data, (size_t)value_elems(t) * tb_dtype_bytes(t->dtype));
    if (b.failed)
        all->failed = true;
    else
        tb_buf_put(all, b.at, b.n);
    tb_buf_free(&b);
}

static tb_status
write_behind(tb_buf *b, const char *path, const tb_tensor *t)
{
    put_array(b, t);
    tb_status st = b->failed
                       ? tb_status_make(TB_OUT_OF_MEMORY, "%s: no memory to write it", path)
                       : tb_file_write(path, b->at, b->n);
    tb_buf_free(b);
    return st;
}

tb_status
npy_write(const char *path, const tb_tensor *t)
{
    tb_buf b = {0};
    return write_behind(&b, path, t);
}

tb_status
npy_append(const char *path, const tb_tensor *t)
{
    tb_buf b = {0};
    tb_status st = tb_file_read(path, &b);
    if (st && tb_status_code(st) != TB_NOT_FOUND)
        return st;
    tb_status_free(st);
    return write_behind(&b, path, t);
}
