"""A user at a terminal: a command in the machine with a pseudo-terminal as its controlling one."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import Self

from tests.engines.machine import Machine

DEADLINE = 30  # seconds


class Terminal:
    """``with Terminal(machine, (rows, columns), "podman", "run", "-ti", …) as terminal:``; killed at the end."""

    def __init__(
        self, machine: Machine, size: tuple[int, int], *argv: object, env: dict[str, str] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self._process = machine.start(
            "setsid", "--ctty", "--wait", *argv, env=env, stdin=slave, stdout=slave, stderr=slave
        )
        self._slave = slave
        self.output = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def wait_for(self, text: str) -> str:
        """Read until ``text`` has come: what came before it, which is no longer ``output`` then."""
        end = time.monotonic() + DEADLINE
        while text not in self.output:
            assert time.monotonic() < end, f"no {text!r} on the terminal, but {self.output!r}"
            self._read(0.1)
            assert text in self.output or self._process.poll() is None or self._more(), (
                f"the end, and no {text!r} on the terminal, but {self.output!r}"
            )
        before, _, self.output = self.output.partition(text)
        return before

    def wait(self) -> int:
        """Read to the end of the command: its exit status.  ``output`` has all that was written."""
        end = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            assert time.monotonic() < end, f"it goes on, after {self.output!r}"
            self._read(0.05)
        while self._more():
            self._read(0)
        return self._process.returncode

    def restored(self) -> bool:
        """Whether the terminal's modes are those of before."""
        return termios.tcgetattr(self._slave) == self.before

    def _more(self) -> bool:
        return bool(select.select([self._master], [], [], 0)[0])

    def _read(self, timeout: float) -> None:
        if select.select([self._master], [], [], timeout)[0]:
            self.output += os.read(self._master, 65536).decode(errors="replace")
