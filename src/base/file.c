/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* file.c -- whole files in and out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

tb_status
tb_file_read(const char *path, tb_buf *out)
{
    uint8_t chunk[65536];
    FILE *f = fopen(path, "rb");
    if (!f)
        return tb_status_make(errno == ENOENT ? TB_NOT_FOUND : TB_IO, "%s: %s", path,
                              strerror(errno));
    for (;;) {
        size_t n = fread(chunk, 1, sizeof chunk, f);
        tb_buf_put(out, chunk, n);
        if (n < sizeof chunk)
            break;
    }
    int failed = ferror(f) ? errno : 0;
    fclose(f);
    if (failed)
        return tb_status_make(TB_IO, "%s: %s", path, strerror(failed));
    if (out->failed)
        return tb_status_make(TB_OUT_OF_MEMORY, "%s: not enough memory to read it", path);
    return NULL;
}

/* ---- out ---- */
static tb_status
failure(const tb_file *f, int error)
{
    return tb_status_make(TB_IO, "%s: %s", f->path, strerror(error));
}

static void
forget(tb_file *f)
{
    free(f->path);
    free(f->tmp);
    *f = (tb_file){.fd = -1};
}

tb_status
tb_file_begin(tb_file *f, const char *path)
{
    size_t n = strlen(path);

    *f = (tb_file){.fd = -1, .path = malloc(n + 1), .tmp = malloc(n + 32)};
    if (!f->path || !f->tmp) {
        forget(f);
        return tb_status_make(TB_OUT_OF_MEMORY, "out of memory");
    }
    memcpy(f->path, path, n + 1);
    snprintf(f->tmp, n + 32, "%s.tmp%ld", path, (long)getpid());
    f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (f->fd >= 0)
        return NULL;
    tb_status st = failure(f, errno);
    forget(f);
    return st;
}

tb_status
tb_file_put(tb_file *f, uint64_t at, const void *bytes, size_t n)
{
    enum { MOST = 1 << 30 }; /* of a write, on every system */
    const uint8_t *p = bytes;

    while (n) {
        off_t to = (off_t)at;
        if (to < 0 || (uint64_t)to != at)
            return failure(f, EFBIG);
        ssize_t put = pwrite(f->fd, p, n < MOST ? n : MOST, to);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return failure(f, put < 0 ? errno : EIO);
        p += put;
        at += (uint64_t)put;
        n -= (size_t)put;
    }
    return NULL;
}

tb_status
tb_file_end(tb_file *f, bool keep)
{
    int error = close(f->fd) != 0 ? errno : 0;

    if (!error && keep && rename(f->tmp, f->path) != 0)
        error = errno;
    if (error || !keep)
        unlink(f->tmp);
    tb_status st = error && keep ? failure(f, error) : NULL;
    forget(f);
    return st;
}

tb_status
tb_file_write(const char *path, const void *bytes, size_t n)
{
    tb_file f;

    TRY(tb_file_begin(&f, path));
    tb_status st = tb_file_put(&f, 0, bytes, n), end = tb_file_end(&f, !st);
    return st ? st : end;
}
