/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * parse.h -- the reader of the .tb text, private to it:
 *
 *   parse_text.c  words, numbers, texts, sizes, types
 *   parse_node.c  primitives and ATen calls
 *   parse.c       graphs and what a unit holds besides: tb_unit_parse
 *
 * All of it raises at the line and column where the text is not understood.
 */
#pragma once
#include "graph/text.h"

typedef struct tb_parse_name {
    tb_str text;
    tb_val v;
} tb_parse_name;

typedef struct tb_parser {
    tb_ctx *cx;
    tb_unit *u;
    tb_str file;
    const char *at, *end, *line_start;
    uint32_t line;
    tb_graph *g;
    TB_VEC(tb_parse_name) names; /* of the graph being read */
    tb_map seen;
    int64_t next_input;
} tb_parser;

/* ---- parse_text.c ---- */
void tb_parse_fail(tb_parser *p, const char *fmt, ...) TB_PRINTF(2, 3) TB_NORETURN;
void tb_parse_blank(tb_parser *p); /* skips spaces and a comment, not the line's end */
bool tb_parse_try_char(tb_parser *p, char c);
void tb_parse_need_char(tb_parser *p, char c);
bool tb_parse_next_line(tb_parser *p); /* to the next line with something; false at the end */
void tb_parse_end_line(tb_parser *p);  /* nothing more may be on this one */
bool tb_parse_is_word(char c, bool first);
tb_str tb_parse_word(tb_parser *p);
bool tb_parse_try_word(tb_parser *p, const char *w);
int64_t tb_parse_integer(tb_parser *p);
uint32_t tb_parse_index32(tb_parser *p);
double tb_parse_number(tb_parser *p); /* also inf, nan and hexadecimal */
tb_str tb_parse_string(tb_parser *p); /* in quotes */
int tb_parse_hex_digit(tb_parser *p, char c);
tb_dim tb_parse_dim(tb_parser *p); /* a number or [expression] */
tb_dim tb_parse_dim_sum(tb_parser *p, int depth); /* an expression; depth: of brackets */
tb_type tb_parse_type(tb_parser *p);

/* ---- parse_node.c ---- */
tb_parse_name *tb_parse_find_name(tb_parser *p, tb_str s); /* NULL if there is none */
tb_str tb_parse_val_name(tb_parser *p); /* what follows % */
tb_val tb_parse_val(tb_parser *p);
tb_val tb_parse_node(tb_parser *p, tb_str op);
tb_val tb_parse_call(tb_parser *p, tb_str op);
