"""Containers of users without privileges."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    mount_table,
    read_config,
    write_config,
)
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

NOBODY = 65534


@pytest.fixture
def as_user(tmp_path, busybox_rootfs, ocipy):
    """Runs ocipy as user 65534, with a runtime directory of its own; its bundle is made with ``spec --rootless``."""
    home = tmp_path / "user"
    home.mkdir()
    for directory in (tmp_path, *tmp_path.parents):
        if directory.name.startswith(("pytest-", "test_")):
            directory.chmod(0o755)
    os.chown(home, NOBODY, NOBODY)

    def run(*argv, uid=NOBODY, **keywords):
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", RUNTIME, *map(str, argv)]
        environment = {"XDG_RUNTIME_DIR": str(home), "PATH": os.environ["PATH"]}
        return ocipy.execute(*command, env=environment, cwd=home, **keywords)

    run.home = home
    run.rootfs = busybox_rootfs
    return run


def rootless_bundle(as_user, *args, change=None):
    path = as_user.home / "bundle"
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    made = as_user("spec", "--rootless", "--bundle", path)
    assert made.returncode == 0, made.stderr
    config = read_config(path)
    config["process"].update(args=list(args), terminal=False)
    config["root"]["path"] = str(as_user.rootfs)
    config["process"]["capabilities"]["ambient"] = []
    if change:
        change(config)
    write_config(path, config)
    return path


@pytest.mark.rootless
def test_a_container_of_an_ordinary_user(ocipy, as_user):
    script = "id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups; echo $$; hostname; cat /proc/self/mountinfo"
    path = rootless_bundle(as_user, "sh", "-c", script)
    done = as_user("run", "--bundle", path, "c1")
    assert (done.returncode, done.stderr) == (0, "")
    uid, gid, *mapping, setgroups, pid, host = done.stdout.split()[:8]
    assert (uid, gid, mapping, setgroups, pid, host) == ("0", "0", ["0", str(NOBODY), "1"], "deny", "1", "runc")
    table = mount_table("\n".join(done.stdout.splitlines()[6:]))
    assert table["/proc"].kind == "proc"
    assert table["/sys"].kind == "sysfs"
    assert "ro" in table["/sys"].options
    assert os.listdir(as_user.home / "ocipy") == []


@pytest.mark.rootless
def test_the_life_of_an_ordinary_user_s_container(ocipy, as_user):
    path = rootless_bundle(as_user, "sleep", "1000")
    assert as_user("create", "--bundle", path, "c1").returncode == 0
    state = json.loads(as_user("state", "c1").stdout)
    assert (state["status"], state["owner"]) == ("created", "nobody")
    assert as_user("start", "c1").returncode == 0
    assert Path(f"/proc/{state['pid']}/comm").read_text() == "sleep\n"
    assert Path(f"/proc/{state['pid']}").stat().st_uid == NOBODY
    assert as_user("kill", "c1", "KILL").returncode == 0
    deleted = as_user("delete", "--force", "c1")
    assert (deleted.returncode, deleted.stderr) == (0, "")
    assert not (as_user.home / "ocipy/c1").exists()


@pytest.mark.rootless
def test_a_rootless_bundle_of_ocipy_bundle(ocipy, as_user):
    made = as_user("bundle", "b", "--busybox", "--rootless", "--", "sh", "-c", "id -u; touch /tmp/x && ls -ln /tmp/x")
    assert made.returncode == 0, made.stderr
    done = as_user("run", "--bundle", "b", "c1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == "0"
    found = (as_user.home / "b/rootfs/tmp/x").stat()
    assert found.st_uid == NOBODY
    shutil.rmtree(as_user.home / "b")


@pytest.mark.rootless
def test_oom_score_and_limits_of_an_ordinary_user_s_container(ocipy, as_user):
    def change(config):
        config["process"].update(oomScoreAdj=500, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}])

    path = rootless_bundle(as_user, "sh", "-c", "cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn", change=change)
    done = as_user("run", "--bundle", path, "c1")
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["500", "100", "200"])


@pytest.mark.rootless
def test_what_an_ordinary_user_may_not(ocipy, as_user):
    """Each is one clear line."""

    def groups(config):
        config["process"]["user"]["additionalGids"] = [0]

    def ranges(config):
        for name in ("uidMappings", "gidMappings"):
            config["linux"][name] = [{"containerID": 0, "hostID": 1, "size": 10}]

    for change, words in ((groups, "setgroups"), (ranges, "newgidmap")):
        done = as_user("run", "--bundle", rootless_bundle(as_user, "true", change=change), "c1")
        assert done.returncode == 1
        assert words in done.stderr, done.stderr
        assert done.stderr.splitlines()[-1].startswith("ocipy: ")
        assert os.listdir(as_user.home / "ocipy") == []
        shutil.rmtree(as_user.home / "bundle")


@pytest.mark.rootless
def test_a_range_of_subordinate_ids(ocipy, as_user):
    """With lines in subuid(5) and subgid(5), newuidmap(1) and newgidmap(1) map ranges."""
    name = "ocipy-test-user"
    if subprocess.run(["getent", "passwd", name], check=False, capture_output=True).returncode:
        subprocess.run(["useradd", "--no-create-home", "--uid", "54321", name], check=True)
    try:
        os.chown(as_user.home, 54321, 54321)
        for file in ("/etc/subuid", "/etc/subgid"):
            text = Path(file).read_text()
            if f"{name}:" not in text:
                with open(file, "a") as append:
                    append.write(f"{name}:700000:65536\n")
        path = as_user.home / "bundle"
        path.mkdir()
        os.chown(path, 54321, 54321)
        assert as_user("spec", "--rootless", "--bundle", path, uid=54321).returncode == 0
        config = read_config(path)
        first = next(line for line in Path("/etc/subuid").read_text().splitlines() if line.startswith(f"{name}:"))
        low = int(first.split(":")[1])
        config["process"].update(args=["sh", "-c", "id -u; cat /proc/self/uid_map"], terminal=False)
        config["process"]["capabilities"]["ambient"] = []
        config["process"]["user"] = {"uid": 33, "gid": 33, "additionalGids": [7]}
        config["root"]["path"] = str(as_user.rootfs)
        for kind in ("uidMappings", "gidMappings"):
            config["linux"][kind] = [
                {"containerID": 0, "hostID": 54321, "size": 1},
                {"containerID": 1, "hostID": low, "size": 65535},
            ]
        write_config(path, config)
        done = as_user("run", "--bundle", path, "c1", uid=54321)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.split() == ["33", "0", "54321", "1", "1", str(low), "65535"]
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)
