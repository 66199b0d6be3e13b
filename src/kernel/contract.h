/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * contract.h -- what schedules of products share: addresses (geometry.c), the micro-kernel
 * (micro.c, micro_amx.c, inner.c), panels of constant operands (pack.c) and of others (repack.c),
 * the kernel (product.c, product_a.c, stream.c). contract.c chooses among them.
 */
#pragma once
#include "kernel/rows.h"

enum { TB_MAX_PANEL = 64 }; /* columns of a panel, at most */

/* ---- micro.c ---- */
enum { TB_MICRO_ARGS = 24, TB_MICRO_TAILS = 4, TB_INNER_COLS = 4 };
typedef struct tb_micro {
    int mr, nv, lanes;    /* rows; vectors of `lanes` per row */
    int panel;            /* columns; rows of c are this long */
    int used;             /* so many of them are wanted; 0: all */
    int width;            /* the first of them, which are multiplied; of nv * lanes a multiple */
    int b_panel;          /* from one of b's rows to the next, unless pitched */
    tb_dtype acc, a_mem, b_mem;
    bool fresh;           /* c is written, not added to */
    bool unit_step;       /* a's step is 1 */
    bool runs;            /* a is read in several runs (unit_step only) */
    bool pitched;         /* b's rows are `pitch` apart */
    bool pairs;           /* b's rows lie in pairs, see tb_micro_write */
    bool dot;             /* with pairs or cols, both bf16: the target's dot products */
    bool amx;             /* with pairs, a bf16 as well: in tile registers (micro_amx.c), nv of
                             TB_AMX_COLUMNS in a row */
    int cols;             /* 0, or: both operands lie along r (inner.c), so many columns */
    bool ragged;          /* with cols: r is no multiple of the lanes */
    int ahead;            /* bytes of what comes next to ask for with each row of b, or 0 */
    bool along;           /* with ahead: what comes next is further on in b */
    int every, asking;    /* with ahead, not along: only every `every` tiles of rows one asks, and
                             `asking` of them in all */
    bool whole;           /* with ahead: between two questions lie as many rows of b, always */
    uint32_t tails;       /* bit i: fewer than mr rows come, in pieces of 1 << i */
    uint32_t fn, tail_fn[TB_MICRO_TAILS]; /* numbers of the functions */
} tb_micro;
/* The width of panels that leaves the fewest columns idle of `cols` in all, and lets a tile
 * have all `rows` where they are few (0: they do not count). *last, unless NULL: how many columns
 * of the last panel are worth being multiplied, the width or less (tb_micro_part). */
int tb_micro_panel(tb_dim cols, tb_dim rows, int *last);
/* Chooses mr, nv and lanes for a target; `rows` is how many rows there are in all, which
 * come in blocks of `block`, up to `most` rows of several together; 0: of any size. */
void tb_micro_shape(tb_micro *m, const tb_target *t, tb_dim rows, int64_t block, int64_t most);
/* The next panel is asked for while this one is multiplied with `rows` rows; if they are few, what
 * comes a little later in this one. The multiply is over runs of length `run`, or chunks of them. */
void tb_micro_look_ahead(tb_micro *m, int64_t rows, tb_dim run);
/* The same for the first columns of a panel, in rows of b_panel; without functions as yet. */
tb_micro tb_micro_part(const tb_micro *m, int width, int b_panel);
/* What blocks of `block` rows and a last one of the rest leave over in tiles of mr, up to `most` rows
 * of several together: the bits of all remainders. */
uint32_t tb_micro_rests(int mr, int64_t rows, int64_t block, int64_t most);
/* How it is for the rows that do not fill a tile: they have no time to ask for a panel. */
tb_micro tb_micro_of_tails(const tb_micro *m);
/* Columns of a call, of which there are several for a panel. */
int tb_micro_columns(const tb_micro *m);
/* Do its operands need `next` and `before`? */
static inline bool
tb_micro_asks_next(const tb_micro *m)
{
    return m->ahead && !m->along;
}
/* Writes the functions. With `pairs` b is bf16 and a word of 32 bits holds rows 2k (below) and
 * 2k + 1 of one column; an odd last row has zeros beside it. One layout for all targets: with
 * `dot` a word is an operand, elsewhere a shift and a mask make two f32 of it. */
