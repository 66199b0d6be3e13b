/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * header.c -- the C header of a model that is linked into a program: declarations for
 * everybody, and behind PREFIX_IMPLEMENTATION the functions, which do what the runtime's
 * interpreter would (object_code.c writes their bodies).
 */
#include <ctype.h>
#include <inttypes.h>

#include "artifact/object_code.h"

/* ---- names ---- */
static bool
is_keyword(const char *s)
{
    static const char *const words[] = {
        "auto",   "break",  "case",    "char",     "const",    "continue", "default", "do",
        "double", "else",   "enum",    "extern",   "float",    "for",      "goto",    "if",
        "inline", "int",    "long",    "register", "restrict", "return",   "short",   "signed",
        "sizeof", "static", "struct",  "switch",   "typedef",  "union",    "unsigned",
        "void",   "while",  "volatile", "class",   "new",      "delete",   "this",    "bool",
        "true",   "false",  "and",     "or",       "not",      "xor",      "memory",  "state",
        "memory_bytes",     "private", "public",   "template", "typename", "using",   "try",
        "operator", "parameters",
    };
    for (size_t i = 0; i < TB_COUNT(words); i++)
        if (strcmp(words[i], s) == 0)
            return true;
    return false;
}

/* An identifier like `text`; `fallback` and a number where there is nothing to use. */
static void
identifier(char out[TB_C_NAME], const char *text, const char *fallback, uint32_t number)
{
    size_t n = 0;
    for (; *text && n < TB_C_NAME - 12; text++) {
        bool fine = isalnum((unsigned char)*text) && (unsigned char)*text < 128;
        if (n == 0 && isdigit((unsigned char)*text))
            out[n++] = '_';
        out[n++] = fine ? *text : '_';
    }
    out[n] = '\0';
    if (n == 0)
        snprintf(out, TB_C_NAME, "%s%u", fallback, number);
    else if (is_keyword(out))
        snprintf(out + n, 2, "_");
}

static void
put_upper(tb_buf *out, const char *s)
{
    for (; *s; s++) {
        char c = (char)toupper((unsigned char)*s);
        tb_buf_put(out, &c, 1);
    }
}

const char *
tb_c_type(uint32_t dtype)
{
    switch ((tb_dtype)dtype) {
    case TB_BOOL:
    case TB_U8:
        return "uint8_t";
    case TB_I8:
        return "int8_t";
    case TB_I16:
        return "int16_t";
    case TB_I32:
        return "int32_t";
    case TB_I64:
        return "int64_t";
    case TB_F16: /* bits */
    case TB_BF16:
    case TB_U16:
        return "uint16_t";
    case TB_F32:
    case TB_C64: /* pairs */
        return "float";
    case TB_F64:
    case TB_C128:
        return "double";
    case TB_U32:
        return "uint32_t";
    case TB_U64:
        return "uint64_t";
    case TB_NONE:
    case TB_DTYPE_END:
        break;
    }
    return "void";
}

/* ---- functions ---- */
static bool
is_dynamic(const tb_plan *p, const tb_plan_value *v)
{
    for (uint32_t d = 0; d < v->rank; d++)
        if (p->dims[v->dims + d].value < 0)
            return true;
    return false;
}

/* Parameters, results, sizes under names of their own. */
static void
name_all(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    uint32_t n = f->f->n_inputs + f->f->n_results;
    identifier(f->name, p->strings + f->f->name.off, "f", f->index);
    if (strcmp(f->name, "init") == 0 || strcmp(f->name, "error") == 0 ||
        strncmp(f->name, "state_", 6) == 0) /* names of ours */
        snprintf(f->name + strlen(f->name), 2, "_");
    for (uint32_t i = 0; i < n; i++) {
        bool in = i < f->f->n_inputs;
        const tb_plan_value *v =
            &p->values[in ? f->f->input + i : f->f->result + i - f->f->n_inputs];
        identifier(f->names[i], p->strings + v->name.off, in ? "in" : "out",
                   in ? i : i - f->f->n_inputs);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(f->names[k], f->names[i]) == 0) {
                size_t len = strlen(f->names[i]);
                snprintf(f->names[i] + len, TB_C_NAME - len, "_%u", i);
                k = UINT32_MAX; /* again from the start */
            }
    }
}

