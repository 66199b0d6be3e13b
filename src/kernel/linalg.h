/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * linalg.h -- words for kernels on matrices, real and complex (linalg.c).
 *
 *   trisolve.c   triangular systems
 *   factor.c     Cholesky and LU
 *   reflect.c    QR
 *   jacobi.c     rotations that make rows orthogonal
 *   schur.c      Schur's form
 *
 * A kernel takes one matrix (or some columns of it) into a buffer of its own, whose rows
 * are longer than the matrix: a loop along a row takes whole vectors, from anywhere, and
 * what it computes beyond the last column is of no interest.
 */
#pragma once
#include "kernel/rows.h"

enum {
    TB_LA_ALIGN = 16, /* lanes of the widest target */
    TB_LA_PAD = 63,   /* elements that a loop along a row may be beyond its end */
    TB_LA_BLOCK = 16  /* rows or columns of a panel */
};

typedef struct tb_la {
    tb_lower *l;
    tb_kernel *k;
    tb_dtype t;  /* F32 or F64 */
    int lanes;
    bool pairs;  /* complex */
    int rows, vecs; /* of a block in registers */
    tb_dim items; /* of the loop: matrices, or parts of them */
    tb_kv item, matrix; /* numbers of the item and its matrix */
} tb_la;

/* A number or a vector of them; im is NO_KV if all is real. */
typedef struct tb_num {
    tb_kv re, im;
} tb_num;

/* Element (i, j) lies at ptr + i * row + j * column elements, its imaginary part `im`
 * elements behind. */
typedef struct tb_mat {
    tb_kv ptr, row, column, im;
} tb_mat;

/* How many there are of what the last n_own axes of the group's root are. */
tb_dim tb_la_items(tb_lower *l, int n_own);
/* Opens a loop over matrices (of the group's root), or over `parts` parts of each; *part may
 * be NULL. Closed by tb_rows_close. */
void tb_la_begin(tb_la *a, tb_lower *l, double matrix_ns, tb_dim parts, tb_kv *part);
/* Matrix number a->matrix of stored v: [m, n], dense. */
tb_mat tb_la_at(tb_la *a, tb_val v, bool written);
/* Memory for a matrix of the item's own; row length is a multiple of TB_LA_ALIGN. `nth`
 * buffer of the group. */
tb_mat tb_la_buffer(tb_la *a, uint32_t nth, tb_dim m, tb_dim n);
/* The matrix seen from its last element backwards, and with its axes exchanged. */
tb_mat tb_la_backwards(tb_la *a, tb_mat x, tb_kv m, tb_kv n);
tb_mat tb_la_rows_backwards(tb_la *a, tb_mat x, tb_kv m);
tb_mat tb_la_transposed(tb_mat x);
tb_mat tb_la_from(tb_la *a, tb_mat x, tb_kv i, tb_kv j);
/* Rows of n elements: into a buffer, the rest of its row (of `room` elements) zeros; and out
 * again. Both with columns beside each other. */
void tb_la_copy_in(tb_la *a, tb_mat to, tb_mat from, tb_kv m, tb_kv n, tb_kv room);
void tb_la_copy_out(tb_la *a, tb_mat to, tb_mat from, tb_kv m, tb_kv n);

/* Elements, and `lanes` of them along a row. */
tb_num tb_la_load(tb_la *a, tb_mat x, tb_kv i, tb_kv j);
void tb_la_store(tb_la *a, tb_mat x, tb_kv i, tb_kv j, tb_num v);
tb_num tb_la_vload(tb_la *a, tb_mat x, tb_kv i, tb_kv j);
void tb_la_vstore(tb_la *a, tb_mat x, tb_kv i, tb_kv j, tb_num v);

/* Arithmetic; a scalar beside a vector is splat. */
tb_kv tb_la_const(tb_la *a, double v);
tb_kv tb_la_op(tb_la *a, tb_prim p, tb_kv x, tb_kv y);
tb_num tb_la_splat(tb_la *a, tb_num x);
tb_num tb_la_conj(tb_la *a, tb_num x);
tb_num tb_la_real(tb_la *a, tb_kv re); /* with imaginary part 0 */
tb_num tb_la_add(tb_la *a, tb_num x, tb_num y);
tb_num tb_la_sub(tb_la *a, tb_num x, tb_num y);
tb_num tb_la_mul(tb_la *a, tb_num x, tb_num y);
tb_num tb_la_scale(tb_la *a, tb_num x, tb_kv real);
tb_num tb_la_div(tb_la *a, tb_num x, tb_num y);
tb_num tb_la_where(tb_la *a, tb_kv cond, tb_num x, tb_num y);
tb_num tb_la_muladd(tb_la *a, tb_num acc, tb_num x, tb_num y); /* acc + x y */
tb_num tb_la_mulsub(tb_la *a, tb_num acc, tb_num x, tb_num y); /* acc - x y */
/* Loops with numbers carried: n of them, all of the same kind. */
tb_kv tb_la_for(tb_la *a, tb_kv lo, tb_kv hi, int64_t step, tb_num *carried, uint32_t n);
void tb_la_end_for(tb_la *a, tb_num *carried, uint32_t n);

/* c[i, j] -= sum over k in [k0, k1) of x(i, k) b[k, j], for i in [i0, i1) and j in [j0, j1)
 * and beyond to a whole number of vectors. `conj`: of x. `triangle`: of row i only j >= i,
 * rounded down to the row of a block. */
typedef struct tb_la_update {
    tb_mat c, x, b;
    tb_kv i0, i1, j0, j1, k0, k1;
    bool conj, triangle;
} tb_la_update;
void tb_la_subtract(tb_la *a, const tb_la_update *u);
/* The same for row i alone. */
void tb_la_subtract_row(tb_la *a, const tb_la_update *u, tb_kv i);

/* reflect.c: LAPACK's larfg of a column whose first element is alpha; `below`: the sum of
 * squares of the others, of a dtype as wide as theirs or wider. What is below times `scale`
 * is v, whose first element is 1. */
typedef struct tb_reflector {
    tb_num beta, tau, scale;
} tb_reflector;
tb_reflector tb_la_reflector(tb_la *a, tb_num alpha, tb_kv below);
/* Of column c of x [m, ..] from row c on; nothing is written. */
tb_reflector tb_la_reflect(tb_la *a, tb_mat x, tb_kv c, tb_kv m);
/* Columns (c, n) of rows [c, m) times I - conj(tau) v v^H, v in column c below row c. */
void tb_la_reflect_rows(tb_la *a, tb_mat x, tb_kv c, tb_kv m, tb_kv n, tb_num tau);

/* A typical number of elements, for costs. */
double tb_la_hint(const tb_la *a, tb_dim d);
