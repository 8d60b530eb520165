/*
 * ocipy-init: the process that becomes the container.
 *
 *   runtime                                 init
 *     spawn, send the plan            ─▶      read the plan, do op after op (the first may be "enter")
 *     ◀─ BARRIER (or ERROR, WARNING)          … up to a barrier: the runtime's own steps are due
 *     its steps, GO                   ─▶      … and so on; the last barrier is "created"
 *   start: connect to the listening socket
 *     GO                              ─▶      wait-start returns, the rest of the ops, execve
 *     ◀─ ERROR, or end of file: the program runs
 *
 * At any time: AGENT ─▶, and ◀─ GO with descriptors (op_seccomp.c).
 *
 * A runtime that dies takes init along until "created": its end of the socket closes, and PDEATHSIG is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define SETUP_FAILED 1

typedef int (*op_function)(struct init *, struct reader *);

static const op_function functions[] = {
#define X(code, cname, name) [code] = op_##cname,
    OCIPY_INIT_OPS(X)
#undef X
};

struct plan_header {
  uint32_t magic, version, length, count;
};

struct op_header {
  uint16_t code, flags;
  uint32_t index, fault, length;
};

/* The type of the next message, or -1. */
static int next_message(int fd, int flags) {
  char message;
  ssize_t got;
  while ((got = recv(fd, &message, 1, flags)) < 0 && errno == EINTR) continue;
  if (got < 0 && !flags) got = read(fd, &message, 1); /* a filter in force by then may deny recv(2) */
  return got == 1 ? message : -1;
}

int wait_go(int fd) { return next_message(fd, 0) == OCIPY_MSG_GO ? 0 : -1; }

/* The mounts that the runtime has made meanwhile. */
static int receive_trees(struct init *init) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof init->trees)];
  } control;
  char byte = 0;
  struct iovec payload = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &payload, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got;
  while ((got = recvmsg(init->sync_fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
  if (got != 1 || byte != OCIPY_MSG_TREE) return -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    size_t size = header->cmsg_len - CMSG_LEN(0);
    if (size > sizeof init->trees - (size_t)init->tree_count * sizeof(int)) return -1;
    memcpy(init->trees + init->tree_count, CMSG_DATA(header), size);
    init->tree_count += (int)(size / sizeof(int));
  }
  return 0;
}

/* The op's source (a bind: a copy of the mount there), from the runtime, which may search directories that we may not. */
int ask_for_tree(struct init *init) {
  int before = init->tree_count;
  init->detail[0] = 0;
  report(init, OCIPY_MSG_TREE, 0);
  if (receive_trees(init) < 0 || init->tree_count != before + 1) _exit(SETUP_FAILED); /* it gave up */
  return init->trees[--init->tree_count];
}

int op_barrier(struct init *init, struct reader *in) {
  (void)in;
  init->detail[0] = 0;
  report(init, OCIPY_MSG_BARRIER, 0);
  /* A look first: recvmsg(2), which brings the mounts, is one more that a filter in force by then might deny. */
  int trees = next_message(init->sync_fd, MSG_PEEK) == OCIPY_MSG_TREE;
  if ((trees ? receive_trees(init) : wait_go(init->sync_fd)) < 0) _exit(SETUP_FAILED);
  return 0;
}

static void die_of(int number) { _exit(128 + number); }

/* Pid 1 of a PID namespace has no default actions: without handlers a kill of a created container would be lost. */
static void handle_signals(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGABRT};
  for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) sigaction(fatal[i], &action, NULL);
}

int op_wait_start(struct init *init, struct reader *in) {
  (void)in;
  handle_signals(die_of);
  /* From here on the container outlives the runtime that made it, which may end as soon as the socket is closed. */
  prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  close(init->sync_fd);
  int fd;
  while ((fd = accept4(init->listen_fd, NULL, NULL, SOCK_CLOEXEC)) < 0 && errno == EINTR) continue;
  if (fd < 0 || wait_go(fd) < 0) _exit(SETUP_FAILED);
  handle_signals(SIG_DFL);
  close(init->listen_fd);
  init->report_fd = fd;
  return 0;
}

