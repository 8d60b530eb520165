/* The seccomp filter, and its listener, which goes to the seccomp agent (config-linux.md, Seccomp). */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

#define NOT_LOADED_YET (-1)
#define NOT_LOADED (-2)

/* What the messenger needs, and how the two threads tell each other. */
struct handover {
  struct init *init;
  int agent_fd;      /* connected to listenerPath */
  const char *state; /* the container process state, as JSON */
  size_t length;
  int listener; /* of the filter, once it is loaded */
  int running;  /* until the messenger's end: then the kernel makes it 0 (clone(2), CLONE_CHILD_CLEARTID) */
};

/* The listener with SECCOMP_FILTER_FLAG_NEW_LISTENER among the flags, else 0; or -1 with errno. */
static long load_filter(uint64_t flags, struct bytes code) {
  struct sock_fprog program = {.len = (unsigned short)(code.length / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)code.data};
  if (code.length <= BPF_MAXINSNS * sizeof(struct sock_filter))
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
  errno = E2BIG;
  return -1;
}

int op_seccomp(struct init *init, struct reader *in) {
  uint64_t flags = read_number(in);
  struct bytes code = read_bytes(in);
  return load_filter(flags, code) < 0 ? failed(init, "seccomp", "SECCOMP_SET_MODE_FILTER") : 0;
}

/* Ask the runtime for a connection to the agent, and for the state to send over it. */
static int receive_agent(struct init *init, struct handover *handover) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(2 * sizeof(int))];
  } control = {0};
  char go = 0;
  int fds[2];
  struct stat status;
  struct iovec payload = {&go, 1};
  struct msghdr message = {
      .msg_iov = &payload, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  init->detail[0] = 0;
  report(init, OCIPY_MSG_AGENT, 0);
  ssize_t got;
  while ((got = recvmsg(init->report_fd, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) continue;
  if (got != 1 || go != OCIPY_MSG_GO || control.header.cmsg_len != CMSG_LEN(sizeof fds)) _exit(1); /* it gave up */
  memcpy(fds, CMSG_DATA(&control.header), sizeof fds);
  if (fstat(fds[1], &status) < 0) return failed(init, "fstat", "the container process state");
  handover->agent_fd = fds[0];
  handover->length = (size_t)status.st_size;
  handover->state = mmap(NULL, handover->length, PROT_READ, MAP_PRIVATE, fds[1], 0);
  close(fds[1]);
  return handover->state == MAP_FAILED ? failed(init, "mmap", "the container process state") : 0;
}

/* The first part of the state goes with the descriptor, in one message; more than one only if the socket is full. */
static int send_state(const struct handover *handover, int listener) {
  ssize_t sent = send_fd(handover->agent_fd, listener, handover->state, handover->length);
  for (size_t at = 0; sent >= 0; sent = send(handover->agent_fd, handover->state + at, handover->length - at, MSG_NOSIGNAL)) {
    at += (size_t)sent;
    if (at == handover->length) return 0;
  }
  return -1;
}

static int messenger(void *argument) {
  struct handover *handover = argument;
  int listener;
  while ((listener = __atomic_load_n(&handover->listener, __ATOMIC_ACQUIRE)) == NOT_LOADED_YET)
    syscall(SYS_sched_yield);
  if (listener != NOT_LOADED) {
    if (send_state(handover, listener) < 0) {
      failed(handover->init, "send the container process state to the seccomp agent", "");
      report(handover->init, OCIPY_MSG_ERROR, (uint32_t)errno);
      _exit(1); /* the whole of init */
    }
    close(listener);
    close(handover->agent_fd);
  }
  syscall(SYS_exit, 0); /* this thread */
  return 0;
}

/*
 * A filter may deny, or have the agent decide on, any system call, those that would take its listener to the agent
 * among them.  So a thread that the filter isn't for does that (a filter is for the thread that loads it), and this one
 * goes without system calls until that thread has ended: for the time of one sendmsg, by which it is known as well that
 * the agent has the listener before the program runs.
 */
int op_seccomp_notify(struct init *init, struct reader *in) {
  static char stack[16384] __attribute__((aligned(16)));
  static struct handover handover;
  uint64_t flags = read_number(in);
  struct bytes code = read_bytes(in);
  handover = (struct handover){.init = init, .listener = NOT_LOADED_YET, .running = 1};
  if (receive_agent(init, &handover) < 0) return -1;
  int thread = clone(messenger, stack + sizeof stack,
                     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
                     &handover, NULL, NULL, &handover.running);
  if (thread < 0) return failed(init, "clone", "a thread");
  /* Were both SCHED_FIFO on one CPU, this one's waiting would keep the other from it for ever (sched(7)). */
  syscall(SYS_sched_setscheduler, thread, SCHED_OTHER, &(struct sched_param){0});
  long listener = load_filter(flags, code);
  __atomic_store_n(&handover.listener, listener < 0 ? NOT_LOADED : (int)listener, __ATOMIC_RELEASE);
  while (__atomic_load_n(&handover.running, __ATOMIC_ACQUIRE)) continue;
  return listener < 0 ? failed(init, "seccomp", "SECCOMP_SET_MODE_FILTER") : 0;
}
