"""Bundles for the cases: a busybox root filesystem, and a config with the least it needs."""

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

BUSYBOX = "/bin/busybox"

Config = dict[str, Any]


def hook(script: str, **properties: Any) -> Config:
    """A hook that runs a shell script; ``properties`` are further ones, e.g. ``timeout``."""
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **properties}


def minimal_config() -> Config:
    """A config with the least that a container with busybox needs."""
    capabilities = ["CAP_KILL"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        },
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "conformance",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        ],
        "linux": {"namespaces": [{"type": type_} for type_ in ("pid", "ipc", "uts", "mount", "network")]},
    }


@functools.cache
def busybox() -> Path:
    """A copy of it for all bundles to link to, for as long as this process runs."""
    directory = tempfile.mkdtemp(prefix="conformance-busybox-")
    atexit.register(shutil.rmtree, directory)
    return Path(shutil.copy(BUSYBOX, directory))


@functools.cache
def applets() -> list[str]:
    """The programs of busybox that a word of this suite names: links to all of them take longer than a case."""
    sources = " ".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    words = set(re.findall(r"[a-z0-9\[]+", sources))
    return [name for name in subprocess.check_output([BUSYBOX, "--list"], text=True).split() if name in words]


class Bundle:
    """A bundle of its own for a case: a directory with a busybox root filesystem and ``config``, written by create."""

    def __init__(self, path: Path, cgroup: str) -> None:
        self.path = path
        self.config = minimal_config()
        self.config["linux"]["cgroupsPath"] = cgroup
        self.rootfs = path / "rootfs"
        binaries = self.rootfs / "bin"
        binaries.mkdir(parents=True)
        for name in ("proc", "dev", "tmp", "sys"):
            (self.rootfs / name).mkdir()
        os.link(busybox(), binaries / "busybox")
        for applet in applets():
            if not (binaries / applet).exists():
                (binaries / applet).symlink_to("busybox")

    def shell(self, script: str) -> None:
        """Let the container run a script; what it prints is the command's output."""
        self.config["process"]["args"] = ["sh", "-c", script]

    def write(self) -> None:
        """Write config.json as it is now."""
        (self.path / "config.json").write_text(json.dumps(self.config, indent=1))
