"""config-linux.md: Intel RDT, where there is a resctrl filesystem to look at."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check, need

SECTION = "config-linux.md#intelrdt"
RDT = "linux.intelRdt"
CLASS = f"conformance-{os.getpid()}"


def mount_point() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("resctrl "):
            return Path(before.split()[4])
    return None


def resctrl() -> Path:
    point = mount_point()
    need(point, "no resctrl filesystem is mounted: this host's processors have no RDT")
    assert point is not None
    return point


@contextlib.contextmanager
def class_of_service() -> Iterator[Path]:
    """A class of service made beforehand."""
    directory = resctrl() / CLASS
    directory.mkdir()
    try:
        yield directory
    finally:
        directory.rmdir()


def created(runtime: Runtime, **members: object) -> int:
    runtime.config["linux"]["intelRdt"] = members
    runtime.config["process"]["args"] = SLEEP
    runtime.create()
    pid: int = runtime.state()["pid"]
    return pid


def is_in(pid: int, directory: Path) -> bool:
    return str(pid) in (directory / "tasks").read_text().split()


def schema(resource: str) -> str:
    """The line that the root's schemata has for ``L3`` or ``MB``: valid for every class."""
    lines = [line.strip() for line in (resctrl() / "schemata").read_text().splitlines()]
    found = [line for line in lines if line.startswith(f"{resource}:")]
    need(found, f"this host's processors have no control of {resource}")
    return found[0]


def lines(directory: Path) -> list[str]:
    return [line.strip() for line in (directory / "schemata").read_text().splitlines()]


@case(SECTION, "MUST", "without a mounted resctrl, intelRdt is an error", RDT)
def rdt_without_resctrl(runtime: Runtime) -> None:
    need(mount_point() is None, "a resctrl filesystem is mounted")
    runtime.config["linux"]["intelRdt"] = {"l3CacheSchema": "L3:0=f"}
    runtime.refused()


@case(SECTION, "MUST", "the process is a task of the class closID", f"{RDT}.closID")
def rdt_class(runtime: Runtime) -> None:
    with class_of_service() as directory:
        check(is_in(created(runtime, closID=CLASS), directory), "it isn't")


@case(SECTION, "MUST", "a class that doesn't exist is an error if nothing is to be set", f"{RDT}.closID")
def rdt_class_absent(runtime: Runtime) -> None:
    resctrl()
    runtime.config["linux"]["intelRdt"] = {"closID": CLASS}
    runtime.refused()


@case(SECTION, "MUST", "closID / is the default class", f"{RDT}.closID", since="1.3.0")
def rdt_default_class(runtime: Runtime) -> None:
    root = resctrl()
    check(is_in(created(runtime, closID="/"), root), "it isn't a task of it")


@case(SECTION, "MUST", "without closID, the class is the container's, and goes with it", RDT)
def rdt_class_of_container(runtime: Runtime) -> None:
    directory = resctrl() / runtime.container_id
    pid = created(runtime, l3CacheSchema=schema("L3"))
    check(is_in(pid, directory), "it isn't a task of it")
    runtime.ok("delete", "--force", runtime.container_id)
    check(not directory.exists(), "it is still there")


@case(SECTION, "MUST", "a class to set is made, and stays", f"{RDT}.closID")
def rdt_class_made(runtime: Runtime) -> None:
    directory = resctrl() / CLASS
    try:
        check(is_in(created(runtime, closID=CLASS, l3CacheSchema=schema("L3")), directory), "it isn't a task of it")
        runtime.ok("delete", "--force", runtime.container_id)
        check(directory.exists(), "it was removed")
    finally:
        with contextlib.suppress(OSError):
            directory.rmdir()


@case(SECTION, "MUST", "a class that exists with other values is an error", f"{RDT}.l3CacheSchema")
def rdt_class_differs(runtime: Runtime) -> None:
    name, _, masks = schema("L3").partition(":")
    other = ";".join(f"{part.partition('=')[0]}=1" for part in masks.split(";"))
    with class_of_service():
        runtime.config["linux"]["intelRdt"] = {"closID": CLASS, "l3CacheSchema": f"{name}:{other}"}
        runtime.refused()


@case(SECTION, "MUST", "l3CacheSchema is written", f"{RDT}.l3CacheSchema")
def rdt_l3_cache(runtime: Runtime) -> None:
    created(runtime, l3CacheSchema=schema("L3"))
    check(schema("L3") in lines(resctrl() / runtime.container_id), "it isn't")


