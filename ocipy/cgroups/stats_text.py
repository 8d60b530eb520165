"""What the kernel's statistics files say, as values.  Pure.

``Files`` are those of one cgroup; a file that isn't there has no text, and all that is read from it is 0 or nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Files(Protocol):
        """The files of one cgroup: ``text`` of one by its name ("": none there), and all their names."""

        def text(self, name: str) -> str: ...
        def names(self) -> "list[str]": ...


UNLIMITED = (1 << 64) - 1  # runc's number for "max"


def present(**members: "Any") -> "dict[str, Any]":
    """The members that are neither 0 nor empty: what runc leaves out of its JSON where it is (omitempty in Go)."""
    return {name: value for name, value in members.items() if value}


def number(text: str) -> int:
    """The whole number that a file is; ``max`` is UNLIMITED."""
    word = text.strip()
    return UNLIMITED if word == "max" else int(word or 0)


def pairs(text: str) -> "dict[str, int]":
    """A flat keyed file (cgroup-v2.rst): a name and a number in each line."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        found[name] = int(value)
    return found


def id_list(text: str) -> "list[int]":
    """A list of processors or memory nodes, ``0-2,5`` (cpuset(7), List format)."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found


def pressure(text: str) -> "dict[str, Any] | None":
    """A PSI file (Documentation/accounting/psi.rst) as runc's ``psi``: percentages, and the total in microseconds.

    Before Linux 5.13 cpu.pressure had no line ``full``: all zeros, as runc has it.
    """
    if not text:
        return None
    found: dict[str, Any] = {kind: {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 0} for kind in ("some", "full")}
    for line in text.splitlines():
        kind, *values = line.split()
        for value in values:
            name, _, digits = value.partition("=")
            found[kind][name] = int(digits) if name == "total" else float(digits)
    return found
