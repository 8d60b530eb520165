/* The descriptor-based mount calls (fsopen(2), open_tree(2), mount_setattr(2)), as init uses them. */
#ifndef OCIPY_MOUNT_API_H
#define OCIPY_MOUNT_API_H

#include "init.h"

/* Flags of the ops mount and bind (ocipy/plan/mounts.py). */
#define PLAIN_TARGET 1u /* no symbolic link on the way: for /proc and /sys, whose place is part of the safety */
#define AT_ROOT 2u      /* the destination is "/": the mount becomes the container's root */
#define MODE_BELOW 4u   /* a tmpfs takes its mode from the directory it is mounted on */
#define COPY_UP 8u      /* a tmpfs is filled with what the directory below has */
#define OWNER_BELOW 16u /* and given its owner */

#define SOURCE_LINK 32u /* a symbolic link is bound itself, not what it leads to */
#define TARGET_LINK 64u /* a symbolic link is mounted on */
#define COPY_LINK 128u  /* a source that is a symbolic link is copied */

/* What a mount is to look like: MOUNT_ATTR_* to set and to clear, MS_SHARED & co. or 0. */
struct mount_look {
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
};

/* A filesystem to be mounted; parameters as mount(8) has them, flags of the superblock as mount(2) has them. */
struct filesystem {
  const char *type;
  const char *source;
  struct strings parameters;
  uint64_t flags;
  char mode[16]; /* "mode=…", of the directory below; or empty */
};

/* mount_api.c */
int tree_clone(int fd, const char *path, int recursive);
int tree_attach(int tree_fd, int target_fd);
int tree_change(int tree_fd, const struct mount_look *look, int recursive);
int tree_remount(int tree_fd, const struct mount_look *look);
int tree_propagate(int tree_fd, uint64_t propagation);
int attach(struct init *init, int tree, int target, const struct mount_look *look, const char *destination);
int mount_change(struct init *init, int mounted, const struct mount_look *look, const char *destination);
unsigned long classic_flags(uint64_t attributes);

/* filesystem.c */
int filesystem_new(struct init *init, const struct filesystem *what, uint64_t attributes);
int filesystem_change(struct init *init, int fd, const struct filesystem *what, uint64_t clear);
int filesystem_needs_classic(const struct filesystem *what, int layers);
int filesystem_classic(struct init *init, const struct filesystem *what, uint64_t attributes, int target);

int filesystem_instead(struct init *init, const char *type, const char *fallback, uint64_t attributes);

/* copy_up.c */
int copy_up(struct init *init, int from, int to, int owner, const char *destination);

#endif
