/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * hal_test.c -- what modules of IREE's compiler import, called as the machine calls it.
 *
 *     hal_test --seed FILE     writes the ELF image of elf_t.h for tests/fuzz/corpus/elf
 */
#include <pthread.h>

#include "hal/internal.h"

#include "artifact/artifact.h"
#include "artifact/cpu.h"
#include "elf_t.h"
#include "t.h"

static tb_hal *hal;
static tb_vm_library libraries[TB_HAL_LIBRARIES];

/* ---- calling ---- */
enum { MAX_ARGS = 16 };
typedef struct call {
    tb_vm_value args[MAX_ARGS], results[2];
} call;

static tb_vm_value
i32(int32_t v)
{
    return (tb_vm_value){.i32 = v};
}

static tb_vm_value
i64(int64_t v)
{
    return (tb_vm_value){.i64 = v};
}

static tb_vm_value
ref(void *o)
{
    return (tb_vm_value){.ref = o};
}

static tb_vm_value
list(const tb_vm_value *at, uint32_t n)
{
    return (tb_vm_value){.list = {at, n}};
}

static tb_status
invoke(const char *name, call *c)
{
    tb_vm_call vm = {c->args, MAX_ARGS, c->results, 2};

    memset(c->results, 0, sizeof c->results);
    for (int l = 0; l < TB_HAL_LIBRARIES; l++)
        for (uint32_t i = 0; i < libraries[l].n_functions; i++)
            if (strcmp(libraries[l].functions[i].name, name) == 0)
                return libraries[l].functions[i].fn(libraries[l].self, &vm);
    return tb_status_make(TB_NOT_FOUND, "no import '%s'", name);
}

#define INVOKE(name, c, ...) (c = (call){.args = {__VA_ARGS__}}, invoke(name, &c))

static void
ok(tb_status st)
{
    if (!CHECK(st == NULL))
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
}

/* Fails, and says `what`. */
static void
fails(tb_status st, const char *what)
{
    if (CHECK(st != NULL) && !CHECK(strstr(tb_status_message(st), what) != NULL))
        printf("# '%s' instead of '%s'\n", tb_status_message(st), what);
    tb_status_free(st);
}

static tb_vm_buffer *
text(const char *s)
{
    tb_vm_buffer *b = tb_vm_buffer_create(strlen(s), 0);
    memcpy(b->data, s, strlen(s));
    return b;
}

static void *
device(void)
{
    return &hal->base;
}

/* ---- ELF images ---- */
static bool
runs_x86(void)
{
    return tb_cpu_machine() == TB_EM_X86_64;
}

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

/* ---- buffers and views ---- */
static tb_hal_buffer *
new_buffer(int64_t bytes)
{
    call c;

    ok(INVOKE("device.allocator", c, ref(device())));
    tb_vm_object *allocator = c.results[0].ref;
    ok(INVOKE("allocator.allocate", c, ref(allocator), i64(-1), i32(48), i32(0xc03), i64(bytes)));
    tb_vm_release(allocator);
    return (tb_hal_buffer *)c.results[0].ref;
}

