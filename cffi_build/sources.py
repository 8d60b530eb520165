"""What is compiled of this directory, and how: the one list for setup.py, build_shim.py and the Makefile.

Paths are relative to this directory.  Every ``.c`` and ``.h`` file here counts as an input of every product: a
rebuild takes two seconds, a missed one an afternoon.
"""

# The extension module ocipy._shim: what the parent, a Python process, calls.
SHIM_SOURCES = ("clone.c", "spawn.c", "shim_bpf.c", "shim_idmap.c", "shim_misc.c", "shim_net.c")

# ocipy-init: the static program that runs inside the container's namespaces.
INIT_SOURCES = (
    "clone.c",
    "copy_up.c",
    "filesystem.c",
    "init.c",
    "mount_api.c",
    "op_console.c",
    "op_dev.c",
    "op_enter.c",
    "op_home.c",
    "op_hook.c",
    "op_label.c",
    "op_mount.c",
    "op_process.c",
    "op_protect.c",
    "op_root.c",
    "op_schedule.c",
    "op_seccomp.c",
    "read.c",
    "report.c",
    "resolve.c",
    "text.c",
    "verify.c",
)

# The command `ocipy`: a static program that starts the interpreter.
LAUNCHER_SOURCES = ("launcher.c",)

CFLAGS = ("-std=gnu11", "-O2", "-fno-strict-aliasing")

# Static: init is executed where no library of the host may be reachable, and the launcher starts faster without ld.so.
# _GNU_SOURCE is defined as a source file would define it, so that one may.
PROGRAM_CFLAGS = (*CFLAGS, "-D_GNU_SOURCE=", "-ffunction-sections", "-fdata-sections", "-fstack-protector-strong")
PROGRAM_LDFLAGS = ("-static", "-Wl,--gc-sections", "-s")

# With OCIPY_STRICT=1 (the Makefile and CI), not for users: a newer compiler's new warning must not break an install.
STRICT_CFLAGS = ("-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes")
STRICT_SHIM_CFLAGS = ("-Wall", "-Wextra", "-Werror")
