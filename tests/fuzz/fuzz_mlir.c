/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_mlir.c -- any bytes as torch-dialect text: a unit or an error, and what is printed
 * of a unit can be read again.
 */
#include <stdlib.h>

#include "mlir/mlir.h"

typedef struct job {
    tb_ctx *cx;
    tb_str text;
    bool print;
    tb_buf out;
} job;

static void
run(void *user)
{
    job *j = user;
    tb_unit *u = tb_mlir_parse(j->cx, j->text, TB_STR("fuzz.mlir"));

    for (uint32_t i = 0; i < u->graphs.n; i++)
        tb_graph_verify(u->graphs.at[i]);
    if (j->print)
        tb_mlir_print(u,
                      &(tb_mlir_options){.large_elements_limit = -1, .locations = true},
                      &j->out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    job first = {.cx = tb_ctx_new(), .text = {(const char *)data, n}, .print = true};
    tb_status st = tb_guard(first.cx, run, &first);

    if (!st) {
        job again = {.cx = tb_ctx_new(),
                     .text = {(const char *)first.out.at, first.out.n}};

        st = tb_guard(again.cx, run, &again);
        if (st) {
            fprintf(stderr, "%.*s\n%s\n", (int)first.out.n, (const char *)first.out.at,
                    tb_status_message(st));
            abort();
        }
        tb_ctx_free(again.cx);
    } else if (tb_status_code(st) == TB_INTERNAL) {
        fprintf(stderr, "%s\n", tb_status_message(st));
        abort();
    }
    tb_status_free(st);
    tb_buf_free(&first.out);
    tb_ctx_free(first.cx);
    return 0;
}
