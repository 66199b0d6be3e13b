/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * module.c -- loads a .vmfb: the bytes are verified, the best image for this CPU is made
 * executable where it lies, and constants are used in place.
 *
 * No page is ever writable and executable. Where an image cannot be made executable in
 * place (borrowed bytes; a file system mounted noexec) it is copied to memory of its own,
 * which is writable first and executable afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/cpu.h"
#include "runtime/runtime_internal.h"

/* ---- which image ---- */
/* Says what each image wants that this machine has not. */
static tb_status
no_image(const tb_module *m)
{
    const tb_cpu_level *host = tb_cpu_host();
    tb_buf text = {0};
    for (uint32_t i = 0; i < m->plan.n_images; i++) {
        const tb_plan_image *im = &m->plan.images[i];
        const char *separator = ", without";
        tb_buf_printf(&text, "%s%s", i ? "; " : "", tb_module_text(m, im->target));
        if (im->arch != tb_cpu_machine()) {
            tb_buf_puts(&text, ", another architecture");
            continue;
        }
        for (int bit = 0; bit < 64; bit++)
            if ((im->features & ~tb_cpu_features()) >> bit & 1) {
                tb_buf_printf(&text, "%s %s", separator, tb_cpu_feature_name(im->arch, bit));
                separator = ",";
            }
    }
    tb_buf_put(&text, "", 1);
    tb_status st = tb_status_make(
        TB_INCOMPATIBLE,
        "module '%s' has no code for this machine (%s); it was compiled for: %s. Compile "
        "it with this machine's level among its targets",
        tb_module_name(m), host ? host->name : "an unknown CPU",
        m->plan.n_images == 0 ? "nothing" : text.failed ? "?" : (const char *)text.at);
    tb_buf_free(&text);
    return st;
}

static tb_status
choose_image(tb_module *m)
{
    if (m->plan.n_kernels == 0)
        return NULL;
    for (uint32_t i = 0; i < m->plan.n_images; i++) {
        const tb_plan_image *im = &m->plan.images[i];
        if (im->arch == tb_cpu_machine() && (im->features & ~tb_cpu_features()) == 0) {
            m->image = im;
            return NULL;
        }
    }
    return no_image(m);
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

static tb_status
map_kernels(tb_module *m)
{
    uint32_t n = m->plan.n_kernels;
    const uint8_t *image = NULL;
    if (n == 0)
        return NULL;
    const uint32_t *entries = m->plan.entries + (size_t)(m->image - m->plan.images) * n;
    if (m->owner == TB_BYTES_MAPPED) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t begin = (uintptr_t)m->bytes + m->image->offset;
        uintptr_t end = begin + m->image->bytes;
        begin = begin / page * page;
        if (mprotect((void *)begin, end - begin, PROT_READ | PROT_EXEC) == 0)
            image = m->bytes + m->image->offset;
    }
    if (!image)
        TRY(copy_image(m, &image));
    for (uint32_t k = 0; k < n; k++) {
        const uint8_t *entry = image + m->image->text_off + entries[k];
        memcpy(&m->kernels[k], &entry, sizeof entry); /* no cast in C from data to code */
    }
    return NULL;
}

/* ---- from bytes to a module ---- */
static void
give_back(tb_module *m)
{
    if (m->owner == TB_BYTES_MAPPED)
        munmap((void *)(uintptr_t)m->bytes, m->n_bytes);
    else if (m->release)
        m->release(m->user);
}

static void
destroy(tb_module *m)
{
    if (m->text_copy)
        munmap(m->text_copy, m->text_copy_bytes);
    give_back(m);
    free(m->kernels);
    free(m->exported);
    free(m);
}

/* Tables that follow from the plan. */
static tb_status
prepare(tb_module *m)
{
    const tb_plan *p = &m->plan;
    m->kernels = calloc((size_t)p->n_kernels + 1, sizeof *m->kernels);
    m->exported = calloc((size_t)p->n_functions + 1, sizeof *m->exported);
    if (!m->kernels || !m->exported)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the module");
    for (uint32_t i = 0; i < p->n_functions; i++)
        if (p->functions[i].exported)
            m->exported[m->n_exported++] = i;
    for (uint32_t k = 0; k < p->n_kernels; k++) {
        const tb_plan_kernel *pk = &p->kernels[k];
        if (pk->n_bindings > m->max_bindings)
            m->max_bindings = pk->n_bindings;
        if (pk->n_sizes > m->max_sizes)
            m->max_sizes = pk->n_sizes;
        if (pk->scratch_bytes > m->scratch_bytes)
            m->scratch_bytes = pk->scratch_bytes;
    }
    return NULL;
}

