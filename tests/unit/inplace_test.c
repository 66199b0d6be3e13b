/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * inplace_test.c -- scatters into the memory of their base: compiled code against the
 * evaluator, and how many copies of the base are left in the program.
 */
#include "unit/compile_t.h"

#define M1(op, a) tb_map1(g, TB_P_##op, a)
#define M2(op, a, b) tb_map2(g, TB_P_##op, a, b)

static uint32_t
global(const char *name)
{
    tb_global st = {.name = tb_str_c(name), .dtype = TB_F32, .rank = 2, .dims = {8, 20},
                    .mutable_ = true};
    TB_PUSH(&cx->keep, &u->globals, st);
    return u->globals.n - 1;
}

/* Row `at` of x becomes `row`. */
static tb_val
put(tb_val x, tb_val at, tb_val row)
{
    return tb_scatter(g, x, row, 1, 0, &at, 1);
}

static uint32_t
count(const tb_buf *text, const char *word)
{
    uint32_t n = 0;
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text->n; i++)
        n += memcmp((const char *)text->at + i, word, len) == 0;
    return n;
}

static uint32_t kernels_, buffers_;

static void
check_copies(void)
{
    tb_buf out = c_text("program", "x86_64-v3");
    if (!CHECK(count(&out, "_copy tiles") == kernels_ && count(&out, " copy ") == buffers_))
        printf("%.*s\n", (int)out.n, (const char *)out.at);
    tb_buf_free(&out);
}

/* The program is to have so many kernels that copy a base, and so many copies of buffers. */
static void
run(uint32_t kernels, uint32_t buffers, c_case c)
{
    kernels_ = kernels;
    buffers_ = buffers;
    c.check = check_copies;
    c_run(c);
}

static void
cache(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), row = IN(F32, 1, 20), y = put(tb_read(g, c), at, row);
    tb_write(g, c, y);
    c_out(tb_reduce(g, TB_P_rsum, y, 1));
    run(0, 0, (c_case){.tolerance = 1e-6, .index_below = 8});
}

/* The result is returned as well: one copy, at the end. */
static void
cache_returned(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), row = IN(F32, 1, 20), y = put(tb_read(g, c), at, row);
    tb_write(g, c, y);
    c_out(y);
    run(0, 1, (c_case){.index_below = 8});
}

/* What was there is used before, by the update itself, after, or returned. */
static void
cache_used_before(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), old = tb_read(g, c);
    tb_val row = tb_reduce(g, TB_P_rsum, M2(mul, old, old), 1), y;
    y = put(old, at, M2(add, row, IN(F32, 1, 20)));
    tb_write(g, c, y);
    c_out(M1(neg, y));
    run(0, 0, (c_case){.tolerance = 1e-5, .index_below = 8});
}

static void
cache_moved(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 3), old = tb_read(g, c), row = tb_slice_axis(g, old, 0, 2, 3, 1), y;
    y = put(old, at, M2(add, row, IN(F32, 3, 20)));
    tb_write(g, c, y);
    c_out(M1(neg, y));
    run(1, 1, (c_case){.tolerance = 1e-5, .index_below = 8});
}

static void
cache_used_after(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), old = tb_read(g, c), same = tb_read(g, c);
    tb_val y = put(old, at, IN(F32, 1, 20));
    tb_write(g, c, y);
    c_out(M2(sub, y, same));
    c_out(old);
    run(1, 2, (c_case){.tolerance = 1e-5, .index_below = 8});
}

static void
cache_twice(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), other = IN(I64, 2), y = put(tb_read(g, c), at, IN(F32, 1, 20));
    tb_val sum = tb_reduce(g, TB_P_rsum, y, 2);
    y = put(y, other, M1(neg, IN(F32, 2, 20)));
    tb_write(g, c, y);
    c_out(sum);
    c_out(tb_reduce(g, TB_P_rsum, y, 2));
    run(0, 0, (c_case){.tolerance = 1e-5, .index_below = 8});
}

