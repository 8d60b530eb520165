import json
import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocipy import cli
from ocipy.errors import OcipyError
from ocipy.install import own_command, writing
from ocipy.install.places import Places

DOCKER = "/etc/docker/daemon.json"
CONTAINERD = "/etc/containerd/config.toml"
CRIO = "/etc/crio/crio.conf.d/50-ocipy.conf"


def test_the_engines_found(host):
    for directory in ("docker", "crio"):
        host.path(f"/etc/{directory}").mkdir()
    program = host.write("/usr/bin/containerd", "")
    program.chmod(0o755)
    host.install()
    assert host.path(DOCKER).exists()
    assert host.path(CRIO).exists()
    assert host.path(CONTAINERD).exists()
    assert not host.path("/etc/containers").exists()
    assert not host.path("/etc/apparmor.d").exists()


def test_no_engine_found(host):
    host.install(status=1)
    assert "no engine found" in host.err


def test_all_engines_there_and_back_again(host):
    host.write(DOCKER, "{}")
    host.write(CONTAINERD, "version = 3\n")
    before = host.files()
    words = ("--podman", "--docker", "--containerd", "--crio", "--apparmor", "--default")
    host.install(*words)
    installed = host.files()
    assert host.install(*words).count("unchanged: ") == 5
    assert host.files() == installed
    host.uninstall()
    assert host.files() == before
    assert "nothing to take back" in host.uninstall()


def test_some_of_it(host):
    host.install("--docker", "--crio")
    host.uninstall("--docker")
    assert not host.path(DOCKER).exists()
    assert host.path(CRIO).exists()
    host.uninstall("--name", "other")
    assert host.path(CRIO).exists()
    host.uninstall("--name", "ocipy")
    assert sorted(os.listdir(host.root)) == ["etc", "var"]


def test_a_dry_run_is_a_patch_and_writes_nothing(host, tmp_path):
    host.write(DOCKER, '{\n  "debug": true\n}')
    before = host.files()
    diff = host.install("--docker", "--crio", "--dry-run")
    assert host.files() == before
    host.install("--docker", "--crio")
    wanted = host.read(DOCKER), host.read(CRIO)
    back = host.uninstall("--dry-run")
    assert host.path(CRIO).exists()
    host.uninstall()
    assert host.files() == before
    for patch, expected in ((diff, wanted), (back, ('{\n  "debug": true\n}', None))):
        subprocess.run(["git", "apply", "--unsafe-paths", "-p0", "-"], input=_relative(patch, host), cwd=host.root,
                       check=True, text=True)  # fmt: skip
        assert (host.read(DOCKER), host.read(CRIO) if host.path(CRIO).exists() else None) == expected


NAMES = st.sampled_from(["a", "b", "ocipy"])
ENGINES = st.lists(st.sampled_from(["--podman", "--docker", "--containerd", "--crio"]), min_size=1, max_size=2)
INSTALLS = st.tuples(st.just("install"), NAMES, ENGINES, st.booleans())
UNINSTALLS = st.tuples(st.just("uninstall"), st.none() | NAMES, st.just([]) | ENGINES, st.just(False))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(INSTALLS | UNINSTALLS, max_size=6), st.booleans())
def test_any_way_leads_back(host, steps, there):
    for path in host.root.iterdir():
        shutil.rmtree(path)
    host.path("/var/lib").mkdir(parents=True)
    if there:
        host.write(DOCKER, '{"default-runtime": "x", "runtimes": { }}')
        host.write(CONTAINERD, "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\nx = 1")
    before = host.files()
    for command, name, engines, default in steps:
        words = [*engines, *["--default"] * default, *(["--name", name] if name else [])]
        host.install(*words) if command == "install" else host.uninstall(*words)
    host.uninstall()
    assert host.files() == before


def _relative(patch, host):
    return patch.replace(f"{host.root}/", "")


