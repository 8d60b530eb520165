"""Builds the virtual machine's disk, kernel and initramfs from Debian's packages.

The recipe is this file, ``packages``, ``files/`` and ``initramfs/``; what was built from it is kept in a directory
named by the recipe's hash.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASE = "bookworm"
DISK_SIZE = "2G"
USER = "ordinary"  # the user with a systemd manager of their own: user id 1000
LEFT_OUT = ("doc", "man", "locale", "info", "i18n", "zoneinfo")  # of /usr/share: half of all files
# What takes time at the start, and nobody needs here.
MASKED_UNITS = (
    "apparmor.service",
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "modprobe@.service",
    "selinux-autorelabel-mark.service",
    "serial-getty@ttyS0.service",
    "systemd-binfmt.service",
    "systemd-journal-flush.service",
    "systemd-networkd.service",
    "systemd-pstore.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)


@dataclass(frozen=True)
class Image:
    """Files that make a machine."""

    kernel: Path
    initramfs: Path
    disk: Path


def build(cache: Path) -> Image:
    """The image below ``cache``, built if it isn't there: about a minute, and 400 MB of packages from the network.

    Raises CalledProcessError when a tool fails; what it said is on stderr.
    """
    directory = cache / f"image-{recipe_hash()}"
    if not directory.exists():
        for old in cache.glob("image-*"):
            shutil.rmtree(old)
        cache.mkdir(parents=True, exist_ok=True)
        # Device nodes and the files of other users: nobody but root gets through.
        with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as work:
            made = Path(work) / "image"
            made.mkdir()
            _build(Path(work) / "root", made)
            made.rename(directory)
    return Image(directory / "kernel", directory / "initramfs", directory / "disk")


def recipe_hash() -> str:
    """Of every file that the image is made from."""
    recipe = [HERE / "image.py", HERE / "packages", *sorted((HERE / "files").rglob("*")), HERE / "initramfs/init"]
    state = hashlib.sha256()
    for path in recipe:
        if path.is_file():
            state.update(f"{path.relative_to(HERE)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    return state.hexdigest()[:16]


def _build(root: Path, made: Path) -> None:
    _install(root)
    shutil.copytree(HERE / "files", root, dirs_exist_ok=True)
    _configure(root)
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    shutil.copyfile(kernel, made / "kernel")
    _make_initramfs(root, kernel.name.removeprefix("vmlinuz-"), made / "initramfs")
    for path in (root / "boot").iterdir():
        path.unlink()
    _label(root)
    _run("mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "root_owner=0:0", made / "disk", DISK_SIZE)


def _install(root: Path) -> None:
    packages = ",".join((HERE / "packages").read_text().split())
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    no_more = ["--variant=minbase", "--aptopt=APT::Install-Recommends false"]
    # initramfs-tools would spend a minute on an initramfs for any machine.
    skip = '--essential-hook=ln -s /bin/true "$1/usr/local/sbin/update-initramfs"'
    options = [*no_more, *excluded, skip, "--format=directory", f"--include={packages}"]
    _run("mmdebstrap", "--quiet", *options, RELEASE, root, *_sources())


def _sources() -> list[Path]:
    """The host's own package sources of this release; without, mmdebstrap's default."""
    places = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    named = re.compile(rf"\s{RELEASE}(\s|$)")
    read = [path for path in places if path.suffix in (".list", ".sources") and path.exists()]
    return [path for path in read if named.search(path.read_text())]


def _configure(root: Path) -> None:
    (root / "etc/machine-id").write_text("0123456789abcdef" * 2 + "\n")  # set: no first boot
    (root / "etc/hostname").write_text("vm\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost vm\n")
    (root / "etc/resolv.conf").write_text("")
    _run("chroot", root, "useradd", "--create-home", "--uid", "1000", "--shell", "/bin/sh", USER)
    linger = root / "var/lib/systemd/linger"
    linger.mkdir(parents=True, exist_ok=True)
    (linger / USER).touch()
    for unit in MASKED_UNITS:
        mask = root / "etc/systemd/system" / unit
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")


def _make_initramfs(root: Path, version: str, target: Path) -> None:
    """busybox, and the modules of a virtio disk in the order in which they are loaded."""
    shown = [
        subprocess.check_output(["chroot", root, "modprobe", "-S", version, "--show-depends", name], text=True)
        for name in ("virtio_pci", "virtio_blk")
    ]
    modules = dict.fromkeys(line.split()[1] for line in "".join(shown).splitlines() if line.startswith("insmod"))
    tree = root.parent / "initramfs"
    for name in ("bin", "dev", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy(HERE / "initramfs/init", tree)
    shutil.copy(root / "bin/busybox", tree / "bin")
    for number, path in enumerate(modules, 10):
        shutil.copy(root / path.lstrip("/"), tree / f"modules/{number}.ko")
    with target.open("wb") as file:
        names = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, check=True, input=names, stdout=file)


def _label(root: Path) -> None:
    """SELinux's labels, set here: a relabelling inside would take minutes."""
    (root / "etc/selinux/config").write_text("SELINUX=permissive\nSELINUXTYPE=default\n")
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    # setfiles goes by way of /proc/self/fd.
    script = f'mount -t proc proc "$1/proc" && chroot "$1" setfiles -F -q {contexts} /'
    _run("unshare", "--mount", "sh", "-c", script, "sh", root)


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
