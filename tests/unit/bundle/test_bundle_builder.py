"""``make_bundle`` and its command: what config.json says, and that a bundle is there whole or not at all."""

import json
import os
import signal
import stat
import subprocess
import sys
import tarfile

import pytest

import ocipy.bundle.builder as builder
from ocipy.bundle import make_bundle
from ocipy.bundle.busybox import find_static_busybox, install_busybox
from ocipy.bundle.default_config import default_config
from ocipy.bundle.hello import HELLO_SCRIPT
from ocipy.cli import Settings
from ocipy.commands import bundle as command
from ocipy.errors import OcipyError, SyscallError, UsageError
from ocipy.options import parse

MARKER = "org.ocipy.bundle"


@pytest.fixture
def rootfs(tmp_path):
    """A root filesystem used in place: the cheapest source there is."""
    root = tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:34::/www:/bin/sh\n")
    for name in ("sh", "tool"):
        (root / "bin" / name).write_text("")
        (root / "bin" / name).chmod(0o755)
    return str(root)


@pytest.fixture
def make(tmp_path, rootfs):
    """Makes a bundle with the fields given; the value is its config."""

    def run(**fields):
        fields.setdefault("rootfs", rootfs)
        directory = tmp_path / "bundle"
        made = make_bundle(directory, **fields)
        assert made.path == str(directory)
        return json.loads((directory / "config.json").read_text())

    return run


def test_the_defaults_are_runcs_but_for_what_a_runnable_bundle_needs(make, rootfs):
    expected = default_config()
    expected["annotations"] = {MARKER: "1"}
    expected["hostname"] = "ocipy"
    expected["process"]["terminal"] = False
    expected["root"] = {"path": rootfs, "readonly": False}
    assert make() == expected


def test_every_field_lands_in_the_config(make):
    mount = {"destination": "/data", "type": "bind", "source": "/tmp", "options": ["rbind"]}
    config = make(
        args=["tool", "-x"],
        hostname="box",
        user="web",
        env=["A=1", "TERM=linux", "A=2"],
        memory=64 << 20,
        cpus=1.5,
        pids=20,
        mounts=[mount],
        read_only=True,
        terminal=True,
        cwd="/bin",
    )
    process = config["process"]
    assert process["args"] == ["tool", "-x"]
    assert process["user"] == {"uid": 33, "gid": 34}
    assert process["env"] == [default_config()["process"]["env"][0], "TERM=linux", "A=2"]
    assert process["terminal"] is True
    assert process["cwd"] == "/bin"
    assert config["hostname"] == "box"
    assert config["root"]["readonly"] is True
    assert config["mounts"] == [*default_config()["mounts"], mount]
    assert config["linux"]["resources"] == {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": 64 << 20},
        "cpu": {"quota": 150_000, "period": 100_000},
        "pids": {"limit": 20},
    }


def test_an_unprivileged_user_keeps_no_capabilities(make):
    capabilities = make(user="1000")["process"]["capabilities"]
    assert capabilities == {"bounding": default_config()["process"]["capabilities"]["bounding"]}


def test_rootless(make, monkeypatch):
    monkeypatch.setattr("ocipy.bundle.users._subordinate_ranges", lambda _: [])
    config = make(rootless=True, pids=5)
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert config["linux"]["resources"] == {"pids": {"limit": 5}}
    assert "network" not in [namespace["type"] for namespace in config["linux"]["namespaces"]]


def test_hello(make):
    config = make(hello=True)
    assert config["hostname"] == "hello"
    assert config["process"]["args"] == ["sh", "-c", HELLO_SCRIPT]


def test_hello_keeps_a_hostname_asked_for(make):
    assert make(hello=True, hostname="mine")["hostname"] == "mine"


def test_a_rootfs_behind_a_symlink_is_named_by_its_real_path(make, rootfs, tmp_path):
    (tmp_path / "link").symlink_to(rootfs)
    assert make(rootfs=str(tmp_path / "link"))["root"]["path"] == rootfs


def test_a_command_that_is_not_there_is_warned_of(make, capfd):
    make(args=["/bin/absent"])
    assert "/bin/absent is not in the root filesystem" in capfd.readouterr().err


