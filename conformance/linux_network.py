"""config-linux.md: network devices that are moved into the container."""

import os
import subprocess

from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check
from conformance.linux_looking import (
    drop_namespace,
    holder,
    inside_network,
    map_ids,
    namespace,
    network_device,
    set_namespace,
)

SECTION = "config-linux.md#network-devices"
DEVICES, NAME = "linux.netDevices", "linux.netDevices.*.name"
OURS = f"ocf{os.getpid()}"[:13]


def link(pid: int, name: str) -> str:
    """What ip(8) says of a device and its addresses in the container, or "" if it isn't there."""
    listing = inside_network(pid, "ip", "-oneline", "link", "show")
    if f" {name}:" not in listing and f" {name}@" not in listing:
        return ""
    return inside_network(pid, "ip", "-oneline", "address", "show", "dev", name) + "".join(
        line for line in listing.splitlines() if f" {name}:" in line or f" {name}@" in line
    )


def here(name: str) -> bool:
    return os.path.exists(f"/sys/class/net/{name}")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def created(runtime: Runtime) -> int:
    runtime.config["process"]["args"] = SLEEP
    runtime.create()
    pid: int = runtime.state()["pid"]
    return pid


@case(SECTION, "MUST", "a listed device is in the container, by its own name", DEVICES, since="1.3.0")
def net_device_moved(runtime: Runtime) -> None:
    with network_device(OURS):
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        check(link(created(runtime), OURS), "it isn't there")
        check(not here(OURS), "it is still on the host")


@case(SECTION, "MUST", "name is the device's name inside", NAME, since="1.3.0")
def net_device_renamed(runtime: Runtime) -> None:
    with network_device(OURS):
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside0"}}
        pid = created(runtime)
        check(link(pid, "inside0"), "there is no device of that name")
        check(not link(pid, OURS), "it has its old name, too")


@case(SECTION, "MUST", "a name that the container has already is an error", NAME, since="1.3.0")
def net_device_name_taken(runtime: Runtime) -> None:
    with network_device(OURS), holder("--net") as pid:
        inside_network(pid, "ip", "link", "add", "inside0", "type", "bridge")
        set_namespace(runtime, "network", f"/proc/{pid}/ns/net")
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside0"}}
        runtime.bundle.write()
        runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        check(here(OURS), "create failed, but the device was moved")


@case(SECTION, "MUST", "the name of the loopback device is taken", NAME, since="1.3.0")
def net_device_loopback_name(runtime: Runtime) -> None:
    with network_device(OURS):
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "lo"}}
        runtime.bundle.write()
        runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        check(here(OURS), "create failed, but the device was moved")


@case(SECTION, "MUST", "a name with %d is a template", NAME, since="1.3.0")
def net_device_template(runtime: Runtime) -> None:
    with network_device(OURS), holder("--net") as pid:
        inside_network(pid, "ip", "link", "add", "inside0", "type", "bridge")
        set_namespace(runtime, "network", f"/proc/{pid}/ns/net")
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside%d"}}
        check(link(created(runtime), "inside1"), "the kernel has given it no name")


@case(SECTION, "MUST", "permanent global addresses stay", DEVICES, since="1.3.0")
def net_device_addresses(runtime: Runtime) -> None:
    with network_device(OURS):
        ip("address", "add", "198.51.100.7/24", "dev", OURS)
        ip("link", "set", OURS, "up")
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside0"}}
        found = link(created(runtime), "inside0")
        check("inet 198.51.100.7/24 " in found, f"it has {found!r}")


@case(SECTION, "MUST", "addresses of the other family stay", DEVICES, since="1.3.0")
def net_device_addresses_v6(runtime: Runtime) -> None:
    with network_device(OURS):
        ip("-6", "address", "add", "2001:db8::7/64", "dev", OURS, "nodad")
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        found = link(created(runtime), OURS)
        check("inet6 2001:db8::7/64 " in found, f"it has {found!r}")


