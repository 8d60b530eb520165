/* Hooks that run in the container's namespaces: createContainer and startContainer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define KEPT 2048  /* bytes of the end of its output, for the log */
#define SHOWN 300  /* bytes of the end of its output, for the error message */
#define MOST_LEFT (1 << 20) /* bytes in its output at its end: the most a pipe holds (pipe(7), pipe-max-size) */
#define SLICE 10   /* ms between two looks at the hook where a filter denies pidfd_open */
#define TOO_LATE (-1)

struct hook {
  const char *path;
  char **arguments;
  char **environment;
  pid_t pid;
  int pid_fd;
  int input, output;    /* our ends of its stdin and of what it prints; -1: closed */
  const char *state[3]; /* what it reads on stdin: before the pid, the pid, after it */
  int part;
  size_t used;
  char said[KEPT]; /* the end of what it printed */
};

static void hook_child(const struct hook *hook, int input, int output) {
  setsid(); /* so that a timeout ends what the hook started as well */
  mode_t mask = umask(022);
  if (mask) umask(mask); /* init's own, 0, is for the modes that config.json gives */
  dup2(input, 0);
  dup2(output, 1);
  dup2(output, 2);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  execve(hook->path, hook->arguments, hook->environment);
  _exit(errno == ENOENT ? 127 : 126);
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* The state, with the pid as the container sees it (runtime.md, State). */
static void feed(struct hook *hook) {
  while (hook->part < 3) {
    ssize_t written = write(hook->input, hook->state[hook->part], strlen(hook->state[hook->part]));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break; /* EPIPE: the hook doesn't read its stdin, which is its right */
    hook->state[hook->part] += written;
    if (!*hook->state[hook->part]) hook->part++;
  }
  close_end(&hook->input);
}

static void listen_to(struct hook *hook, long most) {
  char part[512];
  while (most > 0 && hook->output >= 0) {
    ssize_t got = read(hook->output, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      close_end(&hook->output);
      return;
    }
    size_t room = sizeof hook->said - 1, surplus = hook->used + (size_t)got > room ? hook->used + (size_t)got - room : 0;
    memmove(hook->said, hook->said + surplus, hook->used - surplus);
    memcpy(hook->said + hook->used - surplus, part, (size_t)got);
    hook->used += (size_t)got - surplus;
    hook->said[hook->used] = 0;
    most -= got;
  }
}

/* Whether the hook has ended: then its status is taken. */
static int has_ended(const struct hook *hook, int *status) {
  pid_t ended;
  while ((ended = waitpid(hook->pid, status, WNOHANG)) < 0 && errno == EINTR) continue;
  return ended == hook->pid;
}

/* In a PID namespace of the container's own there is nothing else but what hooks left. */
static void kill_all(const struct hook *hook) {
  kill(getpid() == 1 ? -1 : -hook->pid, SIGKILL);
  kill(hook->pid, SIGKILL); /* which may not have come to its setsid yet */
}

/*
 * Talk with the hook until it ends: its wait status, or TOO_LATE, and it was killed.  The process counts, not the end
 * of its output: a daemon that it left may hold that for good.
 */
static int converse(struct hook *hook, long deadline) {
  int status;
  while (!has_ended(hook, &status)) {
    struct pollfd ready[] = {{hook->pid_fd, POLLIN, 0}, {hook->input, POLLOUT, 0}, {hook->output, POLLIN, 0}};
    long left = deadline ? deadline - now_ms() : -1;
    if (deadline && left <= 0) {
      kill_all(hook);
      while (waitpid(hook->pid, &status, 0) < 0 && errno == EINTR) continue;
      return TOO_LATE;
    }
    if (hook->pid_fd < 0 && (left < 0 || left > SLICE)) left = SLICE;
    if (poll(ready, 3, (int)left) <= 0) continue;
    if (ready[1].revents) feed(hook);
    if (ready[2].revents) listen_to(hook, 1);
  }
  listen_to(hook, MOST_LEFT);
  return status;
}

static int start(struct hook *hook, struct init *init) {
  int input[2], output[2];
  if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0) return failed(init, "pipe", "");
  hook->pid = fork();
  if (hook->pid == 0) hook_child(hook, input[0], output[1]);
  close(input[0]);
  close(output[1]);
  hook->input = input[1];
  hook->output = output[0];
  if (hook->pid < 0) return failed(init, "fork", hook->path);
  fcntl(hook->input, F_SETFL, O_NONBLOCK);
  fcntl(hook->output, F_SETFL, O_NONBLOCK);
  hook->pid_fd = (int)syscall(SYS_pidfd_open, hook->pid, 0);
  return 0;
}

static int hook_failed(struct init *init, const struct hook *hook, int status) {
  char number[24];
  fail(init, 0, hook->path, "");
  if (status != TOO_LATE) {
    text_number(number, sizeof number, (uint64_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
    detail_add(init, WIFSIGNALED(status) ? ": signal " : ": exit status ");
    detail_add(init, number);
    if (hook->used) detail_add(init, ": ");
    detail_add(init, hook->said + (hook->used > SHOWN ? hook->used - SHOWN : 0));
  }
  errno = status == TOO_LATE ? ETIMEDOUT : 0;
  return -1;
}

int op_hook(struct init *init, struct reader *in) {
  struct hook hook = {.path = read_string(in), .pid_fd = -1};
  struct strings arguments = read_strings(in), environment = read_strings(in);
  uint64_t timeout = read_number(in);
  char pid[24];
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  hook.arguments = arguments.items;
  hook.environment = environment.items;
  text_number(pid, sizeof pid, (uint64_t)getpid());
  hook.state[0] = read_string(in);
  hook.state[1] = pid;
  hook.state[2] = read_string(in);
  long deadline = timeout ? now_ms() + (long)timeout * 1000 : 0;
  if (start(&hook, init) < 0) return -1;
  sigaction(SIGPIPE, &ignore, &before);
  int status = converse(&hook, deadline);
  sigaction(SIGPIPE, &before, NULL);
  close_end(&hook.input);
  close_end(&hook.output);
  close_end(&hook.pid_fd);
  if (hook.used) report_text(init, OCIPY_MSG_LOG, 0, hook.said);
  return status == 0 ? 0 : hook_failed(init, &hook, status);
}
