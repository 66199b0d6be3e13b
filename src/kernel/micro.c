/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * micro.c -- the micro-kernel of products: a register tile of MR rows x NV vectors, an
 * internal function of the kernel that uses it. Rows that do not fill a tile are computed
 * in pieces of 8, 4, 2 and 1 by functions of their own. Codegen writes equal functions
 * of all kernels once.
 *
 * fn(a0 .. a[mr-1], b, pitch, c, len, step): c[i][0 .. nv*lanes) gets (or is added) the sum
 * over r < len of a_i[r * step] * b[r * pitch ..]. Accumulators are carried by the loop, so
 * they stay in registers. With `pairs` two rows of b are one of words. With `runs` there are
 * two more arguments, runs and distance: a_i is read in so many runs of len, `distance` apart,
 * while b goes on. With `ahead` there is one more, a pointer to what is asked for meanwhile. For
 * the shape of the tile see docs/codegen.md; after Goto and van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication", 2008.
 */
#include "kernel/contract.h"

/* Rows of a register tile of four vectors, and of three. */
enum { WIDE_ROWS = 6, ONCE_ROWS = 8 };
enum { FEW_ROWS = 3, WHOLE_PANEL = 8 }; /* of few rows: vectors of one, at most */
enum { CHAINS = 8 }; /* of sums, that the processor can have under way */
enum { ASK_ROWS = 4, LINE = 64 };
enum { ALONG = 8192 /* bytes further on in a panel */, ALONG_ROWS = 4 };

/* A function being written. */
typedef struct tile {
    tb_kernel *k;
    const tb_micro *m;
    int mr;
    tb_kv a[TB_MICRO_ARGS], step;
    tb_kv acc[66]; /* mr * nv, and the pointers into b and to what is asked for ahead */
    uint32_t n_acc;
} tile;

/* All sums += a's elements, at `index + imm` of their rows, times a row of b. */
static void
add_products(tile *t, tb_kv index, int64_t imm, const tb_kv *b)
{
    tb_kernel *k = t->k;
    for (int i = 0; i < t->mr; i++) {
        tb_kv s = tb_k_load(k, t->m->a_mem, 1, t->a[i], index, imm, TB_NO_KV);
        s = tb_k_splat(k, s, t->m->lanes);
        for (int j = 0; j < t->m->nv; j++)
            t->acc[i * t->m->nv + j] = tb_k_fma(k, s, b[j], t->acc[i * t->m->nv + j]);
    }
}

static tb_kv
element(const tile *t, tb_kv r)
{
    return t->m->unit_step ? r : tb_k_mul(t->k, r, t->step);
}

static tb_kv
vector_of_b(const tile *t, int j)
{
    const tb_micro *m = t->m;
    return tb_k_load(t->k, m->b_mem, m->lanes, t->acc[t->n_acc], TB_NO_KV, (int64_t)j * m->lanes,
                     TB_NO_KV);
}

/* The same for rows that are fewer than the vectors: a's elements stay, b's come one by one. */
static void
add_wide_products(tile *t, tb_kv index)
{
    tb_kernel *k = t->k;
    const tb_micro *m = t->m;
    tb_kv a[FEW_ROWS];

    for (int i = 0; i < t->mr; i++)
        a[i] = tb_k_splat(k, tb_k_load(k, m->a_mem, 1, t->a[i], index, 0, TB_NO_KV), m->lanes);
    for (int j = 0; j < m->nv; j++) {
        tb_kv b = vector_of_b(t, j);
        for (int i = 0; i < t->mr; i++)
            t->acc[i * m->nv + j] = tb_k_fma(k, a[i], b, t->acc[i * m->nv + j]);
    }
}

/* One row of b. */
static void
row_step(tile *t, tb_kv r, tb_kv pitch)
{
    tb_kernel *k = t->k;
    const tb_micro *m = t->m;
    tb_kv b[WHOLE_PANEL];

    if (t->mr < m->nv && t->mr <= FEW_ROWS) {
        add_wide_products(t, element(t, r));
    } else {
        for (int j = 0; j < m->nv; j++)
            b[j] = vector_of_b(t, j);
        add_products(t, element(t, r), 0, b);
    }
    t->acc[t->n_acc] =
        tb_k_ptr_add(k, t->acc[t->n_acc], pitch, (int64_t)tb_dtype_bytes(m->b_mem));
}

