/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * artifact_test.c -- writes an artifact, reads it back, damages it in every way.
 *
 *     artifact_test --seed FILE     writes the sample for tests/fuzz/corpus/vmfb
 */
#include "artifact_t.h"

#include <stdlib.h>
#include <unistd.h>

#include "artifact/layout.h"
#include "t.h"

/* The sample's bytes at an aligned address; the caller frees them. */
static uint8_t *
sample_file(size_t *n)
{
    t_artifact s;
    tb_buf out = {0};

    t_sample(&s);
    tb_status st = tb_artifact_write(&s.a, &out);
    EQ_STR(tb_status_message(st), "ok");
    tb_status_free(st);
    *n = out.n;
    return out.at;
}

/* Reads and throws away; true if the bytes were accepted. */
static bool
reads(const uint8_t *bytes, size_t n, int flags)
{
    tb_plan p;
    tb_status st = tb_artifact_read(bytes, n, flags, &p);
    bool ok = !st;

    tb_status_free(st);
    return ok;
}

/* Bytes of the plan, with an exact-size copy of a file around it. */
static uint8_t *
plan_member(uint8_t *file, size_t n, size_t *bytes)
{
    const uint8_t *at = NULL;
    tb_status st = tb_zip_find(file, n, TB_PLAN_MEMBER, &at, bytes);

    EQ_STR(tb_status_message(st), "ok");
    tb_status_free(st);
    return file + (at - file);
}

static void
hashes(void)
{
    uint64_t h[2];
    const char *fox = "The quick brown fox jumps over the lazy dog";

    tb_hash128(fox, strlen(fox), h);
    CHECK(h[0] == UINT64_C(0xe34bbc7bbc071b6c) && h[1] == UINT64_C(0x7a433ca9c49a9347));
    tb_hash128("", 0, h);
    CHECK(h[0] == 0 && h[1] == 0);
    EQ_INT(tb_crc32(0, "123456789", 9), 0xcbf43926);
    EQ_INT(tb_crc32(0, "", 0), 0);
    EQ_INT(tb_crc32(0, fox, strlen(fox)), 0x414fa339);
    /* long ones are folded; in parts of any length they are the same */
    uint8_t bytes[1500];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i >> 3);
    EQ_INT(tb_crc32(0, bytes, sizeof bytes), 0x25c7f76f);
    for (size_t n = 0; n < sizeof bytes; n += 7)
        EQ_INT(tb_crc32(tb_crc32(0, bytes, n), bytes + n, sizeof bytes - n),
               tb_crc32(0, bytes, sizeof bytes));
}

static void
cpu_levels(void)
{
    size_t n;
    const tb_cpu_level *l = tb_cpu_levels(&n), *host = tb_cpu_host();

    for (size_t i = 0; i < n; i++) {
        CHECK(tb_cpu_find(l[i].name) == &l[i]);
        /* best first: a later level of the same machine never needs what an earlier lacks */
        if (i && l[i].machine == l[i - 1].machine)
            CHECK((l[i].features & ~l[i - 1].features) == 0);
    }
    CHECK(tb_cpu_find("pentium") == NULL);
    if (tb_cpu_machine()) {
        CHECK(host && host->machine == tb_cpu_machine());
        CHECK(host && (host->features & ~tb_cpu_features()) == 0);
        CHECK(host && tb_cpu_pays(host->features));
    }
    EQ_INT(tb_cpu_features(), tb_cpu_features());
    CHECK(tb_cpu_pays(0) && tb_cpu_pays(TB_CPU_V4) && tb_cpu_pays(TB_CPU_V4_AMX));
}

/* `want`: the levels' names, each with a space after it, or part of the message. */
static void
means(const char *target, const char *want)
{
    const tb_cpu_level *levels[TB_CPU_MAX_LEVELS];
    char got[256] = "";
    size_t n;
    tb_status st = tb_cpu_parse(target, levels, &n);

    for (size_t i = 0; !st && i < n; i++) {
        strcat(got, levels[i]->name);
        strcat(got, " ");
    }
    if (st)
        CHECK(strstr(tb_status_message(st), want) != NULL);
    else
        EQ_STR(got, want);
    tb_status_free(st);
}

