/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * ops.c -- operations that are not ATen operators: constants, symbols, state, and what
 * says something without computing anything.
 */
#include "mlir/import.h"

static const ml_type *
out_type(ml_importer *im)
{
    if (!im->op->out.n)
        ML_FAIL(im, "%.*s: the type of the result is missing", TB_FMT(im->op->name));
    return &im->op->out.at[0];
}

/* ---- constants ---- */

static const ml_attr *
value_attr(ml_importer *im)
{
    const ml_attr *a =
        im->op->values.n ? &im->op->values.at[0] : tb_ml_key(&im->op->attrs, "value");

    if (!a)
        ML_FAIL(im, "%.*s: the value is missing", TB_FMT(im->op->name));
    return a;
}

static void
op_constant(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_attr *a = value_attr(im);
    ml_value v = tb_ml_none();
    bool is_float = tb_str_is(im->op->name, "torch.constant.float");

    (void)in, (void)n;
    if (a->kind == ML_ATTR_INT && is_float && a->text.len > 2 && a->text.ptr[1] == 'x') {
        v = tb_ml_of_float(0); /* the bits: infinities and NaN are written so */
        memcpy(&v.arg.f, &a->i, sizeof a->i);
    } else if (a->kind == ML_ATTR_INT && is_float) {
        v = tb_ml_of_float((double)a->i);
    } else if (a->kind == ML_ATTR_INT && tb_str_is(im->op->name, "torch.constant.bool")) {
        v = tb_ml_of_bool(a->i != 0);
    } else if (a->kind == ML_ATTR_INT) {
        v = (ml_value){.arg = {.kind = TB_ARG_INT, .i = a->i}};
    } else if (a->kind == ML_ATTR_FLOAT) {
        v = tb_ml_of_float(a->f);
    } else if (a->kind == ML_ATTR_BOOL) {
        v = tb_ml_of_bool(a->i != 0);
    } else if (a->kind == ML_ATTR_STR) {
        v.arg = (tb_arg){.kind = TB_ARG_STR, .s = tb_strdup(&im->cx->keep, a->text)};
    } else {
        tb_ml_fail(im->p, a->place, "%.*s: expected a number or a string",
                   TB_FMT(im->op->name));
    }
    tb_ml_define(im, 0, v);
}

static void
op_none(ml_importer *im, const ml_value *in, uint32_t n)
{
    (void)in, (void)n;
    tb_ml_define(im, 0, tb_ml_none());
}

/* What hex and resources name is named after what stands in a file of ours or PyTorch's. */
static tb_str
const_name(const ml_attr *a)
{
    if (a->kind != ML_ATTR_RESOURCE || tb_str_prefix(a->text, "torch_tensor_") ||
        tb_str_prefix(a->text, "_anonymous"))
        return TB_STR("");
    return a->text;
}

static double
element_f(const tb_const *c)
{
    double d;
    float f;
    uint16_t h;

    if (c->dtype == TB_F64) {
        memcpy(&d, c->bytes, sizeof d);
        return d;
    }
    if (c->dtype == TB_F32) {
        memcpy(&f, c->bytes, sizeof f);
        return (double)f;
    }
    memcpy(&h, c->bytes, sizeof h);
    return (double)(c->dtype == TB_F16 ? tb_f16_to_f32(h) : tb_bf16_to_f32(h));
}

static int64_t
element_i(const tb_const *c)
{
    int64_t i = 0;
    size_t n = tb_dtype_bytes(c->dtype);

    memcpy(&i, c->bytes, n);
    if (tb_dtype_kind(c->dtype) == TB_KIND_INT && n < 8)
        i = (int64_t)((uint64_t)i << (64 - 8 * n)) >> (64 - 8 * n);
    return i;
}

