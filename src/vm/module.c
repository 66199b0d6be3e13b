/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * module.c -- a file to a tb_vm_module. Tables of IREE's bytecode_module_def.fbs become
 * arrays of ours, each entry checked when it is read; texts, constants and code stay where
 * they are in the file.
 */
#include "runtime/runtime_internal.h"
#include "vm/internal.h"
#include "vm/release.h"

/* Slots of BytecodeModuleDef and the tables below it. */
enum {
    M_NAME = 0,
    M_MODULE_VERSION = 1,
    M_REQUIREMENTS = 2,
    M_TYPES = 4,
    M_DEPENDENCIES = 5,
    M_IMPORTS = 6,
    M_EXPORTS = 7,
    M_SIGNATURES = 8,
    M_RODATA = 9,
    M_STATE = 11,
    M_DESCRIPTORS = 12,
    M_VERSION = 13,
    M_CODE = 14,
    DESCRIPTOR_BYTES = 20,
    RODATA_ALIGN = 64,
    FEATURES = 15, /* f32, f64, may yield, references to unwind */
    OPTIONAL = 2,
    ZIP_LOCAL = 30
};
#define ZIP_MAGIC 0x04034b50u

static tb_status
corrupt(const char *what)
{
    return tb_status_make(TB_CORRUPT, "damaged module: %s", what);
}

static tb_status
no_memory(void)
{
    return tb_status_make(TB_OUT_OF_MEMORY, "no memory for a module's tables");
}

/* Passes on what the reader found. */
#define CHECK_FLAT(f)                                                                    \
    do {                                                                                 \
        if ((f)->fault)                                                                  \
            return corrupt((f)->fault);                                                  \
    } while (0)

/* Where the size of the flatbuffer stands: at the beginning or behind one local header of a ZIP
 * archive. */
static bool
find_prefix(const uint8_t *bytes, size_t n, size_t *at)
{
    *at = 0;
    if (n >= ZIP_LOCAL && tb_get32(bytes) == ZIP_MAGIC)
        *at = ZIP_LOCAL + (size_t)tb_get16(bytes + 26) + tb_get16(bytes + 28);
    return *at <= n && n - *at >= 16;
}

bool
tb_vm_module_looks_like(const void *bytes, size_t n)
{
    size_t at;
    return find_prefix(bytes, n, &at) && memcmp((const uint8_t *)bytes + at + 8, "IREE", 4) == 0;
}

/* ---- tables ---- */
/* An array for the elements of a vector; each takes at least 4 bytes of the file. */
static void *
array(tb_flatvec v, size_t elem_bytes)
{
    return tb_heap(v.n, elem_bytes);
}

static tb_status
read_types(tb_vm_module *m, uint32_t root)
{
    static const struct {
        const char *name;
        tb_vm_kind kind;
    } plain[] = {{"i8", TB_VM_I8},   {"i16", TB_VM_I16}, {"i32", TB_VM_I32},
                 {"i64", TB_VM_I64}, {"f32", TB_VM_F32}, {"f64", TB_VM_F64},
                 {"!vm.opaque", TB_VM_ANY}};
    tb_flatread *f = &m->flat;
    tb_flatvec v = tb_flatread_vector(f, root, M_TYPES, 4);
    if (!(m->types = array(v, sizeof *m->types)))
        return no_memory();
    for (m->n_types = 0; m->n_types < v.n; m->n_types++) {
        tb_vm_typedef *t = &m->types[m->n_types];
        const char *name = tb_flatread_text(f, tb_flatread_element(f, v, m->n_types), 0);
        CHECK_FLAT(f);
        *t = (tb_vm_typedef){name + (*name == '!'), TB_VM_OBJECT};
        bool known = *name == '!' && name[1];
        for (size_t i = 0; i < TB_COUNT(plain); i++)
            if (strcmp(name, plain[i].name) == 0) {
                t->kind = plain[i].kind;
                known = true;
            }
        if (!known)
            return tb_status_make(TB_CORRUPT, "damaged module: type %u is called '%.60s'",
                                  m->n_types, name);
        if (strncmp(t->name, "vm.list", 7) == 0 && (!t->name[7] || t->name[7] == '<'))
            t->name = "vm.list"; /* lists know themselves what they hold */
    }
    return NULL;
}

static tb_status
read_dependencies(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    tb_flatvec v = tb_flatread_vector(f, root, M_DEPENDENCIES, 4);
    if (!(m->dependencies = array(v, sizeof *m->dependencies)))
        return no_memory();
    for (m->n_dependencies = 0; m->n_dependencies < v.n; m->n_dependencies++) {
        uint32_t t = tb_flatread_element(f, v, m->n_dependencies);
        m->dependencies[m->n_dependencies] =
            (tb_vm_dependency){tb_flatread_text(f, t, 0), tb_flatread_u32(f, t, 1, 0),
                               tb_flatread_u32(f, t, 2, 1) & OPTIONAL};
        CHECK_FLAT(f);
        if (!*m->dependencies[m->n_dependencies].name)
            return corrupt("a dependency without a name");
    }
    return NULL;
}