static void
put_value_text(tb_buf *out, const tb_plan *p, const tb_plan_value *v, const char *name)
{
    tb_buf_printf(out, "%s: ", name);
    for (uint32_t d = 0; d < v->rank; d++) {
        const tb_plan_dim *dim = &p->dims[v->dims + d];
        if (dim->value < 0)
            tb_buf_puts(out, "?x");
        else
            tb_buf_printf(out, "%" PRId64 "x", dim->value);
    }
    tb_buf_puts(out, tb_dtype_name((tb_dtype)v->dtype));
}

/* "const float *x, int64_t x_d0", one item for each; sizes alone if !data. */
static uint32_t
put_inputs(tb_c_function *f, bool data, const char *separator)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->f->n_inputs; i++) {
        const tb_plan_value *v = &p->values[f->f->input + i];
        if (v->is_size)
            tb_buf_printf(out, "%sint64_t %s", n++ ? ", " : separator, f->names[i]);
        else if (data)
            tb_buf_printf(out, "%sconst %s *%s", n++ ? ", " : separator, tb_c_type(v->dtype),
                          f->names[i]);
        for (uint32_t d = 0; d < v->rank; d++)
            if (p->dims[v->dims + d].value < 0)
                tb_buf_printf(out, "%sint64_t %s_d%u", n++ ? ", " : separator, f->names[i], d);
    }
    return n;
}

static void
put_prototype(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    tb_buf_printf(out, "int32_t %s_%s(", f->h->prefix, f->name);
    tb_c_parameters(f->h, ", ");
    if (f->h->state_bytes)
        tb_buf_puts(out, "void *state, ");
    tb_buf_puts(out, "void *memory, size_t memory_bytes");
    put_inputs(f, true, ", ");
    for (uint32_t i = 0; i < f->f->n_results; i++) {
        const tb_plan_value *v = &p->values[f->f->result + i];
        const char *name = f->names[f->f->n_inputs + i];
        tb_buf_printf(out, ", %s *%s", tb_c_type(v->dtype), name);
        if (is_dynamic(p, v))
            tb_buf_printf(out, ", size_t %s_bytes, int64_t %s_dims[%u]", name, name, v->rank);
    }
    tb_buf_puts(out, ")");
}

static void
put_memory_prototype(tb_c_function *f)
{
    tb_buf_printf(f->h->out, "int64_t %s_%s_memory(", f->h->prefix, f->name);
    if (put_inputs(f, false, "") == 0)
        tb_buf_puts(f->h->out, "void");
    tb_buf_puts(f->h->out, ")");
}

static int64_t
static_size(void *user, uint32_t input, uint32_t axis)
{
    const tb_c_function *f = user;
    const tb_plan *p = f->h->p;
    return p->dims[p->values[f->f->input + input].dims + axis].value;
}

static bool
has_sizes(const tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    for (uint32_t i = 0; i < f->f->n_inputs; i++)
        if (p->values[f->f->input + i].is_size || is_dynamic(p, &p->values[f->f->input + i]))
            return true;
    return false;
}

static void
declare(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    tb_buf_printf(out, "\n/* %s(", f->name);
    for (uint32_t i = 0; i < f->f->n_inputs; i++) {
        tb_buf_puts(out, i ? ", " : "");
        put_value_text(out, p, &p->values[f->f->input + i], f->names[i]);
    }
    tb_buf_puts(out, ") -> (");
    for (uint32_t i = 0; i < f->f->n_results; i++) {
        tb_buf_puts(out, i ? ", " : "");
        put_value_text(out, p, &p->values[f->f->result + i], f->names[f->f->n_inputs + i]);
    }
    tb_buf_puts(out, ") */\n");
    if (!has_sizes(f)) {
        int64_t n = tb_plan_transient(p, f->f, static_size, f);
        tb_buf_puts(out, "#define ");
        put_upper(out, f->h->prefix);
        tb_buf_puts(out, "_");
        put_upper(out, f->name);
        tb_buf_printf(out, "_MEMORY %" PRId64 "\n", n < 0 ? -1 : n + f->h->fixed_bytes);
    }
    put_memory_prototype(f);
    tb_buf_puts(out, ";\n");
    put_prototype(f);
    tb_buf_puts(out, ";\n");
}

