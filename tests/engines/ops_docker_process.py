"""Operations of dockerd: processes, in run and exec: who they are, what they may do."""

import json
import subprocess

from tests.engines.docker import Docker
from tests.engines.matrix import operation
from tests.system.runtime import until

DOCKER = ("docker", "docker-userns")


@operation(*DOCKER)
def docker_exec(docker: Docker) -> None:
    """exec: output, exit status, stdin, user, groups, environment, working directory, in the background"""
    script = "id -u; id -Gn; echo $COLOR; pwd; cat; echo err >&2; exit 6"
    with docker.container("-e", "COLOR=blue") as name:
        flags = ("-i", "-u", "user", "-e", "COLOR=green", "-w", "/var/data")
        done = docker("exec", *flags, name, "sh", "-c", script, stdin="in\n", status=6)
        assert done.out == "1000\nuser staff\ngreen\n/var/data\nin\n"
        assert done.err == "err\n"
        docker("exec", "-d", name, "sh", "-c", "echo $COLOR >/tmp/made")
        until(lambda: docker("exec", name, "cat", "/tmp/made", status=None).out == "blue\n", "what it makes")
        docker("exec", name, "/etc/not-executable", status=126)
        assert "no such file or directory" in docker("exec", name, "/missing", status=126).out


@operation(*DOCKER)
def docker_exec_terminal(docker: Docker) -> None:
    """exec -ti: a terminal of the user's size, resized with it; exit status; the user's terminal is restored"""
    script = "echo $(tty); for size in 33x77 40x100; do until [ $(stty size | tr ' ' x) = $size ]; do :; done; "
    words = ("sh", "-c", f"{script} echo it is $size; done; exit 5")
    with docker.container() as name, docker.at_terminal("exec", "-ti", name, *words, size=(33, 77)) as terminal:
        assert "/dev/pts/" in terminal.wait_for("it is 33x77")
        terminal.resize(40, 100)
        terminal.wait_for("it is 40x100")
        assert terminal.wait() == 5
        assert terminal.restored()


# Capabilities that dockerd asks for and the host's root may not have.
@operation("docker", not_here={"docker": "dockerd gives all capabilities, of which this host's root lacks some"})
def docker_exec_privileged(docker: Docker) -> None:
    """exec --privileged: all capabilities, for root"""
    with docker.container("--cap-drop", "ALL") as name:
        script = "sed -n 's/^CapEff:\\s*//p' /proc/self/status"
        assert int(docker("exec", name, "sh", "-c", script).out, 16) == 0
        assert int(docker("exec", "--privileged", name, "sh", "-c", script).out, 16) & 1 << 21


@operation(*DOCKER)
def docker_exec_refused(docker: Docker) -> None:
    """exec: refused in a container that is paused, or stopped; a user or a directory that isn't there"""
    with docker.container() as name:
        docker("exec", "-w", "/missing", name, "true", status=126)
        docker("exec", "-u", "missing", name, "true", status=126)
        docker("pause", name)
        assert "paused" in docker("exec", name, "true", status=1).err
        docker("unpause", name)
        docker("stop", "-t", "0", name)
        assert "not running" in docker("exec", name, "true", status=1).err


@operation(*DOCKER)
def docker_seccomp(docker: Docker) -> None:
    """run --security-opt seccomp: the default profile, one of the user's, none; also for exec"""
    profile = docker.place / "seccomp.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    script = """
        sed -n 's/^Seccomp:\\s*//p' /proc/self/status
        mkdir /tmp/made 2>/dev/null && echo made; rmdir /tmp/made 2>/dev/null
        unshare -U true 2>/dev/null && echo unshared; true
    """
    expected = {"": "2\nmade\n", str(profile): "2\nunshared\n", "unconfined": "0\nmade\nunshared\n"}
    for given, seen in expected.items():
        flags = ("--security-opt", f"seccomp={given}") if given else ()
        assert docker.inside(script, *flags) == seen
        with docker.container(*flags) as name:
            assert docker("exec", name, "sh", "-c", script).out == seen


@operation(*DOCKER)
def docker_capabilities(docker: Docker) -> None:
    """run --cap-add, --cap-drop, no-new-privileges: for root, for a user, for exec"""
    flags = ("--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges")
    script = "sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\):\\s*//p' /proc/self/status"
    effective, bounding, privileges = docker.inside(script, *flags).split()
    assert effective == bounding
    assert int(effective, 16) >> 12 & 1
    assert not int(effective, 16) & 1
    assert privileges == "1"
    with docker.container(*flags) as name:
        assert docker("exec", name, "sh", "-c", script).out.split() == [effective, bounding, "1"]
        of_user = docker("exec", "-u", "user", name, "sh", "-c", script).out.split()
        assert of_user == ["0" * 16, bounding, "1"]


@operation("docker")
def docker_sysctl(docker: Docker) -> None:
    """run --sysctl: of the network and of IPC; one that isn't there is an error that names it"""
    flags = ("--sysctl", "net.ipv4.ip_forward=0", "--sysctl", "kernel.msgmax=1234")
    assert docker.inside("cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax", *flags) == "0\n1234\n"
    refused = docker.run("--sysctl", "net.missing=1", command=("true",), status=127)
    assert "/proc/sys/net/missing" in refused.err


@operation("docker")
def docker_networks_of_the_host(docker: Docker) -> None:
    """run --network host, none; --pid host, --uts host, --ipc host"""
    script = "for kind in net pid uts ipc; do readlink /proc/self/ns/$kind; done"
    host = docker.machine.run("sh", "-c", script).out.split()
    flags = [word for kind in ("network", "pid", "uts", "ipc") for word in (f"--{kind}", "host")]
    assert docker.inside(script, *flags).split() == host
    assert not set(docker.inside(script).split()) & set(host)
    assert docker.inside("sed -n '3,$s/:.*//p' /proc/net/dev", "--network", "none").split() == ["lo"]


@operation(*DOCKER)
def docker_many_execs(docker: Docker) -> None:
    """20 exec at once into one container, four times"""
    with docker.container() as name:
        script = "for i in $(seq 1000); do echo $0 $i; done; exit $0"
        expected = {number: "".join(f"{number} {i}\n" for i in range(1, 1001)) for number in range(1, 21)}
        for _ in range(4):
            words = [*map(str, docker.command), "exec", name, "sh", "-c", script]
            started = {
                number: docker.machine.start(
                    *words, number, env=docker.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
                )
                for number in expected
            }
            for number, process in started.items():
                assert process.communicate(timeout=60)[0] == expected[number]
                assert process.returncode == number
