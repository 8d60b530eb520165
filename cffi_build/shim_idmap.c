/*
 * Id-mapped mounts (mount_setattr(2)): made in the host's namespaces, by whom the filesystems belong to, before there is
 * a container; ocipy-init only attaches them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#define CLONE_TREE 1     /* OPEN_TREE_CLONE, which glibc and the kernel's header both define */
#define RECURSIVE 0x8000 /* AT_RECURSIVE */

static int write_map(long pid, const char *name, const char *map) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, map, strlen(map));
  int error = errno;
  close(fd);
  errno = error;
  return written < 0 ? -1 : 0;
}

static int open_namespace(long pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/ns/user", pid);
  return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * A descriptor of a new user namespace with these maps, or -errno.  It takes a process to make one, which does nothing
 * but wait to be killed.
 */
int ocipy_user_namespace(const char *uid_map, const char *gid_map) {
  sigset_t all, before;
  int fd = -1;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of the runtime's may run in the child */
  long pid = ocipy_clone(CLONE_NEWUSER, -1);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;) pause();
  }
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) return -error;
  if (write_map(pid, "uid_map", uid_map) == 0 && write_map(pid, "gid_map", gid_map) == 0) fd = open_namespace(pid);
  error = errno;
  kill((pid_t)pid, SIGKILL);
  while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) continue;
  return fd < 0 ? -error : fd;
}

/* A detached copy of the mount at path (and of those below it), or -errno. */
int ocipy_clone_tree(const char *path, int recursive) {
  unsigned flags = CLONE_TREE | O_CLOEXEC | (recursive ? RECURSIVE : 0);
  long fd = syscall(SYS_open_tree, AT_FDCWD, path, flags);
  return fd < 0 ? -errno : (int)fd;
}

static int change_tree(int tree_fd, int recursive, struct mount_attr *attr) {
  unsigned flags = AT_EMPTY_PATH | (recursive ? RECURSIVE : 0);
  return syscall(SYS_mount_setattr, tree_fd, "", flags, attr, sizeof *attr) < 0 ? -errno : 0;
}

/* Map the ids of a detached mount (and of those below it) as the user namespace does; 0 or -errno. */
int ocipy_map_tree(int tree_fd, int recursive, int user_namespace_fd) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace_fd};
  return change_tree(tree_fd, recursive, &attr);
}

/* Make a detached tree's mounts slaves of what they are copies of; 0 or -errno. */
int ocipy_enslave_tree(int tree_fd) {
  struct mount_attr attr = {.propagation = MS_SLAVE};
  return change_tree(tree_fd, 1, &attr);
}
