"""config-linux.md: devices, and those that every container has."""

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check
from conformance.linux_looking import MAPPING, map_ids, mount

FILESYSTEMS = "config-linux.md#default-filesystems"
DEVICES = "config-linux.md#devices"
DEFAULTS = "config-linux.md#default-devices"

NULL = {"type": "c", "path": "/dev/extra", "major": 1, "minor": 3}


def add(runtime: Runtime, **members: Any) -> None:
    """Ask for a device like /dev/null at /dev/extra, but for what the members say; None leaves one out."""
    device = {name: value for name, value in (NULL | members).items() if value is not None}
    runtime.config["linux"].setdefault("devices", []).append(device)


def seen(runtime: Runtime, path: str = "/dev/extra") -> os.stat_result:
    """The file, looked at from the host."""
    return Path(f"/proc/{runtime.sleeping()}/root{path}").lstat()


def number(status: os.stat_result) -> tuple[int, int]:
    return os.major(status.st_rdev), os.minor(status.st_rdev)


@case(FILESYSTEMS, "SHOULD", "a config may have all the default filesystems", "mounts")
def default_filesystems(runtime: Runtime) -> None:
    for path, type_ in (("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")):
        mount(runtime, path, type_, "nosuid", "noexec")
    mounts = [line.split() for line in runtime.prints("cat /proc/mounts").splitlines()]
    found = {fields[1]: fields[2] for fields in mounts}
    expected = {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}
    check(expected.items() <= found.items(), f"there are {found}")


sentence(FILESYSTEMS, "SHOULD", "/proc, /sys, /dev/pts and /dev/shm are available", "default_filesystems")


@case(DEVICES, "MUST", "a character device is there", *(f"linux.devices[].{key}" for key in NULL))
def device_character(runtime: Runtime) -> None:
    add(runtime, major=10, minor=200)
    status = seen(runtime)
    check(stat.S_ISCHR(status.st_mode), f"its mode is {status.st_mode:o}")
    check(number(status) == (10, 200), f"it is {number(status)}")


@case(DEVICES, "MUST", "u is a character device, too", "linux.devices[].type")
def device_unbuffered(runtime: Runtime) -> None:
    add(runtime, type="u")
    status = seen(runtime)
    check(stat.S_ISCHR(status.st_mode), f"its mode is {status.st_mode:o}")
    check(number(status) == (1, 3), f"it is {number(status)}")


@case(DEVICES, "MUST", "a block device is there", *(f"linux.devices[].{key}" for key in NULL))
def device_block(runtime: Runtime) -> None:
    add(runtime, type="b", major=7, minor=255)
    status = seen(runtime)
    check(stat.S_ISBLK(status.st_mode), f"its mode is {status.st_mode:o}")
    check(number(status) == (7, 255), f"it is {number(status)}")


@case(DEVICES, "MUST", "a named pipe is there, without device numbers", "linux.devices[].type")
def device_pipe(runtime: Runtime) -> None:
    add(runtime, type="p", major=None, minor=None)
    status = seen(runtime)
    check(stat.S_ISFIFO(status.st_mode), f"its mode is {status.st_mode:o}")


@case(DEVICES, "MUST", "several devices are all there", "linux.devices")
def device_several(runtime: Runtime) -> None:
    names = [f"/dev/extra{minor}" for minor in range(1, 10)]
    for minor, name in enumerate(names, 1):
        add(runtime, path=name, major=9, minor=minor)
    pid = runtime.sleeping()
    found = [number(Path(f"/proc/{pid}/root{name}").lstat()) for name in names]
    check(found == [(9, minor) for minor in range(1, 10)], f"they are {found}")


@case(DEVICES, "MUST", "fileMode is the mode, whatever the umask is", "linux.devices[].fileMode")
def device_mode(runtime: Runtime) -> None:
    add(runtime, fileMode=0o626)
    mode = stat.S_IMODE(seen(runtime).st_mode)
    check(mode == 0o626, f"it is {mode:o}")


@case(DEVICES, "MUST", "uid and gid are the owners", "linux.devices[].uid", "linux.devices[].gid")
def device_owners(runtime: Runtime) -> None:
    add(runtime, uid=1234, gid=4321)
    status = seen(runtime)
    check((status.st_uid, status.st_gid) == (1234, 4321), f"they are {status.st_uid}:{status.st_gid}")


