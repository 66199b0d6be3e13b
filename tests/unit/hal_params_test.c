/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* hal_params_test.c -- `io_parameters`, and IREE's archives of parameters. */
#include <stdlib.h>
#include <unistd.h>

#include "artifact/put.h"
#include "hal_t.h"
#include "runtime/runtime_internal.h"

static void
parameters(void)
{
    call c;
    static _Alignas(64) const float w[4] = {1, 2, 3, 4};
    const tb_tensor t = {.data = (void *)(uintptr_t)w, .bytes = sizeof w};
    tb_vm_buffer *scope = text("model"), *names = tb_vm_buffer_create(16, 0), *keys = text("wab");
    tb_vm_buffer *spans = tb_vm_buffer_create(48, 0);
    tb_hal_buffer *b = new_buffer(32);

    ok(tb_params_add_tensor(hal->params, "model", "w", &t, NULL, NULL));
    tb_set32(names->data + 4, 1);
    tb_set32(names->data + 12, 1);
    tb_set64(spans->data + 16, 16);  /* all of w */
    tb_set64(spans->data + 24, 4);   /* from the second on, */
    tb_set64(spans->data + 32, 8);   /* to byte 8 of a buffer */
    tb_set64(spans->data + 40, 8);
    ok(INVOKE("load", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), i64(-1), i32(48),
              i32(0x80c03), ref(names), ref(keys), ref(spans)));
    tb_vm_list *l = (tb_vm_list *)c.results[0].ref;
    EQ_INT(l->n, 2);
    CHECK(((tb_hal_buffer *)l->at[0].value.ref)->data == (const void *)w);
    CHECK(memcmp(((tb_hal_buffer *)l->at[1].value.ref)->data, w + 1, 8) == 0);
    memset(b->data, 0, 32);
    ok(INVOKE("gather", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), ref(b),
              ref(names), ref(keys), ref(spans)));
    CHECK(memcmp(b->data + 8, w + 1, 8) == 0);
    tb_set64(spans->data + 32, 25);
    fails(INVOKE("gather", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), ref(b),
                 ref(names), ref(keys), ref(spans)),
          "do not fit at 25");
    tb_set64(spans->data + 24, 9);
    fails(INVOKE("gather", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), ref(b),
                 ref(names), ref(keys), ref(spans)),
          "'w' of scope 'model' has 16 bytes; wanted are 8 at 9");
    tb_set32(names->data + 8, 1);
    fails(INVOKE("gather", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), ref(b),
                 ref(names), ref(keys), ref(spans)),
          "no parameter 'a' in scope 'model'");
    tb_set32(names->data + 12, 3);
    fails(INVOKE("gather", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(scope), ref(b),
                 ref(names), ref(keys), ref(spans)),
          "name of a parameter");
    fails(INVOKE("scatter", c, ref(device())), "io_parameters.scatter");
    tb_vm_release(&l->base);
    tb_vm_release(&scope->base);
    tb_vm_release(&names->base);
    tb_vm_release(&keys->base);
    tb_vm_release(&spans->base);
    tb_vm_release(&b->base);
}

/* ---- archives ---- */
/* One header, `w` of eight bytes and `s`, two bytes over and over. */
enum { ENTRIES = 96, DATA_ENTRY = 80, NAMES = 288, STORAGE = 320, BYTES = 328 };

static void
put_words(uint8_t *at, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tb_set64(at + 8 * i, words[i]);
}

static void
write_archive(uint8_t f[BYTES])
{
    const uint64_t header[10] = {88, 0, 0, 2, ENTRIES, 192, NAMES, 2, STORAGE, 8};
    const uint64_t w[7] = {0, 1, 0, 0, 64, 0, 8}, s[6] = {1, 1, 0, 0, 0, 6};
    uint8_t *a = f + ENTRIES, *b = a + DATA_ENTRY;

    memset(f, 0, BYTES);
    memcpy(f, "IRPA", 4);
    put_words(f + 8, header, 10);
    tb_set64(a, 76);
    tb_set32(a + 8, 2);
    put_words(a + 20, w, 7);
    tb_set64(b, 85);
    tb_set32(b + 8, 1);
    put_words(b + 20, s, 6);
    memcpy(b + 68, "ab", 2);
    b[84] = 2;
    memcpy(f + NAMES, "ws", 2);
    memcpy(f + STORAGE, "01234567", 8);
}

static tb_status
add_archive(const uint8_t f[BYTES], size_t n, tb_params **p)
{
    char path[] = "/tmp/turbine-irpa-XXXXXX";
    int fd = mkstemp(path);

    *p = NULL;
    if (fd < 0 || write(fd, f, n) != (ssize_t)n)
        return tb_status_make(TB_IO, "no file for the test");
    close(fd);
    tb_status st = tb_params_create(p);
    if (!st)
        st = tb_hal_add_irpa(*p, "model", path);
    unlink(path);
    return st;
}

static void
archive(void)
{
    uint8_t f[BYTES];
    tb_params *p;
    const uint8_t *data;
    uint64_t n;

    write_archive(f);
    ok(add_archive(f, BYTES, &p));
    ok(tb_params_find(p, "model", "w", &data, &n));
    CHECK(n == 8 && memcmp(data, "01234567", 8) == 0);
    ok(tb_params_find(p, "model", "s", &data, &n));
    CHECK(n == 6 && memcmp(data, "ababab", 6) == 0);
    tb_params_release(p);
}

static void
broken_archives_are_refused(void)
{
    static const struct {
        uint32_t at;
        uint64_t value;
        const char *says;
    } list[] = {
        {0, 0, "its header"},
        {16, 1, "the next header"},
        {16, 1 << 20, "the next header"},
        {32, 3, "an entry"},
        {32, UINT64_MAX, "an entry"},
        {40, BYTES + 1, "its parts"},
        {48, UINT64_MAX, "its parts"},
        {64, 1 << 20, "its parts"},
        {72, UINT64_MAX - 7, "its parts"},
        {ENTRIES, 8, "the size of an entry"},
        {ENTRIES, UINT64_MAX, "the size of an entry"},
        {ENTRIES, 60, "an entry"},
        {ENTRIES + 8, 9, "type 9"},
        {ENTRIES + 20, 3, "the name of an entry"},
        {ENTRIES + 28, UINT64_MAX, "the name of an entry"},
        {ENTRIES + 60, 9, "the data of an entry"},
        {ENTRIES + 68, UINT64_MAX, "the data of an entry"},
        {ENTRIES + DATA_ENTRY + 60, 7, "a pattern that does not fit"},
        {ENTRIES + DATA_ENTRY + 60, UINT64_MAX - 1, "a pattern that does not fit"},
        {ENTRIES + DATA_ENTRY + 84, 0, "a pattern that does not fit"},
    };
    uint8_t f[BYTES];
    tb_params *p;

    for (size_t i = 0; i < TB_COUNT(list); i++) {
        write_archive(f);
        tb_set64(f + list[i].at, list[i].value);
        fails(add_archive(f, BYTES, &p), list[i].says);
        tb_params_release(p);
    }
    write_archive(f);
    for (size_t n = 0; n < BYTES; n++) {
        tb_status st = add_archive(f, n, &p);
        CHECK(st != NULL);
        tb_status_free(st);
        tb_params_release(p);
    }
}

int
main(void)
{
    begin_hal();
    RUN(parameters);
    RUN(archive);
    RUN(broken_archives_are_refused);
    return end_hal();
}
