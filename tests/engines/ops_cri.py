"""Operations of the CRI: the lives of pods and containers, and processes in them."""

from concurrent.futures import ThreadPoolExecutor

from tests.engines.cri import CRI, NODE
from tests.engines.matrix import operation
from tests.engines.ops_ctr import has_size
from tests.engines.stream import STDERR, STDOUT
from tests.system.runtime import until

CREATED, RUNNING, EXITED = range(3)
READY, NOT_READY = range(2)
UNTIL_TOLD = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"


@operation("cri")
def cri_pod(engine: CRI) -> None:
    """A pod: run, stopped, removed; the runtime and the network are ready."""
    assert {each.type: each.status for each in engine("Status").status.conditions} == {
        "RuntimeReady": True, "NetworkReady": True,
    }  # fmt: skip
    with engine.pod() as pod:
        assert engine("PodSandboxStatus", pod_sandbox_id=pod.id).status.state == READY
        assert engine("PodSandboxStatus", pod_sandbox_id=pod.id).status.runtime_handler == engine.runtime.name
        engine("StopPodSandbox", pod_sandbox_id=pod.id)
        assert engine("PodSandboxStatus", pod_sandbox_id=pod.id).status.state == NOT_READY


@operation("cri")
def cri_container(engine: CRI) -> None:
    """A container: created, started, at its end, removed; another attempt in the same pod."""
    with engine.pod() as pod:
        for code, reason in ((0, "Completed"), (5, "Error")):
            container = pod.create("sh", "-c", f"exit {code}")
            assert container.status().state == CREATED
            container("StartContainer")
            ended = container.ended()
            assert (ended.state, ended.exit_code, ended.reason) == (EXITED, code, reason)
            assert ended.created_at < min(ended.started_at, ended.finished_at)
            container("RemoveContainer")
            assert "not found" in container.refusal("ContainerStatus")


@operation("cri")
def cri_quick_exits(engine: CRI) -> None:
    """Containers that exit at once, 40 in a pod: the exit status each time."""
    with engine.pod() as pod, ThreadPoolExecutor(4) as pool:
        containers = list(pool.map(lambda code: pod.start("sh", "-c", f"exit {code}"), range(40)))
        assert [each.ended().exit_code for each in containers] == list(range(40))


@operation("cri")
def cri_stop(engine: CRI) -> None:
    """StopContainer: the signal is obeyed; or a timeout, and then killed; a second time."""
    with engine.pod() as pod:
        obeying = pod.start("sh", "-c", UNTIL_TOLD)
        until(lambda: "ready" in obeying.log.read_text())
        obeying("StopContainer", timeout=10)
        assert obeying.status().exit_code == 9
        deaf = pod.start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done")
        until(lambda: "ready" in deaf.log.read_text())
        deaf("StopContainer", timeout=1)
        assert deaf.status().exit_code == 137
        deaf("StopContainer", timeout=1)


@operation("cri")
def cri_restarted(engine: CRI) -> None:
    """containerd ended and started again: what ran goes on, what ended meanwhile is known."""
    with engine.pod() as pod:
        lasting = pod.start()
        ending = pod.start("sh", "-c", "until [ -e /tmp/go ]; do sleep 0.01; done; exit 7")
        pid, _ = engine.task(ending.id)
        engine.halt()
        engine.machine.run("touch", f"/proc/{pid}/root/tmp/go")
        until(lambda: pid not in engine.machine.processes())
        engine.launch()
        until(engine.answers, "the CRI")
        assert ending.ended().exit_code == 7
        assert lasting.status().state == RUNNING
        assert lasting.exec("echo", "on") == "on\n"
        lasting("StopContainer", timeout=0)


@operation("cri")
def cri_remove_running(engine: CRI) -> None:
    """RemoveContainer, StopPodSandbox: of containers that run."""
    with engine.pod() as pod:
        pod.start()("RemoveContainer")
        left = pod.start()
        engine("StopPodSandbox", pod_sandbox_id=pod.id)
        assert left.status().state == EXITED


@operation("cri")
def cri_missing(engine: CRI) -> None:
    """A program that isn't there, or may not be executed: the reason, and the exit status for it."""
    with engine.pod() as pod:
        for program, reason in (("/no/such/program", "no such file"), ("/etc/not-executable", "permission denied")):
            container = pod.create(program)
            assert reason in container.refusal("StartContainer")
            assert (container.status().reason, container.status().exit_code) == ("StartError", 128)


@operation("cri")
def cri_log(engine: CRI) -> None:
    """Logs: streams told apart, a line without an end, ReopenContainerLog."""
    script = "echo out; echo err >&2; until [ -e /tmp/go ]; do sleep 0.01; done; printf partial"
    with engine.container("sh", "-c", script) as container:
        until(lambda: container.log.read_text().count("\n") == 2)
        assert sorted(line.split(" ")[1:] for line in container.log.read_text().splitlines()) == [
            ["stderr", "F", "err"], ["stdout", "F", "out"],
        ]  # fmt: skip
        container.log.rename(container.log.with_suffix(".1"))
        container("ReopenContainerLog")
        container.exec("touch", "/tmp/go")
        container.ended()
        assert container.says().strip() == "partial"


