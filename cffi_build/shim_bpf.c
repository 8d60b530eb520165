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

static int load(const char *instructions, int count) {
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t)(uintptr_t)instructions;
  attr.insn_cnt = (uint32_t)count;
  attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
  strncpy(attr.prog_name, "ocipy_devices", sizeof attr.prog_name - 1);
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

int ocipy_attach_device_filter(int cgroup_fd, const char *instructions, int count) {
  int program = load(instructions, count);
  if (program < 0) return -errno;
  union bpf_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t)cgroup_fd;
  attr.attach_bpf_fd = (uint32_t)program;
  attr.attach_type = BPF_CGROUP_DEVICE;
  /* So that one further down, of a manager inside the container, adds to it and doesn't take its place. */
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  int result = syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) < 0 ? -errno : 0;
  close(program);
  return result;
}
