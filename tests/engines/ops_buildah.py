"""Operations of buildah: programs in working containers, and images made of a Dockerfile."""

import json

from tests.engines.buildah import IMAGE, Buildah
from tests.engines.matrix import operation
from tests.engines.podman import UID

BUILDAH = ("buildah", "buildah-rootless")


@operation(*BUILDAH)
def buildah_run(buildah: Buildah) -> None:
    """run: what the program prints, its exit status, its end by a signal; stdin"""
    with buildah.container() as name:
        done = buildah.run(name, command=("sh", "-c", "cat; echo err >&2"), stdin="in\n")
        assert done.out == "in\n"
        assert done.err.endswith("err\n")
        buildah.run(name, command=("sh", "-c", "exit 7"), status=7)
        buildah.run(name, command=("sh", "-c", "sh -c 'kill -9 $$'; exit $?"), status=137)


@operation(*BUILDAH)
def buildah_terminal(buildah: Buildah) -> None:
    """run with a terminal: its size, what is typed, the exit status"""
    script = "tty; until [ $(stty size | tr ' ' x) = 33x77 ]; do :; done; echo ready; read line; echo got $line; exit 5"
    with (
        buildah.container() as name,
        buildah.at_terminal(name, command=("sh", "-c", script), size=(33, 77)) as terminal,
    ):
        assert "/dev/pts/" in terminal.wait_for("ready")
        terminal.send("a line\r")
        terminal.wait_for("got a line")
        assert terminal.wait() == 5
        assert terminal.restored()


@operation(*BUILDAH)
def buildah_process(buildah: Buildah) -> None:
    """run: user and groups, environment, working directory, hostname"""
    flags = ("--user", "user", "--env", "COLOR=green", "--workingdir", "/var/data", "--hostname", "there")
    script = "id -un; id -Gn; echo $COLOR; pwd; hostname"
    assert buildah.inside(script, *flags).split("\n")[:-1] == ["user", "user staff", "green", "/var/data", "there"]


@operation(*BUILDAH)
def buildah_capabilities(buildah: Buildah) -> None:
    """run: capabilities added and dropped, for root and for another user; the ambient ones that it asks for"""
    flags = ("--cap-add", "CAP_NET_ADMIN", "--cap-drop", "CAP_CHOWN")
    script = "sed -n 's/^Cap\\(Eff\\|Bnd\\|Amb\\):\\s*//p' /proc/self/status"
    effective, bounding, ambient = (int(each, 16) for each in buildah.inside(script, *flags).split())
    assert effective == bounding
    assert effective >> 12 & 1
    assert not effective & 1
    # The kernel gives ambient ones that are inheritable, which buildah doesn't ask for.
    assert ambient == 0
    of_user = [int(each, 16) for each in buildah.inside(script, *flags, "--user", "user").split()]
    assert of_user == [0, bounding, 0]


@operation(*BUILDAH)
def buildah_volumes(buildah: Buildah) -> None:
    """run: directories of the host, read-only or not, and a tmpfs"""
    volume = buildah.place / "volume"
    volume.mkdir(exist_ok=True)
    volume.chmod(0o777)
    (volume / "given").write_text("given\n")
    flags = ("-v", f"{volume}:/fixed:ro", "-v", f"{volume}:/open", "--mount", "type=tmpfs,dst=/scratch,tmpfs-size=1m")
    script = "cat /fixed/given; ! touch /fixed/x 2>/dev/null; echo made >/open/made; df /scratch | awk 'END{print $2}'"
    assert buildah.inside(script, *flags) == "given\n1024\n"
    assert (volume / "made").read_text() == "made\n"


@operation(*BUILDAH)
def buildah_network_none(buildah: Buildah) -> None:
    """run: a network namespace with loopback alone, and the host's"""
    assert buildah.inside("sed -n '3,$s/:.*//p' /proc/net/dev", "--network", "none").split() == ["lo"]
    host = buildah.machine.run("readlink", "/proc/self/ns/net").out
    assert buildah.inside("readlink /proc/self/ns/net", "--network", "host") == host


@operation("buildah")
def buildah_network(buildah: Buildah) -> None:
    """run: the default network, a bridge"""
    seen = buildah.inside("ip -o -4 addr show eth0; ip route", "--network", "private")
    assert "eth0" in seen
    assert "default via" in seen


@operation(*BUILDAH)
def buildah_cannot_run(buildah: Buildah) -> None:
    """run: a program that is missing, or not executable: its name and the reason"""
    with buildah.container() as name:
        missing = buildah.run(name, command=("/missing",), status=1)
        assert "/missing: no such file or directory" in missing.err
        refused = buildah.run(name, command=("/etc/not-executable",), status=1)
        assert "permission denied" in refused.err


@operation(*BUILDAH)
def buildah_seccomp(buildah: Buildah) -> None:
    """seccomp: the default profile, one of the user's, and none"""
    profile = buildah.place / "seccomp.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    script = "sed -n 's/^Seccomp:\\s*//p' /proc/self/status; mkdir /made 2>/dev/null && echo made; rmdir /made; :"
    assert buildah.inside(script) == "2\nmade\n"
    for given, expected in ((profile, "2\n"), ("unconfined", "0\nmade\n")):
        with buildah.container("--security-opt", f"seccomp={given}") as name:
            assert buildah.run(name, command=("sh", "-c", script)).out == expected


