/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * bytecode_ops.c -- operations and regions of MLIR's bytecode, in the generic form of the
 * text.
 */
#include <inttypes.h>

#include "mlir/bytecode.h"

enum { /* what an operation has */
    O_ATTRS = 1,
    O_RESULTS = 2,
    O_OPERANDS = 4,
    O_SUCCESSORS = 8,
    O_REGIONS = 16,
    O_USE_ORDER = 32,
    O_PROPERTIES = 64
};
#define ARG 0x80000000u /* in names of values: an argument of a block */

/* The file has no names: arguments get those of the printed form. */
static void
put_name(const bc_reader *r, bc_text *out, uint32_t name)
{
    char text[24];

    snprintf(text, sizeof text, name & ARG ? "%%arg%" PRIu32 : "%%%" PRIu32, name & ~ARG);
    tb_bc_puts(r, out, text);
}

/* The values that an operation can see, by number, and those of one region. */
typedef struct bc_values {
    TB_VEC(uint32_t) names; /* in the text; 0 before it is defined */
    TB_VEC(tb_str) types;
    uint32_t first; /* of the innermost operation that sees nothing outside */
} bc_values;

typedef struct bc_writer {
    bc_file *f;
    bc_text out;
    bc_values values;
    uint32_t next_name, next_arg;
} bc_writer;

static void regions(bc_writer *w, bc_reader *r, uint32_t n);
static void isolated_regions(bc_writer *w, bc_reader *r, uint32_t n);

static uint32_t
define(bc_writer *w, bc_reader *r, uint32_t *next, tb_str type, bool is_arg)
{
    uint32_t name = is_arg ? ARG | w->next_arg++ : ++w->next_name;

    if (*next >= w->values.names.n)
        tb_bc_fail(r, "a region defines more values than it promised");
    w->values.names.at[*next] = name;
    w->values.types.at[*next] = type;
    (*next)++;
    return name;
}

/* In which order the uses of values stand; nothing here depends on it. */
static void
skip_use_order(bc_reader *r, uint32_t n_values)
{
    uint32_t n = n_values > 1 ? tb_bc_count(r, "orders of uses") : 1;
    uint64_t k;

    for (uint32_t i = 0; i < n; i++) {
        if (n_values > 1)
            tb_bc_varint(r);
        tb_bc_flagged(r, &k);
        if (k > (uint64_t)(r->end - r->at))
            tb_bc_fail(r, "an order of %" PRIu64 " uses", k);
        for (; k; k--)
            tb_bc_varint(r);
    }
}

/* The attributes that operations keep as properties, in the order in which they are written
 * (that of the operation's definition). '?' before those that may be missing. */
static const struct {
    const char *op, *names[7];
} properties_of[] = {
    {"builtin.module", {"?sym_name", "?sym_visibility"}},
    {"func.func",
     {"?arg_attrs", "function_type", "?no_inline", "?res_attrs", "sym_name",
      "?sym_visibility"}},
    {"func.call", {"?arg_attrs", "callee", "?no_inline", "?res_attrs"}},
    {"torch.bind_symbolic_shape", {"shape_expressions"}},
    {"torch.constant.bool", {"value"}},
    {"torch.constant.device", {"value"}},
    {"torch.constant.float", {"value"}},
    {"torch.constant.int", {"value"}},
    {"torch.constant.number", {"value"}},
    {"torch.constant.str", {"value"}},
    {"torch.operator", {"name"}},
    {"torch.runtime.assert", {"message"}},
    {"torch.symbolic_int", {"max_val", "min_val", "symbol_name"}},
    {"torch.vtensor.literal", {"value"}},
    {"util.call", {"?arg_attrs", "callee", "?res_attrs", "?tied_operands"}},
    {"util.func",
     {"?arg_attrs", "function_type", "?inlining_policy", "?res_attrs", "sym_name",
      "?sym_visibility", "?tied_operands"}},
    {"util.global",
     {"?initial_value", "?inlining_policy", "?is_mutable", "sym_name", "?sym_visibility",
      "type"}},
    {"util.global.load", {"global", "?is_immutable"}},
    {"util.global.store", {"global"}},
};

