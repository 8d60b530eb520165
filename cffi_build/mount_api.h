/* The descriptor-based mount calls (fsopen(2), open_tree(2), mount_setattr(2)), as init uses them. */
#ifndef OCIPY_MOUNT_API_H
#define OCIPY_MOUNT_API_H

#include "init.h"

/* What a mount is to look like: MOUNT_ATTR_* to set and to clear, MS_SHARED & co. or 0. */
struct mount_look {
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
};

int tree_clone(int fd, const char *path, int recursive);
int tree_attach(int tree_fd, int target_fd);
int tree_change(int tree_fd, const struct mount_look *look, int recursive);
int tree_remount(int tree_fd, const struct mount_look *look);
int tree_propagate(int tree_fd, uint64_t propagation);
int filesystem_new(struct init *init, const char *type, const char *source, const char *data, uint64_t attributes);
unsigned long classic_flags(uint64_t attributes);

#endif
