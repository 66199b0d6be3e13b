/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * amx_test.c -- products and convolutions of bf16 whose depth fills tile registers: compiled code
 * against the evaluator. On processors without AMX its instructions are emulated, and on those
 * without AVX-512 the level has those of AVX2 around them.
 */
#include "unit/emulated/amx.h"

#define C_MAX 16
#include "unit/compile_t.h"

static int size; /* of the case: rows, columns or depth */

/* ---- the level, on every processor with AVX2 (the program is linked with --wrap) ---- */

#define LEVEL "x86_64-v4-amx"
#define AMX (TB_CPU(AMX_TILE) | TB_CPU(AMX_BF16))

uint64_t __wrap_tb_cpu_features(void);
uint64_t __real_tb_cpu_features(void);
const tb_cpu_level *__wrap_tb_cpu_levels(size_t *n);
const tb_cpu_level *__real_tb_cpu_levels(size_t *n);
tb_status __wrap_tb_cpu_parse(const char *target, const tb_cpu_level **out, size_t *n);
tb_target __wrap_tb_target_of(const tb_cpu_level *level);
tb_target __real_tb_target_of(const tb_cpu_level *level);

static bool emulates;

uint64_t
__wrap_tb_cpu_features(void)
{
    return __real_tb_cpu_features() | (emulates ? AMX : 0);
}

static bool
is_narrow(void)
{
    return emulates && (TB_CPU_V4_BF16 & ~__real_tb_cpu_features()) != 0;
}

const tb_cpu_level *
__wrap_tb_cpu_levels(size_t *n)
{
    static tb_cpu_level levels[32];
    const tb_cpu_level *real = __real_tb_cpu_levels(n);

    TB_CHECK(*n <= TB_COUNT(levels));
    for (size_t i = 0; i < *n; i++) {
        levels[i] = real[i];
        if (strcmp(real[i].name, LEVEL) != 0)
            continue;
        levels[i].features &= ~TB_CPU(AMX_INT8); /* which nothing uses */
        if (is_narrow()) {
            levels[i].cpu = "x86-64-v3";
            levels[i].llvm_features = "+amx-tile,+amx-bf16";
            levels[i].features = TB_CPU_V3 | AMX;
        }
    }
    return levels;
}

/* Of one level: more is not asked for here. */
tb_status
__wrap_tb_cpu_parse(const char *target, const tb_cpu_level **out, size_t *n)
{
    const tb_cpu_level *levels = __wrap_tb_cpu_levels(n);

    for (size_t i = 0; i < *n; i++)
        if (strcmp(levels[i].name, target) == 0)
            out[0] = &levels[i];
    *n = 1;
    return NULL;
}

tb_target
__wrap_tb_target_of(const tb_cpu_level *level)
{
    tb_target t = __real_tb_target_of(level);

    if (is_narrow() && strcmp(level->name, LEVEL) == 0) {
        t.lanes = 8;
        t.vregs = 16;
        t.masks = t.exp2 = t.bf16_round = false;
    }
    return t;
}

/* ---- cases ---- */

/* Blocks of 32 rows, of 16 and fewer; weights packed before and by a kernel. */
static void
rows(void)
{
    tb_val y = c_wide(tb_dot(g, IN(BF16, size, 96), c_half(CONST(96, 100))));
    c_out(tb_map2(g, TB_P_max, tb_map2(g, TB_P_add, y, IN(F32, size, 100)), tb_full_like(g, y, 0)));
    c_out(c_linear(IN(BF16, size, 64), IN(BF16, 130, 64)));
    c_run((c_case){.tolerance = 2e-2});
}

static void
open_rows(void)
{
    tb_dim m = c_sym("m", 0, 1000);
    c_out(tb_dot(g, IN(BF16, m, 64), c_half(CONST(64, 70))));
    c_out(c_linear(IN(BF16, m, 544), IN(BF16, 70, 544)));
    c_out(tb_transpose(g, tb_dot(g, IN(BF16, m, 64), c_half(CONST(64, 40))), 0, 1));
    c_run((c_case){SIZES({0}, {1}, {15}, {16}, {17}, {33}, {250}), .tolerance = 2e-2});
}

