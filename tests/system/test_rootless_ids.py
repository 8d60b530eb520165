"""The ids of an ordinary user's container: its own alone, and the ranges that newuidmap and newgidmap map."""

from pathlib import Path

import pytest

from tests.system.looking import set_capabilities, set_user, status_field, together
from tests.system.rootless import NOBODY, SUBORDINATE, map_ids

pytestmark = [pytest.mark.root, pytest.mark.rootless]

# Runs a command where a file of the host is hidden by /dev/null.
HIDE = ("unshare", "-m", "sh", "-c", 'mount --bind /dev/null "$1" && shift && exec "$@"', "sh")


def ranges_of(user):
    return map_ids(
        (0, SUBORDINATE, 1),
        (1, user.first_uid, 65535),
        groups=[(0, SUBORDINATE, 1), (1, user.first_gid, 65535)],
    )


def test_the_user_has_no_privileges(as_user):
    """Or all these tests would prove nothing."""
    status = Path(as_user.execute("cat", "/proc/self/status", status=0).output).read_text()
    assert status_field(status, "Uid").split() == [str(NOBODY)] * 4
    assert [status_field(status, f"Cap{kind}") for kind in ("Prm", "Eff", "Inh", "Amb")] == ["0" * 16] * 4


def test_its_own_id_alone(as_user):
    said = as_user.inside("id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups")
    who, *maps, setgroups = said.splitlines()
    assert who.startswith("uid=0(root) gid=0(root)")
    assert [line.split() for line in maps] == [["0", str(NOBODY), "1"]] * 2
    assert setgroups == "deny"


def test_its_own_id_as_another_than_0_needs_0_as_well(as_user):
    path = as_user.bundle(change=map_ids((7, NOBODY, 1)))
    assert "id 0 is not mapped" in as_user.fails("run", "--bundle", path, "c1")


@pytest.mark.parametrize("missing", ["newuidmap", "newgidmap"])
def test_its_own_id_needs_no_helper(as_user, missing):
    as_user.wrap = (*HIDE, f"/usr/bin/{missing}")
    assert as_user.inside("id -u") == "0\n"


def test_groups_cannot_be_set_with_one_id(as_user):
    path = as_user.bundle(change=set_user(additionalGids=[0]))
    assert as_user.fails("create", "--bundle", path, "c1").startswith(
        "process.user.additionalGids: setgroups is denied where a user maps its own group alone (drop them, "
    )


def test_a_config_without_a_user_namespace(as_user):
    def change(config):
        linux = config["linux"]
        linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "user"]
        del linux["uidMappings"], linux["gidMappings"]

    path = as_user.bundle(change=change)
    line = f"linux.namespaces: user {NOBODY} needs a user namespace to make a container (add "
    assert as_user.fails("create", "--bundle", path, "c1").startswith(line)


def test_ranges(subordinate_user):
    """With lines in subuid(5) and subgid(5), newuidmap(1) and newgidmap(1) map ranges."""
    user = subordinate_user
    change = together(ranges_of(user), set_user(uid=33, gid=34, additionalGids=[7, 8]))
    who, *maps = user.inside("id; cat /proc/self/uid_map /proc/self/gid_map", change=change).splitlines()
    assert who.startswith("uid=33 gid=34 groups=")
    assert sorted(who.partition("groups=")[2].split(","))[-2:] == ["7", "8"]
    own = ["0", str(SUBORDINATE), "1"]
    assert [line.split() for line in maps] == [
        own, ["1", str(user.first_uid), "65535"], own, ["1", str(user.first_gid), "65535"],
    ]  # fmt: skip


def test_the_life_of_a_container_with_ranges(subordinate_user):
    """Its program runs as a subordinate user, whom this user may signal as the namespace's owner."""
    user = subordinate_user
    path = user.bundle("sleep", "1000", change=together(ranges_of(user), set_user(uid=33, gid=33)))
    user("create", "--bundle", path, "c1", status=0)
    user("start", "c1", status=0)
    pid = user.state("c1")["pid"]
    assert Path(f"/proc/{pid}").stat().st_uid == user.first_uid + 32
    user("kill", "c1", "KILL", status=0)
    user.wait_stopped("c1")
    user("delete", "c1", status=0)


