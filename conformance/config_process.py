"""config.md: the process: arguments, environment, directory, terminal, user, limits."""

import array
import os
import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance import host
from conformance.harness import DEADLINE, SLEEP, Runtime, case, check, need


@case("config.md#process", "MUST", "args are the program and its arguments, as given", "process.args")
def process_args(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = ["sh", "-c", 'for each in "$0" "$@"; do echo "[$each]"; done', "a b", "", "*"]
    check(runtime.run() == "[a b]\n[]\n[*]\n", "they are others")


@case(
    "config.md#process",
    "MUST",
    "a program without a slash is looked for in PATH of the container's environment, inside its root",
    "process.args",
    "process.env",
)
def process_args_searched(runtime: Runtime) -> None:
    directory = runtime.rootfs / "own/programs"
    directory.mkdir(parents=True)
    (directory / "conformance-program").symlink_to("/bin/busybox")
    (directory / "conformance-program").unlink()
    (directory / "conformance-program").write_text("#!/bin/sh\necho found\n")
    (directory / "conformance-program").chmod(0o755)
    runtime.config["process"]["env"] = ["PATH=/none:/own/programs:/bin"]
    runtime.config["process"]["args"] = ["conformance-program"]
    check(runtime.run() == "found\n", "it isn't found")


@case("config.md#process", "MUST", "args without an entry are refused", "process.args")
def process_args_empty(runtime: Runtime) -> None:
    runtime.config["process"]["args"] = []
    runtime.refused()
    del runtime.config["process"]["args"]
    runtime.refused()


@case("config.md#process", "MUST", "the environment is the configured one", "process.env")
def process_env(runtime: Runtime) -> None:
    runtime.prefix = ["env", "INHERITED=from-the-runtime"]
    runtime.config["process"]["env"] = ["PATH=/bin", "GREETING=hello = world", "EMPTY="]
    lines = set(runtime.prints("env").splitlines())
    check({"GREETING=hello = world", "EMPTY="} <= lines, f"it is {sorted(lines)}")
    check("INHERITED=from-the-runtime" not in lines, "the runtime's own is passed on")


@case("config.md#process", "MUST", "the working directory is the configured one", "process.cwd")
def process_cwd(runtime: Runtime) -> None:
    (runtime.rootfs / "some/where").mkdir(parents=True)
    runtime.config["process"]["cwd"] = "/some/where"
    check(runtime.prints("pwd") == "/some/where\n", "it is another")


@case("config.md#process", "MUST", "a working directory that isn't absolute is refused", "process.cwd")
def process_cwd_relative(runtime: Runtime) -> None:
    runtime.config["process"]["cwd"] = "tmp"
    runtime.refused()


@case("config.md#process", "MUST", "a process without a working directory is refused", "process.cwd")
def process_cwd_required(runtime: Runtime) -> None:
    del runtime.config["process"]["cwd"]
    runtime.refused()


@contextmanager
def console(runtime: Runtime) -> Iterator[socket.socket]:
    """A socket that a runtime connects to, to hand over the terminal: ``--console-socket``."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime.directory / "console"))
        server.listen()
        server.settimeout(20)
        yield server


def take_terminal(server: socket.socket) -> int:
    """The master's descriptor, of the one connection that came in."""
    connection, _ = server.accept()
    with connection:
        size = array.array("i").itemsize
        _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(size))
    check(ancillary, "no descriptor came over the console socket")
    return array.array("i", ancillary[0][2][:size])[0]


def read_terminal(master: int) -> str:
    """What is written to the terminal until its end, or until nothing comes for a while."""
    text = b""
    while select.select([master], [], [], 10)[0]:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # EIO: all who had the terminal open are gone
            break
        if not chunk:
            break
        text += chunk
    return text.decode(errors="replace").replace("\r\n", "\n")


def on_terminal(runtime: Runtime, script: str) -> str:
    """What a script prints that runs on a terminal of its own."""
    runtime.config["process"]["terminal"] = True
    runtime.config["mounts"].append(
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}
    )
    runtime.bundle.shell(script)
    with console(runtime) as server:
        runtime.create("--console-socket", str(runtime.directory / "console"))
        master = take_terminal(server)
    try:
        runtime.ok("start", runtime.container_id)
        return read_terminal(master)
    finally:
        os.close(master)


@case(
    "config.md#process",
    "MUST",
    "with terminal the standard streams are a terminal of the container",
    "process.terminal",
)
def process_terminal(runtime: Runtime) -> None:
    text = on_terminal(runtime, "test -t 0 && test -t 1 && test -t 2 && tty")
    check(text.startswith(("/dev/pts/", "/dev/console")), f"it printed {text!r}")


@case("config.md#process", "MUST", "without terminal the standard streams are no terminal", "process.terminal")
def process_no_terminal(runtime: Runtime) -> None:
    check(runtime.prints("test -t 0 || test -t 1 || test -t 2 || echo none") == "none\n", "one is a terminal")


@case(
    "config.md#process",
    "MUST",
    "the terminal has the configured size",
    "process.consoleSize.height",
    "process.consoleSize.width",
)
def process_console_size(runtime: Runtime) -> None:
    runtime.config["process"]["consoleSize"] = {"height": 23, "width": 67}
    text = on_terminal(runtime, "stty size")
    check(text.strip() == "23 67", f"stty says {text!r}")


@case("config.md#process", "MUST", "consoleSize is ignored without a terminal", "process.consoleSize")
def process_console_size_ignored(runtime: Runtime) -> None:
    runtime.config["process"]["consoleSize"] = {"height": 23, "width": 67}
    check(runtime.prints("echo ran") == "ran\n", "it didn't run")


