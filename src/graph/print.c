/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print.c -- the .tb text of graphs and units: one node per line,
 *
 *     %3 = rsum %2 axis=1 : [s0]x1xf32
 *
 * Everything needed to build the same unit again is printed (but for the data of large
 * constants, unless asked), so print, parse, print is a fixed point. Node ids are printed
 * as they are: a dump can be read beside a debugger.
 */
#include <math.h>
#include <stdlib.h>

#include "graph/text.h"

/* ---- attributes ---- */

#define ONE(name, kind) {name, TB_AT_##kind, TB_AT_ONE}
#define EACH(name, kind) {name, TB_AT_##kind, TB_AT_RANK}
#define MANY(name) {name, TB_AT_INT, TB_AT_N}
#define CONV                                                                             \
    {                                                                                    \
        ONE("n", INT), ONE("groups", INT), MANY("stride"), MANY("pad_lo"),               \
            MANY("pad_hi"), MANY("dilation")                                             \
    }

static const tb_attr_spec specs[TB_P_END][TB_MAX_SPECS + 1] = {
#define FOLD(name, map, result) [TB_P_##name] = {ONE("axis", AXES)},
#include "graph/prims.def"
    [TB_P_cumsum] = {ONE("axis", INT)},
    [TB_P_cumprod] = {ONE("axis", INT)},
    [TB_P_cummax] = {ONE("axis", INT)},
    [TB_P_cummin] = {ONE("axis", INT)},
    [TB_P_permute] = {EACH("order", INT)},
    [TB_P_slice] = {EACH("start", DIM), EACH("step", INT)},
    [TB_P_pad] = {EACH("lo", DIM), EACH("hi", DIM)},
    [TB_P_flip] = {ONE("axis", AXES)},
    [TB_P_window] = {ONE("axis", INT), ONE("size", INT), ONE("stride", INT),
                     ONE("dilation", INT)},
    [TB_P_concat] = {ONE("axis", INT)},
    [TB_P_input] = {ONE("index", INT)},
    [TB_P_const] = {ONE("index", INT)},
    [TB_P_full] = {ONE("value", VALUE)},
    [TB_P_iota] = {ONE("axis", INT)},
    [TB_P_dim] = {ONE("size", DIM)},
    [TB_P_gather] = {ONE("axis", AXES)},
    [TB_P_scatter] = {ONE("axis", AXES), ONE("mode", MODE)},
    [TB_P_argsort] = {ONE("axis", INT), ONE("descending", INT)},
    [TB_P_tri_solve] = {ONE("upper", INT), ONE("transpose", INT), ONE("conj", INT),
                        ONE("unit", INT), ONE("pairs", INT)},
    [TB_P_cholesky] = {ONE("pairs", INT)},
    [TB_P_lu] = {ONE("pivot", INT), ONE("pairs", INT)},
    [TB_P_qr] = {ONE("pairs", INT)},
    [TB_P_jacobi] = {ONE("n", DIM), ONE("pairs", INT)},
    [TB_P_schur] = {ONE("pairs", INT)},
    [TB_P_exchange] = {ONE("n", DIM)},
    [TB_P_conv] = CONV,
    [TB_P_conv_nhwc] = CONV,
    [TB_P_attention] = {ONE("causal", INT), ONE("scale", F64)},
    [TB_P_attention_lse] = {ONE("causal", INT), ONE("scale", F64)},
    [TB_P_attention_grad] = {ONE("causal", INT), ONE("scale", F64)},
    [TB_P_read] = {ONE("global", INT)},
    [TB_P_write] = {ONE("global", INT)},
    [TB_P_assert] = {ONE("message", INT)},
    [TB_P_item] = {ONE("symbol", SYM)},
    [TB_P_cond] = {ONE("then", INT), ONE("else", INT)},
    [TB_P_while] = {ONE("while", INT), ONE("do", INT)},
    [TB_P_call] = {ONE("graph", INT)},
    [TB_P_result] = {ONE("number", INT)},
};

const char *const tb_scatter_modes[5] = {"set", "add", "mul", "max", "min"};

const tb_attr_spec *
tb_attr_specs(tb_prim p)
{
    return specs[p];
}

uint32_t
tb_attr_symbol(const tb_unit *u, int64_t attr)
{
    return tb_dim_is_const(attr) ? (uint32_t)attr : (uint32_t)tb_dim_get(u, attr)->a;
}

/* ---- pieces ---- */

typedef struct printer {
    const tb_unit *u;
    const tb_graph *g;
    tb_buf *out;
    tb_print_flags flags;
    int64_t next_input;
} printer;