static tb_status
read_imports(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    tb_flatvec v = tb_flatread_vector(f, root, M_IMPORTS, 4);
    if (!(m->imports = array(v, sizeof *m->imports)))
        return no_memory();
    for (m->n_imports = 0; m->n_imports < v.n; m->n_imports++) {
        uint32_t t = tb_flatread_element(f, v, m->n_imports);
        tb_vm_import_def *d = &m->imports[m->n_imports];
        d->name = tb_flatread_text(f, t, 0);
        const char *cconv = tb_flatread_text(f, tb_flatread_table(f, t, 1), 0);
        d->optional = tb_flatread_u32(f, t, 2, 1) & OPTIONAL;
        CHECK_FLAT(f);
        if (!*d->name)
            return corrupt("an import without a name");
        if (!tb_vm_cconv_parse(cconv, &d->cconv))
            return tb_status_make(TB_CORRUPT,
                                  "damaged module: import '%.80s' has the calling "
                                  "convention '%.80s'",
                                  d->name, cconv);
    }
    return NULL;
}

/* All of them, so that asking for one cannot fail later. */
static tb_status
check_attrs(tb_flatread *f, uint32_t signature)
{
    tb_flatvec v = tb_flatread_vector(f, signature, 1, 4);
    for (uint32_t i = 0; i < v.n; i++) {
        uint32_t t = tb_flatread_element(f, v, i);
        tb_flatread_text(f, t, 0);
        tb_flatread_text(f, t, 1);
        CHECK_FLAT(f);
    }
    return NULL;
}

static tb_status
read_descriptor(tb_vm_module *m, const uint8_t *d, tb_flatvec code, tb_vm_fn *fn)
{
    uint32_t at = tb_get32(d), n = tb_get32(d + 4), features = tb_get32(d + 8);
    unsigned i = m->n_fns;

    if (at > code.n || n > code.n - at || !n)
        return tb_status_make(TB_CORRUPT,
                              "damaged module: function %u has code [%u, +%u) of %u bytes",
                              i, at, n, code.n);
    if (features & ~(uint32_t)FEATURES)
        return tb_status_make(TB_UNSUPPORTED, "function %u asks for the feature bits 0x%x", i,
                              (unsigned)features);
    fn->code = m->flat.at + code.at + at;
    fn->n_code = n;
    fn->n_blocks = tb_get16(d + 14);
    fn->n_i32 = tb_get16(d + 16);
    fn->n_ref = tb_get16(d + 18);
    if (!fn->n_blocks || fn->n_i32 > TB_VM_MAX_I32_REGS || fn->n_ref > TB_VM_MAX_REF_REGS)
        return tb_status_make(TB_CORRUPT,
                              "damaged module: function %u has %u blocks, %u and %u registers",
                              i, (unsigned)fn->n_blocks, (unsigned)fn->n_i32,
                              (unsigned)fn->n_ref);
    return NULL;
}

static tb_status
read_functions(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    tb_flatvec signatures = tb_flatread_vector(f, root, M_SIGNATURES, 4);
    tb_flatvec v = tb_flatread_vector(f, root, M_DESCRIPTORS, DESCRIPTOR_BYTES);
    tb_flatvec code = tb_flatread_vector(f, root, M_CODE, 1);
    CHECK_FLAT(f);
    if (signatures.n != v.n)
        return tb_status_make(TB_CORRUPT, "damaged module: %u functions, %u signatures", v.n,
                              signatures.n);
    if (!(m->fns = array(v, sizeof *m->fns)))
        return no_memory();
    for (m->n_fns = 0; m->n_fns < v.n; m->n_fns++) {
        tb_vm_fn *fn = &m->fns[m->n_fns];
        TRY(read_descriptor(m, f->at + v.at + DESCRIPTOR_BYTES * m->n_fns, code, fn));
        fn->attrs = tb_flatread_element(f, signatures, m->n_fns);
        const char *cconv = tb_flatread_text(f, fn->attrs, 0);
        CHECK_FLAT(f);
        TRY(check_attrs(f, fn->attrs));
        if (!tb_vm_cconv_parse(cconv, &fn->cconv) || fn->cconv.lists)
            return tb_status_make(TB_CORRUPT,
                                  "damaged module: function %u has the calling convention "
                                  "'%.80s'",
                                  m->n_fns, cconv);
        if (fn->cconv.arg_i32 > fn->n_i32 || fn->cconv.arg_ref > fn->n_ref)
            return tb_status_make(TB_CORRUPT,
                                  "damaged module: function %u has arguments '%.80s' and only "
                                  "%u and %u registers",
                                  m->n_fns, cconv, fn->n_i32, fn->n_ref);
    }
    return NULL;
}

