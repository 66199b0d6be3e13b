/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* vm_verify_test.c -- modules of IREE's virtual machine that must be refused, and why. */
#include <stdlib.h>

#include "artifact/put.h"
#include "t.h"
#include "vm_t.h"

static bool
refused(t_vm *t, const char *what)
{
    tb_vm_module *m;
    tb_status st = t_vm_load(t, &m);
    bool found = st && strstr(tb_status_message(st), what);
    if (!found)
        printf("# '%s', not '%s'\n", tb_status_message(st), what);
    tb_status_free(st);
    tb_vm_module_release(m);
    tb_arena_reset(&t->a);
    return found;
}

/* A function with 5 registers for numbers (one of them the writer's) and 2 for references, whose code a test writes. */
static tb_asm_fn *
begin(t_vm *t)
{
    t_vm_begin(t);
    t->m.global_bytes = 8;
    t->m.n_ref_globals = 1;
    tb_asm_type(&t->m, "i32");
    tb_asm_type(&t->m, "!vm.buffer");
    tb_asm_bytes(&t->m, "bytes", 5);
    tb_asm_fn *f = t_vm_fn(t, "f", "0v_v");
    f->n_i32 = 4;
    f->n_ref = 2;
    return f;
}
#define REFUSED(what, ...)                                                               \
    do {                                                                                 \
        t_vm t;                                                                          \
        tb_asm_fn *f = begin(&t);                                                        \
        __VA_ARGS__;                                                                     \
        RETURN(f);                                                                       \
        CHECK(refused(&t, what));                                                        \
    } while (0)

static void
operands(void)
{
    REFUSED("function 0 'f' at 0x4: opcode 0x9f is not known", t_vm_byte(f, 0x9f, 1));
    REFUSED("opcode 0x3e of the f32 extension is not known", t_vm_op(f, 0x13e));
    REFUSED("opcode 0x40 of the f64 extension is not known", t_vm_op(f, 0x240));
    REFUSED("add.i32: register 5 of 5", EMIT(f, ADD_I32, 0, 1, 5));
    REFUSED("add.i32: a reference register", EMIT(f, ADD_I32, 0, TB_VM_REF_BIT, 1));
    REFUSED("add.i64: 64 bits in the odd register 1", EMIT(f, ADD_I64, 0, 1, 2));
    REFUSED("const.i64.zero: register 5 of 5", EMIT(f, CONST_I64_ZERO, 4));
    REFUSED("add.f64: 64 bits in the odd register 1", EMIT(f, ADD_F64, 0, 1, 2));
    REFUSED("cmp.nz.ref: register 1 where one of references",
            EMIT(f, CMP_NZ_REF, 1, 0));
    REFUSED("cmp.nz.ref: reference register 2 of 2",
            EMIT(f, CMP_NZ_REF, TB_VM_REF_BIT | 2, 0));
    REFUSED("global.load.i32: global 5 of 8", EMIT(f, GLOBAL_LOAD_I32, 5, 0));
    REFUSED("global.load.i64: global 1 of 8", EMIT(f, GLOBAL_LOAD_I64, 1, 0));
    REFUSED("global.load.i32: global 4294967295 of 8",
            EMIT(f, GLOBAL_LOAD_I32, 0xffffffff, 0));
    REFUSED("global.load.ref: global 1 of 1", EMIT(f, GLOBAL_LOAD_REF, 1, 1, TB_VM_REF_BIT));
    REFUSED("global.load.ref: type 2 of 2", EMIT(f, GLOBAL_LOAD_REF, 0, 2, TB_VM_REF_BIT));
    REFUSED("global.load.ref: type 0, i32, is none of references",
            EMIT(f, GLOBAL_LOAD_REF, 0, 0, TB_VM_REF_BIT));
    REFUSED("const.ref.rodata: constant 1 of 1", EMIT(f, CONST_REF_RODATA, 1, TB_VM_REF_BIT));
    REFUSED("discard.refs: register 0 where one of references",
            t_vm_op(f, TB_OP_DISCARD_REFS); t_vm_list(f, (uint16_t[]){0}, 1));
    REFUSED("switch.i64: 64 bits in the odd register 1", t_vm_op(f, TB_OP_SWITCH_I64);
            t_vm_byte(f, 0, 2); t_vm_byte(f, 0, 2); t_vm_list(f, (uint16_t[]){1}, 1);
            t_vm_byte(f, 0, 2));
}

