"""What the cases of config-linux.md share: namespaces to join, network devices, and mounts of a case's own."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from conformance.harness import DEADLINE, Runtime, check, need

# The names in /proc/PID/ns, by the specification's.
NAMESPACES = {
    "cgroup": "cgroup",
    "ipc": "ipc",
    "mount": "mnt",
    "network": "net",
    "pid": "pid",
    "time": "time",
    "user": "user",
    "uts": "uts",
}
MAPPING = {"containerID": 0, "hostID": 100_000, "size": 65_536}


def namespace(type_: str, pid: int | str = "self") -> str:
    """The namespace of a process, as the kernel names it: ``net:[4026531840]``."""
    return os.readlink(f"/proc/{pid}/ns/{NAMESPACES[type_]}")


def set_namespace(runtime: Runtime, type_: str, path: str = "") -> None:
    """Ask for a new namespace, or to join the one at ``path``."""
    drop_namespace(runtime, type_)
    entry = {"type": type_, "path": path} if path else {"type": type_}
    runtime.config["linux"]["namespaces"].append(entry)


def drop_namespace(runtime: Runtime, type_: str) -> None:
    entries = runtime.config["linux"]["namespaces"]
    entries[:] = [entry for entry in entries if entry["type"] != type_]


def map_ids(runtime: Runtime) -> None:
    """A user namespace whose root is user 100000, who owns the root filesystem."""
    set_namespace(runtime, "user")
    runtime.config["linux"].update(uidMappings=[MAPPING], gidMappings=[MAPPING])
    for path in (runtime.rootfs, *runtime.rootfs.glob("**/*")):
        os.chown(path, MAPPING["hostID"], MAPPING["hostID"], follow_symlinks=False)


def mount(runtime: Runtime, destination: str, type_: str, *options: str) -> None:
    """Add a mount without a source of its own."""
    entry = {"destination": destination, "type": type_, "source": type_, "options": list(options)}
    runtime.config["mounts"].append(entry)


@contextlib.contextmanager
def holder(*flags: str) -> Iterator[int]:
    """A process in new namespaces, asked for by flags of unshare(1): its pid."""
    command = ["unshare", "--fork", "--kill-child", *flags, "sleep", "1000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _child(process)
        finally:
            process.kill()


def _child(process: "subprocess.Popen[str]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + DEADLINE
    while process.poll() is None:
        # It is "sleep" once unshare is done with it: mounts made private, ids mapped.
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "sleep\n":
                return int(child)
        check(time.monotonic() < end, "unshare(1) starts no process")
        time.sleep(0.005)
    assert process.stderr is not None
    need(False, f"this host makes no such namespace: {process.stderr.read().strip()}")
    return 0


@contextlib.contextmanager
def own_mounts(runtime: Runtime) -> Iterator[int]:
    """Let the runtime work in a mount namespace of the case's own, whose mounts are private: a pid to enter it by."""
    with holder("--mount", "--propagation", "private") as pid:
        runtime.prefix = ["nsenter", "--target", str(pid), "--mount", "--"]
        try:
            yield pid
        finally:
            runtime("delete", "--force", runtime.container_id)
            runtime.prefix = []


def inside_mounts(pid: int, *command: str) -> str:
    """Run a program of the host in the mount namespace of a process."""
    return subprocess.check_output(["nsenter", "--target", str(pid), "--mount", "--", *command], text=True)


def inside_network(pid: int, *command: str) -> str:
    """Run a program of the host in the network namespace of a process."""
    return subprocess.check_output(["nsenter", "--target", str(pid), "--net", "--", *command], text=True)


def propagation(mountinfo: str, path: str) -> str:
    """The optional fields of the mount on ``path``, the topmost: ``shared:7 master:1``, or "" for a private one."""
    found = None
    for line in mountinfo.splitlines():
        fields = line.partition(" - ")[0].split()
        if len(fields) >= 6 and fields[4] == path:
            found = " ".join(fields[6:])
    check(found is not None, f"there is no mount on {path}")
    return found or ""


@contextlib.contextmanager
def network_device(name: str) -> Iterator[str]:
    """A network device of the host; the kernel destroys a virtual one with the namespace that it is in."""
    for kind in (["dummy"], ["veth", "peer", "name", f"{name}p"]):
        made = subprocess.run(["ip", "link", "add", name, "type", *kind], capture_output=True, check=False)
        if made.returncode == 0:
            break
    need(made.returncode == 0, "this kernel makes neither dummy nor veth devices")
    try:
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
