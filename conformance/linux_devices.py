"""config-linux.md: devices."""

import os
import stat
from pathlib import Path
from typing import Any

from conformance.cases import sentence
from conformance.harness import Runtime, case, check
from conformance.linux_looking import MAPPING, map_ids

DEVICES = "config-linux.md#devices"

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


@case(
    DEVICES,
    "MUST",
    "a regular file at path is an error",
    "linux.devices[].path",
    note="runc and crun take whatever is there for the device.",
)
def device_on_file(runtime: Runtime) -> None:
    existing(runtime, stat.S_IFREG | 0o666)
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(stat.S_ISREG((runtime.rootfs / "there/extra").lstat().st_mode), "the file was replaced")


@case(
    DEVICES,
    "MUST",
    "another device at path is an error",
    "linux.devices[].path",
    "linux.devices[].minor",
    note="runc and crun take whatever is there for the device.",
)
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


@case(
    DEVICES,
    "MUST",
    "major and minor are required but for p",
    "linux.devices[].major",
    "linux.devices[].minor",
    note="Read into Go's or C's structures, a number that is absent is 0.",
)
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
