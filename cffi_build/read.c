/* Decoding the plan: little-endian numbers, counted strings that end in NUL, all bounds-checked. */
#include <string.h>
#include <sys/mman.h>

#include "init.h"

static unsigned char *arena;
static size_t arena_left;

/* All memory init will ever need, taken before the container's setup begins. */
int arena_open(size_t size) {
  arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED) return -1;
  arena_left = size;
  return 0;
}

void *arena_take(size_t size) {
  size = (size + 15) & ~(size_t)15;
  if (size > arena_left) return NULL;
  void *taken = arena;
  arena += size;
  arena_left -= size;
  return taken;
}

static const unsigned char *take(struct reader *in, size_t size) {
  if (in->bad || (size_t)(in->end - in->at) < size) {
    in->bad = 1;
    return NULL;
  }
  const unsigned char *taken = in->at;
  in->at += size;
  return taken;
}

uint64_t read_number(struct reader *in) {
  uint64_t number = 0;
  const unsigned char *from = take(in, sizeof number);
  if (from) memcpy(&number, from, sizeof number);
  return number;
}

struct bytes read_bytes(struct reader *in) {
  uint32_t length = 0;
  const unsigned char *from = take(in, sizeof length);
  if (from) memcpy(&length, from, sizeof length);
  const unsigned char *data = from ? take(in, length) : NULL;
  return (struct bytes){data, data ? length : 0};
}

/* The empty string for a malformed one: the caller sees `bad`, and nothing ever sees NULL. */
const char *read_string(struct reader *in) {
  struct bytes bytes = read_bytes(in);
  if (!bytes.data || bytes.length == 0 || bytes.data[bytes.length - 1] != 0) {
    in->bad = 1;
    return "";
  }
  return (const char *)bytes.data;
}

struct strings read_strings(struct reader *in) {
  static char *none[1];
  uint64_t count = read_number(in);
  /* Each string takes at least five bytes: a count the payload can't hold is refused before memory is taken. */
  if (in->bad || count > (uint64_t)(in->end - in->at) / 5) {
    in->bad = 1;
    return (struct strings){none, 0};
  }
  /* Two slots in front for the variables that exec may add, one behind for NULL. */
  char **items = arena_take((count + 3) * sizeof *items);
  if (!items) {
    in->bad = 1;
    return (struct strings){none, 0};
  }
  for (uint64_t i = 0; i < count; i++) items[i + 2] = (char *)read_string(in);
  items[count + 2] = NULL;
  return (struct strings){items + 2, count};
}
