/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * dim_test.c -- arithmetic on symbolic sizes: canonical text, what must simplify, and
 * random expressions against direct evaluation.
 */
#include "unit/graph_t.h"

static tb_dim s0, s1, s2, s3;

static void
symbols(void)
{
    s0 = tb_sym_new(u, TB_STR("s0"), TB_SYM_SHAPE, 1, 64);
    s1 = tb_sym_new(u, TB_STR("s1"), TB_SYM_SHAPE, 2, INT64_MAX);
    s2 = tb_sym_new(u, TB_STR("s2"), TB_SYM_SHAPE, 0, 9);
    s3 = tb_sym_new(u, TB_STR("s3"), TB_SYM_ITEM, -5, 20);
}

#define ADD(a, b) tb_dim_add(u, a, b)
#define SUB(a, b) tb_dim_sub(u, a, b)
#define MUL(a, b) tb_dim_mul(u, a, b)
#define DIV(a, b) tb_dim_floordiv(u, a, b)
#define CEIL(a, b) tb_dim_ceildiv(u, a, b)
#define MOD(a, b) tb_dim_mod(u, a, b)
#define MIN(a, b) tb_dim_min(u, a, b)
#define MAX(a, b) tb_dim_max(u, a, b)
#define TEXT(d, expected) EQ_STR(tb_dim_text(u, &cx->keep, d).ptr, expected)

static void
text_body(void)
{
    symbols();
    TEXT(384, "384");
    TEXT(-3, "-3");
    TEXT(s0, "s0");
    TEXT(TB_DIM_UNKNOWN, "?");
    TEXT(tb_sym_new(u, TB_STR("s0"), TB_SYM_SHAPE, 0, 1), "s0_2");
    TEXT(ADD(1, MUL(s0, 2)), "2*s0 + 1");
    TEXT(SUB(s0, 1), "s0 - 1");
    TEXT(SUB(1, s0), "-s0 + 1");
    TEXT(SUB(s1, MUL(3, s0)), "-3*s0 + s1");
    TEXT(MUL(MUL(s1, s0), 12), "12*s0*s1");
    TEXT(MUL(s1, ADD(s0, 1)), "s0*s1 + s1");
    TEXT(DIV(s1, 2), "s1//2");
    TEXT(DIV(ADD(s1, 1), 2), "(s1 + 1)//2");
    TEXT(MUL(2, DIV(s1, 2)), "2*(s1//2)");
    TEXT(MUL(s0, DIV(s1, 2)), "s0*(s1//2)");
    TEXT(MOD(s1, 4), "s1 % 4");
    TEXT(ADD(3, MOD(s1, 4)), "s1 % 4 + 3");
    TEXT(SUB(0, MOD(s1, 4)), "-(s1 % 4)");
    TEXT(SUB(s0, MOD(s1, 4)), "s0 - s1 % 4");
    TEXT(MOD(SUB(0, s1), 4), "(-s1) % 4");
    TEXT(MIN(4, s0), "min(s0, 4)");
    TEXT(MAX(4, MAX(s1, s0)), "max(s0, s1, 4)");
    TEXT(MUL(2, MIN(s1, 4)), "2*min(s1, 4)");
    TEXT(DIV(s0, ADD(s1, 1)), "s0//(s1 + 1)");
    TEXT(DIV(MUL(s1, s0), 3), "(s0*s1)//3");
}
BODY(text)

/* The order in which a value is put together does not show. */
static void
canonical_body(void)
{
    symbols();
    EQ_INT(ADD(ADD(s0, s1), 3), ADD(s1, ADD(3, s0)));
    EQ_INT(MUL(MUL(s0, 2), MUL(s1, 3)), MUL(6, MUL(s1, s0)));
    EQ_INT(MUL(ADD(s0, 1), SUB(s0, 1)), SUB(MUL(s0, s0), 1));
    EQ_INT(SUB(s0, s0), 0);
    EQ_INT(SUB(ADD(s0, s1), s1), s0);
    EQ_INT(MIN(s1, MIN(s0, 7)), MIN(MIN(7, s1), s0));
    EQ_INT(MUL(s0, 0), 0);
    EQ_INT(MUL(s0, 1), s0);
    EQ_INT(ADD(INT64_C(1) << 40, 1), (INT64_C(1) << 40) + 1);
}
BODY(canonical)

