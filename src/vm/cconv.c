/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* cconv.c -- calling conventions: "0rICiD_r" is (ref, i64, list of i32) -> ref. */
#include "vm/internal.h"

static bool
is_value(char c)
{
    return c && strchr("iIfFr", c) != NULL;
}

static void
count(tb_vm_cconv *c, char kind)
{
    if (kind == 'r') {
        c->arg_ref++;
    } else {
        bool wide = kind == 'I' || kind == 'F';
        c->arg_i32 += wide ? c->arg_i32 % 2 + 2 : 1;
    }
}

bool
tb_vm_cconv_parse(const char *text, tb_vm_cconv *out)
{
    const char *p = text;

    *out = (tb_vm_cconv){.text = text, .args = "", .results = ""};
    if (!*p)
        return true;
    if (*p++ != '0')
        return false;
    out->args = p;
    if (*p == 'v') {
        p++;
    } else {
        for (; is_value(*p) || *p == 'C'; p++, out->n_args++) {
            if (*p != 'C') {
                count(out, *p);
                continue;
            }
            out->lists = true;
            const char *first = ++p;
            while (is_value(*p))
                p++;
            if (*p != 'D' || p == first)
                return false;
        }
        out->n_arg_chars = (uint32_t)(p - out->args);
    }
    if (!*p)
        return true;
    if (*p++ != '_')
        return false;
    out->results = p;
    if (*p == 'v')
        p++;
    else
        for (; is_value(*p); p++)
            out->n_results++;
    return !*p;
}
