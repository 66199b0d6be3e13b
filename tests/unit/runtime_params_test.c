/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * runtime_params_test.c -- parameters: sets of tensors, safetensors files, what sessions do
 * with them.
 */
#include <stdlib.h>
#include <unistd.h>

#include "runtime_t.h"

/* ---- files in memory ---- */
typedef struct image {
    _Alignas(8) uint8_t at[8192];
    size_t n;
} image;

static const image *
image_of(const char *header, size_t data_bytes)
{
    static image f;
    size_t n = strlen(header);
    memset(&f, 0, sizeof f);
    for (int i = 0; i < 8; i++)
        f.at[i] = (uint8_t)((uint64_t)n >> 8 * i);
    memcpy(f.at + 8, header, n);
    for (size_t i = 0; i < data_bytes; i++)
        f.at[8 + n + i] = (uint8_t)i;
    f.n = 8 + n + data_bytes;
    return &f;
}

static int released;

static void
count_release(void *user)
{
    released += *(int *)user;
}

static tb_status
add(tb_params *p, const image *f)
{
    static int one = 1;
    return tb_params_add_memory(p, NULL, f->at, f->n, count_release, &one);
}

static void
refuses(const char *header, size_t data_bytes, const char *message)
{
    tb_params *p = NULL;
    OK(tb_params_create(&p));
    released = 0;
    FAILS(add(p, image_of(header, data_bytes)), TB_CORRUPT, message);
    EQ_INT(released, 1);
    EQ_INT(tb_params_count(p), 0);
    tb_params_release(p);
}

static void
reads_files(void)
{
    tb_params *p = NULL;
    tb_tensor t;
    const char *scope, *name;
    OK(tb_params_create(&p));
    released = 0;
    OK(add(p, image_of(" {\"b\\u00e9\\n\": {\"shape\":[ 2,3 ],\"dtype\":\"I16\",\"data_offsets\" "
                       ":[4,16]}, \"__metadata__\":{\"format\":\"pt\",\"\":\"\"},\n"
                       "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                       "\"none\":{\"dtype\":\"C64\",\"shape\":[0,9],\"data_offsets\":[16,16]},"
                       "\"odd\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[16,18]}} ",
                       18)));
    EQ_INT(tb_params_count(p), 4);
    OK(tb_params_at(p, 1, &scope, &name, &t));
    EQ_STR(name, "b\xc3\xa9\n");
    CHECK(scope == NULL);
    EQ_INT(t.dtype, TB_I16);
    EQ_INT(t.rank, 2);
    EQ_INT(t.dims[1], 3);
    EQ_INT(((uint8_t *)t.data)[0], 4);
    OK(tb_params_get(p, "whatever", "a", &t));
    EQ_INT(t.rank, 0);
    EQ_INT(t.bytes, 4);
    OK(tb_params_get(p, "", "none", &t));
    EQ_INT(t.bytes, 0);
    FAILS(tb_params_get(p, "", "odd", &t), TB_UNSUPPORTED,
          "parameter 'odd': the type F8_E4M3, of rank 1, is not supported");
    FAILS(tb_params_get(p, "s", "z", &t), TB_NOT_FOUND,
          "there is no parameter 'z' in scope 's'");
    FAILS(tb_params_at(p, 4, &scope, &name, &t), TB_OUT_OF_RANGE,
          "there is no parameter 4 of 4");
    FAILS(tb_params_at(p, -1, &scope, &name, &t), TB_OUT_OF_RANGE,
          "there is no parameter -1 of 4");
    tb_params_release(p);
    EQ_INT(released, 1);
}

