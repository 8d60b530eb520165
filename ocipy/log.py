"""The log, in the formats runc writes and engines read (logrus text and JSON lines).

Without ``--log`` warnings (and with ``--debug`` debug lines) go to stderr; with it, to the file, the journal or syslog.
An error is logged there, and always printed on stderr as the last line.
"""

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.system_log import Journal, Syslog


class Log:
    """Where log lines go: ``fd`` (2: stderr), or ``sink`` if there is one; ``form`` ``"text"`` or ``"json"``, debug
    lines or not.  ``is_apart``: not on stderr."""

    __slots__ = ("debug_enabled", "fd", "form", "sink")

    def __init__(self) -> None:
        self.fd = 2
        self.form = "text"
        self.debug_enabled = False
        self.sink: Journal | Syslog | None = None

    @property
    def is_apart(self) -> bool:
        return self.fd != 2 or self.sink is not None

    def open(self, target: str, form: str, debug: bool) -> None:
        """Log to a file (created 0644, appended to), as ``PATH`` or ``file:PATH``, or to ``journald:[IDENTIFIER]`` or
        ``syslog:[IDENTIFIER]`` (crun's words); "": stderr.  Raises OSError, UsageError."""
        kind, _, path = target.partition(":")
        if kind in ("journald", "syslog") and ":" in target:
            from ocipy.system_log import SINKS

            self.sink = SINKS[kind](path)
        elif target:
            path = path if kind == "file" and ":" in target else target
            self.fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC, 0o644)
        self.form = form
        self.debug_enabled = debug

    def write(self, level: str, message: str) -> None:
        if level == "debug" and not self.debug_enabled:
            return
        stamp = _timestamp()
        quoted = quote(message)
        if self.form == "json":
            line = f'{{"level":"{level}","msg":{quoted},"time":"{stamp}"}}\n'
        else:
            line = f'time="{stamp}" level={level} msg={quoted}\n'
        try:
            if self.sink:
                self.sink.send(level, line.rstrip("\n") if self.form == "json" else message)
                return
            # Bytes that are no UTF-8 (in a path) are surrogates in the text: as \udc80 the line stays JSON.
            posix.write(self.fd, line.encode("utf-8", "backslashreplace"))
        except OSError:
            # A log that can't be written (a full disk, a closed pipe) must not change what a command does.
            self.fd, self.sink = 2, None


LOG = Log()


def debug(message: str) -> None:
    """Log one line at level debug (written with ``--debug`` only)."""
    LOG.write("debug", message)


def warning(message: str) -> None:
    """Log one line at level warning."""
    LOG.write("warning", message)


def error(message: str) -> None:
    """Log one line at level error."""
    LOG.write("error", message)


def quote(text: str) -> str:
    """``text`` as a JSON string, which is also how logrus quotes it."""
    from _json import encode_basestring

    return encode_basestring(text)


def _timestamp() -> str:
    local = time.localtime()
    offset = local.tm_gmtoff // 60
    sign = "+" if offset >= 0 else "-"
    zone = f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}" if offset else "Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + zone