/* The lower or upper halves of words of b as f32. */
static void
halves(const tile *t, bool upper, tb_kv *b)
{
    tb_kernel *k = t->k;
    tb_kv mask = tb_k_const_int(k, TB_U32, 0xffff0000), bits = tb_k_const_int(k, TB_U32, 16);

    for (int j = 0; j < t->m->nv; j++) {
        tb_kv w = tb_k_load(k, TB_U32, t->m->lanes, t->acc[t->n_acc], TB_NO_KV,
                            (int64_t)j * t->m->lanes, TB_NO_KV);
        w = upper ? tb_k_map(k, TB_P_and, w, mask, TB_NO_KV)
                  : tb_k_map(k, TB_P_shl, w, bits, TB_NO_KV);
        b[j] = tb_k_bitcast(k, w, TB_F32);
    }
}

/* Rows 2 * pair and 2 * pair + 1 of b; `last`: the latter is not there. */
static void
pair_step(tile *t, tb_kv pair, bool last)
{
    tb_kernel *k = t->k;
    const tb_micro *m = t->m;
    tb_kv b[WHOLE_PANEL], r = tb_k_mul(k, pair, tb_k_int(k, 2));

    if (m->dot && !last) {
        for (int j = 0; j < m->nv; j++)
            b[j] = tb_k_load(k, TB_U32, m->lanes, t->acc[t->n_acc], TB_NO_KV,
                             (int64_t)j * m->lanes, TB_NO_KV);
        for (int i = 0; i < t->mr; i++) {
            tb_kv s = tb_k_load(k, TB_U32, 1, t->a[i], pair, 0, TB_NO_KV);
            s = tb_k_splat(k, s, m->lanes);
            for (int j = 0; j < m->nv; j++)
                t->acc[i * m->nv + j] = tb_k_dot_bf16(k, s, b[j], t->acc[i * m->nv + j]);
        }
    } else {
        halves(t, false, b);
        add_products(t, element(t, r), 0, b);
        if (!last) {
            halves(t, true, b);
            if (m->unit_step)
                add_products(t, r, 1, b);
            else
                add_products(t, element(t, tb_k_add(k, r, tb_k_int(k, 1))), 0, b);
        }
    }
    t->acc[t->n_acc] = tb_k_ptr_add(k, t->acc[t->n_acc], tb_k_int(k, m->b_panel), 4);
}

static tb_kv
begin_loop(tile *t, tb_kv lo, tb_kv hi, int64_t step)
{
    uint32_t n = t->n_acc + (t->m->ahead ? 2 : 1);
    tb_kv i = tb_k_for(t->k, lo, hi, step, t->acc, n);
    for (uint32_t j = 0; j < n; j++)
        t->acc[j] = tb_k_carried(t->k, j);
    return i;
}

static void
end_loop(tile *t)
{
    tb_k_end_for(t->k, t->acc, t->acc);
}

/* Before ASK_ROWS rows of b, so that memory has the time of their products: as much of what
 * comes next. */
static void
ask_ahead(tile *t)
{
    tb_kernel *k = t->k;
    const tb_micro *m = t->m;
    tb_kv *next = &t->acc[t->n_acc + 1];
    int64_t bytes = (int64_t)m->ahead * ASK_ROWS;

    tb_k_prefetch_lines(k, *next, bytes, TB_SECOND_CACHE);
    *next = tb_k_ptr_add(k, *next, tb_k_int(k, bytes), 1);
}

static void
step(tile *t, tb_kv r, tb_kv pitch)
{
    if (t->m->pairs)
        pair_step(t, r, false);
    else
        row_step(t, r, pitch);
}

/* Rows [lo, hi) of b, or pairs of them. */
static void
sum_rows(tile *t, tb_kv lo, tb_kv hi, tb_kv pitch)
{
    tb_kernel *k = t->k;

    if (t->m->ahead) {
        tb_kv n = tb_k_int(k, ASK_ROWS), whole = tb_k_div(k, tb_k_sub(k, hi, lo), n);
        whole = tb_k_add(k, lo, tb_k_mul(k, whole, n));
        tb_kv r = begin_loop(t, lo, whole, ASK_ROWS);
        ask_ahead(t);
        for (int i = 0; i < ASK_ROWS; i++)
            step(t, tb_k_add(k, r, tb_k_int(k, i)), pitch);
        end_loop(t);
        if (t->m->whole)
            return;
        lo = whole;
    }
    step(t, begin_loop(t, lo, hi, 1), pitch);
    end_loop(t);
}

