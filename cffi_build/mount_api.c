/*
 * A mount is made detached, gets its attributes, and is then attached to a target descriptor: nothing is looked up by
 * name twice, so a root filesystem that changes under our feet can't redirect it.
 */
#include "mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

#define NOSYMFOLLOW_SET 0x2000        /* ST_NOSYMFOLLOW of statfs(2); unlike the others not the number mount(2) takes */
#define CLONE_TREE 1                  /* OPEN_TREE_CLONE, which glibc and the kernel's header both define */
#define RECURSIVE 0x8000              /* AT_RECURSIVE */

int tree_clone(int fd, const char *path, int recursive) {
  unsigned flags = CLONE_TREE | O_CLOEXEC | AT_EMPTY_PATH | (recursive ? RECURSIVE : 0);
  return (int)syscall(SYS_open_tree, fd, path, flags);
}

int tree_attach(int tree_fd, int target_fd) {
  return (int)syscall(SYS_move_mount, tree_fd, "", target_fd, "", 0x4 | 0x40); /* MOVE_MOUNT_{F,T}_EMPTY_PATH */
}

unsigned long classic_flags(uint64_t attributes) {
  static const struct {
    uint64_t attribute;
    unsigned long flag;
  } table[] = {{MOUNT_ATTR_RDONLY, MS_RDONLY},         {MOUNT_ATTR_NOSUID, MS_NOSUID},
               {MOUNT_ATTR_NODEV, MS_NODEV},           {MOUNT_ATTR_NOEXEC, MS_NOEXEC},
               {MOUNT_ATTR_NOATIME, MS_NOATIME},       {MOUNT_ATTR_STRICTATIME, MS_STRICTATIME},
               {MOUNT_ATTR_NODIRATIME, MS_NODIRATIME}, {MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW}};
  unsigned long flags = 0;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (attributes & table[i].attribute) flags |= table[i].flag;
  return flags;
}

/*
 * Before mount_setattr(2) (5.12): a remount, which replaces all flags, so the present ones are carried along.  Only what
 * is attached can be remounted.
 */
int tree_remount(int tree_fd, const struct mount_look *look) {
  char path[64];
  struct statvfs now;
  fd_path(path, sizeof path, tree_fd);
  if (statvfs(path, &now) < 0) return -1;
  unsigned long kept = now.f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME);
  if (now.f_flag & NOSYMFOLLOW_SET) kept |= MS_NOSYMFOLLOW;
  unsigned long flags = (kept & ~classic_flags(look->clear)) | classic_flags(look->set);
  return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

/* Change attributes of the mount at tree_fd (and those below it); ENOSYS: see tree_remount. */
int tree_change(int tree_fd, const struct mount_look *look, int recursive) {
  struct mount_attr attr = {.attr_set = look->set, .attr_clr = look->clear};
  /* The access-time policy is a field, not a bit: a new value needs the old one cleared (mount_setattr(2)). */
  if (look->set & MOUNT_ATTR__ATIME) attr.attr_clr |= MOUNT_ATTR__ATIME;
  if (!attr.attr_set && !attr.attr_clr) return 0;
  unsigned flags = AT_EMPTY_PATH | (recursive ? RECURSIVE : 0);
  return (int)syscall(SYS_mount_setattr, tree_fd, "", flags, &attr, sizeof attr);
}

int tree_propagate(int tree_fd, uint64_t propagation) {
  char path[64];
  if (!propagation) return 0;
  fd_path(path, sizeof path, tree_fd);
  return mount(NULL, path, NULL, (unsigned long)propagation, NULL);
}

static int is_directory(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

/* As tree_attach; mount(2) has an errno of its own for a directory on a file, or a file on a directory. */
static int attach_alike(int tree, int target) {
  int done = tree_attach(tree, target);
  if (done < 0 && errno == EINVAL && is_directory(tree) != is_directory(target)) errno = ENOTDIR;
  return done;
}

/* Attributes and propagation of a detached mount, and its attachment; closes both descriptors. */
int attach(struct init *init, int tree, int target, const struct mount_look *look, const char *destination) {
  int result = 0;
  int late = tree_change(tree, look, 0) < 0;
  if (late && errno != ENOSYS) result = failed(init, "mount_setattr", destination);
  else if (attach_alike(tree, target) < 0) result = failed(init, "move_mount to", destination);
  else if (late && tree_remount(tree, look) < 0) result = failed(init, "remount", destination);
  else if (tree_propagate(tree, look->propagation) < 0) result = failed(init, "mount propagation of", destination);
  int error = errno;
  close(tree);
  close(target);
  errno = error;
  return result;
}

/* Change the attributes of a mount that is attached. */
int mount_change(struct init *init, int mounted, const struct mount_look *look, const char *destination) {
  if (tree_change(mounted, look, 0) == 0) return 0;
  if (errno == ENOSYS && tree_remount(mounted, look) == 0) return 0;
  return failed(init, "mount_setattr", destination);
}
