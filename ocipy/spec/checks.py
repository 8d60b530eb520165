"""What a schema can't say about a config: rules between properties, of the spec, the kernel, and runc.

Pure: no look at the host.  ``config`` is of the right shape and completed (load.py).  A check in CHECKS finds what
can't run, one in WARNINGS what runs but is doubtful; where the spec or runc takes something, it is no fault.
Seccomp profiles are checked where they are compiled (ocipy/seccomp/check.py).
"""

from ocipy.capabilities import to_mask
from ocipy.errors import Fault
from ocipy.pointers import escape
from ocipy.spec import CAPABILITY_SETS, HOOKS
from ocipy.spec.checks_ids import check_mount_owners
from ocipy.spec.checks_linux import LINUX_CHECKS, LINUX_WARNINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Check = Callable[[dict[str, Any]], Iterator[Fault]]

# linux/resource.h
RLIMITS = (
    "RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
)  # fmt: skip
NO_ID = 4294967295
_RARE = frozenset(("scheduler", "ioPriority", "execCPUAffinity", "intelRdt", "personality", "memoryPolicy"))
_MINOR = 3  # of the spec's version this is made for


def check(config: "dict[str, Any]") -> "tuple[list[Fault], list[Fault]]":
    """The faults and the warnings of a config, without lines and columns."""
    faults = [fault for check in CHECKS for fault in check(config)]
    warnings = [warning for warn in WARNINGS for warning in warn(config)]
    return faults, warnings


def check_exec(process: "dict[str, Any]", path: str = "") -> "list[Fault]":
    """The faults of a bare process object, for exec; ``path`` is the pointer of its place."""
    config = {"process": process}
    faults = [fault for check in PROCESS_CHECKS for fault in check(config)]
    for fault in faults:
        fault.pointer = path + fault.pointer.removeprefix("/process")
    return faults


