/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * params.c -- sets of named tensors: what sessions take weights from that are not in the
 * artifact.
 *
 * A set is a list of sources in the order in which they were added, each with its tensors
 * sorted by name. Nothing is copied: tensors are views of mapped files or of the caller's
 * memory.
 */
#include "runtime/runtime_internal.h"

#if defined(TB_NO_MALLOC)

tb_params *
tb_params_retain(tb_params *p)
{
    return p;
}

void
tb_params_release(tb_params *p)
{
    (void)p;
}

tb_status
tb_params_bind(const tb_params *p, const tb_module *m, uint32_t i, const uint8_t **data)
{
    (void)p;
    (void)i;
    *data = NULL;
    return tb_status_make(TB_UNSUPPORTED,
                          "module '%s' takes parameters, which a runtime without a heap does "
                          "not have", tb_module_name(m));
}

#else

typedef struct source {
    struct source *next;
    char *scope; /* NULL: any */
    char *path;  /* of a file, for messages; or NULL */
    const uint8_t *bytes;
    size_t n_bytes;
    bool mapped;
    void (*release)(void *user);
    void *user;
    tb_param_list list;
} source;

struct tb_params {
    atomic_int refs;
    source *first;
};

/* ---- life ---- */
tb_status
tb_params_create(tb_params **out)
{
    tb_params *p = tb_heap(1, sizeof *p);
    if (!p)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a set of parameters");
    atomic_init(&p->refs, 1);
    *out = p;
    return NULL;
}

