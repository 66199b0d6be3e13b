/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * turbine-dump-module.c -- prints what is in .vmfb files: functions with their types and
 * instructions, kernels with the source lines they come from, constants, images. Of files of
 * iree-compile: what iree-dump-module prints, and the functions of executables.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/artifact.h"
#include "guest/guest.h"

static const char usage[] =
    "usage: turbine-dump-module [--check | --parameters] [--iree] FILE.vmfb...\n"
    "\n"
    "Prints the functions, kernels, constants and images of compiled modules; of files of\n"
    "iree-compile (IREE 3.13) types, imports, exports, constants, functions of executables\n"
    "and instructions.\n"
    "\n"
    "  --check    print nothing if a file is sound, weights included; else the fault\n"
    "  --parameters    list the tensors that a module has to be given when it is loaded;\n"
    "             of a .safetensors file: those that it holds\n"
    "  --iree     of a file of ours: the program that it has for IREE's own runtime\n"
    "  --help     this text\n"
    "\n"
    "A .vmfb is a ZIP archive: `unzip -l` lists its members, `unzip FILE '*.so'` takes\n"
    "the machine code out for objdump, gdb or perf.\n";

static tb_status
map_file(const char *path, void **bytes, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info = {0};
    void *p = MAP_FAILED;

    if (fd >= 0 && fstat(fd, &info) == 0) {
        if (S_ISREG(info.st_mode) && info.st_size > 0)
            p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        else
            errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    }
    tb_status st = NULL;
    if (p == MAP_FAILED)
        st = tb_status_make(errno == ENOENT ? TB_NOT_FOUND : TB_IO, "%s", strerror(errno));
    if (fd >= 0)
        close(fd);
    *bytes = p;
    *n = (size_t)info.st_size;
    return st;
}

/* Text from a file may contain what a terminal would obey. */
static void
make_printable(tb_buf *text)
{
    for (size_t i = 0; i < text->n; i++)
        if ((text->at[i] < ' ' && text->at[i] != '\n') || text->at[i] == 127)
            text->at[i] = '?';
}

/* "4x3xf32  48 bytes" */
static uint64_t
put_tensor(tb_buf *text, tb_dtype dtype, int rank, const int64_t *dims)
{
    uint64_t bytes = tb_dtype_bytes(dtype);

    for (int i = 0; i < rank; i++) {
        tb_buf_printf(text, "%" PRId64 "x", dims[i]);
        bytes *= (uint64_t)dims[i];
    }
    tb_buf_printf(text, "%s  %" PRIu64 " bytes", tb_dtype_name(dtype), bytes);
    return bytes;
}

/* From the plan, not through a module: the file may be for another machine. */
static tb_status
list_needed(const char *path, tb_buf *text)
{
    void *bytes;
    size_t n;
    tb_plan p;
    uint64_t sum = 0;
    int count = 0;

    TRY(map_file(path, &bytes, &n));
    tb_status st = tb_program_is_guest(bytes, n)
                       ? tb_status_make(TB_UNSUPPORTED, "a file of iree-compile names the "
                                                        "parameters it wants in its "
                                                        "instructions only")
                       : tb_artifact_read(bytes, n, 0, &p);
    for (uint32_t i = 0; !st && i < p.n_globals; i++) {
        const tb_plan_global *g = &p.globals[i];
        int64_t dims[TB_MAX_RANK];
        if (g->init != TB_INIT_PARAM)
            continue;
        for (uint32_t d = 0; d < g->type.rank; d++)
            dims[d] = p.dims[g->type.dims + d].value;
        tb_buf_printf(text, "%s%s%s  ", p.strings + g->scope.off, g->scope.len ? "  " : "",
                      p.strings + g->key.off);
        sum += put_tensor(text, (tb_dtype)g->type.dtype, (int)g->type.rank, dims);
        tb_buf_puts(text, "\n");
        count++;
    }
    if (!st)
        tb_buf_printf(text, "%d parameters, %" PRIu64 " bytes\n", count, sum);
    munmap(bytes, n);
    return st;
}

