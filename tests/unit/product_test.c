/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* product_test.c -- matrix products of every schedule: compiled code against the evaluator. */
#include "unit/compile_t.h"

static int size; /* of the case: rows or depth */

/* Columns and depths that fill no vector. */
static void
inner_rows(void)
{
    c_out(c_linear(IN(F32, size, 37), IN(F32, 9, 37)));
    c_out(c_linear(IN(F32, size, 64), IN(F32, 66, 64)));
    c_run((c_case){.tolerance = 1e-5});
}

static void
inner_depths(void)
{
    c_out(c_linear(IN(F32, 5, size), IN(F32, 19, size)));
    c_out(c_linear(IN(F32, 1, size), IN(F32, 19, size)));
    c_run((c_case){.tolerance = 2e-5});
}

static void
inner_types(void)
{
    tb_val a = c_linear(IN(F64, 5, 35), IN(F64, 7, 35));
    c_out(a);
    c_out(c_linear(IN(BF16, 6, 40), IN(BF16, 70, 40)));
    c_out(c_linear(IN(F16, 3, 41), IN(F16, 5, 41)));
    c_out(c_linear(IN(F64, 1, 16), IN(F64, 33, 16)));
    c_run((c_case){.tolerance = 2e-2});
}

/* Tails past the operands hold what is not a number: it must not get in. */
static void
inner_specials(void)
{
    tb_val x = IN(F32, 3, 20), w = IN(F32, 5, 20);
    tb_val inf = tb_full_like(g, w, INFINITY);
    tb_val big = tb_map2(g, TB_P_lt, tb_full_like(g, w, 0.5), w);
    c_out(c_linear(x, tb_where(g, big, inf, w)));
    c_run((c_case){.tolerance = 1e-5});
}

static void
inner_open(void)
{
    tb_dim m = c_sym("m", 0, 200), n = c_sym("n", 0, 1000);
    tb_val x = IN(F32, m, 48), w = IN(F32, n, 48), y = c_linear(x, w);
    c_out(tb_map2(g, TB_P_max, tb_map2(g, TB_P_add, y, IN(F32, m, n)), tb_full_like(g, y, 0)));
    c_run((c_case){SIZES({1, 1}, {2, 3}, {5, 64}, {6, 70}, {13, 129}, {200, 5}, {0, 4}, {4, 0}),
                   .tolerance = 1e-5});
}

static void
inner_batched(void)
{
    tb_dim b = c_sym("b", 1, 100);
    tb_val x = IN(F32, b, 3, 7, 24), w = IN(F32, b, 3, 11, 24), y = c_linear(x, w);
    c_out(tb_transpose(g, y, 1, 2));
    c_out(c_linear(IN(F32, b, 4, 33), tb_expand(g, IN(F32, 10, 33), 3, DIMS(b, 10, 33))));
    c_run((c_case){SIZES({1}, {2}, {9}), .tolerance = 1e-5});
}

/* Operands that are parts of larger ones: pitches longer than rows. */
static void
inner_slices(void)
{
    tb_val x = tb_slice_axis(g, IN(F32, 6, 90), 1, 7, 30, 1);
    tb_val w = tb_slice_axis(g, IN(F32, 20, 50), 1, 3, 30, 1);
    c_out(c_linear(x, w));
    c_out(c_linear(tb_slice_axis(g, IN(F32, 12, 30), 0, 1, 5, 2), w));
    c_run((c_case){.tolerance = 1e-5});
}

/* ---- few rows, a large operand that lies along n ---- */

static void
stream_rows(void)
{
    tb_val y = tb_dot(g, IN(F32, size, 700), IN(F32, 700, 1537));
    c_out(tb_map2(g, TB_P_add, y, IN(F32, size, 1537)));
    c_run((c_case){.tolerance = 1e-4});
}