def test_mode_and_owner_of_a_file_stay(host):
    path = host.write(DOCKER, "{}")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12, 34)
    before = host.files()
    host.install("--docker")
    assert host.files()["etc/docker/daemon.json"][:3] == before["etc/docker/daemon.json"][:3]
    host.uninstall()
    assert host.files() == before


def test_the_umask_does_not_matter(host):
    former = os.umask(0o077)
    try:
        host.install("--podman")
    finally:
        os.umask(former)
    found = host.files()
    assert oct(found["etc/containers/containers.conf.d/50-ocipy.conf"][0]) == "0o100644"
    assert oct(found["etc/containers/containers.conf.d"][0]) == "0o40755"
    assert oct(found["var/lib/ocipy/install.json"][0]) == "0o100600"


def test_a_link_is_followed(host):
    target = host.write("/srv/daemon.json", "{}")
    host.path("/etc/docker").mkdir()
    host.path(DOCKER).symlink_to("../../srv/daemon.json")
    before = host.files()
    host.install("--docker")
    assert host.path(DOCKER).is_symlink()
    assert "ocipy" in target.read_text()
    host.uninstall()
    assert host.files() == before


def test_a_link_that_leads_out_of_the_destination(host, tmp_path):
    (tmp_path / "outside").write_text("{}")
    host.path("/etc/docker").mkdir()
    host.path(DOCKER).symlink_to(tmp_path / "outside")
    host.install("--docker", status=1)
    assert "is a link that leads out of" in host.err
    assert (tmp_path / "outside").read_text() == "{}"


def test_a_manifest_goes_where_it_is_told(host, tmp_path):
    host.install("--runtimeclass", str(tmp_path / "class.yaml"))
    assert (tmp_path / "class.yaml").exists()


def test_what_is_no_file(host):
    host.path(DOCKER).mkdir(parents=True)
    host.install("--docker", status=1)
    assert f"{DOCKER} is no regular file" in host.err
    host.path(DOCKER).rmdir()
    os.mkfifo(host.path(DOCKER))
    host.install("--docker", status=1)
    assert f"{DOCKER} is no regular file" in host.err


def test_what_is_no_text(host):
    host.path("/etc/docker").mkdir()
    host.path(DOCKER).write_bytes(b'{\n"\xff": 1}')
    host.install("--docker", status=1)
    assert "daemon.json: line 2: not UTF-8 text (byte 0xff)" in host.err


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_a_write_that_fails_undoes_those_before(host, monkeypatch, failing):
    """The record is written first, then three files."""
    host.write(DOCKER, "{}")
    before = host.files()
    writes = []
    write = writing.write

    def full(path, text, mode=0o644):
        writes.append(path)
        if len(writes) == failing:
            raise OSError(28, "No space left on device", path)
        write(path, text, mode)

    monkeypatch.setattr(writing, "write", full)
    host.install("--docker", "--crio", "--podman", status=1)
    assert "ENOSPC: no space left on device (nothing was changed)" in host.err
    assert str(writes[failing - 1]) in host.err
    assert host.files() == before


@pytest.mark.parametrize("ending", [1, 2, 3])
def test_what_is_interrupted_can_be_taken_back(host, monkeypatch, ending):
    """A process that ends after any of its writes."""
    host.write(DOCKER, "{}")
    before = host.files()
    pid = os.fork()
    if pid == 0:
        count = [0]
        write = writing.write

        def last(path, text, mode=0o644):
            write(path, text, mode)
            count[0] += 1
            if count[0] == ending:
                os._exit(0)

        monkeypatch.setattr(writing, "write", last)
        host.install("--docker", "--crio", "--podman")
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    host.uninstall()
    assert host.files() == before


def test_no_temporary_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(30, "read-only")))
    with pytest.raises(OSError, match="read-only"):
        writing.write(str(tmp_path / "file"), "text")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_something_else(host):
    host.write("/var/lib/ocipy/install.json", "[]")
    host.install("--crio", status=1)
    assert "not a record of ocipy install" in host.err
    host.write("/var/lib/ocipy/install.json", json.dumps({"format": 99}))
    host.uninstall(status=1)
    assert "was written by another version of ocipy" in host.err


