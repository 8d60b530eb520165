"""features.md and features-linux.md: the document of what a runtime can do, and that it can."""

import json
from typing import Any

from conformance import host
from conformance.cases import sentence
from conformance.harness import SLEEP, Runtime, case, check, hook, need
from conformance.linux_looking import MAPPING

FEATURES = "features.md#features-document"
VERSIONS = "features.md#specification-version"
HOOKS = "features.md#hooks"
OPTIONS = "features.md#mount-options"
ANNOTATIONS = "features.md#annotations"
LINUX = "features-linux.md#"

MEMBERS = {
    "ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations",
    "potentiallyUnsafeConfigAnnotations",
}  # fmt: skip
LINUX_MEMBERS = {
    "namespaces": set(), "capabilities": set(), "cgroup": {"v1", "v2", "systemd", "systemdUser", "rdma"},
    "seccomp": {"enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"},
    "apparmor": {"enabled"}, "selinux": {"enabled"}, "intelRdt": {"enabled", "schemata", "monitoring"},
    "memoryPolicy": {"modes", "flags"}, "mountExtensions": {"idmap"}, "netDevices": {"enabled"},
}  # fmt: skip


def document(runtime: Runtime) -> dict[str, Any]:
    """The features document.  A runtime needn't have one: then there is nothing to try."""
    done = runtime("features")
    need(done.returncode == 0, "the runtime has no features document, as it may")
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def linux(runtime: Runtime, *path: str) -> Any:
    """A member of ``linux``, e.g. ``seccomp``, ``actions``; without it there is nothing to try."""
    value: Any = document(runtime).get("linux")
    for name in path:
        value = (value or {}).get(name)
    need(value is not None, f"the features document has no linux.{'.'.join(path)}, as it may")
    return value


def created(runtime: Runtime) -> int:
    runtime.config["process"]["args"] = SLEEP
    runtime.create()
    pid: int = runtime.state()["pid"]
    return pid


def accepted(runtime: Runtime, what: str) -> None:
    """A config with this is one that the runtime can make a container of."""
    runtime.config["process"]["args"] = SLEEP
    runtime.bundle.write()
    done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(done.returncode == 0, f"{what} is refused: {done.stderr.strip()}")
    runtime("delete", "--force", runtime.container_id)


@case(FEATURES, "SHOULD", "the document is the same every time", since="1.1.0")
def features_same(runtime: Runtime) -> None:
    check(document(runtime) == document(runtime), "it changed")


@case(FEATURES, "MUST", "members have the types of the specification", since="1.1.0")
def features_types(runtime: Runtime) -> None:
    found = document(runtime)
    for name in ("hooks", "mountOptions", "potentiallyUnsafeConfigAnnotations"):
        values = found.get(name) or []
        check(isinstance(values, list) and all(isinstance(value, str) for value in values), f"{name} is {values!r}")
    for name, members in (found.get("linux") or {}).items():
        for member, value in members.items() if isinstance(members, dict) else ():
            if isinstance(value, bool | dict) or value is None:
                continue
            check(isinstance(value, list), f"linux.{name}.{member} is {value!r}")


@case(VERSIONS, "MUST", "ociVersionMin and ociVersionMax are there", since="1.1.0")
def features_versions(runtime: Runtime) -> None:
    found = document(runtime)
    for name in ("ociVersionMin", "ociVersionMax"):
        check(isinstance(found.get(name), str) and found[name], f"{name} is {found.get(name)!r}")


@case(VERSIONS, "MUST", "ociVersionMin is accepted", "ociVersion", since="1.1.0")
def features_version_min(runtime: Runtime) -> None:
    runtime.config["ociVersion"] = document(runtime)["ociVersionMin"]
    accepted(runtime, "it")


@case(VERSIONS, "MUST", "ociVersionMax is accepted", "ociVersion", since="1.1.0")
def features_version_max(runtime: Runtime) -> None:
    runtime.config["ociVersion"] = document(runtime)["ociVersionMax"]
    accepted(runtime, "it")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.partition("-")[0].split(".")]


@case(VERSIONS, "MUST NOT", "ociVersionMax is less than ociVersionMin", since="1.1.0")
def features_version_order(runtime: Runtime) -> None:
    found = document(runtime)
    low, high = found["ociVersionMin"], found["ociVersionMax"]
    check(_numbers(low) <= _numbers(high), f"they are {low} and {high}")