static void
op_literal(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_attr *a = value_attr(im);
    tb_type t = tb_ml_result_type(im, out_type(im), NULL);
    bool splat;
    tb_const c;
    tb_val v;

    (void)in, (void)n;
    if (a->type.kind == ML_T_TENSOR && !a->type.ranked)
        tb_ml_unsupported(im, "a constant without sizes");
    c = tb_ml_elements(im->p, a, &t, &splat);
    if (splat && tb_dtype_is_float(c.dtype)) {
        v = tb_full_f(im->g, c.dtype, t.rank, t.dims, element_f(&c));
    } else if (splat && !tb_dtype_is_complex(c.dtype)) {
        v = tb_full_i(im->g, c.dtype, t.rank, t.dims, element_i(&c));
    } else {
        if (splat)
            c = tb_ml_dense(im->p, a, &t);
        c.name = const_name(a);
        v = tb_constant(im->g, tb_unit_const(im->u, c));
    }
    if (out_type(im)->mutable_) {
        TB_PUSH(&im->cx->scratch, &im->cells, ((ml_cell){v, -1, false}));
        tb_ml_define(im, 0, (ml_value){.cell = im->cells.n});
    } else {
        tb_ml_define(im, 0, tb_ml_tensor(v));
    }
}

/* ---- symbols ---- */

static int64_t
limit(const ml_op *op, const char *key, int64_t otherwise)
{
    const ml_attr *a = tb_ml_key(&op->attrs, key);

    return a && a->kind == ML_ATTR_INT ? a->i : otherwise;
}

static const ml_attr *
symbol_name(ml_importer *im, const ml_op *op)
{
    const ml_attr *a =
        op->values.n ? &op->values.at[0] : tb_ml_key(&op->attrs, "symbol_name");

    if (!a || a->kind != ML_ATTR_STR)
        tb_ml_fail(im->p, op->place, "the symbol has no name");
    return a;
}

/* Graph text and the way back want names of letters, digits and '_'. */
tb_str
tb_ml_plain_name(ml_importer *im, tb_str s)
{
    char *out = tb_alloc(&im->cx->scratch, s.len + 2);

    out[0] = 's'; /* for a name that begins with a digit, or has nothing */
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        out[i + 1] = letter || (c >= '0' && c <= '9') ? c : '_';
    }
    if (s.len && !(out[1] >= '0' && out[1] <= '9'))
        return (tb_str){out + 1, s.len};
    return (tb_str){out, s.len + 1};
}

tb_dim
tb_ml_symbol(ml_importer *im, const ml_op *op, tb_sym_kind kind)
{
    int64_t min = limit(op, "min_val", 0), max = limit(op, "max_val", INT64_MAX);

    if (max >= INT64_MAX - 1)
        max = INT64_MAX; /* torch's "no limit" */
    if (kind == TB_SYM_SHAPE && min < 0)
        min = 0;
    if (min > max)
        tb_ml_fail(im->p, op->place, "the symbol has an empty range: %lld to %lld",
                   (long long)min, (long long)max);
    return tb_sym_new(im->u, tb_ml_plain_name(im, symbol_name(im, op)->text), kind, min,
                      max);
}

static bool
is_item(tb_str name)
{
    static const char *const names[] = {"torch.aten.Int.Tensor", "torch.aten.item",
                                        "torch.aten.IntImplicit",
                                        "torch.aten._local_scalar_dense"};

    for (size_t i = 0; i < TB_COUNT(names); i++)
        if (tb_str_is(name, names[i]))
            return true;
    return false;
}

/*
 * torch.symbolic_int "s0" {min_val = 2, max_val = 64}. A symbol that has the name of an
 * integer argument or of a value read from a tensor is that. One that no argument's shape
 * names is found out later, from the operator that it first is a size of (tb_decompose):
 * it is made there, behind what it may turn out to be equal to, and counts as read from
 * data, which is given up for anything else.
 */
static void
op_symbolic_int(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_attr *a = symbol_name(im, im->op);
    const ml_hint *h = tb_ml_hint(im, a->text, 0);
    tb_dim d;

    (void)in, (void)n;
    for (uint32_t i = 0; im->func && i < im->func->args.n; i++)
        if (im->func->args.at[i].type.kind == ML_T_INT && !im->arg_dims[i] &&
            tb_str_eq(im->func->args.at[i].name, a->text)) {
            d = tb_ml_symbol(im, im->op, TB_SYM_ARG);
            im->u->syms.at[im->u->syms.n - 1].arg = i;
            im->arg_dims[i] = d;
            tb_ml_define(im, 0, tb_ml_of_dim(d));
            return;
        }
    if (h && h->def && is_item(h->def->name)) {
        d = tb_ml_symbol(im, im->op, TB_SYM_ITEM);
        im->u->syms.at[im->u->syms.n - 1].arg = UINT32_MAX; /* scalar.c: not there yet */
        tb_ml_define(im, 0, tb_ml_of_dim(d));
    } else if (im->in_arguments) {
        tb_ml_define(im, 0, tb_ml_of_dim(tb_ml_symbol(im, im->op, TB_SYM_SHAPE)));
    } else {
        tb_ml_define(im, 0, (ml_value){.symbol = im->op});
    }
}

