"""config.md: hooks: what each is given, in which namespaces its path is looked up and it runs, and when."""

import json
import os
import time

from conformance import host
from conformance.harness import SLEEP, Runtime, case, check, hook

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
IN_RUNTIME_NAMESPACE = ("prestart", "createRuntime", "poststart", "poststop")
NAMESPACES = ("mnt", "uts", "ipc", "net", "pid")
PID = """sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p'"""  # of the state on stdin
LINKS = "for n in " + " ".join(NAMESPACES) + "; do readlink /proc/self/ns/$n; done"


def whole_life(runtime: Runtime) -> None:
    """From create to delete."""
    runtime.config["process"]["args"] = SLEEP
    runtime.start()
    runtime.ok("kill", runtime.container_id, "KILL")
    runtime.until("stopped")
    runtime.ok("delete", runtime.container_id)


def own_namespaces() -> list[str]:
    return [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES]


@case("config.md#posix-platform-hooks", "MUST", "hooks of one kind run in the listed order", "hooks.createRuntime")
def hooks_in_listed_order(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    runtime.config["hooks"] = {
        kind: [hook(f"echo {kind}{number} >>{log}") for number in range(3)] for kind in ("createRuntime", "poststop")
    }
    whole_life(runtime)
    wanted = [f"{kind}{number}" for kind in ("createRuntime", "poststop") for number in range(3)]
    check(log.read_text().split() == wanted, f"they ran as {log.read_text().split()}")


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "the state is on every hook's stdin",
    *(f"hooks.{kind}[].path" for kind in KINDS),
    since="1.0.2",
)
def hooks_get_the_state(runtime: Runtime) -> None:
    for kind in KINDS:
        place = "" if kind == "startContainer" else runtime.directory
        runtime.config.setdefault("hooks", {})[kind] = [hook(f"cat >{place}/state-{kind}")]
    whole_life(runtime)
    for kind in KINDS:
        directory = runtime.rootfs if kind == "startContainer" else runtime.directory
        path = directory / f"state-{kind}"
        check(path.exists(), f"no {kind} hook ran")
        check(json.loads(path.read_text())["id"] == runtime.container_id, f"{kind}: the state is another's")


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "args and env are the hook's, and without them it has its path alone and no environment",
    *(f"hooks.{kind}[].{name}" for kind in KINDS for name in ("args", "env")),
    since="1.0.2",
    note="Like execv's: an env that isn't given is an empty one; runc and crun pass on their own.",
)
def hooks_args_and_env(runtime: Runtime) -> None:
    script = runtime.directory / "hook"
    log = runtime.directory / "log"
    script.write_text(f'#!/bin/sh\necho "$0|$*|$GREETING|$INHERITED" >>{log}\n')
    script.chmod(0o755)
    runtime.prefix = ["env", "INHERITED=from-the-runtime"]
    for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop"):
        given = {"path": str(script), "args": ["name", kind, "two words"], "env": ["GREETING=hello world"]}
        runtime.config.setdefault("hooks", {})[kind] = [given, {"path": str(script)}]
    inside = runtime.rootfs / "hook"
    inside.write_text('#!/bin/sh\necho "$*|$GREETING|$INHERITED" >>/log\n')
    inside.chmod(0o755)
    given = {"path": "/hook", "args": ["name", "startContainer", "two words"], "env": ["GREETING=hello world"]}
    runtime.config["hooks"]["startContainer"] = [given]
    whole_life(runtime)
    lines = log.read_text().splitlines()
    wanted = []
    for kind in ("prestart", "createRuntime", "createContainer", "poststart", "poststop"):
        wanted += [f"{script}|{kind} two words|hello world|", f"{script}|||"]
    check(lines == wanted, f"they got {[line for line in lines if line not in wanted][:2]}")
    text = (runtime.rootfs / "log").read_text()
    check(text == "startContainer two words|hello world|\n", f"startContainer got {text!r}")


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "a hook's path has to be absolute",
    *(f"hooks.{kind}[].path" for kind in KINDS),
    since="1.0.2",
    note="Found when the config is read: a poststop hook's relative path is an error too, before anything is made.",
)
def hooks_relative_path_refused(runtime: Runtime) -> None:
    for kind in KINDS:
        runtime.config["hooks"] = {kind: [{"path": "bin/true"}]}
        runtime.refused()


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "a hook without a path is refused",
    *(f"hooks.{kind}[].path" for kind in KINDS),
    since="1.0.2",
)
def hooks_path_required(runtime: Runtime) -> None:
    for kind in KINDS:
        runtime.config["hooks"] = {kind: [{"args": ["true"]}]}
        runtime.refused()


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "a timeout has to be greater than zero",
    *(f"hooks.{kind}[].timeout" for kind in KINDS),
    since="1.0.2",
    note="Zero and less are invalid values, which have to be an error, and not no timeout at all.",
)
def hooks_timeout_refused(runtime: Runtime) -> None:
    for kind in KINDS:
        for timeout in (0, -1):
            runtime.config["hooks"] = {kind: [{"path": "/bin/true", "timeout": timeout}]}
            runtime.refused()


