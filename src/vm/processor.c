/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* processor.c -- the table of features. */
#include "vm/processor.h"

#include "artifact/cpu.h"

#define X86(ours, bit, key) {TB_EM_X86_64, TB_CPU_##ours##_BIT, bit, TB_VM_OURS, key}
#define X86_MORE(id, bit, key) {TB_EM_X86_64, -1, bit, TB_VM_##id, key}
#define ARM(ours, bit, key) {TB_EM_AARCH64, TB_CPU_##ours##_BIT, bit, TB_VM_OURS, key}
static const tb_vm_feature_row rows[] = {
    X86(SSE3, 0, "sse3"),
    X86(SSSE3, 1, "ssse3"),
    X86(SSE41, 2, "sse4.1"),
    X86(SSE42, 3, "sse4.2"),
    X86_MORE(SSE4A, 4, "sse4a"),
    X86(AVX, 10, "avx"),
    X86(FMA, 11, "fma"),
    X86_MORE(FMA4, 12, "fma4"),
    X86_MORE(XOP, 13, "xop"),
    X86(F16C, 14, "f16c"),
    X86(AVX2, 15, "avx2"),
    X86(AVX512F, 20, "avx512f"),
    X86(AVX512CD, 21, "avx512cd"),
    X86(AVX512VL, 22, "avx512vl"),
    X86(AVX512DQ, 23, "avx512dq"),
    X86(AVX512BW, 24, "avx512bw"),
    X86_MORE(AVX512IFMA, 25, "avx512ifma"),
    X86_MORE(AVX512VBMI, 26, "avx512vbmi"),
    X86_MORE(AVX512VPOPCNTDQ, 27, "avx512vpopcntdq"),
    X86(AVX512_VNNI, 28, "avx512vnni"),
    X86_MORE(AVX512VBMI2, 29, "avx512vbmi2"),
    X86_MORE(AVX512BITALG, 30, "avx512bitalg"),
    X86(AVX512_BF16, 31, "avx512bf16"),
    X86_MORE(AVX512FP16, 32, "avx512fp16"),
    X86(AMX_TILE, 50, "amx-tile"),
    X86(AMX_INT8, 51, "amx-int8"),
    X86(AMX_BF16, 52, "amx-bf16"),
    ARM(FP16, 10, "fp16"),
    ARM(DOTPROD, 12, "dotprod"),
    ARM(I8MM, 13, "i8mm"),
    ARM(ARM_BF16, 14, "bf16"),
    ARM(SVE, 20, "sve"),
    {TB_EM_RISCV, TB_CPU_RVV_BIT, 21, TB_VM_OURS, "rvv"},
};

const tb_vm_feature_row *
tb_vm_features(size_t *n)
{
    *n = sizeof rows / sizeof *rows;
    return rows;
}

uint64_t
tb_vm_features_of(uint32_t machine, uint64_t features)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].machine == machine && rows[i].ours >= 0 && features >> rows[i].ours & 1)
            bits |= UINT64_C(1) << rows[i].bit;
    return bits;
}

const char *
tb_vm_executable_format(uint32_t machine)
{
    switch (machine) {
    case TB_EM_X86_64:
        return "embedded-elf-x86_64";
    case TB_EM_AARCH64:
        return "embedded-elf-arm_64";
    case TB_EM_RISCV:
        return "embedded-elf-riscv_64";
    default:
        return NULL;
    }
}