/* Neighbouring tiles of deep products are multiplied together, as far as they are in the range. */
static void
deep(void)
{
    tb_dim m = c_sym("m", 0, 100);
    tb_val w = IN(F32, 1030, 19);
    c_out(tb_dot(g, IN(F32, m, 1030), w));
    c_out(tb_dot(g, IN(F32, 41, 1030), w));
    c_out(tb_dot(g, IN(F32, 0, 1030), w));
    c_run((c_case){SIZES({0}, {13}, {61}), .tolerance = 1e-4});
}

/* Columns that leave a part of the last panel: packed before, by a kernel, by each tile; whole and
 * in chunks; turned. */
static void
part_of_panel(void)
{
    tb_dim m = c_sym("m", 0, 400), r = c_sym("r", 1, 2000);
    tb_val y = tb_dot(g, IN(F32, 50, 90), CONST(90, size));
    c_out(tb_map2(g, TB_P_add, y, IN(F32, 50, size)));
    c_out(tb_transpose(g, tb_dot(g, IN(F32, m, 70), IN(F32, 70, size)), 0, 1));
    c_out(tb_dot(g, IN(F32, 150, 40), IN(F32, 40, size)));
    c_out(tb_dot(g, IN(F32, m, r), IN(F32, r, size)));
    c_run((c_case){SIZES({0, 5}, {13, 600}, {250, 77}), .tolerance = 1e-4});
}

static void
part_of_panel_wide(void)
{
    c_out(tb_dot(g, IN(F64, 30, 40), tb_cast(g, CONST(40, size), TB_F64)));
    c_out(tb_dot(g, IN(F32, 245, 1030), IN(F32, 1030, size)));
    c_run((c_case){.tolerance = 1e-4});
}

static void
part_of_panel_pairs(void)
{
    tb_dim m = c_sym("m", 0, 400);
    c_out(tb_dot(g, IN(BF16, m, 90), c_half(CONST(90, size))));
    c_out(tb_dot(g, IN(BF16, 30, 91), c_half(CONST(91, size))));
    c_out(tb_dot(g, IN(BF16, 200, 90), IN(BF16, 90, size)));
    c_run((c_case){SIZES({0}, {13}, {250}), .tolerance = 3e-2});
}

/* A large result, the other way round, of a shallow product: asked for before it is stored. */
static void
far_results(void)
{
    c_out(tb_transpose(g, tb_dot(g, IN(F32, 1030, 9), IN(F32, 9, 1050)), 0, 1));
    c_run((c_case){.tolerance = 1e-5});
}

/* ---- rows of A that lie across r, as those of a weight's gradient do ---- */

static tb_val
across(tb_val x, tb_val y)
{
    int r = tb_rank(g, x);
    return tb_dot(g, tb_transpose(g, x, r - 2, r - 1), y);
}

/* Turned by each tile, and, with more columns, by a kernel before. Rows and depths that fill no
 * vector and no chunk. */
static void
across_depths(void)
{
    tb_val y = across(IN(F32, size, 130), IN(F32, size, 100));
    c_out(tb_map2(g, TB_P_add, y, IN(F32, 130, 100)));
    c_out(across(IN(F32, size, 131), IN(F32, size, 300)));
    c_out(tb_transpose(g, across(IN(F32, size, 100), IN(F32, size, 64)), 0, 1));
    c_run((c_case){.tolerance = 1e-4});
}

static void
across_types(void)
{
    c_out(across(IN(F64, 90, 70), IN(F64, 90, 33)));
    c_out(across(IN(F64, 90, 70), IN(F64, 90, 333)));
    c_out(across(IN(F16, 190, 99), IN(F16, 190, 300)));
    c_run((c_case){.tolerance = 3e-2});
}

static void
across_pairs(void)
{
    c_out(across(IN(BF16, 190, 99), IN(BF16, 190, 300)));
    c_out(across(IN(BF16, 190, 99), IN(BF16, 190, 70)));
    c_out(across(IN(BF16, 191, 99), c_half(CONST(191, 70))));
    c_run((c_case){.tolerance = 3e-2});
}