static void
buffers(void)
{
    call c;
    tb_hal_buffer *b = new_buffer(16);
    tb_vm_buffer *what = text("tensor");

    memset(b->data, 0, 16);
    ok(INVOKE("buffer.store", c, i32(0x01020304), ref(b), i64(4), i32(4)));
    ok(INVOKE("buffer.load", c, ref(b), i64(5), i32(2)));
    EQ_INT(c.results[0].i32, 0x0203);
    fails(INVOKE("buffer.load", c, ref(b), i64(13), i32(4)), "outside of the valid");
    fails(INVOKE("buffer.load", c, ref(b), i64(-1), i32(1)), "outside of the valid");
    fails(INVOKE("buffer.load", c, ref(b), i64(0), i32(8)), "exceeds max");
    fails(INVOKE("buffer.load", c, ref(NULL), i64(0), i32(1)), "null");
    fails(INVOKE("buffer.load", c, ref(what), i64(0), i32(1)), "vm.buffer");
    ok(INVOKE("buffer.subspan", c, ref(b), i64(4), i64(-1)));
    tb_hal_buffer *part = (tb_hal_buffer *)c.results[0].ref;
    EQ_INT(part->bytes, 12);
    ok(INVOKE("buffer.assert", c, ref(part), ref(what), ref(&hal->allocator), i64(12), i32(16),
              i32(0xc03)));
    fails(INVOKE("buffer.assert", c, ref(part), ref(what), ref(&hal->allocator), i64(13),
                 i32(16), i32(0xc03)),
          "tensor buffer byte length 12 less than expected minimum 13");
    fails(INVOKE("buffer.assert", c, ref(part), ref(what), ref(&hal->allocator), i64(1), i32(16),
                 i32(0x10)),
          "tensor requested usage was not specified");
    fails(INVOKE("buffer.subspan", c, ref(part), i64(4), i64(9)), "invalid subspan");
    ok(INVOKE("buffer.allocation.is_terminal", c, ref(part)));
    EQ_INT(c.results[0].i32, 1);
    ok(INVOKE("buffer.allocation.preserve", c, ref(b)));
    ok(INVOKE("buffer.allocation.is_terminal", c, ref(part)));
    EQ_INT(c.results[0].i32, 0);
    ok(INVOKE("buffer.allocation.discard", c, ref(part)));
    EQ_INT(c.results[0].i32, 0);
    ok(INVOKE("buffer.allocation.discard", c, ref(part)));
    EQ_INT(c.results[0].i32, 1);
    tb_vm_release(&b->base); /* the part keeps the memory */
    part->data[11] = 1;
    tb_vm_release(&part->base);
    tb_vm_release(&what->base);
}

static void
imported_bytes(void)
{
    call c;
    tb_vm_buffer *bytes = tb_vm_buffer_create(256, 64);

    bytes->writable = false;
    ok(INVOKE("allocator.import", c, ref(&hal->allocator), i32(1), i64(-1), i32(48), i32(0x80c03),
              ref(bytes), i64(64), i64(-1)));
    tb_hal_buffer *b = (tb_hal_buffer *)c.results[0].ref;
    CHECK(b->data == bytes->data + 64 && b->bytes == 192);
    fails(INVOKE("buffer.store", c, i32(1), ref(b), i64(0), i32(1)), "buffer of constants");
    ok(INVOKE("allocator.import", c, ref(&hal->allocator), i32(1), i64(-1), i32(48), i32(0x80c03),
              ref(bytes), i64(8), i64(8)));
    CHECK(c.results[0].ref == NULL); /* not aligned: only a try */
    fails(INVOKE("allocator.import", c, ref(&hal->allocator), i32(0), i64(-1), i32(48),
                 i32(0x80c03), ref(bytes), i64(8), i64(8)),
          "not aligned");
    fails(INVOKE("allocator.import", c, ref(&hal->allocator), i32(1), i64(-1), i32(48),
                 i32(0xc03), ref(bytes), i64(0), i64(8)),
          "immutable");
    fails(INVOKE("allocator.import", c, ref(&hal->allocator), i32(1), i64(-1), i32(48),
                 i32(0x80c03), ref(bytes), i64(0), i64(257)),
          "out of bounds");
    tb_vm_release(&bytes->base);
    tb_vm_release(&b->base);
}

enum { F32 = 0x21000020, I32 = 0x10000020, U32 = 0x12000020, DENSE = 1 };

