"""config.json, read, checked for its shape, and completed: every default of the spec is filled in once, here.

What ``complete`` fills in, so that nobody after it asks whether a property is there:

- ``hostname``, ``domainname`` stay absent; ``annotations`` {}, ``mounts`` [], ``hooks`` the six lists, ``linux`` {}
- ``root``: ``readonly`` false (``root`` itself may be absent: checks.py)
- ``process``: ``terminal`` and ``noNewPrivileges`` false, ``args``, ``env``, ``rlimits`` [], ``capabilities`` its five
  sets as lists (absent is none), ``apparmorProfile``, ``selinuxLabel`` "", ``user`` with ``uid`` and ``gid`` 0 and
  ``additionalGids`` []; ``umask``, ``oomScoreAdj``, ``consoleSize``, ``scheduler``, ``ioPriority`` and
  ``execCPUAffinity`` stay absent (``process`` itself may be absent: checks.py)
- each mount: ``type``, ``source`` "", ``options``, ``uidMappings``, ``gidMappings`` []
- each hook: ``args`` [path], ``env`` [] (``timeout`` stays absent: none)
- ``linux``: ``namespaces``, ``uidMappings``, ``gidMappings``, ``devices``, ``maskedPaths``, ``readonlyPaths`` [],
  ``sysctl``, ``netDevices``, ``timeOffsets``, ``resources`` {}, ``cgroupsPath``, ``rootfsPropagation``, ``mountLabel``
  ""; each namespace ``path`` ""; each device ``fileMode`` 0666, ``uid``, ``gid`` 0, and a FIFO ``major``, ``minor`` 0;
  ``seccomp``, ``intelRdt``, ``personality`` and ``memoryPolicy`` stay absent
- ``linux.resources``: ``pids.limit`` 0 is -1, no limit, in a config of a spec before 1.3, whose writers mean that (it
  is what Go's structures had for an absent one); ``devices`` [], each rule with ``type`` "a", ``major`` and ``minor``
  -1 (all), ``access`` "rwm"; everything else in it stays as it is, for there absent means: leave as it is
- ``linux.seccomp``: ``architectures``, ``syscalls`` [], each rule ``args`` []; ``flags`` stays absent, for absent
  lets the runtime choose and [] doesn't
"""

import posix

from ocipy import files
from ocipy.errors import ConfigError
from ocipy.spec import CAPABILITY_SETS, HOOKS, checks, schema
from ocipy.spec.jsontext import FileFault, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.errors import Fault


def read_config(bundle: str) -> "dict[str, Any]":
    """The config of a bundle (a directory), checked for its shape and completed.

    Raises ConfigError: no such file, unreadable, no JSON, or, with every fault, not of the schema's shape.
    """
    path = config_path(bundle)
    return parse_config(read_file(path), path)


def read_checked(bundle: str) -> "tuple[dict[str, Any], list[Fault]]":
    """As ``read_config``, and checked for all else that can be told without looking at the host (checks.py).

    The second value are warnings: what is doubtful but runs.  Raises ConfigError with every fault.
    """
    path = config_path(bundle)
    data = read_file(path)
    config = parse_config(data, path)
    faults, warnings = checks.check(config)
    if b"\\u0000" in data or b"\\ud" in data or b"\\uD" in data:
        faults += checks.check_text(config)
    if faults:
        from ocipy.spec.locate import place

        raise ConfigError(path, place(data, faults))
    return config, warnings


def config_path(bundle: str) -> str:
    """The path of a bundle's config.json."""
    return f"{bundle.rstrip('/') or '/'}/config.json" if bundle else "config.json"


def read_file(path: str) -> bytes:
    """The bytes of a document.  Raises ConfigError."""
    try:
        return files.read(path)
    except OSError as problem:
        raise ConfigError(path, [FileFault("", _reason(problem, path))]) from None


def _reason(problem: OSError, path: str) -> str:
    text = posix.strerror(problem.errno or 0)
    reason = text[:1].lower() + text[1:]
    if isinstance(problem, FileNotFoundError) and path.endswith("config.json"):
        return f"{reason} (ocipy bundle makes a bundle, ocipy spec a config.json)"
    return reason


def parse_config(data: bytes, path: str) -> "dict[str, Any]":
    """As ``read_config``, of the text of a config.json; ``path`` names it in errors."""
    config = _shaped(data, path, "config", schema.check_config)
    complete(config)
    return config