@operation("cri")
def cri_process(engine: CRI) -> None:
    """Environment, working directory, arguments; the pod's hostname."""
    environment = [{"key": "WORD", "value": "mine"}]
    with engine.pod(network=True, hostname="of-pod") as pod:
        script = "echo $WORD; pwd; hostname; echo $0"
        said = pod.says(script, envs=environment, args=["argument"], working_dir="/home/user")
        assert said == "mine\n/home/user\nof-pod\nargument\n"


@operation("cri")
def cri_exec_sync(engine: CRI) -> None:
    """ExecSync: stdout, stderr, exit status; a program that isn't there; a container that has ended."""
    with engine.container() as container:
        done = container("ExecSync", cmd=["sh", "-c", "echo out; echo err >&2; exit 7"], timeout=10)
        assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 7)
        assert "no such file" in container.refusal("ExecSync", cmd=["/no/such/program"], timeout=10)
        container("StopContainer", timeout=0)
        assert "state" in container.refusal("ExecSync", cmd=["true"], timeout=10)


@operation("cri")
def cri_exec_timeout(engine: CRI) -> None:
    """ExecSync: a timeout, after which the process is gone."""
    with engine.container() as container:
        assert "timeout 1s exceeded" in container.refusal("ExecSync", cmd=["sleep", "1001"], timeout=1)
        assert "1001" not in container.exec("ps")


@operation("cri")
def cri_exec_together(engine: CRI) -> None:
    """ExecSync, 20 at once in one container: no byte of output lost."""
    expected = "".join(f"line {number}\n" for number in range(2000))
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done"
    with engine.container() as container, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: container.exec("sh", "-c", script, timeout=30), range(20))) == [expected] * 20


@operation("cri")
def cri_exec_stream(engine: CRI) -> None:
    """Exec: stdin, stdout, stderr, exit status."""
    script = "read line; echo got $line; echo err >&2; exit 4"
    command = ["sh", "-c", script]
    with (
        engine.container() as container,
        container.stream("Exec", cmd=command, stdin=True, stdout=True, stderr=True) as stream,
    ):
        stream.send("word\n")
        assert stream.wait_for("\n") == "got word\n"
        assert stream.wait_for("\n", STDERR) == "err\n"
        assert stream.wait() == 4


@operation("cri")
def cri_exec_tty(engine: CRI) -> None:
    """Exec with a terminal: its size, resizing, what is typed, exit status."""
    script = f"tty; {has_size(33, 99)}; echo first; {has_size(44, 111)}; echo second; read line; echo got $line; exit 5"
    command = ["sh", "-c", script]
    with (
        engine.container() as container,
        container.stream("Exec", cmd=command, stdin=True, stdout=True, tty=True) as stream,
    ):
        stream.resize(33, 99)
        assert stream.wait_for("first").startswith("/dev/pts/0")
        stream.resize(44, 111)
        stream.wait_for("second")
        stream.send("word\n")
        stream.wait_for("got word")
        assert stream.wait() == 5


@operation("cri")
def cri_exec_ttys(engine: CRI) -> None:
    """Exec with terminals, 10 at once in one container: no byte of output lost."""
    command = ["sh", "-c", "i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; read line"]
    expected = "".join(f"line {number}\n" for number in range(1000))
    with engine.container() as container:

        def session(_: int) -> str:
            with container.stream("Exec", cmd=command, stdin=True, stdout=True, tty=True) as stream:
                stream.wait_for("line 999")
                stream.send("\n")
                assert stream.wait() == 0
                return stream.said[STDOUT].replace("\r", "").rstrip("\n") + "\n"

        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(session, range(10))) == [expected] * 10


@operation("cri")
def cri_attach_tty(engine: CRI) -> None:
    """Attach to a container with a terminal: its size, what is typed."""
    script = f"{has_size(30, 90)}; echo ready; read line; echo got $line; exit 6"
    with (
        engine.container("sh", "-c", script, tty=True, stdin=True) as container,
        container.stream("Attach", stdin=True, stdout=True, tty=True) as stream,
    ):
        stream.resize(30, 90)
        stream.wait_for("ready")
        stream.send("word\n")
        stream.wait_for("got word")
        assert container.ended().exit_code == 6


@operation("cri")
def cri_attach(engine: CRI) -> None:
    """Attach to a container without a terminal: stdin, stdout, stderr."""
    script = "read line; echo got $line; echo err >&2; read line"
    with (
        engine.container("sh", "-c", script, stdin=True) as container,
        container.stream("Attach", stdin=True, stdout=True, stderr=True) as stream,
    ):
        stream.send("word\n")
        assert stream.wait_for("\n") == "got word\n"
        assert stream.wait_for("\n", STDERR) == "err\n"
        stream.send("\n")
        assert container.ended().exit_code == 0


@operation("cri")
def cri_stats(engine: CRI) -> None:
    """ContainerStats, PodSandboxStats: CPU time, memory."""
    with engine.pod(linux={"security_context": NODE, "cgroup_parent": "/kubepods"}) as pod:
        container = pod.start("sh", "-c", "x=0; while [ $x -lt 50000 ]; do x=$((x+1)); done; sleep 1000")

        def used() -> bool:
            stats = container("ContainerStats").stats
            return stats.cpu.usage_core_nano_seconds.value > 0 and stats.memory.working_set_bytes.value > 0

        until(used)
        stats = engine("PodSandboxStats", pod_sandbox_id=pod.id).stats.linux
        assert [each.attributes.id for each in stats.containers] == [container.id]
        assert stats.cpu.usage_core_nano_seconds.value > 0
        assert stats.memory.working_set_bytes.value > 0
