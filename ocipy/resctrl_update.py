"""``update --l3-cache-schema`` and ``--mem-bw-schema``: the schemata of a container's group in resctrl."""

from functools import partial

from ocipy import control, files, host_facts, resctrl
from ocipy.errors import StepError
from ocipy.plan.resctrl import need_resources
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.transaction import Transaction

_OPTIONS = ("--l3-cache-schema", "--mem-bw-schema")


def change_schemata(
    directory: StateDir, found: "dict[str, Any]", schemata: "tuple[str, str]", transaction: "Transaction"
) -> None:
    """Write the lines for L3 and for MB ("": none).  A container without a group gets one of its own, as runc has it.

    ``found``, the state, learns of it.  Raises StepError where resctrl isn't there, or not with these resources;
    SyscallError.
    """
    mounted = host_facts.resctrl()
    for option, text in zip(_OPTIONS, schemata, strict=True):
        if text and mounted is None:
            raise StepError(option, "no resctrl filesystem is mounted", 0, "mount -t resctrl resctrl /sys/fs/resctrl")
        if text and mounted:
            need_resources(f"/{option}", text, mounted)
    assert mounted is not None
    path = found.get("resctrl_group")
    if path is None:
        path = f"{mounted.mount}/{found['id']}"
        resctrl.make(path)
        transaction.on_undo(partial(resctrl.remove, [path]))
        found["resctrl"] = [*found.get("resctrl", ()), path]
        found["resctrl_group"] = path
        for pid in control.processes(directory):
            resctrl.move(path, pid)
    for text in filter(None, schemata):
        before = "\n".join(_lines_of(path, text))
        transaction.do(partial(resctrl.write_schemata, path, text), partial(resctrl.write_schemata, path, before))


def _lines_of(path: str, text: str) -> "list[str]":
    """The group's present lines about the same resources."""
    names = {line.partition(":")[0].strip() for line in text.split("\n")}
    lines = files.read(f"{path}/schemata").decode().split("\n")
    return [line.strip() for line in lines if line.partition(":")[0].strip() in names]
