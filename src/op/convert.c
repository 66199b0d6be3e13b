/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * convert.c -- other dtypes, and copies. A graph has values only: where a tensor lives,
 * how it is laid out and whether it is a view or a copy make no difference.
 */
#include "op/body.h"

static tb_val
same(tb_opctx *c)
{
    return V(0);
}

/* The dtype is argument i, or None. */
static tb_val
to_dtype(tb_opctx *c, uint32_t i)
{
    tb_val x = V(0);

    return tb_cast(c->g, x, tb_body_dtype(c, i, tb_dtype_of(c->g, x)));
}

static tb_val
to_second(tb_opctx *c)
{
    return to_dtype(c, 1);
}

static tb_val
to_third(tb_opctx *c)
{
    return to_dtype(c, 2);
}

static tb_val
to_like(tb_opctx *c)
{
    return tb_cast(c->g, V(0), tb_dtype_of(c->g, V(1)));
}

#define CAST_TO(name, dtype)                                                             \
    static tb_val name(tb_opctx *c)                                                      \
    {                                                                                    \
        return tb_cast(c->g, V(0), dtype);                                               \
    }
CAST_TO(to_u8, TB_U8)
CAST_TO(to_i8, TB_I8)
CAST_TO(to_i16, TB_I16)
CAST_TO(to_i32, TB_I32)
CAST_TO(to_i64, TB_I64)
CAST_TO(to_f16, TB_F16)
CAST_TO(to_f32, TB_F32)
CAST_TO(to_f64, TB_F64)

/* Same bits; of another size the last axis grows or shrinks, which we lack. */
static tb_val
view_dtype(tb_opctx *c)
{
    tb_val x = V(0);
    tb_dtype from = tb_dtype_of(c->g, x), to = tb_body_dtype(c, 1, from);

    if (tb_dtype_bytes(from) != tb_dtype_bytes(to))
        tb_body_lacks(c, "%s viewed as %s, of another size", tb_dtype_name(from),
                      tb_dtype_name(to));
    return tb_bitcast(c->g, x, to);
}

/* What a copy into self leaves there: src, of the shape and dtype of self. */
static tb_val
copy(tb_opctx *c)
{
    tb_graph *g = c->g;

    return tb_expand_like(g, CAST(V(1), tb_dtype_of(g, V(0))), V(0));
}

/* ---- asserts, which are values of no interest ---- */

static tb_val
assert_true(tb_opctx *c)
{
    tb_graph *g = c->g;
    tb_val x = CAST(V(0), TB_BOOL);
    bool told = c->n_args > 1 && c->arg[1].kind == TB_ARG_STR;

    tb_assert_node(g, tb_reshape(g, x, 0, NULL),
                   told ? c->arg[1].s : TB_STR("assertion failed"));
    return TB_NO_VAL;
}

/* The same as a function: last argument and result keep its place among others. */
static tb_val
assert_true_then(tb_opctx *c)
{
    assert_true(c);
    return V(2);
}

static tb_val
second(tb_opctx *c)
{
    return V(c->n_args - 1);
}

static tb_val
token(tb_opctx *c)
{
    return tb_full_f(c->g, TB_F32, 0, NULL, 0);
}

/* dtype and device were checked while exporting */
static tb_val
nothing(tb_opctx *c)
{
    c->n_out = 0;
    return TB_NO_VAL;
}