/* `len` elements of a's rows, which begin `first` elements from where they point. */
static void
sum_run(tile *t, tb_kv first, tb_kv len, tb_kv pitch)
{
    tb_kernel *k = t->k;
    const tb_micro *m = t->m;
    tb_kv rows[TB_MICRO_ARGS];

    if (!m->pairs) {
        sum_rows(t, first, tb_k_add(k, first, len), pitch);
        return;
    }
    memcpy(rows, t->a, sizeof rows);
    for (int i = 0; i < t->mr; i++)
        t->a[i] = tb_k_ptr_add(k, t->a[i], first, (int64_t)tb_dtype_bytes(m->a_mem));
    tb_kv pairs = tb_k_div(k, len, tb_k_int(k, 2));
    sum_rows(t, tb_k_int(k, 0), pairs, pitch);
    if (m->ragged) {
        tb_kv all = tb_k_div(k, tb_k_add(k, len, tb_k_int(k, 1)), tb_k_int(k, 2));
        pair_step(t, begin_loop(t, pairs, all, 1), true);
        end_loop(t);
    }
    memcpy(t->a, rows, sizeof rows);
}

static uint32_t
write_function(tb_kernel *k, const tb_micro *m, int mr)
{
    int nv = m->nv, w = m->lanes;
    uint16_t params[TB_MICRO_ARGS];
    uint32_t n = 0;
    tile t = {.k = k, .m = m, .mr = mr, .n_acc = (uint32_t)(mr * nv)};

    TB_CHECK(t.n_acc + 1 < TB_COUNT(t.acc) && nv <= WHOLE_PANEL && mr + 8 <= TB_MICRO_ARGS);
    TB_CHECK(!m->runs || m->unit_step);
    TB_CHECK(!m->pairs || (m->b_mem == TB_BF16 && !m->pitched && m->acc == TB_F32));
    TB_CHECK(!m->dot || (m->pairs && m->a_mem == TB_BF16 && m->unit_step));
    for (int i = 0; i < mr + 1; i++)
        params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* pitch of b in elements */
    params[n++] = TB_K_PTR | 1 << 8;
    params[n++] = TB_I64 | 1 << 8; /* len */
    params[n++] = TB_I64 | 1 << 8; /* step of a in elements */
    for (int i = 0; m->runs && i < 2; i++)
        params[n++] = TB_I64 | 1 << 8; /* runs of a, elements from one to the next */
    if (m->ahead)
        params[n++] = TB_K_PTR | 1 << 8;
    uint32_t fn = tb_k_fn_begin(k, TB_STR("micro"), params, n);
    tb_kv pitch = m->pitched ? tb_k_param(k, (uint32_t)mr + 1) : tb_k_int(k, m->b_panel);
    tb_kv out = tb_k_param(k, (uint32_t)mr + 2), len = tb_k_param(k, (uint32_t)mr + 3);
    tb_kv zero = tb_k_splat(k, tb_k_const(k, m->acc, 0), w);

    t.step = tb_k_param(k, (uint32_t)mr + 4);
    for (int i = 0; i < mr; i++)
        t.a[i] = tb_k_param(k, (uint32_t)i);
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            t.acc[i * nv + j] = m->fresh ? zero
                                         : tb_k_load(k, m->acc, w, out, TB_NO_KV,
                                                     (int64_t)i * m->panel + (int64_t)j * w,
                                                     TB_NO_KV);
    t.acc[t.n_acc] = tb_k_param(k, (uint32_t)mr);
    if (m->ahead)
        t.acc[t.n_acc + 1] = tb_k_param(k, n - 1);
    if (m->runs) {
        tb_kv run = begin_loop(&t, tb_k_int(k, 0), tb_k_param(k, (uint32_t)mr + 5), 1);
        sum_run(&t, tb_k_mul(k, run, tb_k_param(k, (uint32_t)mr + 6)), len, pitch);
        end_loop(&t);
    } else {
        sum_run(&t, tb_k_int(k, 0), len, pitch);
    }
    for (int i = 0; i < mr; i++)
        for (int j = 0; j < nv; j++)
            tb_k_store(k, m->acc, out, TB_NO_KV, (int64_t)i * m->panel + (int64_t)j * w,
                       t.acc[i * nv + j], TB_NO_KV);
    tb_k_fn_end(k);
    return fn;
}