static void
names_of_targets(void)
{
    means("x86_64-v3", "x86_64-v3 ");
    means("x86_64-linux-v3+v4", "x86_64-v4 x86_64-v3 ");
    means("x86_64-v2+v4-amx+v3", "x86_64-v4-amx x86_64-v3 x86_64-v2 ");
    means("x86_64-linux", "x86_64 ");
    means("aarch64-linux", "aarch64 ");
    means("armv7-linux-neon", "armv7-neon ");
    means("riscv64", "riscv64 ");
    means("wasm32", "wasm32 ");
    means("x86_64-linux-v3+v9", "unknown target 'x86_64-linux-v3+v9'");
    means("x86_64-linux-", "unknown target");
    means("x86_64-linux-v3+", "unknown target");
    means("x86_64-linuxx", "unknown target");
    means("", "unknown target ''");
    means("+", "unknown target");
    means("-linux", "unknown target");
}

static void
round_trip(void)
{
    t_artifact s;
    tb_plan p;
    size_t n;
    uint8_t *file = sample_file(&n), *again = sample_file(&n);

    CHECK(memcmp(file, again, n) == 0); /* same input, same bytes */
    tb_status st = tb_artifact_read(file, n, TB_LOAD_VERIFY_WEIGHTS, &p);
    EQ_STR(tb_status_message(st), "ok");
    if (!st) {
        t_sample(&s);
        EQ_INT(p.strings_bytes, s.plan.strings_bytes);
        EQ_STR(p.strings + p.module_name.off, "tiny");
        EQ_STR(p.strings + p.producer.off, "test 1.0");
        EQ_INT(p.n_code, s.plan.n_code);
        CHECK(memcmp(p.code, s.plan.code, p.n_code * sizeof *p.code) == 0);
        CHECK(memcmp(p.bufs, s.plan.bufs, sizeof s.bufs) == 0);
        CHECK(memcmp(p.kernels, s.plan.kernels, sizeof s.kernels) == 0);
        CHECK(memcmp(p.functions, s.plan.functions, sizeof s.functions) == 0);
        EQ_INT(p.n_consts, 3);
        for (uint32_t i = 0; i < p.n_consts; i++) {
            EQ_INT(p.consts[i].offset % TB_DATA_ALIGN, 0);
            EQ_INT(p.consts[i].bytes, s.blobs[i].n);
            CHECK(memcmp(file + p.consts[i].offset, s.blobs[i].bytes, s.blobs[i].n) == 0);
        }
        EQ_INT(p.consts[0].offset, p.consts[1].offset); /* equal bytes are stored once */
        CHECK(p.consts[2].offset != p.consts[0].offset);
        for (uint32_t i = 0; i < p.n_images; i++) {
            const tb_plan_image *im = &p.images[i];
            EQ_INT(im->offset % TB_PAGE, 0);
            EQ_INT(im->text_off % TB_PAGE, 0);
            CHECK(memcmp(file + im->offset + im->text_off + p.entries[i], t_add_one,
                         sizeof t_add_one) == 0);
        }
    }
    tb_status_free(st);
    free(file);
    free(again);
}

/* The writer refuses what no reader would accept. */
static void
faulty_plan(void)
{
    t_artifact s;
    tb_buf out = {0};

    t_sample(&s);
    s.code[1] = 10; /* no such register */
    tb_status st = tb_artifact_write(&s.a, &out);
    EQ_INT(tb_status_code(st), TB_INTERNAL);
    EQ_INT(out.n, 0);
    tb_status_free(st);
    t_sample(&s);
    s.images[1].target = s.images[0].target;
    st = tb_artifact_write(&s.a, &out);
    EQ_INT(tb_status_code(st), TB_INVALID_ARGUMENT);
    tb_status_free(st);
    tb_buf_free(&out);
}

/* An artifact without code or data, as of a function that returns its input. */
static void
nothing_inside(void)
{
    t_artifact s;
    tb_buf out = {0};

    t_sample(&s);
    s.plan.n_functions = s.plan.n_kernels = s.plan.n_entries = s.plan.n_consts = 0;
    s.plan.n_works = 0;
    s.plan.n_globals = s.plan.n_images = 0;
    tb_status st = tb_artifact_write(&s.a, &out);
    EQ_STR(tb_status_message(st), "ok");
    CHECK(reads(out.at, out.n, 0));
    tb_status_free(st);
    tb_buf_free(&out);
    t_sample(&s);
    s.plan.n_functions = s.plan.n_kernels = s.plan.n_entries = s.plan.n_works = 0;
    s.flat[0].n = s.flat[0].n_entries = 0;
    s.flat[1] = s.flat[0];
    st = tb_artifact_write(&s.a, &out);
    EQ_STR(tb_status_message(st), "ok");
    CHECK(reads(out.at, out.n, 0));
    tb_status_free(st);
    tb_buf_free(&out);
}

