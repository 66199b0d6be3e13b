/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * replay.c -- runs a fuzz target on files instead of under libFuzzer, so that past findings
 * are ordinary tests with any compiler. Arguments are files or folders; missing ones are
 * skipped.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int n_files;

static int
replay_file(const char *path)
{
    tb_buf b = {0};
    tb_status st = tb_file_read(path, &b);

    if (st) {
        fprintf(stderr, "%s: %s\n", path, tb_status_message(st));
        tb_status_free(st);
        return 1;
    }
    /* A copy of the exact size, so that sanitizers see reads past the end. */
    uint8_t *copy = malloc(b.n ? b.n : 1);
    if (copy) {
        memcpy(copy, b.at, b.n);
        LLVMFuzzerTestOneInput(copy, b.n);
        n_files++;
    }
    free(copy);
    tb_buf_free(&b);
    return 0;
}

static int
replay(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return 0;
    if (!S_ISDIR(info.st_mode))
        return replay_file(path);
    DIR *dir = opendir(path);
    if (!dir)
        return 1;
    int failed = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char child[4096];

        if (e->d_name[0] == '.')
            continue;
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        failed |= replay(child);
    }
    closedir(dir);
    return failed;
}

int
main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%d files\n", n_files);
    return failed;
}