static void
views(void)
{
    call c;
    tb_hal_buffer *b = new_buffer(32);
    tb_vm_buffer *what = text("input0");
    const tb_vm_value shape[2] = {i64(2), i64(3)}, other[2] = {i64(2), i64(4)};

    ok(INVOKE("buffer_view.create", c, ref(b), i64(8), i64(24), i32(U32), i32(DENSE),
              list(shape, 2)));
    tb_hal_view *v = (tb_hal_view *)c.results[0].ref;
    ok(INVOKE("buffer_view.assert", c, ref(v), ref(what), i32(I32), i32(DENSE), list(shape, 2)));
    fails(INVOKE("buffer_view.assert", c, ref(v), ref(what), i32(F32), i32(DENSE),
                 list(shape, 2)),
          "input0 element type mismatch; expected f32 (21000020) but have ui32 (12000020)");
    fails(INVOKE("buffer_view.assert", c, ref(v), ref(what), i32(I32), i32(DENSE), list(other, 2)),
          "input0 shape dimension 1 mismatch; expected 4 but have 3; expected shape `2x4`, "
          "actual shape `2x3`");
    fails(INVOKE("buffer_view.assert", c, ref(v), ref(what), i32(I32), i32(DENSE), list(NULL, 0)),
          "input0 shape rank mismatch; expected 0 (scalar) but have 2");
    fails(INVOKE("buffer_view.assert", c, ref(v), ref(what), i32(I32), i32(2), list(shape, 2)),
          "encoding mismatch");
    ok(INVOKE("buffer_view.dim", c, ref(v), i32(1)));
    EQ_INT(c.results[0].i64, 3);
    fails(INVOKE("buffer_view.dim", c, ref(v), i32(2)), "no dimension 2 of 2");
    fails(INVOKE("buffer_view.dim", c, ref(v), i32(-1)), "no dimension -1");
    ok(INVOKE("buffer_view.rank", c, ref(v)));
    EQ_INT(c.results[0].i32, 2);
    ok(INVOKE("buffer_view.element_type", c, ref(v)));
    EQ_INT(c.results[0].i32, U32);
    ok(INVOKE("buffer_view.encoding_type", c, ref(v)));
    EQ_INT(c.results[0].i32, DENSE);
    ok(INVOKE("buffer_view.buffer", c, ref(v)));
    CHECK(((tb_hal_buffer *)c.results[0].ref)->data == b->data + 8);
    tb_vm_release(c.results[0].ref);
    fails(INVOKE("buffer_view.create", c, ref(b), i64(0), i64(20), i32(F32), i32(DENSE),
                 list(shape, 2)),
          "too small for the shape 2x3");
    fails(INVOKE("buffer_view.create", c, ref(b), i64(16), i64(24), i32(F32), i32(DENSE),
                 list(shape, 2)),
          "of a buffer of 32");
    const tb_vm_value huge[2] = {i64(INT64_MAX), i64(INT64_MAX)};
    fails(INVOKE("buffer_view.create", c, ref(b), i64(0), i64(-1), i32(F32), i32(DENSE),
                 list(huge, 2)),
          "no tensor has the shape");
    tb_tensor t;
    ok(tb_hal_view_tensor(v, &t));
    EQ_INT(t.dtype, TB_U32);
    EQ_INT(t.dims[1], 3);
    tb_tensor_release(&t);
    tb_vm_release(&v->base);
    tb_vm_release(&b->base);
    tb_vm_release(&what->base);
}

/* ---- fences ---- */
static void
fences(void)
{
    call c;
    tb_hal_fence *a = tb_hal_fence_create(), *b = tb_hal_fence_create();
    const tb_vm_value both[3] = {ref(a), ref(NULL), ref(b)};
    enum { DEFERRED = 17, LATE = 4 };

    ok(INVOKE("fence.join", c, i64(0), list(both, 3)));
    tb_vm_object *joined = c.results[0].ref;
    ok(INVOKE("fence.query", c, ref(joined)));
    EQ_INT(c.results[0].i32, DEFERRED);
    tb_hal_fence_signal(a);
    ok(INVOKE("fence.await", c, i32(1), i64(0), list((tb_vm_value[]){ref(joined)}, 1)));
    EQ_INT(c.results[0].i32, LATE);
    ok(INVOKE("fence.signal", c, ref(b)));
    ok(INVOKE("fence.await", c, i32(-1), i64(0), list((tb_vm_value[]){ref(joined)}, 1)));
    EQ_INT(c.results[0].i32, 0);
    tb_hal_fence *bad = tb_hal_fence_create();
    ok(INVOKE("fence.fail", c, ref(bad), i32(11)));
    ok(INVOKE("fence.query", c, ref(bad)));
    EQ_INT(c.results[0].i32, 11);
    fails(INVOKE("fence.await", c, i32(-1), i64(0), list((tb_vm_value[]){ref(bad)}, 1)),
          "failed with status 11");
    ok(INVOKE("fence.join", c, i64(0), list(NULL, 0)));
    tb_vm_object *none = c.results[0].ref;
    ok(INVOKE("fence.query", c, ref(none)));
    EQ_INT(c.results[0].i32, 0);
    tb_vm_release(none);
    tb_vm_release(joined);
    tb_hal_fence_release(a);
    tb_hal_fence_release(b);
    tb_hal_fence_release(bad);
}