/* ---- definitions of what is declared ---- */
static void
put_sizes(tb_c_function *f, bool data)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    for (uint32_t i = 0; i < f->f->n_inputs; i++) {
        const tb_plan_value *v = &p->values[f->f->input + i];
        tb_buf_printf(out, "    const int64_t d%u[] = {", i);
        for (uint32_t d = 0; d < v->rank; d++) {
            const tb_plan_dim *dim = &p->dims[v->dims + d];
            if (dim->value < 0)
                tb_buf_printf(out, "%s_d%u, ", f->names[i], d);
            else
                tb_buf_printf(out, "%" PRId64 ", ", dim->value);
        }
        tb_buf_puts(out, "0};\n");
    }
    tb_buf_puts(out, "    const int64_t *const dims[] = {");
    for (uint32_t i = 0; i < f->f->n_inputs; i++)
        tb_buf_printf(out, "d%u, ", i);
    tb_buf_puts(out, "0};\n    const void *const in[] = {");
    for (uint32_t i = 0; i < f->f->n_inputs; i++) {
        bool is_size = p->values[f->f->input + i].is_size;
        if (data || is_size)
            tb_buf_printf(out, "%s%s, ", is_size ? "&" : "", f->names[i]);
        else
            tb_buf_puts(out, "0, ");
    }
    tb_buf_puts(out, "0};\n");
}

static void
define(tb_c_function *f)
{
    const tb_plan *p = f->h->p;
    tb_buf *out = f->h->out;
    const char *prefix = f->h->prefix, *name = f->name;
    tb_c_body(f);
    tb_buf_puts(out, "\n");
    put_memory_prototype(f);
    tb_buf_puts(out, "\n{\n");
    put_sizes(f, false);
    tb_buf_printf(out,
                  "    int64_t need = 0;\n"
                  "    int32_t status = %s__%s(%sin, dims, 0, 0, 0, 0, 0, 0, &need);\n"
                  "    return status ? -(int64_t)(status & 0xff) : need;\n}\n\n",
                  prefix, name, f->h->n_outside ? "0, " : "");
    put_prototype(f);
    tb_buf_puts(out, "\n{\n");
    put_sizes(f, true);
    tb_buf_puts(out, "    void *const out[] = {");
    for (uint32_t i = 0; i < f->f->n_results; i++)
        tb_buf_printf(out, "%s, ", f->names[f->f->n_inputs + i]);
    tb_buf_puts(out, "0};\n    const size_t room[] = {");
    for (uint32_t i = 0; i < f->f->n_results; i++)
        if (is_dynamic(p, &p->values[f->f->result + i]))
            tb_buf_printf(out, "%s_bytes, ", f->names[f->f->n_inputs + i]);
        else
            tb_buf_puts(out, "(size_t)-1, ");
    tb_buf_puts(out, "0};\n    int64_t *const out_dims[] = {");
    for (uint32_t i = 0; i < f->f->n_results; i++)
        if (is_dynamic(p, &p->values[f->f->result + i]))
            tb_buf_printf(out, "%s_dims, ", f->names[f->f->n_inputs + i]);
        else
            tb_buf_puts(out, "0, ");
    tb_buf_printf(out,
                  "0};\n    return %s__%s(%sin, dims, out, room, out_dims, %s, memory, "
                  "memory_bytes, 0);\n}\n",
                  prefix, name, f->h->n_outside ? "parameters, " : "",
                  f->h->state_bytes ? "state" : "0");
}

/* ---- the file ---- */
static const char head[] =
    " *\n"
    " * Link the object of the same name. One C file defines %s_IMPLEMENTATION before it\n"
    " * includes this. Calls take no memory but what they are given, call nothing but\n"
    " * memcpy, memmove and memset, and may run on several threads with memory and state of\n"
    " * their own each. Tensors are dense, row-major; half precision is given as bits, complex\n"
    " * numbers as pairs.\n"
    " *\n"
    " *   memory, memory_bytes   for intermediate results: ..._MEMORY bytes, or what\n"
    " *                          ..._memory(sizes) returns (negative: minus a status)\n"
    " *   x_d0                   size of x along axis 0, where it is open\n"
    " *   y_bytes, y_dims        room for a result of open sizes; gets its sizes\n"
    " *\n"
    " * Functions return 0 or a status, whose low byte is one of the values below.\n"
    " */\n";

