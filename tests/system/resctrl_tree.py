"""A tree of directories that behaves as resctrl does: a new one gets its files, one that is removed loses them."""

import os
import posix
import shutil
from types import SimpleNamespace

DEFAULT = "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n"


class Tree:
    """``log`` is what was done, in order; ``full``: no more groups can be made; ``refused``: text no file takes."""

    def __init__(self, directory, module, monkeypatch):
        self.mount = directory / "resctrl"
        self.log = []
        self.full = False
        self.refused = None
        for name in ("L3", "MB", "L3_MON"):
            (self.mount / "info" / name).mkdir(parents=True)
        (self.mount / "info/last_cmd_status").write_text("ok\n")
        self._fill(self.mount)
        fakes = {"mkdir": self._mkdir, "rmdir": self._rmdir}
        monkeypatch.setattr(module, "posix", SimpleNamespace(**(vars(posix) | fakes)))
        self._write = module.files.write
        monkeypatch.setattr(module, "files", SimpleNamespace(**(vars(module.files) | {"write": self._record})))

    def add(self, name, schemata=DEFAULT):
        """A group that was there before."""
        (self.mount / name).mkdir()
        self._fill(self.mount / name)
        (self.mount / name / "schemata").write_text(schemata)

    def groups(self):
        kept = {"info", "mon_groups"}
        return sorted(path.name for path in self.mount.iterdir() if path.is_dir() and path.name not in kept)

    def read(self, name):
        return (self.mount / name).read_text()

    def _fill(self, directory):
        for name in ("schemata", "tasks"):
            (directory / name).write_text(DEFAULT if name == "schemata" else "")
        if directory.parent.name != "mon_groups":
            (directory / "mon_groups").mkdir()

    def _mkdir(self, path, mode):
        if self.full:
            raise OSError(28, "No space left on device")
        posix.mkdir(path, mode)
        self.log.append(("mkdir", os.path.relpath(path, self.mount)))
        self._fill(type(self.mount)(path))

    def _rmdir(self, path):
        if not os.path.exists(path):
            raise FileNotFoundError(2, "No such file or directory")
        self.log.append(("rmdir", os.path.relpath(path, self.mount)))
        shutil.rmtree(path)

    def _record(self, path, text):
        if self.refused and self.refused in text:
            (self.mount / "info/last_cmd_status").write_text("mask beef too big\n")
            raise OSError(22, "Invalid argument")
        self._write(path, text)
        self.log.append((os.path.relpath(path, self.mount), text))
