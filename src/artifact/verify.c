/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * verify.c -- checks every index, range, register and jump of a plan, so that reader,
 * dumps and executor may follow them blindly.
 *
 * What depends on a call stays the executor's: that an arena buffer lies inside the arena,
 * that a result has memory before it is used, that both sides of a COPY have one size.
 */
#include "artifact/artifact.h"

enum { PAGE = 4096, MAX_WORDS = 0xffff };
#define MAX_SCRATCH (UINT64_C(1) << 40)

static const char *const operands[TB_I_END] = {
#define X(name, letters, meaning) letters,
    TB_INSTRUCTIONS(X)
#undef X
};

static tb_status
bad(const char *what, uint32_t index)
{
    return tb_status_make(TB_CORRUPT, "damaged plan: %s %u", what, index);
}

/* ---- the sections ---- */
static bool
is_text(const tb_plan *p, tb_sref s)
{
    return s.off < p->strings_bytes && s.len < p->strings_bytes - s.off &&
           p->strings[s.off + s.len] == 0;
}

static bool
is_dtype(uint32_t t)
{
    return t > TB_NONE && t < TB_DTYPE_END;
}

static bool
in_range(uint32_t first, uint32_t n, uint32_t count)
{
    return first <= count && n <= count - first;
}

static bool
in_file(uint64_t offset, uint64_t bytes, uint64_t align, size_t file_bytes)
{
    return offset % align == 0 && offset <= file_bytes && bytes <= file_bytes - offset;
}

/* Checks a type; its dimensions' registers must be below n_regs, and dynamic ones need one
 * if must_reg. *bytes gets the size if it is static, else -1. */
static bool
is_value(const tb_plan *p, const tb_plan_value *v, uint32_t n_regs, bool must_reg,
         int64_t *bytes)
{
    bool is_static = true, empty = false, overflow = false;

    if (!is_text(p, v->name) || !is_dtype(v->dtype) || v->rank > TB_MAX_RANK ||
        !in_range(v->dims, v->rank, p->n_dims))
        return false;
    if (v->is_size > 1 || (v->is_size && (v->rank != 0 || v->dtype != TB_I64 ||
                                          !in_range(v->dims, 1, p->n_dims))))
        return false;
    *bytes = (int64_t)tb_dtype_bytes((tb_dtype)v->dtype);
    for (uint32_t i = 0; i < v->rank; i++) {
        const tb_plan_dim *d = &p->dims[v->dims + i];
        if (d->min < 0 || d->min > d->max || d->value < -1 || d->reg < -1)
            return false;
        if (d->reg >= 0 && (uint32_t)d->reg >= n_regs)
            return false;
        if (d->value >= 0) {
            empty = empty || d->value == 0;
            overflow = overflow || !tb_mul_ok(*bytes, d->value, bytes);
        } else {
            is_static = false;
            if (must_reg && d->reg < 0)
                return false;
        }
    }
    if (overflow && !empty)
        return false;
    *bytes = !is_static ? -1 : empty ? 0 : *bytes;
    return true;
}

static tb_status
check_locs(const tb_plan *p)
{
    for (uint32_t i = 0; i < p->n_locs; i++)
        if (!is_text(p, p->locs[i].file) || !is_text(p, p->locs[i].path) ||
            !is_text(p, p->locs[i].op))
            return bad("source location", i);
    for (uint32_t i = 0; i < p->n_attrs; i++)
        if (!is_text(p, p->attrs[i].key) || !is_text(p, p->attrs[i].value))
            return bad("attribute", i);
    return NULL;
}

static tb_status
check_data(const tb_plan *p, size_t file_bytes)
{
    for (uint32_t i = 0; i < p->n_consts; i++) {
        const tb_plan_const *c = &p->consts[i];
        if (!is_text(p, c->name) || !is_dtype(c->dtype) || c->packed > 1 ||
            !in_file(c->offset, c->bytes, TB_DATA_ALIGN, file_bytes))
            return bad("constant", i);
    }
    for (uint32_t i = 0; i < p->n_globals; i++) {
        const tb_plan_global *g = &p->globals[i];
        int64_t bytes;
        if (!is_value(p, &g->type, 0, true, &bytes) || bytes < 0 ||
            (uint64_t)bytes > SIZE_MAX / 4 || g->mutable_ > 1 ||
            g->init < TB_INIT_PARAM || !is_text(p, g->scope) || !is_text(p, g->key))
            return bad("global", i);
        if (g->hidden > 1 || (g->hidden && (g->init != TB_INIT_PARAM || g->mutable_)) ||
            (!g->hidden && i > 0 && p->globals[i - 1].hidden))
            return bad("order of global", i);
        if (g->init >= 0 && ((uint32_t)g->init >= p->n_consts ||
                             p->consts[g->init].bytes != (uint64_t)bytes))
            return bad("initial value of global", i);
    }
    return NULL;
}

