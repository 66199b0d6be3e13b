/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * status.c -- the record behind a tb_status.
 *
 * Records come from malloc. With TB_NO_MALLOC there are a few of fixed size; who has none
 * left gives out a static one that has the code and no message of its own.
 */
#include <stdlib.h>

#include "base/base.h"

struct tb_status_record {
    tb_code code;
    char message[];
};

#if defined(TB_NO_MALLOC)
#include <stdatomic.h>

/* A record with room for its message, laid out like the one above. */
typedef struct slot {
    tb_code code;
    char message[252];
} slot;
enum { N_SLOTS = 4 };
static slot slots[N_SLOTS];
static atomic_int slot_used[N_SLOTS];

#define X(name, text, meaning) {TB_##name, text},
static const slot codes[] = {TB_CODES(X)};
#undef X

static struct tb_status_record *
new_record(size_t message_bytes, size_t *room)
{
    (void)message_bytes;
    for (int i = 0; i < N_SLOTS; i++)
        if (!atomic_exchange(&slot_used[i], true)) {
            *room = sizeof slots[i].message;
            return (struct tb_status_record *)(void *)&slots[i];
        }
    return NULL;
}

static tb_status
without_message(tb_code code)
{
    return (tb_status)(const void *)&codes[code];
}

void
tb_status_free(tb_status st)
{
    for (int i = 0; i < N_SLOTS; i++)
        if ((const void *)st == &slots[i])
            atomic_store(&slot_used[i], false);
}
#else
/* Given out when there is no memory for a record; never freed. It has the layout of one. */
static const struct {
    tb_code code;
    char message[16];
} no_memory = {TB_OUT_OF_MEMORY, "out of memory"};

static struct tb_status_record *
new_record(size_t message_bytes, size_t *room)
{
    *room = message_bytes;
    return malloc(sizeof(struct tb_status_record) + message_bytes);
}

static tb_status
without_message(tb_code code)
{
    (void)code;
    return (tb_status)(const void *)&no_memory;
}

void
tb_status_free(tb_status st)
{
    if (st && (const void *)st != &no_memory)
        free((void *)(uintptr_t)st);
}
#endif

tb_status
tb_status_make(tb_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    size_t room;
    struct tb_status_record *r = new_record((size_t)(n < 0 ? 0 : n) + 1, &room);
    if (!r)
        return without_message(code);
    r->code = code;
    va_start(ap, fmt);
    vsnprintf(r->message, room, fmt, ap);
    va_end(ap);
    return r;
}

tb_code
tb_status_code(tb_status st)
{
    return st ? st->code : TB_OK;
}

const char *
tb_status_message(tb_status st)
{
    return st ? st->message : "ok";
}

const char *
tb_code_name(tb_code code)
{
    switch (code) {
#define X(name, text, meaning)                                                           \
    case TB_##name:                                                                      \
        return text;
        TB_CODES(X)
#undef X
    }
    return "unknown";
}