/* Parameters that the caller has. */
static void
put_outside(tb_c_header *h)
{
    const tb_plan *p = h->p;
    tb_buf *out = h->out;
    if (!h->n_outside)
        return;
    tb_buf_printf(out,
                  "\n/* Parameters of the model, where the caller has them, under their names in "
                  "its\n * files. They are read by every call%s. */\nstruct %s_parameters {\n",
                  h->state_bytes ? ", those of a state by init" : "", h->prefix);
    for (uint32_t i = 0; i < p->n_globals; i++) {
        const tb_plan_global *g = &p->globals[i];
        if (!h->outside[i][0])
            continue;
        tb_buf_printf(out, "    const %s *%s; /* ", tb_c_type(g->type.dtype), h->outside[i]);
        tb_c_text(out, p->strings + g->key.off);
        put_value_text(out, p, &g->type, "");
        tb_buf_puts(out, " */\n");
    }
    tb_buf_puts(out, "};\n");
}

static void
put_state(tb_c_header *h)
{
    const tb_plan *p = h->p;
    tb_buf *out = h->out;
    char name[TB_C_NAME];
    if (!h->state_bytes)
        return;
    tb_buf_puts(out, "\n/* What functions keep between calls, in memory of the caller; init gives "
                     "it its\n * first values. Each part can be read and written between calls. "
                     "*/\n#define ");
    put_upper(out, h->prefix);
    tb_buf_printf(out, "_STATE_BYTES %" PRIu64 "\nvoid %s_init(", h->state_bytes, h->prefix);
    tb_c_parameters(h, ", ");
    tb_buf_puts(out, "void *state);\n");
    for (uint32_t i = 0; i < p->n_globals; i++) {
        const tb_plan_global *g = &p->globals[i];
        if (h->place[i] == TB_C_CONSTANT || h->place[i] == TB_C_OUTSIDE)
            continue;
        identifier(name, p->strings + g->type.name.off, "global", i);
        tb_buf_puts(out, "/* ");
        put_value_text(out, p, &g->type, name);
        tb_buf_printf(out,
                      " */\nstatic inline %s *\n%s_state_%s(void *state)\n{\n"
                      "    return (%s *)(void *)((unsigned char *)state + %" PRIu64 ");\n}\n",
                      tb_c_type(g->type.dtype), h->prefix, name, tb_c_type(g->type.dtype),
                      h->place[i]);
    }
}

