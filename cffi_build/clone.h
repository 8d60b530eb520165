/* What becoming a process of the container takes, before and after the execve of ocipy-init. */
#ifndef OCIPY_CLONE_H
#define OCIPY_CLONE_H

#include <stdint.h>

/* As a fork; cgroup_fd -1: in the caller's cgroup.  -1 and errno on failure. */
long ocipy_clone(uint64_t flags, int cgroup_fd);

/* Uid and gid 0 of the caller's user namespace: 0; 1 where it has no uid 0; -1 and errno, with what has failed. */
int ocipy_become_root(const char **failed);

#endif
