/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* value_text_test.c -- tensors on the tools' command lines: text, .npy files, comparison. */
#include <math.h>
#include <unistd.h>

#include "../../tools/npy.c"
#include "../../tools/value_text.c"
#include "t.h"

/* Reads text and prints it again; the caller frees. */
static char *
round_trip(const char *text, int64_t max_elems)
{
    tb_tensor t = {0};
    tb_buf b = {0};
    tb_status st = value_parse(text, NULL, &t);
    if (st)
        tb_buf_puts(&b, tb_status_message(st));
    else
        value_print(&t, max_elems, &b);
    tb_buf_put(&b, "", 1);
    tb_status_free(st);
    tb_tensor_release(&t);
    return (char *)b.at;
}

static void
texts(void)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"4xf32=1 2 3 4", NULL},
        {"2x2xi32=[1 2][3 4]", NULL},
        {"2x2x2xi8=[[1 2][3 4]][[5 6][7 -8]]", NULL},
        {"2x2xi32=1,2,3,4", "2x2xi32=[1 2][3 4]"},
        {"2x2xi32=[[1, 2], [3, 4]]", "2x2xi32=[1 2][3 4]"},
        {"f32=0.5", NULL},
        {"f32=0.1", NULL},
        {"f32=0.333333333", "f32=0.33333334"},
        {"f64=0.1", NULL},
        {"f64=0.33333333333333331", "f64=0.3333333333333333"},
        {"3xf32=1e10 -1e-40 3.4e38", "3xf32=1E+10 -9.99995E-41 3.4E+38"},
        {"4xf32=nan inf -inf -0", "4xf32=NAN INF -INF -0"},
        {"2xf16=65504 0.1", "2xf16=65504 0.0999756"},
        {"2xbf16=1 3.140625", "2xbf16=1 3.14062"},
        {"3xf32=7", "3xf32=7 7 7"},
        {"2x3xui8", "2x3xui8=[0 0 0][0 0 0]"},
        {"3xi1=1 false true", "3xi1=1 0 1"},
        {"2xi64=-9223372036854775808 9223372036854775807", NULL},
        {"2xui64=18446744073709551615 0x10", "2xui64=18446744073709551615 16"},
        {"2xcomplex<f32>=1+2j -3-0.5j", NULL},
        {"2xcomplex<f64>=1.5 2-1j", "2xcomplex<f64>=1.5+0j 2-1j"},
        {"0x4xf32", "0x4xf32="},
        {"2xi8=128", "2xi8: '128' is no i8"},
        {"2xi8=1.5", "2xi8: '1.5' is no i8"},
        {"2xui8=-1", "2xui8: '-1' is no ui8"},
        {"2xf32=1 2x", "2xf32: '2x' is no f32"},
        {"2xf32=1 2 3", "2xf32: expected 2 values, found 3"},
        {"0xf32=1 2", "0xf32: expected 0 values, found 2"},
        {"2xi1=2", "2xi1: '2' is no i1"},
        {"2x", "'2x' is no tensor: expected for example 2x3xf32=1 2 3 4 5 6 or @file.npy"},
        {"", "'' is no tensor: expected for example 2x3xf32=1 2 3 4 5 6 or @file.npy"},
        {"9223372036854775807x4xf32", "a tensor of that size is too large"},
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        char *got = round_trip(rows[i].in, 1000);
        EQ_STR(got, rows[i].out ? rows[i].out : rows[i].in);
        free(got);
    }
    char *got = round_trip("4x2xi32=[1 2][3 4][5 6][7 8]", 3);
    EQ_STR(got, "4x2xi32=[1 2][3...]...");
    free(got);
}

/* Every finite f16 and some f32 come back. */
static void
floats_read_back(void)
{
    tb_buf b = {0};
    int wrong = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = tb_f16_to_f32((uint16_t)h);
        b.n = 0;
        print_float(&b, (double)f, TB_F16);
        tb_buf_put(&b, "", 1);
        wrong += !isnan(f) && tb_f32_to_f16(strtof((char *)b.at, NULL)) != h;
    }
    EQ_INT(wrong, 0);
    for (uint32_t u = 1; u < 0x7f800000; u += 99991) {
        float f;
        memcpy(&f, &u, 4);
        b.n = 0;
        print_float(&b, (double)f, TB_F32);
        tb_buf_put(&b, "", 1);
        wrong += strtof((char *)b.at, NULL) != f;
    }
    EQ_INT(wrong, 0);
    tb_buf_free(&b);
}

