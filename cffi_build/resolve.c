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

/* What a walk makes of components that are missing: directories, and at the end what is asked for. */
struct making {
  int directory;
  mode_t mode;
};

static int walk_in_root(int root_fd, const char *path, int flags, int most_links, const struct making *making);

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
  if (fd < 0 && errno == ENOSYS) return walk_in_root(root_fd, path, flags, 0, NULL);
  return fd;
}

/* A walk under way: the directories entered so far, so that ".." needs no look at the (movable) filesystem. */
struct walk {
  int fds[256];
  int depth;
  int links_left;
  const char *rest; /* of todo */
  char todo[4096];
};

static void walk_back(struct walk *walk) {
  while (walk->depth > 0) close(walk->fds[walk->depth--]);
}

static int at_last(const struct walk *walk) { return walk->rest[strspn(walk->rest, "/")] == 0; }

/* Cut the first component off what is left; its length, 0 at the end. */
static int next_component(struct walk *walk, char *name, size_t size) {
  walk->rest += strspn(walk->rest, "/");
  size_t length = strcspn(walk->rest, "/");
  if (length >= size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(name, walk->rest, length);
  name[length] = 0;
  walk->rest += length;
  return (int)length;
}

/* Replace what is left to walk by the link's target followed by it. */
static int splice_link(struct walk *walk, int fd) {
  char target[4096], tail[4096];
  if (walk->links_left-- == 0) {
    errno = ELOOP;
    return -1;
  }
  ssize_t length = readlinkat(fd, "", target, sizeof target - 1);
  if (length < 0) return -1;
  target[length] = 0;
  text_copy(tail, sizeof tail, walk->rest);
  if (target[0] == '/') walk_back(walk);
  text_copy(walk->todo, sizeof walk->todo, target);
  walk->rest = walk->todo;
  if (text_add(walk->todo, sizeof walk->todo, tail) >= sizeof walk->todo) {
    errno = ENAMETOOLONG;
    return -1;
  }
  return 0;
}

/* The component, O_PATH and not followed; made first if it is missing and `making` is given. */
static int open_component(const struct walk *walk, const char *name, const struct making *making) {
  int parent = walk->fds[walk->depth], last = at_last(walk), made;
  int here = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (here >= 0 || errno != ENOENT || !making) return here;
  if (last && !making->directory) {
    made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, making->mode);
    if (made >= 0) close(made);
  } else {
    made = mkdirat(parent, name, last ? making->mode : 0755);
  }
  if (made < 0 && errno != EEXIST) return -1; /* EEXIST: somebody else has made it since, whatever it is */
  return openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Go one component on; the result in *found if that ends the walk. */
static int walk_component(struct walk *walk, const char *name, int flags, const struct making *making, int *found) {
  struct stat status;
  int last = !*walk->rest, done = -1; /* a slash after the name asks for a directory, and follows a link to it */
  if (strcmp(name, ".") == 0) return 0;
  if (strcmp(name, "..") == 0) {
    if (walk->depth > 0) close(walk->fds[walk->depth--]);
    return 0;
  }
  int here = open_component(walk, name, making);
  if (here < 0) return -1;
  if (fstat(here, &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      if (walk->depth + 1 < (int)(sizeof walk->fds / sizeof walk->fds[0])) {
        walk->fds[++walk->depth] = here;
        return 0;
      }
      errno = ENAMETOOLONG;
    } else if (S_ISLNK(status.st_mode) && !(last && flags & O_NOFOLLOW)) {
      done = splice_link(walk, here);
    } else if (last) {
      /* By its name once more, for an O_PATH descriptor can't be reopened without /proc; still without following. */
      *found = openat(walk->fds[walk->depth], name, flags | O_NOFOLLOW | O_CLOEXEC);
      done = *found < 0 ? -1 : 0;
    } else {
      errno = ENOTDIR;
    }
  }
  int error = errno;
  close(here);
  errno = error;
  return done;
}

static int walk_in_root(int root_fd, const char *path, int flags, int most_links, const struct making *making) {
  struct walk walk = {.fds = {root_fd}, .links_left = most_links};
  char name[256];
  int found = -1, done = 0, length = 0;
  walk.rest = walk.todo;
  if (text_copy(walk.todo, sizeof walk.todo, path) >= sizeof walk.todo) {
    errno = ENAMETOOLONG;
    return -1;
  }
  while (done == 0 && found < 0 && (length = next_component(&walk, name, sizeof name)) > 0)
    done = walk_component(&walk, name, flags, making, &found);
  if (done == 0 && found < 0 && length == 0) found = openat(walk.fds[walk.depth], ".", flags | O_CLOEXEC);
  int error = errno;
  walk_back(&walk);
  errno = error;
  return found;
}

int open_in_root_walking(int root_fd, const char *path, int flags) {
  return walk_in_root(root_fd, path, flags, MOST_LINKS, NULL);
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
 * Open path (O_PATH), made with its parents where it is missing: a directory, or an empty file.  What is there already
 * is taken as it is, whatever its type; a link to what is missing has that made, inside the root.
 */
int make_in_root(int root_fd, const char *path, int directory, mode_t mode) {
  struct making making = {directory, mode};
  int fd = open_in_root(root_fd, path, O_PATH);
  if (fd >= 0 || errno != ENOENT) return fd;
  return walk_in_root(root_fd, path, O_PATH, MOST_LINKS, &making);
}
