/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * depthwise.c -- channels-last convolutions of each channel by itself, with what follows.
 *
 *   y[n, o, c] = bias[c] + sum over k of x[n, o * stride - pad + k * dilation, c] * w[c, k]
 *
 * Lanes run along the channels. A block is PX neighbouring outputs of the last spatial axis:
 * their sums stay in registers while the kernel's other axes are looped over; in one row of
 * the kernel each input is loaded once for all the outputs that need it. Padding costs no
 * copy: loops over the kernel's outer axes leave out what lies outside, and blocks at the
 * ends of a row are written out without the products that have nothing to multiply, which
 * is why the length of a row must be constant. A block that would go past the end begins
 * early enough to end there, and so does the last vector of channels; what is computed twice
 * is the same both times.
 */
#include "kernel/contract.h"
#include "kernel/nest.h"
#include "kernel/rows.h"
#include "pass/pass.h"

enum { MAX_PX = 14, MAX_DIRECT = 8 };

typedef struct depthwise {
    tb_lower *l;
    tb_kernel *k;
    const tb_graph *g;
    tb_val anchor, x;
    int ns, rank;
    const int64_t *stride, *lo, *hi, *dil;
    tb_dtype mem, acc;
    int64_t channels, taps, kw;        /* kw: of the last axis */
    int64_t in_w, out_w;
    uint32_t at[TB_MAX_RANK];          /* output variables, by axis */
    tb_dim x_stride[TB_MAX_RANK];
    const tb_ix *root_at;
    int w, px;
    bool direct;                       /* the epilogue is short enough to write out */
    uint32_t temp;                     /* weights that are no constant: as packed, in a temporary */
    int64_t pitch;                     /* of packed weights, [taps][pitch] */
    tb_kv x_ptr, w_ptr, scratch;
    tb_kv in0[TB_MAX_RANK];            /* input position of tap 0, outer axes */
    tb_kv tap_lo[TB_MAX_RANK], tap_hi[TB_MAX_RANK];
    tb_kv batch_off;
} depthwise;

static tb_kv
dimv(const depthwise *d, tb_dim x)
{
    return tb_k_dim(d->k, d->l->u, x);
}

static int64_t
kernel_size(const depthwise *d, int axis)
{
    return tb_dims(d->g, tb_in(d->g, d->anchor, 1))[1 + axis];
}

static void
set_up(depthwise *d)
{
    tb_lower *l = d->l;
    const int64_t *attr = tb_attrs(d->g, d->anchor);
    tb_ix at[TB_MAX_RANK + 1] = {{0}}, next[TB_MAX_RANK + 1] = {{0}};
    const tb_dim *yd = tb_dims(d->g, d->anchor), *xd = tb_dims(d->g, d->x);
    tb_val root = l->group->root;

    d->stride = attr + 2;
    d->lo = d->stride + d->ns;
    d->hi = d->lo + d->ns;
    d->dil = d->hi + d->ns;
    d->acc = d->mem == TB_F64 ? TB_F64 : TB_F32;
    d->in_w = xd[d->ns];
    d->out_w = yd[d->ns];
    d->kw = kernel_size(d, d->ns - 1);
    d->x_stride[d->rank - 1] = 1;
    for (int i = d->rank - 2; i >= 0; i--)
        d->x_stride[i] = tb_dim_mul(l->u, d->x_stride[i + 1], xd[i + 1]);
    for (int i = 0; i < d->rank; i++) {
        d->at[i] = tb_ix_loop(&l->ix, yd[i]);
        at[i] = yd[i] == 1 ? tb_ix_const(0) : tb_ix_var(d->at[i]);
    }
    for (uint32_t i = 0; i < l->group->path.n; i++) {
        tb_ix_back(&l->ix, d->g, l->group->path.at[i], at, next);
        memcpy(at, next, sizeof at);
    }
    d->root_at = tb_dup(&l->u->cx->keep, at, sizeof at);
    tb_ix flat = tb_ix_flat(&l->ix, at, tb_rank(d->g, root), tb_dims(d->g, root));
    tb_nest_survey s = tb_nest_look_begin(l, &flat);
    tb_nest_look(&s, root, d->root_at);
    d->direct = s.ops <= MAX_DIRECT;
}