/* ---- devices ---- */
static void
queries(void)
{
    static const struct {
        const char *category, *key;
        int known, value; /* -1: any */
    } list[] = {
        {"hal.device.id", "local*", 1, 1},  {"hal.device.id", "cuda*", 1, 0},
        {"hal.device.id", "*", 1, 1},       {"hal.device.id", "loc?l-*k", 1, 1},
        {"hal.executable.format", "vmvx-bytecode-fb", 1, 0},
        {"hal.device", "concurrency", 1, 1}, {"hal.dispatch", "concurrency", 1, 2},
        {"hal.cpu", "no-such", 0, 0},        {"hal.dispatch", "color", 0, 0},
        {"color", "concurrency", 0, 0},
    };
    call c;

    for (size_t i = 0; i < TB_COUNT(list); i++) {
        tb_vm_buffer *category = text(list[i].category), *key = text(list[i].key);
        ok(INVOKE("device.query.i64", c, ref(device()), ref(category), ref(key)));
        EQ_INT(c.results[0].i32, list[i].known);
        EQ_INT(c.results[1].i64, list[i].value);
        tb_vm_release(&category->base);
        tb_vm_release(&key->base);
    }
    ok(invoke("devices.count", &c));
    EQ_INT(c.results[0].i32, 1);
    ok(INVOKE("devices.get", c, i32(1)));
    CHECK(c.results[0].ref == NULL);
}

/* ---- command buffers ---- */
static tb_hal_command_buffer *
begin(int32_t slots)
{
    call c;

    ok(INVOKE("command_buffer.create", c, ref(device()), i32(0), i32(3), i64(-1), i32(slots)));
    return (tb_hal_command_buffer *)c.results[0].ref;
}

static void
commands(void)
{
    call c;
    tb_hal_buffer *a = new_buffer(64), *b = new_buffer(64);
    tb_hal_command_buffer *cmd = begin(2);
    tb_vm_buffer *bytes = text("abcdefgh");
    tb_hal_fence *done = tb_hal_fence_create();
    const tb_vm_value table[6] = {ref(a), i64(0), i64(64), ref(b), i64(16), i64(32)};

    memset(a->data, 0, 64);
    memset(b->data, 0, 64);
    ok(INVOKE("command_buffer.fill_buffer", c, ref(cmd), ref(a), i64(0), i64(64), i32(0),
              i64(0x1122), i32(2), i64(0)));
    ok(INVOKE("command_buffer.update_buffer", c, ref(cmd), ref(bytes), i64(2), ref(NULL), i64(4),
              i64(4), i32(0), i64(0)));
    ok(INVOKE("command_buffer.execution_barrier", c, ref(cmd), i32(28), i32(13), i64(0)));
    ok(INVOKE("command_buffer.copy_buffer", c, ref(cmd), i32(0), i32(1), ref(NULL), i64(0),
              ref(NULL), i64(8), i64(16), i64(0)));
    fails(INVOKE("command_buffer.fill_buffer", c, ref(cmd), ref(a), i64(0), i64(65), i32(0),
                 i64(0), i32(1), i64(0)),
          "outside of the valid");
    fails(INVOKE("command_buffer.fill_buffer", c, ref(cmd), ref(a), i64(0), i64(64), i32(0),
                 i64(0), i32(3), i64(0)),
          "a pattern of 3 bytes");
    fails(INVOKE("command_buffer.copy_buffer", c, ref(cmd), i32(0), i32(2), ref(NULL), i64(0),
                 ref(NULL), i64(8), i64(16), i64(0)),
          "slot 2 is out range");
    fails(INVOKE("device.queue.execute.indirect", c, ref(device()), i64(-1), ref(NULL), ref(done),
                 ref(cmd), i64(0), list(table, 2)),
          "still recorded");
    ok(INVOKE("command_buffer.finalize", c, ref(cmd)));
    fails(INVOKE("command_buffer.finalize", c, ref(cmd)), "finalized");
    tb_hal_fence_release(done);
    done = tb_hal_fence_create();
    ok(INVOKE("device.queue.execute.indirect", c, ref(device()), i64(-1), ref(NULL), ref(done),
              ref(cmd), i64(0), list(table, 2)));
    ok(INVOKE("fence.query", c, ref(done)));
    EQ_INT(c.results[0].i32, 0);
    CHECK(memcmp(b->data + 24, "\x22\x11\x22\x11" "cdef" "\x22\x11\x22\x11", 12) == 0);
    EQ_INT(b->data[23], 0);
    EQ_INT(b->data[40], 0);
    fails(INVOKE("device.queue.execute", c, ref(device()), i64(-1), ref(NULL), ref(NULL),
                 ref(cmd), i64(0)),
          "no buffer is bound to slot 0");
    const tb_vm_value small[6] = {ref(a), i64(0), i64(64), ref(b), i64(56), i64(8)};
    fails(INVOKE("device.queue.execute.indirect", c, ref(device()), i64(-1), ref(NULL), ref(NULL),
                 ref(cmd), i64(0), list(small, 2)),
          "outside of the valid");
    tb_hal_fence_release(done);
    tb_vm_release(&cmd->base);
    tb_vm_release(&bytes->base);
    tb_vm_release(&a->base);
    tb_vm_release(&b->base);
}

