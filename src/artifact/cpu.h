/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * cpu.h -- CPU feature bits. The numbers are part of the artifact format: an image says
 * with them what its code needs. A bit is set by tb_cpu_features() only if the operating
 * system saves the registers that belong to the feature. Bits mean different things on
 * different architectures; images are compared by architecture first.
 */
#pragma once
#include <stdint.h>

/*   name, bit, as /proc/cpuinfo spells it */
#define TB_CPU_X86_FEATURES(X)                                                           \
    X(SSE3, 0, "pni")                                                                    \
    X(SSSE3, 1, "ssse3")                                                                 \
    X(SSE41, 2, "sse4_1")                                                                \
    X(SSE42, 3, "sse4_2")                                                                \
    X(POPCNT, 4, "popcnt")                                                               \
    X(CX16, 5, "cx16")                                                                   \
    X(LAHF, 6, "lahf_lm")                                                                \
    X(AVX, 7, "avx")                                                                     \
    X(AVX2, 8, "avx2")                                                                   \
    X(FMA, 9, "fma")                                                                     \
    X(F16C, 10, "f16c")                                                                  \
    X(BMI1, 11, "bmi1")                                                                  \
    X(BMI2, 12, "bmi2")                                                                  \
    X(LZCNT, 13, "abm")                                                                  \
    X(MOVBE, 14, "movbe")                                                                \
    X(AVX512F, 15, "avx512f")                                                            \
    X(AVX512BW, 16, "avx512bw")                                                          \
    X(AVX512CD, 17, "avx512cd")                                                          \
    X(AVX512DQ, 18, "avx512dq")                                                          \
    X(AVX512VL, 19, "avx512vl")                                                          \
    X(AVX512_VNNI, 20, "avx512_vnni")                                                    \
    X(AVX512_BF16, 21, "avx512_bf16")                                                    \
    X(AMX_TILE, 22, "amx_tile")                                                          \
    X(AMX_BF16, 23, "amx_bf16")                                                          \
    X(AMX_INT8, 24, "amx_int8")

#define TB_CPU_ARM_FEATURES(X)                                                           \
    X(NEON, 0, "asimd")                                                                  \
    X(FP16, 1, "asimdhp")                                                                \
    X(DOTPROD, 2, "asimddp")                                                             \
    X(SVE, 3, "sve")                                                                     \
    X(I8MM, 4, "i8mm")                                                                   \
    X(ARM_BF16, 5, "bf16")

/* AArch32; every processor for which there are images has VFPv3. */
#define TB_CPU_ARM32_FEATURES(X) X(ARM32_NEON, 0, "neon")

/* RV64; every processor for which there are images has I, M, A, F, D and C. */
#define TB_CPU_RISCV_FEATURES(X) X(RVV, 0, "v")

#define TB_CPU_WASM_FEATURES(X) X(SIMD128, 0, "simd128")

#define X(name, bit, text) TB_CPU_##name##_BIT = bit,
enum { TB_CPU_X86_FEATURES(X) TB_CPU_X86_END };
enum { TB_CPU_ARM_FEATURES(X) TB_CPU_ARM_END };
enum { TB_CPU_ARM32_FEATURES(X) TB_CPU_ARM32_END };
enum { TB_CPU_RISCV_FEATURES(X) TB_CPU_RISCV_END };
enum { TB_CPU_WASM_FEATURES(X) TB_CPU_WASM_END };
#undef X
#define TB_CPU(name) (UINT64_C(1) << TB_CPU_##name##_BIT)

#define TB_CPU_V2                                                                        \
    (TB_CPU(SSE3) | TB_CPU(SSSE3) | TB_CPU(SSE41) | TB_CPU(SSE42) | TB_CPU(POPCNT) |      \
     TB_CPU(CX16) | TB_CPU(LAHF))
#define TB_CPU_V3                                                                        \
    (TB_CPU_V2 | TB_CPU(AVX) | TB_CPU(AVX2) | TB_CPU(FMA) | TB_CPU(F16C) |               \
     TB_CPU(BMI1) | TB_CPU(BMI2) | TB_CPU(LZCNT) | TB_CPU(MOVBE))
#define TB_CPU_V4                                                                        \
    (TB_CPU_V3 | TB_CPU(AVX512F) | TB_CPU(AVX512BW) | TB_CPU(AVX512CD) |                 \
     TB_CPU(AVX512DQ) | TB_CPU(AVX512VL))
#define TB_CPU_V4_BF16 (TB_CPU_V4 | TB_CPU(AVX512_VNNI) | TB_CPU(AVX512_BF16))
#define TB_CPU_AMX (TB_CPU(AMX_TILE) | TB_CPU(AMX_BF16) | TB_CPU(AMX_INT8))
#define TB_CPU_V4_AMX (TB_CPU_V4_BF16 | TB_CPU_AMX)

/* ELF's e_machine. WebAssembly has none: its number is our own. */
enum {
    TB_EM_ARM = 40,
    TB_EM_X86_64 = 62,
    TB_EM_AARCH64 = 183,
    TB_EM_RISCV = 243,
    TB_EM_WASM32 = 0xf032
};