static void
put_dim(printer *p, tb_dim d)
{
    tb_arena *a = &p->u->cx->scratch;

    if (tb_dim_is_const(d) && d != TB_DIM_UNKNOWN)
        tb_buf_printf(p->out, "%lld", (long long)d);
    else
        /* dim.c's arithmetic interns, so it wants the unit writable; text does not change it */
        tb_buf_printf(p->out, "[%.*s]", TB_FMT(tb_dim_text((tb_unit *)p->u, a, d)));
}

static void
put_type(printer *p, tb_dtype dtype, int rank, const tb_dim *dims)
{
    if (dtype == TB_NONE) {
        tb_buf_puts(p->out, "none");
        return;
    }
    for (int i = 0; i < rank; i++) {
        put_dim(p, dims[i]);
        tb_buf_puts(p->out, "x");
    }
    tb_buf_puts(p->out, tb_dtype_name(dtype));
}

/* The shortest text that reads back as the same double and is not an integer's. */
static void
put_double(printer *p, double d)
{
    char s[40];

    if (isnan(d) || isinf(d)) {
        tb_buf_puts(p->out, isnan(d) ? "@nan" : d > 0 ? "@inf" : "@-inf");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, d);
        if (strtod(s, NULL) == d)
            break;
    }
    tb_buf_puts(p->out, s);
    if (!strpbrk(s, ".e"))
        tb_buf_puts(p->out, ".0");
}

static void
put_bits(printer *p, int64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof d);
    put_double(p, d);
}

static void
put_str(printer *p, tb_str s)
{
    tb_buf_puts(p->out, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == '"' || c == '\\')
            tb_buf_printf(p->out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            tb_buf_printf(p->out, "\\x%02x", c);
        else
            tb_buf_put(p->out, &c, 1);
    }
    tb_buf_puts(p->out, "\"");
}

static void
put_val(printer *p, tb_val v)
{
    if (v.id)
        tb_buf_printf(p->out, "%%%u", v.id);
    else
        tb_buf_puts(p->out, "none");
}

/* ---- nodes ---- */

static void
put_axes(printer *p, int64_t mask)
{
    const char *comma = "";

    if (!mask)
        tb_buf_puts(p->out, "none");
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1) {
            tb_buf_printf(p->out, "%s%d", comma, i);
            comma = ",";
        }
}

static void
put_attr(printer *p, const tb_node *n, tb_attr_kind kind, int64_t a)
{
    switch (kind) {
    case TB_AT_INT:
        tb_buf_printf(p->out, "%lld", (long long)a);
        return;
    case TB_AT_DIM:
        put_dim(p, a);
        return;
    case TB_AT_AXES:
        put_axes(p, a);
        return;
    case TB_AT_VALUE:
        if (tb_dtype_is_inexact((tb_dtype)n->dtype))
            put_bits(p, a);
        else
            tb_buf_printf(p->out, "%lld", (long long)a);
        return;
    case TB_AT_F64:
        put_bits(p, a);
        return;
    case TB_AT_MODE:
        tb_buf_puts(p->out, a >= 0 && a < 5 ? tb_scatter_modes[a] : "?");
        return;
    case TB_AT_SYM:
        tb_buf_printf(p->out, "%.*s", TB_FMT(p->u->syms.at[tb_attr_symbol(p->u, a)].name));
        return;
    }
}

static void
put_attrs(printer *p, tb_val v)
{
    const tb_node *n = tb_node_of(p->g, v);
    const int64_t *a = tb_attrs(p->g, v);
    uint32_t at = 0;

    /* Inputs are usually in order: only say when not. */
    if (n->prim == TB_P_input && a[0] == p->next_input++)
        return;
    for (const tb_attr_spec *s = tb_attr_specs(n->prim); s->name; s++) {
        uint32_t count = s->count == TB_AT_ONE    ? 1
                         : s->count == TB_AT_RANK ? (uint32_t)tb_rank(p->g, tb_in(p->g, v, 0))
                                                  : (uint32_t)a[0];

        if (!count)
            continue;
        tb_buf_printf(p->out, " %s=", s->name);
        for (uint32_t i = 0; i < count && at < n->n_attr; i++) {
            if (i)
                tb_buf_puts(p->out, ",");
            put_attr(p, n, s->kind, a[at++]);
        }
    }
}

