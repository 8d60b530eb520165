/*
 * From the runtime's process to ocipy-init.
 *
 * The runtime may be a Python service with many threads, so between clone and execveat the child calls nothing but
 * system calls: no malloc, no lock, no stdio, no Python.  It is a copy (no CLONE_VM), so that not even for that moment
 * the container's namespaces hold a process that shares the runtime's memory.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops.h"
#include "shim.h"

static void send_packet(int fd, char type, uint32_t index, uint32_t error, const char *text) {
  char packet[512] = {type};
  size_t length = strnlen(text, sizeof packet - 9);
  memcpy(packet + 1, &index, 4);
  memcpy(packet + 5, &error, 4);
  memcpy(packet + 9, text, length);
  send(fd, packet, 9 + length, MSG_NOSIGNAL);
}

static void die(const struct ocipy_spawn *spawn, const char *what) {
  send_packet(spawn->sync_fd, OCIPY_MSG_ERROR, spawn->index, (uint32_t)errno, what);
  _exit(1);
}

static const char *join_words(uint64_t type) {
  switch (type) {
    case CLONE_NEWUSER: return "setns into the user namespace";
    case CLONE_NEWPID: return "setns into the pid namespace";
    case CLONE_NEWNET: return "setns into the network namespace";
    case CLONE_NEWIPC: return "setns into the ipc namespace";
    case CLONE_NEWUTS: return "setns into the uts namespace";
    case CLONE_NEWNS: return "setns into the mount namespace";
    case CLONE_NEWCGROUP: return "setns into the cgroup namespace";
    default: return "setns into the time namespace";
  }
}

/*
 * Some of the namespaces may belong to the user namespace (then it must be entered first), others to the runtime's own
 * (then they must be entered before it): try all, enter the user namespace, do the rest.
 */
static void join(const struct ocipy_spawn *spawn) {
  int joined[8] = {0}, user = -1;
  for (int i = 0; i < spawn->join_count; i++)
    if (spawn->join_types[i] == CLONE_NEWUSER) user = i;
  /*
   * Whoever has CAP_SYS_PTRACE in the user namespace that we join could read this copy of the runtime's memory, and take
   * its files; in another, whoever has our uid and no fewer capabilities than we.
   */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  for (int i = 0; user >= 0 && i < spawn->join_count; i++)
    if (i != user) joined[i] = setns(spawn->join_fds[i], (int)spawn->join_types[i]) == 0;
  if (user >= 0) {
    joined[user] = 1;
    if (setns(spawn->join_fds[user], CLONE_NEWUSER) < 0) die(spawn, join_words(CLONE_NEWUSER));
  }
  for (int i = 0; i < spawn->join_count; i++)
    if (!joined[i] && setns(spawn->join_fds[i], (int)spawn->join_types[i]) < 0)
      die(spawn, join_words(spawn->join_types[i]));
}

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

static void wait_for_maps(const struct ocipy_spawn *spawn) {
  char message;
  ssize_t got;
  while ((got = recv(spawn->sync_fd, &message, 1, 0)) < 0 && errno == EINTR) continue;
  if (got != 1 || message != OCIPY_MSG_GO) _exit(1);
}

/* Where uid 0 isn't mapped, execve would drop every capability: ambient ones stay (capabilities(7)). */
static void keep_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return;
  data[0].inheritable = data[0].permitted;
  data[1].inheritable = data[1].permitted;
  if (syscall(SYS_capset, &header, data) < 0) return;
  for (int capability = 0; capability < 64; capability++)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0); /* EINVAL past the last, EPERM for one not held */
}

/* Raw system calls: glibc's wrappers would signal the other threads, which don't exist in this copy. */
static void become_root(const struct ocipy_spawn *spawn) {
  int gid_error = syscall(SYS_setresgid, 0, 0, 0) < 0 ? errno : 0;
  if (gid_error && gid_error != EINVAL) die(spawn, "setresgid to the user namespace's root");
  /* EPERM: setgroups is denied in this user namespace (user_namespaces(7)), and the groups stay. */
  if (!gid_error && syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM) die(spawn, "setgroups");
  if (syscall(SYS_setresuid, 0, 0, 0) == 0) return;
  if (errno != EINVAL) die(spawn, "setresuid to the user namespace's root");
  keep_capabilities();
}

/* Whichever of stdio the caller has others for; copies first, for one's number may be the place of another. */
static void place_stdio(const struct ocipy_spawn *spawn, int above) {
  int copies[3];
  for (int i = 0; i < 3; i++) {
    copies[i] = spawn->stdio[i] < 0 ? -1 : fcntl(spawn->stdio[i], F_DUPFD, above);
    if (spawn->stdio[i] >= 0 && copies[i] < 0) die(spawn, "duplicate a file descriptor");
  }
  for (int i = 0; i < 3; i++)
    if (copies[i] >= 0 && dup2(copies[i], i) < 0) die(spawn, "dup2");
}