/* The registers: sums of a block, weights of a row of the kernel, an input. */
static void
choose_block(depthwise *d)
{
    const tb_target *t = d->l->target;
    int weights = d->kw < t->vregs / 2 ? (int)d->kw : t->vregs / 2;
    int most = t->vregs - weights - 2;

    d->w = tb_lanes_of(d->l, d->mem);
    if (d->channels < d->w && !t->masks)
        d->w = 1;
    if (most > MAX_PX)
        most = MAX_PX;
    if (most < 4)
        most = 4;
    int64_t blocks = (d->out_w + most - 1) / most;
    d->px = (int)((d->out_w + blocks - 1) / blocks);
}

/* Stored [channel][tap]; what is on the way to it moves axes of size 1. */
static tb_val
weights(const depthwise *d)
{
    tb_val w = tb_in(d->g, d->anchor, 1);
    while (!tb_storage(d->l->gs, w).id)
        w = tb_in(d->g, w, 0);
    return tb_storage(d->l->gs, w);
}

static bool
are_constant(const depthwise *d)
{
    return tb_node_of(d->g, weights(d))->prim == TB_P_const;
}

/* The kernel that packs weights, which lie [channel][tap], where that cannot be done now. */
static void
pack_before(depthwise *d)
{
    tb_lower *l = d->l;

    tb_lower_begin(l, "depthwise");
    d->pitch = TB_ALIGN_UP(d->channels, TB_MAX_PANEL);
    d->temp = tb_lower_temp(l, 0, d->taps * d->pitch * (int64_t)tb_dtype_bytes(d->mem));
    tb_repack p = {.l = l,
                   .store = weights(d),
                   .r = tb_ix_loop(&l->ix, d->taps),
                   .n = tb_ix_loop(&l->ix, d->channels),
                   .R = d->taps,
                   .N = d->channels,
                   .step_r = 1,
                   .step_n = d->taps,
                   .mem = d->mem,
                   .temp = d->temp,
                   .panel = d->pitch,
                   .batches = 1};
    p.row = tb_ix_var(p.r);
    p.flat = tb_ix_add(&l->ix, p.row, tb_ix_scale(&l->ix, tb_ix_var(p.n), d->taps));
    tb_repack_kernel(&p);
    tb_lower_end(l);
}

static void
bind_operands(depthwise *d)
{
    tb_lower *l = d->l;

    d->x_ptr = tb_bind_node(l, tb_storage(l->gs, d->x), false);
    if (are_constant(d)) {
        tb_pack_request q = {.R = d->taps,
                             .N = d->channels,
                             .step_r = 1,
                             .step_n = d->taps,
                             .groups = 1,
                             .panel = d->channels,
                             .last = d->channels};
        d->pitch = d->channels;
        d->w_ptr = tb_bind_packed(
            l, tb_pack_const(l, (uint32_t)tb_attrs(d->g, weights(d))[0], &q));
    } else {
        d->w_ptr = tb_bind_temp(l, d->temp, false);
    }
    tb_bind_node(l, l->group->root, true);
}

/* Which taps of the outer axes see the input, for the row that is bound. */
static void
find_taps(depthwise *d)
{
    tb_kernel *k = d->k;
    tb_kv zero = tb_k_int(k, 0);

    d->batch_off = tb_k_mul(k, d->l->env.at[d->at[0]].value, dimv(d, d->x_stride[0]));
    for (int i = 0; i + 1 < d->ns; i++) {
        tb_kv o = d->l->env.at[d->at[1 + i]].value, size = tb_k_int(k, kernel_size(d, i));
        tb_kv dil = tb_k_int(k, d->dil[i]), round = tb_k_int(k, d->dil[i] - 1);
        tb_kv in0 = tb_k_sub(k, tb_k_mul(k, o, tb_k_int(k, d->stride[i])),
                             tb_k_int(k, d->lo[i]));
        tb_kv left = tb_k_sub(k, dimv(d, tb_dims(d->g, d->x)[1 + i]), in0);
        d->in0[i] = in0;
        d->tap_lo[i] = zero;
        d->tap_hi[i] = size;
        if (d->lo[i] > 0)
            d->tap_lo[i] = tb_k_div(
                k, tb_k_add(k, tb_k_max(k, tb_k_sub(k, zero, in0), zero), round), dil);
        if (d->hi[i] > 0 || d->lo[i] > 0)
            d->tap_hi[i] = tb_k_min(
                k, size, tb_k_div(k, tb_k_add(k, tb_k_max(k, left, zero), round), dil));
    }
}

/* A block being written: outputs x0 .. x0 + px of channels from c on. */
typedef struct block {
    tb_kv x0, c;
    int64_t fixed; /* x0 where it is constant, or -1: every input is inside */
} block;

