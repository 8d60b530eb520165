/* Telling the runtime what happened: one packet, {type, op index, errno, text}. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"

void detail_add(struct init *init, const char *text) { text_add(init->detail, sizeof init->detail, text); }

/* Set the detail to "what subject" and errno to error; returns -1, for `return fail(...)`. */
int fail(struct init *init, int error, const char *what, const char *subject) {
  text_copy(init->detail, sizeof init->detail, what);
  if (subject && *subject) {
    detail_add(init, " ");
    detail_add(init, subject);
  }
  errno = error;
  return -1;
}

int failed(struct init *init, const char *what, const char *subject) { return fail(init, errno, what, subject); }

void report_text(struct init *init, char type, uint32_t error, const char *text) {
  char packet[OCIPY_PACKET];
  size_t length = strnlen(text, sizeof packet - 9);
  packet[0] = type;
  memcpy(packet + 1, &init->index, 4);
  memcpy(packet + 5, &error, 4);
  memcpy(packet + 9, text, length);
  /* A runtime that is gone can't be told; init notices by the end of file at its next read and exits. */
  ssize_t sent;
  while ((sent = send(init->report_fd, packet, 9 + length, MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
  /* A filter in force by then may deny it, and both sides would wait. */
  if (sent < 0 && errno != EPIPE && errno != ECONNRESET && write(init->report_fd, packet, 9 + length) < 0) return;
}

void report(struct init *init, char type, uint32_t error) { report_text(init, type, error, init->detail); }

void warn(struct init *init, int error, const char *what, const char *subject) {
  fail(init, error, what, subject);
  report(init, OCIPY_MSG_WARNING, (uint32_t)error);
  init->detail[0] = 0;
}

/* Pass fd over a connected socket, with a text as the message proper; how much of it was sent, or -1. */
ssize_t send_fd(int socket_fd, int fd, const char *text, size_t length) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec payload = {(void *)text, length};
  struct msghdr message = {
      .msg_iov = &payload, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ssize_t sent;
  while ((sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) continue;
  return sent;
}
