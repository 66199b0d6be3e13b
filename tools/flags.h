/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* flags.h -- flags of IREE's tools that are not about one call: files of flags, lists. */
#pragma once
#include "base/base.h"

/* argv with each --flagfile=FILE replaced by the flags in that file, one a line; empty lines
 * and those that begin with # are skipped. The result lives as long as the process. NULL
 * and a message on standard error if a file cannot be read. */
char **flags_expand(const char *tool, int *argc, char **argv);
/* --list_drivers, --list_devices, --dump_devices: prints and gives true. */
bool flags_listed(const char *arg);
#define FLAGS_USAGE                                                                      \
    "  --flagfile=FILE    further flags, one a line\n"                                   \
    "  --list_drivers, --list_devices, --dump_devices    what --device= takes\n"