static uint32_t
function(tb_kernel *k, const tb_micro *m, int mr)
{
    return m->cols ? tb_inner_function(k, m, mr) : write_function(k, m, mr);
}

tb_micro
tb_micro_of_tails(const tb_micro *m)
{
    tb_micro tail = *m;

    if (tb_micro_asks_next(m))
        tail.ahead = 0;
    return tail;
}

void
tb_micro_write(tb_kernel *k, tb_micro *m)
{
    tb_micro tail = tb_micro_of_tails(m);

    if (m->amx) {
        tb_amx_write(k, m);
        return;
    }
    m->fn = function(k, m, m->mr);
    for (int i = 0; i < TB_MICRO_TAILS; i++)
        if (m->tails >> i & 1)
            m->tail_fn[i] = function(k, &tail, 1 << i);
}

/* Of b; of two of them with pairs. */
static int
row_bytes(const tb_micro *m)
{
    return m->b_panel * (m->pairs ? 4 : (int)tb_dtype_bytes(m->b_mem));
}

int
tb_micro_columns(const tb_micro *m)
{
    return m->nv * (m->amx ? TB_AMX_COLUMNS : m->lanes);
}

/* Calls that multiply mr rows with a panel. */
static int
calls(const tb_micro *m)
{
    return m->width / tb_micro_columns(m);
}

/* Most of many rows ask for what is there already. */
tb_kv
tb_micro_ask_from(tb_kernel *k, const tb_micro *m, const tb_micro_operands *o, int part)
{
    if (m->along)
        return tb_k_ptr_add(k, o->b, tb_k_int(k, ALONG), 1);
    tb_kv steps = m->pairs ? tb_k_div(k, o->len, tb_k_int(k, 2)) : o->len;
    tb_kv every = tb_k_int(k, m->every), done, no, mine, at;

    if (m->runs)
        steps = tb_k_mul(k, steps, o->runs);
    done = tb_k_div(k, o->before, tb_k_int(k, m->mr));
    no = tb_k_div(k, done, every);
    mine = tb_k_map(k, TB_P_eq, done, tb_k_mul(k, no, every), TB_NO_KV);
    mine = tb_k_map(k, TB_P_and, mine, tb_k_lt(k, no, tb_k_int(k, m->asking)), TB_NO_KV);
    at = tb_k_add(k, tb_k_mul(k, no, tb_k_int(k, calls(m))), tb_k_int(k, part));
    at = tb_k_mul(k, tb_k_mul(k, at, steps), tb_k_int(k, m->ahead));
    return tb_k_ptr_add(k, o->next, tb_k_map(k, TB_P_where, mine, at, o->idle), 1);
}

/* Rows first .. first + mr. */
static void
call(tb_kernel *k, const tb_micro *m, uint32_t fn, int mr, tb_kv first, const tb_micro_operands *o)
{
    tb_kv args[TB_MICRO_ARGS];
    int64_t b_bytes = m->pairs ? 4 : (int64_t)tb_dtype_bytes(m->b_mem);
    int64_t c_bytes = (int64_t)tb_dtype_bytes(m->acc);
    tb_kv c = tb_k_ptr_add(k, o->c, tb_k_mul(k, first, tb_k_int(k, m->panel)), c_bytes);

    for (int i = 0; i < mr; i++)
        args[i] = o->row(o->user, tb_k_add(k, first, tb_k_int(k, i)));
    if (m->cols) {
        memcpy(args + mr, o->cols, sizeof *args * (size_t)m->cols);
        args[mr + m->cols] = c;
        args[mr + m->cols + 1] = o->len;
        tb_k_call(k, fn, args, (uint32_t)(mr + m->cols) + 2);
        return;
    }
    for (int j = 0; j < m->width; j += tb_micro_columns(m)) {
        tb_kv jj = tb_k_int(k, j);
        args[mr] = tb_k_ptr_add(k, o->b, jj, b_bytes);
        args[mr + 1] = o->pitch;
        args[mr + 2] = tb_k_ptr_add(k, c, jj, c_bytes);
        args[mr + 3] = o->len;
        args[mr + 4] = o->step;
        args[mr + 5] = o->runs;
        args[mr + 6] = o->distance;
        uint32_t n = (uint32_t)mr + (m->runs ? 7 : 5);
        if (m->ahead)
            args[n++] = tb_micro_ask_from(k, m, o, j / tb_micro_columns(m));
        tb_k_call(k, fn, args, n);
    }
}

