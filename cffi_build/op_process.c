/* The process itself: who it is, what it may do, and what it runs.  This is the tail that create and exec share. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

int op_keyring(struct init *init, struct reader *in) {
  const char *name = read_string(in);
  /* A kernel without keyrings, or a filter around us that denies them, leaves nothing to protect. */
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) < 0 && errno != ENOSYS && errno != EPERM)
    return failed(init, "keyctl KEYCTL_JOIN_SESSION_KEYRING", name);
  return 0;
}

int op_no_new_privileges(struct init *init, struct reader *in) {
  (void)in;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return failed(init, "prctl", "PR_SET_NO_NEW_PRIVS");
  return 0;
}

int op_bounding_set(struct init *init, struct reader *in) {
  uint64_t keep = read_number(in);
  for (int capability = 0; capability < 64; capability++) {
    if (keep >> capability & 1) continue;
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) <= 0) continue; /* dropped already, or unknown to the kernel */
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return failed(init, "prctl", "PR_CAPBSET_DROP");
  }
  return 0;
}

int op_umask(struct init *init, struct reader *in) {
  (void)init;
  umask((mode_t)read_number(in));
  return 0;
}

int op_user(struct init *init, struct reader *in) {
  uid_t uid = (uid_t)read_number(in);
  gid_t gid = (gid_t)read_number(in);
  struct bytes groups = read_bytes(in);
  int deathsig = 0;
  prctl(PR_GET_PDEATHSIG, &deathsig, 0, 0, 0);
  /* The capabilities to keep are chosen by the next op; without this, leaving uid 0 clears them all. */
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return failed(init, "prctl", "PR_SET_KEEPCAPS");
  /* EPERM: the user namespace denies setgroups for good (user_namespaces(7)); nothing is lost if none are asked. */
  if (syscall(SYS_setgroups, groups.length / sizeof(uint32_t), groups.data) < 0 && (errno != EPERM || groups.length))
    return failed(init, "setgroups", "");
  if (setresgid(gid, gid, gid) < 0) return failed(init, "setresgid", "");
  if (setresuid(uid, uid, uid) < 0) return failed(init, "setresuid", "");
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) return failed(init, "prctl", "PR_SET_KEEPCAPS");
  /* Another uid has undone both; it has made the process dumpable with fs.suid_dumpable = 1 (prctl(2)). */
  prctl(PR_SET_PDEATHSIG, deathsig, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return 0;
}

/* Of a process that exec makes: from here on it lives whether the runtime does or not. */
int op_outlive(struct init *init, struct reader *in) {
  (void)in;
  if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0) return failed(init, "prctl", "PR_SET_PDEATHSIG");
  return 0;
}

static void warn_mask(struct init *init, int error, const char *what, uint64_t mask) {
  char number[24];
  text_number(number, sizeof number, mask);
  warn(init, error, what, number);
}

/* What a capability has to be in to become inheritable (capset(2)). */
static uint64_t bounding_set(void) {
  uint64_t set = 0;
  for (int capability = 0; capability < 64; capability++)
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) > 0) set |= 1ull << capability;
  return set;
}

