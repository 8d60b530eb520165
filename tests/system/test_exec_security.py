"""exec: what a hostile container gets of the runtime and of the host by a process that is made for it: nothing."""

import os
import stat
import subprocess
from pathlib import Path

import pyseccomp
import pytest

from ocipy import execution
from ocipy.exec_options import ExecOptions
from ocipy.state import StateDir
from tests.system.entering import entering
from tests.system.looking import namespace_of, set_capabilities, set_linux
from tests.system.runtime import RUNTIME, until
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


@pytest.fixture
def joined(ocipy, bundle):
    """(init's pid, pid): a process that is in a container's namespaces, and has done nothing yet."""
    init = ocipy.pid(ocipy.start(bundle("sleep", "1000")))
    with entering(init, "mount", "pid", "ipc", "uts", "network") as (pid, _):
        assert namespace_of(init, "pid") == namespace_of(pid, "pid")
        yield init, pid


def test_who_may_trace_it_gets_nothing_of_the_host(joined):
    """The kernel lets root of the container with CAP_SYS_PTRACE, where there is no user namespace.

    So the runtime's program, its memory and its descriptors (of the host's /proc, of namespaces, of cgroups) are left
    behind by the time that it is seen (CVE-2019-5736, CVE-2024-21626).
    """
    init, pid = joined
    for name in ("root", "cwd"):
        assert os.stat(f"/proc/{pid}/{name}") == os.stat(f"/proc/{init}/root")
    assert os.readlink(f"/proc/{pid}/exe") == "/memfd:ocipy-init (deleted)"
    files = {line.split(maxsplit=5)[5] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/" in line}
    assert {name.partition("-")[0] for name in files} == {"/memfd:ocipy"}
    descriptors = {fd.name: os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if int(fd.name) > 2}
    assert [name.partition(":")[0] for name in descriptors.values()] == ["socket"]


@pytest.mark.tool("setpriv")
def test_who_may_not_trace_it_cannot_look_into_it(joined):
    """Not even by its equal: root with all its capabilities, that of tracing whatever it likes not among them."""
    _, pid = joined
    script = f"readlink /proc/{pid}/cwd || readlink /proc/{pid}/root || readlink /proc/{pid}/exe"
    drop = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", "sh", "-c", script]
    assert subprocess.run(drop, check=False, capture_output=True).returncode
    assert os.readlink(f"/proc/{pid}/cwd")


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