void
tb_micro_call(tb_kernel *k, const tb_micro *m, tb_kv n, const tb_micro_operands *o)
{
    tb_kv zero = tb_k_int(k, 0);
    tb_micro tail = tb_micro_of_tails(m);

    if (m->amx) {
        tb_amx_call(k, m, n, o);
        return;
    }
    if (!m->tails) {
        call(k, m, m->fn, m->mr, zero, o);
        return;
    }
    tb_k_if(k, tb_k_map(k, TB_P_eq, n, tb_k_int(k, m->mr), TB_NO_KV));
    call(k, m, m->fn, m->mr, zero, o);
    tb_k_else(k);
    for (int i = TB_MICRO_TAILS - 1; i >= 0; i--) {
        if (!(m->tails >> i & 1))
            continue;
        tb_kv bit = tb_k_int(k, 1 << i), above = tb_k_int(k, -(2 << i));
        tb_k_if(k, tb_k_lt(k, zero, tb_k_map(k, TB_P_and, n, bit, TB_NO_KV)));
        call(k, &tail, m->tail_fn[i], 1 << i, tb_k_map(k, TB_P_and, n, above, TB_NO_KV), o);
        tb_k_end_if(k);
    }
    tb_k_end_if(k);
}

void
tb_micro_look_ahead(tb_micro *m, int64_t rows, tb_dim run)
{
    int64_t tiles = m->amx && rows < m->mr ? 1 : rows / m->mr, parts = tiles * calls(m);
    int bytes = row_bytes(m);

    m->ahead = 0;
    m->whole = tb_dim_is_multiple(run, m->pairs ? 2 * ASK_ROWS : ASK_ROWS);
    m->along = parts < 2; /* no time for a whole panel */
    if (m->lanes == 1)
        return;
    if (m->along) {
        if (calls(m) == 1 && rows >= ALONG_ROWS) /* with fewer the processor is ahead */
            m->ahead = bytes;
        return;
    }
    /* a whole line at a time and each once: what was asked for before costs time, too */
    for (m->ahead = LINE / ASK_ROWS; m->ahead < bytes && m->ahead * parts < bytes;)
        m->ahead *= 2;
    m->asking = (bytes + m->ahead * calls(m) - 1) / (m->ahead * calls(m));
    m->every = (int)(tiles / m->asking);
}

/* ---- the shape of the tile ---- */

enum { UNIT = 16 }; /* columns: panels are so many, or two, three or four times as many */

int
tb_micro_panel(tb_dim cols, tb_dim rows, int *last)
{
    /* time of a panel of 1 to 4 units; narrow ones need more loads for each product. And of such
     * parts of a wider one, whose register tiles have fewer rows */
    static const double whole[] = {0, 1.2, 2.08, 3.03, 4}, part[] = {0, 1.3, 2.1, 3.1};
    const double worth = 0.96; /* another micro-kernel */
    bool parts = last && (!rows || rows > ONCE_ROWS);
    int best = TB_MAX_PANEL, used = TB_MAX_PANEL;
    double least = 1e300;

    for (int units = tb_dim_is_const(cols) ? 4 : 0; units > 0; units--) {
        int64_t panels = cols / (units * UNIT), rest = cols % (units * UNIT);
        int left = (int)((rest + UNIT - 1) / UNIT);
        /* a second time over the panel is time in which memory rests */
        if (rows > WIDE_ROWS && rows <= ONCE_ROWS && units > 3)
            continue;
        double cost = (double)(panels + (rest > 0)) * whole[units];
        if (cost < least) {
            least = cost;
            best = used = units * UNIT;
        }
        if (!parts || !panels || !left || left == units)
            continue;
        cost = (double)panels * whole[units] + part[left];
        if (cost < least * worth) {
            least = cost;
            best = units * UNIT;
            used = left * UNIT;
        }
    }
    if (last)
        *last = used;
    return best;
}

