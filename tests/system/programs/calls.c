/*
 * Makes one system call: `calls WAY NUMBER [ARGUMENT...]`, and prints its value, or the errno as a negative number.
 *
 * The way is `plain`; `i386` (by int $0x80); `trap` (with a handler for SIGSYS, which prints "trapped" and what the
 * kernel tells it); or `thread` (in a thread of its own, after whose end the other prints "survived").
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long word[7];

static long plain(void) {
  long value;
  register unsigned long r10 __asm__("r10") = word[4], r8 __asm__("r8") = word[5], r9 __asm__("r9") = word[6];
  __asm__ volatile("syscall"
                   : "=a"(value)
                   : "a"(word[0]), "D"(word[1]), "S"(word[2]), "d"(word[3]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return value;
}

static long i386(void) {
  long value;
  __asm__ volatile("int $0x80" : "=a"(value) : "a"(word[0]), "b"(word[1]), "c"(word[2]), "d"(word[3]) : "memory");
  return (int)value;
}

static void trapped(int number, siginfo_t *info, void *context) {
  (void)context;
  printf("trapped %d %d %d\n", number, info->si_syscall, info->si_errno);
  exit(0);
}

static void *in_thread(void *argument) {
  printf("%ld\n", plain());
  return argument;
}

int main(int argc, char **argv) {
  for (int i = 2; i < argc && i < 9; i++) word[i - 2] = strtoul(argv[i], NULL, 0);
  setvbuf(stdout, NULL, _IONBF, 0);
  if (!strcmp(argv[1], "trap")) {
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, NULL);
  }
  if (!strcmp(argv[1], "thread")) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    puts("survived");
    return 0;
  }
  printf("%ld\n", strcmp(argv[1], "i386") ? plain() : i386());
  return 0;
}
