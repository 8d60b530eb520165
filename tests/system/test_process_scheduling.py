"""Scheduler, I/O priority, memory policy and personality, as the kernel has them of a container's process."""

import ctypes
import os
import platform
import struct
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import inside, resources, set_linux, set_process, together

pytestmark = pytest.mark.root

POLICIES = {"OTHER": 0, "FIFO": 1, "RR": 2, "BATCH": 3, "IDLE": 5, "DEADLINE": 6}
NUMBERS = {"x86_64": {"sched_getattr": 315, "ioprio_get": 252}, "aarch64": {"sched_getattr": 275, "ioprio_get": 31}}
REAL_TIME_SHARES = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")  # CONFIG_RT_GROUP_SCHED, on cgroup v1
libc = ctypes.CDLL(None, use_errno=True)


def syscall(name, *arguments):
    number = NUMBERS.get(platform.machine(), {}).get(name)
    if number is None:
        pytest.skip(f"the number of {name} isn't known here")
    return libc.syscall(number, *arguments)


def attributes(pid):
    """sched_getattr(2): (policy, flags, nice, priority, runtime, deadline, period)."""
    buffer = ctypes.create_string_buffer(48)
    assert syscall("sched_getattr", pid, buffer, 48, 0) == 0, os.strerror(ctypes.get_errno())
    return struct.unpack_from("=IQiIQQQ", buffer.raw, 4)


def allowed(*command):
    """Whether this machine lets root have such a scheduler at all, here, without a container."""
    return subprocess.run(["chrt", *command, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"policy": "SCHED_OTHER"}, (0, 0, 0, 0)),
        ({"policy": "SCHED_OTHER", "nice": 7}, (0, 0, 7, 0)),
        ({"policy": "SCHED_BATCH", "nice": -5}, (3, 0, -5, 0)),
        ({"policy": "SCHED_IDLE"}, (5, 0, 0, 0)),
        ({"policy": "SCHED_BATCH", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, (3, 1, 0, 0)),
        ({"policy": "SCHED_OTHER", "nice": 3, "flags": ["SCHED_FLAG_KEEP_PARAMS"]}, (0, 0, 0, 0)),
        ({"policy": "SCHED_BATCH", "nice": 3, "flags": ["SCHED_FLAG_KEEP_POLICY"]}, (0, 0, 3, 0)),
    ],
)
def test_a_scheduler(ocipy, bundle, wanted, expected):
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=set_process(scheduler=wanted))))
    assert attributes(pid)[:4] == expected


@pytest.mark.parametrize("policy", ["FIFO", "RR"])
def test_a_real_time_scheduler(ocipy, bundle, policy):
    if not allowed(f"--{policy.lower()}", "10"):
        pytest.skip("no real-time scheduling here")

    def change(config):
        config["process"]["scheduler"] = {"policy": f"SCHED_{policy}", "priority": 10}
        if REAL_TIME_SHARES.exists():
            # Directly below the hierarchy's root, for a parent has to have what its child is given.
            config["linux"]["cgroupsPath"] = f"/{bundle.cgroup}"
            config["linux"]["resources"]["cpu"] = {"realtimeRuntime": 1000, "realtimePeriod": 1_000_000}

    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
    assert attributes(pid)[:4] == (POLICIES[policy], 0, 0, 10)


def test_a_deadline(ocipy, bundle):
    times = {"runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000}
    if not allowed("-d", "-T", "1000000", "-D", "10000000", "-P", "20000000", "0"):
        pytest.skip("no deadline scheduling here")
    wanted = {"policy": "SCHED_DEADLINE", **times}
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=set_process(scheduler=wanted))))
    assert attributes(pid) == (6, 0, 0, 0, *times.values())


@pytest.mark.parametrize("flag", ["MIN", "MAX"])
def test_utilization_clamps(ocipy, bundle, flag):
    """No value goes with the flags: the default is what is asked for."""
    wanted = {"policy": "SCHED_OTHER", "nice": 1, "flags": [f"SCHED_FLAG_UTIL_CLAMP_{flag}"]}
    path = bundle("sleep", "1000", change=set_process(scheduler=wanted))
    container = ocipy.new_id()
    done = ocipy("run", "-d", "--bundle", path, container)
    if done.returncode:
        assert "sched_setattr: ENOTSUP" in done.stderr, done.stderr
        assert "(this kernel has no utilization clamping)" in done.stderr
        return
    ocipy.expect(container)
    assert attributes(ocipy.pid(container))[:3] == (0, 0, 1)


def test_a_scheduler_the_kernel_refuses(ocipy, bundle):
    """A runtime below what the kernel can count."""
    wanted = {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3}
    line = ocipy.refused(bundle(change=set_process(scheduler=wanted)))
    assert line == (
        "process.scheduler: sched_setattr: EINVAL: invalid argument "
        "(the kernel refuses these values: see sched_setattr(2))"
    )


def test_the_scheduler_is_set_with_the_runtime_s_capabilities(ocipy, bundle):
    """A nice value below 0 takes CAP_SYS_NICE, which the container hasn't."""
    change = together(set_process(scheduler={"policy": "SCHED_OTHER", "nice": -3}))
    script = "cat /proc/self/stat; grep CapEff /proc/self/status"
    stat, capabilities = inside(ocipy, bundle, script, change=change).splitlines()
    assert stat.split()[18] == "-3"
    assert not int(capabilities.split()[1], 16) >> 23 & 1


