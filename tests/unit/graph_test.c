/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * graph_test.c -- building graphs: sharing, inference per family, simplification at
 * construction, copying, and the exact text of what a wrong program raises.
 */
#include "unit/graph_t.h"

#define DIMS(...) ((tb_dim[]){__VA_ARGS__})
#define RANK(...) ((int)(sizeof((tb_dim[]){__VA_ARGS__}) / sizeof(tb_dim)))
#define IN(i, t, ...) tb_input(g, i, TB_##t, RANK(__VA_ARGS__), DIMS(__VA_ARGS__))
#define TYPE(v, expected) EQ_STR(type_text(v), expected)

static const char *
type_text(tb_val v)
{
    tb_str s = tb_str_c(tb_dtype_of(g, v) ? tb_dtype_name(tb_dtype_of(g, v)) : "none");

    s = tb_sprintf(&cx->keep, "%.*s[", TB_FMT(s));
    for (int i = 0; i < tb_rank(g, v); i++)
        s = tb_sprintf(&cx->keep, "%.*s%s%.*s", TB_FMT(s), i ? ", " : "",
                       TB_FMT(tb_dim_text(u, &cx->keep, tb_dims(g, v)[i])));
    return tb_sprintf(&cx->keep, "%.*s]", TB_FMT(s)).ptr;
}

static tb_dim
sym(const char *name)
{
    return tb_sym_new(u, tb_str_c(name), TB_SYM_SHAPE, 2, INT64_MAX);
}

/* ---- storage ---- */

static void
sharing_body(void)
{
    tb_val x = IN(0, F32, 2, 3), y = IN(1, F32, 2, 3), a, b;
    uint32_t n;

    a = tb_map2(g, TB_P_add, x, y);
    n = g->n;
    b = tb_map2(g, TB_P_add, x, y);
    EQ_INT(a.id, b.id);
    EQ_INT(g->n, n);
    b = tb_map2(g, TB_P_add, y, x);
    CHECK(a.id != b.id);
    EQ_INT(tb_full_like(g, x, 1.0).id, tb_full_like(g, y, 1.0).id);
    CHECK(tb_full_like(g, x, 0.0).id != tb_full_like(g, x, -0.0).id);
    EQ_INT(tb_full_i(g, TB_U8, 0, NULL, 300).id, tb_full_i(g, TB_U8, 0, NULL, 44).id);
    EQ_INT(tb_attrs(g, tb_full_i(g, TB_I8, 0, NULL, 200))[0], -56);
    EQ_INT(tb_node_of(g, a)->n_in, 2);
    EQ_INT(tb_in(g, a, 1).id, y.id);
    EQ_STR(tb_prim_name(TB_P_conv_nhwc), "conv_nhwc");
    EQ_INT(tb_prim_arity(TB_P_where), 3);
    CHECK(tb_prim_is_map(TB_P_bitcast) && !tb_prim_is_map(TB_P_rsum));
    CHECK(tb_prim_is_fold(TB_P_rsum) && tb_prim_is_fold(TB_P_argmin));
    CHECK(tb_prim_is_move(TB_P_concat) && !tb_prim_is_move(TB_P_input));
}
BODY(sharing)

static void
effects_body(void)
{
    tb_global s = {.name = TB_STR("kv"), .dtype = TB_F32, .rank = 1, .mutable_ = true};
    tb_val a, b;
    bool *live;
    uint32_t dead;

    s.dims[0] = 4;
    TB_PUSH(&cx->keep, &u->globals, s);
    a = tb_read(g, 0);
    tb_write(g, 0, tb_map1(g, TB_P_neg, a));
    b = tb_read(g, 0);
    CHECK(a.id != b.id);
    EQ_INT(g->effects.n, 1);
    dead = tb_map1(g, TB_P_exp, b).id;
    TB_PUSH(&cx->keep, &g->outputs, tb_map1(g, TB_P_abs, b));
    TB_PUSH(&cx->keep, &g->outputs, TB_NO_VAL);
    live = tb_live(g, &cx->scratch);
    CHECK(live[a.id] && live[b.id] && !live[dead] && !live[0]);
    tb_assert_node(g, tb_full_i(g, TB_BOOL, 0, NULL, 1), TB_STR("must hold"));
    EQ_INT(g->effects.n, 2);
    EQ_STR(u->messages.at[0].ptr, "must hold");
    TYPE(IN(0, F32, tb_item(g, tb_full_i(g, TB_I64, 0, NULL, 3), TB_STR("u0"), 0, 9)),
         "f32[u0]");
    EQ_INT(g->effects.n, 3);
}
BODY(effects)

