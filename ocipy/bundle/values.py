"""The values of ``ocipy bundle``'s options, read strictly: each error names the option and what was expected."""

import os

from ocipy.bundle.default_config import Config
from ocipy.errors import UsageError

CPU_PERIOD = 100_000  # microseconds: the kernel's own default for cpu.cfs_period_us and cpu.max
_LEAST_QUOTA = 1_000  # microseconds: the kernel refuses less (Documentation/scheduler/sched-bwc.rst)
_LEAST_MEMORY = 512 << 10  # bytes: less than this no process can even be executed
_LARGEST = (1 << 63) - 1  # the spec's limits are int64
_HOST_NAME_MAX = 64  # bytes: __NEW_UTS_LEN
_PATH_MAX = 4095

_PROPAGATION = frozenset(prefix + kind for prefix in ("", "r") for kind in ("private", "shared", "slave", "unbindable"))
# fmt: off
_BIND_OPTIONS = _PROPAGATION | {
    "bind", "rbind", "ro", "rw", "rro", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async",
    "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
    "symfollow", "nosymfollow",
}
# fmt: on
_MOUNT_FORMS = (
    "SRC:DST[:OPTION,...], type=bind,source=SRC,target=DST[,readonly][,bind-propagation=KIND] or "
    "type=tmpfs,target=DST[,readonly][,tmpfs-size=SIZE][,tmpfs-mode=MODE]"
)
_MOUNT_KEYS = {
    "type": "type",
    "source": "source",
    "src": "source",
    "target": "target",
    "destination": "target",
    "dst": "target",
    "readonly": "readonly",
    "ro": "readonly",
    "bind-propagation": "bind-propagation",
    "tmpfs-size": "tmpfs-size",
    "tmpfs-mode": "tmpfs-mode",
}
_KEYS_OF_TYPE = {
    "bind": {"type", "source", "target", "readonly", "bind-propagation"},
    "tmpfs": {"type", "target", "readonly", "tmpfs-size", "tmpfs-mode"},
}


def parse_memory(text: str, option: str = "--memory") -> int:
    """``64m`` → bytes: a whole number, then nothing (bytes), ``k``, ``m`` or ``g`` (powers of 1024)."""
    suffix = text[-1:].lower()
    digits = text[:-1] if suffix in ("k", "m", "g") else text
    wanted = f"{option} needs a size such as 64m (a whole number, then nothing, k, m or g), not {text!r}"
    if not _is_number(digits):
        raise UsageError(wanted)
    size = int(digits) << {"k": 10, "m": 20, "g": 30}.get(suffix, 0)
    if size > _LARGEST:
        raise UsageError(f"{option} {text}: is more than {_LARGEST} bytes")
    return size


def parse_cpus(text: str) -> float:
    """``1.5`` → 1.5 CPUs."""
    whole, _, fraction = text.partition(".")
    if not _is_number(whole or "0") or not _is_number(fraction or "0") or not (whole or fraction):
        raise UsageError(f"--cpus needs a number of CPUs such as 0.5, not {text!r}")
    return float(f"{whole or 0}.{fraction or 0}")


def cpu_quota(cpus: float) -> int:
    """Microseconds of each ``CPU_PERIOD`` that so many CPUs are."""
    if not 0 < cpus <= 1 << 20:  # also refuses NaN
        raise UsageError(f"--cpus needs a number of CPUs above 0, not {cpus}")
    quota = round(cpus * CPU_PERIOD)
    if quota < _LEAST_QUOTA:
        raise UsageError(f"--cpus {cpus}: the least the kernel can grant is {_LEAST_QUOTA / CPU_PERIOD}")
    return quota


def check_memory(size: int) -> int:
    if size < _LEAST_MEMORY:
        raise UsageError(f"--memory {size}: is too little to start a process in (the least is {_LEAST_MEMORY >> 10}k)")
    return size


def check_pids(count: int) -> int:
    if not 1 <= count <= _LARGEST:
        raise UsageError(f"--pids needs a number of processes from 1 on, not {count}")
    return count


def check_hostname(name: str) -> str:
    if not 1 <= len(os.fsencode(name)) <= _HOST_NAME_MAX or not name.isprintable() or " " in name or "/" in name:
        raise UsageError(f"--hostname needs a name of 1 to {_HOST_NAME_MAX} bytes without space or slash, not {name!r}")
    return name


def check_cwd(path: str) -> str:
    return _absolute("--cwd", path)


