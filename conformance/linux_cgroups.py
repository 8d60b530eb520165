"""config-linux.md: where the container's cgroup is, and whose."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check, need
from conformance.linux_looking import MAPPING, map_ids, set_namespace

PATHS = "config-linux.md#cgroups-path"
OWNERS = "config-linux.md#cgroup-ownership"
GROUPS = "config-linux.md#control-groups"
PROPERTY = "linux.cgroupsPath"
DELEGATE = Path("/sys/kernel/cgroup/delegate")


def places(pid: int) -> dict[str, str]:
    """The cgroup of a process in every hierarchy of the host, by controllers; the unified one's is ""."""
    lines = [line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    return {name: path for name, path in lines if all(each in host.hierarchies() for each in name.split(","))}


@case(PATHS, "MUST", "an absolute path is relative to the mount points", PROPERTY)
def cgroup_absolute(runtime: Runtime) -> None:
    path = runtime.config["linux"]["cgroupsPath"]
    found = places(runtime.sleeping())
    check(found and set(found.values()) == {path}, f"it is in {found}")


@case(PATHS, "MUST", "directories that don't exist are made", PROPERTY)
def cgroup_made(runtime: Runtime) -> None:
    path = runtime.config["linux"]["cgroupsPath"] = f"{runtime.cgroup}-nested/one/two/three"
    try:
        found = places(runtime.sleeping())
        check(found and set(found.values()) == {path}, f"it is in {found}")
    finally:
        runtime("delete", "--force", runtime.container_id)
        _remove(f"{runtime.cgroup}-nested/one/two/three", f"{runtime.cgroup}-nested")


def _remove(path: str, top: str) -> None:
    """Remove a cgroup in every hierarchy, and those above it up to ``top``."""
    for mount in set(host.hierarchies().values()):
        directory = mount / path.lstrip("/")
        while directory.is_relative_to(mount / top.lstrip("/")):
            with contextlib.suppress(OSError):
                directory.rmdir()
            directory = directory.parent


@case(PATHS, "MUST", "a cgroup that exists is used", PROPERTY)
def cgroup_existing(runtime: Runtime) -> None:
    path = runtime.config["linux"]["cgroupsPath"]
    for mount in set(host.hierarchies().values()):
        (mount / path.lstrip("/")).mkdir(parents=True)
    found = places(runtime.sleeping())
    check(set(found.values()) == {path}, f"it is in {found}")


@case(PATHS, "MUST", "a relative path leads to the same place every time", PROPERTY)
def cgroup_relative(runtime: Runtime) -> None:
    name = runtime.config["linux"]["cgroupsPath"] = f"conformance-{os.getpid()}-relative"
    found = []
    try:
        for _ in range(2):
            found.append(places(runtime.sleeping()))
            runtime("delete", "--force", runtime.container_id)
    finally:
        for path in {path for each in found for path in each.values() if path.endswith(name)}:
            _remove(path, path)
    check(found[0] == found[1], f"it was in {found[0]}, then in {found[1]}")
    check(all(path.endswith(f"/{name}") for path in found[0].values()), f"it is in {found[0]}")


@case(PATHS, "MUST", "an absolute path leads to the same place every time", PROPERTY)
def cgroup_consistent(runtime: Runtime) -> None:
    found = []
    for _ in range(2):
        found.append(places(runtime.sleeping()))
        runtime("delete", "--force", runtime.container_id)
    check(found[0] == found[1], f"it was in {found[0]}, then in {found[1]}")


@case(PATHS, "MUST", "without a path, the runtime has one of its own", PROPERTY)
def cgroup_default(runtime: Runtime) -> None:
    del runtime.config["linux"]["cgroupsPath"]
    found = places(runtime.sleeping())
    check(found, "it is in no cgroup")


@case(GROUPS, "MUST", "a cgroup that isn't empty is refused, or shared without harm", PROPERTY)
def cgroup_in_use(runtime: Runtime) -> None:
    path = runtime.config["linux"]["cgroupsPath"]
    runtime.sleeping()
    other = f"{runtime.container_id}-other"
    try:
        done = runtime("create", "--bundle", str(runtime.bundle.path), other)
        check(runtime.state()["status"] == "running", "the container that was there is gone")
        if done.returncode == 0:
            pid = int(runtime.ok("state", other).partition('"pid":')[2].split(",")[0])
            check(set(places(pid).values()) == {path}, "the second container is elsewhere")
    finally:
        runtime("delete", "--force", other)


sentence(PATHS, "MUST", "it is an absolute path or a relative one", "cgroup_absolute", "cgroup_relative")
sentence(PATHS, "MUST", "an absolute path is relative to the mount point", "cgroup_absolute")
sentence(PATHS, "MUST", "the same value leads to the same place", "cgroup_relative", "cgroup_consistent")
sentence(PATHS, "MUST", "without a value the runtime may choose", "cgroup_default")
sentence(PATHS, "MUST", "cgroups are created if they don't exist", "cgroup_made", "cgroup_existing")
sentence(
    PATHS,
    "MUST",
    "values that the runtime considers invalid are an error",
    untested="which they are is the runtime's choice",
)
sentence(GROUPS, "MUST", "a cgroup that the runtime finds unfit is an error", "cgroup_in_use")


def owned(runtime: Runtime, *options: str, mounted: bool = True, cgroup_namespace: bool = True) -> Path:
    """Create a container in a user namespace that mounts its cgroups; its cgroup's directory."""
    map_ids(runtime)
    runtime.config["process"].update(args=SLEEP, user={"uid": 5, "gid": 6})
    if cgroup_namespace:
        set_namespace(runtime, "cgroup")
    if mounted:
        mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": list(options)}
        runtime.config["mounts"] += [
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "ro"]},
            mount,
        ]
    runtime.create()
    return runtime.cgroup_file("" if host.unified() else next(iter(host.hierarchies())), ".").resolve()


