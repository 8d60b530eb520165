"""Reading config.json: what comes back is complete, and what is wrong is said once, with its place."""

import copy
import json

import pytest

from ocipy.errors import ConfigError
from ocipy.spec import load
from ocipy.spec.validate import validate

from .documents import FULL, MINIMAL, MOUNT_NAMESPACE


def write(bundle, document):
    text = document if isinstance(document, (str, bytes)) else json.dumps(document, indent=2)
    (bundle / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(bundle)


def faults_of(bundle):
    with pytest.raises(ConfigError) as caught:
        load.read_config(bundle)
    return caught.value.faults


def test_all_defaults_are_filled_in(tmp_path):
    config = load.read_config(write(tmp_path, {**MINIMAL, "mounts": [{"destination": "/a"}], "linux": {
        "namespaces": [{"type": "pid"}],
        "devices": [{"type": "p", "path": "/p"}, {"type": "c", "path": "/c", "major": 1, "minor": 3}],
        "resources": {"devices": [{"allow": False}], "memory": {"limit": 5}},
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG"}]},
    }, "hooks": {"poststop": [{"path": "/h"}]}}))  # fmt: skip
    assert config == {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs", "readonly": False},
        "process": {
            "args": ["sh"],
            "cwd": "/",
            "env": [],
            "rlimits": [],
            "terminal": False,
            "noNewPrivileges": False,
            "apparmorProfile": "",
            "selinuxLabel": "",
            "user": {"uid": 0, "gid": 0, "additionalGids": []},
            "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
        },
        "mounts": [
            {"destination": "/a", "type": "", "source": "", "options": [], "uidMappings": [], "gidMappings": []}
        ],
        "hooks": {
            "prestart": [],
            "createRuntime": [],
            "createContainer": [],
            "startContainer": [],
            "poststart": [],
            "poststop": [{"path": "/h", "args": ["/h"], "env": []}],
        },
        "annotations": {},
        "linux": {
            "namespaces": [{"type": "pid", "path": ""}],
            "uidMappings": [],
            "gidMappings": [],
            "devices": [
                {"type": "p", "path": "/p", "fileMode": 0o666, "uid": 0, "gid": 0, "major": 0, "minor": 0},
                {"type": "c", "path": "/c", "fileMode": 0o666, "uid": 0, "gid": 0, "major": 1, "minor": 3},
            ],
            "maskedPaths": [],
            "readonlyPaths": [],
            "sysctl": {},
            "netDevices": {},
            "timeOffsets": {},
            "cgroupsPath": "",
            "rootfsPropagation": "",
            "mountLabel": "",
            "resources": {
                "devices": [{"allow": False, "type": "a", "major": -1, "minor": -1, "access": "rwm"}],
                "memory": {"limit": 5},
            },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "architectures": [],
                "syscalls": [{"names": ["a"], "action": "SCMP_ACT_LOG", "args": []}],
            },
        },
    }


def test_what_is_given_stays(tmp_path):
    config = load.read_config(write(tmp_path, FULL))
    again = copy.deepcopy(config)
    load.complete(again)
    assert again == config

    def contains(whole, part):
        if isinstance(part, dict):
            return all(name in whole and contains(whole[name], member) for name, member in part.items())
        if isinstance(part, list):
            return len(whole) == len(part) and all(map(contains, whole, part))
        return whole == part

    assert contains(config, FULL)


def test_null_is_absent(tmp_path):
    config = load.read_config(
        write(tmp_path, {**MINIMAL, "mounts": None, "hooks": {"prestart": None}, "hostname": None})
    )
    assert (config["mounts"], config["hooks"]["prestart"], "hostname" in config) == ([], [], False)


def test_a_required_null_is_missing(tmp_path):
    (fault,) = faults_of(write(tmp_path, {**MINIMAL, "ociVersion": None}))
    assert 'the property "ociVersion" is missing' in fault.message


def test_other_platforms_need_neither_root_nor_process(tmp_path):
    config = load.read_config(write(tmp_path, {"ociVersion": "1.0.0"}))
    assert "root" not in config
    assert "process" not in config