static tb_vm_object *
new_executable(void)
{
    call c;
    tb_vm_buffer *file = tb_vm_buffer_create(T_ELF_BYTES, 0), *vmvx = text("vmvx-bytecode-fb");
    tb_vm_buffer *format = text("embedded-elf-x86_64");

    t_elf_write(file->data);
    fails(INVOKE("executable.create", c, ref(device()), i64(-1), ref(vmvx), ref(file), ref(NULL)),
          "'vmvx-bytecode-fb' do not run here");
    ok(INVOKE("executable.create", c, ref(device()), i64(-1), ref(format), ref(file), ref(NULL)));
    tb_vm_release(&vmvx->base);
    tb_vm_release(&file->base);
    tb_vm_release(&format->base);
    return c.results[0].ref;
}

static void
dispatches(void)
{
    call c;

    if (!runs_x86())
        return;
    tb_vm_object *e = new_executable();
    tb_hal_buffer *y = new_buffer(5000 * 4), *counts = new_buffer(12);
    tb_vm_buffer *name = text("add_x"), *wrong = text("add");
    tb_hal_command_buffer *cmd = begin(1);
    const tb_vm_value constant[1] = {i32(7)};
    const tb_vm_value slot[5] = {i32(0), i32(0), ref(NULL), i64(0), i64(-1)};
    const tb_vm_value table[3] = {ref(y), i64(0), i64(5000 * 4)};

    ok(INVOKE("executable.lookup.function", c, ref(e), ref(name)));
    EQ_INT(c.results[0].i64, 0);
    fails(INVOKE("executable.lookup.function", c, ref(e), ref(wrong)), "no function 'add'");
    ok(INVOKE("command_buffer.dispatch", c, ref(cmd), ref(e), i64(0), i32(5000), i32(1), i32(1),
              i64(0), list(constant, 1), list(slot, 1)));
    fails(INVOKE("command_buffer.dispatch", c, ref(cmd), ref(e), i64(1), i32(1), i32(1), i32(1),
                 i64(0), list(constant, 1), list(slot, 1)),
          "function id 1 out of range");
    fails(INVOKE("command_buffer.dispatch", c, ref(cmd), ref(e), i64(0), i32(1), i32(1), i32(1),
                 i64(0), list(NULL, 0), list(slot, 1)),
          "takes 1 constants and 1 buffers, given are 0 and 1");
    fails(INVOKE("command_buffer.dispatch", c, ref(cmd), ref(e), i64(0), i32(1), i32(1), i32(1),
                 i64(8), list(constant, 1), list(slot, 1)),
          "flags 0x8");
    ok(INVOKE("command_buffer.finalize", c, ref(cmd)));
    for (int again = 0; again < 20; again++) {
        memset(y->data, 0xff, y->bytes);
        ok(INVOKE("device.queue.execute.indirect", c, ref(device()), i64(-1), ref(NULL),
                  ref(NULL), ref(cmd), i64(0), list(table, 1)));
        uint32_t wrong_ones = 0;
        for (uint32_t i = 0; i < 5000; i++)
            wrong_ones += ((uint32_t *)(void *)y->data)[i] != 7 + i;
        EQ_INT(wrong_ones, 0);
    }
    tb_vm_release(&cmd->base);

    /* Counts from a buffer, as they are when it is done. */
    cmd = begin(0);
    const tb_vm_value direct[5] = {i32(0), i32(0), ref(y), i64(400), i64(40)};
    ok(INVOKE("command_buffer.dispatch.indirect", c, ref(cmd), ref(e), i64(0), i32(0), ref(counts),
              i64(0), i64(1), list(constant, 1), list(direct, 1)));
    ok(INVOKE("command_buffer.finalize", c, ref(cmd)));
    const uint32_t groups[3] = {3, 1, 1}, many[3] = {1, 1, 1 << 16};
    memcpy(counts->data, groups, sizeof groups);
    memset(y->data, 0, y->bytes);
    ok(INVOKE("device.queue.execute", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(cmd),
              i64(0)));
    EQ_INT(((uint32_t *)(void *)y->data)[102], 9);
    EQ_INT(((uint32_t *)(void *)y->data)[103], 0);
    memcpy(counts->data, many, sizeof many);
    fails(INVOKE("device.queue.execute", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(cmd),
                 i64(0)),
          "1 x 1 x 65536 workgroups");
    tb_vm_release(&cmd->base);
    tb_vm_release(&name->base);
    tb_vm_release(&wrong->base);
    tb_vm_release(&y->base);
    tb_vm_release(&counts->base);
    tb_vm_release(e);
}

