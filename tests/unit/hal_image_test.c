/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hal_image_test.c -- ELF images of executables: loaded, run, broken in every field.
 *
 *     hal_image_test --seed FILE     writes the image of elf_t.h for tests/fuzz/corpus/elf
 */
#include "elf_t.h"
#include "hal_t.h"

static tb_status
load(const uint8_t *f, size_t n, tb_hal_executable **e)
{
    *e = NULL;
    return tb_hal_executable_load(f, n, NULL, 0, 6, e);
}

static void
image_runs(void)
{
    uint8_t f[T_ELF_BYTES];
    tb_hal_executable *e;
    uint32_t y[12] = {0}, constant = 100;
    void *bindings[1] = {y};
    size_t lengths[1] = {sizeof y};

    if (!runs_x86())
        return;
    t_elf_write(f);
    ok(load(f, sizeof f, &e));
    if (!e)
        return;
    EQ_INT(e->n_exports, 1);
    EQ_STR(e->exports[0].name, "add_x");
    tb_hal_dispatch d = {e, 0, {12, 1, 1}, &constant, bindings, lengths};
    ok(tb_hal_run(hal->device, &d));
    for (uint32_t i = 0; i < 12; i++)
        EQ_INT(y[i], 100 + i);
    tb_vm_release(&e->base);
}

/* One change of a sound file, and what is said about it. */
typedef struct damage {
    uint32_t at, bytes;
    uint64_t value;
    const char *says;
} damage;

