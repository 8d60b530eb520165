"""exec in ordinary users' containers."""

import pytest

from tests.system.rootless import UNIFIED, map_ids
from tests.system.runtime import RUNTIME, children

pytestmark = [pytest.mark.root, pytest.mark.rootless]

SCRIPT = "id; for each in user mnt pid net ipc uts; do readlink /proc/self/ns/$each; readlink /proc/1/ns/$each; done"


def check_inside(as_user, *options):
    done = as_user("exec", *options, "c1", "sh", "-c", SCRIPT, status=0)
    assert not done.stderr, done.stderr
    identity, *namespaces = done.stdout.splitlines()
    assert namespaces[::2] == namespaces[1::2]
    return identity


def test_a_process(as_user):
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    assert check_inside(as_user) == "uid=0(root) gid=0(root)"
    assert as_user("exec", "c1", "sh", "-c", "exit 3").returncode == 3
    assert as_user("exec", "c1", "nosuch", status=127).stderr.startswith("ocipy: exec nosuch: executable file not")


def test_a_terminal(as_user):
    """Of the container's own devpts, of its root's; the same in the foreground of a terminal."""
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    script = "tty; stat -c %u:%t:%T /dev/pts/0; test -t 0 && test -t 1 && echo both"
    assert as_user("exec", "-t", "c1", "sh", "-c", script, status=0).stdout == "/dev/pts/0\n0:88:0\nboth\n"
    done = as_user.execute("script", "-qec", f"{RUNTIME} exec -t c1 sh -c 'tty; exit 4'", "/dev/null")
    assert (done.returncode, done.stdout.replace("^@", "")) == (4, "/dev/pts/0\n")


def test_a_created_container(as_user):
    as_user("create", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    assert as_user("exec", "c1", "id", status=0).stdout == "uid=0(root) gid=0(root)\n"
    # Its init is ocipy-init still, which nobody inside may look into.
    assert as_user("exec", "c1", "readlink", "/proc/1/ns/pid", status=1).stdout == ""


def test_what_the_one_id_does_not_allow(as_user):
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    done = as_user("exec", "-u", "5", "c1", "id", status=255)
    assert "the id isn't mapped in the container's user namespace" in done.stderr
    done = as_user("exec", "-g", "5", "c1", "id", status=255)
    assert "setgroups is denied in this user namespace" in done.stderr


def test_with_a_range_of_ids(subordinate_user):
    user = subordinate_user
    change = map_ids((0, user.uid, 1), (1, user.first_uid, 100), groups=((0, user.uid, 1), (1, user.first_gid, 100)))
    user("run", "-d", "--bundle", user.bundle("sleep", "1000", change=change), "c1", status=0)
    assert user("exec", "-u", "5:6", "-g", "7", "c1", "id", status=0).stdout == "uid=5 gid=6 groups=7\n"


def test_where_the_user_s_own_id_is_not_mapped(subordinate_user):
    """Its root is no user of ours, nor are the files of /proc of a process that isn't dumpable."""
    user = subordinate_user

    def change(config):
        map_ids((0, user.first_uid, 100), groups=((0, user.first_gid, 100),))(config)
        config["process"]["oomScoreAdj"] = 700

    user("create", "--bundle", user.bundle("sleep", "1000", change=change), "c1", status=0)
    user("start", "c1", status=0)
    assert user("exec", "-u", "5:6", "c1", "id", status=0).stdout == "uid=5 gid=6\n"
    assert user("exec", "c1", "cat", "/proc/self/oom_score_adj", status=0).stdout == "700\n"


def test_detached_in_the_unified_hierarchy(as_user):
    as_user.wrap = UNIFIED
    as_user("run", "-d", "--bundle", as_user.bundle("sleep", "1000"), "c1", status=0)
    as_user("exec", "-d", "--pid-file", as_user.home / "pid", "c1", "true", status=0)
    assert int((as_user.home / "pid").read_text()) > 1
    children()