static void
tables_body(void)
{
    static const float data[6];
    tb_const c = {.name = TB_STR("w"), .dtype = TB_F32, .rank = 1, .bytes = data};
    tb_location l = {.file = TB_STR("model.py"), .line = 3, .op = TB_STR("aten.mm")};
    tb_loc a, b;

    c.dims[0] = 6;
    c.n_bytes = sizeof data;
    EQ_INT(tb_unit_const(u, c), 0);
    c.name = TB_STR("tied");
    EQ_INT(tb_unit_const(u, c), 0);
    c.dtype = TB_I32;
    EQ_INT(tb_unit_const(u, c), 1);
    c.dtype = TB_F32;
    c.rank = 2;
    c.dims[0] = 2;
    c.dims[1] = 3;
    EQ_INT(tb_unit_const(u, c), 2);
    TYPE(tb_constant(g, 2), "f32[2, 3]");
    a = tb_unit_loc(u, l);
    b = tb_unit_loc(u, l);
    EQ_INT(a.id, b.id);
    CHECK(a.id != 0);
    l.line = 4;
    CHECK(tb_unit_loc(u, l).id != a.id);
    EQ_INT(tb_unit_loc(u, (tb_location){0}).id, 0);
    EQ_INT(tb_loc_get(u, a)->line, 3);
    EQ_STR(tb_unit_func(u, TB_STR("main"))->name.ptr, "main");
    EQ_INT(u->graphs.n, 2);
}
BODY(tables)

/* Building must stay linear: this is a second or so if it is, hours if it is not. */
static void
large_body(void)
{
    tb_val x = IN(0, F32, sym("s0"), 384), y = x;

    for (int i = 0; i < 200000; i++) {
        g->loc =
            tb_unit_loc(u, (tb_location){.file = TB_STR("m.py"), .line = (uint32_t)i});
        y = tb_map2(g, i % 2 ? TB_P_add : TB_P_mul, y, x);
    }
    CHECK(g->n > 200000);
}
BODY(large)

/* ---- inference ---- */

static void
maps_body(void)
{
    tb_dim s = sym("s");
    tb_val x = IN(0, F32, s, 3), y = IN(1, F32, 3), n = IN(2, I64, s, 3), c;

    c = x;
    tb_broadcast(g, &c, &y);
    EQ_INT(c.id, x.id);
    TYPE(y, "f32[s, 3]");
    TYPE(tb_map2(g, TB_P_lt, x, y), "i1[s, 3]");
    TYPE(tb_map2(g, TB_P_atan2, x, y), "f32[s, 3]");
    TYPE(tb_where(g, tb_map2(g, TB_P_lt, x, y), x, y), "f32[s, 3]");
    EQ_INT(tb_where(g, tb_map2(g, TB_P_lt, x, y), x, x).id, x.id);
    EQ_INT(tb_cast(g, x, TB_F32).id, x.id);
    TYPE(tb_cast(g, x, TB_BF16), "bf16[s, 3]");
    TYPE(tb_bitcast(g, x, TB_I32), "i32[s, 3]");
    TYPE(tb_map2(g, TB_P_and, n, n), "i64[s, 3]");
    TYPE(tb_map1(g, TB_P_not, tb_map2(g, TB_P_eq, n, n)), "i1[s, 3]");
    TYPE(tb_reduce(g, TB_P_rsum, x, 3), "f32[1, 1]");
    TYPE(tb_reduce(g, TB_P_argmax, x, 2), "i64[s, 1]");
    EQ_INT(tb_reduce(g, TB_P_rsum, x, 0).id, x.id);
    TYPE(tb_scan(g, TB_P_cumsum, n, 1), "i64[s, 3]");
    TYPE(tb_iota(g, 2, DIMS(4, s), 1), "i64[4, s]");
    TYPE(tb_dim_value(g, s), "i64[]");
    EQ_INT(tb_node_of(g, tb_dim_value(g, 5))->prim, TB_P_full);
    TYPE(tb_full_like(g, n, 2.0), "i64[s, 3]");
    EQ_INT(tb_attrs(g, tb_full_like(g, n, 2.0))[0], 2);
}
BODY(maps)

