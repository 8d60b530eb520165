/* Hooks that run in the container's namespaces: createContainer and startContainer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

struct hook {
  const char *path;
  char **arguments;
  char **environment;
  int input[2];  /* the state, on its stdin */
  int output[2]; /* what it prints, for the error message */
};

static void hook_child(const struct hook *hook, const struct init *init) {
  setpgid(0, 0); /* so that a timeout ends what the hook started as well */
  dup2(hook->input[0], 0);
  dup2(hook->output[1], 1);
  dup2(hook->output[1], 2);
  syscall(SYS_close_range, 3u, ~0u, 0u);
  (void)init;
  execve(hook->path, hook->arguments, hook->environment);
  _exit(errno == ENOENT ? 127 : 126);
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Take what the hook prints until it closes its output; 0, or -1 when the deadline has passed. */
static int drain(int fd, char *text, size_t size, long deadline) {
  size_t used = 0;
  char waste[512];
  for (;;) {
    long left = deadline ? deadline - now_ms() : -1;
    if (deadline && left <= 0) return -1;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    int ready = poll(&poller, 1, (int)left);
    if (ready < 0 && errno != EINTR) return -1;
    if (ready <= 0) continue;
    ssize_t got = used + 1 < size ? read(fd, text + used, size - 1 - used) : read(fd, waste, sizeof waste);
    if (got <= 0) return 0;
    if (used + 1 < size) used += (size_t)got;
    text[used] = 0;
  }
}

/* The exit status as the shell counts it; -1: the time was up, and the hook's process group was killed. */
static int wait_hook(pid_t pid, long deadline) {
  int status;
  int pid_fd = deadline ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  struct pollfd poller = {.fd = pid_fd, .events = POLLIN};
  while (pid_fd >= 0) {
    long left = deadline - now_ms();
    int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
    if (ready < 0 && errno == EINTR) continue;
    close(pid_fd);
    if (ready > 0) break;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return -1;
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void write_all(int fd, const char *text) {
  size_t left = strlen(text);
  while (left > 0) {
    ssize_t written = write(fd, text, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return; /* EPIPE: the hook doesn't read its stdin, which is its right */
    text += written;
    left -= (size_t)written;
  }
}

/* The state, with the pid as the container sees it (runtime.md, State). */
static void send_state(int fd, const char *before_pid, const char *after_pid) {
  char pid[24];
  text_number(pid, sizeof pid, (uint64_t)getpid());
  write_all(fd, before_pid);
  write_all(fd, pid);
  write_all(fd, after_pid);
}

int op_hook(struct init *init, struct reader *in) {
  struct hook hook = {.path = read_string(in)};
  struct strings arguments = read_strings(in), environment = read_strings(in);
  uint64_t timeout = read_number(in);
  const char *before_pid = read_string(in), *after_pid = read_string(in);
  char said[300] = "", number[24];
  hook.arguments = arguments.items;
  hook.environment = environment.items;
  if (pipe2(hook.input, O_CLOEXEC) < 0 || pipe2(hook.output, O_CLOEXEC) < 0) return failed(init, "pipe", "");
  long deadline = timeout ? now_ms() + (long)timeout * 1000 : 0;
  pid_t pid = fork();
  if (pid < 0) return failed(init, "fork", hook.path);
  if (pid == 0) hook_child(&hook, init);
  close(hook.input[0]);
  close(hook.output[1]);
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction(SIGPIPE, &ignore, &before);
  send_state(hook.input[1], before_pid, after_pid);
  sigaction(SIGPIPE, &before, NULL);
  close(hook.input[1]);
  drain(hook.output[0], said, sizeof said, deadline);
  int status = wait_hook(pid, deadline);
  close(hook.output[0]);
  if (status == 0) return 0;
  fail(init, status < 0 ? ETIMEDOUT : 0, hook.path, "");
  if (status > 0) {
    text_number(number, sizeof number, (uint64_t)status);
    detail_add(init, ": exit status ");
    detail_add(init, number);
  }
  if (said[0]) {
    detail_add(init, ": ");
    detail_add(init, said);
  }
  errno = status < 0 ? ETIMEDOUT : 0;
  return -1;
}
