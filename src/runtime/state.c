/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * state.c -- a session's state to a .safetensors file and back; the files are those that
 * shark_turbine.runtime's State writes and reads.
 */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "runtime/runtime_internal.h"

#if !defined(TB_NO_MALLOC)

/* For the time that files are written or read no call may run. */
static tb_status
enter(tb_session *s)
{
    if (atomic_exchange_explicit(&s->in_call, true, memory_order_acquire))
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "module '%s': the session is in a call; its state cannot be saved "
                              "or loaded meanwhile", tb_module_name(s->m));
    return NULL;
}

static void
leave(tb_session *s)
{
    atomic_store_explicit(&s->in_call, false, memory_order_release);
}

/* ---- saving ---- */
/* A string of JSON; what it may not hold as it is becomes \u00XX. `to` has room for six
 * characters for each of the text's. */
static char *
put_text(char *to, const char *text)
{
    *to++ = '"';
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\')
            to += snprintf(to, 7, "\\u%04x", c);
        else
            *to++ = (char)c;
    }
    *to++ = '"';
    return to;
}

/* Wide elements first, so that all are aligned in the file. */
static const uint8_t widths[] = {8, 4, 2, 1};

static char *
put_entry(char *to, const tb_module *m, uint32_t i, const char *type, uint64_t at)
{
    const tb_plan_value *v = &m->plan.globals[i].type;
    *to++ = ',';
    to = put_text(to, tb_module_text(m, v->name));
    to += sprintf(to, ":{\"dtype\":\"%s\",\"shape\":[", type);
    for (uint32_t d = 0; d < v->rank; d++)
        to += sprintf(to, "%s%" PRId64, d ? "," : "", m->plan.dims[v->dims + d].value);
    return to + sprintf(to, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at,
                        at + tb_global_bytes(m, i));
}

/* The file's header and its length before it; *n bytes, on the heap. */
static tb_status
make_header(const tb_module *m, char **out, size_t *n)
{
    size_t room = 256 + 6 * strlen(tb_module_name(m));
    for (uint32_t i = 0; i < m->n_globals; i++) {
        const tb_plan_value *v = &m->plan.globals[i].type;
        if (!tb_safetensors_type((tb_dtype)v->dtype))
            return tb_status_make(TB_UNSUPPORTED, "state '%s': safetensors files have no %s",
                                  tb_module_text(m, v->name), tb_dtype_name((tb_dtype)v->dtype));
        room += 128 + 6 * strlen(tb_module_text(m, v->name)) + 21 * v->rank;
    }
    char *text = tb_heap(room, 1), *to = text + 8;
    uint64_t at = 0;
    if (!text)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory to save a state");
    to += sprintf(to, "{\"__metadata__\":{\"turbine.module\":");
    to = put_text(to, tb_module_name(m));
    *to++ = '}';
    for (size_t w = 0; w < sizeof widths; w++)
        for (uint32_t i = 0; i < m->n_globals; i++) {
            tb_dtype t = (tb_dtype)m->plan.globals[i].type.dtype;
            if (tb_safetensors_width(t) != widths[w])
                continue;
            to = put_entry(to, m, i, tb_safetensors_type(t), at);
            at += tb_global_bytes(m, i);
        }
    *to++ = '}';
    while ((to - text) % 8)
        *to++ = ' ';
    for (int i = 0; i < 8; i++)
        text[i] = (char)((uint64_t)(to - text - 8) >> 8 * i);
    *out = text;
    *n = (size_t)(to - text);
    return NULL;
}

static int
write_all(tb_session *s, const char *path, const char *header, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return errno;
    bool ok = fwrite(header, 1, n, f) == n;
    for (size_t w = 0; w < sizeof widths; w++)
        for (uint32_t i = 0; i < s->m->n_globals; i++) {
            size_t bytes = tb_global_bytes(s->m, i);
            if (tb_safetensors_width((tb_dtype)s->m->plan.globals[i].type.dtype) == widths[w])
                ok = ok && (!bytes || fwrite(s->globals[i], 1, bytes, f) == bytes);
        }
    int err = ok ? 0 : errno ? errno : EIO;
    if (fclose(f) != 0 && !err)
        err = errno;
    return err;
}

