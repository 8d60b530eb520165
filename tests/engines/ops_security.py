"""Operations: capabilities, system call filters, user namespaces."""

import json

from tests.engines.commandline import PODMAN, CommandLine
from tests.engines.matrix import operation

SHOW = "grep -E 'Cap(Eff|Bnd|Prm|Amb|Inh)|NoNewPrivs|Seccomp:' /proc/self/status"


def status(engine: CommandLine, *flags: object) -> dict[str, str]:
    lines = engine.inside(SHOW, *flags).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@operation(*PODMAN)
def capabilities(engine: CommandLine) -> None:
    """run --cap-add, --cap-drop."""
    none = status(engine, "--cap-drop", "ALL")
    assert int(none["CapEff"], 16) == int(none["CapBnd"], 16) == 0
    some = status(engine, "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "NET_ADMIN")
    assert int(some["CapEff"], 16) == 1 << 0 | 1 << 12
    assert status(engine, "-u", "1000")["CapEff"] == "0" * 16
    engine.inside("chown 1:1 /etc/passwd 2>&1", "--cap-drop", "CHOWN", status=1)


@operation("podman")
def every_capability(engine: CommandLine) -> None:
    """run --cap-add ALL."""
    assert int(status(engine, "--cap-add", "ALL")["CapEff"], 16) > 1 << 37


@operation(*PODMAN)
def no_new_privileges(engine: CommandLine) -> None:
    """run --security-opt no-new-privileges."""
    assert status(engine)["NoNewPrivs"] == "0"
    assert status(engine, "--security-opt", "no-new-privileges")["NoNewPrivs"] == "1"


@operation(*PODMAN)
def seccomp(engine: CommandLine) -> None:
    """The engine's default filter, a filter of the user's, none."""
    assert status(engine)["Seccomp"] == "2"
    assert status(engine, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    own = engine.place / "seccomp.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    own.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    own.chmod(0o644)
    said = engine.inside("mkdir /x 2>&1", "--security-opt", f"seccomp={own}", status=1)
    assert "not supported" in said


@operation("podman")
def user_namespace(engine: CommandLine) -> None:
    """run --uidmap, --userns: ids of a user namespace."""
    flags = ("--uidmap", "0:700000:65536", "--gidmap", "0:800000:65536")
    said = engine.inside("cat /proc/self/uid_map /proc/self/gid_map; id -u", *flags)
    assert said.split() == ["0", "700000", "65536", "0", "800000", "65536", "0"]
    with engine.container(*flags) as name:
        assert engine.machine.run("stat", "-c", "%u", f"/proc/{engine.state(name)['Pid']}").out == "700000\n"


@operation("podman")
def user_namespace_auto(engine: CommandLine) -> None:
    """run --userns=auto: ids that no other container has."""
    with engine.container("--userns", "auto:size=2000") as one, engine.container("--userns", "auto:size=2000") as two:
        maps = [engine.machine.run("cat", f"/proc/{engine.state(name)['Pid']}/uid_map").out for name in (one, two)]
        assert maps[0] != maps[1]
        assert all(each.split()[2] == "2000" for each in maps)


@operation("podman-rootless")
def user_namespace_kept(engine: CommandLine) -> None:
    """run --userns=keep-id, nomap: the user's own id in the container, or none of them."""
    uid = str(engine.place.stat().st_uid)
    assert engine.inside("id -u", "--userns", "keep-id") == f"{uid}\n"
    assert engine.inside("id -u", "--userns", "nomap") == "0\n"


@operation(*PODMAN)
def cgroup_namespace(engine: CommandLine) -> None:
    """run --cgroupns: private or the host's."""
    own = engine.machine.run(*engine.become(), "readlink", "/proc/self/ns/cgroup").out
    script = "readlink /proc/self/ns/cgroup"
    assert engine.inside(script, "--cgroupns", "private") != own
    assert engine.inside(script, "--cgroupns", "host") == own


@operation(*PODMAN)
def unmask(engine: CommandLine) -> None:
    """run --security-opt unmask, mask."""
    assert "/proc/keys" in engine.inside("grep -o ' /proc/keys ' /proc/self/mountinfo")
    engine.inside("grep ' /proc/keys ' /proc/self/mountinfo", "--security-opt", "unmask=/proc/keys", status=1)
    assert engine.inside("cat /etc/group", "--security-opt", "mask=/etc/group") == ""


@operation(*PODMAN)
def umask(engine: CommandLine) -> None:
    """run --umask."""
    assert engine.inside("umask", "--umask", "0077") == "0077\n"


@operation(*PODMAN, runc_lacks="linux.personality, which came with runc 1.2")
def personality(engine: CommandLine) -> None:
    """run --personality."""
    assert engine.inside("uname -m", "--personality", "LINUX32") == "i686\n"
