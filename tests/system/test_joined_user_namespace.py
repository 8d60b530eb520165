"""Who has all rights in a user namespace that a new container joins, as one of a pod, gets none over its making."""

import os
import socket
import subprocess

import pytest
from ocipy._shim import ffi, lib

from ocipy.init_program import sealed_program
from tests.system.looking import in_user_namespace, namespace_of, set_linux, set_namespaces, together
from tests.system.runtime import until, wait_ended

pytestmark = [pytest.mark.root, pytest.mark.tool("nsenter")]

CLONE_NEWUSER = 0x10000000


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
    """A process on its way to ocipy-init, held between the namespace that it has joined and execve: (pid, socket)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    namespace, program = os.open(f"/proc/{first}/ns/user", os.O_RDONLY), sealed_program()
    spawn, fds = ffi.new("struct ocipy_spawn *"), ffi.new("int[]", [theirs.fileno()])
    spawn.join_fds[0], spawn.join_types[0], spawn.join_count = namespace, CLONE_NEWUSER, 1
    spawn.sync_fd, spawn.runtime_fd, spawn.program_fd = theirs.fileno(), ours.fileno(), program
    spawn.fds, spawn.fd_count, spawn.fd_base = fds, 1, 3
    spawn.cgroup_fd, spawn.wait_maps = -1, 1
    pid = lib.ocipy_spawn(spawn)
    for fd in (namespace, program, theirs.detach()):
        os.close(fd)
    until(lambda: namespace_of(pid, "user") == namespace_of(first, "user"))
    with ours:
        yield pid, ours
    wait_ended(pid)


def test_a_copy_of_the_runtime(first, joined):
    """Before execve it has the runtime's memory and files."""
    pid, _ = joined
    for name in ("root", "exe", "cwd"):
        assert os.readlink(f"/proc/{pid}/{name}")
        assert by_root_of(first, "readlink", f"/proc/{pid}/{name}", namespaces=["-U"]).returncode


def test_it_ends_with_the_runtime_s_end_of_the_socket(joined):
    """It holds no copy of that end: a runtime that ends too early for a parent-death signal leaves nothing behind."""
    pid, ours = joined
    ours.close()
    wait_ended(pid)