static void
broken_images_are_refused(void)
{
    const uint32_t data = T_ELF_SEGMENTS + 56 * 2, code = T_ELF_SEGMENTS + 56;
    const uint32_t relro = T_ELF_SEGMENTS + 56 * 4, dynamic = T_ELF_SEGMENTS + 56 * 3;
    const damage list[] = {
        {0, 1, 0, "not an ELF file"},
        {4, 1, 1, "not an ELF file"},
        {16, 2, 2, "not a shared object"},
        {18, 2, 183, "not a shared object"},
        {54, 2, 32, "not a shared object"},
        {32, 8, T_ELF_BYTES + 1, "program headers"},
        {56, 2, 0xffff, "program headers"},
        {code + 4, 4, 7, "both writable and executable"},
        {code + 4, 4, 1, "cannot be read"},
        {code + 8, 8, T_ELF_BYTES, "outside of the file"},
        {code + 8, 8, UINT64_MAX, "outside of the file"},
        {code + 16, 8, 0x400, "overlap"},
        {code + 16, 8, 0x9000, "overlap"},
        {code + 16, 8, UINT64_MAX - 10, "a segment's address"},
        {code + 32, 8, UINT64_MAX, "outside of the file"},
        {code + 40, 8, 1, "outside of the file"},
        {code, 4, 7, "thread-local"},
        {code, 4, 3, "interpreter"},
        {code, 4, 2, "two dynamic sections"},
        {data + 40, 8, UINT64_C(1) << 40, "a segment's address"},
        {dynamic, 4, 0, "the dynamic section"},
        {dynamic + 16, 8, 0x8000, "the dynamic section"},
        {dynamic + 32, 8, 32, "the dynamic section has no end"},
        {relro + 16, 8, 0, "becomes read-only"},
        {relro + 40, 8, 0x2000, "becomes read-only"},
        {T_ELF_DYNAMIC, 8, 1, "needs other libraries"},
        {T_ELF_DYNAMIC, 8, 12, "runs when it is loaded"},
        {T_ELF_DYNAMIC, 8, 25, "runs when it is loaded"},
        {T_ELF_DYNAMIC, 8, 17, "without addends"},
        {T_ELF_DYNAMIC, 8, 36, "packed relocations"},
        {T_ELF_DYNAMIC, 8, 22, "relocations in code"},
        {T_ELF_DYNAMIC, 8, 5, "twice"},
        {T_ELF_DYNAMIC, 8, 99, "no hash table"},
        {T_ELF_DYNAMIC + 8, 8, 0x3fd, "the hash table"},
        {T_ELF_DYNAMIC + 24, 8, 0x3ff, "the names of symbols"},
        {T_ELF_DYNAMIC + 40, 8, UINT64_MAX, "the names of symbols"},
        {T_ELF_DYNAMIC + 56, 8, 0x3f0, "the symbols"},
        {T_ELF_DYNAMIC + 72, 8, 16, "the size of symbols"},
        {T_ELF_DYNAMIC + 88, 8, 0x9000, "a table of relocations"},
        {T_ELF_DYNAMIC + 104, 8, 100, "a table of relocations"},
        {T_ELF_DYNAMIC + 104, 8, 24 * 1000, "a table of relocations"},
        {T_ELF_DYNAMIC + 120, 8, 16, "the size of relocations"},
        {T_ELF_HASH + 4, 4, UINT32_MAX, "the symbols"},
        {T_ELF_SYMBOLS + 24, 4, 1000, "a symbol's name"},
        {T_ELF_SYMBOLS + 30, 2, 0, "is to come from outside"},
        {T_ELF_SYMBOLS + 28, 1, 0x16, "of type 6"},
        {T_ELF_SYMBOLS + 32, 8, 0x9000, "a symbol's address"},
        {T_ELF_SYMBOLS + 32, 8, 0x2500, "no iree_hal_executable_library_query"},
        {T_ELF_STRINGS + 1, 1, 'I', "no iree_hal_executable_library_query"},
        {T_ELF_RELA, 8, T_ELF_CODE_AT + T_ELF_CODE, "outside of writable data"},
        {T_ELF_RELA, 8, 0x2ffc, "outside of writable data"},
        {T_ELF_RELA, 8, UINT64_MAX - 3, "outside of writable data"},
        {T_ELF_RELA + 8, 8, 37, "relocation 0 is of type 37"},
        {T_ELF_RELA + 8, 8, UINT64_C(9) << 32 | 1, "of a symbol"},
        {T_ELF_RELA + 16, 8, 0x5000, "to outside of the image"},
        {T_ELF_RELA + 16, 8, (uint64_t)-8, "to outside of the image"},
        {T_ELF_RELA + 8, 8, 0, "relocation 0 is of type 0"},
        {T_ELF_HEADER, 4, 7, "of version 7"},
        {T_ELF_HEADER, 4, 4, "of version 4"},
        {T_ELF_HEADER + 16, 4, 1, "wants features"},
        {T_ELF_HEADER + 20, 4, 1, "sanitizer 1"},
        {T_ELF_LIBRARY + 8, 4, 1, "the names of imports"},
        {T_ELF_LIBRARY + 24, 4, 1 << 20, "the number of its functions"},
        {T_ELF_LIBRARY + 24, 4, 1000, "its functions"},
        {T_ELF_LIBRARY + 104, 4, 1, "takes 1 constants"},
        {T_ELF_ATTRS + 10, 1, 65, "too many constants"},
        {T_ELF_RELA + 24 * 1 + 16, 8, 0x2ff0, "the header of its library"},
        {T_ELF_RELA + 24 * 2 + 16, 8, 0x2a, "the table of its functions"},
        {T_ELF_RELA + 24 * 3 + 16, 8, 0x2fe0, "the attributes"},
        {T_ELF_RELA + 24 * 5 + 16, 8, T_ELF_TEXTS, "outside of its code"},
    };
    uint8_t f[T_ELF_BYTES];
    tb_hal_executable *e;

    if (!runs_x86())
        return;
    for (size_t i = 0; i < TB_COUNT(list); i++) {
        uint8_t value[8];
        t_elf_write(f);
        tb_set64(value, list[i].value);
        memcpy(f + list[i].at, value, list[i].bytes);
        tb_status st = load(f, sizeof f, &e);
        if (!CHECK(st != NULL)) {
            printf("# damage %zu: '%s'\n", i, list[i].says);
            tb_vm_release(&e->base);
            continue;
        }
        if (!CHECK(strstr(tb_status_message(st), list[i].says) != NULL))
            printf("# damage %zu: '%s' instead of '%s'\n", i, tb_status_message(st),
                   list[i].says);
        tb_status_free(st);
    }
    t_elf_write(f);
    for (size_t n = 0; n < sizeof f; n++) { /* cut off anywhere */
        tb_status st = load(f, n, &e);
        CHECK(st != NULL);
        tb_status_free(st);
    }
}

/* Pages between segments give no access; code cannot be written. Both would be signals, so
 * that the system is asked. */
static void
image_is_protected(void)
{
    uint8_t f[T_ELF_BYTES];
    tb_image im;
    unsigned long from, to;
    char line[256], mode[8];
    int seen = 0;

    if (!runs_x86())
        return;
    t_elf_write(f);
    ok(tb_image_load(f, sizeof f, &im));
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 ||
            from < (unsigned long)(uintptr_t)im.base ||
            from >= (unsigned long)(uintptr_t)im.base + im.layout.bytes)
            continue;
        bool code = from == (unsigned long)(uintptr_t)im.base + 0x1000;
        EQ_STR(mode, code ? "r-xp" : "r--p");
        seen++;
    }
    if (maps) {
        fclose(maps);
        EQ_INT(seen, 3);
    }
    tb_image_unload(&im);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        uint8_t f[T_ELF_BYTES];
        t_elf_write(f);
        tb_status st = tb_file_write(argv[2], f, sizeof f);
        tb_status_free(st);
        return st != NULL;
    }
    begin_hal();
    RUN(image_runs);
    RUN(broken_images_are_refused);
    RUN(image_is_protected);
    return end_hal();
}
