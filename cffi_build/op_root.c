/* Changing the root, and what belongs to the whole of the container's world. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mount_api.h"

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
  if (target < 0 && errno == EACCES) target = ask_for_tree(init);
  if (target < 0) return failed(init, "open", path);
  init->root_fd = target;
  init->root_path = path;
  if (!bind) return 0;
  if (private_parent && make_parent_private(path) < 0) return failed(init, "make private the mount of", path);
  int tree = tree_clone(target, "", 1);
  if (tree < 0) return failed(init, "open_tree", path);
  if (tree_attach(tree, target) < 0) return failed(init, "move_mount to", path);
  close(target);
  init->root_fd = tree;
  return 0;
}

/* Names under /proc are the host's as long as the root is: none may be used once it has changed. */
static int leave_host(struct init *init) {
  close(init->proc_fd);
  close(init->root_fd);
  init->proc_fd = init->root_fd = -1;
  return 0;
}

int op_pivot_root(struct init *init, struct reader *in) {
  (void)in;
  int old_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (old_root < 0) return failed(init, "open", "/");
  if (fchdir(init->root_fd) < 0) return failed(init, "fchdir to", "the root filesystem");
  if (syscall(SYS_pivot_root, ".", ".") < 0) return failed(init, "pivot_root", "");
  /* The old root now lies over the new one, at "/": slave it, so that its unmounting doesn't reach the host. */
  if (fchdir(old_root) < 0) return failed(init, "fchdir to", "the old root");
  if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0) return failed(init, "mount propagation of", "the old root");
  if (umount2(".", MNT_DETACH) < 0) return failed(init, "umount", "the old root");
  close(old_root);
  if (chdir("/") < 0) return failed(init, "chdir", "/");
  return leave_host(init);
}

/* An unmasked /proc or /sys of the host must not stay reachable below the moved root (CVE-2019-19921's lesson). */
static int hide_host(struct init *init, const char *path) {
  if (umount2(path, MNT_DETACH) == 0) return 0;
  if (errno != EINVAL && errno != EPERM) return failed(init, "umount", path);
  if (errno == EINVAL) return 0; /* not a mount point */
  if (mount("tmpfs", path, "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=1") < 0) return failed(init, "mount tmpfs on", path);
  return 0;
}

int op_move_root(struct init *init, struct reader *in) {
  (void)in;
  if (fchdir(init->root_fd) < 0) return failed(init, "fchdir to", "the root filesystem");
  if (hide_host(init, "/proc") < 0 || hide_host(init, "/sys") < 0) return -1;
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0) return failed(init, "mount --move to", "/");
  if (chroot(".") < 0) return failed(init, "chroot", ".");
  if (chdir("/") < 0) return failed(init, "chdir", "/");
  return leave_host(init);
}

int op_chroot(struct init *init, struct reader *in) {
  (void)in;
  if (fchdir(init->root_fd) < 0) return failed(init, "fchdir to", "the root filesystem");
  if (chroot(".") < 0) return failed(init, "chroot", ".");
  if (chdir("/") < 0) return failed(init, "chdir", "/");
  return leave_host(init);
}

int op_root_propagation(struct init *init, struct reader *in) {
  uint64_t flags = read_number(in);
  if (mount(NULL, "/", NULL, (unsigned long)flags, NULL) < 0) return failed(init, "mount propagation of", "/");
  return 0;
}

int op_cgroup_namespace(struct init *init, struct reader *in) {
  (void)in;
  if (unshare(CLONE_NEWCGROUP) < 0) return failed(init, "unshare", "CLONE_NEWCGROUP");
  return 0;
}

int op_loopback(struct init *init, struct reader *in) {
  (void)in;
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(init, "socket", "AF_INET");
  int done = ioctl(fd, SIOCGIFFLAGS, &request);
  if (done == 0 && !(request.ifr_flags & IFF_UP)) {
    request.ifr_flags |= IFF_UP;
    done = ioctl(fd, SIOCSIFFLAGS, &request);
  }
  if (done < 0) failed(init, "ioctl SIOCSIFFLAGS", "lo");
  int error = errno;
  close(fd);
  errno = error;
  return done;
}

int op_hostname(struct init *init, struct reader *in) {
  const char *name = read_string(in);
  if (sethostname(name, strlen(name)) < 0) return failed(init, "sethostname", name);
  return 0;
}

int op_domainname(struct init *init, struct reader *in) {
  const char *name = read_string(in);
  if (setdomainname(name, strlen(name)) < 0) return failed(init, "setdomainname", name);
  return 0;
}

/* Written through the verified procfs of the host: the values are those of init's own namespaces all the same. */
int op_sysctl(struct init *init, struct reader *in) {
  const char *path = read_string(in), *value = read_string(in);
  char shown[256] = "/proc/";
  text_add(shown, sizeof shown, path);
  int fd = openat(init->proc_fd, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return failed(init, "open", shown);
  ssize_t written = write(fd, value, strlen(value));
  if (written < 0) failed(init, "write to", shown);
  int error = errno;
  close(fd);
  errno = error;
  return written < 0 ? -1 : 0;
}
