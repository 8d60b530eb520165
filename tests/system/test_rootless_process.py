"""The process of an ordinary user's container: what it may be given, and what is refused with a reason."""

import os
import resource
from pathlib import Path

import pytest

from ocipy.capabilities import NAMES
from tests.system.looking import set_capabilities, set_linux, set_namespaces, set_process, status_field, together

pytestmark = [pytest.mark.root, pytest.mark.rootless]

DENY_MKDIR = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
}


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_seccomp(as_user, no_new_privileges):
    """Without no_new_privs the filter is loaded by the user namespace's CAP_SYS_ADMIN."""
    change = together(set_linux(seccomp=DENY_MKDIR), set_process(noNewPrivileges=no_new_privileges))
    said = as_user.inside("mkdir /dev/shm/x 2>&1; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status", change=change)
    assert "Operation not permitted" in said
    assert said.split()[-4:] == ["NoNewPrivs:", str(int(no_new_privileges)), "Seccomp:", "2"]


def test_capabilities(as_user):
    """All of them, over the user namespace."""
    change = set_capabilities(*NAMES)
    said = as_user.inside("cat /proc/self/status; hostname other; hostname; mount -t tmpfs none /tmp && echo mounted",
                          change=together(change, set_process(noNewPrivileges=False)))  # fmt: skip
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert int(status_field(said, "CapEff"), 16) == (1 << (min(last, len(NAMES) - 1) + 1)) - 1
    assert said.split()[-2:] == ["other", "mounted"]


def test_names(as_user):
    def change(config):
        config.update(hostname="inner", domainname="example.org")

    assert as_user.inside("hostname; cat /proc/sys/kernel/domainname", change=change).split() == [
        "inner",
        "example.org",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.ip_unprivileged_port_start", "80"),
        ("net.ipv4.ip_default_ttl", "99"),
        ("net.ipv4.ping_group_range", "0\t0"),
    ],
)
def test_sysctls_of_its_own_network(as_user, name, value):
    change = together(set_namespaces(network=""), set_linux(sysctl={name: value}))
    assert as_user.inside(f"cat /proc/sys/{name.replace('.', '/')}", change=change).strip() == value


def test_a_sysctl_of_groups_that_are_not_mapped(as_user):
    change = together(set_namespaces(network=""), set_linux(sysctl={"net.ipv4.ping_group_range": "0 2147483647"}))
    line = as_user.fails("run", "--bundle", as_user.bundle(change=change), "c1")
    assert line.startswith("linux.sysctl.")
    assert "(the groups have to be mapped in the container's user namespace)" in line


def test_its_own_loopback(as_user):
    change = set_namespaces(network="")
    assert as_user.inside("ifconfig lo | grep -c UP", change=change).split() == ["1"]


def test_oom_score_and_limits(as_user):
    change = set_process(oomScoreAdj=500, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}])
    said = as_user.inside("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn", change=change)
    assert said.split() == ["500", "100", "200"]


def test_an_oom_score_below_the_user_s(as_user):
    """It MUST be set (config.md), so that it can't is an error."""
    own = int(Path("/proc/self/oom_score_adj").read_text())
    if own == -1000:
        pytest.skip("no score is lower than the runtime's")
    path = as_user.bundle(change=set_process(oomScoreAdj=max(own - 100, -1000)))
    line = as_user.fails("run", "--bundle", path, "c1")
    assert line.startswith(f"process.oomScoreAdj: write '{max(own - 100, -1000)}' to /proc/")
    assert line.endswith(
        "EACCES: permission denied (lowering it takes CAP_SYS_RESOURCE, which the runtime doesn't hold)"
    )


def test_a_limit_above_the_user_s(as_user):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    path = as_user.bundle(change=set_process(rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": hard + 1}]))
    line = as_user.fails("run", "--bundle", path, "c1")
    assert line.startswith("process.rlimits[0] (RLIMIT_NOFILE): prlimit to 100:")
    assert "EPERM" in line
    assert "raising a hard limit takes CAP_SYS_RESOURCE" in line


def test_a_keyring_of_its_own(as_user):
    said = as_user.inside("cat /proc/keys", change=set_linux(maskedPaths=[]))
    assert "_ses.c1" in said


def test_other_parts(as_user):
    """Working directory, umask, environment, descriptors."""
    change = set_process(cwd="/usr", user={"uid": 0, "gid": 0, "umask": 0o77}, env=["PATH=/bin", "A=b"])
    said = as_user.inside("pwd; umask; echo $A; ls /proc/self/fd | wc -l; whoami", change=change)
    assert said.split() == ["/usr", "0077", "b", "4", "root"]


def test_a_user_that_is_not_mapped(as_user):
    line = as_user.fails("run", "--bundle", as_user.bundle(change=set_process(user={"uid": 1, "gid": 0})), "c1")
    assert "1 is not mapped by linux.uidMappings" in line


def test_preserved_descriptors(as_user, tmp_path):
    """``--preserve-fds``: descriptor 3 goes from the caller to the program."""
    path = as_user.bundle("sh", "-c", "cat <&3")
    (tmp_path / "given").write_text("given\n")
    fd = os.open(tmp_path / "given", os.O_RDONLY)
    command = f'exec 3< {tmp_path}/given; exec "$@"'
    os.close(fd)
    as_user.wrap = ("sh", "-c", command, "sh")
    assert as_user("run", "--preserve-fds", "1", "--bundle", path, "c1", status=0).stdout == "given\n"
