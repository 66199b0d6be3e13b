/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * internal.h -- a function of the plan while it is written.
 *
 * First every graph that the function runs becomes a *frame*: its kernel steps, control
 * nodes and checks in the order in which they run, with a position each. That tells how
 * long every buffer is needed (frame.c). Then instructions are written in the same order
 * (write.c). The code of a branch or loop stands in line; its inputs are buffers of the
 * frame around it.
 *
 * Integer registers are written where they are first needed. What depends on shapes alone
 * is needed in the prologue. What depends on a number read from a tensor (`item`) follows
 * the instruction that reads it; values of such sizes get memory when they are made, from
 * growing slots of the session, not from the arena.
 */
#pragma once
#include "program/program.h"

typedef struct tb_event {
    uint32_t at;   /* position */
    uint32_t step; /* kernel step, or */
    tb_val node;   /* a control node or check; 0: the step */
    struct tb_frame *sub[2];
    uint32_t *carried; /* while: [n] buffer of each carried value */
    bool *kept;        /* while: [n] the body returns what it got */
    uint32_t *saved;   /* while: [n] buffer + 1 of a copy made before others change */
} tb_event;

typedef struct tb_frame {
    const tb_body *b;
    uint32_t *buf_of;   /* by node: buffer register + 1 */
    uint32_t *temp_buf; /* by temp: buffer register + 1 */
    const uint32_t *args;    /* by input: the caller's buffer; NULL: the function's inputs */
    uint32_t *dest;          /* by output: buffer + 1 that it goes to, 0 if nobody wants it */
    bool *in_place;          /* by node: a scatter into the memory of its base */
    bool *direct;            /* by output: computed in its destination */
    uint32_t *first_result, *next_result; /* by node: a control node's live results */
    TB_VEC(tb_event) events;
} tb_frame;

/* How long a buffer is needed; by buffer register. */
typedef struct tb_use {
    tb_dim bytes;
    uint32_t first, last; /* positions */
    bool used;
} tb_use;

typedef struct tb_writer {
    tb_program *p;
    tb_unit *u;
    const tb_func *f;
    const tb_graph *g; /* of the function */
    tb_plan_function out;
    tb_frame *top;
    uint32_t position;
    TB_VEC(tb_use) uses;      /* by buffer register */
    uint32_t *packed_buf;     /* by unit constant: buffer register + 1 */
    uint32_t *saved_buf;      /* by effect of g: buffer register + 1 of a copy made first */
    TB_VEC(uint32_t) late;    /* buffers that get memory where they are first used, by
                                 position */
    bool *result_made;        /* by result */
    TB_VEC(int32_t) sym_reg;  /* by symbol, -1 = not yet */
    bool *checked;            /* by equality of the unit */
    TB_VEC(tb_dim) reg_dims;  /* memo of computed dims */
    TB_VEC(int32_t) reg_regs;
    tb_map seen_dims;
    int32_t n_regs;
} tb_writer;

/* ---- sizes.c ---- */
void tb_w_word(tb_writer *w, int64_t v);
void tb_w_op(tb_writer *w, tb_opcode code, uint32_t n_words);
int32_t tb_w_new_reg(tb_writer *w);
/* The register that holds d; instructions are written on first use. */
int32_t tb_w_dim(tb_writer *w, tb_dim d);
/* Whether all symbols of d have registers by now. */
bool tb_w_known(tb_writer *w, tb_dim d);
void tb_w_check(tb_writer *w, int32_t reg, tb_str message);
/* Symbols from the inputs' shapes and values, and what must hold of them. */
void tb_w_symbols(tb_writer *w);
/* Symbol `sym` is in register r from now on; its range is checked. */
void tb_w_define(tb_writer *w, uint32_t sym, int32_t r, tb_str where);

/* ---- frame.c ---- */
uint32_t tb_w_node_buf(tb_writer *w, tb_frame *f, tb_val v); /* v is stored */
uint32_t tb_w_storage_buf(tb_writer *w, tb_frame *f, tb_val v);
uint32_t tb_w_binding_buf(tb_writer *w, tb_frame *f, const tb_binding *b);
uint32_t tb_w_add_buf(tb_writer *w, tb_buf_kind kind, uint32_t index);
/* A control node or check: an event of its own. */
bool tb_w_is_event(const tb_graph *g, uint32_t id);
/* Frames of the function and everything below it; places for all buffers. */
void tb_w_plan(tb_writer *w, const tb_body *body);

/* ---- inplace.c ---- */
/* Gives scatters that may write over their base its buffer. loop: f is a loop's body. */
void tb_w_in_place(tb_writer *w, tb_frame *f, bool loop);

/* ---- write.c ---- */
/* Registers of all sizes that f and the frames in it need and that can be known now. */
void tb_w_sizes(tb_writer *w, const tb_frame *f);
void tb_w_body(tb_writer *w);

/* ---- program.c ---- */
uint32_t tb_p_const(tb_program *p, uint32_t unit_const, bool packed);
uint32_t tb_p_kernel(tb_program *p, const tb_lowered *low, uint32_t step);
/* Notes what the DISPATCH that follows does; registers are written before it. */
void tb_p_work(tb_writer *w, const tb_step *st);
void tb_p_set_dims(tb_writer *w, const tb_plan_value *v, const tb_dim *dims);