static tb_status
check_code(const tb_plan *p, size_t file_bytes)
{
    if (p->n_entries != (uint64_t)p->n_images * p->n_kernels)
        return bad("number of entries:", p->n_entries);
    for (uint32_t i = 0; i < p->n_images; i++) {
        const tb_plan_image *im = &p->images[i];
        if (!is_text(p, im->target) || im->arch > UINT16_MAX || im->text_off % PAGE ||
            im->text_off >= im->bytes || !in_file(im->offset, im->bytes, PAGE, file_bytes))
            return bad("image", i);
        for (uint32_t k = 0; k < p->n_kernels; k++)
            if (p->entries[i * p->n_kernels + k] >= im->bytes - im->text_off)
                return bad("entry of kernel", k);
    }
    for (uint32_t i = 0; i < p->n_kernels; i++) {
        const tb_plan_kernel *k = &p->kernels[i];
        if (!is_text(p, k->name) || k->loc >= p->n_locs || k->scratch_bytes > MAX_SCRATCH ||
            k->n_bindings > MAX_WORDS || k->n_sizes > MAX_WORDS)
            return bad("kernel", i);
    }
    return NULL;
}

/* ---- a function ---- */
typedef struct scan {
    const tb_plan *p;
    const tb_plan_function *f;
    const int32_t *code;
    const tb_plan_buf *bufs;
    uint32_t index; /* of the function, for messages */
} scan;

static tb_status
bad_at(const scan *s, uint32_t at, const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged plan: function %u, word %u: %s", s->index, at,
                          what);
}

static bool
is_reg(const scan *s, int32_t r)
{
    return r >= 0 && (uint32_t)r < s->f->n_regs;
}

static bool
is_buf(const scan *s, int32_t b)
{
    return b >= 0 && (uint32_t)b < s->f->n_bufs;
}

static bool
is_writable(const scan *s, int32_t b)
{
    const tb_plan_buf *buf = &s->bufs[b];
    return buf->kind == TB_BUF_RESULT || buf->kind == TB_BUF_ARENA ||
           buf->kind == TB_BUF_SLOT ||
           (buf->kind == TB_BUF_GLOBAL && s->p->globals[buf->index].mutable_);
}

static bool
is_buf_record(const scan *s, const tb_plan_buf *b)
{
    if (b->kind == TB_BUF_ARENA)
        return s->f->arena_reg >= 0 && is_reg(s, b->offset_reg) && is_reg(s, b->bytes_reg);
    uint32_t n = b->kind == TB_BUF_INPUT    ? s->f->n_inputs
                 : b->kind == TB_BUF_RESULT ? s->f->n_results
                 : b->kind == TB_BUF_CONST  ? s->p->n_consts
                 : b->kind == TB_BUF_GLOBAL ? s->p->n_globals
                 : b->kind == TB_BUF_SLOT   ? s->f->n_slots
                                            : 0;
    return b->index < n;
}

static bool
is_dispatch(const scan *s, const int32_t *w, uint32_t n_words)
{
    if (n_words < 6 || w[1] < 0 || (uint32_t)w[1] >= s->p->n_kernels)
        return false;
    const tb_plan_kernel *k = &s->p->kernels[w[1]];
    if (n_words != 6 + k->n_bindings + k->n_sizes || !is_reg(s, w[2]) ||
        w[3] & ~TB_DISPATCH_NO_BARRIER || (uint32_t)w[4] != k->n_bindings)
        return false;
    w += 5;
    for (uint32_t i = 0; i < k->n_bindings; i++)
        if (!is_buf(s, *w++))
            return false;
    if ((uint32_t)*w++ != k->n_sizes)
        return false;
    for (uint32_t i = 0; i < k->n_sizes; i++)
        if (!is_reg(s, *w++))
            return false;
    return true;
}

