"""``make_bundle``: what config.json says, and what the root filesystem is made of."""

import os
import stat
import tarfile

import pytest

from ocipy.bundle import make_bundle
from ocipy.bundle.busybox import find_static_busybox, install_busybox
from ocipy.bundle.default_config import default_config
from ocipy.bundle.hello import HELLO_SCRIPT
from ocipy.errors import OcipyError


def test_the_defaults_are_runcs_but_for_what_a_runnable_bundle_needs(make, rootfs):
    expected = default_config()
    expected["annotations"] = {"org.ocipy.bundle": "1"}
    expected["hostname"] = "ocipy"
    expected["process"]["terminal"] = False
    del expected["process"]["capabilities"]["ambient"]
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
