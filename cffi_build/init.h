/*
 * ocipy-init: what its files share.  Free of Python, of malloc and of stdio; linked statically and executed from a
 * sealed memfd, so that no program or library of the host is reachable from inside the container.
 */
#ifndef OCIPY_INIT_H
#define OCIPY_INIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ops.h"

/* A bounds-checked cursor over an op's payload; `bad` sticks once a read would have run over the end. */
struct reader {
  const unsigned char *at;
  const unsigned char *end;
  int bad;
};

struct bytes {
  const unsigned char *data;
  size_t length;
};

/* A NULL-terminated vector, as execve takes it. */
struct strings {
  char **items;
  size_t count;
};

#define MOST_TREES 253 /* what SCM_RIGHTS takes */

struct init {
  int report_fd;  /* where errors go: the sync socket, later the connection of `start` */
  int sync_fd;
  int listen_fd;
  int console_fd; /* a connected socket that takes the terminal's master; -1: none */
  int fd_base;    /* the first descriptor of ours; below it: stdio and preserved ones */
  int proc_fd;    /* the host's /proc, verified; -1 once the root is changed */
  int root_fd;    /* the container's root; O_PATH */
  const char *root_path; /* its name on the host */
  int trees[MOST_TREES]; /* detached mounts that the runtime has made; by number, from 1 on */
  int tree_count;
  int cwd_done;
  uint32_t index; /* of the op being done, as the runtime counts */
  char home[4096];     /* "HOME=…", or empty */
  char listen_pid[32]; /* "LISTEN_PID=…", or empty */
  char program[4096];  /* the path find-program settled on */
  char detail[512];    /* what failed, in words */
};

/* read.c */
uint64_t read_number(struct reader *in);
const char *read_string(struct reader *in);
struct bytes read_bytes(struct reader *in);
struct strings read_strings(struct reader *in);
void *arena_take(size_t size);
int arena_open(size_t size);

/* init.c */
int ask_for_tree(struct init *init);
int wait_go(int fd); /* for the runtime's word; -1: it is gone */
void close_proc(struct init *init);
void open_proc(struct init *init);

/* report.c */
int fail(struct init *init, int error, const char *what, const char *subject);
int failed(struct init *init, const char *what, const char *subject); /* with errno */
void detail_add(struct init *init, const char *text);
void report(struct init *init, char type, uint32_t error);
void report_text(struct init *init, char type, uint32_t error, const char *text);
void warn(struct init *init, int error, const char *what, const char *subject);
ssize_t send_fd(int socket_fd, int fd, const char *text, size_t length);

/* text.c: the few string functions needed, on fixed buffers */
size_t text_copy(char *to, size_t size, const char *from);
size_t text_add(char *to, size_t size, const char *from);
void text_number(char *to, size_t size, uint64_t number);
int text_parse(const char *text, uint64_t *number);

/* resolve.c */
int open_in_root(int root_fd, const char *path, int flags);
int open_in_root_walking(int root_fd, const char *path, int flags);
int open_plain_in_root(int root_fd, const char *path, int flags);
int make_in_root(int root_fd, const char *path, int directory, mode_t mode);
int open_parent_in_root(int root_fd, const char *path, const char **name, char *buffer, size_t size);
void fd_path(char *to, size_t size, int fd);

/* verify.c: "is this descriptor really what the name says?" */
int is_null_device(int fd);
int is_procfs(int fd);

/* One function per op; 0, or -1 with the detail set and the errno as fail() returns it. */
#define X(code, cname, name) int op_##cname(struct init *init, struct reader *in);
OCIPY_INIT_OPS(X)
#undef X

#endif