/* The plain words of an instruction whose operands have been checked otherwise. */
static bool
are_words(const scan *s, tb_opcode op, const int32_t *w)
{
    const int32_t *dim = op == TB_I_DIM ? w + 2 : w + 1;

    switch (op) {
    case TB_I_DIM:
    case TB_I_CHECK_DIM:
        return dim[0] >= 0 && (uint32_t)dim[0] < s->f->n_inputs && dim[1] >= 0 &&
               (uint32_t)dim[1] < s->p->values[s->f->input + (uint32_t)dim[0]].rank;
    case TB_I_VALUE:
        return w[2] >= 0 && (uint32_t)w[2] < s->f->n_inputs &&
               s->p->values[s->f->input + (uint32_t)w[2]].is_size;
    case TB_I_ALLOC:
        return s->bufs[w[1]].kind == TB_BUF_SLOT;
    case TB_I_CHECK:
        return w[2] >= 0 && (uint32_t)w[2] < s->p->strings_bytes;
    case TB_I_RESULT:
        return w[1] >= 0 && (uint32_t)w[1] < s->f->n_results;
    case TB_I_LOAD:
        return w[3] >= 0 && is_dtype((uint32_t)w[3]);
    case TB_I_COPY:
        return is_writable(s, w[1]);
    default:
        return true;
    }
}

static tb_status
check_instruction(const scan *s, uint32_t at, uint32_t n_words)
{
    const int32_t *w = s->code + at;
    tb_opcode op = (tb_opcode)((uint32_t)w[0] & 0xffff);
    const char *letters = operands[op];
    bool prologue = at < s->f->prologue_end;

    if (prologue && op > TB_I_CHECK && op != TB_I_JUMP && op != TB_I_JUMP_ZERO)
        return bad_at(s, at, "instruction does not belong in a prologue");
    if (op == TB_I_DISPATCH)
        return is_dispatch(s, w, n_words) ? NULL : bad_at(s, at, "dispatch");
    if (n_words != 1 + strlen(letters))
        return bad_at(s, at, "number of operands");
    for (uint32_t i = 1; i < n_words; i++)
        if ((letters[i - 1] == 'r' && !is_reg(s, w[i])) ||
            (letters[i - 1] == 'b' && !is_buf(s, w[i])))
            return bad_at(s, at, "operand");
    return are_words(s, op, w) ? NULL : bad_at(s, at, "operand");
}

/* starts: bit set of the words that begin an instruction; NULL: there was no memory for it,
 * so they are counted off. */
static bool
is_start(const scan *s, const uint8_t *starts, uint32_t at)
{
    uint32_t i = 0;

    if (starts)
        return starts[at / 8] >> at % 8 & 1;
    while (i < at)
        i += (uint32_t)s->code[i] >> 16;
    return i == at;
}

static tb_status
check_jumps(const scan *s, const uint8_t *starts)
{
    for (uint32_t at = 0; at < s->f->n_code;) {
        uint32_t word = (uint32_t)s->code[at], op = word & 0xffff, n_words = word >> 16;
        if (op == TB_I_JUMP || op == TB_I_JUMP_ZERO) {
            int32_t to = s->code[at + n_words - 1];
            if (to < 0 || (uint32_t)to >= s->f->n_code || !is_start(s, starts, (uint32_t)to))
                return bad_at(s, at, "jump target");
            /* Leaving the prologue early is fine as long as it ends where it ends. */
            if (at < s->f->prologue_end ? (uint32_t)to > s->f->prologue_end
                                        : (uint32_t)to < s->f->prologue_end)
                return bad_at(s, at, "jump into or out of the prologue");
        }
        at += n_words;
    }
    return NULL;
}

static tb_status
check_instructions(const scan *s, uint8_t *starts)
{
    uint32_t at = 0, op = TB_I_END;

    while (at < s->f->n_code) {
        uint32_t word = (uint32_t)s->code[at], n_words = word >> 16;
        op = word & 0xffff;
        if (op >= TB_I_END || n_words == 0 || n_words > s->f->n_code - at)
            return bad_at(s, at, "no instruction");
        TRY(check_instruction(s, at, n_words));
        if (starts)
            starts[at / 8] |= (uint8_t)(1 << at % 8);
        at += n_words;
    }
    if (op != TB_I_RETURN && op != TB_I_JUMP)
        return bad_at(s, at, "the function does not end");
    if (s->f->prologue_end >= s->f->n_code || !is_start(s, starts, s->f->prologue_end))
        return bad_at(s, s->f->prologue_end, "end of the prologue");
    return check_jumps(s, starts);
}

