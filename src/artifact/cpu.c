/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * cpu.c -- CPU levels, and what this machine can run.
 *
 * Levels up to x86_64-v4 are those of the x86-64 psABI; the finer ones add what matrix
 * products use. Levels of one architecture are ordered, best first.
 */
#include "artifact/cpu.h"

#include <stdatomic.h>

#include "artifact/artifact.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

/* 512-bit vectors are what kernels ask for: the default tuning would split them. */
#define WIDE "-prefer-256-bit"
#define X86 "x86_64-unknown-linux-gnu"
#define ARM64 "aarch64-unknown-linux-gnu"
#define ARM32 "armv7-unknown-linux-gnueabihf"
#define RISCV "riscv64-unknown-linux-gnu"
#define WASM "wasm32-unknown-unknown"
/* What every engine has since 2021; "generic" means other things in every LLVM. */
#define WASM_2 "+bulk-memory,+mutable-globals,+nontrapping-fptoint,+sign-ext"
/* No linker will relax calls; scalar accesses need no alignment in user mode, which Linux
 * guarantees and LLVM does not expect. */
#define RV64GC "+m,+a,+f,+d,+c,-relax,+unaligned-scalar-mem"
enum {
    ARM_HARD_FLOAT = 0x05000400, /* EABI version 5 */
    RISCV_DOUBLE_FLOAT = 0x5     /* and compressed instructions */
};

static const tb_cpu_level levels[] = {
    {"x86_64-v4-amx", X86, "x86-64-v4",
     WIDE ",+avx512vnni,+avx512bf16,+amx-tile,+amx-bf16,+amx-int8", "", TB_EM_X86_64, 0,
     TB_CPU_V4_AMX},
    {"x86_64-v4-bf16", X86, "x86-64-v4", WIDE ",+avx512vnni,+avx512bf16", "", TB_EM_X86_64,
     0, TB_CPU_V4_BF16},
    {"x86_64-v4", X86, "x86-64-v4", WIDE, "", TB_EM_X86_64, 0, TB_CPU_V4},
    {"x86_64-v3", X86, "x86-64-v3", "", "", TB_EM_X86_64, 0, TB_CPU_V3},
    {"x86_64-v2", X86, "x86-64-v2", "", "", TB_EM_X86_64, 0, TB_CPU_V2},
    {"x86_64", X86, "x86-64", "", "", TB_EM_X86_64, 0, 0},
    {"aarch64", ARM64, "generic", "+neon", "", TB_EM_AARCH64, 0, TB_CPU(NEON)},
    {"armv7-neon", ARM32, "generic", "+vfp3,+neon", "", TB_EM_ARM, ARM_HARD_FLOAT,
     TB_CPU(ARM32_NEON)},
    {"armv7", ARM32, "generic", "+vfp3d16,-neon,-d32", "", TB_EM_ARM, ARM_HARD_FLOAT, 0},
    {"riscv64-v", RISCV, "generic-rv64", RV64GC ",+v,+zvl128b,+unaligned-vector-mem", "lp64d",
     TB_EM_RISCV, RISCV_DOUBLE_FLOAT, TB_CPU(RVV)},
    {"riscv64", RISCV, "generic-rv64", RV64GC, "lp64d", TB_EM_RISCV, RISCV_DOUBLE_FLOAT, 0},
    {"wasm32-simd128", WASM, "mvp", WASM_2 ",+simd128", "", TB_EM_WASM32, 0,
     TB_CPU(SIMD128)},
    {"wasm32", WASM, "mvp", WASM_2, "", TB_EM_WASM32, 0, 0},
};

const tb_cpu_level *
tb_cpu_levels(size_t *n)
{
    *n = TB_COUNT(levels);
    return levels;
}

const tb_cpu_level *
tb_cpu_find(const char *name)
{
    for (size_t i = 0; i < TB_COUNT(levels); i++)
        if (strcmp(levels[i].name, name) == 0)
            return &levels[i];
    return NULL;
}

const tb_cpu_level *
tb_cpu_host(void)
{
    for (size_t i = 0; i < TB_COUNT(levels); i++)
        if (levels[i].machine == tb_cpu_machine() &&
            (levels[i].features & ~tb_cpu_features()) == 0 && tb_cpu_pays(levels[i].features))
            return &levels[i];
    return NULL;
}

bool
tb_cpu_is_32bit(uint32_t machine)
{
    return machine == TB_EM_ARM || machine == TB_EM_WASM32;
}

