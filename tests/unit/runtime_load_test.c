/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_load_test.c -- artifacts from files and memory: who owns the bytes, which image
 * is taken, what may be executed.
 */
#include <stdlib.h>
#include <unistd.h>

#include "artifact_t.h"
#include "runtime/runtime_internal.h"
#include "t.h"

static const char *path; /* in the temporary folder */

static void
no_status(tb_status st, int line)
{
    if (st)
        printf("# line %d: %s\n", line, tb_status_message(st));
    CHECK(st == NULL);
    tb_status_free(st);
}
#define OK(st) no_status((st), __LINE__)

static void
fails(tb_status st, tb_code code, const char *message)
{
    EQ_STR(tb_code_name(tb_status_code(st)), tb_code_name(code));
    EQ_STR(tb_status_message(st), message);
    tb_status_free(st);
}

/* The sample's bytes, aligned, from malloc. */
static uint8_t *
sample_bytes(void (*change)(t_artifact *s), size_t *n)
{
    t_artifact s;
    tb_buf b = {0};
    void *p = NULL;
    t_sample(&s);
    if (change)
        change(&s);
    OK(tb_artifact_write(&s.a, &b));
    if (posix_memalign(&p, 64, b.n) != 0)
        abort();
    memcpy(p, b.at, b.n);
    *n = b.n;
    tb_buf_free(&b);
    return p;
}

/* y = x + 2 for two shapes, and the state that the call writes. */
static void
use(tb_module *m)
{
#if defined(__x86_64__)
    tb_session *s = NULL;
    OK(tb_session_create(m, NULL, &s));
    for (int64_t n = 1; n <= 3 && s; n += 2) {
        int32_t x[3] = {40, -2, 7};
        tb_tensor in = {.data = x, .bytes = 12, .dtype = TB_I32, .rank = 1, .dims = {n}};
        tb_tensor out[2] = {0}, state = {0};
        OK(tb_session_call(s, tb_module_find_function(m, "main"), &in, 1, out, 2));
        EQ_INT(out[0].dims[0], n);
        for (int64_t i = 0; out[0].data && i < n; i++)
            EQ_INT(((int32_t *)out[0].data)[i], x[i] + 2);
        OK(tb_session_global(s, 0, &state));
        CHECK(((float *)state.data)[3] == -4);
        tb_tensor_release(&out[0]);
        tb_tensor_release(&out[1]);
    }
    tb_session_destroy(s);
#endif
    EQ_STR(tb_module_name(m), "tiny");
}

/* No page of this process is writable and executable. */
static void
no_writable_code(void)
{
#if defined(__linux__)
    char line[512];
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *flags = strchr(line, ' ');
        if (!flags || strncmp(flags + 1, "rwx", 3) != 0)
            continue;
        printf("# %s", line);
        CHECK(!"a page is writable and executable");
    }
    if (f)
        fclose(f);
#endif
}

static void
count_release(void *user)
{
    ++*(int *)user;
}

static void
from_file(void)
{
    size_t n;
    uint8_t *bytes = sample_bytes(NULL, &n);
    tb_module *m = NULL;
    OK(tb_file_write(path, bytes, n));
    OK(tb_module_load_file(path, TB_LOAD_VERIFY_WEIGHTS, &m));
    if (m) {
        unlink(path); /* mapped: the name is not needed */
        use(m);
        no_writable_code();
        CHECK(m->text_copy == NULL); /* in place */
        CHECK(strncmp(tb_module_target(m), "x86_64", 6) == 0);
    }
    tb_module_release(m);
    free(bytes);
}

static void
copied(void)
{
    size_t n;
    uint8_t *bytes = sample_bytes(NULL, &n), *odd = malloc(n + 1);
    tb_module *m = NULL;
    int released = 0;
    memcpy(odd + 1, bytes, n);
    OK(tb_module_load_memory(odd + 1, n, TB_LOAD_COPY, count_release, &released, &m));
    EQ_INT(released, 1);
    memset(odd, 0xff, n + 1);
    if (m)
        use(m);
    no_writable_code();
    tb_module_release(m);
    EQ_INT(released, 1);
    free(odd);
    free(bytes);
}

static void
borrowed(void)
{
    size_t n;
    uint8_t *bytes = sample_bytes(NULL, &n);
    tb_module *m = NULL;
    int released = 0;
    OK(tb_module_load_memory(bytes, n, 0, count_release, &released, &m));
    if (m) {
        use(m);
        no_writable_code();
        tb_module_retain(m);
        tb_module_release(m);
        EQ_INT(released, 0);
        tb_module_release(m);
    }
    EQ_INT(released, 1);
    OK(tb_module_load_memory(bytes, n, 0, NULL, NULL, &m));
    tb_module_release(m);
    free(bytes);
}

static void
bytes_that_are_no_module(void)
{
    size_t n;
    uint8_t *bytes = sample_bytes(NULL, &n);
    tb_module *m = NULL;
    int released = 0;
    fails(tb_module_load_memory(bytes + 1, n - 1, 0, count_release, &released, &m),
          TB_INVALID_ARGUMENT,
          "borrowed bytes of a module must be 64-byte aligned; have them copied or align them");
    fails(tb_module_load_memory(bytes, 0, 0, count_release, &released, &m), TB_CORRUPT,
          "the module is empty");
    EQ_INT(released, 2);
    for (size_t k = 1; k < n; k += k < 64 ? 1 : 997) {
        tb_status st = tb_module_load_memory(bytes, k, k % 2 ? TB_LOAD_COPY : 0,
                                             count_release, &released, &m);
        EQ_STR(tb_code_name(tb_status_code(st)), "corrupt");
        tb_status_free(st);
        released--;
    }
    EQ_INT(released, 2);
    CHECK(m == NULL);
    free(bytes);
}