static tb_kv
weight(const depthwise *d, tb_kv tap, tb_kv c)
{
    tb_lower *l = d->l;
    tb_kernel *k = d->k;
    tb_kv at = tb_k_add(k, tb_k_mul(k, tap, tb_k_int(k, d->pitch)), c);

    return tb_k_splat(k, tb_k_load_pure(k, d->mem, l->lanes, d->w_ptr, at, 0, l->mask), l->lanes);
}

/* One row of the kernel: adds its products to the sums. `row` is where the input's row
 * lies, tap the number of the row's first tap. */
static void
kernel_row(const depthwise *d, const block *b, tb_kv row, tb_kv tap, tb_kv *acc)
{
    tb_lower *l = d->l;
    tb_kernel *k = d->k;
    int64_t s = d->stride[d->ns - 1], dil = d->dil[d->ns - 1], pad = d->lo[d->ns - 1];
    int64_t span = (d->px - 1) * s + (d->kw - 1) * dil + 1;
    tb_kv weights[TB_DEPTHWISE_MAX_KW];
    tb_kv x0 = tb_k_sub(k, tb_k_mul(k, b->x0, tb_k_int(k, s)), tb_k_int(k, pad));
    tb_kv at = tb_k_add(k, row, tb_k_add(k, tb_k_mul(k, x0, tb_k_int(k, d->channels)), b->c));

    for (int64_t j = 0; j < d->kw; j++)
        weights[j] = weight(d, tb_k_add(k, tap, tb_k_int(k, j)), b->c);
    for (int64_t i = 0; i < span; i++) { /* inputs, by distance from tap 0 of output 0 */
        int64_t in = b->fixed * s - pad + i;
        tb_kv v = TB_NO_KV;
        if (b->fixed >= 0 && (in < 0 || in >= d->in_w))
            continue;
        for (int64_t j = 0; j < d->kw; j++) {
            int64_t p = i - j * dil;
            if (p < 0 || p % s != 0 || p / s >= d->px)
                continue;
            if (!v.id)
                v = tb_k_load(k, d->mem, l->lanes, d->x_ptr, at, i * d->channels, l->mask);
            acc[p / s] = tb_k_fma(k, v, weights[j], acc[p / s]);
        }
    }
}

/* Loops over the outer axes of the kernel from `axis` on. */
static void
kernel_axes(const depthwise *d, const block *b, int axis, tb_kv row, tb_kv tap, tb_kv *acc)
{
    tb_kernel *k = d->k;

    if (axis + 1 == d->ns) {
        kernel_row(d, b, row, tb_k_mul(k, tap, tb_k_int(k, d->kw)), acc);
        return;
    }
    tb_kv i = tb_k_for(k, d->tap_lo[axis], d->tap_hi[axis], 1, acc, (uint32_t)d->px);
    for (int p = 0; p < d->px; p++)
        acc[p] = tb_k_carried(k, (uint32_t)p);
    tb_kv in = tb_k_add(k, d->in0[axis], tb_k_mul(k, i, tb_k_int(k, d->dil[axis])));
    kernel_axes(d, b, axis + 1,
                tb_k_add(k, row, tb_k_mul(k, in, dimv(d, d->x_stride[1 + axis]))),
                tb_k_add(k, tb_k_mul(k, tap, tb_k_int(k, kernel_size(d, axis))), i), acc);
    tb_k_end_for(k, acc, acc);
}

static void
store_root(const depthwise *d, tb_kv x, tb_kv sum)
{
    tb_lower *l = d->l;
    tb_val root = l->group->root;

    tb_bind_var(l, d->at[d->ns], x, 0);
    l->known.n = 0;
    TB_PUSH(&l->u->cx->keep, &l->known, ((tb_known){.node = d->anchor, .value = sum}));
    tb_ix flat = tb_ix_flat(&l->ix, d->root_at, tb_rank(d->g, root), tb_dims(d->g, root));
    tb_put(l, root, &flat, tb_pull(l, root, d->root_at));
    l->known.n = 0;
}

