"""Fixtures of the system tests: ``ocipy`` (the command), ``bundle`` (makes bundles), and the check of what is left.

A test that uses either fails if a process, a cgroup, a mount or a state directory of its own is left at its end.
"""

import itertools
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from ocipy.bundle.builder import make_bundle
from tests.system.rootless import SUBORDINATE, User, add_subordinate_user, remove_subordinate_user
from tests.system.runtime import (
    RUNTIME,
    Bundles,
    Runtime,
    cgroups_of,
    children,
    command_line,
    mounts_below,
    unified,
    until,
    wait_ended,
)
from tests.system.terminals import Session

_PR_SET_CHILD_SUBREAPER = 36
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def subreaper():
    """Orphans, as the init of a detached container is one, become children of this process, which reaps them."""
    prctl = pytest.importorskip("_prctl")
    prctl.prctl(_PR_SET_CHILD_SUBREAPER, 1)


@pytest.fixture(scope="session")
def workplace():
    """Where all files of the tests lie: anybody may look in, as the root of a user namespace has to."""
    directory = Path(tempfile.mkdtemp(prefix="ocipy-tests-"))
    directory.chmod(0o755)
    yield directory
    assert not mounts_below(directory), "what is mounted there must not be removed along"
    shutil.rmtree(directory)


@pytest.fixture
def tmp_path(workplace, request):
    """In place of pytest's, which lies in a directory that every run of pytest makes private again."""
    directory = workplace / f"{next(_numbers)}-{re.sub(r'[^a-z_]', '', request.function.__name__)[:40]}"
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def busybox_rootfs(workplace):
    """A root filesystem with busybox's applets, for all tests: not to be written to."""
    if not shutil.which("busybox"):
        pytest.skip("needs busybox")
    make_bundle(workplace / "busybox", busybox=True)
    return workplace / "busybox/rootfs"


@pytest.fixture
def notes(tmp_path):
    """A directory that hooks write to; the container's own find it at the same path (hooking.bundle_writing_to)."""
    directory = tmp_path / "notes"
    directory.mkdir()
    return directory


@pytest.fixture
def test_name():
    """A name for this test's things, unique on the machine: its cgroups lie in ``/NAME/``."""
    return f"ocipy-test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def bundle(tmp_path, busybox_rootfs, test_name, ocipy):
    """Makes bundles: ``bundle("sh", "-c", "…", change=function)``; see ``Bundles``."""
    return Bundles(tmp_path, busybox_rootfs, test_name)


@pytest.fixture
def ocipy(tmp_path, busybox_rootfs, test_name, subreaper):
    """The command: ``ocipy("state", id)``; see ``Runtime``."""
    if not Path(RUNTIME).exists():
        pytest.skip(f"{RUNTIME} is not built")
    before = set(children())
    runtime = Runtime(tmp_path, test_name)
    yield runtime
    runtime.delete_expected()
    left = [f"state directory {container_id}" for container_id in runtime.left()]
    left += [f"mount {line}" for line in mounts_below(tmp_path, busybox_rootfs)]
    left += _end_processes(before)
    left += _remove_cgroups(test_name)
    assert not left, "left behind: " + "; ".join(left)


@pytest.fixture
def terminal(ocipy):
    """Starts the command on a terminal: ``terminal("run", "-b", path, id)``; see ``Session``."""
    sessions = []

    def start(*argv, prefix=(), **options):
        sessions.append(Session([*prefix, RUNTIME, "--root", ocipy.root, *argv], **options))
        return sessions[-1]

    yield start
    for each in sessions:
        each.close()


UNIFIED_ALONE = (
    'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" "$@"'
)


@pytest.fixture
def unified_alone(ocipy, tmp_path, monkeypatch):
    """The command finds a host with cgroup v2 alone: in a mount namespace of its own, if this one is another.

    Such a tree has the controllers that v1 doesn't hold, which may be none.
    """
    if not unified():
        script = tmp_path / "unified-alone"
        script.write_text(f"#!/bin/sh\nexec unshare -m sh -c '{UNIFIED_ALONE}' {RUNTIME} \"$@\"\n")
        script.chmod(0o755)
        monkeypatch.setattr("tests.system.runtime.RUNTIME", str(script))
    yield
    ocipy.delete_expected()


@pytest.fixture
def as_user(tmp_path, busybox_rootfs, ocipy):
    """An ordinary user, who runs the command: ``as_user("state", id)``; see ``rootless.User``."""
    user = User(ocipy, tmp_path / "home", busybox_rootfs)
    yield user
    _leave(user)


@pytest.fixture(scope="session")
def subordinate_ranges():
    """The first of 65536 uids and of as many gids that belong to the user ``subordinate_user`` is."""
    yield add_subordinate_user()
    remove_subordinate_user()


@pytest.fixture
def subordinate_user(tmp_path, busybox_rootfs, ocipy, subordinate_ranges):
    """As ``as_user``, a user with lines in subuid(5) and subgid(5): ``first_uid``, ``first_gid``."""
    user = User(ocipy, tmp_path / "subordinate", busybox_rootfs, SUBORDINATE)
    user.first_uid, user.first_gid = subordinate_ranges
    yield user
    _leave(user)


def _leave(user):
    for container in user.left():
        user("delete", "--force", container, status=0)
    children()
    assert user.left() == [], "left behind: state directories"


def _end_processes(before):
    """Processes of the test that still run; they are ended."""
    try:
        until(lambda: not set(children()) - before)
    except AssertionError:
        living = set(children()) - before
        words = [f"process {pid} ({command_line(pid)})" for pid in living]
        for pid in living:
            os.kill(pid, signal.SIGKILL)
            wait_ended(pid)
        return words
    return []


def _remove_cgroups(name):
    found = cgroups_of(name)
    for directory in reversed(found):
        for pid in map(int, (directory / "cgroup.procs").read_text().split()):
            os.kill(pid, signal.SIGKILL)
            wait_ended(pid)
        directory.rmdir()
    return [f"cgroup {directory}" for directory in found]
