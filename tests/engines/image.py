"""The one image: busybox, and what a container needs to be looked at.  No registry is asked."""

import shutil
import subprocess
import tarfile
from pathlib import Path

USERS = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2:daemon:/:/bin/false\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
GROUPS = "root:x:0:\ndaemon:x:2:\nstaff:x:50:user\nuser:x:1000:\n"


class Image:
    """``rootfs`` is a directory; ``tar`` the same as a tar without metadata, for ``podman import`` and the like."""

    def __init__(self, directory: Path) -> None:
        self.rootfs = directory / "rootfs"
        for name in ("bin", "dev", "etc", "home/user", "proc", "root", "sys", "tmp", "var/data"):
            (self.rootfs / name).mkdir(parents=True)
        (self.rootfs / "tmp").chmod(0o1777)
        (self.rootfs / "etc/passwd").write_text(USERS)
        (self.rootfs / "etc/group").write_text(GROUPS)
        (self.rootfs / "etc/not-executable").write_text("#!/bin/sh\n")
        (self.rootfs / "var/data/original").write_text("of the image\n")
        busybox = shutil.which("busybox")
        assert busybox
        shutil.copy(busybox, self.rootfs / "bin/busybox")
        subprocess.run(["chroot", self.rootfs, "/bin/busybox", "--install", "-s", "/bin"], check=True)
        self.tar = directory / "rootfs.tar"
        with tarfile.open(self.tar, "w") as tar:
            tar.add(self.rootfs, arcname=".")