static void
across_open(void)
{
    tb_dim m = c_sym("m", 16, 300), r = c_sym("r", 1, 2000), n = c_sym("n", 0, 1000);
    c_out(across(IN(F32, r, m), IN(F32, r, n)));
    c_out(across(IN(F32, r, m), IN(F32, r, 40)));
    c_run((c_case){SIZES({16, 700, 3}, {150, 1, 20}, {300, 513, 257}, {17, 2, 0}, {129, 64, 400}),
                   .tolerance = 1e-4});
}

/* The same A for all, and one for each. */
static void
across_batched(void)
{
    tb_dim b = c_sym("b", 0, 100);
    tb_val x = IN(F32, 80, 130), y = IN(F32, b, 80, 40);
    c_out(across(tb_expand(g, x, 3, DIMS(b, 80, 130)), y));
    c_out(across(tb_expand(g, x, 3, DIMS(b, 80, 130)), IN(F32, b, 80, 300)));
    c_out(across(IN(F32, b, 3, 80, 130), IN(F32, b, 3, 80, 20)));
    c_out(across(IN(F32, b, 2, 80, 130), IN(F32, b, 2, 80, 270)));
    c_run((c_case){SIZES({1}, {3}, {0}), .tolerance = 1e-4});
}

/* Parts of larger operands; what is not a number stays in its row. */
static void
across_slices(void)
{
    tb_val x = tb_slice_axis(g, IN(F32, 90, 200), 1, 7, 130, 1);
    tb_val big = tb_map2(g, TB_P_lt, tb_full_like(g, x, 0.5), x);
    c_out(across(x, IN(F32, 90, 30)));
    c_out(across(tb_slice_axis(g, IN(F32, 190, 130), 0, 3, 90, 2), IN(F32, 90, 270)));
    c_out(across(tb_where(g, big, tb_full_like(g, x, INFINITY), x), IN(F32, 90, 30)));
    c_run((c_case){.tolerance = 1e-4});
}

/* r in parts, the last ones shorter or empty; a transposed result. */
static void
stream_parts(void)
{
    c_out(tb_transpose(g, tb_dot(g, IN(F32, 2, 2049), IN(F32, 2049, 1024)), 0, 1));
    c_out(tb_dot(g, IN(F32, 1, 4099), IN(F32, 4099, 513)));
    c_out(tb_dot(g, IN(BF16, 3, 2000), IN(BF16, 2000, 1024)));
    c_run((c_case){.tolerance = 2e-2});
}

static void
stream_batched(void)
{
    tb_dim b = c_sym("b", 0, 100), n = c_sym("n", 0, 100000), k = c_sym("k", 0, 100000);
    c_out(tb_dot(g, IN(F32, b, 2, k), IN(F32, b, k, n)));
    c_out(tb_dot(g, IN(F64, b, 1, k), IN(F64, b, k, n)));
    c_run((c_case){SIZES({1, 700, 300}, {3, 64, 90}, {2, 1, 17}, {2, 2100, 1}, {2, 5, 0}, {0, 5, 5}),
                   .tolerance = 1e-4});
}

static void
stream_open(void)
{
    tb_dim n = c_sym("n", 1100, 100000), k = c_sym("k", 1001, 100000);
    c_out(tb_dot(g, IN(F32, 2, k), IN(F32, k, n)));
    c_out(tb_dot(g, IN(F64, 1, k), IN(F64, k, n)));
    c_run((c_case){SIZES({1100, 1001}, {2500, 1010}), .tolerance = 1e-4});
}

/* ---- B packed by each tile for itself ---- */

/* All rows in one tile, where workers are known to be few: B along n and along r, columns and
 * depths that fill no panel and no square, long results that lie along m; several chunks of r. */
