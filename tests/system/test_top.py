"""``top``: printed once, and live in a terminal of its own."""

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from ocipy import NotFoundError, Usage
from ocipy.state import StateDir
from ocipy.usage_table import HEADINGS
from tests.system.looking import either_version, resources
from tests.system.runtime import DEADLINE, RUNTIME

pytestmark = pytest.mark.root

FOREVER = ("sleep", "1000")
BUSY = ("sh", "-c", "while :; do :; done")
QUICK = ("--interval", "100ms")
LEAVE = "\x1b[?1049l"  # the alternate screen


class Terminal:
    """A terminal with a program in it; ``seen`` is all that it has drawn since it was last forgotten."""

    def __init__(self, command, lines=12, columns=160):
        self.master, slave = os.openpty()
        self._size(lines, columns)
        self.before = termios.tcgetattr(slave)
        environment = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        self._slave = slave
        self.seen = ""

    def _size(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, lines, columns):
        """Nothing else would tell the program: the terminal controls no session."""
        self._size(lines, columns)
        self.process.send_signal(signal.SIGWINCH)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def wait(self, condition):
        """Read until ``condition(seen)``."""
        end = time.monotonic() + DEADLINE
        while not condition(self.seen):
            assert time.monotonic() < end, f"{self.seen!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536).decode()

    def screen(self):
        """The lines of a screen that is drawn from now on."""
        self.seen = ""
        self.wait(lambda seen: seen.count("\x1b[H") >= 2)
        return plain(self.seen.split("\x1b[H")[1]).replace("\r", "").split("\n")

    def until(self, condition):
        """The first screen drawn from now on of which ``condition(text)`` is true."""
        end = time.monotonic() + DEADLINE
        while not condition("\n".join(lines := self.screen())):
            assert time.monotonic() < end, lines
        return lines

    def ended(self):
        """The exit status; the terminal has to be as it was."""
        self.wait(lambda seen: LEAVE in seen)
        status = self.process.wait(DEADLINE)
        assert termios.tcgetattr(self._slave) == self.before
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def live(ocipy):
    """``live(options…)``: ``ocipy top`` in a terminal."""
    terminals = []

    def start(*options, **size):
        command = [RUNTIME, "--root", str(ocipy.root), "top", *QUICK, *options]
        terminals.append(Terminal(command, **size))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def once(ocipy, *options):
    done = ocipy("top", "--once", "--format", "json", *QUICK, *options, status=0)
    assert not done.stderr
    return json.loads(done.stdout)


@either_version("cpu", "memory", "pids")
def test_once(ocipy, bundle, version):
    limits = {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}, "cpu": {"quota": 50000, "period": 100000}}
    busy = ocipy.start(bundle(*BUSY, change=resources(**limits)))
    idle = ocipy.start(bundle(*FOREVER))
    ocipy.create(bundle(*FOREVER))
    rows = once(ocipy, "--interval", "500ms", busy, idle)
    assert [row["id"] for row in rows] == [busy, idle], "who uses most comes first"
    assert [row["status"] for row in rows] == ["running"] * 2
    of_busy = rows[0]
    assert set(of_busy) == {"id", "status", "cpu", "memory", "io", "pids"}
    assert of_busy["cpu"]["limit"] == 0.5
    assert 0 < of_busy["cpu"]["used"] < 1
    assert of_busy["cpu"]["percent"] == pytest.approx(of_busy["cpu"]["used"] * 200)
    assert of_busy["memory"]["limit"] == 64 << 20
    assert 0 < of_busy["memory"]["used"] < 64 << 20
    assert of_busy["pids"] == {"used": 1, "limit": 20, "percent": 5}
    assert rows[1]["pids"]["limit"] is None
    assert {row["status"] for row in once(ocipy)} == {"running", "created"}
    assert [row["id"] for row in once(ocipy, "--sort", "id", busy, idle)] == sorted([busy, idle])


