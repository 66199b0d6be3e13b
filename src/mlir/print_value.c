/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print_value.c -- types, numbers, sizes and arguments of the text on the way out.
 *
 * The torch dialect has no literals among operands: every number is an operation. Each is
 * printed where it is first needed, and once for a function. Sizes are read from the
 * arguments' shapes with torch.aten.size.int and computed from there; their names are only
 * said in torch.bind_symbolic_shape, where nothing may be computed.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "mlir/print.h"

/* ---- types ---- */

void
tb_ml_put_dtype(ml_printer *p, tb_dtype t, bool builtin)
{
    if (tb_dtype_kind(t) == TB_KIND_INT && !builtin)
        ML_PUT(p, "s%s", tb_dtype_name(t));
    else if (tb_dtype_kind(t) == TB_KIND_UINT && builtin)
        ML_PUT(p, "%s", tb_dtype_name(t) + 1);
    else
        ML_PUT(p, "%s", tb_dtype_name(t));
}

void
tb_ml_put_type_as(ml_printer *p, const char *what, tb_dtype t, int rank,
                  const tb_dim *dims)
{
    ML_PUT(p, "!torch.%s", what);
    if (t == TB_NONE)
        return;
    ML_PUT(p, "<[");
    for (int i = 0; i < rank; i++) {
        ML_PUT(p, i ? "," : "");
        if (dims[i] != TB_DIM_UNKNOWN && tb_dim_is_const(dims[i]))
            ML_PUT(p, "%" PRId64, dims[i]);
        else
            ML_PUT(p, "?");
    }
    ML_PUT(p, "],");
    tb_ml_put_dtype(p, t, false);
    ML_PUT(p, ">");
}

void
tb_ml_put_type(ml_printer *p, tb_dtype t, int rank, const tb_dim *dims)
{
    tb_ml_put_type_as(p, "vtensor", t, rank, dims);
}

void
tb_ml_put_node_type(ml_printer *p, tb_val v)
{
    tb_ml_put_type(p, tb_dtype_of(p->g, v), tb_rank(p->g, v), tb_dims(p->g, v));
}

void
tb_ml_put_tensor_type(ml_printer *p, tb_dtype t, int rank, const int64_t *dims,
                      bool builtin)
{
    ML_PUT(p, "tensor<");
    for (int i = 0; i < rank; i++)
        ML_PUT(p, "%" PRId64 "x", dims[i]);
    tb_ml_put_dtype(p, t, builtin);
    ML_PUT(p, ">");
}

/* ---- what is there already ---- */

static tb_str
recall(const ml_printer *p, tb_str key)
{
    uint64_t h = tb_hash(key.ptr, key.len, 0);
    uint32_t at = 0, v;

    while ((v = tb_map_next(&p->known_keys, h, &at)) != 0)
        if (tb_str_eq(p->known.at[v - 1].key, key))
            return p->known.at[v - 1].name;
    return TB_STR("");
}

static void
remember(ml_printer *p, tb_str key, tb_str name)
{
    uint64_t h = tb_hash(key.ptr, key.len, 0);

    TB_PUSH(&p->cx->scratch, &p->known, ((ml_known){h, key, name}));
    tb_map_put(&p->known_keys, h, p->known.n);
}

/* ---- numbers ---- */

/* A name may have '-' and '.', as MLIR's printer does it: %int-1, %float1.000000e-05. */
static tb_str
constant(ml_printer *p, const char *what, tb_str value, tb_str base)
{
    tb_str key = tb_sprintf(&p->cx->scratch, "%s %.*s", what, TB_FMT(value)), name;

    name = recall(p, key);
    if (name.len)
        return name;
    name = tb_ml_name(p, base);
    ML_PUT(p, "    %%%.*s = torch.constant.%s%s%.*s", TB_FMT(name), what,
           value.len ? " " : "", TB_FMT(value));
    tb_ml_end(p);
    remember(p, key, name);
    return name;
}

