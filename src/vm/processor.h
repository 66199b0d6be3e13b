/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * processor.h -- features of processors as IREE names and numbers them, and our own numbers of
 * the same (artifact/cpu.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef enum tb_vm_feature {
    TB_VM_OURS, /* one that has a number of ours */
    TB_VM_SSE4A,
    TB_VM_FMA4,
    TB_VM_XOP,
    TB_VM_AVX512IFMA,
    TB_VM_AVX512VBMI,
    TB_VM_AVX512VPOPCNTDQ,
    TB_VM_AVX512VBMI2,
    TB_VM_AVX512BITALG,
    TB_VM_AVX512FP16
} tb_vm_feature;

typedef struct tb_vm_feature_row {
    uint16_t machine; /* ELF's */
    int8_t ours;      /* bit in tb_cpu_features(), or -1 and id says which it is */
    uint8_t bit;      /* in the first word that executables get */
    tb_vm_feature id;
    const char *key;  /* in `hal.cpu` */
} tb_vm_feature_row;

/* processor.c */
const tb_vm_feature_row *tb_vm_features(size_t *n);
/* Features (TB_CPU_*) of a machine in IREE's numbers, as executables get them. */
uint64_t tb_vm_features_of(uint32_t machine, uint64_t features);
/* The name of the format of executables for a machine, NULL if there is none. */
const char *tb_vm_executable_format(uint32_t machine);
