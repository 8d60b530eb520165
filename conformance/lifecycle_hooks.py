"""runtime.md: the lifecycle's steps that run hooks, and what a hook that fails does."""

import json

from conformance.harness import SLEEP, Runtime, case, check, hook

AT_CREATE = ("prestart", "createRuntime", "createContainer")
RUNTIME_KINDS = ("prestart", "createRuntime", "poststart", "poststop")
PROPERTIES = tuple(f"hooks.{kind}" for kind in RUNTIME_KINDS)


@case(
    "runtime.md#lifecycle",
    "MUST",
    "hooks of each kind run at their step, in the order of the lifecycle, with the state on stdin",
    *(f"hooks.{kind}" for kind in (*AT_CREATE, "startContainer", "poststart", "poststop")),
    since="1.0.2",
    note="poststart hooks belong to start: a runtime that runs them with create runs them before there is a program.",
)
def hooks_in_order(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    kinds = (*AT_CREATE, "poststart", "poststop")
    runtime.config["process"]["args"] = SLEEP
    runtime.config["hooks"] = {kind: [hook(f"echo {kind} $(cat) >>{log}")] for kind in kinds}
    runtime.config["hooks"]["startContainer"] = [hook("cat >/state-at-start")]

    def seen() -> list[str]:
        return [line.split()[0] for line in log.read_text().splitlines()]

    runtime.create()
    check(seen() == list(AT_CREATE), f"create ran {seen()}")
    check(not (runtime.rootfs / "state-at-start").exists(), "create ran startContainer")
    runtime.ok("start", runtime.container_id)
    check((runtime.rootfs / "state-at-start").exists(), "start didn't run startContainer")
    check(seen() == [*AT_CREATE, "poststart"], f"after start there were {seen()}")
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)
    check(seen() == list(kinds), f"the order was {seen()}")
    states = [json.loads(line.split(" ", 1)[1]) for line in log.read_text().splitlines()]
    check(all(state["id"] == runtime.container_id for state in states), "a state names another container")


@case("runtime.md#lifecycle", "MUST", "the states on stdin have the status of their step", *PROPERTIES)
def hooks_see_the_status(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    runtime.config["process"]["args"] = SLEEP
    runtime.config["hooks"] = {kind: [hook(f"cat >{log}.{kind}")] for kind in RUNTIME_KINDS}
    runtime.start()
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)
    statuses = {kind: json.loads((log.parent / f"log.{kind}").read_text())["status"] for kind in RUNTIME_KINDS}
    check(statuses["prestart"] in ("creating", "created"), f"prestart sees {statuses['prestart']}")
    check(statuses["createRuntime"] in ("creating", "created"), f"createRuntime sees {statuses['createRuntime']}")
    check(statuses["poststart"] == "running", f"poststart sees {statuses['poststart']}")
    check(statuses["poststop"] == "stopped", f"poststop sees {statuses['poststop']}")


def failing_at_create(kind: str) -> None:
    """The case that a hook of this kind, which create runs, fails."""

    def run(runtime: Runtime) -> None:
        log = runtime.directory / "log"
        runtime.config["hooks"] = {
            kind: [{"path": "/bin/false"}, hook(f"echo second >>{log}")],
            "poststop": [hook(f"echo poststop >>{log}")],
        }
        runtime.bundle.write()
        before = runtime.traces()
        runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        runtime.fails("state", runtime.container_id)
        after = runtime.traces()
        for what in ("the state", "the cgroups", "the mounts"):
            check(after[what] == before[what], f"{what} stay: {sorted(after[what] - before[what])}")
        check(log.exists(), "the poststop hook didn't run")
        check(log.read_text() == "poststop\n", "the hooks after the failing one ran")

    run.__name__ = f"failing_{kind}_hook"
    note = "Step 12 destroys the container and step 13 runs the poststop hooks: a failing hook continues there."
    says = f"a failing {kind} hook fails create; the container is destroyed, and poststop hooks run"
    case("runtime.md#lifecycle", "MUST", says, f"hooks.{kind}", "hooks.poststop", since="1.0.2", note=note)(run)


for each in AT_CREATE:
    failing_at_create(each)


def fails_start(runtime: Runtime, kind: str) -> None:
    """A failing hook of this kind fails start; the program is stopped, the container destroyed, poststop hooks run."""
    log = runtime.directory / "log"
    runtime.config["process"]["args"] = SLEEP
    failing = {"path": "/bin/false"}
    runtime.config["hooks"] = {kind: [failing], "poststop": [hook(f"echo poststop >>{log}")]}
    runtime.create()
    pid = runtime.state()["pid"]
    runtime.fails("start", runtime.container_id)
    done = runtime("state", runtime.container_id)
    if done.returncode == 0:
        check(json.loads(done.stdout)["status"] == "stopped", f"the container of {pid} is still there, and not stopped")
    check(log.exists(), "the poststop hook didn't run")


@case(
    "runtime.md#lifecycle",
    "MUST",
    "a failing startContainer hook fails start; the container is destroyed, and poststop hooks run",
    "hooks.startContainer",
    "hooks.poststop",
    since="1.0.2",
    note="It is the start operation that fails, not the container some time after it returned.",
)
def failing_start_container_hook(runtime: Runtime) -> None:
    fails_start(runtime, "startContainer")


@case(
    "runtime.md#lifecycle",
    "MUST",
    "a failing poststart hook fails start; the container is destroyed, and poststop hooks run",
    "hooks.poststart",
    "hooks.poststop",
    since="1.3.0",
    note="Before 1.3 a warning was asked for, and the container went on.",
)
def failing_poststart_hook(runtime: Runtime) -> None:
    fails_start(runtime, "poststart")


@case(
    "runtime.md#lifecycle",
    "MUST",
    "a failing poststop hook is a warning: the others run, and delete succeeds",
    "hooks.poststop",
)
def failing_poststop_hook(runtime: Runtime) -> None:
    second = runtime.directory / "second"
    runtime.config["hooks"] = {"poststop": [{"path": "/bin/false"}, hook(f"touch {second}")]}
    runtime.start()
    runtime.until("stopped")
    done = runtime("delete", runtime.container_id)
    check(done.returncode == 0, f"delete failed: {done.stderr.strip()}")
    check(done.stderr.strip(), "there is no warning")
    check(second.exists(), "the hook after it didn't run")
    runtime.fails("state", runtime.container_id)
