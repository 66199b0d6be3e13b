/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * print.c -- a unit of ATen nodes as torch-dialect text, in the form that torch-mlir and
 * iree-compile read: names, globals, the module.
 */
#include <inttypes.h>

#include "mlir/print.h"

void
tb_ml_lacks(ml_printer *p, const char *what)
{
    tb_raise(p->cx, p->loc, TB_UNSUPPORTED, "the torch dialect has no form for %s", what);
}

/* ---- names and strings ---- */

static bool
is_word(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '.' || c == '$'));
}

bool
tb_ml_is_bare(tb_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_word(s.ptr[i], i == 0))
            return false;
    return s.len > 0;
}

static bool
take(ml_printer *p, tb_str name)
{
    uint64_t h = tb_hash(name.ptr, name.len, 0);
    uint32_t at = 0, v;

    while ((v = tb_map_next(&p->taken_names, h, &at)) != 0)
        if (tb_str_eq(p->taken.at[v - 1].name, name))
            return false;
    TB_PUSH(&p->cx->scratch, &p->taken, ((ml_taken){name}));
    tb_map_put(&p->taken_names, h, p->taken.n);
    return true;
}

tb_str
tb_ml_name(ml_printer *p, tb_str base)
{
    tb_arena *a = &p->cx->scratch;
    tb_str name = base;

    if (!base.len)
        return tb_sprintf(a, "%u", p->numbers++);
    for (int n = 0; !take(p, name); n++)
        name = tb_sprintf(a, "%.*s_%d", TB_FMT(base), n);
    return name;
}

void
tb_ml_put_string(ml_printer *p, tb_str s)
{
    ML_PUT(p, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
            ML_PUT(p, "\\%02X", c);
        else
            tb_buf_put(p->out, &c, 1);
    }
    ML_PUT(p, "\"");
}

void
tb_ml_put_symbol(ml_printer *p, tb_str s)
{
    ML_PUT(p, "@");
    if (tb_ml_is_bare(s))
        tb_buf_put(p->out, s.ptr, s.len);
    else
        tb_ml_put_string(p, s);
}

static void
put_loc(ml_printer *p, tb_loc loc)
{
    const tb_location *l = tb_loc_get(p->u, loc);

    if (!l->file.len && !l->path.len) {
        ML_PUT(p, " loc(unknown)");
        return;
    }
    ML_PUT(p, " loc(");
    if (l->path.len) {
        tb_ml_put_string(p, l->path);
        ML_PUT(p, l->file.len ? "(" : "");
    }
    if (l->file.len) {
        tb_ml_put_string(p, l->file);
        ML_PUT(p, ":%u:%u", l->line, l->col);
    }
    ML_PUT(p, l->path.len && l->file.len ? "))" : ")");
}

void
tb_ml_newline(ml_printer *p)
{
    ML_PUT(p, "\n%*s", (int)p->depth * 2, "");
}

void
tb_ml_end(ml_printer *p)
{
    if (p->o->locations)
        put_loc(p, p->loc);
    tb_ml_newline(p);
}

/* ---- globals ---- */

/* Functions, globals and the globals that stand for external constants share one table. */
static tb_str
symbol_name(ml_printer *p, tb_str base)
{
    return tb_ml_name(p, base.len ? base : TB_STR("global"));
}

static void
put_parameter(ml_printer *p, const tb_const *c)
{
    ML_PUT(p, "#flow.parameter.named<");
    if (c->scope.len) {
        tb_ml_put_string(p, c->scope);
        ML_PUT(p, "::");
    }
    tb_ml_put_string(p, c->name);
    ML_PUT(p, "> : ");
    tb_ml_put_tensor_type(p, c->dtype, c->rank, c->dims, true);
}

static void
put_globals(ml_printer *p)
{
    tb_arena *a = &p->cx->scratch;

    for (uint32_t i = 0; i < p->u->consts.n; i++) {
        const tb_const *c = &p->u->consts.at[i];

        TB_PUSH(a, &p->external_names, TB_STR(""));
        if (!c->external)
            continue;
        p->external_names.at[i] = symbol_name(p, c->name);
        ML_PUT(p, "  util.global private ");
        tb_ml_put_symbol(p, p->external_names.at[i]);
        ML_PUT(p, " = ");
        put_parameter(p, c);
        tb_ml_end(p);
    }
    for (uint32_t i = 0; i < p->u->globals.n; i++) {
        const tb_global *x = &p->u->globals.at[i];

        TB_PUSH(a, &p->global_names, symbol_name(p, x->name));
        ML_PUT(p, "  util.global private %s", x->mutable_ ? "mutable " : "");
        tb_ml_put_symbol(p, p->global_names.at[i]);
        ML_PUT(p, " = ");
        if (!x->init)
            tb_ml_put_splat(p, x->dtype, x->rank, x->dims, 0, true);
        else if (p->u->consts.at[x->init - 1].external)
            put_parameter(p, &p->u->consts.at[x->init - 1]);
        else
            tb_ml_put_elements(p, x->init - 1, true);
        tb_ml_end(p);
    }
}

/* ---- the module ---- */

void
tb_mlir_print(const tb_unit *u, const tb_mlir_options *o, tb_buf *out)
{
    static const tb_mlir_options plain = {.large_elements_limit = -1};
    ml_printer p = {
        .u = u, .sizes = (tb_unit *)u, .cx = u->cx, .o = o ? o : &plain, .out = out};

    p.taken_names.arena = &u->cx->scratch;
    for (uint32_t i = 0; i < u->funcs.n; i++)
        take(&p, u->funcs.at[i].name);
    tb_ml_name_blobs(&p);
    ML_PUT(&p, "module ");
    if (u->name.len)
        tb_ml_put_symbol(&p, u->name);
    ML_PUT(&p, " {\n");
    put_globals(&p);
    for (uint32_t i = 0; i < u->funcs.n; i++)
        tb_ml_put_func(&p, &u->funcs.at[i]);
    ML_PUT(&p, "}\n");
    tb_ml_put_blobs(&p);
}
