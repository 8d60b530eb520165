/*
 * Names inside the container's root, turned into descriptors.
 *
 * The root filesystem is hostile: every component may be a symbolic link that points out of it, and may change
 * while we look.  So the kernel resolves, with RESOLVE_IN_ROOT; where openat2(2) is missing (before 5.6, or under a
 * filter that doesn't know it) the walk below does the same, a component at a time with O_NOFOLLOW.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define MOST_LINKS 40 /* as the kernel's MAXSYMLINKS */

void fd_path(char *to, size_t size, int fd) {
  char digits[24];
  text_number(digits, sizeof digits, (uint64_t)fd);
  text_copy(to, size, "/proc/self/fd/");
  text_add(to, size, digits);
}

static int openat2_in_root(int root_fd, const char *path, int flags, uint64_t resolve) {
  struct open_how how = {.flags = (uint64_t)flags | O_CLOEXEC, .resolve = resolve};
  long fd;
  /* EAGAIN: something was renamed or mounted while the kernel walked over a "..": ask again. */
  do fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
  while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  return (int)fd;
}

/* Open path with the container's root as its "/"; symbolic links are followed inside that root. */
int open_in_root(int root_fd, const char *path, int flags) {
  while (*path == '/') path++;
  if (!*path) path = ".";
  int fd = openat2_in_root(root_fd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (fd < 0 && errno == ENOSYS) return open_in_root_walking(root_fd, path, flags);
  return fd;
}

/* The same, but a symbolic link anywhere in path is an error (ELOOP). */
int open_plain_in_root(int root_fd, const char *path, int flags) {
  while (*path == '/') path++;
  if (!*path) path = ".";
  int fd = openat2_in_root(root_fd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
  if (fd >= 0 || errno != ENOSYS) return fd;
  int plain = open_in_root_walking(root_fd, path, flags | O_NOFOLLOW);
  struct stat status;
  if (plain >= 0 && fstat(plain, &status) == 0 && S_ISLNK(status.st_mode)) {
    close(plain);
    errno = ELOOP;
    return -1;
  }
  return plain;
}

/* Cut the first component off *rest into name. */
static int next_component(const char **rest, char *name, size_t size) {
  while (**rest == '/') ++*rest;
  size_t length = strcspn(*rest, "/");
  if (length >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, *rest, length);
  name[length] = 0;
  *rest += length;
  return (int)length;
}

/* The directories entered so far, so that ".." needs no look at the (movable) filesystem. */
struct walk {
  int fds[256];
  int depth;
};

static void walk_close(struct walk *walk) {
  while (walk->depth > 0) close(walk->fds[walk->depth--]);
}

/* Replace what is left to walk by the link's target followed by it. */
static int splice_link(int fd, char *todo, size_t size, const char *rest, struct walk *walk) {
  char target[4096], tail[4096];
  ssize_t length = readlinkat(fd, "", target, sizeof target - 1);
  if (length < 0) return -1;
  target[length] = 0;
  text_copy(tail, sizeof tail, rest);
  if (target[0] == '/') walk_close(walk);
  text_copy(todo, size, target);
  text_add(todo, size, "/");
  if (text_add(todo, size, tail) >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return 0;
}

int open_in_root_walking(int root_fd, const char *path, int flags) {
  char todo[4096], name[256];
  struct walk walk = {.fds = {root_fd}, .depth = 0};
  int links = 0, error = 0, found = -1;
  if (text_copy(todo, sizeof todo, path) >= sizeof todo) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const char *rest = todo;
  while (found < 0 && !error) {
    int length = next_component(&rest, name, sizeof name);
    if (length < 0) {
      error = errno;
    } else if (length == 0) {
      found = openat(walk.fds[walk.depth], ".", flags | O_CLOEXEC);
      if (found < 0) error = errno;
    } else if (strcmp(name, ".") == 0) {
      continue;
    } else if (strcmp(name, "..") == 0) {
      if (walk.depth > 0) close(walk.fds[walk.depth--]);
    } else {
      int here = openat(walk.fds[walk.depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
      struct stat status;
      if (here < 0 || fstat(here, &status) < 0) {
        error = errno;
        if (here >= 0) close(here);
        break;
      }
      int last = rest[strspn(rest, "/")] == 0;
      if (S_ISLNK(status.st_mode) && !(last && (flags & O_NOFOLLOW))) {
        if (++links > MOST_LINKS) error = ELOOP;
        else if (splice_link(here, todo, sizeof todo, rest, &walk) < 0) error = errno;
        rest = todo;
        close(here);
      } else if (last && !S_ISDIR(status.st_mode)) {
        /* Not a directory: open it by its name, still without following. */
        found = openat(walk.fds[walk.depth], name, flags | O_NOFOLLOW | O_CLOEXEC);
        if (found < 0) error = errno;
        close(here);
      } else if (walk.depth + 1 >= (int)(sizeof walk.fds / sizeof walk.fds[0])) {
        error = ENAMETOOLONG;
        close(here);
      } else {
        walk.fds[++walk.depth] = here;
      }
    }
  }
  walk_close(&walk);
  if (found < 0) errno = error;
  return found;
}

/* The directory that holds path's last component, which goes to *name (in buffer). */
int open_parent_in_root(int root_fd, const char *path, const char **name, char *buffer, size_t size) {
  if (text_copy(buffer, size, path) >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  size_t length = strlen(buffer);
  while (length > 1 && buffer[length - 1] == '/') buffer[--length] = 0;
  char *slash = strrchr(buffer, '/');
  *name = slash ? slash + 1 : buffer;
  if (!slash || slash == buffer) return open_in_root(root_fd, ".", O_PATH | O_DIRECTORY);
  *slash = 0;
  return make_in_root(root_fd, buffer, 1, 0755);
}

/*
 * Open path (O_PATH), made with its parents where it is missing: a directory, or an empty file.
 * What is there already is taken as it is, whatever its type.
 */
int make_in_root(int root_fd, const char *path, int directory, mode_t mode) {
  int fd = open_in_root(root_fd, path, O_PATH);
  if (fd >= 0 || errno != ENOENT) return fd;
  char todo[4096], name[256];
  if (text_copy(todo, sizeof todo, path) >= sizeof todo) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int here = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
  const char *rest = todo;
  while (here >= 0) {
    int length = next_component(&rest, name, sizeof name);
    if (length <= 0) break;
    int last = rest[strspn(rest, "/")] == 0;
    /* The prefix that exists is resolved as a whole, so that links and ".." in it mean what they should. */
    char saved = *rest;
    *(char *)rest = 0;
    int next = open_in_root(root_fd, todo, O_PATH);
    *(char *)rest = saved;
    if (next < 0 && errno == ENOENT) {
      int made = last && !directory ? openat(here, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, mode)
                                    : mkdirat(here, name, last ? mode : 0755);
      if (made >= 0 && last && !directory) close(made);
      next = made < 0 && errno != EEXIST ? -1 : openat(here, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    }
    int error = errno;
    close(here);
    errno = error;
    here = next;
  }
  return here;
}