static void
ends(void)
{
    t_vm t;
    tb_asm_fn *f = begin(&t); /* cut within an instruction */
    EMIT(f, ADD_I32, 0, 0, 0);
    f->code.n--;
    f->open = false;
    tb_asm_fn_end(f);
    CHECK(refused(&t, "add.i32: the function ends within it"));

    f = begin(&t);
    EMIT(f, ADD_I32, 0, 0, 0);
    f->open = false;
    tb_asm_fn_end(f);
    CHECK(refused(&t, "the function ends within a block"));

    f = begin(&t); /* a list longer than the function */
    t_vm_op(f, TB_OP_DISCARD_REFS);
    if (f->code.n % 2)
        t_vm_byte(f, 0, 1);
    t_vm_byte(f, 0xffff, 2);
    f->open = false;
    tb_asm_fn_end(f);
    CHECK(refused(&t, "discard.refs: the function ends within it"));

    f = begin(&t); /* text as well */
    t_vm_op(f, TB_OP_FAIL);
    t_vm_byte(f, 0, 2);
    t_vm_byte(f, 10, 2);
    t_vm_byte(f, 'x', 1);
    f->open = false;
    tb_asm_fn_end(f);
    CHECK(refused(&t, "fail: the function ends within it"));
}

static void
jump_to(tb_asm_fn *f, uint32_t op, uint32_t pc, uint32_t pair, bool paired)
{
    t_vm_op(f, op);
    t_vm_byte(f, pc, 4);
    t_vm_list(f, NULL, 0);
    if (paired) {
        f->code.at[f->code.n - 2] = 1;
        t_vm_byte(f, pair, 4);
    }
    f->open = false;
}

static void
jumps(void)
{
    static const struct {
        uint32_t pc, pair;
        bool paired;
        const char *what;
    } cases[] = {
        {1, 0, false, "br: a jump to 0x1, where no block begins"},
        {0xffffff, 0, false, "br: a jump to 0xffffff of "},
        {0, 5 << 16, true, "br: register 5 of 5"},
        {0, 5, true, "br: register 5 of 5"},
        {0, 0x8000, true, "br: register 0 where one of references"},
        {0, 0x80000000, true, "br: a reference register where a number"},
        {0, 0x80008002, true, "br: reference register 2 of 2"},
    };
    for (size_t i = 0; i < TB_COUNT(cases); i++) {
        t_vm t;
        tb_asm_fn *f = begin(&t);
        jump_to(f, TB_OP_BR, cases[i].pc, cases[i].pair, cases[i].paired);
        tb_asm_fn_end(f);
        CHECK(refused(&t, cases[i].what));
    }
    t_vm t;
    tb_asm_fn *f = begin(&t); /* code that no block holds */
    jump_to(f, TB_OP_BR, 0, 0, false);
    EMIT(f, ADD_I32, 0, 0, 0);
    tb_asm_fn_end(f);
    CHECK(refused(&t, "add.i32: not in a block"));

    f = begin(&t);
    t_vm_op(f, TB_OP_BLOCK);
    f->n_blocks++;
    RETURN(f);
    CHECK(refused(&t, "block: a block begins within one"));

    f = begin(&t);
    f->n_blocks = 3;
    RETURN(f);
    CHECK(refused(&t, "1 blocks; the function says 3"));
}

/* A call of function 1, (i32, i64, ref) -> i64, or of an import with a list. */
static void
call(const char *what, uint32_t op, uint32_t callee, const uint16_t *segments,
     uint32_t n_segments, const uint16_t *args, uint32_t n, const uint16_t *results,
     uint32_t n_results)
{
    t_vm t;
    tb_asm_fn *f = begin(&t);
    t.m.extra_import = "some.thing";
    t.m.extra_cconv = "0iCrID_r";
    t_vm_op(f, op);
    t_vm_byte(f, callee, 4);
    if (op == TB_OP_CALL_VARIADIC)
        t_vm_list(f, segments, n_segments);
    t_vm_list(f, args, n);
    t_vm_list(f, results, n_results);
    RETURN(f);
    f = t_vm_fn(&t, "g", "0iIr_I");
    RETURN(f, 2);
    CHECK(refused(&t, what));
}
#define LIST(...)                                                                        \
    (const uint16_t[]){__VA_ARGS__}, sizeof((const uint16_t[]){__VA_ARGS__}) / 2
enum { R = TB_VM_REF_BIT };

