/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * fuzz_hal.c -- any sequence of calls of what modules of IREE's compiler import, with any
 * arguments of the right kinds: references come from a few slots, to which results go. The
 * device runs no machine code; images are not made here (fuzz_elf), but one is there.
 */
#include "artifact/artifact.h"
#include "artifact/cpu.h"
#include "hal/internal.h"
#include "unit/elf_t.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { SLOTS = 12, MAX_ARGS = 16, MAX_LIST = 24, MAX_CALLS = 64 };

typedef struct input {
    const uint8_t *at, *end;
    tb_vm_object *slots[SLOTS];
    tb_vm_value lists[2 * MAX_LIST];
    uint32_t used; /* of lists */
} input;

static uint8_t
byte(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static int64_t
number(input *in)
{
    static const int64_t some[] = {0,  1,  2,   3,    4,         8,         12,
                                   16, 64, 100, 4096, INT64_MAX, INT64_MIN, -1,
                                   -2, 48, 0xc03, 0x80c03, 0x21000020, 1 << 16};
    uint8_t b = byte(in);
    return b < TB_COUNT(some) ? some[b] : b - 128;
}

static tb_vm_value
argument(input *in, char kind)
{
    tb_vm_value v = {0};

    if (kind == 'r')
        v.ref = in->slots[byte(in) % SLOTS];
    else if (kind == 'i')
        v.i32 = (int32_t)number(in);
    else
        v.i64 = number(in);
    return v;
}

/* The list behind the C at *at, which goes to its D. */
static tb_vm_value
list(input *in, const char **at)
{
    const char *kinds = *at + 1;
    uint32_t width = (uint32_t)strcspn(kinds, "D"), n = byte(in) % 4;
    tb_vm_value v = {.list = {in->lists + in->used, n}};

    for (uint32_t i = 0; i < n * width; i++)
        in->lists[in->used++] = argument(in, kinds[i % width]);
    *at = kinds + width;
    return v;
}

static void
keep(input *in, tb_vm_object *o)
{
    tb_vm_object **slot = &in->slots[byte(in) % SLOTS];

    if (!o)
        return;
    tb_vm_release(*slot);
    *slot = o;
}

static void
call(input *in, const tb_vm_library *l, const tb_vm_function *f)
{
    tb_vm_value args[MAX_ARGS] = {{0}}, results[2] = {{0}};
    tb_vm_call c = {args, 0, results, 0};
    const char *at = f->cconv + 1, *text = f->name;

    in->used = 0;
    for (; *at != '_' && *at != 'v'; at++)
        args[c.n_args++] = *at == 'C' ? list(in, &at) : argument(in, *at);
    if (strcmp(text, "executable.create") == 0 || strcmp(text, "buffer_view.trace") == 0)
        return; /* runs machine code; prints */
    if (strcmp(text, "fence.await") == 0)
        args[0].i32 = 0;
    tb_status st = f->fn(l->self, &c);
    at += strcspn(at, "_") + 1;
    for (int i = 0; at[i] == 'r' || at[i] == 'i' || at[i] == 'I'; i++)
        if (at[i] == 'r' && st)
            tb_vm_release(results[i].ref);
        else if (at[i] == 'r')
            keep(in, results[i].ref);
    tb_status_free(st);
}

/* A device, an executable, bytes and names to begin with. */
static void
fill_slots(input *in, tb_hal *h)
{
    static const char *const texts[] = {"add_x", "hal.device.id", "local*", "w"};
    uint8_t file[T_ELF_BYTES];
    tb_hal_executable *e = NULL;

    in->slots[0] = tb_vm_retain(&h->base);
    t_elf_write(file);
    if (tb_cpu_machine() == TB_EM_X86_64)
        tb_status_free(tb_hal_executable_load(file, sizeof file, NULL, 0, 6, &e));
    in->slots[1] = (tb_vm_object *)e;
    for (size_t i = 0; i < TB_COUNT(texts); i++) {
        tb_vm_buffer *b = tb_vm_buffer_create(strlen(texts[i]), 0);
        if (b)
            memcpy(b->data, texts[i], b->bytes);
        in->slots[2 + i] = (tb_vm_object *)b;
    }
    in->slots[6] = (tb_vm_object *)tb_vm_buffer_create(72, 64);
    in->slots[7] = (tb_vm_object *)tb_hal_fence_create();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const float w[4] = {1, 2, 3, 4};
    const tb_tensor t = {.data = (void *)(uintptr_t)w, .bytes = sizeof w};
    input in = {.at = data, .end = data + n};
    tb_vm_library libraries[TB_HAL_LIBRARIES];
    tb_device *device = NULL;
    tb_params *params = NULL;
    tb_hal *h = NULL;
    tb_status st = tb_device_create("null", 1, &device);

    if (!st)
        st = tb_params_create(&params);
    if (!st)
        st = tb_params_add_tensor(params, NULL, "w", &t, NULL, NULL);
    if (!st)
        st = tb_hal_create(device, params, &h);
    if (!st) {
        tb_hal_libraries(h, libraries);
        fill_slots(&in, h);
        for (int i = 0; i < MAX_CALLS && in.at < in.end; i++) {
            uint8_t which = byte(&in);
            const tb_vm_library *l = &libraries[which >= 250];
            call(&in, l, &l->functions[which % l->n_functions]);
        }
        for (int i = 0; i < SLOTS; i++)
            tb_vm_release(in.slots[i]);
    }
    tb_status_free(st);
    tb_hal_release(h);
    tb_params_release(params);
    tb_device_release(device);
    return 0;
}
