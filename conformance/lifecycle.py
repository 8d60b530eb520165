"""runtime.md: state, lifecycle, operations."""

import json

from conformance.harness import SLEEP, Runtime, case, check


@case("runtime.md#state", "MUST", "the state has ociVersion, id, status, bundle, and the pid while there is a process")
def state_members(runtime: Runtime) -> None:
    runtime.bundle.config["annotations"] = {"org.example.key": "value"}
    runtime.create()
    state = runtime.state()
    check(state["id"] == runtime.container_id, f"id is {state['id']!r}")
    check(state["bundle"] == str(runtime.bundle.path), f"bundle is {state['bundle']!r}")
    check(state["status"] == "created", f"status is {state['status']!r}")
    check(isinstance(state["ociVersion"], str), "ociVersion is missing")
    check(state["pid"] > 0, "pid is missing")
    check(state["annotations"]["org.example.key"] == "value", "annotations are missing")


@case("runtime.md#query-state", "MUST", "state of a container that doesn't exist is an error")
def state_of_unknown(runtime: Runtime) -> None:
    runtime.fails("state", runtime.container_id)


@case("runtime.md#query-state", "MUST", "state without an id is an error")
def state_without_id(runtime: Runtime) -> None:
    runtime.fails("state")


@case("runtime.md#create", "MUST", "create runs none of the user's program")
def create_runs_nothing(runtime: Runtime) -> None:
    runtime.bundle.shell("touch /ran")
    runtime.create()
    check(not (runtime.bundle.rootfs / "ran").exists(), "the program ran")


@case("runtime.md#create", "MUST", "an id in use is refused, and the container that has it is untouched")
def create_twice(runtime: Runtime) -> None:
    runtime.create()
    before = runtime.state()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(runtime.state() == before, "the first container changed")


@case("runtime.md#create", "MUST", "a create that fails makes no container")
def failed_create(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["args"] = ["/no/such/program"]
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    runtime.fails("state", runtime.container_id)


@case("runtime.md#create", "MUST", "changes of config.json after create have no effect")
def config_is_read_once(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["args"] = ["touch", "/first"]
    runtime.create()
    runtime.bundle.config["process"]["args"] = ["touch", "/second"]
    runtime.bundle.write()
    runtime.ok("start", runtime.container_id)
    runtime.until("stopped")
    check((runtime.bundle.rootfs / "first").exists(), "the first program didn't run")
    check(not (runtime.bundle.rootfs / "second").exists(), "the second program ran")


@case("runtime.md#start", "MUST", "start runs the user's program")
def start_runs(runtime: Runtime) -> None:
    runtime.bundle.shell("touch /ran")
    runtime.create()
    runtime.ok("start", runtime.container_id)
    runtime.until("stopped")
    check((runtime.bundle.rootfs / "ran").exists(), "the program didn't run")


@case("runtime.md#start", "MUST", "start without an id, or of a container that doesn't exist, is an error")
def start_unknown(runtime: Runtime) -> None:
    runtime.fails("start")
    runtime.fails("start", runtime.container_id)


@case("runtime.md#start", "MUST", "start of a container that isn't created is an error and has no effect")
def start_twice(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["args"] = SLEEP
    runtime.create()
    runtime.ok("start", runtime.container_id)
    before = runtime.until("running")
    runtime.fails("start", runtime.container_id)
    check(runtime.state() == before, "the container changed")


@case("runtime.md#kill", "MUST", "kill sends the signal to the container's process")
def kill_signals(runtime: Runtime) -> None:
    runtime.bundle.shell("trap 'touch /caught; exit' USR1; touch /ready; while :; do sleep 0.01; done")
    runtime.create()
    runtime.ok("start", runtime.container_id)
    runtime.until("running")
    while not (runtime.bundle.rootfs / "ready").exists():
        runtime.state()
    runtime.ok("kill", runtime.container_id, "USR1")
    runtime.until("stopped")
    check((runtime.bundle.rootfs / "caught").exists(), "the signal didn't arrive")


@case("runtime.md#kill", "MUST", "kill of a container that is neither created nor running is an error")
def kill_stopped(runtime: Runtime) -> None:
    runtime.create()
    runtime.ok("start", runtime.container_id)
    runtime.until("stopped")
    runtime.fails("kill", runtime.container_id, "KILL")


@case("runtime.md#kill", "MUST", "kill without an id is an error")
def kill_without_id(runtime: Runtime) -> None:
    runtime.fails("kill")


@case("runtime.md#delete", "MUST", "delete of a container that isn't stopped is an error and has no effect")
def delete_running(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["args"] = SLEEP
    runtime.create()
    runtime.ok("start", runtime.container_id)
    runtime.until("running")
    runtime.fails("delete", runtime.container_id)
    check(runtime.state()["status"] == "running", "the container was harmed")


@case("runtime.md#delete", "MUST", "delete without an id, or of a container that doesn't exist, is an error")
def delete_unknown(runtime: Runtime) -> None:
    runtime.fails("delete")
    runtime.fails("delete", runtime.container_id)


@case("runtime.md#delete", "MUST", "after delete the container is gone and its id may be used again")
def delete_frees_id(runtime: Runtime) -> None:
    for _ in range(2):
        runtime.create()
        runtime.ok("start", runtime.container_id)
        runtime.until("stopped")
        runtime.ok("delete", runtime.container_id)
        runtime.fails("state", runtime.container_id)


@case("runtime.md#lifecycle", "MUST", "hooks of each kind run in order, with the state on stdin")
def hooks_in_order(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    kinds = ("prestart", "createRuntime", "poststart", "poststop")
    runtime.bundle.config["process"]["args"] = SLEEP
    runtime.bundle.config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind} $(cat) >>{log}"]}] for kind in kinds
    }
    runtime.create()
    early = [line.split()[0] for line in log.read_text().splitlines()]
    check(early == list(kinds[:2]), f"create ran {early}")
    runtime.ok("start", runtime.container_id)
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    check([kind for kind, _ in lines] == list(kinds), f"the order was {[kind for kind, _ in lines]}")
    check(all(json.loads(state)["id"] == runtime.container_id for _, state in lines), "a state names another container")
    statuses = [json.loads(state)["status"] for _, state in lines]
    check(statuses[2:] == ["running", "stopped"], f"the statuses were {statuses}")


@case("runtime.md#lifecycle", "MUST", "a failing createRuntime hook fails create, and poststop hooks still run")
def failing_hook(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    runtime.bundle.config["hooks"] = {
        "createRuntime": [{"path": "/bin/false"}],
        "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo poststop >>{log}"]}],
    }
    runtime.bundle.write()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    runtime.fails("state", runtime.container_id)
    check(log.exists(), "the poststop hook didn't run")
