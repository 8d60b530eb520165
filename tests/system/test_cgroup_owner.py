"""A container that has its cgroup to itself owns it (config-linux.md, Cgroup ownership), where v2 is all there is."""

import os
from pathlib import Path

import pytest

from tests.system.looking import in_user_namespace, together
from tests.system.runtime import RUNTIME, cgroups_of

pytestmark = [pytest.mark.root, pytest.mark.tool("unshare")]

ALONE = 'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$0" "$@"'


@pytest.fixture
def alone(ocipy):
    """Runs the command where cgroup v2 is all there is; the value is the finished process."""

    def run(*argv, **options):
        command = (RUNTIME, "--root", str(ocipy.root), *map(str, argv))
        return ocipy.execute("unshare", "-m", "sh", "-c", ALONE, *command, **options)

    return run


def with_cgroup(*options, uid=0):
    def change(config):
        config["process"]["user"]["uid"] = uid
        config["mounts"] = [each for each in config["mounts"] if each["destination"] != "/sys/fs/cgroup"]
        mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": list(options)}
        config["mounts"].append(mount)
        namespaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [each for each in namespaces if each["type"] != "cgroup"] + [{"type": "cgroup"}]

    return change


def owners(test_name):
    """The owners of the container's cgroup and of its files."""
    directory = next(
        path for path in cgroups_of(test_name) if (path / "cgroup.kill").exists() and path.name != test_name
    )
    return {path.name: path.stat().st_uid for path in (directory, *directory.iterdir())}


@pytest.mark.parametrize("uid", [0, 7])
def test_the_user_owns_what_may_be_delegated(ocipy, bundle, alone, test_name, uid):
    path = bundle("sh", "-c", "mkdir /sys/fs/cgroup/mine && echo made",
                  change=together(in_user_namespace, with_cgroup("nosuid", uid=uid)))  # fmt: skip
    container = ocipy.new_id()
    done = alone("create", "--bundle", path, container, status=0)
    ocipy.expect(container)
    found = owners(test_name)
    listed = set(Path("/sys/kernel/cgroup/delegate").read_text().split())
    given = {name for name, owner in found.items() if owner == 100000 + uid}
    assert given == {path.name} | (listed & set(found))
    assert {owner for name, owner in found.items() if name not in given} == {os.getuid()}
    alone("start", container, status=0)
    alone("delete", "--force", container, status=0)
    assert done.output.read_text() in ("", "made\n")


@pytest.mark.parametrize("change", [together(in_user_namespace, with_cgroup("ro")), with_cgroup("nosuid")])
def test_the_cgroup_stays_root_s(ocipy, bundle, alone, test_name, change):
    container = ocipy.new_id()
    alone("create", "--bundle", bundle("true", change=change), container, status=0)
    ocipy.expect(container)
    assert set(owners(test_name).values()) == {os.getuid()}
    alone("delete", "--force", container, status=0)
