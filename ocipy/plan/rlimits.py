"""``process.rlimits``: one step each (getrlimit(2))."""

from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# asm-generic/resource.h, in order of number.
_NAMES = (
    "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE",
    "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
)  # fmt: skip
NUMBERS = {f"RLIMIT_{name}": number for number, name in enumerate(_NAMES)}


def rlimits(entries: "list[dict[str, Any]]") -> "Iterator[SetupOp]":
    """The steps; the runtime sets them, for it may hold the right to raise a hard limit, which init may not."""
    for number, entry in enumerate(entries):
        yield SetupOp(
            "rlimit",
            f"/process/rlimits/{number}",
            name=entry["type"],
            resource=NUMBERS[entry["type"]],
            soft=entry["soft"],
            hard=entry["hard"],
        )
