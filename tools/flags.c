/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* flags.c -- files of flags, lists of devices. */
#include "flags.h"

#include <stdio.h>
#include <stdlib.h>

#include "call.h"

typedef struct arguments {
    char **at;
    int n;
    bool failed;
} arguments;

static void
add(arguments *a, char *arg)
{
    char **at = realloc(a->at, sizeof *at * (size_t)(a->n + 2));
    if (!at) {
        a->failed = true;
        return;
    }
    a->at = at;
    at[a->n++] = arg;
    at[a->n] = NULL;
}

/* Cuts the text into lines, in place. */
static void
add_lines(arguments *a, char *text)
{
    while (*text && !a->failed) {
        size_t n = strcspn(text, "\r\n"), skip = strspn(text, " \t");
        char *next = text + n + strspn(text + n, "\r\n");
        text[n] = '\0';
        while (n > skip && (text[n - 1] == ' ' || text[n - 1] == '\t'))
            text[--n] = '\0';
        if (skip < n && text[skip] != '#')
            add(a, text + skip);
        text = next;
    }
}

static tb_status
add_file(arguments *a, const char *path)
{
    tb_buf b = {0};
    TRY(tb_file_read(path, &b));
    tb_buf_put(&b, "", 1);
    if (b.failed)
        return tb_status_make(TB_OUT_OF_MEMORY, "%s: no memory to read it", path);
    add_lines(a, (char *)b.at); /* which keeps the bytes */
    return NULL;
}

char **
flags_expand(const char *tool, int *argc, char **argv)
{
    arguments a = {0};
    for (int i = 0; i < *argc; i++) {
        const char *path;
        tb_status st = NULL;
        if (flag_value(argv[i], "flagfile", &path))
            st = add_file(&a, path);
        else
            add(&a, argv[i]);
        if (st) {
            call_failed(tool, st);
            return NULL;
        }
    }
    if (a.failed) {
        fprintf(stderr, "%s: no memory for the flags\n", tool);
        return NULL;
    }
    *argc = a.n;
    return a.at;
}

static const char *const drivers[] = {"local-sync", "local-task"};
static const char *const about[] = {"the calling thread", "the calling thread and a pool"};

bool
flags_listed(const char *arg)
{
    bool names = strcmp(arg, "--list_drivers") == 0;
    bool uris = strcmp(arg, "--list_devices") == 0;
    if (!names && !uris && strcmp(arg, "--dump_devices") != 0)
        return false;
    for (size_t i = 0; i < TB_COUNT(drivers); i++)
        if (names)
            printf("%12s: %s\n", drivers[i], about[i]);
        else
            printf("%s%s\n", uris ? "" : "# ", drivers[i]);
    return true;
}