def listing(directory):
    return sorted(os.listdir(directory))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"rootfs": "/absent"}, "^--rootfs /absent: no such"),
        ({"rootfs": "/"}, "^--rootfs /: "),
        ({"busybox": True}, "^only one of --from-host, --busybox and --rootfs"),
        ({"hello": True, "args": ["ls"]}, "^--hello"),
        ({"user": "nosuch"}, "^--user nosuch"),
        ({"memory": 1}, "^--memory"),
        ({"cpus": 0.0}, "^--cpus"),
        ({"pids": 0}, "^--pids"),
        ({"cwd": "relative"}, "^--cwd"),
        ({"hostname": "a b"}, "^--hostname"),
        ({"env": ["X"]}, "^--env"),
        ({"rootfs": "", "from_host": ["no-such-program"]}, "^--from-host: no-such-program is not in PATH"),
    ],
)
def test_an_error_leaves_nothing_behind(make, tmp_path, fields, reason):
    before = listing(tmp_path)
    with pytest.raises(OcipyError, match=reason):
        make(**fields)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_leaves_nothing_behind(make, tmp_path, monkeypatch, interruption):
    before = listing(tmp_path)
    seen = []

    def interrupt(path, config):
        seen.append(listing(tmp_path))
        raise interruption

    monkeypatch.setattr(builder, "write_config", interrupt)
    with pytest.raises(interruption):
        make(rootfs="", from_host=["ls"])
    assert len(seen[0]) == len(before) + 1, "the half-made bundle was beside its place"
    assert listing(tmp_path) == before


def test_an_oserror_is_one_line_with_its_path(make, tmp_path, monkeypatch):
    def fail(path, config):
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(builder, "write_config", fail)
    with pytest.raises(SyscallError, match=r"^make bundle: /.*config\.json: ENOSPC: no space left on device$"):
        make()


def test_twice_is_one_clear_error(make, tmp_path):
    make(hostname="first")
    before = listing(tmp_path)
    with pytest.raises(UsageError, match=r"^/.*/bundle exists and is not empty \(--force replaces it\)$"):
        make(hostname="second")
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"
    assert listing(tmp_path) == before


def test_force_replaces_a_bundle_and_nothing_is_left_of_the_old(make, tmp_path):
    make(hostname="first")
    (tmp_path / "bundle/extra").mkdir()
    (tmp_path / "bundle/extra/file").write_text("")
    before = listing(tmp_path)
    assert make(hostname="second", force=True)["hostname"] == "second"
    assert listing(tmp_path / "bundle") == ["config.json"]
    assert listing(tmp_path) == before


def test_force_makes_one_that_is_not_there(make):
    assert make(force=True)


def test_force_that_fails_keeps_the_old(make, tmp_path):
    make(hostname="first")
    with pytest.raises(UsageError, match=r"^--env"):
        make(force=True, env=["X"])
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"


def test_a_failing_rename_puts_the_old_one_back(make, tmp_path, monkeypatch):
    make(hostname="first")
    before = listing(tmp_path)
    rename = os.rename

    def fail(source, destination):
        if destination == str(tmp_path / "bundle") and not source.endswith("/old"):
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        make(hostname="second", force=True)
    assert json.loads((tmp_path / "bundle/config.json").read_text())["hostname"] == "first"
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "config",
    [None, "", "{}", "[]", "broken", '{"annotations": {"other": "1"}}', '{"annotations": ["org.ocipy.bundle"]}'],
)
def test_force_never_removes_what_is_not_ours(make, tmp_path, config):
    directory = tmp_path / "bundle"
    (directory / "precious").mkdir(parents=True)
    if config is not None:
        (directory / "config.json").write_text(config)
    with pytest.raises(UsageError, match="is not a bundle made by ocipy"):
        make(force=True)
    assert (directory / "precious").is_dir()


def test_force_refuses_while_something_is_mounted_below(make, tmp_path, monkeypatch):
    make()
    monkeypatch.setattr("ocipy.bundle.replace._mount_below", lambda directory: f"{directory}/rootfs/data")
    with pytest.raises(OcipyError, match="/rootfs/data is mounted in it"):
        make(force=True)


def test_mount_points_are_read_from_mountinfo():
    from ocipy.bundle.replace import _mount_below

    assert _mount_below("/proc") == "/proc"
    assert _mount_below("/proc/self/no") == ""
    assert _mount_below("/pro") == ""


def test_an_empty_directory_is_taken(make, tmp_path):
    (tmp_path / "bundle").mkdir()
    assert make()