static void
named_properties(bc_writer *w, bc_reader *in, const char *const *names, uint32_t max)
{
    bool any = false;

    for (uint32_t i = 0; i < max && names[i]; i++) {
        const char *name = names[i];
        uint64_t k = 0;

        if (name[0] == '?') {
            name++;
            if (!tb_bc_flagged(in, &k))
                continue;
        } else {
            k = tb_bc_varint(in);
        }
        if (k >= w->f->n_attrs)
            tb_bc_fail(in, "the property '%s' is attribute %" PRIu64, name, k);
        tb_bc_puts(in, &w->out, any ? ", " : " <{");
        tb_bc_puts(in, &w->out, name);
        tb_bc_puts(in, &w->out, " = ");
        tb_bc_put(in, &w->out, tb_bc_attr(in, (uint32_t)k));
        any = true;
    }
    if (any)
        tb_bc_puts(in, &w->out, "}>");
    if (in->at != in->end)
        tb_bc_fail(in, "there are more properties than are known");
}

static void
properties(bc_writer *w, bc_reader *r, const bc_op_name *op, uint32_t k)
{
    bc_file *f = w->f;
    bc_reader in = {.f = f};

    in.at = f->properties[k].at;
    in.end = f->properties[k].end;
    if (!op->registered) { /* one dictionary */
        tb_bc_puts(r, &w->out, " <");
        tb_bc_put(r, &w->out, tb_bc_next_attr(&in));
        tb_bc_puts(r, &w->out, ">");
        return;
    }
    for (size_t i = 0; i < TB_COUNT(properties_of); i++)
        if (tb_str_is(op->name, properties_of[i].op)) {
            named_properties(w, &in, properties_of[i].names,
                             TB_COUNT(properties_of[i].names));
            return;
        }
    tb_bc_fail(&in, "the properties of '%.*s' are not known", TB_FMT(op->name));
}

static void
put_types(const bc_reader *r, bc_text *out, const tb_str *types, uint32_t n)
{
    tb_bc_puts(r, out, "(");
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            tb_bc_puts(r, out, ", ");
        tb_bc_put(r, out, types[i]);
    }
    tb_bc_puts(r, out, ")");
}

/* %3, %4 = "name"(%1, %2) <{properties}> ({regions}) {attributes} : (types) -> (types) */
static void
operation(bc_writer *w, bc_reader *r, uint32_t *next)
{
    bc_file *f = w->f;
    tb_arena *a = &f->p->cx->scratch;
    const bc_op_name *op = &f->op_names[tb_bc_index(r, f->n_op_names, "an operation")];
    uint8_t has = tb_bc_byte(r);
    uint32_t loc = tb_bc_index(r, f->n_attrs, "a location");
    uint32_t n_out = 0, n_in = 0, attrs = UINT32_MAX, props = UINT32_MAX, *in = NULL;
    tb_str *out_types = NULL, *in_types = NULL;
    bc_reader rest = *r;
    uint64_t n_regions = 0;

    if (has & O_ATTRS)
        attrs = tb_bc_index(r, f->n_attrs, "an attribute");
    if (has & O_PROPERTIES)
        props = tb_bc_index(r, f->n_properties, "properties");
    if (has & O_RESULTS) {
        n_out = tb_bc_count(r, "results");
        out_types = TB_NEWN(a, tb_str, n_out + 1);
        for (uint32_t i = 0; i < n_out; i++)
            out_types[i] = tb_bc_next_type(r);
    }
    if (has & O_OPERANDS) {
        n_in = tb_bc_count(r, "operands");
        in = TB_NEWN(a, uint32_t, n_in + 1);
        in_types = TB_NEWN(a, tb_str, n_in + 1);
        for (uint32_t i = 0; i < n_in; i++) {
            uint32_t n_seen = w->values.names.n - w->values.first;
            uint32_t v = w->values.first + tb_bc_index(r, n_seen, "a value");

            in[i] = w->values.names.at[v];
            if (!in[i])
                tb_bc_fail(r, "%.*s uses a value that is defined later",
                           TB_FMT(op->name));
            in_types[i] = w->values.types.at[v];
        }
    }
    if (has & O_SUCCESSORS)
        tb_bc_fail(r, "%.*s: control flow between blocks is not supported",
                   TB_FMT(op->name));
    for (uint32_t i = 0; i < n_out; i++) {
        tb_bc_puts(r, &w->out, i ? ", " : "");
        put_name(r, &w->out, define(w, r, next, out_types[i], false));
    }
    if (has & O_USE_ORDER)
        skip_use_order(r, n_out);
    if (n_out)
        tb_bc_puts(r, &w->out, " = ");
    tb_bc_put_string(r, &w->out, op->name);
    tb_bc_puts(r, &w->out, "(");
    for (uint32_t i = 0; i < n_in; i++) {
        tb_bc_puts(r, &w->out, i ? ", " : "");
        put_name(r, &w->out, in[i]);
    }
    tb_bc_puts(r, &w->out, ")");
    if (props != UINT32_MAX)
        properties(w, &rest, op, props);
    if (has & O_REGIONS) {
        bool isolated = tb_bc_flagged(r, &n_regions);

        if (n_regions > (uint64_t)(r->end - r->at))
            tb_bc_fail(r, "%" PRIu64 " regions", n_regions);
        if (isolated)
            isolated_regions(w, r, (uint32_t)n_regions);
        else
            regions(w, r, (uint32_t)n_regions);
    }
    if (attrs != UINT32_MAX) {
        tb_bc_puts(r, &w->out, " ");
        tb_bc_put(r, &w->out, tb_bc_attr(r, attrs));
    }
    tb_bc_puts(r, &w->out, " : ");
    put_types(r, &w->out, in_types, n_in);
    tb_bc_puts(r, &w->out, " -> ");
    put_types(r, &w->out, out_types, n_out);
    tb_bc_puts(r, &w->out, " ");
    tb_bc_put(r, &w->out, tb_bc_attr(r, loc));
    tb_bc_puts(r, &w->out, "\n");
}

