/* What Python sees of the shim (read by cffi and, through shim.h, by the C compiler). */

struct ocipy_spawn {
  uint64_t flags;         /* CLONE_NEW*: the namespaces to be made with it */
  int wait_maps;  /* wait for GO, the id maps, before becoming root */
  const char *oom_score; /* for /proc/self/oom_score_adj, or NULL: none */
  int become_root; /* become uid 0 of the new user namespace */
  int cgroup_fd;  /* directory of the unified hierarchy to be cloned into; -1: none */
  const int *task_fds; /* tasks files of cgroup v1 hierarchies, open for writing, */
  const char *const *task_paths; /* and their names, for the error message */
  int task_count;
  int sync_fd;    /* the child's end of the sync socket, */
  int runtime_fd; /* and the caller's */
  int program_fd; /* ocipy-init */
  const int *fds; /* handed to the program as fd_base, fd_base + 1, …; -1 leaves a hole */
  int fd_count;
  int fd_base;
  int stdio[3];   /* what becomes stdin, stdout and stderr; -1: the caller's own */
  uint32_t index; /* of the spawn in the plan, for the error message */
};

int ocipy_spawn(const struct ocipy_spawn *spawn);
int ocipy_user_namespace(const char *uid_map, const char *gid_map);
int ocipy_mapped_tree(int mount_namespace_fd, const char *source, int recursive, int nofollow, int map_all,
                      int user_namespace_fd);
int ocipy_signalfd(void);
int ocipy_terminal_peer(int master);
int ocipy_unblock_signals(void);
int ocipy_set_device_filter(int cgroup_fd, const char *instructions, int count);
int ocipy_netlink_socket(int namespace_fd);
int ocipy_prlimit(int pid, int resource, uint64_t soft, uint64_t hard);
