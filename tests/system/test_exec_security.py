"""exec: what a hostile container gets of the runtime and of the host by a process that is made for it: nothing."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pyseccomp
import pytest

from ocipy import execution
from ocipy.exec_options import ExecOptions
from ocipy.state import StateDir
from tests.system.looking import set_capabilities, set_linux
from tests.system.runtime import REPOSITORY, RUNTIME, until
from tests.system.seccomp_agent import Agent, deny

pytestmark = pytest.mark.root

PROGRAM = Path(execution.__file__).with_name("ocipy-init")


@pytest.fixture
def container(ocipy, bundle):
    return ocipy.start(bundle("sleep", "1000"))


def test_the_program_that_enters_is_no_file_of_the_host(ocipy, bundle, tmp_path):
    """CVE-2019-5736: a container that executes /proc/self/exe gets a sealed memfd, which says no."""
    path = bundle("sleep", "1000", own_rootfs=True)
    (path / "rootfs/bin/trap").symlink_to("/proc/self/exe")
    container = ocipy.start(path)
    before = PROGRAM.read_bytes()
    done = ocipy("exec", container, "/bin/trap", "3")
    assert done.returncode == 1
    assert "ocipy-init: " in done.stderr
    assert PROGRAM.read_bytes() == before


def test_a_working_directory_that_is_a_descriptor_of_ours(ocipy, container):
    """CVE-2024-21626: of the directories that are open then, none is the host's."""
    for fd in range(3, 20):
        done = ocipy("exec", "--cwd", f"/proc/self/fd/{fd}", container, "sh", "-c", "pwd; ls -d ../../../bin/busybox")
        assert done.returncode == 255 or done.stdout == "/proc\n../../../bin/busybox\n"


def test_a_working_directory_that_leads_out(ocipy, container, tmp_path):
    """One that the caller preserves, of the host."""
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    script = f'exec 3<&{fd}; exec "$@"'
    options = ["exec", "--preserve-fds", "1", "--cwd", "/proc/self/fd/3", container, "pwd"]
    command = ["bash", "-c", script, "bash", RUNTIME, "--root", str(ocipy.root), *options]
    try:
        done = ocipy.execute(*command, status=255, pass_fds=[fd])
    finally:
        os.close(fd)
    assert "the working directory is outside the root" in done.stderr


# A copy of the runtime that has joined a container's PID namespace, held before its execve; what we can see of it.
ENTER = """
import os, socket, sys
from ocipy._shim import ffi, lib
from ocipy import cloning
from ocipy.init_program import sealed_program
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
namespace, program = os.open(f"/proc/{sys.argv[1]}/ns/pid", os.O_RDONLY), sealed_program()
spawn, fds = ffi.new("struct ocipy_spawn *"), ffi.new("int[]", [theirs.fileno()])
spawn.join_fds[0], spawn.join_types[0], spawn.join_count = namespace, 0x20000000, 1
spawn.sync_fd, spawn.runtime_fd, spawn.program_fd = theirs.fileno(), ours.fileno(), program
spawn.fds, spawn.fd_count, spawn.fd_base, spawn.stdio = fds, 1, 3, cloning.CALLERS_OWN
spawn.cgroup_fd, spawn.wait_maps, spawn.fork_again = -1, 1, 1
between = lib.ocipy_spawn(spawn)
pid = int.from_bytes(ours.recv(100)[1:5], "little")
os.waitpid(between, 0)
print(open(f"/proc/{pid}/status").read().partition("NSpid:")[2].split()[1])
for name in ("cwd", "root", "exe"):
    try:
        print(os.readlink(f"/proc/{pid}/{name}"))
    except PermissionError:
        print("no")
ours.close()
theirs.close()
os.waitpid(pid, 0)
"""


@pytest.mark.tool("setpriv")
def test_a_copy_of_the_runtime_cannot_be_looked_into(ocipy, container):
    """Not even by its equal: root with all its capabilities, that of tracing whatever it likes not among them."""
    drop = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"]
    command = [*drop, sys.executable, "-c", ENTER, str(ocipy.pid(container))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    inside, *seen = done.stdout.split()
    assert int(inside) > 1
    assert seen == ["no"] * 3


def test_a_directory_of_the_container_s_that_is_named_like_a_device(ocipy, bundle):
    """A terminal comes of a devpts alone."""
    path = bundle("sh", "-c", "umount /dev/pts; sleep 1000", change=set_capabilities("CAP_SYS_ADMIN"))
    container = ocipy.start(path)
    until(lambda: "devpts" not in Path(f"/proc/{ocipy.pid(container)}/mounts").read_text())
    done = ocipy("exec", "-t", container, "true", status=255)
    assert "/dev/pts/ptmx" in done.stderr


def test_the_agent_decides_on_exec_too(ocipy, bundle, tmp_path):
    """It is told which process it is, in whose container."""
    place = str(tmp_path / "agent.sock")
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": place, "syscalls": [rule]}
    with Agent(place, lambda number, arguments: deny(5)) as agent:
        container = ocipy.start(bundle("sleep", "1000", change=set_linux(seccomp=profile)))
        init = ocipy.pid(container)
        done = ocipy("exec", container, "mkdir", "/tmp/x", status=1)
        assert "Input/output error" in done.stderr
        until(lambda: len(agent.states) == 2)
    of_init, of_exec = agent.states
    assert agent.seen[0] in (pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in ("mkdir", "mkdirat"))
    assert of_init["pid"] == init != of_exec["pid"]
    assert of_exec["state"]["pid"] == init
    assert (of_exec["state"]["id"], of_exec["state"]["status"]) == (container, "running")


def test_an_agent_that_is_gone(ocipy, bundle, tmp_path):
    place = str(tmp_path / "agent.sock")
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": place}
    profile["syscalls"] = [{"names": ["acct"], "action": "SCMP_ACT_NOTIFY"}]
    with Agent(place):
        container = ocipy.start(bundle("sleep", "1000", change=set_linux(seccomp=profile)))
    message = ocipy.fails("exec", container, "true", status=255)
    assert message.startswith(f"linux.seccomp.listenerPath ({place}): connect to the seccomp agent: ECONNREFUSED")


def test_the_state_is_the_runtime_s_alone(ocipy, container):
    directory = StateDir(str(ocipy.root), container).path
    assert stat.S_IMODE(os.stat(f"{directory}/config.json").st_mode) == 0o600
    pid, _ = execution.execute(StateDir(str(ocipy.root), container), ExecOptions(["true"]))
    assert os.waitpid(pid, 0)[1] == 0
