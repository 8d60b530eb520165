/* Small system calls that Python's posix and _signal modules lack. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "shim.h"

/* Block every signal that can be, and return a descriptor that delivers them (signalfd(2)). */
int ocipy_signalfd(void) {
  sigset_t all;
  sigfillset(&all);
  /* Faults of our own stay what they are. */
  static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&all, own[i]);
  if (pthread_sigmask(SIG_SETMASK, &all, NULL) != 0) return -errno;
  int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int ocipy_unblock_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  return pthread_sigmask(SIG_SETMASK, &none, NULL) ? -errno : 0;
}

/* The other end of a terminal, of this very master (ioctl_tty(2)); the numbers of ioctls differ between machines. */
int ocipy_terminal_peer(int master) {
  int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int ocipy_prlimit(int pid, int resource, uint64_t soft, uint64_t hard) {
  struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
  return prlimit(pid, (__rlimit_resource_t)resource, &limit, NULL) < 0 ? -errno : 0;
}