#define T(dtype, shape, offsets)                                                         \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void
refuses_files(void)
{
    image *f = (image *)(uintptr_t)image_of("{}", 0);
    tb_params *p = NULL;
    OK(tb_params_create(&p));
    f->at[7] = 0x80;
    FAILS(tb_params_add_memory(p, "", f->at, f->n, NULL, NULL), TB_CORRUPT,
          "no safetensors file, or a short one: a header of 9223372036854775810 bytes in a "
          "file of 10");
    FAILS(tb_params_add_memory(p, "", f->at, 5, NULL, NULL), TB_CORRUPT,
          "no safetensors file, or a short one: a header of 0 bytes in a file of 5");
    tb_params_release(p);
    refuses("", 0, "damaged safetensors header, byte 8: no JSON object");
    refuses("{", 0, "damaged safetensors header, byte 9: expected a string");
    refuses("{} x", 0, "damaged safetensors header, byte 11: text behind the object");
    refuses("{\"a", 0, "damaged safetensors header, byte 11: a string does not end");
    refuses("{\"\\u0000\":1}", 0, "damaged safetensors header, byte 16: an escape that is none");
    refuses("{\"\\ud800x\":1}", 0,
            "damaged safetensors header, byte 16: an escape that is none");
    refuses("{\"a\":{}}", 0, "damaged safetensors header, byte 14: expected a string");
    refuses("{\"a\":{\"dtype\":\"F32\"}}", 0,
            "damaged safetensors header, byte 28: a tensor has dtype, shape and data_offsets");
    refuses("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0,
            "damaged safetensors header, byte 35: a tensor has one dtype, shape and "
            "data_offsets");
    refuses(T("F32", "[2]", "[0,8]"), 7,
            "the file is too short: tensor 'a' ends at 8 of the data, which has 7 bytes");
    refuses(T("F32", "[2]", "[0,8]"), 9,
            "the file is too long: 8 bytes of tensors, 9 bytes of data");
    refuses(T("F32", "[2]", "[1,9]"), 9, "tensor 'a' begins at 1 of the data, expected 0");
    refuses(T("F32", "[2]", "[0,9]"), 9,
            "tensor 'a': 2xf32 does not take the 9 bytes that its offsets give it");
    refuses(T("F32", "[4611686018427387904,4611686018427387904,4]", "[0,0]"), 0,
            "tensor 'a': 4611686018427387904x4611686018427387904x4xf32 does not take the 0 "
            "bytes that its offsets give it");
    refuses(T("U8", "[99999999999999999999]", "[0,0]"), 0,
            "damaged safetensors header, byte 54: a number is too large");
    refuses(T("U8", "[-1]", "[0,0]"), 0, "damaged safetensors header, byte 36: expected a "
            "number that is not negative");
    refuses(T("U8", "[1]", "[1,0]"), 0,
            "damaged safetensors header, byte 59: data_offsets are [begin, end]");
    refuses("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
            "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
            "two tensors are named 'a'");
}

/* ---- sessions ---- */
static prog *
program(void)
{
    prog *p = p_new();
    int32_t state = p_global(p, "state", "2xf32", TB_INIT_PARAM, true);
    int32_t w = p_global(p, "w", "2xf32", TB_INIT_PARAM, false);
    p->globals[state].scope = p->globals[w].scope = p_str(p, "model");
    p->globals[state].key = p_str(p, "s");
    p->globals[w].key = p_str(p, "w");
    p->globals[w].hidden = 1;
    p_fn(p, "main");
    p_out(p, "2xf32", NULL);
    p_out(p, "2xf32", NULL);
    int32_t r0 = p_buf(p, TB_BUF_RESULT, 0), r1 = p_buf(p, TB_BUF_RESULT, 1);
    int32_t b0 = p_buf(p, TB_BUF_GLOBAL, 0), b1 = p_buf(p, TB_BUF_GLOBAL, 1);
    p_body(p);
    p_op(p, TB_I_RESULT, 1, 0);
    p_op(p, TB_I_RESULT, 1, 1);
    p_op(p, TB_I_COPY, 2, r0, b0);
    p_op(p, TB_I_COPY, 2, r1, b1);
    p_op(p, TB_I_COPY, 2, b0, b1); /* state = w */
    p_end(p);
    p->f->n_regs = 0;
    return p;
}

static tb_params *
params_of(float *s, float *w)
{
    tb_params *p = NULL;
    tb_tensor a = t_tensor(s, TB_F32, 1, DIMS(2)), b = t_tensor(w, TB_F32, 1, DIMS(2));
    OK(tb_params_create(&p));
    OK(tb_params_add_tensor(p, "model", "s", &a, NULL, NULL));
    OK(tb_params_add_tensor(p, NULL, "w", &b, NULL, NULL));
    return p;
}

static void
check_call(tb_session *s, float state, float w)
{
    float got[2][2];
    tb_tensor r[2] = {{.data = got[0], .bytes = 8}, {.data = got[1], .bytes = 8}};
    OK(tb_session_call(s, 0, NULL, 0, r, 2));
    CHECK(got[0][1] == state && got[1][1] == w);
}