static void
broadcasting_body(void)
{
    tb_dim s = sym("s"), t = sym("t");
    tb_val a = IN(0, F32, s, 1, 4), b = IN(1, F32, t, 7, 1);

    tb_broadcast(g, &a, &b);
    TYPE(a, "f32[s, 7, 4]");
    TYPE(b, "f32[s, 7, 4]"); /* t was found to be s */
    EQ_INT(u->equalities.n, 1);
    CHECK(tb_dim_eq(u, s, t));
    EQ_INT(tb_node_of(g, b)->prim, TB_P_expand);
    a = IN(2, F32, s);
    b = IN(3, F32, 12);
    tb_broadcast(g, &a, &b);
    TYPE(a, "f32[s]"); /* an input keeps its declared dims */
    TYPE(tb_map2(g, TB_P_add, a, b), "f32[12]");
    EQ_INT(tb_node_of(g, a)->prim, TB_P_input);
    /* An equality that no symbol can be solved for: the operands stay as they are. */
    a = IN(4, F32, tb_dim_mul(u, 2, sym("w")), 3);
    b = IN(5, F32, tb_dim_mul(u, 5, sym("v")), 1);
    EQ_INT(u->equalities.n, 2);
    for (int i = 0; i < 3; i++) {
        tb_val x = a, y = b;

        tb_broadcast(g, &x, &y);
        TYPE(y, "f32[5*v, 3]");
        TYPE(tb_map2(g, TB_P_add, x, y), "f32[2*w, 3]");
    }
    EQ_INT(u->equalities.n, 3); /* recorded once */
}
BODY(broadcasting)

static void
movement_body(void)
{
    tb_dim s = sym("s");
    tb_val x = IN(0, F32, 2, s, 4), y, one = tb_full_f(g, TB_F32, 0, NULL, 1);

    y = tb_permute(g, x, (int64_t[]){2, 0, 1});
    TYPE(y, "f32[4, 2, s]");
    EQ_INT(tb_permute(g, y, (int64_t[]){1, 2, 0}).id, x.id);
    EQ_INT(tb_transpose(g, tb_transpose(g, x, 0, 2), 0, 2).id, x.id);
    y = tb_reshape(g, x, 2, DIMS(tb_dim_mul(u, s, 2), 4));
    TYPE(y, "f32[2*s, 4]");
    EQ_INT(tb_reshape(g, y, 3, DIMS(2, s, 4)).id, x.id);
    y = tb_reshape(g, y, 1, DIMS(tb_dim_mul(u, s, 8)));
    EQ_INT(tb_in(g, y, 0).id, x.id);
    EQ_INT(u->equalities.n, 0);
    y = tb_unsqueeze(g, x, 1);
    TYPE(y, "f32[2, 1, s, 4]");
    EQ_INT(tb_squeeze_axes(g, y, 2).id, x.id);
    y = tb_expand(g, y, 5, DIMS(3, 2, 6, s, 4));
    TYPE(y, "f32[3, 2, 6, s, 4]");
    y = tb_expand(g, tb_expand(g, IN(1, F32, 1, 1), 2, DIMS(1, 5)), 2, DIMS(3, 5));
    EQ_INT(tb_node_of(g, tb_in(g, y, 0))->prim, TB_P_input);
    y = tb_slice_axis(g, x, 1, 1, tb_dim_sub(u, s, 1), 1);
    TYPE(y, "f32[2, s - 1, 4]");
    y = tb_slice_axis(g, y, 1, 0, 1, 1);
    EQ_INT(tb_in(g, y, 0).id, x.id);
    EQ_INT(tb_attrs(g, y)[1], 1);
    EQ_INT(tb_slice_axis(g, x, 1, 0, s, 1).id, x.id);
    TYPE(tb_pad(g, x, DIMS(0, 1, 0), DIMS(0, 2, s), one), "f32[2, s + 3, s + 4]");
    EQ_INT(tb_pad(g, x, DIMS(0, 0, 0), DIMS(0, 0, 0), one).id, x.id);
    EQ_INT(tb_flip(g, tb_flip(g, x, 5), 5).id, x.id);
    EQ_INT(tb_attrs(g, tb_flip(g, tb_flip(g, x, 1), 4))[0], 5);
    TYPE(tb_window(g, x, 1, 3, 2, 1), "f32[2, (s + 1)//2 - 1, 4, 3]");
    TYPE(tb_window(g, x, 2, 2, 1, 2), "f32[2, s, 2, 2]");
    TYPE(tb_concat(g, (tb_val[]){x, x, x}, 3, 1), "f32[2, 3*s, 4]");
    EQ_INT(tb_concat(g, &x, 1, 0).id, x.id);
    EQ_INT(tb_expand(g, one, 2, DIMS(2, 2)).id,
           tb_full_f(g, TB_F32, 2, DIMS(2, 2), 1).id);
}
BODY(movement)

