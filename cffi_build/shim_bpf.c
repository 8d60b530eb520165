/* Device control on cgroup v2: an eBPF program on the container's cgroup (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

#define NAME "ocipy_devices"

static int load(const char *instructions, int count) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)instructions;
  attr.insn_cnt = (uint32_t)count;
  attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
  strncpy(attr.prog_name, NAME, sizeof attr.prog_name - 1);
  int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  if (fd >= 0 || errno != EPERM) return fd;
  /* Before 5.11 programs are counted against the locked-memory limit. */
  struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY}, before;
  if (prlimit(0, RLIMIT_MEMLOCK, &unlimited, &before) < 0) return -1;
  fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
  int error = errno;
  prlimit(0, RLIMIT_MEMLOCK, &before, NULL);
  errno = error;
  return fd;
}

static int is_own(int program) {
  struct bpf_prog_info info;
  union bpf_attr attr;
  memset(&info, 0, sizeof info);
  memset(&attr, 0, sizeof attr);
  attr.info.bpf_fd = (uint32_t)program;
  attr.info.info_len = sizeof info;
  attr.info.info = (uint64_t)(uintptr_t)&info;
  return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0 && strcmp(info.name, NAME) == 0;
}

/* The program that is on the cgroup by our doing, open; systemd may have one of its own beside it. -1: none. */
static int find_own(int cgroup_fd) {
  uint32_t ids[64]; /* the most that a cgroup takes: BPF_CGROUP_MAX_PROGS */
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.query.target_fd = (uint32_t)cgroup_fd;
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
  attr.query.prog_cnt = sizeof ids / sizeof *ids;
  if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof attr) < 0) return -1;
  uint32_t count = attr.query.prog_cnt;
  for (uint32_t i = 0; i < count; i++) {
    memset(&attr, 0, sizeof attr);
    attr.prog_id = ids[i];
    int program = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr);
    if (program >= 0 && is_own(program)) return program;
    if (program >= 0) close(program);
  }
  return -1;
}

int ocipy_set_device_filter(int cgroup_fd, const char *instructions, int count) {
  int program = load(instructions, count);
  if (program < 0) return -errno;
  int old = find_own(cgroup_fd);
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup_fd;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  /* So that one further down, of a manager inside the container, adds to it and doesn't take its place. */
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  if (old >= 0) {
    /* At once: with both a device would need both, and without either none is denied. */
    attr.attach_flags |= BPF_F_REPLACE;
    attr.replace_bpf_fd = (uint32_t)old;
  }
  int result = syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) < 0 ? -errno : 0;
  close(program);
  if (old >= 0) close(old);
  return result;
}