tb_str
tb_ml_int_value(ml_printer *p, int64_t i)
{
    tb_str s = tb_sprintf(&p->cx->scratch, "%" PRId64, i);

    return constant(p, "int", s, tb_sprintf(&p->cx->scratch, "int%.*s", TB_FMT(s)));
}

/* MLIR wants a point in every decimal number; others are written as their bits. */
static tb_str
float_text(tb_arena *a, double d)
{
    char s[40], *e;

    if (isnan(d) || isinf(d)) {
        uint64_t bits;

        memcpy(&bits, &d, sizeof bits);
        return tb_sprintf(a, "0x%016" PRIX64, bits);
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, d);
        if (strtod(s, NULL) == d)
            break;
    }
    if (strchr(s, '.'))
        return tb_sprintf(a, "%s", s);
    e = strchr(s, 'e');
    if (!e)
        return tb_sprintf(a, "%s.0", s);
    return tb_sprintf(a, "%.*s.0%s", (int)(e - s), s, e);
}

void
tb_ml_put_float(ml_printer *p, double d)
{
    ML_PUT(p, "%s", float_text(&p->cx->scratch, d).ptr);
}

tb_str
tb_ml_float_value(ml_printer *p, double f)
{
    return constant(p, "float", float_text(&p->cx->scratch, f), TB_STR("float"));
}

tb_str
tb_ml_bool_value(ml_printer *p, bool b)
{
    return constant(p, "bool", b ? TB_STR("true") : TB_STR("false"),
                    b ? TB_STR("true") : TB_STR("false"));
}

tb_str
tb_ml_none_value(ml_printer *p)
{
    return constant(p, "none", TB_STR(""), TB_STR("none"));
}

static tb_str
string_value(ml_printer *p, const char *what, tb_str s)
{
    tb_buf *out = p->out, quoted = {0};
    tb_str text;

    p->out = &quoted;
    tb_ml_put_string(p, s);
    p->out = out;
    text = tb_strdup(&p->cx->scratch, (tb_str){(const char *)quoted.at, quoted.n});
    tb_buf_free(&quoted);
    return constant(p, what, text, tb_str_c(what));
}

/* ---- sizes ---- */

static tb_str
two_operands(ml_printer *p, const char *op, tb_str a, tb_str b)
{
    tb_str name = tb_ml_name(p, TB_STR(""));

    ML_PUT(p,
           "    %%%.*s = torch.%s %%%.*s, %%%.*s : !torch.int, !torch.int -> !torch.int",
           TB_FMT(name), op, TB_FMT(a), TB_FMT(b));
    tb_ml_end(p);
    return name;
}

/* The first tensor so far whose shape has d as it is. */
static tb_str
read_size(ml_printer *p, tb_dim d)
{
    for (uint32_t id = 1; id < p->g->n; id++) {
        tb_val v = {id};
        tb_prim prim = (tb_prim)tb_node_of(p->g, v)->prim;

        if ((prim != TB_P_input && prim != TB_P_result) || !p->names[id].len)
            continue;
        for (int i = 0; i < tb_rank(p->g, v); i++) {
            tb_str axis, name;

            if (tb_dims(p->g, v)[i] != d)
                continue;
            axis = tb_ml_int_value(p, i);
            name = tb_ml_name(p, TB_STR(""));
            ML_PUT(p, "    %%%.*s = torch.aten.size.int %%%.*s, %%%.*s : ", TB_FMT(name),
                   TB_FMT(p->names[id]), TB_FMT(axis));
            tb_ml_put_node_type(p, v);
            ML_PUT(p, ", !torch.int -> !torch.int");
            tb_ml_end(p);
            return name;
        }
    }
    return TB_STR("");
}

static const char *const size_ops[] = {
    [TB_DIM_SYM] = NULL,
    [TB_DIM_ADD] = "aten.add.int",
    [TB_DIM_MUL] = "aten.mul.int",
    [TB_DIM_FLOORDIV] = "aten.floordiv.int",
    [TB_DIM_MOD] = "aten.remainder.int",
    [TB_DIM_MIN] = "prim.min.int",
    [TB_DIM_MAX] = "prim.max.int",
};

