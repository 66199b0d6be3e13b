/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* run_kernel.h -- what run_kernel.c reads, the same on every machine. */
#pragma once
#include <stdint.h>

enum { RUN_KERNEL_MAX = 8 };
typedef struct run_kernel_header {
    uint64_t n, image_bytes, entry;
    int64_t begin, end;
    int64_t sizes[RUN_KERNEL_MAX];
    uint64_t bytes[RUN_KERNEL_MAX];
} run_kernel_header;
