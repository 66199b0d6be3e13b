/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * iree_test.c -- the program for IREE's runtime as bytes: that it is a flatbuffer with the
 * tables a loader asks for, and that it finds the other members of the archive. That it
 * runs is tests/iree's.
 */
#include "iree/iree.h"

#include "artifact/layout.h"
#include "artifact_t.h"
#include "iree/flat.h"
#include "iree/code.h"
#include "t.h"

static const char *const symbols[] = {"add_one"};

static uint32_t
follow(const uint8_t *b, uint32_t at)
{
    return at + tb_get32(b + at);
}

/* Where field `slot` of a table is, 0 if it has none. */
static uint32_t
field(const uint8_t *b, uint32_t table, uint32_t slot)
{
    uint32_t vt = table - tb_get32(b + table);
    if (4 + 2 * slot >= tb_get16(b + vt))
        return 0;
    uint32_t at = tb_get16(b + vt + 4 + 2 * slot);
    return at ? table + at : 0;
}

static bool
build(t_artifact *s, tb_arena *a, tb_artifact_module *m)
{
    t_sample(s);
    tb_status st =
        tb_iree_module(&s->plan, s->blobs, symbols, tb_iree_release_find(NULL), a, m);
    if (st)
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    return !st;
}

static void
tables(void)
{
    tb_arena a = {0};
    t_artifact s;
    tb_artifact_module m;
    if (!CHECK(build(&s, &a, &m)))
        return;
    const uint8_t *b = m.bytes;
    EQ_INT(tb_get32(b) + 4, m.n);
    CHECK(memcmp(b + 8, "IREE", 4) == 0);
    uint32_t root = follow(b, 4);
    EQ_INT(tb_get32(b + field(b, root, 13)), 17 << 16);
    uint32_t name = follow(b, field(b, root, 0));
    EQ_STR((const char *)b + name + 4, "tiny");
    uint32_t functions = follow(b, field(b, root, 12)); /* __init, main$async, main */
    EQ_INT(tb_get32(b + functions), 3);
    uint32_t code = follow(b, field(b, root, 14));
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *d = b + functions + 4 + 20 * i;
        EQ_INT(tb_get32(d) % 8, 0);
        CHECK(tb_get32(d) + tb_get32(d + 4) <= tb_get32(b + code));
        EQ_INT(b[code + 4 + tb_get32(d)], 0x79); /* begins with a block */
    }
    EQ_INT(tb_get32(b + follow(b, field(b, root, 7))), 3); /* exports */
    for (uint32_t i = 0; i < m.n_fixes; i++)
        CHECK(m.fixes[i].at + 8 <= m.n);
    tb_arena_reset(&a);
}

static void
places_in_the_archive(void)
{
    tb_arena a = {0};
    t_artifact s;
    tb_artifact_module m;
    tb_buf out = {0};
    const uint8_t *data;
    size_t n;
    if (!CHECK(build(&s, &a, &m)))
        return;
    s.a.module = &m;
    CHECK(!tb_artifact_write(&s.a, &out));
    CHECK(!tb_zip_find(out.at, out.n, TB_MODULE_MEMBER, &data, &n));
    EQ_INT(data - out.at, 64); /* the first member */
    EQ_INT(n, m.n);
    const uint8_t *base = out.at + TB_ALIGN_UP(64 + n, 64);
    int images = 0, constants = 0;
    for (uint32_t i = 0; i < m.n_fixes; i++) {
        uint64_t v = tb_get64(data + m.fixes[i].at);
        if (m.fixes[i].kind == TB_FIX_IMAGE)
            images += memcmp(base + v, "\177ELF", 4) == 0;
        if (m.fixes[i].kind == TB_FIX_WEIGHTS)
            CHECK(memcmp(base + v, t_bias, sizeof t_bias) == 0);
        if (m.fixes[i].kind == TB_FIX_CONST && m.fixes[i].index == 2)
            constants += v == 64;
    }
    EQ_INT(images, 2);
    CHECK(constants > 0);
    tb_buf_free(&out);
    tb_arena_reset(&a);
}