def test_once_as_a_table(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    heading, line = ocipy("top", "--once", *QUICK, status=0).stdout.splitlines()
    assert heading.split()[:3] == ["ID", "STATUS", "CPU"]
    assert line.split()[:2] == [container, "running"]
    assert len(heading) == len(line)


def test_no_containers(ocipy):
    assert once(ocipy) == []
    assert ocipy("top", "--once", status=0).stdout.startswith("ID ")


def test_without_a_cgroup(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    directory = StateDir(str(ocipy.root), container)
    state = directory.read()
    directory.write(state | {"cgroup_paths": {}})
    line = ocipy("top", "--once", *QUICK, status=0).stdout.splitlines()[1]
    assert line.split() == [container, "running", *["-"] * 11]
    directory.write(state)


def test_what_is_refused(ocipy):
    for arguments, said in (
        (("--once", "nobody"), "container 'nobody' does not exist"),
        (("--sort", "age"), "--sort is cpu, memory, io, pids or id, not 'age'"),
        (("--once", "--format", "xml"), "--format is table or json, not 'xml'"),
        (("--format", "json"), "--format is for --once"),
        (("--interval", "0s"), "option --interval: the interval must be greater than 0, not '0s'"),
        ((), "top needs a terminal to show what goes on: --once prints one table"),
    ):
        assert ocipy.fails("top", *arguments) == said


def test_without_rich(ocipy, tmp_path):
    """An ocipy that was installed without its extra."""
    hide = "import sys; sys.modules['rich.console'] = None; from ocipy.cli import main; sys.exit(main(['top']))"
    done = subprocess.run([sys.executable, "-c", hide], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'ocipy[top]', or use --once" in done.stderr


def test_the_library(ocipy, bundle):
    container = ocipy.start(bundle(*FOREVER))
    usage = Usage(str(ocipy.root))
    (row,) = usage.measure()
    assert (row["id"], row["cpu"]["used"]) == (container, None)
    (row,) = usage.measure()
    assert row["cpu"]["used"] is not None
    # Another container of that name: its counters began anew.
    ocipy("delete", "--force", container, status=0)
    ocipy("run", "-d", "--bundle", bundle(*FOREVER), container, status=0)
    (row,) = usage.measure()
    assert row["cpu"]["used"] is None
    chosen = Usage(str(ocipy.root), [container])
    ocipy("delete", "--force", container, status=0)
    assert chosen.measure() == usage.measure() == []
    with pytest.raises(NotFoundError):
        Usage(str(ocipy.root), ["nobody"])


def test_live(ocipy, bundle, live):
    """Containers come and go while it runs; keys sort; q quits."""
    first = ocipy.start(bundle(*BUSY))
    terminal = live()
    terminal.until(lambda text: first in text and "running" in text)
    second = ocipy.start(bundle(*FOREVER))
    lines = terminal.until(lambda text: second in text)
    assert lines[0].split()[:3] == ["ID", "STATUS", "CPU"]
    terminal.until(lambda text: first in text and text.index(first) < text.index(second))
    terminal.type("n")
    terminal.until(lambda text: "(by id)" in text and text.index(min(first, second)) < text.index(max(first, second)))
    terminal.type("xM")
    terminal.until(lambda text: "(by memory)" in text)
    ocipy("delete", "--force", first, status=0)
    terminal.until(lambda text: first not in text and second in text)
    terminal.type("q")
    assert terminal.ended() == 0


def test_a_resize_is_followed(ocipy, bundle, live):
    """At once, not at the next interval; where not all fit, it says how many there are."""
    for _ in range(4):
        ocipy.start(bundle(*FOREVER))
    terminal = live("--interval", "1h", columns=90)
    terminal.wait(lambda seen: "quit" in seen)
    assert len(plain(terminal.seen).split("\r\n")[1]) == 90
    terminal.seen = ""
    terminal.resize(5, 70)
    terminal.wait(lambda seen: "quit" in seen)
    lines = plain(terminal.seen.split("\x1b[H")[-1]).split("\r\n")
    assert (len(lines), len(lines[1])) == (5, 70)
    assert lines[3].startswith("… 2 more")
    assert lines[4].startswith("q quit")
    terminal.type("q")
    assert terminal.ended() == 0


def test_ids_are_cut_before_numbers_are(ocipy, bundle, live):
    container = "x" * 64
    ocipy("run", "-d", "--bundle", bundle(*FOREVER), container, status=0)
    terminal = live(columns=110)
    lines = terminal.until(lambda text: "running" in text)
    assert lines[0].split() == list(HEADINGS)
    name, *words = lines[1].split()
    assert 12 <= len(name) < 64
    assert (name[:-1], name[-1]) == ("x" * (len(name) - 1), "…")
    assert not any("…" in word for word in words)
    terminal.type("q")
    assert terminal.ended() == 0
    ocipy("delete", "--force", container, status=0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(live, number):
    terminal = live()
    terminal.wait(lambda seen: "quit" in seen)
    terminal.process.send_signal(number)
    assert terminal.ended() == 128 + number


def test_a_suspension_is_none(live):
    terminal = live()
    terminal.screen()
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.screen()
    terminal.type("q")
    assert terminal.ended() == 0


def test_a_dumb_terminal(ocipy):
    terminal = Terminal(["env", "TERM=dumb", RUNTIME, "--root", str(ocipy.root), "top"])
    try:
        terminal.wait(lambda seen: "top needs a terminal" in seen)
        assert terminal.process.wait(DEADLINE) == 1
    finally:
        terminal.close()


@pytest.mark.rootless
def test_an_ordinary_user_s_own(as_user):
    as_user("run", "-d", "--bundle", as_user.bundle(*FOREVER), "c1", status=0)
    (row,) = json.loads(as_user("top", "--once", "--format", "json", *QUICK, status=0).stdout)
    assert (row["id"], row["status"]) == ("c1", "running")