/* ---- the same value under another type ---- */

static void
op_same(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_takes(im, n, 1);
    tb_ml_define(im, 0, in[0]);
}

/* torch_c.from_builtin_tensor: tensor<2xi8> may become signed or unsigned. */
static void
op_cast_tensor(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);
    const ml_type *t = out_type(im);
    tb_dtype want = (tb_dtype)t->tensor.dtype;

    if (t->kind != ML_T_TENSOR)
        ML_FAIL(im, "%.*s: expected a tensor's type", TB_FMT(im->op->name));
    if (want != TB_NONE && want != tb_dtype_of(im->g, x) && !t->builtin) {
        if (tb_dtype_bytes(want) != tb_dtype_bytes(tb_dtype_of(im->g, x)))
            ML_FAIL(im, "a cast from %s to %s", tb_dtype_name(tb_dtype_of(im->g, x)),
                    tb_dtype_name(want));
        x = tb_bitcast(im->g, x, want);
    }
    tb_ml_define(im, 0, tb_ml_tensor(x));
}

/* The importer writes truth values as bytes and converts them. */
static void
op_convert(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);
    const tb_node *node = tb_node_of(im->g, x);

    tb_ml_takes(im, n, 2);
    if (node->prim == TB_P_const && node->dtype == TB_U8 &&
        in[1].arg.kind == TB_ARG_INT &&
        tb_dtype_from_torch((int)in[1].arg.i) == TB_BOOL) {
        tb_const c = im->u->consts.at[tb_attrs(im->g, x)[0]];
        const uint8_t *bytes = c.bytes;
        bool plain = bytes != NULL;

        for (size_t i = 0; plain && i < c.n_bytes; i++)
            plain = bytes[i] <= 1;
        c.dtype = TB_BOOL;
        if (plain) {
            tb_ml_define(im, 0,
                         tb_ml_tensor(tb_constant(im->g, tb_unit_const(im->u, c))));
            return;
        }
    }
    tb_ml_call(im, TB_STR("prims.convert_element_type"), in, n);
}

/* ---- state ---- */

static const ml_global *
find_global(ml_importer *im)
{
    const ml_attr *a = tb_ml_key(&im->op->attrs, "global");
    tb_str name = im->op->symbol.len || !a ? im->op->symbol : a->text;

    for (uint32_t i = 0; i < im->globals.n; i++)
        if (tb_str_eq(im->globals.at[i].name, name))
            return &im->globals.at[i];
    ML_FAIL(im, "there is no global @%.*s", TB_FMT(name));
}

static void
op_load(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_global *x = find_global(im);

    (void)in, (void)n;
    tb_ml_define(im, 0,
                 tb_ml_tensor(x->is_const ? tb_constant(im->g, x->index)
                                          : tb_read(im->g, x->index)));
}

static void
op_store(ml_importer *im, const ml_value *in, uint32_t n)
{
    const ml_global *g = find_global(im);
    tb_val x = tb_ml_need_tensor(im, in, n);
    tb_dtype t;

    if (g->is_const)
        ML_FAIL(im, "the global @%.*s is not mutable", TB_FMT(g->name));
    t = im->u->globals.at[g->index].dtype;
    if (t != tb_dtype_of(im->g, x) &&
        tb_dtype_bytes(t) == tb_dtype_bytes(tb_dtype_of(im->g, x)))
        x = tb_bitcast(im->g, x, t);
    tb_write(im->g, g->index, x);
}

static void
op_to_mutable(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);

    TB_PUSH(&im->cx->scratch, &im->cells, ((ml_cell){x, -1, false}));
    tb_ml_define(im, 0, (ml_value){.cell = im->cells.n});
}

static void
op_to_value(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_ml_define(im, 0, tb_ml_tensor(tb_ml_need_tensor(im, in, n)));
}

static void
op_overwrite(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_val x = tb_ml_need_tensor(im, in, n);
    ml_cell *c;

    tb_ml_takes(im, n, 2);
    if (!in[1].cell)
        ML_FAIL(im, "only a !torch.tensor can be overwritten");
    c = &im->cells.at[in[1].cell - 1];
    c->now = x;
    c->changed = true;
}

