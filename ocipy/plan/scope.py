"""The container's cgroup as a scope of systemd's.  Loaded only with ``--systemd-cgroup``.

A scope is made with the processes that are to be in it, so it comes after the spawn: init waits at its first barrier,
in the runtime's own cgroup, and does nothing before it has been moved and the limits are in force.
"""

from ocipy.cgroups import systemd
from ocipy.cgroups.systemd_annotations import annotation_properties
from ocipy.cgroups.systemd_devices import device_properties
from ocipy.plan.mounts import opens_device
from ocipy.plan.ops import SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.cgroups.systemd import Property
    from ocipy.host import HostInfo


class Scope:
    """``paths``: the scope's cgroups, hierarchy name → directory."""

    def __init__(self, config: "dict[str, Any]", host: "HostInfo", container_id: str) -> None:
        """Raises StepError for a ``cgroupsPath`` that isn't systemd's, and for annotations that are no properties."""
        assert host.systemd is not None
        manager = host.systemd
        self._manager = manager
        self._unit, slice_ = systemd.unit_and_slice(config["linux"]["cgroupsPath"], container_id, manager.user)
        self.paths = systemd.container_paths(host, manager, self._unit, slice_)
        self._unified = host.cgroup_mode == "unified"
        self._mount = host.unified.mount if host.unified else ""
        self._properties = [
            *systemd.unit_properties(container_id, slice_, self._unified),
            *annotation_properties(config["annotations"]),
            *self._limits(config["linux"]["resources"], opens_device(config["mounts"])),
        ]

    def _limits(self, resources: "dict[str, Any]", opens_device: bool) -> "Iterator[Property]":
        yield from systemd.resource_properties(resources, self._manager.version, self._unified)
        # A user's can't bound devices, for that takes root; and the system's may not before init has opened the device
        # that it mounts: our own filter comes after that.
        if not self._manager.user and not (opens_device and self._unified):
            yield from device_properties(resources["devices"], self._unified)

    def steps(self, controllers: "list[str]") -> "Iterator[SetupOp]":
        """The scope, with init in it; ``controllers`` are those that its limits need."""
        yield SetupOp(
            "systemd-scope",
            "/linux/cgroupsPath",
            unit=self._unit,
            user=self._manager.user,
            properties=self._properties,
            path=self.paths[""] if self._unified else "",
            controllers=controllers,
        )
        if not self._unified:
            # systemd makes cgroups only in the hierarchies that it needs for the properties.
            values = {"paths": self.paths, "mount": self._mount, "controllers": controllers}
            yield SetupOp("cgroup-create", "/linux/cgroupsPath", **values)
            rest = {name: path for name, path in self.paths.items() if name not in ("", "name=systemd")}
            yield SetupOp("cgroup-enter", "/linux/cgroupsPath", paths=rest)
