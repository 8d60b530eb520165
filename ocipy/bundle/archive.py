"""Unpacking a root filesystem from a tar archive that is not trusted.

Names are resolved as if the new root filesystem were /: neither ``..``, nor an absolute name, nor a symlink
unpacked before can lead a write out of it.  (tarfile's own filters are not in Python 3.11.2, and refuse the
absolute symlinks every root filesystem has.)
"""

import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ocipy.bundle.within import make_directory_within, resolve_within
from ocipy.errors import OcipyError, UsageError

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_XATTR = "SCHILY.xattr."  # GNU tar's and star's prefix in pax headers
_KEPT_XATTRS = ("security.capability", "user.")


def extract_archive(archive: str, rootfs: str) -> int:
    """Unpack a tar archive (plain, gz, bz2, xz or zst) into the empty directory ``rootfs``; counts the members.

    As root with the owners, device nodes and file capabilities it says; otherwise all files become the
    caller's and device nodes are left out, as are setuid bits.  Raises UsageError for what isn't such an
    archive, OcipyError for a member that can't be.
    """
    extractor = _Extractor(rootfs, privileged=os.geteuid() == 0)
    try:
        with _decompressed(archive) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                extractor.extract(tar, member)
    except (tarfile.TarError, EOFError, OverflowError, zlib.error, lzma.LZMAError) as problem:
        raise UsageError(
            f"--rootfs {archive}: not a directory or tar archive, or a damaged one ({problem})"
        ) from problem
    extractor.finish_directories()
    if os.path.exists(f"{rootfs}/manifest.json") or os.path.exists(f"{rootfs}/oci-layout"):
        raise UsageError(
            f"--rootfs {archive}: is an image, not a root filesystem (docker export and podman export write one)"
        )
    if not extractor.count:
        raise UsageError(f"--rootfs {archive}: the archive is empty")
    return extractor.count


class _Extractor:
    """Unpacks members into ``rootfs``; directories get their modes and times last, for files go into them."""

    def __init__(self, rootfs: str, privileged: bool) -> None:
        self.rootfs = rootfs
        self.privileged = privileged
        self.count = 0
        self._directories: dict[str, tarfile.TarInfo] = {}

    def extract(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if "\0" in member.name or "\0" in member.linkname:
            raise OcipyError(f"{member.name!r} in the archive has a NUL in its name")
        self.count += 1
        path = resolve_within(self.rootfs, member.name, follow_last=member.isdir())
        make_directory_within(self.rootfs, os.path.dirname(member.name))
        if member.isdir():
            if not os.path.isdir(path):
                self._remove(path)
            self._directories[make_directory_within(self.rootfs, member.name)] = member
            return
        if path == self.rootfs:
            raise OcipyError(f"{member.name!r} in the archive would replace the root directory")
        self._remove(path)
        if self._create(path, tar, member):
            self._set_attributes(path, member)

    def _create(self, path: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
        """Make what isn't a directory; the value tells whether it has attributes of its own to set."""
        content = tar.extractfile(member) if member.isreg() else None
        if content is not None:
            with content, open(path, "xb") as file:
                shutil.copyfileobj(content, file)
        elif member.issym():
            os.symlink(member.linkname, path)
        elif member.islnk():
            self._link(path, member)
            return False
        elif member.isfifo():
            os.mkfifo(path)
        elif member.isdev():
            if self.privileged:
                kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
                os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
            return self.privileged
        else:
            raise OcipyError(f"{member.name!r} in the archive is of unknown type {member.type!r}")
        return True

    def finish_directories(self) -> None:
        for path in sorted(self._directories, reverse=True):
            self._set_attributes(path, self._directories[path])

    def _remove(self, path: str) -> None:
        """Make room: a later member of the same name replaces the earlier one, as with tar(1)."""
        if os.path.islink(path) or not os.path.isdir(path):
            if os.path.lexists(path):
                os.unlink(path)
        else:
            os.rmdir(path)
            # A symlink may come in its place, through which the directory's mode must not be set.
            self._directories.pop(path, None)

    def _link(self, path: str, member: tarfile.TarInfo) -> None:
        target = resolve_within(self.rootfs, member.linkname, follow_last=False)
        if not os.path.islink(target) and not os.path.isfile(target):
            raise OcipyError(
                f"{member.name!r} in the archive is a hard link to {member.linkname!r}, which is no file in it"
            )
        os.link(target, path, follow_symlinks=False)

    def _set_attributes(self, path: str, member: tarfile.TarInfo) -> None:
        mode = member.mode & 0o7777
        if self.privileged:
            os.lchown(path, member.uid, member.gid)
        elif not member.isdir():
            mode &= 0o1777
        if member.issym():
            return
        os.chmod(path, mode)  # after lchown, which clears the setuid bits
        if self.privileged:
            self._set_xattrs(path, member)
        os.utime(path, (member.mtime, member.mtime))

    def _set_xattrs(self, path: str, member: tarfile.TarInfo) -> None:
        for key, value in member.pax_headers.items():
            name = key.removeprefix(_XATTR)
            if name != key and name.startswith(_KEPT_XATTRS):
                os.setxattr(path, name, value.encode("utf-8", "surrogateescape"), follow_symlinks=False)


@contextmanager
def _decompressed(archive: str) -> Iterator[IO[bytes]]:
    """The archive's bytes; zstd through its program, the rest tarfile decompresses itself."""
    try:
        file = open(archive, "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        raise UsageError(f"--rootfs {archive}: no such directory or tar archive") from None
    with file:
        if file.peek(4)[:4] != _ZSTD_MAGIC:  # without seeking: it may be a pipe
            yield file
            return
        if not file.seekable():
            raise UsageError(f"--rootfs {archive}: is compressed with zstd, which needs a file, not a pipe")
    zstd = shutil.which("zstd")
    if zstd is None:
        raise OcipyError(f"--rootfs {archive}: is compressed with zstd, which is not in PATH (apt install zstd)")
    with subprocess.Popen([zstd, "-dcq", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output, errors = process.stdout, process.stderr
        if output is None or errors is None:
            raise OcipyError("zstd was started without its pipes")
        try:
            yield output
        finally:
            output.close()
            complaint = errors.read().decode("utf-8", "replace").strip()
        if process.wait() > 0:
            raise UsageError(f"--rootfs {archive}: zstd: {complaint}")