static void
own_panels(void)
{
    tb_val bias = IN(F32, 600);
    c_out(tb_dot(g, IN(F32, size, 83), IN(F32, 83, 600)));
    c_out(tb_map2(g, TB_P_add, c_linear(IN(F32, size, 83), IN(F32, 600, 83)),
                  tb_expand(g, bias, 2, (tb_dim[]){size, 600})));
    c_out(tb_transpose(g, tb_dot(g, tb_transpose(g, IN(F32, 96, size), 0, 1), IN(F32, 96, 576)), 0, 1));
    c_run((c_case){.tolerance = 1e-5, .workers = 2});
}

static void
own_panels_deep(void)
{
    c_out(c_linear(IN(F32, 130, 4301), IN(F32, 256, 4301)));
    c_out(tb_dot(g, IN(BF16, 130, 40), IN(BF16, 40, 260)));
    c_out(c_linear(IN(F32, 2, 40, 40), IN(F32, 2, 270, 40)));
    c_run((c_case){.tolerance = 1e-4, .workers = 1});
}

/* ---- weights rounded to bf16 ---- */

static void
bf16_weights(void)
{
    c_out(tb_dot(g, IN(F32, size, 96), CONST(96, 100)));
    c_out(tb_dot(g, IN(F32, 1, 96), tb_transpose(g, CONST(70, 96), 0, 1)));
    c_out(tb_dot(g, IN(F64, size, 40), tb_cast(g, CONST(40, 9), TB_F64)));
    c_run((c_case){.tolerance = 3e-2, .bf16 = true});
}

/* ---- bf16: rows of B in pairs, an odd last one, A copied or not ---- */

static void
pairs_depths(void)
{
    c_out(tb_dot(g, IN(BF16, 13, size), c_half(CONST(size, 100))));
    c_out(c_wide(tb_dot(g, IN(BF16, 1, size), tb_transpose(g, c_half(CONST(33, size)), 0, 1))));
    c_run((c_case){.tolerance = 2e-2});
}

static void
pairs_rows(void)
{
    tb_val y = c_wide(tb_dot(g, IN(BF16, size, 33), c_half(CONST(33, 64))));
    c_out(tb_map2(g, TB_P_max, tb_map2(g, TB_P_add, y, IN(F32, size, 64)), tb_full_like(g, y, 0)));
    c_out(tb_dot(g, tb_transpose(g, IN(BF16, 50, size), 0, 1), c_half(CONST(50, 48))));
    c_run((c_case){.tolerance = 2e-2});
}

/* More than a chunk of r; results the other way round; parts of larger operands. */
static void
pairs_long(void)
{
    tb_dim k = c_sym("k", 1, 100000), m = c_sym("m", 0, 1000);
    c_out(tb_dot(g, IN(BF16, m, k), IN(BF16, k, 70)));
    c_out(tb_transpose(g, tb_dot(g, IN(BF16, m, 1030), c_half(CONST(1030, 40))), 0, 1));
    c_out(tb_dot(g, tb_slice_axis(g, IN(BF16, m, 90), 1, 7, 31, 1), c_half(CONST(31, 20))));
    c_run((c_case){SIZES({1, 1}, {2, 300}, {511, 3}, {513, 14}, {1025, 25}, {5, 0}),
                   .tolerance = 4e-2});
}

/* Operands of the call, packed while it runs: along n, along r, and not long enough. */
static void
pairs_inputs(void)
{
    c_out(tb_dot(g, IN(BF16, 70, size), IN(BF16, size, 1030)));
    c_out(c_linear(IN(BF16, 300, size), IN(BF16, 70, size)));
    c_out(c_linear(IN(BF16, 300, 70), tb_slice_axis(g, IN(BF16, 9, 90), 1, 5, 70, 1)));
    c_run((c_case){.tolerance = 2e-2});
}

