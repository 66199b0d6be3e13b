/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * vm_test.c -- modules of IREE's virtual machine: each instruction against what it must give,
 * calls, imports, references, failures.
 *
 *     vm_test --seed FOLDER     writes the modules, for tests/fuzz/corpus/vm
 */
#include <math.h>

#include "t.h"
#include "vm_t.h"

/* Nobody else holds a counted object: what a test leaves behind shows here. */
static int live;
typedef struct thing {
    tb_vm_object base;
} thing;
static void
thing_destroy(tb_vm_object *o)
{
    live--;
    tb_heap_free(o);
}
static const tb_vm_type thing_type = {"test.thing", thing_destroy};

static tb_vm_object *
new_thing(void)
{
    thing *t = tb_heap(1, sizeof *t);
    tb_vm_object_init(&t->base, &thing_type);
    live++;
    return &t->base;
}

static bool
fine(tb_status st)
{
    if (st)
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    return !st;
}

static bool
fails_with(tb_status st, const char *what)
{
    bool found = st && strstr(tb_status_message(st), what);
    if (!found)
        printf("# '%s', not '%s'\n", tb_status_message(st), what);
    tb_status_free(st);
    return found;
}

/* ---- numbers ---- */
typedef struct row {
    uint32_t op;
    double a, b, c; /* floats; */
    int64_t i, j, k;  /*   integers: of the operand's kind */
    int64_t want;
    double want_float;
} row;
#define INT(op, i, j, k, want) {TB_OP_##op, 0, 0, 0, i, j, k, want, 0}
#define FLT(op, a, b, c, want) {TB_OP_##op, a, b, c, 0, 0, 0, 0, want}
#define CMP(op, a, b, want) {TB_OP_##op, a, b, 0, 0, 0, 0, want, 0}
#define I32_MIN (-2147483647 - 1)
#define I64_MIN INT64_MIN

static const row integer_rows[] = {
    INT(ADD_I32, 2147483647, 1, 0, I32_MIN),
    INT(SUB_I32, I32_MIN, 1, 0, 2147483647),
    INT(MUL_I32, 65536, 65537, 0, 65536),
    INT(DIV_I32_S, -7, 2, 0, -3),
    INT(DIV_I32_S, I32_MIN, -1, 0, I32_MIN),
    INT(DIV_I32_U, -2, 2, 0, 2147483647),
    INT(REM_I32_S, -7, 2, 0, -1),
    INT(REM_I32_S, I32_MIN, -1, 0, 0),
    INT(REM_I32_U, -1, 10, 0, 5),
    INT(FMA_I32, 3, 4, 5, 17),
    INT(ADD_I64, INT64_MAX, 1, 0, I64_MIN),
    INT(SUB_I64, 5, 7, 0, -2),
    INT(MUL_I64, 1ll << 40, 3, 0, 3ll << 40),
    INT(DIV_I64_S, -9, 4, 0, -2),
    INT(DIV_I64_S, I64_MIN, -1, 0, I64_MIN),
    INT(DIV_I64_U, -2, 2, 0, INT64_MAX),
    INT(REM_I64_S, -9, 4, 0, -1),
    INT(REM_I64_U, -1, 10, 0, 5),
    INT(FMA_I64, 1ll << 33, 2, 1, (1ll << 34) + 1),
    INT(NOT_I32, 5, 0, 0, -6),
    INT(AND_I32, 12, 10, 0, 8),
    INT(OR_I32, 12, 10, 0, 14),
    INT(XOR_I32, 12, 10, 0, 6),
    INT(NOT_I64, 5, 0, 0, -6),
    INT(AND_I64, 12, 10, 0, 8),
    INT(OR_I64, 12, 10, 0, 14),
    INT(XOR_I64, 12, 10, 0, 6),
    INT(SHL_I32, 1, 33, 0, 2),
    INT(SHR_I32_S, -8, 1, 0, -4),
    INT(SHR_I32_U, -8, 1, 0, 2147483644),
    INT(SHL_I64, 1, 65, 0, 2),
    INT(SHR_I64_S, -8, 1, 0, -4),
    INT(SHR_I64_U, -8, 1, 0, INT64_MAX - 3),
    INT(TRUNC_I32_I8, 0x1ff, 0, 0, 0xff),
    INT(TRUNC_I32_I16, 0x1ffff, 0, 0, 0xffff),
    INT(TRUNC_I64_I32, 0x1ffffffffll, 0, 0, -1),
    INT(EXT_I8_I32_S, 0xff, 0, 0, -1),
    INT(EXT_I8_I32_U, 0x1ff, 0, 0, 0xff),
    INT(EXT_I16_I32_S, 0xffff, 0, 0, -1),
    INT(EXT_I16_I32_U, 0x1ffff, 0, 0, 0xffff),
    INT(EXT_I32_I64_S, -1, 0, 0, -1),
    INT(EXT_I32_I64_U, -1, 0, 0, 0xffffffffll),
    INT(CMP_EQ_I32, 3, 3, 0, 1),
    INT(CMP_NE_I32, 3, 3, 0, 0),
    INT(CMP_LT_I32_S, -1, 0, 0, 1),
    INT(CMP_LT_I32_U, -1, 0, 0, 0),
    INT(CMP_NZ_I32, 7, 0, 0, 1),
    INT(CMP_EQ_I64, 3, 3, 0, 1),
    INT(CMP_NE_I64, 1ll << 32, 0, 0, 1),
    INT(CMP_LT_I64_S, -1, 0, 0, 1),
    INT(CMP_LT_I64_U, -1, 0, 0, 0),
    INT(CMP_NZ_I64, 1ll << 32, 0, 0, 1),
    INT(CTLZ_I32, 1, 0, 0, 31),
    INT(CTLZ_I32, 0, 0, 0, 32),
    INT(CTLZ_I64, 1, 0, 0, 63),
    INT(CTLZ_I64, 0, 0, 0, 64),
    INT(ABS_I32, -5, 0, 0, 5),
    INT(ABS_I32, I32_MIN, 0, 0, I32_MIN),
    INT(ABS_I64, -5, 0, 0, 5),
    INT(MIN_I32_S, -1, 2, 0, -1),
    INT(MIN_I32_U, -1, 2, 0, 2),
    INT(MAX_I32_S, -1, 2, 0, 2),
    INT(MAX_I32_U, -1, 2, 0, -1),
    INT(MIN_I64_S, -1, 2, 0, -1),
    INT(MIN_I64_U, -1, 2, 0, 2),
    INT(MAX_I64_S, -1, 2, 0, 2),
    INT(MAX_I64_U, -1, 2, 0, -1),
    INT(SELECT_I32, 1, 5, 6, 5),
    INT(SELECT_I32, 0, 5, 6, 6),
    INT(SELECT_I64, 0, 5, 1ll << 40, 1ll << 40),
};