def owners(directory: Path) -> Iterator[tuple[str, int]]:
    yield ".", directory.stat().st_uid
    for path in sorted(directory.iterdir()):
        yield path.name, path.stat().st_uid


def unchanged(directory: Path) -> None:
    changed = [name for name, uid in owners(directory) if uid != 0]
    check(not changed, f"the owner changed of {changed}")


@case(OWNERS, "SHOULD", "a writable mount makes the cgroup the process's user's", "mounts[].options", since="1.1.0")
def cgroup_owned(runtime: Runtime) -> None:
    need(host.unified(), "this host's cgroups are those of version 1")
    uid = dict(owners(owned(runtime, "rw")))["."]
    check(uid == MAPPING["hostID"] + 5, f"it is user {uid}'s")


@case(OWNERS, "SHOULD", "files that the kernel lists for delegation, and no others, change hands", since="1.1.0")
def cgroup_files_owned(runtime: Runtime) -> None:
    need(host.unified(), "this host's cgroups are those of version 1")
    files = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
    if DELEGATE.exists():
        files = DELEGATE.read_text().split()
    found = dict(owners(owned(runtime, "rw")))
    user = MAPPING["hostID"] + 5
    theirs = {name for name, uid in found.items() if uid == user and name != "."}
    check(theirs == set(files) & set(found), f"the user has {sorted(theirs)}")


@case(OWNERS, "SHOULD NOT", "a read-only mount leaves the owner alone", "mounts[].options", since="1.1.0")
def cgroup_not_owned_read_only(runtime: Runtime) -> None:
    unchanged(owned(runtime, "ro"))


@case(OWNERS, "SHOULD NOT", "without a mount the owner stays", "mounts", since="1.1.0")
def cgroup_not_owned_unmounted(runtime: Runtime) -> None:
    unchanged(owned(runtime, mounted=False))


@case(OWNERS, "SHOULD NOT", "without a new cgroup namespace the owner stays", "linux.namespaces[].type", since="1.1.0")
def cgroup_not_owned_without_namespace(runtime: Runtime) -> None:
    # A mount in the host's cgroup namespace can only be a bind of the host's.
    unchanged(owned(runtime, mounted=False, cgroup_namespace=False))


@case(OWNERS, "SHOULD NOT", "on version 1 the owner stays", "mounts[].options", since="1.1.0")
def cgroup_not_owned_on_v1(runtime: Runtime) -> None:
    need(not host.unified(), "this host's cgroups are those of version 2")
    unchanged(owned(runtime, "rw"))


sentence(OWNERS, "SHOULD NOT", "the owner changes on version 1", "cgroup_not_owned_on_v1")
sentence(OWNERS, "SHOULD NOT", "the owner changes without a new cgroup namespace", "cgroup_not_owned_without_namespace")
sentence(OWNERS, "SHOULD", "the owner changes if the cgroups are mounted read/write", "cgroup_owned")
readonly = ("cgroup_not_owned_read_only", "cgroup_not_owned_unmounted")
sentence(OWNERS, "SHOULD NOT", "the owner changes otherwise", *readonly)
sentence(OWNERS, "SHOULD", "the files listed for delegation change hands, those that exist", "cgroup_files_owned")
sentence(OWNERS, "MUST NOT", "a listed file that doesn't exist is a failure", "cgroup_files_owned")
sentence(
    OWNERS,
    "MUST",
    "without /sys/kernel/cgroup/delegate, three files are taken to be listed",
    untested="every kernel since 4.15 has the file, and nothing can hide it from the runtime",
)
sentence(OWNERS, "SHOULD NOT", "other files change hands", "cgroup_files_owned")