const char *
tb_cpu_feature_name(uint32_t machine, int bit)
{
    static const struct {
        uint16_t machine;
        uint8_t bit;
        const char *name;
    } rows[] = {
#define X(name, bit, text) {TB_EM_X86_64, bit, text},
        TB_CPU_X86_FEATURES(X)
#undef X
#define X(name, bit, text) {TB_EM_AARCH64, bit, text},
        TB_CPU_ARM_FEATURES(X)
#undef X
#define X(name, bit, text) {TB_EM_ARM, bit, text},
        TB_CPU_ARM32_FEATURES(X)
#undef X
#define X(name, bit, text) {TB_EM_RISCV, bit, text},
        TB_CPU_RISCV_FEATURES(X)
#undef X
#define X(name, bit, text) {TB_EM_WASM32, bit, text},
        TB_CPU_WASM_FEATURES(X)
#undef X
    };
    for (size_t i = 0; i < TB_COUNT(rows); i++)
        if (rows[i].machine == machine && rows[i].bit == bit)
            return rows[i].name;
    return "an unknown feature";
}

/* ---- names of targets ---- */
static bool
is_level(const tb_cpu_level *l, tb_str arch, tb_str suffix)
{
    size_t n = strlen(l->name);
    if (suffix.len == 0)
        return tb_str_is(arch, l->name);
    return n == arch.len + 1 + suffix.len && memcmp(l->name, arch.ptr, arch.len) == 0 &&
           l->name[arch.len] == '-' &&
           memcmp(l->name + arch.len + 1, suffix.ptr, suffix.len) == 0;
}

static bool
add_level(tb_str arch, tb_str suffix, bool wanted[TB_COUNT(levels)])
{
    for (size_t i = 0; i < TB_COUNT(levels); i++)
        if (is_level(&levels[i], arch, suffix))
            return wanted[i] = true;
    return false;
}

static bool
add_levels(const char *target, bool wanted[TB_COUNT(levels)])
{
    tb_str arch = {target, strcspn(target, "-")};
    const char *at = target + arch.len;
    if (strncmp(at, "-linux", 6) == 0 && (at[6] == '-' || !at[6]))
        at += 6;
    if (!*at)
        return add_level(arch, TB_STR(""), wanted);
    do {
        size_t n = strcspn(++at, "+");
        if (n == 0 || !add_level(arch, (tb_str){at, n}, wanted))
            return false;
        at += n;
    } while (*at);
    return true;
}

tb_status
tb_cpu_parse(const char *target, const tb_cpu_level *out[TB_CPU_MAX_LEVELS], size_t *n)
{
    bool wanted[TB_COUNT(levels)] = {false};
    *n = 0;
    if (strcmp(target, "host") == 0) {
        if (!tb_cpu_host())
            return tb_status_make(TB_UNSUPPORTED, "no code can be made for this machine");
        out[(*n)++] = tb_cpu_host();
        return NULL;
    }
    if (!add_levels(target, wanted))
        return tb_status_make(TB_NOT_FOUND,
                              "unknown target '%s'; examples are host, x86_64-linux-v3+v4 and "
                              "aarch64-linux, and turbine-compile --list-targets names all",
                              target);
    for (size_t i = 0; i < TB_COUNT(levels) && *n < TB_CPU_MAX_LEVELS; i++)
        if (wanted[i])
            out[(*n)++] = &levels[i];
    return NULL;
}

uint16_t
tb_cpu_machine(void)
{
#if defined(__x86_64__)
    return TB_EM_X86_64;
#elif defined(__aarch64__)
    return TB_EM_AARCH64;
#elif defined(__arm__) && __ARM_ARCH >= 7
    return TB_EM_ARM;
#elif defined(__riscv) && __riscv_xlen == 64
    return TB_EM_RISCV;
#elif defined(__wasm32__)
    return TB_EM_WASM32;
#else
    return 0;
#endif
}

/* Besides the bits of features. Intel's processors since Golden Cove, which are those with
 * AVX512-FP16, take four micro-operations for a vdpbf16ps: half the speed of two FMA. Cooper
 * Lake and AMD's since Zen 4 take one. */
#define VALID (UINT64_C(1) << 63)
#define SLOW_DOT (UINT64_C(1) << 62)

