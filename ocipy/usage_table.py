"""What ``top`` shows of each container, as words in columns.  Pure."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADINGS = (
    "ID", "STATUS", "CPU", "LIMIT", "CPU%", "MEMORY", "LIMIT", "MEM%", "READ/S", "WRITE/S", "IO%", "PIDS", "LIMIT",
)  # fmt: skip
UNKNOWN = "-"
ORDERS = ("cpu", "memory", "io", "pids", "id")


def in_order(rows: "list[dict[str, Any]]", order: str) -> "list[dict[str, Any]]":
    """The rows by one of ORDERS, who uses most first; what isn't known comes last, what is equal goes by id."""
    rows = sorted(rows, key=_id)
    return rows if order == "id" else sorted(rows, key=lambda row: _used(row, order), reverse=True)


def _id(row: "dict[str, Any]") -> str:
    return str(row["id"])


def _used(row: "dict[str, Any]", order: str) -> float:
    part = row[order]
    known = [part[name] for name in ("used", "read", "write") if part.get(name) is not None]
    return sum(known) if known else -1


def cells(row: "dict[str, Any]") -> "list[str]":
    """A row's words, below HEADINGS."""
    cpu, memory, io, pids = row["cpu"], row["memory"], row["io"], row["pids"]
    return [
        row["id"], row["status"],
        _decimal(cpu["used"]), _decimal(cpu["limit"]), _percent(cpu["percent"]),
        size(memory["used"]), size(memory["limit"]), _percent(memory["percent"]),
        size(io["read"]), size(io["write"]), _percent(io["percent"]),
        _whole(pids["used"]), _whole(pids["limit"]),
    ]  # fmt: skip


def text(rows: "list[dict[str, Any]]") -> str:
    """A table: words to the left, numbers to the right."""
    table = [list(HEADINGS), *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    lines = []
    for line in table:
        words = [f"{word:<{width}}" for word, width in zip(line[:2], widths[:2], strict=True)]
        words += [f"{word:>{width}}" for word, width in zip(line[2:], widths[2:], strict=True)]
        lines.append("  ".join(words))
    return "\n".join(lines)


def size(number: "float | None") -> str:
    """Bytes as a number of three digits or so, and a unit of 1024s."""
    if number is None:
        return UNKNOWN
    units = iter("KMGTPE")
    unit = ""
    while number >= 1000 and (larger := next(units, "")):
        number, unit = number / 1024, larger
    return f"{number:.1f}{unit}" if unit and number < 10 else f"{number:.0f}{unit}"


def _whole(number: "int | None") -> str:
    return UNKNOWN if number is None else str(number)


def _decimal(number: "float | None") -> str:
    return UNKNOWN if number is None else f"{number:.2f}"


def _percent(number: "float | None") -> str:
    return UNKNOWN if number is None else f"{number:.0f}%"
