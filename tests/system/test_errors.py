"""Bad input: one clear line on stderr, an exit status that isn't 0, and nothing left behind."""

import json
import os
import subprocess

import pytest

from tests.system.runtime import RUNTIME, change_at

pytestmark = pytest.mark.root


def with_text(bundle, text):
    path = bundle()
    (path / "config.json").write_text(text)
    return path


@pytest.mark.parametrize("command", ["create", "run", "run -d"])
def test_no_config(ocipy, tmp_path, command):
    message = ocipy.refused(tmp_path, command=command)
    assert message.startswith(f"{tmp_path}/config.json: no such file or directory")


def test_no_bundle(ocipy, tmp_path):
    assert "no such file or directory" in ocipy.refused(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "not a directory" in ocipy.refused(tmp_path / "file")


@pytest.mark.parametrize("command", ["create", "run", "run -d"])
def test_broken_json(ocipy, bundle, command):
    path = with_text(bundle, '{\n  "ociVersion": "1.0.2",\n  "root" {}\n}\n')
    message = ocipy.refused(path, command=command)
    assert message.startswith(f"{path}/config.json: ")
    assert "line 3, column 10" in message
    assert "expected ':'" in message


@pytest.mark.parametrize("cut", [0, 1, 20, 100, -1])
def test_a_config_that_breaks_off(ocipy, bundle, cut):
    path = bundle()
    text = (path / "config.json").read_text()
    (path / "config.json").write_text(text[:cut])
    assert "line 1" in ocipy.refused(path)


def test_a_property_twice(ocipy, bundle):
    path = with_text(bundle, '{"ociVersion": "1.0.2",\n "hostname": "a",\n "hostname": "b"}')
    message = ocipy.refused(path)
    assert "line 3" in message
    assert "given twice" in message


@pytest.mark.parametrize(
    ("place", "value", "pointer"),
    [
        (("process", "args"), "sh", "/process/args"),
        (("process", "args"), [], "/process/args"),
        (("process", "cwd"), "relative", "/process/cwd"),
        (("process", "user"), {"uid": "root", "gid": 0}, "/process/user/uid"),
        (("process", "user"), {"uid": -1, "gid": 0}, "/process/user/uid"),
        (("process", "env"), ["A=b\0c"], "/process/env/0"),
        (("root",), {"path": 5}, "/root/path"),
        (("mounts",), {}, "/mounts"),
        (("mounts", 2), {"type": "tmpfs"}, "/mounts/2"),
        (("linux", "namespaces", 0), {"type": "pids"}, "/linux/namespaces/0/type"),
        (("linux", "resources"), {"pids": {"limit": "many"}}, "/linux/resources/pids/limit"),
        (("hooks",), {"poststart": [{"path": "relative"}]}, "/hooks/poststart/0/path"),
        (("hostname",), None, ""),
    ],
)
def test_wrong_types_and_values(ocipy, bundle, place, value, pointer):
    path = bundle("true", change=change_at(*place, value=value))
    if not pointer:  # null is read as absent
        ocipy.run(path, status=0)
        return
    message = ocipy.refused(path)
    assert message.startswith(f"{path}/config.json: {pointer} (line 1, column ")


@pytest.mark.parametrize("version", ["2.0.0", "0.9.0", "1.99", "one", ""])
def test_unknown_version(ocipy, bundle, version):
    message = ocipy.refused(bundle(change=change_at("ociVersion", value=version)))
    assert "/ociVersion" in message


@pytest.mark.parametrize("missing", ["root", "ociVersion"])
def test_what_must_be_there(ocipy, bundle, missing):
    assert missing in ocipy.refused(bundle(change=lambda config: config.pop(missing)))


def test_missing_rootfs(ocipy, bundle):
    path = bundle(change=change_at("root", "path", value="nowhere"))
    message = ocipy.refused(path)
    assert message.startswith(f"root.path ({path}/nowhere): ")
    assert "ENOENT: no such file or directory" in message


def test_rootfs_that_is_a_file(ocipy, bundle):
    path = bundle(change=change_at("root", "path", value="config.json"))
    assert "ENOTDIR: not a directory" in ocipy.refused(path)


@pytest.mark.parametrize("container", ["a/b", "../x", "/etc", "", ".", "..", "a b", "a\nb", "é", "x" * 1025, "a:b"])
@pytest.mark.parametrize("command", ["create", "state", "start", "kill", "delete", "delete --force"])
def test_malformed_ids(ocipy, bundle, container, command):
    bundle_option = ["--bundle", bundle()] if command == "create" else []
    message = ocipy.fails(*command.split(), *bundle_option, "--", container)
    assert "container id" in message


def test_an_id_as_long_as_a_directory_name_can_be(ocipy, bundle):
    container = "x" * 255
    ocipy("create", "--bundle", bundle("true"), container, status=0)
    assert ocipy.status(container) == "created"
    ocipy("delete", container, status=0)
    assert "ENAMETOOLONG" in ocipy.refused(bundle(), container + "x")


def as_nobody(*command):
    return subprocess.run(
        [RUNTIME, *command],
        user=65534,
        group=65534,
        extra_groups=[],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_without_permission(ocipy, bundle, tmp_path):
    path = bundle()
    (path / "config.json").chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    for above in (path, *path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    done = as_nobody("--root", str(home), "create", "-b", str(path), "x")
    assert done.returncode == 1
    assert done.stderr == f"ocipy: {path}/config.json: permission denied\n"
    assert os.listdir(home) == []


def test_a_root_directory_without_permission(ocipy, bundle):
    done = as_nobody("--root", "/proc/x", "create", "-b", str(bundle()), "x")
    assert done.returncode == 1
    assert done.stderr.startswith("ocipy: ")
    assert "/proc/x" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_root_directory_of_another_user(ocipy, bundle):
    ocipy.create(bundle("true"))
    for above in list(ocipy.root.parents)[:3]:
        above.chmod(above.stat().st_mode | 0o055)
    for command in (["list"], ["state", "x"], ["create", "-b", str(bundle()), "x"], ["delete", "x"], ["kill", "x"]):
        done = as_nobody("--root", str(ocipy.root), *command)
        assert done.returncode == 1
        assert done.stderr.startswith("ocipy: "), command
        assert done.stderr.count("\n") == 1, command


def test_output_that_cannot_be_written(ocipy):
    with open("/dev/full", "wb") as full:
        assert "ENOSPC" in ocipy.fails("list", stdout=full)


@pytest.mark.parametrize(
    "argv",
    [
        ("no-such-command",),
        ("create",),
        ("create", "a", "b"),
        ("state",),
        ("kill", "a", "TERM", "x"),
        ("delete", "--no-such-option", "a"),
        ("list", "--format", "xml"),
        ("list", "extra"),
        ("create", "--preserve-fds", "many", "a"),
        ("create", "--bundle"),
        ("--no-such-global", "list"),
    ],
)
def test_malformed_command_lines(ocipy, argv):
    assert ocipy.fails(*argv)


def test_validate_tells_every_fault_of_a_config(ocipy, bundle):
    def change(config):
        config["process"]["cwd"] = 5
        config["hostname"] = []

    path = bundle(change=change)
    assert "(and 1 more" in ocipy.refused(path)
    done = ocipy("validate", "--bundle", path)
    assert done.returncode != 0
    assert "/process/cwd" in done.stdout + done.stderr
    assert "/hostname" in done.stdout + done.stderr
    assert json.loads((path / "config.json").read_text())["hostname"] == []