/* ---- checks ---- */

/* The condition holds from here on; what is not checked as a call starts is checked where
 * it stands. */
static void
op_assert(ml_importer *im, const ml_value *in, uint32_t n)
{
    tb_str text = TB_STR("an assertion of the program failed");
    const ml_value *c = in;

    tb_ml_takes(im, n, 1);
    if (n > 1 && in[1].arg.kind == TB_ARG_STR)
        text = in[1].arg.s;
    for (uint32_t i = 0; i < im->op->values.n; i++)
        if (im->op->values.at[i].kind == ML_ATTR_STR)
            text = im->op->values.at[i].text;
    if (!c->compare && !c->cell && c->arg.kind == TB_ARG_BOOL && c->arg.b)
        return;
    if (!c->compare && !c->cell && c->arg.kind == TB_ARG_INT && c->arg.i)
        return;
    if (!c->compare && !c->cell &&
        ((c->arg.kind == TB_ARG_BOOL && !c->arg.b) || c->arg.kind == TB_ARG_INT))
        ML_FAIL(im, "this assertion never holds: %.*s", TB_FMT(text));
    if (!c->compare || !tb_ml_assume(im, c))
        tb_assert_node(im->g, tb_ml_rank0(im, c), text);
}

/* aten.sym_constrain_range(size, min, max) */
static void
op_constrain(ml_importer *im, const ml_value *in, uint32_t n)
{
    for (uint32_t i = 1; i < n && i < 3 && in[0].arg.kind == TB_ARG_DIM; i++) {
        ml_value c = {.compare = ML_C_LE};

        if (in[i].arg.kind != TB_ARG_INT)
            continue;
        c.a = i == 1 ? in[1].arg.i : in[0].arg.d;
        c.b = i == 1 ? in[0].arg.d : in[2].arg.i;
        tb_ml_assume(im, &c);
    }
}

static void
op_ignore(ml_importer *im, const ml_value *in, uint32_t n)
{
    (void)im, (void)in, (void)n;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    ml_handler *fn;
} table[] = {
    {"torch.constant.int", op_constant},
    {"torch.constant.float", op_constant},
    {"torch.constant.bool", op_constant},
    {"torch.constant.str", op_constant},
    {"torch.constant.device", op_constant},
    {"torch.constant.number", op_constant},
    {"torch.constant.none", op_none},
    {"torch.vtensor.literal", op_literal},
    {"torch.tensor.literal", op_literal},
    {"torch.symbolic_int", op_symbolic_int},
    {"torch.aten.list.t", op_same},
    {"torch.derefine", op_same},
    {"torch.aten.detach_", op_same},
    {"torch.prim.unchecked_cast", op_same},
    {"torch.tensor_static_info_cast", op_same},
    {"torch_c.to_i1", op_same},
    {"torch_c.from_i1", op_same},
    {"torch_c.to_i64", op_same},
    {"torch_c.from_i64", op_same},
    {"torch_c.to_f64", op_same},
    {"torch_c.from_f64", op_same},
    {"torch_c.from_builtin_tensor", op_cast_tensor},
    {"torch_c.to_builtin_tensor", op_cast_tensor},
    {"torch.prims.convert_element_type", op_convert},
    {"util.global.load", op_load},
    {"util.global.store", op_store},
    {"torch.copy.to_tensor", op_to_mutable},
    {"torch.copy.to_vtensor", op_to_value},
    {"torch.overwrite.tensor.contents", op_overwrite},
    {"torch.runtime.assert", op_assert},
    {"torch.aten._assert_scalar", op_assert},
    {"torch.aten._assert_async.msg", op_assert},
    {"torch.aten.sym_constrain_range", op_constrain},
    {"torch.aten.sym_constrain_range_for_size", op_constrain},
    {"torch.aten._assert_tensor_metadata", op_ignore},
};

ml_handler *
tb_ml_handler(tb_str name)
{
    ml_handler *control = tb_ml_control_handler(name);

    if (control)
        return control;
    for (size_t i = 0; i < TB_COUNT(table); i++)
        if (tb_str_is(name, table[i].name))
            return table[i].fn;
    return tb_ml_list_handler(name);
}
