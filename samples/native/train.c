/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * train.c -- trains two models on a device: no Python, no runtime library, no heap.
 *
 *   python models.py build                     (regression.o/.h, digits.o/.h)
 *   musl-gcc -static -Os -Ibuild train.c build/regression.o build/digits.o -o train
 *   ./train 200 model.safetensors
 *
 * Prints the loss of every step, checks what was learned on new data, and writes the
 * parameters, under PyTorch's names, to a file that torch can load. With a file that exists
 * already training starts from it.
 */
#define REGRESSION_IMPLEMENTATION
#define DIGITS_IMPLEMENTATION
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "digits.h"
#include "regression.h"

enum { BATCH = 32, PIXELS = 64, INPUTS = 8 };

/* ---- data; models.py makes the same ---- */
static uint32_t random_state = 1;

static uint32_t
random_bits(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static double
random_number(void)
{
    return random_bits() * 0x1p-23 - 1;
}

static void
regression_batch(float *x, float *y)
{
    for (int i = 0; i < BATCH; i++) {
        double r[INPUTS];
        for (int k = 0; k < INPUTS; k++)
            x[i * INPUTS + k] = (float)(r[k] = random_number());
        y[i] = (float)(0.7 * r[0] - 0.4 * r[1] + 0.5 * r[2] * r[2]);
    }
}

static int
lit(int digit, int row, int column)
{
    static const unsigned char segments[] = {0x3f, 0x06, 0x5b, 0x4f, 0x66,
                                             0x6d, 0x7d, 0x07, 0x7f, 0x6f};
    int s = segments[digit], middle = 1 < column && column < 6;
    int upper = 0 < row && row < 4, lower = 3 < row && row < 7;
    return (s & 1 && row == 0 && middle) || (s & 2 && column == 6 && upper) ||
           (s & 4 && column == 6 && lower) || (s & 8 && row == 7 && middle) ||
           (s & 16 && column == 1 && lower) || (s & 32 && column == 1 && upper) ||
           (s & 64 && row == 3 && middle);
}

static void
digits_batch(float *x, int64_t *label)
{
    for (int i = 0; i < BATCH; i++) {
        label[i] = random_bits() % 10;
        for (int r = 0; r < 8; r++)
            for (int c = 0; c < 8; c++)
                *x++ = (float)(0.5 * random_number() + lit((int)label[i], r, c));
    }
}

/* ---- parameters as safetensors: F32 tensors of two models ---- */
typedef struct tensor {
    const char *name, *shape;
    float *data;
    size_t n;
} tensor;

static _Alignas(64) unsigned char regression_state[REGRESSION_STATE_BYTES];
static _Alignas(64) unsigned char digits_state[DIGITS_STATE_BYTES];

enum { N_TENSORS = 8 };
static void
list_tensors(tensor t[N_TENSORS])
{
    void *r = regression_state, *d = digits_state;
    t[0] = (tensor){"regression.0.weight", "24,8", regression_state__0_weight(r), 192};
    t[1] = (tensor){"regression.0.bias", "24", regression_state__0_bias(r), 24};
    t[2] = (tensor){"regression.2.weight", "1,24", regression_state__2_weight(r), 24};
    t[3] = (tensor){"regression.2.bias", "1", regression_state__2_bias(r), 1};
    t[4] = (tensor){"digits.0.weight", "32,64", digits_state__0_weight(d), 2048};
    t[5] = (tensor){"digits.0.bias", "32", digits_state__0_bias(d), 32};
    t[6] = (tensor){"digits.2.weight", "10,32", digits_state__2_weight(d), 320};
    t[7] = (tensor){"digits.2.bias", "10", digits_state__2_bias(d), 10};
}

/* The header is always the same for these tensors: whatever has it can be read back. */
static size_t
header(char *out, size_t room)
{
    tensor t[N_TENSORS];
    size_t n = 0, at = 0;
    list_tensors(t);
    for (int i = 0; i < N_TENSORS; i++, at += t[i - 1].n * 4)
        n += (size_t)snprintf(out + n, room - n,
                              "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":"
                              "[%zu,%zu]}",
                              i ? "," : "{", t[i].name, t[i].shape, at, at + t[i].n * 4);
    n += (size_t)snprintf(out + n, room - n, "}");
    while (n % 8)
        out[n++] = ' ';
    return n;
}

static int
save(const char *path)
{
    char text[2048];
    unsigned char length[8] = {0};
    tensor t[N_TENSORS];
    size_t n = header(text, sizeof text);
    FILE *f = fopen(path, "wb");
    if (!f)
        return 0;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)n >> 8 * i);
    int ok = fwrite(length, 1, 8, f) == 8 && fwrite(text, 1, n, f) == n;
    list_tensors(t);
    for (int i = 0; i < N_TENSORS; i++)
        ok = ok && fwrite(t[i].data, 4, t[i].n, f) == t[i].n;
    return fclose(f) == 0 && ok;
}