static int do_op(struct init *init, const struct op_header *header, struct reader *in) {
  if (header->flags & OCIPY_OP_FAULT) return fail(init, (int)header->fault, "fault", "injected by a test");
  if (header->code == 0 || header->code >= sizeof functions / sizeof functions[0])
    return fail(init, EBADMSG, "unknown operation", "");
  init->detail[0] = 0;
  if (functions[header->code](init, in) < 0) return -1;
  if (in->bad) return fail(init, EBADMSG, "read the operation", "");
  return 0;
}

static void run_plan(struct init *init, const unsigned char *plan, size_t size) {
  struct plan_header header;
  const unsigned char *at = plan + sizeof header, *end = plan + size;
  memcpy(&header, plan, sizeof header);
  for (uint32_t i = 0; i < header.count; i++) {
    struct op_header op;
    if ((size_t)(end - at) < sizeof op) break;
    memcpy(&op, at, sizeof op);
    at += sizeof op;
    if ((size_t)(end - at) < op.length) break;
    struct reader in = {.at = at, .end = at + op.length};
    at += op.length;
    init->index = op.index;
    if (do_op(init, &op, &in) < 0) {
      report(init, OCIPY_MSG_ERROR, (uint32_t)errno);
      _exit(SETUP_FAILED);
    }
  }
  fail(init, EBADMSG, "the plan ends before", "exec");
  report(init, OCIPY_MSG_ERROR, EBADMSG);
}

static const unsigned char *map_plan(int fd, size_t *size) {
  struct stat status;
  struct plan_header header;
  if (fstat(fd, &status) < 0 || status.st_size < (off_t)sizeof header) return NULL;
  *size = (size_t)status.st_size;
  const unsigned char *plan = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (plan == MAP_FAILED) return NULL;
  memcpy(&header, plan, sizeof header);
  if (header.magic != OCIPY_PLAN_MAGIC || header.version != OCIPY_PLAN_VERSION || header.length != *size) return NULL;
  return plan;
}

static void complain(const char *text) {
  if (write(2, text, strlen(text)) < 0) _exit(SETUP_FAILED);
  _exit(SETUP_FAILED);
}

void close_proc(struct init *init) {
  if (init->proc_fd >= 0) close(init->proc_fd);
  init->proc_fd = -1;
}

/* That of the mount namespace that we are in; -1: there is none. */
void open_proc(struct init *init) {
  init->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (init->proc_fd >= 0 && !is_procfs(init->proc_fd)) close_proc(init);
}

int main(int argc, char **argv) {
  static struct init init;
  uint64_t base;
  size_t size;
  /* A container's program that runs /proc/self/exe before its own exec gets here, with nothing to act on. */
  if (argc != 2 || text_parse(argv[1], &base) < 0 || base < 3 || base > 65536)
    complain("ocipy-init: started by ocipy only\n");
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  prctl(PR_SET_NAME, "ocipy-init", 0, 0, 0);
  init.fd_base = (int)base;
  init.report_fd = init.sync_fd = init.fd_base + OCIPY_FD_SYNC;
  init.listen_fd = init.fd_base + OCIPY_FD_LISTEN;
  init.console_fd = init.fd_base + OCIPY_FD_CONSOLE;
  init.root_fd = -1;
  for (int fd = init.fd_base; fd <= init.console_fd; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  const unsigned char *plan = map_plan(init.fd_base + OCIPY_FD_PLAN, &size);
  if (!plan || arena_open(4 * size + 65536) < 0) complain("ocipy-init: no plan\n");
  close(init.fd_base + OCIPY_FD_PLAN);
  umask(0);
  open_proc(&init);
  run_plan(&init, plan, size);
  return SETUP_FAILED;
}
