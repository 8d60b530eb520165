"""Operations: a container that runs to its end."""

from tests.engines.commandline import ALL, IMAGE, PODMAN, CommandLine
from tests.engines.matrix import operation


@operation(*ALL)
def run(engine: CommandLine) -> None:
    """run: output of the program, on stdout and stderr."""
    done = engine.run(command=("sh", "-c", "echo out; echo err >&2"))
    assert done[1:] == ("out\n", "err\n")


@operation(*ALL)
def run_status(engine: CommandLine) -> None:
    """run: exit status, 128 and the signal's number on a signal."""
    engine.run(command=("sh", "-c", "exit 3"), status=3)
    engine.run(command=("sh", "-c", "sleep 9 & kill -9 $!; wait $!"), status=137)
    engine.run(command=("sh", "-c", "trap 'exit 255' TERM; kill $$"), status=255)


@operation(*ALL)
def run_stdin(engine: CommandLine) -> None:
    """run -i: a megabyte through stdin and stdout."""
    text = "0123456789abcde\n" * 65536
    assert engine.run("-i", command=("cat",), stdin=text).out == text
    assert engine.run(command=("cat",), stdin="not for it\n").out == ""


@operation(*ALL)
def run_environment(engine: CommandLine) -> None:
    """run: environment, working directory, entry point, host name."""
    flags = ("-e", "A=a b", "-e", "B=", "-w", "/var/data", "--hostname", "box")
    said = engine.inside('echo "$A,$B,$PATH"; pwd; hostname; cat original', *flags)
    assert said == "a b,,/bin\n/var/data\nbox\nof the image\n"
    assert engine.run("--entrypoint", "/bin/echo", command=("one", "two")).out == "one two\n"


@operation(*ALL)
def run_user(engine: CommandLine) -> None:
    """run --user: ids and names, additional groups."""
    assert engine.inside("id", "-u", "user").startswith("uid=1000(user) gid=1000(user)")
    assert engine.inside("id -u; id -g", "-u", "1234:50") == "1234\n50\n"
    assert engine.inside("id -G", "-u", "user", "--group-add", "2").split() == ["1000", "2", "50"]
    assert "no matching entries" in engine.run("-u", "nobody-here", command=("true",), status=None).err


@operation(*ALL)
def run_missing(engine: CommandLine) -> None:
    """run: a program that is missing is 127."""
    error = engine.run(command=("no-such-program",), status=127).err
    assert "no-such-program" in error
    error = engine.run(command=("/no/such/program",), status=127).err
    assert "/no/such/program" in error


@operation(*ALL)
def run_not_executable(engine: CommandLine) -> None:
    """run: a program that is not executable is 126."""
    assert "permission denied" in engine.run(command=("/etc/not-executable",), status=126).err.lower()
    assert "permission denied" in engine.run(command=("/etc",), status=126).err.lower()


@operation(*ALL)
def run_bad_directory(engine: CommandLine) -> None:
    """run: a working directory that is no directory is an error that names it."""
    done = engine.run("-w", "/etc/passwd", command=("true",), status=None)
    assert done.status in (125, 126, 127)
    assert "/etc/passwd" in done.err


@operation(*ALL)
def tty(engine: CommandLine) -> None:
    """run -ti: a terminal of the user's size, resized with it; exit status; the user's terminal is restored."""
    with engine.at_terminal("run", "-ti", "--rm", *engine.usual, IMAGE, "sh", size=(33, 101)) as terminal:
        terminal.wait_for("# ")
        terminal.send("stty size\r")
        terminal.wait_for("33 101")
        terminal.resize(44, 122)
        terminal.send("sleep 0.3; stty size\r")
        terminal.wait_for("44 122")
        terminal.send("tty; [ -t 0 -a -t 1 -a -t 2 ] && echo all; ls -l /dev/console; exit 5\r")
        assert terminal.wait() == 5
        assert "/dev/pts/0\r" in terminal.output
        assert "all\r" in terminal.output
        assert terminal.restored()


@operation(*ALL)
def tty_interrupt(engine: CommandLine) -> None:
    """run -ti: Ctrl-C interrupts the program in the foreground."""
    with engine.at_terminal("run", "-ti", "--rm", *engine.usual, IMAGE, "sh") as terminal:
        terminal.wait_for("# ")
        terminal.send("sh -c 'echo before; exec sleep 1000'\r")
        terminal.wait_for("before\r\n")
        terminal.send("\x03")
        terminal.wait_for("# ")
        terminal.send("exit 0\r")
        assert terminal.wait() == 0