static void
contractions_body(void)
{
    tb_dim s = sym("s");
    tb_val x = IN(0, F32, 5, s, 8), w = IN(1, F32, 5, 8, 3), i = IN(2, I64, s, 2), k[2];
    tb_val img = IN(3, F32, s, 6, 32, 33), f = IN(4, F32, 9, 3, 3, 5),
           b = IN(5, F32, 9);
    int64_t two[2] = {2, 2}, one[2] = {1, 1}, none[2] = {0, 0};
    tb_val nhwc = tb_permute(g, img, (int64_t[]){0, 2, 3, 1});
    tb_val q = IN(6, F32, s, 4, 10, 16), kv = IN(7, F32, s, 4, 12, 16);

    f = tb_slice_axis(g,
                      tb_pad(g, f, DIMS(0, 0, 0, 0), DIMS(3, 0, 0, 0),
                             tb_full_f(g, TB_F32, 0, NULL, 0)),
                      0, 0, 8, 1);
    b = tb_slice_axis(g, b, 0, 0, 8, 1);
    TYPE(tb_dot(g, x, w), "f32[5, s, 3]");
    TYPE(tb_gather(g, x, 2, &i, 1), "f32[s, 2, 5, 8]");
    k[0] = k[1] = i;
    TYPE(tb_gather(g, x, 5, k, 2), "f32[s, 2, s]");
    TYPE(tb_scatter(g, x, tb_gather(g, x, 5, k, 2), 5, 1, k, 2), "f32[5, s, 8]");
    TYPE(tb_argsort(g, x, 2, true), "i64[5, s, 8]");
    TYPE(tb_rand(g, tb_dim_value(g, 1), tb_dim_value(g, s), 1, DIMS(s)), "i64[s]");
    TYPE(tb_conv(g, TB_P_conv, img, f, b, 2, 2, two, one, none, one),
         "f32[s, 8, 16, 15]");
    TYPE(tb_conv(g, TB_P_conv_nhwc, nhwc, tb_permute(g, f, (int64_t[]){0, 2, 3, 1}),
                 TB_NO_VAL, 2, 2, two, one, none, one),
         "f32[s, 16, 15, 8]");
    TYPE(tb_attention(g, q, kv, kv, TB_NO_VAL, true, 0.25), "f32[s, 4, 10, 16]");
    TYPE(tb_attention(g, q, kv, tb_slice_axis(g, kv, 3, 0, 5, 1), IN(8, BOOL, 10, 12),
                      false, 0.25),
         "f32[s, 4, 10, 5]");
}
BODY(contractions)

/* ---- copying ---- */

static void
copy_body(void)
{
    tb_dim s = sym("s"), t = sym("t");
    tb_val x = IN(0, F32, s, 4), y = IN(1, F32, t, 4), z, *map, out;
    tb_arg args[3] = {
        {.kind = TB_ARG_TENSOR}, {.kind = TB_ARG_LIST}, {.kind = TB_ARG_INT}};
    tb_arg items[2] = {{.kind = TB_ARG_TENSOR}, {.kind = TB_ARG_NONE}};
    tb_type type = {.dtype = TB_F32, .rank = 2};
    tb_call c = {.name = TB_STR("aten.foo"), .args = args, .n_args = 3, .n_results = 1};
    tb_graph *from = g, *to = tb_graph_new(u);

    z = tb_map2(g, TB_P_add, x,
                tb_expand(g, tb_reduce(g, TB_P_rsum, x, 2), 2, DIMS(s, 4)));
    z = tb_permute(g, z, (int64_t[]){1, 0});
    args[0].v = z;
    args[1].list.at = items;
    args[1].list.n = 2;
    items[0].v = y;
    c.results = &type;
    type.dims[0] = TB_DIM_UNKNOWN;
    type.dims[1] = t;
    g->loc = tb_unit_loc(u, (tb_location){.op = TB_STR("aten.foo")});
    z = tb_aten(g, c);
    EQ_INT(tb_node_of(g, z)->n_in, 2);
    EQ_INT(g->effects.n, 0);
    z = tb_result(g, z, 0, &type);
    g->names[z.id] = TB_STR("foo");
    map = TB_NEWN(&cx->keep, tb_val, g->n);
    for (uint32_t i = 1; i < from->n; i++)
        map[i] = tb_copy_node(to, from, (tb_val){i}, map);
    EQ_INT(to->n, from->n);
    out = map[z.id];
    g = to;
    TYPE(out, "f32[?, t]");
    EQ_STR(to->names[out.id].ptr, "foo");
    EQ_INT(to->locs[out.id].id, from->locs[z.id].id);
    EQ_INT(to->calls.at[0].args[0].v.id, tb_in(to, tb_in(to, out, 0), 0).id);
    EQ_INT(to->calls.at[0].args[1].list.at[0].v.id, map[y.id].id);
    for (uint32_t i = 1; i < from->n; i++)
        EQ_INT(tb_node_of(to, map[i])->prim, tb_node_of(from, (tb_val){i})->prim);
    /* Learned sizes reach the copy, but an input keeps the names it declares. */
    tb_dim_assume_eq(u, s, t, (tb_loc){0});
    g = tb_graph_new(u);
    for (uint32_t i = 1; i < from->n; i++)
        map[i] = tb_copy_node(g, from, (tb_val){i}, map);
    TYPE(map[y.id], "f32[t, 4]");
    TYPE(map[z.id], "f32[?, s]");
    TYPE(tb_map2(g, TB_P_add, map[x.id], map[y.id]), "f32[s, 4]");
}
BODY(copy)