@case(DEVICES, "MUST", "a path outside /dev is as good", "linux.devices[].path")
def device_elsewhere(runtime: Runtime) -> None:
    add(runtime, path="/some/where/extra")
    check(number(seen(runtime, "/some/where/extra")) == (1, 3), "it isn't there")


@case(DEVICES, "MUST", "a device can be opened when its rule says so", "linux.devices")
def device_opens(runtime: Runtime) -> None:
    add(runtime, minor=5)
    rule = {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "r"}
    runtime.config["linux"]["resources"] = {"devices": [rule]}
    check(runtime.prints("head -c 3 /dev/extra | wc -c") == "3\n", "it can't be read")


def existing(runtime: Runtime, mode: int, device: int = 0) -> None:
    """Put a file where the device is asked for: in a directory of the root filesystem."""
    (runtime.rootfs / "there").mkdir()
    os.mknod(runtime.rootfs / "there/extra", mode, device)
    add(runtime, path="/there/extra")


@case(DEVICES, "MUST", "a regular file at path is an error", "linux.devices[].path")
def device_on_file(runtime: Runtime) -> None:
    existing(runtime, stat.S_IFREG | 0o666)
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(stat.S_ISREG((runtime.rootfs / "there/extra").lstat().st_mode), "the file was replaced")


