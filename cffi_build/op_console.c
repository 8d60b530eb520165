/* The terminal: made through the container's own devpts, its master handed to the runtime. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "mount_api.h"

int op_session(struct init *init, struct reader *in) {
  (void)in;
  if (setsid() < 0 && errno != EPERM) return failed(init, "setsid", ""); /* EPERM: leader already */
  return 0;
}

/* The multiplexer of the container's devpts, proven to be one: not a node that the image brought along. */
static int open_master(struct init *init) {
  struct stat status;
  struct statfs filesystem;
  int fd = open_in_root(init->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (fd < 0) return failed(init, "open", "/dev/pts/ptmx");
  if (fstat(fd, &status) < 0 || fstatfs(fd, &filesystem) < 0) return failed(init, "fstat", "/dev/pts/ptmx");
  if (filesystem.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2))
    return fail(init, ENODEV, "/dev/pts/ptmx is not devpts'", "multiplexer");
  return fd;
}

static int set_up_line(struct init *init, int slave, uint64_t columns, uint64_t rows) {
  struct termios settings;
  if (tcgetattr(slave, &settings) < 0) return failed(init, "tcgetattr", "");
  /* As runc has it: a newline stays one byte; who shows the output puts its terminal in raw mode itself. */
  settings.c_oflag &= ~(tcflag_t)ONLCR;
  if (tcsetattr(slave, TCSANOW, &settings) < 0) return failed(init, "tcsetattr", "");
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  if ((columns || rows) && ioctl(slave, TIOCSWINSZ, &size) < 0) return failed(init, "ioctl", "TIOCSWINSZ");
  return 0;
}

static int bind_console(struct init *init, int slave) {
  int target = make_in_root(init->root_fd, "/dev/console", 0, 0600);
  if (target < 0) return failed(init, "open the mount point", "/dev/console");
  int tree = tree_clone(slave, "", 0);
  if (tree < 0 || tree_attach(tree, target) < 0) return failed(init, "bind the terminal on", "/dev/console");
  close(tree);
  close(target);
  return 0;
}

int op_console(struct init *init, struct reader *in) {
  uint64_t columns = read_number(in), rows = read_number(in), bind = read_number(in);
  int unlock = 0;
  unsigned number = 0;
  int master = open_master(init);
  if (master < 0) return -1;
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0) return failed(init, "ioctl", "TIOCSPTLCK");
  if (ioctl(master, TIOCGPTN, &number) < 0) return failed(init, "ioctl", "TIOCGPTN");
  /* TIOCGPTPEER opens the slave of this very master; a path could lead elsewhere. */
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed(init, "ioctl", "TIOCGPTPEER");
  if (set_up_line(init, slave, columns, rows) < 0) return -1;
  if (bind && bind_console(init, slave) < 0) return -1;
  char name[64], digits[24];
  text_number(digits, sizeof digits, number);
  text_copy(name, sizeof name, "/dev/pts/");
  text_add(name, sizeof name, digits);
  if (send_fd(init->console_fd, master, name, strlen(name)) < 0)
    return failed(init, "send the terminal over", "the console socket");
  close(init->console_fd);
  close(master);
  init->console_fd = -1;
  if (ioctl(slave, TIOCSCTTY, 0) < 0) return failed(init, "ioctl", "TIOCSCTTY");
  for (int fd = 0; fd < 3; fd++)
    if (dup2(slave, fd) < 0) return failed(init, "dup2", "the terminal");
  close(slave);
  return 0;
}

/* The container's user may have to reopen /dev/stdout; a descriptor it can't own is left as it is (as runc does). */
int op_stdio_owner(struct init *init, struct reader *in) {
  uid_t uid = (uid_t)read_number(in);
  struct stat status;
  for (int fd = 0; fd < 3; fd++) {
    if (fstat(fd, &status) < 0) return failed(init, "fstat", "a standard stream");
    if (status.st_uid == uid || is_null_device(fd)) continue;
    if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS && errno != ENOSYS)
      return failed(init, "fchown", "a standard stream");
  }
  return 0;
}
