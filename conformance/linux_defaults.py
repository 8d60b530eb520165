"""config-linux.md: the filesystems and devices that every container has."""

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check
from conformance.linux_devices import number
from conformance.linux_looking import map_ids, mount

FILESYSTEMS = "config-linux.md#default-filesystems"
DEFAULTS = "config-linux.md#default-devices"


@case(FILESYSTEMS, "SHOULD", "a config may have all the default filesystems", "mounts")
def default_filesystems(runtime: Runtime) -> None:
    for path, type_ in (("/sys", "sysfs"), ("/dev/pts", "devpts"), ("/dev/shm", "tmpfs")):
        mount(runtime, path, type_, "nosuid", "noexec")
    mounts = [line.split() for line in runtime.prints("cat /proc/mounts").splitlines()]
    found = {fields[1]: fields[2] for fields in mounts}
    expected = {"/proc": "proc", "/sys": "sysfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs"}
    check(expected.items() <= found.items(), f"there are {found}")


sentence(FILESYSTEMS, "SHOULD", "/proc, /sys, /dev/pts and /dev/shm are available", "default_filesystems")


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
