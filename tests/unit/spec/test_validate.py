"""What a person reads: every fault in words, and the command validate."""

import json

import pytest

from ocipy.commands import validate as command
from ocipy.errors import UsageError
from ocipy.options import parse
from ocipy.spec import validate
from ocipy.spec.jsontext import loads
from ocipy.spec.validate import shape_faults

from .documents import MINIMAL, MOUNT_NAMESPACE

CASES = [
    (
        {"mounts": [{"destination": "/a"}, {"destination": "/b", "options": "nosuid"}]},
        "/mounts/1/options",
        'expected an array of strings (mount options such as "nosuid", "ro" or "size=64m"), got the string "nosuid"',
    ),
    (
        {"mounts": [{"destination": "/b", "options": ["ro", 5]}]},
        "/mounts/0/options/1",
        'expected a string (mount options such as "nosuid", "ro" or "size=64m"), got 5',
    ),
    (
        {"mounts": [{"source": "/b"}]},
        "/mounts/0",
        'the property "destination" is missing: where in the container, an absolute path such as "/data"',
    ),
    ({"linux": {"namespaces": [{"Type": "pid"}]}}, "/linux/namespaces/0",
     'the property "type" is missing (there is "Type"): the kind of namespace'),
    ({"root": {"path": "a", "readonly": "yes"}}, "/root/readonly",
     "expected true or false (whether the root filesystem can't be written to), got the string \"yes\""),
    ({"process": {"cwd": "/", "user": {"uid": -1}}}, "/process/user/uid",
     "expected a whole number from 0 to 4294967295 (the user id inside the container, such as 1000), got -1"),
    ({"process": {"cwd": "/", "oomScoreAdj": 1.0}}, "/process/oomScoreAdj",
     "expected a whole number (the process's oom_score_adj, from -1000 to 1000), got 1.0"),
    ({"process": {"cwd": "/", "user": {"additionalGids": {}}}}, "/process/user/additionalGids",
     "expected an array of whole numbers (further group ids inside the container, such as [10, 100]), got an object"),
    ({"process": {"cwd": "/", "rlimits": [{"type": "NOFILE", "soft": 1, "hard": 1}]}}, "/process/rlimits/0/type",
     'expected a string (a limit of setrlimit(2), such as "RLIMIT_NOFILE"), got the string "NOFILE"'),
    ({"hooks": {"poststop": [{"path": "/a", "timeout": 0}]}}, "/hooks/poststop/0/timeout",
     "expected a whole number, 1 or more (after how many seconds the program is killed, such as 10), got 0"),
    ({"hooks": {"poststop": {}}}, "/hooks/poststop",
     "expected an array of objects (run on the host after the container was deleted), got an object"),
    ({"annotations": {"a/b~c": 1}}, "/annotations/a~1b~0c",
     'expected a string (free metadata, names to strings, such as "org.example.owner": "web team"), got 1'),
    ({"annotations": [None]}, "/annotations",
     ('expected an object whose values are strings (free metadata, names to strings, such as "org.example.owner": '
      '"web team"), got an array')),
    ({"linux": {"namespaces": [{"type": "pit"}]}}, "/linux/namespaces/0/type",
     ('expected one of "mount", "pid", "network", "uts", "ipc", "user", "cgroup" or "time" (the kind of namespace), '
      'got the string "pit"')),
    ({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG"}]}}},
     "/linux/seccomp/syscalls/0/names",
     ("expected an array of strings (the system calls of the rule, at least one, such as "
      '["chmod", "fchmod"]), got an empty array')),
    ({"linux": {"resources": {"rdma": {"mlx5_1": {"hcaHandles": "x"}}}}}, "/linux/resources/rdma/mlx5_1/hcaHandles",
     'expected a whole number from 0 to 4294967295 (how many handles may be open), got the string "x"'),
    ({"linux": {"netDevices": {"eth0": 3}}}, "/linux/netDevices/eth0",
     'expected an object (host interfaces to move into the container, such as "eth1": {"name": "eth0"}), got 3'),
    ({"ociVersion": [1]}, "/ociVersion",
     'expected a string (the version of the runtime spec the document follows, such as "1.3.0"), got an array'),
    ({"windows": True}, "/windows", "expected an object (what applies to Windows only; not looked into), got true"),
    ({"hostname": "x" * 3, "domainname": ["x"]}, "/domainname",
     "expected a string (the NIS domain name inside the container), got an array"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "pointer", "message"), CASES)
def test_messages(change, pointer, message):
    (fault,) = shape_faults({**MINIMAL, **change}, "config")
    assert (fault.pointer, fault.message) == (pointer, message)


def test_a_long_value_is_cut():
    (fault,) = shape_faults({**MINIMAL, "process": {"cwd": "/", "terminal": "é" * 500}}, "config")
    assert fault.message.endswith("éé…")
    assert len(fault.message) < 200


def test_one_fault_for_each_thing():
    document = {"root": 1, "process": {"user": []}, "linux": {"uidMappings": [{"size": "1"}]}}
    assert sorted(
        (fault.pointer, fault.message.partition(" (")[0][:50]) for fault in shape_faults(document, "config")
    ) == [
        ("", 'the property "ociVersion" is missing: the version '),
        ("/linux/uidMappings/0", 'the property "containerID" is missing: the first i'),
        ("/linux/uidMappings/0", 'the property "hostID" is missing: the first id of '),
        ("/linux/uidMappings/0/size", "expected a whole number from 0 to 4294967295"),
        ("/process", 'the property "cwd" is missing: the working directo'),
        ("/process/user", "expected an object"),
        ("/root", "expected an object"),
    ]


@pytest.mark.parametrize("inside", [True, False])
def test_the_schemas_are_found_in_a_package_and_in_the_checkout(tmp_path, monkeypatch, inside):
    home = tmp_path / "ocipy" / "schemas" if inside else tmp_path / "schemas"
    home.mkdir(parents=True)
    (home / "VERSION").write_text("1.3.0\n")
    (tmp_path / "ocipy" / "schemas").mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(validate, "__file__", str(tmp_path / "ocipy" / "spec" / "validate.py"))
    assert validate.schemas_dir() == home


def run(capsys, *arguments):
    status = command.run(parse(command.OPTIONS, arguments), None)
    return status, capsys.readouterr().out


def test_a_good_bundle(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(MINIMAL))
    assert run(capsys, "--bundle", str(tmp_path)) == (0, f"{tmp_path}/config.json: ok\n")


def test_the_current_directory_is_the_default(tmp_path, capsys, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps(MINIMAL))
    monkeypatch.chdir(tmp_path)
    assert run(capsys) == (0, "config.json: ok\n")


def test_warnings_leave_it_valid(tmp_path, capsys):
    document = {**MINIMAL, **MOUNT_NAMESPACE, "mounts": [{"destination": "a"}]}
    (tmp_path / "config.json").write_text(json.dumps(document))
    status, output = run(capsys, "-b", str(tmp_path))
    first, second = output.splitlines()
    assert (status, first) == (0, f"{tmp_path}/config.json: ok")
    assert second.startswith(f"{tmp_path}/config.json: warning: /mounts/0/destination (line 1, column ")


def test_every_fault_is_a_line_in_the_order_of_the_text(tmp_path, capsys):
    text = '{\n  "linux": {"namespaces": [{}]},\n  "mounts": {},\n  "ociVersion": "1.0.0"\n}\n'
    (tmp_path / "config.json").write_text(text)
    status, output = run(capsys, "-b", str(tmp_path))
    assert status == 1
    assert [line.split(": ")[1] for line in output.splitlines()] == [
        "/linux/namespaces/0 (line 2, column 28)",
        "/mounts (line 3, column 13)",
    ]


def test_the_rules_beyond_the_schema(tmp_path, capsys):
    seccomp = {"defaultAction": "SCMP_ACT_NOTIFY"}
    document = {**MINIMAL, "hostname": "a", "linux": {"seccomp": seccomp}, "ociVersion": "9.0.0"}
    (tmp_path / "config.json").write_text(json.dumps(document, indent=1))
    status, output = run(capsys, "-b", str(tmp_path), "--format", "json")
    report = loads(output.encode(), "output")
    assert (status, report["valid"], report["warnings"]) == (1, False, [])
    assert report["path"] == f"{tmp_path}/config.json"
    pointers = [fault["pointer"] for fault in report["faults"]]
    assert pointers == ["/ociVersion", "/hostname", "/linux/seccomp/defaultAction"]
    assert all(fault["line"] and fault["column"] and fault["message"] for fault in report["faults"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file or directory (ocipy bundle makes a bundle, ocipy spec a config.json)"),
        ("{]", "line 1, column 2: expected a property's name in double quotes, got ']'"),
        ('{"a": 1, "a": 2}', "/a (line 1, column 10): the property 'a' is given twice (first in line 1, column 2)"),
    ],
)
def test_no_config_and_no_json(tmp_path, capsys, text, message):
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert run(capsys, "-b", str(tmp_path)) == (1, f"{tmp_path}/config.json: {message}\n")


def test_unknown_format():
    with pytest.raises(UsageError, match="text or json"):
        command.run(parse(command.OPTIONS, ["--format", "xml"]), None)
