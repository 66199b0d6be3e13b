/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* guest_dump_test.c -- files of IREE's as text: modules, instructions, executables. */
#include "artifact/cpu.h"
#include "elf_t.h"
#include "guest/guest.h"
#include "t.h"
#include "vm_t.h"

#define R(n) (TB_VM_REF_BIT | (n))

static void
ok(tb_status st)
{
    if (!CHECK(st == NULL))
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
}

static const char *
dumped(t_vm *t, tb_buf *text)
{
    tb_vm_module *m;

    ok(t_vm_load(t, &m));
    text->n = 0;
    if (m)
        ok(tb_guest_dump(m, text));
    tb_buf_put(text, "", 1);
    tb_vm_module_release(m);
    tb_arena_reset(&t->a);
    return (const char *)text->at;
}

/* Whether the lines are in the text, in order. */
static bool
has_lines(const char *text, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *found = strstr(text, lines[i]);
        if (!found) {
            printf("# '%s' is not in\n%s", lines[i], text);
            return false;
        }
        text = found + strlen(lines[i]);
    }
    return true;
}
#define HAS(text, ...)                                                                   \
    CHECK(has_lines((text), (const char *const[]){__VA_ARGS__},                          \
                    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void
a_module(void)
{
    tb_buf text = {0};
    t_vm t;

    t_vm_begin(&t);
    t.m.extra_import = "things.hear";
    t.m.extra_cconv = "0iICirDf_rI";
    t.m.global_bytes = 16;
    t.m.n_ref_globals = 2;
    tb_asm_type(&t.m, "i32");
    uint32_t buffer = tb_asm_type(&t.m, "!vm.buffer");
    uint32_t hello = tb_asm_bytes(&t.m, "hello", 5), odd = tb_asm_bytes(&t.m, "a\nb", 3);
    tb_asm_fn *f = t_vm_fn(&t, "main", "0iIrf_Ir");
    f->n_i32 = 8;
    f->n_ref = 3;
    EMIT(f, CONST_I32, 0xfffffff9, 0);
    EMIT(f, CONST_I64, INT64_MAX, 2);
    EMIT(f, CONST_F32, 0x3fc00000, 4);
    EMIT(f, CONST_F64, UINT64_C(0xbff0000000000000), 6);
    EMIT(f, CONST_REF_RODATA, hello, R(1));
    EMIT(f, CONST_REF_RODATA, odd, R(1));
    EMIT(f, GLOBAL_LOAD_I64, 8, 2);
    EMIT(f, GLOBAL_STORE_REF, 1, buffer, R(1) | TB_VM_MOVE_BIT);
    EMIT(f, ADD_I64, 2, 2, 6);
    EMIT(f, CMP_LT_F32_O, 4, 5, 0);
    t_vm_op(f, TB_OP_SWITCH_I64);
    t_vm_byte(f, 0, 2), t_vm_byte(f, 2, 2);
    t_vm_list(f, (uint16_t[]){2, 6}, 2);
    t_vm_byte(f, 6, 2);
    t_vm_op(f, TB_OP_CALL_VARIADIC);
    t_vm_byte(f, TB_VM_IMPORT_BIT, 4);
    t_vm_list(f, (uint16_t[]){0xffff, 0xffff, 2, 0xffff}, 4);
    t_vm_list(f, (uint16_t[]){0, 2, 4, R(0), 5, R(1) | TB_VM_MOVE_BIT, 0}, 7);
    t_vm_list(f, (uint16_t[]){R(2), 6}, 2);
    t_vm_op(f, TB_OP_DISCARD_REFS);
    t_vm_list(f, (uint16_t[]){R(0), R(1)}, 2);
    RETURN(f, 2, R(2));
    HAS(dumped(&t, &text), "module test, version 0, IREE's bytecode 17.0\n", "types\n",
        "  i32\n", "  vm.buffer\n", "imports\n",
        "things.hear(i32, i64, (i32, ref)..., f32) -> (ref, i64)", "exports\n",
        "     0  main(i32, i64, ref, f32) -> (i64, ref)  function 0\n",
        "globals  16 bytes, 2 references\n", "     0  5 bytes  \"hello\"\n", "     1  3 bytes\n",
        "\nfunction 0 main(%i0: i32, %i2:3: i64, %r0: ref, %i4: f32) -> (i64, ref)  ",
        " bytes, 1 blocks, ", "\n^0x0:\n", "%i0 = const.i32 -7\n",
        "%i2:3 = const.i64 9223372036854775807\n", "%i4 = const.f32 1.5\n",
        "%i6:7 = const.f64 -1\n", "%r1 = const.ref.rodata constant 0\n", "constant 1\n",
        "%i2:3 = global.load.i64 global[8]\n",
        "global.store.ref reference[1], vm.buffer, %R1\n",
        "%i6:7 = add.i64 %i2:3, %i2:3\n", "%i0 = cmp.lt.f32.o %i4, %i5\n",
        "%i6:7 = switch.i64 %i0, %i2:3, [%i2:3, %i6:7]\n",
        "%r2, %i6:7 = call.variadic @things.hear(%i0, %i2:3, [(%i4, %r0), (%i5, %R1)], "
        "%i0)\n",
        "discard.refs %r0, %r1\n", "return %i2:3, %r2\n");
    tb_buf_free(&text);
}

static void
jumps_and_calls(void)
{
    tb_buf text = {0};
    t_vm t;

    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0i_i");
    f->exported = false;
    t_vm_op(f, TB_OP_CALL);
    t_vm_byte(f, 1, 4);
    t_vm_list(f, (uint16_t[]){0}, 1);
    t_vm_list(f, (uint16_t[]){0}, 1);
    t_vm_op(f, TB_OP_TRACE);
    t_vm_byte(f, 5, 2);
    for (const char *c = "a\x1b[0m"; *c; c++)
        t_vm_byte(f, (uint8_t)*c, 1);
    t_vm_list(f, (uint16_t[]){0}, 1);
    RETURN(f, 0);
    tb_asm_fn *g = t_vm_fn(&t, "g", "0i_i");
    g->n_i32 = 2;
    t_vm_op(g, TB_OP_BR_TABLE);
    t_vm_byte(g, 0, 2);
    for (int i = 0; i < 2; i++) { /* to the beginning: otherwise, and for 0 */
        t_vm_byte(g, 0, 4);
        t_vm_list(g, (uint16_t[]){1}, 1);
        t_vm_byte(g, 0, 2);
        if (i == 0)
            t_vm_byte(g, 1, 2);
    }
    g->open = false;
    tb_asm_fn_end(g);
    HAS(dumped(&t, &text), "\nexports\n     0  g(i32) -> (i32)  function 1\n", "\nfunction 0 (%i0: i32)",
        "%i0 = call @g(%i0)\n", "trace \"a\\x1b[0m\", %i0\n", "\nfunction 1 g(%i0: i32)",
        "br_table %i0, ^0x0(%i1 -> %i0), ^0x0(%i1 -> %i0)\n");
    tb_buf_free(&text);
}

/* One function for each instruction without lists and jumps: each shows its name. */
static void
every_instruction(void)
{
    tb_buf text = {0};
    int n = 0;

    for (uint32_t op = 0; op < TB_VM_OPS; op++) {
        const tb_vm_instruction *x = tb_vm_instruction_of(op);
        uint64_t v[8] = {0};
        char line[64];
        t_vm t;
        if (!x->mnemonic || strpbrk(x->operands, "xXyYqbBTnmlops.!"))
            continue;
        t_vm_begin(&t);
        t.m.global_bytes = 8;
        t.m.n_ref_globals = 1;
        tb_asm_type(&t.m, "!vm.buffer");
        tb_asm_bytes(&t.m, "", 1);
        tb_asm_fn *f = t_vm_fn(&t, "f", "0v_v");
        f->n_i32 = 8;
        f->n_ref = 8;
        int k = 0;
        for (const char *c = x->operands; *c; c++)
            if (*c != '>')
                v[k++] = *c == 'r' ? R(0) : 0;
        t_vm_emit(f, op, v);
        RETURN(f);
        snprintf(line, sizeof line, "%s\n", x->mnemonic);
        const char *said = dumped(&t, &text);
        line[strlen(x->mnemonic)] = x->operands[0] == '>' ? '\n' : ' ';
        HAS(said, line, "return\n");
        n++;
    }
    CHECK(n > 220);
    tb_buf_free(&text);
}

static void
executables(void)
{
    uint8_t f[T_ELF_BYTES];
    tb_buf text = {0};
    tb_vm_module *m;
    t_vm t;

    t_elf_write(f);
    t_vm_begin(&t);
    tb_asm_bytes(&t.m, f, sizeof f);
    RETURN(t_vm_fn(&t, "f", "0v_v"));
    const char *said = dumped(&t, &text);
    if (tb_cpu_machine() == TB_EM_X86_64)
        HAS(said, "\nexecutable in constant 0, 1656 bytes\n", "  library lib, version 6\n",
            "     0  add_x  1 buffers, 1 constants\n", "\nfunction 0 f()");
    else
        HAS(said, "for another processor");
    tb_buf_free(&text);

    f[18] = 183 + 1; /* a processor that nobody has */
    t_vm_begin(&t);
    tb_asm_bytes(&t.m, f, sizeof f);
    RETURN(t_vm_fn(&t, "f", "0v_v"));
    HAS(dumped(&t, &text), "for another processor: not looked into\n");
    tb_buf_free(&text);

    if (tb_cpu_machine() != TB_EM_X86_64)
        return;
    t_elf_write(f);
    tb_set64(f + T_ELF_RELA, 0); /* a relocation in the file's head */
    t_vm_begin(&t);
    tb_asm_bytes(&t.m, f, sizeof f);
    RETURN(t_vm_fn(&t, "f", "0v_v"));
    ok(t_vm_load(&t, &m));
    for (int i = 0; i < 2; i++) {
        tb_status st = tb_guest_dump(m, i ? &text : NULL);
        CHECK(st && strstr(tb_status_message(st), "a relocation outside of writable data"));
        tb_status_free(st);
    }
    tb_buf_free(&text);
    tb_vm_module_release(m);
    tb_arena_reset(&t.a);
}

int
main(void)
{
    RUN(a_module);
    RUN(jumps_and_calls);
    RUN(every_instruction);
    RUN(executables);
    return t_done();
}
