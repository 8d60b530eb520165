"""What was installed: for each file what it was before, what was written, and what is needed to take it out again."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field

from ocipy.errors import OcipyError
from ocipy.install import writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.install.engine import Undo

_FORMAT = 1


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Entry:
    """What was asked for under a name, and what is needed to take it out of the file again."""

    command: str
    default: bool
    systemd_cgroup: bool
    undo: "Undo"


@dataclass
class FileRecord:
    """A file: its text before (None: there was none), the hash of what was written, the entries by name."""

    path: str
    engine: str
    original: "str | None"
    written: str = ""
    entries: "dict[str, Entry]" = field(default_factory=dict)


class Record:
    """The record of one scope.  ``directories`` are those that were made, outermost first."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: list[FileRecord] = []
        self.directories: list[str] = []

    @classmethod
    def load(cls, path: str) -> "Record":
        """Read it, empty if there is none.  Raises OcipyError."""
        record = cls(path)
        text = writing.read(path)
        if text is None:
            return record
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise OcipyError(f"{path} was written by another version of ocipy: uninstall with that one")
            record.files = [FileRecord(**known) for known in document["files"]]
            for known in record.files:
                known.entries = {name: Entry(**vars_) for name, vars_ in known.entries.items()}  # type: ignore[arg-type]
            record.directories = list(document["directories"])
        except (ValueError, KeyError, TypeError) as problem:
            raise OcipyError(f"{path}: not a record of ocipy install: {problem!r} (move it away)") from None
        return record

    def find(self, path: str) -> "FileRecord | None":
        return next((entry for entry in self.files if entry.path == path), None)

    def save(self) -> None:
        """Write it, or remove it if nothing is installed any more.  Raises OSError."""
        if self.files:
            document = {
                "format": _FORMAT,
                "directories": self.directories,
                "files": [asdict(entry) for entry in self.files],
            }
            writing.write(self.path, json.dumps(document, indent=1) + "\n", mode=0o600)
        else:
            writing.remove(self.path)

    def drop_directories(self) -> None:
        """Remove directories made that are empty; the others stay listed.  Raises OSError."""
        for directory in reversed(self.directories):
            writing.remove_directory(directory)
        self.directories = [directory for directory in self.directories if os.path.isdir(directory)]