/* Panels of 16 to 64 columns, and parts of the last. */
static void
columns(void)
{
    c_out(tb_dot(g, IN(BF16, 40, 64), c_half(CONST(64, size))));
    c_out(c_linear(IN(BF16, 60, 32), IN(BF16, size, 32)));
    c_run((c_case){.tolerance = 2e-2});
}

/* In one chunk and in several; whose sums are added up in f32. */
static void
depths(void)
{
    tb_dim k = c_sym("k", 1, 1000);
    c_out(tb_dot(g, IN(BF16, 50, size), c_half(CONST(size, 80))));
    c_out(c_linear(IN(BF16, 70, size), IN(BF16, 70, size)));
    tb_dim r = tb_dim_mul(u, k, 32);
    c_out(tb_dot(g, IN(BF16, 72, r), IN(BF16, r, 130)));
    c_out(tb_dot(g, IN(BF16, 50, r), IN(BF16, r, 70)));
    c_run((c_case){SIZES({1}, {3}, {20}), .tolerance = 4e-2});
}

/* Rows further apart than they are long, or across; batches. */
static void
places(void)
{
    c_out(tb_dot(g, tb_slice_axis(g, IN(BF16, 37, 90), 1, 7, 64, 1), c_half(CONST(64, 48))));
    c_out(tb_dot(g, tb_transpose(g, IN(BF16, 320, 64), 0, 1), c_half(CONST(320, 40))));
    c_out(tb_dot(g, tb_transpose(g, IN(BF16, 320, 64), 0, 1), c_half(CONST(320, 400))));
    c_out(c_linear(IN(BF16, 3, 70, 32), IN(BF16, 3, 70, 32)));
    c_out(tb_dot(g, tb_flip(g, IN(BF16, 20, 64), 2), c_half(CONST(64, 48))));
    c_out(tb_dot(g, tb_transpose(g, IN(BF16, 64, 40), 0, 1), c_half(CONST(64, 48))));
    c_out(tb_dot(g, IN(BF16, 9, 64), IN(BF16, 64, 128)));
    c_run((c_case){.tolerance = 4e-2});
}

/* Operands of f32 that may be rounded. */
static void
rounded(void)
{
    tb_dim m = c_sym("m", 0, 1000);
    c_out(tb_dot(g, IN(F32, size, 96), CONST(96, 100)));
    c_out(tb_dot(g, IN(F32, m, 640), CONST(640, 70)));
    c_run((c_case){SIZES({size}), .tolerance = 6e-2, .bf16 = true});
}

static tb_val
conv(tb_val x, tb_val w, int step, int pad)
{
    return tb_conv(g, TB_P_conv, x, w, TB_NO_VAL, 2, 1, AXES(step, step), AXES(pad, pad),
                   AXES(pad, pad), AXES(1, 1));
}

/* Runs of channels: one for each place of a window, and rows that are pixels. */
static void
convolutions(void)
{
    tb_val x = IN(BF16, 2, 32, 9, 11), w = IN(BF16, 48, 32, 3, 3);
    c_out(conv(x, c_half(CONST(40, 32, 3, 3)), 1, 0));
    c_out(conv(x, w, 2, 1));
    c_out(conv(x, c_half(CONST(70, 32, 1, 1)), 1, 0));
    c_out(tb_conv(g, TB_P_conv, IN(BF16, 1, 32, 50), c_half(CONST(40, 32, 3)), TB_NO_VAL, 1, 1,
                  AXES(1), AXES(0), AXES(0), AXES(2)));
    c_run((c_case){.tolerance = 4e-2});
}

/* More rows than are multiplied together, with several panels, and copies that serve all of them; of
 * groups each has its own. */