def check_version(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config.md: SemVer 2.0.0, and compatible within the major version."""
    version = config["ociVersion"]
    numbers = _semver(version)
    if numbers is None:
        yield Fault("/ociVersion", f"{version!r} is no version (expected one such as 1.3.0, see semver.org)")
    elif numbers[0] != 1:
        yield Fault("/ociVersion", f"version {version} of the runtime spec is not supported (expected 1.x)")


def _semver(version: str) -> "tuple[int, int, int] | None":
    core, dash, prerelease = version.partition("+")[0].partition("-")
    parts = core.split(".")
    good = all(part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") for part in parts)
    labels = prerelease.split(".") if dash else []
    if (
        len(parts) != 3
        or not good
        or not all(label.isascii() and label.replace("-", "a").isalnum() for label in labels)
    ):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def warn_version(config: "dict[str, Any]") -> "Iterator[Fault]":
    numbers = _semver(config["ociVersion"])
    if numbers and numbers[0] == 1 and numbers[1] > _MINOR:
        yield Fault("/ociVersion", f"what the runtime spec has new since 1.{_MINOR} is ignored")


def check_presence(config: "dict[str, Any]") -> "Iterator[Fault]":
    """Optional in the spec for other platforms only."""
    if "root" not in config:
        yield Fault("", 'the property "root" is missing: the root filesystem, such as {"path": "rootfs"}')


def warn_presence(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config.md: required when start is called."""
    if "process" not in config:
        example = '{"args": ["sh"], "cwd": "/"}'
        yield Fault("", f'the property "process" is missing: the container can\'t be started (expected {example})')


def check_names(config: "dict[str, Any]") -> "Iterator[Fault]":
    """The kernel's __NEW_UTS_LEN, in bytes."""
    for name in ("hostname", "domainname"):
        if len(config.get(name, "").encode("utf-8", "surrogatepass")) > 64:
            yield Fault(f"/{name}", "longer than the 64 bytes the kernel takes")


def check_cwd(config: "dict[str, Any]") -> "Iterator[Fault]":
    process = config.get("process")
    if process and not process["cwd"].startswith("/"):
        yield Fault("/process/cwd", f'expected an absolute path such as "/", got {process["cwd"]!r}')


def check_args(config: "dict[str, Any]") -> "Iterator[Fault]":
    process = config.get("process")
    if process and not process["args"]:
        yield Fault("/process/args", 'args must not be empty: expected the program to run, such as ["sh"]')


def check_env(config: "dict[str, Any]") -> "Iterator[Fault]":
    process = config.get("process") or {"env": ()}
    for index, variable in enumerate(process["env"]):
        if variable.find("=") < 1:
            yield Fault(f"/process/env/{index}", f"expected NAME=value, got {variable!r}")


def check_user(config: "dict[str, Any]") -> "Iterator[Fault]":
    """setresuid(2) and setgroups(2) take -1 for no id at all."""
    process = config.get("process")
    if not process:
        return
    user = process["user"]
    for name in ("uid", "gid"):
        if user[name] == NO_ID:
            yield Fault(f"/process/user/{name}", f"{NO_ID} is no id (it is -1 to the kernel)")
    if NO_ID in user["additionalGids"]:
        index = user["additionalGids"].index(NO_ID)
        yield Fault(f"/process/user/additionalGids/{index}", f"{NO_ID} is no id (it is -1 to the kernel)")


def check_console_size(config: "dict[str, Any]") -> "Iterator[Fault]":
    """What struct winsize holds (ioctl_tty(2)); config.md: ignored without a terminal."""
    process = config.get("process") or {"terminal": False}
    for name, value in process.get("consoleSize", {}).items() if process["terminal"] else ():
        if name in ("height", "width") and value > 65535:
            yield Fault(f"/process/consoleSize/{name}", f"expected at most 65535, got {value}")


def check_rlimits(config: "dict[str, Any]") -> "Iterator[Fault]":
    process = config.get("process") or {"rlimits": ()}
    seen: dict[str, int] = {}
    for index, rlimit in enumerate(process["rlimits"]):
        pointer = f"/process/rlimits/{index}"
        name = rlimit["type"]
        if name not in RLIMITS:
            yield Fault(f"{pointer}/type", f"{name} is no limit of setrlimit(2) (expected one such as RLIMIT_NOFILE)")
        if name in seen:
            yield Fault(f"{pointer}/type", f"{name} is limited twice (first in /process/rlimits/{seen[name]})")
        seen.setdefault(name, index)
        if rlimit["soft"] > rlimit["hard"]:
            yield Fault(f"{pointer}/soft", f"the soft limit {rlimit['soft']} is above the hard limit {rlimit['hard']}")


def check_oom_score(config: "dict[str, Any]") -> "Iterator[Fault]":
    score = (config.get("process") or {}).get("oomScoreAdj", 0)
    if not -1000 <= score <= 1000:
        yield Fault("/process/oomScoreAdj", f"expected a whole number from -1000 to 1000, got {score}")


def check_rare(config: "dict[str, Any]") -> "Iterator[Fault]":
    """What few configs ask for (checks_rare.py)."""
    if _RARE.isdisjoint(config.get("process") or ()) and _RARE.isdisjoint(config.get("linux", ())):
        return
    from ocipy.spec.checks_rare import RARE_CHECKS

    for check in RARE_CHECKS:
        yield from check(config)


def check_hooks(config: "dict[str, Any]") -> "Iterator[Fault]":
    for kind in HOOKS:
        for index, hook in enumerate(config["hooks"][kind]):
            if not hook["path"].startswith("/"):
                yield Fault(f"/hooks/{kind}/{index}/path", f"expected an absolute path, got {hook['path']!r}")
            for number, variable in enumerate(hook["env"]):
                if variable.find("=") < 1:
                    yield Fault(f"/hooks/{kind}/{index}/env/{number}", f"expected NAME=value, got {variable!r}")


def check_hidden_paths(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config-linux.md: masked and read-only paths are absolute."""
    for name in ("maskedPaths", "readonlyPaths"):
        for index, path in enumerate(config["linux"][name]):
            if not path.startswith("/"):
                yield Fault(f"/linux/{name}/{index}", f"expected an absolute path such as /proc/kcore, got {path!r}")


def warn_capabilities(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config.md: a name that can't be mapped to the kernel's should be warned of; runc ignores it."""
    sets = (config.get("process") or {}).get("capabilities", {})
    told = set()
    for kind in CAPABILITY_SETS if sets else ():
        for name in to_mask(sets[kind])[1]:
            if name not in told:
                pointer = f"/process/capabilities/{kind}/{sets[kind].index(name)}"
                yield Fault(pointer, f"unknown capability {name!r} is ignored (expected one such as CAP_KILL)")
            told.add(name)


def warn_umask(config: "dict[str, Any]") -> "Iterator[Fault]":
    umask = (config.get("process") or {"user": {}})["user"].get("umask", 0)
    if umask > 0o777:
        yield Fault("/process/user/umask", f"only the permissions of {umask} count (511 is 0777)")


def warn_mounts(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config.md: relative destinations are deprecated, and taken as relative to /."""
    for index, mount in enumerate(config["mounts"]):
        if not mount["destination"].startswith("/"):
            pointer = f"/mounts/{index}/destination"
            yield Fault(pointer, f"{mount['destination']!r} is not absolute (deprecated), and taken as relative to /")


def check_annotations(config: "dict[str, Any]") -> "Iterator[Fault]":
    """config.md: a key must not be empty, and an invalid value is an error."""
    if "" in config["annotations"]:
        yield Fault("/annotations/", "an annotation's name must not be empty")


def check_text(config: "dict[str, Any]") -> "list[Fault]":
    """Strings the kernel can't be given: with a NUL, or with half of a surrogate pair.  Annotations may have them."""
    faults = []
    pending: list[tuple[str, object]] = [(f"/{escape(name)}", config[name]) for name in config if name != "annotations"]
    while pending:
        pointer, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{pointer}/{escape(name)}", member) for name, member in value.items()]
            faults += [Fault(pointer, f"the name {name!r} has a NUL in it") for name in value if "\0" in name]
        elif isinstance(value, list):
            pending += [(f"{pointer}/{index}", item) for index, item in enumerate(value)]
        elif isinstance(value, str) and "\0" in value:
            faults.append(Fault(pointer, "the string has a NUL (\\u0000) in it, which no path or argument can have"))
        elif isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            faults.append(Fault(pointer, "the string has half of a surrogate pair in it, which is no character"))
    return faults


PROCESS_CHECKS: "tuple[Check, ...]" = (
    check_cwd, check_args, check_env, check_user, check_console_size, check_rlimits, check_oom_score, check_rare,
)  # fmt: skip
CHECKS: "tuple[Check, ...]" = (
    check_version, check_presence, check_names, *PROCESS_CHECKS, check_hooks, check_hidden_paths, check_annotations,
    *LINUX_CHECKS, check_mount_owners,
)  # fmt: skip
WARNINGS: "tuple[Check, ...]" = (
    warn_version, warn_presence, warn_capabilities, warn_umask, warn_mounts, *LINUX_WARNINGS,
)  # fmt: skip