@case(SECTION, "MUST", "memBwSchema is written", f"{RDT}.memBwSchema")
def rdt_memory_bandwidth(runtime: Runtime) -> None:
    created(runtime, memBwSchema=schema("MB"))
    check(schema("MB") in lines(resctrl() / runtime.container_id), "it isn't")


@case(SECTION, "MUST", "schemata is written, last", f"{RDT}.schemata", since="1.3.0")
def rdt_schemata(runtime: Runtime) -> None:
    name, _, masks = schema("L3").partition(":")
    other = f"{name}:" + ";".join(f"{part.partition('=')[0]}=1" for part in masks.split(";"))
    created(runtime, l3CacheSchema=schema("L3"), schemata=[other])
    check(other in lines(resctrl() / runtime.container_id), "the schemata are others")


@case(SECTION, "MUST", "enableMonitoring makes a monitoring group, which goes with the container",
      f"{RDT}.enableMonitoring", since="1.3.0")  # fmt: skip
def rdt_monitoring(runtime: Runtime) -> None:
    with class_of_service() as directory:
        need((directory / "mon_groups").exists(), "this host's processors don't monitor")
        pid = created(runtime, closID=CLASS, enableMonitoring=True)
        group = directory / "mon_groups" / runtime.container_id
        check(is_in(pid, group), "the process isn't in it")
        runtime.ok("delete", "--force", runtime.container_id)
        check(not group.exists(), "it is still there")


@case(SECTION, "MUST NOT", "without intelRdt, resctrl is left alone", RDT)
def rdt_not_asked_for(runtime: Runtime) -> None:
    before = sorted(resctrl().glob("*")), (resctrl() / "schemata").read_text()
    pid = runtime.sleeping()
    check((sorted(resctrl().glob("*")), (resctrl() / "schemata").read_text()) == before, "it was changed")
    check(is_in(pid, resctrl()), "the process was moved")


@case(SECTION, "MUST", "a memBwSchema that doesn't start with MB: is an error", f"{RDT}.memBwSchema")
def rdt_memory_bandwidth_unfit(runtime: Runtime) -> None:
    for value in ("L3:0=f", "MB:0=20\nMB:1=20"):
        runtime.config["linux"]["intelRdt"] = {"memBwSchema": value}
        runtime.refused()


@case(SECTION, "MUST NOT", "a line of schemata with a newline is an error", f"{RDT}.schemata", since="1.3.0")
def rdt_schemata_unfit(runtime: Runtime) -> None:
    runtime.config["linux"]["intelRdt"] = {"schemata": ["L3:0=f\nMB:0=20"]}
    runtime.refused()


classes = ("rdt_class", "rdt_default_class", "rdt_class_of_container")
sentence(SECTION, "MUST", "the process is written to the tasks of the class", *classes)
sentence(SECTION, "MUST", "without a mounted resctrl, it is an error", "rdt_without_resctrl")
sentence(SECTION, "MUST NOT", "without intelRdt, resctrl is manipulated", "rdt_not_asked_for")
sentence(SECTION, "MUST", "closID / is the default class", "rdt_default_class")
written = ("rdt_l3_cache", "rdt_memory_bandwidth", "rdt_schemata")
sentence(SECTION, "MUST", "the schemas are written to the class's schemata", *written)
sentence(SECTION, "MUST", "l3CacheSchema is written before memBwSchema, schemata last", "rdt_schemata")
sentence(SECTION, "MUST", "memBwSchema starts with MB: and has no newline", "rdt_memory_bandwidth_unfit")
sentence(SECTION, "MUST NOT", "a line of schemata contains newlines", "rdt_schemata_unfit")
sentence(SECTION, "MUST NOT", "schemata are written without any of the schemas", "rdt_class")
sentence(SECTION, "MUST", "without closID, the class is named by the container's id", "rdt_class_of_container")
sentence(SECTION, "MUST", "a class that doesn't exist is made if there is something to set", "rdt_class_made")
sentence(SECTION, "MUST", "a class that exists with other values is an error", "rdt_class_differs")
sentence(SECTION, "MUST", "without values, a class that doesn't exist is an error", "rdt_class_absent", "rdt_class")
sentence(SECTION, "MUST", "the container's own class is removed with it", "rdt_class_of_container")
sentence(SECTION, "MUST NOT", "another class is removed with it", "rdt_class_made")
sentence(SECTION, "MUST", "enableMonitoring makes a group, removed with the container", "rdt_monitoring")
sentence(
    SECTION,
    "SHOULD",
    "l3CacheSchema starts with L3: and has no newlines",
    untested="advice for the config's author",
)