static void
calls(void)
{
    const uint32_t own = 1, import = TB_VM_IMPORT_BIT;
    call("call: function 2 of 2", TB_OP_CALL, 2, NULL, 0, NULL, 0, NULL, 0);
    call("call: import 1 of 1", TB_OP_CALL, import | 1, NULL, 0, NULL, 0, NULL, 0);
    call("call: 2 registers for '0iIr_I'", TB_OP_CALL, own, NULL, 0, LIST(0, 2), LIST(0));
    call("call: 4 registers for '0iIr_I'", TB_OP_CALL, own, NULL, 0, LIST(0, 2, R, R),
         LIST(0));
    call("call: 64 bits in the odd register 1", TB_OP_CALL, own, NULL, 0, LIST(0, 1, R),
         LIST(0));
    call("call: register 3 where one of references", TB_OP_CALL, own, NULL, 0, LIST(0, 2, 3),
         LIST(0));
    call("call: 0 registers for the results", TB_OP_CALL, own, NULL, 0, LIST(0, 2, R), NULL,
         0);
    call("call: a reference register", TB_OP_CALL, own, NULL, 0, LIST(0, 2, R), LIST(R));
    call("call: 0 segments for '0iCrID_r'", TB_OP_CALL, import, NULL, 0, LIST(0), LIST(R));
    call("segments for a function of the module's own", TB_OP_CALL_VARIADIC, own,
         LIST(0xffff), LIST(0), LIST(R));
    call("call.variadic: 1 segments for", TB_OP_CALL_VARIADIC, import, LIST(0xffff), LIST(0),
         LIST(R));
    call("call.variadic: 3 registers for", TB_OP_CALL_VARIADIC, import, LIST(0xffff, 2),
         LIST(0, R, 0), LIST(R));
    call("call.variadic: 4 registers for", TB_OP_CALL_VARIADIC, import, LIST(0xffff, 1),
         LIST(0, R, 0, 0), LIST(R));
    call("call.variadic: 64 bits in the odd register 3", TB_OP_CALL_VARIADIC, import,
         LIST(0xffff, 1), LIST(0, R, 3), LIST(R));
    call("call.variadic: 1 registers for", TB_OP_CALL_VARIADIC, import, LIST(0xffff, 0xfffe),
         LIST(0), LIST(R));
    t_vm t;
    tb_asm_fn *f = begin(&t);
    EMIT(f, IMPORT_RESOLVED, 0, 0);
    RETURN(f);
    CHECK(refused(&t, "import.resolved: import 0x0 of 0"));
    f = begin(&t);
    f->cconv = TB_STR("0v_I");
    RETURN(f);
    CHECK(refused(&t, "return: 0 registers for the results of '0v_I'"));
}

static void
conventions(void)
{
    static const char *const bad[] = {"1v_v", "0x_v", "0i_", "0iC_v", "0CD_v", "0CiCiDD_v",
                                      "0i_iC", "0i_vv", "0vi_v", "i"};
    tb_vm_cconv c;
    for (size_t i = 0; i < TB_COUNT(bad); i++) {
        bool parsed = tb_vm_cconv_parse(bad[i], &c);
        if (!CHECK(!parsed || strcmp(bad[i], "0i_") == 0))
            printf("# %s\n", bad[i]);
        t_vm t;
        tb_asm_fn *f = begin(&t);
        RETURN(f);
        t.m.extra_import = "a.b";
        t.m.extra_cconv = bad[i];
        if (!parsed)
            CHECK(refused(&t, "import 'a.b' has the calling convention"));
        else
            tb_arena_reset(&t.a);
    }
    CHECK(tb_vm_cconv_parse("0iICrID_rf", &c));
    EQ_INT(c.n_args, 3);
    EQ_INT(c.n_results, 2);
    EQ_INT(c.arg_i32, 4);
    t_vm t;
    t_vm_begin(&t);
    tb_asm_fn *f = t_vm_fn(&t, "f", "0iI_v");
    f->n_i32 = 2; /* and one that the writer takes */
    RETURN(f);
    CHECK(refused(&t, "has arguments '0iI_v' and only 3 and 1 registers"));
}

/* ---- the file ---- */
static tb_artifact_module
sample(t_vm *t)
{
    tb_artifact_module out = {0};
    t_vm_begin(t);
    t->m.global_bytes = 8;
    t->m.n_ref_globals = 2;
    uint32_t type = tb_asm_type(&t->m, "!vm.buffer");
    uint32_t bytes = tb_asm_bytes(&t->m, "a constant", 10);
    tb_asm_fn *f = t_vm_fn(t, "f", "0iI_Ir");
    f->n_i32 = 8;
    f->n_ref = 2;
    f->coarse_fences = true;
    EMIT(f, CONST_REF_RODATA, bytes, R);
    EMIT(f, GLOBAL_STORE_REF, 1, type, R);
    EMIT(f, BUFFER_LENGTH, R, 4);
    EMIT(f, ADD_I64, 2, 4, 4);
    EMIT(f, GLOBAL_STORE_I64, 0, 4);
    RETURN(f, 4, R | TB_VM_MOVE_BIT);
    tb_status_free(tb_asm_end(&t->m, &out));
    return out;
}