static uint64_t halves(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

int op_capabilities(struct init *init, struct reader *in) {
  uint64_t effective = read_number(in), permitted = read_number(in), inheritable = read_number(in);
  uint64_t ambient = read_number(in), refused = 0;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return failed(init, "capget", "");
  uint64_t held = halves(data[0].permitted, data[1].permitted);
  /* config.md: what can't be granted is a warning, and no reason to fail. */
  uint64_t missing = (effective | permitted | inheritable | ambient) & ~held;
  uint64_t unbound = inheritable & held & ~halves(data[0].inheritable, data[1].inheritable) & ~bounding_set();
  if (unbound) warn_mask(init, EPERM, "inheritable capabilities", unbound);
  inheritable &= ~unbound;
  if (missing) warn_mask(init, EPERM, "capabilities", missing);
  for (int half = 0; half < 2; half++) {
    data[half].effective = (uint32_t)((effective & permitted & held) >> 32 * half);
    data[half].permitted = (uint32_t)((permitted & held) >> 32 * half);
    data[half].inheritable = (uint32_t)((inheritable & held) >> 32 * half);
  }
  if (syscall(SYS_capset, &header, data) < 0) return failed(init, "capset", "");
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
    return failed(init, "prctl", "PR_CAP_AMBIENT_CLEAR_ALL");
  for (int capability = 0; capability < 64; capability++)
    if (ambient & held & 1ull << capability && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      refused |= 1ull << capability;
  if (refused) warn_mask(init, EPERM, "ambient capabilities", refused);
  return 0;
}

/*
 * Twice in a plan: before the user changes (a directory only root may enter) and after it (one that only the user
 * may).  A working directory outside the root would be a way out (CVE-2024-21626): getcwd(2) tells.
 */
int op_cwd(struct init *init, struct reader *in) {
  const char *path = read_string(in);
  uint64_t last = read_number(in);
  char here[4096];
  if (init->cwd_done) return 0;
  if (chdir(path) < 0) {
    if (!last && (errno == EACCES || errno == EPERM)) return 0;
    return failed(init, "chdir to", path);
  }
  long length = syscall(SYS_getcwd, here, sizeof here);
  if (length < 0 || here[0] != '/') return fail(init, EINVAL, "the working directory is outside the root:", path);
  init->cwd_done = 1;
  return 0;
}

int op_close_on_exec(struct init *init, struct reader *in) {
  unsigned first = (unsigned)read_number(in);
  if (syscall(SYS_close_range, first, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0) return 0;
  if (errno != ENOSYS && errno != EINVAL) return failed(init, "close_range", "");
  for (int fd = (int)first; fd < 65536; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return 0;
}

/* 0: runs; else the errno execve(2) would give. */
static int check_program(const char *path) {
  struct stat status;
  if (stat(path, &status) < 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  /* faccessat2(2) (5.8) goes by the effective capabilities, as execve does; access(2) ignores those of a user. */
  long done = syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
  if (done < 0 && errno == ENOSYS) done = access(path, X_OK);
  return done < 0 ? errno : 0;
}

static int search_path(struct init *init, const char *name, const char *directories) {
  int error = ENOENT;
  for (const char *at = directories;; at++) {
    size_t length = strcspn(at, ":");
    char *to = init->program;
    if (length + strlen(name) + 2 <= sizeof init->program) {
      memcpy(to, at, length);
      to[length] = 0;
      /* An empty element means the working directory (execvp(3)). */
      text_add(to, sizeof init->program, length ? "/" : "./");
      text_add(to, sizeof init->program, name);
      int found = check_program(to);
      if (found == 0) return 0;
      if (found == EACCES) error = EACCES;
    }
    at += length;
    if (!*at) return error;
  }
}

int op_find_program(struct init *init, struct reader *in) {
  const char *name = read_string(in), *directories = read_string(in);
  int error;
  if (strchr(name, '/')) {
    if (text_copy(init->program, sizeof init->program, name) >= sizeof init->program) error = ENAMETOOLONG;
    else error = check_program(name);
  } else {
    error = *name ? search_path(init, name, directories) : ENOENT;
  }
  return error ? fail(init, error, "exec", name) : 0;
}

/* Which process the sockets are for, as that one knows itself (sd_listen_fds(3)): 1 only in a PID namespace of its own. */
int op_listen_pid(struct init *init, struct reader *in) {
  (void)in;
  char number[24];
  text_number(number, sizeof number, (uint64_t)getpid());
  text_copy(init->listen_pid, sizeof init->listen_pid, "LISTEN_PID=");
  text_add(init->listen_pid, sizeof init->listen_pid, number);
  return 0;
}

int op_exec(struct init *init, struct reader *in) {
  struct strings arguments = read_strings(in), environment = read_strings(in);
  char **variables = environment.items;
  if (in->bad) return fail(init, EBADMSG, "read the arguments", "");
  if (init->home[0]) *--variables = init->home; /* read_strings keeps the slots free */
  if (init->listen_pid[0]) *--variables = init->listen_pid;
  execve(init->program, arguments.items, variables);
  return failed(init, "exec", init->program);
}
