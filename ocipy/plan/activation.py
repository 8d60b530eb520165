"""What a service manager that calls us has for the program: sockets (sd_listen_fds(3)), and an ear (sd_notify(3))."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ocipy.plan.options import CreateOptions

NOTIFY_SOCKET = "notify.sock"  # in CreateOptions.notify
_NOTIFY_DIRECTORY = "/run/notify"  # runc's


def complete(config: "dict[str, Any]", options: "CreateOptions") -> "dict[str, Any]":
    """The config with what the program needs to know and to reach of them; ``config`` itself stays as it is."""
    process, mounts = config["process"], config["mounts"]
    if options.listen_fds:
        process = with_sockets(process, options.listen_fds)
    if options.notify:
        mount: dict[str, Any] = {"destination": _NOTIFY_DIRECTORY, "source": options.notify, "type": "bind"}
        mount |= {"options": ["bind", "nosuid", "noexec", "nodev", "ro"], "uidMappings": [], "gidMappings": []}
        mounts = [*mounts, mount]
        process = process | {"env": [*process["env"], f"NOTIFY_SOCKET={_NOTIFY_DIRECTORY}/{NOTIFY_SOCKET}"]}
    return config | {"process": process, "mounts": mounts}


def with_sockets(process: "dict[str, Any]", count: int) -> "dict[str, Any]":
    """A process that is told of ``count`` sockets after stdio; of its pid, the step ``listen-pid`` tells it."""
    kept = [entry for entry in process["env"] if entry.partition("=")[0] != "LISTEN_PID"]
    return process | {"env": [*kept, f"LISTEN_FDS={count}"]}