static tb_status
read_exports(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    tb_flatvec v = tb_flatread_vector(f, root, M_EXPORTS, 4);
    if (!(m->exports = array(v, sizeof *m->exports)))
        return no_memory();
    for (m->n_exports = 0; m->n_exports < v.n; m->n_exports++) {
        uint32_t t = tb_flatread_element(f, v, m->n_exports);
        tb_vm_export *e = &m->exports[m->n_exports];
        *e = (tb_vm_export){tb_flatread_text(f, t, 0), tb_flatread_u32(f, t, 1, 0)};
        CHECK_FLAT(f);
        if (!*e->name || e->fn >= m->n_fns)
            return tb_status_make(TB_CORRUPT,
                                  "damaged module: export '%.60s' is function %u of %u",
                                  e->name, (unsigned)e->fn, m->n_fns);
        if (!m->fns[e->fn].name)
            m->fns[e->fn].name = e->name;
    }
    return NULL;
}

static tb_status
read_rodata(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    size_t base = (size_t)(f->at - m->bytes) + f->n;
    base = TB_ALIGN_UP(base, RODATA_ALIGN);
    tb_flatvec v = tb_flatread_vector(f, root, M_RODATA, 4);
    if (!(m->rodata = array(v, sizeof *m->rodata)))
        return no_memory();
    for (m->n_rodata = 0; m->n_rodata < v.n; m->n_rodata++) {
        uint32_t t = tb_flatread_element(f, v, m->n_rodata);
        CHECK_FLAT(f);
        if (tb_flatread_u8(f, t, 0) > 1)
            return tb_status_make(TB_UNSUPPORTED, "constant %u is compressed", m->n_rodata);
        if (tb_flatread_has(f, t, 2)) {
            tb_flatvec bytes = tb_flatread_vector(f, t, 2, 1);
            CHECK_FLAT(f);
            m->rodata[m->n_rodata] = (tb_vm_bytes){f->at + bytes.at, bytes.n};
            continue;
        }
        uint64_t at = tb_flatread_u64(f, t, 3), n = tb_flatread_u64(f, t, 4);
        CHECK_FLAT(f);
        if (base > m->n_bytes || at > m->n_bytes - base || n > m->n_bytes - base - at)
            return tb_status_make(TB_CORRUPT,
                                  "damaged module: constant %u lies outside of the file, which "
                                  "may be cut short",
                                  m->n_rodata);
        m->rodata[m->n_rodata] = (tb_vm_bytes){m->bytes + base + at, (size_t)n};
    }
    return NULL;
}

static tb_status
read_state(tb_vm_module *m, uint32_t root)
{
    tb_flatread *f = &m->flat;
    uint32_t t = tb_flatread_table(f, root, M_STATE);
    m->global_bytes = tb_flatread_u32(f, t, 0, 0);
    m->n_global_refs = tb_flatread_u32(f, t, 1, 0);
    CHECK_FLAT(f);
    if (m->global_bytes > TB_VM_MAX_GLOBAL_BYTES || m->n_global_refs > TB_VM_MAX_GLOBAL_REFS)
        return tb_status_make(TB_UNSUPPORTED,
                              "the module has globals of %u bytes and %u references; %d and "
                              "%d are the most",
                              m->global_bytes, m->n_global_refs, TB_VM_MAX_GLOBAL_BYTES,
                              TB_VM_MAX_GLOBAL_REFS);
    return NULL;
}

static tb_status
read_version(tb_vm_module *m, uint32_t root)
{
    const tb_iree_release *release = tb_iree_release_find(NULL);
    uint32_t has = tb_flatread_u32(&m->flat, root, M_VERSION, 0), want = release->bytecode;
    uint32_t features = tb_flatread_u32(&m->flat, root, M_REQUIREMENTS, 0);

    m->version = tb_flatread_u32(&m->flat, root, M_MODULE_VERSION, 0);
    m->bytecode = has;
    CHECK_FLAT(&m->flat);
    if (has >> 16 != want >> 16 || (has & 0xffff) > (want & 0xffff))
        return tb_status_make(TB_INCOMPATIBLE,
                              "the module's bytecode is %u.%u; this runtime reads %u.%u, that "
                              "of IREE %s",
                              has >> 16, has & 0xffff, want >> 16, want & 0xffff,
                              release->name);
    if (features & ~(uint32_t)FEATURES)
        return tb_status_make(TB_UNSUPPORTED, "the module asks for the feature bits 0x%x",
                              (unsigned)features);
    return NULL;
}

