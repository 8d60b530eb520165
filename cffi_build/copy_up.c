/*
 * tmpcopyup: what a directory of the root filesystem holds, copied into a tmpfs that is about to hide it.
 *
 * Hostile names and links: every step is a descriptor and one component, nothing is followed, and a file is opened only
 * after it has been seen to be one (and looked at again, for it may have been exchanged since).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "mount_api.h"

#define MOST_LEVELS 128 /* two descriptors and 3 KiB of stack each */

struct entry { /* struct linux_dirent64 */
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[];
};

static int copy_directory(struct init *init, int from, int to, int levels);

static int copy_times(int to, const char *name, const struct stat *status) {
  struct timespec times[2] = {status->st_atim, status->st_mtim};
  return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Those that the tmpfs takes from us; a user namespace's root may set fewer. */
static int copy_attributes(int from, int to) {
  static char names[65536], value[65536]; /* XATTR_LIST_MAX, XATTR_SIZE_MAX */
  ssize_t size = flistxattr(from, names, sizeof names);
  for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length < 0 && errno == ENODATA) continue;
    if (length < 0 || (fsetxattr(to, name, value, (size_t)length, 0) < 0 && errno != EOPNOTSUPP && errno != EPERM))
      return -1;
  }
  return size < 0 && errno != EOPNOTSUPP ? -1 : 0;
}

static int copy_content(int from, int to) {
  ssize_t sent;
  while ((sent = sendfile(to, from, NULL, 1 << 30)) > 0) continue;
  return (int)sent;
}

/* Owner before mode, for a change of owner takes set-id bits away. */
static int copy_looks(int from, int to, const struct stat *status) {
  if (fchown(to, status->st_uid, status->st_gid) < 0 || fchmod(to, status->st_mode & 07777) < 0) return -1;
  return copy_attributes(from, to);
}

static int copy_file(int from_directory, int to_directory, const char *name, const struct stat *status) {
  struct stat now;
  int from = openat(from_directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), done = -1;
  if (from < 0) return -1;
  int to = openat(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (to >= 0 && fstat(from, &now) == 0) {
    if (!S_ISREG(now.st_mode)) errno = EAGAIN;
    else if (copy_content(from, to) == 0 && copy_looks(from, to, &now) == 0)
      done = copy_times(to_directory, name, status);
  }
  int error = errno;
  if (to >= 0) close(to);
  close(from);
  errno = error;
  return done;
}

static int copy_link(int from, int to, const char *name, const struct stat *status) {
  char target[4096];
  ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) return -1;
  target[length] = 0;
  if (symlinkat(target, to, name) < 0) return -1;
  if (fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  return copy_times(to, name, status);
}

/* Device nodes, FIFOs and sockets; fchmodat follows no link here, for nobody else can reach the new tmpfs yet. */
static int copy_node(int to, const char *name, const struct stat *status) {
  if (mknodat(to, name, status->st_mode, status->st_rdev) < 0) return -1;
  if (fchownat(to, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (fchmodat(to, name, status->st_mode & 07777, 0) < 0) return -1;
  return copy_times(to, name, status);
}

static int copy_below(struct init *init, int from_parent, int to_parent, const char *name, int levels) {
  struct stat status;
  int from = openat(from_parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), to = -1, done = -1;
  if (from < 0 || fstat(from, &status) < 0 || mkdirat(to_parent, name, 0700) < 0 ||
      (to = openat(to_parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
    failed(init, "copy up", name);
  else if (copy_directory(init, from, to, levels - 1) == 0) {
    done = copy_looks(from, to, &status) < 0 || copy_times(to_parent, name, &status) < 0 ? -1 : 0;
    if (done < 0) failed(init, "copy up", name);
  }
  int error = errno;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  errno = error;
  return done;
}

static int copy_entry(struct init *init, int from, int to, const char *name, int levels) {
  struct stat status;
  int done = fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW);
  if (done == 0) {
    if (S_ISDIR(status.st_mode)) return copy_below(init, from, to, name, levels);
    if (S_ISREG(status.st_mode)) done = copy_file(from, to, name, &status);
    else if (S_ISLNK(status.st_mode)) done = copy_link(from, to, name, &status);
    else done = copy_node(to, name, &status);
  }
  return done < 0 ? failed(init, "copy up", name) : 0;
}

static int copy_directory(struct init *init, int from, int to, int levels) {
  _Alignas(struct entry) char entries[2048];
  long size;
  if (levels == 0) return fail(init, ELOOP, "copy up", "directories nested too deeply");
  while ((size = syscall(SYS_getdents64, from, entries, sizeof entries)) > 0) {
    const struct entry *entry;
    for (char *at = entries; at < entries + size; at += entry->length) {
      entry = (const struct entry *)at;
      if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
      if (copy_entry(init, from, to, entry->name, levels) < 0) return -1;
    }
  }
  return size < 0 ? failed(init, "copy up", "a directory") : 0;
}

/* `from` and `to` are directories, open by O_PATH; `owner`: the new one is to have the owner of the old one too. */
int copy_up(struct init *init, int from, int to, int owner, const char *destination) {
  struct stat status;
  int below = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), done = -1;
  int above = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (below < 0 || above < 0 || fstat(below, &status) < 0) failed(init, "copy up", destination);
  else if (copy_directory(init, below, above, MOST_LEVELS) == 0) {
    done = copy_attributes(below, above);
    if (done == 0 && owner) done = fchown(above, status.st_uid, status.st_gid);
    if (done == 0) done = copy_times(above, ".", &status);
    if (done < 0) failed(init, "copy up", destination);
  }
  int error = errno;
  if (below >= 0) close(below);
  if (above >= 0) close(above);
  errno = error;
  return done;
}
