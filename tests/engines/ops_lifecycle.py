"""Operations: signals, stops, starts, pauses, and what a container tells of itself."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.engines.commandline import ALL, CommandLine
from tests.engines.matrix import operation
from tests.system.runtime import until

NO_FREEZER = {"podman-rootless": "an ordinary user has no cgroups where cgroup v2 isn't delegated"}
TRAP = "trap 'exit 9' TERM USR1; echo ready; while :; do sleep 0.05; done"


def ready(engine: CommandLine, name: str) -> None:
    until(lambda: "ready" in engine("logs", name).out, "the container's word")


@operation(*ALL)
def stop(engine: CommandLine) -> None:
    """stop: SIGTERM, or the stop signal, and SIGKILL after the timeout."""
    with engine.container(command=("sh", "-c", TRAP)) as name:
        ready(engine, name)
        engine("stop", "-t", "20", name)
        assert engine.state(name)["ExitCode"] == 9
    with engine.container("--stop-signal", "USR1", command=("sh", "-c", TRAP)) as name:
        ready(engine, name)
        engine("stop", "-t", "20", name)
        assert engine.state(name)["ExitCode"] == 9
    with engine.container(command=("sh", "-c", "trap '' TERM; echo ready; sleep 100")) as name:
        ready(engine, name)
        engine("stop", "-t", "1", name)
        assert engine.state(name)["ExitCode"] == 137


@operation(*ALL)
def kill(engine: CommandLine) -> None:
    """kill: any signal, by name and number."""
    for signal in ("USR1", "10", "SIGUSR1"):
        with engine.container(command=("sh", "-c", TRAP)) as name:
            ready(engine, name)
            engine("kill", "-s", signal, name)
            assert engine("wait", name).out.strip() == "9"
    with engine.container() as name:
        engine("kill", name)
        assert engine("wait", name).out.strip() == "137"
        assert engine("kill", name, status=None).status != 0


@operation(*ALL)
def restart(engine: CommandLine) -> None:
    """restart: what the container wrote stays, its process is another."""
    with engine.container(command=("sh", "-c", f"echo x >>/count; wc -l </count; {TRAP}")) as name:
        ready(engine, name)
        before = engine.state(name)["Pid"]
        engine("restart", "-t", "20", name)
        until(lambda: engine("logs", name).out.count("ready") == 2, "the second start")
        assert engine("logs", name).out.split() == ["1", "ready", "2", "ready"]
        assert engine.state(name)["Pid"] not in (0, before)


@operation(*ALL)
def restart_policy(engine: CommandLine) -> None:
    """run --restart=on-failure: started again as often as it says."""
    with engine.container("--restart", "on-failure:2", command=("sh", "-c", "echo run; exit 1")) as name:
        until(lambda: engine("logs", name).out == "run\n" * 3, "three runs")


@operation(*ALL, not_here=NO_FREEZER)
def pause(engine: CommandLine) -> None:
    """pause, unpause: nothing runs in between."""
    with engine.container(command=("sh", "-c", "while :; do echo x; sleep 0.01; done")) as name:
        until(lambda: engine("logs", name).out, "output")
        engine("pause", name)
        assert engine.state(name)["Status"] == "paused"
        before = engine("logs", name).out
        time.sleep(0.2)
        assert engine("logs", name).out == before
        engine("unpause", name)
        assert engine.state(name)["Status"] == "running"
        until(lambda: engine("logs", name).out != before, "more output")


@operation(*ALL, not_here=NO_FREEZER)
def remove_paused(engine: CommandLine) -> None:
    """rm -f of a paused container."""
    with engine.container() as name:
        engine("pause", name)


@operation(*ALL)
def top(engine: CommandLine) -> None:
    """top: the processes in it."""
    with engine.container(command=("sh", "-c", "sleep 1000 & sleep 1001")) as name:
        until(lambda: engine("top", name).out.count("sleep 100") >= 2, "both processes")


@operation(*ALL, not_here=NO_FREEZER)
def stats(engine: CommandLine) -> None:
    """stats: memory and processes."""
    with engine.container("--memory", "64m") as name:
        out = engine("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", name).out.split()
        assert out[-1] == "1"
        assert out[2].startswith(("64MiB", "67.11MB")), out
        assert not out[0].startswith("0B"), out


@operation(*ALL)
def logs(engine: CommandLine) -> None:
    """logs: --tail, --follow to the end."""
    with engine.container(command=("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done")) as name:
        assert engine("logs", "--follow", name).out == "1\n2\n3\n"
        assert engine("logs", "--tail", "1", name).out == "3\n"


@operation(*ALL)
def inspect(engine: CommandLine) -> None:
    """inspect, ps: state, process id, times."""
    with engine.container("--name", "looked-at") as name:
        found = engine.inspect(name)
        assert found["State"]["Running"] is True
        pid = str(found["State"]["Pid"])
        assert "sleep" in engine.machine.run("cat", f"/proc/{pid}/cmdline").out
        assert engine("ps", "--format", "{{.Names}} {{.Status}}").out.startswith("looked-at Up")
        engine("stop", "-t", "0", name)
        assert engine("ps", "-a", "--format", "{{.Names}} {{.Status}}").out.startswith("looked-at Exited (137)")


@operation(*ALL)
def remove(engine: CommandLine) -> None:
    """rm: refused while it runs, done with -f; a container of that name can be made again."""
    for _ in range(2):
        with engine.container("--name", "one") as name:
            assert engine("rm", name, status=None).status != 0
            assert engine.state(name)["Running"] is True


@operation(*ALL)
def exit_at_once(engine: CommandLine) -> None:
    """200 containers (elsewhere 40) that exit at once, four at a time: each exit status right."""

    def one(number: int) -> int:
        return engine.run(command=("sh", "-c", f"exit {number}"), status=None).status

    count = 200 if engine.name == "podman" else 40
    expected = [number % 200 for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, expected)) == expected


@operation(*ALL)
def detached_at_once(engine: CommandLine) -> None:
    """20 containers in the background that exit at once: each exit status right, kill and rm of what has ended."""

    def one(number: int) -> str:
        with engine.container(command=("sh", "-c", f"exit {number}")) as name:
            engine("kill", name, status=None)
            return engine("wait", name).out.strip()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(20)))
    assert all(status in (str(number), "137") for number, status in enumerate(found)), found