/* Both along r, few rows: words of neighbours; the last ones are partly counted before. */
static void
pairs_inner(void)
{
    tb_val x = IN(BF16, 3, size), w = IN(BF16, 5, size);
    tb_val big = tb_map2(g, TB_P_lt, tb_full_like(g, w, 0.5), w);
    c_out(c_linear(IN(BF16, 7, size), IN(BF16, 19, size)));
    c_out(c_linear(IN(BF16, 1, size), IN(BF16, 19, size)));
    c_out(c_linear(x, tb_where(g, big, tb_full_like(g, w, INFINITY), w)));
    c_run((c_case){.tolerance = 2e-2});
}

static void
pairs_batched(void)
{
    tb_dim b = c_sym("b", 0, 100), r = c_sym("r", 1, 1000);
    c_out(tb_dot(g, IN(BF16, b, 3, 9, r), IN(BF16, b, 3, r, 21)));
    c_out(tb_dot(g, tb_transpose(g, IN(BF16, b, r, 17), 1, 2), IN(BF16, b, r, 50)));
    c_run((c_case){SIZES({1, 1}, {2, 33}, {3, 64}, {0, 5}), .tolerance = 2e-2});
}

/* A number beside an odd last row that is none must not get in. */
static void
pairs_specials(void)
{
    tb_val x = IN(BF16, 9, 21), w = IN(BF16, 21, 70);
    tb_val inf = tb_full_like(g, w, INFINITY);
    tb_val big = tb_map2(g, TB_P_lt, tb_full_like(g, w, 0.5), w);
    c_out(tb_dot(g, x, tb_where(g, big, inf, w)));
    c_run((c_case){.tolerance = 2e-2});
}

/* Rows of B that are shorter than a vector: nothing beside them is read. */
static void
narrow_rows(void)
{
    for (int i = 0; i < 2; i++) { /* at either end of memory that may be read */
        tb_val first = i ? IN(F32, 70, size) : IN(F32, 101, 70);
        tb_val second = i ? IN(F32, 101, 70) : IN(F32, 70, size);
        c_out(i ? tb_dot(g, second, first) : tb_dot(g, first, second));
    }
    c_run((c_case){.tolerance = 1e-5});
}

int
main(void)
{
    static const int depths[] = {16, 17, 31, 32, 33, 47, 100, 1024, 1030};
    for (size = 1; size <= 14; size++)
        CASE(inner_rows);
    for (size_t i = 0; i < TB_COUNT(depths); i++) {
        size = depths[i];
        CASE(inner_depths);
    }
    CASE(inner_types);
    CASE(inner_specials);
    CASE(inner_open);
    CASE(inner_batched);
    CASE(inner_slices);
    for (size = 1; size <= 5; size++)
        CASE(stream_rows);
    for (size = 1; size <= 70; size += 23)
        CASE(bf16_weights);
    for (size_t i = 0; i < TB_COUNT(depths); i++) {
        size = depths[i];
        CASE(pairs_depths);
        CASE(pairs_inner);
        if (size <= 100)
            CASE(pairs_inputs);
    }
    for (size = 1; size <= 26; size += 5)
        CASE(pairs_rows);
    CASE(pairs_long);
    CASE(pairs_batched);
    CASE(pairs_specials);
    CASE(deep);
    static const int columns[] = {80, 100, 196, 300};
    for (size_t i = 0; i < TB_COUNT(columns); i++) {
        size = columns[i];
        CASE(part_of_panel);
        CASE(part_of_panel_wide);
        CASE(part_of_panel_pairs);
    }
    CASE(far_results);
    static const int many[] = {63, 64, 100, 512, 513, 1031, 3000};
    for (size_t i = 0; i < TB_COUNT(many); i++) {
        size = many[i];
        CASE(across_depths);
    }
    CASE(across_types);
    CASE(across_pairs);
    CASE(across_open);
    CASE(across_batched);
    CASE(across_slices);
    int rows[] = {113, 192, 197, 256, 257};
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        size = rows[i];
        CASE(own_panels);
    }
    CASE(own_panels_deep);
    CASE(stream_parts);
    CASE(stream_batched);
    CASE(stream_open);
    for (size = 3; size <= 7; size += 2)
        CASE(narrow_rows);
    return t_done();
}
