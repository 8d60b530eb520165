"""runtime.md: create."""

import os
from pathlib import Path

from conformance.harness import SLEEP, Runtime, case, check, hook


@case("runtime.md#scope-of-a-container", "MUST", "who made a container can use every operation on it")
def every_operation(runtime: Runtime) -> None:
    runtime.sleeping()
    check(runtime.state()["status"] == "running", "it isn't running")
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)


@case(
    "runtime.md#create",
    "MUST",
    "create makes the environment: namespaces, mounts, host name and cgroup are there before start",
    "linux.namespaces[].type",
    "mounts[].destination",
    "linux.cgroupsPath",
)
def create_makes_the_environment(runtime: Runtime) -> None:
    runtime.create()
    pid = runtime.state()["pid"]
    for name in ("pid", "ipc", "uts", "mnt", "net"):
        same = os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")
        check(not same, f"its {name} namespace is the host's")
    points = [line.split()[4] for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    check({"/", "/proc", "/dev"} <= set(points), f"its mounts are {points}")
    check(runtime.cgroup_directories(), "it has no cgroup")


@case("runtime.md#create", "MUST", "create runs none of the user's program", "process.args")
def create_runs_nothing(runtime: Runtime) -> None:
    runtime.bundle.shell("touch /ran")
    runtime.create()
    check(runtime.state()["status"] == "created", "the status isn't created")
    check(not (runtime.rootfs / "ran").exists(), "the program ran")


@case("runtime.md#create", "MUST", "an id in use is refused, and the container that has it is untouched")
def create_twice(runtime: Runtime) -> None:
    runtime.create()
    before = runtime.state()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(runtime.state() == before, "the first container changed")


@case("runtime.md#create", "MUST", "create without an id, or without a bundle, is an error")
def create_without_arguments(runtime: Runtime) -> None:
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path))
    runtime.fails("create", "--bundle", str(runtime.directory / "none"), runtime.container_id)
    runtime.fails("state", runtime.container_id)


@case("runtime.md#create", "MUST", "an id that isn't valid is refused, and nothing is made")
def create_invalid_id(runtime: Runtime) -> None:
    runtime.bundle.write()
    for identifier in ("", "..", "../outside", "a/b"):
        before = sorted(runtime.directory.rglob("*state*")) + runtime.cgroup_directories()
        runtime.fails("create", "--bundle", str(runtime.bundle.path), identifier)
        after = sorted(runtime.directory.rglob("*state*")) + runtime.cgroup_directories()
        check(set(after) - set(before) <= {runtime.states}, f"{identifier!r} left {after}")


@case(
    "runtime.md#errors",
    "MUST",
    "a create that fails on the host's account leaves everything as it was",
    "mounts[].source",
    note="The mount can't be made, which shows when its turn comes: cgroup, state and mounts are gone again after it.",
)
def failed_create_leaves_nothing(runtime: Runtime) -> None:
    mount = {"destination": "/mnt", "type": "none", "source": "/no/such/directory", "options": ["bind"]}
    (runtime.rootfs / "mnt").mkdir()
    runtime.config["mounts"].append(mount)
    runtime.config["hooks"] = {}
    runtime.refused()
    runtime.fails("state", runtime.container_id)


@case("runtime.md#create", "MUST", "what can't be applied is an error, and no container is made", "mounts[].type")
def create_impossible_mount(runtime: Runtime) -> None:
    (runtime.rootfs / "mnt").mkdir()
    runtime.config["mounts"].append({"destination": "/mnt", "type": "no-such-filesystem", "source": "none"})
    runtime.config["hooks"] = {}
    runtime.refused()
    runtime.fails("state", runtime.container_id)


@case(
    "runtime.md#create",
    "MUST",
    "a sysctl that doesn't exist can't be applied: an error, and no container",
    "linux.sysctl",
)
def create_impossible_sysctl(runtime: Runtime) -> None:
    runtime.config["linux"]["sysctl"] = {"net.no_such_sysctl": "1"}
    runtime.config["hooks"] = {}
    runtime.refused()
    runtime.fails("state", runtime.container_id)


@case(
    "runtime.md#create",
    "MUST",
    "a program that doesn't exist is an error of create or of start, and no container runs",
    "process.args",
)
def program_missing(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = ["/no/such/program"]
    runtime.bundle.write()
    if runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id).returncode == 0:
        runtime.fails("start", runtime.container_id)
        check(runtime("state", runtime.container_id).stdout.find("running") < 0, "it is said to run")
    else:
        runtime.fails("state", runtime.container_id)


@case("runtime.md#lifecycle", "MUST NOT", "changes of config.json after create have no effect")
def config_is_read_once(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = ["touch", "/first"]
    runtime.config["hooks"] = {"poststop": [hook(f"touch {runtime.directory}/first-hook")]}
    runtime.create()
    runtime.config["process"]["args"] = ["touch", "/second"]
    runtime.config["hooks"] = {"poststop": [hook(f"touch {runtime.directory}/second-hook")]}
    runtime.bundle.write()
    runtime.ok("start", runtime.container_id)
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)
    check((runtime.rootfs / "first").exists(), "the first program didn't run")
    check(not (runtime.rootfs / "second").exists(), "the second program ran")
    check(not (runtime.directory / "second-hook").exists(), "the second hook ran")


@case("runtime.md#start", "MUST", "start without a process in the config is an error", "process")
def start_without_process(runtime: Runtime) -> None:
    del runtime.config["process"]
    runtime.bundle.write()
    if runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id).returncode == 0:
        runtime.fails("start", runtime.container_id)


@case("runtime.md#start", "MUST", "start runs the user's program", "process.args")
def start_runs(runtime: Runtime) -> None:
    runtime.bundle.shell("touch /ran")
    runtime.start()
    runtime.until("stopped")
    check((runtime.rootfs / "ran").exists(), "the program didn't run")


@case("runtime.md#start", "MUST", "start without an id, or of a container that doesn't exist, is an error")
def start_unknown(runtime: Runtime) -> None:
    runtime.fails("start")
    runtime.fails("start", runtime.container_id)


@case("runtime.md#start", "MUST", "start of a running container is an error and has no effect")
def start_running(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = SLEEP
    runtime.start()
    before = runtime.until("running")
    runtime.fails("start", runtime.container_id)
    check(runtime.state() == before, "the container changed")


@case("runtime.md#start", "MUST", "start of a stopped container is an error and has no effect")
def start_stopped(runtime: Runtime) -> None:
    runtime.bundle.shell("echo ran >>/count")
    runtime.start()
    runtime.until("stopped")
    runtime.fails("start", runtime.container_id)
    check(runtime.state()["status"] == "stopped", "the status changed")
    check((runtime.rootfs / "count").read_text() == "ran\n", "the program ran again")