static void
files_that_are_no_module(void)
{
    char message[512];
    tb_module *m = NULL;
    snprintf(message, sizeof message, "%s: No such file or directory", path);
    fails(tb_module_load_file(path, 0, &m), TB_NOT_FOUND, message);
    OK(tb_file_write(path, "", 0));
    snprintf(message, sizeof message, "%s: the file is empty", path);
    fails(tb_module_load_file(path, 0, &m), TB_CORRUPT, message);
    OK(tb_file_write(path, "hello", 5));
    tb_status st = tb_module_load_file(path, 0, &m);
    EQ_STR(tb_code_name(tb_status_code(st)), "corrupt");
    CHECK(strncmp(tb_status_message(st), path, strlen(path)) == 0);
    tb_status_free(st);
    unlink(path);
    fails(tb_module_load_file("/", 0, &m), TB_IO, "/: Is a directory");
    CHECK(m == NULL);
}

/* ---- choosing an image ---- */
static void
want_much(t_artifact *s)
{
    s->images[0].features |= UINT64_C(1) << 62;
}

static void
want_more(t_artifact *s)
{
    want_much(s);
    s->images[1].features = UINT64_C(1) << 61;
}

static void
other_machine(t_artifact *s)
{
    for (int i = 0; i < 2; i++) {
        s->images[i].arch = 243; /* RISC-V */
        s->flat[i].machine = 243;
    }
}

static void
first_image_that_runs(void)
{
#if defined(__x86_64__)
    size_t n;
    tb_module *m = NULL;
    uint8_t *bytes = sample_bytes(want_much, &n);
    OK(tb_module_load_memory(bytes, n, 0, NULL, NULL, &m));
    if (m) {
        EQ_STR(tb_module_target(m), "x86_64");
        use(m);
    }
    tb_module_release(m);
    free(bytes);
#endif
}

/* Dot products of bf16, and beside them the level below, or one that lacks more. */
static void
want_dots(t_artifact *s)
{
    s->images[0].features = TB_CPU_V4_BF16;
    s->images[1].features = TB_CPU_V4;
}

static void
want_dots_or_little(t_artifact *s)
{
    s->images[0].features = TB_CPU_V4_BF16;
    s->images[1].features = TB_CPU_V3;
}

static void
loads(void (*change)(t_artifact *s), const char *target)
{
    size_t n;
    tb_module *m = NULL;
    uint8_t *bytes = sample_bytes(change, &n);
    OK(tb_module_load_memory(bytes, n, 0, NULL, NULL, &m));
    EQ_STR(m ? tb_module_target(m) : NULL, target);
    tb_module_release(m);
    free(bytes);
}

static void
image_that_pays(void)
{
    if (tb_cpu_machine() != TB_EM_X86_64 || (TB_CPU_V4_BF16 & ~tb_cpu_features()))
        return;
    loads(want_dots, tb_cpu_pays(TB_CPU_V4_BF16) ? "x86_64-v4" : "x86_64");
    loads(want_dots_or_little, "x86_64-v4");
}

static void
no_image_runs(void)
{
    size_t n;
    tb_module *m = NULL;
    int released = 0;
    uint8_t *bytes = sample_bytes(other_machine, &n);
    tb_status st = tb_module_load_memory(bytes, n, 0, count_release, &released, &m);
    EQ_STR(tb_code_name(tb_status_code(st)), "incompatible");
    CHECK(strstr(tb_status_message(st), "x86_64-v4, another architecture; x86_64, another "
                                        "architecture. Compile it with") != NULL);
    tb_status_free(st);
    EQ_INT(released, 1);
    free(bytes);
#if defined(__x86_64__)
    bytes = sample_bytes(want_more, &n);
    st = tb_module_load_memory(bytes, n, 0, NULL, NULL, &m);
    EQ_STR(tb_code_name(tb_status_code(st)), "incompatible");
    CHECK(strstr(tb_status_message(st), "; x86_64, without an unknown feature. Compile") != NULL);
    if ((tb_cpu_features() & TB_CPU_V4) == TB_CPU_V4)
        CHECK(strstr(tb_status_message(st), "x86_64-v4, without an unknown feature;") != NULL);
    CHECK(strstr(tb_status_message(st), tb_cpu_host()->name) != NULL);
    tb_status_free(st);
    free(bytes);
#endif
    CHECK(m == NULL);
}

int
main(void)
{
    char name[256];
    const char *folder = getenv("TMPDIR");
    snprintf(name, sizeof name, "%s/runtime_load_test.%ld.vmfb", folder ? folder : "/tmp",
             (long)getpid());
    path = name;
    RUN(from_file);
    RUN(copied);
    RUN(borrowed);
    RUN(bytes_that_are_no_module);
    RUN(files_that_are_no_module);
    RUN(first_image_that_runs);
    RUN(image_that_pays);
    RUN(no_image_runs);
    return t_done();
}