static tb_status
list_file(const char *path, tb_buf *text)
{
    tb_params *p = NULL;
    const char *scope, *name;
    uint64_t sum = 0;

    TRY(tb_params_create(&p));
    tb_status st = tb_params_add_file(p, NULL, path);
    int n = st ? 0 : tb_params_count(p);
    const uint8_t *base = NULL;
    for (int i = 0; !st && i < n; i++) {
        tb_tensor t;
        tb_status odd = tb_params_at(p, i, &scope, &name, &t);
        if (!odd && (!base || (const uint8_t *)t.data < base))
            base = t.data;
        tb_status_free(odd);
    }
    for (int i = 0; !st && i < n; i++) {
        tb_tensor t;
        tb_status odd = tb_params_at(p, i, &scope, &name, &t);
        tb_buf_printf(text, "%s  ", name);
        if (!odd) {
            sum += put_tensor(text, t.dtype, t.rank, t.dims);
            tb_buf_printf(text, " at %td\n", (const uint8_t *)t.data - base);
        } else {
            tb_buf_printf(text, "%s\n", tb_status_message(odd));
        }
        tb_status_free(odd);
    }
    if (!st)
        tb_buf_printf(text, "%d parameters, %" PRIu64 " bytes\n", n, sum);
    tb_params_release(p);
    return st;
}

static tb_status
list_parameters(const char *path)
{
    const char *dot = strrchr(path, '.');
    bool is_file = dot && strcmp(dot, ".safetensors") == 0;
    tb_buf text = {0};
    tb_status st = is_file ? list_file(path, &text) : list_needed(path, &text);

    make_printable(&text);
    if (!st && text.failed)
        st = tb_status_make(TB_OUT_OF_MEMORY, "not enough memory for the listing");
    if (!st && fwrite(text.at, 1, text.n, stdout) != text.n)
        st = tb_status_make(TB_IO, "cannot write: %s", strerror(errno));
    tb_buf_free(&text);
    return st;
}

static tb_status
dump_own(const void *bytes, size_t n, bool check, tb_buf *text)
{
    tb_plan plan;

    TRY(tb_artifact_read(bytes, n, check ? TB_LOAD_VERIFY_WEIGHTS : 0, &plan));
    if (!check)
        tb_plan_dump(&plan, bytes, text);
    return NULL;
}

static tb_status
dump_guest(const void *bytes, size_t n, bool check, tb_buf *text)
{
    tb_vm_module *m;

    if (!tb_vm_module_looks_like(bytes, n))
        return tb_status_make(TB_NOT_FOUND, "it has no program for IREE's runtime; "
                                            "turbine-compile --stock-iree writes one");
    TRY(tb_vm_module_load_memory(bytes, n, NULL, NULL, &m));
    tb_status st = tb_guest_dump(m, check ? NULL : text);
    tb_vm_module_release(m);
    return st;
}

static tb_status
dump(const char *path, bool check, bool as_guest)
{
    void *bytes;
    size_t n;
    tb_buf text = {0};

    TRY(map_file(path, &bytes, &n));
    tb_buf_printf(&text, "// %s, %zu bytes\n", path, n);
    tb_status st = as_guest || tb_program_is_guest(bytes, n) ? dump_guest(bytes, n, check, &text)
                                                             : dump_own(bytes, n, check, &text);
    if (!st && !check) {
        make_printable(&text);
        if (text.failed)
            st = tb_status_make(TB_OUT_OF_MEMORY, "not enough memory for the listing");
        else if (fwrite(text.at, 1, text.n, stdout) != text.n)
            st = tb_status_make(TB_IO, "cannot write: %s", strerror(errno));
    }
    tb_buf_free(&text);
    munmap(bytes, n);
    return st;
}

int
main(int argc, char **argv)
{
    bool check = false, parameters = false, as_guest = false;
    int files = 0, failed = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--check") == 0) {
            check = true;
        } else if (strcmp(argv[i], "--parameters") == 0) {
            parameters = true;
        } else if (strcmp(argv[i], "--iree") == 0) {
            as_guest = true;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "turbine-dump-module: unknown option %s\n%s", argv[i], usage);
            return 2;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        files++;
        tb_status st = parameters ? list_parameters(argv[i]) : dump(argv[i], check, as_guest);
        if (!st)
            continue;
        fprintf(stderr, "turbine-dump-module: %s: %s\n", argv[i], tb_status_message(st));
        tb_status_free(st);
        failed = 1;
    }
    if (files == 0) {
        fputs(usage, stderr);
        return 2;
    }
    return failed || fflush(stdout) != 0;
}
