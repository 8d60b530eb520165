/* The C functions of the extension ocipy._shim: what Python's posix module lacks. They return -errno on failure. */
#ifndef OCIPY_SHIM_H
#define OCIPY_SHIM_H

#include <stdint.h>

#include "shim.cdef.h"

/* spawn.c: clone3(2), as a fork; cgroup_fd -1: in the caller's cgroup.  -1 and errno on failure. */
long ocipy_clone(uint64_t flags, int cgroup_fd);

#endif
