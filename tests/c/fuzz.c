/*
 * init.c and read.c on plans that are broken on purpose, under the sanitizers: nothing may be read beyond a plan's end.
 *
 * fuzz ROUNDS PLAN...: every plan as it is, cut at every length, and changed at random from a fixed seed.  The ops are
 * replaced by functions that read the fields that a plan has for them (fields.h, made by test_c.py).
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static jmp_buf out;
static int reached_exec;

/* Init leaves by _exit, and talks to a runtime that isn't there. */
#define _exit(status) ((void)(status), longjmp(out, 1))
#define main init_main
#define recv(fd, buffer, size, flags) ((void)(fd), *(char *)(buffer) = 'G', (ssize_t)1)
#define accept4(fd, address, length, flags) open("/dev/null", O_RDONLY)
#include "init.c"
#undef main
#include "read.c"

static unsigned checksum;

static void use(const char *text, size_t length) {
  while (length--) checksum = checksum * 31 + (unsigned char)*text++;
}

static void use_strings(struct strings strings) {
  strings.items[-1] = "HOME=/"; /* the slot that op_exec may take */
  for (size_t i = 0; i < strings.count; i++) use(strings.items[i], strlen(strings.items[i]));
  if (strings.items[strings.count]) abort();
}

static int read_fields(const char *kinds, struct reader *in) {
  for (; *kinds; kinds++) {
    if (*kinds == 'n') {
      checksum += (unsigned)read_number(in);
    } else if (*kinds == 's') {
      const char *text = read_string(in);
      use(text, strlen(text));
    } else if (*kinds == 'b') {
      struct bytes bytes = read_bytes(in);
      use((const char *)bytes.data, bytes.length);
    } else {
      struct strings strings = read_strings(in);
      if (!in->bad) use_strings(strings);
    }
  }
  return 0;
}

#define FIELDS(name, kinds)                          \
  int op_##name(struct init *init, struct reader *in) { \
    (void)init;                                      \
    reached_exec |= !strcmp(#name, "exec");          \
    return read_fields(kinds, in);                   \
  }
#include "fields.h"

static uint32_t state = 1;

static uint32_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 17;
  return state ^= state << 5;
}

/* One run; the plan lies in memory of exactly its size. */
static void run(const unsigned char *data, size_t size) {
  static struct init init;
  unsigned char *plan = malloc(size);
  memcpy(plan, data, size);
  init.report_fd = init.sync_fd = -1;
  reached_exec = 0;
  int fd = memfd_create("plan", 0);
  if (write(fd, plan, size) != (ssize_t)size) abort();
  size_t mapped_size = 0;
  const unsigned char *mapped = map_plan(fd, &mapped_size);
  close(fd);
  if (mapped) {
    munmap((void *)mapped, mapped_size);
    if (mapped_size != size || arena_open(4 * size + 65536) < 0) abort();
    unsigned char *base = arena;
    if (!setjmp(out)) run_plan(&init, plan, size);
    munmap(base, 4 * size + 65536);
    if (init.report_fd >= 0) close(init.report_fd); /* what wait-start accepted */
  }
  free(plan);
}

static void change(unsigned char *plan, size_t size) {
  static const uint32_t odd[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xffffffff};
  for (uint32_t count = 1 + next_random() % 4; count; count--) {
    /* Past the header's first fields, which would only be refused. */
    size_t at = 12 + next_random() % (size - 12);
    uint32_t value = odd[next_random() % (sizeof odd / sizeof odd[0])];
    if (next_random() % 2) plan[at] = (unsigned char)next_random();
    else memcpy(plan + at, &value, size - at < 4 ? size - at : 4);
  }
}

static size_t load(const char *path, unsigned char *to, size_t size) {
  FILE *file = fopen(path, "rb");
  if (!file) abort();
  size_t length = fread(to, 1, size, file);
  fclose(file);
  return length;
}

int main(int argc, char **argv) {
  static unsigned char plan[65536], copy[65536];
  int rounds = atoi(argv[1]), whole = 0;
  for (int i = 2; i < argc; i++) {
    size_t size = load(argv[i], plan, sizeof plan);
    run(plan, size);
    whole += reached_exec;
    for (uint32_t cut = 0; cut < size; cut++) {
      memcpy(copy, plan, cut);
      if (cut >= 12) memcpy(copy + 8, &cut, 4); /* so that the length in the header is the right one */
      run(copy, cut);
    }
    for (int round = 0; round < rounds; round++) {
      memcpy(copy, plan, size);
      change(copy, size);
      run(copy, size);
    }
  }
  printf("%d of %d plans read whole; %u\n", whole, argc - 2, checksum);
  return 0;
}
