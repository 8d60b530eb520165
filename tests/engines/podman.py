"""podman, as root and as an ordinary user with subordinate ids."""

import os
from pathlib import Path

from tests.engines.commandline import IMAGE, CommandLine

UID = 54400
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# A hard limit may not be raised without CAP_SYS_RESOURCE; there is no journal, and no systemd.
SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime_supports_json = ["runc", "crun", "ocipy"]
[network]
network_config_dir = "{place}/networks"
"""


class Podman(CommandLine):
    name = "podman"
    title = "podman"
    tools = ("podman", "conmon", "iptables")
    # Those of pods stay in the hierarchies that podman doesn't know, systemd's and the unified one.
    own_cgroups = ("libpod_parent", "libpod_parent/conmon", "libpod_parent/" + "[0-9a-f]" * 64)
    at_once = ("-f", "-t", "0")

    @classmethod
    def prepare(cls, place: Path) -> str:
        """Ranges of ids for ``--userns=auto``."""
        (place / "subids").write_text("containers:1000000:1000000\n")
        return f"mount --bind {place}/subids /etc/subuid; mount --bind {place}/subids /etc/subgid"

    def boot(self) -> None:
        self.settings = self.place / "containers.conf"
        self.settings.write_text(SETTINGS.format(place=self.place))
        self.environment = {
            "CONTAINERS_CONF": str(self.settings),
            "HOME": str(self.place),
            "PATH": SYSTEM_PATH,
            **self.of_user(),
        }
        self.command = [
            *self.become(), "podman", "--root", self.place / "storage", "--runroot", self.place / "run",
            "--tmpdir", self.place / "tmp", "--storage-driver", "overlay", "--events-backend", "file",
            "--cgroup-manager", "cgroupfs", "--runtime", self.runtime.path,
        ]  # fmt: skip
        self("import", "-c", "ENV PATH=/bin", self.image.tar, IMAGE)

    def of_user(self) -> dict[str, str]:
        return {}

    def version(self) -> str:
        return self("--version").out.split()[-1]

    def sweep(self) -> None:
        self("pod", "rm", "-a", "-f", "-t", "0", status=None)
        self("rm", "-a", "-f", "-t", "0", status=None)

    def stop(self) -> None:
        self("system", "prune", "-a", "-f", "--volumes", status=None)


class RootlessPodman(Podman):
    name = "podman-rootless"
    title = "podman, rootless"
    tools = (*Podman.tools, "newuidmap", "setpriv")
    rootless = True

    @classmethod
    def prepare(cls, place: Path) -> str:
        """A user that only the machine knows, with ranges of subordinate ids."""
        user = f"engines:x:{UID}:{UID}::{place}:/bin/sh\n"
        (place / "passwd").write_text(Path("/etc/passwd").read_text() + user)
        (place / "group").write_text(Path("/etc/group").read_text() + f"engines:x:{UID}:\n")
        (place / "subids").write_text("engines:600000:65536\n")
        os.chown(place, UID, UID)
        return f"""
            mount --bind {place}/passwd /etc/passwd
            mount --bind {place}/group /etc/group
            mount --bind {place}/subids /etc/subuid
            mount --bind {place}/subids /etc/subgid
            install -d -o {UID} -g {UID} -m 700 /run/user/{UID}
            mknod -m 666 /run/tun c 10 200
            mount --bind /run/tun /dev/net/tun
        """

    def become(self) -> tuple[str, ...]:
        return ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")

    def of_user(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": f"/run/user/{UID}", "USER": "engines"}

    def left(self) -> list[str]:
        self.runtime = self.runtime._replace(root=f"/run/user/{UID}/{self.runtime.name}")
        return super().left()

    def stop(self) -> None:
        super().stop()
        # The process that holds the user namespace for all of the user's podman commands.
        self("system", "migrate")
