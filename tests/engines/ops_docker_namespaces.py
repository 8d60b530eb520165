"""Operations of dockerd: networks that its prestart hook makes, shared namespaces, user namespaces."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.engines.docker import Docker, DockerRemapped
from tests.engines.matrix import operation
from tests.system.runtime import until

DOCKER = ("docker", "docker-userns")
SERVER = ("sh", "-c", "echo served >/tmp/index.html; exec httpd -f -p 8080 -h /tmp")


@contextmanager
def network(docker: Docker) -> Iterator[str]:
    """A network of its own, a bridge: its name."""
    name = f"net-{docker.place.name}"
    docker("network", "create", name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


def fetch(docker: Docker, client: str, name: str) -> str:
    """What a container's wget gets from there, which may take a moment to listen.

    A static busybox asks the name server by nslookup alone.
    """
    script = f"""
        address=$(nslookup {name} 127.0.0.11 | sed -n '/^Name/,$s/^Address.*: //p')
        for i in $(seq 100); do wget -q -O - http://$address:8080/ && exit; sleep 0.05; done; exit 1
    """
    return docker("exec", client, "sh", "-c", script).out


@operation(*DOCKER)
def docker_published_port(docker: Docker) -> None:
    """run --publish: a port of the bridge network, reached through one of the host's"""
    with docker.container("--network", "bridge", "-p", "18080:8080", command=SERVER):
        fetched = docker.machine.run("curl", "-s", "--retry", "50", "--retry-connrefused", "--retry-delay", "0",
                                     "http://127.0.0.1:18080/")  # fmt: skip
        assert fetched.out == "served\n"


@operation(*DOCKER)
def docker_own_network(docker: Docker) -> None:
    """network create: containers find each other by name; network connect, disconnect while one runs"""
    with (
        network(docker) as net,
        docker.container("--network", net, "--name", "server", command=SERVER),
        docker.container("--network", net) as client,
        docker.container("--network", "bridge") as late,
    ):
        assert fetch(docker, client, "server") == "served\n"
        docker("network", "connect", net, late)
        assert fetch(docker, late, "server") == "served\n"
        assert "eth1:" in docker("exec", late, "cat", "/proc/net/dev").out
        docker("network", "disconnect", net, late)
        assert "eth1:" not in docker("exec", late, "cat", "/proc/net/dev").out


@operation(*DOCKER)
def docker_shared_namespaces(docker: Docker) -> None:
    """run --pid, --network, --ipc container:X: the namespaces of a container that runs"""
    script = "for kind in pid net ipc uts; do readlink /proc/self/ns/$kind; done; pidof sleep"
    with docker.container("--ipc", "shareable") as name:
        theirs = docker("exec", name, "sh", "-c", script).out.split()
        flags = [f"--{option}=container:{name}" for option in ("pid", "network", "ipc")]
        ours = docker.inside(script, *flags).split()
    assert ours[:3] + ours[4:] == theirs[:3] + theirs[4:]
    assert ours[3] != theirs[3]


@operation(*DOCKER)
def docker_killed_shim(docker: Docker) -> None:
    """A shim that is killed: the container's processes end, nothing of it is left"""
    with docker.container() as name:
        pid = docker.state(name)["Pid"]
        docker.machine.run("pkill", "-9", "-f", f"containerd-shim.*{name}")
        until(lambda: docker.state(name)["Status"] == "exited", "the end of the container")
        assert pid not in docker.machine.processes()
        docker("start", name)
        assert docker("exec", name, "echo", "there").out == "there\n"


@operation("docker-userns")
def docker_remapped(docker: DockerRemapped) -> None:
    """userns-remap: the ids inside and outside; --userns=host"""
    first = docker.FIRST
    script = "awk '{print $1, $2, $3}' /proc/self/uid_map; touch /volume/made; id -u; stat -c %u /etc/passwd"
    volume = docker.place / "of-the-container"
    volume.mkdir(exist_ok=True)
    volume.chmod(0o777)
    assert docker.inside(script, "-v", f"{volume}:/volume") == f"0 {first} 65536\n0\n0\n"
    assert (volume / "made").stat().st_uid == first
    (volume / "made").unlink()
    outside = docker.inside("awk '{print $1, $2}' /proc/self/uid_map; id -u", "--userns", "host")
    assert outside == "0 0\n0\n"


@operation("docker-userns")
def docker_remapped_terminal(docker: Docker) -> None:
    """userns-remap: a terminal, in run and exec"""
    with docker.container() as name:
        for words in (("run", "--rm", "-ti", "--network", "none", "bb"), ("exec", "-ti", name)):
            with docker.at_terminal(*words, "sh", "-c", "tty; echo $(id -u) >/dev/tty; exit 5") as terminal:
                assert terminal.wait() == 5
                assert "/dev/pts/0" in terminal.output


@operation("docker-userns")
def docker_remapped_settings(docker: Docker) -> None:
    """userns-remap: sysctl, tmpfs, named volume, capabilities, limits, devices, seccomp"""
    script = """
        cat /proc/sys/net/ipv4/ip_forward
        stat -c '%u %a' /scratch /named
        echo x >/dev/null; stat -c %t,%T /dev/full
        ulimit -n
        chown 1000 /named || echo no chown
        sed -n 's/^Seccomp:\\s*//p' /proc/self/status
    """
    flags = ("--sysctl", "net.ipv4.ip_forward=0", "--tmpfs", "/scratch:mode=700", "-v", "/named",
             "--device", "/dev/full", "--ulimit", "nofile=100", "--cap-drop", "CHOWN")  # fmt: skip
    assert docker.inside(script, *flags).split("\n")[:-1] == ["0", "0 700", "0 755", "1,7", "100", "no chown", "2"]