/* The value between two updates is needed after the second. */
static void
cache_between(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), other = IN(I64, 2), x = put(tb_read(g, c), at, IN(F32, 1, 20));
    tb_val y = put(x, other, M1(neg, IN(F32, 2, 20)));
    tb_write(g, c, y);
    c_out(M2(add, x, y));
    run(2, 1, (c_case){.tolerance = 1e-5, .index_below = 8});
}

/* Two globals whose values change places, one with a row replaced. */
static void
caches_change_places(void)
{
    uint32_t a = global("a"), b = global("b");
    tb_val at = IN(I64, 1), y = put(tb_read(g, a), at, IN(F32, 1, 20));
    tb_val other = tb_read(g, b);
    tb_write(g, b, y);
    tb_write(g, a, other);
    c_out(M1(neg, y));
    run(1, 3, (c_case){.tolerance = 1e-5, .index_below = 8});
}

/* One base, two scatters: only what is written back may take its place, and here neither. */
static void
cache_forked(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 1), old = tb_read(g, c), x = put(old, at, IN(F32, 1, 20));
    tb_val y = put(old, IN(I64, 2), IN(F32, 2, 20));
    tb_write(g, c, x);
    c_out(M1(neg, y));
    run(2, 1, (c_case){.tolerance = 1e-5, .index_below = 8});
}

/* An index that is out of range: the call fails. */
static void
cache_out_of_range(void)
{
    uint32_t c = global("cache");
    tb_val at = IN(I64, 30), y = put(tb_read(g, c), at, IN(F32, 30, 20));
    tb_write(g, c, y);
    c_out(tb_reduce(g, TB_P_rsum, y, 1));
    c_run((c_case){.index_below = 1000, .error = "range"});
}

static int64_t
begin(void)
{
    tb_graph *inner = tb_graph_new(u);
    for (uint32_t i = u->graphs.n; i-- > 0;)
        if (u->graphs.at[i] == inner)
            return i;
    TB_PUSH(&cx->keep, &u->graphs, inner);
    return u->graphs.n - 1;
}

/* A carried value gets a row a round; in the second, rows that others still need. */
static void
loop(void)
{
    tb_dim dims[] = {8, 20};
    tb_graph *outer = g;
    tb_val i, a, b, x = IN(F32, 8, 20), y = IN(F32, 8, 20);
    int64_t graphs[2] = {begin(), begin()};

    g = u->graphs.at[graphs[0]];
    i = tb_input(g, 0, TB_I64, 0, NULL);
    TB_PUSH(&cx->keep, &g->outputs, M2(lt, i, tb_full_i(g, TB_I64, 0, NULL, 5)));
    g = u->graphs.at[graphs[1]];
    i = tb_input(g, 0, TB_I64, 0, NULL);
    a = tb_input(g, 1, TB_F32, 2, dims);
    b = tb_input(g, 2, TB_F32, 2, dims);
    tb_val at = tb_reshape(g, i, 1, DIMS(1));
    tb_val row = tb_reduce(g, TB_P_rmax, M2(add, a, b), 1);
    tb_val next_b = put(b, at, tb_slice_axis(g, M1(neg, a), 0, 3, 1, 1));
    TB_PUSH(&cx->keep, &g->outputs, M2(add, i, tb_full_i(g, TB_I64, 0, NULL, 1)));
    TB_PUSH(&cx->keep, &g->outputs, put(a, at, row));
    TB_PUSH(&cx->keep, &g->outputs, next_b);
    g = outer;
    tb_val in[] = {tb_full_i(g, TB_I64, 0, NULL, 0), x, y};
    tb_val node = tb_add(g, TB_P_while, TB_NONE, 0, NULL, in, 3, graphs, 2);
    tb_type t = {.dtype = TB_F32, .rank = 2, .dims = {8, 20}};
    c_out(tb_result(g, node, 1, &t));
    c_out(tb_result(g, node, 2, &t));
    run(0, 4, (c_case){.tolerance = 1e-5});
}

int
main(void)
{
    CASE(cache);
    CASE(cache_returned);
    CASE(cache_used_before);
    CASE(cache_moved);
    CASE(cache_used_after);
    CASE(cache_twice);
    CASE(cache_between);
    CASE(caches_change_places);
    CASE(cache_forked);
    CASE(cache_out_of_range);
    CASE(loop);
    return t_done();
}
