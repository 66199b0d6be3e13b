/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * rnn.c -- recurrent layers: LSTM, GRU and plain ones, and their single cells.
 *
 * The product of the input with its weights does not wait for the recurrence: one
 * contraction for all steps. The recurrence itself is written out step by step, so the
 * number of steps must be a constant.
 */
#include "op/body.h"

typedef enum kind { RNN_TANH, RNN_RELU, LSTM, GRU } kind;

/* Weights of one direction of one layer, as PyTorch stores them: [gates * h, in]. */
typedef struct weights {
    tb_val ih, hh, b_ih, b_hh;
    tb_val hr; /* LSTM: the projection of h, or none */
} weights;

typedef struct state {
    tb_val h, c; /* [batch, h] */
} state;

enum { MAX_STEPS = 4096 };

static tb_val
sigmoid(tb_graph *g, tb_val x)
{
    return DIV(K(x, 1), ADD(K(x, 1), EXP(M1(neg, x))));
}

/* x [n, in] . w' [in, out] + b */
static tb_val
affine(tb_graph *g, tb_val x, tb_val w, tb_val b)
{
    tb_val r = tb_dot(g, x, tb_transpose(g, w, 0, 1));

    return b.id ? ADD(r, b) : r;
}

/* Part i of n of the last axis, wide. */
static tb_val
gate(tb_graph *g, tb_val x, int i, int n)
{
    int ax = RANK(x) - 1;
    tb_dim size = tb_dim_floordiv(g->unit, SIZE(x, ax), n);

    x = tb_slice_axis(g, x, ax, tb_dim_mul(g->unit, size, i), size, 1);
    return tb_body_wide(g, x);
}

/* One step. `x` is the input's part of the gates, with its bias: [batch, gates * h] */
static state
step(tb_graph *g, kind k, const weights *w, tb_val x, state s)
{
    tb_dtype t = tb_dtype_of(g, s.h);
    tb_val r = affine(g, s.h, w->hh, w->b_hh), a, b, n, o;

    if (k == GRU) { /* reset, update, new */
        a = sigmoid(g, ADD(gate(g, x, 0, 3), gate(g, r, 0, 3)));
        b = sigmoid(g, ADD(gate(g, x, 1, 3), gate(g, r, 1, 3)));
        n = M1(tanh, ADD(gate(g, x, 2, 3), MUL(a, gate(g, r, 2, 3))));
        s.h = CAST(ADD(n, MUL(b, SUB(tb_body_wide(g, s.h), n))), t);
        return s;
    }
    r = ADD(x, r);
    if (k != LSTM) {
        r = tb_body_wide(g, r);
        s.h = CAST(k == RNN_TANH ? M1(tanh, r) : MAX(r, K(r, 0)), t);
        return s;
    }
    a = sigmoid(g, gate(g, r, 0, 4)); /* input, forget, cell, output */
    b = sigmoid(g, gate(g, r, 1, 4));
    n = M1(tanh, gate(g, r, 2, 4));
    o = sigmoid(g, gate(g, r, 3, 4));
    n = ADD(MUL(b, tb_body_wide(g, s.c)), MUL(a, n));
    s.c = CAST(n, t);
    s.h = CAST(MUL(o, M1(tanh, n)), t);
    if (w->hr.id)
        s.h = affine(g, s.h, w->hr, TB_NO_VAL);
    return s;
}

/* x [steps, batch, in] -> [steps, batch, h]; s ends as the last state. */
static tb_val
run_direction(tb_graph *g, kind k, const weights *w, tb_val x, state *s, bool backwards)
{
    tb_unit *u = g->unit;
    int64_t steps = SIZE(x, 0);
    tb_dim batch = SIZE(x, 1), rows = tb_dim_mul(u, steps, batch), in = SIZE(x, 2);
    tb_val *out = TB_NEWN(&u->cx->scratch, tb_val, steps + 1), all;

    all = affine(g, tb_reshape(g, x, 2, (tb_dim[]){rows, in}), w->ih, w->b_ih);
    all = tb_reshape(g, all, 3, (tb_dim[]){steps, batch, SIZE(w->ih, 0)});
    for (int64_t i = 0; i < steps; i++) {
        int64_t at = backwards ? steps - 1 - i : i;

        *s = step(g, k, w, tb_squeeze_axes(g, tb_slice_axis(g, all, 0, at, 1, 1), 1), *s);
        out[at] = tb_unsqueeze(g, s->h, 0);
    }
    return tb_concat(g, out, (uint32_t)steps, 0);
}

/* Row i of hx [layers * directions, batch, h] */
static tb_val
row(tb_graph *g, tb_val hx, int64_t i)
{
    return tb_squeeze_axes(g, tb_slice_axis(g, hx, 0, i, 1, 1), 1);
}

/* (input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
 * batch_first) */
