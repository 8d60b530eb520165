"""Operations of ``ctr``: processes in a container that runs."""

from concurrent.futures import ThreadPoolExecutor

from tests.engines.ctr import Ctr
from tests.engines.matrix import operation
from tests.engines.ops_ctr import has_size
from tests.system.runtime import until

TOGETHER = 20  # processes at once in one container


@operation("ctr")
def ctr_exec(engine: Ctr) -> None:
    """task exec: stdin to its end, stdout, stderr, exit status, working directory."""
    with engine.container() as name:
        engine.talk(*engine.exec_words(name, command=("cat",)), given="given", said=("given", ""), close=True)
        script = "echo out; echo err >&2; read line; exit 7"
        words = engine.exec_words(name, command=("sh", "-c", script))
        engine.talk(*words, said=("out\n", "err\n"), status=7)
        assert engine.exec(name, "--cwd", "/home/user", command=("pwd",)) == "/home/user\n"


@operation("ctr")
def ctr_exec_user(engine: Ctr) -> None:
    """task exec --user: a name, a number; one that isn't there."""
    with engine.container() as name:
        said = engine.exec(name, "--user", "1000", command=("id",))
        assert said == "uid=1000(user) gid=1000(user) groups=1000(user)\n"
        assert engine.exec(name, "--user", "daemon", command=("id", "-u")) == "2\n"
        engine.exec(name, "--user", "nobody-there", command=("id",), status=1)


@operation("ctr")
def ctr_exec_missing(engine: Ctr) -> None:
    """task exec: a program, a working directory that isn't there; the container goes on."""
    with engine.container() as name:
        assert "no such file" in engine.exec(name, command=("/no/such/program",), status=1)
        assert "permission denied" in engine.exec(name, command=("/etc/not-executable",), status=1)
        assert engine.task(name)[1] == "RUNNING"


@operation("ctr")
def ctr_exec_tty(engine: Ctr) -> None:
    """task exec --tty: size, typing, exit status."""
    script = f"tty; {has_size(30, 90)}; echo ready; read line; echo got $line; exit 4"
    with engine.container() as name:
        words = engine.exec_words(name, "--tty", command=("sh", "-c", script))
        with engine.terminal(*words, size=(30, 90)) as terminal:
            assert terminal.wait_for("ready").strip() == "/dev/pts/0"
            terminal.send("word\n")
            terminal.wait_for("got word")
            assert terminal.wait() == 4
            assert terminal.restored()


@operation("ctr")
def ctr_exec_kill(engine: Ctr) -> None:
    """task exec --detach, and task kill --exec-id."""
    with engine.container() as name:
        engine.ctr("task", "exec", "--detach", "--exec-id", "second", name, "sleep", "1003")
        engine.ctr("task", "kill", "--exec-id", "second", "--signal", "KILL", name)
        until(lambda: not any("1003" in line for line in engine.machine.processes().values()))
        assert engine.task(name)[1] == "RUNNING"


@operation("ctr")
def ctr_exec_together(engine: Ctr) -> None:
    """task exec, 20 at once in one container: no byte of output lost."""
    script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; read line; exit 9"
    expected = "".join(f"line {number}\n" for number in range(2000))
    with engine.container() as name, ThreadPoolExecutor(TOGETHER) as pool:

        def run(_: int) -> None:
            words = engine.exec_words(name, command=("sh", "-c", script))
            engine.talk(*words, said=(expected, ""), status=9)

        list(pool.map(run, range(TOGETHER)))


@operation("ctr")
def ctr_exec_paused(engine: Ctr) -> None:
    """task exec: refused while the container is paused."""
    with engine.container() as name:
        engine.ctr("task", "pause", name)
        assert engine.task(name)[1] == "PAUSED"
        assert "paused" in engine.exec(name, command=("true",), status=1)
        engine.ctr("task", "resume", name)
        assert engine.task(name)[1] == "RUNNING"
        engine.exec(name, command=("true",))


@operation("ctr")
def ctr_ps(engine: Ctr) -> None:
    """task ps: the container's processes, as those that exec started."""
    with engine.container() as name:
        engine.ctr("task", "exec", "--detach", "--exec-id", "second", name, "sleep", "1002")
        rows = [line.split() for line in engine.ctr("task", "ps", name).out.splitlines()[1:]]
        assert int(rows[0][0]) == engine.task(name)[0]
        assert "second" in rows[1][1]
        assert len(rows) == 2
