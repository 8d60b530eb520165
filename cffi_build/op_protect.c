/* What the container may not see or write, whatever its root filesystem holds. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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
  }
  return attach(init, tree, target, &look, path);
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
