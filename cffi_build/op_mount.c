/* Mounts inside the container's root. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount_api.h"

/* The name of what a descriptor is open on; -1 if it has none, or too long a one. */
static int name_of(const struct init *init, int fd, char *name, size_t size) {
  char path[64];
  fd_path(path, sizeof path, fd);
  ssize_t length = readlinkat(init->proc_fd, path + strlen("/proc/"), name, size);
  if (length < 0) return -1;
  if ((size_t)length == size) {
    errno = ENAMETOOLONG;
    return -1;
  }
  name[length] = 0;
  return 0;
}

static int may_be_replaced(const char *name) {
  /* As runc has it: what lxcfs shows a container in place of the host's. */
  static const char *const files[] = {"cpuinfo",   "diskstats", "meminfo", "stat",    "swaps",
                                      "uptime",    "loadavg",   "slabinfo", "net/dev", "sys/kernel/ns_last_pid",
                                      "sys/crypto/fips_enabled"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    if (strcmp(name, files[i]) == 0) return 1;
  return 0;
}

/*
 * A fake /proc could make programs believe what isn't so (a label that was never set, an unmasked file): only a procfs
 * goes there, and below it only what is known to be harmless.  By where the target really is, not by its name.
 */
static int guard_proc(struct init *init, int target, int is_proc, const char *destination) {
  char root[4096], place[4096];
  if (name_of(init, init->root_fd, root, sizeof root) < 0 || name_of(init, target, place, sizeof place) < 0)
    return failed(init, "find the place of", destination);
  size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
  const char *inside = place + length;
  if (strncmp(place, root, length) != 0 || strncmp(inside, "/proc", 5) != 0) return 0;
  if (inside[5] == 0) return is_proc ? 0 : fail(init, EPERM, "mount what is no procfs on", "/proc");
  if (inside[5] != '/' || may_be_replaced(inside + 6)) return 0;
  return fail(init, EPERM, "mount inside /proc, on", inside);
}

/* The mount is the container's root from now on, for the mounts that follow as well. */
static int attach_checked(struct init *init, int tree, int target, const struct mount_look *look,
                          const char *destination, uint64_t flags) {
  int root = flags & AT_ROOT ? fcntl(tree, F_DUPFD_CLOEXEC, 0) : -1;
  if (attach(init, tree, target, look, destination) < 0) return -1;
  if (root < 0) return 0;
  close(init->root_fd);
  init->root_fd = root;
  return 0;
}

/* The mount point, made if it is missing: then *existed is 0. */
static int open_target(struct init *init, const char *destination, uint64_t flags, int *existed) {
  int plain = (flags & PLAIN_TARGET) != 0;
  int target = plain ? open_plain_in_root(init->root_fd, destination, O_PATH | O_DIRECTORY)
                     : open_in_root(init->root_fd, destination, O_PATH);
  *existed = target >= 0;
  if (target >= 0 || errno != ENOENT) return target;
  target = make_in_root(init->root_fd, destination, 1, 0755);
  if (target < 0 || !plain) return target;
  close(target);
  return open_plain_in_root(init->root_fd, destination, O_PATH | O_DIRECTORY);
}

/* A mount that mount(2) has made is found by its name: from the host for the root, whose descriptor lies below it. */
static int mount_classic(struct init *init, const struct filesystem *what, int target, const struct mount_look *look,
                         const char *destination, uint64_t flags) {
  if (filesystem_classic(init, what, look->set, target) < 0) return -1;
  int mounted = flags & AT_ROOT ? open(init->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC)
                                : open_in_root(init->root_fd, destination, O_PATH);
  if (flags & COPY_UP && mounted >= 0 && copy_up(init, target, mounted, (flags & OWNER_BELOW) != 0, destination) < 0)
    return -1;
  close(target);
  if (mounted < 0 || tree_propagate(mounted, look->propagation) < 0)
    return failed(init, "mount propagation of", destination);
  if (flags & AT_ROOT) {
    close(init->root_fd);
    init->root_fd = mounted;
    return 0;
  }
  close(mounted);
  return 0;
}

static void mode_parameter(char *text, mode_t mode) {
  char *at = text + strlen(strcpy(text, "mode="));
  for (int shift = 9; shift >= 0; shift -= 3) *at++ = (char)('0' + (mode >> shift & 7));
  *at = 0;
}

int op_mount(struct init *init, struct reader *in) {
  const char *destination = read_string(in);
  /* One by one: the order in which an initializer's expressions are evaluated isn't defined. */
  struct filesystem what = {0};
  struct mount_look look = {0};
  struct stat status;
  int existed;
  what.type = read_string(in);
  what.source = read_string(in);
  what.parameters = read_strings(in);
  what.flags = read_number(in);
  look.set = read_number(in);
  look.propagation = read_number(in);
  uint64_t flags = read_number(in);
  const char *fallback = read_string(in);
  int target = open_target(init, destination, flags, &existed);
  if (target < 0 || fstat(target, &status) < 0) return failed(init, "open the mount point", destination);
  if (guard_proc(init, target, strcmp(what.type, "proc") == 0, destination) < 0) return -1;
  if (!existed) flags &= ~(uint64_t)(MODE_BELOW | COPY_UP);
  if (flags & MODE_BELOW) mode_parameter(what.mode, status.st_mode);
  if (filesystem_needs_classic(&what, 0)) return mount_classic(init, &what, target, &look, destination, flags);
  int tree = filesystem_new(init, &what, look.set);
  if (tree < 0 && errno == EINVAL && filesystem_needs_classic(&what, 1))
    return mount_classic(init, &what, target, &look, destination, flags);
  if (tree < 0 && errno == EPERM && *fallback) tree = filesystem_instead(init, what.type, fallback, look.set);
  if (tree < 0) return -1;
  if (flags & COPY_UP && copy_up(init, target, tree, (flags & OWNER_BELOW) != 0, destination) < 0) return -1;
  look.set = 0; /* fsmount(2) has set them */
  return attach_checked(init, tree, target, &look, destination, flags);
}

/* The link as it is, in place of a mount; one that says the same may be there. */
static int copy_link(struct init *init, int from, const char *destination) {
  char target[4096], found[4096], buffer[4096];
  const char *name;
  ssize_t length = readlinkat(from, "", target, sizeof target - 1);
  if (length < 0) return failed(init, "readlink of the source of", destination);
  target[length] = 0;
  int parent = open_parent_in_root(init->root_fd, destination, &name, buffer, sizeof buffer);
  if (parent < 0) return failed(init, "open the parent of", destination);
  int done = symlinkat(target, parent, name), error = errno;
  if (done < 0 && error == EEXIST && readlinkat(parent, name, found, sizeof found) == length)
    done = memcmp(found, target, (size_t)length) ? -1 : 0;
  close(parent);
  return done < 0 ? fail(init, error, "symlink", destination) : 0;
}

/* A bind mount's mount point: a directory or a file, as the source is. */
static int bind_target(struct init *init, const char *destination, uint64_t flags, mode_t source) {
  if (flags & TARGET_LINK) {
    int target = open_in_root(init->root_fd, destination, O_PATH | O_NOFOLLOW);
    if (target >= 0 || errno != ENOENT) return target;
  }
  return make_in_root(init->root_fd, destination, S_ISDIR(source), S_ISDIR(source) ? 0755 : 0644);
}

int op_bind(struct init *init, struct reader *in) {
  const char *destination = read_string(in), *source = read_string(in);
  uint64_t tree_number = read_number(in), recursive = read_number(in);
  struct mount_look look, all = {0};
  struct stat status;
  look.propagation = read_number(in);
  uint64_t flags = read_number(in);
  look.set = read_number(in);
  look.clear = read_number(in);
  all.set = read_number(in);
  all.clear = read_number(in);
  if (tree_number > (uint64_t)init->tree_count) return fail(init, EBADF, "there is no id-mapped mount of", source);
  /* An id-mapped mount is there already, detached: made by the runtime, to whom the filesystem belongs. */
  int nofollow = flags & (SOURCE_LINK | COPY_LINK) ? O_NOFOLLOW : 0;
  int from = tree_number ? init->trees[tree_number - 1] : open(source, O_PATH | O_CLOEXEC | nofollow);
  int ready = tree_number != 0;
  if (from < 0 && errno == EACCES) {
    from = ask_for_tree(init);
    ready = 1;
  }
  if (from < 0 || fstat(from, &status) < 0) return failed(init, "open the source", source);
  if (flags & COPY_LINK && S_ISLNK(status.st_mode)) return copy_link(init, from, destination);
  int target = bind_target(init, destination, flags, status.st_mode);
  if (target < 0) return failed(init, "open the mount point", destination);
  if (guard_proc(init, target, is_procfs(from), destination) < 0) return -1;
  int tree = ready ? from : tree_clone(from, "", recursive != 0);
  if (tree < 0) return failed(init, "open_tree", source);
  if (tree != from) close(from);
  if (tree_change(tree, &all, 1) < 0) return failed(init, "mount_setattr (recursive)", destination);
  /* What is said of all the mounts has the last word on the topmost too (as runc has it). */
  look.set = (look.set & ~all.clear) | all.set;
  look.clear = (look.clear & ~all.set) | all.clear;
  return attach_checked(init, tree, target, &look, destination, flags);
}

int op_remount(struct init *init, struct reader *in) {
  const char *destination = read_string(in);
  struct filesystem what = {.source = destination, .type = ""};
  struct mount_look look, all = {0};
  what.parameters = read_strings(in);
  what.flags = read_number(in);
  uint64_t clear = read_number(in);
  look.propagation = read_number(in);
  look.set = read_number(in);
  look.clear = read_number(in);
  all.set = read_number(in);
  all.clear = read_number(in);
  int mounted = open_in_root(init->root_fd, destination, O_PATH);
  if (mounted < 0) return failed(init, "open", destination);
  if (filesystem_change(init, mounted, &what, clear) < 0) return -1;
  if (mount_change(init, mounted, &look, destination) < 0) return -1;
  if (tree_change(mounted, &all, 1) < 0) return failed(init, "mount_setattr (recursive)", destination);
  if (tree_propagate(mounted, look.propagation) < 0) return failed(init, "mount propagation of", destination);
  close(mounted);
  return 0;
}
