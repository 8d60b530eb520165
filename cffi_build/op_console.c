/* The terminal: made through the container's own devpts, its master handed to the runtime. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "mount_api.h"

#define MULTIPLEXER "/dev/pts/ptmx"

int op_session(struct init *init, struct reader *in) {
  (void)in;
  if (setsid() < 0 && errno != EPERM) return failed(init, "setsid", ""); /* EPERM: leader already */
  return 0;
}

/* A device of devpts, proven to be one: not a node that the image brought along, or that the container put there. */
static int is_of_devpts(int fd, dev_t device) {
  struct stat status;
  struct statfs filesystem;
  return fstat(fd, &status) == 0 && fstatfs(fd, &filesystem) == 0 && filesystem.f_type == DEVPTS_SUPER_MAGIC &&
         S_ISCHR(status.st_mode) && status.st_rdev == device;
}

/* The multiplexer of the container's devpts; looked at before it is opened, for opening a device may do something. */
static int open_master(struct init *init) {
  static const int flags[] = {O_PATH, O_RDWR | O_NOCTTY};
  int fd = -1;
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
    if (fd >= 0) close(fd);
    fd = open_in_root(init->root_fd, MULTIPLEXER, flags[i]);
    if (fd < 0) return failed(init, "open", MULTIPLEXER);
    if (!is_of_devpts(fd, makedev(TTYAUX_MAJOR, 2)))
      return fail(init, ENODEV, MULTIPLEXER " is not devpts'", "multiplexer");
  }
  return fd;
}

/* The other end of this very master: a path could lead elsewhere. */
static int open_slave(struct init *init, int master) {
  int unlock = 0;
  unsigned number = 0;
  if (ioctl(master, TIOCSPTLCK, &unlock) < 0) return failed(init, "ioctl", "TIOCSPTLCK");
  if (ioctl(master, TIOCGPTN, &number) < 0) return failed(init, "ioctl", "TIOCGPTN");
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return failed(init, "ioctl", "TIOCGPTPEER");
  if (!is_of_devpts(slave, makedev(UNIX98_PTY_SLAVE_MAJOR, number)))
    return fail(init, ENODEV, "the other end of the terminal is another", "device");
  return slave;
}

static int set_up_line(struct init *init, int slave, uint64_t columns, uint64_t rows, uint64_t onlcr) {
  struct termios settings;
  if (tcgetattr(slave, &settings) < 0) return failed(init, "tcgetattr", "");
  /* As runc has it: a newline stays one byte where the output is the runtime's to show, whose terminal makes lines. */
  if (!onlcr) settings.c_oflag &= ~(tcflag_t)ONLCR;
  if (tcsetattr(slave, TCSANOW, &settings) < 0) return failed(init, "tcsetattr", "");
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  if ((columns || rows) && ioctl(slave, TIOCSWINSZ, &size) < 0) return failed(init, "ioctl", "TIOCSWINSZ");
  return 0;
}

/* The mount point, made if it is missing; a link there isn't followed (as runc has it). */
static int open_mount_point(struct init *init) {
  char buffer[16];
  const char *name;
  struct stat status;
  int parent = open_parent_in_root(init->root_fd, "/dev/console", &name, buffer, sizeof buffer);
  if (parent < 0) return -1;
  int made = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  int target = made < 0 && errno != EEXIST ? -1 : openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  int error = errno;
  if (made >= 0) close(made);
  close(parent);
  errno = error;
  if (target < 0 || fstat(target, &status) < 0 || !S_ISLNK(status.st_mode)) return target;
  close(target);
  errno = ELOOP;
  return -1;
}

static int bind_console(struct init *init, int slave) {
  int target = open_mount_point(init);
  if (target < 0) return failed(init, "open the mount point", "/dev/console");
  int tree = tree_clone(slave, "", 0);
  if (tree < 0 || tree_attach(tree, target) < 0) return failed(init, "bind the terminal on", "/dev/console");
  close(tree);
  close(target);
  return 0;
}

int op_console(struct init *init, struct reader *in) {
  uint64_t columns = read_number(in), rows = read_number(in), bind = read_number(in), onlcr = read_number(in);
  int master = open_master(init);
  if (master < 0) return -1;
  int slave = open_slave(init, master);
  if (slave < 0 || set_up_line(init, slave, columns, rows, onlcr) < 0) return -1;
  if (bind && bind_console(init, slave) < 0) return -1;
  /* The text with it is what runc sends. */
  if (send_fd(init->console_fd, master, "/dev/ptmx", strlen("/dev/ptmx")) < 0)
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
