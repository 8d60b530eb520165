"""dockerd, with a containerd of its own, driven by the docker command; and one that maps the containers' ids."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar

from tests.engines.commandline import IMAGE, CommandLine
from tests.engines.podman import SYSTEM_PATH

COMING_UP = 30  # seconds


class Docker(CommandLine):
    name = "docker"
    title = "dockerd"
    tools = ("dockerd", "docker", "containerd", "iptables")
    # Parents of the containers' cgroups, by default and of BuildKit: runc leaves them.
    own_cgroups = ("*docker", "*docker/buildkit")
    settings: ClassVar[dict[str, object]] = {}  # for daemon.json

    def boot(self) -> None:
        self.socket = f"unix://{self.place}/d.sock"
        self.environment = {"DOCKER_HOST": self.socket, "HOME": str(self.place), "PATH": SYSTEM_PATH}
        # By its path: docker's own packages put another version first.
        self.command = ["/usr/bin/docker"]
        configuration = self.place / "daemon.json"
        configuration.write_text(json.dumps({
            "runtimes": {
                "ocipy": {"path": self.runtime.path},
                "beside": {"path": self.runtime.path, "runtimeArgs": ["--debug"]},
            },
            "default-runtime": self.runtime.name,
            "storage-driver": "overlay2",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "data-root": f"{self.place}/data",
            "exec-root": f"{self.place}/exec",
            "pidfile": str(self.pidfile),
            "hosts": [self.socket],
            "live-restore": True,
            **self.settings,
        }))  # fmt: skip
        self.daemon_command = ["dockerd", "--config-file", configuration]
        self.start_daemon()
        self("import", "-c", "ENV PATH=/bin", self.image.tar, IMAGE)

    @property
    def pidfile(self) -> Path:
        return self.place / "dockerd.pid"

    def start_daemon(self) -> None:
        """Start dockerd, and wait until it answers."""
        log = self.place / "dockerd.log"
        with log.open("ab") as output:
            self.daemon = self.machine.start(
                *self.daemon_command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        end = time.monotonic() + COMING_UP
        while self("version", status=None).status:
            last = log.read_text(errors="replace").splitlines()[-3:]
            assert self.daemon.poll() is None, f"dockerd ended: {last}"
            assert time.monotonic() < end, f"dockerd does not answer: {last}"
            time.sleep(0.05)

    def end_daemon(self, number: int = signal.SIGTERM) -> None:
        """Send dockerd a signal, and wait for its end."""
        self.machine.run("kill", f"-{number}", self.pidfile.read_text())
        self.daemon.wait(COMING_UP)
        self.pidfile.unlink(missing_ok=True)

    def version(self) -> str:
        return self("version", "--format", "{{.Server.Version}}").out.strip()

    def sweep(self) -> None:
        super().sweep()
        self("network", "prune", "-f", status=None)
        self("volume", "prune", "-f", status=None)

    def stop(self) -> None:
        self.end_daemon()
        # A handle of the host's network namespace, which dockerd keeps.
        self.machine.run("umount", self.place / "exec/netns/default")

    def left(self) -> list[str]:
        """The shim's containers and BuildKit's have different state directories."""
        states = self.place.glob("exec/runtime-*/*/[!@]*")
        return [f"state directory {each}" for each in states] + super().left()


class DockerRemapped(Docker):
    """userns-remap: every container has a user namespace, with ids that /etc/subuid gives to a user."""

    name = "docker-userns"
    title = "dockerd, userns-remap"
    settings: ClassVar[dict[str, object]] = {"userns-remap": "engines"}
    FIRST = 600000

    @classmethod
    def prepare(cls, place: Path) -> str:
        for name, line in (("passwd", "engines:x:54400:54400::/:\n"), ("group", "engines:x:54400:\n")):
            (place / name).write_text(Path("/etc", name).read_text() + line)
        (place / "subids").write_text(f"engines:{cls.FIRST}:65536\n")
        os.chmod(place, 0o755)
        return f"""
            mount --bind {place}/passwd /etc/passwd
            mount --bind {place}/group /etc/group
            mount --bind {place}/subids /etc/subuid
            mount --bind {place}/subids /etc/subgid
        """
