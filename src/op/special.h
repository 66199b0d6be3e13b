/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * special.h -- special functions of real numbers that other bodies use (math.c).
 */
#pragma once
#include "op/body.h"

tb_val tb_erfc_of(tb_graph *g, tb_val x);
tb_val tb_digamma_of(tb_graph *g, tb_val x);
