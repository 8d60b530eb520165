"""runtime.md: kill and delete."""

import os
import signal
import subprocess
import time
from pathlib import Path

from conformance import host
from conformance.harness import DEADLINE, SLEEP, Runtime, case, check, need


@case("runtime.md#kill", "MUST", "kill sends the signal to the container's process")
def kill_signals(runtime: Runtime) -> None:
    runtime.bundle.shell("trap 'touch /caught; exit' USR1; touch /ready; while :; do sleep 0.01; done")
    runtime.start()
    wait_for(runtime.rootfs / "ready")
    runtime.ok("kill", runtime.container_id, "USR1")
    runtime.until("stopped")
    check((runtime.rootfs / "caught").exists(), "the signal didn't arrive")


def wait_for(path: Path) -> None:
    end = time.monotonic() + DEADLINE
    while not path.exists():
        check(time.monotonic() < end, f"{path.name} isn't made")
        time.sleep(0.01)


@case("runtime.md#kill", "MUST", "a created container can be killed too, and is stopped then")
def kill_created(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = SLEEP
    runtime.create()
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")


@case("runtime.md#kill", "MUST", "kill of a stopped container is an error and has no effect")
def kill_stopped(runtime: Runtime) -> None:
    runtime.start()
    before = runtime.until("stopped")
    runtime.fails("kill", runtime.container_id, "KILL")
    check(runtime.state() == before, "the container changed")


@case("runtime.md#kill", "MUST", "kill without an id, or of a container that doesn't exist, is an error")
def kill_unknown(runtime: Runtime) -> None:
    runtime.fails("kill")
    runtime.fails("kill", runtime.container_id, "KILL")


@case("runtime.md#state", "MUST", "a container whose process ended without the runtime is stopped")
def stopped_from_outside(runtime: Runtime) -> None:
    os.kill(runtime.sleeping(), signal.SIGKILL)
    runtime.until("stopped")


@case("runtime.md#delete", "MUST", "delete of a running container is an error and has no effect")
def delete_running(runtime: Runtime) -> None:
    runtime.sleeping()
    before = runtime.state()
    runtime.fails("delete", runtime.container_id)
    check(runtime.state() == before, "the container was harmed")


@case("runtime.md#delete", "MUST", "delete without an id, or of a container that doesn't exist, is an error")
def delete_unknown(runtime: Runtime) -> None:
    runtime.fails("delete")
    runtime.fails("delete", runtime.container_id)


@case("runtime.md#delete", "MUST", "delete removes what create made: cgroup, state, mounts", "linux.cgroupsPath")
def delete_removes(runtime: Runtime) -> None:
    before = runtime.traces()
    runtime.start()
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)
    after = runtime.traces()
    for what in ("the state", "the cgroups", "the mounts"):
        check(after[what] == before[what], f"{what} stay: {sorted(after[what] - before[what])}")


@case(
    "runtime.md#delete",
    "MUST NOT",
    "delete leaves what create didn't make: a joined network namespace, the source of a mount",
    "linux.namespaces[].path",
    "mounts[].source",
)
def delete_spares_what_others_made(runtime: Runtime) -> None:
    source = runtime.directory / "data"
    source.mkdir()
    (source / "file").write_text("kept")
    command, pipe = ["unshare", "--net", "sh", "-c", "echo; read line"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        holder.stdout.readline()
        path = f"/proc/{holder.pid}/ns/net"
        identity = os.readlink(path)
        for namespace in runtime.config["linux"]["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = path
        mount = {"destination": "/data", "type": "none", "source": str(source), "options": ["bind"]}
        runtime.config["mounts"].append(mount)
        try:
            runtime.start()
            runtime.until("stopped")
            runtime.ok("delete", runtime.container_id)
            check(os.readlink(path) == identity, "the namespace is another")
        finally:
            holder.communicate()
    check((source / "file").read_text() == "kept", "the source of a mount was emptied")


@case(
    "runtime.md#delete",
    "MUST NOT",
    "delete leaves a cgroup that was there before create",
    "linux.cgroupsPath",
    note="It isn't the container's: a runtime that removes the path it was given removes what isn't its own.",
)
def delete_spares_the_cgroup_of_others(runtime: Runtime) -> None:
    need(host.hierarchies(), "no cgroups are mounted")
    path = runtime.config["linux"]["cgroupsPath"].lstrip("/")
    made = sorted({mount / path for mount in host.hierarchies().values()})
    try:
        for directory in made:
            directory.mkdir(parents=True)
            if (directory / "cpuset.cpus").exists() and not (directory / "cpuset.cpus").read_text().strip():
                fill_cpuset(directory)
        runtime.start()
        runtime.until("stopped")
        runtime.ok("delete", runtime.container_id)
        gone = [str(directory) for directory in made if not directory.exists()]
        check(not gone, f"it removed {gone}")
    finally:
        for directory in made:
            if directory.exists():
                directory.rmdir()


def fill_cpuset(directory: Path) -> None:
    """A cpuset of cgroup v1 is empty at first, and takes no process until it isn't."""
    for each in (directory.parent, directory):
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (each / name).exists() and not (each / name).read_text().strip():
                (each / name).write_text((each.parent / name).read_text())


@case("runtime.md#delete", "MUST", "after delete the container is gone and its id may be used again")
def delete_frees_id(runtime: Runtime) -> None:
    for _ in range(2):
        runtime.start()
        runtime.until("stopped")
        runtime.ok("delete", runtime.container_id)
        runtime.fails("state", runtime.container_id)
