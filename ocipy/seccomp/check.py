"""What is wrong with a seccomp profile that has the schema's shape: the rules between its properties, as pure code.

Source: config-linux.md#seccomp; where the spec is silent, what runc refuses.
"""

from ocipy.errors import Fault
from ocipy.seccomp.names import ACTIONS_WITH_ERRNO, MAX_ARGUMENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_POINTER = "/linux/seccomp"


def check(seccomp: "dict[str, Any]") -> "list[Fault]":
    """Every fault of a profile, in the document's order, with JSON pointers from the config's root."""
    faults: list[Fault] = []
    default = seccomp["defaultAction"]
    _check_errno(faults, f"{_POINTER}/defaultErrnoRet", default, seccomp.get("defaultErrnoRet"))
    notify = f"{_POINTER}/defaultAction" if default == "SCMP_ACT_NOTIFY" else ""
    for index, rule in enumerate(seccomp.get("syscalls") or ()):
        pointer = f"{_POINTER}/syscalls/{index}"
        if rule["action"] == "SCMP_ACT_NOTIFY":
            notify = notify or f"{pointer}/action"
        _check_rule(faults, pointer, rule)
    _check_listener(faults, seccomp, notify)
    return faults


def uses_notify(seccomp: "dict[str, Any]") -> bool:
    """Whether the profile asks the seccomp agent."""
    actions = [seccomp["defaultAction"], *(rule["action"] for rule in seccomp.get("syscalls") or ())]
    return "SCMP_ACT_NOTIFY" in actions


def _check_rule(faults: "list[Fault]", pointer: str, rule: "dict[str, Any]") -> None:
    action = rule["action"]
    names = rule["names"]
    if "" in names:
        faults.append(Fault(f"{pointer}/names/{names.index('')}", "the name of a syscall is empty"))
    _check_errno(faults, f"{pointer}/errnoRet", action, rule.get("errnoRet"))
    for number, argument in enumerate(rule.get("args") or ()):
        if argument["index"] >= MAX_ARGUMENTS:
            where = f"{pointer}/args/{number}/index"
            faults.append(Fault(where, f"a syscall has {MAX_ARGUMENTS} arguments, 0 to {MAX_ARGUMENTS - 1}"))


def _check_errno(faults: "list[Fault]", pointer: str, action: str, value: "int | None") -> None:
    if value is None:
        return
    largest = ACTIONS_WITH_ERRNO.get(action)
    if largest is None:
        faults.append(Fault(pointer, f"{action} takes no errno (only {' and '.join(ACTIONS_WITH_ERRNO)} do)"))
    elif value > largest:
        # Cut to the 16 bits there are, 65536 would make a denied syscall report success.
        faults.append(Fault(pointer, f"the errno of {action} is at most {largest}, not {value}"))


def _check_listener(faults: "list[Fault]", seccomp: "dict[str, Any]", notify: str) -> None:
    """listenerPath without SCMP_ACT_NOTIFY is no fault: the spec says that it is ignored."""
    path = seccomp.get("listenerPath")
    if notify and not path:
        faults.append(Fault(notify, "SCMP_ACT_NOTIFY needs a listenerPath to send the seccomp fd to"))
    if seccomp.get("listenerMetadata") and not path:
        faults.append(Fault(f"{_POINTER}/listenerMetadata", "listenerMetadata must not be set without listenerPath"))