static void
equal_vtables_are_shared(void)
{
    tb_arena a = {0};
    tb_flat f;
    tb_flat_begin(&f, &a, "TEST");
    tb_flat_field x[] = {{0, TB_FLAT_U32, 7, 0}, {2, TB_FLAT_U64, 9, 0}};
    tb_flat_field y[] = {{0, TB_FLAT_U32, 8, 0}, {2, TB_FLAT_U64, 5, 0}};
    uint32_t t1 = tb_flat_table(&f, x, 2), t2 = tb_flat_table(&f, y, 2);
    tb_flat_end(&f, t1);
    EQ_INT(t1 - tb_get32(f.b.at + t1), t2 - tb_get32(f.b.at + t2));
    EQ_INT(tb_get32(f.b.at + field(f.b.at, t2, 0)), 8);
    EQ_INT(tb_get64(f.b.at + field(f.b.at, t2, 2)), 5);
    EQ_INT(field(f.b.at, t2, 2) % 8, 0);
    EQ_INT(field(f.b.at, t2, 1), 0);
    tb_arena_reset(&a);
}

/* Constants are asked for anywhere and are there from the start; jumps meet their blocks. */
static void
functions_of_the_machine(void)
{
    tb_arena a = {0};
    tb_asm_module m;
    tb_asm_begin(&m, &a, tb_iree_release_find("3.13"), TB_STR("m"));
    tb_asm_fn *f = tb_asm_fn_begin(&m, TB_STR("f"), 2, 1);
    uint32_t end = tb_asm_label(f);
    tb_asm_reg five = tb_asm_const64(f, 5);
    CHECK(five % 2 == 0);
    EQ_INT(tb_asm_const64(f, 5), five);
    tb_asm_jump(f, end);
    tb_asm_place(f, end);
    tb_asm_reg twice[] = {TB_ASM_REF | 1, TB_ASM_REF | 1};
    tb_asm_return(f, twice, 2);
    tb_asm_fn_end(f);
    CHECK(tb_str_eq(f->cconv, TB_STR("0rr_r")));
    EQ_INT(f->n_blocks, 2);
    EQ_INT(f->code.at[0], 0x79);
    uint32_t jump = 0;
    while (f->code.at[jump] != 0x56)
        jump++;
    EQ_INT(f->code.at[tb_get32(f->code.at + jump + 1)], 0x79);
    const uint8_t *last = f->code.at + f->code.n - 4; /* the first keeps what the second gives */
    EQ_INT(tb_get16(last), TB_ASM_REF | 1);
    EQ_INT(tb_get16(last + 2), TB_ASM_REF | TB_ASM_MOVE | 1);
    tb_arena_reset(&a);
}

static void
limits(void)
{
    tb_arena a = {0};
    tb_asm_module m;
    tb_artifact_module out;
    CHECK(!tb_iree_release_find("1.0"));
    tb_asm_begin(&m, &a, tb_iree_release_find(NULL), TB_STR("m"));
    tb_asm_fn *f = tb_asm_fn_begin(&m, TB_STR("f"), 0, 0);
    for (int i = 0; i < 20000; i++)
        tb_asm_i64(f);
    tb_asm_return(f, NULL, 0);
    tb_asm_fn_end(f);
    tb_status st = tb_asm_end(&m, &out);
    CHECK(st && strstr(tb_status_message(st), "registers"));
    tb_status_free(st);

    tb_plan_kernel k = {.n_bindings = 64, .scratch_bytes = 64};
    const struct tb_flat_export *exports;
    st = tb_iree_exports(&k, 1, "", &a, &exports);
    CHECK(st && strstr(tb_status_message(st), "65 buffers"));
    tb_status_free(st);
    tb_arena_reset(&a);
}

int
main(void)
{
    RUN(tables);
    RUN(places_in_the_archive);
    RUN(equal_vtables_are_shared);
    RUN(functions_of_the_machine);
    RUN(limits);
    return t_done();
}
