/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* minilm.c -- embeds one sentence with minilm.vmfb. */
#include <stdio.h>
#include <turbine/runtime.h>

int
main(int argc, char **argv)
{
    int64_t ids[] = {101, 7592, 2088, 102}, mask[] = {1, 1, 1, 1}; /* "hello world" */
    tb_tensor in[] = {{ids, sizeof ids, TB_I64, 2, {1, 4}, NULL, {0}},
                      {mask, sizeof mask, TB_I64, 2, {1, 4}, NULL, {0}}};
    tb_tensor out = {0}; /* all zero: the call gives it memory */
    tb_module *module = NULL;
    tb_session *session = NULL;
    tb_status st = tb_module_load_file(argc > 1 ? argv[1] : "minilm.vmfb", 0, &module);
    int failed;

    st = st ? st : tb_session_create(module, NULL, &session);
    st = st ? st : tb_session_call(session, 0, in, 2, &out, 1);
    for (int i = 0; !st && i < out.dims[1]; i++)
        printf("%f%c", ((float *)out.data)[i], i % 8 == 7 ? '\n' : ' ');
    if ((failed = st != NULL))
        fprintf(stderr, "%s\n", tb_status_message(st));
    tb_tensor_release(&out);
    tb_session_destroy(session);
    tb_module_release(module);
    tb_status_free(st);
    return failed;
}
