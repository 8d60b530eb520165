/* What the container may not see or write, whatever its root filesystem holds. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount_api.h"

/* /dev/null of the host, proven to be it: a container that can plant another file there must not choose the mask. */
static int open_null(void) {
  int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && !is_null_device(fd)) {
    close(fd);
    errno = ENODEV;
    return -1;
  }
  return fd;
}

int op_mask(struct init *init, struct reader *in) {
  const char *path = read_string(in), *label = read_string(in);
  struct mount_look look = {0};
  struct stat status;
  int target = open_in_root(init->root_fd, path, O_PATH), tree;
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0; /* what isn't there needs no mask */
  if (target < 0 || fstat(target, &status) < 0) return failed(init, "open", path);
  if (S_ISDIR(status.st_mode)) {
    char context[300] = "context=", *smallest[] = {"nr_blocks=1", "nr_inodes=1", context};
    const struct filesystem empty = {.type = "tmpfs", .source = "tmpfs", .parameters = {smallest, *label ? 3 : 2}};
    text_add(context, sizeof context, label);
    tree = filesystem_new(init, &empty, 1 /* MOUNT_ATTR_RDONLY */);
    if (tree < 0) return -1;
  } else {
    int null = open_null();
    if (null < 0) return failed(init, "open the device", "/dev/null");
    tree = tree_clone(null, "", 0);
    if (tree < 0) return failed(init, "open_tree", "/dev/null");
    close(null);
    look.set = 1 | 2 | 8; /* MOUNT_ATTR_{RDONLY,NOSUID,NOEXEC}: the host's device keeps its mode, owner and times */
  }
  return attach(init, tree, target, &look, path);
}

/* The container's null device; without one, a new one.  A device is looked at before it is opened, which may do something. */
static int open_own_null(struct init *init, int mode) {
  static char *smallest[] = {"mode=755"};
  const struct filesystem nodes = {.type = "tmpfs", .source = "tmpfs", .parameters = {smallest, 1}};
  int found = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC), own = -1;
  if (found >= 0 && is_null_device(found))
    own = open("/dev/null", mode | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (found >= 0) close(found);
  if (own >= 0 && is_null_device(own)) return own;
  if (own >= 0) close(own);
  int directory = filesystem_new(init, &nodes, 0);
  if (directory < 0) return -1;
  own = mknodat(directory, "null", S_IFCHR | 0666, makedev(1, 3)) < 0 ? -1 : openat(directory, "null", mode | O_CLOEXEC);
  int error = errno;
  close(directory);
  errno = error;
  return own;
}

/*
 * Through a stream, root of the container could change the host's null device: its mode, its owner.  Where a new one
 * can't be made, neither can that: both take privileges outside a user namespace.
 */
int op_null_streams(struct init *init, struct reader *in) {
  (void)in;
  for (int fd = 0; fd < 3; fd++) {
    if (!is_null_device(fd)) continue;
    int flags = fcntl(fd, F_GETFL), own = open_own_null(init, flags & O_ACCMODE);
    if (own < 0 && (errno == EPERM || errno == EACCES)) continue;
    if (own < 0 || fcntl(own, F_SETFL, flags) < 0 || dup2(own, fd) < 0)
      return failed(init, "replace a standard stream by the container's", "/dev/null");
    close(own);
  }
  return 0;
}

int op_readonly_path(struct init *init, struct reader *in) {
  const char *path = read_string(in);
  struct mount_look look = {.set = 1 /* MOUNT_ATTR_RDONLY */};
  int target = open_in_root(init->root_fd, path, O_PATH);
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
  if (target < 0) return failed(init, "open", path);
  int tree = tree_clone(target, "", 1);
  if (tree < 0) return failed(init, "open_tree", path);
  return attach(init, tree, target, &look, path);
}

int op_readonly_root(struct init *init, struct reader *in) {
  (void)in;
  struct mount_look look = {.set = 1 /* MOUNT_ATTR_RDONLY */};
  return mount_change(init, init->root_fd, &look, "/");
}