static tb_status
read_all(tb_vm_module *m)
{
    size_t at;
    if (!find_prefix(m->bytes, m->n_bytes, &at))
        return corrupt("the file is cut short");
    uint32_t n = tb_get32(m->bytes + at);
    if (n > m->n_bytes - at - 4)
        return corrupt("the file is cut short");
    m->flat = (tb_flatread){.at = m->bytes + at + 4, .n = n};
    uint32_t root = tb_flatread_root(&m->flat, "IREE");
    m->name = tb_flatread_text(&m->flat, root, M_NAME);
    CHECK_FLAT(&m->flat);
    if (!*m->name)
        return corrupt("it has no name");
    TRY(read_version(m, root));
    TRY(read_types(m, root));
    TRY(read_dependencies(m, root));
    TRY(read_imports(m, root));
    TRY(read_functions(m, root));
    TRY(read_exports(m, root));
    TRY(read_rodata(m, root));
    TRY(read_state(m, root));
    CHECK_FLAT(&m->flat);
    return tb_vm_verify(m);
}

/* ---- life ---- */
static void
destroy(tb_vm_object *o)
{
    tb_vm_module *m = (tb_vm_module *)o;

    tb_heap_free(m->types);
    tb_heap_free(m->imports);
    tb_heap_free(m->exports);
    tb_heap_free(m->dependencies);
    tb_heap_free(m->rodata);
    tb_heap_free(m->fns);
    if (m->mapped)
        tb_unmap_file(m->bytes, m->n_bytes);
    else if (m->release)
        m->release(m->user);
    tb_heap_free(m);
}

static const tb_vm_type module_type = {"vm.module", destroy};

static tb_status
load(const void *bytes, size_t n, bool mapped, void (*release)(void *user), void *user,
     tb_vm_module **out)
{
    tb_vm_module *m = tb_heap(1, sizeof *m);

    *out = NULL;
    if (!m) {
        if (mapped)
            tb_unmap_file(bytes, n);
        else if (release)
            release(user);
        return no_memory();
    }
    tb_vm_object_init(&m->base, &module_type);
    m->bytes = bytes;
    m->n_bytes = n;
    m->mapped = mapped;
    m->release = release;
    m->user = user;
    tb_status st = read_all(m);
    if (st)
        tb_vm_release(&m->base);
    else
        *out = m;
    return st;
}

tb_status
tb_vm_module_load_memory(const void *bytes, size_t n, void (*release)(void *user), void *user,
                         tb_vm_module **out)
{
    return load(bytes, n, false, release, user, out);
}

tb_status
tb_vm_module_load_file(const char *path, tb_vm_module **out)
{
    const uint8_t *bytes;
    size_t n;

    *out = NULL;
    TRY(tb_map_file(path, &bytes, &n));
    return tb_status_in_file(load(bytes, n, true, NULL, NULL, out), path);
}

tb_vm_module *
tb_vm_module_retain(tb_vm_module *m)
{
    tb_vm_retain(&m->base);
    return m;
}

void
tb_vm_module_release(tb_vm_module *m)
{
    if (m)
        tb_vm_release(&m->base);
}

/* ---- what it says about itself ---- */
const char *
tb_vm_module_name(const tb_vm_module *m)
{
    return m->name;
}

uint32_t
tb_vm_module_export_count(const tb_vm_module *m)
{
    return m->n_exports;
}

const char *
tb_vm_module_export_name(const tb_vm_module *m, uint32_t i)
{
    return m->exports[i].name;
}

const char *
tb_vm_module_export_cconv(const tb_vm_module *m, uint32_t i)
{
    return m->fns[m->exports[i].fn].cconv.text;
}

int
tb_vm_module_find_export(const tb_vm_module *m, const char *name)
{
    for (uint32_t i = 0; i < m->n_exports; i++)
        if (strcmp(m->exports[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *
tb_vm_module_export_attr(const tb_vm_module *m, uint32_t i, const char *key)
{
    tb_flatread f = m->flat;
    tb_flatvec v = tb_flatread_vector(&f, m->fns[m->exports[i].fn].attrs, 1, 4);
    for (uint32_t k = 0; k < v.n; k++) {
        uint32_t t = tb_flatread_element(&f, v, k);
        if (strcmp(tb_flatread_text(&f, t, 0), key) == 0)
            return tb_flatread_text(&f, t, 1);
    }
    return NULL;
}

uint32_t
tb_vm_module_import_count(const tb_vm_module *m)
{
    return m->n_imports;
}

const char *
tb_vm_module_import_name(const tb_vm_module *m, uint32_t i)
{
    return m->imports[i].name;
}

uint32_t
tb_vm_module_dependency_count(const tb_vm_module *m)
{
    return m->n_dependencies;
}

const char *
tb_vm_module_dependency_name(const tb_vm_module *m, uint32_t i)
{
    return m->dependencies[i].name;
}
