"""Operations: one more process in a container that runs."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.engines.commandline import PODMAN, CommandLine
from tests.engines.matrix import operation
from tests.system.runtime import until


@operation(*PODMAN)
def exec_output(engine: CommandLine) -> None:
    """exec: output, stdin, exit status."""
    with engine.container() as name:
        done = engine("exec", name, "sh", "-c", "echo out; echo err >&2; exit 5", status=5)
        assert done.out == "out\n"
        assert done.err.startswith("err\n")
        text = "0123456789abcde\n" * 65536
        assert engine("exec", "-i", name, "cat", stdin=text).out == text
        engine("exec", name, "sh", "-c", "kill -9 $$", status=137)


@operation(*PODMAN)
def exec_process(engine: CommandLine) -> None:
    """exec --env, --workdir, --user."""
    with engine.container("-e", "A=a", "-u", "user") as name:
        said = engine("exec", "-e", "B=b", "-w", "/var/data", name, "sh", "-c", "echo $A$B; pwd; id -un").out
        assert said == "ab\n/var/data\nuser\n"
        assert engine("exec", "-u", "0", name, "id", "-u").out == "0\n"
        assert engine("exec", "-u", "1234:50", name, "sh", "-c", "id -u; id -g").out == "1234\n50\n"


@operation(*PODMAN)
def exec_namespaces(engine: CommandLine) -> None:
    """exec: in the container's namespaces, cgroup, root, and with its filter and capabilities."""
    show = "readlink /proc/self/root; for n in ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done"
    script = f"{show}; cat /proc/self/cgroup; grep -E 'Cap|Seccomp:|NoNew' /proc/self/status"
    own = f"({script}) >/own; exec sleep 1000"
    with engine.container(
        "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges", command=("sh", "-c", own)
    ) as name:
        until(lambda: "Seccomp" in engine("exec", name, "cat", "/own").out, "what the container says of itself")
        assert engine("exec", name, "sh", "-c", script).out == engine("exec", name, "cat", "/own").out


@operation(*PODMAN)
def exec_terminal(engine: CommandLine) -> None:
    """exec -ti: the user's size, resized with it; exit status; restored."""
    with (
        engine.container() as name,
        engine.at_terminal("exec", "-ti", name, "sh", size=(33, 101)) as terminal,
    ):
        terminal.wait_for("# ")
        terminal.send("stty size\r")
        terminal.wait_for("33 101")
        terminal.resize(44, 122)
        terminal.send("until stty size | grep '44 122'; do :; done; tty; exit 5\r")
        assert terminal.wait() == 5
        assert "/dev/pts/" in terminal.output
        assert terminal.restored()


@operation(*PODMAN)
def exec_detached(engine: CommandLine) -> None:
    """exec -d."""
    with engine.container() as name:
        engine("exec", "-d", name, "sh", "-c", "echo x >/x; sleep 1234")
        until(lambda: engine("exec", name, "cat", "/x", status=None).out == "x\n", "the file")
        until(lambda: "sleep 1234" in engine("top", name).out, "the process")


@operation("podman")
def exec_privileged(engine: CommandLine) -> None:
    """exec --privileged: every capability the engine has."""
    with engine.container() as name:
        script = ("sh", "-c", "grep CapEff /proc/self/status | cut -f2")
        usual, all_ = (int(engine("exec", *flags, name, *script).out, 16) for flags in ((), ("--privileged",)))
        assert all_ & usual == usual
        assert all_ > 1 << 37


@operation(*PODMAN)
def exec_cannot(engine: CommandLine) -> None:
    """exec: missing is 127, not executable 126; unknown user, missing directory, stopped, paused container."""
    with engine.container() as name:
        assert "no-such-program" in engine("exec", name, "no-such-program", status=127).err
        assert "/no/such" in engine("exec", name, "/no/such/program", status=127).err
        assert "permission denied" in engine("exec", name, "/etc/not-executable", status=126).err.lower()
        assert "nobody-here" in engine("exec", "-u", "nobody-here", name, "true", status=None).err
        done = engine("exec", "-w", "/no/dir", name, "true", status=None)
        assert done.status in (126, 127)
        assert "/no/dir" in done.err
        engine("stop", "-t", "0", name)
        assert engine("exec", name, "true", status=None).status == 255


@operation(*PODMAN)
def exec_twenty(engine: CommandLine) -> None:
    """exec: twenty at once, each with its own output and exit status."""

    def one(name: str, number: int) -> bool:
        script = f"seq {number}000 {number}999; exit {number}"
        done = engine("exec", name, "sh", "-c", script, status=number)
        return done.out.split() == [str(each) for each in range(number * 1000, number * 1000 + 1000)]

    with engine.container() as name, ThreadPoolExecutor(20) as pool:
        assert all(pool.map(lambda number: one(name, number), range(1, 21)))


@operation(*PODMAN)
def health(engine: CommandLine) -> None:
    """run --health-cmd, healthcheck run."""
    flags = ("--health-cmd", "test -e /healthy", "--health-interval", "disable", "--health-retries", "1")
    with engine.container(*flags) as name:
        engine("healthcheck", "run", name, status=1)
        engine("exec", name, "touch", "/healthy")
        engine("healthcheck", "run", name)
        found = engine.state(name)
        assert json.dumps(found.get("Health") or found["Healthcheck"]).count('"ExitCode": 0') == 1
