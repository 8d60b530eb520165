"""Operations of dockerd: what the daemon does itself, or asks of a runtime in a way of its own."""

import signal

from tests.engines.commandline import IMAGE
from tests.engines.docker import Docker
from tests.engines.matrix import operation
from tests.system.runtime import until

DOCKER = ("docker", "docker-userns")
# A shell that ends at once when it is asked to.
LISTENING = ("sh", "-c", "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done")


def wait_for_log(docker: Docker, name: str, text: str) -> None:
    until(lambda: text in docker("logs", name).out, f"{text!r} in the log")


@operation(*DOCKER)
def docker_live_restore(docker: Docker) -> None:
    """live-restore: a container outlives a dockerd that is killed, and is looked after by the next."""
    with docker.container(command=LISTENING) as name:
        wait_for_log(docker, name, "ready")
        pid = docker.state(name)["Pid"]
        docker.end_daemon(signal.SIGKILL)
        docker.start_daemon()
        assert docker.state(name)["Pid"] == pid
        assert docker("exec", name, "echo", "there").out == "there\n"
        docker("stop", name)
        assert docker.state(name)["ExitCode"] == 3
        assert docker("logs", name).out == "ready\nasked\n"


@operation(*DOCKER)
def docker_runtime_of_a_container(docker: Docker) -> None:
    """run --runtime: one that daemon.json names beside the default, with arguments of its own"""
    flags = ("--runtime", "beside")
    assert docker.inside("echo out", *flags) == "out\n"
    with docker.container(*flags) as name:
        assert docker("exec", name, "echo", "there").out == "there\n"
    failed = docker.run(*flags, command=("/missing",), status=127)
    assert "no such file or directory" in failed.err.splitlines()[0]


@operation(*DOCKER)
def docker_health(docker: Docker) -> None:
    """healthcheck: a command that the daemon runs in the container again and again"""
    flags = ("--health-interval", "100ms", "--health-retries", "2", "--health-timeout", "10s")
    with docker.container("--health-cmd", "test -e /well || exit 1", *flags) as name:
        until(lambda: docker.state(name)["Health"]["Status"] == "unhealthy", "unhealthy")
        docker("exec", name, "touch", "/well")
        until(lambda: docker.state(name)["Health"]["Status"] == "healthy", "healthy")


DOCKERFILE = f"""FROM {IMAGE}
ARG WHO=nobody
RUN echo $WHO >/who; id -u
WORKDIR /work
USER 1000:1000
ENV COLOR=green
RUN echo $COLOR $(id -u) $(pwd) && ! touch /etc/mine
CMD ["cat", "/who"]
"""


def build(docker: Docker, kit: bool, dockerfile: str, *flags: object, status: int = 0) -> str:
    """``docker build``'s output."""
    context = docker.place / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(dockerfile)
    progress = ("--progress", "plain") if kit else ()
    usual = docker.environment
    docker.environment = usual | {"DOCKER_BUILDKIT": "1" if kit else "0"}
    try:
        done = docker("build", "--no-cache", *progress, *flags, context, status=status)
    finally:
        docker.environment = usual
    return done.out + done.err


def check_build(docker: Docker, kit: bool) -> None:
    output = build(docker, kit, DOCKERFILE, "--build-arg", "WHO=somebody", "-t", "built")
    assert "green 1000 /work" in output, output
    try:
        assert docker("run", "--rm", "--network", "none", "built").out == "somebody\n"
    finally:
        docker("rmi", "built")
    failed = build(docker, kit, f"FROM {IMAGE}\nRUN exit 9\n", status=1 if kit else 9)
    assert ("exit code: 9" if kit else "non-zero code: 9") in failed, failed


@operation(*DOCKER)
def docker_build(docker: Docker) -> None:
    """build with RUN, with the classic builder: arguments, user, working directory; a RUN that fails"""
    check_build(docker, kit=False)


@operation(*DOCKER)
def docker_buildkit(docker: Docker) -> None:
    """build with RUN, with BuildKit: arguments, user, working directory; a RUN that fails"""
    check_build(docker, kit=True)


@operation(*DOCKER)
def docker_buildkit_mounts(docker: Docker) -> None:
    """BuildKit: RUN with a bind mount, a tmpfs, a cache, a secret, without a network; stages built at once"""
    secret = docker.place / "secret"
    secret.write_text("hidden\n")
    mounts = "--mount=type=bind,source=Dockerfile,target=/given --mount=type=tmpfs,target=/scratch "
    mounts += "--mount=type=cache,target=/cache --mount=type=secret,id=word"
    script = "cat /run/secrets/word; wc -l </given; touch /scratch/x /cache/x; grep -c ' /scratch tmpfs' /proc/mounts"
    stages = "".join(f"FROM {IMAGE} AS stage{each}\nRUN echo {each} >/made{each}\n" for each in range(4))
    copies = "".join(f"COPY --from=stage{each} /made{each} /\n" for each in range(4))
    dockerfile = f"{stages}FROM {IMAGE}\n{copies}RUN {mounts} {script}; cat /made?; echo $(ls /sys/class/net)\n"
    output = build(docker, True, dockerfile, "--secret", f"id=word,src={secret}", "--network", "none")
    words = [line.split()[-1] for line in output.splitlines() if line.split()[1:2] and line.split()[1][:1].isdigit()]
    assert words == ["hidden", str(dockerfile.count("\n")), "1", "0", "1", "2", "3", "lo"], output


@operation(*DOCKER)
def docker_commit(docker: Docker) -> None:
    """commit: an image of what a container wrote"""
    with docker.container(command=("sh", "-c", "echo mine >/etc/mine")) as name:
        docker("wait", name)
        docker("commit", name, "committed")
        try:
            done = docker("run", "--rm", "--network", "none", "committed", "cat", "/etc/mine")
            assert done.out == "mine\n"
        finally:
            docker("rmi", "committed")


@operation(*DOCKER)
def docker_copy(docker: Docker) -> None:
    """cp: files into and out of a container that runs"""
    with docker.container("--tmpfs", "/scratch") as name:
        given = docker.place / "given"
        given.write_text("given\n")
        docker("cp", given, f"{name}:/etc/given")
        assert docker("exec", name, "cat", "/etc/given").out == "given\n"
        docker("exec", name, "sh", "-c", "echo made >/etc/made")
        docker("cp", f"{name}:/etc/made", docker.place / "made")
        assert (docker.place / "made").read_text() == "made\n"


@operation("docker")
def docker_cgroup_namespace(docker: Docker) -> None:
    """run --cgroupns private, host: what the container sees of its cgroup"""
    script = "cut -d: -f3 /proc/self/cgroup | sort -u"
    assert docker.inside(script, "--cgroupns", "private") == "/\n"
    assert "/docker/" in docker.inside(script, "--cgroupns", "host")