tb_str
tb_ml_dim_value(ml_printer *p, tb_dim d)
{
    tb_str key = tb_sprintf(&p->cx->scratch, "size %" PRId64, d), name;
    tb_dim_expr e;

    if (d != TB_DIM_UNKNOWN && tb_dim_is_const(d))
        return tb_ml_int_value(p, d);
    name = recall(p, key);
    if (name.len)
        return name;
    e = p->u->exprs.at[d - TB_DIM_EXPR];
    if (e.op == TB_DIM_SYM && p->sym_values[e.a].len)
        return p->sym_values[e.a];
    name = read_size(p, d);
    if (!name.len && e.op == TB_DIM_SYM)
        tb_ml_lacks(p, "a size that is not the size of an argument");
    if (!name.len) {
        tb_str a = tb_ml_dim_value(p, e.a), b = tb_ml_dim_value(p, e.b);

        name = two_operands(p, size_ops[e.op], a, b);
    }
    remember(p, key, name);
    return name;
}

/* ---- shapes bound to symbols ---- */

typedef struct affine {
    ml_printer *p;
    tb_buf text;
    uint32_t syms[4 * TB_MAX_RANK];
    uint32_t n;
    bool fits; /* affine maps have no min and max */
} affine;

static void
put_affine(affine *f, tb_dim d, bool inner)
{
    static const char *const ops[] = {[TB_DIM_ADD] = "+",
                                      [TB_DIM_MUL] = "*",
                                      [TB_DIM_FLOORDIV] = "floordiv",
                                      [TB_DIM_MOD] = "mod"};
    tb_dim_expr e;
    uint32_t i;

    if (d == TB_DIM_UNKNOWN) {
        f->fits = false;
        return;
    }
    if (tb_dim_is_const(d)) {
        tb_buf_printf(&f->text, "%" PRId64, d);
        return;
    }
    e = f->p->u->exprs.at[d - TB_DIM_EXPR];
    if (e.op == TB_DIM_SYM) {
        for (i = 0; i < f->n && f->syms[i] != (uint32_t)e.a; i++)
            ;
        if (i == TB_COUNT(f->syms) || !f->p->sym_names[e.a].len) {
            f->fits = false;
            return;
        }
        if (i == f->n)
            f->syms[f->n++] = (uint32_t)e.a;
        tb_buf_printf(&f->text, "s%u", i);
        return;
    }
    if (e.op == TB_DIM_MIN || e.op == TB_DIM_MAX) {
        f->fits = false;
        return;
    }
    tb_buf_puts(&f->text, inner ? "(" : "");
    put_affine(f, e.a, true);
    tb_buf_printf(&f->text, " %s ", ops[e.op]);
    put_affine(f, e.b, true);
    tb_buf_puts(&f->text, inner ? ")" : "");
}

void
tb_ml_put_bind(ml_printer *p, tb_str name, tb_dtype t, int rank, const tb_dim *dims)
{
    affine f = {.p = p, .fits = true};
    bool any = false;

    for (int i = 0; i < rank; i++) {
        any |= !tb_dim_is_const(dims[i]);
        tb_buf_puts(&f.text, i ? ", " : "");
        put_affine(&f, dims[i], false);
    }
    if (any && f.fits && !f.text.failed) {
        ML_PUT(p, "    torch.bind_symbolic_shape %%%.*s, [", TB_FMT(name));
        for (uint32_t i = 0; i < f.n; i++)
            ML_PUT(p, "%s%%%.*s", i ? ", " : "", TB_FMT(p->sym_names[f.syms[i]]));
        ML_PUT(p, "], affine_map<()[");
        for (uint32_t i = 0; i < f.n; i++)
            ML_PUT(p, "%ss%u", i ? ", " : "", i);
        ML_PUT(p, "] -> (%.*s)> : ", (int)f.text.n, (const char *)f.text.at);
        tb_ml_put_type(p, t, rank, dims);
        tb_ml_end(p);
    }
    tb_buf_free(&f.text);
}

