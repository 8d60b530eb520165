/* HOME, where config.json gives none: the home directory of the user in the container's own /etc/passwd. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

#define MOST_BYTES (16 << 20) /* of a passwd; an image's endless one must not keep the runtime waiting */
#define UID_FIELD 2
#define HOME_FIELD 5

/* A line of passwd(5), read a byte at a time: the file is the image's, and may be of any size and shape. */
struct passwd_line {
  int field;
  size_t length; /* of home */
  char uid[24];
  char home[4000];
};

static void passwd_byte(struct passwd_line *line, char byte) {
  char one[2] = {byte, 0};
  if (byte == ':') line->field++;
  else if (line->field == UID_FIELD) text_add(line->uid, sizeof line->uid, one);
  else if (line->field == HOME_FIELD && line->length + 1 < sizeof line->home) line->home[line->length++] = byte;
}

static int passwd_matches(const struct passwd_line *line, uint64_t wanted) {
  uint64_t uid;
  if (line->length + 1 >= sizeof line->home) return 0; /* longer than a path can be, and cut */
  return line->field >= HOME_FIELD && text_parse(line->uid, &uid) == 0 && uid == wanted;
}

static int find_home(int fd, uint64_t uid, struct passwd_line *line) {
  char buffer[4096];
  ssize_t length;
  size_t seen = 0;
  memset(line, 0, sizeof *line);
  for (; seen < MOST_BYTES && (length = read(fd, buffer, sizeof buffer)) > 0; seen += (size_t)length) {
    for (ssize_t i = 0; i < length; i++) {
      if (buffer[i] != '\n') {
        passwd_byte(line, buffer[i]);
      } else {
        if (passwd_matches(line, uid)) return 1;
        memset(line, 0, sizeof *line);
      }
    }
  }
  return passwd_matches(line, uid);
}

int op_home(struct init *init, struct reader *in) {
  uint64_t uid = read_number(in);
  static struct passwd_line line;
  struct stat status;
  const char *home = "/";
  int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && find_home(fd, uid, &line) && line.home[0])
    home = line.home;
  if (fd >= 0) close(fd);
  text_copy(init->home, sizeof init->home, "HOME=");
  text_add(init->home, sizeof init->home, home);
  return 0;
}