tb_params *
tb_params_retain(tb_params *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

static void
free_source(source *s)
{
    if (s->mapped)
        tb_unmap_file(s->bytes, s->n_bytes);
    if (s->release)
        s->release(s->user);
    tb_param_list_free(&s->list);
    tb_heap_free(s->scope);
    tb_heap_free(s->path);
    tb_heap_free(s);
}

void
tb_params_release(tb_params *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (source *s = p->first, *next; s; s = next) {
        next = s->next;
        free_source(s);
    }
    tb_heap_free(p);
}

/* ---- adding ---- */
static char *
copy_text(const char *text)
{
    char *copy = tb_heap(strlen(text) + 1, 1);
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

/* A source that owns what release(user) gives back from now on; NULL: no memory, and it
 * was given back. */
static source *
new_source(const char *scope, const char *path, void (*release)(void *user), void *user)
{
    source *s = tb_heap(1, sizeof *s);
    if (!s) {
        if (release)
            release(user);
        return NULL;
    }
    s->release = release;
    s->user = user;
    s->scope = scope ? copy_text(scope) : NULL;
    s->path = path ? copy_text(path) : NULL;
    if ((!scope || s->scope) && (!path || s->path))
        return s;
    free_source(s);
    return NULL;
}

static tb_status
out_of_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for parameters");
}

static tb_status
finish(tb_params *p, source *s, tb_status st)
{
    source **last = &p->first;
    if (st) {
        free_source(s);
        return st;
    }
    while (*last)
        last = &(*last)->next;
    *last = s;
    return NULL;
}

tb_status
tb_params_add_file(tb_params *p, const char *scope, const char *path)
{
    source *s = new_source(scope, path, NULL, NULL);
    if (!s)
        return out_of_memory();
    tb_status st = tb_map_file(path, &s->bytes, &s->n_bytes);
    s->mapped = !st;
    if (!st)
        st = tb_status_in_file(tb_safetensors_read(s->bytes, s->n_bytes, &s->list), path);
    return finish(p, s, st);
}

tb_status
tb_params_add_memory(tb_params *p, const char *scope, const void *bytes, size_t n,
                     void (*release)(void *user), void *user)
{
    source *s = new_source(scope, NULL, release, user);
    if (!s)
        return out_of_memory();
    return finish(p, s, tb_safetensors_read(bytes, n, &s->list));
}

static tb_status
fill_one(source *s, const char *name, const tb_tensor *t)
{
    size_t n = t->bytes;
    if (t->dtype < TB_NONE || t->dtype >= TB_DTYPE_END || t->rank < 0 || t->rank > TB_MAX_RANK)
        return tb_status_make(TB_INVALID_ARGUMENT, "parameter '%s': no type", name);
    if (t->dtype != TB_NONE &&
        (!tb_type_bytes(t->dtype, t->rank, t->dims, &n) || n > t->bytes))
        return tb_status_make(TB_INVALID_ARGUMENT, "parameter '%s': its data is too short",
                              name);
    if (!t->data && n)
        return tb_status_make(TB_INVALID_ARGUMENT, "parameter '%s': its data is NULL", name);
    s->list.rows = tb_heap(1, sizeof *s->list.rows);
    s->list.texts = copy_text(name);
    s->list.sizes = tb_heap((size_t)t->rank, sizeof *s->list.sizes);
    if (!s->list.rows || !s->list.texts || !s->list.sizes)
        return out_of_memory();
    memcpy(s->list.sizes, t->dims, sizeof *t->dims * (size_t)t->rank);
    s->list.rows[0] = (tb_param){.name = s->list.texts,
                                 .data = t->data,
                                 .bytes = n,
                                 .dtype = t->dtype,
                                 .rank = t->rank,
                                 .dims = s->list.sizes};
    s->list.n = 1;
    return NULL;
}

tb_status
tb_params_add_tensor(tb_params *p, const char *scope, const char *name, const tb_tensor *t,
                     void (*release)(void *user), void *user)
{
    source *s = new_source(scope, NULL, release, user);
    if (!s)
        return out_of_memory();
    return finish(p, s, fill_one(s, name, t));
}

/* ---- finding ---- */
static const tb_param *
find_in(const tb_param_list *list, const char *name)
{
    uint32_t low = 0, high = list->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(name, list->rows[mid].name);
        if (order == 0)
            return &list->rows[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static const tb_param *
find(const tb_params *p, const char *scope, const char *name, const source **where)
{
    for (const source *s = p ? p->first : NULL; s; s = s->next) {
        const tb_param *x = s->scope && strcmp(s->scope, scope) != 0
                                ? NULL
                                : find_in(&s->list, name);
        if (x) {
            *where = s;
            return x;
        }
    }
    return NULL;
}

static tb_status
view(const tb_param *x, tb_tensor *out)
{
    if (x->bad_type || x->rank > TB_MAX_RANK)
        return tb_status_make(TB_UNSUPPORTED,
                              "parameter '%s': the type %s, of rank %d, is not supported",
                              x->name, x->bad_type ? x->bad_type : tb_dtype_name(x->dtype),
                              (int)x->rank);
    *out = (tb_tensor){.data = (void *)(uintptr_t)x->data,
                       .bytes = (size_t)x->bytes,
                       .dtype = x->dtype,
                       .rank = x->rank};
    memcpy(out->dims, x->dims, sizeof *x->dims * (size_t)x->rank);
    return NULL;
}

int
tb_params_count(const tb_params *p)
{
    int64_t n = 0;
    for (const source *s = p->first; s; s = s->next)
        n += s->list.n;
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

tb_status
tb_params_at(const tb_params *p, int i, const char **scope, const char **name, tb_tensor *out)
{
    int64_t at = i;
    for (const source *s = p->first; s && at >= 0; at -= s->list.n, s = s->next)
        if (at < s->list.n) {
            *scope = s->scope;
            *name = s->list.rows[at].name;
            return view(&s->list.rows[at], out);
        }
    return tb_status_make(TB_OUT_OF_RANGE, "there is no parameter %d of %d", i,
                          tb_params_count(p));
}

tb_status
tb_params_get(const tb_params *p, const char *scope, const char *name, tb_tensor *out)
{
    const source *where;
    const tb_param *x = find(p, scope, name, &where);
    if (!x)
        return tb_status_make(TB_NOT_FOUND, "there is no parameter '%s' in scope '%s'", name,
                              scope);
    return view(x, out);
}

tb_status
tb_params_find(const tb_params *p, const char *scope, const char *name, const uint8_t **data,
               uint64_t *bytes)
{
    const source *where;
    const tb_param *x = find(p, scope, name, &where);
    if (!x)
        return tb_status_make(TB_NOT_FOUND, "there is no parameter '%s' in scope '%s'", name,
                              scope);
    *data = x->data;
    *bytes = x->bytes;
    return NULL;
}

/* ---- for a session ---- */
static tb_status
missing(const tb_params *p, const tb_module *m, const char *scope, const char *name,
        const char *want)
{
    bool in_scope = false;
    for (const source *s = p ? p->first : NULL; s; s = s->next)
        in_scope = in_scope || !s->scope || strcmp(s->scope, scope) == 0;
    return tb_status_make(TB_NOT_FOUND,
                          "module '%s' needs parameter '%s' (%s) of scope '%s'%s",
                          tb_module_name(m), name, want, scope,
                          !p         ? ", and no parameters were given"
                          : in_scope ? ", which is not among those given"
                                     : "; parameters of that scope were not given");
}

tb_status
tb_params_bind(const tb_params *p, const tb_module *m, uint32_t i, const uint8_t **data)
{
    const tb_plan_global *g = &m->plan.globals[i];
    const tb_plan_value *v = &g->type;
    const char *scope = tb_module_text(m, g->scope), *name = tb_module_text(m, g->key);
    char want[TB_TYPE_TEXT_BYTES], got[TB_TYPE_TEXT_BYTES];
    const source *where = NULL;
    const tb_param *x = find(p, scope, name, &where);
    int64_t dims[TB_MAX_RANK];
    bool same = true;
    for (uint32_t d = 0; d < v->rank; d++)
        dims[d] = m->plan.dims[v->dims + d].value;
    tb_type_text(want, (tb_dtype)v->dtype, (int)v->rank, dims);
    if (!x)
        return missing(p, m, scope, name, want);
    if (x->dtype == TB_NONE && !x->bad_type) {
        same = x->bytes == tb_global_bytes(m, i);
        snprintf(got, sizeof got, "%llu bytes", (unsigned long long)x->bytes);
    } else {
        tb_tensor t;
        TRY(view(x, &t));
        same = (uint32_t)t.dtype == v->dtype && (uint32_t)t.rank == v->rank;
        for (uint32_t d = 0; same && d < v->rank; d++)
            same = t.dims[d] == dims[d];
        tb_type_text(got, t.dtype, t.rank, t.dims);
    }
    if (!same)
        return tb_status_make(TB_INVALID_ARGUMENT,
                              "%s%sparameter '%s' of scope '%s': module '%s' expects %s, got %s",
                              where->path ? where->path : "", where->path ? ": " : "", name,
                              scope, tb_module_name(m), want, got);
    *data = x->data;
    return NULL;
}
#endif