/* ---- errors ---- */

#define BAD(name, expr)                                                           \
    static void name(void)                                                        \
    {                                                                             \
        tb_val x = IN(0, F32, 2, 384), y = IN(1, F32, 512, 3), i = IN(2, I64, 2); \
                                                                                  \
        (void)x, (void)y, (void)i;                                                \
        expr;                                                                     \
    }

static const int64_t ones[4] = {1, 1, 1, 1}, zeros[4];
static const tb_dim minus[2] = {-1, 0};

BAD(bad_dot, tb_dot(g, x, y))
BAD(bad_rank, tb_dot(g, x, i))
BAD(bad_dtype, tb_map2(g, TB_P_add, x, tb_cast(g, x, TB_F16)))
BAD(bad_shape, tb_map2(g, TB_P_add, x, y))
BAD(bad_kind, tb_map1(g, TB_P_exp, i))
BAD(bad_kind_float, tb_map2(g, TB_P_xor, x, x))
BAD(bad_bool, tb_map1(g, TB_P_neg, tb_map2(g, TB_P_lt, x, x)))
BAD(bad_arity, tb_map1(g, TB_P_add, x))
BAD(bad_where, tb_where(g, x, x, x))
BAD(bad_bitcast, tb_bitcast(g, x, TB_F64))
BAD(bad_axis, tb_scan(g, TB_P_cumsum, x, 2))
BAD(bad_fold, tb_reduce(g, TB_P_rany, x, 1))
BAD(bad_mask, tb_reduce(g, TB_P_rsum, x, 4))
BAD(bad_arg, tb_reduce(g, TB_P_argmax, x, 3))
BAD(bad_order, tb_permute(g, x, ones))
BAD(bad_reshape, tb_reshape(g, x, 2, DIMS(5, 6)))
BAD(bad_reshape_dim, tb_reshape(g, x, 2, DIMS(-1, 6)))
BAD(bad_expand, tb_expand(g, x, 2, DIMS(3, 384)))
BAD(bad_broadcast, tb_broadcast(g, &x, &y))
BAD(bad_slice, tb_slice_axis(g, x, 0, 1, 2, 1))
BAD(bad_step, tb_slice_axis(g, x, 0, 0, 2, 0))
BAD(bad_pad, tb_pad(g, x, minus, zeros, tb_full_f(g, TB_F32, 0, NULL, 0)))
BAD(bad_window, tb_window(g, x, 0, 3, 1, 1))
BAD(bad_concat, tb_concat(g, ((tb_val[]){x, y}), 2, 0))
BAD(bad_gather, tb_gather(g, x, 3, &i, 1))
BAD(bad_index, tb_gather(g, x, 1, &x, 1))
BAD(bad_scatter, tb_scatter(g, x, x, 1, 0, &i, 1); tb_scatter(g, x, y, 1, 0, &i, 1))
BAD(bad_squeeze, tb_squeeze_axes(g, x, 1))
BAD(bad_item, tb_item(g, x, TB_STR("u0"), 0, 1))
BAD(bad_global, tb_read(g, 3))
BAD(bad_result, tb_result(g, x, 0, NULL))
BAD(bad_conv, tb_conv(g, TB_P_conv, IN(3, F32, 1, 4, 2), IN(4, F32, 8, 4, 5), TB_NO_VAL,
                      1, 1, ones, zeros, ones, ones))
