"""What every root filesystem made here has besides programs: directories and a few files of /etc."""

import os

from ocipy.bundle.users import account_files
from ocipy.bundle.within import make_directory_within, resolve_within

# Mount points of the default config, and what programs take for granted.
_DIRECTORIES = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/tmp": 0o1777,
}
_HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n"
_NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n"


def make_directories(rootfs: str) -> None:
    """The directories that are missing; those that are there stay as they are."""
    for name, mode in _DIRECTORIES.items():
        make_directory_within(rootfs, name, mode)
    var_run = resolve_within(rootfs, "var/run", follow_last=False)
    if not os.path.lexists(var_run):
        os.symlink("../run", var_run)


def write_etc(rootfs: str, hostname: str, user: str) -> None:
    """passwd, group, nsswitch.conf, hosts and hostname; and the home of ``--user``'s account."""
    passwd, group, account = account_files(user)
    files = {
        "passwd": passwd,
        "group": group,
        "nsswitch.conf": _NSSWITCH,
        "hosts": _HOSTS.format(hostname=hostname),
        "hostname": f"{hostname}\n",
    }
    for name, text in files.items():
        path = resolve_within(rootfs, f"etc/{name}")
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.chmod(path, 0o644)
    if account is not None:
        home = make_directory_within(rootfs, account.home)
        if os.geteuid() == 0:  # without privileges the owner of all files is the container's root
            os.chown(home, account.uid, account.gid)
