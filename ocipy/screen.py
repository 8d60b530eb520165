"""The live screen of ``top``: drawn by rich, which is imported with this module alone."""

import posix
import select
import signal
import termios
import time
import tty

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ocipy.errors import UsageError
from ocipy.interruption import ENDING, Signals
from ocipy.usage_table import HEADINGS, cells, in_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.usage import Usage

_STDIN = 0
_ROOM = 2  # lines that aren't containers: the headings, and what the keys do
_SHORT_ID = 12  # characters: what engines show of their ids
_FIRST = 0.25  # seconds, at most, to the second measurement, which the first rates wait for
_SORT_KEYS = {"c": "cpu", "m": "memory", "i": "io", "p": "pids", "n": "id"}
_HELP = "q quit   sort by  " + "  ".join(f"{key} {order}" for key, order in _SORT_KEYS.items())
# From how many percent on, and how they look then.
_STYLES = ((95, "bold red"), (80, "yellow"), (0, "green"))


class Screen:
    """A terminal's whole screen, until q is pressed or a signal comes."""

    def __init__(self, usage: "Usage", interval: float, order: str) -> None:
        """``interval``: seconds between measurements; ``order``: one of usage_table.ORDERS.

        Raises UsageError without a terminal.
        """
        self._usage = usage
        self._interval = interval
        self._order = order
        self._rows: list[dict[str, Any]] = []
        self._console = Console()
        if not (self._console.is_terminal and posix.isatty(_STDIN)) or self._console.is_dumb_terminal:
            raise UsageError("top needs a terminal to show what goes on: --once prints one table")

    def show(self) -> int:
        """The exit status: 0, or 128+n after signal n.  The terminal is left as it was."""
        # SIGTSTP is without effect: a shell would get the terminal as it is here.
        with Signals((*ENDING, signal.SIGWINCH, signal.SIGTSTP)) as signals:
            before = termios.tcgetattr(_STDIN)
            tty.setcbreak(_STDIN, termios.TCSANOW)
            try:
                live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stdout=False,
                            redirect_stderr=False)  # fmt: skip
                with live:
                    return self._loop(live, signals)
            finally:
                termios.tcsetattr(_STDIN, termios.TCSAFLUSH, before)

    def _loop(self, live: Live, signals: Signals) -> int:
        poller = select.poll()
        for fd in (_STDIN, signals.fd):
            poller.register(fd, select.POLLIN)
        self._rows = self._usage.measure()
        due = time.monotonic() + min(self._interval, _FIRST)
        while True:
            if time.monotonic() >= due:
                self._rows = self._usage.measure()
                due = time.monotonic() + self._interval
            live.update(self._picture(), refresh=True)
            ready = [fd for fd, _ in poller.poll(max(0.0, due - time.monotonic()) * 1000)]
            came = [number for number in signals.take() if number in ENDING]
            if came:
                return 128 + came[0]
            if _STDIN in ready and not self._take_keys():
                return 0

    def _take_keys(self) -> bool:
        """Whether to go on."""
        typed = posix.read(_STDIN, 512).decode("ascii", "replace").lower()
        for key in typed:
            if key == "q":
                return False
            self._order = _SORT_KEYS.get(key, self._order)
        return bool(typed)  # nothing: the terminal has gone

    def _picture(self) -> Group:
        room = max(0, self._console.size.height - _ROOM)
        rows = in_order(self._rows, self._order)
        if len(rows) > room:
            room = max(0, room - 1)
        table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1), header_style="reverse")
        # Where not all fits, ids are cut first: half a number is worse than none.
        table.add_column(HEADINGS[0], min_width=_SHORT_ID)
        for number, heading in enumerate(HEADINGS[1:]):
            table.add_column(heading, justify="right" if number else "left", no_wrap=True)
        for row in rows[:room]:
            container, *words = cells(row)
            name = Text(container, no_wrap=True, overflow="ellipsis")
            table.add_row(name, *(_styled(word) for word in words))
        hidden = [Text(f"… {len(rows) - room} more", style="dim")] if len(rows) > room else []
        keys = Text(f"{_HELP}   (by {self._order})", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(table, *hidden, keys)


def _styled(word: str) -> Text:
    if not word.endswith("%") or not word[:-1].isdigit():
        return Text(word)
    return Text(word, style=next(style for least, style in _STYLES if int(word[:-1]) >= least))