static void
put_arg(printer *p, const tb_arg *a)
{
    switch (a->kind) {
    case TB_ARG_NONE:
        tb_buf_puts(p->out, "none");
        return;
    case TB_ARG_TENSOR:
        put_val(p, a->v);
        return;
    case TB_ARG_INT:
        tb_buf_printf(p->out, "%lld", (long long)a->i);
        return;
    case TB_ARG_DIM:
        tb_buf_puts(p->out, "<");
        tb_buf_printf(p->out, "%.*s", TB_FMT(tb_dim_text((tb_unit *)p->u, &p->u->cx->scratch,
                                                          a->d)));
        tb_buf_puts(p->out, ">");
        return;
    case TB_ARG_FLOAT:
        put_double(p, a->f);
        return;
    case TB_ARG_COMPLEX:
        tb_buf_puts(p->out, "(");
        put_double(p, a->z.re);
        tb_buf_puts(p->out, ", ");
        put_double(p, a->z.im);
        tb_buf_puts(p->out, ")");
        return;
    case TB_ARG_BOOL:
        tb_buf_puts(p->out, a->b ? "true" : "false");
        return;
    case TB_ARG_STR:
        put_str(p, a->s);
        return;
    case TB_ARG_LIST:
        tb_buf_puts(p->out, "[");
        for (uint32_t i = 0; i < a->list.n; i++) {
            tb_buf_puts(p->out, i ? ", " : "");
            put_arg(p, &a->list.at[i]);
        }
        tb_buf_puts(p->out, "]");
        return;
    }
}

/* "%4 = aten.add.Tensor(%1, %2, 1) -> 2x3xf32" */
static void
put_call(printer *p, const tb_call *c)
{
    bool plain = c->name.len > 0;

    for (size_t i = 0; i < c->name.len; i++) {
        char ch = c->name.ptr[i];

        plain &= (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
                 ch == '.' || (i && ch >= '0' && ch <= '9');
    }
    if (plain && memchr(c->name.ptr, '.', c->name.len)) {
        tb_buf_put(p->out, c->name.ptr, c->name.len);
    } else {
        tb_buf_puts(p->out, "aten ");
        put_str(p, c->name);
    }
    tb_buf_puts(p->out, "(");
    for (uint32_t i = 0; i < c->n_args; i++) {
        tb_buf_puts(p->out, i ? ", " : "");
        put_arg(p, &c->args[i]);
    }
    tb_buf_puts(p->out, ") -> ");
    tb_buf_puts(p->out, c->result_is_list ? "[" : c->n_results == 1 ? "" : "(");
    for (uint32_t i = 0; i < c->n_results; i++) {
        tb_buf_puts(p->out, i ? ", " : "");
        put_type(p, (tb_dtype)c->results[i].dtype, c->results[i].rank, c->results[i].dims);
    }
    tb_buf_puts(p->out, c->result_is_list ? "]" : c->n_results == 1 ? "" : ")");
}

static void
put_loc(printer *p, tb_loc loc)
{
    const tb_location *l = tb_loc_get(p->u, loc);

    if (!(p->flags & TB_PRINT_LOCATIONS) || !loc.id)
        return;
    tb_buf_printf(p->out, "  # %.*s:%u", TB_FMT(l->file), l->line);
    if (l->path.len)
        tb_buf_printf(p->out, " %.*s", TB_FMT(l->path));
    if (l->op.len)
        tb_buf_printf(p->out, " %.*s", TB_FMT(l->op));
}

static void
put_node(printer *p, uint32_t id)
{
    const tb_node *n = &p->g->nodes[id];
    tb_val v = {id};

    tb_buf_printf(p->out, "%%%u = ", id);
    if (n->prim == TB_P_aten) {
        put_call(p, &p->g->calls.at[tb_attrs(p->g, v)[0]]);
    } else {
        tb_buf_puts(p->out, tb_prim_name(n->prim));
        for (uint32_t i = 0; i < n->n_in; i++) {
            tb_buf_puts(p->out, " ");
            put_val(p, tb_in(p->g, v, i));
        }
        put_attrs(p, v);
        if (n->dtype != TB_NONE) {
            tb_buf_puts(p->out, " : ");
            put_type(p, (tb_dtype)n->dtype, n->rank, tb_dims(p->g, v));
        }
    }
    if (p->flags & TB_PRINT_LOCATIONS && p->g->names[id].len)
        tb_buf_printf(p->out, "  # %.*s", TB_FMT(p->g->names[id]));
    put_loc(p, p->g->locs[id]);
    tb_buf_puts(p->out, "\n");
}

static void
put_graph(printer *p, const tb_graph *g, const char *indent)
{
    p->g = g;
    p->next_input = 0;
    for (uint32_t id = 1; id < g->n; id++) {
        tb_buf_puts(p->out, indent);
        put_node(p, id);
    }
    if (g->effects.n) {
        tb_buf_printf(p->out, "%seffects", indent);
        for (uint32_t i = 0; i < g->effects.n; i++) {
            tb_buf_puts(p->out, i ? ", " : " ");
            put_val(p, g->effects.at[i]);
        }
        tb_buf_puts(p->out, "\n");
    }
    tb_buf_printf(p->out, "%sreturn", indent);
    for (uint32_t i = 0; i < g->outputs.n; i++) {
        tb_buf_puts(p->out, i ? ", " : " ");
        put_val(p, g->outputs.at[i]);
    }
    tb_buf_puts(p->out, "\n");
}

void
tb_graph_print(const tb_graph *g, tb_buf *out)
{
    printer p = {.u = g->unit, .out = out};

    put_graph(&p, g, "");
}

/* ---- units ---- */

enum { INLINE_ELEMS = 16 };

static void
put_number(printer *p, const tb_const *c, int64_t i)
{
    const uint8_t *at = (const uint8_t *)c->bytes + (size_t)i * tb_dtype_bytes(c->dtype);
    int64_t k = 0;
    float f;
    double d;
    uint16_t h;

    switch (c->dtype) {
    case TB_F32:
        memcpy(&f, at, sizeof f);
        put_double(p, (double)f);
        return;
    case TB_F64:
        memcpy(&d, at, sizeof d);
        put_double(p, d);
        return;
    case TB_F16:
    case TB_BF16:
        memcpy(&h, at, sizeof h);
        put_double(p, (double)(c->dtype == TB_F16 ? tb_f16_to_f32(h) : tb_bf16_to_f32(h)));
        return;
    default: /* integers: little-endian, as everywhere */
        memcpy(&k, at, tb_dtype_bytes(c->dtype));
        if (tb_dtype_kind(c->dtype) == TB_KIND_INT) {
            int shift = 64 - 8 * (int)tb_dtype_bytes(c->dtype);

            k = (int64_t)((uint64_t)k << shift) >> shift;
        }
        tb_buf_printf(p->out, "%lld", (long long)k);
    }
}

/* Payloads of NaN do not survive as text: such constants are printed as bytes. */
static bool
has_nan(const tb_const *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *at = (const uint8_t *)c->bytes + (size_t)i * tb_dtype_bytes(c->dtype);
        float f = 0;
        double d = 0;
        uint16_t h;

        if (c->dtype == TB_F32) {
            memcpy(&f, at, sizeof f);
        } else if (c->dtype == TB_F64) {
            memcpy(&d, at, sizeof d);
        } else if (c->dtype == TB_F16 || c->dtype == TB_BF16) {
            memcpy(&h, at, sizeof h);
            f = c->dtype == TB_F16 ? tb_f16_to_f32(h) : tb_bf16_to_f32(h);
        }
        if (isnan(f) || isnan(d))
            return true;
    }
    return false;
}

