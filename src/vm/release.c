/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* release.c -- the table of releases. */
#include "vm/release.h"

#include <stddef.h>
#include <string.h>

static const tb_iree_release releases[] = {
#define X(id, name, cconv_3_13) cconv_3_13,
    {"3.13", 17u << 16, 7, 6, {TB_VM_IMPORTS(X)}},
#undef X
};

static const char *const names[] = {
#define X(id, name, cconv_3_13) name,
    TB_VM_IMPORTS(X)
#undef X
};

const tb_iree_release *
tb_iree_release_find(const char *name)
{
    for (size_t i = 0; i < sizeof releases / sizeof *releases; i++)
        if (!name || strcmp(releases[i].name, name) == 0)
            return &releases[i];
    return NULL;
}

const char *
tb_vm_import_name(tb_vm_import import)
{
    return names[import];
}
