"""config.md: mounts: order, destinations, sources, types, id mappings."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance import host
from conformance.harness import Runtime, case, check, need

MAPPING = [{"containerID": 0, "hostID": 5000, "size": 1000}]


def add(runtime: Runtime, destination: str, *options: str, **properties: Any) -> None:
    """Append a mount: of a tmpfs, unless ``properties`` say otherwise."""
    mount = {"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": list(options), **properties}
    runtime.config["mounts"].append(mount)


def source(runtime: Runtime, name: str = "data") -> Path:
    """A directory of the host with a file in it, to be bound."""
    directory = runtime.directory / name
    directory.mkdir()
    (directory / "file").write_text(f"{name}\n")
    return directory


@contextlib.contextmanager
def mounted(path: Path, option: str = "", *, shared: bool = False) -> Iterator[None]:
    """A tmpfs of the host at ``path``, for this time, with a directory ``below`` in it; ``option`` is of the mount;
    ``shared``: what is mounted here is mounted where it is bound, too."""
    subprocess.run(["/bin/mount", "-t", "tmpfs", "conformance", str(path)], check=True)
    try:
        (path / "below").mkdir()
        if option:
            subprocess.run(["/bin/mount", "-o", f"remount,bind,{option}", str(path)], check=True)
        if shared:
            subprocess.run(["/bin/mount", "--make-shared", str(path)], check=True)
        yield
    finally:
        subprocess.run(["/bin/umount", "--lazy", str(path)], check=True)


@case("config.md#mounts", "MUST", "mounts are made in the listed order", "mounts[].destination")
def mounts_in_order(runtime: Runtime) -> None:
    for name in ("/a", "/a/b", "/c", "/c"):
        add(runtime, name, f"size={len(runtime.config['mounts'])}m")
    lines = runtime.prints("cat /proc/self/mountinfo").splitlines()
    found = [line.split()[4] for line in lines if line.split()[4][:2] in ("/a", "/c")]
    check(found == ["/a", "/a/b", "/c", "/c"], f"they are {found}")


@case(
    "config.md#mounts",
    "MUST",
    "a destination that isn't there is made, or the mount is an error",
    "mounts[].destination",
)
def mount_destination_missing(runtime: Runtime) -> None:
    add(runtime, "/not/there/yet")
    check(runtime.prints("grep -c ' /not/there/yet ' /proc/self/mountinfo") == "1\n", "it isn't mounted")


@case("config.md#mounts", "MUST", "a relative destination is relative to /", "mounts[].destination", since="1.2.0")
def mount_destination_relative(runtime: Runtime) -> None:
    runtime.config["process"]["cwd"] = "/tmp"
    add(runtime, "relative/place")
    check(runtime.prints("grep -c ' /relative/place ' /proc/self/mountinfo") == "1\n", "it is somewhere else")


@case("config.md#mounts", "MUST", "a mount without a destination is refused", "mounts[].destination")
def mount_destination_required(runtime: Runtime) -> None:
    runtime.config["mounts"].append({"type": "tmpfs", "source": "tmpfs"})
    runtime.refused()


@case("config.md#mounts", "MUST", "a bind's source may be absolute, or relative to the bundle", "mounts[].source")
def mount_source(runtime: Runtime) -> None:
    source(runtime, "absolute")
    (runtime.bundle.path / "relative").mkdir()
    (runtime.bundle.path / "relative/file").write_text("relative\n")
    add(runtime, "/absolute", "bind", type="none", source=str(runtime.directory / "absolute"))
    add(runtime, "/relative", "bind", type="none", source="relative")
    check(runtime.prints("cat /absolute/file /relative/file") == "absolute\nrelative\n", "they are others")


@case("config.md#mounts", "MUST", "a bind's source may be a file", "mounts[].source")
def mount_source_file(runtime: Runtime) -> None:
    path = source(runtime) / "file"
    add(runtime, "/etc/bound", "bind", type="none", source=str(path))
    check(runtime.prints("cat /etc/bound") == "data\n", "it isn't there")


@case("config.md#mounts", "MUST", "bind or rbind makes it a bind mount, whatever the type is", "mounts[].type")
def mount_bind_by_option(runtime: Runtime) -> None:
    directory = source(runtime)
    for number, (type_, option) in enumerate((("tmpfs", "bind"), ("none", "rbind"), ("bind", "bind"))):
        add(runtime, f"/bound{number}", option, type=type_, source=str(directory))
    add(runtime, "/bound3", "bind", source=str(directory))
    del runtime.config["mounts"][-1]["type"]
    found = runtime.prints("cat /bound0/file /bound1/file /bound2/file /bound3/file")
    check(found == "data\n" * 4, f"they are {found!r}")


@case("config.md#posix-platform-mounts", "MUST", "type is the filesystem's type", "mounts[].type")
def mount_type(runtime: Runtime) -> None:
    add(runtime, "/ram", type="ramfs", source="ramfs")
    lines = runtime.prints("cat /proc/self/mountinfo").splitlines()
    found = [line.partition(" - ")[2].split()[0] for line in lines if line.split()[4] == "/ram"]
    check(found == ["ramfs"], f"it is {found}")


def owner(runtime: Runtime, path: str) -> tuple[int, int]:
    """Who owns a path, as seen in the container."""
    uid, gid = runtime.prints(f"stat -c '%u %g' {path}").split()
    return int(uid), int(gid)


def bind_mapped(runtime: Runtime, option: str, **mappings: Any) -> None:
    """Bind a directory whose file belongs to ids 10 and 20, id-mapped."""
    directory = source(runtime)
    os.chown(directory / "file", 10, 20)
    add(
        runtime,
        "/mapped",
        "bind" if option == "idmap" else "rbind",
        option,
        type="none",
        source=str(directory),
        **mappings,
    )


@case(
    "config.md#posix-platform-mounts",
    "MUST",
    "idmap and ridmap use the mount's own mappings",
    "mounts[].uidMappings[].containerID",
    "mounts[].uidMappings[].hostID",
    "mounts[].uidMappings[].size",
    "mounts[].gidMappings[].containerID",
    "mounts[].gidMappings[].hostID",
    "mounts[].gidMappings[].size",
    since="1.2.0",
)
def mount_idmap(runtime: Runtime) -> None:
    need(host.kernel(5, 19), "the kernel is older than 5.19")
    gids = [{"containerID": 0, "hostID": 7000, "size": 1000}]
    bind_mapped(runtime, "idmap", uidMappings=MAPPING, gidMappings=gids)
    found = owner(runtime, "/mapped/file")
    check(found == (5010, 7020), f"the file belongs to {found}")


@case(
    "config.md#linux-mount-options",
    "SHOULD",
    "ridmap maps the mounts below as well",
    "mounts[].uidMappings",
    since="1.2.0",
)
def mount_ridmap(runtime: Runtime) -> None:
    need(host.kernel(6, 3), "the kernel is older than 6.3, which brought id-mapped tmpfs")
    bind_mapped(runtime, "ridmap", uidMappings=MAPPING, gidMappings=MAPPING)
    below = runtime.directory / "data/below"
    below.mkdir()
    with mounted(below):
        (below / "file").touch()
        os.chown(below / "file", 30, 40)
        found = owner(runtime, "/mapped/file"), owner(runtime, "/mapped/below/file")
    check(found == ((5010, 5020), (5030, 5040)), f"the files belong to {found}")


@case(
    "config.md#linux-mount-options",
    "MUST",
    "idmap without mappings, and without a user namespace, is an error",
    "mounts[].options",
    since="1.2.0",
)
def mount_idmap_without_mappings(runtime: Runtime) -> None:
    for option in ("idmap", "ridmap"):
        runtime.config["mounts"] = runtime.config["mounts"][:2]
        add(runtime, "/mapped", "bind", option, type="none", source="/etc")
        runtime.refused()


@case(
    "config.md#posix-platform-mounts",
    "MUST",
    "uidMappings and gidMappings come together",
    "mounts[].uidMappings",
    "mounts[].gidMappings",
    since="1.1.0",
)
def mount_mappings_alone(runtime: Runtime) -> None:
    for name in ("uidMappings", "gidMappings"):
        runtime.config["mounts"] = runtime.config["mounts"][:2]
        add(runtime, "/mapped", "bind", "idmap", type="none", source="/etc", **{name: MAPPING})
        runtime.refused()
