/* Files the runtime makes in the root filesystem: directories, links, device nodes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount_api.h"

int op_directory(struct init *init, struct reader *in) {
  const char *path = read_string(in);
  uint64_t mode = read_number(in);
  int fd = make_in_root(init->root_fd, path, 1, (mode_t)mode);
  if (fd < 0) return failed(init, "mkdir", path);
  close(fd);
  return 0;
}

#define REPLACE 1u

int op_symlink(struct init *init, struct reader *in) {
  const char *path = read_string(in), *target = read_string(in), *name;
  uint64_t flags = read_number(in);
  char buffer[4096];
  int parent = open_parent_in_root(init->root_fd, path, &name, buffer, sizeof buffer);
  if (parent < 0) return failed(init, "open the parent of", path);
  if (flags & REPLACE) unlinkat(parent, name, 0); /* devpts' ptmx may be there as a node, a file or not at all */
  int done = symlinkat(target, parent, name);
  int error = errno;
  close(parent);
  if (done < 0 && error != EEXIST) return fail(init, error, "symlink", path);
  return 0;
}

/* The host's node, bound over an empty file: inside a user namespace mknod(2) isn't allowed. */
static int bind_device(struct init *init, const char *path, mode_t type, dev_t number) {
  struct stat status;
  int from = open(path, O_PATH | O_CLOEXEC);
  if (from < 0 || fstat(from, &status) < 0) return failed(init, "open the host's device", path);
  if ((type != S_IFIFO && status.st_rdev != number) || (status.st_mode & S_IFMT) != type)
    return fail(init, ENODEV, "the host has another device at", path);
  int target = make_in_root(init->root_fd, path, 0, 0644);
  if (target < 0) return failed(init, "open the mount point", path);
  int tree = tree_clone(from, "", 0);
  if (tree < 0 || tree_attach(tree, target) < 0) return failed(init, "bind the host's device", path);
  close(tree);
  close(target);
  close(from);
  return 0;
}

/* Is what lies there the node we were to make?  Then a second mknod is no error. */
static int same_device(int parent, const char *name, mode_t type, dev_t number) {
  struct stat status;
  return fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (status.st_mode & S_IFMT) == type &&
         (type == S_IFIFO || status.st_rdev == number);
}

int op_device(struct init *init, struct reader *in) {
  const char *path = read_string(in), *name;
  mode_t mode = (mode_t)read_number(in);
  unsigned major_number = (unsigned)read_number(in), minor_number = (unsigned)read_number(in);
  uid_t uid = (uid_t)read_number(in);
  gid_t gid = (gid_t)read_number(in);
  uint64_t bind = read_number(in);
  dev_t number = makedev(major_number, minor_number);
  char buffer[4096];
  if (bind && (mode & S_IFMT) != S_IFIFO) return bind_device(init, path, mode & S_IFMT, number);
  int parent = open_parent_in_root(init->root_fd, path, &name, buffer, sizeof buffer);
  if (parent < 0) return failed(init, "open the parent of", path);
  int done = mknodat(parent, name, mode, number);
  if (done < 0 && errno == EEXIST && same_device(parent, name, mode & S_IFMT, number)) done = 0;
  else if (done == 0) done = fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW);
  int error = errno;
  close(parent);
  if (done < 0 && error == EPERM) return bind_device(init, path, mode & S_IFMT, number);
  if (done < 0) return fail(init, error, "mknod", path);
  return 0;
}