/* ---- arguments ---- */

static tb_str
type_text(ml_printer *p, tb_val v)
{
    tb_buf *out = p->out, text = {0};
    tb_str s;

    p->out = &text;
    tb_ml_put_node_type(p, v);
    p->out = out;
    s = tb_strdup(&p->cx->scratch, (tb_str){(const char *)text.at, text.n});
    tb_buf_free(&text);
    return s;
}

static tb_str
convert(ml_printer *p, const char *op, tb_str from, tb_str from_type, const char *to)
{
    tb_str name = tb_ml_name(p, TB_STR(""));

    ML_PUT(p, "    %%%.*s = torch.%s %%%.*s : %.*s -> %s", TB_FMT(name), op, TB_FMT(from),
           TB_FMT(from_type), to);
    tb_ml_end(p);
    return name;
}

static bool
is(tb_str type, const char *a, const char *b)
{
    return tb_str_is(type, a) || tb_str_is(type, b);
}

/* A tensor of rank 0 where the schema has a number. */
static tb_str
number_of_tensor(ml_printer *p, tb_val v, tb_str type, tb_str *mlir_type)
{
    bool to_float = tb_str_is(type, "float") || (tb_str_is(type, "Scalar") &&
                                                 tb_dtype_is_float(tb_dtype_of(p->g, v)));

    if (tb_rank(p->g, v))
        tb_ml_lacks(p, "a tensor with axes where a number is expected");
    *mlir_type = to_float ? TB_STR("!torch.float") : TB_STR("!torch.int");
    return convert(p, to_float ? "aten.Float.Tensor" : "aten.Int.Tensor", p->names[v.id],
                   type_text(p, v), mlir_type->ptr);
}

/* A number where the schema has a tensor. */
static tb_str
tensor_of_number(ml_printer *p, tb_str value, tb_str type, bool is_float,
                 tb_str *mlir_type)
{
    *mlir_type =
        is_float ? TB_STR("!torch.vtensor<[],f64>") : TB_STR("!torch.vtensor<[],si64>");
    return convert(p, "prim.NumToTensor.Scalar", value, type, mlir_type->ptr);
}

static tb_str
number_value(ml_printer *p, const tb_arg *a, tb_str type, tb_str *mlir_type)
{
    bool is_float = a->kind == TB_ARG_FLOAT;
    tb_str name;

    if (a->kind == TB_ARG_INT && tb_str_is(type, "float")) {
        *mlir_type = TB_STR("!torch.float");
        return tb_ml_float_value(p, (double)a->i);
    }
    if (a->kind == TB_ARG_INT && tb_str_is(type, "bool")) {
        *mlir_type = TB_STR("!torch.bool");
        return tb_ml_bool_value(p, a->i != 0);
    }
    *mlir_type = is_float ? TB_STR("!torch.float") : TB_STR("!torch.int");
    name = is_float                 ? tb_ml_float_value(p, a->f)
           : a->kind == TB_ARG_DIM  ? tb_ml_dim_value(p, a->d)
           : a->kind == TB_ARG_BOOL ? tb_ml_bool_value(p, a->b)
                                    : tb_ml_int_value(p, a->i);
    if (a->kind == TB_ARG_BOOL && !is(type, "bool", ""))
        name = convert(p, "aten.Int.bool", name, TB_STR("!torch.bool"), "!torch.int");
    else if (a->kind == TB_ARG_BOOL)
        *mlir_type = TB_STR("!torch.bool");
    if (tb_str_is(type, "Tensor"))
        return tensor_of_number(p, name, *mlir_type, is_float, mlir_type);
    return name;
}