@operation(*ALL)
def tty_output(engine: CommandLine) -> None:
    """run -t: no byte of a megabyte lost."""
    with engine.at_terminal("run", "-t", "--rm", *engine.usual, IMAGE, "sh", "-c",
                            "yes 0123456789abcde | head -n 65536; echo end") as terminal:  # fmt: skip
        assert terminal.wait() == 0
        assert terminal.output.replace("\r", "") == "0123456789abcde\n" * 65536 + "end\n"


@operation(*ALL)
def ten_terminals(engine: CommandLine) -> None:
    """run -ti: ten at once, each with its own bytes."""
    terminals = [
        engine.at_terminal("run", "-ti", "--rm", *engine.usual, IMAGE, "sh", size=(20 + each, 80)) for each in range(10)
    ]
    try:
        for each, terminal in enumerate(terminals):
            terminal.wait_for("# ")
            sized = f"until stty size 2>&1 | grep '{20 + each} 80'; do :; done"  # docker sets it after the start
            terminal.send(f"{sized}; seq {each}000 {each}999 | md5sum; exit {each}\r")
        sums = set()
        for each, terminal in enumerate(terminals):
            assert terminal.wait() == each
            said = terminal.output
            assert f"{20 + each} 80\r" in said
            sums |= {word for word in terminal.output.split() if len(word) == 32}
        assert len(sums) == 10
    finally:
        for terminal in terminals:
            terminal.__exit__()


@operation(*ALL)
def detach(engine: CommandLine) -> None:
    """run -d, wait, logs: the exit status and the output of what ran in the background."""
    with engine.container(command=("sh", "-c", "echo out; echo err >&2; sleep 0.2; exit 7")) as name:
        assert engine("wait", name).out.strip() == "7"
        done = engine("logs", name)
        assert done[1:] == ("out\n", "err\n")
        state = engine.state(name)
        assert (state["Status"], state["ExitCode"]) == ("exited", 7)


@operation(*ALL)
def detach_tty(engine: CommandLine) -> None:
    """run -dt: a terminal without a user."""
    with engine.container("-t", command=("sh", "-c", "tty; stty size; exit 4")) as name:
        assert engine("wait", name).out.strip() == "4"
        assert engine("logs", name).out.replace("\r", "").startswith("/dev/pts/0\n")


@operation(*ALL)
def create_start(engine: CommandLine) -> None:
    """create, start, start once more."""
    name = engine("create", *engine.usual, IMAGE, "sh", "-c", "echo x >>/count; wc -l </count").out.strip()
    assert engine.state(name)["Status"] in ("created", "configured")
    assert engine("start", "-a", name).out == "1\n"
    assert engine("start", "-a", name).out == "2\n"
    engine.remove(name)


@operation(*ALL)
def attach(engine: CommandLine) -> None:
    """attach: input and output of a container in the background, and its exit status."""
    with engine.container("-i", command=("sh", "-c", "read line; echo got $line; sleep 0.5; exit 6")) as name:
        feed = '(echo words; sleep 1) | "$@"'
        done = engine.machine.run("sh", "-c", feed, "sh", *engine.command, "attach", name, env=engine.environment)
        assert done.out.strip() == "got words"
        assert engine("wait", name).out.strip() == "6"
    with (
        engine.container("-ti", command=("sh",)) as name,
        engine.at_terminal("attach", "--detach-keys", "ctrl-x", name, size=(31, 99)) as terminal,
    ):
        terminal.send("\r")
        terminal.wait_for("# ")
        terminal.send("sleep 0.3; stty size\r")
        terminal.wait_for("31 99")
        terminal.wait_for("# ")
        terminal.send("\x18")
        assert terminal.wait() in (0, 1)
        assert engine.state(name)["Status"] == "running"


@operation(*ALL)
def init(engine: CommandLine) -> None:
    """run --init: process 1 passes signals on and reaps."""
    flags = () if engine.name == "docker" else ("--init-path", "/usr/bin/tini-static")
    with engine.container("--init", *flags, "--stop-timeout", "20", command=("sh", "-c", "sleep 100")) as name:
        assert "sleep 100" in engine("top", name).out
        engine("stop", name)
        assert engine.state(name)["ExitCode"] == 143


@operation(*PODMAN)
def timeout(engine: CommandLine) -> None:
    """run --timeout: killed when the time is over."""
    engine.run("--timeout", "1", command=("sleep", "1000"), status=255)
