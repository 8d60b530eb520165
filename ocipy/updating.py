"""``update``: other limits for a container that is there; all of what is asked for, or nothing."""

from ocipy import host as host_info
from ocipy.cgroups import changes, freezer
from ocipy.cgroups.transaction import Transaction
from ocipy.errors import ConfigError, StateError
from ocipy.plan import cgroups
from ocipy.spec.jsontext import dumps
from ocipy.spec.load import parse_resources
from ocipy.state import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.cgroups.settings import Setting
    from ocipy.cgroups.systemd import Property

_POINTER = "/linux/resources"


def update(directory: StateDir, resources: "dict[str, Any]", l3_cache: str = "", memory_bandwidth: str = "") -> None:
    """Put ``resources`` over those in force, and note them in the state; the rest are resctrl's schemata.

    Raises ConfigError for what isn't right, StateError when the container isn't running, StepError for what this host
    can't do, SyscallError, with the file and the value, for what the kernel refuses: nothing is changed then.
    """
    given = parse_resources(dumps(resources).encode(), "update")
    directory.lock()
    try:
        found = directory.read()
        status = directory.status(found)
        if status not in ("created", "running", "paused"):
            raise StateError("container not running")
        transaction = Transaction()
        try:
            if not _says_nothing(given):
                _Update(found, given, status == "paused").apply(transaction)
            if l3_cache or memory_bandwidth:
                from ocipy.resctrl_update import change_schemata

                change_schemata(directory, found, (l3_cache, memory_bandwidth), transaction)
            directory.write(found)
        except BaseException:
            transaction.undo()
            raise
    finally:
        directory.close()


def _says_nothing(given: "dict[str, Any]") -> bool:
    return not any(given.values())


class _Update:
    """All that can be refused without having changed anything is found out by making one."""

    def __init__(self, found: "dict[str, Any]", given: "dict[str, Any]", paused: bool) -> None:
        self._found = found
        self._paths: dict[str, str] = found["cgroup_paths"]
        if not self._paths:
            raise StateError("the container has no cgroup that could keep limits")
        self._paused = paused
        self._host = host_info.probe().only(self._paths)
        self._old: dict[str, Any] = found["resources"]
        self._new = changes.merge(self._old, given)
        _check(self._new)
        self._affected = changes.affected(self._new, given)
        self._settings, self._controllers = self._limits(given)
        self._devices = cgroups.bounds_devices(self._host) and self._new["devices"] != self._old["devices"]
        self._properties: list[Property] = []
        if "systemd" in found:
            self._properties = self._unit_properties(self._affected, self._new)

    def _limits(self, given: "dict[str, Any]") -> "tuple[list[Setting], list[str]]":
        settings, controllers = cgroups.limits(self._affected, self._host, self._paths)
        settings = [each for each in settings if not each.pointer.startswith(f"{_POINTER}/devices")]
        disabled, disable = (each.get("memory", {}).get("disableOOMKiller") for each in (self._old, given))
        if disabled and disable is False:
            from ocipy.cgroups.v1 import oom_killer_on

            settings.append(oom_killer_on(self._paths))
        return changes.waked(settings), controllers

    def apply(self, transaction: Transaction) -> None:
        """The files first, for they say best what is refused; and after systemd once more, which rounds."""
        self._enable_controllers()
        transaction.write(self._settings)
        if self._properties:
            self._change_unit(transaction)
            transaction.write(self._settings)
        if self._devices:
            self._change_devices(transaction)
        self._found["resources"] = self._new

    def _enable_controllers(self) -> None:
        from ocipy.cgroups.delegation import check_controllers, enable_controllers

        if not self._controllers:
            return
        if "systemd" in self._found and self._host.cgroup_mode == "unified":
            check_controllers(self._paths[""], self._controllers)
        else:
            assert self._host.unified is not None
            enable_controllers(self._host.unified.mount, self._paths[""], self._controllers, all_=False)

    def _change_devices(self, transaction: Transaction) -> None:
        old, new = self._old["devices"], self._new["devices"]
        if self._host.cgroup_mode == "unified":
            from ocipy.runtime_steps import set_device_filter

            path = self._paths[""]
            programs = [cgroups.device_program(entries) for entries in (old, new)]
            transaction.do(lambda: set_device_filter(path, programs[1]), lambda: set_device_filter(path, programs[0]))
            return
        hierarchy = self._host.hierarchy("devices")
        if hierarchy is None:
            return
        path = self._paths[hierarchy.name]
        forth, back = changes.device_changes(old, new, path), changes.device_changes(new, old, path)
        transaction.do(lambda: Transaction().write(forth), lambda: Transaction().write(back))

    def _unit_properties(self, resources: "dict[str, Any]", whole: "dict[str, Any]") -> "list[Property]":
        """What systemd is to know of it: it writes the limits anew whenever it is reloaded."""
        from ocipy.cgroups import systemd, units

        user = self._found["systemd"]["user"]
        unified = self._host.cgroup_mode == "unified"
        properties = systemd.resource_properties(resources, units.probe(user).version, unified)
        if self._devices and not user:
            from ocipy.cgroups.systemd_devices import device_properties

            # One list is added to another, but for the empty one, which clears it.
            properties += [("DeviceAllow", "a(ss)", []), *device_properties(whole["devices"], unified)]
        return properties

    def _change_unit(self, transaction: Transaction) -> None:
        from ocipy.cgroups import systemd, units

        unit = self._found["systemd"]
        names = {name for name, _, _ in self._properties}
        before = [each for each in self._unit_properties(self._old, self._old) if each[0] in names]
        before = systemd.unset(self._properties, before) + before

        def change(properties: "list[Property]") -> None:
            # systemd clears v1's list of devices before it fills it: meanwhile nobody is to look for one.
            freezes = self._devices and bool(self._host.hierarchies) and not self._paused
            if freezes:
                freezer.freeze(self._paths)
            try:
                units.change(unit["unit"], properties, unit["user"])
            finally:
                if freezes:
                    freezer.thaw(self._paths)

        transaction.do(lambda: change(self._properties), lambda: change(before))


def _check(resources: "dict[str, Any]") -> None:
    """What the config alone tells, of the resources as a whole."""
    from ocipy.errors import Fault
    from ocipy.spec.checks_linux import check_device_rules, check_resources

    config = {"linux": {"resources": resources}}
    faults = [*check_device_rules(config), *check_resources(config)]
    if faults:
        raise ConfigError("update", [Fault(each.pointer.removeprefix(_POINTER), each.message) for each in faults])
