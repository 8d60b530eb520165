/* Labels of security modules (AppArmor, SELinux): written to files of the process's own below /proc/self/attr. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount_api.h"

#define PROC_ROOT_INODE 1 /* linux/proc_ns.h: PROC_ROOT_INO */
#define PRIVATE_ATTRIBUTES 0xe /* MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC */

/*
 * A procfs that nothing can lie over: one of our own, attached nowhere.  In a user namespace whose /proc has masks, the
 * kernel refuses another; then the container's, proven to be one from its root on.
 */
static int open_own_proc(struct init *init, int *private) {
  struct stat status;
  const struct filesystem own = {.type = "proc", .source = "proc"};
  int proc = filesystem_new(init, &own, PRIVATE_ATTRIBUTES);
  *private = proc >= 0;
  if (proc >= 0 || (errno != EPERM && errno != ENOSYS)) return proc;
  proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (proc < 0) return failed(init, "open", "/proc");
  if (is_procfs(proc) && fstat(proc, &status) == 0 && status.st_ino == PROC_ROOT_INODE) return proc;
  close(proc);
  return fail(init, EPERM, "no procfs at", "/proc");
}

static int open_attribute(int proc, int private, const char *path) {
  struct open_how how = {.flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
  if (fd < 0 && errno == ENOSYS && private) fd = openat(proc, path, O_WRONLY | O_CLOEXEC);
  return fd;
}

/* A module has a directory of its own for its attributes, or (SELinux; AppArmor before Linux 5.8) the common one. */
int op_label(struct init *init, struct reader *in) {
  const char *module = read_string(in), *attribute = read_string(in), *value = read_string(in);
  char own[128] = "/proc/self/attr/", common[128] = "/proc/self/attr/";
  const size_t below = sizeof "/proc/" - 1;
  int private, proc = open_own_proc(init, &private);
  if (proc < 0) return -1;
  text_add(own, sizeof own, module);
  text_add(own, sizeof own, "/");
  text_add(own, sizeof own, attribute);
  text_add(common, sizeof common, attribute);
  const char *path = own;
  int fd = open_attribute(proc, private, path + below);
  if (fd < 0 && errno == ENOENT) {
    path = common;
    fd = open_attribute(proc, private, path + below);
  }
  int error = fd < 0 ? errno : 0;
  close(proc);
  if (error) return fail(init, error, "open", path);
  if (write(fd, value, strlen(value)) < 0) {
    failed(init, "write to", path);
    error = errno;
  }
  close(fd);
  errno = error;
  return error ? -1 : 0;
}

/* For filesystems that take no context as a mount option. */
int op_file_label(struct init *init, struct reader *in) {
  const char *path = read_string(in), *label = read_string(in);
  char name[64];
  int fd = open_in_root(init->root_fd, path, O_PATH);
  if (fd < 0) return failed(init, "open", path);
  fd_path(name, sizeof name, fd);
  if (setxattr(name, "security.selinux", label, strlen(label) + 1, 0) < 0)
    return failed(init, "setxattr security.selinux", path);
  close(fd);
  return 0;
}