/* ---- damage ---- */
/* The hash notices every change; resealed, the verifier may accept or not, but not crash. */
static void
every_byte_of_the_plan(void)
{
    size_t n, bytes, accepted = 0;
    uint8_t *file = sample_file(&n), *plan = plan_member(file, n, &bytes);
    tb_buf text = {0};

    for (size_t i = 0; i < bytes; i++) {
        static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x7f};
        for (size_t k = 0; k < TB_COUNT(flips); k++) {
            plan[i] ^= flips[k];
            CHECK(!reads(file, n, 0));
            if (i >= TB_PLAN_HASHED_FROM) {
                tb_plan p;
                tb_plan_seal(plan, bytes);
                tb_status st = tb_artifact_read(file, n, 0, &p);
                if (!st) {
                    accepted++;
                    text.n = 0;
                    tb_plan_dump(&p, file, &text);
                }
                tb_status_free(st);
            }
            plan[i] ^= flips[k];
            tb_plan_seal(plan, bytes);
        }
    }
    CHECK(reads(file, n, TB_LOAD_VERIFY_WEIGHTS));
    CHECK(accepted > 0); /* names, costs, lines may change */
    tb_buf_free(&text);
    free(file);
}

/* Is byte i of the plan, an image or a constant? The rest is padding and what only other
 * ZIP readers look at: names, dates, checksums. */
static bool
is_content(const tb_plan *p, uint64_t plan_at, uint64_t plan_bytes, uint64_t i)
{
    bool in = i - plan_at < plan_bytes;

    for (uint32_t k = 0; k < p->n_images; k++)
        in = in || i - p->images[k].offset < p->images[k].bytes;
    for (uint32_t k = 0; k < p->n_consts; k++)
        in = in || i - p->consts[k].offset < p->consts[k].bytes;
    return in;
}

static void
every_byte_of_the_file(void)
{
    size_t n, plan_bytes, missed = 0, contents = 0;
    uint8_t *file = sample_file(&n), *plan = plan_member(file, n, &plan_bytes);
    tb_plan p = {0};
    tb_status st = tb_artifact_read(file, n, 0, &p);

    EQ_STR(tb_status_message(st), "ok");
    for (size_t i = 0; i < n; i++) {
        bool content = is_content(&p, (uint64_t)(plan - file), plan_bytes, i);
        file[i] ^= 0xff;
        bool accepted = reads(file, n, TB_LOAD_VERIFY_WEIGHTS);
        file[i] ^= 0xff;
        contents += content;
        missed += content && accepted;
    }
    CHECK(contents > 10000);
    EQ_INT(missed, 0);
    free(file);
}

static void
every_length(void)
{
    size_t n;
    uint8_t *file = sample_file(&n);

    for (size_t i = 0; i < n; i += i + 64 < n && i > 4096 ? 61 : 1) {
        uint8_t *cut = aligned_alloc(64, TB_ALIGN_UP(i + 1, 64));
        if (!CHECK(cut != NULL))
            break;
        memcpy(cut, file, i);
        CHECK(!reads(cut, i, 0));
        free(cut);
    }
    tb_plan p;
    tb_status st = tb_artifact_read(file + 1, n - 1, 0, &p);
    EQ_INT(tb_status_code(st), TB_INVALID_ARGUMENT);
    tb_status_free(st);
    free(file);
}

/* Changes one field of the sample and wants the verifier to refuse with `word` in it.
 * Images and constants get a place first, which is otherwise the writer's work. */
