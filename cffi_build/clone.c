/* What becoming a process of the container takes, before and after the execve of ocipy-init. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* clone3(2), as a fork; clone(2) where a kernel or a filter around us doesn't know it. */
long ocipy_clone(uint64_t flags, int cgroup_fd) {
  struct clone_args args = {.flags = flags};
  if (!(flags & CLONE_PARENT)) args.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)cgroup_fd;
  }
  long pid = syscall(SYS_clone3, &args, sizeof args);
#ifndef __s390__ /* whose clone takes its arguments in another order */
  if (pid < 0 && errno == ENOSYS && cgroup_fd < 0 && !(flags & CLONE_NEWTIME))
    pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
#endif
  return pid;
}

/* Raw system calls: glibc's wrappers would signal the other threads, which a copy of the runtime doesn't have. */
int ocipy_become_root(const char **failed) {
  int gid_error = syscall(SYS_setresgid, 0, 0, 0) < 0 ? errno : 0;
  *failed = "setresgid to the user namespace's root";
  if (gid_error && gid_error != EINVAL) return -1;
  *failed = "setgroups";
  /* EPERM: setgroups is denied in this user namespace (user_namespaces(7)), and the groups stay. */
  if (!gid_error && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM) return -1;
  *failed = "setresuid to the user namespace's root";
  if (syscall(SYS_setresuid, 0, 0, 0) == 0) return 0;
  return errno == EINVAL ? 1 : -1;
}