/* Put fds to fd_base…, close all above, leave those below alone (stdio and what is preserved). */
static int place_fds(const struct ocipy_spawn *spawn) {
  int count = spawn->fd_count, high[count + 1], above = spawn->fd_base + count + 1;
  for (int i = 0; i <= count; i++) {
    int fd = i < count ? spawn->fds[i] : spawn->program_fd;
    high[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD, above);
    if (fd >= 0 && high[i] < 0) die(spawn, "duplicate a file descriptor");
  }
  place_stdio(spawn, above);
  for (int i = 0; i <= count; i++) {
    if (high[i] < 0) close(spawn->fd_base + i);
    else if (dup3(high[i], spawn->fd_base + i, i < count ? 0 : O_CLOEXEC) < 0) die(spawn, "dup3");
  }
  /* Preserved descriptors are inherited even if the caller had marked them. */
  for (int fd = 3; fd < spawn->fd_base; fd++) fcntl(fd, F_SETFD, 0);
  if (syscall(SYS_close_range, above, ~0u, 0) < 0)
    for (int fd = above; fd < 65536; fd++) close(fd);
  return spawn->fd_base + count;
}

static void execute(const struct ocipy_spawn *spawn, const sigset_t *none) {
  char base[12] = "", *arguments[] = {"ocipy-init", base, NULL}, *environment[] = {NULL};
  int at = 0, divisor = 1;
  while (spawn->fd_base / divisor >= 10) divisor *= 10;
  for (; divisor; divisor /= 10) base[at++] = (char)('0' + spawn->fd_base / divisor % 10);
  struct ocipy_spawn placed = *spawn;
  int program = place_fds(spawn);
  placed.sync_fd = spawn->fd_base + OCIPY_FD_SYNC;
  for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, none, NULL);
  syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
  die(&placed, "execveat ocipy-init");
}

/*
 * A process that moves itself, by "0" to the tasks file, spares the kernel the lock that keeps all other processes from
 * forking and exiting meanwhile: moving it by pid from outside waits a grace period or two (kernel/cgroup, since 5.5).
 */
static void join_cgroups(const struct ocipy_spawn *spawn) {
  for (int i = 0; i < spawn->task_count; i++)
    if (write(spawn->task_fds[i], "0", 1) < 0) die(spawn, spawn->task_paths[i]);
}

/*
 * The offsets of a time namespace can be set until a process enters it, and unshare(2), unlike clone3(2), leaves that to
 * the children (time_namespaces(7)).  The user namespace that is to own it has to be there first.  Returns the flags that
 * are left for the second clone.
 */
static uint64_t make_time_namespace(const struct ocipy_spawn *spawn, int offsets_fd) {
  uint64_t first = CLONE_NEWTIME | (spawn->flags & CLONE_NEWUSER);
  if (unshare((int)first) < 0) die(spawn, "unshare of the time namespace");
  if (write(offsets_fd, spawn->time_offsets, strlen(spawn->time_offsets)) < 0) die(spawn, "write to timens_offsets");
  close(offsets_fd);
  return spawn->flags & ~first;
}

/* By itself, while its files below /proc are its own: what joins a user namespace is out of its runtime's reach. */
static void set_oom_score(const struct ocipy_spawn *spawn) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, spawn->oom_score, strlen(spawn->oom_score)) < 0) die(spawn, "write to /proc/self/oom_score_adj");
  close(fd);
}

static void child(const struct ocipy_spawn *spawn, const sigset_t *none) {
  uint64_t flags = spawn->flags;
  int offsets_fd = -1;
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  close(spawn->runtime_fd); /* or a runtime that ended before the line above would never show as the end of file */
  join_cgroups(spawn);
  if (spawn->oom_score) set_oom_score(spawn);
  /* Opened while /proc is the host's: a mount namespace to join may have another. */
  if (spawn->time_offsets && (offsets_fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC)) < 0)
    die(spawn, "open /proc/self/timens_offsets");
  if (spawn->join_count) join(spawn);
  if (spawn->time_offsets) flags = make_time_namespace(spawn, offsets_fd);
  if (spawn->fork_again) {
    /* CLONE_PARENT: the new process is the runtime's child too, so it can be waited for. */
    long pid = ocipy_clone(flags | CLONE_PARENT, -1);
    if (pid < 0) die(spawn, "clone3 of the container's process");
    if (pid > 0) {
      send_packet(spawn->sync_fd, OCIPY_MSG_PID, (uint32_t)pid, 0, "");
      _exit(0);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  }
  if (spawn->wait_maps) wait_for_maps(spawn);
  if (spawn->become_root) become_root(spawn);
  execute(spawn, none);
}

/*
 * Returns the pid of the cloned process, or -errno.  With fork_again that is a go-between, which this function doesn't
 * wait for: the container's pid comes as a PID message over the sync socket.
 */
int ocipy_spawn(const struct ocipy_spawn *spawn) {
  sigset_t all, before, none;
  sigfillset(&all);
  sigemptyset(&none);
  /* A handler of the runtime's must not run in the child. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  /* When namespaces are joined first, new ones are made by the second clone, to belong to the joined user namespace. */
  long pid = ocipy_clone(spawn->fork_again ? 0 : spawn->flags, spawn->cgroup_fd);
  int error = errno;
  if (pid == 0) child(spawn, &none);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pid < 0 ? -error : (int)pid;
}