static void
bare_numbers(void)
{
    tb_value_info want = {.name = "", .dtype = TB_I64};
    tb_tensor t = {0};
    CHECK(value_parse("-5", &want, &t) == NULL);
    EQ_INT(*(int64_t *)t.data, -5);
    EQ_INT(t.rank, 0);
    tb_tensor_release(&t);
    want.rank = 1;
    tb_status st = value_parse("5", &want, &t);
    CHECK(st != NULL);
    tb_status_free(st);
}

static bool
alike(const char *a, const char *b, char *why, size_t why_bytes)
{
    value_tolerance tol = {1e-3, 1e-4, 1e-6};
    tb_tensor x = {0}, y = {0};
    tb_buf text = {0};
    CHECK(value_parse(a, NULL, &x) == NULL && value_parse(b, NULL, &y) == NULL);
    bool same = value_same(&x, &y, &tol, &text);
    snprintf(why, why_bytes, "%.*s", (int)text.n, text.n ? (char *)text.at : "");
    tb_tensor_release(&x);
    tb_tensor_release(&y);
    tb_buf_free(&text);
    return same;
}

static void
numbers_by_themselves(void)
{
    static const char *const rows[][2] = {
        {"i32=-5", "i32=-5"},     {"ui8=200", "ui8=200"},       {"f32=0.1", "f32=0.1"},
        {"f32=-0", "f32=-0"},     {"f32=1e30", "f32=1e+30"},    {"f64=123456789.5", "f64=1.23457e+08"},
        {"f64=-inf", "f64=-inf"}, {"i64=-9223372036854775808", "i64=-9223372036854775808"},
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++) {
        tb_tensor t = {0};
        tb_buf b = {0};
        CHECK(!value_parse(rows[i][0], NULL, &t));
        value_print_number(&t, &b);
        tb_buf_put(&b, "", 1);
        EQ_STR((char *)b.at, rows[i][1]);
        tb_tensor_release(&t);
        tb_buf_free(&b);
    }
}

static void
comparisons(void)
{
    char why[200];
    CHECK(alike("2xf32=1 2", "2xf32=1.00005 2", why, sizeof why));
    CHECK(alike("2xf32=1e6 nan", "2xf32=1000050 nan", why, sizeof why));
    CHECK(alike("1xf32=inf", "1xf32=inf", why, sizeof why));
    CHECK(!alike("1xf32=1", "1xf32=inf", why, sizeof why));
    CHECK(!alike("1xf32=inf", "1xf32=1", why, sizeof why));
    CHECK(!alike("1xf32=nan", "1xf32=1", why, sizeof why));
    CHECK(!alike("3xf32=1 2 3", "3xf32=1 2.1 4", why, sizeof why));
    EQ_STR(why, "element at index 1 (2) does not match the expected (2.1); 2 of 3 elements "
                "differ");
    CHECK(!alike("2xi32=1 2", "2xi64=1 2", why, sizeof why));
    EQ_STR(why, "the type is 2xi32, expected 2xi64");
    CHECK(!alike("2xi32=1 2", "2x1xi32=1 2", why, sizeof why));
    CHECK(!alike("2xf64=1 2", "2xf64=1 2.00001", why, sizeof why));
    CHECK(alike("2xf16=1 2", "2xf16=1 2.001", why, sizeof why));
    CHECK(!alike("1xcomplex<f32>=1+1j", "1xcomplex<f32>=1+1.1j", why, sizeof why));
    CHECK(!alike("2xi8=1 2", "2xi8=1 3", why, sizeof why));
}

/* ---- .npy ---- */
static char path[256];

