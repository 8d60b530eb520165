/*
 * The command `ocipy`: finds the package and an interpreter, and starts one with the other.
 *
 * pip's own wrapper for a console script neither isolates the interpreter (so PYTHONPATH, PYTHONSTARTUP and a user's
 * site-packages would reach a program that runs as root) nor skips site, which costs more than the rest of a start;
 * and pip rewrites the first line of a script.  This is a static program instead: it looks at nothing but its own
 * path, so PATH, HOME and the rest of the environment may be empty, and its name and the links to it don't matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define VERSION OCIPY_PYTHON_VERSION

/* The interpreter's options: isolated, no site, UTF-8 whatever the locale says. */
#define OPTIONS "-I", "-S", "-Xutf8"
enum { OPTION_COUNT = 3 };

/* Where below a prefix packages lie: pip, Fedora's pip, Debian's pip, a Debian package, `pip install --target`. */
static const char *const sites[] = {
    "/lib/python" VERSION "/site-packages", "/lib64/python" VERSION "/site-packages",
    "/lib/python" VERSION "/dist-packages", "/lib/python3/dist-packages",
    "",
};

/* For a launcher that was copied or hard-linked away from its own prefix: quickstart's, pip's, a Debian package's. */
static const char *const usual_prefixes[] = {"/usr/local/lib/ocipy", "/usr/local", "/usr"};

/* After PREFIX/bin; the last is the one that the package was built with. */
static const char *const usual_pythons[] = {
    "/usr/bin/python" VERSION,
    "/usr/local/bin/python" VERSION,
    OCIPY_BASE_PYTHON,
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int fail(const char *what, const char *subject, const char *why) {
  const char *parts[] = {"ocipy: ", what, subject, why, "\n"};
  struct iovec line[COUNT(parts)];
  for (size_t i = 0; i < COUNT(parts); i++) line[i] = (struct iovec){(void *)parts[i], strlen(parts[i])};
  return writev(2, line, COUNT(parts)) < 0 ? 2 : 1;
}

static const char *why(int number) {
  switch (number) {
    case EACCES: return ": permission denied";
    case ENOEXEC: return ": exec format error";
    case E2BIG: return ": argument list too long";
    default: return "";
  }
}

/* `path` becomes a + b + c; 0 if that is too long to be a path. */
static int join(char path[PATH_MAX], const char *a, const char *b, const char *c) {
  size_t la = strlen(a), lb = strlen(b), lc = strlen(c);
  if (la + lb + lc >= PATH_MAX) return 0;
  memcpy(path, a, la);
  memcpy(path + la, b, lb);
  memcpy(path + la + lb, c, lc + 1);
  return 1;
}

/* The directory above the one this program lies in; 0 if /proc can't tell. */
static int own_prefix(char prefix[PATH_MAX]) {
  ssize_t length = readlink("/proc/self/exe", prefix, PATH_MAX - 1);
  if (length <= 0) return 0;
  prefix[length] = 0;
  for (int i = 0; i < 2; i++) {
    char *slash = strrchr(prefix, '/');
    if (slash) *slash = 0;
  }
  return 1;
}

static int find_main(char main[PATH_MAX], const char *prefix) {
  for (size_t i = 0; i < COUNT(sites); i++)
    if (join(main, prefix, sites[i], "/ocipy/__main__.py") && access(main, R_OK) == 0) return 1;
  return 0;
}

static int find_python(char python[PATH_MAX], const char *prefix) {
  if (join(python, prefix, "/bin/python", VERSION) && access(python, X_OK) == 0) return 1;
  for (size_t i = 0; i < COUNT(usual_pythons); i++)
    if (join(python, usual_pythons[i], "", "") && access(python, X_OK) == 0) return 1;
  return 0;
}

/* The package's __main__.py and the interpreter for it. */
static int find(char main[PATH_MAX], char python[PATH_MAX]) {
#ifdef OCIPY_PACKAGE
  if (join(main, OCIPY_PACKAGE, "/__main__.py", "") && access(main, R_OK) == 0) {
    if (join(python, OCIPY_PYTHON, "", "") && access(python, X_OK) == 0) return 0;
    return fail("no interpreter ", OCIPY_PYTHON, " (build ocipy again)");
  }
#endif
  char own[PATH_MAX];
  const char *prefix = own;
  int found = own_prefix(own) && find_main(main, own);
  for (size_t i = 0; !found && i < COUNT(usual_prefixes); i++) {
    prefix = usual_prefixes[i];
    found = find_main(main, prefix);
  }
  if (!found) return fail("the Python package ocipy isn't installed for Python ", VERSION, " beside this command");
  if (!find_python(python, prefix)) return fail("no interpreter: ", "/usr/bin/python" VERSION, " doesn't exist");
  return 0;
}

/* Engines may start a runtime with stdin, stdout or stderr closed: the next file opened would take their place. */
static void fill_stdio(void) {
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0) return;
}

int main(int argc, char **argv) {
  char package_main[PATH_MAX], python[PATH_MAX];
  fill_stdio();
  int status = find(package_main, python);
  if (status != 0) return status;

  int given = argc > 0 ? argc - 1 : 0;
  /* Interpreter, options, script, arguments, NULL. The full path in argv[0] is how Python finds its own library. */
  char *args[1 + OPTION_COUNT + 1 + given + 1];
  char *const head[] = {python, OPTIONS, package_main};
  memcpy(args, head, sizeof head);
  if (given) memcpy(args + COUNT(head), argv + 1, (size_t)given * sizeof *args);
  args[COUNT(head) + (size_t)given] = NULL;
  execv(python, args);
  return fail("cannot execute ", python, why(errno));
}
