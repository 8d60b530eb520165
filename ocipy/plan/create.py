"""``create``: the config compiled into one ordered list of steps.  Read it top to bottom: that is what happens."""

from ocipy.cgroups.paths import container_paths
from ocipy.plan import cgroups, hooks, process, rootfs
from ocipy.plan.mounts import MountContext, opens_device
from ocipy.plan.namespaces import Namespaces, id_map
from ocipy.plan.ops import Plan, SetupOp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo
    from ocipy.plan.options import CreateOptions
    from ocipy.plan.scope import Scope


def create(config: "dict[str, Any]", host: "HostInfo", options: "CreateOptions") -> Plan:
    """Compile a complete, checked config (``spec.load``, ``spec.checks``).

    Raises StepError for what the host lacks or ocipy doesn't support; nothing has been done then.
    """
    if "process" not in config:
        config = config | {"process": process.none()}
    if options.listen_fds or options.notify:
        from ocipy.plan import activation

        config = activation.complete(config, options)
    if host.own_namespaces:
        from ocipy.plan.sysctls import refuse_host_sysctls

        refuse_host_sysctls(config, host)
    if host.uid:
        from ocipy.plan.rootless import refuse

        refuse(config, host)
    scope: Scope | None = None
    if options.systemd_cgroup:
        from ocipy.plan import scope as systemd_scope

        scope = systemd_scope.Scope(config, host, options.container_id)
        paths = scope.paths
    else:
        paths = container_paths(host, config["linux"]["cgroupsPath"], options.container_id)
    ops = list(_ops(config, host, options, paths, scope))
    return Plan(ops, paths, config["process"]["terminal"])


def _ops(
    config: "dict[str, Any]",
    host: "HostInfo",
    options: "CreateOptions",
    paths: "dict[str, str]",
    scope: "Scope | None",
) -> "Iterator[SetupOp]":
    linux, user_process = config["linux"], config["process"]
    namespaces = Namespaces(linux["namespaces"])
    user_namespace = namespaces.has("user") or host.user_namespace
    own_mounts = namespaces.has("mount")
    state = hook_state(config, options)

    if "intelRdt" in linux:
        from ocipy.plan import resctrl

        yield from resctrl.groups(linux["intelRdt"], host, options.container_id)
    steps = list(cgroups.steps(linux, host, paths, scope))
    early, late = _device_rules_apart(steps, opens_device(config["mounts"]))
    yield from () if scope else early
    yield namespaces.spawn({} if scope else paths, linux["timeOffsets"])
    if "intelRdt" in linux:
        yield resctrl.join(linux["intelRdt"], host, options.container_id)
    if "oomScoreAdj" in user_process:
        # Before the id maps let the process go on: ocipy-init isn't dumpable, and so its files are the host root's.
        yield SetupOp("oom-score", "/process/oomScoreAdj", value=user_process["oomScoreAdj"])
    if "user" in namespaces.new:
        yield id_map(linux, host)

    yield from early if scope else ()
    yield SetupOp("session", "/process")
    yield from _new_namespaces(linux, namespaces, host)
    fallbacks = namespaces.fallbacks() if user_namespace else {}
    context = MountContext(options.bundle, host, paths, "cgroup" in namespaces.new, user_namespace, fallbacks)
    yield from rootfs.build(config, context, own_mounts, user_namespace)
    yield from late
    yield from hooks.runtime_hooks(config["hooks"], "prestart")
    yield from hooks.runtime_hooks(config["hooks"], "createRuntime")
    yield from hooks.container_hooks(config["hooks"], "createContainer", state | {"status": "creating"})
    if user_process["terminal"]:
        yield process.console(user_process, bind=own_mounts, handed_over=options.console_socket)
    yield from rootfs.protect(config)
    yield from rootfs.enter(config, own_mounts, options.no_pivot)
    for name in ("hostname", "domainname"):
        if name in config:
            yield SetupOp(name, f"/{name}", name=config[name])
    keyring = "" if options.no_new_keyring else options.container_id
    fds = options.listen_fds, options.preserve_fds
    yield from process.setup(user_process, linux, host, keyring, options.seccomp, fds)
    yield from cgroups.owner(config, host, namespaces, paths)
    yield SetupOp("created", "")
    yield SetupOp("wait-start", "")
    if user_process["args"]:
        yield from hooks.container_hooks(config["hooks"], "startContainer", state | {"status": "created"})
        yield from process.program(user_process, options.seccomp)


def _device_rules_apart(steps: "list[SetupOp]", mounts_a_device: bool) -> "tuple[list[SetupOp], list[SetupOp]]":
    """A block device is opened where it is mounted: then what the rules say of it is for the program alone."""
    if not mounts_a_device:
        return steps, []
    rules = [op for op in steps if op.pointer.startswith("/linux/resources/devices")]
    return [op for op in steps if op not in rules], rules


def _new_namespaces(linux: "dict[str, Any]", namespaces: Namespaces, host: "HostInfo") -> "Iterator[SetupOp]":
    if "cgroup" in namespaces.new:
        yield SetupOp("cgroup-namespace", namespaces.pointers["cgroup"])
    if "network" in namespaces.new:
        yield SetupOp("loopback", namespaces.pointers["network"])
    if linux["netDevices"]:
        from ocipy.plan import network

        yield from network.devices(linux["netDevices"], namespaces, host)


def hook_state(config: "dict[str, Any]", options: "CreateOptions") -> "dict[str, Any]":
    """The state hooks read, without pid and status (runtime.md, State)."""
    state = {"ociVersion": config["ociVersion"], "id": options.container_id, "bundle": options.bundle}
    if config["annotations"]:
        state["annotations"] = config["annotations"]
    return state
