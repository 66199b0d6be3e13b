/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* file.c -- whole files in and out. */
#include <errno.h>
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

tb_status
tb_file_write(const char *path, const void *bytes, size_t n)
{
    size_t len = strlen(path) + 32;
    char *tmp = malloc(len);
    if (!tmp)
        return tb_status_make(TB_OUT_OF_MEMORY, "out of memory");
    snprintf(tmp, len, "%s.tmp%ld", path, (long)getpid());
    FILE *f = fopen(tmp, "wb");
    int err = f ? 0 : errno;
    if (f) {
        if (n && fwrite(bytes, 1, n, f) != n)
            err = errno ? errno : EIO;
        if (fclose(f) != 0 && !err)
            err = errno;
        if (!err && rename(tmp, path) != 0)
            err = errno;
        if (err)
            unlink(tmp);
    }
    free(tmp);
    return err ? tb_status_make(TB_IO, "%s: %s", path, strerror(err)) : NULL;
}