def parse_process(data: bytes, path: str, inherited: "dict[str, Any] | None" = None) -> "dict[str, Any]":
    """A bare ``process`` object (``exec --process FILE``), checked for its shape and completed.

    What it leaves out, or empty, it has from ``inherited``.  Raises ConfigError.
    """
    process = _shaped(data, path, "process", schema.check_process)
    for name, value in (inherited or {}).items():
        if process.get(name) in (None, "", []):
            process[name] = value
    complete_process(process)
    return process


def parse_resources(data: bytes, path: str) -> "dict[str, Any]":
    """A bare ``linux.resources`` object (``update --resources FILE``), as ``parse_process``."""
    resources = _shaped(data, path, "resources", schema.check_resources)
    complete_resources(resources)
    return resources


def _shaped(data: bytes, path: str, kind: str, check: "Callable[[object], bool]") -> "dict[str, Any]":
    document = loads(data, path)
    if not check(document):
        from ocipy.spec.validate import explain

        raise ConfigError(path, explain(data, document, kind))
    shaped: Any = document
    return shaped  # type: ignore[no-any-return]  # an object: the checker said so


def complete(config: "dict[str, Any]") -> None:
    """Fill in, in place, every default of a config of the right shape."""
    process = config.get("process")
    if process is not None:
        complete_process(process)
    root = config.get("root")
    if root is not None:
        root.setdefault("readonly", False)
    config.setdefault("annotations", {})
    for mount in config.setdefault("mounts", []):
        for name in ("type", "source"):
            mount.setdefault(name, "")
        for name in ("options", "uidMappings", "gidMappings"):
            mount.setdefault(name, [])
    hooks = config.setdefault("hooks", {})
    for kind in HOOKS:
        for hook in hooks.setdefault(kind, []):
            hook["args"] = hook.get("args") or [hook["path"]]
            hook.setdefault("env", [])
    _complete_linux(config.setdefault("linux", {}))
    pids = config["linux"]["resources"].get("pids")
    if pids is not None and not pids["limit"] and config["ociVersion"].startswith(("1.0.", "1.1.", "1.2.")):
        pids["limit"] = -1


def complete_process(process: "dict[str, Any]") -> None:
    """Fill in, in place, every default of a ``process`` object."""
    for name in ("args", "env", "rlimits"):
        process.setdefault(name, [])
    for name in ("terminal", "noNewPrivileges"):
        process.setdefault(name, False)
    for name in ("apparmorProfile", "selinuxLabel"):
        process.setdefault(name, "")
    user = process.setdefault("user", {})
    user.setdefault("uid", 0)
    user.setdefault("gid", 0)
    user.setdefault("additionalGids", [])
    capabilities = process.setdefault("capabilities", {})
    for name in CAPABILITY_SETS:
        capabilities.setdefault(name, [])


def _complete_linux(linux: "dict[str, Any]") -> None:
    for name in ("namespaces", "uidMappings", "gidMappings", "devices", "maskedPaths", "readonlyPaths"):
        linux.setdefault(name, [])
    for name in ("sysctl", "netDevices", "timeOffsets"):
        linux.setdefault(name, {})
    for name in ("cgroupsPath", "rootfsPropagation", "mountLabel"):
        linux.setdefault(name, "")
    for namespace in linux["namespaces"]:
        namespace.setdefault("path", "")
    for device in linux["devices"]:
        device.setdefault("fileMode", 0o666)
        for name in ("uid", "gid", "major", "minor") if device["type"] == "p" else ("uid", "gid"):
            device.setdefault(name, 0)
    complete_resources(linux.setdefault("resources", {}))
    seccomp = linux.get("seccomp")
    if seccomp is not None:
        seccomp.setdefault("architectures", [])
        seccomp.setdefault("syscalls", [])
        for rule in seccomp["syscalls"]:
            rule.setdefault("args", [])


def complete_resources(resources: "dict[str, Any]") -> None:
    """Fill in, in place, the defaults of ``linux.resources``: those of its device rules."""
    for rule in resources.setdefault("devices", []):
        rule["type"] = rule.get("type") or "a"
        rule.setdefault("major", -1)
        rule.setdefault("minor", -1)
        rule.setdefault("access", "rwm")