#define REFUSED(change, word)                                                            \
    do {                                                                                 \
        t_artifact s;                                                                    \
        t_sample(&s);                                                                    \
        for (int i_ = 0; i_ < 2; i_++)                                                   \
            s.images[i_] = (tb_plan_image){.target = s.images[i_].target,                \
                                           .bytes = 8192, .text_off = 4096};             \
        s.consts[0].bytes = 16;                                                          \
        tb_status st_ = tb_plan_verify(&s.plan, 1 << 20);                                \
        EQ_STR(tb_status_message(st_), "ok");                                            \
        tb_status_free(st_);                                                             \
        change;                                                                          \
        st_ = tb_plan_verify(&s.plan, 1 << 20);                                          \
        if (!CHECK(strstr(tb_status_message(st_), word) != NULL))                        \
            printf("# %s: %s\n", #change, tb_status_message(st_));                       \
        tb_status_free(st_);                                                             \
    } while (0)

static void
hostile_tables(void)
{
    REFUSED(s.plan.strings_bytes--, "strings");
    REFUSED(s.plan.strings_bytes = 0, "strings");
    REFUSED(s.plan.module_name.len++, "name");
    REFUSED(s.plan.producer.off = UINT32_MAX, "name");
    REFUSED(s.locs[1].op.len = UINT32_MAX, "location 1");
    REFUSED(s.attrs[0].value.off = 1 << 20, "attribute 0");
    REFUSED(s.consts[1].dtype = 99, "constant 1");
    REFUSED(s.consts[2].offset = 8, "constant 2");
    REFUSED(s.consts[2].offset = 1 << 21, "constant 2");
    REFUSED(s.consts[2].bytes = UINT64_MAX, "constant 2");
    REFUSED(s.globals[0].init = 3, "global 0");
    REFUSED(s.globals[0].init = -3, "global 0");
    REFUSED(s.globals[0].init = 2, "global 0");
    REFUSED(s.dims[4].value = INT64_MAX, "global 0");
    REFUSED(s.dims[4].value = -1, "global 0");
    REFUSED(s.images[1].offset = 64, "image 1");
    REFUSED(s.images[1].offset = 1 << 20, "image 1");
    REFUSED(s.images[1].text_off = 8192, "image 1");
    REFUSED(s.images[0].text_off = 100, "image 0");
    REFUSED(s.entries[1] = 4096, "entry");
    REFUSED(s.plan.n_entries = 1, "entries");
    REFUSED(s.kernels[0].loc = 2, "kernel 0");
    REFUSED(s.kernels[0].scratch_bytes = UINT64_MAX, "kernel 0");
}

static void
hostile_functions(void)
{
    REFUSED(s.values[0].rank = 17, "input 0");
    REFUSED(s.values[0].dims = 5, "input 0");
    REFUSED(s.values[1].dtype = 0, "result 0");
    REFUSED(s.dims[1].reg = -1, "result 0");
    REFUSED(s.dims[1].reg = 10, "result 0");
    REFUSED(s.dims[0].min = 2000, "input 0");
    REFUSED(s.dims[3].value = INT64_MAX, "result 1");
    REFUSED(s.works[0].at = 83, "work 0");
    REFUSED(s.works[1].at = 43, "work 1");
    REFUSED(s.works[0].n_locs = 0, "work 0");
    REFUSED(s.works[0].n_locs = 2, "work 0");
    REFUSED(s.works[1].loc = UINT32_MAX, "work 1");
    REFUSED(s.works[0].flops = 10, "work 0");
    REFUSED(s.works[0].bytes = -2, "work 0");
    REFUSED(s.functions[0].n_inputs = UINT32_MAX, "function 0");
    REFUSED(s.functions[0].result = 0, "function 0");
    REFUSED(s.functions[0].n_bufs = 7, "function 0");
    REFUSED(s.functions[0].n_regs = 1 << 30, "function 0");
    REFUSED(s.functions[0].n_regs = 9, "word");
    REFUSED(s.functions[0].arena_reg = 10, "function 0");
    REFUSED(s.functions[0].arena_reg = -1, "buffer 1");
    REFUSED(s.functions[0].n_code = 0, "function 0");
    REFUSED(s.functions[0].n_code = 80, "does not end");
    REFUSED(s.functions[0].n_code = 79, "no instruction");
    REFUSED(s.functions[0].n_code = 84, "function 0");
    REFUSED(s.functions[0].prologue_end = 38, "prologue");
    REFUSED(s.functions[0].prologue_end = 41, "prologue");
    REFUSED(s.bufs[0].kind = 5, "buffer 0");
    REFUSED(s.bufs[0].index = 1, "buffer 0");
    REFUSED(s.bufs[1].offset_reg = -1, "buffer 1");
    REFUSED(s.bufs[1].bytes_reg = 10, "buffer 1");
    REFUSED(s.bufs[2].index = 2, "buffer 2");
    REFUSED(s.bufs[3].index = 3, "buffer 3");
    REFUSED(s.bufs[5].index = 1, "buffer 5");
}

static void
hostile_code(void)
{
    REFUSED(s.code[0] = 0, "no instruction");
    REFUSED(s.code[0] = T_OP(DIM, 3) + 100, "no instruction");
    REFUSED(s.code[0] = T_OP(DIM, 2), "operands");
    REFUSED(s.code[1] = 10, "word 0: operand");
    REFUSED(s.code[1] = -1, "word 0: operand");
    REFUSED(s.code[2] = 1, "word 0: operand"); /* no such input */
    REFUSED(s.code[3] = 1, "word 0: operand"); /* no such axis */
    REFUSED(s.code[38] = -1, "word 36: operand");
    REFUSED(s.code[38] = 100000, "word 36: operand");
    REFUSED(s.code[40] = 2, "word 39: operand");
    REFUSED(s.code[44] = 1, "dispatch"); /* no such kernel */
    REFUSED(s.code[45] = 10, "dispatch");
    REFUSED(s.code[46] = 2, "dispatch"); /* unknown flag */
    REFUSED(s.code[47] = 1, "dispatch");
    REFUSED(s.code[48] = 6, "dispatch");
    REFUSED(s.code[50] = 0, "dispatch");
    REFUSED(s.code[51] = -1, "dispatch");
    REFUSED(s.kernels[0].n_bindings = 3, "dispatch");
    REFUSED(s.kernels[0].n_sizes = 0, "dispatch");
    REFUSED(s.code[63] = 6, "word 61: operand");
    REFUSED(s.code[64] = TB_DTYPE_END, "word 61: operand");
    REFUSED(s.code[67] = 72, "jump target");
    REFUSED(s.code[67] = 83, "jump target");
    REFUSED(s.code[67] = -1, "jump target");
    REFUSED(s.code[67] = 8, "prologue");
    REFUSED(s.code[69] = 4, "word 68: operand"); /* to a constant */
    REFUSED(s.code[69] = 0, "word 68: operand"); /* to an input */
    REFUSED(s.globals[0].mutable_ = 0, "word 68: operand");
    REFUSED(s.code[77] = T_OP(ALLOC, 2), "word 77: operand"); /* no buffer 9 */
    REFUSED(s.code[77] = T_OP(ALLOC, 2); s.code[78] = 1, "word 77: operand"); /* no slot */
    REFUSED(s.code[77] = T_OP(VALUE, 2), "word 77: operand"); /* x is no size */
    REFUSED(s.values[0].is_size = 1, "type of input");
    REFUSED(s.functions[0].n_slots = 7, "function");
}

/* Bytes of the ELF file that the reader looks at. */
static void
hostile_image(uint16_t machine, size_t header_bytes)
{
    tb_buf out = {0};
    uint32_t text_off;
    uint64_t text_bytes;
    t_artifact s;

    t_sample(&s);
    s.flat[0].machine = machine;
    tb_status st = tb_elf_write(&s.flat[0], &out, &text_off);
    EQ_STR(tb_status_message(st), "ok");
    st = tb_elf_check(out.at, out.n, machine, text_off, &text_bytes);
    EQ_STR(tb_status_message(st), "ok");
    CHECK(text_bytes >= T_TEXT_BYTES);
    st = tb_elf_check(out.at, out.n, machine == TB_EM_ARM ? TB_EM_X86_64 : TB_EM_ARM, text_off,
                      &text_bytes);
    CHECK(strstr(tb_status_message(st), "not an ELF file") != NULL);
    tb_status_free(st);
    if (machine == TB_EM_X86_64) {
        st = tb_elf_check(out.at, out.n, TB_EM_AARCH64, text_off, &text_bytes);
        CHECK(strstr(tb_status_message(st), "for its target") != NULL);
        tb_status_free(st);
    }
    st = tb_elf_check(out.at, out.n, machine, 0, &text_bytes);
    CHECK(strstr(tb_status_message(st), "executable segment") != NULL);
    tb_status_free(st);
    for (size_t i = 0; i < header_bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            out.at[i] ^= (uint8_t)(1 << bit);
            st = tb_elf_check(out.at, out.n, machine, text_off, &text_bytes);
            if (!st)
                CHECK(text_off + text_bytes <= out.n);
            tb_status_free(st);
            out.at[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t n = 0; n < 600; n++) {
        st = tb_elf_check(out.at, n, machine, text_off, &text_bytes);
        CHECK(st != NULL);
        tb_status_free(st);
    }
    s.flat_entries[0] = T_TEXT_BYTES;
    tb_buf_free(&out);
    st = tb_elf_write(&s.flat[0], &out, &text_off);
    EQ_INT(tb_status_code(st), TB_OUT_OF_RANGE);
    tb_status_free(st);
    tb_buf_free(&out);
}

static void
hostile_images(void)
{
    hostile_image(TB_EM_X86_64, 64 + 7 * 56);
    hostile_image(TB_EM_ARM, 52 + 7 * 32);
}

/* The format as files have it. If this fails the format changed: count TB_PLAN_VERSION up,
 * then write the file again (artifact_test --seed). */
static void
same_as_last_release(void)
{
    tb_buf b = {0};
    size_t n;
    uint8_t *file = sample_file(&n);
    tb_status st = tb_file_read("tests/fuzz/corpus/vmfb/tiny", &b);

    EQ_STR(tb_status_message(st), "ok");
    EQ_INT(b.n, n);
    CHECK(b.n == n && memcmp(b.at, file, n) == 0);
    tb_status_free(st);
    tb_buf_free(&b);
    free(file);
}

/* ---- other programs ---- */
static bool
have(const char *program)
{
    char command[200];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

/* Output of a shell command (stdout and stderr), "" on failure. */
static char *
output(const char *command)
{
    static char text[20000];
    FILE *f = popen(command, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

    text[n] = 0;
    if (f && pclose(f) != 0)
        printf("# failed: %s\n# %s\n", command, text);
    return text;
}

static void
other_programs(void)
{
    char dir[] = "/tmp/artifact_test.XXXXXX", path[64], command[256];
    size_t n;
    uint8_t *file = sample_file(&n);

    if (!CHECK(mkdtemp(dir) != NULL))
        return;
    snprintf(path, sizeof path, "%s/a.vmfb", dir);
    tb_status st = tb_file_write(path, file, n);
    EQ_STR(tb_status_message(st), "ok");
    if (have("python3")) {
        snprintf(command, sizeof command,
                 "python3 -c 'import zipfile, sys; z = zipfile.ZipFile(sys.argv[1]); "
                 "z.extractall(sys.argv[2]); print(z.testzip(), z.namelist())' %s %s 2>&1",
                 path, dir);
        EQ_STR(output(command), "None ['turbine.plan', 'x86_64-v4.so', 'x86_64.so', 'weights']\n");
        snprintf(command, sizeof command,
                 "sed -n '/^```python/,/^```/p' docs/formats/vmfb.md | grep -v '^```' | "
                 "python3 - %s 2>&1", path); /* the reader in the documentation */
        EQ_STR(output(command),
               "main ['x: ? dtype 5'] -> ['y: ? dtype 5', 'm: 1x4 dtype 9']\n"
               "constant bias 16 bytes at 17280\nconstant twin 16 bytes at 17280\n"
               "constant table 16 bytes at 17344\nimage x86_64-v4 4912 bytes at 4096\n"
               "image x86_64 4912 bytes at 12288\n");
        snprintf(command, sizeof command, "readelf -aW %s/x86_64-v4.so 2>&1", dir);
        char *text = have("readelf") ? output(command) : NULL;
        if (text) {
            CHECK(!strstr(text, "arning") && !strstr(text, "rror"));
            CHECK(strstr(text, "FUNC    GLOBAL DEFAULT    5 add_one") != NULL);
            CHECK(strstr(text, "There are no relocations in this file.") != NULL);
        }
    }
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK(system(command) == 0);
    free(file);
}

/* ---- constants that are made while they are written ---- */
typedef struct copying {
    tb_recipe recipe;
    const void *from;
    size_t n;
    int left; /* times that it works */
} copying;

static bool
copy_bytes(const tb_recipe *r, void *to)
{
    copying *c = (copying *)(uintptr_t)r;

    CHECK((uintptr_t)to % 16 == 0);
    memcpy(to, c->from, c->n);
    return c->left-- > 0;
}

static tb_status
write_to(const t_artifact *s, const char *path, tb_buf *out)
{
    *out = (tb_buf){0};
    if (!path)
        return tb_artifact_write(&s->a, out);
    TRY(tb_artifact_write_file(&s->a, path));
    return tb_file_read(path, out);
}

/* Whether there are bytes or recipes, a file or memory: the same archive. */
static void
recipes(void)
{
    char path[] = "/tmp/recipes_test.XXXXXX";
    t_artifact s;
    tb_buf want, got;

    close(mkstemp(path));
    t_sample(&s);
    tb_status st = write_to(&s, NULL, &want);
    EQ_STR(tb_status_message(st), "ok");
    for (int made = 0; made < 8; made++)
        for (int i = 0; i < 2; i++) {
            copying c[3];
            t_sample(&s);
            for (int k = 0; k < 3; k++) {
                tb_artifact_blob *b = &s.blobs[k];
                c[k] = (copying){{copy_bytes}, b->bytes, b->n, 9};
                if (made >> k & 1)
                    *b = (tb_artifact_blob){.n = b->n, .recipe = &c[k].recipe};
            }
            st = write_to(&s, i ? path : NULL, &got);
            EQ_STR(tb_status_message(st), "ok");
            CHECK(got.n == want.n && memcmp(got.at, want.at, got.n) == 0);
            tb_buf_free(&got);
            /* no memory: no file, or the one that was there */
            for (int left = 0; left < (made == 7) * 3; left++) {
                for (int k = 0; k < 3; k++)
                    c[k].left = k == left ? 0 : 9;
                st = write_to(&s, i ? path : NULL, &got);
                EQ_INT(tb_status_code(st), TB_OUT_OF_MEMORY);
                tb_status_free(st);
                CHECK(got.n == 0);
                if (i) {
                    CHECK(!tb_file_read(path, &got));
                    CHECK(got.n == want.n && memcmp(got.at, want.at, got.n) == 0);
                    tb_buf_free(&got);
                }
            }
        }
    tb_buf_free(&want);
    unlink(path);
    st = tb_artifact_write_file(&s.a, "/nowhere/at/all.vmfb");
    EQ_INT(tb_status_code(st), TB_IO);
    CHECK(strstr(tb_status_message(st), "/nowhere/at/all.vmfb") != NULL);
    tb_status_free(st);
}

/* ZIP64 records, with a limit small enough to test; Python reads them too. */
static void
zip64(void)
{
    for (uint64_t limit = 50; limit < 1200; limit += 50) {
        tb_zip_member m[3] = {{.name = "a", .align = 64, .bytes = 100},
                              {.name = "bb", .align = 4096, .bytes = 1000},
                              {.name = "ccc", .align = 64, .bytes = 0}};
        tb_zip z = {m, 3, limit};
        size_t n = (size_t)tb_zip_layout(&z), bytes;
        uint8_t *file = calloc(n, 1);
        const uint8_t *at;
        char path[] = "/tmp/zip64_test.XXXXXX", command[256];

        memset(file + m[1].offset, 7, 1000);
        tb_buf b = {0};
        for (int i = 0; i < 3; i++) {
            m[i].crc = tb_crc32(0, file + m[i].offset, m[i].bytes);
            b.n = 0;
            tb_zip_put_local(&m[i], &b);
            EQ_INT(m[i].header + b.n, m[i].offset);
            memcpy(file + m[i].header, b.at, b.n);
        }
        b.n = 0;
        tb_zip_put_directory(&z, &b);
        EQ_INT(m[2].offset + b.n, n);
        memcpy(file + n - b.n, b.at, b.n);
        tb_buf_free(&b);
        for (int i = 0; i < 3; i++) {
            tb_status st = tb_zip_find(file, n, m[i].name, &at, &bytes);
            EQ_STR(tb_status_message(st), "ok");
            tb_status_free(st);
            CHECK(at == file + m[i].offset && bytes == m[i].bytes);
            EQ_INT(m[i].offset % m[i].align, 0);
        }
        tb_status st = tb_zip_find(file, n, "dddd", &at, &bytes);
        CHECK(st != NULL);
        tb_status_free(st);
        if (have("python3") && limit % 300 == 0) {
            close(mkstemp(path));
            st = tb_file_write(path, file, n);
            EQ_STR(tb_status_message(st), "ok");
            snprintf(command, sizeof command,
                     "python3 -c 'import zipfile, sys; z = zipfile.ZipFile(sys.argv[1]); "
                     "print(z.testzip(), [i.file_size for i in z.infolist()])' %s 2>&1", path);
            EQ_STR(output(command), "None [100, 1000, 0]\n");
            unlink(path);
        }
        free(file);
    }
}

static void
compressed_members(void)
{
    const char *made = "import zipfile, sys\n"
                       "z = zipfile.ZipFile(sys.argv[1], \"w\", zipfile.ZIP_DEFLATED)\n"
                       "z.writestr(\"turbine.plan\", b\"0\" * 1000)\nz.close()";
    char path[] = "/tmp/zip_test.XXXXXX", command[512];
    tb_buf b = {0};

    if (!have("python3"))
        return;
    close(mkstemp(path));
    snprintf(command, sizeof command, "python3 -c '%s' %s", made, path);
    output(command);
    tb_status st = tb_file_read(path, &b);
    EQ_STR(tb_status_message(st), "ok");
    const uint8_t *at;
    size_t n;
    st = tb_zip_find(b.at, b.n, TB_PLAN_MEMBER, &at, &n);
    CHECK(strstr(tb_status_message(st), "compressed") != NULL);
    tb_status_free(st);
    tb_buf_free(&b);
    unlink(path);
}

static void
listing(void)
{
    static const char *const wanted[] = {
        "module tiny\nproducer test 1.0\n",
        "function main\n  attr iree.abi = {\"v\": 1}\n",
        "  input   0  ?xi32  x  dim 0 = r0 in 1..1024\n",
        "  result  1  1x4xf32  m\n",
        "  b1 = arena at 0, bytes r2\n",
        "     8  r2 = x.0 * 4\n",
        "    20  r5 = -1\n",
        "    36  check r8 else \"x must not be empty\"\n  ----\n    39  result 0\n",
        "    43  dispatch k0:add_one tiles x.0 bufs b0:x, b1 sizes x.0 bytes r2  //  model.py:12  net",
        "    61  r9 = load i64 b3:table\n    65  jump 71 if r9 is 0\n",
        "    68  copy b5:state from b4:bias\n",
        "  k0 add_one  2 bufs, 1 sizes, 256 scratch bytes, 40 ns a tile, code at 0 0",
        "  c2 table  i64, 16 bytes at 0x",
        " = 7 -1\n",
        " = 1 2 3.5 -4\n",
        "  g0 state  4xf32  mutable  starts as c0\n",
        "avx512f",
    };
    size_t n;
    uint8_t *file = sample_file(&n);
    tb_buf text = {0};
    tb_plan p;
    tb_status st = tb_artifact_read(file, n, 0, &p);

    EQ_STR(tb_status_message(st), "ok");
    if (!st)
        tb_plan_dump(&p, file, &text);
    tb_buf_put(&text, "", 1);
    for (size_t i = 0; i < TB_COUNT(wanted); i++)
        if (!CHECK(strstr((const char *)text.at, wanted[i]) != NULL))
            printf("# not in the listing: %s\n", wanted[i]);
    t_artifact s; /* a plan without a place in a file */
    t_sample(&s);
    s.plan.n_images = s.plan.n_entries = 0;
    s.consts[0].bytes = 16;
    text.n = 0;
    tb_plan_dump(&s.plan, NULL, &text);
    tb_buf_put(&text, "", 1);
    CHECK(strstr((const char *)text.at, "function main") != NULL);
    tb_buf_free(&text);
    free(file);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        size_t n;
        uint8_t *file = sample_file(&n);
        tb_status st = tb_file_write(argv[2], file, n);
        puts(tb_status_message(st));
        free(file);
        return st != NULL;
    }
    RUN(hashes);
    RUN(cpu_levels);
    RUN(names_of_targets);
    RUN(round_trip);
    RUN(nothing_inside);
    RUN(faulty_plan);
    RUN(hostile_tables);
    RUN(hostile_functions);
    RUN(hostile_code);
    RUN(hostile_images);
    RUN(every_byte_of_the_plan);
    RUN(every_byte_of_the_file);
    RUN(every_length);
    RUN(same_as_last_release);
    RUN(zip64);
    RUN(compressed_members);
    RUN(other_programs);
    RUN(listing);
    RUN(recipes);
    return t_done();
}
