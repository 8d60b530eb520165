"""User namespaces: id maps, what belongs to whom on the host, and containers of users without privileges."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.looking import (
    in_user_namespace,
    inside,
    mount_table,
    namespace_of,
    read_config,
    set_namespaces,
    set_process,
    set_user,
    status_field,
    together,
    write_config,
)
from tests.system.runtime import RUNTIME

pytestmark = pytest.mark.root

HOST_ID = 100000
NOBODY = 65534


def test_ids_inside_and_on_the_host(ocipy, bundle):
    path = bundle("sleep", "1000", change=together(in_user_namespace, set_user(uid=1000, gid=1001)))
    container = ocipy.start(path)
    pid = ocipy.pid(container)
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(HOST_ID), "65536"]
    assert Path(f"/proc/{pid}/gid_map").read_text().split() == ["0", str(HOST_ID), "65536"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert status_field(status, "Uid").split() == [str(HOST_ID + 1000)] * 4
    assert status_field(status, "Gid").split() == [str(HOST_ID + 1001)] * 4
    assert status_field(status, "Groups") == ""
    assert namespace_of(pid, "user") != namespace_of("self", "user")
    assert Path(f"/proc/{pid}/setgroups").read_text() == "allow\n"


def test_files_made_inside(ocipy, bundle, tmp_path):
    def change(config):
        in_user_namespace(config)
        set_user(additionalGids=[7, 8])(config)

    tmp_path.chmod(0o755)
    path = bundle("sh", "-c", "id; touch /tmp/made; stat -c '%u:%g' / /tmp/made /proc/1 /dev/pts /dev/null",
                  change=change, own_rootfs=True)  # fmt: skip
    (path / "rootfs/tmp").mkdir(exist_ok=True)
    os.chown(path / "rootfs", HOST_ID, HOST_ID)
    os.chown(path / "rootfs/tmp", HOST_ID, HOST_ID)
    said = ocipy.run(path, status=0).stdout.splitlines()
    assert said[0] == "uid=0(root) gid=0(root) groups=7,8"
    assert said[1:] == ["0:0", "0:0", "0:0", "0:0", f"{NOBODY}:{NOBODY}"]
    made = (path / "rootfs/tmp/made").stat()
    assert (made.st_uid, made.st_gid) == (HOST_ID, HOST_ID)


def test_several_ranges(ocipy, bundle):
    ranges = [
        {"containerID": 0, "hostID": 200000, "size": 10},
        {"containerID": 1000, "hostID": 300000, "size": 1},
        {"containerID": 65534, "hostID": 400000, "size": 1},
        {"containerID": 5, "hostID": 500000, "size": 1},
    ]
    ranges[0]["size"] = 5

    def change(config):
        set_namespaces(user="")(config)
        config["linux"].update(uidMappings=ranges, gidMappings=ranges)

    said = inside(ocipy, bundle, "cat /proc/self/uid_map", change=together(change, set_user(uid=1000)))
    assert sorted(line.split() for line in said.splitlines()) == sorted(
        [str(entry["containerID"]), str(entry["hostID"]), str(entry["size"])] for entry in ranges
    )


def test_a_single_id(ocipy, bundle):
    """The group of devpts, 5, isn't mapped then."""
    change = together(lambda config: in_user_namespace(config, host=HOST_ID, size=1))
    line = ocipy.fails("run", "--bundle", bundle(change=change), ocipy.new_id())
    assert line.startswith("mounts[2] (/dev/pts): mount devpts: the kernel says: devpts: Invalid gid '5'")
    assert "inside a user namespace, gid=5 has to be mapped" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: in_user_namespace(config, size=0), "a range of no ids"),
        (set_user(uid=70000), "70000 is not mapped by linux.uidMappings"),
        (
            lambda config: config["linux"]["uidMappings"][0].update(containerID=1),
            "the container's id 0 is not mapped",
        ),
    ],
)
def test_maps_that_cannot_be(ocipy, bundle, change, words):
    path = bundle(change=together(in_user_namespace, change))
    assert words in ocipy("validate", "--bundle", path, status=1).stdout


def test_mounts_and_devices(ocipy, bundle):
    """proc, sysfs and mqueue belong to the container's own namespaces; devices are the host's nodes, bound."""
    script = """
        cat /proc/self/mountinfo; echo
        echo x > /dev/null; head -c 3 /dev/zero | wc -c; ls -l /dev
        mknod /dev/mem c 1 1 || echo refused
    """
    path = bundle("sh", "-c", script, change=in_user_namespace)
    said, _, rest = ocipy.run(path, status=0).stdout.partition("\n\n")
    table = mount_table(said)
    assert {name: table[name].kind for name in ("/proc", "/sys", "/dev/mqueue", "/dev/pts", "/dev/shm")} == {
        "/proc": "proc", "/sys": "sysfs", "/dev/mqueue": "mqueue", "/dev/pts": "devpts", "/dev/shm": "tmpfs",
    }  # fmt: skip
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        assert table[f"/dev/{name}"].root == f"/{name}"
    assert rest.split()[0] == "3"
    assert "refused" in rest
    assert "ptmx -> pts/ptmx" in rest


def test_devices_of_the_config(ocipy, bundle):
    """A FIFO needs no rights to be made; a device node is the host's, where it has the same."""

    def change(config):
        in_user_namespace(config)
        config["linux"]["devices"] = [
            {"path": "/dev/fifo", "type": "p", "fileMode": 0o640},
            {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11},
        ]

    said = inside(ocipy, bundle, "stat -c '%n %A %t:%T' /dev/fifo /dev/kmsg", change=change).splitlines()
    assert said[0] == "/dev/fifo prw-r----- 0:0"
    assert said[1].endswith(" 1:b")

    def missing(config):
        in_user_namespace(config)
        config["linux"]["devices"] = [{"path": "/dev/no-such", "type": "c", "major": 1, "minor": 3}]

    line = ocipy.fails("run", "--bundle", bundle(change=missing), ocipy.new_id())
    assert line.startswith("linux.devices[0] (/dev/no-such): open the host's device /dev/no-such: ENOENT")

    def another(config):
        missing(config)
        config["linux"]["devices"][0].update(path="/dev/null", minor=5)

    line = ocipy.fails("run", "--bundle", bundle(change=another), ocipy.new_id())
    assert line.startswith("linux.devices[0] (/dev/null): the host has another device at /dev/null: ENODEV")


def test_all_capabilities_are_of_the_namespace_only(ocipy, bundle):
    from ocipy.capabilities import NAMES

    sets = ("bounding", "effective", "permitted")
    change = together(in_user_namespace, set_process(capabilities={kind: list(NAMES) for kind in sets}))
    script = (
        "mount -t tmpfs none /mnt 2>/dev/null || mount -t tmpfs none /dev/shm && echo mounted; "
        "echo 1 > /proc/sys/vm/drop_caches || echo refused; hostname other && hostname"
    )
    assert inside(ocipy, bundle, script + " 2>&1", change=change, stderr=subprocess.DEVNULL).split()[-1] == "other"


# Containers of users without privileges.


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
