/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* processor.c -- what IREE asks about the processor, answered in its numbers. */
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "artifact/artifact.h"
#include "artifact/cpu.h"
#include "hal/internal.h"
#include "vm/processor.h"

/* Features that our own images do not use: asked of the C compiler's library, which knows what
 * the operating system saves. */
static bool
has_other(tb_vm_feature f)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    switch (f) {
    case TB_VM_SSE4A:
        return __builtin_cpu_supports("sse4a");
    case TB_VM_FMA4:
        return __builtin_cpu_supports("fma4");
    case TB_VM_XOP:
        return __builtin_cpu_supports("xop");
    case TB_VM_AVX512IFMA:
        return __builtin_cpu_supports("avx512ifma");
    case TB_VM_AVX512VBMI:
        return __builtin_cpu_supports("avx512vbmi");
    case TB_VM_AVX512VPOPCNTDQ:
        return __builtin_cpu_supports("avx512vpopcntdq");
    case TB_VM_AVX512VBMI2:
        return __builtin_cpu_supports("avx512vbmi2");
    case TB_VM_AVX512BITALG:
        return __builtin_cpu_supports("avx512bitalg");
    case TB_VM_AVX512FP16:
        return tb_cpu_features() & TB_CPU(AVX512F) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
               d >> 23 & 1;
    default:
        return false;
    }
#else
    (void)f;
    return false;
#endif
}

static bool
has(const tb_vm_feature_row *row)
{
    return row->ours >= 0 ? tb_cpu_features() >> row->ours & 1 : has_other(row->id);
}

void
tb_hal_processor(uint64_t data[TB_HAL_PROCESSOR_WORDS])
{
    size_t n;
    const tb_vm_feature_row *rows = tb_vm_features(&n);

    memset(data, 0, TB_HAL_PROCESSOR_WORDS * sizeof *data);
    for (size_t i = 0; i < n; i++)
        if (rows[i].machine == tb_cpu_machine() && has(&rows[i]))
            data[0] |= UINT64_C(1) << rows[i].bit;
}

bool
tb_hal_processor_has(tb_str key, int64_t *value)
{
    size_t n;
    const tb_vm_feature_row *rows = tb_vm_features(&n);

    for (size_t i = 0; i < n; i++)
        if (rows[i].machine == tb_cpu_machine() && tb_str_is(key, rows[i].key)) {
            *value = has(&rows[i]);
            return true;
        }
    return false;
}