static void
division_body(void)
{
    tb_dim n;

    symbols();
    n = MUL(MUL(s0, s1), 384);
    EQ_INT(DIV(n, s1), MUL(384, s0));
    EQ_INT(DIV(n, MUL(s1, s0)), 384);
    EQ_INT(DIV(n, MUL(12, s0)), MUL(32, s1));
    EQ_INT(DIV(MUL(ADD(s0, 1), ADD(s1, 2)), ADD(s1, 2)), ADD(s0, 1));
    EQ_INT(DIV(MUL(s0, 7), 7), s0);
    EQ_INT(DIV(ADD(MUL(s1, 4), 6), 4), ADD(s1, 1));
    EQ_INT(DIV(ADD(MUL(s1, 2), 5), 6), DIV(ADD(s1, 2), 3));
    EQ_INT(DIV(MUL(5, s1), 4), ADD(s1, DIV(s1, 4)));
    EQ_INT(DIV(DIV(s1, 2), 3), DIV(s1, 6));
    EQ_INT(DIV(ADD(DIV(ADD(s1, 1), 2), 1), 2), DIV(ADD(s1, 3), 4));
    EQ_INT(DIV(MUL(s0, s1), MUL(s0, s2)), DIV(s1, s2));
    EQ_INT(DIV(s2, 10), 0);
    EQ_INT(DIV(ADD(s2, 10), 10), 1);
    EQ_INT(DIV(s0, s0), 1);
    EQ_INT(DIV(s1, -1), SUB(0, s1));
    EQ_INT(MOD(MUL(s1, 8), 4), 0);
    EQ_INT(MOD(ADD(MUL(s1, 8), 5), 4), 1);
    EQ_INT(MOD(MUL(s1, s0), s0), 0);
    EQ_INT(MOD(s2, 10), s2);
    EQ_INT(MOD(MUL(2, s1), 4), MUL(2, MOD(s1, 2)));
    EQ_INT(MOD(MOD(s1, 8), 4), MOD(s1, 4));
    EQ_INT(MOD(s0, 1), 0);
    EQ_INT(CEIL(MUL(s1, 16), 16), s1);
    EQ_INT(CEIL(7, 2), 4);
    EQ_INT(DIV(-7, 2), -4);
    EQ_INT(MOD(-7, 2), 1);
    EQ_INT(MOD(7, -2), -1);
}
BODY(division)

static void
order_body(void)
{
    int64_t lo, hi;

    symbols();
    CHECK(tb_dim_le(u, 1, s0));
    CHECK(tb_dim_le(u, s0, 64));
    CHECK(!tb_dim_le(u, s0, 63));
    CHECK(tb_dim_le(u, s0, MUL(s0, s1)));
    CHECK(tb_dim_le(u, MIN(s0, s1), s1));
    CHECK(tb_dim_le(u, s0, MAX(s0, s1)));
    CHECK(tb_dim_le(u, ADD(MIN(s0, s1), 3), ADD(s1, 4)));
    CHECK(tb_dim_le(u, DIV(s1, 2), s1));
    CHECK(tb_dim_le(u, MUL(4, DIV(s1, 4)), s1));
    CHECK(tb_dim_le(u, s1, MUL(4, CEIL(s1, 4))));
    CHECK(!tb_dim_le(u, s1, MUL(4, DIV(s1, 4))));
    EQ_INT(MIN(s0, MUL(s0, s1)), s0);
    EQ_INT(MIN(s0, 64), s0);
    EQ_INT(MAX(MIN(s2, 4), 0), MIN(s2, 4));
    EQ_INT(MIN(INT64_MAX, s1), s1); /* torch's "to the end" */
    EQ_INT(MIN(s1, ADD(s1, 1)), s1);
    /* A question is never too hard. */
    CHECK(!tb_dim_le(u, MUL(s1, -(INT64_C(1) << 60)),
                     SUB(MUL(s0, INT64_C(1) << 60), s1)));
    tb_dim_range(u, ADD(MUL(s0, s2), 1), &lo, &hi);
    EQ_INT(lo, 1);
    EQ_INT(hi, 577);
    tb_dim_range(u, MUL(s1, -2), &lo, &hi);
    EQ_INT(lo, INT64_MIN);
    EQ_INT(hi, -4);
    tb_dim_range(u, MOD(s1, 8), &lo, &hi);
    EQ_INT(lo, 0);
    EQ_INT(hi, 7);
}
BODY(order)

