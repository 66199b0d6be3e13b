/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * declare.c -- types out of the text that IREE's compiler writes beside a function. It is
 * there for people; whatever is not understood is taken for an unknown type, and the program
 * itself checks what it is given.
 */
#include <stdlib.h>

#include "guest/internal.h"

static const char *
after(const char *p, const char *what)
{
    const char *found = p ? strstr(p, what) : NULL;
    return found ? found + strlen(what) : NULL;
}

/* "?x4xf32>": dimensions, then the element type. */
static void
tensor(const char *p, tb_value_info *out)
{
    tb_value_info t = {.name = out->name};

    for (;; p++) {
        char *end = (char *)(uintptr_t)p;
        int64_t n = *p == '?' ? -1 : strtoll(p, &end, 10);
        if (*p == '?')
            end++;
        if (end == p || *end != 'x' || t.rank == TB_MAX_RANK)
            break;
        t.dim_min[t.rank] = n < 0 ? 0 : n;
        t.dim_max[t.rank] = n < 0 ? INT64_MAX : n;
        t.dims[t.rank++] = n;
        p = end;
    }
    const char *end = strpbrk(p, ">,");
    if (end && strncmp(p, "complex<", 8) == 0 && *end == '>')
        end++;
    t.dtype = end ? tb_dtype_parse((tb_str){p, (size_t)(end - p)}) : TB_NONE;
    if (t.dtype != TB_NONE)
        *out = t;
}

/* One value's type at p, behind ": ". */
static void
type(const char *p, tb_value_info *out)
{
    if (strncmp(p, "tensor<", 7) == 0)
        tensor(p + 7, out);
}

/* Values "%x: type" up to the parenthesis that closes the list; what follows it. */
static const char *
values(const char *p, tb_value_info *types, int n)
{
    int depth = 0, i = 0;

    for (; p && *p && (depth > 0 || *p != ')'); p++) {
        if (strchr("(<{[", *p))
            depth++;
        else if (strchr(")]}", *p) || (*p == '>' && p[-1] != '-'))
            depth--;
        else if (depth == 0 && *p == '%' && i < n) {
            const char *colon = strchr(p, ':');
            if (!colon)
                return NULL;
            p = colon + 1 + (colon[1] == ' ');
            type(p, &types[i++]);
            p--;
        }
    }
    return p && *p ? p + 1 : NULL;
}

void
tb_guest_declared(const char *declaration, tb_value_info *types, int n_inputs, int n_results)
{
    const char *p = values(after(after(declaration, "func @"), "("), types, n_inputs);

    values(after(p, "-> ("), types + n_inputs, n_results);
}
