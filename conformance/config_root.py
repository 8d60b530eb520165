"""config.md: the version, the root filesystem, names, annotations, unknown and invalid properties; bundle.md and the
glossary: config.json itself."""

import json

from conformance.harness import Runtime, case, check


@case("config.md#specification-version", "MUST", "a config without ociVersion is refused", "ociVersion")
def version_required(runtime: Runtime) -> None:
    del runtime.config["ociVersion"]
    runtime.refused()


@case("config.md#specification-version", "MUST", "a version that isn't SemVer 2.0.0 is refused", "ociVersion")
def version_not_semver(runtime: Runtime) -> None:
    for version in ("1.0", "v1.0.0", "1.0.0.0", "one", "01.0.0", ""):
        runtime.config["ociVersion"] = version
        runtime.refused()


@case("config.md#specification-version", "MUST", "documents of every 1.x version up to the runtime's own are accepted")
def version_compatible(runtime: Runtime) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2", "1.0.2-dev"):
        runtime.config["ociVersion"] = version
        check(runtime.prints("echo ran") == "ran\n", f"{version} doesn't run")


@case("config.md#specification-version", "MUST", "another major version is refused", "ociVersion")
def version_of_the_future(runtime: Runtime) -> None:
    runtime.config["ociVersion"] = "2.0.0"
    runtime.refused()


@case("config.md#root", "MUST", "a config without a root is refused", "root")
def root_required(runtime: Runtime) -> None:
    del runtime.config["root"]
    runtime.refused()


@case("config.md#root", "MUST", "a root without a path is refused", "root.path")
def root_path_required(runtime: Runtime) -> None:
    del runtime.config["root"]["path"]
    runtime.refused()


@case("config.md#root", "MUST", "the path may be relative to the bundle, or absolute", "root.path")
def root_path(runtime: Runtime) -> None:
    (runtime.rootfs / "mark").write_text("here\n")
    for path in ("rootfs", "./rootfs", str(runtime.rootfs)):
        runtime.config["root"]["path"] = path
        check(runtime.prints("cat /mark") == "here\n", f"{path} is another root")


@case("config.md#root", "MUST", "a path that isn't a directory is refused", "root.path")
def root_path_missing(runtime: Runtime) -> None:
    (runtime.bundle.path / "file").touch()
    for path in ("none", "file"):
        runtime.config["root"]["path"] = path
        runtime.refused()


@case("config.md#root", "MUST", "a read-only root filesystem can't be written to", "root.readonly")
def root_readonly(runtime: Runtime) -> None:
    runtime.config["root"]["readonly"] = True
    check(runtime.prints("touch /file 2>/dev/null && echo written || echo refused") == "refused\n", "it was written to")


@case("config.md#root", "MUST", "by default the root filesystem can be written to", "root.readonly")
def root_writable(runtime: Runtime) -> None:
    del runtime.config["root"]["readonly"]
    check(runtime.prints("touch /file && echo written") == "written\n", "it can't be written to")


@case("config.md#hostname", "MUST", "the host name is the configured one", "hostname")
def hostname(runtime: Runtime) -> None:
    runtime.config["hostname"] = "another"
    check(runtime.prints("hostname") == "another\n", "it is another")


@case("config.md#domainname", "MUST", "the domain name is the configured one", "domainname", since="1.1.0")
def domainname(runtime: Runtime) -> None:
    runtime.config["domainname"] = "example.test"
    found = runtime.prints("cat /proc/sys/kernel/domainname").strip()
    check(found == "example.test", f"it is {found}")


@case(
    "config.md#annotations",
    "MUST",
    "annotations have to be a map with strings as values",
    "annotations",
)
def annotations_not_strings(runtime: Runtime) -> None:
    values: tuple[object, ...] = (
        {"org.example.key": 1},
        {"org.example.key": {}},
        ["org.example.key"],
        "org.example.key",
    )
    for value in values:
        runtime.config["annotations"] = value
        runtime.refused()


@case(
    "config.md#annotations",
    "MUST NOT",
    "an annotation's key isn't the empty string",
    "annotations",
    note="An invalid value, for which config.md, Valid values, asks for an error.",
)
def annotations_empty_key(runtime: Runtime) -> None:
    runtime.config["annotations"] = {"": "value"}
    runtime.refused()


@case("config.md#annotations", "MUST", "unknown keys, of the reserved namespace as well, are ignored", "annotations")
def annotations_unknown(runtime: Runtime) -> None:
    keys = ("org.example.any", "org.opencontainers.image.any", "org.opencontainers.image.os", "no.domain", "é")
    runtime.config["annotations"] = dict.fromkeys(keys, "linux")
    check(runtime.prints("echo ran") == "ran\n", "it doesn't run")