BAD(bad_groups, tb_conv(g, TB_P_conv, IN(3, F32, 1, 4, 9), IN(4, F32, 8, 4, 5),
                        TB_NO_VAL, 1, 2, ones, zeros, ones, ones))
BAD(bad_big_rank, tb_full_f(g, TB_F32, 17,
                            DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 0))

static void
bad_place(void)
{
    tb_val x = IN(0, F32, 2, 384), y = IN(1, F32, 512, 3);

    g->loc = tb_unit_loc(u, (tb_location){.file = TB_STR("model.py"),
                                          .line = 12,
                                          .op = TB_STR("aten.mm.default"),
                                          .path = TB_STR("layer.0.attn"),
                                          .func = TB_STR("forward")});
    tb_dot(g, x, y);
}
static void
bad_column(void)
{
    g->loc =
        tb_unit_loc(u, (tb_location){.file = TB_STR("m.mlir"), .line = 3, .col = 9});
    tb_iota(g, 0, NULL, 0);
}

static void
errors(void)
{
    RAISES(bad_dot, "dot: inner sizes differ: expected 384, found 512");
    RAISES(bad_rank, "dot: second operand: expected rank 2, found rank 1");
    RAISES(bad_dtype, "add: dtypes differ: expected f32, found f16");
    RAISES(bad_shape, "add: shapes differ: expected [2, 384], found [512, 3]");
    RAISES(bad_kind, "exp: not defined for i64");
    RAISES(bad_kind_float, "xor: not defined for f32");
    RAISES(bad_bool, "neg: not defined for i1");
    RAISES(bad_arity, "add: not a map of 1 operands");
    RAISES(bad_where, "where: expected a condition of i1, found f32");
    RAISES(bad_bitcast, "bitcast: f32 and f64 differ in size");
    RAISES(bad_axis, "cumsum: axis 2 is out of range for rank 2");
    RAISES(bad_fold, "rany: not defined for f32");
    RAISES(bad_mask, "rsum: axis 2 is out of range for rank 2");
    RAISES(bad_arg, "argmax: expected one axis, found 2");
    RAISES(bad_order, "permute: the order is not a permutation of 2 axes");
    RAISES(bad_reshape, "reshape: [2, 384] and [5, 6] differ in number of elements");
    RAISES(bad_reshape_dim, "reshape: size -1 of axis 0 is negative");
    RAISES(bad_expand, "expand: [2, 384] cannot become [3, 384]: axis 0 differs");
    RAISES(bad_broadcast,
           "shapes [2, 384] and [512, 3] do not broadcast: axis 0 differs");
    RAISES(bad_slice, "slice: axis 0 of size 2 has no element 2");
    RAISES(bad_step, "slice: step 0 of axis 0 is not positive");
    RAISES(bad_pad, "pad: padding (-1, 0) of axis 0 is negative");
    RAISES(bad_window, "window: a window of 3 does not fit axis 0 of size 2");
    RAISES(bad_concat, "concat: size beside the axis: expected 384, found 3");
    RAISES(bad_gather, "gather: expected 2 index tensors, found 1");
    RAISES(bad_index, "gather: index: expected i64, found f32");
    RAISES(bad_scatter, "scatter: sizes of the updates differ: expected 2, found 512");
    RAISES(bad_squeeze, "squeeze: size of a dropped axis: expected 1, found 2");
    RAISES(bad_item, "item: expected an integer, found f32");
    RAISES(bad_global, "read: there is no global 3");
    RAISES(bad_result, "result: input has no numbered results");
    RAISES(bad_conv,
           "conv: a kernel of 5 does not fit the padded size 3 of spatial axis 0");
    RAISES(bad_groups, "conv: channels of the weight differ: expected 2, found 4");
    RAISES(bad_big_rank, "full: rank 17 is above the limit of 16");
    RAISES(bad_place,
           "model.py:12: aten.mm.default: dot: inner sizes differ: expected 384, "
           "found 512\nnote: in module layer.0.attn, function forward");
    RAISES(bad_column, "m.mlir:3:9: iota: axis 0 is out of range for rank 0");
}

int
main(void)
{
    RUN(sharing);
    RUN(effects);
    RUN(tables);
    RUN(large);
    RUN(maps);
    RUN(broadcasting);
    RUN(movement);
    RUN(contractions);
    RUN(copy);
    RUN(errors);
    return t_done();
}
