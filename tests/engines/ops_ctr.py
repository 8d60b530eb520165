"""Operations of ``ctr``: a container's life, and processes in it."""

from concurrent.futures import ThreadPoolExecutor

from tests.engines.containerd import IMAGE
from tests.engines.ctr import Ctr
from tests.engines.matrix import operation
from tests.system.runtime import until

QUICK = {"runc": 20, "ocipy": 200}  # containers that exit at once


def has_size(rows: int, columns: int) -> str:
    """Shell: wait for the terminal to have that size, which ctr sets after the start."""
    return f'until [ "$(stty size 2>/dev/null)" = "{rows} {columns}" ]; do sleep 0.01; done'


def _stopped(engine: Ctr, name: str) -> None:
    until(lambda: engine.task(name)[1] == "STOPPED", f"the end of {name}")


def _end(engine: Ctr, name: str) -> int:
    """Wait for its end: the exit status."""
    _stopped(engine, name)
    return int(engine.ctr("task", "rm", name).err.rpartition("exit code ")[2].strip().strip('"'))


@operation("ctr")
def ctr_run(engine: Ctr) -> None:
    """run: stdin, stdout, stderr and the exit status of the program."""
    script = "read line; echo $line; echo err >&2; read line; exit 3"
    words = engine.words(engine.new_id(), ("--rm",), ("sh", "-c", script))
    engine.talk(*words, given="given\n", said=("given\n", "err\n"), status=3)


@operation("ctr")
def ctr_run_missing(engine: Ctr) -> None:
    """run: a program that isn't there, and one that may not be executed."""
    assert "no such file" in engine.run(command=("/no/such/program",), status=1).err
    assert "executable file not found" in engine.run(command=("no-such-program",), status=1).err
    assert "permission denied" in engine.run(command=("/etc/not-executable",), status=1).err


@operation("ctr")
def ctr_run_process(engine: Ctr) -> None:
    """run: environment, working directory, no_new_privs or not."""
    look = "echo $WORD; pwd; grep NoNewPrivs /proc/self/status"
    assert engine.inside(look, "--env", "WORD=mine", "--cwd", "/home/user") == "mine\n/home/user\nNoNewPrivs:\t1\n"
    assert engine.inside(look, "--allow-new-privs") == "\n/\nNoNewPrivs:\t0\n"


@operation("ctr")
def ctr_run_tty(engine: Ctr) -> None:
    """run --tty: size, resizing, typing, exit status; the caller's terminal is restored."""
    script = f"tty; {has_size(33, 99)}; echo first; {has_size(44, 111)}; echo second; read line; echo got $line; exit 5"
    with engine.at_terminal(command=("sh", "-c", script), size=(33, 99)) as terminal:
        assert terminal.wait_for("first").strip() == "/dev/pts/0"
        terminal.resize(44, 111)
        terminal.wait_for("second")
        terminal.send("word\n")
        terminal.wait_for("got word")
        assert terminal.wait() == 5
        assert terminal.restored()


@operation("ctr")
def ctr_quick_exits(engine: Ctr) -> None:
    """run of a program that exits at once, 200 times (with runc 20): its exit status each time."""

    def run(number: int) -> None:
        engine.run(command=("sh", "-c", f"exit {number}"), status=number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(QUICK[engine.runtime.name])))


@operation("ctr")
def ctr_detach(engine: Ctr) -> None:
    """run --detach: task ls, the pid, --pid-file."""
    file = engine.place / "pid"
    with engine.container("--pid-file", file) as name:
        pid, status = engine.task(name)
        assert status == "RUNNING"
        assert file.read_text() == str(pid)
        assert engine.machine.processes()[pid].split() == ["sleep", "1000"]


@operation("ctr")
def ctr_attach(engine: Ctr) -> None:
    """task attach: to the terminal of a detached container."""
    name = engine.new_id()
    words = engine.words(name, ("--detach", "--tty"), ("sh", "-c", "read line; echo got $line; exit 8"))
    with engine.terminal(*words) as terminal:
        assert terminal.wait() == 0
    with engine.terminal("task", "attach", name) as terminal:
        terminal.send("word\n")
        terminal.wait_for("got word")
        assert terminal.wait() == 8
    engine.remove(name)


@operation("ctr")
def ctr_log(engine: Ctr) -> None:
    """run --detach --log-uri: output goes to a file."""
    log = engine.place / "container.log"
    with engine.container(
        "--log-uri", f"file://{log}", command=("sh", "-c", "echo out; echo err >&2; exec sleep 1000")
    ):
        until(lambda: sorted(log.read_text().splitlines()) == ["err", "out"])


@operation("ctr")
def ctr_start(engine: Ctr) -> None:
    """containers create, and tasks of it started one after the other."""
    name = engine.new_id()
    engine.ctr("containers", "create", IMAGE, name, "false")
    for _ in range(2):
        engine.ctr("task", "start", name, status=1)
    engine.ctr("containers", "rm", name)


@operation("ctr")
def ctr_kill(engine: Ctr) -> None:
    """task kill: signals by name and number; task rm tells the exit status."""
    with engine.container(command=("sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.01; done")) as name:
        engine.ctr("task", "kill", "--signal", "TERM", name)
        assert _end(engine, name) == 9
    with engine.container() as name:
        engine.ctr("task", "kill", "--signal", "9", name)
        assert _end(engine, name) == 137


@operation("ctr")
def ctr_kill_all(engine: Ctr) -> None:
    """task kill --all: processes that share the host's PID namespace."""

    def sleepers() -> list[str]:
        return [line for line in engine.machine.processes().values() if "1001" in line]

    script = "sleep 1001 & exec sleep 1001"
    with engine.container("--with-ns", "pid:/proc/1/ns/pid", command=("sh", "-c", script)) as name:
        until(lambda: len(sleepers()) == 2)
        engine.ctr("task", "kill", "--all", "--signal", "KILL", name)
        until(lambda: not sleepers())


@operation("ctr")
def ctr_remove_running(engine: Ctr) -> None:
    """task rm of a running task: refused; by force: done."""
    with engine.container() as name:
        engine.ctr("task", "rm", name, status=1)
        assert "exit code 137" in engine.ctr("task", "rm", "--force", name).err


@operation("ctr")
def ctr_pause(engine: Ctr) -> None:
    """task pause and resume: frozen, and going on."""
    script = "while :; do echo on; sleep 0.01; done"
    log = engine.place / "paused.log"
    with engine.container("--log-uri", f"file://{log}", command=("sh", "-c", script)) as name:
        until(lambda: log.exists() and log.read_text())
        engine.ctr("task", "pause", name)
        assert engine.task(name)[1] == "PAUSED"
        seen = len(log.read_text())
        engine.ctr("task", "resume", name)
        assert engine.task(name)[1] == "RUNNING"
        until(lambda: len(log.read_text()) > seen)


@operation("ctr")
def ctr_metrics(engine: Ctr) -> None:
    """task metrics: memory, CPU time, processes."""
    with engine.container(command=("sh", "-c", "x=0; while [ $x -lt 50000 ]; do x=$((x+1)); done; sleep 1000")) as name:

        def used() -> bool:
            lines = (line.split(maxsplit=1) for line in engine.ctr("task", "metrics", name).out.splitlines())
            values = {line[0]: line[1] for line in lines if len(line) == 2}
            memory = values.get("memory.usage_in_bytes") or values["memory.usage"]
            cpu = values.get("cpuacct.usage") or values["cpu.usage_usec"]
            return int(memory) > 0 and int(cpu) > 0 and int(values["pids.current"]) >= 1

        until(used)