def test_files_made_with_ranges(subordinate_user):
    user = subordinate_user
    change = together(ranges_of(user), set_capabilities("CAP_CHOWN"))
    script = "touch /tmp/root /tmp/other && chown 5:6 /tmp/other"
    path = user.bundle("sh", "-c", script, change=change, own_rootfs=True)
    user("run", "--bundle", path, "c1", status=0)
    found = [(path / "rootfs/tmp" / name).stat() for name in ("root", "other")]
    assert [(each.st_uid, each.st_gid) for each in found] == [
        (SUBORDINATE, SUBORDINATE), (user.first_uid + 4, user.first_gid + 5),
    ]  # fmt: skip


def test_ranges_for_users_alone(subordinate_user):
    """The group is the user's own: newuidmap has to be asked, newgidmap not, and setgroups is denied."""
    user = subordinate_user
    change = map_ids((0, SUBORDINATE, 1), (1, user.first_uid, 10), groups=[(0, SUBORDINATE, 1)])
    assert user.inside("cat /proc/self/setgroups /proc/self/uid_map", change=change).split() == [
        "deny", "0", str(SUBORDINATE), "1", "1", str(user.first_uid), "10",
    ]  # fmt: skip


def test_one_subordinate_id(subordinate_user):
    user = subordinate_user
    change = map_ids((0, user.first_uid, 1), groups=[(0, user.first_gid, 1)])
    assert user.inside("cat /proc/self/uid_map", change=change).split() == ["0", str(user.first_uid), "1"]


@pytest.mark.parametrize(
    ("ids", "line"),
    [
        ([(0, 1, 10)], "linux.gidMappings: newgidmap: gid range [0-10) -> [1-11) not allowed (/etc/subgid has the"),
        ([(0, 5, 1)], "linux.gidMappings: newgidmap: gid range [0-1) -> [5-6) not allowed (/etc/subgid has the"),
    ],
)
def test_ids_the_user_is_not_entitled_to(as_user, ids, line):
    """In newgidmap's own words."""
    path = as_user.bundle(change=map_ids(*ids))
    assert as_user.fails("run", "--bundle", path, "c1").startswith(line)


def test_users_the_user_is_not_entitled_to(subordinate_user):
    user = subordinate_user
    change = map_ids((0, user.first_uid + 65530, 20), groups=[(0, SUBORDINATE, 1)])
    line = user.fails("run", "--bundle", user.bundle(change=change), "c1")
    first = user.first_uid + 65530
    assert line.startswith(f"linux.uidMappings: newuidmap: uid range [0-20) -> [{first}-{first + 20}) not allowed")


@pytest.mark.parametrize("missing", ["newuidmap", "newgidmap"])
def test_ranges_without_the_helpers(subordinate_user, missing):
    user = subordinate_user
    path = user.bundle(change=ranges_of(user))
    user.wrap = (*HIDE, f"/usr/bin/{missing}")
    assert user.fails("create", "--bundle", path, "c1") == (
        f"linux.{missing[3:6]}Mappings: {missing}, which maps ranges of ids for an ordinary user, is missing "
        "(install it (Debian: apt install uidmap), or map this user's own id alone, which needs no help)"
    )


def test_helpers_in_path(subordinate_user, tmp_path):
    """They lie anywhere that PATH leads to (NixOS has them in none of the usual places)."""
    user = subordinate_user
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "newuidmap").write_text("#!/bin/sh\necho this one >&2\nexit 1\n")
    (directory / "newuidmap").chmod(0o755)
    user.environment["PATH"] = f"{directory}:{user.environment['PATH']}"
    line = user.fails("run", "--bundle", user.bundle(change=ranges_of(user)), "c1")
    assert line.startswith("linux.uidMappings: this one (/etc/subuid has the ranges")


def test_a_helper_that_says_nothing(subordinate_user, tmp_path):
    user = subordinate_user
    (tmp_path / "newgidmap").symlink_to("/bin/false")
    user.environment["PATH"] = f"{tmp_path}:{user.environment['PATH']}"
    line = user.fails("run", "--bundle", user.bundle(change=ranges_of(user)), "c1")
    assert line.startswith("linux.gidMappings: newgidmap: exit status 1 (")
