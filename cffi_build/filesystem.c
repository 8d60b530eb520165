/* A filesystem made ready to be mounted, or changed: its parameters, and the flags of its superblock. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mount_api.h"

#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif
#define MOST_PARAMETER 255  /* fsconfig(2) takes strings shorter than 256 bytes, */
#define MOST_CLASSIC 4095   /* mount(2) a page, and cuts off what is longer */
#define PICK_EMPTY_PATH 8   /* FSPICK_EMPTY_PATH */
#define MQUEUE_MAGIC 0x19800202 /* ipc/mqueue.c */
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* Flags of mount(2) that are parameters to fsconfig(2).  MS_SILENT has no meaning there: no log is written. */
static const struct {
  unsigned long flag;
  const char *set, *clear;
} words[] = {{MS_RDONLY, "ro", "rw"},
             {MS_SYNCHRONOUS, "sync", "async"},
             {MS_MANDLOCK, "mand", "nomand"},
             {MS_DIRSYNC, "dirsync", ""},
             {MS_LAZYTIME, "lazytime", "nolazytime"}};

/* The kernel's own words on what it didn't like, one message a read ("e tmpfs: Bad value for 'size'"). */
static void add_kernel_message(struct init *init, int context_fd) {
  char message[200];
  int error = errno;
  ssize_t length = read(context_fd, message, sizeof message - 1);
  if (length > 2) {
    message[length - (message[length - 1] == '\n')] = 0;
    detail_add(init, ": the kernel says: ");
    detail_add(init, message + 2);
  }
  errno = error;
}

static int set_flag(int context_fd, const char *name) {
  return (int)syscall(SYS_fsconfig, context_fd, FSCONFIG_SET_FLAG, name, NULL, 0);
}

static int set_string(int context_fd, const char *name, const char *value) {
  return (int)syscall(SYS_fsconfig, context_fd, FSCONFIG_SET_STRING, name, value, 0);
}

/* overlay takes its layers one by one (since 6.7): a list of them may be longer than a parameter. */
static int set_layers(int context_fd, const char *value) {
  char layer[MOST_PARAMETER + 1];
  while (*value) {
    size_t length = 0;
    for (; *value && *value != ':' && length < MOST_PARAMETER; value++) {
      if (*value == '\\' && value[1]) value++; /* a colon of the name's own */
      layer[length++] = *value;
    }
    layer[length] = 0;
    if (length == 0 || (*value && *value != ':')) {
      errno = EINVAL; /* "::" begins data-only layers; or the name is too long for a parameter */
      return -1;
    }
    if (set_string(context_fd, "lowerdir+", layer) < 0) return -1;
    value += *value == ':';
  }
  return 0;
}

static int is_layers(const char *type, const char *parameter) {
  return strcmp(type, "overlay") == 0 && strncmp(parameter, "lowerdir=", 9) == 0;
}

/* One parameter; quotes around a value keep its commas from mount(2), and are no part of it. */
static int set_parameter(int context_fd, const char *type, const char *parameter) {
  char name[MOST_PARAMETER + 1], value[MOST_PARAMETER + 3];
  size_t length = strcspn(parameter, "=");
  if (is_layers(type, parameter) && strlen(parameter + 9) > MOST_PARAMETER) return set_layers(context_fd, parameter + 9);
  if (length > MOST_PARAMETER) {
    errno = EINVAL;
    return -1;
  }
  memcpy(name, parameter, length);
  name[length] = 0;
  if (!parameter[length]) return set_flag(context_fd, name);
  const char *from = parameter + length + 1;
  size_t size = strlen(from);
  if (size >= 2 && from[0] == '"' && from[size - 1] == '"' && size < sizeof value) {
    memcpy(value, from + 1, size - 2);
    value[size - 2] = 0;
    from = value;
  }
  return set_string(context_fd, name, from);
}

static int set_all(int context_fd, const struct filesystem *what, uint64_t clear) {
  if (what->mode[0] && set_parameter(context_fd, what->type, what->mode) < 0) return -1;
  for (size_t i = 0; i < what->parameters.count; i++)
    if (set_parameter(context_fd, what->type, what->parameters.items[i]) < 0) return -1;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (what->flags & words[i].flag && set_flag(context_fd, words[i].set) < 0) return -1;
    if (clear & words[i].flag && *words[i].clear && set_flag(context_fd, words[i].clear) < 0) return -1;
  }
  return 0;
}

