/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* minilm.c -- loads minilm.vmfb and embeds one sentence; needs libc and threads only. */
#include <stdio.h>
#include <turbine/runtime.h>

static tb_status
embed(tb_session *session, int64_t *ids, int64_t *mask, int64_t n, tb_tensor *result)
{
    tb_tensor inputs[2] = {
        {.data = ids, .bytes = 8 * n, .dtype = TB_I64, .rank = 2, .dims = {1, n}},
        {.data = mask, .bytes = 8 * n, .dtype = TB_I64, .rank = 2, .dims = {1, n}},
    };
    return tb_session_call(session, 0, inputs, 2, result, 1);
}

int
main(int argc, char **argv)
{
    int64_t ids[] = {101, 7592, 2088, 102}, mask[] = {1, 1, 1, 1}; /* "hello world" */
    tb_module *module = NULL;
    tb_session *session = NULL;
    tb_tensor result = {0};
    tb_status st = tb_module_load_file(argc > 1 ? argv[1] : "minilm.vmfb", 0, &module);

    if (!st && !(st = tb_session_create(module, NULL, &session)) &&
        !(st = embed(session, ids, mask, 4, &result)))
        for (int i = 0; i < result.dims[1]; i++)
            printf("%.6f%c", ((float *)result.data)[i], i % 8 == 7 ? '\n' : ' ');
    if (st)
        fprintf(stderr, "%s\n", tb_status_message(st));
    tb_tensor_release(&result);
    tb_session_destroy(session);
    tb_module_release(module);
    tb_status_free(st);
    return st != NULL;
}