def test_places_that_can_not_be(make, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a directory"):
        make_bundle(tmp_path / "file")
    with pytest.raises(UsageError, match="there is no directory"):
        make_bundle(tmp_path / "absent/bundle")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the current directory"):
        make_bundle(".")


def test_from_host(make, tmp_path):
    config = make(rootfs="", from_host=["ls"], user="54321:777", hostname="box")
    root = tmp_path / "bundle/rootfs"
    assert config["root"]["path"] == "rootfs"
    assert config["process"]["args"] == ["ls"], "without a shell, the first program is the command"
    for name in ("proc", "dev", "sys", "tmp", "etc", "root", "var", "run", "home"):
        assert (root / name).is_dir()
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert "54321:777" in (root / "etc/passwd").read_text()
    assert "box" in (root / "etc/hosts").read_text()
    assert "files" in (root / "etc/nsswitch.conf").read_text()
    assert os.readlink(root / "var/run") == "../run"
    assert stat.S_IMODE((tmp_path / "bundle").stat().st_mode) == 0o755


def test_from_an_archive(make, tmp_path, rootfs):
    archive = tmp_path / "image.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(rootfs, ".")
    config = make(rootfs=str(archive), user="web")
    assert config["root"]["path"] == "rootfs"
    assert config["process"]["user"] == {"uid": 33, "gid": 34}
    assert (tmp_path / "bundle/rootfs/proc").is_dir()
    mode = stat.S_IMODE((tmp_path / "bundle").stat().st_mode)
    assert mode == (0o700 if os.geteuid() == 0 else 0o755)


BUSYBOX = """#!/bin/sh
printf 'bin/sh\\nbin/busybox\\nusr/bin/env\\nlinuxrc\\n'
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A script in PATH that lists applets as busybox does, taken for a static one."""
    path = tmp_path / "tools" / "busybox"
    path.parent.mkdir()
    path.write_text(BUSYBOX)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    monkeypatch.setattr("ocipy.bundle.busybox.is_elf", lambda _: True)
    monkeypatch.setattr("ocipy.bundle.busybox.is_static", lambda _: True)
    return path


def test_busybox(stand_in, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    assert install_busybox(str(root)) == 3
    assert os.readlink(root / "bin/sh") == "busybox"
    assert os.readlink(root / "usr/bin/env") == "../../bin/busybox"
    assert os.readlink(root / "linuxrc") == "bin/busybox"
    assert (root / "bin/busybox").read_text() == BUSYBOX


@pytest.mark.parametrize("applet", ["/etc/passwd", "../escaped", "bin/../../escaped"])
def test_applets_stay_inside(stand_in, tmp_path, applet):
    stand_in.write_text(f"#!/bin/sh\necho {applet}\n")
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(OcipyError, match="not a path below /"):
        install_busybox(str(root))


def test_a_dynamic_busybox_is_not_taken(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr("ocipy.bundle.busybox.is_static", lambda _: False)
    assert find_static_busybox() is None
    with pytest.raises(OcipyError, match=r"^--busybox: .*apt install busybox-static"):
        make_bundle(tmp_path / "bundle", busybox=True)
    made = make_bundle(tmp_path / "bundle")
    assert made.contents.startswith("sh, ls, cat, env"), "without one, the default is the host's programs"


def run(*argv):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return command.run(parse(command.OPTIONS, argv), Settings())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("separator", [["--"], []])
def test_command_line(tmp_path, monkeypatch, capsys, rootfs, separator):
    monkeypatch.chdir(tmp_path)
    options = [
        "--rootfs", rootfs, "--hostname", "box", "--user", "web", "--env", "A=1", "--env=B=2", "--memory", "64m",
        "--cpus", "0.5", "--pids", "9", "--mount", "/tmp:/data:ro", "--mount", "type=tmpfs,target=/scratch",
        "--read-only", "-t", "--cwd", "/bin",
    ]  # fmt: skip
    assert run("made", *options, *separator, "tool", *(["-x"] if separator else [])) == 0
    assert capsys.readouterr().out == (
        f"bundle: ./made (root filesystem {rootfs}, used in place); run it: ocipy run --bundle ./made ID\n"
    )
    config = json.loads((tmp_path / "made/config.json").read_text())
    assert config["process"]["args"] == (["tool", "-x"] if separator else ["tool"])
    assert config["process"]["env"][-2:] == ["A=1", "B=2"]
    assert config["process"]["user"]["uid"] == 33
    assert config["process"]["terminal"] is True
    assert config["root"]["readonly"] is True
    assert [mount["destination"] for mount in config["mounts"][-2:]] == ["/data", "/scratch"]
    assert config["linux"]["resources"]["memory"] == {"limit": 64 << 20}
    assert config["linux"]["resources"]["cpu"]["quota"] == 50_000
    assert config["linux"]["resources"]["pids"] == {"limit": 9}


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "needs the directory to make"),
        ([""], "needs the directory to make"),
        (["b", "--from-host", "ls,,ps"], "--from-host needs names"),
        (["b", "--memory", "lots"], "--memory needs a size"),
        (["b", "--cpus", "x"], "--cpus needs a number"),
        (["b", "--mount", "x"], "--mount needs"),
    ],
)
def test_command_line_refused(tmp_path, monkeypatch, argv, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        run(*argv)
    assert reason in str(caught.value)
    assert listing(tmp_path) == []


def test_the_command_modules_import_little():
    script = "import ocipy.commands.spec, ocipy.commands.bundle, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"json", "tarfile", "subprocess", "dataclasses", "re", "ocipy.bundle"} & set(loaded.split())