/* "!torch.list<...>" from the schema's element type, or from the elements. */
static tb_str
list_type(const tb_arg *a, tb_str element)
{
    bool optional = element.len && element.ptr[element.len - 1] == '?', none = optional;
    tb_arg_kind kind = TB_ARG_NONE;

    element.len -= optional;
    for (uint32_t i = 0; i < a->list.n; i++) {
        if (a->list.at[i].kind == TB_ARG_NONE)
            none = true;
        else if (kind == TB_ARG_NONE || a->list.at[i].kind == TB_ARG_FLOAT)
            kind = a->list.at[i].kind;
    }
    if (tb_str_is(element, "Tensor") || (!element.len && kind == TB_ARG_TENSOR))
        return none ? TB_STR("!torch.list<optional<vtensor>>")
                    : TB_STR("!torch.list<vtensor>");
    if (tb_str_is(element, "float") || (!element.len && kind == TB_ARG_FLOAT))
        return TB_STR("!torch.list<float>");
    if (tb_str_is(element, "bool") || (!element.len && kind == TB_ARG_BOOL))
        return TB_STR("!torch.list<bool>");
    if (!element.len && kind == TB_ARG_STR)
        return TB_STR("!torch.list<str>");
    return none ? TB_STR("!torch.list<optional<int>>") : TB_STR("!torch.list<int>");
}

static tb_str
list_value(ml_printer *p, const tb_arg *a, tb_str type, tb_str *mlir_type)
{
    const char *bracket = memchr(type.ptr, '[', type.len);
    tb_str element = {type.ptr, bracket ? (size_t)(bracket - type.ptr) : 0}, key, name;
    tb_str *names = TB_NEWN(&p->cx->scratch, tb_str, a->list.n + 1);
    tb_str *types = TB_NEWN(&p->cx->scratch, tb_str, a->list.n + 1);

    *mlir_type = list_type(a, element);
    if (tb_str_is(*mlir_type, "!torch.list<float>"))
        element = TB_STR("float");
    key = *mlir_type;
    for (uint32_t i = 0; i < a->list.n; i++) {
        names[i] = tb_ml_arg_value(p, &a->list.at[i], element, &types[i]);
        key = tb_sprintf(&p->cx->scratch, "%.*s %%%.*s", TB_FMT(key), TB_FMT(names[i]));
    }
    name = recall(p, key);
    if (name.len)
        return name;
    name = tb_ml_name(p, TB_STR(""));
    ML_PUT(p, "    %%%.*s = torch.prim.ListConstruct", TB_FMT(name));
    for (uint32_t i = 0; i < a->list.n; i++)
        ML_PUT(p, "%s %%%.*s", i ? "," : "", TB_FMT(names[i]));
    ML_PUT(p, " : (");
    for (uint32_t i = 0; i < a->list.n; i++)
        ML_PUT(p, "%s%.*s", i ? ", " : "", TB_FMT(types[i]));
    ML_PUT(p, ") -> %.*s", TB_FMT(*mlir_type));
    tb_ml_end(p);
    remember(p, key, name);
    return name;
}

tb_str
tb_ml_arg_value(ml_printer *p, const tb_arg *a, tb_str type, tb_str *mlir_type)
{
    if (type.len && type.ptr[type.len - 1] == '?' && a->kind != TB_ARG_NONE)
        type.len--;
    switch (a->kind) {
    case TB_ARG_NONE:
        break;
    case TB_ARG_TENSOR:
        if (!a->v.id)
            break;
        if (is(type, "int", "SymInt") || is(type, "float", "Scalar"))
            return number_of_tensor(p, a->v, type, mlir_type);
        *mlir_type = type_text(p, a->v);
        return p->names[a->v.id];
    case TB_ARG_INT:
    case TB_ARG_DIM:
    case TB_ARG_FLOAT:
    case TB_ARG_BOOL:
        return number_value(p, a, type, mlir_type);
    case TB_ARG_COMPLEX:
        tb_ml_lacks(p, "a complex number as an argument");
    case TB_ARG_STR:
        *mlir_type =
            tb_str_is(type, "Device") ? TB_STR("!torch.Device") : TB_STR("!torch.str");
        return string_value(p, tb_str_is(type, "Device") ? "device" : "str", a->s);
    case TB_ARG_LIST:
        return list_value(p, a, type, mlir_type);
    }
    *mlir_type = TB_STR("!torch.none");
    return tb_ml_none_value(p);
}
