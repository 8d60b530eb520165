"""The container's control groups as steps: made, given their limits and their device rules, before anything runs."""

from ocipy.cgroups import devices
from ocipy.cgroups.settings import refusal
from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.cgroups.settings import Setting
    from ocipy.errors import StepError
    from ocipy.host import Hierarchy, HostInfo
    from ocipy.plan.namespaces import Namespaces
    from ocipy.plan.scope import Scope


def steps(
    linux: "dict[str, Any]", host: "HostInfo", paths: "dict[str, str]", scope: "Scope | None" = None
) -> "Iterator[SetupOp]":
    """``scope``: systemd makes them.

    Raises StepError for limits that can't be kept, by what the host has or for want of a cgroup.
    """
    if not paths:
        _refuse_limits(linux["resources"], host)
        return
    resources = linux["resources"]
    settings, controllers = limits(resources, host, paths)
    if scope:
        yield from scope.steps(controllers)
    else:
        mount = host.unified.mount if host.unified else ""
        yield SetupOp("cgroup-create", "/linux/cgroupsPath", paths=paths, mount=mount, controllers=controllers)
    for setting in settings:
        yield SetupOp("cgroup-write", setting.pointer, **setting.values())
    if host.cgroup_mode == "unified" and bounds_devices(host):
        program = device_program(resources["devices"])
        yield SetupOp("device-filter", "/linux/resources/devices", path=paths[""], program=program)


def bounds_devices(host: "HostInfo") -> bool:
    """It takes CAP_SYS_ADMIN over the host; and nodes, which would as well, are none of an ordinary user's either."""
    return not (host.rootless and host.unprivileged)


def device_program(entries: "list[dict[str, Any]]") -> bytes:
    """The filter for ``resources.devices`` on cgroup v2."""
    return devices.device_program([*devices.configured_rules(entries), *devices.DEFAULT_RULES])


def owner(
    config: "dict[str, Any]", host: "HostInfo", namespaces: "Namespaces", paths: "dict[str, str]"
) -> "Iterator[SetupOp]":
    """The step that gives a container its cgroup, if it is to see it as its own, and writable.

    config-linux.md, Cgroup ownership: of cgroup v2, with a new cgroup namespace, and a mount such as it describes.
    """
    uid = config["process"]["user"]["uid"]
    if host.cgroup_mode != "unified" or not paths or "cgroup" not in namespaces.new:
        return
    if not uid and not namespaces.has("user"):
        return  # root's already
    for number, mount in enumerate(config["mounts"]):
        if (mount["source"], mount["destination"]) == ("cgroup", "/sys/fs/cgroup") and "ro" not in mount["options"]:
            yield SetupOp("cgroup-owner", f"/mounts/{number}", path=paths[""], uid=uid)
            return


def limits(resources: "dict[str, Any]", host: "HostInfo", paths: "dict[str, str]") -> "tuple[list[Setting], list[str]]":
    """The settings, and the controllers they need enabled in the unified hierarchy.

    On a hybrid host each limit goes to the hierarchy that has its controller: v1's if there is one.  Raises StepError
    for a limit that can't be kept.
    """
    return _limits(resources, host, paths) if bounds_devices(host) else _rootless(resources, host, paths)


def _limits(
    resources: "dict[str, Any]", host: "HostInfo", paths: "dict[str, str]"
) -> "tuple[list[Setting], list[str]]":
    unified = host.unified
    if unified and not host.hierarchies:
        return _of_unified(resources, unified, paths)
    if resources.get("unified") and unified is None:
        raise refusal("/linux/resources/unified", "this host has the cgroups of version 1 alone")
    from ocipy.cgroups import v1

    here = {name: value for name, value in resources.items() if _is_for_unified(name, host)}
    v1_paths = {name: path for name, path in paths.items() if name}
    rest = {name: value for name, value in resources.items() if name not in here}
    settings = v1.settings(rest, v1_paths)
    own, controllers = _of_unified(here, unified, paths) if here and unified else ([], [])
    return settings + own, controllers


def _of_unified(
    resources: "dict[str, Any]", unified: "Hierarchy", paths: "dict[str, str]"
) -> "tuple[list[Setting], list[str]]":
    from ocipy.cgroups import v2

    settings = v2.settings(resources, paths[""], unified.controllers)
    return settings, v2.controllers(settings)


def _rootless(
    resources: "dict[str, Any]", host: "HostInfo", paths: "dict[str, str]"
) -> "tuple[list[Setting], list[str]]":
    """As ``_limits``, in the hierarchies where a cgroup is delegated to the runtime; nothing about devices."""
    from ocipy.cgroups.settings import NoControllerError

    try:
        settings, controllers = _limits(resources | {"devices": []}, host.only(paths), paths)
    except NoControllerError as problem:
        raise _not_delegated(problem.pointer) from None
    return [each for each in settings if each.pointer != "/linux/resources/devices"], controllers


def _not_delegated(pointer: str) -> "StepError":
    hint = "run in a delegated one (systemd-run --user --scope -p Delegate=yes), or drop the limit"
    return refusal(pointer, "no cgroup with its controller is delegated to this user", hint)


def _is_for_unified(name: str, host: "HostInfo") -> bool:
    """Whether that member of resources is for a hybrid host's unified hierarchy."""
    if name == "unified":
        return True
    old, new = _CONTROLLERS.get(name, ("", ""))
    return host.unified is not None and new in host.unified.controllers and not host.hierarchy(old)


# The controllers, in v1 and in v2, of the members that have one alone.
_CONTROLLERS = {
    "blockIO": ("blkio", "io"),
    "hugepageLimits": ("hugetlb", "hugetlb"),
    "memory": ("memory", "memory"),
    "pids": ("pids", "pids"),
    "rdma": ("rdma", "rdma"),
}


def _refuse_limits(resources: "dict[str, Any]", host: "HostInfo") -> None:
    """Without a cgroup nothing holds a container to its limits; device rules are an outer cgroup's matter then."""
    from ocipy.cgroups import v2

    for setting in v2.settings(resources, ""):
        if host.rootless and host.cgroup_mode != "none":
            raise _not_delegated(setting.pointer)
        raise refusal(setting.pointer, "this host has no cgroups mounted", "drop the limit")