@case("config.md#extensibility", "MUST", "unknown properties are ignored, wherever they are", "*")
def unknown_properties(runtime: Runtime) -> None:
    config = runtime.config
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 100}]
    config["hooks"] = {"poststop": [{"path": "/bin/true"}], "onTheMoon": [{"path": "/bin/true"}]}
    linux = config["linux"]
    for each in (
        config,
        config["root"],
        config["process"],
        config["process"]["user"],
        config["process"]["capabilities"],
        config["process"]["rlimits"][0],
        config["mounts"][0],
        config["hooks"]["poststop"][0],
        linux,
        linux["namespaces"][0],
        linux.setdefault("resources", {}),
    ):
        each["com.example.unknown"] = {"any": ["thing", 1, None]}
    check(runtime.prints("echo ran") == "ran\n", "it doesn't run")


@case(
    "config.md#valid-values",
    "MUST",
    "values of the wrong type are refused",
    "process.args",
    "root.readonly",
    "hostname",
    "mounts",
    "process.noNewPrivileges",
)
def invalid_types(runtime: Runtime) -> None:
    for pointer, value in (
        ("process.args", "sh"),
        ("process.env", {"PATH": "/bin"}),
        ("process.user.uid", "root"),
        ("process.noNewPrivileges", "yes"),
        ("process.terminal", 1),
        ("process.oomScoreAdj", "low"),
        ("root.readonly", "true"),
        ("hostname", 1),
        ("mounts", {}),
        ("linux.namespaces", "pid"),
    ):
        where = runtime.config
        *path, last = pointer.split(".")
        for name in path:
            where = where[name]
        had = where.get(last)
        where[last] = value
        runtime.refused()
        where[last] = had
        if had is None:
            del where[last]


@case(
    "config.md#valid-values",
    "MUST",
    "invalid values are refused: ids, a score, names that are too long",
    "process.user.uid",
    "process.oomScoreAdj",
    "hostname",
)
def invalid_values(runtime: Runtime) -> None:
    process = runtime.config["process"]
    for uid in (-1, 2**32):
        process["user"]["uid"] = uid
        runtime.refused()
    process["user"]["uid"] = 0
    process["oomScoreAdj"] = 1001
    runtime.config["hooks"] = {}
    runtime.refused()
    del process["oomScoreAdj"]
    runtime.config["hostname"] = "x" * 65
    runtime.refused()


@case("bundle.md#container-format", "MUST", "a bundle without config.json is refused")
def config_json_required(runtime: Runtime) -> None:
    runtime.bundle.write()
    (runtime.bundle.path / "config.json").rename(runtime.bundle.path / "other.json")
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    runtime.fails("state", runtime.container_id)


@case("glossary.md#json", "MUST", "a config that isn't JSON, or isn't UTF-8, is refused")
def config_not_json(runtime: Runtime) -> None:
    runtime.bundle.write()
    path = runtime.bundle.path / "config.json"
    text = path.read_bytes()
    for data in (b"", b"{", text.replace(b'"conformance"', b'"conf\xffmance"'), text.decode().encode("utf-16")):
        path.write_bytes(data)
        runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
        runtime.fails("state", runtime.container_id)


@case(
    "glossary.md#json",
    "MUST NOT",
    "a config with a name twice in one object is refused",
    note="Which of the two counts depends on the parser: what a tool checked needn't be what runs.",
)
def config_duplicate_names(runtime: Runtime) -> None:
    runtime.bundle.write()
    path = runtime.bundle.path / "config.json"
    path.write_text(path.read_text().replace('"hostname"', '"hostname": "first", "hostname"', 1))
    runtime.fails("create", "--bundle", str(runtime.bundle.path), runtime.container_id)


@case("glossary.md#json", "MUST", "the order of an object's members doesn't matter")
def config_order(runtime: Runtime) -> None:
    def reverse(value: object) -> object:
        if isinstance(value, dict):
            return {name: reverse(value[name]) for name in reversed(value)}
        return [reverse(item) for item in value] if isinstance(value, list) else value

    runtime.bundle.shell("hostname")
    (runtime.bundle.path / "config.json").write_text(json.dumps(reverse(runtime.config)))
    output = runtime.ok("run", "--bundle", str(runtime.bundle.path), runtime.container_id)
    check(output == "conformance\n", "it is another container")


@case("runtime-linux.md#dev-symbolic-links", "MUST", "/dev has the links to /proc/self/fd")
def dev_links(runtime: Runtime) -> None:
    script = "for name in fd stdin stdout stderr; do readlink /dev/$name || echo none; done"
    found = runtime.prints(script).split()
    check(found == ["/proc/self/fd", *(f"/proc/self/fd/{number}" for number in range(3))], f"they are {found}")


@case(
    "runtime-linux.md#file-descriptors",
    "SHOULD",
    "the program has the standard streams open, and no other descriptor",
    note="The text says what is so by default, without a keyword.",
)
def standard_descriptors(runtime: Runtime) -> None:
    # What a caller left open must not get through: it is a way out of the container.
    runtime.prefix = ["sh", "-c", 'exec 7</etc 8</dev/null && exec "$0" "$@"']
    found = runtime.prints("for fd in /proc/$$/fd/*; do echo ${fd##*/}; done").split()
    extra = {"7", "8"} & set(found)
    check({"0", "1", "2"} <= set(found) and not extra, f"they are {found}")
