"""Bundles that ``runc spec`` wrote: ocipy runs them, and the container is the same as under runc."""

import json
import re
import subprocess

import pytest

from tests.system.looking import mount_table, read_config, write_config
from tests.system.runtime import cgroups_of

pytestmark = [pytest.mark.root, pytest.mark.tool("runc")]


@pytest.fixture
def runc_bundle(tmp_path, busybox_rootfs, test_name):
    """Makes a bundle with ``runc spec``, for a shell script."""

    def make(script, *options, change=None):
        path = tmp_path / "runc-bundle"
        path.mkdir()
        subprocess.run(["runc", "spec", "--bundle", path, *options], check=True)
        config = read_config(path)
        config["process"].update(args=["sh", "-c", script], terminal=False)
        config["root"]["path"] = str(busybox_rootfs)
        if not options:
            config["linux"]["cgroupsPath"] = f"/{test_name}/bundle"
        if change:
            change(config)
        write_config(path, config)
        return path

    return make


@pytest.fixture
def runc(tmp_path, test_name):
    """Runs a bundle with runc."""

    def run(path):
        command = ["runc", "--root", tmp_path / "runc-root", "run", "--bundle", path, f"{test_name}-runc"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    for directory in reversed(cgroups_of(test_name)):
        directory.rmdir()  # runc leaves those above the container's


EVERYTHING = """
    id; pwd; hostname; umask; env | sort; echo ---
    cat /proc/self/limits /proc/self/cgroup
    grep -E 'Cap|NoNewPrivs|Seccomp|Uid|Gid|Groups' /proc/self/status; echo ---
    ls -la /dev /dev/pts | sed 's/ [A-Z][a-z][a-z] .*:[0-9][0-9] / /'; cat /proc/self/oom_score_adj; ulimit -a; echo ---
    cat /proc/self/mountinfo
"""


def test_the_default_bundle_is_the_same_container(ocipy, runc_bundle, runc):
    path = runc_bundle(EVERYTHING)
    done = ocipy.run(path, status=0)
    assert [line for line in done.stderr.splitlines() if "can't raise ambient" not in line] == []
    ours, theirs = (text.split("---\n") for text in (done.stdout, runc(path)))
    for part in range(2):
        assert ours[part] == theirs[part]
    assert sorted(listing(ours[2])) == sorted(listing(theirs[2]))
    table, other = mount_table(ours[3]), mount_table(theirs[3])
    assert sorted(table) == sorted(other)
    for point, mount in table.items():
        if mount.root == other[point].root == "/null":
            continue  # a mask: ours is the host's null device, runc's the container's
        theirs = other[point].options
        if point == "/sys/fs/cgroup":
            theirs = theirs - {"rw"} | {"ro"}  # as the config asks; runc 1.1 leaves that tmpfs writable
        assert (mount.kind, mount.options, mount.root) == (other[point].kind, theirs, other[point].root), point


def listing(text):
    """Lines of ls, without sizes and link counts of directories; runc has /dev/core only where /proc/kcore is."""
    lines = [re.sub(r"^(d\S+) +\d+ (.*?) +\d+ +", r"\1 \2 ", re.sub(" +", " ", line)) for line in text.splitlines()]
    return [line for line in lines if not line.startswith("total") and " core -> " not in line]


def test_the_state_is_the_same(ocipy, runc_bundle, tmp_path, test_name):
    path = runc_bundle("exit 0", change=lambda config: config.update(annotations={"a": "b"}))
    container = ocipy.create(path)
    command = ["runc", "--root", tmp_path / "runc-root"]
    theirs = f"{test_name}-runc"
    config = read_config(path)
    config["linux"]["cgroupsPath"] = f"/{test_name}/runc"
    write_config(path, config)
    nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, "create", "--bundle", path, theirs], check=True, **nowhere)
    try:
        done = subprocess.run([*command, "state", theirs], check=True, capture_output=True, text=True)
        document, other = ocipy.state(container), json.loads(done.stdout)
        assert list(document) == list(other)
        for name in ("status", "bundle", "rootfs", "annotations", "owner"):
            assert document[name] == (other[name] or "root"), name
    finally:
        subprocess.run([*command, "delete", "--force", theirs], check=True)
        ocipy("delete", "--force", container)
        for directory in reversed(cgroups_of(test_name)):
            directory.rmdir()


def test_a_bundle_of_runc_spec_rootless(ocipy, runc_bundle):
    path = runc_bundle("id -u; cat /proc/self/uid_map; hostname", "--rootless")
    done = ocipy.run(path, status=0)
    assert done.stdout.split() == ["0", "0", "0", "1", "runc"]