def test_no_config(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load.read_config(str(tmp_path))
    expected = (
        f"{tmp_path}/config.json: no such file or directory (ocipy bundle makes a bundle, ocipy spec a config.json)"
    )
    assert str(caught.value) == expected


def test_no_bundle(tmp_path):
    with pytest.raises(ConfigError, match="no such file or directory"):
        load.read_config(f"{tmp_path}/none/")


def test_a_directory_is_no_config(tmp_path):
    (tmp_path / "config.json").mkdir()
    (fault,) = faults_of(str(tmp_path))
    assert str(fault) == "is a directory"


def test_a_file_is_no_bundle(tmp_path):
    (tmp_path / "file").touch()
    (fault,) = faults_of(f"{tmp_path}/file")
    assert str(fault) == "not a directory"


def test_no_permission(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("posix.open", refuse)
    (fault,) = faults_of(str(tmp_path))
    assert str(fault) == "permission denied"


@pytest.mark.parametrize(
    ("bundle", "path"),
    [("", "config.json"), ("a", "a/config.json"), ("/a//", "/a/config.json"), ("/", "//config.json")],
)
def test_config_path(bundle, path):
    assert load.config_path(bundle) == path


def test_a_broken_text(tmp_path):
    (fault,) = faults_of(write(tmp_path, '{\n  "ociVersion": "1.3.0",\n}\n'))
    assert (fault.line, fault.column) == (3, 1)


def test_wrong_types_are_told_all_at_once(tmp_path):
    document = {**MINIMAL, "mounts": [{"destination": "/a", "options": "nosuid"}, {"type": 5}], "hostname": 3}
    bundle = write(tmp_path, document)
    lines = (tmp_path / "config.json").read_text().splitlines()
    faults = faults_of(bundle)
    assert [fault.pointer for fault in faults] == ["/mounts/0/options", "/mounts/1", "/mounts/1/type", "/hostname"]
    for fault in faults:
        assert lines[fault.line - 1][fault.column - 1 :].startswith(("{", '"nosuid"', "5", "3"))
    with pytest.raises(ConfigError, match=r"and 3 more: ocipy validate lists them all"):
        load.read_config(bundle)


def test_any_text_without_a_shape(tmp_path):
    for text in ("[]", "3", '"x"', "null", "true"):
        (fault,) = faults_of(write(tmp_path, text))
        assert "expected an object" in fault.message


def test_the_checks_run_after_the_shape(tmp_path):
    bundle = write(tmp_path, {**MINIMAL, "ociVersion": "2.0.0", "process": {"cwd": "tmp"}})
    with pytest.raises(ConfigError) as caught:
        load.read_checked(bundle)
    places = [(fault.pointer, fault.line > 0) for fault in caught.value.faults]
    assert places == [("/ociVersion", True), ("/process/args", True), ("/process/cwd", True)]
    assert load.read_config(bundle)["ociVersion"] == "2.0.0"


def test_warnings_do_not_stop(tmp_path):
    document = {**MINIMAL, **MOUNT_NAMESPACE, "mounts": [{"destination": "data"}]}
    config, warnings = load.read_checked(write(tmp_path, document))
    assert config["mounts"][0]["destination"] == "data"
    assert [warning.pointer for warning in warnings] == ["/mounts/0/destination"]


@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "x\\uDFFF"])
def test_strings_the_kernel_can_not_be_given(tmp_path, text):
    bundle = write(
        tmp_path, json.dumps({**MINIMAL, "annotations": {"a": "@"}}).replace("rootfs", text).replace("@", text)
    )
    with pytest.raises(ConfigError) as caught:
        load.read_checked(bundle)
    assert [fault.pointer for fault in caught.value.faults] == ["/root/path"]


def test_escapes_are_fine(tmp_path):
    write(tmp_path, json.dumps({**MINIMAL, "root": {"path": "é\U0001f600"}}) + "\n")
    config, _ = load.read_checked(str(tmp_path))
    assert config["root"]["path"] == "é\U0001f600"


@pytest.mark.parametrize(
    ("version", "limit"), [("1.0.2-dev", -1), ("1.2.1", -1), ("1.3.0", 0), ("1.10.0", 0), ("1.20.0", 0)]
)
def test_no_processes_was_no_limit(tmp_path, version, limit):
    """Before 1.3 a writer of 0 means none: podman 4 does for ``--pids-limit -1``."""
    text = {**MINIMAL, "ociVersion": version, "linux": {"resources": {"pids": {"limit": 0}}}}
    assert load.read_config(write(tmp_path, text))["linux"]["resources"]["pids"] == {"limit": limit}


def test_a_bare_process():
    process = load.parse_process(b'{"cwd": "/", "args": ["ls"], "user": null}', "p.json")
    assert process["user"] == {"uid": 0, "gid": 0, "additionalGids": []}
    with pytest.raises(ConfigError, match=r"p\.json: /cwd \(line 1, column 9\): expected a string") as caught:
        load.parse_process(b'{"cwd": 5, "args": {}}', "p.json")
    assert [fault.pointer for fault in caught.value.faults] == ["/cwd", "/args"]


def test_bare_resources():
    resources = load.parse_resources(b'{"devices": [{"allow": true, "type": ""}], "pids": {"limit": 3}}', "r.json")
    assert resources["devices"] == [{"allow": True, "type": "a", "major": -1, "minor": -1, "access": "rwm"}]
    with pytest.raises(ConfigError, match=r"r\.json: /pids \(line 1, column 10\)"):
        load.parse_resources(b'{"pids": {}}', "r.json")


def test_a_fault_without_jsonschema(tmp_path, monkeypatch):
    """The package is there on every installation; where it isn't, the error is still one of the config."""
    monkeypatch.setitem(__import__("sys").modules, "jsonschema", None)
    (fault,) = faults_of(write(tmp_path, {**MINIMAL, "hostname": 3}))
    assert "jsonschema" in fault.message
    assert validate(write(tmp_path, MINIMAL)) == []


def test_a_checker_of_other_schemas_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr("ocipy.spec.schema.check_config", lambda document: False)
    (fault,) = faults_of(write(tmp_path, MINIMAL))
    assert "build ocipy anew" in fault.message
