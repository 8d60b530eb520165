"""Command-line options: a table per command, parsed the way runc's are.

``argparse`` costs 14 ms of imports, more than the rest of a ``state`` call; the shape runc accepts is small:
``--name value``, ``--name=value``, ``-n value``, ``-nvalue`` is not one of them, long options also with one
dash, options and arguments in any order unless the command says otherwise, ``--`` ends the options.
"""

from ocipy.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Option:
    """One option: ``kind`` is ``"flag"``, ``"switch"`` (a flag that can be seen not to be given), ``"text"``, ``"int"``
    or ``"list"`` (repeatable text)."""

    __slots__ = ("help", "kind", "metavar", "name", "short")

    def __init__(self, name: str, help: str, kind: str = "flag", metavar: str = "VALUE", short: str = "") -> None:
        self.name = name
        self.help = help
        self.kind = kind
        self.metavar = metavar
        self.short = short

    @property
    def default(self) -> "object":
        return {"flag": False, "switch": None, "text": "", "int": None, "list": []}[self.kind]


class Parsed:
    """What a command line said: ``options`` by long name (every option has a key), ``arguments`` in order."""

    __slots__ = ("arguments", "options")

    def __init__(self, options: "dict[str, object]", arguments: "list[str]") -> None:
        self.options = options
        self.arguments = arguments

    def flag(self, name: str) -> bool:
        return self.options[name] is True

    def switch(self, name: str) -> "bool | None":
        value = self.options[name]
        return value if isinstance(value, bool) else None

    def text(self, name: str) -> str:
        value = self.options[name]
        return value if isinstance(value, str) else ""

    def integer(self, name: str) -> "int | None":
        value = self.options[name]
        return value if isinstance(value, int) else None

    def texts(self, name: str) -> "list[str]":
        value = self.options[name]
        return value if isinstance(value, list) else []


HELP = Option("help", "show help", short="h")


def parse(options: "Sequence[Option]", argv: "Sequence[str]", *, interspersed: bool = True) -> Parsed:
    """Split argv into options and arguments.

    With ``interspersed=False`` the first argument ends the options (``exec ID ls -l``, global options).
    Raises UsageError for an unknown option, a missing or malformed value.
    """
    table = {option.name: option for option in (*options, HELP)}
    table.update({option.short: option for option in (*options, HELP) if option.short})
    values: dict[str, object] = {option.name: option.default for option in (*options, HELP)}
    arguments: list[str] = []
    position = 0
    while position < len(argv):
        word = argv[position]
        position += 1
        if word == "--":
            arguments.extend(argv[position:])
            break
        if word == "-" or not word.startswith("-"):
            arguments.append(word)
            if not interspersed:
                arguments.extend(argv[position:])
                break
            continue
        name, equals, value = word[2 if word.startswith("--") else 1 :].partition("=")
        option = table.get(name)
        if option is None:
            raise UsageError(f"unknown option {word.partition('=')[0]}")
        if option.kind in ("flag", "switch"):
            values[option.name] = _boolean(option, value) if equals else True
            continue
        if not equals:
            if position >= len(argv):
                raise UsageError(f"option --{option.name} needs a value")
            value = argv[position]
            position += 1
        if option.kind == "list":
            listed = values[option.name]
            values[option.name] = [*(listed if isinstance(listed, list) else []), value]
        else:
            values[option.name] = _integer(option, value) if option.kind == "int" else value
    return Parsed(values, arguments)


def _boolean(option: Option, value: str) -> bool:
    if value in ("true", "1", "t", "T", "TRUE", "True"):
        return True
    if value in ("false", "0", "f", "F", "FALSE", "False"):
        return False
    raise UsageError(f"option --{option.name} is true or false, not {value!r}")


def _integer(option: Option, value: str) -> int:
    digits = value[1:] if value[:1] == "-" else value
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise UsageError(f"option --{option.name} needs a whole number, not {value!r}")
    return int(value)


def expect(arguments: "Sequence[str]", least: int, most: int, usage: str) -> None:
    """Raise UsageError unless the count of arguments lies in ``least..most``; ``usage`` is shown."""
    if not least <= len(arguments) <= most:
        count = f"{least}" if least == most else f"{least} to {most}"
        raise UsageError(f"needs {count} argument{'' if most == 1 else 's'}, got {len(arguments)} (usage: {usage})")


def help_text(usage: str, summary: str, options: "Sequence[Option]") -> str:
    """The text of ``--help``."""
    rows = []
    for option in (*options, HELP):
        short = f"-{option.short}, " if option.short else "    "
        value = "" if option.kind in ("flag", "switch") else f" {option.metavar}"
        rows.append((f"  {short}--{option.name}{value}", option.help))
    width = max(len(left) for left, _ in rows) + 2
    lines = [f"usage: {usage}", "", summary, "", "options:"]
    lines += [f"{left:<{width}}{text}" for left, text in rows]
    return "\n".join(lines)
