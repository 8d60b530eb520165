"""Operations: limits and what they do."""

from tests.engines.commandline import ALL, CommandLine
from tests.engines.matrix import operation
from tests.system.runtime import until

NO_CGROUPS = {"podman-rootless": "an ordinary user has no cgroups where cgroup v2 isn't delegated"}
NO_RESOURCE = dict.fromkeys(ALL, "needs CAP_SYS_RESOURCE")


def limit(engine: CommandLine, name: str, v1: str, v2: str) -> str:
    """A setting of a container's cgroup, as a file of v1 or v2 has it."""
    pid = engine.state(name)["Pid"]
    script = f"""
        while IFS=: read -r _ controllers path; do
            case $controllers in
                '') [ ! -e /sys/fs/cgroup/cgroup.controllers ] || cat /sys/fs/cgroup$path/{v2} ;;
                {v1.split(".")[0]}) cat /sys/fs/cgroup/$controllers$path/{v1} ;;
            esac
        done </proc/{pid}/cgroup"""
    return engine.machine.run("sh", "-c", script).out.strip()


@operation(*ALL, not_here=NO_CGROUPS)
def memory(engine: CommandLine) -> None:
    """run --memory: the limit is in force."""
    with engine.container("--memory", "64m", "--memory-reservation", "32m") as name:
        assert limit(engine, name, "memory.limit_in_bytes", "memory.max") == str(64 << 20)
        assert limit(engine, name, "memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)


HOG = ("dd", "if=/dev/zero", "of=/dev/null", "bs=200M")
SMALL = ("--memory", "32m", "--memory-swap", "32m")


@operation("podman", "docker")
def out_of_memory(engine: CommandLine) -> None:
    """Out of memory: exit status 137; another process than the first is killed alone."""
    with engine.container(*SMALL, command=HOG) as name:
        assert engine("wait", name).out.strip() == "137"
    assert engine.inside(f"{' '.join(HOG)}; echo $?", *SMALL) == "137\n"


@operation("podman", "docker", not_here={"podman": "its conmon sees the event, and podman looks elsewhere for it"})
def out_of_memory_told(engine: CommandLine) -> None:
    """Out of memory: the engine knows."""
    with engine.container(*SMALL, command=("sh", "-c", f"{' '.join(HOG)}; sleep 0.5")) as name:
        engine("wait", name)
        assert engine.state(name)["OOMKilled"] is True


@operation(*ALL, not_here=NO_CGROUPS)
def pids_limit(engine: CommandLine) -> None:
    """run --pids-limit: in force; -1 and 0 are no limit."""
    said = engine.inside("for i in 1 2 3 4 5 6; do sleep 1 & done 2>&1; wait", "--pids-limit", "4", status=None)
    assert "fork" in said
    for value in ("0", "-1"):
        with engine.container("--pids-limit", value) as name:
            assert limit(engine, name, "pids.max", "pids.max") == "max"


@operation(*ALL, not_here=NO_CGROUPS)
def cpu(engine: CommandLine) -> None:
    """run --cpus, --cpu-shares, --cpuset-cpus."""
    with engine.container("--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0") as name:
        quota = limit(engine, name, "cpu.cfs_quota_us", "cpu.max")
        assert quota in ("50000", "50000 100000")
        assert limit(engine, name, "cpu.shares", "cpu.weight") in ("512", "20")
        assert limit(engine, name, "cpuset.cpus", "cpuset.cpus") == "0"


@operation(*ALL, not_here=NO_CGROUPS)
def update(engine: CommandLine) -> None:
    """update: other limits for a container that runs."""
    with engine.container("--memory", "64m") as name:
        engine("update", "--memory", "128m", "--memory-swap", "256m", "--cpu-shares", "256", "--cpuset-cpus", "0", name)
        assert limit(engine, name, "memory.limit_in_bytes", "memory.max") == str(128 << 20)
        assert limit(engine, name, "cpu.shares", "cpu.weight") in ("256", "10")
        assert limit(engine, name, "cpuset.cpus", "cpuset.cpus") == "0"


@operation(*ALL)
def ulimits(engine: CommandLine) -> None:
    """run --ulimit."""
    flags = ("nofile=100:200", "core=0:0", "stack=4194304:8388608", "nproc=4096:4096")
    said = engine.inside("ulimit -n; ulimit -c; ulimit -S -s", *(f"--ulimit={each}" for each in flags))
    assert said.split() == ["100", "0", "4096"]


@operation(*ALL)
def oom_score(engine: CommandLine) -> None:
    """run --oom-score-adj: a positive one."""
    assert engine.inside("cat /proc/self/oom_score_adj", "--oom-score-adj", "321") == "321\n"


@operation(*ALL, not_here=NO_RESOURCE)
def oom_score_negative(engine: CommandLine) -> None:
    """run --oom-score-adj: a negative one."""
    assert engine.inside("cat /proc/self/oom_score_adj", "--oom-score-adj", "-321") == "-321\n"


@operation(*ALL, not_here=NO_RESOURCE)
def ulimit_above(engine: CommandLine) -> None:
    """run --ulimit: above the hard limit of the engine."""
    assert engine.inside("ulimit -n", "--ulimit=nofile=1000000:1000000", "--ulimit=nproc=4096:4096") == "1000000\n"


@operation("podman", "docker")
def cgroup_parent(engine: CommandLine) -> None:
    """run --cgroup-parent: a cgroup of the user's choice, made and removed."""
    with engine.container("--cgroup-parent", "/chosen") as name:
        assert "/chosen/" in engine.machine.run("cat", f"/proc/{engine.state(name)['Pid']}/cgroup").out
    places = "/sys/fs/cgroup/*/chosen /sys/fs/cgroup/chosen"
    remove = f"rmdir /sys/fs/cgroup/*/chosen/conmon {places} 2>/dev/null; ls -d {places} 2>/dev/null"
    until(lambda: not engine.machine.run("sh", "-c", remove).out)  # podman's monitor may take its time to leave


@operation(*ALL, not_here=NO_CGROUPS)
def block_io(engine: CommandLine) -> None:
    """run --device-read-bps."""
    disk = engine.machine.run("sh", "-c", "for d in /sys/block/*; do [ ! -e /dev/${d##*/} ] || echo ${d##*/}; done").out
    device = disk.split()[0]
    with engine.container("--device-read-bps", f"/dev/{device}:1mb") as name:
        value = limit(engine, name, "blkio.throttle.read_bps_device", "io.max")
        assert value.endswith("1048576") or "rbps=1048576" in value, value