@case(
    "config.md#posix-platform-hooks",
    "MUST",
    "a hook is aborted after its timeout, and that is a failure",
    "hooks.createRuntime[].timeout",
)
def hooks_timeout(runtime: Runtime) -> None:
    runtime.config["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]}
    runtime.bundle.write()
    began = time.monotonic()
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(time.monotonic() - began < 20, "it took as long as the hook")


def in_runtime_namespace(kind: str) -> None:
    """The case that hooks of this kind are found, and run, in the runtime namespace."""

    def run(runtime: Runtime) -> None:
        log = runtime.directory / "log"
        program = runtime.directory / "only-on-the-host"
        program.write_text(f"#!/bin/sh\n{{ {LINKS}; }} >{log}\n")
        program.chmod(0o755)
        runtime.config["hooks"] = {kind: [{"path": str(program)}]}
        whole_life(runtime)
        check(log.exists(), "it didn't run")
        seen = dict(zip(NAMESPACES, log.read_text().split(), strict=True))
        others = [name for name, link in zip(NAMESPACES, own_namespaces(), strict=True) if seen[name] != link]
        check(not others, f"it ran in another namespace: {others}")

    run.__name__ = f"namespace_of_{kind}_hooks"
    says = f"{kind} hooks are looked up and run in the runtime namespace"
    since = "1.0.2" if kind == "createRuntime" else "1.0.0"
    case(f"config.md#{kind.lower()}", "MUST", says, f"hooks.{kind}[].path", since=since)(run)


for each in IN_RUNTIME_NAMESPACE:
    in_runtime_namespace(each)


@case(
    "config.md#createcontainer-hooks",
    "MUST",
    "createContainer hooks are looked up in the runtime namespace and run in the container namespace",
    "hooks.createContainer[].path",
    since="1.0.2",
)
def namespace_of_create_container_hooks(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    program = runtime.directory / "only-on-the-host"
    program.write_text(f"#!/bin/sh\n{{ {LINKS}; }} >{log}\n")
    program.chmod(0o755)
    runtime.config["hooks"] = {"createContainer": [{"path": str(program)}]}
    runtime.create()
    check(log.exists(), "it didn't run")
    pid = runtime.state()["pid"]
    wanted = [os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES]
    seen = log.read_text().split()
    others = [name for name, link, own in zip(NAMESPACES, seen, wanted, strict=True) if link != own]
    check(not others, f"it ran in another namespace than the container's: {others}")


@case(
    "config.md#startcontainer-hooks",
    "MUST",
    "startContainer hooks are looked up and run in the container namespace",
    "hooks.startContainer[].path",
    since="1.0.2",
)
def namespace_of_start_container_hooks(runtime: Runtime) -> None:
    program = runtime.rootfs / "only-in-the-container"
    program.write_text(f"#!/bin/sh\n{{ {LINKS}; }} >/links\n")
    program.chmod(0o755)
    runtime.config["hooks"] = {"startContainer": [{"path": "/only-in-the-container"}]}
    pid = runtime.sleeping()
    seen = (runtime.rootfs / "links").read_text().split()
    wanted = [os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES]
    check(seen == wanted, f"it ran in {seen}, the container is in {wanted}")


@case(
    "config.md#createruntime-hooks",
    "MUST",
    "prestart, createRuntime and createContainer hooks run in this order, after the mounts and before the pivot",
    "hooks.prestart",
    "hooks.createRuntime",
    "hooks.createContainer",
    since="1.0.2",
)
def hooks_before_the_pivot(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    # A mount below the rootfs is seen under the bundle's path as long as init's root is the host's.
    count = f'grep -c "{runtime.rootfs}/proc "'
    look = f"{count} /proc/$({PID})/mountinfo"
    runtime.config["hooks"] = {
        "createContainer": [hook(f"echo createContainer $({count} /proc/self/mountinfo) >>{log}")],
        "createRuntime": [hook(f"echo createRuntime $({look}) >>{log}")],
        "prestart": [hook(f"echo prestart $({look}) >>{log}")],
    }
    runtime.create()
    lines = log.read_text().splitlines()
    wanted = ["prestart 1", "createRuntime 1", "createContainer 1"]
    check(lines == wanted, f"they were {lines} (1: the mounts are there, and the root is still the host's)")


@case(
    "config.md#startcontainer-hooks",
    "MUST",
    "startContainer hooks run with start, before the program",
    "hooks.startContainer",
    since="1.0.2",
)
def start_container_before_program(runtime: Runtime) -> None:
    runtime.config["hooks"] = {"startContainer": [hook("echo hook >>/order")]}
    runtime.bundle.shell("echo program >>/order")
    runtime.create()
    check(not (runtime.rootfs / "order").exists(), "create ran it")
    runtime.ok("start", runtime.container_id)
    runtime.until("stopped")
    order = (runtime.rootfs / "order").read_text().split()
    check(order == ["hook", "program"], f"the order was {order}")


@case(
    "config.md#poststart",
    "MUST",
    "poststart hooks run after the program is executed, and before start returns",
    "hooks.poststart",
    note="With create, where runc runs them, there is no program yet.",
)
def poststart_after_program(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    show = f'tr "\\000" " " </proc/$({PID})/cmdline >{log}'
    runtime.config["hooks"] = {"poststart": [hook(show)]}
    runtime.config["process"]["args"] = SLEEP
    runtime.create()
    check(not log.exists(), "create ran it")
    runtime.ok("start", runtime.container_id)
    check(log.exists(), "start returned before it ran")
    check(log.read_text() == "sleep 1000 ", f"the process was {log.read_text()!r} when it ran")


@case(
    "config.md#poststop",
    "MUST",
    "poststop hooks run after the container is deleted, and before delete returns",
    "hooks.poststop",
)
def poststop_after_delete(runtime: Runtime) -> None:
    log = runtime.directory / "log"
    look = "; ".join(f"test ! -d {path} || echo {path}" for path in cgroup_candidates(runtime))
    runtime.config["hooks"] = {"poststop": [hook(f"{{ {look}; }} >{log}")]}
    runtime.start()
    runtime.until("stopped")
    check(not log.exists(), "it ran before delete")
    check(runtime.cgroup_directories(), "the container had no cgroup")
    runtime.ok("delete", runtime.container_id)
    check(log.exists(), "delete returned before it ran")
    check(not log.read_text().strip(), f"the container's {log.read_text().split()} was still there")


def cgroup_candidates(runtime: Runtime) -> list[str]:
    return [f"{mount}{runtime.config['linux']['cgroupsPath']}" for mount in set(host.hierarchies().values())]