/* Loads and, if that works, calls; whether it loaded. Nothing may crash. */
static bool
try_bytes(const uint8_t *bytes, size_t n)
{
    tb_vm_module *m;
    tb_vm_state *s = NULL;
    uint8_t *exact = malloc(n ? n : 1); /* so that tools see a byte too far */
    memcpy(exact, bytes, n);
    tb_status st = tb_vm_module_load_memory(exact, n, free, exact, &m);
    bool loaded = !st;
    if (!st)
        st = tb_vm_state_create(m, &(tb_vm_options){.max_steps = 1000, .max_bytes = 1 << 20},
                                &s);
    for (uint32_t i = 0; !st && i < tb_vm_module_export_count(m); i++) {
        tb_vm_value args[2] = {{0}}, results[2] = {{0}};
        if (strcmp(tb_vm_module_export_cconv(m, i), "0iI_Ir") != 0)
            continue;
        st = tb_vm_invoke(s, i, args, 2, results, 2);
        if (!st)
            tb_vm_release(results[1].ref);
    }
    tb_status_free(st);
    tb_vm_state_destroy(s);
    tb_vm_module_release(m);
    return loaded;
}

static void
damaged_files(void)
{
    t_vm t;
    tb_artifact_module out = sample(&t);
    uint8_t *copy = malloc(out.n);
    uint32_t loaded = 0;

    CHECK(try_bytes(out.bytes, out.n));
    for (size_t n = 0; n < out.n; n++)
        CHECK(!try_bytes(out.bytes, n));
    for (size_t i = 0; i < out.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, out.bytes, out.n);
            copy[i] ^= (uint8_t)(1 << bit);
            loaded += try_bytes(copy, out.n);
        }
    printf("# %u of %zu loaded\n", loaded, out.n * 8);
    CHECK(loaded < out.n * 8 / 2);
    free(copy);
    tb_arena_reset(&t.a);
}

static void
about_a_module(void)
{
    t_vm t;
    tb_vm_module *m;
    tb_artifact_module out = sample(&t);
    tb_status st = tb_vm_module_load_memory(out.bytes, out.n, NULL, NULL, &m);
    CHECK(!st && tb_vm_module_looks_like(out.bytes, out.n));
    CHECK(!tb_vm_module_looks_like("PK\3\4", 4));
    EQ_STR(tb_vm_module_name(m), "test");
    EQ_INT(tb_vm_module_export_count(m), 1);
    EQ_INT(tb_vm_module_find_export(m, "f"), 0);
    EQ_INT(tb_vm_module_find_export(m, "g"), -1);
    EQ_STR(tb_vm_module_export_cconv(m, 0), "0iI_Ir");
    EQ_STR(tb_vm_module_export_attr(m, 0, "iree.abi.model"), "coarse-fences");
    CHECK(!tb_vm_module_export_attr(m, 0, "iree.abi"));
    tb_vm_module_release(m);
    tb_arena_reset(&t.a);
}

/* Bytes of the flatbuffer, found by what they are. */
static bool
patched(const void *from, const void *to, size_t n, const char *what)
{
    t_vm t;
    tb_vm_module *m;
    tb_artifact_module out = sample(&t);
    uint8_t *copy = malloc(out.n), *at;
    memcpy(copy, out.bytes, out.n);
    at = memmem(copy, out.n, from, n);
    if (CHECK(at != NULL))
        memcpy(at, to, n);
    tb_status st = tb_vm_module_load_memory(copy, out.n, free, copy, &m);
    bool found = st && strstr(tb_status_message(st), what);
    if (!found)
        printf("# %s\n", tb_status_message(st));
    tb_status_free(st);
    tb_vm_module_release(m);
    tb_arena_reset(&t.a);
    return found;
}

static void
other_modules(void)
{
    CHECK(patched("IREE", "IRRE", 4, "not a flatbuffer of this kind"));
    CHECK(patched("\0\0\x11\0", "\0\0\x12\0", 4,
                  "bytecode is 18.0; this runtime reads 17.0, that of IREE 3.13"));
    CHECK(patched("!vm.buffer", ".vm.buffer", 10, "type 0 is called '.vm.buffer'"));
    CHECK(patched("0iI_Ir", "0iIxIr", 6, "function 0 has the calling convention '0iIxIr'"));
    CHECK(patched("test", "\0est", 4, "damaged module"));
}

int
main(void)
{
    RUN(operands);
    RUN(ends);
    RUN(jumps);
    RUN(calls);
    RUN(conventions);
    RUN(damaged_files);
    RUN(about_a_module);
    RUN(other_modules);
    return t_done();
}
