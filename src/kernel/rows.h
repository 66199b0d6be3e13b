/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * rows.h -- the loops that the schedules of scans, sorts and scatters share (rows.c).
 */
#pragma once
#include "kernel/lower.h"

/* Opens a loop over the rows of a tile: every combination of the given variables, which
 * get bound. Splits rows into tiles by their cost. Returns the number of the row. */
tb_kv tb_rows_open(tb_lower *l, const uint32_t *vars, uint32_t n, double row_ns);
/* The same over the numbers of so many items. */
tb_kv tb_items_open(tb_lower *l, tb_dim items, double item_ns);
void tb_rows_close(tb_lower *l);
/* Opens a loop over the chunks of one long axis; *lo and *hi are the chunk's bounds, lo a
 * multiple of any number of lanes. Closed by tb_rows_close. */
void tb_chunks_open(tb_lower *l, tb_dim total, double element_ns, tb_kv *lo, tb_kv *hi);

/* Lanes for elements of dtype t: fewer of those with 8 bytes. */
int tb_lanes_of(const tb_lower *l, tb_dtype t);
/* for var in [lo, hi): calls fn with `lanes` lanes along var, then for what remains, with
 * a mask or one by one. lo must be a multiple of the lanes. fn reads l->lanes and
 * l->mask. */
typedef void tb_lane_fn(tb_lower *l, void *arg);
void tb_lane_loop(tb_lower *l, uint32_t var, int lanes, tb_kv lo, tb_kv hi,
                  tb_lane_fn *fn, void *arg);