static tb_status
check_function(const tb_plan *p, uint32_t index)
{
    const tb_plan_function *f = &p->functions[index];
    scan s = {p, f, NULL, f->n_bufs ? p->bufs + f->buf : NULL, index};
    int64_t bytes;

    if (!is_text(p, f->name) || f->n_regs > f->n_code || f->n_slots > f->n_bufs || f->arena_reg < -1 ||
        (f->arena_reg >= 0 && !is_reg(&s, f->arena_reg)))
        return bad("function", index);
    for (uint32_t i = 0; i < f->n_inputs + f->n_results; i++) {
        bool in = i < f->n_inputs;
        const tb_plan_value *v = &p->values[in ? f->input + i : f->result + i - f->n_inputs];
        if (!is_value(p, v, f->n_regs, !in, &bytes))
            return bad(in ? "type of input" : "type of result", in ? i : i - f->n_inputs);
    }
    for (uint32_t i = 0; i < f->n_bufs; i++)
        if (!is_buf_record(&s, &s.bufs[i]))
            return bad("buffer", f->buf + i);
    if (f->n_code == 0)
        return bad_at(&s, 0, "the function does not end");
    s.code = p->code + f->code;
    uint8_t few[512] = {0}, *starts = few;
    if (f->n_code >= 8 * sizeof few)
        starts = tb_heap((size_t)f->n_code / 8 + 1, 1);
#if !defined(TB_NO_MALLOC)
    if (!starts)
        return tb_status_make(TB_OUT_OF_MEMORY, "no memory to verify a function");
#endif
    tb_status st = check_instructions(&s, starts);
    if (starts != few)
        tb_heap_free(starts);
    return st;
}

/* Functions lie in order and apart, so that all checks take time linear in the file. */
static tb_status
check_functions(const tb_plan *p)
{
    uint32_t value = 0, buf = 0, attr = 0, code = 0;

    for (uint32_t i = 0; i < p->n_functions; i++) {
        const tb_plan_function *f = &p->functions[i];
        if (!in_range(f->input, f->n_inputs, p->n_values) || f->input < value ||
            !in_range(f->result, f->n_results, p->n_values) ||
            f->result < f->input + f->n_inputs || f->buf < buf || f->attr < attr ||
            f->code < code || !in_range(f->buf, f->n_bufs, p->n_bufs) ||
            !in_range(f->attr, f->n_attrs, p->n_attrs) ||
            !in_range(f->code, f->n_code, p->n_code))
            return bad("ranges of function", i);
        TRY(check_function(p, i));
        value = f->result + f->n_results;
        buf = f->buf + f->n_bufs;
        attr = f->attr + f->n_attrs;
        code = f->code + f->n_code;
    }
    return NULL;
}

/* Works are in order, as functions are. */
static tb_status
check_works(const tb_plan *p)
{
    const tb_plan_function *f = p->functions, *end = f + p->n_functions;

    for (uint32_t i = 0; i < p->n_works; i++) {
        const tb_plan_work *w = &p->works[i];
        while (f < end && w->at >= f->code + f->n_code)
            f++;
        if (f == end || w->at < f->code || (i > 0 && w->at <= w[-1].at) ||
            w->n_locs == 0 || !in_range(w->loc, w->n_locs, p->n_locs) || w->flops < -1 ||
            w->bytes < -1 || (w->flops >= 0 && (uint32_t)w->flops >= f->n_regs) ||
            (w->bytes >= 0 && (uint32_t)w->bytes >= f->n_regs))
            return bad("work", i);
    }
    return NULL;
}

tb_status
tb_plan_verify(const tb_plan *p, size_t file_bytes)
{
    if (p->strings_bytes == 0 || p->strings_bytes > INT32_MAX ||
        p->strings[p->strings_bytes - 1] != 0)
        return bad("strings", 0);
    if (!is_text(p, p->module_name) || !is_text(p, p->producer))
        return bad("name", 0);
    TRY(check_locs(p));
    TRY(check_data(p, file_bytes));
    TRY(check_code(p, file_bytes));
    TRY(check_functions(p));
    return check_works(p);
}