/* Fills a module whose bytes and owner are set; destroys it on failure. */
static tb_status
finish_load(tb_module *m, int flags, tb_module **out)
{
    tb_status st = tb_artifact_read(m->bytes, m->n_bytes, flags, &m->plan);
    if (!st)
        st = prepare(m);
    if (!st)
        st = choose_image(m);
    if (!st)
        st = map_kernels(m);
    if (st)
        destroy(m);
    else
        *out = m;
    return st;
}

static tb_module *
new_module(void)
{
    tb_module *m = calloc(1, sizeof *m);
    if (m)
        atomic_init(&m->refs, 1);
    return m;
}

static tb_status
map_file(const char *path, const uint8_t **bytes, size_t *n)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tb_status_make(errno == ENOENT ? TB_NOT_FOUND : TB_IO, "%s: %s", path,
                              strerror(errno));
    void *p = MAP_FAILED;
    int err = 0;
    if (fstat(fd, &info) != 0)
        err = errno;
    else if (S_ISDIR(info.st_mode))
        err = EISDIR;
    else if (info.st_size > 0) {
        p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        err = p == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (err)
        return tb_status_make(TB_IO, "%s: %s", path, strerror(err));
    if (p == MAP_FAILED)
        return tb_status_make(TB_CORRUPT, "%s: the file is empty", path);
    *bytes = p;
    *n = (size_t)info.st_size;
    return NULL;
}

tb_status
tb_module_load_file(const char *path, int flags, tb_module **out)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;
    TRY(map_file(path, &bytes, &n));
    tb_module *m = new_module();
    if (!m) {
        munmap((void *)(uintptr_t)bytes, n);
        return tb_status_make(TB_OUT_OF_MEMORY, "%s: no memory for the module", path);
    }
    m->bytes = bytes;
    m->n_bytes = n;
    m->owner = TB_BYTES_MAPPED;
    tb_status st = finish_load(m, flags, out);
    if (st) {
        tb_status named = tb_status_make(tb_status_code(st), "%s: %s", path,
                                         tb_status_message(st));
        tb_status_free(st);
        st = named;
    }
    return st;
}

tb_status
tb_module_load_memory(const void *bytes, size_t n, int flags, void (*release)(void *user),
                      void *user, tb_module **out)
{
    tb_module *m = new_module();
    tb_status st = NULL;
    if (!m)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for the module");
    else if (n == 0)
        st = tb_status_make(TB_CORRUPT, "the module is empty");
    else if (!(flags & TB_LOAD_COPY) && (uintptr_t)bytes % TB_DATA_ALIGN)
        st = tb_status_make(TB_INVALID_ARGUMENT,
                            "borrowed bytes of a module must be %d-byte aligned; have them "
                            "copied or align them",
                            TB_DATA_ALIGN);
    if (st) {
        if (release)
            release(user);
        free(m);
        return st;
    }
    m->bytes = bytes;
    m->n_bytes = n;
    if (flags & TB_LOAD_COPY) {
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p != MAP_FAILED) {
            memcpy(p, bytes, n);
            mprotect(p, n, PROT_READ);
            m->bytes = p;
            m->owner = TB_BYTES_MAPPED;
        }
        if (release)
            release(user);
        if (p == MAP_FAILED) {
            free(m);
            return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module of %zu bytes", n);
        }
    } else {
        m->release = release;
        m->user = user;
    }
    return finish_load(m, flags, out);
}

tb_status
tb_module_from_plan(const tb_plan *plan, tb_kernel_fn *const *kernels, const void *bytes,
                    size_t n_bytes, tb_module **out)
{
    tb_module *m = new_module();
    if (!m)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for the module");
    m->plan = *plan;
    m->bytes = bytes;
    m->n_bytes = n_bytes;
    tb_status st = prepare(m);
    if (st) {
        destroy(m);
        return st;
    }
    for (uint32_t k = 0; kernels && k < plan->n_kernels; k++)
        m->kernels[k] = kernels[k];
    *out = m;
    return NULL;
}

tb_module *
tb_module_retain(tb_module *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void
tb_module_release(tb_module *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        destroy(m);
}
