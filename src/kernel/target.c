/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * target.c -- what the schedules need to know of a CPU level.
 *
 * Cache sizes are the smallest that processors of the level commonly have per core: tiles
 * chosen for them also fit the larger ones, and an artifact does not know its machine.
 */
#include "kernel/kernel.h"

static const struct {
    const char *level;
    tb_target t;
} targets[] = {
    /* Processors with AMX dot pairs of bf16 at half the speed of FMA (artifact/cpu.c). */
    {"x86_64-v4-amx", {.lanes = 16, .vregs = 32, .fma = true, .masks = true,
                       .exp2 = true, .amx = true, .bf16_round = true,
                       .l1_bytes = 48 * 1024, .l2_bytes = 2048 * 1024}},
    {"x86_64-v4-bf16", {.lanes = 16, .vregs = 32, .fma = true, .masks = true,
                        .exp2 = true, .bf16_dot = true, .bf16_round = true,
                        .l1_bytes = 32 * 1024, .l2_bytes = 1024 * 1024}},
    {"x86_64-v4", {.lanes = 16, .vregs = 32, .fma = true, .masks = true, .exp2 = true,
                   .l1_bytes = 32 * 1024, .l2_bytes = 1024 * 1024}},
    {"x86_64-v3", {.lanes = 8, .vregs = 16, .fma = true,
                   .l1_bytes = 32 * 1024, .l2_bytes = 512 * 1024}},
    {"x86_64-v2", {.lanes = 4, .vregs = 16,
                   .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"x86_64", {.lanes = 4, .vregs = 16,
                .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"aarch64", {.lanes = 4, .vregs = 32, .fma = true,
                 .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"armv7-neon", {.lanes = 4, .vregs = 16,
                    .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"armv7", {.lanes = 1, .vregs = 16,
               .l1_bytes = 16 * 1024, .l2_bytes = 128 * 1024}},
    {"riscv64-v", {.lanes = 4, .vregs = 32, .fma = true, .masks = true,
                   .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"riscv64", {.lanes = 1, .vregs = 32, .fma = true,
                 .l1_bytes = 32 * 1024, .l2_bytes = 128 * 1024}},
    {"wasm32-simd128", {.lanes = 4, .vregs = 16,
                        .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
    {"wasm32", {.lanes = 1, .vregs = 16,
                .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024}},
};

tb_target
tb_target_of(const tb_cpu_level *level)
{
    /* an unknown level gets what every processor can do */
    tb_target t = {.lanes = 1, .vregs = 16, .l1_bytes = 32 * 1024, .l2_bytes = 256 * 1024};

    for (size_t i = 0; i < TB_COUNT(targets); i++)
        if (strcmp(targets[i].level, level->name) == 0)
            t = targets[i].t;
    t.level = level;
    return t;
}
