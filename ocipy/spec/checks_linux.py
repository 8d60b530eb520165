"""The checks of what is Linux's own in a config: namespaces, id maps, devices, cgroups, and the rest (checks.py)."""

from ocipy.errors import Fault
from ocipy.pointers import escape
from ocipy.spec.checks_network import check_net_devices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Check = Callable[[dict[str, Any]], Iterator[Fault]]

# ipc/ipc_sysctl.c: what each ipc namespace has its own of; the rest of kernel.* is the machine's.
IPC_SYSCTLS = frozenset(
    f"kernel/{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_MAX_ID_MAPPINGS = 340  # UID_GID_MAP_MAX_EXTENTS, user_namespaces(7)


def namespaces_of(config: "dict[str, Any]") -> "dict[str, str]":
    """The path ("" is a new one) of each kind of namespace the config lists."""
    return {namespace["type"]: namespace["path"] for namespace in config["linux"]["namespaces"]}


def check_namespaces(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config-linux.md: no kind twice, paths absolute."""
    seen: dict[str, int] = {}
    for index, namespace in enumerate(config["linux"]["namespaces"]):
        pointer, kind, path = f"/linux/namespaces/{index}", namespace["type"], namespace["path"]
        if kind in seen:
            yield Fault(f"{pointer}/type", f"a second {kind} namespace (the first is /linux/namespaces/{seen[kind]})")
        seen.setdefault(kind, index)
        if path and not path.startswith("/"):
            yield Fault(f"{pointer}/path", f"expected an absolute path such as /proc/1234/ns/net, got {path!r}")


def check_needed_namespaces(config: "dict[str, Any]") -> "Iterator[Fault]":
    """What would change the host where the container has no namespace of its own for it; runc refuses it too."""
    present, linux = namespaces_of(config), config["linux"]
    for pointer, value, kind in (
        ("/hostname", config.get("hostname"), "uts"),
        ("/domainname", config.get("domainname"), "uts"),
        ("/mounts", config["mounts"], "mount"),
        ("/root/readonly", config.get("root", {}).get("readonly"), "mount"),
        ("/linux/maskedPaths", linux["maskedPaths"], "mount"),
        ("/linux/readonlyPaths", linux["readonlyPaths"], "mount"),
        ("/linux/netDevices", linux["netDevices"], "network"),
    ):
        if value and kind not in present:
            yield Fault(pointer, f'needs a {kind} namespace (add {{"type": "{kind}"}} to linux.namespaces)')


def check_id_mappings(config: "dict[str, Any]") -> "Iterator[Fault]":
    """user_namespaces(7): what the kernel takes as uid_map and gid_map; a new user namespace needs both."""
    linux = config["linux"]
    if namespaces_of(config).get("user") != "":
        return
    for name in ("uidMappings", "gidMappings"):
        pointer = f"/linux/{name}"
        yield from _check_ranges(linux[name], pointer)
        if not linux[name]:
            example = '{"containerID": 0, "hostID": 100000, "size": 65536}'
            yield Fault("/linux", f"a new user namespace needs {name}, such as {example}")
        elif not maps(linux[name], 0):
            yield Fault(pointer, "the container's id 0 is not mapped, which owns what the runtime makes")
    user = config.get("process", {}).get("user", {"uid": 0, "gid": 0, "additionalGids": ()})
    for pointer, number, name in (
        ("/process/user/uid", user["uid"], "uidMappings"),
        ("/process/user/gid", user["gid"], "gidMappings"),
        *((f"/process/user/additionalGids/{i}", gid, "gidMappings") for i, gid in enumerate(user["additionalGids"])),
    ):
        if number and linux[name] and not maps(linux[name], number):
            yield Fault(pointer, f"{number} is not mapped by linux.{name}")


def maps(mappings: "list[dict[str, Any]]", number: int) -> bool:
    """Whether an id of the container is mapped to one of the host."""
    return any(0 <= number - mapping["containerID"] < mapping["size"] for mapping in mappings)


def _check_ranges(mappings: "list[dict[str, Any]]", pointer: str) -> "Iterator[Fault]":
    if len(mappings) > _MAX_ID_MAPPINGS:
        yield Fault(pointer, f"the kernel takes {_MAX_ID_MAPPINGS} ranges, not {len(mappings)}")
    for index, mapping in enumerate(mappings):
        if not mapping["size"]:
            yield Fault(f"{pointer}/{index}/size", "a range of no ids")
    for side in ("containerID", "hostID"):
        end, before = 0, ""
        for index, mapping in sorted(enumerate(mappings), key=lambda entry: int(entry[1][side])):
            here = f"{pointer}/{index}"
            if mapping[side] < end:
                yield Fault(here, f"overlaps {before} (by {side})")
            end, before = mapping[side] + mapping["size"], here
            if end > 4294967295:
                yield Fault(f"{here}/size", f"ids end at 4294967294, the range reaches {end - 1} (by {side})")


def check_mount_mappings(config: "dict[str, Any]") -> "Iterator[Fault]":
    """Id-mapped mounts, as runc takes them: bind mounts, with both maps or with those of the user namespace."""
    for index, mount in enumerate(config["mounts"]):
        options, pointer = mount["options"], f"/mounts/{index}"
        mapped = mount["uidMappings"] or mount["gidMappings"]
        if not mapped and "idmap" not in options and "ridmap" not in options:
            continue
        if "bind" not in options and "rbind" not in options:
            yield Fault(pointer, "only bind mounts can be id-mapped (add the option bind or rbind)")
        if mapped and not (mount["uidMappings"] and mount["gidMappings"]):
            yield Fault(pointer, "an id-mapped mount needs both uidMappings and gidMappings")
        if not mapped and "user" not in namespaces_of(config):
            yield Fault(pointer, "without a user namespace an id-mapped mount needs uidMappings and gidMappings")
        for name in ("uidMappings", "gidMappings"):
            yield from _check_ranges(mount[name], f"{pointer}/{name}")


def check_time_offsets(config: "dict[str, Any]") -> "Iterator[Fault]":
    """Those of a namespace that has processes can't be changed any more (time_namespaces(7))."""
    path = namespaces_of(config).get("time")
    if config["linux"]["timeOffsets"] and path != "":
        reason = f"the clocks of {path} are set for good" if path else "the clocks are the host's"
        yield Fault("/linux/timeOffsets", f'{reason} (a new {{"type": "time"}} in linux.namespaces is needed)')
    for clock in ("boottime", "monotonic"):
        nanosecs = config["linux"]["timeOffsets"].get(clock, {}).get("nanosecs", 0)
        if nanosecs > 999999999:
            yield Fault(f"/linux/timeOffsets/{clock}/nanosecs", f"expected less than 1000000000, got {nanosecs}")


def sysctl_path(name: str) -> str:
    """A sysctl's path below /proc/sys: ``net.ipv4.conf.eno2/100.x`` is ``net/ipv4/conf/eno2.100/x`` (sysctl(8))."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name
    return name.translate({ord("."): "/", ord("/"): "."})


def check_sysctls(config: "dict[str, Any]") -> "Iterator[Fault]":
    """Only those the container has its own of; joining the host's network by path is for the host's eyes to see."""
    present = namespaces_of(config)
    for name in config["linux"]["sysctl"]:
        pointer, path = f"/linux/sysctl/{escape(name)}", sysctl_path(name)
        if not {"", ".", ".."}.isdisjoint(path.split("/")):
            yield Fault(pointer, f"{name!r} is no name of a sysctl (expected one such as net.core.somaxconn)")
        elif path in IPC_SYSCTLS or path.startswith("fs/mqueue/"):
            if "ipc" not in present:
                yield Fault(pointer, f'{name} would change the host (add {{"type": "ipc"}} to linux.namespaces)')
        elif path.startswith("net/"):
            if "network" not in present:
                yield Fault(pointer, f'{name} would change the host (add {{"type": "network"}} to linux.namespaces)')
        elif path == "kernel/hostname" and "uts" in present:
            yield Fault(pointer, f"{name} is set by the property hostname")
        elif path != "kernel/domainname" or "uts" not in present:
            yield Fault(pointer, f"{name} would change the host: no namespace has its own")


def check_devices(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config-linux.md: major and minor are required but for a FIFO."""
    for index, device in enumerate(config["linux"]["devices"]):
        for name in ("major", "minor"):
            pointer = f"/linux/devices/{index}"
            number = device.get(name)
            if number is None:
                kind = {"b": "block", "c": "character", "u": "character"}[device["type"]]
                yield Fault(pointer, f'the property "{name}" is missing: a {kind} device needs its {name} number')
            elif number < 0:
                yield Fault(f"{pointer}/{name}", f"expected a device number, 0 or more, got {number}")


def check_device_rules(config: "dict[str, Any]") -> "Iterator[Fault]":
    for index, rule in enumerate(config["linux"]["resources"]["devices"]):
        pointer = f"/linux/resources/devices/{index}"
        if rule["type"] not in ("a", "b", "c"):
            yield Fault(f"{pointer}/type", f'expected one of "a", "b" or "c", got {rule["type"]!r}')
        if not rule["access"] or rule["access"].strip("rwm"):
            yield Fault(f"{pointer}/access", f'expected any of "r", "w" and "m", such as "rw", got {rule["access"]!r}')
        for name in ("major", "minor"):
            if not -1 <= rule[name] <= 4294967295:
                yield Fault(f"{pointer}/{name}", f"expected a device number, or -1 for all, got {rule[name]}")


def check_cgroups_path(config: "dict[str, Any]") -> "Iterator[Fault]":
    """The kernel has none with a line break (cgroup_mkdir in kernel/cgroup)."""
    if "\n" in config["linux"]["cgroupsPath"]:
        yield Fault("/linux/cgroupsPath", "the name of a cgroup can't have a line break in it")


def check_resources(config: "dict[str, Any]") -> "Iterator[Fault]":
    """What each version of cgroups refuses, and entries without limits.  0 means unset to dockerd, -1 no limit."""
    resources, pointer = config["linux"]["resources"], "/linux/resources"
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    if limit > 0 and 0 < swap < limit:
        yield Fault(f"{pointer}/memory/swap", f"memory and swap together ({swap}) below the memory limit ({limit})")
    burst, quota = cpu.get("burst", 0), cpu.get("quota", 0)
    if burst > quota > 0:
        yield Fault(f"{pointer}/cpu/burst", f"the burst ({burst}) is above the quota ({quota})")
    for name in resources.get("unified", {}):
        if "/" in name or "." not in name.strip("."):
            yield Fault(f"{pointer}/unified/{escape(name)}", f"expected a file name such as memory.high, got {name!r}")
    for index, device in enumerate(resources.get("blockIO", {}).get("weightDevice", ())):
        if "weight" not in device and "leafWeight" not in device:
            yield Fault(f"{pointer}/blockIO/weightDevice/{index}", "expected weight, leafWeight or both")
    for name, device in resources.get("rdma", {}).items():
        if "hcaHandles" not in device and "hcaObjects" not in device:
            yield Fault(f"{pointer}/rdma/{escape(name)}", "expected hcaHandles, hcaObjects or both")


def warn_paths(config: "dict[str, Any]") -> "Iterator[Fault]":
    """The spec wants them absolute; runc takes them as relative to /."""
    linux = config["linux"]
    for pointer, path in (
        *((f"/linux/maskedPaths/{index}", path) for index, path in enumerate(linux["maskedPaths"])),
        *((f"/linux/readonlyPaths/{index}", path) for index, path in enumerate(linux["readonlyPaths"])),
        *((f"/linux/devices/{index}/path", device["path"]) for index, device in enumerate(linux["devices"])),
    ):
        if not path.startswith("/"):
            yield Fault(pointer, f"{path!r} is not absolute, and taken as relative to /")


def warn_unused_mappings(config: "dict[str, Any]") -> "Iterator[Fault]":
    """containerd and CRI-O give mappings with the namespace to join, which has its own; runc ignores them too."""
    linux, path = config["linux"], namespaces_of(config).get("user")
    for name in ("uidMappings", "gidMappings"):
        if linux[name] and path != "":
            why = "the joined user namespace has its own" if path else "there is no user namespace"
            yield Fault(f"/linux/{name}", f"ignored, for {why}")


def warn_resources(config: "dict[str, Any]") -> "Iterator[Fault]":
    resources, pointer = config["linux"]["resources"], "/linux/resources"
    memory = resources.get("memory", {})
    for name in ("kernel", "kernelTCP"):
        if memory.get(name, 0) > 0:
            yield Fault(f"{pointer}/memory/{name}", "kernel memory limits are not recommended; newer kernels keep none")
    if memory.get("swappiness", 0) > 100:
        yield Fault(f"{pointer}/memory/swappiness", f"expected at most 100, got {memory['swappiness']}")


LINUX_CHECKS: "tuple[Check, ...]" = (
    check_namespaces, check_needed_namespaces, check_id_mappings, check_mount_mappings, check_time_offsets,
    check_sysctls, check_devices, check_device_rules, check_cgroups_path, check_resources, check_net_devices,
)  # fmt: skip
LINUX_WARNINGS: "tuple[Check, ...]" = (warn_paths, warn_unused_mappings, warn_resources)
