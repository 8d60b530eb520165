"""Who has all rights in a user namespace that a new container joins, as one of a pod, gets none over its making."""

import os
import subprocess

import pytest

from tests.system.entering import entering
from tests.system.looking import in_user_namespace, namespace_of, set_linux, set_namespaces, together
from tests.system.runtime import wait_ended

pytestmark = [pytest.mark.root, pytest.mark.tool("nsenter")]


@pytest.fixture
def first(ocipy, bundle):
    """The pid of a container whose user and PID namespaces others join."""
    return ocipy.pid(ocipy.start(bundle("sleep", "1000", change=in_user_namespace)))


def by_root_of(pid, *command, namespaces=("-U", "-p", "-m")):
    """Run it with all capabilities in the user namespace of a container."""
    enter = ["nsenter", "-t", str(pid), *namespaces, "-S", "0", "-G", "0"]
    return subprocess.run([*enter, *command], check=False, capture_output=True, text=True)


def test_a_created_init(ocipy, bundle, first):
    paths = {kind: f"/proc/{first}/ns/{kind}" for kind in ("user", "pid")}
    change = together(in_user_namespace, set_namespaces(**paths), set_linux(uidMappings=[], gidMappings=[]))
    ocipy.create(bundle("sleep", "1000", change=change))
    script = "cat /proc/2/comm; readlink /proc/1/root; readlink /proc/2/root || ls /proc/2/fd || cat /proc/2/maps"
    done = by_root_of(first, "sh", "-c", script)
    assert done.stdout == "ocipy-init\n/\n"
    assert done.stderr.count("Permission denied") == 2
    assert done.returncode


@pytest.fixture
def joined(first):
    """A process that has joined the namespace, and done nothing yet: (pid, socket)."""
    with entering(first, "user") as (pid, ours):
        assert namespace_of(pid, "user") == namespace_of(first, "user")
        yield pid, ours


def test_a_process_that_has_just_joined(first, joined):
    pid, _ = joined
    for name in ("root", "exe", "cwd"):
        assert os.readlink(f"/proc/{pid}/{name}")
        assert by_root_of(first, "readlink", f"/proc/{pid}/{name}", namespaces=["-U"]).returncode


def test_it_ends_with_the_runtime_s_end_of_the_socket(joined):
    """It holds no copy of that end: a runtime that ends too early for a parent-death signal leaves nothing behind."""
    pid, ours = joined
    ours.close()
    wait_ended(pid)