void tb_micro_write(tb_kernel *k, tb_micro *m);
typedef struct tb_micro_operands {
    tb_kv (*row)(void *user, tb_kv i); /* pointer to a's row i, from 0 to n - 1 */
    void *user;
    tb_kv b, c;             /* pointers */
    tb_kv pitch, len, step; /* I64; with cols only len */
    tb_kv runs, distance;   /* I64; where the micro-kernel has runs */
    tb_kv next, before;     /* where it asks for it: pointer to the panel that will be read after
                               this one; rows multiplied with this one before (I64) */
    tb_kv idle;             /* bytes from there to what is in the caches anyway (I64) */
    tb_kv cols[2 * TB_INNER_COLS]; /* with cols: pointers to b's columns */
    tb_kv a_pitch;          /* with amx: bytes from one of a's rows to the next (I64) */
} tb_micro_operands;
/* c[n][panel] (+)= a . b. n is mr or, if there are tails, less. */
void tb_micro_call(tb_kernel *k, const tb_micro *m, tb_kv n, const tb_micro_operands *o);

/* Where in the next panel call number `part` of these rows begins to ask. */
tb_kv tb_micro_ask_from(tb_kernel *k, const tb_micro *m, const tb_micro_operands *o, int part);

/* ---- micro_amx.c: what tb_micro_shape, tb_micro_write and tb_micro_call do with amx ---- */
enum { TB_AMX_ROWS = 2 * TB_TREG_ROWS, TB_AMX_COLUMNS = TB_TREG_BYTES / 4,
       TB_AMX_DEPTH = TB_TREG_BYTES / 2 /* runs of a are multiples of it */ };
void tb_amx_shape(tb_micro *m, const tb_target *t, tb_dim rows, int64_t block, int64_t most);
void tb_amx_write(tb_kernel *k, tb_micro *m);
void tb_amx_call(tb_kernel *k, const tb_micro *m, tb_kv n, const tb_micro_operands *o);
/* Around all calls, in the kernel's entry. */
void tb_amx_begin(tb_kernel *k, const tb_micro *m);
void tb_amx_end(tb_kernel *k);

/* ---- inner.c ---- */
/* The function of mr rows where both operands lie along r; at least `lanes` of it, with dot
 * twice as many. */
uint32_t tb_inner_function(tb_kernel *k, const tb_micro *m, int mr);

typedef struct tb_contract tb_contract;

/* ---- pack.c ---- */
/* Packs elements (r, n) at `offset + r*step_r + n*step_n + group*step_group` of a
 * constant into [group][ceil(N/panel)][R][panel], columns past N zero; rows of the last panel are
 * `last` long, which is panel unless there is one group of neither pairs nor rounded elements.
 * Returns the new constant of the unit, whose bytes are a recipe; the same request gives the same
 * constant. */
typedef struct tb_pack_request {
    int64_t offset, R, N, step_r, step_n, groups, step_group, panel, last;
    int64_t rounded; /* f32 is stored as bf16 */
    int64_t pairs;   /* [ceil(R/2)][panel][2] for [R][panel]: see tb_micro_write */
} tb_pack_request;
uint32_t tb_pack_const(tb_lower *l, uint32_t unit_const, const tb_pack_request *q);

/* ---- repack.c ---- */
/* An operand (r, n) of R x N at `flat` of a stored node, to be laid out in panels in a
 * temporary: [batch][ceil(N/panel)][R][panel], in it at `row`, a permutation of r; columns past N
 * hold anything, and so does the row beside an odd last one. */
typedef struct tb_repack {
    tb_lower *l;
    tb_val store;
    tb_ix flat, row;
    uint32_t r, n; /* their variables */
    tb_dim R, N, step_r, step_n; /* steps of flat, 0 where it is not linear */
    tb_dtype mem;
    uint32_t temp;
    int64_t panel;
    bool pairs;            /* as in tb_pack_request; row is r */
    const uint32_t *batch; /* variables; n_batch 0: the operand is the same for all */
    uint32_t n_batch;
    tb_dim batches;
} tb_repack;
void tb_repack_kernel(const tb_repack *p); /* writes the whole kernel */
/* The panel that begins at column n0, of its rows those of [r0, end): to [row][panel] at `to` + dst
 * elements. */
