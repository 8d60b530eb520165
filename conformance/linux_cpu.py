"""config-linux.md: CPU, CPU sets and the limit of processes."""

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_settings import check_setting, need_controller, offers, only_v1, resources, setting

SECTION = "config-linux.md#cpu"
PIDS = "config-linux.md#pids"
CPU = "linux.resources.cpu"
BURST = "cpu.max.burst" if host.unified() else "cpu.cfs_burst_us"


@case(SECTION, "MUST", "shares is the relative share", f"{CPU}.shares")
def cpu_shares(runtime: Runtime) -> None:
    resources(runtime, cpu={"shares": 512})
    if not host.unified():
        found = setting(runtime, "cpu", "cpu.shares")
        check(found == "512", f"cpu.shares is {found}")
        return
    # How shares become weights is the runtime's choice; half of the default is less than the default, 100.
    weight = int(setting(runtime, "cpu", "cpu.weight"))
    check(1 < weight < 100, f"cpu.weight is {weight}")


@case(SECTION, "MUST", "quota is the time per period", f"{CPU}.quota", f"{CPU}.period")
def cpu_quota(runtime: Runtime) -> None:
    resources(runtime, cpu={"quota": 50_000, "period": 200_000})
    check_setting(runtime, "cpu", v1=("cpu.cfs_quota_us", "50000"), v2=("cpu.max", "50000 200000"))


@case(SECTION, "MUST", "period is the period", f"{CPU}.period", f"{CPU}.quota")
def cpu_period(runtime: Runtime) -> None:
    resources(runtime, cpu={"quota": 10_000, "period": 50_000})
    check_setting(runtime, "cpu", v1=("cpu.cfs_period_us", "50000"), v2=("cpu.max", "10000 50000"))


@case(SECTION, "MUST", "a period goes without a quota", f"{CPU}.period")
def cpu_period_alone(runtime: Runtime) -> None:
    resources(runtime, cpu={"period": 50_000})
    check_setting(runtime, "cpu", v1=("cpu.cfs_period_us", "50000"), v2=("cpu.max", "max 50000"))


@case(SECTION, "MUST", "quota -1 is no limit", f"{CPU}.quota")
def cpu_quota_unlimited(runtime: Runtime) -> None:
    resources(runtime, cpu={"quota": -1})
    check_setting(runtime, "cpu", v1=("cpu.cfs_quota_us", "-1"), v2=("cpu.max", "max 100000"))


@case(SECTION, "MUST", "burst is what may be saved up", f"{CPU}.burst", f"{CPU}.quota", since="1.1.0")
def cpu_burst(runtime: Runtime) -> None:
    resources(runtime, cpu={"quota": 50_000, "period": 100_000, "burst": 20_000})
    found = setting(runtime, "cpu", BURST)
    check(found == "20000", f"{BURST} is {found}")


@case(SECTION, "MUST", "a burst of 0 is a value like others", f"{CPU}.burst", since="1.1.0")
def cpu_burst_zero(runtime: Runtime) -> None:
    resources(runtime, cpu={"quota": 50_000, "period": 100_000, "burst": 0})
    found = setting(runtime, "cpu", BURST)
    check(found == "0", f"{BURST} is {found}")


def _realtime(runtime: Runtime, name: str, expected: str) -> None:
    if not host.unified():
        need_controller("cpu")
        need(offers("cpu", "cpu.rt_runtime_us"), "this kernel has no realtime groups (CONFIG_RT_GROUP_SCHED)")
        # Right below the root, for a cgroup gets no more than its parent has.
        runtime.config["linux"]["cgroupsPath"] = f"{runtime.cgroup}-realtime"
    resources(runtime, cpu={"realtimeRuntime": 9_000, "realtimePeriod": 800_000})
    only_v1(runtime, "cpu", name, expected)


@case(SECTION, "MUST", "realtimeRuntime is the time for realtime tasks", f"{CPU}.realtimeRuntime")
def cpu_realtime_runtime(runtime: Runtime) -> None:
    _realtime(runtime, "cpu.rt_runtime_us", "9000")


@case(SECTION, "MUST", "realtimePeriod is the period for realtime tasks", f"{CPU}.realtimePeriod")
def cpu_realtime_period(runtime: Runtime) -> None:
    _realtime(runtime, "cpu.rt_period_us", "800000")


@case(SECTION, "MUST", "cpus are the CPUs it runs on", f"{CPU}.cpus")
def cpu_cpus(runtime: Runtime) -> None:
    resources(runtime, cpu={"cpus": "0"})
    check_setting(runtime, "cpuset", v1=("cpuset.cpus", "0"), v2=("cpuset.cpus", "0"))


@case(SECTION, "MUST", "the program runs on no other CPUs than cpus", f"{CPU}.cpus")
def cpu_cpus_are_felt(runtime: Runtime) -> None:
    need_controller("cpuset")
    need(host.cpus() > 1, "this host has one CPU")
    resources(runtime, cpu={"cpus": "1"})
    allowed = runtime.prints("grep Cpus_allowed_list: /proc/self/status").split()[-1]
    check(allowed == "1", f"it runs on {allowed}")


