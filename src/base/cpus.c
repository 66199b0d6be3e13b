/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * cpus.c -- how many threads this process may use: the CPUs of its affinity mask, at most
 * its cgroup's quota (what containers set), at most OMP_NUM_THREADS.
 */
#include <stdlib.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include "base/base.h"

#if defined(__linux__)
/* Machines with more CPUs than cpu_set_t holds need a larger set. */
static int
affinity(void)
{
    for (int max = 1024; max <= 1 << 18; max *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)max);
        if (!set)
            return 0;
        size_t n = CPU_ALLOC_SIZE((size_t)max);
        int count = sched_getaffinity(0, n, set) == 0 ? CPU_COUNT_S(n, set) : 0;
        CPU_FREE(set);
        if (count)
            return count;
    }
    return 0;
}

/* Reads a line of at most 63 characters; false if there is no such file. */
static bool
read_line(const char *path, char line[64])
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fgets(line, 64, f) != NULL;
    fclose(f);
    return ok;
}

/* Quota of one cgroup folder in whole CPUs, rounded up; 0 = none. */
static int
folder_quota(const char *folder)
{
    char path[512], line[64];
    double quota = 0, period = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/cpu.max", folder) >= sizeof path)
        return 0;
    if (read_line(path, line)) { /* "max 100000" or "150000 100000" */
        if (sscanf(line, "%lf %lf", &quota, &period) != 2)
            return 0;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (!read_line(path, line) || sscanf(line, "%lf", &quota) != 1)
            return 0;
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (!read_line(path, line) || sscanf(line, "%lf", &period) != 1)
            return 0;
    }
    if (quota <= 0 || period <= 0)
        return 0;
    int n = (int)(quota / period);
    return n < quota / period ? n + 1 : n;
}

/* The smallest quota from the process's folder up to the root `top`. */
static int
smallest_quota(const char *top, const char *inner)
{
    char folder[448];
    int best = 0;
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", top, inner) >= sizeof folder)
        return 0;
    for (;;) {
        int n = folder_quota(folder);
        if (n && (!best || n < best))
            best = n;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(top) || !slash)
            return best;
        *slash = '\0';
    }
}

static int
cgroup_quota(void)
{
    char line[256];
    int best = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) { /* "0::/path" (v2), "4:cpu,cpuacct:/path" (v1) */
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        bool v2 = names[1] == '\0';
        if (!v2 && !strstr(names, "cpu"))
            continue;
        int n = smallest_quota(v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path);
        if (n && (!best || n < best))
            best = n;
    }
    fclose(f);
    return best;
}
#else
static int
affinity(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static int
cgroup_quota(void)
{
    return 0;
}
#endif

int
tb_cpus_allowed(void)
{
    const char *omp = getenv("OMP_NUM_THREADS");
    int n = affinity(), quota = cgroup_quota();
    long asked = omp ? strtol(omp, NULL, 10) : 0; /* "4,2" is a list by nesting level */
    if (quota && quota < n)
        n = quota;
    if (asked > 0 && asked < n)
        n = (int)asked;
    return n < 1 ? 1 : n > 1024 ? 1024 : n;
}
