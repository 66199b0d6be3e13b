/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * run_kernel.c -- runs on an emulated processor (code_t.h compiles and starts it): maps an
 * image, calls one kernel, writes what it returned and the last binding to standard output.
 *
 * The file named by the argument is a header, the image, then the bindings.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run_kernel.h"

typedef int32_t kernel_fn(void *const *bindings, const int64_t *sizes, int64_t begin,
                          int64_t end, void *scratch);

static void *
read_block(FILE *f, uint64_t n)
{
    void *p = mmap(NULL, n + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || fread(p, 1, n, f) != n)
        exit(3);
    return p;
}

int
main(int argc, char **argv)
{
    static _Alignas(64) char scratch[1 << 16];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    run_kernel_header h;
    void *bindings[RUN_KERNEL_MAX];
    kernel_fn *fn;

    if (!f || fread(&h, sizeof h, 1, f) != 1 || h.n > RUN_KERNEL_MAX)
        return 3;
    char *image = read_block(f, h.image_bytes);
    for (uint64_t i = 0; i < h.n; i++)
        bindings[i] = read_block(f, h.bytes[i]);
    fclose(f);
    __builtin___clear_cache(image, image + h.image_bytes);
    if (mprotect(image, h.image_bytes, PROT_READ | PROT_EXEC) != 0)
        return 3;
    void *entry = image + h.entry;
    memcpy(&fn, &entry, sizeof fn);
    int32_t code = fn(bindings, h.sizes, h.begin, h.end, scratch);
    fwrite(&code, sizeof code, 1, stdout);
    fwrite(bindings[h.n - 1], 1, h.bytes[h.n - 1], stdout);
    return fflush(stdout) != 0;
}