static void
sessions_take_them(void)
{
    prog *p = program();
    float s[2] = {1, 2}, w[2] = {3, 4}, other[2] = {5, 6};
    tb_params *a = params_of(s, w), *b = params_of(s, other);
    tb_module *m = NULL;
    tb_session *x = NULL, *y = NULL, *z = NULL;
    tb_value_info info;
    const char *scope;
    OK(tb_plan_verify(&p->plan, 1 << 20));
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    EQ_INT(tb_module_global_count(m), 1);
    EQ_INT(tb_module_parameter_count(m), 2);
    tb_module_parameter_info(m, 1, &scope, &info);
    EQ_STR(scope, "model");
    EQ_STR(info.name, "w");
    EQ_INT(info.dims[0], 2);
    OK(tb_session_create(m, &(tb_session_options){.params = a}, &x));
    OK(tb_session_create(m, &(tb_session_options){.params = a}, &y));
    OK(tb_session_create(m, &(tb_session_options){.params = b}, &z));
    tb_params_release(a);
    tb_params_release(b);
    CHECK(x->globals[1] == w && y->globals[1] == w); /* one copy for all */
    check_call(x, 2, 4);
    check_call(x, 4, 4); /* the state is its own */
    check_call(y, 2, 4);
    check_call(z, 2, 6);
    CHECK(s[1] == 2);
    tb_session_destroy(x);
    tb_session_destroy(y);
    tb_session_destroy(z);
    size_t need = tb_session_bytes(m, 0);
    char *memory = malloc(need);
    a = params_of(s, w);
    OK(tb_session_place(m, &(tb_session_options){.params = a}, 0, memory, need, &x));
    check_call(x, 2, 4);
    tb_session_destroy(x);
    tb_params_release(a);
    free(memory);
    tb_module_release(m);
    free(p);
}

static void
sessions_refuse(void)
{
    prog *p = program();
    float s[3] = {1, 2, 3};
    tb_params *a = NULL;
    tb_module *m = NULL;
    tb_session *x = NULL;
    tb_tensor t = t_tensor(s, TB_F32, 1, DIMS(2)), raw = {.data = s, .bytes = 12};
    OK(tb_module_from_plan(&p->plan, p->fns, p->bytes, p->n_bytes, &m));
    FAILS(tb_session_create(m, NULL, &x), TB_NOT_FOUND,
          "module 'test' needs parameter 's' (2xf32) of scope 'model', and no parameters were "
          "given");
    OK(tb_params_create(&a));
    OK(tb_params_add_tensor(a, "other", "s", &t, NULL, NULL));
    tb_session_options o = {.params = a};
    FAILS(tb_session_create(m, &o, &x), TB_NOT_FOUND,
          "module 'test' needs parameter 's' (2xf32) of scope 'model'; parameters of that "
          "scope were not given");
    OK(tb_params_add_tensor(a, "model", "s", &t, NULL, NULL));
    FAILS(tb_session_create(m, &o, &x), TB_NOT_FOUND,
          "module 'test' needs parameter 'w' (2xf32) of scope 'model', which is not among "
          "those given");
    OK(tb_params_add_tensor(a, "model", "w", &raw, NULL, NULL));
    FAILS(tb_session_create(m, &o, &x), TB_INVALID_ARGUMENT,
          "parameter 'w' of scope 'model': module 'test' expects 2xf32, got 12 bytes");
    t.bytes = 7;
    FAILS(tb_params_add_tensor(a, "model", "v", &t, NULL, NULL), TB_INVALID_ARGUMENT,
          "parameter 'v': its data is too short");
    t.dtype = (tb_dtype)99;
    FAILS(tb_params_add_tensor(a, "model", "v", &t, NULL, NULL), TB_INVALID_ARGUMENT,
          "parameter 'v': no type");
    FAILS(tb_params_add_file(a, NULL, "/nowhere/x.safetensors"), TB_NOT_FOUND,
          "/nowhere/x.safetensors: No such file or directory");
    tb_params_release(a);
    tb_module_release(m);
    free(p);
}