static void
put_const(printer *p, uint32_t index)
{
    const tb_const *c = &p->u->consts.at[index];
    const uint8_t *bytes = c->bytes;
    int64_t n = 1;

    tb_buf_printf(p->out, "const %u ", index);
    put_str(p, c->name);
    tb_buf_puts(p->out, " : ");
    put_type(p, c->dtype, c->rank, c->dims);
    for (int i = 0; i < c->rank; i++)
        n *= c->dims[i];
    if (c->external) {
        tb_buf_puts(p->out, " external ");
        put_str(p, c->scope);
    } else if (!bytes && n) {
        /* its text had no data either: parse.c keeps what stood there */
        tb_buf_printf(p->out, " = %.*s", TB_FMT(c->scope.len ? c->scope : TB_STR("hash 0")));
    } else if (n <= INLINE_ELEMS && !tb_dtype_is_complex(c->dtype) && !has_nan(c, n)) {
        tb_buf_puts(p->out, " = [");
        for (int64_t i = 0; i < n; i++) {
            tb_buf_puts(p->out, i ? ", " : "");
            put_number(p, c, i);
        }
        tb_buf_puts(p->out, "]");
    } else if (n <= INLINE_ELEMS || p->flags & TB_PRINT_DATA) {
        tb_buf_puts(p->out, " = hex ");
        for (size_t i = 0; i < c->n_bytes; i++)
            tb_buf_printf(p->out, "%02x", bytes[i]);
    } else {
        tb_buf_printf(p->out, " = hash %016llx",
                      (unsigned long long)tb_hash(bytes, c->n_bytes, 0));
    }
    tb_buf_puts(p->out, "\n");
}

