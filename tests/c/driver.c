/*
 * Names, text, passwd files and programs, as ocipy-init handles them; driven by test_c.py.
 *
 * Lines on stdin, one answer a line: `open WAY FLAGS PATH`, `make KIND PATH`, `home UID FILE`, `find NAME DIRECTORIES`,
 * `number DIGITS`, `cut SIZE TEXT MORE`; the argument is the root that names are resolved in.
 */
#include <stdio.h>
#include <stdlib.h>

#include "op_home.c"
#include "op_process.c"

static int root;

static void answer(int fd) {
  struct stat status;
  if (fd < 0) {
    printf("errno %d\n", errno);
    return;
  }
  if (fstat(fd, &status) < 0) abort();
  printf("inode %lu %o %d\n", (unsigned long)status.st_ino, status.st_mode & S_IFMT, fcntl(fd, F_GETFD));
  close(fd);
}

static void do_open(const char *way, int flags, const char *path) {
  if (*way == 'k') answer(open_in_root(root, path, flags));
  else if (*way == 'w') answer(open_in_root_walking(root, path, flags));
  else answer(open_plain_in_root(root, path, flags));
}

static void do_home(uint64_t uid, const char *file) {
  static struct passwd_line line;
  int fd = open(file, O_RDONLY);
  int found = find_home(fd, uid, &line);
  printf("%s\n", found ? line.home : "none");
  close(fd);
}

/* A string as the plan has it. */
static size_t put(unsigned char *to, const char *text) {
  uint32_t length = (uint32_t)strlen(text) + 1;
  memcpy(to, &length, 4);
  memcpy(to + 4, text, length);
  return length + 4;
}

static void do_find(const char *name, const char *directories) {
  static struct init init;
  static unsigned char payload[16384];
  init.program[0] = init.detail[0] = 0;
  size_t size = put(payload, name);
  size += put(payload + size, directories);
  struct reader in = {.at = payload, .end = payload + size};
  if (op_find_program(&init, &in) < 0) printf("errno %d %s\n", errno, init.detail);
  else printf("%s\n", init.program);
}

static void do_number(const char *digits) {
  uint64_t number;
  char text[24];
  if (text_parse(digits, &number) < 0) {
    printf("none\n");
    return;
  }
  text_number(text, sizeof text, number);
  printf("%lu %s\n", (unsigned long)number, text);
}

/* The buffer has exactly the size: the sanitizer sees what goes beyond. */
static void do_cut(size_t size, const char *text, const char *more) {
  char *buffer = malloc(size);
  size_t copied = text_copy(buffer, size, text), added = text_add(buffer, size, more);
  printf("%zu %zu %s\n", copied, added, buffer);
  free(buffer);
}

int main(int argc, char **argv) {
  static char line[20000];
  if (argc != 2 || (root = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) return 2;
  while (fgets(line, sizeof line, stdin)) {
    char *word[4] = {"", "", "", ""}, *at = line;
    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < 4 && at; i++) word[i] = i < 3 ? strsep(&at, "\t") : at;
    if (!strcmp(word[0], "open")) do_open(word[1], atoi(word[2]), word[3]);
    else if (!strcmp(word[0], "make")) answer(make_in_root(root, word[2], *word[1] == 'd', 0750));
    else if (!strcmp(word[0], "home")) do_home(strtoull(word[1], NULL, 10), word[2]);
    else if (!strcmp(word[0], "find")) do_find(word[1], word[2]);
    else if (!strcmp(word[0], "number")) do_number(word[1]);
    else do_cut(strtoul(word[1], NULL, 10), word[2], word[3]);
  }
  return 0;
}
