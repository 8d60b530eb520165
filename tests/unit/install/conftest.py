"""A machine of files alone: ``install`` and ``uninstall`` below a directory, by the command line."""

import os
from pathlib import Path

import pytest

from ocipy import cli

COMMAND = "/usr/bin/env"  # any program that is there


class Host:
    """Files by their paths on the machine; ``run`` is the command, ``out`` and ``err`` what it printed."""

    def __init__(self, root, capfd):
        self.root = root
        self._capfd = capfd
        self.out = self.err = ""

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def read(self, name):
        return self.path(name).read_bytes().decode()

    def run(self, *words, status=0):
        self._capfd.readouterr()
        got = cli.main([*words, "--destdir", str(self.root)])
        self.out, self.err = self._capfd.readouterr()
        assert got == status, self.out + self.err
        return self.out

    def install(self, *words, status=0, command=COMMAND):
        return self.run("install", "--system", "--command", command, *words, status=status)

    def uninstall(self, *words, status=0):
        return self.run("uninstall", "--system", *words, status=status)

    def files(self):
        """Everything below the root: path → (mode, owner, text or where a link leads)."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            facts = path.lstat()
            link = os.readlink(path) if path.is_symlink() else None
            content = link if link or path.is_dir() else path.read_bytes()
            found[str(path.relative_to(self.root))] = (facts.st_mode, facts.st_uid, facts.st_gid, content)
        return found


@pytest.fixture
def host(tmp_path, capfd):
    root = tmp_path / "host"
    (root / "etc").mkdir(parents=True)
    (root / "var/lib").mkdir(parents=True)
    return Host(Path(root), capfd)