/* Both widths: expectations are exact in either, or of the width's own function. */
#define FLOAT_ROWS(W, s)                                                                 \
    FLT(ADD_F##W, 1.5, 2.25, 0, 3.75), FLT(SUB_F##W, 1.5, 2.25, 0, -0.75),               \
    FLT(MUL_F##W, 1.5, 2.5, 0, 3.75), FLT(DIV_F##W, 1, 8, 0, 0.125),                     \
    FLT(REM_F##W, 7, 4, 0, -1), FLT(FMA_F##W, 2, 3, 0.5, 6.5),                           \
    FLT(ABS_F##W, -2, 0, 0, 2), FLT(NEG_F##W, -2, 0, 0, 2),                              \
    FLT(CEIL_F##W, 1.25, 0, 0, 2), FLT(FLOOR_F##W, -1.25, 0, 0, -2),                     \
    FLT(ROUND_F##W, 2.5, 0, 0, 3), FLT(ROUND_F##W##_EVEN, 2.5, 0, 0, 2),                 \
    FLT(ROUND_F##W##_EVEN, -3.5, 0, 0, -4), FLT(ROUND_F##W##_EVEN, 2.75, 0, 0, 3),       \
    FLT(MIN_F##W, 1, 2, 0, 1), FLT(MAX_F##W, 1, 2, 0, 2),                                \
    FLT(ATAN_F##W, 0.5, 0, 0, (double)atan##s(0.5)),                                     \
    FLT(ATAN2_F##W, 0.5, 2, 0, (double)atan2##s(0.5, 2)),                                \
    FLT(COS_F##W, 0.5, 0, 0, (double)cos##s(0.5)),                                       \
    FLT(SIN_F##W, 0.5, 0, 0, (double)sin##s(0.5)),                                       \
    FLT(EXP_F##W, 0.5, 0, 0, (double)exp##s(0.5)), FLT(EXP2_F##W, 3, 0, 0, 8),           \
    FLT(EXPM1_F##W, 0.5, 0, 0, (double)expm1##s(0.5)),                                   \
    FLT(LOG_F##W, 0.5, 0, 0, (double)log##s(0.5)), FLT(LOG10_F##W, 1000, 0, 0, 3),       \
    FLT(LOG1P_F##W, 0.5, 0, 0, (double)log1p##s(0.5)), FLT(LOG2_F##W, 8, 0, 0, 3),       \
    FLT(POW_F##W, 2, 10, 0, 1024), FLT(RSQRT_F##W, 4, 0, 0, 0.5),                        \
    FLT(SQRT_F##W, 9, 0, 0, 3), FLT(TANH_F##W, 0.5, 0, 0, (double)tanh##s(0.5)),         \
    FLT(ERF_F##W, 0.5, 0, 0, (double)erf##s(0.5)), CMP(CMP_EQ_F##W##_O, 1, 1, 1),        \
    CMP(CMP_EQ_F##W##_O, NAN, 1, 0), CMP(CMP_EQ_F##W##_U, NAN, 1, 1),                    \
    CMP(CMP_NE_F##W##_O, 1, 2, 1), CMP(CMP_NE_F##W##_U, NAN, 1, 1),                      \
    CMP(CMP_NE_F##W##_U, 1, 1, 0), CMP(CMP_LT_F##W##_O, 1, 2, 1),                        \
    CMP(CMP_LT_F##W##_O, NAN, 2, 0), CMP(CMP_LT_F##W##_U, NAN, 2, 1),                    \
    CMP(CMP_LT_F##W##_U, 3, 2, 0), CMP(CMP_LTE_F##W##_O, 2, 2, 1),                       \
    CMP(CMP_LTE_F##W##_U, 3, 2, 0), CMP(CMP_LTE_F##W##_U, NAN, 2, 1),                    \
    CMP(CMP_NAN_F##W, NAN, 0, 1), CMP(CMP_NAN_F##W, 1, 0, 0),                            \
    {TB_OP_SELECT_F##W, 0, 1.5, 2.5, 1, 0, 0, 0, 1.5},                                   \
    {TB_OP_SELECT_F##W, 0, 1.5, 2.5, 0, 0, 0, 0, 2.5},                                   \
    {TB_OP_CAST_SI32_F##W, 0, 0, 0, -3, 0, 0, 0, -3},                                    \
    {TB_OP_CAST_UI32_F##W, 0, 0, 0, -1, 0, 0, 0, (double)(s##_width)4294967295u},        \
    {TB_OP_CAST_SI64_F##W, 0, 0, 0, -(1ll << 40), 0, 0, 0, -0x1p40},                     \
    {TB_OP_CAST_UI64_F##W, 0, 0, 0, I64_MIN, 0, 0, 0, 0x1p63},                           \
    CMP(CAST_F##W##_SI32, 2.5, 0, 3), CMP(CAST_F##W##_SI32, -2.5, 0, -3),                \
    CMP(CAST_F##W##_UI32, 4294901760.0, 0, -65536),                                      \
    CMP(CAST_F##W##_SI64, -0x1p40, 0, -(1ll << 40)),                                     \
    CMP(CAST_F##W##_UI64, 0x1p63, 0, I64_MIN)
typedef float f_width;
typedef double _width;

static const char *
operands_of(uint32_t op)
{
    return tb_vm_instruction_of(op)->operands;
}

static tb_vm_value
argument(const row *r, char kind, uint32_t k)
{
    const double floats[] = {r->a, r->b, r->c};
    const int64_t ints[] = {r->i, r->j, r->k};
    tb_vm_value v = {0};

    if (kind == 'i')
        v.i32 = (int32_t)ints[k];
    else if (kind == 'I')
        v.i64 = ints[k];
    else if (kind == 'f')
        v.f32 = (float)floats[k];
    else
        v.f64 = floats[k];
    return v;
}

/* A function that has the operands as arguments and gives the result. */
static tb_status
run_row(const row *r, tb_vm_value *out, char *kind)
{
    t_vm t;
    char cconv[16] = "0";
    tb_vm_value args[3] = {{0}};
    uint64_t operand[4] = {0};
    uint32_t n = 0, at = 0;
    const char *o = operands_of(r->op);
    tb_vm_module *m;
    tb_vm_state *s;

    for (; *o != '>'; o++, n++) {
        uint32_t wide = *o == 'I' || *o == 'F' ? 2 : 1;
        at = TB_ALIGN_UP(at, wide);
        operand[n] = at;
        at += wide;
        cconv[1 + n] = *o;
        args[n] = argument(r, *o, n);
    }
    *kind = o[1];
    operand[n] = TB_ALIGN_UP(at, 2);
    cconv[1 + n] = '_';
    cconv[2 + n] = *kind;
    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", cconv);
    f->n_i32 = (uint32_t)operand[n] + 2;
    t_vm_emit(f, r->op, operand);
    RETURN(f, (uint16_t)operand[n]);
    tb_status st = t_vm_load(&t, &m);
    if (!st)
        st = tb_vm_state_create(m, NULL, &s);
    if (!st) {
        st = tb_vm_invoke(s, 0, args, n, out, 1);
        tb_vm_state_destroy(s);
    }
    tb_vm_module_release(m);
    tb_arena_reset(&t.a);
    return st;
}

static bool seen[TB_VM_OPS];

static void
check_rows(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tb_vm_value v;
        char kind;
        int before = t_faults;
        seen[rows[i].op] = true;
        if (!CHECK(fine(run_row(&rows[i], &v, &kind))))
            continue;
        if (kind == 'i')
            EQ_INT(v.i32, rows[i].want);
        else if (kind == 'I')
            EQ_INT(v.i64, rows[i].want);
        else if (kind == 'f')
            CHECK(v.f32 == (float)rows[i].want_float);
        else
            CHECK(v.f64 == rows[i].want_float);
        if (t_faults != before)
            printf("# %s, row %zu\n", tb_vm_instruction_of(rows[i].op)->mnemonic, i);
    }
}

static void
numbers(void)
{
    const row floats[] = {
        FLOAT_ROWS(32, f), FLOAT_ROWS(64, ),
        {TB_OP_BITCAST_I32_F32, 0, 0, 0, 0x40490fdb, 0, 0, 0, 0x1.921fb6p+1},
        CMP(BITCAST_F32_I32, 1, 0, 0x3f800000),
        FLT(TRUNC_F64_F32, 0.1, 0, 0, (double)0.1f),
        FLT(EXT_F32_F64, 0.1, 0, 0, (double)0.1f),
        {TB_OP_BITCAST_I64_F64, 0, 0, 0, 0x3ff0000000000000, 0, 0, 0, 1},
        CMP(BITCAST_F64_I64, 1, 0, 0x3ff0000000000000)};
    check_rows(integer_rows, TB_COUNT(integer_rows));
    check_rows(floats, TB_COUNT(floats));
    /* All that compute from registers alone. */
    for (uint32_t op = 0; op < TB_VM_OPS; op++) {
        const char *o = operands_of(op);
        if (o && *o != '>' && strspn(o, "iIfF>") == strlen(o) && strchr(o, '>') &&
            !strstr(tb_vm_instruction_of(op)->mnemonic, "global") && !CHECK(seen[op]))
            printf("# %s\n", tb_vm_instruction_of(op)->mnemonic);
    }
}

static void
division_by_zero(void)
{
    static const uint32_t ops[] = {TB_OP_DIV_I32_S, TB_OP_DIV_I32_U, TB_OP_REM_I32_S,
                                   TB_OP_REM_I32_U, TB_OP_DIV_I64_S, TB_OP_DIV_I64_U,
                                   TB_OP_REM_I64_S, TB_OP_REM_I64_U};
    for (size_t i = 0; i < TB_COUNT(ops); i++) {
        tb_vm_value v;
        char kind;
        CHECK(fails_with(run_row(&(row){.op = ops[i], .i = 5}, &v, &kind),
                         "test.f: a division by zero"));
    }
}

/* ---- whole functions ---- */
static const char *seed_folder;
static int n_seeds;

static void
keep_seed(const t_vm *t)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%02d", seed_folder, n_seeds++);
    CHECK(fine(tb_file_write(path, t->out.bytes, t->out.n)));
}

/* Loads, starts with a library, calls export 0. */
static tb_status
run_with(t_vm *t, const tb_vm_options *o, const tb_vm_value *args, uint32_t n,
         tb_vm_value *results, uint32_t n_results)
{
    tb_vm_module *m;
    tb_vm_state *s = NULL;
    tb_status st = t_vm_load(t, &m);

    if (seed_folder)
        keep_seed(t);
    if (!st)
        st = tb_vm_state_create(m, o, &s);
    if (!st)
        st = tb_vm_invoke(s, 0, args, n, results, n_results);
    tb_vm_state_destroy(s);
    tb_vm_module_release(m);
    tb_arena_reset(&t->a);
    return st;
}

static const tb_vm_type *const types[] = {&thing_type};
static const tb_vm_library things = {.name = "things", .types = types, .n_types = 1};
static const tb_vm_options with_things = {.libraries = &things, .n_libraries = 1};
#define REF(k) (TB_VM_REF_BIT | (k))
#define MOVE(k) (TB_VM_REF_BIT | TB_VM_MOVE_BIT | (k))

static void
globals_and_constants(void)
{
    t_vm t;
    tb_vm_value r[6];

    t_vm_begin(&t);
    t.m.global_bytes = 24;
    tb_asm_fn *f = t_vm_fn(&t, "f", "0v_iIfFiI");
    f->n_i32 = 16;
    EMIT(f, CONST_I32, 0xfffffffe, 0);
    EMIT(f, GLOBAL_STORE_I32, 4, 0);
    EMIT(f, CONST_I64, 1ull << 40, 2);
    EMIT(f, GLOBAL_STORE_I64, 8, 2);
    EMIT(f, CONST_F32, 0x3fc00000, 4);
    EMIT(f, GLOBAL_STORE_F32, 16, 4);
    EMIT(f, GLOBAL_LOAD_I32, 4, 1);
    EMIT(f, GLOBAL_LOAD_I64, 8, 6);
    EMIT(f, CONST_I32, 16, 5);
    EMIT(f, GLOBAL_LOAD_INDIRECT_F32, 5, 8);
    EMIT(f, CONST_F64, 0x4004000000000000, 10);
    EMIT(f, GLOBAL_STORE_INDIRECT_F64, 5, 10);
    EMIT(f, GLOBAL_LOAD_F64, 16, 12);
    EMIT(f, CONST_I32_ZERO, 5);
    EMIT(f, GLOBAL_STORE_INDIRECT_I32, 5, 1);
    EMIT(f, GLOBAL_LOAD_INDIRECT_I32, 5, 9);
    EMIT(f, CONST_I64_ZERO, 14);
    EMIT(f, GLOBAL_STORE_INDIRECT_I64, 5, 14);
    EMIT(f, GLOBAL_LOAD_INDIRECT_I64, 5, 14);
    EMIT(f, CONST_F32_ZERO, 5);
    EMIT(f, GLOBAL_STORE_INDIRECT_F32, 5, 5);
    EMIT(f, CONST_F64_ZERO, 2);
    EMIT(f, GLOBAL_STORE_F64, 8, 2);
    EMIT(f, GLOBAL_LOAD_F32, 16, 4);
    EMIT(f, CONST_I32, 8, 5);
    EMIT(f, GLOBAL_LOAD_INDIRECT_F64, 5, 2);
    RETURN(f, 1, 6, 8, 12, 9, 14);
    CHECK(fine(run_with(&t, NULL, NULL, 0, r, 6)));
    EQ_INT(r[0].i32, -2);
    EQ_INT(r[1].i64, 1ll << 40);
    CHECK(r[2].f32 == 1.5f);
    CHECK(r[3].f64 == 2.5);
    EQ_INT(r[4].i32, -2);
    EQ_INT(r[5].i64, 0);

    t_vm_begin(&t);
    t.m.global_bytes = 8;
    f = t_vm_fn(&t, "f", "0i_i");
    EMIT(f, GLOBAL_LOAD_INDIRECT_I32, 0, 0);
    RETURN(f, 0);
    CHECK(fails_with(run_with(&t, NULL, &(tb_vm_value){.i32 = 5}, 1, r, 1),
                     "a global at 5 of 8 bytes"));
}

static void
references(void)
{
    t_vm t;
    tb_vm_value r[4], args[2] = {{.ref = new_thing()}, {.ref = new_thing()}};

    t_vm_begin(&t);
    t.m.n_ref_globals = 2;
    uint32_t type = tb_asm_type(&t.m, "!test.thing"), buffer = tb_asm_type(&t.m, "!vm.buffer");
    tb_asm_fn *f = t_vm_fn(&t, "f", "0rr_rriii");
    f->cconv = tb_str_c("0rr_rrii");
    f->n_ref = 8;
    f->n_i32 = 4;
    EMIT(f, GLOBAL_STORE_REF, 1, type, REF(0));
    EMIT(f, CONST_I32, 1, 0);
    EMIT(f, GLOBAL_LOAD_INDIRECT_REF, 0, type, REF(2));
    EMIT(f, CMP_EQ_REF, REF(0), MOVE(2), 1);
    EMIT(f, CMP_NZ_REF, REF(2), 2); /* it was given away */
    EMIT(f, ASSIGN_REF, REF(1), REF(3));
    EMIT(f, SELECT_REF, 0, type, REF(3), REF(0), REF(4));
    EMIT(f, CAST_ANY_REF, MOVE(3), type, REF(5));
    EMIT(f, CMP_NE_REF, REF(4), REF(5), 3);
    EMIT(f, CONST_I32_ZERO, 0);
    EMIT(f, GLOBAL_STORE_INDIRECT_REF, 0, type, MOVE(5));
    EMIT(f, GLOBAL_LOAD_REF, 0, type, REF(6));
    t_vm_op(f, TB_OP_SWITCH_REF);
    t_vm_byte(f, 1, 2);
    t_vm_byte(f, type, 4);
    t_vm_byte(f, REF(0), 2);
    t_vm_list(f, (uint16_t[]){REF(0), REF(6)}, 2);
    t_vm_byte(f, REF(7), 2);
    EMIT(f, CONST_REF_ZERO, REF(4));
    t_vm_op(f, TB_OP_DISCARD_REFS);
    t_vm_list(f, (uint16_t[]){REF(0), REF(4)}, 2);
    RETURN(f, REF(6), MOVE(7), 1, 2);
    (void)buffer;
    CHECK(fine(run_with(&t, &with_things, args, 2, r, 4)));
    CHECK(r[0].ref == args[1].ref && r[1].ref == args[1].ref);
    EQ_INT(r[2].i32, 1);
    EQ_INT(r[3].i32, 0);
    tb_vm_release(r[0].ref);
    tb_vm_release(r[1].ref);
    EQ_INT(atomic_load(&args[0].ref->refs), 1);
    EQ_INT(atomic_load(&args[1].ref->refs), 1);

    /* A thing is no buffer; on failure nothing is kept. */
    t_vm_begin(&t);
    t.m.n_ref_globals = 1;
    buffer = tb_asm_type(&t.m, "!vm.buffer");
    f = t_vm_fn(&t, "f", "0r_v");
    EMIT(f, GLOBAL_STORE_REF, 0, buffer, REF(0));
    RETURN(f);
    CHECK(fails_with(run_with(&t, &with_things, args, 1, NULL, 0),
                     "a reference to a test.thing where a vm.buffer must be"));
    EQ_INT(atomic_load(&args[0].ref->refs), 1);
    tb_vm_release(args[0].ref);
    tb_vm_release(args[1].ref);
    EQ_INT(live, 0);
}

static void
buffers(void)
{
    t_vm t;
    tb_vm_value r[8];
    static const uint8_t bytes[] = {0xfe, 0xff, 3, 4, 5, 6, 7, 8};

    t_vm_begin(&t);
    uint32_t rodata = tb_asm_bytes(&t.m, bytes, sizeof bytes);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0v_iiiiIIIi");
    f->n_ref = 4;
    f->n_i32 = 40;
    EMIT(f, CONST_REF_RODATA, rodata, REF(0));
    EMIT(f, CONST_I64_ZERO, 0);
    EMIT(f, BUFFER_LOAD_I8_U, REF(0), 0, 10);
    EMIT(f, BUFFER_LOAD_I8_S, REF(0), 0, 11);
    EMIT(f, BUFFER_LOAD_I16_U, REF(0), 0, 12);
    EMIT(f, BUFFER_LOAD_I16_S, REF(0), 0, 13);
    EMIT(f, BUFFER_LOAD_I64, REF(0), 0, 14);
    EMIT(f, CONST_I64, 4, 2);
    EMIT(f, CONST_I32, 64, 4);
    EMIT(f, BUFFER_CLONE, REF(0), 2, 2, 4, REF(1)); /* 5 6 7 8 */
    EMIT(f, BUFFER_LENGTH, REF(1), 16);
    EMIT(f, BUFFER_COMPARE, REF(0), 2, REF(1), 0, 2, 18);
    EMIT(f, CONST_I64, 24, 6);
    EMIT(f, BUFFER_ALLOC, 6, 4, REF(2));
    EMIT(f, CONST_I32, 0x11223344, 5);
    EMIT(f, CONST_I64, 1, 8);
    EMIT(f, BUFFER_STORE_I8, REF(2), 8, 5);   /* byte 1: 44 */
    EMIT(f, BUFFER_STORE_I16, REF(2), 8, 5);  /* bytes 2, 3: 44 33 */
    EMIT(f, BUFFER_STORE_I32, REF(2), 8, 5);  /* bytes 4 to 7 */
    EMIT(f, BUFFER_LOAD_I64, REF(2), 0, 20);
    EMIT(f, BUFFER_STORE_I64, REF(2), 8, 20); /* bytes 8 to 15 */
    EMIT(f, CONST_I64, 2, 24);
    EMIT(f, BUFFER_COPY, REF(2), 0, REF(2), 6, 0); /* nothing */
    EMIT(f, CONST_I64, 16, 26);
    EMIT(f, BUFFER_COPY, REF(2), 24, REF(2), 26, 24); /* 44 33 to 16 */
    EMIT(f, BUFFER_LOAD_I64, REF(2), 24, 22);
    EMIT(f, BUFFER_FILL_I8, REF(2), 8, 8, 4);   /* byte 1: 64 */
    EMIT(f, BUFFER_FILL_I16, REF(2), 8, 8, 4);  /* bytes 2, 3 */
    EMIT(f, BUFFER_FILL_I32, REF(2), 24, 24, 4); /* bytes 8 to 15 */
    EMIT(f, BUFFER_FILL_I64, REF(2), 24, 8, 2);  /* bytes 16 to 23: 4 */
    EMIT(f, BUFFER_FILL_F32, REF(2), 0, 8, 30);  /* bytes 0 to 3: 0 */
    EMIT(f, CONST_F64, 0x3ff0000000000000, 32);
    EMIT(f, BUFFER_STORE_F64, REF(2), 0, 32);
    EMIT(f, BUFFER_FILL_F64, REF(2), 0, 8, 32);
    EMIT(f, BUFFER_LOAD_F64, REF(2), 0, 34);
    EMIT(f, BUFFER_STORE_F32, REF(2), 24, 30);
    EMIT(f, BUFFER_LOAD_F32, REF(2), 24, 30);
    EMIT(f, BUFFER_LOAD_I32, REF(2), 8, 19);
    RETURN(f, 10, 11, 12, 13, 20, 22, 34, 18);
    CHECK(fine(run_with(&t, NULL, NULL, 0, r, 8)));
    EQ_INT(r[0].i32, 0xfe);
    EQ_INT(r[1].i32, -2);
    EQ_INT(r[2].i32, 0xfffe);
    EQ_INT(r[3].i32, -2);
    EQ_INT(r[4].i64, 0x1122334433444400);
    EQ_INT(r[5].i64, 0x3344);
    EQ_INT(r[6].i64, 0x3ff0000000000000);
    EQ_INT(r[7].i32, 1);
}

/* What IREE's machine gives for the bytes 0, 1, 2 ... */
static void
hashes(void)
{
    static const struct {
        int64_t at, n, want;
    } cases[] = {{0, 0, 8246050544436514353},  {0, 1, 8428550223375919101},
                 {0, 8, -7785046478206851998}, {0, 15, -6833708440360172059},
                 {1, 16, 228283538390650373},  {0, 32, 8153574914611379406}};
    uint8_t bytes[32];
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    for (size_t i = 0; i < TB_COUNT(cases); i++) {
        t_vm t;
        tb_vm_value r, args[] = {{.i64 = cases[i].at}, {.i64 = cases[i].n}};
        t_vm_begin(&t);
        uint32_t rodata = tb_asm_bytes(&t.m, bytes, sizeof bytes);
        tb_asm_fn *f = t_vm_fn(&t, "f", "0II_I");
        f->n_ref = 1;
        EMIT(f, CONST_REF_RODATA, rodata, REF(0));
        EMIT(f, BUFFER_HASH, REF(0), 0, 2, 2);
        RETURN(f, 2);
        CHECK(fine(run_with(&t, NULL, args, 2, &r, 1)));
        EQ_INT(r.i64, cases[i].want);
    }
}

static void
bad_buffers(void)
{
    static const struct {
        uint64_t at;
        bool write, null;
        const char *what;
    } cases[] = {{2, false, false, "elements [2, +1) of 4 bytes of a buffer of 8 bytes"},
                 {UINT64_MAX, false, false, "of a buffer of 8 bytes"},
                 {UINT64_MAX / 4 + 1, false, false, "of a buffer of 8 bytes"},
                 {0, true, false, "a constant is written to"},
                 {0, false, true, "a buffer is needed, not null"}};
    for (size_t i = 0; i < TB_COUNT(cases); i++) {
        t_vm t;
        t_vm_begin(&t);
        uint32_t rodata = tb_asm_bytes(&t.m, "12345678", 8);
        tb_asm_fn *f = t_vm_fn(&t, "f", "0I_v");
        f->n_ref = 1;
        f->n_i32 = 4;
        if (!cases[i].null)
            EMIT(f, CONST_REF_RODATA, rodata, REF(0));
        if (cases[i].write)
            EMIT(f, BUFFER_STORE_I32, REF(0), 0, 2);
        else
            EMIT(f, BUFFER_LOAD_I32, REF(0), 0, 2);
        RETURN(f);
        CHECK(fails_with(run_with(&t, NULL, &(tb_vm_value){.i64 = (int64_t)cases[i].at}, 1,
                                  NULL, 0),
                         cases[i].what));
    }
    t_vm t;
    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0I_v");
    f->n_ref = 1;
    f->n_i32 = 4;
    EMIT(f, BUFFER_ALLOC, 0, 2, REF(0));
    RETURN(f);
    CHECK(fails_with(run_with(&t, &(tb_vm_options){.max_bytes = 100},
                              &(tb_vm_value){.i64 = 101}, 1, NULL, 0),
                     "more than 100 bytes"));
}

static void
lists(void)
{
    t_vm t;
    tb_vm_value r[7], thing_arg = {.ref = new_thing()};

    t_vm_begin(&t);
    uint32_t any = tb_asm_type(&t.m, "!vm.opaque"), i8 = tb_asm_type(&t.m, "i8"),
             type = tb_asm_type(&t.m, "!test.thing"), buffer = tb_asm_type(&t.m, "!vm.buffer");
    tb_asm_fn *f = t_vm_fn(&t, "f", "0r_iIfFiri");
    f->n_ref = 5;
    f->n_i32 = 24;
    EMIT(f, CONST_I32, 4, 0);
    EMIT(f, LIST_ALLOC, any, 0, REF(1));
    EMIT(f, LIST_RESERVE, REF(1), 0);
    EMIT(f, LIST_RESIZE, REF(1), 0);
    EMIT(f, CONST_I32, 300, 1);
    EMIT(f, CONST_I32, 1, 2);
    EMIT(f, CONST_I32, 2, 3);
    EMIT(f, CONST_I32, 3, 4);
    EMIT(f, CONST_I32_ZERO, 5);
    EMIT(f, CONST_I64, (uint64_t)-7, 6);
    EMIT(f, CONST_F32, 0x3fc00000, 8);
    EMIT(f, CONST_F64, 0x4004000000000000, 10);
    EMIT(f, LIST_SET_I64, REF(1), 5, 6);
    EMIT(f, LIST_SET_F32, REF(1), 2, 8);
    EMIT(f, LIST_SET_F64, REF(1), 3, 10);
    EMIT(f, LIST_SET_REF, REF(1), 4, REF(0));
    EMIT(f, LIST_GET_I32, REF(1), 5, 12);
    EMIT(f, LIST_GET_F32, REF(1), 3, 13);
    EMIT(f, LIST_GET_F64, REF(1), 2, 14);
    EMIT(f, LIST_GET_I64, REF(1), 3, 16);
    EMIT(f, LIST_GET_REF, REF(1), 4, type, REF(2));
    EMIT(f, LIST_GET_REF, REF(1), 4, buffer, REF(3)); /* it is none */
    EMIT(f, CMP_NZ_REF, REF(3), 18);
    EMIT(f, LIST_ALLOC, i8, 0, REF(4));
    EMIT(f, LIST_RESIZE, REF(4), 0);
    EMIT(f, LIST_SET_I32, REF(4), 3, 1);
    EMIT(f, LIST_GET_I32, REF(4), 3, 19); /* 300 as an i8 */
    EMIT(f, LIST_SIZE, MOVE(4), 20);
    EMIT(f, ADD_I32, 20, 18, 20);
    RETURN(f, 12, 16, 13, 14, 19, MOVE(2), 20);
    CHECK(fine(run_with(&t, &with_things, &thing_arg, 1, r, 7)));
    EQ_INT(r[0].i32, -7);
    EQ_INT(r[1].i64, 2);
    CHECK(r[2].f32 == 2.5f);
    CHECK(r[3].f64 == 1.5);
    EQ_INT(r[4].i32, 44);
    CHECK(r[5].ref == thing_arg.ref);
    EQ_INT(r[6].i32, 4);
    tb_vm_release(r[5].ref);
    tb_vm_release(thing_arg.ref);
    EQ_INT(live, 0);
}

static void
lists_of_lists(void)
{
    tb_vm_list *a = tb_vm_list_create(TB_VM_ANY, NULL), *outer = a;
    /* A long chain goes without a long stack. */
    for (int i = 0; i < 200000; i++) {
        tb_vm_list *b = tb_vm_list_create(TB_VM_ANY, NULL);
        CHECK(fine(tb_vm_list_push(a, TB_VM_OBJECT, (tb_vm_value){.ref = &b->base})));
        tb_vm_release(&b->base);
        a = b;
    }
    CHECK(fails_with(tb_vm_list_push(a, TB_VM_OBJECT, (tb_vm_value){.ref = &outer->base}),
                     "nested too deep"));
    CHECK(fails_with(tb_vm_list_push(a, TB_VM_OBJECT, (tb_vm_value){.ref = &a->base}),
                     "within itself"));
    EQ_INT(a->n, 0);
    tb_vm_release(&outer->base);
    tb_vm_list *typed = tb_vm_list_create(TB_VM_OBJECT, &tb_vm_buffer_type);
    tb_vm_object *o = new_thing();
    CHECK(fails_with(tb_vm_list_push(typed, TB_VM_OBJECT, (tb_vm_value){.ref = o}),
                     "a list of vm.buffer is given a test.thing"));
    CHECK(fails_with(tb_vm_list_push(typed, TB_VM_I32, (tb_vm_value){0}),
                     "a list of references is given a number"));
    tb_vm_release(o);
    tb_vm_release(&typed->base);
    EQ_INT(live, 0);
}

/* sum(i for i in range(n)), with the sum in a 64-bit register as two halves of a jump. */
static void
loops_and_tables(void)
{
    t_vm t;
    tb_vm_value r[2];

    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0I_I");
    f->n_i32 = 12; /* 0 n, 2 i, 4 sum, 6 one, 8 condition, 10 next sum */
    uint32_t loop = tb_asm_label(f), body = tb_asm_label(f), end = tb_asm_label(f);
    EMIT(f, CONST_I64_ZERO, 2);
    EMIT(f, CONST_I64_ZERO, 4);
    EMIT(f, CONST_I64, 1, 6);
    tb_asm_place(f, loop);
    EMIT(f, CMP_LT_I64_S, 2, 0, 8);
    tb_asm_branch(f, 8, body, end);
    tb_asm_place(f, body);
    EMIT(f, ADD_I64, 4, 2, 10);
    EMIT(f, ADD_I64, 2, 6, 2);
    t_vm_op(f, TB_OP_YIELD);
    TB_PUSH(f->m->a, &f->fixups, ((tb_asm_fixup){f->code.n, loop}));
    t_vm_byte(f, 0, 4);
    if (f->code.n % 2)
        t_vm_byte(f, 0, 1);
    t_vm_byte(f, 2, 2);
    t_vm_byte(f, 10 | 4 << 16, 4);
    t_vm_byte(f, 11 | 5 << 16, 4);
    f->open = false;
    tb_asm_place(f, end);
    RETURN(f, 4);
    CHECK(fine(run_with(&t, NULL, &(tb_vm_value){.i64 = 100000}, 1, r, 1)));
    EQ_INT(r[0].i64, 4999950000);

    for (int which = -1; which < 3; which++) {
        t_vm_begin(&t);
        f = t_vm_fn(&t, "f", "0i_i");
        f->n_i32 = 8;
        uint32_t to[3] = {tb_asm_label(f), tb_asm_label(f), tb_asm_label(f)};
        EMIT(f, CONST_I32, 7, 1);
        EMIT(f, CONST_I32, 8, 2);
        t_vm_op(f, TB_OP_SWITCH_I32);
        t_vm_byte(f, 0, 2);
        t_vm_byte(f, 0, 2);
        t_vm_list(f, (uint16_t[]){1, 2}, 2);
        t_vm_byte(f, 3, 2);
        t_vm_op(f, TB_OP_BR_TABLE);
        t_vm_byte(f, 0, 2);
        for (int k = 0; k < 3; k++) {
            TB_PUSH(f->m->a, &f->fixups, ((tb_asm_fixup){f->code.n, to[k]}));
            t_vm_byte(f, 0, 4);
            t_vm_list(f, NULL, 0);
            if (k == 0)
                t_vm_byte(f, 2, 2);
        }
        f->open = false;
        for (int k = 0; k < 3; k++) {
            tb_asm_place(f, to[k]);
            EMIT(f, CONST_I32, 100u * (unsigned)k, 4);
            EMIT(f, ADD_I32, 3, 4, 3);
            t_vm_op(f, TB_OP_RETURN);
            t_vm_list(f, (uint16_t[]){3}, 1);
            f->open = false;
        }
        tb_asm_fn_end(f);
        CHECK(fine(run_with(&t, NULL, &(tb_vm_value){.i32 = which}, 1, r, 1)));
        static const int want[] = {-1, 107, 208, 2};
        EQ_INT(r[0].i32, want[which + 1]);
    }
}

static void
call_op(tb_asm_fn *f, uint32_t op, uint32_t callee, const uint16_t *args, uint32_t n,
        const uint16_t *results, uint32_t n_results)
{
    t_vm_op(f, op);
    t_vm_byte(f, callee, 4);
    t_vm_list(f, args, n);
    t_vm_list(f, results, n_results);
}

/* Fibonacci by calls of itself: i32 and i64 arguments, so that one is aligned. */
static void
own_calls(void)
{
    t_vm t;
    tb_vm_value r[2], args[] = {{.i32 = 15}, {.i64 = 1ll << 40}};

    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0iI_Ii"); /* registers 0, 2 */
    f->n_i32 = 20;
    uint32_t more = tb_asm_label(f), end = tb_asm_label(f);
    EMIT(f, CONST_I32, 2, 4);
    EMIT(f, CMP_LT_I32_S, 0, 4, 5);
    tb_asm_branch(f, 5, end, more);
    tb_asm_place(f, more);
    EMIT(f, CONST_I32, 1, 6);
    EMIT(f, SUB_I32, 0, 6, 7);
    call_op(f, TB_OP_CALL, 0, (uint16_t[]){7, 2}, 2, (uint16_t[]){8, 10}, 2);
    EMIT(f, SUB_I32, 0, 4, 7);
    call_op(f, TB_OP_CALL, 0, (uint16_t[]){7, 2}, 2, (uint16_t[]){12, 14}, 2);
    EMIT(f, ADD_I64, 8, 12, 8);
    EMIT(f, ADD_I32, 10, 14, 10);
    t_vm_op(f, TB_OP_RETURN);
    t_vm_list(f, (uint16_t[]){8, 10}, 2);
    f->open = false;
    tb_asm_place(f, end);
    RETURN(f, 2, 0);
    CHECK(fine(run_with(&t, NULL, args, 2, r, 2)));
    EQ_INT(r[0].i64, 987ll << 40);
    EQ_INT(r[1].i32, 610);

    t_vm_begin(&t); /* without an end */
    f = t_vm_fn(&t, "f", "0v_v");
    call_op(f, TB_OP_CALL, 0, NULL, 0, NULL, 0);
    RETURN(f);
    CHECK(fails_with(run_with(&t, NULL, NULL, 0, NULL, 0), "nested too deep"));

    t_vm_begin(&t);
    f = t_vm_fn(&t, "f", "0v_v");
    uint32_t loop = tb_asm_label(f);
    tb_asm_place(f, loop);
    tb_asm_jump(f, loop);
    tb_asm_fn_end(f);
    CHECK(fails_with(run_with(&t, &(tb_vm_options){.max_steps = 1000}, NULL, 0, NULL, 0),
                     "more than 1000 steps"));
}

/* ---- imports ---- */
static char heard[256];
static tb_status
hear(void *self, const tb_vm_call *c)
{
    snprintf(heard, sizeof heard, "%d %lld %u:", c->args[0].i32, (long long)c->args[1].i64,
             (unsigned)c->args[2].list.n);
    for (uint32_t i = 0; i < c->args[2].list.n; i++)
        snprintf(heard + strlen(heard), sizeof heard - strlen(heard), " (%d, %s)",
                 c->args[2].list.at[2 * i].i32,
                 c->args[2].list.at[2 * i + 1].ref ? "thing" : "null");
    CHECK(c->n_args == 4 && c->n_results == 2 && self == heard);
    CHECK(c->args[3].f32 == 1.5f);
    if (c->args[0].i32 < 0)
        return tb_status_make(TB_NOT_FOUND, "not today");
    c->results[0].ref = new_thing();
    c->results[1].i64 = -5;
    return NULL;
}

static tb_status
imported(int32_t first, tb_vm_value *r)
{
    static const tb_vm_function functions[] = {{"hear", "0iICirDf_rI", hear}};
    static const tb_vm_library library = {"things", 3,     functions, 1,
                                          types,    1, heard};
    t_vm t;
    tb_vm_value args[] = {{.i32 = first}, {.ref = new_thing()}};

    t_vm_begin(&t);
    tb_asm_type(&t.m, "!test.thing");
    t.m.extra_import = "things.hear";
    t.m.extra_cconv = "0iICirDf_rI";
    tb_asm_fn *f = t_vm_fn(&t, "f", "0ir_rI");
    f->n_i32 = 10;
    f->n_ref = 3;
    EMIT(f, CONST_I64, 1ull << 40, 2);
    EMIT(f, CONST_F32, 0x3fc00000, 4);
    t_vm_op(f, TB_OP_CALL_VARIADIC);
    t_vm_byte(f, TB_VM_IMPORT_BIT | 0, 4);
    t_vm_list(f, (uint16_t[]){0xffff, 0xffff, 2, 0xffff}, 4);
    t_vm_list(f, (uint16_t[]){0, 2, 0, REF(0), 0, MOVE(0), 4}, 7);
    t_vm_list(f, (uint16_t[]){REF(0), 6}, 2);
    EMIT(f, IMPORT_RESOLVED, TB_VM_IMPORT_BIT, 8);
    RETURN(f, MOVE(0), 6);
    tb_status st = run_with(&t, &(tb_vm_options){.libraries = &library, .n_libraries = 1},
                            args, 2, r, 2);
    EQ_INT(atomic_load(&args[1].ref->refs), 1);
    tb_vm_release(args[1].ref);
    return st;
}

static void
imports(void)
{
    tb_vm_value r[2];

    CHECK(fine(imported(4, r)));
    EQ_STR(heard, "4 1099511627776 2: (4, thing) (4, thing)");
    EQ_INT(r[1].i64, -5);
    tb_vm_release(r[0].ref);
    EQ_INT(live, 0);
    CHECK(fails_with(imported(-1, r), "test.f: things.hear: not today"));
    EQ_INT(live, 0);
}

static void
what_is_not_there(void)
{
    static const tb_vm_function other[] = {{"hear", "0i_v", hear}};
    static const tb_vm_library wrong = {.name = "things", .functions = other,
                                        .n_functions = 1};
    t_vm t;

    for (int i = 0; i < 3; i++) {
        t_vm_begin(&t);
        if (i < 2) {
            t.m.extra_import = "things.hear";
            t.m.extra_cconv = "0r_v";
        } else {
            tb_asm_type(&t.m, "!strange.type");
        }
        RETURN(t_vm_fn(&t, "f", "0v_v"));
        CHECK(fails_with(
            run_with(&t, i == 1 ? &(tb_vm_options){.libraries = &wrong, .n_libraries = 1}
                                : NULL,
                     NULL, 0, NULL, 0),
            i == 0   ? "imports 'things.hear', which this runtime does not have"
            : i == 1 ? "calls 'things.hear' as '0r_v', this runtime has '0i_v'"
                     : "uses the type '!strange.type'"));
    }
    t_vm_begin(&t);
    t.m.no_dependencies = false;
    RETURN(t_vm_fn(&t, "f", "0v_v"));
    CHECK(fails_with(run_with(&t, NULL, NULL, 0, NULL, 0), "module 'test' needs 'hal'"));
}

static void
failures(void)
{
    t_vm t;
    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0i_v");
    tb_asm_fail(f, 0, TB_STR("told so"));
    tb_asm_fn_end(f);
    tb_vm_value v = {.i32 = 5};
    tb_status st = run_with(&t, NULL, &v, 1, NULL, 0);
    EQ_INT(tb_status_code(st), TB_NOT_FOUND);
    EQ_STR(tb_status_message(st), "test.f: told so");
    tb_status_free(st);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed_folder = argv[2];
    RUN(numbers);
    RUN(division_by_zero);
    RUN(globals_and_constants);
    RUN(references);
    RUN(buffers);
    RUN(hashes);
    RUN(bad_buffers);
    RUN(lists);
    RUN(lists_of_lists);
    RUN(loops_and_tables);
    RUN(own_calls);
    RUN(imports);
    RUN(what_is_not_there);
    RUN(failures);
    return t_done();
}