@case(SECTION, "MUST", "attributes stay: the maximum transmission unit, the link's address", DEVICES, since="1.3.0")
def net_device_attributes(runtime: Runtime) -> None:
    with network_device(OURS):
        ip("link", "set", OURS, "mtu", "1280", "address", "02:00:00:00:00:07")
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside0"}}
        found = link(created(runtime), "inside0")
        check(" mtu 1280 " in found, f"the unit isn't what it was: {found!r}")
        check("02:00:00:00:00:07" in found, f"the address isn't what it was: {found!r}")


@case(SECTION, "MUST", "the device is up", DEVICES, since="1.3.0")
def net_device_up(runtime: Runtime) -> None:
    with network_device(OURS):
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        found = link(created(runtime), OURS)
        flags = found.partition("<")[2].partition(">")[0].split(",")
        check("UP" in flags, f"its flags are {flags}")


@case(SECTION, "MUST", "a device that the host doesn't have is an error", DEVICES, since="1.3.0")
def net_device_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["netDevices"] = {OURS: {}}
    check(not here(OURS), "the host has it")
    runtime.refused()


@case(SECTION, "MUST", "without a network namespace there is nowhere to move to", DEVICES, since="1.3.0")
def net_device_without_namespace(runtime: Runtime) -> None:
    with network_device(OURS):
        drop_namespace(runtime, "network")
        runtime.config["linux"]["netDevices"] = {OURS: {"name": "inside0"}}
        runtime.refused()
        check(here(OURS), "the device was renamed")


@case(SECTION, "MUST", "a device goes into a namespace that is joined", DEVICES, since="1.3.0")
def net_device_joined(runtime: Runtime) -> None:
    with network_device(OURS), holder("--net") as pid:
        set_namespace(runtime, "network", f"/proc/{pid}/ns/net")
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        created(runtime)
        check(link(pid, OURS), "it isn't there")


@case(SECTION, "MUST", "a device goes into a container with a user namespace", DEVICES, since="1.3.0")
def net_device_mapped(runtime: Runtime) -> None:
    with network_device(OURS):
        map_ids(runtime)
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        check(link(created(runtime), OURS), "it isn't there")


@case(SECTION, "MUST NOT", "delete leaves the device in the namespace", DEVICES, since="1.3.0")
def net_device_stays(runtime: Runtime) -> None:
    with network_device(OURS), holder("--net") as pid:
        set_namespace(runtime, "network", f"/proc/{pid}/ns/net")
        runtime.config["linux"]["netDevices"] = {OURS: {}}
        created(runtime)
        check(namespace("network", pid) == namespace("network", runtime.state()["pid"]), "another was joined")
        runtime.ok("delete", "--force", runtime.container_id)
        check(link(pid, OURS), "it is gone")
        check(not here(OURS), "it is back on the host")


moved = ("net_device_moved", "net_device_joined", "net_device_mapped")
sentence(SECTION, "MUST", "listed devices are available in the container", *moved)
sentence(SECTION, "MUST", "name is the name inside, the host's if absent", "net_device_renamed", "net_device_moved")
impossible = ("net_device_absent", "net_device_without_namespace")
sentence(SECTION, "MUST", "the runtime checks whether moving is possible", *impossible)
taken = ("net_device_name_taken", "net_device_loopback_name")
sentence(SECTION, "MUST", "a name that is taken is an error", *taken)
sentence(SECTION, "MUST", "unless it is a template, with %d", "net_device_template")
kept = ("net_device_attributes", "net_device_addresses", "net_device_addresses_v6")
sentence(SECTION, "MUST", "attributes and permanent global addresses are preserved", *kept)
sentence(SECTION, "MUST", "the device is set up", "net_device_up")
sentence(SECTION, "MUST NOT", "the device is managed inside the namespace", "net_device_stays")
sentence(SECTION, "MUST NOT", "the device is moved out before deletion", "net_device_stays")
