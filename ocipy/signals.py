"""Signals: names and numbers, as ``kill`` takes them (signal(7)).

The numbers are the running architecture's: ``_signal``, compiled into every interpreter and loaded by its start,
has them from the C library (MIPS, SPARC and PA-RISC number many signals otherwise than the rest).
"""

from ocipy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

# The C library keeps the first two real-time signals (32 and 33) to itself.
RTMIN = int(_signal.SIGRTMIN)
RTMAX = int(_signal.SIGRTMAX)

NUMBERS = {
    name: int(getattr(_signal, name))
    for name in dir(_signal)
    if name.startswith("SIG") and not name.startswith(("SIG_", "SIGRT"))
}

# Second names of signals that have a commoner one.
_ALIASES = ("SIGCLD", "SIGIOT", "SIGPOLL", "SIGUNUSED")

_NAMES = {number: name for name, number in NUMBERS.items() if name not in _ALIASES}


def parse_signal(text: str) -> int:
    """The number of a signal given as ``9``, ``KILL``, ``SIGKILL``, ``sigkill``, ``RTMIN``, ``RTMIN+3``, ``RTMAX-2``.

    0 is let through: kill(2) takes it as the question whether the process is there.  Raises UsageError.
    """
    if text.isascii() and text.isdigit() and len(text) <= 4:
        number: int | None = int(text)
    else:
        upper = text.upper() if text.isascii() else ""
        full = upper if upper.startswith("SIG") else f"SIG{upper}"
        number = NUMBERS.get(full)
        if number is None:
            number = _realtime(full)
    if number is None or number > RTMAX:
        raise UsageError(f'unknown signal "{text}"')
    return number


def name(number: int) -> str:
    """The name of a signal (``SIGKILL``, ``SIGRTMIN+3``), or its number as text if it has none."""
    if number in _NAMES:
        return _NAMES[number]
    if RTMIN <= number <= RTMAX:
        return f"SIGRTMIN+{number - RTMIN}" if number > RTMIN else "SIGRTMIN"
    return str(number)


def _realtime(full: str) -> "int | None":
    """The number of ``SIGRTMIN[+n]`` or ``SIGRTMAX[-n]``, None for anything else or one out of their range."""
    for prefix, base, sign in (("SIGRTMIN", RTMIN, "+"), ("SIGRTMAX", RTMAX, "-")):
        if not full.startswith(prefix):
            continue
        offset = full[len(prefix) :]
        if not offset:
            return base
        digits = offset[1:]
        if offset[0] == sign and digits.isdigit() and len(digits) <= 2:
            number = base + int(sign + digits)
            return number if RTMIN <= number <= RTMAX else None
    return None