/* A new, detached mount of a filesystem; -1 with detail and errno. */
int filesystem_new(struct init *init, const struct filesystem *what, uint64_t attributes) {
  int context_fd = (int)syscall(SYS_fsopen, what->type, 1 /* FSOPEN_CLOEXEC */);
  if (context_fd < 0) return failed(init, "fsopen", what->type);
  int mount_fd = -1;
  if (set_string(context_fd, "source", what->source) < 0 || set_all(context_fd, what, 0) < 0 ||
      syscall(SYS_fsconfig, context_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
      (mount_fd = (int)syscall(SYS_fsmount, context_fd, 1 /* FSMOUNT_CLOEXEC */, (unsigned)attributes)) < 0) {
    failed(init, "mount", what->type);
    add_kernel_message(init, context_fd);
  }
  int error = errno;
  close(context_fd);
  errno = error;
  return mount_fd;
}

/* Change the superblock of what is mounted at fd, if anything is to be changed of it; what->source is its name. */
int filesystem_change(struct init *init, int fd, const struct filesystem *what, uint64_t clear) {
  if (!what->parameters.count && !what->flags && !clear) return 0;
  int context_fd = (int)syscall(SYS_fspick, fd, "", 1 /* FSPICK_CLOEXEC */ | PICK_EMPTY_PATH), done = 0;
  if (context_fd < 0) return failed(init, "fspick", what->source);
  if (set_all(context_fd, what, clear) < 0 ||
      syscall(SYS_fsconfig, context_fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0) {
    done = failed(init, "remount", what->source);
    add_kernel_message(init, context_fd);
  }
  int error = errno;
  close(context_fd);
  errno = error;
  return done;
}

/*
 * What only mount(2) can do: parameters that are too long for fsconfig(2), and the one flag without a word.  `layers`:
 * those of an overlay count as well, for the kernel doesn't take them one by one.
 */
int filesystem_needs_classic(const struct filesystem *what, int layers) {
  if (what->flags & MS_I_VERSION || strlen(what->source) > MOST_PARAMETER) return 1;
  for (size_t i = 0; i < what->parameters.count; i++) {
    const char *parameter = what->parameters.items[i];
    size_t name = strcspn(parameter, "=");
    if ((layers || !is_layers(what->type, parameter)) && strlen(parameter + name) > MOST_PARAMETER) return 1;
  }
  return 0;
}

/* Mount at the target; a new name look-up is needed to find what has been mounted. */
int filesystem_classic(struct init *init, const struct filesystem *what, uint64_t attributes, int target) {
  char path[64], data[MOST_CLASSIC + 1];
  text_copy(data, sizeof data, what->mode);
  for (size_t i = 0; i < what->parameters.count; i++) {
    if (data[0]) text_add(data, sizeof data, ",");
    if (text_add(data, sizeof data, what->parameters.items[i]) >= sizeof data)
      return fail(init, E2BIG, "mount(2) takes options of 4095 bytes in all;", what->type);
  }
  fd_path(path, sizeof path, target);
  if (mount(what->source, path, what->type, classic_flags(attributes) | (unsigned long)what->flags, data) < 0)
    return failed(init, "mount", what->type);
  return 0;
}

/*
 * Where the namespaces that a filesystem shows aren't the container's own, its user namespace may not mount it; but what
 * the host has mounted shows the same ones.  The attributes are asked of all that lies below, as of the one mount wanted.
 */
int filesystem_instead(struct init *init, const char *type, const char *fallback, uint64_t attributes) {
  struct statfs status;
  /* Those that only restrict: the policy of access times is locked (mount_namespaces(7)). */
  struct mount_look look = {.set = attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                 MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)};
  unsigned long magic = strcmp(type, "sysfs") == 0 ? SYSFS_MAGIC : strcmp(type, "proc") == 0 ? PROC_SUPER_MAGIC : MQUEUE_MAGIC;
  int from = open(fallback, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (from < 0 || fstatfs(from, &status) < 0 || (unsigned long)status.f_type != magic) {
    if (from >= 0) close(from);
    errno = EPERM; /* as the mount: the detail still tells of it */
    return -1;
  }
  int tree = tree_clone(from, "", 1);
  if (tree < 0) return failed(init, "open_tree", fallback);
  close(from);
  if (tree_change(tree, &look, 1) < 0) return failed(init, "mount_setattr (recursive)", fallback);
  return tree;
}