static void
equality_body(void)
{
    tb_dim a, b, c, d = 0;

    symbols();
    a = tb_sym_new(u, TB_STR("a"), TB_SYM_SHAPE, 0, INT64_MAX);
    b = tb_sym_new(u, TB_STR("b"), TB_SYM_SHAPE, 0, INT64_MAX);
    c = tb_sym_new(u, TB_STR("c"), TB_SYM_ITEM, 0, INT64_MAX);
    CHECK(!tb_dim_eq(u, a, b));
    tb_dim_assume_eq(u, a, b, (tb_loc){0});
    CHECK(tb_dim_eq(u, a, b));
    CHECK(tb_dim_eq(u, MUL(a, 3), MUL(b, 3)));
    EQ_INT(u->equalities.n, 1);
    tb_dim_assume_eq(u, b, a, (tb_loc){0}); /* known by now */
    EQ_INT(u->equalities.n, 1);
    EQ_INT(tb_dim_canon(u, ADD(b, 1)), ADD(a, 1));
    /* A size read from a tensor gives way to one known at the start. */
    tb_dim_assume_eq(u, MUL(2, a), MUL(2, c), (tb_loc){0});
    EQ_INT(tb_dim_canon(u, c), a);
    tb_dim_assume_eq(u, ADD(b, 1), 8, (tb_loc){0});
    EQ_INT(tb_dim_canon(u, c), 7);
    EQ_INT(tb_dim_canon(u, DIV(MUL(a, s0), 7)), s0);
    /* A shape is not expressed by an item. */
    d = tb_sym_new(u, TB_STR("d"), TB_SYM_ITEM, 0, INT64_MAX);
    tb_dim_assume_eq(u, s1, MUL(2, d), (tb_loc){0});
    EQ_INT(tb_dim_canon(u, s1), s1);
    EQ_INT(u->equalities.n, 4);
    tb_dim_assume_eq(u, 5, 5, (tb_loc){0});
    EQ_INT(u->equalities.n, 4);
}
BODY(equality)

static void
differ_const(void)
{
    tb_dim_assume_eq(u, 3, 4, (tb_loc){0});
}
static void
differ_offset(void)
{
    symbols();
    tb_dim_assume_eq(u, s0, ADD(s0, 1), (tb_loc){0});
}
static void
differ_range(void)
{
    symbols();
    tb_dim_assume_eq(u, 65, s0, (tb_loc){0});
}
static void
differ_parity(void)
{
    symbols();
    tb_dim_assume_eq(u, MUL(2, s1), 5, (tb_loc){0});
}
static void
by_zero(void)
{
    symbols();
    DIV(s0, 0);
}
static void
overflow(void)
{
    symbols();
    MUL(MUL(s0, INT64_C(1) << 40), INT64_C(1) << 30);
}
static void
overflow_const(void)
{
    MUL(INT64_C(1) << 40, INT64_C(1) << 30);
}
static void
unknown(void)
{
    symbols();
    ADD(s0, TB_DIM_UNKNOWN);
}
static void
no_handle(void)
{
    ADD(TB_DIM_EXPR + 5, 1);
}
static void
empty_range(void)
{
    tb_sym_new(u, TB_STR("s9"), TB_SYM_SHAPE, 3, 2);
}

static void
errors(void)
{
    RAISES(differ_const, "sizes differ: expected 3, found 4");
    RAISES(differ_offset, "sizes differ: expected s0, found s0 + 1");
    RAISES(differ_range, "sizes differ: expected 65, found s0");
    RAISES(differ_parity, "sizes differ: expected 2*s1, found 5");
    RAISES(by_zero, "size arithmetic divides by zero");
    RAISES(overflow, "size arithmetic overflows");
    RAISES(overflow_const, "size arithmetic overflows");
    RAISES(unknown, "arithmetic with a size that is not known");
    RAISES(no_handle, "size 2305843009213693957 is too large");
    RAISES(empty_range, "size s9 has an empty range: 3 to 2");
}

/* ---- random expressions ---- */

static uint64_t seed = 12345;

static int64_t
pick(int64_t lo, int64_t hi)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((seed >> 33) % (uint64_t)(hi - lo + 1));
}

enum { SYMS = 4, VALUES = 24 };
static int64_t values[VALUES][SYMS];

/* A random expression, and its value under each assignment computed directly. `ok` is
 * cleared where a divisor is zero: then the value means nothing. */
typedef struct tree {
    tb_dim d;
    int64_t v[VALUES];
    bool ok[VALUES];
} tree;