const tb_op tb_ops_convert[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"_to_copy(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None, bool non_blocking=False, MemoryFormat? "
     "memory_format=None) -> Tensor",
     TB_KEEP, to_second},
    {"to.dtype(Tensor(a) self, ScalarType dtype, bool non_blocking=False, bool "
     "copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
     TB_KEEP, to_second},
    {"to.dtype_layout(Tensor(a) self, *, ScalarType? dtype=None, Layout? layout=None, "
     "Device? device=None, bool? pin_memory=None, bool non_blocking=False, bool "
     "copy=False, MemoryFormat? memory_format=None) -> Tensor(a)",
     TB_KEEP, to_second},
    {"to.device(Tensor(a) self, Device device, ScalarType dtype, bool "
     "non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> "
     "Tensor(a)",
     TB_KEEP, to_third},
    {"to.other(Tensor(a) self, Tensor other, bool non_blocking=False, bool copy=False, "
     "MemoryFormat? memory_format=None) -> Tensor(a)",
     TB_KEEP, to_like},
    {"type_as(Tensor self, Tensor other) -> Tensor",
     TB_KEEP, to_like},
    {"_cast_Byte(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_u8},
    {"_cast_Char(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_i8},
    {"_cast_Short(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_i16},
    {"_cast_Int(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_i32},
    {"_cast_Long(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_i64},
    {"_cast_Half(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_f16},
    {"_cast_Float(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_f32},
    {"_cast_Double(Tensor self, bool non_blocking=False) -> Tensor",
     TB_KEEP, to_f64},
    {"prims.convert_element_type(Tensor a, ScalarType dtype) -> Tensor",
     TB_KEEP, to_second},
    {"prims.device_put(Tensor a, Device device, bool non_blocking=False) -> Tensor",
     TB_KEEP, same},
    {"view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)",
     TB_KEEP, view_dtype},
    {"clone(Tensor self, *, MemoryFormat? memory_format=None) -> Tensor",
     TB_KEEP, same},
    {"alias(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"alias_copy(Tensor self) -> Tensor",
     TB_KEEP, same},
    {"detach(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"detach_copy(Tensor self) -> Tensor",
     TB_KEEP, same},
    {"contiguous(Tensor(a) self, *, MemoryFormat memory_format=0) -> Tensor(a)",
     TB_KEEP, same},
    {"lift(Tensor self) -> Tensor",
     TB_KEEP, same},
    {"lift_fresh(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"lift_fresh_copy(Tensor self) -> Tensor",
     TB_KEEP, same},
    {"resolve_conj(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"resolve_neg(Tensor(a) self) -> Tensor(a)",
     TB_KEEP, same},
    {"copy(Tensor self, Tensor src, bool non_blocking=False) -> Tensor",
     TB_KEEP, copy},
    {"_assert_async(Tensor self) -> ()",
     TB_KEEP, assert_true},
    {"_assert_async.msg(Tensor self, str assert_msg) -> ()",
     TB_KEEP, assert_true},
    {"_assert_scalar(Scalar self, str assert_msg) -> ()",
     TB_KEEP, assert_true},
    {"_assert_tensor_metadata(Tensor a, SymInt[]? size=None, SymInt[]? stride=None, "
     "ScalarType? dtype=None, *, Device? device=None, Layout? layout=None) -> ()",
     TB_KEEP, nothing},
    {"view_copy.dtype(Tensor self, ScalarType dtype) -> Tensor",
     TB_KEEP, view_dtype},
    {"_functional_assert_async.msg(Tensor self, str assert_msg, Tensor dep_token) -> "
     "Tensor",
     TB_KEEP, assert_true_then},
    {"_functional_sym_constrain_range(Scalar size, int? min, int? max, Tensor "
     "dep_token) -> Tensor",
     TB_KEEP, second},
    {"_functional_sym_constrain_range_for_size(Scalar size, int? min, int? max, Tensor "
     "dep_token) -> Tensor",
     TB_KEEP, second},
    {"_make_dep_token(*, ScalarType? dtype=None, Layout? layout=None, Device? "
     "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
     TB_KEEP, token},
    {"sym_constrain_range(Scalar size, *, int? min=None, int? max=None) -> ()",
     TB_KEEP, nothing},
    {"sym_constrain_range_for_size(Scalar size, *, int? min=None, int? max=None) -> ()",
     TB_KEEP, nothing},
    {0},
};
