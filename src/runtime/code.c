/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * code.c -- a module's machine code: the best image for this CPU, made executable.
 *
 * No page is ever writable and executable. Where an image cannot be made executable in
 * place (borrowed bytes; a file system mounted noexec) it is copied to memory of its own,
 * which is writable first and executable afterwards.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "artifact/cpu.h"
#include "runtime/runtime_internal.h"

/* Text of limited length. */
typedef struct note {
    char text[512];
    size_t n;
} note;

static void
add(note *t, const char *a, const char *b)
{
    size_t room = sizeof t->text - t->n;
    int n = snprintf(t->text + t->n, room, "%s%s", a, b);
    t->n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* Says what each image wants that this machine has not. */
static tb_status
no_image(const tb_module *m)
{
    const tb_cpu_level *host = tb_cpu_host();
    note t = {.text = ""};
    for (uint32_t i = 0; i < m->plan.n_images; i++) {
        const tb_plan_image *im = &m->plan.images[i];
        const char *separator = ", without ";
        add(&t, i ? "; " : "", tb_module_text(m, im->target));
        if (im->arch != tb_cpu_machine()) {
            add(&t, ", another architecture", "");
            continue;
        }
        for (int bit = 0; bit < 64; bit++)
            if ((im->features & ~tb_cpu_features()) >> bit & 1) {
                add(&t, separator, tb_cpu_feature_name(im->arch, bit));
                separator = ", ";
            }
    }
    return tb_status_make(
        TB_INCOMPATIBLE,
        "module '%s' has no code for this machine (%s); it was compiled for: %s. Compile "
        "it with this machine's level among its targets",
        tb_module_name(m), host ? host->name : "an unknown CPU",
        m->plan.n_images == 0 ? "nothing" : t.text);
}

static bool
runs(const tb_plan_image *im)
{
    return im->arch == tb_cpu_machine() && (im->features & ~tb_cpu_features()) == 0;
}

/* The first that runs here; but one that does not pay makes way for one that lacks nothing
 * else: with AVX-512, for one with AVX-512. */
static tb_status
choose_image(tb_module *m)
{
    for (uint32_t i = 0; i < m->plan.n_images; i++) {
        const tb_plan_image *im = &m->plan.images[i];
        if (!runs(im))
            continue;
        if (!m->image)
            m->image = im;
        if (tb_cpu_pays(im->features) && !(m->image->features & ~im->features & TB_CPU_V4)) {
            m->image = im;
            return NULL;
        }
    }
    return m->image ? NULL : no_image(m);
}

/* ---- executable memory ---- */
static tb_status
copy_image(tb_module *m, const uint8_t **image)
{
    size_t n = m->image->bytes;
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for %zu bytes of code", n);
    m->text_copy = p;
    m->text_copy_bytes = n;
    memcpy(p, m->bytes + m->image->offset, n);
    __builtin___clear_cache((char *)p, (char *)p + n);
    if (mprotect(p, n, PROT_READ | PROT_EXEC) != 0)
        return tb_status_make(TB_IO, "the system refuses to execute compiled code: %s",
                              strerror(errno));
    *image = p;
    return NULL;
}

/* In a mapped file, where it lies. */
static bool
allow_execution(const tb_module *m)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)m->bytes + m->image->offset;
    uintptr_t end = begin + m->image->bytes;
    begin = begin / page * page;
    return mprotect((void *)begin, end - begin, PROT_READ | PROT_EXEC) == 0;
}

tb_status
tb_code_open(tb_module *m, int flags)
{
    if (m->plan.n_kernels == 0)
        return NULL;
    TRY(choose_image(m));
    const uint8_t *image = m->bytes + m->image->offset;
    if (!(flags & TB_LOAD_EXECUTABLE) &&
        !(m->owner == TB_BYTES_MAPPED && allow_execution(m)))
        TRY(copy_image(m, &image));
    m->text = image + m->image->text_off;
    m->entries = m->plan.entries + (size_t)(m->image - m->plan.images) * m->plan.n_kernels;
    return NULL;
}

void
tb_code_close(tb_module *m)
{
    if (m->text_copy)
        munmap(m->text_copy, m->text_copy_bytes);
}