static void
many_rows(void)
{
    c_out(tb_dot(g, IN(BF16, 600, 64), c_half(CONST(64, 300))));
    c_out(tb_dot(g, IN(F32, 600, 96), CONST(96, 300)));
    c_out(tb_conv(g, TB_P_conv, IN(BF16, 2, 64, 150), c_half(CONST(160, 32, 3)), TB_NO_VAL, 1, 2,
                  AXES(1), AXES(0), AXES(0), AXES(1)));
    c_run((c_case){.tolerance = 6e-2, .bf16 = true});
}

/* ---- what an image needs ---- */

static uint64_t
features(const tb_compile_options *o, uint32_t *n_images)
{
    tb_buf bytes = {0};
    tb_plan plan = {0};
    uint64_t needed = 0;
    tb_status st = tb_compile(u, o, &bytes);

    if (!st)
        st = tb_artifact_read(bytes.at, bytes.n, 0, &plan);
    if (CHECK(!st)) {
        needed = plan.images[0].features;
        *n_images = plan.n_images;
    }
    tb_status_free(st);
    tb_buf_free(&bytes);
    return needed;
}

/* `tilerelease` in code to be linked, without the runtime? */
static bool
objects_have(const tb_compile_options *o)
{
    static const uint8_t release[] = {0xc4, 0xe2, 0x78, 0x49, 0xc0};
    tb_objects out = {.prefix = "m"};
    tb_status st = tb_compile_objects(u, o, &out);
    bool found = false;

    EQ_INT(out.n, 1);
    for (uint32_t i = 0; i < out.n; i++)
        found |= memmem(out.object[i].at, out.object[i].n, release, sizeof release) != NULL;
    if (!CHECK(!st))
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    tb_objects_free(&out);
    return found;
}

/* Tile registers only if they are used, and not by what runs without our runtime: nobody asks Linux
 * for them there. */
static void
check_needs(void)
{
    const char *level = LEVEL;
    tb_compile_options o = {.targets = &level, .n_targets = 1};
    uint32_t n = 0;
    bool bf16 = f->inputs.at[0].type.dtype == TB_BF16;

    EQ_INT((features(&o, &n) & TB_CPU(AMX_BF16)) != 0, bf16);
    EQ_INT(n, 1);
    CHECK(!objects_have(&o));
    o.stock_iree = TB_STOCK_ALWAYS;
    tb_buf out = {0};
    tb_status st = tb_compile(u, &o, &out);
    CHECK(bf16 ? st && strstr(tb_status_message(st), "does not ask Linux") : !st);
    tb_status_free(st);
    tb_buf_free(&out);
}

static void
needs(void)
{
    c_out(tb_dot(g, IN(BF16, 40, 64), c_half(CONST(64, 64))));
    c_run((c_case){.tolerance = 2e-2, .check = check_needs});
}

static void
needs_none(void)
{
    c_out(tb_dot(g, IN(F32, 40, 64), CONST(64, 64)));
    c_run((c_case){.tolerance = 1e-5, .check = check_needs});
}

int
main(void)
{
    static const int numbers[] = {1, 4, 15, 17, 32, 33, 100, 250};
    static const int many_columns[] = {1, 17, 40, 48, 80, 130};
    static const int many_depths[] = {32, 544, 1056};

    emulates = amx_emulate();
    for (size_t i = 0; i < TB_COUNT(numbers); i++) {
        size = numbers[i];
        CASE(rows);
    }
    CASE(open_rows);
    for (size_t i = 0; i < TB_COUNT(many_columns); i++) {
        size = many_columns[i];
        CASE(columns);
    }
    for (size_t i = 0; i < TB_COUNT(many_depths); i++) {
        size = many_depths[i];
        CASE(depths);
    }
    CASE(places);
    for (size = 2; size <= 72; size += 35)
        CASE(rounded);
    CASE(convolutions);
    CASE(many_rows);
    CASE(needs);
    CASE(needs_none);
    return t_done();
}
