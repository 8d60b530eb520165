"""config-linux.md: id mappings of the user namespace, and offsets of the time namespace's clocks."""

import os
import time
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_looking import MAPPING, map_ids, set_namespace

MAPPINGS = "config-linux.md#user-namespace-mappings"
OFFSETS = "config-linux.md#offset-for-time-namespace"
KEYS = ("containerID", "hostID", "size")


def mapped(pid: int, kind: str) -> list[list[int]]:
    """The lines of ``uid_map`` or ``gid_map``: starts inside and on the host, and sizes."""
    return [[int(word) for word in line.split()] for line in Path(f"/proc/{pid}/{kind}_map").read_text().splitlines()]


@case(MAPPINGS, "MUST", "uids are mapped as configured", *(f"linux.uidMappings[].{key}" for key in KEYS))
def uid_mappings(runtime: Runtime) -> None:
    map_ids(runtime)
    more = {"containerID": 70_000, "hostID": 300_000, "size": 10}
    runtime.config["linux"]["uidMappings"].append(more)
    expected = [[MAPPING[key] for key in KEYS], [more[key] for key in KEYS]]
    lines = mapped(runtime.sleeping(), "uid")
    check(lines == expected, f"uid_map is {lines}")


@case(MAPPINGS, "MUST", "gids are mapped as configured", *(f"linux.gidMappings[].{key}" for key in KEYS))
def gid_mappings(runtime: Runtime) -> None:
    map_ids(runtime)
    more = {"containerID": 70_000, "hostID": 400_000, "size": 5}
    runtime.config["linux"]["gidMappings"].append(more)
    expected = [[MAPPING[key] for key in KEYS], [more[key] for key in KEYS]]
    lines = mapped(runtime.sleeping(), "gid")
    check(lines == expected, f"gid_map is {lines}")


@case(MAPPINGS, "MUST", "the program's user is the one inside that is mapped to the host's", "linux.uidMappings")
def mapped_user(runtime: Runtime) -> None:
    map_ids(runtime)
    runtime.config["process"]["user"] = {"uid": 7, "gid": 8, "additionalGids": [9]}
    pid = runtime.sleeping()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    base = MAPPING["hostID"]
    check(status["Uid"].split() == [str(base + 7)] * 4, f"on the host its user is {status['Uid']}")
    check(status["Gid"].split() == [str(base + 8)] * 4, f"on the host its group is {status['Gid']}")
    check(status["Groups"].split() == [str(base + 9)], f"on the host its groups are {status['Groups']}")


@case(
    MAPPINGS,
    "MUST",
    "a mapping without one of its members is an error",
    *(f"linux.uidMappings[].{k}" for k in KEYS),
    note="Read into Go's or C's structures, a number that is absent is 0.",
)
def mapping_incomplete(runtime: Runtime) -> None:
    map_ids(runtime)
    for key in KEYS:
        runtime.config["linux"]["uidMappings"] = [{other: MAPPING[other] for other in KEYS if other != key}]
        runtime.refused()


@case(MAPPINGS, "SHOULD NOT", "files keep their owners", "linux.uidMappings", "linux.gidMappings")
def mapping_keeps_owners(runtime: Runtime) -> None:
    map_ids(runtime)
    owners = {"foreign": (0, 0), "mapped": (MAPPING["hostID"], MAPPING["hostID"]), "other": (1234, 4321)}
    for name, owner in owners.items():
        (runtime.rootfs / name).touch()
        os.chown(runtime.rootfs / name, *owner)
    seen = runtime.prints("stat -c %u:%g /mapped /foreign").split()
    check(seen == ["0:0", "65534:65534"], f"inside, the owners are {seen}")
    for name, owner in owners.items():
        status = (runtime.rootfs / name).stat()
        check((status.st_uid, status.st_gid) == owner, f"/{name} changed hands")


sentence(
    MAPPINGS, "MUST", "ids are mapped from the host to the container", "uid_mappings", "gid_mappings", "mapped_user"
)
sentence(MAPPINGS, "MUST", "containerID, hostID and size are required", "mapping_incomplete")
sentence(MAPPINGS, "SHOULD NOT", "the runtime changes no owners of files for the mapping", "mapping_keeps_owners")


def offsets(runtime: Runtime, **clocks: dict[str, int]) -> dict[str, list[int]]:
    """What the container sees of its clocks' offsets: seconds and nanoseconds."""
    need(host.namespace("time"), "this kernel has no time namespaces")
    set_namespace(runtime, "time")
    runtime.config["linux"]["timeOffsets"] = clocks
    lines = runtime.prints("cat /proc/self/timens_offsets").splitlines()
    return {name: [int(number) for number in numbers] for name, *numbers in (line.split() for line in lines)}


@case(OFFSETS, "MUST", "secs is the monotonic clock's offset", "linux.timeOffsets.monotonic.secs", since="1.1.0")
def monotonic_secs(runtime: Runtime) -> None:
    seen = offsets(runtime, monotonic={"secs": 172_800})
    check(seen["monotonic"] == [172_800, 0], f"the offset is {seen['monotonic']}")
    check(seen["boottime"] == [0, 0], f"the boot clock's is {seen['boottime']}")


@case(
    OFFSETS, "MUST", "nanosecs is the monotonic clock's offset", "linux.timeOffsets.monotonic.nanosecs", since="1.1.0"
)
def monotonic_nanosecs(runtime: Runtime) -> None:
    seen = offsets(runtime, monotonic={"secs": 5, "nanosecs": 123_456_789})
    check(seen["monotonic"] == [5, 123_456_789], f"the offset is {seen['monotonic']}")


@case(OFFSETS, "MUST", "secs may set the boot clock back", "linux.timeOffsets.boottime.secs", since="1.1.0")
def boottime_secs(runtime: Runtime) -> None:
    back = -int(time.clock_gettime(time.CLOCK_BOOTTIME)) + 10
    seen = offsets(runtime, boottime={"secs": back})
    check(seen["boottime"] == [back, 0], f"the offset is {seen['boottime']}")


@case(OFFSETS, "MUST", "nanosecs is the boot clock's offset", "linux.timeOffsets.boottime.nanosecs", since="1.1.0")
def boottime_nanosecs(runtime: Runtime) -> None:
    seen = offsets(runtime, boottime={"nanosecs": 999_999_999})
    check(seen["boottime"] == [0, 999_999_999], f"the offset is {seen['boottime']}")


@case(OFFSETS, "MUST", "the container's processes go by the offset", "linux.timeOffsets.boottime.secs", since="1.1.0")
def offset_is_felt(runtime: Runtime) -> None:
    need(host.namespace("time"), "this kernel has no time namespaces")
    set_namespace(runtime, "time")
    runtime.config["linux"]["timeOffsets"] = {"boottime": {"secs": 8_640_000}}
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    uptime = float(runtime.prints("cat /proc/uptime").split()[0])
    check(0 <= uptime - before - 8_640_000 < 60, f"the machine is up for {uptime} s, on the host {before} s")


sentence(OFFSETS, "MUST", "timeOffsets has an entry for each clock", "offset_is_felt")
sentence(OFFSETS, "MUST", "secs is an offset in seconds", "monotonic_secs", "boottime_secs")
sentence(OFFSETS, "MUST", "nanosecs is an offset in nanoseconds", "monotonic_nanosecs", "boottime_nanosecs")
