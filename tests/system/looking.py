"""Looking at a container: from inside, by a shell script, and from the host, by /proc."""

import json
import os
from pathlib import Path

import pytest

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


SETS = ("bounding", "effective", "permitted")


def together(*changes):
    """One change of a config out of several."""

    def change(config):
        for each in filter(None, changes):
            each(config)

    return change


def no_ambient(config):
    """The default config's ambient capabilities aren't inheritable, of which the runtime has to warn."""
    config["process"]["capabilities"]["ambient"] = []


def set_process(**values):
    return lambda config: config["process"].update(values)


def set_linux(**values):
    return lambda config: config["linux"].update(values)


def set_user(**values):
    return lambda config: config["process"]["user"].update(values)


def add_mounts(*mounts):
    return lambda config: config["mounts"].extend(mounts)


def resources(**limits):
    return lambda config: config["linux"]["resources"].update(limits)


def either_version(*controllers):
    """Marks a test that runs on both versions of cgroups, with these controllers; its ``version`` is v1 or v2."""
    v1, v2 = pytest.mark.cgroup_v1(*controllers), pytest.mark.cgroup_v2(*controllers)
    return pytest.mark.parametrize("version", [pytest.param("v1", marks=v1), pytest.param("v2", marks=v2)])


def bind(source, destination, *options):
    return {"destination": destination, "source": str(source), "type": "bind", "options": ["bind", *options]}


def set_namespaces(**paths):
    """``pid=""`` asks for a new namespace, ``pid="/proc/…"`` for that one, ``pid=None`` for the host's."""

    def change(config):
        kept = [entry for entry in config["linux"]["namespaces"] if entry["type"] not in paths]
        for kind, path in paths.items():
            if path is not None:
                kept.append({"type": kind} | ({"path": str(path)} if path else {}))
        config["linux"]["namespaces"] = kept

    return change


def in_user_namespace(config, host=100000, size=65536):
    """A user namespace of its own, ids from 0 on mapped to ``host`` and on."""
    set_namespaces(user="")(config)
    mapping = [{"containerID": 0, "hostID": host, "size": size}]
    config["linux"].update(uidMappings=mapping, gidMappings=[dict(mapping[0])])


def without_tty_group(config):
    """devpts without ``gid=5``, an id that isn't mapped everywhere."""
    for mount in config["mounts"]:
        if mount["type"] == "devpts":
            mount["options"].remove("gid=5")


def writable_cgroups(config):
    """The cgroup mount without ``ro``."""
    for mount in config["mounts"]:
        if mount.get("type") == "cgroup":
            mount["options"].remove("ro")


def set_capabilities(*names, kinds=SETS):
    """These capabilities and no others, in the sets ``kinds``."""
    return set_process(capabilities={kind: list(names) for kind in kinds})


def inside(ocipy, bundle, script, *options, change=None, status=0, own_rootfs=False, **keywords):
    """Run a shell script in a container of its own; what it printed."""
    path = bundle("sh", "-c", script, change=together(no_ambient, change), own_rootfs=own_rootfs)
    done = ocipy.run(path, *options, status=status, **keywords)
    assert status or not done.stderr, done.stderr
    return done.stdout


SHOW_MOUNTS = "cat /proc/self/mountinfo"


def mounts_inside(ocipy, bundle, *mounts, change=None, **keywords):
    """The mount table of a container with these mounts beside the default ones."""
    return mount_table(inside(ocipy, bundle, SHOW_MOUNTS, change=together(add_mounts(*mounts), change), **keywords))


def namespace_of(pid, kind):
    """The identity of a process's namespace: ``net:[4026531840]``."""
    return os.readlink(f"/proc/{pid}/ns/{NAMESPACES[kind]}")


def mount_table(text):
    """Mount point → (its options as a set, type, source, options of the superblock), as mountinfo has them.

    Of several mounts on one point the last, which hides the others.
    """
    table = {}
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        if not separator:
            continue  # something else that a script printed
        fields = before.split(" ")
        kind, source, super_options = after.split(" ", 2)
        tags = set(fields[6:])
        table[fields[4]] = Mount(
            set(fields[5].split(",")), kind, source, set(super_options.split(",")), fields[3], tags
        )
    return table


class Mount:
    """A line of mountinfo; ``root`` is the part of the filesystem that is mounted, ``tags`` its propagation."""

    def __init__(self, options, kind, source, super_options, root, tags):
        self.options = options
        self.kind = kind
        self.source = source
        self.super_options = super_options
        self.root = root
        self.tags = tags

    def __repr__(self):
        return f"Mount({self.__dict__})"


def status_field(text, name):
    """A line of /proc/PID/status."""
    return text.partition(f"{name}:")[2].partition("\n")[0].strip()


def read_config(path):
    return json.loads((path / "config.json").read_text())


def write_config(path, config):
    Path(path, "config.json").write_text(json.dumps(config))
