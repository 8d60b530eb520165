"""runtime.md: the state, and the operation that asks for it."""

import json
import os
import re
from pathlib import Path
from typing import Any

from conformance.harness import Runtime, case, check, hook

STATUSES = ("creating", "created", "running", "stopped")


def check_shape(state: dict[str, Any]) -> None:
    """A state is as the specification's schema of it says."""
    for name, kind in (("ociVersion", str), ("id", str), ("status", str), ("bundle", str)):
        check(isinstance(state.get(name), kind), f"{name} is {state.get(name)!r}")
    check(re.fullmatch(r"\d+\.\d+\.\d+.*", state["ociVersion"]), f"ociVersion is {state['ociVersion']!r}")
    check(state["status"] in STATUSES, f"status is {state['status']!r}")
    pid = state.get("pid", 0)
    check(isinstance(pid, int) and pid >= 0, f"pid is {pid!r}")
    annotations = state.get("annotations", {})
    check(all(isinstance(value, str) for value in annotations.values()), f"annotations are {annotations!r}")


@case("runtime.md#state", "MUST", "the state has the spec's version, the id, the status and the bundle", "ociVersion")
def state_members(runtime: Runtime) -> None:
    runtime.create()
    state = runtime.state()
    check_shape(state)
    check(state["ociVersion"].startswith("1."), f"ociVersion is {state['ociVersion']!r}")
    check(state["id"] == runtime.container_id, f"id is {state['id']!r}")
    check(state["status"] == "created", f"status is {state['status']!r}")


@case("runtime.md#state", "MUST", "bundle is an absolute path, even if create was given another")
def state_bundle_absolute(runtime: Runtime) -> None:
    runtime.bundle.write()
    runtime.ok("create", "--bundle", os.path.relpath(runtime.bundle.path), runtime.container_id)
    bundle = runtime.state()["bundle"]
    check(os.path.isabs(bundle) and runtime.bundle.path.samefile(bundle), f"bundle is {bundle!r}")


@case("runtime.md#state", "MUST", "pid is there while the status is created or running, and is the container's process")
def state_pid(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = ["sleep", "1000"]
    runtime.create()
    created = runtime.state()["pid"]
    check(created > 0, "a created container has no pid")
    check(os.readlink(f"/proc/{created}/ns/pid") != os.readlink("/proc/self/ns/pid"), "pid is another process")
    runtime.ok("start", runtime.container_id)
    running = runtime.until("running")["pid"]
    check(running == created, f"pid is {running}, and was {created}")
    check(b"sleep" in Path(f"/proc/{running}/cmdline").read_bytes(), "pid isn't the program")


@case("runtime.md#state", "MUST", "the pid a hook in the runtime namespace sees is the runtime's view of it")
def state_pid_for_runtime_hooks(runtime: Runtime) -> None:
    log = runtime.directory / "state-of-hook"
    runtime.config["hooks"] = {"createRuntime": [hook(f"cat >{log}")]}
    runtime.create()
    seen = json.loads(log.read_text())["pid"]
    check(seen == runtime.state()["pid"], f"the hook sees {seen}")


@case(
    "runtime.md#state",
    "MUST",
    "the pid a hook in the container namespace sees is the container's view of it",
    since="1.1.0",
    note="The text has no keyword, but defines what pid is for a hook in the container's namespaces: its pid there.",
)
def state_pid_for_container_hooks(runtime: Runtime) -> None:
    runtime.config["hooks"] = {"startContainer": [hook("cat >/state-of-hook")]}
    runtime.start()
    runtime.until("stopped")
    seen = json.loads((runtime.rootfs / "state-of-hook").read_text())["pid"]
    check(seen == 1, f"the hook sees {seen}")


@case("runtime.md#state", "MUST", "annotations of the config are in the state", "annotations")
def state_annotations(runtime: Runtime) -> None:
    wanted = {"org.example.key": "value", "org.example.empty": ""}
    runtime.config["annotations"] = wanted
    runtime.create()
    annotations = runtime.state()["annotations"]
    check(wanted.items() <= annotations.items(), f"annotations are {annotations!r}")


@case("runtime.md#state", "MUST", "the status is created, running and stopped when the container is that")
def state_statuses(runtime: Runtime) -> None:
    runtime.bundle.shell("touch /ready; while test ! -e /end; do sleep 0.01; done")
    runtime.create()
    check(runtime.state()["status"] == "created", "it isn't created at first")
    runtime.ok("start", runtime.container_id)
    check(runtime.state()["status"] == "running", "it isn't running after start")
    (runtime.rootfs / "end").touch()
    runtime.until("stopped")


@case("runtime.md#state", "MUST", "the state adheres to the schema, whatever the status")
def state_shape(runtime: Runtime) -> None:
    log = runtime.directory / "states"
    runtime.config["process"]["args"] = ["sleep", "1000"]
    kinds = ("createRuntime", "createContainer", "poststart", "poststop")
    runtime.config["hooks"] = {kind: [hook(f"cat >>{log}; echo >>{log}")] for kind in kinds}
    runtime.start()
    check_shape(runtime.state())
    runtime.ok("kill", runtime.container_id, "KILL")
    check_shape(runtime.until("stopped"))
    runtime.ok("delete", runtime.container_id)
    states = [json.loads(line) for line in log.read_text().splitlines() if line]
    check(len(states) == len(kinds), f"{len(states)} hooks got a state")
    for state in states:
        check_shape(state)


@case("runtime.md#query-state", "MUST", "state of a container that doesn't exist is an error")
def state_of_unknown(runtime: Runtime) -> None:
    runtime.fails("state", runtime.container_id)


@case("runtime.md#query-state", "MUST", "state without an id is an error")
def state_without_id(runtime: Runtime) -> None:
    runtime.fails("state")
