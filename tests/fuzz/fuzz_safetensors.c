/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_safetensors.c -- any bytes as a safetensors file: an error, or tensors that lie in
 * the bytes, sorted by name, each found by its name.
 */
#include <stdlib.h>

#include "base/base.h"
#include "turbine/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look(const tb_params *p, const uint8_t *data, size_t n)
{
    const char *scope, *name, *before = NULL;

    for (int i = 0; i < tb_params_count(p); i++) {
        tb_tensor t, same;
        unsigned sum = 0;
        tb_status st = tb_params_at(p, i, &scope, &name, &t);

        TB_CHECK(!before || strcmp(before, name) < 0);
        before = name;
        if (st) {
            tb_status_free(st);
            continue;
        }
        const uint8_t *at = t.data;
        TB_CHECK(at >= data && at <= data + n && t.bytes <= (size_t)(data + n - at));
        for (size_t k = 0; k < t.bytes; k++)
            sum += at[k];
        st = tb_params_get(p, "any", name, &same);
        TB_CHECK(!st && same.data == t.data && sum < UINT32_MAX);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tb_params *p = NULL;
    tb_status st = tb_params_create(&p);

    if (!st)
        st = tb_params_add_memory(p, NULL, data, n, NULL, NULL);
    if (!st)
        look(p, data, n);
    tb_status_free(st);
    tb_params_release(p);
    return 0;
}