static tree
leaf(void)
{
    tb_dim syms[SYMS] = {s0, s1, s2, s3};
    int64_t k = pick(0, SYMS + 2);
    tree t;

    t.d = k < SYMS ? syms[k] : pick(-6, 12);
    for (int i = 0; i < VALUES; i++) {
        t.v[i] = k < SYMS ? values[i][k] : t.d;
        t.ok[i] = true;
    }
    return t;
}

static int64_t
floordiv(int64_t a, int64_t b)
{
    int64_t q = a / b;

    return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

static tree
grown(int depth)
{
    tree a, b;
    int op;

    if (depth == 0 || pick(0, 5) == 0)
        return leaf();
    a = grown(depth - 1);
    b = grown(depth - 1);
    op = (int)pick(0, 7);
    if ((op == 3 || op == 4) && pick(0, 2) > 0) { /* mostly by constants */
        b.d = pick(1, 8);
        for (int i = 0; i < VALUES; i++)
            b.v[i] = b.d;
    }
    if ((op == 3 || op == 4) && b.d == 0)
        op = 0;
    for (int i = 0; i < VALUES; i++) {
        int64_t x = a.v[i], y = b.v[i];

        a.ok[i] = a.ok[i] && b.ok[i] && (y != 0 || (op != 3 && op != 4));
        if (!a.ok[i])
            continue;
        a.v[i] = op == 0   ? x + y
                 : op == 1 ? x - y
                 : op == 2 ? x * y
                 : op == 3 ? floordiv(x, y)
                 : op == 4 ? x - floordiv(x, y) * y
                 : op == 5 ? (x < y ? x : y)
                 : op == 6 ? (x > y ? x : y)
                           : x + y;
    }
    a.d = op == 1   ? SUB(a.d, b.d)
          : op == 2 ? MUL(a.d, b.d)
          : op == 3 ? DIV(a.d, b.d)
          : op == 4 ? MOD(a.d, b.d)
          : op == 5 ? MIN(a.d, b.d)
          : op == 6 ? MAX(a.d, b.d)
                    : ADD(a.d, b.d);
    return a;
}

static void
assignments(void)
{
    for (int i = 0; i < VALUES; i++) {
        values[i][0] = i == 0 ? 1 : i == 1 ? 64 : pick(1, 64);
        values[i][1] = i == 0 ? 2 : pick(2, 40);
        values[i][2] = i == 0 ? 0 : pick(0, 9);
        values[i][3] = i == 0 ? -5 : pick(-5, 20);
    }
}

static bool
check_tree(const tree *t)
{
    int64_t lo, hi;
    bool good = true;

    tb_dim_range(u, t->d, &lo, &hi);
    for (int i = 0; i < VALUES; i++) {
        int64_t v;

        if (!t->ok[i])
            continue;
        v = tb_dim_eval(u, t->d, values[i]);
        /* Ranges take divisors as positive: that is what sizes are divided by. */
        good = good && EQ_INT(v, t->v[i]);
        good = good && CHECK(lo <= v && v <= hi);
    }
    if (!good)
        printf("# in %s\n", tb_dim_text(u, &cx->keep, t->d).ptr);
    return good;
}

static bool
same(const tree *a, const tree *b, bool *le)
{
    bool eq = true;

    *le = true;
    for (int i = 0; i < VALUES; i++) {
        eq = eq && (!a->ok[i] || !b->ok[i] || a->v[i] == b->v[i]);
        *le = *le && (!a->ok[i] || !b->ok[i] || a->v[i] <= b->v[i]);
    }
    return eq;
}

static void
random_body(void)
{
    symbols();
    assignments();
    for (int i = 0; i < 250; i++) {
        tree a = grown((int)pick(1, 4)), b = grown((int)pick(1, 3));
        bool le, eq;

        if (!check_tree(&a) || !check_tree(&b))
            return;
        eq = same(&a, &b, &le);
        if (!CHECK(eq || a.d != b.d) || !CHECK(le || !tb_dim_le(u, a.d, b.d))) {
            printf("# in %s and\n", tb_dim_text(u, &cx->keep, a.d).ptr);
            printf("#    %s\n", tb_dim_text(u, &cx->keep, b.d).ptr);
            return;
        }
    }
}

static void
random_expressions(void)
{
    int before = t_faults;

    for (int round = 0; round < 40 && t_faults == before; round++)
        RAISES(random_body, NULL);
}

int
main(void)
{
    RUN(text);
    RUN(canonical);
    RUN(division);
    RUN(order);
    RUN(equality);
    RUN(errors);
    RUN(random_expressions);
    return t_done();
}
