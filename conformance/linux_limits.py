"""config-linux.md: huge pages, network, RDMA, and files of cgroup v2 (unified)."""

from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_settings import MIB, need_controller, offers, only_v1, resources, setting

HUGE_PAGES = "config-linux.md#huge-page-limits"
NETWORK = "config-linux.md#network"
RDMA = "config-linux.md#rdma"
UNIFIED = "config-linux.md#unified"
PAGE_SIZE, LIMIT = (f"linux.resources.hugepageLimits[].{name}" for name in ("pageSize", "limit"))


def page_sizes() -> list[str]:
    """Sizes of the host's huge pages, as files are named by them: 2MB, 1GB."""
    names = [path.name for path in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB")]
    sizes = sorted(int(name.removeprefix("hugepages-").removesuffix("kB")) for name in names)
    return [f"{size >> 20}GB" if size >= 1 << 20 else f"{size >> 10}MB" if size >= 1 << 10 else f"{size}KB"
            for size in sizes]  # fmt: skip


def huge_page_files(size: str) -> tuple[str, str]:
    """The file for page faults, and that for reservations."""
    if host.unified():
        return f"hugetlb.{size}.max", f"hugetlb.{size}.rsvd.max"
    return f"hugetlb.{size}.limit_in_bytes", f"hugetlb.{size}.rsvd.limit_in_bytes"


@case(HUGE_PAGES, "MUST", "limit limits reservations, where the kernel counts them", PAGE_SIZE, LIMIT)
def huge_pages_reserved(runtime: Runtime) -> None:
    need_controller("hugetlb")
    need(page_sizes(), "this host has no huge pages")
    name = huge_page_files(page_sizes()[0])[1]
    resources(runtime, hugepageLimits=[{"pageSize": page_sizes()[0], "limit": 64 * MIB}])
    found = setting(runtime, "hugetlb", name)
    check(found == str(64 * MIB), f"{name} is {found}")


@case(HUGE_PAGES, "MUST", "limit limits page faults, where reservations aren't counted", PAGE_SIZE, LIMIT)
def huge_pages_faulted(runtime: Runtime) -> None:
    need_controller("hugetlb")
    need(page_sizes(), "this host has no huge pages")
    faults, reservations = huge_page_files(page_sizes()[0])
    need(not offers("hugetlb", reservations), "this kernel counts reservations")
    resources(runtime, hugepageLimits=[{"pageSize": page_sizes()[0], "limit": 64 * MIB}])
    found = setting(runtime, "hugetlb", faults)
    check(found == str(64 * MIB), f"{faults} is {found}")


@case(HUGE_PAGES, "MUST", "each page size has its own limit", PAGE_SIZE, LIMIT)
def huge_pages_of_each_size(runtime: Runtime) -> None:
    need_controller("hugetlb")
    need(len(page_sizes()) > 1, "this host has huge pages of one size")
    limits = {size: (number + 2) << 30 for number, size in enumerate(page_sizes())}
    resources(runtime, hugepageLimits=[{"pageSize": size, "limit": limit} for size, limit in limits.items()])
    runtime.create()
    for size, limit in limits.items():
        names = [name for name in reversed(huge_page_files(size)) if offers("hugetlb", name)]
        found = runtime.cgroup_file("hugetlb", names[0]).read_text().strip()
        check(found == str(limit), f"{names[0]} is {found}")


@case(HUGE_PAGES, "MUST", "a page size that the host doesn't have is an error", PAGE_SIZE)
def huge_pages_of_another_size(runtime: Runtime) -> None:
    resources(runtime, hugepageLimits=[{"pageSize": "3MB", "limit": 64 * MIB}])
    runtime.refused()


@case(HUGE_PAGES, "MUST", "a page size in another form is an error", PAGE_SIZE)
def huge_pages_in_another_form(runtime: Runtime) -> None:
    resources(runtime, hugepageLimits=[{"pageSize": "2 megabytes", "limit": 64 * MIB}])
    runtime.refused()


@case(HUGE_PAGES, "MUST", "pageSize and limit are required", PAGE_SIZE, LIMIT)
def huge_pages_incomplete(runtime: Runtime) -> None:
    for entry in ({"pageSize": "2MB"}, {"limit": 64 * MIB}):
        resources(runtime, hugepageLimits=[entry])
        runtime.refused()


reserved = ("huge_pages_reserved", "huge_pages_of_each_size")
sentence(HUGE_PAGES, "MUST", "limit is that of reservations, if the kernel counts them", *reserved)
sentence(HUGE_PAGES, "MUST", "limit is that of page faults otherwise", "huge_pages_faulted")
sizes = ("huge_pages_of_another_size", "huge_pages_in_another_form")
sentence(HUGE_PAGES, "MUST", "pageSize matches the name of the kernel's file", *sizes)
sentence(HUGE_PAGES, "MUST", "pageSize and limit are required", "huge_pages_incomplete")


@case(NETWORK, "MUST", "classID is what packets are tagged with", "linux.resources.network.classID")
def network_class(runtime: Runtime) -> None:
    if not host.unified():
        need_controller("net_cls")
    resources(runtime, network={"classID": 1_048_577})
    only_v1(runtime, "net_cls", "net_cls.classid", "1048577")


@case(NETWORK, "MUST", "priorities are those of the interfaces", "linux.resources.network.priorities[].name",
      "linux.resources.network.priorities[].priority")  # fmt: skip
def network_priorities(runtime: Runtime) -> None:
    resources(runtime, network={"priorities": [{"name": "lo", "priority": 7}]})
    if host.unified():
        runtime.refused()
        return
    lines = setting(runtime, "net_prio", "net_prio.ifpriomap").splitlines()
    check("lo 7" in lines, f"net_prio.ifpriomap is {lines}")


@case(NETWORK, "MUST", "name and priority are required", "linux.resources.network.priorities[].name",
      "linux.resources.network.priorities[].priority")  # fmt: skip
def network_priority_incomplete(runtime: Runtime) -> None:
    for entry in ({"name": "lo"}, {"priority": 7}):
        resources(runtime, network={"priorities": [entry]})
        runtime.refused()


sentence(NETWORK, "MUST", "classID tags packets", "network_class")
sentence(NETWORK, "MUST", "priorities are applied to interfaces", "network_priorities")
sentence(NETWORK, "MUST", "name and priority are required", "network_priority_incomplete")


def rdma_device() -> str:
    need_controller("rdma")
    names = sorted(path.name for path in Path("/sys/class/infiniband").glob("*"))
    need(names, "this host has no RDMA device")
    return names[0]


@case(RDMA, "MUST", "hcaHandles limits a device's handles", "linux.resources.rdma.*.hcaHandles", since="1.1.0")
def rdma_handles(runtime: Runtime) -> None:
    name = rdma_device()
    resources(runtime, rdma={name: {"hcaHandles": 3}})
    content = setting(runtime, "rdma", "rdma.max")
    check(f"{name} hca_handle=3 hca_object=max" in content.splitlines(), f"rdma.max is {content!r}")


@case(RDMA, "MUST", "hcaObjects limits a device's objects", "linux.resources.rdma.*.hcaObjects", since="1.1.0")
def rdma_objects(runtime: Runtime) -> None:
    name = rdma_device()
    resources(runtime, rdma={name: {"hcaObjects": 10_000}})
    content = setting(runtime, "rdma", "rdma.max")
    check(f"{name} hca_handle=max hca_object=10000" in content.splitlines(), f"rdma.max is {content!r}")


@case(RDMA, "MUST", "an entry without any limit is an error", "linux.resources.rdma", since="1.1.0")
def rdma_empty(runtime: Runtime) -> None:
    resources(runtime, rdma={"mlx5_1": {}})
    runtime.refused()


@case(RDMA, "MUST", "a limit that can't be set is an error", "linux.resources.rdma", since="1.1.0")
def rdma_without_device(runtime: Runtime) -> None:
    resources(runtime, rdma={"nowhere0": {"hcaHandles": 3}})
    runtime.refused()


sentence(
    RDMA, "MUST", "hcaHandles and hcaObjects are the limits", "rdma_handles", "rdma_objects", "rdma_without_device"
)
sentence(RDMA, "MUST", "an entry has one of them at least", "rdma_empty")


def need_unified() -> None:
    need(host.unified(), "this host's cgroups are those of version 1")


@case(UNIFIED, "MUST", "a key is a file, its value what is written", "linux.resources.unified")
def unified_file(runtime: Runtime) -> None:
    need_unified()
    need_controller("memory")
    resources(runtime, unified={"memory.high": str(96 * MIB)})
    check(setting(runtime, "memory", "memory.high") == str(96 * MIB), "it isn't what was asked for")


@case(UNIFIED, "MUST", "controllers that keys need are enabled", "linux.resources.unified")
def unified_controllers(runtime: Runtime) -> None:
    need_unified()
    wanted = {"memory": ("memory.max", str(64 * MIB)), "pids": ("pids.max", "99"), "cpu": ("cpu.weight", "42")}
    wanted["hugetlb"] = (f"hugetlb.{(page_sizes() or ['2MB'])[0]}.max", str(64 * MIB))
    settings = dict(setting for controller, setting in wanted.items() if controller in host.controllers())
    need(settings, "cgroup v2 has no controllers on this host")
    resources(runtime, unified=settings)
    runtime.create()
    for name, value in settings.items():
        found = runtime.cgroup_file("", name).read_text().strip()
        check(found == value, f"{name} is {found}")


@case(UNIFIED, "MUST", "files that the runtime may not know are written", "linux.resources.unified")
def unified_unknown_file(runtime: Runtime) -> None:
    need_unified()
    resources(runtime, unified={"cgroup.max.descendants": "7", "cgroup.max.depth": "3"})
    runtime.create()
    for name, value in (("cgroup.max.descendants", "7"), ("cgroup.max.depth", "3")):
        found = runtime.cgroup_file("", name).read_text().strip()
        check(found == value, f"{name} is {found}")


@case(UNIFIED, "MUST", "a controller that isn't there is an error", "linux.resources.unified")
def unified_controller_absent(runtime: Runtime) -> None:
    resources(runtime, unified={"nowhere.max": "1"})
    runtime.refused()


@case(UNIFIED, "MUST", "a controller that version 2 doesn't have on this host is an error", "linux.resources.unified")
def unified_controller_of_v1(runtime: Runtime) -> None:
    need("memory" not in host.controllers() or not host.unified(), "cgroup v2 has the memory controller on this host")
    resources(runtime, unified={"memory.high": str(96 * MIB)})
    runtime.refused()


@case(UNIFIED, "MUST", "a key that leads out of the cgroup is an error", "linux.resources.unified")
def unified_elsewhere(runtime: Runtime) -> None:
    resources(runtime, unified={"../cgroup.max.descendants": "1000000"})
    runtime.refused()


sentence(UNIFIED, "MUST", "keys are files of the hierarchy", "unified_file", "unified_elsewhere")
sentence(UNIFIED, "MUST", "the needed controllers are enabled", "unified_controllers")
sentence(UNIFIED, "MUST", "unknown configuration is written, too", "unified_unknown_file")
absent = ("unified_controller_absent", "unified_controller_of_v1")
sentence(UNIFIED, "MUST", "a controller that isn't present is an error", *absent)
converted = ("memory_swappiness", "memory_oom_killer_disabled", "cpu_realtime_runtime", "network_class")
sentence(UNIFIED, "MUST", "settings of v1 that can't be converted are an error on v2", *converted)