def test_a_user_s_own(host, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    host.write("/etc/containers/containers.conf", '[engine]\nruntime_supports_json = ["crun"]\n')
    before = host.files()
    words = ("--command", "/usr/bin/env", "--podman", "--docker", "--containerd")
    host.run("install", "--user", *words)
    below = host.path("/home/me")
    assert '["crun", "ocipy"]' in (below / ".config/containers/containers.conf.d/50-ocipy.conf").read_text()
    assert (below / ".config/docker/daemon.json").exists()
    assert (below / ".config/containerd/config.toml").exists()
    assert (below / ".local/share/ocipy/install.json").exists()
    host.run("uninstall", "--user")
    assert host.files() == before
    monkeypatch.setenv("XDG_CONFIG_HOME", "/conf")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    host.run("install", "--user", *words)
    assert sorted(path.name for path in host.root.iterdir()) == ["conf", "data", "etc", "var"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "--crio"], "--crio: no user has one of their own"),
        (["--user", "--apparmor"], "--apparmor: no user has one of their own"),
        (["--user", "--system"], "exclude each other"),
        (["--name", "a.b"], "--name a.b"),
        (["--name", "runc"], "--name runc"),
        (["--command", "relative"], "--command needs an absolute path"),
        (["extra"], "needs 0 arguments"),
    ],
)
def test_usage(host, words, message):
    host.run("install", *words, status=1)
    assert message in host.err


def test_a_command_that_is_not_there(host, capfd):
    assert cli.main(["install", "--dry-run", "--crio", "--command", "/no/such/file"]) == 1
    assert "--command /no/such/file: no file that can be executed" in capfd.readouterr().err
    host.install("--crio", command="/no/such/file")  # in a package it will be


def test_system_wide_needs_root(monkeypatch, capfd):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for command in ("install", "uninstall"):
        assert cli.main([command, "--system"]) == 1
        assert "it needs root (or --user, or --dry-run)" in capfd.readouterr().err


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(OcipyError, match="uid 4000000000 has no home directory"):
        Places(system=False).etc("x")


def test_a_program_of_a_user_s_path(monkeypatch, tmp_path):
    (tmp_path / "my-podman").write_text("")
    (tmp_path / "my-podman").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Places(system=False).program("my-podman") == str(tmp_path / "my-podman")
    assert Places(system=True).program("my-podman") is None


@pytest.mark.root
def test_a_command_that_others_may_change_is_told(tmp_path):
    path = tmp_path / "bin/x"
    make_launcher(path)
    assert own_command.writers(str(path)) == []
    path.parent.chmod(0o775)
    assert own_command.writers(str(path))[0].startswith(f"{path.parent}: others than root may change it, and so what")
    path.parent.chmod(0o755)
    os.chown(path, 1000, 0)
    (tmp_path / "link").symlink_to(path)
    assert own_command.writers(str(tmp_path / "link"))[0].startswith(f"{path}: its owner, uid 1000, may change it")


def make_launcher(path):
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("package", "launcher"),
    [
        ("lib/python3.11/site-packages/ocipy", "bin/ocipy"),
        ("lib/python3/dist-packages/ocipy", "bin/ocipy"),
        ("ocipy", "bin/ocipy"),
        ("ocipy", "build/bin/ocipy"),
    ],
)
def test_the_command_that_belongs_to_the_package(tmp_path, monkeypatch, package, launcher):
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    make_launcher(tmp_path / launcher)
    assert own_command.find(str(tmp_path / package)) == str(tmp_path / launcher)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/ocipy").symlink_to(tmp_path / launcher)
    assert own_command.find(str(tmp_path / package)) == str(tmp_path / "links/ocipy")
    (tmp_path / "links/ocipy").unlink()
    make_launcher(tmp_path / "links/other/x")
    (tmp_path / "links/ocipy").symlink_to(tmp_path / "links/other/x")
    assert own_command.find(str(tmp_path / package)) == str(tmp_path / launcher)