@case(DEVICES, "MUST", "another device at path is an error", "linux.devices[].path", "linux.devices[].minor")
def device_on_another(runtime: Runtime) -> None:
    existing(runtime, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(number((runtime.rootfs / "there/extra").lstat()) == (1, 5), "the file was replaced")


@case(DEVICES, "MUST", "the requested device at path already is fine", "linux.devices[].path")
def device_on_itself(runtime: Runtime) -> None:
    existing(runtime, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    check(number(seen(runtime, "/there/extra")) == (1, 3), "it is another")


@case(DEVICES, "MUST", "a type that isn't one is an error", "linux.devices[].type")
def device_type_unknown(runtime: Runtime) -> None:
    add(runtime, type="x")
    runtime.refused()


@case(DEVICES, "MUST", "type and path are required", "linux.devices[].type", "linux.devices[].path")
def device_incomplete(runtime: Runtime) -> None:
    for member in ("type", "path"):
        runtime.config["linux"]["devices"] = []
        add(runtime, **{member: None})
        runtime.refused()


@case(DEVICES, "MUST", "major and minor are required but for p", "linux.devices[].major", "linux.devices[].minor")
def device_without_numbers(runtime: Runtime) -> None:
    for member in ("major", "minor"):
        runtime.config["linux"]["devices"] = []
        add(runtime, **{member: None})
        runtime.refused()


@case(DEVICES, "SHOULD NOT", "a device that isn't listed can't be accessed", "linux.devices")
def device_not_listed(runtime: Runtime) -> None:
    for names in runtime.config["process"]["capabilities"].values():
        names.append("CAP_MKNOD")
    # The kernel's log, which root of the host may read; the file is made or it isn't, but never opened.
    runtime.bundle.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    script = "mknod /tmp/kmsg c 1 11; dd if=/tmp/kmsg of=/tmp/read bs=8192 count=1 2>/dev/null; wc -c </tmp/read"
    check(runtime.prints(f"touch /tmp/read; {script}").split()[-1] == "0", "the kernel's log can be read")


@case(DEVICES, "MUST", "owners are ids inside the user namespace", "linux.devices[].uid", "linux.devices[].gid")
def device_owners_mapped(runtime: Runtime) -> None:
    map_ids(runtime)
    add(runtime, type="p", major=None, minor=None, uid=12, gid=34)
    status = seen(runtime)
    expected = (MAPPING["hostID"] + 12, MAPPING["hostID"] + 34)
    check((status.st_uid, status.st_gid) == expected, f"on the host they are {status.st_uid}:{status.st_gid}")


kinds = ("character", "unbuffered", "block", "pipe", "several", "opens")
sentence(DEVICES, "MUST", "listed devices are available", *(f"device_{kind}" for kind in kinds))
sentence(DEVICES, "MUST", "type is required, one of c, b, u and p", "device_type_unknown", "device_incomplete")
sentence(DEVICES, "MUST", "path is required", "device_incomplete")
unfit = ("device_on_file", "device_on_another", "device_on_itself")
sentence(DEVICES, "MUST", "a file at path that isn't the requested device is an error", *unfit)
sentence(DEVICES, "MUST", "path may be anywhere", "device_elsewhere")
sentence(DEVICES, "MUST", "major and minor are required unless type is p", "device_without_numbers")
sentence(DEVICES, "MUST", "fileMode is the device's mode", "device_mode")
sentence(DEVICES, "MUST", "uid and gid are the owners inside", "device_owners", "device_owners_mapped")
sentence(DEVICES, "SHOULD NOT", "other device nodes are accessed", "device_not_listed")
sentence(
    DEVICES,
    "SHOULD NOT",
    "type, major and minor are those of several devices",
    untested="it is the author of a config who should not",
)


@case(DEFAULTS, "MUST", "null, zero, full, random, urandom and tty are there")
def default_devices(runtime: Runtime) -> None:
    pid = runtime.sleeping()
    numbers = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
    for name, expected in numbers.items():
        status = Path(f"/proc/{pid}/root/dev/{name}").lstat()
        check(stat.S_ISCHR(status.st_mode), f"/dev/{name} is no device")
        check(number(status) == expected, f"/dev/{name} is {number(status)}")


@case(DEFAULTS, "MUST", "the default devices can be used, whatever the device rules are", "linux.resources.devices")
def default_devices_work(runtime: Runtime) -> None:
    runtime.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    reads = "for name in zero full random urandom; do head -c 1 /dev/$name | wc -c; done"
    seen_ = runtime.prints(f"echo gone >/dev/null; cat /dev/null; {reads}; (echo >/dev/full) 2>/dev/null || echo full")
    check(seen_.split() == ["1", "1", "1", "1", "full"], f"they do {seen_.split()}")


@case(DEFAULTS, "MUST", "the default devices are there in a user namespace", "linux.uidMappings")
def default_devices_mapped(runtime: Runtime) -> None:
    map_ids(runtime)
    names = "null zero full random urandom tty"
    missing = runtime.prints(f"for name in {names}; do test -c /dev/$name || echo $name; done; echo gone >/dev/null")
    check(missing == "", f"there is no {missing.split()}")


@case(DEFAULTS, "MUST", "/dev/ptmx is that of the container's /dev/pts")
def default_ptmx(runtime: Runtime) -> None:
    mount(runtime, "/dev/pts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620")
    pid = runtime.sleeping()
    ptmx, own = (Path(f"/proc/{pid}/root/dev/{name}") for name in ("ptmx", "pts/ptmx"))
    if ptmx.is_symlink():
        target = os.readlink(ptmx)
        check(target in ("pts/ptmx", "/dev/pts/ptmx"), f"it leads to {target}")
    else:
        check((ptmx.stat().st_dev, ptmx.stat().st_ino) == (own.stat().st_dev, own.stat().st_ino), "it is another")


@contextlib.contextmanager
def console(runtime: Runtime) -> Iterator[int]:
    """Create a container with a terminal: the descriptor of its other end."""
    runtime.config["process"].update(terminal=True, args=SLEEP)
    mount(runtime, "/dev/pts", "devpts", "newinstance", "ptmxmode=0666", "mode=0620")
    path = runtime.directory / "console.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(10)
        runtime.create("--console-socket", str(path))
        with server.accept()[0] as connection:
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    (descriptor,) = struct.unpack("i", ancillary[0][2])
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@case(DEFAULTS, "MUST", "with a terminal, /dev/console is the terminal, bound", "process.terminal")
def default_console(runtime: Runtime) -> None:
    with console(runtime):
        pid = runtime.state()["pid"]
        bound, terminal = (Path(f"/proc/{pid}/root/dev/{name}").stat() for name in ("console", "pts/0"))
        check(stat.S_ISCHR(bound.st_mode), "it is no device")
        check(number(bound) == number(terminal), f"it is {number(bound)}")
        check(" /dev/console devpts " in Path(f"/proc/{pid}/mounts").read_text(), "nothing is mounted there")


names = ("default_devices", "default_devices_work", "default_devices_mapped")
sentence(DEFAULTS, "MUST", "null, zero, full, random, urandom and tty are supplied", *names)
sentence(DEFAULTS, "MUST", "with a terminal, it is bound on /dev/console", "default_console")
sentence(DEFAULTS, "MUST", "/dev/ptmx is a link to, or a bind of, /dev/pts/ptmx", "default_ptmx")