static void
plans_are_verified(void)
{
    prog *p = program();
    tb_plan_global *g = p->globals;
    OK(tb_plan_verify(&p->plan, 1 << 20));
    g[0].hidden = 1;
    FAILS(tb_plan_verify(&p->plan, 1 << 20), TB_CORRUPT, "damaged plan: order of global 0");
    g[0].hidden = 0;
    g[1].init = TB_INIT_ZEROS;
    FAILS(tb_plan_verify(&p->plan, 1 << 20), TB_CORRUPT, "damaged plan: order of global 1");
    g[1].init = -3;
    FAILS(tb_plan_verify(&p->plan, 1 << 20), TB_CORRUPT, "damaged plan: global 1");
    g[1].init = TB_INIT_PARAM;
    g[1].key.off = 1 << 30;
    FAILS(tb_plan_verify(&p->plan, 1 << 20), TB_CORRUPT, "damaged plan: global 1");
    free(p);
}

/* ---- state as a file ---- */
static prog *
with_state(const char *second, const char *type)
{
    static const float init[2] = {1, 2};
    prog *p = p_new();
    int32_t c = p_const(p, init, sizeof init);
    p->consts[c].dtype = TB_F32;
    p_global(p, "flag", "3xi1", TB_INIT_ZEROS, true);
    p_global(p, "w\"\n", "2xf32", c, true);
    p_global(p, second, type, TB_INIT_ZEROS, true);
    p_fn(p, "main");
    p_body(p);
    p_end(p);
    p->f->n_regs = 0;
    return p;
}

static float *
state_of(tb_session *s, int i)
{
    tb_tensor t = {0};
    OK(tb_session_global(s, i, &t));
    return t.data;
}

static void
states_travel(void)
{
    char path[64], other_path[64];
    snprintf(path, sizeof path, "/tmp/turbine_state_%ld.safetensors", (long)getpid());
    snprintf(other_path, sizeof other_path, "/nowhere/%ld.safetensors", (long)getpid());
    prog *p = with_state("n", "i64"), *q = with_state("n", "2xi64"), *r = with_state("m", "i64");
    tb_session *a = p_session(p, NULL, NULL), *b = p_session(p, NULL, NULL);
    tb_session *x = p_session(q, NULL, NULL), *y = p_session(r, NULL, NULL);
    state_of(a, 1)[1] = 7;
    memcpy(state_of(a, 2), &(int64_t){-5}, 8);
    ((uint8_t *)state_of(a, 0))[2] = 1;
    OK(tb_session_save(a, path));
    OK(tb_session_load(b, path));
    CHECK(state_of(b, 1)[0] == 1 && state_of(b, 1)[1] == 7);
    CHECK(memcmp(state_of(b, 2), &(int64_t){-5}, 8) == 0);
    EQ_INT(((uint8_t *)state_of(b, 0))[2], 1);
    char want[256];
    snprintf(want, sizeof want, "%s: state 'n' of module 'test': expected 2xi64, got i64", path);
    FAILS(tb_session_load(x, path), TB_INVALID_ARGUMENT, want);
    snprintf(want, sizeof want, "%s: not the state of module 'test': there is no 'm' in it", path);
    FAILS(tb_session_load(y, path), TB_NOT_FOUND, want);
    CHECK(state_of(x, 1)[1] == 2 && state_of(y, 1)[1] == 2); /* untouched */
    r->plan.n_globals = 2; /* a module without the third */
    tb_session *z = p_session(r, NULL, NULL);
    snprintf(want, sizeof want, "%s: not the state of module 'test': it has no 'n'", path);
    FAILS(tb_session_load(z, path), TB_NOT_FOUND, want);
    FAILS(tb_session_load(a, "/nowhere/x"), TB_NOT_FOUND, "/nowhere/x: No such file or directory");
    snprintf(want, sizeof want, "%s: No such file or directory", other_path);
    FAILS(tb_session_save(a, other_path), TB_IO, want);
    OK(truncate(path, 150) == 0 ? NULL : tb_status_make(TB_IO, "truncate"));
    tb_status st = tb_session_load(b, path);
    CHECK(tb_status_code(st) == TB_CORRUPT && state_of(b, 1)[1] == 7);
    tb_status_free(st);
    unlink(path);
    tb_session_destroy(a);
    tb_session_destroy(b);
    tb_session_destroy(x);
    tb_session_destroy(y);
    tb_session_destroy(z);
    free(p);
    free(q);
    free(r);
}

int
main(void)
{
    RUN(states_travel);
    RUN(reads_files);
    RUN(refuses_files);
    RUN(sessions_take_them);
    RUN(sessions_refuse);
    RUN(plans_are_verified);
    return t_done();
}