@case(VERSIONS, "MUST NOT", "there are properties that the specification doesn't define", since="1.1.0")
def features_members(runtime: Runtime) -> None:
    found = document(runtime)
    check(set(found) <= MEMBERS, f"there are {sorted(set(found) - MEMBERS)}")
    inner = found.get("linux") or {}
    check(set(inner) <= set(LINUX_MEMBERS), f"in linux there are {sorted(set(inner) - set(LINUX_MEMBERS))}")
    for name, value in inner.items():
        if isinstance(value, dict):
            more = set(value) - LINUX_MEMBERS[name]
            check(not more, f"in linux.{name} there are {sorted(more)}")


@case(HOOKS, "MUST", "the listed hooks run", "hooks", since="1.1.0")
def features_hooks(runtime: Runtime) -> None:
    kinds = document(runtime).get("hooks") or []
    need(kinds, "the features document has no hooks, as it may")
    log = runtime.directory / "log"
    log.touch()
    # startContainer's hooks run in the container, and see its files alone.
    logs = {kind: "/ran" if kind == "startContainer" else log for kind in kinds}
    runtime.config["hooks"] = {kind: [hook(f"echo {kind} >>{logs[kind]}")] for kind in kinds}
    runtime.sleeping()
    runtime.ok("delete", "--force", runtime.container_id)
    inside = runtime.rootfs / "ran"
    ran = log.read_text().split() + (inside.read_text().split() if inside.exists() else [])
    check(sorted(ran) == sorted(kinds), f"those that ran are {ran}")


# Options that take a mount of another kind than a plain tmpfs, or bring something along.
WITH = {"idmap": "bind", "ridmap": "rbind"}


@case(OPTIONS, "MUST", "the listed options are recognized", "mounts[].options", since="1.1.0")
def features_mount_options(runtime: Runtime) -> None:
    options = document(runtime).get("mountOptions") or []
    need(options, "the features document has no mount options, as it may")
    before = list(runtime.config["mounts"])
    unknown = []
    for option in options:
        tmpfs = {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": [option]}
        bind = {"destination": "/mnt", "source": str(runtime.rootfs / "tmp"), "options": ["bind", option]}
        if option in WITH:
            need(host.kernel(5, 12), "this kernel has no id-mapped mounts")
            bind = bind | {"options": [WITH[option], option], "uidMappings": [MAPPING], "gidMappings": [MAPPING]}
        plain = tmpfs | {"options": []}
        tries = [[bind], [tmpfs], [plain, tmpfs]] if option.startswith("r") or option in WITH else [[tmpfs], [bind]]
        errors = []
        for mounts in tries:
            runtime.config["mounts"] = before + mounts
            runtime.config["process"]["args"] = SLEEP
            runtime.bundle.write()
            done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
            runtime("delete", "--force", runtime.container_id)
            if done.returncode == 0:
                break
            errors.append(done.stderr.strip())
        else:
            unknown.append(f"{option}: {errors[0]}")
    check(not unknown, "; ".join(unknown))


@case(OPTIONS, "SHOULD NOT", "options of file systems are listed", "mounts[].options", since="1.1.0")
def features_filesystem_options(runtime: Runtime) -> None:
    options = document(runtime).get("mountOptions") or []
    own = {"newinstance", "ptmxmode", "size", "mode", "uid", "gid", "nr_inodes", "lowerdir", "upperdir", "hidepid"}
    found = [option for option in options if "=" in option or option in own]
    check(not found, f"there are {found}")


@case(ANNOTATIONS, "MUST", "annotations are a map of strings, with keys that aren't empty", since="1.1.0")
def features_annotations(runtime: Runtime) -> None:
    annotations = document(runtime).get("annotations") or {}
    check(isinstance(annotations, dict), f"it is {annotations!r}")
    wrong = [key for key, value in annotations.items() if not key or not isinstance(value, str)]
    check(not wrong, f"these aren't: {wrong}")


sentence(FEATURES, "SHOULD", "the document is determined when the runtime is compiled", "features_same")
sentence(
    FEATURES,
    "MUST NOT",
    "null is confused with empty values",
    "features_types",
)
sentence(VERSIONS, "MUST", "ociVersionMin and ociVersionMax are required", "features_versions")
sentence(VERSIONS, "MUST", "ociVersionMin is accepted in config.json", "features_version_min")
sentence(VERSIONS, "MUST", "ociVersionMax is accepted in config.json", "features_version_max")
sentence(VERSIONS, "MUST NOT", "ociVersionMax is less than ociVersionMin", "features_version_order")
sentence(VERSIONS, "MUST NOT", "there are properties that the version doesn't define", "features_members")
sentence(HOOKS, "MUST", "the listed hooks are supported", "features_hooks")
sentence(OPTIONS, "MUST", "the listed options are recognized", "features_mount_options")
sentence(OPTIONS, "SHOULD NOT", "options of file systems are listed", "features_filesystem_options")
sentence(ANNOTATIONS, "MUST", "annotations follow the convention of config.json's", "features_annotations")