def check_env(text: str) -> str:
    """``K=V``, the name not empty."""
    name, equals, _ = text.partition("=")
    if not name or not equals or "\0" in text:
        raise UsageError(f"--env needs NAME=VALUE, not {text!r}")
    return text


def parse_mount(text: str) -> Config:
    """An entry of ``mounts``, from one of the two forms of ``--mount`` (see ``_MOUNT_FORMS``).

    A relative source is taken from the current directory and must exist: config.json would take it from the
    bundle's directory.
    """
    # A path may hold a "=" too, so only a known key makes it the second form.
    if text.partition(",")[0].partition("=")[0] in _MOUNT_KEYS:
        return _mount_of_keys(text)
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise UsageError(f"--mount needs {_MOUNT_FORMS}, not {text!r}")
    options = parts[2].split(",") if len(parts) == 3 else []
    for option in options:
        if option not in _BIND_OPTIONS:
            raise UsageError(
                f"--mount {text}: {option!r} is no option of a bind mount ({' '.join(sorted(_BIND_OPTIONS))})"
            )
    return _bind(parts[0], parts[1], options)


def _mount_of_keys(text: str) -> Config:
    values = _read_keys(text)
    kind = values.get("type", "bind")
    if kind not in _KEYS_OF_TYPE:
        raise UsageError(f"--mount {text}: type is bind or tmpfs, not {kind!r}")
    unsuitable = sorted(values.keys() - _KEYS_OF_TYPE[kind])
    if unsuitable:
        raise UsageError(f"--mount {text}: {unsuitable[0]} is not for a {kind} mount")
    for name in ("target",) if kind == "tmpfs" else ("source", "target"):
        if name not in values:
            raise UsageError(f"--mount {text}: {name} is missing")
    options = ["ro"] if _boolean(text, values.get("readonly", "false")) else []
    if kind == "tmpfs":
        return _tmpfs(text, values, options)
    propagation = values.get("bind-propagation", "rprivate")
    if propagation not in _PROPAGATION:
        kinds = " ".join(sorted(_PROPAGATION))
        raise UsageError(f"--mount {text}: bind-propagation is one of {kinds}, not {propagation!r}")
    return _bind(values["source"], values["target"], [propagation, *options])


def _read_keys(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in text.split(","):
        key, equals, value = pair.partition("=")
        name = _MOUNT_KEYS.get(key)
        if name is None:
            raise UsageError(f"--mount {text}: unknown key {key!r} (known: {' '.join(sorted(_MOUNT_KEYS))})")
        if name in values:
            raise UsageError(f"--mount {text}: {name} is given twice")
        if name == "readonly" and not equals:
            value = "true"
        if not value:
            raise UsageError(f"--mount {text}: {key} needs a value")
        values[name] = value
    return values


def _bind(source: str, target: str, options: list[str]) -> Config:
    if not source:
        raise UsageError("--mount: the source is empty")
    path = os.path.abspath(source)
    if not os.path.exists(path):
        raise UsageError(f"--mount: the source {path} does not exist")
    given = set(options)
    defaults = [] if given & {"bind", "rbind"} else ["rbind"]
    # Without one, mounts made later on the host's side would appear in the container (mount_namespaces(7)).
    defaults += [] if given & _PROPAGATION else ["rprivate"]
    return {"destination": _target(target), "type": "bind", "source": path, "options": defaults + options}


def _tmpfs(text: str, values: dict[str, str], options: list[str]) -> Config:
    options = ["nosuid", "nodev", *options]
    if "tmpfs-size" in values:
        options.append(f"size={parse_memory(values['tmpfs-size'], '--mount tmpfs-size')}")
    mode = values.get("tmpfs-mode", "1777")
    if not mode or set(mode) - set("01234567") or int(mode, 8) > 0o7777:
        raise UsageError(f"--mount {text}: tmpfs-mode is an octal mode such as 1777, not {mode!r}")
    options.append(f"mode={mode}")
    return {"destination": _target(values["target"]), "type": "tmpfs", "source": "tmpfs", "options": options}


def _target(path: str) -> str:
    if os.path.normpath(_absolute("--mount: the target", path)).strip("/") == "":
        raise UsageError("--mount: the target can't be / (that is --rootfs)")
    return path


def _absolute(what: str, path: str) -> str:
    if not path.startswith("/") or "\0" in path or len(path) > _PATH_MAX:
        raise UsageError(f"{what} needs an absolute path, not {path!r}")
    return path


def _boolean(text: str, value: str) -> bool:
    if value not in ("true", "1", "false", "0"):
        raise UsageError(f"--mount {text}: readonly is true or false, not {value!r}")
    return value in ("true", "1")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19