DOCKERFILE = f"""FROM {IMAGE} AS first
ARG WHO=nobody
RUN echo $WHO >/who
FROM {IMAGE}
COPY --from=first /who /who
COPY data /data
WORKDIR /work
USER 1000:1000
ENV COLOR=green
RUN echo $COLOR $(id -u) $(pwd) && ! touch /etc/mine
CMD ["cat", "/who", "/data/file"]
"""


@operation(*BUILDAH)
def buildah_build(buildah: Buildah) -> None:
    """bud with RUN: stages, arguments, user, environment, working directory"""
    done = buildah.build(DOCKERFILE, "--build-arg", "WHO=somebody", "-t", "built")
    assert "green 1000 /work" in done.out
    with buildah.container(image="localhost/built") as name:
        assert buildah.run(name, command=("cat", "/who", "/data/file")).out == "somebody\nof the context\n"
    buildah("rmi", "localhost/built")


@operation(*BUILDAH)
def buildah_build_fails(buildah: Buildah) -> None:
    """bud: a RUN that fails ends it with its exit status"""
    done = buildah.build(f"FROM {IMAGE}\nRUN echo before; exit 9\nRUN echo after\n", status=9)
    assert done.out.splitlines()[-1] == "before"
    assert "exit status 9" in done.err


@operation(*BUILDAH)
def buildah_build_mounts(buildah: Buildah) -> None:
    """bud: RUN with a bind mount of the context, a tmpfs, a cache, a secret"""
    secret = buildah.place / "secret"
    secret.write_text("hidden\n")
    secret.chmod(0o644)
    mounts = (
        "--mount=type=bind,source=data,target=/given --mount=type=tmpfs,target=/scratch "
        "--mount=type=cache,target=/cache --mount=type=secret,id=word"
    )
    script = "cat /given/file /run/secrets/word; touch /scratch/x /cache/x; grep -c ' /scratch tmpfs' /proc/mounts"
    done = buildah.build(f"FROM {IMAGE}\nRUN {mounts} {script}\n", "--secret", f"id=word,src={secret}")
    assert "of the context\nhidden\n1\n" in done.out


@operation(*BUILDAH)
def buildah_build_limits(buildah: Buildah) -> None:
    """bud: limits of the process, size of /dev/shm"""
    flags = ("--ulimit", "nofile=100:200", "--shm-size", "2m")
    script = "echo $(ulimit -n) $(ulimit -Hn) $(df /dev/shm | awk 'END{print $2}')"
    done = buildah.build(f"FROM {IMAGE}\nRUN {script}\n", *flags)
    assert "100 200 2048\n" in done.out


@operation("buildah", not_here={"buildah": "no cgroup hierarchy has the memory controller"})
def buildah_build_cgroup(buildah: Buildah) -> None:
    """bud: limit of memory, and the parent of the cgroup"""
    script = "cat /proc/self/cgroup; cat $(find /sys/fs/cgroup -name memory.limit_in_bytes -o -name memory.max) "
    done = buildah.build(f"FROM {IMAGE}\nRUN {script}\n", "--memory", "64m", "--cgroup-parent", "/below")
    assert str(64 << 20) in done.out.split(), done.out


@operation("buildah-rootless")
def buildah_rootless_network(buildah: Buildah) -> None:
    """run --isolation rootless: the default network, by slirp4netns; the ids that are mapped"""
    script = "ip -o -4 addr show tap0; ip route; awk '{print $1, $2, $3}' /proc/self/uid_map"
    flags = ("--network", "private", "--isolation", "rootless")
    seen = buildah.inside(script, *flags)
    assert "inet 10.0.2.100/24" in seen
    assert "default via 10.0.2.2" in seen
    assert f"0 {UID} 1\n1 " in seen


@operation(*BUILDAH)
def buildah_namespaces(buildah: Buildah) -> None:
    """run --pid, --uts host: namespaces of the host's; of its own by default"""
    script = "for kind in pid uts; do readlink /proc/self/ns/$kind; done"
    host = buildah.machine.run("sh", "-c", script).out.split()
    own = buildah.inside(script).split()
    shared = buildah.inside(script, "--pid", "host", "--uts", "host", "--network", "host").split()
    assert shared == host
    assert not set(own) & set(host)


@operation("buildah")
def buildah_device(buildah: Buildah) -> None:
    """from --device: there, usable, under another name; one that isn't given isn't"""
    with buildah.container("--device", "/dev/zero:/dev/nothing:r") as name:
        script = "stat -c %t,%T /dev/nothing; head -c 3 /dev/nothing | od -An -tx1; mknod /x b 7 0 && cat /x"
        done = buildah.run(name, command=("sh", "-c", script), status=1)
        assert done.out == "1,5\n 00 00 00\n"