void tb_repack_panel(const tb_repack *p, tb_kv to, tb_kv dst, tb_kv n0, tb_kv r0, tb_kv end);
/* Rows whose elements are `step` apart and whose neighbours in memory are those of the next row,
 * to rows of `pitch`, their elements side by side. Behind `to`, rows up to the next multiple of
 * the lanes are written, and elements up to that of each row. */
typedef struct tb_turn {
    tb_dtype mem;
    int lanes;
    tb_kv from, first, step; /* pointer; element (0, 0); I64 */
    tb_kv to, pitch;         /* pointer; I64 */
    tb_kv rows, len;
} tb_turn;
void tb_turn_rows(tb_kernel *k, const tb_turn *t);
/* Writes the kernel of A_TEMP, and lets A's address be there. */
void tb_turn_kernel(tb_contract *c);
tb_dim tb_turn_height(const tb_contract *c); /* rows of the temporary */
tb_dim tb_turn_pitch(const tb_contract *c);
/* rows[n] of n lanes: rows and lanes change places. n is a power of two. */
void tb_transpose_square(tb_kernel *k, tb_kv *rows, int n);

/* ---- geometry.c ---- */
/* A product while it is lowered. */
struct tb_contract {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_val anchor, a, b;
    bool conv;
    tb_dtype acc, a_mem, b_mem;
    /* variables */
    uint32_t batch[TB_MAX_RANK], n_batch; /* batch axes; a convolution's group */
    uint32_t m, n, r;
    tb_dim M, N, R, batches;
    /* A: address of row m, then r in runs */
    tb_val a_store;
    tb_ix a_row;
    tb_dim run, a_step, n_runs;     /* run length, stride within, number */
    tb_dim run_dims[TB_MAX_RANK], run_stride[TB_MAX_RANK]; /* runs by axis, outermost first */
    int n_run_axes;
    enum { TB_A_PLACE, TB_A_TEMP, TB_A_TILE } a_kind; /* turned; TILE: by each tile for itself */
    tb_dim a_across;                /* turned: the step along r there was, a_step is 1 */
    uint32_t a_temp;
    bool a_batched;                 /* TEMP: A differs between batches */
    /* B */
    tb_val b_store;
    tb_ix b_flat;                   /* address of element (r, n) */
    tb_ix b_row;                    /* its row: r, but for weights of a convolution that lie in
                                       another order; those are repacked */
    bool b_by_channel;              /* of a convolution: channel by channel */
    tb_dim b_step_r, b_step_n;      /* 0: none */
    enum { TB_B_PACKED, TB_B_DIRECT, TB_B_ROWS, TB_B_STREAM, TB_B_TEMP,
           TB_B_TILE } b_kind;      /* TILE: each tile packs the panels it needs */
    uint32_t packed, temp;
    bool b_batched;                 /* B differs between batches */
    /* tile */
    tb_micro micro, last_micro;     /* of the last panel, if its columns are fewer */
    int last, last_pitch;           /* its columns that are multiplied; of its rows in B */
    int64_t mc, nb, kc, panel;
    int64_t most;                   /* rows: neighbouring tiles are multiplied together */
    double tile_ns;
    int64_t parts;                  /* of r, each in tiles of its own */
    tb_dim tiles;                   /* of one part */
    bool one_chunk;                 /* all of r in one chunk: epilogue right after */
    tb_dtype copied;                /* A's rows are copied in this type for the micro-kernel */
    const tb_ix *root_at;           /* the root's indices */
    bool turned;                    /* the root is contiguous along m, not n */
};

/* Everything of a tile that stays the same while it is computed. */
typedef struct tb_tile {
    tb_kv a, b, block, offsets; /* pointers: A, B, C block, row offsets (I64) */
    tb_kv copy;                 /* of A's rows, those of a register tile or all */
    tb_kv copied;               /* are they there from the tile before? none: no */
    tb_kv own;                  /* TILE: scratch of one panel */
    tb_kv own_a;                /* A_TILE: scratch, [rows][a chunk's r] */
    tb_kv no, part, temp; /* of parts: which one, pointer to all their blocks */
    tb_kv batch, m0, rows, panel0, panels;
} tb_tile;

