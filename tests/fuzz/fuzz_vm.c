/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_vm.c -- any bytes as a module of IREE's compiler: refused, or listed and run. What
 * verifies is run with a budget, each exported function with numbers and a list, with one import that may
 * fail; nothing may be read or written outside, and nothing left behind.
 */
#include <stdlib.h>

#include "vm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What the modules in the corpus ask for (tests/unit/vm_test.c). */
static void
free_thing(tb_vm_object *o)
{
    tb_heap_free(o);
}
static const tb_vm_type thing_type = {"test.thing", free_thing};

/* (i32, i64, list of (i32, ref), f32) -> (ref, i64): gives a list of what it was given. */
static tb_status
hear(void *self, const tb_vm_call *c)
{
    int *calls = self;
    unsigned sum = 0;
    tb_vm_list *l = tb_vm_list_create(TB_VM_ANY, NULL);

    for (uint32_t i = 0; l && i < c->args[2].list.n; i++) {
        sum += (unsigned)c->args[2].list.at[2 * i].i32;
        tb_status_free(tb_vm_list_push(l, TB_VM_OBJECT, c->args[2].list.at[2 * i + 1]));
    }
    if (++*calls % 5 == 4) {
        tb_vm_release((tb_vm_object *)l);
        return tb_status_make(TB_NOT_FOUND, "%u", sum);
    }
    c->results[0].ref = (tb_vm_object *)l;
    c->results[1].i64 = *calls;
    return NULL;
}

static tb_vm_value
argument(char kind, uint32_t i)
{
    tb_vm_value v = {0};

    if (kind == 'i')
        v.i32 = (int32_t)i + 1;
    else if (kind == 'I')
        v.i64 = (int64_t)i + 3;
    else if (kind == 'f')
        v.f32 = 1.5f;
    else if (kind == 'F')
        v.f64 = -2.5;
    else if (i % 2) {
        v.ref = tb_heap(1, sizeof *v.ref);
        if (v.ref)
            tb_vm_object_init(v.ref, &thing_type);
    } else {
        v.ref = (tb_vm_object *)tb_vm_list_create(TB_VM_ANY, NULL);
    }
    return v;
}

static void
list(const tb_vm_module *m)
{
    tb_buf text = {0};

    tb_vm_module_describe(m, &text);
    tb_vm_module_disassemble(m, &text);
    TB_CHECK(!text.failed && text.n > 0);
    tb_buf_free(&text);
}

static void
call(tb_vm_state *s, const char *cconv, uint32_t number)
{
    tb_vm_value args[16], results[16];
    uint32_t n = 0, n_results = 0;
    const char *kinds = cconv + (*cconv == '0'), *c = kinds;

    for (; *c && *c != '_'; c++)
        if (*c != 'v' && n++ < 16)
            args[n - 1] = argument(*c, n);
    const char *letters = *c ? c + 1 : c;
    for (c = letters; *c; c++)
        n_results += *c != 'v';
    if (n <= 16 && n_results <= 16) {
        tb_status st = tb_vm_invoke(s, number, args, n, results, n_results);
        for (uint32_t i = 0; !st && i < n_results; i++)
            if (letters[i] == 'r')
                tb_vm_release(results[i].ref);
        tb_status_free(st);
    }
    for (uint32_t i = 0; i < n && i < 16; i++)
        if (kinds[i] == 'r')
            tb_vm_release(args[i].ref);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const tb_vm_function functions[] = {{"hear", "0iICirDf_rI", hear}};
    static const tb_vm_type *const types[] = {&thing_type};
    int calls = 0;
    tb_vm_library library = {.name = "things", .functions = functions, .n_functions = 1,
                             .types = types, .n_types = 1, .self = &calls};
    tb_vm_options options = {.libraries = &library, .n_libraries = 1, .max_steps = 2000,
                             .max_bytes = 1 << 22};
    tb_vm_module *m;
    tb_vm_state *s = NULL;
    tb_status st = tb_vm_module_load_memory(data, n, NULL, NULL, &m);

    if (!st) {
        list(m);
        for (uint32_t i = 0; i < tb_vm_module_export_count(m); i++)
            tb_vm_module_export_attr(m, i, "iree.abi.declaration");
        st = tb_vm_state_create(m, &options, &s);
    }
    for (uint32_t i = 0; !st && i < tb_vm_module_export_count(m) && i < 32; i++)
        call(s, tb_vm_module_export_cconv(m, i), i);
    tb_status_free(st);
    tb_vm_state_destroy(s);
    tb_vm_module_release(m);
    return 0;
}
