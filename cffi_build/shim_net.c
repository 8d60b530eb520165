/* A socket in another network namespace than this thread's. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim.h"

/* A socket belongs to the namespace that its maker is in: this thread enters it for as long as socket(2) takes. */
int ocipy_netlink_socket(int namespace_fd) {
  int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) return -errno;
  int fd = -1, error = setns(namespace_fd, CLONE_NEWNET) < 0 ? errno : 0;
  if (!error) {
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    error = fd < 0 ? errno : 0;
    /* What this thread did from now on, it would do in the container's network. */
    if (setns(own, CLONE_NEWNET) < 0) abort();
  }
  close(own);
  return error ? -error : fd;
}
