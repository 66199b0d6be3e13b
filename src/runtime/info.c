/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* info.c -- what a module says about its functions and globals. Indices that do not exist
 * give empty answers. */
#include "runtime/runtime_internal.h"

static const tb_plan_function *
function_at(const tb_module *m, int fn)
{
    if (fn < 0 || (uint32_t)fn >= m->n_exported)
        return NULL;
    return &m->plan.functions[tb_module_exported(m, (uint32_t)fn)];
}

static void
value_info(const tb_module *m, const tb_plan_value *v, tb_value_info *out)
{
    *out = (tb_value_info){.name = tb_module_text(m, v->name),
                           .dtype = (tb_dtype)v->dtype,
                           .rank = (int32_t)v->rank};
    for (uint32_t i = 0; i < v->rank; i++) {
        const tb_plan_dim *d = &m->plan.dims[v->dims + i];
        out->dims[i] = d->value;
        out->dim_min[i] = d->value < 0 ? d->min : d->value;
        out->dim_max[i] = d->value < 0 ? d->max : d->value;
    }
}

const char *
tb_module_name(const tb_module *m)
{
    return tb_module_text(m, m->plan.module_name);
}

const char *
tb_module_target(const tb_module *m)
{
    return m->image ? tb_module_text(m, m->image->target) : "";
}

int
tb_module_function_count(const tb_module *m)
{
    return (int)m->n_exported;
}

int
tb_module_find_function(const tb_module *m, const char *name)
{
    for (uint32_t i = 0; i < m->n_exported; i++)
        if (strcmp(tb_module_function_name(m, (int)i), name) == 0)
            return (int)i;
    return -1;
}

const char *
tb_module_function_name(const tb_module *m, int fn)
{
    const tb_plan_function *f = function_at(m, fn);
    return f ? tb_module_text(m, f->name) : "";
}

const char *
tb_module_function_attr(const tb_module *m, int fn, const char *key)
{
    const tb_plan_function *f = function_at(m, fn);
    for (uint32_t i = 0; f && i < f->n_attrs; i++) {
        const tb_plan_attr *a = &m->plan.attrs[f->attr + i];
        if (strcmp(tb_module_text(m, a->key), key) == 0)
            return tb_module_text(m, a->value);
    }
    return NULL;
}

int
tb_module_input_count(const tb_module *m, int fn)
{
    const tb_plan_function *f = function_at(m, fn);
    return f ? (int)f->n_inputs : 0;
}

int
tb_module_result_count(const tb_module *m, int fn)
{
    const tb_plan_function *f = function_at(m, fn);
    return f ? (int)f->n_results : 0;
}

void
tb_module_input_info(const tb_module *m, int fn, int i, tb_value_info *out)
{
    const tb_plan_function *f = function_at(m, fn);
    if (f && i >= 0 && (uint32_t)i < f->n_inputs)
        value_info(m, &m->plan.values[f->input + (uint32_t)i], out);
    else
        *out = (tb_value_info){.name = ""};
}

void
tb_module_result_info(const tb_module *m, int fn, int i, tb_value_info *out)
{
    const tb_plan_function *f = function_at(m, fn);
    if (f && i >= 0 && (uint32_t)i < f->n_results)
        value_info(m, &m->plan.values[f->result + (uint32_t)i], out);
    else
        *out = (tb_value_info){.name = ""};
}

int
tb_module_global_count(const tb_module *m)
{
    return (int)m->n_globals;
}

void
tb_module_global_info(const tb_module *m, int i, tb_value_info *out)
{
    if (i >= 0 && (uint32_t)i < m->n_globals)
        value_info(m, &m->plan.globals[i].type, out);
    else
        *out = (tb_value_info){.name = ""};
}

bool
tb_module_place_line(const tb_module *m, uint32_t place, int i, tb_source_line *out)
{
    const tb_plan_work *w = tb_plan_work_at(&m->plan, place);
    *out = (tb_source_line){"", "", "", 0};
    if (!w || i < 0 || (uint32_t)i >= w->n_locs)
        return false;
    const tb_plan_loc *l = &m->plan.locs[w->loc + (uint32_t)i];
    *out = (tb_source_line){tb_module_text(m, l->file), tb_module_text(m, l->path),
                            tb_module_text(m, l->op), l->line};
    return true;
}

const char *
tb_module_kernel_name(const tb_module *m, uint32_t kernel)
{
    return kernel < m->plan.n_kernels ? tb_module_text(m, m->plan.kernels[kernel].name) : "";
}

int
tb_module_parameter_count(const tb_module *m)
{
    int n = 0;
    for (uint32_t i = 0; i < m->plan.n_globals; i++)
        n += m->plan.globals[i].init == TB_INIT_PARAM;
    return n;
}

void
tb_module_parameter_info(const tb_module *m, int i, const char **scope, tb_value_info *out)
{
    *scope = "";
    *out = (tb_value_info){.name = ""};
    for (uint32_t k = 0; k < m->plan.n_globals; k++) {
        const tb_plan_global *g = &m->plan.globals[k];
        if (g->init != TB_INIT_PARAM || i-- != 0)
            continue;
        value_info(m, &g->type, out);
        *scope = tb_module_text(m, g->scope);
        out->name = tb_module_text(m, g->key);
    }
}