/* ---- the queue ---- */
static void
submissions(void)
{
    call c;
    tb_vm_buffer *bytes = tb_vm_buffer_create(32, 0);
    tb_hal_fence *ready = tb_hal_fence_create(), *done = tb_hal_fence_create();

    memcpy(bytes->data, "0123456789abcdef", 16);
    tb_hal_fence_signal(ready);
    ok(INVOKE("device.queue.alloca", c, ref(device()), i64(-1), ref(ready), ref(done), i64(0),
              i32(48), i32(0xc03), i64(32), i64(0)));
    tb_hal_buffer *b = (tb_hal_buffer *)c.results[0].ref;
    ok(INVOKE("fence.query", c, ref(done)));
    EQ_INT(c.results[0].i32, 0);
    ok(INVOKE("device.queue.fill", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(b), i64(0),
              i64(32), i64('.'), i32(1), i64(0)));
    ok(INVOKE("device.queue.update", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(bytes),
              i64(4), ref(b), i64(1), i64(3), i64(0)));
    ok(INVOKE("device.queue.copy", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(b), i64(0),
              ref(b), i64(8), i64(4), i64(0)));
    ok(INVOKE("ex.file.from_memory", c, ref(device()), i64(-1), i32(3), ref(bytes), i64(8), i64(24),
              i32(0)));
    tb_vm_object *file = c.results[0].ref;
    ok(INVOKE("device.queue.read", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(file),
              i64(2), ref(b), i64(16), i64(6), i64(0)));
    CHECK(memcmp(b->data, ".456.....456....abcdef..", 24) == 0);
    ok(INVOKE("device.queue.write", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(b), i64(1),
              ref(file), i64(20), i64(3), i64(0)));
    CHECK(memcmp(bytes->data + 28, "456", 3) == 0);
    fails(INVOKE("device.queue.read", c, ref(device()), i64(-1), ref(NULL), ref(done), ref(file),
                 i64(20), ref(b), i64(0), i64(6), i64(0)),
          "of a file of 24");
    fails(INVOKE("fence.await", c, i32(-1), i64(0), list((tb_vm_value[]){ref(done)}, 1)),
          "of a file of 24");
    ok(INVOKE("device.queue.dealloca", c, ref(device()), i64(-1), ref(NULL), ref(NULL), ref(b),
              i64(0)));
    ok(INVOKE("device.queue.barrier", c, ref(device()), i64(-1), ref(ready), ref(NULL), i64(0)));
    ok(INVOKE("device.queue.flush", c, ref(device()), i64(-1)));
    tb_vm_release(file);
    tb_vm_release(&b->base);
    tb_vm_release(&bytes->base);
    tb_hal_fence_release(ready);
    tb_hal_fence_release(done);
}