static void
npy_round_trip(void)
{
    static const char *const texts_of[] = {
        "3xf32=1 2 3",   "2x2xi64=[1 2][3 -4]",     "f64=0.1",         "0x5xi8=",
        "2xi1=1 0",      "2xcomplex<f64>=1+2j 3-1j", "2xbf16=1 2",      "1x1x3xui16=[[1 2 65535]]",
        "2xf16=0.5 -INF", "2xui32=7 8",
    };
    for (size_t i = 0; i < TB_COUNT(texts_of); i++) {
        tb_tensor t = {0}, back = {0};
        tb_buf b = {0};
        CHECK(value_parse(texts_of[i], NULL, &t) == NULL);
        CHECK(npy_write(path, &t) == NULL);
        char at_path[300];
        snprintf(at_path, sizeof at_path, "@%s", path);
        tb_status st = value_parse(at_path, NULL, &back);
        if (st)
            printf("# %s\n", tb_status_message(st));
        CHECK(st == NULL);
        tb_status_free(st);
        if (back.data)
            value_print(&back, 100, &b);
        tb_buf_put(&b, "", 1);
        EQ_STR((char *)b.at, texts_of[i]);
        tb_tensor_release(&t);
        tb_tensor_release(&back);
        tb_buf_free(&b);
    }
    unlink(path);
}

/* A file with this header and eight bytes of data; NULL or the message. */
static const char *
read_npy(const char *header, int version, tb_buf *text)
{
    tb_tensor t = {0};
    tb_buf b = {0};
    size_t n = strlen(header);
    const uint8_t start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)version, 0,
                               (uint8_t)n, 0, 0, 0};
    tb_buf_put(&b, start, version == 1 ? 10 : 12);
    tb_buf_puts(&b, header);
    tb_buf_put(&b, "\1\2\3\4\5\6\7\10", 8);
    tb_status st = parse(&b, &t);
    text->n = 0;
    if (st)
        tb_buf_puts(text, tb_status_message(st));
    else
        value_print(&t, 100, text);
    tb_buf_put(text, "", 1);
    tb_status_free(st);
    tb_tensor_release(&t);
    tb_buf_free(&b);
    return (const char *)text->at;
}

static void
npy_headers(void)
{
    static const struct {
        int version;
        const char *header, *want;
    } rows[] = {
        {1, "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 4), }",
         "2x4xi8=[1 3 5 7][2 4 6 8]"},
        {2, "{'descr': '<u2', 'fortran_order': False, 'shape': (4,), }",
         "4xui16=513 1027 1541 2055"},
        {3, "{'shape': (2, 2, 2), 'fortran_order': True, 'descr': '|u1'}",
         "2x2x2xui8=[[1 5][3 7]][[2 6][4 8]]"},
        {1, "{'descr': '<u8', 'fortran_order': False, 'shape': (), }",
         "ui64=578437695752307201"},
        {1, "{'descr': '>u2', 'fortran_order': False, 'shape': (4,), }",
         "element type not supported: {'descr': '>u2', 'fortran_order': False, 'shape': (4,), }"},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }",
         "the file ends after 8 of 9 bytes of data"},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (9", "header not understood: "
         "{'descr': '|u1', 'fortran_order': False, 'shape': (9"},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (-9,)}", "header not understood: "
         "{'descr': '|u1', 'fortran_order': False, 'shape': (-9,)}"},
        {1, "{'descr': '|u1', 'shape': (9)}",
         "header not understood: {'descr': '|u1', 'shape': (9)}"},
        {4, "", "no .npy file"},
    };
    tb_buf text = {0};
    for (size_t i = 0; i < TB_COUNT(rows); i++)
        EQ_STR(read_npy(rows[i].header, rows[i].version, &text), rows[i].want);
    tb_buf_free(&text);
}

int
main(void)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/value_text_test.%ld.npy", folder ? folder : "/tmp",
             (long)getpid());
    RUN(texts);
    RUN(floats_read_back);
    RUN(bare_numbers);
    RUN(numbers_by_themselves);
    RUN(comparisons);
    RUN(npy_round_trip);
    RUN(npy_headers);
    return t_done();
}