static void
block(bc_writer *w, bc_reader *r, uint32_t *next, bool labelled)
{
    uint64_t n_ops;
    bool has_args = tb_bc_flagged(r, &n_ops);
    uint32_t n_args = has_args ? tb_bc_count(r, "arguments") : 0;

    if (labelled || n_args)
        tb_bc_puts(r, &w->out, "^bb(");
    for (uint32_t i = 0; i < n_args; i++) {
        bool has_loc = true;
        uint64_t type;

        if (w->f->version >= VERSION_NO_UNKNOWN_LOC)
            has_loc = tb_bc_flagged(r, &type);
        else
            type = tb_bc_varint(r);
        if (type >= w->f->n_types)
            tb_bc_fail(r, "an argument of type %" PRIu64, type);
        if (has_loc)
            tb_bc_index(r, w->f->n_attrs, "a location");
        tb_bc_puts(r, &w->out, i ? ", " : "");
        put_name(r, &w->out,
                 define(w, r, next, tb_bc_type(r, (uint32_t)type), true));
        tb_bc_puts(r, &w->out, ": ");
        tb_bc_put(r, &w->out, tb_bc_type(r, (uint32_t)type));
    }
    if (labelled || n_args)
        tb_bc_puts(r, &w->out, "):\n");
    if (has_args && w->f->version >= VERSION_USE_ORDER && tb_bc_byte(r))
        skip_use_order(r, n_args);
    for (; n_ops; n_ops--)
        operation(w, r, next);
}

static void
regions(bc_writer *w, bc_reader *r, uint32_t n)
{
    tb_arena *a = &w->f->p->cx->scratch;

    tb_bc_enter(r);
    tb_bc_puts(r, &w->out, " (");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_blocks = tb_bc_count(r, "blocks"), next = w->values.names.n, n_values;

        tb_bc_puts(r, &w->out, i ? ", {" : "{");
        if (n_blocks) {
            n_values = tb_bc_count(r, "values");
            for (uint32_t k = 0; k < n_values; k++) {
                TB_PUSH(a, &w->values.names, 0);
                TB_PUSH(a, &w->values.types, TB_STR(""));
            }
            for (uint32_t k = 0; k < n_blocks; k++)
                block(w, r, &next, k > 0);
            w->values.names.n -= n_values;
            w->values.types.n -= n_values;
        }
        tb_bc_puts(r, &w->out, "}");
    }
    tb_bc_puts(r, &w->out, ")");
    tb_bc_leave(r);
}

/* What sees no value outside numbers its own from 0, in a section of its own. */
static void
isolated_regions(bc_writer *w, bc_reader *r, uint32_t n)
{
    uint32_t first = w->values.first, next_arg = w->next_arg, id = S_IR;
    bc_reader in = *r;

    if (w->f->version >= VERSION_LAZY)
        in = tb_bc_section(r, &id);
    if (id != S_IR)
        tb_bc_fail(r, "section %" PRIu32 " where regions should be", id);
    w->values.first = w->values.names.n;
    w->next_arg = 0;
    regions(w, &in, n);
    w->values.first = first;
    w->next_arg = next_arg;
    if (w->f->version < VERSION_LAZY)
        r->at = in.at;
}

tb_str
tb_bc_body(bc_reader *r)
{
    bc_writer w = {.f = r->f};
    uint32_t next = 0;

    block(&w, r, &next, false);
    return w.out.n ? (tb_str){w.out.at, w.out.n} : TB_STR("");
}