static void
put_text(tb_hal_buffer *b, int64_t at, char letter, tb_hal_fence *wait, tb_hal_fence *signal)
{
    call c;
    ok(INVOKE("device.queue.fill", c, ref(device()), i64(-1), ref(wait), ref(signal), ref(b),
              i64(at), i64(8), i64(letter), i32(1), i64(0)));
}

/* What waits is done by who signals, in the order of the fences. */
static void
waiting_submissions(void)
{
    call c;
    tb_hal_buffer *b = new_buffer(16);
    tb_hal_fence *f[4];
    tb_hal_command_buffer *cmd = begin(1);
    const tb_vm_value table[3] = {ref(b), i64(4), i64(8)};

    for (int i = 0; i < 4; i++)
        f[i] = tb_hal_fence_create();
    const tb_vm_value two[2] = {ref(f[1]), ref(f[2])};
    ok(INVOKE("fence.join", c, i64(0), list(two, 2)));
    tb_hal_fence *both = (tb_hal_fence *)c.results[0].ref;
    ok(INVOKE("command_buffer.copy_buffer", c, ref(cmd), i32(0), i32(0), ref(NULL), i64(0), ref(b),
              i64(0), i64(4), i64(0)));
    ok(INVOKE("command_buffer.finalize", c, ref(cmd)));
    memset(b->data, '.', 16);
    ok(INVOKE("device.queue.execute.indirect", c, ref(device()), i64(-1), ref(both), ref(f[3]),
              ref(cmd), i64(0), list(table, 1)));
    put_text(b, 4, 'x', f[0], f[1]);
    ok(INVOKE("device.queue.alloca", c, ref(device()), i64(-1), ref(f[0]), ref(f[2]), i64(0),
              i32(48), i32(0xc03), i64(32), i64(0)));
    CHECK(c.results[0].ref != NULL);
    tb_vm_release(c.results[0].ref);
    tb_vm_release(&cmd->base); /* kept by what waits */
    tb_hal_fence_release(both);
    CHECK(memcmp(b->data, "................", 16) == 0);
    ok(INVOKE("fence.query", c, ref(f[3])));
    EQ_INT(c.results[0].i32, 17);
    tb_hal_fence_signal(f[0]);
    ok(INVOKE("fence.query", c, ref(f[3])));
    EQ_INT(c.results[0].i32, 0);
    CHECK(memcmp(b->data, "xxxxxxxxxxxx....", 16) == 0);
    for (int i = 0; i < 4; i++)
        tb_hal_fence_release(f[i]);
    tb_vm_release(&b->base);
}

/* Failures go on along the fences; what waits for a fence that is gone fails. */
static void
failing_submissions(void)
{
    call c;
    tb_hal_buffer *b = new_buffer(16);
    tb_hal_fence *a = tb_hal_fence_create(), *m = tb_hal_fence_create();
    tb_hal_fence *z = tb_hal_fence_create(), *y = tb_hal_fence_create();

    memset(b->data, '.', 16);
    put_text(b, 9, 'x', a, m); /* does not fit */
    put_text(b, 0, 'y', m, z);
    tb_hal_fence_signal(a);
    fails(INVOKE("fence.await", c, i32(-1), i64(0), list((tb_vm_value[]){ref(z)}, 1)),
          "outside of the valid");
    CHECK(b->data[0] == '.');
    tb_hal_fence_release(a);
    a = tb_hal_fence_create();
    put_text(b, 0, 'z', a, y);
    tb_hal_fence_release(a);
    a = NULL;
    fails(INVOKE("fence.await", c, i32(-1), i64(0), list((tb_vm_value[]){ref(y)}, 1)),
          "a fence was given up");
    CHECK(b->data[0] == '.');
    tb_hal_fence_release(m);
    m = tb_hal_fence_create();
    tb_hal_fence_release(a);
    a = tb_hal_fence_create();
    fails(INVOKE("device.queue.barrier", c, ref(device()), i64(-1), ref(a), ref(a), i64(0)),
          "wait for itself");
    ok(INVOKE("device.queue.barrier", c, ref(device()), i64(-1), ref(a), ref(m), i64(0)));
    fails(INVOKE("device.queue.barrier", c, ref(device()), i64(-1), ref(m), ref(a), i64(0)),
          "wait for itself");
    tb_hal_fence_release(a);
    tb_hal_fence_release(m);
    tb_hal_fence_release(z);
    tb_hal_fence_release(y);
    tb_vm_release(&b->base);
}