tb_micro
tb_micro_part(const tb_micro *m, int width, int b_panel)
{
    tb_micro part = *m;

    part.width = width;
    part.b_panel = b_panel;
    while (part.nv > 1 && width % tb_micro_columns(&part) != 0)
        part.nv--;
    part.ahead = 0;
    return part;
}

/* Rows of the register tile that leave it without spills: mr * nv accumulators, nv vectors
 * of b, one of a; and as many pointers as there are rows. With more vectors than rows, one of b
 * and one of a for each row. */
static int
most_rows(const tb_target *t, int nv)
{
    static const int wide[] = {0, 12, 12, 8, 6}, narrow[] = {0, 8, 6, 4, 3};

    if (t->lanes == 1)
        return 2;
    return nv > 4 ? 1 : (t->vregs >= 32 ? wide : narrow)[nv];
}

/* Vectors of the register tile. Few rows leave registers for more of them: a panel that comes from
 * memory is gone over once then. */
static int
most_vectors(const tb_micro *m, const tb_target *t, tb_dim rows)
{
    int nv = t->lanes == 1 || t->vregs >= 32 ? 4 : 2;

    if (t->lanes == 1 || m->cols || m->pairs || !tb_dim_is_const(rows) || rows > FEW_ROWS)
        return nv;
    return rows == 1 ? WHOLE_PANEL : 4;
}

/* Time of n rows in tiles of mr: a tile costs a little more than its rows, and as much as `least`
 * of them if it has fewer. */
static double
rows_cost(int64_t n, int mr, int least)
{
    double cost = (double)(n / mr) * ((mr < least ? least : mr) + 0.8);

    for (int64_t rest = n % mr; rest; rest &= rest - 1) {
        int64_t piece = rest & -rest;
        cost += (double)(piece < least ? least : piece) + 0.8;
    }
    return cost;
}

uint32_t
tb_micro_rests(int mr, int64_t rows, int64_t block, int64_t most)
{
    int64_t last = rows % block;
    uint32_t rests = 0;

    for (int64_t n = 0; n < most && n + last <= rows; n += block) /* blocks, and the last one */
        rests |= (uint32_t)(n + block <= rows ? (n + block) % mr : 0) | (uint32_t)((n + last) % mr);
    return rests;
}

void
tb_micro_shape(tb_micro *m, const tb_target *t, tb_dim rows, int64_t block, int64_t most)
{
    int mr;

    if (m->amx) {
        tb_amx_shape(m, t, rows, block, most);
        return;
    }
    m->b_panel = m->panel;
    m->lanes = t->lanes;
    if (m->acc == TB_F64 && m->lanes > 1)
        m->lanes /= 2;
    m->width = m->used ? TB_ALIGN_UP(m->used, m->lanes) : m->panel;
    m->nv = most_vectors(m, t, rows);
    if (m->nv == 2 && m->width % (2 * m->lanes) != 0 && m->width % (3 * m->lanes) == 0)
        m->nv = 3;
    /* what widening b costs is shared by more rows */
    if (m->pairs && !m->dot && m->nv > 2 && m->width % (2 * m->lanes) == 0)
        m->nv = 2;
    while (m->nv > 1 && m->width % (m->nv * m->lanes) != 0)
        m->nv--;
    if (m->cols)
        mr = t->lanes == 1 ? 2 : t->vregs >= 32 ? 6 : 3;
    else
        mr = most_rows(t, m->nv);
    m->mr = mr;
    m->tails = 0;
    if (!tb_dim_is_const(rows) || block == 0) {
        for (int i = 0; i < TB_MICRO_TAILS && 1 << i < m->mr; i++)
            m->tails |= 1u << i;
        return;
    }
    /* sums wait for each other where they are few; wide tiles have enough in two rows */
    int least = t->vregs >= 32 || m->cols ? 1 : CHAINS / m->nv;
    if (rows < mr)
        m->mr = mr = (int)rows;
    while (--mr >= 1)
        if (rows_cost(rows, mr, least) < rows_cost(rows, m->mr, least) - 1e-9)
            m->mr = mr;
    m->tails = tb_micro_rests(m->mr, rows, block, most);
    if (m->cols && m->mr == 1 && t->vregs >= 16)
        m->cols = 2 * TB_INNER_COLS; /* few chains of sums would wait for each other */
}
