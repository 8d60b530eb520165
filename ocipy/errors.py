"""Every error ocipy raises, and the one line each of them prints.

``str(error)`` is the line a person or an engine reads, without the ``ocipy: `` prefix: engines show
only the last line of stderr, so it has to suffice.  Nothing here imports anything: this module is on the
path of every command.
"""


class OcipyError(Exception):
    """Base of all errors raised by ocipy; ``exit_status`` is what the command exits with."""

    exit_status = 1


class UsageError(OcipyError):
    """The command line, or an argument of a library call, is wrong."""


class Fault:
    """One thing wrong with a document.

    ``pointer`` is a JSON pointer (RFC 6901, ``""`` is the whole document), ``line`` and ``column`` count
    from 1 (0: unknown), ``message`` says what is wrong and what was expected, in words.
    """

    __slots__ = ("column", "line", "message", "pointer")

    def __init__(self, pointer: str, message: str, line: int = 0, column: int = 0) -> None:
        self.pointer = pointer
        self.message = message
        self.line = line
        self.column = column

    def __str__(self) -> str:
        where = f" (line {self.line}, column {self.column})" if self.line else ""
        return f"{self.pointer or '/'}{where}: {self.message}"

    def __repr__(self) -> str:
        return f"Fault({self.pointer!r}, {self.message!r}, {self.line}, {self.column})"


class ConfigError(OcipyError):
    """A config.json, or another input document, that can't be used.

    ``path`` is the file, ``faults`` every fault found (at least one).
    """

    def __init__(self, path: str, faults: "list[Fault]") -> None:
        self.path = path
        self.faults = faults
        more = len(faults) - 1
        rest = f" (and {more} more: ocipy validate lists them all)" if more else ""
        super().__init__(f"{path}: {faults[0]}{rest}")


class StateError(OcipyError):
    """The container's state doesn't allow the operation (unknown id, wrong status, id in use)."""


class NotFoundError(StateError):
    """No container of that id."""


class SyscallError(OcipyError):
    """A system call of the runtime's failed: ``errno``, ``action`` in words and the ``path`` it was about."""

    def __init__(self, action: str, errno: int, path: str = "", hint: str = "") -> None:
        self.action = action
        self.errno = errno
        self.path = path
        self.hint = hint
        subject = f" {path}" if path else ""
        super().__init__(f"{action}{subject}: {describe_errno(errno)}{f' ({hint})' if hint else ''}")


class StepError(OcipyError):
    """A step of the plan failed.

    ``index`` is the step's place in the plan, ``pointer`` the part of config.json that asks for it,
    ``errno`` the errno (0: none), ``detail`` the system call and its subject, ``hint`` advice or "".
    """

    def __init__(
        self, where: str, detail: str, errno: int = 0, hint: str = "", index: int = -1, pointer: str = ""
    ) -> None:
        self.index = index
        self.pointer = pointer
        self.errno = errno
        self.detail = detail
        self.hint = hint
        parts = [part for part in (where, detail, describe_errno(errno) if errno else "") if part]
        super().__init__(": ".join(parts) + (f" ({hint})" if hint else ""))


class ProgramError(StepError):
    """The program can't be executed; ``shell_status`` is what a shell would exit with: 127 if it isn't there."""

    shell_status = 126


def one_line(text: str) -> str:
    """The lines of ``text`` as one, for an error: engines show only the last line of what the runtime prints."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def printable(text: str) -> str:
    """``text`` with escapes for what would end the line, or tell a terminal something: names, a container's output."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def describe_errno(number: int) -> str:
    """The errno as ``NAME: text``, e.g. ``EPERM: operation not permitted`` (errno(3))."""
    import errno
    import posix

    text = posix.strerror(number)
    return f"{errno.errorcode.get(number, number)}: {text[:1].lower()}{text[1:]}"