static tb_val
layers(tb_opctx *c, kind k)
{
    tb_graph *g = c->g;
    tb_val x = V(0), h0, c0 = TB_NO_VAL, *hs, *cs, both[2];
    int64_t n = INT(4), directions = BOOL(7) ? 2 : 1;
    uint32_t at = 0, each = BOOL(3) ? 4 : 2;
    bool first = BOOL(8), projected = false;

    if (k == LSTM) {
        if (tb_body_n(c, 1) != 2)
            tb_body_raise(c, "expected the states (h, c)");
        h0 = tb_body_at(c, 1, 0)->v;
        c0 = tb_body_at(c, 1, 1)->v;
        projected = !tb_dim_eq(g->unit, SIZE(h0, 2), SIZE(c0, 2));
    } else {
        h0 = V(1);
    }
    if (FLOAT(5) != 0 && BOOL(6))
        tb_body_lacks(c, "dropout between layers");
    if (RANK(x) != 3)
        tb_body_raise(c, "expected an input of rank 3, found %d", RANK(x));
    if (first)
        x = tb_transpose(g, x, 0, 1);
    if (!tb_dim_is_const(SIZE(x, 0)) || SIZE(x, 0) < 1 || SIZE(x, 0) > MAX_STEPS)
        tb_body_lacks(c, "a number of steps that is not a constant up to %d", MAX_STEPS);
    if (tb_body_n(c, 2) != (uint64_t)(n * directions) * (each + projected))
        tb_body_raise(c, "expected %lld weights, found %u",
                      (long long)(n * directions) * (each + projected), tb_body_n(c, 2));
    hs = TB_NEWN(&g->unit->cx->scratch, tb_val, n * directions + 1);
    cs = TB_NEWN(&g->unit->cx->scratch, tb_val, n * directions + 1);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t d = 0; d < directions; d++) {
            int64_t j = i * directions + d;
            state s = {.h = row(g, h0, j), .c = k == LSTM ? row(g, c0, j) : TB_NO_VAL};
            weights w = {0};

            w.ih = tb_body_at(c, 2, at++)->v;
            w.hh = tb_body_at(c, 2, at++)->v;
            if (each == 4) {
                w.b_ih = tb_body_at(c, 2, at++)->v;
                w.b_hh = tb_body_at(c, 2, at++)->v;
            }
            if (projected)
                w.hr = tb_body_at(c, 2, at++)->v;
            both[d] = run_direction(g, k, &w, x, &s, d == 1);
            hs[j] = tb_unsqueeze(g, s.h, 0);
            if (k == LSTM)
                cs[j] = tb_unsqueeze(g, s.c, 0);
        }
        x = tb_concat(g, both, (uint32_t)directions, 2);
    }
    if (first)
        x = tb_transpose(g, x, 0, 1);
    h0 = tb_concat(g, hs, (uint32_t)(n * directions), 0);
    if (k != LSTM)
        return tb_body_out2(c, x, h0);
    return tb_body_out3(c, x, h0, tb_concat(g, cs, (uint32_t)(n * directions), 0));
}

static tb_val
lstm(tb_opctx *c)
{
    return layers(c, LSTM);
}

static tb_val
gru(tb_opctx *c)
{
    return layers(c, GRU);
}

static tb_val
rnn_tanh(tb_opctx *c)
{
    return layers(c, RNN_TANH);
}

static tb_val
rnn_relu(tb_opctx *c)
{
    return layers(c, RNN_RELU);
}

/* ---- one step: (input, hx, w_ih, w_hh, b_ih, b_hh); it may lack a batch axis ---- */

static state
one_step(tb_opctx *c, kind k, state s)
{
    tb_graph *g = c->g;
    tb_val x = V(0);
    weights w = {.ih = V(2), .hh = V(3), .b_ih = V(4), .b_hh = V(5)};
    bool single = RANK(x) == 1;

    if (single) {
        x = tb_unsqueeze(g, x, 0);
        s.h = tb_unsqueeze(g, s.h, 0);
        if (k == LSTM)
            s.c = tb_unsqueeze(g, s.c, 0);
    }
    s = step(g, k, &w, affine(g, x, w.ih, w.b_ih), s);
    if (single) {
        s.h = tb_squeeze_axes(g, s.h, 1);
        if (k == LSTM)
            s.c = tb_squeeze_axes(g, s.c, 1);
    }
    return s;
}

static tb_val
lstm_cell(tb_opctx *c)
{
    state s = {.h = tb_body_at(c, 1, 0)->v, .c = tb_body_at(c, 1, 1)->v};

    s = one_step(c, LSTM, s);
    return tb_body_out2(c, s.h, s.c);
}

static tb_val
gru_cell(tb_opctx *c)
{
    return one_step(c, GRU, (state){.h = V(1)}).h;
}

static tb_val
rnn_tanh_cell(tb_opctx *c)
{
    return one_step(c, RNN_TANH, (state){.h = V(1)}).h;
}

static tb_val
rnn_relu_cell(tb_opctx *c)
{
    return one_step(c, RNN_RELU, (state){.h = V(1)}).h;
}

const tb_op tb_ops_rnn[] = {
    /* schema, verbatim from PyTorch; promotion; meaning */
    {"lstm.input(Tensor input, Tensor[] hx, Tensor[] params, bool has_biases, int "
     "num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> "
     "(Tensor, Tensor, Tensor)",
     TB_KEEP, lstm},
    {"gru.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int "
     "num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> "
     "(Tensor, Tensor)",
     TB_KEEP, gru},
    {"rnn_tanh.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int "
     "num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> "
     "(Tensor, Tensor)",
     TB_KEEP, rnn_tanh},
    {"rnn_relu.input(Tensor input, Tensor hx, Tensor[] params, bool has_biases, int "
     "num_layers, float dropout, bool train, bool bidirectional, bool batch_first) -> "
     "(Tensor, Tensor)",
     TB_KEEP, rnn_relu},
    {"lstm_cell(Tensor input, Tensor[] hx, Tensor w_ih, Tensor w_hh, Tensor? "
     "b_ih=None, Tensor? b_hh=None) -> (Tensor, Tensor)",
     TB_KEEP, lstm_cell},
    {"gru_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
     "Tensor? b_hh=None) -> Tensor",
     TB_KEEP, gru_cell},
    {"rnn_tanh_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? "
     "b_ih=None, Tensor? b_hh=None) -> Tensor",
     TB_KEEP, rnn_tanh_cell},
    {"rnn_relu_cell(Tensor input, Tensor hx, Tensor w_ih, Tensor w_hh, Tensor? "
     "b_ih=None, Tensor? b_hh=None) -> Tensor",
     TB_KEEP, rnn_relu_cell},
    {0},
};