@pytest.mark.parametrize(
    ("class_", "priority", "expected"), [("RT", 3, 1 << 13 | 3), ("BE", 7, 2 << 13 | 7), ("IDLE", 0, 3 << 13)]
)
def test_an_io_priority(ocipy, bundle, class_, priority, expected):
    wanted = {"class": f"IOPRIO_CLASS_{class_}", "priority": priority}
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=set_process(ioPriority=wanted))))
    assert syscall("ioprio_get", 1, pid) == expected
    assert syscall("ioprio_get", 1, os.getpid()) != expected


needs_numa = pytest.mark.skipif(not Path("/proc/self/numa_maps").exists(), reason="no NUMA in this kernel")


@needs_numa
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0-0", "flags": ["MPOL_F_STATIC_NODES"]}, "interleave=static:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": ""}, "local"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}, "bind=relative:0"),
    ],
)
def test_a_memory_policy(ocipy, bundle, policy, expected):
    text = inside(ocipy, bundle, "cat /proc/self/numa_maps", change=set_linux(memoryPolicy=policy))
    assert {line.split()[1] for line in text.splitlines()} == {expected}


@pytest.mark.numa
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"mode": "MPOL_BIND", "nodes": "1"}, "bind:1"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0,1"}, "interleave:0-1"),
        ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0-1"}, "prefer (many):0-1"),
        ({"mode": "MPOL_BIND", "nodes": "1", "flags": ["MPOL_F_RELATIVE_NODES"]}, "bind=relative:1"),
    ],
)
def test_a_memory_policy_of_two_nodes(ocipy, bundle, policy, expected):
    text = inside(ocipy, bundle, "cat /proc/self/numa_maps", change=set_linux(memoryPolicy=policy))
    for line in text.splitlines():
        assert f"{line} ".split(" ", 1)[1].startswith(f"{expected} ")


@pytest.mark.numa
def test_memory_comes_from_the_node_that_the_policy_binds_to(ocipy, bundle):
    change = set_linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "1"})
    heap = inside(ocipy, bundle, "grep heap /proc/self/numa_maps", change=change)
    assert " N1=" in heap
    assert " N0=" not in heap


@pytest.mark.numa
@pytest.mark.cgroup_v2("cpuset")
def test_memory_nodes_of_the_cpuset(ocipy, bundle):
    container = ocipy.start(bundle("sleep", "1000", change=resources(cpu={"mems": "1"})))
    status = Path(f"/proc/{ocipy.pid(container)}/status")
    assert "Mems_allowed_list:\t1\n" in status.read_text()
    ocipy("update", "--cpuset-mems", "0-1", container, status=0)
    assert "Mems_allowed_list:\t0-1\n" in status.read_text()


@needs_numa
def test_a_node_that_is_not_there(ocipy, bundle):
    path = bundle(change=set_linux(memoryPolicy={"mode": "MPOL_BIND", "nodes": "1023"}))
    assert ocipy.refused(path) == (
        "linux.memoryPolicy: set_mempolicy: EINVAL: invalid argument "
        "(none of the nodes is here or in the cpuset's mems, or the kernel lacks the mode)"
    )


def test_a_personality(ocipy, bundle):
    def machine(domain):
        change = set_linux(personality={"domain": domain})
        return inside(ocipy, bundle, "cat /proc/self/personality; uname -m", change=change).split()

    assert machine("LINUX") == ["00000000", platform.machine()]
    changed, name = machine("LINUX32")
    assert changed == "00000008"
    assert name != platform.machine() or not name.endswith("64")


def test_all_of_them_beside_a_filter_that_denies_them(ocipy, bundle):
    names = ["sched_setattr", "ioprio_set", "set_mempolicy", "personality"]
    change = together(
        set_process(
            scheduler={"policy": "SCHED_BATCH", "nice": 2},
            ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6},
            noNewPrivileges=False,
        ),
        set_linux(
            personality={"domain": "LINUX32"},
            seccomp={
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": names, "action": "SCMP_ACT_ERRNO"}],
            },
        ),
    )
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
    assert attributes(pid)[:3] == (3, 0, 2)
    assert syscall("ioprio_get", 1, pid) == 2 << 13 | 6


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            set_process(scheduler={"policy": "SCHED_ISO"}),
            "/process/scheduler/policy (line 1, column {column}): no kernel implements SCHED_ISO",
        ),
        (
            set_process(execCPUAffinity={"initial": "0-1,9999"}),
            "/process/execCPUAffinity/initial (line 1, column {column}): 9999 is above 8191",
        ),
    ],
)
def test_refused_before_anything_is_made(ocipy, bundle, change, line):
    text = ocipy.refused(bundle(change=change))
    before, _, after = line.partition("{column}")
    assert before in text
    assert after in text
    assert not list(ocipy.root.iterdir())


def test_an_affinity_is_for_exec_alone(ocipy, bundle):
    """config.md: not applicable to the container's init process."""
    here = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    change = set_process(execCPUAffinity={"initial": "0", "final": "0"})
    pid = ocipy.pid(ocipy.start(bundle("sleep", "1000", change=change)))
    assert ",".join(map(str, sorted(os.sched_getaffinity(pid)))) == here