@case("config.md#process", "MUST", "a consoleSize needs both height and width", "process.consoleSize")
def process_console_size_required(runtime: Runtime) -> None:
    runtime.config["process"]["terminal"] = True
    for size in ({"height": 23}, {"width": 67}):
        runtime.config["process"]["consoleSize"] = size
        runtime.bundle.write()
        with console(runtime):
            options = ("--console-socket", str(runtime.directory / "console"))
            runtime.fails("create", "--bundle", str(runtime.bundle.path), *options, runtime.container_id)
        (runtime.directory / "console").unlink()


@case("config.md#user", "MUST", "user and group are the configured ones", "process.user.uid", "process.user.gid")
def user_ids(runtime: Runtime) -> None:
    runtime.config["process"]["user"] = {"uid": 1001, "gid": 1002}
    text = runtime.prints("grep -E '^(Uid|Gid):' /proc/self/status")
    check(text.split() == ["Uid:", *["1001"] * 4, "Gid:", *["1002"] * 4], f"they are {text.split()}")


@case("config.md#user", "MUST", "the additional groups are the configured ones", "process.user.additionalGids")
def user_additional_gids(runtime: Runtime) -> None:
    runtime.config["process"]["user"] = {"uid": 1001, "gid": 1002, "additionalGids": [1003, 1004]}
    groups = runtime.prints("grep Groups: /proc/self/status | cut -f 2").split()
    check(set(groups) - {"1002"} == {"1003", "1004"}, f"they are {groups}")


@case("config.md#user", "MUST", "the umask is the configured one", "process.user.umask", since="1.0.2")
def user_umask(runtime: Runtime) -> None:
    runtime.config["process"]["user"]["umask"] = 0o27
    check(runtime.prints("umask").strip() == "0027", "it is another")


@case("config.md#user", "MUST", "uid and gid are required", "process.user.uid", "process.user.gid")
def user_required(runtime: Runtime) -> None:
    for name in ("uid", "gid"):
        runtime.config["process"]["user"] = {"uid": 1, "gid": 1}
        runtime.config["process"]["user"][name] = "1"
        runtime.refused()


@case(
    "config.md#posix-process",
    "MUST",
    "soft and hard limits are the configured ones",
    "process.rlimits[].type",
    "process.rlimits[].soft",
    "process.rlimits[].hard",
)
def rlimits(runtime: Runtime) -> None:
    wanted = {"NOFILE": ("100", "200"), "CORE": ("0", "0"), "STACK": ("1000000", "2000000"), "NPROC": ("500", "600")}
    runtime.config["process"]["rlimits"] = [
        {"type": f"RLIMIT_{name}", "soft": int(soft), "hard": int(hard)} for name, (soft, hard) in wanted.items()
    ]
    titles = {"Max open files": "NOFILE", "Max core file size": "CORE", "Max stack size": "STACK"}
    titles["Max processes"] = "NPROC"
    found = {}
    for line in runtime.prints("cat /proc/self/limits").splitlines():
        if (title := line[:26].strip()) in titles:
            found[titles[title]] = tuple(line[26:].split()[:2])
    check(found == wanted, f"they are {found}")


@case("config.md#posix-process", "MUST", "an unlimited limit is set as well", "process.rlimits[].hard")
def rlimits_unlimited(runtime: Runtime) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    need(hard == resource.RLIM_INFINITY or host.capable("CAP_SYS_RESOURCE"), "the caller is limited itself")
    limit = {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}
    runtime.config["process"]["rlimits"] = [limit]
    check(runtime.prints("ulimit -Sc; ulimit -Hc").split() == ["unlimited"] * 2, "it isn't")


@case("config.md#posix-process", "MUST", "a raised hard limit is set", "process.rlimits[].hard")
def rlimits_raised(runtime: Runtime) -> None:
    need(host.capable("CAP_SYS_RESOURCE"), "the caller lacks CAP_SYS_RESOURCE")
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    need(hard != resource.RLIM_INFINITY, "the caller's own limit is none")
    runtime.config["process"]["rlimits"] = [{"type": "RLIMIT_MEMLOCK", "soft": soft, "hard": hard + 4096}]
    check(runtime.prints("ulimit -Hl").strip() == str((hard + 4096) // 1024), "it isn't raised")


@case("config.md#posix-process", "MUST", "a limit the kernel doesn't have is refused", "process.rlimits[].type")
def rlimits_unknown(runtime: Runtime) -> None:
    runtime.config["process"]["rlimits"] = [{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}]
    runtime.refused()


@case("config.md#posix-process", "MUST", "the same limit twice is refused", "process.rlimits[].type")
def rlimits_twice(runtime: Runtime) -> None:
    limit = {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}
    runtime.config["process"]["rlimits"] = [limit, {**limit, "hard": 200}]
    runtime.refused()


@case(
    "config.md#posix-process",
    "MUST",
    "a limit needs its type, and a number as soft and as hard limit",
    "process.rlimits[].type",
    "process.rlimits[].soft",
    "process.rlimits[].hard",
)
def rlimits_required(runtime: Runtime) -> None:
    for name in ("type", "soft", "hard"):
        limit = {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}
        del limit[name]
        runtime.config["process"]["rlimits"] = [limit]
        runtime.refused()


@case("config.md#process", "MUST", "the container process is the program, with its arguments", "process.args")
def process_runs(runtime: Runtime) -> None:
    path = Path(f"/proc/{runtime.sleeping()}/cmdline")
    end = time.monotonic() + DEADLINE
    while (found := path.read_text().split("\0")[:-1]) != SLEEP:  # start may return before the program is executed
        check(time.monotonic() < end, f"it is {found}")
        time.sleep(0.01)
