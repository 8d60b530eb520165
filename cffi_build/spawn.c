/*
 * From the runtime's process to ocipy-init.
 *
 * The runtime may be a Python service with many threads, so between clone and execveat the child calls nothing but
 * system calls: no malloc, no lock, no stdio, no Python.  It is a copy (no CLONE_VM) of the runtime, with its files and
 * its program, so it must not be seen by a container that is there already, whose root might trace it: namespaces are
 * joined by ocipy-init (op_enter.c).  In new ones it is alone.
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

static void become_root(const struct ocipy_spawn *spawn) {
  const char *failed;
  int done = ocipy_become_root(&failed);
  if (done < 0) die(spawn, failed);
  if (done > 0) keep_capabilities();
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

/* By itself, while its files below /proc are its own: what is in a user namespace is out of its runtime's reach. */
static void set_oom_score(const struct ocipy_spawn *spawn) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, spawn->oom_score, strlen(spawn->oom_score)) < 0) die(spawn, "write to /proc/self/oom_score_adj");
  close(fd);
}

static void child(const struct ocipy_spawn *spawn, const sigset_t *none) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  close(spawn->runtime_fd); /* or a runtime that ended before the line above would never show as the end of file */
  join_cgroups(spawn);
  if (spawn->oom_score) set_oom_score(spawn);
  if (spawn->wait_maps) wait_for_maps(spawn);
  if (spawn->become_root) become_root(spawn);
  execute(spawn, none);
}

/* Returns the pid of the cloned process, or -errno. */
int ocipy_spawn(const struct ocipy_spawn *spawn) {
  sigset_t all, before, none;
  sigfillset(&all);
  sigemptyset(&none);
  /* A handler of the runtime's must not run in the child. */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = ocipy_clone(spawn->flags, spawn->cgroup_fd);
  int error = errno;
  if (pid == 0) child(spawn, &none);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pid < 0 ? -error : (int)pid;
}