static tb_status
save(tb_session *s, const char *path)
{
    char *header = NULL;
    size_t n = 0, room = strlen(path) + 32;
    TRY(make_header(s->m, &header, &n));
    char *beside = tb_heap(room, 1);
    if (!beside) {
        tb_heap_free(header);
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory to save a state");
    }
    snprintf(beside, room, "%s.tmp%ld", path, (long)getpid());
    int err = write_all(s, beside, header, n);
    if (!err && rename(beside, path) != 0)
        err = errno;
    if (err)
        unlink(beside);
    tb_heap_free(header);
    tb_heap_free(beside);
    return err ? tb_status_make(TB_IO, "%s: %s", path, strerror(err)) : NULL;
}

tb_status
tb_session_save(tb_session *s, const char *path)
{
    TRY(enter(s));
    tb_status st = save(s, path);
    leave(s);
    return st;
}

/* ---- loading ---- */
static const tb_param *
find(const tb_param_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (strcmp(list->rows[i].name, name) == 0)
            return &list->rows[i];
    return NULL;
}

/* Everything fits, or nothing is taken. */
static tb_status
check_list(const tb_module *m, const tb_param_list *list)
{
    for (uint32_t i = 0; i < m->n_globals; i++) {
        const tb_plan_value *v = &m->plan.globals[i].type;
        const char *name = tb_module_text(m, v->name);
        const tb_param *x = find(list, name);
        bool same = x && (uint32_t)x->dtype == v->dtype && (uint32_t)x->rank == v->rank;
        int64_t dims[TB_MAX_RANK];
        char want[TB_TYPE_TEXT_BYTES], got[TB_TYPE_TEXT_BYTES];
        if (!x)
            return tb_status_make(TB_NOT_FOUND,
                                  "not the state of module '%s': there is no '%s' in it",
                                  tb_module_name(m), name);
        for (uint32_t d = 0; d < v->rank; d++) {
            dims[d] = m->plan.dims[v->dims + d].value;
            same = same && x->dims[d] == dims[d];
        }
        if (same)
            continue;
        return tb_status_make(TB_INVALID_ARGUMENT, "state '%s' of module '%s': expected %s, got %s",
                              name, tb_module_name(m),
                              tb_type_text(want, (tb_dtype)v->dtype, (int)v->rank, dims),
                              x->bad_type || x->rank > TB_MAX_RANK
                                  ? "another type"
                                  : tb_type_text(got, x->dtype, x->rank, x->dims));
    }
    for (uint32_t k = 0; k < list->n; k++) {
        uint32_t i = 0;
        while (i < m->n_globals &&
               strcmp(tb_module_text(m, m->plan.globals[i].type.name), list->rows[k].name) != 0)
            i++;
        if (i == m->n_globals)
            return tb_status_make(TB_NOT_FOUND,
                                  "not the state of module '%s': it has no '%s'",
                                  tb_module_name(m), list->rows[k].name);
    }
    return NULL;
}

static tb_status
take(tb_session *s, const tb_param_list *list)
{
    tb_tensor t;
    TRY(check_list(s->m, list));
    for (uint32_t i = 0; i < s->m->n_globals; i++) /* memory first: it may fail */
        TRY(tb_session_global(s, (int)i, &t));
    for (uint32_t i = 0; i < s->m->n_globals; i++) {
        const char *name = tb_module_text(s->m, s->m->plan.globals[i].type.name);
        const tb_param *x = find(list, name);
        if (x->bytes)
            memcpy(s->globals[i], x->data, (size_t)x->bytes);
    }
    return NULL;
}

tb_status
tb_session_load(tb_session *s, const char *path)
{
    const uint8_t *bytes = NULL;
    size_t n = 0;
    tb_param_list list = {0};
    TRY(enter(s));
    tb_status st = tb_map_file(path, &bytes, &n);
    if (!st) {
        st = tb_safetensors_read(bytes, n, &list);
        if (!st)
            st = take(s, &list);
        tb_param_list_free(&list);
        tb_unmap_file(bytes, n);
        st = tb_status_in_file(st, path);
    }
    leave(s);
    return st;
}
#endif
