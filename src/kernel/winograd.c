/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * winograd.c -- 3x3 convolutions of stride 1 with 16 products where 36 are asked for.
 *
 *   Y = A' [ (G g G') . (B' d B) ] A        for 2x2 outputs Y, 4x4 inputs d, a 3x3 kernel g
 *
 * (Winograd's F(2x2, 3x3); Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2016.) G g G' is computed at compile time, or by a kernel before if weights are
 * inputs. The entries of B' are 0, 1 and -1, so that the error stays that of a direct convolution.
 *
 * A tile is some rows of 2x2 outputs of one image and some panels of output channels. All
 * inputs of the rows are transformed; then for each panel there are 16 matrix products, whose
 * results are transformed back into a block of pixels, which the epilogue stores as it does
 * for every product. Where the number of rows or columns is odd the last 2x2 begins one
 * earlier.
 */
#include "kernel/contract.h"

enum {
    XI = 16,             /* matrix products */
    MAX_TILES = 56,      /* 2x2 outputs of a tile */
    V_BYTES = 512 << 10, /* of transformed inputs: about half of L2 */
    LEAST_CHANNELS = 32,
    LEAST_PIXELS = 128,  /* that share a transform of weights while the program runs */
    SHARE = 64,          /* channels that one tile of that transforms */
    CHANNELS = 16,       /* a transform of weights at once; divides their number */
    ENOUGH_TILES = 8     /* to share out */
};

typedef struct winograd {
    tb_contract *c;
    tb_lower *l;
    tb_kernel *k;
    int64_t ic, oc, oh, ow, ty, tx;
    int64_t rows, blocks;  /* rows of 2x2 outputs in a tile; tiles of an image */
    int64_t panels, parts; /* panels of output channels; tiles that share them */
    int w;
    tb_kv x, u, v, m, y;   /* pointers; u: weights, v: inputs, m: products, y: pixels */
} winograd;

bool
tb_is_winograd(const tb_contract *c)
{
    const tb_graph *g = c->g;
    if (!c->conv || tb_attrs(g, c->anchor)[0] != 2)
        return false;
    const int64_t *a = tb_attrs(g, c->anchor);
    const tb_dim *xd = tb_dims(g, c->a), *wd = tb_dims(g, c->b), *yd = tb_dims(g, c->anchor);
    bool plain = a[1] == 1 && a[2] == 1 && a[3] == 1 && a[8] == 1 && a[9] == 1 &&
                 wd[1] == 3 && wd[2] == 3;
    return plain && c->a_mem == TB_F32 && c->b_mem == TB_F32 &&
           (tb_contract_is_weight(c) || tb_dim_hint(c->l->u, c->M) >= LEAST_PIXELS) &&
           tb_dim_is_const(xd[1]) && tb_dim_is_const(xd[2]) && tb_dim_is_const(wd[0]) &&
           tb_dim_is_const(wd[3]) && wd[0] % 16 == 0 && wd[3] % CHANNELS == 0 &&
           wd[0] >= LEAST_CHANNELS && wd[3] >= LEAST_CHANNELS &&
           wd[3] <= V_BYTES / (XI * 4 * 8) && yd[1] >= 4 && yd[2] >= 4 &&
           yd[2] <= 2 * MAX_TILES;
}

/* ---- weights ---- */

/* g, with `step` between its entries, to G g G', of CHANNELS channels side by side. */
static void
transform_kernels(const float *g, int64_t step, float *u, int64_t u_step)
{
    double t[4][3][CHANNELS];
    for (int j = 0; j < 3; j++)
        for (int c = 0; c < CHANNELS; c++) {
            double a = g[j * step + c], b = g[(3 + j) * step + c], d = g[(6 + j) * step + c];
            t[0][j][c] = a;
            t[1][j][c] = (a + b + d) / 2;
            t[2][j][c] = (a - b + d) / 2;
            t[3][j][c] = d;
        }
    for (int i = 0; i < 4; i++, u += 4 * u_step)
        for (int c = 0; c < CHANNELS; c++) {
            double a = t[i][0][c], b = t[i][1][c], d = t[i][2][c];
            u[c] = (float)a;
            u[u_step + c] = (float)((a + b + d) / 2);
            u[2 * u_step + c] = (float)((a - b + d) / 2);
            u[3 * u_step + c] = (float)d;
        }
}

/* The weights [16][O][C], made when they are packed. */
typedef struct transformed {
    tb_recipe recipe;
    const float *weights; /* [O][3][3][C] */
    int64_t oc, ic;
} transformed;

static bool
make_transformed(const tb_recipe *r, void *to)
{
    const transformed *t = (const transformed *)(const void *)r;
    float *u = to;

    for (int64_t o = 0; o < t->oc; o++)
        for (int64_t i = 0; i < t->ic; i += CHANNELS)
            transform_kernels(t->weights + o * 9 * t->ic + i, t->ic, u + o * t->ic + i,
                              t->oc * t->ic);
    return true;
}

/* The same weights give the same constant. */
static uint32_t
transformed_weights(winograd *s, uint32_t source)
{
    tb_lower *l = s->l;
    tb_arena *a = &l->u->cx->keep;
    tb_packs *packs = l->out->packs;
    tb_pack want = {source, {-1}, 0}; /* no request for packing begins before its constant */

    for (uint32_t i = 0; i < packs->n; i++)
        if (packs->at[i].source == source &&
            memcmp(packs->at[i].key, want.key, sizeof want.key) == 0)
            return packs->at[i].packed;
    tb_const from = l->u->consts.at[source];
    transformed *t = TB_NEW(a, transformed);
    *t = (transformed){{make_transformed}, from.bytes, s->oc, s->ic};
    tb_const c = {.name = tb_sprintf(a, "%.*s.winograd", TB_FMT(from.name)),
                  .dtype = TB_F32,
                  .rank = 3,
                  .dims = {XI, s->oc, s->ic},
                  .recipe = &t->recipe,
                  .n_bytes = (size_t)(XI * s->oc * s->ic) * sizeof(float)};
    want.packed = tb_unit_const(l->u, c);
    TB_PUSH(a, packs, want);
    return want.packed;
}

/* ---- weights that are inputs ---- */

/* G applied to three values. */
static void
transform_weight(tb_kernel *k, const tb_kv *g, int step, tb_kv *out, int out_step)
{
    tb_kv half = tb_k_const(k, TB_F32, 0.5);
    tb_kv outer = tb_k_map(k, TB_P_add, g[0], g[2 * step], TB_NO_KV);
    tb_kv inner = tb_k_map(k, TB_P_mul, g[step], half, TB_NO_KV);

    outer = tb_k_map(k, TB_P_mul, outer, half, TB_NO_KV);
    out[0] = g[0];
    out[out_step] = tb_k_map(k, TB_P_add, outer, inner, TB_NO_KV);
    out[2 * out_step] = tb_k_map(k, TB_P_sub, outer, inner, TB_NO_KV);
    out[3 * out_step] = g[2 * step];
}

/* G g G' of n channels of a panel: from g[3x3][pitch][column] to u[xi][...][column], where each xi
 * is `apart` elements behind the one before. */
static void
transform_panel(tb_contract *c, tb_kv from, int64_t pitch, tb_kv to, int64_t apart, tb_kv n)
{
    tb_kernel *k = c->k;
    int w = c->l->target->lanes;
    tb_kv g[9], t[12], o[XI];
    tb_kv i = tb_k_for(k, tb_k_int(k, 0), n, 1, NULL, 0);
    tb_kv j = tb_k_for(k, tb_k_int(k, 0), tb_k_int(k, c->panel), w, NULL, 0);
    tb_kv at = tb_k_add(k, tb_k_mul(k, i, tb_k_int(k, c->panel)), j);

    for (int e = 0; e < 9; e++)
        g[e] = tb_k_load(k, TB_F32, w, from, at, e * pitch * c->panel, TB_NO_KV);
    for (int x = 0; x < 3; x++) /* down the columns: t[4][3] */
        transform_weight(k, g + x, 3, t + x, 3);
    for (int y = 0; y < 4; y++)
        transform_weight(k, t + 3 * y, 1, o + 4 * y, 1);
    for (int e = 0; e < XI; e++)
        tb_k_store(k, TB_F32, to, at, e * apart, o[e], TB_NO_KV);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* A tile is some channels of a panel, or all of them where they do not lie one after the other:
 * packed to scratch as every operand is, then transformed to [16][panel][channel][column]. */
void
tb_winograd_weights(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_kernel *k = c->k = l->k;
    const tb_dim *wd = tb_dims(c->g, c->b);
    int64_t ic = wd[3], panels = (wd[0] + c->panel - 1) / c->panel;
    int64_t share = c->b_by_channel && ic > SHARE ? SHARE : ic, shares = (ic + share - 1) / share;
    int64_t apart = panels * ic * c->panel;

    c->temp = tb_lower_temp(l, 0, XI * apart * (int64_t)sizeof(float));
    tb_kv to = tb_bind_temp(l, c->temp, true);
    tb_bind_node(l, c->b_store, false);
    tb_kv packed = tb_k_scratch(k, 9 * ic * c->panel * (int64_t)sizeof(float));
    tb_repack p = tb_contract_repack(c);
    l->step->tiles = panels * shares;
    l->step->tile_cost_ns = (uint64_t)(share * c->panel * 3);

    tb_kv no = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv panel = tb_k_div(k, no, tb_k_int(k, shares));
    tb_kv c0 = tb_k_mul(k, tb_k_mod(k, no, tb_k_int(k, shares)), tb_k_int(k, share));
    tb_kv n = tb_k_min(k, tb_k_sub(k, tb_k_int(k, ic), c0), tb_k_int(k, share));
    tb_kv r0 = tb_k_mul(k, c0, tb_k_int(k, 9)), row = tb_k_int(k, c->panel);

    tb_repack_panel(&p, packed, tb_k_int(k, 0), tb_k_mul(k, panel, row), r0,
                    tb_k_add(k, r0, tb_k_mul(k, n, tb_k_int(k, 9))));
    tb_kv at = tb_k_add(k, tb_k_mul(k, panel, tb_k_int(k, ic)), c0);
    transform_panel(c, tb_k_ptr_add(k, packed, tb_k_mul(k, c0, row), sizeof(float)), ic,
                    tb_k_ptr_add(k, to, tb_k_mul(k, at, row), sizeof(float)), apart, n);
    tb_k_end_for(k, NULL, NULL);
}

/* ---- the kernel ---- */
static tb_kv
num(const winograd *s, int64_t x)
{
    return tb_k_int(s->k, x);
}

static tb_kv
add(const winograd *s, tb_kv a, tb_kv b)
{
    return tb_k_map(s->k, TB_P_add, a, b, TB_NO_KV);
}

static tb_kv
sub(const winograd *s, tb_kv a, tb_kv b)
{
    return tb_k_map(s->k, TB_P_sub, a, b, TB_NO_KV);
}

/* First output of 2x2 number i of `size` outputs. */
static tb_kv
first_output(const winograd *s, tb_kv i, int64_t size)
{
    tb_kv at = tb_k_mul(s->k, i, num(s, 2));
    return size % 2 ? tb_k_min(s->k, at, num(s, size - 2)) : at;
}

/* B' applied to four values. */
static void
transform_input(const winograd *s, const tb_kv *d, int step, tb_kv *out)
{
    out[0] = sub(s, d[0], d[2 * step]);
    out[1] = add(s, d[step], d[2 * step]);
    out[2] = sub(s, d[2 * step], d[step]);
    out[3] = sub(s, d[step], d[3 * step]);
}

/* The inputs of `rows` rows from ty0 on: v[xi][2x2 number][channel]. */
static void
inputs(const winograd *s, tb_kv n, tb_kv ty0, tb_kv rows)
{
    tb_kernel *k = s->k;
    int64_t width = s->ow + 2, height = s->oh + 2;
    tb_kv d[XI], t[XI], o[4];

    tb_kv r = tb_k_for(k, num(s, 0), rows, 1, NULL, 0);
    tb_kv y = tb_k_add(k, tb_k_mul(k, n, num(s, height)),
                       first_output(s, tb_k_add(k, ty0, r), s->oh));
    tb_kv tx = tb_k_for(k, num(s, 0), num(s, s->tx), 1, NULL, 0);
    tb_kv pixel = tb_k_add(k, tb_k_mul(k, y, num(s, width)), first_output(s, tx, s->ow));
    tb_kv from = tb_k_mul(k, pixel, num(s, s->ic));
    tb_kv to = tb_k_mul(k, tb_k_add(k, tb_k_mul(k, r, num(s, s->tx)), tx), num(s, s->ic));
    tb_kv c = tb_k_for(k, num(s, 0), num(s, s->ic), s->w, NULL, 0);
    from = tb_k_add(k, from, c);
    to = tb_k_add(k, to, c);
    for (int i = 0; i < XI; i++)
        d[i] = tb_k_load(k, TB_F32, s->w, s->x, from, (i / 4 * width + i % 4) * s->ic, TB_NO_KV);
    for (int j = 0; j < 4; j++) {
        transform_input(s, d + j, 4, o);
        for (int i = 0; i < 4; i++)
            t[i * 4 + j] = o[i];
    }
    for (int i = 0; i < 4; i++) {
        transform_input(s, t + i * 4, 1, o);
        for (int j = 0; j < 4; j++)
            tb_k_store(k, TB_F32, s->v, to, (i * 4 + j) * s->rows * s->tx * s->ic, o[j], TB_NO_KV);
    }
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

typedef struct source {
    const winograd *s;
    tb_kv xi, i;
} source;

static tb_kv
row_pointer(void *user, tb_kv row)
{
    const source *f = user;
    const winograd *s = f->s;
    tb_kernel *k = s->k;
    tb_kv at = tb_k_add(k, tb_k_mul(k, f->xi, num(s, s->rows * s->tx)), tb_k_add(k, f->i, row));
    return tb_k_ptr_add(k, s->v, tb_k_mul(k, at, num(s, s->ic)), sizeof(float));
}

/* The 16 products of one panel: m[xi][2x2 number][column]. */
static void
products(const winograd *s, tb_kv panel, tb_kv count)
{
    tb_kernel *k = s->k;
    int64_t width = s->c->panel;
    tb_kv xi = tb_k_for(k, num(s, 0), num(s, XI), 1, NULL, 0);
    tb_kv b = tb_k_mul(k, tb_k_add(k, tb_k_mul(k, xi, num(s, s->panels)), panel),
                       num(s, s->ic * width));
    tb_kv i = tb_k_for(k, num(s, 0), count, s->c->micro.mr, NULL, 0);
    tb_kv at = tb_k_add(k, tb_k_mul(k, xi, num(s, s->rows * s->tx)), i);
    tb_kv next = TB_NO_KV, idle = TB_NO_KV;
    source f = {s, xi, i};

    if (tb_micro_asks_next(&s->c->micro)) { /* the next product, after the last the next panel */
        tb_kv last = tb_k_map(k, TB_P_eq, xi, num(s, XI - 1), TB_NO_KV);
        next = tb_k_map(k, TB_P_where, last, num(s, 1 - (XI - 1) * s->panels), num(s, s->panels));
        next = tb_k_mul(k, next, num(s, s->ic * width));
        idle = tb_k_mul(k, next, num(s, -(int64_t)sizeof(float)));
        next = tb_k_ptr_add(k, s->u, tb_k_add(k, b, next), sizeof(float));
    }

    tb_micro_call(k, &s->c->micro,
                  tb_k_min(k, tb_k_sub(k, count, i), num(s, s->c->micro.mr)),
                  &(tb_micro_operands){
                      .row = row_pointer,
                      .user = &f,
                      .b = tb_k_ptr_add(k, s->u, b, sizeof(float)),
                      .c = tb_k_ptr_add(k, s->m, tb_k_mul(k, at, num(s, width)), sizeof(float)),
                      .pitch = num(s, width),
                      .len = num(s, s->ic),
                      .step = num(s, 1),
                      .next = next,
                      .idle = idle,
                      .before = i});
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

/* From the products of a panel to pixels: y[pixel][column], from output row y0 on. */
static void
outputs(const winograd *s, tb_kv ty0, tb_kv y0, tb_kv rows)
{
    tb_kernel *k = s->k;
    int64_t width = s->c->panel, step = s->rows * s->tx * width;
    tb_kv m[XI], t[8];

    tb_kv r = tb_k_for(k, num(s, 0), rows, 1, NULL, 0);
    tb_kv row = tb_k_sub(k, first_output(s, tb_k_add(k, ty0, r), s->oh), y0);
    tb_kv tx = tb_k_for(k, num(s, 0), num(s, s->tx), 1, NULL, 0);
    tb_kv pixel = tb_k_add(k, tb_k_mul(k, row, num(s, s->ow)), first_output(s, tx, s->ow));
    tb_kv from = tb_k_mul(k, tb_k_add(k, tb_k_mul(k, r, num(s, s->tx)), tx), num(s, width));
    tb_kv to = tb_k_mul(k, pixel, num(s, width));
    tb_kv j = tb_k_for(k, num(s, 0), num(s, width), s->w, NULL, 0);
    from = tb_k_add(k, from, j);
    to = tb_k_add(k, to, j);
    for (int i = 0; i < XI; i++)
        m[i] = tb_k_load(k, TB_F32, s->w, s->m, from, i * step, TB_NO_KV);
    for (int i = 0; i < 4; i++) { /* columns: A' m */
        tb_kv both = add(s, m[4 + i], m[8 + i]), differ = sub(s, m[4 + i], m[8 + i]);
        t[i] = add(s, m[i], both);
        t[4 + i] = sub(s, differ, m[12 + i]);
    }
    for (int i = 0; i < 2; i++) {
        const tb_kv *a = t + 4 * i;
        tb_kv left = add(s, a[0], add(s, a[1], a[2]));
        tb_kv right = sub(s, sub(s, a[1], a[2]), a[3]);
        tb_k_store(k, TB_F32, s->y, to, i * s->ow * width, left, TB_NO_KV);
        tb_k_store(k, TB_F32, s->y, to, (i * s->ow + 1) * width, right, TB_NO_KV);
    }
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
    tb_k_end_for(k, NULL, NULL);
}

static void
write_tile(const winograd *s, tb_kv n, tb_kv block, tb_kv part)
{
    tb_kernel *k = s->k;
    tb_contract *c = s->c;
    int64_t share = (s->panels + s->parts - 1) / s->parts;
    tb_kv ty0 = tb_k_mul(k, block, num(s, s->rows));
    tb_kv rows = tb_k_min(k, tb_k_sub(k, num(s, s->ty), ty0), num(s, s->rows));
    /* a last row that begins one earlier computes an output row that is not this tile's */
    tb_kv y0 = first_output(s, ty0, s->oh), first = tb_k_mul(k, ty0, num(s, 2));
    tb_kv end = tb_k_min(k, tb_k_mul(k, tb_k_add(k, ty0, rows), num(s, 2)), num(s, s->oh));
    tb_kv skip = tb_k_mul(k, tb_k_sub(k, first, y0), num(s, s->ow * c->panel));
    tb_kv m0 = tb_k_mul(k, tb_k_add(k, tb_k_mul(k, n, num(s, s->oh)), first), num(s, s->ow));
    tb_kv pixels = tb_k_mul(k, tb_k_sub(k, end, first), num(s, s->ow));

    inputs(s, n, ty0, rows);
    tb_kv p0 = tb_k_mul(k, part, num(s, share));
    tb_kv p1 = tb_k_min(k, tb_k_add(k, p0, num(s, share)), num(s, s->panels));
    tb_kv panel = tb_k_for(k, p0, p1, 1, NULL, 0);
    products(s, panel, tb_k_mul(k, rows, num(s, s->tx)));
    outputs(s, ty0, y0, rows);
    tb_contract_epilogue(c, s->y, skip, m0, pixels, tb_k_mul(k, panel, num(s, c->panel)));
    tb_k_end_for(k, NULL, NULL);
}

static void
choose_tiles(winograd *s)
{
    int64_t most = V_BYTES / (XI * s->ic * 4);
    if (most > MAX_TILES)
        most = MAX_TILES;
    s->rows = most / s->tx ? most / s->tx : 1;
    s->blocks = (s->ty + s->rows - 1) / s->rows;
    s->rows = (s->ty + s->blocks - 1) / s->blocks;
    s->blocks = (s->ty + s->rows - 1) / s->rows;
    s->panels = (s->oc + s->c->panel - 1) / s->c->panel;
    s->parts = 1;
    while (s->parts * 2 <= s->panels && s->parts * s->blocks < ENOUGH_TILES)
        s->parts *= 2;
}

void
tb_winograd_kernel(tb_contract *c)
{
    tb_lower *l = c->l;
    tb_unit *u = l->u;
    tb_kernel *k = c->k = l->k;
    const tb_dim *yd = tb_dims(c->g, c->anchor), *wd = tb_dims(c->g, c->b);
    winograd s = {.c = c, .l = l, .k = k, .ic = wd[3], .oc = wd[0], .oh = yd[1], .ow = yd[2]};

    s.ty = (s.oh + 1) / 2;
    s.tx = (s.ow + 1) / 2;
    choose_tiles(&s);
    int64_t count = s.rows * s.tx, out = 2 * s.rows * s.ow;
    tb_micro_shape(&c->micro, l->target, s.ty * s.tx, count, count);
    s.w = c->micro.lanes;
    c->micro.fresh = c->micro.unit_step = true;
    /* the epilogue's rows are whole vectors if those of every tile are */
    c->mc = out % TB_MAX_PANEL == 0 && s.oh * s.ow % TB_MAX_PANEL == 0 ? TB_MAX_PANEL : 1;

    tb_pack_request q = {.R = s.ic,
                         .N = s.oc,
                         .step_r = 1,
                         .step_n = s.ic,
                         .groups = XI,
                         .step_group = s.oc * s.ic,
                         .panel = c->panel,
                         .last = c->panel};
    s.x = tb_bind_node(l, c->a_store, false);
    if (tb_contract_is_weight(c)) {
        TB_CHECK(tb_storage(l->gs, c->b).id == c->b_store.id); /* [O][3][3][C] */
        uint32_t from = transformed_weights(&s, (uint32_t)tb_attrs(c->g, c->b_store)[0]);
        s.u = tb_bind_packed(l, tb_pack_const(l, from, &q));
    } else {
        s.u = tb_bind_temp(l, c->temp, false);
    }
    tb_bind_node(l, l->group->root, true);
    s.v = tb_k_scratch(k, XI * count * s.ic * (int64_t)sizeof(float));
    s.m = tb_k_scratch(k, XI * count * c->panel * (int64_t)sizeof(float));
    s.y = tb_k_scratch(k, (out + s.ow + s.w) * c->panel * (int64_t)sizeof(float));
    tb_micro_look_ahead(&c->micro, count, s.ic);
    tb_micro_write(k, &c->micro);

    double flops = 2.0 * XI * (double)(count * s.ic * s.oc) / (double)s.parts;
    l->step->tiles = tb_dim_mul(u, yd[0], s.blocks * s.parts);
    l->step->tile_cost_ns = (uint64_t)(flops / 100) + 1;
    tb_kv no = tb_k_for(k, tb_k_tile_begin(k), tb_k_tile_end(k), 1, NULL, 0);
    tb_kv rest = tb_k_div(k, no, num(&s, s.parts));
    write_tile(&s, tb_k_div(k, rest, num(&s, s.blocks)), tb_k_mod(k, rest, num(&s, s.blocks)),
               tb_k_mod(k, no, num(&s, s.parts)));
    tb_k_end_for(k, NULL, NULL);
}