/* 100,000 submissions, each behind the one before: no stack is that deep. */
static void
long_chain(void)
{
    enum { LINKS = 100000 };
    tb_hal_buffer *b = new_buffer(8);
    tb_hal_fence *first = tb_hal_fence_create(), *last = first;

    tb_vm_retain((tb_vm_object *)first);
    for (int i = 0; i < LINKS; i++) {
        tb_hal_fence *next = tb_hal_fence_create();
        call c;
        tb_status st = INVOKE("device.queue.barrier", c, ref(device()), i64(-1), ref(last),
                              ref(next), i64(0));
        if (st)
            ok(st);
        tb_hal_fence_release(last);
        last = next;
    }
    bool reached = false;
    tb_hal_fence_signal(first);
    ok(tb_hal_fence_wait(last, 0, &reached));
    CHECK(reached);
    tb_hal_fence_release(first);
    tb_hal_fence_release(last);
    tb_vm_release(&b->base);
}

enum { ROUNDS = 2000 };
static tb_hal_fence *raced[ROUNDS][2];

static void *
signal_all(void *which)
{
    for (int i = 0; i < ROUNDS; i++)
        tb_hal_fence_signal(raced[i][which != NULL]);
    return NULL;
}

/* Work behind two fences that two threads signal is done once. */
static void
signals_of_two_threads(void)
{
    tb_hal_buffer *b = new_buffer(8 * ROUNDS);
    tb_hal_fence *done[ROUNDS];
    pthread_t threads[2];
    call c;

    memset(b->data, 0, b->bytes);
    for (int i = 0; i < ROUNDS; i++) {
        done[i] = tb_hal_fence_create();
        for (int k = 0; k < 2; k++)
            raced[i][k] = tb_hal_fence_create();
        const tb_vm_value two[2] = {ref(raced[i][0]), ref(raced[i][1])};
        ok(INVOKE("fence.join", c, i64(0), list(two, 2)));
        tb_vm_object *both = c.results[0].ref;
        put_text(b, 8 * i, 'x', (tb_hal_fence *)both, done[i]);
        tb_vm_release(both);
    }
    for (int k = 0; k < 2; k++)
        pthread_create(&threads[k], NULL, signal_all, k ? raced : NULL);
    for (int i = 0; i < ROUNDS; i++) {
        bool reached = false;
        ok(tb_hal_fence_wait(done[i], -1, &reached));
        CHECK(reached && b->data[8 * i] == 'x');
    }
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    for (int i = 0; i < ROUNDS; i++) {
        tb_hal_fence_release(done[i]);
        tb_hal_fence_release(raced[i][0]);
        tb_hal_fence_release(raced[i][1]);
    }
    tb_vm_release(&b->base);
}

/* ---- parameters ---- */
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

int
main(int argc, char **argv)
{
    tb_device *d = NULL;
    tb_params *params = NULL;

    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        uint8_t f[T_ELF_BYTES];
        t_elf_write(f);
        tb_status st = tb_file_write(argv[2], f, sizeof f);
        tb_status_free(st);
        return st != NULL;
    }
    ok(tb_device_create("local-task", 2, &d));
    ok(tb_params_create(&params));
    ok(tb_hal_create(d, params, &hal));
    tb_device_release(d);
    tb_params_release(params);
    tb_hal_libraries(hal, libraries);
    RUN(image_runs);
    RUN(broken_images_are_refused);
    RUN(image_is_protected);
    RUN(buffers);
    RUN(imported_bytes);
    RUN(views);
    RUN(fences);
    RUN(queries);
    RUN(commands);
    RUN(dispatches);
    RUN(submissions);
    RUN(waiting_submissions);
    RUN(failing_submissions);
    RUN(long_chain);
    RUN(signals_of_two_threads);
    RUN(parameters);
    EQ_INT(atomic_load(&hal->base.refs), 1);
    tb_hal_release(hal);
    return t_done();
}
