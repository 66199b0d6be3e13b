/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_vmfb.c -- hostile artifacts: reading, listing, and, if they verify, running their
 * programs on the device "null", which executes instructions but no machine code.
 *
 * The plan's hash would stop every mutation at the door, so it is put right first. Seeds
 * are written by `artifact_test --seed FILE`.
 */
#include <stdlib.h>

#include "artifact/layout.h"
#include "turbine/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_BYTES = 1 << 24, MAX_INPUTS = 16, SMALL = 3 };

/* Sizes in a hostile plan may be anything: give out this much in all. */
static void *
alloc(void *user, size_t bytes, size_t align)
{
    size_t *left = user;
    void *p = NULL;

    if (bytes > *left || posix_memalign(&p, align < 8 ? 8 : align, bytes ? bytes : 1) != 0)
        return NULL;
    *left -= bytes;
    memset(p, 0, bytes);
    return p;
}

static void
release(void *user, void *p, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(p);
}

/* A small tensor of the type; false if the type allows none. */
static bool
make_input(const tb_value_info *info, tb_tensor *t)
{
    size_t bytes = tb_dtype_bytes(info->dtype);

    *t = (tb_tensor){.dtype = info->dtype, .rank = info->rank};
    for (int i = 0; i < info->rank; i++) {
        int64_t d = info->dims[i];
        if (d < 0)
            d = info->dim_min[i] > SMALL ? info->dim_min[i]
                : info->dim_max[i] < SMALL ? info->dim_max[i]
                                           : SMALL;
        if (d < 0 || d > MAX_BYTES || bytes * (size_t)d > MAX_BYTES)
            return false;
        bytes *= (size_t)d;
        t->dims[i] = d;
    }
    t->bytes = bytes;
    t->data = calloc(bytes ? bytes : 1, 1);
    return t->data != NULL;
}

static void
call(tb_module *m, tb_session *s, int fn)
{
    int n_in = tb_module_input_count(m, fn), n_out = tb_module_result_count(m, fn), made = 0;
    tb_tensor in[MAX_INPUTS], out[MAX_INPUTS] = {{0}};

    if (n_in > MAX_INPUTS || n_out > MAX_INPUTS)
        return;
    for (bool ok = true; ok && made < n_in;) {
        tb_value_info info;
        tb_module_input_info(m, fn, made, &info);
        ok = make_input(&info, &in[made]);
        made += ok;
    }
    for (int times = 0; made == n_in && times < 2; times++) { /* the second skips the prologue */
        tb_status_free(tb_session_call(s, fn, in, n_in, out, n_out));
        for (int i = 0; i < n_out; i++) {
            tb_tensor_release(&out[i]);
            out[i] = (tb_tensor){0};
        }
    }
    for (int i = 0; i < made; i++)
        free(in[i].data);
}

static void
run(const uint8_t *file, size_t n)
{
    tb_module *m = NULL;
    tb_session *s = NULL;
    tb_device *null = NULL;
    size_t left = 4 * MAX_BYTES;
    tb_allocator limited = {alloc, release, &left};
    tb_status st = tb_device_create("null", 1, &null);

    if (!st)
        st = tb_module_load_memory(file, n, 0, NULL, NULL, &m);
    if (!st)
        st = tb_session_create(m, &(tb_session_options){.device = null, .allocator = &limited}, &s);
    if (!st)
        for (int fn = 0; fn < tb_module_function_count(m); fn++)
            call(m, s, fn);
    tb_status_free(st);
    tb_session_destroy(s);
    tb_module_release(m);
    tb_device_release(null);
}

static void
read_and_list(const uint8_t *file, size_t n)
{
    tb_plan p;
    tb_buf text = {0};
    tb_status st = tb_artifact_read(file, n, TB_LOAD_VERIFY_WEIGHTS, &p);

    tb_status_free(st);
    st = tb_artifact_read(file, n, 0, &p);
    if (!st) {
        tb_plan_dump(&p, file, &text);
        run(file, n);
    }
    tb_buf_free(&text);
    tb_status_free(st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *member;
    size_t member_bytes;
    void *file = NULL;

    if (posix_memalign(&file, TB_DATA_ALIGN, n ? n : 1) != 0)
        return 0;
    memcpy(file, data, n);
    read_and_list(file, n);
    tb_status st = tb_zip_find(file, n, TB_PLAN_MEMBER, &member, &member_bytes);
    if (!st && member_bytes >= sizeof(tb_plan_header) && (uintptr_t)member % 8 == 0) {
        tb_plan_header *h = (void *)((uint8_t *)file + (member - (uint8_t *)file));
        h->file_bytes = n;
        h->bytes = member_bytes;
        tb_plan_seal(h, member_bytes);
        read_and_list(file, n);
    }
    tb_status_free(st);
    free(file);
    return 0;
}
