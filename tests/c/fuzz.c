/*
 * init.c and read.c on plans that are broken on purpose, under the sanitizers: nothing may be read beyond a plan's end.
 *
 * fuzz ROUNDS PLAN...: every plan as it is, cut at every length, with odd numbers at every place, and changed at random
 * from a fixed seed.  The ops are replaced by functions that read the fields that a plan has for them (fields.h, made by
 * test_c.py).
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
#define recv(fd, buffer, size, flags) ((void)(fd), (void)(flags), *(char *)(buffer) = 'G', (ssize_t)1)
#define recvmsg(fd, message, flags) \
  ((void)(fd), (message)->msg_controllen = 0, *(char *)(message)->msg_iov->iov_base = 'T', (ssize_t)1)
#define accept4(fd, address, length, flags) open("/dev/null", O_RDONLY)
#include "init.c"
#undef main
#include "read.c"

static unsigned checksum;

static void use(const char *text, size_t length) {
  while (length--) checksum = checksum * 31 + (unsigned char)*text++;
}

static void use_strings(struct strings strings) {
  for (size_t i = 0; i < strings.count; i++) use(strings.items[i], strlen(strings.items[i]));
  if (strings.items[strings.count]) abort();
}

/* All fields first, then what they point to, as an op does: none may have been written over by the next. */
static int read_fields(const char *kinds, struct reader *in) {
  struct strings lists[4];
  int count = 0;
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
      lists[count++] = read_strings(in);
    }
  }
  /* The slots that op_exec may take. */
  for (int i = 0; i < count && !in->bad; i++) lists[i].items[-1] = lists[i].items[-2] = "HOME=/";
  for (int i = 0; i < count && !in->bad; i++) use_strings(lists[i]);
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
  if (arena_open(4 * size + 65536) < 0) abort();
  unsigned char *base = arena;
  if (!setjmp(out)) run_plan(&init, plan, size);
  munmap(base, 4 * size + 65536);
  if (init.report_fd >= 0) close(init.report_fd); /* what wait-start accepted */
  free(plan);
}

/* Whether init takes the plan, by its header. */
static int taken(const unsigned char *data, size_t size) {
  size_t mapped_size = 0;
  int fd = memfd_create("plan", 0);
  if (write(fd, data, size) != (ssize_t)size) abort();
  const unsigned char *mapped = map_plan(fd, &mapped_size);
  close(fd);
  if (!mapped) return 0;
  if (mapped_size != size) abort();
  munmap((void *)mapped, mapped_size);
  return 1;
}

static const uint32_t odd[] = {0, 1, 0x7f, 0xff, 0x20000000, 0x7fffffff, 0x80000000, 0xffffffff};

#define ODD_COUNT (sizeof odd / sizeof odd[0])
#define HEADER 12 /* the first fields, without which a plan is only refused */

static void put_odd(unsigned char *plan, size_t size, size_t at, size_t which) {
  memcpy(plan + at, &odd[which], size - at < 4 ? size - at : 4);
}

static void change(unsigned char *plan, size_t size) {
  for (uint32_t count = 2 + next_random() % 4; count; count--) {
    size_t at = HEADER + next_random() % (size - HEADER);
    if (next_random() % 2) plan[at] = (unsigned char)next_random();
    else put_odd(plan, size, at, next_random() % ODD_COUNT);
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
    if (taken(plan, size)) run(plan, size);
    whole += reached_exec;
    for (size_t at = 0; at <= HEADER; at++) { /* another magic, version or length; at last one byte less */
      memcpy(copy, plan, size);
      copy[at] ^= at < HEADER;
      if (taken(copy, size - (at == HEADER))) abort();
    }
    for (uint32_t cut = 0; cut < size; cut++) {
      memcpy(copy, plan, cut);
      if (cut >= HEADER) memcpy(copy + 8, &cut, 4); /* so that the length in the header is the right one */
      if (taken(copy, cut)) run(copy, cut);
    }
    for (size_t which = 0; which < ODD_COUNT * (size - HEADER); which++) {
      memcpy(copy, plan, size);
      put_odd(copy, size, HEADER + which / ODD_COUNT, which % ODD_COUNT);
      run(copy, size);
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
