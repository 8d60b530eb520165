"""``linux.intelRdt``: the groups of resctrl that the container is put into (config-linux.md, IntelRdt)."""

from ocipy.errors import StepError
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo, Resctrl

_POINTER = "/linux/intelRdt"


def groups(wanted: "dict[str, Any]", host: "HostInfo", container_id: str) -> "Iterator[SetupOp]":
    """The steps that make the groups, or see that they are there: first of all, so that nothing else has been made.

    Raises StepError where resctrl isn't mounted, or lacks a resource that is asked for.
    """
    resctrl = _resctrl(host)
    schemata = _schemata(wanted)
    for pointer, text in schemata:
        need_resources(pointer, text, resctrl)
    closid = wanted.get("closID", "")
    yield SetupOp(
        "resctrl-group",
        _POINTER,
        path=_group(resctrl, closid, container_id),
        create=closid != "/" and (not closid or bool(schemata)),
        named=bool(closid),
        equal=[wanted[name] for name in ("l3CacheSchema", "memBwSchema") if closid and wanted.get(name)],
        schemata=[text for _, text in schemata],
    )
    if wanted.get("enableMonitoring"):
        if not any(name.endswith("_MON") for name in resctrl.resources):
            raise _error(f"{_POINTER}/enableMonitoring", f"{resctrl.mount} has no monitoring")
        yield SetupOp("resctrl-monitor", f"{_POINTER}/enableMonitoring", path=_monitor(resctrl, closid, container_id))


def join(wanted: "dict[str, Any]", host: "HostInfo", container_id: str) -> SetupOp:
    """The step that puts the new process there; a monitoring group takes only what its control group has."""
    resctrl, closid = _resctrl(host), wanted.get("closID", "")
    paths = [_group(resctrl, closid, container_id)]
    if wanted.get("enableMonitoring"):
        paths.append(_monitor(resctrl, closid, container_id))
    return SetupOp("resctrl-join", _POINTER, paths=paths)


def _resctrl(host: "HostInfo") -> "Resctrl":
    if host.resctrl is None:
        raise _error(_POINTER, "no resctrl filesystem is mounted", "mount -t resctrl resctrl /sys/fs/resctrl")
    return host.resctrl


def _group(resctrl: "Resctrl", closid: str, container_id: str) -> str:
    return resctrl.mount if closid == "/" else f"{resctrl.mount}/{closid or container_id}"


def _monitor(resctrl: "Resctrl", closid: str, container_id: str) -> str:
    return f"{_group(resctrl, closid, container_id)}/mon_groups/{container_id}"


def _schemata(wanted: "dict[str, Any]") -> "list[tuple[str, str]]":
    """(pointer, lines) of each write to the schemata file, in the order the spec has them."""
    l3, mb = wanted.get("l3CacheSchema", ""), wanted.get("memBwSchema", "")
    if mb:
        # Documents of before 1.3: a bandwidth in l3CacheSchema gives way to memBwSchema's.
        l3 = "\n".join(line for line in l3.split("\n") if not line.startswith("MB:"))
    found = [
        (f"{_POINTER}/l3CacheSchema", l3),
        (f"{_POINTER}/memBwSchema", mb),
        (f"{_POINTER}/schemata", "\n".join(wanted.get("schemata", ()))),
    ]
    return [(pointer, text) for pointer, text in found if text]


def need_resources(pointer: str, text: str, resctrl: "Resctrl") -> None:
    """Raise StepError for schemata of a resource that isn't there."""
    for line in text.split("\n"):
        resource = line.partition(":")[0].strip()
        if line and resource not in resctrl.resources:
            raise _error(pointer, f"{resctrl.mount} has no resource {resource!r} (its info directory lists them)")


def _error(pointer: str, detail: str, hint: str = "") -> StepError:
    return StepError(dotted(pointer), detail, 0, hint, -1, pointer)