@case(SECTION, "MUST", "cpus may be a list with ranges", f"{CPU}.cpus")
def cpu_cpus_list(runtime: Runtime) -> None:
    need(host.cpus() > 1, "this host has one CPU")
    resources(runtime, cpu={"cpus": "0,1"})
    check_setting(runtime, "cpuset", v1=("cpuset.cpus", "0-1"), v2=("cpuset.cpus", "0-1"))


@case(SECTION, "MUST", "mems are the memory nodes it gets memory from", f"{CPU}.mems")
def cpu_mems(runtime: Runtime) -> None:
    resources(runtime, cpu={"mems": "0"})
    check_setting(runtime, "cpuset", v1=("cpuset.mems", "0"), v2=("cpuset.mems", "0"))


@case(SECTION, "MUST", "CPUs that don't exist are an error", f"{CPU}.cpus")
def cpu_cpus_absent(runtime: Runtime) -> None:
    need_controller("cpuset")
    need(not host.unified(), "cgroup v2 takes CPUs that may be there later")
    resources(runtime, cpu={"cpus": "4095"})
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)


@case(SECTION, "MUST", "idle makes the cgroup's tasks SCHED_IDLE", f"{CPU}.idle", since="1.1.0")
def cpu_idle(runtime: Runtime) -> None:
    resources(runtime, cpu={"idle": 1})
    check_setting(runtime, "cpu", v1=("cpu.idle", "1"), v2=("cpu.idle", "1"))


@case(SECTION, "MUST", "idle 0 is the default behaviour", f"{CPU}.idle", since="1.1.0")
def cpu_not_idle(runtime: Runtime) -> None:
    resources(runtime, cpu={"idle": 0})
    check_setting(runtime, "cpu", v1=("cpu.idle", "0"), v2=("cpu.idle", "0"))


sentence(SECTION, "MUST", "shares is a relative share", "cpu_shares")
sentence(SECTION, "MUST", "quota is the time that the tasks have in a period", "cpu_quota", "cpu_quota_unlimited")
sentence(SECTION, "MUST", "period is how regularly time is given", "cpu_period", "cpu_period_alone")
sentence(SECTION, "MUST", "burst is what the tasks may save up", "cpu_burst", "cpu_burst_zero")
sentence(
    SECTION,
    "MUST",
    "quota and burst fit: burst is no larger than a positive quota",
    untested="a rule for the config's author; the runtime may, but need not, refuse",
)
realtime = ("cpu_realtime_runtime", "cpu_realtime_period")
sentence(SECTION, "MUST", "realtimeRuntime and realtimePeriod are those of realtime tasks", *realtime)
cpus = ("cpu_cpus", "cpu_cpus_are_felt", "cpu_cpus_list", "cpu_cpus_absent")
sentence(SECTION, "MUST", "cpus is the list of CPUs", *cpus)
sentence(SECTION, "MUST", "mems is the list of memory nodes", "cpu_mems")
sentence(SECTION, "MUST", "idle is 0 or 1", "cpu_idle", "cpu_not_idle")


@case(PIDS, "MUST", "limit is the number of tasks", "linux.resources.pids.limit")
def pids_limit(runtime: Runtime) -> None:
    resources(runtime, pids={"limit": 321})
    check_setting(runtime, "pids", v1=("pids.max", "321"), v2=("pids.max", "321"))


@case(PIDS, "MUST", "no more tasks than limit can be started", "linux.resources.pids.limit")
def pids_limit_is_felt(runtime: Runtime) -> None:
    need_controller("pids")
    resources(runtime, pids={"limit": 5})
    script = "for each in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait"
    runtime.bundle.shell(f"({script}) 2>/dev/null; ls -d /proc/[0-9]* | wc -l")
    runtime.bundle.write()
    done = runtime("run", "--bundle", str(runtime.bundle.path), runtime.container_id)
    # The shell that can't fork ends; it says so, or what it counts is within the limit.
    check(not done.stdout.strip() or int(done.stdout) <= 5, f"there are {done.stdout.strip()} tasks")


@case(PIDS, "MUST", "-1 is no limit", "linux.resources.pids.limit")
def pids_unlimited(runtime: Runtime) -> None:
    resources(runtime, pids={"limit": -1})
    check_setting(runtime, "pids", v1=("pids.max", "max"), v2=("pids.max", "max"))


@case(
    PIDS,
    "SHOULD",
    "0 is a limit like others",
    "linux.resources.pids.limit",
    since="1.3.0",
    note="Before 1.3 a limit of 0 was no limit: what Go's structures have for an absent one.",
)
def pids_limit_of_none(runtime: Runtime) -> None:
    resources(runtime, pids={"limit": 0})
    runtime.config["ociVersion"] = "1.3.0"
    need_controller("pids")
    runtime.bundle.write()
    done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    if done.returncode == 0:  # or the container's own process is one too many
        found = runtime.cgroup_file("pids", "pids.max").read_text().strip()
        # In a cgroup with the container's process both allow no other.
        check(found in ("0", "1"), f"pids.max is {found}")
    else:
        check("pids" in done.stderr or "unavailable" in done.stderr, f"create failed: {done.stderr.strip()}")


sentence(PIDS, "MUST", "limit is the largest number of tasks", "pids_limit", "pids_limit_is_felt")
sentence(PIDS, "MUST", "-1 is no limit", "pids_unlimited")
sentence(PIDS, "SHOULD", "0 is a limit", "pids_limit_of_none")
