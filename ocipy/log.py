"""The log, in the formats runc writes and engines read (logrus text and JSON lines).

Without ``--log`` warnings (and with ``--debug`` debug lines) go to stderr; with it, to the file.  An error is
logged to the file, and always printed on stderr as the last line.
"""

import posix
import time


class Log:
    """Where log lines go: ``fd`` (2: stderr), ``form`` ``"text"`` or ``"json"``, debug lines or not."""

    __slots__ = ("debug_enabled", "fd", "form")

    def __init__(self) -> None:
        self.fd = 2
        self.form = "text"
        self.debug_enabled = False

    def open(self, path: str, form: str, debug: bool) -> None:
        """Log to ``path`` (created 0644, appended to; empty: stderr). Raises OSError."""
        if path:
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
            # Bytes that are no UTF-8 (in a path) are surrogates in the text: as \udc80 the line stays JSON.
            posix.write(self.fd, line.encode("utf-8", "backslashreplace"))
        except OSError:
            # A log that can't be written (a full disk, a closed pipe) must not change what a command does.
            self.fd = 2


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
