/* The few string functions init needs, on fixed buffers: they truncate, and always end in NUL. */
#include <string.h>

#include "init.h"

size_t text_copy(char *to, size_t size, const char *from) {
  size_t length = strlen(from);
  if (size == 0) return length;
  size_t kept = length < size ? length : size - 1;
  memmove(to, from, kept);
  to[kept] = 0;
  return length;
}

/* The length it would have had: >= size means that it was cut. */
size_t text_add(char *to, size_t size, const char *from) {
  size_t length = strnlen(to, size);
  return length + text_copy(to + length, size - length, from);
}

void text_number(char *to, size_t size, uint64_t number) {
  char digits[24];
  size_t at = sizeof digits - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  text_copy(to, size, digits + at);
}

/* A plain decimal number; -1 for anything else. */
int text_parse(const char *text, uint64_t *number) {
  uint64_t value = 0;
  if (!*text) return -1;
  for (; *text; text++) {
    if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10) return -1;
    value = value * 10 + (uint64_t)(*text - '0');
  }
  *number = value;
  return 0;
}