static void
put_top(tb_c_header *h)
{
    tb_buf *out = h->out;
    char upper[TB_C_NAME];
    size_t n = strlen(h->prefix);
    for (size_t i = 0; i <= n; i++)
        upper[i] = (char)toupper((unsigned char)h->prefix[i]);
    tb_buf_printf(out, "/* %s.h -- a model compiled by Turbine.\n", h->prefix);
    tb_buf_printf(out, head, upper);
    tb_buf_printf(out,
                  "#ifndef %s_H\n#define %s_H\n#include <stddef.h>\n#include <stdint.h>\n\n"
                  "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                  "enum {\n"
                  "    %s_OK,\n"
                  "    %s_BAD_INDEX,    /* a value of an index tensor names no element */\n"
                  "    %s_ASSERTION,    /* an assertion of the model does not hold */\n"
                  "    %s_BAD_SIZE,     /* sizes that the model does not take */\n"
                  "    %s_NO_MEMORY,    /* memory_bytes is too small */\n"
                  "    %s_SMALL_RESULT  /* ..._bytes is too small */\n"
                  "};\n/* What a status means and which line of the model it comes from. */\n"
                  "const char *%s_error(int32_t status);\n",
                  upper, upper, upper, upper, upper, upper, upper, upper, h->prefix);
}

/* Gives the parameter of a global a name that none before it has. */
static void
name_outside(tb_c_header *h, uint32_t global)
{
    const tb_plan *p = h->p;
    char *name = h->outside[global];
    identifier(name, p->strings + p->globals[global].key.off, "parameter", global);
    for (uint32_t i = 0; i < global; i++)
        if (strcmp(h->outside[i], name) == 0) {
            size_t n = strlen(name);
            snprintf(name + n, TB_C_NAME - n, "_%u", global);
            i = UINT32_MAX; /* again from the start */
        }
    h->n_outside++;
}

static tb_status
prepare(tb_c_header *h)
{
    const tb_plan *p = h->p;
    uint64_t scratch = 0;
    for (uint32_t i = 0; i < p->n_kernels; i++)
        scratch = p->kernels[i].scratch_bytes > scratch ? p->kernels[i].scratch_bytes : scratch;
    h->scratch_bytes = TB_ALIGN_UP(scratch, TB_DATA_ALIGN);
    h->fixed_bytes = (int64_t)h->scratch_bytes + TB_DATA_ALIGN - 1;
    for (uint32_t i = 0; i < p->n_functions; i++)
        if (p->functions[i].n_slots)
            return tb_status_make(TB_UNSUPPORTED,
                                  "function '%s' has values whose size depends on data: an object "
                                  "has no memory for them; compile a .vmfb",
                                  p->strings + p->functions[i].name.off);
    for (uint32_t i = 0; i < p->n_globals; i++) {
        const tb_plan_global *g = &p->globals[i];
        uint64_t n = tb_dtype_bytes((tb_dtype)g->type.dtype);
        for (uint32_t d = 0; d < g->type.rank; d++)
            n *= (uint64_t)p->dims[g->type.dims + d].value;
        h->bytes[i] = n;
        if (g->init == TB_INIT_PARAM)
            name_outside(h, i);
        if (!g->mutable_ && g->init == TB_INIT_PARAM) {
            h->place[i] = TB_C_OUTSIDE;
            continue;
        }
        if (!g->mutable_ && g->init >= 0) {
            h->place[i] = TB_C_CONSTANT;
            continue;
        }
        h->place[i] = h->state_bytes;
        h->state_bytes += TB_ALIGN_UP(n, TB_DATA_ALIGN);
    }
    return NULL;
}

static tb_status
write_functions(tb_c_header *h)
{
    const tb_plan *p = h->p;
    tb_arena a = {0};
    for (int pass = 0; pass < 2; pass++) {
        if (pass) {
            tb_buf_puts(h->out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n\n#ifdef ");
            put_upper(h->out, h->prefix);
            tb_buf_puts(h->out, "_IMPLEMENTATION\n");
            tb_c_preface(h);
        }
        for (uint32_t i = 0; i < p->n_functions; i++) {
            const tb_plan_function *f = &p->functions[i];
            if (!f->exported)
                continue;
            tb_c_function c = {.h = h, .f = f, .index = i};
            c.names = tb_alloc(&a, sizeof *c.names * (f->n_inputs + f->n_results + 1));
            name_all(&c);
            if (pass)
                define(&c);
            else
                declare(&c);
        }
    }
    tb_buf_puts(h->out, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
    tb_arena_reset(&a);
    return NULL;
}

tb_status
tb_object_header(const tb_artifact *a, const char *prefix, tb_buf *out)
{
    tb_arena arena = {0};
    const tb_plan *p = a->plan;
    tb_plan_const *consts = TB_NEWN(&arena, tb_plan_const, p->n_consts + 1);
    bool *shared = TB_NEWN(&arena, bool, p->n_consts + 1);
    tb_c_header h = {.p = p,
                     .consts = consts,
                     .prefix = prefix,
                     .out = out,
                     .place = TB_NEWN(&arena, uint64_t, p->n_globals + 1),
                     .bytes = TB_NEWN(&arena, uint64_t, p->n_globals + 1),
                     .outside = tb_alloc(&arena, sizeof *h.outside * (p->n_globals + 1))};
    uint64_t weights;
    tb_status st = tb_artifact_place(a, consts, shared, &weights);
    if (!st)
        st = prepare(&h);
    if (!st) {
        put_top(&h);
        put_outside(&h);
        put_state(&h);
        st = write_functions(&h);
    }
    if (!st && out->failed)
        st = tb_status_make(TB_OUT_OF_MEMORY, "no memory for a header");
    tb_arena_reset(&arena);
    return st;
}
