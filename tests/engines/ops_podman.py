"""Operations of podman alone: pods, health, hooks, and how it calls the runtime."""

import json

from tests.engines.commandline import IMAGE, PODMAN
from tests.engines.matrix import operation
from tests.engines.podman import Podman
from tests.system.runtime import until

KUBE = """
apiVersion: v1
kind: Pod
metadata:
  name: played
spec:
  restartPolicy: Never
  containers:
  - name: one
    image: localhost/bb:latest
    command: ["sh", "-c", "echo from $WHO; sleep 1000"]
    env:
    - name: WHO
      value: kube
"""
INFRA = ("--infra-image", IMAGE, "--infra-command", "/bin/sleep 3600")


@operation(*PODMAN)
def pod(engine: Podman) -> None:
    """pod create: network, IPC and host name shared; stop, start, rm."""
    engine("pod", "create", *INFRA, "--network", "none", "--hostname", "podded", "--name", "pod")
    try:
        serve = "echo x >/dev/shm/x; echo served >/tmp/index.html; httpd -p 80 -h /tmp; exec sleep 1000"
        engine("run", "-d", "--pod", "pod", "--name", "one", IMAGE, "sh", "-c", serve)
        script = "until wget -q -O - http://127.0.0.1/ 2>/dev/null; do :; done; cat /dev/shm/x; hostname"
        assert engine.inside(script, "--pod", "pod") == "served\nx\npodded\n"
        engine("pod", "stop", "-t", "0", "pod")
        assert engine.state("one")["Status"] == "exited"
        engine("pod", "start", "pod")
        assert engine.state("one")["Status"] == "running"
        assert "sleep 1000" in engine("pod", "top", "pod").out
    finally:
        engine("pod", "rm", "-f", "-t", "0", "pod")


@operation(*PODMAN)
def pod_pid(engine: Podman) -> None:
    """pod create --share pid: the processes of all."""
    engine("pod", "create", *INFRA, "--network", "none", "--share", "pid,ipc", "--name", "pod")
    try:
        engine("run", "-d", "--pod", "pod", IMAGE, "sleep", "1234")
        said = engine.inside("ps", "--pod", "pod")
        assert "sleep 1234" in said
        assert "sleep 3600" in said
    finally:
        engine("pod", "rm", "-f", "-t", "0", "pod")


@operation("podman")
def pod_limits(engine: Podman) -> None:
    """pod create --cpus, pod pause, pod kill."""
    engine("pod", "create", *INFRA, "--network", "none", "--cpus", "0.5", "--name", "pod")
    try:
        engine("run", "-d", "--pod", "pod", "--name", "one", IMAGE, "sleep", "1234")
        engine("pod", "pause", "pod")
        assert engine.state("one")["Status"] == "paused"
        engine("pod", "unpause", "pod")
        engine("pod", "kill", "pod")
        assert engine("wait", "one").out.strip() == "137"
    finally:
        engine("pod", "rm", "-f", "-t", "0", "pod")


@operation(*PODMAN)
def play_kube(engine: Podman) -> None:
    """play kube: a pod as Kubernetes describes it."""
    file = engine.place / "pod.yaml"
    file.write_text(KUBE)
    flags = ("-c", "ENV PATH=/bin", "-c", 'CMD ["/bin/sleep", "3600"]')
    engine("import", *flags, engine.image.tar, "infra:latest")
    settings = engine.settings.read_text()
    engine.settings.write_text(settings.replace("[engine]", '[engine]\ninfra_image = "localhost/infra:latest"'))
    try:
        engine("play", "kube", "--network", "none", file)
        until(lambda: engine("logs", "played-one").out == "from kube\n", "its word")
        engine("play", "kube", "--down", file)
    finally:
        engine.settings.write_text(settings)
        engine.sweep()


@operation(*PODMAN)
def hooks(engine: Podman) -> None:
    """run --hooks-dir: hooks of every kind, with the state on stdin."""
    directory = engine.place / "hooks"
    directory.mkdir()
    output = engine.place / "storage/hooked"
    program = directory / "hook.sh"
    program.write_text(f'#!/bin/sh\necho "$1 $(cat)" >>{output}\n')
    program.chmod(0o755)
    kinds = ("prestart", "poststart", "poststop")
    for kind in kinds:
        hook = {"path": str(program), "args": ["hook", kind]}
        document = {"version": "1.0.0", "hook": hook, "when": {"always": True}, "stages": [kind]}
        (directory / f"{kind}.json").write_text(json.dumps(document))
    done = engine("--hooks-dir", directory, "run", "--rm", *engine.usual, IMAGE, "echo", "ran")
    assert done.out == "ran\n"
    lines = [line.split(" ", 1) for line in output.read_text().splitlines()]
    assert [kind for kind, _ in lines] == list(kinds)
    assert [json.loads(text)["status"] for _, text in lines][2] == "stopped"
    output.unlink()


@operation(*PODMAN)
def runtime_flag(engine: Podman) -> None:
    """--runtime-flag: debug, root."""
    root = engine.place / "storage/flagged"
    done = engine("--runtime-flag", "debug", "run", "--rm", *engine.usual, IMAGE, "echo", "ran")
    assert done.out == "ran\n"
    name = engine("--runtime-flag", f"root={root}", "run", "-d", *engine.usual, IMAGE, "sleep", "1000").out.strip()
    try:
        assert (root / name).exists()
    finally:
        engine("--runtime-flag", f"root={root}", "rm", "-f", "-t", "0", name)
        # What podman runs when the container has ended comes without the flag.
        engine.machine.run(*engine.become(), engine.runtime.path, "--root", root, "delete", "--force", name)


@operation(*PODMAN)
def errors_without_json(engine: Podman) -> None:
    """Errors of a runtime that podman doesn't know to write JSON: 127 and 126 all the same."""
    settings = engine.settings.read_text()
    engine.settings.write_text(settings.replace('"runc", "crun", "ocipy"', '"nothing"'))
    try:
        assert "no-such-program" in engine.run(command=("no-such-program",), status=127).err
        assert "permission denied" in engine.run(command=("/etc/not-executable",), status=126).err.lower()
    finally:
        engine.settings.write_text(settings)


@operation(*PODMAN)
def info(engine: Podman) -> None:
    """info: the runtime, its path and version."""
    found = json.loads(engine("info", "--format", "json").out)["host"]["ociRuntime"]
    assert found["path"] == engine.runtime.path
    assert engine.runtime.name in found["version"]
    assert "spec: 1." in found["version"]