#if defined(__x86_64__)
/* The register sets the operating system saves on a context switch (XCR0). */
static uint64_t
saved_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* Linux gives the 8 KiB of tile registers to a process that asked once. */
static bool
tiles_allowed(void)
{
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

static bool
is_intel(void)
{
    uint32_t a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == 0x756e6547; /* "Genu" */
}

static uint64_t
detect(void)
{
    enum { XMM_YMM = 0x6, ZMM = 0xe6, TILES = 0x60000 }; /* in XCR0 */
    uint32_t a, b, c, d;
    uint64_t f = 0, state = 0;
#define HAS(reg, bit, name) f |= (uint64_t)((reg) >> (bit)&1) << TB_CPU_##name##_BIT

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    HAS(c, 0, SSE3);
    HAS(c, 9, SSSE3);
    HAS(c, 13, CX16);
    HAS(c, 19, SSE41);
    HAS(c, 20, SSE42);
    HAS(c, 22, MOVBE);
    HAS(c, 23, POPCNT);
    if (c >> 27 & 1) /* OSXSAVE: xgetbv exists */
        state = saved_state();
    bool ymm = (state & XMM_YMM) == XMM_YMM, zmm = (state & ZMM) == ZMM;
    bool tiles = (state & TILES) == TILES;
    if (ymm) {
        HAS(c, 12, FMA);
        HAS(c, 28, AVX);
        HAS(c, 29, F16C);
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        uint32_t subleaves = a;
        HAS(b, 3, BMI1);
        HAS(b, 8, BMI2);
        if (ymm)
            HAS(b, 5, AVX2);
        if (zmm) {
            HAS(b, 16, AVX512F);
            HAS(b, 17, AVX512DQ);
            HAS(b, 28, AVX512CD);
            HAS(b, 30, AVX512BW);
            HAS(b, 31, AVX512VL);
            HAS(c, 11, AVX512_VNNI);
        }
        if (tiles && d >> 24 & 1 && tiles_allowed()) {
            HAS(d, 22, AMX_BF16);
            HAS(d, 24, AMX_TILE);
            HAS(d, 25, AMX_INT8);
        }
        bool fp16 = d >> 23 & 1;
        if (zmm && subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
            HAS(a, 5, AVX512_BF16);
        if (fp16 && is_intel())
            f |= SLOW_DOT;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
        HAS(c, 0, LAHF);
        HAS(c, 5, LZCNT);
    }
#undef HAS
    return f;
}
#elif defined(__aarch64__) && defined(__linux__)
static uint64_t
detect(void)
{
    unsigned long a = getauxval(AT_HWCAP), b = getauxval(AT_HWCAP2);
    uint64_t f = 0;
#define HAS(word, bit, name) f |= (uint64_t)((word) >> (bit)&1) << TB_CPU_##name##_BIT
    HAS(a, 1, NEON);
    HAS(a, 10, FP16);
    HAS(a, 20, DOTPROD);
    HAS(a, 22, SVE);
    HAS(b, 13, I8MM);
    HAS(b, 14, ARM_BF16);
#undef HAS
    return f;
}
#elif defined(__aarch64__)
static uint64_t
detect(void)
{
    return TB_CPU(NEON); /* part of the architecture */
}
#elif defined(__arm__) && defined(__linux__)
static uint64_t
detect(void)
{
    return (uint64_t)(getauxval(AT_HWCAP) >> 12 & 1) << TB_CPU_ARM32_NEON_BIT;
}
#elif defined(__riscv) && defined(__linux__)
static uint64_t
detect(void)
{
    return (uint64_t)(getauxval(AT_HWCAP) >> ('v' - 'a') & 1) << TB_CPU_RVV_BIT;
}
#else
static uint64_t
detect(void)
{
    return 0;
}
#endif

/* CPUID traps in virtual machines, so the answer is kept. All threads find the same. */
static uint64_t
known_features(void)
{
    static _Atomic uint64_t known;
    uint64_t f = atomic_load_explicit(&known, memory_order_relaxed);

    if (!f) {
        f = detect() | VALID;
        atomic_store_explicit(&known, f, memory_order_relaxed);
    }
    return f;
}

uint64_t
tb_cpu_features(void)
{
    return known_features() & ~(VALID | SLOW_DOT);
}

bool
tb_cpu_pays(uint64_t features)
{
    return !(features & TB_CPU(AVX512_BF16)) || (features & TB_CPU(AMX_BF16)) ||
           !(known_features() & SLOW_DOT);
}
