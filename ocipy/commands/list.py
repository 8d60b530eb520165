"""``ocipy list``."""

from ocipy import log
from ocipy.container import Container
from ocipy.errors import NotFoundError, OcipyError, UsageError
from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cli import Settings

SUMMARY = "list the containers below the root directory"
USAGE = "ocipy list [options]"
OPTIONS = (
    Option("format", "table or json (default: table)", "text", "FORMAT", short="f"),
    Option("quiet", "print ids only", short="q"),
)

_COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")
_PADDING, _LEAST_WIDTH = 3, 12  # those of runc's table


def run(parsed: Parsed, settings: "Settings") -> int:
    expect(parsed.arguments, 0, 0, USAGE)
    form = parsed.text("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(f"--format is table or json, not {form!r}")
    states = _states(settings.root)
    if parsed.flag("quiet"):
        print("".join(f"{state['id']}\n" for state in states), end="")
    elif form == "json":
        from ocipy.spec.jsontext import dumps

        print(dumps(states) if states else "null")
    else:
        print(_table(states))
    return 0


def _states(root: str) -> "list[dict[str, Any]]":
    found = []
    for container in Container.list(root):
        try:
            found.append(container.state())
        except NotFoundError:
            continue  # it was removed meanwhile
        except OcipyError as problem:
            # One that was left by a crash must not hide the others.
            log.warning(str(problem))
    return found


def _table(states: "list[dict[str, Any]]") -> str:
    rows = [[column.upper() for column in _COLUMNS]]
    rows += [[str(state[column]) for column in _COLUMNS] for state in states]
    widths = [max(_LEAST_WIDTH, *(len(row[i]) + _PADDING for row in rows)) for i in range(len(_COLUMNS))]
    lines = [
        "".join(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)) + row[-1] for row in rows
    ]
    return "\n".join(lines)
