"""What ``ocipy install`` writes, the engines read; what ``ocipy uninstall`` leaves is what was there before.

Each test has a machine with an /etc of its own, a copy of the host's.
"""

import itertools
import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engines.commandline import IMAGE
from tests.engines.docker import Docker
from tests.engines.image import Image
from tests.engines.machine import Machine
from tests.engines.matrix import runtimes
from tests.engines.podman import SETTINGS, SYSTEM_PATH, Podman, RootlessPodman
from tests.system.runtime import until

NAME = "installed"
EMPTY = ('""', " 0", " false", " []")  # values of TOML that are as good as none
PREPARE = """
cp -a /etc {place}/etc
mount --bind {place}/etc /etc
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/cni
"""
_numbers = itertools.count(1)

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def directory():
    path = Path(tempfile.mkdtemp(prefix="ocipy-registration-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def image(directory):
    return Image(directory)


@contextmanager
def machine_of(directory, prepare=lambda place: ""):
    """(the machine, its directory)"""
    number = next(_numbers)
    place = directory / str(number)
    place.mkdir()
    machine = Machine(place, f"ocipy-registration-{os.getpid()}-{number}", PREPARE.format(place=place) + prepare(place))
    try:
        yield machine, place
    finally:
        machine.close()


def register(machine, *words, by=(), env=None):
    """Run ocipy's own command line in the machine."""
    done = machine.run(*by, runtimes()["ocipy"].path, *words, env={"PATH": SYSTEM_PATH, **(env or {})})
    assert done.status == 0, done.err + done.out
    return done.out


def tree(top):
    """Every file and directory below: path → mode, owner, content."""
    found = {}
    for path in sorted(top.rglob("*")):
        facts = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[path] = (facts.st_mode, facts.st_uid, facts.st_gid, content)
    return found


def without_settings_of_its_own(podman, settings):
    """podman with the files that it reads by default, and no --runtime."""
    del podman.environment["CONTAINERS_CONF"]
    podman.command = podman.command[:-2]
    as_user = podman.machine.run(*podman.become(), "mkdir", "-p", settings.parent)
    assert as_user.status == 0, as_user.err
    settings.write_text(SETTINGS.format(place=podman.place))


def check_podman(podman):
    info = podman("--runtime", NAME, "info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}").out
    assert info.split() == [NAME, runtimes()["ocipy"].path]
    words = ("--runtime", NAME, "run", "--rm", "--network", "none", IMAGE)
    assert podman(*words, "echo", "hello").out == "hello\n"
    # The runtime's own words, out of its log: runtime_supports_json has the name.
    assert "exec /nothing: no such file or directory" in podman(*words, "/nothing", status=127).err


@pytest.mark.tool("podman")
def test_podman(directory, image):
    with machine_of(directory) as (machine, place):
        podman = Podman(machine, runtimes()["runc"], place, image)
        podman.boot()
        without_settings_of_its_own(podman, place / "etc/containers/containers.conf")
        before = tree(place / "etc")
        register(machine, "install", "--podman", "--name", NAME)
        check_podman(podman)
        register(machine, "install", "--podman", "--name", NAME, "--default")
        assert podman("info", "--format", "{{.Host.OCIRuntime.Name}}").out.strip() == NAME
        register(machine, "uninstall")
        assert tree(place / "etc") == before
        assert machine.run("ls", "/var/lib/ocipy").status
        podman("--runtime", NAME, "info", status=125)
        podman.stop()


@pytest.mark.rootless
@pytest.mark.tool("podman")
def test_rootless_podman(directory, image):
    with machine_of(directory, RootlessPodman.prepare) as (machine, place):
        podman = RootlessPodman(machine, runtimes()["runc"], place, image)
        podman.boot()
        without_settings_of_its_own(podman, place / ".config/containers/containers.conf")
        before = set((place / ".config").rglob("*"))
        register(machine, "install", "--podman", "--name", NAME, by=podman.become(), env={"HOME": str(place)})
        check_podman(podman)
        register(machine, "uninstall", by=podman.become(), env={"HOME": str(place)})
        assert set((place / ".config").rglob("*")) == before
        podman.stop()


@pytest.mark.tool("dockerd")
def test_docker(directory, image):
    """The daemon's own file is at the end of a link; it reads it again on SIGHUP, as `systemctl reload` has it."""
    with machine_of(directory) as (machine, place):
        docker = Docker(machine, runtimes()["runc"], place, image)
        docker.boot()
        (place / "etc/docker/daemon.json").symlink_to(place / "daemon.json")
        before = tree(place / "etc"), (place / "daemon.json").read_bytes()

        def reloaded():
            machine.run("kill", f"-{signal.SIGHUP}", docker.pidfile.read_text())
            return docker("info", "--format", "{{.DefaultRuntime}} {{range $n, $_ := .Runtimes}}{{$n}} {{end}}").out

        register(machine, "install", "--docker", "--name", NAME, "--default")
        until(lambda: reloaded().startswith(f"{NAME} "), "the new default runtime")
        assert docker("run", "--rm", "--network", "none", IMAGE, "echo", "hello").out == "hello\n"
        register(machine, "uninstall")
        assert (tree(place / "etc"), (place / "daemon.json").read_bytes()) == before
        until(lambda: NAME not in reloaded(), "the end of the runtime")
        docker.stop()


@pytest.mark.tool("containerd")
@pytest.mark.parametrize("there", ["the host's", "nothing", "all defaults"])
def test_containerd(directory, there):
    with machine_of(directory) as (machine, place):
        file = place / "etc/containerd/config.toml"
        if there == "nothing":
            file.unlink()
        elif there == "all defaults":
            file.write_text(machine.run("containerd", "config", "default").out)

        def settings():
            """What containerd makes of its files."""
            done = machine.run("containerd", "config", "dump" if file.exists() else "default")
            assert done.status == 0, done.err
            lines = [line.strip() for line in done.out.splitlines()]
            return [line for line in lines if not line.endswith(EMPTY) and not line.startswith("imports")]

        before = tree(place / "etc"), settings()
        register(machine, "install", "--containerd", "--name", NAME, "--default")
        table = f'[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{NAME}]'
        assert table in settings()
        assert 'default_runtime_name = "installed"' in settings()
        assert f'BinaryName = "{runtimes()["ocipy"].path}"' in settings()
        # All else stays: runc, which is built in, and directories that Debian sets.
        assert set(before[1]) - set(settings()) <= {'default_runtime_name = "runc"'}
        register(machine, "uninstall")
        assert (tree(place / "etc"), settings()) == before