static void
write_block(const depthwise *d, const block *b)
{
    tb_lower *l = d->l;
    tb_kernel *k = d->k;
    tb_kv acc[MAX_PX], start = tb_k_const(k, d->acc, 0);
    tb_ix channel = tb_ix_var(d->at[d->rank - 1]);

    tb_bind_var(l, d->at[d->rank - 1], b->c, l->lanes > 1);
    if (tb_node_of(d->g, d->anchor)->n_in == 3)
        start = tb_pull(l, tb_in(d->g, d->anchor, 2), &channel);
    for (int p = 0; p < d->px; p++)
        acc[p] = tb_k_splat(k, start, l->lanes);
    kernel_axes(d, b, 0, d->batch_off, tb_k_int(k, 0), acc);
    if (d->direct) {
        for (int p = 0; p < d->px; p++)
            store_root(d, tb_k_add(k, b->x0, tb_k_int(k, p)), acc[p]);
        return;
    }
    for (int p = 0; p < d->px; p++)
        tb_k_store(k, d->acc, d->scratch, TB_NO_KV, (int64_t)p * l->lanes, acc[p], TB_NO_KV);
    tb_kv p = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, d->px), 1, NULL, 0);
    tb_kv at = tb_k_mul(k, p, tb_k_int(k, l->lanes));
    store_root(d, tb_k_add(k, b->x0, p),
               tb_k_load(k, d->acc, l->lanes, d->scratch, at, 0, TB_NO_KV));
    tb_k_end_for(k, NULL, NULL);
}

/* A block for all channels. */
static void
all_channels(const depthwise *d, tb_kv x0, int64_t fixed)
{
    tb_lower *l = d->l;
    tb_kernel *k = d->k;
    block b = {.x0 = x0, .fixed = fixed};

    b.c = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, d->channels), d->w, NULL, 0);
    l->lanes = d->w;
    if (d->channels < d->w)
        l->mask = tb_k_lt(k, tb_k_lane_ids(k, TB_I64, d->w),
                          tb_k_splat(k, tb_k_int(k, d->channels), d->w));
    else if (d->channels % d->w != 0)
        b.c = tb_k_min(k, b.c, tb_k_int(k, d->channels - d->w));
    write_block(d, &b);
    l->mask = TB_NO_KV;
    l->lanes = 1;
    tb_k_end_for(k, NULL, NULL);
}

/* Does the block from x on need nothing from outside the input? */
static bool
is_inside(const depthwise *d, int64_t x)
{
    int64_t s = d->stride[d->ns - 1], pad = d->lo[d->ns - 1];
    int64_t last = (x + d->px - 1) * s - pad + (d->kw - 1) * d->dil[d->ns - 1];

    return x * s >= pad && last < d->in_w;
}

/* A row of outputs: blocks inside in a loop, those at the ends one by one. */
static void
write_row(const depthwise *d)
{
    tb_kernel *k = d->k;
    int64_t x = 0, end;

    while (x < d->out_w) {
        for (end = x; end + d->px <= d->out_w && is_inside(d, end);)
            end += d->px;
        if (end > x) {
            tb_kv at = tb_k_for(k, tb_k_int(k, x), tb_k_int(k, end), d->px, NULL, 0);
            all_channels(d, at, -1);
            tb_k_end_for(k, NULL, NULL);
            x = end;
            continue;
        }
        int64_t from = x + d->px <= d->out_w ? x : d->out_w - d->px;
        all_channels(d, tb_k_int(k, from), from);
        x = from + d->px;
    }
}

void
tb_lower_depthwise(tb_lower *l)
{
    depthwise d = {.l = l, .g = l->g, .anchor = l->group->anchor, .taps = 1};

    d.x = tb_in(l->g, d.anchor, 0);
    d.ns = (int)tb_attrs(d.g, d.anchor)[0];
    d.rank = d.ns + 2;
    d.mem = tb_dtype_of(d.g, d.x);
    d.channels = tb_dims(d.g, d.x)[d.rank - 1];
    for (int i = 0; i < d.ns; i++)
        d.taps *= kernel_size(&d, i);
    if (!are_constant(&d))
        pack_before(&d);
    tb_lower_begin(l, "depthwise");
    d.k = l->k;
    set_up(&d);
    choose_block(&d);
    bind_operands(&d);
    l->lane_align = 1;
    if (!d.direct)
        d.scratch = tb_k_scratch(d.k, (int64_t)d.px * d.w * (int64_t)tb_dtype_bytes(d.acc));
    double flops = 2.0 * (double)(d.out_w * d.channels * d.taps);
    tb_rows_open(l, d.at, (uint32_t)d.rank - 2, flops / 60);
    find_taps(&d);
    write_row(&d);
    tb_rows_close(l);
    tb_lower_end(l);
}