static void
put_sym(printer *p, uint32_t index)
{
    static const char *const kinds[] = {"shape", "item", "arg"};
    const tb_sym *s = &p->u->syms.at[index];

    tb_buf_printf(p->out, "sym %.*s = %s", TB_FMT(s->name), kinds[s->kind]);
    if (s->kind == TB_SYM_ARG)
        tb_buf_printf(p->out, " %u", s->arg);
    tb_buf_printf(p->out, " %lld..", (long long)s->min);
    if (s->max != INT64_MAX)
        tb_buf_printf(p->out, "%lld", (long long)s->max);
    if (s->hint)
        tb_buf_printf(p->out, " hint=%lld", (long long)s->hint);
    if (s->same_as) {
        tb_buf_puts(p->out, " same=");
        put_dim(p, s->same_as);
    }
    tb_buf_puts(p->out, "\n");
}

static void
put_globals(printer *p)
{
    const tb_unit *u = p->u;

    for (uint32_t i = 0; i < u->globals.n; i++) {
        const tb_global *x = &u->globals.at[i];

        tb_buf_printf(p->out, "global %u ", i);
        put_str(p, x->name);
        tb_buf_puts(p->out, " : ");
        put_type(p, x->dtype, x->rank, x->dims);
        if (x->mutable_)
            tb_buf_puts(p->out, " mutable");
        if (x->init)
            tb_buf_printf(p->out, " init=%u", x->init - 1);
        tb_buf_puts(p->out, "\n");
    }
    for (uint32_t i = 0; i < u->messages.n; i++) {
        tb_buf_printf(p->out, "message %u ", i);
        put_str(p, u->messages.at[i]);
        tb_buf_puts(p->out, "\n");
    }
    for (uint32_t i = 0; i < u->equalities.n; i++) {
        tb_buf_puts(p->out, "equal ");
        put_dim(p, u->equalities.at[i].a);
        tb_buf_puts(p->out, " ");
        put_dim(p, u->equalities.at[i].b);
        tb_buf_puts(p->out, "\n");
    }
}

static void
put_param(printer *p, const char *what, const tb_param *x)
{
    tb_buf_printf(p->out, "    %s ", what);
    put_str(p, x->name);
    tb_buf_puts(p->out, " : ");
    put_type(p, (tb_dtype)x->type.dtype, x->type.rank, x->type.dims);
    tb_buf_puts(p->out, "\n");
}

static void
put_func(printer *p, const tb_func *f, uint32_t graph)
{
    tb_buf_puts(p->out, "func ");
    put_str(p, f->name);
    tb_buf_printf(p->out, " graph=%u%s {\n", graph, f->exported ? " exported" : "");
    for (uint32_t i = 0; i < f->inputs.n; i++)
        put_param(p, "in", &f->inputs.at[i]);
    for (uint32_t i = 0; i < f->outputs.n; i++)
        put_param(p, "out", &f->outputs.at[i]);
    for (uint32_t i = 0; i < f->attrs.n; i++) {
        tb_buf_puts(p->out, "    attr ");
        put_str(p, f->attrs.at[i].key);
        tb_buf_puts(p->out, " ");
        put_str(p, f->attrs.at[i].value);
        tb_buf_puts(p->out, "\n");
    }
    put_graph(p, f->body, "    ");
    tb_buf_puts(p->out, "}\n");
}

void
tb_unit_print_with(const tb_unit *u, tb_print_flags flags, tb_buf *out)
{
    printer p = {.u = u, .out = out, .flags = flags};

    tb_buf_puts(out, "module ");
    put_str(&p, u->name);
    tb_buf_puts(out, "\n");
    for (uint32_t i = 0; i < u->syms.n; i++)
        put_sym(&p, i);
    for (uint32_t i = 0; i < u->consts.n; i++)
        put_const(&p, i);
    put_globals(&p);
    for (uint32_t i = 0; i < u->graphs.n; i++) {
        const tb_func *f = NULL;

        for (uint32_t k = 0; k < u->funcs.n && !f; k++)
            f = u->funcs.at[k].body == u->graphs.at[i] ? &u->funcs.at[k] : NULL;
        tb_buf_puts(out, "\n");
        if (f) {
            put_func(&p, f, i);
            continue;
        }
        tb_buf_printf(out, "graph %u {\n", i);
        put_graph(&p, u->graphs.at[i], "    ");
        tb_buf_puts(out, "}\n");
    }
}

void
tb_unit_print(const tb_unit *u, tb_buf *out)
{
    tb_unit_print_with(u, TB_PRINT_DEFAULT, out);
}
