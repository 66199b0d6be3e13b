/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* map.c -- files mapped for reading. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/runtime_internal.h"

tb_status
tb_map_file(const char *path, const uint8_t **bytes, size_t *n)
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
    else if ((uint64_t)info.st_size > SIZE_MAX)
        err = EFBIG;
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

void
tb_unmap_file(const uint8_t *bytes, size_t n)
{
    munmap((void *)(uintptr_t)bytes, n);
}

tb_status
tb_status_in_file(tb_status st, const char *path)
{
    if (!st)
        return NULL;
    tb_status named = tb_status_make(tb_status_code(st), "%s: %s", path, tb_status_message(st));
    tb_status_free(st);
    return named;
}
