"""Changes of files: shown as a diff, or carried out, all of them or none."""

import difflib
import io
import os
from dataclasses import dataclass, field

from ocipy.errors import SyscallError
from ocipy.install import writing
from ocipy.install.engine import Engine
from ocipy.install.places import Places
from ocipy.install.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Change:
    """A file's text before and after; None: no file."""

    engine: Engine
    path: str
    before: "str | None"
    after: "str | None"

    def diff(self) -> "Iterator[str]":
        """The change as a unified diff, line by line."""
        old, new = (self.path if text is not None else "/dev/null" for text in (self.before, self.after))
        # By newlines alone: str.splitlines() knows other ends of lines.
        before, after = (list(io.StringIO(text or "", newline="\n")) for text in (self.before, self.after))
        for line in difflib.unified_diff(before, after, old, new):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


@dataclass
class Outcome:
    """``changes`` of files; ``unchanged``: paths that are as wanted; ``kept``: what couldn't be taken out, and why;
    ``notes`` for the user; ``record``: as it will be."""

    record: Record
    changes: "list[Change]" = field(default_factory=list)
    unchanged: "list[str]" = field(default_factory=list)
    kept: "list[str]" = field(default_factory=list)
    notes: "list[str]" = field(default_factory=list)


def carry_out(outcome: Outcome, places: Places, *, installing: bool) -> None:
    """Write what was planned, all of it or nothing.  Raises OcipyError."""
    record = outcome.record
    former = writing.read(record.path)
    done: list[Change] = []
    made: list[str] = []
    subject = record.path
    try:
        if installing and outcome.changes:
            for directory in [
                os.path.dirname(path) for path in (*(each.path for each in outcome.changes), record.path)
            ]:
                subject = directory
                made += writing.make_directories(directory)
            record.directories += made
            # Before the files, so that what is interrupted here can be uninstalled; when uninstalling, after them.
            subject = record.path
            record.save()
        for change in outcome.changes:
            subject = change.path
            done.append(change)
            _write(change, change.after, places)
        if not installing:
            subject = record.path
            record.drop_directories()
            record.save()
            record.drop_directories()
    except BaseException as problem:
        for change in reversed(done):
            _write(change, change.before, places)
        _restore(record.path, former)
        for directory in reversed(made):
            writing.remove_directory(directory)
        if isinstance(problem, OSError):
            raise SyscallError("write", problem.errno or 0, subject, "nothing was changed") from problem
        raise
    for change in outcome.changes:
        if change.after is not None:
            outcome.notes += change.engine.activate(change.path, places)


def _write(change: Change, text: "str | None", places: Places) -> None:
    if text is None:
        change.engine.deactivate(change.path, places)
    _restore(change.path, text)


def _restore(path: str, text: "str | None") -> None:
    if text is None:
        writing.remove(path)
    elif writing.read(path) != text:
        writing.write(path, text)
