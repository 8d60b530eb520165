/* Mounts inside the container's root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount_api.h"

#define PLAIN_TARGET 1u /* no symbolic link on the way: for /proc and /sys, whose place is part of the safety */

#define MOST_PARAMETER 255 /* fsconfig(2) takes strings shorter than 256 bytes */

int op_propagation(struct init *init, struct reader *in) {
  uint64_t flags = read_number(in);
  if (mount(NULL, "/", NULL, (unsigned long)flags, NULL) < 0) return failed(init, "mount propagation of", "/");
  return 0;
}

/*
 * pivot_root(2) refuses a new root whose parent mount is shared, and a bind would spread to the host: walk up to the
 * mount that holds the path (only a mount point takes a propagation change) and make it private.
 */
static int make_parent_private(const char *path) {
  char parent[4096];
  text_copy(parent, sizeof parent, path);
  for (;;) {
    if (mount(NULL, parent, NULL, MS_PRIVATE, NULL) == 0) return 0;
    if (errno != EINVAL || strcmp(parent, "/") == 0) return -1;
    char *slash = strrchr(parent, '/');
    if (slash == parent) slash++;
    if (!slash) return -1;
    *slash = 0;
  }
}

int op_root(struct init *init, struct reader *in) {
  const char *path = read_string(in);
  uint64_t bind = read_number(in), private_parent = read_number(in);
  int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (target < 0) return failed(init, "open", path);
  init->root_fd = target;
  if (!bind) return 0;
  if (private_parent && make_parent_private(path) < 0) return failed(init, "make private the mount of", path);
  int tree = tree_clone(target, "", 1);
  if (tree < 0) return failed(init, "open_tree", path);
  if (tree_attach(tree, target) < 0) return failed(init, "move_mount to", path);
  close(target);
  init->root_fd = tree;
  return 0;
}

/* Attributes and propagation, then the attachment; closes both descriptors. */
static int finish(struct init *init, int tree, int target, const struct mount_look *look, const char *destination) {
  int result = 0;
  int late = tree_change(tree, look, 0) < 0;
  if (late && errno != ENOSYS) result = failed(init, "mount_setattr", destination);
  else if (tree_attach(tree, target) < 0) result = failed(init, "move_mount to", destination);
  else if (late && tree_remount(tree, look) < 0) result = failed(init, "remount", destination);
  else if (tree_propagate(tree, look->propagation) < 0) result = failed(init, "mount propagation of", destination);
  int error = errno;
  close(tree);
  close(target);
  errno = error;
  return result;
}

static int longest_parameter(const char *data) {
  size_t longest = 0;
  while (*data) {
    size_t length = strcspn(data, ",");
    if (length > longest) longest = length;
    data += length + (data[length] == ',');
  }
  return longest > MOST_PARAMETER;
}

/* mount(2), for parameters longer than fsconfig(2) takes (overlay's lowerdir). */
static int mount_classic(struct init *init, const char *destination, int target, const char *type, const char *source,
                         const char *data, const struct mount_look *look) {
  char path[64];
  fd_path(path, sizeof path, target);
  int done = mount(source, path, type, classic_flags(look->set), data);
  int error = errno;
  close(target);
  if (done < 0) return fail(init, error, "mount", type);
  int mounted = open_in_root(init->root_fd, destination, O_PATH);
  if (mounted < 0 || tree_propagate(mounted, look->propagation) < 0)
    return failed(init, "mount propagation of", destination);
  close(mounted);
  return 0;
}