/* Binds batch variables to the parts of a row-major index. */
void tb_bind_batches(tb_lower *l, const uint32_t *vars, uint32_t n, tb_kv flat);
/* Address of a node at indices, as an expression over its storage. */
tb_ix tb_operand_address(tb_lower *l, tb_val v, const tb_ix *idx, tb_val *stored);
/* Is B a constant, or moved from one? It can be laid out at compile time then. */
static inline bool
tb_contract_is_weight(const tb_contract *c)
{
    return tb_node_of(c->g, c->b_store)->prim == TB_P_const;
}
/* A size as a value of the kernel. */
tb_kv tb_contract_dim(tb_contract *c, tb_dim d);
/* How many columns the panel has that begins at column n0. */
tb_kv tb_contract_columns(tb_contract *c, tb_kv n0);
/* The coefficient of var in a, which must be linear in it (grouping saw to that). */
tb_dim tb_operand_step(tb_lower *l, const tb_ix *a, uint32_t var);
tb_ix tb_ix_without(const tb_ix *a, uint32_t var);
/* Fill in the variables, A and B. */
void tb_dot_geometry(tb_contract *c);
void tb_conv_geometry(tb_contract *c);
/* How B is laid out in panels (contract.c). */
tb_repack tb_contract_repack(const tb_contract *c);
/* Rows of a panel of B, as packed: R, even where they lie in pairs (contract.c). */
tb_dim tb_contract_rows(const tb_contract *c);
/* Indices of the group's root in terms of the product's variables. */
void tb_contract_root(tb_contract *c);

/* ---- epilogue.c ---- */
/* Stores the root for rows [0, rows) of one panel, whose sums are at `block` + c_base:
 * m0 + row is the row, n0 the panel's first column. */
void tb_contract_epilogue(tb_contract *c, tb_kv block, tb_kv c_base, tb_kv m0, tb_kv rows,
                          tb_kv n0);

/* ---- stream.c ---- */
enum { TB_STREAM_ROWS = 4 };
/* Adds all of r, or its part, to the C block, [panel][mc][columns]. M is constant, at most
 * TB_STREAM_ROWS, and B's columns are neighbours. */
void tb_stream_tile(tb_contract *c, const tb_tile *t);

/* ---- product_a.c: rows of A as the micro-kernel reads them, where they lie or in scratch ---- */
/* Those of a tile from row i on, each from the chunk of r that begins a_off elements behind its
 * begin. */
typedef struct tb_a_rows {
    tb_contract *c;
    const tb_tile *t;
    tb_kv i, a_off;
} tb_a_rows;
/* Of run number `run`: elements. */
tb_kv tb_a_run_offset(tb_contract *c, tb_kv run);
/* Do A's elements have those of the next row beside them, not the next of r? Squares of them can be
 * turned in registers. */
bool tb_a_is_across(const tb_contract *c);
/* In what type the micro-kernel of this target wants copies: c->copied. */
void tb_a_choose_copies(tb_contract *c);
/* Would scratch for all of r stay in the caches? */
bool tb_a_fits(const tb_contract *c);
/* Reserves it, for c->kc. */
void tb_a_scratch(const tb_contract *c, tb_tile *t);
/* Copied for each chunk [r, r + len) of a tile, and for n rows of it before they are multiplied: of
 * a chunk so many runs of len. */
void tb_a_chunk(tb_contract *c, const tb_tile *t, tb_kv r, tb_kv a_off, tb_kv len);
void tb_a_block(const tb_a_rows *rows, tb_kv n, tb_kv len);
tb_kv tb_a_runs(tb_contract *c);
/* For tb_micro_operands: pointer to a row of the tb_a_rows `user`; bytes between two where they are
 * even. */
tb_kv tb_a_row(void *user, tb_kv row);
tb_kv tb_a_pitch(tb_contract *c);

/* ---- product.c ---- */
typedef enum tb_product_part { TB_PRODUCT_WHOLE, TB_PRODUCT_PARTS, TB_PRODUCT_SUM } tb_product_part;
/* Writes the whole kernel; PARTS and SUM are one after the other, with c->temp between. */
void tb_product_kernel(tb_contract *c, tb_product_part part);

/* ---- winograd.c ---- */
/* Is it a convolution that is faster by Winograd's algorithm, without losing accuracy? */
bool tb_is_winograd(const tb_contract *c);
/* Of weights that are inputs: writes the whole kernel that leaves them transformed in c->temp. */
void tb_winograd_weights(tb_contract *c);
void tb_winograd_kernel(tb_contract *c); /* writes the whole kernel */
