"""The tail of every plan: from "in the right place" to "is the user's program".  create and exec share it."""

from _struct import pack

from ocipy.capabilities import to_mask
from ocipy.plan.ops import SetupOp
from ocipy.plan.rlimits import rlimits
from ocipy.spec.load import complete_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo
    from ocipy.seccomp import Filter

FIRST_FD = 3  # after stdin, stdout, stderr
_DEFAULT_UMASK = 0o022
_PATH_UNSET = "/bin:/usr/bin"  # execvp(3), whose semantics config.md asks for; confstr(3), _CS_PATH


def none() -> "dict[str, Any]":
    """What stands in for a process that config.json hasn't (config.md: it may be missing until start): no program."""
    process: dict[str, Any] = {"cwd": "/"}
    complete_process(process)
    return process


def console(process: "dict[str, Any]", bind: bool, handed_over: bool) -> SetupOp:
    """The step that makes the terminal; ``bind``: on /dev/console, for the container's first process.

    One that is ``handed_over`` to a console socket is as the kernel makes it: its owner may not translate newlines.
    """
    size = process.get("consoleSize", {"width": 0, "height": 0})
    return SetupOp(
        "console",
        "/process/terminal",
        columns=size["width"],
        rows=size["height"],
        bind=int(bind),
        onlcr=int(handed_over),
    )


def setup(
    process: "dict[str, Any]",
    linux: "dict[str, Any]",
    host: "HostInfo",
    keyring: str,
    seccomp: "Filter | None",
    fds: "tuple[int, int]",
) -> "Iterator[SetupOp]":
    """From "in the right place" to all but the program: one list for create and exec, which ``program`` ends.

    ``keyring`` is whose session keyring it gets ("": it keeps the caller's), ``fds`` how many descriptors after stdio:
    sockets of LISTEN_FDS, and preserved ones.
    """
    yield SetupOp("null-streams", "")
    if keyring:
        yield from _keyring(keyring, process["selinuxLabel"])
    # The limits are for the program, not for the work before; after a change of user, setting them takes privileges.
    yield from rlimits(process["rlimits"])
    yield from traits(process, linux, host)
    yield from credentials(process, seccomp, sum(fds))
    if fds[0]:
        yield SetupOp("listen-pid", "")


def _keyring(container_id: str, label: str) -> "Iterator[SetupOp]":
    """The session keyring, apart from the runtime's own."""
    step = SetupOp("keyring", "", name=f"_ses.{container_id}")
    if not label:
        yield step
        return
    from ocipy.plan.labels import labelled_keyring

    yield from labelled_keyring(step, label)


def traits(process: "dict[str, Any]", linux: "dict[str, Any]", host: "HostInfo") -> "Iterator[SetupOp]":
    """Labels, and how it is run, where the config says so: before ``credentials``, for most takes capabilities."""
    if process["apparmorProfile"] or process["selinuxLabel"]:
        from ocipy.plan.labels import process_labels

        yield from process_labels(process, host)
    if "scheduler" in process or "ioPriority" in process or "memoryPolicy" in linux or "personality" in linux:
        from ocipy.plan.scheduling import scheduling

        yield from scheduling(process, linux)


def credentials(process: "dict[str, Any]", seccomp: "Filter | None", preserve_fds: int) -> "Iterator[SetupOp]":
    """Who the process is and what it may do; ends with the program found, as that user sees it.

    Without no_new_privs, loading a filter takes CAP_SYS_ADMIN, so it comes before capabilities are dropped; with it,
    ``program`` loads the filter as the last thing of all.
    """
    yield SetupOp("stdio-owner", "/process/user", uid=process["user"]["uid"])
    if process["noNewPrivileges"]:
        yield SetupOp("no-new-privileges", "/process/noNewPrivileges")
    elif seccomp:
        yield _seccomp(seccomp)
    capabilities = process["capabilities"]
    masks = {name: to_mask(capabilities[name])[0] for name in capabilities}  # of unknown ones checks.py warns
    yield SetupOp("bounding-set", "/process/capabilities/bounding", keep=masks["bounding"])
    user = process["user"]
    yield SetupOp("umask", "/process/user/umask", mask=user.get("umask", _DEFAULT_UMASK))
    yield SetupOp("cwd", "/process/cwd", path=process["cwd"], last=0)
    groups = b"".join(pack("<I", gid) for gid in user["additionalGids"])
    yield SetupOp("user", "/process/user", uid=user["uid"], gid=user["gid"], groups=groups)
    del masks["bounding"]
    yield SetupOp("capabilities", "/process/capabilities", **masks)
    yield SetupOp("cwd", "/process/cwd", path=process["cwd"], last=1)
    variables = {entry.partition("=")[0]: entry for entry in process["env"]}
    if variables.get("HOME", "HOME=") == "HOME=":
        yield SetupOp("home", "/process/env", uid=user["uid"])
    directories = variables["PATH"][5:] if "PATH" in variables else _PATH_UNSET
    if process["args"]:
        yield SetupOp("find-program", "/process/args/0", name=process["args"][0], directories=directories)
    yield SetupOp("close-on-exec", "/process", first=FIRST_FD + preserve_fds)


def program(process: "dict[str, Any]", seccomp: "Filter | None") -> "Iterator[SetupOp]":
    """The last steps: the filter, if nothing but execve may come after it, and the program."""
    if seccomp and process["noNewPrivileges"]:
        yield _seccomp(seccomp)
    # Of two with one name, getenv(3) would find the first: the last is the one that is meant (as runc has it).
    variables = {entry.partition("=")[0]: entry for entry in process["env"]}
    if variables.get("HOME") == "HOME=":
        del variables["HOME"]
    yield SetupOp("exec", "/process/args", args=process["args"], env=list(variables.values()))


def _seccomp(seccomp: "Filter") -> SetupOp:
    if seccomp.notify:
        listener = {"path": seccomp.listener_path, "metadata": seccomp.listener_metadata}
        return SetupOp(
            "seccomp-notify", "/linux/seccomp/listenerPath", flags=seccomp.flags, filter=seccomp.bpf, **listener
        )
    return SetupOp("seccomp", "/linux/seccomp", flags=seccomp.flags, filter=seccomp.bpf)
