"""config-linux.md: memory."""

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_settings import MIB, check_setting, need_controller, only_v1, resources, setting, takes

SECTION = "config-linux.md#memory"
MEMORY = "linux.resources.memory"
UNLIMITED = str((1 << 63) - 4096)  # what version 1 shows, which counts in pages


@case(SECTION, "MUST", "limit limits the memory", f"{MEMORY}.limit")
def memory_limit(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": 64 * MIB})
    value = str(64 * MIB)
    check_setting(runtime, "memory", v1=("memory.limit_in_bytes", value), v2=("memory.max", value))


@case(SECTION, "MUST", "limit kills what takes more", f"{MEMORY}.limit", f"{MEMORY}.swap")
def memory_limit_is_felt(runtime: Runtime) -> None:
    need_controller("memory")
    resources(runtime, memory={"limit": 32 * MIB, "swap": 32 * MIB} if _swap() else {"limit": 32 * MIB})
    # dd holds a buffer of that size, and fills it.
    runtime.bundle.shell("dd if=/dev/zero of=/dev/null bs=128M count=1 2>/dev/null; echo $?")
    runtime.bundle.write()
    done = runtime("run", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(done.stdout.strip() != "0", "it took four times the limit")


def _swap() -> bool:
    return takes("memory", "memory.swap.max" if host.unified() else "memory.memsw.limit_in_bytes", str(1 << 40))


@case(SECTION, "MUST", "limit -1 is no limit", f"{MEMORY}.limit")
def memory_unlimited(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": -1})
    check_setting(runtime, "memory", v1=("memory.limit_in_bytes", UNLIMITED), v2=("memory.max", "max"))


@case(SECTION, "MUST", "reservation is the soft limit", f"{MEMORY}.reservation")
def memory_reservation(runtime: Runtime) -> None:
    resources(runtime, memory={"reservation": 32 * MIB})
    value = str(32 * MIB)
    check_setting(runtime, "memory", v1=("memory.soft_limit_in_bytes", value), v2=("memory.low", value))


@case(SECTION, "MUST", "swap limits memory and swap together", f"{MEMORY}.swap")
def memory_swap(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": 64 * MIB, "swap": 96 * MIB})
    both, swap = str(96 * MIB), str(32 * MIB)  # version 2 limits swap alone
    check_setting(runtime, "memory", v1=("memory.memsw.limit_in_bytes", both), v2=("memory.swap.max", swap))


@case(SECTION, "MUST", "swap -1 is no limit", f"{MEMORY}.swap")
def memory_swap_unlimited(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": 64 * MIB, "swap": -1})
    check_setting(runtime, "memory", v1=("memory.memsw.limit_in_bytes", UNLIMITED), v2=("memory.swap.max", "max"))


@case(SECTION, "MUST", "swap below limit is an error", f"{MEMORY}.swap", f"{MEMORY}.limit")
def memory_swap_too_small(runtime: Runtime) -> None:
    need_controller("memory")
    resources(runtime, memory={"limit": 64 * MIB, "swap": 32 * MIB})
    runtime.refused()


def _kernel(runtime: Runtime, property_: str, name: str) -> None:
    """A limit that kernels have dropped: where it can't be applied, it is an error (runtime.md#create)."""
    value = 64 * MIB
    resources(runtime, memory={"limit": 128 * MIB, property_: value})
    if not host.unified():
        need_controller("memory")
    if host.unified() or not takes("memory", name, str(value)):
        runtime.refused()
        return
    found = setting(runtime, "memory", name)
    check(found == str(value), f"{name} is {found}")


@case(SECTION, "MUST", "kernel limits the kernel's memory, or is refused where no kernel can", f"{MEMORY}.kernel")
def memory_kernel(runtime: Runtime) -> None:
    _kernel(runtime, "kernel", "memory.kmem.limit_in_bytes")


@case(SECTION, "MUST", "kernelTCP limits TCP's buffers, or is refused where no kernel can", f"{MEMORY}.kernelTCP")
def memory_kernel_tcp(runtime: Runtime) -> None:
    _kernel(runtime, "kernelTCP", "memory.kmem.tcp.limit_in_bytes")


@case(SECTION, "MUST", "swappiness is that of the cgroup", f"{MEMORY}.swappiness")
def memory_swappiness(runtime: Runtime) -> None:
    resources(runtime, memory={"swappiness": 17})
    only_v1(runtime, "memory", "memory.swappiness", "17")


@case(SECTION, "MUST", "swappiness 0 is a value like others", f"{MEMORY}.swappiness")
def memory_swappiness_zero(runtime: Runtime) -> None:
    resources(runtime, memory={"swappiness": 0})
    only_v1(runtime, "memory", "memory.swappiness", "0")


@case(SECTION, "MUST", "swappiness above 100 is an error", f"{MEMORY}.swappiness")
def memory_swappiness_too_high(runtime: Runtime) -> None:
    resources(runtime, memory={"swappiness": 201})
    runtime.refused()


@case(SECTION, "MUST", "disableOOMKiller disables it", f"{MEMORY}.disableOOMKiller")
def memory_oom_killer_disabled(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": 64 * MIB, "disableOOMKiller": True})
    if host.unified():
        runtime.refused()
        return
    content = setting(runtime, "memory", "memory.oom_control")
    check("oom_kill_disable 1" in content.splitlines(), f"memory.oom_control is {content!r}")


@case(SECTION, "MUST", "the OOM killer is enabled by default, and by false", f"{MEMORY}.disableOOMKiller")
def memory_oom_killer_enabled(runtime: Runtime) -> None:
    need_controller("memory")
    resources(runtime, memory={"limit": 64 * MIB, "disableOOMKiller": False})
    if host.unified():  # where it always is
        runtime.create()
        return
    content = setting(runtime, "memory", "memory.oom_control")
    check("oom_kill_disable 0" in content.splitlines(), f"memory.oom_control is {content!r}")


@case(SECTION, "MUST", "useHierarchy lets child cgroups share the limits", f"{MEMORY}.useHierarchy")
def memory_use_hierarchy(runtime: Runtime) -> None:
    need_controller("memory")
    resources(runtime, memory={"limit": 64 * MIB, "useHierarchy": True})
    if host.unified():  # where they always do
        runtime.create()
        return
    check(setting(runtime, "memory", "memory.use_hierarchy") == "1", "they don't")


@case(SECTION, "MUST", "checkBeforeUpdate is no hindrance to a limit above the usage", f"{MEMORY}.checkBeforeUpdate")
def memory_check_before_update(runtime: Runtime) -> None:
    resources(runtime, memory={"limit": 64 * MIB, "checkBeforeUpdate": True})
    value = str(64 * MIB)
    check_setting(runtime, "memory", v1=("memory.limit_in_bytes", value), v2=("memory.max", value))


@case(SECTION, "MUST", "without a limit there is none", MEMORY)
def memory_without_limit(runtime: Runtime) -> None:
    need(not host.unified() or "memory" in host.controllers(), "cgroup v2 has no memory controller on this host")
    check_setting(runtime, "memory", v1=("memory.limit_in_bytes", UNLIMITED), v2=("memory.max", "max"))


sentence(SECTION, "MUST", "limit is in bytes", "memory_limit", "memory_limit_is_felt", "memory_without_limit")
sentence(SECTION, "MUST", "-1 is no limit", "memory_unlimited", "memory_swap_unlimited")
sentence(SECTION, "MUST", "reservation is the soft limit", "memory_reservation")
sentence(SECTION, "MUST", "swap limits memory and swap", "memory_swap", "memory_swap_too_small")
sentence(SECTION, "MUST", "kernel and kernelTCP limit what the kernel takes", "memory_kernel", "memory_kernel_tcp")
values = ("memory_swappiness", "memory_swappiness_zero", "memory_swappiness_too_high")
sentence(SECTION, "MUST", "swappiness is from 0 to 100", *values)
oom_killer = ("memory_oom_killer_disabled", "memory_oom_killer_enabled")
sentence(SECTION, "MUST", "disableOOMKiller disables the OOM killer, which is enabled otherwise", *oom_killer)
sentence(SECTION, "MUST", "useHierarchy lets child cgroups share the limits", "memory_use_hierarchy")
sentence(SECTION, "MUST", "a runtime that checks before an update rejects a limit", "memory_check_before_update")
