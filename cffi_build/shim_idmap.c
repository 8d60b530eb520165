/* Mounts that take more rights than ocipy-init has, which only attaches them: id-mapped ones (mount_setattr(2)). */
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#define CLONE_TREE 1     /* OPEN_TREE_CLONE, which glibc and the kernel's header both define */
#define RECURSIVE 0x8000 /* AT_RECURSIVE */

/*
 * In a helper, the first of all: it ends with the thread that it works for.  No handler of the runtime's may run in it,
 * which is why it starts with all signals blocked.
 */
static void live_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(1); /* it was faster */
}

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
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  long pid = ocipy_clone(CLONE_NEWUSER, -1);
  if (pid == 0) {
    live_with(parent);
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

/* What the helper below was at when it failed: its index is in the upper half of the error. */
enum { AT_FORK, AT_SETNS, AT_OPEN_TREE, AT_SETATTR, AT_SEND };

struct tree_request {
  int mount_namespace_fd, user_namespace_fd, recursive, nofollow, map_all;
  const char *source;
};

static int send_tree(int socket_fd, int error, int fd) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec payload = {&error, sizeof error};
  struct msghdr message = {.msg_iov = &payload, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* In the helper: system calls only. */
static int make_tree(const struct tree_request *request, int *stage) {
  unsigned flags = CLONE_TREE | O_CLOEXEC | (request->recursive > 0 ? RECURSIVE : 0);
  if (request->nofollow) flags |= AT_SYMLINK_NOFOLLOW;
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)request->user_namespace_fd};
  *stage = AT_SETNS;
  if (setns(request->mount_namespace_fd, CLONE_NEWNS) < 0) return -1;
  *stage = AT_OPEN_TREE;
  if (request->recursive < 0) return open(request->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, request->source, flags);
  if (tree < 0 || request->user_namespace_fd < 0) return tree;
  *stage = AT_SETATTR;
  flags = AT_EMPTY_PATH | (request->map_all ? RECURSIVE : 0);
  return syscall(SYS_mount_setattr, tree, "", flags, &attr, sizeof attr) < 0 ? -1 : tree;
}

static int receive_tree(int socket_fd) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  int error = AT_SEND << 16 | EPIPE, fd;
  struct iovec payload = {&error, sizeof error};
  struct msghdr message = {
      .msg_iov = &payload, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got;
  while ((got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
  struct cmsghdr *header = got == sizeof error && error == 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (!header) return -(error ? error : AT_SEND << 16 | EMFILE); /* none: no descriptor was left for what came */
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

/*
 * A detached mount of the source, with its ids mapped unless the user namespace is -1, or -(stage << 16 | errno).  With
 * recursive -1 just the directory, opened (O_PATH).
 *
 * It takes the rights of whom the filesystem belongs to, and the container's mount namespace: a copy of a mount of the
 * host's namespace would be without the locks on read-only and the like, which the root of a user namespace could then
 * take off (mount_namespaces(7)).  A process with threads can't change its mount namespace, so another one does it.
 */
int ocipy_mapped_tree(int mount_namespace_fd, const char *source, int recursive, int nofollow, int map_all,
                      int user_namespace_fd) {
  struct tree_request request = {mount_namespace_fd, user_namespace_fd, recursive, nofollow, map_all, source};
  sigset_t all, before;
  int ends[2], stage;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return -(AT_FORK << 16 | errno);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  long pid = ocipy_clone(0, -1);
  if (pid == 0) {
    live_with(parent);
    int tree = make_tree(&request, &stage);
    _exit(send_tree(ends[1], tree < 0 ? stage << 16 | errno : 0, tree) < 0);
  }
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  int fd = pid < 0 ? -(AT_FORK << 16 | error) : receive_tree(ends[0]);
  close(ends[0]);
  if (pid > 0)
    while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) continue;
  return fd;
}
