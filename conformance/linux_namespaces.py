"""config-linux.md: namespaces, new, joined and inherited."""

import os
import subprocess
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_looking import (
    NAMESPACES,
    drop_namespace,
    holder,
    inside_mounts,
    map_ids,
    namespace,
    own_mounts,
    set_namespace,
)

SECTION = "config-linux.md#namespaces"
TYPE, PATH = "linux.namespaces[].type", "linux.namespaces[].path"
SINCE = dict.fromkeys(NAMESPACES, "1.0.0") | {"time": "1.1.0"}

# What unshare(1) calls them; ids have to be mapped before a program may be executed with any.
FLAGS = {
    "cgroup": ["--cgroup"],
    "ipc": ["--ipc"],
    "mount": ["--mount", "--propagation", "private"],
    "network": ["--net"],
    "pid": ["--pid"],
    "time": ["--time"],
    "user": ["--user", "--map-root-user"],
    "uts": ["--uts"],
}
# Another type than each.
OTHERS = {type_: "ipc" if type_ == "uts" else "uts" for type_ in NAMESPACES}


def new(type_: str) -> None:
    """The case: the container gets a new namespace of the type."""

    def run(runtime: Runtime) -> None:
        need(host.namespace(NAMESPACES[type_]), f"this kernel has no {type_} namespaces")
        if type_ == "user":
            map_ids(runtime)
        set_namespace(runtime, type_)
        pid = runtime.sleeping()
        check(namespace(type_, pid) != namespace(type_), "it is the runtime's")

    run.__name__ = f"new_{type_}_namespace"
    case(SECTION, "MUST", f"without a path, a new {type_} namespace is made", TYPE, since=SINCE[type_])(run)


def joined(type_: str) -> None:
    """The case: the container's process is placed in the namespace at a path."""

    def run(runtime: Runtime) -> None:
        need(host.namespace(NAMESPACES[type_]), f"this kernel has no {type_} namespaces")
        with holder(*FLAGS[type_]) as pid:
            set_namespace(runtime, type_, f"/proc/{pid}/ns/{NAMESPACES[type_]}")
            if type_ == "user":  # as the holder's: the documents of before 1.2 don't say that they may be left out
                mapping = {"containerID": 0, "hostID": 0, "size": 1}
                runtime.config["linux"].update(uidMappings=[mapping], gidMappings=[mapping])
            inside = runtime.sleeping()
            check(namespace(type_, inside) == namespace(type_, pid), "it is another")

    run.__name__ = f"joined_{type_}_namespace"
    case(SECTION, "MUST", f"the process is placed in the {type_} namespace at path", TYPE, PATH, since=SINCE[type_])(
        run
    )


def of_another_type(type_: str) -> None:
    """The case: a path to a namespace of another type is an error."""

    def run(runtime: Runtime) -> None:
        need(host.namespace(NAMESPACES[type_]), f"this kernel has no {type_} namespaces")
        with holder(*FLAGS[OTHERS[type_]]) as pid:
            set_namespace(runtime, type_, f"/proc/{pid}/ns/{NAMESPACES[OTHERS[type_]]}")
            runtime.refused()

    run.__name__ = f"path_of_another_type_than_{type_}"
    case(
        SECTION, "MUST", f"a path to another type of namespace than {type_} is an error", TYPE, PATH, since=SINCE[type_]
    )(run)


def inherited(type_: str) -> None:
    """The case: the container is in the runtime's namespace of a type that isn't listed."""

    def run(runtime: Runtime) -> None:
        need(host.namespace(NAMESPACES[type_]), f"this kernel has no {type_} namespaces")
        drop_namespace(runtime, type_)
        if type_ == "uts":
            del runtime.config["hostname"]
        check(namespace(type_, runtime.sleeping()) == namespace(type_), "it is another")

    run.__name__ = f"inherited_{type_}_namespace"
    case(SECTION, "MUST", f"the {type_} namespace is the runtime's if it isn't listed", TYPE, since=SINCE[type_])(run)


for each in NAMESPACES:
    new(each)
    joined(each)
    of_another_type(each)
    if each != "mount":
        inherited(each)


@case(SECTION, "MUST", "the mount namespace is the runtime's if it isn't listed", TYPE)
def inherited_mount_namespace(runtime: Runtime) -> None:
    with own_mounts(runtime) as pid:
        drop_namespace(runtime, "mount")
        # Without mounts of the config, which a runtime may refuse to make among its own.
        runtime.config["mounts"] = []
        inside_mounts(pid, "mount", "-t", "proc", "proc", str(runtime.rootfs / "proc"))
        check(namespace("mount", runtime.sleeping()) == namespace("mount", pid), "it is another")


@case(SECTION, "MUST", "a type listed twice is an error", TYPE)
def namespace_type_twice(runtime: Runtime) -> None:
    runtime.config["linux"]["namespaces"].append({"type": "pid"})
    runtime.refused()


@case(SECTION, "MUST", "a type listed twice is an error, one to join and one new", TYPE, PATH)
def namespace_type_joined_and_new(runtime: Runtime) -> None:
    with holder("--net") as pid:
        runtime.config["linux"]["namespaces"].append({"type": "network", "path": f"/proc/{pid}/ns/net"})
        runtime.refused()


@case(SECTION, "MUST", "a type that isn't one is an error", TYPE)
def namespace_type_unknown(runtime: Runtime) -> None:
    runtime.config["linux"]["namespaces"].append({"type": "planet"})
    runtime.refused()


@case(SECTION, "MUST", "an entry without a type is an error", TYPE)
def namespace_type_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["namespaces"].append({"path": "/proc/self/ns/net"})
    runtime.refused()


