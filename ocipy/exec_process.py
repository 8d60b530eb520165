"""Which process an exec is to run: a document's, or that of the container's config with changes."""

from ocipy import log
from ocipy.errors import ConfigError, UsageError
from ocipy.spec import checks
from ocipy.spec.jsontext import dumps, loads
from ocipy.spec.load import complete_process, parse_process, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.exec_options import ExecOptions

_FROM_CONFIG = (
    "capabilities", "apparmorProfile", "selinuxLabel", "rlimits", "scheduler", "ioPriority", "execCPUAffinity",
    "oomScoreAdj",
)  # fmt: skip
_MOST_CELLS = 65535  # struct winsize (ioctl_tty(2))
_OPTIONS = {"cwd": "--cwd", "env": "--env", "args": "the program", "user": "--user"}


def choose(options: "ExecOptions", config: "dict[str, Any]") -> "dict[str, Any]":
    """The process, complete and checked.  Raises ConfigError for a document's faults, UsageError for the rest."""
    inherited: dict[str, Any] = config.get("process") or {}
    process = _described(options.process, inherited) if options.process else _changed(inherited, options)
    if any(options.console_size):
        if not all(0 <= each <= _MOST_CELLS for each in options.console_size):
            raise UsageError(f"console_size {options.console_size}: expected two numbers from 0 to {_MOST_CELLS}")
        process["consoleSize"] = dict(zip(("height", "width"), options.console_size, strict=True))
    return process


def _described(process: "str | dict[str, Any]", inherited: "dict[str, Any]") -> "dict[str, Any]":
    if isinstance(process, str):
        data, path = read_file(process), process
    else:
        data, path = dumps(process).encode("utf-8", "surrogatepass"), "process"
    found = parse_process(data, path, {name: inherited[name] for name in _FROM_CONFIG if name in inherited})
    faults = checks.check_exec(found)
    if b"\\u0000" in data or b"\\ud" in data or b"\\uD" in data:
        faults += checks.check_text(found)
    if faults:
        from ocipy.spec.locate import place

        raise ConfigError(path, place(data, faults))
    for warning in checks.warn_capabilities({"process": found}):
        log.warning(str(warning))
    return found


def _changed(inherited: "dict[str, Any]", options: "ExecOptions") -> "dict[str, Any]":
    process: Any = loads(dumps(inherited).encode(), "config.json") if inherited else {"cwd": "/"}
    complete_process(process)
    process["args"] = options.args
    process["env"] += options.env
    process["terminal"] = options.tty
    if options.cwd:
        process["cwd"] = options.cwd
    if options.user:
        process["user"] |= parse_user(options.user)
    process["user"]["additionalGids"] += [_checked_id(gid, "additional-gids") for gid in options.additional_gids]
    if options.no_new_privileges is not None:
        process["noNewPrivileges"] = options.no_new_privileges
    if options.apparmor:
        process["apparmorProfile"] = options.apparmor
    if options.label:
        process["selinuxLabel"] = options.label
    if options.capabilities:
        _add_capabilities(process["capabilities"], options.capabilities)
    for fault in checks.check_exec(process):
        name = fault.pointer.split("/")[1]
        raise UsageError(f"{_OPTIONS.get(name, fault.pointer)}: {fault.message}")
    texts = [*process["args"], *process["env"], process["cwd"], process["apparmorProfile"], process["selinuxLabel"]]
    if any("\0" in text for text in texts):
        raise UsageError("there is a NUL in an argument, which no path or argument of a program can have")
    return process  # type: ignore[no-any-return]


def _add_capabilities(sets: "dict[str, list[str]]", names: "list[str]") -> None:
    """To be held by the program they have to be ambient as well, which takes inheritable ones (capabilities(7))."""
    from ocipy.capabilities import to_mask

    unknown = to_mask(names)[1]
    if unknown:
        raise UsageError(f"--cap: unknown capability {unknown[0]!r} (expected one such as CAP_KILL)")
    kinds = ["bounding", "effective", "permitted"]
    for kind in [*kinds, "ambient"] if sets["inheritable"] else kinds:
        sets[kind] = [*sets[kind], *names]


def parse_user(text: str) -> "dict[str, int]":
    """``UID`` or ``UID:GID``, in digits and nothing else: ``uid``, and ``gid`` if it is given.  Raises UsageError."""
    uid, colon, gid = text.partition(":")
    found = {"uid": _parsed_id(uid, text)}
    if colon:
        found["gid"] = _parsed_id(gid, text)
    return found


def _parsed_id(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise UsageError(f"--user {text!r}: expected UID or UID:GID, in numbers")
    return _checked_id(int(digits), "user")


def _checked_id(number: int, option: str) -> int:
    if not 0 <= number < checks.NO_ID:
        raise UsageError(f"--{option}: an id is a number from 0 to {checks.NO_ID - 1}, not {number}")
    return number