/* 1: read, 0: there is no such file, -1: it is not ours; parameters change only if it is. */
static int
load(const char *path)
{
    char text[2048], found[2048];
    unsigned char length[8];
    static float values[4096];
    tensor t[N_TENSORS];
    size_t n = header(text, sizeof text), all = 0;
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    list_tensors(t);
    for (int i = 0; i < N_TENSORS; i++)
        all += t[i].n;
    int ok = fread(length, 1, 8, f) == 8 && length[0] == (n & 0xff) && length[1] == n >> 8 &&
             fread(found, 1, n, f) == n && memcmp(found, text, n) == 0 &&
             fread(values, 4, all, f) == all && fgetc(f) == EOF;
    fclose(f);
    for (size_t i = 0, at = 0; ok && i < N_TENSORS; at += t[i++].n)
        memcpy(t[i].data, values + at, t[i].n * 4);
    return ok ? 1 : -1;
}

/* ---- training ---- */
#define MAX(a, b) ((a) > (b) ? (a) : (b))
static _Alignas(64) unsigned char
    memory[MAX(MAX(REGRESSION_TRAIN_STEP_MEMORY, REGRESSION_PREDICT_MEMORY),
               MAX(DIGITS_TRAIN_STEP_MEMORY, DIGITS_PREDICT_MEMORY))];

static double
now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
check(int32_t status, const char *message)
{
    if (!status)
        return;
    fprintf(stderr, "%s\n", message);
    exit(1);
}

static void
train_regression(int steps)
{
    static float x[BATCH * INPUTS], y[BATCH], out[BATCH];
    float loss = 0, error = 0;
    double best = 1;
    random_state = 1;
    for (int i = 0; i < steps; i++) {
        regression_batch(x, y);
        double begin = now();
        int32_t st = regression_train_step(regression_state, memory, sizeof memory, x, y, &loss);
        double took = now() - begin;
        best = took < best ? took : best;
        check(st, regression_error(st));
        printf("regression step %d loss %.6f\n", i, (double)loss);
    }
    regression_batch(x, y);
    int32_t st = regression_predict(regression_state, memory, sizeof memory, x, out);
    check(st, regression_error(st));
    for (int i = 0; i < BATCH; i++)
        error += (out[i] - y[i]) * (out[i] - y[i]) / BATCH;
    printf("regression new data: mean squared error %.6f; a step took %.2f us\n", (double)error,
           best * 1e6);
}

static void
train_digits(int steps)
{
    static float x[BATCH * PIXELS], out[BATCH * 10];
    static int64_t label[BATCH];
    float loss = 0;
    double best = 1;
    int right = 0;
    random_state = 1;
    for (int i = 0; i < steps; i++) {
        digits_batch(x, label);
        double begin = now();
        int32_t st = digits_train_step(digits_state, memory, sizeof memory, x, label, &loss);
        double took = now() - begin;
        best = took < best ? took : best;
        check(st, digits_error(st));
        printf("digits step %d loss %.6f\n", i, (double)loss);
    }
    digits_batch(x, label);
    int32_t st = digits_predict(digits_state, memory, sizeof memory, x, out);
    check(st, digits_error(st));
    for (int i = 0; i < BATCH; i++) {
        int top = 0;
        for (int k = 1; k < 10; k++)
            top = out[i * 10 + k] > out[i * 10 + top] ? k : top;
        right += top == label[i];
    }
    printf("digits new data: %d of %d right; a step took %.2f us\n", right, BATCH, best * 1e6);
}

int
main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 200;
    if (steps <= 0) {
        fprintf(stderr, "usage: %s [STEPS [FILE.safetensors]]\n", argv[0]);
        return 2;
    }
    regression_init(regression_state);
    digits_init(digits_state);
    int loaded = argc > 2 ? load(argv[2]) : 0;
    if (loaded < 0) {
        fprintf(stderr, "%s: not the parameters of these models\n", argv[2]);
        return 1;
    }
    train_regression(steps);
    train_digits(steps);
    if (argc > 2 && !save(argv[2])) {
        fprintf(stderr, "%s: cannot be written\n", argv[2]);
        return 1;
    }
    return 0;
}