@case(SECTION, "MUST", "a path that is no namespace is an error", PATH)
def path_of_no_namespace(runtime: Runtime) -> None:
    set_namespace(runtime, "network", "/dev/null")
    runtime.refused()


@case(SECTION, "MUST", "a path that doesn't exist is an error", PATH)
def path_that_is_absent(runtime: Runtime) -> None:
    set_namespace(runtime, "network", str(runtime.directory / "absent"))
    runtime.refused()


@case(
    SECTION,
    "MUST",
    "a relative path is an error",
    PATH,
    note="runc and crun open it, wherever it leads from their working directory.",
)
def path_that_is_relative(runtime: Runtime) -> None:
    # It exists, whichever directory it is taken to be relative to.
    relative = "../" * 20 + "proc/self/ns/net"
    set_namespace(runtime, "network", relative)
    runtime.refused()


@case(SECTION, "MUST", "a path may be a file that a namespace is bound on", PATH)
def path_of_bound_namespace(runtime: Runtime) -> None:
    with holder("--net") as pid, own_mounts(runtime) as mounts:
        bound = runtime.directory / "network"
        bound.touch()
        enter = ["nsenter", "--target", str(mounts), "--mount", "--"]
        subprocess.run([*enter, "mount", "--bind", f"/proc/{pid}/ns/net", str(bound)], check=True)
        set_namespace(runtime, "network", str(bound))
        check(namespace("network", runtime.sleeping()) == namespace("network", pid), "it is another")


@case(SECTION, "SHOULD", "in a pid namespace, only the container's processes are seen", TYPE)
def pid_namespace_isolates(runtime: Runtime) -> None:
    seen = runtime.prints("cd /proc; for each in [0-9]*; do cat $each/comm 2>/dev/null; done")
    check(set(seen.split()) <= {"sh", "cat"}, f"others are seen: {seen.split()}")


@case(SECTION, "SHOULD", "in a network namespace there are no devices of the host", TYPE)
def network_namespace_isolates(runtime: Runtime) -> None:
    names = runtime.prints("tail -n +3 /proc/net/dev | cut -d : -f 1").split()
    # Every new namespace has the loopback device, and tunnels whose modules are loaded.
    new_one = subprocess.check_output(["unshare", "--net", "cat", "/proc/self/net/dev"], text=True)
    expected = [line.partition(":")[0].strip() for line in new_one.splitlines()[2:]]
    check(sorted(names) == sorted(expected), f"there are {names}")


@case(SECTION, "SHOULD", "in a mount namespace, mounts of the container aren't seen outside", TYPE)
def mount_namespace_isolates(runtime: Runtime) -> None:
    pid = runtime.sleeping()
    for name in ("mountinfo", "mounts"):
        check(str(runtime.directory) not in Path(f"/proc/self/{name}").read_text(), "the host has a mount more")
    check(" /dev " in Path(f"/proc/{pid}/mounts").read_text(), "the container's mounts aren't there")


@case(SECTION, "SHOULD", "in an ipc namespace, message queues of the host aren't seen", TYPE)
def ipc_namespace_isolates(runtime: Runtime) -> None:
    # A namespace's message queues are its own, and so are its limits: the host's are left alone.
    runtime.config["linux"]["sysctl"] = {"kernel.msgmni": "17"}
    before = Path("/proc/sys/kernel/msgmni").read_text()
    check(runtime.prints("cat /proc/sys/kernel/msgmni") == "17\n", "the limit isn't the container's")
    check(Path("/proc/sys/kernel/msgmni").read_text() == before, "the host's limit changed")


@case(SECTION, "SHOULD", "in a uts namespace, host and domain name are the container's own", TYPE)
def uts_namespace_isolates(runtime: Runtime) -> None:
    before = os.uname().nodename
    check(runtime.prints("hostname") == "conformance\n", "the host name isn't the container's")
    check(os.uname().nodename == before, "the host's name changed")


@case(SECTION, "SHOULD", "in a cgroup namespace, the container's cgroup is the root", TYPE)
def cgroup_namespace_isolates(runtime: Runtime) -> None:
    set_namespace(runtime, "cgroup")
    lines = runtime.prints("cat /proc/self/cgroup").splitlines()
    managed = [line for line in lines if "name=" not in line]
    check(managed and all(line.endswith(":/") for line in managed), f"it is seen as {managed}")


def _sentences() -> None:
    isolates = [name for name in globals() if name.endswith("_namespace_isolates")]
    types = [f"new_{type_}_namespace" for type_ in NAMESPACES]
    sentence(SECTION, "SHOULD", "all eight types are supported", "namespace_type_unknown", *types, *isolates)
    sentence(SECTION, "MUST", "type is required", "namespace_type_absent")
    sentence(SECTION, "MUST", "path is absolute, in the runtime's mount namespace", "path_that_is_relative")
    places = [f"joined_{type_}_namespace" for type_ in NAMESPACES]
    sentence(SECTION, "MUST", "the process is placed in the namespace at path", "path_of_bound_namespace", *places)
    errors = [f"path_of_another_type_than_{type_}" for type_ in NAMESPACES]
    nowhere = ["path_of_no_namespace", "path_that_is_absent"]
    sentence(SECTION, "MUST", "a path of another type is an error", *nowhere, *errors)
    sentence(SECTION, "MUST", "without a path, a new namespace is made", *types)
    sentence(
        SECTION, "MUST", "what isn't listed is inherited", *(f"inherited_{type_}_namespace" for type_ in NAMESPACES)
    )
    twice = ["namespace_type_twice", "namespace_type_joined_and_new"]
    sentence(SECTION, "MUST", "a type listed twice is an error", *twice)


_sentences()