int op_mount(struct init *init, struct reader *in) {
  const char *destination = read_string(in), *type = read_string(in), *source = read_string(in);
  const char *data = read_string(in);
  /* One by one: the order in which an initializer's expressions are evaluated isn't defined. */
  struct mount_look look = {0};
  look.set = read_number(in);
  look.propagation = read_number(in);
  uint64_t flags = read_number(in);
  int target = make_in_root(init->root_fd, destination, 1, 0755);
  if (target >= 0 && flags & PLAIN_TARGET) {
    close(target);
    target = open_plain_in_root(init->root_fd, destination, O_PATH | O_DIRECTORY);
  }
  if (target < 0) return failed(init, "open the mount point", destination);
  if (longest_parameter(data)) return mount_classic(init, destination, target, type, source, data, &look);
  int tree = filesystem_new(init, type, source, data, look.set);
  if (tree < 0) return -1;
  look.set = 0; /* fsmount(2) has set them */
  return finish(init, tree, target, &look, destination);
}

int op_bind(struct init *init, struct reader *in) {
  const char *destination = read_string(in), *source = read_string(in);
  uint64_t recursive = read_number(in);
  struct mount_look look, below;
  look.set = read_number(in);
  look.clear = read_number(in);
  below.set = read_number(in);
  below.clear = read_number(in);
  look.propagation = read_number(in);
  int from = open(source, O_PATH | O_CLOEXEC);
  struct stat status;
  if (from < 0 || fstat(from, &status) < 0) return failed(init, "open the source", source);
  int target = make_in_root(init->root_fd, destination, S_ISDIR(status.st_mode), S_ISDIR(status.st_mode) ? 0755 : 0644);
  if (target < 0) return failed(init, "open the mount point", destination);
  int tree = tree_clone(from, "", recursive != 0);
  if (tree < 0) return failed(init, "open_tree", source);
  close(from);
  if (tree_change(tree, &below, 1) < 0) return failed(init, "mount_setattr (recursive)", destination);
  return finish(init, tree, target, &look, destination);
}

/* Change the attributes of a mount that is attached. */
static int change(struct init *init, int mounted, const struct mount_look *look, const char *destination) {
  if (tree_change(mounted, look, 0) == 0) return 0;
  if (errno == ENOSYS && tree_remount(mounted, look) == 0) return 0;
  return failed(init, "mount_setattr", destination);
}

int op_remount(struct init *init, struct reader *in) {
  const char *destination = read_string(in);
  struct mount_look look;
  look.set = read_number(in);
  look.clear = read_number(in);
  look.propagation = read_number(in);
  int mounted = open_in_root(init->root_fd, destination, O_PATH);
  if (mounted < 0) return failed(init, "open", destination);
  if (change(init, mounted, &look, destination) < 0) return -1;
  if (tree_propagate(mounted, look.propagation) < 0) return failed(init, "mount propagation of", destination);
  close(mounted);
  return 0;
}

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
  const char *path = read_string(in);
  struct mount_look look = {0};
  struct stat status;
  int target = open_in_root(init->root_fd, path, O_PATH), tree;
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0; /* what isn't there needs no mask */
  if (target < 0 || fstat(target, &status) < 0) return failed(init, "open", path);
  if (S_ISDIR(status.st_mode)) {
    tree = filesystem_new(init, "tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=1", 1 /* MOUNT_ATTR_RDONLY */);
    if (tree < 0) return -1;
  } else {
    int null = open_null();
    if (null < 0) return failed(init, "open the device", "/dev/null");
    tree = tree_clone(null, "", 0);
    if (tree < 0) return failed(init, "open_tree", "/dev/null");
    close(null);
  }
  return finish(init, tree, target, &look, path);
}

int op_readonly_path(struct init *init, struct reader *in) {
  const char *path = read_string(in);
  struct mount_look look = {.set = 1 /* MOUNT_ATTR_RDONLY */};
  int target = open_in_root(init->root_fd, path, O_PATH);
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
  if (target < 0) return failed(init, "open", path);
  int tree = tree_clone(target, "", 1);
  if (tree < 0) return failed(init, "open_tree", path);
  return finish(init, tree, target, &look, path);
}

int op_readonly_root(struct init *init, struct reader *in) {
  (void)in;
  struct mount_look look = {.set = 1 /* MOUNT_ATTR_RDONLY */};
  return change(init, init->root_fd, &look, "/");
}
