/*
 * Into namespaces that are there already, with others in them.
 *
 * Who has CAP_SYS_PTRACE over one that is joined can look into the process that joins it, take its descriptors and write
 * to its memory, for all that its not being dumpable keeps out those without.  So it is not before this program runs,
 * which is no file of the host and holds nothing of the runtime's (spawn.c), that one is joined; and the descriptors of
 * the namespaces and of the host's /proc are gone by the time that there is a process in the PID namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clone.h"
#include "init.h"

#define MOST_JOINED 8

struct joining {
  int fds[MOST_JOINED];
  uint64_t types[MOST_JOINED];
  size_t count;
};

static const char *namespace_name(uint64_t type) {
  switch (type) {
    case CLONE_NEWUSER: return "user namespace";
    case CLONE_NEWPID: return "pid namespace";
    case CLONE_NEWNET: return "network namespace";
    case CLONE_NEWIPC: return "ipc namespace";
    case CLONE_NEWUTS: return "uts namespace";
    case CLONE_NEWNS: return "mount namespace";
    case CLONE_NEWCGROUP: return "cgroup namespace";
    default: return "time namespace";
  }
}

static int join_one(struct init *init, const struct joining *joining, size_t i) {
  if (setns(joining->fds[i], (int)joining->types[i]) == 0) return 0;
  return failed(init, "setns into the", namespace_name(joining->types[i]));
}

/*
 * Some of the namespaces may belong to the user namespace (then it must be entered first), others to the runtime's own
 * (then they must be entered before it): try all, enter the user namespace, do the rest.
 */
static int join(struct init *init, const struct joining *joining) {
  int joined[MOST_JOINED] = {0};
  size_t user = joining->count;
  for (size_t i = 0; i < joining->count; i++)
    if (joining->types[i] == CLONE_NEWUSER) user = i;
  for (size_t i = 0; user < joining->count && i < joining->count; i++)
    if (i != user) joined[i] = setns(joining->fds[i], (int)joining->types[i]) == 0;
  if (user < joining->count) {
    joined[user] = 1;
    if (join_one(init, joining, user) < 0) return -1;
  }
  for (size_t i = 0; i < joining->count; i++)
    if (!joined[i] && join_one(init, joining, i) < 0) return -1;
  return 0;
}

/*
 * The offsets of a time namespace can be set until a process enters it, and unshare(2), unlike clone3(2), leaves that to
 * the children (time_namespaces(7)).  The user namespace that is to own it has to be there first.
 */
static int make_time_namespace(struct init *init, uint64_t flags, int offsets_fd, const char *offsets) {
  if (unshare((int)flags) < 0) return failed(init, "unshare of the", "time namespace");
  if (write(offsets_fd, offsets, strlen(offsets)) < 0) return failed(init, "write to", "timens_offsets");
  close(offsets_fd);
  return 0;
}

/* CLONE_PARENT: the new process is the runtime's child too, so it can be waited for. */
static int fork_again(struct init *init, uint64_t flags) {
  long pid = ocipy_clone(flags | CLONE_PARENT, -1);
  if (pid < 0) return failed(init, "clone3 of the", "container's process");
  if (pid > 0) {
    init->index = (uint32_t)pid;
    init->detail[0] = 0;
    report(init, OCIPY_MSG_PID, 0);
    _exit(0);
  }
  return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? failed(init, "prctl", "PR_SET_PDEATHSIG") : 0;
}

static int take_namespaces(struct init *init, struct bytes types, struct joining *joining) {
  joining->count = types.length / sizeof joining->types[0];
  if (joining->count > MOST_JOINED) return fail(init, E2BIG, "too many", "namespaces");
  memcpy(joining->types, types.data, joining->count * sizeof joining->types[0]);
  for (size_t i = 0; i < joining->count; i++) joining->fds[i] = init->fd_base + OCIPY_FD_JOIN + (int)i;
  return 0;
}

/*
 * The files of a process below /proc are root's unless it is dumpable (proc(5)), and this may be an ordinary user's.
 * While it is, nobody else may be in its namespaces.
 */
static void set_dumpable(int dumpable) { prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0); }

static int become_root(struct init *init) {
  const char *what;
  if (ocipy_become_root(&what) < 0) return failed(init, what, "");
  /* Another uid has undone both; it has made the process dumpable with fs.suid_dumpable = 1 (prctl(2)). */
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  set_dumpable(0);
  return 0;
}

static int open_time_offsets(void) {
  set_dumpable(1);
  int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  set_dumpable(0);
  return fd;
}

int op_enter(struct init *init, struct reader *in) {
  struct bytes types = read_bytes(in);
  uint64_t flags = read_number(in), again = read_number(in), maps = read_number(in), root = read_number(in);
  const char *offsets = read_string(in);
  struct joining joining;
  int offsets_fd = -1;
  if (in->bad) return fail(init, EBADMSG, "read the operation", "");
  if (take_namespaces(init, types, &joining) < 0) return -1;
  /* Opened while /proc is the host's: a mount namespace to join may have another. */
  if (*offsets && (offsets_fd = open_time_offsets()) < 0)
    return failed(init, "open", "/proc/self/timens_offsets");
  close_proc(init);
  if (join(init, &joining) < 0) return -1;
  for (size_t i = 0; i < joining.count; i++) close(joining.fds[i]);
  if (*offsets) {
    uint64_t first = CLONE_NEWTIME | (flags & CLONE_NEWUSER);
    if (make_time_namespace(init, first, offsets_fd, offsets) < 0) return -1;
    flags &= ~first;
  }
  /* What has joined others' isn't in a user namespace whose maps an ordinary user has to write. */
  set_dumpable(maps && !joining.count);
  if (again && fork_again(init, flags) < 0) return -1;
  /* A second clone waits until the runtime knows of it: the go-between may have been killed before it could tell. */
  if ((again || maps) && wait_go(init->sync_fd) < 0) _exit(1); /* the runtime gave up */
  set_dumpable(0);
  if (root && become_root(init) < 0) return -1;
  open_proc(init);
  return 0;
}
